-- The aggregate mf_train: grouping, types of ids, what is skipped, what is an
-- error, the same model from the same rows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA mf_train_test;
SET search_path = mf_train_test, public;

-- Three shops with tastes of their own: customers of an even number buy even
-- items, others odd ones.
CREATE TABLE orders AS
	SELECT shop_id, customer_id, sku, 1 + (customer_id * 7 + sku * 3) % 4 AS quantity
	FROM generate_series(1, 3) shop_id, generate_series(1, 30) customer_id, generate_series(1, 20) sku
	WHERE customer_id % 2 = sku % 2 AND (customer_id * 13 + sku * 5 + shop_id) % 3 > 0;

-- a model a shop
CREATE TABLE shops AS
	SELECT shop_id, mf_train(customer_id, sku, quantity, '{"factors": 8}') AS model
	FROM orders GROUP BY shop_id;
SELECT shop_id, info.feedback, info.factors, info.users, info.items, info.ratings, info.skipped,
		info.user_id_type, info.item_id_type
	FROM shops, model_info(model) info ORDER BY shop_id;
-- it has learned the taste: what is new to a customer is of the right kind
SELECT shop_id, count(*) AS recommended, count(*) FILTER (WHERE r.item_id % 2 <> c % 2) AS wrong
	FROM shops, generate_series(1, 30) c, recommend(model, c, 3) r GROUP BY shop_id ORDER BY shop_id;
-- and gives nothing that the customer has
SELECT count(*) FROM shops s, generate_series(1, 30) c, recommend(model, c, 100) r
	JOIN orders o ON o.sku = r.item_id WHERE o.shop_id = s.shop_id AND o.customer_id = c;

-- the order of the rows leaves no trace, nor does the plan
CREATE FUNCTION fingerprint(model mf_model) RETURNS text LANGUAGE sql AS 'SELECT md5(model::text)';
CREATE TABLE fingerprints (how text, shop_id int, feedback text, fingerprint text);
INSERT INTO fingerprints SELECT 'as is', shop_id, f, fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f)))
	FROM orders, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY shop_id, f;
INSERT INTO fingerprints SELECT 'ordered within', shop_id, f, fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f) ORDER BY sku DESC, customer_id))
	FROM orders, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY shop_id, f;
SELECT setseed(0.5);
INSERT INTO fingerprints SELECT 'shuffled', shop_id, f, fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f)))
	FROM (SELECT * FROM orders ORDER BY random()) o, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY shop_id, f;
SET enable_hashagg = off;
INSERT INTO fingerprints SELECT 'sorted groups', shop_id, f, fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f)))
	FROM (SELECT * FROM orders ORDER BY random()) o, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY shop_id, f;
RESET enable_hashagg;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT shop_id, mf_train(customer_id, sku, quantity) FROM orders GROUP BY shop_id;
INSERT INTO fingerprints SELECT 'parallel', shop_id, f, fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f)))
	FROM orders, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY shop_id, f;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
INSERT INTO fingerprints SELECT 'in a worker', 1, f, (SELECT fingerprint(mf_train(customer_id, sku, quantity, jsonb_build_object('factors', 8, 'feedback', f))) FROM orders WHERE shop_id = 1)
	FROM (VALUES ('implicit'), ('explicit')) v(f);
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;
SELECT shop_id, feedback, count(*) AS ways, count(DISTINCT fingerprint) AS models FROM fingerprints GROUP BY 1, 2 ORDER BY 1, 2;

-- duplicates are added up (implicit) or averaged (explicit)
SELECT fingerprint(mf_train(customer_id, sku, quantity)) =
	(SELECT fingerprint(mf_train(customer_id, sku, part)) FROM orders, generate_series(1, quantity) one, LATERAL (SELECT 1 AS part) p WHERE shop_id = 1) AS summed
	FROM orders WHERE shop_id = 1;
SELECT fingerprint(mf_train(customer_id, sku, quantity, '{"feedback": "explicit"}')) =
	(SELECT fingerprint(mf_train(customer_id, sku, quantity + off, '{"feedback": "explicit"}')) FROM orders, (VALUES (-0.5), (0), (0.5)) v(off) WHERE shop_id = 1) AS averaged
	FROM orders WHERE shop_id = 1;

