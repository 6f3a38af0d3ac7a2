/*
 * recmf_factor.c
 *	  The type factor: text and binary forms, type modifier, casts.
 *
 * What every factor holds, wherever it came from: 1 to 16,000 dimensions, the
 * unused word 0, no NaN, no infinity.  All ways in check it (text, binary,
 * casts, recmf_factor_from_floats); what follows relies on it.
 *
 * The text form is that of pgvector, [0.1,0.2].  Output is the shortest text
 * that reads back as the same float4s.  Input takes decimal numbers with white
 * space around them; a number past the range of a float4 is an error, one too
 * small for it becomes the nearest there is, down to 0.
 *
 * Casts follow pgvector's convention: arrays are cast to factor on assignment
 * only, since an implicit cast would let an array slip into any comparison or
 * distance and hide mistakes; factor is cast to real[] implicitly, as that
 * loses nothing.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "recmf_compat.h"
#include "recmf_factor.h"

PG_FUNCTION_INFO_V1(recmf_factor_in);
PG_FUNCTION_INFO_V1(recmf_factor_out);
PG_FUNCTION_INFO_V1(recmf_factor_typmod_in);
PG_FUNCTION_INFO_V1(recmf_factor_typmod_out);
PG_FUNCTION_INFO_V1(recmf_factor_recv);
PG_FUNCTION_INFO_V1(recmf_factor_send);
PG_FUNCTION_INFO_V1(recmf_factor_coerce);
PG_FUNCTION_INFO_V1(recmf_array_to_factor);
PG_FUNCTION_INFO_V1(recmf_factor_to_real);
PG_FUNCTION_INFO_V1(recmf_factor_to_double_precision);
PG_FUNCTION_INFO_V1(recmf_factor_to_integer);

Factor *
recmf_factor_new(int dim)
{
	Factor	   *factor;

	Assert(dim >= 1 && dim <= FACTOR_MAX_DIMENSIONS);

	factor = palloc0(FACTOR_SIZE(dim));
	SET_VARSIZE(factor, FACTOR_SIZE(dim));
	factor->dim = dim;
	return factor;
}

/* Why a value may not stand in a factor, or NULL. */
static inline const char *
not_finite(float4 value)
{
	if (likely(isfinite(value)))
		return NULL;
	return isnan(value) ? "NaN" : "infinity";
}

static void
check_finite(int dim, const float4 *values)
{
	for (int i = 0; i < dim; i++)
	{
		const char *what = not_finite(values[i]);

		if (unlikely(what != NULL))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s is not allowed in a factor", what),
					 errdetail("It is at position %d.", i + 1)));
	}
}

static void
check_dimension_count(int64 dim)
{
	if (dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("factor must have at least 1 dimension")));
	if (dim > FACTOR_MAX_DIMENSIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("factor cannot have more than %d dimensions", FACTOR_MAX_DIMENSIONS),
				 errdetail("%lld were given.", (long long) dim)));
}

static void
check_typmod(int dim, int32 typmod)
{
	if (typmod != -1 && dim != typmod)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg_plural("expected %d dimension, not %d",
							   "expected %d dimensions, not %d", typmod, typmod, dim)));
}

Factor *
recmf_factor_from_floats(int dim, const float4 *values)
{
	Factor	   *factor;

	check_dimension_count(dim);
	check_finite(dim, values);

	factor = recmf_factor_new(dim);
	memcpy(factor->x, values, sizeof(float4) * dim);
	return factor;
}

void
recmf_factor_check_dimensions(const Factor *a, const Factor *b)
{
	if (unlikely(a->dim != b->dim))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different factor dimensions %d and %d", a->dim, b->dim)));
}

/* White space as array input has it, whatever the locale. */
static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline const char *
skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/*
 * The end of the decimal number at p, or p when there is none.  strtof() reads
 * more than that: hexadecimal numbers, "nan", "inf".
 */
static const char *
number_end(const char *p)
{
	const char *start = p;
	bool		digits = false;

	if (*p == '+' || *p == '-')
		p++;
	while (is_digit(*p))
	{
		digits = true;
		p++;
	}
	if (*p == '.')
	{
		p++;
		while (is_digit(*p))
		{
			digits = true;
			p++;
		}
	}
	if (!digits)
		return start;

	if (*p == 'e' || *p == 'E')
	{
		const char *exponent = p + 1;

		if (*exponent == '+' || *exponent == '-')
			exponent++;
		if (is_digit(*exponent))
		{
			while (is_digit(*exponent))
				exponent++;
			p = exponent;
		}
	}
	return p;
}

