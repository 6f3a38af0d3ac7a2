# Logistic feedback and non-negative factors on real data, from SQL, by default
# options.  Gowalla comes from RECMF_DATA; without it its part is skipped.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('objectives');

# true if no loss of the active version is above the one before
my $falls = sub {
	my ($model) = @_;
	return $node->safe_psql(
		'postgres', qq{
SELECT bool_and(l <= before) FROM (
	SELECT l, lag(l, 1, l) OVER (ORDER BY n) AS before
	FROM recmf_models m, unnest(m.loss) WITH ORDINALITY a(l, n)
	WHERE m.model = '$model' AND m.active) x});
};

# Gowalla in the split of LightGCN: all items ranked, those of training left
# out, recall divided by the number of a user's test items.
SKIP:
{
	my $train = data_file('gowalla/train.csv.xz');

	skip 'Gowalla is not there (RECMF_DATA)', 5 unless $train;
	$node->safe_psql(
		'postgres', q{
CREATE TABLE visits (user_id integer, item_id integer);
CREATE TABLE visits_test (user_id integer, item_id integer)});
	load_xz($node, $train, 'visits', 'FORMAT csv, HEADER');
	load_xz($node, data_file('gowalla/test.csv.xz'), 'visits_test', 'FORMAT csv, HEADER');
	$node->safe_psql(
		'postgres', q{
CREATE INDEX ON visits (user_id, item_id);
ANALYZE;
SELECT FROM train_model('odds', 'visits', rating_col => NULL, feedback => 'logistic')});

	# of every tenth user
	my ($users, $recall, $ndcg) = split /\|/, $node->safe_psql(
		'postgres', q{
WITH lists AS (
	SELECT u.user_id, r.item_id, r.rank
	FROM (SELECT DISTINCT user_id FROM visits_test WHERE user_id % 10 = 0) u,
		recommend(u.user_id, 20, 'odds') r
), gains AS (
	SELECT user_id, count(*) AS n, count(l.rank) AS hits, coalesce(sum(ln(2) / ln(l.rank + 1)), 0) AS gain
	FROM visits_test LEFT JOIN lists l USING (user_id, item_id)
	WHERE user_id % 10 = 0 GROUP BY 1
)
SELECT count(*), avg(hits::float8 / n),
	avg(gain / (SELECT sum(ln(2) / ln(i + 1)) FROM generate_series(1, least(n, 20)) i)) FROM gains});
	measured(sprintf('gowalla, logistic, 64 factors, %d users: recall@20 %.4f, NDCG@20 %.4f', $users, $recall, $ndcg));
	# on all users a prototype came to recall .1567 and NDCG .1338, this engine to .1578 and .1344
	cmp_ok($recall, '>=', 0.1567 * 0.98, 'gowalla, logistic: recall@20');
	cmp_ok($ndcg, '>=', 0.1338 * 0.98, 'gowalla, logistic: NDCG@20');
	is($falls->('odds'), 't', 'gowalla, logistic: the loss falls');

	# probabilities: as many as there are visits, within a factor of two, and in order
	my ($ratio, $high, $low) = split /\|/, $node->safe_psql(
		'postgres', q{
WITH cells AS (
	SELECT 1 / (1 + exp(-(ln((SELECT (settings ->> 'unobserved_weight')::float8 FROM recmf_models WHERE model = 'odds' AND active)) +
			inner_product(u.factor, i.factor)))) AS p,
		EXISTS (SELECT FROM visits v WHERE v.user_id = u.user_id AND v.item_id = i.item_id) AS seen
	FROM (SELECT user_id, factor FROM odds_users ORDER BY md5(user_id::text) LIMIT 20) u, odds_items i
)
SELECT sum(p) / count(*) FILTER (WHERE seen),
	avg(seen::integer) FILTER (WHERE p > 0.05), avg(seen::integer) FILTER (WHERE p < 0.0005) FROM cells});
	measured(sprintf('gowalla, logistic: probabilities over visits %.2f; visited where p > .05 %.3f, p < .0005 %.6f', $ratio, $high, $low));
	ok($ratio > 0.5 && $ratio < 2, 'gowalla, logistic: the sum of the probabilities is about the number of visits');
	ok($high > 0.05 && $low < 0.0005, 'gowalla, logistic: where a visit is said to be likely it is');
}

# The shop's orders: non-negative factors lose little.
split_orders($node);
$node->safe_psql(
	'postgres', q{
SELECT FROM train_model('free', 'shop_train', factors => 32);
SELECT FROM train_model('parts', 'shop_train', factors => 32, nonnegative => true)});
is( $node->safe_psql(
		'postgres', q{
SELECT min(x) >= 0 FROM (SELECT factor FROM parts_users UNION ALL SELECT factor FROM parts_items) f, unnest(f.factor::real[]) x}),
	't', 'online-retail: no factor is negative');
is($falls->('parts'), 't', 'online-retail: the loss falls');
my %recall;
for my $model ('free', 'parts')
{
	$recall{$model} = $node->safe_psql(
		'postgres', qq{
SELECT avg(hits::float8 / held_out) FROM (
	SELECT user_id, count(*) AS held_out, count(l.item_id) AS hits
	FROM shop_test t LEFT JOIN (
		SELECT u.user_id, r.item_id FROM (SELECT DISTINCT user_id FROM shop_test) u,
			recommend(u.user_id::text, 20, '$model', unknown_user => 'nothing') r) l USING (user_id, item_id)
	GROUP BY 1) s});
}
measured(sprintf('online-retail 80/20, recall@20, 32 factors: %.4f, non-negative %.4f', $recall{free}, $recall{parts}));
cmp_ok($recall{parts}, '>=', 0.8 * $recall{free}, 'online-retail: non-negative factors have four fifths of the recall at least');

$node->stop;
done_testing();
