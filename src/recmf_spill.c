/*
 * recmf_spill.c
 *	  Ratings in temporary files: see recmf_spill.h.
 *
 * Files, each written and read from one end to the other:
 *	 triples	as they came: user, item, rating (and weight), numbered by first
 *				appearance
 *	 users		the same, renumbered, each bucket of users in a stretch of its own
 *	 pairs		(one user with more ratings than a bucket may have) the triples of
 *				that user, each bucket of items in a stretch of its own
 *	 u.*		the entries by users, sorted and merged: columns, values, weights
 *	 items		these as triples again, each bucket of items in a stretch of its own
 *	 i.*		the entries by items
 *
 * How many ratings a bucket has is known before the first is written, so a
 * bucket is a stretch of one file.  A triple goes to the bucket's buffer, a full
 * buffer to the bucket's stretch.  Where there are more buckets than buffers the
 * triples are read several times.
 *
 * By users, a bucket is read into memory and sorted by rmf_partition_sort().  By
 * items, what is read comes in the order of the users and stays in it, so a
 * bucket needs no sort, only its places; an item with more ratings than a
 * bucket may have goes straight through.
 *
 * Ratings that are held out are taken out of the sorted files in place.
 *
 * A triple is an array of 32-bit words here, ratings and weights are only moved.
 *
 * Memory: what recmf_spill_finish() is allowed, in a context of its own that
 * goes at its end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_buckets.h"
#include "core/rmf_partition.h"
#include "recmf_rows.h"
#include "recmf_spill.h"
#include "recmf_status.h"
#include "recmf_tempfile.h"

/* Where the words of a triple are. */
#define USER 0
#define ITEM 1
#define RATING 2
#define WEIGHT 3
#define MOST_WORDS 4

#define WORD sizeof(int32)

/* Triples that are read, or gathered before they are written, at a time. */
#define BLOCK_TRIPLES 8192

/* Of a bucket's buffer while triples are distributed; in triples. */
#define LEAST_BUFFER 512
#define LARGEST_BUFFER 32768

/*
 * What a bucket may hold at the least; in ratings.  Less would drown the work
 * in buckets, and ten thousand ratings of one user and item always fit.
 */
#define LEAST_BUCKET 16384

/* Headers of chunks and blocks of memory; a few dozen of them. */
#define FIXED_OVERHEAD 32768

/* One side's sorted entries. */
typedef struct Side
{
	RecmfTempFile *column;
	RecmfTempFile *value;
	RecmfTempFile *weight;		/* NULL: none */
} Side;

struct RecmfSpill
{
	MemoryContext context;
	int			words;			/* of a triple: 3, or 4 with a weight */
	RecmfTempFiles *files;
	RecmfTempFile *triples;
	int64		n_triples;		/* in the file */
	int			n_gathered;		/* in "block" */
	int32	   *block;			/* BLOCK_TRIPLES */
	Side		sides[2];
};

/* Everything that recmf_spill_finish() works with. */
typedef struct SpillSort
{
	RecmfSpill *spill;
	MemoryContext context;
	Size		memory;			/* for buckets and their buffers, half of it each */
	int			words;
	rmf_merge	merge;
	int64		n_users;
	int64		n_items;
	const int32 *user_number;
	const int32 *item_number;
	int64	   *user_start;
	int64	   *item_start;
	int64	   *scratch;		/* max(n_users, n_items) + 1 */
	int64		n_entries;		/* by users, so far */
} SpillSort;

/* Where triples come from, block by block. */
typedef struct Reader
{
	const SpillSort *sort;
	RecmfTempFile *file;		/* of triples, or NULL: the entries by users */
	const int32 *user_number;	/* renumber, or NULL */
	const int32 *item_number;
	int64		next;			/* triple or entry */
	int64		end;
	int64		user;			/* of the next entry */
	int32	   *block;			/* BLOCK_TRIPLES */
	int32	   *columns;		/* BLOCK_TRIPLES each; entries only */
	int32	   *values;
	int32	   *weights;
} Reader;

