/*
 * test_mips.c
 *	  Codes and bounds of exact maximum inner product search: that they hold
 *	  for what the operators compute, at each level of the processor, on
 *	  ordinary and on hostile data; and that they are tight.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "counting_poll.h"
#include "rmf_mips.h"
#include "rmf_mips_levels.h"
#include "rmf_random.h"
#include "rmf_vector.h"
#include "unit.h"

#define N_LEVELS 3

static const rmf_mips_metric metrics[] = {RMF_MIPS_INNER_PRODUCT, RMF_MIPS_COSINE, RMF_MIPS_L2};

static uint32_t state = 1;

/* Uniform in (-1, 1); a 32-bit generator is enough for test data. */
static float
draw(void)
{
	state = state * UINT32_C(1664525) + UINT32_C(1013904223);
	return (float) ((int32_t) state / 2147483648.0);
}

static uint32_t
draw_below(uint32_t n)
{
	return (uint32_t) ((draw() * 0.5 + 0.5) * (double) n) % n;
}

/* n vectors, coded, with all that an index has of them. */
typedef struct coded
{
	int32_t		n;
	rmf_mips_space space;
	float	   *v;
	float	   *leading;
	int8_t	   *codes;
	rmf_mips_entry *entries;
} coded;

static coded
code_all(int32_t n, int32_t dimensions, int32_t n_leading, float *v)
{
	coded		c = {.n = n, .v = v};
	size_t		bytes = rmf_mips_code_size(dimensions);
	void	   *workspace = malloc(rmf_mips_leading_workspace_size(dimensions, n_leading) + 1);

	c.leading = malloc(((size_t) n_leading * (size_t) dimensions + 1) * sizeof(float));
	c.codes = malloc((size_t) n * bytes + 1);
	c.entries = malloc(((size_t) n + 1) * sizeof(rmf_mips_entry));
	CHECK(rmf_mips_find_leading(n, dimensions, v, n_leading, c.leading, workspace, NULL) == RMF_OK);
	free(workspace);
	c.space.dimensions = dimensions;
	c.space.n_leading = n_leading;
	c.space.leading = n_leading > 0 ? c.leading : NULL;
	for (int32_t i = 0; i < n; i++)
		rmf_mips_encode(dimensions, v + (size_t) i * dimensions, c.codes + (size_t) i * bytes, c.entries + i);
	return c;
}

static void
free_coded(coded *c)
{
	free(c->v);
	free(c->leading);
	free(c->codes);
	free(c->entries);
}

/* What the operator gives, by the arithmetic of the kernels that it would run. */
static double
operator_distance(rmf_mips_metric metric, int32_t n, const float *u, const float *v)
{
	switch (metric)
	{
		case RMF_MIPS_INNER_PRODUCT:
			return -rmf_dot(n, u, v);
		case RMF_MIPS_COSINE:
			return 1.0 - rmf_cosine(n, u, v);
		default:
			return sqrt(rmf_squared_distance(n, u, v));
	}
}

static double
true_distance(rmf_mips_metric metric, int32_t n, const float *u, const float *v)
{
	double		uu = rmf_dot_double(n, u, u);
	double		vv = rmf_dot_double(n, v, v);

	switch (metric)
	{
		case RMF_MIPS_INNER_PRODUCT:
			return -rmf_dot_double(n, u, v);
		case RMF_MIPS_COSINE:
			return uu == 0.0 || vv == 0.0 ? 1.0 : 1.0 - fmin(rmf_dot_double(n, u, v) / sqrt(uu) / sqrt(vv), 1.0);
		default:
			return sqrt(rmf_squared_distance_double(n, u, v));
	}
}

