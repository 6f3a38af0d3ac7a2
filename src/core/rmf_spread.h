/*
 * rmf_spread.h
 *	  How unevenly something is spread over many: ratings over items,
 *	  recommendations over items.
 *
 * No share is negative.  Where there is nothing to be spread, or nobody to
 * spread it over, everything is 0.
 */
#ifndef RMF_SPREAD_H
#define RMF_SPREAD_H

#include <stdint.h>

/* The Gini coefficient: 0 where all have the same, nearly 1 where one has everything.  parts: ascending. */
extern double rmf_spread_gini(int64_t n, const int64_t *parts);

/*
 * The curve of concentration: curve[p] is the part of the whole that the first
 * p / (n_points - 1) of the parts have, as they are given; within a part it
 * goes straight.  n_points >= 2.
 */
extern void rmf_spread_curve(int64_t n, const int64_t *parts, int n_points, double *curve);

/* How many of the largest have at least such a fraction of the whole.  parts: descending. */
extern int64_t rmf_spread_head(int64_t n, const int64_t *parts, double fraction);

#endif							/* RMF_SPREAD_H */