/* Ratings in memory, to be sorted by users. */
typedef struct Bucket
{
	int64		capacity;
	rmf_partition partition;
	void	   *memory;			/* of the partition, and how much */
	Size		memory_size;
	void	   *scratch;
	uint16	   *number;			/* of each user's bucket in the partition */
	int32	   *part[MOST_WORDS];	/* BLOCK_TRIPLES each: the words of triples, apart */
	rmf_csr		csr;
} Bucket;

RecmfSpill *
recmf_spill_create(MemoryContext parent, bool weighted)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf spill", ALLOCSET_SMALL_SIZES);
	RecmfSpill *spill = (RecmfSpill *) MemoryContextAllocZero(context, sizeof(RecmfSpill));

	spill->context = context;
	spill->words = weighted ? 4 : 3;
	spill->block = (int32 *) MemoryContextAlloc(context, WORD * spill->words * BLOCK_TRIPLES);
	spill->files = recmf_temp_files_create(context);
	spill->triples = recmf_temp_file_create(spill->files, "triples");
	return spill;
}

static void
write_triples(RecmfTempFile *file, int words, int64 first, const int32 *triples, int64 n)
{
	recmf_temp_file_write(file, first * (int64) (words * WORD), triples, words * WORD * (Size) n);
}

static void
write_gathered(RecmfSpill *spill)
{
	write_triples(spill->triples, spill->words, spill->n_triples, spill->block, spill->n_gathered);
	spill->n_triples += spill->n_gathered;
	spill->n_gathered = 0;
}

void
recmf_spill_add(RecmfSpill *spill, int64 n, const int32 *user, const int32 *item,
				const float *rating, const float *weight)
{
	int64		t;

	for (t = 0; t < n; t++)
	{
		int32	   *triple = spill->block + spill->n_gathered * spill->words;

		triple[USER] = user[t];
		triple[ITEM] = item[t];
		memcpy(triple + RATING, rating + t, WORD);
		if (spill->words > WEIGHT)
			memcpy(triple + WEIGHT, weight + t, WORD);
		if (++spill->n_gathered == BLOCK_TRIPLES)
			write_gathered(spill);
	}
}

int64
recmf_spill_count(const RecmfSpill *spill)
{
	return spill->n_triples + spill->n_gathered;
}

static void *
sort_alloc(const SpillSort *sort, Size size, int64 n)
{
	return MemoryContextAllocHuge(sort->context, size * (Size) Max(n, 1));
}

/*
 * Entries of a side: columns, values and weights.
 */

static void
create_side(RecmfSpill *spill, rmf_side side)
{
	Side	   *s = &spill->sides[side];
	bool		users = side == RMF_USERS;

	s->column = recmf_temp_file_create(spill->files, users ? "u.column" : "i.column");
	s->value = recmf_temp_file_create(spill->files, users ? "u.value" : "i.value");
	if (spill->words > WEIGHT)
		s->weight = recmf_temp_file_create(spill->files, users ? "u.weight" : "i.weight");
}

/* The files that hold the n entries from "first" on; weights may be NULL where there are none. */
static void
read_entries(const Side *side, int64 first, int64 n, void *columns, void *values, void *weights)
{
	recmf_temp_file_read(side->column, first * (int64) WORD, columns, WORD * (Size) n);
	recmf_temp_file_read(side->value, first * (int64) WORD, values, WORD * (Size) n);
	if (side->weight != NULL)
		recmf_temp_file_read(side->weight, first * (int64) WORD, weights, WORD * (Size) n);
}

static void
write_entries(const Side *side, int64 first, int64 n, const void *columns, const void *values, const void *weights)
{
	recmf_temp_file_write(side->column, first * (int64) WORD, columns, WORD * (Size) n);
	recmf_temp_file_write(side->value, first * (int64) WORD, values, WORD * (Size) n);
	if (side->weight != NULL)
		recmf_temp_file_write(side->weight, first * (int64) WORD, weights, WORD * (Size) n);
}

/*
 * Reading triples.
 */

static Reader *
make_reader(const SpillSort *sort, RecmfTempFile *file, int64 first, int64 n)
{
	Reader	   *reader = (Reader *) MemoryContextAllocZero(sort->context, sizeof(Reader));

	reader->sort = sort;
	reader->file = file;
	reader->next = first;
	reader->end = first + n;
	reader->block = (int32 *) sort_alloc(sort, WORD * sort->words, BLOCK_TRIPLES);
	if (file == NULL)
	{
		reader->columns = (int32 *) sort_alloc(sort, WORD, BLOCK_TRIPLES);
		reader->values = (int32 *) sort_alloc(sort, WORD, BLOCK_TRIPLES);
		reader->weights = (int32 *) sort_alloc(sort, WORD, BLOCK_TRIPLES);
	}
	return reader;
}