/* The least that the operator may give at any level, as far as the float sums can be trusted. */
static double
least_of_levels(rmf_mips_metric metric, int32_t n, const float *u, const float *v)
{
	double		least = operator_distance(metric, n, u, v);

	for (int level = 0; level < N_LEVELS; level++)
	{
		const rmf_vector_kernels *kernels = rmf_vector_kernels_of((rmf_cpu_level) level);
		double		ab,
					aa,
					bb;

		if (kernels == NULL)
			continue;
		kernels->dot_and_norms(n, u, v, &ab, &aa, &bb);
		if (!(aa > 1e-20 && bb > 1e-20 && aa < 1e37 && bb < 1e37))
			continue;
		if (metric == RMF_MIPS_INNER_PRODUCT && fabs(kernels->dot(n, u, v)) > 1e-30)
			least = fmin(least, -kernels->dot(n, u, v));
		if (metric == RMF_MIPS_COSINE)
			least = fmin(least, 1.0 - fmin(ab / sqrt(aa * bb), 1.0));
		if (metric == RMF_MIPS_L2 && kernels->squared_distance(n, u, v) > 1e-30)
			least = fmin(least, sqrt(kernels->squared_distance(n, u, v)));
	}
	return least;
}

typedef struct slack
{
	double		entry[3];		/* mean of (score's bound - score), as a share of ‖u‖ ‖v‖, 1, the larger norm */
	double		block[3];
	double		n_entry[3];
	double		n_block[3];
} slack;

/*
 * All bounds for all queries: of entries at every level, of blocks of 1 to
 * `capacity` entries, and of what unites the blocks.
 */
