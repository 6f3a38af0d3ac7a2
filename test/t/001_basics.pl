# The extension installs, agrees with itself on its version, and describes what
# it has.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = slurp_file('recmf.control') =~ /^default_version\s*=\s*'([^']+)'/m;
ok($version, 'recmf.control has a version');
is_deeply(
	[ slurp_file('META.json') =~ /^\s*"version": "([^"]+)",?$/mg ],
	[ $version, $version, '1.0.0' ],
	'META.json has the version of recmf.control, twice, beside that of its own format');
like(slurp_file('CHANGELOG.md'), qr/^## \[\Q$version\E\]/m, 'CHANGELOG.md has a section for the version');

my $node = PostgreSQL::Test::Cluster->new('basics');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION recmf');
is($node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'recmf'}),
	$version, 'CREATE EXTENSION installs the version of recmf.control');

# Objects of the extension that a user meets: each with a comment.
is( $node->safe_psql(
		'postgres', q{
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'recmf')
	AND d.deptype = 'e'
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	AND d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
	-- the row types and array types that come by themselves
	AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = d.objid AND (t.typrelid <> 0 OR t.typelem <> 0))
	-- functions that serve a type, an operator, an aggregate or an operator class
	AND NOT EXISTS (
		SELECT FROM pg_depend u
		WHERE u.refclassid = 'pg_proc'::regclass AND u.refobjid = d.objid
			AND u.classid IN ('pg_type'::regclass, 'pg_operator'::regclass, 'pg_proc'::regclass,
				'pg_cast'::regclass, 'pg_amproc'::regclass, 'pg_opfamily'::regclass))
ORDER BY 1}),
	'',
	'every function, operator, type and table has a comment');

# A backend must stay a process of one thread, the BLAS included.
my $threads = $node->safe_psql(
	'postgres', q{
LOAD 'recmf';
SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task')});
is($threads, '1', 'the library starts no thread when it is loaded');

# Serving must not pay for a library that it has no use for.
is( $node->safe_psql(
		'postgres', q{
CREATE TABLE orders AS SELECT u AS user_id, i AS item_id FROM generate_series(1, 20) u, generate_series(1, 20) i WHERE (u * i) % 7 < 3;
CREATE INDEX ON orders (user_id);
SET client_min_messages = warning;
SELECT FROM train_model('shop', 'orders', rating_col => NULL, factors => 4);
\c
SELECT count(*) > 0 FROM recommend(1), similar_items(1), target_users(1);
SELECT pg_read_file('/proc/self/maps') LIKE '%openblas%';
SELECT count(*) > 0 FROM recommend_for(ARRAY[1, 2]);
SELECT pg_read_file('/proc/self/maps') LIKE '%openblas%';
SELECT FROM drop_model('shop')}),
	"t\nf\nt\nt",
	'OpenBLAS is loaded when something is to be solved, and not for serving');

$node->safe_psql('postgres', 'DROP EXTENSION recmf');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM pg_proc WHERE probin LIKE '%recmf%'}),
	'0', 'DROP EXTENSION leaves no function');
$node->safe_psql('postgres', 'CREATE SCHEMA elsewhere; CREATE EXTENSION recmf SCHEMA elsewhere');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pg_proc WHERE probin LIKE '%recmf%' AND pronamespace <> 'elsewhere'::regnamespace}),
	'0',
	'CREATE EXTENSION ... SCHEMA puts all in that schema');

$node->stop;
done_testing();
