-- who may use a model, whose rows he sees, and whose code he runs
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA serve_security;
CREATE ROLE recmf_analyst;
CREATE ROLE recmf_mallory;
CREATE ROLE "recmf Customer";
CREATE ROLE recmf_colleague IN ROLE recmf_mallory;
GRANT CREATE, USAGE ON SCHEMA serve_security TO recmf_analyst, recmf_mallory;
GRANT USAGE ON SCHEMA serve_security TO "recmf Customer";
SET search_path = serve_security, public;
RESET client_min_messages;

-- a model of the analyst
SET ROLE recmf_analyst;
CREATE TABLE orders AS SELECT u AS user_id, i AS item_id, 1 AS rating FROM generate_series(1, 12) u, generate_series(1, 9) i WHERE (u * i) % 4 < 3;
CREATE INDEX ON orders (user_id);
SELECT users, items FROM train_model('shop', 'orders', factors => 2, iterations => 2);
SELECT count(*) FROM recommend(1);

-- without privileges, by name and without
SET ROLE "recmf Customer";
SELECT * FROM recommend(1);
SELECT * FROM recommend(1, model => 'shop');
\echo :LAST_ERROR_SQLSTATE
SELECT predict(1, 1, 'shop');
SELECT user_factor('shop', 1);
-- the grant of the hint, then that of the source
SET ROLE recmf_analyst;
GRANT SELECT ON serve_security.shop_items_1, serve_security.shop_users_1 TO "recmf Customer";
SET ROLE "recmf Customer";
SELECT count(*) FROM similar_items(1);
SELECT * FROM recommend(1);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM recommend(1, exclude_seen => false);
SET ROLE recmf_analyst;
GRANT SELECT ON serve_security.orders TO "recmf Customer";
SET ROLE "recmf Customer";
SELECT count(*) FROM recommend(1);
-- columns will do
SET ROLE recmf_analyst;
REVOKE SELECT ON shop_items_1, shop_users_1, orders FROM "recmf Customer";
GRANT SELECT (item_id, factor, n_ratings) ON shop_items_1 TO "recmf Customer";
GRANT SELECT (user_id, factor) ON shop_users_1 TO "recmf Customer";
GRANT SELECT (user_id, item_id) ON orders TO "recmf Customer";
SET ROLE "recmf Customer";
SELECT count(*) FROM recommend(1);
-- and must be all that are needed
SET ROLE recmf_analyst;
REVOKE SELECT (factor) ON shop_items_1 FROM "recmf Customer";
SET ROLE "recmf Customer";
SELECT * FROM recommend(1);
SET ROLE recmf_analyst;
GRANT SELECT ON shop_items_1, shop_users_1, orders TO "recmf Customer";

