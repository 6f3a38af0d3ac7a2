# An index of mips after crashes: a backend killed in the middle of a build, an
# insert, a fold or a vacuum; the server killed; the disk full.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('mips_crash', extra => ['--data-checksums']);
my $dimensions = 400;

mips_functions($node);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off");
$node->reload;

# Waits out the recovery that follows the death of a backend: until then the
# server takes connections, and breaks them.  The postmaster begins with it as it
# collects the dead process, before it answers anybody else.  One that had ended
# by itself when the signal came may also be told so: there is no recovery then.
sub recovered
{
	my ($pid) = @_;
	my $timed_out = 0;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		if ($pid ne '' && kill(0, $pid))
		{
			sleep(0.1);
			next;
		}
		return if $node->psql('postgres', 'SELECT 1', timeout => 60, timed_out => \$timed_out) == 0;
		sleep(0.1);
	}
	die 'the server did not recover';
}

# What the index may say of itself, and how it answers.
sub sound
{
	my ($name) = @_;

	is($node->safe_psql('postgres', q{SELECT entries + tail_entries >= (SELECT count(factor) FROM items) FROM mips_check('items_mips', true)}),
		't', "$name: the index is whole");
	is($node->safe_psql('postgres', "SELECT mips_differences('items', $dimensions, 1)"), '', "$name: it answers like the scan");
	return;
}

# Kills the backend of a session "delay" seconds after its statement began.
sub kill_while
{
	my ($name, $sql, $delay) = @_;
	my $session = start_sql($node, $name, $sql);
	my $pid;

	# it may be done before it is noticed
	eval { wait_until_active($node, $session); };
	$pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE application_name = '$name' AND backend_type = 'client backend'");
	if ($pid ne '')
	{
		sleep($delay);
		$pid = '' unless kill('KILL', $pid);
	}
	$session->{run}->finish;
	recovered($pid);
	return $session->{output};
}

$node->safe_psql(
	'postgres', qq{
SELECT setseed(0.5);
CREATE TABLE items (id bigint, factor factor($dimensions));
CREATE TABLE more AS SELECT i::bigint AS id, some_factor($dimensions) AS factor FROM generate_series(1, 3000) i;
CREATE INDEX items_mips ON items USING mips (factor);
INSERT INTO items SELECT * FROM more;
CHECKPOINT});
sound('before');

# The server loses power after the commit: all comes from the WAL.
$node->safe_psql('postgres', q{INSERT INTO items SELECT id + 10000, factor FROM more; DELETE FROM items WHERE id % 5 = 0; VACUUM items});
$node->stop('immediate');
$node->start;
sound('immediate stop after insert, delete and vacuum');

# Each of these takes a second or so: at several points of time within.
my $killed = 0;

for my $delay (0, 0.05, 0.2, 0.5)
{
	my $output = kill_while('building', 'CREATE INDEX items_other ON items USING mips (factor)', $delay);
	$killed += $output =~ /server closed the connection/;
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'items_other'}) <= 1, 1, 'kill -9 while building');
$node->safe_psql('postgres', 'DROP INDEX IF EXISTS items_other');
sound('kill -9 while building');

for my $delay (0, 0.1, 0.3, 0.8)
{
	my $output = kill_while('inserting', 'INSERT INTO items SELECT id + 20000, factor FROM more, generate_series(1, 20)', $delay);
	$killed += $output =~ /server closed the connection/;
	sound("kill -9 while inserting and folding, after $delay s");
}

for my $delay (0, 0.05, 0.15, 0.3, 0.6)
{
	$node->safe_psql('postgres', 'UPDATE items SET factor = some_factor(400) WHERE id % 3 = 0');
	my $output = kill_while('vacuuming', 'VACUUM items', $delay);
	$killed += $output =~ /server closed the connection/;
	sound("kill -9 while vacuuming, after $delay s");
}
cmp_ok($killed, '>=', 4, 'enough of them were in the middle of it');
measured("$killed of 13 statements were killed in the middle");

