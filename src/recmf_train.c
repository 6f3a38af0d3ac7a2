/*
 * recmf_train.c
 *	  train_model() and drop_model(): a model from a source, in one statement.
 *
 * Phases: options and source are checked, the name is locked, and all that can
 * be refused is refused; the source is read (recmf_source.c) into a dataset;
 * the engine fits it (recmf_fit()); tables, views and the registry are written
 * (recmf_store.c).  It is one transaction: an error or a cancel anywhere
 * leaves the old model as it was.
 *
 * Memory: a context below the caller's holds the ratings and the factors.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "core/rmf_ranking.h"
#include "recmf_blas.h"
#include "recmf_compat.h"
#include "recmf_dataset.h"
#include "recmf_names.h"
#include "recmf_options.h"
#include "recmf_progress.h"
#include "recmf_registry.h"
#include "recmf_source.h"
#include "recmf_status.h"
#include "recmf_store.h"
#include "recmf_train.h"
#include "recmf_warm.h"

/* train_model()'s arguments, in order */
enum
{
	ARG_MODEL,
	ARG_SOURCE,
	ARG_USER_COL,
	ARG_ITEM_COL,
	ARG_RATING_COL,
	ARG_WEIGHT_COL,
	ARG_FIRST_OPTION,
	ARG_OPTIONS = ARG_FIRST_OPTION + 16,
	ARG_VERBOSE
};

static const char *const option_names[ARG_OPTIONS - ARG_FIRST_OPTION] = {
	"feedback", "factors", "iterations", "regularization", "regularization_scaling",
	"bias_regularization", "alpha", "seed", "solver", "implicit_features",
	"nonnegative", "warm_start", "validation_fraction", "patience",
	"time_limit", "index"
};

#define PROGRESS_WIDTH 30

/* A run, as the hooks of recmf_fit() see it. */
typedef struct Run
{
	const RecmfOptions *options;
	bool		verbose;
	const RecmfDataset *dataset;
	instr_time	called;			/* when train_model was called: what the time limit counts from */
	instr_time	iterating;		/* when the first iteration began */
	TimestampTz deadline;		/* of the time limit, DT_NOEND for none */
	RecmfModel *old;			/* the version to start from, or NULL */
	RecmfWarmCounts known;		/* what that knew */
} Run;

PG_FUNCTION_INFO_V1(recmf_train_model);
PG_FUNCTION_INFO_V1(recmf_drop_model);

static double
seconds_since(const instr_time *start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *start);
	return INSTR_TIME_GET_DOUBLE(now);
}

/* The name of what rmf_iteration.metric is. */
static const char *
metric_name(rmf_feedback feedback)
{
	return feedback == RMF_EXPLICIT ? "RMSE" : "NDCG@" CppAsString2(RMF_RANKING_LENGTH);
}

/* Hook: puts the old factors in the place of the start values. */
static void
fill(void *arg, float *const rows[2])
{
	Run		   *run = (Run *) arg;

	recmf_progress_phase(RECMF_PHASE_WARM_START);
	run->known = recmf_warm_load(run->old, run->dataset, rows);
	if (run->verbose)
		ereport(INFO,
				(errmsg_internal("started from version %d, which knew " INT64_FORMAT " of %d users and " INT64_FORMAT " of %d items",
								 run->old->version,
								 run->known.users, recmf_ids_count(run->dataset->users),
								 run->known.items, recmf_ids_count(run->dataset->items))));
}

/* Hook: the first iteration begins. */
static void
begin(void *arg, int iterations, int workers)
{
	Run		   *run = (Run *) arg;
	int64		n_held_out = run->dataset->held_out.n_entries;

	if (run->verbose && n_held_out > 0)
		ereport(INFO,
				(errmsg_internal("held out " INT64_FORMAT " ratings to validate with", n_held_out)));
	INSTR_TIME_SET_CURRENT(run->iterating);
	recmf_progress_workers(workers);
	recmf_progress_phase(RECMF_PHASE_TRAINING);
	recmf_progress_iteration(0, iterations, NAN, NAN, run->deadline);
}

