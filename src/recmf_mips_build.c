/*
 * recmf_mips_build.c
 *	  CREATE INDEX ... USING mips, REINDEX, and the empty index of an unlogged table.
 *
 * Phases: the table is scanned, each vector coded and given to the writer of
 * the one run that the index starts with; rows whose vector is NULL go to
 * pages of their own; then the writer sorts and writes.  Pages are made in
 * shared buffers without WAL, and logged at the end as a whole, where the
 * index needs it: a crash before that leaves no index at all.
 *
 * Memory: maintenance_work_mem for the sort, beside what the writer says.
 * Locks: nobody else sees the index before it is done.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/lmgr.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_mips.h"

/* What pg_stat_progress_create_index shows beside "building index". */
#define PHASE_SCANNING (PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE + 1)
#define PHASE_WRITING (PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE + 2)
#define PHASE_LOGGING (PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE + 3)

/* The generation of all that the build writes. */
#define BUILD_GENERATION 1

typedef struct BuildState
{
	Relation	index;
	RecmfMipsMeta meta;			/* what becomes of META */
	RecmfMipsLayout layout;		/* where meta.dimensions is known */
	RecmfMipsRunWriter *writer;
	int8_t	   *code;
	MemoryContext row_context;	/* for a vector out of line */

	ItemPointerData *nulls;		/* of a page that is not full yet; NULL before the first */
	int			n_nulls;
	double		n_rows;
} BuildState;

char *
recmf_mips_build_phase(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_SCANNING:
			return "scanning table";
		case PHASE_WRITING:
			return "sorting and writing entries";
		case PHASE_LOGGING:
			return "logging pages";
		default:
			return NULL;
	}
}

/* The type says so, or the first vector does. */
static void
know_dimensions(BuildState *state, int32 dimensions)
{
	recmf_mips_layout(state->index, dimensions, &state->layout);
	state->meta.dimensions = dimensions;
	state->meta.n_leading = state->layout.n_leading;
	state->writer = recmf_mips_run_begin(state->index, &state->layout, BUILD_GENERATION,
										 InvalidBlockNumber, 0, maintenance_work_mem, false);
	state->code = palloc(state->layout.code_size);
}

/* Full pages come before those that were written earlier: the first stays the last. */
static void
write_nulls(BuildState *state)
{
	Buffer		buffer = recmf_mips_new_buffer(state->index);
	Page		page = BufferGetPage(buffer);

	recmf_mips_init_page(page, RECMF_MIPS_NULLS, BUILD_GENERATION);
	memcpy(recmf_mips_null_tids(page), state->nulls, sizeof(ItemPointerData) * state->n_nulls);
	RecmfMipsPageSpecial(page)->n_entries = state->n_nulls;
	RecmfMipsPageSpecial(page)->next = state->meta.nulls_first;
	state->n_nulls = 0;

	state->meta.nulls_first = BufferGetBlockNumber(buffer);
	if (state->meta.nulls_last == InvalidBlockNumber)
		state->meta.nulls_last = state->meta.nulls_first;
	state->meta.nulls_pages++;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static void
add_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *arg)
{
	BuildState *state = arg;
	MemoryContext caller;
	Factor	   *vector;
	rmf_mips_entry entry;

	state->n_rows++;
	if (isnull[0])
	{
		if (state->nulls == NULL)
			state->nulls = palloc(sizeof(ItemPointerData) * RECMF_MIPS_NULLS_CAPACITY);
		if (state->n_nulls == RECMF_MIPS_NULLS_CAPACITY)
			write_nulls(state);
		state->nulls[state->n_nulls++] = *tid;
		return;
	}

	caller = MemoryContextSwitchTo(state->row_context);
	vector = DatumGetFactorP(values[0]);
	MemoryContextSwitchTo(caller);

	if (state->meta.dimensions == 0)
		know_dimensions(state, vector->dim);
	recmf_mips_check_dimensions(index, state->meta.dimensions, vector->dim);
	rmf_mips_encode(vector->dim, vector->x, state->code, &entry);
	recmf_mips_run_add(state->writer, tid, &entry, state->code);
	MemoryContextReset(state->row_context);
}

static void
write_index(BuildState *state)
{
	Buffer		buffer;

	if (state->n_nulls > 0)
		write_nulls(state);
	if (state->writer != NULL &&
		recmf_mips_run_end(state->writer, &state->meta.runs[0]))
		state->meta.n_runs = 1;
	state->meta.next_generation = BUILD_GENERATION + 1;

	buffer = ReadBuffer(state->index, RECMF_MIPS_META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	*RecmfMipsPageMeta(BufferGetPage(buffer)) = state->meta;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/* Block 0, before any other. */
static void
make_meta(Relation index, ForkNumber fork, bool logged)
{
	Buffer		buffer;

	LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBufferExtended(index, fork, P_NEW, RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	UnlockRelationForExtension(index, ExclusiveLock);
	Assert(BufferGetBlockNumber(buffer) == RECMF_MIPS_META_BLOCK);

	START_CRIT_SECTION();
	recmf_mips_init_meta(BufferGetPage(buffer), recmf_mips_stated_dimensions(index));
	MarkBufferDirty(buffer);
	if (logged)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

IndexBuildResult *
recmf_mips_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	BuildState *state = palloc0(sizeof(BuildState));

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));

	state->index = index;
	state->row_context = AllocSetContextCreate(CurrentMemoryContext, "mips build row",
											   ALLOCSET_DEFAULT_SIZES);
	/* Before the table is read: an index that cannot be says so at once. */
	if (recmf_mips_stated_dimensions(index) != 0)
		recmf_mips_layout(index, recmf_mips_stated_dimensions(index), &state->layout);
	make_meta(index, MAIN_FORKNUM, false);
	recmf_mips_read_meta(index, &state->meta);
	if (state->meta.dimensions != 0)
		know_dimensions(state, state->meta.dimensions);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_SCANNING);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true, add_row, state, NULL);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_WRITING);
	write_index(state);

	if (RelationNeedsWAL(index))
	{
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOGGING);
		log_newpage_range(index, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(index), true);
	}

	result->index_tuples = state->n_rows;
	MemoryContextDelete(state->row_context);
	pfree(state);
	return result;
}

void
recmf_mips_build_empty(Relation index)
{
	make_meta(index, INIT_FORKNUM, true);
}
