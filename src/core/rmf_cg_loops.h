/*
 * rmf_cg_loops.h
 *	  The loops of rmf_cg.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_LANE_BYTES	bytes of a vector register
 *	RMF_CG_TABLE	the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use those registers.
 *
 * A block is two registers of dimensions and one of words: word l of a block
 * has dimension l in its lower half and dimension LANES + l in the upper
 * one, so that a shift and a mask give both as floats, in order.
 *
 * A pass over ratings takes ROWS of them at a time: their inner products with
 * the direction, block by block, one sum of lanes each; all sums at once into
 * one vector; then the rows again, times their coefficients, onto the result.
 * The loops are functions of constants (number of blocks, kind of pass), which
 * the compiler turns into one program each: see solve_row().
 */
#include "rmf_cg.h"
#include "rmf_lanes.h"
#include "rmf_objective.h"

#define BLOCK (2 * LANES)

/* Ratings at a time, and at the end of a row. */
#define ROWS 8
#define FEW_ROWS 4

/*
 * Rows of up to so many blocks are "kept": 32 registers hold the floats of
 * FEW_ROWS of them, made once, and direction and result for the whole pass.
 */
#define KEPT_BLOCKS (RMF_LANE_BYTES == 64 ? 2 : 0)
#define KEPT_LANES (KEPT_BLOCKS > 0 ? 2 * KEPT_BLOCKS : 1)

/* How many ratings ahead rows are fetched, and how much of each. */
#define PREFETCH_ROWS 16
#define PREFETCH_BYTES 512

#define STEPS 3

/* Below and above, squares of floats lose digits or overflow. */
#define SMALLEST_SQUARE 1e-30
#define LARGEST_SQUARE 1e30

/*
 * A penalty below this share of the system's largest eigenvalue (of a bound of
 * it) is lost in rounding, and with it what keeps a step bounded.
 */
#define SMALLEST_PENALTY 1e-6

/* Panels begin at a multiple of 64 bytes, and rows at one of a register. */
#define LOW(word) ((lanes) ((word) << 16))
#define HIGH(word) ((lanes) ((word) & 0xffff0000u))

/* The nearest bfloat16, ties to even, in the upper half. */
static inline uint32_t
round_to_upper_half(float x)
{
	uint32_t	bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits + 0x7fff + ((bits >> 16) & 1);
}

static void
pack(int n, const float *row, int n_words, uint32_t *packed)
{
	for (int w = 0; w < n_words; w++)
	{
		int			low = w / LANES * BLOCK + w % LANES;
		int			high = low + LANES;

		packed[w] = (low < n ? round_to_upper_half(row[low]) >> 16 : 0) |
			(high < n ? round_to_upper_half(row[high]) & 0xffff0000u : 0);
	}
}

/* What a pass does beside multiplying. */
typedef enum pass_kind
{
	PASS_NEAR,					/* rows one after the other, in the panel */
	PASS_FAR,					/* rows by the columns of the ratings */
	PASS_FIRST_NEAR,			/* by columns, copied into the panel; the residual instead of the product */
	PASS_FIRST_FAR				/* the same without a copy */
} pass_kind;

/* One side's rows, and those of a row's ratings. */
typedef struct rows_of_pass
{
	const uint32_t *rows;		/* of the side, or the panel */
	const int32_t *column;		/* not PASS_NEAR */
	uint32_t   *copy;			/* PASS_FIRST_NEAR: the panel */
	const uint32_t *zero_row;	/* stands for ratings past the end */
	const float *weight;		/* 0 past the end */
	const float *target;		/* PASS_FIRST_*: what the residual starts from */
	int64_t		n;
} rows_of_pass;

/*
 * result += sum of t y over n ratings, y their rows; t = weight (y.v + v_bias),
 * or target - weight (y.v + v_bias) in a first pass.  Returns the sum of t.
 */
