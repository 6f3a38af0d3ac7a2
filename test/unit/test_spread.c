/*
 * test_spread.c
 *	  The Gini coefficient, the curve of concentration and the head, against
 *	  what they are by definition.
 */
#include <math.h>
#include <stdlib.h>

#include "rmf_random.h"
#include "rmf_spread.h"
#include "unit.h"

static int
ascending(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a,
				y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

static void
test_by_hand(void)
{
	static const int64_t same[] = {7, 7, 7, 7};
	static const int64_t one[] = {0, 0, 0, 12};
	static const int64_t some[] = {1, 2, 3, 4};
	static const int64_t falling[] = {4, 3, 2, 1};
	static const int64_t nothing[] = {0, 0};
	double		curve[5];

	CHECK_NEAR(rmf_spread_gini(4, same), 0, 1e-15);
	CHECK_NEAR(rmf_spread_gini(4, one), 0.75, 1e-15);
	CHECK_NEAR(rmf_spread_gini(4, some), 0.25, 1e-15);
	CHECK(rmf_spread_gini(1, some) == 0);
	CHECK(rmf_spread_gini(2, nothing) == 0);
	CHECK(rmf_spread_gini(0, some) == 0);

	rmf_spread_curve(4, falling, 5, curve);
	CHECK(curve[0] == 0 && curve[4] == 1);
	CHECK_NEAR(curve[1], 0.4, 1e-15);
	CHECK_NEAR(curve[2], 0.7, 1e-15);
	CHECK_NEAR(curve[3], 0.9, 1e-15);
	/* more points than parts: straight in between */
	rmf_spread_curve(2, falling, 5, curve);
	CHECK_NEAR(curve[1], 2.0 / 7, 1e-15);
	CHECK_NEAR(curve[2], 4.0 / 7, 1e-15);
	CHECK_NEAR(curve[4], 1, 1e-15);
	rmf_spread_curve(1, falling, 3, curve);
	CHECK(curve[0] == 0 && curve[1] == 0.5 && curve[2] == 1);
	rmf_spread_curve(2, nothing, 3, curve);
	CHECK(curve[0] == 0 && curve[2] == 0);
	rmf_spread_curve(0, nothing, 3, curve);
	CHECK(curve[0] == 0 && curve[2] == 0);

	CHECK(rmf_spread_head(4, falling, 0.4) == 1);
	CHECK(rmf_spread_head(4, falling, 0.5) == 2);
	CHECK(rmf_spread_head(4, falling, 1) == 4);
	CHECK(rmf_spread_head(4, falling, 0) == 0);
	CHECK(rmf_spread_head(2, nothing, 0.5) == 0);
	CHECK(rmf_spread_head(0, nothing, 0.5) == 0);
}

/* Half of the mean absolute difference, by the mean. */
static void
test_against_definition(void)
{
	for (uint64_t round = 0; round < 20; round++)
	{
		int64_t		parts[200];
		double		differences = 0,
					sum = 0;

		for (uint64_t i = 0; i < 200; i++)
			parts[i] = (int64_t) (rmf_mix64(1000 * round + i) % (UINT64_C(1) << (round + 1)));
		qsort(parts, 200, sizeof(int64_t), ascending);
		for (int i = 0; i < 200; i++)
		{
			sum += (double) parts[i];
			for (int j = 0; j < 200; j++)
				differences += fabs((double) (parts[i] - parts[j]));
		}
		CHECK_NEAR(rmf_spread_gini(200, parts), differences / (2 * 200.0 * sum), 1e-12);
	}
}

int
main(void)
{
	test_by_hand();
	test_against_definition();
	return unit_report("test_spread");
}
