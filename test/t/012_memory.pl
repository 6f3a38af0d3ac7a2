# recmf.training_memory: what does not fit goes to temporary files and gives the
# same model, within the limit; what cannot fit is a clear error before it is
# tried; and nothing of the files is left, however a run ends.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use constant MB => 1024 * 1024;

# Few shared buffers, for those that a process touches count as its memory.
my $node = new_node('memory');
$node->append_conf(
	'postgresql.conf', q{
shared_buffers = 1MB
autovacuum = off
max_worker_processes = 8
max_parallel_workers = 4
max_parallel_maintenance_workers = 4
max_parallel_workers_per_gather = 0});
$node->restart;

my $n_ratings = 2_000_000;
$node->safe_psql(
	'postgres', qq{
CREATE TABLE small AS
SELECT g % 97 AS user_id, g % 89 AS item_id, 1 + g % 5 AS rating, 1 + g % 3 AS weight FROM generate_series(1, 3000) g;
CREATE TABLE big AS
SELECT (g * 7919::bigint % 20011)::integer AS user_id, (g * 104729::bigint % 997)::integer AS item_id,
	1 + g % 5 AS rating, 1 + g % 3 AS weight
FROM generate_series(1, $n_ratings) g;
CREATE INDEX ON big (user_id)});

sub temp_files
{
	return $node->safe_psql('postgres', q{
SELECT count(*) FROM pg_ls_tmpdir();
SELECT count(*) FROM pg_ls_dir('base/pgsql_tmp', true, false)});
}

# What train_model() is called with in all of these.
sub train
{
	my ($model, $source, $limit, %more) = @_;
	my $workers = delete $more{workers} // 0;
	my $settings = delete $more{settings} // '';
	my %options = (rating_col => q{'rating'}, factors => 16, iterations => 3, verbose => 'true', %more);
	my $list = join(', ', map { "$_ => $options{$_}" } sort keys %options);

	$source =~ s/'/''/g;
	return "SET client_min_messages = info; $settings
SET recmf.training_memory = '$limit'; SET recmf.max_parallel_workers = $workers;
SELECT round((read_seconds + train_seconds)::numeric, 3) FROM train_model('$model', '$source', $list)";
}

# Trains; whether the ratings were in files, as the run has said, and the seconds.
sub run_train
{
	my ($status, $out, $err) = $node->psql('postgres', train(@_), on_error_stop => 1);

	is($status, 0, "trains $_[0] within $_[2]") or diag($err);
	return ($err =~ /of temporary files/ ? 1 : 0, $out, $err);
}

# --- the same model ------------------------------------------------------

sub check_same
{
	my ($name, $limit, %options) = @_;
	my ($in_files, $in_memory);

	($in_memory) = run_train("whole", 'big', '500MB', %options, workers => 0);
	is($in_memory, 0, "$name: the ratings are in memory");
	my $whole = fingerprint($node, 'whole');
	for my $workers (0, 2)
	{
		($in_files) = run_train("parts", 'big', $limit, %options, workers => $workers);
		is($in_files, 1, "$name, $workers workers: the ratings are in files");
		is(fingerprint($node, 'parts'), $whole, "$name, $workers workers: the same model");
	}
	$node->safe_psql('postgres', q{SELECT drop_model('whole'); SELECT drop_model('parts')});
	is(temp_files(), "0\n0", "$name: no file is left");
	return;
}

check_same('implicit, exact', '16MB', solver => q{'exact'}, iterations => 2);
check_same('implicit, steps', '24MB', solver => q{'cg'}, factors => 64, iterations => 4);
check_same('explicit', '16MB', feedback => q{'explicit'});
check_same('explicit with weights', '16MB', feedback => q{'explicit'}, weight_col => q{'weight'});
check_same('logistic', '16MB', feedback => q{'logistic'}, rating_col => 'NULL', iterations => 2);
check_same('implicit features', '16MB', feedback => q{'explicit'}, options => q{'{"implicit_features": true}'}, iterations => 2);
check_same('work_mem is no matter', '16MB', settings => q{SET work_mem = '64kB';});