static void
free_reader(Reader *reader)
{
	pfree(reader->block);
	if (reader->file == NULL)
	{
		pfree(reader->columns);
		pfree(reader->values);
		pfree(reader->weights);
	}
	pfree(reader);
}

/* The next triples into reader->block; their number, 0 at the end. */
static int
read_block(Reader *reader)
{
	const SpillSort *sort = reader->sort;
	int			n = (int) Min(reader->end - reader->next, BLOCK_TRIPLES);
	int32	   *triple = reader->block;
	int			t;

	if (n == 0)
		return 0;
	if (reader->file != NULL)
	{
		Size		size = WORD * sort->words;

		recmf_temp_file_read(reader->file, reader->next * (int64) size, reader->block, size * n);
		for (t = 0; reader->user_number != NULL && t < n; t++, triple += sort->words)
		{
			triple[USER] = reader->user_number[triple[USER]];
			triple[ITEM] = reader->item_number[triple[ITEM]];
		}
	}
	else
	{
		read_entries(&sort->spill->sides[RMF_USERS], reader->next, n,
					 reader->columns, reader->values, reader->weights);
		for (t = 0; t < n; t++, triple += sort->words)
		{
			while (reader->next + t >= sort->user_start[reader->user + 1])
				reader->user++;
			triple[USER] = (int32) reader->user;
			triple[ITEM] = reader->columns[t];
			triple[RATING] = reader->values[t];
			if (sort->words > WEIGHT)
				triple[WEIGHT] = reader->weights[t];
		}
	}
	reader->next += n;
	return n;
}

/* The numbers of ratings that "reader" comes upon, of each user or item, as starts. */
static void
count_starts(Reader *reader, int word, int64 n_rows, int64 *start)
{
	int			words = reader->sort->words;
	int			n;
	int			t;

	memset(start, 0, sizeof(int64) * (Size) (n_rows + 1));
	while ((n = read_block(reader)) > 0)
	{
		for (t = 0; t < n; t++)
			start[reader->block[t * words + word]]++;
	}
	rmf_counts_to_starts(n_rows, start);
}

/*
 * Buckets.
 */

static rmf_buckets *
plan_buckets(const SpillSort *sort, int64 n_rows, const int64 *start, int64 capacity)
{
	rmf_buckets *buckets = (rmf_buckets *) sort_alloc(sort, sizeof(rmf_buckets), 1);

	buckets->first = (int32 *) sort_alloc(sort, sizeof(int32), rmf_buckets_most(start[n_rows], capacity) + 1);
	recmf_check_status(rmf_buckets_plan(n_rows, start, capacity, buckets), "sort the ratings");
	return buckets;
}

static void
free_buckets(rmf_buckets *buckets)
{
	pfree(buckets->first);
	pfree(buckets);
}

/* Where each bucket's stretch begins, in triples, and the end of the last. */
static int64 *
make_stretches(const SpillSort *sort, const rmf_buckets *buckets, const int64 *start)
{
	int64	   *stretch = (int64 *) sort_alloc(sort, sizeof(int64), (int64) buckets->n_buckets + 1);
	int32		b;

	for (b = 0; b <= buckets->n_buckets; b++)
		stretch[b] = start[buckets->first[b]];
	return stretch;
}

/*
 * The triples of "reader" into the stretches of their buckets, by their user or
 * item.  Those of one bucket keep their order.
 */
