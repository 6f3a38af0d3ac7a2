/*
 * rmf_run.c
 *	  Phases and tasks of a training run: see rmf_run.h.
 *
 * Tasks of SOLVE are runs of consecutive rows of about the same cost, and the
 * costliest are handed out first, so that all processes end at about the same
 * time; one row is never divided.  What a row costs is proportional to its
 * ratings and, for the product with the Gram matrix (steps) or the
 * factorisation (exact solution), half as many more as there are factors.
 *
 * Other phases work on slices of equal numbers of rows.  There are few of them
 * where factors are many, for each slice has a Gram matrix of its own.
 *
 * VALIDATE is in rmf_validate.c.
 *
 * Steps (rmf_cg.h) are not followed by an exact iteration: it lowers the loss
 * by as much as one more iteration of steps does, at several times the cost.
 */
#include <math.h>
#include <string.h>

#include "rmf_blas.h"
#include "rmf_layout.h"
#include "rmf_objective.h"
#include "rmf_run_private.h"
#include "rmf_vector.h"

/* At most about so many tasks of SOLVE a side, of at least such a cost (in ratings). */
#define SOLVE_TASKS 512
#define LEAST_COST 2048

#define MOST_SLICES 64
#define LEAST_SLICE_ROWS 1024

/* Rows that are packed and multiplied while they are in the cache. */
#define BLOCK_ROWS 256

/* Rows whose second vectors are made at once. */
#define FEATURES_ROWS 64

/* How many random numbers are drawn, and ratings' rows added up, between two polls. */
#define POLL_DRAWS (1 << 16)
#define POLL_RATINGS 4096

/* Multiplications of a rating's row, of as many factors, in all passes of the steps. */
#define PASSES 8

static int
has_gram(const rmf_run_shape *shape)
{
	return rmf_gram_width(&shape->problem) > 0;
}

static size_t
gram_size(const rmf_run_shape *shape)
{
	size_t		width = (size_t) rmf_gram_width(&shape->problem);

	return width * width;
}

int64_t
rmf_run_slices(const rmf_run_shape *shape, rmf_side side)
{
	int64_t		least = 2 * (int64_t) shape->problem.factors;
	int64_t		slices;

	if (least < LEAST_SLICE_ROWS)
		least = LEAST_SLICE_ROWS;
	slices = shape->n[side] / least;
	return slices < 1 ? 1 : rmf_min64(slices, MOST_SLICES);
}

rmf_rows
rmf_run_slice(const rmf_run *run, rmf_side side, int64_t number)
{
	int64_t		n = run->shape.n[side];
	int64_t		slices = rmf_run_slices(&run->shape, side);
	int64_t		each = n / slices;
	int64_t		longer = n % slices;
	rmf_rows	rows;

	rows.first = number * each + rmf_min64(number, longer);
	rows.last = rows.first + each + (number < longer);
	return rows;
}