static slack
check_bounds(const coded *c, int32_t n_queries, const float *queries, int32_t capacity)
{
	int32_t		d = c->space.dimensions;
	size_t		bytes = rmf_mips_code_size(d);
	void	   *memory = malloc(rmf_mips_query_size(d));
	float	   *upper = malloc(((size_t) c->n + 1) * sizeof(float));
	float	   *plain = malloc(((size_t) c->n + 1) * sizeof(float));
	int			entries_hold = 1,
				blocks_hold = 1,
				whole_holds = 1,
				not_nan = 1,
				levels_agree = 1,
				includes = 1;
	slack		mean = {0};

	for (int32_t q = 0; q < n_queries; q++)
		for (int m = 0; m < 3; m++)
		{
			const float *u = queries + (size_t) q * d;
			double		u_norm = sqrt(rmf_dot_double(d, u, u));
			rmf_mips_query query;
			rmf_mips_bound whole;

			rmf_mips_query_prepare(&c->space, metrics[m], u, memory, &query);
			for (int level = 0; level < N_LEVELS; level++)
			{
				query.kernels = rmf_mips_kernels_of(level);
				if (query.kernels == NULL)
					continue;
				rmf_mips_score(&query, c->n, c->codes, c->entries, level == 0 ? plain : upper);
				if (level == 0)
					memcpy(upper, plain, (size_t) c->n * sizeof(float));
				for (int32_t i = 0; i < c->n; i++)
				{
					const float *v = c->v + (size_t) i * d;
					double		distance = rmf_mips_distance(&query, upper[i]);

					if (isnan(upper[i]) || isnan(distance))
						not_nan = 0;
					if (!(distance <= least_of_levels(metrics[m], d, u, v) &&
						  distance <= true_distance(metrics[m], d, u, v)))
						entries_hold = 0;
					/*
					 * The integers are the same; what follows differs by roundings of doubles (a distance
					 * is the root of their difference), and to one float.
					 */
					if (upper[i] != plain[i] &&
						!(fabs((double) upper[i] - plain[i]) <= 1e-6 * fabs((double) plain[i]) + 1e-44 +
						  (m == 2 ? 1e-7 * (u_norm + c->entries[i].norm) : 1e-12 * u_norm * c->entries[i].norm)))
						levels_agree = 0;
					if (level == 0 && isfinite(upper[i]))
					{
						double		norm = c->entries[i].norm;
						double		unit = m == 0 ? u_norm * norm : m == 1 ? 1.0 : fmax(u_norm, norm);
						double		lost = true_distance(metrics[m], d, u, v) - distance;

						if (unit > 0.0 && isfinite(unit))
						{
							mean.entry[m] += lost / unit;
							mean.n_entry[m] += 1.0;
						}
					}
				}
			}

			rmf_mips_bound_clear(&whole, c->space.n_leading);
			if (rmf_mips_bound_score(&query, &whole) > -FLT_MAX)
				whole_holds = 0;
			for (int32_t from = 0; from < c->n;)
			{
				int32_t		to = from + 1 + (int32_t) draw_below((uint32_t) capacity);
				rmf_mips_bound bound;
				double		least = INFINITY,
							distance;

				to = to < c->n ? to : c->n;
				rmf_mips_bound_clear(&bound, c->space.n_leading);
				for (int32_t i = from; i < to; i++)
				{
					rmf_mips_bound_include(&c->space, c->codes + (size_t) i * bytes, c->entries + i, &bound);
					least = fmin(least, fmin(least_of_levels(metrics[m], d, u, c->v + (size_t) i * d),
											 true_distance(metrics[m], d, u, c->v + (size_t) i * d)));
				}
				for (int32_t i = from; i < to; i++)
					if (!rmf_mips_bound_holds(&c->space, c->codes + (size_t) i * bytes, c->entries + i, &bound))
						includes = 0;
				distance = rmf_mips_distance(&query, rmf_mips_bound_score(&query, &bound));
				for (int level = 0; level < N_LEVELS; level++)
				{
					query.kernels = rmf_mips_kernels_of(level);
					if (query.kernels == NULL)
						continue;
					distance = rmf_mips_distance(&query, rmf_mips_bound_score(&query, &bound));
					if (isnan(distance))
						not_nan = 0;
					if (!(distance <= least))
						blocks_hold = 0;
				}
				rmf_mips_bound_unite(c->space.n_leading, &bound, &whole);
				if (to - from == 1 && isfinite(distance))
				{
					double		norm = c->entries[from].norm;
					double		unit = m == 0 ? u_norm * norm : m == 1 ? 1.0 : fmax(u_norm, norm);

					if (unit > 0.0 && isfinite(unit))
					{
						mean.block[m] += (true_distance(metrics[m], d, u, c->v + (size_t) from * d) - distance) / unit;
						mean.n_block[m] += 1.0;
					}
				}
				from = to;
			}
			for (int32_t i = 0; i < c->n; i++)
			{
				if (!rmf_mips_bound_holds(&c->space, c->codes + (size_t) i * bytes, c->entries + i, &whole))
					includes = 0;
				if (!(rmf_mips_distance(&query, rmf_mips_bound_score(&query, &whole)) <=
					  operator_distance(metrics[m], d, u, c->v + (size_t) i * d)))
					whole_holds = 0;
			}
		}

	CHECK(entries_hold);
	CHECK(blocks_hold);
	CHECK(whole_holds);
	CHECK(not_nan);
	CHECK(levels_agree);
	CHECK(includes);
	for (int m = 0; m < 3; m++)
	{
		mean.entry[m] /= fmax(mean.n_entry[m], 1.0);
		mean.block[m] /= fmax(mean.n_block[m], 1.0);
	}
	free(memory);
	free(upper);
	free(plain);
	return mean;
}

static float *
random_vectors(int32_t n, int32_t dimensions)
{
	float	   *v = malloc(((size_t) n * (size_t) dimensions + 1) * sizeof(float));

	rmf_random_normal(state++, 7, 1.0, (int64_t) n * dimensions, v);
	return v;
}

/* Like factors: lengths spread widely, most of it along a few directions, and one that nearly all share. */
static float *
factor_like(int32_t n, int32_t dimensions)
{
	float	   *v = random_vectors(n, dimensions);

	for (int32_t i = 0; i < n; i++)
	{
		double		length = exp(1.2 * draw() + 1.2 * draw());

		for (int32_t j = 0; j < dimensions; j++)
		{
			float	   *x = v + (size_t) i * dimensions + j;

			*x = (float) (length * (*x / sqrt(1.0 + j) + (j == 0 ? 0.7 : 0.0)));
		}
	}
	return v;
}

