/*
 * bench_defaults.c
 *	  What the defaults cost: a model trained by the rules of rmf_settings.c,
 *	  beside the best that a search around them finds, on one set of ratings.
 *
 * Reads lines of "user item value", numbers, in the order of time where the data
 * has one; or makes a set whose tastes are known.  A tenth of the ratings is held
 * out to search with and another tenth to measure with, or of each user the last
 * but one and the last; what is printed is of the latter.  One-class feedback:
 * NDCG@20 over all items but those that are known; explicit: RMSE.
 *
 * The search moves one coordinate of rmf_tune_settings() at a time: the weight
 * of what was not observed (explicit: the biases' regularization), the
 * regularization, and the exponent of its scaling; then the iterations.
 *
 * One core, everything in memory.  See README.md.
 */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "csr_fixture.h"
#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_hold_out.h"
#include "rmf_measures.h"
#include "rmf_rank.h"
#include "rmf_run.h"
#include "rmf_tune.h"

#define LENGTH 20
#define HELD_OUT 0.1
#define USERS_AT_ONCE 256
#define TASTES 32
#define MOST_ITERATIONS 48

enum
{
	TRAIN,
	VALIDATION,
	TEST,
	LEFT_OUT,
	PARTS = LEFT_OUT
};

typedef struct options
{
	const char *name;
	const char *file;			/* NULL: synthetic */
	rmf_feedback feedback;
	int			factors;		/* 0: by rule */
	int			features;
	int			last;			/* the last ratings of users are held out */
	int			grid;
	double		power;			/* of values; 0: all are one */
	double		at_least;
	double		users;			/* shares that are kept */
	double		items;
	double		ratings;
	int64_t		measured;		/* users, at most */
	int64_t		n_users;		/* synthetic */
	int64_t		n_items;
	double		per_user;
	double		skew;			/* standard deviation of the logarithm of popularity */
	uint64_t	seed;
} options;

typedef struct dataset
{
	rmf_csr		part[PARTS];	/* by user */
	rmf_csr		by_item;		/* of the first */
	rmf_csr_stats stats;
	float	   *scratch;
	char	   *measured;		/* by user */
} dataset;

static void
check(rmf_status status, const char *doing)
{
	if (status == RMF_OK)
		return;
	fprintf(stderr, "%s: %s\n", doing, rmf_status_message(status));
	exit(1);
}

/*
 * Ratings
 */

static triples
read_triples(const char *file)
{
	FILE	   *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
	int64_t		room = 1 << 20;
	triples		t = make_triples(room, 0, 0, 0);
	int			user,
				item;
	float		value;

	if (in == NULL)
	{
		perror(file);
		exit(1);
	}
	t.n = 0;
	while (fscanf(in, "%d %d %f", &user, &item, &value) == 3)
	{
		if (t.n == room)
		{
			triples		more = make_triples(2 * room, 0, 0, 0);

			memcpy(more.row, t.row, (size_t) room * sizeof(int32_t));
			memcpy(more.column, t.column, (size_t) room * sizeof(int32_t));
			memcpy(more.value, t.value, (size_t) room * sizeof(float));
			more.n = t.n;
			free_triples(t);
			t = more;
			room *= 2;
		}
		t.row[t.n] = user;
		t.column[t.n] = item;
		t.value[t.n++] = value;
		t.n_rows = user >= t.n_rows ? user + 1 : t.n_rows;
		t.n_columns = item >= t.n_columns ? item + 1 : t.n_columns;
	}
	if (in != stdin)
		fclose(in);
	return t;
}

typedef struct drawn
{
	double		key;
	int32_t		item;
} drawn;

static int
compare_drawn(const void *a, const void *b)
{
	const drawn *x = a,
			   *y = b;

	return (x->key < y->key) - (x->key > y->key);
}

/*
 * Users choose without replacement by popularity and taste (the largest of so
 * many logarithms with Gumbel noise), as many as a log-normal draw says.
 * Strengths are log-normal about the taste, stars normal; users differ in both.
 */
