/*
 * recmf_mips_scan.c
 *	  Scans of a mips index: rows by falling upper bound of their score.
 *
 * Best first.  Two heaps by falling bound: sources of entries, and entries.
 * While the best source is above the best entry, the source is opened: a
 * DIRECTORY page puts the pages below it among the sources; of a DATA page,
 * those entries go to the heap that no other source is above, and the rest, of
 * which there are many and few of use, becomes a source itself, a batch, with
 * the largest bound among them.  Otherwise the best entry is returned; no row
 * that is left has a higher score than its bound.  So nothing about the number
 * of rows wanted need be known, and the work grows with what is taken.  A
 * source's bound limits those of all that comes out of it, so bounds never rise
 * again.
 *
 * Before all that the tail is read whole, into batches, and after all that come the rows
 * whose vector is NULL.  For a query of NULL every distance is NULL, and the
 * order is as it comes.
 *
 * The distance that goes with a row is a lower bound (xs_recheckorderby): the
 * executor takes the true one from the table, and holds a row back until no
 * bound is below it.  Where there are further ORDER BY operators, a second and
 * third, their bound is minus infinity: only rows with one first distance have
 * to wait for each other then.
 *
 * recmf_mips.h says why a scan holds nothing between two calls.  Memory: one
 * context a scan, kept over rescans: a nested loop's inner scans allocate
 * nothing once the first has.  And one is kept from one scan to the next of the
 * session: to get some hundred kB from the system and to give them back would
 * take longer than most searches.  Locks: one page at a time, shared, while it
 * is scored.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_mips.h"

PG_FUNCTION_INFO_V1(recmf_mips_scan_stats);

/* A heap of the core's, with room for more. */
typedef struct Heap
{
	int64		n;
	int64		room;
	rmf_mips_waiting *of;
} Heap;

/* Scored entries of a page, that is upper[capacity], then tids[capacity]. */
typedef struct Batch
{
	int			n;
	float		upper[FLEXIBLE_ARRAY_MEMBER];	/* -infinity: taken already */
} Batch;

/* The query, as the bounds of one space need it. */
typedef struct SpaceQuery
{
	BlockNumber block;			/* the space; InvalidBlockNumber for entries alone */
	uint32		generation;
	rmf_mips_space space;
	rmf_mips_query query;
} SpaceQuery;

typedef struct MipsScan
{
	MemoryContext context;
	MemoryContextCallback *owner;	/* of the query, whose end is ours too; NULL: nobody's */
	bool		started;		/* since the last rescan */
	RecmfMipsMeta meta;
	RecmfMipsLayout layout;		/* of meta.dimensions */

	/* The query, once for each space that runs are told in, and once for the tail; the codes are alike. */
	bool		null_query;
	int			n_spaces;
	SpaceQuery *spaces[RECMF_MIPS_MAX_RUNS + 1];	/* allocated as needed, and kept */
	int			space_of_run[RECMF_MIPS_MAX_RUNS];
	void	   *query_memory;
	Size		query_room;

	Heap		sources;		/* of entries: "block" is a page's or a batch's number, "offset" see source_of() */
	Heap		entries;

	Size		batch_size;		/* bytes; see Batch */
	int64		n_batches;
	Size		batches_room;	/* bytes */
	char	   *batches;
	int32	   *places;			/* in a batch, MOST_ENTRIES of them */

	BlockNumber nulls_next;
	uint32		nulls_pages;	/* that are left to read */
	int			n_nulls;		/* of one page of NULLs, those that are left */
	ItemPointerData *nulls;

	BlockNumber table_blocks;	/* the table has at least so many */

	IndexOrderByDistance *distances;
	Oid		   *distance_types;
} MipsScan;

/* What the scans of this session have done. */
static struct
{
	int64		scans;
	int64		directory_pages;
	int64		data_pages;
	int64		tail_pages;
	int64		entries_scored;
	int64		rows_returned;
}			totals;

/* What a source is: a page of a run, of level -1 for a DATA page; or a batch. */
#define SOURCE_BATCH 0x8000

static inline uint16
source_of(int run, int level)
{
	return (uint16) (run << 5 | (level + 1));
}

static inline int
source_run(uint16 source)
{
	return source >> 5;
}

static inline int
source_level(uint16 source)
{
	return (source & 31) - 1;
}

static inline void
make_room(Heap *heap, int64 more)
{
	if (unlikely(heap->n + more > heap->room))
	{
		heap->room = Max(2 * heap->room, heap->n + more);
		heap->of = repalloc_huge(heap->of, sizeof(rmf_mips_waiting) * heap->room);
	}
}

