/*
 * recmf_report_page.c
 *	  The page of a report of a model, from what has been gathered.
 *
 * One document without scripts and without anything from elsewhere, which its
 * Content-Security-Policy also forbids; well-formed as XML.  Sections in the
 * order in which they are asked about: how good, how trained, what the factors
 * and the lists look like, examples, what has changed, how it was made.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "recmf_chart.h"
#include "recmf_html.h"
#include "recmf_options.h"
#include "recmf_report_parts.h"

/*
 * Colours have a contrast of at least 4.5 (text) and 3 (lines) with the ground
 * in both schemes.  Letters in charts are larger where the chart is small.
 */
static const char style[] =
":root{color-scheme:light dark;--ground:#fff;--wash:#f5f7f9;--ink:#1b1f24;--soft:#57606a;--rule:#d9dfe5;"
"--a:#1f5fa8;--b:#b0480a;--other:#8a949e}\n"
"@media(prefers-color-scheme:dark){:root{--ground:#13171c;--wash:#1b2127;--ink:#e7eaee;--soft:#a5afba;"
"--rule:#303841;--a:#7db4f5;--b:#f2a466;--other:#77828d}}\n"
"*{box-sizing:border-box}\n"
"html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}\n"
"body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,"
"\"Helvetica Neue\",Arial,sans-serif;overflow-wrap:anywhere}\n"
"header,main,footer{max-width:70rem;margin:0 auto;padding:0 1rem}\n"
"header{padding-top:2.5rem}\n"
"h1{font-size:1.9rem;line-height:1.2;font-weight:650;margin:0 0 .4rem;letter-spacing:-.015em}\n"
"h2{font-size:1.3rem;line-height:1.3;font-weight:650;margin:0 0 .35rem;letter-spacing:-.01em}\n"
"h3{font-size:1rem;font-weight:650;margin:0 0 .25rem}\n"
"p{margin:0 0 1rem;max-width:44rem}\n"
".sub,.note{color:var(--soft)}\n"
".note{font-size:.875rem}\n"
"a{color:var(--a);text-underline-offset:.15em}\n"
"a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--a);outline-offset:2px}\n"
"nav ul,.legend{list-style:none;padding:0;margin:1.25rem 0 0;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;font-size:.9rem}\n"
"section{border-top:1px solid var(--rule);padding-top:1.6rem;margin-top:2.6rem}\n"
".figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(44%,13rem),1fr));gap:1.1rem 1.5rem;margin:1.75rem 0 0}\n"
".figures div{border-top:2px solid var(--rule);padding-top:.45rem}\n"
".figures dt{color:var(--soft);font-size:.8125rem;line-height:1.35}\n"
".figures dd{margin:0;font-size:1.45rem;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums}\n"
".charts,.small,.lists{display:grid;gap:1.75rem 2.5rem;margin:1.25rem 0 0}\n"
".charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}\n"
".small{grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr));margin-bottom:1.75rem}\n"
".lists{grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}\n"
".lists.wide{grid-template-columns:minmax(0,1fr)}\n"
".lists>*,.charts>*,.small>*{min-width:0}\n"
".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.75rem 2.5rem}\n"
".pair>*{min-width:0}\n"
"figure{margin:0;max-width:36rem}\n"
"figcaption{font-weight:650;font-size:.9375rem;margin-bottom:.35rem}\n"
"figure svg{display:block;width:100%;height:auto}\n"
".legend{margin:0 0 .4rem;font-size:.8125rem;color:var(--soft)}\n"
".legend svg{display:inline-block;width:26px;height:10px;vertical-align:baseline}\n"
"svg text{font:11.5px system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,sans-serif;fill:var(--soft);"
"font-variant-numeric:tabular-nums}\n"
"svg .label{fill:var(--ink);font-weight:600}\n"
"svg .grid{stroke:var(--rule)}\n"
"svg .axis{stroke:var(--soft)}\n"
"svg .line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}\n"
"svg .a{stroke:var(--a)}\n"
"svg .b{stroke:var(--b);stroke-dasharray:7 4}\n"
"svg .even{fill:none;stroke:var(--other);stroke-dasharray:1.5 4;stroke-width:1.5;stroke-linecap:round}\n"
"svg .dot{fill:var(--a)}\n"
"svg .mark{fill:var(--ground);stroke:var(--b);stroke-width:2.5}\n"
"svg .bar{fill:var(--a)}\n"
"svg .other{fill:var(--other)}\n"
"svg .interval{fill:none;stroke:var(--ink);stroke-width:1.25}\n"
"details{font-size:.875rem;margin-top:.3rem}\n"
"summary{color:var(--soft);cursor:pointer;width:max-content;max-width:100%}\n"
".scroll{overflow-x:auto;max-width:100%}\n"
"details .scroll{max-height:20rem;overflow-y:auto}\n"
"table{border-collapse:collapse;font-size:.9rem;line-height:1.4;font-variant-numeric:tabular-nums;margin:.35rem 0 .25rem}\n"
".fill table{width:100%}\n"
"caption{text-align:left;color:var(--soft);font-size:.8125rem;padding-bottom:.3rem}\n"
"th,td{text-align:left;vertical-align:top;padding:.3rem 1.1rem .3rem 0;border-top:1px solid var(--rule);font-weight:400}\n"
"th:last-child,td:last-child{padding-right:0}\n"
"th,td{overflow-wrap:normal}\n"
".scroll+.scroll,.fill+.fill{margin-top:1rem}\n"
".pair>.scroll+.scroll{margin-top:0}\n"
".charts+.fill,.fill+p{margin-top:1.5rem}\n"
"thead th{border-top:0;color:var(--soft);font-size:.8125rem;vertical-align:bottom}\n"
"th.n,td.n{text-align:right;white-space:nowrap}\n"
"td.i,th.i{min-width:8.5rem;overflow-wrap:anywhere}\n"
"td.m{font-weight:600}\n"
"td .note{display:block;font-size:.8125rem;font-weight:400}\n"
"code,pre{font:.85em ui-monospace,SFMono-Regular,Menlo,Consolas,\"Liberation Mono\",monospace}\n"
"pre code{font-size:1em}\n"
"td code,th code,h3 code{color:var(--soft)}\n"
"pre{background:var(--wash);border-radius:6px;padding:.75rem .9rem;margin:0 0 1rem;white-space:pre-wrap}\n"
"footer{margin-top:3rem;padding-bottom:2.5rem;color:var(--soft);font-size:.875rem}\n"
".unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}\n"
"details caption{font-size:0;line-height:0;padding:0}\n"
"@media(max-width:30rem){svg text{font-size:14px}.small svg text{font-size:11.5px}h1{font-size:1.6rem}header{padding-top:1.5rem}"
"th,td{padding-right:.8rem}}\n"
"@media print{nav{display:none}section{break-inside:avoid-page}}\n";

