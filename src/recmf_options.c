/*
 * recmf_options.c
 *	  The options of training by name: see recmf_options.h.
 *
 * One table says everything about an option; another translates the names
 * that other libraries use.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "recmf_compat.h"
#include "recmf_options.h"

/* Names and values are cut to this many bytes in messages. */
#define MESSAGE_BYTES 64

/* Of time_limit, in seconds. */
#define MAX_TIME_LIMIT (10.0 * DAYS_PER_YEAR * SECS_PER_DAY)

/* How far a misspelt name may be from the one that is suggested. */
#define MAX_EDITS 4

typedef enum OptionKind
{
	OPTION_FEEDBACK,
	OPTION_INTEGER,				/* int32, 0 means by rule */
	OPTION_NUMBER,				/* double, NAN means by rule */
	OPTION_SEED,				/* any bigint */
	OPTION_SOLVER,
	OPTION_BOOLEAN,				/* int32, 0 or 1 */
	OPTION_WARM_START,			/* boolean; not one of rmf_settings */
	OPTION_INDEX,				/* the same */
	OPTION_TIME_LIMIT			/* interval or seconds; not one of rmf_settings */
} OptionKind;

typedef struct Option
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* in rmf_settings */
	double		min;
	double		max;
	const char *range;			/* completes "It must be ..." */
	int			feedbacks;		/* FOR() of each rmf_feedback it has a meaning for, or 0: for all */
	const char *elsewhere;		/* hint when given for another feedback */
} Option;

#define FOR(feedback) (1 << (feedback))

static const Option option_table[] = {
	{"feedback", OPTION_FEEDBACK, offsetof(rmf_settings, feedback), 0, 0,
	"explicit, implicit or logistic", 0, NULL},
	{"factors", OPTION_INTEGER, offsetof(rmf_settings, factors), 1, RMF_MAX_FACTORS,
	"a whole number between 1 and 1024", 0, NULL},
	{"iterations", OPTION_INTEGER, offsetof(rmf_settings, iterations), 1, 1000,
	"a whole number between 1 and 1000", 0, NULL},
	{"regularization", OPTION_NUMBER, offsetof(rmf_settings, regularization), 0, INFINITY,
	"at least 0 and in the range of double precision", 0, NULL},
	{"regularization_scaling", OPTION_NUMBER, offsetof(rmf_settings, regularization_scaling), 0, 2,
	"a number between 0 and 2", 0, NULL},
	{"user_regularization", OPTION_NUMBER, offsetof(rmf_settings, user_regularization), 0, INFINITY,
	"at least 0 and in the range of double precision", 0, NULL},
	{"item_regularization", OPTION_NUMBER, offsetof(rmf_settings, item_regularization), 0, INFINITY,
	"at least 0 and in the range of double precision", 0, NULL},
	{"bias_regularization", OPTION_NUMBER, offsetof(rmf_settings, bias_regularization), 0, INFINITY,
		"at least 0 and in the range of double precision", FOR(RMF_EXPLICIT) | FOR(RMF_LOGISTIC),
	"Models of implicit feedback have no biases. Leave it out, or use feedback explicit if the ratings are grades."},
	{"alpha", OPTION_NUMBER, offsetof(rmf_settings, alpha), DBL_MIN, INFINITY,
		"greater than 0 and in the range of double precision", FOR(RMF_IMPLICIT),
	"alpha is the confidence that an implicit rating adds. Leave it out, or use feedback implicit if the ratings are counts or strengths."},
	{"unobserved_weight", OPTION_NUMBER, offsetof(rmf_settings, unobserved_weight), DBL_MIN, 1,
		"greater than 0 and at most 1", FOR(RMF_LOGISTIC),
	"With implicit feedback, use \"alpha\", which is its inverse: alpha = 1 / unobserved_weight for ratings of 1. Explicit feedback looks at nothing but ratings."},
	{"implicit_features", OPTION_BOOLEAN, offsetof(rmf_settings, implicit_features), 0, 1,
		"true or false", FOR(RMF_EXPLICIT),
	"What was rated at all is all that implicit and logistic feedback learn from. Leave it out, or use feedback explicit if the ratings are grades."},
	{"implicit_features_weight", OPTION_NUMBER, offsetof(rmf_settings, implicit_features_weight), DBL_MIN, INFINITY,
		"greater than 0 and in the range of double precision", FOR(RMF_EXPLICIT),
	"Leave it out, or use feedback explicit if the ratings are grades."},
	{"implicit_features_regularization", OPTION_NUMBER, offsetof(rmf_settings, implicit_features_regularization), DBL_MIN, INFINITY,
		"greater than 0 and in the range of double precision", FOR(RMF_EXPLICIT),
	"Leave it out, or use feedback explicit if the ratings are grades."},
	{"nonnegative", OPTION_BOOLEAN, offsetof(rmf_settings, nonnegative), 0, 1,
		"true or false", FOR(RMF_EXPLICIT) | FOR(RMF_IMPLICIT),
	"A low probability needs negative scores. Leave it out, or use feedback implicit or explicit."},
	{"seed", OPTION_SEED, offsetof(rmf_settings, seed), 0, 0,
	"a whole number in the range of bigint", 0, NULL},
	{"solver", OPTION_SOLVER, offsetof(rmf_settings, solver), 0, 0,
	"auto, exact or cg", 0, NULL},
	{"validation_fraction", OPTION_NUMBER, offsetof(rmf_settings, validation_fraction), 0, 0.5,
	"a number between 0 and 0.5", 0, NULL},
	{"patience", OPTION_INTEGER, offsetof(rmf_settings, patience), 1, 1000,
	"a whole number between 1 and 1000", 0, NULL},
	{"warm_start", OPTION_WARM_START, 0, 0, 0,
	"true or false", 0, NULL},
	{"index", OPTION_INDEX, 0, 0, 0,
	"true or false", 0, NULL},
	{"time_limit", OPTION_TIME_LIMIT, 0, 0, 0,
	"an interval or a number of seconds, greater than 0 and at most ten years", 0, NULL},
};

