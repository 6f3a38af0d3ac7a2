/*
 * rmf_partition.h
 *	  Ratings into sparse matrices a cache's load at a time.
 *
 * Unordered entries are first partitioned by ranges of rows, buckets, each of
 * which fits in the second-level cache; then each bucket is sorted in there.
 * So each rating is written to memory twice, in long runs, where a counting
 * sort of all of them would go to a place of its own for each.
 *
 * Phases: rmf_partition_init() from the number of entries of each row;
 * rmf_partition_add() any number of times, all entries together as many as
 * were announced; rmf_partition_sort().  For the other orientation the same
 * with rmf_partition_add_matrix() and rmf_partition_collect().
 *
 * The matrix depends on the set of entries alone, never on their order.
 *
 * All memory is the caller's; nothing is allocated here.
 */
#ifndef RMF_PARTITION_H
#define RMF_PARTITION_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_csr.h"
#include "rmf_status.h"

#define RMF_MAX_BUCKETS 1024

typedef struct rmf_partition
{
	int64_t		n_rows;
	int			words;			/* 32-bit words an entry: row, column, value and, of 4, weight */
	int			n_buckets;
	int64_t		largest;		/* entries of the largest bucket */
	int64_t		first_row[RMF_MAX_BUCKETS + 1];
	int64_t		start[RMF_MAX_BUCKETS + 1]; /* first entry of each bucket */
	int64_t		next[RMF_MAX_BUCKETS];	/* where the bucket's next entry goes */
	uint16_t   *bucket;			/* of each row */
	int32_t    *entries;		/* the caller's, rmf_partition_entries_size() bytes */
} rmf_partition;

/* count[label[t]] grows by 1 for t < n. */
extern void rmf_count(int64_t n, const int32_t *label, int64_t *count);

/*
 * count: entries of each row, before duplicates are merged.  bucket: n_rows,
 * kept until all entries are added.  The caller sets partition->entries next.
 *
 * Errors: RMF_BAD_ARGUMENT for a negative number.
 */
extern rmf_status rmf_partition_init(rmf_partition *partition, int64_t n_rows, const int64_t *count,
									 int weighted, uint16_t *bucket);

/* Bytes. */
extern size_t rmf_partition_entries_size(const rmf_partition *partition);
extern size_t rmf_partition_scratch_size(const rmf_partition *partition);

/*
 * n entries.  Their rows and columns are row_label[row[t]] and
 * column_label[column[t]]; where a label is NULL, row[t] or column[t].  weight:
 * NULL unless weighted.  Entries must have
 * been counted, and columns be within the matrix: neither is checked here.
 *
 * Errors: RMF_CANCELLED.
 */
extern rmf_status rmf_partition_add(rmf_partition *partition, int64_t n,
									const int32_t *row, const int32_t *row_label,
									const int32_t *column, const int32_t *column_label,
									const float *value, const float *weight, const rmf_poll *poll);

/*
 * All entries into "csr", whose arrays the caller has made (start: n_rows + 1;
 * column, value and, if weighted, weight: as many as there are entries) and
 * whose n_rows and n_columns are set.  n_entries is set to the number left
 * after entries of one row and column are merged: RMF_MERGE_SUM adds up values
 * and weights; RMF_MERGE_MEAN makes the mean of the values (by weight, if
 * weighted) and adds up weights.  The entries are scratch from here on.
 *
 * Errors: RMF_NOT_FINITE when values add up past the range of a float, or are
 * not finite; RMF_CANCELLED.
 */
extern rmf_status rmf_partition_sort(rmf_partition *partition, rmf_merge merge, rmf_csr *csr,
									 void *scratch, const rmf_poll *poll);

/* The entries of a matrix, transposed: its columns are the rows here. */
extern rmf_status rmf_partition_add_matrix(rmf_partition *partition, const rmf_csr *csr, const rmf_poll *poll);

/* As rmf_partition_sort(), of entries without duplicates that came by ascending column. */
extern rmf_status rmf_partition_collect(const rmf_partition *partition, rmf_csr *csr, const rmf_poll *poll);

#endif							/* RMF_PARTITION_H */
