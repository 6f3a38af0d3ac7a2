/*
 * rmf_rank.h
 *	  At which places held-out items stand in the order of all items.
 *
 * A user's candidates are the items that he has not seen (in training).  Held-out
 * items are those of them that turned out to be relevant.  The place of a
 * held-out item is 1 for the head of the list.
 *
 * Ties are broken pessimistically: among equal scores what is not held out comes
 * first.  "Equal" is what float arithmetic cannot tell apart: products that are
 * summed in different orders differ in their last bits, so
 * an item that is within rounding of a held-out one counts as equal to it.  That
 * distance is one for all items of a user, so places keep the order of scores.
 *
 * Memory is the caller's.  Everything is a pure function of its arguments.
 */
#ifndef RMF_RANK_H
#define RMF_RANK_H

#include <stddef.h>
#include <stdint.h>

#include "rmf_status.h"

/* The place of an item that is in no list. */
#define RMF_NO_PLACE INT32_MAX

/*
 * By inner product, for some users at once.
 */

/* Items: n x dimensions. */
typedef struct rmf_rank_items
{
	int32_t		n;
	int32_t		dimensions;
	const float *rows;
	double		largest_norm;	/* from rmf_rank_largest_norm() */
	const struct rmf_rank_kernels *kernels; /* NULL: the fastest (rmf_rank_levels.h) */
} rmf_rank_items;

typedef struct rmf_rank_users
{
	int32_t		n;
	const float *rows;			/* n x dimensions */
	const int32_t *seen_start;	/* n + 1; NULL: nothing is left out */
	const int32_t *seen;		/* in any order, also more than once */
	const int32_t *held_start;	/* n + 1 */
	const int32_t *held;		/* of a user each once, none of them seen */
	int32_t    *place;			/* out, beside held */
} rmf_rank_users;

extern double rmf_rank_largest_norm(int32_t n, int32_t dimensions, const float *rows);

/* n_numbers: of seen and held items of all users together.  Aligned to RMF_ALIGNMENT. */
extern size_t rmf_rank_workspace_size(int32_t n_items, int32_t dimensions, int32_t n_users, int64_t n_numbers);

extern rmf_status rmf_rank(const rmf_rank_items *items, const rmf_rank_users *users, void *workspace,
						   const rmf_poll *poll);

/*
 * Among given candidates, by scores: of n_scores the first n_held are the held-out
 * items', the others those of what is not held out.  NaN: not in the list.
 */
extern void rmf_rank_scores(int64_t n_held, int64_t n_scores, const double *score, int32_t *place);

/*
 * By popularity, the baseline.
 */
typedef struct rmf_popularity
{
	int32_t		n;
	const int32_t *count;		/* ratings of an item, >= 0 */
	int32_t    *order;			/* items by falling count, equal ones ascending */
	int32_t    *at_least;		/* by item: how many have its count or more */
} rmf_popularity;

/* order and at_least: room for n each. */
extern void rmf_popularity_build(rmf_popularity *popularity);

/* seen and held of one user: ascending, each once. */
extern void rmf_rank_by_popularity(const rmf_popularity *popularity, int64_t n_seen, const int32_t *seen,
								   int64_t n_held, const int32_t *held, int32_t *place);

/* The k most popular items that are not seen; returns how many there are. */
extern int32_t rmf_popularity_list(const rmf_popularity *popularity, int64_t n_seen, const int32_t *seen,
								   int32_t k, int32_t *list);

/*
 * At random, the other baseline; key: the user's.
 */
extern void rmf_rank_randomly(uint64_t seed, uint64_t key, int64_t n_candidates, int64_t n_held, int32_t *place);

/* A list of k with these held-out items at their places, and others that are neither seen nor held. */
extern int32_t rmf_random_list(uint64_t seed, uint64_t key, int32_t n_items, int64_t n_seen, const int32_t *seen,
							   int64_t n_held, const int32_t *held, const int32_t *place, int32_t k, int32_t *list);

/* n different items that are neither seen nor held, or all that there are; returns how many. */
extern int32_t rmf_random_items(uint64_t seed, uint64_t key, int32_t n_items, int64_t n_seen, const int32_t *seen,
								int64_t n_held, const int32_t *held, int32_t n, int32_t *list);

#endif							/* RMF_RANK_H */
