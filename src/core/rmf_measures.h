/*
 * rmf_measures.h
 *	  What a list of recommendations is worth: the usual measures of one user's
 *	  list, and those of all lists together.
 *
 * Places as of rmf_rank.h: 1 is the head of the list.  n_relevant counts the
 * relevant items that are in no list as well (the model doesn't know them), so
 * they count as missed.
 */
#ifndef RMF_MEASURES_H
#define RMF_MEASURES_H

#include <stdint.h>

/* Of the first k places. */
typedef struct rmf_accuracy
{
	double		precision;		/* hits / k */
	double		recall;			/* hits / n_relevant */
	double		capped_recall;	/* hits / min(k, n_relevant): 1 is within reach */
	double		f1;				/* harmonic mean of precision and recall */
	double		hit_rate;		/* 1 if there is a hit */
	double		mrr;			/* 1 / place of the first hit, 0 without */
	double		map;			/* sum over hits of (hits up to it) / place, / min(k, n_relevant) */
	double		ndcg;			/* Jarvelin, Kekalainen 2002; gains 0 and 1 */
} rmf_accuracy;

/* place: ascending, n_placed <= n_relevant; n_relevant >= 1, k >= 1. */
extern rmf_accuracy rmf_measure_places(int64_t n_relevant, int64_t n_placed, const int32_t *place, int32_t k);

/*
 * The area under the ROC curve: the share of pairs of a relevant and another
 * candidate in which the relevant one comes first.  place: of all relevant items
 * that are in the list, ascending; "of": which of them to take the share of, NULL
 * for all; n_others: candidates that are not relevant.  Relevant items that are
 * not in the list count as last.  NaN where there are no pairs.
 */
extern double rmf_auc(int64_t n_relevant, int64_t n_placed, const int32_t *place, const char *of, int64_t n_others);

/*
 * The mean cosine distance between two items of a list of n, for each of its
 * heads: out[m] of the first m + 1, NaN for the first alone.  rows: of norm 1 or
 * 0; sum: room for dimensions.
 */
extern void rmf_measure_diversity(int32_t n, const int32_t *list, int32_t dimensions, const float *rows, double *sum,
								  double *out);

/*
 * Self-information of an item in bits: -log2 of the share of users who have it.
 * An item of nobody counts as one of a single user.
 */
extern double rmf_self_information(int32_t count, int64_t n_users);

/*
 * Of how often each item is in a list: the share of items that are in any, and
 * the Gini coefficient (0: all alike; near 1: a few have everything).  sorted:
 * room for n_items.  gini: NaN where nothing is in a list.
 */
extern void rmf_measure_exposure(int32_t n_items, const int32_t *exposure, int64_t *sorted, double *coverage,
								 double *gini);

/*
 * Which items are the long tail: all but the most rated fifth of them.  order: of
 * rmf_popularity; tail: room for n_items.  An item as often rated as the last of
 * the fifth belongs to the head.
 */
extern void rmf_long_tail(int32_t n_items, const int32_t *order, const int32_t *count, char *tail);

/*
 * Probabilities
 */

/* -log(p), or -log(1 - p); p is kept 1e-15 away from 0 and 1. */
extern double rmf_log_loss(double probability, int happened);

/* A case: what was predicted, whether it happened, and for how many cases it stands. */
typedef struct rmf_case
{
	double		probability;
	double		weight;
	double		happened;		/* 0 or 1 */
} rmf_case;

/*
 * Expected calibration error: cases in ten bins of equal weight by probability;
 * the mean, by weight, of |mean probability - share that happened|.  Sorts the
 * cases, and makes one of those with the same probability.  NaN without weight.
 */
extern double rmf_calibration_error(int64_t n, rmf_case *cases);

#endif							/* RMF_MEASURES_H */
