/*
 * recmf_tune.c
 *	  tune_model(): the best settings for a source by trying, then a model of it.
 *
 * Phases: arguments, source and name are checked as train_model() does it; the
 * source is read into a dataset, and ratings are held out, by a hash or by their
 * time; trials are asked for (core/rmf_tune.h), trained on what is left
 * (recmf_fit_in()), validated and written to recmf_trials, one after the other;
 * what they took is given back and train_model() trains the best settings on
 * everything, in a statement of its own.
 *
 * Transactions: where the procedure may (a CALL outside of a transaction block),
 * it commits after each trial, so that trials survive a cancel or crash.  A call
 * with the same data and options finds them and goes on from there; elsewhere it
 * is all one transaction.
 *
 * Locks: an advisory lock of the session on the name, since those of a
 * transaction end with each trial.
 *
 * Memory: the dataset and, below it, a context for each trial count against
 * recmf.training_memory; ratings must fit there.  All of it lies in the portal's
 * memory, which outlives the commits.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "portability/instr_time.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "core/rmf_hold_out.h"
#include "core/rmf_noise.h"
#include "core/rmf_random.h"
#include "core/rmf_tune.h"
#include "recmf_blas.h"
#include "recmf_compat.h"
#include "recmf_cursor.h"
#include "recmf_dataset.h"
#include "recmf_names.h"
#include "recmf_options.h"
#include "recmf_progress.h"
#include "recmf_source.h"
#include "recmf_status.h"
#include "recmf_store.h"
#include "recmf_train.h"
#include "recmf_trials.h"

#define CLASS_OF_LOCK 0x54756E65	/* the first key of the advisory lock: "Tune" */

#define DEFAULT_TRIALS 24
/* With few ratings held out of each user, settings win that are good at the very top of a list and nowhere else. */
#define DEFAULT_FRACTION 0.2
#define DEFAULT_LENGTH 20

/* The same as rmf_settings.patience can be at most: nothing ends early. */
#define NO_PATIENCE 1000

#define BATCH_ROWS 1000

/* tune_model()'s arguments, in order */
enum
{
	ARG_MODEL,
	ARG_SOURCE,
	ARG_USER_COL,
	ARG_ITEM_COL,
	ARG_RATING_COL,
	ARG_WEIGHT_COL,
	ARG_FIRST_OPTION,
	ARG_OPTIONS = ARG_FIRST_OPTION + 12,
	ARG_TRIALS,
	ARG_TIME_LIMIT,
	ARG_VALIDATION,
	ARG_VALIDATION_FRACTION,
	ARG_TIME_COL,
	ARG_METRIC,
	ARG_K,
	ARG_SEARCH,
	ARG_ACTIVATE,
	ARG_VERBOSE
};

static const char *const option_names[ARG_OPTIONS - ARG_FIRST_OPTION] = {
	"feedback", "factors", "iterations", "regularization", "regularization_scaling",
	"bias_regularization", "alpha", "seed", "solver", "implicit_features",
	"nonnegative", "index"
};

/* How ratings are chosen to validate with. */
typedef enum Split
{
	SPLIT_USER,					/* a share of each user's, by a hash */
	SPLIT_LAST,					/* the newest of each user */
	SPLIT_TIME					/* the newest share of all */
} Split;

/* What is to be done. */
typedef struct Tuning
{
	char	   *model;
	char	   *source_text;
	char	   *user_col;
	char	   *item_col;
	char	   *rating_col;
	char	   *weight_col;
	RecmfOptions options;
	int32		trials;			/* 0: as many as there is time for */
	double		time_limit;		/* seconds; NAN: none */
	Split		split;
	double		fraction;
	char	   *time_col;
	bool		ranks;			/* the metric is one of ranking, not RMSE */
	rmf_ranking_metric metric;
	int32		k;
	char	   *metric_name;
	bool		only_draws;
	bool		activate;
	bool		verbose;
	bool		commits;

	/* while it is done */
	MemoryContext context;
	instr_time	called;
	TimestampTz deadline;
	RecmfSource *source;
	Oid			owner;
	RecmfDataset *dataset;
	RecmfTrials *known;
	rmf_tune   *tune;
	int			n_tried;		/* this time */
	int			n_found;		/* that an earlier call had tried */
	double		best;			/* metric so far */
	bool		shown;			/* between recmf_progress_begin() and _end() */
} Tuning;

