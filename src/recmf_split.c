/*
 * recmf_split.c
 *	  holdout() and create_split(): which rows to train on, and which to test with.
 *
 * holdout() is a hash of the pair of ids, so it says the same of a pair wherever
 * and whenever it is asked.  create_split() makes two views over a source, whose
 * conditions exclude each other for every pair of user and item.
 *
 * The views belong to the caller.  They are made by statements in which all that
 * is ours is schema-qualified; a SELECT as the source is read under the search_path
 * of the caller, as any view's.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/rmf_hold_out.h"
#include "core/rmf_random.h"
#include "recmf_ids.h"
#include "recmf_names.h"
#include "recmf_serve.h"
#include "recmf_source.h"

PG_FUNCTION_INFO_V1(recmf_holdout);
PG_FUNCTION_INFO_V1(recmf_create_split);

/* As recmf_ids_key(), of an argument. */
static uint64
key_of_argument(FunctionCallInfo fcinfo, int number, const char *what)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, number);
	RecmfIdKind kind = recmf_id_kind(type, what);
	text	   *id;

	switch (kind)
	{
		case RECMF_ID_INTEGER:
			return rmf_mix64((uint64) recmf_integer_from_datum(getBaseType(type), PG_GETARG_DATUM(number)));
		case RECMF_ID_UUID:
			return rmf_hash_bytes(DatumGetPointer(PG_GETARG_DATUM(number)), 16, 0);
		case RECMF_ID_TEXT:
			break;
	}
	id = PG_GETARG_TEXT_PP(number);
	return rmf_hash_bytes(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), 0);
}

Datum
recmf_holdout(PG_FUNCTION_ARGS)
{
	double		fraction = PG_GETARG_FLOAT8(2);

	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fraction must be from 0 to 1, not %g", fraction),
				 errhint("It is the share of the pairs that are held out, such as 0.2.")));
	PG_RETURN_BOOL(rmf_is_held_out(fraction, (uint64) PG_GETARG_INT64(3), key_of_argument(fcinfo, 0, "user_id"),
								   key_of_argument(fcinfo, 1, "item_id")));
}

/* create_split()'s arguments, in order */
enum
{
	SPLIT_SOURCE,
	SPLIT_NAME,
	SPLIT_METHOD,
	SPLIT_FRACTION,
	SPLIT_LAST,
	SPLIT_TIME_COL,
	SPLIT_USER_COL,
	SPLIT_ITEM_COL,
	SPLIT_SEED
};

typedef struct Split
{
	char	   *name;
	char	   *method;
	double		fraction;
	int32		last;
	int64		seed;
	RecmfSource *source;
	const char *user;			/* quoted */
	const char *item;
	const char *time;			/* or NULL */
} Split;

