/*
 * test_tune.c
 *	  Which settings are tried: the draws, the halving, the local search towards a
 *	  known optimum, budgets of trials and of time, settings from points; and
 *	  measures of a ranking against values by hand.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rmf_random.h"
#include "rmf_ranking.h"
#include "rmf_tune.h"
#include "unit.h"

static rmf_tune_plan
plan_of(int trials, int factors)
{
	rmf_tune_plan plan = {
		.seed = 42, .trials = trials, .factors = factors, .is_free = {1, 1, 1},
		.least_scaling = -0.5, .most_scaling = 0.25, .larger_is_better = 1
	};

	return plan;
}

/* A metric with its optimum at a point, and a little less with few iterations. */
static double
metric_at(const rmf_tune_point *point, const double *optimum)
{
	double		distance = 0;

	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
	{
		double		d = point->at[c] - optimum[c];

		distance += (c == RMF_TUNE_SCALING ? 4 : 1) * d * d;
	}
	return 1 / (1 + distance);
}

typedef struct log_entry
{
	rmf_tune_trial trial;
	double		value;
} log_entry;

/* Runs a search to its end; the trials go to "entries" in order.  step: share of the time that a trial takes. */
static int
run_search(const rmf_tune_plan *plan, const double *optimum, double step, rmf_tune *tune, log_entry *entries)
{
	double		spent = 0;
	int			n = 0;

	CHECK(rmf_tune_init(tune, plan) == RMF_OK);
	while (rmf_tune_next(tune, spent, &entries[n].trial))
	{
		double		value = metric_at(&entries[n].trial.point, optimum);

		entries[n].value = plan->larger_is_better ? value : -value;
		rmf_tune_tell(tune, &entries[n].trial, entries[n].value, entries[n].trial.iterations - 1, 2);
		spent += step;
		n++;
	}
	return n;
}

static rmf_tune tune;
static rmf_tune other;
static log_entry entries[4000];
static log_entry others[4000];

static void
test_rounds(void)
{
	static const double optimum[] = {-0.7, 0.9, -0.2};
	rmf_tune_plan plan = plan_of(24, 128);
	int			n = run_search(&plan, optimum, 0, &tune, entries);
	int			count[RMF_TUNE_ROUNDS] = {0};
	double		worst_kept = 1,
				best_left = 0;
	int32_t		iterations;
	int32_t		best = rmf_tune_best(&tune, &iterations);
	int32_t		left;

	for (int i = 0; i < n; i++)
	{
		count[entries[i].trial.round]++;
		CHECK(i == 0 || entries[i].trial.round >= entries[i - 1].trial.round);
		CHECK(entries[i].trial.factors == (entries[i].trial.round <= RMF_TUNE_HALVING ? 64 : 128));
		CHECK(entries[i].trial.number <= 24);
	}
	CHECK(count[RMF_TUNE_DRAWS] == 8 && count[RMF_TUNE_HALVING] == 3);
	CHECK(count[RMF_TUNE_FINALISTS] == 2 || count[RMF_TUNE_FINALISTS] == 3);
	CHECK(count[RMF_TUNE_NEIGHBOURS] == 16 && count[RMF_TUNE_STOPPING] == 3 && count[RMF_TUNE_RANDOM] == 0);
	CHECK(tune.n == 24);

	/* the first point is the rule's, and it is among those with all factors */
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
		CHECK_NEAR(entries[0].trial.point.at[c], 0, 0);
	CHECK(!isnan(tune.result[0].value[RMF_TUNE_FINALISTS]));

	/* none that was left behind was better than one that was kept */
	for (int p = 0; p < 8; p++)
	{
		double		value = tune.result[p].value[RMF_TUNE_DRAWS];

		if (isnan(tune.result[p].value[RMF_TUNE_HALVING]))
			best_left = fmax(best_left, value);
		else
			worst_kept = fmin(worst_kept, value);
	}
	CHECK(worst_kept > best_left);

	/* the best of all is what comes out, with the iterations that it was best after */
	for (int i = 0; i < n; i++)
		CHECK(entries[i].trial.round < RMF_TUNE_FINALISTS || entries[i].value <= metric_at(&tune.result[best].point, optimum));
	CHECK(iterations == entries[n - 1].trial.iterations - 1);
	CHECK(entries[n - 3].trial.number == best + 1);
	CHECK(metric_at(&tune.result[best].point, optimum) > 0.9);
	CHECK_NEAR(rmf_tune_seconds_left(&tune, &left), 0, 0);
	CHECK(left == 0);

	/* the same again; with another seed not */
	CHECK(run_search(&plan, optimum, 0, &other, others) == n);
	CHECK(memcmp(&tune.result, &other.result, sizeof(tune.result)) == 0);
	plan.seed = 43;
	run_search(&plan, optimum, 0, &other, others);
	CHECK(others[1].trial.point.at[0] != entries[1].trial.point.at[0]);

	/* less is better: the same way */
	plan.seed = 42;
	plan.larger_is_better = 0;
	CHECK(run_search(&plan, optimum, 0, &other, others) == n);
	CHECK(rmf_tune_best(&other, &iterations) == best);
}

