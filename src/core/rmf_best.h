/*
 * rmf_best.h
 *	  The k best of many, in a heap that lives in the output.
 *
 * While candidates arrive, heap[0] is the worst of those kept; at the end
 * rmf_best_sort() takes the heap apart from the back, which leaves the best
 * first.
 */
#ifndef RMF_BEST_H
#define RMF_BEST_H

#include <stdint.h>

typedef struct rmf_scored
{
	double		score;			/* the inner product */
	int32_t		index;			/* of the row, or the item */
} rmf_scored;

/* Is a to be listed before b?  Equal scores by ascending index. */
static inline int
rmf_is_better(rmf_scored a, rmf_scored b)
{
	if (a.score != b.score)
		return a.score > b.score;
	return a.index < b.index;
}

/* Puts "entry" at the root of a heap of n whose root is free. */
static inline void
rmf_best_replace(rmf_scored *heap, int32_t n, rmf_scored entry)
{
	int64_t		hole = 0;

	for (;;)
	{
		int64_t		child = 2 * hole + 1;

		if (child >= n)
			break;
		if (child + 1 < n && rmf_is_better(heap[child], heap[child + 1]))
			child++;
		if (rmf_is_better(heap[child], entry))
			break;
		heap[hole] = heap[child];
		hole = child;
	}
	heap[hole] = entry;
}

/* Adds "entry" to a heap of n, which has room. */
static inline void
rmf_best_append(rmf_scored *heap, int32_t n, rmf_scored entry)
{
	int32_t		hole = n;

	while (hole > 0 && rmf_is_better(heap[(hole - 1) / 2], entry))
	{
		heap[hole] = heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap[hole] = entry;
}

/* Makes a list of a heap of n. */
static inline void
rmf_best_sort(rmf_scored *heap, int32_t n)
{
	while (n > 1)
	{
		rmf_scored	worst = heap[0];

		n--;
		rmf_best_replace(heap, n, heap[n]);
		heap[n] = worst;
	}
}

#endif							/* RMF_BEST_H */
