/*
 * rmf_settings.c
 *	  Settings of a training run: what is allowed, and what is chosen from the
 *	  data where the user chose nothing; and the problem that they make.
 */
#include <float.h>
#include <math.h>

#include "rmf_als.h"

#define MAX_ITERATIONS 1000

/*
 * Implicit feedback.  The weight of what was not observed is eight times the
 * density, a0 = k N / (U I) with k = 8, N ratings of U users for I items.  In
 * terms of alpha = 1 / (a0 mean) that is U I / (8 sum of ratings).
 *
 * lambda = 0.65 U^0.3 / sqrt(N), for k = 8 and equal ratings.  With the sum of the
 * penalties, lambda N (1 + k) for each side, it is a threshold for the singular
 * values of the matrix with both sides' degrees divided out.  Their noise goes
 * like the root of one over a row's ratings; and the fewer ratings there are in
 * all, the fewer factors they bear.  The largest singular value is 1, which
 * lambda (1 + k) / (1 + a0) = 1 would leave nothing of; tiny sets get a half at most.
 *
 * With another alpha the sum of the penalties is to grow like the root of k alone.
 * Were lambda left as it is, four times the k would cost 18% of NDCG, eight times
 * 37%; with this rule a quarter to eight times the k is within 2% to 4% of the
 * best that there is with it.
 *
 * Where ratings differ, most weigh less than the mean, and are not to drown:
 * lambda is divided by (1 + (sd / mean)^2)^(1/8).
 *
 * The constant and the exponents come from grids over many data sets, real ones,
 * parts of them and made-up ones, each left out in turn: test/bench/defaults.
 */
#define UNOBSERVED_PER_DENSITY 8.0
#define IMPLICIT_REGULARIZATION 0.65
#define IMPLICIT_USERS_EXPONENT 0.3
#define IMPLICIT_SPREAD_EXPONENT (-0.125)
#define IMPLICIT_MOST_THRESHOLD 0.5
#define IMPLICIT_LEAST_PER_DENSITY 0.5	/* of k: measured no further down, where lambda would go to 0 */
#define IMPLICIT_SCALING 1.0
#define IMPLICIT_ITERATIONS 16

/*
 * Explicit feedback.  lambda is in units of the rating's spread; where all
 * ratings are equal there is nothing to fit and any positive value will do.
 * It is half of what noise of that spread would take to be fitted no more:
 * what the biases leave has four fifths of it, and a part of that is signal.
 *
 * Against 1.25 times the spread, whatever the data, at 64 factors: ml-100k u1..u5,
 * mean RMSE .9083 (.9090; with implicit features .8943, .8942), ml-1m 90/10 .8402
 * (.8409; .8293, .8306).  On 18 million ratings of a planted model the rule gives
 * 1.95, and .7189 is reached with 1.8, .7209 with 2.1, .7248 with 1.2.
 */
#define EXPLICIT_REGULARIZATION_PER_EDGE 0.5
#define UNKNOWN_EDGE 2.5
#define EXPLICIT_SCALING 0.5
#define EXPLICIT_BIAS_REGULARIZATION 2.0
#define EXPLICIT_ITERATIONS 8

/*
 * With implicit features, in the same units: errors of ratings are in units of
 * the variance, squares of factors in units of the standard deviation.  At 64
 * factors: ml-100k u1..u5, mean RMSE .8943 (.9092 without), ml-1m 90/10 .834
 * (.843).  A quarter of the second vectors' regularization costs .003 there and
 * .001 at 20 factors, a fivefold one .004 on ml-1m.
 */
#define FEATURES_WEIGHT_PER_VARIANCE 0.8
#define FEATURES_REGULARIZATION_PER_SD 27.0

/* With ratings at the lower end of a float's range, the second vectors would pass the upper one. */
#define FEATURES_LEAST_REGULARIZATION 1e-20

