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
 * A pass over ratings takes a chunk of them at a time, which stays in the
 * first-level cache: their inner products with the direction, ROWS or FEW_ROWS
 * at once (block by block, one sum of lanes each, then all sums at once into one
 * vector); their coefficients; then the rows again, times these, onto a stripe
 * of the result in registers.  So neither part waits for the other.
 *
 * Up to RMF_CG_AT_ONCE rows of ratings are solved in step with each other, for
 * the sake of the Gram matrix: it is read once for all their directions.  Each
 * has its own arithmetic, so that it comes out the same in whatever company.
 *
 * The loops are functions of the number of blocks, which the compiler turns
 * into one program each for the usual numbers: see solve_rows().
 */
#include "rmf_cg.h"
#include "rmf_lanes.h"
#include "rmf_objective.h"

#define BLOCK (2 * LANES)

/* Ratings at a time, and at the end of a row. */
#define ROWS 8
#define FEW_ROWS 4

/* Directions of up to so many blocks are in registers for a whole chunk. */
#define KEPT_BLOCKS (LANES == 16 ? 2 : 0)

/* So many blocks of the result are in registers. */
#define STRIPE_BLOCKS 4

/* Ratings of a chunk: so many bytes of them, within bounds; multiples of ROWS. */
#define CHUNK_BYTES (8 * 1024)
#define MOST_CHUNK 64
#define FEWEST_CHUNK 16

/*
 * How many ratings ahead rows are fetched, be they of the next row, and how much
 * of each: what comes from memory takes as long as the products of so many.
 */
#define PREFETCH_ROWS 48
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

/* A word has two dimensions, see above; panels begin at a multiple of 64 bytes, rows at one of a register. */
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

/* The packed rows of a row's ratings, some of them. */
typedef struct packed_rows
{
	const uint32_t *rows;		/* by column: of the side; else of the panel, one after the other */
	const int32_t *column;
	const uint32_t *zero_row;	/* stands for ratings past the end */
	int			n;
} packed_rows;

static ALWAYS_INLINE const uint32_t *
packed_row(int blocks, int by_column, const packed_rows *of, int t)
{
	size_t		stride = (size_t) blocks * LANES;

	if (!by_column)
		return of->rows + (size_t) t * stride;
	return t < of->n ? of->rows + (size_t) of->column[t] * stride : of->zero_row;
}

/* score[t] := y_t.v for n_rows ratings from t on; copy (may be NULL): what is read goes there. */
static ALWAYS_INLINE void
score_some(int n_rows, int kept, int blocks, int by_column, const packed_rows *of, int t, const float *v, const lanes *v_kept,
		   uint32_t *copy, float *score)
{
	size_t		stride = (size_t) blocks * LANES;
	const uint32_t *row[ROWS] = {NULL};
	lanes		s[ROWS] = {{0}};

	UNROLL
	for (int r = 0; r < n_rows; r++)
		row[r] = packed_row(blocks, by_column, of, t + r);
	for (int b = 0; b < blocks; b++)
	{
		lanes		v0 = kept ? v_kept[2 * b] : LOAD(v + b * BLOCK);
		lanes		v1 = kept ? v_kept[2 * b + 1] : LOAD(v + b * BLOCK + LANES);

		UNROLL
		for (int r = 0; r < n_rows; r++)
		{
			words		w = LOAD_WORDS(row[r] + b * LANES);

			if (copy != NULL)
				*(words *) (copy + (size_t) (t + r) * stride + b * LANES) = w;
			s[r] += LOW(w) * v0;
			s[r] += HIGH(w) * v1;
		}
	}
	add_up(n_rows, s, score + t);
}

