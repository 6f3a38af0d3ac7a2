/*
 * rmf_mips_query.c
 *	  A query of exact maximum inner product search: the bounds that a scan goes
 *	  by, and the heap of what waits for its turn.
 *
 * What was stored was computed in double by plain loops (rmf_mips.c); what is
 * done for each entry or block here runs at the processor's level
 * (rmf_mips_loops.h).
 *
 * The leading directions are floats and so not quite orthonormal:
 * B Bᵀ = I + D with ‖D‖ at most RMF_MIPS_NOT_ORTHONORMAL.  With M = I - Bᵀ B, in which
 * M = M² - Bᵀ D B,
 *
 *		u·v = (B u)·(B v) + uᵀ M v <= (B u)·(B v) + ‖M u‖ ‖M v‖ + ‖D‖ ‖B u‖ ‖B v‖
 *		‖M v‖² <= ‖v‖² - ‖B v‖² + ‖D‖ ‖B v‖²
 *
 * so each use of "the rest" makes up for ‖D‖ (RMF_MIPS_NOT_ORTHONORMAL).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_mips.h"
#include "rmf_mips_levels.h"
#include "rmf_mips_private.h"
#include "rmf_vector.h"

/* The largest number in a query's code of 16 bits. */
#define LARGEST_QUERY_CODE 32767

/* How many entries are scored at a time. */
#define SCORE_CHUNK 256

const rmf_mips_kernels *
rmf_mips_kernels_of(int level)
{
	if (rmf_vector_kernels_of((rmf_cpu_level) level) == NULL)
		return NULL;

	switch (level)
	{
		case RMF_CPU_AVX512:
			return rmf_mips_avx512;
		case RMF_CPU_AVX2:
			return rmf_mips_avx2;
		default:
			return rmf_mips_baseline;
	}
}

size_t
rmf_mips_query_size(int32_t dimensions)
{
	return rmf_mips_code_size(dimensions) * sizeof(int16_t);
}

/*
 * What the operators lose, in the order of rmf_vector_loops.h at the level that
 * loses most: 16 lanes for a product (8 in the pass that takes norms too), a
 * product's own rounding, up to three products in one lane more than its
 * share, and the tree.  A sum below what floats can be trusted with is taken
 * again in double; one above it has lost at most 2^-24 of itself to underflow.
 * A difference is rounded before it is squared; its sum has positive terms
 * alone, and the root halves the loss.
 */
static double
operator_rounding(rmf_mips_metric metric, int32_t dimensions)
{
	double		n = (double) dimensions;

	switch (metric)
	{
		case RMF_MIPS_COSINE:
			return (2.0 * (n / 8.0 + 12.0) + n * 0x1p-20) * 0x1p-24;
		case RMF_MIPS_L2:
			return (n / 16.0 + 16.0) * 0x1p-24;
		default:
			return (n / 16.0 + 12.0) * 0x1p-24;
	}
}

/*
 * The largest number in the query's code: the sum of its products with a code
 * fits 32 bits.
 */
static double
largest_query_code(int32_t dimensions)
{
	double		fits = floor((double) INT32_MAX / RMF_MIPS_LARGEST_CODE / dimensions);

	return fits < LARGEST_QUERY_CODE ? fits : LARGEST_QUERY_CODE;
}

