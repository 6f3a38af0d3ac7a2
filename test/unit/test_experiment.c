/*
 * test_experiment.c
 *	  A/B tests: assignments are fixed for ever and have the shares they
 *	  should; formulas beside values worked out by hand (with SciPy's
 *	  distributions); and by simulation: error rates, coverage and power are
 *	  what they say, also when one looks again and again.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rmf_distributions.h"
#include "rmf_experiment.h"
#include "rmf_random.h"
#include "unit.h"

#define CHECK_CLOSE(a, b, relative) CHECK_NEAR(a, b, (relative) * fabs(b))

static const rmf_test_plan fixed_horizon = {0.95, 0};

/* ---- random numbers of the simulations ---- */

static uint64_t random_state;

static void
seed(uint64_t value)
{
	random_state = rmf_mix64(value);
}

static uint64_t
next_bits(void)
{
	random_state += UINT64_C(0x9E3779B97F4A7C15);
	return rmf_mix64(random_state);
}

static double
uniform(void)
{
	return (double) (next_bits() >> 11) * 0x1p-53;
}

/* ---- assignment ---- */

#define VARIANT(name, weight) {name, sizeof(name) - 1, weight}

static int
assign(const char *experiment, int64_t user, const rmf_variant *variants, int n)
{
	char		id[24];
	int			length = snprintf(id, sizeof(id), "%lld", (long long) user);

	return rmf_assign(experiment, strlen(experiment), id, (size_t) length, variants, n);
}

/* If this fails, users of running experiments change sides. */
static void
test_assignments_are_fixed(void)
{
	static const rmf_variant variants[3] = {VARIANT("control", 1), VARIANT("treatment", 1), VARIANT("third", 2)};
	static const char of_three[] = "2212122201022222021110212202120222222222";
	static const char of_two[] = "0010111001000101011110010000110101001110";

	for (int user = 0; user < 40; user++)
	{
		CHECK(assign("button", user, variants, 3) == of_three[user] - '0');
		CHECK(assign("button", user, variants, 2) == of_two[user] - '0');
	}
}

static void
test_shares(void)
{
	enum
	{
		USERS = 200000
	};
	static const rmf_variant variants[4] = {
		VARIANT("a", 5), VARIANT("b", 3), VARIANT("none", 0), VARIANT("c", 2)
	};
	double		weights[4];
	int64_t		n[4] = {0};
	int64_t		both[2][2] = {{0}};

	for (int user = 0; user < USERS; user++)
	{
		n[assign("shares", user, variants, 4)]++;
		/* two experiments know nothing of each other */
		both[assign("one", user, variants, 2)][assign("other", user, variants, 2)]++;
	}
	for (int i = 0; i < 4; i++)
		weights[i] = variants[i].weight;
	CHECK(n[2] == 0);
	CHECK(rmf_sample_ratio_p_value(n, weights, 4) > 0.001);
	CHECK_NEAR((double) both[0][0] / USERS, 25.0 / 64, 0.005);
	CHECK_NEAR((double) both[1][1] / USERS, 9.0 / 64, 0.005);
	CHECK_NEAR((double) both[0][1] / USERS, 15.0 / 64, 0.005);
}

