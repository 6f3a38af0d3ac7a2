/*
 * recmf_mips_check.c
 *	  mips_check(): verifies an index of mips, as amcheck does others.
 *
 * The first thing that does not hold is an error, ERRCODE_INDEX_CORRUPTED with
 * the block.  Phases:
 *
 *		runs		each page of the tree is of its run, its level and no other
 *					structure; the leading directions are orthonormal; each entry
 *					is covered by the bound of each page above it; counts agree
 *		chains		the tail and the NULLS: kinds, counts, no circle
 *		the rest	pages that nothing leads to are free, out of use or left over
 *					by a crash (those VACUUM takes): counted
 *		the table	on demand: each live row has exactly one entry, and its code
 *					and error are those of the row's vector
 *
 * Locks: AccessShareLock on table and index, and the lock of change, so that
 * neither VACUUM nor a fold moves what is checked; INSERT goes on.  A standby
 * has no such lock: it is read there as a scan would, and what needs the pages to
 * stand still (the rest, the table) is not looked at.
 *
 * Memory: a byte for each block of the index; for the table 12 bytes an entry.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_mips.h"
#include "recmf_names.h"

PG_FUNCTION_INFO_V1(recmf_mips_check);

/* Where the entry of a row is. */
typedef struct Place
{
	ItemPointerData tid;
	uint16		offset;
	BlockNumber block;
} Place;

typedef struct Check
{
	Relation	index;
	bool		in_recovery;
	RecmfMipsMeta meta;
	RecmfMipsLayout layout;		/* if meta.dimensions > 0 */
	BlockNumber n_blocks;
	uint8	   *seen;			/* blocks that are part of something */

	/* the run that is being walked */
	const RecmfMipsRun *run;
	rmf_mips_space space;
	rmf_mips_bound above[RECMF_MIPS_MAX_LEVEL + 1];	/* of the pages on the way, by level */
	uint32		run_pages;
	int64		run_entries;

	int64		n_entries;
	int64		n_tail;
	int64		n_nulls;
	int64		n_free;
	int64		n_left_over;

	Place	   *places;			/* NULL: the table is not looked at */
	int64		n_places;
	int64		room;
} Check;

static void
mark(Check *check, BlockNumber block)
{
	if (block >= check->n_blocks)
		recmf_mips_corrupted(check->index, block, "The index ends before it.");
	if (check->seen[block])
		recmf_mips_corrupted(check->index, block, "Two places lead to it.");
	check->seen[block] = 1;
}

/* A copy of a page that is part of something, and of nothing else. */
static void
take_page(Check *check, BlockNumber block, RecmfMipsKind kind, uint32 generation, Page copy)
{
	CHECK_FOR_INTERRUPTS();
	mark(check, block);
	recmf_mips_copy_page(check->index, block, kind, generation,
						 check->meta.dimensions > 0 ? &check->layout : NULL, copy);
	if ((RecmfMipsPageSpecial(copy)->flags & RECMF_MIPS_RETIRED) && !check->in_recovery)
		recmf_mips_corrupted(check->index, block, "It is in use, and marked as out of use.");
}

static void
note_place(Check *check, BlockNumber block, int offset, const ItemPointerData *tid)
{
	if (!ItemPointerIsValid(tid))
		recmf_mips_corrupted(check->index, block, "Entry %d belongs to no row.", offset);
	if (check->places == NULL)
		return;
	if (check->n_places == check->room)
	{
		check->room *= 2;
		check->places = repalloc_huge(check->places, sizeof(Place) * check->room);
	}
	check->places[check->n_places].tid = *tid;
	check->places[check->n_places].offset = offset;
	check->places[check->n_places].block = block;
	check->n_places++;
}

/* In this form a NaN does not pass. */
static void
check_entry(Check *check, BlockNumber block, int offset, const rmf_mips_entry *entry)
{
	if (!(entry->scale >= 0 && entry->error >= 0 && entry->norm >= 0))
		recmf_mips_corrupted(check->index, block, "Entry %d has scale %g, error %g and norm %g.", offset,
							 entry->scale, entry->error, entry->norm);
}

/* ------------------------------------------------------------------------
 * Runs
 * ------------------------------------------------------------------------
 */

