/*
 * recmf_fold_in.c
 *	  recommend_for(): recommendations for a basket, a session or a customer
 *	  that the model was not trained on.
 *
 * Phases: the given items become a list of (id, rating), duplicates merged as
 * training does it; their factors are fetched into a panel; one row is solved
 * exactly against the panel, as a half-step of training would (with the Gram
 * matrices that the registry keeps, where training needs such, and for implicit
 * features with the items' second vectors); then the items are
 * ranked for that row as recommend() does it for a stored one.
 *
 * For a user that was trained on and his own ratings this gives his stored
 * factor again, as near as training has come to its fixed point.
 *
 * Memory: SPI's context, d^2 + (number of given items) d floats.  Locks: as
 * recommend(), but the source is not read.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/rmf_als.h"
#include "core/rmf_objective.h"
#include "recmf_blas.h"
#include "recmf_dataset.h"
#include "recmf_names.h"
#include "recmf_plans.h"
#include "recmf_serve.h"
#include "recmf_status.h"

PG_FUNCTION_INFO_V1(recmf_recommend_for_integer);
PG_FUNCTION_INFO_V1(recmf_recommend_for_text);

/* recommend_for()'s arguments, in order */
enum
{
	FOR_ITEMS,
	FOR_RATINGS,
	FOR_K,
	FOR_MODEL,
	FOR_EXCLUDE
};

typedef struct BasketItem
{
	Datum		id;				/* of the items' type */
	double		rating;
	const float *factor;		/* NULL: the model doesn't know it */
	const float *implicit_factor;	/* with implicit features: the second vector */
} BasketItem;

typedef struct Basket
{
	Oid			id_type;
	int32		dimensions;
	int32		features;		/* of a second vector; 0: there are none */
	int			n;
	BasketItem *items;			/* ascending by id once merged */
} Basket;

static void
check_rating(double rating, const RecmfGivenId *id)
{
	if (isfinite(rating) && fabs(rating) <= FLT_MAX)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("the rating of item %s is %g", recmf_given_literal(id), rating),
			 errhint("Ratings must be finite and within the range of a real; NULL leaves the item out.")));
}

/*
 * The arguments as a list.  Without ratings every item counts 1.  NULL items
 * and NULL ratings are left out, and for implicit feedback ratings that are
 * not positive, since training takes none.
 */
static void
read_basket(Basket *basket, ArrayType *items, ArrayType *ratings, RecmfForm form,
			const RecmfModel *model)
{
	Datum	   *ids;
	bool	   *id_nulls;
	int			n_ids;
	Datum	   *values = NULL;
	bool	   *value_nulls = NULL;
	int			n_values;
	int			i;

	if (form == RECMF_FORM_INTEGER)
		deconstruct_array(items, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &ids, &id_nulls, &n_ids);
	else
		deconstruct_array(items, TEXTOID, -1, false, TYPALIGN_INT, &ids, &id_nulls, &n_ids);
	if (ratings != NULL)
	{
		deconstruct_array(ratings, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &values, &value_nulls, &n_values);
		if (n_values != n_ids)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("items and ratings differ in length: %d and %d", n_ids, n_values),
					 errhint("Give one rating for each item; NULL leaves an item out.")));
	}

	basket->items = palloc0(sizeof(BasketItem) * Max(n_ids, 1));
	for (i = 0; i < n_ids; i++)
	{
		RecmfGivenId id = {form, id_nulls[i], ids[i]};
		BasketItem *item = &basket->items[basket->n];

		if (id.isnull || (value_nulls != NULL && value_nulls[i]))
			continue;
		item->rating = values != NULL ? DatumGetFloat8(values[i]) : 1.0;
		check_rating(item->rating, &id);
		if (rmf_is_one_class(model->problem.feedback) && item->rating <= 0)
			continue;
		if (recmf_given_to_datum(&id, basket->id_type, &item->id))
			basket->n++;
	}
}

static int
compare_items(const void *a, const void *b, void *arg)
{
	const BasketItem *item_a = (const BasketItem *) a;
	const BasketItem *item_b = (const BasketItem *) b;

	return recmf_id_compare(item_a->id, item_b->id, ((const Basket *) arg)->id_type);
}

/* One entry an item: ratings are added up (implicit) or averaged (explicit), as in training. */
static void
merge_basket(Basket *basket, rmf_feedback feedback)
{
	int			n_merged = 0;
	int			first = 0;

	qsort_arg(basket->items, basket->n, sizeof(BasketItem), compare_items, basket);
	while (first < basket->n)
	{
		BasketItem	merged = basket->items[first];
		int			last = first + 1;

		while (last < basket->n &&
			   compare_items(&basket->items[first], &basket->items[last], basket) == 0)
			merged.rating += basket->items[last++].rating;
		if (feedback == RMF_EXPLICIT)
			merged.rating /= last - first;
		basket->items[n_merged++] = merged;
		first = last;
	}
	basket->n = n_merged;
}

