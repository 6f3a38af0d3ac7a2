/*
 * rmf_exact.c
 *	  Choice of the kernels of rmf_exact.h, and the solution of rows by them.
 *
 * A row passes through: panels of its ratings, whose products and right sides
 * add up; penalties; the factorisation, at once or with LANES - 1 others; a
 * row whose system is singular, again with a ridge.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_exact.h"
#include "rmf_exact_levels.h"
#include "rmf_layout.h"
#include "rmf_objective.h"

/* Ratings that are gathered at once: what stays in the first-level cache, within bounds. */
#define PANEL_BYTES (64 * 1024)
#define MOST_PANEL_ROWS 240
#define FEWEST_PANEL_ROWS 48

/* The ridge of a singular system, as a share of each diagonal entry. */
#define FIRST_RIDGE FLT_EPSILON
#define LAST_RIDGE 1.0f
#define RIDGE_STEP 4.0f

/* Coordinate descent ends after so many sweeps, or when one lowers a row's cost by less than a share of it. */
#define MOST_SWEEPS 200
#define SMALLEST_LOWERING 1e-12

typedef struct workspace
{
	int			width;			/* unknowns of a row */
	size_t		padded;			/* the same in whole blocks of all levels */
	int			capacity;		/* rows of the panel */
	float	   *panel;			/* capacity x padded */
	float	   *weight;			/* capacity each; of the ratings */
	float	   *root;			/* of the weights */
	float	   *target;
	float	   *score;
	float	   *rhs;			/* padded each; of one panel */
	float	   *edge;			/* the matrix's row of the bias */
	double	   *rhs_sum;		/* width; of all panels */
	double	   *edge_sum;		/* width */
	float	   *triangle;		/* one system */
	float	   *x;				/* padded */
	float	   *square;			/* non-negative factors: width x width, the matrix */
	double	   *gradient;		/* the same: width */
	/* only where rows are solved side by side */
	float	   *base;			/* gram_scale G as a triangle */
	float	   *triangles;		/* RMF_EXACT_MAX_LANES systems */
	float	   *xs;
	float	   *wide;
	float	   *wide_x;
} workspace;

const rmf_exact_kernels *
rmf_exact_kernels_of(rmf_cpu_level level)
{
	if (rmf_vector_kernels_of(level) == NULL)
		return NULL;

	switch (level)
	{
		case RMF_CPU_AVX512:
			return rmf_exact_avx512;
		case RMF_CPU_AVX2:
			return rmf_exact_avx2;
		default:
			return rmf_exact_baseline;
	}
}

/* Blocks of fewer lanes take no more. */
size_t
rmf_exact_triangle_size(int width)
{
	int			blocks = (width + RMF_EXACT_MAX_LANES - 1) / RMF_EXACT_MAX_LANES;

	return rmf_exact_block_row(RMF_EXACT_MAX_LANES, blocks, blocks);
}

/* Rows and columns are in groups of up to 4. */
size_t
rmf_exact_wide_size(int width)
{
	return (size_t) (width + 3) * (size_t) (width + 7) / 2 * RMF_EXACT_MAX_LANES;
}

