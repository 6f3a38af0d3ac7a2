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


------------------------------------------------------------------------------
-- Type factor: functions, operators, operator classes, aggregates
------------------------------------------------------------------------------


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
	-- sums of outer products of the factors, for folding in
	gram_users real[],
	gram_items real[],
	PRIMARY KEY (model, version),
	FOREIGN KEY (model, owner) REFERENCES recmf_model_names (model, owner)
		ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE UNIQUE INDEX recmf_models_active ON recmf_models (model) WHERE active;

ALTER TABLE recmf_model_names ENABLE ROW LEVEL SECURITY;
ALTER TABLE recmf_models ENABLE ROW LEVEL SECURITY;

CREATE POLICY read_all ON recmf_model_names FOR SELECT USING (true);
CREATE POLICY insert_own ON recmf_model_names FOR INSERT WITH CHECK (pg_catalog.pg_has_role(owner, 'USAGE'));
CREATE POLICY update_own ON recmf_model_names FOR UPDATE USING (pg_catalog.pg_has_role(owner, 'USAGE'));
CREATE POLICY delete_own ON recmf_model_names FOR DELETE USING (pg_catalog.pg_has_role(owner, 'USAGE'));

CREATE POLICY read_all ON recmf_models FOR SELECT USING (true);
CREATE POLICY insert_own ON recmf_models FOR INSERT WITH CHECK (pg_catalog.pg_has_role(owner, 'USAGE'));
CREATE POLICY update_own ON recmf_models FOR UPDATE USING (pg_catalog.pg_has_role(owner, 'USAGE'));
CREATE POLICY delete_own ON recmf_models FOR DELETE USING (pg_catalog.pg_has_role(owner, 'USAGE'));

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
	feedback text DEFAULT NULL,
	factors integer DEFAULT NULL,
	iterations integer DEFAULT NULL,
	regularization double precision DEFAULT NULL,
	regularization_scaling double precision DEFAULT NULL,
	bias_regularization double precision DEFAULT NULL,
	alpha double precision DEFAULT NULL,
	seed bigint DEFAULT NULL,
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

COMMENT ON FUNCTION train_model(text, text, text, text, text, text, integer, integer, double precision, double precision, double precision, double precision, bigint, jsonb, boolean)
IS 'train a recommendation model from a table, view or SELECT and make it the active version of its name';

CREATE FUNCTION drop_model(model text)
RETURNS void
AS 'MODULE_PATHNAME', 'recmf_drop_model'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION drop_model(text)
IS 'drop a recommendation model with all of its versions, tables and views';


------------------------------------------------------------------------------
-- Models as values: type mf_model, mf_train
------------------------------------------------------------------------------


------------------------------------------------------------------------------
-- Serving
------------------------------------------------------------------------------

