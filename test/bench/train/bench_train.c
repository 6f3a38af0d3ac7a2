/*
 * bench_train.c
 *	  How long an iteration of training takes: the exact solver, the steps of
 *	  conjugate gradients at each level of the processor, and beside them, in
 *	  the same run, a plain loop over OpenBLAS (ssyrk and sposv).
 *
 * The data are synthetic, of the shape of MovieLens-20M: so many users, items
 * and ratings, lengths of rows and popularities of items distributed like the
 * real ones, users with tastes.  They depend on the seed alone.
 *
 * With --processes instead: whole runs by one process and by so many, in turn,
 * wall time.
 *
 * One core, implicit feedback, the default settings.  All solvers start from
 * the same values; the loss after the last iteration stands beside the times.
 * Times are per iteration (both half-steps, both Gram matrices, packing; not
 * the loss), the median.  See README.md.
 */
#define _DEFAULT_SOURCE
#include <cblas.h>
#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "csr_fixture.h"
#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_objective.h"
#include "rmf_run.h"

#define N_USERS 138493
#define N_ITEMS 26744
#define N_RATINGS 20000000
#define SHORTEST_ROW 20
#define LONGEST_ROW 9254
#define TASTES 24
#define MAX_ITERATIONS 100
#define REPEATS 5

/* From LAPACK. */
extern void sposv_(const char *uplo, const int *n, const int *nrhs, float *a, const int *lda,
				   float *b, const int *ldb, int *info);

/* Seconds of this core's time: what else the machine does is not ours. */
static double
now(void)
{
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void
check(rmf_status status, const char *doing)
{
	if (status == RMF_OK)
		return;
	fprintf(stderr, "%s: %s\n", doing, rmf_status_message(status));
	exit(1);
}

/* Lengths are log-normal; so are popularities, up to the number of users. */
static void
make_data(double scale, uint64_t seed, rmf_csr *by_user, rmf_csr *by_item)
{
	int32_t		n_users = (int32_t) (N_USERS * scale);
	int32_t		n_items = (int32_t) (N_ITEMS * scale);
	int64_t		n_ratings = (int64_t) (N_RATINGS * scale);
	int64_t		room = n_ratings + n_ratings / 8 + LONGEST_ROW;
	int64_t		n = 0;
	triples		t = make_triples(room, n_users, n_items, 0);
	double	   *until = allocate((size_t) n_items * sizeof(double));
	double	   *length = allocate((size_t) n_users * sizeof(double));
	int32_t    *taken = allocate((size_t) n_items * sizeof(int32_t));
	int32_t    *guide = allocate(65537 * sizeof(int32_t));
	double		weights = 0,
				lengths = 0;

	random_state = rmf_mix64(seed) << 32;
	for (int32_t i = 0; i < n_items; i++)
	{
		weights += 1 / (exp(-2.73 * normal()) / 18 + 1 / 70000.0);
		until[i] = weights;
		taken[i] = -1;
	}
	for (int32_t g = 0, i = 0; g <= 65536; g++)
	{
		while (i < n_items - 1 && until[i] < weights * g / 65536)
			i++;
		guide[g] = i;
	}
	for (int32_t u = 0; u < n_users; u++)
	{
		length[u] = SHORTEST_ROW + exp(3.9 + 1.35 * normal());
		if (length[u] > LONGEST_ROW)
			length[u] = LONGEST_ROW;
		if (length[u] > n_items / 3.0)
			length[u] = n_items / 3.0;
		lengths += length[u];
	}
	for (int32_t u = 0; u < n_users; u++)
	{
		int			wanted = (int) (length[u] * (double) n_ratings / lengths + uniform());
		uint64_t	tastes = rmf_mix64(seed + 1 + (uint64_t) u);

		for (int tries = 0, got = 0; got < wanted && tries < 400 * wanted && n < room; tries++)
		{
			double		at = uniform();
			int32_t		i = guide[(int) (at * 65536)];
			uint64_t	taste;

			while (until[i] < at * weights)
				i++;
			taste = rmf_mix64((uint64_t) i) % TASTES;
			if (taken[i] == u ||
				(taste != tastes % TASTES && taste != tastes / TASTES % TASTES &&
				 taste != tastes / TASTES / TASTES % TASTES && uniform() < 0.75))
				continue;
			taken[i] = u;
			t.row[n] = u;
			t.column[n] = i;
			t.value[n++] = (float) (0.5 * (1 + floor(10 * sqrt(uniform()))));
			got++;
		}
	}

	t.n = n;
	*by_user = make_csr(n_users, n_items, n, 0);
	reference_csr(t, RMF_MERGE_SUM, by_user);
	*by_item = make_csr(n_items, n_users, n, 0);
	reference_transpose(by_user, by_item);
	free_triples(t);
	free(until);
	free(length);
	free(taken);
	free(guide);
}

/* A whole half-step as one would write it over BLAS and LAPACK, gathering what stays in the cache. */
static void
openblas_half_step(const rmf_half_step *step, const rmf_csr *ratings, float *solved)
{
	enum
	{
		PANEL = 256
	};
	const rmf_problem *p = step->problem;
	int			d = p->factors;
	int			one = 1;
	int			info;
	float	   *panel = allocate(PANEL * (size_t) d * sizeof(float));
	float	   *a = allocate((size_t) d * (size_t) d * sizeof(float));

	for (int64_t r = 0; r < ratings->n_rows; r++)
	{
		int64_t		start = ratings->start[r];
		int64_t		end = ratings->start[r + 1];
		float	   *restrict b = solved + r * d;
		double		weight = 0;

		memset(b, 0, (size_t) d * sizeof(float));
		if (start == end)
			continue;
		for (int j = 0; j < d * d; j++)
			a[j] = (float) p->unobserved * step->gram[j];
		for (int64_t from = start; from < end; from += PANEL)
		{
			int			n = (int) (end - from < PANEL ? end - from : PANEL);

			for (int t = 0; t < n; t++)
			{
				const float *restrict y = step->fixed + (int64_t) ratings->column[from + t] * d;
				float	   *restrict to = panel + (size_t) t * (size_t) d;
				float		w = (float) (p->strength * ratings->value[from + t]);
				float		root = sqrtf(w);
				float		c = w + (float) p->unobserved;

				weight += w;
				for (int j = 0; j < d; j++)
				{
					to[j] = root * y[j];
					b[j] += c * y[j];
				}
			}
			cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, d, n, 1, panel, d, 1, a, d);
		}
		for (int j = 0; j < d; j++)
			a[j * d + j] += (float) rmf_als_row_penalty(p, step->side, weight, step->n_fixed);
		sposv_("U", &d, &one, a, &d, b, &d, &info);
	}
	free(panel);
	free(a);
}

