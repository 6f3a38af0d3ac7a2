/*
 * bench_train.c
 *	  How long an iteration of training takes: the exact solver, the steps of
 *	  conjugate gradients at each level of the processor, and beside them, in
 *	  the same run, a plain loop over OpenBLAS (ssyrk and sposv).
 *
 * The data are synthetic, of the shape of MovieLens-20M: data.h.
 *
 * With --processes instead: whole runs by one process and by so many, in turn,
 * wall time, and what each phase took of it.  With --held-out: runs by so many
 * processes on explicit ratings of a planted model, and the error on what was
 * held out after each iteration.
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
#include "data.h"
#include "rmf_als.h"
#include "rmf_blas.h"
#include "rmf_noise.h"
#include "rmf_objective.h"
#include "rmf_run.h"

#define MAX_ITERATIONS 100
#define REPEATS 5
#define MAX_PROCESSES 64
#define PHASES (RMF_VALIDATE + 1)

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
	triples		test;			/* held out */
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
	double		busy[PHASES][MAX_PROCESSES];	/* seconds of processor time in tasks */
	sem_t		published;		/* once a phase and other process */
	sem_t		finished;		/* when another process has done the last task of a phase */
} shared_run;

typedef struct member
{
	rmf_run		run;
	shared_run *shared;
	void	   *workspace;
	int			number;			/* the leader is 0 */
	int			others;			/* processes beside the leader */
	uint64_t	phases;
	double		wall[PHASES];	/* the leader's seconds in each, and before each */
	double		before[PHASES];
	double		left;			/* when the last one ended */
} member;

