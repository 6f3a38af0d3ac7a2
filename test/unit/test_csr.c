/*
 * test_csr.c
 *	  Sparse matrices: against a dense one, in any order of the triples, with
 *	  duplicates, at the edges, and under cancellation.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "rmf_csr.h"
#include "rmf_random.h"
#include "unit.h"

typedef struct triples
{
	int64_t		n;
	int32_t    *row;
	int32_t    *column;
	float	   *value;
} triples;

static triples
make_triples(int64_t n)
{
	triples		t;
	size_t		room = (size_t) n + 1;

	t.n = n;
	t.row = malloc(room * sizeof(int32_t));
	t.column = malloc(room * sizeof(int32_t));
	t.value = malloc(room * sizeof(float));
	return t;
}

static void
free_triples(triples t)
{
	free(t.row);
	free(t.column);
	free(t.value);
}

static rmf_csr
make_csr(int64_t n_rows, int64_t n_columns, int64_t n)
{
	rmf_csr		csr;

	csr.n_rows = n_rows;
	csr.n_columns = n_columns;
	csr.n_entries = -1;
	csr.start = malloc((size_t) (n_rows + 1) * sizeof(int64_t));
	csr.column = malloc(((size_t) n + 1) * sizeof(int32_t));
	csr.value = malloc(((size_t) n + 1) * sizeof(float));
	return csr;
}

static void
free_csr(rmf_csr csr)
{
	free(csr.start);
	free(csr.column);
	free(csr.value);
}

/* Builds from a copy, so that the triples can be used again. */
static rmf_status
build(triples t, rmf_merge merge, rmf_csr *csr, const rmf_poll *poll)
{
	triples		copy = make_triples(t.n);
	int64_t		larger = csr->n_rows > csr->n_columns ? csr->n_rows : csr->n_columns;
	int64_t    *scratch = malloc((size_t) (larger + 1) * sizeof(int64_t));
	rmf_status	status;

	memcpy(copy.row, t.row, (size_t) t.n * sizeof(int32_t));
	memcpy(copy.column, t.column, (size_t) t.n * sizeof(int32_t));
	memcpy(copy.value, t.value, (size_t) t.n * sizeof(float));
	status = rmf_csr_build(t.n, copy.row, copy.column, copy.value, merge, csr, scratch, poll);
	free(scratch);
	free_triples(copy);
	return status;
}

static void
shuffle(triples t, uint64_t seed)
{
	for (int64_t i = t.n - 1; i > 0; i--)
	{
		int64_t		j = (int64_t) (rmf_mix64(seed + (uint64_t) i) % (uint64_t) (i + 1));
		int32_t		row = t.row[i],
					column = t.column[i];
		float		value = t.value[i];

		t.row[i] = t.row[j];
		t.column[i] = t.column[j];
		t.value[i] = t.value[j];
		t.row[j] = row;
		t.column[j] = column;
		t.value[j] = value;
	}
}

/* n triples in a matrix of 40 x 30, row 7 and column 3 stay empty. */
static triples
random_triples(int64_t n, uint64_t seed)
{
	triples		t = make_triples(n);

	for (int64_t i = 0; i < n; i++)
	{
		uint64_t	bits = rmf_mix64(seed * 1000003 + (uint64_t) i);

		t.row[i] = (int32_t) (bits % 40);
		t.column[i] = (int32_t) (bits / 40 % 30);
		if (t.row[i] == 7)
			t.row[i] = 8;
		if (t.column[i] == 3)
			t.column[i] = 29;
		rmf_random_normal((uint64_t) i, seed, 1e3, 1, &t.value[i]);
	}
	return t;
}

static void
test_against_dense(int64_t n, rmf_merge merge)
{
	triples		t = random_triples(n, 1);
	rmf_csr		csr = make_csr(40, 30, n);
	double		sum[40][30];
	int			count[40][30];
	int64_t		cells = 0;

	memset(sum, 0, sizeof(sum));
	memset(count, 0, sizeof(count));
	for (int64_t i = 0; i < n; i++)
	{
		sum[t.row[i]][t.column[i]] += t.value[i];
		count[t.row[i]][t.column[i]]++;
	}

	CHECK(build(t, merge, &csr, NULL) == RMF_OK);
	CHECK(csr.start[0] == 0);
	CHECK(csr.start[40] == csr.n_entries);
	for (int r = 0; r < 40; r++)
	{
		int64_t		at = csr.start[r];

		for (int c = 0; c < 30; c++)
		{
			if (count[r][c] == 0)
				continue;
			cells++;
			CHECK(at < csr.start[r + 1] && csr.column[at] == c);
			if (merge == RMF_MERGE_MEAN)
				sum[r][c] /= count[r][c];
			CHECK_NEAR(csr.value[at], sum[r][c], 1e-7 * fabs(sum[r][c]));
			at++;
		}
		CHECK(at == csr.start[r + 1]);
	}
	CHECK(csr.n_entries == cells);
	free_csr(csr);
	free_triples(t);
}

