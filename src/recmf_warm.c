/*
 * recmf_warm.c
 *	  Warm start: a training that begins with the factors of the version before.
 *
 * Only the start values differ from those of a cold start, so everything else
 * is as in any training: the rules for the options, new users and items (which
 * keep the start values that they would have had), the switch of versions.
 * Users and items that have gone are passed over.
 *
 * The old tables are read as the caller, by a cursor, a batch of rows at a time.
 * They are found and checked as for serving (recmf_model_lookup()), since
 * nothing that the registry says is believed.  Locks: AccessShare on them until
 * the end of the transaction.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "recmf_compat.h"
#include "recmf_factor.h"
#include "recmf_names.h"
#include "recmf_warm.h"

#define BATCH_ROWS 1000

pg_noreturn static void
refuse(const RecmfModel *model, const char *detail, const char *option)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot start from version %d of model \"%s\"", model->version, model->name),
			 errdetail("%s", detail),
			 errhint("Give %s, or train without warm_start.", option)));
}

RecmfModel *
recmf_warm_open(const RecmfStored *stored, RecmfOptions *options)
{
	RecmfModel *model;
	int			path;

	if (!stored->exists)
	{
		ereport(NOTICE,
				(errmsg("model \"%s\" does not exist yet, so its training starts cold", stored->name)));
		return NULL;
	}
	if (!OidIsValid(stored->items) || !OidIsValid(stored->users))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the factors of model \"%s\" do not exist any more", stored->name),
				 errhint("Train without warm_start.")));

	/* the name is locked now: what a snapshot of now sees is what will be replaced */
	path = recmf_pin_search_path(NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	model = recmf_model_lookup(stored->name);
	PopActiveSnapshot();
	recmf_unpin_search_path(path);

	if (model->problem.feedback != options->settings.feedback)
		refuse(model,
			   psprintf("It has feedback %s, and this training %s.", recmf_feedback_name(model->problem.feedback),
						recmf_feedback_name(options->settings.feedback)),
			   psprintf("feedback => '%s'", recmf_feedback_name(model->problem.feedback)));
	if (options->settings.factors == 0)
		options->settings.factors = model->problem.factors;
	if (model->problem.factors != options->settings.factors)
		refuse(model,
			   psprintf("It has %d factors, and this training %d.", model->problem.factors, options->settings.factors),
			   psprintf("factors => %d", model->problem.factors));
	if (options->settings.iterations == 0)
		options->settings.iterations = RECMF_WARM_ITERATIONS;
	return model;
}

/* Takes a factor over.  Where there may be no negative ones the old model's become 0. */
static void
take_factor(const RecmfModel *model, bool nonnegative, const Factor *factor, float *row)
{
	int			i;

	memcpy(row, factor->x, sizeof(float) * factor->dim);
	for (i = 0; nonnegative && i < model->problem.factors; i++)
		row[i] = Max(row[i], 0);
}

/* One side's factors into the rows of those that the new model knows, too; their number. */
static int64
load_side(const RecmfModel *model, rmf_side side, const RecmfDataset *dataset, float *rows)
{
	const RecmfIds *ids = side == RMF_USERS ? dataset->users : dataset->items;
	bool		is_users = side == RMF_USERS;
	const char *table = recmf_qualified_name(is_users ? model->users : model->items);
	const char *statement = psprintf("SELECT t.%s, t.factor FROM %s t", is_users ? "user_id" : "item_id", table);
	int32		dimensions = rmf_dimensions(&model->problem);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "recmf old factors",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(batch);
	Portal		portal = SPI_cursor_open_with_args(NULL, statement, 0, NULL, NULL, NULL, true, 0);
	int64		known = 0;

	for (;;)
	{
		uint64		i;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (i = 0; i < SPI_processed; i++)
		{
			HeapTuple	tuple = SPI_tuptable->vals[i];
			bool		id_null;
			bool		factor_null;
			Datum		id = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &id_null);
			Datum		datum = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &factor_null);
			int32		row = id_null || factor_null ? -1 : recmf_ids_lookup(ids, id);
			Factor	   *factor;

			if (row < 0)
				continue;
			factor = DatumGetFactorP(datum);
			if (factor->dim != dimensions)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("a factor in table %s has %d dimensions, where training wrote %d",
								table, factor->dim, dimensions),
						 errhint("Train without warm_start.")));
			take_factor(model, dataset->settings.nonnegative, factor, rows + (Size) row * dimensions);
			known++;
		}
		SPI_freetuptable(SPI_tuptable);
		MemoryContextReset(batch);
	}
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch);
	return known;
}

/* A nightly job that meets other data than the night before should not pass in silence. */
static void
warn_of_strangers(const RecmfModel *model, const char *what, int64 known, int64 all)
{
	if (known * 2 < all)
		ereport(WARNING,
				(errmsg("version %d of model \"%s\" knows " INT64_FORMAT " of " INT64_FORMAT " %s",
						model->version, model->name, known, all, what),
				 errhint("A warm start gains little here: train without warm_start, or with more iterations.")));
}

RecmfWarmCounts
recmf_warm_load(const RecmfModel *model, const RecmfDataset *dataset, float *const rows[2])
{
	RecmfWarmCounts known;

	PushActiveSnapshot(GetTransactionSnapshot());
	known.users = load_side(model, RMF_USERS, dataset, rows[RMF_USERS]);
	known.items = load_side(model, RMF_ITEMS, dataset, rows[RMF_ITEMS]);
	PopActiveSnapshot();
	warn_of_strangers(model, "users", known.users, recmf_ids_count(dataset->users));
	warn_of_strangers(model, "items", known.items, recmf_ids_count(dataset->items));
	return known;
}
