/*
 * rmf_ranking.c
 *	  How good a ranking is: see rmf_ranking.h.
 */
#include <math.h>

#include "rmf_ranking.h"

/* The score that the list's last entry has: RMF_RANKING_LENGTH are not lower. */
static float
least_of_list(int64_t n, const float *scores)
{
	float		list[RMF_RANKING_LENGTH];	/* descending */
	int			length = 0;

	for (int64_t i = 0; i < n; i++)
	{
		int			at;

		if (length == RMF_RANKING_LENGTH && !(scores[i] > list[length - 1]))
			continue;
		at = length < RMF_RANKING_LENGTH ? length++ : length - 1;
		for (; at > 0 && list[at - 1] < scores[i]; at--)
			list[at] = list[at - 1];
		list[at] = scores[i];
	}
	return length < RMF_RANKING_LENGTH ? -INFINITY : list[length - 1];
}

/* How many items have at least this score. */
static int64_t
rank_of(float score, int64_t n_items, const float *scores)
{
	int64_t		rank = 0;

	for (int64_t i = 0; i < n_items; i++)
		rank += scores[i] >= score;
	return rank;
}

double
rmf_ranking_ndcg(int64_t n_items, float *scores, int64_t n_known, const int32_t *known,
				 int64_t n_relevant, const int32_t *relevant)
{
	double		gain = 0,
				ideal = 0;
	float		least;
	int64_t		rank_of_least;

	for (int64_t t = 0; t < n_known; t++)
		scores[known[t]] = -INFINITY;
	least = least_of_list(n_items, scores);
	rank_of_least = rank_of(least, n_items, scores);

	for (int64_t t = 0; t < n_relevant; t++)
	{
		float		score = scores[relevant[t]];

		if (t < RMF_RANKING_LENGTH)
			ideal += 1 / log2((double) t + 2);

		/* above the least there are fewer than the list has places */
		if (score > least)
			gain += 1 / log2((double) rank_of(score, n_items, scores) + 1);
		else if (score == least && rank_of_least <= RMF_RANKING_LENGTH)
			gain += 1 / log2((double) rank_of_least + 1);
	}
	return gain / ideal;
}
