/*
 * recmf_store.c
 *	  A fitted model as ordinary tables and a row of the registry.
 *
 * A version is two tables, <model>_items_<version> and <model>_users_<version>,
 * in the caller's schema, owned by the owner of the model.  Views without the
 * version in their names show the active one.  Phases of a write: create both
 * tables, fill them by multi-inserts, index them, carry over the grants and
 * policies of the version before, point the views at them, switch the
 * registry, and drop what is two versions old.
 *
 * Locks: the name of the model by an advisory lock for the transaction; the
 * views exclusively from the switch to the commit.  The tables of the version
 * that is being replaced are not locked against readers and stay, so that a
 * session which looked them up a moment ago still finds them.  Older ones are
 * dropped where their lock is free; else the next training does it.
 *
 * Memory: rows are formed in batches in a context that each batch resets.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "core/rmf_random.h"
#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_names.h"
#include "recmf_registry.h"
#include "recmf_store.h"

#define BATCH_ROWS 256
#define CLASS_OF_LOCK 0x5265636D	/* the first key of the advisory lock: "Recm" */

/* Runs one statement of ours; only what reads through the registry needs arguments. */
static void
run(const char *statement)
{
	int			result = SPI_execute(statement, false, 0);

	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run \"%s\": %s", statement, SPI_result_code_string(result))));
}

static void
run_with_args(const char *statement, int n_args, Oid *types, Datum *values, const char *nulls, int expected)
{
	int			result = SPI_execute_with_args(statement, n_args, types, values, nulls, false, 0);

	if (result != expected)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run \"%s\": %s", statement, SPI_result_code_string(result))));
}

/* Runs a query over the old table $1 whose rows are statements, then runs these. */
static void
run_generated(const char *generator, Oid old_table, const char *new_table)
{
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(old_table), CStringGetTextDatum(new_table)};
	SPITupleTable *statements;
	uint64		n;
	uint64		i;

	run_with_args(generator, 2, types, values, NULL, SPI_OK_SELECT);
	statements = SPI_tuptable;
	n = SPI_processed;
	for (i = 0; i < n; i++)
		run(SPI_getvalue(statements->vals[i], statements->tupdesc, 1));
	SPI_freetuptable(statements);
}

static Oid
get_oid(HeapTuple tuple, TupleDesc columns, int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, columns, number, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/* One trainer of a name at a time; held to the end of the transaction. */
static void
lock_name(const char *model)
{
	int32		key = (int32) rmf_hash_bytes(model, strlen(model), 0);

	if (!DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_int4,
										  Int32GetDatum(CLASS_OF_LOCK), Int32GetDatum(key))))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("model \"%s\" is being trained or dropped by another session", model),
				 errhint("Wait until that transaction ends.")));
}

/* A relation that the registry names, unless it was dropped behind its back. */
static Oid
existing(Oid relation)
{
	return OidIsValid(relation) && get_rel_name(relation) != NULL ? relation : InvalidOid;
}

static void
check_id_type(const char *model, Oid table, const char *column, Oid new_type)
{
	Oid			old_type;

	if (!OidIsValid(table))
		return;
	old_type = get_atttype(table, get_attnum(table, column));
	if (old_type != new_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("model \"%s\" has %s of type %s, the source has type %s",
						model, column, format_type_be(old_type), format_type_be(new_type)),
				 errhint("Train under another name, or run drop_model(%s) first.",
						 quote_literal_cstr(model))));
}