static ALWAYS_INLINE void
pass_rows(int n_rows, int kept, int blocks, pass_kind kind, const rows_of_pass *pass, int64_t from,
		  const float *v, const lanes *v_kept, float v_bias, float *result, lanes *result_kept, four *sum)
{
	int			is_first = kind == PASS_FIRST_NEAR || kind == PASS_FIRST_FAR;
	size_t		stride = (size_t) blocks * LANES;
	const uint32_t *row[ROWS];
	uint32_t   *copy = kind == PASS_FIRST_NEAR ? pass->copy + (size_t) from * stride : NULL;
	lanes		s[ROWS];
	lanes		x[FEW_ROWS][KEPT_LANES];
	float		t[ROWS] __attribute__((aligned(32)));

	UNROLL
	for (int r = 0; r < n_rows; r++)
	{
		if (kind == PASS_NEAR)
			row[r] = pass->rows + (size_t) (from + r) * stride;
		else
			row[r] = from + r < pass->n ? pass->rows + (size_t) pass->column[from + r] * stride : pass->zero_row;
		s[r] = (lanes) {0};
	}

	if (kept)
	{
		UNROLL
		for (int b = 0; b < blocks; b++)
		{
			UNROLL
			for (int r = 0; r < FEW_ROWS; r++)
			{
				words		w = LOAD_WORDS(row[r] + b * LANES);

				if (copy != NULL)
					*(words *) (copy + (size_t) r * stride + b * LANES) = w;
				x[r][2 * b] = LOW(w);
				x[r][2 * b + 1] = HIGH(w);
				s[r] += x[r][2 * b] * v_kept[2 * b];
				s[r] += x[r][2 * b + 1] * v_kept[2 * b + 1];
			}
		}
	}
	else
	{
		for (int b = 0; b < blocks; b++)
		{
			lanes		v0 = LOAD(v + b * BLOCK);
			lanes		v1 = LOAD(v + b * BLOCK + LANES);

			UNROLL
			for (int r = 0; r < n_rows; r++)
			{
				words		w = LOAD_WORDS(row[r] + b * LANES);

				if (copy != NULL)
					*(words *) (copy + (size_t) r * stride + b * LANES) = w;
				s[r] += LOW(w) * v0;
				s[r] += HIGH(w) * v1;
			}
		}
	}

	add_up(n_rows, s, t);
	UNROLL
	for (int r = 0; r < n_rows; r += 4)
	{
		four		weight = *(const unaligned_four *) (pass->weight + from + r);
		four		product = *(four *) (t + r) + v_bias;

		if (is_first)
			product = *(const unaligned_four *) (pass->target + from + r) - weight * product;
		else
			product = weight * product;
		*(four *) (t + r) = product;
		*sum += product;
	}

	if (kept)
	{
		UNROLL
		for (int b = 0; b < 2 * blocks; b++)
		{
			UNROLL
			for (int r = 0; r < FEW_ROWS; r++)
				result_kept[b] += t[r] * x[r][b];
		}
	}
	else
	{
		for (int b = 0; b < blocks; b++)
		{
			lanes		total0 = LOAD(result + b * BLOCK);
			lanes		total1 = LOAD(result + b * BLOCK + LANES);

			UNROLL
			for (int r = 0; r < n_rows; r++)
			{
				words		w = LOAD_WORDS(row[r] + b * LANES);

				total0 += t[r] * LOW(w);
				total1 += t[r] * HIGH(w);
			}
			STORE(result + b * BLOCK) = total0;
			STORE(result + b * BLOCK + LANES) = total1;
		}
	}
}

