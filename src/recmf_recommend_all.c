/*
 * recmf_recommend_all.c
 *	  recommend_all() and recommend_all_text(): recommendations for every user
 *	  at once, or for those that a query names.
 *
 * The same as recommend() for each of these users, to the last digit, without a
 * scan of the items for each.  Everything is read by statements as the caller
 * on the snapshot of the query that calls:
 *
 *		SELECT item_id, factor FROM items ORDER BY item_id		into memory, once
 *		SELECT user_id, factor FROM users ORDER BY user_id		some at a time
 *		SELECT user, item FROM source ORDER BY user				beside it, in the same order
 *
 * What users have seen is merged in as both come by ascending id.  Where few
 * users are wanted, the source is read for those of a chunk instead (WHERE user
 * = ANY), as long as the planner's cost for all chunks is below that of the
 * order.  The arithmetic is that of recmf_topk_team.c, by parallel workers.
 *
 * Memory: the ids and factors of the items, work_mem for what PostgreSQL sorts,
 * and as much for what is in work; a chunk of users here; nothing depends on
 * their number.  The result is a tuplestore, which keeps work_mem and spills.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "recmf_compat.h"
#include "recmf_cursor.h"
#include "recmf_ids.h"
#include "recmf_names.h"
#include "recmf_ranking.h"
#include "recmf_recommend_all.h"
#include "recmf_serve.h"
#include "recmf_source.h"
#include "recmf_topk_team.h"

PG_FUNCTION_INFO_V1(recmf_recommend_all_integer);
PG_FUNCTION_INFO_V1(recmf_recommend_all_text);

/* Users that are read at a time. */
#define CHUNK 256

/* Rows of the source that are read at a time. */
#define SEEN_ROWS 4096

/* recommend_all()'s arguments, in order */
enum
{
	ALL_MODEL,
	ALL_K,
	ALL_USERS,
	ALL_EXCLUDE_SEEN,
	ALL_MIN_SCORE
};

/* Ids are compared as they are sorted; integers of any width as a bigint. */
typedef struct IdColumn
{
	Oid			type;			/* base type */
	RecmfIdKind kind;
} IdColumn;

/* What is read, and how far it has come. */
typedef struct Reader
{
	const RecmfModel *model;
	int32		dimensions;
	RecmfIds   *items;
	int32		n_items;
	float	   *item_rows;

	/* a chunk of users */
	RecmfCursor *users;
	MemoryContext chunk_context;
	int			n_users;		/* of the chunk */
	int			at_user;
	int64		n_chunks;
	bool		no_more_users;
	Datum		id[CHUNK];		/* as the column has it */
	Datum		key[CHUNK];
	float	   *rows;			/* CHUNK x dimensions */

	/* rows of the source, by ascending user */
	bool		exclude_seen;
	RecmfCursor *seen;			/* NULL: there are no more */
	bool		seen_in_order;	/* it goes over all users */
	IdColumn	seen_user;
	IdColumn	seen_item;
	MemoryContext seen_context;
	int			n_rows;
	int			at_row;
	Datum		row_user[SEEN_ROWS];	/* a key */
	int32		row_item[SEEN_ROWS];	/* -1: the model doesn't know it */

	/* what the user has seen */
	int32	   *list;
	int			n_list;
	int			list_room;
} Reader;

static Datum
key_of(RecmfIdKind kind, Oid type, Datum id)
{
	return kind == RECMF_ID_INTEGER ? Int64GetDatum(recmf_integer_from_datum(type, id)) : id;
}

static inline int
compare_keys(RecmfIdKind kind, Datum a, Datum b)
{
	if (kind == RECMF_ID_INTEGER)
		return (DatumGetInt64(a) > DatumGetInt64(b)) - (DatumGetInt64(a) < DatumGetInt64(b));
	return recmf_id_compare(a, b, kind == RECMF_ID_UUID ? UUIDOID : TEXTOID);
}