static triples
make_synthetic(const options *o)
{
	triples		t;
	double	   *popularity = allocate((size_t) o->n_items * sizeof(double));
	double	   *taste = allocate((size_t) (o->n_items * TASTES) * sizeof(double));
	drawn	   *draw = allocate((size_t) o->n_items * sizeof(drawn));
	double	   *affinity = allocate((size_t) o->n_items * sizeof(double));

	random_state = rmf_mix64(o->seed) << 32;
	t = make_triples(o->n_users * o->n_items / 2, o->n_users, o->n_items, 0);
	t.n = 0;
	for (int64_t i = 0; i < o->n_items; i++)
		popularity[i] = o->skew * normal();
	for (int64_t i = 0; i < o->n_items * TASTES; i++)
		taste[i] = normal();
	for (int64_t u = 0; u < o->n_users; u++)
	{
		double		mine[TASTES];
		double		scale = normal();
		int64_t		n = (int64_t) (o->per_user * exp(0.8 * normal() - 0.32) + uniform());

		for (int k = 0; k < TASTES; k++)
			mine[k] = normal() / (1 + k * 0.25);
		n = n > o->n_items / 2 ? o->n_items / 2 : n < 3 ? 3 : n;
		for (int64_t i = 0; i < o->n_items; i++)
		{
			double		sum = 0;

			for (int k = 0; k < TASTES; k++)
				sum += mine[k] * taste[i * TASTES + k];
			affinity[i] = sum;
			draw[i].item = (int32_t) i;
			draw[i].key = popularity[i] + affinity[i] - log(-log(1 - uniform()));
		}
		qsort(draw, (size_t) o->n_items, sizeof(drawn), compare_drawn);
		for (int64_t r = 0; r < n; r++, t.n++)
		{
			int32_t		i = draw[r].item;

			t.row[t.n] = (int32_t) u;
			t.column[t.n] = i;
			if (o->feedback == RMF_EXPLICIT)
				t.value[t.n] = (float) fmin(fmax(rint(3 + 0.4 * scale + 0.3 * popularity[i] + 0.4 * affinity[i] + 0.7 * normal()), 1), 5);
			else
				t.value[t.n] = (float) ceil(exp(0.25 * affinity[i] + 0.8 * scale + 0.8 * normal()));
		}
	}
	free(popularity);
	free(taste);
	free(draw);
	free(affinity);
	return t;
}

/* Where a rating belongs. */
static int
part_of(const options *o, uint64_t user, uint64_t item, float value)
{
	if (value < o->at_least || !rmf_is_held_out(o->users, 1, user, 0) || !rmf_is_held_out(o->items, 2, item, 0) ||
		!rmf_is_held_out(o->ratings, 3, user, item))
		return LEFT_OUT;
	if (o->last)
		return TRAIN;
	if (rmf_is_held_out(HELD_OUT, o->seed, user, item))
		return TEST;
	return rmf_is_held_out(2 * HELD_OUT, o->seed, user, item) ? VALIDATION : TRAIN;
}

/* Of each user's training ratings the last becomes "part". */
static void
take_last(triples t, uint8_t *part, int what)
{
	int64_t    *last = allocate((size_t) t.n_rows * sizeof(int64_t));

	memset(last, 0xff, (size_t) t.n_rows * sizeof(int64_t));
	for (int64_t r = 0; r < t.n; r++)
		if (part[r] == TRAIN)
			last[t.row[r]] = r;
	for (int64_t u = 0; u < t.n_rows; u++)
		if (last[u] >= 0)
			part[last[u]] = (uint8_t) what;
	free(last);
}

/* Numbers those that have a rating to train with from 0 on, others -1; returns how many. */
static int64_t
number_used(int64_t n, const int32_t *id, const uint8_t *part, int64_t n_ids, int32_t *number)
{
	int32_t		used = 0;

	memset(number, 0xff, (size_t) n_ids * sizeof(int32_t));
	for (int64_t r = 0; r < n; r++)
		if (part[r] == TRAIN)
			number[id[r]] = 0;
	for (int64_t i = 0; i < n_ids; i++)
		if (number[i] == 0)
			number[i] = used++;
	return used;
}

