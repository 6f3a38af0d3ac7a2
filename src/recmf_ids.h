/*
 * recmf_ids.h
 *	  Dictionaries of user and item ids: the caller's ids to dense numbers and back.
 *
 * Integer ids (smallint, int, bigint) are kept as int64, uuids as 16 bytes,
 * text and varchar as their bytes, compared bytewise whatever the collation.
 * Numbers are handed out in order of arrival; recmf_ids_sort() renumbers by
 * value, so that what comes after does not depend on the order of the rows.
 *
 * Everything lives in the memory context that recmf_ids_create() made below
 * the given parent; deleting that context frees it.
 */
#ifndef RECMF_IDS_H
#define RECMF_IDS_H

#include "postgres.h"

#include "catalog/pg_type.h"

/* The numbers reach the disk (mf_model). */
typedef enum RecmfIdKind
{
	RECMF_ID_INTEGER = 1,
	RECMF_ID_TEXT = 2,
	RECMF_ID_UUID = 3
} RecmfIdKind;

typedef struct RecmfIds RecmfIds;

/*
 * The kind for a column or argument type (domains are looked through), or an
 * ERRCODE_DATATYPE_MISMATCH error whose hint says to cast; "what" is "user_id"
 * or "item_id" and goes into the message.
 */
extern RecmfIdKind recmf_id_kind(Oid type, const char *what);

/* "type": INT2OID, INT4OID, INT8OID, TEXTOID, VARCHAROID or UUIDOID, or a domain over one. */
extern RecmfIds *recmf_ids_create(MemoryContext parent, Oid type, const char *what);

extern RecmfIdKind recmf_ids_kind(const RecmfIds *ids);
extern Oid	recmf_ids_type(const RecmfIds *ids);	/* base type, as created */
extern int32 recmf_ids_count(const RecmfIds *ids);
extern Size recmf_ids_memory(const RecmfIds *ids);

/* The number of an id (a datum of the type that the dictionary was created for), added if new. */
extern int32 recmf_ids_intern(RecmfIds *ids, Datum id);

/* The same by the stored value; the other kinds than integer. */
extern int32 recmf_ids_intern_bytes(RecmfIds *ids, const char *bytes, Size length);

/* The same for n integers at a time, which is faster; integer kind only. */
extern void recmf_ids_intern_integers(RecmfIds *ids, int n, const int64 *values, int32 *numbers);

/* The number of an id, or -1. */
extern int32 recmf_ids_lookup(const RecmfIds *ids, Datum id);
extern int32 recmf_ids_lookup_integer(const RecmfIds *ids, int64 id);	/* -1 as well for other kinds */
extern int32 recmf_ids_lookup_text(const RecmfIds *ids, const char *bytes, Size length);	/* the text form, of any kind */

/* Renumbers by ascending value.  Returns old number -> new number (palloc'd in the dictionary's context). */
extern const int32 *recmf_ids_sort(RecmfIds *ids);

/* The id with a number, as a datum of recmf_ids_type(); pointers into the dictionary or the current context. */
extern Datum recmf_ids_get(const RecmfIds *ids, int32 number);
extern Datum recmf_ids_get_text(const RecmfIds *ids, int32 number);	/* its text form as text, current context */

/* A hash of the id's value for rmf_als_start(); stable for ever. */
extern uint64 recmf_ids_key(const RecmfIds *ids, int32 number);

/* The stored value itself: integer kind; the other kinds (pointer into the dictionary). */
extern int64 recmf_ids_get_integer(const RecmfIds *ids, int32 number);
extern const char *recmf_ids_get_bytes(const RecmfIds *ids, int32 number, Size *length);

/* An id for a message, long ones cut; "id" is a datum of recmf_ids_type(). */
extern char *recmf_ids_describe(const RecmfIds *ids, Datum id);
extern char *recmf_id_describe_text(const text *id);

/* The order of text and uuid ids. */
extern int	recmf_id_compare_bytes(const char *a, Size a_length, const char *b, Size b_length);

/*
 * Text forms.  The parsers answer false for what is no such value, without an
 * error; integers as bigint's input has them, with white space around.
 */
extern bool recmf_id_parse_integer(const char *bytes, Size length, int64 *integer);
extern bool recmf_id_parse_uuid(const char *bytes, Size length, uint8 *uuid);	/* 16 bytes */
extern Datum recmf_id_integer_to_text(int64 id);
extern Datum recmf_id_uuid_to_text(const uint8 *uuid);

/* The value of an integer id of one of the three types. */
static inline int64
recmf_integer_from_datum(Oid type, Datum id)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(id);
		case INT4OID:
			return DatumGetInt32(id);
		default:
			return DatumGetInt64(id);
	}
}

#endif							/* RECMF_IDS_H */
