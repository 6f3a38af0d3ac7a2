/*
 * test_topk.c
 *	  The best k rows against a full sort: ties, rows left out, edges,
 *	  cancellation.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "rmf_random.h"
#include "rmf_topk.h"
#include "unit.h"

static int
compare_scored(const void *a, const void *b)
{
	const rmf_scored *x = a,
			   *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

/* Small integers, so that scores are exact and ties are many. */
static void
fill(int64_t n, float *x, uint64_t seed)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float) (rmf_mix64(seed * 1000003 + (uint64_t) i) % 5) - 2;
}

static void
test_against_sort(int32_t n, int32_t dimensions, int32_t k, int every_skipped)
{
	float	   *rows = malloc((size_t) n * (size_t) dimensions * sizeof(float) + 1);
	float	   *query = malloc((size_t) dimensions * sizeof(float));
	int32_t    *skip = malloc((size_t) n * sizeof(int32_t) + 1);
	rmf_scored *all = malloc((size_t) n * sizeof(rmf_scored) + 1);
	rmf_scored *out = malloc(((size_t) k + 1) * sizeof(rmf_scored));
	int32_t		n_skip = 0,
				n_all = 0,
				found = -1;

	fill((int64_t) n * dimensions, rows, 1);
	fill(dimensions, query, 2);
	for (int32_t i = 0; i < n; i++)
	{
		if (every_skipped > 0 && i % every_skipped == 0)
			skip[n_skip++] = i;
		else
		{
			float		score = 0;

			for (int32_t j = 0; j < dimensions; j++)
				score += rows[(size_t) i * (size_t) dimensions + (size_t) j] * query[j];
			all[n_all].index = i;
			all[n_all++].score = score;
		}
	}
	qsort(all, (size_t) n_all, sizeof(rmf_scored), compare_scored);

	out[k].index = -7;
	CHECK(rmf_topk(n, dimensions, rows, query, n_skip, skip, k, out, &found, NULL) == RMF_OK);
	CHECK(found == (n_all < k ? n_all : k));
	for (int32_t i = 0; i < found; i++)
		CHECK(out[i].index == all[i].index && out[i].score == all[i].score);
	CHECK(out[k].index == -7);
	free(rows);
	free(query);
	free(skip);
	free(all);
	free(out);
}

static void
test_edges(void)
{
	float		rows[4] = {1, 2, 3, 4};
	float		query[2] = {1, 1};
	int32_t		skip[4] = {-5, 0, 0, 9};
	rmf_scored	out[2];
	int32_t		found;

	CHECK(rmf_topk(2, 2, rows, query, 0, NULL, 0, out, &found, NULL) == RMF_OK && found == 0);
	CHECK(rmf_topk(0, 2, rows, query, 0, NULL, 2, out, &found, NULL) == RMF_OK && found == 0);
	CHECK(rmf_topk(2, 2, rows, query, 0, NULL, -1, out, &found, NULL) == RMF_BAD_ARGUMENT && found == 0);
	CHECK(rmf_topk(-1, 2, rows, query, 0, NULL, 1, out, &found, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_topk(2, 0, rows, query, 0, NULL, 1, out, &found, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_topk((int64_t) INT32_MAX + 1, 2, rows, query, 0, NULL, 1, out, &found, NULL) == RMF_OVERFLOW);

	/* rows to skip that are named twice or do not exist */
	CHECK(rmf_topk(2, 2, rows, query, 4, skip, 2, out, &found, NULL) == RMF_OK);
	CHECK(found == 1 && out[0].index == 1 && out[0].score == 7);

	/* a score past the range of a float is one like others; no number is none */
	rows[3] = 3e38f;
	query[1] = 3e38f;
	CHECK(rmf_topk(2, 2, rows, query, 0, NULL, 2, out, &found, NULL) == RMF_OK && found == 2);
	CHECK(out[0].index == 1 && out[0].score > 8e76 && out[0].score < 1e77);
	rows[3] = NAN;
	CHECK(rmf_topk(2, 2, rows, query, 0, NULL, 2, out, &found, NULL) == RMF_NOT_FINITE && found == 0);
}

static void
test_cancel(void)
{
	const int32_t n = 100000,
				dimensions = 64;
	float	   *rows = malloc((size_t) n * (size_t) dimensions * sizeof(float));
	rmf_scored	out[10];
	counting_poll counter;
	int32_t		found;
	long		polls;

	fill((int64_t) n * dimensions, rows, 3);
	CHECK(rmf_topk(n, dimensions, rows, rows, 0, NULL, 10, out, &found, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	CHECK(polls >= 6);
	for (long at = 1; at <= polls; at++)
	{
		CHECK(rmf_topk(n, dimensions, rows, rows, 0, NULL, 10, out, &found, start_poll(&counter, at)) == RMF_CANCELLED);
		CHECK(counter.calls == at && found == 0);
	}
	free(rows);
}

int
main(void)
{
	static const int32_t counts[] = {1, 2, 10, 1000};
	static const int32_t dimensions[] = {1, 3, 64, 1000};
	static const int32_t ks[] = {1, 2, 9, 10, 11, 999, 2000};

	for (int a = 0; a < 4; a++)
		for (int b = 0; b < 4; b++)
			for (int c = 0; c < 7; c++)
				for (int every = 0; every < 4; every++)
					test_against_sort(counts[a], dimensions[b], ks[c], every);
	test_edges();
	test_cancel();
	return unit_report("topk");
}
