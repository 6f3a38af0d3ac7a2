/*
 * rmf_mips.c
 *	  Codes, bounds, and the query of exact maximum inner product search.
 *
 * Everything that reaches the disk (codes, entries, bounds, directions) is
 * computed here in double by plain loops, so that it has the same bits on every
 * processor; what a query does with it runs at the processor's level
 * (rmf_mips_loops.h).
 *
 * The leading directions are floats and so not quite orthonormal:
 * B Bᵀ = I + D with ‖D‖ at most NOT_ORTHONORMAL.  With M = I - Bᵀ B, in which
 * M = M² - Bᵀ D B,
 *
 *		u·v = (B u)·(B v) + uᵀ M v <= (B u)·(B v) + ‖M u‖ ‖M v‖ + ‖D‖ ‖B u‖ ‖B v‖
 *		‖M v‖² <= ‖v‖² - ‖B v‖² + ‖D‖ ‖B v‖²
 *
 * so each use of "the rest" makes up for ‖D‖.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_layout.h"
#include "rmf_mips.h"
#include "rmf_mips_levels.h"
#include "rmf_random.h"
#include "rmf_vector.h"

/* Bytes of a code are a multiple of this. */
#define CODE_MULTIPLE 16

/* The largest number in a code of 8 bits, and in a query's of 16 bits. */
#define LARGEST_CODE 127
#define LARGEST_QUERY_CODE 32767

/*
 * Rows of at most RMF_MIPS_MAX_LEADING, orthonormal in double, then rounded to
 * float: each product of two is off by at most 2^-23, their matrix by 16 times
 * that.  Twice it is allowed.
 */
#define NOT_ORTHONORMAL 0x1p-18

/* Sums of n squares in double lose less than n units of 2^-53 of themselves; so does each product here. */
#define SUM_LOSS(n) (((n) + 8) * 0x1p-52)

/* How many entries are scored at a time. */
#define SCORE_CHUNK 256

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

/* Rounds of the iteration that finds the leading directions. */
#define LEADING_ROUNDS 12

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
rmf_mips_code_size(int32_t dimensions)
{
	return rmf_round_up((size_t) dimensions, CODE_MULTIPLE);
}

size_t
rmf_mips_bound_size(int32_t n_leading)
{
	return offsetof(rmf_mips_bound, range) +
		(size_t) n_leading * sizeof(((rmf_mips_bound *) NULL)->range[0]);
}

int32_t
rmf_mips_leading_count(int32_t dimensions)
{
	return dimensions < RMF_MIPS_MAX_LEADING ? dimensions : RMF_MIPS_MAX_LEADING;
}

/* The next float that is at least x. */
static float
round_up(double x)
{
	float		rounded = (float) x;

	return (double) rounded < x ? nextafterf(rounded, INFINITY) : rounded;
}

static float
round_down(double x)
{
	return -round_up(-x);
}

/* ------------------------------------------------------------------------
 * Leading directions
 * ------------------------------------------------------------------------
 */

