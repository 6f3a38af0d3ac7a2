/*
 * rmf_partition.c
 *	  Ratings into sparse matrices a cache's load at a time: see rmf_partition.h.
 *
 * A bucket is a list of chunks.  It is sorted by the digits of the column,
 * least significant first, and then by row: each a stable counting sort, the
 * first out of the chunks, which are free then, the others between two arrays
 * of the bucket's size.  Runs of one row and column are merged on the way out,
 * in order of their values, so that a sum does not depend on the order of the
 * entries.  Each bucket is written where it would be if nothing had been
 * merged; gaps are closed in the end.
 */
#include <math.h>
#include <string.h>

#include "rmf_partition.h"

/* Entries that a bucket should have: two arrays of them, of 12 bytes each, share a second-level cache of 1 MB. */
#define BUCKET_ENTRIES 32768

/* How many entries are handled between two polls. */
#define POLL_ENTRIES 16384

/* A digit of the column has at most so many bits: its counts stay in the first-level cache. */
#define DIGIT_BITS 10

/* Runs up to this length are sorted by insertion. */
#define SHORT_RUN 16

/* A chunk has so many bytes for each word of an entry; the first of its entries make way for the header. */
#define CHUNK_BYTES_A_WORD 4096
#define HEADER_ENTRIES 2
#define CHUNK_ENTRIES ((int64_t) (CHUNK_BYTES_A_WORD / sizeof(int32_t)) - HEADER_ENTRIES)

/* Where the parts of an entry are. */
#define ROW 0
#define COLUMN 1
#define VALUE 2
#define WEIGHT 3

/* One of several entries of one row and column. */
typedef struct merged_entry
{
	float		value;
	float		weight;
} merged_entry;

static inline int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline float
float_at(const int32_t *entry, int word)
{
	float		value;

	memcpy(&value, entry + word, sizeof(value));
	return value;
}

static inline void
put_float(int32_t *entry, int word, float value)
{
	memcpy(entry + word, &value, sizeof(value));
}

void
rmf_count(int64_t n, const int32_t *label, int64_t *count)
{
	for (int64_t t = 0; t < n; t++)
		count[label[t]]++;
}

static inline size_t
chunk_size(int weighted)
{
	return (size_t) CHUNK_BYTES_A_WORD * (weighted ? 4 : 3);
}

static inline int32_t *
chunk_entries(rmf_chunk *chunk, int words)
{
	return (int32_t *) chunk + HEADER_ENTRIES * words;
}

rmf_status
rmf_partition_reset(rmf_partition *partition, int64_t n_rows, const int64_t *count, uint16_t *bucket)
{
	int64_t		n = 0;
	int64_t		wanted;
	int64_t		row = 0;
	int			b;

	if (n_rows < 0)
		return RMF_BAD_ARGUMENT;
	for (int64_t r = 0; r < n_rows; r++)
	{
		if (count[r] < 0)
			return RMF_BAD_ARGUMENT;
		n += count[r];
	}

	partition->n_rows = n_rows;
	partition->bucket = bucket;
	partition->largest = 0;
	partition->start[0] = 0;

	/* what is over when a bucket is closed is less than it holds: half as many buckets as there may be */
	wanted = n / (RMF_MAX_BUCKETS / 2) + 1;
	if (wanted < BUCKET_ENTRIES)
		wanted = BUCKET_ENTRIES;
	for (b = 0; row < n_rows; b++)
	{
		int64_t		size = 0;

		partition->first_row[b] = row;
		do
		{
			size += count[row];
			bucket[row++] = (uint16_t) b;
		} while (row < n_rows && (size + count[row] <= wanted || b == RMF_MAX_BUCKETS - 1));
		partition->start[b + 1] = partition->start[b] + size;
		partition->first[b] = partition->last[b] = NULL;
		partition->next[b] = partition->end[b] = NULL;
		if (size > partition->largest)
			partition->largest = size;
	}
	partition->first_row[b] = n_rows;
	partition->n_buckets = b;
	return RMF_OK;
}

rmf_status
rmf_partition_init(rmf_partition *partition, int64_t n_rows, const int64_t *count,
				   int weighted, uint16_t *bucket)
{
	partition->words = weighted ? 4 : 3;
	partition->free = NULL;
	partition->n_free = 0;
	return rmf_partition_reset(partition, n_rows, count, bucket);
}

int64_t
rmf_partition_room(const rmf_partition *partition)
{
	/* each bucket may leave a chunk of its own unfilled */
	return partition->n_free <= partition->n_buckets ? 0 :
		(partition->n_free - partition->n_buckets) * CHUNK_ENTRIES;
}