static dataset
make_data(const options *o)
{
	triples		t = o->file != NULL ? read_triples(o->file) : make_synthetic(o);
	uint8_t    *part = allocate((size_t) t.n);
	int32_t    *user = allocate((size_t) t.n_rows * sizeof(int32_t));
	int32_t    *item = allocate((size_t) t.n_columns * sizeof(int32_t));
	triples		some = make_triples(t.n, 0, 0, 0);
	dataset		data;
	double		share;

	for (int64_t r = 0; r < t.n; r++)
		part[r] = (uint8_t) part_of(o, (uint64_t) t.row[r], (uint64_t) t.column[r], t.value[r]);
	if (o->last)
	{
		take_last(t, part, TEST);
		take_last(t, part, VALIDATION);
	}
	some.n_rows = number_used(t.n, t.row, part, t.n_rows, user);
	some.n_columns = number_used(t.n, t.column, part, t.n_columns, item);
	for (int p = 0; p < PARTS; p++)
	{
		some.n = 0;
		for (int64_t r = 0; r < t.n; r++)
		{
			if (part[r] != p || user[t.row[r]] < 0 || item[t.column[r]] < 0)
				continue;
			some.row[some.n] = user[t.row[r]];
			some.column[some.n] = item[t.column[r]];
			some.value[some.n++] = (float) pow(t.value[r], o->power);
		}
		data.part[p] = make_csr(some.n_rows, some.n_columns, some.n, 0);
		reference_csr(some, o->feedback == RMF_EXPLICIT ? RMF_MERGE_MEAN : RMF_MERGE_SUM, &data.part[p]);
	}
	data.by_item = make_csr(some.n_columns, some.n_rows, data.part[TRAIN].n_entries, 0);
	reference_transpose(&data.part[TRAIN], &data.by_item);
	data.stats = summary_of(&data.part[TRAIN]);
	data.measured = allocate((size_t) some.n_rows);
	share = fmin((double) o->measured / (double) some.n_rows, 1);
	for (int64_t u = 0; u < some.n_rows; u++)
		data.measured[u] = (char) rmf_is_held_out(share, 4, (uint64_t) u, 0);
	free_triples(some);
	free_triples(t);
	free(part);
	free(user);
	free(item);
	return data;
}

/*
 * Measuring
 */

static int
compare_places(const void *a, const void *b)
{
	int32_t		x = *(const int32_t *) a,
				y = *(const int32_t *) b;

	return (x > y) - (x < y);
}

/* Root of the mean squared error, predictions cut to the scale. */
static double
rmse(const dataset *data, const rmf_run *run, const rmf_csr *held)
{
	int32_t		d = rmf_dimensions(&run->shape.problem);
	double		sum = 0;

	for (int64_t u = 0; u < held->n_rows; u++)
	{
		for (int64_t t = held->start[u]; t < held->start[u + 1]; t++)
		{
			const float *x = run->rows[RMF_USERS] + u * d;
			const float *y = run->rows[RMF_ITEMS] + (int64_t) held->column[t] * d;
			double		score = run->shape.problem.mean;

			for (int32_t k = 0; k < d; k++)
				score += x[k] * y[k];
			score = fmin(fmax(score, data->stats.min), data->stats.max);
			sum += (score - held->value[t]) * (score - held->value[t]);
		}
	}
	return sqrt(sum / (double) held->n_entries);
}

/* What a user has in some parts, after what is in seen[] already; returns how much that is then. */
static int32_t
add_seen(const dataset *data, int64_t u, int part, int32_t *seen, int32_t n)
{
	const rmf_csr *csr = &data->part[part];

	for (int64_t t = csr->start[u]; t < csr->start[u + 1]; t++)
		seen[n++] = csr->column[t];
	return n;
}

