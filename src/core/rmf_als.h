/*
 * rmf_als.h
 *	  Alternating least squares for explicit and implicit feedback.
 *
 * Objectives, with x_u the row of a user and y_i that of an item:
 *
 * implicit (Hu, Koren, Volinsky 2008, in the form of Rendle et al. 2022):
 *	 sum over all (u,i) of c_ui (p_ui - x_u.y_i)^2 + penalty,
 *	 c_ui = 1 + alpha r_ui and p_ui = 1 where there is a rating r_ui, else
 *	 c_ui = 1 and p_ui = 0.  Inside, everything is divided by alpha times the
 *	 mean rating, so that observed entries weigh w_ui = r_ui / mean (1 on
 *	 average) and all entries a0 = 1 / (alpha mean):
 *	 sum_obs w_ui [(1-s)^2] + a0 [sum_obs (1-s)^2 + sum_unobs s^2]
 *	 + lambda [sum_u (W_u + a0 I)^nu |x_u|^2 + sum_i (W_i + a0 U)^nu |y_i|^2],
 *	 W_u the sum of the row's w, I and U the numbers of items and users.
 *
 * explicit (biased matrix factorisation):
 *	 sum_obs (r_ui - mean - b_u - b_i - x_u.y_i)^2
 *	 + lambda [sum_u n_u^nu |x_u|^2 + sum_i n_i^nu |y_i|^2]
 *	 + lambda_b [sum_u b_u^2 + sum_i b_i^2], n the number of ratings of a row.
 *
 * Each rating may have a weight c_ui, which multiplies its square; n is then the
 * sum of the row's weights.  With implicit features, whether there is a rating
 * says something too: users and items have second vectors a_u and b_i, and
 *	 w_f [sum over all (u,i) of (o_ui - x_u.b_i)^2 + (o_ui - a_u.y_i)^2
 *		  + lambda_f (sum_u |a_u|^2 + sum_i |b_i|^2)]
 * is added, o_ui = 1 where there is a rating, else 0.
 *
 * logistic (cross-entropy over the full matrix), with s_ui the inner product:
 *	 sum_obs w_ui log(1 + e^-s) + w sum_unobs log(1 + e^s)
 *	 + lambda/2 [sum_u (W_u + w/20 I)^nu |x_u|^2 + sum_i (W_i + w/20 U)^nu |y_i|^2]
 *	 + lambda_b/2 [sum_u b_u^2 + sum_i b_i^2],
 * w_ui = r_ui / mean and w the weight of what was not observed.  What is
 * minimised is the quadratic bound of Jaakkola and Jordan (2000), see
 * rmf_objective.h, and its value is what is called the loss.
 *
 * lambda may be one for users and another for items.  Where factors are to be
 * non-negative, each row is the best of those that have no negative factor.
 *
 * Rows are float vectors of rmf_dimensions() entries.  For implicit feedback
 * these are the factors.  For explicit and logistic feedback two more follow,
 * so that the inner product of a user's and an item's row is the whole
 * prediction less the mean:  user (x_u, b_u, 1), item (y_i, 1, b_i).
 *
 * Rows are solved exactly (rmf_exact.h), for folding in and where training wants
 * it, or by the steps of rmf_cg.h.  Training calls both
 * through rmf_als_half_step().  All are pure functions of their arguments, so
 * the result does not depend on who solves which row when.
 *
 * Memory is the caller's: rmf_als_workspace_size() bytes, aligned to 64, per
 * thread of control.  Long work polls for cancellation.
 */
#ifndef RMF_ALS_H
#define RMF_ALS_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_csr.h"
#include "rmf_status.h"
#include "rmf_vector.h"

#define RMF_MAX_FACTORS 1024

/* Workspaces and packed sides begin at a multiple of so many bytes, and so do their parts. */
#define RMF_ALIGNMENT 64

typedef enum rmf_feedback
{
	RMF_EXPLICIT = 1,			/* the numbers reach the disk */
	RMF_IMPLICIT = 2,
	RMF_LOGISTIC = 3
} rmf_feedback;

/*
 * Is only one class of cells observed, those that a user chose?  Then ratings
 * are strengths, which are positive and add up, and all other cells count too.
 */
