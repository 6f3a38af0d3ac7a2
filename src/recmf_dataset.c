/*
 * recmf_dataset.c
 *	  Rows of (user id, item id, rating) into sparse matrices: see recmf_dataset.h.
 *
 * While rows arrive, each is two dense numbers and a float, 12 bytes a rating
 * (16 with weights), in a list of blocks: small ones at first, since GROUP BY
 * may make a dataset for each of many small groups.  Finishing partitions them
 * by the sorted numbers of their users, giving back each block as it goes,
 * sorts the matrix by users, and from that the matrix by items (8 bytes a
 * rating each, 12 with weights).  The order of the rows leaves no trace.
 *
 * Memory: the dataset's context and below it one of each dictionary, each full
 * block and each matrix; all count against recmf.training_memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_partition.h"
#include "recmf_dataset.h"
#include "recmf_status.h"
#include "recmf_team.h"

#define FIRST_BLOCK 16
#define FULL_BLOCK (1024 * 1024)

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
recmf_dataset_create(MemoryContext parent, Oid user_type, Oid item_type, rmf_feedback feedback, bool weighted)
{
	MemoryContext context;
	RecmfDataset *dataset;

	/* Before anything is made, so that an error leaves nothing behind. */
	(void) recmf_id_kind(user_type, "user_id");
	(void) recmf_id_kind(item_type, "item_id");

	context = AllocSetContextCreate(parent, "recmf dataset", ALLOCSET_START_SMALL_SIZES);
	dataset = (RecmfDataset *) MemoryContextAllocZero(context, sizeof(RecmfDataset));
	dataset->context = context;
	dataset->feedback = feedback;
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

static Size
memory_used(const RecmfDataset *dataset)
{
	return MemoryContextMemAllocated(dataset->context, true) + dataset->workers_memory +
		shared_bytes(dataset->by_user_memory) + shared_bytes(dataset->by_item_memory);
}

void
recmf_dataset_reserve(const RecmfDataset *dataset, Size more)
{
	Size		allowed = (Size) recmf_training_memory * 1024;
	Size		used = memory_used(dataset);

	if (used > allowed || more > allowed - used)
	{
		Size		megabytes = used / (1024 * 1024) + more / (1024 * 1024) + 2;

		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("training needs about %zu MB, more than recmf.training_memory allows", megabytes),
				 errdetail("recmf.training_memory is %d MB, and %lld ratings have been read.",
						   recmf_training_memory / 1024, (long long) dataset->n_triples),
				 errhint("Raise it with SET recmf.training_memory if the machine has the memory, or train on fewer ratings.")));
	}
}

/* The block that is being filled is full: another one. */
static void
next_block(RecmfDataset *dataset)
{
	int64		room = Min(dataset->n_triples, FULL_BLOCK);

	recmf_dataset_reserve(dataset, room * triple_size(dataset));
	dataset->last_block->next = make_block(dataset, room);
	dataset->last_block = dataset->last_block->next;
}

/* After new ids may have come. */
static void
check_ids_memory(RecmfDataset *dataset)
{
	Size		used = recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items) +
		dataset->workers_memory;

	if (used == dataset->ids_memory)
		return;
	dataset->ids_memory = used;
	recmf_dataset_reserve(dataset, 0);
}

