/*
 * test_run.c
 *	  Runs of training: that their result depends on nobody who does the tasks,
 *	  what validation measures, and which rows are kept.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "als_fixture.h"
#include "counting_poll.h"
#include "unit.h"

#define MEMBERS 3

static rmf_settings
settings_of(rmf_feedback feedback, int factors, int iterations, rmf_solver solver)
{
	rmf_settings settings;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.iterations = iterations;
	settings.solver = solver;
	return settings;
}

/* Processes that have mapped the same memory, each at an address of its own. */
typedef struct team
{
	rmf_run		view[MEMBERS];
	void	   *workspace[MEMBERS];
	uint64_t	random;			/* 0: tasks in order, all by the first member */
	int			members;
	int64_t		calls;
	int64_t		fail_at;		/* this call fails; 0: none */
	int64_t		tasks;
} team;

static uint64_t
next_random(team *t)
{
	return t->random = rmf_mix64(t->random + 1);
}

/* Each task once, in an order and by members that depend on the team's random numbers. */
static rmf_status
run_phase(void *arg, rmf_phase phase, int64_t n_tasks)
{
	team	   *t = arg;
	int64_t    *order = allocate((size_t) n_tasks * sizeof(int64_t));
	rmf_status	status = RMF_OK;

	if (++t->calls == t->fail_at)
		status = RMF_NOT_FINITE;
	for (int64_t i = 0; i < n_tasks; i++)
		order[i] = i;
	for (int64_t i = n_tasks - 1; i > 0; i--)
	{
		int64_t		j = (int64_t) (next_random(t) % (uint64_t) (i + 1));
		int64_t		swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (int64_t i = 0; status == RMF_OK && i < n_tasks; i++)
	{
		int			member = (int) (next_random(t) % (uint64_t) t->members);

		status = rmf_run_task(&t->view[member], phase, order[i], t->workspace[member], NULL);
		t->tasks++;
	}
	free(order);
	return status;
}

/* Trains as the model says, into it, by "members" processes in some order. */
static rmf_status
train_together(model *m, const dataset *data, int members, uint64_t random, int64_t fail_at, team *t)
{
	rmf_run_shape shape = shape_of(m, data);
	rmf_team	core = {run_phase, t};
	rmf_leader	leader = {&core, NULL, NULL};
	rmf_stopping stopping = {m->settings.iterations, 0, record_loss, m, 0};
	rmf_outcome outcome;
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		size;
	int			file = memfd_create("run", 0);
	rmf_status	status;

	memset(t, 0, sizeof(*t));
	t->random = random;
	t->members = members;
	t->fail_at = fail_at;
	size = rmf_run_lay_out(&shape, NULL, &t->view[0]) / page * page + page;
	if (file < 0 || ftruncate(file, (off_t) size) != 0)
		abort();
	for (int i = 0; i < members; i++)
	{
		void	   *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

		if (base == MAP_FAILED)
			abort();
		rmf_run_lay_out(&shape, base, &t->view[i]);
		t->view[i].ratings[RMF_USERS] = ratings_of(&data->by_user);
		t->view[i].ratings[RMF_ITEMS] = ratings_of(&data->by_item);
		t->workspace[i] = allocate(rmf_run_workspace_size(&shape));
	}
	memcpy(t->view[0].keys[RMF_USERS], m->user_keys, (size_t) shape.n[RMF_USERS] * sizeof(uint64_t));
	memcpy(t->view[0].keys[RMF_ITEMS], m->item_keys, (size_t) shape.n[RMF_ITEMS] * sizeof(uint64_t));

	status = rmf_run_start(&t->view[0], &leader);
	if (status == RMF_OK)
		status = rmf_run_iterate(&t->view[0], &stopping, &leader, &outcome);
	if (status == RMF_OK)
	{
		m->loss = outcome.kept.loss;
		take_result(m, &t->view[0]);
	}
	for (int i = 0; i < members; i++)
	{
		munmap(t->view[i].counts, size);
		free(t->workspace[i]);
	}
	close(file);
	return status;
}

static int
same_bytes(const void *a, const void *b, size_t bytes)
{
	return memcmp(a, b, bytes) == 0;
}

static int
same_result(const model *a, const model *b, const dataset *data)
{
	size_t		row = (size_t) a->dimensions * sizeof(float);
	size_t		square = (size_t) a->problem.factors * (size_t) a->problem.factors * sizeof(float);

	return same_bytes(a->users, b->users, (size_t) data->by_user.n_rows * row) &&
		same_bytes(a->items, b->items, (size_t) data->by_item.n_rows * row) &&
		same_bytes(&a->loss, &b->loss, sizeof(rmf_loss)) &&
		(a->problem.feedback != RMF_IMPLICIT ||
		 (same_bytes(a->gram_users, b->gram_users, square) && same_bytes(a->gram_items, b->gram_items, square)));
}

/* The same bits whoever did which task when, at whatever address. */
static void
test_same_for_all(rmf_feedback feedback, int features, int factors, rmf_solver solver)
{
	dataset		data = random_dataset(5000, 300, 0.03, 11, 0);
	rmf_settings settings = settings_of(feedback, factors, 3, solver);
	model	   *alone,
			   *together;
	team		t;

	settings.implicit_features = features;
	alone = make_model(&data, settings);
	together = make_model(&data, settings);

	CHECK(train(alone, &data, NULL) == RMF_OK);
	for (int members = 1; members <= MEMBERS; members++)
	{
		for (uint64_t random = 1; random <= 3; random++)
		{
			memset(together->users, 0xff, (size_t) data.by_user.n_rows * (size_t) together->dimensions * sizeof(float));
			CHECK(train_together(together, &data, members, random, 0, &t) == RMF_OK);
			CHECK(same_result(alone, together, &data));
		}
	}
	/* there was something to share out in each phase */
	CHECK(t.calls > 0 && t.tasks > 4 * t.calls);

	for (int64_t at = 1; at <= t.calls; at++)
	{
		team		failing;

		CHECK(train_together(together, &data, 2, 1, at, &failing) == RMF_NOT_FINITE);
		CHECK(failing.calls == at);
	}
	free_model(alone);
	free_model(together);
	free_dataset(data);
}

/* The tasks of SOLVE are all rows, each once, the costliest first; slices likewise. */
static void
test_partition(int n_users, int n_items, double share)
{
	dataset		data = random_dataset(n_users, n_items, share, 5, 0);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, 16, 1, RMF_SOLVER_AUTO));
	rmf_run_shape shape = shape_of(m, &data);
	void	   *memory;
	rmf_run		run = make_run(m, &data, &shape, &memory);
	rmf_leader	leader = {NULL, allocate(rmf_run_workspace_size(&shape)), NULL};

	CHECK(rmf_run_start(&run, &leader) == RMF_OK);
	for (int side = 0; side < 2; side++)
	{
		int64_t		n_tasks = rmf_run_tasks(&run, (rmf_phase) (RMF_SOLVE_USERS + side));
		char	   *seen = allocate((size_t) shape.n[side]);
		int64_t		cost_before = INT64_MAX;
		int64_t		rows = 0;

		memset(seen, 0, (size_t) shape.n[side]);
		CHECK(n_tasks >= 1 && n_tasks <= 513);
		for (int64_t task = 0; task < n_tasks; task++)
		{
			rmf_rows	of = run.tasks[side][task];
			int64_t		cost = run.ratings[side].start[of.last] - run.ratings[side].start[of.first] +
				9 * (of.last - of.first);

			CHECK(of.first < of.last && cost <= cost_before);
			cost_before = cost;
			for (int64_t r = of.first; r < of.last; r++)
				rows += !seen[r]++;
		}
		CHECK(rows == shape.n[side]);
		CHECK(rmf_run_task(&run, (rmf_phase) (RMF_SOLVE_USERS + side), n_tasks, leader.workspace, NULL) == RMF_BAD_ARGUMENT);
		CHECK(rmf_run_task(&run, (rmf_phase) (RMF_SOLVE_USERS + side), -1, leader.workspace, NULL) == RMF_BAD_ARGUMENT);
		free(seen);
	}
	CHECK(rmf_run_tasks(&run, RMF_VALIDATE) == 0);
	free(leader.workspace);
	free(memory);
	free_model(m);
	free_dataset(data);
}

