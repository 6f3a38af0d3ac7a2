/*
 * test_chart.c
 *	  Axes cover what they are to show with round ticks; numerals say what the
 *	  number is.
 */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "rmf_chart.h"
#include "rmf_random.h"
#include "unit.h"

static int
axis_is(double low, double high, int most, int whole, double first, double step, int n)
{
	rmf_axis	axis;

	rmf_axis_init(low, high, most, whole, &axis);
	return axis.first == first && axis.step == step && axis.n == n;
}

static void
test_axes(void)
{
	CHECK(axis_is(0, 10, 6, 0, 0, 2, 6));
	CHECK(axis_is(0, 10.1, 6, 0, 0, 5, 4));
	CHECK(axis_is(0.3, 0.6, 6, 0, 0.3, 0.1, 4));
	CHECK(axis_is(-1, 1, 6, 0, -1, 0.5, 5));
	CHECK(axis_is(103, 197, 6, 0, 100, 20, 6));
	CHECK(axis_is(1, 3, 8, 1, 1, 1, 3));
	CHECK(axis_is(1, 16, 8, 1, 0, 5, 5));
	/* the other way round is the same */
	CHECK(axis_is(10, 0, 6, 0, 0, 2, 6));
	/* one value alone, and none */
	CHECK(axis_is(0, 0, 6, 0, 0, 0.2, 6));
	CHECK(axis_is(0, 0, 6, 1, 0, 1, 2));
	CHECK(axis_is(1, 1, 6, 1, 0, 1, 3));
	CHECK(axis_is(NAN, INFINITY, 6, 0, 0, 0.2, 6));
}

/* Whatever the range: it is covered, with few ticks, and no coarser than need be. */
static void
test_any_axis(void)
{
	int			wrong = 0;

	for (uint64_t i = 0; i < 20000; i++)
	{
		double		size = pow(10, (double) (rmf_mix64(i) % 560) - 280);
		double		a = ((double) (rmf_mix64(i + 1000000) % 20001) - 10000) / 10000 * size;
		double		b = a + ((double) (rmf_mix64(i + 2000000) % 10000) + 1) / 10000 * size;
		int			most = 3 + (int) (rmf_mix64(i + 3000000) % 20);
		rmf_axis	axis;
		double		slack;

		rmf_axis_init(a, b, most, 0, &axis);
		slack = 1e-8 * axis.step;
		if (axis.n < 2 || axis.n > most || axis.first > a + slack || rmf_axis_last(&axis) < b - slack)
			wrong++;
		if (axis.first + axis.step <= a || rmf_axis_last(&axis) - axis.step >= b)
			wrong++;
	}
	CHECK(wrong == 0);

	for (int i = 0; i < 4; i++)
	{
		static const double extremes[] = {DBL_MAX, -DBL_MAX, DBL_MIN, INFINITY};
		rmf_axis	axis;

		for (int j = 0; j < 4; j++)
		{
			rmf_axis_init(extremes[i], extremes[j], 6, 0, &axis);
			CHECK(axis.n >= 2 && axis.n <= 6 && isfinite(axis.first) && isfinite(rmf_axis_last(&axis)));
		}
	}
}

static void
test_places(void)
{
	rmf_axis	axis;

	rmf_axis_init(0, 10, 6, 0, &axis);
	CHECK(rmf_axis_place(&axis, 50, 150, 0) == 50);
	CHECK(rmf_axis_place(&axis, 50, 150, 5) == 100);
	CHECK(rmf_axis_place(&axis, 200, 0, 10) == 0);
	CHECK(rmf_axis_place(&axis, 200, 0, 2.5) == 150);
	/* nothing is drawn outside */
	CHECK(rmf_axis_place(&axis, 50, 150, 11) == 150);
	CHECK(rmf_axis_place(&axis, 50, 150, -1e308) == 50);
	CHECK(rmf_axis_place(&axis, 50, 150, NAN) == 50);
}