void
recmf_dataset_append(RecmfDataset *dataset, int n, const int32 *user, const int32 *item,
					 const float *rating, const float *weight)
{
	Assert(dataset->weighted == (weight != NULL));
	check_ids_memory(dataset);
	while (n > 0)
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
make_csr(const RecmfDataset *dataset, rmf_csr *csr, int64 n_rows, int64 n_columns, int64 n_entries)
{
	Size		starts = sizeof(int64_t) * (n_rows + 1);
	Size		columns = sizeof(int32_t) * n_entries;
	Size		values = sizeof(float) * n_entries;
	RecmfMemory *memory = recmf_memory_create(dataset->context,
											  RECMF_MEMORY_SIZE(starts) + RECMF_MEMORY_SIZE(columns) +
											  RECMF_MEMORY_SIZE(values) * (dataset->weighted ? 2 : 1),
											  recmf_team_may_form(n_entries));

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

void
recmf_dataset_finish(RecmfDataset *dataset)
{
	int64		n = dataset->n_triples;
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	Size		per_id = sizeof(int64_t) + sizeof(int64_t) + sizeof(uint16_t);
	Size		csr_size = (triple_size(dataset) - sizeof(int32)) * (Size) n;
	const int32 *user_number;
	const int32 *item_number;
	rmf_partition *partition;
	RecmfMemory *partition_memory;
	int64_t    *count;
	uint16_t   *bucket;
	void	   *scratch;
	rmf_status	status;

	/* at most 24 bytes an id while they are sorted */
	recmf_dataset_reserve(dataset, 24 * (Size) Max(n_users, n_items));
	user_number = recmf_ids_sort(dataset->users);
	CHECK_FOR_INTERRUPTS();
	item_number = recmf_ids_sort(dataset->items);
	CHECK_FOR_INTERRUPTS();

	/* the most at any time: the partition with the triples, or with both matrices */
	recmf_dataset_reserve(dataset,
						  per_id * (n_users + n_items) + Max(csr_size * 2, triple_size(dataset) * (Size) n));

	partition = (rmf_partition *) MemoryContextAlloc(dataset->context, sizeof(rmf_partition));
	bucket = (uint16_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint16_t) * Max(n_users, n_items));
	count = count_users(dataset, n_users, user_number);
	recmf_check_status(rmf_partition_init(partition, n_users, count, dataset->weighted, bucket), "sort the ratings");
	partition_memory = recmf_memory_create(dataset->context, rmf_partition_entries_size(partition), false);
	partition->entries = (int32_t *) recmf_memory_alloc(partition_memory, rmf_partition_entries_size(partition));
	while (dataset->first_block != NULL)
	{
		RecmfBlock *block = dataset->first_block;

		recmf_check_status(rmf_partition_add(partition, block->n, block->user, user_number,
											 block->item, item_number, block->rating, block->weight, recmf_poll()),
						   "sort the ratings");
		dataset->first_block = block->next;
		free_block(block);
	}
	dataset->last_block = NULL;

	recmf_dataset_reserve(dataset, rmf_partition_scratch_size(partition) + 2 * csr_size);
	dataset->by_user_memory = make_csr(dataset, &dataset->by_user, n_users, n_items, n);
	scratch = MemoryContextAllocHuge(dataset->context, Max(rmf_partition_scratch_size(partition), 1));
	status = rmf_partition_sort(partition, dataset->feedback == RMF_IMPLICIT ? RMF_MERGE_SUM : RMF_MERGE_MEAN,
								&dataset->by_user, scratch, recmf_poll());
	if (status == RMF_NOT_FINITE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("ratings of the same user and item add up past the range of real"),
				 errhint("Scale the ratings down.")));
	recmf_check_status(status, "sort the ratings");
	pfree(scratch);
	pfree(count);

	/* the same partition takes the other orientation */
	count = (int64_t *) MemoryContextAllocExtended(dataset->context, sizeof(int64_t) * Max(n_items, 1),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rmf_count(dataset->by_user.n_entries, dataset->by_user.column, count);
	dataset->by_item_memory = make_csr(dataset, &dataset->by_item, n_items, n_users, dataset->by_user.n_entries);
	{
		int32_t    *entries = partition->entries;

		recmf_check_status(rmf_partition_init(partition, n_items, count, dataset->weighted, bucket),
						   "sort the ratings");
		partition->entries = entries;
	}
	recmf_check_status(rmf_partition_add_matrix(partition, &dataset->by_user, recmf_poll()), "sort the ratings");
	recmf_check_status(rmf_partition_collect(partition, &dataset->by_item, recmf_poll()), "sort the ratings");
	recmf_memory_destroy(partition_memory);
	pfree(partition);
	pfree(bucket);
	pfree(count);

	rmf_csr_summarize(&dataset->by_user, &dataset->stats);
}