/* A layout has no part on another, and its size is the end of the last. */
static void
test_layout(rmf_feedback feedback)
{
	dataset		data = random_dataset(90, 40, 0.3, 5, 0);
	model	   *m = make_model(&data, settings_of(feedback, 13, 1, RMF_SOLVER_CG));
	rmf_run_shape shape = shape_of(m, &data);
	rmf_run		run;
	size_t		size,
				without;
	char	   *base;
	size_t		row = (size_t) m->dimensions * sizeof(float);

	without = rmf_run_lay_out(&shape, NULL, &run);
	CHECK(run.rows[RMF_USERS] == NULL && run.counts == NULL && run.best[RMF_USERS] == NULL);
	shape.n_validation = 10;
	size = rmf_run_lay_out(&shape, NULL, &run);
	CHECK(size >= without + (90 + 40) * row);
	base = allocate(size);
	CHECK(rmf_run_lay_out(&shape, base, &run) == size);
	CHECK(((uintptr_t) run.rows[RMF_USERS] | (uintptr_t) run.rows[RMF_ITEMS] | (uintptr_t) run.packed) % 64 == 0);
	CHECK((run.gram[RMF_USERS] == NULL) == (feedback == RMF_EXPLICIT));

	/* everything may be written to its end: the sanitizer watches */
	memset(base, 0, size);
	memset(run.rows[RMF_USERS], 1, 90 * row);
	memset(run.best[RMF_USERS], 2, 90 * row);
	memset(run.rows[RMF_ITEMS], 3, 40 * row);
	memset(run.best[RMF_ITEMS], 4, 40 * row);
	memset(run.packed, 5, rmf_als_packed_size(&m->problem, 90));
	memset(run.validated_sums, 6, RMF_VALIDATED_USERS * sizeof(rmf_validated));
	CHECK(((char *) run.rows[RMF_USERS])[90 * row - 1] == 1 && ((char *) run.best[RMF_USERS])[90 * row - 1] == 2);
	CHECK(((char *) run.rows[RMF_ITEMS])[40 * row - 1] == 3 && ((char *) run.best[RMF_ITEMS])[40 * row - 1] == 4);
	free(base);
	free_model(m);
	free_dataset(data);
}

