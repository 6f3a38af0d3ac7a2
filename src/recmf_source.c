/*
 * recmf_source.c
 *	  Where the ratings come from: a relation or a SELECT, read as the caller.
 *
 * Phases: recmf_source_open() resolves the text and prepares it to learn its
 * columns; recmf_source_read() plans it.  Where the plan is nothing but a scan
 * of one table, that is done here without the executor; any other plan is run
 * once, its rows going through a DestReceiver of our own.  Either way they go
 * straight into the dataset, and no result is ever materialised.
 *
 * The source is the user's own statement: it is the one thing that runs under
 * the caller's search_path.  transaction_read_only is on while it runs, so
 * that a function in it which writes is refused by PostgreSQL itself.
 *
 * Locks: AccessShareLock on what the source reads, kept to the end of the
 * transaction like those of any query.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "parser/scansup.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "recmf_compat.h"
#include "recmf_names.h"
#include "recmf_progress.h"
#include "recmf_registry.h"
#include "recmf_scan.h"
#include "recmf_source.h"

/* Below this a sequential scan is as good as an index. */
#define SMALL_TABLE_BLOCKS 64

typedef struct RowsReceiver
{
	DestReceiver pub;
	RecmfRows  *rows;
} RowsReceiver;

/* The first word of a text, after blanks, comments and opening parentheses. */
static const char *
first_word(const char *text, size_t *length)
{
	const char *p = text;

	for (;;)
	{
		if (scanner_isspace(*p) || *p == '(')
			p++;
		else if (p[0] == '-' && p[1] == '-')
			p += strcspn(p, "\n");
		else if (p[0] == '/' && p[1] == '*')
		{
			const char *end = strstr(p + 2, "*/");

			p = end ? end + 2 : p + strlen(p);
		}
		else
			break;
	}
	*length = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	return p;
}

static bool
first_word_is_one_of(const char *text, const char *const *words)
{
	size_t		length;
	const char *word = first_word(text, &length);

	/* "select.orders" or "table1" is a name, not a statement */
	if (word[length] != '\0' && !scanner_isspace(word[length]) && strchr("(*;-/+'\"", word[length]) == NULL)
		return false;
	for (; *words; words++)
	{
		if (strlen(*words) == length && pg_strncasecmp(word, *words, length) == 0)
			return true;
	}
	return false;
}

/* Shows a syntax error in the source, not in the statement that called us. */
static void
point_into_source(void *text)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
}

char *
recmf_single_select(char *text, const char *what, const char *hint)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = point_into_source, .arg = text
	};
	List	   *statements;
	RawStmt    *statement;
	const char *start;

	error_context_stack = &callback;
	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a single SELECT", what),
				 errdetail("It holds %d statements.", list_length(statements))));
	statement = linitial_node(RawStmt, statements);
	if (!IsA(statement->stmt, SelectStmt) || castNode(SelectStmt, statement->stmt)->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must only read", what),
				 errhint("%s", hint)));
	start = text + statement->stmt_location;
	return statement->stmt_len > 0 ? pnstrdup(start, statement->stmt_len) : pstrdup(start);
}

static Oid
find_relation(const char *text)
{
	List	   *names = NIL;
	char	   *scratch = pstrdup(text);
	Oid			relation;
	char		relkind;

	if (!SplitIdentifierString(scratch, '.', &names) || names == NIL || list_length(names) > 3)
	{
		static const char *const writing[] = {"insert", "update", "delete", "merge", "truncate", "copy",
		"call", "do", "create", "drop", "alter", NULL};

		if (first_word_is_one_of(text, writing))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("source must only read"),
					 errhint("Give a table, a view or a SELECT.")));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("source \"%s\" is neither the name of a relation nor a SELECT", text),
				 errhint("Give a table, a view or a SELECT; quote names as in SQL: '\"My Orders\"'.")));
	}
	else
	{
		List	   *values = NIL;
		ListCell   *cell;

		foreach(cell, names)
			values = lappend(values, makeString(lfirst(cell)));
		relation = RangeVarGetRelid(makeRangeVarFromNameList(values), AccessShareLock, true);
	}
	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("source \"%s\" does not exist", text),
				 errhint("Give a table, a view or a SELECT. Is its schema in search_path?")));

	relkind = get_rel_relkind(relation);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE && relkind != RELKIND_VIEW &&
		relkind != RELKIND_MATVIEW && relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("source \"%s\" is not a table or view", text)));
	return relation;
}

