/*
 * test_rank.c
 *	  Places of held-out items against counting in double: ties, what is seen,
 *	  edges, cancellation; the baselines; lists out of pairs.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "counting_poll.h"
#include "rmf_lists.h"
#include "rmf_random.h"
#include "rmf_rank.h"
#include "rmf_rank_levels.h"
#include "rmf_vector.h"
#include "unit.h"

static uint64_t
hash2(uint64_t seed, uint64_t a, uint64_t b)
{
	return rmf_mix64(rmf_mix64(seed ^ a) ^ b);
}

typedef struct problem
{
	int32_t		n_users;
	int32_t		n_items;
	int32_t		d;
	float	   *users;
	float	   *items;
	int32_t    *seen_start;
	int32_t    *seen;
	int32_t    *held_start;
	int32_t    *held;
	int32_t    *place;
} problem;

/* kind 0: normal numbers; 1: small integers, with many ties; 2: all items alike; 3: norms far apart. */
static void
make_problem(problem *p, int32_t n_users, int32_t n_items, int32_t d, int kind, uint64_t seed)
{
	int32_t		n_seen = 0;
	int32_t		n_held = 0;

	p->n_users = n_users;
	p->n_items = n_items;
	p->d = d;
	p->users = allocate(sizeof(float) * (size_t) (n_users * d));
	p->items = allocate(sizeof(float) * (size_t) (n_items * d));
	p->seen_start = allocate(sizeof(int32_t) * ((size_t) n_users + 1));
	p->held_start = allocate(sizeof(int32_t) * ((size_t) n_users + 1));
	p->seen = allocate(sizeof(int32_t) * (size_t) n_users * (size_t) n_items * 2);
	p->held = allocate(sizeof(int32_t) * (size_t) n_users * (size_t) n_items);
	p->place = allocate(sizeof(int32_t) * (size_t) n_users * (size_t) n_items);
	rmf_random_normal(1, seed, 1, (int64_t) n_users * d, p->users);
	rmf_random_normal(2, seed, 1, (int64_t) n_items * d, p->items);
	for (int32_t i = 0; i < n_items * d; i++)
	{
		if (kind == 1)
			p->items[i] = (float) (hash2(seed, 5, (uint64_t) i) % 3) - 1;
		if (kind == 2)
			p->items[i] = p->items[i % d];
		if (kind == 3)
			p->items[i] *= powf(10, (float) (hash2(seed, 6, (uint64_t) (i / d)) % 7) - 3);
	}
	for (int32_t i = 0; i < n_users * d && kind == 1; i++)
		p->users[i] = (float) (hash2(seed, 7, (uint64_t) i) % 3) - 1;
	for (int32_t u = 0; u < n_users; u++)
	{
		p->seen_start[u] = n_seen;
		p->held_start[u] = n_held;
		for (int32_t i = n_items; i-- > 0;)
		{
			uint64_t	what = hash2(seed, 1000 + (uint64_t) u, (uint64_t) i) % 16;

			if (what < 3)
				p->seen[n_seen++] = i;
			if (what == 0)
				p->seen[n_seen++] = i;
			if (what == 3 + (uint64_t) (u % 2))
				p->held[n_held++] = i;
		}
	}
	p->seen_start[n_users] = n_seen;
	p->held_start[n_users] = n_held;
}

static void
free_problem(problem *p)
{
	free(p->users);
	free(p->items);
	free(p->seen_start);
	free(p->seen);
	free(p->held_start);
	free(p->held);
	free(p->place);
}

static rmf_status
run_at(problem *p, int with_seen, const rmf_rank_kernels *kernels, const rmf_poll *poll)
{
	rmf_rank_items items = {p->n_items, p->d, p->items, rmf_rank_largest_norm(p->n_items, p->d, p->items), kernels};
	rmf_rank_users users = {p->n_users, p->users, with_seen ? p->seen_start : NULL, p->seen, p->held_start, p->held, p->place};
	void	   *workspace = allocate(rmf_rank_workspace_size(p->n_items, p->d, p->n_users,
													   (int64_t) p->held_start[p->n_users] + p->seen_start[p->n_users]));
	rmf_status	status = rmf_rank(&items, &users, workspace, poll);

	free(workspace);
	return status;
}

