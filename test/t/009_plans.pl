# Serving plans its statements once in a session, not once a call.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
});
if (!$node->start(fail_ok => 1))
{
	plan skip_all => 'pg_stat_statements is not available to this PostgreSQL';
}

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION recmf;
CREATE TABLE orders AS SELECT u AS user_id, 'p' || i AS item_id, 1 AS rating
FROM generate_series(1, 50) u, generate_series(1, 20) i WHERE (u * 7 + i * 5) % 11 < 5;
CREATE INDEX ON orders (user_id, item_id);
ANALYZE orders;
SELECT FROM train_model('shop', 'orders', factors => 8);
});

# One call after another in one session; each statement that recmf runs inside
# is then known to pg_stat_statements with its plans and calls.
my %calls = (
	recommend => q{recommend(u::text, 5)},
	recommend_for => q{recommend_for(ARRAY['p' || u % 20 + 1, 'p3'], k => 5)},
	similar_items => q{similar_items('p' || u % 20 + 1, 5)},
	predict => q{predict(u::text, 'p3')},
	user_factor => q{user_factor('shop', u::text)});

for my $function (sort keys %calls)
{
	my $result = $node->safe_psql(
		'postgres', qq{
SELECT pg_stat_statements_reset() IS NULL AS reset \\gset
SELECT count(*) FROM generate_series(1, 40) u, LATERAL $calls{$function} r;
SELECT bool_and(plans <= 1), max(calls) >= 40, count(*) > 0 FROM pg_stat_statements WHERE NOT toplevel});
	like($result, qr/\nt\|t\|t$/, "$function: 40 calls, each statement planned at most once");
}

$node->stop;
done_testing();
