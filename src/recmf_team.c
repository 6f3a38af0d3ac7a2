/*
 * recmf_team.c
 *	  Processes that train together: see recmf_team.h.
 *
 * Phases: recmf_team_begin() makes a parallel context, with a small segment of
 * its own that says where the run's memory is and holds the counters below, and
 * launches the workers once.  A phase of the run is published by one store into
 * "claims", from which everybody takes tasks; when they are gone the workers
 * wait for the next, and the leader for the tasks that others still have in
 * hand.  It waits for tasks and not for workers, so one that comes late or
 * never is no loss.  recmf_team_end() publishes that there is no more.
 *
 * Memory: the run and the ratings lie in segments that the caller has made
 * (recmf_memory.h); workers map them until they end.  Of ratings in temporary
 * files (recmf_spill.h) only the starts do, and workers open the files.
 *
 * Locks: none.  "claims" holds everything that a claim depends on in one atomic
 * word, since a worker may be stopped between any two instructions while the
 * leader goes on to the next phase: who has claimed a task knows its phase, and
 * the phase cannot end before that task does.  What tasks write, and what the
 * leader writes between phases, is ordered by the barriers of these atomics.
 *
 * Errors: a worker that is interrupted or fails otherwise raises its error,
 * which PostgreSQL hands to the leader as an interrupt.  A failure of the
 * arithmetic is no error in the worker: its status goes into "failure", and the
 * tasks that are left are passed over.  The leader keeps what is raised within
 * a phase for recmf_check_status() (recmf_status.h), so that nothing jumps past
 * recmf_team_end().  If the leader fails, the context is destroyed by the end
 * of its subtransaction: workers are terminated, and notice within a task.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "recmf_blas.h"
#include "recmf_progress.h"
#include "recmf_status.h"
#include "recmf_team.h"

#define KEY_TEAM UINT64CONST(0x7265636d66000001)

/* Below, workers would cost more than they bring, and nothing is shared. */
#define LEAST_RATINGS 10000

/*
 * A worker is started for each so many multiplications: a few hundredths of a
 * second, which is several times what it takes to start one.
 */
#define PRODUCTS_PER_WORKER 5e8

/* "claims": number of the phase, its kind, number of tasks, next task. */
#define CLAIM_TASK_BITS 16
#define CLAIM_TASK_MASK ((UINT64CONST(1) << CLAIM_TASK_BITS) - 1)
#define CLAIM_PHASE_SHIFT (2 * CLAIM_TASK_BITS)
#define CLAIM_PHASE_MASK UINT64CONST(0xff)
#define CLAIM_NUMBER_SHIFT (CLAIM_PHASE_SHIFT + 8)
#define NO_MORE_PHASES CLAIM_PHASE_MASK

/* Where a process finds one orientation of the ratings; offsets within the segment. */
typedef struct RatingsPlace
{
	dsm_handle	segment;
	rmf_ratings numbers;		/* its pointers are of no use */
	Size		start;
	Size		column;
	Size		value;
	Size		weight;
} RatingsPlace;

typedef struct TeamShared
{
	/* never change after set-up */
	rmf_run_shape shape;
	dsm_handle	run_segment;
	Size		run_offset;
	int			n_places;		/* by user, by item, and what is held out of the former */
	RatingsPlace places[3];
	RecmfSpillHandle files;		/* of ratings that are loaded */

	pg_atomic_uint64 claims;
	pg_atomic_uint32 tasks_done;	/* of the phase */
	pg_atomic_uint32 failure;	/* rmf_status */
	ConditionVariable phase_published;
	ConditionVariable phase_done;
	pg_atomic_uint64 tasks_of[RECMF_MAX_TEAM];	/* who has done how many; 0 is the leader */
} TeamShared;

/* A member of the team, the leader or a worker. */
typedef struct Member
{
	TeamShared *shared;
	int			number;			/* the leader is 0 */
	const rmf_run *run;
	void	   *workspace;
	rmf_poll	poll;
	bool		others_failed;	/* why the poll has stopped a task, if it wasn't an interrupt */
} Member;

