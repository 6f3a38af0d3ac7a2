--
-- factor.sql
--	  The type factor: text and binary forms, type modifier, casts, storage.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_factor;
SET search_path = test_factor, public;
RESET client_min_messages;

-- text
SELECT '[1,2,3]'::factor, '[0.1,-0.25,1e10]'::factor, '[1]'::factor;
SELECT E' [ 1 ,\t-2.5\n, +.5 , 3. ]  '::factor AS spaces;
SELECT '[-0,1e-3,1E+3,0001]'::factor;
-- the shortest text that reads back as the same numbers
SELECT '[0.1,0.3333333333,16777217,3.4028234663852886e38]'::factor;
SELECT '[3.40282347e38,-3.40282347e38]'::factor::text::factor = '[3.40282347e38,-3.40282347e38]' AS same;
-- too small becomes the nearest there is
SELECT '[1.1754944e-38,1e-40,1e-45,1e-46,-1e-400]'::factor;

-- every float4 that text gives comes back from text
SELECT setseed(0.5);
SELECT count(*), bool_and(f::text::factor = f) AS same
FROM (
	SELECT ARRAY[x, -x, 1 / x, x * x]::factor AS f
	FROM (SELECT (random() * 10 ^ (random() * 30 - 15) + 1e-15)::real AS x FROM generate_series(1, 1000)) r
) s;

-- type modifier
CREATE TABLE items (id integer PRIMARY KEY, f factor(3), any_length factor);
SELECT format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'items'::regclass AND attname IN ('f', 'any_length') ORDER BY attnum;
INSERT INTO items VALUES
	(1, '[1,2,3]', '[1]'),
	(2, ARRAY[4, 5, 6], ARRAY[1.5, 2.5]),
	(3, ARRAY[0.5, 0.25, 0.125]::real[], '{1e10}'::double precision[]),
	(4, '[0,0,0]'::factor, NULL);
SELECT * FROM items ORDER BY id;
INSERT INTO items VALUES (5, '[1,2]', NULL);
INSERT INTO items VALUES (5, ARRAY[1, 2, 3, 4], NULL);
INSERT INTO items SELECT 5, any_length, NULL FROM items WHERE id = 2;
UPDATE items SET f = any_length WHERE id = 1;
SELECT '[1,2]'::factor(2), ARRAY[1, 2, 3]::factor(3), '[1,2,3]'::factor::factor(3);
SELECT '[1,2]'::factor(3);
SELECT ARRAY[1, 2]::factor(3);
SELECT '[1,2]'::factor::factor(3);
ALTER TABLE items ALTER COLUMN f TYPE factor(2);
ALTER TABLE items ALTER COLUMN f TYPE factor;
ALTER TABLE items ALTER COLUMN f TYPE real[];
ALTER TABLE items ALTER COLUMN f TYPE factor(3);
SELECT f FROM items ORDER BY id;

-- casts
SELECT ARRAY[1, -2, 16777217]::factor AS from_integer,
	ARRAY[0.1, -2.5]::real[]::factor AS from_real,
	ARRAY[0.1, 1e-300, 1e38]::double precision[]::factor AS from_double_precision,
	ARRAY[0.1, 1e-300, 100000000000000000000000000000000000000]::numeric[]::factor AS from_numeric;
SELECT '[0.1,2]'::factor::real[] AS to_real,
	'[0.5,2]'::factor::double precision[] AS to_double_precision,
	'[0.5,1.5,2.4,-2.6]'::factor::integer[] AS to_integer;
-- arrays with bounds of their own
SELECT '[5:7]={1,2,3}'::integer[]::factor;
-- implicit: whatever takes real[] takes a factor
CREATE FUNCTION takes_real(real[]) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT array_length($1, 1)';
SELECT takes_real('[7,8,9]'::factor);
-- arrays are not compared or measured unless they are cast
SELECT '[1,2]'::factor <-> ARRAY[1, 2];
SELECT '[1,2]'::factor <-> ARRAY[1, 2]::factor AS cast_distance;

-- binary form: dimensions, zero, then the numbers, in network byte order
SELECT encode(factor_send('[1,-2.5]'), 'hex');
CREATE TABLE binary_copy (f factor);
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\002\000\000\077\200\000\000\300\040\000\000\377\377"' (format binary)
SELECT * FROM binary_copy;
\copy (SELECT f FROM items ORDER BY id) to 'results/factor.data' (format binary)
\copy binary_copy from 'results/factor.data' (format binary)
SELECT * FROM binary_copy;

-- text of a table and back
\copy items to 'results/factor.data'
CREATE TABLE items_back (LIKE items);
\copy items_back from 'results/factor.data'
SELECT count(*) FROM (TABLE items EXCEPT TABLE items_back) s;

-- the largest, out of line
CREATE TABLE large (f factor);
INSERT INTO large SELECT array_agg(g::real)::factor FROM generate_series(1, 16000) g;
SELECT dimensions(f), pg_column_size(f), abs(inner_product(f, f) / 1365461336000 - 1) < 1e-6 AS near, f = f::text::factor AS same,
	subvector(f, 15999, 2) AS last
FROM large;
SELECT attstorage FROM pg_attribute WHERE attrelid = 'large'::regclass AND attname = 'f';

SET client_min_messages = warning;
DROP SCHEMA test_factor CASCADE;
