/*
 * recmf_chart.c
 *	  Charts as inline SVG: see recmf_chart.h.
 *
 * A chart is drawn on a canvas of WIDTH by HEIGHT units and scaled by the
 * browser to the place that the page gives it.  Where that is narrow, the
 * style sheet makes the letters larger; the margins have room for that.
 * Where things lie is computed by the core (rmf_chart.h).
 */
#include "postgres.h"

#include <math.h>

#include "recmf_chart.h"
#include "recmf_html.h"

#define WIDTH 440
#define HEIGHT 268

/* The rectangle that is drawn in. */
#define LEFT 50
#define RIGHT (WIDTH - 22)
#define TOP 30
#define BOTTOM (HEIGHT - 46)

#define TICKS 6

/* A label under a bar needs so many units for each letter. */
#define LETTER 8

/* Small charts */
#define SMALL_WIDTH 300
#define SMALL_ROW 30
#define SMALL_TOP 4
#define SMALL_LEFT 2
#define SMALL_RIGHT (SMALL_WIDTH - 56)

/* ------------------------------------------------------------------------
 * What all charts have
 * ------------------------------------------------------------------------
 */

static void
open_figure(StringInfo page, const RecmfFigure *figure)
{
	appendStringInfoString(page, "<figure><figcaption>");
	recmf_html_text(page, figure->title);
	appendStringInfoString(page, "</figcaption>\n");
}

static void
open_picture(StringInfo page, const RecmfFigure *figure, int width, int height)
{
	appendStringInfo(page, "<svg role=\"img\" aria-labelledby=\"%s-title %s-desc\" viewBox=\"0 0 %d %d\""
					 " xmlns=\"http://www.w3.org/2000/svg\"><title id=\"%s-title\">",
					 figure->id, figure->id, width, height, figure->id);
	recmf_html_text(page, figure->title);
	appendStringInfo(page, "</title><desc id=\"%s-desc\">", figure->id);
	recmf_html_text(page, figure->description);
	appendStringInfoString(page, "</desc>\n");
}

static void
close_picture(StringInfo page)
{
	appendStringInfoString(page, "</svg>\n");
}

static void
put_label(StringInfo page, double x, double y, const char *anchor, const char *class, const char *text)
{
	appendStringInfo(page, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y, anchor);
	recmf_html_text(page, text);
	appendStringInfoString(page, "</text>\n");
}

static void
put_line(StringInfo page, const char *class, double x1, double y1, double x2, double y2)
{
	appendStringInfo(page, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
					 class, x1, y1, x2, y2);
}

static const char *
tick_label(const rmf_axis *axis, int tick, bool percent)
{
	char		numeral[RMF_NUMERAL];

	if (percent)
		return psprintf("%.0f%%", 100 * rmf_axis_at(axis, tick));
	rmf_numeral_tick(axis, tick, numeral);
	return pstrdup(numeral);
}

/* Titles of the axes, and the y axis with a line across for each tick. */
static void
put_frame(StringInfo page, const RecmfFigure *figure, const rmf_axis *y_axis, bool percent)
{
	int			tick;

	for (tick = 0; tick < y_axis->n; tick++)
	{
		double		y = rmf_axis_place(y_axis, BOTTOM, TOP, rmf_axis_at(y_axis, tick));

		put_line(page, tick == 0 ? "axis" : "grid", LEFT, y, RIGHT, y);
		put_label(page, LEFT - 7, y + 4, "end", "tick", tick_label(y_axis, tick, percent));
	}
	put_label(page, 4, 13, "start", "name", figure->y_title);
	put_label(page, (LEFT + RIGHT) / 2.0, HEIGHT - 6, "middle", "name", figure->x_title);
}

static void
put_x_ticks(StringInfo page, const rmf_axis *axis, int every, bool percent)
{
	int			tick;

	for (tick = 0; tick < axis->n; tick += every)
	{
		double		x = rmf_axis_place(axis, LEFT, RIGHT, rmf_axis_at(axis, tick));

		put_line(page, "axis", x, BOTTOM, x, BOTTOM + 4);
		put_label(page, x, BOTTOM + 18, "middle", "tick", tick_label(axis, tick, percent));
	}
}

