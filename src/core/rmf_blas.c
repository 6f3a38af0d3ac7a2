/*
 * rmf_blas.c
 *	  Calls into BLAS and LAPACK, and the check that they compute what they
 *	  should.
 *
 * Why a check: a library older than the processor may choose kernels that give
 * wrong results or run garbage, and a model trained on these looks like any
 * other.  The sizes lie below and above the libraries' blocks (4 to 64
 * columns, a few hundred rows) and are mostly odd, so that both the fast path
 * and the edges run.
 *
 * Memory: rmf_blas_compare() keeps its matrices on the stack, about 250 kB.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include <cblas.h>

#include "rmf_blas.h"
#include "rmf_random.h"

/* LAPACK's Cholesky factorisation; column-major, so "U" is our lower triangle. */
extern void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);

/*
 * A routine's error may be this many times the sum of the absolute values of
 * all terms.  In single precision 6e-8 is one rounding, and 400 terms are
 * summed at most.
 */
#define TOLERANCE 3e-5

/* The largest matrices of the check, in floats. */
#define MAX_PANEL (401 * 40)
#define MAX_SQUARE (130 * 130)
#define MAX_VECTOR 401

typedef struct check_case
{
	int			rows;
	int			columns;
	const char *syrk;			/* what to report when this routine fails */
	const char *gemm_nt;
	const char *gemv_t;
	const char *gemv;
	const char *posv;
} check_case;

#define CASE(rows, columns) \
	{rows, columns, \
		"syrk of " #rows " rows, " #columns " columns", \
		"gemm of " #rows " rows, " #columns " columns", \
		"gemv (transposed) of " #rows " rows, " #columns " columns", \
		"gemv of " #rows " rows, " #columns " columns", \
		"potrf and trsv of a system of " #columns}

static const check_case check_cases[] = {
	CASE(1, 1),
	CASE(5, 3),
	CASE(17, 16),
	CASE(401, 33),
	CASE(100, 65),
	CASE(123, 130)
};

void
rmf_blas_syrk(int d, int n, const float *x, int ldx, float beta, float *c, int ldc)
{
	cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, d, n, 1.0f, x, ldx, beta, c, ldc);
}

void
rmf_blas_gemm_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb,
				 float *c, int ldc)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, a, lda, b, ldb,
				0.0f, c, ldc);
}

void
rmf_blas_gemv_t(int n, int d, const float *x, int ldx, const float *w, float beta, float *y)
{
	cblas_sgemv(CblasRowMajor, CblasTrans, n, d, 1.0f, x, ldx, w, 1, beta, y, 1);
}

void
rmf_blas_gemv(int n, int d, const float *x, int ldx, const float *v, float *y)
{
	cblas_sgemv(CblasRowMajor, CblasNoTrans, n, d, 1.0f, x, ldx, v, 1, 0.0f, y, 1);
}

/*
 * Rounding alone can leave a tiny positive pivot where a singular matrix has a
 * zero, and the solution would be noise.  The sum of the squares of a row of
 * the factor is the diagonal entry that was factored, so the share that its
 * pivot keeps is at hand.
 */
static int
pivots_are_sound(int d, const float *factor)
{
	for (int i = 0; i < d; i++)
	{
		const float *row = factor + (size_t) i * (size_t) d;
		double		pivot = (double) row[i] * row[i];
		double		diagonal = pivot;

		for (int j = 0; j < i; j++)
			diagonal += (double) row[j] * row[j];
		if (!(pivot > d * (double) FLT_EPSILON * diagonal))
			return 0;
	}
	return 1;
}

rmf_status
rmf_blas_posv(int d, float *a, float *b)
{
	int			info;

	spotrf_("U", &d, a, &d, &info);
	if (info != 0 || !pivots_are_sound(d, a))
		return RMF_SINGULAR;
	cblas_strsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, d, a, d, b, 1);
	cblas_strsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, d, a, d, b, 1);
	return RMF_OK;
}

/* One sum of products in double, and the sum of their absolute values. */
typedef struct exact_sum
{
	double		value;
	double		magnitude;
} exact_sum;

static exact_sum
exact_dot(int n, const float *a, int stride_a, const float *b, int stride_b)
{
	exact_sum	sum = {0, 0};

	for (int i = 0; i < n; i++)
	{
		double		product = (double) a[(size_t) i * (size_t) stride_a] * b[(size_t) i * (size_t) stride_b];

		sum.value += product;
		sum.magnitude += fabs(product);
	}
	return sum;
}

/* False for NaN as well. */
static int
agrees(float computed, exact_sum exact)
{
	return fabs(computed - exact.value) <= TOLERANCE * exact.magnitude;
}