static void
distribute(const SpillSort *sort, Reader *reader, int word, const rmf_buckets *buckets,
		   const int64 *stretch, RecmfTempFile *to)
{
	const Reader beginning = *reader;
	int			words = sort->words;
	int64		room = Max(sort->memory / 2 / (words * WORD), LEAST_BUFFER);
	int64		buffer_size = Min(Max(room / buckets->n_buckets, LEAST_BUFFER), LARGEST_BUFFER);
	int32		at_once = (int32) Min(room / buffer_size, buckets->n_buckets);
	int32	   *buffers = (int32 *) sort_alloc(sort, words * WORD, at_once * buffer_size);
	int64	   *position = (int64 *) sort_alloc(sort, sizeof(int64), at_once);
	int32	   *used = (int32 *) sort_alloc(sort, sizeof(int32), at_once);
	int32		first;

	for (first = 0; first < buckets->n_buckets; first += at_once)
	{
		int32		n_buckets = Min(at_once, buckets->n_buckets - first);
		int32		b;
		int			n;
		int			t;

		for (b = 0; b < n_buckets; b++)
		{
			position[b] = stretch[first + b];
			used[b] = 0;
		}
		reader->next = beginning.next;
		reader->user = beginning.user;
		while ((n = read_block(reader)) > 0)
		{
			const int32 *triple = reader->block;

			for (t = 0; t < n; t++, triple += words)
			{
				int32	   *place;

				b = rmf_bucket_of(buckets, triple[word]) - first;
				if (b < 0 || b >= n_buckets)
					continue;
				place = buffers + (b * buffer_size + used[b]) * words;
				place[USER] = triple[USER];
				place[ITEM] = triple[ITEM];
				place[RATING] = triple[RATING];
				if (words > WEIGHT)
					place[WEIGHT] = triple[WEIGHT];
				if (++used[b] == buffer_size)
				{
					write_triples(to, words, position[b], buffers + b * buffer_size * words, used[b]);
					position[b] += used[b];
					used[b] = 0;
				}
			}
		}
		for (b = 0; b < n_buckets; b++)
		{
			write_triples(to, words, position[b], buffers + b * buffer_size * words, used[b]);
			Assert(position[b] + used[b] == stretch[first + b + 1]);
		}
	}
	pfree(buffers);
	pfree(position);
	pfree(used);
}

/*
 * By users.
 */

/* What a rating takes in a bucket: its triple in the partition, twice as much to sort it, and its entry. */
static Size
user_bucket_bytes(int words)
{
	return WORD * (1 + 3 * words + words - 1);
}

static Bucket *
make_bucket(const SpillSort *sort, int64 capacity)
{
	Bucket	   *bucket = (Bucket *) MemoryContextAllocZero(sort->context, sizeof(Bucket));
	int			i;

	bucket->capacity = capacity;
	bucket->memory_size = rmf_partition_most_memory(capacity, sort->words > WEIGHT);
	bucket->memory = sort_alloc(sort, 1, bucket->memory_size);
	bucket->scratch = sort_alloc(sort, 2 * WORD * sort->words, capacity);
	bucket->number = (uint16 *) sort_alloc(sort, sizeof(uint16), sort->n_users);
	for (i = 0; i < sort->words; i++)
		bucket->part[i] = (int32 *) sort_alloc(sort, WORD, BLOCK_TRIPLES);
	bucket->csr.n_columns = sort->n_items;
	bucket->csr.column = (int32_t *) sort_alloc(sort, WORD, capacity);
	bucket->csr.value = (float *) sort_alloc(sort, WORD, capacity);
	bucket->csr.weight = sort->words > WEIGHT ? (float *) sort_alloc(sort, WORD, capacity) : NULL;
	return bucket;
}

static void
free_bucket(const SpillSort *sort, Bucket *bucket)
{
	int			i;

	pfree(bucket->memory);
	pfree(bucket->scratch);
	pfree(bucket->number);
	for (i = 0; i < sort->words; i++)
		pfree(bucket->part[i]);
	pfree(bucket->csr.column);
	pfree(bucket->csr.value);
	if (bucket->csr.weight != NULL)
		pfree(bucket->csr.weight);
	pfree(bucket);
}

/*
 * The ratings of n_users users from first_user on, n of them from "first" in
 * the file, sorted and merged to the end of the entries by users.  start:
 * n_users + 1; on entry the users' starts before merging, from any beginning;
 * set to where their entries begin.
 */
