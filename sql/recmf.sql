/*
 * recmf.sql
 *	  The extension's objects, in the order of the README's reference.
 *
 * The Makefile copies this file to sql/recmf--VERSION.sql.
 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION recmf" to load this file. \quit

------------------------------------------------------------------------------
-- Type factor: input and output, casts
------------------------------------------------------------------------------

CREATE TYPE factor;

CREATE FUNCTION factor_in(cstring, oid, integer) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_out(factor) RETURNS cstring
	AS 'MODULE_PATHNAME', 'recmf_factor_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'recmf_factor_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_typmod_out(integer) RETURNS cstring
	AS 'MODULE_PATHNAME', 'recmf_factor_typmod_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_recv(internal, oid, integer) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_send(factor) RETURNS bytea
	AS 'MODULE_PATHNAME', 'recmf_factor_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- external: a factor past the page's toast threshold (about 500 dimensions)
-- goes out of line, and is not compressed, as floats hardly shrink.
CREATE TYPE factor (
	INPUT = factor_in,
	OUTPUT = factor_out,
	TYPMOD_IN = factor_typmod_in,
	TYPMOD_OUT = factor_typmod_out,
	RECEIVE = factor_recv,
	SEND = factor_send,
	STORAGE = external
);

COMMENT ON TYPE factor IS 'vector of single precision numbers; factor(n) has n dimensions';
COMMENT ON FUNCTION factor_in(cstring, oid, integer) IS 'input of factor from text';
COMMENT ON FUNCTION factor_out(factor) IS 'output of factor as text';
COMMENT ON FUNCTION factor_typmod_in(cstring[]) IS 'input of the type modifier of factor';
COMMENT ON FUNCTION factor_typmod_out(integer) IS 'output of the type modifier of factor';
COMMENT ON FUNCTION factor_recv(internal, oid, integer) IS 'input of factor from its binary form';
COMMENT ON FUNCTION factor_send(factor) IS 'output of factor in its binary form';

CREATE FUNCTION factor(factor, integer, boolean) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_coerce' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_to_factor(integer[], integer, boolean) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_array_to_factor' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_to_factor(real[], integer, boolean) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_array_to_factor' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_to_factor(double precision[], integer, boolean) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_array_to_factor' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION array_to_factor(numeric[], integer, boolean) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_array_to_factor' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_to_real(factor) RETURNS real[]
	AS 'MODULE_PATHNAME', 'recmf_factor_to_real' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_to_double_precision(factor) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'recmf_factor_to_double_precision' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_to_integer(factor) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'recmf_factor_to_integer' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION factor(factor, integer, boolean) IS 'checks the dimensions of a factor against factor(n)';
COMMENT ON FUNCTION array_to_factor(integer[], integer, boolean) IS 'converts an array to factor';
COMMENT ON FUNCTION array_to_factor(real[], integer, boolean) IS 'converts an array to factor';
COMMENT ON FUNCTION array_to_factor(double precision[], integer, boolean) IS 'converts an array to factor';
COMMENT ON FUNCTION array_to_factor(numeric[], integer, boolean) IS 'converts an array to factor';
COMMENT ON FUNCTION factor_to_real(factor) IS 'converts a factor to real[]';
COMMENT ON FUNCTION factor_to_double_precision(factor) IS 'converts a factor to double precision[]';
COMMENT ON FUNCTION factor_to_integer(factor) IS 'converts a factor to integer[], rounding each element';

-- Arrays become factors on assignment only: an implicit cast would let any
-- array slip into a distance or comparison and hide mistakes.  The way to
-- real[] loses nothing and is implicit.
CREATE CAST (factor AS factor) WITH FUNCTION factor(factor, integer, boolean) AS IMPLICIT;
CREATE CAST (integer[] AS factor) WITH FUNCTION array_to_factor(integer[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (real[] AS factor) WITH FUNCTION array_to_factor(real[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (double precision[] AS factor)
	WITH FUNCTION array_to_factor(double precision[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (numeric[] AS factor) WITH FUNCTION array_to_factor(numeric[], integer, boolean) AS ASSIGNMENT;
CREATE CAST (factor AS real[]) WITH FUNCTION factor_to_real(factor) AS IMPLICIT;
CREATE CAST (factor AS double precision[]) WITH FUNCTION factor_to_double_precision(factor) AS ASSIGNMENT;
CREATE CAST (factor AS integer[]) WITH FUNCTION factor_to_integer(factor);

COMMENT ON CAST (factor AS factor) IS 'checks the number of dimensions';
COMMENT ON CAST (integer[] AS factor) IS 'each element as the nearest single precision number';
COMMENT ON CAST (real[] AS factor) IS 'exact';
COMMENT ON CAST (double precision[] AS factor) IS 'each element as the nearest single precision number';
COMMENT ON CAST (numeric[] AS factor) IS 'each element as the nearest single precision number';
COMMENT ON CAST (factor AS real[]) IS 'exact';
COMMENT ON CAST (factor AS double precision[]) IS 'exact';
COMMENT ON CAST (factor AS integer[]) IS 'rounds each element';


------------------------------------------------------------------------------
-- Type factor: functions, operators, operator classes, aggregates
------------------------------------------------------------------------------

-- What reads a whole factor costs about four times a comparison of two numbers.

CREATE FUNCTION inner_product(factor, factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION cosine_similarity(factor, factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_cosine_similarity' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION cosine_distance(factor, factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION l2_distance(factor, factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION l2_norm(factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_l2_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION l2_normalize(factor) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION dimensions(factor) RETURNS integer
	AS 'MODULE_PATHNAME', 'recmf_factor_dimensions' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION subvector(factor, start integer, count integer) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION inner_product(factor, factor) IS 'inner product';
COMMENT ON FUNCTION cosine_similarity(factor, factor) IS 'cosine of the angle, from -1 to 1; 0 when either factor is zero';
COMMENT ON FUNCTION cosine_distance(factor, factor) IS '1 - cosine similarity, from 0 to 2; 1 when either factor is zero';
COMMENT ON FUNCTION l2_distance(factor, factor) IS 'Euclidean distance';
COMMENT ON FUNCTION l2_norm(factor) IS 'Euclidean norm';
COMMENT ON FUNCTION l2_normalize(factor) IS 'the factor at norm 1; a zero factor stays zero';
COMMENT ON FUNCTION dimensions(factor) IS 'number of dimensions';
COMMENT ON FUNCTION subvector(factor, integer, integer) IS 'count elements from position start on, counted from 1';

CREATE FUNCTION factor_negative_inner_product(factor, factor) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_factor_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_add(factor, factor) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_subtract(factor, factor) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_subtract' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_multiply(factor, factor) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_multiply' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;

COMMENT ON FUNCTION factor_negative_inner_product(factor, factor) IS 'implementation of <#> operator';
COMMENT ON FUNCTION factor_add(factor, factor) IS 'implementation of + operator';
COMMENT ON FUNCTION factor_subtract(factor, factor) IS 'implementation of - operator';
COMMENT ON FUNCTION factor_multiply(factor, factor) IS 'implementation of * operator';

CREATE OPERATOR <#> (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<#>',
	FUNCTION = factor_negative_inner_product);
CREATE OPERATOR <=> (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<=>',
	FUNCTION = cosine_distance);
CREATE OPERATOR <-> (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<->',
	FUNCTION = l2_distance);
CREATE OPERATOR <~> (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<~>',
	FUNCTION = cosine_similarity);
CREATE OPERATOR + (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '+',
	FUNCTION = factor_add);
CREATE OPERATOR - (LEFTARG = factor, RIGHTARG = factor,
	FUNCTION = factor_subtract);
CREATE OPERATOR * (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '*',
	FUNCTION = factor_multiply);

COMMENT ON OPERATOR <#> (factor, factor) IS 'negative inner product, so that ORDER BY brings the largest product first';
COMMENT ON OPERATOR <=> (factor, factor) IS 'cosine distance';
COMMENT ON OPERATOR <-> (factor, factor) IS 'Euclidean distance';
COMMENT ON OPERATOR <~> (factor, factor) IS 'cosine similarity';
COMMENT ON OPERATOR + (factor, factor) IS 'sum, element by element';
COMMENT ON OPERATOR - (factor, factor) IS 'difference, element by element';
COMMENT ON OPERATOR * (factor, factor) IS 'product, element by element';

-- Order: lexicographic, a factor before its extensions.

CREATE FUNCTION factor_lt(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_le(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_eq(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_ne(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_ge(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_gt(factor, factor) RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_factor_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION factor_lt(factor, factor) IS 'implementation of < operator';
COMMENT ON FUNCTION factor_le(factor, factor) IS 'implementation of <= operator';
COMMENT ON FUNCTION factor_eq(factor, factor) IS 'implementation of = operator';
COMMENT ON FUNCTION factor_ne(factor, factor) IS 'implementation of <> operator';
COMMENT ON FUNCTION factor_ge(factor, factor) IS 'implementation of >= operator';
COMMENT ON FUNCTION factor_gt(factor, factor) IS 'implementation of > operator';

CREATE OPERATOR < (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '>', NEGATOR = '>=',
	FUNCTION = factor_lt, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '>=', NEGATOR = '>',
	FUNCTION = factor_le, RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR = (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '=', NEGATOR = '<>',
	FUNCTION = factor_eq, RESTRICT = eqsel, JOIN = eqjoinsel,
	HASHES, MERGES);
CREATE OPERATOR <> (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<>', NEGATOR = '=',
	FUNCTION = factor_ne, RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR >= (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<=', NEGATOR = '<',
	FUNCTION = factor_ge, RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR > (LEFTARG = factor, RIGHTARG = factor, COMMUTATOR = '<', NEGATOR = '<=',
	FUNCTION = factor_gt, RESTRICT = scalargtsel, JOIN = scalargtjoinsel);

COMMENT ON OPERATOR < (factor, factor) IS 'less than';
COMMENT ON OPERATOR <= (factor, factor) IS 'less than or equal';
COMMENT ON OPERATOR = (factor, factor) IS 'equal';
COMMENT ON OPERATOR <> (factor, factor) IS 'not equal';
COMMENT ON OPERATOR >= (factor, factor) IS 'greater than or equal';
COMMENT ON OPERATOR > (factor, factor) IS 'greater than';

CREATE FUNCTION factor_compare(factor, factor) RETURNS integer
	AS 'MODULE_PATHNAME', 'recmf_factor_compare' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION factor_hash(factor) RETURNS integer
	AS 'MODULE_PATHNAME', 'recmf_factor_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_hash_extended(factor, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'recmf_factor_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;

COMMENT ON FUNCTION factor_compare(factor, factor) IS 'less, equal, greater: -1, 0, 1';
COMMENT ON FUNCTION factor_hash(factor) IS 'hash';
COMMENT ON FUNCTION factor_hash_extended(factor, bigint) IS 'hash with a seed';

CREATE OPERATOR CLASS factor_ops DEFAULT FOR TYPE factor USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 factor_compare(factor, factor);
CREATE OPERATOR CLASS factor_ops DEFAULT FOR TYPE factor USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 factor_hash(factor),
	FUNCTION 2 factor_hash_extended(factor, bigint);

COMMENT ON OPERATOR CLASS factor_ops USING btree IS 'lexicographic order of factors';
COMMENT ON OPERATOR CLASS factor_ops USING hash IS 'equality of factors';
COMMENT ON OPERATOR FAMILY factor_ops USING btree IS 'lexicographic order of factors';
COMMENT ON OPERATOR FAMILY factor_ops USING hash IS 'equality of factors';

-- Exact top-k.

CREATE FUNCTION mips_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'recmf_mips_handler' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE ACCESS METHOD mips TYPE INDEX HANDLER mips_handler;

COMMENT ON FUNCTION mips_handler(internal) IS 'handler of the index access method mips';
COMMENT ON ACCESS METHOD mips IS 'exact top-k of factors by inner product, cosine or Euclidean distance';

CREATE OPERATOR CLASS factor_mips_ops DEFAULT FOR TYPE factor USING mips AS
	OPERATOR 1 <#> FOR ORDER BY float_ops,
	OPERATOR 2 <=> FOR ORDER BY float_ops,
	OPERATOR 3 <-> FOR ORDER BY float_ops;

COMMENT ON OPERATOR CLASS factor_mips_ops USING mips IS 'order by <#>, <=> or <->';
COMMENT ON OPERATOR FAMILY factor_mips_ops USING mips IS 'order by <#>, <=> or <->';

CREATE FUNCTION mips_scan_stats(
	reset boolean DEFAULT false,
	OUT scans bigint,
	OUT directory_pages bigint,
	OUT data_pages bigint,
	OUT tail_pages bigint,
	OUT entries_scored bigint,
	OUT rows_returned bigint
)
	AS 'MODULE_PATHNAME', 'recmf_mips_scan_stats' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

CREATE FUNCTION mips_check(
	index regclass,
	heap_all_indexed boolean DEFAULT false,
	OUT runs integer,
	OUT entries bigint,
	OUT tail_entries bigint,
	OUT null_entries bigint,
	OUT pages bigint,
	OUT free_pages bigint,
	OUT left_over_pages bigint
)
	AS 'MODULE_PATHNAME', 'recmf_mips_check' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION mips_check(regclass, boolean) IS 'verifies an index of access method mips; on demand that each row of its table is in it';

COMMENT ON FUNCTION mips_scan_stats(boolean) IS 'what scans of mips indexes have read in this session, since the last reset';

-- The state {count, sums...} is a plain array, so that it can travel in any form.

CREATE FUNCTION factor_accumulate(double precision[], factor) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'recmf_factor_accumulate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'recmf_factor_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_sum(double precision[]) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_sum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
CREATE FUNCTION factor_avg(double precision[]) RETURNS factor
	AS 'MODULE_PATHNAME', 'recmf_factor_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;

COMMENT ON FUNCTION factor_accumulate(double precision[], factor) IS 'aggregate transition function';
COMMENT ON FUNCTION factor_combine(double precision[], double precision[]) IS 'aggregate combine function';
COMMENT ON FUNCTION factor_sum(double precision[]) IS 'aggregate final function';
COMMENT ON FUNCTION factor_avg(double precision[]) IS 'aggregate final function';

CREATE AGGREGATE sum(factor) (
	SFUNC = factor_accumulate,
	STYPE = double precision[],
	FINALFUNC = factor_sum,
	COMBINEFUNC = factor_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
CREATE AGGREGATE avg(factor) (
	SFUNC = factor_accumulate,
	STYPE = double precision[],
	FINALFUNC = factor_avg,
	COMBINEFUNC = factor_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE sum(factor) IS 'sum of the factors, element by element';
COMMENT ON AGGREGATE avg(factor) IS 'average of the factors, element by element';

CREATE FUNCTION recmf_create_pgvector_casts() RETURNS boolean
	AS 'MODULE_PATHNAME', 'recmf_create_pgvector_casts' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION recmf_create_pgvector_casts() IS
	'creates casts without a function between factor and the type vector of pgvector; false when both exist';

------------------------------------------------------------------------------
-- Registry of models
--
-- A model name belongs to one role; every version of the model carries it, and
-- the foreign key keeps the two the same.  Everybody may read; a row is
-- changed by the name's owner.
------------------------------------------------------------------------------

CREATE TABLE recmf_model_names (
	model text PRIMARY KEY,
	owner regrole NOT NULL DEFAULT (current_user::regrole),
	UNIQUE (model, owner)
);

CREATE TABLE recmf_models (
	model text NOT NULL,
	version integer NOT NULL,
	active boolean NOT NULL,
	owner regrole NOT NULL DEFAULT (current_user::regrole),
	trained_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	-- what was trained
	feedback text NOT NULL,
	settings jsonb NOT NULL,
	n_users bigint NOT NULL,
	n_items bigint NOT NULL,
	n_ratings bigint NOT NULL,
	n_skipped bigint NOT NULL,
	rating_mean double precision NOT NULL,
	rating_min double precision NOT NULL,
	rating_max double precision NOT NULL,
	loss double precision[] NOT NULL,
	metrics jsonb,
	seconds jsonb NOT NULL,
	-- where it is
	items regclass NOT NULL,
	users regclass NOT NULL,
	items_view regclass,
	users_view regclass,
	-- where the ratings are
	source text NOT NULL,
	source_table regclass,
	source_search_path text NOT NULL,
	user_col text NOT NULL,
	item_col text NOT NULL,
	rating_col text,
	weight_col text,
	-- sums of outer products of the factors, for folding in
	gram_users real[],
	gram_items real[],
	PRIMARY KEY (model, version),
	FOREIGN KEY (model, owner) REFERENCES recmf_model_names (model, owner)
		ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE UNIQUE INDEX recmf_models_active ON recmf_models (model) WHERE active;

-- Not row security: that would stop pg_dump for everybody but superusers.
CREATE FUNCTION recmf_check_model_owner() RETURNS trigger
AS 'MODULE_PATHNAME', 'recmf_check_model_owner'
LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION recmf_check_model_owner()
IS 'trigger of the registry of models: rows are changed by the owner of the model alone';

CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OR DELETE ON recmf_model_names
FOR EACH ROW EXECUTE FUNCTION recmf_check_model_owner();
CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OR DELETE ON recmf_models
FOR EACH ROW EXECUTE FUNCTION recmf_check_model_owner();

GRANT SELECT, INSERT, UPDATE, DELETE ON recmf_model_names, recmf_models TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('recmf_model_names', '');
SELECT pg_catalog.pg_extension_config_dump('recmf_models', '');

COMMENT ON TABLE recmf_model_names IS 'names of recommendation models and the roles that own them';
COMMENT ON TABLE recmf_models IS 'trained recommendation models, a row a version';

------------------------------------------------------------------------------
-- Training
------------------------------------------------------------------------------

CREATE FUNCTION train_model(
	model text,
	source text,
	user_col text DEFAULT 'user_id',
	item_col text DEFAULT 'item_id',
	rating_col text DEFAULT 'rating',
	weight_col text DEFAULT NULL,
	feedback text DEFAULT NULL,
	factors integer DEFAULT NULL,
	iterations integer DEFAULT NULL,
	regularization double precision DEFAULT NULL,
	regularization_scaling double precision DEFAULT NULL,
	bias_regularization double precision DEFAULT NULL,
	alpha double precision DEFAULT NULL,
	seed bigint DEFAULT NULL,
	solver text DEFAULT NULL,
	implicit_features boolean DEFAULT NULL,
	nonnegative boolean DEFAULT NULL,
	warm_start boolean DEFAULT NULL,
	validation_fraction double precision DEFAULT NULL,
	patience integer DEFAULT NULL,
	time_limit interval DEFAULT NULL,
	index boolean DEFAULT NULL,
	options jsonb DEFAULT NULL,
	verbose boolean DEFAULT false,
	OUT model text,
	OUT version integer,
	OUT users bigint,
	OUT items bigint,
	OUT ratings bigint,
	OUT skipped bigint,
	OUT loss double precision[],
	OUT read_seconds double precision,
	OUT train_seconds double precision,
	OUT write_seconds double precision)
RETURNS record
AS 'MODULE_PATHNAME', 'recmf_train_model'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION train_model(text, text, text, text, text, text, text, integer, integer, double precision, double precision, double precision, double precision, bigint, text, boolean, boolean, boolean, double precision, integer, interval, boolean, jsonb, boolean)
IS 'train a recommendation model from a table, view or SELECT and make it the active version of its name';

CREATE FUNCTION drop_model(model text)
RETURNS void
AS 'MODULE_PATHNAME', 'recmf_drop_model'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION drop_model(text)
IS 'drop a recommendation model with all of its versions, tables and views';

CREATE FUNCTION recmf_get_progress(
	OUT pid integer,
	OUT datid oid,
	OUT model text,
	OUT phase text,
	OUT rows_read bigint,
	OUT iteration integer,
	OUT iterations integer,
	OUT loss double precision,
	OUT validation double precision,
	OUT step text,
	OUT tasks_done bigint,
	OUT tasks bigint,
	OUT workers integer,
	OUT started_at timestamptz,
	OUT seconds_left double precision,
	OUT time_limit_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_get_progress'
LANGUAGE C STABLE PARALLEL SAFE ROWS 2;

COMMENT ON FUNCTION recmf_get_progress()
IS 'implementation of view recmf_progress';

CREATE VIEW recmf_progress AS
SELECT p.pid, p.datid, d.datname, p.model, p.phase, p.rows_read, p.iteration, p.iterations, p.loss, p.validation,
	p.step, p.tasks_done, p.tasks, p.workers, p.started_at, p.seconds_left, p.time_limit_at
FROM recmf_get_progress() p LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) p.datid;

GRANT SELECT ON recmf_progress TO PUBLIC;

COMMENT ON VIEW recmf_progress
IS 'trainings that are running now, a row each; of other roles, pid and database alone unless you may read all statistics';


------------------------------------------------------------------------------
-- Models as values: type mf_model, mf_train
------------------------------------------------------------------------------

CREATE TYPE mf_model;

CREATE FUNCTION mf_model_in(cstring) RETURNS mf_model
	AS 'MODULE_PATHNAME', 'recmf_mf_model_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mf_model_out(mf_model) RETURNS cstring
	AS 'MODULE_PATHNAME', 'recmf_mf_model_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mf_model_recv(internal) RETURNS mf_model
	AS 'MODULE_PATHNAME', 'recmf_mf_model_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mf_model_send(mf_model) RETURNS bytea
	AS 'MODULE_PATHNAME', 'recmf_mf_model_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION mf_model_in(cstring) IS 'input function of type mf_model';
COMMENT ON FUNCTION mf_model_out(mf_model) IS 'output function of type mf_model';
COMMENT ON FUNCTION mf_model_recv(internal) IS 'receive function of type mf_model';
COMMENT ON FUNCTION mf_model_send(mf_model) IS 'send function of type mf_model';

-- Factors do not compress, so external rather than extended.
CREATE TYPE mf_model (
	INPUT = mf_model_in,
	OUTPUT = mf_model_out,
	RECEIVE = mf_model_recv,
	SEND = mf_model_send,
	ALIGNMENT = double,
	STORAGE = external
);

COMMENT ON TYPE mf_model IS 'a whole recommendation model as one value, made by mf_train';

CREATE FUNCTION mf_train_transition(internal, "any", "any", double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'recmf_mf_train_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mf_train_transition(internal, "any", "any", double precision, jsonb) RETURNS internal
	AS 'MODULE_PATHNAME', 'recmf_mf_train_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mf_train_final(internal) RETURNS mf_model
	AS 'MODULE_PATHNAME', 'recmf_mf_train_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION mf_train_transition(internal, "any", "any", double precision) IS 'transition function of mf_train';
COMMENT ON FUNCTION mf_train_transition(internal, "any", "any", double precision, jsonb) IS 'transition function of mf_train';
COMMENT ON FUNCTION mf_train_final(internal) IS 'final function of mf_train';

-- The final function gives the ratings' memory back.  Without a combine
-- function a group is always trained in one process, which may be a worker.
CREATE AGGREGATE mf_train(user_id "any", item_id "any", rating double precision) (
	SFUNC = mf_train_transition,
	STYPE = internal,
	SSPACE = 16384,
	FINALFUNC = mf_train_final,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE
);
CREATE AGGREGATE mf_train(user_id "any", item_id "any", rating double precision, options jsonb) (
	SFUNC = mf_train_transition,
	STYPE = internal,
	SSPACE = 16384,
	FINALFUNC = mf_train_final,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE mf_train("any", "any", double precision) IS 'trains a recommendation model on the ratings of a group';
COMMENT ON AGGREGATE mf_train("any", "any", double precision, jsonb) IS 'trains a recommendation model on the ratings of a group, with options';

CREATE FUNCTION user_factors(model mf_model,
	OUT user_id text, OUT factor factor, OUT bias real, OUT n_ratings integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_user_factors' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000;
CREATE FUNCTION item_factors(model mf_model,
	OUT item_id text, OUT factor factor, OUT bias real, OUT n_ratings integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_item_factors' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000;
CREATE FUNCTION model_info(model mf_model,
	OUT feedback text, OUT factors integer, OUT users integer, OUT items integer,
	OUT ratings bigint, OUT skipped bigint,
	OUT mean double precision, OUT rating_min double precision, OUT rating_max double precision,
	OUT loss double precision, OUT rmse double precision,
	OUT user_id_type text, OUT item_id_type text, OUT settings jsonb) RETURNS record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION user_factors(mf_model) IS 'the users of a model, with their factors';
COMMENT ON FUNCTION item_factors(mf_model) IS 'the items of a model, with their factors';
COMMENT ON FUNCTION model_info(mf_model) IS 'what a model was trained on, with which settings, and how well it fits';

-- Training and scanning a model cost far more than what COST counts by default.
CREATE FUNCTION recommend(model mf_model, user_id bigint, k integer DEFAULT 10,
	exclude_seen boolean DEFAULT true, unknown_user text DEFAULT 'popular',
	OUT item_id bigint, OUT score double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_recommend' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 10;
CREATE FUNCTION recommend(model mf_model, user_id text, k integer DEFAULT 10,
	exclude_seen boolean DEFAULT true, unknown_user text DEFAULT 'popular',
	OUT item_id text, OUT score double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_recommend_text' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION recommend(mf_model, bigint, integer, boolean, text) IS 'the k best items for a user, from a model as a value with integer ids';
COMMENT ON FUNCTION recommend(mf_model, text, integer, boolean, text) IS 'the k best items for a user, from a model as a value, ids as text';

CREATE FUNCTION recommend_all(model mf_model, k integer DEFAULT 10,
	exclude_seen boolean DEFAULT true, min_score double precision DEFAULT NULL,
	OUT user_id bigint, OUT item_id bigint, OUT score double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_recommend_all' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000000 ROWS 100000;
CREATE FUNCTION recommend_all_text(model mf_model, k integer DEFAULT 10,
	exclude_seen boolean DEFAULT true, min_score double precision DEFAULT NULL,
	OUT user_id text, OUT item_id text, OUT score double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_recommend_all_text' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000000 ROWS 100000;

COMMENT ON FUNCTION recommend_all(mf_model, integer, boolean, double precision) IS 'the k best items for every user, from a model as a value with integer ids';
COMMENT ON FUNCTION recommend_all_text(mf_model, integer, boolean, double precision) IS 'the k best items for every user, from a model as a value, ids as text';

CREATE FUNCTION predict(model mf_model, user_id bigint, item_id bigint) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_mf_model_predict' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;
CREATE FUNCTION predict(model mf_model, user_id text, item_id text) RETURNS double precision
	AS 'MODULE_PATHNAME', 'recmf_mf_model_predict_text' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;

COMMENT ON FUNCTION predict(mf_model, bigint, bigint) IS 'what a user would rate an item, from a model as a value with integer ids';
COMMENT ON FUNCTION predict(mf_model, text, text) IS 'what a user would rate an item, from a model as a value, ids as text';

CREATE FUNCTION similar_items(model mf_model, item_id bigint, k integer DEFAULT 10,
	OUT item_id bigint, OUT similarity double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_similar_items' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 10;
CREATE FUNCTION similar_items(model mf_model, item_id text, k integer DEFAULT 10,
	OUT item_id text, OUT similarity double precision, OUT rank integer) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'recmf_mf_model_similar_items_text' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION similar_items(mf_model, bigint, integer) IS 'the k items most similar to an item, from a model as a value with integer ids';
COMMENT ON FUNCTION similar_items(mf_model, text, integer) IS 'the k items most similar to an item, from a model as a value, ids as text';


------------------------------------------------------------------------------
-- Serving
--
-- Each function that takes or returns ids has a bigint form, for models whose
-- ids are integers, and a text form, for all models.  recommend() and
-- target_users() and recommend_all() read the model's source, which may be a
-- temporary table or call functions that must not run in a parallel worker; the
-- others read the model's own tables alone.
------------------------------------------------------------------------------

CREATE FUNCTION recommend(
	user_id bigint,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_seen boolean DEFAULT true,
	include_items bigint[] DEFAULT NULL,
	exclude_items bigint[] DEFAULT NULL,
	unknown_user text DEFAULT 'popular',
	OUT item_id bigint,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_integer'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 10;

COMMENT ON FUNCTION recommend(bigint, integer, text, boolean, bigint[], bigint[], text)
IS 'the k items with the highest score for a user, without those that the user has in the live source';

CREATE FUNCTION recommend(
	user_id text,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_seen boolean DEFAULT true,
	include_items text[] DEFAULT NULL,
	exclude_items text[] DEFAULT NULL,
	unknown_user text DEFAULT 'popular',
	OUT item_id text,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 10;

COMMENT ON FUNCTION recommend(text, integer, text, boolean, text[], text[], text)
IS 'the k items with the highest score for a user, without those that the user has in the live source';

CREATE FUNCTION target_users(
	item_id bigint,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_owners boolean DEFAULT true,
	include_users bigint[] DEFAULT NULL,
	exclude_users bigint[] DEFAULT NULL,
	OUT user_id bigint,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_target_users_integer'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 10;

COMMENT ON FUNCTION target_users(bigint, integer, text, boolean, bigint[], bigint[])
IS 'the k users with the highest score for an item, without those who have it in the live source: whom to show or mail it to';

CREATE FUNCTION target_users(
	item_id text,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_owners boolean DEFAULT true,
	include_users text[] DEFAULT NULL,
	exclude_users text[] DEFAULT NULL,
	OUT user_id text,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_target_users_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 10;

COMMENT ON FUNCTION target_users(text, integer, text, boolean, text[], text[])
IS 'the k users with the highest score for an item, without those who have it in the live source: whom to show or mail it to';

CREATE FUNCTION recommend_all(
	model text,
	k integer DEFAULT 10,
	users text DEFAULT NULL,
	exclude_seen boolean DEFAULT true,
	min_score double precision DEFAULT NULL,
	OUT user_id bigint,
	OUT item_id bigint,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_all_integer'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100000;

COMMENT ON FUNCTION recommend_all(text, integer, text, boolean, double precision)
IS 'the k items with the highest score for every user, or for those of a SELECT, of a model with integer ids';

CREATE FUNCTION recommend_all_text(
	model text,
	k integer DEFAULT 10,
	users text DEFAULT NULL,
	exclude_seen boolean DEFAULT true,
	min_score double precision DEFAULT NULL,
	OUT user_id text,
	OUT item_id text,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_all_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100000;

COMMENT ON FUNCTION recommend_all_text(text, integer, text, boolean, double precision)
IS 'the k items with the highest score for every user, or for those of a SELECT, ids as text';

CREATE FUNCTION recommend_for(
	items bigint[],
	ratings double precision[] DEFAULT NULL,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_items bigint[] DEFAULT NULL,
	OUT item_id bigint,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_for_integer'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION recommend_for(bigint[], double precision[], integer, text, bigint[])
IS 'the k items with the highest score for whoever has these items: a basket, a session, a new customer';

CREATE FUNCTION recommend_for(
	items text[],
	ratings double precision[] DEFAULT NULL,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	exclude_items text[] DEFAULT NULL,
	OUT item_id text,
	OUT score double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_recommend_for_text'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION recommend_for(text[], double precision[], integer, text, text[])
IS 'the k items with the highest score for whoever has these items: a basket, a session, a new customer';

CREATE FUNCTION similar_items(
	item_id bigint,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	OUT item_id bigint,
	OUT similarity double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_similar_items_integer'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION similar_items(bigint, integer, text)
IS 'the k items whose factors have the highest cosine similarity with this one''s';

CREATE FUNCTION similar_items(
	item_id text,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	OUT item_id text,
	OUT similarity double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_similar_items_text'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION similar_items(text, integer, text)
IS 'the k items whose factors have the highest cosine similarity with this one''s';

CREATE FUNCTION similar_users(
	user_id bigint,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	OUT user_id bigint,
	OUT similarity double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_similar_users_integer'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION similar_users(bigint, integer, text)
IS 'the k users whose factors have the highest cosine similarity with this one''s';

CREATE FUNCTION similar_users(
	user_id text,
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	OUT user_id text,
	OUT similarity double precision,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_similar_users_text'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION similar_users(text, integer, text)
IS 'the k users whose factors have the highest cosine similarity with this one''s';

CREATE FUNCTION predict(
	user_id bigint,
	item_id bigint,
	model text DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'recmf_predict_integer_integer'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION predict(bigint, bigint, text)
IS 'the rating (explicit feedback), score (implicit) or probability (logistic) that the model expects';

CREATE FUNCTION predict(
	user_id bigint,
	item_id text,
	model text DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'recmf_predict_integer_text'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION predict(bigint, text, text)
IS 'the rating (explicit feedback), score (implicit) or probability (logistic) that the model expects';

CREATE FUNCTION predict(
	user_id text,
	item_id bigint,
	model text DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'recmf_predict_text_integer'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION predict(text, bigint, text)
IS 'the rating (explicit feedback), score (implicit) or probability (logistic) that the model expects';

CREATE FUNCTION predict(
	user_id text,
	item_id text,
	model text DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'recmf_predict_text_text'
LANGUAGE C STABLE PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION predict(text, text, text)
IS 'the rating (explicit feedback), score (implicit) or probability (logistic) that the model expects';

CREATE FUNCTION popular_items(
	k integer DEFAULT 10,
	model text DEFAULT NULL,
	OUT item_id text,
	OUT n_ratings integer,
	OUT rank integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_popular_items'
LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 10;

COMMENT ON FUNCTION popular_items(integer, text)
IS 'the k items with the most ratings in training';

CREATE FUNCTION user_factor(
	model text,
	user_id bigint)
RETURNS factor
AS 'MODULE_PATHNAME', 'recmf_user_factor_integer'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION user_factor(text, bigint)
IS 'the factor of a user in the active version of a model, or null for an unknown id';

CREATE FUNCTION user_factor(
	model text,
	user_id text)
RETURNS factor
AS 'MODULE_PATHNAME', 'recmf_user_factor_text'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION user_factor(text, text)
IS 'the factor of a user in the active version of a model, or null for an unknown id';

CREATE FUNCTION item_factor(
	model text,
	item_id bigint)
RETURNS factor
AS 'MODULE_PATHNAME', 'recmf_item_factor_integer'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION item_factor(text, bigint)
IS 'the factor of an item in the active version of a model, or null for an unknown id';

CREATE FUNCTION item_factor(
	model text,
	item_id text)
RETURNS factor
AS 'MODULE_PATHNAME', 'recmf_item_factor_text'
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

COMMENT ON FUNCTION item_factor(text, text)
IS 'the factor of an item in the active version of a model, or null for an unknown id';

------------------------------------------------------------------------------
-- Splits of ratings: holdout
------------------------------------------------------------------------------

------------------------------------------------------------------------------
-- Evaluation
------------------------------------------------------------------------------

------------------------------------------------------------------------------
-- Comparison of models
------------------------------------------------------------------------------

------------------------------------------------------------------------------
-- Tuning
------------------------------------------------------------------------------

-- What was tried, for a call that goes on from there and for whoever wants to
-- know.  A row belongs to the owner of the model, who may not have one yet.
CREATE TABLE recmf_trials (
	model text NOT NULL,
	owner regrole NOT NULL DEFAULT (current_user::regrole),
	-- the same data, split, metric and given options
	study text NOT NULL,
	round text NOT NULL,
	trial integer NOT NULL,
	settings jsonb NOT NULL,
	factors integer NOT NULL,
	iterations integer NOT NULL,
	best_iteration integer,
	metric text NOT NULL,
	value double precision,
	seconds double precision NOT NULL,
	state text NOT NULL CHECK (state IN ('done', 'failed', 'best')),
	tried_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (model, owner, study, round, trial)
);

CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OR DELETE ON recmf_trials
FOR EACH ROW EXECUTE FUNCTION recmf_check_model_owner();

GRANT SELECT, INSERT, UPDATE, DELETE ON recmf_trials TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('recmf_trials', '');

COMMENT ON TABLE recmf_trials IS 'settings that tune_model() has tried, a row a trial';

CREATE PROCEDURE tune_model(
	model text,
	source text,
	user_col text DEFAULT 'user_id',
	item_col text DEFAULT 'item_id',
	rating_col text DEFAULT 'rating',
	weight_col text DEFAULT NULL,
	feedback text DEFAULT NULL,
	factors integer DEFAULT NULL,
	iterations integer DEFAULT NULL,
	regularization double precision DEFAULT NULL,
	regularization_scaling double precision DEFAULT NULL,
	bias_regularization double precision DEFAULT NULL,
	alpha double precision DEFAULT NULL,
	seed bigint DEFAULT NULL,
	solver text DEFAULT NULL,
	implicit_features boolean DEFAULT NULL,
	nonnegative boolean DEFAULT NULL,
	index boolean DEFAULT NULL,
	options jsonb DEFAULT NULL,
	trials integer DEFAULT NULL,
	time_limit interval DEFAULT NULL,
	validation text DEFAULT 'user',
	validation_fraction double precision DEFAULT NULL,
	time_col text DEFAULT NULL,
	metric text DEFAULT NULL,
	k integer DEFAULT NULL,
	search text DEFAULT 'halving',
	activate boolean DEFAULT true,
	verbose boolean DEFAULT false)
AS 'MODULE_PATHNAME', 'recmf_tune_model'
LANGUAGE C;

COMMENT ON PROCEDURE tune_model(text, text, text, text, text, text, text, integer, integer, double precision, double precision, double precision, double precision, bigint, text, boolean, boolean, boolean, jsonb, integer, interval, text, double precision, text, text, integer, text, boolean, boolean)
IS 'find the best settings for a source by trying, then train a model with them';

------------------------------------------------------------------------------
-- A/B tests
------------------------------------------------------------------------------

CREATE FUNCTION ab_assign(
	experiment text,
	user_id bigint,
	variants text[] DEFAULT '{control,treatment}',
	weights double precision[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'recmf_ab_assign_integer'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION ab_assign(text, bigint, text[], double precision[])
IS 'the variant of an experiment that a user sees, the same for ever';

CREATE FUNCTION ab_assign(
	experiment text,
	user_id text,
	variants text[] DEFAULT '{control,treatment}',
	weights double precision[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'recmf_ab_assign_text'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION ab_assign(text, text, text[], double precision[])
IS 'the variant of an experiment that a user sees, the same for ever';

CREATE FUNCTION ab_assign(
	experiment text,
	user_id uuid,
	variants text[] DEFAULT '{control,treatment}',
	weights double precision[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'recmf_ab_assign_uuid'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10;

COMMENT ON FUNCTION ab_assign(text, uuid, text[], double precision[])
IS 'the variant of an experiment that a user sees, the same for ever';

CREATE FUNCTION ab_report(
	source text,
	variant_col text DEFAULT 'variant',
	user_col text DEFAULT 'user_id',
	impressions_col text DEFAULT 'impressions',
	clicks_col text DEFAULT 'clicks',
	orders_col text DEFAULT 'orders',
	revenue_col text DEFAULT 'revenue',
	control text DEFAULT NULL,
	confidence double precision DEFAULT 0.95,
	sequential boolean DEFAULT false,
	planned_users bigint DEFAULT NULL,
	variants text[] DEFAULT NULL,
	weights double precision[] DEFAULT NULL,
	OUT metric text,
	OUT variant text,
	OUT users bigint,
	OUT impressions double precision,
	OUT clicks double precision,
	OUT orders double precision,
	OUT revenue double precision,
	OUT value double precision,
	OUT std_error double precision,
	OUT difference double precision,
	OUT relative_difference double precision,
	OUT difference_low double precision,
	OUT difference_high double precision,
	OUT p_value double precision,
	OUT sample_ratio_p_value double precision,
	OUT verdict text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_ab_report'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10;

COMMENT ON FUNCTION ab_report(text, text, text, text, text, text, text, text, double precision, boolean, bigint, text[], double precision[])
IS 'what the variants of an A/B test did, and what they differ from the control by';

CREATE FUNCTION ab_sample_size(
	baseline double precision,
	minimum_effect double precision,
	power double precision DEFAULT 0.8,
	confidence double precision DEFAULT 0.95,
	std double precision DEFAULT NULL,
	weights double precision[] DEFAULT NULL,
	sequential boolean DEFAULT false,
	OUT users bigint[],
	OUT total bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'recmf_ab_sample_size'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION ab_sample_size(double precision, double precision, double precision, double precision, double precision, double precision[], boolean)
IS 'how many users each variant of an A/B test needs to find an effect';

------------------------------------------------------------------------------
-- Evaluation
------------------------------------------------------------------------------

CREATE FUNCTION holdout(user_id "any", item_id "any", fraction double precision DEFAULT 0.2, seed bigint DEFAULT 42)
RETURNS boolean
AS 'MODULE_PATHNAME', 'recmf_holdout'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION holdout("any", "any", double precision, bigint)
IS 'whether a pair of user and item is held out of training: the same for a pair wherever it is asked';

CREATE FUNCTION create_split(
	source text,
	name text,
	method text DEFAULT 'time',
	fraction double precision DEFAULT 0.2,
	last integer DEFAULT 1,
	time_col text DEFAULT NULL,
	user_col text DEFAULT 'user_id',
	item_col text DEFAULT 'item_id',
	seed bigint DEFAULT 42,
	OUT train text,
	OUT test text)
RETURNS record
AS 'MODULE_PATHNAME', 'recmf_create_split'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION create_split(text, text, text, double precision, integer, text, text, text, bigint)
IS 'create the views NAME_train and NAME_test over a source: split by time, the last items of each user, or at random';

CREATE FUNCTION evaluate_model(
	model text,
	test_source text,
	k integer[] DEFAULT '{5,10,20}',
	user_col text DEFAULT NULL,
	item_col text DEFAULT NULL,
	rating_col text DEFAULT NULL,
	min_rating double precision DEFAULT NULL,
	group_by text DEFAULT NULL,
	negatives integer DEFAULT NULL,
	candidates text DEFAULT NULL,
	train_source text DEFAULT NULL,
	resamples integer DEFAULT 1000,
	confidence double precision DEFAULT 0.95,
	seed bigint DEFAULT 42,
	OUT segment text,
	OUT system text,
	OUT metric text,
	OUT k integer,
	OUT value double precision,
	OUT low double precision,
	OUT high double precision,
	OUT n bigint,
	OUT candidates text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_evaluate_model'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100;

COMMENT ON FUNCTION evaluate_model(text, text, integer[], text, text, text, double precision, text, integer, text, text, integer, double precision, bigint)
IS 'how good a model is on rows that were held out of training: accuracy, predictions, coverage, novelty, diversity, with intervals and beside baselines';

CREATE FUNCTION evaluate_model(
	model mf_model,
	test_source text,
	k integer[] DEFAULT '{5,10,20}',
	user_col text DEFAULT NULL,
	item_col text DEFAULT NULL,
	rating_col text DEFAULT NULL,
	min_rating double precision DEFAULT NULL,
	group_by text DEFAULT NULL,
	negatives integer DEFAULT NULL,
	candidates text DEFAULT NULL,
	train_source text DEFAULT NULL,
	resamples integer DEFAULT 1000,
	confidence double precision DEFAULT 0.95,
	seed bigint DEFAULT 42,
	OUT segment text,
	OUT system text,
	OUT metric text,
	OUT k integer,
	OUT value double precision,
	OUT low double precision,
	OUT high double precision,
	OUT n bigint,
	OUT candidates text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_evaluate_value'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100;

COMMENT ON FUNCTION evaluate_model(mf_model, text, integer[], text, text, text, double precision, text, integer, text, text, integer, double precision, bigint)
IS 'how good a model as a value is on rows that were held out of training';

CREATE FUNCTION evaluate_lists(
	lists text,
	test_source text,
	k integer[] DEFAULT '{5,10,20}',
	user_col text DEFAULT NULL,
	item_col text DEFAULT NULL,
	rating_col text DEFAULT NULL,
	min_rating double precision DEFAULT NULL,
	group_by text DEFAULT NULL,
	negatives integer DEFAULT NULL,
	candidates text DEFAULT NULL,
	train_source text DEFAULT NULL,
	resamples integer DEFAULT 1000,
	confidence double precision DEFAULT 0.95,
	seed bigint DEFAULT 42,
	OUT segment text,
	OUT system text,
	OUT metric text,
	OUT k integer,
	OUT value double precision,
	OUT low double precision,
	OUT high double precision,
	OUT n bigint,
	OUT candidates text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'recmf_evaluate_lists'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100;

COMMENT ON FUNCTION evaluate_lists(text, text, integer[], text, text, text, double precision, text, integer, text, text, integer, double precision, bigint)
IS 'how good recommendations of any origin are, a table or SELECT of (user_id, item_id, score or rank)';

CREATE FUNCTION compare_models(
	a text,
	b text,
	test_source text,
	metric text DEFAULT 'ndcg',
	k integer DEFAULT 10,
	user_col text DEFAULT NULL,
	item_col text DEFAULT NULL,
	rating_col text DEFAULT NULL,
	min_rating double precision DEFAULT NULL,
	train_source text DEFAULT NULL,
	resamples integer DEFAULT 1000,
	confidence double precision DEFAULT 0.95,
	seed bigint DEFAULT 42,
	OUT metric text,
	OUT k integer,
	OUT users bigint,
	OUT a_value double precision,
	OUT b_value double precision,
	OUT difference double precision,
	OUT low double precision,
	OUT high double precision,
	OUT effect double precision,
	OUT t_p double precision,
	OUT wilcoxon_p double precision,
	OUT b_better bigint,
	OUT a_better bigint,
	OUT verdict text)
RETURNS record
AS 'MODULE_PATHNAME', 'recmf_compare_models'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000;

COMMENT ON FUNCTION compare_models(text, text, text, text, integer, text, text, text, double precision, text, integer, double precision, bigint)
IS 'whether one of two models, or lists, is better on the same users: difference, interval, tests on pairs, and a verdict in words';

CREATE FUNCTION model_report(
	model text DEFAULT NULL,
	metrics jsonb DEFAULT NULL,
	item_names text DEFAULT NULL,
	k integer DEFAULT 10,
	max_users integer DEFAULT 10000,
	exclude_seen boolean DEFAULT true,
	title text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'recmf_model_report'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000;

COMMENT ON FUNCTION model_report(text, jsonb, text, integer, integer, boolean, text)
IS 'a page of HTML about a model: training, factors, coverage, examples, drift, and metrics that are given';
