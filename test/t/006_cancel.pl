# Cancelling (Ctrl-C, pg_cancel_backend, statement_timeout) answers within a
# second at every phase of training, and leaves the old model and nothing else.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('cancel');

taste_table($node);
$node->safe_psql('postgres', q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)});
my $model = fingerprint($node, 'shop');
my $relations = relations_of($node, 'shop');

# Cancels a statement some time after it has begun, and looks at what is left.
sub check_cancel
{
	my ($name, $sql, $pattern, $delay) = @_;
	my $session = start_sql($node, 'cancelled', $sql);

	wait_until_active($node, $session, $pattern);
	sleep($delay) if $delay;
	my $seconds = cancel_and_wait($node, $session);
	cmp_ok($seconds, '<', 1, sprintf('%s: cancelled in time (%.2f s)', $name, $seconds));
	like($session->{output}, qr/ERROR:\s+57014: /, "$name: the error is query_canceled");
	is(fingerprint($node, 'shop'), $model, "$name: the old model serves");
	is(relations_of($node, 'shop'), $relations, "$name: nothing is left of the new one");
	return;
}

my $train = q{SELECT FROM train_model('shop', %s, rating_col => 'quantity', factors => %d, iterations => 1000, verbose => true)};

check_cancel('a read that waits',
	sprintf($train, q{'SELECT o.* FROM orders o, LATERAL (SELECT pg_sleep(0.1 + 0 * user_id)) s'}, 8), undef, 0.3);
check_cancel('a long read',
	sprintf($train,
		q{'SELECT g % 100003 AS user_id, (g % 1009)::text AS item_id, 1 AS quantity FROM (SELECT generate_series(1, 1000000000) AS g) s'}, 8),
	undef, 1);
check_cancel('an iteration', sprintf($train, q{'orders'}, 8), qr/iteration/, 0);

# Long rows and many factors: the longest stretches of arithmetic there are.
$node->safe_psql(
	'postgres', q{
CREATE TABLE many AS
SELECT (g * 7919::bigint % 20011)::integer AS user_id, 'P' || g * 104729::bigint % 97 AS item_id, 1 AS quantity
FROM generate_series(1, 2000000) g});
for my $delay (0.1, 0.5, 0.9, 1.4, 2.0, 3.0)
{
	check_cancel("two million ratings, 256 factors, after $delay s", sprintf($train, q{'many'}, 256), undef, $delay);
}

# While ids and ratings are sorted in memory: at its beginning, where there are
# many text ids, and later.  That nothing has been said of what was read tells that it was
# then, for that is said when all is sorted.
$node->safe_psql(
	'postgres', q{
CREATE TABLE more AS
SELECT user_id + 20011 * i AS user_id, item_id || ' ' || md5(user_id::text) AS item_id, quantity FROM many, generate_series(1, 2) i});
for my $delay (0, 0.1, 0.3)
{
	my $session = start_sql($node, 'cancelled', sprintf($train, q{'more'}, 8));
	my $called = signal_when($node, 'pg_cancel_backend', q{recmf_progress WHERE phase = 'sorting ratings'}, $delay);
	$session->{run}->finish;
	my $seconds = time() - $called;
	cmp_ok($seconds, '<', 1, sprintf('sorting, after %g s: cancelled in time (%.2f s)', $delay, $seconds));
	like($session->{output}, qr/ERROR:\s+57014: /, "sorting, after $delay s: the error is query_canceled");
	unlike($session->{output}, qr/INFO:.* read \d+ ratings/, "sorting, after $delay s: it was sorting");
	is(fingerprint($node, 'shop'), $model, "sorting, after $delay s: the old model serves");
	is(relations_of($node, 'shop'), $relations, "sorting, after $delay s: nothing is left of the new one");
}

# The session goes on after it, and so does training.
my ($status, $out, $err) = $node->psql(
	'postgres', q{
SET statement_timeout = '1s';
SELECT FROM train_model('shop', 'many', rating_col => 'quantity', factors => 256, iterations => 1000);
SET statement_timeout = 0;
SELECT count(*) FROM recommend('1', 10, 'shop');
SELECT version FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)},
	on_error_stop => 0);
like($err, qr/statement timeout/, 'statement_timeout ends a training');
is($out, "10\n2", 'the session that was cancelled recommends and trains again');

$node->stop;
done_testing();