# An item, and a user, that have more ratings than are sorted at a time; and
# ten thousand ratings of one user and one item.
for my $source (
	'SELECT CASE WHEN g % 2 = 0 THEN 7 ELSE g % 30011 END AS user_id, g % 8009 AS item_id, g % 3 + 1 AS rating FROM generate_series(1, 1200000) g',
	'SELECT g AS user_id, 1 AS item_id, 1 AS rating FROM generate_series(1, 60000) g UNION ALL SELECT g % 1009, g % 10007, 2 FROM generate_series(1, 700000) g',
	'SELECT 1 AS user_id, 1 AS item_id, g % 5 + 1 AS rating FROM generate_series(1, 10000) g UNION ALL SELECT g % 1009, g % 10007, 2 FROM generate_series(1, 700000) g')
{
	run_train('whole', $source, '500MB', factors => 4, iterations => 1);
	my $whole = fingerprint($node, 'whole');
	my ($in_files) = run_train('parts', $source, '12MB', factors => 4, iterations => 1);
	is($in_files, 1, 'long rows: in files');
	is(fingerprint($node, 'parts'), $whole, 'long rows: the same model');
}
is((sqlstate_of($node, train('x', 'SELECT 1 AS user_id, g % 2 AS item_id, g % 5 + 1 AS rating FROM generate_series(1, 1000000) g', '2MB', factors => 2)))[0],
	'54000', 'half a million ratings of one user and one item are too many for 2 MB');

# --- the aggregate -------------------------------------------------------

my $mf_train = q{md5(mf_train(user_id, item_id, rating, '{"factors": 8, "iterations": 2}')::text)};
is($node->safe_psql('postgres', "SET recmf.training_memory = '16MB'; SELECT $mf_train FROM big"),
	$node->safe_psql('postgres', "SELECT $mf_train FROM big"), 'mf_train: the same value from files');
is($node->safe_psql(
		'postgres', q{
SET recmf.training_memory = '12MB';
BEGIN;
DECLARE c CURSOR FOR SELECT mf_train(user_id, item_id, rating ORDER BY user_id, pg_sleep(0)::text) FROM big WHERE user_id < 15000 GROUP BY user_id < 10000;
SAVEPOINT s;
FETCH 1 FROM c \g /dev/null
ROLLBACK TO s;
CLOSE c;
COMMIT;
DO $$
BEGIN
	PERFORM mf_train(user_id, item_id, CASE WHEN user_id = 20010 THEN 'NaN' ELSE rating::float8 END) FROM (SELECT * FROM big ORDER BY user_id) b;
EXCEPTION WHEN numeric_value_out_of_range THEN
	RAISE NOTICE 'NaN';
END $$;
SELECT count(*) FROM pg_ls_tmpdir()}), '0', 'mf_train: files end with a cursor and with a subtransaction');
is(temp_files(), "0\n0", 'mf_train: no file is left');

# --- within the limit ----------------------------------------------------