struct RecmfTeam
{
	rmf_team	core;
	ParallelContext *parallel;
	TeamShared *shared;
	Member		leader;
	uint64		number;			/* of the phase */
	uint32		n_tasks;		/* of the phase */
	MemoryContext caller;
	ResourceOwner owner;
};

PGDLLEXPORT void recmf_team_main(dsm_segment *segment, shm_toc *toc);

int			recmf_max_parallel_workers = 8;

int
recmf_team_most_workers(void)
{
	int			most = Min(recmf_max_parallel_workers, RECMF_MAX_TEAM - 1);

	most = Min(most, max_parallel_maintenance_workers);
	return IsInParallelMode() ? 0 : Min(most, max_parallel_workers);
}

bool
recmf_team_may_form(int64 n_ratings)
{
	return n_ratings >= LEAST_RATINGS && recmf_team_most_workers() > 0;
}

int
recmf_team_size(const rmf_run_shape *shape, int64 n_ratings, int iterations)
{
	if (!recmf_team_may_form(n_ratings))
		return 0;
	return (int) Min(recmf_team_most_workers(), rmf_run_products(shape, n_ratings) * iterations / PRODUCTS_PER_WORKER);
}

/*
 * Claims.
 */

static bool
claim_task(TeamShared *shared, rmf_phase *phase, int64 *task)
{
	uint64		claims = pg_atomic_read_u64(&shared->claims);

	for (;;)
	{
		uint64		n_tasks = claims >> CLAIM_TASK_BITS & CLAIM_TASK_MASK;
		uint64		next = claims & CLAIM_TASK_MASK;

		if (next >= n_tasks)
			return false;
		if (pg_atomic_compare_exchange_u64(&shared->claims, &claims, claims + 1))
		{
			*phase = (rmf_phase) (claims >> CLAIM_PHASE_SHIFT & CLAIM_PHASE_MASK);
			*task = (int64) next;
			return true;
		}
	}
}

static void
publish(RecmfTeam *team, uint64 phase, uint64 n_tasks)
{
	TeamShared *shared = team->shared;

	/* nobody has a task in hand: the phase before is done */
	pg_atomic_write_u32(&shared->tasks_done, 0);
	team->n_tasks = (uint32) n_tasks;
	team->number++;
	(void) pg_atomic_exchange_u64(&shared->claims,
								  team->number << CLAIM_NUMBER_SHIFT | phase << CLAIM_PHASE_SHIFT |
								  n_tasks << CLAIM_TASK_BITS);
	ConditionVariableBroadcast(&shared->phase_published);
}

/* Stops at an interrupt, the error of which is kept, and when another member has failed. */
static int
poll_member(void *arg)
{
	Member	   *member = (Member *) arg;

	if (rmf_poll_cancelled(recmf_poll()))
		return 1;
	member->others_failed = pg_atomic_read_u32(&member->shared->failure) != RMF_OK;
	return member->others_failed;
}

static void
join(Member *member, TeamShared *shared, int number, const rmf_run *run, void *workspace)
{
	member->shared = shared;
	member->number = number;
	member->run = run;
	member->workspace = workspace;
	member->poll.cancelled = poll_member;
	member->poll.arg = member;
	member->others_failed = false;
}

/* Does a task that has been claimed; false if this member was interrupted, and the phase won't end. */
static bool
do_task(Member *member, rmf_phase phase, int64 task)
{
	TeamShared *shared = member->shared;
	pg_atomic_uint64 *done = &shared->tasks_of[member->number];
	uint32		n_tasks;

	if (pg_atomic_read_u32(&shared->failure) == RMF_OK)
	{
		rmf_status	status = rmf_run_task(member->run, phase, task, member->workspace, &member->poll);

		if (status == RMF_CANCELLED && !member->others_failed)
			return false;
		if (status != RMF_OK && status != RMF_CANCELLED)
			pg_atomic_write_u32(&shared->failure, (uint32) status);
		pg_atomic_write_u64(done, pg_atomic_read_u64(done) + 1);
	}

	/* as long as this task is not counted, the phase is the same */
	n_tasks = (uint32) (pg_atomic_read_u64(&shared->claims) >> CLAIM_TASK_BITS & CLAIM_TASK_MASK);
	if (pg_atomic_add_fetch_u32(&shared->tasks_done, 1) == n_tasks && member->number > 0)
		ConditionVariableSignal(&shared->phase_done);
	return true;
}

