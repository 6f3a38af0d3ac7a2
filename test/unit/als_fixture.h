/*
 * als_fixture.h
 *	  Small data sets and whole models for the tests of ALS, and the same
 *	  mathematics again in plain double precision, written from the objective
 *	  in rmf_als.h and not from the code under test.
 */
#ifndef ALS_FIXTURE_H
#define ALS_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "csr_fixture.h"
#include "rmf_als.h"
#include "rmf_objective.h"
#include "rmf_random.h"
#include "rmf_run.h"
#include "unit.h"

typedef struct dataset
{
	rmf_csr		by_user;
	rmf_csr		by_item;
	rmf_csr_stats stats;
} dataset;

typedef struct model
{
	rmf_settings settings;
	rmf_problem problem;
	int			dimensions;
	uint64_t   *user_keys;
	uint64_t   *item_keys;
	float	   *users;
	float	   *items;
	float	   *gram_users;
	float	   *gram_items;
	void	   *workspace;
	void	   *packed;
	rmf_loss	loss;
	rmf_loss	losses[1001];	/* by iteration, 1-based */
} model;

static inline dataset
make_dataset(int64_t n_users, int64_t n_items, int64_t n, int32_t *user, int32_t *item,
			 float *rating, rmf_merge merge)
{
	triples		t = {n, n_users, n_items, user, item, rating, NULL};
	dataset		data;

	data.by_user = make_csr(n_users, n_items, n, 0);
	data.by_item = make_csr(n_items, n_users, n, 0);
	reference_csr(t, merge, &data.by_user);
	reference_transpose(&data.by_user, &data.by_item);
	data.stats = summary_of(&data.by_user);
	return data;
}

/* A share of the cells is rated, with 1, 2, ..., 5; the last user and the last item have no rating. */
static inline dataset
random_dataset(int n_users, int n_items, double share, uint64_t seed, uint64_t order)
{
	int64_t		room = (int64_t) n_users * n_items;
	int64_t		n = 0;
	int32_t    *user = allocate((size_t) room * sizeof(int32_t));
	int32_t    *item = allocate((size_t) room * sizeof(int32_t));
	float	   *rating = allocate((size_t) room * sizeof(float));
	dataset		data;

	for (int64_t cell = 0; cell < room; cell++)
	{
		/* any order of the cells: "order" is added modulo their number, backwards if odd */
		int64_t		at = (int64_t) (((uint64_t) cell + order * 977) % (uint64_t) room);
		uint64_t	bits;

		if (order % 2 == 1)
			at = room - 1 - at;
		bits = rmf_mix64(seed * 1000003 + (uint64_t) at);
		if (at / n_items == n_users - 1 || at % n_items == n_items - 1)
			continue;
		if ((double) (bits % 1000) >= share * 1000)
			continue;
		user[n] = (int32_t) (at / n_items);
		item[n] = (int32_t) (at % n_items);
		rating[n++] = (float) (1 + bits / 1000 % 5);
	}
	data = make_dataset(n_users, n_items, n, user, item, rating, RMF_MERGE_SUM);
	free(user);
	free(item);
	free(rating);
	return data;
}

static inline void
free_dataset(dataset data)
{
	free_csr(data.by_user);
	free_csr(data.by_item);
}

static inline rmf_verdict
record_loss(void *arg, const rmf_iteration *iteration)
{
	((model *) arg)->losses[iteration->number] = iteration->loss;
	return RMF_GO_ON;
}

