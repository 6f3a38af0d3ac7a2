/*
 * recmf_dataset.c
 *	  Rows of (user id, item id, rating) into sparse matrices: see recmf_dataset.h.
 *
 * While rows arrive, each is two dense numbers and a float, 12 bytes a rating
 * (16 with weights), in a list of blocks: small ones at first, since GROUP BY
 * may make a dataset for each of many small groups.  Finishing partitions them
 * by the sorted numbers of their users, into the memory of the blocks before,
 * sorts the matrix by users, and from that the matrix by items (8 bytes a
 * rating each, 12 with weights).  The order of the rows leaves no trace.
 *
 * As soon as it is certain that recmf.training_memory will not do for this, or
 * for training on it, the rows go to temporary files, where they are sorted and
 * stay (recmf_spill.h).  What must be in memory in any case is counted whenever
 * the dictionaries have grown, so that a run which cannot be made ends while
 * its rows are read.
 *
 * Memory: the dataset's context and below it one of each dictionary, each full
 * block and each matrix; all count against recmf.training_memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_hold_out.h"
#include "core/rmf_noise.h"
#include "core/rmf_partition.h"
#include "recmf_dataset.h"
#include "recmf_progress.h"
#include "recmf_status.h"
#include "recmf_team.h"

#define FIRST_BLOCK 16
#define FULL_BLOCK (1024 * 1024)

/* Ratings in files that are looked at together for their summary. */
#define SUMMARISED_AT_ONCE 8192

static Size
triple_size(const RecmfDataset *dataset)
{
	return 2 * sizeof(int32) + sizeof(float) * (dataset->weighted ? 2 : 1);
}

static RecmfBlock *
make_block(const RecmfDataset *dataset, int64 room)
{
	RecmfBlock *block = (RecmfBlock *) MemoryContextAllocZero(dataset->context, sizeof(RecmfBlock));
	Size		part = sizeof(int32) * room;

	Assert(sizeof(float) == sizeof(int32));
	block->room = room;
	if (room == FULL_BLOCK)
	{
		block->memory = recmf_memory_create(dataset->context, room * triple_size(dataset), false);
		block->user = (int32 *) recmf_memory_alloc(block->memory, part);
		block->item = (int32 *) recmf_memory_alloc(block->memory, part);
		block->rating = (float *) recmf_memory_alloc(block->memory, part);
		if (dataset->weighted)
			block->weight = (float *) recmf_memory_alloc(block->memory, part);
	}
	else
	{
		block->user = (int32 *) MemoryContextAlloc(dataset->context, room * triple_size(dataset));
		block->item = block->user + room;
		block->rating = (float *) (block->item + room);
		if (dataset->weighted)
			block->weight = block->rating + room;
	}
	return block;
}

static void
free_block(RecmfBlock *block)
{
	if (block->memory != NULL)
		recmf_memory_destroy(block->memory);
	else
		pfree(block->user);
	pfree(block);
}

RecmfDataset *
recmf_dataset_create(MemoryContext parent, Oid user_type, Oid item_type, const rmf_settings *settings, bool weighted)
{
	MemoryContext context;
	RecmfDataset *dataset;

	/* Before anything is made, so that an error leaves nothing behind. */
	(void) recmf_id_kind(user_type, "user_id");
	(void) recmf_id_kind(item_type, "item_id");

	context = AllocSetContextCreate(parent, "recmf dataset", ALLOCSET_START_SMALL_SIZES);
	dataset = (RecmfDataset *) MemoryContextAllocZero(context, sizeof(RecmfDataset));
	dataset->context = context;
	dataset->settings = *settings;
	dataset->feedback = settings->feedback;
	dataset->weighted = weighted;
	dataset->users = recmf_ids_create(context, user_type, "user_id");
	dataset->items = recmf_ids_create(context, item_type, "item_id");
	dataset->first_block = dataset->last_block = make_block(dataset, FIRST_BLOCK);
	return dataset;
}

