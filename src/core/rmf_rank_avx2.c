/*
 * rmf_rank_avx2.c
 *	  The kernels of rmf_rank.h for x86-64 processors with AVX2 and FMA.
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernels.
 */
#include "rmf_rank_levels.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)

#define RMF_LANE_BYTES 32
#define RMF_RANK_TABLE rmf_rank_avx2

#include "rmf_rank_loops.h"

#else

const rmf_rank_kernels *const rmf_rank_avx2 = NULL;

#endif
