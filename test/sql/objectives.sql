-- Objectives: logistic feedback, implicit features, weights of ratings,
-- regularization by side, non-negative factors; through both doors.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA objectives_test;
SET search_path = objectives_test, public;

-- two tastes: users like the items of their own parity
CREATE TABLE ratings AS
	SELECT u AS user_id, i AS item_id, 1 + (u * 7 + i * 3) % 5 AS rating
	FROM generate_series(1, 60) u, generate_series(1, 40) i
	WHERE (u % 2 = i % 2 AND (u * 3 + i) % 4 > 0) OR (u * i) % 37 = 1;
CREATE TABLE clicks AS SELECT user_id, item_id FROM ratings;

-- logistic
SELECT users, items, ratings, (SELECT bool_and(l <= before) FROM (SELECT l, lag(l, 1, l) OVER (ORDER BY n) AS before
		FROM unnest(loss) WITH ORDINALITY a(l, n)) x) AS falls
	FROM train_model('odds', 'clicks', rating_col => NULL, feedback => 'logistic', factors => 4, solver => 'exact');
SELECT feedback, abs((settings ->> 'unobserved_weight')::float8 - least(1, 4 * n_ratings / 2400.0)) < 1e-12 AS unobserved_weight, settings -> 'iterations' AS iterations,
		settings ? 'alpha' AS alpha, cardinality(gram_users) AS gram_users, cardinality(gram_items) AS gram_items
	FROM recmf_models WHERE model = 'odds';
-- a probability, and the higher the more it is one
SELECT count(*) AS cells, bool_and(p > 0 AND p < 1) AS probabilities,
		avg(p) FILTER (WHERE o) > 5 * avg(p) FILTER (WHERE NOT o) AS apart
	FROM (SELECT predict(u, i, 'odds') AS p, EXISTS (SELECT FROM clicks c WHERE c.user_id = u AND c.item_id = i) AS o
		FROM generate_series(1, 60) u, generate_series(1, 40) i) x;
SELECT predict(1, 4711, 'odds') AS unknown_item, predict(4711, 1, 'odds') AS unknown_user;
-- recommend() gives the log-odds: the inner product and the logarithm of the unobserved's weight
SELECT count(*) AS items, bool_and(abs(1 / (1 + exp(-r.score)) - predict(3, r.item_id, 'odds')) < 1e-6) AS sigmoid,
		bool_and(abs(r.score - (ln((m.settings ->> 'unobserved_weight')::float8) + inner_product(u.factor, i.factor))) < 1e-5) AS sums,
		count(*) FILTER (WHERE item_id % 2 = 1) > 5 AS taste
	FROM recommend(3, 10, 'odds', exclude_seen => false) r JOIN odds_items i USING (item_id), odds_users u, recmf_models m
	WHERE u.user_id = 3 AND m.model = 'odds' AND m.active;
-- folding in gives near enough the user's own factor
SELECT count(*) AS items, max(abs(f.score - r.score)) < 0.3 AS near
	FROM recommend_for((SELECT array_agg(item_id::bigint) FROM clicks WHERE user_id = 3), k => 40, model => 'odds') f
	JOIN recommend(3, 40, 'odds') r USING (item_id);
SELECT count(*) AS similar, count(*) FILTER (WHERE item_id % 2 = 0) >= 8 AS taste FROM similar_items(2, 10, 'odds');
SELECT count(*) AS similar FROM similar_users(2, 10, 'odds');
-- the aggregate gives the same
SELECT feedback, settings ->> 'unobserved_weight' = (SELECT settings ->> 'unobserved_weight' FROM recmf_models WHERE model = 'odds' AND active) AS unobserved_weight, (SELECT count(*) FROM user_factors(m)) AS users,
		(SELECT max(abs((i.factor <-> o.factor))) FROM item_factors(m) i JOIN odds_items o ON o.item_id::text = i.item_id) AS differ,
		predict(m, 3, 5) = predict(3, 5, 'odds') AS same_prediction, predict(m, 3, 4711) AS unknown_item
	FROM (SELECT mf_train(user_id, item_id, 1, '{"feedback": "logistic", "factors": 4, "solver": "exact"}') AS m FROM clicks) a,
		LATERAL model_info(m);
