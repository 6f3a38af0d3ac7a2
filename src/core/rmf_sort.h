/*
 * rmf_sort.h
 *	  Sorting in place, without memory and without a function call a comparison.
 */
#ifndef RMF_SORT_H
#define RMF_SORT_H

#include <stdint.h>

/*
 * Sorts x[0..n): a heap with the last at the root, taken apart.  "comes_before"
 * is a macro or an inline function of two elements.
 */
#define RMF_SORT(type, x, n, comes_before) \
	do \
	{ \
		type	   *rmf_x = (x); \
\
		for (int64_t rmf_start = (n) / 2, rmf_end = (n); rmf_end > 1;) \
		{ \
			type		rmf_moved; \
			int64_t		rmf_hole; \
\
			if (rmf_start > 0) \
				rmf_moved = rmf_x[rmf_hole = --rmf_start]; \
			else \
			{ \
				rmf_moved = rmf_x[--rmf_end]; \
				rmf_x[rmf_end] = rmf_x[0]; \
				rmf_hole = 0; \
			} \
			for (;;) \
			{ \
				int64_t		rmf_child = 2 * rmf_hole + 1; \
\
				if (rmf_child >= rmf_end) \
					break; \
				if (rmf_child + 1 < rmf_end && comes_before(rmf_x[rmf_child], rmf_x[rmf_child + 1])) \
					rmf_child++; \
				if (!comes_before(rmf_moved, rmf_x[rmf_child])) \
					break; \
				rmf_x[rmf_hole] = rmf_x[rmf_child]; \
				rmf_hole = rmf_child; \
			} \
			rmf_x[rmf_hole] = rmf_moved; \
		} \
	} while (0)

/* Ascending. */
static inline void
rmf_sort_numbers(int32_t *x, int64_t n)
{
#define RMF_LESS(a, b) ((a) < (b))
	RMF_SORT(int32_t, x, n, RMF_LESS);
#undef RMF_LESS
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
