/*
 * recmf_rows.c
 *	  Rows on their way from a scan to a dataset: see recmf_rows.h.
 *
 * Integer ids are gathered and looked up a block at a time, when the places of
 * many are on their way into the cache at once.  Other ids point into the row,
 * so that they are looked up before the next one comes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "recmf_rows.h"

struct RecmfRows
{
	RecmfRowShape shape;
	RecmfIds   *users;
	RecmfIds   *items;
	RecmfSkipped *skipped;
	RecmfRowSink sink;
	void	   *arg;
	int			n_columns;		/* of a row that are looked at */
	bool		integer_users;
	bool		integer_items;
	bool		keeps_weights;
	MemoryContext conversion;	/* of numerics; reset after so many rows as a block has */
	int			since_reset;	/* rows, kept or not */

	int			n;
	int64		user_id[RECMF_ROWS];	/* of integer users */
	int64		item_id[RECMF_ROWS];
	int32		user[RECMF_ROWS];
	int32		item[RECMF_ROWS];
	float		rating[RECMF_ROWS];
	float		weight[RECMF_ROWS];
};

bool
recmf_rows_reads(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == FLOAT4OID || type == FLOAT8OID || type == NUMERICOID;
}

RecmfRows *
recmf_rows_create(const RecmfRowShape *shape, RecmfIds *users, RecmfIds *items,
				  RecmfSkipped *skipped, RecmfRowSink sink, void *arg)
{
	RecmfRows  *rows = palloc0(sizeof(RecmfRows));

	rows->shape = *shape;
	rows->users = users;
	rows->items = items;
	rows->skipped = skipped;
	rows->sink = sink;
	rows->arg = arg;
	rows->n_columns = Max(Max(shape->user_column, shape->item_column),
						  Max(OidIsValid(shape->rating_type) ? shape->rating_column : 0,
							  OidIsValid(shape->weight_type) ? shape->weight_column : 0));
	rows->integer_users = recmf_ids_kind(users) == RECMF_ID_INTEGER;
	rows->integer_items = recmf_ids_kind(items) == RECMF_ID_INTEGER;
	rows->keeps_weights = OidIsValid(shape->weight_type) && recmf_keeps_weights(shape->feedback);
	rows->conversion = AllocSetContextCreate(CurrentMemoryContext, "recmf conversion", ALLOCSET_SMALL_SIZES);
	return rows;
}

static inline double
number_from_datum(const RecmfRows *rows, Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case FLOAT8OID:
			return DatumGetFloat8(value);
		default:
			{
				MemoryContext caller = MemoryContextSwitchTo(rows->conversion);
				double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));

				MemoryContextSwitchTo(caller);
				return number;
			}
	}
}

void
recmf_rows_take(RecmfRows *rows, TupleTableSlot *slot)
{
	const RecmfRowShape *shape = &rows->shape;
	int			user_column = shape->user_column - 1;
	int			item_column = shape->item_column - 1;
	double		rating = 1;
	double		weight = 1;
	bool		any_null;
	int			t = rows->n;

	if (++rows->since_reset == RECMF_ROWS)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(rows->conversion);
		rows->since_reset = 0;
	}
	slot_getsomeattrs(slot, rows->n_columns);
	any_null = slot->tts_isnull[user_column] || slot->tts_isnull[item_column];
	if (OidIsValid(shape->rating_type))
	{
		any_null |= slot->tts_isnull[shape->rating_column - 1];
		if (!any_null)
			rating = number_from_datum(rows, shape->rating_type, slot->tts_values[shape->rating_column - 1]);
	}
	if (OidIsValid(shape->weight_type))
	{
		any_null |= slot->tts_isnull[shape->weight_column - 1];
		if (!any_null)
			weight = number_from_datum(rows, shape->weight_type, slot->tts_values[shape->weight_column - 1]);
	}
	if (any_null)
	{
		rows->skipped->null++;
		return;
	}
	if (!recmf_check_row(shape->feedback, rows->users, slot->tts_values[user_column],
						 rows->items, slot->tts_values[item_column], &rating, weight, rows->skipped))
		return;

	if (rows->integer_users)
		rows->user_id[t] = recmf_integer_from_datum(shape->user_type, slot->tts_values[user_column]);
	else
		rows->user[t] = recmf_ids_intern(rows->users, slot->tts_values[user_column]);
	if (rows->integer_items)
		rows->item_id[t] = recmf_integer_from_datum(shape->item_type, slot->tts_values[item_column]);
	else
		rows->item[t] = recmf_ids_intern(rows->items, slot->tts_values[item_column]);
	rows->rating[t] = (float) rating;
	rows->weight[t] = (float) weight;
	rows->n = t + 1;
	if (rows->n == RECMF_ROWS)
		recmf_rows_flush(rows);
}

void
recmf_rows_flush(RecmfRows *rows)
{
	int			n = rows->n;

	if (n == 0)
		return;
	if (rows->integer_users)
		recmf_ids_intern_integers(rows->users, n, rows->user_id, rows->user);
	if (rows->integer_items)
		recmf_ids_intern_integers(rows->items, n, rows->item_id, rows->item);
	rows->n = 0;
	rows->sink(rows->arg, n, rows->user, rows->item, rows->rating, rows->keeps_weights ? rows->weight : NULL);
}

void
recmf_report_rating(const RecmfIds *users, Datum user, const RecmfIds *items, Datum item, double rating)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 isnan(rating) ?
			 errmsg("rating of user %s and item %s is not a number",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item)) :
			 errmsg("rating of user %s and item %s is infinite or out of the range of real: %g",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item), rating),
			 errhint("Correct the rating, or leave such rows out of what is trained on.")));
}

void
recmf_report_weight(const RecmfIds *users, Datum user, const RecmfIds *items, Datum item,
					double rating, double weight)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 isnan(weight) ?
			 errmsg("weight of user %s and item %s is not a number",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item)) :
			 weight < 0 ?
			 errmsg("weight of user %s and item %s is negative: %g",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item), weight) :
			 weight <= FLT_MAX ?
			 errmsg("rating of user %s and item %s times its weight is out of the range of real: %g * %g",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item), rating, weight) :
			 errmsg("weight of user %s and item %s is infinite or out of the range of real: %g",
					recmf_ids_describe(users, user), recmf_ids_describe(items, item), weight),
			 errhint("Weights are positive numbers; rows of weight 0 are left out.")));
}

void
recmf_report_merged_rating(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("ratings of the same user and item add up past the range of real"),
			 errhint("Scale the ratings down.")));
}
