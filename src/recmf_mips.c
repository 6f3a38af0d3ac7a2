/*
 * recmf_mips.c
 *	  The access method mips: its handler, and what its files share: layout,
 *	  reading and making pages, the cache of leading directions.
 *
 * recmf_mips.h has the design.  Memory: the cache of leading directions lives
 * in the index's relcache entry (rd_amcache, one chunk, freed with it).  Locks:
 * each function says what it leaves locked.
 */
#include "postgres.h"

#include <math.h>

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/catcache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_mips.h"

PG_FUNCTION_INFO_V1(recmf_mips_handler);

/* ------------------------------------------------------------------------
 * Layout
 * ------------------------------------------------------------------------
 */

/* Fills in all but what depends on there being room for an entry. */
static void
lay_out(int32 dimensions, RecmfMipsLayout *layout)
{
	Size		entry_size;
	Size		room = RECMF_MIPS_PAGE_END - RECMF_MIPS_PAGE_START;

	layout->dimensions = dimensions;
	layout->n_leading = rmf_mips_leading_count(dimensions);
	layout->code_size = rmf_mips_code_size(dimensions);
	layout->bound_size = rmf_mips_bound_size(layout->n_leading);

	entry_size = layout->code_size + sizeof(rmf_mips_entry) + sizeof(ItemPointerData);
	/* Entries start at a multiple of 4, after codes of any size. */
	layout->capacity = (RECMF_MIPS_PAGE_END - RECMF_MIPS_CODES_OFFSET - sizeof(float) + 1) / entry_size;
	layout->entries_offset = TYPEALIGN(sizeof(float),
									   RECMF_MIPS_CODES_OFFSET + layout->capacity * layout->code_size);
	layout->tids_offset = layout->entries_offset + layout->capacity * sizeof(rmf_mips_entry);

	layout->fanout = room / (sizeof(BlockNumber) + layout->bound_size);
	layout->bounds_offset = RECMF_MIPS_PAGE_START + layout->fanout * sizeof(BlockNumber);
}

/* The most dimensions of which one entry fits a page. */
static int32
most_dimensions(void)
{
	RecmfMipsLayout layout;
	int32		fits = 1;
	int32		too_many = BLCKSZ;

	while (too_many - fits > 1)
	{
		int32		middle = (fits + too_many) / 2;

		lay_out(middle, &layout);
		if (layout.capacity >= 1)
			fits = middle;
		else
			too_many = middle;
	}
	return fits;
}

void
recmf_mips_layout(Relation index, int32 dimensions, RecmfMipsLayout *layout)
{
	lay_out(dimensions, layout);
	if (layout->capacity < 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot hold factors of %d dimensions",
						RelationGetRelationName(index), dimensions),
				 errdetail("An index of access method mips holds at most %d dimensions.", most_dimensions()),
				 errhint("Index fewer dimensions, as in (subvector(factor, 1, %d)).", most_dimensions())));
}

void
recmf_mips_check_dimensions(Relation index, int32 in_index, int32 given)
{
	if (unlikely(in_index != given))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different factor dimensions %d and %d", in_index, given),
				 errdetail("Index \"%s\" holds factors of %d dimensions.",
						   RelationGetRelationName(index), in_index)));
}

int32
recmf_mips_stated_dimensions(Relation index)
{
	int32		typmod = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;

	return typmod > 0 ? typmod : 0;
}

/* ------------------------------------------------------------------------
 * Reading pages
 * ------------------------------------------------------------------------
 */

void
recmf_mips_corrupted(Relation index, BlockNumber block, const char *detail,...)
{
	char		text[256];
	va_list		args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" contains a corrupted page at block %u",
					RelationGetRelationName(index), block),
			 errdetail_internal("%s", text),
			 errhint("Please REINDEX it.")));
}

/*
 * A page is not what led here.  For a transaction that began on a standby that
 * is the primary's having used the page anew: see recmf_mips.h.
 */
