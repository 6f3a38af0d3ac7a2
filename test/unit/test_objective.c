/*
 * test_objective.c
 *	  The objectives: systems against differences of the objective itself, the
 *	  loss against a sum cell by cell, and what is degenerate.
 */
#include <float.h>

#include "als_fixture.h"
#include "rmf_exact.h"
#include "unit.h"

static rmf_settings
settings_of(rmf_feedback feedback, int factors, int iterations)
{
	rmf_settings settings;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.iterations = iterations;
	settings.solver = RMF_SOLVER_EXACT;
	return settings;
}

static int
falls(const model *m, int iterations)
{
	for (int i = 2; i <= iterations; i++)
		if (!(m->losses[i].total <= m->losses[i - 1].total * (1 + 1e-6)))
			return 0;
	return 1;
}

/* The bound's value, cell by cell, in double. */
static double
plain_logistic(const model *m, const dataset *data)
{
	double		w = m->settings.unobserved_weight;
	double		squares = 0,
				sum = 0,
				fit = 0;
	double		cells = (double) data->by_user.n_rows * (double) data->by_user.n_columns;
	double		q;

	for (int64_t u = 0; u < data->by_user.n_rows; u++)
	{
		int64_t		t = data->by_user.start[u];

		for (int64_t i = 0; i < data->by_user.n_columns; i++)
		{
			double		s = plain_score(m, u, i);

			squares += s * s;
			sum += s;
			if (t < data->by_user.start[u + 1] && data->by_user.column[t] == i)
				fit += data->by_user.value[t++] / data->stats.mean * log1p(exp(-s)) - w * log1p(exp(s));
		}
	}
	q = sqrt(squares / cells);
	fit += w * (sum / 2 + cells * log(2 * cosh(q / 2)));
	for (int side = 0; side < 2; side++)
	{
		const rmf_csr *ratings = side == RMF_USERS ? &data->by_user : &data->by_item;
		const float *rows = side == RMF_USERS ? m->users : m->items;

		for (int64_t r = 0; r < ratings->n_rows; r++)
		{
			const float *row = rows + r * m->dimensions;
			double		size = w / 20 * (double) ratings->n_columns;
			double		bias = row[m->problem.factors + side];
			double		square = 0;

			for (int64_t t = ratings->start[r]; t < ratings->start[r + 1]; t++)
				size += ratings->value[t] / data->stats.mean;
			for (int j = 0; j < m->problem.factors; j++)
				square += (double) row[j] * row[j];
			fit += m->settings.regularization / 2 * pow(size, m->settings.regularization_scaling) * square +
				m->settings.bias_regularization / 2 * bias * bias;
		}
	}
	return fit;
}

static void
test_logistic(double unobserved_weight, rmf_solver solver)
{
	dataset		data = random_dataset(70, 50, 0.1, 3, 0);
	rmf_settings settings = settings_of(RMF_LOGISTIC, 13, 12);
	model	   *m;

	settings.unobserved_weight = unobserved_weight;
	settings.solver = solver;
	m = make_model(&data, settings);
	CHECK(m->dimensions == 15 && rmf_unknowns(&m->problem) == 14 && rmf_gram_width(&m->problem) == 15);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(all_finite(70 * m->dimensions, m->users) && all_finite(50 * m->dimensions, m->items));
	if (solver == RMF_SOLVER_EXACT)
		CHECK(falls(m, 12));
	CHECK_NEAR(m->loss.total, plain_logistic(m, &data), 2e-5 * m->loss.total);
	CHECK(m->losses[12].total < m->losses[1].total);
	{
		double		p;

		CHECK(rmf_als_predict(&m->problem, m->users, m->items, 0, 0, &p));
		CHECK(p > 0 && p < 1);
		CHECK_NEAR(p, 1 / (1 + exp(-log(unobserved_weight) - plain_score(m, 0, 0))), 1e-6);
		CHECK(!rmf_als_predict(&m->problem, m->users, NULL, 0, 0, &p));
	}
	free_model(m);
	free_dataset(data);
}

