/*
 * rmf_topk.c
 *	  The k best rows of a full scan, in a heap that lives in the output.
 *
 * While scanning, out[0] is the worst of those kept; at the end the heap is
 * taken apart from the back, which leaves the best first.
 */
#include <math.h>

#include "rmf_topk.h"
#include "rmf_vector.h"

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

/* Is a to be listed before b? */
static int
is_better(rmf_scored a, rmf_scored b)
{
	if (a.score != b.score)
		return a.score > b.score;
	return a.index < b.index;
}

/* Puts "entry" at the root of a heap of n whose root is free. */
static void
replace_root(rmf_scored *heap, int32_t n, rmf_scored entry)
{
	int64_t		hole = 0;

	for (;;)
	{
		int64_t		child = 2 * hole + 1;

		if (child >= n)
			break;
		if (child + 1 < n && is_better(heap[child], heap[child + 1]))
			child++;
		if (is_better(heap[child], entry))
			break;
		heap[hole] = heap[child];
		hole = child;
	}
	heap[hole] = entry;
}

static void
append(rmf_scored *heap, int32_t n, rmf_scored entry)
{
	int32_t		hole = n;

	while (hole > 0 && is_better(heap[(hole - 1) / 2], entry))
	{
		heap[hole] = heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap[hole] = entry;
}

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
			append(out, kept++, entry);
		else if (is_better(entry, out[0]))
			replace_root(out, kept, entry);
	}

	*found = kept;
	while (kept > 1)
	{
		rmf_scored	worst = out[0];

		kept--;
		replace_root(out, kept, out[kept]);
		out[kept] = worst;
	}
	return RMF_OK;
}