/* What the registry says of a name; the caller must have the owner's privileges. */
static RecmfStored *
look_up(const char *model)
{
	RecmfStored *stored = palloc0(sizeof(RecmfStored));
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(model)};

	stored->name = pstrdup(model);
	run_with_args(psprintf("SELECT n.owner::pg_catalog.oid, pg_catalog.max(m.version),"
						   " pg_catalog.max(m.items::pg_catalog.oid) FILTER (WHERE m.active),"
						   " pg_catalog.max(m.users::pg_catalog.oid) FILTER (WHERE m.active),"
						   " pg_catalog.max(m.items_view::pg_catalog.oid) FILTER (WHERE m.active),"
						   " pg_catalog.max(m.users_view::pg_catalog.oid) FILTER (WHERE m.active)"
						   " FROM %s.recmf_model_names n LEFT JOIN %s.recmf_models m"
						   " ON m.model OPERATOR(pg_catalog.=) n.model"
						   " WHERE n.model OPERATOR(pg_catalog.=) $1 GROUP BY n.owner",
						   recmf_schema(), recmf_schema()),
				  1, types, values, NULL, SPI_OK_SELECT);
	stored->exists = SPI_processed > 0;
	if (stored->exists)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	columns = SPI_tuptable->tupdesc;
		bool		isnull;

		stored->owner = get_oid(row, columns, 1);
		stored->last_version = DatumGetInt32(SPI_getbinval(row, columns, 2, &isnull));
		if (isnull)
			stored->last_version = 0;
		stored->items = existing(get_oid(row, columns, 3));
		stored->users = existing(get_oid(row, columns, 4));
		stored->items_view = existing(get_oid(row, columns, 5));
		stored->users_view = existing(get_oid(row, columns, 6));
		if (!has_privs_of_role(GetUserId(), stored->owner))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be owner of model \"%s\"", model),
					 errdetail("It belongs to role \"%s\".", GetUserNameFromId(stored->owner, false)),
					 errhint("Use another name, or SET ROLE to that role.")));
	}
	else
		stored->owner = GetUserId();
	SPI_freetuptable(SPI_tuptable);
	return stored;
}

/*
 * <model><suffix> as a name that fits.  A model's name that has to be cut
 * keeps apart from others by a hash of the whole.
 */
static char *
relation_name(const RecmfStored *stored, const char *suffix)
{
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
	int			length = (int) strlen(stored->name);

	if (length <= room)
		return psprintf("%s%s", stored->name, suffix);
	return psprintf("%.*s_%08x%s", pg_mbcliplen(stored->name, length, room - 9), stored->name,
					(uint32) rmf_hash_bytes(stored->name, length, 0), suffix);
}

static char *
qualified(const RecmfStored *stored, const char *name)
{
	return quote_qualified_identifier(get_namespace_name(stored->schema), name);
}

/* Before anything is trained: is there a relation where a table or view is to be made? */
static void
check_name_is_free(const RecmfStored *stored, const char *kind, const char *what, const char *suffix)
{
	char	   *name = relation_name(stored, suffix);

	if (OidIsValid(get_relname_relid(name, stored->schema)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation %s already exists", qualified(stored, name)),
				 errdetail("The model's %s of its %s would have this name.", kind, what),
				 errhint("Train under another name, or in another schema (the first of search_path).")));
}

static void
check_names_are_free(const RecmfStored *stored)
{
	static const char *const what[2] = {"items", "users"};
	const Oid	views[2] = {stored->items_view, stored->users_view};
	int			i;

	for (i = 0; i < 2; i++)
	{
		check_name_is_free(stored, "table", what[i], psprintf("_%s_%d", what[i], stored->last_version + 1));
		if (!OidIsValid(views[i]))
			check_name_is_free(stored, "view", what[i], psprintf("_%s", what[i]));
	}
}

RecmfStored *
recmf_store_open(const char *model, const RecmfSource *source)
{
	RecmfStored *stored;
	Oid			creation_schema = RangeVarGetCreationNamespace(makeRangeVar(NULL, pstrdup(model), -1));
	int			path = recmf_pin_search_path(NULL);

	lock_name(model);
	stored = look_up(model);
	check_id_type(model, stored->items, "item_id", source->item_type);
	check_id_type(model, stored->users, "user_id", source->user_type);
	recmf_unpin_search_path(path);

	stored->schema = OidIsValid(stored->items)
		? get_rel_namespace(stored->items)
		: creation_schema;
	recmf_check_create_in_schema(stored->schema);
	check_names_are_free(stored);
	return stored;
}

/* Everything that one of the two tables needs. */
typedef struct Side
{
	const char *what;			/* "items" or "users" */
	const char *id_column;
	RecmfIds   *ids;
	Oid			id_collation;
	const float *rows;
	const float *features;		/* n x n_features: second vectors; NULL: none */
	int32		n_features;
	int32		bias_position;	/* -1: no biases */
	const int32 *counts;		/* of each row's ratings */
	Oid			old_table;
	Oid			old_view;
	char	   *table;			/* qualified and quoted */
	Oid			table_oid;
	char	   *view;
	Oid			view_oid;
} Side;