/*
 * Logistic feedback.  An unobserved cell weighs four times the density, .01 at
 * the least and 1 at the most.  Measured with 64 factors, all items ranked:
 *
 * gowalla, a density of .0007: recall@20 .158 with .01; on a third of the users
 * .155, .150 with .003 and with .03, .127 with .1.
 *
 * A half of the pairs held out, densities .032 (ml-100k), .022 (ml-1m) and .008
 * (online retail): NDCG@20 .539, .539, .260 where .01 gives .465, .378, .207;
 * the log loss of the pairs that were not seen .1028, .0689, .0376 (.1045, .0751,
 * .0379), the sum of their probabilities over the number that is positive .61,
 * .75, .63 (.53, .65, .57).  Eight and fifteen times the density rank no better
 * or little, and have a larger log loss: .1071, .0703, .0379 and .1126, .0741,
 * .0386.  A fifth held out: four times gains NDCG by a half, the log loss holds.
 *
 * An unobserved cell adds a twentieth of its weight to the size of a row.
 */
#define LOGISTIC_UNOBSERVED_PER_DENSITY 4.0
#define LOGISTIC_LEAST_UNOBSERVED 0.01
#define LOGISTIC_REGULARIZATION 0.05
#define LOGISTIC_SCALING 1.0
#define LOGISTIC_BIAS_REGULARIZATION 1.0
#define LOGISTIC_ITERATIONS 20
#define LOGISTIC_SIZE_OF_UNOBSERVED 0.05

/*
 * Start values, times 1 / sqrt(factors).  Factors are in units of the root of
 * a rating's, and a start that is far too small costs iterations: with stars
 * times a million, eight iterations came to RMSE .9265 instead of .9090.
 */
#define START_SD 0.1

#define DEFAULT_FACTORS 64
#define DEFAULT_SEED 42

/* The metric of a few hundred users goes up and down by itself; see rmf_settings.validation_fraction. */
#define MAX_VALIDATION_FRACTION 0.5
#define DEFAULT_PATIENCE 3

void
rmf_settings_init(rmf_settings *settings, rmf_feedback feedback)
{
	settings->feedback = feedback;
	settings->factors = 0;
	settings->iterations = 0;
	settings->regularization = NAN;
	settings->regularization_scaling = NAN;
	settings->user_regularization = NAN;
	settings->item_regularization = NAN;
	settings->bias_regularization = NAN;
	settings->alpha = NAN;
	settings->unobserved_weight = NAN;
	settings->implicit_features = 0;
	settings->implicit_features_weight = NAN;
	settings->implicit_features_regularization = NAN;
	settings->nonnegative = 0;
	settings->seed = DEFAULT_SEED;
	settings->solver = RMF_SOLVER_AUTO;
	settings->validation_fraction = NAN;
	settings->patience = 0;
}

static void
set_if_nan(double *setting, double value)
{
	if (isnan(*setting))
		*setting = value;
}

/* The unit of explicit ratings. */
static double
spread(const rmf_csr_stats *ratings)
{
	return ratings->sd > 0 ? ratings->sd : 1;
}

/* The weight of an unobserved entry; both sides of the conversion to alpha. */
static double
unobserved_weight(double alpha, double mean)
{
	return 1 / (alpha * mean);
}

/* Is a setting neither left to the rules (NAN) nor within its range? */
static int
is_out_of_range(double setting, double least, double most)
{
	return !isnan(setting) && !(setting >= least && setting <= most);
}