/* ------------------------------------------------------------------------
 * Pieces
 * ------------------------------------------------------------------------
 */

static void
put_fact(StringInfo page, const char *name, const char *value)
{
	appendStringInfoString(page, "<div><dt>");
	recmf_html_text(page, name);
	appendStringInfoString(page, "</dt><dd>");
	recmf_html_text(page, value);
	appendStringInfoString(page, "</dd></div>\n");
}

static void
put_item_cell(StringInfo page, const RecmfReport *report, const char *id)
{
	appendStringInfoString(page, "<td class=\"i\">");
	recmf_report_item(page, report, id);
	appendStringInfoString(page, "</td>");
}

static void
put_rank(StringInfo page, int rank)
{
	appendStringInfo(page, "<tr><th scope=\"row\" class=\"n\">%d</th>", rank);
}

static char *
bytes_text(int64 bytes)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	double		size = (double) bytes;
	int			unit = 0;

	for (; size >= 1024 && unit < (int) lengthof(units) - 1; unit++)
		size /= 1024;
	return psprintf("%s %s", recmf_decimal(size, 3), units[unit]);
}

/* ------------------------------------------------------------------------
 * The head of the page
 * ------------------------------------------------------------------------
 */

static void
put_contents(StringInfo page)
{
	int			s;

	appendStringInfoString(page, "<nav aria-label=\"Contents\"><ul>");
	for (s = 0; s < RECMF_REPORT_SECTIONS; s++)
		appendStringInfo(page, "<li><a href=\"#%s\">%s</a></li>", recmf_report_sections[s].id, recmf_report_sections[s].heading);
	appendStringInfoString(page, "</ul></nav>\n");
}

