/*
 * rmf_topk_all.c
 *	  The k best items of many users: see rmf_topk_all.h.
 *
 * Users are taken block of items by block: its codes stay in the first cache
 * while all users that aren't done look at it, four at a time.  A user's list is
 * a heap in the output, its worst at the root, which is the threshold.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_als.h"
#include "rmf_codes.h"
#include "rmf_layout.h"
#include "rmf_sort.h"
#include "rmf_topk_all.h"
#include "rmf_vector.h"

/* Outside of this range a scale isn't coded by: squares and quotients of floats would leave theirs. */
#define LEAST_SCALE 1e-30
#define LARGEST_SCALE 1e30

/* Of a threshold over s_u: far below every bound of a coded user that underflow may have changed. */
#define THRESHOLD_SLACK 1e-30f

/* How many products are made between two polls. */
#define POLL_PRODUCTS (1 << 22)

/* Up to so many items of a user are looked through one by one. */
#define FEW_SEEN 256

/* Floats that come from memory at once. */
#define CACHE_LINE 16

static float
round_up(double x)
{
	float		f = (float) x;

	return (double) f < x ? nextafterf(f, INFINITY) : f;
}

static float
round_down(double x)
{
	float		f = (float) x;

	return (double) f > x ? nextafterf(f, -INFINITY) : f;
}

/* The scale by which the largest element of a row has the code "limit"; 0: the row cannot be coded. */
static float
scale_of(int32_t dimensions, const float *row, int limit)
{
	float		largest = 0;
	float		scale;

	for (int32_t j = 0; j < dimensions; j++)
		largest = fmaxf(largest, fabsf(row[j]));
	scale = largest / (float) limit;
	return scale >= (float) LEAST_SCALE && scale <= (float) LARGEST_SCALE ? scale : 0;
}

/* Near enough to the nearest: what it is off by is part of the error.  inverse: of the scale. */
static inline int
code_of(float x, float inverse, int limit)
{
	int			code = (int) (x * inverse + copysignf(0.5f, x));

	return code > limit ? limit : code < -limit ? -limit : code;
}

static double
norm_of(int32_t dimensions, const float *row)
{
	return sqrt(rmf_dot_double(dimensions, row, row));
}

/*
 * The items
 */

static void
carve_items(rmf_topk_items *items, void *memory, size_t *used)
{
	size_t		blocks = (size_t) items->n_blocks;
	size_t		places = blocks * RMF_CODES_BLOCK;

	items->number = (int32_t *) rmf_carve(memory, used, places * sizeof(int32_t));
	items->scale = (float *) rmf_carve(memory, used, places * sizeof(float));
	items->code_norm = (float *) rmf_carve(memory, used, places * sizeof(float));
	items->error_norm = (float *) rmf_carve(memory, used, places * sizeof(float));
	items->codes = (uint8_t *) rmf_carve(memory, used, places * (size_t) items->steps * 4);
	items->largest_norm = (double *) rmf_carve(memory, used, blocks * sizeof(double));
}

static void
set_shape(rmf_topk_items *items, int32_t n, int32_t dimensions, const float *rows)
{
	items->n = n;
	items->dimensions = dimensions;
	items->n_blocks = n / RMF_CODES_BLOCK + (n % RMF_CODES_BLOCK > 0);
	items->steps = (dimensions + 3) / 4;
	items->rows = rows;
}

size_t
rmf_topk_items_size(int32_t n, int32_t dimensions)
{
	rmf_topk_items items;
	size_t		used = 0;

	set_shape(&items, n, dimensions, NULL);
	carve_items(&items, NULL, &used);
	return used;
}

void
rmf_topk_items_lay_out(int32_t n, int32_t dimensions, const float *rows, void *memory, rmf_topk_items *items)
{
	size_t		used = 0;

	set_shape(items, n, dimensions, rows);
	carve_items(items, memory, &used);
}

static const float *
row_of(const rmf_topk_items *items, int32_t number)
{
	return items->rows + (size_t) number * (size_t) items->dimensions;
}

/*
 * Numbers by falling norm, equal norms by ascending number.  The bits of floats
 * that are not negative have their order; keys are complements above numbers,
 * sorted by a byte at a time from one half of the workspace to the other.
 */
