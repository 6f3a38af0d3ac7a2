/*
 * test_cg.c
 *	  The steps of conjugate gradients at each level of the processor against
 *	  the same steps in double precision, written from the mathematics; what
 *	  training by steps promises; and the edges: long rows, nearly singular
 *	  systems, values that leave the range of a float, cancellation.
 */
#include "als_fixture.h"
#include "counting_poll.h"
#include "rmf_cg.h"
#include "rmf_exact.h"
#include "unit.h"

#define STEPS 3

/* The nearest number with eight binary digits, ties to even. */
static double
bfloat16(double x)
{
	int			exponent;
	double		mantissa = frexp(x, &exponent);

	return ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
}

static double
upper_half(uint32_t word, int is_high)
{
	uint32_t	bits = is_high ? word & 0xffff0000u : word << 16;
	float		x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static void
test_pack(const rmf_cg_kernels *kernels, int n)
{
	int			words = (n + kernels->block - 1) / kernels->block * kernels->block / 2;
	int			lanes = kernels->block / 2;
	float	   *row = malloc((size_t) n * sizeof(float));
	uint32_t   *packed = malloc((size_t) words * sizeof(uint32_t));

	rmf_random_normal((uint64_t) n, 5, 1.0, n, row);
	row[0] = 1.00390625f;		/* a tie: down to 1 */
	if (n > 1)
		row[1] = -1.01171875f;	/* a tie: to 1.015625 */
	kernels->pack(n, row, words, packed);
	for (int j = 0; j < 2 * words; j++)
	{
		int			word = j / kernels->block * lanes + j % lanes;

		CHECK(upper_half(packed[word], j % kernels->block >= lanes) == (j < n ? bfloat16(row[j]) : 0));
	}
	free(row);
	free(packed);
}

/* Data and a trained-looking model of the sizes; n_columns rows stand still. */
typedef struct system
{
	dataset		data;
	model	   *m;
	rmf_half_step step;
	int64_t		n;				/* of the row's ratings */
	int32_t    *column;
	float	   *value;
} system_of_row;

static system_of_row
make_system(rmf_feedback feedback, rmf_side side, int factors, int64_t n)
{
	system_of_row s;
	rmf_settings settings;
	int64_t		fixed = 400;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.solver = RMF_SOLVER_CG;
	s.data = random_dataset((int) fixed, (int) fixed, 0.05, 7, 0);
	s.m = make_model(&s.data, settings);
	rmf_als_start(&s.m->problem, RMF_USERS, 1, 0, fixed, s.m->user_keys, s.m->users);
	rmf_als_start(&s.m->problem, RMF_ITEMS, 1, 0, fixed, s.m->item_keys, s.m->items);
	/* as large as trained ones, biases included */
	for (int64_t j = 0; j < fixed * s.m->dimensions; j++)
	{
		if (s.m->users[j] != 1)
			s.m->users[j] = s.m->users[j] * 6 + (j % s.m->dimensions >= factors ? 0.25f : 0);
		if (s.m->items[j] != 1)
			s.m->items[j] = s.m->items[j] * 6 - (j % s.m->dimensions >= factors ? 0.25f : 0);
	}
	if (feedback == RMF_IMPLICIT)
	{
		CHECK(rmf_als_gram(&s.m->problem, fixed, s.m->users, s.m->gram_users, s.m->workspace, NULL) == RMF_OK);
		CHECK(rmf_als_gram(&s.m->problem, fixed, s.m->items, s.m->gram_items, s.m->workspace, NULL) == RMF_OK);
	}
	s.step = half_step_of(s.m, &s.data, side);
	s.n = n;
	s.column = allocate((size_t) n * sizeof(int32_t));
	s.value = allocate((size_t) n * sizeof(float));
	for (int64_t t = 0; t < n; t++)
	{
		s.column[t] = (int32_t) (rmf_mix64((uint64_t) t) % (uint64_t) fixed);
		s.value[t] = (float) (1 + rmf_mix64((uint64_t) (t + n)) % 5);
	}
	return s;
}

static void
free_system(system_of_row s)
{
	free_model(s.m);
	free_dataset(s.data);
	free(s.column);
	free(s.value);
}

/* The error of the row, or its status. */
static rmf_status
solve_alone(const system_of_row *s, const void *packed, float *solution, rmf_sums *sums,
			const rmf_cg_scratch *scratch, const rmf_poll *poll)
{
	rmf_cg_row	row = {
		.n = s->n, .column = s->column, .value = s->value, .solution = solution, .status = RMF_OVERFLOW
	};
	rmf_status	status = rmf_cg_solve(&s->step, packed, 1, &row, sums, scratch, poll);

	return status != RMF_OK ? status : row.status;
}

/* out := A in, in double; the last unknown is the bias (explicit). */
static void
plain_multiply(const system_of_row *s, double penalty, const double *in, double *out)
{
	const rmf_problem *p = s->step.problem;
	int			factors = p->factors;
	int			is_explicit = p->feedback == RMF_EXPLICIT;

	for (int j = 0; j < factors; j++)
	{
		out[j] = penalty * in[j];
		for (int k = 0; k < factors && !is_explicit; k++)
			out[j] += p->unobserved * s->step.gram[j * factors + k] * in[k];
	}
	if (is_explicit)
		out[factors] = p->bias_regularization * in[factors];
	for (int64_t t = 0; t < s->n; t++)
	{
		const float *row = s->step.fixed + s->column[t] * s->m->dimensions;
		double		product = is_explicit ? in[factors] : 0;

		for (int j = 0; j < factors; j++)
			product += bfloat16(row[j]) * in[j];
		if (!is_explicit)
			product *= p->strength * s->value[t];
		for (int j = 0; j < factors; j++)
			out[j] += product * bfloat16(row[j]);
		if (is_explicit)
			out[factors] += product;
	}
}

/* The steps from x (unknowns, then kept in place). */
static void
plain_steps(const system_of_row *s, double *x)
{
	const rmf_problem *p = s->step.problem;
	int			factors = p->factors;
	int			is_explicit = p->feedback == RMF_EXPLICIT;
	int			width = factors + is_explicit;
	int			other_bias = is_explicit ? rmf_bias_position(p, s->step.side == RMF_USERS ? RMF_ITEMS : RMF_USERS) : 0;
	double	   *r = calloc((size_t) width, sizeof(double)),
			   *z = calloc((size_t) width, sizeof(double)),
			   *d = calloc((size_t) width, sizeof(double)),
			   *q = calloc((size_t) width, sizeof(double)),
			   *preconditioner = calloc((size_t) width, sizeof(double));
	double		weight = 0,
				squares = 0,
				penalty,
				rz = 0;

	for (int64_t t = 0; t < s->n; t++)
		weight += is_explicit ? 1 : p->strength * s->value[t];
	penalty = rmf_als_row_penalty(p, s->step.side, weight, s->step.n_fixed);
	for (int64_t i = 0; i < s->step.n_fixed; i++)
		for (int j = 0; j < factors; j++)
			squares += pow(s->step.fixed[i * s->m->dimensions + j], 2);
	for (int j = 0; j < factors; j++)
		preconditioner[j] = is_explicit ?
			weight * squares / ((double) s->step.n_fixed * factors) + penalty : 1;
	if (is_explicit)
		preconditioner[factors] = weight + p->bias_regularization;

	plain_multiply(s, penalty, x, q);
	for (int64_t t = 0; t < s->n; t++)
	{
		const float *row = s->step.fixed + s->column[t] * s->m->dimensions;
		double		target = is_explicit ? s->value[t] - p->mean - row[other_bias] :
			p->strength * s->value[t] + p->unobserved;

		for (int j = 0; j < factors; j++)
			r[j] += target * bfloat16(row[j]);
		if (is_explicit)
			r[factors] += target;
	}
	for (int j = 0; j < width; j++)
	{
		r[j] -= q[j];
		d[j] = z[j] = r[j] / preconditioner[j];
		rz += r[j] * z[j];
	}
	/* with few unknowns the solution is found before the last step */
	for (int step = 0; step < STEPS && rz > 1e-25; step++)
	{
		double		dq = 0,
					next = 0;

		plain_multiply(s, penalty, d, q);
		for (int j = 0; j < width; j++)
			dq += d[j] * q[j];
		for (int j = 0; j < width; j++)
		{
			x[j] += rz / dq * d[j];
			r[j] -= rz / dq * q[j];
			z[j] = r[j] / preconditioner[j];
			next += r[j] * z[j];
		}
		for (int j = 0; j < width; j++)
			d[j] = z[j] + next / rz * d[j];
		rz = next;
	}
	free(r);
	free(z);
	free(d);
	free(q);
	free(preconditioner);
}

/* Of rows that packing does not change, what the steps make of the objective is what it is. */
static void
test_kept_objective(system_of_row *s, rmf_cpu_level level, void *packed, const rmf_cg_scratch *scratch)
{
	rmf_side	side = s->step.side;
	const rmf_problem *problem = &s->m->problem;
	float	   *fixed = side == RMF_USERS ? s->m->items : s->m->users;
	float	   *solution = side == RMF_USERS ? s->m->users : s->m->items;
	rmf_sums	sums = {0, 0, 0},
				exact = {0, 0, 0};

	CHECK(s->step.fixed == fixed);
	for (int64_t r = 0; r < s->step.n_fixed; r++)
		for (int j = 0; j < problem->factors; j++)
		{
			uint32_t	bits;
			float	   *entry = fixed + r * s->m->dimensions + j;

			memcpy(&bits, entry, sizeof(bits));
			bits &= 0xffff0000u;
			memcpy(entry, &bits, sizeof(bits));
		}
	CHECK(rmf_cg_pack(&s->step, level, packed, NULL) == RMF_OK);
	CHECK(solve_alone(s, packed, solution, &sums, scratch, NULL) == RMF_OK);
	CHECK(rmf_exact_measure(&s->step, s->n, s->column, s->value, NULL, solution, &exact, s->m->workspace, NULL) == RMF_OK);
	CHECK_NEAR(sums.fit, exact.fit, 2e-5 * exact.fit);
	CHECK_NEAR(sums.squares, exact.squares, 2e-5 * exact.squares);
	CHECK_NEAR(sums.penalty, exact.penalty, 1e-9 * exact.penalty);
}

static void
test_row(rmf_cpu_level level, rmf_feedback feedback, rmf_side side, int factors, int64_t n)
{
	system_of_row s = make_system(feedback, side, factors, n);
	int			is_explicit = feedback == RMF_EXPLICIT;
	int			own_bias = is_explicit ? rmf_bias_position(&s.m->problem, side) : 0;
	int			dimensions = s.m->dimensions;
	rmf_sums	sums = {0, 0, 0},
				exact = {0, 0, 0};
	void	   *packed = allocate(rmf_cg_side_size(&s.m->problem, s.step.n_fixed));
	rmf_cg_scratch scratch;
	void	   *memory = allocate(rmf_cg_lay_out_scratch(&s.m->problem, NULL, &scratch));
	float	   *solution = malloc((size_t) dimensions * sizeof(float)),
			   *again = malloc((size_t) dimensions * sizeof(float));
	double	   *x = calloc((size_t) (factors + 1), sizeof(double));
	double		norm = 0,
				error = 0;

	s.step.measure = 1;
	memset(memory, 0xff, rmf_cg_lay_out_scratch(&s.m->problem, NULL, &scratch));
	rmf_cg_lay_out_scratch(&s.m->problem, memory, &scratch);
	CHECK(rmf_cg_pack(&s.step, level, packed, NULL) == RMF_OK);
	memcpy(solution, side == RMF_USERS ? s.m->users : s.m->items, (size_t) dimensions * sizeof(float));
	for (int j = 0; j < factors; j++)
		x[j] = solution[j];
	if (is_explicit)
		x[factors] = solution[own_bias];
	memcpy(again, solution, (size_t) dimensions * sizeof(float));

	CHECK(solve_alone(&s, packed, solution, &sums, &scratch, NULL) == RMF_OK);
	plain_steps(&s, x);
	for (int j = 0; j < factors; j++)
	{
		norm += x[j] * x[j];
		error += (solution[j] - x[j]) * (solution[j] - x[j]);
	}
	CHECK_NEAR(sqrt(error / norm), 0, 2e-3);
	if (is_explicit)
	{
		CHECK_NEAR(solution[own_bias], x[factors], 2e-3);
		CHECK(solution[rmf_bias_position(&s.m->problem, side == RMF_USERS ? RMF_ITEMS : RMF_USERS)] == 1);
	}

	/* measured at the packed rows: but for their rounding what the rows themselves give */
	CHECK(rmf_exact_measure(&s.step, n, s.column, s.value, NULL, solution, &exact, s.m->workspace, NULL) == RMF_OK);
	CHECK_NEAR(sums.penalty, exact.penalty, 1e-9 * exact.penalty);
	CHECK_NEAR(sums.squares, exact.squares, 5e-3 * exact.squares);
	CHECK_NEAR(sums.fit, exact.fit, 5e-3 * exact.squares * (is_explicit ? 1 : s.m->problem.strength * 5));

	/* what the scratch held does not matter */
	CHECK(solve_alone(&s, packed, again, NULL, &scratch, NULL) == RMF_OK);
	CHECK(memcmp(solution, again, (size_t) dimensions * sizeof(float)) == 0);

	if (is_explicit)
		test_kept_objective(&s, level, packed, &scratch);
	free(packed);
	free(memory);
	free(solution);
	free(again);
	free(x);
	free_system(s);
}

/* Errors leave the row as it was; so does a cancellation, at whatever poll. */
static void
test_errors(rmf_cpu_level level, rmf_feedback feedback)
{
	system_of_row s = make_system(feedback, RMF_USERS, 20, 20000);
	size_t		bytes = (size_t) s.m->dimensions * sizeof(float);
	void	   *packed = allocate(rmf_cg_side_size(&s.m->problem, s.step.n_fixed));
	rmf_cg_scratch scratch;
	void	   *memory = allocate(rmf_cg_lay_out_scratch(&s.m->problem, NULL, &scratch));
	float	   *solution = malloc(bytes);
	counting_poll counter;
	long		polls;

#define SOLVE(poll) \
	(memcpy(solution, s.m->users, bytes), \
	 solve_alone(&s, packed, solution, NULL, &scratch, poll))
#define UNCHANGED (memcmp(solution, s.m->users, bytes) == 0)

	rmf_cg_lay_out_scratch(&s.m->problem, memory, &scratch);
	CHECK(rmf_cg_pack(&s.step, level, packed, NULL) == RMF_OK);
	CHECK(SOLVE(start_poll(&counter, 0)) == RMF_OK && !UNCHANGED);
	polls = counter.calls;
	CHECK(polls > STEPS);
	for (long at = 1; at <= polls; at++)
		CHECK(SOLVE(start_poll(&counter, at)) == RMF_CANCELLED && UNCHANGED);
	CHECK(rmf_cg_pack(&s.step, level, packed, start_poll(&counter, 1)) == RMF_CANCELLED);
	CHECK(rmf_cg_pack(&s.step, level, packed, NULL) == RMF_OK);

	s.column[19999] = 400;
	CHECK(SOLVE(NULL) == RMF_BAD_ARGUMENT && UNCHANGED);
	s.column[19999] = -1;
	CHECK(SOLVE(NULL) == RMF_BAD_ARGUMENT && UNCHANGED);
	s.column[19999] = 0;
	if (feedback == RMF_IMPLICIT)
	{
		s.value[7] = 0;
		CHECK(SOLVE(NULL) == RMF_BAD_ARGUMENT && UNCHANGED);
		s.value[7] = NAN;
		CHECK(SOLVE(NULL) == RMF_BAD_ARGUMENT && UNCHANGED);
	}
	s.value[7] = 1e38f;
	CHECK(SOLVE(NULL) == RMF_SINGULAR && UNCHANGED);
	s.value[7] = 1;

	/* nearly singular */
	s.m->problem.regularization[RMF_USERS] = s.m->problem.regularization[RMF_ITEMS] = 0;
	CHECK(SOLVE(NULL) == RMF_SINGULAR && UNCHANGED);
	s.m->problem.regularization[RMF_USERS] = s.m->problem.regularization[RMF_ITEMS] = 1e-12;
	CHECK(SOLVE(NULL) == RMF_SINGULAR && UNCHANGED);
#undef SOLVE
#undef UNCHANGED
	free(packed);
	free(memory);
	free(solution);
	free_system(s);
}

/* By ranges as at once, at every level; rows that break down come out exact. */
static void
test_half_step(rmf_cpu_level level, rmf_feedback feedback)
{
	dataset		data = random_dataset(60, 45, 0.25, 3, 0);
	rmf_settings settings;
	model	   *m;
	rmf_sums	sums = {0, 0, 0};
	rmf_half_step step;
	size_t		bytes;
	float	   *whole,
			   *in_parts,
			   *exact;

	rmf_settings_init(&settings, feedback);
	settings.factors = 24;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	bytes = (size_t) (60 * m->dimensions) * sizeof(float);
	whole = allocate(bytes);
	in_parts = allocate(bytes);
	exact = allocate(bytes);
	step = half_step_of(m, &data, RMF_USERS);
	CHECK(rmf_als_pack(&step, level, m->packed, NULL) == RMF_OK);
	step.packed = m->packed;

	memcpy(whole, m->users, bytes);
	memcpy(in_parts, m->users, bytes);
	CHECK(solve_rows(&step, &data.by_user, 0, 60, whole, NULL, m->workspace, NULL) == RMF_OK);
	CHECK(solve_rows(&step, &data.by_user, 17, 60, in_parts, NULL, m->workspace, NULL) == RMF_OK);
	memset(m->workspace, 0xff, rmf_als_workspace_size(&m->problem));
	CHECK(solve_rows(&step, &data.by_user, 0, 17, in_parts, NULL, m->workspace, NULL) == RMF_OK);
	CHECK(memcmp(whole, in_parts, bytes) == 0);
	/* alone, and measured */
	memcpy(in_parts, m->users, bytes);
	step.measure = 1;
	for (int r = 0; r < 60; r++)
		CHECK(solve_rows(&step, &data.by_user, r, r + 1, in_parts, &sums, m->workspace, NULL) == RMF_OK);
	CHECK(memcmp(whole, in_parts, bytes) == 0);
	memcpy(m->users, whole, bytes);
	if (feedback == RMF_IMPLICIT)
		CHECK(rmf_als_gram(&m->problem, 60, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
	check_sums(m, &data, &sums);
	/* the last user has no rating */
	for (int j = 0; j < m->problem.factors; j++)
		CHECK(whole[59 * m->dimensions + j] == 0);

	m->problem.regularization[RMF_USERS] = 0;
	CHECK(rmf_als_pack(&step, level, m->packed, NULL) == RMF_OK);
	CHECK(solve_rows(&step, &data.by_user, 0, 60, whole, NULL, m->workspace, NULL) == RMF_OK);
	step.packed = NULL;
	CHECK(solve_rows(&step, &data.by_user, 0, 60, exact, NULL, m->workspace, NULL) == RMF_OK);
	CHECK(memcmp(whole, exact, bytes) == 0);

	/* a side that was packed for something else */
	step.packed = m->packed;
	m->problem.solver = RMF_SOLVER_EXACT;
	CHECK(solve_rows(&step, &data.by_user, 0, 60, whole, NULL, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_als_pack(&step, level, m->packed, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_als_packed_size(&m->problem, 45) == 0);
	m->problem.solver = RMF_SOLVER_CG;
	step = half_step_of(m, &data, RMF_ITEMS);
	step.packed = m->packed;
	CHECK(solve_rows(&step, &data.by_item, 0, 45, m->items, NULL, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_als_pack(&step, (rmf_cpu_level) 3, m->packed, NULL) == RMF_BAD_ARGUMENT);
	free(whole);
	free(in_parts);
	free(exact);
	free_model(m);
	free_dataset(data);
}

/* Down with every iteration, and after all of them where the exact solver comes to. */
static void
test_training(rmf_feedback feedback, int factors)
{
	dataset		data = random_dataset(150, 120, 0.2, 3, 0);
	rmf_settings settings;
	double		total[3];

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.iterations = 30;
	for (int solver = RMF_SOLVER_AUTO; solver <= RMF_SOLVER_CG; solver++)
	{
		model	   *m;

		settings.solver = (rmf_solver) solver;
		m = make_model(&data, settings);
		CHECK(train(m, &data, NULL) == RMF_OK);
		total[solver] = m->loss.total;
		CHECK_NEAR(m->loss.total, plain_loss(m, &data).total, 1e-5 * m->loss.total);
		for (int i = 2; i <= 30; i++)
			CHECK(m->losses[i].total <= m->losses[i - 1].total * (1 + 1e-4));
		free_model(m);
	}
	CHECK_NEAR(total[RMF_SOLVER_CG], total[RMF_SOLVER_EXACT], 0.005 * total[RMF_SOLVER_EXACT]);
	CHECK(total[RMF_SOLVER_AUTO] == total[factors < 12 ? RMF_SOLVER_EXACT : RMF_SOLVER_CG]);
	free_dataset(data);
}

int
main(void)
{
	static const int factors[] = {1, 7, 8, 16, 31, 32, 33, 48, 64, 65, 100, 128, 200};
	static const int64_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 63, 300};
	int			levels = 0;

	for (int level = RMF_CPU_BASELINE; level <= RMF_CPU_AVX512; level++)
	{
		const rmf_cg_kernels *kernels = rmf_cg_kernels_of((rmf_cpu_level) level);

		CHECK((kernels != NULL) == (rmf_vector_kernels_of((rmf_cpu_level) level) != NULL));
		if (kernels == NULL)
			continue;
		levels++;
		for (int n = 1; n <= 70; n++)
			test_pack(kernels, n);
		for (int feedback = RMF_EXPLICIT; feedback <= RMF_IMPLICIT; feedback++)
		{
			for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++)
				for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++)
					test_row((rmf_cpu_level) level, (rmf_feedback) feedback,
							 (f + n) % 2 == 0 ? RMF_USERS : RMF_ITEMS, factors[f], lengths[n]);
			/* longer than the panel */
			test_row((rmf_cpu_level) level, (rmf_feedback) feedback, RMF_USERS, 64, 4096);
			test_row((rmf_cpu_level) level, (rmf_feedback) feedback, RMF_ITEMS, 64, 4099);
			test_row((rmf_cpu_level) level, (rmf_feedback) feedback, RMF_ITEMS, 64, 13005);
			test_row((rmf_cpu_level) level, (rmf_feedback) feedback, RMF_USERS, RMF_MAX_FACTORS, 700);
			test_errors((rmf_cpu_level) level, (rmf_feedback) feedback);
			test_half_step((rmf_cpu_level) level, (rmf_feedback) feedback);
		}
	}
	CHECK(levels >= 1);
	for (int feedback = RMF_EXPLICIT; feedback <= RMF_IMPLICIT; feedback++)
	{
		test_training((rmf_feedback) feedback, 8);
		test_training((rmf_feedback) feedback, 40);
	}
	return unit_report("cg");
}
