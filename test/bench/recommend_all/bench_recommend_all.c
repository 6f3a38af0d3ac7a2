/*
 * bench_recommend_all.c
 *	  The core of recommend_all() beside the bare sgemm of the same size and
 *	  beside sgemm with selection in cache, one process, in turn in one run.
 *
 *	bench_recommend_all [--users 138493] [--items 26744] [--factors 64] [--k 10] [--tries 3] [--only sgemm|core]
 *
 * Factors are made like those of a trained model: norms spread as popularity
 * spreads them, a spectrum that falls.  Prints seconds for all users, the ratio
 * to the bare sgemm, and the share of inner products that had to be exact.
 * --only sgemm prints the seconds of that alone, on one line, for run.sh;
 * --only core the processor that the BLAS takes this one for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_codes.h"
#include "rmf_topk_all.h"

/* Users of a block of the products; the matrix of their scores fits the second cache with so many items. */
#define BLOCK_USERS 256
#define BLOCK_ITEMS 1024

/* Users of a block of recommend_all() */
#define BATCH 256

static double
now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

static void
fill(int n, int d, double spread, float *rows)
{
	for (int i = 0; i < n; i++)
	{
		double		size = exp(spread * normal());

		for (int j = 0; j < d; j++)
			rows[(size_t) i * (size_t) d + (size_t) j] =
				(float) (size * (normal() + (j == 0 ? 1.5 : 0)) / pow(j + 1, 0.3));
	}
}

static int n_users = 138493;
static int n_items = 26744;
static int d = 64;
static int k = 10;
static float *users;
static float *items;
static float *scores;

static int
at_most(int a, int b)
{
	return a < b ? a : b;
}

/* The products and nothing else, in blocks whose result stays in cache. */
static double
sgemm(void)
{
	double		start = now();

	for (int u = 0; u < n_users; u += BLOCK_USERS)
		for (int i = 0; i < n_items; i += BLOCK_ITEMS)
			rmf_blas_gemm_nt(at_most(BLOCK_USERS, n_users - u), at_most(BLOCK_ITEMS, n_items - i), d,
							 users + (size_t) u * (size_t) d, d, items + (size_t) i * (size_t) d, d, scores, BLOCK_ITEMS);
	return now() - start;
}

/* The same by all items at once: what a plain call would do. */
static double
sgemm_whole(void)
{
	double		start = now();

	for (int u = 0; u < n_users; u += BLOCK_USERS)
		rmf_blas_gemm_nt(at_most(BLOCK_USERS, n_users - u), n_items, d,
						 users + (size_t) u * (size_t) d, d, items, d, scores, n_items);
	return now() - start;
}

/* The best k of each user by the products' own rounding, a sorted list a user. */
static double
sgemm_and_select(double *sum)
{
	double		start = now();
	float	   *best = allocate(sizeof(float) * (size_t) (BLOCK_USERS * k));

	*sum = 0;
	for (int u = 0; u < n_users; u += BLOCK_USERS)
	{
		int			m = at_most(BLOCK_USERS, n_users - u);

		for (int b = 0; b < BLOCK_USERS * k; b++)
			best[b] = -INFINITY;
		for (int i = 0; i < n_items; i += BLOCK_ITEMS)
		{
			int			n = at_most(BLOCK_ITEMS, n_items - i);

			rmf_blas_gemm_nt(m, n, d, users + (size_t) u * (size_t) d, d, items + (size_t) i * (size_t) d, d,
							 scores, BLOCK_ITEMS);
			for (int a = 0; a < m; a++)
			{
				float	   *list = best + a * k;
				const float *row = scores + (size_t) a * BLOCK_ITEMS;

				for (int c = 0; c < n; c += 32)
				{
					int			end = at_most(c + 32, n);
					int			any = 0;

					for (int j = c; j < end; j++)
						any |= row[j] > list[k - 1];
					if (!any)
						continue;
					for (int j = c; j < end; j++)
					{
						int			at = k - 1;

						if (!(row[j] > list[k - 1]))
							continue;
						for (; at > 0 && list[at - 1] < row[j]; at--)
							list[at] = list[at - 1];
						list[at] = row[j];
					}
				}
			}
		}
		for (int b = 0; b < m * k; b++)
			*sum += best[b];
	}
	free(best);
	return now() - start;
}

