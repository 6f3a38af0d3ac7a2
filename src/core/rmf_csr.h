/*
 * rmf_csr.h
 *	  Ratings as a sparse matrix: rows of (column, value), columns ascending.
 *
 * rmf_partition.h makes them.
 *
 * All arrays belong to the caller; nothing is allocated here.
 */
#ifndef RMF_CSR_H
#define RMF_CSR_H

#include <stdint.h>

typedef struct rmf_csr
{
	int64_t		n_rows;
	int64_t		n_columns;
	int64_t		n_entries;		/* start[n_rows] */
	int64_t    *start;			/* n_rows + 1 offsets into column and value */
	int32_t    *column;			/* ascending and unique within a row */
	float	   *value;
	float	   *weight;			/* NULL: all 1 */
} rmf_csr;

/*
 * Reads n entries from first_entry on into the given arrays ("weight" may be
 * NULL); nonzero: failed, and the caller of the run keeps the reason.
 */
typedef int (*rmf_load_entries) (void *arg, int64_t first_entry, int64_t n,
								 int32_t *column, float *value, float *weight);

/* One orientation of the ratings, as training reads it. */
typedef struct rmf_ratings
{
	int64_t		n_rows;
	int64_t		n_columns;
	int64_t		n_entries;		/* start[n_rows] */
	const int64_t *start;		/* n_rows + 1; always in memory */
	const int32_t *column;		/* NULL: entries are loaded window by window */
	const float *value;
	const float *weight;		/* NULL: all 1 */
	int			has_weight;		/* whether entries that are loaded have weights */
	rmf_load_entries load;		/* where column is NULL */
	void	   *load_arg;
} rmf_ratings;

/* What becomes of several values of one (row, column). */
typedef enum rmf_merge
{
	RMF_MERGE_SUM,
	RMF_MERGE_MEAN
} rmf_merge;

/* Summary of all values; sums in double, in row order. */
typedef struct rmf_csr_stats
{
	int64_t		n_entries;
	double		sum;
	double		mean;
	double		sd;				/* population standard deviation */
	double		min;
	double		max;
	double		squares;		/* of the deviations from the mean */
} rmf_csr_stats;

extern void rmf_csr_summarize(const rmf_csr *csr, rmf_csr_stats *stats);

/*
 * The same piece by piece, to the bit: from a summary of zeros, all values are
 * added, then all again as deviations from the mean, so that no digits cancel.
 */
extern void rmf_csr_stats_add(rmf_csr_stats *stats, int64_t n, const float *value);
extern void rmf_csr_stats_deviate(rmf_csr_stats *stats, int64_t n, const float *value);

#endif							/* RMF_CSR_H */