static bool
has_ended(TeamShared *shared)
{
	return (pg_atomic_read_u64(&shared->claims) >> CLAIM_PHASE_SHIFT & CLAIM_PHASE_MASK) == NO_MORE_PHASES;
}

/*
 * The leader.
 */

static void
wait_for_phase(void *arg)
{
	RecmfTeam  *team = arg;

	while (pg_atomic_read_u32(&team->shared->tasks_done) < team->n_tasks)
		ConditionVariableSleep(&team->shared->phase_done, PG_WAIT_EXTENSION);
}

static rmf_status
run_phase(void *arg, rmf_phase phase, int64_t n_tasks)
{
	RecmfTeam  *team = (RecmfTeam *) arg;
	TeamShared *shared = team->shared;
	rmf_phase	claimed;
	int64		task;
	bool		error;

	/* one task is sooner done than published */
	if (n_tasks == 1)
		return rmf_run_task(team->leader.run, phase, 0, team->leader.workspace, recmf_poll());

	Assert(n_tasks <= (int64_t) CLAIM_TASK_MASK);
	publish(team, (uint64) phase, (uint64) n_tasks);
	while (claim_task(shared, &claimed, &task))
	{
		if (!do_task(&team->leader, claimed, task))
			return RMF_CANCELLED;
		recmf_progress_tasks(pg_atomic_read_u32(&shared->tasks_done));
	}
	error = recmf_run_and_keep_error(wait_for_phase, team);
	ConditionVariableCancelSleep();
	if (error)
		return RMF_CANCELLED;
	pg_read_barrier();
	return (rmf_status) pg_atomic_read_u32(&shared->failure);
}

static RatingsPlace
place_of(const rmf_ratings *ratings, const RecmfMemory *memory)
{
	RatingsPlace place = {0};

	place.segment = recmf_memory_handle(memory);
	place.numbers = *ratings;
	place.start = recmf_memory_offset(memory, ratings->start);
	if (ratings->column == NULL)
		return place;			/* loaded */
	place.column = recmf_memory_offset(memory, ratings->column);
	place.value = recmf_memory_offset(memory, ratings->value);
	if (ratings->weight != NULL)
		place.weight = recmf_memory_offset(memory, ratings->weight);
	return place;
}

/* The team's shared state, in the segment of the parallel context. */
static TeamShared *
share(shm_toc *toc, const rmf_run *run, const RecmfRunMemory *memory)
{
	TeamShared *shared = (TeamShared *) shm_toc_allocate(toc, sizeof(TeamShared));
	int			i;

	memset(shared, 0, sizeof(TeamShared));
	shared->shape = run->shape;
	shared->run_segment = recmf_memory_handle(memory->run);
	shared->run_offset = recmf_memory_offset(memory->run, run->counts);
	shared->places[RMF_USERS] = place_of(&run->ratings[RMF_USERS], memory->ratings[RMF_USERS]);
	shared->places[RMF_ITEMS] = place_of(&run->ratings[RMF_ITEMS], memory->ratings[RMF_ITEMS]);
	shared->n_places = 2;
	if (run->shape.n_validation > 0)
		shared->places[shared->n_places++] = place_of(&run->validation, memory->validation);
	if (memory->spill != NULL)
		shared->files = recmf_spill_handle(memory->spill);

	pg_atomic_init_u64(&shared->claims, 0);
	pg_atomic_init_u32(&shared->tasks_done, 0);
	pg_atomic_init_u32(&shared->failure, RMF_OK);
	ConditionVariableInit(&shared->phase_published);
	ConditionVariableInit(&shared->phase_done);
	for (i = 0; i < RECMF_MAX_TEAM; i++)
		pg_atomic_init_u64(&shared->tasks_of[i], 0);
	shm_toc_insert(toc, KEY_TEAM, shared);
	return shared;
}