static void
new_heap(Heap *heap, int64 room)
{
	heap->n = 0;
	heap->room = room;
	heap->of = palloc(sizeof(rmf_mips_waiting) * room);
}

/* ------------------------------------------------------------------------
 * Begin, end
 * ------------------------------------------------------------------------
 */

/* What a scan that has ended left for the next one; NULL: nothing, or it is in use. */
static MipsScan *spare = NULL;

/* So many bytes are kept at most. */
#define MOST_SPARE ((Size) 4 * 1024 * 1024)

/* No page has more: each has its tid. */
#define MOST_ENTRIES (BLCKSZ / sizeof(ItemPointerData))

/*
 * Bytes of batches to begin with: room for most searches.  What is not used is
 * never touched, and a new connection's page faults cost more than its search.
 */
#define FIRST_BATCHES ((Size) 512 * 1024)

static MipsScan *
new_memory(void)
{
	MemoryContext context;
	MemoryContext caller;
	MipsScan   *mips;

	if (spare != NULL)
	{
		mips = spare;
		spare = NULL;
		return mips;
	}
	context = AllocSetContextCreate(CacheMemoryContext, "mips scan", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	mips = palloc0(sizeof(MipsScan));
	mips->context = context;
	new_heap(&mips->sources, 256);
	new_heap(&mips->entries, 256);
	mips->batches_room = FIRST_BATCHES;
	mips->batches = palloc(mips->batches_room);
	mips->places = palloc(sizeof(int32) * MOST_ENTRIES);
	MemoryContextSwitchTo(caller);
	return mips;
}

/* Called once for each scan, at its end or when the memory of its query goes. */
static void
give_back(void *arg)
{
	MipsScan   *mips = arg;

	if (mips == NULL)
		return;
	mips->owner->arg = NULL;
	mips->owner = NULL;
	if (spare == NULL && MemoryContextMemAllocated(mips->context, false) <= MOST_SPARE)
		spare = mips;
	else
		MemoryContextDelete(mips->context);
}

IndexScanDesc
recmf_mips_begin_scan(Relation index, int n_keys, int n_orderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, n_keys, n_orderbys);
	MemoryContextCallback *owner = palloc0(sizeof(MemoryContextCallback));
	IndexOrderByDistance *distances = palloc(sizeof(IndexOrderByDistance) * Max(n_orderbys, 1));
	Oid		   *distance_types = palloc(sizeof(Oid) * Max(n_orderbys, 1));
	MipsScan   *mips = new_memory();

	mips->owner = owner;
	owner->func = give_back;
	owner->arg = mips;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, owner);

	mips->started = false;
	mips->table_blocks = 0;
	mips->layout.dimensions = 0;
	mips->distances = distances;
	mips->distance_types = distance_types;
	for (int i = 0; i < n_orderbys; i++)
	{
		mips->distances[i].value = -get_float8_infinity();
		mips->distances[i].isnull = false;
		mips->distance_types[i] = FLOAT8OID;
	}

	scan->opaque = mips;
	scan->xs_orderbyvals = palloc0(sizeof(Datum) * n_orderbys);
	scan->xs_orderbynulls = palloc(sizeof(bool) * n_orderbys);
	memset(scan->xs_orderbynulls, true, sizeof(bool) * n_orderbys);
	return scan;
}

void
recmf_mips_rescan(IndexScanDesc scan, ScanKey keys, int n_keys, ScanKey orderbys, int n_orderbys)
{
	MipsScan   *mips = scan->opaque;

	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, sizeof(ScanKeyData) * scan->numberOfOrderBys);
	mips->started = false;
}

void
recmf_mips_end_scan(IndexScanDesc scan)
{
	give_back(scan->opaque);
	scan->opaque = NULL;
}

/* ------------------------------------------------------------------------
 * The first row
 * ------------------------------------------------------------------------
 */

static rmf_mips_metric
metric_of(const ScanKeyData *orderby)
{
	switch (orderby->sk_strategy)
	{
		case RECMF_MIPS_INNER_PRODUCT_STRATEGY:
			return RMF_MIPS_INNER_PRODUCT;
		case RECMF_MIPS_COSINE_STRATEGY:
			return RMF_MIPS_COSINE;
		case RECMF_MIPS_L2_STRATEGY:
			return RMF_MIPS_L2;
	}
	elog(ERROR, "unknown strategy %d of access method mips", orderby->sk_strategy);
	return RMF_MIPS_INNER_PRODUCT;	/* keep compiler quiet */
}

