/*
 * recmf_mips.h
 *	  The access method mips: exact top-k by inner product, cosine or Euclidean
 *	  distance.  What its files share: pages, the metapage, runs, locks.
 *
 * The arithmetic is in core/rmf_mips.h.  An index keeps a code of one byte a
 * dimension for each row, never the vector; a scan returns rows by falling
 * upper bound of their score, and the executor takes the true distance from
 * the table and reorders.
 *
 * What an index consists of
 *
 *		META		block 0: what is constant, and where the rest begins
 *		runs		at most RECMF_MIPS_MAX_RUNS trees, immutable once META names
 *					them, but for VACUUM, which takes dead entries out of
 *					their DATA pages (bounds stay valid, only looser).
 *					DATA pages are the leaves; a DIRECTORY page has a bound for
 *					each page below it; those of level 0 point to DATA pages
 *		space		SPACE pages: the leading directions that a run's bounds are
 *					told in.  Immutable.  Runs may share one
 *		tail		a chain of pages like DATA pages, in no order and without
 *					bounds: INSERT adds to the last, every scan reads all
 *		nulls		a chain of NULLS pages, the rows whose vector is NULL: a
 *					scan returns them after all else, as a sort does
 *
 * The build and VACUUM write runs, and INSERT folds the tail into one when it
 * has grown.  All by the same writer (recmf_mips_run.c).
 *
 * Who waits for whom.  Order of locks: "the lock of change", a heavyweight
 * lock of the index's own (recmf_mips_merge.c), then META's buffer, then any
 * other page's buffer, one at a time.
 *
 *		scan		META shared while it is copied.  Then any page shared, one at
 *					a time, each copied from and let go
 *		insert		META shared, then the last page of the tail exclusive; where
 *					it is full, META exclusive to hang on a new page
 *		fold		lock of change (or it leaves the work to whoever holds it);
 *					writes a run; META exclusive to name it and to cut the tail
 *		vacuum		lock of change; each page exclusive; merges like a fold
 *
 * Why a scan needs no more.  It has a snapshot before it copies META.  Every
 * row that the snapshot sees was in the index by then, so in the runs or in the
 * tail that the copy names.  What fold and merge put out of use keeps its
 * contents and its "next", with the flag RETIRED and the transaction id at
 * that time, and is used anew only when no snapshot is left from before
 * (recmf_mips_new_buffer), so that the scan reads on in what it copied.  An
 * entry that VACUUM removes behind it belonged to a row that it does not see,
 * and where the row's place is taken again, the snapshot does not see that one
 * either.  On a standby, whose snapshots the primary does not know, the record of
 * a page's reuse cancels the scans that may still read it
 * (recmf_log_page_reuse); and each page carries the generation of what it is
 * part of, no number is given twice (they rise, a new page of the tail takes
 * one too), and a scan that meets a strange one is cancelled as other conflicts
 * with recovery are (recmf_mips_read).  It follows the tail as far as the copy
 * of META knew it.
 *
 * Nothing read from a page is trusted: kind, generation and counts are checked
 * on each read, and what does not hold is ERRCODE_INDEX_CORRUPTED.
 *
 * WAL: generic records; the build logs its pages at the end, as a whole.  Pages
 * of a run are on record before META names it; a crash between the two leaves
 * pages that nothing leads to, for VACUUM to find.
 */
#ifndef RECMF_MIPS_H
#define RECMF_MIPS_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/transam.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "core/rmf_mips.h"
#include "recmf_compat.h"

/* ------------------------------------------------------------------------
 * Pages
 * ------------------------------------------------------------------------
 */

#define RECMF_MIPS_META_BLOCK 0
#define RECMF_MIPS_MAGIC 0x4d495053
#define RECMF_MIPS_VERSION 1
#define RECMF_MIPS_PAGE_ID 0xFE4D
#define RECMF_MIPS_MAX_RUNS 32
#define RECMF_MIPS_MAX_LEVEL 15

/* The strategies of the operator class: <#>, <=>, <-> */
#define RECMF_MIPS_INNER_PRODUCT_STRATEGY 1
#define RECMF_MIPS_COSINE_STRATEGY 2
#define RECMF_MIPS_L2_STRATEGY 3
#define RECMF_MIPS_STRATEGIES 3

typedef enum RecmfMipsKind
{
	RECMF_MIPS_META = 1,
	RECMF_MIPS_SPACE,
	RECMF_MIPS_DIRECTORY,
	RECMF_MIPS_DATA,
	RECMF_MIPS_TAIL,
	RECMF_MIPS_NULLS
} RecmfMipsKind;

/* flags */
#define RECMF_MIPS_RETIRED 1	/* out of use since retired_at; contents are whole until it is used anew */

