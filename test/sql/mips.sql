--
-- mips.sql
--	  Exact top-k by index: the order of the sequential scan, whatever the data,
--	  the operator and the plan around it.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_mips;
SET search_path = test_mips, public;
-- plans forced by settings look expensive enough to compile
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SELECT setseed(0.5);

CREATE FUNCTION some_factor(dimensions integer, scale double precision DEFAULT 1) RETURNS factor
LANGUAGE sql VOLATILE
AS $$ SELECT array_agg(((random() + random() + random() - 1.5) * scale)::real)::factor FROM generate_series(1, dimensions) $$;

-- The first k distances by the index and by a sort; raises where the index was not used.
CREATE FUNCTION differ(relation regclass, operator text, query factor, k integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = test_mips, public
AS $$
DECLARE
	statement text := format('SELECT array_agg(d) FROM (SELECT f %1$s $1 AS d FROM %2$s ORDER BY f %1$s $1 LIMIT $2) s', operator, relation);
	by_index double precision[];
	by_sort double precision[];
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), mips_scan_stats(true);
	EXECUTE statement INTO by_index USING query, k;
	-- a constant NULL leaves nothing to sort by
	IF query IS NOT NULL AND (mips_scan_stats()).scans = 0 THEN
		RAISE 'the index on % was not used', relation;
	END IF;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true), set_config('enable_indexscan', 'off', true);
	EXECUTE statement INTO by_sort USING query, k;
	PERFORM set_config('enable_indexscan', 'on', true);
	RETURN by_index IS DISTINCT FROM by_sort;
END
$$;

-- How many comparisons, for queries from the table and others, each operator and k; and how many of them fail.
CREATE FUNCTION compare(relation regclass, queries integer DEFAULT 5, OUT comparisons bigint, OUT wrong bigint)
LANGUAGE plpgsql SET search_path = test_mips, public
AS $$
DECLARE
	query factor[];
	d integer;
BEGIN
	EXECUTE format('SELECT dimensions(f) FROM %s WHERE f IS NOT NULL LIMIT 1', relation) INTO d;
	EXECUTE format('SELECT array_agg(f) FROM (SELECT f FROM %s WHERE f IS NOT NULL ORDER BY md5(ctid::text) LIMIT $1) s', relation)
		INTO query USING queries;
	FOR i IN 1..queries LOOP
		query := query || some_factor(d, 10.0 ^ (i - 3));
	END LOOP;
	query := query || array_fill(0, ARRAY[d])::factor || array_fill(3e38, ARRAY[d])::factor
		|| array_fill(1e-45, ARRAY[d])::factor || NULL::factor;
	SELECT count(*), count(*) FILTER (WHERE differ(relation, operator, q, k)) INTO comparisons, wrong
	FROM unnest(query) q, unnest('{<#>,<=>,<->}'::text[]) operator, unnest('{1,10,100000}'::integer[]) k;
END
$$;

-- A table of n rows, each made by the expression of d and i, and its index.
CREATE FUNCTION make(name text, d integer, n integer, expression text) RETURNS regclass
LANGUAGE plpgsql SET search_path = test_mips, public
AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I AS SELECT i AS id, %s AS f FROM generate_series(1, $1) i, (SELECT $2 AS d) p',
		name, expression) USING n, d;
	EXECUTE format('ALTER TABLE %1$I ADD PRIMARY KEY (id); CREATE INDEX %2$I ON %1$I USING mips (f); ANALYZE %1$I',
		name, name || '_mips');
	RETURN name::regclass;
END
$$;

-- data of all kinds
SELECT kind, comparisons, wrong
FROM (VALUES
	('random', 'some_factor(d + i * 0)'),
	('falling', 'some_factor(d, exp(-i / 300.0))'),
	('one_norm', 'l2_normalize(some_factor(d + i * 0))'),
	('one_vector', 'array_fill(0.3, ARRAY[d])::factor'),
	('one_giant', 'some_factor(d, CASE WHEN i = 700 THEN 1e30 ELSE 1 END)'),
	('zeros', 'array_fill(0, ARRAY[d])::factor'),
	('some_zeros', 'some_factor(d, i % 2)'),
	('denormal', '(SELECT ''['' || string_agg((random() * 6)::integer - 3 || ''e-45'', '','') || '']'' FROM generate_series(1, d + i * 0))::factor'),
	('huge', 'some_factor(d, 2e38)'),
	('all_magnitudes', 'some_factor(d, 10.0 ^ (i % 72 - 35))'),
	('few_values', '(SELECT array_agg((random() * 2)::integer - 1) FROM generate_series(1, d + i * 0))::factor'),
	('one_axis', '(SELECT array_agg(CASE WHEN j = i % d THEN i ELSE 0 END) FROM generate_series(0, d - 1) j)::factor'),
	('opposite', 'some_factor(d) * array_fill(1 - i % 2 * 2, ARRAY[d])::factor'),
	('nulls', 'CASE WHEN i % 5 > 0 THEN some_factor(d) END'),
	('many_nulls', 'CASE WHEN i = 3 THEN some_factor(d) END')) v (kind, expression),
	compare(make(kind, 24, 1500, expression), 3);
