--
-- tune.sql
--	  tune_model(): what it tries and keeps, that it resumes, errors.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_tune;
SET search_path = test_tune, public;
SET recmf.max_parallel_workers = 0;

-- users like items of their own kind, of which there are three
CREATE TABLE orders AS
SELECT u AS user_id, 'P' || i AS item_id, 1 + (u + i) % 3 AS quantity,
	timestamp '2024-01-01' + ((u * 7919 + i * 31337) % 10000) * interval '1 hour' AS at
FROM generate_series(1, 200) u, generate_series(1, 45) i
WHERE (u::bigint * 7919 + i * 104729) % 100 < CASE WHEN u % 3 = i % 3 THEN 45 ELSE 3 END;
CREATE INDEX ON orders (user_id, item_id);
CREATE VIEW tried AS
SELECT model, round, count(*) AS trials, min(factors) AS factors, min(iterations) AS iterations,
	bool_and(value BETWEEN 0 AND 1) AS in_range, count(*) FILTER (WHERE state = 'best') AS best
FROM recmf_trials GROUP BY 1, 2;

-- the rounds: draws of a third of the trials, a third of them again, the best and the default with all factors, neighbours of the
-- best, and the best three once more for the number of iterations
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 12);
SELECT * FROM tried ORDER BY iterations, factors, trials DESC, round;

-- the first draw is what train_model() would choose by default
SELECT version FROM train_model('plain', 'orders', rating_col => 'quantity', factors => 40);
SELECT (t.settings ->> 'regularization')::float8 / (m.settings ->> 'regularization')::float8 BETWEEN 1 AND 1.2 AS regularization,
	(t.settings ->> 'alpha')::float8 / (m.settings ->> 'alpha')::float8 BETWEEN 0.8 AND 1.3 AS alpha,
	t.settings ->> 'regularization_scaling' AS scaling
FROM recmf_trials t, recmf_models m
WHERE t.model = 'shop' AND t.round = 'draws' AND t.trial = 1 AND m.model = 'plain';

-- the model that was trained has the best settings, and as many iterations as were good enough
SELECT m.version, m.n_ratings = (SELECT count(*) FROM orders) AS on_everything,
	m.settings - 'iterations' = t.settings - 'iterations' OR t.trial = 1 AS same_settings,
	(m.settings ->> 'iterations')::integer = t.best_iteration AS same_iterations,
	t.value >= (SELECT max(value) FROM recmf_trials WHERE model = 'shop' AND round = 'finalists' AND trial = 1) AS no_worse_than_default
FROM recmf_models m JOIN recmf_trials t USING (model) WHERE model = 'shop' AND t.state = 'best';
-- where the default is the best, the model has the default for all ratings, not for those that were left to train on
CALL tune_model('ruled', 'orders', rating_col => 'quantity', factors => 8, trials => 1);
SELECT FROM train_model('by_rule', 'orders', rating_col => 'quantity', factors => 8, iterations => 3);
SELECT m.settings - '{iterations,regularization}'::text[] = r.settings - '{iterations,regularization}'::text[]
	AND abs((m.settings ->> 'regularization')::float8 / (r.settings ->> 'regularization')::float8 - 1) < 1e-14 AS the_rule_for_all,
	(t.settings ->> 'alpha')::float8 > (m.settings ->> 'alpha')::float8 AS not_of_the_part
FROM recmf_models m, recmf_models r, recmf_trials t WHERE m.model = 'ruled' AND r.model = 'by_rule' AND t.model = 'ruled' AND t.state = 'best';
SELECT drop_model('ruled'), drop_model('by_rule');
SELECT count(*) FROM recommend('7', 5, model => 'shop');

-- again: nothing is tried any more, but a model is trained
CREATE TABLE before AS SELECT * FROM recmf_trials;
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 12);
SELECT count(*) AS differences FROM (TABLE before EXCEPT TABLE recmf_trials) d;
SELECT version FROM recmf_models WHERE model = 'shop' AND active;

-- some trials lost, as after a crash: these are tried again and give the same
DELETE FROM recmf_trials WHERE round IN ('finalists', 'neighbours') OR (round = 'draws' AND trial > 3);
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 12, activate => false);
SELECT count(*) AS differences FROM before b FULL JOIN recmf_trials t USING (model, owner, study, round, trial)
WHERE (b.settings, b.value, b.best_iteration, b.state) IS DISTINCT FROM (t.settings, t.value, t.best_iteration, t.state);
SELECT version FROM recmf_models WHERE model = 'shop' AND active;

-- more trials: those that there are count
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 20, activate => false);
SELECT count(*) AS of_the_same_study FROM before b JOIN recmf_trials t USING (model, owner, study, round, trial, value, tried_at)
WHERE round = 'draws';

