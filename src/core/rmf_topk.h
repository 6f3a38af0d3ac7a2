/*
 * rmf_topk.h
 *	  The k rows with the largest inner product with a query, by a full scan.
 */
#ifndef RMF_TOPK_H
#define RMF_TOPK_H

#include <stdint.h>

#include "rmf_best.h"
#include "rmf_status.h"

/*
 * Best first; equal scores by ascending index.  rows: n x dimensions; skip:
 * n_skip ascending row numbers that are left out; out: room for k.  *found is
 * set to how many there are, at most k.
 */
extern rmf_status rmf_topk(int64_t n, int32_t dimensions, const float *rows, const float *query,
						   int64_t n_skip, const int32_t *skip, int32_t k, rmf_scored *out,
						   int32_t *found, const rmf_poll *poll);

#endif							/* RMF_TOPK_H */
