/*
 * test_settings.c
 *	  What is chosen from the data, and what is refused.
 */
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "unit.h"

/* 1000 ratings of 50 users for 40 items. */
static rmf_csr_stats
some_ratings(void)
{
	rmf_csr_stats ratings = {1000, 3000, 3, 0.8, 1, 5, 640, 1000, 3};

	return ratings;
}

static const char *
refused(rmf_settings settings)
{
	rmf_csr_stats ratings = some_ratings();
	const char *field = "none";

	if (rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK)
	{
		CHECK(field == NULL);
		return "accepted";
	}
	return field;
}

static void
test_rules_implicit(void)
{
	rmf_csr_stats ratings = some_ratings();
	rmf_settings settings,
				again;
	rmf_problem problem;
	const char *field;
	double		a0 = 8 * 1000.0 / (50 * 40);

	rmf_settings_init(&settings, RMF_IMPLICIT);
	CHECK(settings.feedback == RMF_IMPLICIT && settings.seed == 42);
	CHECK(rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK);
	CHECK(settings.factors == 64 && settings.iterations == 16 && settings.seed == 42);
	CHECK_NEAR(settings.alpha, 50 * 40 / (8 * 3000.0), 1e-12);
	CHECK_NEAR(settings.regularization, 0.65 * pow(50, 0.3) / sqrt(1000) * pow(1 + 0.8 * 0.8 / 9, -0.125), 1e-12);
	CHECK(settings.regularization_scaling == 1);
	CHECK(settings.validation_fraction == 0 && settings.patience == 3);

	rmf_problem_init(&problem, &settings, &ratings);
	CHECK(problem.feedback == RMF_IMPLICIT && problem.factors == 64 && problem.mean == 0);
	CHECK_NEAR(problem.strength, 1 / 3.0, 1e-12);
	CHECK_NEAR(problem.unobserved, a0, 1e-12);
	CHECK(problem.regularization[RMF_USERS] == settings.regularization && problem.regularization_scaling == 1);
	CHECK(problem.bias_regularization == 0);
	CHECK_NEAR(problem.start_sd, 0.1 / 8, 1e-12);
	CHECK(rmf_dimensions(&problem) == 64);

	/* resolving what is resolved changes nothing */
	again = settings;
	CHECK(rmf_settings_resolve(&again, 50, 40, &ratings, &field) == RMF_OK);
	CHECK(again.factors == settings.factors && again.iterations == settings.iterations);
	CHECK(again.alpha == settings.alpha && again.regularization == settings.regularization);

	/* the unit of the ratings does not matter */
	ratings.sum *= 1000;
	ratings.mean *= 1000;
	ratings.sd *= 1000;
	rmf_settings_init(&again, RMF_IMPLICIT);
	CHECK(rmf_settings_resolve(&again, 50, 40, &ratings, &field) == RMF_OK);
	CHECK_NEAR(again.alpha, settings.alpha / 1000, 1e-12);
	CHECK_NEAR(again.regularization, settings.regularization, 1e-12);

	/* all ratings equal */
	ratings.sd = 0;
	rmf_settings_init(&again, RMF_IMPLICIT);
	CHECK(rmf_settings_resolve(&again, 50, 40, &ratings, &field) == RMF_OK);
	CHECK_NEAR(again.regularization, 0.65 * pow(50, 0.3) / sqrt(1000), 1e-12);
}

/* What alpha and regularization are by rule for n ratings, all 1 or so many as "mean" and "sd" say. */
static rmf_settings
by_rule(int64_t n_users, int64_t n_items, int64_t n, double mean, double sd, double alpha)
{
	rmf_csr_stats ratings = {
		.n_entries = n, .sum = (double) n * mean, .mean = mean, .sd = sd, .min = mean / 10, .max = 10 * mean,
		.squares = (double) n * sd * sd, .weight = (double) n
	};
	rmf_settings settings;
	const char *field;

	rmf_settings_init(&settings, RMF_IMPLICIT);
	settings.alpha = alpha;
	CHECK(rmf_settings_resolve(&settings, n_users, n_items, &ratings, &field) == RMF_OK);
	CHECK(isfinite(settings.alpha) && settings.alpha > 0);
	CHECK(isfinite(settings.regularization) && settings.regularization > 0);
	return settings;
}

/* The sum of the penalties of rows of equal ratings, per lambda and N. */
static double
sum_of_penalties(const rmf_settings *settings, double n, double cells)
{
	return settings->regularization * (1 + cells / (settings->alpha * n));
}

