/*
 * rmf_distributions.c
 *	  The normal, Student's and the chi-square distribution.
 *
 * The normal distribution is the C library's erfc() and Wichura's AS 241.  The
 * other two are an incomplete beta and an incomplete gamma function: a
 * continued fraction or a series where few terms do, an asymptotic expansion
 * where the degrees of freedom are many.  Differences of lgamma() are avoided:
 * they lose the digits that large arguments have before the point.
 */
#include <float.h>
#include <math.h>

#include "rmf_distributions.h"

#define SQRT_HALF 0.70710678118654752440
#define SQRT_PI 1.77245385090551602730
#define LOG_TWO_PI 1.83787706640934548356

/* Beyond these the expansions are exact, and the fractions would take long. */
#define MANY_STUDENT_DEGREES 5000
#define MANY_CHI_SQUARE_DEGREES 1e8

/* More than the fractions need below these degrees of freedom: a bound on the loops, no precision. */
#define MOST_TERMS 1000000

double
rmf_normal_cdf(double z)
{
	return 0.5 * erfc(-z * SQRT_HALF);
}

/* c[7] x^7 + ... + c[0] over d[7] x^7 + ... + d[0] */
static double
rational(const double c[8], const double d[8], double x)
{
	double		above = c[7],
				below = d[7];

	for (int i = 6; i >= 0; i--)
	{
		above = above * x + c[i];
		below = below * x + d[i];
	}
	return above / below;
}

/* M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, 1988 (PPND16). */
double
rmf_normal_quantile(double p)
{
	static const double middle[2][8] = {
		{3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
			1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
		3.3430575583588128105e+4, 2.5090809287301226727e+3},
		{1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
			2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
		5.2264952788528545610e+3}
	};
	static const double shoulder[2][8] = {
		{1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
			3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
		2.27238449892691845833e-2, 7.74545014278341407640e-4},
		{1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
			1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
		1.05075007164441684324e-9}
	};
	static const double tail[2][8] = {
		{6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
			2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
		2.71155556874348757815e-5, 2.01033439929228813265e-7},
		{1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
			7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
		2.04426310338993978564e-15}
	};
	double		q = p - 0.5,
				r,
				z;

	if (!(p >= 0 && p <= 1))
		return NAN;
	if (p == 0)
		return -INFINITY;
	if (p == 1)
		return INFINITY;

	if (fabs(q) <= 0.425)
		return q * rational(middle[0], middle[1], 0.180625 - q * q);

	r = sqrt(-log(q < 0 ? p : 1 - p));
	if (r <= 5)
		z = rational(shoulder[0], shoulder[1], r - 1.6);
	else
		z = rational(tail[0], tail[1], r - 5);
	return q < 0 ? -z : z;
}

/* Gamma(a + 1/2) / Gamma(a) */
static double
half_step_of_gamma(double a)
{
	double		ratio = 1,
				square;

	while (a < 20)
	{
		ratio *= a / (a + 0.5);
		a += 1;
	}
	square = 1 / (a * a);
	return ratio * sqrt(a) *
		exp((-1.0 / 8 + square * (1.0 / 192 + square * (-1.0 / 640 + square * (17.0 / 14336 - square * 31.0 / 18432)))) / a);
}

/*
 * The continued fraction of the incomplete beta function by Lentz's method
 * (Press et al., Numerical Recipes, 6.4); fast for x < (a + 1) / (a + b + 2).
 */
static double
beta_fraction(double a, double b, double x)
{
	const double tiny = DBL_MIN / DBL_EPSILON;
	double		c = 1,
				d = 1 - (a + b) * x / (a + 1),
				fraction;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	fraction = d;
	for (int m = 1; m <= MOST_TERMS; m++)
	{
		double		term = m * (b - m) * x / ((a + 2.0 * m - 1) * (a + 2.0 * m)),
					step;

		d = 1 + term * d;
		c = 1 + term / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		fraction *= d * c;

		term = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1));
		d = 1 + term * d;
		c = 1 + term / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = d * c;
		fraction *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return fraction;
}

/* log(1 + ratio^2), also where the square would overflow */
static double
log_one_plus_square(double ratio)
{
	return ratio > 1e10 ? 2 * log(ratio) : log1p(ratio * ratio);
}

/*
 * P(|T| >= |t|) is the incomplete beta function I_x(degrees / 2, 1 / 2) of
 * x = 1 / (1 + t^2 / degrees).  With many degrees of freedom: G. W. Hill,
 * Algorithm 395, 1970, where the continued fraction would lose digits.
 */
