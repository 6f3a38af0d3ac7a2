/*
 * rmf_objective.h
 *	  What the system of a row is, for each objective of rmf_als.h.
 *
 * With the rows y_t of the other side standing still, the best row solves
 * A x = b,
 *
 *	 A = gram_scale G + sum_t weight_t z_t z_t' + diag(penalty, ..., bias_penalty)
 *	 b = right side without ratings + sum_t target_t z_t,
 *
 * z_t = (y_t, 1) where rows have biases, and y_t else; t runs over the ratings
 * of the row.  G, gram_scale, and what the right side has without ratings are
 * the half-step's (rmf_half_step); weights and targets come from here, chunk
 * of ratings by chunk.  How the system is solved is the business of rmf_als.c
 * and rmf_cg.h.
 *
 * explicit: weight_t = c_t, target_t = c_t (r_t - mean - b_t); c_t the weight of
 * the rating, b_t the bias of the other row.
 * implicit: weight_t = w_t = strength r_t, target_t = w_t + a0; G the Gram matrix
 * of the other side and gram_scale = a0.
 *
 * explicit with implicit features: the same, and G = sum of b b' over the second
 * vectors b of the other side, gram_scale = w_f; the right side has w_f times
 * the sum of the b of the ratings.  The second vectors themselves solve
 * (X'X + lambda_f) b_i = sum of the x_u of the item's ratings.
 *
 * logistic: log(1 + e^-s) <= -s/2 + l(q) (s^2 - q^2) + log 2cosh(q/2), where
 * l(q) = tanh(q/2) / 4q, for every q; it touches where s = +-q.  With
 *	 sum_obs [(w_t - w) log(1 + e^-s) - w s] + w sum_all log(1 + e^s),
 * which is the objective, the first sum takes q_t = s_t, the score at the row's
 * present solution, and the second one q0 for all, q0^2 = the mean of s^2 over
 * all cells, which is the best.  So
 *	 weight_t = 2 (w_t - w) l(s_t), target_t = (w_t + w) / 2 - weight_t b_t,
 *	 G = sum of z z', gram_scale = 2 w l(q0), and the right side has
 *	 sum over all of -(w/2 + gram_scale b) z.
 * Where w_t < w the term is concave and its tangent is the bound: weight_t = 0,
 * target_t = w + (w_t - w) / (1 + e^s_t).
 *
 * rmf_objective_needs_scores() tells whether the scores z_t.x + b_t must be known
 * beforehand.
 *
 * The loops over ratings are inline, so that they are compiled for the level of
 * the processor of whoever includes them.
 */
#ifndef RMF_OBJECTIVE_H
#define RMF_OBJECTIVE_H

#include <float.h>
#include <stdint.h>

#include "rmf_als.h"

/*
 * A half-step with what its system has beside ratings.  gram: implicit feedback:
 * rmf_als_gram() of the other side; where rmf_has_common() NULL, and
 * rmf_objective_use() comes after.
 */
extern void rmf_half_step_init(rmf_half_step *step, const rmf_problem *problem, rmf_side side,
							   int64_t n_fixed, const float *fixed, const float *gram);

/* What the systems of a half-step have in common that must be made of Gram matrices first. */
typedef struct rmf_common
{
	float	   *gram;			/* unknowns x unknowns */
	float	   *base;			/* unknowns */
	float	   *gram_scale;		/* one */
} rmf_common;

/* Is there such a thing? */
static inline int
rmf_has_common(const rmf_problem *problem)
{
	return problem->feedback == RMF_LOGISTIC || problem->implicit_features;
}

/*
 * Makes it.  Logistic: gram_own, gram_other are rmf_als_gram() of both sides.
 * Implicit features: gram_other is that of the other side's second vectors, and
 * gram_own is not looked at.
 */
extern void rmf_objective_prepare(const rmf_problem *problem, rmf_side side, const float *gram_own,
								  const float *gram_other, const rmf_common *common);

/* Gives it to a half-step.  features: the other side's second vectors, n_fixed x factors; or NULL. */
extern void rmf_objective_use(rmf_half_step *step, const rmf_common *common, const float *features);

/*
 * Implicit features: inverse := (gram + lambda_f)^-1, all factors x factors;
 * scratch: as many doubles.  gram: rmf_als_gram() of the side whose rows are summed.
 */
extern rmf_status rmf_objective_features_inverse(const rmf_problem *problem, const float *gram,
												 float *inverse, double *scratch, const rmf_poll *poll);

/*
 * What the second vectors of the other side add to the objective with a row and
 * its n ratings.  scratch: rmf_unknowns().
 */
extern double rmf_objective_features_fit(const rmf_half_step *step, int64_t n, const int32_t *column,
										 const float *row, float *scratch);

