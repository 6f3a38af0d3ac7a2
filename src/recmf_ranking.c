/*
 * recmf_ranking.c
 *	  The statements behind the serving functions.
 *
 * Serving is a query: the best k items of a user are
 *
 *		SELECT t.item_id, t.factor <#> $1 FROM items t
 *		WHERE <not seen, filters> ORDER BY t.factor <#> $1 LIMIT n
 *
 * so that what PostgreSQL has for it (an index on the distance, partitions, row
 * security) works without a word here.  Three things are worth knowing about
 * its form:
 *
 * - Ties.  Items that the same customers bought have the same factor, so equal
 *	 scores are common, and the order must not depend on the plan.  A second
 *	 sort key would say so, but PostgreSQL before 17 does not use an index on a
 *	 distance for a prefix of ORDER BY.  So we read on past the k-th row while
 *	 the distance stays the same, and sort what is equal by id here.
 *
 * - LIMIT.  The plan is generic, and with a parameter the planner would take
 *	 LIMIT for a tenth of the table, and a full sort for cheaper than an index.
 *	 So a number stands there: a power of two above k, the same for all k in
 *	 its range, and we stop reading earlier.  If ties reach past it, the
 *	 statement runs again with a larger one.
 *
 * - What was seen is a hashed subplan (NOT ... = ANY), not a join, since that
 *	 keeps the order of an index scan below it.
 *
 * Everything is schema-qualified, operators too, so nothing depends on the
 * search_path.  A source that is a relation is read under the caller's, as if
 * he had named it himself (its policies may rely on it); a source that is a
 * query is read under the one that it was trained with.
 *
 * Memory: the caller's context.  Locks: AccessShare on what is read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "recmf_names.h"
#include "recmf_plans.h"
#include "recmf_ranking.h"

/* The first LIMIT, and what it grows by; a query for ten items reads ten or a few more. */
#define FIRST_LIMIT 32
#define LIMIT_GROWTH 8

const char *
recmf_id_column(rmf_side side)
{
	return side == RMF_USERS ? "user_id" : "item_id";
}

static Oid
id_type(const RecmfModel *model, rmf_side side)
{
	return side == RMF_USERS ? model->user_type : model->item_type;
}

static char *
table_name(const RecmfModel *model, rmf_side side)
{
	return recmf_qualified_name(side == RMF_USERS ? model->users : model->items);
}

const char *
recmf_id_collation(Oid type)
{
	return type_is_collatable(type) ? " COLLATE pg_catalog.\"C\"" : "";
}

/* ------------------------------------------------------------------------
 * One factor
 * ------------------------------------------------------------------------
 */

static bool
take_factor(TupleTableSlot *slot, void *arg)
{
	if (!slot->tts_isnull[0])
		*(Factor **) arg = (Factor *) PG_DETOAST_DATUM_COPY(slot->tts_values[0]);
	return false;
}

void
recmf_check_model_factor(const RecmfModel *model, rmf_side side, const Factor *factor)
{
	if (factor->dim != rmf_dimensions(&model->problem))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("table %s has a factor of %d dimensions, model \"%s\" has %d",
						table_name(model, side), factor->dim, model->name,
						rmf_dimensions(&model->problem)),
				 errhint("Train the model again with train_model().")));
}

Factor *
recmf_fetch_factor(const RecmfModel *model, rmf_side side, const RecmfGivenId *id)
{
	RecmfStatement statement;
	Factor	   *factor = NULL;
	Datum		value;

	if (!recmf_given_to_datum(id, id_type(model, side), &value))
		return NULL;

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT t.factor FROM %s t WHERE t.%s OPERATOR(pg_catalog.=) $1",
							  table_name(model, side), recmf_id_column(side));
	recmf_statement_add(&statement, id_type(model, side), value);
	recmf_statement_run(&statement, take_factor, &factor);

	if (factor != NULL)
		recmf_check_model_factor(model, side, factor);
	return factor;
}

