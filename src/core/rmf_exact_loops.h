/*
 * rmf_exact_loops.h
 *	  The kernels of rmf_exact.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_LANE_BYTES	bytes of a vector register
 *	RMF_EXACT_TABLE	the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use those registers.
 *
 * A triangle holds a symmetric matrix in blocks of LANES x LANES: the blocks
 * on and right of the diagonal, one block row after the other, row-major
 * within a block row (what stands left of the diagonal in a block on it means
 * nothing).  A panel holds gathered rows by blocks of LANES dimensions: all
 * ratings of the first block, one vector each, then those of the second.
 *
 * Both products, of a panel with itself and of the rows of a factor with each
 * other, come from one tile: TILE_ROWS numbers of a row, each times up to
 * TILE_BLOCKS vectors of it, summed in registers over the rows.
 *
 * The factorisation A = U'U is done twice over: of one triangle, whose rows
 * are vectors; and of LANES systems at once, a lane each, which has no
 * partly filled vectors, no sums over lanes, and hides the latency of the
 * roots and divisions.  Each entry is the result of the same operations in the
 * same order in both, and no lane sees another, so that a row comes out the
 * same to the last bit, alone or in whatever company:
 *	entry (j, i), i >= j: a_ji - u_0j u_0i - u_1j u_1i - ..., times 1 / u_jj;
 *	y_i: b_i - u_0i y_0 - u_1i y_1 - ..., times 1 / u_ii;
 *	x_i: y_i - u_i,n-1 x_n-1 - u_i,n-2 x_n-2 - ..., times 1 / u_ii.
 */
#include <float.h>

#include "rmf_exact.h"
#include "rmf_exact_levels.h"
#include "rmf_lanes.h"

/* What fits the registers: 32 of 64 bytes, 16 of the others. */
#define TILE_ROWS (LANES == 16 ? 8 : 4)
#define TILE_BLOCKS 3

/* Side by side, so many rows and columns of the factor are in registers. */
#define GROUP (LANES == 16 ? 4 : 3)

/* How many ratings ahead rows are fetched. */
#define PREFETCH_ROWS 16

/* Ratings at a time. */
#define ROWS 4

static ALWAYS_INLINE size_t
block_row(int blocks, int block)
{
	return rmf_exact_block_row(LANES, blocks, block);
}

/* Row r from its diagonal block on. */
static ALWAYS_INLINE float *
row_of(float *triangle, int blocks, int r)
{
	return triangle + rmf_exact_entry(LANES, blocks, r, r / LANES * LANES);
}

/* sum[i][b] += or -= the products of left[i] with vector b of right, row by row. */
static ALWAYS_INLINE void
multiply_tile(int rows, int blocks, int subtract, int n, const float *left, const float *right,
			  size_t row_stride, size_t block_stride, lanes sum[TILE_ROWS][TILE_BLOCKS])
{
	for (int t = 0; t < n; t++)
	{
		lanes		v[TILE_BLOCKS];

		UNROLL
		for (int b = 0; b < blocks; b++)
			v[b] = LOAD(right + (size_t) b * block_stride);
		UNROLL
		for (int i = 0; i < rows; i++)
		{
			float		x = left[i];

			UNROLL
			for (int b = 0; b < blocks; b++)
			{
				if (subtract)
					sum[i][b] -= x * v[b];
				else
					sum[i][b] += x * v[b];
			}
		}
		left += row_stride;
		right += row_stride;
	}
}

static ALWAYS_INLINE void
gram_tile(int blocks, int n, const float *left, const float *right, size_t block_stride,
		  float *out, size_t out_stride)
{
	lanes		sum[TILE_ROWS][TILE_BLOCKS];

	UNROLL
	for (int i = 0; i < TILE_ROWS; i++)
	{
		UNROLL
		for (int b = 0; b < blocks; b++)
			sum[i][b] = (lanes) {0};
	}
	multiply_tile(TILE_ROWS, blocks, 0, n, left, right, LANES, block_stride, sum);
	UNROLL
	for (int i = 0; i < TILE_ROWS; i++)
	{
		UNROLL
		for (int b = 0; b < blocks; b++)
			STORE(out + (size_t) i * out_stride + b * LANES) += sum[i][b];
	}
}

