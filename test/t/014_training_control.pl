# Training under control: a nightly warm start, the time limit, what
# recmf_progress shows of each phase, cancelling in the phases that
# 006_cancel.pl does not reach, changes of the source while training solves, and
# what remains of a training whose backend ends or crashes.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('control', allows_streaming => 1);

# more than there are places in recmf_progress
$node->append_conf('postgresql.conf', 'max_connections = 100');
$node->restart;

# Two thousand users with a taste, half a million ratings; night 0 lacks every
# 25th user and rating.
$node->safe_psql(
	'postgres', q{
CREATE TABLE orders AS
SELECT u AS user_id, i AS item_id, 1 + (u + i) % 3 AS rating, (u % 25 = 0 OR (u * 31 + i * 7) % 25 = 0)::integer AS night
FROM generate_series(1, 4000) u, generate_series(1, 500) i
WHERE (u::bigint * 7919 + i * 104729) % 100 < CASE WHEN u % 5 = i % 5 THEN 80 ELSE 10 END;
CREATE INDEX ON orders (user_id);
CREATE VIEW first_night AS SELECT user_id, item_id, rating FROM orders WHERE night = 0});

#
# A nightly job: three warm iterations against a full cold training, of the same
# rows in turn, so that both times come from the same minute; the least of each,
# and by one process, since others have the machine, too.
#
$node->safe_psql('postgres', q{SELECT FROM train_model('shop', 'first_night')});
my ($cold_seconds, $warm_seconds, $cold_loss, $warm_loss, $three_loss) = ('inf', 'inf');
for my $night (1 .. 3)
{
	# so that each night starts from the factors of the first
	my $result = $node->safe_psql(
		'postgres', q{
SET recmf.max_parallel_workers = 0;
BEGIN;
SELECT train_seconds, loss[array_length(loss, 1)], loss[3] FROM train_model('cold', 'orders');
SELECT train_seconds, loss[array_length(loss, 1)], array_length(loss, 1) FROM train_model('shop', 'orders', warm_start => true);
ROLLBACK});
	my ($cold, $warm) = map { [ split /\|/ ] } split /\n/, $result;

	$cold_seconds = $cold->[0] if $cold->[0] < $cold_seconds;
	$warm_seconds = $warm->[0] if $warm->[0] < $warm_seconds;
	($cold_loss, $warm_loss, $three_loss) = ($cold->[1], $warm->[1], $cold->[2]);
	is($warm->[2], 3, 'a warm start makes three iterations') if $night == 1;
}
cmp_ok(abs($warm_loss / $cold_loss - 1), '<', 0.002,
	sprintf('three warm iterations reach the loss of a cold training (%.4f of it)', $warm_loss / $cold_loss));
cmp_ok($warm_loss, '<', $three_loss, 'three cold iterations do not');
cmp_ok($warm_seconds, '<', 0.5 * $cold_seconds,
	sprintf('a warm start takes less than half the time of a cold one (%.2f)', $warm_seconds / $cold_seconds));
measured(sprintf('warm start: %.2f of the time of a cold training, %.5f of its loss',
	$warm_seconds / $cold_seconds, $warm_loss / $cold_loss));

# Past recmf.training_memory the ratings are in temporary files; with workers and
# without, a warm start is the same there, and nobody has a complaint.
my @streamed = map {
	my ($status, $out, $err) = $node->psql(
		'postgres', qq{
SET client_min_messages = warning;
SET recmf.training_memory = '8MB';
SET recmf.max_parallel_workers = $_;
BEGIN;
SELECT loss[3] FROM train_model('shop', 'orders', warm_start => true);
ROLLBACK});
	is($err, '', "a warm start from temporary files with $_ workers: no warning");
	$out;
} (0, 2);
is($streamed[0], $warm_loss, 'a warm start from temporary files has the same loss');
is($streamed[1], $warm_loss, 'and with workers, too');

#
# The time limit.
#
my $started = time;
my ($status, $out, $err) = $node->psql(
	'postgres', q{
SET client_min_messages = notice;
SELECT array_length(loss, 1) BETWEEN 1 AND 999, read_seconds + train_seconds >= 1
FROM train_model('limited', 'orders', iterations => 1000, factors => 256, time_limit => '1 second')});
is($out, 't|t', 'a time limit ends training after it has passed');
like($err, qr/NOTICE:  training stopped at its time limit after \d+ of 1000 iterations/, 'and says so');
is($node->safe_psql('postgres', q{SELECT count(*) FROM recommend(1, 5, 'limited')}), '5', 'what it left serves');