PG_FUNCTION_INFO_V1(recmf_tune_model);

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------
 */

static double
seconds_since(const instr_time *start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *start);
	return INSTR_TIME_GET_DOUBLE(now);
}

static char *
text_or_null(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

pg_noreturn static void
bad_argument(const char *name, const char *value, const char *range)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for argument \"%s\" of tune_model: %s", name, value),
			 errdetail("It must be %s.", range)));
}

/* Options of train_model() that would contradict what tune_model() does. */
static void
check_options(const RecmfOptions *options)
{
	const char *name = options->warm_start ? "warm_start" :
		!isnan(options->time_limit) ? "time_limit" :
		!isnan(options->settings.validation_fraction) ? "validation_fraction" :
		options->settings.patience != 0 ? "patience" : NULL;

	recmf_options_check(options);
	if (name == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("tune_model has no training option \"%s\"", name),
			 strcmp(name, "time_limit") == 0 || strcmp(name, "validation_fraction") == 0
			 ? errhint("Give it as an argument of its own: %s => ....", name)
			 : errhint("Leave it out: trials start cold, and are stopped where they get no better.")));
}

static void
read_validation(FunctionCallInfo fcinfo, Tuning *tuning)
{
	char	   *split = text_or_null(fcinfo, ARG_VALIDATION);

	tuning->time_col = text_or_null(fcinfo, ARG_TIME_COL);
	if (split == NULL || strcmp(split, "user") == 0)
		tuning->split = SPLIT_USER;
	else if (strcmp(split, "last") == 0)
		tuning->split = SPLIT_LAST;
	else if (strcmp(split, "time") == 0)
		tuning->split = SPLIT_TIME;
	else
		bad_argument("validation", split,
					 "user (a share of each user's ratings), last (the newest rating of each user) or time (the newest share of all)");
	if (tuning->split != SPLIT_USER && tuning->time_col == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("validation \"%s\" needs the column that has the time of a rating", split),
				 errhint("Name it by time_col => '...'.")));
	if (tuning->split == SPLIT_USER && tuning->time_col != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("validation \"user\" does not look at time_col"),
				 errhint("Add validation => 'time' or 'last', or leave time_col out.")));

	tuning->fraction = DEFAULT_FRACTION;
	if (!PG_ARGISNULL(ARG_VALIDATION_FRACTION))
	{
		tuning->fraction = PG_GETARG_FLOAT8(ARG_VALIDATION_FRACTION);
		if (!(tuning->fraction > 0 && tuning->fraction <= 0.5))
			bad_argument("validation_fraction", psprintf("%g", tuning->fraction),
						 "greater than 0 and at most 0.5");
		if (tuning->split == SPLIT_LAST)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("validation \"last\" has no fraction: it is one rating of each user"),
					 errhint("Leave validation_fraction out, or use validation => 'time'.")));
	}
}

static void
read_metric(FunctionCallInfo fcinfo, Tuning *tuning)
{
	char	   *metric = text_or_null(fcinfo, ARG_METRIC);
	bool		has_grades = tuning->options.settings.feedback == RMF_EXPLICIT;

	tuning->k = DEFAULT_LENGTH;
	if (!PG_ARGISNULL(ARG_K))
	{
		tuning->k = PG_GETARG_INT32(ARG_K);
		if (tuning->k < 1 || tuning->k > RMF_RANKING_MOST)
			bad_argument("k", psprintf("%d", tuning->k), psprintf("between 1 and %d", RMF_RANKING_MOST));
	}
	if (metric == NULL)
		metric = has_grades ? "rmse" : "ndcg";
	if (strcmp(metric, "rmse") != 0 && strcmp(metric, "ndcg") != 0 && strcmp(metric, "recall") != 0)
		bad_argument("metric", metric, "ndcg or recall (implicit and logistic feedback) or rmse (explicit feedback)");
	tuning->ranks = strcmp(metric, "rmse") != 0;
	if (tuning->ranks == has_grades)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric \"%s\" contradicts feedback \"%s\"", metric,
						recmf_feedback_name(tuning->options.settings.feedback)),
				 has_grades ? errhint("Use rmse: explicit feedback predicts ratings.") :
				 errhint("Use ndcg or recall, or feedback => 'explicit' if the ratings are grades.")));
	if (!tuning->ranks && !PG_ARGISNULL(ARG_K))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric \"rmse\" has no k"),
				 errhint("Leave k out.")));
	tuning->metric = strcmp(metric, "recall") == 0 ? RMF_RECALL : RMF_NDCG;
	tuning->metric_name = tuning->ranks ? psprintf("%s@%d", metric, tuning->k) : pstrdup(metric);
}

