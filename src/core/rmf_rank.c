/*
 * rmf_rank.c
 *	  The places of held-out items: see rmf_rank.h.
 *
 * By inner product: the scores of some users for a block of items are one matrix
 * product and stay in cache while they are compared with the scores of the
 * held-out items, a pass over the block each.  What a user has seen, and his
 * held-out items themselves, lose their scores first; so what is counted is the
 * items that are not held out and come before, and a place is that count and the
 * number among the held-out ones.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "rmf_best.h"
#include "rmf_blas.h"
#include "rmf_layout.h"
#include "rmf_random.h"
#include "rmf_rank.h"
#include "rmf_sort.h"
#include "rmf_vector.h"

/* Users whose scores are made at once, and items: what they need stays in the second cache. */
#define USERS_AT_ONCE 192
#define BLOCK_ITEMS 512

/* How many products are made between two polls. */
#define POLL_PRODUCTS (1 << 26)

/* Of |u||v|: more than the roundings of a float sum of so many products, in any order, twice. */
#define SLACK(dimensions) (((double) (dimensions) + 16) * FLT_EPSILON)

/* Draws before a random item is looked for one by one. */
#define DRAWS 64

double
rmf_rank_largest_norm(int32_t n, int32_t dimensions, const float *rows)
{
	double		largest = 0;

	for (int32_t i = 0; i < n; i++)
	{
		const float *row = rows + (size_t) i * (size_t) dimensions;
		double		norm = sqrt(rmf_dot_double(dimensions, row, row));

		if (norm > largest)
			largest = norm;
	}
	return largest;
}

typedef struct ranked
{
	float		limit;			/* what comes before has at least this score */
	int32_t		count;
	int32_t		held;			/* where in the user's held-out items */
	double		score;
} ranked;

typedef struct rank_workspace
{
	float	   *scores;			/* USERS_AT_ONCE x BLOCK_ITEMS */
	ranked	   *ranked;			/* of all users, each by falling score */
	int32_t    *masked;			/* of all users: what they have seen, and the held-out items */
	int64_t    *masked_start;	/* n + 1 */
	int64_t    *masked_at;
} rank_workspace;

static void
carve_workspace(int32_t n_users, int64_t n_numbers, void *base, size_t *used, rank_workspace *w)
{
	w->scores = (float *) rmf_carve(base, used, sizeof(float) * USERS_AT_ONCE * BLOCK_ITEMS);
	w->ranked = (ranked *) rmf_carve(base, used, sizeof(ranked) * (size_t) n_numbers);
	w->masked = (int32_t *) rmf_carve(base, used, sizeof(int32_t) * (size_t) n_numbers);
	w->masked_start = (int64_t *) rmf_carve(base, used, sizeof(int64_t) * ((size_t) n_users + 1));
	w->masked_at = (int64_t *) rmf_carve(base, used, sizeof(int64_t) * (size_t) n_users);
}

size_t
rmf_rank_workspace_size(int32_t n_users, int64_t n_numbers)
{
	rank_workspace w;
	size_t		used = 0;

	carve_workspace(n_users, n_numbers, NULL, &used, &w);
	return used;
}

/* Falling score, then as they came. */
static inline int
comes_before(ranked a, ranked b)
{
	return a.score != b.score ? a.score > b.score : a.held < b.held;
}

static void
start_user(const rmf_rank_items *items, const rmf_rank_users *users, int32_t u, rank_workspace *w)
{
	int32_t		d = items->dimensions;
	const float *row = users->rows + (size_t) u * (size_t) d;
	int32_t		first = users->held_start[u];
	int32_t		n_held = users->held_start[u + 1] - first;
	int32_t		n_seen = users->seen_start == NULL ? 0 : users->seen_start[u + 1] - users->seen_start[u];
	double		rounding = SLACK(d) * sqrt(rmf_dot_double(d, row, row)) * items->largest_norm;
	int32_t    *masked = w->masked + w->masked_start[u];

	for (int32_t j = 0; j < n_held; j++)
	{
		ranked	   *r = &w->ranked[first + j];
		int32_t		item = users->held[first + j];

		r->score = rmf_dot(d, row, items->rows + (size_t) item * (size_t) d);
		r->limit = nextafterf((float) (r->score - rounding), -INFINITY);
		if (!(r->limit >= -FLT_MAX))
			r->limit = -FLT_MAX;
		r->held = j;
		r->count = 0;
		masked[j] = item;
	}
	RMF_SORT(ranked, w->ranked + first, n_held, comes_before);
	if (n_seen > 0)
		memcpy(masked + n_held, users->seen + users->seen_start[u], sizeof(int32_t) * (size_t) n_seen);
	rmf_sort_numbers(masked, n_held + n_seen);
	w->masked_start[u + 1] = w->masked_start[u] + n_held + n_seen;
	w->masked_at[u] = w->masked_start[u];
}