/* Of a matrix, which may not be there yet: what the context's figures have not. */
static Size
shared_bytes(const RecmfMemory *memory)
{
	return memory != NULL && recmf_memory_is_shared(memory) ? recmf_memory_bytes(memory) : 0;
}

Size
recmf_dataset_memory(const RecmfDataset *dataset)
{
	return MemoryContextMemAllocated(dataset->context, true) + dataset->workers_memory +
		shared_bytes(dataset->by_user_memory) + shared_bytes(dataset->by_item_memory) +
		shared_bytes(dataset->held_out_memory);
}

/* Is there room for "more" bytes in recmf.training_memory? */
static bool
fits(const RecmfDataset *dataset, Size more)
{
	return more <= recmf_need_left(recmf_dataset_memory(dataset));
}

static bool
validates(const RecmfDataset *dataset)
{
	return dataset->settings.validation_fraction > 0;	/* and not NAN */
}

/* What training takes of the ids that are known, with so many ratings in memory or any number in files. */
static void
need_of(const RecmfDataset *dataset, bool streams, RecmfNeed *need)
{
	memset(need, 0, sizeof(*need));
	recmf_need_shape(&dataset->settings, recmf_ids_count(dataset->users), recmf_ids_count(dataset->items),
					 &need->shape);
	need->n_ratings = dataset->n_triples;
	need->processes = 1;
	need->streams = streams;
	need->weighted = dataset->weighted;
	need->ids = recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items);
	need->shape.n_validation = validates(dataset);
	recmf_need_count(need);
}

/* Sorting in memory takes this, beside the dictionaries, what is done with the ids, and a scratch. */
static Size
sort_memory(const RecmfDataset *dataset)
{
	/* a partition takes over the memory of the blocks, but needs some before it has any */
	return recmf_need_to_sort(dataset->n_triples, dataset->weighted) +
		rmf_partition_most_memory(Min(dataset->n_triples, 2 * FULL_BLOCK), dataset->weighted);
}

static void
free_blocks(RecmfDataset *dataset)
{
	while (dataset->first_block != NULL)
	{
		RecmfBlock *block = dataset->first_block;

		dataset->first_block = block->next;
		free_block(block);
	}
	dataset->last_block = NULL;
}

/* From here on the ratings are in temporary files. */
static void
start_spilling(RecmfDataset *dataset)
{
	const RecmfBlock *block;

	if (dataset->tunes)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("tuning needs all ratings in memory, more than recmf.training_memory allows"),
				 errdetail("recmf.training_memory is %d MB, and " INT64_FORMAT " ratings have been read.",
						   recmf_training_memory / 1024, dataset->n_triples),
				 errhint("Raise it with SET recmf.training_memory if the machine has the memory, or tune on a sample of the users.")));
	dataset->spill = recmf_spill_create(dataset->context, dataset->weighted);
	for (block = dataset->first_block; block != NULL; block = block->next)
		recmf_spill_add(dataset->spill, block->n, block->user, block->item, block->rating, block->weight);
	free_blocks(dataset);
}

/* The block that is being filled is full: another one, or none any more. */
static void
next_block(RecmfDataset *dataset)
{
	int64		room = Min(dataset->n_triples, FULL_BLOCK);

	if (!fits(dataset, room * triple_size(dataset)) ||
		dataset->ids_memory + sort_memory(dataset) > (Size) recmf_training_memory * 1024)
	{
		start_spilling(dataset);
		return;
	}
	dataset->last_block->next = make_block(dataset, room);
	dataset->last_block = dataset->last_block->next;
}

/* After new ids may have come. */
static void
check_ids_memory(RecmfDataset *dataset)
{
	Size		used = recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items) +
		dataset->workers_memory;
	RecmfNeed	least;

	if (used == dataset->ids_memory)
		return;
	dataset->ids_memory = used;
	need_of(dataset, true, &least);
	if (!recmf_need_fits(&least))
		recmf_need_error(&least, true);
	if (dataset->spill == NULL && !fits(dataset, 0))
		start_spilling(dataset);
}