static void
read_budget(FunctionCallInfo fcinfo, Tuning *tuning)
{
	char	   *search = text_or_null(fcinfo, ARG_SEARCH);

	tuning->time_limit = NAN;
	if (!PG_ARGISNULL(ARG_TIME_LIMIT))
	{
		RecmfOptions scratch;

		recmf_options_init(&scratch);
		recmf_options_set(&scratch, "time_limit",
						  DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(ARG_TIME_LIMIT))));
		tuning->time_limit = scratch.time_limit;
	}
	tuning->trials = isnan(tuning->time_limit) ? DEFAULT_TRIALS : 0;
	if (!PG_ARGISNULL(ARG_TRIALS))
	{
		tuning->trials = PG_GETARG_INT32(ARG_TRIALS);
		if (tuning->trials < 1 || tuning->trials > RMF_TUNE_MOST_TRIALS)
			bad_argument("trials", psprintf("%d", tuning->trials), psprintf("between 1 and %d", RMF_TUNE_MOST_TRIALS));
	}
	if (search != NULL && strcmp(search, "random") != 0 && strcmp(search, "halving") != 0)
		bad_argument("search", search, "halving or random");
	tuning->only_draws = search != NULL && strcmp(search, "random") == 0;
}

static void
read_arguments(FunctionCallInfo fcinfo, Tuning *tuning)
{
	tuning->model = recmf_model_arg(fcinfo, ARG_MODEL);
	tuning->source_text = recmf_text_arg(fcinfo, ARG_SOURCE, "source");
	tuning->user_col = recmf_text_arg(fcinfo, ARG_USER_COL, "user_col");
	tuning->item_col = recmf_text_arg(fcinfo, ARG_ITEM_COL, "item_col");
	tuning->rating_col = text_or_null(fcinfo, ARG_RATING_COL);
	tuning->weight_col = text_or_null(fcinfo, ARG_WEIGHT_COL);
	recmf_options_from_call(fcinfo, ARG_FIRST_OPTION, option_names, lengthof(option_names), ARG_OPTIONS,
							&tuning->options);
	check_options(&tuning->options);
	read_budget(fcinfo, tuning);
	read_validation(fcinfo, tuning);
	read_metric(fcinfo, tuning);
	tuning->activate = PG_ARGISNULL(ARG_ACTIVATE) || PG_GETARG_BOOL(ARG_ACTIVATE);
	tuning->verbose = !PG_ARGISNULL(ARG_VERBOSE) && PG_GETARG_BOOL(ARG_VERBOSE);
	tuning->best = NAN;
}

/* ------------------------------------------------------------------------
 * Ratings to train on and to validate with
 * ------------------------------------------------------------------------
 */

/* Marks of the ratings that are held out, by their places in the matrix of users. */
typedef struct Marks
{
	const RecmfDataset *dataset;
	uint8	   *marks;
} Marks;

static bool
take_pair(TupleTableSlot *slot, void *arg)
{
	Marks	   *marks = (Marks *) arg;
	const RecmfDataset *dataset = marks->dataset;
	int32		user = recmf_ids_lookup(dataset->users, slot->tts_values[0]);
	int32		item = recmf_ids_lookup(dataset->items, slot->tts_values[1]);
	int64		at;

	/* a row that was passed over has no place */
	if (user < 0 || item < 0)
		return true;
	at = rmf_csr_find(&dataset->by_user, user, item);
	if (at >= 0)
		marks->marks[at] = 1;
	return true;
}