-- FILTER, DISTINCT, subquery, ROLLUP
SELECT (model_info(mf_train(customer_id, sku, quantity) FILTER (WHERE shop_id = 2))).ratings = (SELECT count(*) FROM orders WHERE shop_id = 2) AS same FROM orders;
SELECT (model_info(mf_train(DISTINCT customer_id, sku, quantity))).mean = avg(quantity) AS same
	FROM (SELECT * FROM orders WHERE shop_id = 1 UNION ALL SELECT * FROM orders WHERE shop_id = 1) o;
SELECT shop_id, (model_info(mf_train(customer_id, sku, quantity))).ratings = count(DISTINCT (customer_id, sku)) AS same
	FROM orders GROUP BY ROLLUP (shop_id) ORDER BY shop_id;
-- one model from two aggregates over the same rows: each has a state of its own
SELECT mf_train(customer_id, sku, quantity)::text = mf_train(customer_id, sku, quantity)::text AS same FROM orders;

-- a group with nothing usable gives NULL
SELECT mf_train(customer_id, sku, quantity) IS NULL AS nothing FROM orders WHERE false;
SELECT mf_train(customer_id, sku, quantity) FILTER (WHERE false) IS NULL AS nothing FROM orders;
SELECT mf_train(customer_id, sku, NULL) IS NULL AS nothing FROM orders;
SELECT mf_train(NULL::int, sku, quantity) IS NULL AS nothing FROM orders;
SELECT mf_train(customer_id, NULL::text, quantity) IS NULL AS nothing FROM orders;
SELECT mf_train(customer_id, sku, -quantity) IS NULL AS nothing FROM orders;
SELECT shop_id, mf_train(customer_id, sku, CASE WHEN shop_id = 2 THEN quantity END) IS NULL AS nothing FROM orders GROUP BY shop_id ORDER BY shop_id;

-- what is skipped is counted; negative ratings are skipped for implicit feedback only
CREATE TABLE patchy (u, i, r) AS VALUES (1, 'a', 2.0), (NULL, 'a', 2), (1, NULL, 2), (2, 'b', NULL), (2, 'b', 0), (2, 'b', -1), (2, 'b', 1), (3, 'c', -2), (3, 'a', 1e-300);
SELECT f, info.users, info.items, info.ratings, info.skipped, round(info.mean::numeric, 6) AS mean, info.rating_min, info.rating_max
	FROM (SELECT f, mf_train(u, i, r, jsonb_build_object('feedback', f, 'factors', 2)) AS model FROM patchy, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY f) m,
		model_info(model) info ORDER BY f;

-- one rating; one user; one item; more factors than users and items; all ratings equal
SELECT f, info.users, info.items, info.ratings, in_range FROM (VALUES ('implicit'), ('explicit')) v(f),
	LATERAL (SELECT mf_train(1, 2, r, jsonb_build_object('feedback', f)) AS model FROM (VALUES (3)) w(r)) m, model_info(model) info,
	LATERAL (SELECT predict(model, 1, 2) BETWEEN 0 AND 3 AS in_range) p;
SELECT f, what, info.users, info.items, CASE f WHEN 'explicit' THEN abs(predict(model, u, i) - 3) < 0.01 ELSE predict(model, u, i) BETWEEN 0.2 AND 1.2 END AS as_expected
	FROM (VALUES ('implicit'), ('explicit')) v(f), (VALUES ('one user'), ('one item'), ('equal')) w(what),
	LATERAL (SELECT mf_train(CASE what WHEN 'one user' THEN 1 ELSE customer_id END, CASE what WHEN 'one item' THEN 1 ELSE sku END,
			CASE what WHEN 'equal' THEN 3 ELSE quantity END, jsonb_build_object('feedback', f, 'factors', 100)) AS model,
			CASE what WHEN 'one user' THEN 1 ELSE min(customer_id) END AS u, CASE what WHEN 'one item' THEN 1 ELSE min(sku) END AS i
		FROM orders WHERE shop_id = 1 AND customer_id % 2 = 1) m, model_info(model) info
	WHERE f = 'explicit' AND what = 'equal' OR f = 'implicit' AND what <> 'equal';

