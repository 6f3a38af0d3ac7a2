--
-- factor_errors.sql
--	  Hostile calls: each gives a clear error or a defined result.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_factor_errors;
SET search_path = test_factor_errors, public;

-- What an expression gives, or the error with its SQLSTATE, detail and hint.
CREATE FUNCTION outcome(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE 'SELECT (' || expression || ')::text' INTO result;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN sqlstate || ' ' || message || coalesce(E'\n    ' || nullif(detail, ''), '') || coalesce(E'\n    ' || nullif(hint, ''), '');
END $$;

\pset format unaligned
\pset tuples_only on
\pset fieldsep '\n    '

-- text
SELECT expression, outcome(expression) FROM (VALUES
	($$''::factor$$),
	($$'   '::factor$$),
	($$'1,2,3'::factor$$),
	($$'{1,2,3}'::factor$$),
	($$'[1,2,3'::factor$$),
	($$'['::factor$$),
	($$'[1,'::factor$$),
	($$'[1'::factor$$),
	($$'[]'::factor$$),
	($$'[ ]'::factor$$),
	($$'[]x'::factor$$),
	($$'[1,]'::factor$$),
	($$'[,1]'::factor$$),
	($$'[1,,2]'::factor$$),
	($$'[1 2]'::factor$$),
	($$'[1]]'::factor$$),
	($$'[1] x'::factor$$),
	($$'[1][2]'::factor$$),
	($$'[[1]]'::factor$$),
	($$'[a]'::factor$$),
	($$'[1,b2]'::factor$$),
	($$'[1x]'::factor$$),
	($$'[1e]'::factor$$),
	($$'[1.2.3]'::factor$$),
	($$'[.]'::factor$$),
	($$'[-]'::factor$$),
	($$'[--1]'::factor$$),
	($$'[+-1]'::factor$$),
	($$'[0x10]'::factor$$),
	($$'[1,NULL]'::factor$$),
	($$'[1;2]'::factor$$),
	($$'[1,2}'::factor$$),
	($$'[1,nan]'::factor$$),
	($$'[NaN]'::factor$$),
	($$'[1,2,Infinity]'::factor$$),
	($$'[-inf]'::factor$$),
	($$'[1,1e39]'::factor$$),
	($$'[-3.5e38]'::factor$$),
	($$'[1e99999]'::factor$$),
	($$('[' || repeat('9', 100) || ']')::factor$$),
	($$('[' || repeat('1,', 15999) || '1]')::factor IS NULL$$),
	($$('[' || repeat('1,', 16000) || '1]')::factor$$),
	($$('[' || repeat(',', 20000) || ']')::factor$$),
	($$'[ü]'::factor$$)
) v (expression);

-- type modifier
SELECT expression, outcome(expression) FROM (VALUES
	($$'[1]'::factor(0)$$),
	($$'[1]'::factor(-1)$$),
	($$'[1]'::factor(16000)$$),
	($$'[1]'::factor(16001)$$),
	($$'[1]'::factor(1, 2)$$),
	($$'[1]'::factor(a)$$),
	($$'[1]'::factor('1')$$),
	($$'[1]'::factor(99999999999)$$),
	($$'[1,2]'::factor(1)$$),
	($$NULL::factor(2)$$)
) v (expression);

-- arrays
SELECT expression, outcome(expression) FROM (VALUES
	($$'{}'::real[]::factor$$),
	($$'{}'::integer[]::factor$$),
	($$'{}'::double precision[]::factor$$),
	($$'{}'::numeric[]::factor$$),
	($$'{1,NULL}'::real[]::factor$$),
	($$'{NULL}'::integer[]::factor$$),
	($$'{1,NULL}'::double precision[]::factor$$),
	($$'{1,NULL}'::numeric[]::factor$$),
	($$'{{1,2},{3,4}}'::real[]::factor$$),
	($$'{{1}}'::integer[]::factor$$),
	($$'{NaN}'::real[]::factor$$),
	($$'{1,Infinity}'::real[]::factor$$),
	($$'{1,2,-Infinity}'::double precision[]::factor$$),
	($$'{NaN}'::double precision[]::factor$$),
	($$'{NaN}'::numeric[]::factor$$),
	($$'{0,Infinity}'::numeric[]::factor$$),
	($$'{1,1e39}'::double precision[]::factor$$),
	($$'{-1e308}'::double precision[]::factor$$),
	($$'{1,1e39}'::numeric[]::factor$$),
	($$'{-1e5000}'::numeric[]::factor$$),
	($$array_fill(1::real, ARRAY[16001])::factor$$),
	($$array_fill(1::real, ARRAY[16001])::factor(3)$$),
	($$ARRAY['1', '2']::text[]::factor$$),
	($$ARRAY[1, 2]::bigint[]::factor$$),
	($$'[1,2]'::factor::text[]$$),
	($$1::factor$$),
	($$'[1,3e9]'::factor::integer[]$$)
) v (expression);

-- dimensions that differ: both are named
SELECT expression, outcome(expression) FROM (VALUES
	($$'[1,2,3]'::factor <#> '[1,2,3,4]'$$),
	($$'[1,2,3]'::factor <=> '[1,2]'$$),
	($$'[1,2,3]'::factor <-> '[1]'$$),
	($$'[1,2,3]'::factor <~> '[1,2,3,4]'$$),
	($$'[1,2,3]'::factor + '[1,2]'$$),
	($$'[1,2,3]'::factor - '[1,2,3,4]'$$),
	($$'[1,2,3]'::factor * '[1]'$$),
	($$inner_product('[1]', '[1,2]')$$),
	($$cosine_similarity('[1]', '[1,2]')$$),
	($$cosine_distance('[1]', '[1,2]')$$),
	($$l2_distance('[1]', '[1,2]')$$),
	($$'[1]'::factor = '[1,2]'$$),
	($$(SELECT sum(f) FROM (VALUES ('[1,2]'::factor), ('[1,2,3]')) v (f))$$),
	($$(SELECT avg(f) FROM (VALUES ('[1,2,3]'::factor), ('[1,2]')) v (f))$$),
	($$factor_combine('{1,2}', '{1,2,3}')$$)
) v (expression);

-- overflow
SELECT expression, outcome(expression) FROM (VALUES
	($$'[1,3e38]'::factor + '[1,3e38]'$$),
	($$'[-3e38,1]'::factor - '[3e38,1]'$$),
	($$'[1,1,1e20]'::factor * '[1,1,-1e20]'$$),
	($$(SELECT sum(f) FROM (VALUES ('[0,3e38]'::factor), ('[0,3e38]')) v (f))$$),
	($$factor_sum('{1,1e300}')$$)
) v (expression);

-- subvector
SELECT expression, outcome(expression) FROM (VALUES
	($$subvector('[1,2,3]', 0, 1)$$),
	($$subvector('[1,2,3]', 4, 1)$$),
	($$subvector('[1,2,3]', 2, 3)$$),
	($$subvector('[1,2,3]', 1, 0)$$),
	($$subvector('[1,2,3]', 1, -1)$$),
	($$subvector('[1,2,3]', -2147483648, 2147483647)$$),
	($$subvector('[1,2,3]', 2147483647, 2147483647)$$)
) v (expression);

-- the states of aggregates, called with anything
SELECT expression, outcome(expression) FROM (VALUES
	($$factor_accumulate('{}', '[1]')$$),
	($$factor_accumulate('{{0}}', '[1]')$$),
	($$factor_accumulate('{NULL}', '[1]')$$),
	($$factor_accumulate('{1,NULL}', '[1]')$$),
	($$factor_accumulate('{-1,1}', '[1]')$$),
	($$factor_accumulate('{NaN,1}', '[1]')$$),
	($$factor_accumulate('{1}', '[1]')$$),
	($$factor_accumulate('{0,1}', '[1]')$$),
	($$factor_accumulate('{1,2,3}', '[1]')$$),
	($$factor_combine('{}', '{0}')$$),
	($$factor_combine('{0}', '{}')$$),
	($$factor_combine('{0}', '{0}')$$),
	($$factor_sum('{}')$$),
	($$factor_sum('{0}')$$),
	($$factor_avg('{0}')$$),
	($$factor_sum('{1,NaN}')$$),
	($$factor_avg('{1,Infinity}')$$),
	($$factor_avg('{Infinity,1}')$$),
	($$factor_avg(array_fill(1::double precision, ARRAY[16002]))$$)
) v (expression);

-- what does not exist
SELECT expression, outcome(expression) FROM (VALUES
	($$inner_product('[1]'::factor)$$),
	($$inner_product(ARRAY[1], ARRAY[1])$$),
	($$l2_norm(1)$$),
	($$'[1]'::factor / '[1]'$$),
	($$recmf_create_pgvector_casts(1)$$)
) v (expression);

-- binary form
CREATE TABLE binary_copy (f factor, CHECK (false));
CREATE TABLE binary_copy_2 (f factor(2), CHECK (false));
\pset format aligned
\pset tuples_only off
-- no dimension, more than there are, less than none
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\000\000\000\000\377\377"' (format binary)
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\076\201\000\000\377\377"' (format binary)
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\377\377\000\000\377\377"' (format binary)
-- a second word that is not 0
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\001\077\200\000\000\377\377"' (format binary)
-- NaN, infinity
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\177\300\000\000\377\377"' (format binary)
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\002\000\000\077\200\000\000\377\200\000\000\377\377"' (format binary)
-- fewer numbers than dimensions, more
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\002\000\000\077\200\000\000\377\377"' (format binary)
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\014\000\001\000\000\077\200\000\000\077\200\000\000\377\377"' (format binary)
-- no head at all
\copy binary_copy from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\000\001\377\377"' (format binary)
-- another number of dimensions than the column's
\copy binary_copy_2 from program 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\000\001\000\000\077\200\000\000\377\377"' (format binary)

-- too long for an index row
CREATE TABLE indexed (f factor);
CREATE INDEX ON indexed (f);
INSERT INTO indexed SELECT array_agg(sqrt(g))::factor FROM generate_series(1, 1000) g;

SET client_min_messages = warning;
DROP SCHEMA test_factor_errors CASCADE;
