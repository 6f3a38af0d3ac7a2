/*
 * rmf_mips.h
 *	  Exact maximum inner product search over codes of 8 bits: codes, bounds,
 *	  and the order in which entries share a page.
 *
 * An index keeps no vectors.  It keeps a code of one byte a dimension for each,
 * with a bound on what coding lost, so that for any query u
 *
 *		u·v <= scale (u·code) + ‖u‖ error,        v = scale code + lost, ‖lost‖ <= error
 *
 * bounds the true product from above, rounding included.  Whoever reads entries
 * by falling bound and computes the true product of each (a table has the
 * vectors) may return one as soon as its product is at least the largest bound
 * that is left: exact, for any k, and for any filter applied above.
 *
 * Entries lie in blocks (an index page's worth), a block has a bound for all of
 * its entries, so that most blocks are never read:
 *
 *		u·v <= sum_j max(a_j low_j, a_j high_j) + ‖u_rest‖ rest + ‖u‖ error
 *
 * with a = B u, the parts along a few leading directions B (orthonormal rows),
 * in which factors have most of their length, low and high the range of
 * B (scale code) in the block, rest the largest norm of what is left of
 * scale code outside of them, and error the largest error of coding; and, since
 * no v is longer than the largest norm N,
 *
 *		u·v <= ‖u‖ (N - distance² / (2 N))
 *
 * with the distance of N u / ‖u‖ to the nearest place that the box and the rest
 * allow, less the error.
 *
 * The same codes serve three metrics; a query says which.  What is maximised,
 * the "score", is
 *
 *		RMF_MIPS_INNER_PRODUCT	u·v
 *		RMF_MIPS_COSINE			u·v / (‖u‖ ‖v‖), 0 where either is zero
 *		RMF_MIPS_L2				-‖u - v‖
 *
 * Scores are bounded for what the operators compute (rmf_dot(), rmf_cosine(),
 * rmf_squared_distance()), their rounding included.  Values up to the largest
 * float are safe: a bound may become infinite, never NaN.
 */
#ifndef RMF_MIPS_H
#define RMF_MIPS_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_status.h"

typedef enum rmf_mips_metric
{
	RMF_MIPS_INNER_PRODUCT,
	RMF_MIPS_COSINE,
	RMF_MIPS_L2
} rmf_mips_metric;

/* At most so many leading directions; a space has min(dimensions, this many or fewer). */
#define RMF_MIPS_MAX_LEADING 16

/* What all entries of an index share. */
typedef struct rmf_mips_space
{
	int32_t		dimensions;		/* at least 1 */
	int32_t		n_leading;
	const float *leading;		/* n_leading x dimensions, orthonormal rows; NULL where n_leading is 0 */
} rmf_mips_space;

/* What an entry has beside its code; this is its form on disk too. */
typedef struct rmf_mips_entry
{
	float		scale;			/* of the code; 0 for a vector of zeros */
	float		error;			/* at least ‖v - scale code‖ */
	float		norm;			/* ‖v‖, rounded up */
} rmf_mips_entry;

/* A bound for many entries; this is its form on disk too, cut off after n_leading ranges: see rmf_mips_bound_size(). */
typedef struct rmf_mips_bound
{
	float		largest_norm;
	float		smallest_norm;
	float		error;
	float		rest;
	struct
	{
		float		low,
					high;
	}			range[RMF_MIPS_MAX_LEADING];
} rmf_mips_bound;

/* Bytes of a code in a page: dimensions, rounded up to what the kernels like; the padding is zero. */
extern size_t rmf_mips_code_size(int32_t dimensions);

extern size_t rmf_mips_bound_size(int32_t n_leading);

/* How many leading directions are worth their place in a directory at this dimension. */
extern int32_t rmf_mips_leading_count(int32_t dimensions);

/*
 * The leading directions of a sample (rows of v, n x dimensions): those with
 * the most of the second moment.  leading: n_leading x dimensions.
 * Deterministic.  workspace: rmf_mips_leading_workspace_size().
 */
extern size_t rmf_mips_leading_workspace_size(int32_t dimensions, int32_t n_leading);
extern rmf_status rmf_mips_find_leading(int64_t n, int32_t dimensions, const float *v,
										int32_t n_leading, float *leading,
										void *workspace, const rmf_poll *poll);

/* Codes one vector (finite): code has rmf_mips_code_size() bytes. */
extern void rmf_mips_encode(int32_t dimensions, const float *v, int8_t *code,
							rmf_mips_entry *entry);

/*
 * For checking an index: is this the entry of the vector, in that its norm and
 * error are at least the vector's; are the leading directions as orthonormal as
 * the bounds allow for?
 */
extern int	rmf_mips_entry_holds(int32_t dimensions, const float *v, const int8_t *code,
								 const rmf_mips_entry *entry);
