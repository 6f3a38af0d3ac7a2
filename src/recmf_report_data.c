/*
 * recmf_report_data.c
 *	  What a report of a model shows, but for users' lists: the rows of the
 *	  registry, the spread of norms and of popularity, examples, the metrics
 *	  that were given, the items' names.
 *
 * Each part is a statement or two.  What has a row for each user is aggregated
 * by PostgreSQL, which keeps to work_mem.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "recmf_compat.h"
#include "recmf_cursor.h"
#include "recmf_names.h"
#include "recmf_ranking.h"
#include "recmf_report.h"
#include "recmf_serve.h"

/* Examples: users, what they have, items with their neighbours */
#define EXAMPLE_USERS 5
#define EXAMPLE_ITEMS 6
#define EXAMPLE_NEIGHBOURS 5

/* Users at these parts of their number, from those with the most ratings on. */
static const double example_places[EXAMPLE_USERS] = {0.02, 0.25, 0.5, 0.75, 0.98};

static char *
text_of(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL : TextDatumGetCString(slot->tts_values[column]);
}

/* Of a column of type float8. */
static double
number_of(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NAN : DatumGetFloat8(slot->tts_values[column]);
}

static int64
count_of(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? 0 : DatumGetInt64(slot->tts_values[column]);
}

/* The numbers of an array of float8; NULL among them: NaN. */
static int
numbers_of(TupleTableSlot *slot, int column, double **numbers)
{
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int			i;

	*numbers = NULL;
	if (slot->tts_isnull[column])
		return 0;
	array = DatumGetArrayTypeP(slot->tts_values[column]);
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &n);
	*numbers = (double *) palloc(sizeof(double) * Max(n, 1));
	for (i = 0; i < n; i++)
		(*numbers)[i] = nulls[i] ? NAN : DatumGetFloat8(values[i]);
	return n;
}

/* ------------------------------------------------------------------------
 * A version's row
 * ------------------------------------------------------------------------
 */

static bool
take_version(TupleTableSlot *slot, void *arg)
{
	RecmfReportVersion *version = (RecmfReportVersion *) arg;

	version->trained_at = text_of(slot, 0);
	version->owner = text_of(slot, 1);
	version->n_ratings = count_of(slot, 2);
	version->n_skipped = count_of(slot, 3);
	version->rating_mean = number_of(slot, 4);
	version->rating_min = number_of(slot, 5);
	version->rating_max = number_of(slot, 6);
	version->n_losses = numbers_of(slot, 7, &version->losses);
	version->ended = text_of(slot, 8);
	version->best_iteration = (int) count_of(slot, 9);
	version->validation_metric = text_of(slot, 10);
	version->validation_ratings = count_of(slot, 11);
	version->n_validations = numbers_of(slot, 12, &version->validations);
	version->read_seconds = number_of(slot, 13);
	version->train_seconds = number_of(slot, 14);
	version->write_seconds = number_of(slot, 15);
	version->source = text_of(slot, 16);
	version->weight_col = text_of(slot, 17);
	version->bytes = count_of(slot, 18);
	return true;
}

void
recmf_report_read_version(const RecmfModel *model, RecmfReportVersion *version)
{
	RecmfStatement statement = {0};

	memset(version, 0, sizeof(RecmfReportVersion));
	version->model = model;
	version->items_name = recmf_qualified_name(model->items);
	version->users_name = recmf_qualified_name(model->users);

	statement.search_path = "pg_catalog, pg_temp";
	statement.text = psprintf("SELECT pg_catalog.to_char(m.trained_at, 'YYYY-MM-DD HH24:MI TZH:TZM'),"
							  " pg_catalog.pg_get_userbyid(m.owner)::pg_catalog.text, m.n_ratings, m.n_skipped,"
							  " m.rating_mean, m.rating_min, m.rating_max, m.loss,"
							  " m.metrics ->> 'ended', (m.metrics ->> 'best_iteration')::pg_catalog.int8,"
							  " m.metrics #>> '{validation,metric}', (m.metrics #>> '{validation,ratings}')::pg_catalog.int8,"
							  " ARRAY(SELECT v.value::pg_catalog.float8 FROM"
							  " pg_catalog.jsonb_array_elements_text(m.metrics #> '{validation,values}')"
							  " WITH ORDINALITY v(value, number) ORDER BY v.number),"
							  " (m.seconds ->> 'read')::pg_catalog.float8, (m.seconds ->> 'train')::pg_catalog.float8,"
							  " (m.seconds ->> 'write')::pg_catalog.float8, m.source, m.weight_col,"
							  " pg_catalog.pg_total_relation_size(m.items) + pg_catalog.pg_total_relation_size(m.users)"
							  " FROM %s.recmf_models m WHERE m.model = $1 AND m.version = $2", recmf_schema());
	recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(model->name));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(model->version));
	recmf_cursor_run(&statement, take_version, version);
}

