/*
 * rmf_cg_baseline.c
 *	  The kernels of rmf_cg.h for every processor that the compiler targets.
 */
#include "rmf_cg_levels.h"

#define RMF_LANE_BYTES 16
#define RMF_CG_TABLE rmf_cg_baseline

#include "rmf_cg_loops.h"
