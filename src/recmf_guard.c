/*
 * recmf_guard.c
 *	  The trigger that lets only the owner of a model change its rows in the
 *	  registry.
 *
 * Everybody may insert into the registry, since everybody may train, and reads
 * it.  Row security would say who may change what, but it stops pg_dump for
 * everybody but superusers; a trigger doesn't.
 *
 * Cascades of the foreign key run as the owner of the table and pass.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(recmf_check_model_owner);

static void
check_owner(Relation relation, HeapTuple row)
{
	TupleDesc	columns = RelationGetDescr(relation);
	bool		isnull;
	Datum		owner = SPI_getbinval(row, columns, SPI_fnumber(columns, "owner"), &isnull);

	/* a null is refused by the column itself */
	if (isnull || has_privs_of_role(GetUserId(), DatumGetObjectId(owner)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of model \"%s\"", SPI_getvalue(row, columns, SPI_fnumber(columns, "model"))),
			 errdetail("It belongs to role \"%s\".", GetUserNameFromId(DatumGetObjectId(owner), true))));
}

/* BEFORE INSERT OR UPDATE OR DELETE, for each row, on a table with columns model and owner. */
Datum
recmf_check_model_owner(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("recmf_check_model_owner() must be called as a trigger before each row")));

	check_owner(trigger->tg_relation, trigger->tg_trigtuple);
	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return PointerGetDatum(trigger->tg_trigtuple);
	check_owner(trigger->tg_relation, trigger->tg_newtuple);
	return PointerGetDatum(trigger->tg_newtuple);
}
