/*
 * recmf_names.c
 *	  Names in the statements that run inside: the extension's schema, quoted
 *	  relations, the pinned search_path.
 *
 * Memory: the name of the extension's schema is kept for the session and
 * looked up again when a schema or a type changes.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "recmf_names.h"

static Oid	extension_namespace = InvalidOid;	/* InvalidOid: to be looked up */
static char *extension_schema = NULL;	/* quoted, in TopMemoryContext */

static void
forget_schema(Datum arg, int cache_id, uint32 hash)
{
	extension_namespace = InvalidOid;
}

/* The namespace that pg_extension has for us. */
static Oid
look_up_namespace(void)
{
	Oid			extension = get_extension_oid("recmf", false);
	Oid			namespace = InvalidOid;
	Relation	catalog;
	ScanKeyData key[1];
	SysScanDesc scan;
	HeapTuple	tuple;

	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		namespace = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	if (!OidIsValid(namespace))
		elog(ERROR, "extension %u has no schema", extension);
	return namespace;
}

/*
 * Our types live in the extension's schema and go with it, so a change of
 * either shows as an invalidation of pg_namespace or pg_type.
 */
static void
find_schema(void)
{
	static bool registered = false;
	Oid			namespace;
	char	   *name;

	if (OidIsValid(extension_namespace))
		return;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_schema, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, forget_schema, (Datum) 0);
		registered = true;
	}

	namespace = look_up_namespace();
	name = get_namespace_name(namespace);
	if (name == NULL)
		elog(ERROR, "cache lookup failed for schema %u", namespace);
	name = MemoryContextStrdup(TopMemoryContext, quote_identifier(name));
	if (extension_schema != NULL)
		pfree(extension_schema);
	extension_schema = name;
	extension_namespace = namespace;
}

const char *
recmf_schema(void)
{
	find_schema();
	return extension_schema;
}

Oid
recmf_factor_type(void)
{
	Oid			type;

	find_schema();
	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("factor"),
						   ObjectIdGetDatum(extension_namespace));
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"factor\" does not exist in schema %s", extension_schema),
				 errhint("Bring the extension up to date: ALTER EXTENSION recmf UPDATE.")));
	return type;
}

char *
recmf_qualified_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *namespace;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));
	/* Spelt out for temporary tables of this session as for any other. */
	namespace = get_namespace_name(get_rel_namespace(relation));
	if (namespace == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("the schema of relation \"%s\" does not exist", name)));
	return quote_qualified_identifier(namespace, name);
}

int
recmf_pin_search_path(const char *path)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("search_path", path != NULL ? path : "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

void
recmf_unpin_search_path(int nest_level)
{
	AtEOXact_GUC(true, nest_level);
}