void
recmf_dataset_append(RecmfDataset *dataset, int n, const int32 *user, const int32 *item,
					 const float *rating, const float *weight)
{
	Assert(dataset->weighted == (weight != NULL));
	check_ids_memory(dataset);
	while (n > 0 && dataset->spill == NULL)
	{
		RecmfBlock *block = dataset->last_block;
		int			some = Min(n, block->room - block->n);

		memcpy(block->user + block->n, user, sizeof(int32) * some);
		memcpy(block->item + block->n, item, sizeof(int32) * some);
		memcpy(block->rating + block->n, rating, sizeof(float) * some);
		if (weight != NULL)
		{
			memcpy(block->weight + block->n, weight, sizeof(float) * some);
			weight += some;
		}
		block->n += some;
		dataset->n_triples += some;
		n -= some;
		user += some;
		item += some;
		rating += some;
		if (block->n == block->room)
			next_block(dataset);
	}
	if (n > 0)
	{
		recmf_spill_add(dataset->spill, n, user, item, rating, weight);
		dataset->n_triples += n;
	}
}

void
recmf_dataset_take_rows(void *arg, int n, const int32 *user, const int32 *item,
						const float *rating, const float *weight)
{
	RecmfDataset *dataset = (RecmfDataset *) arg;

	recmf_dataset_append(dataset, n, user, item, rating, weight);
	recmf_progress_rows(dataset->n_triples + recmf_dataset_skipped(dataset));
}

void
recmf_dataset_add(RecmfDataset *dataset, Datum user, bool user_null,
				  Datum item, bool item_null, double rating, bool rating_null)
{
	int32		numbers[2];
	float		value;

	if (user_null || item_null || rating_null)
	{
		dataset->skipped.null++;
		return;
	}
	if (!recmf_check_row(dataset->feedback, dataset->users, user, dataset->items, item, &rating, 1,
						 &dataset->skipped))
		return;
	numbers[0] = recmf_ids_intern(dataset->users, user);
	numbers[1] = recmf_ids_intern(dataset->items, item);
	value = (float) rating;
	recmf_dataset_append(dataset, 1, &numbers[0], &numbers[1], &value, NULL);
}

static RecmfMemory *
make_csr(const RecmfDataset *dataset, rmf_csr *csr, int64 n_rows, int64 n_columns, int64 n_entries, bool shared)
{
	Size		starts = sizeof(int64_t) * (n_rows + 1);
	Size		columns = sizeof(int32_t) * n_entries;
	Size		values = sizeof(float) * n_entries;
	RecmfMemory *memory = recmf_memory_create(dataset->context,
											  RECMF_MEMORY_SIZE(starts) + RECMF_MEMORY_SIZE(columns) +
											  RECMF_MEMORY_SIZE(values) * (dataset->weighted ? 2 : 1),
											  shared);

	csr->n_rows = n_rows;
	csr->n_columns = n_columns;
	csr->n_entries = 0;
	csr->start = (int64_t *) recmf_memory_alloc(memory, starts);
	csr->column = (int32_t *) recmf_memory_alloc(memory, columns);
	csr->value = (float *) recmf_memory_alloc(memory, values);
	csr->weight = dataset->weighted ? (float *) recmf_memory_alloc(memory, values) : NULL;
	return memory;
}

