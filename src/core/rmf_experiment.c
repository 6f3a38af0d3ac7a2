/*
 * rmf_experiment.c
 *	  The arithmetic of A/B tests.
 *
 * Assignment.  Each variant draws an exponential number from the hash of
 * (experiment, user, variant) and divides it by its weight; the least one has
 * the user ("weighted rendezvous hashing": the least of exponential draws is
 * the i-th with probability weight_i / sum of weights).  A variant whose weight
 * alone grows takes users and gives none away, and one whose weight alone falls
 * gives and takes none, so that a new variant or the end of one moves just the
 * users that have to move.  Where several weights change, the least possible
 * part t of users becomes 2 t / (1 + t) at most, which is the best that holds
 * for all changes (Bavarian et al., "On the optimality of correlated sampling",
 * 2016).
 *
 * Comparison.  Every metric is a ratio of sums over users; a mean per user
 * divides by ones.  Its variance is that of the linearised ratio
 * (y - R x) / mean of x: the delta method, Deng, Knoblich, Lu, "Applying the
 * delta method in metric analytics", KDD 2018.  Two variants are compared by
 * Welch's t test.
 *
 * Sequential comparison.  The mixture sequential probability ratio test with a
 * normal mixture over the difference: Johari, Koomen, Pekelis, Walsh, "Always
 * valid inference: continuous monitoring of A/B tests", Operations Research
 * 2022.  With d the difference, V its variance and t^2 that of the mixture
 *
 *		L = sqrt(V / (V + t^2)) exp(t^2 d^2 / (2 V (V + t^2)))
 *
 * the p-value is min(1, 1 / L), and the interval holds what it would not
 * reject.  Under no difference L passes 1 / alpha with probability alpha at
 * most, however often one looks.  That the variance is estimated makes it hold
 * for growing numbers of users: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
 * "Time-uniform central limit theory and asymptotic confidence sequences",
 * Annals of Statistics 2024, where t^2 is a multiple rho^2 of the variance of
 * one user (here: of V times the number of users, which stays the same while
 * users come in constant shares).  rho^2 is what makes the interval as narrow
 * as can be at the planned number of users: it must not depend on the number
 * that one looks at.  Early looks are far from the bound, so that few users,
 * whose difference is not yet normal, cannot pass it by accident.
 */
#include <float.h>
#include <math.h>

#include "rmf_distributions.h"
#include "rmf_experiment.h"
#include "rmf_random.h"

/* So that the hash of assignment has nothing to do with any other of ours. */
#define ASSIGNMENT_SEED UINT64_C(0x61622D61737369)

/* What is smaller beside its terms is rounding and no variation. */
#define ROUNDING 1e-13

int
rmf_assign(const char *experiment, size_t experiment_length, const char *user, size_t user_length,
		   const rmf_variant *variants, int n_variants)
{
	uint64_t	hash = rmf_hash_bytes(user, user_length,
									  rmf_hash_bytes(experiment, experiment_length, ASSIGNMENT_SEED));
	double		largest = 0,
				least = INFINITY;
	int			chosen = -1;

	for (int i = 0; i < n_variants; i++)
		if (variants[i].weight > largest)
			largest = variants[i].weight;

	for (int i = 0; i < n_variants; i++)
	{
		double		share = variants[i].weight / largest,
					draw;

		if (!(share > 0))
			continue;
		draw = rmf_exponential(rmf_hash_bytes(variants[i].name, variants[i].length, hash)) / share;
		if (draw < least || chosen < 0)
		{
			least = draw;
			chosen = i;
		}
	}
	return chosen;
}

/* Welford's update. */
void
rmf_ratio_add(rmf_ratio_sums *sums, double y, double x)
{
	double		from_y = y - sums->mean_y,
				from_x = x - sums->mean_x;

	sums->n++;
	sums->mean_y += from_y / (double) sums->n;
	sums->mean_x += from_x / (double) sums->n;
	sums->yy += from_y * (y - sums->mean_y);
	sums->yx += from_y * (x - sums->mean_x);
	sums->xx += from_x * (x - sums->mean_x);
}

