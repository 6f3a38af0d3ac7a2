# tune_model(): a cancel leaves what was tried, and the same call goes on from
# there; two calls at once; what other sessions see; the dump.  And quality on
# real data by one call, measured once on the test set; data sets that the
# project may not contain come from RECMF_DATA, without them their part is skipped.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('tuning');

taste_table($node, users => 6000, items => 300);

my $tune = q{CALL tune_model('shop', 'orders', rating_col => NULL, factors => 64, trials => 12, verbose => true)};
my $trials = q{SELECT count(*) FROM recmf_trials WHERE model = 'shop'};

# Cancelled after some trials.
{
	my $session = start_sql($node, 'tuner', $tune);

	wait_until_active($node, $session, qr/trial 4 of about/);
	is( $node->safe_psql(
			'postgres', q{
SELECT model, phase, iteration >= 4, iterations BETWEEN 15 AND 30, validation > 0, seconds_left > 0
FROM recmf_progress}),
		'shop|tuning|t|t|t|t', 'other sessions see the trials');
	my ($state, $message) = sqlstate_of($node, $tune);
	is($state, '55P03', 'a model is tuned by one session at a time');
	like($message, qr/is being tuned by another session/, 'the error says so');
	cmp_ok(cancel_and_wait($node, $session), '<', 1.5, 'a cancel ends it within a second');
	like($session->{output}, qr/57014/, 'it was the cancel that ended it');
	my $left = $node->safe_psql('postgres', $trials);
	cmp_ok($left, '>=', 4, 'the trials before the cancel are there');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM recmf_models'), '0', 'there is no model yet');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM recmf_progress'), '0', 'nothing is shown any more');
	$node->safe_psql('postgres', 'CREATE TABLE before AS SELECT * FROM recmf_trials');

	my ($ret, $out, $err) = $node->psql('postgres', "SET client_min_messages = info; $tune");
	is($ret, 0, 'the same call goes on');
	like($err, qr/found $left trials of an earlier call/, 'it has found them');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM before b WHERE NOT EXISTS
		(SELECT FROM recmf_trials t WHERE (t.round, t.trial, t.value, t.tried_at) = (b.round, b.trial, b.value, b.tried_at))'),
		'0', 'and tried none of them again');
	is($node->safe_psql('postgres', 'SELECT version FROM recmf_models WHERE active'), '1', 'the model is trained');
	is(leftovers($node), '0 workers, 0 segments, 0 temporary files', 'nothing is left behind');
}

# What comes out does not depend on workers, nor on whether it was interrupted.
$node->safe_psql(
	'postgres', q{
SET recmf.max_parallel_workers = 0;
CALL tune_model('alone', 'orders', rating_col => NULL, factors => 64, trials => 12)});
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM recmf_trials s FULL JOIN recmf_trials a
	ON a.model = 'alone' AND (a.round, a.trial) = (s.round, s.trial)
WHERE s.model = 'shop' AND (s.settings, s.value, s.state) IS DISTINCT FROM (a.settings, a.value, a.state)}),
	'0', 'one process tries the same and measures the same, to the last bit');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (TABLE shop_items EXCEPT TABLE alone_items) d}), '0',
	'the models are the same');

# A crash of the server.
{
	my $session = start_sql($node, 'tuner', q{CALL tune_model('crash', 'orders', rating_col => NULL, factors => 64, trials => 12, verbose => true)});

	wait_until_active($node, $session, qr/trial 3 of about/);
	$node->stop('immediate');
	$session->{run}->finish;
	$node->start;
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM recmf_trials WHERE model = 'crash'}), '>=', 3,
		'trials survive a crash');
}

# In a dump.
{
	my ($dump) = run_command([ 'pg_dump', '-a', '-d', $node->connstr('postgres') ]);

	like($dump, qr/COPY public\.recmf_trials /, 'trials are dumped');
	my $rows = () = $dump =~ /^alone\t\w+\t[0-9a-f]{16}\t/mg;
	is($rows, $node->safe_psql('postgres', q{SELECT count(*) FROM recmf_trials WHERE model = 'alone'}), 'all of them');
}
$node->safe_psql('postgres', q{SELECT drop_model('shop'), drop_model('alone')});