static void
hold_out_newest(Tuning *tuning)
{
	RecmfDataset *dataset = tuning->dataset;
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	Marks		marks = {.dataset = dataset};
	Size		size = Max(dataset->by_user.n_entries, 1);

	recmf_dataset_reserve(dataset, size);
	marks.marks = (uint8 *) MemoryContextAllocExtended(dataset->context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	statement.text = recmf_source_newest(tuning->source, tuning->time_col,
										 tuning->split == SPLIT_LAST ? RECMF_NEWEST_OF_USER : RECMF_NEWEST_OF_ALL,
										 tuning->fraction);
	statement.search_path = tuning->source->search_path;
	cursor = recmf_cursor_open(&statement);
	while (recmf_cursor_fetch(cursor, BATCH_ROWS, take_pair, &marks) > 0)
		CHECK_FOR_INTERRUPTS();
	recmf_cursor_close(cursor);
	(void) recmf_dataset_hold_out(dataset, marks.marks);
	pfree(marks.marks);
}

static void
read_source(Tuning *tuning)
{
	RecmfDataset *dataset;
	rmf_settings settings = tuning->options.settings;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	recmf_progress_phase(RECMF_PHASE_READING);
	settings.validation_fraction = tuning->fraction;
	dataset = recmf_dataset_create(tuning->context, tuning->source->user_type, tuning->source->item_type, &settings,
								   tuning->weight_col != NULL && recmf_keeps_weights(settings.feedback));
	dataset->tunes = true;
	dataset->held_out_later = tuning->split != SPLIT_USER;
	tuning->dataset = dataset;
	recmf_source_read(tuning->source, dataset);
	recmf_report_skipped(dataset, tuning->weight_col != NULL);
	recmf_check_not_empty(dataset);
	recmf_progress_phase(RECMF_PHASE_SORTING);
	recmf_dataset_finish(dataset);
	if (dataset->held_out_later)
		hold_out_newest(tuning);
	if (dataset->held_out.n_entries == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there are too few ratings to hold some out, so nothing can be tuned"),
				 errhint("Use train_model, whose defaults need no validation.")));
	if (tuning->verbose)
		ereport(INFO,
				(errmsg_internal("read " INT64_FORMAT " ratings of %d users and %d items in %.1f s, held out " INT64_FORMAT " to validate with",
								 recmf_dataset_n_ratings(dataset), recmf_ids_count(dataset->users),
								 recmf_ids_count(dataset->items), seconds_since(&start),
								 dataset->held_out.n_entries)));
}

/* ------------------------------------------------------------------------
 * Trials
 * ------------------------------------------------------------------------
 */

static uint64_t *
keys_of(MemoryContext context, const RecmfIds *ids)
{
	int32		n = recmf_ids_count(ids);
	uint64_t   *keys = (uint64_t *) MemoryContextAllocHuge(context, sizeof(uint64_t) * Max(n, 1));
	int32		i;

	for (i = 0; i < n; i++)
		keys[i] = recmf_ids_key(ids, i);
	return keys;
}

/* What a trial's metric depends on beside its settings: the data, the split, the metric, how many users it is of. */
static uint64
study_of(const Tuning *tuning)
{
	const RecmfDataset *dataset = tuning->dataset;
	uint64_t   *users = keys_of(tuning->context, dataset->users);
	uint64_t   *items = keys_of(tuning->context, dataset->items);
	Jsonb	   *given = recmf_settings_to_jsonb(&tuning->options.settings);
	char	   *text = psprintf("%s %s %d " INT64_FORMAT " " UINT64_FORMAT " " UINT64_FORMAT,
								JsonbToCString(NULL, &given->root, VARSIZE(given)), tuning->metric_name, tuning->split,
								(int64) tuning->tune->plan.full_users,
								(uint64) rmf_tune_fingerprint(&dataset->by_user, users, items),
								(uint64) rmf_tune_fingerprint(&dataset->held_out, users, items));

	pfree(users);
	pfree(items);
	return rmf_hash_bytes(text, strlen(text), 0);
}

static double
spent(const Tuning *tuning)
{
	return isnan(tuning->time_limit) ? 0 : Min(seconds_since(&tuning->called) / tuning->time_limit, 1);
}

