/*
 * recmf_evaluate_read.c
 *	  What an evaluation reads: see recmf_evaluate.h.
 *
 * By statements as the caller, on the snapshot of the query that calls, each
 * once (the training source of lists twice):
 *
 *		SELECT item_id, factor, n_ratings FROM items ORDER BY item_id
 *		SELECT user, item [, rating] [, group_by] FROM test
 *		SELECT user_id, factor FROM users			only those of the test are kept
 *		SELECT user, item [, rating] FROM source	likewise
 *
 * Items are numbered by ascending id, which is the order of equal scores; what
 * the catalogue doesn't have gets the numbers that follow.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "core/rmf_sort.h"
#include "recmf_cursor.h"
#include "recmf_evaluate_read.h"
#include "recmf_given.h"
#include "recmf_names.h"
#include "recmf_ranking.h"
#include "recmf_source.h"
#include "recmf_status.h"

#define FIRST_ROOM 1024

typedef struct Reader
{
	RecmfEvaluation *evaluation;
	RecmfIdColumn	user;
	RecmfIdColumn	item;
	RecmfPairs		pairs;
	int64		n_null;
	int			rating;			/* columns, from 0 on; -1: none */
	int			segment;
	double		sign;			/* of a score: -1 where it is a rank */

	/* of the training */
	double	   *rating_sum;		/* by item */
	int64	   *n_ratings;
} Reader;

void *
recmf_evaluation_allocate(const RecmfEvaluation *evaluation, Size size)
{
	return MemoryContextAllocExtended(evaluation->context, Max(size, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

void
recmf_evaluation_add_pair(const RecmfEvaluation *evaluation, RecmfPairs *pairs, int32 user, int32 item, int32 tag)
{
	if (pairs->n == pairs->room)
	{
		int64		room = Max(2 * pairs->room, FIRST_ROOM);

		if (pairs->pairs == NULL)
			pairs->pairs = (rmf_pair *) recmf_evaluation_allocate(evaluation, sizeof(rmf_pair) * room);
		else
			pairs->pairs = (rmf_pair *) repalloc_huge(pairs->pairs, sizeof(rmf_pair) * room);
		pairs->room = room;
	}
	pairs->pairs[pairs->n].user = user;
	pairs->pairs[pairs->n].item = item;
	pairs->pairs[pairs->n].tag = tag;
	pairs->n++;
}

static void
build_lists(const RecmfEvaluation *evaluation, rmf_lists *lists, RecmfPairs *pairs, bool with_tags)
{
	lists->n_users = evaluation->n_users;
	lists->start = (int64_t *) recmf_evaluation_allocate(evaluation, sizeof(int64_t) * (evaluation->n_users + 1));
	lists->item = (int32 *) recmf_evaluation_allocate(evaluation, sizeof(int32) * pairs->n);
	lists->tag = with_tags ? (int32 *) recmf_evaluation_allocate(evaluation, sizeof(int32) * pairs->n) : NULL;
	recmf_check_status(rmf_lists_build(lists, pairs->n, pairs->pairs, recmf_poll()), "sort the rows");
	if (pairs->pairs != NULL)
		pfree(pairs->pairs);
	memset(pairs, 0, sizeof(RecmfPairs));
}

RecmfIdColumn
recmf_id_column_of(Oid type)
{
	RecmfIdColumn	column;

	column.type = getBaseType(type);
	column.kind = recmf_id_kind(column.type, "id");
	return column;
}

int32
recmf_id_column_look_up(const RecmfIds *ids, RecmfIdColumn column, Datum id)
{
	if (column.kind == RECMF_ID_INTEGER)
		return recmf_ids_lookup_integer(ids, recmf_integer_from_datum(column.type, id));
	return recmf_ids_lookup(ids, id);
}

static int32
intern(RecmfIds *ids, RecmfIdColumn column, Datum id)
{
	if (column.kind == RECMF_ID_INTEGER)
	{
		int64		value = recmf_integer_from_datum(column.type, id);
		int32		number;

		recmf_ids_intern_integers(ids, 1, &value, &number);
		return number;
	}
	return recmf_ids_intern(ids, id);
}

void
recmf_evaluation_run_statement(const RecmfStatement *statement, RecmfRowTaker take, void *arg)
{
	RecmfCursor *cursor = recmf_cursor_open(statement);

	(void) recmf_cursor_fetch(cursor, FETCH_ALL, take, arg);
	recmf_cursor_close(cursor);
}

static char *
id_kind_name(RecmfIdKind kind)
{
	return kind == RECMF_ID_INTEGER ? "bigint" : kind == RECMF_ID_UUID ? "uuid" : "text";
}

static void
check_kind(RecmfIdKind found, RecmfIdKind wanted, const char *column, const char *source)
{
	if (found != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of %s has %s ids, what it is compared with has %s ids",
						column, source, id_kind_name(found), id_kind_name(wanted)),
				 errhint("Use a SELECT that casts it: \"%s\"::%s.", column, id_kind_name(wanted))));
}

/*
 * The test
 */

static int32
segment_of(RecmfEvaluation *e, TupleTableSlot *slot, int column)
{
	int32		number;

	/* no other value may be so: NULL is the smallest text */
	number = slot->tts_isnull[column] ? recmf_ids_intern_bytes(e->segments, "", 0) :
		recmf_ids_intern(e->segments, slot->tts_values[column]);
	if (recmf_ids_count(e->segments) > RECMF_MAX_SEGMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("group_by has more than %d values", RECMF_MAX_SEGMENTS),
				 errhint("Group by something coarser, such as a country, a category, or width_bucket() of a number.")));
	return number;
}

