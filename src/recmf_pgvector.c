/*
 * recmf_pgvector.c
 *	  The bridge to pgvector: casts between factor and vector that cost nothing.
 *
 * Both types have one layout (recmf_factor.h), so the casts need no function.
 * They are made on request and not by CREATE EXTENSION, since pgvector may come
 * later or never.  They belong to no extension: pg_dump dumps them.
 *
 * factor -> vector is implicit, which makes the types binary coercible: a
 * function, operator or index operator class of pgvector then takes a factor
 * as it is.  vector -> factor is for assignment only.  Were both implicit, an
 * operator that both types have would be ambiguous between the two.
 */
#include "postgres.h"

#include "catalog/pg_cast.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "recmf_compat.h"
#include "recmf_factor.h"

PG_FUNCTION_INFO_V1(recmf_create_pgvector_casts);

/* The type factor that belongs with this function. */
static Oid
factor_type(FunctionCallInfo fcinfo)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("factor"), ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		elog(ERROR, "type factor is not in the schema of recmf_create_pgvector_casts");
	return type;
}

/* The type vector of the extension vector, whatever schema it is in.  Inside SPI_connect(). */
static Oid
vector_type(void)
{
	Oid			extension = get_extension_oid("vector", true);
	Oid			argument_type = OIDOID;
	Datum		argument = ObjectIdGetDatum(extension);
	bool		isnull;

	if (!OidIsValid(extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"vector\" is not installed in this database"),
				 errhint("Install pgvector, run CREATE EXTENSION vector, then call this function again.")));

	if (SPI_execute_with_args("SELECT t.oid FROM pg_catalog.pg_type t"
							  " JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) t.oid"
							  " WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass"
							  " AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass"
							  " AND d.refobjid OPERATOR(pg_catalog.=) $1"
							  " AND t.typname OPERATOR(pg_catalog.=) 'vector'",
							  1, &argument_type, &argument, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look up the type vector");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"vector\" has no type vector"),
				 errdetail("It is not pgvector.")));

	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* PostgreSQL compares size and alignment alone; this makes a vector and compares its bytes. */
static void
check_layout(Oid vector)
{
	static const float4 values[] = {1.0f, -2.5f, 0.0f};
	Factor	   *expected = recmf_factor_from_floats(lengthof(values), values);
	struct varlena *made;
	Oid			input;
	Oid			io_param;

	getTypeInputInfo(vector, &input, &io_param);
	made = PG_DETOAST_DATUM(OidInputFunctionCall(input, "[1,-2.5,0]", io_param, -1));
	if (VARSIZE(made) != VARSIZE(expected) ||
		memcmp(VARDATA(made), VARDATA(expected), VARSIZE(expected) - VARHDRSZ) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the type vector of this version of pgvector is stored differently from factor"),
				 errhint("Cast by way of real[] instead, as in factor::real[]::vector.")));
}

static bool
create_cast(Oid source, Oid target, const char *context)
{
	char	   *source_name = format_type_be_qualified(source);
	char	   *target_name = format_type_be_qualified(target);

	if (SearchSysCacheExists2(CASTSOURCETARGET, ObjectIdGetDatum(source), ObjectIdGetDatum(target)))
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("cast from type %s to type %s already exists, skipping",
						source_name, target_name)));
		return false;
	}

	SPI_execute(psprintf("CREATE CAST (%s AS %s) WITHOUT FUNCTION AS %s",
						 source_name, target_name, context), false, 0);
	SPI_execute(psprintf("COMMENT ON CAST (%s AS %s) IS 'same layout'",
						 source_name, target_name), false, 0);
	return true;
}

Datum
recmf_create_pgvector_casts(PG_FUNCTION_ARGS)
{
	Oid			factor;
	Oid			vector;
	bool		created;

	SPI_connect();
	factor = factor_type(fcinfo);
	vector = vector_type();
	check_layout(vector);
	created = create_cast(factor, vector, "IMPLICIT");
	created |= create_cast(vector, factor, "ASSIGNMENT");
	SPI_finish();

	PG_RETURN_BOOL(created);
}
