/*
 * recmf_report_quality.c
 *	  A report's section on quality: the rows of an evaluation as charts and tables,
 *	  the validation of training.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "recmf_chart.h"
#include "recmf_html.h"
#include "recmf_report_parts.h"

/* Small charts of metrics, at most. */
#define METRIC_CHARTS 16

/* What the rows of an evaluation have in their columns, in order of appearance. */
typedef struct Evaluation
{
	int			n_systems;
	const char **systems;		/* the model first */
	int			n_groups;
	const char **groups;		/* NULL: all users */
	int			n_metrics;
	const RecmfReportMetric **metrics;	/* the first row of each metric and k */
	int			n_points;		/* of a metric that is charted */
	int			k;				/* of the charts */
} Evaluation;

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
add_text(int *n, const char **texts, const char *text)
{
	int			i;

	for (i = 0; i < *n; i++)
		if (same_text(texts[i], text))
			return;
	texts[(*n)++] = text;
}

static void
sort_out(const RecmfReport *report, Evaluation *evaluation)
{
	int			i;
	int			j;

	memset(evaluation, 0, sizeof(Evaluation));
	evaluation->systems = (const char **) palloc(sizeof(char *) * (report->n_metrics + 1));
	evaluation->groups = (const char **) palloc(sizeof(char *) * report->n_metrics);
	evaluation->metrics = (const RecmfReportMetric **) palloc(sizeof(RecmfReportMetric *) * report->n_metrics);
	for (i = 0; i < report->n_metrics; i++)
		if (strcmp(report->metrics[i].system, "model") == 0)
			add_text(&evaluation->n_systems, evaluation->systems, "model");
	for (i = 0; i < report->n_metrics; i++)
	{
		const RecmfReportMetric *row = &report->metrics[i];

		add_text(&evaluation->n_systems, evaluation->systems, row->system);
		add_text(&evaluation->n_groups, evaluation->groups, row->group);
		for (j = 0; j < evaluation->n_metrics; j++)
			if (strcmp(evaluation->metrics[j]->metric, row->metric) == 0 && evaluation->metrics[j]->k == row->k)
				break;
		if (j == evaluation->n_metrics)
			evaluation->metrics[evaluation->n_metrics++] = row;
		/* lists as long as in the rest of the page, else the shortest */
		if (row->k > 0 && (evaluation->k == 0 || row->k == report->wish->k ||
						   (evaluation->k != report->wish->k && row->k < evaluation->k)))
			evaluation->k = row->k;
	}
}

static const RecmfReportMetric *
find_metric(const RecmfReport *report, const char *group, const char *system, const RecmfReportMetric *like)
{
	int			i;

	for (i = 0; i < report->n_metrics; i++)
	{
		const RecmfReportMetric *row = &report->metrics[i];

		if (same_text(row->group, group) && strcmp(row->system, system) == 0 &&
			strcmp(row->metric, like->metric) == 0 && row->k == like->k)
			return row;
	}
	return NULL;
}

/* The name of a metric as it is shown: "ndcg" at 10 is "ndcg@10". */
static char *
metric_label(const RecmfReportMetric *metric)
{
	return metric->k > 0 ? psprintf("%s@%d", metric->metric, metric->k) : pstrdup(metric->metric);
}