static void
test_random(void)
{
	static const int32_t dimensions[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 128, 200, 1000};

	for (size_t i = 0; i < sizeof(dimensions) / sizeof(dimensions[0]); i++)
	{
		int32_t		d = dimensions[i];
		float	   *queries = random_vectors(6, d);

		for (int kind = 0; kind < 2; kind++)
		{
			int32_t		n_leading = (int32_t) draw_below((uint32_t) (d < 16 ? d : 16) + 1);
			coded		c = code_all(70, d, n_leading, kind == 0 ? random_vectors(70, d) : factor_like(70, d));

			check_bounds(&c, 6, queries, 9);
			/* Queries that are in the table: the distance is zero, the cosine 1. */
			check_bounds(&c, 4, c.v, 9);
			free_coded(&c);
		}
		free(queries);
	}
}

/* Long vectors: the sums of 32 bits would overflow with a query's code of 16 bits. */
static void
test_long(void)
{
	static const int32_t dimensions[] = {516, 517, 2048, 8000};

	for (size_t i = 0; i < sizeof(dimensions) / sizeof(dimensions[0]); i++)
	{
		int32_t		d = dimensions[i];
		float	   *queries = malloc(4 * (size_t) d * sizeof(float));
		float	   *v = malloc(20 * (size_t) d * sizeof(float));
		coded		c;

		for (size_t k = 0; k < 4 * (size_t) d; k++)
			queries[k] = k < (size_t) d ? 1.0f : k < 2 * (size_t) d ? -1.0f : draw();
		for (size_t k = 0; k < 20 * (size_t) d; k++)
			v[k] = k < (size_t) d ? 1.0f : k < 2 * (size_t) d ? -3.0f : draw();
		c = code_all(20, d, 16, v);
		check_bounds(&c, 4, queries, 4);
		free_coded(&c);
		free(queries);
	}
}

/*
 * How much the bounds lose.  Rounding to 1 of 255 steps loses a step's
 * 1/sqrt(12) a number: of a Gaussian vector whose largest of 64 numbers is 2.5
 * deviations, 2.5 / 127 / sqrt(12) = 0.57% of its length.
 */
static void
test_tightness(void)
{
	float	   *queries = random_vectors(20, 64);
	coded		c = code_all(300, 64, 16, random_vectors(300, 64));
	slack		mean = check_bounds(&c, 20, queries, 1);

	for (int m = 0; m < 3; m++)
	{
		CHECK(mean.entry[m] > 0.0 && mean.entry[m] < 0.0065);
		CHECK(mean.n_entry[m] == 6000.0);
		CHECK(mean.n_block[m] == 6000.0);
	}
	/* In blocks of one, what is outside of the leading directions is lost: not all of it. */
	CHECK(mean.block[0] > 0.0 && mean.block[0] < 0.9);
	free_coded(&c);
	free(queries);

	/* As many directions as dimensions: a block of one knows as much as the entry. */
	queries = random_vectors(20, 12);
	c = code_all(300, 12, 12, random_vectors(300, 12));
	mean = check_bounds(&c, 20, queries, 1);
	for (int m = 0; m < 3; m++)
	{
		CHECK(mean.entry[m] < 0.005);
		CHECK(mean.block[m] < 0.009);
	}
	free_coded(&c);
	free(queries);

	/* The largest long vectors: 11 bits of the query are still finer than 8 bits of an entry. */
	queries = random_vectors(4, 8000);
	c = code_all(30, 8000, 4, random_vectors(30, 8000));
	mean = check_bounds(&c, 4, queries, 1);
	CHECK(mean.entry[0] < 0.012);
	free_coded(&c);
	free(queries);
}

static void
fill(float *v, int32_t n, int32_t dimensions, float (*value) (int32_t i, int32_t j))
{
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < dimensions; j++)
			v[(size_t) i * dimensions + j] = value(i, j);
}

static float
all_equal(int32_t i, int32_t j)
{
	(void) i;
	return j % 2 == 0 ? 0.3f : -0.1f;
}

