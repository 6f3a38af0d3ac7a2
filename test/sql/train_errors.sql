-- train_model: bad calls; each says what to do, and nothing half-written stays
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA train_errors_test;
SET search_path = train_errors_test, public;
RESET client_min_messages;

CREATE TABLE orders (user_id integer, item_id text, rating real, note text, at timestamptz, code char(5));
INSERT INTO orders SELECT u, 'i' || i, 1, 'x', now(), 'c' || i FROM generate_series(1, 9) u, generate_series(1, 9) i;
CREATE TABLE empty (LIKE orders);

-- NULL in each argument
SELECT train_model(NULL, 'orders');
SELECT train_model('m', NULL);
SELECT train_model('m', 'orders', user_col => NULL);
SELECT train_model('m', 'orders', item_col => NULL);
SELECT version FROM train_model('nulls', 'orders', rating_col => NULL, feedback => NULL, factors => NULL, iterations => NULL,
	regularization => NULL, regularization_scaling => NULL, bias_regularization => NULL, alpha => NULL, seed => NULL, solver => NULL,
	options => NULL, verbose => NULL);
SELECT drop_model('nulls');
SELECT drop_model(NULL);
SELECT drop_model('never');

-- names
SELECT train_model('', 'orders');
SELECT train_model(repeat('x', 64), 'orders');
SELECT version FROM train_model(repeat('x', 63), 'orders', factors => 2, iterations => 1);
SELECT drop_model(repeat('x', 63));

-- options
SELECT train_model('m', 'orders', factors => 0);
SELECT train_model('m', 'orders', factors => -1);
SELECT train_model('m', 'orders', factors => 16001);
SELECT train_model('m', 'orders', iterations => 0);
SELECT train_model('m', 'orders', regularization => -1);
SELECT train_model('m', 'orders', regularization => 'NaN');
SELECT train_model('m', 'orders', regularization => 'Infinity');
SELECT train_model('m', 'orders', alpha => 0);
SELECT train_model('m', 'orders', feedback => 'stars');
SELECT train_model('m', 'orders', solver => 'cholesky');
SELECT train_model('m', 'orders', solver => 'cg', options => '{"solver": "exact"}');
SELECT train_model('m', 'orders', feedback => 'explicit', alpha => 1);
SELECT train_model('m', 'orders', bias_regularization => 1);
SELECT train_model('m', 'orders', options => '{"rank": 10}');
SELECT train_model('m', 'orders', options => '{"n_factors": 10}');
SELECT train_model('m', 'orders', options => '{"lambda": 0.1}');
SELECT train_model('m', 'orders', options => '{"reg": 0.1}');
SELECT train_model('m', 'orders', options => '{"itertions": 3}');
SELECT train_model('m', 'orders', options => '[1]');
SELECT train_model('m', 'orders', factors => 3, options => '{"factors": 3}');

-- sources
SELECT train_model('m', 'nowhere');
SELECT train_model('m', 'noschema.orders');
SELECT train_model('m', '');
SELECT train_model('m', 'not a name');
SELECT train_model('m', 'DELETE FROM orders');
SELECT train_model('m', 'SELECT 1; SELECT 2');
SELECT train_model('m', 'SELECT * INTO copied FROM orders');
SELECT train_model('m', 'WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone');
SELECT train_model('m', 'SELECT * FROM');
SELECT train_model('m', 'SELECT user_id, item_id, rating FROM orders WHERE colour = 1');
SELECT train_model('m', 'orders_pkey');
CREATE SEQUENCE counter;
SELECT train_model('m', 'counter');
SELECT train_model('m', 'SELECT 1 AS user_id, 2 AS item_id, nextval(''counter'') AS rating');
CREATE FUNCTION write_something() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN 1; END $$;
SELECT train_model('m', 'SELECT 1 AS user_id, 2 AS item_id, write_something() AS rating');
SELECT count(*) FROM orders;
SELECT train_model('m', 'SELECT 1 AS user_id, 2 AS item_id, 1 / 0 AS rating');

-- columns
SELECT train_model('m', 'orders', user_col => 'customer');
SELECT train_model('m', 'orders', item_col => 'Item_Id');
SELECT train_model('m', 'orders', rating_col => 'stars');
SELECT train_model('m', 'orders', rating_col => 'note');
SELECT train_model('m', 'orders', user_col => 'at');
SELECT train_model('m', 'orders', item_col => 'code');
SELECT train_model('m', 'SELECT 1 AS user_id, 2 AS user_id, 3 AS item_id, 1 AS rating');
CREATE TABLE anything (user_id integer, item_id name, rating integer);
SELECT train_model('m', 'anything');

-- rows
SELECT train_model('m', 'empty');
SELECT train_model('m', 'SELECT NULL::integer AS user_id, 1 AS item_id, 1 AS rating FROM generate_series(1, 3)');
SELECT train_model('m', 'SELECT * FROM orders UNION ALL SELECT 77, ''bad'', ''NaN'', NULL, NULL, NULL');
SELECT train_model('m', 'SELECT user_id, item_id, ''-Infinity''::float8 AS rating FROM orders WHERE user_id = 3');
SELECT train_model('m', 'SELECT user_id, item_id, 1e300::float8 AS rating FROM orders WHERE user_id = 3');

-- ids of another type than the model has
SELECT version FROM train_model('m', 'orders', factors => 2, iterations => 1);
SELECT train_model('m', 'SELECT user_id, 1 AS item_id, rating FROM orders');
SELECT train_model('m', 'SELECT user_id::bigint, item_id, rating FROM orders');

-- a relation in the way of a view or a table, before the source is read
CREATE TABLE blocked_items (x integer);
SELECT train_model('blocked', 'orders', factors => 2, iterations => 1);
CREATE TABLE barred_users_1 (x integer);
SELECT train_model('barred', 'SELECT 1 / (user_id - user_id) AS user_id, item_id, rating FROM orders');

-- permissions
CREATE ROLE train_errors_role;
GRANT USAGE ON SCHEMA train_errors_test TO train_errors_role;
SET ROLE train_errors_role;
SELECT train_model('theirs', 'orders');
SELECT train_model('theirs', 'SELECT 1 AS user_id, 2 AS item_id, 3 AS rating');
SELECT train_model('m', 'SELECT 1 AS user_id, 2 AS item_id, 3 AS rating');
SELECT drop_model('m');
RESET ROLE;

-- a transaction that may not write
BEGIN READ ONLY;
SELECT train_model('m', 'orders');
ROLLBACK;

-- too little memory
\set VERBOSITY terse
SET recmf.training_memory = '1MB';
SELECT train_model('big', 'SELECT u AS user_id, i AS item_id, 1 AS rating FROM generate_series(1, 1000) u, generate_series(1, 100) i', factors => 64);
RESET recmf.training_memory;
\set VERBOSITY default

-- the old model is what is there
SELECT model, version, active FROM recmf_models ORDER BY 1, 2;
SELECT relname FROM pg_class WHERE relnamespace = 'train_errors_test'::regnamespace AND relname ~ '_(items|users)' AND relkind IN ('r', 'v') ORDER BY 1;
SELECT drop_model('m');

SET client_min_messages = warning;
DROP SCHEMA train_errors_test CASCADE;
DROP OWNED BY train_errors_role;
DROP ROLE train_errors_role;
