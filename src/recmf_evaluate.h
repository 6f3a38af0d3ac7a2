/*
 * recmf_evaluate.h
 *	  Evaluation: what is measured, on which users, and where it is kept.
 *
 * Phases:
 *	recmf_evaluate_read.c	the held-out rows, what users have seen, lists;
 *		recmf_evaluate_model.c: the items and the users of a model
 *	recmf_evaluate_rank.c	lists and places, of the model and of the baselines
 *	recmf_evaluate_values.c	values of users, means, intervals, rows of a result
 *	recmf_evaluate.c		the SQL functions; recmf_compare.c: compare_models()
 *
 * Memory: everything of an evaluation lies in one context, below that of the
 * call: the items' factors, those of the users of the test, their rows of the
 * test and of the training, and some hundred floats for each of them.
 */
#ifndef RECMF_EVALUATE_H
#define RECMF_EVALUATE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/tuplestore.h"

#include "core/rmf_bootstrap.h"
#include "core/rmf_lists.h"
#include "core/rmf_rank.h"
#include "recmf_ids.h"
#include "recmf_mf_model.h"
#include "recmf_registry.h"

/* The most values of group_by, and of k. */
#define RECMF_MAX_SEGMENTS 256
#define RECMF_MAX_K 20

/* What the caller asks for. */
typedef struct RecmfEvaluateOptions
{
	char	   *test_source;
	char	   *train_source;	/* NULL: the model's own */
	char	   *user_col;		/* of the test; NULL: as the model's */
	char	   *item_col;
	char	   *rating_col;		/* NULL: none */
	bool		rating_col_given;
	double		min_rating;		/* of a relevant row; -infinity: every row is */
	char	   *group_by;		/* an expression over the test; NULL: none */
	int			n_k;
	int32	   *k;				/* ascending */
	int32		negatives;		/* so many drawn a user; 0: the full catalogue */
	char	   *candidates;		/* a source of negatives, or NULL */
	int32		resamples;
	double		confidence;
	uint64		seed;
	bool		baselines;
} RecmfEvaluateOptions;

/* What is evaluated: one of these is set. */
typedef struct RecmfSubject
{
	const RecmfModel *model;	/* of train_model() */
	const MfModelView *value;	/* of mf_train() */
	char	   *lists;			/* a source of (user_id, item_id, score or rank) */
} RecmfSubject;

typedef enum RecmfSystem
{
	RECMF_SYSTEM_MODEL,
	RECMF_SYSTEM_POPULARITY,
	RECMF_SYSTEM_RANDOM,
	RECMF_SYSTEM_MEAN,			/* of all ratings */
	RECMF_SYSTEM_ITEM_MEAN
} RecmfSystem;

#define RECMF_N_SYSTEMS 5

/* The first three rank. */
#define RECMF_N_RANKING 3

/* A row of the test, for predictions. */
typedef struct RecmfTestRow
{
	int32		user;
	int32		item;
	int32		segment;
	float		rating;
} RecmfTestRow;

/* An entry of somebody else's lists. */
typedef struct RecmfListed
{
	int32		user;
	int32		item;
	double		score;			/* larger is better */
} RecmfListed;

/* Values of users, a row each. */
typedef struct RecmfValues
{
	int			n_columns;
	int64		n_rows;
	int64		room;
	float	   *values;
	int32	   *user;
} RecmfValues;

typedef struct RecmfEvaluation
{
	MemoryContext context;
	RecmfEvaluateOptions options;
	RecmfSubject subject;
	const char *name;			/* of the subject, for messages */

	/* ids; items beyond n_items are not in the catalogue */
	RecmfIds   *users;			/* of the test, ascending */
	RecmfIds   *items;
	RecmfIds   *segments;		/* NULL: none */
	int32		n_users;
	int32		n_items;
	int32		n_segments;

	/* the model, or no rows at all */
	rmf_problem problem;
	int32		dimensions;
	double		rating_min;
	double		rating_max;
	int64		n_model_users;
	float	   *item_rows;		/* n_items x dimensions */
	float	   *directions;		/* n_items x factors, of norm 1 or 0 */
	float	   *user_rows;		/* n_users x dimensions */
	bool	   *knows_user;
	rmf_popularity popularity;
	double	   *item_mean;		/* of ratings, NaN: none known; NULL: not read */
	char	   *tail;

	/* by user */
	rmf_lists	seen;
	rmf_lists	held;			/* tag: the segment; those that are not in the catalogue come last */
	rmf_lists	negatives;		/* with options.candidates */
	int64		n_listed;
	RecmfListed *listed;		/* by user, best first */
	int64	   *listed_start;
	int64		n_test_rows;
	RecmfTestRow *test_rows;	/* by user */

	/* results */
	RecmfValues *ranking[RECMF_N_RANKING];	/* by segment + 1; 0: all */
	int32	   *exposure[RECMF_N_RANKING];	/* n_k x n_items */
	RecmfValues *predictions;	/* by segment + 1 */
	RecmfValues *probabilities; /* likewise */
	double		calibration[RECMF_N_RANKING];	/* of the model and of popularity; NaN: none */
	int64		n_calibration;
} RecmfEvaluation;

/* The columns of ranking[]: for each k those of rmf_accuracy in its order and four of the list, then the AUC. */
#define RECMF_ACCURACIES 8
enum
{
	RECMF_NOVELTY = RECMF_ACCURACIES,
	RECMF_LONG_TAIL,
	RECMF_DIVERSITY,
	RECMF_SERENDIPITY,
	RECMF_COLUMNS_A_K
};
extern const char *const recmf_ranking_metrics[RECMF_COLUMNS_A_K];

/* The columns of predictions, for each of the three that predict, and the number of rows. */
enum
{
	RECMF_SQUARED_ERROR,
	RECMF_ABSOLUTE_ERROR,
	RECMF_ERRORS
};
#define RECMF_N_PREDICTING 3
#define RECMF_PREDICTION_COLUMNS (RECMF_N_PREDICTING * RECMF_ERRORS + 1)

/* The columns of probabilities: losses of the model and of popularity, and the number of cells. */
#define RECMF_PROBABILITY_COLUMNS 3

/*
 * Reads everything.  Raises errors for what is not there or of the wrong type,
 * a WARNING where the test has what was trained on and a NOTICE where it has
 * what the subject doesn't know.  Inside SPI_connect().
 */
extern RecmfEvaluation *recmf_evaluation_read(const RecmfSubject *subject, const RecmfEvaluateOptions *options);

/* Ranks and predicts: fills the results. */
extern void recmf_evaluation_run(RecmfEvaluation *evaluation);

/* Whether only some candidates are ranked. */
extern bool recmf_evaluation_is_sampled(const RecmfEvaluation *evaluation);

/* The column of a metric at a k of the options, or -1. */
extern int	recmf_evaluation_column(const RecmfEvaluation *evaluation, const char *metric, int32 k);

/* Rows (segment, system, metric, k, value, low, high, n, candidates). */
extern void recmf_evaluation_put(const RecmfEvaluation *evaluation, ReturnSetInfo *result);

/* Estimates and intervals as the options say; those fields of the bootstrap are set here. */
extern void recmf_bootstrap(const RecmfEvaluateOptions *options, rmf_bootstrap *bootstrap, rmf_estimate *estimates);

/* Room for another row, all NaN. */
extern float *recmf_values_add(RecmfEvaluation *evaluation, RecmfValues *values, int32 user);

#endif							/* RECMF_EVALUATE_H */
