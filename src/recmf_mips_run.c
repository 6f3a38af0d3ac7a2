/*
 * recmf_mips_run.c
 *	  Writes a run of a mips index: a tree of bounds over entries, from the
 *	  leaves up.
 *
 * Phases: entries come in any order and go to a sort by falling norm, while a
 * sample of them is kept (decoded from their codes: bounds are about codes).
 * Then the sample gives the leading directions, unless the run shares those of
 * an older one.  Then the sorted entries are read back stratum by stratum, a
 * stratum being as many as one DIRECTORY page of level 0 leads to, or less where
 * norms fall fast (larger ones gained nothing); within it the core arranges
 * entries so that those of a page are alike, and each page gets its bound.
 * DIRECTORY pages are filled on the way, as in the bulk load of a B-tree.
 *
 * Equal norms, and the sort's order of them, decide nothing but how tight
 * bounds are.
 *
 * Memory: one context, a child of the caller's, gone with recmf_mips_run_end();
 * the sort's memory is bounded by the caller, a stratum is less than a
 * megabyte, the sample a few.  Locks: the exclusive lock of one new page at a
 * time.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"

#include "core/rmf_random.h"
#include "recmf_compat.h"
#include "recmf_mips.h"
#include "recmf_status.h"

/* The sample has at most so many floats, and never fewer rows than twice the leading directions. */
#define SAMPLE_FLOATS (512 * 1024)

/* A stratum ends where the norm has fallen below this part of its first, but for a few pages. */
#define STRATUM_FALL 0.5
#define STRATUM_PAGES 4

/* What goes through the sort, beside the norm. */
typedef struct SortedEntry
{
	ItemPointerData tid;
	rmf_mips_entry entry;
	int8_t		code[FLEXIBLE_ARRAY_MEMBER];
} SortedEntry;

/* A DIRECTORY page that is being filled. */
typedef struct Level
{
	int			n;
	BlockNumber *children;
	char	   *bounds;			/* bound_size apart */
} Level;

struct RecmfMipsRunWriter
{
	Relation	index;
	RecmfMipsLayout layout;
	bool		logged;
	MemoryContext context;
	RecmfMipsRun run;			/* what recmf_mips_run_end() returns */

	Tuplesortstate *sort;
	TupleTableSlot *in;			/* a row for the sort, */
	bytea	   *payload;		/* its entry, */
	TupleTableSlot *out;		/* a row from the sort */

	float	   *sample;			/* NULL where the leading directions are known */
	int64		sample_room;	/* rows */
	int64		sample_rows;

	rmf_mips_space space;

	int			n;				/* entries of the stratum */
	int			most;			/* room for so many */
	ItemPointerData *tids;
	rmf_mips_entry *entries;
	int8_t	   *codes;
	int32	   *order;
	void	   *arrange_workspace;

	int			top;			/* the highest level that has children */
	Level		levels[RECMF_MIPS_MAX_LEVEL + 2];
};

RecmfMipsRunWriter *
recmf_mips_run_begin(Relation index, const RecmfMipsLayout *layout, uint32 generation,
					 BlockNumber space, uint32 space_generation, int memory, bool logged)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mips run",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	RecmfMipsRunWriter *writer = palloc0(sizeof(RecmfMipsRunWriter));
	AttrNumber	column = 1;
	Oid			less = Float8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;
	TupleDesc	row;

	writer->index = index;
	writer->layout = *layout;
	writer->logged = logged;
	writer->context = context;
	writer->run.generation = generation;
	writer->run.space = space;
	writer->run.space_generation = space_generation;

	row = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(row, 1, "falling", FLOAT8OID, -1, 0);
	TupleDescInitEntry(row, 2, "entry", BYTEAOID, -1, 0);
	writer->in = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
	writer->out = MakeSingleTupleTableSlot(row, &TTSOpsMinimalTuple);
	writer->sort = tuplesort_begin_heap(row, 1, &column, &less, &collation, &nulls_first,
										memory, NULL, TUPLESORT_NONE);
	writer->payload = palloc0(VARHDRSZ + offsetof(SortedEntry, code) + layout->code_size);
	SET_VARSIZE(writer->payload, VARHDRSZ + offsetof(SortedEntry, code) + layout->code_size);

	if (layout->n_leading > 0 && space == InvalidBlockNumber)
	{
		writer->sample_room = Max(SAMPLE_FLOATS / layout->dimensions, 2 * layout->n_leading);
		writer->sample = palloc_extended(sizeof(float) * writer->sample_room * layout->dimensions,
										 MCXT_ALLOC_HUGE);
	}

	MemoryContextSwitchTo(caller);
	return writer;
}

