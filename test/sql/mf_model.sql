-- The type mf_model: what is read out of it, serving from it, its text and
-- binary forms, and values that are damaged.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA mf_model_test;
SET search_path = mf_model_test, public;

CREATE TABLE ratings AS
	SELECT u AS user_id, i AS item_id, 1 + (u * 7 + i * 3) % 5 AS rating
	FROM generate_series(1, 20) u, generate_series(101, 112) i WHERE u % 2 = i % 2 AND (u * 3 + i) % 4 > 0;
CREATE TABLE models (name text PRIMARY KEY, model mf_model);
INSERT INTO models
	SELECT f, mf_train(user_id, item_id, rating, jsonb_build_object('feedback', f, 'factors', 4))
	FROM ratings, (VALUES ('implicit'), ('explicit')) v(f) GROUP BY f
	UNION ALL
	SELECT 'text', mf_train('user ' || user_id, 'Größe ' || item_id, rating, '{"factors": 4}') FROM ratings
	UNION ALL
	SELECT 'uuid', mf_train(md5(user_id::text)::uuid, md5(item_id::text)::uuid, rating, '{"factors": 4}') FROM ratings
	UNION ALL
	SELECT 'mixed', mf_train(user_id, 'sku ' || item_id, rating, '{"factors": 4}') FROM ratings
	UNION ALL
	SELECT 'mixed2', mf_train('user ' || user_id, item_id, rating, '{"factors": 4}') FROM ratings;
INSERT INTO models VALUES ('null', NULL);

-- contents
SELECT name, feedback, factors, users, items, ratings, skipped, mean > 1 AND mean < 5 AS mean, rating_min, rating_max,
		loss > 0 AS loss, rmse > 0 AS rmse, user_id_type, item_id_type, settings -> 'factors' AS factors
	FROM models LEFT JOIN LATERAL model_info(model) ON true ORDER BY name;
SELECT name, count(*) AS users, min(user_id) AS first, sum(n_ratings) = (SELECT count(*) FROM ratings) AS sum, count(bias) AS biases,
		count(DISTINCT l2_norm(factor)) > 10 AS norms
	FROM models, user_factors(model) GROUP BY name ORDER BY name;
SELECT name, count(*) AS items, min(item_id) AS first, sum(n_ratings) = (SELECT count(*) FROM ratings) AS sum, count(bias) AS biases
	FROM models, item_factors(model) GROUP BY name ORDER BY name;
SELECT count(*) AS wrong_counts FROM models, user_factors(model) f
	WHERE name = 'implicit' AND f.n_ratings <> (SELECT count(*) FROM ratings r WHERE r.user_id::text = f.user_id);
SELECT count(*) AS wrong_counts FROM models, item_factors(model) f
	WHERE name = 'explicit' AND f.n_ratings <> (SELECT count(*) FROM ratings r WHERE r.item_id::text = f.item_id);
-- mean + inner product is the score, whatever the feedback
SELECT name, count(*) AS scores, count(*) FILTER (WHERE abs(r.score - (CASE feedback WHEN 'explicit' THEN mean ELSE 0 END + inner_product(u.factor, i.factor))) > 1e-5) AS wrong
	FROM models, model_info(model), user_factors(model) u, recommend(model, u.user_id, 5) r
	JOIN LATERAL item_factors(model) i USING (item_id) GROUP BY name ORDER BY name;
-- the bias stands in the factor, too
SELECT count(*) AS rows, count(*) FILTER (WHERE (factor::real[])[5] = bias AND (factor::real[])[6] = 1) AS as_said FROM models, user_factors(model) WHERE name = 'explicit';
SELECT count(*) AS rows, count(*) FILTER (WHERE (factor::real[])[6] = bias AND (factor::real[])[5] = 1) AS as_said FROM models, item_factors(model) WHERE name = 'explicit';
-- LIMIT, and in the target list
SELECT user_id FROM models, user_factors(model) WHERE name = 'implicit' LIMIT 2;
SELECT (user_factors(model)).user_id FROM models WHERE name = 'mixed' LIMIT 2;

-- recommend: against all scores
CREATE VIEW expected AS
	SELECT name, user_id, item_id, inner_product(u.factor, i.factor) AS score,
		row_number() OVER (PARTITION BY name, user_id ORDER BY inner_product(u.factor, i.factor) DESC) AS rank
	FROM models, user_factors(model) u, LATERAL (SELECT item_id, factor FROM item_factors(model)) i
	WHERE name IN ('implicit', 'explicit') AND NOT EXISTS (SELECT FROM ratings r WHERE r.user_id::text = u.user_id AND r.item_id::text = i.item_id);
