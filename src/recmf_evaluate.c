/*
 * recmf_evaluate.c
 *	  evaluate_model(), evaluate_lists(): how good a model is on rows that it was
 *	  not trained on, beside what would be there without it.
 *
 * They read on the snapshot of the query that calls, as the caller, and write
 * nothing.  Memory and phases: recmf_evaluate.h.  Locks: as of recommend_all().
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "recmf_evaluate.h"
#include "recmf_serve.h"

PG_FUNCTION_INFO_V1(recmf_evaluate_model);
PG_FUNCTION_INFO_V1(recmf_evaluate_value);
PG_FUNCTION_INFO_V1(recmf_evaluate_lists);

/* The arguments that all of them have, in their order, from the test source on. */
enum
{
	EVALUATE_TEST = 1,
	EVALUATE_K,
	EVALUATE_USER_COL,
	EVALUATE_ITEM_COL,
	EVALUATE_RATING_COL,
	EVALUATE_MIN_RATING,
	EVALUATE_GROUP_BY,
	EVALUATE_NEGATIVES,
	EVALUATE_CANDIDATES,
	EVALUATE_TRAIN,
	EVALUATE_RESAMPLES,
	EVALUATE_CONFIDENCE,
	EVALUATE_SEED
};

static int
compare_k(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/* Each k of an array once, ascending, or an error. */
static int32 *
k_array(ArrayType *array, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	int32	   *k;
	int			given;
	int			i;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, &nulls, &given);
	if (given < 1 || given > RECMF_MAX_K)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must have 1 to %d elements, not %d", RECMF_MAX_K, given),
				 errhint("Each is a length of lists, as in '{5,10,20}'.")));
	k = (int32 *) palloc(sizeof(int32) * given);
	for (i = 0; i < given; i++)
	{
		if (nulls[i] || DatumGetInt32(elements[i]) < 1 || DatumGetInt32(elements[i]) > 10000)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an element of k is %s, it must be from 1 to 10000",
							nulls[i] ? "null" : psprintf("%d", DatumGetInt32(elements[i]))),
					 errhint("Each is a length of lists, as in '{5,10,20}'.")));
		k[i] = DatumGetInt32(elements[i]);
	}
	qsort(k, given, sizeof(int32), compare_k);
	*n = 0;
	for (i = 0; i < given; i++)
		if (*n == 0 || k[*n - 1] != k[i])
			k[(*n)++] = k[i];
	return k;
}

static void
require(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

static void
read_options(FunctionCallInfo fcinfo, RecmfEvaluateOptions *options)
{
	memset(options, 0, sizeof(RecmfEvaluateOptions));
	require(fcinfo, EVALUATE_TEST, "test_source");
	require(fcinfo, EVALUATE_K, "k");
	require(fcinfo, EVALUATE_RESAMPLES, "resamples");
	require(fcinfo, EVALUATE_CONFIDENCE, "confidence");
	require(fcinfo, EVALUATE_SEED, "seed");
	options->test_source = recmf_text_argument(fcinfo, EVALUATE_TEST);
	options->k = k_array(PG_GETARG_ARRAYTYPE_P(EVALUATE_K), &options->n_k);
	options->user_col = recmf_text_argument(fcinfo, EVALUATE_USER_COL);
	options->item_col = recmf_text_argument(fcinfo, EVALUATE_ITEM_COL);
	options->rating_col = recmf_text_argument(fcinfo, EVALUATE_RATING_COL);
	options->rating_col_given = options->rating_col != NULL;
	options->min_rating = PG_ARGISNULL(EVALUATE_MIN_RATING) ? -INFINITY : PG_GETARG_FLOAT8(EVALUATE_MIN_RATING);
	options->group_by = recmf_text_argument(fcinfo, EVALUATE_GROUP_BY);
	options->negatives = PG_ARGISNULL(EVALUATE_NEGATIVES) ? 0 : PG_GETARG_INT32(EVALUATE_NEGATIVES);
	options->candidates = recmf_text_argument(fcinfo, EVALUATE_CANDIDATES);
	options->train_source = recmf_text_argument(fcinfo, EVALUATE_TRAIN);
	options->resamples = PG_GETARG_INT32(EVALUATE_RESAMPLES);
	options->confidence = PG_GETARG_FLOAT8(EVALUATE_CONFIDENCE);
	options->seed = (uint64) PG_GETARG_INT64(EVALUATE_SEED);
	options->baselines = true;

	if (isnan(options->min_rating))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_rating must be a number, not NaN")));
	if (!PG_ARGISNULL(EVALUATE_NEGATIVES) && (options->negatives < 1 || options->negatives > 1000000))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("negatives must be from 1 to 1000000, not %d", options->negatives),
				 errhint("Leave it out to rank the full catalogue.")));
	if (options->negatives > 0 && options->candidates != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("negatives and candidates exclude each other"),
				 errhint("negatives draws items at random; candidates names a source of them.")));
	if (options->resamples < 0 || options->resamples > 100000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resamples must be from 0 to 100000, not %d", options->resamples),
				 errhint("With 0 there are no intervals.")));
	if (!(options->confidence > 0 && options->confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be between 0 and 1, not %g", options->confidence),
				 errhint("For 95%%, give 0.95.")));
}

/* Inside SPI_connect(), which this leaves. */
static Datum
evaluate(FunctionCallInfo fcinfo, const RecmfSubject *subject, const RecmfEvaluateOptions *options)
{
	RecmfEvaluation *evaluation = recmf_evaluation_read(subject, options);

	recmf_evaluation_run(evaluation);
	recmf_evaluation_put(evaluation, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_evaluate_model(PG_FUNCTION_ARGS)
{
	RecmfEvaluateOptions options;
	RecmfSubject subject = {0};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	read_options(fcinfo, &options);
	subject.model = recmf_model_lookup(recmf_text_argument(fcinfo, 0));
	return evaluate(fcinfo, &subject, &options);
}

Datum
recmf_evaluate_value(PG_FUNCTION_ARGS)
{
	RecmfEvaluateOptions options;
	RecmfSubject subject = {0};
	MfModelView view;

	require(fcinfo, 0, "model");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	recmf_mf_model_get(fcinfo, 0, &view);
	SPI_connect();
	read_options(fcinfo, &options);
	subject.value = &view;
	return evaluate(fcinfo, &subject, &options);
}

Datum
recmf_evaluate_lists(PG_FUNCTION_ARGS)
{
	RecmfEvaluateOptions options;
	RecmfSubject subject = {0};

	require(fcinfo, 0, "lists");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	read_options(fcinfo, &options);
	if (options.train_source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lists need a train_source"),
				 errhint("Name the rows that the lists were made from: what users have there is left out, and popularity is counted there.")));
	if (options.negatives > 0 || options.candidates != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("lists cannot be ranked among sampled candidates"),
				 errhint("Leave out negatives and candidates.")));
	subject.lists = recmf_text_argument(fcinfo, 0);
	return evaluate(fcinfo, &subject, &options);
}