-- steps come to the same loss
SELECT abs(a.loss[20] / b.loss[20] - 1) < 1e-3 AS same
	FROM train_model('odds_cg', 'clicks', rating_col => NULL, feedback => 'logistic', factors => 4, solver => 'cg') a, recmf_models b
	WHERE b.model = 'odds' AND b.active;
-- ratings are strengths, as for implicit feedback
SELECT skipped > 0 AS skipped FROM train_model('odds', 'SELECT user_id, item_id, rating - 1 AS rating FROM ratings', feedback => 'logistic', factors => 4);

-- implicit features
SELECT users, items, (SELECT bool_and(l <= before) FROM (SELECT l, lag(l, 1, l) OVER (ORDER BY n) AS before
		FROM unnest(loss) WITH ORDINALITY a(l, n)) x) AS falls
	FROM train_model('stars', 'ratings', feedback => 'explicit', factors => 4, iterations => 60,
		implicit_features => true, solver => 'exact');
SELECT settings -> 'implicit_features' AS implicit_features, settings ? 'implicit_features_weight' AS weight,
		settings ? 'implicit_features_regularization' AS regularization, gram_users, cardinality(gram_items) AS gram_items
	FROM recmf_models WHERE model = 'stars';
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = (SELECT items FROM recmf_models WHERE model = 'stars')::oid AND attnum > 0 ORDER BY attnum;
SELECT count(*) AS predictions, bool_and(predict(user_id, item_id, 'stars') BETWEEN 1 AND 5) AS in_range FROM ratings;
SELECT count(*) AS items, max(abs(f.score - r.score)) < 0.01 AS near
	FROM recommend_for((SELECT array_agg(item_id::bigint ORDER BY item_id) FROM ratings WHERE user_id = 3),
		(SELECT array_agg(rating::float8 ORDER BY item_id) FROM ratings WHERE user_id = 3), k => 40, model => 'stars') f
	JOIN recommend(3, 40, 'stars') r USING (item_id);
-- a version without them, whose items have no such column, keeps the grants
DO $$ BEGIN EXECUTE 'GRANT SELECT (implicit_factor, item_id) ON ' || (SELECT items FROM recmf_models WHERE model = 'stars') || ' TO PUBLIC'; END $$;
SELECT version FROM train_model('stars', 'ratings', feedback => 'explicit', factors => 4);
SELECT (model_info(mf_train(user_id, item_id, rating, '{"feedback": "explicit", "factors": 4, "implicit_features": true}'))).settings -> 'implicit_features' AS implicit_features FROM ratings;

-- non-negative factors
SELECT f AS feedback, min(x) >= 0 AS nonnegative, count(*) FILTER (WHERE x = 0) > 0 AS sparse
	FROM (VALUES ('implicit'), ('explicit')) v (f),
		LATERAL (SELECT mf_train(user_id, item_id, rating, jsonb_build_object('feedback', f, 'factors', 4, 'nonnegative', true)) AS m FROM ratings) a,
		LATERAL (SELECT factor FROM user_factors(m) UNION ALL SELECT factor FROM item_factors(m)) b, unnest((factor::real[])[1:4]) x
	GROUP BY f ORDER BY f;

-- regularization by side: what is not given is the common one
SELECT o, (settings -> 'user_regularization')::text AS users, (settings -> 'item_regularization')::text AS items,
		u < 0.8 AS users_smaller
	FROM (VALUES ('{}'::jsonb), ('{"user_regularization": 1}'), ('{"item_regularization": 1}')) v (o),
		LATERAL (SELECT mf_train(user_id, item_id, rating, '{"factors": 4, "regularization": 0.01}' || o) AS m FROM ratings) a, LATERAL model_info(m),
		LATERAL (SELECT avg(l2_norm(factor)) FROM user_factors(m)) x (un), LATERAL (SELECT avg(l2_norm(factor)) FROM item_factors(m)) y (inorm),
		LATERAL (SELECT un / inorm) z (u)
	ORDER BY o::text;

