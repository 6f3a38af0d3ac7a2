-- serving from hand-made factors, where every answer is known
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA serve_test;
SET search_path = serve_test, public;
RESET client_min_messages;

-- writes the registry's row of a model whose tables were made by hand
CREATE FUNCTION register(name text, feedback text, factors integer, items regclass, users regclass,
	source text, source_table regclass, mean float8 DEFAULT 1, low float8 DEFAULT 1, high float8 DEFAULT 1,
	gram real[] DEFAULT NULL, user_col text DEFAULT 'user_id', item_col text DEFAULT 'item_id')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n_items bigint;
	n_users bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', items) INTO n_items;
	EXECUTE format('SELECT count(*) FROM %s', users) INTO n_users;
	INSERT INTO recmf_model_names (model) VALUES (name);
	INSERT INTO recmf_models (model, version, active, feedback, settings, n_users, n_items, n_ratings, n_skipped,
		rating_mean, rating_min, rating_max, loss, seconds, items, users, source, source_table,
		source_search_path, user_col, item_col, rating_col, gram_items)
	SELECT name, 1, true, feedback,
		jsonb_build_object('feedback', feedback, 'factors', factors, 'iterations', 5, 'regularization', 0.5,
			'regularization_scaling', 0, 'seed', 42) ||
		CASE feedback WHEN 'implicit' THEN jsonb_build_object('alpha', 2)
			ELSE jsonb_build_object('bias_regularization', 0.5) END,
		n_users, n_items, 10, 0, mean, low, high, '{1}', '{}', items, users, source, source_table,
		current_setting('search_path'), user_col, item_col, 'rating', gram;
END $$;

-- Implicit feedback, integer ids.  Rows are stored in another order than that of ids or scores.
CREATE TABLE things (item_id integer PRIMARY KEY, factor factor(2) NOT NULL, bias real, n_ratings integer NOT NULL);
INSERT INTO things VALUES
	(7, '[1,0]', NULL, 5), (5, '[-1,0]', NULL, 9), (6, '[1,0]', NULL, 2), (4, '[2,0]', NULL, 3),
	(3, '[1,1]', NULL, 9), (2, '[0,1]', NULL, 1), (1, '[1,0]', NULL, 4);
CREATE TABLE people (user_id integer PRIMARY KEY, factor factor(2) NOT NULL, bias real, n_ratings integer NOT NULL);
INSERT INTO people VALUES (20, '[0,1]', NULL, 2), (10, '[1,0]', NULL, 2), (30, '[0,0]', NULL, 1);
CREATE TABLE bought (user_id integer, item_id integer, rating real);
CREATE INDEX ON bought (user_id);
INSERT INTO bought VALUES (10, 4, 1), (10, 3, 0), (10, 5, NULL), (10, NULL, 1), (NULL, 1, 1), (99, 3, 2);
SELECT register('things', 'implicit', 2, 'things', 'people', 'bought', 'bought');

-- equal scores by ascending id; what the user has in the source is left out, whatever its rating
SELECT * FROM recommend(10);
SELECT * FROM recommend(10, 2);
SELECT * FROM recommend(10, 2, exclude_seen => false);
SELECT * FROM recommend(20, 3, model => 'things');
SELECT item_id FROM recommend(30, 4);
-- the source is live
BEGIN;
INSERT INTO bought VALUES (10, 1, 1);
SELECT * FROM recommend(10, 2);
ROLLBACK;
SELECT * FROM recommend(10, 1);
-- candidates; NULLs and ids that the model doesn't know don't matter
SELECT * FROM recommend(10, include_items => ARRAY[7, NULL, 2, 4, 12345, 99999999999]);
SELECT * FROM recommend(10, include_items => '{}'::bigint[]);
SELECT * FROM recommend(10, include_items => ARRAY[NULL]::bigint[]);
SELECT * FROM recommend(10, exclude_items => ARRAY[7, NULL, 1, 12345]);
SELECT * FROM recommend(10, exclude_items => '{}'::bigint[], include_items => ARRAY[[1, 2], [6, 7]]);
SELECT * FROM recommend(10, exclude_items => ARRAY[1], include_items => ARRAY[1]);
-- the text form says the same
SELECT * FROM recommend('10');
SELECT * FROM recommend(' +10 ', 2, include_items => ARRAY['7', '2', 'x', '4', NULL]);
-- every integer type finds its function
SELECT (SELECT array_agg(item_id) FROM recommend(10::smallint, 2)) = (SELECT array_agg(item_id) FROM recommend(10::bigint, 2)) AS same;