static void
open_numbers(StringInfo page, const RecmfFigure *figure, int n_columns, const char *const *headers)
{
	appendStringInfoString(page, "<details><summary>Numbers<span class=\"unseen\"> of the chart: ");
	recmf_html_text(page, figure->title);
	appendStringInfoString(page, "</span></summary>\n");
	recmf_html_table(page, figure->title, n_columns, headers);
}

static void
close_figure(StringInfo page)
{
	recmf_html_table_end(page);
	appendStringInfoString(page, "</details></figure>\n");
}

/* ------------------------------------------------------------------------
 * Lines
 * ------------------------------------------------------------------------
 */

static void
range_of(int n_series, const RecmfSeries *series, int n, double *low, double *high)
{
	int			s;
	int			i;

	*low = INFINITY;
	*high = -INFINITY;
	for (s = 0; s < n_series; s++)
		for (i = 0; i < n; i++)
			if (isfinite(series[s].y[i]))
			{
				*low = Min(*low, series[s].y[i]);
				*high = Max(*high, series[s].y[i]);
			}
	if (*low > *high)
		*low = *high = 0;
}

static void
put_path(StringInfo page, const char *class, const RecmfLines *lines, const double *y,
		 const rmf_axis *x_axis, const rmf_axis *y_axis)
{
	bool		pen_down = false;
	int			i;

	appendStringInfo(page, "<path class=\"%s\" d=\"", class);
	for (i = 0; i < lines->n; i++)
	{
		if (isfinite(y[i]))
			appendStringInfo(page, "%s%.1f %.1f", pen_down ? "L" : "M",
							 rmf_axis_place(x_axis, LEFT, RIGHT, lines->x[i]),
							 rmf_axis_place(y_axis, BOTTOM, TOP, y[i]));
		pen_down = isfinite(y[i]);
	}
	appendStringInfoString(page, "\"/>\n");
}

static char *
shown(double value, bool percent)
{
	return percent ? recmf_percent(value, 1) : recmf_decimal(value, RECMF_CHART_DIGITS);
}

static char *
shown_x(const RecmfLines *lines, int point)
{
	return lines->whole_x ? recmf_count((int64) lines->x[point]) : shown(lines->x[point], lines->percent);
}

/* A dot where there is room for it, which says its numbers to the mouse. */
static void
put_dots(StringInfo page, const RecmfFigure *figure, const RecmfLines *lines,
		 const rmf_axis *x_axis, const rmf_axis *y_axis)
{
	const double *y = lines->series[0].y;
	int			i;

	for (i = 0; i < lines->n; i++)
	{
		bool		marked = i == lines->mark;

		if (!isfinite(y[i]) || (lines->n > 60 && !marked))
			continue;
		appendStringInfo(page, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>",
						 marked ? "mark" : "dot",
						 rmf_axis_place(x_axis, LEFT, RIGHT, lines->x[i]),
						 rmf_axis_place(y_axis, BOTTOM, TOP, y[i]), marked ? "5.5" : "2.6");
		recmf_html_printf(page, "%s %s: %s", figure->x_title, shown_x(lines, i), shown(y[i], lines->percent));
		appendStringInfoString(page, "</title></circle>\n");
	}
}

/* Which line is which. */
static void
put_legend(StringInfo page, const RecmfLines *lines)
{
	static const char *const swatches[] = {"line a", "line b", "even"};
	int			s;

	appendStringInfoString(page, "<ul class=\"legend\">");
	for (s = 0; s < lines->n_series + lines->diagonal; s++)
	{
		bool		is_diagonal = s == lines->n_series;

		appendStringInfo(page, "<li><svg aria-hidden=\"true\" width=\"26\" height=\"10\" viewBox=\"0 0 26 10\""
						 " xmlns=\"http://www.w3.org/2000/svg\"><path class=\"%s\" d=\"M1 5L25 5\"/></svg> ",
						 swatches[is_diagonal ? 2 : s]);
		recmf_html_text(page, is_diagonal ? "if all were the same" : lines->series[s].name);
		appendStringInfoString(page, "</li>");
	}
	appendStringInfoString(page, "</ul>\n");
}