static void
show_iteration(const Run *run, const rmf_iteration *iteration, int iterations)
{
	double		elapsed = seconds_since(&run->iterating);
	double		left = elapsed / iteration->number * (iterations - iteration->number);
	int			done = PROGRESS_WIDTH * iteration->number / iterations;
	char		metric[64] = "";

	if (!isnan(iteration->metric))
		snprintf(metric, sizeof(metric), ", %s %.4f",
				 metric_name(run->options->settings.feedback), iteration->metric);
	if (!isnan(run->options->time_limit))
		left = Min(left, Max(run->options->time_limit - seconds_since(&run->called), 0));
	ereport(INFO,
			(errmsg_internal("iteration %*d/%d [%.*s%*s] loss %.6g%s, %.1f s left",
							 iterations > 99 ? 4 : 2, iteration->number, iterations,
							 done, "##############################", PROGRESS_WIDTH - done, "",
							 iteration->loss.total, metric, left)));
}

/* Hook: an iteration is done. */
static rmf_verdict
iterated(void *arg, const rmf_iteration *iteration, int iterations)
{
	const Run  *run = (const Run *) arg;

	recmf_progress_iteration(iteration->number, iterations, iteration->loss.total, iteration->metric,
							 run->deadline);
	if (run->verbose)
		show_iteration(run, iteration, iterations);
	return seconds_since(&run->called) >= run->options->time_limit ? RMF_STOP : RMF_GO_ON;
}

/* Why a run ended before its last iteration, to whoever waits for it. */
static void
report_ending(const Run *run, const RecmfFit *fit)
{
	const rmf_outcome *outcome = &fit->outcome;

	if (outcome->ending == RMF_ENDED_STOPPED)
		ereport(NOTICE,
				(errmsg("training stopped at its time limit after %d of %d iterations",
						outcome->iterations, fit->settings.iterations)));
	if (!run->verbose)
		return;
	if (outcome->ending == RMF_ENDED_EARLY)
		ereport(INFO,
				(errmsg_internal("stopped early: nothing better since iteration %d", outcome->kept.number)));
	if (!isnan(outcome->kept.metric))
		ereport(INFO,
				(errmsg_internal("kept iteration %d, %s %.4f", outcome->kept.number,
								 metric_name(fit->settings.feedback), outcome->kept.metric)));
}

/* What came out, for the registry. */
static Datum
metrics_of(const Run *run, const RecmfFit *fit)
{
	static const char *const endings[] = {
		[RMF_ENDED_COMPLETE] = "complete", [RMF_ENDED_EARLY] = "early", [RMF_ENDED_STOPPED] = "time limit"
	};
	const rmf_outcome *outcome = &fit->outcome;
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"iterations\": %d, \"best_iteration\": %d, \"ended\": \"%s\"",
					 outcome->iterations, outcome->kept.number, endings[outcome->ending]);
	if (run->old != NULL)
		appendStringInfo(&json, ", \"started_from\": {\"version\": %d, \"users\": " INT64_FORMAT ", \"items\": " INT64_FORMAT "}",
						 run->old->version, run->known.users, run->known.items);
	if (!isnan(outcome->kept.metric))
	{
		appendStringInfo(&json, ", \"validation\": {\"ratings\": " INT64_FORMAT ", \"metric\": \"%s\", \"values\": [",
						 run->dataset->held_out.n_entries, metric_name(fit->settings.feedback));
		for (i = 0; i < outcome->iterations; i++)
			appendStringInfo(&json, "%s%.9g", i > 0 ? ", " : "", fit->iterations[i].metric);
		appendStringInfoString(&json, "]}");
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

char *
recmf_text_arg(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

char *
recmf_model_arg(FunctionCallInfo fcinfo, int number)
{
	char	   *model = recmf_text_arg(fcinfo, number, "model");

	if (model[0] == '\0' || strlen(model) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a model's name must have 1 to %d bytes", NAMEDATALEN - 1),
				 errdetail("\"%s\" has %d.", model, (int) strlen(model))));
	return model;
}

void
recmf_report_skipped(const RecmfDataset *dataset, bool has_weights)
{
	if (dataset->skipped.null > 0)
		ereport(NOTICE,
				(has_weights
				 ? errmsg_plural("skipped " INT64_FORMAT " row with a null user_id, item_id, rating or weight",
								 "skipped " INT64_FORMAT " rows with a null user_id, item_id, rating or weight",
								 (unsigned long) dataset->skipped.null, dataset->skipped.null)
				 : errmsg_plural("skipped " INT64_FORMAT " row with a null user_id, item_id or rating",
								 "skipped " INT64_FORMAT " rows with a null user_id, item_id or rating",
								 (unsigned long) dataset->skipped.null, dataset->skipped.null)));
	if (dataset->skipped.weightless > 0)
		ereport(NOTICE,
				(errmsg_plural("skipped " INT64_FORMAT " row with weight 0",
							   "skipped " INT64_FORMAT " rows with weight 0",
							   (unsigned long) dataset->skipped.weightless, dataset->skipped.weightless)));
	if (dataset->skipped.not_positive > 0)
		ereport(NOTICE,
				(errmsg_plural("skipped " INT64_FORMAT " row with a rating that is not positive",
							   "skipped " INT64_FORMAT " rows with a rating that is not positive",
							   (unsigned long) dataset->skipped.not_positive, dataset->skipped.not_positive),
				 errdetail("Implicit feedback has no place for them: a rating there is the strength of a preference.")));
}

void
recmf_check_not_empty(const RecmfDataset *dataset)
{
	if (dataset->n_triples > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("the source has no rating to train on"),
			 recmf_dataset_skipped(dataset) > 0
			 ? errdetail("All of its " INT64_FORMAT " rows were skipped.",
						 recmf_dataset_skipped(dataset))
			 : errdetail("It has no rows that the current role can see.")));
}

