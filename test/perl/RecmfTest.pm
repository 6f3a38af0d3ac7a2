# RecmfTest.pm: what the TAP tests of recmf share.
package RecmfTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(new_node data_file load_xz load_orders split_orders load_ncf measured sqlstate_of
	taste_table fingerprint relations_of mips_functions leftovers leftovers_are start_sql
	wait_until_active cancel_and_wait check_cancel signal_when open_session ask close_session readme_blocks run_blocks);

# A running server with the extension in database postgres.
sub new_node
{
	my ($name, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%init);
	$node->append_conf('postgresql.conf', "max_wal_size = 4GB\nclient_min_messages = error");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION recmf');
	return $node;
}

# The path of a data set that the project may not contain, or undef.
sub data_file
{
	my ($name) = @_;
	my $path = ($ENV{RECMF_DATA} // '../shared/data') . "/$name";

	return -r $path ? $path : undef;
}

# COPY from a packed file, or from one member of a packed tar file.
sub load_xz
{
	my ($node, $file, $table, $options, $member) = @_;
	my $errors = '';
	my @unpack = defined $member ? ('tar', '-xJOf', $file, $member) : ('xz', '-dc', $file);

	IPC::Run::run(\@unpack, '|',
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
			'-c', "COPY $table FROM STDIN ($options)" ],
		'2>', \$errors)
		or die "$file into $table: $errors";
	return;
}

# The shop's orders that come with the project.
sub load_orders
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q{
CREATE TABLE orders (invoice_no text, item_id text, quantity integer, invoice_date timestamp,
	unit_price numeric, user_id integer, country text)});
	load_xz($node, 'test/data/orders.csv.xz', 'orders', 'FORMAT csv, HEADER');
	return;
}

# The same as "pairs" of customer and item, rated by the number of orders; a fifth
# of them, chosen by hash, are in "shop_test" and the others in "shop_train".
sub split_orders
{
	my ($node) = @_;

	load_orders($node);
	$node->safe_psql(
		'postgres', q{
CREATE TABLE pairs AS
SELECT user_id, item_id, count(DISTINCT invoice_no)::integer AS rating,
	('x' || left(md5(user_id || ':' || item_id), 8))::bit(32)::bigint % 5 = 0 AS held_out
FROM orders WHERE quantity > 0 AND user_id IS NOT NULL
GROUP BY 1, 2;
CREATE TABLE shop_train AS SELECT user_id, item_id, rating FROM pairs WHERE NOT held_out;
CREATE TABLE shop_test AS SELECT user_id, item_id FROM pairs WHERE held_out;
CREATE INDEX ON shop_train (user_id, item_id);
ANALYZE});
	return;
}

# MovieLens 1M: all ratings as "ml1m"; in the leave-one-out protocol of the NCF
# papers the item that each user rated last as "ncf_test", the others as "ncf_train",
# and 99 items that the user never rated as "ncf_candidates".  False: it is not there.
sub load_ncf
{
	my ($node) = @_;
	my $ratings = data_file('ml-1m/ratings.csv.xz');

	return 0 unless $ratings;
	$node->safe_psql(
		'postgres', q{
CREATE TABLE ml1m (user_id integer, item_id integer, rating integer, at bigint);
CREATE TABLE ncf_test (LIKE ml1m);
CREATE TABLE ncf_negatives (user_id integer, test_item_id integer, item_ids text)});
	load_xz($node, $ratings, 'ml1m', 'FORMAT csv, HEADER');
	load_xz($node, data_file('ml-1m/ncf_test.csv.xz'), 'ncf_test', 'FORMAT csv, HEADER');
	load_xz($node, data_file('ml-1m/ncf_test_negatives.csv.xz'), 'ncf_negatives', 'FORMAT csv, HEADER');
	$node->safe_psql(
		'postgres', q{
CREATE TABLE ncf_train AS
SELECT * FROM ml1m WHERE (user_id, item_id) NOT IN (SELECT user_id, item_id FROM ncf_test);
CREATE TABLE ncf_candidates AS
SELECT user_id, unnest(string_to_array(item_ids, ' '))::integer AS item_id FROM ncf_negatives;
DROP TABLE ncf_negatives;
ANALYZE});
	return 1;
}