static void
check_data_page(Check *check, BlockNumber block)
{
	const RecmfMipsLayout *layout = &check->layout;
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	int			i;
	int			level;

	take_page(check, block, RECMF_MIPS_DATA, check->run->generation, page);
	check->run_pages++;
	check->run_entries += RecmfMipsPageSpecial(page)->n_entries;
	for (i = 0; i < RecmfMipsPageSpecial(page)->n_entries; i++)
	{
		const rmf_mips_entry *entry = &recmf_mips_entries(layout, page)[i];
		const int8_t *code = recmf_mips_codes(page) + layout->code_size * i;

		check_entry(check, block, i, entry);
		for (level = 0; level <= check->run->level; level++)
		{
			if (!rmf_mips_bound_holds(&check->space, code, entry, &check->above[level]))
				recmf_mips_corrupted(check->index, block,
									 "The bound for it at level %d does not hold for entry %d.", level, i);
		}
		note_place(check, block, i, &recmf_mips_tids(layout, page)[i]);
	}
}

static void
check_directory(Check *check, BlockNumber block, int level)
{
	const RecmfMipsLayout *layout = &check->layout;
	PGAlignedBlock *copy = palloc(sizeof(PGAlignedBlock));
	Page		page = (Page) copy->data;
	int			i;

	take_page(check, block, RECMF_MIPS_DIRECTORY, check->run->generation, page);
	check->run_pages++;
	if (RecmfMipsPageSpecial(page)->level != level)
		recmf_mips_corrupted(check->index, block, "The directory page is of level %u instead of %d.",
							 RecmfMipsPageSpecial(page)->level, level);
	if (RecmfMipsPageSpecial(page)->n_entries == 0)
		recmf_mips_corrupted(check->index, block, "It leads to no page.");
	for (i = 0; i < RecmfMipsPageSpecial(page)->n_entries; i++)
	{
		BlockNumber child = recmf_mips_children(page)[i];

		memcpy(&check->above[level], recmf_mips_child_bound(layout, page, i), layout->bound_size);
		if (level > 0)
			check_directory(check, child, level - 1);
		else
			check_data_page(check, child);
	}
	pfree(copy);
}

/* Pages of a space, unless an earlier run has it too, and the directions. */
static void
check_space(Check *check)
{
	const RecmfMipsRun *run = check->run;
	uint32		n = recmf_mips_space_pages(&check->layout);
	BlockNumber block = run->space;
	bool		first = true;
	uint32		i;

	check->space.dimensions = check->layout.dimensions;
	check->space.n_leading = check->layout.n_leading;
	check->space.leading = NULL;
	if (check->layout.n_leading == 0)
		return;
	for (i = 0; &check->meta.runs[i] < run; i++)
		first = first && check->meta.runs[i].space_generation != run->space_generation;
	for (i = 0; i < n && first; i++)
	{
		PGAlignedBlock copy;

		take_page(check, block, RECMF_MIPS_SPACE, run->space_generation, (Page) copy.data);
		block = RecmfMipsPageSpecial((Page) copy.data)->next;
	}
	check->space.leading = recmf_mips_leading(check->index, &check->layout, run->space, run->space_generation);
	if (!rmf_mips_space_holds(&check->space))
		recmf_mips_corrupted(check->index, run->space, "The leading directions are not orthonormal.");
}

static void
check_run(Check *check, const RecmfMipsRun *run)
{
	float	   *leading;
	Size		size = sizeof(float) * check->layout.n_leading * check->layout.dimensions;

	check->run = run;
	check->run_pages = 0;
	check->run_entries = 0;
	check_space(check);
	/* the cache may go while pages are read */
	leading = palloc(Max(size, 1));
	if (size > 0)
		memcpy(leading, check->space.leading, size);
	check->space.leading = leading;

	check_directory(check, run->root, run->level);
	if (check->run_pages != run->n_pages)
		recmf_mips_corrupted(check->index, RECMF_MIPS_META_BLOCK, "The run at block %u has %u pages instead of %u.",
							 run->root, check->run_pages, run->n_pages);
	if (check->run_entries > run->n_live || run->n_live > run->n_entries)
		recmf_mips_corrupted(check->index, RECMF_MIPS_META_BLOCK,
							 "The run at block %u has %lld entries, where %lld were left of %lld.", run->root,
							 (long long) check->run_entries, (long long) run->n_live,
							 (long long) run->n_entries);
	check->n_entries += check->run_entries;
	pfree(leading);
}

/* ------------------------------------------------------------------------
 * Chains
 * ------------------------------------------------------------------------
 */

