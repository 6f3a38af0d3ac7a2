-- demo.sql: what recmf does, on a shop's real orders.  Run by test/demo.sh from
-- the top of the project; the data come from test/data.

\set QUIET on
\pset footer off
\pset linestyle ascii
SET client_min_messages = warning;
\set ECHO none

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
CREATE INDEX ON orders (user_id);
ANALYZE;

\echo
\echo '== The data: a gift shop''s orders of one year, as they are in its database'
\echo

\set ECHO queries
SELECT count(*) AS lines, count(DISTINCT invoice_no) AS invoices,
       count(DISTINCT user_id) AS customers, count(DISTINCT item_id) AS items,
       min(invoice_date)::date AS first, max(invoice_date)::date AS last
FROM orders;

\set ECHO none
\echo '== What tells of preference: purchases by known customers; no returns, postage or fees'
\echo
\set ECHO queries
CREATE VIEW purchases AS
SELECT user_id, item_id FROM orders
WHERE quantity > 0 AND user_id IS NOT NULL AND item_id ~ '^[0-9]{5}';

\set ECHO none
\echo '== Training. rating_col => NULL: every row of the view counts one'
\echo
\timing on
\set ECHO queries
CREATE EXTENSION recmf;
SELECT version, users, items, ratings, skipped, loss[1]::integer AS first_loss,
       loss[array_upper(loss, 1)]::integer AS last_loss,
       round(read_seconds::numeric, 2) AS read_s, round(train_seconds::numeric, 2) AS train_s,
       round(write_seconds::numeric, 2) AS write_s
FROM train_model('shop', source => 'purchases', rating_col => NULL);

\set ECHO none
\echo
\echo '== Ten recommendations for customer 12748'
\echo
\set ECHO queries
SELECT rank, item_id, title, round(score::numeric, 3) AS score
FROM recommend('12748', 10) JOIN items USING (item_id)
ORDER BY rank;
