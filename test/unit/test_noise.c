/*
 * test_noise.c
 *	  The edge of noise: where it is known in closed form, and beside the
 *	  largest singular value of a matrix of random signs.
 */
#include <math.h>
#include <stdlib.h>

#include "allocate.h"
#include "rmf_noise.h"
#include "rmf_random.h"
#include "unit.h"

/* All users alike and all items alike: the edge of Marchenko and Pastur. */
static void
test_alike(int64_t n_users, int64_t n_items, int64_t each)
{
	int64_t    *users = allocate((size_t) (n_users + 1) * sizeof(int64_t)),
			   *items = allocate((size_t) (n_items + 1) * sizeof(int64_t));
	double		roots = sqrt((double) n_users) + sqrt((double) n_items);

	for (int64_t u = 0; u <= n_users; u++)
		users[u] = u * each;
	for (int64_t i = 0; i <= n_items; i++)
		items[i] = i * each * n_users / n_items;
	CHECK_NEAR(rmf_noise_edge(n_users, users, n_items, items), roots / sqrt(sqrt((double) n_users * (double) n_items)), 1e-6);
	free(users);
	free(items);
}

/* Popular and rare items, long rows and short ones: against powers of the matrix itself. */
static void
test_random(void)
{
	enum
	{
		N_USERS = 1500,
		N_ITEMS = 600
	};
	float	   *m = allocate(sizeof(float) * N_USERS * N_ITEMS);
	int64_t		users[N_USERS + 1] = {0},
				items[N_ITEMS + 1] = {0};
	double		x[N_USERS],
				y[N_ITEMS],
				norm = 0;

	for (int u = 0; u < N_USERS; u++)
		for (int i = 0; i < N_ITEMS; i++)
		{
			uint64_t	random = rmf_mix64((uint64_t) (u * N_ITEMS + i));
			double		chance = 0.9 / sqrt(1 + u / 20.0) / sqrt(1 + i / 10.0);

			m[u * N_ITEMS + i] = (double) (random >> 11) * 0x1p-53 < chance ? (random & 1 ? 1 : -1) : 0;
			users[u + 1] += m[u * N_ITEMS + i] != 0;
			items[i + 1] += m[u * N_ITEMS + i] != 0;
		}
	for (int u = 0; u < N_USERS; u++)
		for (int i = 0; i < N_ITEMS; i++)
			if (m[u * N_ITEMS + i] != 0)
				m[u * N_ITEMS + i] /= (float) pow((double) users[u + 1] * (double) items[i + 1], 0.25);
	for (int u = 0; u < N_USERS; u++)
		users[u + 1] += users[u];
	for (int i = 0; i < N_ITEMS; i++)
		items[i + 1] += items[i];

	for (int i = 0; i < N_ITEMS; i++)
		y[i] = (double) (rmf_mix64((uint64_t) i + 7) >> 11) * 0x1p-53 - 0.5;
	for (int round = 0; round < 60; round++)
	{
		norm = 0;
		for (int u = 0; u < N_USERS; u++)
		{
			x[u] = 0;
			for (int i = 0; i < N_ITEMS; i++)
				x[u] += m[u * N_ITEMS + i] * y[i];
			norm += x[u] * x[u];
		}
		norm = sqrt(norm);
		for (int i = 0; i < N_ITEMS; i++)
		{
			y[i] = 0;
			for (int u = 0; u < N_USERS; u++)
				y[i] += m[u * N_ITEMS + i] * x[u] / norm;
		}
		/* of M'M now; the next round divides by what it grows by */
		norm = 0;
		for (int i = 0; i < N_ITEMS; i++)
			norm += y[i] * y[i];
		norm = sqrt(norm);
		for (int i = 0; i < N_ITEMS; i++)
			y[i] /= norm;
	}
	CHECK_NEAR(rmf_noise_edge(N_USERS, users, N_ITEMS, items), norm, 0.05 * norm);
	free(m);
}

int
main(void)
{
	int64_t		none[] = {0, 0, 0};
	int64_t		one[] = {0, 1};

	test_alike(1000, 1000, 20);
	test_alike(9000, 100, 3);
	test_alike(7, 700, 300);
	test_random();
	CHECK(rmf_noise_edge(2, none, 1, none) == 0);
	CHECK(rmf_noise_edge(0, none, 0, none) == 0);
	CHECK_NEAR(rmf_noise_edge(1, one, 1, one), 2, 1e-6);
	return unit_report("noise");
}
