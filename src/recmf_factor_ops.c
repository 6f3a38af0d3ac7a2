/*
 * recmf_factor_ops.c
 *	  What is computed with factors: distances, arithmetic, comparison, aggregates.
 *
 * Products and distances come from the core's kernels (core/rmf_vector.h) and
 * are finite for whatever two factors hold.  What gives a factor again raises
 * an error where an element does not fit.
 *
 * Comparison is lexicographic, a factor before its extensions; -0 equals 0.
 *
 * The state of sum and avg is a double precision[]: the number of factors, then
 * the sums, so that parallel workers and sharded databases can pass it on in any form.
 * It is {0} before the first factor.  Inside an aggregate it belongs to the
 * aggregate's context and is changed in place; in a plain call it is copied.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"

#include "core/rmf_vector.h"
#include "recmf_compat.h"
#include "recmf_factor.h"

PG_FUNCTION_INFO_V1(recmf_factor_inner_product);
PG_FUNCTION_INFO_V1(recmf_factor_negative_inner_product);
PG_FUNCTION_INFO_V1(recmf_factor_cosine_similarity);
PG_FUNCTION_INFO_V1(recmf_factor_cosine_distance);
PG_FUNCTION_INFO_V1(recmf_factor_l2_distance);
PG_FUNCTION_INFO_V1(recmf_factor_l2_norm);
PG_FUNCTION_INFO_V1(recmf_factor_l2_normalize);
PG_FUNCTION_INFO_V1(recmf_factor_dimensions);
PG_FUNCTION_INFO_V1(recmf_factor_subvector);
PG_FUNCTION_INFO_V1(recmf_factor_add);
PG_FUNCTION_INFO_V1(recmf_factor_subtract);
PG_FUNCTION_INFO_V1(recmf_factor_multiply);
PG_FUNCTION_INFO_V1(recmf_factor_lt);
PG_FUNCTION_INFO_V1(recmf_factor_le);
PG_FUNCTION_INFO_V1(recmf_factor_eq);
PG_FUNCTION_INFO_V1(recmf_factor_ne);
PG_FUNCTION_INFO_V1(recmf_factor_ge);
PG_FUNCTION_INFO_V1(recmf_factor_gt);
PG_FUNCTION_INFO_V1(recmf_factor_compare);
PG_FUNCTION_INFO_V1(recmf_factor_hash);
PG_FUNCTION_INFO_V1(recmf_factor_hash_extended);
PG_FUNCTION_INFO_V1(recmf_factor_accumulate);
PG_FUNCTION_INFO_V1(recmf_factor_combine);
PG_FUNCTION_INFO_V1(recmf_factor_sum);
PG_FUNCTION_INFO_V1(recmf_factor_avg);

/*
 * Distances
 */

static double
inner_product(FunctionCallInfo fcinfo)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);
	double		result;

	recmf_factor_check_dimensions(a, b);
	result = rmf_dot(a->dim, a->x, b->x);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

static double
cosine(FunctionCallInfo fcinfo)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);
	double		result;

	recmf_factor_check_dimensions(a, b);
	result = rmf_cosine(a->dim, a->x, b->x);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
recmf_factor_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(inner_product(fcinfo));
}

/*
 * The sign makes an ascending ORDER BY, which an index can serve, bring the
 * largest product first.  0 - x rather than -x: no "-0" for orthogonal factors.
 */
Datum
recmf_factor_negative_inner_product(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(0.0 - inner_product(fcinfo));
}

Datum
recmf_factor_cosine_similarity(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(cosine(fcinfo));
}

Datum
recmf_factor_cosine_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(1.0 - cosine(fcinfo));
}

Datum
recmf_factor_l2_distance(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);
	double		result;

	recmf_factor_check_dimensions(a, b);
	result = sqrt(rmf_squared_distance(a->dim, a->x, b->x));
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(result);
}

/*
 * One factor
 */

Datum
recmf_factor_l2_norm(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);

	PG_RETURN_FLOAT8(sqrt(rmf_dot(a->dim, a->x, a->x)));
}

Datum
recmf_factor_l2_normalize(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *result = recmf_factor_new(a->dim);

	rmf_normalize(a->dim, a->x, result->x);
	PG_RETURN_FACTOR_P(result);
}

/* The first bytes tell: a long factor is not fetched whole. */
Datum
recmf_factor_dimensions(PG_FUNCTION_ARGS)
{
	Factor	   *head = (Factor *) PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0,
														 offsetof(Factor, x) - VARHDRSZ);

	PG_RETURN_INT32(head->dim);
}

/* "count" elements from position "start" on, the first being 1. */
Datum
recmf_factor_subvector(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	int32		start = PG_GETARG_INT32(1);
	int32		count = PG_GETARG_INT32(2);
	Factor	   *result;

	if (count < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("count of a subvector must be at least 1, not %d", count)));
	if (start < 1 || start > a->dim || count > a->dim - start + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subvector lies outside the factor"),
				 errdetail("%d elements from position %d were asked of %d dimensions.",
						   count, start, a->dim),
				 errhint("Positions are counted from 1.")));

	result = recmf_factor_new(count);
	memcpy(result->x, a->x + start - 1, sizeof(float4) * count);
	PG_RETURN_FACTOR_P(result);
}

/*
 * Arithmetic, element by element
 */

static void
raise_overflow(const Factor *result)
{
	int			position = 0;

	while (isfinite(result->x[position]))
		position++;
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value out of range: overflow"),
			 errdetail("The element at position %d of the result does not fit a single precision number.",
					   position + 1)));
}

