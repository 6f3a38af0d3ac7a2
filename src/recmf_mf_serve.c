/*
 * recmf_mf_serve.c
 *	  Recommendations, predictions and similar items from a value of type
 *	  mf_model.
 *
 * Everything is in the value, so these functions read no table and are
 * immutable.  Each exists for integer ids and for the text form of any ids.
 *
 * Memory: the detoasted model and what is computed from it are in the caller's
 * short-lived context; the rows go into a tuplestore.  recommend_all() copies the
 * items' rows to where parallel workers may map them (recmf_topk_team.h).
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "core/rmf_topk.h"
#include "core/rmf_vector.h"
#include "recmf_mf_model.h"
#include "recmf_recommend_all.h"
#include "recmf_status.h"
#include "recmf_topk_team.h"

PG_FUNCTION_INFO_V1(recmf_mf_model_recommend);
PG_FUNCTION_INFO_V1(recmf_mf_model_recommend_text);
PG_FUNCTION_INFO_V1(recmf_mf_model_recommend_all);
PG_FUNCTION_INFO_V1(recmf_mf_model_recommend_all_text);
PG_FUNCTION_INFO_V1(recmf_mf_model_predict);
PG_FUNCTION_INFO_V1(recmf_mf_model_predict_text);
PG_FUNCTION_INFO_V1(recmf_mf_model_similar_items);
PG_FUNCTION_INFO_V1(recmf_mf_model_similar_items_text);

/* Items between two looks at pending interrupts. */
#define ITEMS_BETWEEN_INTERRUPTS 4096

static const char *
kind_name(RecmfIdKind kind)
{
	return kind == RECMF_ID_UUID ? "uuid" : kind == RECMF_ID_TEXT ? "text" : "integer";
}

/* For the functions on bigint: "call" is the hint's call in text form. */
static void
require_integers(const MfModelIds *ids, const char *whose, const char *call)
{
	if (ids->kind != RECMF_ID_INTEGER)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("model has %s %s ids", kind_name(ids->kind), whose),
				 errhint("Pass ids as text and get text back: %s.", call)));
}

static int32
get_k(FunctionCallInfo fcinfo, int argument)
{
	int32		k;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("k must not be null"),
				 errhint("k is the number of rows wanted, at least 1; left out, it is 10.")));
	k = PG_GETARG_INT32(argument);
	if (k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1, not %d", k),
				 errhint("k is the number of rows wanted; left out, it is 10.")));
	return k;
}

/* True for 'popular', false for 'nothing'. */
static bool
get_unknown_user(FunctionCallInfo fcinfo, int argument)
{
	char	   *choice = PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (choice != NULL && strcmp(choice, "popular") == 0)
		return true;
	if (choice != NULL && strcmp(choice, "nothing") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 choice == NULL ? errmsg("unknown_user must not be null") :
			 errmsg("invalid value for unknown_user: %s", recmf_id_describe_text(PG_GETARG_TEXT_PP(argument))),
			 errhint("Use 'popular' (the most rated items, with a null score) or 'nothing' (no rows).")));
	return false;				/* keep compiler quiet */
}

static Datum
item_id(const MfModelView *view, int32 item, bool as_text)
{
	return as_text ? recmf_mf_model_id_text(&view->items, item) : Int64GetDatum(view->items.integers[item]);
}