/* What other libraries call it; the hint is the name of ours, or a sentence (with a full stop). */
typedef struct OptionAlias
{
	const char *name;			/* compared without regard to case */
	const char *hint;
} OptionAlias;

static const char no_learning_rate[] =
"Alternating least squares has no learning rate: every step solves for the factors. Leave it out.";
static const char no_batches[] =
"Alternating least squares has no batches: every iteration goes over all ratings. Leave it out.";
static const char use_validation[] =
"Use \"validation_fraction\": a validation ends training when it gets no better, and keeps the best iteration.";
static const char use_feedback[] =
"Use \"feedback\" with the value implicit (counts, orders, clicks), explicit (grades) or logistic (probabilities) instead.";

static const OptionAlias alias_table[] = {
	{"rank", "factors"},
	{"n_factors", "factors"},
	{"num_factors", "factors"},
	{"numFactors", "factors"},
	{"no_components", "factors"},
	{"n_components", "factors"},
	{"dim", "factors"},
	{"dims", "factors"},
	{"dimension", "factors"},
	{"dimensions", "factors"},
	{"k", "factors"},
	{"d", "factors"},
	{"latent_factors", "factors"},
	{"latent_dim", "factors"},
	{"embedding_dim", "factors"},
	{"embedding_size", "factors"},
	{"lambda", "regularization"},
	{"lambda_", "regularization"},
	{"lambda_reg", "regularization"},
	{"reg", "regularization"},
	{"reg_all", "regularization"},
	{"reg_param", "regularization"},
	{"regParam", "regularization"},
	{"regularisation", "regularization"},
	{"l2", "regularization"},
	{"l2_reg", "regularization"},
	{"weight_decay", "regularization"},
	{"nu", "regularization_scaling"},
	{"reg_exp", "regularization_scaling"},
	{"regularisation_scaling", "regularization_scaling"},
	{"lambda_b", "bias_regularization"},
	{"lambda_bias", "bias_regularization"},
	{"bias_reg", "bias_regularization"},
	{"bias_regularisation", "bias_regularization"},
	{"epoch", "iterations"},
	{"epochs", "iterations"},
	{"n_epochs", "iterations"},
	{"num_epochs", "iterations"},
	{"iter", "iterations"},
	{"iters", "iterations"},
	{"niter", "iterations"},
	{"n_iter", "iterations"},
	{"n_iters", "iterations"},
	{"num_iter", "iterations"},
	{"num_iterations", "iterations"},
	{"max_iter", "iterations"},
	{"maxIter", "iterations"},
	{"max_iterations", "iterations"},
	{"confidence", "alpha"},
	{"confidence_weight", "alpha"},
	{"alpha0", "Use \"alpha\", which is its inverse: alpha = 1 / alpha0 for ratings of 1."},
	{"negative_weight", "unobserved_weight"},
	{"neg_weight", "unobserved_weight"},
	{"lambda_user", "user_regularization"},
	{"lambda_u", "user_regularization"},
	{"user_reg", "user_regularization"},
	{"reg_u", "user_regularization"},
	{"reg_user", "user_regularization"},
	{"lambda_item", "item_regularization"},
	{"lambda_i", "item_regularization"},
	{"item_reg", "item_regularization"},
	{"reg_i", "item_regularization"},
	{"reg_item", "item_regularization"},
	{"add_implicit_features", "implicit_features"},
	{"implicit_feedback", "implicit_features"},
	{"w_implicit", "implicit_features_weight"},
	{"nonneg", "nonnegative"},
	{"non_negative", "nonnegative"},
	{"nmf", "nonnegative"},
	{"random_state", "seed"},
	{"random_seed", "seed"},
	{"method", "solver"},
	{"algorithm", "solver"},
	{"use_cg", "solver"},
	{"use_cholesky", "solver"},
	{"early_stopping", use_validation},
	{"early_stop", use_validation},
	{"earlyStopping", use_validation},
	{"early_stopping_rounds", "patience"},
	{"n_iter_no_change", "patience"},
	{"validation_split", "validation_fraction"},
	{"validation_size", "validation_fraction"},
	{"val_fraction", "validation_fraction"},
	{"test_size", "validation_fraction"},
	{"holdout", "validation_fraction"},
	{"warmstart", "warm_start"},
	{"warmStart", "warm_start"},
	{"init_factors", "warm_start"},
	{"create_index", "index"},
	{"timeout", "time_limit"},
	{"max_time", "time_limit"},
	{"implicit", use_feedback},
	{"implicitPrefs", use_feedback},
	{"implicit_prefs", use_feedback},
	{"explicit", use_feedback},
	{"logistic", use_feedback},
	{"objective", use_feedback},
	{"loss", use_feedback},
	{"lr", no_learning_rate},
	{"learning_rate", no_learning_rate},
	{"learningRate", no_learning_rate},
	{"lr_all", no_learning_rate},
	{"step_size", no_learning_rate},
	{"stepSize", no_learning_rate},
	{"batch_size", no_batches},
	{"batchSize", no_batches},
};

