/*
 * rmf_csr.c
 *	  Summaries of ratings, in memory or loaded piece by piece.
 */
#include <math.h>
#include <string.h>

#include "rmf_csr.h"

/* How many ratings in memory are summarised between two polls. */
#define POLL_ENTRIES (1 << 20)

static void
add(rmf_csr_stats *stats, int64_t n, const float *value, const float *weight)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		v = value[t];
		double		w = weight != NULL ? weight[t] : 1;

		stats->sum += w * v;
		stats->weight += w;
		if (stats->n_entries + t == 0 || v < stats->min)
			stats->min = v;
		if (stats->n_entries + t == 0 || v > stats->max)
			stats->max = v;
	}
	stats->n_entries += n;
}

static void
add_squares(rmf_csr_stats *stats, int64_t n, const float *value, const float *weight)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		deviation = value[t] - stats->mean;
		double		w = weight != NULL ? weight[t] : 1;

		stats->squares += w * (deviation * deviation);
	}
}

rmf_status
rmf_ratings_summarize(const rmf_ratings *ratings, int64_t window, float *value, float *weight,
					  rmf_csr_stats *stats, const rmf_poll *poll)
{
	int			loads = ratings->column == NULL;
	int64_t		at_once = loads ? window : POLL_ENTRIES;

	memset(stats, 0, sizeof(*stats));
	for (int pass = 0; pass < 2; pass++)
	{
		for (int64_t first = 0; first < ratings->n_entries; first += at_once)
		{
			int64_t		n = ratings->n_entries - first < at_once ? ratings->n_entries - first : at_once;
			const float *values = value;
			const float *weights = ratings->has_weight ? weight : NULL;

			if (rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			if (loads)
			{
				if (ratings->load(ratings->load_arg, first, n, NULL, value, ratings->has_weight ? weight : NULL))
					return RMF_CANCELLED;
			}
			else
			{
				values = ratings->value + first;
				weights = ratings->weight != NULL ? ratings->weight + first : NULL;
			}
			if (pass == 0)
				add(stats, n, values, weights);
			else
				add_squares(stats, n, values, weights);
		}
		if (stats->n_entries == 0)
			return RMF_OK;
		stats->mean = stats->sum / stats->weight;
	}
	stats->sd = sqrt(stats->squares / stats->weight);
	return RMF_OK;
}

void
rmf_csr_stats_add(rmf_csr_stats *stats, const rmf_csr_stats *more)
{
	double		weight = stats->weight + more->weight;
	double		apart = more->mean - stats->mean;

	if (more->n_entries == 0)
		return;
	if (stats->n_entries == 0)
	{
		*stats = *more;
		return;
	}
	stats->squares += more->squares + apart * apart * (stats->weight / weight * more->weight);
	stats->n_entries += more->n_entries;
	stats->sum += more->sum;
	stats->weight = weight;
	stats->mean = stats->sum / weight;
	stats->min = fmin(stats->min, more->min);
	stats->max = fmax(stats->max, more->max);
	stats->sd = sqrt(stats->squares / weight);
	stats->noise_edge = 0;
}
