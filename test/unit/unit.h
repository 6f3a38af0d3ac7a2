/*
 * unit.h
 *	  Checks for the C tests of the core.  A test file is a program: CHECK()s
 *	  in main(), then return unit_report().
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>

static int	unit_passed;
static int	unit_failed;

#define CHECK(condition) \
	((condition) ? (void) unit_passed++ : \
	 (unit_failed++, (void) fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition)))

/* |a - b| <= tolerance; false for NaN. */
#define CHECK_NEAR(a, b, tolerance) \
	do { \
		double		unit_a = (a), unit_b = (b), unit_d = unit_a > unit_b ? unit_a - unit_b : unit_b - unit_a; \
		if (unit_d <= (tolerance)) \
			unit_passed++; \
		else \
		{ \
			unit_failed++; \
			fprintf(stderr, "%s:%d: %s = %.9g is not within %.3g of %s = %.9g\n", \
					__FILE__, __LINE__, #a, unit_a, (double) (tolerance), #b, unit_b); \
		} \
	} while (0)

static inline int
unit_report(const char *name)
{
	printf("%s: %d passed, %d failed\n", name, unit_passed, unit_failed);
	return unit_failed ? 1 : 0;
}

#endif							/* UNIT_H */