extern int	rmf_mips_space_holds(const rmf_mips_space *space);

/* An empty bound, and one that holds for one more entry, whose code alone is known. */
extern void rmf_mips_bound_clear(rmf_mips_bound *bound, int32_t n_leading);
extern void rmf_mips_bound_include(const rmf_mips_space *space, const int8_t *code,
								   const rmf_mips_entry *entry, rmf_mips_bound *bound);
/* Does the bound hold for the entry?  For checking an index. */
extern int	rmf_mips_bound_holds(const rmf_mips_space *space, const int8_t *code,
								 const rmf_mips_entry *entry, const rmf_mips_bound *bound);
/* One that holds for what either holds for. */
extern void rmf_mips_bound_unite(int32_t n_leading, const rmf_mips_bound *other, rmf_mips_bound *bound);

/*
 * Orders n entries (a directory page's worth, of similar norm) so that each
 * consecutive `capacity` of them, a block, gets a tight bound: order[i] is the
 * entry at place i.  Norms that are spread widely come to lie apart of
 * themselves.  codes: n codes, rmf_mips_code_size() apart.
 */
extern size_t rmf_mips_arrange_workspace_size(const rmf_mips_space *space, int32_t n);
extern rmf_status rmf_mips_arrange(const rmf_mips_space *space, int32_t n, const int8_t *codes,
								   const rmf_mips_entry *entries, int32_t capacity, int32_t *order,
								   void *workspace, const rmf_poll *poll);

/* ------------------------------------------------------------------------
 * A query
 * ------------------------------------------------------------------------
 */

typedef struct rmf_mips_query
{
	const rmf_mips_space *space;
	rmf_mips_metric metric;
	const struct rmf_mips_kernels *kernels;
	int16_t    *code;			/* u = scale code + lost; in the caller's memory */
	double		scale;
	double		code_square;	/* ‖code‖² */
	double		lost;			/* at least ‖lost‖ */
	double		rounding;		/* what the operator may lose, as a share of ‖u‖ ‖v‖, 1 or the distance */
	double		smallest_norm;	/* at most and at least ‖u‖ */
	double		largest_norm;
	double		inverse_norm;	/* 1 / largest_norm, 0 for a query of zeros */
	double		rest;			/* at least the norm of u outside of the leading directions */
	double		smallest_rest;	/* at most that */
	double		norm_limit;		/* no vector is longer: stands for an infinite norm */
	double		along[RMF_MIPS_MAX_LEADING];	/* a = B u */
	double		pair[RMF_MIPS_MAX_LEADING][2];	/* a, a: for low and high */
	double		weight[RMF_MIPS_MAX_LEADING][2];	/* min(a, 0) and max(a, 0): for low and high */
} rmf_mips_query;

/* u is finite.  memory: rmf_mips_query_size() bytes, for the code; space and memory outlive the query. */
extern size_t rmf_mips_query_size(int32_t dimensions);
extern void rmf_mips_query_prepare(const rmf_mips_space *space, rmf_mips_metric metric,
								   const float *u, void *memory, rmf_mips_query *query);

/* At least the score of every entry that the bound holds for. */
extern float rmf_mips_bound_score(const rmf_mips_query *query, const rmf_mips_bound *bound);

/* upper[i]: at least the score of entry i of n.  codes: rmf_mips_code_size() apart. */
extern void rmf_mips_score(const rmf_mips_query *query, int32_t n, const int8_t *codes,
						   const rmf_mips_entry *entries, float *upper);

/*
 * Which of n bounds are at least "enough": their places, ascending, and how many.
 * *left: the largest of the others, -INFINITY where there are none.  No bound is NaN.
 */
extern int32_t rmf_mips_at_least(int32_t n, const float *upper, float enough, int32_t *place, float *left);

/*
 * What the operator gives at the least for an entry whose score is at most
 * this: <#> -score, <=> 1 - score, <-> -score; below what the operator's own
 * arithmetic (float or double) may round to.
 */
extern double rmf_mips_distance(const rmf_mips_query *query, float upper);

/* ------------------------------------------------------------------------
 * Pages, and entries, that wait for their turn: a heap by falling bound
 * ------------------------------------------------------------------------
 */

typedef struct rmf_mips_waiting
{
	float		upper;
	uint32_t	block;			/* of a page, or of the row in its table: the caller's choice */
	uint16_t	offset;			/* of the row, or the place in its page */
} rmf_mips_waiting;

/* heap[0] is the largest; *n grows and shrinks by one.  The caller has made room for one more. */
extern void rmf_mips_push(rmf_mips_waiting *heap, int64_t *n, rmf_mips_waiting one);
extern rmf_mips_waiting rmf_mips_pop(rmf_mips_waiting *heap, int64_t *n);

#endif							/* RMF_MIPS_H */
