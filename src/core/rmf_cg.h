/*
 * rmf_cg.h
 *	  Rows by a few steps of conjugate gradients: the fast solver of training.
 *
 * The system of a row (rmf_als.c) is never formed.  A step multiplies it by a
 * direction p as a0 G p + sum_obs w_i (y_i.p) y_i + penalty p, which costs two
 * passes over the row's ratings instead of a matrix and its factorisation.
 * The first residual is taken at the row's previous solution, so that the
 * steps of all iterations add up.
 *
 * The rows of the side that stands still are read often and need no more
 * digits than ratings have: they are packed as pairs of bfloat16 (the upper
 * half of a float, rounded to nearest even), two dimensions in a 32-bit word.
 * Everything else, sums included, is float.
 *
 * A packed side holds no pointers, so that it may lie in shared memory.  Its
 * layout is that of a processor level; the kernels are built once a level from
 * rmf_cg_loops.h, as those of rmf_vector.h are.
 */
#ifndef RMF_CG_H
#define RMF_CG_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_als.h"
#include "rmf_vector.h"

/* Rows are padded with zeros to a multiple of at most so many dimensions. */
#define RMF_CG_MAX_BLOCK 32

/* The head of a packed side; offsets in bytes from here. */
typedef struct rmf_cg_side
{
	int64_t		n;				/* rows */
	int32_t		level;			/* rmf_cpu_level */
	int32_t		words;			/* of a packed row */
	int32_t		width;			/* padded dimensions, 2 words */
	double		mean_square;	/* of all entries */
	double		largest_square; /* |y|^2 of the longest row */
	double		trace;			/* of gram_scale G, the factors' part */
	int32_t		has_gram;
	float		gram_corner;	/* entry of the bias in gram_scale G; 0 where there is none */
	size_t		rows;			/* n x words of uint32_t */
	size_t		biases;			/* where rows have biases: n floats */
	size_t		gram;			/* where there is one: gram_scale G, width x width floats, then its row of the bias */
} rmf_cg_side;

static inline const uint32_t *
rmf_cg_rows(const rmf_cg_side *side)
{
	return (const uint32_t *) ((const char *) side + side->rows);
}

static inline const float *
rmf_cg_biases(const rmf_cg_side *side)
{
	return (const float *) ((const char *) side + side->biases);
}

static inline const float *
rmf_cg_gram(const rmf_cg_side *side)
{
	return (const float *) ((const char *) side + side->gram);
}

static inline const float *
rmf_cg_gram_edge(const rmf_cg_side *side)
{
	return rmf_cg_gram(side) + (size_t) side->width * (size_t) side->width;
}

/* Rows that are solved in step with each other, at most. */
#define RMF_CG_AT_ONCE 4

/* At most so many ratings are passed over between two polls. */
#define RMF_CG_POLL_RATINGS 4096

/* Parts of a workspace. */
typedef struct rmf_cg_scratch
{
	int			capacity;		/* packed rows of the panel; a multiple of 8 */
	uint32_t   *panel;			/* the first ratings of the rows that are solved */
	float	   *weight;			/* capacity: their weights in the system */
	uint32_t   *zero_row;		/* a packed row of zeros */
	float	   *right_side;		/* width + 1: what it has without the targets */
	/* RMF_CG_AT_ONCE x width each */
	float	   *start;
	float	   *x;				/* solution, residual, direction, A times direction */
	float	   *r;
	float	   *p;
	float	   *q;
} rmf_cg_scratch;

/* A row to be solved. */
typedef struct rmf_cg_row
{
	int64_t		n;				/* ratings, at least 1 */
	const int32_t *column;
	const float *value;
	const float *weight;		/* explicit only; NULL: all 1 */
	int64_t		n_after;		/* how many more may be read at column: those of the next rows */
	float	   *solution;		/* rmf_dimensions() floats: from where it starts, and what comes out */
	rmf_status	status;			/* out: RMF_OK or RMF_SINGULAR */
} rmf_cg_row;

typedef struct rmf_cg_kernels
{
	int			block;			/* rows are padded to a multiple of so many dimensions */
	/* One packed row of "words" words from n floats. */
	void		(*pack) (int n, const float *row, int words, uint32_t *packed);
	/* See rmf_cg_solve(). */
	rmf_status	(*solve_rows) (const rmf_half_step *step, const rmf_cg_side *side, int n_rows,
							   rmf_cg_row *rows, rmf_sums *sums, const rmf_cg_scratch *scratch,
							   const rmf_poll *poll);
} rmf_cg_kernels;

/* The kernels of a level, or NULL where the build or the processor lacks it. */
extern const rmf_cg_kernels *rmf_cg_kernels_of(rmf_cpu_level level);

/* Bytes of a packed side, the same for all levels. */
extern size_t rmf_cg_side_size(const rmf_problem *problem, int64_t n_fixed);

/* What packing learns of a slice of rows. */
typedef struct rmf_cg_squares
{
	double		sum;			/* of |y|^2 */
	double		largest;
} rmf_cg_squares;

/*
 * Packs step->fixed and step->gram into "side", rmf_cg_side_size() bytes:
 * begin; any slices of rows, by anyone and in any order; finish with the
 * slices' squares, which are added in the order given.  step->gram is read by
 * rmf_cg_pack_finish() alone.  RMF_BAD_ARGUMENT where the level is lacking.
 */
extern rmf_status rmf_cg_pack_begin(const rmf_half_step *step, rmf_cpu_level level, void *side);
extern rmf_status rmf_cg_pack_rows(const rmf_half_step *step, int64_t first, int64_t last, void *side,
								   rmf_cg_squares *squares, const rmf_poll *poll);
extern void rmf_cg_pack_finish(const rmf_half_step *step, int64_t n_slices, const rmf_cg_squares *squares,
							   void *side);

/* All of it. */
extern rmf_status rmf_cg_pack(const rmf_half_step *step, rmf_cpu_level level, void *side,
							  const rmf_poll *poll);

/* Lays out the scratch in "memory"; returns its size, the same for all levels.  Only counts where memory is NULL. */
extern size_t rmf_cg_lay_out_scratch(const rmf_problem *problem, void *memory, rmf_cg_scratch *scratch);

/* What the ratings of a row take up in the panel. */
static inline int64_t
rmf_cg_room(int64_t n)
{
	return (n + 7) / 8 * 8;
}

/*
 * Improves the solutions of up to RMF_CG_AT_ONCE rows.  Together they have
 * rmf_cg_room() in the panel, but for one alone, whose ratings past the panel
 * are gathered anew for each pass.  sums: as of rmf_als_half_step(), of the rows
 * whose status is RMF_OK.
 *
 * A row's status is RMF_SINGULAR where its steps break down or would (values
 * that leave the range of a float, a system that is singular or nearly so); its
 * solution is then as it was.
 * Errors: RMF_BAD_ARGUMENT, RMF_CANCELLED; all solutions are then as they were.
 */
extern rmf_status rmf_cg_solve(const rmf_half_step *step, const rmf_cg_side *side, int n_rows,
							   rmf_cg_row *rows, rmf_sums *sums, const rmf_cg_scratch *scratch,
							   const rmf_poll *poll);

#endif							/* RMF_CG_H */
