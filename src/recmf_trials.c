/*
 * recmf_trials.c
 *	  The table recmf_trials: see recmf_trials.h.
 *
 * A trial is known again by its settings, as jsonb, and by how it was measured:
 * by its round, which says with how many users, and its number of iterations.
 *
 * Memory: what was read or added stays in the context given until the study
 * ends, some hundred bytes a trial.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "recmf_names.h"
#include "recmf_options.h"
#include "recmf_trials.h"

typedef struct Known
{
	struct Known *next;
	int32		number;
	char	   *round;
	char	   *settings;		/* text of jsonb, which is canonical */
	int32		asked;			/* iterations */
	int32		iterations;
	double		value;
	double		seconds;
} Known;

struct RecmfTrials
{
	MemoryContext context;
	char	   *model;
	Oid			owner;
	char	   *study;
	char	   *metric;
	Known	   *known;
	int			n;
};

const char *
recmf_round_name(rmf_round round)
{
	static const char *const names[RMF_TUNE_ROUNDS] = {
		[RMF_TUNE_DRAWS] = "draws", [RMF_TUNE_HALVING] = "halving", [RMF_TUNE_FINALISTS] = "finalists",
		[RMF_TUNE_NEIGHBOURS] = "neighbours", [RMF_TUNE_STOPPING] = "stopping", [RMF_TUNE_RANDOM] = "random"
	};

	return names[round];
}

static char *
settings_text(const rmf_settings *settings)
{
	Jsonb	   *object = recmf_settings_to_jsonb(settings);

	return JsonbToCString(NULL, &object->root, VARSIZE(object));
}

static void
remember(RecmfTrials *trials, int32 number, const char *round, const char *settings, int32 asked,
		 int32 iterations, double value, double seconds)
{
	MemoryContext caller = MemoryContextSwitchTo(trials->context);
	Known	   *known = (Known *) palloc(sizeof(Known));

	known->number = number;
	known->round = pstrdup(round);
	known->settings = pstrdup(settings);
	known->asked = asked;
	known->iterations = iterations;
	known->value = value;
	known->seconds = seconds;
	known->next = trials->known;
	trials->known = known;
	trials->n++;
	MemoryContextSwitchTo(caller);
}

static void
execute(const char *statement, int n_args, Oid *types, Datum *values, const char *nulls, int expected)
{
	int			path = recmf_pin_search_path(NULL);
	int			result = SPI_execute_with_args(statement, n_args, types, values, nulls, false, 0);

	if (result != expected)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run \"%s\": %s", statement, SPI_result_code_string(result))));
	recmf_unpin_search_path(path);
}