/* Mean NDCG of users who have something in the part; parts before it are left out. */
static double
ndcg(const dataset *data, const rmf_run *run, int part)
{
	const rmf_csr *held = &data->part[part];
	int32_t		d = rmf_dimensions(&run->shape.problem);
	int32_t		start[2][USERS_AT_ONCE + 1] = {{0}};
	int64_t		most = data->part[TRAIN].n_entries + data->part[VALIDATION].n_entries + held->n_entries;
	rmf_rank_items items = {(int32_t) held->n_columns, d, run->rows[RMF_ITEMS], 0};
	rmf_rank_users users = {0};
	float	   *rows = allocate((size_t) (USERS_AT_ONCE * d) * sizeof(float));
	int32_t    *seen = allocate((size_t) most * sizeof(int32_t));
	int32_t    *wanted = allocate((size_t) held->n_entries * sizeof(int32_t));
	int32_t    *place = allocate((size_t) held->n_entries * sizeof(int32_t));
	double		sum = 0;
	int64_t		n = 0;

	items.largest_norm = rmf_rank_largest_norm(items.n, d, items.rows);
	users.rows = rows;
	users.seen_start = start[0];
	users.seen = seen;
	users.held_start = start[1];
	users.held = wanted;
	users.place = place;
	for (int64_t u = 0; u < held->n_rows; u++)
	{
		if (held->start[u + 1] > held->start[u] && data->measured[u])
		{
			int32_t		n_seen = start[0][users.n];

			memcpy(rows + users.n * d, run->rows[RMF_USERS] + u * d, (size_t) d * sizeof(float));
			for (int p = 0; p < part; p++)
				n_seen = add_seen(data, u, p, seen, n_seen);
			start[0][users.n + 1] = n_seen;
			start[1][users.n + 1] = add_seen(data, u, part, wanted, start[1][users.n]);
			users.n++;
		}
		if (users.n == USERS_AT_ONCE || (u == held->n_rows - 1 && users.n > 0))
		{
			void	   *workspace = allocate(rmf_rank_workspace_size(users.n, start[0][users.n] + start[1][users.n]));

			check(rmf_rank(&items, &users, workspace, NULL), "rank");
			free(workspace);
			for (int32_t i = 0; i < users.n; i++)
			{
				int32_t		n_held = start[1][i + 1] - start[1][i];

				qsort(place + start[1][i], (size_t) n_held, sizeof(int32_t), compare_places);
				sum += rmf_measure_places(n_held, n_held, place + start[1][i], LENGTH).ndcg;
			}
			n += users.n;
			users.n = 0;
		}
	}
	free(rows);
	free(seen);
	free(wanted);
	free(place);
	return sum / (double) n;
}

static double
measure(const dataset *data, const rmf_run *run, int part)
{
	if (run->shape.problem.feedback == RMF_EXPLICIT)
		return rmse(data, run, &data->part[part]);
	return ndcg(data, run, part);
}

/*
 * Training
 */

typedef struct curve
{
	const dataset *data;
	const rmf_run *run;
	int32_t		every;			/* iterations between those that are measured; the last is too */
	int32_t		last;
	double		value[PARTS][MOST_ITERATIONS + 1];	/* NAN: not measured */
} curve;

static rmf_verdict
measure_iteration(void *arg, const rmf_iteration *iteration)
{
	curve	   *c = arg;

	for (int p = VALIDATION; p <= TEST; p++)
		c->value[p][iteration->number] = iteration->number % c->every == 0 || iteration->number == c->last ?
			measure(c->data, c->run, p) : NAN;
	return RMF_GO_ON;
}

static void
train(const dataset *data, const rmf_settings *settings, int32_t every, curve *c)
{
	const rmf_csr *matrices[2] = {&data->part[TRAIN], &data->by_item};
	rmf_run_shape shape = {.seed = settings->seed, .level = rmf_cpu_best()};
	rmf_run		run;
	rmf_leader	leader = {NULL, NULL, NULL};
	rmf_stopping stopping = {settings->iterations, 0, measure_iteration, c, 0};
	rmf_outcome outcome;
	size_t		size;
	void	   *memory;

	rmf_problem_init(&shape.problem, settings, &data->stats);
	for (int side = 0; side < 2; side++)
		shape.n[side] = matrices[side]->n_rows;
	memset(&run, 0, sizeof(run));
	size = rmf_run_lay_out(&shape, NULL, &run);
	memory = allocate(size);
	memset(memory, 0, size);
	rmf_run_lay_out(&shape, memory, &run);
	for (int side = 0; side < 2; side++)
	{
		run.ratings[side] = ratings_of(matrices[side]);
		for (int64_t r = 0; r < shape.n[side]; r++)
			run.keys[side][r] = (uint64_t) r;
	}
	leader.workspace = allocate(rmf_run_workspace_size(&shape));
	c->data = data;
	c->run = &run;
	c->every = every;
	c->last = settings->iterations;
	check(rmf_run_start(&run, &leader), "start");
	check(rmf_run_iterate(&run, &stopping, &leader, &outcome), "iterations");
	free(leader.workspace);
	free(memory);
}