static void
sort_bucket(SpillSort *sort, Bucket *bucket, RecmfTempFile *file, int64 first, int64 n,
			int32 first_user, int64 n_users, int64 *start)
{
	Reader	   *reader = make_reader(sort, file, first, n);
	rmf_csr    *csr = &bucket->csr;
	rmf_status	status;
	int			read;
	int			t;
	int			i;
	int64		at;

	Assert(n <= bucket->capacity);
	for (at = 0; at < n_users; at++)
		sort->scratch[at] = start[at + 1] - start[at];
	recmf_check_status(rmf_partition_init(&bucket->partition, n_users, sort->scratch, sort->words > WEIGHT,
										  bucket->number),
					   "sort the ratings");
	rmf_partition_give(&bucket->partition, bucket->memory, bucket->memory_size);
	while ((read = read_block(reader)) > 0)
	{
		const int32 *triple = reader->block;

		for (t = 0; t < read; t++, triple += sort->words)
		{
			bucket->part[USER][t] = triple[USER] - first_user;
			for (i = ITEM; i < sort->words; i++)
				bucket->part[i][t] = triple[i];
		}
		recmf_check_status(rmf_partition_add(&bucket->partition, read, bucket->part[USER], NULL,
											 bucket->part[ITEM], NULL, (float *) bucket->part[RATING],
											 (float *) bucket->part[WEIGHT], recmf_poll()),
						   "sort the ratings");
	}
	free_reader(reader);

	csr->n_rows = n_users;
	csr->start = start;
	status = rmf_partition_sort(&bucket->partition, sort->merge, csr, bucket->scratch, recmf_poll());
	if (status == RMF_NOT_FINITE)
		recmf_report_merged_rating();
	recmf_check_status(status, "sort the ratings");

	write_entries(&sort->spill->sides[RMF_USERS], sort->n_entries, csr->n_entries,
				  csr->column, csr->value, csr->weight);
	for (at = 0; at < csr->n_entries; at++)
		sort->item_start[csr->column[at]]++;
	for (at = 0; at <= n_users; at++)
		start[at] += sort->n_entries;
	sort->n_entries += csr->n_entries;
}

/*
 * One user with more ratings than a bucket may have, n of them from "first" in
 * the file: in buckets of items.
 */
static void
sort_long_row(SpillSort *sort, Bucket *bucket, RecmfTempFile *file, int64 first, int64 n, int32 user)
{
	RecmfTempFile *pairs = recmf_temp_file_create(sort->spill->files, "pairs");
	int64	   *start = (int64 *) sort_alloc(sort, sizeof(int64), sort->n_items + 1);
	Reader	   *reader = make_reader(sort, file, first, n);
	rmf_buckets *buckets;
	int64	   *stretch;
	int32		b;

	count_starts(reader, ITEM, sort->n_items, start);
	buckets = plan_buckets(sort, sort->n_items, start, bucket->capacity);
	stretch = make_stretches(sort, buckets, start);
	reader->next = first;
	distribute(sort, reader, ITEM, buckets, stretch, pairs);
	free_reader(reader);
	pfree(start);

	for (b = 0; b < buckets->n_buckets; b++)
	{
		int64		ends[2] = {stretch[b], stretch[b + 1]};
		int64		of_bucket = ends[1] - ends[0];

		if (of_bucket > bucket->capacity)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a user has " INT64_FORMAT " ratings of one item, more than recmf.training_memory can sort",
							of_bucket),
					 errhint("Group the source by user and item, or raise recmf.training_memory.")));
		sort_bucket(sort, bucket, pairs, stretch[b], of_bucket, user, 1, ends);
	}
	pfree(stretch);
	free_buckets(buckets);
	recmf_temp_file_delete(pairs);
}

