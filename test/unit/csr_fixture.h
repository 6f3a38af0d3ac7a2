/*
 * csr_fixture.h
 *	  Ratings as triples and as matrices, for the tests and the benchmark; and
 *	  the plain way from the one to the other, which rmf_partition.h is checked
 *	  against: rows by counting, each sorted by qsort().
 */
#ifndef CSR_FIXTURE_H
#define CSR_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "rmf_csr.h"
#include "rmf_random.h"

typedef struct triples
{
	int64_t		n;
	int64_t		n_rows;
	int64_t		n_columns;
	int32_t    *row;
	int32_t    *column;
	float	   *value;
	float	   *weight;			/* NULL: none */
} triples;

static inline triples
make_triples(int64_t n, int64_t n_rows, int64_t n_columns, int weighted)
{
	triples		t = {n, n_rows, n_columns, NULL, NULL, NULL, NULL};

	t.row = allocate((size_t) n * sizeof(int32_t));
	t.column = allocate((size_t) n * sizeof(int32_t));
	t.value = allocate((size_t) n * sizeof(float));
	if (weighted)
		t.weight = allocate((size_t) n * sizeof(float));
	return t;
}

static inline void
free_triples(triples t)
{
	free(t.row);
	free(t.column);
	free(t.value);
	free(t.weight);
}

static inline void
shuffle_triples(triples t, uint64_t seed)
{
	for (int64_t i = t.n - 1; i > 0; i--)
	{
		int64_t		j = (int64_t) (rmf_mix64(seed + (uint64_t) i) % (uint64_t) (i + 1));

#define SWAP(type, array) do { type moved = (array)[i]; (array)[i] = (array)[j]; (array)[j] = moved; } while (0)
		SWAP(int32_t, t.row);
		SWAP(int32_t, t.column);
		SWAP(float, t.value);
		if (t.weight != NULL)
			SWAP(float, t.weight);
#undef SWAP
	}
}

/* Room for n entries; there are none yet. */
static inline rmf_csr
make_csr(int64_t n_rows, int64_t n_columns, int64_t n, int weighted)
{
	rmf_csr		csr = {n_rows, n_columns, 0, NULL, NULL, NULL, NULL};

	csr.start = allocate((size_t) (n_rows + 1) * sizeof(int64_t));
	csr.column = allocate((size_t) n * sizeof(int32_t));
	csr.value = allocate((size_t) n * sizeof(float));
	if (weighted)
		csr.weight = allocate((size_t) n * sizeof(float));
	return csr;
}

static inline void
free_csr(rmf_csr csr)
{
	free(csr.start);
	free(csr.column);
	free(csr.value);
	free(csr.weight);
}

/* A matrix as training reads it. */
static inline rmf_ratings
ratings_of(const rmf_csr *csr)
{
	return (rmf_ratings) {
		.n_rows = csr->n_rows, .n_columns = csr->n_columns, .n_entries = csr->n_entries,
		.start = csr->start, .column = csr->column, .value = csr->value, .weight = csr->weight
	};
}

static inline rmf_csr_stats
summary_of(const rmf_csr *csr)
{
	rmf_ratings ratings = ratings_of(csr);
	rmf_csr_stats stats;

	(void) rmf_ratings_summarize(&ratings, 0, NULL, NULL, &stats, NULL);
	return stats;
}

typedef struct reference_entry
{
	int32_t		column;
	float		value;
} reference_entry;

static inline int
compare_entries(const void *a, const void *b)
{
	const reference_entry *x = a;
	const reference_entry *y = b;

	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return (x->value > y->value) - (x->value < y->value);
}

/* Triples without weights; those of one row and column are added in the order of their values. */
static inline void
reference_csr(triples t, rmf_merge merge, rmf_csr *csr)
{
	reference_entry *sorted = allocate((size_t) t.n * sizeof(reference_entry));
	int64_t    *end = allocate((size_t) (t.n_rows + 1) * sizeof(int64_t));
	int64_t		n = 0;

	memset(end, 0, (size_t) (t.n_rows + 1) * sizeof(int64_t));
	for (int64_t i = 0; i < t.n; i++)
		end[t.row[i] + 1]++;
	for (int64_t r = 0; r < t.n_rows; r++)
		end[r + 1] += end[r];
	for (int64_t i = 0; i < t.n; i++)
		sorted[end[t.row[i]]++] = (reference_entry) {t.column[i], t.value[i]};

	for (int64_t r = 0, at = 0; r < t.n_rows; r++)
	{
		csr->start[r] = n;
		qsort(sorted + at, (size_t) (end[r] - at), sizeof(reference_entry), compare_entries);
		while (at < end[r])
		{
			int64_t		first = at;
			double		sum = 0;

			for (; at < end[r] && sorted[at].column == sorted[first].column; at++)
				sum += sorted[at].value;
			csr->column[n] = sorted[first].column;
			csr->value[n++] = (float) (merge == RMF_MERGE_MEAN ? sum / (double) (at - first) : sum);
		}
	}
	csr->start[t.n_rows] = n;
	csr->n_entries = n;
	free(sorted);
	free(end);
}

/* The same entries by column. */
static inline void
reference_transpose(const rmf_csr *in, rmf_csr *out)
{
	int64_t    *end = allocate((size_t) (in->n_columns + 1) * sizeof(int64_t));

	memset(end, 0, (size_t) (in->n_columns + 1) * sizeof(int64_t));
	for (int64_t t = 0; t < in->n_entries; t++)
		end[in->column[t] + 1]++;
	for (int64_t c = 0; c < in->n_columns; c++)
		end[c + 1] += end[c];
	memcpy(out->start, end, (size_t) (in->n_columns + 1) * sizeof(int64_t));
	for (int64_t r = 0; r < in->n_rows; r++)
	{
		for (int64_t t = in->start[r]; t < in->start[r + 1]; t++)
		{
			int64_t		to = end[in->column[t]]++;

			out->column[to] = (int32_t) r;
			out->value[to] = in->value[t];
		}
	}
	out->n_entries = in->n_entries;
	free(end);
}

#endif							/* CSR_FIXTURE_H */