static float
equal_norms(int32_t i, int32_t j)
{
	return (i * 7 + j * 3 + (i * j) % 5) % 2 == 0 ? 0.25f : -0.25f;
}

static float
one_giant(int32_t i, int32_t j)
{
	return i == 5 ? FLT_MAX * (j % 3 == 0 ? 1.0f : -0.5f) : draw();
}

static float
zeros(int32_t i, int32_t j)
{
	(void) j;
	return i % 3 == 0 ? 0.0f : i % 3 == 1 ? -0.0f : draw();
}

static float
nothing_but_zeros(int32_t i, int32_t j)
{
	(void) i;
	(void) j;
	return 0.0f;
}

static float
denormals(int32_t i, int32_t j)
{
	return (float) ((i + j * 3) % 11 - 5) * 0x1p-149f * (float) (1 << (i % 20));
}

static float
smallest(int32_t i, int32_t j)
{
	return i == j ? 0x1p-149f : i % 4 == 3 ? 0x1p-149f : 0.0f;
}

static float
giants(int32_t i, int32_t j)
{
	return (i + j) % 2 == 0 ? FLT_MAX : (i % 3 == 0 ? -FLT_MAX : FLT_MAX);
}

static float
all_magnitudes(int32_t i, int32_t j)
{
	return draw() * ldexpf(1.0f, (i * 11 + j * 5) % 270 - 145);
}

static float
around_trust(int32_t i, int32_t j)
{
	(void) j;
	return draw() * ldexpf(1.0f, -44 - i % 12);
}

static float
away(int32_t i, int32_t j)
{
	(void) i;
	return j % 2 == 0 ? -(fabsf(draw()) + 0.1f) : 0.0f;
}

static float
one_axis(int32_t i, int32_t j)
{
	return j == i % 4 ? 1.0f + draw() : 0.0f;
}

/* Sums that cancel: the score is far smaller than its terms. */
static float
cancelling(int32_t i, int32_t j)
{
	return (j % 2 == 0 ? 1.0f : -1.0f) * (1.0f + (float) (i + j) * 0x1p-20f);
}

static void
test_adversarial(void)
{
	static float (*const kinds[]) (int32_t, int32_t) = {
		all_equal, equal_norms, one_giant, zeros, nothing_but_zeros, denormals, smallest, giants,
		all_magnitudes, around_trust, away, one_axis, cancelling
	};
	static const int32_t dimensions[] = {1, 5, 16, 40, 64, 129};
	enum
	{
		n_kinds = sizeof(kinds) / sizeof(kinds[0])
	};

	for (size_t i = 0; i < sizeof(dimensions) / sizeof(dimensions[0]); i++)
	{
		int32_t		d = dimensions[i];
		float	   *queries = malloc((size_t) n_kinds * 3 * (size_t) d * sizeof(float));

		/* Each kind of data meets queries of every kind. */
		for (int k = 0; k < n_kinds; k++)
			fill(queries + (size_t) k * 3 * d, 3, d, kinds[k]);
		for (size_t j = 0; j < (size_t) d; j++)
			queries[j] = fabsf(draw()) + 0.5f;

		for (int k = 0; k < n_kinds; k++)
		{
			float	   *v = malloc(30 * (size_t) d * sizeof(float));
			coded		c;

			fill(v, 30, d, kinds[k]);
			c = code_all(30, d, d < RMF_MIPS_MAX_LEADING ? d : RMF_MIPS_MAX_LEADING, v);
			check_bounds(&c, n_kinds * 3, queries, 6);
			free_coded(&c);
		}
		free(queries);
	}
}