size_t
rmf_partition_memory_size(const rmf_partition *partition, int64_t n)
{
	return ((size_t) (n / CHUNK_ENTRIES) + 1 + (size_t) partition->n_buckets) * chunk_size(partition->words == 4);
}

size_t
rmf_partition_most_memory(int64_t n, int weighted)
{
	/* any two neighbours among the buckets have more entries than one should */
	int64_t		buckets = 2 * (n / BUCKET_ENTRIES) + 2;

	return ((size_t) (n / CHUNK_ENTRIES) + 1 + (size_t) smaller(buckets, RMF_MAX_BUCKETS)) * chunk_size(weighted);
}

void
rmf_partition_give(rmf_partition *partition, void *memory, size_t bytes)
{
	size_t		size = chunk_size(partition->words == 4);

	for (char *at = memory; bytes >= size; at += size, bytes -= size)
	{
		rmf_chunk  *chunk = (rmf_chunk *) at;

		chunk->next = partition->free;
		partition->free = chunk;
		partition->n_free++;
	}
}

size_t
rmf_partition_scratch_size(const rmf_partition *partition)
{
	return 2 * (size_t) partition->largest * (size_t) partition->words * sizeof(int32_t);
}

/* A further chunk for a bucket. */
static void
open_chunk(rmf_partition *partition, int b)
{
	rmf_chunk  *chunk = partition->free;

	partition->free = chunk->next;
	partition->n_free--;
	chunk->next = NULL;
	if (partition->last[b] == NULL)
		partition->first[b] = chunk;
	else
	{
		partition->last[b]->n = CHUNK_ENTRIES;
		partition->last[b]->next = chunk;
	}
	partition->last[b] = chunk;
	partition->next[b] = chunk_entries(chunk, partition->words);
	partition->end[b] = partition->next[b] + CHUNK_ENTRIES * partition->words;
}

/* The bucket's chunks, which all know by now how many entries they have. */
static rmf_chunk *
close_bucket(rmf_partition *partition, int b)
{
	rmf_chunk  *last = partition->last[b];

	if (last != NULL)
		last->n = (partition->next[b] - chunk_entries(last, partition->words)) / partition->words;
	return partition->first[b];
}

static void
free_bucket(rmf_partition *partition, int b)
{
	rmf_chunk  *chunk = partition->first[b];

	while (chunk != NULL)
	{
		rmf_chunk  *next = chunk->next;

		chunk->next = partition->free;
		partition->free = chunk;
		partition->n_free++;
		chunk = next;
	}
	partition->first[b] = partition->last[b] = NULL;
	partition->next[b] = partition->end[b] = NULL;
}

/* Where the next entry of a bucket goes; "words" is a constant where this is inlined. */
static inline int32_t *
next_entry(rmf_partition *partition, int words, int b)
{
	int32_t    *entry;

	if (partition->next[b] == partition->end[b])
		open_chunk(partition, b);
	entry = partition->next[b];
	partition->next[b] = entry + words;
	return entry;
}

static inline void
add_entries(rmf_partition *partition, int words, int64_t n,
			const int32_t *row, const int32_t *row_label,
			const int32_t *column, const int32_t *column_label,
			const float *value, const float *weight)
{
	for (int64_t t = 0; t < n; t++)
	{
		int32_t		r = row_label != NULL ? row_label[row[t]] : row[t];
		int32_t    *to = next_entry(partition, words, partition->bucket[r]);

		to[ROW] = r;
		to[COLUMN] = column_label != NULL ? column_label[column[t]] : column[t];
		put_float(to, VALUE, value[t]);
		if (words == 4)
			put_float(to, WEIGHT, weight[t]);
	}
}

rmf_status
rmf_partition_add(rmf_partition *partition, int64_t n,
				  const int32_t *row, const int32_t *row_label,
				  const int32_t *column, const int32_t *column_label,
				  const float *value, const float *weight, const rmf_poll *poll)
{
	if (n > rmf_partition_room(partition))
		return RMF_BAD_ARGUMENT;
	for (int64_t from = 0; from < n; from += POLL_ENTRIES)
	{
		int64_t		some = smaller(n - from, POLL_ENTRIES);

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		if (partition->words == 4)
			add_entries(partition, 4, some, row + from, row_label, column + from, column_label,
						value + from, weight + from);
		else
			add_entries(partition, 3, some, row + from, row_label, column + from, column_label,
						value + from, NULL);
	}
	return RMF_OK;
}

