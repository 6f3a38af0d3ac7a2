/*
 * test_partition.c
 *	  Matrices by partitions: against those made the plain way, in any order of
 *	  the entries, with duplicates and weights, in memory that comes in pieces,
 *	  at the edges, and under cancellation.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "csr_fixture.h"
#include "rmf_partition.h"
#include "rmf_random.h"
#include "unit.h"

/* Rows of very different lengths, the first one long; some pairs several times. */
static triples
random_triples(int64_t n, int64_t n_rows, int64_t n_columns, int weighted, uint64_t seed)
{
	triples		r = make_triples(n, n_rows, n_columns, weighted);

	for (int64_t t = 0; t < n; t++)
	{
		uint64_t	bits = rmf_mix64(seed * 1000003 + (uint64_t) t);
		double		u = (double) (bits >> 40) * 0x1p-24;

		r.row[t] = (int32_t) ((double) n_rows * u * u * u);
		r.column[t] = (int32_t) (bits % (uint64_t) n_columns);
		r.value[t] = (float) (1 + bits % 50) / 7;
		if (weighted)
			r.weight[t] = (float) (1 + bits / 64 % 9) / 3;
	}
	return r;
}

#define MAX_PIECES 1000

/* Both orientations; entries come in blocks, and memory for each when it is needed. */
static rmf_status
build(triples r, const int32_t *row_label, const int32_t *column_label, int64_t block, rmf_merge merge,
	  rmf_csr *by_row, rmf_csr *by_column, const rmf_poll *poll)
{
	rmf_partition *partition = malloc(sizeof(rmf_partition));
	int64_t		larger = r.n_rows > r.n_columns ? r.n_rows : r.n_columns;
	int64_t    *count = calloc((size_t) larger + 1, 8);
	uint16_t   *bucket = allocate((size_t) larger * sizeof(uint16_t));
	void	   *piece[MAX_PIECES];
	void	   *scratch = NULL;
	int			n_pieces = 0;
	rmf_status	status;

	for (int64_t t = 0; t < r.n; t++)
		count[row_label != NULL ? row_label[r.row[t]] : r.row[t]]++;
	status = rmf_partition_init(partition, r.n_rows, count, r.weight != NULL, bucket);
	for (int64_t from = 0; from < r.n && status == RMF_OK; from += block)
	{
		int64_t		n = r.n - from < block ? r.n - from : block;

		if (rmf_partition_room(partition) < n)
		{
			size_t		size = rmf_partition_memory_size(partition, n);

			CHECK(n_pieces < MAX_PIECES);
			piece[n_pieces] = malloc(size);
			rmf_partition_give(partition, piece[n_pieces++], size);
			CHECK(rmf_partition_room(partition) >= n);
		}
		status = rmf_partition_add(partition, n, r.row + from, row_label, r.column + from, column_label,
								   r.value + from, r.weight != NULL ? r.weight + from : NULL, poll);
	}
	if (status == RMF_OK)
	{
		scratch = malloc(rmf_partition_scratch_size(partition) + 1);
		status = rmf_partition_sort(partition, merge, by_row, scratch, poll);
	}
	if (status == RMF_OK && by_column != NULL)
	{
		memset(count, 0, ((size_t) larger + 1) * 8);
		rmf_count(by_row->n_entries, by_row->column, count);
		status = rmf_partition_reset(partition, r.n_columns, count, bucket);
		if (status == RMF_OK && rmf_partition_room(partition) < by_row->n_entries)
		{
			size_t		size = rmf_partition_memory_size(partition, by_row->n_entries);

			piece[n_pieces] = malloc(size);
			rmf_partition_give(partition, piece[n_pieces++], size);
		}
		if (status == RMF_OK)
			status = rmf_partition_add_matrix(partition, by_row, poll);
		if (status == RMF_OK)
			status = rmf_partition_collect(partition, by_column, poll);
	}
	while (n_pieces > 0)
		free(piece[--n_pieces]);
	free(scratch);
	free(bucket);
	free(count);
	free(partition);
	return status;
}