typedef struct Options
{
	int			n;
	int			room;
	RecmfReportOption *options;
} Options;

static bool
take_option(TupleTableSlot *slot, void *arg)
{
	Options    *options = (Options *) arg;
	RecmfReportOption *option;

	if (options->n == options->room)
	{
		options->room = Max(2 * options->room, 32);
		options->options = options->options == NULL
			? palloc(sizeof(RecmfReportOption) * options->room)
			: repalloc(options->options, sizeof(RecmfReportOption) * options->room);
	}
	option = &options->options[options->n++];
	option->name = text_of(slot, 0);
	option->value = text_of(slot, 1);
	option->before = text_of(slot, 2);
	option->changed = DatumGetBool(slot->tts_values[3]);
	return true;
}

/* Both versions' settings, beside each other; "before" is 0 where there is none. */
static void
read_options(RecmfReport *report, int32 before)
{
	RecmfStatement statement = {0};
	Options		options = {0};

	statement.search_path = "pg_catalog, pg_temp";
	statement.text = psprintf("SELECT coalesce(a.key, b.key), a.value, b.value,"
							  " $3 > 0 AND a.value IS DISTINCT FROM b.value"
							  " FROM (SELECT s.key, s.value FROM %s.recmf_models m,"
							  " pg_catalog.jsonb_each_text(m.settings) s WHERE m.model = $1 AND m.version = $2) a"
							  " FULL JOIN (SELECT s.key, s.value FROM %s.recmf_models m,"
							  " pg_catalog.jsonb_each_text(m.settings) s WHERE m.model = $1 AND m.version = $3) b"
							  " ON b.key = a.key ORDER BY coalesce(a.key, b.key) COLLATE pg_catalog.\"C\"",
							  recmf_schema(), recmf_schema());
	recmf_statement_add(&statement, TEXTOID, CStringGetTextDatum(report->model->name));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(report->model->version));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(before));
	recmf_cursor_run(&statement, take_option, &options);
	report->n_options = options.n;
	report->options = options.options;
}

static bool
take_text(TupleTableSlot *slot, void *arg)
{
	*(char **) arg = text_of(slot, 0);
	return true;
}

static char *
time_of_report(void)
{
	RecmfStatement statement = {0};
	char	   *made_at = NULL;

	statement.text = "SELECT pg_catalog.to_char(pg_catalog.now(), 'YYYY-MM-DD HH24:MI TZH:TZM')";
	recmf_cursor_run(&statement, take_text, &made_at);
	return made_at;
}

/* ------------------------------------------------------------------------
 * Norms and popularity
 * ------------------------------------------------------------------------
 */

/* The norm of a row's factor, without the biases. */
static char *
norm_expression(const RecmfModel *model)
{
	const char *schema = recmf_schema();

	if (rmf_has_biases(&model->problem))
		return psprintf("%s.l2_norm(%s.subvector(t.factor, 1, %d))", schema, schema, model->problem.factors);
	return psprintf("%s.l2_norm(t.factor)", schema);
}

static bool
take_quantiles(TupleTableSlot *slot, void *arg)
{
	RecmfReportSide *side = (RecmfReportSide *) arg;
	double	   *quantiles;
	int			n = numbers_of(slot, 1, &quantiles);
	int			i;

	side->n = count_of(slot, 0);
	for (i = 0; i < RECMF_REPORT_QUANTILES; i++)
		side->quantiles[i] = i < n ? quantiles[i] : NAN;
	return true;
}

static bool
take_bin(TupleTableSlot *slot, void *arg)
{
	RecmfReportSide *side = (RecmfReportSide *) arg;
	int64		bin = count_of(slot, 0) - 1;

	/* a norm on an end is counted outside, as width_bucket() has it */
	bin = Min(Max(bin, 0), side->axis.n - 2);
	side->bins[bin] += count_of(slot, 1);
	return true;
}

static bool
take_popularity(TupleTableSlot *slot, void *arg)
{
	RecmfReportSide *side = (RecmfReportSide *) arg;
	int			bin = rmf_doubling_bin(count_of(slot, 0));

	side->doublings[bin] += count_of(slot, 1);
	side->n_doublings = Max(side->n_doublings, bin + 1);
	return true;
}

