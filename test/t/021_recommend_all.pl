# recommend_all() by parallel workers: the same rows whatever their number, the
# memory and the way that what was seen is read; cancelled within a second at
# every phase; nothing left behind after success, error, cancel and termination;
# a REFRESH ... CONCURRENTLY beside readers; a standby.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('recommend_all', allows_streaming => 1);

# Segments of shared memory are files of this directory, which no other server uses.
$node->append_conf('postgresql.conf', q{
dynamic_shared_memory_type = mmap
max_worker_processes = 8
max_parallel_workers = 8
max_parallel_maintenance_workers = 8
jit = off
});
$node->restart;

# 20,000 users and 30,000 items: 38 billion products, which deserve a worker.
$node->safe_psql(
	'postgres', q{
CREATE TABLE orders AS
SELECT (g * 7919::bigint % 20011)::integer AS user_id, (g * 104729::bigint % 30011)::integer AS item_id, 1 + g % 5 AS quantity
FROM generate_series(1, 400000) g;
CREATE INDEX ON orders (user_id, item_id);
VACUUM ANALYZE orders;
SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 64, iterations => 2)});

my $nothing = leftovers($node);

sub rows_of
{
	my ($settings, $arguments) = @_;

	return $node->safe_psql('postgres', "$settings;
SELECT count(*), md5(string_agg(r::text, ',' ORDER BY user_id, rank)) FROM recommend_all('shop'$arguments) r");
}

my $serial = rows_of('SET recmf.max_parallel_workers = 0', '');
like($serial, qr/^200\d\d\d\|/, 'ten items for every user');
is(rows_of('SET recmf.max_parallel_workers = 1', ''), $serial, 'the same with a worker');
is(rows_of("SET recmf.max_parallel_workers = 8; SET work_mem = '64kB'", ''), $serial, 'the same with little memory');
is(rows_of("SET work_mem = '1GB'", ''), $serial, 'the same with much memory');
is(rows_of('', ", users => 'SELECT user_id FROM orders'"), $serial, 'the same for all users by a query');
is(rows_of('SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off', ''), $serial,
	'the same where the source is sorted');
is(rows_of('SET enable_sort = off; SET enable_seqscan = off', ''), $serial, 'the same where it is read by the index');
leftovers_are($node, $nothing, 'success: nothing is left of it');

# A sample is what recommend() gives.
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM (
	SELECT u.user_id::bigint, r.* FROM (SELECT user_id FROM shop_users WHERE user_id % 401 = 7) u, LATERAL recommend(u.user_id, 10, 'shop') r
	EXCEPT SELECT * FROM recommend_all('shop')) d}),
	'0', 'and it is what recommend() gives');

# Workers take part.
my $session = start_sql($node, 'watched', q{SELECT count(*) FROM recommend_all('shop', 300)});
my $seen = 0;
for (1 .. 300)
{
	$seen = $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
	last if $seen > 0 || !$session->{run}->pumpable;
	$session->{run}->pump_nb;
	sleep(0.02);
}
$session->{run}->finish;
cmp_ok($seen, '>', 0, 'a worker takes part');
like($session->{output}, qr/^600\d{4}$/m, 'and all rows come');
$node->safe_psql('postgres', q{
CREATE FUNCTION slow(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.0002); RETURN $1; END'});

# Cancelling, in each phase: the users' query, the read of the source, the arithmetic.
check_cancel($node, $nothing, 'a query of users', q{SELECT count(*) FROM recommend_all('shop', 10, 'SELECT slow(g % 20000) FROM generate_series(1, 1000000) g')}, 0.5);
for my $delay (0.1, 0.5, 1.2)
{
	check_cancel($node, $nothing, "long lists, after $delay s", q{SELECT count(*) FROM recommend_all('shop', 3000)}, $delay);
	check_cancel($node, $nothing, "long lists, one process, after $delay s",
		q{BEGIN; SET LOCAL recmf.max_parallel_workers = 0; SELECT count(*) FROM recommend_all('shop', 3000, exclude_seen => false)}, $delay);
}
my ($state, $message) = sqlstate_of($node, q{SET statement_timeout = '300ms'; SELECT count(*) FROM recommend_all('shop', 3000)});
is($state, '57014', 'statement_timeout ends it');

# Errors in the middle.
($state, $message) = sqlstate_of($node,
	q{SELECT count(*) FROM recommend_all('shop', 10, 'SELECT 1 / (user_id - 19000) FROM shop_users')});
is($state, '22012', 'an error of a statement inside is the error of the call');
leftovers_are($node, $nothing, 'an error: nothing is left of it');
is( $node->safe_psql(
		'postgres', q{
DO $$
BEGIN
	PERFORM count(*) FROM recommend_all('shop', 10, 'SELECT 1 / (user_id - 19000) FROM shop_users');
EXCEPTION WHEN division_by_zero THEN
	CREATE TABLE after_error AS SELECT count(*) FROM recommend_all('shop');
END $$;
SELECT count BETWEEN 200000 AND 201000 FROM after_error}),
	't', 'an error that is caught leaves a session that goes on, and may write');

# A backend that is terminated, and a worker.
$session = start_sql($node, 'terminated', q{SELECT count(*) FROM recommend_all('shop', 3000)});
wait_until_active($node, $session, undef);
sleep(0.5);
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'terminated' AND backend_type = 'client backend'});
$session->{run}->finish;
leftovers_are($node, $nothing, 'termination: nothing is left of it');
$session = start_sql($node, 'without', q{SELECT count(*) FROM recommend_all('shop', 3000)});
for (1 .. 100)
{
	last if $node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) eq 't';
	sleep(0.02);
}
$session->{run}->finish;
like($session->{output}, qr/ERROR:\s+57P01: |^\d{8}$/m, 'a worker that is terminated is an error, or was not needed');
leftovers_are($node, $nothing, 'a terminated worker: nothing is left of it');

# No worker to be had is no error.
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
is(rows_of('', ''), $serial, 'the same where PostgreSQL has no workers');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;

# Every night, while others read.
$node->safe_psql(
	'postgres', q{
CREATE MATERIALIZED VIEW nightly AS SELECT * FROM recommend_all('shop', 10);
CREATE UNIQUE INDEX ON nightly (user_id, item_id)});
is($node->safe_psql('postgres', 'SELECT count(*), md5(string_agg(r::text, \',\' ORDER BY user_id, rank)) FROM nightly r'), $serial, 'a materialized view has these rows');
$node->safe_psql('postgres', q{INSERT INTO orders SELECT user_id, item_id, 1 FROM nightly WHERE rank <= 3 AND user_id < 100});
$session = start_sql($node, 'reader', q{BEGIN; SELECT count(*) FROM nightly; SELECT pg_sleep(2); SELECT count(*) FROM nightly; COMMIT});
wait_until_active($node, $session, undef);
$node->safe_psql('postgres', 'REFRESH MATERIALIZED VIEW CONCURRENTLY nightly');
$session->{run}->finish;
is($node->safe_psql('postgres', 'SELECT count(*) FROM nightly JOIN orders USING (user_id, item_id)'), '0', 'after REFRESH CONCURRENTLY what was bought since is gone');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT rank) FROM nightly WHERE user_id < 100'), '10', 'and the lists are full again');
my $rows = rows_of('', '');

# A standby serves it.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is($standby->safe_psql('postgres', q{SELECT count(*), md5(string_agg(r::text, ',' ORDER BY user_id, rank)) FROM recommend_all('shop') r}),
	$rows, 'the same on a standby');
$standby->stop;

$node->stop;
done_testing();
