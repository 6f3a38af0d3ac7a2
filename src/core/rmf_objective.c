/*
 * rmf_objective.c
 *	  What the system of a row has beside its ratings, and the objective's
 *	  value from scores; see rmf_objective.h.
 */
#include <math.h>
#include <string.h>

#include "rmf_objective.h"
#include "rmf_vector.h"

void
rmf_half_step_init(rmf_half_step *step, const rmf_problem *problem, rmf_side side,
				   int64_t n_fixed, const float *fixed, const float *gram)
{
	step->problem = problem;
	step->side = side;
	step->fixed = fixed;
	step->n_fixed = n_fixed;
	step->gram = rmf_has_gram(problem) ? gram : NULL;
	step->gram_scale = (float) problem->unobserved;
	step->base = NULL;
	step->extra = NULL;
	step->packed = NULL;
	step->level = rmf_cpu_best();
	step->measure = 0;
}

void
rmf_objective_measure(const rmf_problem *problem, int64_t n, const float *value,
					  const float *rating_weight, const float *score, rmf_sums *sums)
{
	double		fit = 0,
				squares = 0;

	if (problem->feedback == RMF_EXPLICIT)
	{
		for (int64_t t = 0; t < n; t++)
		{
			double		error = value[t] - problem->mean - score[t];

			squares += error * error;
			fit += (rating_weight != NULL ? rating_weight[t] : 1) * error * error;
		}
	}
	else
	{
		double		a0 = problem->unobserved;

		for (int64_t t = 0; t < n; t++)
		{
			double		error = 1 - (double) score[t];

			squares += error * error;
			/* less a0 s^2, which the sum over all cells has again */
			fit += problem->strength * value[t] * error * error + a0 * (1 - 2 * (double) score[t]);
		}
	}
	sums->fit += fit;
	sums->squares += squares;
}

double
rmf_objective_everywhere(const rmf_problem *problem, const float *gram_users, const float *gram_items)
{
	size_t		n = (size_t) rmf_unknowns(problem) * (size_t) rmf_unknowns(problem);
	double		all = 0;

	if (!rmf_has_gram(problem))
		return 0;
	/* the sum of s^2 over all cells is the inner product of the Gram matrices */
	for (size_t i = 0; i < n; i++)
		all += (double) gram_users[i] * gram_items[i];
	return problem->unobserved * all;
}

double
rmf_objective_row_cost(const rmf_problem *problem, rmf_side side, double size, int64_t n_other,
					   const float *row)
{
	double		cost = rmf_als_row_penalty(problem, size, n_other) * rmf_dot(problem->factors, row, row);

	if (rmf_has_biases(problem))
	{
		double		bias = row[rmf_bias_position(problem, side)];

		cost += problem->bias_regularization * bias * bias;
	}
	return cost;
}

void
rmf_objective_right_side(const rmf_half_step *step, int64_t n, const int32_t *column, float *right_side)
{
	size_t		width = (size_t) rmf_unknowns(step->problem);
	size_t		factors = (size_t) step->problem->factors;

	if (step->base != NULL)
		memcpy(right_side, step->base, width * sizeof(float));
	else
		memset(right_side, 0, width * sizeof(float));
	if (step->extra != NULL)
		for (int64_t t = 0; t < n; t++)
		{
			const float *extra = step->extra + (size_t) column[t] * factors;

			for (size_t j = 0; j < factors; j++)
				right_side[j] += extra[j];
		}
}
