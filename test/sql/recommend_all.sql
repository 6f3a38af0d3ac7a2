-- recommend_all(): for every user what recommend() gives him, to the last digit and the last tie
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA recommend_all_test;
SET search_path = recommend_all_test, public;

-- 700 users, more than are read at a time; pairs of items that the same users have, so that scores are equal
CREATE TABLE ratings AS
SELECT u AS user_id, i AS item_id, 1 + u * (i / 2) % 5 AS rating
FROM generate_series(1, 700) u, generate_series(1, 90) i
WHERE (u::bigint * 7919 + (i / 2) * 104729) % 100 < CASE WHEN u % 3 = (i / 2) % 3 THEN 45 ELSE 3 END;
CREATE INDEX ON ratings (user_id, item_id);
CREATE TABLE with_text AS SELECT user_id, 'P' || item_id AS item_id, rating FROM ratings;
CREATE INDEX ON with_text (user_id, item_id);
CREATE TABLE with_uuid AS SELECT md5(user_id::text)::uuid AS user_id, (item_id * 3)::smallint AS item_id, rating FROM ratings WHERE user_id <= 100;
ANALYZE;
SELECT users, items FROM train_model('implicit', 'ratings', factors => 8, iterations => 3);
SELECT users, items FROM train_model('explicit', 'ratings', feedback => 'explicit', factors => 5, iterations => 3);
SELECT users, items FROM train_model('logistic', 'ratings', feedback => 'logistic', factors => 8, iterations => 2);
SELECT users, items FROM train_model('texts', 'with_text', factors => 8, iterations => 3);
SELECT users, items FROM train_model('uuids', 'with_uuid', feedback => 'explicit', factors => 3, iterations => 3);
SELECT users, items FROM train_model('query', 'SELECT * FROM ratings WHERE item_id > 3 -- a comment', factors => 4, iterations => 2);

-- how often it differs from recommend()
CREATE FUNCTION differences(model text, k integer, exclude_seen boolean DEFAULT true, lowest float8 DEFAULT NULL, wanted text DEFAULT NULL,
	OUT lists bigint, OUT missing bigint, OUT wrong bigint)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TEMP TABLE one AS SELECT u.user_id::text, r.item_id, r.score, r.rank
		FROM (SELECT user_id FROM %I%s) u, LATERAL recommend(u.user_id::text, $1, model => $2, exclude_seen => $3) r
		WHERE r.score >= coalesce($4, ''-infinity'')', model || '_users',
		coalesce(' WHERE user_id::text IN (SELECT w.id::text FROM (' || wanted || ') w(id))', ''))
	USING k, model, exclude_seen, lowest;
	CREATE TEMP TABLE two AS SELECT * FROM recommend_all_text(model, k, wanted, exclude_seen, lowest);
	SELECT count(DISTINCT user_id) INTO lists FROM two;
	SELECT count(*) INTO missing FROM (TABLE one EXCEPT ALL TABLE two) d;
	SELECT count(*) INTO wrong FROM (TABLE two EXCEPT ALL TABLE one) d;
	DROP TABLE one, two;
END $$;
SELECT model, k, seen, d.* FROM unnest(ARRAY['implicit', 'explicit', 'logistic', 'texts', 'uuids', 'query']) model,
	unnest(ARRAY[3, 1000]) k, unnest(ARRAY[true, false]) seen, differences(model, k, seen) d
ORDER BY model COLLATE "C", k, seen;
-- there are ties
SELECT count(*) > 100 AS ties FROM recommend_all('implicit', 90, exclude_seen => false) a
	JOIN recommend_all('implicit', 90, exclude_seen => false) b ON b.user_id = a.user_id AND b.rank = a.rank + 1 AND b.score = a.score AND b.item_id > a.item_id;
SELECT count(*) AS wrong_order FROM (
	SELECT user_id, item_id, score, rank, lag(user_id) OVER w AS before, lag(rank) OVER w AS rank_before
	FROM recommend_all('implicit', 7) WITH ORDINALITY WINDOW w AS (ORDER BY ordinality)) r
WHERE user_id < before OR rank <> CASE WHEN user_id = before THEN rank_before + 1 ELSE 1 END;
-- a least score, one that there is among them
SELECT score AS lowest FROM recommend_all('implicit', 10, users => 'SELECT 42') WHERE rank = 4 \gset
SELECT max(rank) BETWEEN 4 AND 6 AS that_too FROM recommend_all('implicit', 10, users => 'SELECT 42;', min_score => :lowest);
SELECT model, seen, missing, wrong FROM unnest(ARRAY['implicit', 'explicit', 'logistic', 'texts']) model, unnest(ARRAY[true, false]) seen,
	unnest(ARRAY[-1, 0.3, :lowest]::float8[]) lowest, differences(model, 10, seen, lowest) ORDER BY model COLLATE "C", seen, lowest;
