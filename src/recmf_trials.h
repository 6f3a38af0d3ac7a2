/*
 * recmf_trials.h
 *	  The table recmf_trials: what tune_model() has tried, a row a trial.
 */
#ifndef RECMF_TRIALS_H
#define RECMF_TRIALS_H

#include "postgres.h"

#include "core/rmf_tune.h"

/* A row. */
typedef struct RecmfTrial
{
	rmf_tune_trial asked;
	rmf_settings settings;		/* resolved */
	int32		iterations;		/* of the value */
	double		value;			/* NAN: failed */
	double		seconds;
} RecmfTrial;

/* The trials of one study: of one model on the same data with the same options. */
typedef struct RecmfTrials RecmfTrials;

/*
 * Reads what a study has tried so far, into the memory context.  owner: of the
 * model; rows of others under its name are not looked at.  Inside SPI_connect().
 */
extern RecmfTrials *recmf_trials_open(MemoryContext context, const char *model, Oid owner, uint64 study,
									  const char *metric);

extern int	recmf_trials_count(const RecmfTrials *trials);

/* The trial with the same settings, users and number of iterations; false: there is none yet.  Fills in the rest. */
extern bool recmf_trials_find(const RecmfTrials *trials, RecmfTrial *trial);

/* Adds a row, in the current transaction. */
extern void recmf_trials_add(RecmfTrials *trials, const RecmfTrial *trial);

/* Marks a trial as the best of its study, and no other. */
extern void recmf_trials_mark_best(const RecmfTrials *trials, const RecmfTrial *trial);

/* draws, halving, ... */
extern const char *recmf_round_name(rmf_round round);

#endif							/* RECMF_TRIALS_H */
