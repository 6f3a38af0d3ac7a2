/*
 * recmf_dataset.c
 *	  Rows of (user id, item id, rating) into sparse matrices: see recmf_dataset.h.
 *
 * While rows arrive, each is two dense numbers and a float in three growing
 * arrays (12 bytes a rating).  Finishing renumbers by the sorted ids, builds
 * the matrix by users, gives the arrays back and builds the matrix by items
 * (8 bytes a rating each).  The order of the rows leaves no trace.
 *
 * Memory: the dataset's context and below it one of each dictionary; all three
 * count against recmf.training_memory.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_hold_out.h"
#include "recmf_dataset.h"
#include "recmf_status.h"
#include "recmf_team.h"

#define INITIAL_TRIPLES 16
#define TRIPLE_SIZE (2 * sizeof(int32) + sizeof(float))

RecmfDataset *
recmf_dataset_create(MemoryContext parent, Oid user_type, Oid item_type, rmf_feedback feedback)
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
	dataset->users = recmf_ids_create(context, user_type, "user_id");
	dataset->items = recmf_ids_create(context, item_type, "item_id");
	dataset->max_triples = INITIAL_TRIPLES;
	dataset->triple_user = (int32 *) MemoryContextAlloc(context, sizeof(int32) * INITIAL_TRIPLES);
	dataset->triple_item = (int32 *) MemoryContextAlloc(context, sizeof(int32) * INITIAL_TRIPLES);
	dataset->triple_rating = (float *) MemoryContextAlloc(context, sizeof(float) * INITIAL_TRIPLES);
	return dataset;
}

/* Of a part of the dataset, which may not be there yet. */
static Size
memory_of(const RecmfMemory *memory)
{
	return memory == NULL ? 0 : recmf_memory_bytes(memory);
}

static Size
memory_used(const RecmfDataset *dataset)
{
	return MemoryContextMemAllocated(dataset->context, false) +
		memory_of(dataset->by_user_memory) + memory_of(dataset->by_item_memory) +
		memory_of(dataset->held_out_memory) +
		recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items);
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

static void
grow_triples(RecmfDataset *dataset)
{
	Size		capacity = (Size) dataset->max_triples * 2;

	recmf_dataset_reserve(dataset, (capacity - dataset->max_triples) * TRIPLE_SIZE);
	dataset->triple_user = (int32 *) repalloc_huge(dataset->triple_user, sizeof(int32) * capacity);
	dataset->triple_item = (int32 *) repalloc_huge(dataset->triple_item, sizeof(int32) * capacity);
	dataset->triple_rating = (float *) repalloc_huge(dataset->triple_rating, sizeof(float) * capacity);
	dataset->max_triples = (int64) capacity;
}

void
recmf_dataset_add(RecmfDataset *dataset, Datum user, bool user_null,
				  Datum item, bool item_null, double rating, bool rating_null)
{
	int64		t = dataset->n_triples;
	Size		used;

	if (user_null || item_null || rating_null)
	{
		dataset->n_null++;
		return;
	}
	if (isnan(rating) || fabs(rating) > FLT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 isnan(rating) ?
				 errmsg("rating of user %s and item %s is not a number",
						recmf_ids_describe(dataset->users, user), recmf_ids_describe(dataset->items, item)) :
				 errmsg("rating of user %s and item %s is infinite or out of the range of real: %g",
						recmf_ids_describe(dataset->users, user), recmf_ids_describe(dataset->items, item),
						rating),
				 errhint("Correct the rating, or leave such rows out of what is trained on.")));

	/* A double may be too small for a float, which is as good as 0. */
	if (dataset->feedback == RMF_IMPLICIT && (float) rating <= 0)
	{
		dataset->n_not_positive++;
		return;
	}

	if (t == dataset->max_triples)
		grow_triples(dataset);
	used = recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items);
	dataset->triple_user[t] = recmf_ids_intern(dataset->users, user);
	dataset->triple_item[t] = recmf_ids_intern(dataset->items, item);
	dataset->triple_rating[t] = (float) rating;
	dataset->n_triples = t + 1;
	if (recmf_ids_memory(dataset->users) + recmf_ids_memory(dataset->items) != used)
		recmf_dataset_reserve(dataset, 0);
}

static RecmfMemory *
make_csr(RecmfDataset *dataset, rmf_csr *csr, int64 n_rows, int64 n_columns, int64 n_entries, bool shared)
{
	Size		starts = RECMF_MEMORY_SIZE(sizeof(int64_t) * (Size) (n_rows + 1));
	Size		columns = RECMF_MEMORY_SIZE(sizeof(int32_t) * (Size) n_entries);
	Size		values = RECMF_MEMORY_SIZE(sizeof(float) * (Size) n_entries);
	RecmfMemory *memory = recmf_memory_create(dataset->context, starts + columns + values, shared);

	csr->n_rows = n_rows;
	csr->n_columns = n_columns;
	csr->n_entries = 0;
	csr->start = (int64_t *) recmf_memory_alloc(memory, starts);
	csr->column = (int32_t *) recmf_memory_alloc(memory, columns);
	csr->value = (float *) recmf_memory_alloc(memory, values);
	return memory;
}