/* By rmf_solver. */
static const char *const solver_names[] = {"auto", "exact", "cg"};

/* Is the value a word, not a number? */
static bool
is_word(const Option *option)
{
	return option->kind == OPTION_FEEDBACK || option->kind == OPTION_SOLVER;
}

/* true or false? */
static bool
is_boolean(const Option *option)
{
	return option->kind == OPTION_BOOLEAN || option->kind == OPTION_WARM_START ||
		option->kind == OPTION_INDEX;
}

/* One of rmf_settings? */
static bool
is_setting(const Option *option)
{
	return option->kind != OPTION_WARM_START && option->kind != OPTION_INDEX &&
		option->kind != OPTION_TIME_LIMIT;
}

/* Without a meaning where nothing is held out? */
static bool
is_of_validation(const Option *option)
{
	return is_setting(option) &&
		(option->offset == offsetof(rmf_settings, validation_fraction) ||
		 option->offset == offsetof(rmf_settings, patience));
}

static char *
cut(const char *string)
{
	int			length = strlen(string);
	int			shown = pg_mbcliplen(string, length, MESSAGE_BYTES);

	return shown < length ? psprintf("%.*s...", shown, string) : pstrdup(string);
}

static char *
option_names(void)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < lengthof(option_table); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", option_table[i].name);
	return names.data;
}