static void
read_side(const RecmfModel *model, rmf_side which, RecmfReportSide *side)
{
	const char *table = recmf_qualified_name(which == RMF_USERS ? model->users : model->items);
	const char *norm = norm_expression(model);
	RecmfStatement statement = {0};

	statement.text = psprintf("SELECT pg_catalog.count(*), pg_catalog.percentile_cont("
							  "'{0,0.05,0.25,0.5,0.75,0.95,1}'::pg_catalog.float8[]) WITHIN GROUP (ORDER BY %s)"
							  " FROM %s t WHERE t.factor IS NOT NULL", norm, table);
	recmf_cursor_run(&statement, take_quantiles, side);
	if (side->n == 0)
		return;

	rmf_axis_init(side->quantiles[0], side->quantiles[RECMF_REPORT_QUANTILES - 1], RECMF_REPORT_BINS + 1, false,
				  &side->axis);
	statement.text = psprintf("SELECT pg_catalog.width_bucket(%s, $1, $2, $3)::pg_catalog.int8, pg_catalog.count(*)"
							  " FROM %s t WHERE t.factor IS NOT NULL GROUP BY 1", norm, table);
	recmf_statement_add(&statement, FLOAT8OID, Float8GetDatum(side->axis.first));
	recmf_statement_add(&statement, FLOAT8OID, Float8GetDatum(rmf_axis_last(&side->axis)));
	recmf_statement_add(&statement, INT4OID, Int32GetDatum(side->axis.n - 1));
	recmf_cursor_run(&statement, take_bin, side);

	memset(&statement, 0, sizeof(statement));
	statement.text = psprintf("SELECT coalesce(t.n_ratings, 0)::pg_catalog.int8, pg_catalog.count(*)"
							  " FROM %s t WHERE t.factor IS NOT NULL GROUP BY 1", table);
	recmf_cursor_run(&statement, take_popularity, side);
}

/* ------------------------------------------------------------------------
 * Examples
 * ------------------------------------------------------------------------
 */

static char *
id_text(Datum id, Oid type)
{
	return TextDatumGetCString(recmf_id_to_form(id, type, RECMF_FORM_TEXT));
}

static RecmfGivenId
given(Datum id, Oid type)
{
	RecmfGivenId given = {RECMF_FORM_TEXT, false, recmf_id_to_form(id, type, RECMF_FORM_TEXT)};

	return given;
}

static RecmfReportItem *
items_of(const RecmfRanking *ranking)
{
	RecmfReportItem *items = (RecmfReportItem *) palloc0(sizeof(RecmfReportItem) * Max(ranking->n, 1));
	int			i;

	for (i = 0; i < ranking->n; i++)
	{
		items[i].id = id_text(ranking->rows[i].id, ranking->id_type);
		items[i].value = ranking->rows[i].value;
		items[i].has_value = true;
	}
	return items;
}

void
recmf_report_neighbours(const RecmfModel *model, Datum id, int k, RecmfReportList *list)
{
	RecmfGivenId item = given(id, model->item_type);
	Factor	   *factor = recmf_fetch_factor(model, RMF_ITEMS, &item);

	memset(list, 0, sizeof(RecmfReportList));
	list->id = id_text(id, model->item_type);
	if (factor != NULL)
	{
		RecmfRanking *ranking = recmf_rank_by_similarity(model, RMF_ITEMS, &item, factor, k);

		list->n = ranking->n;
		list->items = items_of(ranking);
	}
}

static void
read_popular(RecmfReport *report)
{
	RecmfFilters filters = {0};
	RecmfRanking *ranking = recmf_rank_by_popularity(report->model, &filters, report->wish->k);
	int			i;

	report->n_popular = ranking->n;
	report->popular = items_of(ranking);
	for (i = 0; i < ranking->n; i++)
		report->popular[i].count = (int64) ranking->rows[i].value;

	report->n_similar = Min(ranking->n, EXAMPLE_ITEMS);
	report->similar = (RecmfReportList *) palloc0(sizeof(RecmfReportList) * EXAMPLE_ITEMS);
	for (i = 0; i < report->n_similar; i++)
	{
		recmf_report_neighbours(report->model, ranking->rows[i].id, EXAMPLE_NEIGHBOURS, &report->similar[i]);
		report->similar[i].count = (int64) ranking->rows[i].value;
	}
}

/* What a user has in the source, by what it counts. */
typedef struct Owned
{
	RecmfReportList *list;
	int			k;
} Owned;

