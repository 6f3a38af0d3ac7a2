/*
 * recmf_ab_report.c
 *	  ab_report(): what the variants of an A/B test did, and what they differ by.
 *
 * One statement over the source adds up the rows of each user and gives one
 * row for each; they go into the core's sums of their variant as they come.
 * Then each metric of each variant is compared with the control's.
 *
 * The statement holds the user's own text, so it runs under the caller's
 * search_path, as the caller, and must not write; what is ours in it is
 * schema-qualified.  It runs without parallel workers: floating point sums
 * would depend on who added what.
 *
 * Memory: a few sums for each variant; PostgreSQL's for grouping by user is
 * work_mem.  Locks: those of the statement.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "core/rmf_experiment.h"
#include "recmf_ab.h"
#include "recmf_compat.h"
#include "recmf_cursor.h"
#include "recmf_serve.h"
#include "recmf_source.h"

PG_FUNCTION_INFO_V1(recmf_ab_report);

enum
{
	REPORT_SOURCE,
	REPORT_VARIANT_COL,
	REPORT_USER_COL,
	REPORT_FIRST_NUMBER_COL,	/* impressions, clicks, orders, revenue */
	REPORT_CONTROL = REPORT_FIRST_NUMBER_COL + 4,
	REPORT_CONFIDENCE,
	REPORT_SEQUENTIAL,
	REPORT_PLANNED_USERS,
	REPORT_VARIANTS,
	REPORT_WEIGHTS
};

/* The columns of numbers */
typedef enum Number
{
	IMPRESSIONS,
	CLICKS,
	ORDERS,
	REVENUE,
	N_NUMBERS,
	NONE = -1
} Number;

static const char *const number_names[N_NUMBERS] = {"impressions", "clicks", "orders", "revenue"};

typedef struct Metric
{
	const char *name;
	Number		above;
	Number		below;			/* NONE: per user */
	bool		any;			/* of what is above: whether there is any */
	Number		instead_of;		/* only where this column is missing */
} Metric;

static const Metric metrics[] = {
	{"click_through_rate", CLICKS, IMPRESSIONS, false, NONE},
	{"clicks_per_user", CLICKS, NONE, false, IMPRESSIONS},
	{"conversion", ORDERS, NONE, true, NONE},
	{"orders_per_user", ORDERS, NONE, false, NONE},
	{"revenue_per_user", REVENUE, NONE, false, NONE},
	{"revenue_per_order", REVENUE, ORDERS, false, NONE},
};

#define N_METRICS lengthof(metrics)

/* More variants than anybody tests: then it is another column. */
#define MOST_VARIANTS 100

/* Where a sequential test's interval is tightest, unless the caller says where. */
#define PLANNED_USERS 10000

/* A ratio of numbers of users that is less likely is a mismatch; usual for this test, which is done again and again. */
#define MISMATCH 0.001

typedef struct Variant
{
	char	   *name;
	double		weight;
	int64		users;
	double		totals[N_NUMBERS];
	rmf_ratio_sums sums[N_METRICS];
} Variant;

typedef struct Report
{
	char	   *column[N_NUMBERS];	/* NULL: none */
	char	   *user_col;
	Oid			user_type;
	int			place[N_NUMBERS];	/* of the sum in the statement's rows, from 0; its least value comes next */
	bool		variants_given;
	Variant    *variants;
	int			n_variants;
	int			n_room;
	int			last;			/* the variant of the user before */
	int64		in_several;		/* users left out */
	int64		rows_without;	/* rows without a user or a variant */
	rmf_test_plan plan;
	bool		sequential;
} Report;

static bool
has_metric(const Report *report, const Metric *metric)
{
	return report->column[metric->above] != NULL &&
		(metric->below == NONE || report->column[metric->below] != NULL) &&
		(metric->instead_of == NONE || report->column[metric->instead_of] == NULL);
}

/* ---- reading ---- */