-- no vector at all
SELECT make('nulls_alone', 24, 1500, 'CASE WHEN i < 0 THEN some_factor(d) END');
SELECT differ('nulls_alone', operator, some_factor(24), k) FROM unnest('{<#>,<=>,<->}'::text[]) operator, unnest('{1,2000}'::integer[]) k;

-- dimensions, up to one entry a page
SELECT d, comparisons, wrong
FROM (VALUES (1, 1500), (2, 1500), (3, 700), (15, 500), (16, 500), (17, 500), (100, 500), (1000, 100), (2500, 40), (4000, 30), (8000, 20)) v (d, n),
	compare(make('dimensions_' || d, d, n, 'some_factor(d, 1 + 1.0 / i)'), 2);

-- several levels of directories
SELECT * FROM compare(make('levels', 1500, 1000, 'some_factor(d, exp(-i / 300.0))'), 2);
SELECT mips_scan_stats(true) IS NOT NULL AS reset, differ('levels', '<#>', some_factor(1500), 3);
SELECT scans, directory_pages > 2 AS directory_pages, data_pages > 0 AS data_pages, tail_pages, entries_scored >= rows_returned AS scored,
	rows_returned >= 3 AS returned FROM mips_scan_stats();

-- an empty table, whose column does not say how many dimensions there will be
CREATE TABLE empty (id integer, f factor);
CREATE INDEX empty_mips ON empty USING mips (f);
SELECT differ('empty', '<#>', '[1,2]', 10);
INSERT INTO empty VALUES (1, NULL);
SELECT differ('empty', '<#>', '[1,2]', 10), differ('empty', '<#>', NULL, 10);
INSERT INTO empty VALUES (2, '[1,2]'), (3, '[-1,2]');
SELECT id FROM empty ORDER BY f <#> '[1,1]';

-- rows after the build, until they are folded and after it
INSERT INTO random SELECT 1500 + i, some_factor(24, 0.2 + random()) FROM generate_series(1, 500) i;
SELECT * FROM compare('random', 1);
INSERT INTO random SELECT 2000 + i, CASE WHEN i % 50 > 0 THEN some_factor(24, 0.2 + random()) END FROM generate_series(1, 11000) i;
SELECT * FROM compare('random', 1);
DELETE FROM random WHERE id % 3 = 0;
UPDATE random SET f = some_factor(24, 2) WHERE id % 31 = 0;
VACUUM random;
SELECT * FROM compare('random', 1);
SELECT * FROM mips_check('random_mips', true) \gset check_
REINDEX INDEX random_mips;
SELECT * FROM compare('random', 1);
REINDEX INDEX CONCURRENTLY random_mips;
CREATE INDEX CONCURRENTLY random_too ON random USING mips (f);
DROP INDEX random_mips;
SELECT * FROM compare('random', 1);

-- other plans around it: the index where few rows are wanted ...
SELECT FROM make('items', 16, 20000, 'some_factor(d, exp(-random() * 2))') \g /dev/null
CREATE TABLE products AS SELECT id, id % 2 AS stock, id % 5000 AS kind FROM items;
ALTER TABLE products ADD PRIMARY KEY (id);
CREATE INDEX ON products (kind);
CREATE TABLE users AS SELECT i AS id, some_factor(16 + i * 0) AS f FROM generate_series(1, 20) i;
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE items ADD kind integer;
UPDATE items SET kind = id % 5000;
CREATE INDEX ON items (kind);
REINDEX INDEX items_mips;
VACUUM ANALYZE items, products, users;