/* Keys 1000, 1001, ... of users and 1, 2, ... of items. */
static inline model *
make_model(const dataset *data, rmf_settings settings)
{
	model	   *m = allocate(sizeof(model));
	int64_t		n_users = data->by_user.n_rows,
				n_items = data->by_item.n_rows;
	const char *field;
	size_t		square;

	memset(m, 0, sizeof(*m));
	m->settings = settings;
	if (rmf_settings_resolve(&m->settings, n_users, n_items, &data->stats, &field) != RMF_OK)
		abort();
	rmf_problem_init(&m->problem, &m->settings, &data->stats);
	m->dimensions = rmf_dimensions(&m->problem);
	square = (size_t) m->dimensions * (size_t) m->dimensions * sizeof(float);
	m->user_keys = allocate((size_t) n_users * sizeof(uint64_t));
	m->item_keys = allocate((size_t) n_items * sizeof(uint64_t));
	for (int64_t u = 0; u < n_users; u++)
		m->user_keys[u] = 1000 + (uint64_t) u;
	for (int64_t i = 0; i < n_items; i++)
		m->item_keys[i] = 1 + (uint64_t) i;
	m->users = allocate((size_t) n_users * (size_t) m->dimensions * sizeof(float));
	m->items = allocate((size_t) n_items * (size_t) m->dimensions * sizeof(float));
	m->gram_users = allocate(square);
	m->gram_items = allocate(square);
	m->workspace = allocate(rmf_als_workspace_size(&m->problem));
	m->packed = allocate(rmf_als_packed_size(&m->problem, n_users > n_items ? n_users : n_items));
	return m;
}

static inline rmf_run_shape
shape_of(const model *m, const dataset *data)
{
	return (rmf_run_shape) {
		.problem = m->problem, .seed = m->settings.seed, .level = rmf_cpu_best(),
		.n = {data->by_user.n_rows, data->by_item.n_rows}
	};
}

/* A run in memory of its own, which *memory is to be freed for. */
static inline rmf_run
make_run(const model *m, const dataset *data, const rmf_run_shape *shape, void **memory)
{
	rmf_run		run = {0};

	*memory = allocate(rmf_run_lay_out(shape, NULL, &run));
	rmf_run_lay_out(shape, *memory, &run);
	run.ratings[RMF_USERS] = ratings_of(&data->by_user);
	run.ratings[RMF_ITEMS] = ratings_of(&data->by_item);
	memcpy(run.keys[RMF_USERS], m->user_keys, (size_t) shape->n[RMF_USERS] * sizeof(uint64_t));
	memcpy(run.keys[RMF_ITEMS], m->item_keys, (size_t) shape->n[RMF_ITEMS] * sizeof(uint64_t));
	return run;
}

/* What a run has made, into the model. */
static inline void
take_result(model *m, const rmf_run *run)
{
	size_t		row = (size_t) m->dimensions * sizeof(float);
	size_t		square = (size_t) m->problem.factors * (size_t) m->problem.factors * sizeof(float);

	memcpy(m->users, run->rows[RMF_USERS], (size_t) run->shape.n[RMF_USERS] * row);
	memcpy(m->items, run->rows[RMF_ITEMS], (size_t) run->shape.n[RMF_ITEMS] * row);
	if (m->problem.feedback == RMF_IMPLICIT)
	{
		memcpy(m->gram_users, run->gram[RMF_USERS], square);
		memcpy(m->gram_items, run->gram[RMF_ITEMS], square);
	}
}

static inline rmf_status
train(model *m, const dataset *data, const rmf_poll *poll)
{
	rmf_run_shape shape = shape_of(m, data);
	rmf_stopping stopping = {m->settings.iterations, 0, record_loss, m, 0};
	rmf_outcome outcome;
	void	   *memory;
	rmf_run		run = make_run(m, data, &shape, &memory);
	rmf_leader	leader = {NULL, allocate(rmf_run_workspace_size(&shape)), poll};
	rmf_status	status = rmf_run_start(&run, &leader);

	if (status == RMF_OK)
		status = rmf_run_iterate(&run, &stopping, &leader, &outcome);
	if (status == RMF_OK)
	{
		m->loss = outcome.kept.loss;
		take_result(m, &run);
	}
	free(leader.workspace);
	free(memory);
	return status;
}

static inline void
free_model(model *m)
{
	free(m->user_keys);
	free(m->item_keys);
	free(m->users);
	free(m->items);
	free(m->gram_users);
	free(m->gram_items);
	free(m->workspace);
	free(m->packed);
	free(m);
}

/* To be solved exactly unless "packed" is set. */
static inline rmf_half_step
half_step_of(const model *m, const dataset *data, rmf_side side)
{
	rmf_half_step step;

	rmf_half_step_init(&step, &m->problem, side,
					   side == RMF_USERS ? data->by_item.n_rows : data->by_user.n_rows,
					   side == RMF_USERS ? m->items : m->users,
					   side == RMF_USERS ? m->gram_items : m->gram_users);
	return step;
}

