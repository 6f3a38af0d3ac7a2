/*
 * rmf_mips_baseline.c
 *	  The loops of a query for every processor that the compiler targets.
 */
#include "rmf_mips_levels.h"

#define RMF_MIPS_BYTES 16
#define RMF_MIPS_TABLE rmf_mips_baseline

#include "rmf_mips_loops.h"
