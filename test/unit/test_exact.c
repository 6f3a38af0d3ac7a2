/*
 * test_exact.c
 *	  The kernels of the exact solver at each level of the processor against
 *	  plain loops in double precision; that a row comes out the same to the last
 *	  bit alone, beside others, and in whatever windows; singular systems,
 *	  errors and cancellation.
 */
#include <float.h>

#include "als_fixture.h"
#include "counting_poll.h"
#include "rmf_exact.h"
#include "unit.h"

static float *
random_floats(uint64_t key, size_t n)
{
	float	   *x = allocate(n * sizeof(float));

	rmf_random_normal(key, 3, 1.0, (int) n, x);
	return x;
}

static int
blocks_of(const rmf_exact_kernels *kernels, int width)
{
	return (width + kernels->lanes - 1) / kernels->lanes;
}

/* gather, add_gram and score of n rows, the last of a matrix that ends where its last row does. */
static void
test_panel(const rmf_exact_kernels *kernels, int factors, int stride, int n)
{
	enum
	{
		ROWS = 50
	};
	int			lanes = kernels->lanes;
	int			blocks = blocks_of(kernels, factors + 1);
	int			capacity = (n + 3) / 4 * 4 + 4;
	size_t		padded = (size_t) (blocks * lanes);
	float	   *rows = random_floats(1, (size_t) (ROWS * stride));
	float	   *end = allocate((size_t) ((ROWS - 1) * stride + factors) * sizeof(float));
	float	   *root = random_floats(2, (size_t) n);
	float	   *target = random_floats(3, (size_t) n);
	float	   *x = random_floats(4, (size_t) factors);
	float	   *out = allocate((size_t) n * sizeof(float));
	float	   *panel = allocate(padded * (size_t) capacity * sizeof(float));
	float	   *triangle = allocate(rmf_exact_triangle_size(factors + 1) * sizeof(float));
	float	   *rhs = allocate(padded * sizeof(float));
	float	   *edge = allocate(padded * sizeof(float));
	int32_t    *column = allocate((size_t) n * sizeof(int32_t));

	memcpy(end, rows, (size_t) ((ROWS - 1) * stride + factors) * sizeof(float));
	for (int t = 0; t < n; t++)
		column[t] = (int32_t) (t == n - 1 ? ROWS - 1 : rmf_mix64((uint64_t) t) % ROWS);
	memset(panel, 0xff, padded * (size_t) capacity * sizeof(float));
	memset(rhs, 0, padded * sizeof(float));
	for (size_t i = 0; i < padded; i++)
		edge[i] = 1;
	for (size_t i = 0; i < rmf_exact_triangle_size(factors + 1); i++)
		triangle[i] = 2;

	kernels->gather(factors, stride, n, end, column, root, target, target, capacity, panel, rhs, edge);
	kernels->add_gram(factors, blocks, n, panel, capacity, triangle);
	kernels->score(factors, stride, n, end, column, x, out);
	for (int i = 0; i < factors; i++)
	{
		double		sum = 0;

		for (int t = 0; t < n; t++)
			sum += (double) target[t] * rows[column[t] * stride + i];
		CHECK_NEAR(rhs[i], sum, 1e-5 * (n + 10));
		CHECK_NEAR(edge[i], sum + 1, 1e-5 * (n + 10));
		for (int j = i; j < factors; j++)
		{
			sum = 2;
			for (int t = 0; t < n; t++)
				sum += (double) root[t] * root[t] * rows[column[t] * stride + i] * rows[column[t] * stride + j];
			CHECK_NEAR(triangle[rmf_exact_entry(lanes, blocks, i, j)], sum, 1e-5 * (n + 10));
		}
		/* where the bias will stand, nothing was added */
		CHECK(triangle[rmf_exact_entry(lanes, blocks, i, factors)] == 2);
	}
	for (int t = 0; t < n; t++)
	{
		double		sum = 0;

		for (int i = 0; i < factors; i++)
			sum += (double) x[i] * rows[column[t] * stride + i];
		CHECK_NEAR(out[t], sum, 1e-5 * (factors + 10));
	}

	/* without an edge, the same */
	{
		float	   *again = allocate(padded * sizeof(float));

		memset(again, 0, padded * sizeof(float));
		kernels->gather(factors, stride, n, end, column, root, target, NULL, capacity, panel, again, NULL);
		CHECK(memcmp(again, rhs, (size_t) factors * sizeof(float)) == 0);
		free(again);
	}
	free(rows);
	free(end);
	free(root);
	free(target);
	free(x);
	free(out);
	free(panel);
	free(triangle);
	free(rhs);
	free(edge);
	free(column);
}

