/*
 * recmf_ab.c
 *	  ab_assign() and ab_sample_size(): which variant a user sees, and how many
 *	  users a test needs.
 *
 * A user is what its id reads as: an integer's decimal digits, a uuid's usual
 * form, a text's bytes in UTF-8, whatever the encoding of the database.  So an
 * id has one variant in all its types and in all databases.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "core/rmf_experiment.h"
#include "recmf_ab.h"
#include "recmf_serve.h"

PG_FUNCTION_INFO_V1(recmf_ab_assign_integer);
PG_FUNCTION_INFO_V1(recmf_ab_assign_text);
PG_FUNCTION_INFO_V1(recmf_ab_assign_uuid);
PG_FUNCTION_INFO_V1(recmf_ab_sample_size);

enum
{
	ASSIGN_EXPERIMENT,
	ASSIGN_USER,
	ASSIGN_VARIANTS,
	ASSIGN_WEIGHTS
};

enum
{
	SIZE_BASELINE,
	SIZE_EFFECT,
	SIZE_POWER,
	SIZE_CONFIDENCE,
	SIZE_DEVIATION,
	SIZE_WEIGHTS,
	SIZE_SEQUENTIAL
};

/* ---- arguments ---- */

static void
check_one_dimension(ArrayType *array, const char *what)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be an array of one dimension", what)));
	if (ARR_NDIM(array) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not hold nulls", what)));
}

double *
recmf_ab_weights(ArrayType *array, int *n)
{
	double	   *weights;
	double		largest = 0;
	int			i;

	check_one_dimension(array, "weights");
	*n = ARR_DIMS(array)[0];
	weights = (double *) palloc(sizeof(double) * *n);
	memcpy(weights, ARR_DATA_PTR(array), sizeof(double) * *n);
	for (i = 0; i < *n; i++)
	{
		if (!(weights[i] >= 0) || isinf(weights[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("weight %d is %s", i + 1,
							isnan(weights[i]) ? "not a number" : weights[i] < 0 ? "negative" : "infinite"),
					 errhint("Give numbers from 0 on, such as '{0.9,0.1}' or '{9,1}'.")));
		largest = Max(largest, weights[i]);
	}
	if (largest == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("all weights are 0"),
				 errhint("At least one variant must get users.")));
	return weights;
}

RecmfVariants *
recmf_ab_variants(ArrayType *names, ArrayType *weights)
{
	RecmfVariants *variants = (RecmfVariants *) palloc0(sizeof(RecmfVariants));
	Datum	   *elements;
	int			i,
				j;

	check_one_dimension(names, "variants");
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &variants->n);
	variants->names = (char **) palloc(sizeof(char *) * variants->n);
	for (i = 0; i < variants->n; i++)
	{
		variants->names[i] = TextDatumGetCString(elements[i]);
		if (variants->names[i][0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("variant %d has no name", i + 1)));
		for (j = 0; j < i; j++)
		{
			if (strcmp(variants->names[i], variants->names[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("variant \"%s\" is named twice", variants->names[i])));
		}
	}

	if (weights != NULL)
	{
		int			n;

		variants->weights = recmf_ab_weights(weights, &n);
		if (n != variants->n)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there are %d variants but %d weights", variants->n, n),
					 errhint("Give one weight for each variant, in the same order.")));
	}
	else
	{
		variants->weights = (double *) palloc(sizeof(double) * variants->n);
		for (i = 0; i < variants->n; i++)
			variants->weights[i] = 1;
	}
	return variants;
}

double
recmf_ab_between_0_and_1(double value, const char *name, const char *hint)
{
	if (!(value > 0 && value < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must lie between 0 and 1", name),
				 errhint("%s", hint)));
	return value;
}

/* ---- ab_assign ---- */

static char *
in_utf8(char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

static Datum
assign(FunctionCallInfo fcinfo, char *user)
{
	RecmfVariants *variants;
	rmf_variant *candidates;
	char	   *experiment;
	int			chosen;
	int			i;

	if (PG_ARGISNULL(ASSIGN_EXPERIMENT))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("experiment must not be null"),
				 errhint("Give each experiment a name of its own: it decides who is in which variant.")));
	if (PG_ARGISNULL(ASSIGN_VARIANTS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("variants must not be null")));
	variants = recmf_ab_variants(PG_GETARG_ARRAYTYPE_P(ASSIGN_VARIANTS),
								 PG_ARGISNULL(ASSIGN_WEIGHTS) ? NULL : PG_GETARG_ARRAYTYPE_P(ASSIGN_WEIGHTS));
	if (user == NULL)
		PG_RETURN_NULL();

	candidates = (rmf_variant *) palloc(sizeof(rmf_variant) * variants->n);
	for (i = 0; i < variants->n; i++)
	{
		candidates[i].name = in_utf8(variants->names[i]);
		candidates[i].length = strlen(candidates[i].name);
		candidates[i].weight = variants->weights[i];
	}
	experiment = in_utf8(text_to_cstring(PG_GETARG_TEXT_PP(ASSIGN_EXPERIMENT)));
	user = in_utf8(user);
	chosen = rmf_assign(experiment, strlen(experiment), user, strlen(user), candidates, variants->n);
	PG_RETURN_TEXT_P(cstring_to_text(variants->names[chosen]));
}

