/*
 * rmf_buckets.c
 *	  Planning buckets of rows: see rmf_buckets.h.
 *
 * Rows are taken in order as long as they fit.  So two neighbouring buckets
 * together always hold more than one bucket may, which bounds their number.
 */
#include "rmf_buckets.h"

int64_t
rmf_buckets_most(int64_t n_entries, int64_t capacity)
{
	int64_t		full = n_entries / capacity;

	return full < INT64_MAX / 2 - 2 ? full * 2 + 2 : INT64_MAX;
}

/* So that a row is found from near its bucket, whatever the number of buckets. */
static void
make_guide(int64_t n_rows, rmf_buckets *buckets)
{
	int32_t		b = 0;
	int64_t		g = 0;

	buckets->guide_shift = 0;
	while (n_rows >> buckets->guide_shift >= RMF_GUIDE_LENGTH)
		buckets->guide_shift++;
	for (; g << buckets->guide_shift < n_rows; g++)
	{
		while (g << buckets->guide_shift >= buckets->first[b + 1])
			b++;
		buckets->guide[g] = b;
	}
	for (; g <= RMF_GUIDE_LENGTH; g++)
		buckets->guide[g] = buckets->n_buckets - 1;
}

rmf_status
rmf_buckets_plan(int64_t n_rows, const int64_t *start, int64_t capacity, rmf_buckets *buckets)
{
	int64_t		from = start[0];
	int64_t		n = 1;

	if (n_rows < 0 || capacity < 1)
		return RMF_BAD_ARGUMENT;
	if (n_rows > INT32_MAX || rmf_buckets_most(start[n_rows] - start[0], capacity) >= INT32_MAX)
		return RMF_OVERFLOW;

	buckets->first[0] = 0;
	for (int64_t r = 0; r < n_rows; r++)
	{
		if (start[r + 1] < start[r])
			return RMF_BAD_ARGUMENT;
		if (start[r + 1] - from > capacity && r > buckets->first[n - 1] && start[r + 1] > start[r])
		{
			buckets->first[n++] = (int32_t) r;
			from = start[r];
		}
	}
	buckets->first[n] = (int32_t) n_rows;
	buckets->n_buckets = (int32_t) n;
	make_guide(n_rows, buckets);
	return RMF_OK;
}

void
rmf_counts_to_starts(int64_t n, int64_t *start)
{
	int64_t		sum = 0;

	for (int64_t i = 0; i <= n; i++)
	{
		int64_t		count = start[i];

		start[i] = sum;
		sum += count;
	}
}
