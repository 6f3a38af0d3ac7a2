-- A/B tests: who sees what, what came of it, and how many users a test needs
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA ab;
SET search_path = ab, public;
RESET client_min_messages;

-- ---- ab_assign ----

-- for ever: if this changes, users of running experiments change sides
SELECT string_agg(left(ab_assign('button', u), 1), '' ORDER BY u) FROM generate_series(0, 39) u;
SELECT ab_assign('Größe', 'Jürgen', '{a,b,c}'), ab_assign('', ''), ab_assign('button', -7, '{x,y}', '{1,3}');

-- one id, one variant, whatever its type; and as many shares as weights say
SELECT count(*) FILTER (WHERE ab_assign('e', u) = ab_assign('e', u::bigint) AND ab_assign('e', u) = ab_assign('e', u::text)
	AND ab_assign('e', u) = ab_assign('e', u::smallint)) AS same FROM generate_series(-500, 499) u;
SELECT count(*) FILTER (WHERE ab_assign('e', id) = ab_assign('e', id::text)) AS same
FROM (SELECT md5(u::text)::uuid AS id FROM generate_series(1, 500) u) ids;
SELECT variant, round(count(*) / 1000.0) AS of_ten FROM (
	SELECT ab_assign('shares', u, '{a,b,c,d}', '{5,0,3,2}') AS variant FROM generate_series(1, 10000) u) s
GROUP BY 1 ORDER BY 1;

-- more weight for b: users go there, and nowhere else; a new variant takes some from each
SELECT old, new, round(count(*) / 500.0) AS of_twenty FROM (
	SELECT ab_assign('ramp', u, '{a,b,c}', '{8,1,1}') AS old, ab_assign('ramp', u, '{a,b,c}', '{8,6,1}') AS new
	FROM generate_series(1, 10000) u) s
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FILTER (WHERE old <> new AND new <> 'c') AS moved_elsewhere, count(*) FILTER (WHERE new = 'c') BETWEEN 3100 AND 3560 AS a_third
FROM (SELECT ab_assign('third', u, '{a,b}') AS old, ab_assign('third', u, '{c,b,a}') AS new FROM generate_series(1, 10000) u) s;

-- parallel safe, immutable: good for an index or a generated column
CREATE TABLE visitors (user_id bigint, variant text GENERATED ALWAYS AS (ab_assign('button', user_id)) STORED);
INSERT INTO visitors VALUES (0), (1), (2), (NULL);
SELECT * FROM visitors ORDER BY user_id;