static void
start_search(Tuning *tuning)
{
	RecmfDataset *dataset = tuning->dataset;
	rmf_settings settings;
	rmf_run_shape shape = {0};
	rmf_tune_plan plan = {0};

	recmf_resolve_settings(dataset, &tuning->options, &settings);
	rmf_problem_init(&shape.problem, &settings, &dataset->stats);
	shape.n[RMF_USERS] = recmf_ids_count(dataset->users);
	shape.n[RMF_ITEMS] = recmf_ids_count(dataset->items);
	rmf_tune_set_users(&plan, &shape, dataset->by_user.n_entries);
	rmf_tune_free(&tuning->options.settings, &plan);
	plan.seed = settings.seed;
	plan.trials = tuning->trials > 0 ? tuning->trials : RMF_TUNE_MOST_TRIALS;
	plan.factors = settings.factors;
	plan.iterations = tuning->options.settings.iterations;
	plan.larger_is_better = tuning->ranks;
	plan.only_draws = tuning->only_draws;
	tuning->tune = (rmf_tune *) MemoryContextAlloc(tuning->context, sizeof(rmf_tune));
	recmf_check_status(rmf_tune_init(tuning->tune, &plan), "plan the trials");
	tuning->known = recmf_trials_open(tuning->context, tuning->model, tuning->owner, study_of(tuning),
									  tuning->metric_name);
}

/* Hook: an iteration is done. */
static rmf_verdict
iterated(void *arg, const rmf_iteration *iteration, int iterations)
{
	const Tuning *tuning = (const Tuning *) arg;

	if (tuning->verbose && tuning->tune->round == RMF_TUNE_STOPPING && !isnan(iteration->metric))
		ereport(INFO,
				(errmsg_internal("iteration %d of at most %d: %s %.4f", iteration->number, iterations,
								 tuning->metric_name, iteration->metric)));
	return spent(tuning) >= 1 ? RMF_STOP : RMF_GO_ON;
}

/* The settings of a point for ratings of which this is known. */
static void
resolve_settings(const Tuning *tuning, const rmf_csr_stats *stats, const int64_t *user_start, const int64_t *item_start,
				 RecmfTrial *trial)
{
	rmf_settings given = tuning->options.settings;
	const char *field = NULL;

	given.factors = trial->asked.factors;
	given.iterations = trial->asked.iterations;
	if (rmf_tune_settings(&trial->asked.point, &given, stats,
						  recmf_ids_count(tuning->dataset->users), user_start,
						  recmf_ids_count(tuning->dataset->items), item_start,
						  &trial->settings, &field) != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training option \"%s\" has no usable value for these ratings",
						field != NULL ? field : "feedback")));
}

static void
set_settings(const Tuning *tuning, RecmfTrial *trial)
{
	const RecmfDataset *dataset = tuning->dataset;

	resolve_settings(tuning, &dataset->stats, dataset->by_user.start, dataset->by_item.start, trial);
}

/* Trains and validates; false: there was no time to finish it. */
static bool
run_trial(Tuning *tuning, RecmfTrial *trial)
{
	MemoryContext context = AllocSetContextCreate(tuning->dataset->context, "recmf trial", ALLOCSET_DEFAULT_SIZES);
	RecmfOptions options = tuning->options;
	RecmfFitValidation validation = {
		.users = trial->asked.users, .metric = tuning->metric, .metric_length = tuning->k,
		.every = trial->asked.every
	};
	RecmfFitHooks hooks = {.iterated = iterated, .arg = tuning};
	RecmfFit   *fit = NULL;
	instr_time	start;
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool failed = false;
	bool		complete;

	INSTR_TIME_SET_CURRENT(start);
	options.settings = trial->settings;
	options.settings.patience = trial->asked.patience > 0 ? trial->asked.patience : NO_PATIENCE;

	/* settings that numbers cannot be found for are worth nothing, but no reason to give up */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		fit = recmf_fit_in(context, tuning->dataset, &options, &validation, &hooks);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			ReThrowError(error);
		FreeErrorData(error);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;

	trial->value = NAN;
	trial->iterations = 0;
	trial->seconds = seconds_since(&start);
	complete = failed || fit->outcome.ending != RMF_ENDED_STOPPED;
	if (!failed)
	{
		trial->value = fit->outcome.kept.metric;
		trial->iterations = rmf_tune_enough(tuning->tune, fit->outcome.iterations, fit->iterations);
	}
	MemoryContextDelete(context);
	return complete;
}

