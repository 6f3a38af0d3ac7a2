/*
 * recmf_evaluate_read.h
 *	  What the readers of an evaluation share: pairs while they are read, ids of
 *	  columns, statements.
 */
#ifndef RECMF_EVALUATE_READ_H
#define RECMF_EVALUATE_READ_H

#include "postgres.h"

#include "recmf_evaluate.h"
#include "recmf_plans.h"

/* An id column of a statement. */
typedef struct RecmfIdColumn
{
	Oid			type;			/* base type */
	RecmfIdKind kind;
} RecmfIdColumn;

/* Pairs while they are read. */
typedef struct RecmfPairs
{
	int64		n;
	int64		room;
	rmf_pair   *pairs;
} RecmfPairs;

/* In the evaluation's context, zeros. */
extern void *recmf_evaluation_allocate(const RecmfEvaluation *evaluation, Size size);

extern void recmf_evaluation_add_pair(const RecmfEvaluation *evaluation, RecmfPairs *pairs, int32 user, int32 item,
									  int32 tag);

/* ERRCODE_DATATYPE_MISMATCH for a type that ids cannot have. */
extern RecmfIdColumn recmf_id_column_of(Oid type);

/* The number of an id of a row, or -1; the dictionary has ids of the same kind. */
extern int32 recmf_id_column_look_up(const RecmfIds *ids, RecmfIdColumn column, Datum id);

/* Runs a statement to its end. */
extern void recmf_evaluation_run_statement(const RecmfStatement *statement, RecmfRowTaker take, void *arg);

/*
 * recmf_evaluate_model.c: the items of a model by name or as a value; what
 * follows from any items; the users of the test in it, with what those of a value
 * have seen.
 */
extern void recmf_evaluation_read_items(RecmfEvaluation *evaluation);
extern void recmf_evaluation_finish_items(RecmfEvaluation *evaluation);
extern void recmf_evaluation_read_users(RecmfEvaluation *evaluation, RecmfPairs *seen);

#endif							/* RECMF_EVALUATE_READ_H */