/* From the triples to the entries by users; item_start counts the entries of each item. */
static void
sort_by_users(SpillSort *sort)
{
	RecmfSpill *spill = sort->spill;
	RecmfTempFile *users = recmf_temp_file_create(spill->files, "users");
	int64		capacity = Max(sort->memory / 2 / user_bucket_bytes(sort->words), LEAST_BUCKET);
	Reader	   *reader = make_reader(sort, spill->triples, 0, spill->n_triples);
	rmf_buckets *buckets;
	int64	   *stretch;
	Bucket	   *bucket;
	int32		b;

	reader->user_number = sort->user_number;
	reader->item_number = sort->item_number;
	count_starts(reader, USER, sort->n_users, sort->user_start);
	buckets = plan_buckets(sort, sort->n_users, sort->user_start, capacity);
	stretch = make_stretches(sort, buckets, sort->user_start);
	reader->next = 0;
	distribute(sort, reader, USER, buckets, stretch, users);
	free_reader(reader);
	recmf_temp_file_delete(spill->triples);
	spill->triples = NULL;

	memset(sort->item_start, 0, sizeof(int64) * (Size) (sort->n_items + 1));
	bucket = make_bucket(sort, capacity);
	for (b = 0; b < buckets->n_buckets; b++)
	{
		int32		first = buckets->first[b];
		int64		n_users = buckets->first[b + 1] - first;
		int64		n = stretch[b + 1] - stretch[b];

		if (n <= capacity)
		{
			/* the bucket before has put the end of its entries here */
			sort->user_start[first] = stretch[b];
			sort_bucket(sort, bucket, users, stretch[b], n, first, n_users, sort->user_start + first);
		}
		else
		{
			/* all of them are the first user's: rmf_buckets_plan() */
			int64		i;

			sort->user_start[first] = sort->n_entries;
			sort_long_row(sort, bucket, users, stretch[b], n, first);
			for (i = 1; i <= n_users; i++)
				sort->user_start[first + i] = sort->n_entries;
		}
	}
	free_bucket(sort, bucket);
	pfree(stretch);
	free_buckets(buckets);
	recmf_temp_file_delete(users);
}

/*
 * By items.
 */

/* The entries of a bucket of items, or of a part of one. */
typedef struct Entries
{
	int64		capacity;
	int32	   *columns;
	int32	   *values;
	int32	   *weights;
} Entries;

static void
put_entry(const SpillSort *sort, Entries *entries, int64 at, const int32 *triple)
{
	entries->columns[at] = triple[USER];
	entries->values[at] = triple[RATING];
	if (sort->words > WEIGHT)
		entries->weights[at] = triple[WEIGHT];
}

/* The entries of n_items items, n triples of the file from "first" on, to their places. */
static void
place_bucket(const SpillSort *sort, Entries *entries, RecmfTempFile *file, int64 first, int64 n,
			 int32 first_item, int64 n_items)
{
	const int64 *start = sort->item_start + first_item;
	Reader	   *reader = make_reader(sort, file, first, n);
	int64		i;
	int			read;
	int			t;

	for (i = 0; i < n_items; i++)
		sort->scratch[i] = start[i] - first;
	while ((read = read_block(reader)) > 0)
	{
		const int32 *triple = reader->block;

		for (t = 0; t < read; t++, triple += sort->words)
			put_entry(sort, entries, sort->scratch[triple[ITEM] - first_item]++, triple);
	}
	free_reader(reader);
	write_entries(&sort->spill->sides[RMF_ITEMS], first, n, entries->columns, entries->values, entries->weights);
}

/* One item with more ratings than a bucket may have: they are in order. */
static void
copy_long_row(const SpillSort *sort, Entries *entries, RecmfTempFile *file, int64 first, int64 n)
{
	Reader	   *reader = make_reader(sort, file, first, n);
	int			read;
	int			t;

	while ((read = read_block(reader)) > 0)
	{
		for (t = 0; t < read; t++)
			put_entry(sort, entries, t, reader->block + t * sort->words);
		write_entries(&sort->spill->sides[RMF_ITEMS], first, read,
					  entries->columns, entries->values, entries->weights);
		first += read;
	}
	free_reader(reader);
}

