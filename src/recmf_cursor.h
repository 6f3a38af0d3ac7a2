/*
 * recmf_cursor.h
 *	  A SELECT of our own whose rows are taken some at a time.
 */
#ifndef RECMF_CURSOR_H
#define RECMF_CURSOR_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "recmf_plans.h"

typedef struct RecmfCursor RecmfCursor;

/*
 * Plans a statement for its parameters and starts it: read only, on the active
 * snapshot, as the caller, without parallel workers.  Inside SPI_connect().  It
 * must be closed; an error closes it.
 */
extern RecmfCursor *recmf_cursor_open(const RecmfStatement *statement);

extern TupleDesc recmf_cursor_columns(const RecmfCursor *cursor);

/* What the planner expects. */
extern double recmf_cursor_cost(const RecmfCursor *cursor);
extern double recmf_cursor_rows(const RecmfCursor *cursor);

/*
 * The next rows, at most so many, to a callback that runs in the memory context
 * of this call and does not stop early.  Returns how many there were.
 */
extern int64 recmf_cursor_fetch(RecmfCursor *cursor, int64 count, RecmfRowTaker take, void *arg);

extern void recmf_cursor_close(RecmfCursor *cursor);

/* All rows of a statement that is run once: opened, fetched and closed. */
extern void recmf_cursor_run(const RecmfStatement *statement, RecmfRowTaker take, void *arg);

#endif							/* RECMF_CURSOR_H */
