# Training by parallel workers: the same model to the last bit for any number of
# them, workers that take part, and nothing left of them (processes, shared
# memory, files) after success, error, cancel and termination.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('parallel');

# Segments of shared memory are files of this directory, which no other server uses.
$node->append_conf('postgresql.conf', q{
dynamic_shared_memory_type = mmap
max_worker_processes = 8
max_parallel_workers = 8
max_parallel_maintenance_workers = 8
});
$node->restart;
my $segments = $node->data_dir . '/pg_dynshmem';

$node->safe_psql(
	'postgres', q{
CREATE TABLE orders AS
SELECT (g * 7919::bigint % 6007)::integer AS user_id, 'P' || (g * g % 911 + g % 7) AS item_id,
	1 + (g * g / 5 % 5)::integer AS quantity
FROM generate_series(1::bigint, 250000) g;
CREATE INDEX ON orders (user_id, item_id);
ANALYZE orders});

sub train
{
	my ($model, $options, @settings) = @_;
	my ($status, $out, $err) = $node->psql(
		'postgres', join(";\n", 'SET client_min_messages = info', (map { "SET $_" } @settings),
			"SELECT FROM train_model('$model', 'orders', rating_col => 'quantity', verbose => true, $options)"));

	die $err if $status != 0;
	return $err =~ /trained by (\d+) processes, which did ([\d, ]+) tasks/ ? ($1, split(/, /, $2)) : (1);
}

my %trainings = (
	implicit => q{factors => 64, iterations => 8},
	explicit => q{feedback => 'explicit', factors => 64, iterations => 8},
	exact => q{solver => 'exact', factors => 32, iterations => 8});

train('warm', $trainings{implicit});
my $before = leftovers($node);

for my $name (sort keys %trainings)
{
	my $expected;

	for my $workers (0 .. 3)
	{
		my ($processes, @tasks) = train($name, $trainings{$name}, "recmf.max_parallel_workers = $workers");
		my $model = fingerprint($node, $name);

		$expected //= $model;
		is($processes, 1 + $workers, "$name: $workers workers are started");
		ok(!(grep { $_ == 0 } @tasks), "$name: all of them work (" . join(', ', @tasks) . ' tasks)') if $workers;
		is($model, $expected, "$name: the model of $workers workers is that of none");
	}
}
is(leftovers($node), $before, 'success leaves nothing');

# Bounds: PostgreSQL's own, and the work that there is.
is((train('shop', $trainings{implicit}, 'max_parallel_maintenance_workers = 1'))[0], 2,
	'max_parallel_maintenance_workers bounds');
is((train('shop', $trainings{implicit}, 'max_parallel_workers = 0'))[0], 1, 'so does max_parallel_workers');
is((train('shop', q{factors => 4, iterations => 1}))[0], 1, 'a small run starts no worker');
my $shop = fingerprint($node, 'shop');
my $relations = relations_of($node, 'shop');

# The aggregate: its workers, and where it runs within a parallel query itself.
my $value = q{SELECT md5(mf_train(user_id, item_id, quantity, '{"factors": 32, "iterations": 10}')::text) FROM orders};
my $alone = $node->safe_psql('postgres', "SET recmf.max_parallel_workers = 0; $value");
is($node->safe_psql('postgres', $value), $alone, 'mf_train: the same value with workers');
is( $node->safe_psql(
		'postgres', "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; $value"),
	$alone, 'mf_train: the same value above a parallel scan');
is(leftovers($node), $before, 'mf_train leaves nothing');

# Long enough that everything below happens while it trains.
my $long = q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 128, iterations => 1000, verbose => true)};

sub kept
{
	my ($name) = @_;

	is(fingerprint($node, 'shop'), $shop, "$name: the old model serves");
	is(relations_of($node, 'shop'), $relations, "$name: nothing is left of the new one");
	leftovers_are($node, $before, "$name: no worker, segment or file is left");
	return;
}

# While it reads, starts workers, and at some points of iterations.
for my $delay (0, 0.1, 0.25, 0.45, 0.7, 1.0, 1.5)
{
	my $session = start_sql($node, 'cancelled', $long);

	wait_until_active($node, $session);
	sleep($delay);
	my $seconds = cancel_and_wait($node, $session);
	cmp_ok($seconds, '<', 1, sprintf('cancel after %g s: in time (%.2f s)', $delay, $seconds));
	like($session->{output}, qr/ERROR:\s+57014: /, "cancel after $delay s: query_canceled");
	leftovers_are($node, $before, "cancel after $delay s: nothing is left");
}
kept('cancel');

