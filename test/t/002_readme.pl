# Every SQL block of README.md runs, in order, in one session of a new database.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;

# First the runner itself, on a small README.
my @sample = readme_blocks(<<'EOF');
# Title

<!-- sql
CREATE TABLE hidden AS SELECT 1 AS x;
-->

```sql
SELECT x FROM hidden;
SET application_name = 'kept';
```

```sh
this is not SQL
```

<!-- skip: not here -->
```sql
SELECT no_such_function();
```

<!-- error: 22012 -->
```sql
SELECT 1/0;
```

```sql
SELECT 1 / (current_setting('application_name') = 'kept')::integer;
```

```sql
SELECT * FROM missing;
```

```sql
SELECT 1;
```
EOF
my $failed = run_blocks($node, 'template1', @sample);
is_deeply(
	[ map { "$_->{line} $_->{result}" } @sample ],
	[ '3 ok', '7 ok', '16 skipped', '21 ok', '26 ok', '30 failed', '34 not run' ],
	'the runner tells blocks that work from those that do not');
like($failed, qr/relation "missing" does not exist.*SQLSTATE 42P01/s, 'the runner says why');
@sample = ({ sql => 'SELECT 1;', error => '22012' });
run_blocks($node, 'template1', @sample);
is($sample[0]{result}, 'failed', 'a block that should fail and does not is found');

# Then the README.
$node->safe_psql('postgres', 'CREATE DATABASE readme');
my @blocks = readme_blocks(slurp_file('README.md'));
cmp_ok(scalar @blocks, '>', 0, 'README.md has SQL');
$failed = run_blocks($node, 'readme', @blocks);
diag($failed) if $failed;
for my $block (@blocks)
{
	my ($first) = $block->{sql} =~ /^\s*(.*)$/m;
	my $name = "README.md:$block->{line}: " . substr($first, 0, 60);

  SKIP:
	{
		skip "$name: $block->{skip}", 1 if defined $block->{skip};
		is($block->{result}, 'ok', $name);
	}
}

$node->stop;
done_testing();