/* Each entry has the same chance to be in the sample, by a hash of its number. */
static void
sample(RecmfMipsRunWriter *writer, const rmf_mips_entry *entry, const int8_t *code)
{
	int64		place = writer->run.n_entries;
	float	   *v;

	if (place >= writer->sample_room)
	{
		place = rmf_mix64(place) % (uint64) (place + 1);
		if (place >= writer->sample_room)
			return;
	}
	else
		writer->sample_rows++;

	v = writer->sample + place * writer->layout.dimensions;
	for (int i = 0; i < writer->layout.dimensions; i++)
		v[i] = entry->scale * code[i];
}

void
recmf_mips_run_add(RecmfMipsRunWriter *writer, const ItemPointerData *tid,
				   const rmf_mips_entry *entry, const int8_t *code)
{
	SortedEntry *sorted = (SortedEntry *) VARDATA(writer->payload);

	if (writer->sample != NULL)
		sample(writer, entry, code);

	/* Not at an aligned place, by the length word. */
	memcpy(&sorted->tid, tid, sizeof(ItemPointerData));
	memcpy(&sorted->entry, entry, sizeof(rmf_mips_entry));
	memcpy(sorted->code, code, writer->layout.code_size);

	ExecClearTuple(writer->in);
	writer->in->tts_values[0] = Float8GetDatum(-(double) entry->norm);
	writer->in->tts_values[1] = PointerGetDatum(writer->payload);
	writer->in->tts_isnull[0] = false;
	writer->in->tts_isnull[1] = false;
	ExecStoreVirtualTuple(writer->in);
	tuplesort_puttupleslot(writer->sort, writer->in);
	writer->run.n_entries++;
}

/* ------------------------------------------------------------------------
 * Pages
 * ------------------------------------------------------------------------
 */

typedef struct NewPage
{
	Buffer		buffer;
	Page		page;
	GenericXLogState *record;	/* NULL: not logged */
} NewPage;

static NewPage
begin_page(RecmfMipsRunWriter *writer, RecmfMipsKind kind, uint32 generation)
{
	NewPage		new;

	CHECK_FOR_INTERRUPTS();
	new.buffer = recmf_mips_new_buffer(writer->index);
	if (writer->logged)
	{
		new.record = GenericXLogStart(writer->index);
		new.page = GenericXLogRegisterBuffer(new.record, new.buffer, GENERIC_XLOG_FULL_IMAGE);
	}
	else
	{
		new.record = NULL;
		new.page = BufferGetPage(new.buffer);
	}
	recmf_mips_init_page(new.page, kind, generation);
	return new;
}

static BlockNumber
end_page(NewPage *new)
{
	BlockNumber block = BufferGetBlockNumber(new->buffer);

	if (new->record != NULL)
		GenericXLogFinish(new->record);
	else
		MarkBufferDirty(new->buffer);
	UnlockReleaseBuffer(new->buffer);
	return block;
}

/* From the last page to the first: each knows the next by then. */
static void
write_space(RecmfMipsRunWriter *writer, const float *leading)
{
	int64		n_floats = (int64) writer->layout.n_leading * writer->layout.dimensions;
	int64		per_page = RECMF_MIPS_SPACE_FLOATS;
	BlockNumber next = InvalidBlockNumber;

	for (int64 page = (n_floats - 1) / per_page; page >= 0; page--)
	{
		NewPage		new = begin_page(writer, RECMF_MIPS_SPACE, writer->run.generation);

		memcpy(PageGetContents(new.page), leading + page * per_page,
			   sizeof(float) * Min(per_page, n_floats - page * per_page));
		RecmfMipsPageSpecial(new.page)->next = next;
		next = end_page(&new);
	}
	writer->run.space = next;
	writer->run.space_generation = writer->run.generation;
}