pg_noreturn static void
unknown_option(const char *name)
{
	const char *hint = NULL;
	int			i;

	for (i = 0; i < lengthof(option_table) && hint == NULL; i++)
	{
		if (pg_strcasecmp(name, option_table[i].name) == 0)
			hint = psprintf("Use \"%s\": names of options are in lower case.", option_table[i].name);
	}
	for (i = 0; i < lengthof(alias_table) && hint == NULL; i++)
	{
		if (pg_strcasecmp(name, alias_table[i].name) == 0)
			hint = strchr(alias_table[i].hint, '.') != NULL ? alias_table[i].hint :
				psprintf("Use \"%s\" instead.", alias_table[i].hint);
	}
	if (hint == NULL && strlen(name) < NAMEDATALEN)
	{
		int			best = MAX_EDITS + 1;

		for (i = 0; i < lengthof(option_table); i++)
		{
			const char *candidate = option_table[i].name;
			int			edits = varstr_levenshtein_less_equal(name, strlen(name),
															  candidate, strlen(candidate),
															  1, 1, 1, best, true);

			/* A name of which more than a third is wrong is no misspelling. */
			if (edits < best && edits <= (int) strlen(candidate) / 3)
			{
				best = edits;
				hint = psprintf("Perhaps you meant \"%s\".", candidate);
			}
		}
	}

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized training option \"%s\"", cut(name)),
			 errdetail("The options are %s.", option_names()),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static const Option *
find_option(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(option_table); i++)
	{
		if (strcmp(name, option_table[i].name) == 0)
			return &option_table[i];
	}
	unknown_option(name);
	return NULL;				/* keep compiler quiet */
}

pg_noreturn static void
bad_value(const Option *option, const char *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for training option \"%s\": %s", option->name, cut(value)),
			 errdetail("It must be %s.", option->range),
			 option->kind == OPTION_SEED ? errhint("Leave the option out for the default.") :
			 !is_setting(option) || is_of_validation(option) || is_boolean(option) ? 0 :
			 errhint("Leave the option out to let a rule choose by the data.")));
}

/* A finite number that fills the whole string, give or take white space. */
static bool
parse_number(const char *value, double *number)
{
	char	   *end;

	errno = 0;
	*number = strtod(value, &end);
	if (end == value || isnan(*number) || isinf(*number))
		return false;
	while (isspace((unsigned char) *end))
		end++;
	return *end == '\0';
}

/* The same for a bigint; 42.0 and 4.2e1 are whole numbers as well. */
static bool
parse_bigint(const char *value, int64 *integer)
{
	char	   *end;
	double		number;

	errno = 0;
	*integer = strtoi64(value, &end, 10);
	if (errno == 0 && end != value)
	{
		while (isspace((unsigned char) *end))
			end++;
		if (*end == '\0')
			return true;
	}

	/* Doubles are exact up to 2^53 only. */
	if (!parse_number(value, &number) || number != rint(number) || fabs(number) > 9007199254740992.0)
		return false;
	*integer = (int64) number;
	return true;
}

static rmf_solver
solver_from_name(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(solver_names); i++)
	{
		if (strcmp(name, solver_names[i]) == 0)
			return (rmf_solver) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized solver \"%s\"", cut(name)),
			 errhint("Use auto for the fastest, exact for exact least squares in every step, or cg for steps of conjugate gradients.")));
	return RMF_SOLVER_AUTO;		/* keep compiler quiet */
}