/* rmf_als_half_step() for the rows first <= r < last of a matrix. */
static inline rmf_status
solve_rows(const rmf_half_step *step, const rmf_csr *ratings, int64_t first, int64_t last,
		   float *rows, rmf_sums *sums, void *workspace, const rmf_poll *poll)
{
	return rmf_als_half_step(step, last - first, ratings->start + first,
							 ratings->column + ratings->start[first], ratings->value + ratings->start[first],
							 NULL, rows + first * rmf_dimensions(step->problem), sums, workspace, poll);
}

/* The prediction without mean, in double. */
static inline double
plain_score(const model *m, int64_t u, int64_t i)
{
	double		sum = 0;

	for (int j = 0; j < m->dimensions; j++)
		sum += (double) m->users[u * m->dimensions + j] * m->items[i * m->dimensions + j];
	return sum;
}

static inline double
plain_penalty(const model *m, const rmf_csr *ratings, const float *rows, rmf_side side, double unobserved)
{
	double		sum = 0;

	for (int64_t r = 0; r < ratings->n_rows; r++)
	{
		double		weight = 0,
					squares = 0;

		for (int64_t t = ratings->start[r]; t < ratings->start[r + 1]; t++)
			weight += m->problem.feedback == RMF_EXPLICIT ? 1 : ratings->value[t] * m->problem.strength;
		for (int j = 0; j < m->problem.factors; j++)
			squares += (double) rows[r * m->dimensions + j] * rows[r * m->dimensions + j];
		sum += m->settings.regularization * squares *
			pow(weight + unobserved * (double) ratings->n_columns, m->settings.regularization_scaling);
		if (m->problem.feedback == RMF_EXPLICIT)
		{
			double		bias = rows[r * m->dimensions + rmf_bias_position(&m->problem, side)];

			sum += m->settings.bias_regularization * bias * bias;
		}
	}
	return sum;
}

/*
 * The objective, cell by cell.  Implicit: the form of Hu, Koren and Volinsky,
 * confidence 1 + alpha r, divided by alpha times the mean rating.
 */
static inline rmf_loss
plain_loss(const model *m, const dataset *data)
{
	rmf_loss	loss = {0, 0, 0};
	double		squares = 0;
	double		divisor = m->settings.alpha * data->stats.mean;

	for (int64_t u = 0; u < data->by_user.n_rows; u++)
	{
		int64_t		t = data->by_user.start[u];

		for (int64_t i = 0; i < data->by_user.n_columns; i++)
		{
			double		score = plain_score(m, u, i);
			int			rated = t < data->by_user.start[u + 1] && data->by_user.column[t] == i;
			double		rating = rated ? data->by_user.value[t++] : 0;

			if (m->problem.feedback == RMF_IMPLICIT)
			{
				double		error = (rated ? 1 : 0) - score;

				loss.fit += (1 + m->settings.alpha * rating) * error * error / divisor;
				squares += rated ? error * error : 0;
			}
			else if (rated)
			{
				double		error = rating - data->stats.mean - score;

				loss.fit += error * error;
				squares += error * error;
			}
		}
	}
	loss.rmse = sqrt(squares / (double) data->stats.n_entries);
	loss.total = loss.fit +
		plain_penalty(m, &data->by_user, m->users, RMF_USERS, m->problem.feedback == RMF_IMPLICIT ? 1 / divisor : 0) +
		plain_penalty(m, &data->by_item, m->items, RMF_ITEMS, m->problem.feedback == RMF_IMPLICIT ? 1 / divisor : 0);
	return loss;
}

/* The sums of a half-step of the users against the objective, cell by cell; gram_users is up to date. */
static inline void
check_sums(const model *m, const dataset *data, const rmf_sums *sums)
{
	rmf_loss	plain = plain_loss(m, data);
	int			is_implicit = m->problem.feedback == RMF_IMPLICIT;
	double		of_items = plain_penalty(m, &data->by_item, m->items, RMF_ITEMS,
										 is_implicit ? m->problem.unobserved : 0);
	double		all = 0;

	for (int i = 0; is_implicit && i < m->problem.factors * m->problem.factors; i++)
		all += m->problem.unobserved * m->gram_users[i] * m->gram_items[i];
	CHECK_NEAR(sums->fit + all, plain.fit, 1e-5 * plain.total);
	CHECK_NEAR(sums->penalty, plain.total - plain.fit - of_items, 1e-5 * plain.total);
	CHECK_NEAR(sqrt(sums->squares / (double) data->stats.n_entries), plain.rmse, 1e-5);
}

