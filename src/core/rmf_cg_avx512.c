/*
 * rmf_cg_avx512.c
 *	  The kernels of rmf_cg.h for x86-64 processors with AVX-512 (F, BW, VL, DQ).
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include "rmf_cg_levels.h"

#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && \
	defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__FMA__)

#define RMF_LANE_BYTES 64
#define RMF_CG_TABLE rmf_cg_avx512

#include "rmf_cg_loops.h"

#else

const rmf_cg_kernels *const rmf_cg_avx512 = NULL;

#endif