static void
unexpected_page(Relation index, BlockNumber block, const char *what, uint32 found, uint32 expected)
{
	if (TransactionStartedDuringRecovery())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("canceling statement due to conflict with recovery"),
				 errdetail("User query might have needed to see pages of index \"%s\" that are in use anew.",
						   RelationGetRelationName(index)),
				 errhint("Retry the transaction; turn hot_standby_feedback on to avoid such conflicts.")));
	recmf_mips_corrupted(index, block, "Its %s is %u instead of %u.", what, found, expected);
}

static void
check_counts(Relation index, BlockNumber block, const RecmfMipsSpecial *special,
			 const RecmfMipsLayout *layout)
{
	int			most;

	switch (special->kind)
	{
		case RECMF_MIPS_DATA:
		case RECMF_MIPS_TAIL:
			if (layout == NULL)
				return;
			most = layout->capacity;
			break;
		case RECMF_MIPS_DIRECTORY:
			if (special->level > RECMF_MIPS_MAX_LEVEL)
				recmf_mips_corrupted(index, block, "Its level is %u.", special->level);
			if (layout == NULL)
				return;
			most = layout->fanout;
			break;
		case RECMF_MIPS_NULLS:
			most = RECMF_MIPS_NULLS_CAPACITY;
			break;
		default:
			return;
	}
	if (special->n_entries > most)
		recmf_mips_corrupted(index, block, "It has %u entries, where %d fit.",
							 special->n_entries, most);
}

void
recmf_mips_check_page(Relation index, BlockNumber block, Page page, const RecmfMipsLayout *layout)
{
	const RecmfMipsSpecial *special;

	if (PageIsNew(page))
		recmf_mips_corrupted(index, block, "The page has only zeros.");
	if (PageGetPageSize(page) != BLCKSZ || PageGetSpecialSize(page) != MAXALIGN(sizeof(RecmfMipsSpecial)))
		recmf_mips_corrupted(index, block, "Its special space has %u bytes instead of %u.",
							 (unsigned int) PageGetSpecialSize(page),
							 (unsigned int) MAXALIGN(sizeof(RecmfMipsSpecial)));
	special = RecmfMipsPageSpecial(page);
	if (special->page_id != RECMF_MIPS_PAGE_ID)
		recmf_mips_corrupted(index, block, "It is not a page of an access method mips.");
	if (special->kind < RECMF_MIPS_META || special->kind > RECMF_MIPS_NULLS)
		recmf_mips_corrupted(index, block, "It is of kind %u.", special->kind);
	check_counts(index, block, special, layout);
}

/*
 * Where this session has seen blocks last: a search reads hundreds, and to find
 * each in the buffer table, which lies all over the memory, takes as long as to
 * score half a page.  Blocks of all indexes share the places; whose block it is,
 * ReadRecentBuffer() knows.
 */
static Buffer recent_buffers[32768];

static inline Buffer *
recent_place(Relation index, BlockNumber block)
{
	return &recent_buffers[(block + index->rd_id * 8191) % lengthof(recent_buffers)];
}

/*
 * Where a block may be that this session has not seen yet: the build makes pages
 * one after the other, in buffers that lie one after the other.  In a new
 * connection the buffer table costs a page fault for most of what it looks up;
 * the headers of neighbouring buffers share a page.  Guesses that fail use up
 * the credit, and none are made without it.
 */
#define MOST_CREDIT 16
static struct
{
	Oid			index;
	int64		distance;		/* of a buffer's number to its block's, as seen last */
	int			credit;
}			guess = {InvalidOid, 0, MOST_CREDIT};

static bool
guess_buffer(Relation index, BlockNumber block, Buffer *buffer)
{
	int64		guessed = guess.distance + block;

	if (guess.index != index->rd_id || guess.credit == 0 || guessed < 1 || guessed > NBuffers)
		return false;
	if (recmf_read_recent_buffer(index, block, (Buffer) guessed))
	{
		guess.credit = Min(guess.credit + 1, MOST_CREDIT);
		*buffer = (Buffer) guessed;
		return true;
	}
	guess.credit--;
	return false;
}

