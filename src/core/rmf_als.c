/*
 * rmf_als.c
 *	  Start values, Gram matrices and the exact solution of a row.
 *
 * Setting the gradient of the objective (rmf_als.h) by one row x to zero, with
 * the rows y_i of the other side standing still, gives A x = b with
 *
 * implicit:
 *	 A = a0 G + sum_obs w_i y_i y_i' + lambda (W + a0 n)^nu 1
 *	 b = sum_obs (w_i + a0) y_i
 *	 G the sum of y y' over all n rows of the other side, W the sum of the w_i;
 *
 * explicit, with z_i = (y_i, 1) and x = (factors, bias):
 *	 A = sum_obs z_i z_i' + diag(lambda n^nu, ..., lambda_b)
 *	 b = sum_obs (r_i - mean - b_i) z_i.
 *
 * The rows sqrt(w_i) y_i are gathered into a panel of at most PANEL_ROWS, whose
 * symmetric product goes onto A; so memory does not depend on the length of a
 * row.  The order of the sums is the order of the ratings.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_cg.h"
#include "rmf_random.h"

#define PANEL_ROWS 256

/* The ridge of a singular system, as a share of each diagonal entry. */
#define FIRST_RIDGE FLT_EPSILON
#define LAST_RIDGE 1.0f
#define RIDGE_STEP 4.0f

/*
 * From so many factors on, steps are faster than the exact solution, measured
 * on rows of 20 to 9,000 ratings at all levels of the processor: at 8 factors
 * they are even, at 16 steps take 0.4 to 0.8 of the time, at 64 a tenth to a
 * third.  The length of a row does not matter, since both costs are linear in
 * it but for the factorisation, which steps don't have.
 */
#define LEAST_FACTORS_FOR_STEPS 12

typedef struct workspace
{
	int			width;			/* unknowns of a row */
	int			stride;			/* of the panel */
	float	   *panel;			/* PANEL_ROWS x stride */
	float	   *matrix;			/* width x width */
	float	   *rhs;			/* width */
	float	   *rhs_panel;		/* width; the part of one panel */
	double	   *rhs_sum;		/* width; the sum of these */
} workspace;

/* The unknowns of a row: its factors, and its bias. */
static int
unknowns(const rmf_problem *problem)
{
	return problem->factors + (problem->feedback == RMF_EXPLICIT ? 1 : 0);
}

static rmf_side
other_side(rmf_side side)
{
	return side == RMF_USERS ? RMF_ITEMS : RMF_USERS;
}

static size_t
round_up(size_t n, size_t multiple)
{
	return (n + multiple - 1) / multiple * multiple;
}

/* Are rows solved by steps?  The answer depends on the problem alone, so that it is the same on all machines. */
static int
takes_steps(const rmf_problem *problem)
{
	if (problem->solver == RMF_SOLVER_EXACT)
		return 0;
	return problem->solver == RMF_SOLVER_CG || problem->factors >= LEAST_FACTORS_FOR_STEPS;
}

/* The next part of a workspace; only counts where "base" is NULL. */
static void *
carve(char *base, size_t *used, size_t bytes)
{
	void	   *part = base == NULL ? NULL : base + *used;

	*used += round_up(bytes, RMF_ALIGNMENT);
	return part;
}

static size_t
lay_out_workspace(const rmf_problem *problem, void *base, workspace *w)
{
	size_t		used = 0;
	size_t		width = (size_t) unknowns(problem);
	size_t		stride = round_up(width, RMF_ALIGNMENT / sizeof(float));

	w->width = (int) width;
	w->stride = (int) stride;
	w->panel = carve(base, &used, PANEL_ROWS * stride * sizeof(float));
	w->matrix = carve(base, &used, width * width * sizeof(float));
	w->rhs = carve(base, &used, width * sizeof(float));
	w->rhs_panel = carve(base, &used, width * sizeof(float));
	w->rhs_sum = carve(base, &used, width * sizeof(double));
	return used;
}

size_t
rmf_als_row_workspace_size(const rmf_problem *problem)
{
	workspace	w;

	return lay_out_workspace(problem, NULL, &w);
}