static void
report_processes(const RecmfFit *fit)
{
	StringInfoData tasks;
	int			i;

	if (fit->n_processes == 1)
		return;
	initStringInfo(&tasks);
	for (i = 0; i < fit->n_processes; i++)
		appendStringInfo(&tasks, "%s" INT64_FORMAT, i > 0 ? ", " : "", fit->tasks[i]);
	ereport(INFO,
			(errmsg_internal("trained by %d processes, which did %s tasks", fit->n_processes, tasks.data)));
}

/* What the run will take, before it has read anything. */
static void
report_estimate(const RecmfSource *source, const RecmfDataset *dataset)
{
	int64		n_rows;
	int64		n_users;
	int64		n_items;
	RecmfNeed	need;

	recmf_source_estimate(source, &n_rows, &n_users, &n_items);
	recmf_need_estimate(&dataset->settings, dataset->weighted, n_rows, n_users, n_items, &need);
	ereport(INFO,
			(errmsg_internal("expecting about " INT64_FORMAT " rows of " INT64_FORMAT " users and " INT64_FORMAT " items; memory: about %s",
							 n_rows, n_users, n_items, recmf_need_describe(&need))));
}

/* The run itself; recmf_progress_begin() has been called. */
static Datum
train(FunctionCallInfo fcinfo, const char *model, TupleDesc columns)
{
	char	   *source_text = recmf_text_arg(fcinfo, ARG_SOURCE, "source");
	char	   *user_col = recmf_text_arg(fcinfo, ARG_USER_COL, "user_col");
	char	   *item_col = recmf_text_arg(fcinfo, ARG_ITEM_COL, "item_col");
	char	   *rating_col = PG_ARGISNULL(ARG_RATING_COL) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_RATING_COL));
	char	   *weight_col = PG_ARGISNULL(ARG_WEIGHT_COL) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_WEIGHT_COL));
	RecmfOptions options;
	Run			run = {
		.options = &options,
		.verbose = !PG_ARGISNULL(ARG_VERBOSE) && PG_GETARG_BOOL(ARG_VERBOSE),
		.deadline = DT_NOEND
	};
	RecmfFitHooks hooks = {.begin = begin, .iterated = iterated, .arg = &run};
	RecmfSeconds seconds = {0};
	instr_time	start;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	RecmfSource *source;
	RecmfStored *stored;
	RecmfDataset *dataset;
	RecmfFit   *fit;
	Datum		values[10];
	bool		nulls[10] = {0};
	int32		version;
	int			path;

	recmf_options_from_call(fcinfo, ARG_FIRST_OPTION, option_names, lengthof(option_names), ARG_OPTIONS, &options);
	recmf_options_check(&options);
	INSTR_TIME_SET_CURRENT(run.called);
	if (!isnan(options.time_limit))
		run.deadline = GetCurrentTimestamp() + (int64) (options.time_limit * USECS_PER_SEC);
	recmf_blas_check_once();

	context = AllocSetContextCreate(caller, "recmf training", ALLOCSET_DEFAULT_SIZES);
	SPI_connect();
	MemoryContextSwitchTo(context);

	source = recmf_source_open(source_text, user_col, item_col, rating_col, weight_col);
	stored = recmf_store_open(model, source);
	if (options.warm_start)
		run.old = recmf_warm_open(stored, &options);
	if (run.old != NULL)
		hooks.fill = fill;

	INSTR_TIME_SET_CURRENT(start);
	recmf_progress_phase(RECMF_PHASE_READING);
	dataset = recmf_dataset_create(context, source->user_type, source->item_type, &options.settings,
								   weight_col != NULL && recmf_keeps_weights(options.settings.feedback));
	run.dataset = dataset;
	if (run.verbose)
		report_estimate(source, dataset);
	recmf_source_read(source, dataset);
	recmf_report_skipped(dataset, weight_col != NULL);
	recmf_check_not_empty(dataset);
	recmf_progress_phase(RECMF_PHASE_SORTING);
	recmf_dataset_finish(dataset);
	seconds.read = seconds_since(&start);
	if (run.verbose)
		ereport(INFO,
				(errmsg_internal("read " INT64_FORMAT " ratings of %d users and %d items in %.1f s by %d processes",
								 recmf_dataset_n_ratings(dataset), recmf_ids_count(dataset->users),
								 recmf_ids_count(dataset->items), seconds.read, 1 + dataset->helpers)));

	if (run.verbose)
	{
		RecmfNeed	need;

		recmf_fit_need(dataset, &options, &need);
		ereport(INFO,
				(errmsg_internal("memory: %s", recmf_need_describe(&need))));
	}

	INSTR_TIME_SET_CURRENT(start);
	fit = recmf_fit(dataset, &options, &hooks);
	seconds.train = seconds_since(&start);
	report_ending(&run, fit);

	if (run.verbose)
		report_processes(fit);

	recmf_progress_phase(RECMF_PHASE_WRITING);
	recmf_progress_workers(0);
	path = recmf_pin_search_path(NULL);
	version = recmf_store_write(stored, source_text, source, dataset, fit, metrics_of(&run, fit),
								options.index, &seconds);
	recmf_unpin_search_path(path);
	recmf_source_warn_slow_lookup(source);

	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(version);
	values[2] = Int64GetDatum(recmf_ids_count(dataset->users));
	values[3] = Int64GetDatum(recmf_ids_count(dataset->items));
	values[4] = Int64GetDatum(recmf_dataset_n_ratings(dataset));
	values[5] = Int64GetDatum(recmf_dataset_skipped(dataset));
	values[6] = recmf_losses_array(fit);
	values[7] = Float8GetDatum(seconds.read);
	values[8] = Float8GetDatum(seconds.train);
	values[9] = Float8GetDatum(seconds.write);
	SPI_finish();
	MemoryContextDelete(context);
	return HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
}