/* See rmf_exact.h. */
static void
add_gram(int factors, int blocks, int n, const float *panel, int capacity, float *triangle)
{
	int			columns = (factors + LANES - 1) / LANES;
	size_t		block_stride = (size_t) capacity * LANES;

	for (int r = 0; r < factors; r += TILE_ROWS)
	{
		int			first = r / LANES;
		const float *left = panel + (size_t) first * block_stride + r % LANES;
		const float *right = panel + (size_t) first * block_stride;
		float	   *out = row_of(triangle, blocks, r);
		size_t		out_stride = (size_t) (blocks - first) * LANES;
		int			left_over = columns - first;

		while (left_over > 0)
		{
			/* 4 are 2 and 2: a tile of one block loads more than it multiplies */
			int			now = left_over == 4 || left_over == 2 ? 2 : left_over >= 3 ? 3 : 1;

			if (now == 3)
				gram_tile(3, n, left, right, block_stride, out, out_stride);
			else if (now == 2)
				gram_tile(2, n, left, right, block_stride, out, out_stride);
			else
				gram_tile(1, n, left, right, block_stride, out, out_stride);
			right += (size_t) now * block_stride;
			out += now * LANES;
			left_over -= now;
		}
	}
}

/* Vector b of a row of "factors" floats, of which the last block may be a part. */
static ALWAYS_INLINE lanes
load_block(int whole, int part, int b, const float *row)
{
	return b < whole ? LOAD_UNALIGNED(row + b * LANES) : load_part(part, row + b * LANES);
}

/* ROWS rows into the panel. */
static ALWAYS_INLINE void
gather_rows(int factors, const float *const *row, const float *root, const float *target,
			const float *edge_weight, float *panel, size_t block_stride, float *rhs, float *edge)
{
	int			whole = factors / LANES;
	int			part = factors % LANES;

	for (int b = 0; b < whole + (part > 0); b++)
	{
		lanes		r = LOAD(rhs + b * LANES);
		lanes		e = edge != NULL ? LOAD(edge + b * LANES) : r;

		UNROLL
		for (int t = 0; t < ROWS; t++)
		{
			lanes		y = load_block(whole, part, b, row[t]);

			r += target[t] * y;
			if (edge != NULL)
				e += edge_weight[t] * y;
			STORE(panel + (size_t) b * block_stride + t * LANES) = root[t] * y;
		}
		STORE(rhs + b * LANES) = r;
		if (edge != NULL)
			STORE(edge + b * LANES) = e;
	}
}

/* See rmf_exact.h. */
static void
gather(int factors, int stride, int n, const float *rows, const int32_t *column,
	   const float *root, const float *target, const float *edge_weight, int capacity,
	   float *panel, float *rhs, float *edge)
{
	size_t		block_stride = (size_t) capacity * LANES;
	const float *row[ROWS];
	int			t = 0;

	for (; t + ROWS <= n; t += ROWS)
	{
		for (int i = 0; i < ROWS; i++)
		{
			if (t + PREFETCH_ROWS + i < n)
			{
				const char *ahead = (const char *) (rows + (int64_t) column[t + PREFETCH_ROWS + i] * stride);

				for (size_t byte = 0; byte < (size_t) factors * sizeof(float); byte += CACHE_LINE)
					__builtin_prefetch(ahead + byte);
			}
			row[i] = rows + (int64_t) column[t + i] * stride;
		}
		if (edge != NULL)
			gather_rows(factors, row, root + t, target + t, edge_weight + t,
						panel + t * LANES, block_stride, rhs, edge);
		else
			gather_rows(factors, row, root + t, target + t, NULL,
						panel + t * LANES, block_stride, rhs, NULL);
	}
	if (t < n)
	{
		/* past the end, the last row with weight 0 */
		float		last[3][ROWS] = {{0}, {0}, {0}};

		for (int i = 0; i < ROWS; i++)
		{
			int			at = t + i < n ? t + i : n - 1;

			row[i] = rows + (int64_t) column[at] * stride;
			if (t + i >= n)
				continue;
			last[0][i] = root[at];
			last[1][i] = target[at];
			last[2][i] = edge != NULL ? edge_weight[at] : 0;
		}
		gather_rows(factors, row, last[0], last[1], last[2], panel + t * LANES, block_stride, rhs, edge);
	}
}