-- unknown users: the most rated items, still without what they have and under the filters; or nothing
SELECT * FROM recommend(11, 3);
SELECT * FROM recommend(99, 3);
SELECT * FROM recommend(11, 3, exclude_items => ARRAY[5], include_items => ARRAY[5, 3, 6]);
SELECT * FROM recommend(NULL::bigint, 1);
SELECT * FROM recommend(NULL, 1);
SELECT * FROM recommend(9999999999, 1);
SELECT * FROM recommend('no integer', 1);
SELECT * FROM recommend('10x', 1);
SELECT * FROM recommend('99999999999999999999', 1);
SELECT * FROM recommend('', 1);
SELECT * FROM recommend(11, unknown_user => 'nothing');
SELECT * FROM recommend(10, 1, unknown_user => 'nothing');

SELECT * FROM popular_items(4);
SELECT * FROM popular_items();

-- similarity is the cosine, of others only
SELECT item_id, round(similarity::numeric, 4) AS similarity, rank FROM similar_items(3, 10);
SELECT item_id, similarity, rank FROM similar_items('7', 2);
SELECT * FROM similar_items(77);
SELECT * FROM similar_items(NULL::bigint);
SELECT * FROM similar_users(10);
SELECT * FROM similar_users('10', 1);

-- whom an item is for: users without those who have it, whatever their rating there
SELECT * FROM target_users(1);
SELECT * FROM target_users('4', 2);
SELECT * FROM target_users(4, exclude_owners => false);
SELECT * FROM target_users(3);
SELECT * FROM target_users(3, include_users => ARRAY[20, 30, 77, NULL], exclude_users => ARRAY[30]);
SELECT * FROM target_users(77);
SELECT * FROM target_users(NULL::bigint);
BEGIN;
INSERT INTO bought VALUES (20, 1, 1);
SELECT * FROM target_users(1);
ROLLBACK;

SELECT predict(10, 4), predict(20, 3), predict(10, 77), predict(11, 4), predict(NULL, 4), predict(10, NULL);
SELECT predict('10', '4'), predict(10, '4'), predict('10', 4), predict(i, t) FROM (VALUES (10, '4'::text)) v (i, t);
SELECT user_factor('things', 10), user_factor('things', '10'), user_factor('things', 11), user_factor(NULL, 10), user_factor('things', NULL::text);
SELECT item_factor('things', 4), item_factor('things', '4'), item_factor('things', 44), item_factor('things', 'x');
SELECT item_id FROM things ORDER BY factor <#> (SELECT user_factor('things', 20)), item_id LIMIT 3;

-- where it can stand: LATERAL, subqueries, functions, views, materialized views, cursors
SELECT p.user_id, r.* FROM people p, LATERAL recommend(p.user_id, 2) r ORDER BY 1, rank;
SELECT p.user_id, s.user_id, similarity FROM people p LEFT JOIN LATERAL similar_users(p.user_id, 1) s ON true ORDER BY 1;
SELECT (recommend(20, 2)).*;
SELECT recommend(20, 2);
CREATE FUNCTION best(integer) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT item_id FROM recommend($1, 1));
CREATE FUNCTION best_by_loop(customer integer) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	line record;
	found_items text := '';
BEGIN
	FOR line IN SELECT * FROM recommend(customer, 3) LOOP
		found_items := found_items || line.item_id || ' ' || predict(customer, line.item_id) || '; ';
	END LOOP;
	RETURN found_items;
END $$;
SELECT best(10), best(20), best_by_loop(10), best_by_loop(20);
CREATE MATERIALIZED VIEW nightly AS SELECT p.user_id, r.* FROM people p, LATERAL recommend(p.user_id, 2) r;
INSERT INTO bought VALUES (20, 3, 1);
REFRESH MATERIALIZED VIEW nightly;
SELECT * FROM nightly WHERE user_id = 20 ORDER BY rank;
DELETE FROM bought WHERE user_id = 20;
BEGIN;
DECLARE recommended CURSOR FOR SELECT * FROM recommend(20, 3);
FETCH 1 FROM recommended;
SELECT count(*) FROM recommend(10, 3);
FETCH 2 FROM recommended;
COMMIT;