/* The same for all of a chunk; score has room for a multiple of FEW_ROWS.  ahead: ratings that follow. */
static ALWAYS_INLINE void
score_rows(int kept, int blocks, int by_column, const packed_rows *of, int64_t ahead, const float *v,
		   uint32_t *copy, float *score)
{
	size_t		row_bytes = (size_t) blocks * RMF_LANE_BYTES;
	size_t		fetched = row_bytes < PREFETCH_BYTES ? row_bytes : PREFETCH_BYTES;
	int			most = kept ? FEW_ROWS : ROWS;
	lanes		v_kept[KEPT_BLOCKS > 0 ? 2 * KEPT_BLOCKS : 1];
	int			t = 0;

	if (kept)
	{
		UNROLL
		for (int i = 0; i < 2 * blocks; i++)
			v_kept[i] = LOAD(v + i * LANES);
	}
	for (; t + most <= of->n; t += most)
	{
		if (by_column)
		{
			for (int r = t + PREFETCH_ROWS; r < t + PREFETCH_ROWS + most && r < of->n + ahead; r++)
			{
				/* not checked yet, so that it may point anywhere */
				uintptr_t	row = (uintptr_t) of->rows + (uint32_t) of->column[r] * row_bytes;

				for (size_t byte = 0; byte < fetched; byte += CACHE_LINE)
					__builtin_prefetch((const void *) (row + byte));
			}
		}
		score_some(most, kept, blocks, by_column, of, t, v, v_kept, copy, score);
	}
	for (; t < of->n; t += FEW_ROWS)
		score_some(FEW_ROWS, kept, blocks, by_column, of, t, v, v_kept, copy, score);
}

/* A stripe of the result: += sum of coefficient[t] y_t, in "sets" sums that don't wait for each other. */
static ALWAYS_INLINE void
add_stripe(int stripe, int sets, int blocks, int by_column, const packed_rows *of, int first,
		   const float *coefficient, float *result)
{
	lanes		sum[2][2 * STRIPE_BLOCKS];

	UNROLL
	for (int i = 0; i < 2 * stripe; i++)
	{
		sum[0][i] = LOAD(result + first * BLOCK + i * LANES);
		if (sets == 2)
			sum[1][i] = (lanes) {0};
	}
	for (int t = 0; t < of->n; t += 2)
	{
		UNROLL
		for (int r = 0; r < 2; r++)
		{
			const uint32_t *row = packed_row(blocks, by_column, of, t + r) + first * LANES;

			UNROLL
			for (int b = 0; b < stripe; b++)
			{
				words		w = LOAD_WORDS(row + b * LANES);

				sum[sets == 2 ? r : 0][2 * b] += coefficient[t + r] * LOW(w);
				sum[sets == 2 ? r : 0][2 * b + 1] += coefficient[t + r] * HIGH(w);
			}
		}
	}
	UNROLL
	for (int i = 0; i < 2 * stripe; i++)
	{
		if (sets == 2)
			sum[0][i] += sum[1][i];
		STORE(result + first * BLOCK + i * LANES) = sum[0][i];
	}
}

/* result += sum of coefficient[t] y_t; coefficients are 0 up to a multiple of FEW_ROWS. */
static ALWAYS_INLINE void
add_rows(int blocks, int by_column, const packed_rows *of, const float *coefficient, float *result)
{
	int			first = 0;

	for (; first + STRIPE_BLOCKS <= blocks; first += STRIPE_BLOCKS)
		add_stripe(STRIPE_BLOCKS, 1, blocks, by_column, of, first, coefficient, result);
	if (first + 2 <= blocks)
	{
		add_stripe(2, LANES == 16 ? 2 : 1, blocks, by_column, of, first, coefficient, result);
		first += 2;
	}
	if (first < blocks)
		add_stripe(1, 2, blocks, by_column, of, first, coefficient, result);
}

/* For passes that are rare: one program for all numbers of blocks. */
static __attribute__((noinline)) void
score_any(int blocks, int by_column, const packed_rows *of, int64_t ahead, const float *v, float *score)
{
	if (by_column)
		score_rows(0, blocks, 1, of, ahead, v, NULL, score);
	else
		score_rows(0, blocks, 0, of, 0, v, NULL, score);
}

