/*
 * test_measures.c
 *	  Measures of recommendations against lists worked out by hand, the bootstrap
 *	  against the known variance of a mean, tests on pairs against published and
 *	  computed values.
 */
#include <math.h>
#include <string.h>

#include "allocate.h"
#include "counting_poll.h"
#include "rmf_bootstrap.h"
#include "rmf_hold_out.h"
#include "rmf_measures.h"
#include "rmf_paired.h"
#include "rmf_random.h"
#include "unit.h"

/*
 * Five relevant items, three of them at places 1, 3 and 6 (the average precision
 * of such a list of ten is the textbook's 1/5 (1/1 + 2/3 + 3/6) = .4333).
 */
static void
test_accuracy(void)
{
	const int32_t place[] = {1, 3, 6};
	rmf_accuracy a = rmf_measure_places(5, 3, place, 5);

	CHECK_NEAR(a.precision, 2.0 / 5, 1e-12);
	CHECK_NEAR(a.recall, 2.0 / 5, 1e-12);
	CHECK_NEAR(a.capped_recall, 2.0 / 5, 1e-12);
	CHECK_NEAR(a.f1, 2.0 / 5, 1e-12);
	CHECK_NEAR(a.hit_rate, 1, 0);
	CHECK_NEAR(a.mrr, 1, 0);
	CHECK_NEAR(a.map, (1 + 2.0 / 3) / 5, 1e-12);
	/* gain 1 + 1/2; ideal 1 + .63093 + .5 + .43068 + .38685 */
	CHECK_NEAR(a.ndcg, 1.5 / 2.948459, 1e-6);

	a = rmf_measure_places(5, 3, place, 10);
	CHECK_NEAR(a.precision, 0.3, 1e-12);
	CHECK_NEAR(a.recall, 0.6, 1e-12);
	CHECK_NEAR(a.f1, 0.4, 1e-12);
	CHECK_NEAR(a.map, 0.4333333, 1e-6);
	CHECK_NEAR(a.ndcg, (1.5 + 0.3562072) / 2.948459, 1e-6);

	/* two relevant items, k = 1: recall can reach a half, its cap says 1 */
	a = rmf_measure_places(2, 1, place, 1);
	CHECK_NEAR(a.recall, 0.5, 0);
	CHECK_NEAR(a.capped_recall, 1, 0);
	CHECK_NEAR(a.f1, 2.0 / 3, 1e-12);
	CHECK_NEAR(a.ndcg, 1, 0);

	/* the second place is the first hit */
	a = rmf_measure_places(1, 1, place + 1, 10);
	CHECK_NEAR(a.mrr, 1.0 / 3, 1e-12);
	CHECK_NEAR(a.ndcg, 0.5, 1e-12);
	CHECK_NEAR(a.map, 1.0 / 3, 1e-12);

	/* nothing */
	a = rmf_measure_places(3, 0, place, 10);
	CHECK(a.precision == 0 && a.recall == 0 && a.f1 == 0 && a.hit_rate == 0 && a.mrr == 0 && a.map == 0 && a.ndcg == 0);
}

static void
test_auc(void)
{
	const int32_t place[] = {1, 3, 6};
	const char	some[] = {0, 1, 0};

	/* 7 others: the first is before all 7, the second before 6, the third before 4 */
	CHECK_NEAR(rmf_auc(3, 3, place, NULL, 7), 17.0 / 21, 1e-12);
	/* a fourth, that is not in the list, is behind all */
	CHECK_NEAR(rmf_auc(4, 3, place, NULL, 7), 17.0 / 28, 1e-12);
	CHECK_NEAR(rmf_auc(1, 3, place, some, 7), 6.0 / 7, 1e-12);
	CHECK(isnan(rmf_auc(3, 3, place, NULL, 0)));
	CHECK(isnan(rmf_auc(0, 0, place, NULL, 5)));
}