/* With one bound after the other, a folded-in row is where the true objective of the row is flat. */
static void
test_logistic_fold_in(double w)
{
	enum {USERS = 40, ITEMS = 30, D = 5};
	dataset		data = random_dataset(USERS, ITEMS, 0.2, 4, 0);
	rmf_settings settings = settings_of(RMF_LOGISTIC, D, 8);
	model	   *m;
	float		gram[(D + 1) * (D + 1)],
				base[D + 1],
				scale,
				row[D + 2];
	rmf_common	common = {gram, base, &scale};
	rmf_half_step step;
	int64_t		at = data.by_user.start[2];
	int64_t		n = data.by_user.start[3] - at;
	double		size = w / 20 * ITEMS;

	settings.unobserved_weight = w;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(rmf_als_gram(&m->problem, USERS, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
	CHECK(rmf_als_gram(&m->problem, ITEMS, m->items, m->gram_items, m->workspace, NULL) == RMF_OK);
	rmf_objective_prepare(&m->problem, RMF_USERS, m->gram_users, m->gram_items, &common);
	step = half_step_of(m, &data, RMF_USERS);
	rmf_objective_use(&step, &common, NULL);
	CHECK(rmf_als_fold_in(&step, n, data.by_user.column + at, data.by_user.value + at, NULL, row,
						  m->workspace, NULL) == RMF_OK);
	CHECK(row[D + 1] == 1);

	for (int64_t t = 0; t < n; t++)
		size += data.by_user.value[at + t] / data.stats.mean;
	for (int j = 0; j <= D; j++)
	{
		double		slope = j < D ? m->settings.regularization * size * row[j] :
			m->settings.bias_regularization * row[j];
		double		steepest = fabs(slope);
		int64_t		t = 0;

		for (int i = 0; i < ITEMS; i++)
		{
			const float *item = m->items + i * (D + 2);
			double		s = 0,
						part;

			for (int k = 0; k < D + 2; k++)
				s += (double) row[k] * item[k];
			part = w / 2 + scale * s;
			if (t < n && data.by_user.column[at + t] == i)
			{
				double		c = data.by_user.value[at + t++] / data.stats.mean;

				part += -(c - w) / (1 + exp(s)) - w;
			}
			slope += part * item[j];
			steepest += fabs(part * item[j]);
		}
		CHECK_NEAR(slope, 0, 1e-3 * steepest);
	}
	free_model(m);
	free_dataset(data);
}

/* The sum over all cells of what implicit features add, with the second vectors that are best for these rows. */
static void
test_implicit_features(rmf_solver solver)
{
	dataset		data = random_dataset(60, 40, 0.2, 5, 0);
	rmf_settings settings = settings_of(RMF_EXPLICIT, 12, 10);
	model	   *m,
			   *without;

	without = make_model(&data, settings);
	settings.implicit_features = 1;
	settings.solver = solver;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(train(without, &data, NULL) == RMF_OK);
	CHECK(all_finite(60 * m->dimensions, m->users) && all_finite(40 * m->dimensions, m->items));
	if (solver == RMF_SOLVER_EXACT)
		CHECK(falls(m, 10));
	CHECK(memcmp(m->users, without->users, (size_t) (60 * m->dimensions) * sizeof(float)) != 0);
	/* the ratings' part of the loss is smaller than all of it, and the features' part positive */
	CHECK(m->loss.fit > m->loss.rmse * m->loss.rmse * (double) data.stats.n_entries);
	free_model(without);
	free_model(m);
	free_dataset(data);
}

/* inverse (gram + lambda_f) is the identity. */
static void
test_features_inverse(void)
{
	enum {D = 9};
	rmf_problem problem = {.feedback = RMF_EXPLICIT, .factors = D, .implicit_features = 1,
	.features_regularization = 0.5};
	float		gram[D * D],
				inverse[D * D],
				rows[20 * D];
	double		scratch[D * D];

	rmf_random_normal(1, 2, 1, 20 * D, rows);
	for (int i = 0; i < D; i++)
		for (int j = 0; j < D; j++)
		{
			double		sum = 0;

			for (int r = 0; r < 20; r++)
				sum += (double) rows[r * D + i] * rows[r * D + j];
			gram[i * D + j] = (float) sum;
		}
	CHECK(rmf_objective_features_inverse(&problem, gram, inverse, scratch, NULL) == RMF_OK);
	for (int i = 0; i < D; i++)
		for (int j = 0; j < D; j++)
		{
			double		sum = 0.5 * inverse[i * D + j];

			for (int k = 0; k < D; k++)
				sum += (double) gram[i * D + k] * inverse[k * D + j];
			CHECK_NEAR(sum, i == j, 1e-4);
		}
	gram[0] = NAN;
	CHECK(rmf_objective_features_inverse(&problem, gram, inverse, scratch, NULL) == RMF_NOT_FINITE);
}

/* At the best row without negative factors the slope is 0, or upwards where a factor is 0. */
static void
test_nonnegative(rmf_feedback feedback)
{
	dataset		data = random_dataset(60, 50, 0.2, 6, 0);
	rmf_settings settings = settings_of(feedback, 8, 12);
	model	   *m;
	rmf_half_step step;
	int			zeros = 0;

	settings.nonnegative = 1;
	m = make_model(&data, settings);
	CHECK(rmf_als_packed_size(&m->problem, 50) == 0);
	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(falls(m, 12));
	for (int side = 0; side < 2; side++)
		for (int r = 0; r < (side ? 50 : 60); r++)
			for (int j = 0; j < 8; j++)
			{
				float		x = (side ? m->items : m->users)[r * m->dimensions + j];

				CHECK(x >= 0);
				zeros += x == 0;
			}
	CHECK(zeros > 0);

	/* any other non-negative row is worse: one factor moved either way */
	step = half_step_of(m, &data, RMF_ITEMS);
	for (int r = 0; r < 5; r++)
	{
		int64_t		at = data.by_item.start[r];
		int64_t		n = data.by_item.start[r + 1] - at;
		float	   *row = m->items + r * m->dimensions;
		rmf_loss	best;

		CHECK(rmf_als_solve_row(&step, n, data.by_item.column + at, data.by_item.value + at, NULL, row,
								m->workspace, NULL) == RMF_OK);
		best = plain_loss(m, &data);
		for (int j = 0; j < 8; j++)
			for (int way = -1; way <= 1; way += 2)
			{
				float		x = row[j];

				row[j] = x + 0.02f * (float) way;
				if (row[j] >= 0)
					CHECK(plain_loss(m, &data).total > best.total - 1e-6 * best.total);
				row[j] = x;
			}
	}
	free_model(m);
	free_dataset(data);
}

/* A rating of weight 2 is as good as two of them. */
static void
test_weights(void)
{
	enum {D = 4, N = 9};
	dataset		data = random_dataset(30, 30, 0.3, 8, 0);
	model	   *m = make_model(&data, settings_of(RMF_EXPLICIT, D, 3));
	rmf_half_step step;
	int32_t		column[2 * N];
	float		value[2 * N],
				weight[N],
				weighed[D + 2],
				doubled[D + 2];
	rmf_sums	sums = {0, 0, 0};
	int64_t		start[2] = {0, N};
	double		fit = 0;

	CHECK(train(m, &data, NULL) == RMF_OK);
	step = half_step_of(m, &data, RMF_USERS);
	for (int t = 0; t < N; t++)
	{
		column[t] = column[N + t] = t;
		value[t] = value[N + t] = (float) (1 + t % 5);
		weight[t] = 2;
	}
	step.measure = 1;
	CHECK(rmf_als_half_step(&step, 1, start, column, value, weight, weighed, &sums, m->workspace, NULL) == RMF_OK);
	CHECK(rmf_als_solve_row(&step, 2 * N, column, value, NULL, doubled, m->workspace, NULL) == RMF_OK);
	for (int j = 0; j < D + 2; j++)
		CHECK_NEAR(weighed[j], doubled[j], 1e-4);
	for (int t = 0; t < N; t++)
	{
		double		error = value[t] - m->problem.mean;

		for (int j = 0; j < D + 2; j++)
			error -= (double) weighed[j] * m->items[t * m->dimensions + j];
		fit += 2 * error * error;
	}
	CHECK_NEAR(sums.fit, fit, 1e-4 * fit);
	weight[3] = 0;
	CHECK(rmf_als_solve_row(&step, N, column, value, weight, weighed, m->workspace, NULL) == RMF_BAD_ARGUMENT);
	free_model(m);
	free_dataset(data);
}

static void
test_sides(void)
{
	dataset		data = random_dataset(40, 40, 0.2, 9, 0);
	rmf_settings settings = settings_of(RMF_IMPLICIT, 4, 3);
	model	   *m;

	settings.regularization = 0.1;
	settings.item_regularization = 0.4;
	m = make_model(&data, settings);
	CHECK(rmf_als_row_penalty(&m->problem, RMF_ITEMS, 3, 40) == 4 * rmf_als_row_penalty(&m->problem, RMF_USERS, 3, 40));
	CHECK(train(m, &data, NULL) == RMF_OK);
	free_model(m);
	free_dataset(data);
}

/*
 * Regularization 0 and fewer ratings than factors; denormal, equal and huge
 * ratings: finite rows, whatever solves them.
 */
static void
test_degenerate(rmf_feedback feedback, int features, int nonnegative, rmf_solver solver)
{
	static const float sizes[] = {1e-42f, 1, 1e15f};

	for (int s = 0; s < 3; s++)
		for (int equal = 0; equal < 2; equal++)
			for (int zero = 0; zero < 2; zero++)
			{
				int32_t		user[8] = {0, 0, 1, 1, 2, 2, 3, 3},
							item[8] = {0, 1, 1, 2, 2, 3, 3, 0};
				float		rating[8];
				rmf_settings settings = settings_of(feedback, 16, 6);
				dataset		data;
				model	   *m;

				for (int t = 0; t < 8; t++)
					rating[t] = sizes[s] * (float) (equal ? 3 : 1 + t % 4);
				data = make_dataset(4, 4, 8, user, item, rating, RMF_MERGE_SUM);
				settings.solver = solver;
				settings.implicit_features = features;
				settings.nonnegative = nonnegative;
				if (zero)
				{
					settings.regularization = 0;
					if (feedback != RMF_IMPLICIT)
						settings.bias_regularization = 0;
				}
				m = make_model(&data, settings);
				CHECK(train(m, &data, NULL) == RMF_OK);
				CHECK(all_finite(4 * m->dimensions, m->users) && all_finite(4 * m->dimensions, m->items));
				CHECK(isfinite(m->loss.total) && isfinite(m->loss.rmse));
				free_model(m);
				free_dataset(data);
			}
}

static void
test_settings_of_objectives(void)
{
	rmf_csr_stats ratings = {.n_entries = 10, .min = 1, .max = 5, .mean = 3, .sum = 30, .sd = 2};
	rmf_settings settings;
	const char *field = NULL;

	rmf_settings_init(&settings, RMF_LOGISTIC);
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_OK);
	CHECK(settings.unobserved_weight == 0.4 && settings.iterations == 20 && isnan(settings.alpha));
	settings.nonnegative = 1;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "nonnegative") == 0);
	settings.nonnegative = 0;
	settings.unobserved_weight = 1.5;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "unobserved_weight") == 0);

	rmf_settings_init(&settings, RMF_IMPLICIT);
	settings.implicit_features = 1;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "implicit_features") == 0);
	rmf_settings_init(&settings, RMF_EXPLICIT);
	settings.implicit_features_weight = 1;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "implicit_features_weight") == 0);
	settings.implicit_features = 1;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_OK);
	CHECK_NEAR(settings.implicit_features_regularization, 54, 1e-9);
	settings.user_regularization = -1;
	CHECK(rmf_settings_resolve(&settings, 10, 10, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "user_regularization") == 0);
}