/* The special space of every page. */
typedef struct RecmfMipsSpecial
{
	FullTransactionId retired_at;
	uint32		generation;		/* of the run or the space; a page of a chain has its own */
	BlockNumber next;			/* SPACE, TAIL, NULLS: the next of the chain, or InvalidBlockNumber */
	uint16		n_entries;		/* of DIRECTORY, DATA, TAIL and NULLS pages */
	uint8		kind;
	uint8		level;			/* of a DIRECTORY page: 0 above DATA pages */
	uint16		flags;
	uint16		page_id;		/* last, where pg_filedump and the like look for it */
} RecmfMipsSpecial;

#define RecmfMipsPageSpecial(page) ((RecmfMipsSpecial *) PageGetSpecialPointer(page))

typedef struct RecmfMipsRun
{
	BlockNumber root;			/* a DIRECTORY page */
	int32		level;			/* of the root */
	uint32		generation;		/* of all its pages */
	BlockNumber space;			/* the first SPACE page; InvalidBlockNumber where n_leading is 0 */
	uint32		space_generation;
	uint32		n_pages;		/* DATA and DIRECTORY */
	int64		n_entries;		/* when it was written */
	int64		n_live;			/* of these, what the last VACUUM has left */
} RecmfMipsRun;

/* In META, where PageGetContents() points. */
typedef struct RecmfMipsMeta
{
	uint32		magic;
	uint32		version;
	int32		dimensions;		/* 0: not known yet, there are no entries */
	int32		n_leading;		/* rmf_mips_leading_count(dimensions) */
	uint32		next_generation;	/* from 1 */
	BlockNumber tail_first;		/* InvalidBlockNumber: none */
	BlockNumber tail_last;
	uint32		tail_pages;
	BlockNumber nulls_first;
	BlockNumber nulls_last;
	uint32		nulls_pages;
	int32		n_runs;
	RecmfMipsRun runs[RECMF_MIPS_MAX_RUNS];
} RecmfMipsMeta;

#define RecmfMipsPageMeta(page) ((RecmfMipsMeta *) PageGetContents(page))

/*
 * Where things are on the pages of an index of so many dimensions.
 *
 * DATA and TAIL pages: codes (from a multiple of 64 bytes, as the kernels like
 * it), then entries, then the rows' tids, each array with room for "capacity".
 * DIRECTORY pages: the blocks of the pages below, then their bounds, each with
 * room for "fanout".  NULLS pages: tids alone, room for RECMF_MIPS_NULLS_CAPACITY.
 * SPACE pages: "leading", row after row, cut wherever a page ends.
 *
 * pd_lower and pd_upper are both at the special space, so that nothing is taken
 * for a hole.
 */
typedef struct RecmfMipsLayout
{
	int32		dimensions;
	int32		n_leading;
	int32		capacity;		/* entries of a DATA page */
	int32		fanout;			/* pages below a DIRECTORY page */
	Size		code_size;
	Size		bound_size;
	uint32		entries_offset; /* in the page, all of these */
	uint32		tids_offset;
	uint32		bounds_offset;
} RecmfMipsLayout;

#define RECMF_MIPS_PAGE_END (BLCKSZ - MAXALIGN(sizeof(RecmfMipsSpecial)))
#define RECMF_MIPS_PAGE_START MAXALIGN(SizeOfPageHeaderData)
#define RECMF_MIPS_CODES_OFFSET TYPEALIGN(64, RECMF_MIPS_PAGE_START)
#define RECMF_MIPS_NULLS_CAPACITY \
	((RECMF_MIPS_PAGE_END - RECMF_MIPS_PAGE_START) / sizeof(ItemPointerData))
#define RECMF_MIPS_SPACE_FLOATS \
	((RECMF_MIPS_PAGE_END - RECMF_MIPS_PAGE_START) / sizeof(float))

static inline int8_t *
recmf_mips_codes(Page page)
{
	return (int8_t *) page + RECMF_MIPS_CODES_OFFSET;
}

static inline rmf_mips_entry *
recmf_mips_entries(const RecmfMipsLayout *layout, Page page)
{
	return (rmf_mips_entry *) ((char *) page + layout->entries_offset);
}

static inline ItemPointerData *
recmf_mips_tids(const RecmfMipsLayout *layout, Page page)
{
	return (ItemPointerData *) ((char *) page + layout->tids_offset);
}

static inline BlockNumber *
recmf_mips_children(Page page)
{
	return (BlockNumber *) ((char *) page + RECMF_MIPS_PAGE_START);
}

static inline rmf_mips_bound *
recmf_mips_child_bound(const RecmfMipsLayout *layout, Page page, int i)
{
	return (rmf_mips_bound *) ((char *) page + layout->bounds_offset + layout->bound_size * i);
}

static inline ItemPointerData *
recmf_mips_null_tids(Page page)
{
	return (ItemPointerData *) ((char *) page + RECMF_MIPS_PAGE_START);
}