/* Who moves when weights change. */
static void
test_moves(void)
{
	enum
	{
		USERS = 20000
	};
	static const rmf_variant before[3] = {VARIANT("a", 0.8), VARIANT("b", 0.1), VARIANT("c", 0.1)};
	static const rmf_variant more_of_b[3] = {VARIANT("a", 0.8), VARIANT("b", 0.6), VARIANT("c", 0.1)};
	static const rmf_variant from_a_to_b[3] = {VARIANT("a", 0.5), VARIANT("b", 0.4), VARIANT("c", 0.1)};
	static const rmf_variant in_tens[3] = {VARIANT("a", 8), VARIANT("b", 1), VARIANT("c", 1)};
	static const rmf_variant without_c[2] = {VARIANT("a", 0.8), VARIANT("b", 0.1)};
	static const rmf_variant turned[3] = {VARIANT("c", 0.1), VARIANT("b", 0.1), VARIANT("a", 0.8)};
	static const rmf_variant nothing[2] = {VARIANT("a", 0), VARIANT("b", 0)};
	int			to_b = 0,
				moved = 0;

	for (int user = 0; user < USERS; user++)
	{
		int			old = assign("moves", user, before, 3),
					new = assign("moves", user, more_of_b, 3),
					rest = assign("moves", user, without_c, 2);

		/* b wins users, and nobody else does */
		to_b += old != new;
		CHECK(old == new || new == 1);
		moved += assign("moves", user, from_a_to_b, 3) != old;
		CHECK(assign("moves", user, in_tens, 3) == old);
		CHECK(assign("moves", user, turned, 3) == 2 - old);
		CHECK(old == 2 || rest == old);
	}
	/* from a tenth to six of fifteen */
	CHECK_NEAR((double) to_b / USERS, 0.3, 0.013);
	/* three tenths have to, and no more than 2 * 0.3 / 1.3 do */
	CHECK((double) moved / USERS < 0.35);
	CHECK(assign("moves", 1, nothing, 2) == -1);
	CHECK(assign("moves", 1, nothing, 0) == -1);
}

/* ---- formulas ---- */

static rmf_ratio_sums
sums_of(int n, const double *y, const double *x)
{
	rmf_ratio_sums sums = {0};

	for (int i = 0; i < n; i++)
		rmf_ratio_add(&sums, y[i], x ? x[i] : 1);
	return sums;
}

static const double nine[9] = {0, 3, 1, 4, 1, 5, 9, 2, 6};
static const double eleven[11] = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4};

static void
test_ratio(void)
{
	static const double y[5] = {1, 0, 2, 3, 1};
	static const double x[5] = {4, 1, 6, 5, 4};
	static const double half_of_x[5] = {2, 0.5, 3, 2.5, 2};
	static const double zeros[5] = {0};
	rmf_ratio_sums sums = sums_of(5, y, x);
	rmf_ratio	ratio;

	rmf_ratio_estimate(&sums, &ratio);
	CHECK_CLOSE(ratio.value, 0.35, 1e-15);
	CHECK_CLOSE(ratio.variance, 0.006296875, 1e-13);

	sums = sums_of(9, nine, NULL);
	rmf_ratio_estimate(&sums, &ratio);
	CHECK_CLOSE(ratio.value, 31.0 / 9, 1e-15);
	CHECK_CLOSE(ratio.variance, 0.9197530864197532, 1e-14);

	/* a ratio that is the same for every user does not vary, whatever rounding does */
	sums = sums_of(5, half_of_x, x);
	rmf_ratio_estimate(&sums, &ratio);
	CHECK(ratio.value == 0.5 && ratio.variance == 0);

	sums = sums_of(5, y, zeros);
	rmf_ratio_estimate(&sums, &ratio);
	CHECK(isnan(ratio.value) && isnan(ratio.variance));
	sums = sums_of(1, y, x);
	rmf_ratio_estimate(&sums, &ratio);
	CHECK(ratio.value == 0.25 && isnan(ratio.variance));
	sums = sums_of(0, y, x);
	rmf_ratio_estimate(&sums, &ratio);
	CHECK(isnan(ratio.value) && isnan(ratio.variance));
}

