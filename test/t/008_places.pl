# The extension in a schema of another name, off the search path; a source that
# is a foreign table; a database with another encoding.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('places');
$node->init;
$node->start;

my $orders = q{
CREATE TABLE orders (user_id integer, item_id text, rating integer);
INSERT INTO orders SELECT u, 'p' || i, 1 + (u * i) % 3
FROM generate_series(1, 30) u, generate_series(1, 12) i WHERE (u * 7 + i * 5) % 11 < 6;
CREATE INDEX ON orders (user_id, item_id);
};

# Where nothing of the extension is on the search path, and its schema needs quotes.
$node->safe_psql('postgres', 'CREATE SCHEMA "My ""Ext"; CREATE EXTENSION recmf SCHEMA "My ""Ext"');
$node->safe_psql('postgres', $orders);
is( $node->safe_psql(
		'postgres', q{SELECT users, items FROM "My ""Ext".train_model('shop', 'orders', factors => 4)}),
	'30|12', 'a model is trained by a function that is named with its schema');
is( $node->safe_psql(
		'postgres', q{
SELECT (SELECT count(*) FROM "My ""Ext".recommend('7', 4)),
	(SELECT count(*) FROM "My ""Ext".similar_items('p3', 4)),
	(SELECT count(*) FROM "My ""Ext".similar_users('7', 4)),
	(SELECT count(*) FROM "My ""Ext".recommend_for(ARRAY['p1', 'p2'], k => 4)),
	(SELECT count(*) FROM "My ""Ext".popular_items(4)),
	"My ""Ext".predict('7', 'p1') IS NOT NULL,
	"My ""Ext".dimensions("My ""Ext".user_factor('shop', '7'))}),
	'4|4|4|4|4|t|4', 'it serves');
is( $node->safe_psql(
		'postgres', q{
SELECT version FROM "My ""Ext".train_model('shop', 'orders', factors => 4, feedback => 'explicit');
SELECT count(*) FROM "My ""Ext".similar_items('p3', 4);
SELECT count(*) FROM "My ""Ext".recommend((SELECT "My ""Ext".mf_train(user_id, item_id, rating) FROM orders), '7', 4);
SELECT "My ""Ext".drop_model('shop')}),
	"2\n4\n4\n", 'it is trained again, trained as a value, and dropped');

# A foreign table: rows that a program prints.
SKIP:
{
	skip 'file_fdw is not available to this PostgreSQL', 2
	  unless $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'file_fdw'});

	my $file = PostgreSQL::Test::Utils::tempdir() . '/orders.csv';
	$node->safe_psql(
		'postgres', qq{
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
COPY orders TO '$file' (FORMAT csv);
CREATE FOREIGN TABLE foreign_orders (user_id integer, item_id text, rating integer)
	SERVER files OPTIONS (filename '$file', format 'csv');
SET search_path = public, "My ""Ext";
SELECT FROM train_model('from_table', 'orders', factors => 4);
SELECT FROM train_model('from_foreign', 'foreign_orders', factors => 4);
});
	is( $node->safe_psql(
			'postgres', q{
SELECT count(*) FROM from_table_items t FULL JOIN from_foreign_items f USING (item_id, n_ratings)
WHERE t.factor::text IS DISTINCT FROM f.factor::text}),
		'0', 'a foreign table gives the same factors as the table');
	is( $node->safe_psql(
			'postgres', q{
SET search_path = public, "My ""Ext";
SELECT count(*) FROM recommend('7', 12, model => 'from_foreign') r JOIN orders o ON o.user_id = 7 AND o.item_id = r.item_id}),
		'0', 'what a user has is looked up in the foreign table');
}

# Ids and names that are not ASCII, in an encoding of one byte.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
is( $node->safe_psql(
		'latin', q{
SET client_encoding = 'UTF8';
CREATE EXTENSION recmf;
CREATE TABLE orders AS SELECT 'é' || u AS user_id, 'ü' || i AS item_id, 1 AS rating
FROM generate_series(1, 20) u, generate_series(1, 9) i WHERE (u * i) % 5 < 3;
SELECT model FROM train_model('müsli', 'orders', factors => 2);
SELECT count(*), bool_and(item_id LIKE 'ü%') FROM recommend('é7', 3, model => 'müsli');
SELECT count(*) FROM "müsli_items"}),
	"müsli\n3|t\n9", 'a LATIN1 database');

$node->stop;
done_testing();
