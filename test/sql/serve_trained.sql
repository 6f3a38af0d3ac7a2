-- serving what train_model() makes
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA serve_trained;
SET search_path = serve_trained, public;
RESET client_min_messages;

-- two groups of customers with a taste each: 1-30 buy from p1-p15, 31-60 from q1-q15
CREATE TABLE orders (customer integer, sku text COLLATE "POSIX", quantity integer);
INSERT INTO orders
SELECT u, CASE WHEN u <= 30 THEN 'p' ELSE 'q' END || i, 1 + (u * i) % 4
FROM generate_series(1, 60) u, generate_series(1, 15) i
WHERE (u * 7 + i * i * 3) % 11 < 6;
CREATE INDEX ON orders (customer);
SELECT users, items FROM train_model('shop', 'orders', 'customer', 'sku', 'quantity', factors => 8, iterations => 12, regularization => 0.05);

-- the taste, without what was bought
SELECT c.customer, count(*) AS n, bool_and(left(item_id, 1) = CASE WHEN c.customer <= 30 THEN 'p' ELSE 'q' END) AS of_taste,
	   bool_or(item_id IN (SELECT sku FROM orders o WHERE o.customer = c.customer)) AS bought, bool_and(score IS NOT NULL) AS scored,
	   array_agg(rank ORDER BY score DESC) AS ranks
FROM (VALUES (1), (30), (31), (60)) c (customer), LATERAL recommend(c.customer::text, 4) r
GROUP BY 1 ORDER BY 1;
-- as the definition says it, for every customer
SELECT count(*) AS customers, count(*) FILTER (WHERE served = defined) AS right
FROM shop_users u,
LATERAL (SELECT array_agg(ROW(item_id, score) ORDER BY rank) AS served FROM recommend(u.user_id::text, 10)) s,
LATERAL (SELECT array_agg(ROW(item_id COLLATE "default", score) ORDER BY score DESC, item_id COLLATE "C") AS defined FROM (
	SELECT i.item_id, inner_product(u.factor, i.factor) AS score FROM shop_items i
	WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer = u.user_id AND o.sku = i.item_id)
	ORDER BY 2 DESC, i.item_id COLLATE "C" LIMIT 10) t) d;
-- similar ones are of the same group
SELECT count(*), bool_and(item_id LIKE 'p%') FROM similar_items('p3', 3);
SELECT count(*), bool_and(user_id > 30) FROM similar_users(40, 5);
SELECT predict(1, 'p1') > predict(1, 'q1') AS prefers_p, predict(60, 'p1') < predict('60', 'q1') AS prefers_q,
	   predict(1, 'p1') = inner_product(user_factor('shop', 1), item_factor('shop', 'p1')) AS as_defined;
