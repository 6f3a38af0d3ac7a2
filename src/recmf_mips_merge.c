/*
 * recmf_mips_merge.c
 *	  Folds the tail of an index into a run and merges runs: what keeps the
 *	  number of places small where a scan has to look.
 *
 * INSERT does it when the tail has grown, VACUUM always.  All but the last page
 * of the tail, to which others may be adding, and those runs that are small
 * beside what is there to write anyway become one new run.
 *
 * Phases, all under the lock of change: read META, choose; write the new run,
 * which nothing leads to yet; name it in META and take out what it replaces, in
 * one record; retire the pages of that.  A crash or an error before META is
 * written leaves the pages of the new run, one after it those of the old ones:
 * VACUUM finds both, since their generation is none that META names.
 *
 * How many runs there are: once there are RECMF_MIPS_INSERT_RUNS, INSERT merges
 * the smallest as long as the next is no larger than all so far.  What that
 * leaves are runs of which each is larger than all smaller ones together: their
 * number is at most the logarithm of the number of entries, and each entry is
 * written again about as often.  VACUUM merges while the next is at most
 * RECMF_MIPS_VACUUM_EAGERNESS times as large, and whatever has lost more than
 * half of its entries.
 *
 * Memory: "memory" kilobytes of the run's writer, the blocks of the tail, a page
 * for each level of a directory.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/indexfsm.h"
#include "storage/lock.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

#include "recmf_compat.h"
#include "recmf_mips.h"

static LOCKTAG
change_lock(Relation index)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, index->rd_lockInfo.lockRelId.dbId, RelationRelationId,
					   RelationGetRelid(index), 1);
	return tag;
}

bool
recmf_mips_lock_change(Relation index, bool wait)
{
	LOCKTAG		tag = change_lock(index);

	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
recmf_mips_unlock_change(Relation index)
{
	LOCKTAG		tag = change_lock(index);

	LockRelease(&tag, ExclusiveLock, false);
}

uint32
recmf_mips_take_generation(Relation index, RecmfMipsMeta *meta)
{
	if (meta->next_generation == PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" has been changed too often", RelationGetRelationName(index)),
				 errhint("REINDEX it.")));
	return meta->next_generation++;
}

/* A generation for a run, on record before any of its pages is. */
static uint32
new_generation(Relation index)
{
	Buffer		buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_EXCLUSIVE,
										 RECMF_MIPS_META, 0, NULL);
	GenericXLogState *state;
	Page		page;
	uint32		generation;

	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	generation = recmf_mips_take_generation(index, recmf_mips_checked_meta(index, page));
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	return generation;
}

