--
-- mips_write.sql
--	  The write side of access method mips: what a single session sees of it.
--	  test/t has crashes, standbys, corrupt pages and random histories.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_mips_write;
SET search_path = test_mips_write, public;
RESET client_min_messages;
-- plans forced by settings look expensive enough to compile
SET jit = off;

CREATE TABLE items (id integer, factor factor);
CREATE INDEX items_mips ON items USING mips (factor);
SET enable_seqscan = off;
SET enable_sort = off;

-- empty, then only NULLs, then the first vector, which decides the dimensions
SELECT * FROM mips_check('items_mips', true);
SELECT id FROM items ORDER BY factor <#> '[1,1]';
INSERT INTO items VALUES (1, NULL), (2, NULL);
SELECT runs, entries, tail_entries, null_entries FROM mips_check('items_mips', true);
SELECT id FROM items ORDER BY factor <#> '[1,1]';
INSERT INTO items VALUES (3, '[1,2]'), (4, '[3,4]');
SELECT runs, entries, tail_entries, null_entries FROM mips_check('items_mips', true);
SELECT id, factor <#> '[1,1]' AS distance FROM items ORDER BY factor <#> '[1,1]';
INSERT INTO items VALUES (5, '[1,2,3]');
SELECT count(*) FROM items;

-- values at the ends of what a float holds
INSERT INTO items VALUES (6, '[0,0]'), (7, '[3e38,-3e38]'), (8, '[1e-45,0]'), (9, '[3e38,3e38]');
SELECT id FROM items ORDER BY factor <#> '[1,1]', id;
SELECT id FROM items ORDER BY factor <#> '[1,1]';
SELECT id FROM items ORDER BY factor <-> '[0,0]' LIMIT 5;
SELECT runs, entries, tail_entries, null_entries FROM mips_check('items_mips', true);

-- the first vector of a transaction that is rolled back decides nothing that hurts
CREATE TABLE later (id integer, factor factor);
CREATE INDEX later_mips ON later USING mips (factor);
BEGIN;
INSERT INTO later VALUES (1, '[1,2,3]');
ROLLBACK;
INSERT INTO later VALUES (1, '[1,2]');
REINDEX INDEX later_mips;
INSERT INTO later VALUES (1, '[1,2]');
SELECT id FROM later ORDER BY factor <#> '[1,1]';

-- a change of the column's dimensions rewrites the index, or fails as a whole
CREATE TABLE typed (id integer, factor factor(3));
CREATE INDEX typed_mips ON typed USING mips (factor);
INSERT INTO typed SELECT i, array_fill(i::real, ARRAY[3])::factor FROM generate_series(1, 1000) i;
ALTER TABLE typed ALTER factor TYPE factor(2);
ALTER TABLE typed ALTER factor TYPE factor(2) USING subvector(factor, 1, 2);
SELECT runs, entries, tail_entries FROM mips_check('typed_mips', true);
SELECT id FROM typed ORDER BY factor <#> '[1,1]' LIMIT 2;
INSERT INTO typed VALUES (1, '[1,2,3]');
ALTER TABLE typed ALTER factor TYPE factor;
INSERT INTO typed VALUES (1, '[1,2,3]');
SELECT runs, entries + tail_entries AS entries FROM mips_check('typed_mips', true);

-- rows that are updated in place have no new entry
CREATE TABLE hot (id integer, factor factor(3), note text) WITH (fillfactor = 30, autovacuum_enabled = off);
CREATE INDEX hot_mips ON hot USING mips (factor);
INSERT INTO hot SELECT i, array_fill(i::real, ARRAY[3])::factor FROM generate_series(1, 100) i;
UPDATE hot SET note = 'changed';
SELECT tail_entries FROM mips_check('hot_mips', true);
SELECT id, note FROM hot ORDER BY factor <#> '[1,1,1]' LIMIT 2;