/* The scratch of the steps follows the workspace of the exact solution. */
size_t
rmf_als_workspace_size(const rmf_problem *problem)
{
	size_t		size = rmf_als_row_workspace_size(problem);
	rmf_cg_scratch scratch;

	if (takes_steps(problem))
		size += rmf_cg_lay_out_scratch(problem, NULL, &scratch);
	return size;
}

size_t
rmf_als_packed_size(const rmf_problem *problem, int64_t n_fixed)
{
	return takes_steps(problem) ? rmf_cg_side_size(problem, n_fixed) : 0;
}

rmf_status
rmf_als_pack(const rmf_half_step *step, rmf_cpu_level level, void *packed, const rmf_poll *poll)
{
	if (!takes_steps(step->problem))
		return RMF_BAD_ARGUMENT;
	return rmf_cg_pack(step, level, packed, poll);
}

void
rmf_als_start(const rmf_problem *problem, rmf_side side, uint64_t seed,
			  int64_t n, const uint64_t *keys, float *rows)
{
	int32_t		factors = problem->factors;
	int32_t		dimensions = rmf_dimensions(problem);

	for (int64_t r = 0; r < n; r++)
	{
		float	   *row = rows + r * dimensions;

		/* the side goes into the seed, so that user 7 and item 7 differ */
		rmf_random_normal(keys[r], seed ^ rmf_mix64((uint64_t) side), problem->start_sd,
						  factors, row);
		if (problem->feedback == RMF_EXPLICIT)
		{
			row[rmf_bias_position(problem, side)] = 0;
			row[rmf_bias_position(problem, other_side(side))] = 1;
		}
	}
}

rmf_status
rmf_als_gram_add(const rmf_problem *problem, int64_t n, const float *rows,
				 float *gram, void *memory, const rmf_poll *poll)
{
	int			factors = problem->factors;
	workspace	w;

	if (problem->feedback != RMF_IMPLICIT || n < 0)
		return RMF_BAD_ARGUMENT;
	lay_out_workspace(problem, memory, &w);

	for (int64_t first = 0; first < n; first += PANEL_ROWS)
	{
		int			count = (int) (n - first < PANEL_ROWS ? n - first : PANEL_ROWS);

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		/* through the panel, so that the alignment of "rows" cannot matter */
		for (int t = 0; t < count; t++)
			memcpy(w.panel + t * w.stride, rows + (first + t) * factors, (size_t) factors * sizeof(float));
		rmf_blas_syrk(factors, count, w.panel, w.stride, 1.0f, gram, factors);
	}
	return RMF_OK;
}

void
rmf_als_gram_finish(const rmf_problem *problem, int64_t n_parts, const float *parts, float *gram)
{
	size_t		factors = (size_t) problem->factors;
	size_t		square = factors * factors;

	for (size_t i = 0; i < factors; i++)
	{
		float	   *row = gram + i * factors;

		memcpy(row, parts + i * factors, (i + 1) * sizeof(float));
		for (int64_t p = 1; p < n_parts; p++)
		{
			const float *part = parts + (size_t) p * square + i * factors;

			for (size_t j = 0; j <= i; j++)
				row[j] += part[j];
		}
		for (size_t j = 0; j < i; j++)
			gram[j * factors + i] = row[j];
	}
}

rmf_status
rmf_als_gram(const rmf_problem *problem, int64_t n, const float *rows,
			 float *gram, void *memory, const rmf_poll *poll)
{
	rmf_status	status;

	memset(gram, 0, (size_t) problem->factors * (size_t) problem->factors * sizeof(float));
	status = rmf_als_gram_add(problem, n, rows, gram, memory, poll);
	if (status == RMF_OK)
		rmf_als_gram_finish(problem, 1, gram, gram);
	return status;
}

/*
 * Gathers ratings into the panel and their part of the right side into
 * w->rhs_panel.  *weight grows by the sum of the ratings' weights.
 */