/* Sums in eight lanes, which the compiler may keep in registers. */
static double
dot_float(int32_t n, const float *a, const double *b)
{
	double		sum[8] = {0};
	int32_t		i = 0;

	for (; i + 8 <= n; i += 8)
		for (int k = 0; k < 8; k++)
			sum[k] += (double) a[i + k] * b[i + k];
	for (; i < n; i++)
		sum[0] += (double) a[i] * b[i];
	return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static double
dot_double(int32_t n, const double *a, const double *b)
{
	double		sum[8] = {0};
	int32_t		i = 0;

	for (; i + 8 <= n; i += 8)
		for (int k = 0; k < 8; k++)
			sum[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* Takes from row what lies along the rows before it, twice, for what the first time left by rounding. */
static double
take_out_those_before(int32_t dimensions, const double *rows, int32_t at, double *row)
{
	for (int again = 0; again < 2; again++)
		for (int32_t j = 0; j < at; j++)
		{
			const double *other = rows + (size_t) j * dimensions;
			double		along = dot_double(dimensions, other, row);

			for (int32_t i = 0; i < dimensions; i++)
				row[i] -= along * other[i];
		}
	return sqrt(dot_double(dimensions, row, row));
}

/*
 * Makes rows orthonormal (Gram-Schmidt).  Where one is (nearly) a combination
 * of those before it, an axis takes its place: of the axes, one at least has
 * most of its length outside of fewer than `dimensions` directions.
 */
static void
make_orthonormal(int32_t n, int32_t dimensions, double *rows)
{
	for (int32_t j = 0; j < n; j++)
	{
		double	   *row = rows + (size_t) j * dimensions;
		double		before = sqrt(dot_double(dimensions, row, row));
		double		norm = 0.0;

		if (before > 0.0)
		{
			for (int32_t i = 0; i < dimensions; i++)
				row[i] /= before;
			norm = take_out_those_before(dimensions, rows, j, row);
		}
		for (int32_t axis = 0; norm < 1e-8 && axis < dimensions; axis++)
		{
			double		left;

			memset(row, 0, (size_t) dimensions * sizeof(double));
			row[axis] = 1.0;
			left = take_out_those_before(dimensions, rows, j, row);
			/* The squares of what is left of the axes add up to dimensions - j. */
			if (left * left * 2.0 * dimensions >= (double) (dimensions - j))
				norm = left;
		}
		for (int32_t i = 0; i < dimensions; i++)
			row[i] /= norm;
		/* What rounding left along the others grows with the division. */
		norm = take_out_those_before(dimensions, rows, j, row);
		for (int32_t i = 0; i < dimensions; i++)
			row[i] /= norm;
	}
}

typedef struct leading_workspace
{
	double	   *basis;			/* n_leading x dimensions */
	double	   *image;			/* the same */
	float	   *start;
} leading_workspace;

static size_t
lay_out_leading(int32_t dimensions, int32_t n_leading, void *base, leading_workspace *w)
{
	size_t		used = 0;
	size_t		numbers = (size_t) dimensions * (size_t) n_leading;

	w->basis = rmf_carve(base, &used, numbers * sizeof(double));
	w->image = rmf_carve(base, &used, numbers * sizeof(double));
	w->start = rmf_carve(base, &used, numbers * sizeof(float));
	return used;
}

size_t
rmf_mips_leading_workspace_size(int64_t n, int32_t dimensions, int32_t n_leading)
{
	leading_workspace w;

	(void) n;
	return lay_out_leading(dimensions, n_leading, NULL, &w);
}

/*
 * Orthogonal iteration with the second moment VᵀV, which is never formed: each
 * round costs 2 n dimensions n_leading products.  V is divided by its largest
 * number, for the range of a double.
 */
rmf_status
rmf_mips_find_leading(int64_t n, int32_t dimensions, const float *v, int32_t n_leading,
					  float *leading, void *workspace, const rmf_poll *poll)
{
	leading_workspace w;
	size_t		numbers = (size_t) dimensions * (size_t) n_leading;
	double		largest = 0.0;
	int64_t		between_polls;

	if (n < 0 || dimensions < 1 || n_leading < 0 || n_leading > RMF_MIPS_MAX_LEADING ||
		n_leading > dimensions)
		return RMF_BAD_ARGUMENT;
	if (n_leading == 0)
		return RMF_OK;

	lay_out_leading(dimensions, n_leading, workspace, &w);
	rmf_random_normal(0, UINT64_C(0x6d697073), 1.0, (int64_t) numbers, w.start);
	for (size_t i = 0; i < numbers; i++)
		w.basis[i] = (double) w.start[i];
	make_orthonormal(n_leading, dimensions, w.basis);

	for (int64_t i = 0; i < n * dimensions; i++)
	{
		if (!isfinite(v[i]))
			return RMF_NOT_FINITE;
		largest = fmax(largest, fabs((double) v[i]));
	}

	between_polls = POLL_PRODUCTS / ((int64_t) dimensions * n_leading) + 1;
	for (int round = 0; round < LEADING_ROUNDS && largest > 0.0; round++)
	{
		memset(w.image, 0, numbers * sizeof(double));
		for (int64_t r = 0; r < n; r++)
		{
			const float *row = v + r * dimensions;

			if (r % between_polls == 0 && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			for (int32_t j = 0; j < n_leading; j++)
			{
				double	   *image = w.image + (size_t) j * dimensions;
				double		along = dot_float(dimensions, row, w.basis + (size_t) j * dimensions) /
					largest / largest;

				for (int32_t i = 0; i < dimensions; i++)
					image[i] += along * (double) row[i];
			}
		}
		memcpy(w.basis, w.image, numbers * sizeof(double));
		make_orthonormal(n_leading, dimensions, w.basis);
	}

	for (size_t i = 0; i < numbers; i++)
		leading[i] = (float) w.basis[i];
	return RMF_OK;
}

/* ------------------------------------------------------------------------
 * Codes
 * ------------------------------------------------------------------------
 */

/*
 * The codes are v / (largest / 127), rounded; then the scale is the one that is
 * best for these codes, in least squares.  The error is measured, with the
 * scale as it is stored.
 */
void
rmf_mips_encode(int32_t dimensions, const float *v, int8_t *code, rmf_mips_entry *entry)
{
	double		largest = 0.0;
	double		square = 0.0;
	double		product = 0.0;
	double		code_square = 0.0;
	double		error = 0.0;
	double		unit;
	double		scale;

	memset(code, 0, rmf_mips_code_size(dimensions));
	for (int32_t i = 0; i < dimensions; i++)
	{
		largest = fmax(largest, fabs((double) v[i]));
		square += (double) v[i] * (double) v[i];
	}
	if (largest == 0.0)
	{
		entry->scale = entry->error = entry->norm = 0.0f;
		return;
	}

	unit = largest / LARGEST_CODE;
	for (int32_t i = 0; i < dimensions; i++)
	{
		double		c = nearbyint((double) v[i] / unit);

		code[i] = (int8_t) c;
		product += (double) v[i] * c;
		code_square += c * c;
	}
	entry->scale = (float) fmin(product / code_square, FLT_MAX);
	scale = (double) entry->scale;

	for (int32_t i = 0; i < dimensions; i++)
	{
		double		lost = (double) v[i] - scale * (double) code[i];

		error += lost * lost;
	}
	entry->error = round_up(sqrt(error) * (1.0 + SUM_LOSS(dimensions)));
	entry->norm = round_up(sqrt(square) * (1.0 + SUM_LOSS(dimensions)));
}

int
rmf_mips_entry_holds(int32_t dimensions, const float *v, const int8_t *code,
					 const rmf_mips_entry *entry)
{
	double		square = 0.0;
	double		lost_square = 0.0;
	double		scale = (double) entry->scale;
	double		slack = 1.0 - SUM_LOSS(dimensions);

	for (int32_t i = 0; i < dimensions; i++)
	{
		double		lost = (double) v[i] - scale * (double) code[i];

		square += (double) v[i] * (double) v[i];
		lost_square += lost * lost;
	}
	/* in this form a NaN in the entry does not hold */
	return sqrt(square) * slack <= (double) entry->norm &&
		sqrt(lost_square) * slack <= (double) entry->error;
}

int
rmf_mips_space_holds(const rmf_mips_space *space)
{
	double		off = 0.0;

	for (int32_t i = 0; i < space->n_leading; i++)
	{
		const float *row = space->leading + (size_t) i * (size_t) space->dimensions;

		for (int32_t j = 0; j <= i; j++)
		{
			const float *other = space->leading + (size_t) j * (size_t) space->dimensions;
			double		product = i == j ? -1.0 : 0.0;

			for (int32_t k = 0; k < space->dimensions; k++)
				product += (double) row[k] * (double) other[k];
			off += (i == j ? 1.0 : 2.0) * product * product;
		}
	}
	return sqrt(off) <= NOT_ORTHONORMAL;
}

/* ------------------------------------------------------------------------
 * Bounds of many
 * ------------------------------------------------------------------------
 */

/* along := B (scale code); returns at least the norm of the rest of it. */
static double
project_code(const rmf_mips_space *space, const int8_t *code, double scale, double *along)
{
	int32_t		d = space->dimensions;
	int64_t		square = 0;
	double		whole;
	double		inside = 0.0;

	for (int32_t i = 0; i < d; i++)
		square += code[i] * code[i];
	whole = scale * scale * (double) square;

	for (int32_t j = 0; j < space->n_leading; j++)
	{
		const float *row = space->leading + (size_t) j * d;
		double		sum[8] = {0};
		int32_t		i = 0;

		for (; i + 8 <= d; i += 8)
			for (int k = 0; k < 8; k++)
				sum[k] += (double) row[i + k] * (double) code[i + k];
		for (; i < d; i++)
			sum[0] += (double) row[i] * (double) code[i];
		along[j] = scale * (((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
		inside += along[j] * along[j];
	}
	return sqrt(fmax(whole - inside, 0.0) + NOT_ORTHONORMAL * whole);
}

void
rmf_mips_bound_clear(rmf_mips_bound *bound, int32_t n_leading)
{
	bound->largest_norm = 0.0f;
	bound->smallest_norm = INFINITY;
	bound->error = 0.0f;
	bound->rest = 0.0f;
	for (int32_t j = 0; j < n_leading; j++)
	{
		bound->range[j].low = INFINITY;
		bound->range[j].high = -INFINITY;
	}
}

/* The bound of a single entry. */
static void
bound_of_one(const rmf_mips_space *space, const int8_t *code, const rmf_mips_entry *entry,
			 rmf_mips_bound *bound)
{
	double		along[RMF_MIPS_MAX_LEADING];

	bound->rest = round_up(project_code(space, code, entry->scale, along));
	bound->largest_norm = bound->smallest_norm = entry->norm;
	bound->error = entry->error;
	for (int32_t j = 0; j < space->n_leading; j++)
	{
		bound->range[j].low = round_down(along[j]);
		bound->range[j].high = round_up(along[j]);
	}
}

void
rmf_mips_bound_unite(int32_t n_leading, const rmf_mips_bound *other, rmf_mips_bound *bound)
{
	bound->largest_norm = fmaxf(bound->largest_norm, other->largest_norm);
	bound->smallest_norm = fminf(bound->smallest_norm, other->smallest_norm);
	bound->error = fmaxf(bound->error, other->error);
	bound->rest = fmaxf(bound->rest, other->rest);
	for (int32_t j = 0; j < n_leading; j++)
	{
		bound->range[j].low = fminf(bound->range[j].low, other->range[j].low);
		bound->range[j].high = fmaxf(bound->range[j].high, other->range[j].high);
	}
}

void
rmf_mips_bound_include(const rmf_mips_space *space, const int8_t *code,
					   const rmf_mips_entry *entry, rmf_mips_bound *bound)
{
	rmf_mips_bound one;

	bound_of_one(space, code, entry, &one);
	rmf_mips_bound_unite(space->n_leading, &one, bound);
}

int
rmf_mips_bound_holds(const rmf_mips_space *space, const int8_t *code,
					 const rmf_mips_entry *entry, const rmf_mips_bound *bound)
{
	rmf_mips_bound one;

	bound_of_one(space, code, entry, &one);
	if (!(one.largest_norm <= bound->largest_norm && one.smallest_norm >= bound->smallest_norm &&
		  one.error <= bound->error && one.rest <= bound->rest))
		return 0;
	for (int32_t j = 0; j < space->n_leading; j++)
		if (!(one.range[j].low >= bound->range[j].low && one.range[j].high <= bound->range[j].high))
			return 0;
	return 1;
}

/* ------------------------------------------------------------------------
 * Order within a stratum
 * ------------------------------------------------------------------------
 */

/*
 * A k-d tree with leaves of `capacity` entries: each set is split at its middle,
 * in the coordinate in which it is spread most: along one of the leading
 * directions, or in its norm.  A block's bound grows with the largest norm
 * itself, but only with the square of how far the box reaches along a
 * direction, so a spread of norms counts for more.  (Between 16 and 64 times
 * as much made at most 3% of difference on real factors; leaving norms out cost
 * up to 23% more blocks.)
 */
#define NORM_WEIGHT 32.0

typedef struct arrange_workspace
{
	float	   *coordinates;	/* n x (n_leading + 1) */
	float	   *key;			/* of the entry at a place of the order, while a set is split */
} arrange_workspace;

static size_t
lay_out_arrange(const rmf_mips_space *space, int32_t n, void *base, arrange_workspace *w)
{
	size_t		used = 0;

	w->coordinates = rmf_carve(base, &used, (size_t) n * ((size_t) space->n_leading + 1) * sizeof(float));
	w->key = rmf_carve(base, &used, (size_t) n * sizeof(float));
	return used;
}

size_t
rmf_mips_arrange_workspace_size(const rmf_mips_space *space, int32_t n)
{
	arrange_workspace w;

	return lay_out_arrange(space, n > 0 ? n : 0, NULL, &w);
}

/* Brings the `first` largest keys to the front of n, with their entries. */
static void
select_largest(int32_t n, int32_t first, float *key, int32_t *order)
{
	int32_t		low = 0,
				high = n - 1;

	while (low < high)
	{
		float		pivot = key[low + (high - low) / 2];
		int32_t		i = low,
					j = high;

		while (i <= j)
		{
			while (key[i] > pivot)
				i++;
			while (key[j] < pivot)
				j--;
			if (i <= j)
			{
				float		k = key[i];
				int32_t		o = order[i];

				key[i] = key[j];
				order[i++] = order[j];
				key[j] = k;
				order[j--] = o;
			}
		}
		if (first - 1 <= j)
			high = j;
		else if (first - 1 >= i)
			low = i;
		else
			break;
	}
}

/* The halves are whole blocks; the half with the larger key comes first. */
static rmf_status
split(const rmf_mips_space *space, int32_t n, int32_t capacity, const arrange_workspace *w,
	  int32_t *order, const rmf_poll *poll)
{
	int32_t		width = space->n_leading + 1;
	int32_t		between_polls = POLL_PRODUCTS / width + 1;
	double		sum[RMF_MIPS_MAX_LEADING + 1] = {0};
	double		square[RMF_MIPS_MAX_LEADING + 1] = {0};
	double		widest = -1.0;
	int32_t		axis = 0;
	int32_t		first;
	rmf_status	status;

	if (n <= capacity)
		return RMF_OK;

	for (int32_t i = 0; i < n; i++)
	{
		const float *row = w->coordinates + (size_t) order[i] * width;

		if (i % between_polls == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		for (int32_t j = 0; j < width; j++)
		{
			sum[j] += (double) row[j];
			square[j] += (double) row[j] * (double) row[j];
		}
	}
	for (int32_t j = 0; j < width; j++)
	{
		double		spread = square[j] - sum[j] / n * sum[j];

		if (j == space->n_leading)
			spread *= NORM_WEIGHT;
		if (spread > widest)
		{
			widest = spread;
			axis = j;
		}
	}

	first = ((n - 1) / capacity + 1) / 2 * capacity;
	for (int32_t i = 0; i < n; i++)
		w->key[i] = w->coordinates[(size_t) order[i] * width + axis];
	select_largest(n, first, w->key, order);

	status = split(space, first, capacity, w, order, poll);
	if (status == RMF_OK)
		status = split(space, n - first, capacity, w, order + first, poll);
	return status;
}

rmf_status
rmf_mips_arrange(const rmf_mips_space *space, int32_t n, const int8_t *codes,
				 const rmf_mips_entry *entries, int32_t capacity, int32_t *order,
				 void *workspace, const rmf_poll *poll)
{
	size_t		bytes = rmf_mips_code_size(space->dimensions);
	int32_t		width = space->n_leading + 1;
	int64_t		between_polls = POLL_PRODUCTS / ((int64_t) space->dimensions * width) + 1;
	arrange_workspace w;

	if (n < 0 || capacity < 1)
		return RMF_BAD_ARGUMENT;

	lay_out_arrange(space, n, workspace, &w);
	for (int32_t i = 0; i < n; i++)
	{
		double		along[RMF_MIPS_MAX_LEADING];
		float	   *row = w.coordinates + (size_t) i * width;

		if (i % between_polls == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		(void) project_code(space, codes + (size_t) i * bytes, entries[i].scale, along);
		for (int32_t j = 0; j < space->n_leading; j++)
			row[j] = (float) fmax(fmin(along[j], FLT_MAX), -FLT_MAX);
		row[space->n_leading] = fminf(entries[i].norm, FLT_MAX);
		order[i] = i;
	}
	return split(space, n, capacity, &w, order, poll);
}

/* ------------------------------------------------------------------------
 * A query
 * ------------------------------------------------------------------------
 */

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
	double		fits = floor((double) INT32_MAX / LARGEST_CODE / dimensions);

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
	query->smallest_norm = norm * (1.0 - SUM_LOSS(d));
	query->largest_norm = norm * (1.0 + SUM_LOSS(d));

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
	query->lost = sqrt(lost) * (1.0 + SUM_LOSS(d)) + norm * 0x1p-50;

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
	query->rest = rest * (1.0 + SUM_LOSS(d)) + norm * SUM_LOSS(d);
	query->smallest_rest = fmax(rest * (1.0 - SUM_LOSS(d)) - norm * SUM_LOSS(d), 0.0);
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
	return sqrt(square) * (1.0 - 2.0 * NOT_ORTHONORMAL) -
		t * query->largest_norm * SUM_LOSS(query->space->dimensions) - (double) bound->error;
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
		query->largest_norm * (norm + error) * 2.0 * NOT_ORTHONORMAL;
	distance = nearest(query, bound, norm / query->largest_norm);
	if (distance > 0.0)
		longest -= query->largest_norm * (distance * distance / (2.0 * norm)) * (1.0 - 0x1p-40) -
			longest * 0x1p-40;
	return fmin(box, longest);
}

float
rmf_mips_bound_score(const rmf_mips_query *query, const rmf_mips_bound *bound)
{
	double		norm = fmin(bound->largest_norm, query->norm_limit);
	double		product;
	double		small;

	/* Of none. */
	if (bound->smallest_norm > bound->largest_norm)
		return -FLT_MAX;

	if (query->metric == RMF_MIPS_L2)
	{
		double		least = fmax(nearest(query, bound, 1.0), query->smallest_norm - norm);

		if (bound->smallest_norm > 0.0f)
			least = fmax(least, rmf_mips_norm_low(bound->smallest_norm) - query->largest_norm);
		return raised(-fmax(least, 0.0) * (1.0 - query->rounding));
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
		product /= query->largest_norm * fmax(norm, small);
	return raised(fmin(product + query->rounding, 1.0));
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
