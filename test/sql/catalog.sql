--
-- catalog.sql
--	  What must hold of every object of the extension, whoever adds it.  Each
--	  query lists the offenders.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS recmf;
CREATE SCHEMA test_catalog;
SET search_path = test_catalog, public;

CREATE VIEW members AS
SELECT classid, objid FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'recmf');
CREATE VIEW functions AS
SELECT p.oid::regprocedure AS signature, p.* FROM pg_proc p JOIN members ON classid = 'pg_proc'::regclass AND objid = p.oid;
CREATE VIEW operators AS
SELECT o.oid::regoperator AS signature, o.* FROM pg_operator o JOIN members ON classid = 'pg_operator'::regclass AND objid = o.oid;
CREATE VIEW aggregates AS
SELECT f.signature, a.* FROM pg_aggregate a JOIN functions f ON f.oid = a.aggfnoid;

-- the views see something
SELECT count(*) > 40 AS functions FROM functions;
SELECT count(*) > 12 AS operators FROM operators;
SELECT count(*) > 1 AS aggregates FROM aggregates;

-- every object has a comment; not the row and array types that come by themselves, which 17 counts among the members
SELECT pg_describe_object(classid, objid, 0) AS without_comment FROM members
WHERE obj_description(objid, classid::regclass::name) IS NULL
	AND NOT EXISTS (
		SELECT FROM pg_type WHERE classid = 'pg_type'::regclass AND oid = objid AND (typrelid <> 0 OR typelem <> 0))
ORDER BY 1;

-- volatile and parallel unsafe are those alone that change the database, or read what this session alone has (mips_scan_stats)
-- or what changes under a lock (mips_check); parallel restricted are beside it those that read the model's source: that
-- may be a temporary table, or a view over functions that are not parallel safe
SELECT signature AS not_parallel_safe FROM functions WHERE proparallel = 'r' ORDER BY 1;
SELECT signature AS volatile_or_unsafe, provolatile, proparallel FROM functions
WHERE (provolatile = 'v' OR proparallel = 'u')
	AND proname NOT IN ('train_model', 'tune_model', 'drop_model', 'create_split', 'recmf_create_pgvector_casts', 'mips_scan_stats', 'mips_check')
ORDER BY 1;

-- a type's support, an operator, a cast or an operator class never depends on settings or tables
SELECT signature AS not_immutable FROM functions
WHERE provolatile <> 'i' AND (
	EXISTS (SELECT FROM pg_operator WHERE oprcode = functions.oid)
	OR EXISTS (SELECT FROM pg_cast WHERE castfunc = functions.oid)
	OR EXISTS (SELECT FROM pg_amproc WHERE amproc = functions.oid)
	OR EXISTS (SELECT FROM pg_type WHERE functions.oid IN (typinput, typoutput, typreceive, typsend, typmodin, typmodout)))
ORDER BY 1;

-- the symbols in the library carry the project's name: it is loaded beside others
SELECT signature AS symbol_without_prefix, prosrc FROM functions
WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND prosrc NOT LIKE 'recmf\_%'
ORDER BY 1;

-- written in C, or with the search path pinned
SELECT signature AS search_path_not_pinned FROM functions
WHERE prokind <> 'a' AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
	AND NOT coalesce(proconfig::text LIKE '%search_path=%', false) AND prosqlbody IS NULL
ORDER BY 1;

-- nothing runs as its owner
SELECT signature AS security_definer FROM functions WHERE prosecdef ORDER BY 1;

-- operators: what serves them is strict; commutators and negators agree with each other
SELECT o.signature AS operator_not_strict FROM operators o JOIN pg_proc p ON p.oid = o.oprcode WHERE NOT p.proisstrict ORDER BY 1;
SELECT o.signature AS operator, c.oid::regoperator AS wrong_commutator FROM operators o LEFT JOIN pg_operator c ON c.oid = o.oprcom
WHERE o.oprcom <> 0
	AND (c.oprcom, c.oprleft, c.oprright, c.oprresult) IS DISTINCT FROM (o.oid, o.oprright, o.oprleft, o.oprresult)
ORDER BY 1;
SELECT o.signature AS operator, n.oid::regoperator AS wrong_negator FROM operators o LEFT JOIN pg_operator n ON n.oid = o.oprnegate
WHERE o.oprnegate <> 0
	AND (n.oprnegate, n.oprleft, n.oprright, n.oprresult, n.oid = o.oid)
		IS DISTINCT FROM (o.oid, o.oprleft, o.oprright, 'boolean'::regtype::oid, false)
ORDER BY 1;
SELECT signature AS comparison_without_estimator FROM operators
WHERE oprresult = 'boolean'::regtype AND (oprrest = 0 OR oprjoin = 0)
ORDER BY 1;
SELECT signature AS equality_without_support FROM operators
WHERE (oprcanmerge AND NOT EXISTS (
		SELECT FROM pg_amop JOIN pg_am a ON a.oid = amopmethod WHERE amopopr = operators.oid AND amname = 'btree' AND amopstrategy = 3))
	OR (oprcanhash AND NOT EXISTS (
		SELECT FROM pg_amop JOIN pg_am a ON a.oid = amopmethod WHERE amopopr = operators.oid AND amname = 'hash' AND amopstrategy = 1))
ORDER BY 1;

-- operator classes, as their access methods see them
SELECT opcname, amname, amvalidate(o.oid) AS valid FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod
	JOIN members ON classid = 'pg_opclass'::regclass AND objid = o.oid
ORDER BY 1, 2;

-- an aggregate that claims to be parallel safe can be combined, and its state can travel
SELECT signature AS parallel_without_combine FROM aggregates JOIN functions f USING (signature)
WHERE f.proparallel = 's' AND aggcombinefn <> 0 AND aggtranstype = 'internal'::regtype AND (aggserialfn = 0 OR aggdeserialfn = 0)
ORDER BY 1;

-- an argument with a default can be given by name
SELECT signature AS default_without_name FROM functions WHERE pronargdefaults > 0 AND proargnames IS NULL ORDER BY 1;

-- tables and views of the extension: readable by all, tables guarded by the trigger, without row security, which stops pg_dump
SELECT c.oid::regclass AS not_readable FROM pg_class c JOIN members ON classid = 'pg_class'::regclass AND objid = c.oid
WHERE relkind IN ('r', 'v') AND NOT has_table_privilege('public', c.oid, 'SELECT')
ORDER BY 1;
SELECT c.oid::regclass AS not_guarded FROM pg_class c JOIN members ON classid = 'pg_class'::regclass AND objid = c.oid
WHERE relkind = 'r' AND (relrowsecurity OR NOT EXISTS (
	SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid = 'recmf_check_model_owner'::regproc AND t.tgenabled = 'O'))
ORDER BY 1;

DROP SCHEMA test_catalog CASCADE;