/* With values whose sum depends on the order in which they are added. */
static void
test_order_does_not_matter(int64_t n, rmf_merge merge)
{
	triples		t = random_triples(n, 2);
	rmf_csr		first = make_csr(40, 30, n);

	for (int64_t i = 0; i < n; i += 3)
		t.value[i] *= 1e9f;
	CHECK(build(t, merge, &first, NULL) == RMF_OK);
	for (uint64_t seed = 1; seed <= 5; seed++)
	{
		rmf_csr		again = make_csr(40, 30, n);

		shuffle(t, seed * 7919);
		CHECK(build(t, merge, &again, NULL) == RMF_OK);
		CHECK(again.n_entries == first.n_entries);
		CHECK(memcmp(again.start, first.start, 41 * sizeof(int64_t)) == 0);
		CHECK(memcmp(again.column, first.column, (size_t) first.n_entries * sizeof(int32_t)) == 0);
		CHECK(memcmp(again.value, first.value, (size_t) first.n_entries * sizeof(float)) == 0);
		free_csr(again);
	}
	free_csr(first);
	free_triples(t);
}

static void
test_transpose(void)
{
	triples		t = random_triples(500, 3);
	rmf_csr		csr = make_csr(40, 30, 500);
	rmf_csr		transposed = make_csr(30, 40, 500);
	rmf_csr		back = make_csr(40, 30, 500);
	int64_t		scratch[41];

	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(rmf_csr_transpose(&csr, &transposed, scratch, NULL) == RMF_OK);
	CHECK(transposed.n_rows == 30 && transposed.n_columns == 40);
	CHECK(transposed.n_entries == csr.n_entries);
	for (int r = 0; r < 30; r++)
		for (int64_t i = transposed.start[r]; i + 1 < transposed.start[r + 1]; i++)
			CHECK(transposed.column[i] < transposed.column[i + 1]);
	/* an entry of the one is an entry of the other */
	for (int r = 0; r < 40; r++)
	{
		for (int64_t i = csr.start[r]; i < csr.start[r + 1]; i++)
		{
			int			seen = 0;

			for (int64_t j = transposed.start[csr.column[i]]; j < transposed.start[csr.column[i] + 1]; j++)
				seen += transposed.column[j] == r && transposed.value[j] == csr.value[i];
			CHECK(seen == 1);
		}
	}
	CHECK(rmf_csr_transpose(&transposed, &back, scratch, NULL) == RMF_OK);
	CHECK(memcmp(back.start, csr.start, 41 * sizeof(int64_t)) == 0);
	CHECK(memcmp(back.column, csr.column, (size_t) csr.n_entries * sizeof(int32_t)) == 0);
	CHECK(memcmp(back.value, csr.value, (size_t) csr.n_entries * sizeof(float)) == 0);
	free_csr(csr);
	free_csr(transposed);
	free_csr(back);
	free_triples(t);
}

/* A single pair, many times: the whole matrix is one run. */
static void
test_long_run(void)
{
	const int64_t n = 100003;
	triples		t = make_triples(n);
	rmf_csr		csr = make_csr(1, 1, n);
	float		sum;

	for (int64_t i = 0; i < n; i++)
	{
		t.row[i] = t.column[i] = 0;
		t.value[i] = (float) ((i * 7919) % n);	/* a permutation */
	}
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(csr.n_entries == 1);
	CHECK(csr.value[0] == (float) ((double) n * (double) (n - 1) / 2));
	CHECK(build(t, RMF_MERGE_MEAN, &csr, NULL) == RMF_OK);
	CHECK(csr.value[0] == (float) ((double) (n - 1) / 2));

	/* large and small terms cancel: right in one order only, so the order must be fixed */
	for (int64_t i = 0; i < n; i++)
		t.value[i] = i % 2 ? 1e30f * (float) i : -1e30f * (float) (i + 1) + 1e22f;
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	sum = csr.value[0];
	shuffle(t, 5);
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(csr.value[0] == sum);
	free_csr(csr);
	free_triples(t);
}