static int
syrk_is_right(const rmf_blas_routines *routines, int n, int d, const float *x)
{
	float		c[MAX_SQUARE];

	for (int i = 0; i < d * d; i++)
		c[i] = 1;
	routines->syrk(d, n, x, d, 0.5f, c, d);
	for (int i = 0; i < d; i++)
	{
		for (int j = 0; j <= i; j++)
		{
			exact_sum	exact = exact_dot(n, x + i, d, x + j, d);

			exact.value += 0.5;
			exact.magnitude += 0.5;
			if (!agrees(c[i * d + j], exact))
				return 0;
		}
	}
	return 1;
}

/* The products of at most 130 rows of x with each other, so that c is no larger than needed. */
static int
gemm_is_right(const rmf_blas_routines *routines, int n, int d, const float *x)
{
	float		c[MAX_SQUARE];
	int			m = n < 130 ? n : 130;
	const float *b = x + (size_t) (n - m) * (size_t) d;

	routines->gemm_nt(m, m, d, x, d, b, d, c, m);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < m; j++)
			if (!agrees(c[i * m + j], exact_dot(d, x + i * d, 1, b + j * d, 1)))
				return 0;
	return 1;
}

static int
gemv_t_is_right(const rmf_blas_routines *routines, int n, int d, const float *x, const float *w)
{
	float		y[MAX_VECTOR];

	for (int j = 0; j < d; j++)
		y[j] = 1;
	routines->gemv_t(n, d, x, d, w, 0.5f, y);
	for (int j = 0; j < d; j++)
	{
		exact_sum	exact = exact_dot(n, x + j, d, w, 1);

		exact.value += 0.5;
		exact.magnitude += 0.5;
		if (!agrees(y[j], exact))
			return 0;
	}
	return 1;
}

static int
gemv_is_right(const rmf_blas_routines *routines, int n, int d, const float *x, const float *v)
{
	float		y[MAX_VECTOR];

	routines->gemv(n, d, x, d, v, y);
	for (int i = 0; i < n; i++)
		if (!agrees(y[i], exact_dot(d, x + i * d, 1, v, 1)))
			return 0;
	return 1;
}

/* X'X + I is positive definite; the solution is put back into the equations. */
static int
posv_is_right(const rmf_blas_routines *routines, int n, int d, const float *x, const float *b)
{
	float		a[MAX_SQUARE];
	float		factored[MAX_SQUARE];
	float		solution[MAX_VECTOR];

	for (int i = 0; i < d; i++)
	{
		for (int j = 0; j <= i; j++)
		{
			a[i * d + j] = (float) exact_dot(n, x + i, d, x + j, d).value;
			a[j * d + i] = a[i * d + j];
		}
		a[i * d + i] += 1;
	}
	memcpy(factored, a, (size_t) (d * d) * sizeof(float));
	memcpy(solution, b, (size_t) d * sizeof(float));
	if (routines->posv(d, factored, solution) != RMF_OK)
		return 0;
	for (int i = 0; i < d; i++)
	{
		exact_sum	exact = exact_dot(d, a + i * d, 1, solution, 1);

		exact.magnitude += fabs(b[i]);
		if (!agrees(b[i], exact))
			return 0;
	}
	return 1;
}

rmf_status
rmf_blas_compare(const rmf_blas_routines *routines, const char **detail)
{
	float		x[MAX_PANEL];
	float		v[MAX_VECTOR];

	rmf_random_normal(1, 0, 1.0, MAX_PANEL, x);
	rmf_random_normal(2, 0, 1.0, MAX_VECTOR, v);

	for (size_t i = 0; i < sizeof(check_cases) / sizeof(check_cases[0]); i++)
	{
		const check_case *c = &check_cases[i];
		const char *wrong = NULL;

		if (!syrk_is_right(routines, c->rows, c->columns, x))
			wrong = c->syrk;
		else if (!gemm_is_right(routines, c->rows, c->columns, x))
			wrong = c->gemm_nt;
		else if (!gemv_t_is_right(routines, c->rows, c->columns, x, v))
			wrong = c->gemv_t;
		else if (!gemv_is_right(routines, c->rows, c->columns, x, v))
			wrong = c->gemv;
		else if (!posv_is_right(routines, c->rows, c->columns, x, v))
			wrong = c->posv;

		if (wrong != NULL)
		{
			if (detail != NULL)
				*detail = wrong;
			return RMF_BLAS_BROKEN;
		}
	}
	return RMF_OK;
}

rmf_status
rmf_blas_check(const char **detail)
{
	static const rmf_blas_routines routines = {
		rmf_blas_syrk, rmf_blas_gemm_nt, rmf_blas_gemv_t, rmf_blas_gemv, rmf_blas_posv
	};

	if (openblas_get_num_threads() != 1)
	{
		if (detail != NULL)
			*detail = "more than one thread";
		return RMF_BLAS_BROKEN;
	}
	return rmf_blas_compare(&routines, detail);
}

const char *
rmf_blas_core_name(void)
{
	return openblas_get_corename();
}
