/*
 * rmf_vector.c
 *	  Choice of the kernels, and what is exact about them.
 *
 * The processor is asked each time: the answer is a few bits that the
 * compiler's runtime has read at start-up, so that nothing needs to be kept
 * here.  It covers the operating system's part (saved registers) as well.
 *
 * The kernels add up in float.  That is fast and good to about 1e-6 of the sum
 * of the absolute terms, but squares of floats leave the range of a float long
 * before the floats do.  rmf_dot() and its kin therefore look at the result:
 * outside the range in which float sums can be trusted they start over in
 * double, whose range holds 16,000 such terms with ease.
 */
#include <math.h>
#include <stddef.h>

#include "rmf_vector.h"
#include "rmf_vector_levels.h"

/*
 * Each of n terms may lose up to 2^-150 to underflow.  With up to 2^24 terms
 * that stays below 2^-24 of a sum that is at least this.
 */
#define SMALLEST_TRUSTED 1e-30

static int
cpu_has(rmf_cpu_level level)
{
	switch (level)
	{
		case RMF_CPU_BASELINE:
			return 1;
#if defined(__x86_64__)
		case RMF_CPU_AVX2:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
		case RMF_CPU_AVX512:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
				__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
				__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
		default:
			return 0;
	}
}

const rmf_vector_kernels *
rmf_vector_kernels_of(rmf_cpu_level level)
{
	if (!cpu_has(level))
		return NULL;

	switch (level)
	{
		case RMF_CPU_AVX512:
			return rmf_vector_avx512;
		case RMF_CPU_AVX2:
			return rmf_vector_avx2;
		default:
			return rmf_vector_baseline;
	}
}

rmf_cpu_level
rmf_cpu_best(void)
{
	if (rmf_vector_kernels_of(RMF_CPU_AVX512) != NULL)
		return RMF_CPU_AVX512;
	if (rmf_vector_kernels_of(RMF_CPU_AVX2) != NULL)
		return RMF_CPU_AVX2;
	return RMF_CPU_BASELINE;
}

const rmf_vector_kernels *
rmf_vector_best(void)
{
	return rmf_vector_kernels_of(rmf_cpu_best());
}

/* False for NaN and infinity too. */
static inline int
trusted(double sum)
{
	double		magnitude = fabs(sum);

	return magnitude >= SMALLEST_TRUSTED && magnitude <= 1e38;
}

double
rmf_dot_double(int n, const float *a, const float *b)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * (double) b[i];
	return sum;
}

double
rmf_squared_distance_double(int n, const float *a, const float *b)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
	{
		double		difference = (double) a[i] - (double) b[i];

		sum += difference * difference;
	}
	return sum;
}

double
rmf_dot(int n, const float *a, const float *b)
{
	double		sum = rmf_vector_best()->dot(n, a, b);

	return trusted(sum) ? sum : rmf_dot_double(n, a, b);
}

double
rmf_squared_distance(int n, const float *a, const float *b)
{
	double		sum = rmf_vector_best()->squared_distance(n, a, b);

	return trusted(sum) ? sum : rmf_squared_distance_double(n, a, b);
}

double
rmf_cosine(int n, const float *a, const float *b)
{
	double		ab;
	double		aa;
	double		bb;
	double		cosine;

	rmf_vector_best()->dot_and_norms(n, a, b, &ab, &aa, &bb);

	/*
	 * Finite norms bound the inner product.  Both norms must be well above
	 * the smallest trusted sum for their product to bound what ab has lost.
	 */
	if (!trusted(aa) || !trusted(bb) || !isfinite(ab))
	{
		ab = rmf_dot_double(n, a, b);
		aa = rmf_dot_double(n, a, a);
		bb = rmf_dot_double(n, b, b);
	}

	if (aa == 0.0 || bb == 0.0)
		return 0.0;

	/* Within the range of a double for up to 2^31 floats: 1e-180 to 1e180.  Exactly 1 when a is b. */
	cosine = ab / sqrt(aa * bb);
	if (cosine > 1.0)
		return 1.0;
	if (cosine < -1.0)
		return -1.0;
	return cosine;
}

void
rmf_normalize(int n, const float *a, float *out)
{
	double		norm = sqrt(rmf_dot_double(n, a, a));

	for (int i = 0; i < n; i++)
		out[i] = norm > 0.0 ? (float) ((double) a[i] / norm) : 0.0f;
}

/* x - x is 0 for a finite x and NaN otherwise: a test that runs in lanes. */
static rmf_status
check_finite(int n, const float *x)
{
	int			bad = 0;

	for (int i = 0; i < n; i++)
		bad |= !(x[i] - x[i] == 0.0f);
	return bad ? RMF_NOT_FINITE : RMF_OK;
}

rmf_status
rmf_add(int n, const float *a, const float *b, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = a[i] + b[i];
	return check_finite(n, out);
}

rmf_status
rmf_subtract(int n, const float *a, const float *b, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = a[i] - b[i];
	return check_finite(n, out);
}

rmf_status
rmf_multiply(int n, const float *a, const float *b, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = a[i] * b[i];
	return check_finite(n, out);
}

void
rmf_accumulate(int n, double *sum, const float *a)
{
	for (int i = 0; i < n; i++)
		sum[i] += (double) a[i];
}

rmf_status
rmf_divide_sum(int n, const double *sum, double divisor, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = (float) (sum[i] / divisor);
	return check_finite(n, out);
}