static void
add_test_row(RecmfEvaluation *e, int64 *room, int32 user, int32 item, int32 segment, float rating)
{
	RecmfTestRow *row;

	if (e->n_test_rows == *room)
	{
		*room = Max(FIRST_ROOM, 2 * *room);
		e->test_rows = (RecmfTestRow *) (e->test_rows == NULL ? recmf_evaluation_allocate(e, sizeof(RecmfTestRow) * *room) :
										 repalloc_huge(e->test_rows, sizeof(RecmfTestRow) * *room));
	}
	row = &e->test_rows[e->n_test_rows++];
	row->user = user;
	row->item = item;
	row->segment = segment;
	row->rating = rating;
}

typedef struct TestReader
{
	Reader		reader;
	int64		room;
} TestReader;

static bool
take_test_row(TupleTableSlot *slot, void *arg)
{
	TestReader *test = (TestReader *) arg;
	Reader	   *reader = &test->reader;
	RecmfEvaluation *e = reader->evaluation;
	double		rating = 0;
	int32		user;
	int32		item;
	int32		segment;

	if (slot->tts_isnull[0] || slot->tts_isnull[1])
	{
		reader->n_null++;
		return true;
	}
	if (reader->rating >= 0)
	{
		if (slot->tts_isnull[reader->rating])
		{
			reader->n_null++;
			return true;
		}
		rating = DatumGetFloat8(slot->tts_values[reader->rating]);
		if (!isfinite((float) rating))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the test has the rating %s", psprintf("%g", rating)),
					 errhint("Use a SELECT that leaves such rows out.")));
	}
	user = intern(e->users, reader->user, slot->tts_values[0]);
	item = intern(e->items, reader->item, slot->tts_values[1]);
	segment = reader->segment >= 0 ? segment_of(e, slot, reader->segment) : 0;
	if (reader->rating < 0 || rating >= e->options.min_rating)
		recmf_evaluation_add_pair(e, &reader->pairs, user, item, segment);
	if (reader->rating >= 0 && e->problem.feedback == RMF_EXPLICIT)
		add_test_row(e, &test->room, user, item, segment, (float) rating);
	return true;
}

static int
compare_test_rows(const void *a, const void *b)
{
	const RecmfTestRow *x = (const RecmfTestRow *) a;
	const RecmfTestRow *y = (const RecmfTestRow *) b;

	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	if (x->item != y->item)
		return x->item < y->item ? -1 : 1;
	return (x->rating > y->rating) - (x->rating < y->rating);
}