static ArrayType *
basket_ids(const Basket *basket)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(basket->n, 1));
	int16		length;
	bool		by_value;
	char		alignment;
	int			i;

	for (i = 0; i < basket->n; i++)
		ids[i] = basket->items[i].id;
	get_typlenbyvalalign(basket->id_type, &length, &by_value, &alignment);
	return construct_array(ids, basket->n, basket->id_type, length, by_value, alignment);
}

static bool
take_basket_factor(TupleTableSlot *slot, void *arg)
{
	Basket	   *basket = (Basket *) arg;
	int			low = 0;
	int			high = basket->n;
	Factor	   *factor;

	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return true;			/* not made by training */
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (recmf_id_compare(basket->items[middle].id, slot->tts_values[0], basket->id_type) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == basket->n ||
		recmf_id_compare(basket->items[low].id, slot->tts_values[0], basket->id_type) != 0)
		return true;			/* equal under the column's collation only */

	factor = (Factor *) PG_DETOAST_DATUM_COPY(slot->tts_values[1]);
	if (factor->dim != basket->dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("an item of the model has a factor of %d dimensions, the model has %d",
						factor->dim, basket->dimensions),
				 errhint("Train the model again with train_model().")));
	basket->items[low].factor = factor->x;
	if (basket->features > 0)
	{
		factor = slot->tts_isnull[2] ? NULL : (Factor *) PG_DETOAST_DATUM_COPY(slot->tts_values[2]);
		if (factor == NULL || factor->dim != basket->features)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("an item of the model has no implicit_factor of %d dimensions", basket->features),
					 errhint("Train the model again with train_model().")));
		basket->items[low].implicit_factor = factor->x;
	}
	return true;
}

static void
fetch_basket_factors(Basket *basket, const RecmfModel *model, ArrayType *ids)
{
	RecmfStatement statement;

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT t.item_id, t.factor%s FROM %s t"
							  " WHERE t.item_id OPERATOR(pg_catalog.=) ANY ($1)",
							  basket->features > 0 ? ", t.implicit_factor" : "",
							  recmf_qualified_name(model->items));
	recmf_statement_add(&statement, get_array_type(basket->id_type), PointerGetDatum(ids));
	recmf_statement_run(&statement, take_basket_factor, basket);
}

/* What the systems have in common beside the basket, where the objective has such. */
static void
use_common(rmf_half_step *step, const RecmfModel *model, const float *features)
{
	Size		unknowns = rmf_unknowns(&model->problem);
	rmf_common	common;

	common.gram = palloc_extended(sizeof(float) * unknowns * unknowns, MCXT_ALLOC_HUGE);
	common.base = palloc(sizeof(float) * unknowns);
	common.gram_scale = palloc(sizeof(float));
	rmf_objective_prepare(&model->problem, RMF_USERS,
						  model->problem.feedback == RMF_LOGISTIC ? recmf_model_gram(model, RMF_USERS) : NULL,
						  recmf_model_gram(model, RMF_ITEMS), &common);
	rmf_objective_use(step, &common, features);
}

/* The row that training would give a user with these ratings; NULL if the model knows none of the items. */
static Factor *
solve_basket(const Basket *basket, const RecmfModel *model)
{
	rmf_half_step step;
	float	   *panel;
	float	   *features = NULL;
	float	   *values;
	int32	   *columns;
	float	   *solution;
	void	   *workspace;
	int			n = 0;
	int			i;

	panel = palloc_extended(sizeof(float) * basket->dimensions * Max(basket->n, 1), MCXT_ALLOC_HUGE);
	if (basket->features > 0)
		features = palloc_extended(sizeof(float) * basket->features * Max(basket->n, 1), MCXT_ALLOC_HUGE);
	values = palloc(sizeof(float) * Max(basket->n, 1));
	columns = palloc(sizeof(int32) * Max(basket->n, 1));
	for (i = 0; i < basket->n; i++)
	{
		if (basket->items[i].factor == NULL)
			continue;
		memcpy(panel + (Size) n * basket->dimensions, basket->items[i].factor,
			   sizeof(float) * basket->dimensions);
		if (features != NULL)
			memcpy(features + (Size) n * basket->features, basket->items[i].implicit_factor,
				   sizeof(float) * basket->features);
		values[n] = (float) basket->items[i].rating;
		columns[n] = n;
		n++;
	}
	if (n == 0)
		return NULL;

	rmf_half_step_init(&step, &model->problem, RMF_USERS, model->n_items, panel,
					   model->problem.feedback == RMF_IMPLICIT ? recmf_model_gram(model, RMF_ITEMS) : NULL);
	if (rmf_has_common(&model->problem))
		use_common(&step, model, features);

	recmf_blas_check_once();
	solution = palloc0(sizeof(float) * basket->dimensions);
	workspace = palloc_extended(rmf_als_row_workspace_size(&model->problem) + RMF_ALIGNMENT,
								MCXT_ALLOC_HUGE);
	workspace = (void *) TYPEALIGN(RMF_ALIGNMENT, workspace);
	recmf_check_status(rmf_als_fold_in(&step, n, columns, values, NULL, solution, workspace, recmf_poll()),
					   "fold in the given items");
	return recmf_factor_from_floats(basket->dimensions, solution);
}