static void
put_key_figures(StringInfo page, const RecmfReport *report)
{
	const RecmfReportVersion *version = &report->version;
	const RecmfReportCoverage *coverage = &report->coverage;
	double		kept = recmf_report_validation(version);

	appendStringInfoString(page, "<dl class=\"figures\">\n");
	put_fact(page, "Users", recmf_count(report->model->n_users));
	put_fact(page, "Items", recmf_count(report->model->n_items));
	put_fact(page, "Ratings", recmf_count(version->n_ratings));
	put_fact(page, "Pairs that are rated",
			 recmf_percent((double) version->n_ratings, (double) report->model->n_users * (double) report->model->n_items));
	if (version->n_losses > 0)
		put_fact(page, "Final loss", recmf_decimal(version->losses[version->n_losses - 1], 5));
	if (version->validation_metric != NULL && isfinite(kept))
		put_fact(page, psprintf("Validation, %s", recmf_report_metric_title(version->validation_metric)), recmf_decimal(kept, 4));
	if (coverage->n_listed > 0)
		put_fact(page, psprintf("Catalogue in top %d", report->wish->k),
				 recmf_percent((double) coverage->n_recommended, (double) coverage->n_items));
	if (report->drift != NULL && report->drift->n_users > 0)
		put_fact(page, "Lists kept since last version", recmf_percent(report->drift->overlap, 1));
	appendStringInfoString(page, "</dl>\n");
}

static void
put_head(StringInfo page, const RecmfReport *report)
{
	const RecmfModel *model = report->model;
	const char *title = report->wish->title != NULL ? report->wish->title : psprintf("Model %s", model->name);

	appendStringInfoString(page, "<!DOCTYPE html>\n"
						   "<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
						   "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>");
	recmf_html_text(page, title);
	appendStringInfoString(page, "</title>\n<style>\n");
	appendStringInfoString(page, style);
	appendStringInfoString(page, "</style></head>\n<body><header><h1>");
	recmf_html_name(page, title);
	appendStringInfoString(page, "</h1>\n<p class=\"sub\">");
	if (report->wish->title != NULL)
	{
		appendStringInfoString(page, "Model ");
		recmf_html_name(page, model->name);
		appendStringInfoString(page, ", version");
	}
	else
		appendStringInfoString(page, "Version");
	recmf_html_printf(page, " %d: %s feedback, %s. Trained %s from ", model->version,
					  recmf_feedback_name(model->problem.feedback),
					  recmf_report_counted(model->problem.factors, "factor", "factors"),
					  report->version.trained_at != NULL ? report->version.trained_at : "at a time not known");
	if (OidIsValid(model->source_table))
	{
		appendStringInfoString(page, "<code>");
		recmf_html_name(page, report->version.source);
		appendStringInfoString(page, "</code>");
	}
	else
		appendStringInfoString(page, "a query");
	recmf_html_printf(page, " in %s.", recmf_report_seconds(report->version.read_seconds + report->version.train_seconds +
												   report->version.write_seconds));
	appendStringInfoString(page, "</p>\n");
	put_key_figures(page, report);
	put_contents(page);
	appendStringInfoString(page, "</header>\n<main>\n");
}

/* ------------------------------------------------------------------------
 * Training
 * ------------------------------------------------------------------------
 */

static double *
numbers_from_one(int n)
{
	double	   *numbers = (double *) palloc(sizeof(double) * Max(n, 1));
	int			i;

	for (i = 0; i < n; i++)
		numbers[i] = i + 1;
	return numbers;
}