/* Draws fill their ranges, evenly, and those of a larger budget begin with those of a smaller one. */
static void
test_draws(void)
{
	static const double optimum[] = {0, 0, 0};
	rmf_tune_plan plan = plan_of(201, 64);
	int			n;
	int			lower[RMF_TUNE_COORDINATES] = {0};

	plan.only_draws = 1;
	n = run_search(&plan, optimum, 0, &tune, entries);
	CHECK(n == 204);
	for (int i = 1; i < 201; i++)
	{
		const double *at = entries[i].trial.point.at;

		CHECK(entries[i].trial.round == RMF_TUNE_RANDOM && entries[i].trial.factors == 64);
		CHECK(fabs(at[0]) <= log(8) && fabs(at[1]) <= log(8) && at[2] >= -0.5 && at[2] <= 0.25);
		lower[0] += at[0] < 0;
		lower[1] += at[1] < 0;
		lower[2] += at[2] < -0.125;
	}
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
		CHECK(abs(lower[c] - 100) <= 3);
	CHECK(entries[201].trial.round == RMF_TUNE_STOPPING);

	plan.trials = 10;
	CHECK(run_search(&plan, optimum, 0, &other, others) == 13);
	CHECK(memcmp(&others[9].trial.point, &entries[9].trial.point, sizeof(rmf_tune_point)) == 0);

	/* what is given is not drawn */
	plan.is_free[RMF_TUNE_WEIGHT] = 0;
	run_search(&plan, optimum, 0, &other, others);
	for (int i = 0; i < 10; i++)
		CHECK_NEAR(others[i].trial.point.at[RMF_TUNE_WEIGHT], 0, 0);
}

/* With the same number of trainings with all factors, closer to the optimum than by draws alone. */
static void
test_against_draws(void)
{
	int			wins = 0;

	for (uint64_t seed = 1; seed <= 40; seed++)
	{
		rmf_tune_plan plan = plan_of(24, 64);
		double		optimum[RMF_TUNE_COORDINATES];
		int32_t		iterations;
		double		value[2];

		for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
			optimum[c] = ((double) (rmf_mix64(seed * 31 + (uint64_t) c) % 1000) / 500 - 1) * (c == RMF_TUNE_SCALING ? 0.25 : 1.2);
		plan.seed = seed;
		for (int draws = 0; draws < 2; draws++)
		{
			plan.only_draws = draws;
			if (draws)
				plan.trials = 16;
			run_search(&plan, optimum, 0, &tune, entries);
			value[draws] = metric_at(&tune.result[rmf_tune_best(&tune, &iterations)].point, optimum);
		}
		wins += value[0] >= value[1];
	}
	CHECK(wins >= 36);
}