# A table "orders" (user_id, item_id, quantity) with a taste in it: users like
# items of their own kind, of which there are three.
sub taste_table
{
	my ($node, %size) = @_;
	my $users = $size{users} // 300;
	my $items = $size{items} // 60;

	$node->safe_psql(
		$size{database} // 'postgres', qq{
CREATE TABLE orders AS
SELECT u AS user_id, 'P' || i AS item_id, 1 + (u + i) % 3 AS quantity
FROM generate_series(1, $users) u, generate_series(1, $items) i
WHERE (u::bigint * 7919 + i * 104729) % 100 < CASE WHEN u % 3 = i % 3 THEN 45 ELSE 3 END;
CREATE INDEX ON orders (user_id, item_id);
ANALYZE orders});
	return;
}

# Of all factors of a model, to the last bit, and of what it recommends to one user.
sub fingerprint
{
	my ($node, $model, $database) = @_;

	return $node->safe_psql(
		$database // 'postgres', qq{
SELECT md5(string_agg(i::text, ',' ORDER BY item_id::text COLLATE "C")) FROM ${model}_items i
UNION ALL
SELECT md5(string_agg(u::text, ',' ORDER BY user_id)) FROM ${model}_users u
UNION ALL
SELECT md5(string_agg(r::text, ',' ORDER BY rank)) FROM recommend('1', 10, '$model') r});
}

# The relations whose names start with that of a model, and its rows of the registry.
sub relations_of
{
	my ($node, $model) = @_;

	return $node->safe_psql(
		'postgres', qq{
SELECT relname FROM pg_class WHERE starts_with(relname, '${model}_') AND relkind <> 'i'
UNION ALL
SELECT version || CASE WHEN active THEN ' active' ELSE '' END FROM recmf_models WHERE model = '$model'
ORDER BY 1});
}