/* Ratings that are loaded window by window. */
typedef struct store
{
	const rmf_csr *csr;
	int64_t		loads;
	int64_t		fail_at;
} store;

static int
load_entries(void *arg, int64_t first, int64_t n, int32_t *column, float *value, float *weight)
{
	store	   *s = arg;

	CHECK(weight == NULL && first >= 0 && first + n <= s->csr->n_entries);
	memcpy(column, s->csr->column + first, (size_t) n * sizeof(int32_t));
	memcpy(value, s->csr->value + first, (size_t) n * sizeof(float));
	return ++s->loads == s->fail_at;
}

static int64_t
longest_row(const rmf_csr *csr)
{
	int64_t		longest = 0;

	for (int64_t r = 0; r < csr->n_rows; r++)
		if (csr->start[r + 1] - csr->start[r] > longest)
			longest = csr->start[r + 1] - csr->start[r];
	return longest;
}

static rmf_status
train_loading(model *m, const dataset *data, int64_t window, store *by_user, store *by_item)
{
	rmf_run_shape shape = shape_of(m, data);
	rmf_stopping stopping = {m->settings.iterations, 0, NULL, NULL, 0};
	rmf_leader	leader = {0};
	rmf_outcome outcome;
	void	   *memory;
	rmf_run		run;
	rmf_status	status;

	shape.window = window;
	run = make_run(m, data, &shape, &memory);
	for (int side = 0; side < 2; side++)
	{
		run.ratings[side].column = NULL;
		run.ratings[side].value = NULL;
		run.ratings[side].load = load_entries;
		run.ratings[side].load_arg = side == RMF_USERS ? by_user : by_item;
	}
	leader.workspace = allocate(rmf_run_workspace_size(&shape));
	status = rmf_run_start(&run, &leader);
	if (status == RMF_OK)
		status = rmf_run_iterate(&run, &stopping, &leader, &outcome);
	if (status == RMF_OK)
	{
		m->loss = outcome.kept.loss;
		take_result(m, &run);
	}
	free(leader.workspace);
	free(memory);
	return status;
}

