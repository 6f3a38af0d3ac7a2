/*
 * test_surrogate.c
 *	  The quadratic that a search is fitted with: a hill that was seen exactly is
 *	  found again, doubtful observations count little, and without any the priors
 *	  speak.
 */
#include <math.h>

#include "rmf_surrogate.h"
#include "unit.h"

static const double places[][RMF_SURROGATE_COORDINATES] = {
	{0, 0, 0}, {1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}, {1, 1, 0}, {1, 0, 1}, {0, 1, 1}, {-1, -1, 1}
};

#define N_PLACES ((int) (sizeof(places) / sizeof(places[0])))

static double
hill(const double *at)
{
	return 3 + at[0] - 0.5 * at[1] - 1.5 * at[0] * at[0] - at[1] * at[1] - 0.5 * at[2] * at[2] + 0.7 * at[0] * at[1] - 0.2 * at[1] * at[2];
}

static void
test_exact(void)
{
	static const double elsewhere[] = {0.4, -0.3, 0.8};
	rmf_surrogate surrogate;

	rmf_surrogate_init(&surrogate);
	for (int i = 0; i < N_PLACES; i++)
		rmf_surrogate_add(&surrogate, places[i], hill(places[i]), 1e-4);
	rmf_surrogate_solve(&surrogate);
	for (int i = 0; i < N_PLACES; i++)
		CHECK_NEAR(rmf_surrogate_value(&surrogate, places[i]), hill(places[i]), 1e-5);
	CHECK_NEAR(rmf_surrogate_value(&surrogate, elsewhere), hill(elsewhere), 1e-5);

	/* one that contradicts them, but is doubtful */
	rmf_surrogate_add(&surrogate, elsewhere, 100, 1e4);
	rmf_surrogate_solve(&surrogate);
	CHECK_NEAR(rmf_surrogate_value(&surrogate, elsewhere), hill(elsewhere), 1e-5);
}

static void
test_priors(void)
{
	static const double away[] = {1, -2, 0};
	rmf_surrogate surrogate;

	/* a hill whose top is the origin */
	rmf_surrogate_init(&surrogate);
	rmf_surrogate_add(&surrogate, places[0], 2, 1e-4);
	rmf_surrogate_solve(&surrogate);
	CHECK_NEAR(rmf_surrogate_value(&surrogate, places[0]), 2, 1e-5);
	CHECK_NEAR(rmf_surrogate_value(&surrogate, away), 2 - 5, 1e-5);

	/* one better value beside it says where it rises */
	rmf_surrogate_add(&surrogate, places[1], 3, 1e-4);
	rmf_surrogate_solve(&surrogate);
	CHECK(rmf_surrogate_value(&surrogate, places[1]) > rmf_surrogate_value(&surrogate, places[2]));
	CHECK_NEAR(rmf_surrogate_value(&surrogate, places[3]), rmf_surrogate_value(&surrogate, places[4]), 1e-9);
}

int
main(void)
{
	test_exact();
	test_priors();
	return unit_report("test_surrogate");
}
