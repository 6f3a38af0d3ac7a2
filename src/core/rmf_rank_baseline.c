/*
 * rmf_rank_baseline.c
 *	  The kernels of rmf_rank.h for every processor that the compiler targets.
 */
#include "rmf_rank_levels.h"

#define RMF_LANE_BYTES 16
#define RMF_RANK_TABLE rmf_rank_baseline

#include "rmf_rank_loops.h"