/*
 * Systems of "width" unknowns; system "singular" (or none, -1) has two equal
 * unknowns.  Solved alone, and side by side in every place.
 */
static void
test_solve(const rmf_exact_kernels *kernels, int width, int singular)
{
	int			lanes = kernels->lanes;
	int			blocks = blocks_of(kernels, width);
	size_t		size = rmf_exact_triangle_size(width);
	size_t		padded = (size_t) (blocks * lanes);
	float	   *triangle[RMF_EXACT_MAX_LANES],
			   *x[RMF_EXACT_MAX_LANES],
			   *alone[RMF_EXACT_MAX_LANES];
	float	   *factored = allocate(size * sizeof(float));
	float	   *wide = allocate(rmf_exact_wide_size(width) * sizeof(float));
	float	   *wide_x = allocate((size_t) ((width + 3) * lanes) * sizeof(float));
	double	   *a = malloc((size_t) (width * width) * sizeof(double)),
			   *b = malloc((size_t) width * sizeof(double));
	int			good[RMF_EXACT_MAX_LANES];

	for (int l = 0; l < lanes; l++)
	{
		/* between them, well and badly conditioned */
		int			n = width / 2 + l * width / 8 + 1;
		float	   *z = random_floats((uint64_t) (100 + l), (size_t) (n * width));
		double		error = 0,
					norm = 0;

		triangle[l] = allocate(size * sizeof(float));
		x[l] = allocate(padded * sizeof(float));
		alone[l] = random_floats((uint64_t) (200 + l), padded);
		memset(triangle[l], 0, size * sizeof(float));
		for (int i = 0; i < width; i++)
			for (int j = i; j < width; j++)
			{
				double		sum = i == j && l != singular ? 0.5 : 0;

				for (int t = 0; t < n; t++)
				{
					int			j_ = l == singular && j == 1 ? 0 : j;

					sum += (double) z[t * width + (l == singular && i == 1 ? 0 : i)] * z[t * width + j_];
				}
				triangle[l][rmf_exact_entry(lanes, blocks, i, j)] = (float) sum;
				a[i * width + j] = a[j * width + i] = (float) sum;
			}
		for (int i = width; i < blocks * lanes; i++)
			alone[l][i] = 0;
		memcpy(x[l], alone[l], padded * sizeof(float));
		for (int i = 0; i < width; i++)
			b[i] = alone[l][i];

		memcpy(factored, triangle[l], size * sizeof(float));
		CHECK(kernels->solve_one(width, blocks, factored, alone[l]) == (l != singular));
		if (l != singular)
		{
			plain_solve(width, a, b);
			for (int i = 0; i < width; i++)
			{
				error += (alone[l][i] - b[i]) * (alone[l][i] - b[i]);
				norm += b[i] * b[i];
			}
			CHECK_NEAR(sqrt(error / norm), 0, 2e-5 * (width + 10));
		}
		free(z);
	}

	for (int turn = 0; turn < lanes; turn += 3)
	{
		float	   *triangles[RMF_EXACT_MAX_LANES],
				   *xs[RMF_EXACT_MAX_LANES];

		for (int l = 0; l < lanes; l++)
		{
			triangles[l] = triangle[(l + turn) % lanes];
			xs[l] = allocate(padded * sizeof(float));
			memcpy(xs[l], x[(l + turn) % lanes], padded * sizeof(float));
		}
		memset(wide, 0xff, rmf_exact_wide_size(width) * sizeof(float));
		kernels->solve_many(width, blocks, triangles, xs, wide, wide_x, good);
		for (int l = 0; l < lanes; l++)
		{
			int			from = (l + turn) % lanes;

			CHECK(good[l] == (from != singular));
			if (from != singular)
				CHECK(memcmp(xs[l], alone[from], (size_t) width * sizeof(float)) == 0);
			free(xs[l]);
		}
	}
	for (int l = 0; l < lanes; l++)
	{
		free(triangle[l]);
		free(x[l]);
		free(alone[l]);
	}
	free(factored);
	free(wide);
	free(wide_x);
	free(a);
	free(b);
}

/*
 * Rows of many lengths, one of them empty: in whatever windows as alone.  With
 * regularization 0 most systems are singular.
 */
