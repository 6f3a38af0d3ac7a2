/*
 * data.h
 *	  Synthetic ratings of the shape of MovieLens-20M: so many users, items and
 *	  ratings, lengths of rows and popularities of items distributed like the
 *	  real ones, users with tastes.  They depend on the seed alone.
 *
 * Values either tell nothing, or are those of a planted model, half stars:
 * a mean, biases, the product of PLANTED factors whose variances fall like
 * 1 / rank, and noise.
 */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "csr_fixture.h"
#include "rmf_random.h"

#define N_USERS 138493
#define N_ITEMS 26744
#define N_RATINGS 20000000
#define SHORTEST_ROW 20
#define LONGEST_ROW 9254
#define TASTES 24

#define PLANTED 20
#define PLANTED_MEAN 3.53
#define PLANTED_USER_SD 0.42
#define PLANTED_ITEM_SD 0.45
#define PLANTED_PRODUCT_SD 0.32
#define PLANTED_NOISE_SD 0.70

/* Half stars of a planted model in place of the values. */
static void
plant(triples t, uint64_t seed)
{
	int64_t		rows[2] = {t.n_rows, t.n_columns};
	double		sds[2] = {PLANTED_USER_SD, PLANTED_ITEM_SD};
	float	   *factors[2];
	float		variance[PLANTED];
	double		all = 0;

	for (int k = 0; k < PLANTED; k++)
		all += 1.0 / (k + 1);
	for (int k = 0; k < PLANTED; k++)
		variance[k] = (float) (PLANTED_PRODUCT_SD * PLANTED_PRODUCT_SD / (all * (k + 1)));
	for (int side = 0; side < 2; side++)
	{
		factors[side] = allocate((size_t) rows[side] * (PLANTED + 1) * sizeof(float));
		for (int64_t r = 0; r < rows[side]; r++)
		{
			float	   *row = factors[side] + r * (PLANTED + 1);

			rmf_random_normal((uint64_t) r, seed + 100 + (uint64_t) side, 1, PLANTED + 1, row);
			row[PLANTED] *= (float) sds[side];
		}
	}
	random_state = rmf_mix64(seed + 7) << 32;
	for (int64_t e = 0; e < t.n; e++)
	{
		const float *user = factors[0] + (int64_t) t.row[e] * (PLANTED + 1);
		const float *item = factors[1] + (int64_t) t.column[e] * (PLANTED + 1);
		double		value = PLANTED_MEAN + (double) user[PLANTED] + (double) item[PLANTED] + PLANTED_NOISE_SD * normal();

		for (int k = 0; k < PLANTED; k++)
			value += (double) (sqrtf(variance[k]) * user[k] * item[k]);
		value = round(2 * value) / 2;
		t.value[e] = (float) (value < 0.5 ? 0.5 : value > 5 ? 5 : value);
	}
	free(factors[0]);
	free(factors[1]);
}

/* Every so many-th of the ratings goes into "out", at random. */
static triples
hold_out(triples *t, double fraction)
{
	triples		out = make_triples((int64_t) (1.1 * fraction * (double) t->n) + 1000, t->n_rows, t->n_columns, 0);
	int64_t		kept = 0;

	out.n = 0;
	for (int64_t e = 0; e < t->n; e++)
	{
		triples    *to = uniform() < fraction ? &out : t;
		int64_t		at = to == t ? kept++ : out.n++;

		to->row[at] = t->row[e];
		to->column[at] = t->column[e];
		to->value[at] = t->value[e];
	}
	t->n = kept;
	return out;
}

/*
 * Lengths are log-normal; so are popularities, up to the number of users.
 * held_out: of a planted model, a share of the ratings that goes into "test".
 */