/* A row (item id, score or NULL, rank). */
static void
put_row(ReturnSetInfo *result, Datum id, double score, bool score_null, int32 rank)
{
	Datum		values[3];
	bool		nulls[3] = {false, score_null, false};

	values[0] = id;
	values[1] = score_null ? (Datum) 0 : Float8GetDatum(score);
	values[2] = Int32GetDatum(rank);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* A heap with the less popular of two items nearer to the root; ties go by id. */
static int
less_popular(Datum a, Datum b, void *arg)
{
	const MfModelView *view = (const MfModelView *) arg;
	int32		item_a = DatumGetInt32(a);
	int32		item_b = DatumGetInt32(b);
	int32		n_a = view->item_n_ratings[item_a];
	int32		n_b = view->item_n_ratings[item_b];

	if (n_a != n_b)
		return n_a < n_b ? 1 : -1;
	return item_a > item_b ? 1 : -1;
}

static void
put_popular(ReturnSetInfo *result, const MfModelView *view, int32 k, bool as_text)
{
	binaryheap *heap = binaryheap_allocate(k, less_popular, (void *) view);
	int32	   *best = (int32 *) palloc(sizeof(int32) * (Size) k);
	int32		item;
	int32		i;

	for (item = 0; item < view->items.count; item++)
	{
		if (item < k)
			binaryheap_add_unordered(heap, Int32GetDatum(item));
		else
		{
			if (item == k)
				binaryheap_build(heap);
			if (less_popular(binaryheap_first(heap), Int32GetDatum(item), (void *) view) > 0)
				binaryheap_replace_first(heap, Int32GetDatum(item));
		}
		if (item % ITEMS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	binaryheap_build(heap);
	for (i = k; i-- > 0;)
		best[i] = DatumGetInt32(binaryheap_remove_first(heap));
	for (i = 0; i < k; i++)
		put_row(result, item_id(view, best[i], as_text), 0, true, i + 1);
}

static Datum
recommend(FunctionCallInfo fcinfo, bool as_text)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		k = get_k(fcinfo, 2);
	bool		popular = get_unknown_user(fcinfo, 4);
	MfModelView view;
	int32		user = -1;
	int32		n_seen = 0;
	const int32 *seen = NULL;
	rmf_scored *best;
	int32		found;
	int32		i;

	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("exclude_seen must not be null"),
				 errhint("Use true or false.")));

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	recmf_mf_model_get(fcinfo, 0, &view);
	k = Min(k, view.items.count);

	if (!as_text)
	{
		char	   *call = psprintf("recommend(model, '" INT64_FORMAT "', %d)",
									PG_ARGISNULL(1) ? INT64CONST(0) : PG_GETARG_INT64(1),
									PG_GETARG_INT32(2));

		require_integers(&view.items, "item", call);
		require_integers(&view.users, "user", call);
		if (!PG_ARGISNULL(1))
			user = recmf_mf_model_lookup_integer(&view.users, PG_GETARG_INT64(1));
	}
	else if (!PG_ARGISNULL(1))
		user = recmf_mf_model_lookup_text(&view.users, PG_GETARG_TEXT_PP(1));

	if (user < 0)
	{
		if (popular)
			put_popular(result, &view, k, as_text);
		return (Datum) 0;
	}

	if (PG_GETARG_BOOL(3))
		seen = recmf_mf_model_seen(&view, user, &n_seen);
	best = (rmf_scored *) palloc(sizeof(rmf_scored) * (Size) k);
	recmf_check_status(rmf_topk(view.items.count, view.dimensions, view.item_rows,
								view.user_rows + (Size) user * view.dimensions,
								n_seen, seen, k, best, &found, recmf_poll()),
					   "find the best items");
	for (i = 0; i < found; i++)
		put_row(result, item_id(&view, best[i].index, as_text),
				view.problem.mean + best[i].score, false, i + 1);
	return (Datum) 0;
}

Datum
recmf_mf_model_recommend(PG_FUNCTION_ARGS)
{
	return recommend(fcinfo, false);
}

Datum
recmf_mf_model_recommend_text(PG_FUNCTION_ARGS)
{
	return recommend(fcinfo, true);
}

/* Every user of a value, and where the rows go. */
typedef struct AllUsers
{
	MfModelView view;
	bool		exclude_seen;
	bool		as_text;
	int32		next;
	RecmfAllResult result;
	MemoryContext context;		/* of one user's rows */
} AllUsers;

static bool
next_user(void *arg, RecmfTopkUser *user)
{
	AllUsers   *all = (AllUsers *) arg;
	int32		number = all->next++;

	if (number >= all->view.users.count)
		return false;
	user->id = Int32GetDatum(number);
	user->row = all->view.user_rows + (Size) number * all->view.dimensions;
	if (all->exclude_seen)
		user->seen = recmf_mf_model_seen(&all->view, number, &user->n_seen);
	return true;
}

static void
take_list(void *arg, Datum id, int n, const rmf_scored *best, const int32 *place)
{
	AllUsers   *all = (AllUsers *) arg;
	int32		number = DatumGetInt32(id);
	MemoryContext caller = MemoryContextSwitchTo(all->context);

	if (n > 0)
		recmf_all_put(&all->result, all->as_text ? recmf_mf_model_id_text(&all->view.users, number)
					  : Int64GetDatum(all->view.users.integers[number]), n, best);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(all->context);
}

static Datum
item_in_form(void *arg, int32 item)
{
	const AllUsers *all = (const AllUsers *) arg;

	return item_id(&all->view, item, all->as_text);
}

static Datum
recommend_all(FunctionCallInfo fcinfo, bool as_text)
{
	AllUsers   *all = (AllUsers *) palloc0(sizeof(AllUsers));
	RecmfTopkCaller caller = {next_user, take_list, all};
	RecmfTopkJob job = {0};
	RecmfTopkTeam *team;

	job.wish.k = get_k(fcinfo, 1);
	job.wish.least = recmf_min_score_argument(fcinfo, 3);
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("exclude_seen must not be null"),
				 errhint("Use true or false.")));

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	recmf_mf_model_get(fcinfo, 0, &all->view);
	if (!as_text)
	{
		char	   *call = psprintf("recommend_all_text(model, %d)", job.wish.k);

		require_integers(&all->view.items, "item", call);
		require_integers(&all->view.users, "user", call);
	}
	all->exclude_seen = PG_GETARG_BOOL(2);
	all->as_text = as_text;
	all->context = AllocSetContextCreate(CurrentMemoryContext, "recmf rows", ALLOCSET_DEFAULT_SIZES);
	all->result.set = (ReturnSetInfo *) fcinfo->resultinfo;
	all->result.mean = all->view.problem.mean;
	all->result.item_id = item_in_form;
	all->result.arg = all;

	job.n_items = all->view.items.count;
	job.dimensions = all->view.dimensions;
	job.wish.base = all->view.problem.mean;
	job.with_seen = all->exclude_seen;
	job.n_users = all->view.users.count;
	job.id_by_value = true;
	job.id_length = sizeof(int32);
	team = recmf_topk_team_create(CurrentMemoryContext, &job);
	memcpy(recmf_topk_team_rows(team), all->view.item_rows,
		   sizeof(float) * (Size) job.n_items * (Size) job.dimensions);
	recmf_topk_team_run(team, &caller);
	return (Datum) 0;
}