# What crashes have left over is free again after a vacuum.
$node->safe_psql('postgres', 'VACUUM items');
is($node->safe_psql('postgres', q{SELECT left_over_pages FROM mips_check('items_mips')}), '0', 'VACUUM takes what crashes left over');
sound('after that vacuum');

# An error in the middle of a fold or merge leaves pages for the next vacuum, too.
my $before = $node->safe_psql('postgres', q{SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM items});
my $errors = 0;

for my $time (2, 5, 10, 20, 40, 80, 160)
{
	$errors += $node->psql('postgres', "SET statement_timeout = $time; INSERT INTO items SELECT id + 20000, factor FROM more, generate_series(1, 3)") != 0;
	$errors += $node->psql('postgres', "SET statement_timeout = $time; VACUUM items") != 0;
}
cmp_ok($errors, '>=', 2, 'statements are cancelled in the middle');
sound('cancelled inserts and vacuums');
is($node->safe_psql('postgres', q{SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM items}) eq $before || $errors < 14, 1,
	'and what was cancelled is not there');

# An unlogged index is empty after a crash, as its table is, and works.
$node->safe_psql('postgres', qq{
CREATE UNLOGGED TABLE fleeting (id bigint, factor factor($dimensions));
CREATE INDEX fleeting_mips ON fleeting USING mips (factor);
INSERT INTO fleeting SELECT * FROM more});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SELECT count(*) FROM fleeting}), '0', 'an unlogged table is empty after a crash');
is($node->safe_psql('postgres', q{SELECT entries + tail_entries FROM mips_check('fleeting_mips', true)}), '0', 'and so is its index');
$node->safe_psql('postgres', q{INSERT INTO fleeting SELECT * FROM more});
is($node->safe_psql('postgres', "SELECT mips_differences('fleeting', $dimensions, 1)"), '', 'and it can be filled again');

# The disk full: no file of the server may grow past this size, which is no
# multiple of a page.  The index is larger than its table, whose vectors are computed.
my $limit = 40 * 1024 + 4;
my $vector = '(array_fill((id % 100)::real, ARRAY[7000])::factor)';
my ($state, $message);

$node->stop;
system('bash', '-c', "ulimit -f $limit; exec pg_ctl -w -D '" . $node->data_dir . "' -l '" . $node->logfile . "' start >/dev/null") == 0
	or die 'the server did not start with a limit';
$node->_update_pid(1);
$node->safe_psql('postgres', 'CREATE TABLE wide AS SELECT i::bigint AS id FROM generate_series(1, 6000) i');
($state, $message) = sqlstate_of($node, "SET maintenance_work_mem = '200MB'; CREATE INDEX wide_mips ON wide USING mips ($vector)");
like("$state $message", qr/^53100 could not extend file/, "a full disk while a build writes pages: $message");
($state, $message) = sqlstate_of($node, "SET maintenance_work_mem = '1MB'; CREATE INDEX wide_mips ON wide USING mips ($vector)");
like($message, qr/could not write/, "a full disk while a build sorts: $message");
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'wide_mips'}), '0', 'no index is left of them');
sound('a full disk while another index is built');

$node->safe_psql('postgres', "DELETE FROM wide WHERE id > 2000; CREATE INDEX wide_mips ON wide USING mips ($vector)");
($state, $message) = sqlstate_of($node, 'INSERT INTO wide SELECT * FROM generate_series(2001, 6000)');
like("$state $message", qr/^53100 could not extend file/, "a full disk while inserting or folding: $message");
is($node->safe_psql('postgres', q{SELECT entries + tail_entries >= 2000 FROM mips_check('wide_mips', true)}), 't', 'leaves the index whole');
$node->stop;
$node->start;
is($node->safe_psql('postgres', q{VACUUM wide}), '', 'with room again, vacuum cleans up');
is($node->safe_psql('postgres', q{SELECT entries + tail_entries, left_over_pages FROM mips_check('wide_mips', true)}), '2000|0',
	'and the index has the rows that are there');

$node->stop;
done_testing();
