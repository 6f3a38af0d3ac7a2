/*
 * rmf_mips.c
 *	  Codes, bounds of many, and the order in which entries share a block: what an
 *	  index for exact maximum inner product search stores.
 *
 * All in double by plain loops, so that what reaches the disk has the same bits
 * on every processor.  Why the bounds hold is in rmf_mips_query.c, which uses
 * them.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rmf_layout.h"
#include "rmf_mips.h"
#include "rmf_mips_private.h"

/* Bytes of a code are a multiple of this. */
#define CODE_MULTIPLE 16

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

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

	unit = largest / RMF_MIPS_LARGEST_CODE;
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
	entry->error = round_up(sqrt(error) * (1.0 + RMF_MIPS_SUM_LOSS(dimensions)));
	entry->norm = round_up(sqrt(square) * (1.0 + RMF_MIPS_SUM_LOSS(dimensions)));
}

int
rmf_mips_entry_holds(int32_t dimensions, const float *v, const int8_t *code,
					 const rmf_mips_entry *entry)
{
	double		square = 0.0;
	double		lost_square = 0.0;
	double		scale = (double) entry->scale;
	double		slack = 1.0 - RMF_MIPS_SUM_LOSS(dimensions);

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
	return sqrt(fmax(whole - inside, 0.0) + RMF_MIPS_NOT_ORTHONORMAL * whole);
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