void
recmf_mips_copy_page(Relation index, BlockNumber block, RecmfMipsKind kind, uint32 generation,
					 const RecmfMipsLayout *layout, Page copy)
{
	Buffer		buffer = recmf_mips_read(index, block, BUFFER_LOCK_SHARE, kind, generation, layout);

	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

static void
walk_directory(Relation index, const RecmfMipsLayout *layout, const RecmfMipsRun *run,
			   BlockNumber block, int level, RecmfMipsVisit visit, void *arg)
{
	PGAlignedBlock *copy = palloc(sizeof(PGAlignedBlock));
	Page		page = (Page) copy->data;
	int			i;

	recmf_vacuum_delay_point();
	recmf_mips_copy_page(index, block, RECMF_MIPS_DIRECTORY, run->generation, layout, page);
	if (RecmfMipsPageSpecial(page)->level != level)
		recmf_mips_corrupted(index, block, "The directory page is of level %u instead of %d.",
							 RecmfMipsPageSpecial(page)->level, level);
	for (i = 0; i < RecmfMipsPageSpecial(page)->n_entries; i++)
	{
		if (level > 0)
			walk_directory(index, layout, run, recmf_mips_children(page)[i], level - 1, visit, arg);
		else
			visit(index, layout, RECMF_MIPS_DATA, run->generation, recmf_mips_children(page)[i], arg);
	}
	visit(index, layout, RECMF_MIPS_DIRECTORY, run->generation, block, arg);
	pfree(copy);
}

void
recmf_mips_walk_run(Relation index, const RecmfMipsLayout *layout, const RecmfMipsRun *run,
					RecmfMipsVisit visit, void *arg)
{
	walk_directory(index, layout, run, run->root, run->level, visit, arg);
}

/* The blocks of a chain of n pages, from "first" on; palloc'd. */
BlockNumber *
recmf_mips_chain(Relation index, RecmfMipsKind kind, uint32 generation, BlockNumber first,
				 uint32 n, const RecmfMipsLayout *layout)
{
	BlockNumber *blocks;
	BlockNumber block = first;
	uint32		i;

	if (n > RelationGetNumberOfBlocks(index))
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "A chain has %u pages, the index %u.", n,
							 RelationGetNumberOfBlocks(index));
	blocks = palloc_extended(sizeof(BlockNumber) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (i = 0; i < n; i++)
	{
		Buffer		buffer;

		recmf_vacuum_delay_point();
		blocks[i] = block;
		buffer = recmf_mips_read(index, block, BUFFER_LOCK_SHARE, kind, generation, layout);
		block = RecmfMipsPageSpecial(BufferGetPage(buffer))->next;
		UnlockReleaseBuffer(buffer);
		if (block == InvalidBlockNumber && i + 1 < n)
			recmf_mips_corrupted(index, blocks[i], "A chain ends after %u pages instead of %u.", i + 1, n);
	}
	return blocks;
}

uint32
recmf_mips_space_pages(const RecmfMipsLayout *layout)
{
	int64		floats = (int64) layout->n_leading * layout->dimensions;

	return (floats + RECMF_MIPS_SPACE_FLOATS - 1) / RECMF_MIPS_SPACE_FLOATS;
}

void
recmf_mips_retire(Relation index, BlockNumber block, RecmfMipsKind kind, uint32 generation)
{
	Buffer		buffer = recmf_mips_read(index, block, BUFFER_LOCK_EXCLUSIVE, kind, generation, NULL);
	GenericXLogState *state = GenericXLogStart(index);
	Page		page = GenericXLogRegisterBuffer(state, buffer, 0);

	RecmfMipsPageSpecial(page)->flags |= RECMF_MIPS_RETIRED;
	RecmfMipsPageSpecial(page)->retired_at = ReadNextFullTransactionId();
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	RecordFreeIndexPage(index, block);
}

static void
retire_visited(Relation index, const RecmfMipsLayout *layout, RecmfMipsKind kind,
			   uint32 generation, BlockNumber block, void *arg)
{
	recmf_vacuum_delay_point();
	recmf_mips_retire(index, block, kind, generation);
	++*(uint32 *) arg;
}

static void
retire_chain(Relation index, RecmfMipsKind kind, uint32 generation, const BlockNumber *blocks,
			 uint32 n, uint32 *n_retired)
{
	uint32		i;

	for (i = 0; i < n; i++)
	{
		recmf_vacuum_delay_point();
		recmf_mips_retire(index, blocks[i], kind, generation);
	}
	*n_retired += n;
}

static void
add_entries(RecmfMipsRunWriter *writer, const RecmfMipsLayout *layout, Page page)
{
	int			i;

	for (i = 0; i < RecmfMipsPageSpecial(page)->n_entries; i++)
		recmf_mips_run_add(writer, &recmf_mips_tids(layout, page)[i],
						   &recmf_mips_entries(layout, page)[i],
						   recmf_mips_codes(page) + layout->code_size * i);
}

static void
add_visited(Relation index, const RecmfMipsLayout *layout, RecmfMipsKind kind,
			uint32 generation, BlockNumber block, void *arg)
{
	PGAlignedBlock copy;

	if (kind != RECMF_MIPS_DATA)
		return;
	recmf_vacuum_delay_point();
	recmf_mips_copy_page(index, block, kind, generation, layout, (Page) copy.data);
	add_entries(arg, layout, (Page) copy.data);
}

/*
 * Which runs to write anew, beside n_folded entries of the tail: from the
 * smallest on as long as the next has at most "eagerness" times as many entries
 * as all before it; those that are half empty; more where META would be full.
 * An eagerness of 0 spares the first of these.
 */
static int
choose_runs(const RecmfMipsMeta *meta, const int64 *live, int64 n_folded, int eagerness,
			bool *chosen)
{
	int			order[RECMF_MIPS_MAX_RUNS];
	int64		total = n_folded;
	int			n_small = 0;
	int			n_chosen = 0;
	int			n = 0;
	int			i;

	for (i = 0; i < meta->n_runs; i++)
	{
		int			place;

		chosen[i] = live[i] < meta->runs[i].n_entries / 2 || live[i] == 0;
		if (chosen[i])
		{
			total += live[i];
			n_chosen++;
			continue;
		}
		for (place = n++; place > 0 && live[order[place - 1]] > live[i]; place--)
			order[place] = order[place - 1];
		order[place] = i;
	}
	for (i = 0; i < n; i++)
	{
		if (eagerness > 0 && live[order[i]] <= eagerness * total)
			n_small = i + 1;
		total += live[order[i]];
	}
	n_small = Max(n_small, meta->n_runs - n_chosen + 1 - RECMF_MIPS_MAX_RUNS);
	for (i = 0; i < n_small; i++)
		chosen[order[i]] = true;
	return n_chosen + n_small;
}

/* Takes those runs and the first n_tail pages of the tail out of META and puts the new run in, if there is one. */
static void
switch_runs(Relation index, const RecmfMipsMeta *before, const bool *chosen,
			BlockNumber tail_first, uint32 n_tail, const RecmfMipsRun *made)
{
	Buffer		buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_EXCLUSIVE,
										 RECMF_MIPS_META, 0, NULL);
	GenericXLogState *state;
	RecmfMipsMeta *meta;
	int			n = 0;
	int			i;

	state = GenericXLogStart(index);
	meta = recmf_mips_checked_meta(index, GenericXLogRegisterBuffer(state, buffer, 0));
	if (meta->n_runs != before->n_runs)
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "There were %d runs and are %d.",
							 before->n_runs, meta->n_runs);
	for (i = 0; i < before->n_runs; i++)
	{
		if (!chosen[i])
			meta->runs[n++] = before->runs[i];
	}
	if (made != NULL)
		meta->runs[n++] = *made;
	memset(&meta->runs[n], 0, sizeof(RecmfMipsRun) * (RECMF_MIPS_MAX_RUNS - n));
	meta->n_runs = n;
	if (n_tail > 0)
	{
		meta->tail_first = tail_first;
		meta->tail_pages -= n_tail;
	}
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}

