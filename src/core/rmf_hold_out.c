/*
 * rmf_hold_out.c
 *	  Ratings that are held out of training: see rmf_hold_out.h.
 */
#include "rmf_hold_out.h"
#include "rmf_random.h"
#include "rmf_sort.h"

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

int64_t
rmf_csr_find(const rmf_csr *csr, int64_t row, int32_t column)
{
	const int32_t *columns = csr->column + csr->start[row];
	int64_t		n = csr->start[row + 1] - csr->start[row];
	int64_t		at = rmf_find_number(columns, n, column);

	return at < n && columns[at] == column ? csr->start[row] + at : -1;
}

int64_t
rmf_hold_out_check_marks(const rmf_csr *by_user, uint8_t *marks)
{
	int64_t		n = 0;

	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		int64_t		marked = 0;

		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
			marked += marks[t] != 0;
		if (marked == by_user->start[u + 1] - by_user->start[u])
		{
			for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
				marks[t] = 0;
			marked = 0;
		}
		n += marked;
	}
	return n;
}

static void
copy_entry(rmf_csr *to, int64_t at, const rmf_csr *from, int64_t t)
{
	to->column[at] = from->column[t];
	to->value[at] = from->value[t];
	if (to->weight != NULL)
		to->weight[at] = from->weight[t];
}

rmf_status
rmf_hold_out_marked(const uint8_t *marks, rmf_csr *by_user, rmf_csr *by_item, rmf_csr *held, const rmf_poll *poll)
{
	int64_t		first = 0;
	int64_t		n_kept = 0;
	int64_t		n_held = 0;
	poller		p = {poll, 0};

	/* the other orientation first: it looks the marks up in the matrix as it still is */
	for (int64_t i = 0; i < by_item->n_rows; i++)
	{
		int64_t		last = by_item->start[i + 1];

		by_item->start[i] = n_kept;
		for (int64_t t = first; t < last; t++)
		{
			int64_t		at = rmf_csr_find(by_user, by_item->column[t], (int32_t) i);

			if (at < 0)
				return RMF_BAD_ARGUMENT;
			if (!marks[at])
				copy_entry(by_item, n_kept++, by_item, t);
		}
		if (cancelled(&p, last - first))
			return RMF_CANCELLED;
		first = last;
	}
	by_item->start[by_item->n_rows] = n_kept;
	by_item->n_entries = n_kept;

	first = n_kept = 0;
	for (int64_t u = 0; u < by_user->n_rows; u++)
	{
		int64_t		last = by_user->start[u + 1];

		by_user->start[u] = n_kept;
		held->start[u] = n_held;
		for (int64_t t = first; t < last; t++)
		{
			if (marks[t])
				copy_entry(held, n_held++, by_user, t);
			else
				copy_entry(by_user, n_kept++, by_user, t);
		}
		if (cancelled(&p, last - first))
			return RMF_CANCELLED;
		first = last;
	}
	by_user->start[by_user->n_rows] = n_kept;
	by_user->n_entries = n_kept;
	held->n_rows = by_user->n_rows;
	held->n_columns = by_user->n_columns;
	held->start[held->n_rows] = n_held;
	held->n_entries = n_held;
	return RMF_OK;
}
