/*
 * rmf_rank.c
 *	  The places of held-out items: see rmf_rank.h.
 *
 * By inner product: users stand side by side in groups, a lane each, with the
 * scores that their held-out items need to come after an item ("limits").  A
 * kernel makes the scores of a block of items for a group and counts them where
 * they are made, in registers (rmf_rank_levels.h).  What a user has seen, and his
 * held-out items themselves, count nowhere; so what is counted is the items that
 * are not held out and come before, and a place is that count and the number
 * among the held-out ones.
 *
 * All lanes of a group are compared with as many limits as the one that has
 * most.  So users with many have several lanes, and lanes with as many limits
 * stand together.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "rmf_best.h"
#include "rmf_layout.h"
#include "rmf_random.h"
#include "rmf_rank.h"
#include "rmf_rank_levels.h"
#include "rmf_sort.h"
#include "rmf_vector.h"

/* Limits of a lane, as long as its user has no more than MOST_LANES of them. */
#define LANE_LIMITS 32
#define MOST_LANES 8

/* Bytes of a block of items: it stays in the second cache while all groups look at it. */
#define BLOCK_BYTES 65536
#define LEAST_BLOCK 8

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
	int32_t		held;			/* where in the user's held-out items */
	double		score;
} ranked;

/* Some of a user's held-out items. */
typedef struct lane
{
	int32_t		user;
	int32_t		first;			/* of "ranked" */
	int32_t		n;
} lane;

typedef struct group
{
	const lane *lane;
	int32_t		n;
	int32_t		n_limits;
	float	   *users;			/* dimensions x lanes */
	float	   *limit;			/* n_limits x lanes */
	int32_t    *before;
	const uint16_t *hidden;
	int32_t    *hidden_end;		/* by block; of "hidden" */
} group;

typedef struct rank_workspace
{
	const rmf_rank_kernels *kernels;
	int			block_shift;
	int32_t		n_blocks;
	int32_t		n_lanes;
	int32_t		n_groups;
	ranked	   *ranked;			/* of all users, each by falling score */
	lane	   *lane;
	group	   *group;
	float	   *users;			/* of all groups, as what follows */
	float	   *limit;
	int32_t    *before;
	uint16_t   *hidden;
	int32_t    *hidden_end;
} rank_workspace;

/* Items of a block, as a power of two. */
static int
block_shift_of(int32_t dimensions)
{
	int			shift = 0;

	while (1 << shift < LEAST_BLOCK ||
		   (2 << shift <= RMF_RANK_BLOCK && (int64_t) (2 << shift) * dimensions * (int64_t) sizeof(float) <= BLOCK_BYTES))
		shift++;
	return shift;
}

static void
carve_workspace(int32_t n_items, int32_t dimensions, int32_t n_users, int64_t n_numbers, void *base, size_t *used,
				rank_workspace *w)
{
	size_t		numbers = (size_t) n_numbers;
	size_t		lanes = (size_t) n_users + numbers / LANE_LIMITS + RMF_RANK_MOST_LANES;
	size_t		groups = lanes / RMF_RANK_FEWEST_LANES + 1;

	/* groups come by falling number of limits: but for the first, no lane has fewer than the next group */
	size_t		limits = RMF_RANK_MOST_LANES * (LANE_LIMITS + numbers / MOST_LANES + 1) + numbers;

	w->block_shift = block_shift_of(dimensions);
	w->n_blocks = n_items / (1 << w->block_shift) + 1;
	w->ranked = (ranked *) rmf_carve(base, used, sizeof(ranked) * numbers);
	w->lane = (lane *) rmf_carve(base, used, sizeof(lane) * lanes);
	w->group = (group *) rmf_carve(base, used, sizeof(group) * groups);
	w->users = (float *) rmf_carve(base, used, sizeof(float) * lanes * (size_t) dimensions);
	w->limit = (float *) rmf_carve(base, used, sizeof(float) * limits);
	w->before = (int32_t *) rmf_carve(base, used, sizeof(int32_t) * limits);
	w->hidden = (uint16_t *) rmf_carve(base, used, sizeof(uint16_t) * MOST_LANES * numbers);
	w->hidden_end = (int32_t *) rmf_carve(base, used, sizeof(int32_t) * groups * (size_t) w->n_blocks);
}

