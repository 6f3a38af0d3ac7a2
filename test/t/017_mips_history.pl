# An index of mips answers like the sequential scan after any history of
# inserts, updates, deletes, rollbacks and vacuums, and doesn't grow without end.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mips_history');

mips_functions($node);

# Rows so that a few hundred of them fill the tail until it is folded.
sub history
{
	my ($seed, $dimensions, $steps) = @_;
	my $table = "history_${seed}";
	my $script = "SELECT setseed(0.$seed);\n";
	my $n = 0;

	srand($seed);
	$script .= "CREATE TABLE $table (id bigint, factor factor($dimensions), note text) WITH (fillfactor = 70);\n";
	# half of them are made of an empty table
	my $index = "CREATE INDEX ${table}_mips ON $table USING mips (factor);\n";
	$script .= $index if $seed % 2;
	for my $step (1 .. $steps)
	{
		my $kind = int(rand(11));
		my $some = int(rand(300)) + 1;
		my $from = $n + 1;
		my $part = 'id % 7 = ' . int(rand(7));

		if ($step == 1 || $kind <= 1)
		{
			$n += $some * 3;
			$script .= "INSERT INTO $table SELECT i, some_factor($dimensions) FROM generate_series($from, $n) i;\n";
		}
		elsif ($kind == 2)
		{
			$script .= "BEGIN; INSERT INTO $table SELECT -i, some_factor($dimensions) FROM generate_series(1, $some) i; ROLLBACK;\n";
		}
		elsif ($kind == 3)
		{
			$script .= "UPDATE $table SET factor = some_factor($dimensions) WHERE $part;\n";
		}
		elsif ($kind == 4)
		{
			$script .= "UPDATE $table SET note = 'step $step' WHERE $part;\n";
		}
		elsif ($kind == 5)
		{
			$script .= "DELETE FROM $table WHERE $part AND id % 3 = 1;\n";
		}
		elsif ($kind == 6)
		{
			# those that win
			$script .= "DELETE FROM $table WHERE l2_norm(factor) > (SELECT 0.5 * max(l2_norm(factor)) FROM $table);\n";
		}
		elsif ($kind == 7)
		{
			$script .= "UPDATE $table SET factor = NULL WHERE $part AND id % 5 = 0;\n";
		}
		elsif ($kind == 8)
		{
			$script .= "BEGIN; SAVEPOINT a; UPDATE $table SET factor = some_factor($dimensions) WHERE $part; ROLLBACK TO a; "
				. "DELETE FROM $table WHERE id = (SELECT min(id) FROM $table); COMMIT;\n";
		}
		else
		{
			$script .= "VACUUM $table;\n";
		}
		$script .= $index if $step == 1 && $seed % 2 == 0;
		$script .= "SELECT 'step $step: ' || d FROM mips_differences('$table', $dimensions, 1) d;\n";
		$script .= "DO \$\$ BEGIN PERFORM mips_check('${table}_mips', true); END \$\$;\n" if $step % 5 == 0 || $step == $steps;
	}
	is($node->safe_psql('postgres', $script), '', "history $seed, $dimensions dimensions, $steps steps");
	$node->safe_psql('postgres', "DROP TABLE $table");
	return;
}

history(1, 1, 20);
history(2, 2, 20);
history(3, 7, 30);
history(4, 16, 30);
history(5, 64, 40);
history(6, 64, 40);
history(7, 300, 40);
history(8, 1000, 40);
history(9, 1000, 40);
history(10, 2500, 20);

# A table whose rows all change over and over.
my $dimensions = 64;
my @sizes;

$node->safe_psql('postgres', qq{
CREATE TABLE changing WITH (autovacuum_enabled = off) AS
	SELECT i::bigint AS id, some_factor($dimensions) AS factor FROM generate_series(1, 20000) i;
CREATE INDEX changing_mips ON changing USING mips (factor)});
push @sizes, $node->safe_psql('postgres', q{SELECT pg_relation_size('changing_mips')});
for my $round (1 .. 6)
{
	$node->safe_psql('postgres', "UPDATE changing SET factor = some_factor($dimensions)");
	# other transactions go on meanwhile
	$node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
	$node->safe_psql('postgres', 'VACUUM changing');
	$node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
	push @sizes, $node->safe_psql('postgres', q{SELECT pg_relation_size('changing_mips')});
}
measured('index while all of 20000 rows change, bytes: ', join(' ', @sizes));
cmp_ok($sizes[3], '<=', 5 * $sizes[0], 'three rounds of "update every row, VACUUM": the index stays bounded');
cmp_ok($sizes[6], '<=', 1.05 * $sizes[3], 'three more: it has stopped growing');
is($node->safe_psql('postgres', "SELECT mips_differences('changing', $dimensions, 1)"), '', 'and it answers like the scan');
is( $node->safe_psql('postgres', q{SELECT entries + tail_entries, null_entries, left_over_pages FROM mips_check('changing_mips', true)}),
	'20000|0|0', 'it has one entry for each row');

$node->safe_psql('postgres', 'DELETE FROM changing WHERE id % 10 > 0');
$node->safe_psql('postgres', 'VACUUM changing');
$node->safe_psql('postgres', 'INSERT INTO changing SELECT 100000 + i, some_factor(64) FROM generate_series(1, 16000) i');
$node->safe_psql('postgres', 'VACUUM changing');
cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('changing_mips')}), '<=', $sizes[6],
	'rows that come after others have gone use their pages');
is($node->safe_psql('postgres', "SELECT mips_differences('changing', $dimensions, 1)"), '', 'and are all there');
is($node->safe_psql('postgres', q{SELECT entries + tail_entries FROM mips_check('changing_mips', true)}), '18000', 'in the index');

$node->stop;
done_testing();
