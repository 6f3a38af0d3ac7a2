/*
 * recmf_mf_train.c
 *	  The aggregate mf_train(user_id, item_id, rating [, options]): one model
 *	  a group.
 *
 * The transition function collects rows, the final function trains and makes
 * the value.  There is no combine function, so the rows of a group arrive in
 * one process; the engine makes the model independent of their order.
 *
 * Memory: the state and its dataset are in the aggregate's context, small at
 * first, since there may be many groups.  Hash aggregation sees it there and
 * spills further groups when it grows past its limit.  The dataset is given
 * back as soon as the value is made; this modifies the state, which is why
 * the final function is declared READ_WRITE.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "recmf_compat.h"
#include "recmf_dataset.h"
#include "recmf_mf_model.h"
#include "recmf_options.h"

typedef struct TrainState
{
	RecmfDataset *dataset;
	RecmfOptions options;
	Jsonb	   *given;			/* the options as given in the first row, or NULL */
} TrainState;

PG_FUNCTION_INFO_V1(recmf_mf_train_transition);
PG_FUNCTION_INFO_V1(recmf_mf_train_final);

static TrainState *
start_group(FunctionCallInfo fcinfo, MemoryContext aggregate_context)
{
	TrainState *state;
	RecmfOptions options;
	Jsonb	   *given = NULL;

	recmf_options_init(&options);
	if (PG_NARGS() > 4 && !PG_ARGISNULL(4))
	{
		given = DatumGetJsonbP(PG_GETARG_DATUM(4));
		recmf_options_set_jsonb(&options, given);
		recmf_options_check_aggregate(&options);
	}

	state = (TrainState *) MemoryContextAllocZero(aggregate_context, sizeof(TrainState));
	state->options = options;
	state->dataset = recmf_dataset_create(aggregate_context,
										  get_fn_expr_argtype(fcinfo->flinfo, 1),
										  get_fn_expr_argtype(fcinfo->flinfo, 2),
										  &options.settings, false);
	if (given != NULL)
	{
		state->given = (Jsonb *) MemoryContextAlloc(state->dataset->context, VARSIZE(given));
		memcpy(state->given, given, VARSIZE(given));
	}
	return state;
}

/* Every row of a group carries the same options, usually the very same bytes. */
static void
check_same_options(FunctionCallInfo fcinfo, const TrainState *state)
{
	bool		same;

	if (PG_NARGS() <= 4)
		return;

	if (PG_ARGISNULL(4) || state->given == NULL)
		same = PG_ARGISNULL(4) && state->given == NULL;
	else
	{
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(4));

		same = VARSIZE_ANY_EXHDR(packed) == VARSIZE(state->given) - VARHDRSZ &&
			memcmp(VARDATA_ANY(packed), VARDATA(state->given), VARSIZE_ANY_EXHDR(packed)) == 0;
		if (!same)
			same = compareJsonbContainers(&DatumGetJsonbP(PointerGetDatum(packed))->root,
										  &state->given->root) == 0;
		if ((Pointer) packed != DatumGetPointer(PG_GETARG_DATUM(4)))
			pfree(packed);
	}

	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options of mf_train must be the same in every row of a group"),
				 errhint("Pass a constant, or group by what the options depend on.")));
}

Datum
recmf_mf_train_transition(PG_FUNCTION_ARGS)
{
	MemoryContext aggregate_context;
	TrainState *state;

	if (!AggCheckCallContext(fcinfo, &aggregate_context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("mf_train_transition can be called as part of the aggregate mf_train only")));

	if (PG_ARGISNULL(0))
		state = start_group(fcinfo, aggregate_context);
	else
	{
		state = (TrainState *) PG_GETARG_POINTER(0);
		check_same_options(fcinfo, state);
	}

	recmf_dataset_add(state->dataset, PG_GETARG_DATUM(1), PG_ARGISNULL(1),
					  PG_GETARG_DATUM(2), PG_ARGISNULL(2),
					  PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3), PG_ARGISNULL(3));
	PG_RETURN_POINTER(state);
}

Datum
recmf_mf_train_final(PG_FUNCTION_ARGS)
{
	TrainState *state;
	RecmfDataset *dataset;
	MfModel    *model = NULL;

	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("mf_train_final can be called as part of the aggregate mf_train only")));

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (TrainState *) PG_GETARG_POINTER(0);
	dataset = state->dataset;
	Assert(dataset != NULL);

	if (dataset->n_triples > 0)
	{
		rmf_settings settings;

		recmf_dataset_finish(dataset);
		recmf_resolve_settings(dataset, &state->options, &settings);
		recmf_mf_model_check_size(dataset, &settings);
		model = recmf_mf_model_make(dataset, recmf_fit(dataset, &state->options, NULL));
	}

	MemoryContextDelete(dataset->context);
	state->dataset = NULL;
	state->given = NULL;

	if (model == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(model);
}