static void
test_small_budgets(void)
{
	static const double optimum[] = {0.5, 0.5, 0};
	rmf_tune_plan plan = plan_of(1, 64);
	int32_t		iterations;

	/* one trial: the rule, with all factors, and its iterations */
	CHECK(run_search(&plan, optimum, 0, &tune, entries) == 2);
	CHECK(entries[0].trial.round == RMF_TUNE_FINALISTS && entries[1].trial.round == RMF_TUNE_STOPPING);
	CHECK(rmf_tune_best(&tune, &iterations) == 0);

	for (int trials = 2; trials <= 8; trials++)
	{
		plan.trials = trials;
		run_search(&plan, optimum, 0, &tune, entries);
		CHECK(tune.n == trials);
		CHECK(rmf_tune_best(&tune, &iterations) >= 0 && iterations > 0);
	}

	/* iterations that are given are made, all of them, and none are looked for */
	plan.trials = 8;
	plan.iterations = 7;
	for (int n = run_search(&plan, optimum, 0, &tune, entries), i = 0; i < n; i++)
	{
		CHECK(entries[i].trial.round != RMF_TUNE_STOPPING);
		CHECK(entries[i].trial.iterations == (entries[i].trial.round == RMF_TUNE_DRAWS ? 4 : 7));
		CHECK(entries[i].trial.every == entries[i].trial.iterations && entries[i].trial.patience == 0);
	}
	CHECK(rmf_tune_best(&tune, &iterations) >= 0 && iterations == 7);

	/* nothing is free: one trial, whatever was asked for */
	plan = plan_of(100, 64);
	memset(plan.is_free, 0, sizeof(plan.is_free));
	CHECK(run_search(&plan, optimum, 0, &tune, entries) == 2);

	plan.trials = 0;
	CHECK(rmf_tune_init(&tune, &plan) == RMF_BAD_ARGUMENT);
	plan.trials = RMF_TUNE_MOST_TRIALS + 1;
	CHECK(rmf_tune_init(&tune, &plan) == RMF_BAD_ARGUMENT);

	/* the most there may be */
	plan = plan_of(RMF_TUNE_MOST_TRIALS, 64);
	run_search(&plan, optimum, 0, &tune, entries);
	CHECK(tune.n <= RMF_TUNE_MOST_TRIALS);
}

/* Rounds end when their share of the time is over, and each of them is reached. */
static void
test_time(void)
{
	static const double optimum[] = {0.5, 0.5, 0};
	rmf_tune_plan plan = plan_of(RMF_TUNE_MOST_TRIALS, 64);
	int			n = run_search(&plan, optimum, 0.01, &tune, entries);
	int			count[RMF_TUNE_ROUNDS] = {0};
	int32_t		iterations;
	rmf_tune_trial trial;

	for (int i = 0; i < n; i++)
		count[entries[i].trial.round]++;
	CHECK(n <= 101);
	CHECK(count[RMF_TUNE_DRAWS] >= 14 && count[RMF_TUNE_DRAWS] <= 16);
	CHECK(count[RMF_TUNE_HALVING] >= 5 && count[RMF_TUNE_FINALISTS] >= 2 && count[RMF_TUNE_NEIGHBOURS] >= 20);
	CHECK(count[RMF_TUNE_STOPPING] == 3);

	/* time for two trials: one draw, and one of the others at least */
	n = run_search(&plan, optimum, 0.4, &tune, entries);
	CHECK(n == 3);
	CHECK(rmf_tune_best(&tune, &iterations) == 0);
	/* with few factors alone, iterations are left to the rule */
	CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
	CHECK(rmf_tune_next(&tune, 0, &trial));
	rmf_tune_tell(&tune, &trial, 0.5, 4, 1);
	CHECK(rmf_tune_best(&tune, &iterations) == 0 && iterations == 0);

	/* no time for any */
	CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
	CHECK(!rmf_tune_next(&tune, 1, &trial));
	CHECK(rmf_tune_best(&tune, &iterations) == -1);
}

/* Trials that fail are never the best, unless all do; then there is none. */
static void
test_failures(void)
{
	rmf_tune_plan plan = plan_of(12, 64);
	rmf_tune_trial trial;
	int32_t		iterations;
	int			n = 0;

	for (int every = 1; every <= 2; every++)
	{
		CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
		for (n = 0; rmf_tune_next(&tune, 0, &trial); n++)
			rmf_tune_tell(&tune, &trial, n % every == 0 ? NAN : 0.5, 4, 1);
		CHECK(n < 100);
		CHECK((rmf_tune_best(&tune, &iterations) >= 0) == (every == 2));
	}
}