typedef struct bench
{
	rmf_csr		by_user;
	rmf_csr		by_item;
	rmf_problem problem;
	uint64_t	seed;
	float	   *users;
	float	   *items;
	float	   *gram_users;
	float	   *gram_items;
	void	   *workspace;
	void	   *packed;
} bench;

/* level < 0: the loop over OpenBLAS. */
static void
half_step(bench *b, rmf_side side, int level)
{
	const rmf_csr *ratings = side == RMF_USERS ? &b->by_user : &b->by_item;
	float	   *solved = side == RMF_USERS ? b->users : b->items;
	rmf_half_step step;

	rmf_half_step_init(&step, &b->problem, side, ratings->n_columns,
					   side == RMF_USERS ? b->items : b->users,
					   side == RMF_USERS ? b->gram_items : b->gram_users);
	step.level = (rmf_cpu_level) (level < 0 ? 0 : level);
	if (level < 0)
		openblas_half_step(&step, ratings, solved);
	else
	{
		if (rmf_als_packed_size(&b->problem, step.n_fixed) > 0)
		{
			check(rmf_als_pack(&step, (rmf_cpu_level) level, b->packed, NULL), "pack");
			step.packed = b->packed;
		}
		check(rmf_als_half_step(&step, ratings->n_rows, ratings->start, ratings->column, ratings->value,
								NULL, solved, NULL, b->workspace, NULL), "half-step");
	}
	check(rmf_als_gram(&b->problem, ratings->n_rows, solved,
					   side == RMF_USERS ? b->gram_users : b->gram_items, b->workspace, NULL), "gram");
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
start(bench *b)
{
	int64_t		n = b->by_user.n_rows > b->by_item.n_rows ? b->by_user.n_rows : b->by_item.n_rows;
	uint64_t   *keys = allocate((size_t) n * sizeof(uint64_t));

	for (int64_t r = 0; r < n; r++)
		keys[r] = (uint64_t) r;
	rmf_als_start(&b->problem, RMF_USERS, b->seed, 0, b->by_user.n_rows, keys, b->users);
	rmf_als_start(&b->problem, RMF_ITEMS, b->seed, 0, b->by_item.n_rows, keys, b->items);
	check(rmf_als_gram(&b->problem, b->by_item.n_rows, b->items, b->gram_items, b->workspace, NULL), "gram");
	free(keys);
}

/* Returns the median of the seconds. */
static double
run(bench *b, const char *name, rmf_solver solver, int level, int iterations, double reference)
{
	double		seconds[MAX_ITERATIONS];
	double		users = 0,
				items = 0;
	rmf_loss	loss;

	b->problem.solver = solver;
	start(b);
	for (int i = 0; i < iterations; i++)
	{
		double		t0 = now(),
					t1,
					t2;

		half_step(b, RMF_USERS, level);
		t1 = now();
		half_step(b, RMF_ITEMS, level);
		t2 = now();
		users += (t1 - t0) / iterations;
		items += (t2 - t1) / iterations;
		seconds[i] = t2 - t0;
	}
	qsort(seconds, (size_t) iterations, sizeof(double), compare);
	check(rmf_als_loss(&b->problem, &b->by_user, &b->by_item, b->users, b->items,
					   b->gram_users, b->gram_items, &loss, NULL), "loss");
	printf("%4d  %-16s %8.3f s  (users %.3f, items %.3f)", b->problem.factors, name,
		   seconds[iterations / 2], users, items);
	if (reference > 0)
		printf("  %6.2f x", reference / seconds[iterations / 2]);
	else
		printf("          ");
	printf("  loss %.8g after %d\n", loss.total, iterations);
	fflush(stdout);
	return seconds[iterations / 2];
}

static void
bench_factors(bench *b, int factors, int iterations, int slow_iterations)
{
	static const char *const exact_names[] = {"exact baseline", "exact avx2", "exact avx512"};
	static const char *const cg_names[] = {"cg baseline", "cg avx2", "cg avx512"};
	int64_t		n_users = b->by_user.n_rows,
				n_items = b->by_item.n_rows;
	size_t		square = (size_t) factors * (size_t) factors * sizeof(float);
	rmf_settings settings;
	rmf_csr_stats stats = summary_of(&b->by_user);
	const char *field;
	double		reference = 0;

	rmf_settings_init(&settings, RMF_IMPLICIT);
	settings.factors = factors;
	settings.seed = b->seed;
	check(rmf_settings_resolve(&settings, n_users, n_items, &stats, &field), "settings");
	rmf_problem_init(&b->problem, &settings, &stats);
	/* memory for every solver */
	b->problem.solver = RMF_SOLVER_CG;
	b->users = allocate((size_t) n_users * (size_t) factors * sizeof(float));
	b->items = allocate((size_t) n_items * (size_t) factors * sizeof(float));
	b->gram_users = allocate(square);
	b->gram_items = allocate(square);
	b->workspace = allocate(rmf_als_workspace_size(&b->problem));
	b->packed = allocate(rmf_als_packed_size(&b->problem, n_users > n_items ? n_users : n_items));

	if (slow_iterations > 0)
	{
		reference = run(b, "openblas loop", RMF_SOLVER_EXACT, -1, slow_iterations, 0);
		for (int level = rmf_cpu_best(); level >= RMF_CPU_BASELINE; level--)
			run(b, exact_names[level], RMF_SOLVER_EXACT, level, slow_iterations, reference);
	}
	for (int level = rmf_cpu_best(); level >= RMF_CPU_BASELINE; level--)
		run(b, cg_names[level], RMF_SOLVER_CG, level,
			level == RMF_CPU_BASELINE && slow_iterations > 0 ? slow_iterations : iterations, reference);
	run(b, "auto", RMF_SOLVER_AUTO, (int) rmf_cpu_best(), iterations, reference);
	free(b->users);
	free(b->items);
	free(b->gram_users);
	free(b->gram_items);
	free(b->workspace);
	free(b->packed);
}

/* What the processes of a run share; tasks are claimed as src/recmf_team.c does. */
typedef struct shared_run
{
	_Atomic uint64_t claims;	/* phase, number of tasks and next task, 16 bits each; before them, the phase's number */
	_Atomic int64_t done;
	_Atomic int ended;
	sem_t		published;		/* once a phase and other process */
	sem_t		finished;		/* when another process has done the last task of a phase */
} shared_run;

typedef struct member
{
	rmf_run		run;
	shared_run *shared;
	void	   *workspace;
	int			others;			/* processes beside the leader */
	uint64_t	phases;
} member;

static void
do_tasks(member *m, int is_leader)
{
	uint64_t	claims = m->shared->claims;

	while ((claims & 0xffff) < (claims >> 16 & 0xffff))
	{
		if (!atomic_compare_exchange_weak(&m->shared->claims, &claims, claims + 1))
			continue;
		check(rmf_run_task(&m->run, (rmf_phase) (claims >> 32 & 0xffff), (int64_t) (claims & 0xffff),
						   m->workspace, NULL), "task");
		if (++m->shared->done == (int64_t) (claims >> 16 & 0xffff) && !is_leader)
			sem_post(&m->shared->finished);
		claims = m->shared->claims;
	}
}

static rmf_status
run_phase(void *arg, rmf_phase phase, int64_t n_tasks)
{
	member	   *leader = arg;

	leader->shared->done = 0;
	leader->shared->claims = ++leader->phases << 48 | (uint64_t) phase << 32 | (uint64_t) n_tasks << 16;
	for (int i = 0; i < leader->others; i++)
		sem_post(&leader->shared->published);
	do_tasks(leader, 1);
	while (leader->shared->done < n_tasks)
		sem_wait(&leader->shared->finished);
	return RMF_OK;
}

static void *
allocate_shared(size_t bytes)
{
	void	   *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
	{
		fprintf(stderr, "out of memory (%zu bytes)\n", bytes);
		exit(1);
	}
	return memory;
}

static double
wall_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Seconds of a whole run, start values and losses included, by so many processes. */
static double
run_together(const bench *b, int processes, int iterations)
{
	const rmf_csr *matrices[2] = {&b->by_user, &b->by_item};
	rmf_run_shape shape = {.problem = b->problem, .seed = b->seed, .level = rmf_cpu_best()};
	member		m = {0};
	rmf_team	team = {run_phase, &m};
	rmf_leader	leader = {&team, NULL, NULL};
	rmf_stopping stopping = {iterations, 0, NULL, NULL, 0};
	rmf_outcome outcome;
	size_t		size;
	void	   *memory;
	double		seconds;

	for (int side = 0; side < 2; side++)
		shape.n[side] = matrices[side]->n_rows;
	size = rmf_run_lay_out(&shape, NULL, &m.run);
	memory = allocate_shared(size);
	memset(memory, 0, size);
	m.shared = allocate_shared(sizeof(shared_run));
	rmf_run_lay_out(&shape, memory, &m.run);
	for (int side = 0; side < 2; side++)
	{
		const rmf_csr *csr = matrices[side];

		m.run.ratings[side] = ratings_of(csr);
		for (int64_t r = 0; r < csr->n_rows; r++)
			m.run.keys[side][r] = (uint64_t) r;
	}
	m.workspace = allocate(rmf_run_workspace_size(&shape));
	m.others = processes - 1;
	sem_init(&m.shared->published, 1, 0);
	sem_init(&m.shared->finished, 1, 0);

	for (int i = 1; i < processes; i++)
	{
		if (fork() != 0)
			continue;
		while (!m.shared->ended)
		{
			sem_wait(&m.shared->published);
			do_tasks(&m, 0);
		}
		_exit(0);
	}
	seconds = wall_seconds();
	check(rmf_run_start(&m.run, &leader), "start");
	check(rmf_run_iterate(&m.run, &stopping, &leader, &outcome), "iterations");
	seconds = wall_seconds() - seconds;
	m.shared->ended = 1;
	for (int i = 0; i < m.others; i++)
		sem_post(&m.shared->published);
	while (wait(NULL) > 0)
		;
	printf("%4d  %d process%s %8.3f s an iteration, loss %.8g after %d\n", b->problem.factors, processes,
		   processes == 1 ? "  " : "es", seconds / iterations, outcome.kept.loss.total, iterations);
	fflush(stdout);
	free(m.workspace);
	munmap(memory, size);
	munmap(m.shared, sizeof(shared_run));
	return seconds;
}

/* One process and several, in turn. */
static void
bench_processes(bench *b, rmf_feedback feedback, int factors, int iterations, int processes)
{
	double		alone[REPEATS],
				together[REPEATS];
	rmf_settings settings;
	rmf_csr_stats stats = summary_of(&b->by_user);
	const char *field;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	check(rmf_settings_resolve(&settings, b->by_user.n_rows, b->by_item.n_rows, &stats, &field), "settings");
	rmf_problem_init(&b->problem, &settings, &stats);
	for (int i = 0; i < REPEATS; i++)
	{
		alone[i] = run_together(b, 1, iterations);
		together[i] = run_together(b, processes, iterations);
	}
	qsort(alone, REPEATS, sizeof(double), compare);
	qsort(together, REPEATS, sizeof(double), compare);
	printf("%4d  %d processes: %.2f x (medians), %.2f x (least of each)\n", factors, processes,
		   alone[REPEATS / 2] / together[REPEATS / 2], alone[0] / together[0]);
}

static const char *
word_after(int argc, char **argv, const char *name, const char *word)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			word = argv[i + 1];
	return word;
}

