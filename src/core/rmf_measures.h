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

/* What lists are measured by beside their hits. */
typedef struct rmf_catalogue
{
	int32_t		n;				/* items; larger numbers are not in the catalogue */
	const int32_t *count;		/* of users who have an item */
	const char *tail;			/* from rmf_long_tail() */
	int64_t		n_users;
	int32_t		dimensions;
	const float *directions;	/* n x dimensions, of norm 1 or 0; NULL: there are none */
} rmf_catalogue;

/* Means over a list; NAN where there is nothing to take one of. */
typedef struct rmf_list_measures
{
	double		novelty;		/* self-information in bits: -log2 of the share of users who have an item, one at least */
	double		long_tail_share;	/* what is not in the catalogue is in the tail, too */
	double		diversity;		/* cosine distance of two items, 1 where one has no direction */
} rmf_list_measures;

/* Of the first k[0], k[1], ... of a list of n, k ascending; out: n_k; sum: room for dimensions. */
extern void rmf_measure_list(const rmf_catalogue *catalogue, int32_t n, const int32_t *list, int n_k,
							 const int32_t *k, double *sum, rmf_list_measures *out);

/* How many hits among the first k are not among the first k of another list.  item: of the places, which are ascending. */
extern int32_t rmf_count_surprises(int32_t k, int64_t n_placed, const int32_t *place, const int32_t *item,
								   int32_t n_other, const int32_t *other);

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
