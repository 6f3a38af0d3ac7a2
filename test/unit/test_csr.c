/*
 * test_csr.c
 *	  Summaries of ratings: what they say, with and without weights, that they
 *	  say the same to the bit of ratings that are loaded piece by piece, and under
 *	  cancellation.
 */
#include <math.h>
#include <string.h>

#include "counting_poll.h"
#include "csr_fixture.h"
#include "unit.h"

/* One row of n ratings. */
static rmf_csr
make_row(int64_t n, int weighted)
{
	rmf_csr		csr = make_csr(1, n, n, weighted);

	csr.n_entries = n;
	csr.start[0] = 0;
	csr.start[1] = n;
	for (int64_t t = 0; t < n; t++)
		csr.column[t] = (int32_t) t;
	return csr;
}

static void
test_summary(void)
{
	static const float values[4] = {1, 2, 3, 6};
	rmf_csr		csr = make_row(4, 0);
	rmf_csr_stats stats;

	memcpy(csr.value, values, sizeof(values));
	stats = summary_of(&csr);
	CHECK(stats.n_entries == 4 && stats.sum == 12 && stats.mean == 3 && stats.weight == 4);
	CHECK(stats.min == 1 && stats.max == 6);
	CHECK_NEAR(stats.sd, sqrt(14.0 / 4), 1e-12);

	/* a small spread far from zero, and none at all */
	for (int i = 0; i < 4; i++)
		csr.value[i] = (float) (1000000 + i % 2);
	CHECK_NEAR(summary_of(&csr).sd, 0.5, 1e-12);
	for (int i = 0; i < 4; i++)
		csr.value[i] = 0.1f;
	stats = summary_of(&csr);
	CHECK(stats.sd == 0 && stats.mean == 0.1f);

	csr.n_entries = csr.start[1] = 0;
	stats = summary_of(&csr);
	CHECK(stats.n_entries == 0 && stats.sum == 0 && stats.mean == 0 && stats.sd == 0);
	free_csr(csr);
}

/* Whole weights are as many ratings each; what is said of min, max and number does not depend on them. */
static void
test_weights(void)
{
	enum
	{
		N = 500
	};
	rmf_csr		weighted = make_row(N, 1);
	rmf_csr		repeated = make_row(N * 8, 0);
	rmf_csr_stats stats,
				wanted;
	int64_t		n = 0;

	for (int64_t t = 0; t < N; t++)
	{
		weighted.weight[t] = (float) (1 + rmf_mix64((uint64_t) t) % 8);
		weighted.value[t] = (float) (1 + rmf_mix64((uint64_t) (t + N)) % 9) / 2;
		for (int c = 0; c < (int) weighted.weight[t]; c++)
			repeated.value[n++] = weighted.value[t];
	}
	repeated.n_entries = repeated.start[1] = n;
	stats = summary_of(&weighted);
	wanted = summary_of(&repeated);
	CHECK(stats.n_entries == N && stats.weight == (double) n);
	CHECK(stats.min == wanted.min && stats.max == wanted.max);
	CHECK_NEAR(stats.sum, wanted.sum, 1e-12 * wanted.sum);
	CHECK_NEAR(stats.mean, wanted.mean, 1e-12 * wanted.mean);
	CHECK_NEAR(stats.sd, wanted.sd, 1e-12 * wanted.sd);

	/* equal weights, whatever they are, change neither mean nor deviation */
	wanted = summary_of(&(rmf_csr) {1, N, N, weighted.start, weighted.column, weighted.value, NULL});
	for (int64_t t = 0; t < N; t++)
		weighted.weight[t] = 1e-30f;
	stats = summary_of(&weighted);
	CHECK_NEAR(stats.mean, wanted.mean, 1e-12 * wanted.mean);
	CHECK_NEAR(stats.sd, wanted.sd, 1e-12 * wanted.sd);
	free_csr(weighted);
	free_csr(repeated);
}

typedef struct loader
{
	const rmf_csr *csr;
	int64_t		fail_at;		/* entry whose load fails; -1: none */
} loader;

static int
load(void *arg, int64_t first_entry, int64_t n, int32_t *column, float *value, float *weight)
{
	const loader *from = arg;

	CHECK(column == NULL && first_entry + n <= from->csr->n_entries);
	if (from->fail_at >= first_entry && from->fail_at < first_entry + n)
		return 1;
	memcpy(value, from->csr->value + first_entry, (size_t) n * sizeof(float));
	if (from->csr->weight != NULL)
		memcpy(weight, from->csr->weight + first_entry, (size_t) n * sizeof(float));
	return 0;
}

/* The same to the bit piece by piece, whatever the pieces; a piece that cannot be loaded. */
static void
test_loaded(int weighted)
{
	enum
	{
		N = 1000
	};
	rmf_csr		csr = make_row(N, weighted);
	float		value[N],
				weight[N];
	rmf_csr_stats whole,
				stats;
	loader		from = {&csr, -1};
	rmf_ratings ratings = {
		.n_rows = 1, .n_columns = N, .n_entries = N, .start = csr.start, .has_weight = weighted,
		.load = load, .load_arg = &from
	};

	for (int i = 0; i < N; i++)
	{
		rmf_random_normal((uint64_t) i, 5, 1e3, 1, &csr.value[i]);
		if (weighted)
			csr.weight[i] = (float) (1 + i % 7) / 3;
	}
	whole = summary_of(&csr);
	for (int64_t window = 1; window <= N; window = window * 3 + 1)
	{
		CHECK(rmf_ratings_summarize(&ratings, window, value, weighted ? weight : NULL, &stats, NULL) == RMF_OK);
		CHECK(memcmp(&stats, &whole, sizeof(stats)) == 0);
	}
	from.fail_at = 700;
	CHECK(rmf_ratings_summarize(&ratings, 100, value, weighted ? weight : NULL, &stats, NULL) == RMF_CANCELLED);
	free_csr(csr);
}

/* Cancels at every poll in turn. */
static void
test_cancel(void)
{
	const int64_t n = 3000000;
	rmf_csr		csr = make_row(n, 0);
	rmf_ratings ratings;
	rmf_csr_stats stats;
	counting_poll counter;
	long		polls;

	memset(csr.value, 0, (size_t) n * sizeof(float));
	ratings = ratings_of(&csr);
	CHECK(rmf_ratings_summarize(&ratings, 0, NULL, NULL, &stats, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls >= 4);
	for (long at = 1; at <= polls; at++)
		CHECK(rmf_ratings_summarize(&ratings, 0, NULL, NULL, &stats, start_poll(&counter, at)) == RMF_CANCELLED);
	free_csr(csr);
}

int
main(void)
{
	test_summary();
	test_weights();
	test_loaded(0);
	test_loaded(1);
	test_cancel();
	return unit_report("csr");
}
