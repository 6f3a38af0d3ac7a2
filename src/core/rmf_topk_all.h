/*
 * rmf_topk_all.h
 *	  The k items with the largest inner product for each of many users: exact,
 *	  blocks of users over blocks of items.
 *
 * The items are prepared once (rmf_topk_items_build()): put in order of falling
 * norm, in blocks of RMF_CODES_BLOCK, each item with a code of 8 bits a
 * dimension.  For a user u with the code c_u, and an item v with c_v,
 *
 *		u = s_u c_u + e_u,	v = s_v c_v + e_v,
 *		u.v <= s_u s_v c_u.c_v + |e_u| |s_v c_v| + |u| |e_v|,
 *
 * so an item whose bound is below the user's k-th score so far is out, for the
 * price of an integer product (rmf_codes.h).  The others, some tens a user, are
 * scored by rmf_dot(), which is what orders them and what is returned: the
 * result is that of scoring every item so, to the last bit and the last tie.  A
 * user is done when |u| times the largest norm of a block is below that score.
 *
 * Rounding: the errors of the bound's few float operations and of rmf_dot()'s
 * sums are within RMF_CODES_SLACK() of |u||v|, which is part of |e_v|.  What
 * isn't in the range of floats is not coded: those bounds are infinite.
 *
 * Memory is the caller's.  All of rmf_topk_items is read only once it is built,
 * so processes may share it.
 */
#ifndef RMF_TOPK_ALL_H
#define RMF_TOPK_ALL_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_best.h"
#include "rmf_status.h"

typedef struct rmf_topk_items
{
	int32_t		n;
	int32_t		dimensions;
	int32_t		n_blocks;
	int32_t		steps;			/* codes are 4 * steps bytes */
	const float *rows;			/* n x dimensions, by number */

	/* by position: falling norm; whole blocks, the last one filled up with bounds of -infinity */
	int32_t    *number;
	float	   *scale;			/* s_v; 0 where the item isn't coded */
	float	   *code_norm;		/* |s_v c_v|, rounded up */
	float	   *error_norm;		/* |e_v| and the slack, rounded up */
	uint8_t    *codes;			/* of a block: steps x RMF_CODES_BLOCK x 4, plus 128 each */
	double	   *largest_norm;	/* of a block */
} rmf_topk_items;

/* Bytes of what rmf_topk_items_lay_out() lays out: everything but rows. */
extern size_t rmf_topk_items_size(int32_t n, int32_t dimensions);

/* memory: aligned to RMF_ALIGNMENT.  The same everywhere: another process finds what one has built. */
extern void rmf_topk_items_lay_out(int32_t n, int32_t dimensions, const float *rows, void *memory,
								   rmf_topk_items *items);

/* workspace: n x 2 numbers.  n >= 0, dimensions >= 1; rows are finite. */
extern rmf_status rmf_topk_items_build(rmf_topk_items *items, uint64_t *workspace, const rmf_poll *poll);

/* What is wanted of each user. */
typedef struct rmf_topk_wish
{
	int32_t		k;				/* >= 1 */
	double		base;			/* only items of which base + score >= least */
	double		least;			/* -INFINITY: all */
	const struct rmf_codes_kernel *kernel;	/* NULL: the fastest (rmf_codes.h) */
} rmf_topk_wish;

/* Some users. */
typedef struct rmf_topk_users
{
	int32_t		n;
	const float *rows;			/* n x dimensions */
	const int32_t *seen_start;	/* n + 1: where a user's items begin in "seen"; NULL: no items are left out */
	int32_t    *seen;			/* items in any order, also more than once; is put in order */
	rmf_scored *best;			/* out, n x k: best first, equal scores by ascending item */
	int32_t    *found;			/* out, n: how many */
} rmf_topk_users;

/* For rmf_topk_all(), aligned to RMF_ALIGNMENT. */
extern size_t rmf_topk_all_workspace_size(int32_t n_users, int32_t dimensions);

extern rmf_status rmf_topk_all(const rmf_topk_items *items, const rmf_topk_wish *wish,
							   const rmf_topk_users *users, void *workspace, const rmf_poll *poll);

#endif							/* RMF_TOPK_ALL_H */
