/*
 * test_vector.c
 *	  Each level of the kernels against plain loops in double, and the safe
 *	  functions at the ends of the range of a float.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rmf_vector.h"
#include "unit.h"

#define LONGEST 16000

static uint32_t state = 1;

/* Uniform in (-1, 1); a 32-bit generator is enough for test data. */
static float
draw(void)
{
	state = state * UINT32_C(1664525) + UINT32_C(1013904223);
	return (float) ((int32_t) state / 2147483648.0);
}

/*
 * What float lanes may lose: a few units in the last place of the sum of the
 * absolute terms, more with more terms a lane (at least 16 lanes).
 */
static double
tolerance(int n, double absolute)
{
	return absolute * FLT_EPSILON * (4.0 + n / 16.0);
}

static void
check_level(const rmf_vector_kernels *kernels, int n, const float *a, const float *b)
{
	double		ab = 0.0,
				aa = 0.0,
				bb = 0.0,
				distance = 0.0,
				absolute = 0.0;
	double		got_ab,
				got_aa,
				got_bb;

	for (int i = 0; i < n; i++)
	{
		double		x = a[i],
					y = b[i];

		ab += x * y;
		aa += x * x;
		bb += y * y;
		distance += (x - y) * (x - y);
		absolute += fabs(x * y);
	}

	CHECK_NEAR(kernels->dot(n, a, b), ab, tolerance(n, absolute));
	CHECK_NEAR(kernels->squared_distance(n, a, b), distance, tolerance(n, distance));
	kernels->dot_and_norms(n, a, b, &got_ab, &got_aa, &got_bb);
	CHECK_NEAR(got_ab, ab, tolerance(n, absolute));
	CHECK_NEAR(got_aa, aa, tolerance(n, aa));
	CHECK_NEAR(got_bb, bb, tolerance(n, bb));
}

/*
 * Vectors of n in blocks of their own, so that the sanitizer sees a read past
 * the end; "offset" floats into them, so that they are not aligned.
 */
static void
check_length(const rmf_vector_kernels *kernels, int n, int offset, double scale_a, double scale_b)
{
	float	   *block_a = malloc(sizeof(float) * (size_t) (n + offset));
	float	   *block_b = malloc(sizeof(float) * (size_t) (n + offset + 1));
	float	   *a = block_a + offset;
	float	   *b = block_b + offset + 1;

	for (int i = 0; i < n; i++)
	{
		a[i] = (float) (draw() * scale_a);
		b[i] = (float) (draw() * scale_b);
	}
	check_level(kernels, n, a, b);
	free(block_a);
	free(block_b);
}

/* Small integers have exact sums: each element counts once, whatever the lanes. */
static void
check_exact(const rmf_vector_kernels *kernels)
{
	float		a[200] = {0},
				b[200] = {0};
	double		ab,
				aa,
				bb;

	for (int n = 0; n <= 200; n++)
	{
		double		expected_ab = 0.0,
					expected_bb = 0.0,
					expected_distance = 0.0;

		for (int i = 0; i < n; i++)
		{
			a[i] = 1.0f;
			b[i] = (float) (i - 7);
			expected_ab += i - 7;
			expected_bb += (i - 7) * (i - 7);
			expected_distance += (i - 8) * (i - 8);
		}
		CHECK(kernels->dot(n, a, b) == expected_ab);
		CHECK(kernels->squared_distance(n, a, b) == expected_distance);
		kernels->dot_and_norms(n, a, b, &ab, &aa, &bb);
		CHECK(ab == expected_ab && aa == n && bb == expected_bb);
	}
}

static void
test_levels(void)
{
	int			tested = 0;

	CHECK(rmf_vector_kernels_of(RMF_CPU_BASELINE) != NULL);
	CHECK(rmf_vector_best() == rmf_vector_kernels_of(rmf_cpu_best()));

	for (int level = RMF_CPU_BASELINE; level <= RMF_CPU_AVX512; level++)
	{
		static const char *const names[] = {"baseline", "avx2", "avx512"};
		static const int large[] = {255, 256, 257, 1000, 1023, 1024, 1025, 4099, LONGEST};
		const rmf_vector_kernels *kernels = rmf_vector_kernels_of((rmf_cpu_level) level);

		if (kernels == NULL)
		{
			CHECK(level > (int) rmf_cpu_best());
			printf("test_vector: %s is not in this build or processor\n", names[level]);
			continue;
		}
		tested++;
		CHECK(strcmp(kernels->name, names[level]) == 0);
		CHECK(level <= (int) rmf_cpu_best());

		check_exact(kernels);
		for (int n = 0; n <= 200; n++)
			for (int offset = 0; offset < 4; offset++)
			{
				check_length(kernels, n, offset, 1.0, 1.0);
				check_length(kernels, n, offset, 1e15, 1e-15);
				check_length(kernels, n, offset, 1e-12, 1e-12);
				check_length(kernels, n, offset, 1e17, 1e17);
			}
		for (size_t l = 0; l < sizeof(large) / sizeof(large[0]); l++)
			for (int offset = 0; offset < 4; offset++)
				check_length(kernels, large[l], offset, 1.0, 100.0);
	}
	CHECK(tested >= 1);
}