/* ------------------------------------------------------------------------
 * The best k
 * ------------------------------------------------------------------------
 */

/* A statement whose rows (id, value) arrive best first. */
typedef struct Ranker
{
	RecmfRanking *ranking;
	int			k;
	int			capacity;
	bool		by_distance;	/* ascending by value, equal ones in any order; else as they come */
	bool		id_by_value;
	int16		id_length;
	int64		n_read;
	bool		complete;		/* all of the first k, and all that equal the k-th, are there */
} Ranker;

static bool
take_ranked(TupleTableSlot *slot, void *arg)
{
	Ranker	   *ranker = (Ranker *) arg;
	RecmfRanking *ranking = ranker->ranking;
	double		value;

	ranker->n_read++;
	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return true;			/* not made by training */
	value = DatumGetFloat8(slot->tts_values[1]);

	if (ranking->n >= ranker->k &&
		(!ranker->by_distance || value != ranking->rows[ranking->n - 1].value))
	{
		ranker->complete = true;
		return false;
	}

	if (ranking->n == ranker->capacity)
	{
		ranker->capacity *= 2;
		ranking->rows = repalloc(ranking->rows, sizeof(RecmfRanked) * ranker->capacity);
	}
	ranking->rows[ranking->n].id = datumCopy(slot->tts_values[0], ranker->id_by_value,
											 ranker->id_length);
	ranking->rows[ranking->n].value = value;
	ranking->n++;
	return true;
}

static int
compare_ranked(const void *a, const void *b, void *arg)
{
	const RecmfRanked *ranked_a = (const RecmfRanked *) a;
	const RecmfRanked *ranked_b = (const RecmfRanked *) b;

	if (ranked_a->value != ranked_b->value)
		return ranked_a->value < ranked_b->value ? -1 : 1;
	return recmf_id_compare(ranked_a->id, ranked_b->id, *(const Oid *) arg);
}

/* Runs a statement, whose text has all but LIMIT, for its first k rows. */
static RecmfRanking *
run_ranking(RecmfStatement *statement, Oid type, int k, bool by_distance)
{
	RecmfRanking *ranking = palloc0(sizeof(RecmfRanking));
	const char *text = statement->text;
	int64		limit = FIRST_LIMIT;
	Ranker		ranker;

	memset(&ranker, 0, sizeof(ranker));
	ranker.ranking = ranking;
	ranker.k = k;
	ranker.capacity = FIRST_LIMIT;
	ranker.by_distance = by_distance;
	get_typlenbyval(type, &ranker.id_length, &ranker.id_by_value);
	ranking->id_type = type;
	ranking->rows = palloc(sizeof(RecmfRanked) * ranker.capacity);

	while (limit <= k)
		limit *= LIMIT_GROWTH;
	for (;;)
	{
		ranking->n = 0;
		ranker.n_read = 0;
		statement->text = psprintf("%s LIMIT " INT64_FORMAT, text, limit);
		recmf_statement_run(statement, take_ranked, &ranker);
		if (ranker.complete || ranker.n_read < limit)
			break;
		limit *= LIMIT_GROWTH;
	}

	if (by_distance)
		qsort_arg(ranking->rows, ranking->n, sizeof(RecmfRanked), compare_ranked, &type);
	ranking->n = Min(ranking->n, k);
	return ranking;
}

/* ------------------------------------------------------------------------
 * What is in the source already
 * ------------------------------------------------------------------------
 */

