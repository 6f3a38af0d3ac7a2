/*
 * rmf_als.c
 *	  Start values, Gram matrices, and the choice between the exact solver and
 *	  steps.
 */
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_cg.h"
#include "rmf_exact.h"
#include "rmf_objective.h"
#include "rmf_random.h"

/* Rows whose outer products are summed at once. */
#define PANEL_ROWS 256

/*
 * From so many factors on, steps are faster than the exact solution at all
 * levels of the processor: at 8 factors they are even, at 12 steps take 0.7 to
 * 1.0 of the time, at 16 0.6 to 0.8, at 64 a quarter.  The length of a row does
 * not matter, since both costs are linear in it but for the factorisation,
 * which steps don't have.
 */
#define LEAST_FACTORS_FOR_STEPS 12

/*
 * Folding in minimises one bound after the other until the square of the row's
 * change is below a share of its own.
 */
#define MOST_BOUNDS 100
#define SMALLEST_CHANGE 1e-12

/* Are rows solved by steps?  The answer depends on the problem alone, so that it is the same on all machines. */
static int
takes_steps(const rmf_problem *problem)
{
	if (problem->solver == RMF_SOLVER_EXACT || problem->nonnegative)
		return 0;
	return problem->solver == RMF_SOLVER_CG || problem->factors >= LEAST_FACTORS_FOR_STEPS;
}

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Floats of a row in the panel of a Gram matrix. */
static size_t
panel_stride(const rmf_problem *problem)
{
	size_t		lanes = RMF_ALIGNMENT / sizeof(float);

	return ((size_t) rmf_dimensions(problem) + lanes - 1) / lanes * lanes;
}

/* For the row before, where folding in takes several rounds. */
static size_t
fold_in_bytes(const rmf_problem *problem)
{
	return rmf_objective_needs_scores(problem) ? panel_stride(problem) * sizeof(float) : 0;
}

size_t
rmf_als_row_workspace_size(const rmf_problem *problem)
{
	return fold_in_bytes(problem) + larger(PANEL_ROWS * panel_stride(problem) * sizeof(float),
								  rmf_exact_row_workspace_size(problem));
}

/* Where rows are solved by steps, their scratch follows the workspace of the exact solution of one. */
size_t
rmf_als_workspace_size(const rmf_problem *problem)
{
	size_t		row = rmf_als_row_workspace_size(problem);
	rmf_cg_scratch scratch;

	return larger(row + (takes_steps(problem) ? rmf_cg_lay_out_scratch(problem, NULL, &scratch) : 0),
				  rmf_exact_workspace_size(problem));
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
rmf_als_start(const rmf_problem *problem, rmf_side side, uint64_t seed, float bias,
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
		for (int32_t j = 0; j < factors && problem->nonnegative; j++)
			row[j] = fabsf(row[j]);
		if (rmf_has_biases(problem))
		{
			row[rmf_bias_position(problem, side)] = bias;
			row[rmf_bias_position(problem, rmf_other_side(side))] = 1;
		}
	}
}

rmf_status
rmf_als_gram_add(const rmf_problem *problem, int64_t n, const float *rows, int32_t stride,
				 float *gram, void *memory, const rmf_poll *poll)
{
	int			width = rmf_gram_width(problem);
	size_t		panel_row = panel_stride(problem);
	float	   *panel = memory;

	if (width == 0 || n < 0)
		return RMF_BAD_ARGUMENT;

	for (int64_t first = 0; first < n; first += PANEL_ROWS)
	{
		int			count = (int) (n - first < PANEL_ROWS ? n - first : PANEL_ROWS);

		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		/* through the panel, so that the alignment of "rows" cannot matter */
		for (int t = 0; t < count; t++)
			memcpy(panel + (size_t) t * panel_row, rows + (first + t) * stride, (size_t) width * sizeof(float));
		rmf_blas_syrk(width, count, panel, (int) panel_row, 1.0f, gram, width);
	}
	return RMF_OK;
}

void
rmf_als_gram_finish(const rmf_problem *problem, int64_t n_parts, const float *parts, float *gram)
{
	size_t		width = (size_t) rmf_gram_width(problem);
	size_t		square = width * width;

	for (size_t i = 0; i < width; i++)
	{
		float	   *row = gram + i * width;

		memcpy(row, parts + i * width, (i + 1) * sizeof(float));
		for (int64_t p = 1; p < n_parts; p++)
		{
			const float *part = parts + (size_t) p * square + i * width;

			for (size_t j = 0; j <= i; j++)
				row[j] += part[j];
		}
		for (size_t j = 0; j < i; j++)
			gram[j * width + i] = row[j];
	}
}

rmf_status
rmf_als_gram(const rmf_problem *problem, int64_t n, const float *rows,
			 float *gram, void *memory, const rmf_poll *poll)
{
	size_t		width = (size_t) rmf_gram_width(problem);
	rmf_status	status;

	memset(gram, 0, width * width * sizeof(float));
	status = rmf_als_gram_add(problem, n, rows, rmf_dimensions(problem), gram, memory, poll);
	if (status == RMF_OK)
		rmf_als_gram_finish(problem, 1, gram, gram);
	return status;
}