static void
create_table(const RecmfStored *stored, Side *side, int32 version, int32 dimensions)
{
	char	   *name = relation_name(stored, psprintf("_%s_%d", side->what, version));
	StringInfoData statement;

	side->table = qualified(stored, name);
	initStringInfo(&statement);
	appendStringInfo(&statement, "CREATE TABLE %s (%s %s", side->table, side->id_column,
					 format_type_be_qualified(recmf_ids_type(side->ids)));
	if (OidIsValid(side->id_collation) && side->id_collation != DEFAULT_COLLATION_OID)
		appendStringInfo(&statement, " COLLATE %s", generate_collation_name(side->id_collation));
	appendStringInfo(&statement,
					 " NOT NULL, factor %s.factor(%d) NOT NULL, bias pg_catalog.float4, n_ratings pg_catalog.int4 NOT NULL",
					 recmf_schema(), dimensions);
	if (side->features != NULL)
		appendStringInfo(&statement, ", implicit_factor %s.factor(%d) NOT NULL", recmf_schema(), side->n_features);
	appendStringInfoChar(&statement, ')');
	run(statement.data);
	/* the statistics of vectors tell the planner nothing, and computing them takes long */
	run(psprintf("ALTER TABLE %s ALTER COLUMN factor SET STATISTICS 0", side->table));
	if (side->features != NULL)
		run(psprintf("ALTER TABLE %s ALTER COLUMN implicit_factor SET STATISTICS 0", side->table));
	side->table_oid = get_relname_relid(name, stored->schema);
}

