/*
 * rmf_ranking.h
 *	  How good a ranking by scores is.
 */
#ifndef RMF_RANKING_H
#define RMF_RANKING_H

#include <stdint.h>

/* The length of the lists that are measured, unless another is asked for, and the most that may be. */
#define RMF_RANKING_LENGTH 10
#define RMF_RANKING_MOST 1000

typedef enum rmf_ranking_metric
{
	RMF_NDCG,					/* Jarvelin, Kekalainen 2002; gains 0 and 1 */
	RMF_RECALL					/* of the relevant items, the share that is in the list */
} rmf_ranking_metric;

/*
 * The metric of the "length" best items, 1 <= length <= RMF_RANKING_MOST, that
 * are not known; those lose their scores.  Among equal scores the relevant come
 * last.  known, relevant: items, each once, below n_items; n_relevant > 0.
 */
extern double rmf_ranking_measure(rmf_ranking_metric metric, int32_t length,
								  int64_t n_items, float *scores, int64_t n_known, const int32_t *known,
								  int64_t n_relevant, const int32_t *relevant);

#endif							/* RMF_RANKING_H */
