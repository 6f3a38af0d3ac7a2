/*
 * recmf_factor.h
 *	  The type factor: a vector of float4.
 *
 * The varlena layout is that of pgvector's type vector, on purpose: where both
 * are installed a cast WITHOUT FUNCTION leads from one to the other.
 */
#ifndef RECMF_FACTOR_H
#define RECMF_FACTOR_H

#include "postgres.h"

#include "fmgr.h"

#define FACTOR_MAX_DIMENSIONS 16000

typedef struct Factor
{
	int32		vl_len_;		/* varlena header; do not touch directly */
	int16		dim;			/* 1 .. FACTOR_MAX_DIMENSIONS */
	int16		unused;			/* 0 */
	float4		x[FLEXIBLE_ARRAY_MEMBER];	/* finite */
} Factor;

#define FACTOR_SIZE(dim) (offsetof(Factor, x) + sizeof(float4) * (Size) (dim))

#define DatumGetFactorP(d) ((Factor *) PG_DETOAST_DATUM(d))
#define PG_GETARG_FACTOR_P(n) DatumGetFactorP(PG_GETARG_DATUM(n))
#define PG_RETURN_FACTOR_P(f) PG_RETURN_POINTER(f)

/* palloc'd, length word and dim set, elements zero. */
extern Factor *recmf_factor_new(int dim);

/* A copy of "values" as a factor; raises an error for NaN or infinity. */
extern Factor *recmf_factor_from_floats(int dim, const float4 *values);

/* Raises ERRCODE_DATA_EXCEPTION naming both dimensions unless they are equal. */
extern void recmf_factor_check_dimensions(const Factor *a, const Factor *b);

#endif							/* RECMF_FACTOR_H */
