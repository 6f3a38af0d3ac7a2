/*
 * test_hold_out.c
 *	  Ratings held out to validate with: the share, that nobody loses all, both
 *	  orientations the same, independence of everything else, cancellation.
 */
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "rmf_csr.h"
#include "rmf_hold_out.h"
#include "rmf_random.h"
#include "unit.h"

#define N_USERS 400
#define N_ITEMS 150

typedef struct matrix
{
	rmf_csr		csr;
	int64_t		start[N_USERS + 1];
	int32_t		column[N_USERS * N_ITEMS];
	float		value[N_USERS * N_ITEMS];
	float		weight[N_USERS * N_ITEMS];
} matrix;

/* A user and an item have a rating or not by a hash; user 0 and item 0 have one each. */
static int
is_rated(int user, int item)
{
	if (user == 0 || item == 0)
		return user == 7 * item || item == 7 * user;
	return rmf_mix64((uint64_t) user * 1000 + (uint64_t) item) % 5 == 0;
}

static float
rating(int user, int item)
{
	return (float) (user * 1000 + item);
}

static matrix *
make_matrix(int64_t n_rows, int64_t n_columns)
{
	matrix	   *m = malloc(sizeof(matrix));

	m->csr.n_rows = n_rows;
	m->csr.n_columns = n_columns;
	m->csr.n_entries = 0;
	m->csr.start = m->start;
	m->csr.column = m->column;
	m->csr.value = m->value;
	m->csr.weight = m->weight;
	m->start[0] = 0;
	return m;
}

static matrix *
make_ratings(rmf_side side)
{
	int			n_rows = side == RMF_USERS ? N_USERS : N_ITEMS;
	int			n_columns = side == RMF_USERS ? N_ITEMS : N_USERS;
	matrix	   *m = make_matrix(n_rows, n_columns);

	for (int r = 0; r < n_rows; r++)
	{
		for (int c = 0; c < n_columns; c++)
		{
			int			user = side == RMF_USERS ? r : c;
			int			item = side == RMF_USERS ? c : r;

			if (is_rated(user, item))
			{
				m->column[m->csr.n_entries] = c;
				m->weight[m->csr.n_entries] = -rating(user, item);
				m->value[m->csr.n_entries++] = rating(user, item);
			}
		}
		m->start[r + 1] = m->csr.n_entries;
	}
	return m;
}

static uint64_t user_keys[N_USERS];
static uint64_t item_keys[N_ITEMS];
static uint64_t greatest_of_user[N_USERS];
static uint64_t greatest_of_item[N_ITEMS];

static rmf_hold_out
make_choice(double fraction, uint64_t seed)
{
	rmf_hold_out choice = {fraction, seed, {user_keys, item_keys}, {greatest_of_user, greatest_of_item}};

	return choice;
}

/* held[user][item]: 1 where a rating is held out */
static void
mark(const rmf_csr *csr, char (*marks)[N_ITEMS])
{
	memset(marks, 0, sizeof(char[N_ITEMS]) * N_USERS);
	for (int64_t u = 0; u < csr->n_rows; u++)
		for (int64_t t = csr->start[u]; t < csr->start[u + 1]; t++)
		{
			CHECK(csr->value[t] == rating((int) u, csr->column[t]) && csr->weight[t] == -csr->value[t]);
			marks[u][csr->column[t]] = 1;
		}
}

