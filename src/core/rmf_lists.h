/*
 * rmf_lists.h
 *	  Lists of items by user, out of pairs in any order.
 */
#ifndef RMF_LISTS_H
#define RMF_LISTS_H

#include <stdint.h>

#include "rmf_status.h"

/* What somebody has; tag: the caller's, >= 0. */
typedef struct rmf_pair
{
	int32_t		user;
	int32_t		item;
	int32_t		tag;
} rmf_pair;

/* Of each user the items ascending, each once, with the smallest of its tags. */
typedef struct rmf_lists
{
	int32_t		n_users;
	int64_t    *start;			/* n_users + 1 */
	int32_t    *item;
	int32_t    *tag;			/* may be NULL */
} rmf_lists;

/* start: room for n_users + 1; item and tag: room for n_pairs each. */
extern rmf_status rmf_lists_build(rmf_lists *lists, int64_t n_pairs, const rmf_pair *pairs, const rmf_poll *poll);

/*
 * Takes out what the other lists have, of each user.  Returns how many that
 * were; the room stays as it is.
 */
extern int64_t rmf_lists_subtract(rmf_lists *lists, const rmf_lists *other);

#endif							/* RMF_LISTS_H */
