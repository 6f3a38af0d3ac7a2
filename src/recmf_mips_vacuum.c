/*
 * recmf_mips_vacuum.c
 *	  VACUUM: takes the entries of dead rows out, merges what has become small
 *	  or sparse, and finds pages to be used anew.
 *
 * Everything is done under the lock of change, so that no entry moves behind
 * the pass that looks for it.  Pages are read in the order of their blocks and
 * locked exclusively one at a time, where something is to be changed.
 *
 * bulk_delete() removes entries from DATA, TAIL and NULLS pages; pages that
 * become empty stay where they are.  vacuum_cleanup() makes one pass over all
 * pages:
 *
 *		out of use, or never used						to the free space map
 *		part of a run, a space or a chain				counted
 *		none of that: left over by a crash or an error	retired
 *
 * then folds the tail and merges runs (recmf_mips_merge.c), and writes the
 * chain of NULLS anew where most of it is empty.  What that retires can be used
 * once no snapshot is left from before.
 *
 * A page is part of a run or a space if META names its generation.  Pages of
 * chains have generations of their own, and INSERT hangs new ones on: those
 * that the pass takes for left over are looked up in the chain once more.
 *
 * Memory: the blocks of the pages that seem left over, and of the chain of
 * NULLS; and that of a merge.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "storage/indexfsm.h"
#include "utils/rel.h"

#include "recmf_compat.h"
#include "recmf_mips.h"

/* What a pass over all pages finds. */
typedef struct Survey
{
	int64		live[RECMF_MIPS_MAX_RUNS];	/* entries of each run */
	int64		n_tail;
	int64		n_nulls;
	uint32		n_free;			/* pages that can be used anew */
	uint32		n_retired;		/* those that cannot yet */
	BlockNumber *left_over;
	uint32		n_left_over;
	uint32		room;
} Survey;

/* META and the layout that belongs to it; false where there are no vectors yet, and the layout is not set. */
static bool
read_layout(Relation index, RecmfMipsMeta *meta, RecmfMipsLayout *layout)
{
	recmf_mips_read_meta(index, meta);
	if (meta->dimensions == 0)
		return false;
	recmf_mips_layout(index, meta->dimensions, layout);
	return true;
}

/* Removes the entries of dead rows from a page, if there are any; the buffer is exclusively locked. */
static int
remove_dead(Relation index, Buffer buffer, const RecmfMipsLayout *layout,
			IndexBulkDeleteCallback callback, void *callback_state, int64 *n_kept)
{
	Page		page = BufferGetPage(buffer);
	bool		is_null = RecmfMipsPageSpecial(page)->kind == RECMF_MIPS_NULLS;
	ItemPointerData *tids = is_null ? recmf_mips_null_tids(page) : recmf_mips_tids(layout, page);
	int			n = RecmfMipsPageSpecial(page)->n_entries;
	uint16		kept[BLCKSZ / sizeof(ItemPointerData)];
	int			n_kept_here = 0;
	GenericXLogState *state;
	int			i;

	for (i = 0; i < n; i++)
	{
		if (!callback(&tids[i], callback_state))
			kept[n_kept_here++] = i;
	}
	*n_kept += n_kept_here;
	if (n_kept_here == n)
		return 0;

	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	tids = is_null ? recmf_mips_null_tids(page) : recmf_mips_tids(layout, page);
	for (i = 0; i < n_kept_here; i++)
	{
		if (kept[i] == i)
			continue;
		tids[i] = tids[kept[i]];
		if (!is_null)
		{
			int8_t	   *codes = recmf_mips_codes(page);

			memcpy(codes + layout->code_size * i, codes + layout->code_size * kept[i], layout->code_size);
			recmf_mips_entries(layout, page)[i] = recmf_mips_entries(layout, page)[kept[i]];
		}
	}
	RecmfMipsPageSpecial(page)->n_entries = n_kept_here;
	GenericXLogFinish(state);
	return n - n_kept_here;
}