void
recmf_dataset_finish(RecmfDataset *dataset)
{
	int64		n = dataset->n_triples;
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	Size		starts = sizeof(int64_t) * (Size) (n_users + n_items + Max(n_users, n_items) + 3);
	int64_t    *scratch;
	rmf_status	status;

	/*
	 * The most at any time is while the ids are sorted (at most 24 bytes an
	 * id) or while both a matrix and the triples, or both matrices, exist.
	 */
	recmf_dataset_reserve(dataset, Max(24 * (Size) Max(n_users, n_items),
									   starts + (sizeof(int32) + sizeof(float)) * (Size) n));

	rmf_relabel(n, dataset->triple_user, recmf_ids_sort(dataset->users));
	CHECK_FOR_INTERRUPTS();
	rmf_relabel(n, dataset->triple_item, recmf_ids_sort(dataset->items));
	CHECK_FOR_INTERRUPTS();

	scratch = (int64_t *) MemoryContextAllocHuge(dataset->context,
												 sizeof(int64_t) * (Max(n_users, n_items) + 1));
	dataset->by_user_memory = make_csr(dataset, &dataset->by_user, n_users, n_items, n, recmf_team_may_form(n));
	status = rmf_csr_build(n, dataset->triple_user, dataset->triple_item, dataset->triple_rating,
						   dataset->feedback == RMF_IMPLICIT ? RMF_MERGE_SUM : RMF_MERGE_MEAN,
						   &dataset->by_user, scratch, recmf_poll());
	if (status == RMF_NOT_FINITE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("ratings of the same user and item add up past the range of real"),
				 errhint("Scale the ratings down.")));
	recmf_check_status(status, "sort the ratings");

	pfree(dataset->triple_user);
	pfree(dataset->triple_item);
	pfree(dataset->triple_rating);
	dataset->triple_user = NULL;
	dataset->triple_item = NULL;
	dataset->triple_rating = NULL;
	dataset->max_triples = 0;

	dataset->by_item_memory = make_csr(dataset, &dataset->by_item, n_items, n_users, dataset->by_user.n_entries,
									   recmf_memory_is_shared(dataset->by_user_memory));
	recmf_check_status(rmf_csr_transpose(&dataset->by_user, &dataset->by_item, scratch, recmf_poll()),
					   "sort the ratings");
	pfree(scratch);

	rmf_csr_summarize(&dataset->by_user, &dataset->stats);
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

void
recmf_dataset_hold_out(RecmfDataset *dataset, double fraction, uint64 seed)
{
	Size		n_users = recmf_ids_count(dataset->users);
	Size		n_items = recmf_ids_count(dataset->items);
	uint64_t   *users;
	uint64_t   *items;
	rmf_hold_out choice = {.fraction = fraction, .seed = seed};
	int64_t		n;

	recmf_dataset_reserve(dataset, 2 * sizeof(uint64_t) * (n_users + n_items));
	choice.keys[RMF_USERS] = users = keys_of(dataset, dataset->users);
	choice.keys[RMF_ITEMS] = items = keys_of(dataset, dataset->items);
	choice.greatest[RMF_USERS] = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * n_users);
	choice.greatest[RMF_ITEMS] = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * n_items);

	recmf_check_status(rmf_hold_out_choose(&choice, &dataset->by_user, &n, recmf_poll()), "hold ratings out");
	if (n > 0)
	{
		recmf_dataset_reserve(dataset, sizeof(int64_t) * (n_users + 1) + (sizeof(int32_t) + sizeof(float)) * n);
		dataset->held_out_memory = make_csr(dataset, &dataset->held_out, n_users, n_items, n,
											recmf_memory_is_shared(dataset->by_user_memory));
		recmf_check_status(rmf_hold_out_apply(&choice, RMF_USERS, &dataset->by_user, &dataset->held_out,
											  recmf_poll()), "hold ratings out");
		recmf_check_status(rmf_hold_out_apply(&choice, RMF_ITEMS, &dataset->by_item, NULL,
											  recmf_poll()), "hold ratings out");
		rmf_csr_summarize(&dataset->by_user, &dataset->stats);
	}
	else
		ereport(NOTICE,
				(errmsg("there are too few ratings to hold some out, so training is not validated")));

	pfree(users);
	pfree(items);
	pfree(choice.greatest[RMF_USERS]);
	pfree(choice.greatest[RMF_ITEMS]);
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
