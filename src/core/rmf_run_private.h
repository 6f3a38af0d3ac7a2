/*
 * rmf_run_private.h
 *	  What the files of a training run have in common: rmf_run.c, which has the
 *	  phases and the leader, and rmf_validate.c, which has VALIDATE.  For nobody
 *	  else; the run's own header is rmf_run.h.
 */
#ifndef RMF_RUN_PRIVATE_H
#define RMF_RUN_PRIVATE_H

#include <stdint.h>

#include "rmf_run.h"

/* A process' workspace; rmf_run_workspace_size(). */
typedef struct rmf_run_workspace
{
	void	   *solver;			/* rmf_als_workspace_size() */
	int32_t    *column;			/* window each, where ratings are loaded */
	float	   *value;
	float	   *weight;
	float	   *sums;			/* implicit features: a row's, for several rows */
	float	   *users;			/* rows of users that are validated together */
	float	   *scores;			/* of these, n items each */
} rmf_run_workspace;

static inline int64_t
rmf_min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The slices of equal numbers of rows that a side is divided into, >= 1; and one of them. */
extern int64_t rmf_run_slices(const rmf_run_shape *shape, rmf_side side);
extern rmf_rows rmf_run_slice(const rmf_run *run, rmf_side side, int64_t number);

/*
 * The ratings of the rows first <= r < last into the workspace.  Errors:
 * RMF_BAD_ARGUMENT for more than "window"; RMF_CANCELLED also where they could
 * not be loaded.
 */
extern rmf_status rmf_run_load(const rmf_ratings *ratings, int64_t first, int64_t last, int64_t window,
							   const rmf_run_workspace *w, const rmf_poll *poll);

/*
 * VALIDATE: rmf_validate.c.
 */

/* Is the ranking of items validated, or the error of ratings? */
extern int	rmf_validates_ranking(const rmf_run_shape *shape);

/* Of so many users at most; what depends on it is laid out before anybody is chosen. */
extern int64_t rmf_most_validated(const rmf_run_shape *shape);

/* Users of a task where the ranking is, and so the rows of workspace->users and ->scores. */
extern int64_t rmf_validated_at_once(const rmf_run_shape *shape);

/* Sets run->validated and its number, from the ratings held out and the users' keys; before anything below. */
extern void rmf_validate_start(rmf_run *run);

/* The phase's tasks (0 where there is nothing to validate with), and one of them. */
extern int64_t rmf_validate_tasks(const rmf_run *run);
extern rmf_status rmf_validate_task(const rmf_run *run, int64_t task, const rmf_run_workspace *w,
									const rmf_poll *poll);

/*
 * The metric, when all tasks are done: the RMSE or the mean of the users'
 * (rmf_ranking.h); NAN where there is nothing to validate with.  Errors:
 * RMF_NOT_FINITE.
 */
extern rmf_status rmf_validate_finish(const rmf_run *run, double *metric);

/* Is "metric" better than the other? */
extern int	rmf_validate_is_better(const rmf_run *run, double metric, double than);

/* Keeps all rows as the best (run->rows to run->best), or brings the best back. */
extern rmf_status rmf_validate_copy_rows(const rmf_run *run, float *const *from, float *const *to,
										 const rmf_poll *poll);

#endif							/* RMF_RUN_PRIVATE_H */