/* See rmf_exact.h. */
static void
score(int length, int stride, int n, const float *rows, const int32_t *column, const float *x, float *out)
{
	int			whole = length / LANES;
	int			part = length % LANES;

	for (int t = 0; t < n; t += ROWS)
	{
		const float *row[ROWS];
		lanes		s[ROWS];
		float		sum[ROWS] __attribute__((aligned(32)));

		UNROLL
		for (int i = 0; i < ROWS; i++)
		{
			row[i] = rows + (int64_t) column[t + i < n ? t + i : n - 1] * stride;
			s[i] = (lanes) {0};
		}
		for (int i = t + PREFETCH_ROWS; i < t + PREFETCH_ROWS + ROWS && i < n; i++)
		{
			const char *ahead = (const char *) (rows + (int64_t) column[i] * stride);

			for (size_t byte = 0; byte < (size_t) length * sizeof(float); byte += CACHE_LINE)
				__builtin_prefetch(ahead + byte);
		}
		for (int b = 0; b < whole + (part > 0); b++)
		{
			lanes		v = load_block(whole, part, b, x);

			UNROLL
			for (int i = 0; i < ROWS; i++)
				s[i] += v * load_block(whole, part, b, row[i]);
		}
		add_up(ROWS, s, sum);
		for (int i = 0; i < ROWS && t + i < n; i++)
			out[t + i] = sum[i];
	}
}

/* Pivots that keep no more than this of their diagonal entry are rounding. */
static ALWAYS_INLINE float
least_share(int width)
{
	return (float) width * FLT_EPSILON;
}

/*
 * The tile of rows r ... r + TILE_ROWS - 1 and the blocks from "block" on: less
 * the products of all rows above, then of the rows of the tile itself, times
 * 1 / u.  The diagonal block of these rows is done.
 */
static ALWAYS_INLINE void
factor_tile(int n_blocks, int blocks, int r, int block, float *triangle)
{
	lanes		sum[TILE_ROWS][TILE_BLOCKS];
	float	   *own = row_of(triangle, blocks, r);
	int			first = r / LANES;
	size_t		stride = (size_t) (blocks - first) * LANES;
	float	   *at = own + (block - first) * LANES;

	UNROLL
	for (int i = 0; i < TILE_ROWS; i++)
	{
		UNROLL
		for (int b = 0; b < n_blocks; b++)
			sum[i][b] = LOAD(at + (size_t) i * stride + b * LANES);
	}
	for (int above = 0; above <= first; above++)
	{
		const float *row = triangle + block_row(blocks, above);

		multiply_tile(TILE_ROWS, n_blocks, 1, above < first ? LANES : r - first * LANES,
					  row + r - above * LANES, row + (block - above) * LANES,
					  (size_t) (blocks - above) * LANES, LANES, sum);
	}
	if (block == first)
	{
		UNROLL
		for (int i = 0; i < TILE_ROWS; i++)
			STORE(at + (size_t) i * stride) = sum[i][0];
		return;
	}
	UNROLL
	for (int i = 0; i < TILE_ROWS; i++)
	{
		const float *diagonal = own + (size_t) i * stride + r % LANES;

		UNROLL
		for (int b = 0; b < n_blocks; b++)
			sum[i][b] *= diagonal[i];
		UNROLL
		for (int k = i + 1; k < TILE_ROWS; k++)
		{
			UNROLL
			for (int b = 0; b < n_blocks; b++)
				sum[k][b] -= diagonal[k] * sum[i][b];
		}
		UNROLL
		for (int b = 0; b < n_blocks; b++)
			STORE(at + (size_t) i * stride + b * LANES) = sum[i][b];
	}
}

