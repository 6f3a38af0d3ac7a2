/*
 * recmf_fit.c
 *	  A training run on a finished dataset, and what stands between the core
 *	  and PostgreSQL: statuses into errors, interrupts into cancellation, the
 *	  check of the BLAS.
 *
 * Interrupts: the core polls, and nothing may jump out of it.  So the poll
 * services a pending interrupt there and then, and where that raises an error
 * (a cancelled statement, a conflict with recovery) it keeps the error, tells
 * the core to stop, and recmf_check_status() raises it after the core has
 * returned.  An interrupt that raises nothing costs no work.  A terminated
 * backend exits from within the poll.
 *
 * Memory: everything in the dataset's context, counted against
 * recmf.training_memory.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_blas.h"
#include "recmf_dataset.h"

#define WORKSPACE_ALIGNMENT 64

/* The error that a callback of the core has kept for recmf_check_status(). */
static ErrorData *kept_error = NULL;

/* Runs "callback", keeping its error; true if there was one. */
static bool
run_and_keep_error(void (*callback) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;

	kept_error = NULL;
	PG_TRY();
	{
		callback(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopTransactionContext);
		kept_error = CopyErrorData();
		FlushErrorState();
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();
	return kept_error != NULL;
}

static void
service_interrupts(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

static int
poll_cancelled(void *arg)
{
	return INTERRUPTS_PENDING_CONDITION() && run_and_keep_error(service_interrupts, NULL);
}

const rmf_poll *
recmf_poll(void)
{
	static const rmf_poll poll = {poll_cancelled, NULL};

	return &poll;
}

void
recmf_check_status(rmf_status status, const char *doing)
{
	switch (status)
	{
		case RMF_OK:
			return;
		case RMF_CANCELLED:
			if (kept_error != NULL)
			{
				ErrorData  *error = kept_error;

				kept_error = NULL;
				ReThrowError(error);
			}
			CHECK_FOR_INTERRUPTS();
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceled while trying to %s", doing)));
			break;
		case RMF_NOT_FINITE:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Scale the ratings down, or raise the regularization.")));
			break;
		case RMF_SINGULAR:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Raise the regularization, or use fewer factors.")));
			break;
		case RMF_BAD_ARGUMENT:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("could not %s: %s", doing, rmf_status_message(status))));
			break;
		case RMF_OVERFLOW:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("could not %s: %s", doing, rmf_status_message(status)),
					 errhint("Use fewer factors, or train on fewer users and items.")));
			break;
		case RMF_BLAS_BROKEN:
			recmf_blas_check_once();
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("could not %s: %s", doing, rmf_status_message(status))));
			break;
	}
}

void
recmf_blas_check_once(void)
{
	static bool checked = false;
	const char *detail = NULL;

	if (checked)
		return;
	if (rmf_blas_check(&detail) != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the OpenBLAS library failed its self-check: %s",
						detail != NULL ? detail : rmf_status_message(RMF_BLAS_BROKEN)),
				 errdetail("The library runs its kernels for \"%s\".", rmf_blas_core_name()),
				 errhint("Install a newer serial OpenBLAS, or set the environment variable OPENBLAS_CORETYPE of the server (for example to Haswell) and restart it.")));
	checked = true;
}

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
	return call->progress != NULL && run_and_keep_error(call_progress, call);
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
	workspace_size = rmf_als_workspace_size(&fit->problem) + WORKSPACE_ALIGNMENT;
	packed_size = rmf_als_packed_size(&fit->problem, Max(n_users, n_items)) + WORKSPACE_ALIGNMENT;
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
	training.workspace = (void *) TYPEALIGN(WORKSPACE_ALIGNMENT, workspace);
	training.packed = (void *) TYPEALIGN(WORKSPACE_ALIGNMENT, packed);
	training.done = iteration_done;
	training.done_arg = &call;
	recmf_check_status(rmf_als_train(&training, &loss, recmf_poll()), "train the model");

	pfree(unconstify(uint64_t *, training.user_keys));
	pfree(unconstify(uint64_t *, training.item_keys));
	pfree(workspace);
	pfree(packed);
	return fit;
}