static void
test_windows(rmf_cpu_level level, rmf_feedback feedback, int factors, double regularization)
{
	enum
	{
		N = 50
	};
	dataset		data = random_dataset(N, 70, 0.4, 3, 0);
	rmf_settings settings;
	model	   *m;
	rmf_half_step step;
	size_t		bytes;
	float	   *whole,
			   *in_parts,
			   *alone;
	rmf_sums	sums = {0, 0, 0},
				sums_of_parts = {0, 0, 0};
	counting_poll counter;
	long		polls;

	rmf_settings_init(&settings, feedback);
	settings.factors = factors;
	settings.regularization = regularization;
	settings.iterations = 1;
	m = make_model(&data, settings);
	bytes = (size_t) (N * m->dimensions) * sizeof(float);
	whole = allocate(bytes);
	in_parts = allocate(bytes);
	alone = allocate(bytes);
	rmf_als_start(&m->problem, RMF_ITEMS, 1, 0, 70, m->item_keys, m->items);
	if (feedback == RMF_IMPLICIT)
		CHECK(rmf_als_gram(&m->problem, 70, m->items, m->gram_items, m->workspace, NULL) == RMF_OK);
	step = half_step_of(m, &data, RMF_USERS);
	step.level = level;
	step.measure = 1;

	memset(m->workspace, 0xff, rmf_als_workspace_size(&m->problem));
	CHECK(solve_rows(&step, &data.by_user, 0, N, whole, &sums, m->workspace, start_poll(&counter, 0)) == RMF_OK);
	polls = counter.calls;
	for (int r = 0; r < N; r++)
	{
		int64_t		start = data.by_user.start[r];

		CHECK(rmf_als_solve_row(&step, data.by_user.start[r + 1] - start, data.by_user.column + start,
								data.by_user.value + start, NULL, alone + r * m->dimensions,
								m->workspace, NULL) == RMF_OK);
	}
	CHECK(memcmp(whole, alone, bytes) == 0);
	CHECK(all_finite(N * m->dimensions, whole));
	for (int size = 1; size < N; size += 1 + size / 2)
	{
		memset(in_parts, 0xff, bytes);
		sums_of_parts = (rmf_sums) {0, 0, 0};
		for (int r = 0; r < N; r += size)
			CHECK(solve_rows(&step, &data.by_user, r, r + size < N ? r + size : N, in_parts,
							 &sums_of_parts, m->workspace, NULL) == RMF_OK);
		CHECK(memcmp(whole, in_parts, bytes) == 0);
		CHECK_NEAR(sums_of_parts.fit, sums.fit, 1e-9 * fabs(sums.fit));
		CHECK_NEAR(sums_of_parts.squares, sums.squares, 1e-9 * sums.squares);
		CHECK_NEAR(sums_of_parts.penalty, sums.penalty, 1e-9 * sums.penalty);
	}
	memcpy(m->users, whole, bytes);
	if (feedback == RMF_IMPLICIT)
		CHECK(rmf_als_gram(&m->problem, N, m->users, m->gram_users, m->workspace, NULL) == RMF_OK);
	/* singular systems have large solutions, whose scores cancel */
	if (regularization > 0)
		check_sums(m, &data, &sums);

	for (long at = 1; at <= polls; at += 1 + polls / 20)
		CHECK(solve_rows(&step, &data.by_user, 0, N, in_parts, &sums, m->workspace,
						 start_poll(&counter, at)) == RMF_CANCELLED);
	free(whole);
	free(in_parts);
	free(alone);
	free_model(m);
	free_dataset(data);
}

int
main(void)
{
	static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 49, 64, 65, 100, 128};
	static const int lengths[] = {1, 3, 4, 5, 17, 60};
	static const int factors[] = {1, 6, 16, 33, 64, RMF_EXACT_WIDEST + 8};

	for (int level = RMF_CPU_BASELINE; level <= RMF_CPU_AVX512; level++)
	{
		const rmf_exact_kernels *kernels = rmf_exact_kernels_of((rmf_cpu_level) level);

		CHECK((kernels != NULL) == (rmf_vector_kernels_of((rmf_cpu_level) level) != NULL));
		if (kernels == NULL)
			continue;
		for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
		{
			for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++)
				test_panel(kernels, widths[w], widths[w] + (n % 2 == 0 ? 2 : 0), lengths[n]);
			test_solve(kernels, widths[w], -1);
			if (widths[w] > 1)
				test_solve(kernels, widths[w], (int) w % kernels->lanes);
		}
		for (int feedback = RMF_EXPLICIT; feedback <= RMF_IMPLICIT; feedback++)
			for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++)
			{
				test_windows((rmf_cpu_level) level, (rmf_feedback) feedback, factors[f], 0.1);
				test_windows((rmf_cpu_level) level, (rmf_feedback) feedback, factors[f], 0);
			}
	}
	return unit_report("exact");
}
