/*
 * recmf_spill.c
 *	  Ratings in temporary files: see recmf_spill.h.
 *
 * Files, each read and written from one end to the other:
 *	 triples	as they came: user, item, rating, numbered by first appearance
 *	 users		the same, renumbered, each bucket of users in a stretch of its own
 *	 pairs		(one user with more ratings than a bucket may have) the triples of
 *				that user, each bucket of items in a stretch of its own
 *	 u.column, u.value	the entries by users: sorted, merged
 *	 items		these as triples again, each bucket of items in a stretch of its own
 *	 i.column, i.value	the entries by items
 *
 * How many ratings a bucket has is known before the first is written, so a
 * bucket is a stretch of one file.  A triple goes to the bucket's buffer, a full
 * buffer to the bucket's stretch.  Where there are more buckets than buffers the
 * triples are read several times.
 *
 * By users, a bucket is read into memory and sorted by rmf_csr_build().  By
 * items, what is read comes in the order of the users and stays in it, so a
 * bucket needs no sort, only its places; an item with more ratings than a
 * bucket may have goes straight through.
 *
 * Memory: what recmf_spill_finish() is allowed, in a context of its own that
 * goes at its end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_buckets.h"
#include "recmf_spill.h"
#include "recmf_status.h"
#include "recmf_tempfile.h"

typedef struct Triple
{
	int32		user;
	int32		item;
	float		rating;
} Triple;

/* Triples that are read, or gathered before they are written, at a time. */
#define BLOCK_TRIPLES 8192

/* Of a bucket's buffer while triples are distributed; in triples. */
#define LEAST_BUFFER 512
#define LARGEST_BUFFER 32768

/* A rating in a bucket of users: its triple and rmf_csr_build()'s entry. */
#define USER_BUCKET_BYTES (sizeof(Triple) + sizeof(int32) + sizeof(float))

/* A rating in a bucket of items: its entry. */
#define ITEM_BUCKET_BYTES (sizeof(int32) + sizeof(float))

/* What a bucket must hold at the least, so that the work does not drown in buckets; in ratings. */
#define LEAST_BUCKET 16384

/* Headers of chunks and blocks of memory; a dozen of them. */
#define FIXED_OVERHEAD 16384

/* One side's sorted entries. */
typedef struct Side
{
	RecmfTempFile *column;
	RecmfTempFile *value;
} Side;

struct RecmfSpill
{
	MemoryContext context;
	RecmfTempFiles *files;
	RecmfTempFile *triples;
	int64		n_triples;		/* in the file */
	int			n_gathered;		/* in "block" */
	Triple	   *block;			/* BLOCK_TRIPLES */
	Side		sides[2];
};

/* Everything that recmf_spill_finish() works with. */
typedef struct Sort
{
	RecmfSpill *spill;
	MemoryContext context;
	Size		memory;			/* for buckets and their buffers */
	rmf_merge	merge;
	int64		n_users;
	int64		n_items;
	const int32 *user_number;
	const int32 *item_number;
	int64	   *user_start;
	int64	   *item_start;
	int64	   *scratch;		/* max(n_users, n_items) + 1 */
	int64		n_entries;		/* by users, so far */
} Sort;

/* Where triples come from, block by block. */
typedef struct Reader
{
	const Sort *sort;
	RecmfTempFile *file;		/* of triples, or NULL: the entries by users */
	const int32 *user_number;	/* renumber, or NULL */
	const int32 *item_number;
	int64		next;			/* triple or entry */
	int64		end;
	int64		user;			/* of the next entry */
	Triple	   *block;			/* BLOCK_TRIPLES */
	int32	   *column;			/* BLOCK_TRIPLES; entries only */
	float	   *value;
} Reader;

/* Ratings in memory, to be sorted by users. */
typedef struct Bucket
{
	int64		capacity;
	int32	   *user;
	int32	   *item;
	float	   *rating;
	int32	   *column;
	float	   *value;
} Bucket;