Datum
recmf_mf_model_recommend_all(PG_FUNCTION_ARGS)
{
	return recommend_all(fcinfo, false);
}

Datum
recmf_mf_model_recommend_all_text(PG_FUNCTION_ARGS)
{
	return recommend_all(fcinfo, true);
}

/*
 * Explicit feedback: a rating, within the range of those that were trained on;
 * for an unknown user or item, the mean and the bias of the known side.
 * Implicit feedback: the score, null when either is unknown.
 */
static Datum
predict(FunctionCallInfo fcinfo, bool as_text)
{
	MfModelView view;
	int32		user_number = -1;
	int32		item_number = -1;
	const float *user;
	const float *item;
	double		prediction;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	recmf_mf_model_get(fcinfo, 0, &view);
	if (as_text)
	{
		if (!PG_ARGISNULL(1))
			user_number = recmf_mf_model_lookup_text(&view.users, PG_GETARG_TEXT_PP(1));
		if (!PG_ARGISNULL(2))
			item_number = recmf_mf_model_lookup_text(&view.items, PG_GETARG_TEXT_PP(2));
	}
	else
	{
		char	   *call = psprintf("predict(model, '" INT64_FORMAT "', '" INT64_FORMAT "')",
									PG_ARGISNULL(1) ? INT64CONST(0) : PG_GETARG_INT64(1),
									PG_ARGISNULL(2) ? INT64CONST(0) : PG_GETARG_INT64(2));

		require_integers(&view.users, "user", call);
		require_integers(&view.items, "item", call);
		if (!PG_ARGISNULL(1))
			user_number = recmf_mf_model_lookup_integer(&view.users, PG_GETARG_INT64(1));
		if (!PG_ARGISNULL(2))
			item_number = recmf_mf_model_lookup_integer(&view.items, PG_GETARG_INT64(2));
	}
	user = user_number < 0 ? NULL : view.user_rows + (Size) user_number * view.dimensions;
	item = item_number < 0 ? NULL : view.item_rows + (Size) item_number * view.dimensions;

	if (!rmf_als_predict(&view.problem, user, item, view.header->rating_min, view.header->rating_max,
						 &prediction))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(prediction);
}

Datum
recmf_mf_model_predict(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, false);
}

Datum
recmf_mf_model_predict_text(PG_FUNCTION_ARGS)
{
	return predict(fcinfo, true);
}

/*
 * Cosine similarity of the latent factors, as from tables; 0 where those of
 * one of the two are all zero.
 */
static Datum
similar_items(FunctionCallInfo fcinfo, bool as_text)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const float one = 1;
	int32		k = get_k(fcinfo, 2);
	MfModelView view;
	int32		item = -1;
	const float *query;
	float	   *similarity;
	rmf_scored *best;
	int32		found;
	int32		i;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	recmf_mf_model_get(fcinfo, 0, &view);
	k = Min(k, view.items.count);

	if (!as_text)
	{
		require_integers(&view.items, "item",
						 psprintf("similar_items(model, '" INT64_FORMAT "', %d)",
								  PG_ARGISNULL(1) ? INT64CONST(0) : PG_GETARG_INT64(1),
								  PG_GETARG_INT32(2)));
		if (!PG_ARGISNULL(1))
			item = recmf_mf_model_lookup_integer(&view.items, PG_GETARG_INT64(1));
	}
	else if (!PG_ARGISNULL(1))
		item = recmf_mf_model_lookup_text(&view.items, PG_GETARG_TEXT_PP(1));
	if (item < 0)
		return (Datum) 0;

	query = view.item_rows + (Size) item * view.dimensions;
	similarity = (float *) palloc_extended(sizeof(float) * (Size) view.items.count, MCXT_ALLOC_HUGE);
	for (i = 0; i < view.items.count; i++)
	{
		similarity[i] = (float) rmf_cosine(view.problem.factors, query,
										   view.item_rows + (Size) i * view.dimensions);
		if (i % ITEMS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
	}

	/* Rows of one dimension: the k largest numbers. */
	best = (rmf_scored *) palloc(sizeof(rmf_scored) * (Size) k);
	recmf_check_status(rmf_topk(view.items.count, 1, similarity, &one, 1, &item, k,
								best, &found, recmf_poll()),
					   "find similar items");
	for (i = 0; i < found; i++)
		put_row(result, item_id(&view, best[i].index, as_text), best[i].score, false, i + 1);
	return (Datum) 0;
}

Datum
recmf_mf_model_similar_items(PG_FUNCTION_ARGS)
{
	return similar_items(fcinfo, false);
}

Datum
recmf_mf_model_similar_items_text(PG_FUNCTION_ARGS)
{
	return similar_items(fcinfo, true);
}