-- other data, another metric, another seed: another study
SELECT count(DISTINCT study) FROM recmf_trials;
CALL tune_model('shop', 'SELECT * FROM orders WHERE user_id < 190', rating_col => 'quantity', factors => 40, trials => 2, activate => false);
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 2, metric => 'recall', k => 5, activate => false);
CALL tune_model('shop', 'orders', rating_col => 'quantity', factors => 40, trials => 2, seed => 7, activate => false);
SELECT count(DISTINCT study), array_agg(DISTINCT metric ORDER BY metric) AS metrics FROM recmf_trials;

-- what is given is not tried
CALL tune_model('given', 'orders', rating_col => NULL, factors => 8, alpha => 3, iterations => 6, trials => 8);
SELECT DISTINCT (settings ->> 'alpha')::float8 AS alpha, factors FROM recmf_trials WHERE model = 'given';
SELECT round, min(iterations) AS fewest, max(iterations) AS most FROM recmf_trials WHERE model = 'given' GROUP BY 1 ORDER BY 1;
SELECT settings ->> 'iterations' AS iterations FROM recmf_models WHERE model = 'given';
-- nothing left to try but the number of iterations
CALL tune_model('fixed', 'orders', rating_col => NULL, factors => 8, options => '{"alpha": 3, "regularization": 0.01}');
SELECT round, trial, iterations FROM recmf_trials WHERE model = 'fixed' ORDER BY 1;

-- explicit and logistic feedback; draws alone
CALL tune_model('stars', 'orders', rating_col => 'quantity', feedback => 'explicit', factors => 8, trials => 9, implicit_features => true);
SELECT metric, count(DISTINCT settings ->> 'bias_regularization') > 2 AS biases, bool_and(value > 0) AS measured
FROM recmf_trials WHERE model = 'stars' GROUP BY 1;
CALL tune_model('odds', 'orders', rating_col => NULL, feedback => 'logistic', factors => 8, trials => 5, search => 'random');
SELECT round, count(*), count(DISTINCT settings ->> 'unobserved_weight') AS weights FROM recmf_trials WHERE model = 'odds' GROUP BY 1 ORDER BY 1;

-- by time: the newest tenth of the pairs, or each user's last; rows that say nothing have no time either
CREATE TABLE timed AS SELECT user_id, item_id, quantity, at FROM orders
UNION ALL SELECT NULL, 'P1', 1, now() UNION ALL SELECT 1, 'P900', -1, now();
CALL tune_model('newest', 'timed', rating_col => 'quantity', factors => 8, iterations => 3, trials => 1, validation => 'time', time_col => 'at', activate => false);
CALL tune_model('last', 'timed', rating_col => 'quantity', factors => 8, iterations => 3, trials => 1, validation => 'last', time_col => 'at', activate => false);
SELECT model, value BETWEEN 0.3 AND 1 AS measured FROM recmf_trials WHERE model IN ('newest', 'last') ORDER BY 1;

-- items that are all newer than the others are held out to the last: nothing is known of them
CREATE TABLE drift AS
SELECT u AS user_id, i AS item_id, CASE WHEN i <= 20 THEN 1 ELSE 2 END AS at
FROM generate_series(1, 60) u, generate_series(1, 22) i WHERE i <= 20 AND (u + i) % 2 = 0 OR i > 20 AND u > 20;
CALL tune_model('drift', 'drift', rating_col => NULL, factors => 4, iterations => 5, trials => 1, k => 1,
	validation => 'time', time_col => 'at', validation_fraction => 0.5, activate => false);
SELECT round(value::numeric, 4) AS nothing_is_known_of_them FROM recmf_trials WHERE model = 'drift';

-- in a transaction block it is all or nothing
BEGIN;
CALL tune_model('block', 'orders', rating_col => NULL, factors => 8, trials => 3);
SELECT count(*) > 3 AS tried FROM recmf_trials WHERE model = 'block';
ROLLBACK;
SELECT count(*) FROM recmf_trials WHERE model = 'block';
BEGIN;
CALL tune_model('block', 'orders', rating_col => NULL, factors => 8, trials => 3);
COMMIT;
SELECT count(*) > 3 AS tried, (SELECT count(*) FROM recmf_models WHERE model = 'block') AS models FROM recmf_trials WHERE model = 'block';

-- from a function and a DO block, with an exception block around it
DO $$
BEGIN
	CALL tune_model('do', 'orders', rating_col => NULL, factors => 8, trials => 2);
END $$;
DO $$
BEGIN
	CALL tune_model('caught', 'orders', rating_col => NULL, factors => 8, trials => 2);
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	RAISE WARNING 'rolled back';
END $$;
SELECT model, count(*) > 2 AS tried FROM recmf_trials WHERE model IN ('do', 'caught') GROUP BY 1;