/* The query in this space; returns its place. */
static int
prepare_in_space(IndexScanDesc scan, const Factor *vector, BlockNumber block, uint32 generation)
{
	MipsScan   *mips = scan->opaque;
	SpaceQuery *own;
	int			i;

	for (i = 0; i < mips->n_spaces; i++)
	{
		if (mips->spaces[i]->block == block && mips->spaces[i]->generation == generation)
			return i;
	}

	if (mips->spaces[i] == NULL)
		mips->spaces[i] = MemoryContextAlloc(mips->context, sizeof(SpaceQuery));
	own = mips->spaces[i];
	own->block = block;
	own->generation = generation;
	own->space.dimensions = mips->layout.dimensions;
	own->space.n_leading = block == InvalidBlockNumber ? 0 : mips->layout.n_leading;
	own->space.leading = block == InvalidBlockNumber ? NULL :
		recmf_mips_leading(scan->indexRelation, &mips->layout, block, generation);
	rmf_mips_query_prepare(&own->space, metric_of(&scan->orderByData[0]),
						   vector->x, mips->query_memory, &own->query);
	own->space.leading = NULL;	/* needed no more; the cache may go */
	mips->n_spaces++;
	return i;
}

static void
prepare_query(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;
	const ScanKeyData *orderby = &scan->orderByData[0];
	Factor	   *vector;

	mips->n_spaces = 0;
	mips->null_query = (orderby->sk_flags & SK_ISNULL) != 0;
	if (mips->null_query || mips->meta.dimensions == 0)
		return;

	vector = DatumGetFactorP(orderby->sk_argument);
	recmf_mips_check_dimensions(scan->indexRelation, mips->meta.dimensions, vector->dim);
	if (mips->query_room < rmf_mips_query_size(vector->dim))
	{
		mips->query_room = rmf_mips_query_size(vector->dim);
		mips->query_memory = MemoryContextAlloc(mips->context, mips->query_room);
	}

	if (mips->meta.tail_first != InvalidBlockNumber)
		(void) prepare_in_space(scan, vector, InvalidBlockNumber, 0);
	for (int run = 0; run < mips->meta.n_runs; run++)
		mips->space_of_run[run] = prepare_in_space(scan, vector, mips->meta.runs[run].space,
												   mips->meta.runs[run].space_generation);

	if (PointerGetDatum(vector) != orderby->sk_argument)
		pfree(vector);
}

static inline Batch *
batch_of(const MipsScan *mips, int64 number)
{
	return (Batch *) (mips->batches + mips->batch_size * number);
}

static inline ItemPointerData *
batch_tids(const MipsScan *mips, Batch *batch)
{
	return (ItemPointerData *) (batch->upper + mips->layout.capacity);
}

/* A batch of the entries of a page, which is locked; returns its number. */
static int64
score_page(MipsScan *mips, Page page, const rmf_mips_query *query)
{
	const RecmfMipsLayout *layout = &mips->layout;
	int			n = RecmfMipsPageSpecial(page)->n_entries;
	Batch	   *batch;

	if (unlikely(mips->batch_size * (mips->n_batches + 1) > mips->batches_room))
	{
		mips->batches_room = Max(mips->batches_room, mips->batch_size) * 2;
		mips->batches = repalloc_huge(mips->batches, mips->batches_room);
	}
	batch = batch_of(mips, mips->n_batches);
	batch->n = n;
	memcpy(batch_tids(mips, batch), recmf_mips_tids(layout, page), sizeof(ItemPointerData) * n);
	if (mips->null_query)
		memset(batch->upper, 0, sizeof(float) * n);
	else
		rmf_mips_score(query, n, recmf_mips_codes(page), recmf_mips_entries(layout, page), batch->upper);

	totals.entries_scored += n;
	return mips->n_batches++;
}

/*
 * Puts those entries of a batch into the heap that are not below "enough", each
 * with no more than "limit"; what is left becomes a source.
 */
static void
take_from_batch(MipsScan *mips, int64 number, float enough, float limit)
{
	Batch	   *batch = batch_of(mips, number);
	const ItemPointerData *tids = batch_tids(mips, batch);
	const float taken = -get_float4_infinity();
	float		left;
	int			n = rmf_mips_at_least(batch->n, batch->upper, enough, mips->places, &left);

	make_room(&mips->entries, n);
	for (int i = 0; i < n; i++)
	{
		int			place = mips->places[i];
		rmf_mips_waiting entry;

		if (batch->upper[place] == taken)
			continue;
		entry.upper = Min(batch->upper[place], limit);
		entry.block = ItemPointerGetBlockNumberNoCheck(&tids[place]);
		entry.offset = ItemPointerGetOffsetNumberNoCheck(&tids[place]);
		rmf_mips_push(mips->entries.of, &mips->entries.n, entry);
		batch->upper[place] = taken;
	}

	if (left > taken)
	{
		rmf_mips_waiting rest;

		rest.upper = Min(left, limit);
		rest.block = number;
		rest.offset = SOURCE_BATCH;
		make_room(&mips->sources, 1);
		rmf_mips_push(mips->sources.of, &mips->sources.n, rest);
	}
}