static int64_t
hold_out(double fraction, uint64_t seed, char (*marks)[N_ITEMS])
{
	rmf_hold_out choice = make_choice(fraction, seed);
	matrix	   *by_user = make_ratings(RMF_USERS);
	matrix	   *by_item = make_ratings(RMF_ITEMS);
	matrix	   *held = make_matrix(N_USERS, N_ITEMS);
	int64_t		all = by_user->csr.n_entries;
	int64_t		n;

	CHECK(rmf_hold_out_choose(&choice, &by_user->csr, &n, NULL) == RMF_OK);
	CHECK(rmf_hold_out_apply(&choice, RMF_USERS, &by_user->csr, &held->csr, NULL) == RMF_OK);
	CHECK(rmf_hold_out_apply(&choice, RMF_ITEMS, &by_item->csr, NULL, NULL) == RMF_OK);
	CHECK(held->csr.n_entries == n && held->csr.start[N_USERS] == n);
	CHECK(held->csr.n_rows == N_USERS && held->csr.n_columns == N_ITEMS);
	CHECK(by_user->csr.n_entries == all - n && by_item->csr.n_entries == all - n);
	mark(&held->csr, marks);

	/* what is left is what was there, in both orientations, and each row and column keeps one */
	for (int u = 0; u < N_USERS; u++)
	{
		int64_t		t = by_user->start[u];

		for (int i = 0; i < N_ITEMS; i++)
			if (is_rated(u, i) && !marks[u][i])
			{
				CHECK(t < by_user->start[u + 1] && by_user->column[t] == i && by_user->value[t] == rating(u, i) &&
					  by_user->weight[t] == -rating(u, i));
				t++;
			}
		CHECK(t == by_user->start[u + 1] && t > by_user->start[u]);
	}
	for (int i = 0; i < N_ITEMS; i++)
	{
		int64_t		t = by_item->start[i];

		for (int u = 0; u < N_USERS; u++)
			if (is_rated(u, i) && !marks[u][i])
			{
				CHECK(t < by_item->start[i + 1] && by_item->column[t] == u && by_item->value[t] == rating(u, i) &&
					  by_item->weight[t] == -rating(u, i));
				t++;
			}
		CHECK(t == by_item->start[i + 1] && t > by_item->start[i]);
	}
	free(by_user);
	free(by_item);
	free(held);
	return n;
}

static void
test_choice(void)
{
	static char tenth[N_USERS][N_ITEMS];
	static char again[N_USERS][N_ITEMS];
	static char fifth[N_USERS][N_ITEMS];
	static char other[N_USERS][N_ITEMS];
	double		all = (double) N_USERS * N_ITEMS / 5;
	int64_t		n = hold_out(0.1, 42, tenth);
	int64_t		m = hold_out(0.2, 42, fifth);
	int			n_lost = 0;
	int			n_common = 0;

	CHECK((double) n > 0.09 * all && (double) n < 0.11 * all);
	CHECK((double) m > 0.18 * all && (double) m < 0.22 * all);
	CHECK(hold_out(0.1, 42, again) == n && memcmp(tenth, again, sizeof(tenth)) == 0);
	hold_out(0.1, 43, other);
	for (int u = 0; u < N_USERS; u++)
		for (int i = 0; i < N_ITEMS; i++)
		{
			n_lost += tenth[u][i] && !fifth[u][i];
			n_common += tenth[u][i] && other[u][i];
		}
	/* a larger share contains a smaller one; another seed is another choice */
	CHECK(n_lost == 0);
	CHECK(n_common < n / 5);
	hold_out(0.5, 1, other);
	CHECK(hold_out(1e-12, 42, other) == 0);
}

