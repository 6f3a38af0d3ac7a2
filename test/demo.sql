-- demo.sql: what recmf does, on a shop's real orders.  Run by test/demo.sh from
-- the top of the project; the data come from test/data.

\set QUIET on
\set ECHO none
\pset footer off
\pset linestyle ascii
\pset border 1
SET client_min_messages = warning;

\echo
\echo '=== 1. The data: one year of orders of a gift shop, as they stand in its database ======='
\echo

CREATE TABLE orders (
	invoice_no text NOT NULL,
	item_id text NOT NULL,
	quantity integer NOT NULL,
	invoice_date timestamp NOT NULL,
	unit_price numeric NOT NULL,
	user_id integer,
	country text NOT NULL
);
CREATE TABLE items (item_id text PRIMARY KEY, title text);
\copy orders FROM PROGRAM 'xz -dc test/data/orders.csv.xz' CSV HEADER
\copy items FROM PROGRAM 'xz -dc test/data/items.csv.xz' CSV HEADER
CREATE INDEX ON orders (user_id, item_id);
VACUUM ANALYZE;

\set ECHO queries
SELECT count(*) AS order_lines, count(DISTINCT invoice_no) AS invoices,
       count(DISTINCT user_id) AS customers, count(DISTINCT item_id) AS items,
       min(invoice_date)::date AS first_day, max(invoice_date)::date AS last_day
FROM orders;
\set ECHO none
\echo 'What tells of a customer''s taste: what was bought; not returns, postage and fees.'
\echo
\set ECHO queries
CREATE VIEW purchases AS
SELECT user_id, item_id FROM orders
WHERE quantity > 0 AND user_id IS NOT NULL AND item_id ~ '^[0-9]{5}';
\set ECHO none

\echo
\echo '=== 2. Training: one statement reads the view and writes the model into two tables ======'
\echo
CREATE EXTENSION recmf;
\timing on
\set ECHO queries
SELECT users, items, ratings, loss[1]::integer AS first_loss,
       loss[array_length(loss, 1)]::integer AS last_loss,
       round(read_seconds::numeric, 2) AS read_s, round(train_seconds::numeric, 2) AS train_s,
       round(write_seconds::numeric, 2) AS write_s
FROM train_model('shop', source => 'purchases', rating_col => NULL);  -- NULL: each row counts 1
\set ECHO none

\echo
\echo '=== 3. Customer 17850: what they bought most often, and ten things to offer ============='
\echo
\set ECHO queries
SELECT title AS bought, count(*) AS times
FROM purchases JOIN items USING (item_id)
WHERE user_id = 17850
GROUP BY item_id, title ORDER BY times DESC, title LIMIT 10;
\echo
SELECT r.rank, i.title AS recommended, round(r.score::numeric, 3) AS score
FROM recommend('17850', 10) r JOIN items i USING (item_id)
ORDER BY r.rank;
\set ECHO none
\echo
\echo 'What the customer has is left out, also what was bought a moment ago. The first call in a'
\echo 'session plans its statements; those after it only run them:'
\echo
\set ECHO queries
SELECT count(*) FROM recommend('13707', 10);
\set ECHO none

\echo
\echo '=== 4. A product page: items like the REGENCY CAKESTAND 3 TIER ==========================='
\echo
\set ECHO queries
SELECT s.rank, i.title, round(s.similarity::numeric, 3) AS similarity
FROM similar_items('22423', 6) s JOIN items i USING (item_id)
ORDER BY s.rank;
\set ECHO none

\echo
\echo '=== 5. The same in plain SQL, where any condition can be added: <=> is cosine distance ==='
\echo
\set ECHO queries
SELECT i.title, round((f.factor <=> cakestand.factor)::numeric, 3) AS distance
FROM shop_items cakestand, shop_items f JOIN items i USING (item_id)
WHERE cakestand.item_id = '22423' AND i.title LIKE '%CHRISTMAS%'
ORDER BY f.factor <=> cakestand.factor LIMIT 5;
\set ECHO none

\echo
\echo '=== 6. A visitor without an account, two items in the basket ============================='
\echo
\set ECHO queries
SELECT string_agg(title, ' + ') AS basket FROM items WHERE item_id IN ('22697', '20725');
\echo
SELECT r.rank, i.title AS recommended, round(r.score::numeric, 3) AS score
FROM recommend_for(ARRAY['22697', '20725'], k => 6) r JOIN items i USING (item_id)
ORDER BY r.rank;
\set ECHO none

\echo
\echo '=== 7. Every night: ten recommendations for every customer, in a materialized view ======='
\echo
\set ECHO queries
CREATE MATERIALIZED VIEW nightly AS
SELECT u.user_id, r.rank, r.item_id, r.score
FROM shop_users u CROSS JOIN LATERAL recommend(u.user_id::text, 10, model => 'shop') r;
\echo
SELECT count(*) AS recommendations, count(DISTINCT user_id) AS customers,
       count(DISTINCT item_id) AS items FROM nightly;
\set ECHO none

\echo
\echo '=== 8. A model for each country: the aggregate mf_train and GROUP BY ====================='
\echo
\set ECHO queries
CREATE TABLE country_models AS
SELECT country, mf_train(user_id, item_id, quantity, '{"factors": 16}') AS model
FROM orders
WHERE quantity > 0 AND user_id IS NOT NULL AND country IN ('Germany', 'France', 'Spain')
GROUP BY country;
\echo
SELECT m.country, r.rank, i.title AS recommended
FROM country_models m, recommend(m.model, '12681', 5) r JOIN items i USING (item_id)
WHERE m.country = 'France' ORDER BY r.rank;