static size_t
lay_out_row(const rmf_problem *problem, void *base, workspace *w)
{
	size_t		used = 0;
	size_t		width = (size_t) rmf_unknowns(problem);
	size_t		padded = rmf_round_up(width, RMF_EXACT_MAX_LANES);
	size_t		capacity = PANEL_BYTES / sizeof(float) / padded;

	if (capacity > MOST_PANEL_ROWS)
		capacity = MOST_PANEL_ROWS;
	if (capacity < FEWEST_PANEL_ROWS)
		capacity = FEWEST_PANEL_ROWS;
	capacity = capacity / 4 * 4;

	w->width = (int) width;
	w->padded = padded;
	w->capacity = (int) capacity;
	w->panel = rmf_carve(base, &used, capacity * padded * sizeof(float));
	w->weight = rmf_carve(base, &used, capacity * sizeof(float));
	w->root = rmf_carve(base, &used, capacity * sizeof(float));
	w->target = rmf_carve(base, &used, capacity * sizeof(float));
	w->score = rmf_objective_needs_scores(problem) ? rmf_carve(base, &used, capacity * sizeof(float)) : NULL;
	w->rhs = rmf_carve(base, &used, padded * sizeof(float));
	w->edge = rmf_carve(base, &used, padded * sizeof(float));
	w->rhs_sum = rmf_carve(base, &used, width * sizeof(double));
	w->edge_sum = rmf_carve(base, &used, width * sizeof(double));
	w->triangle = rmf_carve(base, &used, rmf_exact_triangle_size((int) width) * sizeof(float));
	w->x = rmf_carve(base, &used, padded * sizeof(float));
	w->square = problem->nonnegative ? rmf_carve(base, &used, width * width * sizeof(float)) : NULL;
	w->gradient = problem->nonnegative ? rmf_carve(base, &used, width * sizeof(double)) : NULL;
	return used;
}

static size_t
lay_out_all(const rmf_problem *problem, void *base, workspace *w)
{
	size_t		used = lay_out_row(problem, base, w);

	if (w->width <= RMF_EXACT_WIDEST)
	{
		size_t		triangle = rmf_exact_triangle_size(w->width) * sizeof(float);

		w->base = rmf_carve(base, &used, triangle);
		w->triangles = rmf_carve(base, &used, RMF_EXACT_MAX_LANES * triangle);
		w->xs = rmf_carve(base, &used, RMF_EXACT_MAX_LANES * w->padded * sizeof(float));
		w->wide = rmf_carve(base, &used, rmf_exact_wide_size(w->width) * sizeof(float));
		w->wide_x = rmf_carve(base, &used, (size_t) (w->width + 3) * RMF_EXACT_MAX_LANES * sizeof(float));
	}
	return used;
}

size_t
rmf_exact_row_workspace_size(const rmf_problem *problem)
{
	workspace	w;

	return lay_out_row(problem, NULL, &w);
}

size_t
rmf_exact_workspace_size(const rmf_problem *problem)
{
	workspace	w;

	return lay_out_all(problem, NULL, &w);
}

static int
blocks_of(const rmf_exact_kernels *kernels, int width)
{
	return (width + kernels->lanes - 1) / kernels->lanes;
}

/* triangle := gram_scale G */
static void
copy_gram(const rmf_exact_kernels *kernels, const rmf_half_step *step, int width, float *triangle)
{
	int			blocks = blocks_of(kernels, width);

	memset(triangle, 0, rmf_exact_block_row(kernels->lanes, blocks, blocks) * sizeof(float));
	if (step->gram == NULL)
		return;
	for (int i = 0; i < width; i++)
	{
		float	   *row = triangle + rmf_exact_entry(kernels->lanes, blocks, i, i);
		const float *gram = step->gram + (size_t) i * (size_t) width;

		for (int j = i; j < width; j++)
			row[j - i] = step->gram_scale * gram[j];
	}
}

/* Checks a panel's ratings, and sets what is known of them.  solution: the present one. */
static rmf_status
weigh(const rmf_exact_kernels *kernels, const rmf_half_step *step, int count, const int32_t *column,
	  const float *value, const float *weight, const float *solution, const workspace *w)
{
	const rmf_problem *problem = step->problem;
	int32_t		dimensions = rmf_dimensions(problem);
	const float *score = NULL;

	for (int t = 0; t < count; t++)
		if (column[t] < 0 || column[t] >= step->n_fixed)
			return RMF_BAD_ARGUMENT;
	if (rmf_has_biases(problem))
	{
		const float *bias = step->fixed + rmf_bias_position(problem, rmf_other_side(step->side));

		for (int t = 0; t < count; t++)
			w->target[t] = bias[(int64_t) column[t] * dimensions];
	}
	if (rmf_objective_needs_scores(problem))
	{
		kernels->score(dimensions, dimensions, count, step->fixed, column, solution, w->score);
		score = w->score;
	}
	if (!rmf_objective_weigh(problem, count, value, weight, score, w->weight, w->target))
		return RMF_BAD_ARGUMENT;
	for (int t = 0; t < count; t++)
		w->root[t] = sqrtf(w->weight[t]);
	return RMF_OK;
}

