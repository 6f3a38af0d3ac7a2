# pg_dump and restore: a model is data, so it comes along, and serves and
# retrains in the restored database.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dump');
my $file = $PostgreSQL::Test::Utils::tmp_check . '/recmf.dump';

taste_table($node);
$node->safe_psql(
	'postgres', q{
SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8);
SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8);
CREATE SCHEMA "Other Shop";
SET search_path = "Other Shop", public;
SELECT FROM train_model('Stars ''n'' "more"', 'SELECT user_id, item_id, quantity AS rating FROM public.orders',
	feedback => 'explicit', factors => 4)});
my $registry = q{
SELECT model, version, active, feedback, settings, n_users, n_items, items, users, items_view, users_view,
	source, source_table, gram_items
FROM recmf_models ORDER BY model, version};
my $explicit = q{SELECT * FROM recommend('5', 3, 'Stars ''n'' "more"') ORDER BY rank};

for my $format ('custom', 'plain')
{
	my $database = "restored_$format";

	$node->command_ok([ 'pg_dump', "--format=$format", '--file', $file, $node->connstr('postgres') ],
		"$format: pg_dump takes a database with models");
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->command_ok(
		$format eq 'plain'
		? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr($database) ]
		: [ 'pg_restore', '--exit-on-error', '-d', $node->connstr($database), $file ],
		"$format: the dump is restored without an error");
	is($node->safe_psql($database, $registry), $node->safe_psql('postgres', $registry),
		"$format: the registry is the same");
	is(fingerprint($node, 'shop', $database), fingerprint($node, 'shop'),
		"$format: factors and recommendations are the same");
	is($node->safe_psql($database, $explicit), $node->safe_psql('postgres', $explicit),
		"$format: so are those of a model with an odd name in another schema");
	is( $node->safe_psql(
			$database, q{
SELECT version FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8);
SELECT drop_model('Stars ''n'' "more"')}),
		"3\n",
		"$format: the restored model is retrained, and one is dropped");
}

# Backups are often made by a role that owns the database and is no superuser.
$node->safe_psql(
	'postgres', q{
CREATE ROLE shopkeeper LOGIN;
CREATE DATABASE theirs OWNER shopkeeper});
$node->safe_psql('theirs', 'CREATE EXTENSION recmf; GRANT CREATE ON SCHEMA public TO shopkeeper');
taste_table($node, database => 'theirs');
$node->safe_psql(
	'theirs', q{
ALTER TABLE orders OWNER TO shopkeeper;
SET ROLE shopkeeper;
SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)});
$node->command_ok(
	[ 'pg_dump', '--format=custom', '--file', $file, '-U', 'shopkeeper', $node->connstr('theirs') ],
	'the owner of the database, no superuser, takes a dump');
$node->safe_psql('postgres', 'CREATE DATABASE theirs_restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('theirs_restored'), $file ],
	'it is restored without an error');
is(fingerprint($node, 'shop', 'theirs_restored'), fingerprint($node, 'shop', 'theirs'),
	'the model of a role is the same');
is( $node->safe_psql(
		'theirs_restored', q{
SET ROLE shopkeeper;
SELECT version FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)}),
	'2', 'and the role retrains it');

$node->stop;
done_testing();