-- a large insert is folded, VACUUM folds the rest and takes dead entries out
INSERT INTO hot SELECT i, array_fill(i::real, ARRAY[3])::factor FROM generate_series(101, 30000) i;
SELECT runs > 0 AS folded, entries + tail_entries AS entries FROM mips_check('hot_mips', true);
DELETE FROM hot WHERE id % 2 = 0;
VACUUM hot;
SELECT runs, entries + tail_entries AS entries, left_over_pages FROM mips_check('hot_mips', true);
SELECT reltuples FROM pg_class WHERE relname = 'hot_mips';
SELECT id FROM hot ORDER BY factor <#> '[1,1,1]' LIMIT 3;
DELETE FROM hot;
VACUUM hot;
SELECT runs, entries, tail_entries, left_over_pages FROM mips_check('hot_mips', true);
SELECT id FROM hot ORDER BY factor <#> '[1,1,1]' LIMIT 3;
INSERT INTO hot VALUES (1, '[1,1,1]');
SELECT id FROM hot ORDER BY factor <#> '[1,1,1]' LIMIT 3;

-- a chain of NULLs that is mostly empty is written anew
CREATE TABLE nothing (id integer, factor factor(3)) WITH (autovacuum_enabled = off);
CREATE INDEX nothing_mips ON nothing USING mips (factor);
INSERT INTO nothing SELECT i, NULL FROM generate_series(1, 20000) i;
SELECT null_entries, pages FROM mips_check('nothing_mips', true);
DELETE FROM nothing WHERE id % 10 <> 3;
VACUUM nothing;
SELECT null_entries, free_pages > 10 AS has_free_pages, left_over_pages FROM mips_check('nothing_mips', true);
SELECT count(*), min(id), max(id) FROM (SELECT id FROM nothing ORDER BY factor <#> '[1,2,3]') s;

-- partial indexes and expressions
CREATE INDEX part_mips ON typed USING mips (factor) WHERE id <= 10;
CREATE INDEX expression_mips ON typed USING mips ((array_fill(id::real, ARRAY[5])::factor));
INSERT INTO typed SELECT i, array_fill(i::real, ARRAY[2])::factor FROM generate_series(5, 15) i;
SELECT entries + tail_entries AS entries FROM mips_check('part_mips', true);
SELECT entries + tail_entries AS entries FROM mips_check('expression_mips', true);
SELECT id FROM typed ORDER BY array_fill(id::real, ARRAY[5])::factor <#> '[1,1,1,1,1]' LIMIT 2;

-- temporary and unlogged tables
CREATE TEMP TABLE brief (id integer, factor factor(2));
CREATE INDEX brief_mips ON brief USING mips (factor);
INSERT INTO brief SELECT i, array_fill(i::real, ARRAY[2])::factor FROM generate_series(1, 20000) i;
DELETE FROM brief WHERE id > 10;
VACUUM brief;
SELECT entries + tail_entries AS entries FROM mips_check('brief_mips', true);
SELECT id FROM brief ORDER BY factor <#> '[1,1]' LIMIT 2;
CREATE UNLOGGED TABLE fleeting AS SELECT * FROM brief;
CREATE INDEX fleeting_mips ON fleeting USING mips (factor);
INSERT INTO fleeting SELECT i, array_fill(i::real, ARRAY[2])::factor FROM generate_series(1, 20000) i;
VACUUM fleeting;
SELECT entries + tail_entries AS entries FROM mips_check('fleeting_mips', true);

-- what mips_check() is not for
CREATE INDEX items_id ON items (id);
SELECT mips_check('items_id');
SELECT mips_check('items');
SELECT mips_check(0);
CREATE TABLE parts (id integer, factor factor(2)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE INDEX parts_mips ON parts USING mips (factor);
SELECT mips_check('parts_mips');
SELECT runs FROM mips_check('parts_1_factor_idx', true);

-- the table of another owner
CREATE ROLE regress_mips_owner;
CREATE ROLE regress_mips_writer;
CREATE TABLE owned (id integer, factor factor(2));
CREATE INDEX owned_mips ON owned USING mips (factor);
ALTER TABLE owned OWNER TO regress_mips_owner;
GRANT USAGE ON SCHEMA test_mips_write TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON owned TO regress_mips_writer;
SET ROLE regress_mips_writer;
INSERT INTO owned SELECT i, array_fill(i::real, ARRAY[2])::factor FROM generate_series(1, 20000) i;
UPDATE owned SET factor = '[7,7]' WHERE id = 7;
SELECT id FROM owned ORDER BY factor <#> '[1,1]' LIMIT 2;
SELECT mips_check('owned_mips');
SET ROLE regress_mips_owner;
SELECT entries + tail_entries AS entries FROM mips_check('owned_mips', true);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA test_mips_write CASCADE;
DROP ROLE regress_mips_owner, regress_mips_writer;
