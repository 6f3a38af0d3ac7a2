/*
 * recmf_memory.c
 *	  Big arrays that parallel workers may map: see recmf_memory.h.
 *
 * A segment is created in an internal subtransaction, since PostgreSQL reports
 * a lack of room by an error: rolling it back leaves nothing of the attempt.
 * The mapping is pinned, so that no resource owner ends it, and belongs to a
 * callback of the memory context from then on.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "recmf_memory.h"

#define HUGE_PAGE (2 * 1024 * 1024)

struct RecmfMemory
{
	MemoryContextCallback callback;
	MemoryContext context;		/* of its own; holds this struct, and the chunk of private memory */
	dsm_segment *segment;		/* NULL: private */
	char	   *base;			/* aligned */
	Size		size;
	Size		used;
};

static void
detach(void *arg)
{
	RecmfMemory *memory = (RecmfMemory *) arg;

	if (memory->segment != NULL)
		dsm_detach(memory->segment);
	memory->segment = NULL;
}

/* NULL where there is none to be had, for whatever reason but an interrupt. */
static dsm_segment *
create_segment(Size size)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	dsm_segment *volatile segment = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment != NULL)
			dsm_pin_mapping(segment);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(DEBUG1,
				(errmsg_internal("training works without shared memory: %s", error->message)));
		FreeErrorData(error);
		segment = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return segment;
}

/*
 * First touching a small page of fresh memory costs more than all that is done
 * with it here.  So private memory asks for huge pages, and a segment, which
 * as a rule cannot have them, for all of its pages at once.  Neither is vital.
 */
static void
advise(const RecmfMemory *memory)
{
#if defined(MADV_HUGEPAGE)
	if (memory->segment == NULL)
	{
		char	   *start = (char *) TYPEALIGN(HUGE_PAGE, memory->base);
		char	   *end = (char *) TYPEALIGN_DOWN(HUGE_PAGE, memory->base + memory->size);

		if (start < end)
			(void) madvise(start, end - start, MADV_HUGEPAGE);
	}
#endif
#if defined(MADV_POPULATE_WRITE)
	if (memory->segment != NULL)
		(void) madvise(dsm_segment_address(memory->segment), dsm_segment_map_length(memory->segment),
					   MADV_POPULATE_WRITE);
#endif
}

RecmfMemory *
recmf_memory_create(MemoryContext parent, Size size, bool shared)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf memory", ALLOCSET_SMALL_SIZES);
	RecmfMemory *memory = (RecmfMemory *) MemoryContextAllocZero(context, sizeof(RecmfMemory));

	memory->context = context;
	memory->size = size;
	memory->callback.func = detach;
	memory->callback.arg = memory;
	MemoryContextRegisterResetCallback(context, &memory->callback);

	/* whatever fails from here on, the callback finds the segment if there is one */
	if (shared)
		memory->segment = create_segment(size + RECMF_MEMORY_ALIGNMENT);
	if (memory->segment != NULL)
		memory->base = (char *) dsm_segment_address(memory->segment);
	else
		memory->base = (char *) MemoryContextAllocHuge(context, size + RECMF_MEMORY_ALIGNMENT);
	memory->base = (char *) TYPEALIGN(RECMF_MEMORY_ALIGNMENT, memory->base);
	advise(memory);
	return memory;
}

void *
recmf_memory_alloc(RecmfMemory *memory, Size bytes)
{
	void	   *part = memory->base + memory->used;

	if (bytes > memory->size - memory->used)
		elog(ERROR, "%zu bytes are more than the %zu that are left of %zu",
			 bytes, memory->size - memory->used, memory->size);
	memory->used = Min(memory->used + RECMF_MEMORY_SIZE(bytes), memory->size);
	return part;
}

void
recmf_memory_destroy(RecmfMemory *memory)
{
	MemoryContextDelete(memory->context);
}

bool
recmf_memory_is_shared(const RecmfMemory *memory)
{
	return memory->segment != NULL;
}

Size
recmf_memory_bytes(const RecmfMemory *memory)
{
	return memory->size + RECMF_MEMORY_ALIGNMENT;
}

dsm_handle
recmf_memory_handle(const RecmfMemory *memory)
{
	Assert(memory->segment != NULL);
	return dsm_segment_handle(memory->segment);
}

Size
recmf_memory_offset(const RecmfMemory *memory, const void *part)
{
	return (Size) ((const char *) part - (char *) dsm_segment_address(memory->segment));
}
