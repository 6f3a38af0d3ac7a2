/*
 * rmf_noise.h
 *	  How large the factors are that noise alone would seem to have.
 *
 * Training with the penalty lambda (size^nu |x|^2) on both sides keeps of a
 * matrix of residuals, each divided by the roots of the penalties' sizes of its
 * row and its column, what has singular values above lambda.  Residuals that
 * are nothing but noise have singular values too, up to an edge that depends on
 * where ratings are.  It is known in the limit of large matrices (Paul and
 * Silverstein 2009) where a cell's chance of being rated is the product of what
 * its row and its column have, which is taken for granted here.
 */
#ifndef RMF_NOISE_H
#define RMF_NOISE_H

#include <stdint.h>

/*
 * The edge for noise of variance 1 and penalties that grow with the root of a
 * row's number of ratings (nu = 1/2): 2 where users and items are as many and all
 * alike, more elsewhere; 0 where there are no ratings.  Starts of the rows of
 * both orientations, n + 1 each.
 */
extern double rmf_noise_edge(int64_t n_users, const int64_t *user_start,
							 int64_t n_items, const int64_t *item_start);

#endif							/* RMF_NOISE_H */