static uint64_t *
sort_by_norm(const rmf_topk_items *items, uint64_t *workspace)
{
	size_t		n = (size_t) items->n;
	uint64_t   *from = workspace;
	uint64_t   *to = workspace + n;

	for (size_t i = 0; i < n; i++)
	{
		float		norm = (float) norm_of(items->dimensions, row_of(items, (int32_t) i));
		uint32_t	bits;

		memcpy(&bits, &norm, sizeof(bits));
		from[i] = (uint64_t) ~bits << 32 | i;
	}
	for (int shift = 32; shift < 64; shift += 8)
	{
		size_t		start[257] = {0};
		uint64_t   *swap = from;

		for (size_t i = 0; i < n; i++)
			start[(from[i] >> shift & 0xff) + 1]++;
		for (int b = 0; b < 256; b++)
			start[b + 1] += start[b];
		for (size_t i = 0; i < n; i++)
			to[start[from[i] >> shift & 0xff]++] = from[i];
		from = to;
		to = swap;
	}
	return from;
}

/* The item at a position: its codes, and what its bound is made of. */
static void
code_item(rmf_topk_items *items, size_t position, double norm)
{
	const float *row = row_of(items, items->number[position]);
	float		scale = scale_of(items->dimensions, row, 127);
	float		inverse = scale > 0 ? 1 / scale : 0;
	uint8_t    *codes = items->codes + (position / RMF_CODES_BLOCK * (size_t) items->steps * RMF_CODES_BLOCK +
										position % RMF_CODES_BLOCK) * 4;
	double		squares = 0;
	double		error = 0;

	for (int32_t j = 0; j < items->dimensions; j++)
	{
		int			code = scale > 0 ? code_of(row[j], inverse, 127) : 0;
		double		rest = (double) row[j] - (double) scale * code;

		codes[(size_t) (j / 4) * RMF_CODES_BLOCK * 4 + (size_t) (j % 4)] = (uint8_t) (code + 128);
		squares += (double) code * code;
		error += rest * rest;
	}
	items->scale[position] = scale;
	items->code_norm[position] = round_up(sqrt(squares) * scale);
	items->error_norm[position] = round_up(sqrt(error) + RMF_CODES_SLACK(items->dimensions) * norm);
}