static void
put_training(StringInfo page, const RecmfReport *report)
{
	const RecmfReportVersion *version = &report->version;
	int			n = version->n_losses;
	RecmfFigure figure = {0};
	RecmfLines	lines = {0};

	recmf_report_open_section(page, RECMF_SECTION_TRAINING);
	if (n == 0)
	{
		recmf_report_paragraph(page, "The registry has no losses of this version.");
		recmf_report_close_section(page);
		return;
	}
	recmf_report_paragraph(page, "The loss, which training minimises, went from %s to %s in %s%s%s.",
						   recmf_decimal(version->losses[0], 5), recmf_decimal(version->losses[n - 1], 5),
						   recmf_report_counted(n, "iteration", "iterations"),
						   n > 1 ? psprintf("; the last one changed it by %s",
											recmf_percent(version->losses[n - 1] - version->losses[n - 2], fabs(version->losses[n - 2])))
						   : "",
						   version->ended == NULL || strcmp(version->ended, "complete") == 0 ? ""
						   : strcmp(version->ended, "early") == 0 ? ". It ended early: nothing got better"
						   : ". The time limit ended it");
	appendStringInfoString(page, "<div class=\"charts\">\n");
	figure.id = "loss";
	figure.title = "Loss after each iteration";
	figure.x_title = "iteration";
	figure.y_title = "loss";
	figure.description = psprintf("Line from %s after the first iteration to %s after iteration %d.",
								  recmf_decimal(version->losses[0], 5), recmf_decimal(version->losses[n - 1], 5), n);
	lines.n = n;
	lines.x = numbers_from_one(n);
	lines.n_series = 1;
	lines.series[0].name = "loss";
	lines.series[0].y = version->losses;
	lines.whole_x = true;
	lines.mark = -1;
	recmf_chart_lines(page, &figure, &lines);

	if (version->n_validations > 0 && version->validation_metric != NULL)
	{
		const char *metric = recmf_report_metric_title(version->validation_metric);

		figure.id = "validation";
		figure.title = psprintf("Validation after each iteration: %s", metric);
		figure.y_title = metric;
		figure.description = psprintf("Line over %s. The factors kept are those of iteration %d, with %s.",
									  recmf_report_counted(version->n_validations, "iteration", "iterations"), version->best_iteration,
									  recmf_decimal(recmf_report_validation(version), 4));
		lines.n = version->n_validations;
		lines.x = numbers_from_one(lines.n);
		lines.series[0].name = metric;
		lines.series[0].y = version->validations;
		if (isfinite(recmf_report_validation(version)))
		{
			lines.mark = version->best_iteration - 1;
			lines.mark_name = psprintf("kept: %s", recmf_decimal(recmf_report_validation(version), 4));
		}
		recmf_chart_lines(page, &figure, &lines);
	}
	appendStringInfoString(page, "</div>\n");
	recmf_report_close_section(page);
}

/* ------------------------------------------------------------------------
 * Factors and popularity
 * ------------------------------------------------------------------------
 */

static void
put_norms(StringInfo page, const RecmfReportSide *side, const char *id, const char *whose)
{
	RecmfFigure figure = {0};
	RecmfBars	bars = {0};

	figure.id = id;
	figure.title = psprintf("Norms of the factors of %s", whose);
	figure.description = psprintf("Histogram. Half of the norms are between %s and %s, the median is %s, all are between %s and %s.",
								  recmf_decimal(side->quantiles[2], 3), recmf_decimal(side->quantiles[4], 3),
								  recmf_decimal(side->quantiles[3], 3), recmf_decimal(side->quantiles[0], 3),
								  recmf_decimal(side->quantiles[RECMF_REPORT_QUANTILES - 1], 3));
	figure.x_title = "norm";
	figure.y_title = whose;
	bars.n = side->axis.n - 1;
	bars.counts = side->bins;
	bars.axis = &side->axis;
	recmf_chart_bars(page, &figure, &bars);
}

static void
put_popularity(StringInfo page, const RecmfReportSide *side, const char *id, const char *whose, const char *of_one)
{
	const char *labels[RMF_DOUBLING_BINS];
	RecmfFigure figure = {0};
	RecmfBars	bars = {0};
	int			first = side->doublings[0] > 0 ? 0 : 1;
	int			largest = first;
	int			i;

	for (i = first; i < side->n_doublings; i++)
	{
		int64		low;
		int64		high;

		rmf_doubling_bounds(i, &low, &high);
		/* "4+" where "4-7" has no room; the table says it in full by its next row */
		labels[i - first] = low == high ? recmf_count(low) : psprintf("%s+", recmf_count(low));
		if (side->doublings[i] > side->doublings[largest])
			largest = i;
	}
	if (side->n_doublings > first)
	{
		int64		low;
		int64		high;

		rmf_doubling_bounds(largest, &low, &high);
		figure.id = id;
		figure.title = psprintf("Ratings of each %s", of_one);
		figure.description = psprintf("Bars, each for twice as many ratings as the one before. The most %s, %s, have %s to %s ratings.",
									  whose, recmf_count(side->doublings[largest]), recmf_count(low), recmf_count(high));
		figure.x_title = "ratings, from";
		figure.y_title = whose;
		bars.n = side->n_doublings - first;
		bars.counts = side->doublings + first;
		bars.labels = labels;
		recmf_chart_bars(page, &figure, &bars);
	}
}

