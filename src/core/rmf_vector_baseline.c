/*
 * rmf_vector_baseline.c
 *	  The kernels of rmf_vector.h for every processor that the compiler targets.
 */
#include "rmf_vector_levels.h"

#define RMF_VECTOR_BYTES 16
#define RMF_VECTOR_NAME "baseline"
#define RMF_VECTOR_TABLE rmf_vector_baseline

#include "rmf_vector_loops.h"