/* The name of the first setting that was given and is out of range, or NULL. */
static const char *
setting_out_of_range(const rmf_settings *settings)
{
	int			is_implicit = settings->feedback == RMF_IMPLICIT;
	int			is_logistic = settings->feedback == RMF_LOGISTIC;

	if (settings->factors < 0 || settings->factors > RMF_MAX_FACTORS)
		return "factors";
	if (settings->iterations < 0 || settings->iterations > MAX_ITERATIONS)
		return "iterations";
	if (is_out_of_range(settings->regularization, 0, DBL_MAX))
		return "regularization";
	if (is_out_of_range(settings->regularization_scaling, 0, 2))
		return "regularization_scaling";
	if (is_out_of_range(settings->user_regularization, 0, DBL_MAX))
		return "user_regularization";
	if (is_out_of_range(settings->item_regularization, 0, DBL_MAX))
		return "item_regularization";
	if (is_implicit ? !isnan(settings->bias_regularization)
		: is_out_of_range(settings->bias_regularization, 0, DBL_MAX))
		return "bias_regularization";
	if (settings->solver < RMF_SOLVER_AUTO || settings->solver > RMF_SOLVER_CG)
		return "solver";
	if (is_out_of_range(settings->validation_fraction, 0, MAX_VALIDATION_FRACTION))
		return "validation_fraction";
	if (settings->patience < 0 || settings->patience > MAX_ITERATIONS)
		return "patience";
	if (is_implicit ? is_out_of_range(settings->alpha, DBL_MIN, DBL_MAX) : !isnan(settings->alpha))
		return "alpha";
	if (is_logistic ? is_out_of_range(settings->unobserved_weight, DBL_MIN, 1)
		: !isnan(settings->unobserved_weight))
		return "unobserved_weight";
	if (settings->implicit_features != 0 &&
		(settings->implicit_features != 1 || settings->feedback != RMF_EXPLICIT))
		return "implicit_features";
	if (settings->implicit_features ?
		is_out_of_range(settings->implicit_features_weight, DBL_MIN, DBL_MAX) :
		!isnan(settings->implicit_features_weight))
		return "implicit_features_weight";
	if (settings->implicit_features ?
		is_out_of_range(settings->implicit_features_regularization, DBL_MIN, DBL_MAX) :
		!isnan(settings->implicit_features_regularization))
		return "implicit_features_regularization";
	if (settings->nonnegative != 0 &&
		(settings->nonnegative != 1 || is_logistic || settings->solver == RMF_SOLVER_CG))
		return "nonnegative";
	return NULL;
}

static void
resolve_explicit(rmf_settings *settings, const rmf_csr_stats *ratings)
{
	if (settings->iterations == 0)
		settings->iterations = EXPLICIT_ITERATIONS;
	set_if_nan(&settings->regularization, EXPLICIT_REGULARIZATION_PER_EDGE * spread(ratings) *
			   (ratings->noise_edge > 0 ? ratings->noise_edge : UNKNOWN_EDGE));
	if (settings->implicit_features)
	{
		set_if_nan(&settings->implicit_features_weight,
				   FEATURES_WEIGHT_PER_VARIANCE * spread(ratings) * spread(ratings));
		set_if_nan(&settings->implicit_features_regularization,
				   fmax(FEATURES_REGULARIZATION_PER_SD * spread(ratings), FEATURES_LEAST_REGULARIZATION));
	}
	set_if_nan(&settings->regularization_scaling, EXPLICIT_SCALING);
	set_if_nan(&settings->bias_regularization, EXPLICIT_BIAS_REGULARIZATION);
}

/* lambda, where cells weigh a0 that are not observed. */
static double
implicit_regularization(double a0, double n_users, double n_items, const rmf_csr_stats *ratings)
{
	double		n = (double) ratings->n_entries;
	double		per_density = fmax(a0 * (n_users / n) * n_items, IMPLICIT_LEAST_PER_DENSITY);
	double		penalty = sqrt(per_density / UNOBSERVED_PER_DENSITY) * (1 + UNOBSERVED_PER_DENSITY) / (1 + per_density);
	double		variation = ratings->sd / ratings->mean;

	return fmin(IMPLICIT_REGULARIZATION * pow(n_users, IMPLICIT_USERS_EXPONENT) / sqrt(n) * penalty *
				pow(1 + variation * variation, IMPLICIT_SPREAD_EXPONENT),
				IMPLICIT_MOST_THRESHOLD * (1 + a0) / (1 + per_density));
}

/* Returns the name of the setting that leaves single precision with these ratings, or NULL. */
static const char *
resolve_implicit(rmf_settings *settings, int64_t n_users, int64_t n_items,
				 const rmf_csr_stats *ratings)
{
	double		cells = (double) n_users * (double) n_items;
	double		a0;

	if (settings->iterations == 0)
		settings->iterations = IMPLICIT_ITERATIONS;
	set_if_nan(&settings->alpha, cells / (UNOBSERVED_PER_DENSITY * ratings->sum));
	a0 = unobserved_weight(settings->alpha, ratings->mean);
	if (!(a0 <= FLT_MAX))
		return "alpha";
	set_if_nan(&settings->regularization,
			   implicit_regularization(a0, (double) n_users, (double) n_items, ratings));
	set_if_nan(&settings->regularization_scaling, IMPLICIT_SCALING);
	return NULL;
}