for my $timeout (100, 300, 600, 1000)
{
	my $started = time();
	my ($code) = sqlstate_of($node, "SET statement_timeout = $timeout; $long");
	my $seconds = time() - $started - $timeout / 1000;

	is($code, '57014', "statement_timeout of $timeout ms");
	cmp_ok($seconds, '<', 1, sprintf('statement_timeout of %d ms: in time (%.2f s)', $timeout, $seconds));
}
kept('statement_timeout');

# One of the workers, or the leader, is told to end.
my $a_worker = q{(SELECT min(pid) FROM pg_stat_activity WHERE query = 'recmf training')};
my @ends = (
	[ 'SIGTERM to a worker', "pg_terminate_backend($a_worker)", qr/ERROR:\s+57P01: terminating/ ],
	[ 'cancel of a worker', "pg_cancel_backend($a_worker)", qr/ERROR:\s+57014: / ],
	[ 'SIGTERM to the leader',
		q{pg_terminate_backend((SELECT pid FROM pg_stat_activity WHERE application_name = 'ended' AND backend_type = 'client backend'))},
		qr/FATAL:\s+57P01: / ]);

for my $end (@ends)
{
	my ($name, $call, $message) = @$end;
	my $session = start_sql($node, 'ended', $long);
	my $started;

	wait_until_active($node, $session, qr/iteration/);
	$started = time();
	is($node->safe_psql('postgres', "SELECT $call"), 't', "$name: it was there");
	$session->{run}->finish;
	cmp_ok(time() - $started, '<', 1.5, sprintf('%s: in time (%.2f s)', $name, time() - $started));
	like($session->{output}, $message, "$name: a clear error");
	kept($name);
}

# An error that is caught: the session goes on, in and after the transaction.
my ($status, $out, $err) = $node->psql(
	'postgres', qq{
SET client_min_messages = warning;
SET statement_timeout = '500ms';
BEGIN;
CREATE TEMPORARY TABLE log (message text);
DO \$\$
BEGIN
	INSERT INTO log VALUES ('before');
	BEGIN
		PERFORM FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 128, iterations => 1000);
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO log VALUES ('caught ' || SQLSTATE);
	END;
	INSERT INTO log VALUES ('after');
END
\$\$;
SET statement_timeout = 0;
SELECT string_agg(message, ', ') FROM log;
SELECT version > 0 FROM train_model('other', 'orders', rating_col => 'quantity', factors => 32, iterations => 10);
COMMIT;
SELECT count(*) FROM log});
is($out, "before, caught 57014, after\nt\n3", 'a cancel that is caught leaves the transaction as it was');
is($err, '', 'and says nothing else');
kept('a cancel that is caught');

# Two trainings side by side have workers each, or share what there is.
my @both = map { start_sql($node, "side$_", "SELECT FROM train_model('side$_', 'orders', rating_col => 'quantity', $trainings{implicit})") } 1, 2;
$_->{run}->finish for @both;
is(fingerprint($node, 'side1'), fingerprint($node, 'side2'), 'two trainings at a time give the same model');

# Shared memory that cannot be had: the same model without workers, neither those
# that read nor those that train.
my $implicit = fingerprint($node, 'implicit');
my $read_by = sub {
	my ($status, $out, $err) = $node->psql(
		'postgres', qq{
SET client_min_messages = info;
SET parallel_leader_participation = off;
SELECT FROM train_model('implicit', 'orders', rating_col => 'quantity', verbose => true, $trainings{implicit})});

	return $err =~ /read \d+ ratings of .* by (\d+) processes/ ? $1 : die $err;
};
is($read_by->(), 2, 'shared memory: read by a worker and the leader');
chmod(0500, $segments) or die "$segments: $!";
SKIP:
{
	skip 'this user may write everywhere', 4 if -w $segments;
	is((train('implicit', $trainings{implicit}))[0], 1, 'no shared memory: no worker');
	is(fingerprint($node, 'implicit'), $implicit, 'no shared memory: the same model');
	is($read_by->(), 1, 'no shared memory: read by one process');
	is(fingerprint($node, 'implicit'), $implicit, 'no shared memory: the same model of what it read');
}
chmod(0700, $segments) or die "$segments: $!";
leftovers_are($node, $before, 'no shared memory: nothing is left');

# No slot for a worker.
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 1");
$node->restart;
$before = leftovers($node);
is((train('implicit', $trainings{implicit}))[0], 1, 'max_worker_processes exhausted: no worker');
is(fingerprint($node, 'implicit'), $implicit, 'max_worker_processes exhausted: the same model');
leftovers_are($node, $before, 'max_worker_processes exhausted: nothing is left');

# The usual kind of shared memory.
$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = posix\nmax_worker_processes = 8");
$node->restart;
is((train('implicit', $trainings{implicit}, 'recmf.max_parallel_workers = 2'))[0], 3, 'POSIX shared memory: workers');
is(fingerprint($node, 'implicit'), $implicit, 'POSIX shared memory: the same model');

$node->stop;
done_testing();
