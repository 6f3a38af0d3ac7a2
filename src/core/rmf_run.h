/*
 * rmf_run.h
 *	  A training run, by one process or by several that share memory.
 *
 * A run is a sequence of phases, a phase a set of tasks, and a task is pure: it
 * reads what earlier phases have left and writes places of its own.  So any
 * process that has mapped the run's memory may do any task of the phase at any
 * time.  The tasks of a phase depend on the data and the settings alone, sums
 * are kept a task and added in the tasks' order; the result is therefore the
 * same, bit for bit, whoever did what.
 *
 *	start		START users, START items (then the caller may put other values into
 *				run->rows: a warm start), and before the first iteration PREPARE items
 *	iteration	SOLVE users, PREPARE users, SOLVE items, PREPARE items, and VALIDATE
 *				where there are ratings to validate with
 *
 * PREPARE makes of the rows just solved what the next half-step reads: the Gram
 * matrix and the packed rows, slice by slice in one pass over them.  SOLVE
 * items measures the objective on its way, so a loss costs no pass of its own.
 *
 * Some objectives need more (rmf_objective.h): logistic feedback the Gram
 * matrices of both sides before each half-step, implicit features the second
 * vectors of the side prepared, which FEATURES makes after PREPARE, slice by
 * slice, of the rows of the other side.
 *
 * Memory: the run's (rmf_run_lay_out()), which may lie in shared memory and
 * holds no pointers, and for each process a workspace of its own.  The ratings
 * are the caller's.
 *
 * Between phases one process, the leader, adds up and decides: it calls
 * rmf_run_start() and rmf_run_iterate(), the others only rmf_run_task().
 */
#ifndef RMF_RUN_H
#define RMF_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_als.h"
#include "rmf_cg.h"
#include "rmf_csr.h"
#include "rmf_objective.h"
#include "rmf_ranking.h"
#include "rmf_status.h"

/* Each of a pair for the users and, one more, for the items. */
typedef enum rmf_phase
{
	RMF_START_USERS,
	RMF_START_ITEMS,
	RMF_SOLVE_USERS,
	RMF_SOLVE_ITEMS,
	RMF_PREPARE_USERS,
	RMF_PREPARE_ITEMS,
	RMF_FEATURES_USERS,
	RMF_FEATURES_ITEMS,
	RMF_VALIDATE
} rmf_phase;

/* Of so many users at most the ranking is validated, unless the shape says otherwise. */
#define RMF_VALIDATED_USERS 1000

/* What the layout depends on: plain numbers, the same in all processes. */
typedef struct rmf_run_shape
{
	rmf_problem problem;
	uint64_t	seed;
	rmf_cpu_level level;		/* rmf_cpu_best(), or a lower one */
	int64_t		n[2];			/* rows, by rmf_side */
	int64_t		n_validation;	/* ratings to validate with; 0: no validation */
	int64_t		validated_users;	/* whose ranking is validated, at most; 0: RMF_VALIDATED_USERS */
	rmf_ranking_metric metric;	/* of their ranking */
	int32_t		metric_length;	/* 0: RMF_RANKING_LENGTH */
	int64_t		window;			/* ratings loaded at once, at least the longest row of either side; 0: all are in memory */
} rmf_run_shape;

/* The rows first <= r < last. */
typedef struct rmf_rows
{
	int64_t		first;
	int64_t		last;
} rmf_rows;

/* What was validated in a task. */
typedef struct rmf_validated
{
	double		sum;			/* of squared errors, or of the users' metric */
	int64_t		n;				/* ratings, or users */
} rmf_validated;

/* How many tasks the phases have; set by rmf_run_start(). */
typedef struct rmf_run_counts
{
	int64_t		solve[2];
	int64_t		validated_users;
} rmf_run_counts;

/*
 * A process' view of a run.  Set by hand: ratings, validation.  By
 * rmf_run_lay_out(): the rest.  Everything behind the pointers is written by
 * the leader between phases and by tasks within one, as the phase says.
 */