SELECT p.item_id = i.item_id AND p.n_ratings = i.n_ratings AS as_counted
FROM popular_items(1) p, (SELECT sku AS item_id, count(*) AS n_ratings FROM orders GROUP BY sku ORDER BY count(*) DESC, sku COLLATE "C" LIMIT 1) i;
-- the view takes part in plain SQL
SELECT count(*), bool_and(item_id LIKE 'p%') FROM (
	SELECT item_id FROM shop_items ORDER BY factor <#> (SELECT user_factor('shop', 5)) LIMIT 10) t;

-- folding a customer's own orders in gives his factor again, and his recommendations
SELECT count(*) > 100 AS enough, max(abs(f.score - predict(u.user_id, f.item_id))) < 0.02 AS near
FROM shop_users u,
LATERAL (SELECT array_agg(sku) AS skus, array_agg(quantity)::float8[] AS quantities FROM orders o WHERE o.customer = u.user_id) b,
LATERAL recommend_for(b.skus, b.quantities, 100) f;
SELECT count(*) AS customers, count(*) FILTER (WHERE mine = folded) > 50 AS same_four
FROM (SELECT u.user_id,
			 (SELECT array_agg(item_id ORDER BY item_id) FROM recommend(u.user_id::text, 4)) AS mine,
			 (SELECT array_agg(item_id ORDER BY item_id) FROM recommend_for(b.skus, b.quantities, 4)) AS folded
	  FROM shop_users u, LATERAL (SELECT array_agg(sku) AS skus, array_agg(quantity)::float8[] AS quantities FROM orders o WHERE o.customer = u.user_id) b) t;
-- a basket of one group's things; ids are compared by their bytes, whatever the collation of their columns
SELECT count(*) FROM recommend('1', 100, 'shop', include_items => ARRAY['p1', 'P1', 'q1', 'q2'], exclude_items => ARRAY['q2', 'Q1'], exclude_seen => false);
SELECT count(*), bool_and(item_id LIKE 'q%') FROM recommend_for(ARRAY['q1', 'q2', 'new in shop'], k => 5);

-- the same for ratings with biases
CREATE TABLE grades AS SELECT customer::smallint AS user_id, sku::varchar(10) AS item_id, 1 + (customer * 3 + length(sku) * quantity) % 5 AS rating FROM orders;
CREATE INDEX ON grades (user_id);
SELECT users, items FROM train_model('films', 'grades', feedback => 'explicit', factors => 4, iterations => 20);
SET recmf.model = 'films';
SELECT max(abs(f.score - r.score)) < 0.05 AS near
FROM films_users u,
LATERAL (SELECT array_agg(item_id::text) AS items, array_agg(rating)::float8[] AS ratings FROM grades g WHERE g.user_id = u.user_id) b,
LATERAL recommend_for(b.items, b.ratings, 100) f, LATERAL recommend(u.user_id::text, 100) r
WHERE r.item_id = f.item_id;
SELECT bool_and(predict(g.user_id, g.item_id) BETWEEN 1 AND 5) AS in_range, sqrt(avg((predict(g.user_id, g.item_id) - rating) ^ 2)) < stddev(rating) AS fits FROM grades g;
SELECT max(abs(r.score - (m.rating_mean + inner_product(user_factor('films', 3), i.factor)))) < 1e-6 AS as_defined
FROM recommend('3', 100) r JOIN films_items i USING (item_id), recmf_models m WHERE m.model = 'films';
SELECT abs(predict('nobody', 'p1') - (m.rating_mean + i.bias)) < 1e-6 AS mean_and_bias FROM films_items i, recmf_models m WHERE i.item_id = 'p1' AND m.model = 'films';
RESET recmf.model;

-- uuid on both sides, from a SELECT under the search path of the one who trained
CREATE TABLE visits AS SELECT md5('u' || customer)::uuid AS visitor, md5(sku)::uuid AS page FROM orders;
CREATE INDEX ON visits (visitor);
SELECT users, items FROM train_model('site', 'SELECT visitor, page FROM visits', 'visitor', 'page', NULL, factors => 8, iterations => 8);
SET search_path = public;
SELECT count(*), bool_and(score IS NOT NULL) AS known, bool_or(item_id::uuid IN (SELECT page FROM serve_trained.visits WHERE visitor = md5('u1')::uuid)) AS visited
FROM recommend(md5('u1'), 5, model => 'site');
SELECT count(*), bool_or(score IS NOT NULL) AS known FROM recommend(md5('u0'), 5, model => 'site');
SET search_path = serve_trained, public;

-- retraining: the next statement serves the new version, a statement's snapshot the version that it sees
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM recommend('1', 3, model => 'shop');
COMMIT;
INSERT INTO orders SELECT 1, 'q' || i, 9 FROM generate_series(1, 15) i;
SELECT version FROM train_model('shop', 'orders', 'customer', 'sku', 'quantity', factors => 4, iterations => 5);
SELECT dimensions(user_factor('shop', 1));
SELECT count(*), bool_and(item_id LIKE 'p%') FROM recommend('1', 3, model => 'shop');

SELECT drop_model('shop'), drop_model('films'), drop_model('site');
SET client_min_messages = warning;
DROP SCHEMA serve_trained CASCADE;