static rmf_status
gather(const rmf_half_step *step, int count, const int32_t *column, const float *value,
	   const workspace *w, double *weight)
{
	const rmf_problem *problem = step->problem;
	int			is_explicit = problem->feedback == RMF_EXPLICIT;
	int32_t		factors = problem->factors;
	int32_t		dimensions = rmf_dimensions(problem);
	int32_t		other_bias = is_explicit ? rmf_bias_position(problem, other_side(step->side)) : 0;

	memset(w->rhs_panel, 0, (size_t) w->width * sizeof(float));
	for (int t = 0; t < count; t++)
	{
		float	   *restrict panel = w->panel + t * w->stride;
		float	   *restrict rhs = w->rhs_panel;
		const float *restrict row;
		float		scale,
					target;

		if (column[t] < 0 || column[t] >= step->n_fixed)
			return RMF_BAD_ARGUMENT;
		row = step->fixed + (int64_t) column[t] * dimensions;

		if (is_explicit)
		{
			scale = 1;
			target = (float) (value[t] - problem->mean - row[other_bias]);
			*weight += 1;
			panel[factors] = 1;
			rhs[factors] += target;
		}
		else
		{
			double		observed = problem->strength * value[t];

			if (!(observed > 0))
				return RMF_BAD_ARGUMENT;
			scale = (float) sqrt(observed);
			target = (float) (observed + problem->unobserved);
			*weight += observed;
		}
		for (int32_t j = 0; j < factors; j++)
		{
			panel[j] = scale * row[j];
			rhs[j] += target * row[j];
		}
	}
	return RMF_OK;
}

/* The lower triangle of A, and b. */
static rmf_status
assemble(const rmf_half_step *step, int64_t n, const int32_t *column, const float *value,
		 const workspace *w, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	size_t		width = (size_t) w->width;
	size_t		factors = (size_t) problem->factors;
	double		weight = 0;
	double		penalty;

	if (problem->feedback == RMF_IMPLICIT)
	{
		float		a0 = (float) problem->unobserved;

		for (size_t i = 0; i < width; i++)
			for (size_t j = 0; j <= i; j++)
				w->matrix[i * width + j] = a0 * step->gram[i * width + j];
	}
	else
		memset(w->matrix, 0, width * width * sizeof(float));

	memset(w->rhs_sum, 0, width * sizeof(double));
	for (int64_t first = 0; first < n; first += PANEL_ROWS)
	{
		int			count = (int) (n - first < PANEL_ROWS ? n - first : PANEL_ROWS);
		rmf_status	status;

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		status = gather(step, count, column + first, value + first, w, &weight);
		if (status != RMF_OK)
			return status;
		rmf_blas_syrk(w->width, count, w->panel, w->stride, 1.0f, w->matrix, w->width);
		for (size_t j = 0; j < width; j++)
			w->rhs_sum[j] += w->rhs_panel[j];
	}

	penalty = rmf_als_row_penalty(problem, weight, step->n_fixed);
	for (size_t j = 0; j < factors; j++)
		w->matrix[j * width + j] += (float) penalty;
	if (problem->feedback == RMF_EXPLICIT)
		w->matrix[factors * width + factors] += (float) problem->bias_regularization;

	/* off the diagonal nothing is larger than on it */
	for (size_t j = 0; j < width; j++)
	{
		w->rhs[j] = (float) w->rhs_sum[j];
		if (!isfinite(w->matrix[j * width + j]) || !isfinite(w->rhs[j]))
			return RMF_NOT_FINITE;
	}
	return RMF_OK;
}

/*
 * Relative to each entry, so that unknowns of different scales are treated
 * alike.  An unknown that occurs in no equation becomes 0.
 */
static void
add_ridge(int width, float *matrix, float ridge)
{
	for (int j = 0; j < width; j++)
	{
		float	   *entry = matrix + (size_t) j * (size_t) width + (size_t) j;

		*entry = *entry > 0 ? *entry * (1 + ridge) : 1;
	}
}

static rmf_status
assemble_and_solve(const rmf_half_step *step, int64_t n, const int32_t *column,
				   const float *value, const workspace *w, const rmf_poll *poll)
{
	rmf_status	status;
	float		ridge = 0;

	for (;;)
	{
		status = assemble(step, n, column, value, w, poll);
		if (status != RMF_OK)
			return status;
		if (ridge > 0)
			add_ridge(w->width, w->matrix, ridge);
		status = rmf_blas_posv(w->width, w->matrix, w->rhs);
		if (status != RMF_SINGULAR || ridge > LAST_RIDGE)
			return status;
		ridge = ridge > 0 ? ridge * RIDGE_STEP : FIRST_RIDGE;
	}
}

