/*
 * rmf_hold_out.c
 *	  Ratings that are held out of training: see rmf_hold_out.h.
 */
#include "rmf_hold_out.h"
#include "rmf_random.h"

/* How many ratings are looked at between two polls, at least. */
#define POLL_RATINGS (1 << 18)

/* Keeps these hashes apart from others that the seed goes into. */
#define SALT UINT64_C(0x76616C6964617465)

/* Polls after so many ratings. */
typedef struct poller
{
	const rmf_poll *poll;
	int64_t		seen;
} poller;

static int
cancelled(poller *p, int64_t ratings)
{
	p->seen += ratings;
	if (p->seen < POLL_RATINGS)
		return 0;
	p->seen = 0;
	return rmf_poll_cancelled(p->poll);
}

static uint64_t
mixed_seed(const rmf_hold_out *choice)
{
	return rmf_mix64(choice->seed ^ SALT);
}

static uint64_t
hash(uint64_t seed, uint64_t user_key, uint64_t item_key)
{
	return rmf_mix64(rmf_mix64(user_key ^ seed) ^ item_key);
}

static uint64_t
threshold(const rmf_hold_out *choice)
{
	return (uint64_t) (choice->fraction * 0x1p64);
}

rmf_status
rmf_hold_out_choose(rmf_hold_out *choice, const rmf_csr *by_user, int64_t *n, const rmf_poll *poll)
{
	const uint64_t *item_keys = choice->keys[RMF_ITEMS];
	uint64_t   *of_user = choice->greatest[RMF_USERS];
	uint64_t   *of_item = choice->greatest[RMF_ITEMS];
	uint64_t	seed = mixed_seed(choice);
	uint64_t	limit = threshold(choice);
	poller		p = {poll, 0};

	if (!(choice->fraction > 0 && choice->fraction <= 0.5))
		return RMF_BAD_ARGUMENT;

	for (int64_t i = 0; i < by_user->n_columns; i++)
		of_item[i] = 0;
	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		uint64_t	greatest = 0;

		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
		{
			int32_t		item = by_user->column[t];
			uint64_t	h = hash(seed, choice->keys[RMF_USERS][u], item_keys[item]);

			if (h > greatest)
				greatest = h;
			if (h > of_item[item])
				of_item[item] = h;
		}
		of_user[u] = greatest;
		if (cancelled(&p, by_user->start[u + 1] - by_user->start[u]))
			return RMF_CANCELLED;
	}

	*n = 0;
	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
		{
			int32_t		item = by_user->column[t];
			uint64_t	h = hash(seed, choice->keys[RMF_USERS][u], item_keys[item]);

			*n += h < limit && h != of_user[u] && h != of_item[item];
		}
		if (cancelled(&p, by_user->start[u + 1] - by_user->start[u]))
			return RMF_CANCELLED;
	}
	return RMF_OK;
}

rmf_status
rmf_hold_out_apply(const rmf_hold_out *choice, rmf_side side, rmf_csr *ratings, rmf_csr *held,
				   const rmf_poll *poll)
{
	rmf_side	other = side == RMF_USERS ? RMF_ITEMS : RMF_USERS;
	uint64_t	seed = mixed_seed(choice);
	uint64_t	limit = threshold(choice);
	int64_t		first = 0;		/* of the row, before it is written over */
	int64_t		n_kept = 0;
	int64_t		n_held = 0;
	poller		p = {poll, 0};

	for (int64_t r = 0; r < ratings->n_rows; r++)
	{
		int64_t		last = ratings->start[r + 1];

		ratings->start[r] = n_kept;
		if (held != NULL)
			held->start[r] = n_held;
		for (int64_t t = first; t < last; t++)
		{
			int32_t		column = ratings->column[t];
			uint64_t	h = side == RMF_USERS ?
				hash(seed, choice->keys[side][r], choice->keys[other][column]) :
				hash(seed, choice->keys[other][column], choice->keys[side][r]);

			if (h < limit && h != choice->greatest[side][r] && h != choice->greatest[other][column])
			{
				if (held != NULL)
				{
					held->column[n_held] = column;
					held->value[n_held] = ratings->value[t];
					if (held->weight != NULL)
						held->weight[n_held] = ratings->weight[t];
				}
				n_held++;
			}
			else
			{
				ratings->column[n_kept] = column;
				ratings->value[n_kept] = ratings->value[t];
				if (ratings->weight != NULL)
					ratings->weight[n_kept] = ratings->weight[t];
				n_kept++;
			}
		}
		if (cancelled(&p, last - first))
			return RMF_CANCELLED;
		first = last;
	}
	ratings->start[ratings->n_rows] = n_kept;
	ratings->n_entries = n_kept;
	if (held != NULL)
	{
		held->n_rows = ratings->n_rows;
		held->n_columns = ratings->n_columns;
		held->start[ratings->n_rows] = n_held;
		held->n_entries = n_held;
	}
	return RMF_OK;
}

int
rmf_is_held_out(double fraction, uint64_t seed, uint64_t user_key, uint64_t item_key)
{
	if (fraction >= 1)
		return 1;
	return hash(rmf_mix64(seed ^ SALT), user_key, item_key) < (uint64_t) (fraction * 0x1p64);
}