static void
put_line_numbers(StringInfo page, const RecmfFigure *figure, const RecmfLines *lines)
{
	const char *headers[3];
	int			every = lines->rows > 0 ? Max((lines->n - 1) / lines->rows, 1) : 1;
	int			s;
	int			i;

	headers[0] = psprintf("#%s", figure->x_title);
	for (s = 0; s < lines->n_series; s++)
		headers[s + 1] = psprintf("#%s", lines->series[s].name);
	open_numbers(page, figure, lines->n_series + 1, headers);
	for (i = 0; i < lines->n; i += every)
	{
		recmf_html_row(page);
		appendStringInfoString(page, "<th scope=\"row\" class=\"n\">");
		recmf_html_text(page, shown_x(lines, i));
		appendStringInfoString(page, "</th>");
		for (s = 0; s < lines->n_series; s++)
			recmf_html_number(page, shown(lines->series[s].y[i], lines->percent));
		recmf_html_row_end(page);
	}
	close_figure(page);
}

void
recmf_chart_lines(StringInfo page, const RecmfFigure *figure, const RecmfLines *lines)
{
	rmf_axis	x_axis;
	rmf_axis	y_axis;
	double		low = 0;
	double		high = 1;

	if (!lines->percent)
		range_of(lines->n_series, lines->series, lines->n, &low, &high);
	rmf_axis_init(low, high, TICKS, false, &y_axis);
	if (lines->percent)
		rmf_axis_init(0, 1, TICKS, false, &x_axis);
	else
		rmf_axis_init(lines->x[0], lines->x[lines->n - 1], TICKS + 3, lines->whole_x, &x_axis);

	open_figure(page, figure);
	if (lines->n_series > 1 || lines->diagonal)
		put_legend(page, lines);
	open_picture(page, figure, WIDTH, HEIGHT);
	put_frame(page, figure, &y_axis, lines->percent);
	put_x_ticks(page, &x_axis, 1, lines->percent);
	if (lines->diagonal)
		put_line(page, "even", LEFT, BOTTOM, RIGHT, TOP);
	if (lines->n_series > 1)
		put_path(page, "line b", lines, lines->series[1].y, &x_axis, &y_axis);
	put_path(page, "line a", lines, lines->series[0].y, &x_axis, &y_axis);
	if (!lines->percent)
		put_dots(page, figure, lines, &x_axis, &y_axis);
	if (lines->mark >= 0)
	{
		double		x = rmf_axis_place(&x_axis, LEFT, RIGHT, lines->x[lines->mark]);
		double		y = rmf_axis_place(&y_axis, BOTTOM, TOP, lines->series[0].y[lines->mark]);
		bool		to_the_left = x > (LEFT + RIGHT) / 2.0;

		put_label(page, x + (to_the_left ? -6 : 6), y > BOTTOM - 20 ? y - 10 : y + 18,
				  to_the_left ? "end" : "start", "label", lines->mark_name);
	}
	close_picture(page);
	put_line_numbers(page, figure, lines);
}

/* ------------------------------------------------------------------------
 * Bars
 * ------------------------------------------------------------------------
 */

static char *
bar_label(const RecmfBars *bars, int bar)
{
	char		low[RMF_NUMERAL];
	char		high[RMF_NUMERAL];

	if (bars->labels != NULL)
		return pstrdup(bars->labels[bar]);
	rmf_numeral_fixed(rmf_axis_at(bars->axis, bar), bars->axis->decimals, low);
	rmf_numeral_fixed(rmf_axis_at(bars->axis, bar + 1), bars->axis->decimals, high);
	return psprintf("%s to %s", low, high);
}

