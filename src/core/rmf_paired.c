/*
 * rmf_paired.c
 *	  Tests on pairs: see rmf_paired.h.
 */
#include <math.h>
#include <stdlib.h>

#include "rmf_distributions.h"
#include "rmf_paired.h"

#define MOST_EXACT 12

/* Ascending by size. */
static int
compare_sizes(const void *a, const void *b)
{
	double		x = fabs(*(const double *) a);
	double		y = fabs(*(const double *) b);

	return (x > y) - (x < y);
}

/* The share of all signs for which the sum of ranks is as far from the middle. */
static double
exact_p(int64_t n, const double *rank, double positive, double total)
{
	double		distance = fabs(positive - total / 2);
	int64_t		as_far = 0;

	for (uint32_t signs = 0; signs < (UINT32_C(1) << n); signs++)
	{
		double		sum = 0;

		for (int64_t i = 0; i < n; i++)
			sum += signs >> i & 1 ? rank[i] : 0;
		as_far += fabs(sum - total / 2) >= distance - 1e-9;
	}
	return (double) as_far / (double) (UINT32_C(1) << n);
}

/* x: ascending by size. */
static double
wilcoxon(int64_t n, const double *x)
{
	double		rank[MOST_EXACT];
	double		positive = 0;
	double		ties = 0;
	double		m;
	double		mean;
	double		variance;
	double		distance;
	int64_t		first = 0;

	while (first < n && x[first] == 0)
		first++;
	m = (double) (n - first);
	if (m == 0)
		return NAN;
	for (int64_t i = first; i < n;)
	{
		int64_t		end = i;
		double		shared;
		double		t;

		while (end < n && fabs(x[end]) == fabs(x[i]))
			end++;
		t = (double) (end - i);
		shared = (double) (i - first) + (t + 1) / 2;
		ties += t * t * t - t;
		for (; i < end; i++)
		{
			positive += x[i] > 0 ? shared : 0;
			if (m <= MOST_EXACT)
				rank[i - first] = shared;
		}
	}
	mean = m * (m + 1) / 4;
	if (m <= MOST_EXACT)
		return exact_p((int64_t) m, rank, positive, 2 * mean);
	variance = m * (m + 1) * (2 * m + 1) / 24 - ties / 48;
	distance = fabs(positive - mean) - 0.5;
	if (!(variance > 0) || distance <= 0)
		return 1;
	return 2 * rmf_normal_cdf(-distance / sqrt(variance));
}

rmf_status
rmf_paired_test(int64_t n, double *differences, rmf_paired *result, const rmf_poll *poll)
{
	double		sum = 0;
	double		squares = 0;

	result->n = n;
	result->n_positive = result->n_negative = 0;
	result->mean = result->sd = result->effect = result->t_p = result->wilcoxon_p = NAN;
	for (int64_t i = 0; i < n; i++)
	{
		sum += differences[i];
		result->n_positive += differences[i] > 0;
		result->n_negative += differences[i] < 0;
	}
	if (n == 0)
		return RMF_OK;
	if (rmf_poll_cancelled(poll))
		return RMF_CANCELLED;
	result->mean = sum / (double) n;
	for (int64_t i = 0; i < n; i++)
		squares += (differences[i] - result->mean) * (differences[i] - result->mean);
	if (n > 1)
	{
		result->sd = sqrt(squares / (double) (n - 1));
		if (result->sd > 0)
		{
			result->effect = result->mean / result->sd;
			result->t_p = rmf_student_two_sided(result->effect * sqrt((double) n), (double) (n - 1));
		}
		else
			result->t_p = result->mean == 0;
	}
	qsort(differences, (size_t) n, sizeof(double), compare_sizes);
	if (rmf_poll_cancelled(poll))
		return RMF_CANCELLED;
	result->wilcoxon_p = wilcoxon(n, differences);
	return RMF_OK;
}
