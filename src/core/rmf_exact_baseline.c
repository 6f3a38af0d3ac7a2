/*
 * rmf_exact_baseline.c
 *	  The kernels of rmf_exact.h for every processor that the compiler targets.
 */
#include "rmf_exact_levels.h"

#define RMF_LANE_BYTES 16
#define RMF_EXACT_TABLE rmf_exact_baseline

#include "rmf_exact_loops.h"