static ALWAYS_INLINE float
pass(int kept, int blocks, pass_kind kind, const rows_of_pass *of, const float *v, float v_bias, float *result)
{
	int			most = kept ? FEW_ROWS : ROWS;
	size_t		row_bytes = (size_t) blocks * RMF_LANE_BYTES;
	size_t		fetched = row_bytes < PREFETCH_BYTES ? row_bytes : PREFETCH_BYTES;
	four		sum = {0};
	lanes		v_kept[KEPT_LANES];
	lanes		result_kept[KEPT_LANES];
	int64_t		at = 0;

	if (kept)
	{
		UNROLL
		for (int b = 0; b < 2 * blocks; b++)
		{
			v_kept[b] = LOAD(v + b * LANES);
			result_kept[b] = LOAD(result + b * LANES);
		}
	}
	for (; at + most <= of->n; at += most)
	{
		if (kind != PASS_NEAR)
		{
			for (int64_t r = at + PREFETCH_ROWS; r < at + PREFETCH_ROWS + most && r < of->n; r++)
			{
				const char *row = (const char *) of->rows + (size_t) of->column[r] * row_bytes;

				for (size_t byte = 0; byte < fetched; byte += CACHE_LINE)
					__builtin_prefetch(row + byte);
			}
		}
		pass_rows(most, kept, blocks, kind, of, at, v, v_kept, v_bias, result, result_kept, &sum);
	}
	for (; at < of->n; at += FEW_ROWS)
		pass_rows(FEW_ROWS, kept, blocks, kind, of, at, v, v_kept, v_bias, result, result_kept, &sum);
	if (kept)
	{
		UNROLL
		for (int b = 0; b < 2 * blocks; b++)
			STORE(result + b * LANES) = result_kept[b];
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* out := M v, M symmetric, blocks * BLOCK floats square. */
static ALWAYS_INLINE void
multiply_square(int blocks, const float *matrix, const float *v, float *out)
{
	size_t		width = (size_t) blocks * BLOCK;

	for (size_t i = 0; i < width; i += ROWS)
	{
		const float *row = matrix + i * width;
		lanes		s[ROWS];

		UNROLL
		for (int r = 0; r < ROWS; r++)
			s[r] = (lanes) {0};
		for (size_t j = 0; j < width; j += LANES)
		{
			lanes		x = LOAD(v + j);

			UNROLL
			for (int r = 0; r < ROWS; r++)
				s[r] += LOAD(row + (size_t) r * width + j) * x;
		}
		add_up(ROWS, s, out + i);
	}
}

static ALWAYS_INLINE double
product(int blocks, const float *a, const float *b)
{
	lanes		s0 = {0},
				s1 = {0};
	double		sum = 0;

	for (int i = 0; i < blocks * BLOCK; i += BLOCK)
	{
		s0 += LOAD(a + i) * LOAD(b + i);
		s1 += LOAD(a + i + LANES) * LOAD(b + i + LANES);
	}
	s0 += s1;
	for (int i = 0; i < LANES; i++)
		sum += (double) s0[i];
	return sum;
}

/* y += times x */
static ALWAYS_INLINE void
add_times(int blocks, float times, const float *x, float *y)
{
	for (int i = 0; i < blocks * BLOCK; i += LANES)
		STORE(y + i) = LOAD(y + i) + times * LOAD(x + i);
}

/* p := r + times p */
static ALWAYS_INLINE void
next_direction(int blocks, float times, const float *r, float *p)
{
	for (int i = 0; i < blocks * BLOCK; i += LANES)
		STORE(p + i) = LOAD(r + i) + times * LOAD(p + i);
}

/* Weights and targets of no rating, up to a multiple of FEW_ROWS. */
static void
fill_up(int64_t n, float *numbers)
{
	for (int64_t t = n; t % FEW_ROWS != 0; t++)
		numbers[t] = 0;
}

/* score[t] := y.v + v_bias + the bias of the other row, of n ratings. */
static void
score_rows(const rmf_cg_side *side, int64_t n, const int32_t *column, const float *v, float v_bias,
		   const uint32_t *zero_row, float *score)
{
	size_t		stride = (size_t) side->words;
	const float *bias = rmf_cg_biases(side);

	for (int64_t at = 0; at < n; at += FEW_ROWS)
	{
		const uint32_t *row[FEW_ROWS];
		lanes		s[FEW_ROWS];
		float		sum[FEW_ROWS] __attribute__((aligned(16)));

		for (int r = 0; r < FEW_ROWS; r++)
		{
			row[r] = at + r < n ? rmf_cg_rows(side) + (size_t) column[at + r] * stride : zero_row;
			s[r] = (lanes) {0};
		}
		for (size_t w = 0; w < stride; w += LANES)
		{
			lanes		v0 = LOAD(v + 2 * w);
			lanes		v1 = LOAD(v + 2 * w + LANES);

			UNROLL
			for (int r = 0; r < FEW_ROWS; r++)
			{
				words		both = LOAD_WORDS(row[r] + w);

				s[r] += LOW(both) * v0;
				s[r] += HIGH(both) * v1;
			}
		}
		add_up(FEW_ROWS, s, sum);
		for (int r = 0; r < FEW_ROWS && at + r < n; r++)
			score[at + r] = sum[r] + v_bias + bias[column[at + r]];
	}
}

/*
 * Checks ratings, and sets their weights and targets; false for ratings that no
 * system can have.  start: the row beforehand, and its bias.
 */
static int
prepare(const rmf_half_step *step, const rmf_cg_side *side, int64_t n, const int32_t *column,
		const float *value, const float *rating_weight, const rmf_cg_scratch *scratch, float start_bias,
		float *weight, float *target)
{
	uint32_t	n_fixed = (uint32_t) side->n;
	const float *score = NULL;
	int			bad = 0;

	for (int64_t t = 0; t < n; t++)
		bad |= (uint32_t) column[t] >= n_fixed;
	if (bad)
		return 0;

	if (rmf_has_biases(step->problem))
	{
		const float *bias = rmf_cg_biases(side);

		for (int64_t t = 0; t < n; t++)
			target[t] = bias[column[t]];
	}
	if (rmf_objective_needs_scores(step->problem))
	{
		score_rows(side, n, column, scratch->start, start_bias, scratch->zero_row, scratch->score);
		score = scratch->score;
	}
	bad = !rmf_objective_weigh(step->problem, n, value, rating_weight, score, weight, target);
	fill_up(n, weight);
	fill_up(n, target);
	return !bad;
}

/* A row's part of all passes. */
typedef struct row_task
{
	const rmf_half_step *step;
	const rmf_cg_side *side;
	const rmf_cg_scratch *scratch;
	int64_t		n;
	const int32_t *column;
	const float *value;
	const float *weight;		/* of the ratings; NULL: all 1 */
	const rmf_poll *poll;
} row_task;

/* The weights of a task's ratings from one on. */
static inline const float *
weights_from(const row_task *task, int64_t from)
{
	return task->weight != NULL ? task->weight + from : NULL;
}

/* The first pass: the residual's part, the size of the row, and the panel. */
static ALWAYS_INLINE rmf_status
first_pass(int kept, int blocks, const row_task *task, float x_bias, double *size, float *r_bias)
{
	const rmf_cg_scratch *scratch = task->scratch;

	*size = 0;
	for (int64_t from = 0; from < task->n; from += scratch->capacity)
	{
		int64_t		n = task->n - from < scratch->capacity ? task->n - from : scratch->capacity;
		float	   *weight = from == 0 ? scratch->weight : scratch->far_weight;
		rows_of_pass of = {
			.rows = rmf_cg_rows(task->side), .column = task->column + from, .copy = scratch->panel,
			.zero_row = scratch->zero_row, .weight = weight, .target = scratch->target, .n = n
		};

		if (rmf_poll_cancelled(task->poll))
			return RMF_CANCELLED;
		if (!prepare(task->step, task->side, n, task->column + from, task->value + from,
					 weights_from(task, from), scratch, x_bias, weight, scratch->target))
			return RMF_BAD_ARGUMENT;
		*size += rmf_objective_size(task->step->problem, n, task->value + from, weights_from(task, from));
		if (from == 0)
			*r_bias += pass(kept, blocks, PASS_FIRST_NEAR, &of, scratch->x, x_bias, scratch->r);
		else
			*r_bias += pass(kept, blocks, PASS_FIRST_FAR, &of, scratch->x, x_bias, scratch->r);
	}
	return RMF_OK;
}

/* A later pass: the ratings' part of A p, onto q. */
static ALWAYS_INLINE rmf_status
next_pass(int kept, int blocks, const row_task *task, float start_bias, float p_bias, float *q_bias)
{
	const rmf_cg_scratch *scratch = task->scratch;
	int64_t		near = task->n < scratch->capacity ? task->n : scratch->capacity;
	rows_of_pass of = {.rows = scratch->panel, .weight = scratch->weight, .n = near};

	*q_bias += pass(kept, blocks, PASS_NEAR, &of, scratch->p, p_bias, scratch->q);
	for (int64_t from = near; from < task->n; from += scratch->capacity)
	{
		int64_t		n = task->n - from < scratch->capacity ? task->n - from : scratch->capacity;
		rows_of_pass far = {
			.rows = rmf_cg_rows(task->side), .column = task->column + from,
			.zero_row = scratch->zero_row, .weight = scratch->far_weight, .n = n
		};
		const float *score = NULL;

		if (rmf_poll_cancelled(task->poll))
			return RMF_CANCELLED;
		if (rmf_objective_needs_scores(task->step->problem))
		{
			score_rows(task->side, n, task->column + from, scratch->start, start_bias, scratch->zero_row,
					   scratch->score);
			score = scratch->score;
		}
		rmf_objective_weigh(task->step->problem, n, task->value + from, weights_from(task, from), score,
							scratch->far_weight, NULL);
		fill_up(n, scratch->far_weight);
		*q_bias += pass(kept, blocks, PASS_FAR, &far, scratch->p, p_bias, scratch->q);
	}
	return RMF_OK;
}

static int
is_usable(double square)
{
	return square >= SMALLEST_SQUARE && square <= LARGEST_SQUARE;
}

/*
 * Explicit feedback: the bias counts in every equation with 1 and the factors
 * with their small values, so that they are of different scales.  "ratio" is
 * what one diagonal entry is of the other, on average: the steps are those of
 * the system preconditioned with it.
 */
static ALWAYS_INLINE rmf_status
solve_blocks(int kept, int blocks, const row_task *task, float *solution)
{
	const rmf_problem *problem = task->step->problem;
	const rmf_cg_scratch *scratch = task->scratch;
	const float *gram = rmf_has_gram(problem) ? rmf_cg_gram(task->side) : NULL;
	const float *border = gram != NULL && rmf_has_biases(problem) ? rmf_cg_border(task->side) : NULL;
	size_t		factors = (size_t) problem->factors;
	size_t		width = (size_t) blocks * BLOCK;
	float	   *x = scratch->x;
	float	   *r = scratch->r;
	float	   *p = scratch->p;
	float	   *q = scratch->q;
	float	   *own_bias = rmf_has_biases(problem) ? solution + rmf_bias_position(problem, task->step->side) : NULL;
	float		x_bias = own_bias != NULL ? *own_bias : 0,
				start_bias = x_bias,
				r_bias = 0,
				p_bias;
	double		size,
				penalty,
				bias_penalty = problem->bias_regularization,
				ratio = 0,
				square;
	int			good = 1;
	rmf_status	status;

	memcpy(x, solution, factors * sizeof(float));
	memset(x + factors, 0, (width - factors) * sizeof(float));
	memset(scratch->zero_row, 0, width / 2 * sizeof(uint32_t));
	if (scratch->start != NULL)
		memcpy(scratch->start, x, width * sizeof(float));

	if (gram != NULL)
	{
		multiply_square(blocks, gram, x, r);
		for (size_t i = 0; i < width; i += LANES)
			STORE(r + i) = -LOAD(r + i);
		if (border != NULL)
		{
			add_times(blocks, -x_bias, border, r);
			r_bias = (float) -product(blocks, border, x) - task->side->corner * x_bias;
		}
	}
	else
		memset(r, 0, width * sizeof(float));
	status = first_pass(kept, blocks, task, x_bias, &size, &r_bias);
	if (status != RMF_OK)
		return status;
	if (task->step->base != NULL || task->step->extra != NULL)
	{
		rmf_objective_right_side(task->step, task->n, task->column, scratch->right_side);
		for (size_t i = 0; i < factors; i++)
			r[i] += scratch->right_side[i];
		if (own_bias != NULL)
			r_bias += scratch->right_side[factors];
	}
	penalty = rmf_als_row_penalty(problem, task->step->side, size, task->side->n);
	if (!(penalty >= SMALLEST_PENALTY * (task->side->trace + size * task->side->largest_square)))
		return RMF_SINGULAR;
	add_times(blocks, (float) -penalty, x, r);
	if (own_bias != NULL)
	{
		ratio = (size * task->side->mean_square + task->side->trace / (double) factors + penalty) /
			(size + task->side->corner + bias_penalty);
		r_bias -= (float) bias_penalty * x_bias;
	}
	else
		r_bias = 0;

	memcpy(p, r, width * sizeof(float));
	p_bias = (float) ratio * r_bias;
	square = product(blocks, r, r) + ratio * r_bias * r_bias;
	if (!is_usable(square))
		return RMF_SINGULAR;

	for (int s = 1;; s++)
	{
		float		q_bias = 0;
		double		curvature,
					next_square;
		float		along;

		if (gram != NULL)
		{
			multiply_square(blocks, gram, p, q);
			if (border != NULL)
			{
				add_times(blocks, p_bias, border, q);
				q_bias = (float) product(blocks, border, p) + task->side->corner * p_bias;
			}
		}
		else
			memset(q, 0, width * sizeof(float));
		status = next_pass(kept, blocks, task, start_bias, p_bias, &q_bias);
		if (status != RMF_OK)
			return status;
		add_times(blocks, (float) penalty, p, q);
		q_bias += (float) bias_penalty * p_bias;

		curvature = product(blocks, p, q) + (own_bias != NULL ? (double) p_bias * q_bias : 0);
		if (!is_usable(curvature))
		{
			if (s == 1)
				return RMF_SINGULAR;
			break;
		}
		along = (float) (square / curvature);
		add_times(blocks, along, p, x);
		x_bias += along * p_bias;
		if (s == STEPS)
			break;

		add_times(blocks, -along, q, r);
		r_bias -= own_bias != NULL ? along * q_bias : 0;
		next_square = product(blocks, r, r) + ratio * r_bias * r_bias;
		if (!is_usable(next_square))
			break;
		next_direction(blocks, (float) (next_square / square), r, p);
		p_bias = (float) (ratio * r_bias + next_square / square * p_bias);
		square = next_square;
	}

	for (size_t i = 0; i < factors; i++)
		good &= x[i] - x[i] == 0;
	if (!good || !(x_bias - x_bias == 0))
		return RMF_SINGULAR;
	memcpy(solution, x, factors * sizeof(float));
	if (own_bias != NULL)
		*own_bias = x_bias;
	return RMF_OK;
}

/* Programs of their own for the usual numbers of factors, and one for all others. */
static rmf_status
solve_row(const rmf_half_step *step, const rmf_cg_side *side, int64_t n, const int32_t *column,
		  const float *value, const float *weight, float *solution, const rmf_cg_scratch *scratch,
		  const rmf_poll *poll)
{
	const row_task task = {step, side, scratch, n, column, value, weight, poll};
	int			blocks = side->width / BLOCK;

	switch (blocks * BLOCK)
	{
#if RMF_LANE_BYTES <= 32
		case 16:
			return solve_blocks(16 / BLOCK <= KEPT_BLOCKS, 16 / BLOCK, &task, solution);
#endif
		case 32:
			return solve_blocks(32 / BLOCK <= KEPT_BLOCKS, 32 / BLOCK, &task, solution);
		case 64:
			return solve_blocks(64 / BLOCK <= KEPT_BLOCKS, 64 / BLOCK, &task, solution);
		case 128:
			return solve_blocks(128 / BLOCK <= KEPT_BLOCKS, 128 / BLOCK, &task, solution);
		default:
			return solve_blocks(0, blocks, &task, solution);
	}
}

static const rmf_cg_kernels kernels = {
	.block = BLOCK,
	.pack = pack,
	.solve_row = solve_row
};

const rmf_cg_kernels *const RMF_CG_TABLE = &kernels;