/*
 * A and b of a row; the triangle holds gram_scale G.  Where rows have biases,
 * the last row of A is the edge: sums of weight_t (y_t, 1).
 */
static rmf_status
assemble(const rmf_exact_kernels *kernels, const rmf_half_step *step, int64_t n, const int32_t *column,
		 const float *value, const float *weight, const float *solution, const workspace *w,
		 float *triangle, float *x, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int			has_biases = rmf_has_biases(problem);
	int			lanes = kernels->lanes;
	int			width = w->width;
	int			factors = problem->factors;
	int			blocks = blocks_of(kernels, width);
	int32_t		dimensions = rmf_dimensions(problem);
	double		size = 0;
	double		penalty;

	memset(w->rhs_sum, 0, (size_t) width * sizeof(double));
	memset(w->edge_sum, 0, (size_t) width * sizeof(double));
	for (int64_t first = 0; first < n; first += w->capacity)
	{
		int			count = (int) (n - first < w->capacity ? n - first : w->capacity);
		const float *weights = weight != NULL ? weight + first : NULL;
		rmf_status	status;

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		status = weigh(kernels, step, count, column + first, value + first, weights, solution, w);
		if (status != RMF_OK)
			return status;
		size += rmf_objective_size(problem, count, value + first, weights);

		memset(w->rhs, 0, w->padded * sizeof(float));
		memset(w->edge, 0, w->padded * sizeof(float));
		kernels->gather(factors, dimensions, count, step->fixed, column + first, w->root, w->target,
						w->weight, w->capacity, w->panel, w->rhs, has_biases ? w->edge : NULL);
		kernels->add_gram(factors, blocks, count, w->panel, w->capacity, triangle);
		if (has_biases)
		{
			w->rhs[factors] = 0;
			for (int t = 0; t < count; t++)
			{
				w->rhs_sum[factors] += w->target[t];
				w->edge_sum[factors] += w->weight[t];
			}
			for (int j = 0; j < factors; j++)
				w->edge_sum[j] += w->edge[j];
		}
		for (int j = 0; j < factors; j++)
			w->rhs_sum[j] += w->rhs[j];
	}

	if (step->base != NULL || step->extra != NULL)
	{
		rmf_objective_right_side(step, n, column, x);
		for (int j = 0; j < width; j++)
			w->rhs_sum[j] += x[j];
	}

	penalty = rmf_als_row_penalty(problem, step->side, size, step->n_fixed);
	for (int j = 0; j < factors; j++)
		triangle[rmf_exact_entry(lanes, blocks, j, j)] += (float) penalty;
	if (has_biases)
	{
		for (int j = 0; j < width; j++)
			triangle[rmf_exact_entry(lanes, blocks, j, factors)] += (float) w->edge_sum[j];
		triangle[rmf_exact_entry(lanes, blocks, factors, factors)] += (float) problem->bias_regularization;
	}

	/* off the diagonal nothing is larger than on it */
	for (int j = 0; j < width; j++)
	{
		x[j] = (float) w->rhs_sum[j];
		if (!isfinite(triangle[rmf_exact_entry(lanes, blocks, j, j)]) || !isfinite(x[j]))
			return RMF_NOT_FINITE;
	}
	for (int j = width; j < blocks * lanes; j++)
		x[j] = 0;
	return RMF_OK;
}