rmf_status
rmf_topk_items_build(rmf_topk_items *items, uint64_t *workspace, const rmf_poll *poll)
{
	size_t		places = (size_t) items->n_blocks * RMF_CODES_BLOCK;
	size_t		between_polls;
	const uint64_t *sorted;

	if (items->n < 0 || items->dimensions < 1)
		return RMF_BAD_ARGUMENT;
	between_polls = (size_t) (POLL_PRODUCTS / 16 / items->dimensions + 1);
	if (rmf_poll_cancelled(poll))
		return RMF_CANCELLED;
	sorted = sort_by_norm(items, workspace);
	memset(items->codes, 128, places * (size_t) items->steps * 4);
	for (size_t p = 0; p < places; p++)
	{
		double		norm;

		if (p >= (size_t) items->n)
		{
			items->number[p] = -1;
			items->scale[p] = 0;
			items->code_norm[p] = 0;
			items->error_norm[p] = 0;
			continue;
		}
		if (p % between_polls == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		items->number[p] = (int32_t) (sorted[p] & 0xffffffff);
		norm = norm_of(items->dimensions, row_of(items, items->number[p]));
		code_item(items, p, norm);

		/* the norms that were sorted are floats, and not these */
		if (p % RMF_CODES_BLOCK == 0 || norm > items->largest_norm[p / RMF_CODES_BLOCK])
			items->largest_norm[p / RMF_CODES_BLOCK] = norm;
	}

	/* what comes later isn't larger than this says either */
	for (int32_t b = items->n_blocks - 1; b > 0; b--)
		if (items->largest_norm[b] > items->largest_norm[b - 1])
			items->largest_norm[b - 1] = items->largest_norm[b];
	return RMF_OK;
}

/*
 * The users
 */

typedef struct user_state
{
	rmf_codes_query query;
	double		scale;			/* s_u; 0: not coded */
	double		norm;			/* |u|, with the slack */
	double		threshold;		/* what a score must reach */
	const float *row;
	rmf_scored *heap;
	int32_t		kept;
	int32_t		n_seen;
	int32_t    *seen;
} user_state;

typedef struct block_state
{
	const rmf_topk_items *items;
	const rmf_topk_wish *wish;
	user_state *user;			/* by number */
	int32_t    *active;			/* users that aren't done */
	int8_t	   *codes;
} block_state;

static void
carve_state(int32_t n_users, int32_t dimensions, void *workspace, size_t *used, block_state *state)
{
	size_t		n = (size_t) n_users;

	state->user = (user_state *) rmf_carve(workspace, used, n * sizeof(user_state));
	state->active = (int32_t *) rmf_carve(workspace, used, (n + RMF_CODES_QUERIES) * sizeof(int32_t));
	state->codes = (int8_t *) rmf_carve(workspace, used, n * (size_t) ((dimensions + 3) / 4) * 4);
}

size_t
rmf_topk_all_workspace_size(int32_t n_users, int32_t dimensions)
{
	block_state state;
	size_t		used = 0;

	carve_state(n_users, dimensions, NULL, &used, &state);
	return used;
}

static int
has_seen(const user_state *user, int32_t item)
{
	if (user->n_seen <= FEW_SEEN)
	{
		int			any = 0;

		/* to the end, so that many are compared at once */
		for (int32_t i = 0; i < user->n_seen; i++)
			any |= user->seen[i] == item;
		return any;
	}
	return rmf_has_number(user->seen, user->n_seen, item);
}

static void
set_threshold(user_state *user, double threshold)
{
	user->threshold = threshold;
	if (user->scale > 0)
		user->query.threshold = round_down(threshold / user->scale) - THRESHOLD_SLACK;
}

static void
start_user(const block_state *state, const rmf_topk_users *users, int32_t u, int limit)
{
	int32_t		d = state->items->dimensions;
	const rmf_topk_wish *wish = state->wish;
	user_state *user = &state->user[u];
	int8_t	   *codes = state->codes + (size_t) u * (size_t) state->items->steps * 4;
	float		scale;
	double		norm;
	double		error = 0;
	int32_t		sum = 0;

	user->row = users->rows + (size_t) u * (size_t) d;
	user->heap = users->best + (size_t) u * (size_t) wish->k;
	user->kept = 0;
	user->n_seen = 0;
	user->seen = NULL;
	if (users->seen_start != NULL)
	{
		user->seen = users->seen + users->seen_start[u];
		user->n_seen = users->seen_start[u + 1] - users->seen_start[u];
		if (user->n_seen > FEW_SEEN)
			rmf_sort_numbers(user->seen, user->n_seen);
	}

	scale = scale_of(d, user->row, limit);
	norm = norm_of(d, user->row);
	memset(codes, 0, (size_t) state->items->steps * 4);
	for (int32_t j = 0; j < d && scale > 0; j++)
	{
		int			code = code_of(user->row[j], 1 / scale, limit);
		double		rest = (double) user->row[j] - (double) scale * code;

		codes[j] = (int8_t) code;
		sum += code;
		error += rest * rest;
	}
	user->scale = scale;
	user->norm = norm * (1 + RMF_CODES_SLACK(d));
	user->query.codes = codes;
	user->query.start = -128 * sum;
	user->query.error = scale > 0 ? round_up(sqrt(error) / scale) : 0;
	user->query.norm = scale > 0 ? round_up(norm / scale) : 0;

	/* one that isn't coded looks at every item */
	user->query.threshold = -INFINITY;
	set_threshold(user, wish->least - wish->base -
				  4 * DBL_EPSILON * (fabs(wish->least) + fabs(wish->base)));
}

/* Scores an item by which the user's list may get better. */
static void
score_item(const block_state *state, user_state *user, int32_t item)
{
	int32_t		k = state->wish->k;
	rmf_scored	entry;

	entry.index = item;
	entry.score = rmf_dot(state->items->dimensions, user->row, row_of(state->items, item));
	if (!(state->wish->base + entry.score >= state->wish->least))
		return;
	if (user->kept == k && !rmf_is_better(entry, user->heap[0]))
		return;
	if (has_seen(user, item))
		return;
	if (user->kept < k)
		rmf_best_append(user->heap, user->kept++, entry);
	else
		rmf_best_replace(user->heap, k, entry);
	if (user->kept == k)
		set_threshold(user, fmax(user->threshold, user->heap[0].score));
}

/* Asks memory for a row, so that several are on their way at once. */
static inline void
fetch_row(const rmf_topk_items *items, int32_t number)
{
	for (int32_t j = 0; j < items->dimensions; j += CACHE_LINE)
		__builtin_prefetch(row_of(items, number) + j);
}

/* One block of items for four users; those past n_queries repeat the first. */
static void
look_at_block(const block_state *state, const rmf_codes_kernel *kernel, int32_t b, const int32_t *active,
			  int n_queries)
{
	const rmf_topk_items *items = state->items;
	size_t		first = (size_t) b * RMF_CODES_BLOCK;
	rmf_codes_block block = {
		items->codes + first * (size_t) items->steps * 4,
		items->scale + first,
		items->code_norm + first,
		items->error_norm + first
	};
	const rmf_codes_query *query[RMF_CODES_QUERIES];
	uint64_t	reach[RMF_CODES_QUERIES];
	int32_t		left = items->n - (int32_t) first;
	uint64_t	items_here = left >= RMF_CODES_BLOCK ? UINT64_MAX : (UINT64_C(1) << left) - 1;

	for (int q = 0; q < RMF_CODES_QUERIES; q++)
		query[q] = &state->user[active[q < n_queries ? q : 0]].query;
	kernel->bound(items->steps, &block, query, reach);
	for (int q = 0; q < n_queries; q++)
		for (uint64_t bits = reach[q] & items_here; bits != 0; bits &= bits - 1)
			fetch_row(items, items->number[first + (size_t) __builtin_ctzll(bits)]);
	for (int q = 0; q < n_queries; q++)
		for (uint64_t bits = reach[q] & items_here; bits != 0; bits &= bits - 1)
			score_item(state, &state->user[active[q]], items->number[first + (size_t) __builtin_ctzll(bits)]);
}

rmf_status
rmf_topk_all(const rmf_topk_items *items, const rmf_topk_wish *wish, const rmf_topk_users *users,
			 void *workspace, const rmf_poll *poll)
{
	const rmf_codes_kernel *kernel = wish->kernel != NULL ? wish->kernel : rmf_codes_best();
	block_state state = {items, wish, NULL, NULL, NULL};
	int64_t		products = POLL_PRODUCTS;
	int32_t		n_active = users->n;
	size_t		used = 0;

	if (wish->k < 1 || users->n < 0)
		return RMF_BAD_ARGUMENT;
	carve_state(users->n, items->dimensions, workspace, &used, &state);
	for (int32_t u = 0; u < users->n; u++)
	{
		start_user(&state, users, u, kernel->limit);
		state.active[u] = u;
	}

	for (int32_t b = 0; b < items->n_blocks && n_active > 0; b++)
	{
		int32_t		n = 0;

		for (int32_t a = 0; a < n_active; a++)
		{
			const user_state *user = &state.user[state.active[a]];

			/* NaN goes on */
			if (!(user->norm * items->largest_norm[b] < user->threshold))
				state.active[n++] = state.active[a];
		}
		n_active = n;
		for (int32_t a = 0; a < n_active; a += RMF_CODES_QUERIES)
		{
			products += (int64_t) RMF_CODES_QUERIES * RMF_CODES_BLOCK * items->dimensions;
			if (products >= POLL_PRODUCTS)
			{
				products = 0;
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
			}
			look_at_block(&state, kernel, b, state.active + a,
						  n_active - a < RMF_CODES_QUERIES ? n_active - a : RMF_CODES_QUERIES);
		}
	}
	for (int32_t u = 0; u < users->n; u++)
	{
		rmf_best_sort(state.user[u].heap, state.user[u].kept);
		users->found[u] = state.user[u].kept;
	}
	return RMF_OK;
}
