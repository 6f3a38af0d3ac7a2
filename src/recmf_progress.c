/*
 * recmf_progress.c
 *	  The view recmf_progress: training runs of the cluster as other sessions
 *	  see them.
 *
 * PostgreSQL's own command progress (pg_stat_progress_*) is closed to
 * extensions: its commands are numbered in the server, and its parameters are
 * integers.  So there is a small shared area of our own: MAX_RUNS slots, of
 * which a training backend claims one and gives it back at its end, on an
 * error (the caller's PG_FINALLY) and when the backend exits (before_shmem_exit).
 * A crash of any backend resets shared memory and with it all slots.
 *
 * The area is made by whoever needs it first, since recmf is not preloaded: up
 * to PostgreSQL 16 from the spare part of the main shared memory, of which it
 * takes less than a fifth, from 17 on as a named dynamic segment
 * (recmf_compat.h).  Where it cannot be had, or no slot is free, training goes
 * on without being shown.
 *
 * Locks: none after the area is found.  A slot is claimed by an atomic exchange
 * of its owner's pid, and then written by its owner alone under a count of
 * changes that is odd while he writes; readers copy it and read the count
 * before and after, as PostgreSQL does with what pg_stat_activity shows.
 * Parallel workers do not write: the leader knows what there is to tell.
 *
 * Everybody sees that a backend trains; what, and how far it is, is seen by the
 * roles that would see the statement itself in pg_stat_activity.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "recmf_compat.h"
#include "recmf_progress.h"

#define MAX_RUNS 64
#define N_COLUMNS 16

/* With the size of a slot: sessions of a server may have two versions of this library. */
#define AREA_NAME "recmf progress %zu"

/* What is told of a run. */
typedef struct Report
{
	int			pid;			/* 0: nothing yet, or no more */
	Oid			database;
	Oid			role;			/* of the session, as in pg_stat_activity */
	char		model[NAMEDATALEN];
	RecmfPhase	phase;
	int64		rows;
	int			iteration;
	int			iterations;		/* 0: not yet known */
	double		loss;			/* NAN: not yet known */
	double		metric;			/* NAN: none */
	int			workers;
	rmf_phase	step;			/* of an iteration */
	int64		tasks;			/* of the step; 0: there is none */
	int64		tasks_done;
	TimestampTz started;
	TimestampTz first_iteration;	/* when it began */
	TimestampTz last_iteration; /* when the last that is done ended */
	TimestampTz deadline;
	double		trials_left;	/* seconds that the trials left took when the last one ended; NAN: not known */
} Report;

typedef struct Slot
{
	pg_atomic_uint32 owner;		/* pid of who may write the rest; 0: free */
	int			changes;		/* odd while the owner writes */
	Report		report;
} Slot;

static const char *const phase_names[] = {
	[RECMF_PHASE_STARTING] = "starting",
	[RECMF_PHASE_READING] = "reading rows",
	[RECMF_PHASE_SORTING] = "sorting ratings",
	[RECMF_PHASE_WARM_START] = "reading old factors",
	[RECMF_PHASE_TRAINING] = "training",
	[RECMF_PHASE_TUNING] = "tuning",
	[RECMF_PHASE_WRITING] = "writing tables",
};

static const char *
step_name(rmf_phase step)
{
	switch (step)
	{
		case RMF_START_USERS:
		case RMF_START_ITEMS:
			return "start values";
		case RMF_SOLVE_USERS:
			return "solving users";
		case RMF_SOLVE_ITEMS:
			return "solving items";
		case RMF_PREPARE_USERS:
			return "preparing users";
		case RMF_PREPARE_ITEMS:
			return "preparing items";
		case RMF_FEATURES_USERS:
			return "implicit features of users";
		case RMF_FEATURES_ITEMS:
			return "implicit features of items";
		case RMF_VALIDATE:
			return "validating";
	}
	return "unknown";
}

static Slot *slots = NULL;		/* the area: MAX_RUNS of them */
static volatile Slot *own_slot = NULL;	/* of the outermost run of this backend */
static int	depth = 0;			/* how many runs have begun in this backend */

PG_FUNCTION_INFO_V1(recmf_get_progress);