/* Of the ratings in all blocks, by the final numbers of their users. */
static int64_t *
count_users(const RecmfDataset *dataset, int64 n_users, const int32 *user_number)
{
	int64_t    *first = (int64_t *) MemoryContextAllocExtended(dataset->context, sizeof(int64_t) * Max(n_users, 1),
															   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	int64_t    *count = (int64_t *) MemoryContextAllocHuge(dataset->context, sizeof(int64_t) * Max(n_users, 1));
	const RecmfBlock *block;
	int64		i;

	for (block = dataset->first_block; block != NULL; block = block->next)
	{
		CHECK_FOR_INTERRUPTS();
		rmf_count(block->n, block->user, first);
	}
	for (i = 0; i < n_users; i++)
		count[user_number[i]] = first[i];
	pfree(first);
	return count;
}

static rmf_merge
merge_of(const RecmfDataset *dataset)
{
	return rmf_is_one_class(dataset->feedback) ? RMF_MERGE_SUM : RMF_MERGE_MEAN;
}

/* Room for n entries more in a partition. */
static void
make_room(rmf_partition *partition, int64 n, MemoryContext context)
{
	Size		size = rmf_partition_memory_size(partition, n);
	RecmfMemory *memory;

	if (rmf_partition_room(partition) >= n)
		return;
	memory = recmf_memory_create(context, size, false);
	rmf_partition_give(partition, recmf_memory_alloc(memory, size), size);
}

/*
 * The matrices in memory; false if there is not enough, for sorting or for
 * training after it, and then nothing has been done.
 */
static bool
sort_in_memory(RecmfDataset *dataset, const int32 *user_number, const int32 *item_number)
{
	int64		n = dataset->n_triples;
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	Size		blocks = triple_size(dataset) * (Size) n;
	Size		per_id = 2 * sizeof(int64_t) + sizeof(uint16_t);
	RecmfNeed	training;
	rmf_partition *partition;
	MemoryContext fresh;
	RecmfBlock *blocks_given = NULL;
	int64_t    *count;
	uint16_t   *bucket;
	void	   *scratch;
	rmf_status	status;

	need_of(dataset, false, &training);
	if (!recmf_need_fits(&training) ||
		!fits(dataset, per_id * (n_users + n_items) + sizeof(rmf_partition) + sort_memory(dataset) - blocks))
		return false;

	partition = (rmf_partition *) MemoryContextAlloc(dataset->context, sizeof(rmf_partition));
	bucket = (uint16_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint16_t) * Max(n_users, n_items));
	count = count_users(dataset, n_users, user_number);
	recmf_check_status(rmf_partition_init(partition, n_users, count, dataset->weighted, bucket), "sort the ratings");
	if (!fits(dataset, rmf_partition_scratch_size(partition) + sort_memory(dataset) - blocks))
	{
		pfree(partition);
		pfree(bucket);
		pfree(count);
		return false;
	}

	/* a block that has been added makes room for the next one */
	fresh = AllocSetContextCreate(dataset->context, "recmf partition", ALLOCSET_SMALL_SIZES);
	while (dataset->first_block != NULL)
	{
		RecmfBlock *block = dataset->first_block;

		make_room(partition, block->n, fresh);
		recmf_check_status(rmf_partition_add(partition, block->n, block->user, user_number,
											 block->item, item_number, block->rating, block->weight, recmf_poll()),
						   "sort the ratings");
		dataset->first_block = block->next;
		if (block->memory != NULL)
		{
			rmf_partition_give(partition, block->user, block->room * triple_size(dataset));
			block->next = blocks_given;
			blocks_given = block;
		}
		else
			free_block(block);
	}
	dataset->last_block = NULL;

	dataset->by_user_memory = make_csr(dataset, &dataset->by_user, n_users, n_items, n, recmf_team_may_form(n));
	scratch = MemoryContextAllocHuge(dataset->context, Max(rmf_partition_scratch_size(partition), 1));
	status = rmf_partition_sort(partition, merge_of(dataset), &dataset->by_user, scratch, recmf_poll());
	if (status == RMF_NOT_FINITE)
		recmf_report_merged_rating();
	recmf_check_status(status, "sort the ratings");
	pfree(scratch);
	pfree(count);

	/* the same partition takes the other orientation */
	count = (int64_t *) MemoryContextAllocExtended(dataset->context, sizeof(int64_t) * Max(n_items, 1),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rmf_count(dataset->by_user.n_entries, dataset->by_user.column, count);
	dataset->by_item_memory = make_csr(dataset, &dataset->by_item, n_items, n_users, dataset->by_user.n_entries,
									   recmf_memory_is_shared(dataset->by_user_memory));
	recmf_check_status(rmf_partition_reset(partition, n_items, count, bucket), "sort the ratings");
	make_room(partition, dataset->by_user.n_entries, fresh);
	recmf_check_status(rmf_partition_add_matrix(partition, &dataset->by_user, recmf_poll()), "sort the ratings");
	recmf_check_status(rmf_partition_collect(partition, &dataset->by_item, recmf_poll()), "sort the ratings");
	MemoryContextDelete(fresh);
	while (blocks_given != NULL)
	{
		RecmfBlock *block = blocks_given;

		blocks_given = block->next;
		free_block(block);
	}
	pfree(partition);
	pfree(bucket);
	pfree(count);
	return true;
}

/* A matrix that is in files but for its starts. */
static RecmfMemory *
make_starts(const RecmfDataset *dataset, rmf_csr *csr, int64 n_rows, int64 n_columns)
{
	Size		starts = sizeof(int64_t) * (Size) (n_rows + 1);
	RecmfMemory *memory = recmf_memory_create(dataset->context, RECMF_MEMORY_SIZE(starts),
											  recmf_team_may_form(dataset->n_triples));

	memset(csr, 0, sizeof(*csr));
	csr->n_rows = n_rows;
	csr->n_columns = n_columns;
	csr->start = (int64_t *) recmf_memory_alloc(memory, starts);
	return memory;
}

/* The matrices in temporary files. */
static void
sort_in_files(RecmfDataset *dataset, const int32 *user_number, const int32 *item_number)
{
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	Size		least = recmf_spill_least_memory(dataset->n_triples, dataset->weighted, n_users, n_items);
	Size		left;

	dataset->by_user_memory = make_starts(dataset, &dataset->by_user, n_users, n_items);
	dataset->by_item_memory = make_starts(dataset, &dataset->by_item, n_items, n_users);
	left = recmf_need_left(recmf_dataset_memory(dataset));
	if (left < least)
		recmf_dataset_reserve(dataset, least);
	recmf_spill_finish(dataset->spill, left, merge_of(dataset),
					   n_users, user_number, dataset->by_user.start,
					   n_items, item_number, dataset->by_item.start);
	dataset->by_user.n_entries = dataset->by_user.start[n_users];
	dataset->by_item.n_entries = dataset->by_item.start[n_items];
}

static uint64_t *
keys_of(const RecmfDataset *dataset, const RecmfIds *ids)
{
	int32		n = recmf_ids_count(ids);
	uint64_t   *keys = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * n);
	int32		i;

	for (i = 0; i < n; i++)
		keys[i] = recmf_ids_key(ids, i);
	return keys;
}