/* The column of an argument; one that has its default name need not be there. */
static char *
number_column(FunctionCallInfo fcinfo, TupleDesc columns, Number number)
{
	char	   *name = recmf_text_argument(fcinfo, REPORT_FIRST_NUMBER_COL + number);
	bool		by_default = name != NULL && strcmp(name, number_names[number]) == 0;
	Oid			type;
	int			i;

	if (name == NULL)
		return NULL;
	if (by_default)
	{
		bool		found = false;

		for (i = 0; i < columns->natts; i++)
			found |= strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0;
		if (!found)
			return NULL;
	}
	i = recmf_source_column(columns, name, psprintf("%s_col", number_names[number]));
	type = getBaseType(TupleDescAttr(columns, i)->atttypid);
	if (TypeCategory(type) != TYPCATEGORY_NUMERIC && type != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, but %s must be numbers or booleans", name,
						format_type_be(TupleDescAttr(columns, i)->atttypid), number_names[number]),
				 errhint("Use a SELECT that casts it to double precision, or give %s_col => NULL to leave it out.",
						 number_names[number])));
	if (type == BOOLOID)
		return psprintf("(s.%s)::pg_catalog.int4::pg_catalog.float8", quote_identifier(name));
	return psprintf("(s.%s)::pg_catalog.float8", quote_identifier(name));
}

static char *
name_argument(FunctionCallInfo fcinfo, int number, const char *option)
{
	char	   *name = recmf_text_argument(fcinfo, number);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", option)));
	return name;
}

/*
 * A row for each user: the id, its first and last variant in the order of
 * bytes, how many rows there are and how many of them have a variant, and for
 * each column the sum and the least value of the rows that have one.
 */
static char *
make_statement(FunctionCallInfo fcinfo, Report *report)
{
	char	   *source = name_argument(fcinfo, REPORT_SOURCE, "source");
	char	   *variant_col = name_argument(fcinfo, REPORT_VARIANT_COL, "variant_col");
	StringInfoData statement;
	StringInfoData values;		/* what is taken of each row */
	TupleDesc	columns;
	char	   *from;
	int			n_columns = 5;
	int			user;
	int			i;
	bool		any = false;

	report->user_col = name_argument(fcinfo, REPORT_USER_COL, "user_col");
	from = recmf_source_resolve(source, &columns);
	user = recmf_source_column(columns, report->user_col, "user_col");
	report->user_type = TupleDescAttr(columns, user)->atttypid;
	(void) recmf_source_column(columns, variant_col, "variant_col");

	initStringInfo(&values);
	appendStringInfo(&values, "SELECT s.%s AS u, (s.%s)::pg_catalog.text COLLATE pg_catalog.\"C\" AS v",
					 quote_identifier(report->user_col), quote_identifier(variant_col));
	initStringInfo(&statement);
	appendStringInfoString(&statement,
						   "SELECT r.u, pg_catalog.min(r.v), pg_catalog.max(r.v), pg_catalog.count(*), pg_catalog.count(r.v)");
	for (i = 0; i < N_NUMBERS; i++)
	{
		report->column[i] = number_column(fcinfo, columns, i);
		if (report->column[i] == NULL)
			continue;
		appendStringInfo(&values, ", %s AS n%d", report->column[i], i);
		appendStringInfo(&statement,
						 ", pg_catalog.sum(r.n%d) FILTER (WHERE r.v IS NOT NULL), pg_catalog.min(r.n%d) FILTER (WHERE r.v IS NOT NULL)",
						 i, i);
		report->place[i] = n_columns;
		n_columns += 2;
	}
	for (i = 0; i < N_METRICS; i++)
		any |= has_metric(report, &metrics[i]);
	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source has nothing to compare"),
				 errdetail("There are neither clicks nor orders nor revenue."),
				 errhint("Name their columns by clicks_col => '...', orders_col => '...' or revenue_col => '...'.")));
	/* OFFSET 0: or PostgreSQL would put what the source computes, such as ab_assign(), into each place that it is used in */
	appendStringInfo(&statement, " FROM (%s %s OFFSET 0) AS r GROUP BY r.u", values.data, from);
	return statement.data;
}

/* Returns its place. */
static int
add_variant(Report *report, char *name, double weight)
{
	Variant    *variant;

	if (report->n_variants == report->n_room)
	{
		report->n_room = Max(2 * report->n_room, 8);
		if (report->variants == NULL)
			report->variants = (Variant *) palloc(sizeof(Variant) * report->n_room);
		else
			report->variants = (Variant *) repalloc(report->variants, sizeof(Variant) * report->n_room);
	}
	variant = &report->variants[report->n_variants];
	memset(variant, 0, sizeof(Variant));
	variant->name = name;
	variant->weight = weight;
	return report->n_variants++;
}

