/*
 * rmf_tune.c
 *	  Which settings to try next: see rmf_tune.h.
 *
 * Draws are an additive recurrence (Roberts 2018), shifted by the seed: each
 * prefix of it covers the space more evenly than independent draws do, so few
 * are enough, and each draw by itself is log-uniform.
 *
 * A trial's value is the best of what was validated, so one that learns fast and
 * then overfits is not held against one that is still on its way.
 *
 * The local search goes where a quadratic fitted to trials with all factors expects
 * the most (rmf_surrogate.h), within a step of the best point.  Where that is known
 * already, it is one of patterns (Hooke, Jeeves 1961): it moves from the best point
 * along one coordinate, goes on from what is better, and takes smaller steps where
 * nothing is.
 */
#include <math.h>
#include <string.h>

#include "rmf_random.h"
#include "rmf_surrogate.h"
#include "rmf_tune.h"

/*
 * Factors and iterations of the rounds.  Draws have half the factors: with a
 * quarter of them other settings are the best (gowalla: with 32 an alpha four
 * times that of 128).
 */
#define FEW_FACTORS 32
#define DRAW_ITERATIONS 4
#define HALVING_ITERATIONS 8
#define FULL_ITERATIONS 12
#define MOST_ITERATIONS 30
#define FULL_EVERY 4
#define LAST_EVERY 2
#define PATIENCE 4

/*
 * Users whose ranking is validated, the same ones in every trial of a round.
 * Some thousand tell draws apart, but not two good settings, which differ by less
 * than a hundredth: the best of a dozen is then the luckiest.  With all factors
 * it is as many as can be ranked in the time that the training takes.  Those that
 * are chosen from in the end are few, and are measured with several times as many:
 * all there are, as a rule.
 */
#define DRAW_USERS 4000
#define FULL_USERS 6000
#define LAST_TIMES 4

/* Multiplications that ranking does while training does one: large products against gathered rows. */
#define RANKED_PER_TRAINED 2.0

/*
 * Shares of the metric that are not worth more iterations.  Of rankings it is
 * what chance makes of a few thousand users; to end early holds back like
 * regularization, and costs less.
 */
#define RANKING_TOLERANCE 0.002
#define RMSE_TOLERANCE 0.0001

#define FINALISTS 2

/* How many of the best are measured once more: the best of many owes some of that to chance. */
#define STOPPED 3

/* Draws are within these factors on either side of the rule. */
#define WIDEST_FACTOR 8.0
#define LOWER_SCALING 0.5
#define HIGHER_SCALING 0.25

/*
 * With a larger exponent than 1, what is often rated is penalised by more than
 * its share.  A validation may be in favour of that by a little where the ratings
 * to come, which are drawn otherwise, are not (gowalla).
 */
#define HIGHEST_SCALING 1.0

/* Shares of the time after which the rounds end. */
static const double share_of_time[RMF_TUNE_ROUNDS] = {
	[RMF_TUNE_DRAWS] = 0.15, [RMF_TUNE_HALVING] = 0.25, [RMF_TUNE_FINALISTS] = 0.85,
	[RMF_TUNE_NEIGHBOURS] = 0.85, [RMF_TUNE_STOPPING] = 1, [RMF_TUNE_RANDOM] = 0.85
};

/* Steps of the local search: factors, and what is added to the exponent. */
static const double step_factor[] = {2, 1.5, 1.25};
static const double step_scaling[] = {0.2, 0.1, 0.05};

#define STEPS 3
#define MOVES (2 * RMF_TUNE_COORDINATES)

/*
 * The surrogate, in units of the first steps and of hundredths of the best value:
 * how exact a value is at the best point, and how much less exact the hill is the
 * farther down and away it was seen; in how many places a step it is looked for,
 * and how near to a known point is not worth it.
 */
#define LEAST_SD 0.2
#define MISFIT 0.25
#define PLACES 4
#define LEAST_DISTANCE 0.25

