/*
 * recmf_fit.c
 *	  A training run on a finished dataset.
 *
 * Memory: everything in the dataset's context, counted against
 * recmf.training_memory.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "recmf_dataset.h"
#include "recmf_status.h"

/* What a progress callback is called with. */
typedef struct ProgressCall
{
	RecmfProgress progress;
	void	   *arg;
	int			iteration;
	int			iterations;
	rmf_loss   *losses;
} ProgressCall;

static void
call_progress(void *arg)
{
	ProgressCall *call = (ProgressCall *) arg;

	call->progress(call->arg, call->iteration, call->iterations, &call->losses[call->iteration - 1]);
}

static int
iteration_done(void *arg, int iteration, const rmf_loss *loss)
{
	ProgressCall *call = (ProgressCall *) arg;

	call->iteration = iteration;
	call->losses[iteration - 1] = *loss;
	return call->progress != NULL && recmf_run_and_keep_error(call_progress, call);
}

static uint64_t *
keys_of(const RecmfDataset *dataset, const RecmfIds *ids)
{
	int32		n = recmf_ids_count(ids);
	uint64_t   *keys = (uint64_t *) MemoryContextAllocHuge(dataset->context, sizeof(uint64_t) * Max((Size) n, 1));
	int32		i;

	for (i = 0; i < n; i++)
		keys[i] = recmf_ids_key(ids, i);
	return keys;
}

static float *
floats(const RecmfDataset *dataset, Size n)
{
	return (float *) MemoryContextAllocHuge(dataset->context, sizeof(float) * Max(n, 1));
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

RecmfFit *
recmf_fit(RecmfDataset *dataset, const RecmfOptions *options,
		  RecmfProgress progress, void *progress_arg)
{
	Size		n_users = recmf_ids_count(dataset->users);
	Size		n_items = recmf_ids_count(dataset->items);
	RecmfFit   *fit = (RecmfFit *) MemoryContextAllocZero(dataset->context, sizeof(RecmfFit));
	Size		factors;
	Size		workspace_size;
	Size		packed_size;
	void	   *workspace;
	void	   *packed;
	rmf_training training = {0};
	ProgressCall call = {0};
	rmf_loss	loss;

	Assert(dataset->stats.n_entries > 0);
	recmf_blas_check_once();

	recmf_resolve_settings(dataset, options, &fit->settings);
	rmf_problem_init(&fit->problem, &fit->settings, &dataset->stats);
	fit->dimensions = rmf_dimensions(&fit->problem);

	factors = fit->problem.factors;
	workspace_size = rmf_als_workspace_size(&fit->problem) + RMF_ALIGNMENT;
	packed_size = rmf_als_packed_size(&fit->problem, Max(n_users, n_items)) + RMF_ALIGNMENT;
	recmf_dataset_reserve(dataset,
						  (n_users + n_items) * (sizeof(float) * fit->dimensions + sizeof(uint64_t)) +
						  2 * sizeof(float) * factors * factors +
						  workspace_size + packed_size + sizeof(rmf_loss) * fit->settings.iterations);

	fit->users = floats(dataset, n_users * fit->dimensions);
	fit->items = floats(dataset, n_items * fit->dimensions);
	if (fit->problem.feedback == RMF_IMPLICIT)
	{
		fit->gram_users = floats(dataset, factors * factors);
		fit->gram_items = floats(dataset, factors * factors);
	}
	fit->losses = (rmf_loss *) MemoryContextAllocZero(dataset->context,
													  sizeof(rmf_loss) * fit->settings.iterations);
	fit->n_losses = fit->settings.iterations;
	workspace = MemoryContextAllocHuge(dataset->context, workspace_size);
	packed = MemoryContextAllocHuge(dataset->context, packed_size);

	call.progress = progress;
	call.arg = progress_arg;
	call.iterations = fit->settings.iterations;
	call.losses = fit->losses;

	training.problem = &fit->problem;
	training.iterations = fit->settings.iterations;
	training.seed = fit->settings.seed;
	training.by_user = &dataset->by_user;
	training.by_item = &dataset->by_item;
	training.user_keys = keys_of(dataset, dataset->users);
	training.item_keys = keys_of(dataset, dataset->items);
	training.users = fit->users;
	training.items = fit->items;
	training.gram_users = fit->gram_users;
	training.gram_items = fit->gram_items;
	training.workspace = (void *) TYPEALIGN(RMF_ALIGNMENT, workspace);
	training.packed = (void *) TYPEALIGN(RMF_ALIGNMENT, packed);
	training.done = iteration_done;
	training.done_arg = &call;
	if (progress != NULL)
		progress(progress_arg, 0, fit->settings.iterations, NULL);
	recmf_check_status(rmf_als_train(&training, &loss, recmf_poll()), "train the model");

	pfree(unconstify(uint64_t *, training.user_keys));
	pfree(unconstify(uint64_t *, training.item_keys));
	pfree(workspace);
	pfree(packed);
	return fit;
}
