/*
 * rmf_blas.h
 *	  The one place that knows the names of BLAS and LAPACK, and whether the
 *	  library behind them may be trusted.
 *
 * The library must be a serial one: a PostgreSQL backend never has a second
 * thread.  Row-major everywhere; the lower triangle of symmetric matrices.
 */
#ifndef RMF_BLAS_H
#define RMF_BLAS_H

#include <stddef.h>

#include "rmf_status.h"

/*
 * Once per process, before the first use: asserts that the library runs one
 * thread, and compares the routines below at a few sizes with plain
 * loops in double precision.  RMF_BLAS_BROKEN: *detail (if not NULL) names
 * the routine and size, or the threads; static storage.
 */
extern rmf_status rmf_blas_check(const char **detail);

/* The routines that are checked, in the forms declared below. */
typedef struct rmf_blas_routines
{
	void		(*syrk) (int d, int n, const float *x, int ldx, float beta, float *c, int ldc);
	void		(*gemm_nt) (int m, int n, int k, const float *a, int lda, const float *b, int ldb,
							float *c, int ldc);
	void		(*gemv_t) (int n, int d, const float *x, int ldx, const float *w, float beta, float *y);
	void		(*gemv) (int n, int d, const float *x, int ldx, const float *v, float *y);
	rmf_status	(*posv) (int d, float *a, float *b);
} rmf_blas_routines;

/* The comparison that rmf_blas_check() makes, with any routines (a test brings wrong ones). */
extern rmf_status rmf_blas_compare(const rmf_blas_routines *routines, const char **detail);

/* What the library says of itself, such as "Haswell". */
extern const char *rmf_blas_core_name(void);

/* lower(C) := X'X + beta C; X is n x d with row stride ldx, C is d x d with row stride ldc. */
extern void rmf_blas_syrk(int d, int n, const float *x, int ldx, float beta, float *c, int ldc);

/* C := A B' ; A is m x k (lda), B is n x k (ldb), C is m x n (ldc). */
extern void rmf_blas_gemm_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb,
							 float *c, int ldc);

/* y := X' w + beta y; X is n x d (ldx), w has n, y has d. */
extern void rmf_blas_gemv_t(int n, int d, const float *x, int ldx, const float *w, float beta, float *y);

/* y := X v; X is n x d (ldx), v has d, y has n. */
extern void rmf_blas_gemv(int n, int d, const float *x, int ldx, const float *v, float *y);

/*
 * Solves A x = b in place of b; A is symmetric positive definite, d x d, row
 * stride d, its lower triangle is read and overwritten by the Cholesky factor.
 * RMF_SINGULAR when A is not positive definite beyond rounding: a pivot is at
 * most d * FLT_EPSILON of its diagonal entry (A and b are then spoilt).
 */
extern rmf_status rmf_blas_posv(int d, float *a, float *b);

#endif							/* RMF_BLAS_H */