/* What a float4 may be but an element may not, where it is spelled at p, or NULL. */
static const char *
special_number(const char *p)
{
	if (*p == '+' || *p == '-')
		p++;
	if (pg_strncasecmp(p, "nan", 3) == 0)
		return "NaN";
	if (pg_strncasecmp(p, "inf", 3) == 0)
		return "infinity";
	return NULL;
}

/*
 * The nearest float4 to the decimal number at p; infinity past the range.
 * LC_NUMERIC is always "C" in a backend.
 */
static inline float4
nearest_float4(const char *p)
{
	return strtof(p, NULL);
}

/* A number for a message, cut where it is long. */
static char *
shown(const char *number, Size length)
{
	if (length <= 40)
		return pnstrdup(number, length);
	return psprintf("%.*s...", 37, number);
}

#define SYNTAX_ERROR(...) \
	ereturn(fcinfo->context, (Datum) 0, \
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
			 errmsg("invalid input syntax for type factor: \"%s\"", text), \
			 errdetail(__VA_ARGS__)))

Datum
recmf_factor_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	const char *p = text;
	int64		dim = 1;
	Factor	   *factor;

	p = skip_space(p);
	if (*p != '[')
		SYNTAX_ERROR("A factor starts with \"[\", as in [0.1,0.2].");
	p = skip_space(p + 1);

	if (*p == ']')
	{
		if (*skip_space(p + 1) != '\0')
			SYNTAX_ERROR("Nothing may follow the closing \"]\".");
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("factor must have at least 1 dimension")));
	}

	for (const char *q = p; *q != '\0' && *q != ']'; q++)
		dim += (*q == ',');
	if (dim > FACTOR_MAX_DIMENSIONS)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("factor cannot have more than %d dimensions", FACTOR_MAX_DIMENSIONS),
				 errdetail("%lld were given.", (long long) dim)));

	factor = recmf_factor_new((int) dim);
	for (int i = 0; i < dim; i++)
	{
		const char *end;

		p = skip_space(p);
		end = number_end(p);
		if (end == p)
		{
			if (*p == '\0')
				SYNTAX_ERROR("The text ends before the closing \"]\".");
			if (*p == ',' || *p == ']')
				SYNTAX_ERROR("There is no number at position %d.", i + 1);
			if (special_number(p) != NULL)
				ereturn(fcinfo->context, (Datum) 0,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("%s is not allowed in a factor", special_number(p)),
						 errdetail("It is at position %d.", i + 1)));
			SYNTAX_ERROR("What stands at position %d is not a number.", i + 1);
		}

		factor->x[i] = nearest_float4(p);
		if (isinf(factor->x[i]))
			ereturn(fcinfo->context, (Datum) 0,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for an element of a factor",
							shown(p, end - p)),
					 errdetail("It is at position %d; elements are single precision numbers.", i + 1)));

		p = skip_space(end);
		if (*p == '\0')
			SYNTAX_ERROR("The text ends before the closing \"]\".");
		if (*p != (i + 1 < dim ? ',' : ']'))
			SYNTAX_ERROR("The number at position %d is followed by neither \",\" nor \"]\".", i + 1);
		p++;
	}
	if (*skip_space(p) != '\0')
		SYNTAX_ERROR("Nothing may follow the closing \"]\".");

	if (typmod != -1 && dim != typmod)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg_plural("expected %d dimension, not %d",
							   "expected %d dimensions, not %d", typmod, typmod, (int) dim)));

	PG_RETURN_FACTOR_P(factor);
}

Datum
recmf_factor_out(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);
	char	   *text = palloc((Size) factor->dim * FLOAT_SHORTEST_DECIMAL_LEN + 3);
	char	   *p = text;

	*p++ = '[';
	for (int i = 0; i < factor->dim; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += float_to_shortest_decimal_bufn(factor->x[i], p);
	}
	*p++ = ']';
	*p = '\0';

	PG_FREE_IF_COPY(factor, 0);
	PG_RETURN_CSTRING(text);
}

Datum
recmf_factor_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *modifiers = PG_GETARG_ARRAYTYPE_P(0);
	int			n;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier for type factor"),
				 errhint("Give the number of dimensions alone, as in factor(64).")));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type factor must be at least 1")));
	if (values[0] > FACTOR_MAX_DIMENSIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type factor cannot exceed %d", FACTOR_MAX_DIMENSIONS)));

	PG_RETURN_INT32(values[0]);
}

Datum
recmf_factor_typmod_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(psprintf("(%d)", PG_GETARG_INT32(0)));
}