Datum
recmf_ab_assign_integer(PG_FUNCTION_ARGS)
{
	return assign(fcinfo, PG_ARGISNULL(ASSIGN_USER) ? NULL :
				  psprintf(INT64_FORMAT, PG_GETARG_INT64(ASSIGN_USER)));
}

Datum
recmf_ab_assign_text(PG_FUNCTION_ARGS)
{
	return assign(fcinfo, recmf_text_argument(fcinfo, ASSIGN_USER));
}

Datum
recmf_ab_assign_uuid(PG_FUNCTION_ARGS)
{
	return assign(fcinfo, PG_ARGISNULL(ASSIGN_USER) ? NULL :
				  DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(ASSIGN_USER))));
}

/* ---- ab_sample_size ---- */

static double
number_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	double		value;

	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	value = PG_GETARG_FLOAT8(number);
	if (!isfinite(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a finite number", name)));
	return value;
}

Datum
recmf_ab_sample_size(PG_FUNCTION_ARGS)
{
	static const double even[2] = {1, 1};
	rmf_sample_plan plan = {0};
	const double *weights = even;
	int			n_variants = 2;
	int64_t    *users;
	Datum	   *elements;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	TupleDesc	columns;
	int64		total = 0;
	rmf_status	status;
	int			i;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	plan.baseline = number_argument(fcinfo, SIZE_BASELINE, "baseline");
	plan.effect = number_argument(fcinfo, SIZE_EFFECT, "minimum_effect");
	plan.power = recmf_ab_between_0_and_1(number_argument(fcinfo, SIZE_POWER, "power"), "power",
										  "The chance to find an effect of that size: 0.8 is usual, 0.9 is careful.");
	plan.confidence = recmf_ab_between_0_and_1(number_argument(fcinfo, SIZE_CONFIDENCE, "confidence"), "confidence",
											   "0.95 is usual.");
	plan.sequential = recmf_boolean_argument(fcinfo, SIZE_SEQUENTIAL, "sequential");
	if (plan.effect == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("minimum_effect must not be 0"),
				 errhint("Give the smallest difference that is worth finding, such as 0.01 for one percentage point.")));
	plan.deviation = NAN;
	if (!PG_ARGISNULL(SIZE_DEVIATION))
	{
		plan.deviation = number_argument(fcinfo, SIZE_DEVIATION, "std");
		if (!(plan.deviation > 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("std must be positive"),
					 errhint("Give the standard deviation of a user's value, as stddev() has it.")));
	}
	else
	{
		(void) recmf_ab_between_0_and_1(plan.baseline, "baseline",
										"It is the control's proportion. For means, such as revenue per user, give std too.");
		(void) recmf_ab_between_0_and_1(plan.baseline + plan.effect, "baseline + minimum_effect",
										"minimum_effect is the difference of two proportions; for 5 percent of the baseline give 0.05 * baseline.");
	}
	if (!PG_ARGISNULL(SIZE_WEIGHTS))
	{
		weights = recmf_ab_weights(PG_GETARG_ARRAYTYPE_P(SIZE_WEIGHTS), &n_variants);
		if (n_variants < 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a test has at least two variants"),
					 errhint("Give the weights of all of them, the control first.")));
		for (i = 0; i < n_variants; i++)
		{
			if (weights[i] == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("weight %d is 0", i + 1),
						 errhint("A variant that gets no users needs no sample.")));
		}
	}

	users = (int64_t *) palloc(sizeof(int64_t) * n_variants);
	elements = (Datum *) palloc(sizeof(Datum) * n_variants);
	status = rmf_sample_size(&plan, weights, n_variants, users);
	for (i = 0; status == RMF_OK && i < n_variants; i++)
	{
		elements[i] = Int64GetDatum(users[i]);
		if (total > PG_INT64_MAX - users[i])
			status = RMF_OVERFLOW;
		else
			total += users[i];
	}
	if (status != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("such a test needs more users than can be counted"),
				 errhint("Look for a larger effect.")));

	values[0] = PointerGetDatum(construct_array(elements, n_variants, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = Int64GetDatum(total);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
