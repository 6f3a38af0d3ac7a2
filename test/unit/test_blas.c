/*
 * test_blas.c
 *	  The BLAS layer: the library passes its check, a wrong one does not, and
 *	  strides, betas and singular systems do what the header says.
 */
#include <math.h>
#include <string.h>

#include "rmf_blas.h"
#include "rmf_random.h"
#include "unit.h"

#define MAX_ROWS 300
#define MAX_COLUMNS 70
#define MAX_STRIDE 80

static float x[MAX_ROWS * MAX_STRIDE];
static float v[MAX_ROWS];

static const rmf_blas_routines right = {
	rmf_blas_syrk, rmf_blas_gemm_nt, rmf_blas_gemv_t, rmf_blas_gemv, rmf_blas_posv
};

/* Routines that are wrong in a way that a broken library is: from some size on, or at an edge. */
static void
syrk_loses_last_row(int d, int n, const float *rows, int ldx, float beta, float *c, int ldc)
{
	rmf_blas_syrk(d, n > 256 ? n - 1 : n, rows, ldx, beta, c, ldc);
}

static void
syrk_ignores_beta(int d, int n, const float *rows, int ldx, float beta, float *c, int ldc)
{
	(void) beta;
	rmf_blas_syrk(d, n, rows, ldx, 0.0f, c, ldc);
}

static void
gemm_spoils_edge(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc)
{
	rmf_blas_gemm_nt(m, n, k, a, lda, b, ldb, c, ldc);
	if (n % 8 != 0 && n > 100)
		c[(m - 1) * ldc + n - 1] += 0.01f;
}

static void
gemv_t_gives_nan(int n, int d, const float *rows, int ldx, const float *w, float beta, float *y)
{
	rmf_blas_gemv_t(n, d, rows, ldx, w, beta, y);
	if (d == 65)
		y[64] = NAN;
}

static void
gemv_is_empty(int n, int d, const float *rows, int ldx, const float *w, float *y)
{
	(void) d;
	(void) rows;
	(void) ldx;
	(void) w;
	memset(y, 0, (size_t) n * sizeof(float));
}

static rmf_status
posv_is_off(int d, float *a, float *b)
{
	rmf_status	status = rmf_blas_posv(d, a, b);

	if (d == 130)
		b[100] *= 1.01f;
	return status;
}

static rmf_status
posv_gives_up(int d, float *a, float *b)
{
	return d > 16 ? RMF_SINGULAR : rmf_blas_posv(d, a, b);
}

static void
check_is_broken(const rmf_blas_routines *wrong, const char *expected)
{
	const char *detail = "none";

	CHECK(rmf_blas_compare(wrong, &detail) == RMF_BLAS_BROKEN);
	if (strcmp(detail, expected) != 0)
		fprintf(stderr, "detail is \"%s\"\n", detail);
	CHECK(strcmp(detail, expected) == 0);
	CHECK(rmf_blas_compare(wrong, NULL) == RMF_BLAS_BROKEN);
}

static void
test_check(void)
{
	const char *detail = "none";
	rmf_blas_routines wrong;

	CHECK(rmf_blas_check(&detail) == RMF_OK);
	CHECK(strcmp(detail, "none") == 0);
	CHECK(rmf_blas_check(NULL) == RMF_OK);
	CHECK(rmf_blas_core_name() != NULL && strlen(rmf_blas_core_name()) > 0);
	CHECK(rmf_blas_compare(&right, NULL) == RMF_OK);

	wrong = right;
	wrong.syrk = syrk_loses_last_row;
	check_is_broken(&wrong, "syrk of 401 rows, 33 columns");
	wrong.syrk = syrk_ignores_beta;
	check_is_broken(&wrong, "syrk of 1 rows, 1 columns");
	wrong = right;
	wrong.gemm_nt = gemm_spoils_edge;
	check_is_broken(&wrong, "gemm of 401 rows, 33 columns");
	wrong = right;
	wrong.gemv_t = gemv_t_gives_nan;
	check_is_broken(&wrong, "gemv (transposed) of 100 rows, 65 columns");
	wrong = right;
	wrong.gemv = gemv_is_empty;
	check_is_broken(&wrong, "gemv of 1 rows, 1 columns");
	wrong = right;
	wrong.posv = posv_is_off;
	check_is_broken(&wrong, "potrf and trsv of a system of 130");
	wrong.posv = posv_gives_up;
	check_is_broken(&wrong, "potrf and trsv of a system of 33");
}