/* Counts what comes before one user's held-out items in a block of items. */
static void
count_block(const rmf_rank_users *users, int32_t u, int32_t first_item, int32_t n, float *scores,
			rank_workspace *w)
{
	const rmf_vector_kernels *kernels = rmf_vector_best();
	int64_t		at = w->masked_at[u];

	for (; at < w->masked_start[u + 1] && w->masked[at] < first_item + n; at++)
		scores[w->masked[at] - first_item] = -INFINITY;
	w->masked_at[u] = at;
	for (int32_t j = users->held_start[u]; j < users->held_start[u + 1]; j++)
		w->ranked[j].count += kernels->count_at_least(n, scores, w->ranked[j].limit);
}

static void
set_places(const rmf_rank_users *users, int32_t u, const rank_workspace *w)
{
	int32_t		first = users->held_start[u];

	for (int32_t j = 0; j < users->held_start[u + 1] - first; j++)
		users->place[first + w->ranked[first + j].held] = w->ranked[first + j].count + j + 1;
}

rmf_status
rmf_rank(const rmf_rank_items *items, const rmf_rank_users *users, void *workspace, const rmf_poll *poll)
{
	int32_t		d = items->dimensions;
	int64_t		n_numbers = users->held_start[users->n] + (users->seen_start == NULL ? 0 : users->seen_start[users->n]);
	int64_t		products = POLL_PRODUCTS;
	rank_workspace w;
	size_t		used = 0;

	if (users->n < 0 || d < 1 || items->n < 0)
		return RMF_BAD_ARGUMENT;
	carve_workspace(users->n, n_numbers, workspace, &used, &w);
	w.masked_start[0] = 0;
	for (int32_t u = 0; u < users->n; u++)
		start_user(items, users, u, &w);

	for (int32_t first = 0; first < users->n; first += USERS_AT_ONCE)
	{
		int32_t		n = users->n - first < USERS_AT_ONCE ? users->n - first : USERS_AT_ONCE;

		for (int32_t item = 0; item < items->n; item += BLOCK_ITEMS)
		{
			int32_t		n_here = items->n - item < BLOCK_ITEMS ? items->n - item : BLOCK_ITEMS;

			products += (int64_t) n * n_here * d;
			if (products >= POLL_PRODUCTS)
			{
				products = 0;
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
			}
			rmf_blas_gemm_nt(n, n_here, d, users->rows + (size_t) first * (size_t) d, d,
							 items->rows + (size_t) item * (size_t) d, d, w.scores, BLOCK_ITEMS);
			for (int32_t u = 0; u < n; u++)
				count_block(users, first + u, item, n_here, w.scores + (size_t) u * BLOCK_ITEMS, &w);
		}
	}
	for (int32_t u = 0; u < users->n; u++)
		set_places(users, u, &w);
	return RMF_OK;
}

void
rmf_rank_scores(int64_t n_held, int64_t n_scores, const double *score, int32_t *place)
{
	for (int64_t h = 0; h < n_held; h++)
	{
		int64_t		before = 0;

		if (isnan(score[h]))
		{
			place[h] = RMF_NO_PLACE;
			continue;
		}
		for (int64_t j = 0; j < n_held; j++)
			before += score[j] > score[h] || (score[j] == score[h] && j < h);
		for (int64_t j = n_held; j < n_scores; j++)
			before += score[j] >= score[h];
		place[h] = before >= RMF_NO_PLACE - 1 ? RMF_NO_PLACE : (int32_t) before + 1;
	}
}

/*
 * Popularity
 */

void
rmf_popularity_build(rmf_popularity *popularity)
{
	const int32_t *count = popularity->count;
	int32_t    *order = popularity->order;
	int32_t		n = popularity->n;

#define MORE_POPULAR(a, b) (count[a] != count[b] ? count[a] > count[b] : (a) < (b))
	for (int32_t i = 0; i < n; i++)
		order[i] = i;
	RMF_SORT(int32_t, order, n, MORE_POPULAR);
#undef MORE_POPULAR
	for (int32_t i = n; i > 0; i--)
	{
		int32_t		item = order[i - 1];

		popularity->at_least[item] = i < n && count[order[i]] == count[item] ? popularity->at_least[order[i]] : i;
	}
}

