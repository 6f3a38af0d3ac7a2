-- model_report(): a page that is well-formed, whose numbers are those of queries, and that no name can break
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE FUNCTION pg_temp.has_libxml() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN xmlparse(document '<a/>') IS NOT NULL;
EXCEPTION WHEN feature_not_supported THEN
	RETURN false;
END $$;
SELECT NOT pg_temp.has_libxml() AS no_libxml \gset
\if :no_libxml
\echo SKIP: this PostgreSQL was built without libxml
\quit
\endif
CREATE SCHEMA report_test;
SET search_path = report_test, public;

CREATE FUNCTION page(report text) RETURNS xml LANGUAGE sql IMMUTABLE AS $$
SELECT xmlparse(document regexp_replace(report, '^<!DOCTYPE html>\n', ''))
$$;
-- the rows of the table with a caption that starts so
CREATE FUNCTION cells(page xml, caption text, OUT n bigint, OUT a text, OUT b text, OUT c text, OUT d text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
SELECT t.* FROM xmltable(XMLNAMESPACES('http://www.w3.org/1999/xhtml' AS h),
	('//h:table[starts-with(h:caption, "' || caption || '")]/h:tbody/h:tr') PASSING page
	COLUMNS n FOR ORDINALITY, a text PATH 'normalize-space(*[1])', b text PATH 'normalize-space(*[2])',
		c text PATH 'normalize-space(*[3])', d text PATH 'normalize-space(*[4])') t
$$;
CREATE FUNCTION texts(page xml, path text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
SELECT t.text FROM xmltable(XMLNAMESPACES('http://www.w3.org/1999/xhtml' AS h, 'http://www.w3.org/2000/svg' AS s),
	path PASSING page COLUMNS text text PATH 'normalize-space(.)') t
$$;
-- "12,345.6%" as it counts
CREATE FUNCTION number(text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT translate($1, ',%+', '')::numeric $$;

CREATE TABLE orders AS
SELECT u AS user_id, 'P' || i AS item_id, 1 + (u + i) % 3 AS quantity
FROM generate_series(1, 200) u, generate_series(1, 60) i
WHERE (u * 7919 + i * 104729) % 100 < CASE WHEN u % 3 = i % 3 THEN 45 ELSE 3 END + CASE WHEN i < 8 THEN 20 ELSE 0 END;
CREATE INDEX ON orders (user_id, item_id);
CREATE TABLE names AS SELECT 'P' || i AS item_id, 'item no. ' || i AS name FROM generate_series(1, 60) i;
SELECT users, items FROM train_model('shop', 'SELECT * FROM orders WHERE user_id > 20', rating_col => 'quantity', factors => 8, iterations => 4, seed => 1);
SELECT users, items FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8, iterations => 6, validation_fraction => 0.2, seed => 2);

CREATE TABLE report AS SELECT model_report('shop', item_names => 'SELECT * FROM names') AS text;
CREATE TABLE pages AS SELECT text, page(text) FROM report;

-- one document in itself
SELECT text LIKE '<!DOCTYPE html>%</html>' AS whole, text ~ '[^\x01-\x7f]' AS not_ascii,
	text ~* '<script|<link|<img|<iframe|@import|url\(|javascript:| on[a-z]+=| src=' AS loads_or_runs,
	(SELECT array_agg(DISTINCT m[1]) FROM regexp_matches(text, '(https?:[^"'']*)', 'g') m) AS addresses,
	(SELECT bool_and(m[1] LIKE '#%') FROM regexp_matches(text, 'href="([^"]*)"', 'g') m) AS links_within
FROM pages;
-- what a screen reader needs
SELECT (xpath('string(/h:html/@lang)', page, ARRAY[ARRAY['h', 'http://www.w3.org/1999/xhtml']]))[1] AS lang,
	(SELECT count(*) FROM texts(page, '//h:h1')) AS h1, (SELECT array_agg(t) FROM texts(page, '//h:h2') t) AS h2
FROM pages;
SELECT (SELECT count(*) FROM texts(page, '//s:svg[@role="img"]')) AS pictures,
	(SELECT count(*) FROM texts(page, '//s:svg[not(@aria-hidden)][not(@role="img") or not(s:title[1]/@id) or not(s:desc/@id)]')) AS without_role_or_text,
	(SELECT count(*) FROM texts(page, '//s:svg[@role="img"]/s:desc[string-length(.) < 20]')) AS undescribed,
	(SELECT count(*) FROM texts(page, '//h:figure[s:svg][not(h:details//h:table)]')) AS without_table,
	(SELECT count(*) FROM texts(page, '//h:table[not(h:caption) or not(h:thead/h:tr/h:th[@scope="col"])]')) AS without_headers,
	(SELECT count(*) FROM texts(page, '//h:tbody/h:tr[not(h:th[@scope="row"])]')) AS rows_without_header
FROM pages;
SELECT count(*) = count(DISTINCT id) AS ids_differ,
	bool_and(NOT EXISTS (SELECT FROM regexp_matches(text, 'aria-labelledby="([^"]*)"', 'g') m, regexp_split_to_table(m[1], ' ') r
		WHERE text NOT LIKE '% id="' || r || '"%')) AS references_lead_somewhere
FROM pages, texts(page, '//@id') id;
-- no h3 outside of a section that has its h2
SELECT count(*) AS misplaced FROM pages, texts(page, '//h:h3[not(ancestor::h:section/h:h2)] | //h:h4 | //h:h5 | //h:h6');

-- key figures
SELECT f.name, f.value FROM pages, xmltable(XMLNAMESPACES('http://www.w3.org/1999/xhtml' AS h), '//h:dl/h:div' PASSING page
	COLUMNS name text PATH 'h:dt', value text PATH 'h:dd') f WHERE f.name IN ('Users', 'Items', 'Ratings', 'Pairs that are rated');
-- losses and validation
SELECT count(*) AS iterations, count(*) FILTER (WHERE abs(number(c.b) / m.loss[c.a::integer] - 1) > 1e-3) AS wrong
FROM pages, cells(page, 'Loss after') c, recmf_models m WHERE m.model = 'shop' AND m.active;
SELECT count(*) AS iterations,
	count(*) FILTER (WHERE abs(number(c.b) - (m.metrics #>> ARRAY['validation', 'values', (c.n - 1)::text])::numeric) > 5e-5) AS wrong
FROM pages, cells(page, 'Validation after') c, recmf_models m WHERE m.model = 'shop' AND m.active;
-- the spread of norms and of popularity
SELECT c.a, abs(number(c.b) / min(l2_norm(factor))::numeric - 1) < 0.005 AS least, abs(number(c.c) / percentile_cont(0.05) WITHIN GROUP (ORDER BY l2_norm(factor))::numeric - 1) < 0.005 AS five
FROM pages, cells(page, 'Quantiles') c, (SELECT 'users', factor FROM shop_users UNION ALL SELECT 'items', factor FROM shop_items) s(side, factor)
WHERE side = c.a GROUP BY 1, c.b, c.c ORDER BY 1;
SELECT 'users' AS side, sum(number(b)) FROM pages, cells(page, 'Norms of the factors of users')
UNION ALL SELECT 'items', sum(number(b)) FROM pages, cells(page, 'Norms of the factors of items');
SELECT count(*) AS bins, count(*) FILTER (WHERE number(b) <> (SELECT count(*) FROM shop_items
	WHERE n_ratings >= replace(a, '+', '')::integer AND n_ratings < 2 * replace(a, '+', '')::integer)) AS wrong
FROM pages, cells(page, 'Ratings of each item');
-- coverage
CREATE TABLE lists AS SELECT * FROM recommend_all_text('shop', 10);
SELECT text ~ format('The top 10 of all 200 users, without what they have, have %s of 60 items', (SELECT count(DISTINCT item_id) FROM lists)) AS coverage
FROM pages;
CREATE VIEW popularity AS
SELECT item_id, n_ratings, (SELECT count(*) FROM lists l WHERE l.item_id = i.item_id) AS n_lists FROM shop_items i;
SELECT abs(number(c.b) - (SELECT sum((2 * r - n - 1) * x) / (max(n) * sum(x))
		FROM (SELECT n_ratings AS x, row_number() OVER (ORDER BY n_ratings) AS r, count(*) OVER () AS n FROM popularity) p)) < 0.0005 AS gini_ratings,
	abs(number(c.c) - (SELECT sum((2 * r - n - 1) * x) / (max(n) * sum(x))
		FROM (SELECT n_lists AS x, row_number() OVER (ORDER BY n_lists) AS r, count(*) OVER () AS n FROM popularity) p)) < 0.0005 AS gini_lists
FROM pages, cells(page, 'How evenly') c WHERE c.a = 'Gini coefficient';
SELECT c.a, abs(number(c.b) - 100.0 * sum(p.n_ratings) FILTER (WHERE r > 12) / sum(p.n_ratings)) < 0.051 AS ratings,
	abs(number(c.c) - 100.0 * sum(p.n_lists) FILTER (WHERE r > 12) / sum(p.n_lists)) < 0.051 AS lists
FROM pages, cells(page, 'How evenly') c, (SELECT *, row_number() OVER (ORDER BY n_ratings DESC, n_lists DESC, item_id COLLATE "C") AS r FROM popularity) p
WHERE c.a LIKE '%fifth' GROUP BY 1, c.b, c.c;
-- the curve at a half of the items
SELECT abs(number(c.b) - 100.0 * sum(p.n_ratings) FILTER (WHERE r <= 30) / sum(p.n_ratings)) < 0.051 AS ratings,
	abs(number(c.c) - 100.0 * sum(p.n_lists) FILTER (WHERE r <= 30) / sum(p.n_lists)) < 0.051 AS lists
FROM pages, cells(page, 'Long tail') c, (SELECT *, row_number() OVER (ORDER BY n_ratings DESC, n_lists DESC, item_id COLLATE "C") AS r FROM popularity) p
WHERE c.a = '50.0%' GROUP BY c.b, c.c;
-- top lists
SELECT count(*), count(*) FILTER (WHERE c.b IS DISTINCT FROM format('item no. %s %s', substr(p.item_id, 2), p.item_id) OR number(c.c) <> p.n_ratings) AS wrong
FROM pages, cells(page, 'Most popular') c FULL JOIN popular_items(10, 'shop') p ON p.rank = c.n;
SELECT count(*), count(*) FILTER (WHERE split_part(c.b, ' ', 4) IS DISTINCT FROM p.item_id OR number(split_part(c.c, ' ', 1)) <> p.n_lists OR number(c.d) <> p.n_ratings) AS wrong
FROM pages, cells(page, 'Most recommended') c
FULL JOIN (SELECT *, row_number() OVER (ORDER BY n_lists DESC, n_ratings DESC, item_id COLLATE "C") FROM popularity ORDER BY row_number LIMIT 10) p ON p.row_number = c.n;
-- users: 2%, 25%, ... from the one with the most ratings
CREATE TABLE shown AS SELECT row_number() OVER () AS place, (regexp_match(t, '^User (.*): (.*) items?$'))[1] AS user_id, (regexp_match(t, '^User (.*): (.*) items?$'))[2]::bigint AS n
FROM pages, texts(page, '//h:h3[starts-with(., "User ")]') t;
SELECT count(*), count(*) FILTER (WHERE u.user_id::text IS DISTINCT FROM s.user_id) AS other_user,
	count(*) FILTER (WHERE n <> (SELECT count(DISTINCT item_id) FROM orders o WHERE o.user_id = u.user_id)) AS other_count
FROM shown s FULL JOIN (SELECT user_id, row_number() OVER (ORDER BY at) AS place FROM (
	SELECT user_id, row_number() OVER (ORDER BY n_ratings DESC, user_id) AS at FROM shop_users) u WHERE at IN (5, 51, 101, 150, 196)) u USING (place);
SELECT count(*), count(*) FILTER (WHERE split_part(c.b, ' ', 4) IS DISTINCT FROM r.item_id OR abs(number(c.c) - r.score::numeric) > 5e-3) AS wrong
FROM (SELECT *, row_number() OVER (ORDER BY n) AS at FROM pages, cells(page, 'Recommended')) c
FULL JOIN (SELECT r.*, row_number() OVER (ORDER BY place, rank) AS at FROM shown, recommend(user_id, 10, 'shop') r) r USING (at);
SELECT count(*) > 20 AS many, count(*) FILTER (WHERE number(c.c) <> (SELECT sum(quantity) FROM orders o
	WHERE o.item_id = split_part(c.b, ' ', 4) AND o.user_id::text = s.user_id)) AS wrong
FROM pages, xmltable(XMLNAMESPACES('http://www.w3.org/1999/xhtml' AS h),
	'//h:table[starts-with(h:caption, "Has")]/h:tbody/h:tr' PASSING page COLUMNS "user" text PATH 'ancestor::h:div[h:h3]/h:h3/h:bdi',
		b text PATH 'normalize-space(*[2])', c text PATH '*[3]') c, shown s WHERE s.user_id = c."user";
-- neighbours
SELECT count(*), count(*) FILTER (WHERE split_part(c.b, ' ', 4) IS DISTINCT FROM r.item_id OR abs(number(c.c) - r.similarity::numeric) > 5e-3) AS wrong
FROM (SELECT row_number() OVER () AS at, x.* FROM pages, xmltable(XMLNAMESPACES('http://www.w3.org/1999/xhtml' AS h),
	'//h:section[@id="similar"]//h:tbody/h:tr' PASSING page COLUMNS b text PATH 'normalize-space(*[2])', c text PATH '*[3]') x) c
FULL JOIN (SELECT s.*, row_number() OVER (ORDER BY p.rank, s.rank) AS at FROM popular_items(6, 'shop') p, similar_items(p.item_id, 5, 'shop') s) r USING (at);
-- drift: lists and neighbours of both versions
CREATE TABLE old_lists AS
SELECT u.user_id, l.item_id, l.rank FROM shop_users_1 u, LATERAL (
	SELECT i.item_id, row_number() OVER (ORDER BY i.factor <#> u.factor, i.item_id COLLATE "C") AS rank FROM shop_items_1 i
	WHERE NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.user_id AND o.item_id = i.item_id)
	ORDER BY 2 LIMIT 10) l;
CREATE TABLE in_common AS
SELECT u.user_id, (SELECT count(*) FROM lists l JOIN old_lists o USING (item_id) WHERE l.user_id = u.user_id::text AND o.user_id = u.user_id) AS n,
	(SELECT l.item_id FROM lists l WHERE l.user_id = u.user_id::text AND rank = 1) = (SELECT o.item_id FROM old_lists o WHERE o.user_id = u.user_id AND rank = 1) AS same_first
FROM shop_users_1 u;
SELECT sum(number(c.b)) AS users, count(*) FILTER (WHERE number(c.b) <> (SELECT count(*) FROM in_common i WHERE i.n = c.a::integer)) AS wrong
FROM pages, cells(page, 'Items that the old') c;
SELECT text LIKE format('%%Of 180 users in both versions, %s%% of the top 10 was in the old one on average, and %s%% kept the first item.%%',
	round((SELECT avg(n) * 10 FROM in_common), 1), round((SELECT 100.0 * count(*) FILTER (WHERE same_first) / count(*) FROM in_common), 1)) AS overlap FROM pages;
CREATE FUNCTION old_neighbours(of text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT b.item_id FROM shop_items_1 a, shop_items_1 b WHERE a.item_id = $1 AND b.item_id <> $1 ORDER BY a.factor <=> b.factor, b.item_id COLLATE "C" LIMIT 10 $$;
SELECT text LIKE format('%%The 60 most popular items kept %s%% of their nearest neighbours.%%', round((SELECT avg(
	(SELECT count(*) FROM similar_items(i.item_id, 10, 'shop') s WHERE s.item_id IN (SELECT old_neighbours(i.item_id)))) * 10 FROM shop_items i), 1)) AS neighbours FROM pages;
SELECT c.a, c.b, c.c, c.d FROM pages, cells(page, 'This version') c WHERE c.a IN ('Ratings', 'Users', 'Items');
SELECT text LIKE '%New: 20 users, 0 items. Gone: 0 users, 0 items.%' AS new_and_gone FROM pages;
-- options: those that have changed, and the others
SELECT c.a, c.b, c.c FROM pages, cells(page, 'Options of training') c WHERE c.a IN ('seed', 'iterations', 'factors', 'validation_fraction') ORDER BY 1;

-- the same page again (but for now()); a sample; another length; without what is left out
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT model_report('shop') = model_report('shop') AS the_same;
COMMIT;
SELECT (regexp_match(model_report('shop', max_users => 30, k => 3), 'The top 3 of a sample of 30 of 200 users'))[1];
SELECT (regexp_match(model_report('shop', max_users => NULL, k => 100), 'The top 100 of all 200 users, without what they have, have 60 of 60 items in them: 100.0%'))[1];
SELECT count(*) FROM cells(page(model_report('shop', exclude_seen => false)), 'Has');
SELECT t FROM texts(page(model_report('shop', title => 'A <b>title</b> & more')), '//h:h1 | //h:title') t;
SET recmf.model = 'shop';
SELECT model_report() LIKE '%<h1><bdi>Model shop</bdi></h1>%' AS by_setting;
RESET recmf.model;

-- metrics
CREATE TABLE evaluation AS
SELECT g AS segment, s AS system, m AS metric, k, v AS value, v - 0.01 AS low, v + 0.01 AS high, 150::bigint AS n
FROM (VALUES (NULL, 'popularity', 'recall', 10, 0.1::float8), (NULL, 'random', 'recall', 10, 0.02), (NULL, 'model', 'recall', 10, 0.3),
	(NULL, 'model', 'recall', 20, 0.4), (NULL, 'model', 'rmse', NULL, 'NaN'), (NULL, 'popularity', 'rmse', NULL, 1.1),
	('<new>', 'model', 'recall', 10, 0.2)) e(g, s, m, k, v);
CREATE TABLE with_metrics AS
SELECT text, page(text) FROM model_report('shop', metrics => (SELECT jsonb_agg(e) FROM evaluation e)) text;
SELECT c.* FROM with_metrics, cells(page, 'All users') c;
SELECT c.* FROM with_metrics, cells(page, 'Group <new>') c;
SELECT t AS chart FROM with_metrics, texts(page, '//h:section[@id="quality"]//s:svg/s:title | //h:section[@id="quality"]//s:svg/s:desc') t;
SELECT text LIKE '%evaluate_model(&#39;shop&#39;, &#39;test&#39;)%' AS says_how FROM report;
SELECT page(model_report('shop', metrics => '[]')) IS NOT NULL AS empty;
SELECT model_report('shop', metrics => '{}');
SELECT model_report('shop', metrics => '3');
SELECT model_report('shop', metrics => '[1]');
SELECT model_report('shop', metrics => '[{"system": "model"}]');
SELECT model_report('shop', metrics => '[{"system": "model", "metric": "auc", "value": "high"}]');

-- names that would break a page
CREATE TABLE hostile (item text);
INSERT INTO hostile SELECT unnest(ARRAY['<script>alert(''1'')</script>', '"><img src=x onerror=alert(1)>', '&amp;', E'tab\there', E'a\x01b', ']]>', '-->', '',
	'</title>', repeat('long', 100), U&'\00E9\4E2D\+01F600', U&'\0085', U&'\FFFE', U&'\202Eright']);
CREATE TABLE "o ""<rders>" AS
SELECT 'u' || u || CASE u % 3 WHEN 0 THEN '<i>' WHEN 1 THEN '''"' ELSE '&' END AS "user <b>", item AS "item ""&", 1.5 AS "<rating>"
FROM generate_series(1, 30) u, (SELECT item, row_number() OVER () AS i FROM hostile) h WHERE (u * 7 + i * 3) % 4 > 0;
SELECT users, items FROM train_model('<M> & "co', 'SELECT * FROM "o ""<rders>" WHERE 1 < 2 -- &
	', 'user <b>', 'item "&', '<rating>', factors => 3, iterations => 2);
CREATE TABLE hostile_pages AS
SELECT text, page(text) FROM model_report('<M> & "co', title => '</h1><script>x</script>', item_names => 'SELECT item, ''<b>'' || item || ''</b>'' FROM hostile',
	metrics => '[{"system": "<model>", "metric": "\"&", "k": 5, "value": 0.5, "segment": "</table>"}]') text;
SELECT text ~ '<(script|img|b|i)[ >]' AS breaks_out, text ~ '[^\x01-\x7f]' OR text ~ '[\x01-\x08\x0b-\x1f]' AS not_ascii FROM hostile_pages;
SELECT shown FROM (SELECT DISTINCT t FROM hostile_pages, texts(page, '//h:td[@class="i"]/h:bdi') t) s(shown) ORDER BY shown COLLATE "C";
SELECT t FROM hostile_pages, texts(page, '//h:h1 | //h:pre/h:code | //h:p[@class="sub"]/h:bdi') t;

-- every kind of model
CREATE TABLE ratings AS SELECT u AS user_id, i AS item_id, 1 + (u * 31 + i * 17) % 5 AS rating
FROM generate_series(1, 40) u, generate_series(1, 30) i WHERE (u + i) % 3 = 0;
CREATE TABLE uuids AS SELECT md5(user_id::text)::uuid AS user_id, item_id::smallint, rating FROM ratings;
CREATE TABLE mixed AS SELECT user_id::bigint, md5(item_id::text)::uuid AS item_id, rating FROM ratings;
CREATE TABLE one_item AS SELECT u AS user_id, 'only'::varchar(10) AS item_id, 5 AS rating FROM generate_series(1, 10) u;
CREATE TABLE one_user AS SELECT 1 AS user_id, i AS item_id, i AS rating FROM generate_series(1, 5) i;
CREATE TABLE one_pair AS SELECT 1 AS user_id, 1 AS item_id, 1 AS rating;
SELECT FROM train_model('explicit', 'ratings', feedback => 'explicit', factors => 4);
SELECT FROM train_model('features', 'ratings', feedback => 'explicit', factors => 4, implicit_features => true, validation_fraction => 0.1, iterations => 3);
SELECT FROM train_model('logistic', 'ratings', feedback => 'logistic', factors => 4, iterations => 3);
SELECT FROM train_model('nonnegative', 'ratings', factors => 4, nonnegative => true, iterations => 1);
SELECT FROM train_model('uuids', 'uuids', factors => 4);
SELECT FROM train_model('mixed', 'mixed', factors => 4, rating_col => NULL);
SELECT FROM train_model('one_item', 'one_item', factors => 2);
SELECT FROM train_model('one_user', 'one_user', factors => 2, feedback => 'explicit');
SELECT FROM train_model('one_pair', 'one_pair', factors => 1, iterations => 1);
SELECT FROM train_model('emptied', 'ratings', factors => 2);
SELECT FROM train_model('emptied', 'ratings', factors => 2);
TRUNCATE emptied_users_2;
SELECT FROM train_model('nothing', 'ratings', factors => 2);
TRUNCATE nothing_users_1, nothing_items_1;
SELECT model, length(text) > 10000 AS page, page(text) IS NOT NULL AS well_formed,
	(regexp_match(text, '(The top 10 of[^%]*%|There is no user[^.]*\.|Nothing is left[^.]*\.)'))[1] AS lists
FROM unnest(ARRAY['explicit', 'features', 'logistic', 'nonnegative', 'uuids', 'mixed', 'one_item', 'one_user', 'one_pair', 'emptied', 'nothing']) model,
	LATERAL model_report(model) text;
SELECT (regexp_match(model_report('one_item', exclude_seen => false), 'The top 10 of[^%]*%'))[1];
-- norms leave out biases: the numbers of similar_items
SELECT abs(number(c.b) / (SELECT min(l2_norm(subvector(factor, 1, 4))) FROM explicit_users)::numeric - 1) < 0.005 AS without_biases
FROM cells(page(model_report('explicit')), 'Quantiles') c WHERE a = 'users';
-- a registry's row without what training says of itself
UPDATE recmf_models SET metrics = NULL, loss = '{}', seconds = '{}' WHERE model = 'one_pair';
SELECT (regexp_match(model_report('one_pair'), 'The registry has no losses[^.]*\.'))[1];
UPDATE recmf_models SET loss = '{NULL,NaN,Infinity,3}', metrics = '{"best_iteration": 7, "validation": {"metric": "<x>", "values": []}}' WHERE model = 'one_pair';
SELECT page(model_report('one_pair')) IS NOT NULL AS well_formed;

-- who may
CREATE ROLE regress_report_reader;
GRANT USAGE ON SCHEMA report_test TO regress_report_reader;
SET ROLE regress_report_reader;
SELECT model_report('shop');
RESET ROLE;
GRANT SELECT ON shop_users_2, shop_items_2 TO regress_report_reader;
SET ROLE regress_report_reader;
SELECT model_report('shop');
-- without the source, and without the tables of the version before
SELECT page(text) IS NOT NULL AS well_formed, (regexp_match(text, 'The tables of the version before[^.]*\.'))[1] AS drift
FROM model_report('shop', exclude_seen => false) text;
RESET ROLE;
REVOKE ALL ON shop_users_2, shop_items_2 FROM regress_report_reader;
REVOKE ALL ON SCHEMA report_test FROM regress_report_reader;
DROP ROLE regress_report_reader;

-- errors
SELECT model_report('no such model');
SELECT model_report();
SELECT model_report('shop', k => 0);
SELECT model_report('shop', k => NULL);
SELECT model_report('shop', k => 101);
SELECT model_report('shop', max_users => 0);
SELECT model_report('shop', exclude_seen => NULL);
SELECT model_report('shop', item_names => 'SELECT item_id FROM names');
SELECT model_report('shop', item_names => 'SELECT 1, 2; SELECT 3, 4');
SELECT model_report('shop', item_names => 'DELETE FROM names');
SELECT model_report('shop', item_names => 'SELECT');
CREATE FUNCTION writes() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO names VALUES ('x', 'y'); RETURN 'z'; END $$;
SELECT model_report('shop', item_names => 'SELECT item_id, writes() FROM names');
ALTER TABLE orders RENAME user_id TO someone;
SELECT model_report('shop');
DROP TABLE orders;
SELECT model_report('shop');
SELECT page(model_report('shop', exclude_seen => false)) IS NOT NULL AS without_source;
-- names: of several the first, NULL and unknown ones don't matter, ids of another type neither
SELECT count(*) FILTER (WHERE b = 'a 1') AS named, count(*) FILTER (WHERE b = '2') AS unnamed
FROM cells(page(model_report('one_user', item_names => $$VALUES (1::bigint, 'b'), (1, 'a'), (2, NULL), (77, 'c'), (NULL, 'd')$$)), 'Most popular');

DROP VIEW popularity;
SELECT drop_model(m) FROM unnest(ARRAY['shop', '<M> & "co', 'explicit', 'features', 'logistic', 'nonnegative', 'uuids', 'mixed', 'one_item', 'one_user', 'one_pair', 'emptied', 'nothing']) m;
DROP SCHEMA report_test CASCADE;
