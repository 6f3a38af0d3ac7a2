/*
 * test_csr.c
 *	  Summaries of ratings: what they say, and that they say the same piece by
 *	  piece.
 */
#include <math.h>
#include <string.h>

#include "rmf_csr.h"
#include "rmf_random.h"
#include "unit.h"

static void
test_summary(void)
{
	int64_t		start[2] = {0, 4};
	int32_t		column[4] = {0, 1, 2, 3};
	float		value[4] = {1, 2, 3, 6};
	rmf_csr		csr = {1, 4, 4, start, column, value, NULL};
	rmf_csr_stats stats;

	rmf_csr_summarize(&csr, &stats);
	CHECK(stats.n_entries == 4 && stats.sum == 12 && stats.mean == 3);
	CHECK(stats.min == 1 && stats.max == 6);
	CHECK_NEAR(stats.sd, sqrt(14.0 / 4), 1e-12);

	/* a small spread far from zero, and none at all */
	for (int i = 0; i < 4; i++)
		value[i] = (float) (1000000 + i % 2);
	rmf_csr_summarize(&csr, &stats);
	CHECK_NEAR(stats.sd, 0.5, 1e-12);
	for (int i = 0; i < 4; i++)
		value[i] = 0.1f;
	rmf_csr_summarize(&csr, &stats);
	CHECK(stats.sd == 0 && stats.mean == 0.1f);

	csr.n_entries = start[1] = 0;
	rmf_csr_summarize(&csr, &stats);
	CHECK(stats.n_entries == 0 && stats.sum == 0 && stats.mean == 0 && stats.sd == 0);
}

/* The same to the bit piece by piece, whatever the pieces. */
static void
test_summary_in_pieces(void)
{
	enum
	{
		N = 1000
	};
	int64_t		start[2] = {0, N};
	int32_t		column[N] = {0};
	float		value[N];
	rmf_csr		csr = {1, N, N, start, column, value, NULL};
	rmf_csr_stats whole;

	for (int i = 0; i < N; i++)
		rmf_random_normal((uint64_t) i, 5, 1e3, 1, &value[i]);
	rmf_csr_summarize(&csr, &whole);
	for (int64_t piece = 1; piece <= N; piece = piece * 3 + 1)
	{
		rmf_csr_stats stats = {0};

		for (int64_t t = 0; t < N; t += piece)
			rmf_csr_stats_add(&stats, N - t < piece ? N - t : piece, value + t);
		for (int64_t t = 0; t < N; t += piece)
			rmf_csr_stats_deviate(&stats, N - t < piece ? N - t : piece, value + t);
		CHECK(memcmp(&stats, &whole, sizeof(stats)) == 0);
	}
}

int
main(void)
{
	test_summary();
	test_summary_in_pieces();
	return unit_report("csr");
}