/*
 * Relative to each entry, so that unknowns of different scales are treated
 * alike.  An unknown that occurs in no equation, or with denormals alone, becomes
 * 0 or nearly so.
 */
static void
add_ridge(int lanes, int width, float *triangle, float ridge)
{
	int			blocks = (width + lanes - 1) / lanes;

	for (int j = 0; j < width; j++)
	{
		float	   *entry = triangle + rmf_exact_entry(lanes, blocks, j, j);

		*entry = *entry >= FLT_MIN ? *entry * (1 + ridge) : 1;
	}
}

void
rmf_exact_clear_row(const rmf_problem *problem, rmf_side side, float *solution)
{
	memset(solution, 0, (size_t) rmf_dimensions(problem) * sizeof(float));
	if (rmf_has_biases(problem))
		solution[rmf_bias_position(problem, rmf_other_side(side))] = 1;
}

static rmf_status
set_row(const rmf_problem *problem, rmf_side side, int width, const float *x, float *solution)
{
	for (int j = 0; j < width; j++)
		if (!isfinite(x[j]))
			return RMF_NOT_FINITE;
	rmf_exact_clear_row(problem, side, solution);
	memcpy(solution, x, (size_t) problem->factors * sizeof(float));
	if (rmf_has_biases(problem))
		solution[rmf_bias_position(problem, side)] = x[problem->factors];
	return RMF_OK;
}

/*
 * The minimum of x'Ax / 2 - b'x over rows whose factors are not negative, by
 * cyclic coordinate descent from the present row, each coordinate to its own
 * minimum, until a sweep lowers the function by next to nothing.  Every sweep
 * lowers it, whether A is singular or not; a coordinate of which A says nothing,
 * or nothing but a denormal, becomes 0.  On return w->x is x.
 */
static void
solve_nonnegative(const rmf_exact_kernels *kernels, const rmf_half_step *step, const float *solution,
				  const workspace *w)
{
	const rmf_problem *problem = step->problem;
	int			lanes = kernels->lanes;
	int			width = w->width;
	int			factors = problem->factors;
	int			blocks = blocks_of(kernels, width);

	for (int i = 0; i < width; i++)
		for (int j = i; j < width; j++)
			w->square[(size_t) i * (size_t) width + (size_t) j] = w->square[(size_t) j * (size_t) width + (size_t) i] =
				w->triangle[rmf_exact_entry(lanes, blocks, i, j)];
	for (int j = 0; j < width; j++)
		w->gradient[j] = -(double) w->x[j];
	for (int j = 0; j < width; j++)
	{
		const float *line = w->square + (size_t) j * (size_t) width;
		float		start = j < factors ? solution[j] : solution[rmf_bias_position(problem, step->side)];

		w->x[j] = line[j] >= FLT_MIN && (start > 0 || j >= factors) ? start : 0;
		for (int i = 0; i < width && w->x[j] != 0; i++)
			w->gradient[i] += (double) line[i] * w->x[j];
	}

	for (int sweep = 0; sweep < MOST_SWEEPS; sweep++)
	{
		double		lowered = 0,
					size = 0;

		for (int j = 0; j < width; j++)
		{
			const float *line = w->square + (size_t) j * (size_t) width;
			double		next,
						change;

			if (!(line[j] >= FLT_MIN))
				continue;
			next = w->x[j] - w->gradient[j] / line[j];
			if (next < 0 && j < factors)
				next = 0;
			change = (double) (float) next - w->x[j];
			w->x[j] = (float) next;
			lowered += change * change * line[j];
			size += next * next * line[j];
			for (int i = 0; i < width && change != 0; i++)
				w->gradient[i] += change * line[i];
		}
		if (!(lowered > SMALLEST_LOWERING * size))
			break;
	}
}