size_t
rmf_rank_workspace_size(int32_t n_items, int32_t dimensions, int32_t n_users, int64_t n_numbers)
{
	rank_workspace w;
	size_t		used = 0;

	carve_workspace(n_items, dimensions, n_users, n_numbers, NULL, &used, &w);
	return used;
}

/* Falling score, then as they came. */
static inline int
comes_before(ranked a, ranked b)
{
	return a.score != b.score ? a.score > b.score : a.held < b.held;
}

/* The limits of a user, and his lanes. */
static void
start_user(const rmf_rank_items *items, const rmf_rank_users *users, int32_t u, rank_workspace *w)
{
	int32_t		d = items->dimensions;
	const float *row = users->rows + (size_t) u * (size_t) d;
	int32_t		first = users->held_start[u];
	int32_t		n_held = users->held_start[u + 1] - first;
	double		rounding = SLACK(d) * sqrt(rmf_dot_double(d, row, row)) * items->largest_norm;
	int32_t		of_lane = n_held > LANE_LIMITS * MOST_LANES ? (n_held + MOST_LANES - 1) / MOST_LANES : LANE_LIMITS;

	for (int32_t j = 0; j < n_held; j++)
	{
		ranked	   *r = &w->ranked[first + j];

		r->score = rmf_dot(d, row, items->rows + (size_t) users->held[first + j] * (size_t) d);
		r->limit = nextafterf((float) (r->score - rounding), -INFINITY);
		if (!(r->limit >= -FLT_MAX))
			r->limit = -FLT_MAX;
		r->held = j;
	}
	RMF_SORT(ranked, w->ranked + first, n_held, comes_before);
	for (int32_t j = 0; j < n_held; j += of_lane)
		w->lane[w->n_lanes++] = (lane) {u, first + j, n_held - j < of_lane ? n_held - j : of_lane};
}

static inline int
has_more_limits(lane a, lane b)
{
	return a.n != b.n ? a.n > b.n : a.first < b.first;
}

/* Cell (item, lane) of its block, at the end of which it is put; or only counted. */
static void
hide(const int32_t *list, int32_t n, int32_t l, const rank_workspace *w, int32_t *end, uint16_t *hidden)
{
	for (int32_t i = 0; i < n; i++)
	{
		int32_t	   *at = &end[list[i] >> w->block_shift];

		if (hidden != NULL)
			hidden[*at] = (uint16_t) ((list[i] & ((1 << w->block_shift) - 1)) * w->kernels->lanes + l);
		(*at)++;
	}
}

static void
hide_of_group(const rmf_rank_users *users, const group *g, const rank_workspace *w, int32_t *end, uint16_t *hidden)
{
	for (int32_t l = 0; l < g->n; l++)
	{
		int32_t		u = g->lane[l].user;

		hide(users->held + users->held_start[u], users->held_start[u + 1] - users->held_start[u], l, w, end, hidden);
		if (users->seen_start != NULL)
			hide(users->seen + users->seen_start[u], users->seen_start[u + 1] - users->seen_start[u], l, w, end, hidden);
	}
}

/* What counts nowhere, by block and ascending in it.  Returns how many. */
static int32_t
set_hidden(const rmf_rank_users *users, group *g, const rank_workspace *w, uint16_t *hidden)
{
	int32_t	   *end = g->hidden_end;
	int32_t		n = 0;

	memset(end, 0, sizeof(int32_t) * (size_t) w->n_blocks);
	hide_of_group(users, g, w, end, NULL);
	for (int32_t b = 0; b < w->n_blocks; b++)
	{
		int32_t		here = end[b];

		end[b] = n;
		n += here;
	}
	hide_of_group(users, g, w, end, hidden);
#define LESS(a, b) ((a) < (b))
	for (int32_t b = 0; b < w->n_blocks; b++)
		RMF_SORT(uint16_t, hidden + (b > 0 ? end[b - 1] : 0), end[b] - (b > 0 ? end[b - 1] : 0), LESS);
#undef LESS
	g->hidden = hidden;
	return n;
}

