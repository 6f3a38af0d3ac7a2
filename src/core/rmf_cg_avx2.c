/*
 * rmf_cg_avx2.c
 *	  The kernels of rmf_cg.h for x86-64 processors with AVX2 and FMA.
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include "rmf_cg_levels.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)

#define RMF_LANE_BYTES 32
#define RMF_CG_TABLE rmf_cg_avx2

#include "rmf_cg_loops.h"

#else

const rmf_cg_kernels *const rmf_cg_avx2 = NULL;

#endif
