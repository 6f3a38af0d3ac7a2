/*
 * test_wide.c
 *	  Training on entries that lie beyond 2^31 and 2^32, window by window: the
 *	  same rows, to the bit, as from the same entries at 0 in memory.  No array
 *	  here is longer than its part of the whole; the rest is arithmetic.
 */
#include "als_fixture.h"

/* Where the entries begin: past what 32 bits hold, signed or not. */
#define FAR_AWAY INT64_C(5000000000)

/* One orientation whose entries are loaded from far away. */
typedef struct far_side
{
	const rmf_csr *csr;
	int64_t    *start;
	int64_t		at;				/* of the first entry */
	int64_t		window;
	int64_t		largest;		/* window that was asked for */
	int64_t		loads;
	int64_t		fail_at;		/* load; 0: never */
	int			in_range;
} far_side;

static int
load_far(void *arg, int64_t first_entry, int64_t n, int32_t *column, float *value, float *weight)
{
	far_side   *side = arg;
	int64_t		first = first_entry - side->at;

	side->in_range &= weight == NULL && n >= 0 && first >= 0 && first + n <= side->csr->n_entries;
	if (n > side->largest)
		side->largest = n;
	if (!side->in_range || ++side->loads == side->fail_at)
		return 1;
	memcpy(column, side->csr->column + first, (size_t) n * sizeof(int32_t));
	memcpy(value, side->csr->value + first, (size_t) n * sizeof(float));
	return 0;
}

static far_side
make_far(const rmf_csr *csr, int64_t at)
{
	far_side	side = {.csr = csr, .at = at, .in_range = 1};

	side.start = allocate((size_t) (csr->n_rows + 1) * sizeof(int64_t));
	for (int64_t r = 0; r <= csr->n_rows; r++)
		side.start[r] = csr->start[r] + at;
	return side;
}

static rmf_ratings
far_ratings(far_side *side)
{
	rmf_ratings ratings = ratings_of(side->csr);

	ratings.column = NULL;
	ratings.value = NULL;
	ratings.start = side->start;
	ratings.n_entries = side->start[side->csr->n_rows];
	ratings.load = load_far;
	ratings.load_arg = side;
	return ratings;
}

static int64_t
longest_row(const dataset *data)
{
	int64_t		longest = 0;

	for (int64_t r = 0; r < data->by_user.n_rows; r++)
		if (data->by_user.start[r + 1] - data->by_user.start[r] > longest)
			longest = data->by_user.start[r + 1] - data->by_user.start[r];
	for (int64_t r = 0; r < data->by_item.n_rows; r++)
		if (data->by_item.start[r + 1] - data->by_item.start[r] > longest)
			longest = data->by_item.start[r + 1] - data->by_item.start[r];
	return longest;
}

/* Trains from far away with such a window; fails at a load if asked to. */
static rmf_status
train_far(model *m, const dataset *data, int64_t at, int64_t window, int64_t fail_at)
{
	rmf_run_shape shape = shape_of(m, data);
	rmf_stopping stopping = {m->settings.iterations, 0, NULL, NULL, 0};
	far_side	sides[2] = {make_far(&data->by_user, at), make_far(&data->by_item, at)};
	rmf_outcome outcome;
	void	   *memory;
	rmf_run		run;
	rmf_leader	leader = {NULL, NULL, NULL};
	rmf_status	status;

	shape.window = window;
	sides[1].fail_at = fail_at;
	run = make_run(m, data, &shape, &memory);
	run.ratings[RMF_USERS] = far_ratings(&sides[0]);
	run.ratings[RMF_ITEMS] = far_ratings(&sides[1]);
	leader.workspace = allocate(rmf_run_workspace_size(&shape));
	status = rmf_run_start(&run, &leader);
	if (status == RMF_OK)
		status = rmf_run_iterate(&run, &stopping, &leader, &outcome);
	if (status == RMF_OK)
		take_result(m, &run);
	for (int side = 0; side < 2; side++)
	{
		CHECK(sides[side].in_range);
		CHECK(sides[side].largest <= window);
		CHECK(sides[side].loads > 0 || status != RMF_OK);
		free(sides[side].start);
	}
	free(leader.workspace);
	free(memory);
	return status;
}