size_t
rmf_run_lay_out(const rmf_run_shape *shape, void *base, rmf_run *run)
{
	size_t		used = 0;
	size_t		row = (size_t) rmf_dimensions(&shape->problem) * sizeof(float);
	size_t		gram = gram_size(shape) * sizeof(float);
	int64_t		larger = shape->n[RMF_USERS] > shape->n[RMF_ITEMS] ? shape->n[RMF_USERS] : shape->n[RMF_ITEMS];
	rmf_side	slices_side = shape->n[RMF_USERS] > shape->n[RMF_ITEMS] ? RMF_USERS : RMF_ITEMS;
	size_t		slices = (size_t) rmf_run_slices(shape, slices_side);
	size_t		packed = rmf_als_packed_size(&shape->problem, larger);

	run->shape = *shape;
	run->counts = rmf_carve(base, &used, sizeof(rmf_run_counts));
	for (int side = 0; side < 2; side++)
	{
		size_t		n = (size_t) shape->n[side];

		run->keys[side] = rmf_carve(base, &used, n * sizeof(uint64_t));
		run->rows[side] = rmf_carve(base, &used, n * row);
		run->gram[side] = gram > 0 ? rmf_carve(base, &used, gram) : NULL;
		run->best[side] = shape->n_validation > 0 ? rmf_carve(base, &used, n * row) : NULL;
		run->tasks[side] = rmf_carve(base, &used, (SOLVE_TASKS + 1) * sizeof(rmf_rows));
		run->sums[side] = rmf_carve(base, &used, (SOLVE_TASKS + 1) * sizeof(rmf_sums));
	}
	memset(&run->common, 0, sizeof(run->common));
	if (rmf_has_common(&shape->problem))
	{
		size_t		unknowns = (size_t) rmf_unknowns(&shape->problem);

		run->common.gram = rmf_carve(base, &used, unknowns * unknowns * sizeof(float));
		run->common.base = rmf_carve(base, &used, unknowns * sizeof(float));
		run->common.gram_scale = rmf_carve(base, &used, sizeof(float));
	}
	run->features = NULL;
	run->features_gram = run->features_inverse = NULL;
	run->features_scratch = NULL;
	run->features_sums[RMF_USERS] = run->features_sums[RMF_ITEMS] = NULL;
	if (shape->problem.implicit_features)
	{
		size_t		factors = (size_t) shape->problem.factors;

		run->features = rmf_carve(base, &used, (size_t) larger * factors * sizeof(float));
		run->features_gram = rmf_carve(base, &used, gram);
		run->features_inverse = rmf_carve(base, &used, gram);
		run->features_scratch = rmf_carve(base, &used, factors * factors * sizeof(double));
		for (int side = 0; side < 2; side++)
			run->features_sums[side] = rmf_carve(base, &used, MOST_SLICES * sizeof(rmf_sums));
	}
	run->packed = packed > 0 ? rmf_carve(base, &used, packed) : NULL;
	run->squares = packed > 0 ? rmf_carve(base, &used, slices * sizeof(rmf_cg_squares)) : NULL;
	run->partial_gram = gram > 0 ? rmf_carve(base, &used, slices * gram) : NULL;
	run->validated = NULL;
	run->validated_sums = NULL;
	if (shape->n_validation > 0)
	{
		size_t		most = (size_t) rmf_most_validated(shape);

		run->validated = rmf_carve(base, &used, most * sizeof(int32_t));
		run->validated_sums = rmf_carve(base, &used, most * sizeof(rmf_validated));
	}
	return used;
}

static size_t
lay_out_workspace(const rmf_run_shape *shape, void *base, rmf_run_workspace *w)
{
	size_t		used = 0;
	size_t		window = (size_t) shape->window;

	memset(w, 0, sizeof(*w));
	w->solver = rmf_carve(base, &used, rmf_als_workspace_size(&shape->problem));
	if (window > 0)
	{
		w->column = rmf_carve(base, &used, window * sizeof(int32_t));
		w->value = rmf_carve(base, &used, window * sizeof(float));
		w->weight = rmf_carve(base, &used, window * sizeof(float));
	}
	if (shape->problem.implicit_features)
		w->sums = rmf_carve(base, &used, FEATURES_ROWS * (size_t) shape->problem.factors * sizeof(float));
	if (shape->n_validation > 0 && rmf_validates_ranking(shape))
	{
		size_t		users = (size_t) rmf_validated_at_once(shape);

		w->users = rmf_carve(base, &used, users * (size_t) rmf_dimensions(&shape->problem) * sizeof(float));
		w->scores = rmf_carve(base, &used, users * (size_t) shape->n[RMF_ITEMS] * sizeof(float));
	}
	return used;
}

size_t
rmf_run_workspace_size(const rmf_run_shape *shape)
{
	rmf_run_workspace w;

	return lay_out_workspace(shape, NULL, &w);
}

/* Steps are linear in the factors for a rating and square for a row, the exact solution one power more. */
double
rmf_run_products(const rmf_run_shape *shape, int64_t n_entries)
{
	double		factors = shape->problem.factors;
	double		rows = (double) (shape->n[RMF_USERS] + shape->n[RMF_ITEMS]);
	int			takes_steps = rmf_als_packed_size(&shape->problem, 1) > 0;

	return (2.0 * (double) n_entries + rows * factors / 2) * factors * (takes_steps ? PASSES : factors / 2);
}

