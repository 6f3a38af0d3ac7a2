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
	step->gram = problem->feedback == RMF_IMPLICIT ? gram : NULL;
	step->gram_scale = (float) problem->unobserved;
	step->base = NULL;
	step->extra = NULL;
	step->packed = NULL;
	step->level = rmf_cpu_best();
	step->measure = 0;
}

/* l(q) = tanh(q/2) / 4q, and its limit 1/8 at 0. */
static double
curvature(double q)
{
	q = fabs(q);
	return q < 1e-3 ? 0.125 : tanh(q / 2) / (4 * q);
}

/* log(1 + e^x) */
static double
softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double
sigmoid(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* The mean square of the scores of all cells: q0^2. */
static double
mean_square(const rmf_problem *problem, const float *gram_users, const float *gram_items)
{
	size_t		width = (size_t) rmf_gram_width(problem);
	/* the sums of the squares of the constants are the numbers of rows */
	size_t		user_one = (size_t) rmf_bias_position(problem, RMF_ITEMS);
	size_t		item_one = (size_t) rmf_bias_position(problem, RMF_USERS);
	double		cells = (double) gram_users[user_one * width + user_one] * gram_items[item_one * width + item_one];
	double		sum = 0;

	for (size_t i = 0; i < width * width; i++)
		sum += (double) gram_users[i] * gram_items[i];
	return sum > 0 ? sum / cells : 0;
}

void
rmf_objective_prepare(const rmf_problem *problem, rmf_side side, const float *gram_own,
					  const float *gram_other, const rmf_common *common)
{
	size_t		factors = (size_t) problem->factors;
	size_t		unknowns = factors + 1;
	size_t		width = (size_t) rmf_gram_width(problem);
	size_t		one,
				bias;
	double		scale;

	memset(common->gram, 0, unknowns * unknowns * sizeof(float));
	memset(common->base, 0, unknowns * sizeof(float));
	if (problem->feedback != RMF_LOGISTIC)
	{
		*common->gram_scale = (float) problem->features_weight;
		for (size_t i = 0; i < factors; i++)
			memcpy(common->gram + i * unknowns, gram_other + i * width, factors * sizeof(float));
		return;
	}

	/* rows of the other side have the constant where those of this side have the bias */
	one = (size_t) rmf_bias_position(problem, side);
	bias = (size_t) rmf_bias_position(problem, rmf_other_side(side));
	scale = 2 * problem->unobserved * curvature(sqrt(side == RMF_USERS ?
															 mean_square(problem, gram_own, gram_other) :
															 mean_square(problem, gram_other, gram_own)));
	*common->gram_scale = (float) scale;
	for (size_t i = 0; i < unknowns; i++)
	{
		const float *row = gram_other + (i < factors ? i : one) * width;

		memcpy(common->gram + i * unknowns, row, factors * sizeof(float));
		common->gram[i * unknowns + factors] = row[one];
		common->base[i] = (float) (-problem->unobserved / 2 * row[one] - scale * row[bias]);
	}
}

void
rmf_objective_use(rmf_half_step *step, const rmf_common *common, const float *features)
{
	step->gram = common->gram;
	step->gram_scale = *common->gram_scale;
	step->base = step->problem->feedback == RMF_LOGISTIC ? common->base : NULL;
	step->extra = features;
}

/* By Cholesky's factorisation M = L L' in the lower triangle of "m", and L^-1 in its place. */
rmf_status
rmf_objective_features_inverse(const rmf_problem *problem, const float *gram, float *inverse,
							   double *m, const rmf_poll *poll)
{
	size_t		n = (size_t) problem->factors;

	for (size_t i = 0; i < n; i++)
	{
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		for (size_t j = 0; j <= i; j++)
		{
			double		sum = (double) gram[i * n + j] + (i == j ? problem->features_regularization : 0);

			for (size_t k = 0; k < j; k++)
				sum -= m[i * n + k] * m[j * n + k];
			if (i == j && !(sum > 0))
				return RMF_NOT_FINITE;
			m[i * n + j] = i == j ? sqrt(sum) : sum / m[j * n + j];
		}
	}
	for (size_t i = 0; i < n; i++)
	{
		double		pivot = 1 / m[i * n + i];

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		for (size_t j = 0; j < i; j++)
		{
			double		sum = 0;

			for (size_t k = j; k < i; k++)
				sum -= m[i * n + k] * m[k * n + j];
			m[i * n + j] = sum * pivot;
		}
		m[i * n + i] = pivot;
	}
	for (size_t i = 0; i < n; i++)
	{
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		for (size_t j = 0; j <= i; j++)
		{
			double		sum = 0;

			for (size_t k = i; k < n; k++)
				sum += m[k * n + i] * m[k * n + j];
			inverse[i * n + j] = inverse[j * n + i] = (float) sum;
		}
	}
	return RMF_OK;
}

double
rmf_objective_features_fit(const rmf_half_step *step, int64_t n, const int32_t *column,
						   const float *row, float *scratch)
{
	size_t		factors = (size_t) step->problem->factors;
	size_t		unknowns = (size_t) rmf_unknowns(step->problem);
	double		fit = (double) n;

	/* the sum of (1 - s)^2 over the row's ratings and of s^2 over all other cells, s = row . second vector */
	memset(scratch, 0, factors * sizeof(float));
	for (int64_t t = 0; t < n; t++)
		for (size_t j = 0; j < factors; j++)
			scratch[j] += step->extra[(size_t) column[t] * factors + j];
	fit -= 2 * rmf_dot((int) factors, row, scratch);
	for (size_t i = 0; i < factors; i++)
		fit += row[i] * rmf_dot((int) factors, row, step->gram + i * unknowns);
	return step->gram_scale * fit;
}

float
rmf_objective_start_bias(const rmf_problem *problem, int64_t n_users, int64_t n_items, int64_t n_ratings)
{
	if (problem->feedback != RMF_LOGISTIC)
		return 0;
	/* half of what the logarithm of the odds is where all cells are alike */
	return (float) (0.5 * log((double) n_ratings / ((double) n_users * (double) n_items * problem->unobserved)));
}

int
rmf_objective_weigh_logistic(const rmf_problem *problem, int64_t n, const float *value,
							 const float *score, float *weight, float *target)
{
	double		w = problem->unobserved;
	int			bad = 0;

	for (int64_t t = 0; t < n; t++)
	{
		double		more = problem->strength * value[t] - w;
		double		linear = more >= 0 ? w + more / 2 : w + more * sigmoid(-(double) score[t]);

		weight[t] = more > 0 ? (float) (2 * more * curvature(score[t])) : 0;
		if (target == NULL)
			continue;
		target[t] = (float) (linear - (double) weight[t] * target[t]);
		bad |= !(value[t] > 0);
	}
	return !bad;
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
	else if (problem->feedback == RMF_LOGISTIC)
	{
		for (int64_t t = 0; t < n; t++)
		{
			double		above = sigmoid(-(double) score[t]);

			squares += above * above;
			/* less what the sum over all cells has again */
			fit += problem->strength * value[t] * softplus(-(double) score[t]) -
				problem->unobserved * softplus(score[t]);
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
	size_t		width = (size_t) rmf_gram_width(problem);
	double		all = 0;

	if (!rmf_is_one_class(problem->feedback))
		return 0;
	if (problem->feedback == RMF_LOGISTIC)
	{
		size_t		user_one = (size_t) rmf_bias_position(problem, RMF_ITEMS);
		size_t		item_one = (size_t) rmf_bias_position(problem, RMF_USERS);
		double		cells = (double) gram_users[user_one * width + user_one] *
			gram_items[item_one * width + item_one];
		double		q0 = sqrt(mean_square(problem, gram_users, gram_items));

		/* the bound of w log(1 + e^s) with the best q0: w (s/2 + log 2cosh(q0/2)) */
		for (size_t j = 0; j < width; j++)
			all += (double) gram_users[user_one * width + j] * gram_items[item_one * width + j];
		return problem->unobserved * (all / 2 + cells * (softplus(q0) - q0 / 2));
	}

	/* the sum of s^2 over all cells is the inner product of the Gram matrices */
	for (size_t i = 0; i < width * width; i++)
		all += (double) gram_users[i] * gram_items[i];
	return problem->unobserved * all;
}

double
rmf_objective_row_cost(const rmf_problem *problem, rmf_side side, double size, int64_t n_other,
					   const float *row)
{
	double		cost = rmf_als_row_penalty(problem, side, size, n_other) * rmf_dot(problem->factors, row, row);

	if (rmf_has_biases(problem))
	{
		double		bias = row[rmf_bias_position(problem, side)];

		cost += problem->bias_regularization * bias * bias;
	}
	return problem->feedback == RMF_LOGISTIC ? cost / 2 : cost;
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
	if (step->extra == NULL)
		return;
	for (int64_t t = 0; t < n; t++)
	{
		const float *extra = step->extra + (size_t) column[t] * factors;

		for (size_t j = 0; j < factors; j++)
			right_side[j] += step->gram_scale * extra[j];
	}
}
