/*
 * recmf_plans.h
 *	  Statements of our own, prepared once and kept for the session.
 */
#ifndef RECMF_PLANS_H
#define RECMF_PLANS_H

#include "postgres.h"

#include "executor/tuptable.h"

/* The most parameters that a statement has. */
#define RECMF_MAX_PARAMETERS 8

/* A statement and its parameters; none of them is NULL. */
typedef struct RecmfStatement
{
	const char *text;			/* everything in it schema-qualified */
	const char *search_path;	/* pinned while it is planned and run; NULL: the caller's */
	int			n_parameters;
	Oid			types[RECMF_MAX_PARAMETERS];
	Datum		values[RECMF_MAX_PARAMETERS];
} RecmfStatement;

/* Adds a parameter and returns its number, for "$%d". */
extern int	recmf_statement_add(RecmfStatement *statement, Oid type, Datum value);

/*
 * Takes one row of the result; the slot's columns are there.  Runs in the
 * memory context that recmf_statement_run() was called in.  False: no more rows.
 */
typedef bool (*RecmfRowTaker) (TupleTableSlot *slot, void *arg);

/*
 * Runs a SELECT, read only, on the active snapshot, as the caller.  It is
 * planned at the first call of the session, with a generic plan.  Must be
 * called inside SPI_connect().
 */
extern void recmf_statement_run(const RecmfStatement *statement, RecmfRowTaker take, void *arg);

#endif							/* RECMF_PLANS_H */