static void
make_data(double scale, uint64_t seed, int planted, double held_out, rmf_csr *by_user, rmf_csr *by_item, triples *test)
{
	int32_t		n_users = (int32_t) (N_USERS * scale);
	int32_t		n_items = (int32_t) (N_ITEMS * scale);
	int64_t		n_ratings = (int64_t) (N_RATINGS * scale);
	int64_t		room = n_ratings + n_ratings / 8 + LONGEST_ROW;
	int64_t		n = 0;
	triples		t = make_triples(room, n_users, n_items, 0);
	double	   *until = allocate((size_t) n_items * sizeof(double));
	double	   *length = allocate((size_t) n_users * sizeof(double));
	int32_t    *taken = allocate((size_t) n_items * sizeof(int32_t));
	int32_t    *guide = allocate(65537 * sizeof(int32_t));
	double		weights = 0,
				lengths = 0;

	random_state = rmf_mix64(seed) << 32;
	for (int32_t i = 0; i < n_items; i++)
	{
		weights += 1 / (exp(-2.73 * normal()) / 18 + 1 / 70000.0);
		until[i] = weights;
		taken[i] = -1;
	}
	for (int32_t g = 0, i = 0; g <= 65536; g++)
	{
		while (i < n_items - 1 && until[i] < weights * g / 65536)
			i++;
		guide[g] = i;
	}
	for (int32_t u = 0; u < n_users; u++)
	{
		length[u] = SHORTEST_ROW + exp(3.9 + 1.35 * normal());
		if (length[u] > LONGEST_ROW)
			length[u] = LONGEST_ROW;
		if (length[u] > n_items / 3.0)
			length[u] = n_items / 3.0;
		lengths += length[u];
	}
	for (int32_t u = 0; u < n_users; u++)
	{
		int			wanted = (int) (length[u] * (double) n_ratings / lengths + uniform());
		uint64_t	tastes = rmf_mix64(seed + 1 + (uint64_t) u);

		for (int tries = 0, got = 0; got < wanted && tries < 400 * wanted && n < room; tries++)
		{
			double		at = uniform();
			int32_t		i = guide[(int) (at * 65536)];
			uint64_t	taste;

			while (until[i] < at * weights)
				i++;
			taste = rmf_mix64((uint64_t) i) % TASTES;
			if (taken[i] == u ||
				(taste != tastes % TASTES && taste != tastes / TASTES % TASTES &&
				 taste != tastes / TASTES / TASTES % TASTES && uniform() < 0.75))
				continue;
			taken[i] = u;
			t.row[n] = u;
			t.column[n] = i;
			t.value[n++] = (float) (0.5 * (1 + floor(10 * sqrt(uniform()))));
			got++;
		}
	}

	t.n = n;
	if (planted)
	{
		plant(t, seed);
		*test = hold_out(&t, held_out);
		n = t.n;
	}
	*by_user = make_csr(n_users, n_items, n, 0);
	reference_csr(t, RMF_MERGE_SUM, by_user);
	*by_item = make_csr(n_items, n_users, n, 0);
	reference_transpose(by_user, by_item);
	free_triples(t);
	free(until);
	free(length);
	free(taken);
	free(guide);
}

static void
print_triples(triples t)
{
	for (int64_t e = 0; e < t.n; e++)
		printf("%d\t%d\t%g\n", t.row[e] + 1, t.column[e] + 1, t.value[e]);
}

/* The data as rows that COPY reads: by user, or in an order that tells nothing. */
static void
print_rows(const rmf_csr *by_user, int shuffled)
{
	int64_t		n = by_user->n_entries;
	int32_t    *user = allocate((size_t) n * sizeof(int32_t));

	for (int64_t r = 0; r < by_user->n_rows; r++)
		for (int64_t t = by_user->start[r]; t < by_user->start[r + 1]; t++)
			user[t] = (int32_t) r;
	for (int64_t t = n - 1; shuffled && t > 0; t--)
	{
		int64_t		other = (int64_t) (uniform() * (double) (t + 1));
		int32_t		u = user[t],
					i = by_user->column[t];
		float		value = by_user->value[t];

		user[t] = user[other];
		by_user->column[t] = by_user->column[other];
		by_user->value[t] = by_user->value[other];
		user[other] = u;
		by_user->column[other] = i;
		by_user->value[other] = value;
	}
	for (int64_t t = 0; t < n; t++)
		printf("%d\t%d\t%g\n", user[t] + 1, by_user->column[t] + 1, by_user->value[t]);
	free(user);
}

#endif							/* TRAIN_DATA_H */
