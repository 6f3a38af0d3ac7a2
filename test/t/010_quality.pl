# Quality on real data, from SQL, by default options: thresholds that published
# results set.  Data sets that the project may not contain come from RECMF_DATA;
# without them their part is skipped.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('quality');

# MovieLens 100K, the published folds u1..u5: root mean squared error of the
# predicted stars, users and items of the test that were never seen included.
SKIP:
{
	my $folds = data_file('ml-100k/folds.tar.xz');
	my $sum = 0;
	my @with_features;

	skip 'MovieLens 100K is not there (RECMF_DATA)', 4 unless $folds;
	$node->safe_psql(
		'postgres', q{
CREATE TABLE fold_train (user_id integer, item_id integer, rating integer, at bigint);
CREATE TABLE fold_test (LIKE fold_train)});
	my @rmse;
	for my $fold (1 .. 5)
	{
		$node->safe_psql('postgres', 'TRUNCATE fold_train, fold_test');
		load_xz($node, $folds, 'fold_train', 'FORMAT text', "u$fold.base");
		load_xz($node, $folds, 'fold_test', 'FORMAT text', "u$fold.test");
		$node->safe_psql('postgres',
			q{SELECT FROM train_model('stars', 'fold_train', feedback => 'explicit')});
		push @rmse,
			$node->safe_psql('postgres',
			q{SELECT sqrt(avg((predict(user_id, item_id, 'stars') - rating) ^ 2)) FROM fold_test});
		push @with_features,
			$node->safe_psql('postgres', q{
SELECT FROM train_model('features', 'fold_train', feedback => 'explicit', implicit_features => true);
SELECT sqrt(avg((predict(user_id, item_id, 'features') - rating) ^ 2)) FROM fold_test});
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM fold_test'), '20000', 'a fold has 20,000 ratings to predict');
	is( $node->safe_psql(
			'postgres', q{
SELECT count(*) FROM fold_test WHERE predict(user_id, item_id, 'stars') IS NULL
	OR predict(user_id, item_id, 'stars') NOT BETWEEN 1 AND 5}),
		'0',
		'each prediction is within the scale');
	$sum += $_ for @rmse;
	measured(sprintf('ml-100k, RMSE of u1..u5: %s; mean %.4f',
		join(' ', map { sprintf('%.4f', $_) } @rmse), $sum / 5));
	cmp_ok($sum / 5, '<=', 0.910, 'ml-100k u1..u5, explicit: mean RMSE at most .910');
	$sum = 0;
	$sum += (split /\n/)[-1] for @with_features;
	measured(sprintf('ml-100k with implicit features, mean RMSE of u1..u5: %.4f', $sum / 5));
	cmp_ok($sum / 5, '<=', 0.897, 'ml-100k u1..u5, explicit with implicit features: mean RMSE at most .897');
	$node->safe_psql('postgres', q{SELECT drop_model('stars'), drop_model('features')});
}

# What evaluate_model() says of a model: the value of a metric, of one of the systems.
sub evaluated
{
	my ($model, $test, $arguments, $metric, $k, $system) = @_;

	return $node->safe_psql('postgres',
		"SELECT value FROM evaluate_model('$model', '$test', $arguments) WHERE segment IS NULL AND metric = '$metric'"
			. ($k ? " AND k = $k" : '')
			. " AND system = '" . ($system // 'model') . "'");
}

# Two metrics of a model, by one evaluation.
sub pair_of
{
	my ($model, $test, $arguments, $first, $second, $system) = @_;

	return split /\|/, $node->safe_psql('postgres', q{
SELECT max(value) FILTER (WHERE metric = '} . $first . q{'), max(value) FILTER (WHERE metric = '} . $second . q{')
FROM evaluate_model('} . "$model', '$test', $arguments) WHERE segment IS NULL AND system = '" . ($system // 'model') . q{'});
}

# MovieLens 1M: a random tenth of the ratings, explicit; and the leave-one-out
# protocol of the NCF papers: the item that each user rated last, among 99 that the
# user never rated.  Ties count against us.
SKIP:
{
	skip 'MovieLens 1M is not there (RECMF_DATA)', 9 unless load_ncf($node);
	$node->safe_psql(
		'postgres', q{
SELECT FROM create_split('ml1m', 'tenth', 'random', 0.1);
SELECT FROM train_model('stars', 'tenth_train', feedback => 'explicit');
SELECT FROM train_model('features', 'tenth_train', feedback => 'explicit', implicit_features => true);
SELECT FROM train_model('ncf', 'ncf_train', rating_col => NULL, factors => 64);
SELECT FROM train_model('ncf192', 'ncf_train', rating_col => NULL, factors => 192)});

	my $rmse = evaluated('stars', 'tenth_test', 'resamples => 0', 'rmse');
	my $with = evaluated('features', 'tenth_test', 'resamples => 0', 'rmse');
	measured(sprintf('ml-1m random 90/10: RMSE %.4f, with implicit features %.4f; mean of the item %.4f',
		$rmse, $with, evaluated('stars', 'tenth_test', 'resamples => 0', 'rmse', undef, 'item_mean')));
	cmp_ok($rmse, '<=', 0.847, 'ml-1m 90/10, explicit: RMSE at most .847');
	cmp_ok($with, '<=', 0.838, 'ml-1m 90/10, explicit with implicit features: RMSE at most .838');

	my $arguments = q('{10}', candidates => 'ncf_candidates', resamples => 0);
	my ($hit_rate, $ndcg) = pair_of('ncf', 'ncf_test', $arguments, 'hit_rate', 'ndcg');
	my ($hit_rate_192, $ndcg_192) = pair_of('ncf192', 'ncf_test', $arguments, 'hit_rate', 'ndcg');
	my ($popular_hit_rate, $popular_ndcg) = pair_of('ncf', 'ncf_test', $arguments, 'hit_rate', 'ndcg', 'popularity');

	measured(sprintf('ml-1m leave-one-out: HR@10 %.4f, NDCG@10 %.4f at d=64, %.4f, %.4f at d=192; popularity %.4f, %.4f',
		$hit_rate, $ndcg, $hit_rate_192, $ndcg_192, $popular_hit_rate, $popular_ndcg));
	is($node->safe_psql('postgres', "SELECT n FROM evaluate_model('ncf', 'ncf_test', $arguments) WHERE metric = 'ndcg' AND system = 'model'"),
		'6040', 'ml-1m: each user has a held-out item');
	cmp_ok(abs($popular_hit_rate - 0.4538), '<=', 0.005, 'ml-1m: popularity has the HR@10 that is known of it');
	cmp_ok(abs($popular_ndcg - 0.2545), '<=', 0.005, 'ml-1m: popularity has the NDCG@10 that is known of it');
	cmp_ok($hit_rate, '>=', 0.712, 'ml-1m leave-one-out, 64 factors: HR@10 at least .712');
	cmp_ok($ndcg, '>=', 0.434, 'ml-1m leave-one-out, 64 factors: NDCG@10 at least .434');
	cmp_ok($hit_rate_192, '>=', 0.722, 'ml-1m leave-one-out, 192 factors: HR@10 at least .722');
	cmp_ok($ndcg_192, '>=', 0.443, 'ml-1m leave-one-out, 192 factors: NDCG@10 at least .443');
	$node->safe_psql('postgres', q{SELECT drop_model(m) FROM unnest('{stars,features,ncf,ncf192}'::text[]) m});
}

# Gowalla in the split of LightGCN: all items ranked but those trained on; recall
# divides by all held-out items.
SKIP:
{
	my $train = data_file('gowalla/train.csv.xz');

	skip 'Gowalla is not there (RECMF_DATA)', 4 unless $train;
	$node->safe_psql('postgres',
		'CREATE TABLE gowalla_train (user_id integer, item_id integer); CREATE TABLE gowalla_test (LIKE gowalla_train)');
	load_xz($node, $train, 'gowalla_train', 'FORMAT csv, HEADER');
	load_xz($node, data_file('gowalla/test.csv.xz'), 'gowalla_test', 'FORMAT csv, HEADER');
	for my $bar ([ 128, 0.160, 0.136 ], [ 256, 0.167, 0.142 ])
	{
		my ($factors, $least_recall, $least_ndcg) = @$bar;

		$node->safe_psql('postgres',
			"SELECT FROM train_model('gowalla', 'gowalla_train', rating_col => NULL, factors => $factors, index => false)");
		my ($recall, $ndcg) = pair_of('gowalla', 'gowalla_test', q('{20}', resamples => 0), 'recall', 'ndcg');
		measured(sprintf('gowalla, d=%d: recall@20 %.4f, NDCG@20 %.4f', $factors, $recall, $ndcg));
		cmp_ok($recall, '>=', $least_recall, "gowalla, $factors factors: recall\@20 at least $least_recall");
		cmp_ok($ndcg, '>=', $least_ndcg, "gowalla, $factors factors: NDCG\@20 at least $least_ndcg");
	}
	$node->safe_psql('postgres', q{SELECT drop_model('gowalla')});
}

# The shop's orders: a fifth of the pairs of customer and item is held out, all
# items are ranked by recommend(), which leaves out what was trained on.
# Recall@20 is the share of a customer's held-out items among the first 20,
# divided by the number of the held-out ones, averaged over customers.
split_orders($node);
$node->safe_psql(
	'postgres', q{
SELECT FROM train_model('shop', 'shop_train');
CREATE TABLE top_20 AS
SELECT u.user_id, r.item_id, r.rank
FROM (SELECT DISTINCT user_id FROM shop_test) u, recommend(u.user_id::text, 20, model => 'shop', unknown_user => 'nothing') r;
CREATE TABLE popular_20 AS
WITH sold AS MATERIALIZED (
	SELECT item_id, n_ratings FROM shop_items ORDER BY n_ratings DESC, item_id LIMIT 500
)
SELECT u.user_id, p.item_id
FROM (SELECT DISTINCT user_id FROM shop_test) u, LATERAL (
	SELECT item_id FROM sold s
	WHERE NOT EXISTS (SELECT FROM shop_train t WHERE t.user_id = u.user_id AND t.item_id = s.item_id)
	ORDER BY n_ratings DESC, item_id LIMIT 20) p});

my $recall = sub {
	my ($list) = @_;
	return split /\|/, $node->safe_psql(
		'postgres', qq{
SELECT avg(hits::float8 / held_out), avg(hits::float8 / least(held_out, 20)), count(*)
FROM (
	SELECT user_id, count(*) AS held_out, count(l.item_id) AS hits
	FROM shop_test t LEFT JOIN $list l USING (user_id, item_id)
	GROUP BY 1) s});
};
my ($ours, $ours_capped, $customers) = $recall->('top_20');
my ($popular, $popular_capped) = $recall->('popular_20');
measured(sprintf('online-retail 80/20, recall@20 of %d customers: %.4f (popularity %.4f); '
			. 'divided by at most 20: %.4f (%.4f)',
	$customers, $ours, $popular, $ours_capped, $popular_capped));
is($node->safe_psql('postgres', 'SELECT count(*) FROM pairs'), '266802', 'online-retail: 266,802 pairs of customer and item');
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM top_20 JOIN shop_train USING (user_id, item_id)}),
	'0', 'online-retail: nothing that a customer has is recommended');
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM (
	SELECT user_id FROM top_20 JOIN shop_users USING (user_id)
	GROUP BY user_id HAVING count(*) <> 20 OR array_agg(rank ORDER BY rank) <> ARRAY(SELECT generate_series(1, 20))) s}),
	'0', 'online-retail: each trained customer gets 20 recommendations with ranks from 1 to 20');
