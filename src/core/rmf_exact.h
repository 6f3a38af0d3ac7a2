/*
 * rmf_exact.h
 *	  The exact solution of rows: systems are formed and factored.
 *
 * The system of a row is that of rmf_objective.h.  Its ratings' rows are
 * gathered, times the root of their weights, into a panel of limited length,
 * whose product with itself goes onto the matrix; so memory does not depend on
 * the length of a row.  The order of the sums is the order of the ratings.
 *
 * Up to RMF_EXACT_WIDEST unknowns, as many systems as a register has floats
 * are factored side by side; where there are more unknowns, or fewer systems
 * left, one at a time.  Both do the same arithmetic: a row's solution does not
 * depend on which rows are solved with it.
 *
 * Where factors are to be non-negative, the systems are not factored: the best
 * row without negative factors is found by coordinate descent on the matrix.
 *
 * The kernels are built once a processor level from rmf_exact_loops.h.
 */
#ifndef RMF_EXACT_H
#define RMF_EXACT_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_als.h"
#include "rmf_vector.h"

/* So many unknowns are solved side by side: then a system each still fits the second-level cache. */
#define RMF_EXACT_WIDEST 144

/* The largest "lanes" of the kernels. */
#define RMF_EXACT_MAX_LANES 16

/*
 * A symmetric matrix, padded with zeros to "blocks" times "lanes" rows, is kept
 * as a triangle of blocks of lanes x lanes floats: those on and right of the
 * diagonal, block row after block row, each row-major.
 */
static inline size_t
rmf_exact_block_row(int lanes, int blocks, int block)
{
	return ((size_t) block * (size_t) blocks - (size_t) block * (size_t) (block - 1) / 2) *
		(size_t) lanes * (size_t) lanes;
}

/* Where the entry of row i and column j stands, j >= i or in the same block. */
static inline size_t
rmf_exact_entry(int lanes, int blocks, int i, int j)
{
	int			block = i / lanes;

	return rmf_exact_block_row(lanes, blocks, block) +
		(size_t) (i % lanes) * (size_t) (blocks - block) * (size_t) lanes + (size_t) (j - block * lanes);
}

/* All floats are aligned to RMF_ALIGNMENT. */
typedef struct rmf_exact_kernels
{
	int			lanes;			/* floats of a register; systems side by side */

	/*
	 * The rows column[t] of "rows", t < n, each "stride" floats long of which
	 * the first "factors" count, times root[t] into the panel, which has room
	 * for "capacity" rows, a multiple of 4.  rhs += sum of target[t] row;
	 * edge (may be NULL) += sum of edge_weight[t] row; both have whole blocks.
	 */
	void		(*gather) (int factors, int stride, int n, const float *rows, const int32_t *column,
						   const float *root, const float *target, const float *edge_weight,
						   int capacity, float *panel, float *rhs, float *edge);

	/* triangle += P'P, P the n rows of a panel */
	void		(*add_gram) (int factors, int blocks, int n, const float *panel, int capacity,
							 float *triangle);

	/* out[t] := the product of x with row column[t], the first "length" floats of each */
	void		(*score) (int length, int stride, int n, const float *rows, const int32_t *column,
						  const float *x, float *out);

	/*
	 * Solves A x = b in place: triangle holds A, x holds b, "blocks" blocks of
	 * which "width" floats count.  False where A is not positive definite
	 * beyond rounding: a pivot is at most width * FLT_EPSILON of its diagonal
	 * entry.
	 */
	int			(*solve_one) (int width, int blocks, float *triangle, float *x);

	/*
	 * The same for "lanes" systems side by side; good[l]: is system l solved?
	 * wide, wide_x: rmf_exact_wide_size() floats, (width + 3) * lanes floats.
	 * The triangles stay as they are.
	 */
	void		(*solve_many) (int width, int blocks, float *const *triangles, float *const *x,
							   float *wide, float *wide_x, int *good);
} rmf_exact_kernels;

/* The kernels of a level, or NULL where the build or the processor lacks it. */
extern const rmf_exact_kernels *rmf_exact_kernels_of(rmf_cpu_level level);

/* Floats of a triangle of so many unknowns, and of what solve_many() works in; the same for all levels. */
extern size_t rmf_exact_triangle_size(int width);
extern size_t rmf_exact_wide_size(int width);

/* What rmf_exact_solve_row() and rmf_exact_measure() need, and what rmf_exact_solve_rows(). */
extern size_t rmf_exact_row_workspace_size(const rmf_problem *problem);
extern size_t rmf_exact_workspace_size(const rmf_problem *problem);

/* What a row is where nothing is known of it: zeros, and the constant 1. */
extern void rmf_exact_clear_row(const rmf_problem *problem, rmf_side side, float *solution);

/* See rmf_als_solve_row(). */
extern rmf_status rmf_exact_solve_row(const rmf_half_step *step, int64_t n, const int32_t *column,
									  const float *value, const float *weight, float *solution,
									  void *workspace, const rmf_poll *poll);

/* See rmf_als_half_step(). */
extern rmf_status rmf_exact_solve_rows(const rmf_half_step *step, int64_t n_rows, const int64_t *start,
									   const int32_t *column, const float *value, const float *weight,
									   float *solved, rmf_sums *sums, void *workspace,
									   const rmf_poll *poll);

/* Adds what a solved row costs to sums->penalty, and where step->measure what its ratings do to the rest. */
extern rmf_status rmf_exact_measure(const rmf_half_step *step, int64_t n, const int32_t *column,
									const float *value, const float *weight, const float *solution,
									rmf_sums *sums, void *workspace, const rmf_poll *poll);

#endif							/* RMF_EXACT_H */
