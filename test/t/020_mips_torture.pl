# An index of mips while many sessions insert, update, delete, scan and vacuum:
# each scan answers like the sequential scan of the same snapshot, and in the end
# the index is whole.
use strict;
use warnings;

use IPC::Run ();
use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mips_torture');
my $seconds = $ENV{RECMF_TORTURE_SECONDS} // 20;
my $directory = PostgreSQL::Test::Utils::tempdir();

mips_functions($node);

sub script
{
	my ($name, $text) = @_;

	append_to_file("$directory/$name", $text);
	return "$directory/$name";
}

# Few entries fit a page at the second size, so that folds and merges come often.
for my $dimensions (24, 1500)
{
	my $table = "torture_$dimensions";

	$node->safe_psql(
		'postgres', qq{
SELECT setseed(0.1);
CREATE TABLE $table (id bigserial, factor factor($dimensions), note integer) WITH (autovacuum_enabled = off);
CREATE TABLE pool_$dimensions AS SELECT i AS id, some_factor($dimensions) AS factor FROM generate_series(1, 500) i;
CREATE INDEX ${table}_mips ON $table USING mips (factor);
INSERT INTO $table (factor) SELECT factor FROM pool_$dimensions});

	my %scripts = (
		insert => "\\set n random(1, 40)\n"
			. "INSERT INTO $table (factor) SELECT CASE WHEN id % 20 > 0 THEN factor END FROM pool_$dimensions ORDER BY random() LIMIT :n;\n",
		update => "\\set a random(0, 96)\n"
			. "UPDATE $table t SET factor = p.factor FROM pool_$dimensions p WHERE t.id % 97 = :a AND p.id = 1 + t.id * 7 % 500;\n",
		update_note => "\\set a random(0, 96)\nUPDATE $table SET note = :a WHERE id % 97 = :a;\n",
		remove => "\\set a random(0, 60)\nDELETE FROM $table WHERE id % 61 = :a;\n",
		roll_back => "BEGIN;\nINSERT INTO $table (factor) SELECT factor FROM pool_$dimensions LIMIT 30;\nROLLBACK;\n",
		scan => "\\set q random(1, 500)\n\\set k random(1, 30)\nBEGIN ISOLATION LEVEL REPEATABLE READ;\n"
			. "DO \$\$ BEGIN IF mips_difference('$table', (SELECT factor FROM pool_$dimensions WHERE id = :q), '<#>', :k) IS NOT NULL THEN RAISE 'the index differs'; END IF; END \$\$;\n"
			. "COMMIT;\n",
		scan_all => "\\set q random(1, 500)\nBEGIN ISOLATION LEVEL REPEATABLE READ;\n"
			. "DO \$\$ DECLARE d text := mips_difference('$table', (SELECT factor FROM pool_$dimensions WHERE id = :q), '<->', NULL); BEGIN IF d IS NOT NULL THEN RAISE '%', d; END IF; END \$\$;\n"
			. "COMMIT;\n",
		vacuum => "VACUUM $table;\n",
		check => "DO \$\$ BEGIN PERFORM mips_check('${table}_mips', true); END \$\$;\n");
	my %weights = (insert => 30, update => 10, update_note => 5, remove => 6, roll_back => 4, scan => 25, scan_all => 4, vacuum => 4, check => 2);
	my @files = map { ('-f', script("$_-$dimensions", $scripts{$_}) . '@' . $weights{$_}) } sort keys %weights;
	my $output = '';

	# deadlocks between updates of several rows are no failure of the index
	IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', $seconds, '--max-tries', '20', '-s', '1',
			'--random-seed', '7', @files, $node->connstr('postgres') ], '>&', \$output);
	is($?, 0, "$dimensions dimensions: nothing fails in pgbench") or diag(substr($output, -3000));
	unlike($output, qr/ERROR(?!:\s+(deadlock detected|could not serialize))/, "$dimensions dimensions: no error") or diag(substr($output, 0, 3000));
	measured("$dimensions dimensions: ", join(', ', $output =~ /number of transactions actually processed: (\d+)/), ' transactions');

	is($node->safe_psql('postgres', "SELECT entries + tail_entries + null_entries >= (SELECT count(*) FROM $table) FROM mips_check('${table}_mips', true)"), 't',
		"$dimensions dimensions: the index is whole");
	is($node->safe_psql('postgres', "SELECT mips_differences('$table', $dimensions, 3)"), '', "$dimensions dimensions: it answers like the scan");
	$node->safe_psql('postgres', "VACUUM $table");
	is($node->safe_psql('postgres', "SELECT entries + tail_entries + null_entries - (SELECT count(*) FROM $table), left_over_pages FROM mips_check('${table}_mips', true)"), '0|0',
		"$dimensions dimensions: after a vacuum it has an entry for each row, and no page is left over");
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX002/, 'the server has not crashed');
$node->stop;
done_testing();