static bool
lower_is_better(const char *metric)
{
	static const char *const names[] = {"rmse", "mae", "log_loss", "logloss", "brier", "gini", "calibration"};
	int			i;

	for (i = 0; i < (int) lengthof(names); i++)
		if (pg_strncasecmp(metric, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The rows of all users are those without a segment; else the first one. */
static const char *
main_group(const Evaluation *evaluation)
{
	int			i;

	for (i = 0; i < evaluation->n_groups; i++)
		if (evaluation->groups[i] == NULL)
			return NULL;
	return evaluation->groups[0];
}

static const char *
group_title(const char *group)
{
	if (group == NULL)
		return "All users";
	return group[0] == '\0' ? "Rows without a group" : psprintf("Group %s", group);
}

static void
put_metric_chart(StringInfo page, const RecmfReport *report, const Evaluation *evaluation, const char *group,
				 const RecmfReportMetric *metric, int number)
{
	RecmfCompared *rows = (RecmfCompared *) palloc(sizeof(RecmfCompared) * evaluation->n_systems);
	RecmfFigure figure = {0};
	StringInfoData description;
	int			n = 0;
	int			s;

	initStringInfo(&description);
	for (s = 0; s < evaluation->n_systems; s++)
	{
		const RecmfReportMetric *row = find_metric(report, group, evaluation->systems[s], metric);

		if (row == NULL || !isfinite(row->value))
			continue;
		rows[n].name = row->system;
		rows[n].value = row->value;
		rows[n].low = row->low;
		rows[n].high = row->high;
		appendStringInfo(&description, "%s%s: %s", n > 0 ? "; " : "", row->system, recmf_decimal(row->value, 4));
		if (isfinite(row->low) && isfinite(row->high))
			appendStringInfo(&description, ", interval from %s to %s",
							 recmf_decimal(row->low, 4), recmf_decimal(row->high, 4));
		n++;
	}
	if (n == 0)
		return;
	figure.id = psprintf("metric-%d", number);
	figure.title = psprintf("%s%s", metric_label(metric), lower_is_better(metric->metric) ? " (lower is better)" : "");
	figure.description = psprintf("Bars. %s.", description.data);
	recmf_chart_compare(page, &figure, n, rows);
}

static void
put_metric_table(StringInfo page, const RecmfReport *report, const Evaluation *evaluation, const char *group)
{
	const char **headers = (const char **) palloc(sizeof(char *) * (evaluation->n_systems + 2));
	int			m;
	int			s;

	headers[0] = "Metric";
	for (s = 0; s < evaluation->n_systems; s++)
		headers[s + 1] = psprintf("#%s", evaluation->systems[s]);
	headers[evaluation->n_systems + 1] = "#n";
	appendStringInfoString(page, "<div class=\"fill\">");
	recmf_html_table(page, psprintf("%s: value, and interval where there is one", group_title(group)),
					 evaluation->n_systems + 2, headers);
	for (m = 0; m < evaluation->n_metrics; m++)
	{
		int64		n = -1;
		bool		any = false;

		for (s = 0; s < evaluation->n_systems; s++)
			any |= find_metric(report, group, evaluation->systems[s], evaluation->metrics[m]) != NULL;
		if (!any)
			continue;
		recmf_html_row_header(page, metric_label(evaluation->metrics[m]));
		for (s = 0; s < evaluation->n_systems; s++)
		{
			const RecmfReportMetric *row = find_metric(report, group, evaluation->systems[s], evaluation->metrics[m]);
			bool		is_model = strcmp(evaluation->systems[s], "model") == 0;

			appendStringInfo(page, "<td class=\"n%s\">", is_model ? " m" : "");
			recmf_html_text(page, row != NULL ? recmf_decimal(row->value, 4) : "-");
			if (row != NULL && isfinite(row->low) && isfinite(row->high))
			{
				appendStringInfoString(page, " <span class=\"note\">");
				recmf_html_printf(page, "%s to %s", recmf_decimal(row->low, 3), recmf_decimal(row->high, 3));
				appendStringInfoString(page, "</span>");
			}
			appendStringInfoString(page, "</td>");
			if (row != NULL && row->n >= 0)
				n = Max(n, row->n);
		}
		recmf_html_number(page, n >= 0 ? recmf_count(n) : "-");
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	appendStringInfoString(page, "</div>\n");
}

static void
put_metrics(StringInfo page, const RecmfReport *report)
{
	Evaluation	evaluation;
	const char *group;
	int			n_charts = 0;
	int			m;
	int			g;

	sort_out(report, &evaluation);
	group = main_group(&evaluation);
	recmf_report_paragraph(page, "The model beside what would be there without it, on the same users. Charts%s are of %s; the lines"
						   " at the ends of bars are intervals.",
						   evaluation.k > 0 ? psprintf(" of lists of %d", evaluation.k) : "",
						   same_text(group_title(group), "All users") ? "all users" : group_title(group));
	appendStringInfoString(page, "<div class=\"small\">\n");
	for (m = 0; m < evaluation.n_metrics && n_charts < METRIC_CHARTS; m++)
		if (evaluation.metrics[m]->k == 0 || evaluation.metrics[m]->k == evaluation.k)
			put_metric_chart(page, report, &evaluation, group, evaluation.metrics[m], ++n_charts);
	appendStringInfoString(page, "</div>\n");
	for (g = 0; g < evaluation.n_groups; g++)
		put_metric_table(page, report, &evaluation, evaluation.groups[g]);
}

void
recmf_report_quality(StringInfo page, const RecmfReport *report)
{
	const RecmfReportVersion *version = &report->version;
	double		kept = recmf_report_validation(version);

	recmf_report_open_section(page, RECMF_SECTION_QUALITY);
	if (report->n_metrics > 0)
		put_metrics(page, report);
	else
	{
		recmf_report_paragraph(page, "This report was made without an evaluation. How good the model is on ratings that it has not"
							   " seen, beside popularity and chance, is shown here when it is given the rows of evaluate_model():");
		appendStringInfoString(page, "<pre><code>");
		recmf_html_printf(page, "SELECT model_report(%s, metrics =>\n  (SELECT jsonb_agg(e) FROM evaluate_model(%s, 'test') e))",
						  quote_literal_cstr(report->model->name), quote_literal_cstr(report->model->name));
		appendStringInfoString(page, "</code></pre>\n");
	}
	if (version->validation_metric != NULL && isfinite(kept))
		recmf_report_paragraph(page, "Validation during training: %s %s after iteration %d, on %s.",
							   recmf_report_metric_title(version->validation_metric), recmf_decimal(kept, 4), version->best_iteration,
							   recmf_report_counted(version->validation_ratings, "rating held out", "ratings held out"));
	recmf_report_close_section(page);
}
