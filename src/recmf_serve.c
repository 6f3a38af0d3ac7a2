/*
 * recmf_serve.c
 *	  The SQL functions of serving, but for recommend_for() (recmf_fold_in.c).
 *
 * All of them are STABLE: they read on the snapshot of the query that calls
 * them, as its role, and write nothing, so they work on a standby, in views,
 * in LATERAL and under row security.  A call looks its model up anew (see
 * recmf_registry.c), so it never serves a version that its snapshot doesn't
 * see; only plans are kept between calls (recmf_plans.c).
 *
 * Each function that takes or returns ids has a bigint and a text form.  The
 * bigint form refuses a model with other ids and shows the text form, filled
 * in; the text form serves all models.
 *
 * Memory: everything of a call lies in SPI's context and goes with
 * SPI_finish(), after the rows have been copied to the result.  Locks:
 * AccessShare on the registry, the model's tables and the source, as for any
 * query, to the end of the transaction.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "recmf_compat.h"
#include "recmf_serve.h"

PG_FUNCTION_INFO_V1(recmf_recommend_integer);
PG_FUNCTION_INFO_V1(recmf_recommend_text);
PG_FUNCTION_INFO_V1(recmf_target_users_integer);
PG_FUNCTION_INFO_V1(recmf_target_users_text);
PG_FUNCTION_INFO_V1(recmf_similar_items_integer);
PG_FUNCTION_INFO_V1(recmf_similar_items_text);
PG_FUNCTION_INFO_V1(recmf_similar_users_integer);
PG_FUNCTION_INFO_V1(recmf_similar_users_text);
PG_FUNCTION_INFO_V1(recmf_predict_integer_integer);
PG_FUNCTION_INFO_V1(recmf_predict_integer_text);
PG_FUNCTION_INFO_V1(recmf_predict_text_integer);
PG_FUNCTION_INFO_V1(recmf_predict_text_text);
PG_FUNCTION_INFO_V1(recmf_popular_items);
PG_FUNCTION_INFO_V1(recmf_user_factor_integer);
PG_FUNCTION_INFO_V1(recmf_user_factor_text);
PG_FUNCTION_INFO_V1(recmf_item_factor_integer);
PG_FUNCTION_INFO_V1(recmf_item_factor_text);

/* ------------------------------------------------------------------------
 * Arguments and results
 * ------------------------------------------------------------------------
 */

int
recmf_k_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must not be null"),
				 errhint("k is the number of rows wanted, at least 1; left out, it is 10.")));
	if (PG_GETARG_INT32(number) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1, not %d", PG_GETARG_INT32(number)),
				 errhint("k is the number of rows wanted; left out, it is 10.")));
	return PG_GETARG_INT32(number);
}

bool
recmf_boolean_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", name),
				 errhint("Use true or false.")));
	return PG_GETARG_BOOL(number);
}

char *
recmf_text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

ArrayType *
recmf_ids_argument(FunctionCallInfo fcinfo, int number, RecmfForm form, Oid type)
{
	if (PG_ARGISNULL(number))
		return NULL;
	return recmf_given_to_array(PG_GETARG_ARRAYTYPE_P(number), form, type);
}

static RecmfGivenId
id_argument(FunctionCallInfo fcinfo, int number, RecmfForm form)
{
	RecmfGivenId id;

	id.form = form;
	id.isnull = PG_ARGISNULL(number);
	id.value = id.isnull ? (Datum) 0 : PG_GETARG_DATUM(number);
	return id;
}

void
recmf_return_ranking(FunctionCallInfo fcinfo, const RecmfRanking *ranking, RecmfForm form,
					 bool with_values)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	int			i;

	for (i = 0; i < ranking->n; i++)
	{
		values[0] = recmf_id_to_form(ranking->rows[i].id, ranking->id_type, form);
		values[1] = Float8GetDatum(ranking->rows[i].value);
		nulls[1] = !with_values;
		values[2] = Int32GetDatum(i + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static const char *
kind_name(RecmfIdKind kind)
{
	switch (kind)
	{
		case RECMF_ID_INTEGER:
			return "integer";
		case RECMF_ID_TEXT:
			return "text";
		case RECMF_ID_UUID:
			return "uuid";
	}
	return "unknown";
}

char *
recmf_describe_ids(const RecmfModel *model)
{
	return psprintf("%s user ids and %s item ids",
					kind_name(model->user_kind), kind_name(model->item_kind));
}

void
recmf_refuse_integer_form(const RecmfModel *model, const char *function, const char *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("the bigint form of %s does not fit model \"%s\", which has %s",
					function, model->name, recmf_describe_ids(model)),
			 errhint("Use the text form: %s.", call)));
}