cmp_ok(abs($popular - 0.065), '<=', 0.005, 'online-retail: popularity has the recall@20 that is known of it');
cmp_ok($ours, '>=', 0.223, 'online-retail 80/20: recall@20 at least .223');
my $of_known = $node->safe_psql(
	'postgres', q{
SELECT avg(hits::float8 / held_out)
FROM (
	SELECT user_id, count(*) AS held_out, count(l.item_id) AS hits
	FROM shop_test t JOIN shop_users USING (user_id) LEFT JOIN top_20 l USING (user_id, item_id)
	GROUP BY 1) s});
my $evaluated = evaluated('shop', 'SELECT t.* FROM shop_test t JOIN shop_users USING (user_id)', q('{20}', resamples => 0), 'recall', 20);
cmp_ok(abs($evaluated - $of_known), '<=', 5e-4, 'online-retail: evaluate_model() says the same of recall@20 as recommend() and a join');
cmp_ok($evaluated, '<=', $of_known + 1e-9, 'online-retail: or less, where an item that was held out is level with others');

# The order of the rows does not matter, to the last bit; the seed does.
my $fingerprint = sub {
	my ($model) = @_;
	return $node->safe_psql(
		'postgres', qq{
SELECT md5(string_agg(item_id || factor::text, ',' ORDER BY item_id COLLATE "C")) FROM ${model}_items
UNION ALL
SELECT md5(string_agg(user_id || factor::text, ',' ORDER BY user_id)) FROM ${model}_users});
};
my %seen;
for my $order ('user_id, item_id', 'md5(item_id || user_id)', 'item_id DESC, rating, md5(user_id::text)')
{
	$node->safe_psql(
		'postgres', qq{
DROP TABLE IF EXISTS shuffled;
CREATE TABLE shuffled AS SELECT * FROM shop_train ORDER BY $order;
SELECT FROM train_model('again', 'shuffled')});
	$seen{ $fingerprint->('again') }++;
}
is_deeply([ values %seen ], [3], 'three orders of the rows give the same factors, bit for bit');
is((keys %seen)[0], $fingerprint->('shop'), 'they are those of the table in its own order');
$node->safe_psql('postgres', q{SELECT FROM train_model('again', 'shuffled', seed => 7)});
isnt((keys %seen)[0], $fingerprint->('again'), 'another seed gives other factors');

# The aggregate runs the same engine.
is( $node->safe_psql(
		'postgres', q{
SELECT md5(string_agg(f.item_id || f.factor::text, ',' ORDER BY f.item_id COLLATE "C"))
FROM (SELECT mf_train(user_id, item_id, rating) AS model FROM shuffled) m, item_factors(m.model) f}),
	$node->safe_psql(
		'postgres', q{
SELECT md5(string_agg(item_id || factor::text, ',' ORDER BY item_id COLLATE "C")) FROM shop_items}),
	'mf_train gives the same factors as train_model');

$node->stop;
done_testing();