static double
wall_seconds(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

static void
do_tasks(member *m)
{
	uint64_t	claims = m->shared->claims;
	double		started = now();

	while ((claims & 0xffff) < (claims >> 16 & 0xffff))
	{
		int			phase = (int) (claims >> 32 & 0xffff);

		if (!atomic_compare_exchange_weak(&m->shared->claims, &claims, claims + 1))
			continue;
		check(rmf_run_task(&m->run, (rmf_phase) phase, (int64_t) (claims & 0xffff),
						   m->workspace, NULL), "task");
		m->shared->busy[phase][m->number] += now() - started;
		started = now();
		if (++m->shared->done == (int64_t) (claims >> 16 & 0xffff) && m->number > 0)
			sem_post(&m->shared->finished);
		claims = m->shared->claims;
	}
}

static rmf_status
run_phase(void *arg, rmf_phase phase, int64_t n_tasks)
{
	member	   *leader = arg;
	double		started = wall_seconds();

	leader->before[phase] += started - leader->left;
	leader->shared->done = 0;
	leader->shared->claims = ++leader->phases << 48 | (uint64_t) phase << 32 | (uint64_t) n_tasks << 16;
	for (int i = 0; i < leader->others; i++)
		sem_post(&leader->shared->published);
	do_tasks(leader);
	while (leader->shared->done < n_tasks)
		sem_wait(&leader->shared->finished);
	leader->left = wall_seconds();
	leader->wall[phase] += leader->left - started;
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

/* The error on what was held out. */
static double
rmse_of(const bench *b, const rmf_run *run)
{
	const rmf_problem *p = &b->problem;
	int32_t		dimensions = rmf_dimensions(p);
	double		squares = 0;

	for (int64_t t = 0; t < b->test.n; t++)
	{
		double		predicted = rmf_als_score(p, run->rows[RMF_USERS] + b->test.row[t] * (int64_t) dimensions,
											  run->rows[RMF_ITEMS] + b->test.column[t] * (int64_t) dimensions);

		predicted = fmin(fmax(predicted, 0.5), 5);
		squares += (predicted - b->test.value[t]) * (predicted - b->test.value[t]);
	}
	return sqrt(squares / (double) b->test.n);
}

typedef struct progress
{
	const bench *b;
	member	   *leader;
	double		seconds;		/* without measuring */
	double		since;
} progress;

static rmf_verdict
show_iteration(void *arg, const rmf_iteration *iteration)
{
	progress   *p = arg;

	p->seconds += wall_seconds() - p->since;
	printf("      after %2d: %7.2f s  loss %.8g  held out %.4f\n", iteration->number, p->seconds, iteration->loss.total,
		   rmse_of(p->b, &p->leader->run));
	fflush(stdout);
	p->since = p->leader->left = wall_seconds();
	return RMF_GO_ON;
}

static void
show_phases(const member *m, int processes, int iterations)
{
	static const char *const names[PHASES] = {
		"start users", "start items", "solve users", "solve items", "prepare users", "prepare items",
		"features users", "features items", "validate"
	};

	for (int phase = 0; phase < PHASES; phase++)
	{
		if (m->wall[phase] == 0)
			continue;
		printf("      %-14s %7.4f s, before it %.4f; processor", names[phase], m->wall[phase] / iterations,
			   m->before[phase] / iterations);
		for (int i = 0; i < processes; i++)
			printf(" %.4f", m->shared->busy[phase][i] / iterations);
		printf("\n");
	}
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
	progress	shown = {b, &m, 0, 0};
	rmf_stopping stopping = {iterations, 0, b->test.n > 0 ? show_iteration : NULL, &shown, 0};
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
		m.number = i;
		while (!m.shared->ended)
		{
			sem_wait(&m.shared->published);
			do_tasks(&m);
		}
		_exit(0);
	}
	seconds = shown.since = m.left = wall_seconds();
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
	show_phases(&m, processes, iterations);
	fflush(stdout);
	free(m.workspace);
	munmap(memory, size);
	munmap(m.shared, sizeof(shared_run));
	return seconds;
}

static void
set_problem(bench *b, rmf_settings *settings)
{
	rmf_csr_stats stats = summary_of(&b->by_user);
	const char *field;

	stats.noise_edge = rmf_noise_edge(b->by_user.n_rows, b->by_user.start, b->by_item.n_rows, b->by_item.start);
	settings->seed = b->seed;
	check(rmf_settings_resolve(settings, b->by_user.n_rows, b->by_item.n_rows, &stats, &field), "settings");
	rmf_problem_init(&b->problem, settings, &stats);
}

/* One process and several, in turn. */
static void
bench_processes(bench *b, rmf_settings *settings, int iterations, int processes)
{
	double		alone[REPEATS],
				together[REPEATS];

	set_problem(b, settings);
	for (int i = 0; i < REPEATS; i++)
	{
		alone[i] = run_together(b, 1, iterations);
		together[i] = run_together(b, processes, iterations);
	}
	qsort(alone, REPEATS, sizeof(double), compare);
	qsort(together, REPEATS, sizeof(double), compare);
	printf("%4d  %d processes: %.2f x (medians), %.2f x (least of each)\n", settings->factors, processes,
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
		"--feedback", "--held-out", "--regularization", "--regularization-scaling", "--bias-regularization"
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
	double		held_out = number_after(argc, argv, "--held-out", 0);
	rmf_settings settings;

	if (!knows_all(argc, argv) || !(scale > 0.001 && scale <= 10) || only < 0 || only > RMF_MAX_FACTORS ||
		iterations < 1 || iterations > MAX_ITERATIONS || slow < 0 || slow > MAX_ITERATIONS ||
		processes < 0 || processes > MAX_PROCESSES || !(held_out >= 0 && held_out < 1) ||
		(is_explicit ? processes == 0 && rows == 0 : strcmp(feedback, "implicit") != 0 || held_out > 0))
	{
		fprintf(stderr, "usage: %s [--scale 1] [--factors D] [--iterations 15] [--slow-iterations 3] [--seed 42]\n"
				"[--rows 1|2|3] [--processes N] [--feedback explicit [--held-out 0.1]]\n"
				"[--regularization L] [--regularization-scaling N] [--bias-regularization L]\n", argv[0]);
		return 2;
	}
	b.seed = (uint64_t) number_after(argc, argv, "--seed", 42);
	check(rmf_blas_check(NULL), "BLAS");
	b.test.n = 0;
	make_data(scale, b.seed, is_explicit, held_out, &b.by_user, &b.by_item, &b.test);
	if (rows == 3)
		print_triples(b.test);
	else if (rows > 0)
		print_rows(&b.by_user, rows > 1);
	if (rows > 0)
		return 0;
	printf("%lld users, %lld items, %lld ratings, made in %.1f s; OpenBLAS for %s\n",
		   (long long) b.by_user.n_rows, (long long) b.by_item.n_rows, (long long) b.by_user.n_entries,
		   now() - started, rmf_blas_core_name());
	rmf_settings_init(&settings, is_explicit ? RMF_EXPLICIT : RMF_IMPLICIT);
	settings.factors = only > 0 ? only : 64;
	settings.regularization = number_after(argc, argv, "--regularization", NAN);
	settings.regularization_scaling = number_after(argc, argv, "--regularization-scaling", NAN);
	settings.bias_regularization = number_after(argc, argv, "--bias-regularization", NAN);
	if (held_out > 0)
	{
		set_problem(&b, &settings);
		run_together(&b, processes, iterations);
	}
	else if (processes > 0)
		bench_processes(&b, &settings, iterations, processes);
	else if (only > 0)
		bench_factors(&b, only, iterations, slow);
	else
		for (size_t i = 0; i < sizeof(all_factors) / sizeof(all_factors[0]); i++)
			bench_factors(&b, all_factors[i], iterations, slow);
	return 0;
}
