/*
 * rmf_bootstrap.c
 *	  The bootstrap over users: see rmf_bootstrap.h.
 *
 * Some resamples go through the users together, so that the values are read once
 * for all of them and their sums stay in the first cache.
 */
#include <math.h>
#include <stdlib.h>

#include "rmf_bootstrap.h"
#include "rmf_random.h"

#define RESAMPLES_AT_ONCE 16

/* Users between two polls. */
#define POLL_USERS 4096

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

size_t
rmf_bootstrap_workspace_size(const rmf_bootstrap *b)
{
	return (size_t) (b->n_resamples > 1 ? b->n_resamples : 1) * (size_t) b->n_statistics +
		2 * RESAMPLES_AT_ONCE * (size_t) b->n_columns;
}

static inline void
add_user(int32_t n, const float *values, double weight, double *sum, double *count)
{
	for (int32_t c = 0; c < n; c++)
	{
		int			there = values[c] == values[c];

		sum[c] += there ? weight * (double) values[c] : 0;
		count[c] += there ? weight : 0;
	}
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

static rmf_status
resample(const rmf_bootstrap *b, double *sum, double *count, double *drawn, const rmf_poll *poll)
{
	int32_t		n_columns = b->n_columns;

	for (int32_t first = 0; first < b->n_resamples; first += RESAMPLES_AT_ONCE)
	{
		int32_t		n = b->n_resamples - first < RESAMPLES_AT_ONCE ? b->n_resamples - first : RESAMPLES_AT_ONCE;

		for (int32_t i = 0; i < RESAMPLES_AT_ONCE * n_columns; i++)
			sum[i] = count[i] = 0;
		for (int64_t u = 0; u < b->n_users; u++)
		{
			uint64_t	user = rmf_mix64(b->seed ^ rmf_mix64((uint64_t) u));

			if (u % POLL_USERS == 0 && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			for (int32_t r = 0; r < n; r++)
			{
				int			weight = poisson((uint32_t) (rmf_mix64(user + (uint64_t) (first + r)) >> 32));

				if (weight > 0)
					add_user(n_columns, b->values + u * n_columns, weight, sum + (int64_t) r * n_columns,
							 count + (int64_t) r * n_columns);
			}
		}
		for (int32_t r = 0; r < n; r++)
			for (int32_t s = 0; s < b->n_statistics; s++)
				drawn[(int64_t) s * b->n_resamples + first + r] =
					statistic_of(&b->statistics[s], sum + (int64_t) r * n_columns, count + (int64_t) r * n_columns);
	}
	return RMF_OK;
}

rmf_status
rmf_bootstrap_run(const rmf_bootstrap *b, double *workspace, rmf_estimate *estimates, const rmf_poll *poll)
{
	double	   *sum = workspace;
	double	   *count = sum + (int64_t) RESAMPLES_AT_ONCE * b->n_columns;
	double	   *drawn = count + (int64_t) RESAMPLES_AT_ONCE * b->n_columns;
	rmf_status	status;

	for (int32_t c = 0; c < b->n_columns; c++)
		sum[c] = count[c] = 0;
	for (int64_t u = 0; u < b->n_users; u++)
		add_user(b->n_columns, b->values + u * b->n_columns, 1, sum, count);
	for (int32_t s = 0; s < b->n_statistics; s++)
	{
		estimates[s].value = statistic_of(&b->statistics[s], sum, count);
		estimates[s].low = estimates[s].high = NAN;
		estimates[s].n = (int64_t) count[b->statistics[s].numerator];
	}
	if (b->n_resamples < 1)
		return RMF_OK;

	status = resample(b, sum, count, drawn, poll);
	if (status != RMF_OK)
		return status;
	for (int32_t s = 0; s < b->n_statistics; s++)
	{
		double	   *values = drawn + (int64_t) s * b->n_resamples;
		int64_t		n = b->n_resamples;

		if (estimates[s].n < 2)
			continue;
		qsort(values, (size_t) n, sizeof(double), compare_doubles);
		while (n > 0 && isnan(values[n - 1]))
			n--;
		if (n == 0)
			continue;
		estimates[s].low = percentile(values, n, (1 - b->confidence) / 2);
		estimates[s].high = percentile(values, n, (1 + b->confidence) / 2);
	}
	return RMF_OK;
}