static inline void
add_row(rmf_partition *partition, int words, int64_t row, int64_t n,
		const int32_t *column, const float *value, const float *weight)
{
	for (int64_t t = 0; t < n; t++)
	{
		int32_t    *to = next_entry(partition, words, partition->bucket[column[t]]);

		to[ROW] = column[t];
		to[COLUMN] = (int32_t) row;
		put_float(to, VALUE, value[t]);
		if (words == 4)
			put_float(to, WEIGHT, weight[t]);
	}
}

rmf_status
rmf_partition_add_matrix(rmf_partition *partition, const rmf_csr *csr, const rmf_poll *poll)
{
	int64_t		next_poll = 0;

	if (csr->n_entries > rmf_partition_room(partition))
		return RMF_BAD_ARGUMENT;
	for (int64_t r = 0; r < csr->n_rows; r++)
	{
		for (int64_t from = csr->start[r]; from < csr->start[r + 1]; from += POLL_ENTRIES)
		{
			int64_t		some = smaller(csr->start[r + 1] - from, POLL_ENTRIES);

			if (from >= next_poll)
			{
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				next_poll = from + POLL_ENTRIES;
			}
			if (partition->words == 4)
				add_row(partition, 4, r, some, csr->column + from, csr->value + from, csr->weight + from);
			else
				add_row(partition, 3, r, some, csr->column + from, csr->value + from, NULL);
		}
	}
	return RMF_OK;
}

/* A stable pass of a counting sort is these two, by a digit of the column, on each run of entries in turn. */
static inline void
count_digits(int words, int64_t n, const int32_t *entries, int shift, uint32_t mask, int64_t *place)
{
	for (int64_t t = 0; t < n; t++)
		place[((uint32_t) entries[t * words + COLUMN] >> shift) & mask]++;
}

static inline void
move_by_digit(int words, int64_t n, const int32_t *restrict from, int32_t *restrict to,
			  int shift, uint32_t mask, int64_t *place)
{
	for (int64_t t = 0; t < n; t++)
		memcpy(to + place[((uint32_t) from[t * words + COLUMN] >> shift) & mask]++ * words,
			   from + t * words, (size_t) words * sizeof(int32_t));
}

static inline void
move_by_row(int words, int64_t n, const int32_t *restrict from, int32_t *restrict to, int64_t *place)
{
	for (int64_t t = 0; t < n; t++)
		memcpy(to + place[from[t * words + ROW]]++ * words,
			   from + t * words, (size_t) words * sizeof(int32_t));
}

/* Turns counts into starts: start[i] becomes "first" and the sum of the counts before i. */
static void
counts_to_starts(int64_t n, int64_t first, int64_t *start)
{
	for (int64_t i = 0; i < n; i++)
	{
		int64_t		count = start[i];

		start[i] = first;
		first += count;
	}
}

/*
 * n entries by their columns: out of the chunks, by way of *sorted and *other,
 * which change places so that the result is in *sorted.
 */
