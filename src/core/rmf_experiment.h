/*
 * rmf_experiment.h
 *	  The arithmetic of A/B tests: who sees which variant, what two variants
 *	  differ by, and how many users a test needs.
 *
 * The unit of every figure is the user: what one user did is added up before
 * it comes here, since rows of one user are not independent of each other.
 */
#ifndef RMF_EXPERIMENT_H
#define RMF_EXPERIMENT_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_status.h"

/* ---- who sees which variant ---- */

typedef struct rmf_variant
{
	const char *name;			/* bytes of UTF-8 */
	size_t		length;
	double		weight;			/* finite, not negative */
} rmf_variant;

/*
 * The variant of a user, by weighted rendezvous hashing; -1 if no weight is
 * positive.  It depends on the bytes of experiment, user and the variants'
 * names and on their weights alone, not on the variants' order, and it is the
 * same on every machine for ever.
 */
extern int	rmf_assign(const char *experiment, size_t experiment_length,
					   const char *user, size_t user_length,
					   const rmf_variant *variants, int n_variants);

/* ---- what users did ---- */

/* Sums over users of y and of x, for the ratio of y to x; zeroed to begin with. */
typedef struct rmf_ratio_sums
{
	int64_t		n;				/* users */
	double		mean_y;
	double		mean_x;
	double		yy;				/* sums of squares and products of what differs from the means */
	double		yx;
	double		xx;
} rmf_ratio_sums;

/* A user.  For a mean per user x is 1. */
extern void rmf_ratio_add(rmf_ratio_sums *sums, double y, double x);

typedef struct rmf_ratio
{
	double		value;			/* sum of y / sum of x; NAN where that is nothing */
	double		variance;		/* of value; NAN with fewer than two users */
} rmf_ratio;

extern void rmf_ratio_estimate(const rmf_ratio_sums *sums, rmf_ratio *ratio);

/* ---- what two variants differ by ---- */

typedef enum rmf_comparability
{
	RMF_COMPARABLE = 0,
	RMF_TOO_FEW_USERS,			/* fewer than two in a variant */
	RMF_NO_DENOMINATOR,			/* all x of a variant are 0 */
	RMF_NO_VARIATION			/* neither variant's users differ among themselves */
} rmf_comparability;

typedef struct rmf_test_plan
{
	double		confidence;		/* of the interval, between 0 and 1 */
	double		planned_users;	/* of both variants: where a sequential test's interval is tightest; 0: fixed horizon */
} rmf_test_plan;

/* What has no meaning is NAN. */
typedef struct rmf_comparison
{
	rmf_comparability comparability;
	double		difference;		/* treatment - control */
	double		relative;		/* difference / control; NAN where that is 0 */
	double		low;			/* interval of the difference */
	double		high;
	double		p_value;		/* of no difference, two-sided */
} rmf_comparison;

/* RMF_BAD_ARGUMENT: the plan; RMF_NOT_FINITE: the sums have left the range of a double. */
extern rmf_status rmf_compare(const rmf_ratio_sums *control, const rmf_ratio_sums *treatment,
							  const rmf_test_plan *plan, rmf_comparison *comparison);

/*
 * The chance of numbers of users as far from the weights as these by Pearson's
 * chi-square test, or NAN with fewer than two variants of positive weight, or
 * no user.  0 if there are users where there should be none.
 */
extern double rmf_sample_ratio_p_value(const int64_t *users, const double *weights, int n_variants);

/* ---- how many users a test needs ---- */

typedef struct rmf_sample_plan
{
	double		baseline;		/* the control's proportion; means: nothing depends on it */
	double		effect;			/* the smallest difference that is to be found, with its sign; not 0 */
	double		deviation;		/* of a user's value; NAN: values are 0 or 1 */
	double		power;			/* the chance to find it, between 0 and 1 */
	double		confidence;
	int			sequential;		/* a test whose interval is tightest at this number */
} rmf_sample_plan;

/*
 * Users of each variant, the control first, so that each comparison with the
 * control has the power.  RMF_BAD_ARGUMENT: the plan, or a weight that is not
 * positive and finite; RMF_OVERFLOW: more than fit an int64_t.
 */
extern rmf_status rmf_sample_size(const rmf_sample_plan *plan, const double *weights, int n_variants,
								  int64_t *users);

#endif							/* RMF_EXPERIMENT_H */