/* Rows r ... of the diagonal block, which are less the products of the rows above; false at a pivot that is rounding. */
static ALWAYS_INLINE int
factor_diagonal(int width, int blocks, int r, const float *diagonal, float *triangle)
{
	float	   *own = row_of(triangle, blocks, r);
	size_t		stride = (size_t) (blocks - r / LANES) * LANES;
	float		share = least_share(width);

	for (int i = 0; i < TILE_ROWS && r + i < width; i++)
	{
		float	   *row = own + (size_t) i * stride;
		float		pivot = row[r % LANES + i];
		float		inverse;

		if (!(pivot > share * diagonal[i]))
			return 0;
		inverse = 1 / sqrtf(pivot);
		STORE(row) *= inverse;
		for (int k = i + 1; k < TILE_ROWS; k++)
			STORE(own + (size_t) k * stride) -= row[r % LANES + k] * LOAD(row);
		row[r % LANES + i] = inverse;
	}
	return 1;
}

/* See rmf_exact.h. */
static int
solve_one(int width, int blocks, float *triangle, float *x)
{
	for (int r = 0; r < width; r += TILE_ROWS)
	{
		int			block = r / LANES;
		float		diagonal[TILE_ROWS];

		for (int i = 0; i < TILE_ROWS && r + i < width; i++)
			diagonal[i] = row_of(triangle, blocks, r + i)[(r + i) % LANES];
		factor_tile(1, blocks, r, block, triangle);
		if (!factor_diagonal(width, blocks, r, diagonal, triangle))
			return 0;
		block++;
		while (blocks - block >= 3)
		{
			factor_tile(3, blocks, r, block, triangle);
			block += 3;
		}
		if (blocks - block == 2)
			factor_tile(2, blocks, r, block, triangle);
		else if (blocks - block == 1)
			factor_tile(1, blocks, r, block, triangle);
	}

	/* U'y = b */
	for (int j = 0; j < width; j++)
	{
		const float *row = row_of(triangle, blocks, j);
		int			first = j / LANES * LANES;
		float		y = x[j] * row[j - first];

		x[j] = y;
		for (int i = j + 1; i < first + LANES; i++)
			x[i] -= row[i - first] * y;
		for (int i = first + LANES; i < blocks * LANES; i += LANES)
			STORE(x + i) -= LOAD(row + i - first) * y;
	}

	/* U x = y */
	for (int i = width; i < blocks * LANES; i++)
		x[i] = 0;
	for (int block = blocks - 1; block >= 0; block--)
	{
		int			first = block * LANES;

		for (int j = (first + LANES < width ? first + LANES : width) - 1; j >= first; j--)
		{
			x[j] *= row_of(triangle, blocks, j)[j - first];
			for (int i = first; i < j; i++)
				x[i] -= row_of(triangle, blocks, i)[j - first] * x[j];
		}
		for (int above = 0; above < block; above++)
		{
			const float *rows = triangle + block_row(blocks, above) + (block - above) * LANES;
			lanes		column[LANES];
			lanes		sum = LOAD(x + above * LANES);

			UNROLL
			for (int i = 0; i < LANES; i++)
				column[i] = LOAD(rows + (size_t) i * (size_t) (blocks - above) * LANES);
			transpose(column);
			UNROLL
			for (int j = LANES - 1; j >= 0; j--)
				sum -= column[j] * x[first + j];
			STORE(x + above * LANES) = sum;
		}
	}
	return 1;
}

/*
 * Side by side, the factor's rows and columns are in groups of GROUP: group g
 * has, column after column up to its own last, its GROUP entries, a vector of
 * LANES systems each.
 */
