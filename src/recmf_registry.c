/*
 * recmf_registry.c
 *	  Which model a call means, and whether its caller may use it.
 *
 * A model is a row of recmf_models and two ordinary tables.  Anybody can write
 * a row (his own), so nothing in a row is believed: the tables are opened and
 * checked to be tables whose columns have the types that training gives them,
 * since an operator or cast on a type of somebody else's would run his code
 * with the caller's rights.
 *
 * Naming a model is consent to run what it reads: its source may be a view or
 * a query of its owner.  A model that nobody named is therefore taken only
 * when there is a single one that the caller may read and that runs no code
 * but that of roles whom the caller trusts anyway (see role_is_trusted()).
 *
 * Everything runs as the caller, on the active snapshot.  Locks: AccessShare
 * on recmf_models and the model's two tables until the end of the transaction,
 * as for any query.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "recmf_names.h"
#include "recmf_options.h"
#include "recmf_plans.h"
#include "recmf_registry.h"

/* The most models that an error message lists. */
#define MAX_LISTED 10

/* ------------------------------------------------------------------------
 * Who may use a model, and whose code it runs
 * ------------------------------------------------------------------------
 */

/* SELECT on the table or on some column of it; which columns, the statement will see. */
bool
recmf_may_select(Oid relation)
{
	Oid			role = GetUserId();

	return pg_class_aclcheck(relation, role, ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relation, role, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
}

/*
 * Roles whose code the caller runs without asking: himself and the roles that
 * he is a member of, superusers, and the owner of the database.  A superuser
 * is not held to be a member of every role here: what he runs for others
 * matters most.
 */
static bool
role_is_trusted(Oid role)
{
	HeapTuple	tuple;
	bool		trusted = false;

	if (is_member_of_role_nosuper(GetUserId(), role) || superuser_arg(role))
		return true;

	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	if (HeapTupleIsValid(tuple))
	{
		trusted = ((Form_pg_database) GETSTRUCT(tuple))->datdba == role;
		ReleaseSysCache(tuple);
	}
	return trusted;
}

/* Whether reading a relation runs no code but that of trusted roles: views and row policies are code. */
static bool
relation_is_trusted(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class form;
	bool		trusted;

	if (!HeapTupleIsValid(tuple))
		return true;			/* gone: nothing runs, and an error will say so */
	form = (Form_pg_class) GETSTRUCT(tuple);
	trusted = (form->relkind != RELKIND_VIEW && !form->relrowsecurity) ||
		role_is_trusted(form->relowner);
	ReleaseSysCache(tuple);
	return trusted;
}

/* ------------------------------------------------------------------------
 * A model's row and tables
 * ------------------------------------------------------------------------
 */

/* In the order of model_columns. */
enum
{
	COLUMN_MODEL,
	COLUMN_VERSION,
	COLUMN_OWNER,
	COLUMN_FEEDBACK,
	COLUMN_SETTINGS,
	COLUMN_N_USERS,
	COLUMN_N_ITEMS,
	COLUMN_N_RATINGS,
	COLUMN_RATING_MEAN,
	COLUMN_RATING_MIN,
	COLUMN_RATING_MAX,
	COLUMN_ITEMS,
	COLUMN_USERS,
	COLUMN_SOURCE,
	COLUMN_SOURCE_TABLE,
	COLUMN_SOURCE_SEARCH_PATH,
	COLUMN_USER_COL,
	COLUMN_ITEM_COL,
	COLUMN_RATING_COL
};

static const char model_columns[] =
"m.model, m.version, m.owner, m.feedback, m.settings, m.n_users, m.n_items, m.n_ratings,"
" m.rating_mean, m.rating_min, m.rating_max, m.items, m.users, m.source, m.source_table,"
" m.source_search_path, m.user_col, m.item_col, m.rating_col";

/* The row as it was read; what can fail in making sense of it waits until the statement is over. */
typedef struct ModelRow
{
	RecmfModel *model;			/* NULL: no such row */
	char	   *feedback;
	Jsonb	   *settings;
	rmf_csr_stats ratings;
} ModelRow;

static void
settings_context(void *arg)
{
	errcontext("settings of model \"%s\" in %s.recmf_models",
			   ((const RecmfModel *) arg)->name, recmf_schema());
}

/* The problem that training solved, from the settings that it resolved. */
static void
set_problem(RecmfModel *model, const ModelRow *row)
{
	RecmfOptions options;
	ErrorContextCallback context;

	context.callback = settings_context;
	context.arg = model;
	context.previous = error_context_stack;
	error_context_stack = &context;

	recmf_options_init(&options);
	recmf_options_set(&options, "feedback", row->feedback);
	recmf_options_set_jsonb(&options, row->settings);
	rmf_problem_init(&model->problem, &options.settings, &row->ratings);

	error_context_stack = context.previous;
}

static void
read_model(TupleTableSlot *slot, ModelRow *row)
{
	RecmfModel *model = palloc0(sizeof(RecmfModel));

	row->model = model;
	row->feedback = TextDatumGetCString(slot->tts_values[COLUMN_FEEDBACK]);
	row->settings = (Jsonb *) PG_DETOAST_DATUM_COPY(slot->tts_values[COLUMN_SETTINGS]);
	row->ratings.n_entries = DatumGetInt64(slot->tts_values[COLUMN_N_RATINGS]);
	row->ratings.mean = DatumGetFloat8(slot->tts_values[COLUMN_RATING_MEAN]);
	row->ratings.sum = row->ratings.mean * (double) row->ratings.n_entries;
	row->ratings.min = DatumGetFloat8(slot->tts_values[COLUMN_RATING_MIN]);
	row->ratings.max = DatumGetFloat8(slot->tts_values[COLUMN_RATING_MAX]);

	model->name = TextDatumGetCString(slot->tts_values[COLUMN_MODEL]);
	model->version = DatumGetInt32(slot->tts_values[COLUMN_VERSION]);
	model->owner = DatumGetObjectId(slot->tts_values[COLUMN_OWNER]);
	model->n_users = DatumGetInt64(slot->tts_values[COLUMN_N_USERS]);
	model->n_items = DatumGetInt64(slot->tts_values[COLUMN_N_ITEMS]);
	model->rating_min = row->ratings.min;
	model->rating_max = row->ratings.max;
	model->items = DatumGetObjectId(slot->tts_values[COLUMN_ITEMS]);
	model->users = DatumGetObjectId(slot->tts_values[COLUMN_USERS]);

	if (slot->tts_isnull[COLUMN_SOURCE_TABLE])
	{
		model->source_query = TextDatumGetCString(slot->tts_values[COLUMN_SOURCE]);
		model->source_search_path =
			TextDatumGetCString(slot->tts_values[COLUMN_SOURCE_SEARCH_PATH]);
	}
	else
		model->source_table = DatumGetObjectId(slot->tts_values[COLUMN_SOURCE_TABLE]);
	model->user_col = TextDatumGetCString(slot->tts_values[COLUMN_USER_COL]);
	model->item_col = TextDatumGetCString(slot->tts_values[COLUMN_ITEM_COL]);
	if (!slot->tts_isnull[COLUMN_RATING_COL])
		model->rating_col = TextDatumGetCString(slot->tts_values[COLUMN_RATING_COL]);
}

static bool
take_model(TupleTableSlot *slot, void *arg)
{
	read_model(slot, (ModelRow *) arg);
	return false;
}

/* What the choice of a model without a name has seen so far. */
typedef struct Candidates
{
	int			n_usable;
	int			n_untrusted;
	int			n_forbidden;
	ModelRow	only;			/* the first usable one */
	StringInfoData usable;		/* lists for messages */
	StringInfoData untrusted;
	StringInfoData forbidden;
} Candidates;

static void
list_model(StringInfo list, int *n, const char *name)
{
	if (*n < MAX_LISTED)
		appendStringInfo(list, "%s\"%s\"", *n > 0 ? ", " : "", name);
	else if (*n == MAX_LISTED)
		appendStringInfoString(list, ", ...");
	(*n)++;
}

static bool
take_candidate(TupleTableSlot *slot, void *arg)
{
	Candidates *candidates = (Candidates *) arg;
	char	   *name = TextDatumGetCString(slot->tts_values[COLUMN_MODEL]);
	Oid			owner = DatumGetObjectId(slot->tts_values[COLUMN_OWNER]);
	Oid			items = DatumGetObjectId(slot->tts_values[COLUMN_ITEMS]);
	Oid			users = DatumGetObjectId(slot->tts_values[COLUMN_USERS]);
	bool		trusted;

	/* Tables that are gone leave a model that nobody can use. */
	if (get_rel_relkind(items) == '\0' || get_rel_relkind(users) == '\0')
		return true;

	trusted = relation_is_trusted(items) && relation_is_trusted(users) &&
		(slot->tts_isnull[COLUMN_SOURCE_TABLE] ? role_is_trusted(owner) :
		 relation_is_trusted(DatumGetObjectId(slot->tts_values[COLUMN_SOURCE_TABLE])));

	if (!recmf_may_select(items) || !recmf_may_select(users))
		list_model(&candidates->forbidden, &candidates->n_forbidden, name);
	else if (!trusted)
		list_model(&candidates->untrusted, &candidates->n_untrusted, name);
	else
	{
		if (candidates->n_usable == 0)
			read_model(slot, &candidates->only);
		list_model(&candidates->usable, &candidates->n_usable, name);
	}
	return true;
}

/* The model that a call without a name means; one statement finds and reads it. */
static void
only_model(ModelRow *row)
{
	Candidates	candidates;
	RecmfStatement statement;

	memset(&candidates, 0, sizeof(candidates));
	initStringInfo(&candidates.usable);
	initStringInfo(&candidates.untrusted);
	initStringInfo(&candidates.forbidden);

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT %s FROM %s.recmf_models m WHERE m.active ORDER BY m.model",
							  model_columns, recmf_schema());
	recmf_statement_run(&statement, take_candidate, &candidates);

	if (candidates.n_usable > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is more than one model to use"),
				 errdetail("Models: %s.", candidates.usable.data),
				 errhint("Name one with model => %s, or set it for the session: SET recmf.model = %s.",
						 quote_literal_cstr(candidates.only.model->name),
						 quote_literal_cstr(candidates.only.model->name))));
	if (candidates.n_usable == 1)
	{
		*row = candidates.only;
		return;
	}

	if (candidates.n_untrusted > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no model to use"),
				 errdetail("These models read a view, a query or a table with row security of another role,"
						   " whose code would run as you: %s.", candidates.untrusted.data),
				 errhint("If you trust its owner, name the model with model => or set recmf.model.")));
	if (candidates.n_forbidden > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no model to use"),
				 errdetail("You have no SELECT privilege on the tables of %s.",
						   candidates.forbidden.data),
				 errhint("Name the model with model => to see which privileges are missing.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no model to use"),
			 errhint("Train one: SELECT * FROM train_model('shop', 'orders').")));
}

