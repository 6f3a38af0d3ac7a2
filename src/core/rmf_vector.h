/*
 * rmf_vector.h
 *	  Kernels on float vectors, chosen at run time for the processor.
 *
 * Three builds of the same plain loops (rmf_vector_loops.h): the compiler's
 * baseline, AVX2 with FMA, and AVX-512.  Sums run in several float lanes that
 * are added up in a fixed order, in double at the end.
 */
#ifndef RMF_VECTOR_H
#define RMF_VECTOR_H

#include "rmf_status.h"

typedef enum rmf_cpu_level
{
	RMF_CPU_BASELINE = 0,
	RMF_CPU_AVX2 = 1,
	RMF_CPU_AVX512 = 2
} rmf_cpu_level;

typedef struct rmf_vector_kernels
{
	const char *name;			/* "baseline", "avx2", "avx512" */
	/* sum of a[i] b[i] */
	double		(*dot) (int n, const float *a, const float *b);
	/* sum of (a[i] - b[i])^2 */
	double		(*squared_distance) (int n, const float *a, const float *b);
	/* a.b, a.a and b.b in one pass */
	void		(*dot_and_norms) (int n, const float *a, const float *b,
								  double *ab, double *aa, double *bb);
} rmf_vector_kernels;

/* The highest level that both this build and this processor have. */
extern rmf_cpu_level rmf_cpu_best(void);

/* The kernels of a level, or NULL where the build or the processor lacks it. */
extern const rmf_vector_kernels *rmf_vector_kernels_of(rmf_cpu_level level);

/* Those of rmf_cpu_best(); cheap, callable from anywhere. */
extern const rmf_vector_kernels *rmf_vector_best(void);

/*
 * The kernels of rmf_cpu_best(), but safe over the whole range of finite
 * floats: where float sums overflow, or underflow so far that digits are lost,
 * the sum is taken again in double.  Never infinity or NaN for finite input.
 */
extern double rmf_dot(int n, const float *a, const float *b);
extern double rmf_squared_distance(int n, const float *a, const float *b);

/* Within [-1, 1]; 0 when either vector is zero. */
extern double rmf_cosine(int n, const float *a, const float *b);

/* out := a / |a|; zeros when a is zero.  out may be a. */
extern void rmf_normalize(int n, const float *a, float *out);

/* out[i] := a[i] + b[i], a[i] - b[i], a[i] b[i].  RMF_NOT_FINITE when one does not fit a float. */
extern rmf_status rmf_add(int n, const float *a, const float *b, float *out);
extern rmf_status rmf_subtract(int n, const float *a, const float *b, float *out);
extern rmf_status rmf_multiply(int n, const float *a, const float *b, float *out);

/* sum[i] += a[i] */
extern void rmf_accumulate(int n, double *sum, const float *a);

/* out[i] := sum[i] / divisor.  RMF_NOT_FINITE when one does not fit a float. */
extern rmf_status rmf_divide_sum(int n, const double *sum, double divisor, float *out);

/* Plain loops in double. */
extern double rmf_dot_double(int n, const float *a, const float *b);
extern double rmf_squared_distance_double(int n, const float *a, const float *b);

#endif							/* RMF_VECTOR_H */