static void
show_trial(const Tuning *tuning, const RecmfTrial *trial, bool found)
{
	char		value[64];
	char		left[64] = "";
	int32		trials_left;
	double		seconds = rmf_tune_seconds_left(tuning->tune, &trials_left);
	int			done = tuning->n_tried + tuning->n_found;

	if (!isnan(tuning->time_limit))
		seconds = Min(seconds, Max(tuning->time_limit - seconds_since(&tuning->called), 0));
	recmf_progress_trial(done, done + trials_left, tuning->best, seconds, tuning->deadline);
	if (!tuning->verbose)
		return;
	if (isnan(trial->value))
		strlcpy(value, "failed", sizeof(value));
	else
		snprintf(value, sizeof(value), "%s %.4f", tuning->metric_name, trial->value);
	if (!isnan(seconds))
		snprintf(left, sizeof(left), ", %.1f s left", seconds);
	ereport(INFO,
			(errmsg_internal("trial %d of about %d (%s, %d factors): %s%s%s", done, done + trials_left,
							 recmf_round_name(trial->asked.round), trial->asked.factors, value,
							 found ? ", known" : "", left)));
}

/* What has been written is there to stay, where the caller allows it. */
static void
commit(const Tuning *tuning)
{
	if (!tuning->commits)
		return;
	SPI_commit();
	EnsurePortalSnapshotExists();
}

static void
search(Tuning *tuning)
{
	RecmfTrial	trial;

	recmf_progress_phase(RECMF_PHASE_TUNING);
	while (rmf_tune_next(tuning->tune, spent(tuning), &trial.asked))
	{
		bool		found;

		CHECK_FOR_INTERRUPTS();
		set_settings(tuning, &trial);
		found = recmf_trials_find(tuning->known, &trial);
		if (!found && !run_trial(tuning, &trial))
			break;
		rmf_tune_tell(tuning->tune, &trial.asked, trial.value, trial.iterations, trial.seconds);
		if (rmf_tune_is_better(tuning->tune, trial.value, tuning->best))
			tuning->best = trial.value;
		if (found)
			tuning->n_found++;
		else
		{
			tuning->n_tried++;
			recmf_trials_add(tuning->known, &trial);
			commit(tuning);
		}
		show_trial(tuning, &trial, found);
	}
}

/*
 * The settings of a point for all ratings, those held out too.  The rules look at
 * how many there are, so their choice on a part is another one on the whole.
 */
static void
set_settings_of_all(const Tuning *tuning, RecmfTrial *trial)
{
	const RecmfDataset *dataset = tuning->dataset;
	const rmf_csr *held_out = &dataset->held_out;
	int64		n_users = recmf_ids_count(dataset->users);
	int64		n_items = recmf_ids_count(dataset->items);
	int64_t    *user_start = (int64_t *) MemoryContextAllocHuge(tuning->context, sizeof(int64_t) * (n_users + 1));
	int64_t    *item_start = (int64_t *) MemoryContextAllocExtended(tuning->context, sizeof(int64_t) * (n_items + 1),
																	MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rmf_csr_stats stats = dataset->stats;
	rmf_csr_stats held_out_stats;
	rmf_ratings ratings = {
		.n_rows = held_out->n_rows, .n_columns = held_out->n_columns, .n_entries = held_out->n_entries,
		.start = held_out->start, .column = held_out->column, .value = held_out->value, .weight = held_out->weight
	};
	int64		t;
	int64		i;

	recmf_check_status(rmf_ratings_summarize(&ratings, 0, NULL, NULL, &held_out_stats, recmf_poll()),
					   "choose the settings");
	rmf_csr_stats_add(&stats, &held_out_stats);
	for (i = 0; i <= n_users; i++)
		user_start[i] = dataset->by_user.start[i] + held_out->start[i];
	for (t = 0; t < held_out->n_entries; t++)
		item_start[held_out->column[t] + 1]++;
	for (i = 1; i <= n_items; i++)
		item_start[i] += item_start[i - 1];
	for (i = 0; i <= n_items; i++)
		item_start[i] += dataset->by_item.start[i];
	stats.noise_edge = rmf_noise_edge(n_users, user_start, n_items, item_start);

	resolve_settings(tuning, &stats, user_start, item_start, trial);
	pfree(user_start);
	pfree(item_start);
}

/* The settings that won, and what is known of them. */
static void
choose_best(const Tuning *tuning, RecmfTrial *best)
{
	static const rmf_round rounds[] = {
		RMF_TUNE_STOPPING, RMF_TUNE_NEIGHBOURS, RMF_TUNE_FINALISTS, RMF_TUNE_RANDOM, RMF_TUNE_HALVING, RMF_TUNE_DRAWS
	};
	int32		iterations;
	int32		point = rmf_tune_best(tuning->tune, &iterations);
	int			i;

	if (point < 0 && tuning->n_tried + tuning->n_found > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("no trial came to an end: arithmetic left the range of single precision in all of %d",
						tuning->n_tried + tuning->n_found),
				 errhint("Scale the ratings down.")));
	if (point < 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the time limit passed before one trial was complete"),
				 errdetail("Reading the source counts, too; after %.1f s no settings had been tried.",
						   seconds_since(&tuning->called)),
				 errhint("Raise time_limit, or train with default settings: train_model.")));

	memset(best, 0, sizeof(*best));
	best->asked.number = point + 1;
	best->asked.point = tuning->tune->result[point].point;
	for (i = 0; i < lengthof(rounds); i++)
	{
		if (!isnan(tuning->tune->result[point].value[rounds[i]]))
			break;
	}
	best->asked.round = rounds[i];
	best->value = tuning->tune->result[point].value[rounds[i]];
	best->iterations = iterations;

	/* as it was tried, to find its row */
	rmf_tune_describe(tuning->tune, point, rounds[i], &best->asked);
	set_settings(tuning, best);
	recmf_trials_mark_best(tuning->known, best);

	/* as it is to be trained */
	best->asked.factors = tuning->tune->plan.factors;
	best->asked.iterations = iterations;

	/* what was found beside the rules is taken as it was found */
	if (best->asked.number == 1)
		set_settings_of_all(tuning, best);
	else
		set_settings(tuning, best);
}

