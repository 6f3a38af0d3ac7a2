/*
 * recmf_fit.c
 *	  A training run on a finished dataset.
 *
 * Phases: the run is laid out in memory that workers may map, a team is formed
 * where the work deserves one (recmf_team.h), and the core iterates.
 *
 * Memory: all of it ends with the context given, the dataset's or one below it,
 * and is counted against recmf.training_memory.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "recmf_blas.h"
#include "recmf_dataset.h"
#include "recmf_progress.h"
#include "recmf_status.h"
#include "recmf_team.h"

/* A call of a hook, for recmf_run_and_keep_error(). */
typedef struct HookCall
{
	const RecmfFitHooks *hooks;
	RecmfFit   *fit;
	int			workers;
	const rmf_iteration *iteration;
	rmf_verdict verdict;
} HookCall;

static void
call_begin(void *arg)
{
	HookCall   *call = (HookCall *) arg;

	call->hooks->begin(call->hooks->arg, call->fit->settings.iterations, call->workers);
}

static rmf_status
begin(HookCall *call)
{
	if (call->hooks == NULL || call->hooks->begin == NULL)
		return RMF_OK;
	return recmf_run_and_keep_error(call_begin, call) ? RMF_CANCELLED : RMF_OK;
}

static void
call_iterated(void *arg)
{
	HookCall   *call = (HookCall *) arg;

	call->verdict = call->hooks->iterated(call->hooks->arg, call->iteration, call->fit->settings.iterations);
}

static rmf_verdict
iteration_done(void *arg, const rmf_iteration *iteration)
{
	HookCall   *call = (HookCall *) arg;

	call->iteration = iteration;
	call->fit->iterations[iteration->number - 1] = *iteration;
	if (call->hooks == NULL || call->hooks->iterated == NULL)
		return RMF_GO_ON;
	return recmf_run_and_keep_error(call_iterated, call) ? RMF_GIVE_UP : call->verdict;
}

/* Does the tasks of a phase, by a team or alone, and tells how far they are. */
typedef struct WatchedTeam
{
	rmf_team	core;
	const rmf_team *team;		/* NULL: alone */
	const rmf_run *run;
	const rmf_leader *leader;
} WatchedTeam;

static rmf_status
run_watched(void *arg, rmf_phase phase, int64_t n_tasks)
{
	WatchedTeam *watched = (WatchedTeam *) arg;
	rmf_status	status = RMF_OK;
	int64		task;

	recmf_progress_step(phase, n_tasks);
	if (watched->team != NULL)
		return watched->team->run(watched->team->arg, phase, n_tasks);
	for (task = 0; status == RMF_OK && task < n_tasks; task++)
	{
		status = rmf_run_task(watched->run, phase, task, watched->leader->workspace, watched->leader->poll);
		recmf_progress_tasks(task + 1);
	}
	return status;
}

static void
fill_keys(const RecmfIds *ids, uint64_t *keys)
{
	int32		n = recmf_ids_count(ids);
	int32		i;

	for (i = 0; i < n; i++)
		keys[i] = recmf_ids_key(ids, i);
}

static rmf_ratings
held_out_ratings(const RecmfDataset *dataset)
{
	const rmf_csr *csr = &dataset->held_out;
	rmf_ratings ratings = {0};

	ratings.n_rows = csr->n_rows;
	ratings.n_columns = csr->n_columns;
	ratings.n_entries = csr->n_entries;
	ratings.start = csr->start;
	ratings.column = csr->column;
	ratings.value = csr->value;
	ratings.weight = csr->weight;
	return ratings;
}

void
recmf_resolve_settings(const RecmfDataset *dataset, const RecmfOptions *options, rmf_settings *settings)
{
	const char *field = NULL;

	*settings = options->settings;
	if (rmf_settings_resolve(settings, recmf_ids_count(dataset->users), recmf_ids_count(dataset->items),
							 &dataset->stats, &field) != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training option \"%s\" has no usable value for these ratings",
						field != NULL ? field : "feedback")));
}

/* Ratings of the row that has the most. */
static int64
longest_row(const rmf_csr *csr)
{
	int64		longest = 0;
	int64		r;

	for (r = 0; r < csr->n_rows; r++)
		longest = Max(longest, csr->start[r + 1] - csr->start[r]);
	return longest;
}

static void
fit_need(const RecmfDataset *dataset, const RecmfOptions *options, const RecmfFitValidation *validation,
		 RecmfNeed *need)
{
	rmf_settings settings;
	Size		present;

	memset(need, 0, sizeof(*need));
	recmf_resolve_settings(dataset, options, &settings);
	rmf_problem_init(&need->shape.problem, &settings, &dataset->stats);
	need->shape.seed = settings.seed;
	need->shape.level = rmf_cpu_best();
	need->shape.n[RMF_USERS] = recmf_ids_count(dataset->users);
	need->shape.n[RMF_ITEMS] = recmf_ids_count(dataset->items);
	need->shape.n_validation = dataset->held_out.n_entries;
	if (validation != NULL)
	{
		need->shape.validated_users = validation->users;
		need->shape.metric = validation->metric;
		need->shape.metric_length = validation->metric_length;
	}
	need->n_ratings = dataset->stats.n_entries;
	need->longest_row = Max(longest_row(&dataset->by_user), longest_row(&dataset->by_item));
	need->processes = 1 + recmf_team_size(&need->shape, need->n_ratings, settings.iterations);
	need->weighted = dataset->weighted;
	need->streams = dataset->spill != NULL;

	/* whatever is there already */
	recmf_need_count(need);
	present = recmf_dataset_memory(dataset);
	need->ids = present - Min(present, need->starts + need->entries);
	recmf_need_for_training(need);
}