/* Users and segments in the order of their ids, so that nothing depends on that of the rows. */
static void
sort_test(RecmfEvaluation *e, RecmfPairs *pairs)
{
	const int32 *user = recmf_ids_sort(e->users);
	const int32 *segment = e->segments != NULL ? recmf_ids_sort(e->segments) : NULL;
	int64		i;

	for (i = 0; i < pairs->n; i++)
	{
		pairs->pairs[i].user = user[pairs->pairs[i].user];
		if (segment != NULL)
			pairs->pairs[i].tag = segment[pairs->pairs[i].tag];
	}
	for (i = 0; i < e->n_test_rows; i++)
	{
		e->test_rows[i].user = user[e->test_rows[i].user];
		if (segment != NULL)
			e->test_rows[i].segment = segment[e->test_rows[i].segment];
	}
	qsort(e->test_rows, e->n_test_rows, sizeof(RecmfTestRow), compare_test_rows);
}

/* Whether the test's ratings count: as asked for, or where an explicit model has such a column. */
static bool
uses_ratings(const RecmfEvaluation *e, const RecmfSource *source)
{
	if (e->options.rating_col == NULL)
		return false;
	return e->options.rating_col_given || recmf_source_has_column(source, e->options.rating_col);
}

static void
read_test(RecmfEvaluation *e, RecmfIdKind user_kind)
{
	const RecmfEvaluateOptions *options = &e->options;
	RecmfSource *source = recmf_source_open(options->test_source, options->user_col, options->item_col, NULL, NULL);
	TestReader	test = {{0}, 0};
	Reader	   *reader = &test.reader;
	RecmfStatement statement = {0};
	StringInfoData text;
	int			n_columns = 2;

	reader->evaluation = e;
	reader->user = recmf_id_column_of(source->user_type);
	reader->item = recmf_id_column_of(source->item_type);
	reader->rating = reader->segment = -1;
	check_kind(reader->user.kind, user_kind, options->user_col, "the test");
	check_kind(reader->item.kind, recmf_ids_kind(e->items), options->item_col, "the test");
	e->users = recmf_ids_create(e->context, source->user_type, "user_id");

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT s.%s, s.%s", quote_identifier(options->user_col),
					 quote_identifier(options->item_col));
	if (uses_ratings(e, source))
	{
		/* for its checks of the column */
		(void) recmf_source_open(options->test_source, options->user_col, options->item_col, options->rating_col, NULL);
		appendStringInfo(&text, ", s.%s::pg_catalog.float8", quote_identifier(options->rating_col));
		reader->rating = n_columns++;
	}
	else if (options->min_rating > -INFINITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_rating needs ratings"),
				 errhint("Name the column of the test that has them by rating_col => '...'.")));
	if (options->group_by != NULL)
	{
		/* an expression, and nothing that ends the parenthesis */
		(void) recmf_single_select(psprintf("SELECT %s", options->group_by), "group_by",
								   "Give a column or an expression over the test.");
		appendStringInfo(&text, ", (%s\n)::pg_catalog.text", options->group_by);
		e->segments = recmf_ids_create(e->context, TEXTOID, "group_by");
		reader->segment = n_columns++;
	}
	appendStringInfo(&text, " %s", recmf_source_from(source));
	statement.text = text.data;
	recmf_evaluation_run_statement(&statement, take_test_row, &test);

	e->n_users = recmf_ids_count(e->users);
	e->n_segments = e->segments != NULL ? recmf_ids_count(e->segments) : 0;
	if (e->n_users == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the test has no rows"),
				 errdetail("Rows with NULL are left out: " INT64_FORMAT ".", reader->n_null),
				 errhint("Give a table, a view or a SELECT with the rows that were held out of training.")));
	sort_test(e, &reader->pairs);
	build_lists(e, &e->held, &reader->pairs, true);
}

/*
 * The training
 */

/* Where it is read: of a model its own source, or the one that the caller names. */
typedef struct Training
{
	char	   *from;			/* item of FROM, with its alias s */
	const char *search_path;
	const char *user_col;
	const char *item_col;
	const char *rating_col;		/* NULL: none */
	Oid			user_type;		/* of those that the caller names; else InvalidOid */
	Oid			item_type;
} Training;