void
rmf_ratio_estimate(const rmf_ratio_sums *sums, rmf_ratio *ratio)
{
	double		n = (double) sums->n,
				value,
				spread;

	ratio->value = ratio->variance = NAN;
	if (sums->n < 1 || sums->mean_x == 0)
		return;
	ratio->value = value = sums->mean_y / sums->mean_x;
	if (sums->n < 2)
		return;
	spread = sums->yy - 2 * value * sums->yx + value * value * sums->xx;
	if (spread <= ROUNDING * (sums->yy + value * value * sums->xx))
		spread = 0;
	ratio->variance = spread / (n - 1) / n / (sums->mean_x * sums->mean_x);
}

static int
is_inside(double x, double low, double high)
{
	return x > low && x < high;
}

/* rho^2 times the planned number of users: where (1 + c) / c (2 log(1 / alpha) + log(1 + c)) is least. */
static double
best_mixture(double alpha)
{
	double		least = -2 * log(alpha),
				c = least,
				last;

	/* a contraction, by the more the greater c is */
	do
	{
		last = c;
		c = least + log1p(last);
	} while (c > last * (1 + DBL_EPSILON));
	return c;
}

/* The half of the interval in standard errors, with c = rho^2 times the number of users. */
static double
sequential_width(double alpha, double c)
{
	return sqrt((1 + c) / c * (-2 * log(alpha) + log1p(c)));
}

rmf_status
rmf_compare(const rmf_ratio_sums *control, const rmf_ratio_sums *treatment, const rmf_test_plan *plan,
			rmf_comparison *comparison)
{
	double		alpha = 1 - plan->confidence,
				variance,
				z;
	rmf_ratio	a,
				b;

	if (!is_inside(alpha, 0, 1) || !(plan->planned_users >= 0) || isinf(plan->planned_users))
		return RMF_BAD_ARGUMENT;

	comparison->difference = comparison->relative = NAN;
	comparison->low = comparison->high = comparison->p_value = NAN;

	if ((control->n > 0 && control->mean_x == 0) || (treatment->n > 0 && treatment->mean_x == 0))
	{
		comparison->comparability = RMF_NO_DENOMINATOR;
		return RMF_OK;
	}
	rmf_ratio_estimate(control, &a);
	rmf_ratio_estimate(treatment, &b);
	if (control->n > 0 && treatment->n > 0)
	{
		comparison->difference = b.value - a.value;
		if (a.value != 0)
			comparison->relative = comparison->difference / a.value;
	}
	if (control->n < 2 || treatment->n < 2)
	{
		comparison->comparability = RMF_TOO_FEW_USERS;
		return RMF_OK;
	}
	variance = a.variance + b.variance;
	if (!isfinite(variance) || !isfinite(comparison->difference))
		return RMF_NOT_FINITE;
	if (variance == 0)
	{
		comparison->comparability = RMF_NO_VARIATION;
		return RMF_OK;
	}

	comparison->comparability = RMF_COMPARABLE;
	z = comparison->difference / sqrt(variance);
	if (plan->planned_users > 0)
	{
		double		users = (double) control->n + (double) treatment->n,
					c = best_mixture(alpha) * users / plan->planned_users,
					log_ratio = z * z / 2 * c / (1 + c) - log1p(c) / 2;

		comparison->p_value = log_ratio > 0 ? exp(-log_ratio) : 1;
		z = sequential_width(alpha, c);
	}
	else
	{
		/* parts of the variance, so that their squares stay in range */
		double		part_a = a.variance / variance,
					part_b = b.variance / variance,
					degrees = 1 / (part_a * part_a / (double) (control->n - 1) +
								   part_b * part_b / (double) (treatment->n - 1));

		comparison->p_value = rmf_student_two_sided(z, degrees);
		z = rmf_student_critical(alpha, degrees);
	}
	comparison->low = comparison->difference - z * sqrt(variance);
	comparison->high = comparison->difference + z * sqrt(variance);
	return RMF_OK;
}