IndexBulkDeleteResult *
recmf_mips_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
					   IndexBulkDeleteCallback callback, void *callback_state)
{
	Relation	index = info->index;
	RecmfMipsMeta meta;
	RecmfMipsLayout layout;
	bool		has_vectors;
	int64		n_kept = 0;
	BlockNumber n_blocks;
	BlockNumber block;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));

	recmf_mips_lock_change(index, true);
	n_blocks = RelationGetNumberOfBlocks(index);
	/* pages that come later have no dead entries; but the first vector may come while this runs */
	has_vectors = read_layout(index, &meta, &layout);
	for (block = RECMF_MIPS_META_BLOCK + 1; block < n_blocks; block++)
	{
		Buffer		buffer;
		Page		page;

		recmf_vacuum_delay_point();
		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, info->strategy);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page))
		{
			recmf_mips_check_page(index, block, page, has_vectors ? &layout : NULL);
			if (!(RecmfMipsPageSpecial(page)->flags & RECMF_MIPS_RETIRED))
			{
				switch (RecmfMipsPageSpecial(page)->kind)
				{
					case RECMF_MIPS_DATA:
					case RECMF_MIPS_TAIL:
						if (!has_vectors)
							break;
						/* FALLTHROUGH */
					case RECMF_MIPS_NULLS:
						stats->tuples_removed += remove_dead(index, buffer, &layout, callback,
															 callback_state, &n_kept);
						break;
					default:
						break;
				}
			}
		}
		UnlockReleaseBuffer(buffer);
	}
	recmf_mips_unlock_change(index);
	stats->num_index_tuples = n_kept;
	stats->num_pages = n_blocks;
	return stats;
}

/* ------------------------------------------------------------------------
 * The pass over all pages
 * ------------------------------------------------------------------------
 */

/* The run whose page it is, or -1. */
static int
run_of(const RecmfMipsMeta *meta, uint32 generation)
{
	int			i;

	for (i = 0; i < meta->n_runs; i++)
	{
		if (meta->runs[i].generation == generation)
			return i;
	}
	return -1;
}

bool
recmf_mips_in_use(const RecmfMipsMeta *meta, const RecmfMipsSpecial *special)
{
	int			i;

	switch (special->kind)
	{
		case RECMF_MIPS_DATA:
		case RECMF_MIPS_DIRECTORY:
			return run_of(meta, special->generation) >= 0;
		case RECMF_MIPS_SPACE:
			for (i = 0; i < meta->n_runs; i++)
			{
				if (meta->runs[i].space != InvalidBlockNumber &&
					meta->runs[i].space_generation == special->generation)
					return true;
			}
			return false;
		default:
			return false;
	}
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber left = *(const BlockNumber *) a;
	BlockNumber right = *(const BlockNumber *) b;

	return (left > right) - (left < right);
}

/* Takes out of a sorted list of blocks those of a chain; it may grow while this reads. */
static void
take_out_chain(Relation index, RecmfMipsKind kind, BlockNumber first, BlockNumber *list, uint32 *n)
{
	BlockNumber n_blocks = RelationGetNumberOfBlocks(index);
	BlockNumber block = first;
	BlockNumber n_seen = 0;

	while (block != InvalidBlockNumber && *n > 0)
	{
		BlockNumber *found = bsearch(&block, list, *n, sizeof(BlockNumber), compare_blocks);
		Buffer		buffer;

		if (++n_seen > n_blocks && n_seen > RelationGetNumberOfBlocks(index))
			recmf_mips_corrupted(index, block, "A chain leads here in a circle.");
		if (found != NULL)
		{
			--*n;
			memmove(found, found + 1, sizeof(BlockNumber) * (list + *n - found));
		}
		recmf_vacuum_delay_point();
		buffer = recmf_mips_read(index, block, BUFFER_LOCK_SHARE, kind, 0, NULL);
		block = RecmfMipsPageSpecial(BufferGetPage(buffer))->next;
		UnlockReleaseBuffer(buffer);
	}
}

uint32
recmf_mips_left_over(Relation index, BlockNumber *list, uint32 n)
{
	RecmfMipsMeta meta;

	if (n == 0)
		return 0;
	recmf_mips_read_meta(index, &meta);
	qsort(list, n, sizeof(BlockNumber), compare_blocks);
	take_out_chain(index, RECMF_MIPS_TAIL, meta.tail_first, list, &n);
	take_out_chain(index, RECMF_MIPS_NULLS, meta.nulls_first, list, &n);
	return n;
}