/* The place of a variant that the source has. */
static int
find_variant(Report *report, Datum value)
{
	text	   *name = DatumGetTextPP(value);
	const char *bytes = VARDATA_ANY(name);
	Size		length = VARSIZE_ANY_EXHDR(name);
	int			i;

	for (i = 0; i < report->n_variants; i++)
	{
		int			at = (report->last + i) % report->n_variants;
		const char *known = report->variants[at].name;

		if (strlen(known) == length && memcmp(known, bytes, length) == 0)
		{
			report->last = at;
			return at;
		}
	}
	if (report->variants_given)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source has a variant \"%s\", which is not among the variants given",
						text_to_cstring(name)),
				 errhint("Add it to variants, or leave such rows out of the source.")));
	if (report->n_variants == MOST_VARIANTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the source has more than %d variants", MOST_VARIANTS),
				 errhint("Is it another column that says who saw what? Name it by variant_col => '...'.")));
	return add_variant(report, text_to_cstring(name), 1);
}

static char *
describe_user(const Report *report, Datum user)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(report->user_type, &output, &is_varlena);
	return OidOutputFunctionCall(output, user);
}

/* A user's number, checked. */
static double
take_number(const Report *report, TupleTableSlot *slot, Number number)
{
	int			place = report->place[number];
	double		sum;
	double		least;

	if (slot->tts_isnull[place])
		return 0;
	sum = DatumGetFloat8(slot->tts_values[place]);
	least = DatumGetFloat8(slot->tts_values[place + 1]);
	if (!isfinite(sum) || least < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s of user %s: a value is %s", number_names[number], describe_user(report, slot->tts_values[0]),
						least < 0 && !isinf(least) ? "negative" : isnan(sum) ? "not a number" : "infinite"),
				 least < 0 && !isinf(least) ?
				 errhint("Correct it, or leave such rows out of the source; take what was returned off the order that it belongs to.") :
				 errhint("Correct it, or leave such rows out of the source.")));
	return sum;
}

static bool
take_user(TupleTableSlot *slot, void *arg)
{
	Report	   *report = (Report *) arg;
	int64		rows = DatumGetInt64(slot->tts_values[3]);
	int64		rows_with = DatumGetInt64(slot->tts_values[4]);
	Variant    *variant;
	double		numbers[N_NUMBERS] = {0};
	int			place;
	int			i;

	CHECK_FOR_INTERRUPTS();
	if (slot->tts_isnull[0])
	{
		report->rows_without += rows;
		return true;
	}
	report->rows_without += rows - rows_with;
	if (rows_with == 0)
		return true;
	for (i = 0; i < N_NUMBERS; i++)
	{
		if (report->column[i] != NULL)
			numbers[i] = take_number(report, slot, i);
	}
	/* a variant that was not given is an error for whoever sees it */
	place = find_variant(report, slot->tts_values[1]);
	if (find_variant(report, slot->tts_values[2]) != place)
	{
		report->in_several++;
		return true;
	}

	variant = &report->variants[place];
	variant->users++;
	for (i = 0; i < N_NUMBERS; i++)
		variant->totals[i] += numbers[i];
	for (i = 0; i < N_METRICS; i++)
	{
		const Metric *metric = &metrics[i];

		if (has_metric(report, metric))
			rmf_ratio_add(&variant->sums[i],
						  metric->any ? numbers[metric->above] > 0 : numbers[metric->above],
						  metric->below == NONE ? 1 : numbers[metric->below]);
	}
	return true;
}

static void
read_source(FunctionCallInfo fcinfo, Report *report)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	bool		read_only = XactReadOnly;

	statement.text = make_statement(fcinfo, report);

	/* as in recmf_source.c: a function in the source that writes is refused */
	XactReadOnly = true;
	cursor = recmf_cursor_open(&statement);
	while (recmf_cursor_fetch(cursor, 100000, take_user, report) > 0)
		;
	recmf_cursor_close(cursor);
	XactReadOnly = read_only;
}

/* ---- order ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const Variant *) a)->name, ((const Variant *) b)->name);
}

static int
place_of(const Report *report, const char *name)
{
	int			i;

	for (i = 0; i < report->n_variants; i++)
	{
		if (strcmp(report->variants[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The control first, the others as they were given, or by name. */
