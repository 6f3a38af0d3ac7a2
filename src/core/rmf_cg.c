/*
 * rmf_cg.c
 *	  Choice of the kernels of rmf_cg.h, and the memory that they work in.
 */
#include <string.h>

#include "rmf_cg.h"
#include "rmf_cg_levels.h"
#include "rmf_layout.h"
#include "rmf_objective.h"

/* The gathered rows of one row's ratings should stay in the second-level cache. */
#define PANEL_BYTES (512 * 1024)

/* With so few factors, a block of AVX-512 is half empty, and one of AVX2 is faster. */
#define HALF_EMPTY 16

/* How many rows are packed between two polls. */
#define POLL_ROWS 4096

const rmf_cg_kernels *
rmf_cg_kernels_of(rmf_cpu_level level)
{
	if (rmf_vector_kernels_of(level) == NULL)
		return NULL;

	switch (level)
	{
		case RMF_CPU_AVX512:
			return rmf_cg_avx512;
		case RMF_CPU_AVX2:
			return rmf_cg_avx2;
		default:
			return rmf_cg_baseline;
	}
}

/* Sets the offsets of a side whose rows are padded to a multiple of "block". */
static size_t
lay_out_side(const rmf_problem *problem, int64_t n_fixed, int block, rmf_cg_side *side)
{
	size_t		width = rmf_round_up((size_t) problem->factors, (size_t) block);
	size_t		used = 0;

	rmf_carve(NULL, &used, sizeof(rmf_cg_side));
	side->n = n_fixed;
	side->width = (int32_t) width;
	side->words = (int32_t) (width / 2);
	side->rows = used;
	rmf_carve(NULL, &used, (size_t) n_fixed * (width / 2) * sizeof(uint32_t));
	side->biases = used;
	if (rmf_has_biases(problem))
		rmf_carve(NULL, &used, (size_t) n_fixed * sizeof(float));
	side->gram = used;
	if (rmf_has_gram(problem))
		rmf_carve(NULL, &used, width * width * sizeof(float));
	side->border = used;
	if (rmf_has_gram(problem) && rmf_has_biases(problem))
		rmf_carve(NULL, &used, width * sizeof(float));
	return used;
}

size_t
rmf_cg_side_size(const rmf_problem *problem, int64_t n_fixed)
{
	rmf_cg_side side;

	return lay_out_side(problem, n_fixed, RMF_CG_MAX_BLOCK, &side);
}

/* gram_scale G, and where rows have biases, the row of the bias apart. */
static void
pack_gram(const rmf_half_step *step, rmf_cg_side *side)
{
	size_t		width = (size_t) side->width;
	size_t		unknowns = (size_t) rmf_unknowns(step->problem);
	size_t		factors = (size_t) step->problem->factors;
	float	   *padded = (float *) ((char *) side + side->gram);
	float	   *border = (float *) ((char *) side + side->border);

	side->trace = 0;
	side->corner = 0;
	memset(padded, 0, width * width * sizeof(float));
	for (size_t i = 0; i < factors; i++)
	{
		for (size_t j = 0; j < factors; j++)
			padded[i * width + j] = step->gram_scale * step->gram[i * unknowns + j];
		side->trace += padded[i * width + i];
	}
	if (unknowns > factors)
	{
		memset(border, 0, width * sizeof(float));
		for (size_t j = 0; j < factors; j++)
			border[j] = step->gram_scale * step->gram[factors * unknowns + j];
		side->corner = step->gram_scale * step->gram[factors * unknowns + factors];
	}
}

rmf_status
rmf_cg_pack_begin(const rmf_half_step *step, rmf_cpu_level level, void *memory)
{
	const rmf_cg_kernels *kernels;
	rmf_cg_side *side = memory;

	if (level == RMF_CPU_AVX512 && step->problem->factors <= HALF_EMPTY)
		level = RMF_CPU_AVX2;
	kernels = rmf_cg_kernels_of(level);
	if (kernels == NULL || step->n_fixed < 0)
		return RMF_BAD_ARGUMENT;
	lay_out_side(step->problem, step->n_fixed, kernels->block, side);
	side->level = (int32_t) level;
	return RMF_OK;
}