/* Settings of a point; iterations 0: by rule. */
static rmf_settings
settings_at(const options *o, const dataset *data, const rmf_tune_point *point, int32_t iterations)
{
	const rmf_csr *by_user = &data->part[TRAIN];
	rmf_settings given,
				settings;
	const char *field = NULL;

	rmf_settings_init(&given, o->feedback);
	given.factors = o->factors;
	given.iterations = iterations;
	given.implicit_features = o->features;
	check(rmf_tune_settings(point, &given, &data->stats, by_user->n_rows, by_user->start,
							by_user->n_columns, data->by_item.start, &settings, &field), "settings");
	return settings;
}

static int
is_better(const options *o, double value, double than)
{
	return o->feedback == RMF_EXPLICIT ? value < than : value > than;
}

/* Trains a point with the iterations of the rule. */
static double
try_point(const options *o, const dataset *data, const rmf_tune_point *point, double *test)
{
	static curve c;
	rmf_settings settings = settings_at(o, data, point, 0);

	train(data, &settings, settings.iterations, &c);
	*test = c.value[TEST][settings.iterations];
	return c.value[VALIDATION][settings.iterations];
}

/* Steps in each coordinate, forth and back, halved when none helps. */
static rmf_tune_point
search(const options *o, const dataset *data, double *test, int *points)
{
	double		step[RMF_TUNE_COORDINATES] = {M_LN2, M_LN2, 0.25};
	double		rule = settings_at(o, data, &(rmf_tune_point) {{0}}, 0).regularization_scaling;
	rmf_tune_point best = {{0}};
	double		value = try_point(o, data, &best, test);

	*points = 1;
	for (int halvings = 0; halvings < 2;)
	{
		int			moved = 0;

		for (int k = 0; k < RMF_TUNE_COORDINATES; k++)
		{
			for (int tries = 0, way = 1; tries < 2; tries++, way = -way)
			{
				for (;;)
				{
					rmf_tune_point point = best;
					double		other,
								of_test;

					point.at[k] += way * step[k];
					if (k == RMF_TUNE_SCALING && !(rule + point.at[k] >= 0 && rule + point.at[k] <= 1.5))
						break;
					other = try_point(o, data, &point, &of_test);
					++*points;
					if (!is_better(o, other, value))
						break;
					best = point;
					value = other;
					*test = of_test;
					moved = 1;
					tries = 1;
				}
			}
		}
		if (moved)
			continue;
		halvings++;
		for (int k = 0; k < RMF_TUNE_COORDINATES; k++)
			step[k] /= 2;
	}
	return best;
}

static void
print_set(const options *o, const dataset *data)
{
	const rmf_csr *r = &data->part[TRAIN];

	printf("%-24s %-8s d=%-3d %6lld %6lld %8lld %7.4f %6.2f %5.2f", o->name,
		   o->feedback == RMF_EXPLICIT ? o->features ? "features" : "explicit" :
		   o->feedback == RMF_LOGISTIC ? "logistic" : "implicit", o->factors,
		   (long long) r->n_rows, (long long) r->n_columns, (long long) r->n_entries,
		   (double) r->n_entries / (double) r->n_rows / (double) r->n_columns,
		   (double) r->n_entries / (double) r->n_rows, data->stats.sd / data->stats.mean);
}

/* Points of a grid: what other rules would come to. */
static void
print_grid(const options *o, const dataset *data)
{
	int			is_explicit = o->feedback == RMF_EXPLICIT;

	for (int w = is_explicit ? -1 : -4; w <= (is_explicit ? 2 : 6); w++)
		for (int l = -2; l <= 4; l++)
		{
			/* explicit: the exponent, quarter by quarter, in place of the weight, an octave a step */
			double		weight = is_explicit ? 0 : w / 2 * M_LN2;
			rmf_tune_point point = {{l * M_LN2 / 2, weight, is_explicit ? w * 0.25 : 0}};
			double		test,
						validation;

			if (!is_explicit && w % 2 != 0)
				continue;
			validation = try_point(o, data, &point, &test);
			print_set(o, data);
			printf("  %5.2f %5.2f %5.2f %.5f %.5f\n", point.at[RMF_TUNE_WEIGHT] / M_LN2,
				   point.at[RMF_TUNE_REGULARIZATION] / M_LN2, point.at[RMF_TUNE_SCALING], validation, test);
			fflush(stdout);
		}
}

