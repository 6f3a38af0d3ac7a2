--
-- evaluate.sql
--	  Splits, evaluation and comparison: each metric against a computation in
--	  plain SQL, lists worked out by hand, and what is wrong with calls.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_evaluate;
SET search_path = test_evaluate, public;

-- a fifth of the pairs of a taste in three kinds
CREATE TABLE ratings AS
SELECT u AS user_id, i AS item_id, 1 + (u * 7 + i * 5) % 5 AS rating, u % 2 AS gender, i % 3 AS kind,
	timestamp '2024-01-01' + interval '1 hour' * ((u * 31 + i * 17) % 97) AS at
FROM generate_series(1, 60) u, generate_series(1, 40) i
WHERE (u * 7919 + i * 104729) % 100 < CASE WHEN u % 3 = i % 3 THEN 60 ELSE 12 END;
CREATE TABLE train AS SELECT * FROM ratings WHERE NOT holdout(user_id, item_id, 0.25);
CREATE TABLE test AS SELECT * FROM ratings WHERE holdout(user_id, item_id, 0.25);
CREATE INDEX ON train (user_id, item_id);
SELECT count(*) BETWEEN 130 AND 230 AS a_quarter, count(DISTINCT user_id) > 50 AS of_most FROM test;

-- holdout(): the same for ever, whatever the width of integers, a seed of its own; nothing is on both sides
SELECT i, holdout(i, i + 1), holdout(i::bigint, (i + 1)::smallint) AS widths, holdout(i::text, (i + 1)::text) AS as_text,
	holdout(i, i + 1, seed => 7) AS other_seed, holdout(i, i + 1, 0) AS none, holdout(i, i + 1, 1) AS everything
FROM generate_series(1, 8) i;
SELECT holdout('00000000-0000-0000-0000-000000000001'::uuid, 'a'::varchar, 0.5) IS NOT NULL AS uuid, holdout(NULL::int, 1) AS of_null;
SELECT count(*) AS grew FROM generate_series(1, 2000) i WHERE holdout(i, 1, 0.1) AND NOT holdout(i, 1, 0.2);
\set VERBOSITY terse
SELECT holdout(1, 2, 1.5);
SELECT holdout(1, 2, 'NaN');
SELECT holdout(1.5, 2);
SELECT holdout('a', 2);
\set VERBOSITY default

-- create_split()
SELECT * FROM create_split('ratings', 'by_time', time_col => 'at');
SELECT * FROM create_split('ratings', 'by_last', 'last', last => 2, time_col => 'at');
SELECT * FROM create_split('SELECT * FROM ratings -- all', 'by_chance', 'random', 0.25);
SELECT (SELECT max(at) FROM by_time_train) < (SELECT min(at) FROM by_time_test) AS train_is_before_test,
	(SELECT count(*) FROM by_time_train) + (SELECT count(*) FROM by_time_test) = (SELECT count(*) FROM ratings) AS nothing_lost,
	round((SELECT count(*) FROM by_time_test)::numeric / (SELECT count(*) FROM ratings), 1) AS fraction;
SELECT min(n), max(n), bool_and(newer) AS newer FROM (
	SELECT count(*) AS n, min(t.at) >= (SELECT max(at) FROM by_last_train b WHERE b.user_id = t.user_id) AS newer
	FROM by_last_test t GROUP BY user_id) s;
SELECT (SELECT count(*) FROM by_last_train) + (SELECT count(*) FROM by_last_test) = (SELECT count(*) FROM ratings) AS nothing_lost;
SELECT count(*) AS differ FROM (SELECT user_id, item_id FROM by_chance_test EXCEPT SELECT user_id, item_id FROM test) s;
SELECT count(*) AS on_both_sides FROM by_chance_train JOIN by_chance_test USING (user_id, item_id);
-- a pair that comes again later is in no test, and its rows are never on both sides
CREATE TABLE again AS SELECT * FROM ratings UNION ALL SELECT user_id, item_id, 5, gender, kind, at + interval '1 day' FROM ratings;
SELECT FROM create_split('again', 'again_time', time_col => 'at');
SELECT FROM create_split('again', 'again_last', 'last', time_col => 'at');
SELECT (SELECT count(*) FROM again_time_train JOIN again_time_test USING (user_id, item_id)) AS by_time,
	(SELECT count(*) FROM again_last_train JOIN again_last_test USING (user_id, item_id)) AS by_last,
	(SELECT count(*) > 0 FROM again_time_test) AS some_test;