/* ------------------------------------------------------------------------
 * recmf_mips.c: what all files use
 * ------------------------------------------------------------------------
 */

/*
 * Past one entry a page: ERRCODE_PROGRAM_LIMIT_EXCEEDED, naming the index, the
 * limit and what to do.
 */
extern void recmf_mips_layout(Relation index, int32 dimensions, RecmfMipsLayout *layout);

/* Unless they are equal: ERRCODE_DATA_EXCEPTION naming the index and both. */
extern void recmf_mips_check_dimensions(Relation index, int32 in_index, int32 given);

/* META, copied under its share lock and checked. */
extern void recmf_mips_read_meta(Relation index, RecmfMipsMeta *meta);
/* The checks alone, for a META page whose buffer the caller has locked. */
extern RecmfMipsMeta *recmf_mips_checked_meta(Relation index, Page page);

/*
 * How many blocks an open relation has at least, up to date where "block" is past
 * what is known: it grows, and never shrinks while it is open.  To ask the kernel
 * in each scan takes as long as to read two pages.
 */
extern BlockNumber recmf_mips_known_blocks(Relation relation, BlockNumber block);

/*
 * Reads and locks (BUFFER_LOCK_SHARE or BUFFER_LOCK_EXCLUSIVE) a page that has
 * to be of this kind and generation (0: any), with counts that fit "layout"
 * (NULL: not looked at).
 */
extern Buffer recmf_mips_read(Relation index, BlockNumber block, int lock, RecmfMipsKind kind,
							  uint32 generation, const RecmfMipsLayout *layout);

/*
 * The same for a page of a chain (TAIL, NULLS) that a copy of META leads to:
 * its generation is below the copy's next_generation.
 */
extern Buffer recmf_mips_read_chained(Relation index, BlockNumber block, int lock,
									  RecmfMipsKind kind, uint32 next_generation,
									  const RecmfMipsLayout *layout);

/* Where such a page may be read soon: into the processor's caches with it, if it is known where it is. */
extern void recmf_mips_prefetch(Relation index, BlockNumber block, const RecmfMipsLayout *layout);

/* ERRCODE_INDEX_CORRUPTED naming index and block, with this as the detail and REINDEX as the hint. */
pg_noreturn extern void recmf_mips_corrupted(Relation index, BlockNumber block, const char *detail,...)
			pg_attribute_printf(3, 4);

/* A page of ours (not only zeros) of any kind, with counts that fit "layout" (NULL: only those of NULLS are looked at). */
extern void recmf_mips_check_page(Relation index, BlockNumber block, Page page, const RecmfMipsLayout *layout);

/* A page to use, exclusively locked, contents undefined: a recyclable one, or the index grows by one. */
extern Buffer recmf_mips_new_buffer(Relation index);

/* Whether a page (locked) may be used anew: new, or retired before every snapshot. */
extern bool recmf_mips_recyclable(Relation index, Page page);

/* Makes the page one of this kind: empty, next invalid. */
extern void recmf_mips_init_page(Page page, RecmfMipsKind kind, uint32 generation);

/* A META page for an index that has nothing yet. */
extern void recmf_mips_init_meta(Page page, int32 dimensions);

/* The dimensions that the type of the indexed column or expression states, or 0. */
extern int32 recmf_mips_stated_dimensions(Relation index);

/*
 * The leading directions of a run, from a cache of this backend in
 * rd_amcache: valid until the next call, and only as long as PostgreSQL has no
 * occasion to rebuild the index's relcache entry (whatever takes a lock of a table).
 */
extern const float *recmf_mips_leading(Relation index, const RecmfMipsLayout *layout,
									   BlockNumber block, uint32 generation);

/* ------------------------------------------------------------------------
 * recmf_mips_run.c: writes a run
 * ------------------------------------------------------------------------
 */

typedef struct RecmfMipsRunWriter RecmfMipsRunWriter;

/*
 * Entries come in any order and are sorted within "memory" kilobytes, past
 * which they go to temporary files.  generation: taken from META's counter by
 * the caller, who gives the run's pages this one and, where space is not
 * valid and a new space is found from the entries, the space that one too.
 * logged: write each page to the WAL as it is made.
 */
extern RecmfMipsRunWriter *recmf_mips_run_begin(Relation index, const RecmfMipsLayout *layout,
												uint32 generation,
												BlockNumber space, uint32 space_generation,
												int memory, bool logged);
extern void recmf_mips_run_add(RecmfMipsRunWriter *writer, const ItemPointerData *tid,
							   const rmf_mips_entry *entry, const int8_t *code);
/* Writes pages; *run is then ready to be put into META.  False: no entry came, nothing was written. */
extern bool recmf_mips_run_end(RecmfMipsRunWriter *writer, RecmfMipsRun *run);