static bool
take_owned(TupleTableSlot *slot, void *arg)
{
	Owned	   *owned = (Owned *) arg;
	RecmfReportItem *item = &owned->list->others[owned->list->n_others++];

	item->id = text_of(slot, 0);
	item->value = number_of(slot, 1);
	item->has_value = !slot->tts_isnull[1];
	owned->list->count = count_of(slot, 2);
	return true;
}

static void
read_owned(const RecmfModel *model, const RecmfGivenId *user, int k, RecmfReportList *list)
{
	RecmfStatement statement = {0};
	Owned		owned = {list, k};
	Oid			user_type;
	char	   *source = recmf_live_source(model, RMF_USERS, &user_type, &statement.search_path);
	char	   *value = "pg_catalog.count(*)::pg_catalog.float8";
	Datum		id;

	list->others = (RecmfReportItem *) palloc0(sizeof(RecmfReportItem) * k);
	list->count = 0;
	if (!recmf_given_to_datum(user, user_type, &id))
		return;
	if (model->rating_col != NULL)
		value = psprintf("pg_catalog.%s(s.%s::pg_catalog.float8)",
						 rmf_is_one_class(model->problem.feedback) ? "sum" : "avg", quote_identifier(model->rating_col));
	statement.text = psprintf("SELECT s.%s::pg_catalog.text COLLATE pg_catalog.\"C\", %s, pg_catalog.count(*) OVER () FROM %s s"
							  " WHERE s.%s OPERATOR(pg_catalog.=) $1 AND s.%s IS NOT NULL"
							  " GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT %d",
							  quote_identifier(model->item_col), value, source,
							  quote_identifier(model->user_col), quote_identifier(model->item_col), k);
	recmf_statement_add(&statement, user_type, id);
	recmf_cursor_run(&statement, take_owned, &owned);
}

typedef struct Examples
{
	int			n;
	Datum		users[EXAMPLE_USERS];	/* text */
	int64		n_ratings[EXAMPLE_USERS];
} Examples;

static bool
take_example(TupleTableSlot *slot, void *arg)
{
	Examples   *examples = (Examples *) arg;

	examples->users[examples->n] = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[0]));
	examples->n_ratings[examples->n++] = count_of(slot, 1);
	return examples->n < EXAMPLE_USERS;
}

