/*
 * recmf_cursor.c
 *	  A SELECT of our own whose rows are taken some at a time: see
 *	  recmf_cursor.h.
 *
 * A portal of SPI's, but rows come through a DestReceiver of our own instead of
 * being copied into a table first.  The statement's search_path is in force
 * while it is planned and whenever it runs.
 */
#include "postgres.h"

#include "executor/execdesc.h"
#include "executor/spi.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "recmf_cursor.h"
#include "recmf_names.h"

struct RecmfCursor
{
	Portal		portal;
	char	   *search_path;	/* or NULL */
};

typedef struct CursorReceiver
{
	DestReceiver pub;
	RecmfRowTaker take;
	void	   *arg;
	MemoryContext context;
} CursorReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc columns)
{
}

static bool
receiver_take(TupleTableSlot *slot, DestReceiver *self)
{
	CursorReceiver *receiver = (CursorReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);

	slot_getallattrs(slot);
	(void) receiver->take(slot, receiver->arg);
	MemoryContextSwitchTo(old_context);
	return true;
}

static void
receiver_shutdown(DestReceiver *self)
{
}

RecmfCursor *
recmf_cursor_open(const RecmfStatement *statement)
{
	RecmfCursor *cursor = (RecmfCursor *) palloc0(sizeof(RecmfCursor));
	int			nest_level = 0;

	if (statement->search_path != NULL)
	{
		cursor->search_path = pstrdup(statement->search_path);
		nest_level = recmf_pin_search_path(statement->search_path);
	}
	cursor->portal = SPI_cursor_open_with_args(NULL, statement->text, statement->n_parameters,
											   (Oid *) statement->types, (Datum *) statement->values, NULL,
											   true, CURSOR_OPT_NO_SCROLL);
	if (statement->search_path != NULL)
		recmf_unpin_search_path(nest_level);
	return cursor;
}

TupleDesc
recmf_cursor_columns(const RecmfCursor *cursor)
{
	return cursor->portal->tupDesc;
}

static const Plan *
plan_of(const RecmfCursor *cursor)
{
	return cursor->portal->queryDesc->plannedstmt->planTree;
}

double
recmf_cursor_cost(const RecmfCursor *cursor)
{
	return plan_of(cursor)->total_cost;
}

double
recmf_cursor_rows(const RecmfCursor *cursor)
{
	return plan_of(cursor)->plan_rows;
}

int64
recmf_cursor_fetch(RecmfCursor *cursor, int64 count, RecmfRowTaker take, void *arg)
{
	CursorReceiver receiver = {
		.pub = {
			.receiveSlot = receiver_take,
			.rStartup = receiver_startup,
			.rShutdown = receiver_shutdown,
			.rDestroy = receiver_shutdown,
			.mydest = DestNone,
		},
		.take = take,
		.arg = arg,
		.context = CurrentMemoryContext,
	};
	int			nest_level = 0;
	int64		n;

	if (cursor->search_path != NULL)
		nest_level = recmf_pin_search_path(cursor->search_path);
	n = (int64) PortalRunFetch(cursor->portal, FETCH_FORWARD, count, &receiver.pub);
	if (cursor->search_path != NULL)
		recmf_unpin_search_path(nest_level);
	return n;
}

void
recmf_cursor_close(RecmfCursor *cursor)
{
	SPI_cursor_close(cursor->portal);
	if (cursor->search_path != NULL)
		pfree(cursor->search_path);
	pfree(cursor);
}

void
recmf_cursor_run(const RecmfStatement *statement, RecmfRowTaker take, void *arg)
{
	RecmfCursor *cursor = recmf_cursor_open(statement);

	(void) recmf_cursor_fetch(cursor, FETCH_ALL, take, arg);
	recmf_cursor_close(cursor);
}
