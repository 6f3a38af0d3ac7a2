/*
 * recmf_report_parts.c
 *	  What the sections of a report have in common: how they open and close, items
 *	  by name, numbers in words.
 */
#include "postgres.h"

#include <math.h>

#include "recmf_html.h"
#include "recmf_report_parts.h"

const RecmfReportSection recmf_report_sections[RECMF_REPORT_SECTIONS] =
{
	{"quality", "Quality"},
	{"training", "Training"},
	{"factors", "Factors and popularity"},
	{"coverage", "Coverage and long tail"},
	{"items", "Top items"},
	{"users", "Some users"},
	{"similar", "Similar items"},
	{"drift", "Drift"},
	{"options", "Options and data"}
};

void
recmf_report_open_section(StringInfo page, int section)
{
	const char *id = recmf_report_sections[section].id;

	appendStringInfo(page, "<section id=\"%s\" aria-labelledby=\"%s-heading\"><h2 id=\"%s-heading\">%s</h2>\n",
					 id, id, id, recmf_report_sections[section].heading);
}

void
recmf_report_close_section(StringInfo page)
{
	appendStringInfoString(page, "</section>\n");
}

/* An item by its name, if it has one, and its id. */
void
recmf_report_item(StringInfo page, const RecmfReport *report, const char *id)
{
	const char *name = recmf_report_name(report, id);

	recmf_html_name(page, name != NULL ? name : id);
	if (name != NULL)
	{
		appendStringInfoString(page, " <code>");
		recmf_html_name(page, id);
		appendStringInfoString(page, "</code>");
	}
}

/* A number with a second line, smaller. */
void
recmf_report_number_and_note(StringInfo page, const char *numeral, const char *note)
{
	appendStringInfoString(page, "<td class=\"n\">");
	recmf_html_text(page, numeral);
	appendStringInfoString(page, " <span class=\"note\">");
	recmf_html_text(page, note);
	appendStringInfoString(page, "</span></td>");
}

char *
recmf_report_seconds(double seconds)
{
	if (!isfinite(seconds))
		return pstrdup("-");
	if (seconds < 0.01)
		return psprintf("%.1f ms", 1000 * seconds);
	if (seconds < 120)
		return psprintf("%s s", recmf_decimal(seconds, 3));
	return psprintf("%s min", recmf_decimal(seconds / 60, 3));
}

const char *
recmf_report_plural(int64 n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

/* "3 users" */
char *
recmf_report_counted(int64 n, const char *one, const char *many)
{
	return psprintf("%s %s", recmf_count(n), recmf_report_plural(n, one, many));
}

/* The validation of the iteration whose factors were kept, or NaN. */
double
recmf_report_validation(const RecmfReportVersion *version)
{
	if (version->best_iteration < 1 || version->best_iteration > version->n_validations)
		return NAN;
	return version->validations[version->best_iteration - 1];
}

const char *
recmf_report_metric_title(const char *metric)
{
	if (strcmp(metric, "rmse") == 0)
		return "RMSE";
	if (strncmp(metric, "ndcg", 4) == 0)
		return psprintf("NDCG%s", metric + 4);
	return metric;
}
