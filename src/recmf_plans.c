/*
 * recmf_plans.c
 *	  Statements of our own, prepared once and kept for the session.
 *
 * A serving function runs two or three short statements a call; parsing and
 * planning them would cost more than most of them do.  So each is prepared at
 * its first use, with a generic plan, and found again by its text: what
 * distinguishes two statements (tables, options, types of the ids) shows in
 * the text or in the types of the parameters, so there is no further key that
 * could go stale.  When a table changes, PostgreSQL's plan cache plans anew;
 * when one is renamed, the text is another one, and the old entry ages out.
 *
 * They run without parallel workers: a call answers one page view among many at
 * the same time, and starting workers takes longer than most calls.
 *
 * The rows go through a DestReceiver of our own to a callback that may stop
 * early, so nothing is materialised on the way.
 *
 * Memory: at most MAX_PLANS plans below CacheMemoryContext; the one that was
 * used longest ago makes room.  A plan that is running is never freed: a
 * statement can come back to us through a policy or a view that calls
 * recommend().  Locks: those that the statements take.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

#include "recmf_names.h"
#include "recmf_plans.h"

#define MAX_PLANS 128

typedef struct KeptPlan
{
	uint64		hash;			/* of the text; compared first */
	char	   *text;			/* NULL: the place is free */
	char	   *search_path;	/* or NULL */
	int			n_parameters;
	Oid			types[RECMF_MAX_PARAMETERS];
	SPIPlanPtr	plan;
	uint64		last_used;		/* value of "uses" at its last use */
	int			running;		/* how often it is running right now */
} KeptPlan;

static KeptPlan kept_plans[MAX_PLANS];
static uint64 uses = 0;

/* Hands each row to a callback. */
typedef struct RowReceiver
{
	DestReceiver pub;
	RecmfRowTaker take;
	void	   *arg;
	MemoryContext context;
} RowReceiver;

static void
row_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static bool
row_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);
	bool		more;

	slot_getallattrs(slot);
	more = receiver->take(slot, receiver->arg);
	MemoryContextSwitchTo(old_context);
	return more;
}

static void
row_shutdown(DestReceiver *self)
{
}

int
recmf_statement_add(RecmfStatement *statement, Oid type, Datum value)
{
	Assert(statement->n_parameters < RECMF_MAX_PARAMETERS);
	statement->types[statement->n_parameters] = type;
	statement->values[statement->n_parameters] = value;
	return ++statement->n_parameters;
}

static bool
same_path(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static KeptPlan *
find_plan(const RecmfStatement *statement, uint64 hash)
{
	int			i;

	for (i = 0; i < MAX_PLANS; i++)
	{
		KeptPlan   *kept = &kept_plans[i];

		if (kept->hash == hash && kept->text != NULL &&
			strcmp(kept->text, statement->text) == 0 &&
			same_path(kept->search_path, statement->search_path) &&
			kept->n_parameters == statement->n_parameters &&
			memcmp(kept->types, statement->types,
				   sizeof(Oid) * statement->n_parameters) == 0)
			return kept;
	}
	return NULL;
}

static void
free_plan(KeptPlan *kept)
{
	char	   *text = kept->text;
	char	   *search_path = kept->search_path;
	SPIPlanPtr	plan = kept->plan;

	/* The place is free before anything in it goes, whatever happens then. */
	kept->text = NULL;
	SPI_freeplan(plan);
	pfree(text);
	if (search_path != NULL)
		pfree(search_path);
}

/* A free place, made by dropping the plan used longest ago; NULL if all are running. */
static KeptPlan *
free_place(void)
{
	KeptPlan   *oldest = NULL;
	int			i;

	for (i = 0; i < MAX_PLANS; i++)
	{
		KeptPlan   *kept = &kept_plans[i];

		if (kept->text == NULL)
			return kept;
		if (kept->running == 0 &&
			(oldest == NULL || kept->last_used < oldest->last_used))
			oldest = kept;
	}
	if (oldest != NULL)
		free_plan(oldest);
	return oldest;
}

static SPIPlanPtr
prepare(const RecmfStatement *statement)
{
	SPIPlanPtr	plan;

	plan = SPI_prepare_cursor(statement->text, statement->n_parameters,
							  (Oid *) statement->types,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement->text,
			 SPI_result_code_string(SPI_result));
	/* A source is put in parentheses into ours; it must not close them and go on. */
	if (list_length(SPI_plan_get_plan_sources(plan)) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the source of the model is not a single SELECT"),
				 errhint("Train the model again with train_model().")));
	return plan;
}

/* The plan of a statement: kept, or prepared now and kept. */
static KeptPlan *
keep_plan(const RecmfStatement *statement)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) statement->text,
										   strlen(statement->text), 0);
	KeptPlan   *kept = find_plan(statement, hash);

	if (kept == NULL)
	{
		SPIPlanPtr	plan = prepare(statement);
		char	   *text;
		char	   *search_path = NULL;

		kept = free_place();
		if (kept == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
					 errmsg("serving functions call each other too deeply")));

		text = MemoryContextStrdup(CacheMemoryContext, statement->text);
		if (statement->search_path != NULL)
			search_path = MemoryContextStrdup(CacheMemoryContext, statement->search_path);
		SPI_keepplan(plan);

		/* Nothing below can fail, so a place is whole or free. */
		kept->hash = hash;
		kept->search_path = search_path;
		kept->n_parameters = statement->n_parameters;
		memcpy(kept->types, statement->types, sizeof(Oid) * statement->n_parameters);
		kept->plan = plan;
		kept->running = 0;
		kept->text = text;
	}
	kept->last_used = ++uses;
	return kept;
}

static ParamListInfo
parameter_list(const RecmfStatement *statement)
{
	ParamListInfo list = makeParamList(statement->n_parameters);
	int			i;

	for (i = 0; i < statement->n_parameters; i++)
	{
		list->params[i].value = statement->values[i];
		list->params[i].isnull = false;
		list->params[i].pflags = PARAM_FLAG_CONST;
		list->params[i].ptype = statement->types[i];
	}
	return list;
}

/* A function of its own, for longjmp's sake: nothing here changes after PG_TRY(). */
static pg_noinline int
run_plan(KeptPlan *kept, const SPIExecuteOptions *options)
{
	int			result;

	kept->running++;
	PG_TRY();
	{
		result = SPI_execute_plan_extended(kept->plan, options);
	}
	PG_FINALLY();
	{
		kept->running--;
	}
	PG_END_TRY();
	return result;
}

void
recmf_statement_run(const RecmfStatement *statement, RecmfRowTaker take, void *arg)
{
	RowReceiver receiver;
	SPIExecuteOptions options;
	KeptPlan   *kept;
	int			nest_level = 0;
	int			result;

	if (statement->search_path != NULL)
		nest_level = recmf_pin_search_path(statement->search_path);

	kept = keep_plan(statement);

	memset(&receiver, 0, sizeof(receiver));
	receiver.pub.receiveSlot = row_receive;
	receiver.pub.rStartup = row_startup;
	receiver.pub.rShutdown = row_shutdown;
	receiver.pub.rDestroy = row_shutdown;
	receiver.pub.mydest = DestNone;
	receiver.take = take;
	receiver.arg = arg;
	receiver.context = CurrentMemoryContext;

	memset(&options, 0, sizeof(options));
	options.params = parameter_list(statement);
	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = &receiver.pub;

	result = run_plan(kept, &options);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->text,
			 SPI_result_code_string(result));

	if (statement->search_path != NULL)
		recmf_unpin_search_path(nest_level);
}
