/*
 * test_distributions.c
 *	  The distributions beside values worked out with 40 digits (mpmath), at
 *	  their ends, and beyond them.
 */
#include <float.h>
#include <math.h>

#include "rmf_distributions.h"
#include "unit.h"

#define N_OF(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* |a - b| <= relative * |b| */
#define CHECK_CLOSE(a, b, relative) CHECK_NEAR(a, b, (relative) * fabs(b))

static void
test_normal(void)
{
	static const double expected[][2] = {
		{-38, 2.88542835e-316},
		{-20, 2.7536241186062337e-89},
		{-8, 6.220960574271784e-16},
		{-5, 2.866515718791939e-07},
		{-3, 0.0013498980316300946},
		{-1.96, 0.024997895148220435},
		{-1, 0.15865525393145705},
		{-0.5, 0.3085375387259869},
		{0, 0.5},
		{0.1, 0.539827837277029},
		{1, 0.8413447460685429},
		{1.6448536269514722, 0.95},
		{2.5, 0.9937903346742238},
		{6, 0.9999999990134123},
	};

	for (int i = 0; i < N_OF(expected); i++)
	{
		/* the first is a denormal number: few bits */
		double		relative = expected[i][1] < DBL_MIN ? 1e-7 : 1e-13;

		CHECK_CLOSE(rmf_normal_cdf(expected[i][0]), expected[i][1], relative);
	}
	CHECK(rmf_normal_cdf(-INFINITY) == 0);
	CHECK(rmf_normal_cdf(INFINITY) == 1);
	CHECK(isnan(rmf_normal_cdf(NAN)));
}

static void
test_normal_quantile(void)
{
	static const double expected[][2] = {
		{1e-300, -37.0470962993612},
		{1e-50, -14.933337534788489},
		{1e-12, -7.034483825301132},
		{1e-5, -4.264890793922825},
		{0.001, -3.0902323061678136},
		{0.025, -1.9599639845400543},
		{0.07, -1.4757910281791706},
		{0.08, -1.4050715603096327},
		{0.3, -0.5244005127080408},
		{0.5, 0.0},
		{0.75, 0.6744897501960817},
		{0.9, 1.2815515655446006},
		{0.975, 1.9599639845400538},
		{0.9999, 3.7190164854557084},
	};

	for (int i = 0; i < N_OF(expected); i++)
		CHECK_CLOSE(rmf_normal_quantile(expected[i][0]), expected[i][1], 1e-14);
	for (double p = 0.001; p < 0.5; p += 0.001)
	{
		CHECK_NEAR(rmf_normal_cdf(rmf_normal_quantile(p)), p, 1e-15);
		CHECK_CLOSE(rmf_normal_quantile(1 - p), -rmf_normal_quantile(p), 1e-12);
	}
	CHECK(rmf_normal_quantile(0) == -INFINITY);
	CHECK(rmf_normal_quantile(1) == INFINITY);
	CHECK(isnan(rmf_normal_quantile(-1e-300)));
	CHECK(isnan(rmf_normal_quantile(1.0000001)));
	CHECK(isnan(rmf_normal_quantile(NAN)));
}

static void
test_student(void)
{
	static const double expected[][3] = {
		{1, 1, 0.5},
		{12.706204736432095, 1, 0.0499999999989913},
		{1e200, 1, 6.3661977236758134e-201},
		{1e-9, 3, 0.9999999992648948},
		{4.302652729911275, 2, 0.04999999999651663},
		{0.5, 0.5, 0.7573180729294366},
		{2, 4.7, 0.10557218220343959},
		{2.2281388519649385, 10, 0.05000000000180867},
		{10, 10, 1.5895531755964119e-06},
		{-1.5, 29, 0.14442369604038574},
		{1, 99.5, 0.31973625401538686},
		{30, 100, 8.380332558688292e-52},
		{1.96, 1000, 0.05027318495574872},
		{7, 1000, 4.687502566771423e-12},
		{0.01, 20000, 0.9920213871106698},
		{1.7, 99999, 0.08913403527976052},
		{25, 99999, 1.6217923123692293e-137},
		{1.7, 100001, 0.08913403521756591},
		{25, 100001, 1.6217607985118247e-137},
		{2.5, 1e7, 0.01241934653657847},
		{5, 1e6, 5.733997870890742e-07},
	};

	for (int i = 0; i < N_OF(expected); i++)
	{
		CHECK_CLOSE(rmf_student_two_sided(expected[i][0], expected[i][1]), expected[i][2], 1e-12);
		CHECK(rmf_student_two_sided(-expected[i][0], expected[i][1]) ==
			  rmf_student_two_sided(expected[i][0], expected[i][1]));
	}

	/* one degree of freedom is Cauchy's distribution, infinitely many are the normal one */
	for (double t = 0.01; t < 100; t *= 1.3)
	{
		CHECK_CLOSE(rmf_student_two_sided(t, 1), 2 * atan(1 / t) / acos(-1), 1e-13);
		CHECK_CLOSE(rmf_student_two_sided(t, 2), 1 - t / sqrt(2 + t * t), 1e-11);
		CHECK(rmf_student_two_sided(t, INFINITY) == erfc(t * sqrt(0.5)));
	}
	CHECK(rmf_student_two_sided(0, 7) == 1);
	CHECK(rmf_student_two_sided(INFINITY, 7) == 0);
	CHECK(rmf_student_two_sided(1e-300, 7) == 1);
	CHECK(rmf_student_two_sided(1e300, 7) == 0);
	CHECK(isnan(rmf_student_two_sided(NAN, 7)));
	CHECK(isnan(rmf_student_two_sided(1, NAN)));
	CHECK(isnan(rmf_student_two_sided(1, 0)));
	CHECK(isnan(rmf_student_two_sided(1, -1)));
	/* where one method takes over from the other */
	CHECK_CLOSE(rmf_student_two_sided(3, 5000), rmf_student_two_sided(3, nextafter(5000, 6000)), 1e-12);
}

