-- Options of training: names, types, ranges, contradictions.  mf_train reads
-- them from jsonb; train_model goes through the same table of options.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA options_test;
SET search_path = options_test, public;

CREATE TABLE ratings AS
	SELECT u AS user_id, i AS item_id, 1 + (u * i) % 5 AS rating
	FROM generate_series(1, 12) u, generate_series(1, 9) i WHERE (u + i) % 3 > 0;

-- the settings of a model that was trained with these options
CREATE FUNCTION settings(options jsonb) RETURNS jsonb LANGUAGE sql AS
	'SELECT (model_info(mf_train(user_id, item_id, rating, options))).settings FROM ratings';

-- by rule, all given, null as by rule
SELECT key, CASE WHEN value::text ~ '\.' THEN '(a number)' ELSE value::text END
	FROM jsonb_each(settings('{}')) ORDER BY key;
SELECT key, CASE WHEN value::text ~ '\.' THEN '(a number)' ELSE value::text END
	FROM jsonb_each(settings('{"feedback": "explicit"}')) ORDER BY key;
SELECT settings(NULL) = settings('{}') AS same,
	settings('{"factors": null, "alpha": null, "seed": null, "feedback": null}') = settings('{}') AS same;
SELECT jsonb_pretty(settings('{"feedback": "implicit", "factors": 4, "iterations": 3, "regularization": 0.125,
	"regularization_scaling": 0.5, "alpha": 2.5, "seed": -9223372036854775808}'));
SELECT jsonb_pretty(settings('{"feedback": "explicit", "factors": 4.0, "iterations": 3e0, "regularization": 0,
	"regularization_scaling": 2, "bias_regularization": 0.1, "seed": 9007199254740993}'));

-- names that other libraries use
SELECT settings('{"rank": 10}');
SELECT settings('{"n_factors": 10}');
SELECT settings('{"K": 10}');
SELECT settings('{"embedding_dim": 10}');
SELECT settings('{"lambda": 0.1}');
SELECT settings('{"regParam": 0.1}');
SELECT settings('{"epochs": 10}');
SELECT settings('{"maxIter": 10}');
SELECT settings('{"confidence": 40}');
SELECT settings('{"unobserved_weight": 0.1}');
SELECT settings('{"random_state": 1}');
SELECT settings('{"implicitPrefs": true}');
SELECT settings('{"learning_rate": 0.01}');
SELECT settings('{"batch_size": 256}');

-- misspelt, or in capitals, or nothing like it
SELECT settings('{"factor": 10}');
SELECT settings('{"iteratons": 10}');
SELECT settings('{"Regularization": 0.1}');
SELECT settings('{"regularization_scale": 1}');
SELECT settings('{"colour": "blue"}');
SELECT settings('{"": 1}');
SELECT settings(jsonb_build_object(repeat('é', 100), 1));
SELECT settings(jsonb_build_object(repeat('x', 300), 1));

-- wrong types
SELECT settings('{"factors": "64"}');
SELECT settings('{"regularization": "0.1"}');
SELECT settings('{"factors": true}');
SELECT settings('{"factors": [8, 16]}');
SELECT settings('{"factors": {"min": 8}}');
SELECT settings('{"feedback": 1}');
SELECT settings('{"feedback": "stars"}');
SELECT settings('{"feedback": "Explicit"}');
SELECT settings('[["factors", 8]]');
SELECT settings('"factors"');
SELECT settings('64');
SELECT settings('null');

-- out of range
SELECT settings('{"factors": 0}');
SELECT settings('{"factors": -1}');
SELECT settings('{"factors": 1025}');
SELECT settings('{"factors": 16001}');
SELECT settings('{"factors": 3.5}');
SELECT settings('{"factors": 4294967297}');
SELECT settings('{"iterations": 0}');
SELECT settings('{"iterations": 1001}');
SELECT settings('{"regularization": -0.001}');
SELECT settings('{"regularization": 1e400}');
SELECT settings('{"regularization_scaling": 2.01}');
SELECT settings('{"feedback": "explicit", "bias_regularization": -1}');
SELECT settings('{"alpha": 0}');
SELECT settings('{"alpha": -1}');
SELECT settings('{"alpha": 1e-400}');
SELECT settings('{"seed": 1.5}');
SELECT settings('{"seed": 9223372036854775808}');

-- solvers: stored with the model; all the same but for speed and digits
SELECT solver, settings(jsonb_build_object('solver', solver)) ->> 'solver' AS stored
	FROM unnest(ARRAY['auto', 'exact', 'cg', NULL]) solver;
SELECT settings('{"solver": "cholesky"}');
SELECT settings('{"solver": "CG"}');
SELECT settings('{"solver": 2}');
SELECT settings('{"use_cg": true}');
SELECT feedback, max(abs(cg.score - exact.score)) < 0.05 AS alike, bool_or(cg.score <> exact.score) AS two_solvers
	FROM unnest(ARRAY['explicit', 'implicit']) feedback,
		LATERAL (SELECT mf_train(user_id, item_id, rating, jsonb_build_object('factors', 4, 'solver', 'exact', 'feedback', feedback)) AS exact_model,
			mf_train(user_id, item_id, rating, jsonb_build_object('factors', 4, 'solver', 'cg', 'feedback', feedback)) AS cg_model
			FROM ratings) models,
		generate_series(1, 12) u,
		LATERAL recommend(exact_model, u, 9, false) exact
		JOIN LATERAL recommend(cg_model, u, 9, false) cg USING (item_id)
	GROUP BY feedback ORDER BY feedback;

-- contradictions, whatever the order of the options
SELECT settings('{"feedback": "explicit", "alpha": 40}');
SELECT settings('{"bias_regularization": 1}');
SELECT settings('{"feedback": "implicit", "bias_regularization": 1}');

-- a group's options are one thing
SELECT mf_train(user_id, item_id, rating, jsonb_build_object('factors', user_id)) FROM ratings;
SELECT mf_train(user_id, item_id, rating, CASE WHEN user_id > 3 THEN '{"factors": 2}'::jsonb END) FROM ratings;
-- written differently, the same
SELECT mf_train(user_id, item_id, rating, CASE WHEN user_id > 3 THEN '{"factors": 2.0}'::jsonb ELSE '{"factors": 2}' END) IS NOT NULL AS trained
	FROM ratings;
-- one thing a group
SELECT user_id % 3 AS part, (model_info(mf_train(user_id, item_id, rating, jsonb_build_object('factors', 2 + user_id % 3)))).factors
	FROM ratings GROUP BY user_id % 3 ORDER BY 1;

DROP SCHEMA options_test CASCADE;