RecmfSpill *
recmf_spill_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf spill", ALLOCSET_SMALL_SIZES);
	RecmfSpill *spill = (RecmfSpill *) MemoryContextAllocZero(context, sizeof(RecmfSpill));

	spill->context = context;
	spill->block = (Triple *) MemoryContextAlloc(context, sizeof(Triple) * BLOCK_TRIPLES);
	spill->files = recmf_temp_files_create(context);
	spill->triples = recmf_temp_file_open(spill->files, "triples");
	return spill;
}

static void
write_triples(RecmfTempFile *file, int64 first, const Triple *triples, int64 n)
{
	recmf_temp_file_write(file, first * (int64) sizeof(Triple), triples, sizeof(Triple) * (Size) n);
}

static void
write_gathered(RecmfSpill *spill)
{
	write_triples(spill->triples, spill->n_triples, spill->block, spill->n_gathered);
	spill->n_triples += spill->n_gathered;
	spill->n_gathered = 0;
}

void
recmf_spill_add(RecmfSpill *spill, int64 n, const int32 *user, const int32 *item, const float *rating)
{
	int64		t;

	for (t = 0; t < n; t++)
	{
		Triple	   *triple = &spill->block[spill->n_gathered];

		triple->user = user[t];
		triple->item = item[t];
		triple->rating = rating[t];
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
sort_alloc(const Sort *sort, Size size, int64 n)
{
	return MemoryContextAllocHuge(sort->context, size * (Size) Max(n, 1));
}

static Reader *
make_reader(const Sort *sort, RecmfTempFile *file, int64 first, int64 n)
{
	Reader	   *reader = (Reader *) MemoryContextAllocZero(sort->context, sizeof(Reader));

	reader->sort = sort;
	reader->file = file;
	reader->next = first;
	reader->end = first + n;
	reader->block = (Triple *) sort_alloc(sort, sizeof(Triple), BLOCK_TRIPLES);
	if (file == NULL)
	{
		reader->column = (int32 *) sort_alloc(sort, sizeof(int32), BLOCK_TRIPLES);
		reader->value = (float *) sort_alloc(sort, sizeof(float), BLOCK_TRIPLES);
	}
	return reader;
}

static void
free_reader(Reader *reader)
{
	pfree(reader->block);
	if (reader->file == NULL)
	{
		pfree(reader->column);
		pfree(reader->value);
	}
	pfree(reader);
}

static void
read_entries(const Side *side, int64 first, int64 n, int32 *column, float *value)
{
	recmf_temp_file_read(side->column, first * (int64) sizeof(int32), column, sizeof(int32) * (Size) n);
	recmf_temp_file_read(side->value, first * (int64) sizeof(float), value, sizeof(float) * (Size) n);
}

static void
write_entries(const Side *side, int64 first, int64 n, const int32 *column, const float *value)
{
	recmf_temp_file_write(side->column, first * (int64) sizeof(int32), column, sizeof(int32) * (Size) n);
	recmf_temp_file_write(side->value, first * (int64) sizeof(float), value, sizeof(float) * (Size) n);
}

/* The next triples into reader->block; their number, 0 at the end. */
static int
read_block(Reader *reader)
{
	int			n = (int) Min(reader->end - reader->next, BLOCK_TRIPLES);
	int			t;

	if (n == 0)
		return 0;
	if (reader->file != NULL)
	{
		recmf_temp_file_read(reader->file, reader->next * (int64) sizeof(Triple), reader->block,
							 sizeof(Triple) * n);
		if (reader->user_number != NULL)
		{
			for (t = 0; t < n; t++)
			{
				reader->block[t].user = reader->user_number[reader->block[t].user];
				reader->block[t].item = reader->item_number[reader->block[t].item];
			}
		}
	}
	else
	{
		const int64 *start = reader->sort->user_start;

		read_entries(&reader->sort->spill->sides[RMF_USERS], reader->next, n, reader->column, reader->value);
		for (t = 0; t < n; t++)
		{
			while (reader->next + t >= start[reader->user + 1])
				reader->user++;
			reader->block[t].user = (int32) reader->user;
			reader->block[t].item = reader->column[t];
			reader->block[t].rating = reader->value[t];
		}
	}
	reader->next += n;
	return n;
}

/* The number of ratings of each user or item that "reader" comes upon, as starts. */
static void
count_starts(Reader *reader, rmf_side side, int64 n_rows, int64 *start)
{
	int			n;
	int			t;

	memset(start, 0, sizeof(int64) * (Size) (n_rows + 1));
	while ((n = read_block(reader)) > 0)
	{
		for (t = 0; t < n; t++)
			start[side == RMF_USERS ? reader->block[t].user : reader->block[t].item]++;
	}
	rmf_counts_to_starts(n_rows, start);
}

static rmf_buckets *
plan_buckets(const Sort *sort, int64 n_rows, const int64 *start, int64 capacity)
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
stretches(const Sort *sort, const rmf_buckets *buckets, const int64 *start)
{
	int64	   *stretch = (int64 *) sort_alloc(sort, sizeof(int64), (int64) buckets->n_buckets + 1);
	int32		b;

	for (b = 0; b <= buckets->n_buckets; b++)
		stretch[b] = start[buckets->first[b]];
	return stretch;
}

/*
 * The triples of "reader" into the stretches of their buckets by "side".  Those
 * of one bucket keep their order.
 */
static void
distribute(const Sort *sort, Reader *reader, rmf_side side, const rmf_buckets *buckets,
		   const int64 *stretch, RecmfTempFile *to)
{
	const Reader start = *reader;
	int64		room = Max(sort->memory / 2 / sizeof(Triple), LEAST_BUFFER);
	int64		buffer_size = Min(Max(room / buckets->n_buckets, LEAST_BUFFER), LARGEST_BUFFER);
	int32		at_once = (int32) Min(room / buffer_size, buckets->n_buckets);
	Triple	   *buffer = (Triple *) sort_alloc(sort, sizeof(Triple), at_once * buffer_size);
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
		reader->next = start.next;
		reader->user = start.user;
		while ((n = read_block(reader)) > 0)
		{
			for (t = 0; t < n; t++)
			{
				const Triple *triple = &reader->block[t];

				b = rmf_bucket_of(buckets, side == RMF_USERS ? triple->user : triple->item) - first;
				if (b < 0 || b >= n_buckets)
					continue;
				buffer[b * buffer_size + used[b]] = *triple;
				if (++used[b] == buffer_size)
				{
					write_triples(to, position[b], &buffer[b * buffer_size], used[b]);
					position[b] += used[b];
					used[b] = 0;
				}
			}
		}
		for (b = 0; b < n_buckets; b++)
		{
			write_triples(to, position[b], &buffer[b * buffer_size], used[b]);
			Assert(position[b] + used[b] == stretch[first + b + 1]);
		}
	}
	pfree(buffer);
	pfree(position);
	pfree(used);
}

static Bucket *
make_bucket(const Sort *sort, int64 capacity)
{
	Bucket	   *bucket = (Bucket *) sort_alloc(sort, sizeof(Bucket), 1);

	bucket->capacity = capacity;
	bucket->user = (int32 *) sort_alloc(sort, sizeof(int32), capacity);
	bucket->item = (int32 *) sort_alloc(sort, sizeof(int32), capacity);
	bucket->rating = (float *) sort_alloc(sort, sizeof(float), capacity);
	bucket->column = (int32 *) sort_alloc(sort, sizeof(int32), capacity);
	bucket->value = (float *) sort_alloc(sort, sizeof(float), capacity);
	return bucket;
}

static void
free_bucket(Bucket *bucket)
{
	pfree(bucket->user);
	pfree(bucket->item);
	pfree(bucket->rating);
	pfree(bucket->column);
	pfree(bucket->value);
	pfree(bucket);
}

/*
 * The ratings of n_users users from first_user on, n of them from "first" in
 * the file, sorted and merged to the end of the entries by users.  start:
 * n_users + 1, set to where each user's entries begin.
 */
static void
sort_bucket(Sort *sort, Bucket *bucket, RecmfTempFile *file, int64 first, int64 n,
			int32 first_user, int64 n_users, int64 *start)
{
	Reader	   *reader = make_reader(sort, file, first, n);
	rmf_csr		csr = {.n_rows = n_users, .n_columns = sort->n_items};
	rmf_status	status;
	int64		at = 0;
	int			read;
	int64		i;

	Assert(n <= bucket->capacity);
	while ((read = read_block(reader)) > 0)
	{
		for (i = 0; i < read; i++, at++)
		{
			bucket->user[at] = reader->block[i].user - first_user;
			bucket->item[at] = reader->block[i].item;
			bucket->rating[at] = reader->block[i].rating;
		}
	}
	free_reader(reader);

	csr.start = start;
	csr.column = bucket->column;
	csr.value = bucket->value;
	status = rmf_csr_build(n, bucket->user, bucket->item, bucket->rating, sort->merge, &csr,
						   sort->scratch, recmf_poll());
	if (status == RMF_NOT_FINITE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("ratings of the same user and item add up past the range of real"),
				 errhint("Scale the ratings down.")));
	recmf_check_status(status, "sort the ratings");

	write_entries(&sort->spill->sides[RMF_USERS], sort->n_entries, csr.n_entries, csr.column, csr.value);
	for (i = 0; i < csr.n_entries; i++)
		sort->item_start[csr.column[i]]++;
	for (i = 0; i <= n_users; i++)
		start[i] += sort->n_entries;
	sort->n_entries += csr.n_entries;
}

