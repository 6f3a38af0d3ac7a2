/*
 * rmf_validate.c
 *	  The phase VALIDATE of a run (rmf_run.h): predicting the ratings that were
 *	  held out, and what is kept of the best iteration.
 *
 * Explicit feedback is validated by the error of all these ratings, slice of
 * users by slice.  One-class feedback is validated by the ranking of all items
 * for users who have some, so many at most as the shape says, chosen by hashes
 * of their keys: so the choice depends on who there is, not on their numbers.
 * Users are scored several together, for then the items pass through the cache
 * once for all of them.
 */
#include <math.h>
#include <string.h>

#include "rmf_blas.h"
#include "rmf_random.h"
#include "rmf_ranking.h"
#include "rmf_run_private.h"

/* Users of a task, scored together; fewer where there are many items. */
#define VALIDATED_AT_ONCE 16
#define MOST_SCORES (1 << 22)

/* How many items are scored, ratings predicted, and floats copied between two polls. */
#define SCORED_ITEMS 2048
#define POLL_RATINGS 4096
#define POLL_COPIES (1 << 22)

int
rmf_validates_ranking(const rmf_run_shape *shape)
{
	return rmf_is_one_class(shape->problem.feedback);
}

int64_t
rmf_validated_at_once(const rmf_run_shape *shape)
{
	int64_t		users = shape->n[RMF_ITEMS] > 0 ? MOST_SCORES / shape->n[RMF_ITEMS] : VALIDATED_AT_ONCE;

	return users < 1 ? 1 : rmf_min64(users, VALIDATED_AT_ONCE);
}

static uint64_t
hash_of_user(const rmf_run *run, int64_t u)
{
	return rmf_mix64(run->keys[RMF_USERS][u] ^ rmf_mix64(run->shape.seed));
}

static int64_t
users_wanted(const rmf_run_shape *shape)
{
	return shape->validated_users > 0 ? shape->validated_users : RMF_VALIDATED_USERS;
}

int64_t
rmf_most_validated(const rmf_run_shape *shape)
{
	int64_t		most = users_wanted(shape);

	/* there is a sum for each slice of users, too, which are fewer than that */
	return most < RMF_VALIDATED_USERS ? RMF_VALIDATED_USERS : most;
}