/* The base type of a column of the source, which must be of the kind that the model has. */
static Oid
source_column_type(const RecmfModel *model, const char *column, RecmfIdKind kind)
{
	AttrNumber	number = get_attnum(model->source_table, column);
	Oid			type;

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source %s of model \"%s\" has no column \"%s\" any more",
						recmf_qualified_name(model->source_table), model->name, column),
				 errhint("Train the model again with train_model(), or pass exclude_seen => false.")));
	type = getBaseType(get_atttype(model->source_table, number));
	if (!recmf_is_id_type(type) || recmf_id_kind(type, column) != kind)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the source %s of model \"%s\" has changed its type to %s",
						column, recmf_qualified_name(model->source_table), model->name,
						format_type_be(type)),
				 errhint("Train the model again with train_model(), or pass exclude_seen => false.")));
	return type;
}

static void
check_source_table(const RecmfModel *model)
{
	if (get_rel_relkind(model->source_table) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the source of model \"%s\" does not exist any more", model->name),
				 errdetail("What a user has seen is looked up in it."),
				 errhint("Train the model again from another source, or pass exclude_seen => false.")));
	if (!recmf_may_select(model->source_table))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s, the source of model \"%s\"",
						recmf_qualified_name(model->source_table), model->name),
				 errdetail("What a user has seen is looked up in it."),
				 errhint("Its owner can run: GRANT SELECT ON %s TO %s. Or pass exclude_seen => false.",
						 recmf_qualified_name(model->source_table),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

char *
recmf_live_source(const RecmfModel *model, rmf_side by, Oid *by_type, const char **search_path)
{
	const char *columns[2] = {[RMF_USERS] = model->user_col, [RMF_ITEMS] = model->item_col};
	RecmfIdKind kinds[2] = {[RMF_USERS] = model->user_kind, [RMF_ITEMS] = model->item_kind};
	rmf_side	other = rmf_other_side(by);

	if (!OidIsValid(model->source_table))
	{
		*by_type = id_type(model, by);
		*search_path = model->source_search_path;
		/* The line break ends a comment that the query may end with. */
		return psprintf("(%s\n)", model->source_query);
	}

	check_source_table(model);
	*by_type = source_column_type(model, columns[by], kinds[by]);
	(void) source_column_type(model, columns[other], kinds[other]);
	*search_path = NULL;
	return recmf_qualified_name(model->source_table);
}

/*
 * " AND" the row is not one of those that the source has together with the
 * given id of the other side, whatever the rating there.
 */
static void
append_not_seen(StringInfo text, RecmfStatement *statement, const RecmfModel *model, rmf_side side,
				const RecmfGivenId *by)
{
	const char *columns[2] = {[RMF_USERS] = model->user_col, [RMF_ITEMS] = model->item_col};
	rmf_side	other = rmf_other_side(side);
	const char *own_column = quote_identifier(columns[side]);
	Oid			by_type;
	char	   *source = recmf_live_source(model, other, &by_type, &statement->search_path);
	Datum		value;

	if (!recmf_given_to_datum(by, by_type, &value))
		return;					/* nothing has to do with such an id */

	/* The parameter has the column's type, so that an index on the column serves. */
	appendStringInfo(text,
					 " AND NOT (t.%s%s OPERATOR(pg_catalog.=) ANY"
					 " (SELECT s.%s FROM %s s"
					 " WHERE s.%s OPERATOR(pg_catalog.=) $%d AND s.%s IS NOT NULL))",
					 recmf_id_column(side), recmf_id_collation(id_type(model, side)), own_column, source,
					 quote_identifier(columns[other]),
					 recmf_statement_add(statement, by_type, value), own_column);
}

static void
append_filters(StringInfo text, RecmfStatement *statement, const RecmfModel *model, rmf_side side,
			   const RecmfFilters *filters)
{
	const char *column = recmf_id_column(side);
	Oid			type = id_type(model, side);
	Oid			array_type = get_array_type(type);

	appendStringInfoString(text, " WHERE true");
	if (filters->include != NULL)
		appendStringInfo(text, " AND t.%s OPERATOR(pg_catalog.=) ANY ($%d)", column,
						 recmf_statement_add(statement, array_type,
											 PointerGetDatum(filters->include)));
	/* A subquery, for its hash table: an array is searched from its start for each row. */
	if (filters->exclude != NULL)
		appendStringInfo(text,
						 " AND NOT (t.%s%s OPERATOR(pg_catalog.=) ANY"
						 " (SELECT pg_catalog.unnest($%d)))",
						 column, recmf_id_collation(type),
						 recmf_statement_add(statement, array_type,
											 PointerGetDatum(filters->exclude)));
	if (filters->seen_by != NULL)
		append_not_seen(text, statement, model, side, filters->seen_by);
}

/* ------------------------------------------------------------------------
 * The rankings
 * ------------------------------------------------------------------------
 */

RecmfRanking *
recmf_rank_by_score(const RecmfModel *model, rmf_side side, const Factor *other,
					const RecmfFilters *filters, int k)
{
	RecmfStatement statement;
	RecmfRanking *ranking;
	StringInfoData text;
	const char *schema = recmf_schema();
	int			i;

	memset(&statement, 0, sizeof(statement));
	recmf_statement_add(&statement, recmf_factor_type(), PointerGetDatum(other));

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT t.%s, t.factor OPERATOR(%s.<#>) $1 FROM %s t",
					 recmf_id_column(side), schema, table_name(model, side));
	append_filters(&text, &statement, model, side, filters);
	appendStringInfo(&text, " ORDER BY t.factor OPERATOR(%s.<#>) $1", schema);
	statement.text = text.data;

	ranking = run_ranking(&statement, id_type(model, side), k, true);
	for (i = 0; i < ranking->n; i++)
		ranking->rows[i].value = model->problem.mean - ranking->rows[i].value;
	return ranking;
}

RecmfRanking *
recmf_rank_by_popularity(const RecmfModel *model, const RecmfFilters *filters, int k)
{
	RecmfStatement statement;
	StringInfoData text;

	memset(&statement, 0, sizeof(statement));
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT t.item_id, t.n_ratings::pg_catalog.float8 FROM %s t",
					 table_name(model, RMF_ITEMS));
	append_filters(&text, &statement, model, RMF_ITEMS, filters);
	appendStringInfo(&text, " ORDER BY t.n_ratings DESC, t.item_id%s", recmf_id_collation(model->item_type));
	statement.text = text.data;
	return run_ranking(&statement, model->item_type, k, false);
}