/* A copy that needs no detoasting; by value where the kind is. */
static Datum
copy_key(RecmfIdKind kind, Datum key)
{
	switch (kind)
	{
		case RECMF_ID_INTEGER:
			return key;
		case RECMF_ID_UUID:
			return datumCopy(key, false, 16);
		case RECMF_ID_TEXT:
			break;
	}
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(key));
}

/*
 * Items.
 */

static bool
take_count(TupleTableSlot *slot, void *arg)
{
	*(int64 *) arg = DatumGetInt64(slot->tts_values[0]);
	return true;
}

static int64
count_items(const RecmfModel *model)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	int64		n = 0;

	statement.text = psprintf("SELECT pg_catalog.count(*) FROM %s t WHERE t.item_id IS NOT NULL AND t.factor IS NOT NULL",
							  recmf_qualified_name(model->items));
	cursor = recmf_cursor_open(&statement);
	(void) recmf_cursor_fetch(cursor, 1, take_count, &n);
	recmf_cursor_close(cursor);
	if (n > PG_INT32_MAX / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has too many items for recommend_all()", model->name)));
	return n;
}

pg_noreturn static void report_changed_items(const RecmfModel *model);

static void
report_changed_items(const RecmfModel *model)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("the items of model \"%s\" are not the same when they are read again", model->name),
			 errdetail("Table %s, or a policy on it, gives an item twice or other rows each time.",
					   recmf_qualified_name(model->items))));
}

static bool
take_item(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;
	int32		number = recmf_ids_count(reader->items);
	Factor	   *factor = DatumGetFactorP(slot->tts_values[1]);

	recmf_check_model_factor(reader->model, RMF_ITEMS, factor);
	if (number == reader->n_items || recmf_ids_intern(reader->items, slot->tts_values[0]) != number)
		report_changed_items(reader->model);
	memcpy(reader->item_rows + (Size) number * reader->dimensions, factor->x, sizeof(float) * reader->dimensions);
	if ((Pointer) factor != DatumGetPointer(slot->tts_values[1]))
		pfree(factor);
	return true;
}

/* Numbered by ascending id, which is the order of equal scores. */
static void
read_items(Reader *reader)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;

	statement.text = psprintf("SELECT t.item_id, t.factor FROM %s t WHERE t.item_id IS NOT NULL AND t.factor IS NOT NULL"
							  " ORDER BY t.item_id%s",
							  recmf_qualified_name(reader->model->items),
							  recmf_id_collation(reader->model->item_type));
	cursor = recmf_cursor_open(&statement);
	(void) recmf_cursor_fetch(cursor, FETCH_ALL, take_item, reader);
	recmf_cursor_close(cursor);
	if (recmf_ids_count(reader->items) != reader->n_items)
		report_changed_items(reader->model);
}

/*
 * Users.
 */

/* The type of an id column of a statement of somebody else's. */
static void
find_id_column(IdColumn *column, TupleDesc columns, int number)
{
	column->type = getBaseType(TupleDescAttr(columns, number)->atttypid);
	column->kind = recmf_is_id_type(column->type)
		? recmf_id_kind(column->type, "id") : (RecmfIdKind) 0;
}

/*
 * " AND" the user is one of those of a query.  Ids of another kind than the
 * model's are compared in their text form, if they are text.
 */
static void
append_wanted(StringInfo text, const RecmfModel *model, char *query)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	IdColumn	column;
	int			n_columns;
	bool		as_text;

	query = recmf_single_select(query, "users", "Give a SELECT with one column, the ids of users.");
	statement.text = psprintf("SELECT * FROM (%s\n) q", query);
	cursor = recmf_cursor_open(&statement);
	n_columns = recmf_cursor_columns(cursor)->natts;
	if (n_columns != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("users must have one column, not %d", n_columns),
				 errhint("Give a SELECT with one column, the ids of users.")));
	find_id_column(&column, recmf_cursor_columns(cursor), 0);
	as_text = column.kind == RECMF_ID_TEXT && model->user_kind != RECMF_ID_TEXT;
	if (column.kind != model->user_kind && !as_text)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("users has ids of type %s, those of model \"%s\" are %s",
						format_type_be(column.type), model->name, format_type_be(model->user_type)),
				 errhint("Cast the column to %s, or to text.", format_type_be(model->user_type))));
	recmf_cursor_close(cursor);

	appendStringInfo(text, " AND t.user_id%s OPERATOR(pg_catalog.=) ANY (SELECT q.id%s FROM (%s\n) AS q(id))",
					 as_text ? "::pg_catalog.text COLLATE pg_catalog.\"C\"" : recmf_id_collation(model->user_type),
					 as_text ? "" : recmf_id_collation(model->user_type), query);
}

