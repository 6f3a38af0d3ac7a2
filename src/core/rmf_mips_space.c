/*
 * rmf_mips_space.c
 *	  The leading directions, in which the bounds of an index are told.
 *
 * All in double by plain loops, so that what reaches the disk has the same bits
 * on every processor.
 */
#include <math.h>
#include <string.h>

#include "rmf_layout.h"
#include "rmf_mips.h"
#include "rmf_mips_private.h"
#include "rmf_random.h"

/*
 * So many directions make a directory page's bounds worth their place: with 16,
 * 1 to 5% fewer data pages are read, but twice as many directory pages, and
 * their bounds are computed one by one.
 */
#define USUAL_LEADING 8

/* How many multiplications are made between two polls. */
#define POLL_PRODUCTS (1 << 20)

/* Rounds of the iteration that finds the leading directions. */
#define LEADING_ROUNDS 12

int32_t
rmf_mips_leading_count(int32_t dimensions)
{
	return dimensions < USUAL_LEADING ? dimensions : USUAL_LEADING;
}

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
rmf_mips_leading_workspace_size(int32_t dimensions, int32_t n_leading)
{
	leading_workspace w;

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
	return sqrt(off) <= RMF_MIPS_NOT_ORTHONORMAL;
}