static ALWAYS_INLINE float *
group_of(float *wide, int g)
{
	return wide + (size_t) g * (size_t) (g + 1) / 2 * GROUP * GROUP * LANES;
}

/* The triangles of LANES systems side by side; 1 on the diagonal of what pads the last group. */
static void
interleave(int width, int blocks, float *const *triangles, float *wide)
{
	int			padded = (width + GROUP - 1) / GROUP * GROUP;

	for (int j = 0; j < width; j++)
	{
		for (int b = j / LANES; b < blocks && b * LANES < width; b++)
		{
			size_t		offset = rmf_exact_entry(LANES, blocks, j, b * LANES);
			int			end = (b + 1) * LANES < width ? (b + 1) * LANES : width;
			int			i = b * LANES < j ? j : b * LANES;
			lanes		v[LANES];
			float	   *to = group_of(wide, i / GROUP) + ((size_t) j * GROUP + (size_t) (i % GROUP)) * LANES;

			UNROLL
			for (int l = 0; l < LANES; l++)
				v[l] = LOAD(triangles[l] + offset);
			transpose(v);
			for (; i < end; i++)
			{
				STORE(to) = v[i - b * LANES];
				if ((i + 1) % GROUP == 0)
					to = group_of(wide, (i + 1) / GROUP) + (size_t) j * GROUP * LANES;
				else
					to += LANES;
			}
		}
	}
	for (int i = width; i < padded; i++)
		for (int j = 0; j <= i; j++)
			STORE(group_of(wide, i / GROUP) + ((size_t) j * GROUP + (size_t) (i % GROUP)) * LANES) =
				(lanes) {0} + (i == j ? 1.0f : 0.0f);
}