/* Strides larger than the rows, beta, and what must not be touched. */
static void
test_strides(int n, int d, int ldx, int ldc)
{
	static float c[MAX_ROWS * MAX_STRIDE];
	float		y[MAX_ROWS];

	for (int i = 0; i < d * ldc; i++)
		c[i] = 2;
	rmf_blas_syrk(d, n, x, ldx, 3.0f, c, ldc);
	for (int i = 0; i < d; i++)
	{
		for (int j = 0; j < ldc; j++)
		{
			double		sum = 6;

			for (int t = 0; t < n; t++)
				sum += j < d ? (double) x[t * ldx + i] * x[t * ldx + j] : 0;
			CHECK_NEAR(c[i * ldc + j], j <= i ? sum : 2, 1e-5 * (n + 6));
		}
	}

	/* beta 0 takes no notice of what was there */
	for (int i = 0; i < n * ldc; i++)
		c[i] = NAN;
	rmf_blas_gemm_nt(n, d, d, x, ldx, x, ldx, c, ldc);
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < ldc; j++)
		{
			double		sum = 0;

			if (j >= d || j >= n)
				continue;
			for (int t = 0; t < d; t++)
				sum += (double) x[i * ldx + t] * x[j * ldx + t];
			CHECK_NEAR(c[i * ldc + j], sum, 1e-5 * (d + 1));
		}
		if (ldc > d)
			CHECK(isnan(c[i * ldc + d]));
	}

	for (int j = 0; j < d; j++)
		y[j] = 2;
	rmf_blas_gemv_t(n, d, x, ldx, v, 3.0f, y);
	for (int j = 0; j < d; j++)
	{
		double		sum = 6;

		for (int t = 0; t < n; t++)
			sum += (double) v[t] * x[t * ldx + j];
		CHECK_NEAR(y[j], sum, 1e-5 * (n + 6));
	}

	for (int i = 0; i < n; i++)
		y[i] = NAN;
	rmf_blas_gemv(n, d, x, ldx, v, y);
	for (int i = 0; i < n; i++)
	{
		double		sum = 0;

		for (int j = 0; j < d; j++)
			sum += (double) v[j] * x[i * ldx + j];
		CHECK_NEAR(y[i], sum, 1e-5 * (d + 1));
	}
}

static void
test_posv(void)
{
	float		two[4] = {4, NAN, 2, 3};	/* the upper triangle is not read */
	float		b[3] = {10, 8, 1};
	float		zero[4] = {0, 0, 0, 0};
	float		negative[1] = {-1};
	float		nothing[1] = {NAN};
	float		tiny[1] = {1e-38f};
	float		rank_one[9];
	float		shifted[9];

	CHECK(rmf_blas_posv(2, two, b) == RMF_OK);
	CHECK_NEAR(b[0], 1.75, 1e-6);
	CHECK_NEAR(b[1], 1.5, 1e-6);

	CHECK(rmf_blas_posv(2, zero, b) == RMF_SINGULAR);
	CHECK(rmf_blas_posv(1, negative, b) == RMF_SINGULAR);
	CHECK(rmf_blas_posv(1, nothing, b) == RMF_SINGULAR);
	b[0] = 1e-38f;
	CHECK(rmf_blas_posv(1, tiny, b) == RMF_OK);
	CHECK_NEAR(b[0], 1, 1e-6);

	/* the rounding of a rank-one matrix must not pass for rank three, at any scale */
	for (int scale = 0; scale < 3; scale++)
	{
		const float u[3] = {0.1f, 0.7f, 1.3f};
		const float size = scale == 0 ? 1.0f : scale == 1 ? 1e-20f : 1e20f;

		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 3; j++)
				rank_one[i * 3 + j] = u[i] * u[j] * size;
		memcpy(shifted, rank_one, sizeof(shifted));
		CHECK(rmf_blas_posv(3, rank_one, b) == RMF_SINGULAR);
		for (int i = 0; i < 3; i++)
			shifted[i * 3 + i] *= 1.001f;
		b[0] = b[1] = b[2] = 1;
		CHECK(rmf_blas_posv(3, shifted, b) == RMF_OK);
		CHECK(isfinite(b[0]) && isfinite(b[1]) && isfinite(b[2]));
	}
}

int
main(void)
{
	rmf_random_normal(1, 1, 1.0, MAX_ROWS * MAX_STRIDE, x);
	rmf_random_normal(2, 1, 1.0, MAX_ROWS, v);

	test_check();
	test_strides(1, 1, 1, 1);
	test_strides(1, 3, 5, 4);
	test_strides(7, 16, 16, 16);
	test_strides(33, 17, 32, 20);
	test_strides(300, 65, 80, 65);
	test_strides(257, 70, 71, 72);
	test_posv();
	return unit_report("blas");
}
