/*
 * recmf_status.c
 *	  What stands between the core and PostgreSQL: statuses into errors,
 *	  interrupts into cancellation.
 *
 * Interrupts: the core polls, and nothing may jump out of it.  So the poll
 * services a pending interrupt there and then, and where that raises an error
 * (a cancelled statement, a conflict with recovery) it keeps the error, tells
 * the core to stop, and recmf_check_status() raises it after the core has
 * returned.  An interrupt that raises nothing costs no work.  A terminated
 * backend exits from within the poll.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "recmf_blas.h"
#include "recmf_status.h"

/* The error that a callback of the core has kept for recmf_check_status(). */
static ErrorData *kept_error = NULL;

bool
recmf_run_and_keep_error(void (*callback) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;

	kept_error = NULL;
	PG_TRY();
	{
		callback(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopTransactionContext);
		kept_error = CopyErrorData();
		FlushErrorState();
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();
	return kept_error != NULL;
}

static void
service_interrupts(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

static int
poll_cancelled(void *arg)
{
	return INTERRUPTS_PENDING_CONDITION() && recmf_run_and_keep_error(service_interrupts, NULL);
}

const rmf_poll *
recmf_poll(void)
{
	static const rmf_poll poll = {poll_cancelled, NULL};

	return &poll;
}

void
recmf_check_status(rmf_status status, const char *doing)
{
	switch (status)
	{
		case RMF_OK:
			return;
		case RMF_CANCELLED:
			if (kept_error != NULL)
			{
				ErrorData  *error = kept_error;

				kept_error = NULL;
				ReThrowError(error);
			}
			CHECK_FOR_INTERRUPTS();
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceled while trying to %s", doing)));
			break;
		case RMF_NOT_FINITE:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Scale the ratings down, or raise the regularization.")));
			break;
		case RMF_SINGULAR:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Raise the regularization, or use fewer factors.")));
			break;
		case RMF_BAD_ARGUMENT:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status))));
			break;
		case RMF_OVERFLOW:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Use fewer factors, or train on fewer users and items.")));
			break;
		case RMF_BLAS_BROKEN:
			recmf_blas_check_once();
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("could not %s: %s", doing, rmf_status_message(status))));
			break;
	}
}
