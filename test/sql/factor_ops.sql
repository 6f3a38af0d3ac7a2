--
-- factor_ops.sql
--	  What is computed with factors: operators, functions, order, aggregates.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_factor_ops;
SET search_path = test_factor_ops, public;
RESET client_min_messages;
-- plans forced by settings look expensive enough to compile
SET jit = off;

-- products and distances
SELECT inner_product('[1,2,3]', '[4,5,6]'), '[1,2,3]'::factor <#> '[4,5,6]' AS negative;
SELECT '[1,0]'::factor <#> '[0,1]' AS no_minus_zero;
SELECT cosine_similarity('[3,4]', '[3,4]') AS same, cosine_similarity('[3,4]', '[-3,-4]') AS opposite,
	cosine_similarity('[1,0]', '[0,2]') AS orthogonal, round(('[1,0]'::factor <~> '[1,1]')::numeric, 6) AS half;
SELECT cosine_distance('[3,4]', '[3,4]') AS same, cosine_distance('[3,4]', '[-3,-4]') AS opposite,
	'[1,0]'::factor <=> '[0,2]' AS orthogonal;
SELECT l2_distance('[1,2]', '[4,6]'), '[1,2]'::factor <-> '[1,2]' AS same, l2_norm('[3,4]'), dimensions('[3,4]');
SELECT l2_normalize('[3,4]'), l2_normalize('[0,-5]');

-- a zero factor has no direction
SELECT cosine_similarity('[0,0]', '[1,2]'), cosine_distance('[0,0]', '[1,2]'), cosine_distance('[0,0]', '[0,0]'),
	l2_normalize('[0,0]'), l2_norm('[0,0]');

-- no overflow, no underflow: sums leave the range of float4, results do not leave that of float8
SELECT inner_product(m, m) / 3.4028234663852886e38 / 3.4028234663852886e38 AS ip,
	cosine_similarity(m, m) AS cosine,
	(m <-> l) / 3.4028234663852886e38 AS distance,
	(m <-> '[0,0,0]') / 3.4028234663852886e38 / sqrt(3) - 1 < 1e-9 AS norm,
	l2_normalize(m) <-> l2_normalize('[1,1,1]') < 1e-6 AS direction
FROM (VALUES ('[3.4028235e38,3.4028235e38,3.4028235e38]'::factor,
	'[3.4028235e38,-3.4028235e38,3.4028235e38]'::factor)) v (m, l);
SELECT inner_product(t, t) > 0 AS ip, cosine_similarity(t, t) AS cosine, cosine_similarity(t, m) AS mixed,
	t <-> '[0,0]' > 0 AS distance, l2_normalize(t) <-> l2_normalize('[1,1]') < 1e-6 AS direction
FROM (VALUES ('[1e-45,1e-45]'::factor, '[3e38,3e38]'::factor)) v (t, m);

-- against the same in SQL, at lengths around those of the registers
CREATE TABLE random_factors AS
SELECT n, array_agg((sin(n * 37 + i * 12.9898) * 43.5453)::real ORDER BY i)::factor AS a,
	array_agg((cos(n * 11 + i * 78.233) * 2.1)::real ORDER BY i)::factor AS b
