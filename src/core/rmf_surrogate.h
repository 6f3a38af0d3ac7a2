/*
 * rmf_surrogate.h
 *	  What a search has seen, as a quadratic function of where it looked.
 *
 * A linear regression with normal priors (Bishop 2006, section 3.3) on the terms
 * of a quadratic in a few coordinates.  With fewer observations than terms the
 * priors say the rest: a hill, whose top is where we are.
 *
 * Phases: init, add, solve, then value.  Memory: the caller's, one struct.
 */
#ifndef RMF_SURROGATE_H
#define RMF_SURROGATE_H

#define RMF_SURROGATE_COORDINATES 3
#define RMF_SURROGATE_TERMS \
	(1 + 2 * RMF_SURROGATE_COORDINATES + RMF_SURROGATE_COORDINATES * (RMF_SURROGATE_COORDINATES - 1) / 2)

typedef struct rmf_surrogate
{
	double		precision[RMF_SURROGATE_TERMS][RMF_SURROGATE_TERMS];
	double		right[RMF_SURROGATE_TERMS];
	double		coefficient[RMF_SURROGATE_TERMS];	/* set by rmf_surrogate_solve() */
} rmf_surrogate;

/* Coordinates are in units of a step that matters, values in units such that the hill falls by about one a step. */
extern void rmf_surrogate_init(rmf_surrogate *surrogate);

/* A value that was seen at a place, and its standard deviation. */
extern void rmf_surrogate_add(rmf_surrogate *surrogate, const double *at, double value, double sd);

extern void rmf_surrogate_solve(rmf_surrogate *surrogate);

/* What is expected at a place. */
extern double rmf_surrogate_value(const rmf_surrogate *surrogate, const double *at);

#endif							/* RMF_SURROGATE_H */