static void
put_in_order(Report *report, const char *control)
{
	int			first = 0;

	if (report->n_variants == 0)
		return;
	if (!report->variants_given)
	{
		qsort(report->variants, report->n_variants, sizeof(Variant), compare_names);
		first = Max(place_of(report, "control"), 0);
	}
	if (control != NULL)
	{
		first = place_of(report, control);
		if (first < 0)
		{
			StringInfoData list;
			int			i;

			initStringInfo(&list);
			for (i = 0; i < report->n_variants; i++)
				appendStringInfo(&list, "%s%s", i ? ", " : "", report->variants[i].name);
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there is no variant \"%s\" to be the control", control),
					 errdetail("The variants are: %s.", list.data)));
		}
	}
	if (first > 0)
	{
		Variant		chosen = report->variants[first];

		memmove(&report->variants[1], &report->variants[0], sizeof(Variant) * first);
		report->variants[0] = chosen;
	}
}

/* ---- results ---- */

static double
sample_ratio(const Report *report)
{
	int64_t    *users = (int64_t *) palloc(sizeof(int64_t) * (report->n_variants + 1));
	double	   *weights = (double *) palloc(sizeof(double) * (report->n_variants + 1));
	int			i;

	for (i = 0; i < report->n_variants; i++)
	{
		users[i] = report->variants[i].users;
		weights[i] = report->variants[i].weight;
	}
	return rmf_sample_ratio_p_value(users, weights, report->n_variants);
}

static void
say_what_was_left_out(const Report *report, double ratio_p_value)
{
	if (report->rows_without > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld row has no user or no variant and was left out",
							   "%lld rows have no user or no variant and were left out",
							   (unsigned long) report->rows_without, (long long) report->rows_without)));
	if (report->in_several > 0)
		ereport(WARNING,
				(errmsg_plural("%lld user is in more than one variant and was left out",
							   "%lld users are in more than one variant and were left out",
							   (unsigned long) report->in_several, (long long) report->in_several),
				 errdetail("What they did cannot be ascribed to a variant."),
				 errhint("A user must see the same variant throughout: ab_assign() takes care of that.")));
	if (ratio_p_value < MISMATCH)
	{
		StringInfoData list;
		int			i;

		initStringInfo(&list);
		for (i = 0; i < report->n_variants; i++)
			appendStringInfo(&list, "%s%s " INT64_FORMAT, i ? ", " : "",
							 report->variants[i].name, report->variants[i].users);
		ereport(WARNING,
				(errmsg("the numbers of users do not fit the weights of the variants (sample ratio mismatch, p = %.2g)",
						ratio_p_value),
				 errdetail("Users: %s.", list.data),
				 errhint("Find out who is missing before you trust any difference: users lost in one variant, redirects, bots, late starts. If the variants were to have other shares, give variants and weights.")));
	}
}

/* What an analyst reads. */
static char *
verdict(const Report *report, const Metric *metric, int variant, const rmf_comparison *comparison,
		double ratio_p_value)
{
	StringInfoData text;

	initStringInfo(&text);
	if (variant == 0)
	{
		appendStringInfoString(&text, report->n_variants == 1 ? "control, and nothing to compare it with" : "control");
		return text.data;
	}
	switch (comparison->comparability)
	{
		case RMF_TOO_FEW_USERS:
			appendStringInfoString(&text, "no test: fewer than two users in a variant");
			return text.data;
		case RMF_NO_DENOMINATOR:
			appendStringInfo(&text, "no test: a variant has no %s", number_names[metric->below]);
			return text.data;
		case RMF_NO_VARIATION:
			appendStringInfoString(&text, "no test: within each variant all users are the same");
			return text.data;
		case RMF_COMPARABLE:
			break;
	}
	if (comparison->p_value < 1 - report->plan.confidence)
	{
		appendStringInfo(&text, "%s than the control", comparison->difference > 0 ? "higher" : "lower");
		if (!isnan(comparison->relative))
			appendStringInfo(&text, " by %.1f%%", fabs(100 * comparison->relative));
	}
	else
		appendStringInfo(&text, "no difference shown%s", report->sequential ? " so far" : "");
	appendStringInfo(&text, " (p = %.2g)", comparison->p_value);
	if (ratio_p_value < MISMATCH)
		appendStringInfoString(&text, "; not to be trusted: sample ratio mismatch");
	return text.data;
}

static void
put_number(Datum *values, bool *nulls, int place, double number)
{
	nulls[place] = isnan(number);
	values[place] = Float8GetDatum(number);
}