static void
test_lists(void)
{
	const float rows[] = {1, 0, 0, 1, 1, 0, -1, 0, 0, 0};
	const int32_t list[] = {0, 1, 2, 3, 4, 7};
	const int32_t k[] = {1, 2, 3, 4, 5, 6, 9};
	const int32_t had[] = {8, 4, 2, 1, 0};
	const char	in_tail[] = {0, 0, 1, 1, 1};
	const rmf_catalogue catalogue = {5, had, in_tail, 8, 2, rows};
	const rmf_catalogue without = {5, had, in_tail, 4, 0, NULL};
	const int32_t count[] = {9, 5, 5, 2, 1, 1};
	const int32_t order[] = {0, 1, 2, 3, 4, 5};
	const int32_t exposure[] = {0, 3, 1, 0};
	const int32_t place[] = {1, 4, 6};
	const int32_t item[] = {5, 3, 2};
	const int32_t other[] = {3, 9, 5};
	int64_t		sorted[4];
	double		sum[2];
	rmf_list_measures out[7];
	double		coverage,
				gini;
	char		tail[6];

	/* distances: (0,1) 1; (0,2) 0, (1,2) 1; (0,3) 2, (1,3) 1, (2,3) 2; with a zero row, or one of no item, 1 each */
	rmf_measure_list(&catalogue, 6, list, 7, k, sum, out);
	CHECK(isnan(out[0].diversity));
	CHECK_NEAR(out[1].diversity, 1, 1e-12);
	CHECK_NEAR(out[2].diversity, 2.0 / 3, 1e-12);
	CHECK_NEAR(out[3].diversity, 7.0 / 6, 1e-12);
	CHECK_NEAR(out[4].diversity, 11.0 / 10, 1e-12);
	CHECK_NEAR(out[5].diversity, 16.0 / 15, 1e-12);
	/* bits: 0, 1, 2, 3; one of nobody, or that is not in the catalogue, as one of a single user */
	CHECK_NEAR(out[0].novelty, 0, 0);
	CHECK_NEAR(out[2].novelty, 1, 1e-12);
	CHECK_NEAR(out[5].novelty, 2, 1e-12);
	CHECK_NEAR(out[1].long_tail_share, 0, 0);
	CHECK_NEAR(out[3].long_tail_share, 0.5, 0);
	CHECK_NEAR(out[5].long_tail_share, 4.0 / 6, 1e-12);
	/* beyond its end a list is what it was */
	CHECK_NEAR(out[6].novelty, out[5].novelty, 0);
	/* more users have it than there are: no information */
	rmf_measure_list(&without, 1, list, 1, k, sum, out);
	CHECK(out[0].novelty == 0 && isnan(out[0].diversity));
	rmf_measure_list(&catalogue, 0, list, 1, k, sum, out);
	CHECK(isnan(out[0].novelty) && isnan(out[0].long_tail_share) && isnan(out[0].diversity));

	/* of hits at 1, 4, 6: item 5 is among the first three of the other list, item 3 among all */
	CHECK(rmf_count_surprises(1, 3, place, item, 3, other) == 1);
	CHECK(rmf_count_surprises(3, 3, place, item, 3, other) == 0);
	CHECK(rmf_count_surprises(6, 3, place, item, 3, other) == 1);

	/* Gini of 0, 0, 1, 3: (2(0 + 0 + 3 + 12) - 5 * 4) / (4 * 4) = .625 */
	rmf_measure_exposure(4, exposure, sorted, &coverage, &gini);
	CHECK_NEAR(coverage, 0.5, 0);
	CHECK_NEAR(gini, 0.625, 1e-12);
	rmf_measure_exposure(2, exposure + 2, sorted, &coverage, &gini);
	CHECK_NEAR(coverage, 0.5, 0);
	CHECK_NEAR(gini, 0.5, 1e-12);
	rmf_measure_exposure(0, exposure, sorted, &coverage, &gini);
	CHECK(isnan(coverage) && isnan(gini));

	/* a fifth of six is two; the third item has as many ratings as the second */
	rmf_long_tail(6, order, count, tail);
	CHECK(!tail[0] && !tail[1] && !tail[2] && tail[3] && tail[4] && tail[5]);
}