/* From users with the most ratings to those with the least. */
static void
read_users(RecmfReport *report)
{
	const RecmfModel *model = report->model;
	const RecmfReportWish *wish = report->wish;
	RecmfStatement statement = {0};
	Examples	examples = {0};
	Datum		places[EXAMPLE_USERS];
	int64		n_users = report->sides[RMF_USERS].n;
	int			n = 0;
	int			i;

	for (i = 0; i < EXAMPLE_USERS && n_users > 0; i++)
	{
		int64		place = 1 + (int64) (example_places[i] * (double) (n_users - 1) + 0.5);

		if (n == 0 || DatumGetInt64(places[n - 1]) != place)
			places[n++] = Int64GetDatum(place);
	}
	statement.text = psprintf("SELECT r.id, r.n FROM (SELECT t.user_id::pg_catalog.text AS id,"
							  " coalesce(t.n_ratings, 0)::pg_catalog.int8 AS n, pg_catalog.row_number() OVER"
							  " (ORDER BY t.n_ratings DESC NULLS LAST, t.user_id%s) AS place FROM %s t"
							  " WHERE t.factor IS NOT NULL AND t.user_id IS NOT NULL) r"
							  " WHERE r.place OPERATOR(pg_catalog.=) ANY ($1) ORDER BY r.place",
							  recmf_id_collation(model->user_type), recmf_qualified_name(model->users));
	recmf_statement_add(&statement, INT8ARRAYOID,
						PointerGetDatum(construct_array(places, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
	recmf_cursor_run(&statement, take_example, &examples);

	report->users = (RecmfReportList *) palloc0(sizeof(RecmfReportList) * EXAMPLE_USERS);
	for (i = 0; i < examples.n; i++)
	{
		RecmfGivenId user = {RECMF_FORM_TEXT, false, examples.users[i]};
		RecmfReportList *list = &report->users[report->n_users];
		RecmfFilters filters = {wish->exclude_seen ? &user : NULL, NULL, NULL};
		Factor	   *factor = recmf_fetch_factor(model, RMF_USERS, &user);
		RecmfRanking *ranking;

		if (factor == NULL)
			continue;
		ranking = recmf_rank_by_score(model, RMF_ITEMS, factor, &filters, wish->k);
		list->id = TextDatumGetCString(examples.users[i]);
		list->n = ranking->n;
		list->items = items_of(ranking);
		if (wish->exclude_seen)
			read_owned(model, &user, wish->k, list);
		else
			list->count = examples.n_ratings[i];
		report->n_users++;
	}
}

/* ------------------------------------------------------------------------
 * Metrics
 * ------------------------------------------------------------------------
 */

#define METRICS_HINT "Give the rows of evaluate_model(): " \
	"metrics => (SELECT jsonb_agg(e) FROM evaluate_model('shop', 'test') e)."

pg_noreturn static void report_bad_metric(int64 number, const char *what);

static void
report_bad_metric(int64 number, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element " INT64_FORMAT " of metrics %s", number, what),
			 errhint(METRICS_HINT)));
}

/* NaN for what JSON has no number for: null, and the strings "NaN" and "Infinity" that to_jsonb() makes. */
static double
metric_number(char *text, int64 number, const char *what)
{
	double		value;
	char	   *end;

	if (text == NULL)
		return NAN;
	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0')
		report_bad_metric(number, psprintf("has a %s that is no number: \"%s\"", what, text));
	return isfinite(value) ? value : NAN;
}

static bool
take_metric(TupleTableSlot *slot, void *arg)
{
	RecmfReport *report = (RecmfReport *) arg;
	int64		number = count_of(slot, 0);
	RecmfReportMetric *metric = &report->metrics[report->n_metrics++];
	double		k;
	double		n;

	if (!DatumGetBool(slot->tts_values[1]))
		report_bad_metric(number, "is not an object");
	metric->group = text_of(slot, 2);
	metric->system = text_of(slot, 3);
	metric->metric = text_of(slot, 4);
	if (metric->system == NULL || metric->metric == NULL)
		report_bad_metric(number, psprintf("has no \"%s\"", metric->system == NULL ? "system" : "metric"));
	k = metric_number(text_of(slot, 5), number, "k");
	metric->k = k >= 1 && k <= PG_INT32_MAX ? (int) k : 0;
	metric->value = metric_number(text_of(slot, 6), number, "value");
	metric->low = metric_number(text_of(slot, 7), number, "low");
	metric->high = metric_number(text_of(slot, 8), number, "high");
	n = metric_number(text_of(slot, 9), number, "n");
	metric->n = n >= 0 && n < 1e18 ? (int64) n : -1;
	return true;
}

static void
read_metrics(RecmfReport *report)
{
	Jsonb	   *metrics = report->wish->metrics;
	RecmfStatement statement = {0};

	if (metrics == NULL)
		return;
	if (!JB_ROOT_IS_ARRAY(metrics) || JB_ROOT_IS_SCALAR(metrics))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metrics must be an array of objects"),
				 errhint(METRICS_HINT)));
	report->metrics = (RecmfReportMetric *) palloc0(sizeof(RecmfReportMetric) * Max(JB_ROOT_COUNT(metrics), 1));
	statement.search_path = "pg_catalog, pg_temp";
	statement.text = "SELECT e.number, pg_catalog.jsonb_typeof(e.value) = 'object', e.value ->> 'segment',"
		" e.value ->> 'system', e.value ->> 'metric', e.value ->> 'k', e.value ->> 'value',"
		" e.value ->> 'low', e.value ->> 'high', e.value ->> 'n'"
		" FROM pg_catalog.jsonb_array_elements($1) WITH ORDINALITY e(value, number) ORDER BY e.number";
	recmf_statement_add(&statement, JSONBOID, PointerGetDatum(metrics));
	recmf_cursor_run(&statement, take_metric, report);
}

/* ------------------------------------------------------------------------
 * All
 * ------------------------------------------------------------------------
 */

void
recmf_report_gather(RecmfReport *report)
{
	const RecmfModel *model = report->model;
	RecmfModel *before = recmf_model_lookup_before(model);

	report->made_at = time_of_report();
	read_metrics(report);
	recmf_report_read_version(model, &report->version);
	if (before != NULL)
	{
		report->drift = (RecmfReportDrift *) palloc0(sizeof(RecmfReportDrift));
		recmf_report_read_version(before, &report->drift->before);
	}
	read_options(report, before != NULL ? before->version : 0);
	read_side(model, RMF_USERS, &report->sides[RMF_USERS]);
	read_side(model, RMF_ITEMS, &report->sides[RMF_ITEMS]);
	read_popular(report);
	read_users(report);
}
