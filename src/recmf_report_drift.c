/*
 * recmf_report_drift.c
 *	  A report's section on drift: this version beside the one before.
 */
#include "postgres.h"

#include <math.h>

#include "recmf_chart.h"
#include "recmf_html.h"
#include "recmf_report_parts.h"

static void
put_version_row(StringInfo page, const char *name, const char *before, const char *now, const char *change)
{
	recmf_html_row_header(page, name);
	recmf_html_number(page, before);
	recmf_html_number(page, now);
	recmf_html_number(page, change);
	recmf_html_row_end(page);
}

/* Date and time of day, on two lines. */
static void
put_time(StringInfo page, const char *time)
{
	const char *space = time != NULL ? strchr(time, ' ') : NULL;

	if (space == NULL)
		recmf_html_number(page, "-");
	else
		recmf_report_number_and_note(page, pnstrdup(time, space - time), space + 1);
}

static char *
change_of(double before, double now)
{
	if (!isfinite(before) || !isfinite(now) || before == 0)
		return pstrdup("-");
	return psprintf("%s%s", now > before ? "+" : "", recmf_percent(now - before, fabs(before)));
}

static double
last_loss(const RecmfReportVersion *version)
{
	return version->n_losses > 0 ? version->losses[version->n_losses - 1] : NAN;
}

static void
put_count_row(StringInfo page, const char *name, int64 before, int64 now)
{
	put_version_row(page, name, recmf_count(before), recmf_count(now), change_of((double) before, (double) now));
}

static void
put_versions(StringInfo page, const RecmfReport *report)
{
	const RecmfReportVersion *now = &report->version;
	const RecmfReportVersion *before = &report->drift->before;
	const char *headers[4];
	bool		same_metric = now->validation_metric != NULL && before->validation_metric != NULL &&
		strcmp(now->validation_metric, before->validation_metric) == 0;
	int			n_changed = 0;
	int			i;

	for (i = 0; i < report->n_options; i++)
		n_changed += report->options[i].changed;
	headers[0] = "Measure";
	headers[1] = psprintf("#version %d", before->model->version);
	headers[2] = psprintf("#version %d", now->model->version);
	headers[3] = "#change";
	appendStringInfoString(page, "<div>");
	recmf_html_table(page, "This version beside the one before", 4, headers);
	recmf_html_row_header(page, "Trained");
	put_time(page, before->trained_at);
	put_time(page, now->trained_at);
	recmf_html_number(page, "");
	recmf_html_row_end(page);
	put_count_row(page, "Ratings", before->n_ratings, now->n_ratings);
	put_count_row(page, "Users", before->model->n_users, now->model->n_users);
	put_count_row(page, "Items", before->model->n_items, now->model->n_items);
	put_version_row(page, "Final loss", recmf_decimal(last_loss(before), 5), recmf_decimal(last_loss(now), 5),
					change_of(last_loss(before), last_loss(now)));
	if (same_metric)
		put_version_row(page, psprintf("Validation, %s", recmf_report_metric_title(now->validation_metric)),
						recmf_decimal(recmf_report_validation(before), 4), recmf_decimal(recmf_report_validation(now), 4),
						change_of(recmf_report_validation(before), recmf_report_validation(now)));
	put_version_row(page, "Time of training", recmf_report_seconds(before->train_seconds), recmf_report_seconds(now->train_seconds),
					change_of(before->train_seconds, now->train_seconds));
	recmf_html_table_end(page);
	appendStringInfoString(page, "<p class=\"note\">");
	recmf_html_printf(page, "New: %s, %s. Gone: %s, %s. %s",
					  recmf_report_counted(report->drift->new_users, "user", "users"),
					  recmf_report_counted(report->drift->new_items, "item", "items"),
					  recmf_report_counted(report->drift->gone_users, "user", "users"),
					  recmf_report_counted(report->drift->gone_items, "item", "items"),
					  n_changed == 0 ? "The options are the same, so the losses differ by the data alone."
					  : psprintf("%s %s changed, so the losses may not be comparable.",
								 recmf_report_counted(n_changed, "option", "options"), recmf_report_plural(n_changed, "has", "have")));
	appendStringInfoString(page, "</p></div>\n");
}