FROM generate_series(1, 300) n, generate_series(1, n) i
GROUP BY n;
SELECT count(*) AS compared,
	count(*) FILTER (WHERE abs(inner_product(a, b) - ab) > 1e-5 * sqrt(aa * bb)) AS inner_product,
	count(*) FILTER (WHERE abs((a <#> b) + ab) > 1e-5 * sqrt(aa * bb)) AS negative,
	count(*) FILTER (WHERE abs((a <~> b) - ab / sqrt(aa * bb)) > 1e-5) AS similarity,
	count(*) FILTER (WHERE abs((a <=> b) - 1 + ab / sqrt(aa * bb)) > 1e-5) AS distance,
	count(*) FILTER (WHERE abs((a <-> b) - sqrt(dd)) > 1e-5 * sqrt(dd)) AS euclidean,
	count(*) FILTER (WHERE abs(l2_norm(a) - sqrt(aa)) > 1e-5 * sqrt(aa)) AS norm,
	count(*) FILTER (WHERE abs(l2_norm(l2_normalize(a)) - 1) > 1e-5) AS normalized,
	count(*) FILTER (WHERE dimensions(a) <> n) AS dimensions
FROM random_factors,
	LATERAL (
		SELECT sum(x::float8 * y) AS ab, sum(x::float8 * x) AS aa, sum(y::float8 * y) AS bb, sum((x::float8 - y) ^ 2) AS dd
		FROM unnest(a::real[], b::real[]) u (x, y)
	) s;

-- arithmetic
SELECT '[1,2]'::factor + '[3,4.5]' AS sum, '[1,2]'::factor - '[3,4.5]' AS difference, '[1,2]'::factor * '[3,4.5]' AS product;
SELECT '[1e-30]'::factor * '[1e-30]' AS underflow;
SELECT subvector('[1,2,3,4,5]', 1, 5), subvector('[1,2,3,4,5]', 2, 3), subvector('[1,2,3,4,5]', 5, 1);

-- NULL in, NULL out
SELECT '[1]'::factor <#> NULL, NULL::factor <=> '[1]', '[1]'::factor <-> NULL, '[1]'::factor <~> NULL,
	'[1]'::factor + NULL, NULL::factor - '[1]', '[1]'::factor * NULL, '[1]'::factor = NULL, NULL::factor < '[1]';
SELECT inner_product(NULL, '[1]'), cosine_similarity('[1]', NULL), cosine_distance(NULL, NULL), l2_distance(NULL, '[1]'),
	l2_norm(NULL), l2_normalize(NULL), dimensions(NULL), subvector(NULL, 1, 1), subvector('[1]', NULL, 1),
	subvector('[1]', 1, NULL), NULL::factor::real[], NULL::real[]::factor;

-- order: lexicographic, a factor before its extensions
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, factor_compare(a, b)
FROM (VALUES ('[1,2]'::factor, '[1,3]'::factor), ('[1,2]', '[1,2]'), ('[2]', '[1,9]'), ('[1]', '[1,-5]'),
	('[-0]', '[0]'), ('[-1]', '[0]')) v (a, b);
SELECT f FROM (VALUES ('[2]'::factor), ('[1,2]'), ('[1]'), (NULL), ('[-3,7]'), ('[1,1,9]')) v (f) ORDER BY f;
SELECT DISTINCT f FROM (VALUES ('[1,0]'::factor), ('[1,-0]'), ('[1,0]'), ('[2]')) v (f) ORDER BY 1;

-- equal factors hash equal
SELECT factor_hash('[1,0]') = factor_hash('[1,-0]') AS zero, factor_hash('[1,0]') = factor_hash('[0,1]') AS other,
	factor_hash_extended('[1,0]', 7) = factor_hash_extended('[1,-0]', 7) AS zero_seed,
	factor_hash_extended('[1,0]', 7) = factor_hash_extended('[1,0]', 8) AS other_seed,
	factor_hash('[1,2]')::bit(32) = substring(factor_hash_extended('[1,2]', 0)::bit(64), 33) AS seed_0;

-- indexes
CREATE TABLE items (id integer, f factor(4));
INSERT INTO items SELECT g, ARRAY[g % 7, g % 11, g % 13, g]::factor FROM generate_series(1, 2000) g;
CREATE UNIQUE INDEX items_f ON items (f);
CREATE INDEX items_hash ON items USING hash (f);
ANALYZE items;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE f >= '[6,10,2,0]' ORDER BY f;
SELECT id FROM items WHERE f >= '[6,10,2,0]' ORDER BY f;
RESET enable_sort;
SELECT count(*) AS ordered_otherwise_than_arrays
FROM (SELECT row_number() OVER (ORDER BY f) AS a, row_number() OVER (ORDER BY f::real[]) AS b FROM items) s
WHERE a <> b;
DROP INDEX items_f;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE f = '[1,1,1,1]';
SELECT id FROM items WHERE f = '[1,1,1,1]';
SELECT count(*) FROM items a WHERE EXISTS (SELECT FROM items b WHERE b.f = a.f AND b.id = a.id);
DROP INDEX items_hash;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- joins and grouping, each way
CREATE TABLE groups AS SELECT subvector(f, 1, 1) AS f, id FROM items;
SELECT count(*), count(DISTINCT f) FROM groups;
SET enable_hashjoin = off; SET enable_hashagg = off; SET enable_nestloop = off;
SELECT count(*) FROM groups a JOIN groups b USING (f) WHERE b.id <= 7;
SELECT f, count(*) FROM groups GROUP BY f ORDER BY f;
RESET enable_hashjoin; RESET enable_hashagg;
SET enable_mergejoin = off; SET enable_sort = off;
SELECT count(*) FROM groups a JOIN groups b USING (f) WHERE b.id <= 7;
RESET enable_mergejoin; RESET enable_sort; RESET enable_nestloop;

-- the nearest, without an index
SELECT id FROM items ORDER BY f <#> '[1,1,1,0]', id LIMIT 3;
SELECT id FROM items ORDER BY f <-> '[3,3,3,3]' LIMIT 3;

-- aggregates
SELECT sum(f), avg(f), count(f) FROM (VALUES ('[1,2]'::factor), (NULL), ('[3,5]'), ('[-1,0.5]')) v (f);
SELECT sum(f), avg(f) FROM (VALUES (NULL::factor), (NULL)) v (f);
SELECT sum(f), avg(f) FROM items WHERE false;
SELECT id % 3 AS g, sum(f), avg(f) FILTER (WHERE id <= 6) FROM items WHERE id <= 9 GROUP BY 1 ORDER BY 1;
SELECT id, sum(f) OVER (ORDER BY id), avg(f) OVER (ORDER BY id ROWS 1 PRECEDING) FROM items WHERE id <= 4 ORDER BY id;
-- sums past the range of float4 on the way are no trouble
SELECT sum(f), avg(f) FROM (VALUES ('[3e38]'::factor), ('[3e38]'), ('[-3e38]')) v (f);
SELECT avg(f) FROM (VALUES ('[3e38]'::factor), ('[3e38]')) v (f);
-- a sum of many small numbers keeps them
SELECT sum(f) FROM (SELECT '[1]'::factor AS f UNION ALL SELECT '[1e-8]'::factor FROM generate_series(1, 10000)) s;

-- the same from parallel workers
CREATE TABLE many AS SELECT g AS id, ARRAY[g, -g, g % 10]::factor AS f FROM generate_series(1, 20000) g;
INSERT INTO many VALUES (0, NULL);
ANALYZE many;
SELECT sum(f), avg(f) FROM many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(f), avg(f) FROM many;
SELECT sum(f), avg(f) FROM many;
-- workers without a row
SELECT sum(f), avg(f) FROM many WHERE id = 17;
SELECT sum(f), avg(f) FROM many WHERE id = -1;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- the states, called by hand: what is passed in does not change
SELECT s, factor_accumulate(s, '[1,2]'), factor_combine(s, s), factor_combine(s, '{0}'), factor_combine('{0}', s),
	factor_sum(s), factor_avg(s)
FROM (VALUES ('{2,10,20}'::double precision[])) v (s);

SET client_min_messages = warning;
DROP SCHEMA test_factor_ops CASCADE;
