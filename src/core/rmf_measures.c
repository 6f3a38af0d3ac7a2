/*
 * rmf_measures.c
 *	  Measures of recommendations: see rmf_measures.h.
 */
#include <math.h>
#include <stdlib.h>

#include "rmf_measures.h"
#include "rmf_sort.h"
#include "rmf_spread.h"

/* What the head of popularity is: one of so many items. */
#define HEAD 5

#define BINS 10

/* Partial sums of a product. */
#define LANES 8

/* Floats that come from memory at once. */
#define CACHE_LINE 16

/* How far a probability is kept from certainty. */
#define LEAST_PROBABILITY 1e-15

rmf_accuracy
rmf_measure_places(int64_t n_relevant, int64_t n_placed, const int32_t *place, int32_t k)
{
	int64_t		reachable = n_relevant < k ? n_relevant : k;
	int64_t		hits = 0;
	double		precisions = 0;
	double		gain = 0;
	double		ideal = 0;
	rmf_accuracy a;

	for (; hits < n_placed && place[hits] <= k; hits++)
	{
		precisions += (double) (hits + 1) / place[hits];
		gain += 1 / log2((double) place[hits] + 1);
	}
	for (int64_t i = 0; i < reachable; i++)
		ideal += 1 / log2((double) i + 2);

	a.precision = (double) hits / k;
	a.recall = (double) hits / (double) n_relevant;
	a.capped_recall = (double) hits / (double) reachable;
	a.f1 = hits > 0 ? 2 * a.precision * a.recall / (a.precision + a.recall) : 0;
	a.hit_rate = hits > 0;
	a.mrr = hits > 0 ? 1.0 / place[0] : 0;
	a.map = precisions / (double) reachable;
	a.ndcg = gain / ideal;
	return a;
}

double
rmf_auc(int64_t n_relevant, int64_t n_placed, const int32_t *place, const char *of, int64_t n_others)
{
	double		won = 0;

	if (n_relevant == 0 || n_others <= 0)
		return NAN;
	for (int64_t i = 0; i < n_placed; i++)
		if (of == NULL || of[i])
			won += (double) (n_others - (place[i] - 1 - i));
	return won / ((double) n_relevant * (double) n_others);
}

static double
self_information(int32_t count, int64_t n_users)
{
	double		information = log2((double) n_users / (count > 0 ? count : 1));

	return information > 0 ? information : 0;
}

