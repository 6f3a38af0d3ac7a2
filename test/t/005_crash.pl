# Crashes: what was committed serves afterwards; a training that was under way
# leaves the old model and nothing of its own.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('crash', extra => ['--data-checksums']);
my $long = q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 32, iterations => 1000, verbose => true)};

# As when the machine loses power: a backend and its workers would otherwise go
# on without their postmaster, and commit.
sub kill_all
{
	my @pids = split(/\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'training'}));

	$node->kill9;
	kill 'KILL', @pids;
	return;
}

# Starts again after a kill, once the orphans of the old server have gone.
sub start_again
{
	for (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		$node->{_pid} = undef;
		sleep(0.1);
	}
	die 'the server did not start after a crash';
}

$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
taste_table($node, users => 3000, items => 120);
$node->safe_psql('postgres', q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)});
my $model = fingerprint($node, 'shop');
my $relations = relations_of($node, 'shop');

kill_all();
start_again();
is(fingerprint($node, 'shop'), $model, 'kill -9 after the commit: the model is as it was');

my $session = start_sql($node, 'training', $long);
wait_until_active($node, $session, qr/iteration/);
$node->stop('immediate');
$session->{run}->finish;
$node->start;
is(fingerprint($node, 'shop'), $model, 'immediate stop while training: the old model serves');
is(relations_of($node, 'shop'), $relations, 'immediate stop while training: nothing is left of the new one');

$session = start_sql($node, 'training', $long);
wait_until_active($node, $session, qr/iteration/);
kill_all();
$session->{run}->finish;
start_again();
is(fingerprint($node, 'shop'), $model, 'kill -9 of the server while training: the old model serves');
is(relations_of($node, 'shop'), $relations, 'kill -9 of the server while training: nothing is left of the new one');

# A backend that dies takes the other sessions with it, and the server recovers by itself.
$session = start_sql($node, 'training', $long);
wait_until_active($node, $session, qr/iteration/);
kill 'KILL', $node->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE application_name = 'training' AND backend_type = 'client backend'});
$session->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not recover';
is(fingerprint($node, 'shop'), $model, 'kill -9 of the training backend: the old model serves');
is(relations_of($node, 'shop'), $relations, 'kill -9 of the training backend: nothing is left of the new one');

# So does one of its workers.
$session = start_sql($node, 'training', $long);
wait_until_active($node, $session, qr/iteration/);
my $worker = $node->safe_psql('postgres',
	q{SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'training' AND backend_type = 'parallel worker'});
ok($worker, 'kill -9 of a worker: there is one');
kill 'KILL', $worker;
$session->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not recover';
is(fingerprint($node, 'shop'), $model, 'kill -9 of a worker: the old model serves');
is(relations_of($node, 'shop'), $relations, 'kill -9 of a worker: nothing is left of the new one');

is( $node->safe_psql(
		'postgres', q{SELECT version FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)}),
	'2', 'training goes on after all that');
$node->safe_psql('postgres', q{SELECT drop_model('shop')});
is(relations_of($node, 'shop'), '', 'and the model can be dropped');

$node->stop;
done_testing();