static void
read_tail(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;
	BlockNumber block = mips->meta.tail_first;

	for (uint32 i = 0; i < mips->meta.tail_pages; i++)
	{
		Buffer		buffer = recmf_mips_read_chained(scan->indexRelation, block, BUFFER_LOCK_SHARE,
													 RECMF_MIPS_TAIL, mips->meta.next_generation,
													 &mips->layout);
		Page		page = BufferGetPage(buffer);
		int64		batch;

		batch = score_page(mips, page, &mips->spaces[0]->query);
		block = RecmfMipsPageSpecial(page)->next;
		UnlockReleaseBuffer(buffer);
		take_from_batch(mips, batch, get_float4_infinity(), get_float4_infinity());
		totals.tail_pages++;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
start(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;
	MemoryContext caller = MemoryContextSwitchTo(mips->context);
	int32		dimensions_before = mips->layout.dimensions;

	pgstat_count_index_scan(scan->indexRelation);
	recmf_count_index_search(scan);
	totals.scans++;

	recmf_mips_read_meta(scan->indexRelation, &mips->meta);
	if (mips->meta.dimensions != 0 && mips->meta.dimensions != dimensions_before)
	{
		recmf_mips_layout(scan->indexRelation, mips->meta.dimensions, &mips->layout);
		mips->batch_size = MAXALIGN(offsetof(Batch, upper) +
									(sizeof(float) + sizeof(ItemPointerData)) * mips->layout.capacity);
	}
	prepare_query(scan);

	mips->entries.n = 0;
	mips->sources.n = 0;
	mips->n_batches = 0;
	for (int run = 0; run < mips->meta.n_runs; run++)
	{
		rmf_mips_waiting root;

		root.upper = get_float4_infinity();
		root.block = mips->meta.runs[run].root;
		root.offset = source_of(run, mips->meta.runs[run].level);
		rmf_mips_push(mips->sources.of, &mips->sources.n, root);
	}
	read_tail(scan);
	mips->nulls_next = mips->meta.nulls_first;
	mips->nulls_pages = mips->meta.nulls_pages;
	mips->n_nulls = 0;
	mips->started = true;
	MemoryContextSwitchTo(caller);
}

/* ------------------------------------------------------------------------
 * The next row
 * ------------------------------------------------------------------------
 */

/* Opens the best source: its bound is that of all that is not open yet. */
static void
open_best(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;
	rmf_mips_waiting best = rmf_mips_pop(mips->sources.of, &mips->sources.n);
	int64		batch = -1;

	if (best.offset == SOURCE_BATCH)
		batch = best.block;
	else
	{
		int			run = source_run(best.offset);
		int			level = source_level(best.offset);
		const rmf_mips_query *query = &mips->spaces[mips->space_of_run[run]]->query;
		Buffer		buffer = recmf_mips_read(scan->indexRelation, best.block, BUFFER_LOCK_SHARE,
											 level < 0 ? RECMF_MIPS_DATA : RECMF_MIPS_DIRECTORY,
											 mips->meta.runs[run].generation, &mips->layout);
		Page		page = BufferGetPage(buffer);

		/* Most likely the next one. */
		if (mips->sources.n > 0 && mips->sources.of[0].offset != SOURCE_BATCH)
			recmf_mips_prefetch(scan->indexRelation, mips->sources.of[0].block, &mips->layout);
		if (level < 0)
		{
			batch = score_page(mips, page, query);
			totals.data_pages++;
		}
		else
		{
			int			n = RecmfMipsPageSpecial(page)->n_entries;

			if (RecmfMipsPageSpecial(page)->level != level)
				recmf_mips_corrupted(scan->indexRelation, best.block, "Its level is %u instead of %d.",
									 RecmfMipsPageSpecial(page)->level, level);
			make_room(&mips->sources, n);
			for (int i = 0; i < n; i++)
			{
				rmf_mips_waiting child;

				child.upper = mips->null_query ? best.upper :
					rmf_mips_bound_score(query, recmf_mips_child_bound(&mips->layout, page, i));
				child.upper = Min(child.upper, best.upper);
				child.block = recmf_mips_children(page)[i];
				child.offset = source_of(run, level - 1);
				rmf_mips_push(mips->sources.of, &mips->sources.n, child);
			}
			totals.directory_pages++;
		}
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}

	if (batch >= 0)
		take_from_batch(mips, batch,
						mips->sources.n > 0 ? mips->sources.of[0].upper : -get_float4_infinity(),
						best.upper);
}

/* Whether a row is in its table is the executor's question, but for an address that leads past the end. */
static void
set_row(IndexScanDesc scan, BlockNumber block, OffsetNumber offset)
{
	MipsScan   *mips = scan->opaque;
	Relation	table = scan->heapRelation;

	if (unlikely(block >= mips->table_blocks) && table->rd_tableam == GetHeapamTableAmRoutine())
	{
		mips->table_blocks = recmf_mips_known_blocks(table, block);
		if (block >= mips->table_blocks)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("index \"%s\" leads to a row past the end of table \"%s\"",
							RelationGetRelationName(scan->indexRelation),
							RelationGetRelationName(table)),
					 errdetail("It is at (%u,%u) of %u blocks.", block, offset, mips->table_blocks),
					 errhint("Please REINDEX it.")));
	}
	ItemPointerSet(&scan->xs_heaptid, block, offset);
}