static Training
find_training(const RecmfEvaluation *e)
{
	const RecmfModel *model = e->subject.model;
	Training	training = {0};

	training.user_col = model != NULL ? model->user_col : e->options.user_col;
	training.item_col = model != NULL ? model->item_col : e->options.item_col;
	if (model != NULL && model->problem.feedback == RMF_EXPLICIT)
		training.rating_col = model->rating_col;
	if (e->options.train_source != NULL)
	{
		RecmfSource *source = recmf_source_open(e->options.train_source, training.user_col, training.item_col, NULL, NULL);

		training.from = recmf_source_from(source);
		training.user_type = source->user_type;
		training.item_type = source->item_type;
		if (training.rating_col != NULL && !recmf_source_has_column(source, training.rating_col))
			training.rating_col = NULL;
	}
	else
	{
		Oid			user_type;
		char	   *source = recmf_live_source(model, RMF_USERS, &user_type, &training.search_path);

		training.from = psprintf("FROM %s s", source);
	}
	return training;
}

static bool
take_training_row(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;
	RecmfEvaluation *e = reader->evaluation;
	int32		item = recmf_id_column_look_up(e->items, reader->item, slot->tts_values[1]);
	int32		user;

	if (item < 0 || item >= e->n_items)
		return true;
	if (reader->rating >= 0 && !slot->tts_isnull[reader->rating])
	{
		double		rating = DatumGetFloat8(slot->tts_values[reader->rating]);

		if (isfinite(rating))
		{
			reader->rating_sum[item] += rating;
			reader->n_ratings[item]++;
		}
	}
	user = recmf_id_column_look_up(e->users, reader->user, slot->tts_values[0]);
	if (user >= 0)
		recmf_evaluation_add_pair(e, &reader->pairs, user, item, 0);
	return true;
}

/* The catalogue of lists: the items of the training, and how many rows each has. */
static bool
take_training_item(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;

	recmf_evaluation_add_pair(reader->evaluation, &reader->pairs, 0, intern(reader->evaluation->items, reader->item, slot->tts_values[1]), 0);
	return true;
}

static RecmfCursor *
open_training(const RecmfEvaluation *e, const Training *training, Reader *reader)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	TupleDesc	columns;

	statement.search_path = training->search_path;
	statement.text = psprintf("SELECT s.%s, s.%s%s %s WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL",
							  quote_identifier(training->user_col), quote_identifier(training->item_col),
							  training->rating_col == NULL ? "" :
							  psprintf(", s.%s::pg_catalog.float8", quote_identifier(training->rating_col)),
							  training->from, quote_identifier(training->user_col),
							  quote_identifier(training->item_col));
	cursor = recmf_cursor_open(&statement);
	columns = recmf_cursor_columns(cursor);
	reader->user = recmf_id_column_of(TupleDescAttr(columns, 0)->atttypid);
	reader->item = recmf_id_column_of(TupleDescAttr(columns, 1)->atttypid);
	reader->rating = training->rating_col != NULL ? 2 : -1;
	return cursor;
}

static void
read_training(RecmfEvaluation *e, RecmfPairs *seen)
{
	Training	training = find_training(e);
	Reader		reader = {0};
	RecmfCursor *cursor = open_training(e, &training, &reader);
	int32		i;

	reader.evaluation = e;
	check_kind(reader.user.kind, recmf_ids_kind(e->users), training.user_col, "the training source");
	check_kind(reader.item.kind, recmf_ids_kind(e->items), training.item_col, "the training source");
	if (reader.rating >= 0)
	{
		reader.rating_sum = (double *) recmf_evaluation_allocate(e, sizeof(double) * (Size) e->n_items);
		reader.n_ratings = (int64 *) recmf_evaluation_allocate(e, sizeof(int64) * (Size) e->n_items);
	}
	(void) recmf_cursor_fetch(cursor, FETCH_ALL, take_training_row, &reader);
	recmf_cursor_close(cursor);
	*seen = reader.pairs;
	if (reader.rating >= 0)
	{
		e->item_mean = (double *) recmf_evaluation_allocate(e, sizeof(double) * (Size) e->n_items);
		for (i = 0; i < e->n_items; i++)
			e->item_mean[i] = reader.n_ratings[i] > 0 ? reader.rating_sum[i] / reader.n_ratings[i] : e->problem.mean;
	}
}