/* A matrix for so many ratings that are held out. */
static void
make_held_out(RecmfDataset *dataset, int64 n)
{
	Size		n_users = recmf_ids_count(dataset->users);

	recmf_dataset_reserve(dataset, sizeof(int64_t) * (n_users + 1) + (triple_size(dataset) - sizeof(int32)) * n);
	dataset->held_out_memory = make_csr(dataset, &dataset->held_out, n_users, recmf_ids_count(dataset->items), n,
										recmf_memory_is_shared(dataset->by_user_memory));
}

/* How many ratings the choice takes. */
static int64
choose_held_out(RecmfDataset *dataset, rmf_hold_out *choice)
{
	int64_t		n;

	if (dataset->spill != NULL)
		return recmf_spill_choose_held_out(dataset->spill, choice, dataset->by_user.n_rows, dataset->by_user.start,
										   dataset->by_item.n_rows);
	recmf_check_status(rmf_hold_out_choose(choice, &dataset->by_user, &n, recmf_poll()), "hold ratings out");
	return n;
}

static void
hold_out_of(RecmfDataset *dataset, const rmf_hold_out *choice, rmf_side side, rmf_csr *held)
{
	rmf_csr    *csr = side == RMF_USERS ? &dataset->by_user : &dataset->by_item;

	if (dataset->spill != NULL)
		csr->n_entries = recmf_spill_hold_out(dataset->spill, choice, side, csr->n_rows, csr->start, csr->n_columns, held);
	else
		recmf_check_status(rmf_hold_out_apply(choice, side, csr, held, recmf_poll()), "hold ratings out");
}

