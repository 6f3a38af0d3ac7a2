/*
 * rmf_bootstrap.c
 *	  The bootstrap over users: see rmf_bootstrap.h.
 *
 * The sums of all resamples are a matrix of weights (resamples x users) times the
 * table of values: block of users by block, a product in floats, added up in
 * doubles.  A column that has users without a value in the block gets another one
 * beside it, of ones and zeros, to count those that have.
 */
#include <math.h>
#include <stdlib.h>

#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_bootstrap.h"
#include "rmf_layout.h"
#include "rmf_random.h"

#define BLOCK_USERS 256
#define BLOCK_RESAMPLES 128

/* Poisson(1): P(X <= x) of 32 bits, x from 0 on. */
static const uint32_t poisson_limits[] = {
	UINT32_C(1580030168), UINT32_C(3160060337), UINT32_C(3950075421), UINT32_C(4213413783),
	UINT32_C(4279248373), UINT32_C(4292415291), UINT32_C(4294609777)
};

#define N_LIMITS ((int) (sizeof(poisson_limits) / sizeof(poisson_limits[0])))

static inline int
poisson(uint32_t uniform)
{
	int			weight = 0;

	for (int i = 0; i < N_LIMITS; i++)
		weight += uniform >= poisson_limits[i];
	return weight;
}

typedef struct bootstrap_workspace
{
	double	   *sum;			/* resamples x columns */
	double	   *count;
	double	   *drawn;			/* resamples, of a statistic */
	float	   *weight;			/* BLOCK_RESAMPLES x BLOCK_USERS */
	float	   *value;			/* of a block: (2 columns + 1) x BLOCK_USERS; then ones */
	float	   *product;		/* BLOCK_RESAMPLES x (2 columns + 1) */
	int32_t    *counter;		/* by column: which row of "value" counts it */
} bootstrap_workspace;

static int32_t
resamples_of(const rmf_bootstrap *b)
{
	return b->n_resamples > 1 ? b->n_resamples : 1;
}

static void
carve_workspace(const rmf_bootstrap *b, void *base, size_t *used, bootstrap_workspace *w)
{
	size_t		resamples = (size_t) resamples_of(b);
	size_t		columns = (size_t) b->n_columns;

	w->sum = (double *) rmf_carve(base, used, sizeof(double) * resamples * columns);
	w->count = (double *) rmf_carve(base, used, sizeof(double) * resamples * columns);
	w->drawn = (double *) rmf_carve(base, used, sizeof(double) * resamples);
	w->weight = (float *) rmf_carve(base, used, sizeof(float) * BLOCK_RESAMPLES * BLOCK_USERS);
	w->value = (float *) rmf_carve(base, used, sizeof(float) * (2 * columns + 1) * BLOCK_USERS);
	w->product = (float *) rmf_carve(base, used, sizeof(float) * (2 * columns + 1) * BLOCK_RESAMPLES);
	w->counter = (int32_t *) rmf_carve(base, used, sizeof(int32_t) * columns);
}

size_t
rmf_bootstrap_workspace_size(const rmf_bootstrap *b)
{
	bootstrap_workspace w;
	size_t		used = 0;

	carve_workspace(b, NULL, &used, &w);
	return used;
}

static double
ratio_of(const rmf_statistic *statistic, int32_t numerator, const double *sum, const double *count)
{
	double		denominator = statistic->denominator < 0 ? count[numerator] : sum[statistic->denominator];
	double		value = denominator > 0 ? sum[numerator] / denominator : NAN;

	return statistic->root ? sqrt(value) : value;
}

static double
statistic_of(const rmf_statistic *statistic, const double *sum, const double *count)
{
	double		value = ratio_of(statistic, statistic->numerator, sum, count);

	return statistic->subtrahend < 0 ? value : value - ratio_of(statistic, statistic->subtrahend, sum, count);
}

/* NaN last, which are left out. */
static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return (x > y) - (x < y);
}

static double
percentile(const double *sorted, int64_t n, double share)
{
	double		at = share * (double) (n - 1);
	int64_t		below = (int64_t) at;
	double		rest = at - (double) below;

	return below + 1 < n ? sorted[below] * (1 - rest) + sorted[below + 1] * rest : sorted[n - 1];
}

/* The table of a block of users, a row a column, and its counters.  Returns the number of rows. */
static int32_t
load_block(const rmf_bootstrap *b, int64_t first, int32_t n, const bootstrap_workspace *w)
{
	int32_t		n_rows = b->n_columns + 1;
	float	   *ones = w->value + (size_t) b->n_columns * BLOCK_USERS;

	for (int32_t u = 0; u < n; u++)
		ones[u] = 1;
	for (int32_t c = 0; c < b->n_columns; c++)
	{
		float	   *row = w->value + (size_t) c * BLOCK_USERS;
		float	   *there = w->value + (size_t) n_rows * BLOCK_USERS;
		int			missing = 0;

		for (int32_t u = 0; u < n; u++)
		{
			float		value = b->values[(first + u) * b->n_columns + c];
			int			is_there = value == value;

			row[u] = is_there ? value : 0;
			there[u] = (float) is_there;
			missing |= !is_there;
		}
		w->counter[c] = missing ? n_rows++ : b->n_columns;
	}
	return n_rows;
}

