/*
 * rmf_csr.c
 *	  Summaries of the ratings in a matrix.
 */
#include <math.h>
#include <string.h>

#include "rmf_csr.h"

void
rmf_csr_stats_add(rmf_csr_stats *stats, int64_t n, const float *value)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		v = value[t];

		stats->sum += v;
		if (stats->n_entries + t == 0 || v < stats->min)
			stats->min = v;
		if (stats->n_entries + t == 0 || v > stats->max)
			stats->max = v;
	}
	stats->n_entries += n;
	if (stats->n_entries > 0)
		stats->mean = stats->sum / (double) stats->n_entries;
}

void
rmf_csr_stats_deviate(rmf_csr_stats *stats, int64_t n, const float *value)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		deviation = value[t] - stats->mean;

		stats->squares += deviation * deviation;
	}
	if (stats->n_entries > 0)
		stats->sd = sqrt(stats->squares / (double) stats->n_entries);
}

void
rmf_csr_summarize(const rmf_csr *csr, rmf_csr_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	rmf_csr_stats_add(stats, csr->n_entries, csr->value);
	rmf_csr_stats_deviate(stats, csr->n_entries, csr->value);
}
