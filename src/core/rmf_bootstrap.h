/*
 * rmf_bootstrap.h
 *	  Means over users, and how far they can be trusted: the bootstrap.
 *
 * Each resample gives each user a weight, how often he is drawn: independent
 * Poisson(1) numbers instead of a multinomial, which for the mean of more than a
 * few users is the same and needs no second pass (Chamandy et al. 2012,
 * "Estimating uncertainty for massive data streams").  The interval holds the
 * middle of the resamples (percentiles).  The weights are hashes of the seed, the
 * resample and the user's number: the same call gives the same interval, and two
 * tables of the same users are resampled alike.
 */
#ifndef RMF_BOOTSTRAP_H
#define RMF_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_status.h"

/*
 * sum of a column / sum of another, or / the number of users who have a value in
 * it; its root on demand; less the same of a third column on demand.
 */
typedef struct rmf_statistic
{
	int32_t		numerator;
	int32_t		denominator;	/* a column, or -1 */
	int32_t		root;			/* 0 or 1 */
	int32_t		subtrahend;		/* a column, or -1 */
} rmf_statistic;

typedef struct rmf_estimate
{
	double		value;			/* NaN: nobody has a value */
	double		low;			/* NaN: no interval */
	double		high;
	int64_t		n;				/* users with a value */
} rmf_estimate;

typedef struct rmf_bootstrap
{
	int64_t		n_users;
	int32_t		n_columns;
	const float *values;		/* n_users x n_columns; NaN: no value */
	int32_t		n_statistics;
	const rmf_statistic *statistics;
	int32_t		n_resamples;	/* 0: no intervals */
	double		confidence;		/* between 0 and 1, such as .95 */
	uint64_t	seed;
} rmf_bootstrap;

/* Bytes, aligned to RMF_ALIGNMENT. */
extern size_t rmf_bootstrap_workspace_size(const rmf_bootstrap *bootstrap);

/* estimates: n_statistics.  One user has no interval.  Needs the BLAS (rmf_blas.h) where there are resamples. */
extern rmf_status rmf_bootstrap_run(const rmf_bootstrap *bootstrap, void *workspace, rmf_estimate *estimates,
									const rmf_poll *poll);

#endif							/* RMF_BOOTSTRAP_H */