/* In the subtransaction; false if no worker was launched. */
static bool
launch(RecmfTeam *team, const RecmfRunMemory *memory, int workers)
{
	ParallelContext *parallel;

	EnterParallelMode();
	parallel = CreateParallelContext("recmf", "recmf_team_main", workers);
	team->parallel = parallel;
	shm_toc_estimate_chunk(&parallel->estimator, sizeof(TeamShared));
	shm_toc_estimate_keys(&parallel->estimator, 1);
	InitializeParallelDSM(parallel);
	if (parallel->nworkers > 0)
	{
		team->shared = share(parallel->toc, team->leader.run, memory);
		team->leader.shared = team->shared;
		LaunchParallelWorkers(parallel);
	}
	return parallel->nworkers_launched > 0;
}

static void
back_to_caller(const RecmfTeam *team)
{
	MemoryContextSwitchTo(team->caller);
	CurrentResourceOwner = team->owner;
}

RecmfTeam *
recmf_team_begin(const rmf_run *run, const RecmfRunMemory *memory, int workers, void *workspace)
{
	RecmfTeam  *team;
	volatile bool launched = false;

	if (workers <= 0 || IsInParallelMode() || !recmf_memory_is_shared(memory->run) ||
		!recmf_memory_is_shared(memory->ratings[RMF_USERS]) ||
		!recmf_memory_is_shared(memory->ratings[RMF_ITEMS]) ||
		(memory->validation != NULL && !recmf_memory_is_shared(memory->validation)))
		return NULL;

	team = (RecmfTeam *) palloc0(sizeof(RecmfTeam));
	team->core.run = run_phase;
	team->core.arg = team;
	join(&team->leader, NULL, 0, run, workspace);
	team->caller = CurrentMemoryContext;
	team->owner = CurrentResourceOwner;

	/*
	 * That there is no room for the context's own segment is an error of
	 * PostgreSQL's, and a reason to work alone here.
	 */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(team->caller);
	PG_TRY();
	{
		launched = launch(team, memory, workers);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(team->caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		back_to_caller(team);
		pfree(team);
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		ereport(DEBUG1,
				(errmsg_internal("training works without parallel workers: %s", error->message)));
		FreeErrorData(error);
		return NULL;
	}
	PG_END_TRY();

	if (!launched)
	{
		DestroyParallelContext(team->parallel);
		ExitParallelMode();
		ReleaseCurrentSubTransaction();
		back_to_caller(team);
		pfree(team);
		return NULL;
	}
	return team;
}

const rmf_team *
recmf_team_core(const RecmfTeam *team)
{
	return &team->core;
}

int
recmf_team_workers(const RecmfTeam *team)
{
	return team->parallel->nworkers_launched;
}

static void
finish_workers(void *arg)
{
	RecmfTeam  *team = arg;

	WaitForParallelWorkersToFinish(team->parallel);
}

int
recmf_team_end(RecmfTeam *team, bool failed, int64 tasks[RECMF_MAX_TEAM])
{
	int			members = 1 + team->parallel->nworkers_launched;
	int			i;

	for (i = 0; tasks != NULL && i < members; i++)
		tasks[i] = (int64) pg_atomic_read_u64(&team->shared->tasks_of[i]);

	if (!failed)
	{
		publish(team, NO_MORE_PHASES, 0);
		failed = recmf_run_and_keep_error(finish_workers, team);
		if (failed)
		{
			RollbackAndReleaseCurrentSubTransaction();
			back_to_caller(team);
			recmf_check_status(RMF_CANCELLED, "train the model");
		}
		DestroyParallelContext(team->parallel);
		ExitParallelMode();
		ReleaseCurrentSubTransaction();
	}
	else
	{
		/* so that they stop before the signal reaches them */
		pg_atomic_write_u32(&team->shared->failure, RMF_CANCELLED);
		RollbackAndReleaseCurrentSubTransaction();
	}
	back_to_caller(team);
	pfree(team);
	return members;
}

/*
 * A worker.
 */

/* NULL where the leader has ended, and its segments with it. */
static char *
map_segment(dsm_handle handle, TeamShared *shared)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
	{
		if (!has_ended(shared))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("could not map the shared memory of a training run")));
		return NULL;
	}

	/* it ends with the process */
	dsm_pin_mapping(segment);
	return (char *) dsm_segment_address(segment);
}