static void
test_refusals(void)
{
	matrix	   *by_user = make_ratings(RMF_USERS);
	rmf_hold_out none = make_choice(0, 42);
	rmf_hold_out most = make_choice(0.51, 42);
	int64_t		n;

	CHECK(rmf_hold_out_choose(&none, &by_user->csr, &n, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_hold_out_choose(&most, &by_user->csr, &n, NULL) == RMF_BAD_ARGUMENT);
	free(by_user);
}

/* Many ratings, so that it polls. */
static void
test_cancel(void)
{
	enum
	{
		ROWS = 6, COLUMNS = 100000
	};
	static uint64_t keys_of_users[ROWS];
	static uint64_t keys_of_items[COLUMNS];
	static uint64_t of_users[ROWS];
	static uint64_t of_items[COLUMNS];
	rmf_hold_out choice = {0.1, 42, {keys_of_users, keys_of_items}, {of_users, of_items}};
	int64_t		start[ROWS + 1];
	rmf_csr		ratings = {.n_rows = ROWS, .n_columns = COLUMNS, .n_entries = ROWS * COLUMNS, .start = start};
	counting_poll counter;
	int64_t		n;

	ratings.column = malloc(sizeof(int32_t) * ROWS * COLUMNS);
	ratings.value = malloc(sizeof(float) * ROWS * COLUMNS);
	ratings.weight = NULL;
	for (int64_t t = 0; t < ROWS * COLUMNS; t++)
	{
		ratings.column[t] = (int32_t) (t % COLUMNS);
		ratings.value[t] = 1;
	}
	for (int r = 0; r <= ROWS; r++)
		start[r] = (int64_t) r * COLUMNS;
	for (int i = 0; i < COLUMNS; i++)
		keys_of_items[i] = rmf_mix64((uint64_t) i);
	for (int r = 0; r < ROWS; r++)
		keys_of_users[r] = rmf_mix64((uint64_t) r);

	CHECK(rmf_hold_out_choose(&choice, &ratings, &n, start_poll(&counter, 0)) == RMF_OK);
	CHECK(counter.calls > 1);
	CHECK(n > ROWS * COLUMNS / 15 && n < ROWS * COLUMNS / 8);
	for (long at = 1; at <= counter.calls; at++)
	{
		counting_poll one;

		CHECK(rmf_hold_out_choose(&choice, &ratings, &n, start_poll(&one, at)) == RMF_CANCELLED);
		CHECK(one.calls == at);
	}
	CHECK(rmf_hold_out_apply(&choice, RMF_USERS, &ratings, NULL, start_poll(&counter, 1)) == RMF_CANCELLED);
	free(ratings.column);
	free(ratings.value);
}

/* Ratings of the caller's choice: both orientations lose them, and nobody all. */
static void
test_marks(void)
{
	static char held[N_USERS][N_ITEMS];
	matrix	   *by_user = make_ratings(RMF_USERS);
	matrix	   *by_item = make_ratings(RMF_ITEMS);
	matrix	   *out = make_matrix(N_USERS, N_ITEMS);
	int64_t		all = by_user->csr.n_entries;
	uint8_t    *marks = calloc((size_t) all, 1);
	int64_t		wanted = 0;
	int64_t		n;
	counting_poll counter;

	/* the last of each user, and all of user 3 */
	for (int u = 0; u < N_USERS; u++)
		for (int64_t t = by_user->start[u]; t < by_user->start[u + 1]; t++)
		{
			marks[t] = u == 3 || t == by_user->start[u + 1] - 1;
			wanted += t == by_user->start[u + 1] - 1 && u != 3 && by_user->start[u + 1] - by_user->start[u] > 1;
		}
	CHECK(rmf_csr_find(&by_user->csr, 5, by_user->column[by_user->start[5] + 1]) == by_user->start[5] + 1);
	CHECK(rmf_csr_find(&by_user->csr, 0, 149) == -1);
	n = rmf_hold_out_check_marks(&by_user->csr, marks);
	CHECK(n == wanted);
	CHECK(rmf_hold_out_marked(marks, &by_user->csr, &by_item->csr, &out->csr, start_poll(&counter, 0)) == RMF_OK);
	CHECK(out->csr.n_entries == n && by_user->csr.n_entries == all - n && by_item->csr.n_entries == all - n);
	CHECK(out->csr.start[4] == out->csr.start[3]);
	mark(&out->csr, held);
	for (int u = 0; u < N_USERS; u++)
		for (int i = 0; i < N_ITEMS; i++)
		{
			int			stays = is_rated(u, i) && !held[u][i];
			int64_t		at = rmf_csr_find(&by_user->csr, u, i);
			int64_t		turned = rmf_csr_find(&by_item->csr, i, u);

			CHECK((at >= 0) == stays && (turned >= 0) == stays);
			if (at >= 0 && turned >= 0)
				CHECK(by_user->value[at] == rating(u, i) && by_item->value[turned] == rating(u, i) &&
					  by_item->weight[turned] == -rating(u, i));
		}
	free(by_user);
	free(by_item);
	free(out);
	free(marks);
}

int
main(void)
{
	for (int u = 0; u < N_USERS; u++)
		user_keys[u] = rmf_mix64((uint64_t) u);
	for (int i = 0; i < N_ITEMS; i++)
		item_keys[i] = rmf_mix64((uint64_t) i + 1000000);
	test_choice();
	test_refusals();
	test_marks();
	test_cancel();
	return unit_report("hold_out");
}