/* A x = b by elimination with row pivoting; x replaces b. */
static inline void
plain_solve(int n, double *a, double *b)
{
	for (int c = 0; c < n; c++)
	{
		int			pivot = c;

		for (int r = c + 1; r < n; r++)
			if (fabs(a[r * n + c]) > fabs(a[pivot * n + c]))
				pivot = r;
		for (int j = 0; j < n; j++)
		{
			double		moved = a[c * n + j];

			a[c * n + j] = a[pivot * n + j];
			a[pivot * n + j] = moved;
		}
		{
			double		moved = b[c];

			b[c] = b[pivot];
			b[pivot] = moved;
		}
		for (int r = c + 1; r < n; r++)
		{
			double		times = a[r * n + c] / a[c * n + c];

			for (int j = c; j < n; j++)
				a[r * n + j] -= times * a[c * n + j];
			b[r] -= times * b[c];
		}
	}
	for (int r = n - 1; r >= 0; r--)
	{
		for (int j = r + 1; j < n; j++)
			b[r] -= a[r * n + j] * b[j];
		b[r] /= a[r * n + r];
	}
}

/*
 * The best row against the fixed side: all cells of the row, one by one, into
 * normal equations.  unknown: factors, then (explicit) the bias.
 */
static inline void
plain_row(const rmf_half_step *step, const rmf_settings *settings, double mean_rating,
		  int64_t n, const int32_t *column, const float *value, double *unknown)
{
	const rmf_problem *p = step->problem;
	int			is_explicit = p->feedback == RMF_EXPLICIT;
	int			width = p->factors + is_explicit;
	int			dimensions = rmf_dimensions(p);
	double	   *a = calloc((size_t) (width * width), sizeof(double));
	double	   *z = calloc((size_t) width, sizeof(double));
	double		divisor = settings->alpha * mean_rating;
	double		weight = 0;

	memset(unknown, 0, (size_t) width * sizeof(double));
	/* the cells that were not observed; the observed ones are taken off again below */
	for (int64_t i = 0; !is_explicit && i < step->n_fixed; i++)
		for (int j = 0; j < width; j++)
			for (int k = 0; k < width; k++)
				a[j * width + k] += (double) step->fixed[i * dimensions + j] * step->fixed[i * dimensions + k] / divisor;
	for (int64_t t = 0; t < n; t++)
	{
		const float *row = step->fixed + (int64_t) column[t] * dimensions;
		double		confidence,
					target;

		for (int j = 0; j < p->factors; j++)
			z[j] = row[j];
		if (is_explicit)
		{
			z[p->factors] = 1;
			confidence = 1;
			target = value[t] - mean_rating - row[rmf_bias_position(p, step->side == RMF_USERS ? RMF_ITEMS : RMF_USERS)];
			weight += 1;
		}
		else
		{
			confidence = (1 + settings->alpha * value[t]) / divisor;
			target = 1;
			weight += value[t] / mean_rating;
		}
		for (int j = 0; j < width; j++)
		{
			unknown[j] += confidence * target * z[j];
			for (int k = 0; k < width; k++)
				a[j * width + k] += (confidence - (is_explicit ? 0 : 1 / divisor)) * z[j] * z[k];
		}
	}
	for (int j = 0; j < p->factors; j++)
		a[j * width + j] += settings->regularization *
			pow(weight + (is_explicit ? 0 : (double) step->n_fixed / divisor), settings->regularization_scaling);
	if (is_explicit)
		a[width * width - 1] += settings->bias_regularization;
	plain_solve(width, a, unknown);
	free(a);
	free(z);
}

static inline int
all_finite(int64_t n, const float *x)
{
	for (int64_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return 0;
	return 1;
}

#endif							/* ALS_FIXTURE_H */
