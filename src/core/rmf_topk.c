/*
 * rmf_topk.c
 *	  The k best rows of a full scan.
 */
#include <math.h>

#include "rmf_topk.h"
#include "rmf_vector.h"

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

rmf_status
rmf_topk(int64_t n, int32_t dimensions, const float *rows, const float *query,
		 int64_t n_skip, const int32_t *skip, int32_t k, rmf_scored *out,
		 int32_t *found, const rmf_poll *poll)
{
	int64_t		between_polls;
	int64_t		skipped = 0;
	int32_t		kept = 0;

	*found = 0;
	if (n < 0 || dimensions < 1 || n_skip < 0 || k < 0)
		return RMF_BAD_ARGUMENT;
	if (n > INT32_MAX)
		return RMF_OVERFLOW;
	if (k == 0)
		return RMF_OK;
	between_polls = dimensions < POLL_PRODUCTS ? POLL_PRODUCTS / dimensions : 1;

	for (int64_t i = 0; i < n; i++)
	{
		rmf_scored	entry;

		if (i % between_polls == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		while (skipped < n_skip && skip[skipped] < i)
			skipped++;
		if (skipped < n_skip && skip[skipped] == i)
			continue;

		entry.index = (int32_t) i;
		entry.score = rmf_dot(dimensions, query, rows + i * dimensions);
		if (!isfinite(entry.score))
			return RMF_NOT_FINITE;
		if (kept < k)
			rmf_best_append(out, kept++, entry);
		else if (rmf_is_better(entry, out[0]))
			rmf_best_replace(out, kept, entry);
	}

	*found = kept;
	rmf_best_sort(out, kept);
	return RMF_OK;
}
