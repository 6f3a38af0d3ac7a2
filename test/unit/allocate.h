/*
 * allocate.h
 *	  Memory for tests and benchmarks of the core, aligned to 64 bytes; none is
 *	  the end of the program.
 */
#ifndef ALLOCATE_H
#define ALLOCATE_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static inline void *
allocate(size_t bytes)
{
	void	   *memory = aligned_alloc(64, (bytes / 64 + 1) * 64);

	if (memory == NULL)
	{
		fprintf(stderr, "out of memory (%zu bytes)\n", bytes);
		exit(1);
	}
	return memory;
}

#endif							/* ALLOCATE_H */