/* ------------------------------------------------------------------------
 * recommend
 * ------------------------------------------------------------------------
 */

/* recommend()'s arguments, in order */
enum
{
	RECOMMEND_USER,
	RECOMMEND_K,
	RECOMMEND_MODEL,
	RECOMMEND_EXCLUDE_SEEN,
	RECOMMEND_INCLUDE,
	RECOMMEND_EXCLUDE,
	RECOMMEND_UNKNOWN_USER
};

/* Whether an unknown user gets the popular items (else nothing). */
static bool
unknown_user_argument(FunctionCallInfo fcinfo, int number)
{
	char	   *choice = recmf_text_argument(fcinfo, number);

	if (choice != NULL && strcmp(choice, "popular") == 0)
		return true;
	if (choice != NULL && strcmp(choice, "nothing") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 choice == NULL ? errmsg("unknown_user must not be null") :
			 errmsg("invalid value for unknown_user: \"%s\"", choice),
			 errhint("Use 'popular' (the most rated items, with a null score) or 'nothing' (no rows).")));
	return false;				/* keep compilers quiet */
}

/*
 * The k items with the highest score for a user, without those that he has in
 * the live source.  An unknown or null user gets the most rated items, under
 * the same filters, with a null score.
 */
static Datum
recommend(FunctionCallInfo fcinfo, RecmfForm form)
{
	RecmfGivenId user;
	RecmfModel *model;
	RecmfFilters filters;
	Factor	   *factor;
	int			k;
	bool		exclude_seen;
	bool		popular_for_unknown;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	user = id_argument(fcinfo, RECOMMEND_USER, form);
	k = recmf_k_argument(fcinfo, RECOMMEND_K);
	exclude_seen = recmf_boolean_argument(fcinfo, RECOMMEND_EXCLUDE_SEEN, "exclude_seen");
	popular_for_unknown = unknown_user_argument(fcinfo, RECOMMEND_UNKNOWN_USER);
	model = recmf_model_lookup(recmf_text_argument(fcinfo, RECOMMEND_MODEL));

	if (form == RECMF_FORM_INTEGER &&
		(model->user_kind != RECMF_ID_INTEGER || model->item_kind != RECMF_ID_INTEGER))
		recmf_refuse_integer_form(model, "recommend()",
							psprintf("recommend(%s, %d, model => %s)", recmf_given_literal(&user), k,
									 quote_literal_cstr(model->name)));

	filters.seen_by = exclude_seen && !user.isnull ? &user : NULL;
	filters.include = recmf_ids_argument(fcinfo, RECOMMEND_INCLUDE, form, model->item_type);
	filters.exclude = recmf_ids_argument(fcinfo, RECOMMEND_EXCLUDE, form, model->item_type);

	factor = recmf_fetch_factor(model, RMF_USERS, &user);
	if (factor != NULL)
		recmf_return_ranking(fcinfo, recmf_rank_by_score(model, RMF_ITEMS, factor, &filters, k), form, true);
	else if (popular_for_unknown)
		recmf_return_ranking(fcinfo, recmf_rank_by_popularity(model, &filters, k), form, false);

	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_recommend_integer(PG_FUNCTION_ARGS)
{
	return recommend(fcinfo, RECMF_FORM_INTEGER);
}

Datum
recmf_recommend_text(PG_FUNCTION_ARGS)
{
	return recommend(fcinfo, RECMF_FORM_TEXT);
}

/* ------------------------------------------------------------------------
 * target_users
 * ------------------------------------------------------------------------
 */

/* target_users()'s arguments, in order */
enum
{
	TARGET_ITEM,
	TARGET_K,
	TARGET_MODEL,
	TARGET_EXCLUDE_OWNERS,
	TARGET_INCLUDE,
	TARGET_EXCLUDE
};

/*
 * The k users with the highest score for an item, without those who have it in
 * the live source; no rows for an unknown id.
 */
static Datum
target_users(FunctionCallInfo fcinfo, RecmfForm form)
{
	RecmfGivenId item;
	RecmfModel *model;
	RecmfFilters filters;
	Factor	   *factor;
	int			k;
	bool		exclude_owners;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	item = id_argument(fcinfo, TARGET_ITEM, form);
	k = recmf_k_argument(fcinfo, TARGET_K);
	exclude_owners = recmf_boolean_argument(fcinfo, TARGET_EXCLUDE_OWNERS, "exclude_owners");
	model = recmf_model_lookup(recmf_text_argument(fcinfo, TARGET_MODEL));

	if (form == RECMF_FORM_INTEGER &&
		(model->user_kind != RECMF_ID_INTEGER || model->item_kind != RECMF_ID_INTEGER))
		recmf_refuse_integer_form(model, "target_users()",
							psprintf("target_users(%s, %d, model => %s)", recmf_given_literal(&item), k,
									 quote_literal_cstr(model->name)));

	filters.seen_by = exclude_owners ? &item : NULL;
	filters.include = recmf_ids_argument(fcinfo, TARGET_INCLUDE, form, model->user_type);
	filters.exclude = recmf_ids_argument(fcinfo, TARGET_EXCLUDE, form, model->user_type);

	factor = recmf_fetch_factor(model, RMF_ITEMS, &item);
	if (factor != NULL)
		recmf_return_ranking(fcinfo, recmf_rank_by_score(model, RMF_USERS, factor, &filters, k), form, true);

	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_target_users_integer(PG_FUNCTION_ARGS)
{
	return target_users(fcinfo, RECMF_FORM_INTEGER);
}

Datum
recmf_target_users_text(PG_FUNCTION_ARGS)
{
	return target_users(fcinfo, RECMF_FORM_TEXT);
}

/* ------------------------------------------------------------------------
 * similar_items, similar_users
 * ------------------------------------------------------------------------
 */

/* The k others of one side with the highest cosine; no rows for an unknown id. */
static Datum
similar(FunctionCallInfo fcinfo, RecmfForm form, rmf_side side, const char *function)
{
	RecmfGivenId id;
	RecmfModel *model;
	Factor	   *factor;
	int			k;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	id = id_argument(fcinfo, 0, form);
	k = recmf_k_argument(fcinfo, 1);
	model = recmf_model_lookup(recmf_text_argument(fcinfo, 2));

	if (form == RECMF_FORM_INTEGER &&
		(side == RMF_USERS ? model->user_kind : model->item_kind) != RECMF_ID_INTEGER)
		recmf_refuse_integer_form(model, psprintf("%s()", function),
							psprintf("%s(%s, %d, model => %s)", function, recmf_given_literal(&id), k,
									 quote_literal_cstr(model->name)));

	factor = recmf_fetch_factor(model, side, &id);
	if (factor != NULL)
		recmf_return_ranking(fcinfo, recmf_rank_by_similarity(model, side, &id, factor, k), form, true);

	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_similar_items_integer(PG_FUNCTION_ARGS)
{
	return similar(fcinfo, RECMF_FORM_INTEGER, RMF_ITEMS, "similar_items");
}

Datum
recmf_similar_items_text(PG_FUNCTION_ARGS)
{
	return similar(fcinfo, RECMF_FORM_TEXT, RMF_ITEMS, "similar_items");
}

Datum
recmf_similar_users_integer(PG_FUNCTION_ARGS)
{
	return similar(fcinfo, RECMF_FORM_INTEGER, RMF_USERS, "similar_users");
}

Datum
recmf_similar_users_text(PG_FUNCTION_ARGS)
{
	return similar(fcinfo, RECMF_FORM_TEXT, RMF_USERS, "similar_users");
}

/* ------------------------------------------------------------------------
 * predict
 * ------------------------------------------------------------------------
 */

/*
 * What the model expects.  Explicit feedback: a rating, within the range of
 * those that were trained on; for an unknown user or item, the mean and the
 * bias of the known side.  Implicit feedback: the score, null when either is
 * unknown.
 */
static Datum
predict(FunctionCallInfo fcinfo, RecmfForm user_form, RecmfForm item_form)
{
	RecmfGivenId user = id_argument(fcinfo, 0, user_form);
	RecmfGivenId item = id_argument(fcinfo, 1, item_form);
	RecmfModel *model;
	Factor	   *user_factor;
	Factor	   *item_factor;
	bool		known;
	double		prediction;

	SPI_connect();
	model = recmf_model_lookup(recmf_text_argument(fcinfo, 2));

	if ((user_form == RECMF_FORM_INTEGER && model->user_kind != RECMF_ID_INTEGER) ||
		(item_form == RECMF_FORM_INTEGER && model->item_kind != RECMF_ID_INTEGER))
		recmf_refuse_integer_form(model, "predict()",
							psprintf("predict(%s, %s, model => %s)", recmf_given_literal(&user),
									 recmf_given_literal(&item), quote_literal_cstr(model->name)));

	user_factor = recmf_fetch_factor(model, RMF_USERS, &user);
	item_factor = recmf_fetch_factor(model, RMF_ITEMS, &item);

	known = rmf_als_predict(&model->problem,
							user_factor != NULL ? user_factor->x : NULL,
							item_factor != NULL ? item_factor->x : NULL,
							model->rating_min, model->rating_max, &prediction);

	SPI_finish();
	if (!known)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(prediction);
}

Datum
recmf_predict_integer_integer(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, RECMF_FORM_INTEGER, RECMF_FORM_INTEGER);
}

Datum
recmf_predict_integer_text(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, RECMF_FORM_INTEGER, RECMF_FORM_TEXT);
}

Datum
recmf_predict_text_integer(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, RECMF_FORM_TEXT, RECMF_FORM_INTEGER);
}