static double
fraction_of(double x)
{
	return x - floor(x);
}

static double
clamp(double x, double least, double most)
{
	return x < least ? least : x > most ? most : x;
}

/* The draw with a number from 1 on; 0 is the origin. */
static rmf_tune_point
draw(const rmf_tune_plan *plan, int32_t number)
{
	/* powers of the inverse of the root of x^4 = x + 1 */
	static const double advance[RMF_TUNE_COORDINATES] = {0.8191725133961645, 0.6710436067037893, 0.5497004779019703};
	rmf_tune_point point = {{0}};

	if (number == 0)
		return point;
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
	{
		double		shift = (double) (rmf_mix64(plan->seed ^ rmf_mix64(UINT64_C(0x74756E65) + (uint64_t) c)) >> 11) * 0x1p-53;
		double		x = fraction_of(shift + number * advance[c]);

		if (!plan->is_free[c])
			continue;
		if (c == RMF_TUNE_SCALING)
			point.at[c] = plan->least_scaling + x * (plan->most_scaling - plan->least_scaling);
		else
			point.at[c] = (2 * x - 1) * log(WIDEST_FACTOR);
	}
	return point;
}

static int32_t
add_point(rmf_tune *tune, const rmf_tune_point *point)
{
	rmf_tune_result *result = &tune->result[tune->n];

	result->point = *point;
	for (int r = 0; r < RMF_TUNE_ROUNDS; r++)
	{
		result->value[r] = NAN;
		result->iterations[r] = 0;
	}
	return tune->n++;
}

static int
any_free(const rmf_tune_plan *plan)
{
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
	{
		if (plan->is_free[c])
			return 1;
	}
	return 0;
}

rmf_status
rmf_tune_init(rmf_tune *tune, const rmf_tune_plan *plan)
{
	if (plan->trials < 1 || plan->trials > RMF_TUNE_MOST_TRIALS || plan->factors < 1)
		return RMF_BAD_ARGUMENT;
	memset(tune, 0, sizeof(*tune));
	tune->plan = *plan;
	if (tune->plan.full_users < 1)
		tune->plan.full_users = tune->plan.last_users = FULL_USERS;
	/* where nothing is free there is one point */
	if (!any_free(plan))
		tune->plan.trials = 1;
	tune->n_draws = plan->only_draws ? tune->plan.trials : (tune->plan.trials + 2) / 3;
	tune->round = plan->only_draws ? RMF_TUNE_RANDOM : RMF_TUNE_DRAWS;
	/* one point needs no comparison */
	if (tune->n_draws == 1)
	{
		rmf_tune_point origin = draw(plan, 0);

		tune->listed[tune->n_listed++] = add_point(tune, &origin);
		tune->round = RMF_TUNE_FINALISTS;
	}
	return RMF_OK;
}

int
rmf_tune_is_better(const rmf_tune *tune, double metric, double than)
{
	if (isnan(metric))
		return 0;
	if (isnan(than))
		return 1;
	return tune->plan.larger_is_better ? metric > than : metric < than;
}

/*
 * A model is stopped as early as it can be: what further iterations gain on the
 * ratings that they are chosen by, they do not all gain on others, and they cost
 * time at every training to come.
 */
int32_t
rmf_tune_enough(const rmf_tune *tune, int32_t n, const rmf_iteration *iterations)
{
	double		best = NAN;
	double		enough;

	for (int32_t i = 0; i < n; i++)
	{
		if (rmf_tune_is_better(tune, iterations[i].metric, best))
			best = iterations[i].metric;
	}
	enough = best * (tune->plan.larger_is_better ? 1 - RANKING_TOLERANCE : 1 + RMSE_TOLERANCE);
	for (int32_t i = 0; i < n; i++)
	{
		if (!isnan(iterations[i].metric) && !rmf_tune_is_better(tune, enough, iterations[i].metric))
			return iterations[i].number;
	}
	return n;
}