int64_t
rmf_run_tasks(const rmf_run *run, rmf_phase phase)
{
	const rmf_run_shape *shape = &run->shape;

	switch (phase)
	{
		case RMF_START_USERS:
		case RMF_START_ITEMS:
			return rmf_run_slices(shape, (rmf_side) (phase - RMF_START_USERS));
		case RMF_SOLVE_USERS:
		case RMF_SOLVE_ITEMS:
			return run->counts->solve[phase - RMF_SOLVE_USERS];
		case RMF_PREPARE_USERS:
		case RMF_PREPARE_ITEMS:
			return run->packed == NULL && !has_gram(shape) ? 0 :
				rmf_run_slices(shape, (rmf_side) (phase - RMF_PREPARE_USERS));
		case RMF_FEATURES_USERS:
		case RMF_FEATURES_ITEMS:
			return !shape->problem.implicit_features ? 0 :
				rmf_run_slices(shape, (rmf_side) (phase - RMF_FEATURES_USERS));
		case RMF_VALIDATE:
			return rmf_validate_tasks(run);
	}
	return 0;
}

/* The half-step that solves the rows of "side". */
static rmf_half_step
half_step(const rmf_run *run, rmf_side side)
{
	rmf_side	other = rmf_other_side(side);
	rmf_half_step step;

	rmf_half_step_init(&step, &run->shape.problem, side, run->shape.n[other], run->rows[other],
					   run->gram[other]);
	if (rmf_has_common(&run->shape.problem))
		rmf_objective_use(&step, &run->common, run->features);
	step.packed = run->packed;
	step.level = run->shape.level;
	step.measure = side == RMF_ITEMS;
	return step;
}

static rmf_status
start_rows(const rmf_run *run, rmf_side side, int64_t number, const rmf_poll *poll)
{
	const rmf_problem *problem = &run->shape.problem;
	int32_t		dimensions = rmf_dimensions(problem);
	int64_t		at_once = POLL_DRAWS / dimensions;
	rmf_rows	rows = rmf_run_slice(run, side, number);
	float		bias = rmf_objective_start_bias(problem, run->shape.n[RMF_USERS], run->shape.n[RMF_ITEMS],
												run->ratings[RMF_USERS].n_entries);

	for (int64_t first = rows.first; first < rows.last; first += at_once)
	{
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		rmf_als_start(problem, side, run->shape.seed, bias, rmf_min64(rows.last - first, at_once),
					  run->keys[side] + first, run->rows[side] + first * dimensions);
	}
	return RMF_OK;
}

/* Where a window that begins with row "first" ends. */
static int64_t
end_of_window(const rmf_ratings *ratings, int64_t first, int64_t last, int64_t window)
{
	int64_t		end = first + 1;

	while (end < last && ratings->start[end + 1] - ratings->start[first] <= window)
		end++;
	return end;
}

rmf_status
rmf_run_load(const rmf_ratings *ratings, int64_t first, int64_t last, int64_t window,
			 const rmf_run_workspace *w, const rmf_poll *poll)
{
	int64_t		n = ratings->start[last] - ratings->start[first];

	if (n > window)
		return RMF_BAD_ARGUMENT;
	if (rmf_poll_cancelled(poll) ||
		ratings->load(ratings->load_arg, ratings->start[first], n, w->column, w->value,
					  ratings->has_weight ? w->weight : NULL))
		return RMF_CANCELLED;
	return RMF_OK;
}

static rmf_status
solve_rows(const rmf_run *run, rmf_side side, int64_t task, const rmf_run_workspace *w, const rmf_poll *poll)
{
	const rmf_ratings *ratings = &run->ratings[side];
	rmf_half_step step = half_step(run, side);
	int32_t		dimensions = rmf_dimensions(&run->shape.problem);
	rmf_rows	rows = run->tasks[side][task];
	rmf_sums	sums = {0};
	rmf_status	status = RMF_OK;

	if (ratings->column != NULL)
	{
		int64_t		at = ratings->start[rows.first];

		status = rmf_als_half_step(&step, rows.last - rows.first, ratings->start + rows.first,
								   ratings->column + at, ratings->value + at,
								   ratings->weight != NULL ? ratings->weight + at : NULL,
								   run->rows[side] + rows.first * dimensions, &sums, w->solver, poll);
	}
	else
	{
		for (int64_t first = rows.first, end; status == RMF_OK && first < rows.last; first = end)
		{
			end = end_of_window(ratings, first, rows.last, run->shape.window);
			status = rmf_run_load(ratings, first, end, run->shape.window, w, poll);
			if (status == RMF_OK)
				status = rmf_als_half_step(&step, end - first, ratings->start + first, w->column, w->value,
										   ratings->has_weight ? w->weight : NULL,
										   run->rows[side] + first * dimensions, &sums, w->solver, poll);
		}
	}
	run->sums[side][task] = sums;
	return status;
}