SELECT count(*) FROM recommend_all('implicit', min_score => 'infinity');
SELECT count(*) = 7000 AS all FROM recommend_all('implicit', min_score => '-infinity');
-- the users of a query; twice, unknown or NULL doesn't matter
SELECT model, d.* FROM (VALUES ('implicit', 'SELECT g FROM generate_series(-5, 30) g'), ('implicit', 'VALUES (5), (NULL), (5), (701)'),
	('implicit', 'SELECT user_id FROM ratings WHERE user_id > 300 ORDER BY random()'), ('implicit', 'SELECT 7::bigint'), ('implicit', 'SELECT ''7''::text'),
	('implicit', 'SELECT 1 WHERE false'), ('texts', 'SELECT 99::smallint'), ('uuids', 'SELECT md5(''7'')::uuid'), ('uuids', 'SELECT md5(''7'')::uuid::text'),
	('query', 'SELECT user_id FROM ratings WHERE user_id % 10 = 0')) v(model, wanted), differences(model, 5, wanted => wanted) d;
SELECT * FROM recommend_all('implicit', 1, users => 'SELECT 701');
-- the forms say the same
SELECT count(*) AS different FROM (SELECT user_id::text, item_id::text, score, rank FROM recommend_all('explicit', 20) EXCEPT SELECT * FROM recommend_all_text('explicit', 20)) d;
CREATE FUNCTION pg_temp.recommend_all_of(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM recommend_all($1)';
SELECT pg_temp.recommend_all_of('implicit');
SELECT count(*) FROM recommend_all(NULL::text);
SET recmf.model = 'implicit';
SELECT count(*) FROM recommend_all(NULL::text);
RESET recmf.model;

-- what is seen is live: duplicates, NULLs, items and users that the model doesn't know, users who have everything
BEGIN;
INSERT INTO ratings SELECT 5, i, NULL FROM generate_series(1, 90) i, generate_series(1, 5);
INSERT INTO ratings SELECT u, i, 1 FROM generate_series(695, 705) u, generate_series(1, 88) i;
INSERT INTO ratings VALUES (NULL, 1, 1), (6, NULL, 1), (6, 99999, 1), (-7, 1, 1), (99999, 2, 1);
SELECT user_id, count(*) FROM recommend_all('implicit', 90) WHERE user_id IN (4, 5, 700) GROUP BY 1 ORDER BY 1;
SELECT * FROM differences('implicit', 10);
SELECT * FROM differences('implicit', 10, wanted => 'SELECT generate_series(1, 20)');
SELECT * FROM differences('implicit', 10, wanted => 'VALUES (5)');
-- without an index, and without rows
DROP INDEX ratings_user_id_item_id_idx;
SELECT * FROM differences('implicit', 10);
SELECT * FROM differences('implicit', 10, wanted => 'VALUES (5), (6), (300)');
TRUNCATE ratings;
SELECT * FROM differences('implicit', 10);
ROLLBACK;
-- columns of other types than at the training, and gone
BEGIN;
ALTER TABLE ratings ALTER user_id TYPE bigint, ALTER item_id TYPE smallint;
INSERT INTO ratings VALUES (1::bigint << 40, 1, 1);
SELECT * FROM differences('implicit', 10);
SELECT * FROM differences('implicit', 10, wanted => 'VALUES (5), (6), (300)');
ALTER TABLE ratings ALTER item_id TYPE text;
SELECT count(*) FROM recommend_all('implicit');
ROLLBACK;
BEGIN;
DROP TABLE ratings CASCADE;
SAVEPOINT dropped;
SELECT count(*) FROM recommend_all('implicit');
ROLLBACK TO dropped;
SELECT count(*) FROM recommend_all('implicit', exclude_seen => false);
ROLLBACK;
-- a temporary source, and a function in it that may not run in a worker
CREATE TEMP TABLE basket AS SELECT * FROM ratings WHERE user_id < 50;
CREATE FUNCTION one() RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS 'BEGIN RETURN 1; END';
SELECT users, items FROM train_model('basket', 'SELECT user_id, item_id, rating * one() AS rating FROM basket', factors => 3, iterations => 2);
SELECT * FROM differences('basket', 10);

-- from a value: as recommend() has it from the value
CREATE TABLE models AS
SELECT feedback || '' AS name, mf_train(user_id, item_id, rating, jsonb_build_object('feedback', feedback, 'factors', 5, 'iterations', 3)) AS model
FROM ratings, unnest(ARRAY['explicit', 'implicit', 'logistic']) feedback GROUP BY 1
UNION ALL SELECT 'texts', mf_train(user_id, item_id, rating, '{"factors": 4, "iterations": 2}') FROM with_text;
SELECT name, seen, lowest, (SELECT count(*) > 0 FROM recommend_all_text(model, 10, seen, lowest)) AS any,
	(SELECT count(*) FROM (
		SELECT u.user_id, r.* FROM user_factors(model) u, recommend(model, u.user_id, 10, seen) r WHERE r.score >= lowest
		EXCEPT ALL SELECT * FROM recommend_all_text(model, 10, seen, lowest)) d) AS missing,
	(SELECT count(*) FROM (
		SELECT * FROM recommend_all_text(model, 10, seen, lowest)
		EXCEPT ALL SELECT u.user_id, r.* FROM user_factors(model) u, recommend(model, u.user_id, 10, seen) r) d) AS wrong
FROM models, unnest(ARRAY[true, false]) seen, unnest(ARRAY[-100, 0.4]::float8[]) lowest
ORDER BY name, seen, lowest;
SELECT count(*) AS different FROM models, LATERAL (
	SELECT user_id::text, item_id::text, score, rank FROM recommend_all(model) EXCEPT SELECT * FROM recommend_all_text(model)) d WHERE name = 'implicit';
SELECT count(*) FROM recommend_all(NULL::mf_model);
SELECT count(*) FROM models, recommend_all(model, 1000, false) WHERE name = 'logistic';

-- every night
CREATE MATERIALIZED VIEW nightly AS SELECT * FROM recommend_all('implicit', 10);
CREATE UNIQUE INDEX ON nightly (user_id, rank);
SELECT count(*) FROM nightly;
INSERT INTO ratings SELECT user_id, item_id, 1 FROM nightly WHERE rank = 1 AND user_id <= 50;
REFRESH MATERIALIZED VIEW CONCURRENTLY nightly;
SELECT count(*), count(*) FILTER (WHERE r.item_id IS NOT NULL) AS seen FROM nightly n LEFT JOIN ratings r USING (user_id, item_id);
SELECT rank, score = (SELECT score FROM recommend(1, 1, 'implicit')) AS same FROM nightly WHERE user_id = 1 AND rank = 1;

-- errors
SELECT recommend_all('nobody');
SELECT recommend_all('texts', 3);
SELECT count(*) FROM models, recommend_all(model, 3) WHERE name = 'texts';
SELECT recommend_all('implicit', 0);
SELECT recommend_all('implicit', NULL);
SELECT recommend_all('implicit', exclude_seen => NULL);
SELECT recommend_all('implicit', min_score => 'NaN');
SELECT recommend_all(model, 0) FROM models WHERE name = 'implicit';
SELECT recommend_all(model, 1, NULL) FROM models WHERE name = 'implicit';
SELECT recommend_all('implicit', users => 'DELETE FROM ratings RETURNING user_id');
SELECT recommend_all('implicit', users => 'SELECT 1; SELECT 2');
SELECT recommend_all('implicit', users => 'SELECT user_id, item_id FROM ratings');
SELECT recommend_all('implicit', users => 'SELECT 1.5');
SELECT recommend_all('implicit', users => 'SELECT now()');
SELECT recommend_all('implicit', users => 'SELECT 1 FROM nothing_of_that_name');
SELECT recommend_all('implicit', users => 'ratings');
SELECT recommend_all('uuids');
-- nothing may write
CREATE FUNCTION write() RETURNS integer LANGUAGE plpgsql AS 'BEGIN DELETE FROM ratings; RETURN 1; END';
SELECT recommend_all('implicit', users => 'SELECT write()');
SELECT count(*) > 10000 AS there FROM ratings;
CREATE TABLE still_writes ();
-- a factor of other dimensions
BEGIN;
DROP VIEW implicit_users;
DROP INDEX implicit_users_1_factor_idx;
ALTER TABLE implicit_users_1 ALTER factor TYPE factor;
UPDATE implicit_users_1 SET factor = '[1]' WHERE user_id = 600;
SELECT count(*) FROM recommend_all('implicit');
ROLLBACK;

-- privileges and row security are the caller's
CREATE ROLE recmf_all_customer;
GRANT USAGE ON SCHEMA recommend_all_test TO recmf_all_customer;
SET ROLE recmf_all_customer;
SELECT recommend_all('implicit');
RESET ROLE;
GRANT SELECT ON implicit_users_1, implicit_items_1 TO recmf_all_customer;
SET ROLE recmf_all_customer;
SELECT recommend_all('implicit');
SELECT count(*) FROM recommend_all('implicit', exclude_seen => false);
SELECT recommend_all('implicit', exclude_seen => false, users => 'SELECT user_id FROM recommend_all_test.with_text');
RESET ROLE;
GRANT SELECT ON ratings TO recmf_all_customer;
CREATE POLICY own ON implicit_users_1 USING (user_id <= 10);
ALTER TABLE implicit_users_1 ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON implicit_items_1 USING (item_id <= 80);
ALTER TABLE implicit_items_1 ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON ratings USING (item_id > 20);
ALTER TABLE ratings ENABLE ROW LEVEL SECURITY;
SET ROLE recmf_all_customer;
SELECT count(*), max(user_id) AS user_id, max(item_id) <= 80 AS items, min(item_id) <= 20 AS some_seen FROM recommend_all('implicit', 80);
SELECT count(*) AS different FROM (SELECT * FROM recommend_all('implicit', 80) EXCEPT
	SELECT u::bigint, r.* FROM generate_series(1, 10) u, LATERAL recommend(u, 80, 'implicit') r) d;
RESET ROLE;

SELECT count(*) FROM unnest(ARRAY['implicit', 'explicit', 'logistic', 'texts', 'uuids', 'query', 'basket']) m, drop_model(m);
SET client_min_messages = warning;
DROP OWNED BY recmf_all_customer;
DROP ROLE recmf_all_customer;
DROP SCHEMA recommend_all_test CASCADE;
