/*
 * test_buckets.c
 *	  Plans of buckets: every row in one, none too full, few of them, and all of
 *	  it with more ratings than an int32 counts.
 */
#include <stdlib.h>

#include "rmf_buckets.h"
#include "rmf_random.h"
#include "unit.h"

#define BILLION INT64_C(1000000000)

/* A plan of rows with such counts, checked in every respect but its size; freed by the caller. */
static rmf_buckets *
plan(int64_t n_rows, const int64_t *start, int64_t capacity)
{
	int64_t		most = rmf_buckets_most(start[n_rows] - start[0], capacity);
	rmf_buckets *buckets = malloc(sizeof(rmf_buckets));
	int64_t		r = 0;

	buckets->first = malloc((size_t) (most + 1) * sizeof(int32_t));
	CHECK(rmf_buckets_plan(n_rows, start, capacity, buckets) == RMF_OK);
	CHECK(buckets->n_buckets >= 1 && buckets->n_buckets <= most);
	CHECK(buckets->first[0] == 0 && buckets->first[buckets->n_buckets] == n_rows);
	for (int32_t b = 0; b < buckets->n_buckets; b++)
	{
		int64_t		first = buckets->first[b],
					last = buckets->first[b + 1],
					n = start[last] - start[first];
		int			found = 1;

		CHECK(first <= last);
		/* what is too long for a bucket is its first row's, all of it */
		CHECK(n <= capacity || n == start[first + 1] - start[first]);
		for (r = first; r < last; r++)
			found &= rmf_bucket_of(buckets, (int32_t) r) == b;
		CHECK(found);
	}
	return buckets;
}

static void
free_plan(rmf_buckets *buckets)
{
	free(buckets->first);
	free(buckets);
}

static void
test_small(void)
{
	int64_t		none[1] = {0};
	int64_t		start[8] = {0, 2, 4, 4, 14, 14, 15, 18};
	rmf_buckets *buckets;

	buckets = plan(0, none, 5);
	CHECK(buckets->n_buckets == 1);
	free_plan(buckets);

	/* rows of 2, 2, 0, 10, 0, 1, 3: the long row is alone but for the empty one after it */
	buckets = plan(7, start, 5);
	CHECK(buckets->n_buckets == 3);
	CHECK(buckets->first[1] == 3 && buckets->first[2] == 5);
	free_plan(buckets);

	buckets = plan(7, start, 18);
	CHECK(buckets->n_buckets == 1);
	free_plan(buckets);

	/* a row of its own for each */
	buckets = plan(7, start, 1);
	CHECK(buckets->n_buckets == 5);
	free_plan(buckets);
}

static void
test_errors(void)
{
	int64_t		falling[3] = {0, 5, 4};
	int64_t		huge[2] = {0, INT64_MAX};
	int32_t		first[16];
	rmf_buckets buckets;

	buckets.first = first;
	CHECK(rmf_buckets_plan(2, falling, 10, &buckets) == RMF_BAD_ARGUMENT);
	CHECK(rmf_buckets_plan(2, falling, 0, &buckets) == RMF_BAD_ARGUMENT);
	CHECK(rmf_buckets_plan(-1, falling, 1, &buckets) == RMF_BAD_ARGUMENT);
	CHECK(rmf_buckets_plan(1, huge, 1, &buckets) == RMF_OVERFLOW);
}

static void
test_random(void)
{
	uint64_t	seed = 1;

	for (int i = 0; i < 200; i++)
	{
		int64_t		n_rows = (int64_t) (rmf_mix64(seed++) % 20000);
		int64_t		longest = 1 + (int64_t) (rmf_mix64(seed++) % 100);
		int64_t		capacity = 1 + (int64_t) (rmf_mix64(seed++) % 5000);
		int64_t    *start = malloc((size_t) (n_rows + 1) * sizeof(int64_t));

		start[0] = 0;
		for (int64_t r = 0; r < n_rows; r++)
		{
			uint64_t	draw = rmf_mix64(seed++);

			start[r + 1] = start[r] + (draw % 3 == 0 ? 0 : draw % 97 == 0 ? capacity * 2 :
									   (int64_t) (draw % (uint64_t) longest));
		}
		free_plan(plan(n_rows, start, capacity));
		free(start);
	}
}

/* Ten billion ratings, which no int32 counts: in all, of a bucket, of a row. */
static void
test_wide(void)
{
	int64_t		n_rows = 1000;
	int64_t    *start = malloc((size_t) (n_rows + 1) * sizeof(int64_t));
	rmf_buckets *buckets;

	for (int64_t r = 0; r <= n_rows; r++)
		start[r] = r * BILLION / 100;
	buckets = plan(n_rows, start, BILLION);
	CHECK(buckets->n_buckets == 10);
	CHECK(buckets->first[9] == 900 && start[buckets->first[9]] == 9 * BILLION);
	free_plan(buckets);

	buckets = plan(n_rows, start, 3 * BILLION);
	CHECK(buckets->n_buckets == 4);
	free_plan(buckets);

	/* one row of five billion in the middle */
	for (int64_t r = 501; r <= n_rows; r++)
		start[r] += 5 * BILLION;
	buckets = plan(n_rows, start, BILLION);
	CHECK(rmf_bucket_of(buckets, 500) == 5 && buckets->first[5] == 500 && buckets->first[6] == 501);
	CHECK(buckets->n_buckets == 11);
	free_plan(buckets);

	/* counts that pass 2^31 in their sum, and one that does alone */
	for (int64_t r = 0; r < n_rows; r++)
		start[r] = BILLION;
	start[7] = 5 * BILLION;
	start[n_rows] = 0;
	rmf_counts_to_starts(n_rows, start);
	CHECK(start[7] == 7 * BILLION && start[8] == 12 * BILLION);
	CHECK(start[n_rows] == 1004 * BILLION);

	/* starts need not begin at 0 */
	buckets = plan(100, start + 100, 10 * BILLION);
	CHECK(buckets->n_buckets == 10);
	free_plan(buckets);
	free(start);

	CHECK(rmf_buckets_most(100 * BILLION, 1000) == 200000002);
	CHECK(rmf_buckets_most(INT64_MAX, 1) == INT64_MAX);
}

int
main(void)
{
	test_small();
	test_errors();
	test_random();
	test_wide();
	return unit_report("buckets");
}
