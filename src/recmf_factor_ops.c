/*
 * recmf_factor_ops.c
 *	  What is computed with factors: distances, arithmetic, comparison, aggregates.
 *
 * Products and distances come from the core's kernels (core/rmf_vector.h) and
 * are finite for whatever two factors hold.
 */
#include "postgres.h"

#include <math.h>

#include "core/rmf_vector.h"
#include "recmf_factor.h"

PG_FUNCTION_INFO_V1(recmf_factor_inner_product);
PG_FUNCTION_INFO_V1(recmf_factor_negative_inner_product);
PG_FUNCTION_INFO_V1(recmf_factor_cosine_similarity);
PG_FUNCTION_INFO_V1(recmf_factor_cosine_distance);
PG_FUNCTION_INFO_V1(recmf_factor_l2_distance);

/*
 * Distances
 */

Datum
recmf_factor_inner_product(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);

	recmf_factor_check_dimensions(a, b);
	PG_RETURN_FLOAT8(rmf_dot(a->dim, a->x, b->x));
}

/* The sign of <#> makes an ascending ORDER BY, which an index can serve, bring the largest product first. */
Datum
recmf_factor_negative_inner_product(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);

	recmf_factor_check_dimensions(a, b);
	PG_RETURN_FLOAT8(-rmf_dot(a->dim, a->x, b->x));
}

Datum
recmf_factor_cosine_similarity(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);

	recmf_factor_check_dimensions(a, b);
	PG_RETURN_FLOAT8(rmf_cosine(a->dim, a->x, b->x));
}

Datum
recmf_factor_cosine_distance(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);

	recmf_factor_check_dimensions(a, b);
	PG_RETURN_FLOAT8(1.0 - rmf_cosine(a->dim, a->x, b->x));
}

Datum
recmf_factor_l2_distance(PG_FUNCTION_ARGS)
{
	Factor	   *a = PG_GETARG_FACTOR_P(0);
	Factor	   *b = PG_GETARG_FACTOR_P(1);

	recmf_factor_check_dimensions(a, b);
	PG_RETURN_FLOAT8(sqrt(rmf_squared_distance(a->dim, a->x, b->x)));
}