/* Those that are loaded are read from the files. */
static bool
find_ratings(TeamShared *shared, const RatingsPlace *place, RecmfSpill *spill, rmf_side side, rmf_ratings *ratings)
{
	char	   *base = map_segment(place->segment, shared);

	if (base == NULL)
		return false;
	*ratings = place->numbers;
	ratings->start = (const int64_t *) (base + place->start);
	if (ratings->column == NULL)
	{
		recmf_spill_ratings(spill, side, ratings);
		return true;
	}
	ratings->column = (const int32_t *) (base + place->column);
	ratings->value = (const float *) (base + place->value);
	ratings->weight = ratings->weight != NULL ? (const float *) (base + place->weight) : NULL;
	return true;
}

static bool
find_run(TeamShared *shared, rmf_run *run)
{
	char	   *base = map_segment(shared->run_segment, shared);
	RecmfSpill *spill = NULL;

	if (base == NULL)
		return false;
	rmf_run_lay_out(&shared->shape, base + shared->run_offset, run);
	if (shared->shape.window > 0)
	{
		spill = recmf_spill_attach(CurrentMemoryContext, &shared->files);
		if (spill == NULL)
		{
			if (!has_ended(shared))
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("could not open the temporary files of a training run")));
			return false;
		}
	}
	return find_ratings(shared, &shared->places[RMF_USERS], spill, RMF_USERS, &run->ratings[RMF_USERS]) &&
		find_ratings(shared, &shared->places[RMF_ITEMS], spill, RMF_ITEMS, &run->ratings[RMF_ITEMS]) &&
		(shared->n_places == 2 || find_ratings(shared, &shared->places[2], NULL, RMF_USERS, &run->validation));
}

/* All that a worker does, until the leader says that there is no more. */
static void
work(TeamShared *shared)
{
	rmf_run		run = {0};
	Member		member;
	void	   *workspace;

	if (!find_run(shared, &run))
		return;
	workspace = MemoryContextAllocHuge(CurrentMemoryContext,
									   rmf_run_workspace_size(&shared->shape) + RMF_ALIGNMENT);
	join(&member, shared, ParallelWorkerNumber + 1, &run, (void *) TYPEALIGN(RMF_ALIGNMENT, workspace));

	while (!has_ended(shared))
	{
		rmf_phase	phase;
		int64		task;

		if (!claim_task(shared, &phase, &task))
			ConditionVariableSleep(&shared->phase_published, PG_WAIT_EXTENSION);
		else if (!do_task(&member, phase, task))
			recmf_check_status(RMF_CANCELLED, "train the model");
	}
	ConditionVariableCancelSleep();
}

/* Called by PostgreSQL in each worker. */
void
recmf_team_main(dsm_segment *segment, shm_toc *toc)
{
	TeamShared *shared = (TeamShared *) shm_toc_lookup(toc, KEY_TEAM, false);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "recmf training", ALLOCSET_DEFAULT_SIZES);

	pgstat_report_activity(STATE_RUNNING, "recmf training");
	recmf_blas_check_once();
	MemoryContextSwitchTo(context);
	work(shared);

	/* closes the files of ratings, which their owner would miss at the end of the transaction */
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
