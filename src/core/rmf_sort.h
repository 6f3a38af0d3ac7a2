/*
 * rmf_sort.h
 *	  Sorting in place, without memory and without a function call a comparison.
 */
#ifndef RMF_SORT_H
#define RMF_SORT_H

#include <stdint.h>

/* Ascending: a heap with the largest at the root, taken apart. */
static inline void
rmf_sort_numbers(int32_t *x, int64_t n)
{
	for (int64_t start = n / 2, end = n; end > 1;)
	{
		int32_t		moved;
		int64_t		hole;

		if (start > 0)
			moved = x[hole = --start];
		else
		{
			moved = x[--end];
			x[end] = x[0];
			hole = 0;
		}
		for (;;)
		{
			int64_t		child = 2 * hole + 1;

			if (child >= end)
				break;
			if (child + 1 < end && x[child] < x[child + 1])
				child++;
			if (x[child] <= moved)
				break;
			x[hole] = x[child];
			hole = child;
		}
		x[hole] = moved;
	}
}

/* The place of x among n ascending numbers: how many are smaller. */
static inline int64_t
rmf_find_number(const int32_t *numbers, int64_t n, int32_t x)
{
	int64_t		low = 0;
	int64_t		high = n;

	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (numbers[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline int
rmf_has_number(const int32_t *numbers, int64_t n, int32_t x)
{
	int64_t		at = rmf_find_number(numbers, n, x);

	return at < n && numbers[at] == x;
}

#endif							/* RMF_SORT_H */