char *
recmf_source_from(const RecmfSource *source)
{
	if (source->query)
		/* the line feed ends a comment that the query may end with */
		return psprintf("FROM (%s\n) AS s", source->query);
	return psprintf("FROM %s AS s", recmf_qualified_name(source->table));
}

static SPIPlanPtr
prepare(const char *statement, int n_args, Oid *types, int cursor_options)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(statement, n_args, types, cursor_options);

	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare the source: %s", SPI_result_code_string(SPI_result))));
	return plan;
}

int
recmf_source_column(TupleDesc columns, const char *name, const char *option)
{
	StringInfoData list;
	int			found = -1;
	int			i;

	initStringInfo(&list);
	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		appendStringInfo(&list, "%s%s", i ? ", " : "", NameStr(column->attname));
		if (strcmp(NameStr(column->attname), name) != 0)
			continue;
		if (found >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("the source has more than one column \"%s\"", name)));
		found = i;
	}
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source has no column \"%s\"", name),
				 errdetail("Its columns are: %s.", list.data),
				 strcmp(option, "rating_col") == 0
				 ? errhint("Name the column by rating_col => '...', or give rating_col => NULL to count every row as 1.")
				 : errhint("Name the column by %s => '...'.", option)));
	return found;
}

static void
check_id_column(Form_pg_attribute column, const char *what, Oid *type, Oid *collation)
{
	*type = getBaseType(column->atttypid);
	(void) recmf_id_kind(*type, what);
	*collation = column->attcollation;
	if (OidIsValid(*collation) && !get_collation_isdeterministic(*collation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" has a nondeterministic collation", NameStr(column->attname)),
				 errhint("Use a SELECT with \"%s\" COLLATE \"C\" as the source.", NameStr(column->attname))));
}

/* The base type of a column of numbers; InvalidOid where none is named. */
static Oid
check_number_column(TupleDesc columns, const char *name, const char *option)
{
	Oid			type;

	if (name == NULL)
		return InvalidOid;
	type = TupleDescAttr(columns, recmf_source_column(columns, name, option))->atttypid;
	if (TypeCategory(getBaseType(type)) != TYPCATEGORY_NUMERIC)
	{
		bool		is_rating = strcmp(option, "rating_col") == 0;

		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, but %s must be numbers",
						name, format_type_be(type), is_rating ? "ratings" : "weights"),
				 is_rating
				 ? errhint("Use a SELECT that casts it to double precision, or give rating_col => NULL to count every row as 1.")
				 : errhint("Use a SELECT that casts it to double precision.")));
	}
	return getBaseType(type);
}

/* Which of the two a text is. */
static void
resolve(RecmfSource *source, const char *text)
{
	static const char *const reading[] = {"select", "with", "values", "table", NULL};

	if (first_word_is_one_of(text, reading))
		source->query = recmf_single_select(pstrdup(text), "source", "Give a table, a view or a SELECT.");
	else
		source->table = find_relation(text);
}

