/*
 * rmf_chart.h
 *	  Numbers of charts: axes with round ticks, scales, bins, and numbers as a
 *	  reader wants them.
 */
#ifndef RMF_CHART_H
#define RMF_CHART_H

#include <stddef.h>
#include <stdint.h>

/* An axis: from "first" to first + (n - 1) * step, a tick every "step", which is 1, 2 or 5 times a power of ten. */
typedef struct rmf_axis
{
	double		first;
	double		step;
	int			n;				/* >= 2 */
	int			decimals;		/* that the step has */
} rmf_axis;

/*
 * The axis with the most ticks, at most "most" (>= 3), that covers what lies
 * between low and high.  whole: no step below 1.  Where both are the same it
 * is made wider; what isn't finite counts as 0.
 */
extern void rmf_axis_init(double low, double high, int most, int whole, rmf_axis *axis);

static inline double
rmf_axis_at(const rmf_axis *axis, int tick)
{
	return axis->first + tick * axis->step;
}

static inline double
rmf_axis_last(const rmf_axis *axis)
{
	return rmf_axis_at(axis, axis->n - 1);
}

/* Where a value lies when the axis goes from "from" to "to" (which may be below it); no further out than they are. */
extern double rmf_axis_place(const rmf_axis *axis, double from, double to, double value);

/* A numeral has at most so many bytes, with its end. */
#define RMF_NUMERAL 64

/* 12,345 */
extern void rmf_numeral_count(int64_t value, char *numeral);

/*
 * About so many significant digits, thousands separated, no digits of the
 * whole part lost: 0.1235, 12.3, 12,345.  Far from 1 with an exponent.
 */
extern void rmf_numeral(double value, int significant, char *numeral);

/* With so many decimals. */
extern void rmf_numeral_fixed(double value, int decimals, char *numeral);

/* Short, for a tick: 0.25, 1,500, 20k, 1.5M. */
extern void rmf_numeral_tick(const rmf_axis *axis, int tick, char *numeral);

/*
 * Bins that double: 0 for what is below 1, 1 for 1, 2 for 2 and 3, 3 for 4 to
 * 7, ...
 */
#define RMF_DOUBLING_BINS 64
extern int	rmf_doubling_bin(int64_t value);
extern void rmf_doubling_bounds(int bin, int64_t *low, int64_t *high);

#endif							/* RMF_CHART_H */
