/*
 * recmf_options.h
 *	  The options of training, by name, from a jsonb object or one at a time.
 *
 * One table holds names, types, ranges and which feedback each belongs to.
 * train_model and mf_train both go through it, so that both know the same
 * options and say the same of a mistake.
 */
#ifndef RECMF_OPTIONS_H
#define RECMF_OPTIONS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "core/rmf_als.h"

typedef struct RecmfOptions
{
	rmf_settings settings;		/* feedback already set; the rest by rule unless given */
	bool		feedback_given;

	/* train_model alone */
	bool		warm_start;		/* from the factors of the version before */
	bool		index;			/* the factors of the new version, for serving */
	double		time_limit;		/* seconds; NAN: none */
} RecmfOptions;

/* implicit feedback, all else by rule. */
extern void recmf_options_init(RecmfOptions *options);

/*
 * Sets what the object names.  Errors (ERRCODE_INVALID_PARAMETER_VALUE) for an
 * unknown name, with a hint that gives our name for the field's other ones
 * (rank, n_factors, num_factors, dim -> factors; lambda, reg -> regularization; ...) or the
 * nearest one, for a wrong type, and for a value out of range, naming the range.
 */
extern void recmf_options_set_jsonb(RecmfOptions *options, Jsonb *object);

/* The same for one option whose value is given as text. */
extern void recmf_options_set(RecmfOptions *options, const char *name, const char *value);

/*
 * The options of a call: n arguments from "first" on, named by "names", and a
 * jsonb object as argument "object", each of which may be null.  An error for
 * what is given twice; not yet checked.
 */
extern void recmf_options_from_call(FunctionCallInfo fcinfo, int first, const char *const *names, int n, int object,
									RecmfOptions *options);

/* Contradictions, such as alpha with explicit feedback: error.  Call after all are set. */
extern void recmf_options_check(const RecmfOptions *options);

/* The same where there is neither a version before nor a run of its own to limit: in mf_train. */
extern void recmf_options_check_aggregate(const RecmfOptions *options);

/* Resolved settings as a jsonb object with our names; without those of a validation that was not wanted. */
extern Jsonb *recmf_settings_to_jsonb(const rmf_settings *settings);

/* "explicit" / "implicit" / "logistic" */
extern const char *recmf_feedback_name(rmf_feedback feedback);
extern rmf_feedback recmf_feedback_from_name(const char *name);	/* error with a hint that lists them */

#endif							/* RECMF_OPTIONS_H */