static void
test_probabilities(void)
{
	rmf_case	cases[] = {{0.9, 1, 1}, {0.1, 1, 0}, {0.1, 1, 1}, {0.9, 1, 1}};
	rmf_case	perfect[] = {{0.25, 3, 0}, {0.25, 1, 1}};
	rmf_case	weightless = {0.5, 0, 1};

	CHECK_NEAR(rmf_log_loss(0.25, 1), log(4), 1e-12);
	CHECK(isfinite(rmf_log_loss(0, 1)) && isfinite(rmf_log_loss(1, 0)));

	/* half of those at .1 happened, and all of those at .9 */
	CHECK_NEAR(rmf_calibration_error(4, cases), (2 * 0.4 + 2 * 0.1) / 4, 1e-12);
	CHECK_NEAR(rmf_calibration_error(2, perfect), 0, 1e-12);
	CHECK(isnan(rmf_calibration_error(1, &weightless)));
	CHECK(isnan(rmf_calibration_error(0, NULL)));
}

/* 400 users with values 0 and 1: sd of the mean is sqrt(p(1-p)/n). */
static void
test_bootstrap(void)
{
	enum
	{
		N = 400, C = 3, B = 2000
	};
	static float values[N * C];
	const rmf_statistic statistics[] = {{0, -1, 0, -1}, {1, 2, 0, -1}, {1, 2, 1, -1}, {1, 2, 1, 2}};
	rmf_bootstrap b = {N, C, values, 4, statistics, B, 0.95, 42};
	void	   *workspace = allocate(rmf_bootstrap_workspace_size(&b));
	rmf_estimate estimates[4];
	rmf_estimate again[4];
	counting_poll counter;
	double		half;

	for (int u = 0; u < N; u++)
	{
		values[u * C] = u % 4 == 0;
		values[u * C + 1] = u < N / 2 ? 8 : 0;
		values[u * C + 2] = u < N / 2 ? 2 : 0;
	}
	values[C * 3] = NAN;		/* one of three quarters of 0 */
	CHECK(rmf_bootstrap_run(&b, workspace, estimates, NULL) == RMF_OK);
	CHECK_NEAR(estimates[0].value, 100.0 / 399, 1e-12);
	CHECK(estimates[0].n == 399 && estimates[1].n == 400);
	half = 1.96 * sqrt(0.25 * 0.75 / 399);
	CHECK_NEAR(estimates[0].value - estimates[0].low, half, 0.1 * half);
	CHECK_NEAR(estimates[0].high - estimates[0].value, half, 0.1 * half);
	CHECK_NEAR(estimates[1].value, 4, 1e-12);
	CHECK_NEAR(estimates[1].low, 4, 1e-12);
	CHECK_NEAR(estimates[2].value, 2, 1e-12);
	CHECK_NEAR(estimates[3].value, 1, 1e-12);
	CHECK_NEAR(estimates[3].high, 1, 1e-12);

	CHECK(rmf_bootstrap_run(&b, workspace, again, NULL) == RMF_OK && memcmp(estimates, again, sizeof(again)) == 0);
	b.seed = 43;
	CHECK(rmf_bootstrap_run(&b, workspace, again, NULL) == RMF_OK && again[0].low != estimates[0].low);
	CHECK(rmf_bootstrap_run(&b, workspace, again, start_poll(&counter, 2)) == RMF_CANCELLED);

	/* no interval: one user, no resamples, no users */
	b.n_users = 1;
	CHECK(rmf_bootstrap_run(&b, workspace, again, NULL) == RMF_OK && again[0].value == 1 && isnan(again[0].low));
	b.n_users = N;
	b.n_resamples = 0;
	CHECK(rmf_bootstrap_run(&b, workspace, again, NULL) == RMF_OK && isnan(again[0].low) && again[0].value == estimates[0].value);
	b.n_resamples = 10;
	b.n_users = 0;
	CHECK(rmf_bootstrap_run(&b, workspace, again, NULL) == RMF_OK && isnan(again[0].value) && again[0].n == 0);
	free(workspace);
}