-- regularization 0 and more factors than ratings: defined, finite
SELECT bool_and(predict(model, u, i) BETWEEN -10 AND 10) AS finite FROM (SELECT mf_train(customer_id, sku, quantity, '{"regularization": 0, "factors": 50}') AS model FROM orders) m, generate_series(1, 30) u, generate_series(1, 20) i;
SELECT bool_and(predict(model, u, i) BETWEEN 1 AND 4) AS finite FROM (SELECT mf_train(customer_id, sku, quantity, '{"regularization": 0, "bias_regularization": 0, "factors": 50, "feedback": "explicit"}') AS model FROM orders) m, generate_series(1, 30) u, generate_series(1, 20) i;

-- every type of id, on both sides, also through a domain, with the extremes
CREATE DOMAIN customer AS int CHECK (VALUE > -100);
CREATE TABLE typed AS SELECT customer_id AS u4, customer_id::smallint AS u2, customer_id::bigint AS u8, customer_id::customer AS ud,
		'c' || customer_id AS ut, ('c' || customer_id)::varchar(10) AS uv, md5(customer_id::text)::uuid AS uu,
		sku AS i4, 'sku/' || sku AS it, md5(sku::text)::uuid AS iu, quantity AS r
	FROM orders WHERE shop_id = 1;
SELECT ty, info.user_id_type, info.item_id_type, info.users, info.items,
		(SELECT count(*) FROM user_factors(model)) AS user_factors, (SELECT count(*) FROM recommend(model, u::text, 5)) AS recommended
	FROM (SELECT 'smallint' AS ty, mf_train(u2, it, r) AS model, min(u2)::text AS u FROM typed
		UNION ALL SELECT 'integer', mf_train(u4, iu, r), min(u4)::text FROM typed
		UNION ALL SELECT 'bigint', mf_train(u8, i4, r), min(u8)::text FROM typed
		UNION ALL SELECT 'domain', mf_train(ud, i4::smallint, r), min(ud)::text FROM typed
		UNION ALL SELECT 'text', mf_train(ut, i4::bigint, r), min(ut) FROM typed
		UNION ALL SELECT 'varchar', mf_train(uv, it::varchar, r), min(uv) FROM typed
		UNION ALL SELECT 'uuid', mf_train(uu, iu, r), min(uu::text) FROM typed) m, model_info(model) info ORDER BY ty;
-- ratings of any numeric type
SELECT fingerprint(mf_train(u4, i4, r)) = fingerprint(mf_train(u4, i4, r::numeric)) AND
	fingerprint(mf_train(u4, i4, r)) = fingerprint(mf_train(u4, i4, r::real)) AS same FROM typed;
SELECT user_id, n_ratings FROM (SELECT mf_train(u, i::smallint, 1, '{"factors": 2}') AS model FROM
	(VALUES (9223372036854775807, -32768), (-9223372036854775808, 32767), (0, 0), (-1, 0), (-1, 1)) v(u, i)) m, user_factors(model);
SELECT item_id, n_ratings FROM (SELECT mf_train(u, i::smallint, 1, '{"factors": 2}') AS model FROM
	(VALUES (9223372036854775807, -32768), (-9223372036854775808, 32767), (0, 0), (-1, 0), (-1, 1)) v(u, i)) m, item_factors(model);
-- text is compared bytewise: case, accents, white space and the empty string tell ids apart
SELECT quote_literal(user_id) AS user_id FROM (SELECT mf_train(u, 1, 1, '{"factors": 2}') AS model FROM
	(VALUES ('a'), ('A'), (''), (' '), ('a '), ('É'), ('é'), ('日本'), ('ab'), ('b')) v(u)) m, user_factors(model);
-- very long ids
SELECT length(user_id), left(user_id, 1) AS first FROM (SELECT mf_train(repeat(l, 1000000), l, 1, '{"factors": 2}') AS model FROM
	(VALUES ('b'), ('a')) v(l)) m, user_factors(model);