static inline rmf_status
sort_by_column(int words, rmf_chunk *chunks, int64_t n, int64_t n_columns,
			   int32_t **sorted, int32_t **other, const rmf_poll *poll)
{
	int64_t		place[1 << DIGIT_BITS];
	int			bits = 1;
	int			passes;
	int			digit;
	uint32_t	mask;

	while (bits < 31 && ((int64_t) 1 << bits) < n_columns)
		bits++;
	passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
	digit = (bits + passes - 1) / passes;
	mask = ((uint32_t) 1 << digit) - 1;

	memset(place, 0, ((size_t) mask + 1) * sizeof(int64_t));
	for (rmf_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
		count_digits(words, chunk->n, chunk_entries(chunk, words), 0, mask, place);
	counts_to_starts((int64_t) mask + 1, 0, place);
	if (rmf_poll_cancelled(poll))
		return RMF_CANCELLED;
	for (rmf_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
		move_by_digit(words, chunk->n, chunk_entries(chunk, words), *sorted, 0, mask, place);

	for (int pass = 1; pass < passes; pass++)
	{
		int			shift = pass * digit;
		int32_t    *swap = *sorted;

		memset(place, 0, ((size_t) mask + 1) * sizeof(int64_t));
		for (int64_t from = 0; from < n; from += POLL_ENTRIES)
		{
			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			count_digits(words, smaller(n - from, POLL_ENTRIES), *sorted + from * words, shift, mask, place);
		}
		counts_to_starts((int64_t) mask + 1, 0, place);
		for (int64_t from = 0; from < n; from += POLL_ENTRIES)
		{
			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			move_by_digit(words, smaller(n - from, POLL_ENTRIES), *sorted + from * words, *other, shift, mask, place);
		}
		*sorted = *other;
		*other = swap;
	}
	return RMF_OK;
}

static inline int
comes_before(merged_entry a, merged_entry b)
{
	return a.value < b.value || (a.value == b.value && a.weight < b.weight);
}

static void
sift_down(merged_entry *heap, int64_t root, int64_t n)
{
	for (;;)
	{
		int64_t		child = 2 * root + 1;
		merged_entry swap;

		if (child >= n)
			return;
		if (child + 1 < n && comes_before(heap[child], heap[child + 1]))
			child++;
		if (!comes_before(heap[root], heap[child]))
			return;
		swap = heap[root];
		heap[root] = heap[child];
		heap[child] = swap;
		root = child;
	}
}

/* Ascending, in place; a heap sort where the run is long, for it needs no memory. */
static rmf_status
sort_run(int64_t n, merged_entry *run, const rmf_poll *poll)
{
	if (n <= SHORT_RUN)
	{
		for (int64_t i = 1; i < n; i++)
		{
			merged_entry moved = run[i];
			int64_t		j = i;

			for (; j > 0 && comes_before(moved, run[j - 1]); j--)
				run[j] = run[j - 1];
			run[j] = moved;
		}
		return RMF_OK;
	}

	for (int64_t root = n / 2 - 1; root >= 0; root--)
	{
		if (root % POLL_ENTRIES == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		sift_down(run, root, n);
	}
	for (int64_t last = n - 1; last > 0; last--)
	{
		merged_entry largest = run[0];

		if (last % POLL_ENTRIES == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		run[0] = run[last];
		run[last] = largest;
		sift_down(run, 0, last);
	}
	return RMF_OK;
}

/* n > 1 entries of one row and column; "run" has room for them. */
static rmf_status
merge_entries(int words, int64_t n, const int32_t *entries, rmf_merge merge, merged_entry *run,
			  merged_entry *merged, const rmf_poll *poll)
{
	double		sum = 0;
	double		weights = 0;
	rmf_status	status;

	for (int64_t t = 0; t < n; t++)
	{
		run[t].value = float_at(entries + t * words, VALUE);
		run[t].weight = words == 4 ? float_at(entries + t * words, WEIGHT) : 1;
	}
	status = sort_run(n, run, poll);
	if (status != RMF_OK)
		return status;
	for (int64_t t = 0; t < n; t++)
	{
		sum += merge == RMF_MERGE_MEAN ? (double) run[t].weight * run[t].value : run[t].value;
		weights += run[t].weight;
	}
	merged->value = (float) (merge == RMF_MERGE_MEAN ? sum / weights : sum);
	merged->weight = (float) weights;
	return RMF_OK;
}

/*
 * The sorted entries of a bucket's rows into the matrix from "to" on; "row_end"
 * has where each row ends among them, and becomes where it starts in the
 * matrix.  *kept: how many were left.
 */
static inline rmf_status
write_rows(int words, int64_t n_rows, int64_t *row_end, const int32_t *entries, rmf_merge merge,
		   merged_entry *run, int64_t to, rmf_csr *csr, int64_t *kept, const rmf_poll *poll)
{
	int64_t		first = to;
	int64_t		from = 0;

	for (int64_t r = 0; r < n_rows; r++)
	{
		int64_t		end = row_end[r];

		row_end[r] = to;
		while (from < end)
		{
			const int32_t *entry = entries + from * words;
			int64_t		next = from + 1;
			merged_entry merged;

			while (next < end && entries[next * words + COLUMN] == entry[COLUMN])
				next++;
			if (next == from + 1)
			{
				merged.value = float_at(entry, VALUE);
				merged.weight = words == 4 ? float_at(entry, WEIGHT) : 1;
			}
			else
			{
				rmf_status	status = merge_entries(words, next - from, entry, merge, run, &merged, poll);

				if (status != RMF_OK)
					return status;
			}
			if (!isfinite(merged.value) || !isfinite(merged.weight))
				return RMF_NOT_FINITE;
			csr->column[to] = entry[COLUMN];
			csr->value[to] = merged.value;
			if (words == 4)
				csr->weight[to] = merged.weight;
			to++;
			from = next;
		}
	}
	*kept = to - first;
	return RMF_OK;
}

/* Sorts bucket b into its place in the matrix. */
static inline rmf_status
sort_bucket(rmf_partition *partition, int words, int b, rmf_merge merge, rmf_csr *csr, int32_t *scratch,
			int64_t *kept, const rmf_poll *poll)
{
	int64_t		n = partition->start[b + 1] - partition->start[b];
	int32_t    *entries = scratch;
	int32_t    *other = scratch + n * words;
	int64_t		first_row = partition->first_row[b];
	int64_t		n_rows = partition->first_row[b + 1] - first_row;
	int64_t    *place = csr->start + first_row;
	rmf_status	status = sort_by_column(words, close_bucket(partition, b), n, csr->n_columns, &entries, &other, poll);

	if (status != RMF_OK)
		return status;
	free_bucket(partition, b);

	memset(place, 0, (size_t) n_rows * sizeof(int64_t));
	for (int64_t t = 0; t < n; t++)
		place[entries[t * words + ROW] - first_row]++;
	counts_to_starts(n_rows, 0, place);
	for (int64_t from = 0; from < n; from += POLL_ENTRIES)
	{
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		move_by_row(words, smaller(n - from, POLL_ENTRIES), entries + from * words, other, place - first_row);
	}
	/* the entries are in "other" now, so there is room for a run where they were */
	return write_rows(words, n_rows, place, other, merge, (merged_entry *) entries, partition->start[b], csr,
					  kept, poll);
}

rmf_status
rmf_partition_sort(rmf_partition *partition, rmf_merge merge, rmf_csr *csr, void *scratch, const rmf_poll *poll)
{
	int64_t		end = 0;

	for (int b = 0; b < partition->n_buckets; b++)
	{
		int64_t		start = partition->start[b];
		int64_t		kept;
		rmf_status	status = partition->words == 4 ?
			sort_bucket(partition, 4, b, merge, csr, scratch, &kept, poll) :
			sort_bucket(partition, 3, b, merge, csr, scratch, &kept, poll);

		if (status != RMF_OK)
			return status;

		/* close the gap that earlier merges have left */
		if (start != end)
		{
			memmove(csr->column + end, csr->column + start, (size_t) kept * sizeof(int32_t));
			memmove(csr->value + end, csr->value + start, (size_t) kept * sizeof(float));
			if (partition->words == 4)
				memmove(csr->weight + end, csr->weight + start, (size_t) kept * sizeof(float));
			for (int64_t r = partition->first_row[b]; r < partition->first_row[b + 1]; r++)
				csr->start[r] -= start - end;
		}
		end += kept;
	}
	csr->start[csr->n_rows] = end;
	csr->n_entries = end;
	return RMF_OK;
}

static inline void
collect_entries(int words, int64_t n, const int32_t *entries, rmf_csr *csr)
{
	for (int64_t t = 0; t < n; t++)
	{
		const int32_t *entry = entries + t * words;
		int64_t		to = csr->start[entry[ROW]]++;

		csr->column[to] = entry[COLUMN];
		csr->value[to] = float_at(entry, VALUE);
		if (words == 4)
			csr->weight[to] = float_at(entry, WEIGHT);
	}
}

rmf_status
rmf_partition_collect(rmf_partition *partition, rmf_csr *csr, const rmf_poll *poll)
{
	int			words = partition->words;

	/* of each bucket: count, and put in place */
	memset(csr->start, 0, (size_t) (csr->n_rows + 1) * sizeof(int64_t));
	for (int b = 0; b < partition->n_buckets; b++)
	{
		rmf_chunk  *chunks = close_bucket(partition, b);
		int64_t		first_row = partition->first_row[b];
		int64_t		since_poll = 0;

		for (rmf_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
			for (int64_t t = 0; t < chunk->n; t++)
				csr->start[chunk_entries(chunk, words)[t * words + ROW]]++;
		counts_to_starts(partition->first_row[b + 1] - first_row, partition->start[b], csr->start + first_row);
		for (rmf_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
		{
			since_poll -= chunk->n;
			if (since_poll < 0)
			{
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				since_poll = POLL_ENTRIES;
			}
			if (words == 4)
				collect_entries(4, chunk->n, chunk_entries(chunk, 4), csr);
			else
				collect_entries(3, chunk->n, chunk_entries(chunk, 3), csr);
		}
		free_bucket(partition, b);
	}
	/* start[r] is where r + 1 begins now */
	memmove(csr->start + 1, csr->start, (size_t) csr->n_rows * sizeof(int64_t));
	csr->start[0] = 0;
	csr->n_entries = partition->start[partition->n_buckets];
	return RMF_OK;
}
