/*
 * recmf_compare.c
 *	  compare_models(): is one of two better, on the same users?
 *
 * Both are evaluated (recmf_evaluate.h); what is tested are the differences of
 * the users who have a value with both.  One test is the bootstrap over users
 * (its interval), two more are Student's and Wilcoxon's (core/rmf_paired.h).
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "core/rmf_paired.h"
#include "recmf_evaluate.h"
#include "recmf_names.h"
#include "recmf_plans.h"
#include "recmf_serve.h"
#include "recmf_status.h"

PG_FUNCTION_INFO_V1(recmf_compare_models);

/* The arguments. */
enum
{
	COMPARE_A,
	COMPARE_B,
	COMPARE_TEST,
	COMPARE_METRIC,
	COMPARE_K,
	COMPARE_USER_COL,
	COMPARE_ITEM_COL,
	COMPARE_RATING_COL,
	COMPARE_MIN_RATING,
	COMPARE_TRAIN,
	COMPARE_RESAMPLES,
	COMPARE_CONFIDENCE,
	COMPARE_SEED
};

/* The columns of the result. */
enum
{
	OUT_METRIC,
	OUT_K,
	OUT_USERS,
	OUT_A,
	OUT_B,
	OUT_DIFFERENCE,
	OUT_LOW,
	OUT_HIGH,
	OUT_EFFECT,
	OUT_T_P,
	OUT_WILCOXON_P,
	OUT_B_BETTER,
	OUT_A_BETTER,
	OUT_VERDICT,
	N_OUT
};

/* What is compared: a metric of rankings, or the error of predictions. */
typedef struct Metric
{
	char	   *name;
	int32		k;				/* 0: none */
	bool		is_error;		/* mae, rmse: less is better */
	bool		is_root;		/* rmse */
} Metric;

static Metric
metric_argument(FunctionCallInfo fcinfo)
{
	Metric		metric = {recmf_text_argument(fcinfo, COMPARE_METRIC), 0, false, false};
	StringInfoData names;
	int			i;

	metric.k = recmf_k_argument(fcinfo, COMPARE_K);
	if (metric.name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("metric must not be null")));
	metric.is_root = strcmp(metric.name, "rmse") == 0;
	metric.is_error = metric.is_root || strcmp(metric.name, "mae") == 0;
	if (metric.is_error || strcmp(metric.name, "auc") == 0)
	{
		metric.k = 0;
		return metric;
	}
	initStringInfo(&names);
	for (i = 0; i < RECMF_COLUMNS_A_K; i++)
	{
		if (strcmp(metric.name, recmf_ranking_metrics[i]) == 0)
			return metric;
		appendStringInfo(&names, "%s, ", recmf_ranking_metrics[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized metric \"%s\"", metric.name),
			 errhint("Metrics of users are %sauc, rmse and mae; k is an argument of its own.", names.data)));
	return metric;
}

static bool
take_any(TupleTableSlot *slot, void *arg)
{
	*(bool *) arg = true;
	return false;
}

static bool
is_model(char *name)
{
	RecmfStatement statement = {0};
	bool		found = false;

	statement.text = psprintf("SELECT FROM %s.recmf_models m WHERE m.model OPERATOR(pg_catalog.=) $1 AND m.active",
							  recmf_schema());
	(void) recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(name));
	recmf_statement_run(&statement, take_any, &found);
	return found;
}

/* A model's name, or else lists. */
static RecmfEvaluation *
evaluate(FunctionCallInfo fcinfo, int argument, const RecmfEvaluateOptions *options)
{
	char	   *name = recmf_text_argument(fcinfo, argument);
	RecmfSubject subject = {0};
	RecmfEvaluation *evaluation;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", argument == COMPARE_A ? "a" : "b"),
				 errhint("Give the name of a model, or a source of lists.")));
	if (is_model(name))
		subject.model = recmf_model_lookup(name);
	else if (options->train_source != NULL)
		subject.lists = name;
	else
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no model \"%s\"", name),
				 errhint("To compare with lists (user_id, item_id, score or rank), give train_source => '...' as well.")));
	evaluation = recmf_evaluation_read(&subject, options);
	recmf_evaluation_run(evaluation);
	return evaluation;
}

/* The table and the column that hold a metric; errors are sums over the rows of a user. */
static const RecmfValues *
find_values(const RecmfEvaluation *e, const Metric *metric, int *column)
{
	if (!metric->is_error)
	{
		*column = recmf_evaluation_column(e, metric->name, metric->k);
		return &e->ranking[RECMF_SYSTEM_MODEL][0];
	}
	*column = metric->is_root ? RECMF_SQUARED_ERROR : RECMF_ABSOLUTE_ERROR;
	return &e->predictions[0];
}

