/*
 * rmf_spread.c
 *	  How unevenly something is spread over many: see rmf_spread.h.
 *
 * Sums are of doubles: exact up to 2^53, beyond which a share is still good to
 * all digits that anybody reads.
 */
#include "rmf_spread.h"

#include <math.h>

static double
whole_of(int64_t n, const int64_t *parts)
{
	double		sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += (double) parts[i];
	return sum;
}

double
rmf_spread_gini(int64_t n, const int64_t *parts)
{
	double		whole = whole_of(n, parts);
	double		sum = 0;

	if (whole <= 0)
		return 0;
	for (int64_t i = 0; i < n; i++)
		sum += (2.0 * (double) i + 1 - (double) n) * (double) parts[i];
	return sum / ((double) n * whole);
}

void
rmf_spread_curve(int64_t n, const int64_t *parts, int n_points, double *curve)
{
	double		whole = whole_of(n, parts);
	double		sum = 0;
	int64_t		at = 0;

	for (int p = 0; p < n_points; p++)
	{
		double		place = (double) n * p / (n_points - 1);

		if (whole <= 0)
		{
			curve[p] = 0;
			continue;
		}
		for (; at < n && (double) (at + 1) <= place; at++)
			sum += (double) parts[at];
		curve[p] = (sum + (at < n ? (place - (double) at) * (double) parts[at] : 0)) / whole;
	}
}

int64_t
rmf_spread_head(int64_t n, const int64_t *parts, double fraction)
{
	double		wanted = whole_of(n, parts) * fraction;
	double		sum = 0;
	int64_t		head = 0;

	while (head < n && sum < wanted)
		sum += (double) parts[head++];
	return head;
}