static void
test_windows(rmf_feedback feedback, int features)
{
	dataset		data = random_dataset(700, 90, 0.2, 4, 0);
	rmf_settings settings = settings_of(feedback, 12, 2, RMF_SOLVER_AUTO);
	model	   *whole,
			   *loaded;
	int64_t		longest = longest_row(&data.by_item);
	int64_t		windows[] = {longest, longest + 1, 1000, 1 << 20};
	store		by_user = {&data.by_user, 0, 0},
				by_item = {&data.by_item, 0, 0};

	settings.implicit_features = features;
	whole = make_model(&data, settings);
	loaded = make_model(&data, settings);
	CHECK(longest > longest_row(&data.by_user));
	CHECK(train(whole, &data, NULL) == RMF_OK);
	for (int i = 0; i < 4; i++)
	{
		by_user.loads = by_item.loads = 0;
		CHECK(train_loading(loaded, &data, windows[i], &by_user, &by_item) == RMF_OK);
		CHECK(same_result(whole, loaded, &data));
		CHECK(i < 2 ? by_user.loads > 100 : by_user.loads < 100);
	}

	CHECK(train_loading(loaded, &data, longest - 1, &by_user, &by_item) == RMF_BAD_ARGUMENT);
	CHECK(train_loading(loaded, &data, 0, &by_user, &by_item) == RMF_BAD_ARGUMENT);
	by_item.loads = 0;
	by_item.fail_at = 3;
	CHECK(train_loading(loaded, &data, longest, &by_user, &by_item) == RMF_CANCELLED);
	CHECK(by_item.loads == 3);
	free_model(whole);
	free_model(loaded);
	free_dataset(data);
}

/* The loss that comes of the half-steps is that of the objective. */
static void
test_loss(rmf_feedback feedback, int factors, rmf_solver solver)
{
	dataset		data = random_dataset(300, 80, 0.2, 3, 0);
	model	   *m = make_model(&data, settings_of(feedback, factors, 4, solver));
	rmf_loss	loss;

	CHECK(train(m, &data, NULL) == RMF_OK);
	CHECK(rmf_als_loss(&m->problem, &data.by_user, &data.by_item, m->users, m->items,
					   m->gram_users, m->gram_items, &loss, NULL) == RMF_OK);
	CHECK_NEAR(m->loss.total, loss.total, 1e-3 * loss.total);
	CHECK_NEAR(m->loss.fit, loss.fit, 1e-3 * loss.total);
	CHECK_NEAR(m->loss.rmse, loss.rmse, 1e-3 * loss.rmse);
	CHECK_NEAR(m->loss.total, m->losses[4].total, 0);
	free_model(m);
	free_dataset(data);
}

/* What an iteration left, for comparison with what is kept in the end. */
typedef struct history
{
	const rmf_run *run;
	int			n;
	rmf_iteration iteration[101];
	float	   *users[101];
	int			stop_at;
	rmf_verdict verdict;
} history;

static rmf_verdict
remember(void *arg, const rmf_iteration *iteration)
{
	history    *h = arg;
	size_t		bytes = (size_t) h->run->shape.n[RMF_USERS] *
		(size_t) rmf_dimensions(&h->run->shape.problem) * sizeof(float);

	CHECK(iteration->number == h->n + 1);
	h->n = iteration->number;
	h->iteration[h->n] = *iteration;
	h->users[h->n] = allocate(bytes);
	memcpy(h->users[h->n], h->run->rows[RMF_USERS], bytes);
	return h->n == h->stop_at ? h->verdict : RMF_GO_ON;
}

static void
forget(history *h)
{
	for (int i = 1; i <= h->n; i++)
		free(h->users[i]);
	h->n = 0;
}

/* Takes a share of the ratings out of a dataset, chosen by user and item. */
static rmf_csr
hold_out(dataset *data, double share)
{
	rmf_csr		held = make_csr(data->by_user.n_rows, data->by_user.n_columns, data->by_user.n_entries, 0);

	for (int side = 0; side < 2; side++)
	{
		rmf_csr    *csr = side == RMF_USERS ? &data->by_user : &data->by_item;
		int64_t		from = 0,
					n_kept = 0,
					n_held = 0;

		for (int64_t r = 0; r < csr->n_rows; r++)
		{
			int64_t		end = csr->start[r + 1];

			csr->start[r] = n_kept;
			held.start[r] = side == RMF_USERS ? n_held : held.start[r];
			for (; from < end; from++)
			{
				uint64_t	user = (uint64_t) (side == RMF_USERS ? r : csr->column[from]);
				uint64_t	item = (uint64_t) (side == RMF_USERS ? csr->column[from] : r);
				int			is_held = (double) (rmf_mix64(user << 32 | item) % 1000) < share * 1000;

				if (is_held && side == RMF_USERS)
				{
					held.column[n_held] = csr->column[from];
					held.value[n_held++] = csr->value[from];
				}
				if (!is_held)
				{
					csr->column[n_kept] = csr->column[from];
					csr->value[n_kept++] = csr->value[from];
				}
			}
		}
		csr->start[csr->n_rows] = csr->n_entries = n_kept;
		if (side == RMF_USERS)
			held.start[held.n_rows] = held.n_entries = n_held;
	}
	data->stats = summary_of(&data->by_user);
	return held;
}