void
rmf_mips_query_prepare(const rmf_mips_space *space, rmf_mips_metric metric,
					   const float *u, void *memory, rmf_mips_query *query)
{
	int32_t		d = space->dimensions;
	double		largest = 0.0;
	double		square = 0.0;
	double		lost = 0.0;
	double		code_square = 0.0;
	double		rest = 0.0;
	double		norm;

	query->space = space;
	query->metric = metric;
	query->kernels = rmf_mips_kernels_of((int) rmf_cpu_best());
	query->code = memory;
	query->norm_limit = (double) FLT_MAX * sqrt((double) d) * (1.0 + 0x1p-40);
	query->rounding = operator_rounding(metric, d);

	for (int32_t i = 0; i < d; i++)
	{
		largest = fmax(largest, fabs((double) u[i]));
		square += (double) u[i] * (double) u[i];
	}
	norm = sqrt(square);
	query->smallest_norm = norm * (1.0 - RMF_MIPS_SUM_LOSS(d));
	query->largest_norm = norm * (1.0 + RMF_MIPS_SUM_LOSS(d));
	query->inverse_norm = norm > 0.0 ? 1.0 / query->largest_norm : 0.0;

	memset(query->code, 0, rmf_mips_query_size(d));
	query->scale = largest / largest_query_code(d);
	for (int32_t i = 0; i < d && largest > 0.0; i++)
	{
		double		c = nearbyint((double) u[i] / query->scale);
		double		left = (double) u[i] - query->scale * c;

		query->code[i] = (int16_t) c;
		code_square += c * c;
		lost += left * left;
	}
	query->code_square = code_square;
	/* The products in "left" are rounded too: by 2^-53 of u. */
	query->lost = sqrt(lost) * (1.0 + RMF_MIPS_SUM_LOSS(d)) + norm * 0x1p-50;

	for (int32_t j = 0; j < space->n_leading; j++)
	{
		const float *row = space->leading + (size_t) j * d;
		double		sum = 0.0;

		for (int32_t i = 0; i < d; i++)
			sum += (double) row[i] * (double) u[i];
		query->along[j] = sum;
		query->pair[j][0] = query->pair[j][1] = sum;
		query->weight[j][0] = fmin(sum, 0.0);
		query->weight[j][1] = fmax(sum, 0.0);
	}
	for (int32_t i = 0; i < d; i++)
	{
		double		left = (double) u[i];

		for (int32_t j = 0; j < space->n_leading; j++)
			left -= query->along[j] * (double) space->leading[(size_t) j * d + i];
		rest += left * left;
	}
	rest = sqrt(rest);
	query->rest = rest * (1.0 + RMF_MIPS_SUM_LOSS(d)) + norm * RMF_MIPS_SUM_LOSS(d);
	query->smallest_rest = fmax(rest * (1.0 - RMF_MIPS_SUM_LOSS(d)) - norm * RMF_MIPS_SUM_LOSS(d), 0.0);
}

/* Not fmin() and fmax(), which are calls: nothing here is NaN. */
static inline double
smaller(double a, double b)
{
	return a < b ? a : b;
}

static inline double
larger(double a, double b)
{
	return a > b ? a : b;
}

/* A double's bound as a float: see raise_to_float() in rmf_mips_loops.h. */
static float
raised(double x)
{
	double		y = x + fabs(x) * 0x1p-23 + 0x1p-149;

	return (float) (y < -FLT_MAX ? -FLT_MAX : y);
}

/*
 * At most ‖t u - v‖ for all that the bound holds for: the box and the rest are
 * those of scale code, so that the error is taken off.
 *
 *		‖x‖² >= (‖B x‖² + ‖M x‖²) (1 - ‖D‖)
 */
static double
nearest(const rmf_mips_query *query, const rmf_mips_bound *bound, double t)
{
	double		square = query->kernels->outside_box(query, bound, t);
	double		rest = t * query->smallest_rest - (double) bound->rest;

	if (rest > 0.0)
		square += rest * rest;
	/* The second term is what a, and with it each distance, lost to rounding. */
	return sqrt(square) * (1.0 - 2.0 * RMF_MIPS_NOT_ORTHONORMAL) -
		t * query->largest_norm * RMF_MIPS_SUM_LOSS(query->space->dimensions) - (double) bound->error;
}

/*
 * The smallest of three bounds of u·v, with N the largest norm:
 *
 *		‖u‖ N
 *		(‖t u‖² + N² - ‖t u - v‖²) / (2 t), with t = N / ‖u‖, where ‖t u - v‖ is
 *			at least the distance to the box: ‖u‖ (N - distance² / (2 N))
 *		sum_j max(a_j low_j, a_j high_j) + ‖u_rest‖ rest + ‖u‖ error
 *
 * The second knows that no v is longer than N: at a corner of the box with a
 * long rest beside it, one would be.  The third is better for large boxes and
 * for blocks on the other side of the origin.
 */
static double
bound_of_product(const rmf_mips_query *query, const rmf_mips_bound *bound, double norm)
{
	double		longest = query->largest_norm * norm;
	double		error = (double) bound->error;
	double		box;
	double		distance;

	if (longest == 0.0)
		return 0.0;
	box = query->kernels->along_box(query, bound) + query->rest * (double) bound->rest +
		query->largest_norm * error +
	/* ‖D‖, and the rounding of a and of the sum */
		query->largest_norm * (norm + error) * 2.0 * RMF_MIPS_NOT_ORTHONORMAL;
	distance = nearest(query, bound, norm * query->inverse_norm);
	if (distance > 0.0)
		longest -= query->largest_norm * (distance * distance / (2.0 * norm)) * (1.0 - 0x1p-40);
	longest += query->largest_norm * norm * 0x1p-40;
	return smaller(box, longest);
}