static void
set_up_space(RecmfMipsRunWriter *writer)
{
	const RecmfMipsLayout *layout = &writer->layout;
	float	   *leading = NULL;

	if (layout->n_leading > 0)
	{
		Size		size = sizeof(float) * layout->n_leading * layout->dimensions;

		leading = palloc(size);
		if (writer->sample != NULL)
		{
			void	   *workspace;

			workspace = palloc_extended(rmf_mips_leading_workspace_size(layout->dimensions,
																		layout->n_leading),
										MCXT_ALLOC_HUGE);
			recmf_check_status(rmf_mips_find_leading(writer->sample_rows, layout->dimensions,
													 writer->sample, layout->n_leading, leading,
													 workspace, recmf_poll()),
							   "find the leading directions");
			pfree(workspace);
			pfree(writer->sample);
			write_space(writer, leading);
		}
		else
			memcpy(leading, recmf_mips_leading(writer->index, layout, writer->run.space,
											   writer->run.space_generation), size);
	}
	writer->space.dimensions = layout->dimensions;
	writer->space.n_leading = layout->n_leading;
	writer->space.leading = leading;
}

static void close_level(RecmfMipsRunWriter *writer, int level);

static void
add_child(RecmfMipsRunWriter *writer, int level, BlockNumber block, const rmf_mips_bound *bound)
{
	const RecmfMipsLayout *layout = &writer->layout;
	Level	   *parent;

	if (level > RECMF_MIPS_MAX_LEVEL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" would have more than %d levels",
						RelationGetRelationName(writer->index), RECMF_MIPS_MAX_LEVEL)));

	parent = &writer->levels[level];
	if (parent->children == NULL)
	{
		parent->children = palloc(sizeof(BlockNumber) * layout->fanout);
		parent->bounds = palloc(layout->bound_size * layout->fanout);
	}
	else if (parent->n == layout->fanout)
		close_level(writer, level);
	parent->children[parent->n] = block;
	memcpy(parent->bounds + layout->bound_size * parent->n, bound, layout->bound_size);
	parent->n++;
	writer->top = Max(writer->top, level);
}

/* Writes the DIRECTORY page of a level, and makes it a child of the next. */
static void
close_level(RecmfMipsRunWriter *writer, int level)
{
	const RecmfMipsLayout *layout = &writer->layout;
	Level	   *filled = &writer->levels[level];
	NewPage		new = begin_page(writer, RECMF_MIPS_DIRECTORY, writer->run.generation);
	rmf_mips_bound bound;

	RecmfMipsPageSpecial(new.page)->level = level;
	RecmfMipsPageSpecial(new.page)->n_entries = filled->n;
	memcpy(recmf_mips_children(new.page), filled->children, sizeof(BlockNumber) * filled->n);
	memcpy(recmf_mips_child_bound(layout, new.page, 0), filled->bounds, layout->bound_size * filled->n);

	rmf_mips_bound_clear(&bound, layout->n_leading);
	for (int i = 0; i < filled->n; i++)
		rmf_mips_bound_unite(layout->n_leading,
							 (rmf_mips_bound *) (filled->bounds + layout->bound_size * i), &bound);
	filled->n = 0;
	writer->run.n_pages++;
	add_child(writer, level + 1, end_page(&new), &bound);
}

