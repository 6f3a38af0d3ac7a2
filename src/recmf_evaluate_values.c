/*
 * recmf_evaluate_values.c
 *	  The values of users, and what becomes of them: means, intervals, rows.  See
 *	  recmf_evaluate.h.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/rmf_measures.h"
#include "recmf_blas.h"
#include "recmf_evaluate.h"
#include "recmf_status.h"

const char *const recmf_ranking_metrics[RECMF_COLUMNS_A_K] = {
	"precision", "recall", "capped_recall", "f1", "hit_rate", "mrr", "map", "ndcg",
	"novelty", "long_tail_share", "diversity", "serendipity"
};

static const char *const system_names[RECMF_N_SYSTEMS] = {
	"model", "popularity", "random", "mean", "item_mean"
};

/* The columns of the result. */
enum
{
	OUT_SEGMENT,
	OUT_SYSTEM,
	OUT_METRIC,
	OUT_K,
	OUT_VALUE,
	OUT_LOW,
	OUT_HIGH,
	OUT_N,
	OUT_CANDIDATES,
	N_OUT
};

float *
recmf_values_add(RecmfEvaluation *e, RecmfValues *values, int32 user)
{
	float	   *row;
	int			i;

	if (values->n_rows == values->room)
	{
		int64		room = Max(256, 2 * values->room);
		Size		size = sizeof(float) * (Size) room * values->n_columns;

		if (values->values == NULL)
		{
			values->values = (float *) MemoryContextAllocHuge(e->context, size);
			values->user = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * room);
		}
		else
		{
			values->values = (float *) repalloc_huge(values->values, size);
			values->user = (int32 *) repalloc_huge(values->user, sizeof(int32) * room);
		}
		values->room = room;
	}
	values->user[values->n_rows] = user;
	row = values->values + values->n_rows++ * values->n_columns;
	for (i = 0; i < values->n_columns; i++)
		row[i] = NAN;
	return row;
}

int
recmf_evaluation_column(const RecmfEvaluation *e, const char *metric, int32 k)
{
	int			i;
	int			column;

	if (strcmp(metric, "auc") == 0)
		return e->options.n_k * RECMF_COLUMNS_A_K;
	for (i = 0; i < e->options.n_k; i++)
	{
		if (e->options.k[i] != k)
			continue;
		for (column = 0; column < RECMF_COLUMNS_A_K; column++)
			if (strcmp(metric, recmf_ranking_metrics[column]) == 0)
				return i * RECMF_COLUMNS_A_K + column;
	}
	return -1;
}

/*
 * Rows of the result
 */

typedef struct Writer
{
	const RecmfEvaluation *evaluation;
	ReturnSetInfo *result;
	int			segment;		/* 0: all */
	const char *candidates;
} Writer;

static void
put_number(Datum *values, bool *nulls, int column, double number)
{
	nulls[column] = isnan(number);
	values[column] = Float8GetDatum(number);
}

static void
put(const Writer *writer, RecmfSystem system, const char *metric, int32 k, const rmf_estimate *estimate,
	const char *candidates)
{
	const RecmfEvaluation *e = writer->evaluation;
	Datum		values[N_OUT];
	bool		nulls[N_OUT] = {false};

	nulls[OUT_SEGMENT] = writer->segment == 0;
	if (writer->segment > 0)
		values[OUT_SEGMENT] = recmf_ids_get_text(e->segments, writer->segment - 1);
	values[OUT_SYSTEM] = CStringGetTextDatum(e->subject.lists != NULL && system == RECMF_SYSTEM_MODEL ? "lists" :
											 system_names[system]);
	values[OUT_METRIC] = CStringGetTextDatum(metric);
	nulls[OUT_K] = k == 0;
	values[OUT_K] = Int32GetDatum(k);
	put_number(values, nulls, OUT_VALUE, estimate->value);
	put_number(values, nulls, OUT_LOW, estimate->low);
	put_number(values, nulls, OUT_HIGH, estimate->high);
	values[OUT_N] = Int64GetDatum(estimate->n);
	nulls[OUT_CANDIDATES] = candidates == NULL;
	if (candidates != NULL)
		values[OUT_CANDIDATES] = CStringGetTextDatum(candidates);
	tuplestore_putvalues(writer->result->setResult, writer->result->setDesc, values, nulls);
}

void
recmf_bootstrap(const RecmfEvaluateOptions *options, rmf_bootstrap *bootstrap, rmf_estimate *estimates)
{
	void	   *memory;

	bootstrap->n_resamples = options->resamples;
	bootstrap->confidence = options->confidence;
	bootstrap->seed = options->seed;
	if (options->resamples > 0)
		recmf_blas_check_once();
	memory = palloc_extended(RMF_ALIGNMENT + rmf_bootstrap_workspace_size(bootstrap), MCXT_ALLOC_HUGE);
	recmf_check_status(rmf_bootstrap_run(bootstrap, (void *) TYPEALIGN(RMF_ALIGNMENT, memory), estimates, recmf_poll()),
					   "take the intervals");
	pfree(memory);
}

static rmf_estimate *
estimate(const RecmfEvaluation *e, const RecmfValues *values, int n, const rmf_statistic *statistics)
{
	rmf_bootstrap bootstrap = {0};
	rmf_estimate *estimates = (rmf_estimate *) palloc(sizeof(rmf_estimate) * n);

	bootstrap.n_users = values->n_rows;
	bootstrap.n_columns = values->n_columns;
	bootstrap.values = values->values;
	bootstrap.n_statistics = n;
	bootstrap.statistics = statistics;
	recmf_bootstrap(&e->options, &bootstrap, estimates);
	return estimates;
}

