/*
 * rmf_vector_levels.h
 *	  The tables that the builds of rmf_vector_loops.h make; private to
 *	  rmf_vector*.c.  NULL where the compiler was not told to build that level.
 */
#ifndef RMF_VECTOR_LEVELS_H
#define RMF_VECTOR_LEVELS_H

#include "rmf_vector.h"

extern const rmf_vector_kernels *const rmf_vector_baseline;
extern const rmf_vector_kernels *const rmf_vector_avx2;
extern const rmf_vector_kernels *const rmf_vector_avx512;

#endif							/* RMF_VECTOR_LEVELS_H */
