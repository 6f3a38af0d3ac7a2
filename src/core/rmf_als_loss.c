/*
 * rmf_als_loss.c
 *	  Predictions, and the objective's value in one pass over all ratings.
 *
 * Training doesn't call rmf_als_loss(), for half-steps add the same up on
 * their way; it is what they are tested against.
 *
 * The loss costs one dot product a rating.
 */
#include <math.h>

#include "rmf_als.h"
#include "rmf_objective.h"
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
	else if (rmf_is_one_class(problem->feedback))
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
	else if (problem->feedback == RMF_LOGISTIC)
		score = 1 / (1 + exp(-score));
	*prediction = score;
	return 1;
}

/* Scores of so many ratings are measured at once. */
#define SCORES_AT_ONCE 256

static rmf_status
sum_observed(const rmf_problem *problem, const rmf_csr *by_user, const float *users,
			 const float *items, rmf_sums *sums, const rmf_poll *poll)
{
	int32_t		dimensions = rmf_dimensions(problem);
	int64_t		between_polls = POLL_PRODUCTS / dimensions;
	int64_t		unpolled = between_polls;
	float		score[SCORES_AT_ONCE];

	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		const float *user = users + u * dimensions;

		for (int64_t from = by_user->start[u]; from < by_user->start[u + 1]; from += SCORES_AT_ONCE)
		{
			int64_t		left = by_user->start[u + 1] - from;
			int64_t		n = left < SCORES_AT_ONCE ? left : SCORES_AT_ONCE;

			unpolled += n;
			if (unpolled >= between_polls)
			{
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				unpolled = 0;
			}
			for (int64_t t = 0; t < n; t++)
				score[t] = rmf_dot(dimensions, user, items + (int64_t) by_user->column[from + t] * dimensions);
			rmf_objective_measure(problem, n, by_user->value + from, NULL, score, sums);
		}
	}
	return RMF_OK;
}

/* The penalty of all rows of one side. */
static rmf_status
sum_penalty(const rmf_problem *problem, rmf_side side, const rmf_csr *ratings, const float *rows,
			rmf_sums *sums, const rmf_poll *poll)
{
	int32_t		dimensions = rmf_dimensions(problem);
	int64_t		between_polls = POLL_PRODUCTS / dimensions;
	int64_t		unpolled = between_polls;

	for (int64_t r = 0; r < ratings->n_rows; r++)
	{
		int64_t		start = ratings->start[r];
		int64_t		n = ratings->start[r + 1] - start;

		unpolled += 1 + n / dimensions;
		if (unpolled >= between_polls)
		{
			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			unpolled = 0;
		}
		sums->penalty += rmf_objective_row_cost(problem, side,
												rmf_objective_size(problem, n, ratings->value + start, NULL),
												ratings->n_columns, rows + r * dimensions);
	}
	return RMF_OK;
}

rmf_status
rmf_als_loss(const rmf_problem *problem, const rmf_csr *by_user, const rmf_csr *by_item,
			 const float *users, const float *items,
			 const float *gram_users, const float *gram_items,
			 rmf_loss *loss, const rmf_poll *poll)
{
	rmf_sums	sums = {0, 0, 0};
	rmf_status	status;

	status = sum_observed(problem, by_user, users, items, &sums, poll);
	if (status == RMF_OK)
		status = sum_penalty(problem, RMF_USERS, by_user, users, &sums, poll);
	if (status == RMF_OK)
		status = sum_penalty(problem, RMF_ITEMS, by_item, items, &sums, poll);
	if (status != RMF_OK)
		return status;

	loss->fit = sums.fit + rmf_objective_everywhere(problem, gram_users, gram_items);
	loss->total = loss->fit + sums.penalty;
	loss->rmse = by_user->n_entries > 0 ? sqrt(sums.squares / (double) by_user->n_entries) : 0;
	return isfinite(loss->total) ? RMF_OK : RMF_NOT_FINITE;
}