#
# Progress, as another session sees it.
#
sub progress
{
	my ($columns, $where) = @_;

	return $node->safe_psql('postgres', "SELECT $columns FROM recmf_progress WHERE " . ($where // 'true'));
}

# Until recmf_progress has a row for which the condition holds.
sub wait_for_progress
{
	my ($session, $condition) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$session->{run}->pump_nb if $session->{run}->pumpable;
		return 1 if progress('count(*)', $condition);
		last unless $session->{run}->pumpable;
		sleep(0.05);
	}
	die "no progress with $condition: $session->{output}";
}

my $long = q{SELECT FROM train_model('long', 'orders', iterations => 1000, factors => 200, validation_fraction => 0.1, patience => 1000, time_limit => '1 hour', verbose => true)};
my $session = start_sql($node, 'long', $long);
wait_for_progress($session, q{phase = 'training' AND iteration >= 2});
is( progress(
		q{datname, model, rows_read = (SELECT count(*) FROM orders), iterations, iteration < iterations, loss > 0,
		validation BETWEEN 0 AND 1, step ~ '^(solv|prepar|validat)ing' AND tasks_done BETWEEN 0 AND tasks, workers >= 0, started_at < now(), seconds_left > 0 AND seconds_left <= 3600,
		time_limit_at > now() + interval '50 minutes'},
		q{model = 'long'}),
	'postgres|long|t|1000|t|t|t|t|t|t|t|t',
	'a run that iterates shows its figures');
my ($first, $first_left) = split /\|/, progress('iteration, started_at', q{model = 'long'});
wait_for_progress($session, "iteration > $first");
is(progress('started_at', q{model = 'long'}), $first_left, 'it goes on, and began when it began');

# The same lines, to the session itself.
$session->{run}->pump_nb;
like($session->{output}, qr/INFO:.* held out \d+ ratings to validate with/, 'verbose: what is held out');
like($session->{output},
	qr/INFO:.* iteration +1\/1000 \[[# ]{30}\] loss \d[\d.e+]*, NDCG\@10 0\.\d{4}, \d+\.\d s left/,
	'verbose: a bar, the loss, the validation and the time left');

# Somebody else cancels it by what the view says.
$started = $node->safe_psql('postgres',
	q{SELECT extract(epoch FROM clock_timestamp()) FROM recmf_progress WHERE model = 'long' AND pg_cancel_backend(pid)});
$session->{run}->finish;
cmp_ok(time - $started, '<', 1, 'cancelled by the pid in the view, in time');
like($session->{output}, qr/ERROR:\s+57014: /, 'it was the right one');
is(progress('count(*)'), '0', 'and is gone from the view');

#
# All places of the view are taken: a training that finds none goes on without
# being shown, and the next one after a place is free has it.
#
$node->safe_psql(
	'postgres', q{
CREATE VIEW waiting AS SELECT user_id, item_id, rating FROM orders
WHERE user_id < 40 AND (user_id <> 7 OR pg_advisory_xact_lock_shared(20261124) IS NOT NULL)});
my $keeper = start_sql($node, 'keeper', 'SELECT pg_advisory_lock(20261124), pg_sleep(600)');
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted}) or die 'no lock';
my @shown = map { start_sql($node, "shown$_", "SELECT FROM train_model('shown$_', 'waiting', factors => 2, iterations => 1)") } 1 .. 64;
$node->poll_query_until('postgres', q{SELECT count(*) = 64 FROM recmf_progress WHERE phase = 'reading rows'})
	or die 'not all of them read';
is($node->safe_psql('postgres', q{SELECT users FROM train_model('unseen', 'orders', factors => 8, iterations => 2)}), '4000',
	'all places are taken: training goes on');
my $unseen = start_sql($node, 'unseen', q{SELECT FROM train_model('unseen', 'waiting', factors => 2, iterations => 1)});
$node->poll_query_until('postgres', q{SELECT count(*) = 65 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	or die 'the last one does not wait';
is(progress(q{count(*), count(*) FILTER (WHERE model = 'unseen')}), '64|0', 'and is not shown');
cmp_ok(cancel_and_wait($node, $unseen), '<', 1, 'it is cancelled as any other');
is(progress('count(*)'), '64', 'which takes nothing from those that are shown');
cancel_and_wait($node, $shown[11]);
is(progress(q{count(*), count(*) FILTER (WHERE model = 'shown12')}), '63|0', 'a place is free again');
$unseen = start_sql($node, 'unseen', q{SELECT FROM train_model('unseen', 'waiting', factors => 2, iterations => 1)});
wait_for_progress($unseen, q{model = 'unseen'});
is(progress('count(*)'), '64', 'and the next training has it');
cancel_and_wait($node, $keeper);
$_->{run}->finish for $unseen, map { $shown[$_] } grep { $_ != 11 } 0 .. 63;
is(progress('count(*)'), '0', 'all of them end');
is($node->safe_psql('postgres', q{SELECT count(*), sum(users) FROM (SELECT drop_model(model), n_users AS users FROM recmf_models WHERE model ~ '^(shown|unseen)' AND active) m}),
	'64|' . 64 * 39, 'with their models');

#
# Each phase is cancelled within a second and leaves the old model.  What holds
# the phase for long enough is a lock, or a policy that takes its time.
#
$node->safe_psql(
	'postgres', q{
CREATE ROLE shopkeeper;
GRANT CREATE ON SCHEMA public TO shopkeeper;
GRANT SELECT ON orders TO shopkeeper;
CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.01) IS NOT NULL $$;
SET ROLE shopkeeper;
SELECT FROM train_model('held', 'orders', factors => 8, iterations => 2);
RESET ROLE;
ALTER TABLE held_users_1 ENABLE ROW LEVEL SECURITY;
ALTER TABLE held_users_1 FORCE ROW LEVEL SECURITY;
CREATE POLICY takes_its_time ON held_users_1 USING (slow())});
my $model = $node->safe_psql('postgres', q{SELECT md5(string_agg(i::text, ',' ORDER BY item_id)) FROM held_items_1 i});
my $relations = relations_of($node, 'held');

# A statement that holds a lock for as long as it is wanted.
sub hold_lock
{
	my ($lock) = @_;
	my $holder = start_sql($node, 'holder', "BEGIN; $lock; SELECT pg_sleep(600)");

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return $holder if $node->safe_psql('postgres',
			q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'});
		sleep(0.1);
	}
	die "no lock: $holder->{output}";
}

sub check_phase
{
	my ($phase, $sql, $lock) = @_;
	my $holder = defined $lock ? hold_lock($lock) : undef;
	my $run = start_sql($node, 'phase', "SET ROLE shopkeeper; $sql");

	wait_for_progress($run, "model = 'held' AND phase = '$phase'");
	sleep(0.1);
	is(progress('phase', q{model = 'held'}), $phase, "phase \"$phase\" is seen");
	my $seconds = cancel_and_wait($node, $run);
	cancel_and_wait($node, $holder) if $holder;
	cmp_ok($seconds, '<', 1, sprintf('phase "%s": cancelled in time (%.2f s)', $phase, $seconds));
	like($run->{output}, qr/ERROR:\s+57014: /, "phase \"$phase\": the error is query_canceled");
	is($node->safe_psql('postgres', q{SELECT md5(string_agg(i::text, ',' ORDER BY item_id)) FROM held_items_1 i}),
		$model, "phase \"$phase\": the old model is as it was");
	is(relations_of($node, 'held'), $relations, "phase \"$phase\": nothing is left of the new one");
	is(progress('count(*)'), '0', "phase \"$phase\": gone from the view");
	return;
}

my $small = q{SELECT FROM train_model('held', 'orders', factors => 8, iterations => 2};
check_phase('reading old factors', "$small, warm_start => true)");
check_phase('reading rows',
	q{SELECT FROM train_model('held', 'SELECT o.* FROM orders o WHERE pg_sleep(0.001) IS NOT NULL', factors => 8)});
check_phase('training', q{SELECT FROM train_model('held', 'orders', factors => 128, iterations => 1000)});
check_phase('starting', "$small, warm_start => true)", 'LOCK TABLE held_items_1 IN ACCESS EXCLUSIVE MODE');
check_phase('writing tables', "$small)", 'SELECT count(*) FROM held_items');

#
# The source is altered or dropped while training solves: that waits, and a
# lock_timeout ends the wait and not the training.
#
$session = start_sql($node, 'long', q{SELECT FROM train_model('long', 'orders', iterations => 1000, factors => 200)});
wait_for_progress($session, q{phase = 'training'});
for my $change ('ALTER TABLE orders ADD COLUMN note text', 'ALTER TABLE orders RENAME COLUMN rating TO quantity',
	'TRUNCATE orders', 'DROP TABLE orders CASCADE')
{
	my ($code, $message) = sqlstate_of($node, "SET lock_timeout = '100ms'; $change");

	is($code, '55P03', "$change: waits for training");
}
$node->safe_psql('postgres', q{UPDATE orders SET rating = 3 WHERE user_id = 1; INSERT INTO orders VALUES (5000, 1, 1, 0)});
is(progress('phase', q{model = 'long'}), 'training', 'changing rows does not wait, and training goes on');

#
# A second training beside it, and then the backend of the first is terminated.
#
is($node->safe_psql('postgres', q{SELECT users FROM train_model('beside', 'orders', factors => 8)}), '4001',
	'another model is trained meanwhile');
my ($code, $message) = sqlstate_of($node, q{SELECT FROM train_model('long', 'orders')});
is($code, '55P03', 'the same model is not');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM recmf_progress WHERE model = 'long'});
$session->{run}->finish;
is(progress('count(*)'), '0', 'a terminated backend is gone from the view');
is(relations_of($node, 'long'), '', 'and has left nothing');

#
# After a crash of the backend the area is a new one.
#
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
$session = start_sql($node, 'long', q{SELECT FROM train_model('long', 'orders', iterations => 1000, factors => 200)});
wait_for_progress($session, q{phase = 'training'});
kill 'KILL', progress('pid');
$session->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'no restart after the crash';
is(progress('count(*)'), '0', 'nothing is shown after a crash');
is($node->safe_psql('postgres', q{SELECT version FROM train_model('shop', 'orders', warm_start => true)}), '2',
	'and training goes on from the old factors');

#
# On a standby the view is there and empty of what happens elsewhere.
#
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT count(*) FROM recmf_progress'), '0', 'a standby has the view');
$standby->stop;

$node->stop;
done_testing();
