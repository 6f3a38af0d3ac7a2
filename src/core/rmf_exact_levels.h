/*
 * rmf_exact_levels.h
 *	  The tables that the builds of rmf_exact_loops.h make; private to rmf_exact*.c.
 *	  NULL where the compiler was not told to build that level.
 */
#ifndef RMF_EXACT_LEVELS_H
#define RMF_EXACT_LEVELS_H

#include "rmf_exact.h"

extern const rmf_exact_kernels *const rmf_exact_baseline;
extern const rmf_exact_kernels *const rmf_exact_avx2;
extern const rmf_exact_kernels *const rmf_exact_avx512;

#endif							/* RMF_EXACT_LEVELS_H */
