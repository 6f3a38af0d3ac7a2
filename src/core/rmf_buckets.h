/*
 * rmf_buckets.h
 *	  Buckets: contiguous ranges of rows with about as many entries as fit in
 *	  memory at once, for sorting more ratings than do.
 *
 * Entries are counted in int64 throughout, rows in int32; all arrays belong to
 * the caller.
 */
#ifndef RMF_BUCKETS_H
#define RMF_BUCKETS_H

#include <stdint.h>

#include "rmf_status.h"

/* How many places a guide has, at the most. */
#define RMF_GUIDE_LENGTH 4096

typedef struct rmf_buckets
{
	int32_t		n_buckets;
	int32_t    *first;			/* n_buckets + 1: bucket b has the rows first[b] <= r < first[b + 1] */
	int			guide_shift;
	int32_t		guide[RMF_GUIDE_LENGTH + 1];	/* the bucket of row g << guide_shift */
} rmf_buckets;

/* No plan of n_entries with room for "capacity" of them in a bucket has more buckets than this. */
extern int64_t rmf_buckets_most(int64_t n_entries, int64_t capacity);

/*
 * Rows 0 <= r < n_rows, of which r has start[r + 1] - start[r] entries, into
 * buckets of at most "capacity" entries each, or of one row that has more.
 * buckets->first is the caller's, with room for rmf_buckets_most() + 1.  There
 * is at least one bucket.
 *
 * Errors: RMF_BAD_ARGUMENT for no capacity or falling starts; RMF_OVERFLOW for
 * more rows or buckets than an int32 counts.
 */
extern rmf_status rmf_buckets_plan(int64_t n_rows, const int64_t *start, int64_t capacity,
								   rmf_buckets *buckets);

/* The bucket of a row. */
static inline int32_t
rmf_bucket_of(const rmf_buckets *buckets, int32_t row)
{
	int32_t		b = buckets->guide[row >> buckets->guide_shift];

	while (row >= buckets->first[b + 1])
		b++;
	return b;
}

/* start[0 ... n]: counts of n rows and a 0 become the sums of the counts before each. */
extern void rmf_counts_to_starts(int64_t n, int64_t *start);

#endif							/* RMF_BUCKETS_H */