/* Two users share a hash.  All hashes first, so that weights are made for several users at once. */
static void
draw_weights(const rmf_bootstrap *b, int64_t first_user, int32_t n, int32_t resample, float *weight)
{
	uint64_t	seed = rmf_mix64(b->seed ^ rmf_mix64((uint64_t) resample));
	uint32_t	uniform[BLOCK_USERS];

	for (int32_t u = 0; u < BLOCK_USERS; u += 2)
	{
		uint64_t	hash = rmf_mix64(seed + (uint64_t) (first_user + u));

		uniform[u] = (uint32_t) (hash >> 32);
		uniform[u + 1] = (uint32_t) hash;
	}
	for (int32_t u = 0; u < n; u++)
		weight[u] = (float) poisson(uniform[u]);
}

static rmf_status
resample(const rmf_bootstrap *b, const bootstrap_workspace *w, const rmf_poll *poll)
{
	int32_t		n_columns = b->n_columns;

	for (int64_t i = 0; i < (int64_t) b->n_resamples * n_columns; i++)
		w->sum[i] = w->count[i] = 0;
	for (int64_t first = 0; first < b->n_users; first += BLOCK_USERS)
	{
		int32_t		n = b->n_users - first < BLOCK_USERS ? (int32_t) (b->n_users - first) : BLOCK_USERS;
		int32_t		n_rows = load_block(b, first, n, w);

		for (int32_t start = 0; start < b->n_resamples; start += BLOCK_RESAMPLES)
		{
			int32_t		n_here = b->n_resamples - start < BLOCK_RESAMPLES ? b->n_resamples - start : BLOCK_RESAMPLES;

			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			for (int32_t r = 0; r < n_here; r++)
				draw_weights(b, first, n, start + r, w->weight + (size_t) r * BLOCK_USERS);
			rmf_blas_gemm_nt(n_here, n_rows, n, w->weight, BLOCK_USERS, w->value, BLOCK_USERS, w->product, n_rows);
			for (int32_t r = 0; r < n_here; r++)
			{
				const float *product = w->product + (size_t) r * (size_t) n_rows;
				double	   *sum = w->sum + (int64_t) (start + r) * n_columns;
				double	   *count = w->count + (int64_t) (start + r) * n_columns;

				for (int32_t c = 0; c < n_columns; c++)
				{
					sum[c] += (double) product[c];
					count[c] += (double) product[w->counter[c]];
				}
			}
		}
	}
	return RMF_OK;
}

/* The sums of the users themselves. */
static void
add_up(const rmf_bootstrap *b, double *sum, double *count)
{
	for (int32_t c = 0; c < b->n_columns; c++)
		sum[c] = count[c] = 0;
	for (int64_t u = 0; u < b->n_users; u++)
		for (int32_t c = 0; c < b->n_columns; c++)
		{
			float		value = b->values[u * b->n_columns + c];

			if (value == value)
			{
				sum[c] += (double) value;
				count[c]++;
			}
		}
}

rmf_status
rmf_bootstrap_run(const rmf_bootstrap *b, void *workspace, rmf_estimate *estimates, const rmf_poll *poll)
{
	bootstrap_workspace w;
	size_t		used = 0;
	rmf_status	status;

	carve_workspace(b, workspace, &used, &w);
	add_up(b, w.sum, w.count);
	for (int32_t s = 0; s < b->n_statistics; s++)
	{
		estimates[s].value = statistic_of(&b->statistics[s], w.sum, w.count);
		estimates[s].low = estimates[s].high = NAN;
		estimates[s].n = (int64_t) w.count[b->statistics[s].numerator];
	}
	if (b->n_resamples < 1)
		return RMF_OK;

	status = resample(b, &w, poll);
	if (status != RMF_OK)
		return status;
	for (int32_t s = 0; s < b->n_statistics; s++)
	{
		int64_t		n = b->n_resamples;

		if (estimates[s].n < 2)
			continue;
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		for (int32_t r = 0; r < b->n_resamples; r++)
			w.drawn[r] = statistic_of(&b->statistics[s], w.sum + (int64_t) r * b->n_columns,
									  w.count + (int64_t) r * b->n_columns);
		qsort(w.drawn, (size_t) n, sizeof(double), compare_doubles);
		while (n > 0 && isnan(w.drawn[n - 1]))
			n--;
		if (n == 0)
			continue;
		estimates[s].low = percentile(w.drawn, n, (1 - b->confidence) / 2);
		estimates[s].high = percentile(w.drawn, n, (1 + b->confidence) / 2);
	}
	return RMF_OK;
}