/* An interval, or a number of seconds, which interval's input takes as such. */
static double
seconds_from_text(const Option *option, const char *value)
{
	Interval   *interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	double		seconds = ((double) interval->month * DAYS_PER_MONTH + interval->day) * SECS_PER_DAY +
		(double) interval->time / USECS_PER_SEC;

	if (!(seconds > 0 && seconds <= MAX_TIME_LIMIT))
		bad_value(option, value);
	return seconds;
}

static void
set_option(RecmfOptions *options, const Option *option, const char *value)
{
	void	   *field = (char *) &options->settings + option->offset;
	int64		integer;
	double		number;
	bool		boolean;

	switch (option->kind)
	{
		case OPTION_FEEDBACK:
			*(rmf_feedback *) field = recmf_feedback_from_name(value);
			options->feedback_given = true;
			break;
		case OPTION_INTEGER:
			if (!parse_bigint(value, &integer) || integer < option->min || integer > option->max)
				bad_value(option, value);
			*(int32_t *) field = (int32_t) integer;
			break;
		case OPTION_NUMBER:
			if (!parse_number(value, &number) || number < option->min || number > option->max)
				bad_value(option, value);
			*(double *) field = number;
			break;
		case OPTION_SEED:
			if (!parse_bigint(value, &integer))
				bad_value(option, value);
			*(uint64_t *) field = (uint64_t) integer;
			break;
		case OPTION_SOLVER:
			*(rmf_solver *) field = solver_from_name(value);
			break;
		case OPTION_BOOLEAN:
			if (!parse_bool(value, &boolean))
				bad_value(option, value);
			*(int32_t *) field = boolean;
			break;
		case OPTION_WARM_START:
			if (!parse_bool(value, &options->warm_start))
				bad_value(option, value);
			break;
		case OPTION_INDEX:
			if (!parse_bool(value, &options->index))
				bad_value(option, value);
			break;
		case OPTION_TIME_LIMIT:
			options->time_limit = seconds_from_text(option, value);
			break;
	}
}

/* Back to "by rule". */
static void
unset_option(RecmfOptions *options, const Option *option)
{
	rmf_settings defaults;

	rmf_settings_init(&defaults, RMF_IMPLICIT);
	switch (option->kind)
	{
		case OPTION_FEEDBACK:
			options->settings.feedback = defaults.feedback;
			options->feedback_given = false;
			break;
		case OPTION_INTEGER:
		case OPTION_BOOLEAN:
			memcpy((char *) &options->settings + option->offset,
				   (char *) &defaults + option->offset, sizeof(int32_t));
			break;
		case OPTION_NUMBER:
			memcpy((char *) &options->settings + option->offset,
				   (char *) &defaults + option->offset, sizeof(double));
			break;
		case OPTION_SEED:
			options->settings.seed = defaults.seed;
			break;
		case OPTION_SOLVER:
			options->settings.solver = defaults.solver;
			break;
		case OPTION_WARM_START:
			options->warm_start = false;
			break;
		case OPTION_INDEX:
			options->index = true;
			break;
		case OPTION_TIME_LIMIT:
			options->time_limit = NAN;
			break;
	}
}

void
recmf_options_init(RecmfOptions *options)
{
	rmf_settings_init(&options->settings, RMF_IMPLICIT);
	options->feedback_given = false;
	options->warm_start = false;
	options->index = true;
	options->time_limit = NAN;
}

void
recmf_options_set(RecmfOptions *options, const char *name, const char *value)
{
	set_option(options, find_option(name), value);
}