/* The iterations of the best validation. */
static int32_t
best_iteration(const options *o, const curve *c)
{
	int32_t		best = c->last;

	for (int32_t i = 1; i <= c->last; i++)
		if (is_better(o, c->value[VALIDATION][i], c->value[VALIDATION][best]))
			best = i;
	return best;
}

static void
print_search(const options *o, const dataset *data)
{
	static curve c;
	rmf_tune_point origin = {{0}},
				best;
	rmf_settings rule = settings_at(o, data, &origin, 0),
				tuned;
	double		of_default,
				of_twice,
				of_half,
				of_best,
				of_both;
	int32_t		iteration;
	int			points;

	rule.iterations *= 2;
	train(data, &rule, rule.iterations / 4, &c);
	of_half = c.value[TEST][rule.iterations / 4];
	of_default = c.value[TEST][rule.iterations / 2];
	of_twice = c.value[TEST][rule.iterations];
	best = search(o, data, &of_best, &points);
	tuned = settings_at(o, data, &best, rule.iterations);
	train(data, &tuned, 2, &c);
	iteration = best_iteration(o, &c);
	of_both = c.value[TEST][iteration];

	print_set(o, data);
	printf("  %.4f %.4f %6.3f  %.4f %6.3f  %.4f %.4f  %6.2f %6.2f %5.2f %3d  %d\n", of_default, of_best,
		   o->feedback == RMF_EXPLICIT ? of_best / of_default : of_default / of_best, of_both,
		   o->feedback == RMF_EXPLICIT ? of_both / of_default : of_default / of_both,
		   of_half, of_twice,
		   exp(best.at[RMF_TUNE_WEIGHT]), exp(best.at[RMF_TUNE_REGULARIZATION]), tuned.regularization_scaling, iteration,
		   points);
}

static const char *
word_after(int argc, char **argv, const char *name, const char *word)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			word = argv[i + 1];
	return word;
}

static double
number_after(int argc, char **argv, const char *name, double value)
{
	const char *word = word_after(argc, argv, name, NULL);

	return word != NULL ? atof(word) : value;
}

static int
has(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	const char *feedback = word_after(argc, argv, "--feedback", "implicit");
	options		o = {.name = word_after(argc, argv, "--name", "ratings"), .file = word_after(argc, argv, "--file", NULL)};
	dataset		data;

	o.feedback = strcmp(feedback, "explicit") == 0 ? RMF_EXPLICIT : strcmp(feedback, "logistic") == 0 ? RMF_LOGISTIC : RMF_IMPLICIT;
	o.factors = (int) number_after(argc, argv, "--factors", 64);
	o.features = has(argc, argv, "--features");
	o.last = has(argc, argv, "--last");
	o.grid = has(argc, argv, "--grid");
	o.power = number_after(argc, argv, "--power", o.feedback == RMF_EXPLICIT);
	o.at_least = number_after(argc, argv, "--at-least", 0);
	o.users = number_after(argc, argv, "--users", 1);
	o.items = number_after(argc, argv, "--items", 1);
	o.ratings = number_after(argc, argv, "--ratings", 1);
	o.measured = (int64_t) number_after(argc, argv, "--measured", 5000);
	o.n_users = (int64_t) number_after(argc, argv, "--n-users", 2000);
	o.n_items = (int64_t) number_after(argc, argv, "--n-items", 2000);
	o.per_user = number_after(argc, argv, "--per-user", 40);
	o.skew = number_after(argc, argv, "--skew", 1);
	o.seed = (uint64_t) number_after(argc, argv, "--seed", 1);
	if (o.factors < 1 || o.factors > RMF_MAX_FACTORS)
	{
		fprintf(stderr, "%s: see README.md for the options\n", argv[0]);
		return 2;
	}
	check(rmf_blas_check(NULL), "BLAS");
	data = make_data(&o);
	if (o.grid)
		print_grid(&o, &data);
	else
		print_search(&o, &data);
	return 0;
}