/* The bias that rows start with, where they have one. */
extern float rmf_objective_start_bias(const rmf_problem *problem, int64_t n_users, int64_t n_items,
									  int64_t n_ratings);

/* Does rmf_objective_weigh() need scores? */
static inline int
rmf_objective_needs_scores(const rmf_problem *problem)
{
	return problem->feedback == RMF_LOGISTIC;
}

/*
 * The size of a row that the penalty grows with, of n of its ratings: the sum
 * of w_t or c_t.  rating_weight: c_t; NULL: all 1.
 */
static inline double
rmf_objective_size(const rmf_problem *problem, int64_t n, const float *value, const float *rating_weight)
{
	const float *summand = problem->feedback == RMF_EXPLICIT ? rating_weight : value;
	double		sums[8] = {0};
	int64_t		t = 0;

	if (summand == NULL)
		return (double) n;
	for (; t + 8 <= n; t += 8)
		for (int i = 0; i < 8; i++)
			sums[i] += (double) summand[t + i];
	for (; t < n; t++)
		sums[0] += (double) summand[t];
	return problem->strength *
		(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
}

/* rmf_objective_weigh() for logistic feedback, which is far from a loop of products. */
extern int	rmf_objective_weigh_logistic(const rmf_problem *problem, int64_t n, const float *value,
										 const float *score, float *weight, float *target);

/*
 * Sets weight_t and target_t of n ratings.  rating_weight: n, or NULL for all 1.
 * score: n, only where rmf_objective_needs_scores(), else NULL.  target: n,
 * holds the b_t (any numbers where rows have no biases), which the targets
 * replace; NULL: only the weights are wanted.  False for ratings that no system
 * can have (not checked without targets).
 */
static inline int
rmf_objective_weigh(const rmf_problem *problem, int64_t n, const float *value, const float *rating_weight,
					const float *score, float *weight, float *target)
{
	int			bad = 0;

	if (problem->feedback == RMF_LOGISTIC)
		return rmf_objective_weigh_logistic(problem, n, value, score, weight, target);
	if (problem->feedback == RMF_EXPLICIT)
	{
		if (rating_weight != NULL)
			for (int64_t t = 0; t < n; t++)
				weight[t] = rating_weight[t];
		else
			for (int64_t t = 0; t < n; t++)
				weight[t] = 1;
		if (target == NULL)
			return 1;
		if (rating_weight != NULL)
			for (int64_t t = 0; t < n; t++)
				bad |= !(rating_weight[t] > 0);
		for (int64_t t = 0; t < n; t++)
			target[t] = weight[t] * (float) (value[t] - problem->mean - target[t]);
	}
	else
	{
		float		strength = (float) problem->strength;
		float		a0 = (float) problem->unobserved;

		/* ratings near the ends of a float's range leave it for a moment */
		if (strength >= FLT_MIN && strength <= FLT_MAX)
			for (int64_t t = 0; t < n; t++)
				weight[t] = strength * value[t];
		else
			for (int64_t t = 0; t < n; t++)
				weight[t] = (float) (problem->strength * value[t]);
		if (target == NULL)
			return 1;
		for (int64_t t = 0; t < n; t++)
			bad |= !(value[t] > 0);
		for (int64_t t = 0; t < n; t++)
			target[t] = weight[t] + a0;
	}
	return !bad;
}

/*
 * Adds to sums->fit what n ratings with these scores (z_t.x + b_t, without the
 * mean) add to the objective beside rmf_objective_everywhere(), and to
 * sums->squares the squares of rating - prediction, of 1 - score, or (logistic)
 * of 1 - sigmoid of the score.
 */
extern void rmf_objective_measure(const rmf_problem *problem, int64_t n, const float *value,
								  const float *rating_weight, const float *score, rmf_sums *sums);

/*
 * What all cells, observed or not, add to the objective, from the Gram matrices
 * of both sides (NULL where there are none).
 */
extern double rmf_objective_everywhere(const rmf_problem *problem, const float *gram_users,
									   const float *gram_items);

/*
 * What the squares of a row cost: its penalty times |x|^2, and the bias's, for
 * logistic feedback half of both.  size: rmf_objective_size().
 */
extern double rmf_objective_row_cost(const rmf_problem *problem, rmf_side side, double size,
									 int64_t n_other, const float *row);

/*
 * The right side of a row without what its ratings' targets add: zeros unless
 * the step says more.  right_side: rmf_unknowns().
 */
extern void rmf_objective_right_side(const rmf_half_step *step, int64_t n, const int32_t *column,
									 float *right_side);

#endif							/* RMF_OBJECTIVE_H */