static inline Buffer
read_buffer(Relation index, BlockNumber block)
{
	Buffer	   *recent = recent_place(index, block);

	if (RelationUsesLocalBuffers(index))
		return ReadBuffer(index, block);
	if (BufferIsValid(*recent) ? recmf_read_recent_buffer(index, block, *recent) :
		guess_buffer(index, block, recent))
	{
		pgstat_count_buffer_read(index);
		pgstat_count_buffer_hit(index);
	}
	else
	{
		*recent = ReadBuffer(index, block);
		guess.index = index->rd_id;
		guess.distance = (int64) *recent - block;
	}
	return *recent;
}

/* What a scan needs first of a page: after the codes, all, and where each stretch of codes begins that the processor foresees by itself. */
void
recmf_mips_prefetch(Relation index, BlockNumber block, const RecmfMipsLayout *layout)
{
	Buffer		buffer = *recent_place(index, block);
	const char *page;

	if (!BufferIsValid(buffer) || RelationUsesLocalBuffers(index))
		return;
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	page = (const char *) BufferGetPage(buffer);
	for (Size at = 0; at < 512; at += 64)
		__builtin_prefetch(page + at);
	for (Size at = BLCKSZ / 2; at < BLCKSZ / 2 + 256; at += 64)
		__builtin_prefetch(page + at);
	for (Size at = layout->entries_offset; at < BLCKSZ; at += 64)
		__builtin_prefetch(page + at);
}

BlockNumber
recmf_mips_known_blocks(Relation relation, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(relation)->smgr_cached_nblocks[MAIN_FORKNUM];

	return likely(known != InvalidBlockNumber && block < known) ? known : RelationGetNumberOfBlocks(relation);
}

Buffer
recmf_mips_read(Relation index, BlockNumber block, int lock, RecmfMipsKind kind,
				uint32 generation, const RecmfMipsLayout *layout)
{
	const RecmfMipsSpecial *special;
	Buffer		buffer;
	Page		page;

	if (unlikely(block >= recmf_mips_known_blocks(index, block)))
		recmf_mips_corrupted(index, block, "The index ends before it.");

	/* The caller may hold META's lock: it would wait for itself. */
	if (unlikely(block == RECMF_MIPS_META_BLOCK && kind != RECMF_MIPS_META))
		recmf_mips_corrupted(index, block, "A page leads to it.");

	buffer = read_buffer(index, block);
	LockBuffer(buffer, lock);
	page = BufferGetPage(buffer);
	recmf_mips_check_page(index, block, page, layout);

	special = RecmfMipsPageSpecial(page);
	if (unlikely(special->kind != kind))
		unexpected_page(index, block, "kind", special->kind, kind);
	if (unlikely(generation != 0 && special->generation != generation))
		unexpected_page(index, block, "generation", special->generation, generation);
	return buffer;
}

Buffer
recmf_mips_read_chained(Relation index, BlockNumber block, int lock, RecmfMipsKind kind,
						uint32 next_generation, const RecmfMipsLayout *layout)
{
	Buffer		buffer = recmf_mips_read(index, block, lock, kind, 0, layout);
	const RecmfMipsSpecial *special = RecmfMipsPageSpecial(BufferGetPage(buffer));

	if (unlikely(special->generation >= next_generation))
		unexpected_page(index, block, "generation", special->generation, next_generation - 1);
	return buffer;
}