/* The core's own, with the time to prepare the items. */
static double
codes(const rmf_codes_kernel *kernel, double *sum)
{
	double		start = now();
	void	   *memory = allocate(rmf_topk_items_size(n_items, d));
	uint64_t   *sorting = allocate(sizeof(uint64_t) * 2 * (size_t) n_items);
	rmf_scored *best = allocate(sizeof(rmf_scored) * (size_t) (BATCH * k));
	int32_t		found[BATCH];
	void	   *workspace = allocate(rmf_topk_all_workspace_size(BATCH, d));
	rmf_topk_wish wish = {k, 0, -INFINITY, kernel};
	rmf_topk_items prepared;

	rmf_topk_items_lay_out(n_items, d, items, memory, &prepared);
	if (rmf_topk_items_build(&prepared, sorting, NULL) != RMF_OK)
		exit(1);
	*sum = 0;
	for (int u = 0; u < n_users; u += BATCH)
	{
		rmf_topk_users batch = {at_most(BATCH, n_users - u), users + (size_t) u * (size_t) d, NULL, NULL, best, found};

		if (rmf_topk_all(&prepared, &wish, &batch, workspace, NULL) != RMF_OK)
			exit(1);
		for (int b = 0; b < batch.n * k; b++)
			*sum += best[b].score;
	}
	free(memory);
	free(sorting);
	free(best);
	free(workspace);
	return now() - start;
}

int
main(int argc, char **argv)
{
	int			tries = 3;
	int			only_sgemm = 0;

	for (int a = 1; a + 1 < argc; a += 2)
	{
		int			value = atoi(argv[a + 1]);

		if (strcmp(argv[a], "--users") == 0)
			n_users = value;
		else if (strcmp(argv[a], "--items") == 0)
			n_items = value;
		else if (strcmp(argv[a], "--factors") == 0)
			d = value;
		else if (strcmp(argv[a], "--k") == 0)
			k = value;
		else if (strcmp(argv[a], "--tries") == 0)
			tries = value;
		else if (strcmp(argv[a], "--only") == 0 && strcmp(argv[a + 1], "sgemm") == 0)
			only_sgemm = 1;
		else if (strcmp(argv[a], "--only") == 0 && strcmp(argv[a + 1], "core") == 0)
		{
			printf("%s\n", rmf_blas_core_name());
			return 0;
		}
		else
			argc = 0;
	}
	if (argc % 2 == 0 || n_users < 1 || n_items < 1 || d < 1 || k < 1 || k > n_items)
	{
		fprintf(stderr, "usage: bench_recommend_all [--users N] [--items N] [--factors D] [--k K] [--tries N] [--only sgemm|core]\n");
		return 2;
	}
	users = allocate(sizeof(float) * (size_t) n_users * (size_t) d);
	items = allocate(sizeof(float) * (size_t) n_items * (size_t) d);
	scores = allocate(sizeof(float) * BLOCK_USERS * (size_t) (n_items > BLOCK_ITEMS ? n_items : BLOCK_ITEMS));
	memset(scores, 0, sizeof(float) * BLOCK_USERS * (size_t) (n_items > BLOCK_ITEMS ? n_items : BLOCK_ITEMS));
	fill(n_users, d, 0.3, users);
	fill(n_items, d, 0.7, items);

	if (only_sgemm)
	{
		double		whole = sgemm_whole();
		double		blocks = sgemm();

		printf("%.3f\n", blocks < whole ? blocks : whole);
		return 0;
	}
	printf("%d users, %d items, %d factors, k = %d\n", n_users, n_items, d, k);
	for (int t = 0; t < tries; t++)
	{
		double		whole = sgemm_whole();
		double		bare = sgemm();
		double		sum;
		double		seconds;

		printf("sgemm            %7.3f s (all items at once %.3f s)\n", bare, whole);
		seconds = sgemm_and_select(&sum);
		printf("sgemm, selection %7.3f s  %.2f  (sum %.6g)\n", seconds, seconds / bare, sum);
		for (int number = RMF_CODES_KERNELS; number-- > 0;)
		{
			const rmf_codes_kernel *kernel = rmf_codes_kernel_of(number);

			if (kernel == NULL)
				continue;
			seconds = codes(kernel, &sum);
			printf("codes, %-9s %7.3f s  %.2f  (sum %.6g)\n", kernel->name, seconds, seconds / bare, sum);
		}
		fflush(stdout);
	}
	return 0;
}
