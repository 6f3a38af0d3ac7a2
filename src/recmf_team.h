/*
 * recmf_team.h
 *	  Processes that train together: PostgreSQL's parallel workers.
 *
 * The processes map the same memory and do the tasks of a run (core/rmf_run.h),
 * each claimed by one atomic counter; the leader is one of them.  What comes
 * out doesn't depend on how many there are, so there may be none: workers are
 * not started where there is little work, where PostgreSQL has no slot or no
 * shared memory for them, and in a process that is part of a parallel query
 * itself.
 */
#ifndef RECMF_TEAM_H
#define RECMF_TEAM_H

#include "postgres.h"

#include "core/rmf_run.h"
#include "recmf_memory.h"
#include "recmf_spill.h"

typedef struct RecmfTeam RecmfTeam;

/* Of how many processes a team consists at most, its leader included. */
#define RECMF_MAX_TEAM 65

/* GUC */
extern int	recmf_max_parallel_workers;

/* As many as the settings allow to help this process, whatever the work. */
extern int	recmf_team_most_workers(void);

/* Should ratings lie in shared memory, so that workers may map them? */
extern bool recmf_team_may_form(int64 n_ratings);

/* How many workers this much work deserves, within what the settings allow; 0 where none may help. */
extern int	recmf_team_size(const rmf_run_shape *shape, int64 n_ratings, int iterations);

/* The memory that a run and its ratings lie in. */
typedef struct RecmfRunMemory
{
	RecmfMemory *run;			/* from its beginning: rmf_run_lay_out() */
	RecmfMemory *ratings[2];	/* the arrays of run->ratings */
	RecmfMemory *validation;	/* NULL without validation */
	RecmfSpill *spill;			/* where ratings are loaded from; NULL: they are in memory */
} RecmfRunMemory;

/*
 * Starts workers for a run that is laid out and whose ratings are set; NULL
 * where there are none to be had.  From here to recmf_team_end() the
 * transaction is in parallel mode, in a subtransaction of its own: no error
 * may leave this stretch, and nothing may be written.  workspace:
 * rmf_run_workspace_size(), for the leader.
 */
extern RecmfTeam *recmf_team_begin(const rmf_run *run, const RecmfRunMemory *memory, int workers,
								   void *workspace);

/* What rmf_run_start() and rmf_run_iterate() need of a team. */
extern const rmf_team *recmf_team_core(const RecmfTeam *team);

/* How many workers were launched. */
extern int	recmf_team_workers(const RecmfTeam *team);

/*
 * Ends the workers and the subtransaction.  "failed": at once, else as they
 * finish.  An error that a worker ends with is raised.  tasks (may be NULL):
 * how many were done by the leader and each worker; returns their number.
 */
extern int	recmf_team_end(RecmfTeam *team, bool failed, int64 tasks[RECMF_MAX_TEAM]);

#endif							/* RECMF_TEAM_H */