rmf_status
rmf_als_solve_row(const rmf_half_step *step, int64_t n, const int32_t *column,
				  const float *value, float *solution, void *memory,
				  const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int32_t		factors = problem->factors;
	workspace	w;

	if (n < 0)
		return RMF_BAD_ARGUMENT;
	lay_out_workspace(problem, memory, &w);

	memset(solution, 0, (size_t) rmf_dimensions(problem) * sizeof(float));
	if (problem->feedback == RMF_EXPLICIT)
		solution[rmf_bias_position(problem, other_side(step->side))] = 1;
	if (n == 0)
		return rmf_poll_cancelled(poll) ? RMF_CANCELLED : RMF_OK;

	{
		rmf_status	status = assemble_and_solve(step, n, column, value, &w, poll);

		if (status != RMF_OK)
			return status;
	}
	for (int j = 0; j < w.width; j++)
		if (!isfinite(w.rhs[j]))
			return RMF_NOT_FINITE;
	memcpy(solution, w.rhs, (size_t) factors * sizeof(float));
	if (problem->feedback == RMF_EXPLICIT)
		solution[rmf_bias_position(problem, step->side)] = w.rhs[factors];
	return RMF_OK;
}

/*
 * What a solved row adds to the objective.  Implicit: less a0 s^2, which the
 * sum over all entries has again.
 */
static rmf_status
measure_row(const rmf_half_step *step, int64_t n, const int32_t *column, const float *value,
			const float *solution, rmf_sums *sums, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int			is_explicit = problem->feedback == RMF_EXPLICIT;
	int32_t		dimensions = rmf_dimensions(problem);
	double		weight = 0;

	for (int64_t t = 0; t < n; t++)
		weight += is_explicit ? 1 : problem->strength * value[t];
	sums->penalty += rmf_als_row_penalty(problem, weight, step->n_fixed) *
		rmf_dot(problem->factors, solution, solution);
	if (is_explicit)
	{
		double		bias = solution[rmf_bias_position(problem, step->side)];

		sums->penalty += problem->bias_regularization * bias * bias;
	}

	for (int64_t t = 0; step->measure && t < n; t++)
	{
		double		score = rmf_dot(dimensions, solution, step->fixed + (int64_t) column[t] * dimensions);
		double		error;

		if (t % PANEL_ROWS == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		if (is_explicit)
		{
			error = value[t] - problem->mean - score;
			sums->fit += error * error;
		}
		else
		{
			error = 1 - score;
			sums->fit += problem->strength * value[t] * error * error + problem->unobserved * (1 - 2 * score);
		}
		sums->squares += error * error;
	}
	return RMF_OK;
}

rmf_status
rmf_als_half_step(const rmf_half_step *step, int64_t n_rows, const int64_t *start,
				  const int32_t *column, const float *value, const float *weight,
				  float *solved, rmf_sums *sums, void *memory, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int32_t		dimensions = rmf_dimensions(problem);
	const rmf_cg_side *side = step->packed;
	const rmf_cg_kernels *kernels = NULL;
	rmf_cg_scratch scratch;

	if (n_rows < 0 || weight != NULL)
		return RMF_BAD_ARGUMENT;
	if (side != NULL)
	{
		kernels = rmf_cg_kernels_of((rmf_cpu_level) side->level);
		if (kernels == NULL || side->n != step->n_fixed || !takes_steps(problem))
			return RMF_BAD_ARGUMENT;
		rmf_cg_lay_out_scratch(problem, (char *) memory + rmf_als_row_workspace_size(problem), &scratch);
	}

	for (int64_t r = 0; r < n_rows; r++)
	{
		int64_t		at = start[r] - start[0];
		int64_t		n = start[r + 1] - start[r];
		rmf_status	status = RMF_SINGULAR;

		if (kernels != NULL && n > 0)
			status = rmf_cg_solve_row(kernels, step, side, n, column + at, value + at,
									  solved + r * dimensions, &scratch, poll);
		if (status == RMF_SINGULAR)
			status = rmf_als_solve_row(step, n, column + at, value + at,
									   solved + r * dimensions, memory, poll);
		if (status == RMF_OK && sums != NULL)
			status = measure_row(step, n, column + at, value + at, solved + r * dimensions, sums, poll);
		if (status != RMF_OK)
			return status;
	}
	return RMF_OK;
}
