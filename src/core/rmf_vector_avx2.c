/*
 * rmf_vector_avx2.c
 *	  The kernels of rmf_vector.h for x86-64 processors with AVX2 and FMA.
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include <stddef.h>

#include "rmf_vector_levels.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)

#define RMF_VECTOR_BYTES 32
#define RMF_VECTOR_NAME "avx2"
#define RMF_VECTOR_TABLE rmf_vector_avx2

#include "rmf_vector_loops.h"

#else

const rmf_vector_kernels *const rmf_vector_avx2 = NULL;

#endif