static void
test_shapes_implicit(void)
{
	rmf_settings sparse = by_rule(30000, 40000, 800000, 1, 0, NAN),
				dense = by_rule(943, 1682, 100000, 1, 0, NAN),
				given;
	double		sum = sum_of_penalties(&sparse, 800000, 1.2e9);

	/* the more ratings, the less regularization; strengths that differ need less, too */
	CHECK_NEAR(sparse.alpha, 1.2e9 / (8 * 800000.0), 1e-9);
	CHECK_NEAR(sparse.regularization, 0.65 * pow(30000, 0.3) / sqrt(800000), 1e-12);
	CHECK_NEAR(dense.regularization, 0.65 * pow(943, 0.3) / sqrt(100000), 1e-12);
	CHECK_NEAR(by_rule(30000, 40000, 3200000, 1, 0, NAN).regularization, sparse.regularization / 2, 1e-12);
	given = by_rule(30000, 40000, 800000, 5, 50, NAN);
	CHECK_NEAR(given.alpha, sparse.alpha / 5, 1e-9);
	CHECK_NEAR(given.regularization, sparse.regularization * pow(101, -0.125), 1e-12);

	/* where alpha is given, the sum of the penalties follows it by the root, as far as was measured */
	given = by_rule(30000, 40000, 800000, 1, 0, sparse.alpha / 4);
	CHECK_NEAR(sum_of_penalties(&given, 800000, 1.2e9) / sum, 2, 1e-9);
	given = by_rule(30000, 40000, 800000, 1, 0, sparse.alpha * 16);
	CHECK_NEAR(sum_of_penalties(&given, 800000, 1.2e9) / sum, 0.25, 1e-9);
	CHECK_NEAR(by_rule(30000, 40000, 800000, 1, 0, sparse.alpha * 1000).regularization, given.regularization, 1e-12);
	(void) by_rule(30000, 40000, 800000, 1, 0, 1e300);
	(void) by_rule(30000, 40000, 800000, 1, 0, 1e-30);

	/* tiny sets: half of what would leave nothing, (1 + a0) / 9 */
	CHECK_NEAR(by_rule(20, 20, 50, 1, 0, NAN).regularization, 0.5 * 2 / 9, 1e-12);
	CHECK_NEAR(by_rule(1000, 1000, 1000, 1, 0, NAN).regularization, 0.5 * 1.008 / 9, 1e-12);

	/* one user, one item, one rating, nothing left to observe, and as many as there can be */
	(void) by_rule(1, 40, 12, 1, 0, NAN);
	(void) by_rule(50, 1, 12, 1, 0, NAN);
	CHECK_NEAR(by_rule(1, 1, 1, 1, 0, NAN).regularization, 0.5, 1e-12);
	given = by_rule(20, 30, 600, 1, 0, NAN);
	CHECK_NEAR(given.alpha, 1 / 8.0, 1e-12);
	CHECK(given.regularization <= 0.5);
	(void) by_rule(INT32_MAX, INT32_MAX, INT64_C(1) << 40, 1, 0, NAN);
	(void) by_rule(50, 40, 1000, 1e-30, 1e-29, NAN);
	(void) by_rule(50, 40, 1000, 1e30, 1e31, NAN);
}

static void
test_rules_explicit(void)
{
	rmf_csr_stats ratings = some_ratings();
	rmf_settings settings;
	rmf_problem problem;
	const char *field;

	rmf_settings_init(&settings, RMF_EXPLICIT);
	CHECK(rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK);
	CHECK(settings.factors == 64 && settings.iterations == 8);
	CHECK_NEAR(settings.regularization, 0.5 * 3 * 0.8, 1e-12);
	CHECK(settings.regularization_scaling == 0.5 && settings.bias_regularization == 2);

	rmf_problem_init(&problem, &settings, &ratings);
	CHECK(problem.mean == 3 && problem.strength == 1 && problem.unobserved == 0);
	CHECK(problem.bias_regularization == 2);
	CHECK_NEAR(problem.start_sd, 0.1 / 8 * sqrt(0.8), 1e-12);
	CHECK(rmf_dimensions(&problem) == 66);
	CHECK(rmf_bias_position(&problem, RMF_USERS) == 64 && rmf_bias_position(&problem, RMF_ITEMS) == 65);

	/* where it is not known where ratings are */
	ratings.noise_edge = 0;
	rmf_settings_init(&settings, RMF_EXPLICIT);
	CHECK(rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK);
	CHECK_NEAR(settings.regularization, 1, 1e-12);

	/* all ratings equal */
	ratings.sd = 0;
	rmf_settings_init(&settings, RMF_EXPLICIT);
	CHECK(rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK);
	CHECK(settings.regularization > 0);
}