-- types that are no ids, and types that cannot be known
SELECT mf_train(customer_id::numeric, sku, quantity) FROM orders;
SELECT mf_train(customer_id, sku::float8, quantity) FROM orders;
SELECT mf_train(customer_id, sku::text::char(5), quantity) FROM orders;
SELECT mf_train(customer_id, sku::text::name, quantity) FROM orders;
SELECT mf_train(true, sku, quantity) FROM orders;
SELECT mf_train(ARRAY[customer_id], sku, quantity) FROM orders;
SELECT mf_train(orders, sku, quantity) FROM orders;
SELECT mf_train('17850', sku, quantity) FROM orders;
SELECT mf_train(customer_id, NULL, quantity) FROM orders;
SELECT mf_train(customer_id, sku, 'many') FROM orders;
SELECT mf_train(customer_id, sku, sku::text) FROM orders;

-- ratings that are no numbers name their row
SELECT mf_train(customer_id, sku, CASE WHEN customer_id = 7 THEN 'NaN'::float8 ELSE 1 END) FROM orders;
SELECT mf_train('c' || customer_id, md5(sku::text)::uuid, CASE WHEN customer_id = 7 THEN 'Infinity'::float8 ELSE 1 END) FROM orders;
SELECT mf_train(customer_id, sku, CASE WHEN customer_id = 7 THEN '-Infinity'::float8 ELSE 1 END, '{"feedback": "explicit"}') FROM orders;
SELECT mf_train(customer_id, repeat('long ', 100), 1e39) FROM orders;
-- in range one by one, not added up
SELECT mf_train(customer_id, 1, 3e38) FROM orders;
-- large ratings are scaled inside
SELECT predict(mf_train(customer_id, sku, quantity * 1e30), 1, 1) BETWEEN 0 AND 2 AS finite FROM orders;

-- memory is bounded; what of it ids take depends on the machine
\set VERBOSITY terse
SET recmf.training_memory = '1MB';
SELECT mf_train(u, i, 1) FROM generate_series(1, 1000) u, generate_series(1, 100) i;
SELECT mf_train(repeat('x', 100000) || u, 1, 1) FROM generate_series(1, 30) u;
SELECT mf_train(1, i, 1, '{"factors": 1024}') FROM generate_series(1, 1000) i;
RESET recmf.training_memory;
\set VERBOSITY default

-- many small groups
SELECT count(*), count(model) FROM (SELECT mf_train(u, i, 1, '{"factors": 2, "iterations": 1}') AS model FROM generate_series(0, 9999) n,
	LATERAL (SELECT n % 7 AS u, n % 5 AS i) v GROUP BY n / 5) m;

-- not a window function: the final function uses its state up
SELECT mf_train(customer_id, sku, quantity) OVER () FROM orders;

-- a statement timeout ends it within a second, while reading and while training
CREATE FUNCTION answers_cancel(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
BEGIN
	EXECUTE statement;
	RETURN 'was not cancelled';
EXCEPTION WHEN query_canceled THEN
	RETURN CASE WHEN clock_timestamp() - started < interval '1300 ms' THEN 'cancelled in time: ' || SQLERRM
		ELSE 'cancelled late, after ' || (clock_timestamp() - started) END;
END $$;
SET statement_timeout = '300ms';
SELECT answers_cancel('SELECT mf_train(u, i, 1) FROM generate_series(1, 1000) u, generate_series(1, 1000) i, generate_series(1, 100) again');
SELECT answers_cancel('SELECT mf_train(g % 1000, g % 701, 1, ''{"factors": 300, "iterations": 1000}'') FROM generate_series(1, 50000) g');
SELECT answers_cancel('SELECT mf_train(g % 1000, g % 701, 1, ''{"factors": 300, "iterations": 1000, "feedback": "explicit"}'') FROM generate_series(1, 50000) g');
RESET statement_timeout;
-- and the session goes on
SELECT mf_train(customer_id, sku, quantity) IS NOT NULL AS trained FROM orders;

DROP SCHEMA mf_train_test CASCADE;