void
recmf_fit_need(const RecmfDataset *dataset, const RecmfOptions *options, RecmfNeed *need)
{
	fit_need(dataset, options, NULL, need);
}

void
recmf_fit_check(const RecmfDataset *dataset, const RecmfOptions *options, const RecmfFitValidation *validation)
{
	RecmfNeed	need;

	fit_need(dataset, options, validation, &need);
}

RecmfFit *
recmf_fit(RecmfDataset *dataset, const RecmfOptions *options, const RecmfFitHooks *hooks)
{
	return recmf_fit_in(dataset->context, dataset, options, NULL, hooks);
}

RecmfFit *
recmf_fit_in(MemoryContext context, RecmfDataset *dataset, const RecmfOptions *options,
			 const RecmfFitValidation *validation, const RecmfFitHooks *hooks)
{
	RecmfFit   *fit = (RecmfFit *) MemoryContextAllocZero(context, sizeof(RecmfFit));
	RecmfRunMemory memory = {0};
	RecmfTeam  *team;
	int			workers;
	Size		run_size;
	Size		workspace_size;
	void	   *workspace;
	RecmfNeed	need;
	rmf_run_shape shape;
	rmf_run		run = {0};
	rmf_leader	leader = {0};
	rmf_stopping stopping = {0};
	rmf_status	status = RMF_OK;
	bool		fill = hooks != NULL && hooks->fill != NULL;
	HookCall	call = {.hooks = hooks, .fit = fit};
	WatchedTeam watched = {.core = {run_watched, &watched}, .run = &run, .leader = &leader};

	Assert(dataset->stats.n_entries > 0);
	recmf_blas_check_once();

	recmf_resolve_settings(dataset, options, &fit->settings);
	rmf_problem_init(&fit->problem, &fit->settings, &dataset->stats);
	fit->dimensions = rmf_dimensions(&fit->problem);

	fit_need(dataset, options, validation, &need);
	shape = need.shape;
	run_size = need.run;
	workspace_size = need.workspace;

	fit->iterations = (rmf_iteration *) MemoryContextAllocZero(context,
															   sizeof(rmf_iteration) * fit->settings.iterations);
	workspace = MemoryContextAllocHuge(context, workspace_size);
	workers = need.processes - 1;
	memory.run = recmf_memory_create(context, run_size, workers > 0);
	memory.ratings[RMF_USERS] = dataset->by_user_memory;
	memory.ratings[RMF_ITEMS] = dataset->by_item_memory;
	memory.validation = dataset->held_out_memory;
	rmf_run_lay_out(&shape, recmf_memory_alloc(memory.run, run_size), &run);
	memory.spill = dataset->spill;
	recmf_dataset_ratings(dataset, RMF_USERS, &run.ratings[RMF_USERS]);
	recmf_dataset_ratings(dataset, RMF_ITEMS, &run.ratings[RMF_ITEMS]);
	if (shape.n_validation > 0)
		run.validation = held_out_ratings(dataset);
	fill_keys(dataset->users, run.keys[RMF_USERS]);
	fill_keys(dataset->items, run.keys[RMF_ITEMS]);

	stopping.iterations = fit->settings.iterations;
	stopping.patience = fit->settings.patience;
	stopping.validate_every = validation != NULL ? validation->every : 0;
	stopping.done = iteration_done;
	stopping.done_arg = &call;
	leader.workspace = (void *) TYPEALIGN(RMF_ALIGNMENT, workspace);
	leader.poll = recmf_poll();
	leader.team = &watched.core;
	fit->tasks = (int64 *) MemoryContextAllocZero(context, sizeof(int64) * RECMF_MAX_TEAM);
	fit->n_processes = 1;

	/* what fills in values reads tables, which is not for parallel mode */
	if (fill)
	{
		recmf_check_status(rmf_run_start(&run, &leader), "train the model");
		hooks->fill(hooks->arg, run.rows);
	}

	/* while there is a team, no error jumps out of here */
	team = recmf_team_begin(&run, &memory, workers, leader.workspace);
	if (team != NULL)
	{
		watched.team = recmf_team_core(team);
		call.workers = recmf_team_workers(team);
	}
	if (!fill)
		status = rmf_run_start(&run, &leader);
	if (status == RMF_OK)
		status = begin(&call);
	if (status == RMF_OK)
		status = rmf_run_iterate(&run, &stopping, &leader, &fit->outcome);
	if (team != NULL)
		fit->n_processes = recmf_team_end(team, status != RMF_OK, fit->tasks);
	recmf_check_status(status, "train the model");

	fit->users = run.rows[RMF_USERS];
	fit->items = run.rows[RMF_ITEMS];
	fit->gram_users = run.gram[RMF_USERS];
	fit->gram_items = run.gram[RMF_ITEMS];
	if (fit->settings.implicit_features)
	{
		fit->gram_users = NULL;
		fit->gram_items = run.features_gram;
		fit->item_features = run.features;
	}
	pfree(workspace);
	return fit;
}