void
recmf_chart_bars(StringInfo page, const RecmfFigure *figure, const RecmfBars *bars)
{
	const char *headers[2];
	rmf_axis	y_axis;
	int64		most = 0;
	double		step = (double) (RIGHT - LEFT) / bars->n;
	double		gap = bars->labels != NULL ? Min(step * 0.22, 12) : Min(step * 0.08, 1);
	int			longest = 0;
	int			every;
	int			i;

	for (i = 0; i < bars->n; i++)
	{
		most = Max(most, bars->counts[i]);
		if (bars->labels != NULL)
			longest = Max(longest, (int) strlen(bars->labels[i]));
	}
	rmf_axis_init(0, (double) Max(most, 1), TICKS, true, &y_axis);

	open_figure(page, figure);
	open_picture(page, figure, WIDTH, HEIGHT);
	put_frame(page, figure, &y_axis, false);
	for (i = 0; i < bars->n; i++)
	{
		double		x = LEFT + i * step + gap / 2;
		double		y = rmf_axis_place(&y_axis, BOTTOM, TOP, (double) bars->counts[i]);

		if (bars->counts[i] == 0)
			continue;
		/* few are few, not none */
		y = Min(y, BOTTOM - 1);
		appendStringInfo(page, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
						 x, y, step - gap, BOTTOM - y);
		recmf_html_printf(page, "%s: %s", bar_label(bars, i), recmf_count(bars->counts[i]));
		appendStringInfoString(page, "</title></rect>\n");
	}
	if (bars->labels != NULL)
	{
		every = Max((int) ceil((longest + 1) * LETTER / step), 1);
		for (i = 0; i < bars->n; i += every)
			put_label(page, LEFT + (i + 0.5) * step, BOTTOM + 18, "middle", "tick", bars->labels[i]);
	}
	else
		put_x_ticks(page, bars->axis, (bars->n + TICKS) / TICKS, false);
	close_picture(page);

	headers[0] = figure->x_title;
	headers[1] = psprintf("#%s", figure->y_title);
	open_numbers(page, figure, 2, headers);
	for (i = 0; i < bars->n; i++)
	{
		recmf_html_row_header(page, bar_label(bars, i));
		recmf_html_number(page, recmf_count(bars->counts[i]));
		recmf_html_row_end(page);
	}
	close_figure(page);
}

/* ------------------------------------------------------------------------
 * Comparisons
 * ------------------------------------------------------------------------
 */

void
recmf_chart_compare(StringInfo page, const RecmfFigure *figure, int n, const RecmfCompared *rows)
{
	rmf_axis	axis;
	double		low = 0;
	double		high = 0;
	double		zero;
	int			i;

	for (i = 0; i < n; i++)
	{
		if (isfinite(rows[i].value))
		{
			low = Min(low, rows[i].value);
			high = Max(high, rows[i].value);
		}
		if (isfinite(rows[i].low))
			low = Min(low, rows[i].low);
		if (isfinite(rows[i].high))
			high = Max(high, rows[i].high);
	}
	/* no ticks: from the least to the greatest */
	axis.first = low;
	axis.step = high > low ? high - low : 1;
	axis.n = 2;
	axis.decimals = 0;
	zero = rmf_axis_place(&axis, SMALL_LEFT, SMALL_RIGHT, 0);

	open_figure(page, figure);
	open_picture(page, figure, SMALL_WIDTH, n * SMALL_ROW + SMALL_TOP + 2);
	for (i = 0; i < n; i++)
	{
		double		y = SMALL_TOP + i * SMALL_ROW;
		double		end;

		put_label(page, SMALL_LEFT, y + 11, "start", i == 0 ? "label" : "tick", rows[i].name);
		if (!isfinite(rows[i].value))
			continue;
		end = rmf_axis_place(&axis, SMALL_LEFT, SMALL_RIGHT, rows[i].value);
		appendStringInfo(page, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"9\"/>\n",
						 i == 0 ? "bar" : "bar other", Min(zero, end), y + 16, Max(fabs(end - zero), 1));
		if (isfinite(rows[i].low) && isfinite(rows[i].high))
		{
			double		x1 = rmf_axis_place(&axis, SMALL_LEFT, SMALL_RIGHT, rows[i].low);
			double		x2 = rmf_axis_place(&axis, SMALL_LEFT, SMALL_RIGHT, rows[i].high);

			appendStringInfo(page, "<path class=\"interval\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv7M%.1f %.1fv7\"/>\n",
							 x1, y + 20.5, x2, x1, y + 17, x2, y + 17);
		}
		put_label(page, SMALL_WIDTH - 2, y + 24, "end", i == 0 ? "label" : "tick", recmf_decimal(rows[i].value, 3));
	}
	put_line(page, "axis", zero, SMALL_TOP + 12, zero, SMALL_TOP + n * SMALL_ROW - 2);
	close_picture(page);
	appendStringInfoString(page, "</figure>\n");
}