-- a failing call leaves nothing behind in its transaction
BEGIN;
SAVEPOINT before;
SELECT * FROM recommend(10, 0);
ROLLBACK TO before;
SELECT * FROM recommend(10, 1);
COMMIT;

-- a statement is planned once a session, whoever and however many are asked for
SELECT sum((SELECT count(*) FROM recommend(u, k, exclude_seen => false))) FROM generate_series(9, 40) u, generate_series(1, 5) k;
SELECT count(*) FROM pg_backend_memory_contexts
WHERE name = 'CachedPlanSource' AND ident LIKE '%FROM serve_test.things t WHERE true ORDER BY t.factor%';
DISCARD PLANS;
SELECT * FROM recommend(10, 1);

-- many equal scores: the first ids, however many share the score and however they are stored
CREATE TABLE flat_items AS SELECT i AS item_id, '[1,1]'::factor AS factor, NULL::real AS bias, 1 AS n_ratings FROM generate_series(3000, 1, -1) i;
CREATE TABLE flat_users AS SELECT 1 AS user_id, '[1,0]'::factor AS factor, NULL::real AS bias, 1 AS n_ratings;
SELECT register('flat', 'implicit', 2, 'flat_items', 'flat_users', 'bought', 'bought');
SELECT item_id FROM recommend(1, 3, model => 'flat');
SELECT count(*), min(item_id), max(item_id), bool_and(item_id = rank) AS in_order FROM recommend(1, 500, model => 'flat');
SELECT count(*), max(item_id) FROM recommend(1, 3000, model => 'flat');
SELECT count(*), max(item_id) FROM recommend(1, 2147483647, model => 'flat');
SELECT item_id FROM popular_items(2, 'flat');
SELECT item_id FROM similar_items(2, 2, 'flat');

-- Explicit feedback: rows are (factors, user's bias, item's bias), with 1 where the other side has its bias
CREATE TABLE film_items (item_id text PRIMARY KEY, factor factor(3) NOT NULL, bias real, n_ratings integer NOT NULL);
INSERT INTO film_items VALUES ('Alien', '[1,1,0.25]', 0.25, 3), ('Brazil', '[-1,1,-0.5]', -0.5, 2), ('Cube', '[3,1,0]', 0, 5), ('dune', '[1,1,2]', 2, 5);
CREATE TABLE film_users (user_id uuid PRIMARY KEY, factor factor(3) NOT NULL, bias real, n_ratings integer NOT NULL);
INSERT INTO film_users VALUES
	('00000000-0000-0000-0000-00000000000a', '[1,0.5,1]', 0.5, 2), ('00000000-0000-0000-0000-00000000000b', '[-2,0,1]', 0, 2);
CREATE TABLE "Film Grades" ("Who" uuid, "the ""film""" varchar(20), rating real);
INSERT INTO "Film Grades" VALUES ('00000000-0000-0000-0000-00000000000a', 'Cube', 5);
SELECT register('Films "à la carte"', 'explicit', 1, 'film_items', 'film_users', '"Film Grades"', '"Film Grades"', 3, 1, 5,
	user_col => 'Who', item_col => 'the "film"');
SET recmf.model = 'Films "à la carte"';
SELECT * FROM recommend('00000000-0000-0000-0000-00000000000a');
SELECT * FROM recommend('{0000000000000000000000000000000A}', 1, exclude_seen => false);
SELECT * FROM recommend('00000000-0000-0000-0000-00000000000', 1);
SELECT * FROM recommend('00000000-0000-0000-0000-0000000000ag', 1, unknown_user => 'nothing');
SELECT * FROM popular_items(3);
SELECT * FROM target_users('Cube');
SELECT * FROM target_users('Alien', 1);
-- biases have no part in similarity
SELECT item_id, round(similarity::numeric, 4) AS similarity, rank FROM similar_items('Alien');
SELECT user_id, similarity FROM similar_users('00000000-0000-0000-0000-00000000000a');
-- predictions stay within what was seen in training; one side unknown: the mean and the other's bias
SELECT predict(u, 'Alien') AS alien, predict(u, 'Cube') AS cube, predict(u, 'Brazil') AS brazil, predict(u, 'unknown') AS unknown
FROM unnest(ARRAY['00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b', 'unknown', NULL]) u;
SELECT user_factor('Films "à la carte"', '00000000-0000-0000-0000-00000000000b'), item_factor('Films "à la carte"', 'Alien');
RESET recmf.model;