typedef struct rmf_run
{
	rmf_run_shape shape;
	rmf_ratings ratings[2];		/* by user, by item */
	rmf_ratings validation;		/* by user, held out of the former; in memory */

	uint64_t   *keys[2];		/* one a row: what start values depend on; the caller fills them in */
	float	   *rows[2];		/* n x dimensions: the factors */
	float	   *gram[2];		/* rmf_gram_width() square, where that is not 0; of the rows as they stand */
	rmf_common	common;			/* where rmf_has_common(): of the half-step that comes next */
	float	   *features;		/* implicit features: second vectors of the side prepared last, n x factors */
	float	   *features_gram;	/* factors x factors; of these */
	float	   *features_inverse;	/* factors x factors */
	double	   *features_scratch;	/* factors x factors */
	void	   *packed;			/* of the side prepared last; NULL where rows are solved exactly */
	float	   *best[2];		/* with validation: the rows of the best iteration */

	rmf_run_counts *counts;
	rmf_rows   *tasks[2];		/* of SOLVE, the costliest first */
	rmf_sums   *sums[2];		/* one a task of SOLVE */
	rmf_sums   *features_sums[2];	/* one a task of FEATURES */
	float	   *partial_gram;	/* rmf_gram_width() square a slice */
	rmf_cg_squares *squares;	/* one a slice */
	int32_t    *validated;		/* the users whose ranking is validated, ascending */
	rmf_validated *validated_sums;	/* one a task of VALIDATE */
} rmf_run;

/*
 * Lays a run out at "base", a multiple of RMF_ALIGNMENT, and returns its bytes.
 * With base NULL it only counts, and the pointers are NULL.
 */
extern size_t rmf_run_lay_out(const rmf_run_shape *shape, void *base, rmf_run *run);

/* Bytes of the workspace that each process brings, aligned to RMF_ALIGNMENT. */
extern size_t rmf_run_workspace_size(const rmf_run_shape *shape);

/* About how many multiplications an iteration over so many ratings takes. */
extern double rmf_run_products(const rmf_run_shape *shape, int64_t n_entries);

/* The number of tasks of a phase; may be 0. */
extern int64_t rmf_run_tasks(const rmf_run *run, rmf_phase phase);

/*
 * Does a task, 0 <= task < rmf_run_tasks().  Any process, any order.
 * Errors: those of rmf_als_half_step(); RMF_CANCELLED also where ratings could
 * not be loaded, the reason of which the caller's callback keeps.
 */
extern rmf_status rmf_run_task(const rmf_run *run, rmf_phase phase, int64_t task,
							   void *workspace, const rmf_poll *poll);

/*
 * Those who do the tasks of a phase together: "run" returns when all are done,
 * or as soon as one has failed, with its status.
 */
typedef struct rmf_team
{
	rmf_status	(*run) (void *arg, rmf_phase phase, int64_t n_tasks);
	void	   *arg;
} rmf_team;

/*
 * The leader's view of the whole: team NULL: it does all tasks itself, with
 * "workspace".
 */
typedef struct rmf_leader
{
	const rmf_team *team;
	void	   *workspace;
	const rmf_poll *poll;
} rmf_leader;

/*
 * Divides the run into tasks and sets the start values.  RMF_BAD_ARGUMENT:
 * ratings that do not fit the shape or each other.
 */
extern rmf_status rmf_run_start(rmf_run *run, const rmf_leader *leader);

/* An iteration that is done. */
typedef struct rmf_iteration
{
	int32_t		number;			/* from 1 on */
	int32_t		best;			/* the number of the best so far: of this one where nothing is validated */
	rmf_loss	loss;
	double		metric;			/* of the validation ratings: RMSE (explicit), else that of the ranking; NAN without any */
} rmf_iteration;

/* Called after each iteration: go on, end and keep what there is, or give up (RMF_CANCELLED). */
typedef enum rmf_verdict
{
	RMF_GO_ON,
	RMF_STOP,
	RMF_GIVE_UP
} rmf_verdict;

typedef rmf_verdict (*rmf_iteration_done) (void *arg, const rmf_iteration *iteration);

typedef enum rmf_ending
{
	RMF_ENDED_COMPLETE,			/* all iterations */
	RMF_ENDED_EARLY,			/* patience was at its end */
	RMF_ENDED_STOPPED			/* the callback said so */
} rmf_ending;

typedef struct rmf_outcome
{
	int32_t		iterations;		/* that were made */
	rmf_ending	ending;
	rmf_iteration kept;			/* whose rows are in run->rows now */
} rmf_outcome;

/* How long to go on. */
typedef struct rmf_stopping
{
	int32_t		iterations;		/* at most, >= 1 */
	int32_t		patience;		/* with validation: so many in a row without a better metric end it; 0: never */
	rmf_iteration_done done;	/* may be NULL */
	void	   *done_arg;
	int32_t		validate_every; /* so many iterations, and after the last; 0: after each */
} rmf_stopping;

/*
 * Iterates from the rows that are there.  With validation the rows of the best
 * iteration that was validated are kept (the first of equals), else those of the
 * last.  On success
 * every row is finite and run->gram belongs to run->rows.
 * Errors: those of the tasks; RMF_NOT_FINITE where the loss isn't.
 */
extern rmf_status rmf_run_iterate(rmf_run *run, const rmf_stopping *stopping,
								  const rmf_leader *leader, rmf_outcome *outcome);

#endif							/* RMF_RUN_H */
