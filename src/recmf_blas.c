/*
 * recmf_blas.c
 *	  OpenBLAS, loaded and checked at its first use.
 *
 * The core calls BLAS and LAPACK by their names (core/rmf_blas.c), and its unit
 * tests are linked with the library.  A backend is not: OpenBLAS has kernels
 * for dozens of processors in some 30 MB, and loading it takes longer than
 * hundreds of recommendations, which don't need it.  So those names are
 * defined here, and pass on to the library, which is loaded when a training
 * begins, or whatever else asks recmf_blas_check_once() first.
 *
 * It is loaded from the directory that recmf was built with: the serial build,
 * whatever else of that name the system has.  Its symbols are seen by nobody
 * else in the backend, and it stays until the backend ends.
 */
#include "postgres.h"

#include <dlfcn.h>

/* Nobody else's calls shall come here. */
#pragma GCC visibility push(hidden)
#include <cblas.h>

extern void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
#pragma GCC visibility pop

#include "core/rmf_blas.h"
#include "recmf_blas.h"

static struct
{
	__typeof__(&cblas_sgemm) sgemm;
	__typeof__(&cblas_sgemv) sgemv;
	__typeof__(&cblas_ssyrk) ssyrk;
	__typeof__(&cblas_strsv) strsv;
	__typeof__(&spotrf_) spotrf;
	__typeof__(&openblas_get_corename) get_corename;
	__typeof__(&openblas_get_num_threads) get_num_threads;
}			library;

void
cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE transpose_a,
			const enum CBLAS_TRANSPOSE transpose_b, const blasint m, const blasint n, const blasint k,
			const float alpha, const float *a, const blasint lda, const float *b, const blasint ldb,
			const float beta, float *c, const blasint ldc)
{
	library.sgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void
cblas_sgemv(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE transpose, const blasint m,
			const blasint n, const float alpha, const float *a, const blasint lda, const float *x,
			const blasint incx, const float beta, float *y, const blasint incy)
{
	library.sgemv(order, transpose, m, n, alpha, a, lda, x, incx, beta, y, incy);
}

void
cblas_ssyrk(const enum CBLAS_ORDER order, const enum CBLAS_UPLO uplo, const enum CBLAS_TRANSPOSE transpose,
			const blasint n, const blasint k, const float alpha, const float *a, const blasint lda,
			const float beta, float *c, const blasint ldc)
{
	library.ssyrk(order, uplo, transpose, n, k, alpha, a, lda, beta, c, ldc);
}

void
cblas_strsv(const enum CBLAS_ORDER order, const enum CBLAS_UPLO uplo, const enum CBLAS_TRANSPOSE transpose,
			const enum CBLAS_DIAG diag, const blasint n, const float *a, const blasint lda, float *x,
			const blasint incx)
{
	library.strsv(order, uplo, transpose, diag, n, a, lda, x, incx);
}

void
spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info)
{
	library.spotrf(uplo, n, a, lda, info);
}

char *
openblas_get_corename(void)
{
	return library.get_corename();
}

int
openblas_get_num_threads(void)
{
	return library.get_num_threads();
}

static void
load(void)
{
	const struct
	{
		const char *name;
		void	  **place;
	}			routines[] = {
		{"cblas_sgemm", (void **) &library.sgemm},
		{"cblas_sgemv", (void **) &library.sgemv},
		{"cblas_ssyrk", (void **) &library.ssyrk},
		{"cblas_strsv", (void **) &library.strsv},
		{"spotrf_", (void **) &library.spotrf},
		{"openblas_get_corename", (void **) &library.get_corename},
		{"openblas_get_num_threads", (void **) &library.get_num_threads},
	};
	void	   *handle = dlopen(RECMF_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
	int			i;

	if (handle == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not load the OpenBLAS library: %s", dlerror()),
				 errdetail("Training, and folding in what a model was not trained on, need it; other functions don't."),
				 errhint("Install the serial OpenBLAS that recmf was built with; on Debian, the package libopenblas0-serial.")));
	for (i = 0; i < lengthof(routines); i++)
	{
		*routines[i].place = dlsym(handle, routines[i].name);
		if (*routines[i].place == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("library \"%s\" has no function %s", RECMF_OPENBLAS, routines[i].name),
					 errhint("Install the serial OpenBLAS that recmf was built with.")));
	}
}

void
recmf_blas_check_once(void)
{
	static bool loaded = false;
	static bool checked = false;
	const char *detail = NULL;

	if (!loaded)
		load();
	loaded = true;
	if (checked)
		return;
	if (rmf_blas_check(&detail) != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the OpenBLAS library failed its self-check: %s",
						detail != NULL ? detail : rmf_status_message(RMF_BLAS_BROKEN)),
				 errdetail("The library runs its kernels for \"%s\".", rmf_blas_core_name()),
				 errhint("Install a newer serial OpenBLAS, or set the environment variable OPENBLAS_CORETYPE of the server (for example to Haswell) and restart it.")));
	checked = true;
}