static void
put_row(FunctionCallInfo fcinfo, const Report *report, int metric_number, int variant_number, double ratio_p_value)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Metric *metric = &metrics[metric_number];
	const Variant *control = &report->variants[0];
	const Variant *variant = &report->variants[variant_number];
	rmf_comparison comparison = {RMF_COMPARABLE, NAN, NAN, NAN, NAN, NAN};
	rmf_ratio	ratio;
	rmf_status	status = RMF_OK;
	Datum		values[16];
	bool		nulls[16] = {false};
	int			i;

	rmf_ratio_estimate(&variant->sums[metric_number], &ratio);
	if (variant_number > 0)
		status = rmf_compare(&control->sums[metric_number], &variant->sums[metric_number],
							 &report->plan, &comparison);
	if (status != RMF_OK || isinf(ratio.value) || isinf(ratio.variance) ||
		(isnan(ratio.variance) && variant->users > 1 && !isnan(ratio.value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s of variant \"%s\" is out of range", metric->name, variant->name),
				 errhint("Correct the values, or leave the rows with the largest ones out of the source.")));

	values[0] = CStringGetTextDatum(metric->name);
	values[1] = CStringGetTextDatum(variant->name);
	values[2] = Int64GetDatum(variant->users);
	for (i = 0; i < N_NUMBERS; i++)
		put_number(values, nulls, 3 + i, report->column[i] ? variant->totals[i] : NAN);
	put_number(values, nulls, 7, ratio.value);
	put_number(values, nulls, 8, sqrt(ratio.variance));
	put_number(values, nulls, 9, comparison.difference);
	put_number(values, nulls, 10, comparison.relative);
	put_number(values, nulls, 11, comparison.low);
	put_number(values, nulls, 12, comparison.high);
	put_number(values, nulls, 13, comparison.p_value);
	put_number(values, nulls, 14, ratio_p_value);
	values[15] = CStringGetTextDatum(verdict(report, metric, variant_number, &comparison, ratio_p_value));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* ---- arguments ---- */

static void
plan_argument(FunctionCallInfo fcinfo, Report *report)
{
	report->sequential = recmf_boolean_argument(fcinfo, REPORT_SEQUENTIAL, "sequential");
	report->plan.confidence = recmf_ab_between_0_and_1(PG_ARGISNULL(REPORT_CONFIDENCE) ? NAN :
													   PG_GETARG_FLOAT8(REPORT_CONFIDENCE), "confidence",
													   "0.95 is usual.");
	if (!PG_ARGISNULL(REPORT_PLANNED_USERS))
	{
		int64		planned = PG_GETARG_INT64(REPORT_PLANNED_USERS);

		if (!report->sequential)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("planned_users has no meaning without sequential => true"),
					 errhint("A test with a fixed horizon is looked at once, at the number of users of ab_sample_size().")));
		if (planned < 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("planned_users must be at least 2")));
		report->plan.planned_users = (double) planned;
	}
	else if (report->sequential)
		report->plan.planned_users = PLANNED_USERS;
}

static void
variants_argument(FunctionCallInfo fcinfo, Report *report)
{
	RecmfVariants *given;
	int			i;

	if (PG_ARGISNULL(REPORT_VARIANTS))
	{
		if (!PG_ARGISNULL(REPORT_WEIGHTS))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("weights need variants"),
					 errhint("Give both as to ab_assign(): variants => '{control,treatment}', weights => '{0.9,0.1}'.")));
		return;
	}
	given = recmf_ab_variants(PG_GETARG_ARRAYTYPE_P(REPORT_VARIANTS),
							  PG_ARGISNULL(REPORT_WEIGHTS) ? NULL : PG_GETARG_ARRAYTYPE_P(REPORT_WEIGHTS));
	for (i = 0; i < given->n; i++)
		(void) add_variant(report, given->names[i], given->weights[i]);
	report->variants_given = true;
}

Datum
recmf_ab_report(PG_FUNCTION_ARGS)
{
	Report	   *report;
	double		ratio_p_value;
	int			metric;
	int			variant;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	report = (Report *) palloc0(sizeof(Report));
	plan_argument(fcinfo, report);
	variants_argument(fcinfo, report);
	read_source(fcinfo, report);
	put_in_order(report, recmf_text_argument(fcinfo, REPORT_CONTROL));

	ratio_p_value = sample_ratio(report);
	say_what_was_left_out(report, ratio_p_value);
	for (metric = 0; metric < N_METRICS; metric++)
	{
		for (variant = 0; has_metric(report, &metrics[metric]) && variant < report->n_variants; variant++)
			put_row(fcinfo, report, metric, variant, ratio_p_value);
	}
	SPI_finish();
	return (Datum) 0;
}