/* scipy.stats.ttest_ind(eleven, nine, equal_var=False) */
static void
test_welch(void)
{
	rmf_ratio_sums a = sums_of(9, nine, NULL),
				b = sums_of(11, eleven, NULL);
	rmf_comparison result,
				reverse;

	CHECK(rmf_compare(&a, &b, &fixed_horizon, &result) == RMF_OK);
	CHECK(result.comparability == RMF_COMPARABLE);
	CHECK_CLOSE(result.difference, 1.191919191919192, 1e-14);
	CHECK_CLOSE(result.relative, 1.191919191919192 * 9 / 31, 1e-14);
	CHECK_CLOSE(result.p_value, 0.3882297822197919, 1e-12);
	CHECK_CLOSE(result.low, -1.642143685014771, 1e-12);
	CHECK_CLOSE(result.high, 4.025982068853155, 1e-12);

	CHECK(rmf_compare(&b, &a, &fixed_horizon, &reverse) == RMF_OK);
	CHECK_CLOSE(reverse.low, -result.high, 1e-13);
	CHECK_CLOSE(reverse.p_value, result.p_value, 1e-13);
}

/* The formulas at the head of rmf_experiment.c, with rho^2 = 8.2119... / planned users. */
static void
test_mixture(void)
{
	rmf_ratio_sums a = sums_of(9, nine, NULL),
				b = sums_of(11, eleven, NULL);
	rmf_ratio_sums clear = sums_of(11, eleven, NULL);
	rmf_test_plan plan = {0.95, 20};
	rmf_comparison result;
	rmf_ratio	ratio[2];
	double		variance,
				of_mixture,
				likelihood;

	CHECK(rmf_compare(&a, &b, &plan, &result) == RMF_OK);
	CHECK(result.p_value == 1);
	CHECK_CLOSE(result.low, -2.897755774287945, 1e-12);
	CHECK_CLOSE(result.high, 5.281594158126329, 1e-12);
	plan.planned_users = 1000;
	CHECK(rmf_compare(&a, &b, &plan, &result) == RMF_OK);
	CHECK(result.p_value == 1);
	CHECK_CLOSE(result.low, -7.7001775124546175, 1e-12);
	CHECK_CLOSE(result.high, 10.084015896293002, 1e-12);

	/* a difference of ten */
	clear.mean_y += 9;
	plan.planned_users = 20;
	CHECK(rmf_compare(&a, &clear, &plan, &result) == RMF_OK);
	rmf_ratio_estimate(&a, &ratio[0]);
	rmf_ratio_estimate(&clear, &ratio[1]);
	variance = ratio[0].variance + ratio[1].variance;
	of_mixture = variance * 8.211968062068253;
	likelihood = sqrt(variance / (variance + of_mixture)) *
		exp(of_mixture * result.difference * result.difference / (2 * variance * (variance + of_mixture)));
	CHECK(likelihood > 1e3);
	CHECK_CLOSE(result.p_value, 1 / likelihood, 1e-11);
	CHECK(result.low > 0);

	/* p-value and interval say the same, at any confidence */
	for (double confidence = 0.01; confidence < 1; confidence += 0.07)
		for (double shift = 0; shift < 12; shift += 0.5)
		{
			plan.confidence = confidence;
			clear.mean_y = b.mean_y + shift;
			CHECK(rmf_compare(&a, &clear, &plan, &result) == RMF_OK);
			CHECK((result.p_value < 1 - confidence) == (result.low > 0));
		}

	/* the interval is tightest, in standard errors, where it was planned to be */
	{
		double		width[3];
		static const double at[3] = {19, 20, 21};

		plan.confidence = 0.95;
		for (int i = 0; i < 3; i++)
		{
			plan.planned_users = at[i];
			CHECK(rmf_compare(&a, &b, &plan, &result) == RMF_OK);
			width[i] = result.high - result.low;
		}
		CHECK(width[1] < width[0] && width[1] < width[2]);
	}
}