/* From the entries by users to those by items, whose triples have the same places as they. */
static void
sort_by_items(SpillSort *sort)
{
	RecmfTempFile *items = recmf_temp_file_create(sort->spill->files, "items");
	Reader	   *reader = make_reader(sort, NULL, 0, sort->n_entries);
	Entries		entries = {.capacity = Max(sort->memory / 2 / (WORD * (sort->words - 1)), LEAST_BUCKET)};
	rmf_buckets *buckets = plan_buckets(sort, sort->n_items, sort->item_start, entries.capacity);
	int64	   *stretch = make_stretches(sort, buckets, sort->item_start);
	int32		b;

	distribute(sort, reader, ITEM, buckets, stretch, items);
	free_reader(reader);

	entries.columns = (int32 *) sort_alloc(sort, WORD, entries.capacity);
	entries.values = (int32 *) sort_alloc(sort, WORD, entries.capacity);
	if (sort->words > WEIGHT)
		entries.weights = (int32 *) sort_alloc(sort, WORD, entries.capacity);
	for (b = 0; b < buckets->n_buckets; b++)
	{
		int32		first = buckets->first[b];
		int64		n = stretch[b + 1] - stretch[b];

		if (n <= entries.capacity)
			place_bucket(sort, &entries, items, stretch[b], n, first, buckets->first[b + 1] - first);
		else
			copy_long_row(sort, &entries, items, stretch[b], n);
	}
	pfree(entries.columns);
	pfree(entries.values);
	if (entries.weights != NULL)
		pfree(entries.weights);
	pfree(stretch);
	free_buckets(buckets);
	recmf_temp_file_delete(items);
}

/* What is taken whatever the memory for buckets: blocks, scratch, and the buckets' numbers. */
static Size
fixed_memory(int64 n_triples, int64 n_users, int64 n_items)
{
	return BLOCK_TRIPLES * WORD * MOST_WORDS * 2 +
		sizeof(int64) * (Size) (Max(n_users, n_items) + n_items + 2) + sizeof(uint16) * (Size) n_users +
		(sizeof(int32) + sizeof(int64)) * (Size) rmf_buckets_most(n_triples, LEAST_BUCKET) +
		2 * sizeof(rmf_buckets) + sizeof(Bucket) + FIXED_OVERHEAD;
}

Size
recmf_spill_least_memory(int64 n_triples, bool weighted, int64 n_users, int64 n_items)
{
	return fixed_memory(n_triples, n_users, n_items) + 2 * LEAST_BUCKET * user_bucket_bytes(weighted ? 4 : 3);
}

void
recmf_spill_finish(RecmfSpill *spill, Size memory, rmf_merge merge,
				   int64 n_users, const int32 *user_number, int64 *user_start,
				   int64 n_items, const int32 *item_number, int64 *item_start)
{
	SpillSort	sort = {
		.spill = spill, .words = spill->words, .merge = merge, .n_users = n_users, .n_items = n_items,
		.user_number = user_number, .item_number = item_number,
		.user_start = user_start, .item_start = item_start,
	};
	Size		least;

	write_gathered(spill);
	pfree(spill->block);
	spill->block = NULL;

	least = recmf_spill_least_memory(spill->n_triples, spill->words > WEIGHT, n_users, n_items);
	sort.memory = Max(memory, least) - fixed_memory(spill->n_triples, n_users, n_items);
	sort.context = AllocSetContextCreate(spill->context, "recmf spill sort", ALLOCSET_DEFAULT_SIZES);
	sort.scratch = (int64 *) sort_alloc(&sort, sizeof(int64), Max(n_users, n_items) + 1);

	create_side(spill, RMF_USERS);
	sort_by_users(&sort);
	rmf_counts_to_starts(n_items, item_start);
	create_side(spill, RMF_ITEMS);
	sort_by_items(&sort);
	MemoryContextDelete(sort.context);
}

/*
 * Holding out.
 */

int64
recmf_spill_choose_held_out(RecmfSpill *spill, rmf_hold_out *choice, int64 n_users, const int64 *user_start, int64 n_items)
{
	int32	   *column = (int32 *) MemoryContextAlloc(spill->context, WORD * BLOCK_TRIPLES);
	int64		n_entries = user_start[n_users];
	rmf_hold_out_walk walk;
	int			pass;

	recmf_check_status(rmf_hold_out_check(choice, n_users, n_items), "hold ratings out");
	for (pass = 0; pass < 2; pass++)
	{
		rmf_hold_out_start(&walk, choice, RMF_USERS, n_users, user_start);
		while (walk.at < n_entries)
		{
			int64		n = Min(n_entries - walk.at, BLOCK_TRIPLES);

			CHECK_FOR_INTERRUPTS();
			recmf_temp_file_read(spill->sides[RMF_USERS].column, walk.at * (int64) WORD, column, WORD * (Size) n);
			if (pass == 0)
				rmf_hold_out_look(&walk, n, column);
			else
				rmf_hold_out_count(&walk, n, column);
		}
	}
	pfree(column);
	return walk.n_held;
}