static void
survey_page(Relation index, const RecmfMipsMeta *meta, BlockNumber block, Page page, Survey *survey)
{
	const RecmfMipsSpecial *special;

	if (recmf_mips_recyclable(index, page))
	{
		RecordFreeIndexPage(index, block);
		survey->n_free++;
		return;
	}
	special = RecmfMipsPageSpecial(page);
	if (special->flags & RECMF_MIPS_RETIRED)
	{
		RecordFreeIndexPage(index, block);
		survey->n_retired++;
		return;
	}
	if (special->kind == RECMF_MIPS_TAIL)
		survey->n_tail += special->n_entries;
	else if (special->kind == RECMF_MIPS_NULLS)
		survey->n_nulls += special->n_entries;
	else if (recmf_mips_in_use(meta, special))
	{
		if (special->kind == RECMF_MIPS_DATA)
			survey->live[run_of(meta, special->generation)] += special->n_entries;
		return;
	}
	if (survey->n_left_over == survey->room)
	{
		survey->room = survey->room == 0 ? 256 : survey->room * 2;
		survey->left_over = survey->left_over == NULL ?
			palloc(sizeof(BlockNumber) * survey->room) :
			repalloc_huge(survey->left_over, sizeof(BlockNumber) * survey->room);
	}
	survey->left_over[survey->n_left_over++] = block;
}

static void
survey_pages(IndexVacuumInfo *info, const RecmfMipsMeta *meta, const RecmfMipsLayout *layout,
			 Survey *survey)
{
	Relation	index = info->index;
	BlockNumber n_blocks = RelationGetNumberOfBlocks(index);
	BlockNumber block;
	uint32		i;

	memset(survey, 0, sizeof(Survey));
	for (block = RECMF_MIPS_META_BLOCK + 1; block < n_blocks; block++)
	{
		Buffer		buffer;

		recmf_vacuum_delay_point();
		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, info->strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!PageIsNew(BufferGetPage(buffer)))
			recmf_mips_check_page(index, block, BufferGetPage(buffer), layout);
		survey_page(index, meta, block, BufferGetPage(buffer), survey);
		UnlockReleaseBuffer(buffer);
	}

	survey->n_left_over = recmf_mips_left_over(index, survey->left_over, survey->n_left_over);
	for (i = 0; i < survey->n_left_over; i++)
	{
		Buffer		buffer = ReadBuffer(index, survey->left_over[i]);
		RecmfMipsSpecial special;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		special = *RecmfMipsPageSpecial(BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
		if (special.kind == RECMF_MIPS_TAIL)
			survey->n_tail -= special.n_entries;
		else if (special.kind == RECMF_MIPS_NULLS)
			survey->n_nulls -= special.n_entries;
		recmf_mips_retire(index, survey->left_over[i], special.kind, special.generation);
	}
	survey->n_retired += survey->n_left_over;
}

/* ------------------------------------------------------------------------
 * Cleaning up
 * ------------------------------------------------------------------------
 */

/* Notes in META how many entries each run has left. */
static void
note_live(Relation index, const RecmfMipsMeta *before, const int64 *live)
{
	Buffer		buffer;
	GenericXLogState *state;
	RecmfMipsMeta *meta;
	bool		same = true;
	int			i;

	for (i = 0; i < before->n_runs; i++)
		same = same && before->runs[i].n_live == live[i];
	if (same)
		return;
	buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_EXCLUSIVE, RECMF_MIPS_META, 0, NULL);
	state = GenericXLogStart(index);
	meta = recmf_mips_checked_meta(index, GenericXLogRegisterBuffer(state, buffer, 0));
	for (i = 0; i < meta->n_runs; i++)
		meta->runs[i].n_live = live[i];
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}

/* A page for the new chain of NULLS, before the one that is written already; its block. */
static BlockNumber
write_nulls(Relation index, const ItemPointerData *tids, int n, BlockNumber next)
{
	Buffer		meta_buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_EXCLUSIVE,
											  RECMF_MIPS_META, 0, NULL);
	Buffer		buffer = recmf_mips_new_buffer(index);
	GenericXLogState *state = GenericXLogStart(index);
	RecmfMipsMeta *meta = recmf_mips_checked_meta(index, GenericXLogRegisterBuffer(state, meta_buffer, 0));
	Page		page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	BlockNumber block = BufferGetBlockNumber(buffer);

	recmf_mips_init_page(page, RECMF_MIPS_NULLS, recmf_mips_take_generation(index, meta));
	memcpy(recmf_mips_null_tids(page), tids, sizeof(ItemPointerData) * n);
	RecmfMipsPageSpecial(page)->n_entries = n;
	RecmfMipsPageSpecial(page)->next = next;
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	UnlockReleaseBuffer(meta_buffer);
	return block;
}

