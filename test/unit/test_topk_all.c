/*
 * test_topk_all.c
 *	  The best items of many users against a full sort of the same scores, with
 *	  every kernel: random factors, ties, extremes, what was seen, least scores,
 *	  cancellation; and the kernels' bounds by themselves.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "rmf_als.h"
#include "rmf_codes.h"
#include "rmf_random.h"
#include "rmf_topk_all.h"
#include "rmf_vector.h"
#include "unit.h"

static uint64_t seed = 1;

static double
uniform(void)
{
	return (double) (rmf_mix64(seed++) >> 11) * 0x1p-53;
}

static void *
aligned(size_t bytes)
{
	return aligned_alloc(RMF_ALIGNMENT, (bytes + RMF_ALIGNMENT) / RMF_ALIGNMENT * RMF_ALIGNMENT);
}

/* What rows look like. */
typedef enum shape
{
	SHAPE_NORMS,				/* random, norms over two orders of magnitude */
	SHAPE_TIES,					/* small integers */
	SHAPE_EQUAL,				/* all the same */
	SHAPE_GIANT,				/* one of them a million times the others */
	SHAPE_ZEROS,
	SHAPE_DENORMAL,
	SHAPE_HUGE,
	SHAPE_MIXED,				/* each of another magnitude */
	SHAPES
} shape;

static void
fill(shape kind, int32_t n, int32_t d, float *rows)
{
	for (int32_t i = 0; i < n; i++)
	{
		double		scale = pow(10, -2 * uniform());
		double		magnitude = pow(10, 76 * uniform() - 38);

		for (int32_t j = 0; j < d; j++)
		{
			float	   *x = &rows[(size_t) i * (size_t) d + (size_t) j];
			double		r = 2 * uniform() - 1;

			switch (kind)
			{
				case SHAPE_NORMS:
					*x = (float) (scale * r);
					break;
				case SHAPE_TIES:
					*x = (float) (int) (5 * r / 2);
					break;
				case SHAPE_EQUAL:
					*x = (float) ((j % 3) - 0.7);
					break;
				case SHAPE_GIANT:
					*x = (float) (i == n / 2 ? 1e6 * r : r);
					break;
				case SHAPE_ZEROS:
					*x = 0;
					break;
				case SHAPE_DENORMAL:
					*x = (float) (1e-40 * r);
					break;
				case SHAPE_HUGE:
					*x = (float) (FLT_MAX * r);
					break;
				default:
					*x = (float) (magnitude * r);
			}
		}
	}
}

