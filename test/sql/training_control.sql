-- train_model: warm start, validation, time limit, and what recmf_progress shows of it
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA control_test;
SET search_path = control_test, public;
RESET client_min_messages;

-- three kinds of users and of items, users like their own kind; night 0 is all but a few percent
CREATE TABLE orders AS
SELECT u AS user_id, i AS item_id, 1 + (u + i) % 3 AS rating, (u > 290 OR i > 58 OR (u * 31 + i * 7) % 50 = 0)::integer AS night
FROM generate_series(1, 300) u, generate_series(1, 60) i
WHERE (u::bigint * 7919 + i * 104729) % 100 < CASE WHEN u % 3 = i % 3 THEN 45 ELSE 3 END;
CREATE INDEX ON orders (user_id);
CREATE VIEW first_night AS SELECT user_id, item_id, rating FROM orders WHERE night = 0;
CREATE FUNCTION fingerprint(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(t::text, '','' ORDER BY t::text COLLATE "C")) FROM %s t', relation) INTO result;
	RETURN result;
END $$;

-- ------------------------------------------------------------------------
-- warm start
-- ------------------------------------------------------------------------

-- the first night there is nothing to start from
SELECT version, users, items, array_length(loss, 1) AS iterations FROM train_model('shop', 'first_night', factors => 8, warm_start => true);
SELECT metrics FROM recmf_models WHERE model = 'shop';

-- the next night: three iterations bring new users and items in, at the loss of a cold start's sixteen
SELECT version, users, items, array_length(loss, 1) AS iterations, loss[3] AS warm_loss
FROM train_model('shop', 'orders', factors => 8, warm_start => true) \gset warm_
SELECT :warm_version AS version, :warm_users AS users, :warm_items AS items, :warm_iterations AS iterations;
SELECT metrics, settings ->> 'iterations' AS iterations FROM recmf_models WHERE model = 'shop' AND active;
SELECT loss[16] AS loss, loss[3] AS early FROM train_model('cold', 'orders', factors => 8) \gset cold_
SELECT abs(:warm_warm_loss / :cold_loss - 1) < 0.002 AS as_low_as_cold, :warm_warm_loss < :cold_early AS lower_than_three_cold;
-- new users are recommended what their kind likes
SELECT count(*) AS warm, count(*) FILTER (WHERE user_id % 3 = item_id % 3) AS own_kind
FROM generate_series(291, 300) user_id, LATERAL recommend(user_id, 5, 'shop') \gset warm_
SELECT count(*) FILTER (WHERE user_id % 3 = item_id % 3) AS own_kind
FROM generate_series(291, 300) user_id, LATERAL recommend(user_id, 5, 'cold') \gset cold_
SELECT :warm_warm AS recommended, :warm_own_kind > 0.6 * :warm_warm AS own_kind, :warm_own_kind >= 0.9 * :cold_own_kind AS like_cold;

-- the same steps give the same bits
SELECT version FROM train_model('again', 'SELECT * FROM first_night ORDER BY random()', factors => 8);
SELECT version FROM train_model('again', 'SELECT * FROM orders ORDER BY random()', factors => 8, options => '{"warm_start": true}');
SELECT fingerprint('again_items') = fingerprint('shop_items') AS same_items, fingerprint('again_users') = fingerprint('shop_users') AS same_users;

-- factors are those of before unless given; iterations are what is asked for; users and items may go
SELECT version, users, items, array_length(loss, 1) AS iterations
FROM train_model('shop', 'SELECT * FROM orders WHERE user_id > 100 AND item_id > 10', warm_start => true, iterations => 2);
SELECT DISTINCT dimensions(factor) FROM shop_users;
SELECT metrics -> 'started_from' AS started_from FROM recmf_models WHERE model = 'shop' AND active;