# Functions with which an index of mips is held against the sequential scan, for
# tables (id bigint, factor factor):
#	in_order(table, query, operator, k, indexed)	ids and distances as the index, or the
#		sequential scan, returns them; an error if the plan is another one
#	mips_difference(table, query, operator, k)	what differs between the two, or NULL
#	mips_differences(table, dimensions, n)	of n random queries, each with every operator
#	some_factor(dimensions)	random, of a norm that is spread widely; sometimes of an
#		extreme kind; repeatable by setseed()
sub mips_functions
{
	my ($node, $database) = @_;

	$node->safe_psql(
		$database // 'postgres', q{
CREATE FUNCTION some_factor(dimensions integer) RETURNS factor LANGUAGE plpgsql AS $$
DECLARE
	kind float8 := random();
	length float8 := exp(3 * random() - 2);
BEGIN
	RETURN CASE
		WHEN kind < 0.01 THEN (SELECT array_agg(0::real) FROM generate_series(1, dimensions))
		WHEN kind < 0.02 THEN (SELECT array_agg(CASE i WHEN 1 THEN 1e19 ELSE -1e-3 END::real)
			FROM generate_series(1, dimensions) i)
		WHEN kind < 0.03 THEN (SELECT array_agg((1e-40 * (i % 5 - 2))::real)
			FROM generate_series(1, dimensions) i)
		WHEN kind < 0.06 THEN (SELECT array_agg((i % 3)::real) FROM generate_series(1, dimensions) i)
		ELSE (SELECT array_agg((length * (random() - CASE i % 4 WHEN 0 THEN 0 ELSE 0.5 END))::real)
			FROM generate_series(1, dimensions) i)
	END;
END $$;

CREATE FUNCTION in_order(relation regclass, query factor, operator text, k bigint, indexed boolean,
	OUT ids bigint[], OUT distances float8[]) LANGUAGE plpgsql AS $$
DECLARE
	statement text := format('SELECT id, factor %s %L::factor AS distance FROM %s ORDER BY distance LIMIT %s',
		operator, query, relation, coalesce(k::text, 'ALL'));
	plan text;
BEGIN
	PERFORM set_config('enable_seqscan', (NOT indexed)::text, true);
	PERFORM set_config('enable_sort', (NOT indexed)::text, true);
	PERFORM set_config('enable_indexscan', indexed::text, true);
	EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
	IF (plan LIKE '%"Index Scan"%') <> indexed THEN
		RAISE EXCEPTION 'the plan of "%" is another one: %', left(statement, 200), plan;
	END IF;
	EXECUTE format('SELECT array_agg(id), array_agg(distance) FROM (%s) s', statement) INTO ids, distances;
END $$;

CREATE FUNCTION mips_difference(relation regclass, query factor, operator text, k bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	by_index record;
	by_scan record;
BEGIN
	by_index := in_order(relation, query, operator, k, true);
	by_scan := in_order(relation, query, operator, k, false);
	IF by_index.distances IS DISTINCT FROM by_scan.distances THEN
		RETURN format('%s, %s, k %s: %s rows by the index and %s by the scan, the first difference at %s', relation, operator,
			k, cardinality(by_index.distances), cardinality(by_scan.distances),
			(SELECT min(i) FROM generate_subscripts(by_scan.distances, 1) i
			 WHERE by_index.distances[i] IS DISTINCT FROM by_scan.distances[i]));
	END IF;
	IF (SELECT count(DISTINCT id) FROM unnest(by_index.ids) id) < cardinality(by_index.ids) THEN
		RETURN format('%s, %s, k %s: the index returns a row twice', relation, operator, k);
	END IF;
	RETURN NULL;
END $$;

CREATE FUNCTION mips_differences(relation regclass, dimensions integer, n integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY
	WITH query AS MATERIALIZED (SELECT i, some_factor(dimensions) AS vector FROM generate_series(1, n) i)
	SELECT difference
	FROM query, unnest(ARRAY['<#>', '<=>', '<->']) operator, unnest(ARRAY[1, 10, NULL]) k,
		mips_difference(relation, vector, operator, k) difference
	WHERE difference IS NOT NULL;
END $$});
	return;
}

# Starts a statement in a session of its own; a hash with its process and output.
sub start_sql
{
	my ($node, $name, $sql) = @_;
	my %session = (name => $name, output => '');

	$session{run} = IPC::Run::start(
		[ 'psql', '-XAt', '-d', $node->connstr('postgres') . " application_name=$name",
			'-c', '\\set VERBOSITY verbose', '-c', 'SET client_min_messages = info', '-c', $sql ],
		'<', \'', '>&', \$session{output});
	return \%session;
}

# Until the session's last statement runs, and its output matches the pattern if one is given.
sub wait_until_active
{
	my ($node, $session, $pattern) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last unless $session->{run}->pumpable;
		$session->{run}->pump_nb;
		return if defined $pattern
			? $session->{output} =~ $pattern
			: $node->safe_psql('postgres',
				"SELECT count(*) FROM pg_stat_activity WHERE application_name = '$session->{name}'
				 AND state = 'active' AND query NOT LIKE 'SET%'");
		Time::HiRes::sleep(0.1);
	}
	die "$session->{name} ended or hangs: $session->{output}";
}

# Cancels what the session runs, as pg_cancel_backend() does but without the time
# that another session takes to start; the seconds until it has ended.
sub cancel_and_wait
{
	my ($node, $session) = @_;
	my $pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE application_name = '$session->{name}' AND backend_type = 'client backend'");
	my $started = Time::HiRes::time();

	kill('INT', $pid) or die "$session->{name} has ended: $session->{output}";
	$session->{run}->finish;
	return Time::HiRes::time() - $started;
}

# Tests: a statement that is cancelled some time after it has begun ends within a
# second and leaves nothing but what leftovers() has counted before.
sub check_cancel
{
	my ($node, $nothing, $name, $sql, $delay) = @_;
	my $session = start_sql($node, 'cancelled', $sql);

	wait_until_active($node, $session, undef);
	Time::HiRes::sleep($delay);
	my $seconds = cancel_and_wait($node, $session);
	cmp_ok($seconds, '<', 1, sprintf('%s: cancelled in time (%.2f s)', $name, $seconds));
	like($session->{output}, qr/ERROR:\s+57014: /, "$name: the error is query_canceled");
	leftovers_are($node, $nothing, "$name: nothing is left of it");
	return;
}

# A session that stays: open_session(), then ask() each statement, which returns
# what psql prints, errors with their SQLSTATE among it.
sub open_session
{
	my ($node) = @_;
	my %session = (in => '', out => '', n => 0);

	$session{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>&', \$session{out}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub ask
{
	my ($session, $sql) = @_;
	my $end = 'answer ' . ++$session->{n} . ' ends';

	$session->{out} = '';
	$session->{in} .= "$sql\n;\\echo $end\n";
	$session->{run}->pump until $session->{out} =~ s/^\Q$end\E\n//m || !$session->{run}->pumpable;
	chomp $session->{out};
	return $session->{out};
}

sub close_session
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

# Calls a function with the pid of one of the rows, some time after there are any.
# What is waited for may be over before another session has started, so the
# waiting is done in one.  The time when the function was called.
sub signal_when
{
	my ($node, $function, $rows, $delay) = @_;

	return $node->safe_psql(
		'postgres', qq{
SET client_min_messages = warning;
DO \$\$
DECLARE
	found integer;
BEGIN
	FOR i IN 1 .. 20000 LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT min(pid) INTO found FROM $rows;
		IF found IS NOT NULL THEN
			PERFORM pg_sleep($delay);
			PERFORM set_config('recmf_test.called', extract(epoch FROM clock_timestamp())::text, false);
			PERFORM $function(found);
			RETURN;
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
	RAISE EXCEPTION 'nobody to call $function for' USING ERRCODE = 'no_data_found';
END
\$\$;
SELECT current_setting('recmf_test.called')});
}

# A figure for whoever reads the log; test/check.sh shows it.
sub measured
{
	note('measured: ', @_);
	return;
}

# Runs a statement that should fail; returns its SQLSTATE and its message.
sub sqlstate_of
{
	my ($node, $sql, %options) = @_;
	my ($status, $out, $err) =
		$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 1, %options);

	return ('00000', '') if $status == 0;
	return $err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}): (.*)/ ? ($1, $2) : ('?????', $err);
}