/* In plain loops: everything is ranked, a held-out item after all others of its score. */
static double
plain_metric(const model *m, const dataset *data, const rmf_csr *held)
{
	double		sum = 0;
	int64_t		n = 0;

	for (int64_t u = 0; u < held->n_rows; u++)
	{
		double		gain = 0,
					ideal = 0;

		for (int64_t t = held->start[u]; t < held->start[u + 1]; t++)
		{
			double		score = plain_score(m, u, held->column[t]);
			int64_t		better = 0;

			if (m->problem.feedback == RMF_EXPLICIT)
			{
				double		error = held->value[t] - m->problem.mean - score;

				sum += error * error;
				n++;
				continue;
			}
			for (int64_t i = 0; i < held->n_columns; i++)
			{
				int			known = i == held->column[t];

				for (int64_t k = data->by_user.start[u]; k < data->by_user.start[u + 1]; k++)
					known |= data->by_user.column[k] == i;
				better += !known && (float) plain_score(m, u, i) >= (float) score;
			}
			if (better < 10)
				gain += 1 / log2((double) better + 2);
			if (t - held->start[u] < 10)
				ideal += 1 / log2((double) (t - held->start[u]) + 2);
		}
		if (ideal > 0)
		{
			sum += gain / ideal;
			n++;
		}
	}
	return m->problem.feedback == RMF_EXPLICIT ? sqrt(sum / (double) n) : sum / (double) n;
}

typedef struct validated_run
{
	rmf_run		run;
	rmf_leader	leader;
	rmf_outcome outcome;
	history		history;
	void	   *memory;
} validated_run;

static rmf_status
train_validated(validated_run *v, const model *m, const dataset *data, const rmf_csr *held, int iterations,
				int patience, int stop_at, rmf_verdict verdict, const rmf_poll *poll)
{
	rmf_run_shape shape = shape_of(m, data);
	rmf_stopping stopping = {iterations, patience, remember, &v->history, 0};
	rmf_status	status;

	shape.n_validation = held->n_entries;
	v->run = make_run(m, data, &shape, &v->memory);
	v->run.validation = ratings_of(held);
	v->history.run = &v->run;
	v->history.n = 0;
	v->history.stop_at = stop_at;
	v->history.verdict = verdict;
	v->leader.team = NULL;
	v->leader.poll = poll;
	v->leader.workspace = allocate(rmf_run_workspace_size(&shape));
	status = rmf_run_start(&v->run, &v->leader);
	if (status == RMF_OK)
		status = rmf_run_iterate(&v->run, &stopping, &v->leader, &v->outcome);
	return status;
}

static void
end_validated(validated_run *v)
{
	forget(&v->history);
	free(v->memory);
	free(v->leader.workspace);
}

static int
is_better(rmf_feedback feedback, double a, double b)
{
	return feedback == RMF_EXPLICIT ? a < b : a > b;
}