/* Takes ratings out of both matrices to validate with; these are in memory. */
static void
hold_out(RecmfDataset *dataset)
{
	Size		n_users = recmf_ids_count(dataset->users);
	Size		n_items = recmf_ids_count(dataset->items);
	uint64_t   *users;
	uint64_t   *items;
	rmf_hold_out choice = {.fraction = dataset->settings.validation_fraction, .seed = dataset->settings.seed};
	int64		n;

	recmf_dataset_reserve(dataset, 2 * sizeof(uint64_t) * (n_users + n_items));
	choice.keys[RMF_USERS] = users = keys_of(dataset, dataset->users);
	choice.keys[RMF_ITEMS] = items = keys_of(dataset, dataset->items);
	choice.greatest[RMF_USERS] = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * n_users);
	choice.greatest[RMF_ITEMS] = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * n_items);

	n = choose_held_out(dataset, &choice);
	if (n > 0)
	{
		make_held_out(dataset, n);
		hold_out_of(dataset, &choice, RMF_USERS, &dataset->held_out);
		hold_out_of(dataset, &choice, RMF_ITEMS, NULL);
	}
	else
		ereport(NOTICE,
				(errmsg("there are too few ratings to hold some out, so training is not validated")));

	pfree(users);
	pfree(items);
	pfree(choice.greatest[RMF_USERS]);
	pfree(choice.greatest[RMF_ITEMS]);
}

/* Of what is trained on. */
static void
summarize(RecmfDataset *dataset)
{
	rmf_ratings ratings;
	rmf_ratings by_item;
	float	   *value = NULL;
	float	   *weight = NULL;

	recmf_dataset_ratings(dataset, RMF_USERS, &ratings);
	recmf_dataset_ratings(dataset, RMF_ITEMS, &by_item);
	if (dataset->spill != NULL)
	{
		value = (float *) MemoryContextAlloc(dataset->context, sizeof(float) * SUMMARISED_AT_ONCE);
		weight = (float *) MemoryContextAlloc(dataset->context, sizeof(float) * SUMMARISED_AT_ONCE);
	}
	recmf_check_status(rmf_ratings_summarize(&ratings, SUMMARISED_AT_ONCE, value, weight, &dataset->stats, recmf_poll()),
					   "sort the ratings");
	dataset->stats.noise_edge = rmf_noise_edge(ratings.n_rows, ratings.start, by_item.n_rows, by_item.start);
	if (dataset->spill != NULL)
	{
		pfree(value);
		pfree(weight);
	}
}

void
recmf_dataset_finish(RecmfDataset *dataset)
{
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	Size		sorting_ids = 24 * (Size) Max(n_users, n_items) + sizeof(int32) * (Size) Min(n_users, n_items);
	const int32 *user_number;
	const int32 *item_number;

	if (dataset->spill == NULL && !fits(dataset, sorting_ids))
		start_spilling(dataset);
	recmf_dataset_reserve(dataset, sorting_ids);
	user_number = recmf_ids_sort(dataset->users);
	CHECK_FOR_INTERRUPTS();
	item_number = recmf_ids_sort(dataset->items);
	CHECK_FOR_INTERRUPTS();

	if (dataset->spill == NULL && !sort_in_memory(dataset, user_number, item_number))
		start_spilling(dataset);
	if (dataset->spill != NULL)
		sort_in_files(dataset, user_number, item_number);
	if (validates(dataset) && !dataset->held_out_later)
		hold_out(dataset);
	summarize(dataset);
}