static const char *
count_of(int64_t value)
{
	static char numeral[RMF_NUMERAL];

	rmf_numeral_count(value, numeral);
	return numeral;
}

static const char *
numeral_of(double value, int significant)
{
	static char numeral[RMF_NUMERAL];

	rmf_numeral(value, significant, numeral);
	return numeral;
}

static const char *
fixed(double value, int decimals)
{
	static char numeral[RMF_NUMERAL];

	rmf_numeral_fixed(value, decimals, numeral);
	return numeral;
}

static const char *
tick_of(double low, double high, int tick)
{
	static char numeral[RMF_NUMERAL];
	rmf_axis	axis;

	rmf_axis_init(low, high, 6, 0, &axis);
	rmf_numeral_tick(&axis, tick, numeral);
	return numeral;
}

static void
test_numerals(void)
{
	CHECK(strcmp(count_of(0), "0") == 0);
	CHECK(strcmp(count_of(999), "999") == 0);
	CHECK(strcmp(count_of(1000), "1,000") == 0);
	CHECK(strcmp(count_of(-1234567), "-1,234,567") == 0);
	CHECK(strcmp(count_of(INT64_MIN), "-9,223,372,036,854,775,808") == 0);

	CHECK(strcmp(numeral_of(0, 4), "0") == 0);
	CHECK(strcmp(numeral_of(0.123456, 4), "0.1235") == 0);
	CHECK(strcmp(numeral_of(12.3456, 3), "12.3") == 0);
	CHECK(strcmp(numeral_of(12345.678, 3), "12,346") == 0);
	CHECK(strcmp(numeral_of(1000, 6), "1,000") == 0);
	CHECK(strcmp(numeral_of(-0.00001234, 3), "-1.23e-05") == 0);
	CHECK(strcmp(numeral_of(1e20, 3), "1e+20") == 0);
	CHECK(strcmp(numeral_of(NAN, 3), "nan") == 0 || strcmp(numeral_of(NAN, 3), "-nan") == 0);
	CHECK(strcmp(fixed(0.5, 1), "0.5") == 0);
	CHECK(strcmp(fixed(-0.001, 2), "0.00") == 0);
	CHECK(strcmp(fixed(-1234.5, 1), "-1,234.5") == 0);
	CHECK(strlen(fixed(DBL_MAX, 20)) < RMF_NUMERAL);
	CHECK(strlen(fixed(-999999999999999.0, 400)) < RMF_NUMERAL);

	CHECK(strcmp(tick_of(0, 1, 1), "0.2") == 0);
	CHECK(strcmp(tick_of(0, 5000, 1), "1,000") == 0);
	CHECK(strcmp(tick_of(0, 50000, 1), "10k") == 0);
	CHECK(strcmp(tick_of(0, 50000, 0), "0") == 0);
	CHECK(strcmp(tick_of(0, 2500000, 1), "0.5M") == 0);
	CHECK(strcmp(tick_of(0, 2500000, 2), "1.0M") == 0);
	CHECK(strcmp(tick_of(0, 1e300, 1), "2e+299") == 0);
}

static void
test_doubling_bins(void)
{
	CHECK(rmf_doubling_bin(-5) == 0);
	CHECK(rmf_doubling_bin(0) == 0);
	CHECK(rmf_doubling_bin(INT64_MAX) == RMF_DOUBLING_BINS - 1);
	for (int bin = 0; bin < RMF_DOUBLING_BINS; bin++)
	{
		int64_t		low,
					high;

		rmf_doubling_bounds(bin, &low, &high);
		CHECK(rmf_doubling_bin(low) == bin && rmf_doubling_bin(high) == bin);
		CHECK(high == INT64_MAX || rmf_doubling_bin(high + 1) == bin + 1);
	}
}

int
main(void)
{
	test_axes();
	test_any_axis();
	test_places();
	test_numerals();
	test_doubling_bins();
	return unit_report("test_chart");
}