int64
recmf_spill_hold_out(RecmfSpill *spill, const rmf_hold_out *choice, rmf_side side,
					 int64 n_rows, int64 *start, int64 n_columns, rmf_csr *held)
{
	const Side *files = &spill->sides[side];
	int64		n_entries = start[n_rows];
	int32	   *block = (int32 *) MemoryContextAlloc(spill->context, WORD * 3 * BLOCK_TRIPLES);
	rmf_entries entries = {block, (float *) (block + BLOCK_TRIPLES), NULL};
	rmf_hold_out_walk walk;

	if (files->weight != NULL)
		entries.weight = entries.value + BLOCK_TRIPLES;
	rmf_hold_out_start(&walk, choice, side, n_rows, start);
	while (walk.at < n_entries)
	{
		int64		n = Min(n_entries - walk.at, BLOCK_TRIPLES);
		int64		to = walk.n_kept;

		/* what stays goes over what has been read */
		CHECK_FOR_INTERRUPTS();
		read_entries(files, walk.at, n, entries.column, entries.value, entries.weight);
		n = rmf_hold_out_divide(&walk, start, n, entries, entries, held);
		write_entries(files, to, n, entries.column, entries.value, entries.weight);
	}
	rmf_hold_out_end(&walk, start, n_columns, held);
	pfree(block);
	return walk.n_kept;
}

/*
 * Training.
 */

RecmfSpillHandle
recmf_spill_handle(const RecmfSpill *spill)
{
	return (RecmfSpillHandle) {.files = *recmf_temp_files_handle(spill->files), .weighted = spill->words > WEIGHT};
}

RecmfSpill *
recmf_spill_attach(MemoryContext parent, const RecmfSpillHandle *handle)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf spill", ALLOCSET_SMALL_SIZES);
	RecmfSpill *spill = (RecmfSpill *) MemoryContextAllocZero(context, sizeof(RecmfSpill));
	int			side;

	spill->context = context;
	spill->words = handle->weighted ? 4 : 3;
	spill->files = recmf_temp_files_attach(context, &handle->files);
	for (side = 0; side < 2; side++)
	{
		Side	   *s = &spill->sides[side];
		bool		users = side == RMF_USERS;

		s->column = recmf_temp_file_open(spill->files, users ? "u.column" : "i.column");
		s->value = recmf_temp_file_open(spill->files, users ? "u.value" : "i.value");
		if (handle->weighted)
			s->weight = recmf_temp_file_open(spill->files, users ? "u.weight" : "i.weight");
		if (s->column == NULL || s->value == NULL || (handle->weighted && s->weight == NULL))
		{
			MemoryContextDelete(context);
			return NULL;
		}
	}
	return spill;
}

static void
raise_read_error(void *arg)
{
	recmf_temp_file_read_error(arg);
}

/* rmf_load_entries: called by the core, so errors are kept. */
static int
load_entries(void *arg, int64_t first_entry, int64_t n, int32_t *column, float *value, float *weight)
{
	const Side *side = arg;
	RecmfTempFile *const files[] = {side->column, side->value, side->weight};
	void	   *const to[] = {column, value, weight};
	int			i;

	for (i = 0; i < lengthof(files); i++)
	{
		if (files[i] != NULL && to[i] != NULL &&
			!recmf_temp_file_try_read(files[i], first_entry * (int64) WORD, to[i], WORD * (Size) n))
		{
			(void) recmf_run_and_keep_error(raise_read_error, files[i]);
			return 1;
		}
	}
	return 0;
}

void
recmf_spill_ratings(RecmfSpill *spill, rmf_side side, rmf_ratings *ratings)
{
	ratings->column = NULL;
	ratings->value = NULL;
	ratings->weight = NULL;
	ratings->has_weight = spill->words > WEIGHT;
	ratings->load = load_entries;
	ratings->load_arg = &spill->sides[side];
}

void
recmf_spill_read_columns(const RecmfSpill *spill, rmf_side side, int64 n, int32 *columns)
{
	recmf_temp_file_read(spill->sides[side].column, 0, columns, WORD * (Size) n);
}
