/*
 * test_als.c
 *	  ALS against the same mathematics in double precision: rows, objective,
 *	  Gram matrices; what training promises (descent, reproducibility); and the
 *	  edges: singular systems, huge and tiny values, cancellation.
 */
#include "als_fixture.h"
#include "counting_poll.h"
#include "unit.h"

static rmf_settings
settings_of(rmf_feedback feedback, int factors, int iterations)
{
	rmf_settings settings;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.iterations = iterations;
	return settings;
}

static void
test_start(rmf_feedback feedback)
{
	dataset		data = random_dataset(200, 100, 0.2, 1, 0);
	model	   *m = make_model(&data, settings_of(feedback, 64, 1));
	float	   *again = allocate((size_t) (200 * m->dimensions) * sizeof(float));
	double		squares = 0,
				products = 0;

	rmf_als_start(&m->problem, RMF_USERS, 42, 0, 200, m->user_keys, m->users);
	for (int u = 0; u < 200; u++)
	{
		for (int j = 0; j < 64; j++)
			squares += (double) m->users[u * m->dimensions + j] * m->users[u * m->dimensions + j];
		if (feedback == RMF_EXPLICIT)
		{
			CHECK(m->users[u * m->dimensions + 64] == 0);
			CHECK(m->users[u * m->dimensions + 65] == 1);
		}
	}
	CHECK_NEAR(sqrt(squares / (200 * 64)),
			   0.1 / 8 * (feedback == RMF_EXPLICIT ? sqrt(data.stats.sd) : 1), 0.0125 * 0.05);

	/* a row depends on its key, not on its place */
	rmf_als_start(&m->problem, RMF_USERS, 42, 0, 100, m->user_keys + 100, again);
	CHECK(memcmp(again, m->users + 100 * m->dimensions, (size_t) (100 * m->dimensions) * sizeof(float)) == 0);

	/* the other side and another seed are unrelated */
	rmf_als_start(&m->problem, RMF_ITEMS, 42, 0, 200, m->user_keys, again);
	for (int u = 0; u < 200; u++)
		for (int j = 0; j < 64; j++)
			products += (double) m->users[u * m->dimensions + j] * again[u * m->dimensions + j];
	CHECK_NEAR(products / squares, 0, 0.05);
	if (feedback == RMF_EXPLICIT)
		CHECK(again[64] == 1 && again[65] == 0);
	rmf_als_start(&m->problem, RMF_USERS, 43, 0, 200, m->user_keys, again);
	products = 0;
	for (int u = 0; u < 200; u++)
		for (int j = 0; j < 64; j++)
			products += (double) m->users[u * m->dimensions + j] * again[u * m->dimensions + j];
	CHECK_NEAR(products / squares, 0, 0.05);

	free(again);
	free_model(m);
	free_dataset(data);
}