Datum
recmf_predict_text_text(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, RECMF_FORM_TEXT, RECMF_FORM_TEXT);
}

/* ------------------------------------------------------------------------
 * popular_items
 * ------------------------------------------------------------------------
 */

/* The k items with the most ratings in training; ids in their text form. */
Datum
recmf_popular_items(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RecmfFilters filters = {NULL, NULL, NULL};
	RecmfRanking *ranking;
	RecmfModel *model;
	int			k;
	int			i;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	k = recmf_k_argument(fcinfo, 0);
	model = recmf_model_lookup(recmf_text_argument(fcinfo, 1));
	ranking = recmf_rank_by_popularity(model, &filters, k);
	for (i = 0; i < ranking->n; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = recmf_id_to_form(ranking->rows[i].id, ranking->id_type, RECMF_FORM_TEXT);
		values[1] = Int32GetDatum((int32) ranking->rows[i].value);
		values[2] = Int32GetDatum(i + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}

	SPI_finish();
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * user_factor, item_factor
 * ------------------------------------------------------------------------
 */

/* One row's factor, or null for an unknown id.  STRICT. */
static Datum
one_factor(FunctionCallInfo fcinfo, RecmfForm form, rmf_side side, const char *function)
{
	RecmfGivenId id = id_argument(fcinfo, 1, form);
	RecmfModel *model;
	Factor	   *factor;
	Factor	   *result = NULL;

	SPI_connect();
	model = recmf_model_lookup(recmf_text_argument(fcinfo, 0));

	if (form == RECMF_FORM_INTEGER &&
		(side == RMF_USERS ? model->user_kind : model->item_kind) != RECMF_ID_INTEGER)
		recmf_refuse_integer_form(model, psprintf("%s()", function),
							psprintf("%s(%s, %s)", function, quote_literal_cstr(model->name),
									 recmf_given_literal(&id)));

	factor = recmf_fetch_factor(model, side, &id);
	if (factor != NULL)
	{
		/* for the caller, in the context from before SPI_connect() */
		result = (Factor *) SPI_palloc(VARSIZE(factor));
		memcpy(result, factor, VARSIZE(factor));
	}

	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FACTOR_P(result);
}

Datum
recmf_user_factor_integer(PG_FUNCTION_ARGS)
{
	return one_factor(fcinfo, RECMF_FORM_INTEGER, RMF_USERS, "user_factor");
}

Datum
recmf_user_factor_text(PG_FUNCTION_ARGS)
{
	return one_factor(fcinfo, RECMF_FORM_TEXT, RMF_USERS, "user_factor");
}

Datum
recmf_item_factor_integer(PG_FUNCTION_ARGS)
{
	return one_factor(fcinfo, RECMF_FORM_INTEGER, RMF_ITEMS, "item_factor");
}

Datum
recmf_item_factor_text(PG_FUNCTION_ARGS)
{
	return one_factor(fcinfo, RECMF_FORM_TEXT, RMF_ITEMS, "item_factor");
}
