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
 * rmf_partition_give() memory and rmf_partition_add() entries, any number of
 * times, all entries together as many as were announced; rmf_partition_sort().
 * For the other orientation rmf_partition_reset(), rmf_partition_add_matrix()
 * and rmf_partition_collect().
 *
 * Memory is given in pieces as it is needed, so that what held the entries
 * before can be given when they have been added: fresh memory is dear.  All of
 * it is the caller's, who keeps it until the partition is done with.
 *
 * The matrix depends on the set of entries alone, never on their order.
 */
#ifndef RMF_PARTITION_H
#define RMF_PARTITION_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_csr.h"
#include "rmf_status.h"

#define RMF_MAX_BUCKETS 1024

/* A piece of a bucket, or of what is free; entries come behind it. */
typedef struct rmf_chunk
{
	struct rmf_chunk *next;
	int64_t		n;				/* entries, set once the chunk is full or the bucket complete */
} rmf_chunk;

typedef struct rmf_partition
{
	int			words;			/* 32-bit words an entry: row, column, value and, of 4, weight */
	int			n_buckets;
	int64_t		n_rows;
	int64_t		largest;		/* entries of the largest bucket */
	int64_t		first_row[RMF_MAX_BUCKETS + 1];
	int64_t		start[RMF_MAX_BUCKETS + 1]; /* first entry of each bucket in the matrix */
	rmf_chunk  *first[RMF_MAX_BUCKETS]; /* NULL while the bucket is empty */
	rmf_chunk  *last[RMF_MAX_BUCKETS];
	int32_t    *next[RMF_MAX_BUCKETS];	/* where the bucket's next entry goes */
	int32_t    *end[RMF_MAX_BUCKETS];	/* of the last chunk */
	uint16_t   *bucket;			/* of each row */
	rmf_chunk  *free;
	int64_t		n_free;			/* chunks */
} rmf_partition;

/* count[label[t]] grows by 1 for t < n. */
extern void rmf_count(int64_t n, const int32_t *label, int64_t *count);

/*
 * count: entries of each row, before duplicates are merged.  bucket: n_rows,
 * kept until all entries are added.
 *
 * Errors: RMF_BAD_ARGUMENT for a negative number.
 */
extern rmf_status rmf_partition_init(rmf_partition *partition, int64_t n_rows, const int64_t *count,
									 int weighted, uint16_t *bucket);

/* The same for other rows, after all entries have been taken out; keeps the memory and whether there are weights. */
extern rmf_status rmf_partition_reset(rmf_partition *partition, int64_t n_rows, const int64_t *count,
									  uint16_t *bucket);

/* How many entries may be added before more memory must be given, whatever their rows. */
extern int64_t rmf_partition_room(const rmf_partition *partition);

/* Bytes that make room for n entries more. */
extern size_t rmf_partition_memory_size(const rmf_partition *partition, int64_t n);

/* The same for the first n entries, before anything is known of their rows. */
extern size_t rmf_partition_most_memory(int64_t n, int weighted);

/* memory: aligned for a pointer. */
extern void rmf_partition_give(rmf_partition *partition, void *memory, size_t bytes);

/* Of rmf_partition_sort(), bytes. */
extern size_t rmf_partition_scratch_size(const rmf_partition *partition);

/*
 * n entries.  Their rows and columns are row_label[row[t]] and
 * column_label[column[t]]; where a label is NULL, row[t] or column[t].  weight:
 * NULL unless weighted.  Entries must have been counted, and columns be within
 * the matrix: neither is checked here.
 *
 * Errors: RMF_BAD_ARGUMENT without room for so many; RMF_CANCELLED.
 */
extern rmf_status rmf_partition_add(rmf_partition *partition, int64_t n,
									const int32_t *row, const int32_t *row_label,
									const int32_t *column, const int32_t *column_label,
									const float *value, const float *weight, const rmf_poll *poll);

/*
 * All entries into "csr", whose arrays the caller has made (start: n_rows + 1;
 * column, value and, if weighted, weight: as many as there are entries) and
 * whose n_rows and n_columns are set.  scratch: rmf_partition_scratch_size(),
 * aligned for an int64_t.  n_entries is set to the number left
 * after entries of one row and column are merged: RMF_MERGE_SUM adds up values
 * and weights; RMF_MERGE_MEAN makes the mean of the values (by weight, if
 * weighted) and adds up weights.  The entries are taken out, and their memory
 * is free for others.
 *
 * Errors: RMF_NOT_FINITE when values add up past the range of a float, or are
 * not finite; RMF_CANCELLED.
 */
extern rmf_status rmf_partition_sort(rmf_partition *partition, rmf_merge merge, rmf_csr *csr,
									 void *scratch, const rmf_poll *poll);

/* The entries of a matrix, transposed: its columns are the rows here. */
extern rmf_status rmf_partition_add_matrix(rmf_partition *partition, const rmf_csr *csr, const rmf_poll *poll);

/* As rmf_partition_sort(), of entries without duplicates that came by ascending column. */
extern rmf_status rmf_partition_collect(rmf_partition *partition, rmf_csr *csr, const rmf_poll *poll);

#endif							/* RMF_PARTITION_H */