-- explicit feedback, biases and all
SELECT version FROM train_model('stars', 'first_night', feedback => 'explicit', factors => 4);
SELECT loss[3] AS loss FROM train_model('stars', 'orders', feedback => 'explicit', factors => 4, warm_start => true) \gset warm_
SELECT loss[8] AS loss FROM train_model('cold', 'orders', feedback => 'explicit', factors => 4) \gset cold_
SELECT abs(:warm_loss / :cold_loss - 1) < 0.02 AS as_low_as_cold;

-- logistic feedback
SELECT version FROM train_model('odds', 'first_night', feedback => 'logistic', factors => 4);
SELECT loss[3] AS loss, users FROM train_model('odds', 'orders', feedback => 'logistic', warm_start => true) \gset warm_
SELECT loss[cardinality(loss)] AS loss FROM train_model('cold', 'orders', feedback => 'logistic', factors => 4) \gset cold_
SELECT :warm_users AS users, :warm_loss / :cold_loss < 1.02 AS as_low_as_cold;

-- non-negative factors from others: those below 0 begin at 0
SELECT version FROM train_model('positive', 'first_night', factors => 4) \gset
SELECT min(f) < 0 AS negative FROM positive_users, LATERAL unnest(factor::real[]) f;
SELECT loss[3] AS loss FROM train_model('positive', 'orders', warm_start => true, options => '{"nonnegative": true}') \gset warm_
SELECT loss[16] AS loss FROM train_model('cold', 'orders', factors => 4, options => '{"nonnegative": true}') \gset cold_
SELECT min(f) < 0 AS negative, max(f) > 0 AS positive, :warm_loss / :cold_loss < 1.05 AS near_cold
FROM positive_users, LATERAL unnest(factor::real[]) f;

-- text ids
SELECT version FROM train_model('texts', 'SELECT user_id::text, md5(item_id::text)::uuid AS item_id, rating FROM first_night', factors => 8);
SELECT version, abs(loss[3] / :warm_warm_loss - 1) < 0.002 AS near
FROM train_model('texts', 'SELECT user_id::text, md5(item_id::text)::uuid AS item_id, rating FROM orders', warm_start => true);

-- what the old model does not fit
SELECT train_model('shop', 'orders', warm_start => true, factors => 16);
SELECT train_model('shop', 'orders', warm_start => true, feedback => 'explicit');
SELECT train_model('shop', 'SELECT user_id::text, item_id, rating FROM orders', warm_start => true);
-- other users altogether: a warning
SELECT version FROM train_model('again', 'SELECT user_id + 1000 AS user_id, item_id, rating FROM orders', warm_start => true);
-- factors that are gone
DROP TABLE again_items_3 CASCADE;
SELECT train_model('again', 'orders', warm_start => true);
SELECT version FROM train_model('again', 'orders', factors => 4, warm_start => false);
-- and factors that are not what training wrote
DROP VIEW again_users;
DROP INDEX again_users_4_factor_idx;
ALTER TABLE again_users_4 ALTER COLUMN factor TYPE factor;
UPDATE again_users_4 SET factor = '[1,2]' WHERE user_id = 7;
SELECT train_model('again', 'orders', warm_start => true);
SELECT version, active FROM recmf_models WHERE model = 'again' AND active;

-- the registry is the owner's to write: what it names is looked at before it is read
CREATE ROLE control_test_owner;
GRANT USAGE, CREATE ON SCHEMA control_test TO control_test_owner;
GRANT SELECT ON orders TO control_test_owner;
SET ROLE control_test_owner;
SELECT version FROM train_model('bait', 'orders', factors => 4, iterations => 1);
CREATE FUNCTION spring(factor) RETURNS factor LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung as %', current_user; END $$;
CREATE VIEW bait_trap AS SELECT user_id, spring(factor) AS factor, bias, n_ratings FROM bait_users_1;
UPDATE recmf_models SET users = 'bait_trap' WHERE model = 'bait';
RESET ROLE;
SELECT train_model('bait', 'orders', warm_start => true);
DROP VIEW bait_trap;
SELECT drop_model('bait');