/* On noise the metric gets worse while the loss gets better, within so many iterations at least. */
static void
test_validation(rmf_feedback feedback, int iterations)
{
	dataset		data = random_dataset(120, 60, 0.3, 8, 0);
	rmf_settings settings = settings_of(feedback, 16, iterations, RMF_SOLVER_EXACT);
	model	   *m;
	rmf_csr		held;
	validated_run v;
	counting_poll counter;
	int			best = 1;
	size_t		bytes;

	settings.regularization = 0.01;
	held = hold_out(&data, 0.2);
	m = make_model(&data, settings);
	bytes = 120 * (size_t) m->dimensions * sizeof(float);
	CHECK(held.n_entries > 100);

	/* to the end: the best of all is kept, and what belongs to it */
	CHECK(train_validated(&v, m, &data, &held, iterations, 0, 0, RMF_GO_ON, NULL) == RMF_OK);
	CHECK(v.outcome.iterations == iterations && v.history.n == iterations && v.outcome.ending == RMF_ENDED_COMPLETE);
	for (int i = 2; i <= iterations; i++)
	{
		if (is_better(feedback, v.history.iteration[i].metric, v.history.iteration[best].metric))
			best = i;
		CHECK(v.history.iteration[i].best == best || v.history.iteration[i].number == i);
	}
	CHECK(best < iterations);
	CHECK(v.outcome.kept.number == best);
	CHECK(same_bytes(&v.outcome.kept.loss, &v.history.iteration[best].loss, sizeof(rmf_loss)));
	CHECK(same_bytes(v.run.rows[RMF_USERS], v.history.users[best], bytes));
	take_result(m, &v.run);
	CHECK_NEAR(v.outcome.kept.metric, plain_metric(m, &data, &held), 1e-4);
	if (feedback == RMF_IMPLICIT)
	{
		CHECK(rmf_als_gram(&m->problem, 120, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
		for (int i = 0; i < 16 * 16; i++)
			CHECK_NEAR(v.run.gram[RMF_USERS][i], m->gram_users[i], 1e-4);
	}
	end_validated(&v);

	/* patience: so many after the best, unless a better one came before */
	for (int patience = 1; patience <= 2; patience++)
	{
		CHECK(train_validated(&v, m, &data, &held, 100, patience, 0, RMF_GO_ON, NULL) == RMF_OK);
		CHECK(v.outcome.ending == RMF_ENDED_EARLY);
		CHECK(v.outcome.iterations == v.outcome.kept.number + patience);
		CHECK(same_bytes(v.run.rows[RMF_USERS], v.history.users[v.outcome.kept.number], bytes));
		end_validated(&v);
	}

	/* the callback ends it, and what was best until then is kept; or it gives up */
	CHECK(train_validated(&v, m, &data, &held, iterations, 0, 2, RMF_STOP, NULL) == RMF_OK);
	CHECK(v.outcome.iterations == 2 && v.outcome.ending == RMF_ENDED_STOPPED);
	end_validated(&v);
	CHECK(train_validated(&v, m, &data, &held, 2, 0, 2, RMF_STOP, NULL) == RMF_OK);
	CHECK(v.outcome.ending == RMF_ENDED_COMPLETE);
	end_validated(&v);
	CHECK(train_validated(&v, m, &data, &held, iterations, 0, 2, RMF_GIVE_UP, NULL) == RMF_CANCELLED);
	CHECK(v.history.n == 2);
	end_validated(&v);

	/* cancelled at each poll in turn */
	CHECK(train_validated(&v, m, &data, &held, 2, 0, 0, RMF_GO_ON, start_poll(&counter, 0)) == RMF_OK);
	end_validated(&v);
	for (long at = 1, polls = counter.calls; at <= polls; at++)
	{
		CHECK(train_validated(&v, m, &data, &held, 2, 0, 0, RMF_GO_ON, start_poll(&counter, at)) == RMF_CANCELLED);
		CHECK(counter.calls == at);
		end_validated(&v);
	}
	free_csr(held);
	free_model(m);
	free_dataset(data);
}

/* All scores are equal: nothing that is held out can be said to be found. */
static void
test_ties(void)
{
	dataset		data = random_dataset(40, 30, 0.3, 8, 0);
	rmf_csr		held = hold_out(&data, 0.3);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, 4, 1, RMF_SOLVER_EXACT));
	validated_run v;
	double		sum = 0;

	CHECK(train_validated(&v, m, &data, &held, 1, 0, 0, RMF_GO_ON, NULL) == RMF_OK);
	memset(v.run.rows[RMF_USERS], 0, 40 * (size_t) m->dimensions * sizeof(float));
	for (int64_t task = 0; task < rmf_run_tasks(&v.run, RMF_VALIDATE); task++)
	{
		CHECK(rmf_run_task(&v.run, RMF_VALIDATE, task, v.leader.workspace, NULL) == RMF_OK);
		sum += v.run.validated_sums[task].sum;
	}
	CHECK_NEAR(sum, 0, 0);
	end_validated(&v);
	free_csr(held);
	free_model(m);
	free_dataset(data);
}