/* The columns of the source, without reading a row. */
static TupleDesc
columns_of(const RecmfSource *source)
{
	SPIPlanPtr	plan = prepare(psprintf("SELECT * %s", recmf_source_from(source)), 0, NULL, 0);
	TupleDesc	columns = CreateTupleDescCopy(((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc);

	SPI_freeplan(plan);
	return columns;
}

char *
recmf_source_resolve(const char *text, TupleDesc *columns)
{
	RecmfSource source = {0};

	resolve(&source, text);
	*columns = columns_of(&source);
	return recmf_source_from(&source);
}

RecmfSource *
recmf_source_open(const char *text, const char *user_col, const char *item_col, const char *rating_col,
				  const char *weight_col)
{
	RecmfSource *source = palloc0(sizeof(RecmfSource));
	SPIPlanPtr	plan;
	TupleDesc	columns;

	resolve(source, text);
	source->search_path = pstrdup(GetConfigOption("search_path", false, false));
	source->user_col = pstrdup(user_col);
	source->item_col = pstrdup(item_col);
	source->rating_col = rating_col ? pstrdup(rating_col) : NULL;
	source->weight_col = weight_col ? pstrdup(weight_col) : NULL;

	plan = prepare(psprintf("SELECT * %s", recmf_source_from(source)), 0, NULL, 0);
	columns = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;

	check_id_column(TupleDescAttr(columns, recmf_source_column(columns, user_col, "user_col")), "user_id",
					&source->user_type, &source->user_collation);
	check_id_column(TupleDescAttr(columns, recmf_source_column(columns, item_col, "item_col")), "item_id",
					&source->item_type, &source->item_collation);
	source->rating_type = check_number_column(columns, rating_col, "rating_col");
	source->weight_type = check_number_column(columns, weight_col, "weight_col");
	SPI_freeplan(plan);
	return source;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc columns)
{
}

static bool
receiver_take(TupleTableSlot *slot, DestReceiver *self)
{
	recmf_rows_take(((RowsReceiver *) self)->rows, slot);
	return true;
}

static void
receiver_shutdown(DestReceiver *self)
{
}

static void
receiver_destroy(DestReceiver *self)
{
}

/* Adds a column of numbers to the SELECT list, and to the shape by what it is there. */
static void
add_number_column(StringInfo statement, const char *column, Oid type, int *n_columns,
				  AttrNumber *shape_column, Oid *shape_type)
{
	bool		as_it_is = recmf_rows_reads(type);

	if (column == NULL)
		return;
	appendStringInfo(statement, as_it_is ? ", s.%s" : ", (s.%s)::pg_catalog.float8", quote_identifier(column));
	*shape_column = ++*n_columns;
	*shape_type = as_it_is ? type : FLOAT8OID;
}

/*
 * The table that a plan scans from end to end and takes plain columns of, or
 * InvalidOid; *shape is changed from places in the result to those columns.
 */
static Oid
scanned_table(const PlannedStmt *statement, RecmfRowShape *shape)
{
	const SeqScan *scan = (const SeqScan *) statement->planTree;
	AttrNumber *places[] = {&shape->user_column, &shape->item_column, &shape->rating_column, &shape->weight_column};
	const RangeTblEntry *entry;
	int			i;

	if (!IsA(scan, SeqScan) || statement->subplans != NIL || statement->rowMarks != NIL ||
		scan->scan.plan.qual != NIL || scan->scan.plan.initPlan != NIL)
		return InvalidOid;
	entry = rt_fetch(scan->scan.scanrelid, statement->rtable);
	if (entry->rtekind != RTE_RELATION || (entry->relkind != RELKIND_RELATION && entry->relkind != RELKIND_MATVIEW))
		return InvalidOid;
	for (i = 0; i < lengthof(places); i++)
	{
		const TargetEntry *target;

		if (*places[i] == 0)
			continue;
		target = list_nth_node(TargetEntry, scan->scan.plan.targetlist, *places[i] - 1);
		if (!IsA(target->expr, Var) || ((const Var *) target->expr)->varattno <= 0)
			return InvalidOid;
		*places[i] = ((const Var *) target->expr)->varattno;
	}
	return entry->relid;
}

/* Reads a table that the plan scans as a whole; false if it does something else. */
static bool
read_table(SPIPlanPtr plan, const RecmfRowShape *result_shape, RecmfDataset *dataset)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	RecmfRowShape shape = *result_shape;
	const PlannedStmt *statement;
	Oid			table = InvalidOid;
	Relation	relation;
	bool		scannable;

	if (cached == NULL)
		return false;
	statement = linitial_node(PlannedStmt, cached->stmt_list);
	if (list_length(cached->stmt_list) == 1)
		table = scanned_table(statement, &shape);
	if (!OidIsValid(table))
	{
		ReleaseCachedPlan(cached, NULL);	/* an unsaved plan has no owner */
		return false;
	}

	/* what the executor does before it scans; a materialized view without data is left for it to refuse */
	recmf_check_permissions(statement);
	relation = table_open(table, AccessShareLock);
	scannable = RelationIsScannable(relation);
	if (scannable)
		recmf_scan_table(relation, &shape, dataset);
	table_close(relation, NoLock);
	ReleaseCachedPlan(cached, NULL);
	return scannable;
}

/* Runs the plan. */
static void
read_result(SPIPlanPtr plan, const RecmfRowShape *shape, RecmfDataset *dataset)
{
	RowsReceiver receiver = {
		.pub = {
			.receiveSlot = receiver_take,
			.rStartup = receiver_startup,
			.rShutdown = receiver_shutdown,
			.rDestroy = receiver_destroy,
			.mydest = DestNone,
		},
		.rows = recmf_rows_create(shape, dataset->users, dataset->items, &dataset->skipped, recmf_dataset_take_rows, dataset),
	};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.pub};
	bool		read_only;
	int			result;

	/*
	 * The variable itself and not the setting, which 17 does not allow to be
	 * set for a part of a transaction.  After an error the end of the
	 * (sub)transaction puts it back.
	 */
	read_only = XactReadOnly;
	XactReadOnly = true;
	result = SPI_execute_plan_extended(plan, &options);
	XactReadOnly = read_only;
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not read the source: %s", SPI_result_code_string(result))));
	recmf_rows_flush(receiver.rows);
}