/* Four times the density, between a hundredth and one. */
static void
test_rules_logistic(void)
{
	static const int64_t n_users[] = {50, 100, 1000, 500, 25},
				n_items[] = {40, 100, 100, 1000, 41};
	static const double wanted[] = {1, 0.4, 0.04, 0.01, 1000 * 4.0 / (25 * 41)};

	for (int i = 0; i < 5; i++)
	{
		rmf_csr_stats ratings = some_ratings();
		rmf_settings settings;
		const char *field;

		rmf_settings_init(&settings, RMF_LOGISTIC);
		CHECK(rmf_settings_resolve(&settings, n_users[i], n_items[i], &ratings, &field) == RMF_OK);
		CHECK_NEAR(settings.unobserved_weight, wanted[i] > 1 ? 1 : wanted[i], 1e-12);
		CHECK(settings.factors == 64 && settings.iterations == 20 && settings.regularization == 0.05);
	}
}

static void
test_given_settings_stay(void)
{
	rmf_csr_stats ratings = some_ratings();
	rmf_settings settings;
	const char *field;

	rmf_settings_init(&settings, RMF_IMPLICIT);
	settings.factors = 3;
	settings.iterations = 5;
	settings.regularization = 0;
	settings.regularization_scaling = 0;
	settings.alpha = 40;
	settings.seed = 0;
	CHECK(rmf_settings_resolve(&settings, 50, 40, &ratings, &field) == RMF_OK);
	CHECK(settings.factors == 3 && settings.iterations == 5 && settings.regularization == 0);
	CHECK(settings.regularization_scaling == 0 && settings.alpha == 40 && settings.seed == 0);
}

static void
test_refused(void)
{
	rmf_settings implicit,
				explicit,
				s;
	rmf_csr_stats ratings = some_ratings();
	const char *field;

	rmf_settings_init(&implicit, RMF_IMPLICIT);
	rmf_settings_init(&explicit, RMF_EXPLICIT);
	CHECK(strcmp(refused(implicit), "accepted") == 0);
	CHECK(strcmp(refused(explicit), "accepted") == 0);

#define REFUSED(base, setting, bad) \
	(s = base, s.setting = bad, CHECK(strcmp(refused(s), #setting) == 0))
	REFUSED(implicit, factors, -1);
	REFUSED(implicit, factors, RMF_MAX_FACTORS + 1);
	REFUSED(implicit, iterations, -1);
	REFUSED(implicit, iterations, 1001);
	REFUSED(implicit, regularization, -0.1);
	REFUSED(implicit, regularization, INFINITY);
	REFUSED(implicit, regularization_scaling, -0.1);
	REFUSED(implicit, regularization_scaling, 2.1);
	REFUSED(implicit, bias_regularization, 1);
	REFUSED(implicit, alpha, 0);
	REFUSED(implicit, alpha, -1);
	REFUSED(implicit, alpha, INFINITY);
	REFUSED(implicit, alpha, 1e-300);
	REFUSED(explicit, alpha, 1);
	REFUSED(explicit, bias_regularization, -1);
	REFUSED(explicit, bias_regularization, INFINITY);
	REFUSED(explicit, feedback, 0);
	REFUSED(explicit, validation_fraction, -0.1);
	REFUSED(implicit, validation_fraction, 0.51);
	REFUSED(implicit, patience, -1);
	REFUSED(implicit, patience, 1001);

	/* no data, and implicit ratings that say nothing of preference */
	s = implicit;
	CHECK(rmf_settings_resolve(&s, 0, 40, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "ratings") == 0);
	CHECK(rmf_settings_resolve(&s, 50, 0, &ratings, &field) == RMF_BAD_ARGUMENT);
	ratings.min = 0;
	CHECK(rmf_settings_resolve(&s, 50, 40, &ratings, &field) == RMF_BAD_ARGUMENT && strcmp(field, "ratings") == 0);
	s = explicit;
	CHECK(rmf_settings_resolve(&s, 50, 40, &ratings, &field) == RMF_OK);
	ratings.n_entries = 0;
	s = explicit;
	CHECK(rmf_settings_resolve(&s, 50, 40, &ratings, &field) == RMF_BAD_ARGUMENT);
}

int
main(void)
{
	test_rules_implicit();
	test_shapes_implicit();
	test_rules_explicit();
	test_rules_logistic();
	test_given_settings_stay();
	test_refused();
	return unit_report("settings");
}