/* A slice of what the rows of "side" are to those who solve the other side's. */
static rmf_status
prepare_rows(const rmf_run *run, rmf_side side, int64_t number, const rmf_run_workspace *w, const rmf_poll *poll)
{
	const rmf_problem *problem = &run->shape.problem;
	rmf_half_step step = half_step(run, rmf_other_side(side));
	int32_t		dimensions = rmf_dimensions(problem);
	size_t		square = gram_size(&run->shape);
	float	   *gram = square > 0 ? run->partial_gram + (size_t) number * square : NULL;
	rmf_rows	rows = rmf_run_slice(run, side, number);
	rmf_cg_squares squares = {0};
	rmf_status	status = RMF_OK;

	if (gram != NULL)
		memset(gram, 0, square * sizeof(float));
	for (int64_t first = rows.first; status == RMF_OK && first < rows.last; first += BLOCK_ROWS)
	{
		int64_t		n = rmf_min64(rows.last - first, BLOCK_ROWS);
		rmf_cg_squares some;

		if (run->packed != NULL)
		{
			status = rmf_cg_pack_rows(&step, first, first + n, run->packed, &some, poll);
			squares.sum += some.sum;
			if (some.largest > squares.largest)
				squares.largest = some.largest;
		}
		if (status == RMF_OK && gram != NULL)
			status = rmf_als_gram_add(problem, n, step.fixed + first * dimensions, dimensions, gram, w->solver, poll);
	}
	if (run->packed != NULL)
		run->squares[number] = squares;
	return status;
}

