/*
 * rmf_als_loss.c
 *	  Predictions, and the objective's value in one pass over all ratings.
 *
 * Training doesn't call rmf_als_loss(), for half-steps add the same up on
 * their way; it is what they are tested against.
 *
 * The sum of s^2 over all (user, item) is the inner product of the two Gram
 * matrices, so the loss costs one dot product a rating.
 */
#include <math.h>

#include "rmf_als.h"
#include "rmf_vector.h"

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

double
rmf_als_score(const rmf_problem *problem, const float *user, const float *item)
{
	return problem->mean + rmf_dot(rmf_dimensions(problem), user, item);
}

int
rmf_als_predict(const rmf_problem *problem, const float *user, const float *item,
				double min, double max, double *prediction)
{
	double		score;

	if (user != NULL && item != NULL)
		score = rmf_als_score(problem, user, item);
	else if (problem->feedback == RMF_IMPLICIT)
		return 0;
	else
	{
		score = problem->mean;
		if (user != NULL)
			score += user[rmf_bias_position(problem, RMF_USERS)];
		if (item != NULL)
			score += item[rmf_bias_position(problem, RMF_ITEMS)];
	}
	if (problem->feedback == RMF_EXPLICIT)
		score = fmax(min, fmin(max, score));
	*prediction = score;
	return 1;
}

/* What the ratings add to the objective beside a0 times the sum over all entries. */
typedef struct observed_loss
{
	double		fit;
	double		squares;		/* of rating - prediction, or 1 - s */
} observed_loss;

static rmf_status
sum_observed(const rmf_problem *problem, const rmf_csr *by_user, const float *users,
			 const float *items, observed_loss *sum, const rmf_poll *poll)
{
	int32_t		dimensions = rmf_dimensions(problem);
	int64_t		between_polls = POLL_PRODUCTS / dimensions;
	double		a0 = problem->unobserved;

	sum->fit = 0;
	sum->squares = 0;
	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		const float *user = users + u * dimensions;

		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
		{
			const float *item = items + (int64_t) by_user->column[t] * dimensions;
			double		score = rmf_dot(dimensions, user, item);
			double		error;

			if (t % between_polls == 0 && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			if (problem->feedback == RMF_EXPLICIT)
			{
				error = by_user->value[t] - problem->mean - score;
				sum->fit += error * error;
			}
			else
			{
				/* less a0 s^2, which the sum over all entries has again */
				error = 1 - score;
				sum->fit += problem->strength * by_user->value[t] * error * error + a0 * (1 - 2 * score);
			}
			sum->squares += error * error;
		}
	}
	return RMF_OK;
}

/* The penalty of all rows of one side. */
static rmf_status
sum_penalty(const rmf_problem *problem, rmf_side side, const rmf_csr *ratings, const float *rows,
			double *sum, const rmf_poll *poll)
{
	int32_t		factors = problem->factors;
	int32_t		dimensions = rmf_dimensions(problem);
	int64_t		between_polls = POLL_PRODUCTS / dimensions;

	*sum = 0;
	for (int64_t r = 0; r < ratings->n_rows; r++)
	{
		const float *row = rows + r * dimensions;
		double		weight = 0;

		if (r % between_polls == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		if (problem->feedback == RMF_EXPLICIT)
		{
			double		bias = row[rmf_bias_position(problem, side)];

			weight = (double) (ratings->start[r + 1] - ratings->start[r]);
			*sum += problem->bias_regularization * bias * bias;
		}
		else
		{
			for (int64_t t = ratings->start[r]; t < ratings->start[r + 1]; t++)
			{
				if (t % POLL_PRODUCTS == 0 && rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				weight += problem->strength * ratings->value[t];
			}
		}
		*sum += rmf_als_row_penalty(problem, weight, ratings->n_columns) *
			rmf_dot(factors, row, row);
	}
	return RMF_OK;
}

rmf_status
rmf_als_loss(const rmf_problem *problem, const rmf_csr *by_user, const rmf_csr *by_item,
			 const float *users, const float *items,
			 const float *gram_users, const float *gram_items,
			 rmf_loss *loss, const rmf_poll *poll)
{
	observed_loss observed;
	double		penalty_users,
				penalty_items;
	rmf_status	status;

	status = sum_observed(problem, by_user, users, items, &observed, poll);
	if (status == RMF_OK)
		status = sum_penalty(problem, RMF_USERS, by_user, users, &penalty_users, poll);
	if (status == RMF_OK)
		status = sum_penalty(problem, RMF_ITEMS, by_item, items, &penalty_items, poll);
	if (status != RMF_OK)
		return status;

	loss->fit = observed.fit;
	if (problem->feedback == RMF_IMPLICIT)
	{
		size_t		n = (size_t) problem->factors * (size_t) problem->factors;
		double		all = 0;

		for (size_t i = 0; i < n; i++)
			all += (double) gram_users[i] * gram_items[i];
		loss->fit += problem->unobserved * all;
	}
	loss->total = loss->fit + penalty_users + penalty_items;
	loss->rmse = by_user->n_entries > 0 ? sqrt(observed.squares / (double) by_user->n_entries) : 0;
	return isfinite(loss->total) ? RMF_OK : RMF_NOT_FINITE;
}