static int
equal(rmf_csr a, rmf_csr b)
{
	size_t		n = (size_t) a.n_entries;

	return a.n_entries == b.n_entries &&
		memcmp(a.start, b.start, ((size_t) a.n_rows + 1) * 8) == 0 &&
		memcmp(a.column, b.column, n * 4) == 0 && memcmp(a.value, b.value, n * 4) == 0 &&
		(a.weight == NULL || memcmp(a.weight, b.weight, n * 4) == 0);
}

/* Entry for entry what the plain way makes, bit for bit; in any order. */
static void
test_against_reference(int64_t n, int64_t n_rows, int64_t n_columns, rmf_merge merge)
{
	triples		r = random_triples(n, n_rows, n_columns, 0, 1);
	rmf_csr		wanted = make_csr(n_rows, n_columns, n, 0);
	rmf_csr		transposed = make_csr(n_columns, n_rows, n, 0);
	rmf_csr		by_row = make_csr(n_rows, n_columns, n, 0);
	rmf_csr		by_column = make_csr(n_columns, n_rows, n, 0);

	/* a sum of such values depends on the order in which they are added */
	for (int64_t t = 0; t < n; t += 3)
		r.value[t] *= t % 2 ? 1e12f : -1e12f;
	reference_csr(r, merge, &wanted);
	reference_transpose(&wanted, &transposed);

	CHECK(build(r, NULL, NULL, n, merge, &by_row, &by_column, NULL) == RMF_OK);
	CHECK(equal(by_row, wanted) && equal(by_column, transposed));
	for (uint64_t seed = 1; seed <= 2; seed++)
	{
		shuffle_triples(r, seed * 7919);
		CHECK(build(r, NULL, NULL, n / 7 + 1, merge, &by_row, &by_column, NULL) == RMF_OK);
		CHECK(equal(by_row, wanted) && equal(by_column, transposed));
	}
	free_triples(r);
	free_csr(wanted);
	free_csr(transposed);
	free_csr(by_row);
	free_csr(by_column);
}

static void
test_labels(void)
{
	triples		r = random_triples(5000, 60, 40, 0, 2);
	triples		labelled = random_triples(5000, 60, 40, 0, 2);
	rmf_csr		a = make_csr(60, 40, 5000, 0);
	rmf_csr		b = make_csr(60, 40, 5000, 0);
	int32_t		row_label[60],
				column_label[40];

	for (int i = 0; i < 60; i++)
		row_label[i] = (i * 7 + 3) % 60;
	for (int i = 0; i < 40; i++)
		column_label[i] = (i * 11 + 5) % 40;
	for (int64_t t = 0; t < r.n; t++)
	{
		labelled.row[t] = row_label[r.row[t]];
		labelled.column[t] = column_label[r.column[t]];
	}
	CHECK(build(r, row_label, column_label, 1000, RMF_MERGE_SUM, &a, NULL, NULL) == RMF_OK);
	CHECK(build(labelled, NULL, NULL, 1000, RMF_MERGE_SUM, &b, NULL, NULL) == RMF_OK);
	CHECK(equal(a, b));
	free_triples(r);
	free_triples(labelled);
	free_csr(a);
	free_csr(b);
}