/* ------------------------------------------------------------------------
 * The model
 * ------------------------------------------------------------------------
 */

static void
train_best(const Tuning *tuning, const RecmfTrial *best)
{
	const Datum settings = JsonbPGetDatum(recmf_settings_to_jsonb(&best->settings));
	Oid			types[9] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, BOOLOID, BOOLOID};
	Datum		values[9] = {
		CStringGetTextDatum(tuning->model), CStringGetTextDatum(tuning->source_text),
		CStringGetTextDatum(tuning->user_col), CStringGetTextDatum(tuning->item_col),
		tuning->rating_col != NULL ? CStringGetTextDatum(tuning->rating_col) : (Datum) 0,
		tuning->weight_col != NULL ? CStringGetTextDatum(tuning->weight_col) : (Datum) 0,
		settings, BoolGetDatum(tuning->options.index), BoolGetDatum(tuning->verbose)
	};
	char		nulls[9];
	int			result;

	memset(nulls, ' ', sizeof(nulls));
	if (tuning->rating_col == NULL)
		nulls[4] = 'n';
	if (tuning->weight_col == NULL)
		nulls[5] = 'n';
	/* under the caller's search_path, which the source is to be found by */
	result = SPI_execute_with_args(psprintf("SELECT FROM %s.train_model($1, $2, user_col => $3, item_col => $4,"
											" rating_col => $5, weight_col => $6, options => $7, index => $8, verbose => $9)",
											recmf_schema()),
								   9, types, values, nulls, false, 0);
	if (result != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not train the best settings: %s", SPI_result_code_string(result))));
}

static void
report_best(const Tuning *tuning, const RecmfTrial *best)
{
	Jsonb	   *settings = recmf_settings_to_jsonb(&best->settings);
	double		rule = NAN;
	char		gain[128] = "";
	int32		first = 0;

	/* of the rule's own settings, measured in the same round */
	if (best->asked.number != 1)
	{
		static const rmf_round full[] = {RMF_TUNE_NEIGHBOURS, RMF_TUNE_FINALISTS, RMF_TUNE_RANDOM};
		const rmf_tune_result *result = &tuning->tune->result[best->asked.number - 1];
		double		value = NAN;
		int			i;

		for (i = 0; i < lengthof(full) && isnan(value); i++)
			value = result->value[full[i]];
		rule = tuning->tune->result[first].value[tuning->only_draws ? RMF_TUNE_RANDOM : RMF_TUNE_FINALISTS];
		if (!isnan(rule) && !isnan(value))
			snprintf(gain, sizeof(gain), " (with default settings %.4f where these had %.4f)", rule, value);
	}
	ereport(NOTICE,
			(errmsg_plural("%s %.4f%s, best of %d trial", "%s %.4f%s, best of %d trials",
						   tuning->n_tried + tuning->n_found, tuning->metric_name, best->value, gain,
						   tuning->n_tried + tuning->n_found),
			 errdetail("Settings: %s.", JsonbToCString(NULL, &settings->root, VARSIZE(settings))),
			 tuning->activate ? 0 :
			 errhint("Train them by train_model(%s, ..., options => ...) with these settings.",
					 quote_literal_cstr(tuning->model))));
}