pg_noreturn static void
wrong_type(const Option *option, const char *given, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("training option \"%s\" cannot be %s", option->name, given),
			 errdetail("It must be %s.", option->range),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static void
set_from_json(RecmfOptions *options, const Option *option, const JsonbValue *value)
{
	char	   *string;

	switch (value->type)
	{
		case jbvNull:
			unset_option(options, option);
			break;
		case jbvNumeric:
			if (is_word(option) || is_boolean(option))
				wrong_type(option, "a number", NULL);
			set_option(options, option,
					   DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			break;
		case jbvString:
			string = pnstrdup(value->val.string.val, value->val.string.len);
			if (!is_word(option) && option->kind != OPTION_TIME_LIMIT)
				wrong_type(option, "a string",
						   psprintf("Write the %s without quotes, as in {\"%s\": %s}.",
									is_boolean(option) ? "word" : "number", option->name,
									is_boolean(option) ? "true" :
									option->kind == OPTION_NUMBER ? "0.1" : "42"));
			set_option(options, option, string);
			pfree(string);
			break;
		case jbvBool:
			if (!is_boolean(option))
				wrong_type(option, "a boolean", NULL);
			set_option(options, option, value->val.boolean ? "true" : "false");
			break;
		default:
			wrong_type(option, "an array or object", NULL);
			break;
	}
}

void
recmf_options_set_jsonb(RecmfOptions *options, Jsonb *object)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training options must be a JSON object"),
				 errhint("Write them as '{\"factors\": 32, \"iterations\": 10}'.")));

	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		const Option *option;
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		option = find_option(name);
		pfree(name);

		token = JsonbIteratorNext(&iterator, &value, true);
		Assert(token == WJB_VALUE);
		set_from_json(options, option, &value);
	}
}

void
recmf_options_from_call(FunctionCallInfo fcinfo, int first, const char *const *names, int n, int object_arg,
						RecmfOptions *options)
{
	Jsonb	   *object = PG_ARGISNULL(object_arg) ? NULL : PG_GETARG_JSONB_P(object_arg);
	int			i;

	recmf_options_init(options);
	if (object)
		recmf_options_set_jsonb(options, object);
	for (i = 0; i < n; i++)
	{
		int			number = first + i;
		Oid			output;
		bool		is_varlena;

		if (PG_ARGISNULL(number))
			continue;
		if (object && JB_ROOT_IS_OBJECT(object) &&
			getKeyJsonValueFromContainer(&object->root, names[i], strlen(names[i]), NULL) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" is given twice", names[i]),
					 errhint("Give it as an argument or in options, not in both.")));
		getTypeOutputInfo(get_fn_expr_argtype(fcinfo->flinfo, number), &output, &is_varlena);
		recmf_options_set(options, names[i], OidOutputFunctionCall(output, PG_GETARG_DATUM(number)));
	}
}

/* Has an option that belongs to a feedback been given? */
static bool
is_given(const Option *option, const rmf_settings *settings)
{
	const void *field = (const char *) settings + option->offset;

	return option->kind == OPTION_BOOLEAN ? *(const int32_t *) field != 0 : !isnan(*(const double *) field);
}

/* What options say about each other, but for the feedback. */
static void
check_combinations(const rmf_settings *settings)
{
	if (!settings->implicit_features &&
		(!isnan(settings->implicit_features_weight) || !isnan(settings->implicit_features_regularization)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training option \"%s\" has no meaning without \"implicit_features\"",
						!isnan(settings->implicit_features_weight) ? "implicit_features_weight" :
						"implicit_features_regularization"),
				 errhint("Add \"implicit_features\": true, or leave it out.")));
	if (settings->nonnegative && settings->solver == RMF_SOLVER_CG)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training option \"nonnegative\" contradicts solver \"cg\""),
				 errdetail("Steps of conjugate gradients know no bounds."),
				 errhint("Leave the solver out, or use exact.")));
}