static void
test_nothing_to_compare(void)
{
	static const double ones[3] = {1, 1, 1};
	static const double zeros[3] = {0, 0, 0};
	static const double huge[3] = {1e300, -1e300, 1e200};
	rmf_ratio_sums full = sums_of(9, nine, NULL),
				empty = {0},
				single = sums_of(1, nine + 1, NULL),
				constant = sums_of(3, ones, NULL),
				nothing = sums_of(3, zeros, NULL),
				undefined = sums_of(3, ones, zeros),
				enormous = sums_of(3, huge, NULL);
	rmf_test_plan plan = fixed_horizon;
	rmf_comparison result;

	CHECK(rmf_compare(&full, &empty, &plan, &result) == RMF_OK);
	CHECK(result.comparability == RMF_TOO_FEW_USERS);
	CHECK(isnan(result.difference) && isnan(result.low) && isnan(result.p_value));
	CHECK(rmf_compare(&full, &single, &plan, &result) == RMF_OK);
	CHECK(result.comparability == RMF_TOO_FEW_USERS);
	CHECK_CLOSE(result.difference, 3 - 31.0 / 9, 1e-14);
	CHECK(isnan(result.low) && isnan(result.p_value));
	CHECK(rmf_compare(&full, &undefined, &plan, &result) == RMF_OK);
	CHECK(result.comparability == RMF_NO_DENOMINATOR && isnan(result.difference));
	CHECK(rmf_compare(&constant, &nothing, &plan, &result) == RMF_OK);
	CHECK(result.comparability == RMF_NO_VARIATION);
	CHECK(result.difference == -1 && result.relative == -1 && isnan(result.low) && isnan(result.p_value));
	CHECK(rmf_compare(&nothing, &full, &plan, &result) == RMF_OK);
	CHECK(result.comparability == RMF_COMPARABLE);
	CHECK(isnan(result.relative) && result.p_value < 0.01);
	CHECK(rmf_compare(&full, &enormous, &plan, &result) == RMF_NOT_FINITE);

	plan.confidence = 1;
	CHECK(rmf_compare(&full, &full, &plan, &result) == RMF_BAD_ARGUMENT);
	plan.confidence = NAN;
	CHECK(rmf_compare(&full, &full, &plan, &result) == RMF_BAD_ARGUMENT);
	plan.confidence = 0.95;
	plan.planned_users = -1;
	CHECK(rmf_compare(&full, &full, &plan, &result) == RMF_BAD_ARGUMENT);
	plan.planned_users = NAN;
	CHECK(rmf_compare(&full, &full, &plan, &result) == RMF_BAD_ARGUMENT);
}

/* scipy.stats.chisquare() */
static void
test_sample_ratio(void)
{
	static const double even[3] = {1, 1, 1};
	static const double quarter[3] = {1, 1, 2};
	static const double first_two[3] = {1, 1, 0};
	static const double one[3] = {0, 3, 0};
	static const double none[3] = {0, 0, 0};
	static const int64_t two[2] = {5000, 5200};
	static const int64_t published[2] = {821588, 815482};
	static const int64_t three[3] = {10, 20, 30};
	static const int64_t nobody[3] = {0, 0, 0};

	CHECK_CLOSE(rmf_sample_ratio_p_value(two, even, 2), 0.0476703806561615, 1e-12);
	CHECK_CLOSE(rmf_sample_ratio_p_value(three, quarter, 3), 0.1888756028375618, 1e-12);
	/* Fabijan et al., "Diagnosing sample ratio mismatch", KDD 2019 */
	CHECK_CLOSE(rmf_sample_ratio_p_value(published, even, 2), 1.8e-6, 0.02);
	CHECK(rmf_sample_ratio_p_value(three, first_two, 3) == 0);
	CHECK(isnan(rmf_sample_ratio_p_value(nobody, even, 3)));
	CHECK(isnan(rmf_sample_ratio_p_value(two, even, 1)));
	CHECK(isnan(rmf_sample_ratio_p_value(three, none, 3)));
	CHECK(rmf_sample_ratio_p_value(three, one, 3) == 0);
}