static void
test_gram(int64_t n, int factors)
{
	dataset		data = random_dataset(5, 5, 0.9, 1, 0);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, factors, 1));
	float	   *rows = allocate((size_t) (n * factors + 1) * sizeof(float));
	float	   *gram = allocate((size_t) (factors * factors) * sizeof(float));
	float	   *shifted = allocate((size_t) (factors * factors) * sizeof(float));

	rmf_random_normal(1, 1, 1.0, n * factors, rows);
	CHECK(rmf_als_gram(&m->problem, n, rows, gram, m->workspace, NULL) == RMF_OK);
	for (int i = 0; i < factors; i++)
	{
		for (int j = 0; j < factors; j++)
		{
			double		sum = 0;

			for (int64_t r = 0; r < n; r++)
				sum += (double) rows[r * factors + i] * rows[r * factors + j];
			CHECK_NEAR(gram[i * factors + j], sum, 1e-6 * (double) n + 1e-5);
			CHECK(gram[i * factors + j] == gram[j * factors + i]);
		}
	}

	/* the same bits wherever the rows lie */
	memmove(rows + 1, rows, (size_t) (n * factors) * sizeof(float));
	CHECK(rmf_als_gram(&m->problem, n, rows + 1, shifted, m->workspace, NULL) == RMF_OK);
	CHECK(memcmp(gram, shifted, (size_t) (factors * factors) * sizeof(float)) == 0);

	m->problem.feedback = RMF_EXPLICIT;
	CHECK(rmf_als_gram(&m->problem, n, rows, gram, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	free(rows);
	free(gram);
	free(shifted);
	free_model(m);
	free_dataset(data);
}

/* Rows of any length; the ratings may repeat a column. */
static void
test_row(rmf_feedback feedback, rmf_side side, int factors, int64_t n, double scaling)
{
	dataset		data = random_dataset(300, 300, 0.1, 2, 0);
	rmf_settings settings = settings_of(feedback, factors, 1);
	model	   *m;
	rmf_half_step step;
	int32_t    *column = allocate((size_t) n * sizeof(int32_t));
	float	   *value = allocate((size_t) n * sizeof(float));
	float	   *solution;
	double	   *unknown = calloc((size_t) factors + 1, sizeof(double));

	settings.regularization_scaling = scaling;
	settings.regularization = 0.07;
	m = make_model(&data, settings);
	solution = allocate((size_t) m->dimensions * sizeof(float));
	/* factors of a trained size, and biases that are not zero */
	rmf_random_normal(1, 1, 0.3, 300 * m->dimensions, m->users);
	rmf_random_normal(2, 1, 0.3, 300 * m->dimensions, m->items);
	for (int r = 0; feedback == RMF_EXPLICIT && r < 300; r++)
	{
		m->users[r * m->dimensions + factors + 1] = 1;
		m->items[r * m->dimensions + factors] = 1;
	}
	if (feedback == RMF_IMPLICIT)
	{
		CHECK(rmf_als_gram(&m->problem, 300, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
		CHECK(rmf_als_gram(&m->problem, 300, m->items, m->gram_items, m->workspace, NULL) == RMF_OK);
	}
	for (int64_t t = 0; t < n; t++)
	{
		column[t] = (int32_t) (rmf_mix64((uint64_t) t) % 300);
		value[t] = (float) (1 + rmf_mix64((uint64_t) t + 1) % 50) / 10;
	}

	step = half_step_of(m, &data, side);
	plain_row(&step, &m->settings, data.stats.mean, n, column, value, unknown);
	for (int level = RMF_CPU_BASELINE; level <= RMF_CPU_AVX512; level++)
	{
		double		norm = 0,
					error = 0;

		step.level = (rmf_cpu_level) level;
		if (rmf_vector_kernels_of(step.level) == NULL)
		{
			CHECK(rmf_als_solve_row(&step, n, column, value, NULL, solution, m->workspace, NULL) == RMF_BAD_ARGUMENT);
			continue;
		}
		CHECK(rmf_als_solve_row(&step, n, column, value, NULL, solution, m->workspace, NULL) == RMF_OK);
		for (int j = 0; j < factors; j++)
		{
			norm += unknown[j] * unknown[j];
			error += (solution[j] - unknown[j]) * (solution[j] - unknown[j]);
		}
		if (feedback == RMF_EXPLICIT)
		{
			int			own_bias = rmf_bias_position(&m->problem, side);

			CHECK_NEAR(solution[own_bias], unknown[factors], 1e-4 * (1 + fabs(unknown[factors])));
			CHECK(solution[own_bias == factors ? factors + 1 : factors] == 1);
		}
		CHECK_NEAR(sqrt(error / norm), 0, 1e-4);
	}

	free(column);
	free(value);
	free(solution);
	free(unknown);
	free_model(m);
	free_dataset(data);
}

static void
test_row_arguments(rmf_feedback feedback)
{
	dataset		data = random_dataset(30, 20, 0.3, 2, 0);
	model	   *m = make_model(&data, settings_of(feedback, 6, 3));
	rmf_half_step step;
	int32_t		column[3] = {0, 1, 2};
	float		value[3] = {1, 2, 3};
	float		solution[9],
				again[9];

	CHECK(train(m, &data, NULL) == RMF_OK);
	step = half_step_of(m, &data, RMF_USERS);

	/* nothing known: zeros, and the constant */
	solution[m->dimensions] = -7;
	CHECK(rmf_als_solve_row(&step, 0, NULL, NULL, NULL, solution, m->workspace, NULL) == RMF_OK);
	for (int j = 0; j < m->dimensions; j++)
		CHECK(solution[j] == (feedback == RMF_EXPLICIT && j == 7 ? 1 : 0));
	CHECK(solution[m->dimensions] == -7);

	CHECK(rmf_als_solve_row(&step, -1, column, value, NULL, solution, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	column[2] = 20;
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, solution, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	column[2] = -1;
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, solution, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	column[2] = 2;
	value[1] = NAN;
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, solution, m->workspace, NULL) != RMF_OK);
	value[1] = 0;
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, solution, m->workspace, NULL) ==
		  (feedback == RMF_EXPLICIT ? RMF_OK : RMF_BAD_ARGUMENT));
	value[1] = 1e-45f;
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, solution, m->workspace, NULL) == RMF_OK);
	CHECK(all_finite(m->dimensions, solution));

	/* the answer does not depend on what the workspace held before */
	memset(m->workspace, 0xff, rmf_als_workspace_size(&m->problem));
	CHECK(rmf_als_solve_row(&step, 3, column, value, NULL, again, m->workspace, NULL) == RMF_OK);
	CHECK(memcmp(solution, again, (size_t) m->dimensions * sizeof(float)) == 0);

	/* half-steps out of range */
	CHECK(solve_rows(&step, &data.by_user, 2, 1, m->users, NULL, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	CHECK(solve_rows(&step, &data.by_item, 0, 20, m->users, NULL, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	free_model(m);
	free_dataset(data);
}

/* One row with a million ratings: right, and cancelled in time. */
static void
test_huge_row(rmf_feedback feedback)
{
	enum
	{
		N = 1000000
	};
	dataset		data = random_dataset(300, 300, 0.1, 2, 0);
	model	   *m = make_model(&data, settings_of(feedback, 8, 2));
	rmf_half_step step;
	int32_t    *column = allocate(N * sizeof(int32_t));
	float	   *value = allocate(N * sizeof(float));
	float		solution[10];
	double		unknown[9];
	counting_poll counter;

	CHECK(train(m, &data, NULL) == RMF_OK);
	for (int t = 0; t < N; t++)
	{
		column[t] = (int32_t) (rmf_mix64((uint64_t) t) % 299);
		value[t] = (float) (1 + rmf_mix64((uint64_t) t + 1) % 5);
	}
	step = half_step_of(m, &data, RMF_USERS);
	CHECK(rmf_als_solve_row(&step, N, column, value, NULL, solution, m->workspace, start_poll(&counter, 0)) == RMF_OK);
	CHECK(counter.calls >= N / 256);
	plain_row(&step, &m->settings, data.stats.mean, N, column, value, unknown);
	for (int j = 0; j < 8; j++)
		CHECK_NEAR(solution[j], unknown[j], 2e-3 * (fabs(unknown[j]) + 0.01));
	CHECK(rmf_als_solve_row(&step, N, column, value, NULL, solution, m->workspace, start_poll(&counter, 1000)) == RMF_CANCELLED);
	CHECK(counter.calls == 1000);
	free(column);
	free(value);
	free_model(m);
	free_dataset(data);
}

/* The loss is the objective, and no half of an iteration raises it. */
static void
test_training(rmf_feedback feedback, int factors, double regularization, double scaling)
{
	dataset		data = random_dataset(60, 45, 0.25, 3, 0);
	rmf_settings settings = settings_of(feedback, factors, 30);
	model	   *m;
	rmf_loss	plain;
	float	   *rows;

	settings.regularization = regularization;
	settings.regularization_scaling = scaling;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	plain = plain_loss(m, &data);
	CHECK_NEAR(m->loss.total, plain.total, 1e-5 * plain.total);
	CHECK_NEAR(m->loss.fit, plain.fit, 1e-5 * plain.total);
	CHECK_NEAR(m->loss.rmse, plain.rmse, 1e-5);
	for (int i = 2; i <= 30; i++)
		CHECK(m->losses[i].total <= m->losses[i - 1].total * (1 + 1e-6));
	CHECK(m->losses[30].total < m->losses[1].total * 0.99);
	CHECK(m->losses[30].total == m->loss.total);

	/* a last half-step of the users goes down too, and folding one in gives its row, bit for bit */
	rows = allocate((size_t) (60 * m->dimensions) * sizeof(float));
	{
		rmf_half_step step = half_step_of(m, &data, RMF_USERS);
		rmf_sums	sums = {0, 0, 0};
		float	   *folded = allocate((size_t) m->dimensions * sizeof(float));
		float	   *in_parts = allocate((size_t) (60 * m->dimensions) * sizeof(float));

		CHECK(solve_rows(&step, &data.by_user, 0, 60, rows, NULL, m->workspace, NULL) == RMF_OK);
		for (int u = 0; u < 60; u++)
		{
			int64_t		start = data.by_user.start[u];

			CHECK(rmf_als_solve_row(&step, data.by_user.start[u + 1] - start, data.by_user.column + start,
									data.by_user.value + start, NULL, folded, m->workspace, NULL) == RMF_OK);
			CHECK(memcmp(folded, rows + u * m->dimensions, (size_t) m->dimensions * sizeof(float)) == 0);
		}
		/* in whatever ranges */
		CHECK(solve_rows(&step, &data.by_user, 17, 60, in_parts, NULL, m->workspace, NULL) == RMF_OK);
		CHECK(solve_rows(&step, &data.by_user, 5, 5, in_parts, NULL, m->workspace, NULL) == RMF_OK);
		CHECK(solve_rows(&step, &data.by_user, 0, 17, in_parts, NULL, m->workspace, NULL) == RMF_OK);
		CHECK(memcmp(rows, in_parts, (size_t) (60 * m->dimensions) * sizeof(float)) == 0);

		/* what is measured on the way is the loss of what was solved; a window of a longer file serves */
		step.measure = 1;
		CHECK(solve_rows(&step, &data.by_user, 0, 33, in_parts, &sums, m->workspace, NULL) == RMF_OK);
		CHECK(solve_rows(&step, &data.by_user, 33, 60, in_parts, &sums, m->workspace, NULL) == RMF_OK);
		CHECK(memcmp(rows, in_parts, (size_t) (60 * m->dimensions) * sizeof(float)) == 0);
		memcpy(m->users, rows, (size_t) (60 * m->dimensions) * sizeof(float));
		if (feedback == RMF_IMPLICIT)
			CHECK(rmf_als_gram(&m->problem, 60, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
		check_sums(m, &data, &sums);
		free(folded);
		free(in_parts);
	}
	CHECK(plain_loss(m, &data).total <= plain.total * (1 + 1e-6));

	/* scores are the mean and the inner product */
	CHECK_NEAR(rmf_als_score(&m->problem, m->users, m->items),
			   (feedback == RMF_EXPLICIT ? data.stats.mean : 0) + plain_score(m, 0, 0), 1e-5);
	free(rows);
	free_model(m);
	free_dataset(data);
}

/* Known and unknown users and items, within and beyond the range. */
static void
test_predict(void)
{
	rmf_problem problem = {.feedback = RMF_EXPLICIT, .factors = 2, .mean = 3};
	const float user[4] = {1, 2, 0.5f, 1};	/* bias 0.5 */
	const float item[4] = {0.25f, 0.5f, 1, -0.75f}; /* bias -0.75 */
	double		prediction;

	CHECK(rmf_als_predict(&problem, user, item, 1, 5, &prediction));
	CHECK_NEAR(prediction, 3 + 0.25 + 1 + 0.5 - 0.75, 1e-6);
	CHECK(rmf_als_predict(&problem, user, NULL, 1, 5, &prediction));
	CHECK_NEAR(prediction, 3.5, 1e-6);
	CHECK(rmf_als_predict(&problem, NULL, item, 1, 5, &prediction));
	CHECK_NEAR(prediction, 2.25, 1e-6);
	CHECK(rmf_als_predict(&problem, NULL, NULL, 1, 5, &prediction));
	CHECK_NEAR(prediction, 3, 0);
	CHECK(rmf_als_predict(&problem, user, item, 1, 3.5, &prediction));
	CHECK_NEAR(prediction, 3.5, 0);
	CHECK(rmf_als_predict(&problem, NULL, item, 2.5, 5, &prediction));
	CHECK_NEAR(prediction, 2.5, 0);

	problem.feedback = RMF_IMPLICIT;
	problem.factors = 4;
	problem.mean = 0;
	CHECK(rmf_als_predict(&problem, user, item, 10, 20, &prediction));
	CHECK_NEAR(prediction, 0.25 + 1 + 0.5 - 0.75, 1e-6);
	CHECK(!rmf_als_predict(&problem, user, NULL, 10, 20, &prediction));
	CHECK(!rmf_als_predict(&problem, NULL, item, 10, 20, &prediction));
}

/* The same ratings in another order, and the same again: the same bits; another seed: not. */
static void
test_reproducible(rmf_feedback feedback)
{
	dataset		data = random_dataset(80, 70, 0.2, 4, 0);
	model	   *m = make_model(&data, settings_of(feedback, 16, 5));

	CHECK(train(m, &data, NULL) == RMF_OK);
	for (uint64_t order = 0; order < 4; order++)
	{
		dataset		shuffled = random_dataset(80, 70, 0.2, 4, order);
		model	   *again = make_model(&shuffled, settings_of(feedback, 16, 5));

		CHECK(train(again, &shuffled, NULL) == RMF_OK);
		CHECK(memcmp(m->users, again->users, (size_t) (80 * m->dimensions) * sizeof(float)) == 0);
		CHECK(memcmp(m->items, again->items, (size_t) (70 * m->dimensions) * sizeof(float)) == 0);
		CHECK(m->loss.total == again->loss.total);
		again->settings.seed = 43;
		CHECK(train(again, &shuffled, NULL) == RMF_OK);
		CHECK(memcmp(m->items, again->items, (size_t) (70 * m->dimensions) * sizeof(float)) != 0);
		free_model(again);
		free_dataset(shuffled);
	}
	free_model(m);
	free_dataset(data);
}

/* A matrix of rank 3 with biases comes back from 40% of its cells, the others included. */
static void
test_planted(void)
{
	enum
	{
		U = 120,
		I = 90,
		RANK = 3
	};
	float		p[U * RANK],
				q[I * RANK],
				b[U],
				c[I];
	int32_t    *user = allocate(U * I * sizeof(int32_t)),
			   *item = allocate(U * I * sizeof(int32_t));
	float	   *rating = allocate(U * I * sizeof(float));
	int64_t		n = 0;
	dataset		data;
	rmf_settings settings = settings_of(RMF_EXPLICIT, RANK, 300);
	model	   *m;
	double		squares = 0;

	rmf_random_normal(1, 9, 1.0, U * RANK, p);
	rmf_random_normal(2, 9, 1.0, I * RANK, q);
	rmf_random_normal(3, 9, 1.0, U, b);
	rmf_random_normal(4, 9, 1.0, I, c);
#define PLANTED(u, i) (3.5 + b[u] + c[i] + p[3 * (u)] * q[3 * (i)] + p[3 * (u) + 1] * q[3 * (i) + 1] + p[3 * (u) + 2] * q[3 * (i) + 2])
	for (int u = 0; u < U; u++)
	{
		for (int i = 0; i < I; i++)
		{
			if (rmf_mix64((uint64_t) (u * I + i)) % 10 >= 4)
				continue;
			user[n] = u;
			item[n] = i;
			rating[n++] = (float) PLANTED(u, i);
		}
	}
	data = make_dataset(U, I, n, user, item, rating, RMF_MERGE_MEAN);
	settings.regularization = 1e-5;
	settings.bias_regularization = 1e-5;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(m->loss.rmse < 1e-3);
	for (int u = 0; u < U; u++)
	{
		for (int i = 0; i < I; i++)
		{
			double		error = rmf_als_score(&m->problem, m->users + u * m->dimensions, m->items + i * m->dimensions) - PLANTED(u, i);

			squares += error * error;
		}
	}
	CHECK_NEAR(sqrt(squares / (U * I)), 0, 5e-3);
	free(user);
	free(item);
	free(rating);
	free_model(m);
	free_dataset(data);
}

/*
 * One user, one item, a single rating, all ratings equal, more factors than
 * rows: with the default penalty and with none, finite and not worse than no
 * model at all.
 */
static void
test_degenerate(rmf_feedback feedback, int n_users, int n_items, float rating, double regularization)
{
	int64_t		n = (int64_t) n_users * n_items;
	int32_t    *user = allocate((size_t) n * sizeof(int32_t)),
			   *item = allocate((size_t) n * sizeof(int32_t));
	float	   *ratings = allocate((size_t) n * sizeof(float));
	dataset		data;
	rmf_settings settings = settings_of(feedback, 32, 10);
	model	   *m;

	for (int64_t t = 0; t < n; t++)
	{
		user[t] = (int32_t) (t / n_items);
		item[t] = (int32_t) (t % n_items);
		/* rating 0 stands for all kinds */
		ratings[t] = rating == 0 ? (float) (1 + rmf_mix64((uint64_t) t) % 5) : rating;
	}
	data = make_dataset(n_users, n_items, n, user, item, ratings, RMF_MERGE_SUM);
	settings.regularization = regularization;
	if (feedback == RMF_EXPLICIT && regularization == 0)
		settings.bias_regularization = 0;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(all_finite((int64_t) n_users * m->dimensions, m->users));
	CHECK(all_finite((int64_t) n_items * m->dimensions, m->items));
	CHECK(isfinite(m->loss.total) && m->loss.total > -1e-3);
	if (feedback == RMF_EXPLICIT)
		CHECK(m->loss.rmse <= data.stats.sd + 1e-3 * data.stats.mean);
	else
		CHECK(m->loss.rmse < 1);
	/* all cells are observed, so without a penalty they fit */
	if (regularization == 0)
		CHECK(m->loss.rmse < 0.02 * (feedback == RMF_EXPLICIT ? data.stats.mean : 1));
	free(user);
	free(item);
	free(ratings);
	free_model(m);
	free_dataset(data);
}

/* Without a penalty each row has fewer ratings than unknowns: every system is singular. */
static void
test_singular(rmf_feedback feedback)
{
	dataset		data = random_dataset(50, 40, 0.15, 5, 0);
	rmf_settings settings = settings_of(feedback, 48, 20);
	model	   *m;

	settings.regularization = 0;
	if (feedback == RMF_EXPLICIT)
		settings.bias_regularization = 0;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(all_finite(50 * m->dimensions, m->users) && all_finite(40 * m->dimensions, m->items));
	CHECK(m->loss.rmse < 0.05);
	/* the smallest ridge keeps the solution near that of least norm, not in the noise */
	for (int r = 0; r < 50 * m->dimensions; r++)
		CHECK(fabsf(m->users[r]) < 1e3f);
	free_model(m);
	free_dataset(data);
}

/*
 * The unit of the ratings does not matter.  A power of four only moves
 * exponents (its root too), so the bits of the mantissas are the same.
 */
static void
test_unit_of_ratings(rmf_feedback feedback)
{
	dataset		data = random_dataset(60, 45, 0.25, 3, 0);
	dataset		scaled = random_dataset(60, 45, 0.25, 3, 0);
	float		factor = feedback == RMF_EXPLICIT ? 32.0f : 1.0f;
	model	   *m,
			   *other;

	for (int64_t t = 0; t < scaled.stats.n_entries; t++)
	{
		scaled.by_user.value[t] *= 1024;
		scaled.by_item.value[t] *= 1024;
	}
	scaled.stats = summary_of(&scaled.by_user);
	m = make_model(&data, settings_of(feedback, 10, 8));
	other = make_model(&scaled, settings_of(feedback, 10, 8));
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(train(other, &scaled, NULL) == RMF_OK);
	for (int u = 0; u < 60; u++)
	{
		for (int j = 0; j < 10; j++)
			CHECK(other->users[u * m->dimensions + j] == m->users[u * m->dimensions + j] * factor);
		if (feedback == RMF_EXPLICIT)
			CHECK(other->users[u * m->dimensions + 10] == m->users[u * m->dimensions + 10] * 1024);
	}
	free_model(m);
	free_model(other);
	free_dataset(data);
	free_dataset(scaled);
}

/* Sizes at the ends of single precision; past them an error. */
static void
test_extreme_ratings(rmf_feedback feedback)
{
	static const float sizes[] = {1e-44f, 1e-30f, 1.0f, 1e20f, 1e30f, 1e38f};

	for (int s = 0; s < 6; s++)
	{
		int32_t		user[6] = {0, 0, 1, 1, 2, 2},
					item[6] = {0, 1, 1, 2, 2, 0};
		float		rating[6];
		dataset		data;
		model	   *m;
		/* the right side of a system has the rating's unit to the power of 3/2 */
		int			too_large = feedback == RMF_EXPLICIT && sizes[s] > 1e25f;

		for (int t = 0; t < 6; t++)
			rating[t] = sizes[s] * (float) (1 + t % 3);
		data = make_dataset(3, 3, 6, user, item, rating, RMF_MERGE_SUM);
		m = make_model(&data, settings_of(feedback, 4, 15));
		CHECK(train(m, &data, NULL) == (too_large ? RMF_NOT_FINITE : RMF_OK));
		if (!too_large)
		{
			CHECK(all_finite(3 * m->dimensions, m->users) && all_finite(3 * m->dimensions, m->items));
			CHECK(isfinite(m->loss.total));
			CHECK(m->loss.rmse <= (feedback == RMF_EXPLICIT ? data.stats.sd : 0.9));
		}
		free_model(m);
		free_dataset(data);
	}
}

/* A side that is itself out of range gives an error, not a row of it. */
static void
test_not_finite(rmf_feedback feedback, float bad)
{
	dataset		data = random_dataset(30, 20, 0.5, 2, 0);
	model	   *m = make_model(&data, settings_of(feedback, 6, 2));
	rmf_half_step step;

	CHECK(train(m, &data, NULL) == RMF_OK);
	m->items[data.by_user.column[0] * m->dimensions + 2] = bad;
	if (feedback == RMF_IMPLICIT)
		CHECK(rmf_als_gram(&m->problem, 20, m->items, m->gram_items, m->workspace, NULL) == RMF_OK);
	step = half_step_of(m, &data, RMF_USERS);
	CHECK(solve_rows(&step, &data.by_user, 0, 30, m->users, NULL, m->workspace, NULL) == RMF_NOT_FINITE);
	free_model(m);
	free_dataset(data);
}

/* At every poll in turn. */
static void
test_cancel(rmf_feedback feedback)
{
	dataset		data = random_dataset(60, 45, 0.25, 3, 0);
	model	   *m = make_model(&data, settings_of(feedback, 8, 3));
	counting_poll counter;
	long		polls;

	CHECK(train(m, &data, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	/* each row of each half-step */
	CHECK(polls >= 3 * (60 + 45));
	for (long at = 1; at <= polls; at++)
		CHECK(train(m, &data, start_poll(&counter, at)) == RMF_CANCELLED && counter.calls == at);
	free_model(m);
	free_dataset(data);
}

int
main(void)
{
	static const rmf_feedback feedbacks[] = {RMF_EXPLICIT, RMF_IMPLICIT};
	static const int64_t lengths[] = {1, 2, 63, 255, 256, 257, 512, 1000};
	static const int factors[] = {1, 7, 64, 100};

	test_predict();
	test_gram(1, 5);
	test_gram(255, 16);
	test_gram(1025, 33);
	for (int f = 0; f < 2; f++)
	{
		rmf_feedback feedback = feedbacks[f];

		test_start(feedback);
		for (int a = 0; a < 8; a++)
			for (int b = 0; b < 4; b++)
			{
				test_row(feedback, RMF_USERS, factors[b], lengths[a], 1);
				test_row(feedback, RMF_ITEMS, factors[b], lengths[a], 0.5);
			}
		test_row(feedback, RMF_USERS, 10, 50, 0);
		test_row(feedback, RMF_USERS, 10, 50, 1.7);
		test_row_arguments(feedback);
		test_huge_row(feedback);
		test_training(feedback, 1, NAN, NAN);
		test_training(feedback, 10, NAN, NAN);
		test_training(feedback, 10, 0.01, 1);
		test_training(feedback, 10, 0.1, 0.6);
		test_training(feedback, 70, NAN, NAN);
		test_reproducible(feedback);
		test_singular(feedback);
		test_unit_of_ratings(feedback);
		test_extreme_ratings(feedback);
		test_cancel(feedback);
		test_not_finite(feedback, NAN);
		test_not_finite(feedback, INFINITY);
		test_not_finite(feedback, 1e25f);
		for (int equal = 0; equal < 2; equal++)
		{
			for (int none = 0; none < 2; none++)
			{
				float		rating = equal ? 4 : 0;
				double		regularization = none ? 0 : NAN;

				test_degenerate(feedback, 1, 1, rating, regularization);
				test_degenerate(feedback, 1, 20, rating, regularization);
				test_degenerate(feedback, 20, 1, rating, regularization);
				test_degenerate(feedback, 3, 4, rating, regularization);
			}
		}
	}
	test_planted();
	return unit_report("als");
}