/* Sums, or means by weight with the sums of weights, against sums in a dense matrix. */
static void
test_against_dense(int64_t n, rmf_merge merge, int weighted)
{
	triples		r = random_triples(n, 30, 20, weighted, 3);
	rmf_csr		by_row = make_csr(30, 20, n, weighted);
	rmf_csr		by_column = make_csr(20, 30, n, weighted);
	rmf_csr		again = make_csr(30, 20, n, weighted);
	double		sum[30][20] = {{0}};
	double		weight[30][20] = {{0}};
	int64_t		at = 0;

	for (int64_t t = 0; t < n; t++)
	{
		double		w = weighted ? r.weight[t] : 1;

		sum[r.row[t]][r.column[t]] += w * r.value[t];
		weight[r.row[t]][r.column[t]] += w;
	}
	CHECK(build(r, NULL, NULL, 100, merge, &by_row, &by_column, NULL) == RMF_OK);
	for (int i = 0; i < 30; i++)
		for (int j = 0; j < 20; j++)
		{
			if (weight[i][j] == 0)
				continue;
			if (merge == RMF_MERGE_MEAN)
				sum[i][j] /= weight[i][j];
			CHECK(by_row.column[at] == j);
			CHECK_NEAR(by_row.value[at], sum[i][j], 1e-6 * fabs(sum[i][j]));
			if (weighted)
				CHECK_NEAR(by_row.weight[at], weight[i][j], 1e-6 * weight[i][j]);
			at++;
		}
	CHECK(at == by_row.n_entries);
	for (int j = 0; weighted && j < 20; j++)
		for (int64_t e = by_column.start[j]; e < by_column.start[j + 1]; e++)
			CHECK_NEAR(by_column.weight[e], weight[by_column.column[e]][j], 1e-6 * by_column.weight[e]);

	shuffle_triples(r, 11);
	CHECK(build(r, NULL, NULL, n, merge, &again, NULL, NULL) == RMF_OK);
	CHECK(equal(again, by_row));
	free_triples(r);
	free_csr(by_row);
	free_csr(by_column);
	free_csr(again);
}