/* The ends of the range, at each length up to a few vectors and at the longest. */
static void
test_range(int n)
{
	float	   *a = malloc(sizeof(float) * (size_t) n);
	float	   *b = malloc(sizeof(float) * (size_t) n);
	double		max = FLT_MAX,
				tiny = FLT_TRUE_MIN;

	for (int i = 0; i < n; i++)
	{
		a[i] = FLT_MAX;
		b[i] = -FLT_MAX;
	}
	CHECK_NEAR(rmf_dot(n, a, b) / (max * max), -n, 1e-9 * n);
	CHECK_NEAR(rmf_squared_distance(n, a, b) / (4.0 * max * max), n, 1e-9 * n);
	CHECK_NEAR(rmf_cosine(n, a, b), -1.0, 1e-12);
	CHECK_NEAR(rmf_cosine(n, a, a), 1.0, 1e-12);

	/* infinities of both signs in the lanes, a finite sum */
	for (int i = 0; i < n; i++)
		b[i] = i % 2 ? -FLT_MAX : FLT_MAX;
	CHECK_NEAR(rmf_dot(n, a, b) / (max * max), n % 2, 1e-9);
	CHECK(isfinite(rmf_cosine(n, a, b)));

	/* products far below the smallest float */
	for (int i = 0; i < n; i++)
	{
		a[i] = FLT_TRUE_MIN;
		b[i] = FLT_TRUE_MIN * 3.0f;
	}
	CHECK_NEAR(rmf_dot(n, a, b) / (3.0 * tiny * tiny), n, 1e-9 * n);
	CHECK_NEAR(rmf_squared_distance(n, a, b) / (4.0 * tiny * tiny), n, 1e-9 * n);
	CHECK_NEAR(rmf_cosine(n, a, b), 1.0, 1e-12);

	/* one large, one small */
	for (int i = 0; i < n; i++)
		a[i] = FLT_MAX;
	CHECK_NEAR(rmf_cosine(n, a, b), 1.0, 1e-12);

	memset(b, 0, sizeof(float) * (size_t) n);
	CHECK(rmf_dot(n, a, b) == 0.0);
	CHECK(rmf_cosine(n, a, b) == 0.0);
	CHECK(rmf_cosine(n, b, b) == 0.0);
	CHECK(rmf_squared_distance(n, a, a) == 0.0);

	free(a);
	free(b);
}

static void
test_cosine_of_equal(void)
{
	float		a[64];

	for (int draws = 0; draws < 2000; draws++)
	{
		double		cosine;

		for (int i = 0; i < 64; i++)
			a[i] = draw();
		cosine = rmf_cosine(1 + draws % 64, a, a);
		CHECK(cosine == 1.0);
	}
}

static void
test_elementwise(void)
{
	float		a[3] = {1.0f, -2.0f, 3e38f};
	float		b[3] = {0.5f, 4.0f, -3e38f};
	float		out[3];
	double		sum[3] = {1.0, 0.0, 0.0};

	CHECK(rmf_add(3, a, b, out) == RMF_OK);
	CHECK(out[0] == 1.5f && out[1] == 2.0f && out[2] == 0.0f);
	CHECK(rmf_add(3, a, a, out) == RMF_NOT_FINITE);
	CHECK(rmf_add(2, a, a, out) == RMF_OK);
	CHECK(rmf_subtract(2, a, b, out) == RMF_OK);
	CHECK(out[0] == 0.5f && out[1] == -6.0f);
	CHECK(rmf_subtract(3, a, b, out) == RMF_NOT_FINITE);
	CHECK(rmf_multiply(2, a, b, out) == RMF_OK);
	CHECK(out[0] == 0.5f && out[1] == -8.0f);
	CHECK(rmf_multiply(3, a, b, out) == RMF_NOT_FINITE);

	rmf_accumulate(3, sum, a);
	rmf_accumulate(3, sum, a);
	CHECK(sum[0] == 3.0 && sum[1] == -4.0 && sum[2] == 2.0 * (double) 3e38f);
	CHECK(rmf_divide_sum(3, sum, 2.0, out) == RMF_OK);
	CHECK(out[0] == 1.5f && out[1] == -2.0f && out[2] == 3e38f);
	CHECK(rmf_divide_sum(3, sum, 1.0, out) == RMF_NOT_FINITE);
}

static void
test_normalize(void)
{
	static const float scales[] = {1.0f, FLT_MAX, FLT_TRUE_MIN};

	for (size_t s = 0; s < 3; s++)
	{
		float		a[4] = {scales[s], 0.0f, -scales[s], scales[s]};

		rmf_normalize(4, a, a);
		CHECK_NEAR(a[0], 1.0 / sqrt(3.0), 1e-7);
		CHECK(a[1] == 0.0f);
		CHECK_NEAR(a[2], -1.0 / sqrt(3.0), 1e-7);
		CHECK_NEAR(rmf_dot_double(4, a, a), 1.0, 1e-6);
	}

	{
		float		zero[2] = {0.0f, -0.0f};

		rmf_normalize(2, zero, zero);
		CHECK(zero[0] == 0.0f && zero[1] == 0.0f);
	}
}

int
main(void)
{
	test_levels();
	for (int n = 1; n <= 130; n++)
		test_range(n);
	test_range(LONGEST);
	test_cosine_of_equal();
	test_elementwise();
	test_normalize();
	return unit_report("test_vector");
}
