/*
 * rmf_mips_avx2.c
 *	  The loops of a query for x86-64 processors with AVX2 and FMA.
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include <stddef.h>

#include "rmf_mips_levels.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)

#define RMF_MIPS_BYTES 32
#define RMF_MIPS_TABLE rmf_mips_avx2

#include "rmf_mips_loops.h"

#else

const rmf_mips_kernels *const rmf_mips_avx2 = NULL;

#endif