-- ------------------------------------------------------------------------
-- validation
-- ------------------------------------------------------------------------

SELECT version, ratings FROM train_model('valid', 'orders', factors => 8, validation_fraction => 0.1, iterations => 12, patience => 12) \gset
CREATE VIEW validation AS
SELECT model, version, settings ->> 'validation_fraction' AS fraction, settings ->> 'patience' AS patience,
	   metrics ->> 'ended' AS ended, (metrics ->> 'iterations')::integer AS iterations, (metrics ->> 'best_iteration')::integer AS best,
	   metrics #>> '{validation,metric}' AS metric, (metrics #>> '{validation,ratings}')::integer AS held_out,
	   ARRAY(SELECT v::float8 FROM jsonb_array_elements_text(metrics #> '{validation,values}') v) AS "values", loss, n_ratings
FROM recmf_models WHERE active;
SELECT fraction, patience, ended, iterations, cardinality("values") AS n_values, cardinality(loss) AS losses, metric,
	   n_ratings = (SELECT count(*) FROM orders) AS all_ratings, held_out / n_ratings::float BETWEEN 0.07 AND 0.11 AS tenth,
	   "values"[best] = (SELECT max(v) FROM unnest("values") v) AS best_kept, "values"[best] > 0.2 AS learns
FROM validation WHERE model = 'valid';
-- nobody is left without a factor; what was held out counts as theirs
SELECT min(l2_norm(factor)) > 0 AS all_have_one, count(*) AS users, sum(n_ratings) = (SELECT count(*) FROM orders) AS all_ratings FROM valid_users;
SELECT min(l2_norm(factor)) > 0 AS all_have_one, count(*) AS items, sum(n_ratings) = (SELECT count(*) FROM orders) AS all_ratings FROM valid_items;

-- the best iteration's factors are what was kept: as many iterations give the same bits
SELECT best FROM validation WHERE model = 'valid' \gset
SELECT ratings FROM train_model('best', 'SELECT * FROM orders ORDER BY random()', factors => 8, validation_fraction => 0.1, iterations => :best) \gset
SELECT fingerprint('best_items') = fingerprint('valid_items') AS same_items, fingerprint('best_users') = fingerprint('valid_users') AS same_users;

-- patience ends it early, and changes nothing else
SELECT ratings FROM train_model('early', 'orders', factors => 8, options => '{"validation_fraction": 0.1, "patience": 1, "iterations": 1000}') \gset
SELECT e.ended, e.iterations < 1000 AS early, e.iterations = e.best + 1 AS one_more, e."values" = v."values"[:e.iterations] AS same_values
FROM validation e, (SELECT "values" FROM validation WHERE model = 'valid') v WHERE model = 'early';

-- explicit: RMSE, the lower the better
SELECT ratings FROM train_model('early', 'orders', feedback => 'explicit', factors => 8, validation_fraction => 0.2) \gset
SELECT metric, patience, "values"[best] = (SELECT min(v) FROM unnest("values") v) AS best_kept, "values"[best] < 1 AS learns
FROM validation WHERE model = 'early';

-- logistic: as for implicit feedback
SELECT ratings FROM train_model('early', 'orders', feedback => 'logistic', factors => 8, validation_fraction => 0.1) \gset
SELECT metric, "values"[best] = (SELECT max(v) FROM unnest("values") v) AS best_kept, "values"[best] > 0.2 AS learns
FROM validation WHERE model = 'early';
-- with weights
SELECT ratings FROM train_model('early', 'SELECT *, 1 + user_id % 2 AS weight FROM orders', feedback => 'explicit', factors => 8,
	weight_col => 'weight', validation_fraction => 0.2) \gset
SELECT metric, "values"[best] < 1 AS learns FROM validation WHERE model = 'early';

-- with a warm start
SELECT ratings FROM train_model('valid', 'orders', validation_fraction => 0.1, warm_start => true) \gset
SELECT iterations, "values"[best] > 0.2 AS learns FROM validation WHERE model = 'valid';

-- ratings in temporary files: the same are held out, and the same comes of it
CREATE TABLE many AS
SELECT u AS user_id, i AS item_id, (1 + (u * i) % 5)::real AS rating, 1 + (u + i) % 3 AS weight
FROM generate_series(1, 1000) u, generate_series(1, 400) i WHERE (u * 7919 + i * 104729) % 100 < 60 OR i = 7 OR u = 77;
CREATE INDEX ON many (user_id, item_id);
CREATE PROCEDURE held_out_in(memory text, feedback text, weight_col text) LANGUAGE plpgsql AS $$
DECLARE
	in_memory record;
	in_files record;
	fingerprints text;
BEGIN
	PERFORM train_model('early', 'many', feedback => feedback, weight_col => weight_col, factors => 4, iterations => 3, validation_fraction => 0.2);
	SELECT "values", held_out INTO in_memory FROM validation WHERE model = 'early';
	fingerprints := fingerprint('early_items') || fingerprint('early_users');
	PERFORM set_config('recmf.training_memory', memory, true);
	PERFORM train_model('early', 'many', feedback => feedback, weight_col => weight_col, factors => 4, iterations => 3, validation_fraction => 0.2);
	SELECT "values", held_out INTO in_files FROM validation WHERE model = 'early';
	RAISE NOTICE '% %: the same factors %, the same validation %', feedback, weight_col,
		fingerprint('early_items') || fingerprint('early_users') = fingerprints, in_files = in_memory;
END $$;
CALL held_out_in('4MB', 'explicit', NULL);
CALL held_out_in('4MB', 'explicit', 'weight');
CALL held_out_in('4MB', 'implicit', NULL);
CALL held_out_in('4MB', 'implicit', 'weight');
CALL held_out_in('4MB', 'logistic', NULL);
-- (so much memory is too little, indeed)
SET recmf.training_memory = '4MB';
SET temp_file_limit = '64kB';
\set VERBOSITY sqlstate
SELECT train_model('early', 'many', factors => 4, validation_fraction => 0.2);
\set VERBOSITY default
RESET temp_file_limit;
RESET recmf.training_memory;
-- too few to hold out
SELECT ratings FROM train_model('early', 'SELECT 1 AS user_id, i AS item_id, 1 AS rating FROM generate_series(1, 5) i', validation_fraction => 0.5);
SELECT fraction, metric, iterations, best FROM validation WHERE model = 'early';
-- none wanted
SELECT ratings FROM train_model('early', 'orders', factors => 4, validation_fraction => 0, patience => 2) \gset
SELECT fraction, metric, iterations, best FROM validation WHERE model = 'early';

-- the aggregate: validated likewise, and what was held out is not recommended
CREATE TABLE value AS SELECT mf_train(user_id, item_id, rating, '{"factors": 8, "validation_fraction": 0.1, "iterations": 12, "patience": 12}') AS model FROM orders;
SELECT i.ratings = (SELECT count(*) FROM orders) AS all_ratings,
	   (SELECT count(*) FROM value, generate_series(1, 300) u, LATERAL recommend(model, u, 60) r, orders o WHERE o.user_id = u AND o.item_id = r.item_id) AS known_recommended,
	   (SELECT count(*) FROM user_factors(model) f JOIN best_users u ON u.user_id = f.user_id::integer WHERE u.factor = f.factor) AS same_users
FROM value, LATERAL model_info(model) i;

-- ------------------------------------------------------------------------
-- time limit
-- ------------------------------------------------------------------------

SELECT cardinality(loss) FROM train_model('short', 'orders', factors => 8, iterations => 500, time_limit => '1 microsecond');
SELECT metrics FROM recmf_models WHERE model = 'short' AND active;
SELECT count(*) FROM recommend(1, 5, 'short');
SELECT cardinality(loss) FROM train_model('short', 'orders', factors => 8, options => '{"time_limit": 0.000001}');
SELECT cardinality(loss) FROM train_model('short', 'orders', factors => 8, options => '{"time_limit": "1 day"}');
SELECT cardinality(loss) FROM train_model('short', 'orders', factors => 8, time_limit => '2 h', iterations => 1);
-- one iteration is all that was wanted
SELECT cardinality(loss) FROM train_model('short', 'orders', factors => 8, time_limit => '1 microsecond', iterations => 1);

-- ------------------------------------------------------------------------
-- values that are none
-- ------------------------------------------------------------------------

SELECT train_model('m', 'orders', validation_fraction => -0.1);
SELECT train_model('m', 'orders', validation_fraction => 0.6);
SELECT train_model('m', 'orders', validation_fraction => 'NaN');
SELECT train_model('m', 'orders', patience => 0);
SELECT train_model('m', 'orders', patience => 1001);
SELECT train_model('m', 'orders', time_limit => '0');
SELECT train_model('m', 'orders', time_limit => '-1 s');
SELECT train_model('m', 'orders', time_limit => '1000 years');
SELECT train_model('m', 'orders', options => '{"time_limit": "soon"}');
SELECT train_model('m', 'orders', options => '{"time_limit": true}');
SELECT train_model('m', 'orders', options => '{"warm_start": 1}');
SELECT train_model('m', 'orders', options => '{"warm_start": "yes"}');
SELECT train_model('m', 'orders', options => '{"validation_fraction": "0.1"}');
SELECT train_model('m', 'orders', warm_start => true, options => '{"warm_start": true}');
SELECT train_model('m', 'orders', options => '{"early_stopping": true}');
SELECT train_model('m', 'orders', options => '{"validation_split": 0.1}');
SELECT mf_train(user_id, item_id, rating, '{"warm_start": true}') FROM orders;
SELECT mf_train(user_id, item_id, rating, '{"time_limit": 60}') FROM orders;

-- ------------------------------------------------------------------------
-- progress
-- ------------------------------------------------------------------------

SELECT count(*) FROM recmf_progress WHERE datname = current_database();
-- a source can look at the run that reads it
SELECT ratings FROM train_model('watched', 'SELECT o.* FROM orders o WHERE EXISTS (
	SELECT FROM recmf_progress p WHERE pid = pg_backend_pid() AND datname = current_database() AND model = ''watched''
		AND phase = ''reading rows'' AND iteration = 0 AND iterations IS NULL AND loss IS NULL AND validation IS NULL
		AND workers = 0 AND started_at <= clock_timestamp() AND seconds_left IS NULL AND time_limit_at IS NULL)') \gset
SELECT :ratings = count(*) AS seen FROM orders;
-- gone after it, after an error, and after an error that was caught
SELECT count(*) FROM recmf_progress WHERE pid = pg_backend_pid();
SELECT train_model('watched', 'SELECT user_id, item_id, rating / (user_id - 300) AS rating FROM orders');
SELECT count(*) FROM recmf_progress WHERE pid = pg_backend_pid();
DO $$
BEGIN
	PERFORM train_model('watched', 'SELECT user_id, item_id, rating / (user_id - 300) AS rating FROM orders');
EXCEPTION WHEN division_by_zero THEN
	RAISE NOTICE '% shown', (SELECT count(*) FROM recmf_progress WHERE pid = pg_backend_pid());
END $$;
-- written to by nobody
DELETE FROM recmf_progress;

SET client_min_messages = warning;
SELECT count(drop_model(model)) FROM recmf_model_names;
DROP SCHEMA control_test CASCADE;
DROP OWNED BY control_test_owner;
DROP ROLE control_test_owner;