static bool
take_count(TupleTableSlot *slot, void *arg)
{
	*(int64 *) arg = DatumGetInt64(slot->tts_values[0]);
	return true;
}

static void
count_users(RecmfEvaluation *e, const Training *training)
{
	RecmfStatement statement = {0};

	statement.search_path = training->search_path;
	statement.text = psprintf("SELECT pg_catalog.count(DISTINCT s.%s) %s", quote_identifier(training->user_col),
							  training->from);
	recmf_evaluation_run_statement(&statement, take_count, &e->n_model_users);
}

static RecmfIdKind
read_catalogue(RecmfEvaluation *e)
{
	Training	training = find_training(e);
	Reader		reader = {0};
	RecmfCursor *cursor = open_training(e, &training, &reader);
	const int32 *number;
	int32	   *counts;
	int64		i;

	reader.evaluation = e;
	e->items = recmf_ids_create(e->context, training.item_type, "item_id");
	(void) recmf_cursor_fetch(cursor, FETCH_ALL, take_training_item, &reader);
	recmf_cursor_close(cursor);
	number = recmf_ids_sort(e->items);
	counts = (int32 *) recmf_evaluation_allocate(e, sizeof(int32) * (Size) recmf_ids_count(e->items));
	for (i = 0; i < reader.pairs.n; i++)
		counts[number[reader.pairs.pairs[i].item]]++;
	if (reader.pairs.pairs != NULL)
		pfree(reader.pairs.pairs);
	e->popularity.count = counts;
	count_users(e, &training);
	return reader.user.kind;
}

/*
 * Somebody else's lists
 */

typedef struct ListReader
{
	Reader		reader;
	int64		room;
} ListReader;

static bool
take_listed(TupleTableSlot *slot, void *arg)
{
	ListReader *lists = (ListReader *) arg;
	Reader	   *reader = &lists->reader;
	RecmfEvaluation *e = reader->evaluation;
	RecmfListed *listed;
	double		score;
	int32		user;
	int32		item;

	user = recmf_id_column_look_up(e->users, reader->user, slot->tts_values[0]);
	if (user < 0)
		return true;
	item = intern(e->items, reader->item, slot->tts_values[1]);
	score = slot->tts_isnull[2] ? NAN : DatumGetFloat8(slot->tts_values[2]);
	if (isnan(score))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of user %s has item %s without a place: its %s is %s",
						recmf_ids_describe(e->users, recmf_ids_get(e->users, user)),
						recmf_ids_describe(e->items, recmf_ids_get(e->items, item)),
						reader->sign < 0 ? "rank" : "score", slot->tts_isnull[2] ? "null" : "NaN"),
				 errhint("Use a SELECT that leaves such rows out.")));
	if (e->n_listed == lists->room)
	{
		lists->room = Max(FIRST_ROOM, 2 * lists->room);
		e->listed = (RecmfListed *) (e->listed == NULL ? recmf_evaluation_allocate(e, sizeof(RecmfListed) * lists->room) :
									 repalloc_huge(e->listed, sizeof(RecmfListed) * lists->room));
	}
	listed = &e->listed[e->n_listed++];
	listed->user = user;
	listed->item = item;
	listed->score = reader->sign * score;
	return true;
}