/* FINALISTS and NEIGHBOURS are measured alike. */
static double
value_of(const rmf_tune *tune, int32_t point, rmf_round round)
{
	const rmf_tune_result *result = &tune->result[point];

	if (round == RMF_TUNE_NEIGHBOURS && isnan(result->value[round]))
		return result->value[RMF_TUNE_FINALISTS];
	return result->value[round];
}

/* Lists the best "most" points by what a round has told, the first of equals first. */
static void
list_best(rmf_tune *tune, rmf_round round, int32_t most)
{
	int32_t		n = 0;

	for (int32_t p = 0; p < tune->n; p++)
	{
		double		value = value_of(tune, p, round);
		int32_t		at;

		if (isnan(value))
			continue;
		for (at = n; at > 0 && rmf_tune_is_better(tune, value, value_of(tune, tune->listed[at - 1], round)); at--)
			tune->listed[at] = tune->listed[at - 1];
		tune->listed[at] = p;
		n++;
	}
	tune->n_listed = n < most ? n : most;
	tune->next = 0;
}

static int
is_listed(const rmf_tune *tune, int32_t point)
{
	for (int32_t i = 0; i < tune->n_listed; i++)
	{
		if (tune->listed[i] == point)
			return 1;
	}
	return 0;
}

/* The best point with all factors, or -1. */
static int32_t
best_full(const rmf_tune *tune)
{
	rmf_round	round = tune->plan.only_draws ? RMF_TUNE_RANDOM : RMF_TUNE_NEIGHBOURS;
	int32_t		best = -1;

	for (int32_t p = 0; p < tune->n; p++)
	{
		double		value = value_of(tune, p, round);

		if (!isnan(value) && (best < 0 || rmf_tune_is_better(tune, value, value_of(tune, best, round))))
			best = p;
	}
	/* a plan of one trial */
	if (best < 0 && tune->n > 0 && !isnan(tune->result[0].value[RMF_TUNE_FINALISTS]))
		best = 0;
	return best;
}

/* A round is over: what the next one tries. */
static void
next_round(rmf_tune *tune)
{
	int32_t		told = tune->told[tune->round];

	switch (tune->round)
	{
		case RMF_TUNE_DRAWS:
			tune->round = RMF_TUNE_HALVING;
			list_best(tune, RMF_TUNE_DRAWS, (told + 2) / 3);
			/* nothing is gained by comparing one with itself */
			if (tune->n_listed == 1)
				tune->next = 1;
			break;
		case RMF_TUNE_HALVING:
			tune->round = RMF_TUNE_FINALISTS;
			list_best(tune, tune->told[RMF_TUNE_HALVING] > 0 ? RMF_TUNE_HALVING : RMF_TUNE_DRAWS,
					  told > 0 ? FINALISTS : 1);
			if (!is_listed(tune, 0))
				tune->listed[tune->n_listed++] = 0;
			break;
		case RMF_TUNE_FINALISTS:
			tune->round = RMF_TUNE_NEIGHBOURS;
			tune->centre = best_full(tune);
			break;
		case RMF_TUNE_NEIGHBOURS:
		case RMF_TUNE_RANDOM:
			list_best(tune, tune->round, STOPPED);
			/* where the number of iterations is given there is nothing to find */
			if (tune->plan.iterations > 0)
				tune->n_listed = 0;
			tune->round = RMF_TUNE_STOPPING;
			break;
		default:
			tune->is_over = 1;
			break;
	}
}

static int
is_known(const rmf_tune *tune, const rmf_tune_point *point)
{
	for (int32_t p = 0; p < tune->n; p++)
	{
		int			same = 1;

		for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
			same &= fabs(tune->result[p].point.at[c] - point->at[c]) < 1e-6;
		if (same)
			return 1;
	}
	return 0;
}