static __attribute__((noinline)) void
add_any(int blocks, const packed_rows *of, const float *coefficient, float *result)
{
	add_rows(blocks, 1, of, coefficient, result);
}

/* out[k] := M v[k], M symmetric, blocks * BLOCK floats square; all vectors one after the other. */
static ALWAYS_INLINE void
multiply_square(int blocks, const float *matrix, const float *v, float *out)
{
	enum
	{
		MATRIX_ROWS = LANES == 16 ? 4 : 2
	};
	size_t		width = (size_t) blocks * BLOCK;

	for (size_t i = 0; i < width; i += MATRIX_ROWS)
	{
		const float *row = matrix + i * width;
		lanes		s[RMF_CG_AT_ONCE * MATRIX_ROWS];
		float		sum[RMF_CG_AT_ONCE * MATRIX_ROWS] __attribute__((aligned(64)));

		UNROLL
		for (int k = 0; k < RMF_CG_AT_ONCE * MATRIX_ROWS; k++)
			s[k] = (lanes) {0};
		for (size_t j = 0; j < width; j += LANES)
		{
			lanes		x[RMF_CG_AT_ONCE];

			UNROLL
			for (int k = 0; k < RMF_CG_AT_ONCE; k++)
				x[k] = LOAD(v + (size_t) k * width + j);
			UNROLL
			for (int r = 0; r < MATRIX_ROWS; r++)
			{
				lanes		m = LOAD(row + (size_t) r * width + j);

				UNROLL
				for (int k = 0; k < RMF_CG_AT_ONCE; k++)
					s[k * MATRIX_ROWS + r] += m * x[k];
			}
		}
		UNROLL
		for (int k = 0; k < RMF_CG_AT_ONCE * MATRIX_ROWS; k += 8)
			add_up(8, s + k, sum + k);
		for (int k = 0; k < RMF_CG_AT_ONCE; k++)
			for (int r = 0; r < MATRIX_ROWS; r++)
				out[(size_t) k * width + i + (size_t) r] = sum[k * MATRIX_ROWS + r];
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

/* What all rows of a half-step have in common. */
typedef struct half_step
{
	const rmf_half_step *step;
	const rmf_cg_side *side;
	const rmf_cg_scratch *scratch;
	const rmf_poll *poll;
	int			chunk;			/* ratings at a time */
} half_step;

/* A row in the course of its steps. */
typedef struct row_state
{
	rmf_cg_row *row;
	int64_t		near;			/* ratings whose packed rows are in the panel: the first ones */
	uint32_t   *panel;
	float	   *weight;			/* of those in the panel */
	float	   *x,
			   *r,
			   *p,
			   *q;				/* solution, residual, direction, A times direction */
	float		x_bias,
				r_bias,
				p_bias,
				q_bias;
	float		start_bias;
	double		size;			/* rmf_objective_size() */
	double		total_weight;	/* of its ratings in the system */
	double		penalty;
	double		ratio;
	double		square;			/* of the residual */
	double		errors;			/* sum of the squares of what ratings leave, at the start */
	double		objective;		/* of the row, where it is kept: keeps_objective() */
	int			steps;			/* that are left */
} row_state;

static ALWAYS_INLINE const float *
own_weights(const rmf_cg_row *row, int64_t from)
{
	return row->weight != NULL ? row->weight + from : NULL;
}

/* The ratings from one on, at most a chunk, all in the panel or none. */
static ALWAYS_INLINE packed_rows
chunk_from(int blocks, const half_step *h, const row_state *state, int64_t from, int by_column)
{
	int64_t		end = from < state->near ? state->near : state->row->n;
	packed_rows of;

	of.column = state->row->column + from;
	of.n = (int) (end - from < h->chunk ? end - from : h->chunk);
	of.zero_row = h->scratch->zero_row;
	if (by_column || from >= state->near)
		of.rows = rmf_cg_rows(h->side);
	else
		of.rows = state->panel + (size_t) from * (size_t) blocks * LANES;
	return of;
}

/*
 * Is the row's objective followed through its steps, so that its fit needs no
 * pass of its own?  It begins with the squares of the first residuals, and a
 * step takes from it what its length and curvature say.  Fit and squares are
 * the same then: no weights, and nothing in the system beside ratings.
 */
static ALWAYS_INLINE int
keeps_objective(const half_step *h, const rmf_cg_row *row)
{
	return h->step->problem->feedback == RMF_EXPLICIT && h->step->measure && row->weight == NULL &&
		!h->side->has_gram && h->step->base == NULL && h->step->extra == NULL;
}

/* What a rating's score has beside y.x: the biases of both rows. */
static ALWAYS_INLINE void
add_biases(const half_step *h, int n, const int32_t *column, float own, float *score)
{
	const float *bias = rmf_cg_biases(h->side);

	for (int t = 0; t < n; t++)
		score[t] += own + bias[column[t]];
}

/* Weights of ratings outside of the panel, which are made again for each pass. */
static ALWAYS_INLINE void
weigh_again(int blocks, const half_step *h, const row_state *state, const packed_rows *of, int64_t from,
			const float *start, float *weight)
{
	const rmf_problem *problem = h->step->problem;
	float		score[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));

	if (rmf_objective_needs_scores(problem))
	{
		score_any(blocks, 1, of, 0, start, score);
		if (rmf_has_biases(problem))
			add_biases(h, of->n, of->column, state->start_bias, score);
	}
	rmf_objective_weigh(problem, of->n, state->row->value + from, own_weights(state->row, from),
						score, weight, NULL);
	for (int t = of->n; t % FEW_ROWS != 0; t++)
		weight[t] = 0;
}

/* The sum of the coefficients, which the bias's equation has. */
static ALWAYS_INLINE float
sum_up(int n, const float *coefficient)
{
	four		sum = {0};

	for (int t = 0; t < n; t += 4)
		sum += *(const four *) (coefficient + t);
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* v is 0 up to a multiple of FEW_ROWS. */
static ALWAYS_INLINE float
sum_up_squares(int n, const float *v)
{
	four		sum = {0};

	for (int t = 0; t < n; t += 4)
		sum += *(const four *) (v + t) * *(const four *) (v + t);
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/*
 * The first pass: ratings are checked and weighed, their packed rows go into
 * the panel, and their part of the residual onto r.
 */
static ALWAYS_INLINE rmf_status
first_pass(int kept, int blocks, const half_step *h, row_state *state)
{
	const rmf_problem *problem = h->step->problem;
	const rmf_cg_row *row = state->row;
	int			has_biases = rmf_has_biases(problem);
	uint32_t	n_fixed = (uint32_t) h->side->n;
	float		score[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	float		far_weight[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	float		target[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	int64_t		unpolled = 0;

	for (int64_t from = 0; from < row->n;)
	{
		packed_rows of = chunk_from(blocks, h, state, from, 1);
		int			is_near = from < state->near;
		float	   *weight = is_near ? state->weight + from : far_weight;
		int			bad = 0;

		if (unpolled >= RMF_CG_POLL_RATINGS)
		{
			if (rmf_poll_cancelled(h->poll))
				return RMF_CANCELLED;
			unpolled = 0;
		}
		unpolled += of.n;

		for (int t = 0; t < of.n; t++)
			bad |= (uint32_t) of.column[t] >= n_fixed;
		if (bad)
			return RMF_BAD_ARGUMENT;
		if (is_near)
			score_rows(kept, blocks, 1, &of, row->n - from - of.n + row->n_after, state->x,
					   state->panel + (size_t) from * (size_t) blocks * LANES, score);
		else
			score_any(blocks, 1, &of, row->n - from - of.n + row->n_after, state->x, score);

		if (has_biases)
		{
			const float *bias = rmf_cg_biases(h->side);

			for (int t = 0; t < of.n; t++)
				target[t] = bias[of.column[t]];
			if (rmf_objective_needs_scores(problem))
			{
				float		with_biases[MOST_CHUNK];

				for (int t = 0; t < of.n; t++)
					with_biases[t] = score[t] + state->x_bias + target[t];
				bad = !rmf_objective_weigh(problem, of.n, row->value + from, own_weights(row, from),
										   with_biases, weight, target);
			}
			else
				bad = !rmf_objective_weigh(problem, of.n, row->value + from, own_weights(row, from),
										   NULL, weight, target);
		}
		else
			bad = !rmf_objective_weigh(problem, of.n, row->value + from, own_weights(row, from),
									   score, weight, target);
		if (bad)
			return RMF_BAD_ARGUMENT;
		for (int t = of.n; t % FEW_ROWS != 0; t++)
			weight[t] = target[t] = 0;
		state->size += rmf_objective_size(problem, of.n, row->value + from, own_weights(row, from));
		state->total_weight += sum_up(of.n, weight);

		for (int t = 0; t < of.n; t += 4)
			*(four *) (score + t) = *(four *) (target + t) -
				*(four *) (weight + t) * (*(four *) (score + t) + state->x_bias);
		state->r_bias += sum_up(of.n, score);
		if (keeps_objective(h, row))
			state->errors += sum_up_squares(of.n, score);
		/* what was copied is near, and one after the other */
		if (is_near)
		{
			of.rows = state->panel + (size_t) from * (size_t) blocks * LANES;
			add_rows(blocks, 0, &of, score, state->r);
		}
		else
			add_any(blocks, &of, score, state->r);
		from += of.n;
	}
	return RMF_OK;
}

/* A later pass: the ratings' part of A p, onto q. */
static ALWAYS_INLINE rmf_status
next_pass(int kept, int blocks, const half_step *h, row_state *state, const float *start)
{
	float		score[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	float		far_weight[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	int64_t		unpolled = 0;

	for (int64_t from = 0; from < state->row->n;)
	{
		packed_rows of = chunk_from(blocks, h, state, from, 0);
		int			is_near = from < state->near;
		const float *weight = state->weight + from;

		if (unpolled >= RMF_CG_POLL_RATINGS)
		{
			if (rmf_poll_cancelled(h->poll))
				return RMF_CANCELLED;
			unpolled = 0;
		}
		unpolled += of.n;
		if (is_near)
			score_rows(kept, blocks, 0, &of, 0, state->p, NULL, score);
		else
		{
			weigh_again(blocks, h, state, &of, from, start, far_weight);
			weight = far_weight;
			score_any(blocks, 1, &of, state->row->n - from - of.n, state->p, score);
		}
		for (int t = 0; t < of.n; t += 4)
			*(four *) (score + t) = *(const four *) (weight + t) * (*(four *) (score + t) + state->p_bias);
		state->q_bias += sum_up(of.n, score);
		if (is_near)
			add_rows(blocks, 0, &of, score, state->q);
		else
			add_any(blocks, &of, score, state->q);
		from += of.n;
	}
	return RMF_OK;
}

/* What the ratings add to the objective at the solution, where it was kept. */
static ALWAYS_INLINE void
add_kept_fit(const row_state *state, double cost, rmf_sums *sums)
{
	/* of a perfect fit, rounding is what is left */
	double		fit = state->objective > cost ? state->objective - cost : 0;

	sums->fit += fit;
	sums->squares += fit;
}

/* The same, from their scores. */
static ALWAYS_INLINE rmf_status
measure(int blocks, const half_step *h, const row_state *state, rmf_sums *sums)
{
	const rmf_problem *problem = h->step->problem;
	const rmf_cg_row *row = state->row;
	float		score[MOST_CHUNK + FEW_ROWS] __attribute__((aligned(64)));
	int64_t		unpolled = 0;

	for (int64_t from = 0; from < row->n;)
	{
		packed_rows of = chunk_from(blocks, h, state, from, 0);

		if (unpolled >= RMF_CG_POLL_RATINGS)
		{
			if (rmf_poll_cancelled(h->poll))
				return RMF_CANCELLED;
			unpolled = 0;
		}
		unpolled += of.n;
		score_any(blocks, from >= state->near, &of, row->n - from - of.n, state->x, score);
		if (rmf_has_biases(problem))
			add_biases(h, of.n, row->column + from, state->x_bias, score);
		rmf_objective_measure(problem, of.n, row->value + from, own_weights(row, from), score, sums);
		from += of.n;
	}
	return RMF_OK;
}

static int
is_usable(double square)
{
	return square >= SMALLEST_SQUARE && square <= LARGEST_SQUARE;
}

/* The Gram matrix's row of the bias: what it adds to the product of all with v and v_bias. */
static ALWAYS_INLINE void
add_border(int blocks, const rmf_cg_side *side, float sign, const float *v, float v_bias, float *out, float *out_bias)
{
	const float *border = rmf_cg_border(side);

	*out_bias += sign * (float) (product(blocks, border, v) + (double) side->corner * v_bias);
	add_times(blocks, sign * v_bias, border, out);
}

/*
 * The residual and the first direction; false where no step can be made.
 *
 * Where rows have a bias, it counts in every equation with 1 and the factors
 * with their small values, so that they are of different scales.  "ratio" is
 * what one diagonal entry is of the other, on average: the steps are those of
 * the system preconditioned with it.  r holds -G x, or zeros.
 */
static ALWAYS_INLINE rmf_status
begin_row(int kept, int blocks, const half_step *h, row_state *state)
{
	const rmf_problem *problem = h->step->problem;
	const rmf_cg_side *side = h->side;
	int			has_biases = rmf_has_biases(problem);
	size_t		factors = (size_t) problem->factors;
	double		bias_penalty = problem->bias_regularization;
	rmf_status	status;

	if (side->has_gram && has_biases)
		add_border(blocks, side, -1, state->x, state->x_bias, state->r, &state->r_bias);
	status = first_pass(kept, blocks, h, state);
	if (status != RMF_OK)
		return status;
	if (h->step->base != NULL || h->step->extra != NULL)
	{
		rmf_objective_right_side(h->step, state->row->n, state->row->column, h->scratch->right_side);
		for (size_t i = 0; i < factors; i++)
			state->r[i] += h->scratch->right_side[i];
		if (has_biases)
			state->r_bias += h->scratch->right_side[factors];
	}

	state->penalty = rmf_als_row_penalty(problem, h->step->side, state->size, side->n);
	if (!(state->penalty >= SMALLEST_PENALTY * (side->trace + state->total_weight * side->largest_square)))
		return RMF_SINGULAR;
	state->objective = state->errors + state->penalty * product(blocks, state->x, state->x) +
		bias_penalty * state->x_bias * state->x_bias;
	add_times(blocks, (float) -state->penalty, state->x, state->r);
	if (has_biases)
	{
		state->ratio = (state->total_weight * side->mean_square + side->trace / (double) factors + state->penalty) /
			(state->total_weight + side->corner + bias_penalty);
		state->r_bias -= (float) bias_penalty * state->x_bias;
	}
	else
		state->r_bias = 0;

	memcpy(state->p, state->r, (size_t) blocks * BLOCK * sizeof(float));
	state->p_bias = (float) state->ratio * state->r_bias;
	state->square = product(blocks, state->r, state->r) + state->ratio * state->r_bias * state->r_bias;
	return is_usable(state->square) ? RMF_OK : RMF_SINGULAR;
}

/* A step; q holds G p, or zeros.  RMF_SINGULAR where not even the first one can be made. */
static ALWAYS_INLINE rmf_status
make_step(int kept, int blocks, const half_step *h, row_state *state, const float *start)
{
	const rmf_problem *problem = h->step->problem;
	int			has_biases = rmf_has_biases(problem);
	double		curvature,
				next_square;
	float		along;
	rmf_status	status;

	state->q_bias = 0;
	if (h->side->has_gram && has_biases)
		add_border(blocks, h->side, 1, state->p, state->p_bias, state->q, &state->q_bias);
	status = next_pass(kept, blocks, h, state, start);
	if (status != RMF_OK)
		return status;
	add_times(blocks, (float) state->penalty, state->p, state->q);
	state->q_bias += (float) problem->bias_regularization * state->p_bias;

	curvature = product(blocks, state->p, state->q) + (has_biases ? (double) state->p_bias * state->q_bias : 0);
	if (!is_usable(curvature))
	{
		status = state->steps == STEPS ? RMF_SINGULAR : RMF_OK;
		state->steps = 0;
		return status;
	}
	along = (float) (state->square / curvature);
	add_times(blocks, along, state->p, state->x);
	state->x_bias += along * state->p_bias;
	state->objective -= along * (2 * state->square - along * curvature);
	if (--state->steps == 0)
		return RMF_OK;

	add_times(blocks, -along, state->q, state->r);
	state->r_bias -= has_biases ? along * state->q_bias : 0;
	next_square = product(blocks, state->r, state->r) + state->ratio * state->r_bias * state->r_bias;
	if (!is_usable(next_square))
	{
		state->steps = 0;
		return RMF_OK;
	}
	next_direction(blocks, (float) (next_square / state->square), state->r, state->p);
	state->p_bias = (float) (state->ratio * state->r_bias + next_square / state->square * state->p_bias);
	state->square = next_square;
	return RMF_OK;
}

static ALWAYS_INLINE rmf_status
solve_blocks(int kept, int blocks, const half_step *h, int n_rows, rmf_cg_row *rows, rmf_sums *sums)
{
	const rmf_problem *problem = h->step->problem;
	const rmf_cg_scratch *scratch = h->scratch;
	size_t		factors = (size_t) problem->factors;
	size_t		width = (size_t) blocks * BLOCK;
	int			needs_start = rmf_objective_needs_scores(problem);
	row_state	state[RMF_CG_AT_ONCE];
	int64_t		used = 0;

	memset(scratch->zero_row, 0, width / 2 * sizeof(uint32_t));
	for (int k = 0; k < RMF_CG_AT_ONCE; k++)
	{
		float	   *x = scratch->x + (size_t) k * width;

		memset(x, 0, width * sizeof(float));
		memset(scratch->p + (size_t) k * width, 0, width * sizeof(float));
		if (k < n_rows)
			memcpy(x, rows[k].solution, factors * sizeof(float));
	}
	if (needs_start)
		memcpy(scratch->start, scratch->x, RMF_CG_AT_ONCE * width * sizeof(float));
	if (h->side->has_gram)
	{
		multiply_square(blocks, rmf_cg_gram(h->side), scratch->x, scratch->r);
		for (size_t i = 0; i < RMF_CG_AT_ONCE * width; i += LANES)
			STORE(scratch->r + i) = -LOAD(scratch->r + i);
	}
	else
		memset(scratch->r, 0, RMF_CG_AT_ONCE * width * sizeof(float));

	for (int k = 0; k < n_rows; k++)
	{
		row_state  *s = &state[k];
		rmf_status	status;

		if (rmf_poll_cancelled(h->poll))
			return RMF_CANCELLED;
		memset(s, 0, sizeof(*s));
		s->row = &rows[k];
		s->near = rows[k].n < scratch->capacity - used ? rows[k].n : scratch->capacity - used;
		s->panel = scratch->panel + (size_t) used * width / 2;
		s->weight = scratch->weight + used;
		used += rmf_cg_room(s->near);
		s->x = scratch->x + (size_t) k * width;
		s->r = scratch->r + (size_t) k * width;
		s->p = scratch->p + (size_t) k * width;
		s->q = scratch->q + (size_t) k * width;
		s->x_bias = rmf_has_biases(problem) ? rows[k].solution[rmf_bias_position(problem, h->step->side)] : 0;
		s->start_bias = s->x_bias;
		s->steps = STEPS;
		status = begin_row(kept, blocks, h, s);
		if (status == RMF_SINGULAR)
			s->steps = 0;
		else if (status != RMF_OK)
			return status;
		rows[k].status = status;
	}

	for (int step = 0; step < STEPS; step++)
	{
		if (h->side->has_gram)
			multiply_square(blocks, rmf_cg_gram(h->side), scratch->p, scratch->q);
		else
			memset(scratch->q, 0, RMF_CG_AT_ONCE * width * sizeof(float));
		for (int k = 0; k < n_rows; k++)
		{
			rmf_status	status;

			if (state[k].steps == 0)
				continue;
			if (rmf_poll_cancelled(h->poll))
				return RMF_CANCELLED;
			status = make_step(kept, blocks, h, &state[k], needs_start ? scratch->start + (size_t) k * width : NULL);
			if (status != RMF_OK && status != RMF_SINGULAR)
				return status;
			rows[k].status = status;
		}
	}

	for (int k = 0; k < n_rows; k++)
	{
		float	   *x = state[k].x;
		int			good = state[k].x_bias - state[k].x_bias == 0;

		for (size_t i = 0; i < factors; i++)
			good &= x[i] - x[i] == 0;
		if (!good)
			rows[k].status = RMF_SINGULAR;
		if (rows[k].status == RMF_OK && sums != NULL && h->step->measure && !keeps_objective(h, &rows[k]))
		{
			rmf_status	status = measure(blocks, h, &state[k], sums);

			if (status != RMF_OK)
				return status;
		}
	}
	for (int k = 0; k < n_rows; k++)
	{
		double		cost;

		if (rows[k].status != RMF_OK)
			continue;
		memcpy(rows[k].solution, state[k].x, factors * sizeof(float));
		if (rmf_has_biases(problem))
			rows[k].solution[rmf_bias_position(problem, h->step->side)] = state[k].x_bias;
		if (sums == NULL)
			continue;
		cost = rmf_objective_row_cost(problem, h->step->side, state[k].size, h->side->n, rows[k].solution);
		sums->penalty += cost;
		if (keeps_objective(h, &rows[k]))
			add_kept_fit(&state[k], cost, sums);
	}
	return RMF_OK;
}

/* Programs of their own for the usual numbers of factors, and one for all others. */
static rmf_status
solve_rows(const rmf_half_step *step, const rmf_cg_side *side, int n_rows, rmf_cg_row *rows,
		   rmf_sums *sums, const rmf_cg_scratch *scratch, const rmf_poll *poll)
{
	half_step	h = {step, side, scratch, poll, 0};
	int			blocks = side->width / BLOCK;

	h.chunk = CHUNK_BYTES / (blocks * RMF_LANE_BYTES) / ROWS * ROWS;
	if (h.chunk > MOST_CHUNK)
		h.chunk = MOST_CHUNK;
	if (h.chunk < FEWEST_CHUNK)
		h.chunk = FEWEST_CHUNK;
	switch (blocks * BLOCK)
	{
#if RMF_LANE_BYTES <= 32
		case 16:
			return solve_blocks(16 / BLOCK <= KEPT_BLOCKS, 16 / BLOCK, &h, n_rows, rows, sums);
#endif
		case 32:
			return solve_blocks(32 / BLOCK <= KEPT_BLOCKS, 32 / BLOCK, &h, n_rows, rows, sums);
		case 64:
			return solve_blocks(64 / BLOCK <= KEPT_BLOCKS, 64 / BLOCK, &h, n_rows, rows, sums);
		case 128:
			return solve_blocks(128 / BLOCK <= KEPT_BLOCKS, 128 / BLOCK, &h, n_rows, rows, sums);
		default:
			return solve_blocks(0, blocks, &h, n_rows, rows, sums);
	}
}

static const rmf_cg_kernels kernels = {
	.block = BLOCK,
	.pack = pack,
	.solve_rows = solve_rows
};

const rmf_cg_kernels *const RMF_CG_TABLE = &kernels;