# Bytes by which the process grows at most over what it has when it starts to
# train.  A run before has loaded the libraries; dynamic shared memory counts.
sub peak
{
	my ($limit, %options) = @_;
	my ($status, $out, $err) = $node->psql(
		'postgres', train('warm', 'small', '500MB', %options) . q{;
COPY (SELECT 5) TO '/proc/self/clear_refs';
SELECT substring(pg_read_file('/proc/self/status') FROM 'VmRSS:\s+(\d+) kB')::bigint AS rss \gset
} . train('parts', 'big', $limit, %options) . q{;
SELECT 'grown ' || 1024 * (substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+) kB')::bigint - :rss)},
		on_error_stop => 1);

	like($err, qr/of temporary files/, "peak within $limit: the ratings are in files");
	return $out =~ /grown (\d+)/ ? $1 : die "$out$err";
}

SKIP:
{
	skip 'the peak of a process is read from /proc', 1 unless -e '/proc/self/clear_refs';

	for my $case (
		[ '16MB' ],
		[ '32MB' ],
		[ '24MB', factors => 64, solver => q{'cg'} ],
		[ '24MB', factors => 64, solver => q{'cg'}, iterations => 5, workers => 2 ],
		[ '16MB', feedback => q{'explicit'}, weight_col => q{'weight'} ])
	{
		my ($limit, %options) = @$case;
		my $grown = peak($limit, %options);

		measured(sprintf('%s: a run that grows by %.1f MB (%s)', $limit, $grown / MB,
				join(', ', map { "$_ $options{$_}" } sort keys %options) || 'defaults'));
		cmp_ok($grown, '<=', $limit =~ s/MB//r * MB, "the process stays within $limit");
	}
}

# --- what cannot fit -----------------------------------------------------

my $many_ids = q{SELECT 'a long name of a user ' || g AS user_id, g % 100 AS item_id, 1 AS rating FROM (SELECT generate_series(1, 100000000) AS g) s};
my $started = Time::HiRes::time();
my ($state, $message) = sqlstate_of($node, train('x', $many_ids, '8MB'));
is($state, '54000', 'too many ids for the limit: program_limit_exceeded');
like($message, qr/training needs about \d+ MB, more than recmf.training_memory allows/, 'too many ids: the message');
cmp_ok(Time::HiRes::time() - $started, '<', 10, 'too many ids: long before all rows are read');

my ($status, $out, $err) = $node->psql('postgres', train('x', 'big', '8MB', factors => 256));
like($err, qr/ERROR:.*training needs about \d+ MB.*DETAIL:.*MB are needed for ids, \d+ MB for factors.*\(users so far: \d+, items: \d+, factors: 256\).*HINT:.*fewer factors/s,
	'too many factors for the limit: what takes how much, and what to do');
unlike($err, qr/iteration/, 'too many factors: before the first iteration');

# --- temp_file_limit, a full disk ----------------------------------------

($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . train('x', 'big', '16MB', settings => q{SET temp_file_limit = '20MB';}));
like($err, qr/ERROR:  53400: temporary file size exceeds temp_file_limit.*HINT:  .*Raise temp_file_limit or recmf.training_memory/s,
	'temp_file_limit: the error has a hint');
is(temp_files(), "0\n0", 'temp_file_limit: no file is left');
$node->safe_psql('postgres', train('parts', 'big', '16MB', settings => q{SET temp_file_limit = '60MB';}));
pass('temp_file_limit: 28 bytes a rating are enough');

# A limit on the length of files stands in for a disk that is full: the server
# writes no other file as long.
$node->stop;
my $pg_ctl = sub {
	my ($before, $action) = @_;
	return system_or_bail('sh', '-c', "$before pg_ctl -w -s -D '" . $node->data_dir . "' -l '" . $node->logfile . "' $action");
};
$node->append_conf('postgresql.conf', 'max_wal_size = 4GB');
$pg_ctl->('ulimit -f 40000;', 'start');	# blocks of 512 bytes: 20 MB
my $generated = qq{SELECT g * 7919::bigint % 20011 AS user_id, g * 104729::bigint % 997 AS item_id, 1 AS rating FROM (SELECT generate_series(1, $n_ratings) AS g) s};
($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . train('x', $generated, '16MB'));
like($err, qr/ERROR:  53100: could not write to temporary file.*HINT:  Make room, set temp_tablespaces/s, 'full disk: the error has a hint');
is(temp_files(), "0\n0", 'full disk: no file is left');
$pg_ctl->('', '-m fast stop');
$node->start;

# --- cancelled, killed ---------------------------------------------------

$node->safe_psql('postgres', q{
CREATE TABLE bigger AS SELECT user_id + 20011 * i AS user_id, item_id, rating FROM big, generate_series(0, 2) i});
for my $delay (0.3, 0.8, 1.3, 1.8, 2.3, 3)
{
	my $session = start_sql($node, 'cancelled', train('x', 'bigger', '24MB', iterations => 1000, workers => 1));

	wait_until_active($node, $session);
	sleep($delay);
	my $seconds = cancel_and_wait($node, $session);
	cmp_ok($seconds, '<', 1, sprintf('cancelled after %.1f s: ends in time (%.2f s)', $delay, $seconds));
	like($session->{output}, qr/ERROR:\s+57014: /, "cancelled after $delay s: query_canceled");
	is(temp_files(), "0\n0", "cancelled after $delay s: no file is left");
}

my $session = start_sql($node, 'terminated', train('x', 'bigger', '24MB', iterations => 1000, workers => 1));
wait_until_active($node, $session, qr/iteration/);
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_ls_dir('base/pgsql_tmp')}), '>', 0, 'while it trains there are files');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'terminated' AND backend_type = 'client backend'});
eval { $session->{run}->finish };
is(temp_files(), "0\n0", 'terminated: no file is left');

# --- the time that it takes ----------------------------------------------

# On data twice the limit; three pairs in turn, the best of each.
my ($files, $memory) = (1e9, 1e9);
for (1 .. 3)
{
	my (undef, $m) = run_train('whole', 'big', '500MB', factors => 32, iterations => 8);
	my ($in_files, $f) = run_train('parts', 'big', '28MB', factors => 32, iterations => 8);
	is($in_files, 1, 'twice the limit: in files');
	$memory = $m if $m < $memory;
	$files = $f if $f < $files;
}
measured(sprintf('%.2f s from files, %.2f s in memory: %.2f times', $files, $memory, $files / $memory));
cmp_ok($files, '<=', 1.5 * $memory, 'data twice the limit: at most 1.5 times the time');

unlike(slurp_file($node->logfile), qr/temporary file leak|still referenced|not closed at end-of-transaction/, 'no file was left open');

$node->stop;
done_testing();