double
rmf_student_two_sided(double t, double degrees)
{
	double		a = degrees / 2,
				ratio,
				exponent,
				x,
				rest,
				front;

	if (isnan(t) || !(degrees > 0))
		return NAN;
	t = fabs(t);
	if (isinf(t))
		return 0;
	if (t == 0)
		return 1;
	if (isinf(degrees))
		return erfc(t * SQRT_HALF);

	ratio = t / sqrt(degrees);
	exponent = log_one_plus_square(ratio);
	if (degrees > MANY_STUDENT_DEGREES)
	{
		double		n = degrees - 0.5,
					b = 48 * n * n,
					y = n * exponent,
					z = (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * sqrt(y);

		return erfc(z * SQRT_HALF);
	}

	x = 1 / (1 + ratio * ratio);
	rest = ratio < 1 ? ratio * ratio * x : 1 / (1 + 1 / ratio / ratio);
	front = exp(-a * exponent) * sqrt(rest) * half_step_of_gamma(a) / SQRT_PI;
	if (x < (a + 1) / (a + 2.5))
		return front * beta_fraction(a, 0.5, x) / a;
	return 1 - front * beta_fraction(0.5, a, rest) / 0.5;
}

/* Halves the interval in the logarithm of t, except that Newton's step is taken where it stays inside. */
double
rmf_student_critical(double p, double degrees)
{
	double		low = -745,
				high = 709,
				at;

	if (!(p >= 0 && p <= 1) || !(degrees > 0))
		return NAN;
	if (p == 0)
		return INFINITY;
	if (p == 1)
		return 0;
	if (isinf(degrees))
		return -rmf_normal_quantile(p / 2);

	at = log(-rmf_normal_quantile(p / 2));
	for (int i = 0; i < 200; i++)
	{
		double		t = exp(at),
					tail = rmf_student_two_sided(t, degrees),
					density,
					next;

		if (tail > p)
			low = at;
		else
			high = at;

		/* d log(tail) / d log(t), and log(tail / p) to be made 0 */
		density = half_step_of_gamma(degrees / 2) / sqrt(degrees) / SQRT_PI *
			exp(-(degrees + 1) / 2 * log_one_plus_square(t / sqrt(degrees)));
		next = tail > 0 && density > 0 ? at + log(tail / p) * tail / (2 * density * t) : NAN;
		if (!(next > low && next < high))
		{
			if (tail == p)
				break;
			next = low + (high - low) / 2;
		}
		if (fabs(next - at) <= DBL_EPSILON * 2)
		{
			at = next;
			break;
		}
		at = next;
	}
	return exp(at);
}

/* ratio - 1 - log(ratio) for ratio = 1 + excess */
static double
distance_to_one(double excess)
{
	double		sum = 0;

	if (fabs(excess) > 0.05)
		return excess - log1p(excess);
	for (int k = 16; k >= 2; k--)
		sum = (k % 2 == 0 ? 1.0 : -1.0) / k + sum * excess;
	return sum * excess * excess;
}

/* log Gamma(a) - (a - 1/2) log(a) + a - log(2 pi) / 2, for a >= 15 */
static double
stirling_rest(double a)
{
	double		square = 1 / (a * a);

	return (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square * (1.0 / 1680 - square / 1188)))) / a;
}

/*
 * The incomplete gamma function Q(degrees / 2, x / 2): series or continued
 * fraction (Press et al., Numerical Recipes, 6.2).  With many degrees of
 * freedom the first two terms of N. M. Temme's uniform expansion, 1979.
 */
double
rmf_chi_square_tail(double x, double degrees)
{
	double		a = degrees / 2,
				excess,
				distance,
				front;

	if (isnan(x) || !(degrees > 0))
		return NAN;
	if (x <= 0)
		return 1;
	if (isinf(x))
		return isinf(degrees) ? NAN : 0;
	if (isinf(degrees))
		return 1;
	if (degrees == 1)
		return erfc(sqrt(x) * SQRT_HALF);

	x /= 2;
	excess = (x - a) / a;
	distance = distance_to_one(excess);

	if (degrees > MANY_CHI_SQUARE_DEGREES)
	{
		double		eta = copysign(sqrt(2 * distance), excess),
					correction = fabs(eta) < 1e-5 ? -1.0 / 3 + eta / 12 : 1 / excess - 1 / eta;

		return 0.5 * erfc(eta * sqrt(a / 2)) +
			exp(-a * distance - 0.5 * LOG_TWO_PI) / sqrt(a) * correction;
	}

	/* x^a e^-x / Gamma(a) */
	if (a < 15)
		front = exp(a * log(x) - x) / tgamma(a);
	else
		front = exp(-a * distance - stirling_rest(a) - 0.5 * LOG_TWO_PI) * sqrt(a);

	if (x < a + 1)
	{
		double		term = 1 / a,
					sum = term;

		for (int n = 1; n <= MOST_TERMS && term > sum * DBL_EPSILON / 4; n++)
		{
			term *= x / (a + n);
			sum += term;
		}
		return 1 - front * sum;
	}
	else
	{
		const double tiny = DBL_MIN / DBL_EPSILON;
		double		b = x + 1 - a,
					c = 1 / tiny,
					d = 1 / b,
					fraction = d;

		for (int n = 1; n <= MOST_TERMS; n++)
		{
			double		term = -n * (n - a),
						step;

			b += 2;
			d = term * d + b;
			d = 1 / (fabs(d) < tiny ? tiny : d);
			c = b + term / c;
			c = fabs(c) < tiny ? tiny : c;
			step = d * c;
			fraction *= step;
			if (fabs(step - 1) < DBL_EPSILON)
				break;
		}
		return front * fraction;
	}
}