/* Pages that INSERT hangs on meanwhile come after the last that META named. */
static void
check_chain(Check *check, RecmfMipsKind kind, BlockNumber first, BlockNumber last, uint32 n)
{
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	BlockNumber block = first;
	BlockNumber before = InvalidBlockNumber;
	uint32		i;
	int			j;

	for (i = 0; i < n; i++)
	{
		take_page(check, block, kind, 0, page);
		for (j = 0; j < RecmfMipsPageSpecial(page)->n_entries; j++)
		{
			if (kind == RECMF_MIPS_TAIL)
			{
				check_entry(check, block, j, &recmf_mips_entries(&check->layout, page)[j]);
				note_place(check, block, j, &recmf_mips_tids(&check->layout, page)[j]);
			}
			else
				note_place(check, block, j, &recmf_mips_null_tids(page)[j]);
		}
		*(kind == RECMF_MIPS_TAIL ? &check->n_tail : &check->n_nulls) += RecmfMipsPageSpecial(page)->n_entries;
		before = block;
		block = RecmfMipsPageSpecial(page)->next;
		if (block == InvalidBlockNumber && i + 1 < n)
			recmf_mips_corrupted(check->index, before, "A chain ends after %u pages instead of %u.", i + 1, n);
	}
	if (before != last || (n == 0) != (first == InvalidBlockNumber))
		recmf_mips_corrupted(check->index, RECMF_MIPS_META_BLOCK,
							 "A chain from block %u to block %u has not %u pages.", first, last, n);
}

/* ------------------------------------------------------------------------
 * The rest
 * ------------------------------------------------------------------------
 */

static void
check_rest(Check *check)
{
	BlockNumber *left_over = palloc_extended(sizeof(BlockNumber) * check->n_blocks, MCXT_ALLOC_HUGE);
	uint32		n = 0;
	BlockNumber block;

	for (block = RECMF_MIPS_META_BLOCK + 1; block < check->n_blocks; block++)
	{
		Buffer		buffer;
		Page		page;

		if (check->seen[block])
			continue;
		CHECK_FOR_INTERRUPTS();
		buffer = ReadBuffer(check->index, block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (PageIsNew(page))
			check->n_free++;
		else
		{
			recmf_mips_check_page(check->index, block, page, check->meta.dimensions > 0 ? &check->layout : NULL);
			if (RecmfMipsPageSpecial(page)->flags & RECMF_MIPS_RETIRED)
				check->n_free++;
			else if (recmf_mips_in_use(&check->meta, RecmfMipsPageSpecial(page)))
				recmf_mips_corrupted(check->index, block, "Nothing leads to it, though it is part of a run in use.");
			else
				left_over[n++] = block;
		}
		UnlockReleaseBuffer(buffer);
	}
	check->n_left_over = recmf_mips_left_over(check->index, left_over, n);
	pfree(left_over);
}

/* ------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------
 */

static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) &((const Place *) a)->tid,
							  (ItemPointer) &((const Place *) b)->tid);
}

static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *arg)
{
	Check	   *check = arg;
	Place		key = {.tid = *tid};
	const Place *place = bsearch(&key, check->places, check->n_places, sizeof(Place), compare_places);
	Factor	   *factor = NULL;
	Buffer		buffer;
	Page		page;
	bool		is_null;

	CHECK_FOR_INTERRUPTS();
	if (place == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has no entry for row (%u,%u) of its table", RelationGetRelationName(index),
						ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid)),
				 errhint("Please REINDEX it.")));

	if (!isnull[0])
		factor = DatumGetFactorP(values[0]);
	buffer = ReadBuffer(index, place->block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	is_null = RecmfMipsPageSpecial(page)->kind == RECMF_MIPS_NULLS;
	if (is_null != isnull[0])
		recmf_mips_corrupted(index, place->block, "Entry %u is %s, its row is not.", place->offset,
							 is_null ? "NULL" : "not NULL");
	if (!is_null)
	{
		recmf_mips_check_dimensions(index, check->meta.dimensions, factor->dim);
		if (!rmf_mips_entry_holds(factor->dim, factor->x,
								  recmf_mips_codes(page) + check->layout.code_size * place->offset,
								  &recmf_mips_entries(&check->layout, page)[place->offset]))
			recmf_mips_corrupted(index, place->block, "Entry %u is not that of row (%u,%u).", place->offset,
								 ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid));
	}
	UnlockReleaseBuffer(buffer);
	if (factor != NULL && (Pointer) factor != DatumGetPointer(values[0]))
		pfree(factor);
}

