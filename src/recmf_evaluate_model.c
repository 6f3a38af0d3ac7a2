/*
 * recmf_evaluate_model.c
 *	  The items and the users of a model, as an evaluation needs them: see
 *	  recmf_evaluate_read.h.
 *
 * Of a model by name two statements, as the caller; of a value its sections.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/rmf_measures.h"
#include "core/rmf_vector.h"
#include "recmf_evaluate_read.h"
#include "recmf_factor.h"
#include "recmf_names.h"
#include "recmf_ranking.h"

#define FIRST_ROOM 1024

static void
set_direction(RecmfEvaluation *e, int32 item)
{
	rmf_normalize(e->problem.factors, e->item_rows + (Size) item * e->dimensions,
				  e->directions + (Size) item * e->problem.factors);
}

/* Rows of items while they are read: there is room for more than there are yet. */
typedef struct ItemReader
{
	RecmfEvaluation *evaluation;
	int32		room;
	int32	   *counts;
} ItemReader;

static bool
take_item(TupleTableSlot *slot, void *arg)
{
	ItemReader *reader = (ItemReader *) arg;
	RecmfEvaluation *e = reader->evaluation;
	Factor	   *factor = DatumGetFactorP(slot->tts_values[1]);
	int32		number = recmf_ids_count(e->items);
	int32		count = slot->tts_isnull[2] ? 0 : DatumGetInt32(slot->tts_values[2]);

	recmf_check_model_factor(e->subject.model, RMF_ITEMS, factor);
	if (recmf_ids_intern(e->items, slot->tts_values[0]) != number)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table %s has an item twice", recmf_qualified_name(e->subject.model->items))));
	if (number == reader->room)
	{
		reader->room = Max(FIRST_ROOM, 2 * reader->room);
		e->item_rows = (float *) (e->item_rows == NULL ? recmf_evaluation_allocate(e, sizeof(float) * (Size) reader->room * e->dimensions) :
								  repalloc_huge(e->item_rows, sizeof(float) * (Size) reader->room * e->dimensions));
		reader->counts = (int32 *) (reader->counts == NULL ? recmf_evaluation_allocate(e, sizeof(int32) * (Size) reader->room) :
									repalloc_huge(reader->counts, sizeof(int32) * (Size) reader->room));
	}
	memcpy(e->item_rows + (Size) number * e->dimensions, factor->x, sizeof(float) * e->dimensions);
	reader->counts[number] = Max(count, 0);
	if ((Pointer) factor != DatumGetPointer(slot->tts_values[1]))
		pfree(factor);
	return true;
}

static void
read_model_items(RecmfEvaluation *e)
{
	const RecmfModel *model = e->subject.model;
	RecmfStatement statement = {0};
	ItemReader	reader = {e, 0, NULL};

	e->items = recmf_ids_create(e->context, model->item_type, "item_id");
	statement.text = psprintf("SELECT t.item_id, t.factor, t.n_ratings FROM %s t"
							  " WHERE t.item_id IS NOT NULL AND t.factor IS NOT NULL ORDER BY t.item_id%s",
							  recmf_qualified_name(model->items), recmf_id_collation(model->item_type));
	recmf_evaluation_run_statement(&statement, take_item, &reader);
	e->popularity.count = reader.counts;
}