-- weights of explicit ratings
CREATE TABLE graded AS
	SELECT user_id, item_id, CASE WHEN item_id % 2 = 0 THEN 5 ELSE 1 END AS rating, CASE WHEN item_id % 2 = 0 THEN 100.0 ELSE 1.0 END AS weight
	FROM ratings;
SELECT count(*) FROM train_model('weighed', 'graded', weight_col => 'weight', feedback => 'explicit', factors => 2);
SELECT abs(avg(predict(user_id, item_id, 'weighed')) FILTER (WHERE rating = 5) - 5) <
		abs(avg(predict(user_id, item_id, 'weighed')) FILTER (WHERE rating = 1) - 1) AS heavier_fit_better FROM graded;
-- mean and standard deviation, from which the regularization comes, are by weight
SELECT count(*) FROM train_model('unweighed', 'graded', feedback => 'explicit', factors => 2);
SELECT abs(m.rating_mean - g.mean) < 1e-6 AS mean,
		abs((m.settings ->> 'regularization')::float8 / g.sd -
			(SELECT (settings ->> 'regularization')::float8 FROM recmf_models WHERE model = 'unweighed') / g.unweighted_sd) < 1e-6 AS regularization,
		abs(g.mean - g.unweighted) > 1 AS differ
	FROM recmf_models m, (SELECT sum(weight * rating) / sum(weight) AS mean, avg(rating) AS unweighted, stddev_pop(rating) AS unweighted_sd,
		sqrt(sum(weight * rating * rating) / sum(weight) - (sum(weight * rating) / sum(weight)) ^ 2) AS sd FROM graded) g
	WHERE m.model = 'weighed' AND m.active;
SELECT drop_model('unweighed');
-- as many users as items, all alike: noise has the edge 2
SELECT abs(((model_info(mf_train(u, i, (u * 7 + i * 3) % 5, '{"feedback": "explicit", "factors": 2}'))).settings ->> 'regularization')::float8
		/ stddev_pop((u * 7 + i * 3) % 5) - 1) < 1e-4 AS half_the_edge FROM generate_series(1, 30) u, generate_series(1, 30) i;

-- contradictions
\set VERBOSITY default
SELECT train_model('bad', 'ratings', feedback => 'sigmoid');
SELECT train_model('bad', 'ratings', feedback => 'logistic', alpha => 1);
SELECT train_model('bad', 'ratings', feedback => 'explicit', options => '{"unobserved_weight": 0.1}');
SELECT train_model('bad', 'ratings', feedback => 'logistic', options => '{"unobserved_weight": 2}');
SELECT train_model('bad', 'ratings', feedback => 'logistic', options => '{"nonnegative": true}');
SELECT train_model('bad', 'ratings', feedback => 'implicit', options => '{"implicit_features": true}');
SELECT train_model('bad', 'ratings', feedback => 'explicit', options => '{"implicit_features_weight": 1}');
SELECT train_model('bad', 'ratings', solver => 'cg', options => '{"nonnegative": true}');
SELECT train_model('bad', 'ratings', options => '{"nonnegative": 1}');
SELECT train_model('bad', 'ratings', options => '{"nonnegative": "yes"}');
SELECT mf_train(user_id, item_id, rating, '{"feedback": "logistic", "alpha": 1}') FROM ratings;
SELECT mf_train(user_id, item_id, rating, '{"w_implicit": 1}') FROM ratings;

SELECT drop_model('odds'), drop_model('odds_cg'), drop_model('stars'), drop_model('weighed');
DROP SCHEMA objectives_test CASCADE;