static RecmfCursor *
open_users(const RecmfModel *model, char *query)
{
	RecmfStatement statement = {0};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT t.user_id, t.factor FROM %s t WHERE t.user_id IS NOT NULL AND t.factor IS NOT NULL",
					 recmf_qualified_name(model->users));
	if (query != NULL)
		append_wanted(&text, model, query);
	appendStringInfo(&text, " ORDER BY t.user_id%s", recmf_id_collation(model->user_type));
	statement.text = text.data;
	return recmf_cursor_open(&statement);
}

static bool
take_user(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;
	const RecmfModel *model = reader->model;
	Factor	   *factor = DatumGetFactorP(slot->tts_values[1]);
	int			n = reader->n_users++;

	recmf_check_model_factor(model, RMF_USERS, factor);
	memcpy(reader->rows + (Size) n * reader->dimensions, factor->x, sizeof(float) * reader->dimensions);
	if (model->user_kind == RECMF_ID_INTEGER)
		reader->id[n] = slot->tts_values[0];
	else
		reader->id[n] = copy_key(model->user_kind, slot->tts_values[0]);
	reader->key[n] = key_of(model->user_kind, model->user_type, reader->id[n]);
	return true;
}

/*
 * What they have seen.
 */

/* Opens a statement over the source, for all users (ids NULL) or for some. */
static RecmfCursor *
open_seen(const RecmfModel *model, ArrayType *ids, Oid ids_type)
{
	RecmfStatement statement = {0};
	StringInfoData text;
	Oid			user_type;
	char	   *source = recmf_live_source(model, RMF_USERS, &user_type, &statement.search_path);
	const char *user = quote_identifier(model->user_col);
	const char *item = quote_identifier(model->item_col);

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT s.%s, s.%s FROM %s s WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL",
					 user, item, source, user, item);
	if (ids != NULL)
		appendStringInfo(&text, " AND s.%s OPERATOR(pg_catalog.=) ANY ($%d)", user,
						 recmf_statement_add(&statement, ids_type, PointerGetDatum(ids)));
	appendStringInfo(&text, " ORDER BY s.%s%s", user,
					 model->user_kind == RECMF_ID_TEXT ? recmf_id_collation(TEXTOID) : "");
	statement.text = text.data;
	return recmf_cursor_open(&statement);
}

static void
check_seen_column(const RecmfModel *model, const IdColumn *column, RecmfIdKind kind, const char *name)
{
	if (column->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the source of model \"%s\" has changed its type to %s",
						name, model->name, format_type_be(column->type)),
				 errhint("Train the model again with train_model(), or pass exclude_seen => false.")));
}

/* The chunk's ids as an array of the source's type, without those that it cannot hold. */
static ArrayType *
chunk_ids(const Reader *reader, Oid type)
{
	const RecmfModel *model = reader->model;
	Datum	   *ids = (Datum *) palloc(sizeof(Datum) * CHUNK);
	int16		length;
	bool		by_value;
	char		alignment;
	int			n = 0;
	int			u;

	for (u = 0; u < reader->n_users; u++)
	{
		if (model->user_kind == RECMF_ID_INTEGER)
		{
			RecmfGivenId id = {RECMF_FORM_INTEGER, false, reader->key[u]};

			n += recmf_given_to_datum(&id, type, &ids[n]);
		}
		else
			ids[n++] = reader->id[u];
	}
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return construct_array(ids, n, type, length, by_value, alignment);
}