# The SQL of a README: each block fenced with ```sql, in order, as a hash of
# line, sql, and what a comment on the line above says: error (the SQLSTATE that
# the last statement must fail with) or skip (why it is not run).
#	<!-- error: 22023 -->
#	<!-- skip: needs pgvector -->
# A comment that starts with "<!-- sql" and a line end is a block that readers don't see.
sub readme_blocks
{
	my ($text) = @_;
	my @blocks;

	while ($text =~ /^(?:<!--[ ]*(error|skip):[ ]*(.*?)[ ]*-->\n+)?(?:```sql\n(.*?)^```|<!--[ ]*sql\n(.*?)^-->)[ ]*$/msg)
	{
		my %block = (sql => $3 // $4, line => 1 + (substr($text, 0, $-[0]) =~ tr/\n//));

		$block{$1} = $2 if defined $1;
		push @blocks, \%block;
	}
	return @blocks;
}

# Runs blocks in one session, each after the other; the first that does not do
# what it should ends it.  Sets in each block "result": ok, skipped, failed or
# "not run"; returns what psql printed of the failed one.
sub run_blocks
{
	my ($node, $database, @blocks) = @_;
	my ($script, $output, $failed) = ('', '', '');

	for my $i (0 .. $#blocks)
	{
		my $block = $blocks[$i];

		$block->{result} = 'not run';
		next if defined $block->{skip};
		$script .= sprintf("\\set ON_ERROR_STOP %s\n\\echo @@ %d begins\n%s\n\\echo @@ %d ends with :SQLSTATE\n",
			defined $block->{error} ? 'off' : 'on', $i, $block->{sql}, $i);
	}
	IPC::Run::run([ 'psql', '-X', '-d', $node->connstr($database) ], '<', \$script, '>&', \$output);
	for my $i (0 .. $#blocks)
	{
		my $block = $blocks[$i];
		my $expected = $block->{error} // '00000';

		if (defined $block->{skip})
		{
			$block->{result} = 'skipped';
		}
		elsif ($output =~ /^@@ $i begins\n(.*?)(?:^@@ $i ends with (\w+)$|\z)/ms)
		{
			if (defined $2 && $2 eq $expected)
			{
				$block->{result} = 'ok';
			}
			else
			{
				$block->{result} = 'failed';
				$failed = $1 . (defined $2 ? "SQLSTATE $2 where $expected was expected\n" : '');
				last;
			}
		}
	}
	return $failed;
}

sub files_in
{
	my ($directory) = @_;

	return 0 unless -d $directory;
	return scalar(grep { !/^\.\.?$/ } slurp_dir($directory));
}

# Parallel workers, segments (where dynamic shared memory is of kind mmap) and
# temporary files that are there now.
sub leftovers
{
	my ($node) = @_;
	my $workers = $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'});

	return sprintf('%d workers, %d segments, %d temporary files',
		$workers, files_in($node->data_dir . '/pg_dynshmem'), files_in($node->data_dir . '/base/pgsql_tmp'));
}

# The same, once a backend that has been told to end has done so.
sub leftovers_are
{
	my ($node, $expected, $name) = @_;
	my $found;

	for (1 .. 50)
	{
		$found = leftovers($node);
		last if $found eq $expected;
		Time::HiRes::sleep(0.1);
	}
	is($found, $expected, $name);
	return;
}

1;