/* w->sums, a row of them for each row first <= r < last, grow by the factors of those whom the row has rated. */
static rmf_status
sum_others(const rmf_run *run, rmf_side side, int64_t first, int64_t last, const rmf_run_workspace *w, const rmf_poll *poll)
{
	const rmf_ratings *ratings = &run->ratings[side];
	const float *others = run->rows[rmf_other_side(side)];
	int32_t		factors = run->shape.problem.factors;
	int32_t		dimensions = rmf_dimensions(&run->shape.problem);

	for (int64_t from = first, to; from < last; from = to)
	{
		const int32_t *column = w->column;

		to = last;
		if (ratings->column != NULL)
			column = ratings->column + ratings->start[from];
		else
		{
			rmf_status	status;

			to = end_of_window(ratings, from, last, run->shape.window);
			status = rmf_run_load(ratings, from, to, run->shape.window, w, poll);
			if (status != RMF_OK)
				return status;
		}
		for (int64_t r = from; r < to; r++)
		{
			float	   *restrict sum = w->sums + (r - first) * factors;
			int64_t		at = ratings->start[r] - ratings->start[from];
			int64_t		n = ratings->start[r + 1] - ratings->start[r];

			for (int64_t t = 0; t < n; t++)
			{
				const float *restrict other = others + (int64_t) column[at + t] * dimensions;

				if (t % POLL_RATINGS == 0 && rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				for (int32_t j = 0; j < factors; j++)
					sum[j] += other[j];
			}
		}
	}
	return RMF_OK;
}

/*
 * Second vectors of a slice of the rows of "side": sums of the rows of their
 * ratings, times the inverse.  With the sum s of an item's users and its second
 * vector b, the least of the objective's sum over all users is (number of
 * ratings) - b.s, what |b|^2 costs included.
 */
static rmf_status
make_features(const rmf_run *run, rmf_side side, int64_t number, const rmf_run_workspace *w, const rmf_poll *poll)
{
	const rmf_problem *problem = &run->shape.problem;
	const rmf_ratings *ratings = &run->ratings[side];
	int32_t		factors = problem->factors;
	rmf_rows	rows = rmf_run_slice(run, side, number);
	float	   *gram = run->partial_gram + (size_t) number * gram_size(&run->shape);
	rmf_sums	sums = {0};
	rmf_status	status = RMF_OK;

	memset(gram, 0, gram_size(&run->shape) * sizeof(float));
	for (int64_t first = rows.first, last; status == RMF_OK && first < rows.last; first = last)
	{
		float	   *features = run->features + first * factors;

		/* always the same rows together, however many are loaded at a time: sums depend on it */
		last = rmf_min64(first + FEATURES_ROWS, rows.last);
		memset(w->sums, 0, (size_t) (last - first) * (size_t) factors * sizeof(float));
		status = sum_others(run, side, first, last, w, poll);
		if (status != RMF_OK)
			return status;
		rmf_blas_gemm_nt((int) (last - first), factors, factors, w->sums, factors,
						 run->features_inverse, factors, features, factors);
		for (int64_t r = first; r < last; r++)
		{
			const float *feature = run->features + r * factors;

			sums.fit += problem->features_weight * ((double) (ratings->start[r + 1] - ratings->start[r]) -
													rmf_dot(factors, feature, w->sums + (r - first) * factors));
			sums.penalty += problem->features_weight * problem->features_regularization *
				rmf_dot(factors, feature, feature);
		}
		status = rmf_als_gram_add(problem, last - first, features, factors, gram, w->solver, poll);
	}
	run->features_sums[side][number] = sums;
	return status;
}

rmf_status
rmf_run_task(const rmf_run *run, rmf_phase phase, int64_t task, void *memory, const rmf_poll *poll)
{
	rmf_run_workspace w;

	if (task < 0 || task >= rmf_run_tasks(run, phase))
		return RMF_BAD_ARGUMENT;
	lay_out_workspace(&run->shape, memory, &w);
	switch (phase)
	{
		case RMF_START_USERS:
		case RMF_START_ITEMS:
			return start_rows(run, (rmf_side) (phase - RMF_START_USERS), task, poll);
		case RMF_SOLVE_USERS:
		case RMF_SOLVE_ITEMS:
			return solve_rows(run, (rmf_side) (phase - RMF_SOLVE_USERS), task, &w, poll);
		case RMF_PREPARE_USERS:
		case RMF_PREPARE_ITEMS:
			return prepare_rows(run, (rmf_side) (phase - RMF_PREPARE_USERS), task, &w, poll);
		case RMF_FEATURES_USERS:
		case RMF_FEATURES_ITEMS:
			return make_features(run, (rmf_side) (phase - RMF_FEATURES_USERS), task, &w, poll);
		case RMF_VALIDATE:
			return rmf_validate_task(run, task, &w, poll);
	}
	return RMF_BAD_ARGUMENT;
}

static rmf_status
do_phase(const rmf_run *run, rmf_phase phase, const rmf_leader *leader)
{
	int64_t		n_tasks = rmf_run_tasks(run, phase);
	rmf_status	status = RMF_OK;

	if (n_tasks > 0 && leader->team != NULL)
		return leader->team->run(leader->team->arg, phase, n_tasks);
	for (int64_t task = 0; status == RMF_OK && task < n_tasks; task++)
		status = rmf_run_task(run, phase, task, leader->workspace, leader->poll);
	return status;
}

/* Divides a side's rows into tasks of SOLVE. */
static void
make_tasks(rmf_run *run, rmf_side side)
{
	const rmf_ratings *ratings = &run->ratings[side];
	rmf_rows   *tasks = run->tasks[side];
	int64_t		cost_of_row = run->shape.problem.factors / 2 + 1;
	int64_t		all = ratings->n_entries + ratings->n_rows * cost_of_row;
	int64_t		each = all / SOLVE_TASKS + 1;
	int64_t		cost = 0;
	int64_t		n = 0;

	if (each < LEAST_COST)
		each = LEAST_COST;
	for (int64_t r = 0, first = 0; r < ratings->n_rows; r++)
	{
		cost += ratings->start[r + 1] - ratings->start[r] + cost_of_row;
		if (cost >= each || r + 1 == ratings->n_rows)
		{
			tasks[n++] = (rmf_rows) {first, r + 1};
			first = r + 1;
			cost = 0;
		}
	}
	run->counts->solve[side] = n;

	/* by insertion, which leaves equals in order: there are few, and only long rows make them unequal */
	for (int64_t i = 1; i < n; i++)
	{
		rmf_rows	moved = tasks[i];
		int64_t		at = i;

#define COST(t) (ratings->start[(t).last] - ratings->start[(t).first] + ((t).last - (t).first) * cost_of_row)
		for (; at > 0 && COST(tasks[at - 1]) < COST(moved); at--)
			tasks[at] = tasks[at - 1];
#undef COST
		tasks[at] = moved;
	}
}

static int
fits(const rmf_run *run, const rmf_ratings *ratings, rmf_side side)
{
	return ratings->n_rows == run->shape.n[side] && ratings->n_columns == run->shape.n[rmf_other_side(side)] &&
		ratings->start != NULL && ratings->n_entries == ratings->start[ratings->n_rows] &&
		(ratings->column != NULL || (ratings->load != NULL && run->shape.window > 0));
}

rmf_status
rmf_run_start(rmf_run *run, const rmf_leader *leader)
{
	const rmf_run_shape *shape = &run->shape;
	rmf_status	status;

	if (!fits(run, &run->ratings[RMF_USERS], RMF_USERS) || !fits(run, &run->ratings[RMF_ITEMS], RMF_ITEMS) ||
		run->ratings[RMF_USERS].n_entries != run->ratings[RMF_ITEMS].n_entries)
		return RMF_BAD_ARGUMENT;
	if (shape->n_validation > 0 &&
		(!fits(run, &run->validation, RMF_USERS) || run->validation.column == NULL ||
		 run->validation.n_entries != shape->n_validation))
		return RMF_BAD_ARGUMENT;

	make_tasks(run, RMF_USERS);
	make_tasks(run, RMF_ITEMS);
	rmf_validate_start(run);

	status = do_phase(run, RMF_START_USERS, leader);
	if (status == RMF_OK)
		status = do_phase(run, RMF_START_ITEMS, leader);
	return status;
}

/* The Gram matrix of a side that has been solved, and its packed rows but for what is common to all. */
static rmf_status
prepare_rows_of_side(const rmf_run *run, rmf_side side, const rmf_leader *leader)
{
	rmf_half_step step = half_step(run, rmf_other_side(side));
	rmf_status	status = RMF_OK;

	if (run->packed != NULL)
		status = rmf_cg_pack_begin(&step, run->shape.level, run->packed);
	if (status == RMF_OK)
		status = do_phase(run, side == RMF_USERS ? RMF_PREPARE_USERS : RMF_PREPARE_ITEMS, leader);
	if (status == RMF_OK && has_gram(&run->shape))
		rmf_als_gram_finish(&run->shape.problem, rmf_run_slices(&run->shape, side), run->partial_gram, run->gram[side]);
	return status;
}

/* What the other side's half-step reads of a side that has been solved. */
static rmf_status
prepare_side(const rmf_run *run, rmf_side side, const rmf_leader *leader)
{
	const rmf_problem *problem = &run->shape.problem;
	rmf_side	other = rmf_other_side(side);
	int64_t		slices = rmf_run_slices(&run->shape, side);
	const float *gram = run->gram[side];
	rmf_status	status = prepare_rows_of_side(run, side, leader);

	if (status == RMF_OK && problem->implicit_features)
	{
		status = rmf_objective_features_inverse(problem, run->gram[other], run->features_inverse,
												run->features_scratch, leader->poll);
		if (status == RMF_OK)
			status = do_phase(run, side == RMF_USERS ? RMF_FEATURES_USERS : RMF_FEATURES_ITEMS, leader);
		if (status == RMF_OK)
			rmf_als_gram_finish(problem, slices, run->partial_gram, run->features_gram);
		gram = run->features_gram;
	}
	if (status != RMF_OK)
		return status;
	if (rmf_has_common(problem))
		rmf_objective_prepare(problem, other, run->gram[other], gram, &run->common);
	if (run->packed != NULL)
	{
		rmf_half_step step = half_step(run, other);

		rmf_cg_pack_finish(&step, slices, run->squares, run->packed);
	}
	return RMF_OK;
}

/* The objective after an iteration, from the sums of its tasks. */
static rmf_status
add_up_loss(const rmf_run *run, rmf_loss *loss)
{
	const rmf_run_shape *shape = &run->shape;
	int64_t		n_entries = run->ratings[RMF_ITEMS].n_entries;
	double		penalty = 0,
				squares = 0;

	loss->fit = 0;
	for (int side = 0; side < 2; side++)
	{
		for (int64_t task = 0; task < run->counts->solve[side]; task++)
		{
			penalty += run->sums[side][task].penalty;
			loss->fit += run->sums[side][task].fit;
			squares += run->sums[side][task].squares;
		}
	}
	/* what the second vectors of users cost was measured with the items, which had these */
	for (int64_t task = 0; task < rmf_run_tasks(run, RMF_FEATURES_USERS); task++)
		penalty += run->features_sums[RMF_USERS][task].penalty;
	for (int64_t task = 0; task < rmf_run_tasks(run, RMF_FEATURES_ITEMS); task++)
		loss->fit += run->features_sums[RMF_ITEMS][task].fit;
	loss->fit += rmf_objective_everywhere(&shape->problem, run->gram[RMF_USERS], run->gram[RMF_ITEMS]);
	loss->total = loss->fit + penalty;
	loss->rmse = n_entries > 0 ? sqrt(squares / (double) n_entries) : 0;
	return isfinite(loss->total) ? RMF_OK : RMF_NOT_FINITE;
}

static rmf_status
iterate_once(const rmf_run *run, rmf_iteration *iteration, int validates, const rmf_leader *leader)
{
	rmf_status	status = do_phase(run, RMF_SOLVE_USERS, leader);

	if (status == RMF_OK)
		status = prepare_side(run, RMF_USERS, leader);
	if (status == RMF_OK)
		status = do_phase(run, RMF_SOLVE_ITEMS, leader);
	if (status == RMF_OK)
		status = prepare_side(run, RMF_ITEMS, leader);
	if (status == RMF_OK)
		status = add_up_loss(run, &iteration->loss);
	iteration->metric = NAN;
	if (status == RMF_OK && validates)
		status = do_phase(run, RMF_VALIDATE, leader);
	if (status == RMF_OK && validates)
		status = rmf_validate_finish(run, &iteration->metric);
	return status;
}

/* Is there a validation after this iteration? */
static int
is_validated(const rmf_run *run, const rmf_stopping *stopping, int32_t number)
{
	return run->shape.n_validation > 0 &&
		(stopping->validate_every < 1 || number % stopping->validate_every == 0 || number == stopping->iterations);
}

/* What the next half-step, of users, reads. */
static rmf_status
prepare_both(const rmf_run *run, const rmf_leader *leader)
{
	rmf_status	status = RMF_OK;

	if (has_gram(&run->shape))
		status = prepare_rows_of_side(run, RMF_USERS, leader);
	return status == RMF_OK ? prepare_side(run, RMF_ITEMS, leader) : status;
}

/* The rows of the best iteration, and the Gram matrices that belong to them. */
static rmf_status
bring_back_best(const rmf_run *run, const rmf_leader *leader)
{
	rmf_status	status = rmf_validate_copy_rows(run, run->best, run->rows, leader->poll);

	if (status == RMF_OK && has_gram(&run->shape))
		status = prepare_both(run, leader);
	return status;
}

rmf_status
rmf_run_iterate(rmf_run *run, const rmf_stopping *stopping, const rmf_leader *leader, rmf_outcome *outcome)
{
	int			any_validated = 0;
	rmf_iteration iteration;
	rmf_status	status;

	if (stopping->iterations < 1 || stopping->patience < 0)
		return RMF_BAD_ARGUMENT;
	memset(outcome, 0, sizeof(*outcome));
	outcome->ending = RMF_ENDED_COMPLETE;
	status = prepare_both(run, leader);
	for (iteration.number = 1; status == RMF_OK; iteration.number++)
	{
		int			validates = is_validated(run, stopping, iteration.number);
		rmf_verdict verdict = RMF_GO_ON;

		status = iterate_once(run, &iteration, validates, leader);
		if (status != RMF_OK)
			return status;
		iteration.best = outcome->kept.number;
		if (validates ? !any_validated || rmf_validate_is_better(run, iteration.metric, outcome->kept.metric) :
			!any_validated)
		{
			iteration.best = iteration.number;
			outcome->kept = iteration;
			if (validates)
				status = rmf_validate_copy_rows(run, run->rows, run->best, leader->poll);
		}
		any_validated |= validates;
		outcome->iterations = iteration.number;
		if (status == RMF_OK && stopping->done != NULL)
			verdict = stopping->done(stopping->done_arg, &iteration);
		if (status == RMF_OK && verdict == RMF_GIVE_UP)
			status = RMF_CANCELLED;
		if (status != RMF_OK || iteration.number >= stopping->iterations)
			break;
		if (verdict == RMF_STOP)
			outcome->ending = RMF_ENDED_STOPPED;
		else if (any_validated && stopping->patience > 0 && iteration.number - iteration.best >= stopping->patience)
			outcome->ending = RMF_ENDED_EARLY;
		if (outcome->ending != RMF_ENDED_COMPLETE)
			break;
	}
	if (status == RMF_OK && outcome->kept.number != outcome->iterations)
		status = bring_back_best(run, leader);
	return status;
}