RecmfMipsMeta *
recmf_mips_checked_meta(Relation index, Page page)
{
	RecmfMipsMeta *meta = RecmfMipsPageMeta(page);

	if (meta->magic != RECMF_MIPS_MAGIC)
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "Its magic number is %x instead of %x.",
							 meta->magic, RECMF_MIPS_MAGIC);
	if (meta->version != RECMF_MIPS_VERSION)
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "Its version is %u instead of %u.",
							 meta->version, RECMF_MIPS_VERSION);
	if (meta->dimensions < 0 || meta->dimensions > FACTOR_MAX_DIMENSIONS ||
		meta->n_leading != (meta->dimensions == 0 ? 0 : rmf_mips_leading_count(meta->dimensions)))
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "It has %d dimensions and %d leading directions.",
							 meta->dimensions, meta->n_leading);
	if (recmf_mips_stated_dimensions(index) != 0 && meta->dimensions != recmf_mips_stated_dimensions(index))
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "It has %d dimensions, its column %d.",
							 meta->dimensions, recmf_mips_stated_dimensions(index));
	if (meta->n_runs < 0 || meta->n_runs > RECMF_MIPS_MAX_RUNS ||
		(meta->dimensions == 0 && (meta->n_runs > 0 || meta->tail_first != InvalidBlockNumber)))
		recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "It has %d runs at %d dimensions.",
							 meta->n_runs, meta->dimensions);
	for (int i = 0; i < meta->n_runs; i++)
	{
		if (meta->runs[i].level < 0 || meta->runs[i].level > RECMF_MIPS_MAX_LEVEL)
			recmf_mips_corrupted(index, RECMF_MIPS_META_BLOCK, "The root of run %d has level %d.",
								 i, meta->runs[i].level);
	}
	return meta;
}

void
recmf_mips_read_meta(Relation index, RecmfMipsMeta *meta)
{
	Buffer		buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_SHARE,
										 RECMF_MIPS_META, 0, NULL);
	const RecmfMipsMeta *page_meta = recmf_mips_checked_meta(index, BufferGetPage(buffer));

	memcpy(meta, page_meta, offsetof(RecmfMipsMeta, runs) + sizeof(RecmfMipsRun) * page_meta->n_runs);
	UnlockReleaseBuffer(buffer);
}

/* ------------------------------------------------------------------------
 * Making pages
 * ------------------------------------------------------------------------
 */

/*
 * NULL for the table: the horizon is that of shared tables, the oldest of all
 * databases, which is right for any table, and later than need be for some.
 */
bool
recmf_mips_recyclable(Relation index, Page page)
{
	const RecmfMipsSpecial *special;

	if (PageIsNew(page))
		return true;
	if (PageGetSpecialSize(page) != MAXALIGN(sizeof(RecmfMipsSpecial)))
		return false;
	special = RecmfMipsPageSpecial(page);
	return special->page_id == RECMF_MIPS_PAGE_ID &&
		(special->flags & RECMF_MIPS_RETIRED) != 0 &&
		GlobalVisCheckRemovableFullXid(NULL, special->retired_at);
}