/* Its snapshot is older than the entries that were read: what it sees has one of them. */
static void
check_table(Check *check, Relation table, Snapshot snapshot)
{
	IndexInfo  *info = BuildIndexInfo(check->index);
	int64		i;

	qsort(check->places, check->n_places, sizeof(Place), compare_places);
	for (i = 1; i < check->n_places; i++)
	{
		if (ItemPointerEquals(&check->places[i - 1].tid, &check->places[i].tid))
			recmf_mips_corrupted(check->index, check->places[i].block,
								 "Entry %u is that of row (%u,%u), as another one at block %u is.",
								 check->places[i].offset,
								 ItemPointerGetBlockNumber(&check->places[i].tid),
								 ItemPointerGetOffsetNumber(&check->places[i].tid),
								 check->places[i - 1].block);
	}
	info->ii_Concurrent = true;	/* by the snapshot of the scan */
	table_index_build_scan(table, check->index, info, true, false, check_row, check,
						   table_beginscan_strat(table, snapshot, 0, NULL, true, true));
}

/* ------------------------------------------------------------------------
 * mips_check()
 * ------------------------------------------------------------------------
 */

static Relation
open_index(Oid oid, Relation *table)
{
	Oid			table_oid = IndexGetRelation(oid, true);
	Relation	index;

	*table = OidIsValid(table_oid) ? table_open(table_oid, AccessShareLock) : NULL;
	index = relation_open(oid, AccessShareLock);
	if (*table == NULL || index->rd_rel->relkind != RELKIND_INDEX || index->rd_indam->ambuild != recmf_mips_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index of access method mips", RelationGetRelationName(index)),
				 index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX ?
				 errhint("Check the index of each partition.") : 0));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!recmf_owns_relation(oid))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, RelationGetRelationName(index));
	return index;
}

static void
check_index(Check *check)
{
	int			i;

	recmf_mips_read_meta(check->index, &check->meta);
	check->n_blocks = RelationGetNumberOfBlocks(check->index);
	check->seen = palloc_extended(check->n_blocks, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (check->meta.dimensions > 0)
		recmf_mips_layout(check->index, check->meta.dimensions, &check->layout);
	for (i = 0; i < check->meta.n_runs; i++)
		check_run(check, &check->meta.runs[i]);
	check_chain(check, RECMF_MIPS_TAIL, check->meta.tail_first, check->meta.tail_last, check->meta.tail_pages);
	check_chain(check, RECMF_MIPS_NULLS, check->meta.nulls_first, check->meta.nulls_last, check->meta.nulls_pages);
	if (!check->in_recovery)
		check_rest(check);
}

Datum
recmf_mips_check(PG_FUNCTION_ARGS)
{
	bool		with_table = PG_GETARG_BOOL(1);
	Check		check = {.in_recovery = RecoveryInProgress()};
	Relation	table;
	Oid			user;
	int			security_context;
	int			nest_level;
	TupleDesc	row;
	Datum		values[7];
	bool		nulls[7] = {false};

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check.index = open_index(PG_GETARG_OID(0), &table);
	if (check.in_recovery && (with_table || !RelationIsPermanent(check.index)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot check index \"%s\" during recovery", RelationGetRelationName(check.index)),
				 with_table ? errhint("Without heap_all_indexed it can be checked.") : 0));
	if (with_table && !check.index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", RelationGetRelationName(check.index)),
				 errhint("REINDEX it, or check it without heap_all_indexed.")));

	/* expressions of the index run as the owner of the table, as in CREATE INDEX */
	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(table->rd_rel->relowner, security_context | SECURITY_RESTRICTED_OPERATION);
	nest_level = recmf_pin_search_path(NULL);

	if (!check.in_recovery)
		recmf_mips_lock_change(check.index, true);
	if (with_table)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		check.room = 1024;
		check.places = palloc(sizeof(Place) * check.room);
		check_index(&check);
		check_table(&check, table, snapshot);
		UnregisterSnapshot(snapshot);
	}
	else
		check_index(&check);
	if (!check.in_recovery)
		recmf_mips_unlock_change(check.index);

	recmf_unpin_search_path(nest_level);
	SetUserIdAndSecContext(user, security_context);

	values[0] = Int32GetDatum(check.meta.n_runs);
	values[1] = Int64GetDatum(check.n_entries);
	values[2] = Int64GetDatum(check.n_tail);
	values[3] = Int64GetDatum(check.n_nulls);
	values[4] = Int64GetDatum((int64) check.n_blocks);
	values[5] = Int64GetDatum(check.n_free);
	values[6] = Int64GetDatum(check.n_left_over);
	nulls[5] = nulls[6] = check.in_recovery;
	relation_close(check.index, AccessShareLock);
	table_close(table, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
