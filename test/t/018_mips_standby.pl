# An index of mips on a standby: the same answers, cursors over pages that the
# primary takes out of use and uses anew, promotion in the middle of a scan.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dimensions = 100;
my $primary = new_node('mips_primary', allows_streaming => 1);

mips_functions($primary);
$primary->append_conf('postgresql.conf', 'autovacuum = off');
$primary->reload;
$primary->backup('copy');

my $standby = PostgreSQL::Test::Cluster->new('mips_standby');

$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = off\nmax_standby_streaming_delay = -1\ndeadlock_timeout = 100ms");
$standby->start;

my $query = '[' . join(',', map { sprintf('%.3f', sin($_)) } 1 .. $dimensions) . ']';
my $distances = join(', ', map { "md5((in_order('items', '$query', '$_', NULL, true)).distances::text)" } '<#>', '<=>', '<->');

sub same
{
	my ($name) = @_;

	$primary->wait_for_catchup($standby);
	is($standby->safe_psql('postgres', "SELECT $distances"), $primary->safe_psql('postgres', "SELECT $distances"), "$name: the answers of the primary");
	is($standby->safe_psql('postgres', "SELECT mips_differences('items', $dimensions, 1)"), '', "$name: and of its own scan");
	is( $standby->safe_psql('postgres', q{SELECT runs, entries, tail_entries, null_entries FROM mips_check('items_mips')}),
		$primary->safe_psql('postgres', q{SELECT runs, entries, tail_entries, null_entries FROM mips_check('items_mips', true)}),
		"$name: the index is whole on both");
	return;
}

$primary->safe_psql(
	'postgres', qq{
SELECT setseed(0.25);
CREATE TABLE items (id bigint, factor factor($dimensions));
INSERT INTO items SELECT i, some_factor($dimensions) FROM generate_series(1, 4000) i;
CREATE INDEX items_mips ON items USING mips (factor)});
same('built');
$primary->safe_psql('postgres', qq{INSERT INTO items SELECT i, some_factor($dimensions) FROM generate_series(4001, 12000) i;
INSERT INTO items SELECT -i, NULL FROM generate_series(1, 3000) i});
same('inserted and folded');
$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 3 = 0; VACUUM items");
same('vacuumed and merged');
is((sqlstate_of($standby, q{SELECT mips_check('items_mips', true)}))[0], '55000', 'the table cannot be checked on a standby');

# Each round retires all pages of the index, and uses those of the round before.
sub change_all
{
	my ($rounds) = @_;

	for (1 .. $rounds)
	{
		$primary->safe_psql('postgres', "UPDATE items SET factor = some_factor($dimensions)");
		$primary->safe_psql('postgres', 'VACUUM items');
	}
	return;
}

my $all = qq{SELECT md5((in_order('items', '$query', '<#>', NULL, true)).distances::text)};
my $cursor = qq{
SET enable_seqscan = off; SET enable_sort = off;
BEGIN;
DECLARE c CURSOR FOR SELECT id, factor <#> '$query' AS distance FROM items ORDER BY factor <#> '$query';
FETCH 3 FROM c};

# Replay waits for the scan: it reads all that its snapshot sees.
my $in_order = $standby->safe_psql('postgres', qq{SET enable_seqscan = off; SET enable_sort = off;
SELECT id, factor <#> '$query' FROM items ORDER BY factor <#> '$query'});
my $session = open_session($standby);
my $first = ask($session, $cursor);

change_all(3);
is($first . "\n" . ask($session, 'FETCH ALL FROM c'), $in_order, 'a cursor on the standby reads what was there when it began, while replay waits');
ask($session, 'COMMIT');
close_session($session);
same('all changed, three times');

# Replay does not wait: the scan is cancelled before it could read a page of another life.
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = 0');
$standby->reload;
$session = open_session($standby);
ask($session, $cursor);
change_all(3);
$primary->wait_for_catchup($standby);
like(ask($session, 'FETCH ALL FROM c'), qr/40001|57P01|terminating connection due to conflict/, 'where replay does not wait the cursor is cancelled');
close_session($session);
same('after the conflict');

# With a horizon that the table's own pruning does not touch, the reuse of the
# index's pages alone is what conflicts: the rows are another table's.
$primary->safe_psql('postgres', 'CREATE TABLE kept AS SELECT * FROM items; CREATE INDEX kept_mips ON kept USING mips (factor)');
$primary->wait_for_catchup($standby);
$session = open_session($standby);
(my $on_kept = $cursor) =~ s/FROM items/FROM kept/;
ask($session, $on_kept);
$primary->safe_psql('postgres', "INSERT INTO kept SELECT 100000 + i, some_factor($dimensions) FROM generate_series(1, 9000) i; VACUUM kept");
$primary->safe_psql('postgres', 'SELECT pg_current_xact_id()');
$primary->safe_psql('postgres', "VACUUM kept; INSERT INTO kept SELECT 100000 + i, some_factor($dimensions) FROM generate_series(1, 9000) i");
$primary->wait_for_catchup($standby);
like(ask($session, 'FETCH ALL FROM c'), qr/40001/, 'reuse of pages of the index is a conflict of its own');
close_session($session);

# Promotion in the middle of a scan.
$primary->wait_for_catchup($standby);
$in_order = $standby->safe_psql('postgres', qq{SET enable_seqscan = off; SET enable_sort = off;
SELECT id, factor <#> '$query' FROM items ORDER BY factor <#> '$query'});
$session = open_session($standby);
$first = ask($session, $cursor);
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', "UPDATE items SET factor = some_factor($dimensions); VACUUM items");
is($first . "\n" . ask($session, 'FETCH ALL FROM c'), $in_order, 'a scan goes on over the promotion of its standby, and what is vacuumed then');
ask($session, 'COMMIT');
close_session($session);
is($standby->safe_psql('postgres', "SELECT mips_differences('items', $dimensions, 2)"), '', 'the promoted server answers like its scan');
$standby->safe_psql('postgres', 'VACUUM items');
is($standby->safe_psql('postgres', q{SELECT entries + tail_entries + null_entries = (SELECT count(*) FROM items) FROM mips_check('items_mips', true)}), 't',
	'and its index is whole');

$standby->stop;
done_testing();