static inline int
rmf_is_one_class(rmf_feedback feedback)
{
	return feedback == RMF_IMPLICIT || feedback == RMF_LOGISTIC;
}

typedef enum rmf_side
{
	RMF_USERS = 0,
	RMF_ITEMS = 1
} rmf_side;

/* How training solves rows; the numbers reach the disk. */
typedef enum rmf_solver
{
	RMF_SOLVER_AUTO = 0,		/* what is faster; see rmf_als.c */
	RMF_SOLVER_EXACT = 1,
	RMF_SOLVER_CG = 2			/* a few steps of conjugate gradients, rmf_cg.h */
} rmf_solver;

/* What the user may set.  NAN (or 0 for the integers) means: by rule, from the data. */
typedef struct rmf_settings
{
	rmf_feedback feedback;
	int32_t		factors;
	int32_t		iterations;
	double		regularization; /* lambda >= 0 */
	double		regularization_scaling; /* nu in [0, 2] */
	double		user_regularization;	/* lambda of the users' rows >= 0; NAN: regularization */
	double		item_regularization;
	double		bias_regularization;	/* lambda_b >= 0; not implicit */
	double		alpha;			/* > 0; implicit only */
	double		unobserved_weight;	/* w in (0, 1]; logistic only */
	int32_t		implicit_features;	/* 0 or 1; explicit only */
	double		implicit_features_weight;	/* w_f > 0; with implicit features only */
	double		implicit_features_regularization;	/* lambda_f > 0; the same */
	int32_t		nonnegative;	/* 0 or 1; explicit and implicit only, not with RMF_SOLVER_CG */
	uint64_t	seed;
	rmf_solver	solver;
	double		validation_fraction;	/* of the ratings, held out to validate with: 0 <= fraction <= 0.5 */
	int32_t		patience;		/* with validation: iterations in a row without a better metric that end training */
} rmf_settings;

/* All settings "by rule", seed 42, solver auto. */
extern void rmf_settings_init(rmf_settings *settings, rmf_feedback feedback);

/*
 * Replaces what is to be set by rule, from the data's summary.  The rules and
 * what they were measured on stand in rmf_settings.c.  RMF_BAD_ARGUMENT: *field
 * names the setting that is out of range, or "ratings" where there are none or
 * (implicit) some are not positive.  Settings of the other kind of feedback
 * must be, and stay, NAN.
 */
extern rmf_status rmf_settings_resolve(rmf_settings *settings, int64_t n_users, int64_t n_items,
									   const rmf_csr_stats *ratings, const char **field);

/* Everything that a row's solution depends on beside the rows of the other side. */
typedef struct rmf_problem
{
	rmf_feedback feedback;
	int32_t		factors;
	double		mean;			/* what a score has beside the inner product; explicit: the mean of all ratings, by weight; logistic: log w */
	double		strength;		/* explicit: 1; else: 1 / mean rating, so w_ui = strength * r_ui */
	double		unobserved;		/* implicit: a0; logistic: w; explicit: 0 */
	double		size_unobserved;	/* what an unobserved cell adds to the size of a row: a0, w / 20, 0 */
	double		regularization[2];	/* by rmf_side */
	double		regularization_scaling;
	double		bias_regularization;
	int			implicit_features;
	double		features_weight;	/* w_f */
	double		features_regularization;	/* lambda_f */
	int			nonnegative;
	rmf_solver	solver;			/* only rmf_als_half_step() looks */
	double		start_sd;		/* standard deviation of start values; only rmf_als_start() looks */
} rmf_problem;

/* From resolved settings. */
extern void rmf_problem_init(rmf_problem *problem, const rmf_settings *settings,
							 const rmf_csr_stats *ratings);

/* Does a row have a bias of its own? */
static inline int
rmf_has_biases(const rmf_problem *problem)
{
	return problem->feedback != RMF_IMPLICIT;
}

/* Do all cells count, observed or not, so that solving a row takes a Gram matrix? */
static inline int
rmf_has_gram(const rmf_problem *problem)
{
	return rmf_is_one_class(problem->feedback) || problem->implicit_features;
}

/* Length of a row: factors, and two more where rows have biases. */
static inline int32_t
rmf_dimensions(const rmf_problem *problem)
{
	return problem->factors + (rmf_has_biases(problem) ? 2 : 0);
}