/* "a" and "b" in one array, either of which may be NULL. */
static ArrayType *
concatenate(ArrayType *a, ArrayType *b, Oid type)
{
	ArrayBuildState *state = NULL;
	ArrayType  *arrays[2] = {a, b};
	int			i;

	for (i = 0; i < 2; i++)
	{
		Datum		value;
		bool		isnull;
		ArrayIterator iterator;

		if (arrays[i] == NULL)
			continue;
		iterator = array_create_iterator(arrays[i], 0, NULL);
		while (array_iterate(iterator, &value, &isnull))
			state = accumArrayResult(state, value, isnull, type, CurrentMemoryContext);
		array_free_iterator(iterator);
	}
	if (state == NULL)
		return NULL;
	return DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext));
}

/*
 * The k items with the highest score for whoever has these items, without the
 * items themselves.  Where the model knows none of them: the most rated items
 * with a null score, as recommend() answers for an unknown user.
 */
static Datum
recommend_for(FunctionCallInfo fcinfo, RecmfForm form)
{
	RecmfModel *model;
	RecmfFilters filters = {NULL, NULL, NULL};
	Basket		basket;
	Factor	   *factor = NULL;
	int			k;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	k = recmf_k_argument(fcinfo, FOR_K);
	model = recmf_model_lookup(recmf_text_argument(fcinfo, FOR_MODEL));
	if (form == RECMF_FORM_INTEGER && model->item_kind != RECMF_ID_INTEGER)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the bigint[] form of recommend_for() does not fit model \"%s\", which has %s",
						model->name, recmf_describe_ids(model)),
				 errhint("Use the text[] form: recommend_for(ARRAY['...'], k => %d, model => %s).",
						 k, quote_literal_cstr(model->name))));
	if (model->problem.feedback == RMF_EXPLICIT && PG_ARGISNULL(FOR_RATINGS) && !PG_ARGISNULL(FOR_ITEMS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" was trained on ratings, so the given items need ratings too",
						model->name),
				 errhint("Pass one for each item: recommend_for(ARRAY[...], ARRAY[...]). They ranged from %g to %g in training.",
						 model->rating_min, model->rating_max)));

	memset(&basket, 0, sizeof(basket));
	basket.id_type = model->item_type;
	basket.dimensions = rmf_dimensions(&model->problem);
	basket.features = model->problem.implicit_features ? model->problem.factors : 0;
	filters.exclude = recmf_ids_argument(fcinfo, FOR_EXCLUDE, form, model->item_type);
	if (!PG_ARGISNULL(FOR_ITEMS))
	{
		ArrayType  *items = PG_GETARG_ARRAYTYPE_P(FOR_ITEMS);
		ArrayType  *given = recmf_given_to_array(items, form, model->item_type);

		read_basket(&basket, items,
					PG_ARGISNULL(FOR_RATINGS) ? NULL : PG_GETARG_ARRAYTYPE_P(FOR_RATINGS),
					form, model);
		merge_basket(&basket, model->problem.feedback);
		if (basket.n > 0)
		{
			fetch_basket_factors(&basket, model, basket_ids(&basket));
			factor = solve_basket(&basket, model);
		}
		filters.exclude = concatenate(given, filters.exclude, model->item_type);
	}

	if (factor != NULL)
		recmf_return_ranking(fcinfo, recmf_rank_by_score(model, RMF_ITEMS, factor, &filters, k), form, true);
	else
		recmf_return_ranking(fcinfo, recmf_rank_by_popularity(model, &filters, k), form, false);

	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_recommend_for_integer(PG_FUNCTION_ARGS)
{
	return recommend_for(fcinfo, RECMF_FORM_INTEGER);
}

Datum
recmf_recommend_for_text(PG_FUNCTION_ARGS)
{
	return recommend_for(fcinfo, RECMF_FORM_TEXT);
}