/*
 * One user with more ratings than a bucket may have, n of them from "first" in
 * the file: in buckets of items.
 */
static void
sort_long_row(Sort *sort, Bucket *bucket, RecmfTempFile *file, int64 first, int64 n, int32 user)
{
	RecmfTempFile *pairs = recmf_temp_file_open(sort->spill->files, "pairs");
	int64	   *start = (int64 *) sort_alloc(sort, sizeof(int64), sort->n_items + 1);
	Reader	   *reader = make_reader(sort, file, first, n);
	rmf_buckets *buckets;
	int64	   *stretch;
	int32		b;

	count_starts(reader, RMF_ITEMS, sort->n_items, start);
	buckets = plan_buckets(sort, sort->n_items, start, bucket->capacity);
	stretch = stretches(sort, buckets, start);
	reader->next = first;
	distribute(sort, reader, RMF_ITEMS, buckets, stretch, pairs);
	free_reader(reader);
	pfree(start);

	for (b = 0; b < buckets->n_buckets; b++)
	{
		int64		of_bucket = stretch[b + 1] - stretch[b];
		int64		ends[2];

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
sort_by_users(Sort *sort)
{
	RecmfSpill *spill = sort->spill;
	RecmfTempFile *users = recmf_temp_file_open(spill->files, "users");
	int64		capacity = Max(sort->memory / 2 / USER_BUCKET_BYTES, LEAST_BUCKET);
	Reader	   *reader = make_reader(sort, spill->triples, 0, spill->n_triples);
	rmf_buckets *buckets;
	int64	   *stretch;
	Bucket	   *bucket;
	int32		b;

	reader->user_number = sort->user_number;
	reader->item_number = sort->item_number;
	count_starts(reader, RMF_USERS, sort->n_users, sort->user_start);
	buckets = plan_buckets(sort, sort->n_users, sort->user_start, capacity);
	stretch = stretches(sort, buckets, sort->user_start);
	reader->next = 0;
	distribute(sort, reader, RMF_USERS, buckets, stretch, users);
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
			sort_bucket(sort, bucket, users, stretch[b], n, first, n_users, sort->user_start + first);
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
	free_bucket(bucket);
	pfree(stretch);
	free_buckets(buckets);
	recmf_temp_file_delete(users);
}

/*
 * The entries of n_items items, n triples of the file from "first" on, to their
 * places.
 */
static void
place_bucket(const Sort *sort, RecmfTempFile *file, int64 first, int64 n, int32 first_item,
			 int64 n_items, int32 *column, float *value)
{
	const int64 *start = sort->item_start + first_item;
	Reader	   *reader = make_reader(sort, file, first, n);
	int64		i;
	int			read;
	int			t;

	for (i = 0; i < n_items; i++)
		sort->scratch[i] = start[i] - start[0];
	while ((read = read_block(reader)) > 0)
	{
		for (t = 0; t < read; t++)
		{
			int64		to = sort->scratch[reader->block[t].item - first_item]++;

			column[to] = reader->block[t].user;
			value[to] = reader->block[t].rating;
		}
	}
	free_reader(reader);
	write_entries(&sort->spill->sides[RMF_ITEMS], start[0], n, column, value);
}

/* One item with more ratings than a bucket may have: they are in order. */
static void
copy_long_row(const Sort *sort, RecmfTempFile *file, int64 first, int64 n, int32 *column, float *value)
{
	Reader	   *reader = make_reader(sort, file, first, n);
	int			read;
	int			t;

	while ((read = read_block(reader)) > 0)
	{
		for (t = 0; t < read; t++)
		{
			column[t] = reader->block[t].user;
			value[t] = reader->block[t].rating;
		}
		write_entries(&sort->spill->sides[RMF_ITEMS], first, read, column, value);
		first += read;
	}
	free_reader(reader);
}

/* From the entries by users to those by items, which have the same places in file and buckets. */
static void
sort_by_items(Sort *sort)
{
	RecmfTempFile *items = recmf_temp_file_open(sort->spill->files, "items");
	int64		capacity = Max(sort->memory / 2 / ITEM_BUCKET_BYTES, LEAST_BUCKET);
	Reader	   *reader = make_reader(sort, NULL, 0, sort->n_entries);
	rmf_buckets *buckets;
	int64	   *stretch;
	int32	   *column;
	float	   *value;
	int32		b;

	buckets = plan_buckets(sort, sort->n_items, sort->item_start, capacity);
	stretch = stretches(sort, buckets, sort->item_start);
	distribute(sort, reader, RMF_ITEMS, buckets, stretch, items);
	free_reader(reader);

	column = (int32 *) sort_alloc(sort, sizeof(int32), capacity);
	value = (float *) sort_alloc(sort, sizeof(float), capacity);
	for (b = 0; b < buckets->n_buckets; b++)
	{
		int32		first = buckets->first[b];
		int64		n = stretch[b + 1] - stretch[b];

		if (n <= capacity)
			place_bucket(sort, items, stretch[b], n, first, buckets->first[b + 1] - first, column, value);
		else
			copy_long_row(sort, items, stretch[b], n, column, value);
	}
	pfree(column);
	pfree(value);
	pfree(stretch);
	free_buckets(buckets);
	recmf_temp_file_delete(items);
}

/* As rmf_csr_summarize() does, and in its order. */
static void
summarize(const Sort *sort, rmf_csr_stats *stats)
{
	RecmfTempFile *file = sort->spill->sides[RMF_USERS].value;
	float	   *value = (float *) sort_alloc(sort, sizeof(float), BLOCK_TRIPLES);
	int			pass;
	int64		first;

	memset(stats, 0, sizeof(*stats));
	for (pass = 0; pass < 2; pass++)
	{
		for (first = 0; first < sort->n_entries; first += BLOCK_TRIPLES)
		{
			int64		n = Min(sort->n_entries - first, BLOCK_TRIPLES);

			recmf_temp_file_read(file, first * (int64) sizeof(float), value, sizeof(float) * (Size) n);
			if (pass == 0)
				rmf_csr_stats_add(stats, n, value);
			else
				rmf_csr_stats_deviate(stats, n, value);
		}
	}
	pfree(value);
}

/* What is taken whatever the memory for buckets: blocks, scratch, and the buckets' numbers. */
static Size
fixed_memory(int64 n_triples, int64 n_users, int64 n_items)
{
	return BLOCK_TRIPLES * (sizeof(Triple) + sizeof(int32) + sizeof(float)) +
		sizeof(int64) * (Size) (Max(n_users, n_items) + n_items + 2) +
		(sizeof(int32) + sizeof(int64)) * (Size) rmf_buckets_most(n_triples, LEAST_BUCKET) +
		2 * sizeof(rmf_buckets) + FIXED_OVERHEAD;
}

Size
recmf_spill_least_memory(const RecmfSpill *spill, int64 n_users, int64 n_items)
{
	return fixed_memory(recmf_spill_count(spill), n_users, n_items) + 2 * LEAST_BUCKET * USER_BUCKET_BYTES;
}

static void
open_side(RecmfSpill *spill, rmf_side side)
{
	Side	   *s = &spill->sides[side];

	s->column = recmf_temp_file_open(spill->files, side == RMF_USERS ? "u.column" : "i.column");
	s->value = recmf_temp_file_open(spill->files, side == RMF_USERS ? "u.value" : "i.value");
}

void
recmf_spill_finish(RecmfSpill *spill, Size memory, rmf_merge merge,
				   int64 n_users, const int32 *user_number, int64 *user_start,
				   int64 n_items, const int32 *item_number, int64 *item_start,
				   rmf_csr_stats *stats)
{
	Sort		sort = {
		.spill = spill, .merge = merge, .n_users = n_users, .n_items = n_items,
		.user_number = user_number, .item_number = item_number,
		.user_start = user_start, .item_start = item_start,
	};

	write_gathered(spill);
	pfree(spill->block);
	spill->block = NULL;

	Assert(memory >= recmf_spill_least_memory(spill, n_users, n_items));
	sort.context = AllocSetContextCreate(spill->context, "recmf spill sort", ALLOCSET_DEFAULT_SIZES);
	sort.memory = memory - fixed_memory(spill->n_triples, n_users, n_items);
	sort.scratch = (int64 *) sort_alloc(&sort, sizeof(int64), Max(n_users, n_items) + 1);

	open_side(spill, RMF_USERS);
	sort_by_users(&sort);
	rmf_counts_to_starts(n_items, item_start);
	summarize(&sort, stats);
	open_side(spill, RMF_ITEMS);
	sort_by_items(&sort);
	MemoryContextDelete(sort.context);
}

const FileSet *
recmf_spill_handle(const RecmfSpill *spill)
{
	return recmf_temp_files_handle(spill->files);
}

RecmfSpill *
recmf_spill_attach(MemoryContext parent, const FileSet *handle)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf spill", ALLOCSET_SMALL_SIZES);
	RecmfSpill *spill = (RecmfSpill *) MemoryContextAllocZero(context, sizeof(RecmfSpill));

	spill->context = context;
	spill->files = recmf_temp_files_attach(context, handle);
	open_side(spill, RMF_USERS);
	open_side(spill, RMF_ITEMS);
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
	Side	   *side = arg;
	RecmfTempFile *failed = NULL;

	if (!recmf_temp_file_try_read(side->column, first_entry * (int64) sizeof(int32), column,
								  sizeof(int32) * (Size) n))
		failed = side->column;
	else if (!recmf_temp_file_try_read(side->value, first_entry * (int64) sizeof(float), value,
									   sizeof(float) * (Size) n))
		failed = side->value;
	return failed != NULL && recmf_run_and_keep_error(raise_read_error, failed);
}

void
recmf_spill_ratings(RecmfSpill *spill, rmf_side side, rmf_ratings *ratings)
{
	ratings->column = NULL;
	ratings->value = NULL;
	ratings->weight = NULL;
	ratings->has_weight = 0;
	ratings->load = load_entries;
	ratings->load_arg = &spill->sides[side];
}