/* DATA pages of the stratum, and those DIRECTORY pages that are full by them. */
static void
write_stratum(RecmfMipsRunWriter *writer)
{
	const RecmfMipsLayout *layout = &writer->layout;

	recmf_check_status(rmf_mips_arrange(&writer->space, writer->n, writer->codes, writer->entries,
										layout->capacity, writer->order,
										writer->arrange_workspace, recmf_poll()),
					   "arrange the entries of an index");

	for (int start = 0; start < writer->n; start += layout->capacity)
	{
		int			n = Min(layout->capacity, writer->n - start);
		NewPage		new = begin_page(writer, RECMF_MIPS_DATA, writer->run.generation);
		int8_t	   *codes = recmf_mips_codes(new.page);
		rmf_mips_entry *entries = recmf_mips_entries(layout, new.page);
		ItemPointerData *tids = recmf_mips_tids(layout, new.page);
		rmf_mips_bound bound;

		rmf_mips_bound_clear(&bound, layout->n_leading);
		for (int i = 0; i < n; i++)
		{
			int32		from = writer->order[start + i];

			memcpy(codes + layout->code_size * i, writer->codes + layout->code_size * from,
				   layout->code_size);
			entries[i] = writer->entries[from];
			tids[i] = writer->tids[from];
			rmf_mips_bound_include(&writer->space, codes + layout->code_size * i, &entries[i], &bound);
		}
		RecmfMipsPageSpecial(new.page)->n_entries = n;
		writer->run.n_pages++;
		add_child(writer, 0, end_page(&new), &bound);
	}
	writer->n = 0;
}

static void
set_up_stratum(RecmfMipsRunWriter *writer)
{
	const RecmfMipsLayout *layout = &writer->layout;

	writer->most = (int) Min((int64) layout->capacity * layout->fanout, writer->run.n_entries);
	writer->tids = palloc(sizeof(ItemPointerData) * writer->most);
	writer->entries = palloc(sizeof(rmf_mips_entry) * writer->most);
	writer->codes = palloc(layout->code_size * writer->most);
	writer->order = palloc(sizeof(int32) * writer->most);
	writer->arrange_workspace = palloc_extended(rmf_mips_arrange_workspace_size(&writer->space,
																				writer->most),
												MCXT_ALLOC_HUGE);
}

static void
take_sorted(RecmfMipsRunWriter *writer)
{
	const RecmfMipsLayout *layout = &writer->layout;
	float		ends_below = 0;

	while (tuplesort_gettupleslot(writer->sort, true, false, writer->out, NULL))
	{
		bool		isnull;
		bytea	   *payload = DatumGetByteaPP(slot_getattr(writer->out, 2, &isnull));
		const SortedEntry *sorted = (const SortedEntry *) VARDATA_ANY(payload);
		rmf_mips_entry entry;

		memcpy(&entry, (const char *) sorted + offsetof(SortedEntry, entry), sizeof(entry));
		if (writer->n == writer->most ||
			(writer->n >= STRATUM_PAGES * layout->capacity && entry.norm < ends_below))
			write_stratum(writer);
		if (writer->n == 0)
			ends_below = entry.norm * STRATUM_FALL;

		writer->entries[writer->n] = entry;
		memcpy(&writer->tids[writer->n], (const char *) sorted + offsetof(SortedEntry, tid),
			   sizeof(ItemPointerData));
		memcpy(writer->codes + layout->code_size * writer->n,
			   (const char *) sorted + offsetof(SortedEntry, code), layout->code_size);
		writer->n++;
	}
	write_stratum(writer);
	close_level(writer, 0);
}

bool
recmf_mips_run_end(RecmfMipsRunWriter *writer, RecmfMipsRun *run)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->context);
	bool		any = writer->run.n_entries > 0;

	if (any)
	{
		set_up_space(writer);
		set_up_stratum(writer);
		tuplesort_performsort(writer->sort);
		take_sorted(writer);

		/* One child alone is the root; what is below it is closed. */
		for (int level = 1; level < writer->top || writer->levels[level].n > 1; level++)
		{
			if (writer->levels[level].n > 0)
				close_level(writer, level);
		}
		writer->run.root = writer->levels[writer->top].children[0];
		writer->run.level = writer->top - 1;
		writer->run.n_live = writer->run.n_entries;
		*run = writer->run;
	}

	tuplesort_end(writer->sort);
	ExecDropSingleTupleTableSlot(writer->in);
	ExecDropSingleTupleTableSlot(writer->out);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(writer->context);
	return any;
}