/* As early as the metric is within two thousandths of its best. */
static void
test_enough(void)
{
	rmf_iteration iterations[6];
	static const double metrics[] = {NAN, 0.1, NAN, 0.1997, NAN, 0.2};
	rmf_tune_plan plan = plan_of(3, 64);

	for (int i = 0; i < 6; i++)
	{
		iterations[i].number = i + 1;
		iterations[i].metric = metrics[i];
	}
	CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
	CHECK(rmf_tune_enough(&tune, 6, iterations) == 4);
	iterations[3].metric = 0.1995;
	CHECK(rmf_tune_enough(&tune, 6, iterations) == 6);
	CHECK(rmf_tune_enough(&tune, 2, iterations) == 2);
	plan.larger_is_better = 0;
	CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
	CHECK(rmf_tune_enough(&tune, 6, iterations) == 2);
	iterations[5].metric = 0.099995;
	CHECK(rmf_tune_enough(&tune, 6, iterations) == 2);
	iterations[5].metric = 0.0999;
	CHECK(rmf_tune_enough(&tune, 6, iterations) == 6);
}

static void
test_seconds_left(void)
{
	rmf_tune_plan plan = plan_of(24, 64);
	rmf_tune_trial trial;
	int32_t		left;

	CHECK(rmf_tune_init(&tune, &plan) == RMF_OK);
	CHECK(isnan(rmf_tune_seconds_left(&tune, &left)));
	CHECK(left == 8 + 3 + 3 + 16 + 3);
	CHECK(rmf_tune_next(&tune, 0, &trial));
	rmf_tune_tell(&tune, &trial, 0.5, 4, 3);
	/* the draws alone take that long */
	CHECK(rmf_tune_seconds_left(&tune, &left) > 11 * 3);
	CHECK(left == 7 + 3 + 3 + 16 + 3);
}

static double
penalty_sum(const rmf_settings *settings, const rmf_csr_stats *ratings, int64_t n_users, const int64_t *users,
			int64_t n_items, const int64_t *items)
{
	rmf_problem problem;
	double		sum = 0;

	rmf_problem_init(&problem, settings, ratings);
	for (int64_t u = 0; u < n_users; u++)
		sum += rmf_als_row_penalty(&problem, RMF_USERS, (double) (users[u + 1] - users[u]), n_items);
	for (int64_t i = 0; i < n_items; i++)
		sum += rmf_als_row_penalty(&problem, RMF_ITEMS, (double) (items[i + 1] - items[i]), n_users);
	return sum;
}

