/*
 * rmf_cg_levels.h
 *	  The tables that the builds of rmf_cg_loops.h make; private to rmf_cg*.c.
 *	  NULL where the compiler was not told to build that level.
 */
#ifndef RMF_CG_LEVELS_H
#define RMF_CG_LEVELS_H

#include "rmf_cg.h"

extern const rmf_cg_kernels *const rmf_cg_baseline;
extern const rmf_cg_kernels *const rmf_cg_avx2;
extern const rmf_cg_kernels *const rmf_cg_avx512;

#endif							/* RMF_CG_LEVELS_H */