-- each trial is committed on its own: a time limit that passes leaves those before it
CALL tune_model('limited', 'orders', rating_col => NULL, factors => 8, time_limit => '1 second');
SELECT count(*) > 10 AS many, max(trial) <= 1000 AS not_too_many FROM recmf_trials WHERE model = 'limited';
SELECT count(*) FROM recmf_models WHERE model = 'limited';
CALL tune_model('none', 'orders', rating_col => NULL, time_limit => '1 microsecond');

-- errors
CALL tune_model('e', 'orders', rating_col => NULL, trials => 0);
CALL tune_model('e', 'orders', rating_col => NULL, trials => 1001);
CALL tune_model('e', 'orders', rating_col => NULL, time_limit => '-1 second');
CALL tune_model('e', 'orders', rating_col => NULL, validation => 'random');
CALL tune_model('e', 'orders', rating_col => NULL, validation => 'time');
CALL tune_model('e', 'orders', rating_col => NULL, time_col => 'at');
CALL tune_model('e', 'orders', rating_col => NULL, validation => 'last', time_col => 'at', validation_fraction => 0.1);
CALL tune_model('e', 'orders', rating_col => NULL, validation => 'last', time_col => 'nowhere');
CALL tune_model('e', 'orders', rating_col => NULL, validation => 'last', time_col => 'item_id');
CALL tune_model('e', 'orders', rating_col => NULL, validation_fraction => 0.6);
CALL tune_model('e', 'orders', rating_col => NULL, validation_fraction => 'NaN');
CALL tune_model('e', 'orders', rating_col => NULL, metric => 'auc');
CALL tune_model('e', 'orders', rating_col => NULL, metric => 'rmse');
CALL tune_model('e', 'orders', rating_col => 'quantity', feedback => 'explicit', metric => 'ndcg');
CALL tune_model('e', 'orders', rating_col => 'quantity', feedback => 'explicit', k => 5);
CALL tune_model('e', 'orders', rating_col => NULL, k => 0);
CALL tune_model('e', 'orders', rating_col => NULL, search => 'grid');
CALL tune_model('e', 'orders', rating_col => NULL, options => '{"patience": 3}');
CALL tune_model('e', 'orders', rating_col => NULL, options => '{"validation_fraction": 0.1}');
CALL tune_model('e', 'orders', rating_col => NULL, options => '{"rank": 3}');
CALL tune_model('e', 'orders', rating_col => NULL, alpha => 3, options => '{"alpha": 3}');
CALL tune_model('e', 'nowhere');
CALL tune_model(NULL, 'orders');
CALL tune_model('e', 'SELECT * FROM orders WHERE user_id < 0', rating_col => NULL);
CALL tune_model('e', 'SELECT user_id, min(item_id) AS item_id FROM orders GROUP BY 1', rating_col => NULL);
SET recmf.training_memory = '1MB';
CALL tune_model('e', 'orders', rating_col => NULL, factors => 1000);
RESET recmf.training_memory;
BEGIN READ ONLY;
CALL tune_model('e', 'orders', rating_col => NULL);
ROLLBACK;
SELECT count(*) FROM recmf_trials WHERE model = 'e';

-- trials belong to the owner of the model; others read them, and have their own under the same name
CREATE ROLE recmf_test_tuner;
GRANT USAGE, CREATE ON SCHEMA test_tune TO recmf_test_tuner;
GRANT SELECT ON orders TO recmf_test_tuner;
SET ROLE recmf_test_tuner;
SELECT count(*) > 5 AS read FROM recmf_trials;
\set VERBOSITY terse
DELETE FROM recmf_trials WHERE model = 'given';
INSERT INTO recmf_trials (model, owner, study, round, trial, settings, factors, iterations, metric, seconds, state)
SELECT 'shop', owner, 'x', 'draws', 1, '{}', 1, 1, 'ndcg@20', 1, 'done' FROM recmf_trials WHERE model = 'shop' LIMIT 1;
CALL tune_model('shop', 'orders', rating_col => NULL);
\set VERBOSITY default
CALL tune_model('mine', 'orders', rating_col => NULL, factors => 8, trials => 2, index => false);
SELECT DISTINCT owner FROM recmf_trials WHERE model = 'mine';
RESET ROLE;

-- they go with the model
SELECT drop_model('mine'), drop_model('shop');
SELECT count(*) FROM recmf_trials WHERE model IN ('mine', 'shop');
DELETE FROM recmf_trials;
SELECT count(drop_model(model)) FROM recmf_model_names WHERE model IN ('plain', 'given', 'fixed', 'stars', 'odds', 'block', 'do', 'limited');
DROP SCHEMA test_tune CASCADE;
DROP ROLE recmf_test_tuner;
