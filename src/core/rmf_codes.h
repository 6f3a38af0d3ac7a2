/*
 * rmf_codes.h
 *	  Upper bounds of inner products from codes of 8 bits: kernels chosen at run
 *	  time for the processor; private to rmf_topk_all.c and the kernels' builds.
 *
 * A kernel takes a block of items and RMF_CODES_QUERIES queries and tells which
 * items may reach each query's threshold.  Item codes are stored plus 128, as
 * the instructions multiply unsigned by signed bytes; "start" takes that back.
 * Layout of a block's codes: for each step (four dimensions) the four bytes of
 * each of the block's items, so that a register holds as many items as it has
 * 32-bit lanes, and the four bytes of a query are repeated in all of them.
 */
#ifndef RMF_CODES_H
#define RMF_CODES_H

#include <stdint.h>

/* Items of a block: a bit of the result each. */
#define RMF_CODES_BLOCK 64

/* Queries at a time. */
#define RMF_CODES_QUERIES 4

/* Of |u||v|: what rounding may change in a bound, and in the inner product that it is a bound of. */
#define RMF_CODES_SLACK(dimensions) (((dimensions) / 8 + 32) * 0x1p-24)

typedef struct rmf_codes_block
{
	const uint8_t *codes;
	const float *scale;
	const float *code_norm;
	const float *error_norm;
} rmf_codes_block;

typedef struct rmf_codes_query
{
	const int8_t *codes;		/* 4 * steps */
	int32_t		start;			/* -128 times the sum of the codes */
	float		error;			/* |e_u| / s_u */
	float		norm;			/* |u| / s_u */
	float		threshold;		/* what a bound must reach, over s_u */
} rmf_codes_query;

typedef struct rmf_codes_kernel
{
	const char *name;
	int			limit;			/* a query's codes are within +- this */

	/*
	 * Bit i of reach[q]: not (scale[i] c_q.c_i + error code_norm[i] + norm
	 * error_norm[i] < threshold), so also where that is no number.
	 */
	void		(*bound) (int steps, const rmf_codes_block *block,
						  const rmf_codes_query *const query[RMF_CODES_QUERIES],
						  uint64_t reach[RMF_CODES_QUERIES]);
} rmf_codes_kernel;

/* From the slowest on; NULL where the build or the processor lacks it.  Number 0 is always there. */
#define RMF_CODES_KERNELS 4
extern const rmf_codes_kernel *rmf_codes_kernel_of(int number);

/* The fastest. */
extern const rmf_codes_kernel *rmf_codes_best(void);

/* What the builds make; NULL where the compiler was not told to build that level. */
extern const rmf_codes_kernel *const rmf_codes_avx2;
extern const rmf_codes_kernel *const rmf_codes_avx512;
extern const rmf_codes_kernel *const rmf_codes_vnni;

#endif							/* RMF_CODES_H */