SELECT ab_assign('e', NULL::bigint) IS NULL AND ab_assign('e', NULL::text) IS NULL AND ab_assign('e', NULL::uuid) IS NULL AS nobody;
SELECT ab_assign(NULL, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ab_assign('e', 1, NULL);
SELECT ab_assign('e', 1, '{}');
SELECT ab_assign('e', 1, '{a,NULL}');
SELECT ab_assign('e', 1, '{a,""}');
SELECT ab_assign('e', 1, '{a,b,a}');
SELECT ab_assign('e', 1, '{{a,b},{c,d}}');
SELECT ab_assign('e', 1, weights => '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ab_assign('e', 1, weights => '{1,-1}');
SELECT ab_assign('e', 1, weights => '{1,NaN}');
SELECT ab_assign('e', 1, weights => '{Infinity,1}');
SELECT ab_assign('e', 1, weights => '{0,0}');
SELECT ab_assign('e', 1, weights => '{1,NULL}');
SELECT ab_assign('e', NULL::text, '{a,a}');
SELECT ab_assign('e', 1, '{only}'), ab_assign('e', 1, weights => '{0,1e-300}');

-- ---- ab_report ----

-- beside plain SQL: means with their variances, the ratio by the delta method
CREATE TABLE events AS
SELECT u AS user_id, CASE WHEN u % 2 = 0 THEN 'control' ELSE 'new' END AS variant,
	1 + (u * 31 + e * 17) % 7 AS impressions, ((u * 13 + e * 5) % 7 = 0)::integer AS clicks,
	((u * 7 + e * 3) % (11 - u % 2) = 0) AS orders, CASE WHEN (u * 7 + e * 3) % (11 - u % 2) = 0 THEN 5 + u % 9 END AS revenue
FROM generate_series(1, 400) u, generate_series(1, 1 + u % 3) e;

CREATE VIEW per_user AS
SELECT user_id, variant, sum(impressions)::float8 AS impressions, sum(clicks)::float8 AS clicks, sum(orders::integer)::float8 AS orders,
	coalesce(sum(revenue), 0)::float8 AS revenue
FROM events GROUP BY 1, 2;

CREATE VIEW by_hand AS
WITH pairs AS (
	SELECT variant, metric, y, x FROM per_user, LATERAL (VALUES
		('click_through_rate', clicks, impressions), ('conversion', (orders > 0)::integer, 1), ('orders_per_user', orders, 1),
		('revenue_per_user', revenue, 1), ('revenue_per_order', revenue, orders)) m (metric, y, x)
), ratios AS (SELECT variant, metric, sum(y) / sum(x) AS value, avg(x) AS mean_x FROM pairs GROUP BY 1, 2
), variances AS (
	SELECT variant, metric, value, count(*) AS n, var_samp((y - value * x) / mean_x) / count(*) AS variance
	FROM pairs JOIN ratios USING (variant, metric) GROUP BY 1, 2, 3)
SELECT a.metric, a.value AS control, b.value AS new, b.value - a.value AS difference, sqrt(a.variance) AS control_error,
	sqrt(a.variance + b.variance) AS error_of_difference
FROM variances a JOIN variances b USING (metric) WHERE a.variant = 'control' AND b.variant = 'new';

SELECT metric, variant, users, impressions, clicks, orders, revenue, round(value::numeric, 6) AS value, round(p_value::numeric, 6) AS p_value, verdict
FROM ab_report('events');
SELECT metric, round(difference::numeric, 6) AS difference, round(relative_difference::numeric, 6) AS relative,
	round(difference_low::numeric, 6) AS low, round(difference_high::numeric, 6) AS high, round(sample_ratio_p_value::numeric, 6) AS ratio
FROM ab_report('SELECT * FROM events') WHERE variant = 'new';
SELECT h.metric, abs(a.value - h.control) < 1e-12 AND abs(b.value - h.new) < 1e-12 AND abs(b.difference - h.difference) < 1e-12 AS values,
	abs(b.relative_difference - h.difference / h.control) < 1e-12 AS relative, abs(a.std_error - h.control_error) < 1e-12 AS error,
	-- critical values of t with some 390 degrees of freedom
	(b.difference_high - b.difference) / h.error_of_difference BETWEEN 1.9655 AND 1.9668
		AND abs(b.difference_high + b.difference_low - 2 * b.difference) < 1e-12 AS interval
FROM by_hand h JOIN ab_report('events') a USING (metric) JOIN ab_report('events') b USING (metric)
WHERE a.variant = 'control' AND b.variant = 'new' ORDER BY 1;

-- rows by user or by event are the same; a control of one's own; names of columns; what there is
SELECT count(*), bool_and(e.users = u.users AND e.revenue = u.revenue AND abs(e.value - u.value) < 1e-12
	AND (e.variant = 'control' OR abs(e.p_value - u.p_value) < 1e-12)) AS same
FROM ab_report('events') e JOIN ab_report('per_user') u USING (metric, variant);
SELECT metric, variant, verdict FROM ab_report('events', control => 'new', clicks_col => NULL, revenue_col => NULL);
SELECT metric, variant, impressions, clicks, round(value::numeric, 4) AS value FROM ab_report('SELECT user_id AS "The User", variant AS v, clicks AS c FROM events',
	'v', 'The User', clicks_col => 'c');
SELECT metric, variant, round(value::numeric, 4) AS value FROM ab_report('SELECT user_id, variant, clicks FROM events') WHERE variant = 'new';

-- the confidence is that of the interval and of the verdict
SELECT confidence, verdict, difference_low > 0 AS above FROM (VALUES (0.5), (0.999)) c (confidence),
	LATERAL ab_report('events', confidence => confidence) WHERE metric = 'revenue_per_user' AND variant = 'new' ORDER BY 1;

-- sequential: wider, larger p; the formula with rho^2 = 8.2119681 / planned users
SELECT f.metric, s.p_value > f.p_value AS larger_p, s.difference_low < f.difference_low AND s.difference_high > f.difference_high AS wider, s.verdict
FROM ab_report('events') f JOIN ab_report('events', sequential => true) s USING (metric, variant) WHERE variant = 'new' ORDER BY 1;
SELECT metric, abs((difference_high - r.difference)
	- h.error_of_difference * sqrt((1 + c) / c * (-2 * ln(0.05) + ln(1 + c)))) < 1e-9 AS interval,
	abs(p_value - least(1, exp((h.difference / h.error_of_difference) ^ 2 / -2 * c / (1 + c)) * sqrt(1 + c))) < 1e-9 AS p
FROM ab_report('events', sequential => true, planned_users => 1000) r JOIN by_hand h USING (metric),
	LATERAL (SELECT 8.211968062068253 * 400 / 1000 AS c) m WHERE variant = 'new' ORDER BY 1;

-- what is not there, too little, or always the same
CREATE TABLE small (user_id text, variant text, clicks integer, impressions integer, orders integer, revenue numeric);
SELECT * FROM ab_report('small');
INSERT INTO small VALUES ('a', 'B', 1, 4, 0, 0), ('b', 'B', 1, 2, 1, 10);
SELECT metric, variant, users, value, difference, p_value, sample_ratio_p_value, verdict FROM ab_report('small');
INSERT INTO small VALUES ('c', 'C', 1, 0, 1, 10);
SELECT metric, variant, users, value, std_error, difference, relative_difference, difference_low, p_value, verdict FROM ab_report('small');
INSERT INTO small VALUES ('d', 'C', 1, 0, 1, 10);
SELECT metric, variant, users, value, difference, p_value IS NULL AS no_p, verdict FROM ab_report('small');
UPDATE small SET clicks = 0, impressions = 10, orders = 1, revenue = 3;
SELECT metric, variant, value, std_error, difference, relative_difference, p_value, verdict FROM ab_report('small');
SELECT metric, variant, users, value, verdict FROM ab_report('small', variants => '{B,C,"not yet"}', weights => '{1,1,0}') WHERE metric = 'conversion';

-- users in two variants, rows of nobody, values missing
INSERT INTO small VALUES ('a', 'C', 1, 1, 1, 1), (NULL, 'C', 1, 1, 1, 1), ('b', NULL, 9, 9, 9, 9), ('e', 'B', NULL, NULL, NULL, NULL);
SELECT metric, variant, users, impressions, clicks, orders, revenue, value FROM ab_report('small') WHERE metric = 'conversion';

-- sample ratio mismatch: 5000 and 5400 where halves should be
CREATE TABLE lossy AS SELECT u AS user_id, CASE WHEN u <= 5000 THEN 'A' ELSE 'B' END AS variant, u % 10 = 0 AS orders FROM generate_series(1, 10400) u;
SELECT variant, users, sample_ratio_p_value < 0.001 AS mismatch, abs(sample_ratio_p_value - 8.769942375590228e-05) < 1e-15 AS as_expected, verdict
FROM ab_report('lossy')
WHERE metric = 'conversion';
SELECT variant, round(sample_ratio_p_value::numeric, 4) AS ratio FROM ab_report('lossy', variants => '{A,B}', weights => '{50,54}') WHERE metric = 'conversion';

-- errors
SELECT * FROM ab_report(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ab_report('nowhere');
SELECT * FROM ab_report('DELETE FROM events');
SELECT * FROM ab_report('events', variant_col => 'side');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ab_report('events', user_col => NULL);
SELECT * FROM ab_report('events', clicks_col => 'klicks');
SELECT * FROM ab_report('events', clicks_col => 'variant');
SELECT * FROM ab_report('SELECT user_id, variant, impressions FROM events');
SELECT * FROM ab_report('events', control => 'nobody');
SELECT * FROM ab_report('events', confidence => 1);
SELECT * FROM ab_report('events', confidence => NULL);
SELECT * FROM ab_report('events', sequential => NULL);
SELECT * FROM ab_report('events', planned_users => 100);
SELECT * FROM ab_report('events', sequential => true, planned_users => 1);
SELECT * FROM ab_report('events', weights => '{1,1}');
SELECT * FROM ab_report('events', variants => '{control,other}');
SELECT * FROM ab_report('events', variants => '{control,new}', weights => '{1}');
SELECT * FROM ab_report('events', variant_col => 'user_id');
SELECT * FROM ab_report($$SELECT 7 AS user_id, 'a' AS variant, 'NaN'::float8 AS revenue$$);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ab_report($$SELECT 7 AS user_id, 'a' AS variant, 'Infinity'::float8 AS revenue$$);
SELECT * FROM ab_report($$SELECT 7 AS user_id, 'a' AS variant, '-Infinity'::float8 AS revenue$$);
SELECT * FROM ab_report($$SELECT 'ann' AS user_id, 'a' AS variant, o AS orders FROM (VALUES (3), (-1)) v (o)$$);
SELECT * FROM ab_report($$SELECT u AS user_id, (u % 2)::text AS variant, u * 1e200::float8 AS revenue FROM generate_series(1, 10) u$$);

-- the source runs as the caller, under the caller's search_path, and must not write
CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN DELETE FROM ab.events; RETURN 1; END $$;
SELECT * FROM ab_report('SELECT 1 AS user_id, ''a'' AS variant, writes() AS clicks');
CREATE FUNCTION ab.sum(float8) RETURNS float8 LANGUAGE sql AS 'SELECT 666::float8';
CREATE FUNCTION ab.isnt(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR ab.= (LEFTARG = text, RIGHTARG = text, FUNCTION = ab.isnt);
SET search_path = ab, public, pg_catalog;
SELECT metric, variant, orders FROM ab_report('events') WHERE metric OPERATOR(pg_catalog.=) 'conversion';
SET search_path = ab, public;
DROP OPERATOR ab.= (text, text);
DROP FUNCTION ab.sum(float8);
SELECT count(*) FROM events;

CREATE ROLE regress_ab_stranger;
GRANT USAGE ON SCHEMA ab TO regress_ab_stranger;
SET ROLE regress_ab_stranger;
\set VERBOSITY terse
SELECT count(*) FROM ab_report('events');
\set VERBOSITY default
SELECT count(*) FROM ab_report('SELECT 1 AS user_id, ''a'' AS variant, 1 AS orders');
RESET ROLE;
REVOKE ALL ON SCHEMA ab FROM regress_ab_stranger;
DROP ROLE regress_ab_stranger;

-- ---- ab_sample_size ----

SELECT * FROM ab_sample_size(0.1, 0.02);
SELECT * FROM ab_sample_size(0.1, 0.02, weights => '{0.9,0.1}');
SELECT * FROM ab_sample_size(0.05, -0.01, power => 0.9, confidence => 0.99);
SELECT * FROM ab_sample_size(0.1, 0.02, sequential => true);
-- means: Cohen's d of 1 and 0.5
SELECT a.users AS one, b.users AS half FROM ab_sample_size(40, 3, std => 3) a, ab_sample_size(40, 3, std => 6) b;
SELECT * FROM ab_sample_size(0.1, 0.02, weights => '{2,1,1}');
SELECT ab_sample_size(0.1, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT ab_sample_size(12, 1);
SELECT ab_sample_size(0.9, 0.2);
SELECT ab_sample_size(NULL, 0.1);
SELECT ab_sample_size(0.1, 'NaN');
SELECT ab_sample_size(0.1, 0.1, power => 1);
SELECT ab_sample_size(0.1, 0.1, confidence => 95);
SELECT ab_sample_size(10, 1, std => 0);
SELECT ab_sample_size(10, 1, std => -1);
SELECT ab_sample_size(10, 1, std => 'Infinity');
SELECT ab_sample_size(0.1, 0.1, weights => '{1}');
SELECT ab_sample_size(0.1, 0.1, weights => '{1,0}');
SELECT ab_sample_size(0.1, 1e-12);

-- ---- by simulation ----

-- 1000 experiments on the same 1000 users in which the variant changes nothing: one in twenty finds something, and one in
-- twenty has an improbable ratio
SET client_min_messages = error;
CREATE TABLE shoppers AS
SELECT u AS user_id, (u * 7919) % 1000 < 200 AS orders, CASE WHEN (u * 7919) % 1000 < 200 THEN 10 + u % 50 END AS revenue FROM generate_series(1, 1000) u;
SELECT metric, avg((p_value < 0.05)::integer) BETWEEN 0.03 AND 0.07 AS one_in_twenty,
	avg((difference_low <= 0 AND difference_high >= 0)::integer) BETWEEN 0.93 AND 0.97 AS covered,
	avg((sample_ratio_p_value < 0.05)::integer) BETWEEN 0.03 AND 0.07 AS ratio, count(*)
FROM generate_series(1, 1000) e, LATERAL ab_report(format('SELECT *, ab_assign(''experiment %s'', user_id) AS variant FROM shoppers', e))
WHERE variant = 'treatment' GROUP BY 1 ORDER BY 1;

-- looked at after each hundred users: fixed, many more than one in twenty show something at some time; sequential, no more
SELECT count(*) FILTER (WHERE fixed) > 200 * 0.1 AS fixed_is_fooled, count(*) FILTER (WHERE sequential) <= 200 * 0.05 AS sequential_is_not, count(*)
FROM (
	SELECT e, bool_or(f.p_value < 0.05) AS fixed, bool_or(s.p_value < 0.05) AS sequential
	FROM generate_series(1, 200) e, generate_series(100, 1000, 100) n,
		LATERAL format('SELECT *, ab_assign(''look %s'', user_id) AS variant FROM shoppers WHERE user_id <= %s', e, n) source,
		LATERAL ab_report(source, revenue_col => NULL) f,
		LATERAL ab_report(source, revenue_col => NULL, sequential => true, planned_users => 1000) s
	WHERE f.metric = 'conversion' AND s.metric = f.metric AND f.variant = 'treatment' AND s.variant = f.variant
	GROUP BY e) looks;

DROP SCHEMA ab CASCADE;