# A time limit ends the search soon.
{
	my $start = time();

	$node->safe_psql('postgres',
		q{CALL tune_model('limited', 'orders', rating_col => NULL, factors => 64, time_limit => '2 seconds', activate => false)});
	cmp_ok(time() - $start, '<', 8, 'a time limit ends the search');
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM recmf_trials WHERE model = 'limited'}), '>=', 4, 'after some trials');
}

# Quality.
SKIP:
{
	skip 'MovieLens 1M is not there (RECMF_DATA)', 4 unless load_ncf($node);
	for my $bar ([ 64, 0.720, 0.444 ], [ 192, 0.729, 0.452 ])
	{
		my ($factors, $least_hit_rate, $least_ndcg) = @$bar;
		my $start = time();

		# the test set is one rating of each user, so few are held out
		$node->safe_psql('postgres',
			"CALL tune_model('ncf', 'ncf_train', rating_col => NULL, factors => $factors, metric => 'recall', validation_fraction => 0.1, index => false)");
		my $seconds = time() - $start;
		my ($hit_rate, $ndcg) = split /\|/, $node->safe_psql(
			'postgres', q{
SELECT max(value) FILTER (WHERE metric = 'hit_rate'), max(value) FILTER (WHERE metric = 'ndcg')
FROM evaluate_model('ncf', 'ncf_test', '{10}', candidates => 'ncf_candidates', resamples => 0) WHERE system = 'model'});
		measured(sprintf('ml-1m leave-one-out, tuned, d=%d: HR@10 %.4f, NDCG@10 %.4f, in %.0f s', $factors, $hit_rate, $ndcg, $seconds));
		cmp_ok($hit_rate, '>=', $least_hit_rate, "ml-1m leave-one-out, $factors factors, tuned: HR\@10 at least $least_hit_rate");
		cmp_ok($ndcg, '>=', $least_ndcg, "ml-1m leave-one-out, $factors factors, tuned: NDCG\@10 at least $least_ndcg");
	}
	$node->safe_psql('postgres', q{SELECT drop_model('ncf'); DROP TABLE ml1m, ncf_train, ncf_test, ncf_candidates});
}

SKIP:
{
	my $train = data_file('gowalla/train.csv.xz');

	skip 'Gowalla is not there (RECMF_DATA)', 2 unless $train;
	$node->safe_psql('postgres', q{CREATE TABLE gowalla (user_id integer, item_id integer); CREATE TABLE gowalla_test (LIKE gowalla)});
	load_xz($node, $train, 'gowalla', 'FORMAT csv, HEADER');
	load_xz($node, data_file('gowalla/test.csv.xz'), 'gowalla_test', 'FORMAT csv, HEADER');
	$node->safe_psql('postgres', 'CREATE INDEX ON gowalla (user_id, item_id); VACUUM ANALYZE gowalla');
	# as large a share as the test set is of what is trained on
	my $start = time();
	$node->safe_psql('postgres', q{
CALL tune_model('gowalla_tuned', 'gowalla', rating_col => NULL, factors => 128, validation_fraction => 0.25, index => false)});
	my $seconds = time() - $start;
	my ($recall, $ndcg) = split /\|/, $node->safe_psql(
		'postgres', q{
SELECT max(value) FILTER (WHERE metric = 'recall'), max(value) FILTER (WHERE metric = 'ndcg')
FROM evaluate_model('gowalla_tuned', 'gowalla_test', '{20}', resamples => 0) WHERE system = 'model'});
	measured(sprintf('gowalla, tuned, d=128: recall@20 %.4f, NDCG@20 %.4f, in %.0f s', $recall, $ndcg, $seconds));
	# the best that is known by the test set is .1667; what is best by ratings held out at random is a little short of it
	cmp_ok($recall, '>=', 0.164, 'gowalla, 128 factors, tuned: recall@20 at least .164');
	cmp_ok($ndcg, '>=', 0.1389, 'gowalla, 128 factors, tuned: NDCG@20 at least .1389');
}

$node->stop;
done_testing();
