# Casts between factor and pgvector's vector, where PostgreSQL has pgvector.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('pgvector');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recmf');

my ($result, $stdout, $stderr);

# Without pgvector the function says what to do, wherever the test runs.
($result, $stdout, $stderr) = $node->psql('postgres', 'SELECT recmf_create_pgvector_casts()');
isnt($result, 0, 'no casts without pgvector');
like($stderr, qr/extension "vector" is not installed.*HINT:.*CREATE EXTENSION vector/s, 'the error tells what to install');

SKIP:
{
	skip 'pgvector is not available to this PostgreSQL (package postgresql-NN-pgvector)', 1
	  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'}) eq '0';

	subtest 'pgvector' => \&with_pgvector;
}

$node->stop;
done_testing();

sub answer
{
	return $node->safe_psql('postgres', $_[0]);
}

sub with_pgvector
{
	# in a schema that is not on the search path: the function finds it
	answer('CREATE SCHEMA vec; CREATE EXTENSION vector SCHEMA vec');
	diag('pgvector ' . answer(q{SELECT extversion FROM pg_extension WHERE extname = 'vector'}));

	# before the casts
	($result, $stdout, $stderr) = $node->psql('postgres', q{SELECT '[1,2]'::factor::vec.vector});
	like($stderr, qr/cannot cast type factor to vec\.vector/, 'no cast before the call');

	# not for everybody: PostgreSQL asks for a superuser
	answer('CREATE ROLE shop; GRANT USAGE ON SCHEMA vec TO shop');
	($result, $stdout, $stderr) =
	  $node->psql('postgres', 'SET ROLE shop; SELECT recmf_create_pgvector_casts()');
	like($stderr, qr/ERROR:.*must be/, 'an ordinary role cannot create the casts');

	is(answer('SELECT recmf_create_pgvector_casts()'), 't', 'the casts are created');
	($result, $stdout, $stderr) = $node->psql('postgres', 'SELECT recmf_create_pgvector_casts()');
	is($stdout, 'f', 'a second call finds them');
	like($stderr, qr/already exists, skipping/, 'and says so');
	is( answer(q{SELECT castmethod::text || castcontext::text FROM pg_cast
			WHERE 'factor'::regtype IN (castsource, casttarget) AND 'vec.vector'::regtype IN (castsource, casttarget)
			ORDER BY castsource <> 'factor'::regtype}),
		"bi\nba", 'binary: implicit to vector, on assignment to factor');

	# there and back, at every kind of storage: short header, plain, out of line
	is( answer(q{
CREATE TABLE both_ways (n integer, f factor, v vec.vector);
INSERT INTO both_ways (n, f)
	SELECT n, array_agg((sin(n * 7 + i) * 1000)::real ORDER BY i)::factor
	FROM unnest(ARRAY[1, 2, 3, 20, 64, 100, 500, 1000, 4000, 16000]) n, generate_series(1, n) i GROUP BY n;
UPDATE both_ways SET v = f;
SELECT count(*), bool_and(v::text = f::text), bool_and(v::factor = f), bool_and(v OPERATOR(vec.=) f),
	bool_and(vec.vector_dims(v) = dimensions(f)), bool_and(v::real[] = f::real[]),
	bool_and(vec.vector_send(v) = factor_send(f)),
	bool_and(v::text::vec.vector::factor::text = f::text)
FROM both_ways}),
		'10|t|t|t|t|t|t|t', 'values go there and back');
	is( answer(q{
CREATE TABLE back (n integer, f factor);
INSERT INTO back SELECT n, v FROM both_ways;
SELECT count(*) FROM back JOIN both_ways USING (n, f)}),
		'10', 'a vector is assigned to a column of factors');

	# the two libraries agree
	is( answer(q{
SELECT count(*) FROM both_ways a JOIN both_ways b USING (n)
WHERE abs((a.f <#> b.f) - (a.v OPERATOR(vec.<#>) b.v)) > 1e-5 * abs(a.f <#> b.f)
	OR abs((a.f <=> b.f) - (a.v OPERATOR(vec.<=>) b.v)) > 1e-5
	OR abs((a.f <-> (b.f + b.f)) - (a.v OPERATOR(vec.<->) (b.f + b.f)::vec.vector)) > 1e-5 * l2_norm(a.f)}),
		'0', 'distances are the same');

	# type modifiers are checked across the casts
	is(answer(q{SELECT '[1,2,3]'::factor::vec.vector(3), '[1,2,3]'::vec.vector::factor(3)}),
		'[1,2,3]|[1,2,3]', 'type modifiers that fit');
	($result, $stdout, $stderr) = $node->psql('postgres', q{SELECT '[1,2,3]'::factor::vec.vector(4)});
	like($stderr, qr/expected 4 dimensions, not 3/, 'a type modifier of vector that does not fit');
	($result, $stdout, $stderr) = $node->psql('postgres', q{SELECT '[1,2,3]'::vec.vector::factor(4)});
	like($stderr, qr/expected 4 dimensions, not 3/, 'a type modifier of factor that does not fit');

	# both on the search path: no operator is ambiguous
	is( answer(q{
SET search_path = public, vec;
SELECT f <#> '[2]', f <#> '[2]'::vector, '[2]'::vector <#> f, f + f = v + v, inner_product(f, v), l2_norm(f) = vector_norm(f),
	f <=> f, f < v
FROM (SELECT '[3]'::factor AS f, '[3]'::vector AS v) s}),
		'-6|-6|-6|t|9|t|0|f', 'mixed expressions are resolved');

	# pgvector's indexes take a column of factors as it is
	my $plan = answer(q{
SET search_path = public, vec;
CREATE TABLE items AS SELECT g AS id, ARRAY[sin(g), cos(g), g / 1000.0]::factor AS f FROM generate_series(1, 1000) g;
ALTER TABLE items ALTER COLUMN f TYPE factor(3);
CREATE INDEX ON items USING hnsw (f vector_ip_ops);
SET enable_seqscan = off;
EXPLAIN SELECT id FROM items ORDER BY f <#> '[1,0,0]'::vector LIMIT 3});
	like($plan, qr/Index Scan using items_f_idx/, 'an index of pgvector on a column of factors serves a query');
	is( answer(q{
SET search_path = public, vec;
SET enable_seqscan = off;
SELECT id FROM items ORDER BY f <#> '[1,0,0]'::vector LIMIT 1}),
		answer(q{SELECT id FROM items ORDER BY f <#> '[1,0,0]' LIMIT 1}), 'and finds what the scan finds');

	# the casts are nobody's property: a dump holds them, and either extension can go
	my ($dump) = run_command([ 'pg_dump', '--schema-only', '-d', $node->connstr('postgres') ]);
	like($dump, qr/CREATE CAST \(public\.factor AS vec\.vector\) WITHOUT FUNCTION AS IMPLICIT/, 'pg_dump dumps the casts');
	answer('SET client_min_messages = warning; DROP EXTENSION vector CASCADE');
	is(answer(q{SELECT count(*), bool_and(dimensions(f) = n) FROM back}), '10|t', 'factors stay when pgvector goes');
	return;
}