/* What is solved for: the factors of a row, then its bias. */
static inline int32_t
rmf_unknowns(const rmf_problem *problem)
{
	return problem->factors + (rmf_has_biases(problem) ? 1 : 0);
}

static inline rmf_side
rmf_other_side(rmf_side side)
{
	return side == RMF_USERS ? RMF_ITEMS : RMF_USERS;
}

/* Where a row of "side" keeps its own bias (only where rows have biases); the other of the two is 1. */
static inline int32_t
rmf_bias_position(const rmf_problem *problem, rmf_side side)
{
	return problem->factors + (side == RMF_USERS ? 0 : 1);
}

/* Of a side's Gram matrix: factors, for logistic feedback all dimensions, 0 where none is needed. */
static inline int32_t
rmf_gram_width(const rmf_problem *problem)
{
	if (problem->feedback == RMF_LOGISTIC)
		return rmf_dimensions(problem);
	return rmf_has_gram(problem) ? problem->factors : 0;
}

/*
 * Start values: N(0, start_sd^2) that depend on (key of the row, side, seed)
 * alone, without their signs where factors are to be non-negative; biases are
 * "bias".  rows: n x rmf_dimensions(); keys: n.  start_sd is 0.1 / sqrt(factors),
 * for explicit feedback times the root of the ratings' standard deviation, so
 * that the unit of the ratings does not matter.
 */
extern void rmf_als_start(const rmf_problem *problem, rmf_side side, uint64_t seed, float bias,
						  int64_t n, const uint64_t *keys, float *rows);

/*
 * gram (rmf_gram_width() square, full, row-major) := sum over rows of their
 * outer products, of the first rmf_gram_width() entries of each.  Summed in
 * blocks of fixed size in fixed order.  RMF_BAD_ARGUMENT where the width is 0.
 *
 * The same in parts: the first adds what n rows, each "stride" floats long,
 * give to the lower triangle of a part, the second makes the matrix of the
 * parts, one after the other in memory, in their order; "gram" may be a single
 * part.
 */
extern rmf_status rmf_als_gram(const rmf_problem *problem, int64_t n, const float *rows,
							   float *gram, void *workspace, const rmf_poll *poll);
extern rmf_status rmf_als_gram_add(const rmf_problem *problem, int64_t n, const float *rows,
								   int32_t stride, float *gram, void *workspace, const rmf_poll *poll);
extern void rmf_als_gram_finish(const rmf_problem *problem, int64_t n_parts, const float *parts,
								float *gram);

/*
 * One half-step: the rows of "side" are solved, those of the other side stand
 * still.  rmf_half_step_init() (rmf_objective.h) fills it in.
 */
typedef struct rmf_half_step
{
	const rmf_problem *problem;
	rmf_side	side;
	const float *fixed;			/* rows of the other side, n_fixed x rmf_dimensions() */
	int64_t		n_fixed;		/* one-class feedback: all rows of the other side count as unobserved */
	const float *gram;			/* where rmf_has_gram(): unknowns x unknowns, of all rows of the other side */
	float		gram_scale;
	const float *base;			/* unknowns, on the right side of every row; NULL: zeros */
	const float *extra;			/* n_fixed x factors, times gram_scale on the right side once a rating; NULL: zeros */
	const void *packed;			/* rmf_als_pack() of this step, or NULL: all rows are solved exactly */
	rmf_cpu_level level;		/* of the exact solver: rmf_cpu_best(), or a lower one */
	int			measure;		/* does rmf_als_half_step() add up fit and squares? */
} rmf_half_step;

/*
 * What solved rows add to the objective: rmf_objective_measure() says what fit
 * and squares are.  The sums of both sides' penalties, of one side's fit, and
 * rmf_objective_everywhere() are the objective.
 */
typedef struct rmf_sums
{
	double		fit;			/* what ratings add, see rmf_objective_measure() */
	double		squares;		/* explicit: of rating - prediction; implicit: of 1 - score */
	double		penalty;		/* of rows */
} rmf_sums;

/* What rmf_als_gram() and rmf_als_solve_row() need, and with it rmf_als_half_step(). */
extern size_t rmf_als_row_workspace_size(const rmf_problem *problem);
extern size_t rmf_als_workspace_size(const rmf_problem *problem);