static void
test_settings(void)
{
	static const int64_t users[] = {0, 1, 4, 10, 30};
	static const int64_t items[] = {0, 20, 24, 28, 29, 30};
	const rmf_csr_stats ratings = {.n_entries = 30, .sum = 60, .mean = 2, .sd = 1, .min = 1, .max = 3, .squares = 30, .weight = 30};
	static const rmf_feedback feedbacks[] = {RMF_EXPLICIT, RMF_IMPLICIT, RMF_LOGISTIC};
	const char *field;

	for (int f = 0; f < 3; f++)
	{
		rmf_tune_point point = {{0}};
		rmf_settings given;
		rmf_settings rule;
		rmf_settings settings;
		double		sum;

		rmf_settings_init(&given, feedbacks[f]);
		rule = given;
		CHECK(rmf_settings_resolve(&rule, 4, 5, &ratings, &field) == RMF_OK);
		CHECK(rmf_tune_settings(&point, &given, &ratings, 4, users, 5, items, &settings, &field) == RMF_OK);
		CHECK(memcmp(&settings, &rule, sizeof(rule)) == 0);
		sum = penalty_sum(&rule, &ratings, 4, users, 5, items);

		/* another exponent and weight leave the sum of penalties as it is */
		point.at[RMF_TUNE_SCALING] = -0.3;
		point.at[RMF_TUNE_WEIGHT] = log(2);
		CHECK(rmf_tune_settings(&point, &given, &ratings, 4, users, 5, items, &settings, &field) == RMF_OK);
		CHECK_NEAR(penalty_sum(&settings, &ratings, 4, users, 5, items) / sum, 1, 1e-9);
		CHECK_NEAR(settings.regularization_scaling, rule.regularization_scaling - 0.3, 1e-12);
		if (feedbacks[f] == RMF_IMPLICIT)
			CHECK_NEAR(settings.alpha, rule.alpha / 2, 1e-12);
		else if (feedbacks[f] == RMF_LOGISTIC)
			CHECK_NEAR(settings.unobserved_weight, fmin(rule.unobserved_weight * 2, 1), 1e-12);
		else
			CHECK_NEAR(settings.bias_regularization, rule.bias_regularization * 2, 1e-12);
		point.at[RMF_TUNE_REGULARIZATION] = log(3);
		CHECK(rmf_tune_settings(&point, &given, &ratings, 4, users, 5, items, &settings, &field) == RMF_OK);
		CHECK_NEAR(penalty_sum(&settings, &ratings, 4, users, 5, items) / sum, 3, 1e-9);
	}
}

static void
test_free(void)
{
	rmf_settings given;
	rmf_tune_plan plan;

	rmf_settings_init(&given, RMF_IMPLICIT);
	rmf_tune_free(&given, &plan);
	CHECK(plan.is_free[0] && plan.is_free[1] && plan.is_free[2]);
	CHECK_NEAR(plan.least_scaling, -0.5, 1e-12);
	given.alpha = 2;
	rmf_tune_free(&given, &plan);
	CHECK(plan.is_free[0] && !plan.is_free[1] && plan.is_free[2]);
	given.regularization = 0.1;
	rmf_tune_free(&given, &plan);
	CHECK(!plan.is_free[0] && !plan.is_free[1] && !plan.is_free[2]);

	rmf_settings_init(&given, RMF_LOGISTIC);
	given.unobserved_weight = 0.1;
	rmf_tune_free(&given, &plan);
	CHECK(plan.is_free[0] && !plan.is_free[1] && plan.is_free[2]);
	rmf_settings_init(&given, RMF_EXPLICIT);
	given.bias_regularization = 1;
	given.regularization_scaling = 0.5;
	rmf_tune_free(&given, &plan);
	CHECK(plan.is_free[0] && !plan.is_free[1] && !plan.is_free[2]);
}

static void
test_fingerprint(void)
{
	int64_t		start[] = {0, 2, 3};
	int32_t		column[] = {0, 2, 1};
	float		value[] = {1, 2, 3};
	uint64_t	users[] = {11, 12};
	uint64_t	items[] = {21, 22, 23};
	rmf_csr		csr = {2, 3, 3, start, column, value, NULL};
	uint64_t	print = rmf_tune_fingerprint(&csr, users, items);
	int64_t		turned_start[] = {0, 1, 3};
	int32_t		turned_column[] = {1, 0, 2};
	float		turned_value[] = {3, 1, 2};
	uint64_t	turned_users[] = {12, 11};
	rmf_csr		turned = {2, 3, 3, turned_start, turned_column, turned_value, NULL};

	CHECK(rmf_tune_fingerprint(&turned, turned_users, items) == print);
	CHECK(rmf_tune_fingerprint(&csr, turned_users, items) != print);
	value[2] = 4;
	CHECK(rmf_tune_fingerprint(&csr, users, items) != print);
}