/* In a heap by hash, the greatest first: the user at "at" goes down to his place. */
static void
sift_down(const rmf_run *run, int32_t *heap, int64_t n, int64_t at)
{
	int32_t		moved = heap[at];
	uint64_t	hash = hash_of_user(run, moved);

	for (;;)
	{
		int64_t		child = 2 * at + 1;

		if (child < n - 1 && hash_of_user(run, heap[child]) < hash_of_user(run, heap[child + 1]))
			child++;
		if (child >= n || hash_of_user(run, heap[child]) <= hash)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

/*
 * Chooses, of those who have ratings held out, the users with the smallest
 * hashes: a heap finds the greatest of these, and a second pass takes all up to
 * it in ascending order.
 */
static void
choose_users(rmf_run *run)
{
	const rmf_ratings *held_out = &run->validation;
	int64_t		most = users_wanted(&run->shape);
	int32_t    *chosen = run->validated;
	uint64_t	greatest = UINT64_MAX;
	int64_t		n = 0;

	for (int64_t u = 0; u < held_out->n_rows; u++)
	{
		if (held_out->start[u + 1] == held_out->start[u])
			continue;
		if (n < most)
		{
			chosen[n++] = (int32_t) u;
			if (n == most)
			{
				for (int64_t at = n / 2 - 1; at >= 0; at--)
					sift_down(run, chosen, n, at);
			}
		}
		else if (hash_of_user(run, u) < hash_of_user(run, chosen[0]))
		{
			chosen[0] = (int32_t) u;
			sift_down(run, chosen, n, 0);
		}
	}
	if (n == most)
		greatest = hash_of_user(run, chosen[0]);

	n = 0;
	for (int64_t u = 0; u < held_out->n_rows && n < most; u++)
	{
		if (held_out->start[u + 1] > held_out->start[u] && hash_of_user(run, u) <= greatest)
			chosen[n++] = (int32_t) u;
	}
	run->counts->validated_users = n;
}

void
rmf_validate_start(rmf_run *run)
{
	run->counts->validated_users = 0;
	if (run->shape.n_validation > 0 && rmf_validates_ranking(&run->shape))
		choose_users(run);
}

int64_t
rmf_validate_tasks(const rmf_run *run)
{
	int64_t		at_once = rmf_validated_at_once(&run->shape);

	if (run->shape.n_validation == 0)
		return 0;
	if (!rmf_validates_ranking(&run->shape))
		return rmf_run_slices(&run->shape, RMF_USERS);
	return (run->counts->validated_users + at_once - 1) / at_once;
}

static rmf_status
validate_ratings(const rmf_run *run, int64_t task, const rmf_poll *poll)
{
	const rmf_ratings *held_out = &run->validation;
	int32_t		dimensions = rmf_dimensions(&run->shape.problem);
	rmf_rows	rows = rmf_run_slice(run, RMF_USERS, task);
	rmf_validated sums = {0};

	for (int64_t u = rows.first; u < rows.last; u++)
	{
		for (int64_t t = held_out->start[u]; t < held_out->start[u + 1]; t++)
		{
			double		error = held_out->value[t] -
				rmf_als_score(&run->shape.problem, run->rows[RMF_USERS] + u * dimensions,
							  run->rows[RMF_ITEMS] + (int64_t) held_out->column[t] * dimensions);

			if (sums.n++ % POLL_RATINGS == 0 && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			sums.sum += error * error;
		}
	}
	run->validated_sums[task] = sums;
	return RMF_OK;
}

static rmf_status
validate_ranking(const rmf_run *run, int64_t task, const rmf_run_workspace *w, const rmf_poll *poll)
{
	const rmf_ratings *known = &run->ratings[RMF_USERS];
	const rmf_ratings *held_out = &run->validation;
	int64_t		n_items = run->shape.n[RMF_ITEMS];
	int32_t		dimensions = rmf_dimensions(&run->shape.problem);
	int32_t		length = run->shape.metric_length > 0 ? run->shape.metric_length : RMF_RANKING_LENGTH;
	int64_t		first = task * rmf_validated_at_once(&run->shape);
	int64_t		n = rmf_min64(run->counts->validated_users - first, rmf_validated_at_once(&run->shape));
	rmf_validated sums = {0};

	for (int64_t i = 0; i < n; i++)
		memcpy(w->users + i * dimensions, run->rows[RMF_USERS] + (int64_t) run->validated[first + i] * dimensions,
			   (size_t) dimensions * sizeof(float));
	for (int64_t item = 0; item < n_items; item += SCORED_ITEMS)
	{
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		rmf_blas_gemm_nt((int) n, (int) rmf_min64(n_items - item, SCORED_ITEMS), dimensions, w->users, dimensions,
						 run->rows[RMF_ITEMS] + item * dimensions, dimensions, w->scores + item, (int) n_items);
	}

	for (int64_t i = 0; i < n; i++)
	{
		int64_t		u = run->validated[first + i];
		int64_t		at = known->start[u];
		int64_t		of_user = held_out->start[u];
		const int32_t *columns = w->column;

		if (known->column != NULL)
			columns = known->column + at;
		else
		{
			rmf_status	status = rmf_run_load(known, u, u + 1, run->shape.window, w, poll);

			if (status != RMF_OK)
				return status;
		}
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		sums.sum += rmf_ranking_measure(run->shape.metric, length, n_items, w->scores + i * n_items,
										known->start[u + 1] - at, columns,
										held_out->start[u + 1] - of_user, held_out->column + of_user);
		sums.n++;
	}
	run->validated_sums[task] = sums;
	return RMF_OK;
}

rmf_status
rmf_validate_task(const rmf_run *run, int64_t task, const rmf_run_workspace *w, const rmf_poll *poll)
{
	if (rmf_validates_ranking(&run->shape))
		return validate_ranking(run, task, w, poll);
	return validate_ratings(run, task, poll);
}

rmf_status
rmf_validate_finish(const rmf_run *run, double *metric)
{
	rmf_validated sums = {0};

	*metric = NAN;
	if (run->shape.n_validation == 0)
		return RMF_OK;
	for (int64_t task = 0; task < rmf_validate_tasks(run); task++)
	{
		sums.sum += run->validated_sums[task].sum;
		sums.n += run->validated_sums[task].n;
	}
	*metric = sums.sum / (double) sums.n;
	if (!rmf_validates_ranking(&run->shape))
		*metric = sqrt(*metric);
	return isfinite(*metric) ? RMF_OK : RMF_NOT_FINITE;
}

int
rmf_validate_is_better(const rmf_run *run, double metric, double than)
{
	return rmf_validates_ranking(&run->shape) ? metric > than : metric < than;
}

rmf_status
rmf_validate_copy_rows(const rmf_run *run, float *const *from, float *const *to, const rmf_poll *poll)
{
	for (int side = 0; side < 2; side++)
	{
		int64_t		n = run->shape.n[side] * rmf_dimensions(&run->shape.problem);

		for (int64_t at = 0; at < n; at += POLL_COPIES)
		{
			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			memcpy(to[side] + at, from[side] + at, (size_t) rmf_min64(n - at, POLL_COPIES) * sizeof(float));
		}
	}
	return RMF_OK;
}