/* Retires the spaces of the runs that have gone, but for those of the runs that are left. */
static void
retire_spaces(Relation index, const RecmfMipsLayout *layout, const RecmfMipsMeta *before,
			  const bool *chosen, uint32 *n_retired)
{
	uint32		n = recmf_mips_space_pages(layout);
	int			i;

	for (i = 0; i < before->n_runs; i++)
	{
		const RecmfMipsRun *run = &before->runs[i];
		bool		in_use = !chosen[i] || run->space == InvalidBlockNumber;
		int			j;

		for (j = 0; j < before->n_runs && !in_use; j++)
			in_use = before->runs[j].space_generation == run->space_generation && (!chosen[j] || j < i);
		if (!in_use)
			retire_chain(index, RECMF_MIPS_SPACE, run->space_generation,
						 recmf_mips_chain(index, RECMF_MIPS_SPACE, run->space_generation, run->space, n, layout),
						 n, n_retired);
	}
}

uint32
recmf_mips_merge(Relation index, const int64 *live, uint32 least_tail, int least_runs,
				 int eagerness, int memory)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "merging runs of mips",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	RecmfMipsMeta meta;
	RecmfMipsLayout layout;
	BlockNumber *tail;
	bool		chosen[RECMF_MIPS_MAX_RUNS];
	int64		entries[RECMF_MIPS_MAX_RUNS];
	int64		n_folded = 0;
	uint32		n_tail = 0;
	uint32		n_retired = 0;
	int			n_chosen;
	int			i;

	recmf_mips_read_meta(index, &meta);
	if (meta.dimensions == 0)
	{
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
		return 0;
	}
	recmf_mips_layout(index, meta.dimensions, &layout);
	for (i = 0; i < meta.n_runs; i++)
		entries[i] = live != NULL ? live[i] : meta.runs[i].n_live;
	if (meta.tail_pages > least_tail)
		n_tail = meta.tail_pages - 1;
	tail = recmf_mips_chain(index, RECMF_MIPS_TAIL, 0, meta.tail_first,
							n_tail > 0 ? n_tail + 1 : 0, &layout);
	for (i = 0; i < n_tail; i++)
	{
		Buffer		buffer = recmf_mips_read(index, tail[i], BUFFER_LOCK_SHARE, RECMF_MIPS_TAIL, 0, &layout);

		n_folded += RecmfMipsPageSpecial(BufferGetPage(buffer))->n_entries;
		UnlockReleaseBuffer(buffer);
	}
	n_chosen = choose_runs(&meta, entries, n_folded, meta.n_runs >= least_runs ? eagerness : 0, chosen);

	if (n_tail > 0 || n_chosen > 0)
	{
		BlockNumber space = InvalidBlockNumber;
		uint32		space_generation = 0;
		int64		largest = -1;
		uint32		generation = new_generation(index);
		RecmfMipsRun made;
		RecmfMipsRunWriter *writer;
		PGAlignedBlock copy;
		bool		any;

		/* the directions of the largest run that stays; where none does, new ones */
		for (i = 0; i < meta.n_runs; i++)
		{
			if (!chosen[i] && entries[i] > largest)
			{
				largest = entries[i];
				space = meta.runs[i].space;
				space_generation = meta.runs[i].space_generation;
			}
		}
		writer = recmf_mips_run_begin(index, &layout, generation, space, space_generation, memory, true);
		for (i = 0; i < n_tail; i++)
		{
			recmf_vacuum_delay_point();
			recmf_mips_copy_page(index, tail[i], RECMF_MIPS_TAIL, 0, &layout, (Page) copy.data);
			add_entries(writer, &layout, (Page) copy.data);
		}
		for (i = 0; i < meta.n_runs; i++)
		{
			if (chosen[i] && entries[i] > 0)
				recmf_mips_walk_run(index, &layout, &meta.runs[i], add_visited, writer);
		}
		any = recmf_mips_run_end(writer, &made);

		switch_runs(index, &meta, chosen, n_tail > 0 ? tail[n_tail] : InvalidBlockNumber, n_tail,
					any ? &made : NULL);

		for (i = 0; i < meta.n_runs; i++)
		{
			if (chosen[i])
				recmf_mips_walk_run(index, &layout, &meta.runs[i], retire_visited, &n_retired);
		}
		retire_spaces(index, &layout, &meta, chosen, &n_retired);
		retire_chain(index, RECMF_MIPS_TAIL, 0, tail, n_tail, &n_retired);
		IndexFreeSpaceMapVacuum(index);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return n_retired;
}