static int
compare_ranked(const void *a, const void *b)
{
	const rmf_scored *x = a,
			   *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Some of the items, in no order, some twice; user 0 none, user 1 all. */
static int32_t
fill_seen(int32_t n_users, int32_t n_items, int32_t *start, int32_t *seen)
{
	int32_t		n = 0;

	for (int32_t u = 0; u < n_users; u++)
	{
		int32_t		wanted = u == 0 ? 0 : u == 1 ? n_items : (int32_t) (uniform() * uniform() * n_items);

		start[u] = n;
		for (int32_t t = 0; t < wanted; t++)
			seen[n++] = u == 1 ? n_items - 1 - t : (int32_t) (uniform() * n_items);
	}
	start[n_users] = n;
	return n;
}

static void
test_against_sort(const rmf_codes_kernel *kernel, shape user_shape, shape item_shape,
				  int32_t n_users, int32_t n_items, int32_t d, int32_t k, int with_seen, int with_least)
{
	float	   *user_rows = malloc((size_t) n_users * (size_t) d * sizeof(float));
	float	   *item_rows = malloc((size_t) n_items * (size_t) d * sizeof(float) + 1);
	void	   *memory = aligned(rmf_topk_items_size(n_items, d));
	uint64_t   *sorting = malloc((size_t) n_items * 2 * sizeof(uint64_t) + 1);
	int32_t    *start = malloc(((size_t) n_users + 1) * sizeof(int32_t));
	int32_t    *seen = malloc((size_t) n_users * (size_t) n_items * sizeof(int32_t) + 1);
	char	   *excluded = malloc((size_t) n_items + 1);
	rmf_scored *all = malloc((size_t) n_items * sizeof(rmf_scored) + 1);
	rmf_scored *best = malloc(((size_t) n_users * (size_t) k + 1) * sizeof(rmf_scored));
	int32_t    *found = malloc((size_t) n_users * sizeof(int32_t));
	void	   *workspace = aligned(rmf_topk_all_workspace_size(n_users, d));
	rmf_topk_wish wish = {k, 0.25, -INFINITY, kernel};
	rmf_topk_users users = {n_users, user_rows, with_seen ? start : NULL, seen, best, found};
	rmf_topk_items items;
	int			wrong = 0;

	fill(user_shape, n_users, d, user_rows);
	fill(item_shape, n_items, d, item_rows);
	fill_seen(n_users, n_items, start, seen);
	/* a score that there is */
	if (with_least && n_items > 0)
		wish.least = wish.base + rmf_dot(d, user_rows, item_rows + (size_t) (n_items / 2) * (size_t) d);

	rmf_topk_items_lay_out(n_items, d, item_rows, memory, &items);
	CHECK(rmf_topk_items_build(&items, sorting, NULL) == RMF_OK);
	best[(size_t) n_users * (size_t) k].index = -7;
	CHECK(rmf_topk_all(&items, &wish, &users, workspace, NULL) == RMF_OK);
	CHECK(best[(size_t) n_users * (size_t) k].index == -7);
	for (int32_t u = 0; u < n_users; u++)
	{
		int32_t		n = 0;

		memset(excluded, 0, (size_t) n_items);
		for (int32_t t = start[u]; with_seen && t < start[u + 1]; t++)
			excluded[seen[t]] = 1;
		for (int32_t i = 0; i < n_items; i++)
		{
			all[n].index = i;
			all[n].score = rmf_dot(d, user_rows + (size_t) u * (size_t) d, item_rows + (size_t) i * (size_t) d);
			n += !excluded[i] && wish.base + all[n].score >= wish.least;
		}
		qsort(all, (size_t) n, sizeof(rmf_scored), compare_ranked);
		wrong += found[u] != (n < k ? n : k);
		for (int32_t r = 0; r < found[u] && r < n; r++)
			wrong += best[(size_t) u * (size_t) k + (size_t) r].index != all[r].index ||
				best[(size_t) u * (size_t) k + (size_t) r].score != all[r].score;
	}
	CHECK(wrong == 0);
	if (wrong != 0)
		fprintf(stderr, "%s, shapes %d and %d, %d users, %d items, %d dimensions, k %d, seen %d, least %d: %d wrong\n",
				kernel->name, user_shape, item_shape, n_users, n_items, d, k, with_seen, with_least, wrong);
	free(user_rows);
	free(item_rows);
	free(memory);
	free(sorting);
	free(start);
	free(seen);
	free(excluded);
	free(all);
	free(best);
	free(found);
	free(workspace);
}

/* Each bit against sums of integers and double arithmetic; the largest codes that there are. */
static void
test_kernel(const rmf_codes_kernel *kernel, int steps, int extreme)
{
	uint8_t    *codes = malloc((size_t) steps * RMF_CODES_BLOCK * 4);
	int8_t	   *query_codes = malloc((size_t) steps * RMF_CODES_QUERIES * 4);
	float		scale[RMF_CODES_BLOCK];
	float		code_norm[RMF_CODES_BLOCK];
	float		error_norm[RMF_CODES_BLOCK];
	rmf_codes_query query[RMF_CODES_QUERIES];
	const rmf_codes_query *queries[RMF_CODES_QUERIES];
	uint64_t	reach[RMF_CODES_QUERIES];
	rmf_codes_block block = {codes, scale, code_norm, error_norm};
	int			wrong = 0;
	int			reached = 0;

	for (int i = 0; i < steps * RMF_CODES_BLOCK * 4; i++)
		codes[i] = extreme ? 255 : (uint8_t) (1 + 255 * uniform());
	for (int i = 0; i < RMF_CODES_BLOCK; i++)
	{
		scale[i] = (float) uniform();
		code_norm[i] = (float) uniform();
		error_norm[i] = (float) uniform();
	}
	for (int q = 0; q < RMF_CODES_QUERIES; q++)
	{
		int			sum = 0;

		query[q].codes = query_codes + 4 * steps * q;
		for (int j = 0; j < 4 * steps; j++)
		{
			query_codes[4 * steps * q + j] = (int8_t) (extreme ? (q % 2 ? 1 : -1) * kernel->limit :
													   (int) ((2 * uniform() - 1) * (kernel->limit + 1)));
			sum += query_codes[4 * steps * q + j];
		}
		query[q].start = -128 * sum;
		query[q].error = (float) uniform();
		query[q].norm = (float) (100 * uniform());
		query[q].threshold = (float) ((uniform() - 0.3) * 40000);
		queries[q] = &query[q];
	}
	kernel->bound(steps, &block, queries, reach);
	for (int q = 0; q < RMF_CODES_QUERIES; q++)
		for (int i = 0; i < RMF_CODES_BLOCK; i++)
		{
			int64_t		sum = 0;
			double		bound;

			for (int j = 0; j < 4 * steps; j++)
				sum += (codes[((size_t) (j / 4) * RMF_CODES_BLOCK + (size_t) i) * 4 + (size_t) (j % 4)] - 128) *
					query[q].codes[j];
			bound = (double) scale[i] * (double) sum + (double) query[q].error * code_norm[i] +
				(double) query[q].norm * error_norm[i];
			reached += (int) (reach[q] >> i & 1);
			if (fabs(bound - query[q].threshold) > 1e-4 * (fabs(bound) + fabs((double) query[q].threshold)))
				wrong += (int) (reach[q] >> i & 1) != (bound >= query[q].threshold);
		}
	CHECK(wrong == 0);
	CHECK(reached < RMF_CODES_QUERIES * RMF_CODES_BLOCK);

	/* what is no number may reach anything; what is infinite as well */
	error_norm[5] = INFINITY;
	query[1].norm = 0;
	query[1].threshold = FLT_MAX;
	query[2].threshold = FLT_MAX;
	query[3].threshold = -INFINITY;
	kernel->bound(steps, &block, queries, reach);
	CHECK(reach[1] == UINT64_C(1) << 5 && reach[2] == UINT64_C(1) << 5 && reach[3] == UINT64_MAX);
	free(codes);
	free(query_codes);
}

/* The bound must be good for something: errors are about a hundredth of the norms. */
static void
test_tightness(void)
{
	enum
	{
		D = 64
	};
	float		rows[RMF_CODES_BLOCK * D];
	void	   *memory = aligned(rmf_topk_items_size(RMF_CODES_BLOCK, D));
	uint64_t	sorting[RMF_CODES_BLOCK * 2];
	rmf_topk_items items;
	int			loose = 0;

	fill(SHAPE_NORMS, RMF_CODES_BLOCK, D, rows);
	rmf_topk_items_lay_out(RMF_CODES_BLOCK, D, rows, memory, &items);
	CHECK(rmf_topk_items_build(&items, sorting, NULL) == RMF_OK);
	for (int p = 0; p < RMF_CODES_BLOCK; p++)
	{
		double		norm = sqrt(rmf_dot_double(D, rows + items.number[p] * D, rows + items.number[p] * D));

		CHECK(items.largest_norm[0] >= norm);
		loose += items.error_norm[p] > 0.01 * norm || items.code_norm[p] > 1.01 * norm;
	}
	CHECK(loose == 0);
	free(memory);
}

static void
test_cancel(void)
{
	const int32_t n = 20000,
				d = 64,
				n_users = 64,
				k = 10;
	float	   *rows = malloc((size_t) n * (size_t) d * sizeof(float));
	void	   *memory = aligned(rmf_topk_items_size(n, d));
	uint64_t   *sorting = malloc((size_t) n * 2 * sizeof(uint64_t));
	rmf_scored *best = malloc((size_t) n_users * (size_t) k * sizeof(rmf_scored));
	int32_t		found[64];
	void	   *workspace = aligned(rmf_topk_all_workspace_size(n_users, d));
	rmf_topk_wish wish = {k, 0, -INFINITY, NULL};
	rmf_topk_users users = {n_users, rows, NULL, NULL, best, found};
	rmf_topk_items items;
	counting_poll counter;
	long		polls;

	fill(SHAPE_GIANT, n, d, rows);
	rmf_topk_items_lay_out(n, d, rows, memory, &items);
	CHECK(rmf_topk_items_build(&items, sorting, start_poll(&counter, 2)) == RMF_CANCELLED && counter.calls == 2);
	CHECK(rmf_topk_items_build(&items, sorting, NULL) == RMF_OK);
	CHECK(rmf_topk_all(&items, &wish, &users, workspace, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls >= 10);
	for (long at = 1; at <= polls; at++)
		CHECK(rmf_topk_all(&items, &wish, &users, workspace, start_poll(&counter, at)) == RMF_CANCELLED &&
			  counter.calls == at);
	wish.k = 0;
	CHECK(rmf_topk_all(&items, &wish, &users, workspace, NULL) == RMF_BAD_ARGUMENT);
	free(rows);
	free(memory);
	free(sorting);
	free(best);
	free(workspace);
}

int
main(void)
{
	static const int32_t dimensions[] = {1, 3, 4, 17, 64, 130};
	static const int32_t counts[] = {0, 1, 63, 64, 65, 700};
	static const int32_t ks[] = {1, 10, 800};

	for (int number = 0; number < RMF_CODES_KERNELS; number++)
	{
		const rmf_codes_kernel *kernel = rmf_codes_kernel_of(number);

		if (kernel == NULL)
			continue;
		for (int steps = 1; steps <= 257; steps += steps < 5 ? 1 : 63)
			for (int extreme = 0; extreme < 2; extreme++)
				test_kernel(kernel, steps, extreme);
		for (int a = 0; a < 6; a++)
			for (int b = 0; b < 6; b++)
				for (int c = 0; c < 3; c++)
					for (int options = 0; options < 4; options++)
						test_against_sort(kernel, SHAPE_NORMS, (shape) ((a + b + c) % 3), 5, counts[a], dimensions[b], ks[c],
										  options & 1, options & 2);
		for (int a = 0; a < SHAPES; a++)
			for (int b = 0; b < SHAPES; b++)
				for (int options = 0; options < 4; options++)
					test_against_sort(kernel, (shape) a, (shape) b, 9, 300, 24, 7, options & 1, options & 2);
	}
	test_tightness();
	test_cancel();
	return unit_report("topk_all");
}