rmf_status
rmf_als_solve_row(const rmf_half_step *step, int64_t n, const int32_t *column,
				  const float *value, const float *weight, float *solution, void *memory,
				  const rmf_poll *poll)
{
	return rmf_exact_solve_row(step, n, column, value, weight, solution, memory, poll);
}

rmf_status
rmf_als_fold_in(const rmf_half_step *step, int64_t n, const int32_t *column, const float *value,
				const float *weight, float *solution, void *memory, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int32_t		dimensions = rmf_dimensions(problem);
	float	   *before = memory;
	void	   *workspace = (char *) memory + fold_in_bytes(problem);
	rmf_status	status;

	rmf_exact_clear_row(problem, step->side, solution);
	for (int round = 1;; round++)
	{
		double		change = 0,
					square = 0;

		if (rmf_objective_needs_scores(problem))
			memcpy(before, solution, (size_t) dimensions * sizeof(float));
		status = rmf_als_solve_row(step, n, column, value, weight, solution, workspace, poll);
		if (status != RMF_OK || !rmf_objective_needs_scores(problem) || round == MOST_BOUNDS)
			return status;
		for (int32_t j = 0; j < dimensions; j++)
		{
			double		difference = (double) solution[j] - before[j];

			change += difference * difference;
			square += (double) solution[j] * solution[j];
		}
		if (!(change > SMALLEST_CHANGE * square))
			return status;
	}
}

/*
 * Fit and squares at the packed rows of the other side are off by their
 * rounding, some 2^-9 of each entry, which averages out over many entries.
 * Below so many (then about 2e-6 of the loss, and 4 MB that the caches hold) the
 * rows themselves are read.
 */
#define ENTRIES_TO_MEASURE_PACKED ((int64_t) 1 << 20)

/* Rows that wait for being solved in step with each other. */
typedef struct row_group
{
	int			n;
	int64_t		room;			/* that their ratings take up in the panel */
	rmf_cg_row	row[RMF_CG_AT_ONCE];
} row_group;

static rmf_status
solve_exactly(const rmf_half_step *step, const rmf_cg_row *row, rmf_sums *sums, void *memory,
			  const rmf_poll *poll)
{
	rmf_status	status = rmf_als_solve_row(step, row->n, row->column, row->value, row->weight,
										   row->solution, memory, poll);

	if (status == RMF_OK && sums != NULL)
		status = rmf_exact_measure(step, row->n, row->column, row->value, row->weight, row->solution,
								   sums, memory, poll);
	return status;
}

/* By steps, and exactly where these break down. */
static rmf_status
solve_group(const rmf_half_step *step, row_group *group, rmf_sums *sums, void *memory,
			const rmf_cg_scratch *scratch, const rmf_poll *poll)
{
	int			is_packed = step->extra == NULL &&
		step->n_fixed * step->problem->factors >= ENTRIES_TO_MEASURE_PACKED;
	rmf_status	status;

	if (group->n == 0)
		return RMF_OK;
	status = rmf_cg_solve(step, step->packed, group->n, group->row,
						  is_packed ? sums : NULL, scratch, poll);
	for (int k = 0; status == RMF_OK && k < group->n; k++)
	{
		const rmf_cg_row *row = &group->row[k];

		if (row->status == RMF_SINGULAR)
			status = solve_exactly(step, row, sums, memory, poll);
		else if (sums != NULL && !is_packed)
			status = rmf_exact_measure(step, row->n, row->column, row->value, row->weight, row->solution,
									   sums, memory, poll);
	}
	group->n = 0;
	group->room = 0;
	return status;
}

rmf_status
rmf_als_half_step(const rmf_half_step *step, int64_t n_rows, const int64_t *start,
				  const int32_t *column, const float *value, const float *weight,
				  float *solved, rmf_sums *sums, void *memory, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	int32_t		dimensions = rmf_dimensions(problem);
	const rmf_cg_side *side = step->packed;
	rmf_cg_scratch scratch;
	row_group	group = {0};
	rmf_status	status = RMF_OK;

	if (n_rows < 0)
		return RMF_BAD_ARGUMENT;
	if (side == NULL)
		return rmf_exact_solve_rows(step, n_rows, start, column, value, weight, solved, sums, memory, poll);

	if (side->n != step->n_fixed || !takes_steps(problem))
		return RMF_BAD_ARGUMENT;
	rmf_cg_lay_out_scratch(problem, (char *) memory + rmf_als_row_workspace_size(problem), &scratch);
	for (int64_t r = 0; status == RMF_OK && r < n_rows; r++)
	{
		int64_t		at = start[r] - start[0];
		rmf_cg_row	row = {
			.n = start[r + 1] - start[r], .column = column + at, .value = value + at,
			.weight = weight != NULL ? weight + at : NULL, .n_after = start[n_rows] - start[r + 1],
			.solution = solved + r * dimensions
		};

		if (row.n <= 0)
		{
			status = solve_exactly(step, &row, sums, memory, poll);
			continue;
		}
		if (group.n == RMF_CG_AT_ONCE || group.room + rmf_cg_room(row.n) > scratch.capacity)
			status = solve_group(step, &group, sums, memory, &scratch, poll);
		group.row[group.n++] = row;
		group.room += rmf_cg_room(row.n);
	}
	if (status == RMF_OK)
		status = solve_group(step, &group, sums, memory, &scratch, poll);
	return status;
}