static void
test_sample_size(void)
{
	static const double even[2] = {1, 1};
	static const double tenth[2] = {0.9, 0.1};
	static const double three[3] = {2, 1, 2};
	static const double bad[2] = {1, 0};
	rmf_sample_plan plan = {0.1, 0.02, NAN, 0.8, 0.95, 0};
	int64_t		users[3];

	/* 3838.1 + 0.96 */
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	CHECK(users[0] == 3840 && users[1] == 3840);
	CHECK(rmf_sample_size(&plan, tenth, 2, users) == RMF_OK);
	CHECK(users[0] == 20416 && users[1] == 2270);
	plan.sequential = 1;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	CHECK(users[0] == 7350 && users[1] == 7350);

	plan = (rmf_sample_plan) {0.05, -0.01, NAN, 0.9, 0.99, 0};
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	CHECK(users[0] == 12784);

	/* Cohen's d = 1 needs 17 in each group by exact tables, d = 0.5 needs 64 */
	plan = (rmf_sample_plan) {0, 3, 3, 0.8, 0.95, 0};
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	CHECK(users[0] == 17);
	plan.deviation = 6;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	CHECK(users[0] == 64);

	/* the smallest variant decides */
	CHECK(rmf_sample_size(&plan, three, 3, users) == RMF_OK);
	CHECK(users[0] == users[2] && users[1] < 64 && users[0] > 64);
	CHECK_NEAR((double) users[0], 2.0 * (double) users[1] - 1, 1.001);

	CHECK(rmf_sample_size(&plan, bad, 2, users) == RMF_BAD_ARGUMENT);
	CHECK(rmf_sample_size(&plan, even, 1, users) == RMF_BAD_ARGUMENT);
	plan.effect = 0;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_BAD_ARGUMENT);
	plan.effect = 1e-12;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OVERFLOW);
	plan = (rmf_sample_plan) {0.1, 0.9, NAN, 0.8, 0.95, 0};
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_BAD_ARGUMENT);
	plan.effect = 0.1;
	plan.power = 1;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_BAD_ARGUMENT);
}

/* ---- simulations ---- */

/* A user's y and x. */
typedef void (*Behaviour) (double effect, double *y, double *x);

/* One in ten buys. */
static void
converts(double effect, double *y, double *x)
{
	*y = uniform() < 0.1 + effect;
	*x = 1;
}

/* One in five buys, for amounts of which few are large. */
static void
spends(double effect, double *y, double *x)
{
	float		normal;

	*y = 0;
	*x = 1;
	if (uniform() < 0.2)
	{
		rmf_random_normal(next_bits(), 1, 0.8, 1, &normal);
		*y = (20 + effect) * exp(normal);
	}
}

/* Sees one to twenty pages, and clicks on them as often as this user does: seldom or half of the time. */
static void
clicks(double effect, double *y, double *x)
{
	int			pages = 1 + (int) (20 * uniform());
	double		rate = (uniform() < 0.7 ? 0.05 : 0.5) + effect;

	*x = pages;
	*y = 0;
	for (int i = 0; i < pages; i++)
		*y += uniform() < rate;
}

typedef struct Rates
{
	double		rejected;
	double		covered;		/* the true difference, by the interval */
	double		by_event;		/* rejected by a test that takes every page for a user */
} Rates;

static Rates
run_fixed(Behaviour behaviour, double effect, double truth, int n, int repetitions)
{
	Rates		rates = {0, 0, 0};

	for (int i = 0; i < repetitions; i++)
	{
		rmf_ratio_sums sums[2] = {{0}, {0}};
		rmf_comparison result;
		double		y,
					x,
					pages[2],
					p[2];

		for (int user = 0; user < n; user++)
			for (int variant = 0; variant < 2; variant++)
			{
				behaviour(variant ? effect : 0, &y, &x);
				rmf_ratio_add(&sums[variant], y, x);
			}
		CHECK(rmf_compare(&sums[0], &sums[1], &fixed_horizon, &result) == RMF_OK);
		rates.rejected += result.p_value < 0.05;
		rates.covered += result.low <= truth && truth <= result.high;
		for (int variant = 0; variant < 2; variant++)
		{
			pages[variant] = sums[variant].mean_x * n;
			p[variant] = sums[variant].mean_y / sums[variant].mean_x;
		}
		rates.by_event += fabs(p[1] - p[0]) > 1.96 * sqrt(p[0] * (1 - p[0]) / pages[0] + p[1] * (1 - p[1]) / pages[1]);
	}
	rates.rejected /= repetitions;
	rates.covered /= repetitions;
	rates.by_event /= repetitions;
	return rates;
}