RecmfTrials *
recmf_trials_open(MemoryContext context, const char *model, Oid owner, uint64 study, const char *metric)
{
	RecmfTrials *trials = (RecmfTrials *) MemoryContextAllocZero(context, sizeof(RecmfTrials));
	Oid			types[3] = {TEXTOID, OIDOID, TEXTOID};
	Datum		values[3];
	uint64		i;

	trials->context = context;
	trials->model = MemoryContextStrdup(context, model);
	trials->owner = owner;
	trials->metric = MemoryContextStrdup(context, metric);
	trials->study = MemoryContextStrdup(context, psprintf("%016llx", (unsigned long long) study));

	values[0] = CStringGetTextDatum(model);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = CStringGetTextDatum(trials->study);
	execute(psprintf("SELECT t.trial, t.round, t.settings::pg_catalog.text, t.iterations, t.best_iteration, t.value, t.seconds"
					 " FROM %s.recmf_trials t WHERE t.model OPERATOR(pg_catalog.=) $1"
					 " AND t.owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2 AND t.study OPERATOR(pg_catalog.=) $3",
					 recmf_schema()),
			3, types, values, NULL, SPI_OK_SELECT);
	for (i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	columns = SPI_tuptable->tupdesc;
		bool		failed;
		bool		isnull;
		Datum		value = SPI_getbinval(row, columns, 6, &failed);

		remember(trials, DatumGetInt32(SPI_getbinval(row, columns, 1, &isnull)),
				 SPI_getvalue(row, columns, 2), SPI_getvalue(row, columns, 3),
				 DatumGetInt32(SPI_getbinval(row, columns, 4, &isnull)),
				 failed ? 0 : DatumGetInt32(SPI_getbinval(row, columns, 5, &isnull)),
				 failed ? NAN : DatumGetFloat8(value),
				 DatumGetFloat8(SPI_getbinval(row, columns, 7, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
	return trials;
}

int
recmf_trials_count(const RecmfTrials *trials)
{
	return trials->n;
}

bool
recmf_trials_find(const RecmfTrials *trials, RecmfTrial *trial)
{
	char	   *settings = settings_text(&trial->settings);
	const Known *known;

	for (known = trials->known; known != NULL; known = known->next)
	{
		if (strcmp(known->round, recmf_round_name(trial->asked.round)) == 0 &&
			known->asked == trial->asked.iterations && strcmp(known->settings, settings) == 0)
			break;
	}
	pfree(settings);
	if (known == NULL)
		return false;
	trial->iterations = known->iterations;
	trial->value = known->value;
	trial->seconds = known->seconds;
	return true;
}

void
recmf_trials_add(RecmfTrials *trials, const RecmfTrial *trial)
{
	bool		failed = isnan(trial->value);
	const char *round = recmf_round_name(trial->asked.round);
	Oid			types[12] = {TEXTOID, REGROLEOID, TEXTOID, INT4OID, TEXTOID, JSONBOID, INT4OID, INT4OID, INT4OID, TEXTOID, FLOAT8OID, FLOAT8OID};
	Datum		values[12] = {
		CStringGetTextDatum(trials->model), ObjectIdGetDatum(trials->owner), CStringGetTextDatum(trials->study),
		Int32GetDatum(trial->asked.number), CStringGetTextDatum(round),
		JsonbPGetDatum(recmf_settings_to_jsonb(&trial->settings)),
		Int32GetDatum(trial->asked.factors), Int32GetDatum(trial->asked.iterations),
		Int32GetDatum(trial->iterations), CStringGetTextDatum(trials->metric),
		Float8GetDatum(trial->value), Float8GetDatum(trial->seconds)
	};
	char		nulls[12];

	memset(nulls, ' ', sizeof(nulls));
	if (failed)
		nulls[8] = nulls[10] = 'n';
	execute(psprintf("INSERT INTO %s.recmf_trials AS t (model, owner, study, trial, round, settings, factors, iterations,"
					 " best_iteration, metric, value, seconds, state)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '%s')"
					 " ON CONFLICT (model, owner, study, round, trial) DO UPDATE SET settings = excluded.settings,"
					 " factors = excluded.factors, iterations = excluded.iterations, best_iteration = excluded.best_iteration,"
					 " value = excluded.value, seconds = excluded.seconds, state = excluded.state, tried_at = excluded.tried_at",
					 recmf_schema(), failed ? "failed" : "done"),
			12, types, values, nulls, SPI_OK_INSERT);
	remember(trials, trial->asked.number, round, settings_text(&trial->settings), trial->asked.iterations,
			 trial->iterations, trial->value, trial->seconds);
}

void
recmf_trials_mark_best(const RecmfTrials *trials, const RecmfTrial *trial)
{
	Oid			types[6] = {TEXTOID, OIDOID, TEXTOID, TEXTOID, INT4OID, JSONBOID};
	Datum		values[6] = {
		CStringGetTextDatum(trials->model), ObjectIdGetDatum(trials->owner), CStringGetTextDatum(trials->study),
		CStringGetTextDatum(recmf_round_name(trial->asked.round)), Int32GetDatum(trial->asked.iterations),
		JsonbPGetDatum(recmf_settings_to_jsonb(&trial->settings))
	};

	execute(psprintf("UPDATE %s.recmf_trials AS t SET state = CASE"
					 " WHEN t.round OPERATOR(pg_catalog.=) $4 AND t.iterations OPERATOR(pg_catalog.=) $5"
					 " AND t.settings OPERATOR(pg_catalog.=) $6 THEN 'best' ELSE 'done' END"
					 " WHERE t.model OPERATOR(pg_catalog.=) $1 AND t.owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2"
					 " AND t.study OPERATOR(pg_catalog.=) $3 AND t.state OPERATOR(pg_catalog.<>) 'failed'",
					 recmf_schema()),
			6, types, values, NULL, SPI_OK_UPDATE);
}
