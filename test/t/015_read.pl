# Reading the ratings: parallel workers read what one process reads, to the last
# bit of the model; who may read what; what is not a plain table; weights; and
# how long it takes beside COPY of the same rows.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('read');

$node->append_conf('postgresql.conf', q{
max_worker_processes = 8
max_parallel_workers = 8
max_parallel_maintenance_workers = 8
min_parallel_table_scan_size = 64kB
shared_buffers = 256MB
autovacuum = off
});
$node->restart;

my $options = q{factors => 4, iterations => 2};

# train(SOURCE, ARGUMENTS, WORKERS, [SETTINGS]): notices, and by how many processes the rows were read
sub train
{
	my ($source, $arguments, $workers, @settings) = @_;
	my ($status, $out, $err) = $node->psql(
		'postgres', join(";\n", 'SET client_min_messages = info', "SET recmf.max_parallel_workers = $workers",
			@settings, "SELECT FROM train_model('m', '$source', $arguments, $options, verbose => true)"));

	die $err if $status != 0;
	my ($processes) = $err =~ /read \d+ ratings of .* by (\d+) processes/ or die $err;
	return (join("\n", $err =~ /NOTICE: .*/g), $processes);
}

# A fingerprint without recommend(), which excludes what is in the source.
sub model
{
	return $node->safe_psql(
		'postgres', q{
SELECT md5(string_agg(t::text, ',' ORDER BY item_id)) FROM m_items t
UNION ALL SELECT md5(string_agg(t::text, ',' ORDER BY user_id)) FROM m_users t
UNION ALL SELECT md5(loss::text) || n_ratings || ' ' || n_skipped FROM recmf_models WHERE model = 'm' AND active});
}

# Workers start when they can, and the leader may have read all before: so once
# it leaves that to a worker, and once it takes part.
sub same_in_parallel
{
	my ($name, $source, $arguments, @settings) = @_;
	my ($notices) = train($source, $arguments, 0, @settings);
	my $serial = model();
	my ($again, $processes) = train($source, $arguments, 1, @settings, 'SET parallel_leader_participation = off');

	is(model(), $serial, "$name: the same model, read by a worker");
	is($processes, 2, "$name: it was");
	is($again, $notices, "$name: the same rows skipped");
	($again, $processes) = train($source, $arguments, 3, @settings);
	is(model(), $serial, "$name: the same model, read by up to four processes");
	is($again, $notices, "$name: the same rows skipped by them");
	$node->safe_psql('postgres', q{SELECT FROM drop_model('m')});
	return;
}

# Ids of all kinds; users and items with gaps, negative ones, an outlier.
$node->safe_psql(
	'postgres', q{
CREATE TABLE ratings AS
SELECT (g * 7919 % 3001 - 700)::integer AS user_id, (g * g % 911 + g % 7)::smallint AS item_id,
	(g * 104729 % 5003) * 1000003 - 1 AS big, CASE WHEN g = 77777 THEN 9223372036854775807 ELSE g % 400 END AS outlier,
	'P' || repeat('x', (g % 13)::integer) || g * g % 911 AS name, md5((g % 577)::text)::uuid AS uuid,
	CASE WHEN g % 1009 = 0 THEN NULL ELSE (g % 11 - 1)::real END AS rating,
	(g % 10)::numeric / 4 AS weight, (1 + g % 5)::numeric(3, 1) AS stars
FROM generate_series(1::bigint, 120000) g;
ALTER TABLE ratings DROP COLUMN uuid, ADD COLUMN later integer DEFAULT 3,
	ADD COLUMN made bigint GENERATED ALWAYS AS (user_id * 2) STORED});