/* Of many users a sample is ranked, the same in whatever order they stand. */
static void
test_sample(void)
{
	dataset		data = random_dataset(1500, 12, 0.6, 8, 0);
	rmf_csr		held = hold_out(&data, 0.4);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, 4, 1, RMF_SOLVER_EXACT));
	validated_run v;
	int64_t		n_users = 0;

	CHECK(train_validated(&v, m, &data, &held, 1, 0, 0, RMF_GO_ON, NULL) == RMF_OK);
	CHECK(v.run.counts->validated_users == RMF_VALIDATED_USERS);
	for (int i = 0; i < RMF_VALIDATED_USERS; i++)
	{
		int32_t		u = v.run.validated[i];

		CHECK(i == 0 || u > v.run.validated[i - 1]);
		CHECK(held.start[u + 1] > held.start[u]);
	}
	for (int64_t task = 0; task < rmf_run_tasks(&v.run, RMF_VALIDATE); task++)
		n_users += v.run.validated_sums[task].n;
	CHECK(n_users == RMF_VALIDATED_USERS);
	end_validated(&v);
	free_csr(held);
	free_model(m);
	free_dataset(data);
}

/* As many users as are asked for, by another measure, and not after each iteration. */
static void
test_other_validation(void)
{
	enum
	{
		USERS = 37
	};
	dataset		data = random_dataset(300, 40, 0.4, 8, 0);
	rmf_csr		held = hold_out(&data, 0.3);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, 4, 1, RMF_SOLVER_EXACT));
	rmf_run_shape shape = shape_of(m, &data);
	validated_run v = {0};
	rmf_stopping stopping = {7, 0, remember, &v.history, 3};
	double		before = 0;

	shape.n_validation = held.n_entries;
	shape.validated_users = USERS;
	shape.metric = RMF_RECALL;
	shape.metric_length = 40;
	v.run = make_run(m, &data, &shape, &v.memory);
	v.run.validation = ratings_of(&held);
	v.history.run = &v.run;
	v.leader.workspace = allocate(rmf_run_workspace_size(&shape));
	CHECK(rmf_run_start(&v.run, &v.leader) == RMF_OK);
	CHECK(v.run.counts->validated_users == USERS);
	for (int i = 1; i < USERS; i++)
		CHECK(v.run.validated[i] > v.run.validated[i - 1]);
	CHECK(rmf_run_iterate(&v.run, &stopping, &v.leader, &v.outcome) == RMF_OK);
	for (int i = 1; i <= 7; i++)
		CHECK(isnan(v.history.iteration[i].metric) == (i != 3 && i != 6 && i != 7));
	/* a list of all items has whatever is held out */
	CHECK_NEAR(v.outcome.kept.metric, 1, 1e-12);
	CHECK(v.outcome.kept.number == 3);
	CHECK(same_bytes(v.run.rows[RMF_USERS], v.history.users[3], 300 * (size_t) m->dimensions * sizeof(float)));
	end_validated(&v);

	/* a sample is part of a larger one */
	for (int64_t users = 10; users <= 300; users += 290)
	{
		shape.validated_users = users;
		v.run = make_run(m, &data, &shape, &v.memory);
		v.run.validation = ratings_of(&held);
		v.leader.workspace = allocate(rmf_run_workspace_size(&shape));
		CHECK(rmf_run_start(&v.run, &v.leader) == RMF_OK);
		if (users == 10)
			for (int i = 0; i < 10; i++)
				before += v.run.validated[i];
		else
			CHECK(v.run.counts->validated_users > 290 && before > 0);
		free(v.memory);
		free(v.leader.workspace);
	}
	free_csr(held);
	free_model(m);
	free_dataset(data);
}

/* Two iterations and, from the rows that they leave, a third: as three at once. */
static void
test_warm_start(rmf_feedback feedback, rmf_solver solver)
{
	dataset		data = random_dataset(200, 70, 0.2, 6, 0);
	model	   *at_once = make_model(&data, settings_of(feedback, 14, 3, solver));
	model	   *begun = make_model(&data, settings_of(feedback, 14, 2, solver));
	rmf_run_shape shape = shape_of(begun, &data);
	rmf_stopping stopping = {1, 0, NULL, NULL, 0};
	rmf_outcome outcome;
	void	   *memory;
	rmf_run		run = make_run(begun, &data, &shape, &memory);
	rmf_leader	leader = {NULL, allocate(rmf_run_workspace_size(&shape)), NULL};
	size_t		row = (size_t) begun->dimensions * sizeof(float);

	CHECK(train(at_once, &data, NULL) == RMF_OK);
	CHECK(train(begun, &data, NULL) == RMF_OK);
	CHECK(!same_result(at_once, begun, &data));
	CHECK(rmf_run_start(&run, &leader) == RMF_OK);
	memcpy(run.rows[RMF_USERS], begun->users, 200 * row);
	memcpy(run.rows[RMF_ITEMS], begun->items, 70 * row);
	CHECK(rmf_run_iterate(&run, &stopping, &leader, &outcome) == RMF_OK);
	begun->loss = outcome.kept.loss;
	take_result(begun, &run);
	CHECK(same_result(at_once, begun, &data));
	free(leader.workspace);
	free(memory);
	free_model(at_once);
	free_model(begun);
	free_dataset(data);
}