void
recmf_options_check(const RecmfOptions *options)
{
	int			i;

	check_combinations(&options->settings);

	for (i = 0; i < lengthof(option_table); i++)
	{
		const Option *option = &option_table[i];

		if (option->feedbacks != 0 && (option->feedbacks & FOR(options->settings.feedback)) == 0 &&
			is_given(option, &options->settings))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("training option \"%s\" contradicts feedback \"%s\"", option->name,
							recmf_feedback_name(options->settings.feedback)),
					 options->feedback_given ? 0 :
					 errdetail("Feedback is implicit unless the option \"feedback\" says otherwise."),
					 errhint("%s", option->elsewhere)));
	}
}

void
recmf_options_check_aggregate(const RecmfOptions *options)
{
	recmf_options_check(options);
	if (options->warm_start)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("mf_train has no option \"warm_start\""),
				 errdetail("An aggregate knows of no model before."),
				 errhint("Use train_model.")));
	if (!options->index)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("mf_train has no option \"index\""),
				 errdetail("A model as a value has no tables to index."),
				 errhint("Leave it out, or use train_model.")));
	if (!isnan(options->time_limit))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("mf_train has no option \"time_limit\""),
				 errhint("Use fewer iterations, or train_model.")));
}

/* The shortest decimal that reads back as the same double. */
static Numeric
numeric_from_double(double number)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(float8out, Float8GetDatum(number)));

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

Jsonb *
recmf_settings_to_jsonb(const rmf_settings *settings)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < lengthof(option_table); i++)
	{
		const Option *option = &option_table[i];
		const void *field = (const char *) settings + option->offset;
		JsonbValue	key;
		JsonbValue	value;

		if (!is_setting(option) || (option->feedbacks != 0 && (option->feedbacks & FOR(settings->feedback)) == 0))
			continue;
		if (option->kind == OPTION_NUMBER && isnan(*(const double *) field))
			continue;			/* of a side, or of implicit features that there are not */
		if (option->kind == OPTION_BOOLEAN && *(const int32_t *) field == 0)
			continue;
		if (is_of_validation(option) && !(settings->validation_fraction > 0))
			continue;

		key.type = jbvString;
		key.val.string.val = unconstify(char *, option->name);
		key.val.string.len = strlen(option->name);

		value.type = jbvNumeric;
		switch (option->kind)
		{
			case OPTION_FEEDBACK:
				value.type = jbvString;
				value.val.string.val = unconstify(char *, recmf_feedback_name(settings->feedback));
				value.val.string.len = strlen(value.val.string.val);
				break;
			case OPTION_INTEGER:
				value.val.numeric = int64_to_numeric(*(const int32_t *) field);
				break;
			case OPTION_NUMBER:
				value.val.numeric = numeric_from_double(*(const double *) field);
				break;
			case OPTION_BOOLEAN:
				value.type = jbvBool;
				value.val.boolean = *(const int32_t *) field != 0;
				break;
			case OPTION_SEED:
				value.val.numeric = int64_to_numeric((int64) *(const uint64_t *) field);
				break;
			case OPTION_SOLVER:
				value.type = jbvString;
				value.val.string.val = unconstify(char *, solver_names[*(const rmf_solver *) field]);
				value.val.string.len = strlen(value.val.string.val);
				break;
			case OPTION_WARM_START:
			case OPTION_INDEX:
			case OPTION_TIME_LIMIT:
				break;
		}
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

const char *
recmf_feedback_name(rmf_feedback feedback)
{
	switch (feedback)
	{
		case RMF_EXPLICIT:
			return "explicit";
		case RMF_LOGISTIC:
			return "logistic";
		default:
			return "implicit";
	}
}

rmf_feedback
recmf_feedback_from_name(const char *name)
{
	if (strcmp(name, "explicit") == 0)
		return RMF_EXPLICIT;
	if (strcmp(name, "implicit") == 0)
		return RMF_IMPLICIT;
	if (strcmp(name, "logistic") == 0)
		return RMF_LOGISTIC;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized feedback \"%s\"", cut(name)),
			 errhint("Use implicit for counts, orders or clicks, logistic for probabilities of these, or explicit for grades such as 1 to 5 stars.")));
	return RMF_IMPLICIT;		/* keep compiler quiet */
}