static rmf_status
run(problem *p, int with_seen, const rmf_poll *poll)
{
	return run_at(p, with_seen, NULL, poll);
}

static int
holds(const int32_t *list, int32_t first, int32_t last, int32_t item)
{
	for (int32_t i = first; i < last; i++)
		if (list[i] == item)
			return 1;
	return 0;
}

enum
{
	IS_SEEN = 1, IS_HELD = 2
};

/* Scores closer than this are ties, which the place may or may not count. */
static void
check_problem(problem *p, int with_seen)
{
	double		largest = rmf_rank_largest_norm(p->n_items, p->d, p->items);
	char	   *is = allocate((size_t) p->n_items);
	int			wrong = 0,
				not_distinct = 0;

	for (int32_t u = 0; u < p->n_users; u++)
	{
		const float *row = p->users + u * p->d;
		double		close = 1e-5 * sqrt(rmf_dot_double(p->d, row, row)) * largest;

		memset(is, 0, (size_t) p->n_items);
		for (int32_t t = p->seen_start[u]; t < p->seen_start[u + 1] && with_seen; t++)
			is[p->seen[t]] |= IS_SEEN;
		for (int32_t t = p->held_start[u]; t < p->held_start[u + 1]; t++)
			is[p->held[t]] |= IS_HELD;
		for (int32_t h = p->held_start[u]; h < p->held_start[u + 1]; h++)
		{
			double		own = rmf_dot_double(p->d, row, p->items + p->held[h] * p->d);
			int32_t		least = 1,	/* surely before, or a tie that counts against it */
						most = 1;

			for (int32_t i = 0; i < p->n_items; i++)
			{
				double		score = rmf_dot_double(p->d, row, p->items + i * p->d);

				if (i == p->held[h] || is[i] & IS_SEEN)
					continue;
				least += is[i] & IS_HELD ? score > own + close : score >= own;
				most += score >= own - close;
			}
			wrong += p->place[h] < least || p->place[h] > most;
			for (int32_t j = p->held_start[u]; j < h; j++)
				not_distinct += p->place[j] == p->place[h];
		}
	}
	CHECK(wrong == 0);
	CHECK(not_distinct == 0);
	free(is);
}

/* What follows the starts of one user of many. */
static void
make_last_start(problem *p, int32_t user)
{
	const int32_t *seen_start = p->seen_start;
	const int32_t *held_start = p->held_start;

	p->seen_start = allocate(sizeof(int32_t) * 2);
	p->held_start = allocate(sizeof(int32_t) * 2);
	p->place = allocate(sizeof(int32_t) * ((size_t) p->n_items + 1));
	p->seen += seen_start[user];
	p->held += held_start[user];
	p->seen_start[0] = p->held_start[0] = 0;
	p->seen_start[1] = seen_start[user + 1] - seen_start[user];
	p->held_start[1] = held_start[user + 1] - held_start[user];
}

/* By every level, and the same alone as in company. */
static void
test_products(void)
{
	static const int32_t sizes[][3] = {{1, 1, 1}, {3, 40, 2}, {70, 900, 8}, {5, 1600, 17}, {65, 769, 64}, {2, 6000, 3}};

	for (int kind = 0; kind < 4; kind++)
		for (int s = 0; s < 6; s++)
			for (int with_seen = 0; with_seen < 2; with_seen++)
				for (int level = RMF_CPU_BASELINE; level <= RMF_CPU_AVX512; level++)
				{
					problem		p;
					problem		last;

					if (rmf_rank_kernels_of(level) == NULL)
						continue;
					make_problem(&p, sizes[s][0], sizes[s][1], sizes[s][2], kind, (uint64_t) (10 * kind + s));
					CHECK(run_at(&p, with_seen, rmf_rank_kernels_of(level), NULL) == RMF_OK);
					check_problem(&p, with_seen);

					last = p;
					last.n_users = 1;
					last.users += (p.n_users - 1) * p.d;
					make_last_start(&last, p.n_users - 1);
					CHECK(run_at(&last, with_seen, rmf_rank_kernels_of(level), NULL) == RMF_OK);
					CHECK(memcmp(last.place, p.place + p.held_start[p.n_users - 1],
								 sizeof(int32_t) * (size_t) last.held_start[1]) == 0);
					free(last.place);
					free(last.seen_start);
					free(last.held_start);
					free_problem(&p);
				}
}