-- a function with its owner's rights
SET ROLE recmf_analyst;
CREATE FUNCTION recommend_as_analyst(bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$ SELECT count(*) FROM recommend($1, model => 'shop') $$;
REVOKE SELECT ON orders, shop_items_1, shop_users_1 FROM "recmf Customer";
SET ROLE "recmf Customer";
SELECT recommend_as_analyst(1);
RESET ROLE;
GRANT SELECT ON orders, shop_items_1, shop_users_1 TO "recmf Customer";

-- row security of the source and of the factor tables holds, and a plan made for one role serves no other
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders TO "recmf Customer" USING (user_id = 2);
ALTER TABLE shop_items_1 ENABLE ROW LEVEL SECURITY;
CREATE POLICY cheap ON shop_items_1 TO "recmf Customer" USING (item_id < 5);
SET ROLE recmf_analyst;
SELECT array_agg(item_id ORDER BY item_id) FROM recommend(3, 20, 'shop');
SET ROLE "recmf Customer";
SELECT array_agg(item_id ORDER BY item_id) FROM recommend(3, 20, 'shop');
SELECT array_agg(item_id ORDER BY item_id) FROM recommend(2, 20, 'shop', exclude_seen => false);
SELECT array_agg(item_id ORDER BY item_id) FROM similar_items(1, 20, 'shop');
SELECT * FROM similar_items(7, 20, 'shop');
SET ROLE recmf_analyst;
SELECT array_agg(item_id ORDER BY item_id) FROM similar_items(7, 20, 'shop');
-- policies are code of the tables' owner: such a model is not chosen for a role that need not trust him
SET ROLE "recmf Customer";
SELECT * FROM recommend(3);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
ALTER TABLE shop_items_1 DISABLE ROW LEVEL SECURITY;

-- Mallory's model reads a view that runs his code as whoever asks
SET ROLE recmf_mallory;
CREATE FUNCTION spy() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'running as %', current_user; RETURN true; END $$;
CREATE VIEW trap AS SELECT i % 5 AS user_id, i AS item_id, 1 AS rating FROM generate_series(1, 9) i WHERE spy();
SET client_min_messages = error;
SELECT users, items FROM train_model('bait', 'trap', factors => 2, iterations => 1);
SELECT users, items FROM train_model('bait2', 'SELECT * FROM trap', factors => 2, iterations => 1);
RESET client_min_messages;
GRANT SELECT ON bait_items_1, bait_users_1, bait2_items_1, bait2_users_1, trap TO PUBLIC;
-- the customer gets the honest one, the superuser too
SET ROLE "recmf Customer";
SELECT count(*) FROM recommend(1, 2);
RESET ROLE;
SELECT count(*) FROM recommend(1, 2);
SET ROLE recmf_analyst;
SELECT count(*) FROM recommend(1, 2);
-- who names it has decided for himself
SET ROLE "recmf Customer";
SELECT count(*) FROM recommend(1, 2, model => 'bait');
SET recmf.model = 'bait2';
SELECT count(*) FROM recommend(1, 2);
RESET recmf.model;
-- its owner and his colleague trust it
SET ROLE recmf_colleague;
SELECT count(*) FROM recommend(1, 2);
-- nothing but such models
RESET ROLE;
SELECT drop_model('shop');
SET ROLE "recmf Customer";
SELECT * FROM recommend(1);
SELECT * FROM popular_items();

-- rows of the registry written by hand name no table but one as training makes it
SET ROLE recmf_mallory;
CREATE VIEW bait_view AS SELECT item_id, factor, bias, n_ratings FROM bait_items_1 WHERE spy();
CREATE TYPE pair AS (x real, y real);
CREATE FUNCTION to_factor(pair) RETURNS factor LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'cast as %', current_user; RETURN '[1,2]'; END $$;
CREATE CAST (pair AS factor) WITH FUNCTION to_factor(pair) AS IMPLICIT;
CREATE TABLE bait_pairs (item_id integer, factor pair, n_ratings integer);
CREATE TABLE bait_ids (item_id pair, factor factor, n_ratings integer);
CREATE TEMPORARY TABLE bait_temporary (item_id integer, factor factor, n_ratings integer);
CREATE TABLE bait_source (user_id pair, item_id integer);
GRANT SELECT ON bait_view, bait_pairs, bait_ids, bait_temporary, bait_source TO PUBLIC;
UPDATE recmf_models SET items = 'bait_view' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
\echo :LAST_ERROR_SQLSTATE
UPDATE recmf_models SET items = 'bait_pairs' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 'bait_ids' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 'bait_temporary' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 'pg_class_oid_index' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 'pg_authid' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 0 WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET items = 'bait_items_1', source = 'bait_source', source_table = 'bait_source' WHERE model = 'bait';
SELECT * FROM recommend(1, 2, model => 'bait');
UPDATE recmf_models SET settings = '{"factors": 3}' WHERE model = 'bait2';
SELECT * FROM recommend(1, 2, model => 'bait2');
UPDATE recmf_models SET settings = '[]' WHERE model = 'bait2';
SELECT * FROM recommend(1, 2, model => 'bait2');
UPDATE recmf_models SET settings = '{"factors": 2, "rank": 3}' WHERE model = 'bait2';
SELECT * FROM recommend(1, 2, model => 'bait2');

DROP VIEW bait_view;
SELECT drop_model('bait'), drop_model('bait2');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA serve_security CASCADE;
DROP OWNED BY recmf_analyst, recmf_mallory, "recmf Customer", recmf_colleague;
DROP ROLE recmf_analyst, recmf_mallory, "recmf Customer", recmf_colleague;
