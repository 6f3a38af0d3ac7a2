/*
 * rmf_ranking.h
 *	  How good a ranking by scores is.
 */
#ifndef RMF_RANKING_H
#define RMF_RANKING_H

#include <stdint.h>

/* The length of the lists of which the NDCG is taken. */
#define RMF_RANKING_LENGTH 10

/*
 * The NDCG (Jarvelin, Kekalainen 2002; gains 0 and 1) of the best items that
 * are not known, which lose their scores.  Among equal scores the relevant come
 * last.  known, relevant: items, each once, below n_items; n_relevant > 0.
 */
extern double rmf_ranking_ndcg(int64_t n_items, float *scores, int64_t n_known, const int32_t *known,
							   int64_t n_relevant, const int32_t *relevant);

#endif							/* RMF_RANKING_H */