/* The type of a column of an open table, domains looked through; an error if it has none. */
static Oid
column_type(Relation table, const char *column, const RecmfModel *model)
{
	AttrNumber	number = get_attnum(RelationGetRelid(table), column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" of model \"%s\" has no column \"%s\"",
						RelationGetRelationName(table), model->name, column),
				 errhint("Train the model again with train_model().")));
	return getBaseType(TupleDescAttr(RelationGetDescr(table), number - 1)->atttypid);
}

/*
 * Locks and checks one of a model's two tables and returns the type of its
 * ids: a table of its own with the columns that training makes, of exactly
 * their types.
 */
static Oid
check_table(const RecmfModel *model, Oid relation, const char *what, const char *id_column)
{
	Relation	table = try_relation_open(relation, AccessShareLock);
	char		kind;
	Oid			id_type;

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the table of %s of model \"%s\" does not exist any more", what, model->name),
				 errhint("Train the model again with train_model(), or remove it: SELECT drop_model(%s).",
						 quote_literal_cstr(model->name))));

	kind = table->rd_rel->relkind;
	if ((kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) ||
		table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\", which model \"%s\" names for its %s, is not a permanent table",
						RelationGetRelationName(table), model->name, what),
				 errhint("Train the model again with train_model().")));

	id_type = column_type(table, id_column, model);
	if (column_type(table, "factor", model) != recmf_factor_type() ||
		column_type(table, "n_ratings", model) != INT4OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the columns of table \"%s\" of model \"%s\" are not of the types that training gives them",
						RelationGetRelationName(table), model->name),
				 errhint("Train the model again with train_model().")));

	relation_close(table, NoLock);
	return id_type;
}