static void
resolve_logistic(rmf_settings *settings, int64_t n_users, int64_t n_items,
				 const rmf_csr_stats *ratings)
{
	double		density = (double) ratings->n_entries / ((double) n_users * (double) n_items);

	if (settings->iterations == 0)
		settings->iterations = LOGISTIC_ITERATIONS;
	set_if_nan(&settings->unobserved_weight,
			   fmin(fmax(LOGISTIC_UNOBSERVED_PER_DENSITY * density, LOGISTIC_LEAST_UNOBSERVED), 1));
	set_if_nan(&settings->regularization, LOGISTIC_REGULARIZATION);
	set_if_nan(&settings->regularization_scaling, LOGISTIC_SCALING);
	set_if_nan(&settings->bias_regularization, LOGISTIC_BIAS_REGULARIZATION);
}

rmf_status
rmf_settings_resolve(rmf_settings *settings, int64_t n_users, int64_t n_items,
					 const rmf_csr_stats *ratings, const char **field)
{
	if (settings->feedback < RMF_EXPLICIT || settings->feedback > RMF_LOGISTIC)
		*field = "feedback";
	else if (n_users < 1 || n_items < 1 || ratings->n_entries < 1)
		*field = "ratings";
	else if (rmf_is_one_class(settings->feedback) && !(ratings->min > 0))
		*field = "ratings";
	else
		*field = setting_out_of_range(settings);
	if (*field != NULL)
		return RMF_BAD_ARGUMENT;

	if (settings->factors == 0)
		settings->factors = DEFAULT_FACTORS;
	set_if_nan(&settings->validation_fraction, 0);
	if (settings->patience == 0)
		settings->patience = DEFAULT_PATIENCE;
	if (settings->feedback == RMF_EXPLICIT)
		resolve_explicit(settings, ratings);
	else if (settings->feedback == RMF_LOGISTIC)
		resolve_logistic(settings, n_users, n_items, ratings);
	else
		*field = resolve_implicit(settings, n_users, n_items, ratings);
	return *field == NULL ? RMF_OK : RMF_BAD_ARGUMENT;
}

void
rmf_problem_init(rmf_problem *problem, const rmf_settings *settings, const rmf_csr_stats *ratings)
{
	problem->feedback = settings->feedback;
	problem->factors = settings->factors;
	problem->mean = 0;
	problem->strength = 1;
	problem->unobserved = 0;
	problem->size_unobserved = 0;
	problem->regularization[RMF_USERS] = isnan(settings->user_regularization) ?
		settings->regularization : settings->user_regularization;
	problem->regularization[RMF_ITEMS] = isnan(settings->item_regularization) ?
		settings->regularization : settings->item_regularization;
	problem->regularization_scaling = settings->regularization_scaling;
	problem->bias_regularization = 0;
	problem->implicit_features = settings->implicit_features;
	problem->features_weight = 0;
	problem->features_regularization = 0;
	problem->nonnegative = settings->nonnegative;
	problem->solver = settings->solver;
	problem->start_sd = START_SD / sqrt(settings->factors);
	if (settings->feedback == RMF_EXPLICIT)
	{
		problem->mean = ratings->mean;
		problem->bias_regularization = settings->bias_regularization;
		problem->start_sd *= sqrt(spread(ratings));
	}
	else
		problem->strength = 1 / ratings->mean;
	if (settings->feedback == RMF_IMPLICIT)
	{
		problem->unobserved = unobserved_weight(settings->alpha, ratings->mean);
		problem->size_unobserved = problem->unobserved;
	}
	if (settings->feedback == RMF_LOGISTIC)
	{
		/* odds against cells that count less are higher by as much */
		problem->mean = log(settings->unobserved_weight);
		problem->unobserved = settings->unobserved_weight;
		problem->size_unobserved = LOGISTIC_SIZE_OF_UNOBSERVED * settings->unobserved_weight;
		problem->bias_regularization = settings->bias_regularization;
	}
	if (settings->implicit_features)
	{
		problem->features_weight = settings->implicit_features_weight;
		problem->features_regularization = settings->implicit_features_regularization;
	}
}

double
rmf_als_row_penalty(const rmf_problem *problem, rmf_side side, double size, int64_t n_other)
{
	return problem->regularization[side] *
		pow(size + problem->size_unobserved * (double) n_other, problem->regularization_scaling);
}