/* The cosines of an item with all before it are one product, with their sum; in lanes, which the compiler may not make. */
static double
add_direction(int32_t dimensions, const float *direction, double *sum)
{
	double		part[LANES] = {0};
	int32_t		j = 0;

	for (; j + LANES <= dimensions; j += LANES)
		for (int l = 0; l < LANES; l++)
		{
			part[l] += sum[j + l] * (double) direction[j + l];
			sum[j + l] += (double) direction[j + l];
		}
	for (; j < dimensions; j++)
	{
		part[0] += sum[j] * (double) direction[j];
		sum[j] += (double) direction[j];
	}
	return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

/* Items of a list lie anywhere in memory: it is asked for all of them at once. */
static void
fetch_list(const rmf_catalogue *catalogue, int32_t n, const int32_t *list)
{
	for (int32_t i = 0; i < n; i++)
	{
		if (list[i] >= catalogue->n)
			continue;
		__builtin_prefetch(&catalogue->count[list[i]]);
		__builtin_prefetch(&catalogue->tail[list[i]]);
		for (int32_t j = 0; j < catalogue->dimensions && catalogue->directions != NULL; j += CACHE_LINE)
			__builtin_prefetch(catalogue->directions + (size_t) list[i] * (size_t) catalogue->dimensions + j);
	}
}

void
rmf_measure_list(const rmf_catalogue *catalogue, int32_t n, const int32_t *list, int n_k, const int32_t *k,
				 double *sum, rmf_list_measures *out)
{
	double		information = 0;
	double		cosines = 0;
	int32_t		in_tail = 0;
	int32_t		at = 0;

	fetch_list(catalogue, n, list);
	for (int32_t j = 0; j < catalogue->dimensions && catalogue->directions != NULL; j++)
		sum[j] = 0;
	for (int i = 0; i < n_k; i++)
	{
		int32_t		length = k[i] < n ? k[i] : n;

		for (; at < length; at++)
		{
			int			known = list[at] < catalogue->n;

			information += self_information(known ? catalogue->count[list[at]] : 0, catalogue->n_users);
			in_tail += known ? catalogue->tail[list[at]] : 1;
			if (catalogue->directions != NULL && known)
				cosines += add_direction(catalogue->dimensions, catalogue->directions +
										 (size_t) list[at] * (size_t) catalogue->dimensions, sum);
		}
		out[i].novelty = length > 0 ? information / length : NAN;
		out[i].long_tail_share = length > 0 ? (double) in_tail / length : NAN;
		out[i].diversity = catalogue->directions != NULL && length > 1 ?
			1 - cosines / ((double) length * (length - 1) / 2) : NAN;
	}
}

int32_t
rmf_count_surprises(int32_t k, int64_t n_placed, const int32_t *place, const int32_t *item, int32_t n_other,
					const int32_t *other)
{
	int32_t		n = 0;

	for (int64_t h = 0; h < n_placed && place[h] <= k; h++)
	{
		int			expected = 0;

		for (int32_t i = 0; i < n_other && i < k; i++)
			expected |= other[i] == item[h];
		n += !expected;
	}
	return n;
}

void
rmf_measure_exposure(int32_t n_items, const int32_t *exposure, int64_t *sorted, double *coverage, double *gini)
{
	int32_t		listed = 0;

#define LESS(a, b) ((a) < (b))
	for (int32_t i = 0; i < n_items; i++)
	{
		sorted[i] = exposure[i];
		listed += exposure[i] > 0;
	}
	RMF_SORT(int64_t, sorted, n_items, LESS);
#undef LESS
	*coverage = n_items > 0 ? (double) listed / n_items : NAN;
	*gini = listed > 0 ? rmf_spread_gini(n_items, sorted) : NAN;
}

void
rmf_long_tail(int32_t n_items, const int32_t *order, const int32_t *count, char *tail)
{
	int32_t		head = (n_items + HEAD - 1) / HEAD;

	for (int32_t i = 0; i < n_items; i++)
		tail[order[i]] = i >= head && count[order[i]] < count[order[head - 1]];
}

double
rmf_log_loss(double probability, int happened)
{
	double		p = happened ? probability : 1 - probability;

	return -log(p < LEAST_PROBABILITY ? LEAST_PROBABILITY : p);
}

static int
compare_cases(const void *a, const void *b)
{
	double		p = ((const rmf_case *) a)->probability;
	double		q = ((const rmf_case *) b)->probability;

	return (p > q) - (p < q);
}

/* Cases of the same probability become one. */
static int64_t
merge_cases(int64_t n, rmf_case *cases)
{
	int64_t		to = 0;

	for (int64_t i = 1; i < n; i++)
	{
		rmf_case   *last = &cases[to];

		if (cases[i].probability != last->probability)
			cases[++to] = cases[i];
		else if (last->weight + cases[i].weight > 0)
		{
			double		weight = last->weight + cases[i].weight;

			last->happened = (last->happened * last->weight + cases[i].happened * cases[i].weight) / weight;
			last->weight = weight;
		}
	}
	return to + 1;
}

/* A case on the border of two bins is shared between them. */
double
rmf_calibration_error(int64_t n, rmf_case *cases)
{
	double		total = 0;
	double		error = 0;
	double		left;			/* of the case */
	int64_t		at = 0;

	for (int64_t i = 0; i < n; i++)
		total += cases[i].weight;
	if (!(total > 0))
		return NAN;
	qsort(cases, (size_t) n, sizeof(rmf_case), compare_cases);
	n = merge_cases(n, cases);
	left = cases[0].weight;
	for (int bin = 0; bin < BINS; bin++)
	{
		double		room = total / BINS;
		double		excess = 0;

		while (at < n && room > 0)
		{
			double		part = left < room ? left : room;

			excess += part * (cases[at].probability - cases[at].happened);
			room -= part;
			left -= part;
			if (!(left > 0))
				left = ++at < n ? cases[at].weight : 0;
		}
		error += fabs(excess);
	}
	return error / total;
}