static rmf_status
solve_alone(const rmf_exact_kernels *kernels, const rmf_half_step *step, int64_t n, const int32_t *column,
			const float *value, const float *weight, float *solution, const workspace *w,
			const rmf_poll *poll)
{
	float		ridge = 0;

	for (;;)
	{
		rmf_status	status;

		copy_gram(kernels, step, w->width, w->triangle);
		status = assemble(kernels, step, n, column, value, weight, solution, w, w->triangle, w->x, poll);
		if (status != RMF_OK)
			return status;
		if (step->problem->nonnegative)
		{
			solve_nonnegative(kernels, step, solution, w);
			return set_row(step->problem, step->side, w->width, w->x, solution);
		}
		if (ridge > 0)
			add_ridge(kernels->lanes, w->width, w->triangle, ridge);
		if (kernels->solve_one(w->width, blocks_of(kernels, w->width), w->triangle, w->x))
			return set_row(step->problem, step->side, w->width, w->x, solution);
		if (ridge > LAST_RIDGE)
			return RMF_SINGULAR;
		ridge = ridge > 0 ? ridge * RIDGE_STEP : FIRST_RIDGE;
	}
}

rmf_status
rmf_exact_solve_row(const rmf_half_step *step, int64_t n, const int32_t *column, const float *value,
					const float *weight, float *solution, void *memory, const rmf_poll *poll)
{
	const rmf_exact_kernels *kernels = rmf_exact_kernels_of(step->level);
	workspace	w;

	if (n < 0 || kernels == NULL)
		return RMF_BAD_ARGUMENT;
	if (n == 0 && step->base == NULL)
	{
		rmf_exact_clear_row(step->problem, step->side, solution);
		return rmf_poll_cancelled(poll) ? RMF_CANCELLED : RMF_OK;
	}
	lay_out_row(step->problem, memory, &w);
	return solve_alone(kernels, step, n, column, value, weight, solution, &w, poll);
}

rmf_status
rmf_exact_measure(const rmf_half_step *step, int64_t n, const int32_t *column, const float *value,
				  const float *weight, const float *solution, rmf_sums *sums, void *memory,
				  const rmf_poll *poll)
{
	const rmf_exact_kernels *kernels = rmf_exact_kernels_of(step->level);
	int32_t		dimensions = rmf_dimensions(step->problem);
	workspace	w;

	if (kernels == NULL)
		return RMF_BAD_ARGUMENT;
	sums->penalty += rmf_objective_row_cost(step->problem, step->side,
											rmf_objective_size(step->problem, n, value, weight),
											step->n_fixed, solution);
	if (!step->measure)
		return RMF_OK;
	lay_out_row(step->problem, memory, &w);
	if (step->extra != NULL)
		sums->fit += rmf_objective_features_fit(step, n, column, solution, w.x);
	for (int64_t first = 0; first < n; first += w.capacity)
	{
		int			count = (int) (n - first < w.capacity ? n - first : w.capacity);

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		kernels->score(dimensions, dimensions, count, step->fixed, column + first, solution, w.target);
		rmf_objective_measure(step->problem, count, value + first, weight != NULL ? weight + first : NULL,
							  w.target, sums);
	}
	return RMF_OK;
}

/* Rows that wait for being solved side by side. */
typedef struct batch
{
	int			n;
	int64_t		row[RMF_EXACT_MAX_LANES];
	float	   *triangle[RMF_EXACT_MAX_LANES];
	float	   *x[RMF_EXACT_MAX_LANES];
} batch;

/* The rows of a half-step, as its caller gave them. */
typedef struct row_window
{
	const int64_t *start;
	const int32_t *column;
	const float *value;
	const float *weight;
	float	   *solved;
} row_window;

