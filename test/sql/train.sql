-- train_model: sources, types of ids, what is written, retraining
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA train_test;
SET search_path = train_test, public;
RESET client_min_messages;
\set VERBOSITY terse

-- two groups of users with a taste each: users 1-20 like items a*, users 21-40 items b*
CREATE TABLE orders (user_id integer, item_id text, rating real, at timestamptz);
INSERT INTO orders
SELECT u, (CASE WHEN u <= 20 THEN 'a' ELSE 'b' END) || i, 1 + (u * i) % 3, '2026-01-01'
FROM generate_series(1, 40) u, generate_series(1, 10) i
WHERE (u * 7 + i * 3) % 10 < 6;

-- the row that comes back
SELECT model, version, users, items, ratings, skipped, array_length(loss, 1) AS losses,
	   loss[1] > loss[5] AS falls,
	   read_seconds >= 0 AND train_seconds > 0 AND write_seconds > 0 AS timed
FROM train_model('shop', 'orders', factors => 8, iterations => 5);

-- what was written
\d shop_items
\d shop_users_1
-- an index on the factors of both sides unless it is not wanted; one without the biases, for similarity, where there are any
SELECT tablename, regexp_replace(indexdef, '^.* USING ', '') AS index FROM pg_indexes WHERE tablename ~ '^shop_' ORDER BY 1, 2;
BEGIN;
SELECT version FROM train_model('bare', 'orders', factors => 4, index => false);
SELECT version FROM train_model('stars', 'orders', feedback => 'explicit', factors => 4, options => '{"index": true}');
SELECT tablename, regexp_replace(indexdef, '^.* USING ', '') AS index FROM pg_indexes WHERE tablename ~ '^(bare|stars)_' ORDER BY 1, 2;
ROLLBACK;
SELECT count(*), min(dimensions(factor)), max(dimensions(factor)), count(bias), sum(n_ratings) FROM shop_items;
SELECT obj_description('shop_items_1'::regclass), obj_description('shop_users'::regclass);
SELECT model, version, active, owner = current_user::regrole AS mine, feedback, settings - 'alpha' - 'regularization' AS settings,
	   n_users, n_items, n_ratings, n_skipped, round(rating_mean::numeric, 3) AS mean, rating_min, rating_max,
	   items, users, items_view, users_view, source, source_table, user_col, item_col, rating_col,
	   array_length(gram_users, 1) AS gram
FROM recmf_models WHERE model = 'shop';

-- the model knows the two tastes
SELECT u.user_id <= 20 AS first_group,
	   bool_and(inner_product(u.factor, a.factor) > inner_product(u.factor, b.factor)) AS prefers_a,
	   bool_and(inner_product(u.factor, a.factor) < inner_product(u.factor, b.factor)) AS prefers_b
FROM shop_users u, shop_items a, shop_items b
WHERE a.item_id LIKE 'a%' AND b.item_id LIKE 'b%'
GROUP BY 1 ORDER BY 1;

-- the same rows in another order, and from other kinds of sources, give the same bits
CREATE FUNCTION fingerprint(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(t::text, '','' ORDER BY t::text COLLATE "C")) FROM %s t', relation) INTO result;
	RETURN result;