/* Sees to it that the source's rows for the chunk come: one by one chunk, or all in order from now on. */
static void
seek_seen(Reader *reader)
{
	const RecmfModel *model = reader->model;
	RecmfCursor *in_order;
	RecmfCursor *some;
	double		chunks;
	Oid			type;

	if (reader->seen_in_order)
		return;
	if (reader->seen != NULL)
		recmf_cursor_close(reader->seen);
	reader->n_rows = reader->at_row = 0;

	in_order = open_seen(model, NULL, InvalidOid);
	find_id_column(&reader->seen_user, recmf_cursor_columns(in_order), 0);
	find_id_column(&reader->seen_item, recmf_cursor_columns(in_order), 1);
	check_seen_column(model, &reader->seen_user, model->user_kind, model->user_col);
	check_seen_column(model, &reader->seen_item, model->item_kind, model->item_col);

	/* varchar has no operators of its own */
	type = reader->seen_user.type == VARCHAROID ? TEXTOID : reader->seen_user.type;
	some = open_seen(model, chunk_ids(reader, type), get_array_type(type));
	chunks = Max(recmf_cursor_rows(reader->users) / CHUNK, (double) reader->n_chunks);
	reader->seen_in_order = !reader->no_more_users && recmf_cursor_cost(some) * chunks > recmf_cursor_cost(in_order);
	reader->seen = reader->seen_in_order ? in_order : some;
	recmf_cursor_close(reader->seen_in_order ? some : in_order);
}

static bool
take_seen(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;
	RecmfIdKind kind = reader->seen_user.kind;
	int			n = reader->n_rows++;
	Datum		user = key_of(kind, reader->seen_user.type, slot->tts_values[0]);

	if (kind != RECMF_ID_INTEGER)
		user = n > 0 && compare_keys(kind, user, reader->row_user[n - 1]) == 0
			? reader->row_user[n - 1] : copy_key(kind, user);
	reader->row_user[n] = user;
	if (reader->seen_item.kind == RECMF_ID_INTEGER)
		reader->row_item[n] = recmf_ids_lookup_integer(reader->items,
													   recmf_integer_from_datum(reader->seen_item.type, slot->tts_values[1]));
	else
		reader->row_item[n] = recmf_ids_lookup(reader->items, slot->tts_values[1]);
	return true;
}

/* False: the source has no more rows. */
static bool
fetch_seen(Reader *reader)
{
	MemoryContext caller;

	if (reader->seen == NULL)
		return false;
	MemoryContextReset(reader->seen_context);
	reader->n_rows = reader->at_row = 0;
	caller = MemoryContextSwitchTo(reader->seen_context);
	(void) recmf_cursor_fetch(reader->seen, SEEN_ROWS, take_seen, reader);
	MemoryContextSwitchTo(caller);
	if (reader->n_rows == 0)
	{
		recmf_cursor_close(reader->seen);
		reader->seen = NULL;
	}
	return reader->n_rows > 0;
}

static int
compare_numbers(const void *a, const void *b)
{
	int32		number_a = *(const int32 *) a;
	int32		number_b = *(const int32 *) b;

	return (number_a > number_b) - (number_a < number_b);
}

/* Each item once. */
static void
compact_list(Reader *reader)
{
	int			n = 0;
	int			i;

	qsort(reader->list, reader->n_list, sizeof(int32), compare_numbers);
	for (i = 0; i < reader->n_list; i++)
		if (n == 0 || reader->list[n - 1] != reader->list[i])
			reader->list[n++] = reader->list[i];
	reader->n_list = n;
}

/* A row for each time that the user bought it: the list has room for twice as many as there are items. */
static void
add_to_list(Reader *reader, int32 item)
{
	if (item < 0)
		return;
	if (reader->n_list == reader->list_room)
		compact_list(reader);
	reader->list[reader->n_list++] = item;
}

static void
merge_seen(Reader *reader, Datum key)
{
	RecmfIdKind kind = reader->model->user_kind;

	reader->n_list = 0;
	while (reader->at_row < reader->n_rows || fetch_seen(reader))
	{
		int			order = compare_keys(kind, reader->row_user[reader->at_row], key);

		if (order > 0)
			break;
		if (order == 0)
			add_to_list(reader, reader->row_item[reader->at_row]);
		reader->at_row++;
	}
	if (reader->n_list > reader->n_items)
		compact_list(reader);
}