float
rmf_mips_bound_score(const rmf_mips_query *query, const rmf_mips_bound *bound)
{
	double		norm = smaller(bound->largest_norm, query->norm_limit);
	double		product;
	double		small;

	/* Of none. */
	if (bound->smallest_norm > bound->largest_norm)
		return -FLT_MAX;

	if (query->metric == RMF_MIPS_L2)
	{
		double		least = larger(nearest(query, bound, 1.0), query->smallest_norm - norm);

		if (bound->smallest_norm > 0.0f)
			least = larger(least, rmf_mips_norm_low(bound->smallest_norm) - query->largest_norm);
		return raised(-larger(least, 0.0) * (1.0 - query->rounding));
	}

	product = bound_of_product(query, bound, norm);
	if (query->metric == RMF_MIPS_INNER_PRODUCT)
		return raised(product + query->rounding * query->largest_norm * norm);

	if (query->largest_norm == 0.0)
		return raised(0.0);
	small = rmf_mips_norm_low(bound->smallest_norm);
	if (product > 0.0)
		product /= query->smallest_norm * small;
	else
		product /= query->largest_norm * larger(norm, small);
	return raised(smaller(product + query->rounding, 1.0));
}

void
rmf_mips_score(const rmf_mips_query *query, int32_t n, const int8_t *codes,
			   const rmf_mips_entry *entries, float *upper)
{
	const rmf_mips_kernels *kernels = query->kernels;
	size_t		bytes = rmf_mips_code_size(query->space->dimensions);
	int32_t		sum[SCORE_CHUNK];
	int32_t		square[SCORE_CHUNK];

	for (int32_t from = 0; from < n; from += SCORE_CHUNK)
	{
		int32_t		chunk = n - from < SCORE_CHUNK ? n - from : SCORE_CHUNK;
		const int8_t *chunk_codes = codes + (size_t) from * bytes;

		kernels->products(chunk, bytes, query->code, chunk_codes, sum);
		switch (query->metric)
		{
			case RMF_MIPS_INNER_PRODUCT:
				kernels->inner_product(query, chunk, entries + from, sum, upper + from);
				break;
			case RMF_MIPS_COSINE:
				kernels->cosine(query, chunk, entries + from, sum, upper + from);
				break;
			case RMF_MIPS_L2:
				kernels->squares(chunk, bytes, chunk_codes, square);
				kernels->distance(query, chunk, entries + from, sum, square, upper + from);
				break;
		}
	}
}

int32_t
rmf_mips_at_least(int32_t n, const float *upper, float enough, int32_t *place, float *left)
{
	return rmf_mips_kernels_of((int) rmf_cpu_best())->at_least(n, upper, enough, place, left);
}

double
rmf_mips_distance(const rmf_mips_query *query, float upper)
{
	if (query->metric == RMF_MIPS_COSINE)
		return upper < 1.0f ? 1.0 - (double) upper : 0.0;
	if (query->metric == RMF_MIPS_L2)
		return upper < 0.0f ? -(double) upper : 0.0;
	return -(double) upper;
}

/* ------------------------------------------------------------------------
 * Those that wait
 * ------------------------------------------------------------------------
 */

void
rmf_mips_push(rmf_mips_waiting *heap, int64_t *n, rmf_mips_waiting one)
{
	int64_t		hole = (*n)++;

	while (hole > 0 && heap[(hole - 1) / 2].upper < one.upper)
	{
		heap[hole] = heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap[hole] = one;
}

/* The hole sinks to the bottom along the larger children; the last of the heap, a small one, rises from there. */
rmf_mips_waiting
rmf_mips_pop(rmf_mips_waiting *heap, int64_t *n)
{
	rmf_mips_waiting top = heap[0];
	rmf_mips_waiting last = heap[--(*n)];
	int64_t		hole = 0;
	int64_t		child;

	while ((child = 2 * hole + 1) < *n)
	{
		if (child + 1 < *n && heap[child].upper < heap[child + 1].upper)
			child++;
		heap[hole] = heap[child];
		hole = child;
	}
	while (hole > 0 && heap[(hole - 1) / 2].upper < last.upper)
	{
		heap[hole] = heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap[hole] = last;
	return top;
}