static void
test_training(rmf_feedback feedback, rmf_solver solver, int factors, int implicit_features)
{
	dataset		data = random_dataset(90, 70, 0.3, 5, 0);
	rmf_settings settings;
	model	   *near,
			   *far;
	int64_t		longest = longest_row(&data);
	int64_t		windows[3] = {longest, 4 * longest, 1000000};
	int64_t		places[3] = {0, INT32_MAX - longest, FAR_AWAY};

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.iterations = 3;
	settings.solver = solver;
	settings.implicit_features = implicit_features;
	near = make_model(&data, settings);
	CHECK(train(near, &data, NULL) == RMF_OK);
	/* logistic feedback asks how many ratings there are, which is not so here unless they begin at 0 */
	for (int i = 0; i < (feedback == RMF_LOGISTIC ? 3 : 9); i++)
	{
		far = make_model(&data, settings);
		CHECK(train_far(far, &data, places[i / 3], windows[i % 3], 0) == RMF_OK);
		CHECK(memcmp(near->users, far->users, sizeof(float) * 90 * (size_t) near->dimensions) == 0);
		CHECK(memcmp(near->items, far->items, sizeof(float) * 70 * (size_t) near->dimensions) == 0);
		free_model(far);
	}

	/* a load that fails ends it; so does a window that a row does not fit in */
	far = make_model(&data, settings);
	CHECK(train_far(far, &data, FAR_AWAY, longest, 2) == RMF_CANCELLED);
	free_model(far);
	free_model(near);
	free_dataset(data);
}

/* A half-step whose starts, all of them, are beyond 2^32. */
static void
test_half_step(void)
{
	dataset		data = random_dataset(50, 40, 0.4, 6, 0);
	rmf_settings settings;
	model	   *m;
	far_side	far = make_far(&data.by_user, FAR_AWAY);
	float	   *near_rows,
			   *far_rows;
	size_t		bytes;
	rmf_half_step step;

	rmf_settings_init(&settings, RMF_EXPLICIT);
	settings.factors = 8;
	settings.iterations = 1;
	m = make_model(&data, settings);
	CHECK(train(m, &data, NULL) == RMF_OK);
	step = half_step_of(m, &data, RMF_USERS);
	bytes = sizeof(float) * 50 * (size_t) m->dimensions;
	near_rows = allocate(bytes);
	far_rows = allocate(bytes);
	for (int64_t first = 0; first < 50; first += 7)
	{
		int64_t		last = first + 7 < 50 ? first + 7 : 50;
		int64_t		at = data.by_user.start[first];
		rmf_sums	near_sums = {0},
					far_sums = {0};

		memcpy(near_rows, m->users, bytes);
		memcpy(far_rows, m->users, bytes);
		CHECK(solve_rows(&step, &data.by_user, first, last, near_rows, &near_sums, m->workspace, NULL) == RMF_OK);
		CHECK(rmf_als_half_step(&step, last - first, far.start + first, data.by_user.column + at,
								data.by_user.value + at, NULL, far_rows + first * m->dimensions, &far_sums,
								m->workspace, NULL) == RMF_OK);
		CHECK(memcmp(near_rows, far_rows, bytes) == 0);
		CHECK(memcmp(&near_sums, &far_sums, sizeof(near_sums)) == 0);
	}
	free(near_rows);
	free(far_rows);
	free(far.start);
	free_model(m);
	free_dataset(data);
}

int
main(void)
{
	test_training(RMF_IMPLICIT, RMF_SOLVER_EXACT, 8, 0);
	test_training(RMF_IMPLICIT, RMF_SOLVER_CG, 32, 0);
	test_training(RMF_EXPLICIT, RMF_SOLVER_EXACT, 8, 0);
	test_training(RMF_EXPLICIT, RMF_SOLVER_CG, 32, 0);
	test_training(RMF_EXPLICIT, RMF_SOLVER_AUTO, 16, 1);
	test_training(RMF_LOGISTIC, RMF_SOLVER_AUTO, 16, 0);
	test_half_step();
	return unit_report("wide");
}
