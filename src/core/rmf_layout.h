/*
 * rmf_layout.h
 *	  One piece of memory in parts that begin at a multiple of RMF_ALIGNMENT.
 *
 * The same function that lays memory out counts its size, where the base is
 * NULL; so size and layout cannot disagree.
 */
#ifndef RMF_LAYOUT_H
#define RMF_LAYOUT_H

#include <stddef.h>

#include "rmf_als.h"

static inline size_t
rmf_round_up(size_t n, size_t multiple)
{
	return (n + multiple - 1) / multiple * multiple;
}

/* The next part, *used bytes from the base; NULL where the base is. */
static inline void *
rmf_carve(void *base, size_t *used, size_t bytes)
{
	void	   *part = base == NULL ? NULL : (char *) base + *used;

	*used += rmf_round_up(bytes, RMF_ALIGNMENT);
	return part;
}

#endif							/* RMF_LAYOUT_H */