END $$;
CREATE TABLE shuffled AS SELECT * FROM orders ORDER BY md5(user_id::text || item_id);
CREATE VIEW seen_by_view AS SELECT user_id AS customer, item_id AS sku, rating AS stars FROM orders;
CREATE MATERIALIZED VIEW seen_by_matview AS SELECT * FROM orders;
CREATE TABLE parted (LIKE orders) PARTITION BY RANGE (user_id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (20);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (20) TO (MAXVALUE);
INSERT INTO parted SELECT * FROM orders ORDER BY item_id DESC;
SELECT users, items, ratings FROM train_model('other', 'shuffled', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items, fingerprint('shop_users') = fingerprint('other_users') AS same_users;
SELECT users, items, ratings FROM train_model('other', 'train_test.seen_by_view', 'customer', 'sku', 'stars', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT users, items, ratings FROM train_model('other', 'seen_by_matview', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT users, items, ratings FROM train_model('other', 'parted', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT users, items, ratings FROM train_model('other', '
	-- a comment; with a semicolon
	WITH o AS (SELECT * FROM orders) SELECT user_id, item_id, rating FROM o ORDER BY random(); -- the end
', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT users, items, ratings FROM train_model('other', '(SELECT user_id, item_id, rating FROM orders)', options => '{"factors": 8, "iterations": 5}');
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
-- another seed doesn't
SELECT users, items, ratings FROM train_model('other', 'orders', factors => 8, iterations => 5, seed => 43);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;

-- solvers; each gives the same bits for any order of the rows
SELECT ratings FROM unnest(ARRAY['exact', 'cg']) solver,
	LATERAL train_model('solver_' || solver, 'orders', factors => 16, iterations => 5, solver => solver) m;
SELECT model, settings ->> 'solver' AS solver FROM recmf_models WHERE model LIKE 'solver%' ORDER BY model;
SELECT fingerprint('solver_exact_items') = fingerprint('solver_cg_items') AS same_items;
SELECT ratings FROM train_model('other', 'SELECT * FROM orders ORDER BY random()', factors => 16, iterations => 5, solver => 'cg');
SELECT fingerprint('solver_cg_items') = fingerprint('other_items') AS same_items;
SELECT ratings FROM train_model('other', 'SELECT * FROM orders ORDER BY random()', factors => 16, iterations => 5);
SELECT fingerprint('solver_cg_items') = fingerprint('other_items') AS same_items;
SELECT ratings FROM train_model('other', 'SELECT * FROM orders ORDER BY random()', factors => 16, iterations => 5, solver => 'exact');
SELECT fingerprint('solver_exact_items') = fingerprint('other_items') AS same_items;

-- duplicates are added up for implicit feedback, averaged for explicit
SELECT ratings FROM train_model('other', 'SELECT user_id, item_id, rating / 2 AS rating FROM orders, generate_series(1, 2)', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT ratings FROM train_model('stars', 'orders', feedback => 'explicit', factors => 4, iterations => 3);
SELECT fingerprint('stars_items') AS once \gset
SELECT ratings FROM train_model('stars', 'SELECT user_id, item_id, rating + d AS rating FROM orders, (VALUES (-0.5), (0), (0.5)) v (d)', feedback => 'explicit', factors => 4, iterations => 3);
SELECT fingerprint('stars_items') = :'once' AS same_items;
SELECT dimensions(factor), count(bias) = count(*) AS has_bias, round(avg((factor::real[])[5])) AS constant,
	   bool_and((factor::real[])[6] = bias) AS bias_last
FROM stars_items GROUP BY 1;

-- every type of ids, mixed, comes back as it was
CREATE TABLE typed AS
SELECT user_id::smallint AS s, user_id AS i, user_id::bigint AS b, ('user ' || user_id)::varchar(20) AS v, item_id AS t,
	   md5(item_id)::uuid AS u, rating::numeric AS rating
FROM orders;
CREATE DOMAIN sku AS varchar(12) COLLATE "C";
ALTER TABLE typed ADD d sku;
UPDATE typed SET d = t;
SELECT users, items FROM train_model('s_u', 'typed', 's', 'u', factors => 2, iterations => 2);
SELECT users, items FROM train_model('i_t', 'typed', 'i', 't', factors => 2, iterations => 2);
SELECT users, items FROM train_model('b_v', 'typed', 'b', 'v', factors => 2, iterations => 2);
SELECT users, items FROM train_model('u_d', 'typed', 'u', 'd', factors => 2, iterations => 2);
SELECT c.relname, format_type(a.atttypid, a.atttypmod) AS type, a.attcollation::regcollation AS collation
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
WHERE c.relnamespace = 'train_test'::regnamespace AND c.relname ~ '^._._(items|users)_1$' ORDER BY 1;
SELECT count(*) FROM s_u_items f JOIN (SELECT DISTINCT u FROM typed) t ON t.u = f.item_id;
SELECT count(*) FROM b_v_items f JOIN (SELECT DISTINCT v FROM typed) t ON t.v = f.item_id;

-- nulls and what is not positive are skipped and counted
INSERT INTO orders VALUES (NULL, 'a1', 1), (1, NULL, 1), (1, 'a1', NULL), (1, 'a1', 0), (1, 'never', -2);
SELECT ratings, skipped FROM train_model('other', 'orders', factors => 8, iterations => 5);
SELECT fingerprint('shop_items') = fingerprint('other_items') AS same_items;
SELECT ratings, skipped, items FROM train_model('other', 'orders', feedback => 'explicit', factors => 8, iterations => 5);
DELETE FROM orders WHERE user_id IS NULL OR item_id IS NULL OR rating IS NULL OR rating <= 0;

-- rating_col => NULL: a row is a 1
SELECT ratings FROM train_model('clicks', 'orders', rating_col => NULL, factors => 4);
SELECT rating_mean, rating_max, rating_col FROM recmf_models WHERE model = 'clicks';

-- small sources
SELECT users, items, ratings FROM train_model('tiny', 'SELECT 1 AS user_id, 2 AS item_id, 3 AS rating');
SELECT users, items, ratings FROM train_model('tiny', 'SELECT 1 AS user_id, i AS item_id, 3 AS rating FROM generate_series(1, 5) i', factors => 100);
SELECT users, items, ratings FROM train_model('tiny', 'SELECT u AS user_id, 1 AS item_id, 3 AS rating FROM generate_series(1, 5) u', feedback => 'explicit');
SELECT users, items, ratings FROM train_model('tiny', 'SELECT u AS user_id, i AS item_id, 4 AS rating FROM generate_series(1, 5) u, generate_series(1, 4) i', feedback => 'explicit', factors => 3);
SELECT round(avg(s.rating_mean + inner_product(u.factor, i.factor))::numeric, 3) AS all_equal
FROM tiny_users u, tiny_items i, recmf_models s WHERE s.model = 'tiny' AND s.active;
-- no regularization and more factors than ratings: solved with the least ridge that works, never NaN
SELECT users, items, loss[array_length(loss, 1)] < 1 AS fitted
FROM train_model('free', 'orders', factors => 64, regularization => 0);
SELECT users, items, loss[array_length(loss, 1)] < 1 AS fitted
FROM train_model('free_stars', 'SELECT user_id, length(item_id) AS item_id, rating FROM orders', feedback => 'explicit', factors => 64, regularization => 0, bias_regularization => 0);

-- a source where one user's rows can't be found fast: the index to create
CREATE TABLE long_orders AS SELECT u AS user_id, i AS item_id, 1 + u % 3 AS quantity, repeat('x', 500) AS note
FROM generate_series(1, 100) u, generate_series(1, 20) i;
CREATE VIEW long_view AS SELECT user_id, item_id FROM long_orders WHERE quantity > 0;
\set VERBOSITY default
SELECT ratings FROM train_model('warned', 'long_orders', rating_col => 'quantity', factors => 2, iterations => 1);
SELECT ratings FROM train_model('warned', 'SELECT * FROM long_view', rating_col => NULL, factors => 2, iterations => 1);
CREATE INDEX ON long_orders (user_id);
SELECT ratings FROM train_model('warned', 'long_view', rating_col => NULL, factors => 2, iterations => 1);
\set VERBOSITY terse

-- retraining: a new version beside the old, one old kept; views, grants and row security follow
CREATE ROLE train_test_reader;
CREATE ROLE train_test_owner;
GRANT USAGE ON SCHEMA train_test TO train_test_reader, train_test_owner;
GRANT SELECT ON shop_items_1, shop_users_1 TO train_test_reader WITH GRANT OPTION;
GRANT SELECT (user_id) ON shop_users_1 TO train_test_owner;
GRANT SELECT ON shop_items TO train_test_reader;
ALTER TABLE shop_users_1 ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON shop_users_1 AS RESTRICTIVE FOR SELECT TO train_test_reader, train_test_owner USING (user_id < 10 AND shop_users_1.n_ratings > 0);
CREATE POLICY "any row" ON shop_users_1 USING (true) WITH CHECK (n_ratings > 1);
SELECT version FROM train_model('shop', 'orders', factors => 16, iterations => 5);
SELECT version FROM train_model('shop', 'orders', factors => 4, feedback => 'explicit', iterations => 5);
SELECT version, active, items, users FROM recmf_models WHERE model = 'shop' ORDER BY version;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'train_test'::regnamespace AND c.relname ~ '^shop_' AND c.relkind IN ('r', 'v') ORDER BY 1;
SELECT DISTINCT dimensions(factor) FROM shop_items;
SELECT c.relname, a.privilege_type, a.grantee::regrole, a.is_grantable
FROM pg_class c, LATERAL aclexplode(c.relacl) a
WHERE c.relname ~ '^shop_' AND a.grantee <> c.relowner AND c.relnamespace = 'train_test'::regnamespace ORDER BY 1, 2, 3;
SELECT c.relname, t.attname, t.attacl IS NOT NULL AS column_granted
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid
WHERE c.relname ~ '^shop_' AND t.attacl IS NOT NULL AND c.relnamespace = 'train_test'::regnamespace ORDER BY 1, 2;
SELECT tablename, policyname, permissive, roles, cmd, qual, with_check
FROM pg_policies WHERE schemaname = 'train_test' ORDER BY 1, 2;
SELECT relname, relrowsecurity FROM pg_class WHERE relnamespace = 'train_test'::regnamespace AND relname ~ '^shop_users_' AND relkind = 'r' ORDER BY 1;

-- a version that something depends on stays, with a warning
CREATE VIEW on_version_2 AS SELECT item_id FROM shop_items_2;
SELECT version FROM train_model('shop', 'orders', factors => 4, iterations => 2);
SELECT version, active FROM recmf_models WHERE model = 'shop' ORDER BY version;
DROP VIEW on_version_2;

-- names with quotes, capitals, Unicode, and of the greatest length
SELECT model, version FROM train_model('My "Shop" (été) %s', 'orders', factors => 2, iterations => 1);
SELECT count(*) FROM "My ""Shop"" (été) %s_items";
SELECT items, users_view FROM recmf_models WHERE model ~ '^My';
SELECT version FROM train_model(repeat('é', 31), 'orders', factors => 2, iterations => 1);
SELECT version FROM train_model(repeat('é', 30) || 'xy', 'orders', factors => 2, iterations => 1);
SELECT count(DISTINCT items), max(octet_length(items::text)) FROM recmf_models WHERE model ~ '^éé';
SELECT version FROM train_model('q''uote', 'orders', factors => 2, iterations => 1);
SELECT drop_model('q''uote');

-- another role's model; a role that holds the owner's privileges
GRANT CREATE ON SCHEMA train_test TO train_test_owner, train_test_reader;
GRANT SELECT ON orders TO train_test_owner;
SET ROLE train_test_owner;
SELECT version FROM train_model('theirs', 'orders', factors => 2, iterations => 1);
SELECT version FROM train_model('shop', 'orders', factors => 2, iterations => 1);
SELECT drop_model('shop');
UPDATE recmf_models SET active = false WHERE model = 'shop';
INSERT INTO recmf_models SELECT (m).* FROM recmf_models m WHERE m.model = 'shop' AND m.active;
INSERT INTO recmf_model_names (model, owner) VALUES ('forged', 'train_test_reader');
RESET ROLE;
SELECT version FROM train_model('theirs', 'orders', factors => 2, iterations => 1);
SELECT c.relname, c.relowner::regrole FROM pg_class c WHERE c.relnamespace = 'train_test'::regnamespace AND c.relname ~ '^theirs_' AND c.relkind IN ('r', 'v') ORDER BY 1;
SET ROLE train_test_reader;
SELECT version FROM train_model('mine', 'orders', factors => 2, iterations => 1);
RESET ROLE;

-- dropping
SELECT drop_model('theirs');
SELECT drop_model('My "Shop" (été) %s');
SELECT count(*) FROM recmf_models WHERE model IN ('theirs', 'My "Shop" (été) %s');
SELECT to_regclass('theirs_items'), to_regclass('theirs_items_2');
-- tables that were dropped by hand are no obstacle
DROP TABLE i_t_items_1 CASCADE;
SELECT drop_model('i_t');
SELECT count(drop_model(model)) FROM recmf_model_names;
SELECT * FROM recmf_model_names;
SELECT relname FROM pg_class WHERE relnamespace = 'train_test'::regnamespace AND relname ~ '_(items|users)';

SET client_min_messages = warning;
DROP SCHEMA train_test CASCADE;
DROP OWNED BY train_test_owner, train_test_reader;
DROP ROLE train_test_owner, train_test_reader;