/* Bounds are four standard errors of the simulation, and some more for what only holds for many users. */
static void
simulate_fixed_horizon(void)
{
	Rates		rates;

	seed(1);
	rates = run_fixed(converts, 0, 0, 500, 8000);
	CHECK_NEAR(rates.rejected, 0.05, 0.011);
	CHECK_NEAR(rates.covered, 0.95, 0.011);

	seed(2);
	rates = run_fixed(spends, 0, 0, 500, 4000);
	CHECK_NEAR(rates.rejected, 0.05, 0.015);

	/* the delta method against events taken for users */
	seed(3);
	rates = run_fixed(clicks, 0, 0, 300, 2000);
	CHECK_NEAR(rates.rejected, 0.05, 0.02);
	CHECK(rates.by_event > 0.2);

	/* the interval holds a difference that there is */
	seed(4);
	rates = run_fixed(clicks, 0.03, 0.03, 300, 2000);
	CHECK_NEAR(rates.covered, 0.95, 0.02);
	seed(5);
	rates = run_fixed(converts, 0.05, 0.05, 500, 4000);
	CHECK_NEAR(rates.covered, 0.95, 0.015);
}

static void
simulate_power(void)
{
	static const double even[2] = {1, 1};
	rmf_sample_plan plan = {0.1, 0.05, NAN, 0.8, 0.95, 0};
	int64_t		users[2];

	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	seed(6);
	CHECK_NEAR(run_fixed(converts, 0.05, 0.05, (int) users[0], 4000).rejected, 0.8, 0.026);

	/* 20 e^0.32 a purchase of one in five, and its deviation */
	plan.effect = 6 * 0.2 * exp(0.32);
	plan.deviation = sqrt(0.2 * 23 * 23 * exp(1.28) - pow(0.2 * 23 * exp(0.32), 2));
	plan.power = 0.9;
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	seed(7);
	CHECK_NEAR(run_fixed(spends, 6, plan.effect, (int) users[0], 3000).rejected, 0.9, 0.03);
}

typedef struct Looks
{
	double		sequential;		/* rejected at any look */
	double		fixed;
	double		covered;		/* the truth, by the intervals of all looks */
	double		mean_users;		/* until rejected, or the end */
} Looks;

static Looks
run_looks(Behaviour behaviour, double effect, double truth, int first, int last, double step, double planned,
		  int repetitions)
{
	rmf_test_plan plan = {0.95, planned};
	Looks		looks = {0, 0, 0, 0};

	for (int i = 0; i < repetitions; i++)
	{
		rmf_ratio_sums sums[2] = {{0}, {0}};
		rmf_comparison result;
		int			rejected = 0,
					by_fixed = 0,
					missed = 0,
					stopped = last;
		double		next = first,
					y,
					x;

		for (int user = 1; user <= last; user++)
		{
			for (int variant = 0; variant < 2; variant++)
			{
				behaviour(variant ? effect : 0, &y, &x);
				rmf_ratio_add(&sums[variant], y, x);
			}
			if (user < next && user < last)
				continue;
			next = fmax(next + 1, next * step);
			CHECK(rmf_compare(&sums[0], &sums[1], &plan, &result) == RMF_OK);
			if (result.p_value < 0.05 && !rejected)
			{
				rejected = 1;
				stopped = user;
			}
			missed |= result.low > truth || result.high < truth;
			CHECK(rmf_compare(&sums[0], &sums[1], &fixed_horizon, &result) == RMF_OK);
			by_fixed |= result.p_value < 0.05;
		}
		looks.sequential += rejected;
		looks.fixed += by_fixed;
		looks.covered += !missed;
		looks.mean_users += 2.0 * stopped;
	}
	looks.sequential /= repetitions;
	looks.fixed /= repetitions;
	looks.covered /= repetitions;
	looks.mean_users /= repetitions;
	return looks;
}