/* The columns of pairs. */
enum
{
	PAIR_A,
	PAIR_B,
	PAIR_ROWS,
	PAIR_COLUMNS
};

/*
 * Values of the users who have one with both, and of errors the number of rows.
 * The numbers of users are the same with both, since the test is.
 */
static float *
pair_users(const RecmfEvaluation *a, const RecmfEvaluation *b, const Metric *metric, int64 *n)
{
	int			column_a;
	int			column_b;
	const RecmfValues *values_a = find_values(a, metric, &column_a);
	const RecmfValues *values_b = find_values(b, metric, &column_b);
	int64	   *row_of = (int64 *) palloc_extended(sizeof(int64) * (Size) Max(a->n_users, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	float	   *pairs = (float *) palloc_extended(sizeof(float) * PAIR_COLUMNS * (Size) Max(values_b->n_rows, 1), MCXT_ALLOC_HUGE);
	int64		i;

	for (i = 0; i < values_a->n_rows; i++)
		row_of[values_a->user[i]] = i + 1;
	*n = 0;
	for (i = 0; i < values_b->n_rows; i++)
	{
		int64		other = row_of[values_b->user[i]];
		const float *user_a = values_a->values + (other - 1) * values_a->n_columns;
		const float *user_b = values_b->values + i * values_b->n_columns;
		float	   *pair = pairs + PAIR_COLUMNS * *n;

		if (other == 0 || isnan(user_a[column_a]) || isnan(user_b[column_b]))
			continue;
		/* of other rows, if what was trained on differs */
		if (metric->is_error && user_a[RECMF_PREDICTION_COLUMNS - 1] != user_b[RECMF_PREDICTION_COLUMNS - 1])
			continue;
		pair[PAIR_A] = user_a[column_a];
		pair[PAIR_B] = user_b[column_b];
		pair[PAIR_ROWS] = metric->is_error ? user_a[RECMF_PREDICTION_COLUMNS - 1] : 1;
		(*n)++;
	}
	pfree(row_of);
	return pairs;
}

/* By how much, of the other: " (+3.2%)". */
static char *
relative(double difference, double other)
{
	return other != 0 && isfinite(difference / other) ? psprintf(" (%+.1f%%)", 100 * difference / fabs(other)) : "";
}

static char *
verdict(const char *a, const char *b, const Metric *metric, const rmf_estimate *estimates, double confidence)
{
	const char *name = metric->k > 0 ? psprintf("%s@%d", metric->name, metric->k) : metric->name;
	const rmf_estimate *difference = &estimates[2];
	double		value = difference->value;
	bool		b_is_better = metric->is_error ? value < 0 : value > 0;
	double		percent = 100 * confidence;

	if (isnan(value))
		return pstrdup("Nobody has a value with both: there is nothing to compare.");
	if (isnan(difference->low))
		return psprintf("%s of \"%s\" less that of \"%s\" is %+.4f%s; there is no interval.", name, b, a, value,
						relative(value, estimates[0].value));
	if (difference->low <= 0 && difference->high >= 0)
		return psprintf("No difference is shown: %s of \"%s\" less that of \"%s\" is %+.4f%s, "
						"and with %.4g%% confidence between %+.4f and %+.4f.",
						name, b, a, value, relative(value, estimates[0].value), percent, difference->low, difference->high);
	return psprintf("\"%s\" is better: its %s is %s by %.4f%s, with %.4g%% confidence by %.4f to %.4f.",
					b_is_better ? b : a, name, metric->is_error ? "lower" : "higher", fabs(value),
					b_is_better ? relative(value, estimates[0].value) : relative(-value, estimates[1].value), percent,
					Min(fabs(difference->low), fabs(difference->high)), Max(fabs(difference->low), fabs(difference->high)));
}

static void
put_number(Datum *values, bool *nulls, int column, double number)
{
	nulls[column] = isnan(number);
	values[column] = Float8GetDatum(number);
}

Datum
recmf_compare_models(PG_FUNCTION_ARGS)
{
	rmf_statistic statistics[3] = {
		{PAIR_A, PAIR_ROWS, 0, -1}, {PAIR_B, PAIR_ROWS, 0, -1}, {PAIR_B, PAIR_ROWS, 0, PAIR_A}
	};
	RecmfEvaluateOptions options = {0};
	Metric		metric;
	RecmfEvaluation *a;
	RecmfEvaluation *b;
	rmf_bootstrap bootstrap = {0};
	rmf_estimate estimates[3];
	rmf_paired	paired;
	double	   *differences;
	float	   *pairs;
	TupleDesc	columns;
	Datum		values[N_OUT];
	bool		nulls[N_OUT] = {false};
	HeapTuple	tuple;
	int64		n;
	int64		i;
	MemoryContext caller = CurrentMemoryContext;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	columns = BlessTupleDesc(columns);
	SPI_connect();
	metric = metric_argument(fcinfo);
	if (PG_ARGISNULL(COMPARE_TEST) || PG_ARGISNULL(COMPARE_RESAMPLES) || PG_ARGISNULL(COMPARE_CONFIDENCE) ||
		PG_ARGISNULL(COMPARE_SEED))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("test_source, resamples, confidence and seed must not be null")));
	options.test_source = recmf_text_argument(fcinfo, COMPARE_TEST);
	options.train_source = recmf_text_argument(fcinfo, COMPARE_TRAIN);
	options.user_col = recmf_text_argument(fcinfo, COMPARE_USER_COL);
	options.item_col = recmf_text_argument(fcinfo, COMPARE_ITEM_COL);
	options.rating_col = recmf_text_argument(fcinfo, COMPARE_RATING_COL);
	options.rating_col_given = options.rating_col != NULL;
	options.min_rating = PG_ARGISNULL(COMPARE_MIN_RATING) ? -INFINITY : PG_GETARG_FLOAT8(COMPARE_MIN_RATING);
	options.resamples = PG_GETARG_INT32(COMPARE_RESAMPLES);
	options.confidence = PG_GETARG_FLOAT8(COMPARE_CONFIDENCE);
	options.seed = (uint64) PG_GETARG_INT64(COMPARE_SEED);
	options.k = (int32 *) palloc(sizeof(int32));
	options.k[0] = Max(metric.k, 1);
	options.n_k = 1;
	if (options.resamples < 0 || options.resamples > 100000 || !(options.confidence > 0 && options.confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resamples must be from 0 to 100000 and confidence between 0 and 1"),
				 errhint("For 95%%, give confidence => 0.95.")));

	a = evaluate(fcinfo, COMPARE_A, &options);
	b = evaluate(fcinfo, COMPARE_B, &options);
	if (metric.is_error && (a->n_test_rows == 0 || b->n_test_rows == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s needs ratings in the test, and models that were trained on explicit feedback", metric.name),
				 errhint("Name the column of the test that has them by rating_col => '...'.")));
	pairs = pair_users(a, b, &metric, &n);

	bootstrap.n_users = n;
	bootstrap.n_columns = PAIR_COLUMNS;
	bootstrap.values = pairs;
	for (i = 0; i < 3; i++)
		statistics[i].root = metric.is_root;
	bootstrap.n_statistics = 3;
	bootstrap.statistics = statistics;
	recmf_bootstrap(&options, &bootstrap, estimates);
	differences = (double *) palloc_extended(sizeof(double) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	for (i = 0; i < n; i++)
	{
		const float *pair = pairs + PAIR_COLUMNS * i;

		differences[i] = ((double) pair[PAIR_B] - pair[PAIR_A]) / pair[PAIR_ROWS];
	}
	recmf_check_status(rmf_paired_test(n, differences, &paired, recmf_poll()), "test the difference");

	MemoryContextSwitchTo(caller);
	values[OUT_METRIC] = CStringGetTextDatum(metric.name);
	nulls[OUT_K] = metric.k == 0;
	values[OUT_K] = Int32GetDatum(metric.k);
	values[OUT_USERS] = Int64GetDatum(n);
	put_number(values, nulls, OUT_A, estimates[0].value);
	put_number(values, nulls, OUT_B, estimates[1].value);
	put_number(values, nulls, OUT_DIFFERENCE, estimates[2].value);
	put_number(values, nulls, OUT_LOW, estimates[2].low);
	put_number(values, nulls, OUT_HIGH, estimates[2].high);
	put_number(values, nulls, OUT_EFFECT, paired.effect);
	put_number(values, nulls, OUT_T_P, paired.t_p);
	put_number(values, nulls, OUT_WILCOXON_P, paired.wilcoxon_p);
	values[OUT_B_BETTER] = Int64GetDatum(metric.is_error ? paired.n_negative : paired.n_positive);
	values[OUT_A_BETTER] = Int64GetDatum(metric.is_error ? paired.n_positive : paired.n_negative);
	values[OUT_VERDICT] = CStringGetTextDatum(verdict(recmf_text_argument(fcinfo, COMPARE_A),
													  recmf_text_argument(fcinfo, COMPARE_B), &metric, estimates,
													  options.confidence));
	tuple = heap_form_tuple(columns, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