/*
 * Where more than half of the chain of NULLS is empty: the entries of all pages
 * but the last go to new pages, which lead to the last.  A scan that holds the
 * old first page reads the old chain to its end.
 */
static uint32
rewrite_nulls(Relation index, int64 n_nulls)
{
	RecmfMipsMeta meta;
	BlockNumber *chain;
	ItemPointerData tids[RECMF_MIPS_NULLS_CAPACITY];
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	BlockNumber first;
	Buffer		buffer;
	GenericXLogState *state;
	uint32		n_old;
	uint32		n_new = 0;
	int			n = 0;
	uint32		i;
	int			j;

	recmf_mips_read_meta(index, &meta);
	if (meta.nulls_pages <= 2 || n_nulls > (int64) meta.nulls_pages * RECMF_MIPS_NULLS_CAPACITY / 2)
		return 0;
	n_old = meta.nulls_pages - 1;
	chain = recmf_mips_chain(index, RECMF_MIPS_NULLS, 0, meta.nulls_first, meta.nulls_pages, NULL);
	first = chain[n_old];
	for (i = 0; i < n_old; i++)
	{
		recmf_vacuum_delay_point();
		recmf_mips_copy_page(index, chain[i], RECMF_MIPS_NULLS, 0, NULL, page);
		for (j = 0; j < RecmfMipsPageSpecial(page)->n_entries; j++)
		{
			if (n == RECMF_MIPS_NULLS_CAPACITY)
			{
				first = write_nulls(index, tids, n, first);
				n_new++;
				n = 0;
			}
			tids[n++] = recmf_mips_null_tids(page)[j];
		}
	}
	if (n > 0)
	{
		first = write_nulls(index, tids, n, first);
		n_new++;
	}

	buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_EXCLUSIVE, RECMF_MIPS_META, 0, NULL);
	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	recmf_mips_checked_meta(index, page)->nulls_first = first;
	recmf_mips_checked_meta(index, page)->nulls_pages += n_new - n_old;
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);

	for (i = 0; i < n_old; i++)
	{
		recmf_vacuum_delay_point();
		recmf_mips_retire(index, chain[i], RECMF_MIPS_NULLS, 0);
	}
	pfree(chain);
	return n_old;
}

IndexBulkDeleteResult *
recmf_mips_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	RecmfMipsMeta meta;
	RecmfMipsLayout layout;
	Survey		survey;
	bool		has_vectors;
	uint32		n_retired;
	int			memory = maintenance_work_mem;
	int			i;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	if (MyBackendType == B_AUTOVAC_WORKER && autovacuum_work_mem != -1)
		memory = autovacuum_work_mem;

	recmf_mips_lock_change(index, true);
	has_vectors = read_layout(index, &meta, &layout);
	survey_pages(info, &meta, has_vectors ? &layout : NULL, &survey);
	note_live(index, &meta, survey.live);
	n_retired = recmf_mips_merge(index, survey.live, RECMF_MIPS_TAIL_KEPT, 0,
								 RECMF_MIPS_VACUUM_EAGERNESS, memory);
	n_retired += rewrite_nulls(index, survey.n_nulls);
	recmf_mips_unlock_change(index);
	IndexFreeSpaceMapVacuum(index);

	stats->num_pages = RelationGetNumberOfBlocks(index);
	stats->estimated_count = false;
	stats->num_index_tuples = survey.n_tail + survey.n_nulls;
	for (i = 0; i < meta.n_runs; i++)
		stats->num_index_tuples += survey.live[i];
	stats->pages_newly_deleted = n_retired + survey.n_left_over;
	stats->pages_deleted = survey.n_retired + survey.n_free + n_retired;
	stats->pages_free = survey.n_free;
	if (survey.left_over != NULL)
		pfree(survey.left_over);
	return stats;
}
