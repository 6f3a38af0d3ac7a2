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

#include "rmf_status.h"

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
 * Reads n entries from first_entry on into the given arrays (those that are
 * NULL are not wanted); nonzero: failed, and the caller keeps the reason.
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

/*
 * What all ratings have in common: a rating of weight c counts as if it were
 * there c times.
 */
typedef struct rmf_csr_stats
{
	int64_t		n_entries;
	double		sum;			/* of weight times value */
	double		mean;
	double		sd;				/* population standard deviation */
	double		min;
	double		max;
	double		squares;		/* of the deviations from the mean */
	double		weight;			/* of all: n_entries where they have none */
	double		noise_edge;		/* rmf_noise_edge() of where they are; 0: not known, as rmf_ratings_summarize() leaves it */
} rmf_csr_stats;

/*
 * Adds up in double, in the order of the ratings; first the mean, then the
 * deviations from it, so that no digits cancel.  Where ratings are loaded,
 * "window" at a time into "value" and, if they have weights, "weight"; the
 * result does not depend on that.  In memory: the arrays may be NULL.
 *
 * Errors: RMF_CANCELLED, also where ratings could not be loaded.
 */
extern rmf_status rmf_ratings_summarize(const rmf_ratings *ratings, int64_t window, float *value, float *weight,
										rmf_csr_stats *stats, const rmf_poll *poll);

/* Of two sets of ratings together, from those of each, but for noise_edge; the first gets it. */
extern void rmf_csr_stats_add(rmf_csr_stats *stats, const rmf_csr_stats *more);

#endif							/* RMF_CSR_H */