/*
 * The fixed side in the form that the fast solver reads, once a half-step, for
 * all who solve rows of it: rmf_als_packed_size() bytes, aligned to 64, which
 * may lie in shared memory; 0 bytes where the problem is solved exactly.
 * level: rmf_cpu_best(), or a lower one.
 */
extern size_t rmf_als_packed_size(const rmf_problem *problem, int64_t n_fixed);
extern rmf_status rmf_als_pack(const rmf_half_step *step, rmf_cpu_level level, void *packed,
							   const rmf_poll *poll);

/*
 * The exact solution for one row from n ratings: column[t] indexes step->fixed;
 * weight: of the ratings (explicit only), NULL: all 1.  solution:
 * rmf_dimensions().  n = 0 gives zeros (and the constant 1).  The same bits as
 * an exact half-step gives the row.
 *
 * A system that is not positive definite (regularization 0 and too few
 * ratings) is solved with the smallest ridge that makes it so.  Where the
 * objective is not quadratic (rmf_objective_needs_scores()), and where factors
 * are to be non-negative, "solution" holds the present row beforehand.
 * Errors: RMF_NOT_FINITE, RMF_SINGULAR, RMF_CANCELLED.
 */
extern rmf_status rmf_als_solve_row(const rmf_half_step *step, int64_t n, const int32_t *column,
									const float *value, const float *weight, float *solution,
									void *workspace, const rmf_poll *poll);

/*
 * n_rows consecutive rows of step->side, the first of them at solved: by
 * rmf_als_solve_row(), or as problem->solver says by steps from what stands
 * there.  A row whose steps break down is solved exactly.  What becomes of a
 * row depends on nothing but its ratings, itself and the step.
 *
 * start: n_rows + 1 ascending offsets; the ratings of row r begin at
 * column[start[r] - start[0]], so that a window of a long file serves as well
 * as an array.  weight: one a rating (explicit feedback only), NULL: all 1.
 *
 * sums (may be NULL) grow by the penalty of the rows and, where step->measure,
 * by fit and squares of their ratings at the new solution.
 *
 * Errors: as rmf_als_solve_row().
 */
extern rmf_status rmf_als_half_step(const rmf_half_step *step, int64_t n_rows, const int64_t *start,
									const int32_t *column, const float *value, const float *weight,
									float *solved, rmf_sums *sums, void *workspace,
									const rmf_poll *poll);

/*
 * A row from nothing but its ratings, as training would have it in the end: the
 * exact solution, for logistic feedback of as many bounds as it takes.
 */
extern rmf_status rmf_als_fold_in(const rmf_half_step *step, int64_t n, const int32_t *column,
								  const float *value, const float *weight, float *solution,
								  void *workspace, const rmf_poll *poll);

/*
 * lambda (size + size_unobserved n_other)^nu of a row of "side": what |x|^2 costs.
 * size: rmf_objective_size() of its ratings.
 */
extern double rmf_als_row_penalty(const rmf_problem *problem, rmf_side side, double size, int64_t n_other);

typedef struct rmf_loss
{
	double		total;			/* the objective, as in the head of this file (divided form) */
	double		fit;			/* total without the penalty */
	double		rmse;			/* explicit: root mean squared error of the training ratings; else: of the observed entries against 1 */
} rmf_loss;

/* gram_users, gram_items: one-class feedback only.  Without what implicit features add. */
extern rmf_status rmf_als_loss(const rmf_problem *problem, const rmf_csr *by_user, const rmf_csr *by_item,
							   const float *users, const float *items,
							   const float *gram_users, const float *gram_items,
							   rmf_loss *loss, const rmf_poll *poll);

/* mean + inner product; logistic: the logarithm of the odds. */
extern double rmf_als_score(const rmf_problem *problem, const float *user, const float *item);

/*
 * What the model expects of a user and an item, either of which may be NULL
 * for one that it does not know.  Explicit: the score, or the mean and the
 * bias of the known side, within [min, max].  Implicit: the score; logistic: the
 * probability, which is the sigmoid of the score; nothing is expected unless
 * both are known.  Nonzero if *prediction was set.
 */
extern int	rmf_als_predict(const rmf_problem *problem, const float *user, const float *item,
							double min, double max, double *prediction);

#endif							/* RMF_ALS_H */
