# Models as values: through binary COPY and pg_dump they stay the same bytes,
# and damaged bytes are refused on every way in.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mf_model');
my $file = $PostgreSQL::Test::Utils::tmp_check . '/models.copy';
my $dump = $PostgreSQL::Test::Utils::tmp_check . '/models.dump';
my $models = q{SELECT name, md5(model::text) FROM models ORDER BY name};
my $served = q{SELECT name, u, r.* FROM models, generate_series(1, 20) u, recommend(model, u::text, 5) r ORDER BY name, u, rank};

taste_table($node);
$node->safe_psql(
	'postgres', q{
CREATE TABLE models (name text PRIMARY KEY, model mf_model);
INSERT INTO models
	SELECT f, mf_train(user_id, item_id, quantity, jsonb_build_object('feedback', f))
	FROM orders, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY f;
INSERT INTO models SELECT 'uuid', mf_train(user_id::text, md5(item_id)::uuid, quantity) FROM orders;
INSERT INTO models VALUES ('nothing', NULL);
CREATE MATERIALIZED VIEW nightly AS
	SELECT r.* FROM (SELECT mf_train(user_id, item_id, quantity) AS model FROM orders) m, recommend(model, '1', 5) r});
is($node->safe_psql('postgres', 'SELECT count(*) FROM nightly'), '5', 'a materialized view trains and recommends');

# binary COPY
$node->safe_psql(
	'postgres', qq{
COPY models TO '$file' (FORMAT binary);
CREATE TABLE copied (LIKE models);
COPY copied FROM '$file' (FORMAT binary)});
is($node->safe_psql('postgres', $models =~ s/models/copied/r), $node->safe_psql('postgres', $models),
	'binary COPY gives the same bytes');

# ... with a bit changed here and there: refused or served, and no crash
my $bytes = slurp_file($file);
my ($refused, $taken, $other) = (0, 0, 0);
for (my $at = 40; $at < length($bytes) - 40; $at += 6 + int(length($bytes) / 40))
{
	my $damaged = $bytes;

	substr($damaged, $at, 1) = chr(ord(substr($damaged, $at, 1)) ^ (1 << $at % 8));
	open my $out, '>:raw', $file or die "$file: $!";
	print $out $damaged;
	close $out;
	my ($status, $output, $errors) = $node->psql('postgres',
		"BEGIN; TRUNCATE copied; COPY copied FROM '$file' (FORMAT binary);"
			. ' SELECT count(*) FROM copied, user_factors(model) f, recommend(model, f.user_id, 3); ROLLBACK');
	if ($status == 0) { $taken++; }
	elsif ($errors =~ /invalid value for type mf_model|COPY|out of range|range of single precision/) { $refused++; }
	else { $other++; diag("byte $at: $errors"); }
}
is($other, 0, "damaged bytes are refused ($refused) or give a model that can be served from ($taken)");
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'and the server is still there');

# dump and restore
my $before = $node->safe_psql('postgres', $served);
$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, $node->connstr('postgres') ],
	'pg_dump takes models');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ],
	'pg_restore restores them and refreshes what is made of them');
is($node->safe_psql('restored', $models), $node->safe_psql('postgres', $models), 'the same bytes');
is($node->safe_psql('restored', $served), $before, 'the same recommendations');
is($node->safe_psql('restored', 'SELECT count(*) FROM nightly'), '5', 'the materialized view is filled');

# A database of another encoding cannot read text ids; models without are welcome.
my ($text, $integers) = split /\n/, $node->safe_psql(
	'postgres', q{
SELECT mf_train(user_id, 'Größe ' || item_id, quantity, '{"factors": 2}') FROM orders WHERE user_id < 9;
SELECT mf_train(user_id, user_id % 5, quantity, '{"factors": 2}') FROM orders WHERE user_id < 9});
$node->safe_psql('postgres',
	q{CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
$node->safe_psql('latin1', 'CREATE EXTENSION recmf');
my (undef, undef, $errors) = $node->psql('latin1', "SELECT '$text'::mf_model");
like($errors, qr/Its text ids are in another encoding than this database/, 'text ids of another encoding are refused');
is($node->safe_psql('latin1', "SELECT count(*) FROM recommend('$integers'::mf_model, 1, 3, false)"),
	'3', 'integer ids are the same in every encoding');

$node->stop;
done_testing();