RecmfRanking *
recmf_rank_by_similarity(const RecmfModel *model, rmf_side side, const RecmfGivenId *id,
						 const Factor *factor, int k)
{
	RecmfStatement statement;
	RecmfRanking *ranking;
	const char *schema = recmf_schema();
	char	   *distance;
	Datum		self;
	int			i;

	/* Biases say how much something is liked, not what it is like. */
	if (rmf_has_biases(&model->problem))
	{
		factor = recmf_factor_from_floats(model->problem.factors, factor->x);
		distance = psprintf("%s.subvector(t.factor, 1, %d) OPERATOR(%s.<=>) $1",
							schema, model->problem.factors, schema);
	}
	else
		distance = psprintf("t.factor OPERATOR(%s.<=>) $1", schema);

	memset(&statement, 0, sizeof(statement));
	recmf_statement_add(&statement, recmf_factor_type(), PointerGetDatum(factor));
	if (!recmf_given_to_datum(id, id_type(model, side), &self))
		elog(ERROR, "no such id can have a factor");
	recmf_statement_add(&statement, id_type(model, side), self);
	statement.text = psprintf("SELECT t.%s, %s FROM %s t WHERE t.%s OPERATOR(pg_catalog.<>) $2"
							  " ORDER BY %s",
							  recmf_id_column(side), distance, table_name(model, side),
							  recmf_id_column(side), distance);

	ranking = run_ranking(&statement, id_type(model, side), k, true);
	for (i = 0; i < ranking->n; i++)
		ranking->rows[i].value = 1.0 - ranking->rows[i].value;
	return ranking;
}