SELECT e.name, count(*) AS expected, count(r) AS given, count(*) FILTER (WHERE abs(r.score - e.score - CASE e.name WHEN 'explicit' THEN i.mean ELSE 0 END) < 1e-5) AS same,
		bool_and(EXISTS (SELECT FROM expected x WHERE (x.name, x.user_id, x.item_id) = (e.name, e.user_id, r.item_id))) AS none_seen
	FROM expected e JOIN models m USING (name), model_info(m.model) i, recommend(m.model, e.user_id, 4) r
	WHERE r.rank = e.rank GROUP BY e.name ORDER BY e.name;
SELECT name, count(*) AS recommended, count(DISTINCT r.item_id) AS items, min(rank), max(rank)
	FROM models, recommend(model, 3, 1000, exclude_seen => false) r WHERE name IN ('implicit', 'explicit') GROUP BY name ORDER BY name;
SELECT (SELECT array_agg((item_id, score, rank)) FROM recommend(model, 3, 5)) =
	(SELECT array_agg((item_id::bigint, score, rank)) FROM recommend(model, '3', 5)) AS same FROM models WHERE name = 'implicit';
SELECT count(*) AS ten FROM models, recommend(model, '3', exclude_seen => false) WHERE name = 'implicit';
SELECT name, count(*) FROM models, recommend(model, 'user 3', 3) r WHERE name = 'text' AND r.item_id LIKE 'Größe %' GROUP BY name;
SELECT name, count(*) FROM models, recommend(model, md5('3'), 3) r WHERE name = 'uuid' AND r.score IS NOT NULL GROUP BY name;
SELECT name, count(*) FROM models, recommend(model, upper(md5('3')::uuid::text), 3) r WHERE name = 'uuid' AND r.score IS NOT NULL GROUP BY name;
SELECT name, count(*) FROM models, recommend(model, '3', 3) r WHERE name = 'mixed' AND r.score IS NOT NULL GROUP BY name;

-- unknown users: the popular items, or nothing
SELECT i.item_id, i.n_ratings FROM models, item_factors(model) i WHERE name = 'implicit' ORDER BY n_ratings DESC, item_id LIMIT 5;
SELECT r.* FROM models, recommend(model, 4711, 5) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, '4711', 2) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 'nobody', 2) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 'nobody', 2) r WHERE name = 'uuid' AND item_id <> '';
SELECT r.* FROM models, recommend(model, '', 2) r WHERE name = 'text';
SELECT count(*) FROM models, recommend(model, 4711, 1000) r WHERE name = 'implicit';
SELECT count(*) FROM models, recommend(model, 4711, 10, unknown_user => 'nothing') r WHERE name = 'implicit';
SELECT count(*) FROM models, recommend(model, 'nobody', 10, unknown_user => 'nothing') r WHERE name = 'text';
SELECT count(*) FROM models, recommend(model, '99999999999999999999', 10, unknown_user => 'nothing') r WHERE name = 'implicit';

-- NULL in each argument
SELECT count(*) AS of_no_model FROM recommend(NULL::mf_model, 1, 3);
SELECT count(*) AS popular FROM models, recommend(model, NULL::bigint, 3) WHERE name = 'implicit';
SELECT count(*) AS popular FROM models, recommend(model, NULL::text, 3) WHERE name = 'text';
SELECT r.* FROM models, recommend(model, 1, NULL) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 1, 3, exclude_seen => NULL) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 1, 3, unknown_user => NULL) r WHERE name = 'implicit';
SELECT model_info(NULL) IS NULL AS info, predict(NULL::mf_model, 1, 2) IS NULL AS predicted;
SELECT count(*) FROM user_factors(NULL::mf_model);
SELECT count(*) FROM item_factors(NULL::mf_model);
SELECT count(*) FROM similar_items(NULL::mf_model, 1);

-- wrong arguments
SELECT r.* FROM models, recommend(model, 17850, 10) r WHERE name = 'mixed';
SELECT r.* FROM models, recommend(model, 17850, 10) r WHERE name = 'mixed2';
SELECT r.* FROM models, recommend(model, 17850, 10) r WHERE name = 'uuid';
SELECT r.* FROM models, recommend(model, 1, 0) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 1, -2147483648) r WHERE name = 'implicit';
SELECT r.* FROM models, recommend(model, 1, 3, unknown_user => 'random') r WHERE name = 'implicit';
SELECT count(*) FROM models, recommend(model, 1, 2147483647) r WHERE name = 'implicit';

-- predict
SELECT name, count(*) AS predictions, count(*) FILTER (WHERE abs(predict(model, u.user_id, r.item_id) - least(greatest(r.score,
		CASE feedback WHEN 'explicit' THEN rating_min ELSE r.score END), CASE feedback WHEN 'explicit' THEN rating_max ELSE r.score END)) > 1e-5) AS wrong
	FROM models, model_info(model), user_factors(model) u, recommend(model, u.user_id, 20, false) r GROUP BY name ORDER BY name;