/* All alike: what is held out comes last. */
static void
test_constant_scores(void)
{
	problem		p;
	int			last = 1;

	make_problem(&p, 4, 100, 16, 2, 3);
	CHECK(run(&p, 1, NULL) == RMF_OK);
	for (int32_t u = 0; u < p.n_users; u++)
	{
		int32_t		n_held = p.held_start[u + 1] - p.held_start[u];
		int32_t		seen = 0;

		for (int32_t i = 0; i < p.n_items; i++)
			seen += holds(p.seen, p.seen_start[u], p.seen_start[u + 1], i);
		for (int32_t h = p.held_start[u]; h < p.held_start[u + 1]; h++)
			last &= p.place[h] > p.n_items - seen - n_held && p.place[h] <= p.n_items - seen;
	}
	CHECK(last);
	free_problem(&p);
}

/* Giants, whose products are no floats, and zeros: defined, and within the list. */
static void
test_extremes(void)
{
	problem		p;
	int			within = 1;

	make_problem(&p, 3, 50, 4, 0, 9);
	for (int32_t i = 0; i < p.n_items * p.d; i++)
		p.items[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 3e38f : -3e38f;
	for (int32_t i = 0; i < p.n_users * p.d; i++)
		p.users[i] = i < p.d ? 0 : 3e38f;
	CHECK(run(&p, 0, NULL) == RMF_OK);
	for (int32_t h = 0; h < p.held_start[p.n_users]; h++)
		within &= p.place[h] >= 1 && p.place[h] <= p.n_items;
	CHECK(within);
	free_problem(&p);
}

static void
test_cancel(void)
{
	problem		p;
	counting_poll counter;

	make_problem(&p, 70, 900, 8, 0, 1);
	CHECK(run(&p, 1, start_poll(&counter, 1)) == RMF_CANCELLED);
	CHECK(run(&p, 1, start_poll(&counter, 0)) == RMF_OK && counter.calls >= 1);
	free_problem(&p);
}

static void
test_scores(void)
{
	/* held: 5, 3, NaN, 3; others 5, 4, 3, NaN */
	const double score[] = {5, 3, NAN, 3, 5, 4, 3, NAN};
	int32_t		place[4];

	rmf_rank_scores(4, 8, score, place);
	CHECK(place[0] == 2);
	CHECK(place[1] == 5);
	CHECK(place[2] == RMF_NO_PLACE);
	CHECK(place[3] == 6);
}

static void
test_popularity(void)
{
	const int32_t count[] = {3, 9, 3, 0, 7, 3, 0};
	const int32_t order[] = {1, 4, 0, 2, 5, 3, 6};
	const int32_t at_least[] = {5, 1, 5, 7, 2, 5, 7};
	int32_t		room[2][7];
	rmf_popularity p = {7, count, room[0], room[1]};
	const int32_t seen[] = {1, 2};
	const int32_t held[] = {0, 5, 6};
	int32_t		place[3];
	int32_t		list[7];

	rmf_popularity_build(&p);
	CHECK(memcmp(p.order, order, sizeof(order)) == 0);
	CHECK(memcmp(p.at_least, at_least, sizeof(at_least)) == 0);

	/* candidates: 4 (7), then 0 and 5 (3), 3 before 6 (0) */
	rmf_rank_by_popularity(&p, 2, seen, 3, held, place);
	CHECK(place[0] == 2 && place[1] == 3 && place[2] == 5);
	CHECK(rmf_popularity_list(&p, 2, seen, 3, list) == 3 && list[0] == 4 && list[1] == 0 && list[2] == 5);
	CHECK(rmf_popularity_list(&p, 2, seen, 7, list) == 5);
}

/* Every place is as likely for every item. */
static void
test_random(void)
{
	int			hits[3][10] = {{0}};
	const int32_t seen[] = {2, 3};
	const int32_t held[] = {0, 5, 11};
	int			wrong = 0;
	int32_t		place[3];
	int32_t		list[12];

	for (uint64_t key = 0; key < 20000; key++)
	{
		rmf_rank_randomly(7, key, 10, 3, place);
		for (int h = 0; h < 3; h++)
		{
			wrong += place[h] < 1 || place[h] > 10;
			hits[h][place[h] - 1]++;
		}
		wrong += place[0] == place[1] || place[0] == place[2] || place[1] == place[2];
	}
	CHECK(wrong == 0);
	for (int h = 0; h < 3; h++)
		for (int i = 0; i < 10; i++)
			CHECK_NEAR(hits[h][i], 2000, 200);

	/* as many as there are candidates: all places are taken */
	rmf_rank_randomly(7, 1, 3, 3, place);
	CHECK(place[0] + place[1] + place[2] == 6);

	wrong = 0;
	for (uint64_t key = 0; key < 100; key++)
	{
		rmf_rank_randomly(7, key, 10, 3, place);
		CHECK(rmf_random_list(7, key, 12, 2, seen, 3, held, place, 12, list) == 10);
		for (int i = 0; i < 10; i++)
		{
			wrong += list[i] == 2 || list[i] == 3 || holds(list, 0, i, list[i]);
			for (int h = 0; h < 3; h++)
				wrong += (list[i] == held[h]) != (place[h] == i + 1);
		}
	}
	CHECK(wrong == 0);
	CHECK(rmf_random_items(7, 1, 12, 2, seen, 3, held, 20, list) == 7);
	CHECK(rmf_random_items(7, 1, 12, 2, seen, 3, held, 4, list) == 4);
}

static void
test_lists(void)
{
	const rmf_pair pairs[] = {{2, 7, 1}, {0, 5, 0}, {2, 3, 4}, {0, 5, 2}, {2, 7, 0}, {2, 9, 3}, {0, 1, 1}};
	const rmf_pair others[] = {{2, 9, 0}, {2, 3, 0}, {1, 5, 0}, {2, 4, 0}};
	int64_t		start[2][5];
	int32_t		item[2][7];
	int32_t		tag[7];
	rmf_lists	lists = {4, start[0], item[0], tag};
	rmf_lists	other = {4, start[1], item[1], NULL};
	counting_poll counter;

	CHECK(rmf_lists_build(&lists, 7, pairs, NULL) == RMF_OK);
	CHECK(start[0][0] == 0 && start[0][1] == 2 && start[0][2] == 2 && start[0][3] == 5 && start[0][4] == 5);
	CHECK(item[0][0] == 1 && item[0][1] == 5 && item[0][2] == 3 && item[0][3] == 7 && item[0][4] == 9);
	CHECK(tag[0] == 1 && tag[1] == 0 && tag[2] == 4 && tag[3] == 0 && tag[4] == 3);

	CHECK(rmf_lists_build(&other, 4, others, NULL) == RMF_OK);
	CHECK(rmf_lists_subtract(&lists, &other) == 2);
	CHECK(start[0][2] == 2 && start[0][3] == 3 && start[0][4] == 3 && item[0][2] == 7 && tag[2] == 0);

	CHECK(rmf_lists_build(&lists, 0, pairs, NULL) == RMF_OK && start[0][4] == 0);
	CHECK(rmf_lists_build(&lists, 7, pairs, start_poll(&counter, 1)) == RMF_CANCELLED);
}

int
main(void)
{
	test_products();
	test_constant_scores();
	test_extremes();
	test_cancel();
	test_scores();
	test_popularity();
	test_random();
	test_lists();
	return unit_report("test_rank");
}
