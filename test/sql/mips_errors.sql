--
-- mips_errors.sql
--	  What an index of the access method mips refuses, and with which words; cancelling it.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_mips_errors;
SET search_path = test_mips_errors, public;
\set VERBOSITY default

CREATE TABLE items (id integer, f factor(3), name text);
INSERT INTO items VALUES (1, '[1,2,3]', 'a'), (2, '[3,2,1]', 'b');

-- definitions
CREATE INDEX ON items USING mips (id);
CREATE INDEX ON items USING mips (f, f);
CREATE INDEX ON items USING mips (f) INCLUDE (name);
CREATE UNIQUE INDEX ON items USING mips (f);
CREATE INDEX ON items USING mips (f DESC);
CREATE INDEX ON items USING mips (f NULLS FIRST);
CREATE INDEX ON items USING mips (f) WITH (fillfactor = 90);
CREATE INDEX ON items USING mips (f) WITH (lists = 10);
-- (PostgreSQL 18 qualifies the names)
\set VERBOSITY sqlstate
ALTER TABLE items ADD EXCLUDE USING mips (f WITH =);
\set VERBOSITY default

-- more dimensions than fit a page: the type says so, or the first row
CREATE TABLE wide (f factor(8100));
CREATE INDEX ON wide USING mips (f);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE wide_row (f factor);
CREATE INDEX wide_row_mips ON wide_row USING mips (f);
INSERT INTO wide_row SELECT array_fill(1, ARRAY[16000])::factor;
DROP INDEX wide_row_mips;
INSERT INTO wide_row SELECT array_fill(1, ARRAY[16000])::factor;
CREATE INDEX ON wide_row USING mips (f);
\echo :LAST_ERROR_SQLSTATE
-- what the hint says works
CREATE INDEX ON wide_row USING mips (subvector(f, 1, 8064));

-- dimensions that differ from each other
CREATE TABLE mixed (id integer, f factor);
INSERT INTO mixed VALUES (1, '[1,2]'), (2, '[1,2,3]');
CREATE INDEX ON mixed USING mips (f);
\echo :LAST_ERROR_SQLSTATE
TRUNCATE mixed;
INSERT INTO mixed VALUES (1, '[1,2]');
CREATE INDEX mixed_mips ON mixed USING mips (f);
INSERT INTO mixed VALUES (3, '[1,2,3]');
\echo :LAST_ERROR_SQLSTATE
UPDATE mixed SET f = '[1]';
SELECT id FROM mixed;
-- those of the query: the same words with the index and without
SET enable_seqscan = off;
SELECT id FROM mixed ORDER BY f <#> '[1,2,3]' LIMIT 1;
\echo :LAST_ERROR_SQLSTATE
RESET enable_seqscan;
SET enable_indexscan = off;
SELECT id FROM mixed ORDER BY f <#> '[1,2,3]' LIMIT 1;
RESET enable_indexscan;

-- another type of column: the index is made anew
CREATE INDEX items_mips ON items USING mips (f);
ALTER TABLE items ALTER f TYPE factor(2) USING subvector(f, 1, 2);
SET enable_seqscan = off;
SELECT id FROM items ORDER BY f <#> '[1,0]' LIMIT 1;
RESET enable_seqscan;

-- other people's tables
CREATE ROLE recmf_test_mips_user;
GRANT USAGE ON SCHEMA test_mips_errors TO recmf_test_mips_user;
SET ROLE recmf_test_mips_user;
CREATE INDEX ON items USING mips (f);
SELECT id FROM items ORDER BY f <#> '[1,0]' LIMIT 1;
SELECT mips_check('items_mips');
RESET ROLE;
DROP OWNED BY recmf_test_mips_user;
DROP ROLE recmf_test_mips_user;

-- operator classes that make no sense are not valid
CREATE OPERATOR CLASS wrong_strategy FOR TYPE factor USING mips AS OPERATOR 4 <#> FOR ORDER BY float_ops;
CREATE OPERATOR CLASS wrong_purpose FOR TYPE factor USING mips AS OPERATOR 1 <;
SELECT amvalidate((SELECT oid FROM pg_opclass WHERE opcname = 'wrong_purpose'));
CREATE OPERATOR CLASS no_operator FOR TYPE factor USING mips AS STORAGE factor;
SELECT amvalidate((SELECT oid FROM pg_opclass WHERE opcname = 'no_operator'));

-- cancelling a build, and a scan: nothing stays behind
CREATE TABLE large AS
SELECT i AS id, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 64) j)::factor AS f FROM generate_series(1, 20000) i;
SET statement_timeout = 30;
CREATE INDEX large_mips ON large USING mips (f);
RESET statement_timeout;
SELECT count(*) FROM pg_class WHERE relname = 'large_mips';
CREATE INDEX large_mips ON large USING mips (f);
ANALYZE large;
SET enable_seqscan = off;
SET enable_sort = off;
SET jit = off;
SET statement_timeout = 100;
SELECT count(s.id) FROM generate_series(1, 1000) g, LATERAL (SELECT id FROM large ORDER BY f <#> (SELECT f FROM large WHERE id = g) OFFSET 0) s;
RESET statement_timeout;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM large ORDER BY f <#> (SELECT array_fill(1, ARRAY[64])::factor)) s;
SELECT FROM mips_check('large_mips', true);

DROP SCHEMA test_mips_errors CASCADE;