SELECT predict(model, 1, 101) = predict(model, '1', '101') AS same, predict(model, 1, 9) AS no_item, predict(model, 0, 101) AS no_user,
	predict(model, 'x', '101') AS no_user FROM models WHERE name = 'implicit';
SELECT predict(model, 1, 9) = least(greatest(mean + u.bias, 1), 5) AS mean_and_user, predict(model, NULL, 101) = least(greatest(mean + i.bias, 1), 5) AS mean_and_item,
		predict(model, 'x', 'y') = mean AS mean, predict(model, NULL::bigint, NULL) = mean AS mean
	FROM models, model_info(model), user_factors(model) u, item_factors(model) i WHERE name = 'explicit' AND u.user_id = '1' AND i.item_id = '101';
SELECT predict(model, ' +1 ', '101') = predict(model, 1, 101) AS same FROM models WHERE name = 'implicit';
SELECT predict(model, 1, 101) FROM models WHERE name = 'mixed';
SELECT predict(model, 1, 101) FROM models WHERE name = 'text';

-- similar items: those of the same half, and the numbers are cosines
SELECT s.item_id, similarity > 0.5 AS similar, rank FROM models, similar_items(model, 104, 2) s WHERE name = 'implicit' ORDER BY s.item_id;
SELECT name, count(*) AS rows, count(*) FILTER (WHERE abs(s.similarity - c.cosine) > 1e-5) AS wrong
	FROM models, similar_items(model, '104', 100) s JOIN LATERAL
		(SELECT b.item_id, cosine_similarity((a.factor::real[])[1:4]::factor, (b.factor::real[])[1:4]::factor) AS cosine
		 FROM item_factors(model) a, item_factors(model) b WHERE a.item_id = '104') c USING (item_id)
	WHERE name IN ('implicit', 'explicit') GROUP BY name ORDER BY name;
SELECT count(*) FROM models, similar_items(model, 'sku 104') s WHERE name = 'mixed';
SELECT count(*) FROM models, similar_items(model, 4711) s WHERE name = 'implicit';
SELECT s.* FROM models, similar_items(model, 104, 5) s WHERE name = 'mixed';
SELECT s.* FROM models, similar_items(model, 104, 0) s WHERE name = 'implicit';

-- retraining inside a materialized view
CREATE MATERIALIZED VIEW nightly AS
	SELECT user_id, r.item_id, r.rank FROM (SELECT mf_train(user_id, item_id, rating, '{"factors": 4}') AS model FROM ratings) m,
		generate_series(1, 20) user_id, recommend(model, user_id, 2) r;
SELECT count(*) FROM nightly;
DELETE FROM ratings WHERE user_id > 10;
REFRESH MATERIALIZED VIEW nightly;
SELECT count(*) FROM nightly WHERE user_id <= 10;

-- text and binary forms
SELECT name, model::text::mf_model::text = model::text AS same, pg_column_size(model) * 2 - 8 + 2 = length(model::text) AS length FROM models ORDER BY name;
SELECT count(*) AS rows, count(*) FILTER (WHERE encode(mf_model_send(model), 'hex') = substr(model::text, 3)) AS same FROM models WHERE model IS NOT NULL;
-- large ones go out of line, uncompressed
INSERT INTO models SELECT 'large', mf_train(u, i, 1, '{"factors": 100, "iterations": 1}') FROM generate_series(1, 100) u, generate_series(1, 50) i WHERE (u + i) % 7 = 0;
SELECT pg_column_size(model) > 60000 AS large, attstorage FROM models, pg_attribute WHERE name = 'large' AND attrelid = 'models'::regclass AND attname = 'model';
SELECT count(*) FROM models, recommend(model, 5, 10) WHERE name = 'large';
-- one after another, each gets its own
INSERT INTO models SELECT 'large 2', mf_train(u, i + 50, 1, '{"factors": 100, "iterations": 1}') FROM generate_series(1, 100) u, generate_series(1, 50) i WHERE (u + i) % 7 = 0;
SELECT name, count(*), min(item_id) > 50 AS second, max(item_id) > 50 AS second FROM generate_series(1, 10) u, models, recommend(model, u, 10) WHERE name LIKE 'large%' GROUP BY name ORDER BY name;

-- damage: bytes at an offset replaced, or the end cut off
CREATE FUNCTION damaged(model text, at int, bytes text) RETURNS text LANGUAGE sql AS
	$$SELECT overlay(model PLACING bytes FROM 3 + 2 * at FOR length(bytes))$$;