static int
compare_listed(const void *a, const void *b)
{
	const RecmfListed *x = (const RecmfListed *) a;
	const RecmfListed *y = (const RecmfListed *) b;

	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

static void
read_lists(RecmfEvaluation *e)
{
	RecmfSource *source = recmf_source_open(e->subject.lists, e->options.user_col, e->options.item_col, NULL, NULL);
	bool		by_score = recmf_source_has_column(source, "score");
	ListReader	lists = {{0}, 0};
	Reader	   *reader = &lists.reader;
	RecmfStatement statement = {0};
	int32		u;
	int64		i;

	if (!by_score && !recmf_source_has_column(source, "rank"))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the lists have neither a column \"score\" nor a column \"rank\""),
				 errhint("Use a SELECT that names one of its columns \"score\" (larger is better) or \"rank\" (1 is best).")));
	reader->evaluation = e;
	reader->sign = by_score ? 1 : -1;
	reader->user = recmf_id_column_of(source->user_type);
	reader->item = recmf_id_column_of(source->item_type);
	check_kind(reader->user.kind, recmf_ids_kind(e->users), e->options.user_col, "the lists");
	check_kind(reader->item.kind, recmf_ids_kind(e->items), e->options.item_col, "the lists");
	statement.text = psprintf("SELECT s.%s, s.%s, s.%s::pg_catalog.float8 %s WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL",
							  quote_identifier(e->options.user_col), quote_identifier(e->options.item_col),
							  by_score ? "score" : "rank", recmf_source_from(source),
							  quote_identifier(e->options.user_col), quote_identifier(e->options.item_col));
	recmf_evaluation_run_statement(&statement, take_listed, &lists);
	qsort(e->listed, e->n_listed, sizeof(RecmfListed), compare_listed);
	e->listed_start = (int64 *) recmf_evaluation_allocate(e, sizeof(int64) * (e->n_users + 1));
	for (i = 0; i < e->n_listed; i++)
		e->listed_start[e->listed[i].user + 1]++;
	for (u = 0; u < e->n_users; u++)
	{
		e->knows_user[u] = e->listed_start[u + 1] > 0;
		e->listed_start[u + 1] += e->listed_start[u];
	}
}

/*
 * Given candidates
 */

static bool
take_candidate(TupleTableSlot *slot, void *arg)
{
	Reader	   *reader = (Reader *) arg;
	RecmfEvaluation *e = reader->evaluation;
	int32		user = recmf_id_column_look_up(e->users, reader->user, slot->tts_values[0]);

	if (user >= 0)
		recmf_evaluation_add_pair(e, &reader->pairs, user, intern(e->items, reader->item, slot->tts_values[1]), 0);
	return true;
}

static void
read_candidates(RecmfEvaluation *e)
{
	RecmfSource *source = recmf_source_open(e->options.candidates, e->options.user_col, e->options.item_col, NULL, NULL);
	RecmfStatement statement = {0};
	Reader		reader = {0};

	reader.evaluation = e;
	reader.user = recmf_id_column_of(source->user_type);
	reader.item = recmf_id_column_of(source->item_type);
	check_kind(reader.user.kind, recmf_ids_kind(e->users), e->options.user_col, "candidates");
	check_kind(reader.item.kind, recmf_ids_kind(e->items), e->options.item_col, "candidates");
	statement.text = psprintf("SELECT s.%s, s.%s %s WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL",
							  quote_identifier(e->options.user_col), quote_identifier(e->options.item_col),
							  recmf_source_from(source), quote_identifier(e->options.user_col),
							  quote_identifier(e->options.item_col));
	recmf_evaluation_run_statement(&statement, take_candidate, &reader);
	build_lists(e, &e->negatives, &reader.pairs, false);
	(void) rmf_lists_subtract(&e->negatives, &e->held);
	(void) rmf_lists_subtract(&e->negatives, &e->seen);
}

/*
 * What the caller should know
 */

/* Rows that were trained on are no test. */
static void
drop_seen_test_rows(RecmfEvaluation *e)
{
	int64		to = 0;
	int64		i;

	for (i = 0; i < e->n_test_rows; i++)
	{
		const RecmfTestRow *row = &e->test_rows[i];
		const int32 *seen = e->seen.item + e->seen.start[row->user];
		int64		n = e->seen.start[row->user + 1] - e->seen.start[row->user];

		if (!rmf_has_number(seen, n, row->item))
			e->test_rows[to++] = *row;
	}
	e->n_test_rows = to;
}