static Factor *
elementwise(FunctionCallInfo fcinfo,
			rmf_status (*operation) (int n, const float *a, const float *b, float *out))
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);
	Factor	   *result;

	recmf_factor_check_dimensions(a, b);
	result = recmf_factor_new(a->dim);
	if (operation(a->dim, a->x, b->x, result->x) != RMF_OK)
		raise_overflow(result);
	return result;
}

Datum
recmf_factor_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_FACTOR_P(elementwise(fcinfo, rmf_add));
}

Datum
recmf_factor_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_FACTOR_P(elementwise(fcinfo, rmf_subtract));
}

Datum
recmf_factor_multiply(PG_FUNCTION_ARGS)
{
	PG_RETURN_FACTOR_P(elementwise(fcinfo, rmf_multiply));
}

/*
 * Comparison.  What was detoasted is freed: index builds call this in a
 * context that lives long.
 */

static int
compare(FunctionCallInfo fcinfo)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);
	int			common = Min(a->dim, b->dim);
	int			result = 0;

	for (int i = 0; i < common && result == 0; i++)
		result = (a->x[i] > b->x[i]) - (a->x[i] < b->x[i]);
	if (result == 0)
		result = (a->dim > b->dim) - (a->dim < b->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
recmf_factor_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
recmf_factor_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
recmf_factor_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
recmf_factor_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
recmf_factor_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
recmf_factor_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
recmf_factor_compare(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

/* -0 equals 0, so it must hash as 0 does.  A seed of 0 gives the plain hash in the low word. */
static uint64
hash(FunctionCallInfo fcinfo, uint64 seed)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	float4	   *elements = palloc(sizeof(float4) * a->dim);
	uint64		result;

	/* -0 + 0 is 0 */
	for (int i = 0; i < a->dim; i++)
		elements[i] = a->x[i] + 0.0f;
	result = hash_bytes_extended((unsigned char *) elements, sizeof(float4) * a->dim, seed);

	pfree(elements);
	PG_FREE_IF_COPY(a, 0);
	return result;
}

Datum
recmf_factor_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) hash(fcinfo, 0));
}

Datum
recmf_factor_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) hash(fcinfo, (uint64) PG_GETARG_INT64(1)));
}

/*
 * Aggregates
 */

/* The state's array, checked: it may come from a plain call with anything in it. */
static float8 *
state_values(ArrayType *state, int *dim)
{
	int			n = ArrayGetNItems(ARR_NDIM(state), ARR_DIMS(state));
	float8	   *values = (float8 *) ARR_DATA_PTR(state);

	if (ARR_NDIM(state) != 1 || ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID ||
		n > FACTOR_MAX_DIMENSIONS + 1 || !(values[0] >= 0.0) || isinf(values[0]) ||
		(n == 1) != (values[0] == 0.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state of an aggregate of factors")));
	*dim = n - 1;
	return values;
}

static ArrayType *
new_state(int dim, double count)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (dim + 1);
	ArrayType  *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	((float8 *) ARR_DATA_PTR(state))[0] = count;
	return state;
}

static void
check_state_dimensions(int state_dim, int dim)
{
	if (unlikely(state_dim != dim))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different factor dimensions %d and %d", state_dim, dim)));
}

/* The first argument: itself where it may be changed, else a copy. */
static ArrayType *
own_state(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL))
		return PG_GETARG_ARRAYTYPE_P(0);
	return PG_GETARG_ARRAYTYPE_P_COPY(0);
}

Datum
recmf_factor_accumulate(PG_FUNCTION_ARGS)
{
	ArrayType  *state = own_state(fcinfo);
	Factor	   *a = PG_GETARG_FACTOR_P(1);
	int			dim;
	float8	   *values = state_values(state, &dim);

	if (dim == 0)
	{
		state = new_state(a->dim, 0.0);
		values = (float8 *) ARR_DATA_PTR(state);
	}
	else
		check_state_dimensions(dim, a->dim);

	values[0] += 1.0;
	rmf_accumulate(a->dim, values + 1, a->x);
	PG_RETURN_ARRAYTYPE_P(state);
}

Datum
recmf_factor_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state = own_state(fcinfo);
	ArrayType  *other = PG_GETARG_ARRAYTYPE_P(1);
	int			dim;
	int			other_dim;
	float8	   *values = state_values(state, &dim);
	float8	   *other_values = state_values(other, &other_dim);

	if (other_dim == 0)
		PG_RETURN_ARRAYTYPE_P(state);
	if (dim == 0)
		PG_RETURN_ARRAYTYPE_P(other);
	check_state_dimensions(dim, other_dim);

	for (int i = 0; i <= dim; i++)
		values[i] += other_values[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

/* The sums or their averages; NULL when there was no factor. */
static Datum
finish(FunctionCallInfo fcinfo, bool average)
{
	int			dim;
	float8	   *values = state_values(PG_GETARG_ARRAYTYPE_P(0), &dim);
	Factor	   *result;

	if (dim == 0)
		PG_RETURN_NULL();

	result = recmf_factor_new(dim);
	if (rmf_divide_sum(dim, values + 1, average ? values[0] : 1.0, result->x) != RMF_OK)
		raise_overflow(result);
	PG_RETURN_FACTOR_P(result);
}

Datum
recmf_factor_sum(PG_FUNCTION_ARGS)
{
	return finish(fcinfo, false);
}

Datum
recmf_factor_avg(PG_FUNCTION_ARGS)
{
	return finish(fcinfo, true);
}