same_in_parallel('integers', 'ratings', q{feedback => 'implicit'});
same_in_parallel('sparse integers', 'ratings', q{user_col => 'big', item_col => 'outlier', feedback => 'explicit'});
same_in_parallel('text', 'ratings', q{user_col => 'name', item_col => 'item_id', rating_col => 'stars', feedback => 'explicit'});
same_in_parallel('weights', 'ratings', q{weight_col => 'weight', feedback => 'explicit'});
same_in_parallel('weights of implicit feedback', 'ratings', q{weight_col => 'weight', rating_col => NULL});
same_in_parallel('a column with a default, a generated one', 'ratings', q{rating_col => 'later', user_col => 'made'});
same_in_parallel('a query of a table', 'SELECT user_id, item_id, stars AS rating FROM ratings', q{user_col => 'user_id'});
same_in_parallel('serializable', 'ratings', q{user_col => 'user_id'}, q{SET default_transaction_isolation = 'serializable'});
$node->safe_psql('postgres', q{
CREATE MATERIALIZED VIEW evens AS SELECT user_id, name AS item_id, rating FROM ratings WHERE user_id % 2 = 0});
same_in_parallel('a materialized view', 'evens', q{user_col => 'user_id'});

# What the scan gives is what the executor gives.
train('ratings', q{weight_col => 'weight'}, 3);
my $scanned = model();
my (undef, $processes) = train('SELECT * FROM ratings OFFSET 0', q{weight_col => 'weight'}, 3);
is(model(), $scanned, 'the executor reads what the scan reads');
is($processes, 1, 'and does so without workers of ours');

# A weight is what it says: for implicit feedback a factor of the rating, for
# explicit feedback so many ratings; rows of weight 0 and NULL are left out.
my $by_weight = q{feedback => 'explicit', weight_col => 'weight', regularization => 1, regularization_scaling => 0};
train('SELECT user_id, item_id, rating * weight AS rating FROM ratings WHERE weight > 0', q{feedback => 'implicit'}, 0);
my $multiplied = model();
my ($notices) = train('ratings', q{feedback => 'implicit', weight_col => 'weight'}, 0);
like($notices, qr/skipped 118 rows with a null user_id, item_id, rating or weight/, 'NULLs are counted');
like($notices, qr/skipped 1\d{4} rows with weight 0/, 'weights 0 are counted');
is((split /\n/, model())[0], (split /\n/, $multiplied)[0], 'implicit: the weight multiplies the rating');
is($node->safe_psql('postgres', q{SELECT weight_col FROM recmf_models WHERE model = 'm' AND active}),
	'weight', 'the registry knows the column');