static void
report(RecmfEvaluation *e, int64 n_overlapping)
{
	int64		n_held = e->held.start[e->n_users];
	int64		unknown_items = recmf_ids_count(e->items) - e->n_items;
	int64		unknown_pairs = 0;
	int64		unknown_users = 0;
	int64		i;

	if (n_overlapping > 0)
		ereport(WARNING,
				(errmsg(INT64_FORMAT " of " INT64_FORMAT " pairs of user and item of the test were trained on",
						n_overlapping, n_held + n_overlapping),
				 errdetail("They are left out: nobody is recommended what he has."),
				 errhint("Split before training, for example with holdout() or create_split().")));
	for (i = 0; i < n_held; i++)
		unknown_pairs += e->held.item[i] >= e->n_items;
	for (i = 0; i < e->n_users; i++)
		unknown_users += !e->knows_user[i];
	if (unknown_users > 0 || unknown_pairs > 0)
		ereport(NOTICE,
				(errmsg("%s does not know " INT64_FORMAT " of %d users and " INT64_FORMAT " of " INT64_FORMAT " pairs of the test",
						e->name, unknown_users, e->n_users, unknown_pairs, n_held),
				 errdetail("%s; a relevant item that is not in the catalogue (" INT64_FORMAT " are not) counts as missed.",
						   e->subject.lists != NULL ? "A user without a list misses everything" :
						   "An unknown user gets the most popular items, as from recommend()",
						   unknown_items)));
	for (i = 0; i < e->options.n_k; i++)
		if (e->options.k[i] > e->n_items)
		{
			ereport(NOTICE,
					(errmsg("k = %d is more than the %d items of the catalogue", e->options.k[i], e->n_items),
					 errdetail("The list is shorter, and its precision is still divided by k.")));
			break;
		}
}

static void
start(RecmfEvaluation *e)
{
	const RecmfModel *model = e->subject.model;
	const MfModelView *value = e->subject.value;

	if (model != NULL)
	{
		e->problem = model->problem;
		e->rating_min = model->rating_min;
		e->rating_max = model->rating_max;
		e->name = psprintf("model \"%s\"", model->name);
	}
	else if (value != NULL)
	{
		e->problem = value->problem;
		e->rating_min = value->header->rating_min;
		e->rating_max = value->header->rating_max;
		e->name = "the model";
	}
	else
	{
		e->problem.feedback = RMF_IMPLICIT;
		e->name = "the lists";
	}
	e->dimensions = e->subject.lists != NULL ? 0 : rmf_dimensions(&e->problem);

	if (e->options.user_col == NULL)
		e->options.user_col = model != NULL ? model->user_col : "user_id";
	if (e->options.item_col == NULL)
		e->options.item_col = model != NULL ? model->item_col : "item_id";
	if (e->options.rating_col == NULL && e->problem.feedback == RMF_EXPLICIT)
		e->options.rating_col = model != NULL && model->rating_col != NULL ? model->rating_col : "rating";
}

RecmfEvaluation *
recmf_evaluation_read(const RecmfSubject *subject, const RecmfEvaluateOptions *options)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "recmf evaluation", ALLOCSET_DEFAULT_SIZES);
	RecmfEvaluation *e = (RecmfEvaluation *) MemoryContextAllocZero(context, sizeof(RecmfEvaluation));
	bool		read_only = XactReadOnly;
	RecmfIdKind user_kind;
	RecmfPairs		seen = {0};

	e->context = context;
	e->options = *options;
	e->subject = *subject;
	start(e);

	/* as for recommend_all(): what writes is refused whether there are workers or not */
	XactReadOnly = true;
	if (subject->lists != NULL)
	{
		user_kind = read_catalogue(e);
		recmf_evaluation_finish_items(e);
	}
	else
	{
		user_kind = subject->model != NULL ? subject->model->user_kind : subject->value->users.kind;
		recmf_evaluation_read_items(e);
	}
	read_test(e, user_kind);
	recmf_evaluation_read_users(e, &seen);
	if (subject->value == NULL || e->options.train_source != NULL)
		read_training(e, &seen);
	build_lists(e, &e->seen, &seen, false);
	if (subject->lists != NULL)
		read_lists(e);
	{
		int64		n_overlapping = rmf_lists_subtract(&e->held, &e->seen);

		drop_seen_test_rows(e);
		report(e, n_overlapping);
	}
	if (e->options.candidates != NULL)
		read_candidates(e);
	XactReadOnly = read_only;
	return e;
}