static rmf_status
solve_batch(const rmf_exact_kernels *kernels, const rmf_half_step *step, const row_window *rows,
			batch *batch, const workspace *w, const rmf_poll *poll)
{
	int32_t		dimensions = rmf_dimensions(step->problem);
	int			blocks = blocks_of(kernels, w->width);
	int			good[RMF_EXACT_MAX_LANES];

	/* a part of the lanes takes as long as all of them */
	if (batch->n > kernels->lanes / 4)
	{
		for (int l = batch->n; l < kernels->lanes; l++)
		{
			batch->triangle[l] = batch->triangle[0];
			batch->x[l] = w->x;
			memcpy(w->x, batch->x[0], w->padded * sizeof(float));
		}
		kernels->solve_many(w->width, blocks, batch->triangle, batch->x, w->wide, w->wide_x, good);
	}
	else
	{
		for (int l = 0; l < batch->n; l++)
			good[l] = kernels->solve_one(w->width, blocks, batch->triangle[l], batch->x[l]);
	}

	for (int l = 0; l < batch->n; l++)
	{
		int64_t		r = batch->row[l];
		int64_t		at = rows->start[r] - rows->start[0];
		float	   *solution = rows->solved + r * dimensions;
		rmf_status	status;

		if (good[l])
			status = set_row(step->problem, step->side, w->width, batch->x[l], solution);
		else
			status = solve_alone(kernels, step, rows->start[r + 1] - rows->start[r], rows->column + at,
								 rows->value + at, rows->weight != NULL ? rows->weight + at : NULL,
								 solution, w, poll);
		if (status != RMF_OK)
			return status;
	}
	batch->n = 0;
	return RMF_OK;
}

rmf_status
rmf_exact_solve_rows(const rmf_half_step *step, int64_t n_rows, const int64_t *start, const int32_t *column,
					 const float *value, const float *weight, float *solved, rmf_sums *sums,
					 void *memory, const rmf_poll *poll)
{
	const rmf_exact_kernels *kernels = rmf_exact_kernels_of(step->level);
	int32_t		dimensions = rmf_dimensions(step->problem);
	row_window	rows = {start, column, value, weight, solved};
	rmf_status	status = RMF_OK;
	size_t		triangle;
	int			is_wide;
	workspace	w;
	batch		batch;

	if (n_rows < 0 || kernels == NULL)
		return RMF_BAD_ARGUMENT;
	lay_out_all(step->problem, memory, &w);
	is_wide = w.width <= RMF_EXACT_WIDEST && !step->problem->nonnegative;
	triangle = rmf_exact_triangle_size(w.width);
	if (is_wide)
		copy_gram(kernels, step, w.width, w.base);

	batch.n = 0;
	for (int64_t r = 0; status == RMF_OK && r < n_rows; r++)
	{
		int64_t		at = start[r] - start[0];
		int64_t		n = start[r + 1] - start[r];
		const float *weights = weight != NULL ? weight + at : NULL;
		int			l = batch.n;

		if (!is_wide || n <= 0)
		{
			status = rmf_exact_solve_row(step, n, column + at, value + at, weights,
										 solved + r * dimensions, memory, poll);
			continue;
		}
		batch.row[l] = r;
		batch.triangle[l] = w.triangles + (size_t) l * triangle;
		batch.x[l] = w.xs + (size_t) l * w.padded;
		memcpy(batch.triangle[l], w.base, triangle * sizeof(float));
		status = assemble(kernels, step, n, column + at, value + at, weights, solved + r * dimensions, &w,
						  batch.triangle[l], batch.x[l], poll);
		if (status == RMF_OK && ++batch.n == kernels->lanes)
			status = solve_batch(kernels, step, &rows, &batch, &w, poll);
	}
	if (status == RMF_OK && batch.n > 0)
		status = solve_batch(kernels, step, &rows, &batch, &w, poll);

	for (int64_t r = 0; sums != NULL && status == RMF_OK && r < n_rows; r++)
	{
		int64_t		at = start[r] - start[0];

		status = rmf_exact_measure(step, start[r + 1] - start[r], column + at, value + at,
								   weight != NULL ? weight + at : NULL, solved + r * dimensions,
								   sums, memory, poll);
	}
	return status;
}