/* ------------------------------------------------------------------------
 * recmf_mips_merge.c: folds the tail and merges runs
 * ------------------------------------------------------------------------
 */

/*
 * The lock of change: whoever moves entries from one place to another has it,
 * until the end of the transaction unless it is given back before.  False if it
 * is taken and the caller does not wait.
 */
extern bool recmf_mips_lock_change(Relation index, bool wait);
extern void recmf_mips_unlock_change(Relation index);

#define RECMF_MIPS_INSERT_RUNS 8
#define RECMF_MIPS_INSERT_EAGERNESS 1
#define RECMF_MIPS_VACUUM_EAGERNESS 4

/*
 * Under the lock of change: all of the tail but its last page, if it has more
 * than least_tail pages, and, if there are least_runs or more, the runs that are at
 * most "eagerness" times as large as all smaller ones, become one run.  live: entries of each run, or
 * NULL for what META says.  memory: kilobytes.  Returns how many pages it has
 * retired.
 */
extern uint32 recmf_mips_merge(Relation index, const int64 *live, uint32 least_tail,
							   int least_runs, int eagerness, int memory);

/* The next generation, from META on a page that the caller writes; an error when none is left. */
extern uint32 recmf_mips_take_generation(Relation index, RecmfMipsMeta *meta);

extern void recmf_mips_copy_page(Relation index, BlockNumber block, RecmfMipsKind kind,
								 uint32 generation, const RecmfMipsLayout *layout, Page copy);

/* Calls "visit" for each page of a run, for those below a DIRECTORY page before that page itself. */
typedef void (*RecmfMipsVisit) (Relation index, const RecmfMipsLayout *layout, RecmfMipsKind kind,
								uint32 generation, BlockNumber block, void *arg);
extern void recmf_mips_walk_run(Relation index, const RecmfMipsLayout *layout,
								const RecmfMipsRun *run, RecmfMipsVisit visit, void *arg);

/* The blocks of the first n pages of a chain, palloc'd. */
extern BlockNumber *recmf_mips_chain(Relation index, RecmfMipsKind kind, uint32 generation,
									 BlockNumber first, uint32 n, const RecmfMipsLayout *layout);

extern uint32 recmf_mips_space_pages(const RecmfMipsLayout *layout);

/* Marks a page that nothing leads to any more; from now on the free space map has it. */
extern void recmf_mips_retire(Relation index, BlockNumber block, RecmfMipsKind kind, uint32 generation);

/* ------------------------------------------------------------------------
 * The functions of the access method
 * ------------------------------------------------------------------------
 */

/* recmf_mips_build.c */
extern IndexBuildResult *recmf_mips_build(Relation heap, Relation index, IndexInfo *info);
extern void recmf_mips_build_empty(Relation index);
extern char *recmf_mips_build_phase(int64 phase);

/* recmf_mips_insert.c */
extern bool recmf_mips_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
							  Relation heap, IndexUniqueCheck unique, bool unchanged,
							  IndexInfo *info);

/* The tail is folded by INSERT once it has so many pages; VACUUM leaves no more than these. */
#define RECMF_MIPS_TAIL_LIMIT 64
#define RECMF_MIPS_TAIL_KEPT 4

/* recmf_mips_vacuum.c */
extern IndexBulkDeleteResult *recmf_mips_bulk_delete(IndexVacuumInfo *info,
													 IndexBulkDeleteResult *stats,
													 IndexBulkDeleteCallback callback,
													 void *callback_state);
extern IndexBulkDeleteResult *recmf_mips_vacuum_cleanup(IndexVacuumInfo *info,
														IndexBulkDeleteResult *stats);

/* Is a DATA, DIRECTORY or SPACE page one of a run that META names?  False for other kinds. */
extern bool recmf_mips_in_use(const RecmfMipsMeta *meta, const RecmfMipsSpecial *special);

/* Sorts the list of n blocks and takes out those that are part of the tail or of the NULLS; how many are left. */
extern uint32 recmf_mips_left_over(Relation index, BlockNumber *list, uint32 n);

/* recmf_mips_scan.c */
extern IndexScanDesc recmf_mips_begin_scan(Relation index, int n_keys, int n_orderbys);
extern void recmf_mips_rescan(IndexScanDesc scan, ScanKey keys, int n_keys,
							  ScanKey orderbys, int n_orderbys);
extern bool recmf_mips_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void recmf_mips_end_scan(IndexScanDesc scan);

/* recmf_mips_cost.c */
extern void recmf_mips_cost_estimate(struct PlannerInfo *root, struct IndexPath *path,
									 double loop_count, Cost *startup_cost, Cost *total_cost,
									 Selectivity *selectivity, double *correlation,
									 double *pages);

#endif							/* RECMF_MIPS_H */