bool
recmf_source_has_column(const RecmfSource *source, const char *name)
{
	TupleDesc	columns = columns_of(source);
	bool		found = false;
	int			i;

	for (i = 0; i < columns->natts && !found; i++)
		found = strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0;
	return found;
}

void
recmf_source_read(const RecmfSource *source, RecmfDataset *dataset)
{
	RecmfRowShape shape = {
		.user_type = source->user_type, .user_column = 1,
		.item_type = source->item_type, .item_column = 2,
		.feedback = dataset->feedback,
	};
	StringInfoData statement;
	SPIPlanPtr	plan;
	int			n_columns = 2;

	initStringInfo(&statement);
	appendStringInfo(&statement, "SELECT s.%s, s.%s", quote_identifier(source->user_col),
					 quote_identifier(source->item_col));
	add_number_column(&statement, source->rating_col, source->rating_type, &n_columns,
					  &shape.rating_column, &shape.rating_type);
	add_number_column(&statement, source->weight_col, source->weight_type, &n_columns,
					  &shape.weight_column, &shape.weight_type);
	appendStringInfo(&statement, " %s", recmf_source_from(source));
	plan = prepare(statement.data, 0, NULL, CURSOR_OPT_PARALLEL_OK);
	if (!read_table(plan, &shape, dataset))
		read_result(plan, &shape, dataset);
	SPI_freeplan(plan);
	recmf_progress_rows(dataset->n_triples + recmf_dataset_skipped(dataset));
}

char *
recmf_source_newest(const RecmfSource *source, const char *time_col, RecmfNewest which, double share)
{
	TupleDesc	columns = columns_of(source);
	Oid			type = TupleDescAttr(columns, recmf_source_column(columns, time_col, "time_col"))->atttypid;
	char		category = TypeCategory(getBaseType(type));
	StringInfoData text;

	if (category != TYPCATEGORY_DATETIME && category != TYPCATEGORY_NUMERIC)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, but time_col must be a date, a time or a number",
						time_col, format_type_be(type))));

	initStringInfo(&text);
	appendStringInfo(&text,
					 "WITH pair AS MATERIALIZED ("
					 "SELECT s.%s AS u, s.%s AS i, pg_catalog.min(s.%s) AS t %s"
					 " WHERE s.%s IS NOT NULL AND s.%s IS NOT NULL AND s.%s IS NOT NULL GROUP BY 1, 2) ",
					 quote_identifier(source->user_col), quote_identifier(source->item_col),
					 quote_identifier(time_col), recmf_source_from(source),
					 quote_identifier(source->user_col), quote_identifier(source->item_col),
					 quote_identifier(time_col));
	if (which == RECMF_NEWEST_OF_USER)
		appendStringInfoString(&text,
							   "SELECT DISTINCT ON (p.u) p.u, p.i FROM pair p"
							   " ORDER BY p.u, p.t DESC, pg_catalog.hashtext(p.i::pg_catalog.text), p.i");
	else
		appendStringInfo(&text,
						 "SELECT p.u, p.i FROM pair p WHERE p.t OPERATOR(pg_catalog.>)"
						 " (SELECT pg_catalog.percentile_disc(%.17g) WITHIN GROUP (ORDER BY o.t) FROM pair o)",
						 1 - share);
	return text.data;
}

static int64
expected_rows(const RecmfSource *source, const char *select)
{
	SPIPlanPtr	plan = prepare(psprintf("SELECT %s %s", select, recmf_source_from(source)), 0, NULL, 0);
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	double		rows = 0;

	if (cached != NULL)
	{
		rows = linitial_node(PlannedStmt, cached->stmt_list)->planTree->plan_rows;
		ReleaseCachedPlan(cached, NULL);	/* an unsaved plan has no owner */
	}
	SPI_freeplan(plan);
	return (int64) Min(rows, 1e15);
}