int64
recmf_dataset_hold_out(RecmfDataset *dataset, uint8 *marks)
{
	int64		n = rmf_hold_out_check_marks(&dataset->by_user, marks);

	Assert(dataset->spill == NULL && dataset->held_out.n_entries == 0);
	if (n == 0)
		return 0;
	make_held_out(dataset, n);
	recmf_check_status(rmf_hold_out_marked(marks, &dataset->by_user, &dataset->by_item, &dataset->held_out,
										   recmf_poll()), "hold ratings out");
	summarize(dataset);
	return n;
}

int64
recmf_dataset_n_ratings(const RecmfDataset *dataset)
{
	return dataset->stats.n_entries + dataset->held_out.n_entries;
}

int32 *
recmf_dataset_counts(const RecmfDataset *dataset, rmf_side side)
{
	const rmf_csr *ratings = side == RMF_USERS ? &dataset->by_user : &dataset->by_item;
	const rmf_csr *held_out = &dataset->held_out;
	int32	   *counts = (int32 *) palloc_extended(sizeof(int32) * ratings->n_rows, MCXT_ALLOC_HUGE);
	int64		r;
	int64		t;

	for (r = 0; r < ratings->n_rows; r++)
		counts[r] = (int32) (ratings->start[r + 1] - ratings->start[r]);
	if (held_out->n_entries == 0)
		return counts;
	if (side == RMF_USERS)
	{
		for (r = 0; r < held_out->n_rows; r++)
			counts[r] += (int32) (held_out->start[r + 1] - held_out->start[r]);
	}
	else
	{
		for (t = 0; t < held_out->n_entries; t++)
			counts[held_out->column[t]]++;
	}
	return counts;
}

void
recmf_dataset_ratings(const RecmfDataset *dataset, rmf_side side, rmf_ratings *ratings)
{
	const rmf_csr *csr = side == RMF_USERS ? &dataset->by_user : &dataset->by_item;

	memset(ratings, 0, sizeof(*ratings));
	ratings->n_rows = csr->n_rows;
	ratings->n_columns = csr->n_columns;
	ratings->n_entries = csr->n_entries;
	ratings->start = csr->start;
	ratings->column = csr->column;
	ratings->value = csr->value;
	ratings->weight = csr->weight;
	if (dataset->spill != NULL)
		recmf_spill_ratings(dataset->spill, side, ratings);
}

void
recmf_dataset_read_items(const RecmfDataset *dataset, int32 *items)
{
	const rmf_csr *by_user = &dataset->by_user;

	if (dataset->spill != NULL)
		recmf_spill_read_columns(dataset->spill, RMF_USERS, by_user->n_entries, items);
	else
		memcpy(items, by_user->column, sizeof(int32) * (Size) by_user->n_entries);
}

void
recmf_dataset_reserve(const RecmfDataset *dataset, Size more)
{
	Size		megabytes = (recmf_dataset_memory(dataset) + more) / (1024 * 1024) + 1;

	if (fits(dataset, more))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("training needs about %zu MB, more than recmf.training_memory allows", megabytes),
			 errdetail("recmf.training_memory is %d MB, and " INT64_FORMAT " ratings of %d users and %d items have been read.",
					   recmf_training_memory / 1024, dataset->n_triples,
					   recmf_ids_count(dataset->users), recmf_ids_count(dataset->items)),
			 errhint("Raise it with SET recmf.training_memory if the machine has the memory, or train on fewer users and items.")));
}