int
main(void)
{
	test_settings_of_objectives();
	test_logistic(0.01, RMF_SOLVER_EXACT);
	test_logistic(0.3, RMF_SOLVER_EXACT);
	/* heavier than the lightest observed cells, where the bound is a tangent */
	test_logistic(0.9, RMF_SOLVER_EXACT);
	test_logistic(0.01, RMF_SOLVER_CG);
	test_logistic_fold_in(0.01);
	test_logistic_fold_in(0.3);
	test_logistic_fold_in(0.9);
	test_implicit_features(RMF_SOLVER_EXACT);
	test_implicit_features(RMF_SOLVER_CG);
	test_features_inverse();
	test_nonnegative(RMF_IMPLICIT);
	test_nonnegative(RMF_EXPLICIT);
	test_weights();
	test_sides();
	for (int solver = RMF_SOLVER_EXACT; solver <= RMF_SOLVER_CG; solver++)
	{
		test_degenerate(RMF_EXPLICIT, 0, 0, (rmf_solver) solver);
		test_degenerate(RMF_EXPLICIT, 1, 0, (rmf_solver) solver);
		test_degenerate(RMF_IMPLICIT, 0, 0, (rmf_solver) solver);
		test_degenerate(RMF_LOGISTIC, 0, 0, (rmf_solver) solver);
	}
	test_degenerate(RMF_EXPLICIT, 0, 1, RMF_SOLVER_EXACT);
	test_degenerate(RMF_IMPLICIT, 0, 1, RMF_SOLVER_EXACT);
	return unit_report("objective");
}