\set query '''[1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0]''::factor'
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <#> :query LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <=> :query LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <-> :query LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE kind < 500 ORDER BY f <#> :query LIMIT 10;
EXPLAIN (COSTS OFF)
SELECT p.id FROM products p JOIN items i USING (id) WHERE p.stock > 0 ORDER BY i.f <#> :query LIMIT 10;
EXPLAIN (COSTS OFF) SELECT u.id, i.id FROM users u, LATERAL (SELECT id FROM items ORDER BY f <#> u.f LIMIT 3) i;
PREPARE top (factor) AS SELECT id FROM items ORDER BY f <#> $1 LIMIT 10;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE top(NULL);
RESET plan_cache_mode;
-- how many rows are wanted may be a parameter: of a plan for each call, and of one for all
PREPARE top_of (factor, integer) AS SELECT f <#> $1 AS d FROM items ORDER BY f <#> $1 LIMIT $2;
CREATE FUNCTION prepared_differs(query factor, k integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = test_mips, public
AS $$
DECLARE
	by_index double precision[] := '{}';
	by_sort double precision[];
	one double precision;
BEGIN
	FOR one IN EXECUTE format('EXECUTE top_of(%L, %s)', query, k) LOOP
		by_index := by_index || one;
	END LOOP;
	SELECT array_agg(s.d ORDER BY s.d) INTO by_sort
	FROM (SELECT d FROM (SELECT f <#> query AS d FROM items OFFSET 0) a ORDER BY d LIMIT k) s;
	RETURN by_index IS DISTINCT FROM by_sort;
END
$$;
SELECT FROM mips_scan_stats(true);
SELECT count(*) AS calls, count(*) FILTER (WHERE prepared_differs(f, 10)) AS wrong FROM users WHERE id <= 8;
SELECT scans FROM mips_scan_stats(true);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE top_of(NULL, 10);
SELECT count(*) AS calls, count(*) FILTER (WHERE prepared_differs(f, 10)) AS wrong FROM users WHERE id <= 8;
SELECT scans, (SELECT generic_plans >= 8 FROM pg_prepared_statements WHERE name = 'top_of') AS generic FROM mips_scan_stats(true);
RESET plan_cache_mode;
-- ... and something else where all are, or where a filter's own index leaves hardly any, or where it cannot serve the order
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <#> :query;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE kind = 7 ORDER BY f <#> :query LIMIT 10;
EXPLAIN (COSTS OFF)
SELECT p.id FROM products p JOIN items i USING (id) WHERE p.kind = 7 ORDER BY i.f <#> :query LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <#> :query DESC LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <#> :query NULLS FIRST LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY f <#> f LIMIT 10;
EXPLAIN (COSTS OFF) SELECT count(f) FROM items;
-- the operators commute
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY :query <#> f LIMIT 10;

-- filters get all of their rows
CREATE FUNCTION filtered_differ(condition text) RETURNS boolean
LANGUAGE plpgsql SET search_path = test_mips, public
AS $$
DECLARE
	statement text := format('SELECT array_agg(d ORDER BY d) FROM (SELECT i.f <#> (SELECT f FROM users WHERE id = 3) AS d '
		'FROM products p JOIN items i USING (id) WHERE %s ORDER BY d LIMIT 10) s', condition);
	by_index double precision[];
	by_sort double precision[];
BEGIN
	PERFORM set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		mips_scan_stats(true);
	EXECUTE statement INTO by_index;
	IF (mips_scan_stats()).scans = 0 THEN
		RAISE 'the index was not used';
	END IF;
	PERFORM set_config('enable_sort', 'on', true), set_config('enable_hashjoin', 'on', true), set_config('enable_indexscan', 'off', true);
	EXECUTE statement INTO by_sort;
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_mergejoin', 'on', true);
	RETURN by_index IS DISTINCT FROM by_sort OR cardinality(by_index) <> 10;
END
$$;
SELECT every, filtered_differ('i.id % ' || every || ' = 0') FROM unnest('{2,10,100,1000,2000}'::integer[]) every;

-- a nested loop with the vector from the outer row, some of them NULL
UPDATE users SET f = NULL WHERE id = 7;
SET enable_seqscan = off;
SELECT count(*), count(*) FILTER (WHERE a.d IS DISTINCT FROM b.d) AS wrong
FROM users u,
	LATERAL (SELECT f <#> u.f AS d, row_number() OVER () AS n FROM (SELECT f FROM items ORDER BY f <#> u.f LIMIT 7) s) a,
	LATERAL (SELECT d, row_number() OVER (ORDER BY d) AS n FROM (SELECT f <#> u.f AS d FROM items OFFSET 0) s ORDER BY d LIMIT 7) b
WHERE a.n = b.n;
RESET enable_seqscan;

-- two distances: the second decides among equals
CREATE TABLE two AS SELECT i AS id, ARRAY[i % 5, i % 7]::factor AS f FROM generate_series(1, 2000) i;
CREATE INDEX two_mips ON two USING mips (f);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT DISTINCT f FROM (SELECT f FROM two ORDER BY f <#> '[1,0]', f <-> '[0,3]' LIMIT 300) s;
SELECT f, count(*) FROM (SELECT f FROM two ORDER BY f <#> '[1,0]', f <-> '[0,3]' LIMIT 600) s GROUP BY f ORDER BY f;
RESET enable_seqscan;

-- an index on an expression, and a part of a table
CREATE INDEX items_head ON items USING mips (subvector(f, 1, 4));
CREATE INDEX items_some ON items USING mips (f) WHERE id % 100 = 0;
ANALYZE items;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY subvector(f, 1, 4) <#> '[1,2,3,4]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE id % 100 = 0 ORDER BY f <#> :query LIMIT 5;
SELECT reltuples FROM pg_class WHERE relname = 'items_some';
SELECT (SELECT array_agg(id) FROM (SELECT id FROM items WHERE id % 100 = 0 ORDER BY f <#> u.f LIMIT 5) s) =
	(SELECT array_agg(id) FROM (SELECT id FROM items WHERE id % 100 = 0 ORDER BY (f <#> u.f) + 0 LIMIT 5) s) AS same,
	(SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY subvector(f, 1, 4) <#> '[1,2,3,4]' LIMIT 5) s) =
	(SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY (subvector(f, 1, 4) <#> '[1,2,3,4]') + 0 LIMIT 5) s) AS same_head
FROM users u WHERE id = 3;

-- partitions
CREATE TABLE parts (id integer, f factor(16)) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO parts SELECT id, f FROM items;
CREATE INDEX parts_mips ON parts USING mips (f);
ANALYZE parts;
EXPLAIN (COSTS OFF) SELECT id FROM parts ORDER BY f <#> :query LIMIT 10;
SELECT (SELECT array_agg(id) FROM (SELECT id FROM parts ORDER BY f <#> u.f LIMIT 10) s) =
	(SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY (f <#> u.f) + 0 LIMIT 10) s) AS same
FROM users u WHERE id = 3;

-- unlogged and temporary tables
CREATE UNLOGGED TABLE unlogged AS SELECT id, f FROM items WHERE id <= 500;
CREATE INDEX unlogged_mips ON unlogged USING mips (f);
INSERT INTO unlogged SELECT id, f FROM items WHERE id BETWEEN 501 AND 900;
SELECT * FROM compare('unlogged', 1);
CREATE TEMPORARY TABLE temporary AS SELECT id, f FROM items WHERE id <= 500;
CREATE INDEX temporary_mips ON temporary USING mips (f);
INSERT INTO temporary SELECT id, f FROM items WHERE id BETWEEN 501 AND 900;
SELECT * FROM compare('temporary', 1);
TRUNCATE temporary, unlogged;
SELECT count(*) FROM (SELECT FROM unlogged ORDER BY f <#> '[1]') s;

-- a cursor keeps its rows, while they change
CREATE FUNCTION rows_left(cur refcursor) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	n integer := 0;
BEGIN
	LOOP
		MOVE cur;
		EXIT WHEN NOT FOUND;
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
SET enable_seqscan = off;
BEGIN;
DECLARE cur CURSOR FOR SELECT id FROM two ORDER BY f <#> '[1,1]';
MOVE 100 IN cur;
DELETE FROM two WHERE f <#> '[1,1]' < -4;
INSERT INTO two SELECT i, '[1,1]' FROM generate_series(2001, 3000) i;
SELECT rows_left('cur');
COMMIT;
RESET enable_seqscan;

-- what the access method says of itself
SELECT pg_index_column_has_property('items_mips'::regclass, 1, 'distance_orderable') AS distance_orderable,
	pg_index_column_has_property('items_mips'::regclass, 1, 'orderable') AS orderable,
	pg_index_has_property('items_mips'::regclass, 'bitmap_scan') AS bitmap_scan,
	pg_index_has_property('items_mips'::regclass, 'clusterable') AS clusterable;

SET client_min_messages = warning;
DROP SCHEMA test_mips CASCADE;