static void
simulate_sequential(void)
{
	static const double even[2] = {1, 1};
	rmf_sample_plan plan = {0.1, 0.05, NAN, 0.8, 0.95, 1};
	int64_t		users[2];
	Looks		looks;

	/* some seventy looks from ten users a variant on: by accident half of all tests show something, fixed */
	seed(11);
	looks = run_looks(converts, 0, 0, 10, 10000, 1.1, 10000, 600);
	CHECK(looks.sequential <= 0.05 && looks.sequential > 0.005);
	CHECK(looks.covered >= 0.95);
	CHECK(looks.fixed > 0.3);

	/* skewed amounts, ratios; planned for far fewer users than there are in the end, and for more */
	seed(12);
	looks = run_looks(spends, 0, 0, 10, 3000, 1.1, 1000, 800);
	CHECK(looks.sequential <= 0.05);
	CHECK(looks.fixed > 0.25);
	seed(13);
	looks = run_looks(clicks, 0, 0, 10, 1500, 1.1, 10000, 600);
	CHECK(looks.sequential <= 0.05);
	CHECK(looks.fixed > 0.25);

	/* it finds what there is, and sooner than at the number of users planned for */
	CHECK(rmf_sample_size(&plan, even, 2, users) == RMF_OK);
	seed(14);
	looks = run_looks(converts, 0.05, 0.05, 10, (int) users[0], 1.05, (double) (users[0] + users[1]), 1500);
	CHECK(looks.sequential >= 0.79);
	CHECK(looks.covered >= 0.95);
	CHECK(looks.mean_users < 0.75 * (double) (users[0] + users[1]));
}

static void
simulate_sample_ratio(void)
{
	enum
	{
		REPETITIONS = 600, USERS = 5000
	};
	static const double weights[3] = {5, 3, 2};
	static const rmf_variant variants[3] = {VARIANT("a", 5), VARIANT("b", 3), VARIANT("c", 2)};
	int			alarms = 0,
				loud = 0,
				missed = 0;

	for (int i = 0; i < REPETITIONS; i++)
	{
		int64_t		n[3] = {0},
					lossy[3] = {0};
		char		experiment[16];
		double		p;

		snprintf(experiment, sizeof(experiment), "e%d", i);
		for (int user = 0; user < USERS; user++)
		{
			int			variant = assign(experiment, user, variants, 3);

			n[variant]++;
			/* one user in five of a variant gets lost */
			lossy[variant] += variant != 1 || user % 5 != 0;
		}
		p = rmf_sample_ratio_p_value(n, weights, 3);
		alarms += p < 0.05;
		loud += p < 0.001;
		missed += rmf_sample_ratio_p_value(lossy, weights, 3) >= 0.001;
	}
	CHECK_NEAR((double) alarms / REPETITIONS, 0.05, 0.036);
	CHECK(loud <= 4);
	CHECK(missed <= REPETITIONS / 50);
}

int
main(void)
{
	test_assignments_are_fixed();
	test_shares();
	test_moves();
	test_ratio();
	test_welch();
	test_mixture();
	test_nothing_to_compare();
	test_sample_ratio();
	test_sample_size();
	simulate_fixed_horizon();
	simulate_power();
	simulate_sequential();
	simulate_sample_ratio();
	return unit_report("experiment");
}
