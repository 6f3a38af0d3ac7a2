/*
 * recmf_progress.h
 *	  What training runs tell other sessions: the view recmf_progress.
 *
 * Whoever trains calls begin, then the rest in any order and as often as he
 * likes, and end on every way out.  All of it is a few stores to memory, never
 * an error, and nothing at all where no run has begun in this backend, so that
 * code shared with mf_train may call it, too.
 */
#ifndef RECMF_PROGRESS_H
#define RECMF_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "core/rmf_run.h"

typedef enum RecmfPhase
{
	RECMF_PHASE_STARTING,		/* checks and locks */
	RECMF_PHASE_READING,		/* the source's rows */
	RECMF_PHASE_SORTING,		/* ids and ratings into matrices */
	RECMF_PHASE_WARM_START,		/* the factors of the version before */
	RECMF_PHASE_TRAINING,		/* iterations */
	RECMF_PHASE_TUNING,			/* trials */
	RECMF_PHASE_WRITING			/* tables and registry */
} RecmfPhase;

/*
 * A run of this backend begins or ends.  Runs may nest (an event trigger that
 * trains); the outermost one shows.
 */
extern void recmf_progress_begin(const char *model);
extern void recmf_progress_end(void);

extern void recmf_progress_phase(RecmfPhase phase);

/* How many rows of the source have been read so far. */
extern void recmf_progress_rows(int64 rows);

/* The number of parallel workers that take part, without the leader. */
extern void recmf_progress_workers(int workers);

/*
 * A phase of the core's run begins, which has so many tasks; so many of them are
 * done.  Nothing outside of RECMF_PHASE_TRAINING and RECMF_PHASE_TUNING.
 */
extern void recmf_progress_step(rmf_phase step, int64 tasks);
extern void recmf_progress_tasks(int64 tasks_done);

/*
 * Iterations done, of how many at most; 0 when they begin.  loss and metric
 * (that of the validation ratings) may be NAN.  deadline: of the run's time
 * limit, DT_NOEND for none.
 */
extern void recmf_progress_iteration(int iteration, int iterations, double loss, double metric,
									 TimestampTz deadline);

/*
 * Trials of tune_model() done, of about how many; the best metric so far and
 * the seconds that the rest will take, both of which may be NAN.
 */
extern void recmf_progress_trial(int done, int trials, double best, double seconds_left, TimestampTz deadline);

#endif							/* RECMF_PROGRESS_H */
