/*
 * recmf_given.h
 *	  Ids as calls give them (bigint or text), turned into ids as a model's
 *	  columns have them, and back.
 */
#ifndef RECMF_GIVEN_H
#define RECMF_GIVEN_H

#include "postgres.h"

#include "utils/array.h"

#include "recmf_registry.h"

/* Every serving function that takes or returns ids has these two forms. */
typedef enum RecmfForm
{
	RECMF_FORM_INTEGER,			/* bigint; for ids that are smallint, integer or bigint */
	RECMF_FORM_TEXT				/* text; for every kind of ids */
} RecmfForm;

/* Whether a base type is one that ids may have. */
extern bool recmf_is_id_type(Oid type);

/* An id in a call. */
typedef struct RecmfGivenId
{
	RecmfForm	form;
	bool		isnull;
	Datum		value;			/* bigint or text */
} RecmfGivenId;

/*
 * The id as a datum of a column's base type.  False when no id of that type
 * can be equal to it: NULL, an integer out of the type's range, a text that is
 * no integer or no uuid.  Such an id is an unknown one, not an error.
 */
extern bool recmf_given_to_datum(const RecmfGivenId *id, Oid type, Datum *datum);

/*
 * The array of an argument (bigint[] or text[], as the form says) as an array
 * of a column's base type, without those that no id can be equal to.
 */
extern ArrayType *recmf_given_to_array(ArrayType *ids, RecmfForm form, Oid type);

/* An id as a column has it in the form of a result: bigint or text. */
extern Datum recmf_id_to_form(Datum id, Oid type, RecmfForm form);

/* Ascending by value: integers by number, text and uuid by bytes. */
extern int	recmf_id_compare(Datum a, Datum b, Oid type);

/* The id as it is written in a call of the text form, for hints: a quoted literal, or NULL. */
extern char *recmf_given_literal(const RecmfGivenId *id);

#endif							/* RECMF_GIVEN_H */