Datum
recmf_train_model(PG_FUNCTION_ARGS)
{
	char	   *model;
	TupleDesc	columns;
	volatile Datum result = (Datum) 0;

	/* a library newer than the extension's SQL */
	if (PG_NARGS() != ARG_VERBOSE + 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the SQL of extension recmf is of another version than its library"),
				 errhint("Run ALTER EXTENSION recmf UPDATE.")));
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("train_model must be called where a row is expected")));
	columns = BlessTupleDesc(columns);

	model = recmf_model_arg(fcinfo, ARG_MODEL);
	PreventCommandIfReadOnly("train_model()");
	PreventCommandIfParallelMode("train_model()");
	PreventCommandDuringRecovery("train_model()");

	PG_TRY();
	{
		recmf_progress_begin(model);
		result = train(fcinfo, model, columns);
	}
	PG_FINALLY();
	{
		recmf_progress_end();
	}
	PG_END_TRY();
	PG_RETURN_DATUM(result);
}

Datum
recmf_drop_model(PG_FUNCTION_ARGS)
{
	char	   *model = recmf_model_arg(fcinfo, 0);
	int			path;

	PreventCommandIfReadOnly("drop_model()");
	SPI_connect();
	path = recmf_pin_search_path(NULL);
	recmf_store_drop(model);
	recmf_unpin_search_path(path);
	SPI_finish();
	PG_RETURN_VOID();
}