/* Coverage and Gini of all lists of a system; they have no interval, as a resample has fewer users. */
static void
put_exposure(const Writer *writer, RecmfSystem system)
{
	const RecmfEvaluation *e = writer->evaluation;
	int64_t    *sorted = (int64_t *) palloc_extended(sizeof(int64_t) * (Size) e->n_items, MCXT_ALLOC_HUGE);
	int			i;

	for (i = 0; i < e->options.n_k; i++)
	{
		rmf_estimate coverage = {NAN, NAN, NAN, e->ranking[system][0].n_rows};
		rmf_estimate gini = coverage;

		rmf_measure_exposure(e->n_items, e->exposure[system] + (Size) i * e->n_items, sorted, &coverage.value, &gini.value);
		put(writer, system, "coverage", e->options.k[i], &coverage, writer->candidates);
		put(writer, system, "gini", e->options.k[i], &gini, writer->candidates);
	}
	pfree(sorted);
}

static void
put_ranking(const Writer *writer, RecmfSystem system)
{
	const RecmfEvaluation *e = writer->evaluation;
	const RecmfValues *values = &e->ranking[system][writer->segment];
	int			n = e->options.n_k * RECMF_COLUMNS_A_K + 1;
	rmf_statistic *statistics = (rmf_statistic *) palloc0(sizeof(rmf_statistic) * n);
	rmf_estimate *estimates;
	int			i;

	if (values->n_rows == 0)
		return;
	for (i = 0; i < n; i++)
	{
		statistics[i].numerator = i;
		statistics[i].denominator = statistics[i].subtrahend = -1;
	}
	estimates = estimate(e, values, n, statistics);
	for (i = 0; i < n - 1; i++)
		if (estimates[i].n > 0)
			put(writer, system, recmf_ranking_metrics[i % RECMF_COLUMNS_A_K], e->options.k[i / RECMF_COLUMNS_A_K],
				&estimates[i], writer->candidates);
	if (estimates[n - 1].n > 0)
		put(writer, system, "auc", 0, &estimates[n - 1], writer->candidates);
	if (writer->segment == 0 && !recmf_evaluation_is_sampled(e))
		put_exposure(writer, system);
	pfree(estimates);
	pfree(statistics);
}

static void
put_predictions(const Writer *writer)
{
	static const RecmfSystem systems[RECMF_N_PREDICTING] = {
		RECMF_SYSTEM_MODEL, RECMF_SYSTEM_MEAN, RECMF_SYSTEM_ITEM_MEAN
	};
	const RecmfEvaluation *e = writer->evaluation;
	const RecmfValues *values = &e->predictions[writer->segment];
	rmf_statistic statistics[RECMF_N_PREDICTING * RECMF_ERRORS];
	rmf_estimate *estimates;
	int			i;

	if (values->n_rows == 0)
		return;
	for (i = 0; i < RECMF_N_PREDICTING * RECMF_ERRORS; i++)
	{
		statistics[i].numerator = i;
		statistics[i].denominator = RECMF_PREDICTION_COLUMNS - 1;
		statistics[i].root = i % RECMF_ERRORS == RECMF_SQUARED_ERROR;
		statistics[i].subtrahend = -1;
	}
	estimates = estimate(e, values, lengthof(statistics), statistics);
	for (i = 0; i < (int) lengthof(statistics); i++)
		if ((e->options.baselines || i / RECMF_ERRORS == 0) && !isnan(estimates[i].value))
			put(writer, systems[i / RECMF_ERRORS], statistics[i].root ? "rmse" : "mae", 0, &estimates[i], NULL);
	pfree(estimates);
}

static void
put_probabilities(const Writer *writer)
{
	const RecmfEvaluation *e = writer->evaluation;
	const RecmfValues *values = &e->probabilities[writer->segment];
	const rmf_statistic statistics[2] = {{0, 2, 0, -1}, {1, 2, 0, -1}};
	rmf_estimate *estimates;
	int			i;

	if (values->n_rows == 0)
		return;
	estimates = estimate(e, values, 2, statistics);
	for (i = 0; i < (e->options.baselines ? 2 : 1); i++)
	{
		rmf_estimate calibration = {e->calibration[i], NAN, NAN, values->n_rows};

		put(writer, (RecmfSystem) i, "log_loss", 0, &estimates[i], "full");
		put(writer, (RecmfSystem) i, "calibration_error", 0, &calibration, "full");
	}
	pfree(estimates);
}

void
recmf_evaluation_put(const RecmfEvaluation *e, ReturnSetInfo *result)
{
	Writer		writer = {e, result, 0, "full"};
	int			n_systems = e->options.baselines ? RECMF_N_RANKING : 1;
	int			system;

	if (e->options.candidates != NULL)
		writer.candidates = "sampled, given";
	else if (e->options.negatives > 0)
		writer.candidates = psprintf("sampled, %d", e->options.negatives);
	for (writer.segment = 0; writer.segment <= e->n_segments; writer.segment++)
	{
		for (system = 0; system < n_systems; system++)
			put_ranking(&writer, (RecmfSystem) system);
		put_predictions(&writer);
		put_probabilities(&writer);
	}
}