/*
 * Of RecmfTopkCaller: users by ascending id.
 */
static bool
next_user(void *arg, RecmfTopkUser *user)
{
	Reader	   *reader = (Reader *) arg;
	int			u;

	if (reader->at_user == reader->n_users)
	{
		MemoryContext caller;

		if (reader->no_more_users)
			return false;
		MemoryContextReset(reader->chunk_context);
		caller = MemoryContextSwitchTo(reader->chunk_context);
		reader->n_users = reader->at_user = 0;
		reader->no_more_users = recmf_cursor_fetch(reader->users, CHUNK, take_user, reader) < CHUNK;
		reader->n_chunks++;
		MemoryContextSwitchTo(caller);
		if (reader->n_users == 0)
			return false;
		if (reader->exclude_seen)
			seek_seen(reader);
	}
	u = reader->at_user++;
	if (reader->exclude_seen)
		merge_seen(reader, reader->key[u]);
	user->id = reader->id[u];
	user->row = reader->rows + (Size) u * reader->dimensions;
	user->n_seen = reader->n_list;
	user->seen = reader->list;
	return true;
}

/*
 * Rows of the result.
 */

void
recmf_all_put(RecmfAllResult *result, Datum user, int n, const rmf_scored *best)
{
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};
	int			i;

	values[0] = user;
	for (i = 0; i < n; i++)
	{
		values[1] = result->item_id(result->arg, best[i].index);
		values[2] = Float8GetDatum(result->mean + best[i].score);
		values[3] = Int32GetDatum(i + 1);
		tuplestore_putvalues(result->set->setResult, result->set->setDesc, values, nulls);
	}
}

double
recmf_min_score_argument(FunctionCallInfo fcinfo, int number)
{
	double		least = PG_ARGISNULL(number) ? -INFINITY : PG_GETARG_FLOAT8(number);

	if (isnan(least))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_score must be a number, not NaN"),
				 errhint("Leave it out, or use NULL, for no limit.")));
	return least;
}

typedef struct Writer
{
	RecmfAllResult result;
	RecmfForm	form;
	const RecmfIds *items;
	Oid			user_type;
	MemoryContext context;		/* of one user's rows */
} Writer;

static Datum
item_in_form(void *arg, int32 item)
{
	const Writer *writer = (const Writer *) arg;

	if (writer->form == RECMF_FORM_INTEGER)
		return Int64GetDatum(recmf_ids_get_integer(writer->items, item));
	return recmf_ids_get_text(writer->items, item);
}

static void
take_rows(void *arg, Datum user, const RecmfIds *items, int n, const rmf_scored *best)
{
	Writer	   *writer = (Writer *) arg;
	MemoryContext caller = MemoryContextSwitchTo(writer->context);

	writer->items = items;
	if (n > 0)
		recmf_all_put(&writer->result, recmf_id_to_form(user, writer->user_type, writer->form), n, best);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(writer->context);
}

/*
 * The lists.
 */

/* What next_of_all() and take_list() work on. */
typedef struct All
{
	Reader		reader;
	RecmfListTaker take;
	void	   *arg;
} All;

static bool
next_of_all(void *arg, RecmfTopkUser *user)
{
	return next_user(&((All *) arg)->reader, user);
}

static void
take_list(void *arg, Datum id, int n, const rmf_scored *best, const int32 *place)
{
	All		   *all = (All *) arg;

	all->take(all->arg, id, all->reader.items, n, best);
}

static void
run(All *all, int k, double least)
{
	Reader	   *reader = &all->reader;
	const RecmfModel *model = reader->model;
	RecmfTopkCaller caller = {next_of_all, take_list, all};
	RecmfTopkJob job = {0};
	RecmfTopkTeam *team;

	job.n_items = reader->n_items;
	job.dimensions = reader->dimensions;
	job.wish.k = k;
	job.wish.base = model->problem.mean;
	job.wish.least = least;
	job.with_seen = reader->exclude_seen;
	job.n_users = recmf_cursor_rows(reader->users);
	get_typlenbyval(model->user_type, &job.id_length, &job.id_by_value);

	team = recmf_topk_team_create(CurrentMemoryContext, &job);
	reader->item_rows = recmf_topk_team_rows(team);
	read_items(reader);
	recmf_topk_team_run(team, &caller);
}

