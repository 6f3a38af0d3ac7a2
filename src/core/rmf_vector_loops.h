/*
 * rmf_vector_loops.h
 *	  The loops of rmf_vector.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_VECTOR_BYTES	bytes of a vector register
 *	RMF_VECTOR_NAME		the level's name, a string
 *	RMF_VECTOR_TABLE	the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use those registers.
 *
 * Floating-point sums may not be reordered by the compiler, so the lanes are
 * spelled out: a few vectors of partial sums, enough of them to hide the
 * latency of an addition, then a fixed tree.  The lanes are float, the tree
 * is double.  A remainder runs in vectors of four and then one at a time.
 *
 * No alignment is asked of the caller: a factor in a page has that of an int.
 */
#include <stddef.h>

#include "rmf_vector.h"

#define LANES ((int) (RMF_VECTOR_BYTES / sizeof(float)))

typedef float lanes __attribute__((vector_size(RMF_VECTOR_BYTES)));
typedef float unaligned_lanes __attribute__((vector_size(RMF_VECTOR_BYTES), aligned(4), may_alias));
typedef float four __attribute__((vector_size(16)));
typedef float unaligned_four __attribute__((vector_size(16), aligned(4), may_alias));

#define LOAD(p) (*(const unaligned_lanes *) (p))
#define LOAD4(p) (*(const unaligned_four *) (p))

/* The lanes of two partial sums and of the remainder, in double. */
static inline double
add_up(const lanes *sum, const four *rest, double tail)
{
	double		part[4] = {tail, 0.0, 0.0, 0.0};

	for (int i = 0; i < LANES; i += 4)
		for (int j = 0; j < 4; j++)
			part[j] += (double) (*sum)[i + j];
	for (int j = 0; j < 4; j++)
		part[j] += (double) (*rest)[j];

	return (part[0] + part[1]) + (part[2] + part[3]);
}

static double
dot(int n, const float *a, const float *b)
{
	lanes		s0 = {0},
				s1 = {0},
				s2 = {0},
				s3 = {0};
	four		rest = {0};
	double		tail = 0.0;
	int			i = 0;

	for (; i + 4 * LANES <= n; i += 4 * LANES)
	{
		s0 += LOAD(a + i) * LOAD(b + i);
		s1 += LOAD(a + i + LANES) * LOAD(b + i + LANES);
		s2 += LOAD(a + i + 2 * LANES) * LOAD(b + i + 2 * LANES);
		s3 += LOAD(a + i + 3 * LANES) * LOAD(b + i + 3 * LANES);
	}
	for (; i + LANES <= n; i += LANES)
		s0 += LOAD(a + i) * LOAD(b + i);
	for (; i + 4 <= n; i += 4)
		rest += LOAD4(a + i) * LOAD4(b + i);
	for (; i < n; i++)
		tail += (double) a[i] * (double) b[i];

	s0 = (s0 + s1) + (s2 + s3);
	return add_up(&s0, &rest, tail);
}

static double
squared_distance(int n, const float *a, const float *b)
{
	lanes		s0 = {0},
				s1 = {0},
				s2 = {0},
				s3 = {0};
	four		rest = {0};
	double		tail = 0.0;
	int			i = 0;

	for (; i + 4 * LANES <= n; i += 4 * LANES)
	{
		lanes		d0 = LOAD(a + i) - LOAD(b + i);
		lanes		d1 = LOAD(a + i + LANES) - LOAD(b + i + LANES);
		lanes		d2 = LOAD(a + i + 2 * LANES) - LOAD(b + i + 2 * LANES);
		lanes		d3 = LOAD(a + i + 3 * LANES) - LOAD(b + i + 3 * LANES);

		s0 += d0 * d0;
		s1 += d1 * d1;
		s2 += d2 * d2;
		s3 += d3 * d3;
	}
	for (; i + LANES <= n; i += LANES)
	{
		lanes		d = LOAD(a + i) - LOAD(b + i);

		s0 += d * d;
	}
	for (; i + 4 <= n; i += 4)
	{
		four		d = LOAD4(a + i) - LOAD4(b + i);

		rest += d * d;
	}
	for (; i < n; i++)
	{
		double		d = (double) a[i] - (double) b[i];

		tail += d * d;
	}

	s0 = (s0 + s1) + (s2 + s3);
	return add_up(&s0, &rest, tail);
}

static void
dot_and_norms(int n, const float *a, const float *b, double *ab, double *aa, double *bb)
{
	lanes		ab0 = {0},
				ab1 = {0},
				aa0 = {0},
				aa1 = {0},
				bb0 = {0},
				bb1 = {0};
	four		ab_rest = {0},
				aa_rest = {0},
				bb_rest = {0};
	double		ab_tail = 0.0,
				aa_tail = 0.0,
				bb_tail = 0.0;
	int			i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES)
	{
		lanes		x0 = LOAD(a + i);
		lanes		y0 = LOAD(b + i);
		lanes		x1 = LOAD(a + i + LANES);
		lanes		y1 = LOAD(b + i + LANES);

		ab0 += x0 * y0;
		aa0 += x0 * x0;
		bb0 += y0 * y0;
		ab1 += x1 * y1;
		aa1 += x1 * x1;
		bb1 += y1 * y1;
	}
	for (; i + LANES <= n; i += LANES)
	{
		lanes		x = LOAD(a + i);
		lanes		y = LOAD(b + i);

		ab0 += x * y;
		aa0 += x * x;
		bb0 += y * y;
	}
	for (; i + 4 <= n; i += 4)
	{
		four		x = LOAD4(a + i);
		four		y = LOAD4(b + i);

		ab_rest += x * y;
		aa_rest += x * x;
		bb_rest += y * y;
	}
	for (; i < n; i++)
	{
		double		x = a[i];
		double		y = b[i];

		ab_tail += x * y;
		aa_tail += x * x;
		bb_tail += y * y;
	}

	ab0 += ab1;
	aa0 += aa1;
	bb0 += bb1;
	*ab = add_up(&ab0, &ab_rest, ab_tail);
	*aa = add_up(&aa0, &aa_rest, aa_tail);
	*bb = add_up(&bb0, &bb_rest, bb_tail);
}

static const rmf_vector_kernels kernels = {
	.name = RMF_VECTOR_NAME,
	.dot = dot,
	.squared_distance = squared_distance,
	.dot_and_norms = dot_and_norms
};

const rmf_vector_kernels *const RMF_VECTOR_TABLE = &kernels;