static void
test_values(void)
{
	float		v[3] = {0.0f, 0.0f, 0.0f};
	int8_t		code[16];
	rmf_mips_entry entry;

	memset(code, 55, sizeof(code));
	rmf_mips_encode(3, v, code, &entry);
	CHECK(entry.scale == 0.0f && entry.error == 0.0f && entry.norm == 0.0f);
	for (int i = 0; i < 16; i++)
		CHECK(code[i] == 0);

	/* The padding is zero, the largest number is 127. */
	v[0] = 3.0f;
	v[1] = -4.0f;
	memset(code, 55, sizeof(code));
	rmf_mips_encode(3, v, code, &entry);
	CHECK(code[0] == 95 && code[1] == -127 && code[2] == 0 && code[3] == 0 && code[15] == 0);
	CHECK(entry.norm >= 5.0f && entry.norm < 5.00001f);
	CHECK(entry.error < 0.02f);

	CHECK(rmf_mips_code_size(1) == 16 && rmf_mips_code_size(16) == 16 && rmf_mips_code_size(17) == 32);
	CHECK(rmf_mips_bound_size(0) + RMF_MIPS_MAX_LEADING * 2 * sizeof(float) == rmf_mips_bound_size(RMF_MIPS_MAX_LEADING));
	CHECK(rmf_mips_bound_size(RMF_MIPS_MAX_LEADING) == sizeof(rmf_mips_bound));
}

static void
check_orthonormal(int32_t n, int32_t d, const float *rows)
{
	double		off = 0.0;

	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
		{
			double		product = rmf_dot_double(d, rows + (size_t) i * d, rows + (size_t) j * d) - (i == j ? 1.0 : 0.0);

			off += product * product;
		}
	CHECK(sqrt(off) < 0x1p-18);
}

static void
test_leading(void)
{
	enum
	{
		n = 400,
		d = 40,
		n_leading = 6
	};
	float	   *v = random_vectors(n, d);
	void	   *workspace = malloc(rmf_mips_leading_workspace_size(d, 16));
	float		leading[16 * d],
				again[16 * d];
	double		inside = 0.0,
				whole = 0.0;
	counting_poll counter;

	/* Six directions, none along an axis, have nearly all of the length. */
	for (int32_t i = 0; i < n; i++)
	{
		float		part[n_leading];

		memcpy(part, v + (size_t) i * d, sizeof(part));
		for (int32_t j = 0; j < d; j++)
		{
			v[i * d + j] *= 0.05f;
			for (int32_t l = 0; l < n_leading; l++)
				v[i * d + j] += part[l] * cosf((float) (l + 1) * (0.3f + (float) j * 0.13f));
		}
	}
	CHECK(rmf_mips_find_leading(n, d, v, n_leading, leading, workspace, NULL) == RMF_OK);
	check_orthonormal(n_leading, d, leading);
	for (int32_t i = 0; i < n; i++)
	{
		whole += rmf_dot_double(d, v + i * d, v + i * d);
		for (int32_t l = 0; l < n_leading; l++)
			inside += pow(rmf_dot_double(d, v + i * d, leading + l * d), 2.0);
	}
	CHECK(inside > 0.985 * whole && inside <= whole);
	CHECK(rmf_mips_find_leading(n, d, v, n_leading, again, workspace, NULL) == RMF_OK);
	CHECK(memcmp(leading, again, n_leading * d * sizeof(float)) == 0);

	/* Fewer than asked for in the sample, none at all, and all that there are. */
	CHECK(rmf_mips_find_leading(3, d, v, 16, leading, workspace, NULL) == RMF_OK);
	check_orthonormal(16, d, leading);
	CHECK(rmf_mips_find_leading(0, d, v, 16, leading, workspace, NULL) == RMF_OK);
	check_orthonormal(16, d, leading);
	CHECK(rmf_mips_find_leading(n, 5, v, 5, leading, workspace, NULL) == RMF_OK);
	check_orthonormal(5, 5, leading);
	CHECK(rmf_mips_find_leading(n, d, v, 17, leading, workspace, NULL) == RMF_BAD_ARGUMENT);
	CHECK(rmf_mips_find_leading(n, 5, v, 6, leading, workspace, NULL) == RMF_BAD_ARGUMENT);

	CHECK(rmf_mips_find_leading(n, d, v, n_leading, leading, workspace, start_poll(&counter, 1)) == RMF_CANCELLED);
	v[77] = NAN;
	CHECK(rmf_mips_find_leading(n, d, v, n_leading, leading, workspace, NULL) == RMF_NOT_FINITE);
	free(workspace);
	free(v);
}