/* A single pair, many times: the whole matrix is one entry. */
static void
test_long_run(void)
{
	const int64_t n = 100003;
	triples		r = make_triples(n, 1, 1, 0);
	rmf_csr		csr = make_csr(1, 1, n, 0);
	float		sum;

	for (int64_t t = 0; t < n; t++)
	{
		r.row[t] = r.column[t] = 0;
		r.value[t] = (float) ((t * 7919) % n);	/* a permutation */
	}
	CHECK(build(r, NULL, NULL, n, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.n_entries == 1);
	CHECK(csr.value[0] == (float) ((double) n * (double) (n - 1) / 2));
	CHECK(build(r, NULL, NULL, n, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.value[0] == (float) ((double) (n - 1) / 2));

	/* large and small terms cancel: right in one order only, so the order must be fixed */
	for (int64_t t = 0; t < n; t++)
		r.value[t] = t % 2 ? 1e30f * (float) t : -1e30f * (float) (t + 1) + 1e22f;
	CHECK(build(r, NULL, NULL, n, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	sum = csr.value[0];
	shuffle_triples(r, 5);
	CHECK(build(r, NULL, NULL, n, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.value[0] == sum);
	free_triples(r);
	free_csr(csr);
}

static void
test_edges(void)
{
	int32_t		row[4] = {0, 2, 0, 2},
				column[4] = {1, 0, 1, 1};
	float		value[4] = {3e38f, 1, 3e38f, 2},
				weight[4] = {1, 1, 1, 1};
	triples		r = {4, 3, 2, row, column, value, NULL};
	rmf_csr		csr = make_csr(3, 2, 4, 1);
	rmf_partition *partition = malloc(sizeof(rmf_partition));
	int64_t		count[3] = {2, -1, 2};
	uint16_t	bucket[3];

	/* past the range of a float; an empty row */
	CHECK(build(r, NULL, NULL, 1, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_NOT_FINITE);
	CHECK(build(r, NULL, NULL, 1, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.n_entries == 3 && csr.value[0] == 3e38f && csr.start[1] == 1 && csr.start[2] == 1 && csr.start[3] == 3);
	value[0] = -3e38f;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.n_entries == 3 && csr.value[0] == 0);
	value[1] = 1e-45f;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.value[csr.start[2]] == 1e-45f);
	value[0] = NAN;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_NOT_FINITE);
	value[0] = 1;
	value[1] = INFINITY;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_NOT_FINITE);
	value[1] = 1;
	r.weight = weight;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_OK);
	weight[0] = weight[2] = 3e38f;
	CHECK(build(r, NULL, NULL, 4, RMF_MERGE_MEAN, &csr, NULL, NULL) == RMF_NOT_FINITE);

	/* a negative count; no room */
	CHECK(rmf_partition_init(partition, 3, count, 0, bucket) == RMF_BAD_ARGUMENT);
	CHECK(rmf_partition_init(partition, -1, count, 0, bucket) == RMF_BAD_ARGUMENT);
	count[1] = 0;
	CHECK(rmf_partition_init(partition, 3, count, 0, bucket) == RMF_OK);
	CHECK(rmf_partition_room(partition) == 0);
	CHECK(rmf_partition_add(partition, 4, row, NULL, column, NULL, value, NULL, NULL) == RMF_BAD_ARGUMENT);

	/* nothing in it, nothing of it */
	r.n = 0;
	r.weight = NULL;
	CHECK(build(r, NULL, NULL, 1, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.n_entries == 0 && csr.start[0] == 0 && csr.start[3] == 0);
	r.n_rows = r.n_columns = csr.n_rows = csr.n_columns = 0;
	CHECK(build(r, NULL, NULL, 1, RMF_MERGE_SUM, &csr, NULL, NULL) == RMF_OK);
	CHECK(csr.n_entries == 0 && csr.start[0] == 0);
	free(partition);
	free_csr(csr);
}

/* What is said to be the most that n entries take is enough, even in rows that each fill a bucket. */
static void
test_most_memory(void)
{
	for (int64_t n = 1; n < 3000000; n = n * 3 + 1)
	{
		for (int64_t of_row = 1; of_row <= n; of_row = of_row * 7 + 5)
		{
			int64_t		n_rows = n / of_row;
			int64_t    *count = allocate((size_t) n_rows * sizeof(int64_t));
			uint16_t   *bucket = allocate((size_t) n_rows * sizeof(uint16_t));
			rmf_partition *partition = malloc(sizeof(rmf_partition));

			for (int64_t i = 0; i < n_rows; i++)
				count[i] = of_row;
			CHECK(rmf_partition_init(partition, n_rows, count, 1, bucket) == RMF_OK);
			CHECK(rmf_partition_memory_size(partition, n_rows * of_row) <= rmf_partition_most_memory(n, 1));
			free(partition);
			free(bucket);
			free(count);
		}
	}
}

/* Cancels at every poll in turn. */
static void
test_cancel(void)
{
	const int64_t n = 200000;
	triples		r = random_triples(n, 500, 3000, 0, 4);
	rmf_csr		by_row = make_csr(500, 3000, n, 0);
	rmf_csr		by_column = make_csr(3000, 500, n, 0);
	counting_poll counter;
	long		polls;

	/* much of it one long run */
	for (int64_t t = 0; t < n / 3; t++)
		r.row[t] = r.column[t] = 9;
	CHECK(build(r, NULL, NULL, n, RMF_MERGE_SUM, &by_row, &by_column, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls > 50);
	for (long at = 1; at <= polls; at++)
		CHECK(build(r, NULL, NULL, n, RMF_MERGE_SUM, &by_row, &by_column, start_poll(&counter, at)) == RMF_CANCELLED &&
			  counter.calls == at);
	free_triples(r);
	free_csr(by_row);
	free_csr(by_column);
}

int
main(void)
{
	static const int64_t sizes[] = {1, 2, 100, 5000, 400000};

	for (int i = 0; i < 5; i++)
	{
		test_against_reference(sizes[i], 40, 30, RMF_MERGE_SUM);
		test_against_reference(sizes[i], 3000, 1, RMF_MERGE_MEAN);
		test_against_reference(sizes[i], 1, 2000, RMF_MERGE_MEAN);
		test_against_reference(sizes[i], 20000, 300000, RMF_MERGE_SUM);
	}
	test_against_reference(40000, 1000000, 1500000, RMF_MERGE_SUM);
	test_labels();
	test_against_dense(10, RMF_MERGE_MEAN, 1);
	test_against_dense(20000, RMF_MERGE_MEAN, 1);
	test_against_dense(20000, RMF_MERGE_MEAN, 0);
	test_against_dense(20000, RMF_MERGE_SUM, 0);
	test_long_run();
	test_edges();
	test_most_memory();
	test_cancel();
	return unit_report("partition");
}