static double
unit_of(int c)
{
	return c == RMF_TUNE_SCALING ? step_scaling[0] : log(step_factor[0]);
}

/* Where a point lies, seen from the centre. */
static void
see_from_centre(const rmf_tune *tune, int32_t point, double *at)
{
	const rmf_tune_point *centre = &tune->result[tune->centre].point;

	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
		at[c] = (tune->result[point].point.at[c] - centre->at[c]) / unit_of(c);
}

/* With all factors; few of them have their best settings elsewhere, and are better not asked. */
static void
fit_surrogate(const rmf_tune *tune, rmf_surrogate *surrogate)
{
	double		best = value_of(tune, tune->centre, RMF_TUNE_NEIGHBOURS);

	rmf_surrogate_init(surrogate);
	for (int32_t p = 0; p < tune->n; p++)
	{
		double		value = value_of(tune, p, RMF_TUNE_NEIGHBOURS);
		double		at[RMF_TUNE_COORDINATES];
		double		distance = 0;

		if (isnan(value))
			continue;
		value = 100 * (value - best) / fabs(best) * (tune->plan.larger_is_better ? 1 : -1);
		see_from_centre(tune, p, at);
		for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
			distance += at[c] * at[c];
		rmf_surrogate_add(surrogate, at, value, LEAST_SD + MISFIT * (distance + fabs(value)));
	}
	rmf_surrogate_solve(surrogate);
}

/* How far the next known point with all factors is, along the coordinate in which it is farthest. */
static double
distance_to_known(const rmf_tune *tune, const double *at)
{
	double		least = INFINITY;

	for (int32_t p = 0; p < tune->n; p++)
	{
		double		known[RMF_TUNE_COORDINATES];
		double		most = 0;

		if (isnan(value_of(tune, p, RMF_TUNE_NEIGHBOURS)))
			continue;
		see_from_centre(tune, p, known);
		for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
			most = fmax(most, fabs(known[c] - at[c]));
		least = fmin(least, most);
	}
	return least;
}

/* The place within a step of the centre where the surrogate expects most; 0: it is known already. */
static int
find_expected(const rmf_tune *tune, rmf_tune_point *point)
{
	const rmf_tune_point *centre = &tune->result[tune->centre].point;
	rmf_surrogate surrogate;
	double		most = -INFINITY;
	double		best[RMF_TUNE_COORDINATES] = {0};
	int			n = 1;

	fit_surrogate(tune, &surrogate);
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
		n *= 2 * PLACES + 1;
	for (int place = 0; place < n; place++)
	{
		double		at[RMF_TUNE_COORDINATES];
		double		value;

		for (int c = 0, rest = place; c < RMF_TUNE_COORDINATES; c++, rest /= 2 * PLACES + 1)
		{
			at[c] = (double) (rest % (2 * PLACES + 1) - PLACES) / PLACES;
			if (!tune->plan.is_free[c])
				at[c] = 0;
			else if (c == RMF_TUNE_SCALING)
				at[c] = (clamp(centre->at[c] + at[c] * unit_of(c), tune->plan.least_scaling, tune->plan.most_scaling) -
						 centre->at[c]) / unit_of(c);
		}
		value = rmf_surrogate_value(&surrogate, at);
		if (value > most)
		{
			most = value;
			memcpy(best, at, sizeof(best));
		}
	}
	for (int c = 0; c < RMF_TUNE_COORDINATES; c++)
		point->at[c] = centre->at[c] + best[c] * unit_of(c);
	return distance_to_known(tune, best) >= LEAST_DISTANCE;
}

