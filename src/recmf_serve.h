/*
 * recmf_serve.h
 *	  What the SQL functions of serving share: arguments in, rows out.
 */
#ifndef RECMF_SERVE_H
#define RECMF_SERVE_H

#include "postgres.h"

#include "fmgr.h"

#include "recmf_given.h"
#include "recmf_ranking.h"
#include "recmf_registry.h"

/* The argument k: at least 1. */
extern int	recmf_k_argument(FunctionCallInfo fcinfo, int number);

/* A boolean argument that has no meaning as NULL. */
extern bool recmf_boolean_argument(FunctionCallInfo fcinfo, int number, const char *name);

/* A text argument as a C string, or NULL. */
extern char *recmf_text_argument(FunctionCallInfo fcinfo, int number);

/* An array of ids as an array of the type that the side has; NULL when the argument is. */
extern ArrayType *recmf_ids_argument(FunctionCallInfo fcinfo, int number, RecmfForm form, Oid type);

/*
 * Writes a ranking as the result (id, value, rank) of a set-returning
 * function.  with_values false: NULL in their place.
 */
extern void recmf_return_ranking(FunctionCallInfo fcinfo, const RecmfRanking *ranking,
								 RecmfForm form, bool with_values);

/* "integer user ids and text item ids" */
extern char *recmf_describe_ids(const RecmfModel *model);

/* The error of a bigint form on a model with other ids; its hint shows the call of the text form. */
extern void recmf_refuse_integer_form(const RecmfModel *model, const char *function, const char *call);

#endif							/* RECMF_SERVE_H */
