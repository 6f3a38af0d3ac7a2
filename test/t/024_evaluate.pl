# evaluate_model() by parallel workers: the same rows whatever their number and the
# memory; cancelled within a second at every phase; nothing left behind; on a
# standby.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('evaluate', allows_streaming => 1);

# Segments of shared memory are files of this directory, which no other server uses.
$node->append_conf('postgresql.conf', q{
dynamic_shared_memory_type = mmap
max_worker_processes = 8
max_parallel_workers = 8
max_parallel_maintenance_workers = 8
});
$node->restart;

# 20,000 users and 30,000 items: 38 billion products, which deserve a worker.
$node->safe_psql(
	'postgres', q{
CREATE TABLE orders AS
SELECT (g * 7919::bigint % 20011)::integer AS user_id, (g * 104729::bigint % 30011)::integer AS item_id, 1 + g % 5 AS quantity
FROM generate_series(1, 400000) g;
SELECT FROM create_split('orders', 'split', 'random', 0.2);
CREATE TABLE train AS SELECT * FROM split_train;
CREATE TABLE test AS SELECT * FROM split_test;
VACUUM ANALYZE train, test;
SELECT FROM train_model('shop', 'train', rating_col => 'quantity', factors => 64, iterations => 2)});

my $nothing = leftovers($node);

sub rows_of
{
	my ($settings, $arguments) = @_;

	return $node->safe_psql('postgres', "$settings;
SELECT count(*), md5(string_agg(e::text, ',' ORDER BY segment, system, metric, k)) FROM evaluate_model('shop', 'test', resamples => 50$arguments) e");
}

my $serial = rows_of('SET recmf.max_parallel_workers = 0', '');
like($serial, qr/^12\d\|/, 'metrics of three systems at three lengths');
is(rows_of('SET recmf.max_parallel_workers = 1', ''), $serial, 'the same with a worker');
is(rows_of("SET recmf.max_parallel_workers = 8; SET work_mem = '64kB'", ''), $serial, 'the same with little memory');
is(rows_of('', ", train_source => 'SELECT * FROM train ORDER BY item_id DESC'"), $serial, 'the same with the training in another order');
leftovers_are($node, $nothing, 'success: nothing is left of it');

$node->safe_psql('postgres', q{
CREATE FUNCTION slow(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.0002); RETURN $1; END'});

# the read of the test, the ranking (repeated, so that it lasts), the resamples
check_cancel($node, $nothing, 'the test is read', q{SELECT count(*) FROM evaluate_model('shop', 'SELECT user_id, slow(item_id) AS item_id FROM test')}, 0.5);
my $often = q{SELECT count(*) FROM generate_series(1, 20) g, LATERAL evaluate_model('shop', 'test', ARRAY[10 + g], resamples => 0)};
for my $delay (0.2, 0.7, 1.5)
{
	check_cancel($node, $nothing, "ranking, after $delay s", $often, $delay);
	check_cancel($node, $nothing, "ranking, one process, after $delay s", "BEGIN; SET LOCAL recmf.max_parallel_workers = 0; $often", $delay);
}
check_cancel($node, $nothing, 'many resamples', q{SELECT count(*) FROM evaluate_model('shop', 'test', resamples => 100000)}, 4);
check_cancel($node, $nothing, 'a comparison', q{SELECT compare_models('shop', 'shop', 'test', resamples => 100000)}, 4);
my ($state) = sqlstate_of($node,
	q{SELECT count(*) FROM evaluate_model('shop', 'SELECT user_id, 1 / (user_id - 19000) AS item_id FROM test')});
is($state, '22012', 'an error of a statement inside is the error of the call');
leftovers_are($node, $nothing, 'error: nothing is left of it');

# A standby answers, too.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is( $standby->safe_psql(
		'postgres',
		q{SELECT count(*), md5(string_agg(e::text, ',' ORDER BY segment, system, metric, k)) FROM evaluate_model('shop', 'test', resamples => 50) e}),
	$serial, 'the same on a standby');

$standby->stop;
$node->stop;
done_testing();