static void
put_quantiles(StringInfo page, const RecmfReport *report)
{
	static const char *const headers[] = {"Norms of", "#least", "#5%", "#25%", "#median", "#75%", "#95%", "#greatest"};
	static const struct
	{
		rmf_side	side;
		const char *name;
	}			rows[] = {{RMF_USERS, "users"}, {RMF_ITEMS, "items"}};
	int			r;
	int			q;

	appendStringInfoString(page, "<div class=\"fill\">");
	recmf_html_table(page, "Quantiles of the norms, without biases", lengthof(headers), headers);
	for (r = 0; r < (int) lengthof(rows); r++)
	{
		recmf_html_row_header(page, rows[r].name);
		for (q = 0; q < RECMF_REPORT_QUANTILES; q++)
			recmf_html_number(page, recmf_decimal(report->sides[rows[r].side].quantiles[q], 3));
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	appendStringInfoString(page, "</div>\n");
}

static void
put_factors(StringInfo page, const RecmfReport *report)
{
	const RecmfReportSide *users = &report->sides[RMF_USERS];
	const RecmfReportSide *items = &report->sides[RMF_ITEMS];

	recmf_report_open_section(page, RECMF_SECTION_FACTORS);
	recmf_report_paragraph(page, "How long the factors are, and how many ratings users and items have. Norms far above the others"
						   " belong to those with very many ratings, or to odd ones; norms near zero to those of whom little is known.");
	if (users->n > 0 || items->n > 0)
		put_quantiles(page, report);
	appendStringInfoString(page, "<div class=\"charts\">\n");
	if (users->n > 0)
		put_norms(page, users, "user-norms", "users");
	if (items->n > 0)
		put_norms(page, items, "item-norms", "items");
	if (users->n > 0)
		put_popularity(page, users, "user-ratings", "users", "user");
	if (items->n > 0)
		put_popularity(page, items, "item-ratings", "items", "item");
	appendStringInfoString(page, "</div>\n");
	if (users->n == 0)
		recmf_report_paragraph(page, "There is no user with a factor that you may see.");
	if (items->n == 0)
		recmf_report_paragraph(page, "There is no item with a factor that you may see.");
	recmf_report_close_section(page);
}

/* ------------------------------------------------------------------------
 * Coverage
 * ------------------------------------------------------------------------
 */

static const char *
whose_lists(const RecmfReport *report)
{
	const RecmfReportCoverage *coverage = &report->coverage;

	if (coverage->n_users < report->sides[RMF_USERS].n)
		return psprintf("a sample of %s of %s users", recmf_count(coverage->n_users),
						recmf_count(report->sides[RMF_USERS].n));
	return coverage->n_users == 1 ? "the only user" : psprintf("all %s users", recmf_count(coverage->n_users));
}

static void
put_coverage_row(StringInfo page, const char *name, const char *ratings, const char *recommended)
{
	recmf_html_row_header(page, name);
	recmf_html_number(page, ratings);
	recmf_html_number(page, recommended);
	recmf_html_row_end(page);
}

static void
put_coverage(StringInfo page, const RecmfReport *report)
{
	static const char *const headers[] = {"Measure", "#ratings", "#recommendations"};
	const RecmfReportCoverage *coverage = &report->coverage;
	double		n_items = (double) coverage->n_items;
	double		x[RECMF_REPORT_POINTS];
	RecmfFigure figure = {0};
	RecmfLines	lines = {0};
	bool		has_lists = coverage->n_entries > 0;
	int			i;

	recmf_report_open_section(page, RECMF_SECTION_COVERAGE);
	if (coverage->n_users == 0)
		recmf_report_paragraph(page, "There is no user with a factor that you may see, so there are no lists to look at.");
	else if (!has_lists)
		recmf_report_paragraph(page, "Nothing is left to be recommended to %s.", whose_lists(report));
	else
		recmf_report_paragraph(page, "The top %d of %s, %s, have %s of %s in them: %s of the catalogue.%s", report->wish->k,
							   whose_lists(report),
							   report->wish->exclude_seen ? "without what they have" : "with what they have",
							   recmf_count(coverage->n_recommended), recmf_report_counted(coverage->n_items, "item", "items"),
							   recmf_percent((double) coverage->n_recommended, n_items),
							   coverage->n_listed < coverage->n_users
							   ? psprintf(" %s got none.", recmf_report_counted(coverage->n_users - coverage->n_listed, "user", "users")) : "");
	if (coverage->n_items == 0)
	{
		recmf_report_close_section(page);
		return;
	}

	appendStringInfoString(page, "<div class=\"charts\">\n");
	for (i = 0; i < RECMF_REPORT_POINTS; i++)
		x[i] = (double) i / (RECMF_REPORT_POINTS - 1);
	figure.id = "long-tail";
	figure.title = "Long tail: the part of all that falls on the most popular items";
	figure.x_title = "items, the most popular first";
	figure.y_title = has_lists ? "ratings, recommendations" : "ratings";
	figure.description = psprintf("Curves from the most popular items to all of them. The most popular fifth has %s of the ratings%s.",
								  recmf_percent(1 - coverage->tail_ratings, 1),
								  has_lists ? psprintf(" and %s of the recommendations",
													   recmf_percent(1 - coverage->tail_recommended, 1)) : "");
	lines.n = RECMF_REPORT_POINTS;
	lines.x = x;
	lines.n_series = has_lists ? 2 : 1;
	lines.series[0].name = "ratings";
	lines.series[0].y = coverage->ratings;
	lines.series[1].name = "recommendations";
	lines.series[1].y = coverage->recommended;
	lines.percent = true;
	lines.diagonal = true;
	lines.mark = -1;
	lines.rows = 20;
	recmf_chart_lines(page, &figure, &lines);

	appendStringInfoString(page, "<div>");
	recmf_html_table(page, "How evenly they are spread over the items", has_lists ? 3 : 2, headers);
	if (has_lists)
	{
		put_coverage_row(page, "Items with any",
						 recmf_percent((double) coverage->n_items, n_items),
						 recmf_percent((double) coverage->n_recommended, n_items));
		recmf_html_row_header(page, "Items that have half of all");
		recmf_report_number_and_note(page, recmf_count(coverage->n_half_ratings),
									 recmf_percent((double) coverage->n_half_ratings, n_items));
		recmf_report_number_and_note(page, recmf_count(coverage->n_half_recommended),
									 recmf_percent((double) coverage->n_half_recommended, n_items));
		recmf_html_row_end(page);
		put_coverage_row(page, "Falls beyond the most popular fifth",
						 recmf_percent(coverage->tail_ratings, 1), recmf_percent(coverage->tail_recommended, 1));
		put_coverage_row(page, "Gini coefficient",
						 recmf_decimal(coverage->gini_ratings, 3), recmf_decimal(coverage->gini_recommended, 3));
	}
	else
	{
		recmf_html_row_header(page, "Gini coefficient");
		recmf_html_number(page, recmf_decimal(coverage->gini_ratings, 3));
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	appendStringInfoString(page, "<p class=\"note\">A curve nearer to the diagonal, and a Gini coefficient nearer to 0, mean"
						   " a more even spread; where recommendations run above ratings, the model favours what is popular already.</p></div>\n</div>\n");
	recmf_report_close_section(page);
}

/* ------------------------------------------------------------------------
 * Lists
 * ------------------------------------------------------------------------
 */

static void
put_top_items(StringInfo page, const RecmfReport *report)
{
	static const char *const popular_headers[] = {"#Rank", "Item", "#Ratings"};
	static const char *const recommended_headers[] = {"#Rank", "Item", "#Users", "#Ratings"};
	int			i;

	recmf_report_open_section(page, RECMF_SECTION_ITEMS);
	appendStringInfoString(page, "<div class=\"pair fill\">\n");
	recmf_html_table(page, "Most popular: ratings in training", lengthof(popular_headers), popular_headers);
	for (i = 0; i < report->n_popular; i++)
	{
		put_rank(page, i + 1);
		put_item_cell(page, report, report->popular[i].id);
		recmf_html_number(page, recmf_count(report->popular[i].count));
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	if (report->n_recommended > 0)
	{
		recmf_html_table(page, psprintf("Most recommended: in the top %d of %s", report->wish->k, whose_lists(report)),
						 lengthof(recommended_headers), recommended_headers);
		for (i = 0; i < report->n_recommended; i++)
		{
			const RecmfReportItem *item = &report->recommended[i];

			put_rank(page, i + 1);
			put_item_cell(page, report, item->id);
			recmf_report_number_and_note(page, recmf_count(item->count),
										 recmf_percent((double) item->count, (double) report->coverage.n_users));
			recmf_html_number(page, recmf_count((int64) item->value));
			recmf_html_row_end(page);
		}
		recmf_html_table_end(page);
	}
	appendStringInfoString(page, "</div>\n");
	recmf_report_close_section(page);
}

/* A sum of whole numbers is one. */
static char *
whole_or_not(double value)
{
	return value == floor(value) && fabs(value) < 1e15 ? recmf_count((int64) value) : recmf_decimal(value, 3);
}

static void
put_ranked(StringInfo page, const RecmfReport *report, const char *caption, const char *value,
		   bool may_be_whole, int n, const RecmfReportItem *items)
{
	const char *headers[3];
	int			i;

	headers[0] = "#Rank";
	headers[1] = "Item";
	headers[2] = psprintf("#%s", value);
	recmf_html_table(page, caption, 3, headers);
	for (i = 0; i < n; i++)
	{
		put_rank(page, i + 1);
		put_item_cell(page, report, items[i].id);
		recmf_html_number(page, !items[i].has_value ? "-" : may_be_whole ? whole_or_not(items[i].value)
						  : recmf_decimal(items[i].value, 3));
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
}

static void
put_users(StringInfo page, const RecmfReport *report)
{
	const RecmfModel *model = report->model;
	const char *owned_value = model->rating_col != NULL ? model->rating_col : "Rows";
	int			i;

	recmf_report_open_section(page, RECMF_SECTION_USERS);
	if (report->n_users == 0)
	{
		recmf_report_paragraph(page, "There is no user with a factor that you may see.");
		recmf_report_close_section(page);
		return;
	}
	recmf_report_paragraph(page, "Users from those with the most ratings to those with the fewest: what they have now,"
						   " and the top %d.", report->wish->k);
	appendStringInfoString(page, "<div class=\"lists wide fill\">\n");
	for (i = 0; i < report->n_users; i++)
	{
		const RecmfReportList *user = &report->users[i];

		appendStringInfoString(page, "<div><h3>User ");
		recmf_html_name(page, user->id);
		recmf_html_printf(page, ": %s", report->wish->exclude_seen ? recmf_report_counted(user->count, "item", "items")
						  : recmf_report_counted(user->count, "rating", "ratings"));
		appendStringInfoString(page, "</h3>\n<div class=\"pair\">");
		if (report->wish->exclude_seen)
			put_ranked(page, report,
					   user->n_others < user->count ? psprintf("Has, the first %d", user->n_others) : "Has", owned_value,
					   true, user->n_others, user->others);
		put_ranked(page, report, "Recommended", "Score", false, user->n, user->items);
		appendStringInfoString(page, "</div></div>\n");
	}
	appendStringInfoString(page, "</div>\n");
	recmf_report_close_section(page);
}

static void
put_similar(StringInfo page, const RecmfReport *report)
{
	int			i;

	recmf_report_open_section(page, RECMF_SECTION_SIMILAR);
	if (report->n_similar == 0)
		recmf_report_paragraph(page, "There is no item with a factor that you may see.");
	else
	{
		recmf_report_paragraph(page, "The nearest items by cosine of the factors, for the most popular ones.");
		appendStringInfoString(page, "<div class=\"lists fill\">\n");
		for (i = 0; i < report->n_similar; i++)
		{
			const RecmfReportList *list = &report->similar[i];

			appendStringInfoString(page, "<div><h3>");
			recmf_report_item(page, report, list->id);
			appendStringInfoString(page, "</h3>\n");
			put_ranked(page, report, recmf_report_counted(list->count, "rating", "ratings"), "Cosine", false, list->n, list->items);
			appendStringInfoString(page, "</div>\n");
		}
		appendStringInfoString(page, "</div>\n");
	}
	recmf_report_close_section(page);
}

/* ------------------------------------------------------------------------
 * Options and data
 * ------------------------------------------------------------------------
 */

static void
put_data_row(StringInfo page, const char *name, const char *value)
{
	recmf_html_row_header(page, name);
	appendStringInfoString(page, "<td>");
	recmf_html_text(page, value);
	appendStringInfoString(page, "</td>");
	recmf_html_row_end(page);
}

static void
put_data(StringInfo page, const RecmfReport *report)
{
	static const char *const headers[] = {"Of", "What"};
	const RecmfReportVersion *version = &report->version;
	const RecmfModel *model = report->model;

	recmf_html_table(page, "Data and tables", lengthof(headers), headers);
	put_data_row(page, "Owner", version->owner);
	put_data_row(page, "Columns",
				 psprintf("%s, %s%s%s%s", model->user_col, model->item_col,
						  model->rating_col != NULL ? psprintf(", %s", model->rating_col) : "; every row counts 1",
						  version->weight_col != NULL ? ", " : "", version->weight_col != NULL ? version->weight_col : ""));
	put_data_row(page, "Ratings", psprintf("%s; %s skipped", recmf_count(version->n_ratings),
										   recmf_report_counted(version->n_skipped, "row", "rows")));
	put_data_row(page, "Rating, mean", psprintf("%s, from %s to %s", recmf_decimal(version->rating_mean, 4),
												recmf_decimal(version->rating_min, 4), recmf_decimal(version->rating_max, 4)));
	put_data_row(page, "Time", psprintf("reading %s, training %s, writing %s", recmf_report_seconds(version->read_seconds),
										recmf_report_seconds(version->train_seconds), recmf_report_seconds(version->write_seconds)));
	put_data_row(page, "Tables", psprintf("%s, %s", version->items_name, version->users_name));
	put_data_row(page, "Size, with indexes", bytes_text(version->bytes));
	recmf_html_table_end(page);
}

static void
put_options(StringInfo page, const RecmfReport *report)
{
	const char *headers[3];
	bool		any_changed = false;
	int			i;

	for (i = 0; i < report->n_options; i++)
		any_changed |= report->options[i].changed;

	recmf_report_open_section(page, RECMF_SECTION_OPTIONS);
	appendStringInfoString(page, "<div class=\"pair fill\">\n");
	headers[0] = "Option";
	headers[1] = "#Value";
	if (any_changed)
		headers[2] = psprintf("#In version %d", report->drift->before.model->version);
	recmf_html_table(page, "Options of training, as resolved", any_changed ? 3 : 2, headers);
	for (i = 0; i < report->n_options; i++)
	{
		const RecmfReportOption *option = &report->options[i];

		recmf_html_row_header(page, option->name);
		recmf_html_number(page, option->value != NULL ? option->value : "-");
		if (any_changed)
			recmf_html_number(page, !option->changed ? "the same" : option->before != NULL ? option->before : "-");
		recmf_html_row_end(page);
	}
	recmf_html_table_end(page);
	put_data(page, report);
	appendStringInfoString(page, "</div>\n");
	if (!OidIsValid(report->model->source_table) && report->version.source != NULL)
	{
		appendStringInfoString(page, "<h3>Source</h3>\n<pre><code>");
		recmf_html_text(page, report->version.source);
		appendStringInfoString(page, "</code></pre>\n");
	}
	recmf_report_close_section(page);
}

/* ------------------------------------------------------------------------
 * The page
 * ------------------------------------------------------------------------
 */

Datum
recmf_report_write(const RecmfReport *report)
{
	StringInfoData page;

	initStringInfo(&page);
	put_head(&page, report);
	recmf_report_quality(&page, report);
	put_training(&page, report);
	put_factors(&page, report);
	put_coverage(&page, report);
	put_top_items(&page, report);
	put_users(&page, report);
	put_similar(&page, report);
	recmf_report_drift(&page, report);
	put_options(&page, report);
	appendStringInfoString(&page, "</main>\n<footer><p>");
	recmf_html_printf(&page, "Made %s by recmf %s. Examples and lists are as the role that asked for this report may see them.",
					  report->made_at, RECMF_VERSION);
	appendStringInfoString(&page, "</p></footer></body></html>");
	return PointerGetDatum(cstring_to_text_with_len(page.data, page.len));
}