CREATE FUNCTION try(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM value::mf_model;
	RETURN 'accepted';
EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLERRM || coalesce(': ' || nullif(detail, ''), '');
END $$;
SELECT ''::mf_model;
SELECT 'shop'::mf_model;
SELECT '\x'::mf_model;
SELECT '\xzz'::mf_model;
SELECT '\x123'::mf_model;
SELECT what, try(value) FROM models, LATERAL (VALUES
	(1, 'a byte short', left(model::text, -2)),
	(2, 'a byte long', model::text || '00'),
	(3, 'half of it', left(model::text, 2 + length(model::text) / 4 * 2)),
	(4, 'magic', damaged(model::text, 0, '00')),
	(5, 'the other byte order', '\x' || substr(model::text, 9, 2) || substr(model::text, 7, 2) || substr(model::text, 5, 2) || substr(model::text, 3, 2) || substr(model::text, 11)),
	(6, 'version', damaged(model::text, 4, '09')),
	(7, 'flags', damaged(model::text, 7, '80')),
	(8, 'feedback', damaged(model::text, 8, '07')),
	(9, 'id type', damaged(model::text, 9, '00')),
	(10, 'encoding', damaged(model::text, 11, '05')),
	(11, 'factors', damaged(model::text, 12, 'ffffffff')),
	(12, 'iterations', damaged(model::text, 16, '00000000')),
	(13, 'regularization', damaged(model::text, 28, '000000000000f87f')),
	(14, 'users', damaged(model::text, 60, 'ffffff7f')),
	(15, 'items', damaged(model::text, 64, '00000000')),
	(16, 'ratings', damaged(model::text, 68, 'ffffffffffffff7f')),
	(17, 'bytes of ids', damaged(model::text, 84, 'ff')),
	(18, 'mean', damaged(model::text, 100, '000000000000f07f')),
	(19, 'first user id', damaged(model::text, 180, 'ff')),
	(20, 'a factor', damaged(model::text, 500, '0000c07f'))) v(no, what, value)
	WHERE name = 'implicit' ORDER BY no;
-- text ids out of order, and not in the encoding
SELECT try(replace(model::text, encode('user 3', 'hex'), encode('user 1', 'hex'))) FROM models WHERE name = 'text';
SELECT try(replace(model::text, encode('user 3', 'hex'), encode('user ', 'hex') || 'ff')) FROM models WHERE name = 'text';
SELECT try(replace(model::text, encode('user 3', 'hex'), encode('user ', 'hex') || '00')) FROM models WHERE name = 'text';
-- every byte of three models changed in turn: refused, or a model that works
CREATE FUNCTION survives(model mf_model) RETURNS TABLE (accepted bool, broken bool) LANGUAGE plpgsql AS $$
DECLARE
	good bytea := mf_model_send(model);
	bad bytea;
	value mf_model;
BEGIN
	FOR at IN 0 .. length(good) - 1 LOOP
		bad := set_byte(good, at, get_byte(good, at) # (1 << at % 8));
		BEGIN
			value := ('\x' || encode(bad, 'hex'))::mf_model;
			accepted := true;
			broken := false;
			PERFORM count(*) FROM user_factors(value) u, recommend(value, u.user_id, 3);
			PERFORM count(*) FROM item_factors(value) i, similar_items(value, i.item_id, 3);
			PERFORM model_info(value);
		EXCEPTION WHEN invalid_text_representation THEN
			accepted := false;
			broken := false;
		WHEN numeric_value_out_of_range THEN
			-- a factor near the end of the range
			broken := false;
		WHEN others THEN
			broken := true;
			RAISE WARNING 'byte %: %', at, SQLERRM;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT name, count(*) > 500 AS many, count(*) FILTER (WHERE accepted) > 100 AS some_accepted,
		count(*) FILTER (WHERE NOT accepted) > 200 AS many_refused, count(*) FILTER (WHERE broken) AS broken
	FROM (SELECT 'implicit' AS name, mf_train(u, i, 1, '{"factors": 2}') AS model FROM generate_series(1, 9) u, generate_series(1, 5) i WHERE (u + i) % 2 > 0
		UNION ALL SELECT 'explicit', mf_train('u' || u, i, u, '{"factors": 2, "feedback": "explicit"}') FROM generate_series(1, 9) u, generate_series(1, 5) i WHERE (u + i) % 2 > 0
		UNION ALL SELECT 'uuid', mf_train(md5(u::text)::uuid, 'ä' || i, u, '{"factors": 2}') FROM generate_series(1, 9) u, generate_series(1, 5) i WHERE (u + i) % 2 > 0) m,
		survives(model) GROUP BY name ORDER BY name;

DROP SCHEMA mf_model_test CASCADE;
