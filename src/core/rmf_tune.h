/*
 * rmf_tune.h
 *	  Which settings to try next: successive halving over log-uniform draws, then
 *	  a local search with all factors.
 *
 * A setting is a point, whose coordinates are logarithms of factors on what the
 * rules of rmf_settings.c would choose; the origin is the rules' own choice and
 * always the first point.  That of the regularization is of its sum over all
 * rows, which the other coordinates leave alone: else each of them would move
 * along with it.  Trials come in rounds:
 *
 *	DRAWS		all draws, few factors, few iterations
 *	HALVING		the best third of them, twice the iterations
 *	FINALISTS	the best of those, and the origin, with all factors
 *	NEIGHBOURS	points beside the best, where more is to be expected; closer and closer
 *	STOPPING	the best three once more, with more users and iterations: which, and
 *				how many to make
 *
 * or, to compare with: RANDOM, each draw with all factors, and then STOPPING.
 *
 * The caller asks for a trial (rmf_tune_next()), trains and validates it, and
 * tells what came out (rmf_tune_tell()).  What is asked depends on what was told,
 * the plan and, where time is limited, on the share of it that is spent.  With
 * the same seed the draws are the same, and those of a larger budget begin with
 * those of a smaller one.
 *
 * Memory: the caller's, one struct.
 */
#ifndef RMF_TUNE_H
#define RMF_TUNE_H

#include <stdint.h>

#include "rmf_als.h"
#include "rmf_csr.h"
#include "rmf_run.h"

/* Points at most. */
#define RMF_TUNE_MOST_TRIALS 1000

/* What the coordinates of a point are of. */
typedef enum rmf_coordinate
{
	RMF_TUNE_REGULARIZATION,
	RMF_TUNE_WEIGHT,			/* of what was not observed (implicit: 1 / alpha); explicit: the biases' regularization */
	RMF_TUNE_SCALING,			/* not a logarithm, but what is added to the rule's exponent */
	RMF_TUNE_COORDINATES
} rmf_coordinate;

typedef struct rmf_tune_point
{
	double		at[RMF_TUNE_COORDINATES];
} rmf_tune_point;

typedef enum rmf_round
{
	RMF_TUNE_DRAWS,
	RMF_TUNE_HALVING,
	RMF_TUNE_FINALISTS,
	RMF_TUNE_NEIGHBOURS,
	RMF_TUNE_STOPPING,
	RMF_TUNE_RANDOM,
	RMF_TUNE_ROUNDS
} rmf_round;

typedef struct rmf_tune_plan
{
	uint64_t	seed;
	int32_t		trials;			/* points, 1 .. RMF_TUNE_MOST_TRIALS */
	int32_t		factors;
	int32_t		iterations;		/* 0: to be found */
	int			is_free[RMF_TUNE_COORDINATES];	/* may the coordinate be changed? */
	double		least_scaling;	/* of the third coordinate */
	double		most_scaling;
	int64_t		full_users;		/* to validate with, where all factors are trained: rmf_tune_set_users() */
	int64_t		last_users;		/* and in STOPPING */
	int			larger_is_better;	/* of what is told */
	int			only_draws;		/* RANDOM */
} rmf_tune_plan;

/* What to train and validate. */
typedef struct rmf_tune_trial
{
	int32_t		number;			/* of the point, from 1 on */
	rmf_round	round;
	rmf_tune_point point;
	int32_t		factors;
	int32_t		iterations;		/* at most */
	int32_t		every;			/* validated after so many, and the last */
	int32_t		patience;		/* iterations without a better metric that end it; 0: none do */
	int64_t		users;			/* to validate with */
} rmf_tune_trial;

/* What is known of a point. */
typedef struct rmf_tune_result
{
	rmf_tune_point point;
	double		value[RMF_TUNE_ROUNDS]; /* NAN: not told, or failed */
	int32_t		iterations[RMF_TUNE_ROUNDS];	/* of which this is the metric; 0: not told */
} rmf_tune_result;

typedef struct rmf_tune
{
	rmf_tune_plan plan;
	rmf_round	round;
	int			is_over;
	int32_t		n_draws;
	int32_t		n;				/* points */
	rmf_tune_result result[RMF_TUNE_MOST_TRIALS];
	int32_t		listed[RMF_TUNE_MOST_TRIALS];	/* points of the round, in the order in which they are tried */
	int32_t		n_listed;
	int32_t		next;			/* of these */

	/* NEIGHBOURS */
	int32_t		centre;
	int32_t		step;
	int32_t		move;			/* the next one */
	int32_t		misses;			/* moves in a row that were no better */
	int			is_expected;	/* the point asked for is the surrogate's */

	/* seconds that trials of a round took */
	double		seconds[RMF_TUNE_ROUNDS];
	int32_t		told[RMF_TUNE_ROUNDS];
} rmf_tune;

/* RMF_BAD_ARGUMENT for a plan with no trials, or too many. */
extern rmf_status rmf_tune_init(rmf_tune *tune, const rmf_tune_plan *plan);

/*
 * The next trial; 0: there is none any more.  spent: share of the time, 0 where
 * it is not limited; rounds end when theirs is over.  Asked again before
 * anything was told it gives the same.
 */
extern int	rmf_tune_next(rmf_tune *tune, double spent, rmf_tune_trial *trial);

/*
 * After how many of a run's iterations the metric was as good as at its best but
 * for what is not worth more of them; those that were not validated have NAN.
 */
extern int32_t rmf_tune_enough(const rmf_tune *tune, int32_t n, const rmf_iteration *iterations);

/* The best metric of a trial and after how many iterations it was good enough; NAN: it failed. */
extern void rmf_tune_tell(rmf_tune *tune, const rmf_tune_trial *trial, double value, int32_t iterations,
						  double seconds);

/*
 * The index in result[] of the best point, by the last round that knows any, and
 * how many iterations it should have with all factors; -1: none was told.
 */
extern int32_t rmf_tune_best(const rmf_tune *tune, int32_t *iterations);

/* How a round tries a point. */
extern void rmf_tune_describe(const rmf_tune *tune, int32_t point, rmf_round round, rmf_tune_trial *trial);

/* Sets how many users the rounds validate with, by what that costs beside training. */
extern void rmf_tune_set_users(rmf_tune_plan *plan, const rmf_run_shape *shape, int64_t n_entries);

/* Is a metric better than another?  NAN never is, and all are better than it. */
extern int	rmf_tune_is_better(const rmf_tune *tune, double metric, double than);

/* Seconds that the rest will take, as those before did; trials that are left, as far as that is known. */
extern double rmf_tune_seconds_left(const rmf_tune *tune, int32_t *trials);

/*
 * Settings from a point.  "given": what the user has set, the rest by rule;
 * starts of the rows of both matrices (n + 1 each): for the sum of the
 * regularization over all rows.  The result is resolved.
 * Errors as rmf_settings_resolve().
 */
extern rmf_status rmf_tune_settings(const rmf_tune_point *point, const rmf_settings *given,
									const rmf_csr_stats *ratings, int64_t n_users, const int64_t *user_start,
									int64_t n_items, const int64_t *item_start,
									rmf_settings *settings, const char **field);

/* Which coordinates the user has left free, and the bounds of the exponent's. */
extern void rmf_tune_free(const rmf_settings *given, rmf_tune_plan *plan);

/* A number that depends on all ratings and on who has them, not on their order. */
extern uint64_t rmf_tune_fingerprint(const rmf_csr *by_user, const uint64_t *user_keys, const uint64_t *item_keys);

#endif							/* RMF_TUNE_H */