static void
check_tables(RecmfModel *model)
{
	model->item_type = check_table(model, model->items, "items", "item_id");
	model->user_type = check_table(model, model->users, "users", "user_id");
	model->item_kind = recmf_id_kind(model->item_type, "item_id");
	model->user_kind = recmf_id_kind(model->user_type, "user_id");
}

/* False: it is gone. */
static bool
lock_table(Oid relation)
{
	Relation	table = try_relation_open(relation, AccessShareLock);

	if (table == NULL)
		return false;
	relation_close(table, NoLock);
	return true;
}

static void
check_privileges(const RecmfModel *model)
{
	if (recmf_may_select(model->items) && recmf_may_select(model->users))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", model->name),
			 errhint("Its owner can run: GRANT SELECT ON %s, %s TO %s. Later versions inherit the grant.",
					 recmf_qualified_name(model->items), recmf_qualified_name(model->users),
					 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

/* The active version of a model that was named. */
static void
named_model(const char *name, bool by_setting, ModelRow *row)
{
	RecmfStatement statement;

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT %s FROM %s.recmf_models m"
							  " WHERE m.model OPERATOR(pg_catalog.=) $1 AND m.active",
							  model_columns, recmf_schema());
	recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(name));
	recmf_statement_run(&statement, take_model, row);

	if (row->model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", name),
				 by_setting ? errdetail("The name comes from the setting recmf.model.") : 0,
				 errhint("The table %s.recmf_models lists the models; train_model() makes one.",
						 recmf_schema())));
}