/* Lanes that are left over have no user: zeros, which nothing comes before. */
static void
set_lanes(const rmf_rank_users *users, int32_t d, const group *g, const rank_workspace *w)
{
	int			lanes = w->kernels->lanes;

	for (int32_t l = 0; l < lanes; l++)
	{
		const lane *from = l < g->n ? &g->lane[l] : NULL;
		const float *row = from == NULL ? NULL : users->rows + (size_t) from->user * (size_t) d;

		for (int32_t t = 0; t < d; t++)
			g->users[(size_t) t * (size_t) lanes + (size_t) l] = row == NULL ? 0 : row[t];
		for (int32_t j = 0; j < g->n_limits; j++)
		{
			size_t		at = (size_t) j * (size_t) lanes + (size_t) l;

			g->limit[at] = from != NULL && j < from->n ? w->ranked[from->first + j].limit : INFINITY;
			g->before[at] = 0;
		}
	}
}

static void
make_groups(const rmf_rank_users *users, int32_t d, rank_workspace *w)
{
	int32_t		lanes = w->kernels->lanes;
	size_t		n_limits = 0;
	size_t		n_hidden = 0;

	RMF_SORT(lane, w->lane, w->n_lanes, has_more_limits);
	w->n_groups = 0;
	for (int32_t first = 0; first < w->n_lanes; first += lanes)
	{
		group	   *g = &w->group[w->n_groups];

		g->lane = w->lane + first;
		g->n = w->n_lanes - first < lanes ? w->n_lanes - first : lanes;
		g->n_limits = g->lane->n;
		g->users = w->users + (size_t) first * (size_t) d;
		g->limit = w->limit + n_limits;
		g->before = w->before + n_limits;
		g->hidden_end = w->hidden_end + (size_t) w->n_groups++ * (size_t) w->n_blocks;
		set_lanes(users, d, g, w);
		n_limits += (size_t) g->n_limits * (size_t) lanes;
		n_hidden += (size_t) set_hidden(users, g, w, w->hidden + n_hidden);
	}
}

static void
count_block(const rmf_rank_items *items, int32_t b, const group *g, const rank_workspace *w)
{
	int32_t		first = b << w->block_shift;
	int32_t		size = 1 << w->block_shift;
	rmf_rank_block block = {
		.dimensions = items->dimensions,
		.n = items->n - first < size ? items->n - first : size,
		.rows = items->rows + (size_t) first * (size_t) items->dimensions,
		.users = g->users,
		.n_limits = g->n_limits,
		.limit = g->limit,
		.before = g->before,
		.hidden = g->hidden + (b > 0 ? g->hidden_end[b - 1] : 0),
		.hidden_end = g->hidden + g->hidden_end[b]
	};

	w->kernels->count(&block);
}

static void
set_places(const rmf_rank_users *users, const group *g, const rank_workspace *w)
{
	for (int32_t l = 0; l < g->n; l++)
	{
		const lane *from = &g->lane[l];
		int32_t		held = users->held_start[from->user];

		for (int32_t j = 0; j < from->n; j++)
			users->place[held + w->ranked[from->first + j].held] =
				g->before[(size_t) j * (size_t) w->kernels->lanes + (size_t) l] + from->first - held + j + 1;
	}
}

const rmf_rank_kernels *
rmf_rank_kernels_of(int level)
{
	if (rmf_vector_kernels_of((rmf_cpu_level) level) == NULL)
		return NULL;
	return level == RMF_CPU_AVX512 ? rmf_rank_avx512 : level == RMF_CPU_AVX2 ? rmf_rank_avx2 : rmf_rank_baseline;
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
	carve_workspace(items->n, d, users->n, n_numbers, workspace, &used, &w);
	w.kernels = items->kernels != NULL ? items->kernels : rmf_rank_kernels_of(rmf_cpu_best());
	w.n_lanes = 0;
	for (int32_t u = 0; u < users->n; u++)
		start_user(items, users, u, &w);
	make_groups(users, d, &w);

	for (int32_t b = 0; b << w.block_shift < items->n; b++)
		for (int32_t g = 0; g < w.n_groups; g++)
		{
			products += ((int64_t) w.kernels->lanes << w.block_shift) * d;
			if (products >= POLL_PRODUCTS)
			{
				products = 0;
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
			}
			count_block(items, b, &w.group[g], &w);
		}
	for (int32_t g = 0; g < w.n_groups; g++)
		set_places(users, &w.group[g], &w);
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
