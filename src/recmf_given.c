/*
 * recmf_given.c
 *	  Ids as calls give them: see recmf_given.h.
 *
 * Conversions never raise an error for an id that cannot exist: a product page
 * must not fail because a cookie holds rubbish.  Memory: the current context.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "recmf_compat.h"
#include "recmf_given.h"

bool
recmf_is_id_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == TEXTOID || type == VARCHAROID || type == UUIDOID;
}

/* recmf_id_kind() for a base type that is known to be one of these; no look-up. */
static RecmfIdKind
kind_of(Oid type)
{
	switch (type)
	{
		case UUIDOID:
			return RECMF_ID_UUID;
		case TEXTOID:
		case VARCHAROID:
			return RECMF_ID_TEXT;
		default:
			Assert(recmf_is_id_type(type));
			return RECMF_ID_INTEGER;
	}
}

/* An integer as bigint's input reads it: white space around, a sign, digits. */
static bool
parse_integer(const char *text, int64 *result)
{
	const char *p = text;
	bool		negative = false;
	int64		value = 0;

	while (isspace((unsigned char) *p))
		p++;
	if (*p == '-' || *p == '+')
		negative = *p++ == '-';
	if (!isdigit((unsigned char) *p))
		return false;
	for (; isdigit((unsigned char) *p); p++)
	{
		/* towards negative infinity, where there is one number more */
		if (pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, *p - '0', &value))
			return false;
	}
	while (isspace((unsigned char) *p))
		p++;
	if (*p != '\0')
		return false;
	if (!negative)
	{
		if (value == PG_INT64_MIN)
			return false;
		value = -value;
	}
	*result = value;
	return true;
}

/* Whether uuid's input takes it: 32 hexadecimal digits, hyphens allowed after every four, braces around all. */
static bool
is_uuid(const char *text)
{
	const char *p = text;
	bool		braces = *p == '{';
	int			digits;

	if (braces)
		p++;
	for (digits = 0; digits < 2 * UUID_LEN; digits++)
	{
		if (*p == '-' && digits > 0 && digits % 4 == 0)
			p++;
		if (!isxdigit((unsigned char) *p))
			return false;
		p++;
	}
	if (braces && *p++ != '}')
		return false;
	return *p == '\0';
}

static bool
integer_to_datum(int64 value, Oid type, Datum *datum)
{
	switch (type)
	{
		case INT2OID:
			*datum = Int16GetDatum((int16) value);
			return value >= PG_INT16_MIN && value <= PG_INT16_MAX;
		case INT4OID:
			*datum = Int32GetDatum((int32) value);
			return value >= PG_INT32_MIN && value <= PG_INT32_MAX;
		default:
			*datum = Int64GetDatum(value);
			return true;
	}
}

bool
recmf_given_to_datum(const RecmfGivenId *id, Oid type, Datum *datum)
{
	RecmfIdKind kind = kind_of(type);

	if (id->isnull)
		return false;

	if (id->form == RECMF_FORM_INTEGER)
	{
		if (kind != RECMF_ID_INTEGER)
			return false;
		return integer_to_datum(DatumGetInt64(id->value), type, datum);
	}

	switch (kind)
	{
		case RECMF_ID_INTEGER:
			{
				int64		value;

				return parse_integer(TextDatumGetCString(id->value), &value) &&
					integer_to_datum(value, type, datum);
			}
		case RECMF_ID_UUID:
			{
				char	   *string = TextDatumGetCString(id->value);

				if (!is_uuid(string))
					return false;
				*datum = DirectFunctionCall1(uuid_in, CStringGetDatum(string));
				return true;
			}
		case RECMF_ID_TEXT:
			*datum = PointerGetDatum(PG_DETOAST_DATUM_PACKED(id->value));
			return true;
	}
	return false;
}

ArrayType *
recmf_given_to_array(ArrayType *ids, RecmfForm form, Oid type)
{
	Datum	   *given;
	bool	   *nulls;
	Datum	   *known;
	int			n_given;
	int			n_known = 0;
	int			i;
	int16		length;
	bool		by_value;
	char		alignment;

	if (form == RECMF_FORM_INTEGER)
		deconstruct_array(ids, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &given, &nulls, &n_given);
	else
		deconstruct_array(ids, TEXTOID, -1, false, TYPALIGN_INT, &given, &nulls, &n_given);

	known = palloc(sizeof(Datum) * Max(n_given, 1));
	for (i = 0; i < n_given; i++)
	{
		RecmfGivenId id = {form, nulls[i], given[i]};

		if (recmf_given_to_datum(&id, type, &known[n_known]))
			n_known++;
	}

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return construct_array(known, n_known, type, length, by_value, alignment);
}

Datum
recmf_id_to_form(Datum id, Oid type, RecmfForm form)
{
	switch (kind_of(type))
	{
		case RECMF_ID_INTEGER:
			{
				char		digits[MAXINT8LEN + 1];

				if (form == RECMF_FORM_INTEGER)
					return Int64GetDatum(recmf_integer_from_datum(type, id));
				pg_lltoa(recmf_integer_from_datum(type, id), digits);
				return CStringGetTextDatum(digits);
			}
		case RECMF_ID_UUID:
			return CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(uuid_out, id)));
		case RECMF_ID_TEXT:
			break;
	}
	return id;
}

int
recmf_id_compare(Datum a, Datum b, Oid type)
{
	switch (kind_of(type))
	{
		case RECMF_ID_INTEGER:
			{
				int64		integer_a = recmf_integer_from_datum(type, a);
				int64		integer_b = recmf_integer_from_datum(type, b);

				return (integer_a > integer_b) - (integer_a < integer_b);
			}
		case RECMF_ID_UUID:
			return memcmp(DatumGetUUIDP(a)->data, DatumGetUUIDP(b)->data, UUID_LEN);
		case RECMF_ID_TEXT:
			{
				struct varlena *text_a = PG_DETOAST_DATUM_PACKED(a);
				struct varlena *text_b = PG_DETOAST_DATUM_PACKED(b);
				Size		length_a = VARSIZE_ANY_EXHDR(text_a);
				Size		length_b = VARSIZE_ANY_EXHDR(text_b);
				int			order = memcmp(VARDATA_ANY(text_a), VARDATA_ANY(text_b),
										   Min(length_a, length_b));

				return order != 0 ? order : (length_a > length_b) - (length_a < length_b);
			}
	}
	return 0;
}

char *
recmf_given_literal(const RecmfGivenId *id)
{
	if (id->isnull)
		return pstrdup("NULL::text");
	if (id->form == RECMF_FORM_INTEGER)
		return psprintf("'" INT64_FORMAT "'", DatumGetInt64(id->value));
	return quote_literal_cstr(TextDatumGetCString(id->value));
}