static Datum
lock_keys(const char *model, Datum *second)
{
	*second = Int32GetDatum((int32) rmf_hash_bytes(model, strlen(model), 0));
	return Int32GetDatum(CLASS_OF_LOCK);
}

static void
lock_name(const char *model)
{
	Datum		second;
	Datum		first = lock_keys(model, &second);

	if (!DatumGetBool(DirectFunctionCall2(pg_try_advisory_lock_int4, first, second)))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("model \"%s\" is being tuned by another session", model),
				 errhint("Wait until that call ends.")));
}

static void
unlock_name(const char *model)
{
	Datum		second;
	Datum		first = lock_keys(model, &second);

	(void) DirectFunctionCall2(pg_advisory_unlock_int4, first, second);
}

static void
tune(Tuning *tuning)
{
	RecmfStored *stored;
	RecmfTrial	best;
	RecmfFitValidation validation = {.users = 0};
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	tuning->called = now;
	tuning->deadline = DT_NOEND;
	if (!isnan(tuning->time_limit))
		tuning->deadline = GetCurrentTimestamp() + (int64) (tuning->time_limit * USECS_PER_SEC);
	recmf_blas_check_once();

	tuning->source = recmf_source_open(tuning->source_text, tuning->user_col, tuning->item_col,
									   tuning->rating_col, tuning->weight_col);
	if (tuning->time_col != NULL)
		(void) recmf_source_newest(tuning->source, tuning->time_col, RECMF_NEWEST_OF_USER, 0);
	stored = recmf_store_open(tuning->model, tuning->source);
	tuning->owner = stored->owner;

	read_source(tuning);
	start_search(tuning);

	/* what will not fit in the end is refused before the beginning */
	validation.users = tuning->tune->plan.last_users;
	validation.metric_length = tuning->k;
	recmf_fit_check(tuning->dataset, &tuning->options, &validation);

	if (tuning->verbose && recmf_trials_count(tuning->known) > 0)
		ereport(INFO,
				(errmsg_internal("found %d trials of an earlier call", recmf_trials_count(tuning->known))));
	commit(tuning);
	search(tuning);
	choose_best(tuning, &best);
	commit(tuning);
	report_best(tuning, &best);

	MemoryContextDelete(tuning->dataset->context);
	tuning->dataset = NULL;
	if (!tuning->activate)
		return;
	/* training shows itself */
	recmf_progress_end();
	tuning->shown = false;
	train_best(tuning, &best);
}

Datum
recmf_tune_model(PG_FUNCTION_ARGS)
{
	/* a savepoint, or the exception block of a function, is not to be committed under its feet */
	const bool	nonatomic = fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic && !IsSubTransaction();
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Tuning	   *tuning;

	/* a library newer than the extension's SQL */
	if (PG_NARGS() != ARG_VERBOSE + 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the SQL of extension recmf is of another version than its library"),
				 errhint("Run ALTER EXTENSION recmf UPDATE.")));
	PreventCommandIfReadOnly("tune_model()");
	PreventCommandIfParallelMode("tune_model()");
	PreventCommandDuringRecovery("tune_model()");

	context = AllocSetContextCreate(nonatomic ? PortalContext : caller, "recmf tuning", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	tuning = (Tuning *) palloc0(sizeof(Tuning));
	tuning->context = context;
	tuning->commits = nonatomic;
	read_arguments(fcinfo, tuning);

	lock_name(tuning->model);
	PG_TRY();
	{
		recmf_progress_begin(tuning->model);
		tuning->shown = true;
		SPI_connect_ext(nonatomic ? SPI_OPT_NONATOMIC : 0);
		MemoryContextSwitchTo(context);
		tune(tuning);
		SPI_finish();
	}
	PG_FINALLY();
	{
		if (tuning->shown)
			recmf_progress_end();
		unlock_name(tuning->model);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