double
rmf_sample_ratio_p_value(const int64_t *users, const double *weights, int n_variants)
{
	double		n = 0,
				largest = 0,
				sum = 0,
				distance = 0;
	int			n_expected = 0;

	for (int i = 0; i < n_variants; i++)
	{
		n += (double) users[i];
		if (weights[i] > largest)
			largest = weights[i];
	}
	for (int i = 0; i < n_variants; i++)
	{
		n_expected += weights[i] > 0;
		sum += weights[i] / largest;
	}
	if (n == 0 || !(largest > 0))
		return NAN;
	for (int i = 0; i < n_variants; i++)
	{
		double		expected = n * (weights[i] / largest / sum),
					difference = (double) users[i] - expected;

		if (expected > 0)
			distance += difference * difference / expected;
		else if (users[i] > 0)
			return 0;
	}
	return n_expected < 2 ? NAN : rmf_chi_square_tail(distance, n_expected - 1);
}

/*
 * With w the parts of control and treatment in N users, the difference has the
 * variance (v_control / w_control + v_treatment / w_treatment) / N, and N makes
 * the effect as many standard errors as the bound of the test and the quantile
 * of the power together.  A quarter of the bound's square for each variant is
 * what the t distribution asks for beyond the normal one (Guenther, "Sample
 * size formulas for normal theory t tests", The American Statistician 1981).
 */
rmf_status
rmf_sample_size(const rmf_sample_plan *plan, const double *weights, int n_variants, int64_t *users)
{
	int			proportions = isnan(plan->deviation);
	double		alpha = 1 - plan->confidence,
				rest = 0,
				changed = plan->baseline + plan->effect,
				of_control,
				of_treatment,
				bound,
				total = 0,
				largest = 0;

	if (n_variants < 2 || !isfinite(plan->effect) || plan->effect == 0 ||
		!is_inside(alpha, 0, 1) || !is_inside(plan->power, 0, 1))
		return RMF_BAD_ARGUMENT;
	if (proportions ? !is_inside(plan->baseline, 0, 1) || !is_inside(changed, 0, 1)
		: !(plan->deviation > 0) || isinf(plan->deviation))
		return RMF_BAD_ARGUMENT;
	for (int i = 0; i < n_variants; i++)
	{
		if (!(weights[i] > 0) || isinf(weights[i]))
			return RMF_BAD_ARGUMENT;
		if (weights[i] > largest)
			largest = weights[i];
	}

	/* in units of the effect, so that no square leaves the range */
	of_control = proportions ? sqrt(plan->baseline * (1 - plan->baseline)) : plan->deviation;
	of_treatment = proportions ? sqrt(changed * (1 - changed)) : plan->deviation;
	of_control /= plan->effect;
	of_treatment /= plan->effect;

	if (plan->sequential)
		bound = sequential_width(alpha, best_mixture(alpha));
	else
	{
		bound = -rmf_normal_quantile(alpha / 2);
		rest = bound * bound / 4;
	}

	/* total is in users for the largest weight */
	for (int i = 1; i < n_variants; i++)
	{
		double		sum = bound + rmf_normal_quantile(plan->power),
					needed = sum * sum * (of_control * of_control / (weights[0] / largest) +
										  of_treatment * of_treatment / (weights[i] / largest));

		if (sum > 0 && needed > total)
			total = needed;
	}
	for (int i = 0; i < n_variants; i++)
	{
		double		n = ceil(total * (weights[i] / largest) + rest);

		if (!(n < 0x1p63))
			return RMF_OVERFLOW;
		users[i] = n < 2 ? 2 : (int64_t) n;
	}
	return RMF_OK;
}