static void
test_student_critical(void)
{
	CHECK_CLOSE(rmf_student_critical(0.5, 1), 1.0, 1e-14);
	CHECK_CLOSE(rmf_student_critical(0.05, 10), 2.2281388519862744, 1e-14);
	CHECK_CLOSE(rmf_student_critical(0.05, INFINITY), 1.9599639845400543, 1e-14);
	for (double degrees = 0.3; degrees < 1e9; degrees *= 3.7)
		for (double p = 1e-12; p < 1; p *= 2.9)
		{
			double		t = rmf_student_critical(p, degrees);

			/* near p = 1 one step of t is more than one of p */
			if (isfinite(t))
				CHECK_CLOSE(rmf_student_two_sided(t, degrees), p, 1e-12);
			else
				CHECK(degrees < 1);
		}
	CHECK(rmf_student_critical(1, 3) == 0);
	CHECK(rmf_student_critical(0, 3) == INFINITY);
	CHECK(isnan(rmf_student_critical(-0.1, 3)));
	CHECK(isnan(rmf_student_critical(1.1, 3)));
	CHECK(isnan(rmf_student_critical(0.1, 0)));
	CHECK(isnan(rmf_student_critical(NAN, 3)));
	CHECK(isnan(rmf_student_critical(0.1, NAN)));
}

static void
test_chi_square(void)
{
	static const double expected[][3] = {
		{3.841458820694124, 1, 0.05000000000000006},
		{1e-10, 1, 0.9999920211543921},
		{200, 1, 2.088487583762545e-45},
		{5.991464547107979, 2, 0.05000000000000007},
		{0.3, 2, 0.8607079764250578},
		{1, 3, 0.8012519569012008},
		{11.344866730144373, 3, 0.009999999999999995},
		{0.05, 0.5, 0.5634820898161308},
		{60, 5, 1.215456977718304e-11},
		{20, 29.5, 0.9053110538137839},
		{45, 31, 0.049850115148123486},
		{700, 31, 2.3955341641475802e-127},
		{95, 100, 0.6225792918781735},
		{1100, 1000, 0.014614408126295194},
		{1500, 1000, 1.0454640385979658e-22},
		{900, 1000, 0.9892827619087102},
		{100500, 100000, 0.13185481160338378},
		{200005000, 200000000, 0.40128159100072974},
		{199990000, 200000000, 0.6914536596225078},
		{200000000, 200000000, 0.49998670192398587},
	};

	for (int i = 0; i < N_OF(expected); i++)
		CHECK_CLOSE(rmf_chi_square_tail(expected[i][0], expected[i][1]), expected[i][2], 2e-12);

	/* two degrees of freedom are the exponential distribution */
	for (double x = 1e-3; x < 1000; x *= 1.7)
		CHECK_CLOSE(rmf_chi_square_tail(x, 2), exp(-x / 2), 1e-13);

	CHECK(rmf_chi_square_tail(0, 3) == 1);
	CHECK(rmf_chi_square_tail(-1, 3) == 1);
	CHECK(rmf_chi_square_tail(INFINITY, 3) == 0);
	CHECK(rmf_chi_square_tail(3, INFINITY) == 1);
	CHECK(isnan(rmf_chi_square_tail(INFINITY, INFINITY)));
	CHECK(isnan(rmf_chi_square_tail(NAN, 3)));
	CHECK(isnan(rmf_chi_square_tail(3, NAN)));
	CHECK(isnan(rmf_chi_square_tail(3, 0)));
	CHECK(isnan(rmf_chi_square_tail(3, -2)));
	CHECK_CLOSE(rmf_chi_square_tail(1e8 + 5000, 1e8), rmf_chi_square_tail(1e8 + 5000, nextafter(1e8, 2e8)), 1e-9);
}

int
main(void)
{
	test_normal();
	test_normal_quantile();
	test_student();
	test_student_critical();
	test_chi_square();
	return unit_report("distributions");
}