static double
number_after(int argc, char **argv, const char *name, double value)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			value = atof(argv[i + 1]);
	return value;
}

/* Are all arguments options that there are, each with its value? */
static int
knows_all(int argc, char **argv)
{
	static const char *const options[] = {
		"--scale", "--factors", "--iterations", "--slow-iterations", "--seed", "--rows", "--processes",
		"--feedback"
	};

	for (int i = 1; i < argc; i += 2)
	{
		int			known = 0;

		for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++)
			known |= strcmp(argv[i], options[o]) == 0;
		if (!known || i + 1 == argc)
			return 0;
	}
	return 1;
}

/* The data as rows that COPY reads: by user, or in an order that tells nothing. */
static void
print_rows(const rmf_csr *by_user, int shuffled)
{
	int64_t		n = by_user->n_entries;
	int32_t    *user = allocate((size_t) n * sizeof(int32_t));

	for (int64_t r = 0; r < by_user->n_rows; r++)
		for (int64_t t = by_user->start[r]; t < by_user->start[r + 1]; t++)
			user[t] = (int32_t) r;
	for (int64_t t = n - 1; shuffled && t > 0; t--)
	{
		int64_t		other = (int64_t) (uniform() * (double) (t + 1));
		int32_t		u = user[t],
					i = by_user->column[t];
		float		value = by_user->value[t];

		user[t] = user[other];
		by_user->column[t] = by_user->column[other];
		by_user->value[t] = by_user->value[other];
		user[other] = u;
		by_user->column[other] = i;
		by_user->value[other] = value;
	}
	for (int64_t t = 0; t < n; t++)
		printf("%d\t%d\t%g\n", user[t] + 1, by_user->column[t] + 1, by_user->value[t]);
	free(user);
}