void
rmf_rank_by_popularity(const rmf_popularity *popularity, int64_t n_seen, const int32_t *seen,
					   int64_t n_held, const int32_t *held, int32_t *place)
{
	const int32_t *count = popularity->count;

	for (int64_t h = 0; h < n_held; h++)
	{
		int32_t		own = count[held[h]];
		int32_t		before = popularity->at_least[held[h]];

		for (int64_t s = 0; s < n_seen; s++)
			before -= count[seen[s]] >= own;

		/* of the held-out ones only those that come before */
		for (int64_t j = 0; j < n_held; j++)
			before -= count[held[j]] == own ? j >= h : 0;
		place[h] = before + 1;
	}
}

int32_t
rmf_popularity_list(const rmf_popularity *popularity, int64_t n_seen, const int32_t *seen, int32_t k, int32_t *list)
{
	int32_t		n = 0;

	for (int32_t i = 0; i < popularity->n && n < k; i++)
		if (!rmf_has_number(seen, n_seen, popularity->order[i]))
			list[n++] = popularity->order[i];
	return n;
}

/*
 * At random
 */

/* Below n, from a state that it moves on. */
static int64_t
draw(uint64_t *state, int64_t n)
{
	*state = rmf_mix64(*state);
	return (int64_t) (((unsigned __int128) *state * (uint64_t) n) >> 64);
}

/* A set of so many different ones (Floyd), then in random order, so that no item is better off. */
void
rmf_rank_randomly(uint64_t seed, uint64_t key, int64_t n_candidates, int64_t n_held, int32_t *place)
{
	uint64_t	state = rmf_mix64(seed ^ rmf_mix64(key));

	for (int64_t h = 0; h < n_held; h++)
	{
		int32_t		last = (int32_t) (n_candidates - n_held + h + 1);
		int32_t		drawn = (int32_t) draw(&state, last) + 1;

		for (int64_t j = 0; j < h; j++)
			if (place[j] == drawn)
			{
				drawn = last;
				break;
			}
		place[h] = drawn;
	}
	for (int64_t h = n_held - 1; h > 0; h--)
	{
		int64_t		other = draw(&state, h + 1);
		int32_t		swap = place[h];

		place[h] = place[other];
		place[other] = swap;
	}
}

static int
is_in(const int32_t *list, int32_t n, int32_t item)
{
	for (int32_t i = 0; i < n; i++)
		if (list[i] == item)
			return 1;
	return 0;
}

/* One that is neither seen nor held nor listed, or -1. */
static int32_t
random_item(uint64_t *state, int32_t n_items, int64_t n_seen, const int32_t *seen, int64_t n_held,
			const int32_t *held, int32_t n, const int32_t *list)
{
	int32_t		item = -1;

	for (int tries = 0; tries < DRAWS; tries++)
	{
		item = (int32_t) draw(state, n_items);
		if (!rmf_has_number(seen, n_seen, item) && !rmf_has_number(held, n_held, item) && !is_in(list, n, item))
			return item;
	}
	for (int32_t i = 0; i < n_items; i++)
	{
		item = item + 1 < n_items ? item + 1 : 0;
		if (!rmf_has_number(seen, n_seen, item) && !rmf_has_number(held, n_held, item) && !is_in(list, n, item))
			return item;
	}
	return -1;
}

int32_t
rmf_random_list(uint64_t seed, uint64_t key, int32_t n_items, int64_t n_seen, const int32_t *seen,
				int64_t n_held, const int32_t *held, const int32_t *place, int32_t k, int32_t *list)
{
	uint64_t	state = rmf_mix64(seed + 1) ^ rmf_mix64(key);
	int32_t		n = 0;

	while (n < k)
	{
		int32_t		item = -1;

		for (int64_t h = 0; h < n_held && item < 0; h++)
			if (place[h] == n + 1)
				item = held[h];
		if (item < 0)
			item = random_item(&state, n_items, n_seen, seen, n_held, held, n, list);
		if (item < 0)
			break;
		list[n++] = item;
	}
	return n;
}

int32_t
rmf_random_items(uint64_t seed, uint64_t key, int32_t n_items, int64_t n_seen, const int32_t *seen,
				 int64_t n_held, const int32_t *held, int32_t n, int32_t *list)
{
	uint64_t	state = rmf_mix64(seed + 2) ^ rmf_mix64(key);
	int32_t		found = 0;

	while (found < n)
	{
		int32_t		item = random_item(&state, n_items, n_seen, seen, n_held, held, found, list);

		if (item < 0)
			break;
		list[found++] = item;
	}
	return found;
}
