/*
 * rmf_hold_out.h
 *	  Ratings that are held out of training, to validate with.
 *
 * A rating is held out if a hash of its user, its item and the seed falls below
 * the fraction, so the choice does not depend on the order of the ratings or on
 * other ratings.  One exception: the rating with the greatest hash of each user
 * and of each item always stays, so that nobody loses all he has.  Both
 * orientations of a matrix can be divided by the same rule, each by itself.
 */
#ifndef RMF_HOLD_OUT_H
#define RMF_HOLD_OUT_H

#include <stdint.h>

#include "rmf_als.h"
#include "rmf_csr.h"
#include "rmf_status.h"

/* All arrays are the caller's, by rmf_side, one entry a row. */
typedef struct rmf_hold_out
{
	double		fraction;		/* 0 < fraction <= 0.5 */
	uint64_t	seed;
	const uint64_t *keys[2];	/* of the rows, as for rmf_als_start() */
	uint64_t   *greatest[2];	/* set by rmf_hold_out_choose() */
} rmf_hold_out;

/* Sets greatest, and *n to the number of ratings that will be held out. */
extern rmf_status rmf_hold_out_choose(rmf_hold_out *choice, const rmf_csr *by_user, int64_t *n,
									  const rmf_poll *poll);

/*
 * The same piece by piece, where a matrix is not in memory: walks over the
 * entries of one side in their order, any number at a time.  First
 * rmf_hold_out_check(), which begins a choice; a walk over the users' entries
 * that looks, one that counts; and then one over each side that divides.
 */
typedef struct rmf_hold_out_walk
{
	const rmf_hold_out *choice;
	rmf_side	side;
	int64_t		n_rows;
	const int64_t *start;		/* n_rows + 1, as they were before the walk divided */
	uint64_t	seed;
	int64_t		at;				/* the next entry */
	int64_t		row;			/* of the entry before, and where that row ends */
	int64_t		row_end;
	int64_t		rows_begun;		/* whose new starts are set */
	int64_t		n_kept;			/* so far */
	int64_t		n_held;
} rmf_hold_out_walk;

/* Entries of a matrix that follow each other; weight: NULL where there are none. */
typedef struct rmf_entries
{
	int32_t    *column;
	float	   *value;
	float	   *weight;
} rmf_entries;

/* RMF_BAD_ARGUMENT: the fraction.  Clears "greatest". */
extern rmf_status rmf_hold_out_check(rmf_hold_out *choice, int64_t n_users, int64_t n_items);

extern void rmf_hold_out_start(rmf_hold_out_walk *walk, const rmf_hold_out *choice, rmf_side side,
							   int64_t n_rows, const int64_t *start);
extern void rmf_hold_out_look(rmf_hold_out_walk *walk, int64_t n, const int32_t *column);
extern void rmf_hold_out_count(rmf_hold_out_walk *walk, int64_t n, const int32_t *column);

/*
 * The next n entries: those that stay to "to", which may be "from" or come before
 * it in the same arrays, and the others to their place in "held" (or NULL).
 * start: the new starts; it may be the array of the old ones.  Returns how many stay.
 */
extern int64_t rmf_hold_out_divide(rmf_hold_out_walk *walk, int64_t *start, int64_t n, rmf_entries from,
								   rmf_entries to, rmf_csr *held);

/* After the last entry: the starts of what is left, and the shape of "held". */
extern void rmf_hold_out_end(rmf_hold_out_walk *walk, int64_t *start, int64_t n_columns, rmf_csr *held);

/*
 * Takes them out of "ratings", a matrix by rows of "side", in place.  held: a
 * matrix with room for n entries that gets them, in the same order, or NULL; it
 * may have weights if "ratings" has.
 */
extern rmf_status rmf_hold_out_apply(const rmf_hold_out *choice, rmf_side side, rmf_csr *ratings,
									 rmf_csr *held, const rmf_poll *poll);

/*
 * The same for one rating without the exception: whether a hash of these keys
 * and the seed falls below the fraction, 0 <= fraction <= 1.  The same for ever.
 */
extern int	rmf_is_held_out(double fraction, uint64_t seed, uint64_t user_key, uint64_t item_key);

/*
 * The same for ratings of the caller's choice: marks[t] is not 0 for the t-th
 * rating of "by_user".  Users of whom no rating would be left keep all: their
 * marks are cleared.  Returns the number that will be held out.
 */
extern int64_t rmf_hold_out_check_marks(const rmf_csr *by_user, uint8_t *marks);

/* Takes the marked ratings out of both orientations, in place; held has room for them. */
extern rmf_status rmf_hold_out_marked(const uint8_t *marks, rmf_csr *by_user, rmf_csr *by_item,
									  rmf_csr *held, const rmf_poll *poll);

/* Where a matrix has an entry, or -1. */
extern int64_t rmf_csr_find(const rmf_csr *csr, int64_t row, int32_t column);

#endif							/* RMF_HOLD_OUT_H */