/* How many blocks have a bound above the best score, for blocks of the given order. */
static int
blocks_above(const coded *c, const int32_t *order, int32_t capacity, int32_t n_queries, const float *queries)
{
	int32_t		d = c->space.dimensions;
	size_t		bytes = rmf_mips_code_size(d);
	void	   *memory = malloc(rmf_mips_query_size(d));
	int			above = 0;

	for (int32_t q = 0; q < n_queries; q++)
	{
		rmf_mips_query query;
		double		best = -INFINITY;

		rmf_mips_query_prepare(&c->space, RMF_MIPS_INNER_PRODUCT, queries + (size_t) q * d, memory, &query);
		for (int32_t i = 0; i < c->n; i++)
			best = fmax(best, rmf_dot(d, queries + (size_t) q * d, c->v + (size_t) i * d));
		for (int32_t from = 0; from < c->n; from += capacity)
		{
			rmf_mips_bound bound;

			rmf_mips_bound_clear(&bound, c->space.n_leading);
			for (int32_t i = from; i < from + capacity && i < c->n; i++)
				rmf_mips_bound_include(&c->space, c->codes + (size_t) order[i] * bytes, c->entries + order[i], &bound);
			above += rmf_mips_bound_score(&query, &bound) >= best;
		}
	}
	free(memory);
	return above;
}

static int
longer_first(const void *a, const void *b)
{
	float		x = ((const float *) a)[0],
				y = ((const float *) b)[0];

	return x < y ? 1 : x > y ? -1 : 0;
}