/* A 95% interval covers the truth in about 95% of samples. */
static void
test_coverage(void)
{
	enum
	{
		SAMPLES = 400, N = 100, B = 400
	};
	float		values[N];
	const rmf_statistic statistic = {0, -1, 0, -1};
	rmf_bootstrap b = {N, 1, values, 1, &statistic, B, 0.95, 1};
	void	   *workspace = allocate(rmf_bootstrap_workspace_size(&b));
	int			covered = 0;

	for (uint64_t s = 0; s < SAMPLES; s++)
	{
		rmf_estimate e;

		rmf_random_normal(s, 77, 1, N, values);
		b.seed = s;
		(void) rmf_bootstrap_run(&b, workspace, &e, NULL);
		covered += e.low <= 0 && 0 <= e.high;
	}
	CHECK(covered >= 0.92 * SAMPLES && covered <= 0.975 * SAMPLES);
	free(workspace);
}

static void
test_paired(void)
{
	/* Student's sleep data (1908), two drugs on ten patients: t = 4.0621, p = .002833; Wilcoxon p exact .00390625 */
	double		sleep[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
	double		zeros[] = {0, 0, 0};
	double		same[] = {2, 2, 2};
	double		many[200];
	rmf_paired	r;

	CHECK(rmf_paired_test(10, sleep, &r, NULL) == RMF_OK);
	CHECK_NEAR(r.mean, 1.58, 1e-12);
	CHECK_NEAR(r.sd, 1.2299955, 1e-6);
	CHECK_NEAR(r.effect, 1.2845579, 1e-6);
	CHECK_NEAR(r.t_p, 0.00283289, 1e-7);
	CHECK_NEAR(r.wilcoxon_p, 0.00390625, 1e-12);
	CHECK(r.n_positive == 9 && r.n_negative == 0 && r.n == 10);

	CHECK(rmf_paired_test(3, zeros, &r, NULL) == RMF_OK);
	CHECK(r.mean == 0 && r.t_p == 1 && isnan(r.wilcoxon_p) && isnan(r.effect));
	CHECK(rmf_paired_test(3, same, &r, NULL) == RMF_OK);
	CHECK(r.t_p == 0 && isnan(r.effect));
	CHECK_NEAR(r.wilcoxon_p, 0.25, 1e-12);
	CHECK(rmf_paired_test(1, same, &r, NULL) == RMF_OK && isnan(r.t_p) && isnan(r.sd) && r.mean == 2);
	CHECK(rmf_paired_test(0, same, &r, NULL) == RMF_OK && isnan(r.mean));

	/* values with ties: i mod 7 less 2.5, by SciPy's wilcoxon(correction=True) and ttest_1samp */
	for (int i = 0; i < 200; i++)
		many[i] = i % 7 - 2.5;
	CHECK(rmf_paired_test(200, many, &r, NULL) == RMF_OK);
	CHECK_NEAR(r.wilcoxon_p, 0.0021232008366782102, 1e-9);
	CHECK_NEAR(r.t_p, 0.0010721022297960642, 1e-9);
}

/* A part of all pairs, the same for ever, and without exception. */
static void
test_held_out(void)
{
	int			n = 0;

	for (uint64_t u = 0; u < 100; u++)
		for (uint64_t i = 0; i < 100; i++)
			n += rmf_is_held_out(0.2, 42, rmf_mix64(u), rmf_mix64(i));
	CHECK_NEAR(n, 2000, 120);
	CHECK(!rmf_is_held_out(0, 42, 1, 2));
	CHECK(rmf_is_held_out(1, 42, 1, 2));
	for (uint64_t i = 0; i < 1000; i++)
		if (rmf_is_held_out(0.1, 42, 7, i) && !rmf_is_held_out(0.2, 42, 7, i))
			n = -1;
	CHECK(n > 0);
}

int
main(void)
{
	test_accuracy();
	test_auc();
	test_lists();
	test_probabilities();
	test_bootstrap();
	test_coverage();
	test_paired();
	test_held_out();
	return unit_report("test_measures");
}