static void
test_arguments(void)
{
	dataset		data = random_dataset(30, 20, 0.5, 6, 0);
	model	   *m = make_model(&data, settings_of(RMF_IMPLICIT, 4, 1, RMF_SOLVER_AUTO));
	rmf_run_shape shape = shape_of(m, &data);
	rmf_stopping stopping = {0, 0, NULL, NULL, 0};
	rmf_outcome outcome;
	void	   *memory;
	rmf_run		run = make_run(m, &data, &shape, &memory);
	rmf_leader	leader = {NULL, allocate(rmf_run_workspace_size(&shape)), NULL};
	rmf_ratings by_item = run.ratings[RMF_ITEMS];

	run.ratings[RMF_ITEMS] = run.ratings[RMF_USERS];
	CHECK(rmf_run_start(&run, &leader) == RMF_BAD_ARGUMENT);
	run.ratings[RMF_ITEMS] = by_item;
	run.ratings[RMF_ITEMS].n_entries--;
	CHECK(rmf_run_start(&run, &leader) == RMF_BAD_ARGUMENT);
	run.ratings[RMF_ITEMS] = by_item;
	run.ratings[RMF_ITEMS].column = NULL;
	CHECK(rmf_run_start(&run, &leader) == RMF_BAD_ARGUMENT);
	run.ratings[RMF_ITEMS] = by_item;
	CHECK(rmf_run_start(&run, &leader) == RMF_OK);
	CHECK(rmf_run_iterate(&run, &stopping, &leader, &outcome) == RMF_BAD_ARGUMENT);
	stopping.iterations = 1;
	stopping.patience = -1;
	CHECK(rmf_run_iterate(&run, &stopping, &leader, &outcome) == RMF_BAD_ARGUMENT);
	stopping.patience = 1;
	CHECK(rmf_run_iterate(&run, &stopping, &leader, &outcome) == RMF_OK);
	CHECK(outcome.iterations == 1 && outcome.kept.number == 1 && isnan(outcome.kept.metric));
	free(leader.workspace);
	free(memory);
	free_model(m);
	free_dataset(data);
}

int
main(void)
{
	static const rmf_feedback feedbacks[] = {RMF_EXPLICIT, RMF_IMPLICIT};

	for (int f = 0; f < 2; f++)
	{
		rmf_feedback feedback = feedbacks[f];

		test_same_for_all(feedback, 0, 5, RMF_SOLVER_EXACT);
		test_same_for_all(feedback, 0, 16, RMF_SOLVER_CG);
		test_same_for_all(feedback, 0, 33, RMF_SOLVER_AUTO);
		test_layout(feedback);
		test_windows(feedback, 0);
		test_loss(feedback, 8, RMF_SOLVER_EXACT);
		test_loss(feedback, 20, RMF_SOLVER_CG);
		test_warm_start(feedback, RMF_SOLVER_EXACT);
		test_warm_start(feedback, RMF_SOLVER_CG);
		test_validation(feedback, feedback == RMF_EXPLICIT ? 3 : 20);
	}
	test_same_for_all(RMF_LOGISTIC, 0, 5, RMF_SOLVER_EXACT);
	test_same_for_all(RMF_LOGISTIC, 0, 16, RMF_SOLVER_CG);
	test_same_for_all(RMF_EXPLICIT, 1, 5, RMF_SOLVER_EXACT);
	test_same_for_all(RMF_EXPLICIT, 1, 16, RMF_SOLVER_CG);
	test_windows(RMF_LOGISTIC, 0);
	test_windows(RMF_EXPLICIT, 1);
	test_warm_start(RMF_LOGISTIC, RMF_SOLVER_CG);
	test_validation(RMF_LOGISTIC, 20);
	test_partition(30, 20, 0.5);
	test_partition(5000, 300, 0.03);
	test_partition(3, 4000, 0.9);
	test_ties();
	test_sample();
	test_other_validation();
	test_arguments();
	return unit_report("run");
}