-- a source that is a query is read under the search path that it was trained with, whoever calls
SELECT register('by query', 'implicit', 2, 'things', 'people', 'SELECT user_id AS u, item_id AS i, rating FROM bought -- all', NULL, user_col => 'u', item_col => 'i');
-- nothing depends on the caller's search path
CREATE SCHEMA serve_hostile;
CREATE FUNCTION serve_hostile.never(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile operator called'; END $$;
CREATE FUNCTION serve_hostile.never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile operator called'; END $$;
CREATE FUNCTION serve_hostile.never(factor, factor) RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile operator called'; END $$;
CREATE OPERATOR serve_hostile.= (FUNCTION = serve_hostile.never, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR serve_hostile.<> (FUNCTION = serve_hostile.never, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR serve_hostile.= (FUNCTION = serve_hostile.never, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR serve_hostile.<#> (FUNCTION = serve_hostile.never, LEFTARG = factor, RIGHTARG = factor);
CREATE OPERATOR serve_hostile.<=> (FUNCTION = serve_hostile.never, LEFTARG = factor, RIGHTARG = factor);
CREATE FUNCTION serve_hostile.unnest(integer[]) RETURNS SETOF integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile function called'; END $$;
SET search_path = serve_hostile, pg_catalog, public;
SELECT * FROM recommend(10, 3, model => 'things', exclude_items => ARRAY[6]);
SELECT * FROM recommend(10, 3, model => 'by query', exclude_items => ARRAY[6]);
SELECT item_id FROM recommend_for(ARRAY['Cube'], ARRAY[4], model => 'Films "à la carte"');
SELECT item_id FROM similar_items(1, 2, model => 'things');
SELECT * FROM popular_items(1, model => 'things');
SELECT current_setting('search_path');
SET search_path = serve_test, public;

-- a source whose code relies on the caller's search path works as in the caller's own query
CREATE TABLE shop_of_session (shop integer);
INSERT INTO shop_of_session VALUES (1);
CREATE FUNCTION my_shop() RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT shop FROM shop_of_session); END $$;
CREATE VIEW bought_here AS SELECT b.* FROM bought b WHERE my_shop() = 1;
SELECT register('by view', 'implicit', 2, 'things', 'people', 'bought_here', 'bought_here');
SELECT * FROM recommend(10, 1, model => 'by view');
DROP VIEW bought_here;

-- the source may itself use serving functions; a plan that is running outlasts more statements than a session keeps
CREATE TABLE churn_0 AS SELECT * FROM things;
SELECT register('churn', 'implicit', 2, 'churn_0', 'people', 'bought', 'bought');
CREATE FUNCTION churn() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	name text := 'churn_0';
BEGIN
	FOR i IN 1..150 LOOP
		EXECUTE format('ALTER TABLE %I RENAME TO %I', name, 'churn_' || i);
		name := 'churn_' || i;
		IF (SELECT array_agg(item_id ORDER BY rank) FROM recommend(10, 2, 'churn')) <> '{1,6}' THEN
			RAISE 'wrong';
		END IF;
	END LOOP;
	EXECUTE format('ALTER TABLE %I RENAME TO churn_0', name);
	RETURN true;
END $$;
CREATE FUNCTION taste() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT count(*) = 2 FROM recommend(10, 2, 'things') $$;
CREATE VIEW bought_slowly AS SELECT b.* FROM bought b WHERE (SELECT churn()) AND (SELECT taste());
SELECT register('nested', 'implicit', 2, 'things', 'people', 'bought_slowly', 'bought_slowly');
SELECT * FROM recommend(10, 2, 'nested');
SELECT * FROM recommend(10, 2, 'nested');
SELECT * FROM recommend(10, 2, 'things');
-- and what it keeps is bounded
SELECT count(*) BETWEEN 100 AND 128 AS bounded FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident LIKE '%.churn_%';
-- endless recursion ends as any
CREATE FUNCTION endless() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT count(*) = 2 FROM recommend(10, 2, 'endless') $$;
CREATE VIEW bought_endlessly AS SELECT b.* FROM bought b WHERE (SELECT endless());
SELECT register('endless', 'implicit', 2, 'things', 'people', 'bought_endlessly', 'bought_endlessly');
\set VERBOSITY sqlstate
SELECT * FROM recommend(10, 2, 'endless');
\set VERBOSITY default
SELECT * FROM recommend(10, 2, 'things');
DROP VIEW bought_slowly, bought_endlessly;

-- cancelled by a timeout, and again
SET statement_timeout = '50ms';
\set VERBOSITY terse
SELECT count(*) FROM generate_series(1, 100000) g, LATERAL recommend(g, 3, 'flat', exclude_seen => false);
\set VERBOSITY default
RESET statement_timeout;
SELECT count(*) FROM recommend(1, 3, 'flat');

-- renamed tables and schemas, and changed columns, are followed
ALTER TABLE things RENAME TO "Things";
ALTER TABLE people SET SCHEMA serve_hostile;
ALTER TABLE bought ALTER COLUMN user_id TYPE bigint, ALTER COLUMN item_id TYPE smallint;
SELECT * FROM recommend(10, 2, model => 'things');
SELECT * FROM recommend(10, 2, model => 'by query');

-- Folding in.  With alpha 2 and a mean of 1, unobserved entries weigh 1/2; with regularization 1/2, for item 4 = (2,0):
-- (1/2 G + 4 0; 0 0 + 1/2 I) x = 3/2 (2,0), G = 9 1; 1 2, so x = (0.3396, -0.1132).
UPDATE recmf_models SET gram_items = (
	SELECT ARRAY[sum(a[1] * a[1]), sum(a[1] * a[2]), sum(a[1] * a[2]), sum(a[2] * a[2])] FROM "Things", LATERAL (SELECT factor::real[]) f (a))
WHERE model = 'things';
SELECT item_id, round(score::numeric, 4) AS score, rank FROM recommend_for(ARRAY[4], model => 'things');
SELECT (SELECT array_agg(f ORDER BY rank) FROM recommend_for(ARRAY[4, 2, 4], ARRAY[1, 1, 2], model => 'things') f)
	 = (SELECT array_agg(f ORDER BY rank) FROM recommend_for(ARRAY[2, 4], ARRAY[1, 3], model => 'things') f) AS duplicates_add_up;
SELECT (SELECT array_agg(f ORDER BY rank) FROM recommend_for('{4,2}'::text[], '{3,1}', model => 'things') f)::text
	 = (SELECT array_agg(f ORDER BY rank) FROM recommend_for(ARRAY[2, 4], ARRAY[1, 3], model => 'things') f)::text AS text_form_too;
-- nothing usable in the basket: the most rated items, without those given
SELECT * FROM recommend_for(ARRAY[77], k => 2, model => 'things');
SELECT * FROM recommend_for(ARRAY[5], ARRAY[0], 1, 'things');
SELECT * FROM recommend_for(ARRAY[5], ARRAY[NULL]::float8[], 1, 'things');
SELECT * FROM recommend_for('{}'::bigint[], k => 1, model => 'things', exclude_items => ARRAY[3, 5]);
SELECT * FROM recommend_for(NULL::bigint[], k => 1, model => 'things');
-- the given items, the excluded ones and what is not known
SELECT item_id FROM recommend_for(ARRAY[4, NULL, 77], ARRAY[1, 5, 6], model => 'things', exclude_items => ARRAY[3, NULL, 78]);
-- explicit feedback: (10.5 4; 4 2.5) (x, b) = (6.75, 2.75), so the factor is 0.573 and the bias 0.183
SELECT item_id, round(score::numeric, 3) AS score FROM recommend_for(ARRAY['Cube', 'Alien'], ARRAY[5, 4], model => 'Films "à la carte"');
SELECT (SELECT array_agg(f ORDER BY rank) FROM recommend_for(ARRAY['Cube', 'Cube'], ARRAY[5, 2], model => 'Films "à la carte"') f)
	 = (SELECT array_agg(f ORDER BY rank) FROM recommend_for(ARRAY['Cube'], ARRAY[3.5], model => 'Films "à la carte"') f) AS duplicates_averaged;

SET client_min_messages = warning;
DELETE FROM recmf_model_names WHERE model IN ('things', 'flat', 'Films "à la carte"', 'by query', 'by view', 'churn', 'nested', 'endless');
DROP SCHEMA serve_test, serve_hostile CASCADE;