static void
put_overlap(StringInfo page, const RecmfReport *report)
{
	const RecmfReportDrift *drift = report->drift;
	const char *labels[RECMF_REPORT_MAX_K + 1];
	RecmfFigure figure = {0};
	RecmfBars	bars = {0};
	int			i;

	if (drift->n_users == 0)
		return;
	for (i = 0; i <= drift->k; i++)
		labels[i] = recmf_count(i);
	figure.id = "overlap";
	figure.title = psprintf("Items that the old and the new top %d have in common", drift->k);
	figure.x_title = "items in common";
	figure.y_title = "users";
	figure.description = psprintf("Bars for %s. On average %s of a list was in the old one; the first item is the same for %s.",
								  recmf_report_counted(drift->n_users, "user", "users"), recmf_percent(drift->overlap, 1),
								  recmf_percent((double) drift->same_first, (double) drift->n_users));
	bars.n = drift->k + 1;
	bars.counts = drift->in_common;
	bars.labels = labels;
	recmf_chart_bars(page, &figure, &bars);
}

static void
put_plain_items(StringInfo page, const RecmfReport *report, int n, const RecmfReportItem *items)
{
	int			i;

	appendStringInfoString(page, "<td class=\"i\">");
	for (i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(page, "<br/>");
		recmf_report_item(page, report, items[i].id);
	}
	appendStringInfoString(page, "</td>");
}

static void
put_changed_neighbours(StringInfo page, const RecmfReport *report)
{
	static const char *const headers[] = {"Item", "#Kept", "Nearest now", "Nearest before"};
	const RecmfReportDrift *drift = report->drift;
	int			i;

	if (drift->n_changed == 0)
		return;
	appendStringInfoString(page, "<div class=\"fill\">");
	recmf_html_table(page, "Popular items whose neighbours changed most", lengthof(headers), headers);
	for (i = 0; i < drift->n_changed; i++)
	{
		const RecmfReportList *list = &drift->changed[i];

		appendStringInfoString(page, "<tr><th scope=\"row\" class=\"i\">");
		recmf_report_item(page, report, list->id);
		appendStringInfoString(page, "</th>");
		recmf_html_number(page, recmf_percent(list->value, 1));
		put_plain_items(page, report, list->n, list->items);
		put_plain_items(page, report, list->n_others, list->others);
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	appendStringInfoString(page, "</div>\n");
}

void
recmf_report_drift(StringInfo page, const RecmfReport *report)
{
	const RecmfReportDrift *drift = report->drift;

	recmf_report_open_section(page, RECMF_SECTION_DRIFT);
	if (drift == NULL)
	{
		recmf_report_paragraph(page, report->model->version == 1
							   ? "This is the first version: there is nothing to compare it with."
							   : "The tables of the version before are not there any more, or not for you to read.");
		recmf_report_close_section(page);
		return;
	}
	recmf_report_paragraph(page, "Factors of two trainings are turned against each other, so what is compared"
						   " is what comes of them.%s%s",
						   drift->n_users > 0
						   ? psprintf(" Of %s in both versions, %s of the top %d was in the old one on average, and %s kept the first item.",
									  recmf_report_counted(drift->n_users, "user", "users"), recmf_percent(drift->overlap, 1), drift->k,
									  recmf_percent((double) drift->same_first, (double) drift->n_users))
						   : " No user has a list in both versions.",
						   drift->n_neighbours > 0
						   ? psprintf(" The %s kept %s of their nearest neighbours.",
									  recmf_report_counted(drift->n_neighbours, "most popular item", "most popular items"),
									  recmf_percent(drift->neighbour_overlap, 1)) : "");
	appendStringInfoString(page, "<div class=\"charts\">\n");
	put_overlap(page, report);
	put_versions(page, report);
	appendStringInfoString(page, "</div>\n");
	put_changed_neighbours(page, report);
	recmf_report_close_section(page);
}