/* The rows of one side, a batch at a time, past the executor as COPY does it. */
static void
fill_table(const Side *side, int32 dimensions)
{
	Relation	relation = table_open(side->table_oid, RowExclusiveLock);
	BulkInsertState bulk = GetBulkInsertState();
	CommandId	command = GetCurrentCommandId(true);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "recmf rows to insert",
												ALLOCSET_DEFAULT_SIZES);
	int32		n_rows = recmf_ids_count(side->ids);
	TupleTableSlot *slots[BATCH_ROWS];
	int			n_slots;
	int32		row = 0;
	int			i;

	for (i = 0; i < BATCH_ROWS; i++)
		slots[i] = table_slot_create(relation, NULL);

	while (row < n_rows)
	{
		MemoryContext caller = MemoryContextSwitchTo(batch);

		CHECK_FOR_INTERRUPTS();
		for (n_slots = 0; n_slots < BATCH_ROWS && row < n_rows; n_slots++, row++)
		{
			TupleTableSlot *slot = slots[n_slots];
			const float *factors = side->rows + (size_t) row * dimensions;

			ExecClearTuple(slot);
			memset(slot->tts_isnull, 0, sizeof(bool) * (side->features != NULL ? 5 : 4));
			slot->tts_values[0] = recmf_ids_get(side->ids, row);
			slot->tts_values[1] = PointerGetDatum(recmf_factor_from_floats(dimensions, factors));
			if (side->bias_position >= 0)
				slot->tts_values[2] = Float4GetDatum(factors[side->bias_position]);
			else
				slot->tts_isnull[2] = true;
			slot->tts_values[3] = Int32GetDatum(side->counts[row]);
			if (side->features != NULL)
				slot->tts_values[4] = PointerGetDatum(recmf_factor_from_floats(side->n_features,
																			   side->features + (size_t) row * side->n_features));
			ExecStoreVirtualTuple(slot);
		}
		table_multi_insert(relation, slots, n_slots, command, TABLE_INSERT_SKIP_FSM, bulk);
		MemoryContextSwitchTo(caller);
		for (i = 0; i < n_slots; i++)
			ExecClearTuple(slots[i]);
		MemoryContextReset(batch);
	}

	for (i = 0; i < BATCH_ROWS; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	FreeBulkInsertState(bulk);
	table_finish_bulk_insert(relation, TABLE_INSERT_SKIP_FSM);
	MemoryContextDelete(batch);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

/* GRANTs on the table and on its columns, but for the owner's own. */
static const char *const grants_of_table =
"SELECT pg_catalog.format('GRANT %s%s ON TABLE %s TO %s%s', g.privilege_type, g.columns, $2,"
" CASE WHEN g.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'"
" ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,"
" CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
" FROM (SELECT a.privilege_type, '' AS columns, a.grantee, a.is_grantable, c.relowner"
" FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a"
" WHERE c.oid OPERATOR(pg_catalog.=) $1"
" UNION ALL"
" SELECT a.privilege_type, pg_catalog.format(' (%I)', t.attname), a.grantee, a.is_grantable, c.relowner"
" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute t ON t.attrelid OPERATOR(pg_catalog.=) c.oid,"
" LATERAL pg_catalog.aclexplode(t.attacl) a"
" WHERE c.oid OPERATOR(pg_catalog.=) $1 AND t.attnum OPERATOR(pg_catalog.>) 0 AND NOT t.attisdropped"
" AND EXISTS (SELECT FROM pg_catalog.pg_attribute n WHERE n.attrelid OPERATOR(pg_catalog.=) $2::pg_catalog.regclass"
" AND n.attname OPERATOR(pg_catalog.=) t.attname)) g"
" WHERE g.grantee OPERATOR(pg_catalog.<>) g.relowner";

static const char *const row_security_of_table =
"SELECT pg_catalog.format(s.statement, $2)"
" FROM pg_catalog.pg_class c,"
" LATERAL (VALUES (c.relrowsecurity, 'ALTER TABLE %s ENABLE ROW LEVEL SECURITY'),"
" (c.relforcerowsecurity, 'ALTER TABLE %s FORCE ROW LEVEL SECURITY')) s (wanted, statement)"
" WHERE c.oid OPERATOR(pg_catalog.=) $1 AND s.wanted"
" UNION ALL"
" SELECT pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, $2,"
" CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,"
" CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,"
" (SELECT pg_catalog.string_agg(CASE WHEN r.role OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'"
" ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.role)) END, ', ')"
" FROM pg_catalog.unnest(p.polroles) r (role)),"
" ' USING (' OPERATOR(pg_catalog.||) pg_catalog.pg_get_expr(p.polqual, p.polrelid) OPERATOR(pg_catalog.||) ')',"
" ' WITH CHECK (' OPERATOR(pg_catalog.||) pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) OPERATOR(pg_catalog.||) ')')"
" FROM pg_catalog.pg_policy p WHERE p.polrelid OPERATOR(pg_catalog.=) $1";

static void
finish_table(const RecmfStored *stored, const Side *side, int32 version)
{
	run(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", side->table, side->id_column));
	run(psprintf("COMMENT ON TABLE %s IS %s", side->table,
				 quote_literal_cstr(psprintf("%s of recommendation model %s, version %d",
											 side->what, stored->name, version))));
	if (OidIsValid(side->old_table))
	{
		run_generated(grants_of_table, side->old_table, side->table);
		run_generated(row_security_of_table, side->old_table, side->table);
	}
	if (stored->owner != GetUserId())
		run(psprintf("ALTER TABLE %s OWNER TO %s", side->table,
					 quote_identifier(GetUserNameFromId(stored->owner, false))));
	run(psprintf("ANALYZE %s", side->table));
}

/*
 * The index that serving reads by falling score, or similarity.  Similarity
 * leaves biases out (recmf_ranking.c), so where there are any it has an index
 * of its own.
 */
static void
index_factors(const Side *side, int factors)
{
	run(psprintf("CREATE INDEX ON %s USING mips (factor)", side->table));
	if (side->bias_position >= 0)
		run(psprintf("CREATE INDEX ON %s USING mips (%s.subvector(factor, 1, %d))",
					 side->table, recmf_schema(), factors));
}

/* The view keeps its columns' types over all versions: no dimensions on factor. */
static void
point_view(const RecmfStored *stored, Side *side)
{
	char	   *name = relation_name(stored, psprintf("_%s", side->what));

	if (OidIsValid(side->old_view))
		side->view = recmf_qualified_name(side->old_view);
	else
		side->view = qualified(stored, name);
	run(psprintf("CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS"
				 " SELECT t.%s, t.factor::%s.factor AS factor, t.bias, t.n_ratings FROM %s t",
				 side->view, side->id_column, recmf_schema(), side->table));
	side->view_oid = OidIsValid(side->old_view) ? side->old_view : get_relname_relid(name, stored->schema);
	if (!OidIsValid(side->old_view))
	{
		run(psprintf("COMMENT ON VIEW %s IS %s", side->view,
					 quote_literal_cstr(psprintf("%s of recommendation model %s, active version",
												 side->what, stored->name))));
		if (stored->owner != GetUserId())
			run(psprintf("ALTER VIEW %s OWNER TO %s", side->view,
						 quote_identifier(GetUserNameFromId(stored->owner, false))));
	}
}

static Datum
float4_array(int n, const float *values)
{
	Datum	   *elements = palloc(sizeof(Datum) * n);
	ArrayType  *array;
	int			i;

	for (i = 0; i < n; i++)
		elements[i] = Float4GetDatum(values[i]);
	array = construct_array(elements, n, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
	pfree(elements);
	return PointerGetDatum(array);
}

Datum
recmf_losses_array(const RecmfFit *fit)
{
	int			n = fit->outcome.iterations;
	Datum	   *elements = palloc(sizeof(Datum) * n);
	int			i;

	for (i = 0; i < n; i++)
		elements[i] = Float8GetDatum(fit->iterations[i].loss.total);
	return PointerGetDatum(construct_array(elements, n, FLOAT8OID, sizeof(float8),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
register_version(const RecmfStored *stored, int32 version, const char *source_text, const RecmfSource *source,
				 const RecmfDataset *dataset, const RecmfFit *fit, const Side *items, const Side *users,
				 Datum metrics, const RecmfSeconds *seconds)
{
	int			gram_length = rmf_gram_width(&fit->problem) * rmf_gram_width(&fit->problem);
	const struct
	{
		const char *column;
		Oid			type;
		Datum		value;
		bool		isnull;
	}			columns[] = {
		{"model", TEXTOID, CStringGetTextDatum(stored->name), false},
		{"version", INT4OID, Int32GetDatum(version), false},
		{"active", BOOLOID, BoolGetDatum(true), false},
		{"owner", REGROLEOID, ObjectIdGetDatum(stored->owner), false},
		{"feedback", TEXTOID, CStringGetTextDatum(recmf_feedback_name(fit->settings.feedback)), false},
		{"settings", JSONBOID, JsonbPGetDatum(recmf_settings_to_jsonb(&fit->settings)), false},
		{"n_users", INT8OID, Int64GetDatum(recmf_ids_count(dataset->users)), false},
		{"n_items", INT8OID, Int64GetDatum(recmf_ids_count(dataset->items)), false},
		{"n_ratings", INT8OID, Int64GetDatum(recmf_dataset_n_ratings(dataset)), false},
		{"n_skipped", INT8OID, Int64GetDatum(recmf_dataset_skipped(dataset)), false},
		{"rating_mean", FLOAT8OID, Float8GetDatum(dataset->stats.mean), false},
		{"rating_min", FLOAT8OID, Float8GetDatum(dataset->stats.min), false},
		{"rating_max", FLOAT8OID, Float8GetDatum(dataset->stats.max), false},
		{"loss", FLOAT8ARRAYOID, recmf_losses_array(fit), false},
		{"metrics", JSONBOID, metrics, false},
		{"seconds", JSONBOID, DirectFunctionCall1(jsonb_in,
												  CStringGetDatum(psprintf("{\"read\": %.6f, \"train\": %.6f, \"write\": %.6f}",
																		   seconds->read, seconds->train, seconds->write))), false},
		{"items", REGCLASSOID, ObjectIdGetDatum(items->table_oid), false},
		{"users", REGCLASSOID, ObjectIdGetDatum(users->table_oid), false},
		{"items_view", REGCLASSOID, ObjectIdGetDatum(items->view_oid), false},
		{"users_view", REGCLASSOID, ObjectIdGetDatum(users->view_oid), false},
		{"source", TEXTOID, CStringGetTextDatum(source->query ? source->query : source_text), false},
		{"source_table", REGCLASSOID, ObjectIdGetDatum(source->table), !OidIsValid(source->table)},
		{"source_search_path", TEXTOID, CStringGetTextDatum(source->search_path), false},
		{"user_col", TEXTOID, CStringGetTextDatum(source->user_col), false},
		{"item_col", TEXTOID, CStringGetTextDatum(source->item_col), false},
		{"rating_col", TEXTOID, source->rating_col ? CStringGetTextDatum(source->rating_col) : (Datum) 0,
		source->rating_col == NULL},
		{"weight_col", TEXTOID, source->weight_col ? CStringGetTextDatum(source->weight_col) : (Datum) 0,
		source->weight_col == NULL},
		{"gram_users", FLOAT4ARRAYOID, fit->gram_users ? float4_array(gram_length, fit->gram_users) : (Datum) 0,
		fit->gram_users == NULL},
		{"gram_items", FLOAT4ARRAYOID, fit->gram_items ? float4_array(gram_length, fit->gram_items) : (Datum) 0,
		fit->gram_items == NULL},
	};
	StringInfoData names;
	StringInfoData places;
	Oid			types[lengthof(columns)];
	Datum		values[lengthof(columns)];
	char		nulls[lengthof(columns)];
	int			i;

	if (!stored->exists)
	{
		Oid			name_types[2] = {TEXTOID, REGROLEOID};
		Datum		name_values[2] = {CStringGetTextDatum(stored->name), ObjectIdGetDatum(stored->owner)};

		run_with_args(psprintf("INSERT INTO %s.recmf_model_names (model, owner) VALUES ($1, $2)", recmf_schema()),
					  2, name_types, name_values, NULL, SPI_OK_INSERT);
	}

	initStringInfo(&names);
	initStringInfo(&places);
	for (i = 0; i < lengthof(columns); i++)
	{
		appendStringInfo(&names, "%s%s", i ? ", " : "", columns[i].column);
		appendStringInfo(&places, "%s$%d", i ? ", " : "", i + 1);
		types[i] = columns[i].type;
		values[i] = columns[i].value;
		nulls[i] = columns[i].isnull ? 'n' : ' ';
	}
	run_with_args(psprintf("UPDATE %s.recmf_models SET active = false"
						   " WHERE model OPERATOR(pg_catalog.=) $1 AND active", recmf_schema()),
				  1, types, values, NULL, SPI_OK_UPDATE);
	run_with_args(psprintf("INSERT INTO %s.recmf_models (%s) VALUES (%s)", recmf_schema(), names.data, places.data),
				  lengthof(columns), types, values, nulls, SPI_OK_INSERT);
}

/* Drops a version that a reader can no longer have looked up, unless something holds it. */
static void
drop_version(const char *model, int32 version, Oid items, Oid users)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if ((OidIsValid(items) && !ConditionalLockRelationOid(items, AccessExclusiveLock)) ||
		(OidIsValid(users) && !ConditionalLockRelationOid(users, AccessExclusiveLock)))
		return;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		Oid			types[2] = {TEXTOID, INT4OID};
		Datum		values[2] = {CStringGetTextDatum(model), Int32GetDatum(version)};

		/* one may have been dropped by hand, or both */
		if (existing(items))
			run(psprintf("DROP TABLE %s", recmf_qualified_name(items)));
		if (existing(users))
			run(psprintf("DROP TABLE %s", recmf_qualified_name(users)));
		run_with_args(psprintf("DELETE FROM %s.recmf_models WHERE model OPERATOR(pg_catalog.=) $1"
							   " AND version OPERATOR(pg_catalog.=) $2", recmf_schema()),
					  2, types, values, NULL, SPI_OK_DELETE);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		/* a new model must not be lost because an old one could not be dropped; a cancel must not be lost either */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		ereport(WARNING,
				(errmsg("could not drop version %d of model \"%s\": %s", version, model, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0));
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static void
drop_old_versions(const RecmfStored *stored, int32 oldest_kept)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2] = {CStringGetTextDatum(stored->name), Int32GetDatum(oldest_kept)};
	SPITupleTable *versions;
	uint64		n;
	uint64		i;

	run_with_args(psprintf("SELECT version, items::pg_catalog.oid, users::pg_catalog.oid FROM %s.recmf_models"
						   " WHERE model OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.<) $2"
						   " AND NOT active ORDER BY version", recmf_schema()),
				  2, types, values, NULL, SPI_OK_SELECT);
	versions = SPI_tuptable;
	n = SPI_processed;
	for (i = 0; i < n; i++)
	{
		bool		isnull;

		drop_version(stored->name,
					 DatumGetInt32(SPI_getbinval(versions->vals[i], versions->tupdesc, 1, &isnull)),
					 get_oid(versions->vals[i], versions->tupdesc, 2),
					 get_oid(versions->vals[i], versions->tupdesc, 3));
	}
	SPI_freetuptable(versions);
}

int32
recmf_store_write(const RecmfStored *stored, const char *source_text, const RecmfSource *source,
				  RecmfDataset *dataset, const RecmfFit *fit, Datum metrics, bool index, RecmfSeconds *seconds)
{
	bool		has_bias = rmf_has_biases(&fit->problem);
	int32		version = stored->last_version + 1;
	Side		items = {
		.what = "items", .id_column = "item_id", .ids = dataset->items,
		.id_collation = source->item_collation, .rows = fit->items,
		.features = fit->item_features, .n_features = fit->problem.factors,
		.bias_position = has_bias ? rmf_bias_position(&fit->problem, RMF_ITEMS) : -1,
		.counts = recmf_dataset_counts(dataset, RMF_ITEMS), .old_table = stored->items, .old_view = stored->items_view,
	};
	Side		users = {
		.what = "users", .id_column = "user_id", .ids = dataset->users,
		.id_collation = source->user_collation, .rows = fit->users,
		.bias_position = has_bias ? rmf_bias_position(&fit->problem, RMF_USERS) : -1,
		.counts = recmf_dataset_counts(dataset, RMF_USERS), .old_table = stored->users, .old_view = stored->users_view,
	};
	Side	   *sides[2] = {&items, &users};
	instr_time	start;
	instr_time	end;
	int			i;

	INSTR_TIME_SET_CURRENT(start);
	for (i = 0; i < 2; i++)
	{
		create_table(stored, sides[i], version, fit->dimensions);
		fill_table(sides[i], fit->dimensions);
		finish_table(stored, sides[i], version);
		if (index)
			index_factors(sides[i], fit->problem.factors);
	}
	for (i = 0; i < 2; i++)
		point_view(stored, sides[i]);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	seconds->write = INSTR_TIME_GET_DOUBLE(end);

	register_version(stored, version, source_text, source, dataset, fit, &items, &users, metrics, seconds);
	/* the version before stays: a session may just have looked it up */
	drop_old_versions(stored, stored->last_version);
	return version;
}

void
recmf_store_drop(const char *model)
{
	Oid			types[2] = {TEXTOID, OIDOID};	/* the second: of what is not the model's alone */
	Datum		values[2] = {CStringGetTextDatum(model)};
	RecmfStored *stored;
	SPITupleTable *relations;
	uint64		n;
	uint64		i;

	lock_name(model);
	stored = look_up(model);
	if (!stored->exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", model),
				 errhint("SELECT model FROM %s.recmf_models lists the models.", recmf_schema())));

	/* the views go first: they depend on the tables */
	run_with_args(psprintf("SELECT DISTINCT r.relation::pg_catalog.oid, r.is_table FROM %s.recmf_models m,"
						   " LATERAL (VALUES (m.items_view, false), (m.users_view, false), (m.items, true), (m.users, true))"
						   " r (relation, is_table)"
						   " WHERE m.model OPERATOR(pg_catalog.=) $1 AND r.relation IS NOT NULL"
						   " ORDER BY r.is_table, 1", recmf_schema()),
				  1, types, values, NULL, SPI_OK_SELECT);
	relations = SPI_tuptable;
	n = SPI_processed;
	for (i = 0; i < n; i++)
	{
		Oid			relation = existing(get_oid(relations->vals[i], relations->tupdesc, 1));

		if (OidIsValid(relation))
			run(psprintf("DROP %s %s", get_rel_relkind(relation) == RELKIND_VIEW ? "VIEW" : "TABLE",
						 recmf_qualified_name(relation)));
	}
	SPI_freetuptable(relations);
	run_with_args(psprintf("DELETE FROM %s.recmf_model_names WHERE model OPERATOR(pg_catalog.=) $1", recmf_schema()),
				  1, types, values, NULL, SPI_OK_DELETE);
	values[1] = ObjectIdGetDatum(stored->owner);
	run_with_args(psprintf("DELETE FROM %s.recmf_trials WHERE model OPERATOR(pg_catalog.=) $1"
						   " AND owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2", recmf_schema()),
				  2, types, values, NULL, SPI_OK_DELETE);
}