/* Of two sets as of both at once. */
static void
test_stats(void)
{
	int64_t		start[] = {0, 3, 5};
	int32_t		column[] = {0, 1, 2, 0, 1};
	float		value[] = {1, 2, 4, 3, 5};
	float		weight[] = {1, 2, 1, 0.5f, 1};
	rmf_csr_stats all;
	rmf_csr_stats parts[2];

	for (int part = 0; part < 3; part++)
	{
		int			first = part == 1 ? 3 : 0;
		int64_t		some[] = {0, part == 0 ? 3 : 2};
		rmf_ratings ratings = {.n_rows = 2, .n_columns = 3, .n_entries = 5, .start = start, .column = column, .value = value, .weight = weight};

		if (part < 2)
		{
			ratings.n_rows = 1;
			ratings.n_entries = some[1];
			ratings.start = some;
			ratings.column += first;
			ratings.value += first;
			ratings.weight += first;
		}
		CHECK(rmf_ratings_summarize(&ratings, 0, NULL, NULL, part < 2 ? &parts[part] : &all, NULL) == RMF_OK);
	}
	rmf_csr_stats_add(&parts[0], &parts[1]);
	CHECK(parts[0].n_entries == 5);
	CHECK_NEAR(parts[0].mean, all.mean, 1e-12);
	CHECK_NEAR(parts[0].sum, all.sum, 1e-12);
	CHECK_NEAR(parts[0].sd, all.sd, 1e-12);
	CHECK_NEAR(parts[0].min, 1, 0);
	CHECK_NEAR(parts[0].max, 5, 0);
}

/*
 * Six items, scores .9 .8 .7 .6 .5 .4 by number; item 0 is known, so the list is
 * 1 2 3 4 5.  Relevant: 2 and 5, whose ranks are 2 and 5.
 */
static void
test_measures(void)
{
	static const float scores[] = {0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f};
	static const int32_t known[] = {0};
	static const int32_t relevant[] = {2, 5};
	float		work[6];
	float		many[200];
	int32_t		all[100];

#define MEASURE(metric, length) \
	(memcpy(work, scores, sizeof(scores)), rmf_ranking_measure(metric, length, 6, work, 1, known, 2, relevant))

	CHECK_NEAR(MEASURE(RMF_RECALL, 1), 0, 0);
	CHECK_NEAR(MEASURE(RMF_RECALL, 2), 0.5, 1e-12);
	CHECK_NEAR(MEASURE(RMF_RECALL, 5), 1, 1e-12);
	CHECK_NEAR(MEASURE(RMF_NDCG, 1), 0, 0);
	CHECK_NEAR(MEASURE(RMF_NDCG, 2), (1 / log2(3)) / (1 + 1 / log2(3)), 1e-12);
	CHECK_NEAR(MEASURE(RMF_NDCG, 5), (1 / log2(3) + 1 / log2(6)) / (1 + 1 / log2(3)), 1e-12);
	memcpy(work, scores, sizeof(scores));

	/* equal scores: none is in a list that has no room for all of them */
	for (int i = 0; i < 6; i++)
		work[i] = 1;
	CHECK_NEAR(rmf_ranking_measure(RMF_RECALL, 4, 6, work, 1, known, 2, relevant), 0, 0);
	for (int i = 0; i < 6; i++)
		work[i] = 1;
	CHECK_NEAR(rmf_ranking_measure(RMF_RECALL, 5, 6, work, 1, known, 2, relevant), 1, 0);

	/* many relevant ones, which are found by another way: items 0 .. 99 of 200, by falling score */
	for (int i = 0; i < 100; i++)
		all[i] = i;
	for (int i = 0; i < 200; i++)
		many[i] = (float) (200 - i);
	CHECK_NEAR(rmf_ranking_measure(RMF_RECALL, 50, 200, many, 0, NULL, 100, all), 0.5, 1e-12);
	CHECK_NEAR(rmf_ranking_measure(RMF_NDCG, 50, 200, many, 0, NULL, 100, all), 1, 1e-12);
	CHECK_NEAR(rmf_ranking_measure(RMF_RECALL, 50, 200, many, 20, all, 80, all + 20), 50.0 / 80, 1e-12);
}

int
main(void)
{
	test_rounds();
	test_draws();
	test_against_draws();
	test_small_budgets();
	test_time();
	test_failures();
	test_enough();
	test_seconds_left();
	test_settings();
	test_free();
	test_fingerprint();
	test_stats();
	test_measures();
	return unit_report("tune");
}