/* The next point beside the centre that is new; 0: there is none any more. */
static int
find_neighbour(rmf_tune *tune, rmf_tune_point *point)
{
	if (tune->centre < 0 || tune->n >= tune->plan.trials)
		return 0;
	tune->is_expected = find_expected(tune, point);
	if (tune->is_expected)
		return 1;
	while (tune->step < STEPS)
	{
		int			c = tune->move / 2;
		double		sign = tune->move % 2 == 0 ? -1 : 1;

		if (tune->misses >= MOVES)
		{
			tune->step++;
			tune->misses = 0;
			continue;
		}
		*point = tune->result[tune->centre].point;
		if (c == RMF_TUNE_SCALING)
			point->at[c] = clamp(point->at[c] + sign * step_scaling[tune->step],
								 tune->plan.least_scaling, tune->plan.most_scaling);
		else
			point->at[c] += sign * log(step_factor[tune->step]);
		if (tune->plan.is_free[c] && !is_known(tune, point))
			return 1;
		tune->misses++;
		tune->move = (tune->move + 1) % MOVES;
	}
	return 0;
}

static int32_t
least(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t
few_factors(const rmf_tune *tune)
{
	int32_t		half = tune->plan.factors / 2;

	return least(half > FEW_FACTORS ? half : FEW_FACTORS, tune->plan.factors);
}

void
rmf_tune_set_users(rmf_tune_plan *plan, const rmf_run_shape *shape, int64_t n_entries)
{
	double		trained = rmf_run_products(shape, n_entries) * FULL_EVERY * RANKED_PER_TRAINED;
	double		of_user = (double) shape->n[RMF_ITEMS] * rmf_dimensions(&shape->problem);
	double		most = (double) shape->n[RMF_USERS];

	plan->full_users = (int64_t) fmin(fmax(trained / of_user, FULL_USERS), most);
	plan->last_users = (int64_t) fmin(LAST_TIMES * (double) plan->full_users, most);
}

/* But for the point's coordinates, which may not be known yet. */
static void
set_trial(const rmf_tune *tune, int32_t point, rmf_round round, rmf_tune_trial *trial)
{
	int32_t		given = tune->plan.iterations;

	trial->number = point + 1;
	trial->round = round;
	trial->factors = tune->plan.factors;
	trial->every = FULL_EVERY;
	trial->patience = PATIENCE;
	trial->iterations = FULL_ITERATIONS;
	trial->users = tune->plan.full_users;
	switch (round)
	{
		case RMF_TUNE_DRAWS:
			trial->factors = few_factors(tune);
			trial->iterations = DRAW_ITERATIONS;
			trial->every = DRAW_ITERATIONS;
			trial->users = DRAW_USERS;
			break;
		case RMF_TUNE_HALVING:
			trial->factors = few_factors(tune);
			trial->iterations = HALVING_ITERATIONS;
			trial->every = HALVING_ITERATIONS / 2;
			trial->users = FULL_USERS;
			break;
		case RMF_TUNE_STOPPING:
			trial->iterations = MOST_ITERATIONS;
			trial->every = LAST_EVERY;
			trial->users = tune->plan.last_users;
			break;
		default:
			break;
	}
	if (given > 0)
	{
		int			few = round == RMF_TUNE_DRAWS || round == RMF_TUNE_HALVING;

		trial->iterations = few ? least(trial->iterations, given) : given;
		trial->every = trial->iterations;
		trial->patience = 0;
	}
}

void
rmf_tune_describe(const rmf_tune *tune, int32_t point, rmf_round round, rmf_tune_trial *trial)
{
	set_trial(tune, point, round, trial);
	trial->point = tune->result[point].point;
}

int
rmf_tune_next(rmf_tune *tune, double spent, rmf_tune_trial *trial)
{
	while (!tune->is_over)
	{
		int			has_time = spent < share_of_time[tune->round] || tune->told[tune->round] == 0;
		int32_t		point = -1;

		if (spent >= 1)
			break;
		switch (tune->round)
		{
			case RMF_TUNE_DRAWS:
			case RMF_TUNE_RANDOM:
				if (has_time && tune->told[tune->round] < tune->n_draws)
				{
					point = tune->told[tune->round];
					trial->point = draw(&tune->plan, point);
				}
				break;
			case RMF_TUNE_NEIGHBOURS:
				if (spent < share_of_time[tune->round] && find_neighbour(tune, &trial->point))
					point = tune->n;
				break;
			default:
				if (has_time && tune->next < tune->n_listed)
				{
					point = tune->listed[tune->next];
					trial->point = tune->result[point].point;
				}
				break;
		}
		if (point >= 0)
		{
			set_trial(tune, point, tune->round, trial);
			return 1;
		}
		next_round(tune);
	}
	return 0;
}

void
rmf_tune_tell(rmf_tune *tune, const rmf_tune_trial *trial, double value, int32_t iterations, double seconds)
{
	int32_t		point = trial->number - 1;

	if (point == tune->n)
		point = add_point(tune, &trial->point);
	tune->result[point].value[trial->round] = value;
	tune->result[point].iterations[trial->round] = iterations;
	tune->seconds[trial->round] += seconds;
	tune->told[trial->round]++;
	if (trial->round == RMF_TUNE_NEIGHBOURS)
	{
		if (tune->centre < 0 || rmf_tune_is_better(tune, value, value_of(tune, tune->centre, trial->round)))
		{
			/* on from there in the same direction */
			tune->centre = point;
			tune->misses = 0;
		}
		else if (!tune->is_expected)
		{
			tune->misses++;
			tune->move = (tune->move + 1) % MOVES;
		}
	}
	else if (trial->round != RMF_TUNE_DRAWS && trial->round != RMF_TUNE_RANDOM)
		tune->next++;
}

int32_t
rmf_tune_best(const rmf_tune *tune, int32_t *iterations)
{
	static const rmf_round lesser[] = {RMF_TUNE_HALVING, RMF_TUNE_DRAWS};
	int32_t		best = -1;

	*iterations = tune->plan.iterations;
	for (int32_t p = 0; p < tune->n; p++)
	{
		double		value = tune->result[p].value[RMF_TUNE_STOPPING];

		if (!isnan(value) && (best < 0 || rmf_tune_is_better(tune, value, tune->result[best].value[RMF_TUNE_STOPPING])))
			best = p;
	}
	if (best < 0)
		best = best_full(tune);
	if (best >= 0)
	{
		const rmf_tune_result *result = &tune->result[best];
		static const rmf_round full[] = {RMF_TUNE_STOPPING, RMF_TUNE_NEIGHBOURS, RMF_TUNE_FINALISTS, RMF_TUNE_RANDOM};

		for (int i = 0; i < 4 && *iterations == 0; i++)
		{
			if (!isnan(result->value[full[i]]))
				*iterations = result->iterations[full[i]];
		}
		return best;
	}
	/* few factors say nothing of the number of iterations: that is left to the rule */
	for (int i = 0; i < 2 && best < 0; i++)
	{
		for (int32_t p = 0; p < tune->n; p++)
		{
			double		value = tune->result[p].value[lesser[i]];

			if (!isnan(value) && (best < 0 || rmf_tune_is_better(tune, value, tune->result[best].value[lesser[i]])))
				best = p;
		}
	}
	return best;
}

/* How much longer a trial of a round takes than one of DRAWS. */
static double
relative_cost(const rmf_tune *tune, rmf_round round)
{
	double		few = few_factors(tune);
	double		full = tune->plan.factors / few;
	double		iterations = tune->plan.iterations > 0 ? tune->plan.iterations : FULL_ITERATIONS;

	switch (round)
	{
		case RMF_TUNE_DRAWS:
			return 1;
		case RMF_TUNE_HALVING:
			return 2;
		case RMF_TUNE_STOPPING:
			return 4 * full;
		default:
			return full * iterations / DRAW_ITERATIONS;
	}
}

/* Of one trial of a round. */
static double
expected_seconds(const rmf_tune *tune, rmf_round round)
{
	double		seconds = 0,
				cost = 0;

	if (tune->told[round] > 0)
		return tune->seconds[round] / tune->told[round];
	for (int r = 0; r < RMF_TUNE_ROUNDS; r++)
	{
		seconds += tune->seconds[r];
		cost += tune->told[r] * relative_cost(tune, (rmf_round) r);
	}
	return cost > 0 ? seconds / cost * relative_cost(tune, round) : NAN;
}

double
rmf_tune_seconds_left(const rmf_tune *tune, int32_t *trials)
{
	int32_t		left[RMF_TUNE_ROUNDS] = {0};
	double		seconds = 0;

	*trials = 0;
	if (tune->is_over)
		return 0;
	switch (tune->round)
	{
		case RMF_TUNE_DRAWS:
			left[RMF_TUNE_DRAWS] = tune->n_draws - tune->told[RMF_TUNE_DRAWS];
			left[RMF_TUNE_HALVING] = (tune->n_draws + 2) / 3;
			left[RMF_TUNE_FINALISTS] = FINALISTS + 1;
			left[RMF_TUNE_NEIGHBOURS] = tune->plan.trials - tune->n_draws;
			break;
		case RMF_TUNE_HALVING:
			left[RMF_TUNE_HALVING] = tune->n_listed - tune->next;
			left[RMF_TUNE_FINALISTS] = FINALISTS + 1;
			left[RMF_TUNE_NEIGHBOURS] = tune->plan.trials - tune->n;
			break;
		case RMF_TUNE_FINALISTS:
			left[RMF_TUNE_FINALISTS] = tune->n_listed - tune->next;
			left[RMF_TUNE_NEIGHBOURS] = tune->plan.trials - tune->n;
			break;
		case RMF_TUNE_NEIGHBOURS:
			left[RMF_TUNE_NEIGHBOURS] = tune->plan.trials - tune->n;
			break;
		case RMF_TUNE_RANDOM:
			left[RMF_TUNE_RANDOM] = tune->n_draws - tune->told[RMF_TUNE_RANDOM];
			break;
		default:
			break;
	}
	if (tune->plan.iterations == 0)
		left[RMF_TUNE_STOPPING] = tune->round == RMF_TUNE_STOPPING ? tune->n_listed - tune->next : least(STOPPED, tune->plan.trials);
	for (int r = 0; r < RMF_TUNE_ROUNDS; r++)
	{
		if (left[r] <= 0)
			continue;
		*trials += left[r];
		seconds += left[r] * expected_seconds(tune, (rmf_round) r);
	}
	return seconds;
}

/* The sum over all rows of their penalties at lambda 1. */
static double
sum_of_penalties(const rmf_problem *problem, double scaling, int64_t n_users, const int64_t *user_start,
				 int64_t n_items, const int64_t *item_start)
{
	rmf_problem unit = *problem;
	double		sum = 0;

	unit.regularization[RMF_USERS] = unit.regularization[RMF_ITEMS] = 1;
	unit.regularization_scaling = scaling;
	for (int64_t u = 0; u < n_users; u++)
		sum += rmf_als_row_penalty(&unit, RMF_USERS, (double) (user_start[u + 1] - user_start[u]), n_items);
	for (int64_t i = 0; i < n_items; i++)
		sum += rmf_als_row_penalty(&unit, RMF_ITEMS, (double) (item_start[i + 1] - item_start[i]), n_users);
	return sum;
}

static void
multiply(double *setting, double log_factor)
{
	*setting *= exp(log_factor);
}

rmf_status
rmf_tune_settings(const rmf_tune_point *point, const rmf_settings *given, const rmf_csr_stats *ratings,
				  int64_t n_users, const int64_t *user_start, int64_t n_items, const int64_t *item_start,
				  rmf_settings *settings, const char **field)
{
	double		weight = point->at[RMF_TUNE_WEIGHT];
	rmf_settings weighted = *given;
	rmf_problem problem;
	double		sum;
	rmf_status	status;

	*settings = *given;
	status = rmf_settings_resolve(settings, n_users, n_items, ratings, field);
	if (status != RMF_OK || (weight == 0 && point->at[RMF_TUNE_SCALING] == 0 && point->at[RMF_TUNE_REGULARIZATION] == 0))
		return status;
	rmf_problem_init(&problem, settings, ratings);
	sum = settings->regularization *
		sum_of_penalties(&problem, settings->regularization_scaling, n_users, user_start, n_items, item_start);

	if (weight != 0)
	{
		if (given->feedback == RMF_IMPLICIT)
		{
			weighted.alpha = settings->alpha;
			multiply(&weighted.alpha, -weight);
		}
		else if (given->feedback == RMF_LOGISTIC)
		{
			weighted.unobserved_weight = settings->unobserved_weight;
			multiply(&weighted.unobserved_weight, weight);
			weighted.unobserved_weight = fmin(weighted.unobserved_weight, 1);
		}
		else
		{
			weighted.bias_regularization = settings->bias_regularization;
			multiply(&weighted.bias_regularization, weight);
		}
		*settings = weighted;
		status = rmf_settings_resolve(settings, n_users, n_items, ratings, field);
		if (status != RMF_OK)
			return status;
	}

	settings->regularization_scaling += point->at[RMF_TUNE_SCALING];
	if (isnan(given->regularization))
	{
		rmf_problem_init(&problem, settings, ratings);
		settings->regularization = sum /
			sum_of_penalties(&problem, settings->regularization_scaling, n_users, user_start, n_items, item_start);
		multiply(&settings->regularization, point->at[RMF_TUNE_REGULARIZATION]);
	}
	return RMF_OK;
}

void
rmf_tune_free(const rmf_settings *given, rmf_tune_plan *plan)
{
	rmf_settings rule = *given;
	const rmf_csr_stats ratings = {.n_entries = 1, .sum = 1, .mean = 1, .sd = 1, .min = 1, .max = 1, .weight = 1};
	const char *field;

	/* where each side has its own, there is none left for both */
	plan->is_free[RMF_TUNE_REGULARIZATION] = isnan(given->regularization) &&
		(isnan(given->user_regularization) || isnan(given->item_regularization));
	plan->is_free[RMF_TUNE_WEIGHT] =
		given->feedback == RMF_IMPLICIT ? isnan(given->alpha) :
		given->feedback == RMF_LOGISTIC ? isnan(given->unobserved_weight) : isnan(given->bias_regularization);
	/* a regularization that is given means another thing with another exponent */
	plan->is_free[RMF_TUNE_SCALING] = isnan(given->regularization_scaling) && isnan(given->regularization) &&
		isnan(given->user_regularization) && isnan(given->item_regularization);
	plan->least_scaling = plan->most_scaling = 0;
	if (plan->is_free[RMF_TUNE_SCALING] && rmf_settings_resolve(&rule, 1, 1, &ratings, &field) == RMF_OK)
	{
		plan->least_scaling = -fmin(LOWER_SCALING, rule.regularization_scaling);
		plan->most_scaling = fmin(HIGHER_SCALING, HIGHEST_SCALING - rule.regularization_scaling);
	}
}

uint64_t
rmf_tune_fingerprint(const rmf_csr *by_user, const uint64_t *user_keys, const uint64_t *item_keys)
{
	uint64_t	sum = 0;

	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
		{
			float		parts[2] = {by_user->value[t], by_user->weight != NULL ? by_user->weight[t] : 1};
			uint64_t	bits;

			memcpy(&bits, parts, sizeof(bits));
			sum += rmf_mix64(rmf_mix64(rmf_mix64(user_keys[u]) ^ item_keys[by_user->column[t]]) ^ bits);
		}
	}
	return sum;
}