/* int16 dimensions, int16 zero, then the float4s: the layout itself, in network byte order. */
Datum
recmf_factor_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dim = (int16) pq_getmsgint(buf, sizeof(int16));
	int16		unused = (int16) pq_getmsgint(buf, sizeof(int16));
	Factor	   *factor;

	check_dimension_count(dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of a factor"),
				 errdetail("The second word must be 0, not %d.", unused)));
	check_typmod(dim, typmod);

	factor = recmf_factor_new(dim);
	for (int i = 0; i < dim; i++)
		factor->x[i] = pq_getmsgfloat4(buf);
	check_finite(dim, factor->x);

	PG_RETURN_FACTOR_P(factor);
}

Datum
recmf_factor_send(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, factor->dim);
	pq_sendint16(&buf, factor->unused);
	for (int i = 0; i < factor->dim; i++)
		pq_sendfloat4(&buf, factor->x[i]);

	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* factor -> factor(n): checks, changes nothing. */
Datum
recmf_factor_coerce(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);

	check_typmod(factor->dim, PG_GETARG_INT32(1));
	PG_RETURN_FACTOR_P(factor);
}

static float4
float4_from_double(double value, int position)
{
	float4		result = (float4) value;

	if (unlikely(isinf(result)) && !isinf(value))
	{
		char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

		double_to_shortest_decimal_buf(value, text);
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for an element of a factor", text),
				 errdetail("It is at position %d; elements are single precision numbers.", position)));
	}
	return result;
}

/*
 * By way of the text, as the cast from numeric to real goes: rounding once.
 * NaN and infinities come back as such.
 */
static float4
float4_from_numeric(Datum numeric, int position)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, numeric));
	float4		result = nearest_float4(text);

	if (isinf(result) && number_end(text) != text)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for an element of a factor",
						shown(text, strlen(text))),
				 errdetail("It is at position %d; elements are single precision numbers.", position)));
	pfree(text);
	return result;
}

/* integer[], real[], double precision[] or numeric[] -> factor(n) */
Datum
recmf_array_to_factor(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	int			dim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	Factor	   *factor;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must have one dimension to become a factor"),
				 errdetail("It has %d.", ARR_NDIM(array))));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array with NULL elements cannot become a factor")));
	check_dimension_count(dim);
	check_typmod(dim, typmod);

	factor = recmf_factor_new(dim);
	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			for (int i = 0; i < dim; i++)
				factor->x[i] = (float4) ((int32 *) ARR_DATA_PTR(array))[i];
			break;
		case FLOAT4OID:
			memcpy(factor->x, ARR_DATA_PTR(array), sizeof(float4) * dim);
			break;
		case FLOAT8OID:
			for (int i = 0; i < dim; i++)
				factor->x[i] = float4_from_double(((float8 *) ARR_DATA_PTR(array))[i], i + 1);
			break;
		case NUMERICOID:
			{
				Datum	   *elements;
				int			n;

				deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
				for (int i = 0; i < dim; i++)
					factor->x[i] = float4_from_numeric(elements[i], i + 1);
				break;
			}
		default:
			elog(ERROR, "no cast to factor from an array of type %u", ARR_ELEMTYPE(array));
	}
	check_finite(dim, factor->x);

	PG_RETURN_FACTOR_P(factor);
}

Datum
recmf_factor_to_real(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);
	Datum	   *elements = palloc(sizeof(Datum) * factor->dim);

	for (int i = 0; i < factor->dim; i++)
		elements[i] = Float4GetDatum(factor->x[i]);

	PG_RETURN_ARRAYTYPE_P(construct_array(elements, factor->dim, FLOAT4OID,
										  sizeof(float4), true, TYPALIGN_INT));
}

Datum
recmf_factor_to_double_precision(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);
	Datum	   *elements = palloc(sizeof(Datum) * factor->dim);

	for (int i = 0; i < factor->dim; i++)
		elements[i] = Float8GetDatum((float8) factor->x[i]);

	PG_RETURN_ARRAYTYPE_P(construct_array(elements, factor->dim, FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Rounds and refuses as the cast from real to integer does. */
Datum
recmf_factor_to_integer(PG_FUNCTION_ARGS)
{
	Factor	   *factor = PG_GETARG_FACTOR_P(0);
	Datum	   *elements = palloc(sizeof(Datum) * factor->dim);

	for (int i = 0; i < factor->dim; i++)
		elements[i] = DirectFunctionCall1(ftoi4, Float4GetDatum(factor->x[i]));

	PG_RETURN_ARRAYTYPE_P(construct_array(elements, factor->dim, INT4OID,
										  sizeof(int32), true, TYPALIGN_INT));
}
