/*
 * rmf_random.c
 *	  Hashing and normally distributed numbers that are the same everywhere.
 *
 * Only integer arithmetic and the IEEE operations that round correctly
 * (+ - * / and sqrt) are used; the C library's log() may differ in the last
 * bit from one machine to the next, so the logarithm is our own.  The file
 * must not be compiled with contraction to fused multiply-add.
 */
#include <math.h>

#include "rmf_random.h"

uint64_t
rmf_hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const unsigned char *byte = bytes;
	uint64_t	hash = rmf_mix64(seed ^ (uint64_t) length);

	for (; length >= 8; length -= 8)
	{
		uint64_t	word = 0;

		/* compilers make one load of it */
		for (int i = 0; i < 8; i++)
			word |= (uint64_t) byte[i] << (8 * i);
		hash = rmf_mix64(hash ^ word);
		byte += 8;
	}
	if (length > 0)
	{
		uint64_t	word = 0;

		for (size_t i = 0; i < length; i++)
			word |= (uint64_t) byte[i] << (8 * i);
		hash = rmf_mix64(hash ^ word);
	}
	return hash;
}

/* The next of a stream: uniform on the multiples of 2^-52 in [-1, 1). */
static double
next_uniform(uint64_t *state)
{
	uint64_t	bits = rmf_mix64(*state);

	*state += UINT64_C(0x9E3779B97F4A7C15);
	return (double) (bits >> 11) * 0x1p-52 - 1.0;
}

/*
 * log(x) for 0 < x < 1: with x = m 2^e and z = (m - 1) / (m + 1),
 * log(m) = 2 (z + z^3/3 + z^5/5 + ...).  m is within [sqrt(1/2), sqrt(2)), so
 * z^2 < 0.03 and the terms left out are below 1e-17.
 */
static double
natural_log(double x)
{
	int			exponent;
	double		m = frexp(x, &exponent);
	double		z,
				square,
				sum = 0;

	if (m < 0.70710678118654752440)
	{
		m *= 2;
		exponent--;
	}
	z = (m - 1) / (m + 1);
	square = z * z;
	for (int k = 23; k >= 3; k -= 2)
		sum = (sum + 1.0 / k) * square;
	return 2 * z * (1 + sum) + exponent * 0.69314718055994530942;
}

/* Marsaglia's polar method: a point in the unit disc gives two draws. */
void
rmf_random_normal(uint64_t key, uint64_t seed, double sd, int64_t n, float *out)
{
	uint64_t	state = rmf_mix64(key ^ rmf_mix64(seed));

	for (int64_t i = 0; i < n; i += 2)
	{
		double		x,
					y,
					square,
					scale;

		do
		{
			x = next_uniform(&state);
			y = next_uniform(&state);
			square = x * x + y * y;
		} while (square >= 1 || square == 0);

		scale = sd * sqrt(-2 * natural_log(square) / square);
		out[i] = (float) (scale * x);
		if (i + 1 < n)
			out[i + 1] = (float) (scale * y);
	}
}

double
rmf_exponential(uint64_t hash)
{
	/* the middle of one of 2^52 parts of 0..1 */
	return -natural_log(((double) (hash >> 12) + 0.5) * 0x1p-52);
}