void
recmf_all_lists(const RecmfModel *model, const RecmfAllWish *wish, RecmfListTaker take, void *arg)
{
	All		   *all = (All *) palloc0(sizeof(All));
	Reader	   *reader = &all->reader;

	all->take = take;
	all->arg = arg;
	reader->model = model;
	reader->exclude_seen = wish->exclude_seen;
	reader->dimensions = rmf_dimensions(&model->problem);
	reader->n_items = (int32) count_items(model);
	reader->items = recmf_ids_create(CurrentMemoryContext, model->item_type, "item_id");
	reader->rows = (float *) palloc(sizeof(float) * CHUNK * reader->dimensions);
	reader->chunk_context = AllocSetContextCreate(CurrentMemoryContext, "recmf users", ALLOCSET_DEFAULT_SIZES);
	reader->seen_context = AllocSetContextCreate(CurrentMemoryContext, "recmf seen", ALLOCSET_DEFAULT_SIZES);
	reader->list_room = Max(2 * reader->n_items, 16);
	if (reader->exclude_seen)
		reader->list = (int32 *) palloc_extended(sizeof(int32) * (Size) reader->list_room, MCXT_ALLOC_HUGE);
	reader->users = open_users(model, wish->users);

	run(all, wish->k, wish->least);

	recmf_cursor_close(reader->users);
	if (reader->seen != NULL)
		recmf_cursor_close(reader->seen);
}

static Datum
recommend_all(FunctionCallInfo fcinfo, RecmfForm form, const char *function)
{
	RecmfAllWish wish;
	Writer	   *writer;
	RecmfModel *model;
	bool		read_only = XactReadOnly;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();

	wish.k = recmf_k_argument(fcinfo, ALL_K);
	wish.users = recmf_text_argument(fcinfo, ALL_USERS);
	wish.exclude_seen = recmf_boolean_argument(fcinfo, ALL_EXCLUDE_SEEN, "exclude_seen");
	wish.least = recmf_min_score_argument(fcinfo, ALL_MIN_SCORE);
	model = recmf_model_lookup(recmf_text_argument(fcinfo, ALL_MODEL));
	if (form == RECMF_FORM_INTEGER &&
		(model->user_kind != RECMF_ID_INTEGER || model->item_kind != RECMF_ID_INTEGER))
		recmf_refuse_integer_form(model, psprintf("%s()", function),
								  psprintf("recommend_all_text(%s, %d)", quote_literal_cstr(model->name), wish.k));

	/*
	 * So that what writes is refused in any case, and not only where there are
	 * workers.  The variable itself and not the setting, which 17 does not allow
	 * to be set for a part of a transaction; an error puts it back.
	 */
	XactReadOnly = true;

	writer = (Writer *) palloc0(sizeof(Writer));
	writer->result.set = (ReturnSetInfo *) fcinfo->resultinfo;
	writer->result.mean = model->problem.mean;
	writer->result.item_id = item_in_form;
	writer->result.arg = writer;
	writer->form = form;
	writer->user_type = model->user_type;
	writer->context = AllocSetContextCreate(CurrentMemoryContext, "recmf rows", ALLOCSET_DEFAULT_SIZES);
	recmf_all_lists(model, &wish, take_rows, writer);

	XactReadOnly = read_only;
	SPI_finish();
	return (Datum) 0;
}

Datum
recmf_recommend_all_integer(PG_FUNCTION_ARGS)
{
	return recommend_all(fcinfo, RECMF_FORM_INTEGER, "recommend_all");
}

Datum
recmf_recommend_all_text(PG_FUNCTION_ARGS)
{
	return recommend_all(fcinfo, RECMF_FORM_TEXT, "recommend_all_text");
}