static bool
next_entry(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;
	rmf_mips_waiting best;

	while (mips->sources.n > 0 &&
		   (mips->entries.n == 0 || mips->sources.of[0].upper > mips->entries.of[0].upper))
		open_best(scan);
	if (mips->entries.n == 0)
		return false;

	best = rmf_mips_pop(mips->entries.of, &mips->entries.n);
	set_row(scan, best.block, best.offset);
	mips->distances[0].isnull = mips->null_query;
	mips->distances[0].value = mips->null_query ? 0 :
		rmf_mips_distance(&mips->spaces[0]->query, best.upper);
	return true;
}

static bool
next_null(IndexScanDesc scan)
{
	MipsScan   *mips = scan->opaque;

	while (mips->n_nulls == 0)
	{
		Buffer		buffer;
		Page		page;

		if (mips->nulls_pages == 0)
			return false;
		mips->nulls_pages--;
		buffer = recmf_mips_read_chained(scan->indexRelation, mips->nulls_next, BUFFER_LOCK_SHARE,
										 RECMF_MIPS_NULLS, mips->meta.next_generation,
										 &mips->layout);
		page = BufferGetPage(buffer);
		if (mips->nulls == NULL)
			mips->nulls = MemoryContextAlloc(mips->context,
											 sizeof(ItemPointerData) * RECMF_MIPS_NULLS_CAPACITY);
		mips->n_nulls = RecmfMipsPageSpecial(page)->n_entries;
		memcpy(mips->nulls, recmf_mips_null_tids(page), sizeof(ItemPointerData) * mips->n_nulls);
		mips->nulls_next = RecmfMipsPageSpecial(page)->next;
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}

	mips->n_nulls--;
	set_row(scan, ItemPointerGetBlockNumberNoCheck(&mips->nulls[mips->n_nulls]),
			ItemPointerGetOffsetNumberNoCheck(&mips->nulls[mips->n_nulls]));
	mips->distances[0].isnull = true;
	return true;
}

bool
recmf_mips_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	MipsScan   *mips = scan->opaque;

	Assert(ScanDirectionIsForward(direction));

	if (scan->numberOfOrderBys == 0)
		elog(ERROR, "cannot scan an index of access method mips without ORDER BY");
	if (!mips->started)
		start(scan);
	if (!next_entry(scan) && !next_null(scan))
		return false;

	scan->xs_recheck = false;
	index_store_float8_orderby_distances(scan, mips->distance_types, mips->distances, true);
	totals.rows_returned++;
	return true;
}

/*
 * mips_scan_stats(reset boolean) -> (scans, directory_pages, data_pages,
 * tail_pages, entries_scored, rows_returned), of this session since the last reset.
 */
Datum
recmf_mips_scan_stats(PG_FUNCTION_ARGS)
{
	TupleDesc	row;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	row = BlessTupleDesc(row);

	values[0] = Int64GetDatum(totals.scans);
	values[1] = Int64GetDatum(totals.directory_pages);
	values[2] = Int64GetDatum(totals.data_pages);
	values[3] = Int64GetDatum(totals.tail_pages);
	values[4] = Int64GetDatum(totals.entries_scored);
	values[5] = Int64GetDatum(totals.rows_returned);
	if (PG_GETARG_BOOL(0))
		memset(&totals, 0, sizeof(totals));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row, values, nulls)));
}
