/*
 * rmf_mips_loops.h
 *	  The loops of rmf_mips_levels.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_MIPS_TABLE		the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use the level's
 * registers.  Sums of codes are integers, the same at every level.  What turns
 * them into bounds is double: no product of floats leaves its range, and its
 * rounding (each of a dozen operations 2^-53) is far below the 2^-23 by which
 * a bound is raised before it becomes a float.
 */
#include <float.h>
#include <math.h>

#include "rmf_mips_levels.h"

/* At least x for a double x: 2^-23 covers the rounding to a float, and what x lost itself. */
static inline float
raise_to_float(double x)
{
	double		raised = x + fabs(x) * 0x1p-23 + 0x1p-149;

	return (float) (raised < -FLT_MAX ? -FLT_MAX : raised);
}

static inline double
limited(double x, double limit)
{
	return x < limit ? x : limit;
}

/*
 * u·v = scale_u scale_v (code_u·code_v) + lost_u·(scale_v code_v) + u·lost_v;
 * ‖scale_v code_v‖ is at most norm + error.
 */
static inline double
bound_product(const rmf_mips_query *query, const rmf_mips_entry *entry, int32_t sum, double lost)
{
	double		norm = limited(entry->norm, query->norm_limit);
	double		error = entry->error;

	return query->scale * (double) entry->scale * (double) sum +
		lost * (norm + error) + query->largest_norm * error;
}

static void
inner_product(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
			  const int32_t *sum, float *upper)
{
	double		lost = query->lost + query->rounding * query->largest_norm;

	for (int32_t i = 0; i < n; i++)
		upper[i] = raise_to_float(bound_product(query, entries + i, sum[i], lost));
}

static void
cosine(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
	   const int32_t *sum, float *upper)
{
	double		smallest = query->largest_norm > 0.0 ? query->smallest_norm : 1.0;
	double		largest = query->largest_norm > 0.0 ? query->largest_norm : 1.0;

	for (int32_t i = 0; i < n; i++)
	{
		double		product = bound_product(query, entries + i, sum[i], query->lost);
		double		norm = limited(entries[i].norm, query->norm_limit);
		double		low = rmf_mips_norm_low(entries[i].norm);
		double		divisor = product > 0.0 ? smallest * low : largest * (norm > low ? norm : low);
		double		ratio = product / divisor + query->rounding;

		ratio = ratio < 1.0 ? ratio : 1.0;
		upper[i] = raise_to_float(ratio > -1.0 ? ratio : -1.0);
	}
}

/*
 * ‖u - v‖ >= ‖scale_u code_u - scale_v code_v‖ - ‖lost_u‖ - ‖lost_v‖.  The
 * square on the right is a difference of exact integers times scales; 2^-48
 * of its positive terms covers what three products and sums in double lose.
 */
static void
distance(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
		 const int32_t *sum, const int32_t *square, float *upper)
{
	double		own = query->scale * query->scale * query->code_square;

	for (int32_t i = 0; i < n; i++)
	{
		double		scale = entries[i].scale;
		double		squares = own + scale * scale * (double) square[i];
		double		between = squares - 2.0 * query->scale * scale * (double) sum[i] - squares * 0x1p-48;
		double		least = sqrt(between > 0.0 ? between : 0.0) * (1.0 - 0x1p-50) -
			(query->lost + (double) entries[i].error);

		least = least * (1.0 - query->rounding);
		upper[i] = raise_to_float(least > 0.0 ? -least : 0.0);
	}
}

/* low and high lie beside each other, and so do their weights: one of each pair is zero. */
static double
along_box(const rmf_mips_query *query, const rmf_mips_bound *bound)
{
	int			n = 2 * query->space->n_leading;
	const double *weight = query->weight[0];
	const float *range = &bound->range[0].low;
	double		sum[8] = {0};
	int			i = 0;

	for (; i + 8 <= n; i += 8)
		for (int k = 0; k < 8; k++)
			sum[k] += weight[i + k] * (double) range[i + k];
	for (; i < n; i++)
		sum[0] += weight[i] * (double) range[i];

	return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void
products(int32_t n, size_t bytes, const int16_t *query, const int8_t *codes, int32_t *sum)
{
	for (int32_t i = 0; i < n; i++)
	{
		const int8_t *code = codes + (size_t) i * bytes;
		int32_t		s = 0;

		for (size_t k = 0; k < bytes; k++)
			s += query[k] * code[k];
		sum[i] = s;
	}
}

static void
squares(int32_t n, size_t bytes, const int8_t *codes, int32_t *square)
{
	for (int32_t i = 0; i < n; i++)
	{
		const int8_t *code = codes + (size_t) i * bytes;
		int32_t		s = 0;

		for (size_t k = 0; k < bytes; k++)
			s += code[k] * code[k];
		square[i] = s;
	}
}

static const rmf_mips_kernels kernels = {
	.products = products,
	.squares = squares,
	.inner_product = inner_product,
	.cosine = cosine,
	.distance = distance,
	.along_box = along_box
};

const rmf_mips_kernels *const RMF_MIPS_TABLE = &kernels;