for my $bad ([ q{'-1'}, 'is negative: -1' ], [ q{'NaN'}, 'is not a number' ],
	[ q{'Infinity'}, 'is infinite or out of the range of real: inf' ])
{
	my ($state, $message) = sqlstate_of($node,
		"SELECT train_model('bad', 'SELECT 7 AS user_id, ''a'' AS item_id, 1 AS rating, ''" . ($bad->[0] =~ s/'//gr)
		. "''::float8 AS w', weight_col => 'w')");
	is($state, '22003', "weight $bad->[0] is an error");
	like($message, qr/^weight of user 7 and item "a" \Q$bad->[1]\E/i, 'that names the ids');
}
my ($state, $message) = sqlstate_of($node, q{SELECT train_model('bad', 'ratings', weight_col => 'nothing')});
is($state, '42703', 'a weight_col that is not there');
($state, $message) = sqlstate_of($node, q{SELECT train_model('bad', 'ratings', weight_col => 'name')});
is($state, '42804', 'a weight_col that is no number');

# An error reads the same, whoever comes upon it.
$node->safe_psql('postgres', q{UPDATE ratings SET rating = 'NaN', item_id = 17 WHERE ctid = (SELECT ctid FROM ratings WHERE user_id = 5 LIMIT 1)});
my $nan = $node->safe_psql('postgres', q{SELECT count(*) FROM ratings WHERE rating = 'NaN'});
isnt($nan, '0', 'ratings that are not numbers');
for my $workers (0, 1)
{
	($state, $message) = sqlstate_of($node,
		"SET parallel_leader_participation = off; SET recmf.max_parallel_workers = $workers; SELECT train_model('bad', 'ratings')");
	is("$state $message", '22003 rating of user 5 and item 17 is not a number', "NaN, read by " . ($workers ? 'a worker' : 'the leader'));
}
$node->safe_psql('postgres', q{UPDATE ratings SET rating = 1 WHERE rating = 'NaN'; VACUUM FULL ratings});

# Who may read.
$node->safe_psql(
	'postgres', q{
CREATE ROLE reader; CREATE ROLE restricted;
GRANT CREATE ON SCHEMA public TO reader, restricted;
GRANT SELECT (user_id, item_id, rating) ON ratings TO reader;
CREATE TABLE private AS SELECT * FROM ratings;
CREATE VIEW through AS SELECT user_id, item_id, rating FROM private;
GRANT SELECT ON through TO reader;
GRANT SELECT ON private TO restricted;
ALTER TABLE private ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON private FOR SELECT TO restricted USING (user_id < 0)});

sub as_role
{
	my ($role, $sql) = @_;

	return sqlstate_of($node, "SET ROLE $role; SET recmf.max_parallel_workers = 3; $sql");
}
is((as_role('reader', q{SELECT train_model('r', 'private')}))[0], '42501', 'a table that one may not read');
is((as_role('restricted', q{SELECT train_model('r', 'ratings')}))[0], '42501', 'another one');
is((as_role('reader', q{SELECT train_model('r', 'ratings', weight_col => 'weight')}))[0], '42501', 'a column that one may not read');
# the columns of a table are asked for one by one, but * is what names are looked up in
is((as_role('reader', q{SELECT train_model('r', 'SELECT user_id, item_id, rating FROM ratings', iterations => 1)}))[0],
	'00000', 'columns that one may read');
is((as_role('reader', q{SELECT train_model('v', 'through', iterations => 1)}))[0], '00000', 'a view that one may read, of a table that one may not');
is((as_role('restricted', q{SELECT train_model('own', 'private', iterations => 1)}))[0], '00000', 'a table with row security');
is($node->safe_psql('postgres', q{SELECT max(user_id) < 0 FROM own_users}), 't', 'only the rows that one may see');

# One's own rows, and tables that are no plain ones.
for my $table ('TABLE fresh', 'TEMP TABLE fresh', 'UNLOGGED TABLE fresh')
{
	is( $node->safe_psql(
			'postgres', qq{
SET client_min_messages = error;
BEGIN;
CREATE $table AS SELECT * FROM ratings;
DELETE FROM fresh WHERE user_id < 0;
SAVEPOINT s;
INSERT INTO fresh (user_id, item_id, rating) SELECT 100000 + g, g, 1 FROM generate_series(1, 300) g;
SELECT users = (SELECT count(DISTINCT user_id) FROM fresh WHERE rating > 0) FROM train_model('fresh', 'fresh', iterations => 1);
ROLLBACK}),
		't', "$table: rows of the same transaction");
}
is( $node->safe_psql(
		'postgres', q{
SET client_min_messages = error;
CREATE TABLE parts (user_id integer, item_id integer, rating real) PARTITION BY HASH (user_id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE parent (user_id integer, item_id integer, rating real);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parts SELECT user_id, item_id, rating FROM ratings;
INSERT INTO parent SELECT user_id, item_id, rating FROM ratings WHERE user_id < 1000;
INSERT INTO child SELECT user_id, item_id, rating FROM ratings WHERE user_id >= 1000;
SELECT (SELECT ratings FROM train_model('a', 'ratings', iterations => 1)) = ALL
	(SELECT ratings FROM train_model('b', 'parts', iterations => 1) UNION ALL SELECT ratings FROM train_model('c', 'parent', iterations => 1))}),
	't', 'partitions and children');
$node->safe_psql('postgres', q{CREATE MATERIALIZED VIEW empty AS SELECT user_id, item_id, rating FROM ratings WITH NO DATA});
is((sqlstate_of($node, q{SELECT train_model('e', 'empty')}))[0], '55000', 'a materialized view without data');

# Workers that cannot be had.
for my $setting ('max_parallel_workers = 0', 'max_parallel_maintenance_workers = 0')
{
	(undef, $processes) = train('ratings', q{user_col => 'user_id'}, 3, "SET $setting");
	is($processes, 1, "$setting: read by one process");
}

# A worker that is told to end, at once and later: an error, within a second, and
# the old model.  There are enough rows for it to read still, on a fast machine too.
$node->safe_psql(
	'postgres', q{
CREATE TABLE long AS
SELECT (g * 7919::bigint % 40009)::integer AS user_id, (g * 104729::bigint % 9001)::smallint AS item_id, 1::real AS rating
FROM generate_series(1, 12000000) g});
train('ratings', q{user_col => 'user_id'}, 0);
my $old = model();
for my $delay (0, 0.01, 0.1, 0.2)
{
	for my $leader ('on', 'off')
	{
		my $session = start_sql($node, 'reader',
			"SET parallel_leader_participation = $leader; SET recmf.max_parallel_workers = 1; SELECT FROM train_model('m', 'long', $options, verbose => true)");
		my $called = signal_when($node, 'pg_terminate_backend', q{pg_stat_activity WHERE backend_type = 'parallel worker'}, $delay);
		$session->{run}->finish;
		my $seconds = time() - $called;
		my $name = "SIGTERM to a worker after $delay s, leader's part $leader";

		cmp_ok($seconds, '<', 1, sprintf('%s: in time (%.2f s)', $name, $seconds));
		like($session->{output}, qr/ERROR:\s+(?:57P01: terminating|55000: parallel worker failed to initialize)/, "$name: a clear error");
		unlike($session->{output}, qr/INFO:.* read \d+ ratings/, "$name: it was reading");
		is(model(), $old, "$name: the old model serves");
		is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), '0',
			"$name: no worker is left");
	}
}
$node->safe_psql('postgres', 'DROP TABLE long');

