/*
 * test_status.c
 *	  Every status has words of its own.
 */
#include <string.h>

#include "rmf_status.h"
#include "unit.h"

int
main(void)
{
	for (int a = RMF_OK; a <= RMF_BLAS_BROKEN + 1; a++)
	{
		const char *message = rmf_status_message((rmf_status) a);

		CHECK(message != NULL && strlen(message) > 0);
		CHECK(message[strlen(message) - 1] != '.');
		for (int b = RMF_OK; b < a; b++)
			CHECK(strcmp(message, rmf_status_message((rmf_status) b)) != 0);
	}
	CHECK(!rmf_poll_cancelled(NULL));
	return unit_report("status");
}
