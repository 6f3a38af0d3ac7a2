/*
 * recmf_mips_insert.c
 *	  A new row: its entry goes to the last page of the tail, or of the chain of
 *	  NULLs.
 *
 * META's share lock is held until the entry is written, so that the last page
 * stays the last.  Where it is full, META's exclusive lock, and one WAL record
 * for the new page, the link to it and META.  A tail of RECMF_MIPS_TAIL_LIMIT
 * pages is folded by whoever makes it that long, unless somebody is at
 * it: recmf_mips_merge.c.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "recmf_factor.h"
#include "recmf_mips.h"

typedef struct Addition
{
	RecmfMipsKind kind;			/* RECMF_MIPS_TAIL or RECMF_MIPS_NULLS */
	ItemPointerData tid;
	const Factor *factor;		/* NULL for a NULL */
	RecmfMipsLayout layout;		/* of the factor's dimensions */
	int8_t	   *code;
	rmf_mips_entry entry;
} Addition;

static bool
has_room(const Addition *addition, Page page)
{
	return RecmfMipsPageSpecial(page)->n_entries <
		(addition->factor != NULL ? addition->layout.capacity : RECMF_MIPS_NULLS_CAPACITY);
}

static void
put_entry(const Addition *addition, Page page)
{
	int			place = RecmfMipsPageSpecial(page)->n_entries++;

	if (addition->factor == NULL)
		recmf_mips_null_tids(page)[place] = addition->tid;
	else
	{
		const RecmfMipsLayout *layout = &addition->layout;

		memcpy(recmf_mips_codes(page) + layout->code_size * place, addition->code, layout->code_size);
		recmf_mips_entries(layout, page)[place] = addition->entry;
		recmf_mips_tids(layout, page)[place] = addition->tid;
	}
}

/* The last page of its chain, exclusively locked; InvalidBuffer where the chain has none. */
static Buffer
lock_last(Relation index, const RecmfMipsMeta *meta, const Addition *addition)
{
	BlockNumber last = addition->factor != NULL ? meta->tail_last : meta->nulls_last;
	Buffer		buffer;

	if (last == InvalidBlockNumber)
		return InvalidBuffer;
	buffer = recmf_mips_read(index, last, BUFFER_LOCK_EXCLUSIVE, addition->kind, 0,
							 addition->factor != NULL ? &addition->layout : NULL);
	if (RecmfMipsPageSpecial(BufferGetPage(buffer))->flags & RECMF_MIPS_RETIRED)
		recmf_mips_corrupted(index, last, "The last page of a chain is marked as out of use.");
	return buffer;
}

/* False if the last page has no room; META's buffer is locked by the caller. */
static bool
add_to_last(Relation index, const RecmfMipsMeta *meta, const Addition *addition)
{
	Buffer		buffer;
	bool		room;

	if (addition->factor != NULL)
	{
		if (meta->dimensions == 0)
			return false;
		recmf_mips_check_dimensions(index, meta->dimensions, addition->factor->dim);
	}
	buffer = lock_last(index, meta, addition);
	if (!BufferIsValid(buffer))
		return false;
	room = has_room(addition, BufferGetPage(buffer));
	if (room)
	{
		GenericXLogState *state = GenericXLogStart(index);

		put_entry(addition, GenericXLogRegisterBuffer(state, buffer, 0));
		GenericXLogFinish(state);
	}
	UnlockReleaseBuffer(buffer);
	return room;
}

/* Hangs a page with the entry on its chain; META's buffer is exclusively locked.  Returns the pages of the tail. */
static uint32
add_page(Relation index, Buffer meta_buffer, const Addition *addition)
{
	bool		is_null = addition->factor == NULL;
	Buffer		last = lock_last(index, RecmfMipsPageMeta(BufferGetPage(meta_buffer)), addition);
	Buffer		new = recmf_mips_new_buffer(index);
	GenericXLogState *state = GenericXLogStart(index);
	RecmfMipsMeta *meta = RecmfMipsPageMeta(GenericXLogRegisterBuffer(state, meta_buffer, 0));
	Page		page = GenericXLogRegisterBuffer(state, new, GENERIC_XLOG_FULL_IMAGE);
	BlockNumber block = BufferGetBlockNumber(new);
	uint32		tail_pages;

	recmf_mips_init_page(page, addition->kind, recmf_mips_take_generation(index, meta));
	put_entry(addition, page);
	if (BufferIsValid(last))
		RecmfMipsPageSpecial(GenericXLogRegisterBuffer(state, last, 0))->next = block;
	if (!is_null && meta->dimensions == 0)
	{
		meta->dimensions = addition->layout.dimensions;
		meta->n_leading = addition->layout.n_leading;
	}
	if (!BufferIsValid(last))
		*(is_null ? &meta->nulls_first : &meta->tail_first) = block;
	*(is_null ? &meta->nulls_last : &meta->tail_last) = block;
	++*(is_null ? &meta->nulls_pages : &meta->tail_pages);
	tail_pages = meta->tail_pages;
	GenericXLogFinish(state);
	UnlockReleaseBuffer(new);
	if (BufferIsValid(last))
		UnlockReleaseBuffer(last);
	return tail_pages;
}

/* Unless the lock of change is taken: then its holder, or the next INSERT, does it. */
static void
fold(Relation index)
{
	if (!recmf_mips_lock_change(index, false))
		return;
	recmf_mips_merge(index, NULL, RECMF_MIPS_TAIL_LIMIT - 1, RECMF_MIPS_INSERT_RUNS,
					 RECMF_MIPS_INSERT_EAGERNESS, work_mem);
	recmf_mips_unlock_change(index);
}

bool
recmf_mips_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
				  Relation heap, IndexUniqueCheck unique, bool unchanged, IndexInfo *info)
{
	Addition	addition = {.kind = RECMF_MIPS_NULLS,.tid = *tid};
	Buffer		meta_buffer;
	RecmfMipsMeta *meta;
	uint32		tail_pages = 0;

	if (!isnull[0])
	{
		addition.kind = RECMF_MIPS_TAIL;
		addition.factor = DatumGetFactorP(values[0]);
		recmf_mips_layout(index, addition.factor->dim, &addition.layout);
		addition.code = palloc(addition.layout.code_size);
		rmf_mips_encode(addition.factor->dim, addition.factor->x, addition.code, &addition.entry);
	}

	meta_buffer = recmf_mips_read(index, RECMF_MIPS_META_BLOCK, BUFFER_LOCK_SHARE, RECMF_MIPS_META, 0, NULL);
	meta = recmf_mips_checked_meta(index, BufferGetPage(meta_buffer));
	if (!add_to_last(index, meta, &addition))
	{
		LockBuffer(meta_buffer, BUFFER_LOCK_UNLOCK);
		LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
		meta = recmf_mips_checked_meta(index, BufferGetPage(meta_buffer));
		if (!add_to_last(index, meta, &addition))
			tail_pages = add_page(index, meta_buffer, &addition);
	}
	UnlockReleaseBuffer(meta_buffer);

	if (addition.factor != NULL)
	{
		pfree(addition.code);
		if ((Pointer) addition.factor != DatumGetPointer(values[0]))
			pfree((void *) addition.factor);
		if (tail_pages >= RECMF_MIPS_TAIL_LIMIT)
			fold(index);
	}
	return false;
}