/* Ids of a value, in its order, which is ascending. */
static RecmfIds *
value_ids(const RecmfEvaluation *e, const MfModelIds *ids, const char *what)
{
	RecmfIds   *dictionary = recmf_ids_create(e->context, ids->kind == RECMF_ID_INTEGER ? INT8OID :
											  ids->kind == RECMF_ID_UUID ? UUIDOID : TEXTOID, what);
	int32		i;

	for (i = 0; i < ids->count; i++)
	{
		int32		number;

		if (ids->kind == RECMF_ID_INTEGER)
			recmf_ids_intern_integers(dictionary, 1, &ids->integers[i], &number);
		else if (ids->kind == RECMF_ID_UUID)
			(void) recmf_ids_intern_bytes(dictionary, (const char *) ids->uuids + (Size) i * 16, 16);
		else
		{
			text	   *id = DatumGetTextPP(recmf_mf_model_id_text(ids, i));

			(void) recmf_ids_intern_bytes(dictionary, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
			pfree(id);
		}
	}
	return dictionary;
}

static void
take_value_items(RecmfEvaluation *e)
{
	const MfModelView *value = e->subject.value;

	e->items = value_ids(e, &value->items, "item_id");
	e->item_rows = (float *) value->item_rows;
	e->popularity.count = value->item_n_ratings;
}

void
recmf_evaluation_finish_items(RecmfEvaluation *e)
{
	int32		i;

	e->n_items = recmf_ids_count(e->items);
	if (e->n_items == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has no items", e->name)));
	e->popularity.n = e->n_items;
	e->popularity.order = (int32 *) recmf_evaluation_allocate(e, sizeof(int32) * (Size) e->n_items);
	e->popularity.at_least = (int32 *) recmf_evaluation_allocate(e, sizeof(int32) * (Size) e->n_items);
	rmf_popularity_build(&e->popularity);
	e->tail = (char *) recmf_evaluation_allocate(e, e->n_items);
	rmf_long_tail(e->n_items, e->popularity.order, e->popularity.count, e->tail);
	if (e->item_rows != NULL)
	{
		e->directions = (float *) recmf_evaluation_allocate(e, sizeof(float) * (Size) e->n_items * e->problem.factors);
		for (i = 0; i < e->n_items; i++)
			set_direction(e, i);
	}
}

/*
 * Users
 */

typedef struct UserReader
{
	RecmfEvaluation *evaluation;
	RecmfIdColumn user;
} UserReader;

static bool
take_user(TupleTableSlot *slot, void *arg)
{
	UserReader *reader = (UserReader *) arg;
	RecmfEvaluation *e = reader->evaluation;
	int32		number = recmf_id_column_look_up(e->users, reader->user, slot->tts_values[0]);
	Factor	   *factor;

	if (number < 0)
		return true;
	factor = DatumGetFactorP(slot->tts_values[1]);
	recmf_check_model_factor(e->subject.model, RMF_USERS, factor);
	memcpy(e->user_rows + (Size) number * e->dimensions, factor->x, sizeof(float) * e->dimensions);
	e->knows_user[number] = true;
	if ((Pointer) factor != DatumGetPointer(slot->tts_values[1]))
		pfree(factor);
	return true;
}

static void
read_model_users(RecmfEvaluation *e)
{
	const RecmfModel *model = e->subject.model;
	RecmfStatement statement = {0};
	UserReader	reader = {e, recmf_id_column_of(model->user_type)};

	statement.text = psprintf("SELECT t.user_id, t.factor FROM %s t WHERE t.user_id IS NOT NULL AND t.factor IS NOT NULL",
							  recmf_qualified_name(model->users));
	recmf_evaluation_run_statement(&statement, take_user, &reader);
	e->n_model_users = model->n_users;
}

/* The number of a user of the test in a value, or -1. */
static int32
find_in_value(const RecmfEvaluation *e, int32 user)
{
	const MfModelIds *ids = &e->subject.value->users;

	if (ids->kind == RECMF_ID_INTEGER)
		return recmf_mf_model_lookup_integer(ids, recmf_ids_get_integer(e->users, user));
	return recmf_mf_model_lookup_text(ids, DatumGetTextPP(recmf_ids_get_text(e->users, user)));
}

/* Users of a value, and what they have seen. */
static void
take_value_users(RecmfEvaluation *e, RecmfPairs *seen)
{
	const MfModelView *value = e->subject.value;
	int32		u;

	e->n_model_users = value->users.count;
	for (u = 0; u < e->n_users; u++)
	{
		int32		number = find_in_value(e, u);
		const int32 *items;
		int32		n;
		int32		i;

		if (u % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (number < 0)
			continue;
		e->knows_user[u] = true;
		memcpy(e->user_rows + (Size) u * e->dimensions, value->user_rows + (Size) number * e->dimensions,
			   sizeof(float) * e->dimensions);
		items = recmf_mf_model_seen(value, number, &n);
		for (i = 0; i < n && e->options.train_source == NULL; i++)
			recmf_evaluation_add_pair(e, seen, u, items[i], 0);
	}
}

void
recmf_evaluation_read_items(RecmfEvaluation *e)
{
	if (e->subject.model != NULL)
		read_model_items(e);
	else
		take_value_items(e);
	recmf_evaluation_finish_items(e);
}

void
recmf_evaluation_read_users(RecmfEvaluation *e, RecmfPairs *seen)
{
	e->user_rows = (float *) recmf_evaluation_allocate(e, sizeof(float) * (Size) e->n_users * e->dimensions);
	e->knows_user = (bool *) recmf_evaluation_allocate(e, sizeof(bool) * (Size) e->n_users);
	if (e->subject.model != NULL)
		read_model_users(e);
	else if (e->subject.value != NULL)
		take_value_users(e, seen);
}