SELECT create_split('ratings', 'x', 'newest');
SELECT create_split('ratings', 'x');
SELECT create_split('ratings', 'x', time_col => 'when');
SELECT create_split('ratings', 'x', 'random', 1);
SELECT create_split('ratings', 'x', 'last', last => 0, time_col => 'at');
SELECT create_split('nowhere', 'x', 'random');
SELECT create_split('ratings', 'by_time', time_col => 'at');
SELECT create_split('ratings', repeat('x', 60), time_col => 'at');
SELECT create_split('ratings', NULL);

-- the model, its scores and places in plain SQL: ties against the held-out item
SELECT FROM train_model('m', 'train', rating_col => NULL, factors => 8);
CREATE TABLE candidates AS
SELECT u.user_id, i.item_id, -(u.factor <#> i.factor) AS score, i.n_ratings,
	EXISTS (SELECT FROM test t WHERE t.user_id = u.user_id AND t.item_id = i.item_id) AS held
FROM m_users u, m_items i
WHERE NOT EXISTS (SELECT FROM train t WHERE t.user_id = u.user_id AND t.item_id = i.item_id);
CREATE VIEW places AS
SELECT 'model' AS system, c.user_id, c.item_id, c.held,
	(SELECT count(*) FROM candidates o WHERE o.user_id = c.user_id
		AND (o.score > c.score OR o.score = c.score AND NOT o.held)) + 1 AS place,
	rank() OVER (PARTITION BY user_id ORDER BY score DESC, item_id) AS listed
FROM candidates c
UNION ALL
SELECT 'popularity', c.user_id, c.item_id, c.held,
	(SELECT count(*) FROM candidates o WHERE o.user_id = c.user_id AND o.item_id <> c.item_id
		AND (o.n_ratings > c.n_ratings OR o.n_ratings = c.n_ratings AND (NOT o.held OR o.item_id < c.item_id))) + 1,
	rank() OVER (PARTITION BY user_id ORDER BY n_ratings DESC, item_id)
FROM candidates c;
CREATE TABLE hits AS
SELECT p.system, p.user_id, k, p.place, p.item_id, t.n AS held,
	row_number() OVER (PARTITION BY system, p.user_id, k ORDER BY place) AS nth
FROM places p JOIN (SELECT user_id, count(*) AS n FROM test GROUP BY 1) t USING (user_id), unnest('{1,5,10}'::int[]) k
WHERE p.held;
CREATE TABLE by_user AS
SELECT system, user_id, k, held, count(*) FILTER (WHERE place <= k) AS hits,
	coalesce(sum(nth / place::float8) FILTER (WHERE place <= k), 0) / least(held, k) AS map,
	coalesce(1.0 / min(place) FILTER (WHERE place <= k), 0) AS mrr,
	coalesce(sum(ln(2) / ln(place + 1)) FILTER (WHERE place <= k), 0) /
		(SELECT sum(ln(2) / ln(j + 1)) FROM generate_series(1, least(held, k)) j) AS ndcg
FROM hits GROUP BY 1, 2, 3, 4;
CREATE TABLE expected AS
SELECT system, k, avg(hits::float8 / k) AS precision, avg(hits::float8 / held) AS recall,
	avg(hits::float8 / least(held, k)) AS capped_recall,
	avg(CASE WHEN hits = 0 THEN 0 ELSE 2 * (hits::float8 / k) * (hits::float8 / held) / (hits::float8 / k + hits::float8 / held) END) AS f1,
	avg((hits > 0)::int::float8) AS hit_rate, avg(mrr) AS mrr, avg(map) AS map, avg(ndcg) AS ndcg, count(*) AS n
FROM by_user GROUP BY 1, 2;
CREATE TABLE evaluated AS SELECT * FROM evaluate_model('m', 'test', '{1,5,10}');
SELECT e.metric, e.k, e.low <= e.value AND e.value <= e.high AS within, abs(e.value - (to_jsonb(x) ->> e.metric)::float8) < 1e-6 AS same,
	e.n = x.n AS users
FROM evaluated e JOIN expected x USING (system, k)
WHERE metric IN ('precision', 'recall', 'capped_recall', 'f1', 'hit_rate', 'mrr', 'map', 'ndcg') AND system = 'model'
ORDER BY 1, 2;
SELECT bool_and(abs(e.value - (to_jsonb(x) ->> e.metric)::float8) < 1e-6) AS popularity_too, count(*)
FROM evaluated e JOIN expected x USING (system, k)
WHERE metric IN ('precision', 'recall', 'capped_recall', 'f1', 'hit_rate', 'mrr', 'map', 'ndcg') AND system = 'popularity';

-- AUC, and what the lists are like
SELECT system, abs(e.value - x.auc) < 1e-6 AS auc FROM evaluated e JOIN (
	SELECT system, avg(auc) AS auc FROM (
		SELECT system, h.user_id, avg((SELECT avg((CASE system WHEN 'model' THEN o.score < h.score ELSE o.n_ratings < h.n_ratings END)::int)
			FROM candidates o WHERE o.user_id = h.user_id AND NOT o.held)) AS auc
		FROM candidates h, unnest('{model,popularity}'::text[]) system WHERE h.held GROUP BY 1, 2) s GROUP BY 1) x USING (system)
WHERE e.metric = 'auc' ORDER BY 1;
-- (nobody scores the same twice with the model, so its order is that of the places)
CREATE VIEW lists AS
SELECT system, user_id, item_id, listed, k FROM places, unnest('{1,5,10}'::int[]) k
WHERE listed <= k AND user_id IN (SELECT user_id FROM test);
-- (values of the model are not printed: the last bits of its factors depend on the processor)
SELECT e.system, e.k, e.metric, CASE e.system WHEN 'popularity' THEN round(e.value::numeric, 3) END AS value, abs(e.value - CASE metric
	WHEN 'coverage' THEN (SELECT count(DISTINCT item_id) FROM lists l WHERE l.system = e.system AND l.k = e.k) / (SELECT count(*) FROM m_items)::float8
	WHEN 'novelty' THEN (SELECT avg(s) FROM (SELECT avg(-ln(i.n_ratings / (SELECT count(*) FROM m_users)::float8) / ln(2)) AS s FROM lists l JOIN m_items i USING (item_id)
		WHERE l.system = e.system AND l.k = e.k GROUP BY l.user_id) s)
	WHEN 'diversity' THEN (SELECT avg(s) FROM (SELECT avg(a.factor <=> b.factor) AS s FROM lists l JOIN lists m USING (system, user_id, k)
		JOIN m_items a ON a.item_id = l.item_id JOIN m_items b ON b.item_id = m.item_id
		WHERE l.system = e.system AND l.k = e.k AND l.listed < m.listed GROUP BY l.user_id) s)
	WHEN 'gini' THEN (SELECT sum((2 * r - m - 1) * n) / (max(m) * sum(n)) FROM (
		SELECT n, row_number() OVER (ORDER BY n) AS r, count(*) OVER () AS m FROM (
			SELECT i.item_id, count(l.item_id) AS n FROM m_items i LEFT JOIN lists l ON l.item_id = i.item_id AND l.system = e.system AND l.k = e.k GROUP BY 1) c) g)
	WHEN 'long_tail_share' THEN (SELECT avg((i.n_ratings < (SELECT n_ratings FROM m_items ORDER BY n_ratings DESC
			OFFSET (SELECT ceil(count(*) / 5.0)::int - 1 FROM m_items) LIMIT 1))::int) FROM lists l JOIN m_items i USING (item_id) WHERE l.system = e.system AND l.k = e.k)
	WHEN 'serendipity' THEN (SELECT avg(s) FROM (SELECT (SELECT count(*) FROM hits h WHERE h.system = e.system AND h.user_id = u.user_id AND h.k = e.k AND h.place <= e.k
			AND NOT EXISTS (SELECT FROM lists p WHERE p.system = 'popularity' AND p.user_id = u.user_id AND p.k = e.k AND p.item_id = h.item_id)) / e.k::float8 AS s
		FROM (SELECT DISTINCT user_id FROM test) u) s)
	END) < 1e-5 AS same
FROM evaluated e WHERE e.metric IN ('coverage', 'novelty', 'diversity', 'gini', 'long_tail_share', 'serendipity') AND e.system <> 'random' AND e.k > 1
ORDER BY 1, 2, 3;

-- chance: the AUC is a half; every row has its baselines
SELECT system, abs(value - 0.5) < 0.1 AS near_a_half FROM evaluated WHERE metric = 'auc' AND system = 'random';
SELECT system, count(*) FROM evaluated GROUP BY 1 ORDER BY 1;
-- the same call gives the same rows
SELECT count(*) AS differ FROM (TABLE evaluated EXCEPT SELECT * FROM evaluate_model('m', 'SELECT * FROM test ORDER BY rating, item_id DESC', '{10,5,1,5}')) s;
-- a value, and the lists themselves, are worth the same as the model
CREATE TABLE as_value AS SELECT mf_train(user_id, item_id, 1, '{"factors": 8}') AS model FROM train;
SELECT count(*) AS differ FROM (
	SELECT segment, system, metric, k, round(value::numeric, 6), round(low::numeric, 6), n FROM evaluated
	EXCEPT SELECT segment, system, metric, k, round(value::numeric, 6), round(low::numeric, 6), n
	FROM as_value, evaluate_model(model, 'test', '{1,5,10}')) s;
CREATE TABLE listed AS SELECT user_id, item_id, score FROM recommend_all('m', 10);
SELECT count(*), bool_and(abs(l.value - e.value) < 1e-6) AS same
FROM evaluate_lists('listed', 'test', '{1,5,10}', train_source => 'train') l
JOIN evaluated e ON (e.metric, e.k) = (l.metric, l.k) AND e.system = CASE l.system WHEN 'lists' THEN 'model' ELSE l.system END
WHERE e.metric <> 'auc' AND (e.metric, e.system) <> ('diversity', 'model');
SELECT count(*) AS differ FROM (
	SELECT * FROM evaluate_lists('listed', 'test', train_source => 'train') EXCEPT
	SELECT * FROM evaluate_lists('SELECT user_id, item_id, rank() OVER (PARTITION BY user_id ORDER BY score DESC) FROM listed', 'test', train_source => 'train')) s;

-- groups: of users, and of items
SELECT e.segment, e.n, abs(e.value - x.recall) < 1e-6 AS same
FROM evaluate_model('m', 'test', '{5}', group_by => 'gender') e
JOIN (SELECT user_id % 2 AS gender, avg(hits::float8 / held) AS recall FROM by_user WHERE system = 'model' AND k = 5 GROUP BY GROUPING SETS ((1), ())) x
	ON e.segment IS NOT DISTINCT FROM x.gender::text
WHERE metric = 'recall' AND system = 'model' ORDER BY 1 NULLS FIRST;
SELECT e.segment, abs(e.value - x.recall) < 1e-6 AS same FROM evaluate_model('m', 'test', '{5}', group_by => 'CASE kind WHEN 0 THEN ''nought'' WHEN 1 THEN ''one'' END') e
JOIN (SELECT CASE i.item_id % 3 WHEN 0 THEN 'nought' WHEN 1 THEN 'one' ELSE '' END AS segment, avg(hits) AS recall
	FROM (SELECT user_id, item_id % 3 AS item_id, avg((place <= 5)::int) AS hits FROM hits WHERE system = 'model' AND k = 5 GROUP BY 1, 2) i GROUP BY 1) x USING (segment)
WHERE e.system = 'model' AND e.metric = 'recall' ORDER BY 1;

-- samples of candidates are called so
SELECT system, metric, k, value > 0 AND value < 1 AS sane, candidates FROM evaluate_model('m', 'test', '{1}', negatives => 9)
WHERE metric IN ('hit_rate', 'coverage') ORDER BY 1, 2;
CREATE TABLE negatives AS SELECT user_id, item_id FROM candidates WHERE NOT held AND item_id % 2 = 0;
SELECT e.metric, abs(e.value - x.recall) < 1e-6 AS same, candidates FROM evaluate_model('m', 'test', '{3}', candidates => 'negatives') e,
	(SELECT avg(recall) AS recall FROM (SELECT c.user_id, avg(((SELECT count(*) FROM candidates o WHERE o.user_id = c.user_id AND (o.held OR o.item_id % 2 = 0)
		AND o.score > c.score) < 3)::int) AS recall FROM candidates c WHERE held GROUP BY 1) s) x
WHERE system = 'model' AND metric = 'recall';

-- ratings: errors beside those of the means, against plain SQL
SELECT FROM train_model('stars', 'train', feedback => 'explicit', factors => 4);
CREATE TABLE predicted AS
SELECT t.rating - predict(t.user_id, t.item_id, 'stars') AS error, t.rating - (SELECT avg(rating) FROM train) AS mean_error,
	t.rating - (SELECT avg(rating) FROM train n WHERE n.item_id = t.item_id) AS item_error FROM test t;
SELECT system, metric, CASE WHEN system <> 'model' THEN round(value::numeric, 3) END AS value, low < value AND value < high AS within, abs(value - CASE system || ' ' || metric
	WHEN 'model rmse' THEN (SELECT sqrt(avg(error ^ 2)) FROM predicted)
	WHEN 'model mae' THEN (SELECT avg(abs(error)) FROM predicted)
	WHEN 'mean rmse' THEN (SELECT sqrt(avg(mean_error ^ 2)) FROM predicted)
	WHEN 'mean mae' THEN (SELECT avg(abs(mean_error)) FROM predicted)
	WHEN 'item_mean rmse' THEN (SELECT sqrt(avg(item_error ^ 2)) FROM predicted)
	WHEN 'item_mean mae' THEN (SELECT avg(abs(item_error)) FROM predicted) END) < 1e-5 AS same
FROM evaluate_model('stars', 'test') WHERE metric IN ('rmse', 'mae') ORDER BY 1, 2;
-- only what was liked is relevant
SELECT max(n) = (SELECT count(DISTINCT user_id) FROM test WHERE rating >= 4) AS likers FROM evaluate_model('stars', 'test', min_rating => 4) WHERE metric = 'recall';

-- probabilities
SELECT FROM train_model('chance', 'train', rating_col => NULL, feedback => 'logistic', factors => 4);
SELECT system, metric, value > 0 AND value < 1 AS sane, low < value AND value < high AS within FROM evaluate_model('chance', 'test') WHERE metric IN ('log_loss', 'calibration_error') ORDER BY 1, 2;
SELECT abs(e.value - x.loss) < 1e-4 AS log_loss_of_all_cells FROM evaluate_model('chance', 'test') e, (
	SELECT avg(-ln(CASE WHEN held THEN p ELSE 1 - p END)) AS loss FROM (
		SELECT held, predict(user_id, item_id, 'chance') AS p FROM candidates WHERE user_id IN (SELECT user_id FROM test)) s) x
WHERE e.metric = 'log_loss' AND e.system = 'model';

-- constant scores: ties count against what was held out
CREATE TABLE tied AS SELECT user_id, item_id, 0 AS score FROM candidates;
SELECT metric, round(value::numeric, 4) AS value FROM evaluate_lists('tied', 'test', '{5}', train_source => 'train') WHERE system = 'lists' AND metric IN ('hit_rate', 'ndcg') ORDER BY 1;
UPDATE m_items_1 SET factor = (SELECT factor FROM m_items_1 ORDER BY item_id LIMIT 1);
SELECT metric, round(value::numeric, 4) AS value FROM evaluate_model('m', 'test', '{5}') WHERE system = 'model' AND metric IN ('hit_rate', 'auc', 'ndcg') ORDER BY 1;
SELECT FROM train_model('m', 'train', rating_col => NULL, factors => 8);

-- what was trained on, and what the model doesn't know, is said
RESET client_min_messages;
SELECT metric, round(value::numeric, 3) AS value, n FROM evaluate_model('m', 'SELECT * FROM test UNION ALL (SELECT * FROM train ORDER BY user_id, item_id LIMIT 10)
	UNION ALL VALUES (1000, 1, 1, 1, 1, now()::timestamp), (1, 1000, 1, 1, 1, now()::timestamp)', '{100}') WHERE system = 'model' AND metric IN ('precision', 'recall') ORDER BY 1;
-- what is wrong
SELECT count(*) FROM evaluate_model('nobody', 'test');
SELECT count(*) FROM evaluate_model('m', 'nowhere');
SELECT count(*) FROM evaluate_model('m', 'DELETE FROM test');
SELECT count(*) FROM evaluate_model('m', 'SELECT * FROM test WHERE false');
SELECT count(*) FROM evaluate_model('m', 'SELECT user_id::text, item_id FROM test');
SELECT count(*) FROM evaluate_model('m', 'test', '{}');
SELECT count(*) FROM evaluate_model('m', 'test', '{0}');
SELECT count(*) FROM evaluate_model('m', 'test', '{10,NULL}');
SELECT count(*) FROM evaluate_model('m', 'test', NULL);
SELECT count(*) FROM evaluate_model('m', 'test', group_by => 'nothing');
SELECT count(*) FROM evaluate_model('m', 'test', group_by => 'gender), (1');
SELECT count(*) FROM evaluate_model('m', 'test', group_by => 'user_id * 100 + item_id', resamples => 0) WHERE metric = 'auc';
SELECT count(*) FROM evaluate_model('m', 'SELECT u AS user_id, 1 AS item_id FROM generate_series(1, 300) u', group_by => 'user_id');
SELECT count(*) FROM evaluate_model('m', 'test', negatives => 0);
SELECT count(*) FROM evaluate_model('m', 'test', negatives => 5, candidates => 'negatives');
SELECT count(*) FROM evaluate_model('m', 'test', resamples => -1);
SELECT count(*) FROM evaluate_model('m', 'test', confidence => 95);
SELECT count(*) FROM evaluate_model('m', 'test', min_rating => 4);
SELECT count(*) FROM evaluate_model('m', 'test', rating_col => 'stars');
SELECT count(*) FROM evaluate_model('stars', 'SELECT user_id, item_id, ''NaN''::float8 AS rating FROM test');
SELECT count(*) FROM evaluate_lists('listed', 'test');
SELECT count(*) FROM evaluate_lists('test', 'test', train_source => 'train');
SELECT count(*) FROM evaluate_lists('SELECT user_id, item_id, ''NaN''::float8 AS score FROM listed', 'test', train_source => 'train');
SELECT count(*) FROM evaluate_lists('listed', 'test', train_source => 'train', negatives => 5);

-- comparison: the difference of the means, tests of the pairs, words
SET client_min_messages = warning;
SELECT FROM train_model('poor', 'train', rating_col => NULL, factors => 1, iterations => 1);
SELECT FROM train_model('poor_stars', 'train', feedback => 'explicit', factors => 1, regularization => 1000, bias_regularization => 1000000);
SELECT metric, k, users, abs(a_value - a.value) < 1e-6 AND abs(b_value - b.value) < 1e-6 AS values, abs(difference - (b_value - a_value)) < 1e-6 AS difference,
	low < high AS interval, t_p < 0.05 AS t, wilcoxon_p < 0.05 AS wilcoxon, effect > 0 AS effect, b_better > a_better AS more_users, regexp_replace(verdict, '[0-9]+\.[0-9]+', '#', 'g') AS verdict
FROM compare_models('poor', 'm', 'test', 'ndcg', 10) c,
	(SELECT value FROM evaluate_model('poor', 'test', '{10}') WHERE metric = 'ndcg' AND system = 'model') a,
	(SELECT value FROM evaluate_model('m', 'test', '{10}') WHERE metric = 'ndcg' AND system = 'model') b;
SELECT regexp_replace(verdict, '[0-9]+\.[0-9]+', '#', 'g') AS verdict FROM compare_models('m', 'poor', 'test', 'auc');
SELECT regexp_replace(verdict, '[0-9]+\.[0-9]+', '#', 'g') AS verdict, abs(a_value - e.value) < 1e-6 AS rmse FROM compare_models('stars', 'poor_stars', 'test', 'rmse') c,
	(SELECT value FROM evaluate_model('stars', 'test') WHERE metric = 'rmse' AND system = 'model') e;
SELECT verdict FROM compare_models('m', 'm', 'test');
SELECT k, verdict FROM compare_models('stars', 'stars', 'test', 'rmse');
SELECT difference, t_p, wilcoxon_p, verdict FROM compare_models('m', 'listed', 'test', 'recall', 5, train_source => 'train');
\set VERBOSITY terse
SELECT compare_models('m', 'poor', 'test', 'ctr');
SELECT compare_models('m', 'nobody', 'test');
SELECT compare_models('m', 'poor', 'test', 'rmse');
SELECT compare_models('m', NULL, 'test');
SELECT compare_models('m', 'poor', 'test', k => 0);
\set VERBOSITY default

-- as the caller
CREATE ROLE test_evaluate_analyst;
GRANT USAGE ON SCHEMA test_evaluate TO test_evaluate_analyst;
SET ROLE test_evaluate_analyst;
SELECT count(*) FROM evaluate_model('m', 'test');
RESET ROLE;
GRANT SELECT ON m_items_2, m_users_2, test TO test_evaluate_analyst;
SET ROLE test_evaluate_analyst;
SELECT count(*) FROM evaluate_model('m', 'test');
RESET ROLE;
GRANT SELECT ON train TO test_evaluate_analyst;
SET ROLE test_evaluate_analyst;
SELECT count(*) > 0 AS evaluated FROM evaluate_model('m', 'test');
RESET ROLE;
-- nothing is written
CREATE FUNCTION write_row() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN INSERT INTO test_evaluate.train VALUES (1, 1); RETURN 1; END $$;
SELECT count(*) FROM evaluate_model('m', 'SELECT user_id, item_id + 0 * write_row() AS item_id FROM test');

SELECT drop_model('m'), drop_model('stars'), drop_model('chance'), drop_model('poor'), drop_model('poor_stars');
DROP SCHEMA test_evaluate CASCADE;
DROP ROLE test_evaluate_analyst;
