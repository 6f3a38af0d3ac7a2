/*
 * rmf_ranking.c
 *	  How good a ranking is: see rmf_ranking.h.
 */
#include <math.h>

#include "rmf_ranking.h"

/* Scores of which is looked at once whether any may enter the list. */
#define LOOKED_AT 64

#define COUNTED_AT_ONCE (1 << 20)

static int
any_above(float least, int64_t n, const float *scores)
{
	int32_t		any = 0;

	for (int64_t i = 0; i < n; i++)
		any |= scores[i] > least;
	return any;
}

/*
 * The score that the list's last entry has: so many as it is long are not lower.
 * Once the list is full few scores enter it, so most are passed over together.
 */
static float
least_of_list(int32_t length, int64_t n, const float *scores)
{
	float		list[RMF_RANKING_MOST]; /* descending */
	int32_t		filled = 0;

	for (int64_t first = 0; first < n; first += LOOKED_AT)
	{
		int64_t		last = n - first < LOOKED_AT ? n : first + LOOKED_AT;

		if (filled == length && !any_above(list[filled - 1], last - first, scores + first))
			continue;
		for (int64_t i = first; i < last; i++)
		{
			int32_t		at;

			if (filled == length && !(scores[i] > list[filled - 1]))
				continue;
			at = filled < length ? filled++ : filled - 1;
			for (; at > 0 && list[at - 1] < scores[i]; at--)
				list[at] = list[at - 1];
			list[at] = scores[i];
		}
	}
	return filled < length ? -INFINITY : list[filled - 1];
}

/* How many items have at least this score. */
static int64_t
rank_of(float score, int64_t n_items, const float *scores)
{
	int64_t		rank = 0;

	/* counted in 32 bits, as many of which are added at once as scores are compared */
	for (int64_t first = 0; first < n_items; first += COUNTED_AT_ONCE)
	{
		int64_t		last = n_items - first < COUNTED_AT_ONCE ? n_items : first + COUNTED_AT_ONCE;
		int32_t		some = 0;

		for (int64_t i = first; i < last; i++)
			some += scores[i] >= score;
		rank += some;
	}
	return rank;
}

double
rmf_ranking_measure(rmf_ranking_metric metric, int32_t length, int64_t n_items, float *scores,
					int64_t n_known, const int32_t *known, int64_t n_relevant, const int32_t *relevant)
{
	double		gain = 0,
				ideal = 0;
	int64_t		hits = 0;
	float		least;

	for (int64_t t = 0; t < n_known; t++)
		scores[known[t]] = -INFINITY;
	/* a pass over the scores that spares one for each relevant item that is not in the list */
	least = n_relevant > 1 ? least_of_list(length, n_items, scores) : -INFINITY;

	for (int64_t t = 0; t < n_relevant; t++)
	{
		float		score = scores[relevant[t]];
		int64_t		rank;

		if (t < length)
			ideal += 1 / log2((double) t + 2);
		if (!(score >= least))
			continue;
		rank = rank_of(score, n_items, scores);
		if (rank <= length)
		{
			hits++;
			gain += 1 / log2((double) rank + 1);
		}
	}
	return metric == RMF_NDCG ? gain / ideal : (double) hits / (double) n_relevant;
}
