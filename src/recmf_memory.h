/*
 * recmf_memory.h
 *	  Big arrays that parallel workers may map.
 *
 * A RecmfMemory is one piece of a size that is known beforehand, shared (a
 * dynamic shared memory segment of its own) or private (a chunk of a memory
 * context).  What was to be shared becomes private where PostgreSQL has no
 * segment or no room for it; the caller finds out by recmf_memory_is_shared(),
 * which is a reason to work alone and never an error.
 *
 * It lives as long as the memory context that it was created in, whatever ends
 * that: a segment is detached, and with that removed, by a callback of the
 * context.  Workers that have mapped it keep their mapping until they end.
 */
#ifndef RECMF_MEMORY_H
#define RECMF_MEMORY_H

#include "postgres.h"

#include "storage/dsm.h"

/* Parts begin at a multiple of so many bytes: at least RMF_ALIGNMENT. */
#define RECMF_MEMORY_ALIGNMENT 64

typedef struct RecmfMemory RecmfMemory;

/*
 * Room for parts of "size" bytes together, each rounded up by
 * RECMF_MEMORY_SIZE().  The bytes are not counted against
 * recmf.training_memory here.  Must not be called in parallel mode with "shared".
 */
extern RecmfMemory *recmf_memory_create(MemoryContext parent, Size size, bool shared);

#define RECMF_MEMORY_SIZE(bytes) TYPEALIGN(RECMF_MEMORY_ALIGNMENT, (Size) (bytes))

/* The next part; more than was asked for in recmf_memory_create() is an internal error. */
extern void *recmf_memory_alloc(RecmfMemory *memory, Size bytes);

/* Gives it back before its context does. */
extern void recmf_memory_destroy(RecmfMemory *memory);

extern bool recmf_memory_is_shared(const RecmfMemory *memory);

/* Its bytes, wherever they lie: they are not in the figures of the parent context. */
extern Size recmf_memory_bytes(const RecmfMemory *memory);

/* What finds a part again in a process that has mapped the segment; shared memory only. */
extern dsm_handle recmf_memory_handle(const RecmfMemory *memory);
extern Size recmf_memory_offset(const RecmfMemory *memory, const void *part);

#endif							/* RECMF_MEMORY_H */