static void
test_edges(void)
{
	int32_t		row[3] = {0, 2, 0},
				column[3] = {1, 0, 1};
	float		value[3] = {3e38f, 1, 3e38f};
	triples		t = {3, row, column, value};
	rmf_csr		csr = make_csr(3, 2, 3);

	/* past the range of a float */
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_NOT_FINITE);
	CHECK(build(t, RMF_MERGE_MEAN, &csr, NULL) == RMF_OK);
	CHECK(csr.n_entries == 2 && csr.value[0] == 3e38f);
	value[0] = -3e38f;
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(csr.n_entries == 2 && csr.value[0] == 0);
	value[1] = NAN;
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_NOT_FINITE);
	value[1] = INFINITY;
	CHECK(build(t, RMF_MERGE_MEAN, &csr, NULL) == RMF_NOT_FINITE);
	value[1] = 1e-45f;
	CHECK(build(t, RMF_MERGE_MEAN, &csr, NULL) == RMF_OK);
	CHECK(csr.value[csr.start[2]] == 1e-45f);

	/* indexes out of range */
	for (int bad = 0; bad < 4; bad++)
	{
		row[1] = bad == 0 ? -1 : bad == 1 ? 3 : 2;
		column[1] = bad == 2 ? -1 : bad == 3 ? 2 : 0;
		CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_BAD_ARGUMENT);
	}

	/* nothing in it, nothing of it */
	t.n = 0;
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(csr.n_entries == 0 && csr.start[0] == 0 && csr.start[3] == 0);
	csr.n_rows = csr.n_columns = 0;
	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(csr.n_entries == 0 && csr.start[0] == 0);
	free_csr(csr);
}

static void
test_relabel(void)
{
	int32_t		label[5] = {2, 0, 1, 2, 2};
	const int32_t new_label[3] = {10, 7, -3};

	rmf_relabel(5, label, new_label);
	CHECK(label[0] == -3 && label[1] == 10 && label[2] == 7 && label[3] == -3 && label[4] == -3);
}

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

/* Cancels at every poll in turn; the arrays are long enough that each phase has some. */
static void
test_cancel(void)
{
	const int64_t n = 200000;
	triples		t = random_triples(n, 4);
	rmf_csr		csr = make_csr(40, 30, n);
	rmf_csr		transposed = make_csr(30, 40, n);
	int64_t		scratch[41];
	counting_poll counter;
	long		polls;

	/* half of it one long run */
	for (int64_t i = 0; i < n / 2; i++)
		t.row[i] = t.column[i] = 9;

	CHECK(build(t, RMF_MERGE_SUM, &csr, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls > 3 * 10);
	for (long at = 1; at <= polls; at++)
		CHECK(build(t, RMF_MERGE_SUM, &csr, start_poll(&counter, at)) == RMF_CANCELLED && counter.calls == at);

	CHECK(build(t, RMF_MERGE_SUM, &csr, NULL) == RMF_OK);
	CHECK(rmf_csr_transpose(&csr, &transposed, scratch, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls >= 2);
	for (long at = 1; at <= polls; at++)
		CHECK(rmf_csr_transpose(&csr, &transposed, scratch, start_poll(&counter, at)) == RMF_CANCELLED);
	free_csr(csr);
	free_csr(transposed);
	free_triples(t);
}

int
main(void)
{
	static const int64_t sizes[] = {1, 2, 100, 5000, 100000};

	for (int i = 0; i < 5; i++)
	{
		test_against_dense(sizes[i], RMF_MERGE_SUM);
		test_against_dense(sizes[i], RMF_MERGE_MEAN);
		test_order_does_not_matter(sizes[i], RMF_MERGE_SUM);
		test_order_does_not_matter(sizes[i], RMF_MERGE_MEAN);
	}
	test_transpose();
	test_long_run();
	test_edges();
	test_relabel();
	test_summary();
	test_summary_in_pieces();
	test_cancel();
	return unit_report("csr");
}