Buffer
recmf_mips_new_buffer(Relation index)
{
	Buffer		buffer;
	BlockNumber block;
	bool		lock_extension = !RELATION_IS_LOCAL(index);

	/*
	 * The map is a hint: someone else may have the page by now, or it may not be
	 * out of use for long enough.  Then it is out of the map until the next
	 * VACUUM.
	 */
	while ((block = GetFreeIndexPage(index)) != InvalidBlockNumber)
	{
		buffer = ReadBuffer(index, block);
		if (ConditionalLockBuffer(buffer))
		{
			Page		page = BufferGetPage(buffer);

			if (recmf_mips_recyclable(index, page))
			{
				if (!PageIsNew(page) && RelationNeedsWAL(index) && XLogStandbyInfoActive())
					recmf_log_page_reuse(index, block, RecmfMipsPageSpecial(page)->retired_at);
				return buffer;
			}
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
	}

	if (lock_extension)
		LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBuffer(index, P_NEW);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (lock_extension)
		UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}

void
recmf_mips_init_page(Page page, RecmfMipsKind kind, uint32 generation)
{
	RecmfMipsSpecial *special;

	PageInit(page, BLCKSZ, sizeof(RecmfMipsSpecial));
	((PageHeader) page)->pd_lower = ((PageHeader) page)->pd_upper;
	special = RecmfMipsPageSpecial(page);
	special->retired_at = InvalidFullTransactionId;
	special->generation = generation;
	special->next = InvalidBlockNumber;
	special->n_entries = 0;
	special->kind = kind;
	special->level = 0;
	special->flags = 0;
	special->page_id = RECMF_MIPS_PAGE_ID;
}

void
recmf_mips_init_meta(Page page, int32 dimensions)
{
	RecmfMipsMeta *meta;

	recmf_mips_init_page(page, RECMF_MIPS_META, 0);
	meta = RecmfMipsPageMeta(page);
	meta->magic = RECMF_MIPS_MAGIC;
	meta->version = RECMF_MIPS_VERSION;
	meta->dimensions = dimensions;
	meta->n_leading = dimensions == 0 ? 0 : rmf_mips_leading_count(dimensions);
	meta->next_generation = 1;
	meta->tail_first = InvalidBlockNumber;
	meta->tail_last = InvalidBlockNumber;
	meta->tail_pages = 0;
	meta->nulls_first = InvalidBlockNumber;
	meta->nulls_last = InvalidBlockNumber;
	meta->nulls_pages = 0;
	meta->n_runs = 0;
}

/* ------------------------------------------------------------------------
 * The cache of leading directions
 * ------------------------------------------------------------------------
 */

/* More spaces than runs of one history use at a time are dropped and read again. */
#define CACHED_SPACES 4

/* The chunk in rd_amcache: this, then the floats of each space. */
typedef struct SpaceCache
{
	int32		n_floats;		/* of one space */
	int32		n_spaces;
	struct
	{
		BlockNumber block;
		uint32		generation;
	}			of[CACHED_SPACES];
	float		leading[FLEXIBLE_ARRAY_MEMBER];
} SpaceCache;

static void
read_space(Relation index, const RecmfMipsLayout *layout, BlockNumber block, uint32 generation,
		   float *leading, int32 n_floats)
{
	int32		done = 0;

	while (done < n_floats)
	{
		int32		n = Min(n_floats - done, (int32) RECMF_MIPS_SPACE_FLOATS);
		Buffer		buffer = recmf_mips_read(index, block, BUFFER_LOCK_SHARE, RECMF_MIPS_SPACE,
											 generation, NULL);
		Page		page = BufferGetPage(buffer);

		memcpy(leading + done, PageGetContents(page), sizeof(float) * n);
		for (int i = done; i < done + n; i++)
		{
			if (!isfinite(leading[i]))
				recmf_mips_corrupted(index, block, "A leading direction is not finite.");
		}
		block = RecmfMipsPageSpecial(page)->next;
		UnlockReleaseBuffer(buffer);
		done += n;
	}
}

const float *
recmf_mips_leading(Relation index, const RecmfMipsLayout *layout, BlockNumber block,
				   uint32 generation)
{
	SpaceCache *cache = index->rd_amcache;
	SpaceCache *larger;
	int32		n_floats = layout->n_leading * layout->dimensions;
	int			n_kept = 0;

	if (n_floats == 0)
		return NULL;
	if (cache != NULL && cache->n_floats == n_floats)
	{
		for (int i = 0; i < cache->n_spaces; i++)
		{
			if (cache->of[i].block == block && cache->of[i].generation == generation)
				return cache->leading + (Size) i * n_floats;
		}
		if (cache->n_spaces < CACHED_SPACES)
			n_kept = cache->n_spaces;
	}

	larger = MemoryContextAlloc(index->rd_indexcxt,
								offsetof(SpaceCache, leading) +
								sizeof(float) * n_floats * (n_kept + 1));
	larger->n_floats = n_floats;
	larger->n_spaces = n_kept;
	if (n_kept > 0)
	{
		memcpy(larger->of, cache->of, sizeof(cache->of));
		memcpy(larger->leading, cache->leading, sizeof(float) * n_floats * n_kept);
	}
	if (cache != NULL)
		pfree(cache);
	index->rd_amcache = larger;

	read_space(index, layout, block, generation, larger->leading + (Size) n_kept * n_floats, n_floats);
	larger->of[n_kept].block = block;
	larger->of[n_kept].generation = generation;
	larger->n_spaces++;
	return larger->leading + (Size) n_kept * n_floats;
}

/* ------------------------------------------------------------------------
 * The handler
 * ------------------------------------------------------------------------
 */

/* There are none: whatever is given is refused. */
static bytea *
mips_options(Datum options, bool validate)
{
	return (bytea *) build_reloptions(options, validate, RELOPT_KIND_LOCAL, 0, NULL, 0);
}

static bool
mips_property(Oid index, int attribute, IndexAMProperty property, const char *name,
			  bool *result, bool *isnull)
{
	if (property != AMPROP_DISTANCE_ORDERABLE || attribute == 0)
		return false;
	*result = true;
	*isnull = false;
	return true;
}

static bool
complain(const FormData_pg_opclass *opclass, const char *what)
{
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator class \"%s\" of access method mips contains %s",
					NameStr(opclass->opcname), what)));
	return false;
}

