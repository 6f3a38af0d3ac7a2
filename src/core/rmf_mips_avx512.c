/*
 * rmf_mips_avx512.c
 *	  The loops of a query for x86-64 processors with AVX-512 (F, BW, VL, DQ).
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include <stddef.h>

#include "rmf_mips_levels.h"

#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && \
	defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__FMA__)

#define RMF_MIPS_BYTES 64
#define RMF_MIPS_TABLE rmf_mips_avx512

#include "rmf_mips_loops.h"

#else

const rmf_mips_kernels *const rmf_mips_avx512 = NULL;

#endif