static void
init_area(void *area)
{
	Slot	   *slot = (Slot *) area;
	int			i;

	memset(area, 0, sizeof(Slot) * MAX_RUNS);
	for (i = 0; i < MAX_RUNS; i++)
		pg_atomic_init_u32(&slot[i].owner, 0);
}

static void
find_area(void)
{
	if (slots == NULL)
		slots = (Slot *) recmf_shared_area(psprintf(AREA_NAME, sizeof(Slot)), sizeof(Slot) * MAX_RUNS, init_area);
}

/* The same where a failure must not fail the caller; in a subtransaction, which cleans up after it. */
static void
try_to_find_area(void)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (slots != NULL)
		return;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		find_area();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		ereport(DEBUG1,
				(errmsg_internal("recmf_progress does not show this training: %s", error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
}

static void
begin_change(volatile Slot *slot)
{
	slot->changes++;
	pg_write_barrier();
}

static void
end_change(volatile Slot *slot)
{
	pg_write_barrier();
	slot->changes++;
}

static void
give_back(void)
{
	volatile Slot *slot = own_slot;

	if (slot == NULL)
		return;
	own_slot = NULL;
	begin_change(slot);
	slot->report.pid = 0;
	end_change(slot);
	(void) pg_atomic_exchange_u32(unvolatize(pg_atomic_uint32 *, &slot->owner), 0);
}

static void
give_back_at_exit(int code, Datum arg)
{
	give_back();
}

static void
claim_slot(void)
{
	static bool registered = false;
	int			i;

	if (!registered)
	{
		before_shmem_exit(give_back_at_exit, (Datum) 0);
		registered = true;
	}
	for (i = 0; i < MAX_RUNS && own_slot == NULL; i++)
	{
		uint32		free_slot = 0;

		if (pg_atomic_compare_exchange_u32(&slots[i].owner, &free_slot, (uint32) MyProcPid))
			own_slot = &slots[i];
	}
}

void
recmf_progress_begin(const char *model)
{
	Report		report;

	if (++depth > 1)
		return;
	try_to_find_area();
	if (slots != NULL)
		claim_slot();
	if (own_slot == NULL)
		return;

	memset(&report, 0, sizeof(report));
	report.pid = MyProcPid;
	report.database = MyDatabaseId;
	report.role = GetSessionUserId();
	strlcpy(report.model, model, NAMEDATALEN);
	report.phase = RECMF_PHASE_STARTING;
	report.loss = NAN;
	report.metric = NAN;
	report.trials_left = NAN;
	report.started = GetCurrentTimestamp();
	report.deadline = DT_NOEND;

	begin_change(own_slot);
	memcpy(unvolatize(Report *, &own_slot->report), &report, sizeof(report));
	end_change(own_slot);
}

void
recmf_progress_end(void)
{
	Assert(depth > 0);
	if (--depth == 0)
		give_back();
}

/* The slot to write to, or NULL. */
static inline volatile Slot *
shown_slot(void)
{
	return depth == 1 ? own_slot : NULL;
}

void
recmf_progress_phase(RecmfPhase phase)
{
	volatile Slot *slot = shown_slot();

	if (slot == NULL)
		return;
	begin_change(slot);
	slot->report.phase = phase;
	slot->report.tasks = 0;
	end_change(slot);
}

void
recmf_progress_rows(int64 rows)
{
	volatile Slot *slot = shown_slot();

	if (slot == NULL)
		return;
	begin_change(slot);
	slot->report.rows = rows;
	end_change(slot);
}

void
recmf_progress_workers(int workers)
{
	volatile Slot *slot = shown_slot();

	if (slot == NULL)
		return;
	begin_change(slot);
	slot->report.workers = workers;
	end_change(slot);
}

static bool
is_training(RecmfPhase phase)
{
	return phase == RECMF_PHASE_TRAINING || phase == RECMF_PHASE_TUNING;
}

void
recmf_progress_step(rmf_phase step, int64 tasks)
{
	volatile Slot *slot = shown_slot();

	if (slot == NULL || !is_training(slot->report.phase))
		return;
	begin_change(slot);
	slot->report.step = step;
	slot->report.tasks = tasks;
	slot->report.tasks_done = 0;
	end_change(slot);
}

void
recmf_progress_tasks(int64 tasks_done)
{
	volatile Slot *slot = shown_slot();

	if (slot == NULL || !is_training(slot->report.phase))
		return;
	begin_change(slot);
	slot->report.tasks_done = tasks_done;
	end_change(slot);
}

void
recmf_progress_iteration(int iteration, int iterations, double loss, double metric,
						 TimestampTz deadline)
{
	volatile Slot *slot = shown_slot();
	TimestampTz now = GetCurrentTimestamp();

	if (slot == NULL)
		return;
	begin_change(slot);
	slot->report.iteration = iteration;
	slot->report.iterations = iterations;
	slot->report.loss = loss;
	slot->report.metric = metric;
	slot->report.deadline = deadline;
	slot->report.last_iteration = now;
	if (iteration == 0)
		slot->report.first_iteration = now;
	end_change(slot);
}

void
recmf_progress_trial(int done, int trials, double best, double seconds_left, TimestampTz deadline)
{
	volatile Slot *slot = shown_slot();
	TimestampTz now = GetCurrentTimestamp();

	if (slot == NULL)
		return;
	begin_change(slot);
	slot->report.iteration = done;
	slot->report.iterations = trials;
	slot->report.metric = best;
	slot->report.deadline = deadline;
	slot->report.last_iteration = now;
	slot->report.trials_left = seconds_left;
	end_change(slot);
}

/* A copy of what a slot tells; false if that is nothing. */
static bool
read_slot(const volatile Slot *slot, Report *report)
{
	int			before;
	int			after;

	for (;;)
	{
		before = slot->changes;
		pg_read_barrier();
		memcpy(report, unvolatize(const Report *, &slot->report), sizeof(*report));
		pg_read_barrier();
		after = slot->changes;
		if (before == after && before % 2 == 0)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	return report->pid != 0 && BackendPidGetProc(report->pid) != NULL;
}

static bool
may_see(Oid role)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) || has_privs_of_role(GetUserId(), role);
}

/*
 * What the iterations that are left will take if they take as long as those
 * that are done: less what the one under way has taken, and no longer than the
 * time limit.  NAN: nothing is known.
 */
static double
seconds_left(const Report *report)
{
	TimestampTz now = GetCurrentTimestamp();
	double		left;

	if (!is_training(report->phase) || report->iteration == 0)
		return NAN;
	if (report->phase == RECMF_PHASE_TUNING)
		left = report->trials_left * USECS_PER_SEC - (double) (now - report->last_iteration);
	else
		left = (double) (report->last_iteration - report->first_iteration) / report->iteration *
			(report->iterations - report->iteration) - (double) (now - report->last_iteration);
	if (isnan(left))
		return NAN;
	if (report->deadline != DT_NOEND)
		left = Min(left, (double) (report->deadline - now));
	return Max(left, 0) / USECS_PER_SEC;
}

static void
set_double(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

/* Runs of all databases, a row each. */
Datum
recmf_get_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	find_area();
	for (i = 0; i < MAX_RUNS; i++)
	{
		Datum		values[N_COLUMNS] = {0};
		bool		nulls[N_COLUMNS] = {0};
		Report		report;

		if (!read_slot(&slots[i], &report))
			continue;
		values[0] = Int32GetDatum(report.pid);
		values[1] = ObjectIdGetDatum(report.database);
		if (may_see(report.role))
		{
			values[2] = CStringGetTextDatum(report.model);
			values[3] = CStringGetTextDatum(phase_names[report.phase]);
			values[4] = Int64GetDatum(report.rows);
			values[5] = Int32GetDatum(report.iteration);
			values[6] = Int32GetDatum(report.iterations);
			nulls[6] = report.iterations == 0;
			set_double(values, nulls, 7, report.loss);
			set_double(values, nulls, 8, report.metric);
			values[9] = CStringGetTextDatum(step_name(report.step));
			values[10] = Int64GetDatum(report.tasks_done);
			values[11] = Int64GetDatum(report.tasks);
			nulls[9] = nulls[10] = nulls[11] = report.tasks == 0;
			values[12] = Int32GetDatum(report.workers);
			values[13] = TimestampTzGetDatum(report.started);
			set_double(values, nulls, 14, seconds_left(&report));
			values[15] = TimestampTzGetDatum(report.deadline);
			nulls[15] = report.deadline == DT_NOEND;
		}
		else
			memset(nulls + 2, true, N_COLUMNS - 2);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