/* Each operator orders by a distance of two values of the class's type, in double precision. */
static bool
mips_validate(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass form;
	CatCList   *members;
	bool		valid = true;
	int			n_operators = 0;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	form = (Form_pg_opclass) GETSTRUCT(tuple);

	members = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(form->opcfamily));
	for (int i = 0; i < members->n_members; i++)
	{
		Form_pg_amop member = (Form_pg_amop) GETSTRUCT(&members->members[i]->tuple);

		if (member->amopstrategy < 1 || member->amopstrategy > RECMF_MIPS_STRATEGIES)
			valid = complain(form, psprintf("operator %s with invalid strategy number %d",
											format_operator(member->amopopr), member->amopstrategy));
		else if (member->amoppurpose != AMOP_ORDER ||
				 !opfamily_can_sort_type(member->amopsortfamily, FLOAT8OID) ||
				 !check_amop_signature(member->amopopr, FLOAT8OID,
									   form->opcintype, form->opcintype))
			valid = complain(form, psprintf("operator %s, which does not order by a distance",
											format_operator(member->amopopr)));
		else
			n_operators++;
	}
	ReleaseCatCacheList(members);

	members = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(form->opcfamily));
	for (int i = 0; i < members->n_members; i++)
	{
		Form_pg_amproc member = (Form_pg_amproc) GETSTRUCT(&members->members[i]->tuple);

		valid = complain(form, psprintf("function %s, which is of no use to it",
										format_procedure(member->amproc)));
	}
	ReleaseCatCacheList(members);

	if (valid && n_operators == 0)
		valid = complain(form, "no operator");
	ReleaseSysCache(tuple);
	return valid;
}

Datum
recmf_mips_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = RECMF_MIPS_STRATEGIES;
	routine->amsupport = 0;
	routine->amoptsprocnum = 0;
	routine->amcanorder = false;
	routine->amcanorderbyop = true;
	routine->amcanbackward = false;
	routine->amcanunique = false;
	routine->amcanmulticol = false;
	routine->amoptionalkey = true;	/* an ORDER BY is enough */
	routine->amsearcharray = false;
	routine->amsearchnulls = false;
	routine->amstorage = false;
	routine->amclusterable = false;
	routine->ampredlocks = false;	/* the executor locks the whole index */
	routine->amcanparallel = false;
	routine->amcaninclude = false;
	routine->amusemaintenanceworkmem = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;

	routine->ambuild = recmf_mips_build;
	routine->ambuildempty = recmf_mips_build_empty;
	routine->aminsert = recmf_mips_insert;
	routine->ambulkdelete = recmf_mips_bulk_delete;
	routine->amvacuumcleanup = recmf_mips_vacuum_cleanup;
	routine->amcanreturn = NULL;
	routine->amcostestimate = recmf_mips_cost_estimate;
	routine->amoptions = mips_options;
	routine->amproperty = mips_property;
	routine->ambuildphasename = recmf_mips_build_phase;
	routine->amvalidate = mips_validate;
	routine->amadjustmembers = NULL;
	routine->ambeginscan = recmf_mips_begin_scan;
	routine->amrescan = recmf_mips_rescan;
	routine->amgettuple = recmf_mips_get_tuple;
	routine->amgetbitmap = NULL;
	routine->amendscan = recmf_mips_end_scan;
	routine->ammarkpos = NULL;
	routine->amrestrpos = NULL;
	routine->amestimateparallelscan = NULL;
	routine->aminitparallelscan = NULL;
	routine->amparallelrescan = NULL;

	PG_RETURN_POINTER(routine);
}
