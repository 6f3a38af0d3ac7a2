/*
 * recmf_blas.h
 *	  OpenBLAS, loaded and checked at its first use.
 */
#ifndef RECMF_BLAS_H
#define RECMF_BLAS_H

#include "postgres.h"

/*
 * Before anything of the core that uses BLAS; once per backend.  ERROR where
 * the library is not to be found, and one whose hint names OPENBLAS_CORETYPE
 * where it is not sound.
 */
extern void recmf_blas_check_once(void);

#endif							/* RECMF_BLAS_H */
