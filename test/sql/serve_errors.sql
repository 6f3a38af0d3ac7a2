-- what the serving functions answer to calls that they cannot serve
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA serve_errors;
SET search_path = serve_errors, public;
RESET client_min_messages;

-- no model yet
SELECT * FROM recommend(1);
SELECT * FROM popular_items();
SELECT * FROM recommend(1, model => 'shop');
\echo :LAST_ERROR_SQLSTATE
SELECT predict(1, 2, 'shop');
SELECT user_factor('shop', 1);
SET recmf.model = 'shop';
SELECT * FROM recommend('1');
RESET recmf.model;

CREATE TABLE orders AS SELECT u AS user_id, i AS item_id, 1 + (u + i) % 5 AS rating FROM generate_series(1, 12) u, generate_series(1, 9) i WHERE (u * i) % 4 < 3;
CREATE INDEX ON orders (user_id);
CREATE TABLE orders_by_sku AS SELECT user_id, 'sku' || item_id AS item_id, rating FROM orders;
CREATE INDEX ON orders_by_sku (user_id);
SELECT users, items FROM train_model('shop', 'orders', factors => 2, iterations => 2);

-- k
SELECT * FROM recommend(1, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM recommend(1, -1);
SELECT * FROM recommend(1, NULL);
SELECT * FROM recommend('1', 0);
SELECT * FROM recommend_for(ARRAY[1], k => 0);
SELECT * FROM similar_items(1, NULL);
SELECT * FROM similar_users('1', -5);
SELECT * FROM target_users(1, 0);
SELECT * FROM popular_items(0);
SELECT * FROM recommend(1, 99999999999);
-- the other arguments
SELECT * FROM recommend(1, exclude_seen => NULL);
SELECT * FROM recommend(1, unknown_user => NULL);
SELECT * FROM target_users(1, exclude_owners => NULL);
SELECT * FROM target_users(1, include_users => ARRAY['x']);
SELECT * FROM recommend(1, unknown_user => 'Popular');
SELECT * FROM recommend(1, unknown_user => '');
SELECT * FROM recommend(1, unknown_users => 'popular');
SELECT * FROM recommend(1.5);
SELECT * FROM recommend(now());
SELECT * FROM recommend(1, include_items => ARRAY['1']);
SELECT * FROM recommend_for('{1,2}');
SELECT * FROM recommend_for(ARRAY[1], ARRAY[1, 2]);
SELECT * FROM recommend_for(ARRAY[1, 2], ARRAY[1]);
SELECT * FROM recommend_for(ARRAY[1], '{}'::float8[]);
SELECT * FROM recommend_for(ARRAY[1, 2], ARRAY[1, 'NaN']::float8[]);
SELECT * FROM recommend_for(ARRAY['1', '2'], ARRAY['-Infinity', 1]::float8[]);
SELECT * FROM recommend_for(ARRAY[1], ARRAY[1e39]);
-- negative ratings say nothing to a model of implicit feedback
SELECT count(score) FROM recommend_for(ARRAY[1], ARRAY[-1]);

-- names of models
SELECT * FROM recommend(1, model => '');
SELECT * FROM recommend(1, model => 'Shop');
SELECT * FROM recommend(1, model => 'no "such" ''model''');
SELECT * FROM recommend(1, model => repeat('é', 100));

-- the bigint form and models with other ids
SELECT users, items FROM train_model('Größe "1"', 'orders_by_sku', factors => 2, iterations => 2);
SELECT * FROM recommend(1);
SELECT * FROM recommend(1, 5, model => 'Größe "1"');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM recommend(NULL::bigint, 5, model => 'Größe "1"');
SELECT * FROM recommend_for(ARRAY[1], k => 3, model => 'Größe "1"');
SELECT * FROM similar_items(1, 5, 'Größe "1"');
SELECT * FROM target_users(1, 5, 'Größe "1"');
SELECT count(*) FROM target_users('sku1', 3, 'Größe "1"', exclude_owners => false);
SELECT count(*) FROM similar_users(1, 5, 'Größe "1"');
SELECT predict(1, 2, 'Größe "1"'), predict(1, 'sku2', 'Größe "1"') IS NULL;
SELECT predict('1', 2, 'Größe "1"');
SELECT item_factor('Größe "1"', 2);
SELECT dimensions(user_factor('Größe "1"', 2));
-- the hint's call works
SELECT count(*) FROM recommend('1', 5, model => 'Größe "1"');
SET recmf.model = 'Größe "1"';
SELECT count(*) FROM recommend('1', 2);
RESET recmf.model;
-- a name as long as a name can be, and longer
SELECT model FROM train_model(repeat('ü', 31) || '1', 'orders', factors => 2, iterations => 1);
SELECT count(*) FROM recommend(1, 2, model => repeat('ü', 31) || '1');
SELECT drop_model(repeat('ü', 31) || '1');

-- explicit feedback needs ratings for a basket
SELECT users, items FROM train_model('films', 'orders', feedback => 'explicit', factors => 2, iterations => 2);
SELECT * FROM recommend_for(ARRAY[1, 2], model => 'films');
SELECT count(score) FROM recommend_for(ARRAY[1, 2], ARRAY[1, NULL], model => 'films');
SELECT count(score) FROM recommend_for(ARRAY[1, 2], ARRAY[NULL, NULL]::float8[], model => 'films');
SELECT count(score) FROM recommend_for(NULL::bigint[], model => 'films');
SELECT drop_model('films'), drop_model('Größe "1"');

-- what was changed behind the model's back
BEGIN;
DROP TABLE orders;
SELECT * FROM recommend(1, 2);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
DROP TABLE orders;
SELECT count(*) FROM recommend(1, 2, exclude_seen => false);
SELECT count(*) FROM recommend_for(ARRAY[1], k => 2);
ROLLBACK;
BEGIN;
ALTER TABLE orders RENAME COLUMN item_id TO article;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
ALTER TABLE orders ALTER COLUMN user_id TYPE text;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
ALTER TABLE orders ALTER COLUMN user_id TYPE numeric;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
DROP VIEW shop_items, shop_users;
DROP TABLE shop_items_1;
SELECT * FROM recommend(1, 2, model => 'shop');
ROLLBACK;
BEGIN;
DROP VIEW shop_items, shop_users;
DROP TABLE shop_items_1;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
ALTER TABLE shop_users_1 RENAME COLUMN factor TO factors;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
DROP VIEW shop_users;
DROP INDEX shop_users_1_factor_idx;
ALTER TABLE shop_users_1 ALTER COLUMN factor TYPE real[];
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
DROP VIEW shop_users;
DROP INDEX shop_users_1_factor_idx;
ALTER TABLE shop_users_1 ALTER COLUMN factor TYPE factor;
UPDATE shop_users_1 SET factor = '[1,2,3]' WHERE user_id = 1;
SELECT * FROM recommend(1, 2);
ROLLBACK;
BEGIN;
UPDATE recmf_models SET gram_items = '{1,2,3}';
SELECT * FROM recommend_for(ARRAY[1]);
ROLLBACK;
BEGIN;
UPDATE recmf_models SET source_table = NULL, source = 'SELECT * FROM orders) s)); DROP TABLE orders; --';
SELECT * FROM recommend(1, 2, model => 'shop');
ROLLBACK;
BEGIN;
UPDATE recmf_models SET source_table = NULL, source =
	'SELECT * FROM orders) s)); DROP TABLE orders; SELECT 1 FROM shop_items_1 t WHERE (1 = ANY (SELECT 1 FROM (SELECT * FROM orders';
SELECT * FROM recommend(1, 2, model => 'shop');
ROLLBACK;
BEGIN;
UPDATE recmf_models SET source_table = NULL, source = 'SELECT user_id FROM orders';
SELECT * FROM recommend(1, 2, model => 'shop');
ROLLBACK;
SELECT count(*) FROM recommend(1, 2);
-- a query that writes
BEGIN;
UPDATE recmf_models SET source_table = NULL, source = 'WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d';
SELECT * FROM recommend(1, 2, model => 'shop');
ROLLBACK;

SELECT drop_model('shop');
SET client_min_messages = warning;
DROP SCHEMA serve_errors CASCADE;