RecmfModel *
recmf_model_lookup(const char *name)
{
	RecmfModel *model;
	ModelRow	row;

	memset(&row, 0, sizeof(row));
	if (name != NULL)
		named_model(name, false, &row);
	else if (recmf_model_setting != NULL && recmf_model_setting[0] != '\0')
		named_model(recmf_model_setting, true, &row);
	else
		only_model(&row);

	model = row.model;
	set_problem(model, &row);
	check_tables(model);
	check_privileges(model);
	return model;
}

RecmfModel *
recmf_model_lookup_before(const RecmfModel *model)
{
	ModelRow	row;
	RecmfStatement statement;

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT %s FROM %s.recmf_models m"
							  " WHERE m.model OPERATOR(pg_catalog.=) $1 AND m.version OPERATOR(pg_catalog.<) $2"
							  " ORDER BY m.version DESC LIMIT 1",
							  model_columns, recmf_schema());
	recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(model->name));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(model->version));
	memset(&row, 0, sizeof(row));
	recmf_statement_run(&statement, take_model, &row);

	/* Another session's training may drop the tables until they are locked. */
	if (row.model == NULL || !lock_table(row.model->items) || !lock_table(row.model->users) ||
		!recmf_may_select(row.model->items) || !recmf_may_select(row.model->users))
		return NULL;
	set_problem(row.model, &row);
	check_tables(row.model);
	return row.model;
}

/* ------------------------------------------------------------------------
 * The Gram matrix
 * ------------------------------------------------------------------------
 */

typedef struct GramMatrix
{
	int64		n;				/* how many numbers there must be */
	float	   *values;			/* NULL: not there, or not of that size */
} GramMatrix;

static bool
take_gram(TupleTableSlot *slot, void *arg)
{
	GramMatrix *gram = (GramMatrix *) arg;
	ArrayType  *array;

	if (slot->tts_isnull[0])
		return false;
	array = DatumGetArrayTypeP(slot->tts_values[0]);
	if (ARR_ELEMTYPE(array) == FLOAT4OID && !ARR_HASNULL(array) &&
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == gram->n)
	{
		gram->values = palloc(sizeof(float) * gram->n);
		memcpy(gram->values, ARR_DATA_PTR(array), sizeof(float) * gram->n);
	}
	return false;
}

float *
recmf_model_gram(const RecmfModel *model, rmf_side side)
{
	RecmfStatement statement;
	GramMatrix	gram;

	gram.n = (int64) rmf_gram_width(&model->problem) * rmf_gram_width(&model->problem);
	gram.values = NULL;

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT m.%s FROM %s.recmf_models m"
							  " WHERE m.model OPERATOR(pg_catalog.=) $1"
							  " AND m.version OPERATOR(pg_catalog.=) $2",
							  side == RMF_USERS ? "gram_users" : "gram_items", recmf_schema());
	recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(model->name));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(model->version));
	recmf_statement_run(&statement, take_gram, &gram);

	if (gram.values == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model \"%s\" has no Gram matrix of %d x %d for folding in",
						model->name, rmf_gram_width(&model->problem), rmf_gram_width(&model->problem)),
				 errhint("Train the model again with train_model().")));
	return gram.values;
}