/* One row of one column as text, or NULL. */
static char *
ask(const char *statement)
{
	int			result = SPI_execute(statement, true, 1);

	if (result != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the source: %s", SPI_result_code_string(result));
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* The conditions on rows q of the source of which "marked" adds a column recmf_mark. */
static void
conditions(const Split *split, char **mark, char **train, char **test)
{
	const char *user = split->user;
	const char *item = split->item;
	const char *time = split->time;

	if (strcmp(split->method, "random") == 0)
	{
		*mark = psprintf("%s.holdout(s.%s, s.%s, %.17g, " INT64_FORMAT ")", recmf_schema(), user, item, split->fraction, split->seed);
		*train = "NOT q.recmf_mark";
		*test = "q.recmf_mark";
	}
	else if (strcmp(split->method, "last") == 0)
	{
		/* by the last time of each pair: so all rows of a pair are on one side */
		*mark = psprintf("pg_catalog.dense_rank() OVER (PARTITION BY s.%s ORDER BY s.recmf_last DESC, s.%s)", user, item);
		*train = psprintf("q.recmf_mark OPERATOR(pg_catalog.>) %d", split->last);
		*test = psprintf("q.recmf_mark OPERATOR(pg_catalog.<=) %d", split->last);
	}
	else
	{
		char	   *cut;
		char	   *type;

		/* the first of the newest rows, as a literal: rows that come later are in the test */
		cut = ask(psprintf("SELECT pg_catalog.percentile_disc(%.17g) WITHIN GROUP (ORDER BY s.%s) %s WHERE s.%s IS NOT NULL",
						   1 - split->fraction, time, recmf_source_from(split->source), time));
		if (cut == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the source has no rows with a time")));
		type = ask(psprintf("SELECT pg_catalog.format_type(pg_catalog.pg_typeof(pg_catalog.max(s.%s)), NULL) %s", time,
							recmf_source_from(split->source)));
		*mark = psprintf("pg_catalog.min(s.%s) OVER (PARTITION BY s.%s, s.%s)", time, user, item);
		*train = psprintf("q.%s OPERATOR(pg_catalog.<=) %s::%s", time, quote_literal_cstr(cut), type);
		*test = psprintf("q.recmf_mark OPERATOR(pg_catalog.>) %s::%s", quote_literal_cstr(cut), type);
	}
}

/* The columns of the source, "s.a, s.b". */
static char *
columns_of(const RecmfSource *source)
{
	StringInfoData list;
	TupleDesc	columns;
	SPIPlanPtr	plan = SPI_prepare(psprintf("SELECT * %s", recmf_source_from(source)), 0, NULL);
	Portal		portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	int			i;

	initStringInfo(&list);
	columns = portal->tupDesc;
	for (i = 0; i < columns->natts; i++)
		appendStringInfo(&list, "%sq.%s", i > 0 ? ", " : "", quote_identifier(NameStr(TupleDescAttr(columns, i)->attname)));
	SPI_cursor_close(portal);
	return list.data;
}

static void
create_view(const Split *split, const char *side, const char *mark, const char *condition)
{
	const char *name = quote_identifier(psprintf("%s_%s", split->name, side));
	char	   *rows = psprintf("(SELECT s.* %s WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL)",
								recmf_source_from(split->source), split->user, split->item);
	char	   *statement;

	if (strcmp(split->method, "last") == 0)
		rows = psprintf("(SELECT s.*, pg_catalog.max(s.%s) OVER (PARTITION BY s.%s, s.%s) AS recmf_last FROM %s s)",
						split->time, split->user, split->item, rows);
	statement = psprintf("CREATE VIEW %s AS SELECT %s FROM (SELECT s.*, %s AS recmf_mark FROM %s s) q WHERE %s",
						 name, columns_of(split->source), mark, rows, condition);
	if (SPI_execute(statement, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not create view %s", name);
}

static void
read_arguments(FunctionCallInfo fcinfo, Split *split)
{
	int			i;

	for (i = SPLIT_SOURCE; i <= SPLIT_SEED; i++)
		if (PG_ARGISNULL(i) && i != SPLIT_TIME_COL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("only time_col may be null")));
	split->name = recmf_text_argument(fcinfo, SPLIT_NAME);
	split->method = recmf_text_argument(fcinfo, SPLIT_METHOD);
	split->fraction = PG_GETARG_FLOAT8(SPLIT_FRACTION);
	split->last = PG_GETARG_INT32(SPLIT_LAST);
	split->seed = PG_GETARG_INT64(SPLIT_SEED);
	split->user = quote_identifier(recmf_text_argument(fcinfo, SPLIT_USER_COL));
	split->item = quote_identifier(recmf_text_argument(fcinfo, SPLIT_ITEM_COL));
	if (strcmp(split->method, "time") != 0 && strcmp(split->method, "last") != 0 && strcmp(split->method, "random") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized method \"%s\"", split->method),
				 errhint("Use 'time' (the newest rows of all), 'last' (the last items of each user) or 'random'.")));
	if (!(split->fraction > 0 && split->fraction < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fraction must be between 0 and 1, not %g", split->fraction),
				 errhint("It is the share of the rows that go into the test, such as 0.2.")));
	if (split->last < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("last must be at least 1, not %d", split->last),
				 errhint("It is the number of items of each user that go into the test.")));
	if (strlen(split->name) == 0 || strlen(split->name) + strlen("_train") >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a split: \"%s\"", split->name),
				 errhint("It may have 1 to %d bytes; its views end in _train and _test.", NAMEDATALEN - 1 - (int) strlen("_train"))));
	if (strcmp(split->method, "random") != 0 && PG_ARGISNULL(SPLIT_TIME_COL))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("method '%s' needs time_col", split->method),
				 errhint("Name the column that says when a row came by time_col => '...', or use method => 'random'.")));
}

Datum
recmf_create_split(PG_FUNCTION_ARGS)
{
	Split		split = {0};
	char	   *mark;
	char	   *train;
	char	   *test;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	TupleDesc	columns;
	MemoryContext caller = CurrentMemoryContext;
	HeapTuple	tuple;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	columns = BlessTupleDesc(columns);
	SPI_connect();
	read_arguments(fcinfo, &split);
	split.source = recmf_source_open(recmf_text_argument(fcinfo, SPLIT_SOURCE), recmf_text_argument(fcinfo, SPLIT_USER_COL),
									 recmf_text_argument(fcinfo, SPLIT_ITEM_COL), NULL, NULL);
	if (!PG_ARGISNULL(SPLIT_TIME_COL))
	{
		char	   *time = recmf_text_argument(fcinfo, SPLIT_TIME_COL);

		if (!recmf_source_has_column(split.source, time))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the source has no column \"%s\"", time),
					 errhint("Name the column that says when a row came by time_col => '...'.")));
		split.time = quote_identifier(time);
	}
	conditions(&split, &mark, &train, &test);
	create_view(&split, "train", mark, train);
	create_view(&split, "test", mark, test);

	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(psprintf("%s_train", split.name));
	values[1] = CStringGetTextDatum(psprintf("%s_test", split.name));
	tuple = heap_form_tuple(columns, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
