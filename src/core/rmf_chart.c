/*
 * rmf_chart.c
 *	  Numbers of charts: see rmf_chart.h.
 *
 * Ticks are found on whole multiples of the step, and not by adding it up, so
 * that 0.3 is not 0.30000000000000004 and zero is zero.
 */
#include "rmf_chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* So that no difference of two bounds overflows, and no power of ten. */
#define FARTHEST 1e300
#define NEAREST 1e-290

/* Below and above these a numeral has an exponent. */
#define TINY 1e-4
#define HUGE_NUMBER 1e15

static double
bounded(double value)
{
	if (!isfinite(value) || fabs(value) < NEAREST)
		return 0;
	return fmin(fmax(value, -FARTHEST), FARTHEST);
}

/* A multiple of a power of ten, which is exact to the last bit where that can be. */
static double
decimal(double multiple, int exponent)
{
	return exponent >= 0 ? multiple * pow(10, exponent) : multiple / pow(10, -exponent);
}

/* Whether steps of this size cover the range with at most "most" ticks. */
static int
covers(double low, double high, double digit, int exponent, int most, rmf_axis *axis)
{
	double		step = decimal(digit, exponent);

	/* a bound that is a multiple but for rounding needs no further tick */
	double		below = floor(low / step + 1e-9);
	double		above = ceil(high / step - 1e-9);

	if (above - below + 1 > most)
		return 0;
	if (above == below)
		above = below + 1;
	axis->first = decimal(below * digit, exponent);
	axis->step = step;
	axis->n = (int) (above - below) + 1;
	return 1;
}

void
rmf_axis_init(double low, double high, int most, int whole, rmf_axis *axis)
{
	static const double digits[] = {1, 2, 5};
	int			exponent;

	low = bounded(low);
	high = bounded(high);
	if (low > high)
	{
		double		other = low;

		low = high;
		high = other;
	}
	/* closer together than numbers of this size can be told apart */
	if (!(high - low > 1e-12 * fmax(fabs(low), fabs(high))))
	{
		double		room = low == 0 ? 1 : fabs(low) * 0.1;

		if (whole && room < 1)
			room = 1;
		if (low != 0)
			low -= room;
		high += room;
	}

	exponent = (int) floor(log10((high - low) / most)) - 1;
	if (whole && exponent < 0)
		exponent = 0;
	for (;; exponent++)
		for (int i = 0; i < 3; i++)
			if (covers(low, high, digits[i], exponent, most, axis))
			{
				axis->decimals = exponent < 0 ? -exponent : 0;
				return;
			}
}

double
rmf_axis_place(const rmf_axis *axis, double from, double to, double value)
{
	double		share = (bounded(value) - axis->first) / (rmf_axis_last(axis) - axis->first);

	return from + (to - from) * fmin(fmax(share, 0), 1);
}

/* Puts commas between thousands of a numeral as printf() writes it. */
static void
separate_thousands(char *numeral)
{
	char		plain[RMF_NUMERAL];
	const char *from = plain;
	char	   *to = numeral;
	size_t		whole;

	strcpy(plain, numeral);
	if (*from == '-')
		*to++ = *from++;
	whole = strspn(from, "0123456789");
	/* as many commas as there is room for */
	if (strlen(plain) + whole / 3 >= RMF_NUMERAL)
		return;
	for (size_t i = 0; i < whole; i++)
	{
		if (i > 0 && (whole - i) % 3 == 0)
			*to++ = ',';
		*to++ = from[i];
	}
	strcpy(to, from + whole);
}

/* "-0.00" is no number that anybody wants to read. */
static void
drop_sign_of_zero(char *numeral)
{
	if (numeral[0] == '-' && strspn(numeral + 1, "0.") == strlen(numeral + 1))
		memmove(numeral, numeral + 1, strlen(numeral));
}

void
rmf_numeral_count(int64_t value, char *numeral)
{
	snprintf(numeral, RMF_NUMERAL, "%lld", (long long) value);
	separate_thousands(numeral);
}

void
rmf_numeral_fixed(double value, int decimals, char *numeral)
{
	if (!isfinite(value) || fabs(value) >= HUGE_NUMBER)
	{
		snprintf(numeral, RMF_NUMERAL, "%.4g", value);
		return;
	}
	if (decimals > 20)
		decimals = 20;
	snprintf(numeral, RMF_NUMERAL, "%.*f", decimals, value);
	drop_sign_of_zero(numeral);
	separate_thousands(numeral);
}

void
rmf_numeral(double value, int significant, char *numeral)
{
	int			decimals;

	if (value == 0)
	{
		strcpy(numeral, "0");
		return;
	}
	if (!isfinite(value) || fabs(value) < TINY || fabs(value) >= HUGE_NUMBER)
	{
		snprintf(numeral, RMF_NUMERAL, "%.*g", significant, value);
		return;
	}
	decimals = significant - 1 - (int) floor(log10(fabs(value)));
	if (decimals < 0 || (value == floor(value) && fabs(value) >= 1000))
		decimals = 0;
	rmf_numeral_fixed(value, decimals, numeral);
}

void
rmf_numeral_tick(const rmf_axis *axis, int tick, char *numeral)
{
	static const struct
	{
		double		size;
		int			exponent;
		const char *letter;
	}			units[] = {{1e12, 12, "T"}, {1e9, 9, "G"}, {1e6, 6, "M"}, {1e3, 3, "k"}};
	double		value = rmf_axis_at(axis, tick);
	double		farthest = fmax(fabs(axis->first), fabs(rmf_axis_last(axis)));

	if (farthest >= HUGE_NUMBER || (farthest < 1e-3 && farthest > 0))
	{
		snprintf(numeral, RMF_NUMERAL, "%.3g", value);
		return;
	}
	/* the same unit on the whole axis, with the decimals that tell its ticks apart */
	if (farthest >= 1e4)
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (farthest >= units[i].size)
			{
				int			decimals = units[i].exponent - (int) floor(log10(axis->step) + 1e-9);

				if (value == 0)
					strcpy(numeral, "0");
				else
				{
					rmf_numeral_fixed(value / units[i].size, decimals > 0 ? decimals : 0, numeral);
					strcat(numeral, units[i].letter);
				}
				return;
			}
	rmf_numeral_fixed(value, axis->decimals, numeral);
}

int
rmf_doubling_bin(int64_t value)
{
	int			bin = 0;

	for (; value > 0; value >>= 1)
		bin++;
	return bin;
}

void
rmf_doubling_bounds(int bin, int64_t *low, int64_t *high)
{
	*low = bin > 0 ? (int64_t) 1 << (bin - 1) : 0;
	*high = bin > 0 ? *low + (*low - 1) : 0;
}