static void
test_arrange(void)
{
	static const int32_t lengths[] = {0, 1, 6, 7, 8, 100, 1001};
	float	   *queries = factor_like(30, 24);
	int32_t		order[3000],
				again[3000];
	counting_poll counter;
	coded		c;
	void	   *workspace;

	for (int kind = 0; kind < 4; kind++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
		{
			int32_t		n = lengths[l];
			float	   *v = factor_like(n + 1, 24);
			char	   *there = calloc((size_t) n + 1, 1);
			int			each_once = 1;

			if (kind > 0)
				fill(v, n, 24, kind == 1 ? all_equal : kind == 2 ? giants : nothing_but_zeros);
			c = code_all(n, 24, kind == 3 ? 0 : 16, v);
			workspace = malloc(rmf_mips_arrange_workspace_size(&c.space, n) + 1);
			CHECK(rmf_mips_arrange(&c.space, n, c.codes, c.entries, 7, order, workspace, NULL) == RMF_OK);
			for (int32_t i = 0; i < n; i++)
				if (order[i] < 0 || order[i] >= n || there[order[i]]++)
					each_once = 0;
			CHECK(each_once);
			free(workspace);
			free(there);
			free_coded(&c);
		}

	/* By norm alone, and arranged: far fewer blocks remain; norms that differ widely stay apart. */
	for (int kind = 0; kind < 2; kind++)
	{
		enum
		{
			n = 3000,
			d = 24
		};
		float	   *v = factor_like(n, d);
		struct
		{
			float		norm;
			int32_t		at;
		}			by_norm[n];
		int			before,
					after;

		for (int32_t i = 0; i < n && kind == 0; i++)
		{
			/* A few kinds of items, of like norms. */
			for (int32_t j = 0; j < d; j++)
				v[i * d + j] = cosf((float) ((i * 7 % 13 + 1) * (j + 1))) + 0.2f * draw();
		}
		c = code_all(n, d, 12, v);
		for (int32_t i = 0; i < n; i++)
		{
			by_norm[i].norm = c.entries[i].norm;
			by_norm[i].at = i;
		}
		qsort(by_norm, n, sizeof(by_norm[0]), longer_first);
		for (int32_t i = 0; i < n; i++)
			order[i] = by_norm[i].at;
		before = blocks_above(&c, order, 20, 30, queries);
		workspace = malloc(rmf_mips_arrange_workspace_size(&c.space, n));
		CHECK(rmf_mips_arrange(&c.space, n, c.codes, c.entries, 20, order, workspace, NULL) == RMF_OK);
		after = blocks_above(&c, order, 20, 30, queries);
		if (kind == 0)
			CHECK(after * 3 < before);
		else
			CHECK(after * 10 < before * 11);
		CHECK(rmf_mips_arrange(&c.space, n, c.codes, c.entries, 20, again, workspace, NULL) == RMF_OK);
		CHECK(memcmp(order, again, sizeof(order)) == 0);
		CHECK(rmf_mips_arrange(&c.space, n, c.codes, c.entries, 0, again, workspace, NULL) == RMF_BAD_ARGUMENT);
		for (long at = 1; at < 4; at++)
			CHECK(rmf_mips_arrange(&c.space, n, c.codes, c.entries, 20, again, workspace,
								   start_poll(&counter, at)) == RMF_CANCELLED);
		free(workspace);
		free_coded(&c);
	}
	free(queries);
}

static void
test_heap(void)
{
	enum
	{
		n = 2000
	};
	static rmf_mips_waiting heap[n];
	static int	there[n];
	int64_t		waiting = 0;
	int			falling = 1,
				whole = 1;

	for (int round = 0; round < 3; round++)
	{
		float		last = INFINITY;

		memset(there, 0, sizeof(there));
		for (int i = 0; i < n; i++)
		{
			rmf_mips_waiting one = {round == 0 ? draw() : (float) draw_below(10), (uint32_t) i, (uint16_t) (i % 7)};

			rmf_mips_push(heap, &waiting, one);
			there[i] = 1;
			if (i % 5 == 4)
			{
				one = rmf_mips_pop(heap, &waiting);
				for (int64_t k = 0; k < waiting; k++)
					if (heap[k].upper > one.upper)
						falling = 0;
				there[one.block]--;
			}
		}
		while (waiting > 0)
		{
			rmf_mips_waiting one = rmf_mips_pop(heap, &waiting);

			if (one.upper > last || one.offset != one.block % 7)
				falling = 0;
			last = one.upper;
			there[one.block]--;
		}
		for (int i = 0; i < n; i++)
			if (there[i] != 0)
				whole = 0;
	}
	CHECK(falling);
	CHECK(whole);
}

/* Those that are at least so much, and the largest of the others, at every level. */
static void
test_at_least(void)
{
	float		upper[131];
	int32_t		place[131];
	int			right = 1;

	for (int level = 0; level < N_LEVELS; level++)
	{
		const rmf_mips_kernels *kernels = rmf_mips_kernels_of(level);

		for (int32_t n = 0; kernels != NULL && n <= 131; n++)
		{
			const float limits[] = {-INFINITY, -1.0f, 0.0f, 0.5f, INFINITY};

			rmf_random_normal(state++, 7, 1.0, n, upper);
			for (int32_t i = 0; i < n; i += 7)
				upper[i] = i % 2 == 0 ? -INFINITY : 0.5f;
			for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++)
			{
				float		left;
				float		largest = -INFINITY;
				int32_t		found = kernels->at_least(n, upper, limits[k], place, &left);
				int32_t		expected = 0;

				for (int32_t i = 0; i < n; i++)
				{
					if (upper[i] >= limits[k])
						right &= expected < found && place[expected++] == i;
					else
						largest = upper[i] > largest ? upper[i] : largest;
				}
				right &= expected == found && left == largest;
			}
		}
	}
	CHECK(right);
}

int
main(void)
{
	test_values();
	test_leading();
	test_arrange();
	test_heap();
	test_random();
	test_long();
	test_tightness();
	test_adversarial();
	test_at_least();
	return unit_report("test_mips");
}
