/*
 * rmf_hold_out.c
 *	  Ratings that are held out of training: see rmf_hold_out.h.
 */
#include <string.h>

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

/* Is the rating of this hash held out?  Those with the greatest ones stay. */
static int
is_chosen(const rmf_hold_out *choice, uint64_t h, uint64_t greatest_of_user, uint64_t greatest_of_item)
{
	return h < threshold(choice) && h != greatest_of_user && h != greatest_of_item;
}

void
rmf_hold_out_start(rmf_hold_out_walk *walk, const rmf_hold_out *choice, rmf_side side, int64_t n_rows,
				   const int64_t *start)
{
	memset(walk, 0, sizeof(*walk));
	walk->choice = choice;
	walk->side = side;
	walk->n_rows = n_rows;
	walk->start = start;
	walk->seed = mixed_seed(choice);
	walk->row_end = n_rows > 0 ? start[1] : 0;
}

/* To the row of the next entry. */
static void
step(rmf_hold_out_walk *walk)
{
	while (walk->at == walk->row_end)
		walk->row_end = walk->start[++walk->row + 1];
}

static uint64_t
hash_of(const rmf_hold_out_walk *walk, int32_t column)
{
	uint64_t	row_key = walk->choice->keys[walk->side][walk->row];
	uint64_t	column_key = walk->choice->keys[rmf_other_side(walk->side)][column];

	return walk->side == RMF_USERS ? hash(walk->seed, row_key, column_key) : hash(walk->seed, column_key, row_key);
}

void
rmf_hold_out_look(rmf_hold_out_walk *walk, int64_t n, const int32_t *column)
{
	uint64_t   *of_row = walk->choice->greatest[walk->side];
	uint64_t   *of_column = walk->choice->greatest[rmf_other_side(walk->side)];

	for (int64_t t = 0; t < n; t++, walk->at++)
	{
		uint64_t	h;

		step(walk);
		h = hash_of(walk, column[t]);
		if (h > of_row[walk->row])
			of_row[walk->row] = h;
		if (h > of_column[column[t]])
			of_column[column[t]] = h;
	}
}

void
rmf_hold_out_count(rmf_hold_out_walk *walk, int64_t n, const int32_t *column)
{
	const rmf_hold_out *choice = walk->choice;

	for (int64_t t = 0; t < n; t++, walk->at++)
	{
		step(walk);
		walk->n_held += is_chosen(choice, hash_of(walk, column[t]), choice->greatest[walk->side][walk->row],
								  choice->greatest[rmf_other_side(walk->side)][column[t]]);
	}
}

/* Rows up to this one begin where the entries so far end. */
static void
begin_rows(rmf_hold_out_walk *walk, int64_t row, int64_t *start, rmf_csr *held)
{
	for (; walk->rows_begun <= row; walk->rows_begun++)
	{
		start[walk->rows_begun] = walk->n_kept;
		if (held != NULL)
			held->start[walk->rows_begun] = walk->n_held;
	}
}

int64_t
rmf_hold_out_divide(rmf_hold_out_walk *walk, int64_t *start, int64_t n, rmf_entries from, rmf_entries to, rmf_csr *held)
{
	const rmf_hold_out *choice = walk->choice;
	int64_t		kept = 0;

	for (int64_t t = 0; t < n; t++, walk->at++)
	{
		int32_t		column = from.column[t];

		step(walk);
		begin_rows(walk, walk->row, start, held);
		if (!is_chosen(choice, hash_of(walk, column), choice->greatest[walk->side][walk->row],
					   choice->greatest[rmf_other_side(walk->side)][column]))
		{
			to.column[kept] = column;
			to.value[kept] = from.value[t];
			if (to.weight != NULL)
				to.weight[kept] = from.weight[t];
			kept++;
			walk->n_kept++;
			continue;
		}
		if (held != NULL)
		{
			held->column[walk->n_held] = column;
			held->value[walk->n_held] = from.value[t];
			if (held->weight != NULL)
				held->weight[walk->n_held] = from.weight[t];
		}
		walk->n_held++;
	}
	return kept;
}

void
rmf_hold_out_end(rmf_hold_out_walk *walk, int64_t *start, int64_t n_columns, rmf_csr *held)
{
	begin_rows(walk, walk->n_rows, start, held);
	if (held == NULL)
		return;
	held->n_rows = walk->n_rows;
	held->n_columns = n_columns;
	held->n_entries = walk->n_held;
}

rmf_status
rmf_hold_out_check(rmf_hold_out *choice, int64_t n_users, int64_t n_items)
{
	if (!(choice->fraction > 0 && choice->fraction <= 0.5))
		return RMF_BAD_ARGUMENT;
	memset(choice->greatest[RMF_USERS], 0, sizeof(uint64_t) * (size_t) n_users);
	memset(choice->greatest[RMF_ITEMS], 0, sizeof(uint64_t) * (size_t) n_items);
	return RMF_OK;
}

/* How many of the entries left are looked at before the next poll. */
static int64_t
some_of(const rmf_csr *ratings, const rmf_hold_out_walk *walk)
{
	int64_t		left = ratings->n_entries - walk->at;

	return left < POLL_RATINGS ? left : POLL_RATINGS;
}

rmf_status
rmf_hold_out_choose(rmf_hold_out *choice, const rmf_csr *by_user, int64_t *n, const rmf_poll *poll)
{
	rmf_status	status = rmf_hold_out_check(choice, by_user->n_rows, by_user->n_columns);
	rmf_hold_out_walk walk;

	if (status != RMF_OK)
		return status;
	for (rmf_hold_out_start(&walk, choice, RMF_USERS, by_user->n_rows, by_user->start); walk.at < by_user->n_entries;)
	{
		rmf_hold_out_look(&walk, some_of(by_user, &walk), by_user->column + walk.at);
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
	}
	for (rmf_hold_out_start(&walk, choice, RMF_USERS, by_user->n_rows, by_user->start); walk.at < by_user->n_entries;)
	{
		rmf_hold_out_count(&walk, some_of(by_user, &walk), by_user->column + walk.at);
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
	}
	*n = walk.n_held;
	return RMF_OK;
}

static rmf_entries
entries_at(const rmf_csr *csr, int64_t at)
{
	return (rmf_entries) {csr->column + at, csr->value + at, csr->weight != NULL ? csr->weight + at : NULL};
}

rmf_status
rmf_hold_out_apply(const rmf_hold_out *choice, rmf_side side, rmf_csr *ratings, rmf_csr *held,
				   const rmf_poll *poll)
{
	rmf_hold_out_walk walk;

	for (rmf_hold_out_start(&walk, choice, side, ratings->n_rows, ratings->start); walk.at < ratings->n_entries;)
	{
		rmf_hold_out_divide(&walk, ratings->start, some_of(ratings, &walk), entries_at(ratings, walk.at),
							entries_at(ratings, walk.n_kept), held);
		if (rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
	}
	rmf_hold_out_end(&walk, ratings->start, ratings->n_columns, held);
	ratings->n_entries = walk.n_kept;
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