int
main(int argc, char **argv)
{
	static const int all_factors[] = {16, 32, 64, 128, 256};
	double		scale = number_after(argc, argv, "--scale", 1);
	int			only = (int) number_after(argc, argv, "--factors", 0);
	int			iterations = (int) number_after(argc, argv, "--iterations", 15);
	int			slow = (int) number_after(argc, argv, "--slow-iterations", 3);
	int			processes = (int) number_after(argc, argv, "--processes", 0);
	bench		b;
	double		started = now();
	double		rows = number_after(argc, argv, "--rows", 0);
	const char *feedback = word_after(argc, argv, "--feedback", "implicit");
	int			is_explicit = strcmp(feedback, "explicit") == 0;

	if (!knows_all(argc, argv) || !(scale > 0.001 && scale <= 10) || only < 0 || only > RMF_MAX_FACTORS ||
		iterations < 1 || iterations > MAX_ITERATIONS || slow < 0 || slow > MAX_ITERATIONS ||
		processes < 0 || processes > 64 ||
		(is_explicit ? processes == 0 : strcmp(feedback, "implicit") != 0))
	{
		fprintf(stderr, "usage: %s [--scale 1] [--factors D] [--iterations 15] [--slow-iterations 3] [--seed 42] [--rows 1|2] [--processes N [--feedback explicit]]\n", argv[0]);
		return 2;
	}
	b.seed = (uint64_t) number_after(argc, argv, "--seed", 42);
	check(rmf_blas_check(NULL), "BLAS");
	make_data(scale, b.seed, &b.by_user, &b.by_item);
	if (rows > 0)
	{
		print_rows(&b.by_user, rows > 1);
		return 0;
	}
	printf("%lld users, %lld items, %lld ratings, made in %.1f s; OpenBLAS for %s\n",
		   (long long) b.by_user.n_rows, (long long) b.by_item.n_rows, (long long) b.by_user.n_entries,
		   now() - started, rmf_blas_core_name());
	if (processes > 0)
		bench_processes(&b, is_explicit ? RMF_EXPLICIT : RMF_IMPLICIT, only > 0 ? only : 64, iterations, processes);
	else if (only > 0)
		bench_factors(&b, only, iterations, slow);
	else
		for (size_t i = 0; i < sizeof(all_factors) / sizeof(all_factors[0]); i++)
			bench_factors(&b, all_factors[i], iterations, slow);
	return 0;
}
