/*
 * recmf_chart.h
 *	  Charts as inline SVG, each with its numbers as a table.
 *
 * Every chart is a <figure>: a caption, the picture, which has a title and a
 * description for those who do not see it, and the numbers in <details>.
 * Colours come from the page's style sheet, by class, so that they follow its
 * scheme; no meaning is in a colour alone.
 */
#ifndef RECMF_CHART_H
#define RECMF_CHART_H

#include "postgres.h"

#include "core/rmf_chart.h"
#include "lib/stringinfo.h"

/* Beside this a number is shown with so many digits. */
#define RECMF_CHART_DIGITS 4

typedef struct RecmfFigure
{
	const char *id;				/* of the page's elements; a letter first, no two the same */
	const char *title;
	const char *description;	/* what the picture shows, in words */
	const char *x_title;
	const char *y_title;
} RecmfFigure;

typedef struct RecmfSeries
{
	const char *name;
	const double *y;			/* NaN: no point */
} RecmfSeries;

typedef struct RecmfLines
{
	int			n;				/* points */
	const double *x;
	int			n_series;		/* 1 or 2 */
	RecmfSeries series[2];
	bool		whole_x;
	bool		percent;		/* both axes from 0 to 1, shown in percent */
	bool		diagonal;		/* what it would be if all were the same */
	int			mark;			/* a point of the first series to be marked, or -1 */
	const char *mark_name;
	int			rows;			/* of the table: about so many points, evenly; 0: all */
} RecmfLines;

extern void recmf_chart_lines(StringInfo page, const RecmfFigure *figure, const RecmfLines *lines);

typedef struct RecmfBars
{
	int			n;
	const int64 *counts;
	const char *const *labels;	/* under the bars; NULL: they stand between the ticks of "axis" */
	const rmf_axis *axis;		/* n + 1 ticks */
} RecmfBars;

extern void recmf_chart_bars(StringInfo page, const RecmfFigure *figure, const RecmfBars *bars);

/* One value of several side by side, with its interval. */
typedef struct RecmfCompared
{
	const char *name;
	double		value;
	double		low;			/* NaN: none */
	double		high;
} RecmfCompared;

/* A small one, without a table of its own: the caller has one of all.  The first row stands out. */
extern void recmf_chart_compare(StringInfo page, const RecmfFigure *figure, int n, const RecmfCompared *rows);

#endif							/* RECMF_CHART_H */