rmf_status
rmf_cg_pack_rows(const rmf_half_step *step, int64_t first, int64_t last, void *memory,
				 rmf_cg_squares *squares, const rmf_poll *poll)
{
	const rmf_problem *problem = step->problem;
	rmf_cg_side *side = memory;
	const rmf_cg_kernels *kernels = rmf_cg_kernels_of((rmf_cpu_level) side->level);
	int			has_biases = rmf_has_biases(problem);
	int32_t		dimensions = rmf_dimensions(problem);
	int32_t		bias = has_biases ? rmf_bias_position(problem, rmf_other_side(step->side)) : 0;
	char	   *base = memory;

	if (kernels == NULL || first < 0 || last > side->n)
		return RMF_BAD_ARGUMENT;
	squares->sum = 0;
	squares->largest = 0;
	for (int64_t r = first; r < last; r++)
	{
		const float *row = step->fixed + r * dimensions;
		double		square = rmf_dot(problem->factors, row, row);

		if ((r - first) % POLL_ROWS == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		kernels->pack(problem->factors, row, side->words,
					  (uint32_t *) (base + side->rows) + r * side->words);
		if (has_biases)
			((float *) (base + side->biases))[r] = row[bias];
		squares->sum += square;
		if (square > squares->largest)
			squares->largest = square;
	}
	return RMF_OK;
}

void
rmf_cg_pack_finish(const rmf_half_step *step, int64_t n_slices, const rmf_cg_squares *squares, void *memory)
{
	const rmf_problem *problem = step->problem;
	rmf_cg_side *side = memory;
	double		sum = 0;

	side->largest_square = 0;
	for (int64_t s = 0; s < n_slices; s++)
	{
		sum += squares[s].sum;
		if (squares[s].largest > side->largest_square)
			side->largest_square = squares[s].largest;
	}
	side->mean_square = side->n > 0 ? sum / ((double) side->n * problem->factors) : 0;
	side->has_gram = step->gram != NULL;
	if (side->has_gram)
		pack_gram(step, side);
	else
		side->trace = side->corner = 0;
}

rmf_status
rmf_cg_pack(const rmf_half_step *step, rmf_cpu_level level, void *memory, const rmf_poll *poll)
{
	rmf_cg_squares squares;
	rmf_status	status = rmf_cg_pack_begin(step, level, memory);

	if (status == RMF_OK)
		status = rmf_cg_pack_rows(step, 0, step->n_fixed, memory, &squares, poll);
	if (status == RMF_OK)
		rmf_cg_pack_finish(step, 1, &squares, memory);
	return status;
}

size_t
rmf_cg_lay_out_scratch(const rmf_problem *problem, void *memory, rmf_cg_scratch *scratch)
{
	size_t		width = rmf_round_up((size_t) problem->factors, RMF_CG_MAX_BLOCK);
	size_t		row_bytes = width / 2 * sizeof(uint32_t);
	size_t		capacity = PANEL_BYTES / row_bytes / 8 * 8;
	size_t		used = 0;

	scratch->capacity = (int) capacity;
	scratch->panel = rmf_carve(memory, &used, capacity * row_bytes);
	scratch->weight = rmf_carve(memory, &used, capacity * sizeof(float));
	scratch->zero_row = rmf_carve(memory, &used, row_bytes);
	scratch->right_side = rmf_carve(memory, &used, (width + 1) * sizeof(float));
	scratch->start = NULL;
	if (rmf_objective_needs_scores(problem))
		scratch->start = rmf_carve(memory, &used, RMF_CG_AT_ONCE * width * sizeof(float));
	scratch->x = rmf_carve(memory, &used, RMF_CG_AT_ONCE * width * sizeof(float));
	scratch->r = rmf_carve(memory, &used, RMF_CG_AT_ONCE * width * sizeof(float));
	scratch->p = rmf_carve(memory, &used, RMF_CG_AT_ONCE * width * sizeof(float));
	scratch->q = rmf_carve(memory, &used, RMF_CG_AT_ONCE * width * sizeof(float));
	return used;
}

rmf_status
rmf_cg_solve(const rmf_half_step *step, const rmf_cg_side *side, int n_rows, rmf_cg_row *rows,
			 rmf_sums *sums, const rmf_cg_scratch *scratch, const rmf_poll *poll)
{
	const rmf_cg_kernels *kernels = rmf_cg_kernels_of((rmf_cpu_level) side->level);

	if (kernels == NULL || side->n != step->n_fixed || n_rows < 1 || n_rows > RMF_CG_AT_ONCE)
		return RMF_BAD_ARGUMENT;
	return kernels->solve_rows(step, side, n_rows, rows, sums, scratch, poll);
}