void
recmf_source_estimate(const RecmfSource *source, int64 *n_rows, int64 *n_users, int64 *n_items)
{
	*n_rows = expected_rows(source, "1");
	*n_users = expected_rows(source, psprintf("DISTINCT s.%s", quote_identifier(source->user_col)));
	*n_items = expected_rows(source, psprintf("DISTINCT s.%s", quote_identifier(source->item_col)));
}

/* A large table that a plan scans for a column equal to a parameter. */
typedef struct SlowScan
{
	const PlannedStmt *statement;
	Oid			table;
	AttrNumber	column;
} SlowScan;

/* The column of a qual "column = $1", or 0. */
static AttrNumber
parameter_column(List *quals)
{
	ListCell   *cell;

	foreach(cell, quals)
	{
		OpExpr	   *comparison = lfirst(cell);
		Node	   *sides[2];
		int			i;

		if (!IsA(comparison, OpExpr) || list_length(comparison->args) != 2)
			continue;
		sides[0] = strip_implicit_coercions(linitial(comparison->args));
		sides[1] = strip_implicit_coercions(lsecond(comparison->args));
		for (i = 0; i < 2; i++)
		{
			if (IsA(sides[i], Var) && ((Var *) sides[i])->varattno > 0 && IsA(sides[1 - i], Param))
				return ((Var *) sides[i])->varattno;
		}
	}
	return 0;
}

static void
find_slow_scan(const Plan *plan, SlowScan *scan)
{
	List	   *children = NIL;
	ListCell   *cell;

	if (plan == NULL || OidIsValid(scan->table))
		return;
	if (IsA(plan, SeqScan))
	{
		Index		number = ((const SeqScan *) plan)->scan.scanrelid;
		const RangeTblEntry *entry = rt_fetch(number, scan->statement->rtable);
		AttrNumber	column = parameter_column(plan->qual);
		Relation	relation;

		if (column == 0)
			return;
		relation = relation_open(entry->relid, AccessShareLock);
		if (RelationGetNumberOfBlocks(relation) >= SMALL_TABLE_BLOCKS)
		{
			scan->table = entry->relid;
			scan->column = column;
		}
		relation_close(relation, AccessShareLock);
		return;
	}
	if (IsA(plan, Append))
		children = ((const Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		children = ((const MergeAppend *) plan)->mergeplans;
	else if (IsA(plan, SubqueryScan))
		find_slow_scan(((const SubqueryScan *) plan)->subplan, scan);
	foreach(cell, children)
		find_slow_scan(lfirst(cell), scan);
	find_slow_scan(plan->lefttree, scan);
	find_slow_scan(plan->righttree, scan);
}

void
recmf_source_warn_slow_lookup(const RecmfSource *source)
{
	SPIPlanPtr	plan;
	CachedPlan *cached;
	SlowScan	scan = {0};
	Oid			types[1] = {source->user_type};
	ListCell   *cell;

	/* varchar has no operators of its own */
	if (types[0] == VARCHAROID)
		types[0] = TEXTOID;
	plan = prepare(psprintf("SELECT s.%s %s WHERE s.%s OPERATOR(pg_catalog.=) $1",
							quote_identifier(source->item_col), recmf_source_from(source),
							quote_identifier(source->user_col)),
				   1, types, CURSOR_OPT_GENERIC_PLAN);
	cached = SPI_plan_get_cached_plan(plan);
	if (cached != NULL)
	{
		scan.statement = linitial_node(PlannedStmt, cached->stmt_list);
		find_slow_scan(scan.statement->planTree, &scan);
		foreach(cell, scan.statement->subplans)
			find_slow_scan(lfirst(cell), &scan);
		ReleaseCachedPlan(cached, NULL);	/* an unsaved plan has no owner */
	}
	SPI_freeplan(plan);

	if (OidIsValid(scan.table))
	{
		/* a partition is indexed through the table that it belongs to */
		Oid			table = OidIsValid(source->table) && get_rel_relkind(source->table) == RELKIND_PARTITIONED_TABLE
			? source->table : scan.table;
		bool		direct = table == source->table;
		const char *column = direct ? source->user_col : get_attname(scan.table, scan.column, false);

		ereport(WARNING,
				(errmsg("finding the items that a user has needs a scan of all of %s", recmf_qualified_name(table)),
				 errdetail("Serving functions leave them out of what they recommend, so every call pays for it."),
				 errhint("Run: CREATE INDEX ON %s (%s%s%s);", recmf_qualified_name(table),
						 quote_identifier(column),
						 direct ? ", " : "",
						 direct ? quote_identifier(source->item_col) : "")));
	}
}