/* See rmf_exact.h. */
static void
solve_many(int width, int blocks, float *const *triangles, float *const *x, float *wide, float *wide_x, int *good)
{
	int			groups = (width + GROUP - 1) / GROUP;
	float		share = least_share(width);
	words		bad = {0};

	interleave(width, blocks, triangles, wide);
	for (int i = 0; i < groups * GROUP; i++)
		for (int l = 0; l < LANES; l++)
			wide_x[i * LANES + l] = i < width ? x[l][i] : 0;

	for (int c = 0; c < groups; c++)
	{
		float	   *pivots = group_of(wide, c);

		for (int g = c; g < groups; g++)
		{
			float	   *rows = group_of(wide, g);
			float	   *at = rows + (size_t) c * GROUP * GROUP * LANES;
			lanes		a[GROUP][GROUP];

			UNROLL
			for (int j = 0; j < GROUP; j++)
			{
				UNROLL
				for (int i = 0; i < GROUP; i++)
					a[i][j] = LOAD(at + (j * GROUP + i) * LANES);
			}
			if (g == c)
			{
				lanes		diagonal[GROUP];

				UNROLL
				for (int j = 0; j < GROUP; j++)
					diagonal[j] = a[j][j];
				for (int k = 0; k < c * GROUP; k++)
				{
					lanes		p[GROUP];

					UNROLL
					for (int j = 0; j < GROUP; j++)
						p[j] = LOAD(pivots + (k * GROUP + j) * LANES);
					UNROLL
					for (int j = 0; j < GROUP; j++)
					{
						UNROLL
						for (int i = j; i < GROUP; i++)
							a[i][j] -= p[j] * p[i];
					}
				}
				UNROLL
				for (int j = 0; j < GROUP; j++)
				{
					lanes		inverse;

					UNROLL
					for (int k = 0; k < j; k++)
					{
						UNROLL
						for (int i = j; i < GROUP; i++)
							a[i][j] -= a[j][k] * a[i][k];
					}
					bad |= ~(words) (a[j][j] > share * diagonal[j]);
					inverse = 1.0f / square_root(a[j][j]);
					UNROLL
					for (int i = j + 1; i < GROUP; i++)
						a[i][j] *= inverse;
					a[j][j] = inverse;
				}
			}
			else
			{
				for (int k = 0; k < c * GROUP; k++)
				{
					lanes		p[GROUP];

					UNROLL
					for (int j = 0; j < GROUP; j++)
						p[j] = LOAD(pivots + (k * GROUP + j) * LANES);
					UNROLL
					for (int i = 0; i < GROUP; i++)
					{
						lanes		u = LOAD(rows + (k * GROUP + i) * LANES);

						UNROLL
						for (int j = 0; j < GROUP; j++)
							a[i][j] -= p[j] * u;
					}
				}
				UNROLL
				for (int j = 0; j < GROUP; j++)
				{
					const float *factored = pivots + (size_t) c * GROUP * GROUP * LANES;

					UNROLL
					for (int i = 0; i < GROUP; i++)
					{
						UNROLL
						for (int k = 0; k < j; k++)
							a[i][j] -= LOAD(factored + (k * GROUP + j) * LANES) * a[i][k];
						a[i][j] *= LOAD(factored + (j * GROUP + j) * LANES);
					}
				}
			}
			UNROLL
			for (int j = 0; j < GROUP; j++)
			{
				UNROLL
				for (int i = 0; i < GROUP; i++)
					STORE(at + (j * GROUP + i) * LANES) = a[i][j];
			}
		}
	}

	/* U'y = b */
	for (int g = 0; g < groups; g++)
	{
		const float *rows = group_of(wide, g);
		float	   *own = wide_x + (size_t) g * GROUP * LANES;
		const float *factored = rows + (size_t) g * GROUP * GROUP * LANES;
		lanes		y[GROUP];

		UNROLL
		for (int i = 0; i < GROUP; i++)
			y[i] = LOAD(own + i * LANES);
		for (int k = 0; k < g * GROUP; k++)
		{
			UNROLL
			for (int i = 0; i < GROUP; i++)
				y[i] -= LOAD(rows + (k * GROUP + i) * LANES) * LOAD(wide_x + k * LANES);
		}
		UNROLL
		for (int i = 0; i < GROUP; i++)
		{
			UNROLL
			for (int k = 0; k < i; k++)
				y[i] -= LOAD(factored + (k * GROUP + i) * LANES) * y[k];
			y[i] *= LOAD(factored + (i * GROUP + i) * LANES);
			STORE(own + i * LANES) = y[i];
		}
	}

	/* U x = y */
	for (int g = groups - 1; g >= 0; g--)
	{
		const float *rows = group_of(wide, g);
		float	   *own = wide_x + (size_t) g * GROUP * LANES;
		const float *factored = rows + (size_t) g * GROUP * GROUP * LANES;
		lanes		v[GROUP];

		UNROLL
		for (int i = GROUP - 1; i >= 0; i--)
		{
			v[i] = LOAD(own + i * LANES);
			UNROLL
			for (int k = GROUP - 1; k > i; k--)
				v[i] -= LOAD(factored + (i * GROUP + k) * LANES) * v[k];
			v[i] *= LOAD(factored + (i * GROUP + i) * LANES);
			STORE(own + i * LANES) = v[i];
		}
		for (int k = 0; k < g * GROUP; k++)
		{
			lanes		y = LOAD(wide_x + k * LANES);

			UNROLL
			for (int i = GROUP - 1; i >= 0; i--)
				y -= LOAD(rows + (k * GROUP + i) * LANES) * v[i];
			STORE(wide_x + k * LANES) = y;
		}
	}

	for (int l = 0; l < LANES; l++)
	{
		good[l] = bad[l] == 0;
		for (int i = 0; i < width; i++)
			x[l][i] = wide_x[i * LANES + l];
	}
}

static const rmf_exact_kernels kernels = {
	.lanes = LANES,
	.gather = gather,
	.add_gram = add_gram,
	.score = score,
	.solve_one = solve_one,
	.solve_many = solve_many
};

const rmf_exact_kernels *const RMF_EXACT_TABLE = &kernels;