# Speed beside COPY of the same rows: interleaved, the best of some tries.  Two
# processors are shared by all that runs here, so that a single try says little.
# There are enough rows for the start of a worker not to matter.
$node->safe_psql(
	'postgres', q{
CREATE TABLE large AS
SELECT (g * 7919::bigint % 40009)::integer AS user_id, (pow(g * 104729::bigint % 1000003 / 1000003.0, 3) * 9000)::integer AS item_id,
	(1 + g % 5)::real AS rating FROM generate_series(1, 6000000) g;
CREATE TABLE large_text AS SELECT 'user-' || user_id AS user_id, 'item-' || item_id AS item_id, rating FROM large LIMIT 2000000;
VACUUM ANALYZE large; VACUUM ANALYZE large_text});
for my $case ([ 'large', 1 ], [ 'large_text', 2 ])
{
	my ($table, $bar) = @$case;
	my ($copy, $read) = (1e9, 1e9);

	for my $try (1 .. 8)
	{
		my $seconds = $node->safe_psql(
			'postgres', qq{
SET client_min_messages = error;
CREATE TEMP TABLE t AS SELECT clock_timestamp() AS at;
COPY (SELECT user_id, item_id, rating FROM $table) TO '/dev/null' (FORMAT binary);
SELECT extract(epoch FROM clock_timestamp() - at) FROM t;
SET recmf.max_parallel_workers = 1;
SELECT read_seconds FROM train_model('speed_$table', '$table', factors => 2, iterations => 1)});
		my ($this_copy, $this_read) = split /\n/, $seconds;

		$copy = $this_copy if $this_copy < $copy;
		$read = $this_read if $this_read < $read;
		last if $try >= 3 && $read <= $bar * $copy;
	}
	cmp_ok($read, '<=', $bar * $copy, sprintf('the rows of %s in at most %d times the time of COPY', $table, $bar));
	measured(sprintf('%s: read in %.2f s, COPY in %.2f s, ratio %.2f', $table, $read, $copy, $read / $copy));
}

done_testing();
