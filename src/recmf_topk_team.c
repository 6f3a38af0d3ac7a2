/*
 * recmf_topk_team.c
 *	  The best items of many users, and places of given items, by this process and
 *	  parallel workers: see recmf_topk_team.h.
 *
 * Users go in batches through a ring of slots.  The leader fills a slot with
 * users and what they have seen and publishes it; whoever is free claims the
 * oldest batch that nobody has, and writes the lists into the same slot; the
 * leader hands the lists on in the order of the batches, which frees the slot.
 * While there is nothing to fill or to hand on, the leader works on a batch
 * itself, so workers that come late or never are no loss, and there may be
 * none.  The leader alone runs statements, so all is read as the caller and on
 * his snapshot, temporary tables and functions that are not parallel safe too.
 *
 * Memory: one segment (recmf_memory.h) with the items and the slots; private
 * memory where there are no workers.
 *
 * Locks: none.  Batches are counted: "published" and "claimed" only grow, a slot
 * belongs to batch b from its publication until the leader has seen b + 1 in the
 * slot's "done".  Each of these is written by an atomic that is a full barrier
 * after what it announces.
 *
 * Errors: as of any parallel query.  One in a worker comes to the leader as an
 * interrupt; one in the leader ends the workers with the parallel context.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/shm_toc.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "core/rmf_als.h"
#include "core/rmf_layout.h"
#include "core/rmf_rank.h"
#include "recmf_memory.h"
#include "recmf_status.h"
#include "recmf_team.h"
#include "recmf_topk_team.h"

#define KEY_TEAM UINT64CONST(0x7265746b00000001)

/* Room that must be left in shared memory, for the parallel context's own segment. */
#define CONTEXT_SIZE (256 * 1024)

/* A worker is started for each so many products: some tens of milliseconds of work, several times what it takes to start. */
#define PRODUCTS_PER_WORKER 2e10

/* Users of a batch: enough for codes to be read from cache, few enough for the load to be shared. */
#define LEAST_BATCH 8
#define LARGEST_BATCH 256

/* Items that a user has seen, as slots have room for. */
#define SEEN_PER_USER 200
#define HELD_PER_USER 50

#define SLOTS_PER_PROCESS 2
#define MAX_SLOTS (SLOTS_PER_PROCESS * RECMF_MAX_TEAM)

/* Sizes that follow from the job; the same in all processes. */
typedef struct Shape
{
	int32		n_items;
	int32		dimensions;
	int32		n_slots;
	int32		batch;			/* users */
	int32		seen_room;		/* items of a batch; 0: without seen */
	int32		held_room;		/* the same */
	rmf_topk_wish wish;
} Shape;

typedef struct Slot
{
	int32	   *n_users;
	float	   *rows;
	int32	   *seen_start;
	int32	   *seen;
	int32	   *held_start;
	int32	   *held;
	int32	   *place;
	rmf_scored *best;
	int32	   *found;
} Slot;

typedef struct Memory
{
	float	   *rows;
	rmf_topk_items items;
	double	   *largest_norm;
	Slot		slot[MAX_SLOTS];
} Memory;

/* What a process works with. */
typedef struct Workspace
{
	void	   *topk;
	void	   *rank;			/* NULL: without held */
} Workspace;

typedef struct Shared
{
	/* never change after set-up */
	Shape		shape;
	dsm_handle	segment;
	Size		offset;

	pg_atomic_uint64 published; /* batches */
	pg_atomic_uint64 claimed;
	pg_atomic_uint32 ended;		/* there will be no more */
	pg_atomic_uint64 done[MAX_SLOTS];	/* one more than the batch that was done there last */
	ConditionVariable batch_published;
	ConditionVariable batch_done;
} Shared;

struct RecmfTopkTeam
{
	MemoryContext context;
	RecmfTopkJob job;
	Shape		shape;
	int			workers;		/* wanted */
	RecmfMemory *storage;
	char	   *base;
	Memory		memory;
	Workspace	workspace;
	ParallelContext *parallel;	/* NULL: no workers */
	Shared	   *shared;

	/* of each slot, the leader's own: the ids of its users, in a context that goes with the batch */
	MemoryContext id_context[MAX_SLOTS];
	Datum	   *id[MAX_SLOTS];

	const RecmfTopkCaller *caller;
	RecmfTopkUser waiting;		/* one that had no room in the batch before */
	bool		has_waiting;
	bool		no_more;
};

PGDLLEXPORT void recmf_topk_team_main(dsm_segment *segment, shm_toc *toc);

/*
 * Everything that processes share, from "base" on; where that is NULL, its size.
 * The rows come first.
 */
static Size
lay_out(const Shape *shape, char *base, Memory *memory)
{
	Size		n = shape->batch;
	Size		d = shape->dimensions;
	size_t		used = 0;
	void	   *items;
	int			i;

	memory->rows = (float *) rmf_carve(base, &used, sizeof(float) * d * (Size) shape->n_items);
	items = rmf_carve(base, &used, rmf_topk_items_size(shape->n_items, shape->dimensions));
	if (base != NULL)
		rmf_topk_items_lay_out(shape->n_items, shape->dimensions, memory->rows, items, &memory->items);
	memory->largest_norm = (double *) rmf_carve(base, &used, sizeof(double));
	for (i = 0; i < shape->n_slots; i++)
	{
		Slot	   *slot = &memory->slot[i];

		slot->n_users = (int32 *) rmf_carve(base, &used, sizeof(int32));
		slot->rows = (float *) rmf_carve(base, &used, sizeof(float) * d * n);
		slot->seen_start = (int32 *) rmf_carve(base, &used, sizeof(int32) * (n + 1));
		slot->seen = (int32 *) rmf_carve(base, &used, sizeof(int32) * (Size) shape->seen_room);
		slot->held_start = (int32 *) rmf_carve(base, &used, sizeof(int32) * (n + 1));
		slot->held = (int32 *) rmf_carve(base, &used, sizeof(int32) * (Size) shape->held_room);
		slot->place = (int32 *) rmf_carve(base, &used, sizeof(int32) * (Size) shape->held_room);
		slot->best = (rmf_scored *) rmf_carve(base, &used, sizeof(rmf_scored) * n * (Size) shape->wish.k);
		slot->found = (int32 *) rmf_carve(base, &used, sizeof(int32) * n);
	}
	return used;
}

/* How many users a batch has, so that all slots and workspaces keep within work_mem. */
static void
set_sizes(Shape *shape, const RecmfTopkJob *job, int workers)
{
	double		per_user = sizeof(float) * (double) job->dimensions * 1.5 + sizeof(rmf_scored) * (double) job->wish.k + 256 +
		(job->with_seen ? sizeof(int32) * SEEN_PER_USER : 0) + (job->with_held ? 2 * sizeof(int32) * HELD_PER_USER : 0);
	double		users;

	shape->n_items = job->n_items;
	shape->dimensions = job->dimensions;
	shape->wish = job->wish;
	shape->n_slots = workers > 0 ? SLOTS_PER_PROCESS * (workers + 1) : 1;
	users = work_mem * 1024.0 / per_user / shape->n_slots;
	shape->batch = (int32) Max(LEAST_BATCH, Min(LARGEST_BATCH, users));
	shape->seen_room = job->with_seen ? Max(job->n_items, SEEN_PER_USER * shape->batch) : 0;
	shape->held_room = job->with_held ? Max(job->n_items, HELD_PER_USER * shape->batch) : 0;
}

static void *
allocate_aligned(MemoryContext context, Size size)
{
	return (void *) TYPEALIGN(RMF_ALIGNMENT, MemoryContextAllocHuge(context, size + RMF_ALIGNMENT));
}

static Workspace
make_workspace(MemoryContext context, const Shape *shape)
{
	Workspace	workspace = {NULL, NULL};

	workspace.topk = allocate_aligned(context, rmf_topk_all_workspace_size(shape->batch, shape->dimensions));
	if (shape->held_room > 0)
		workspace.rank = allocate_aligned(context, rmf_rank_workspace_size(shape->n_items, shape->dimensions, shape->batch,
																		   (int64) shape->seen_room + shape->held_room));
	return workspace;
}

static int
workers_for(const RecmfTopkJob *job)
{
	double		products = job->n_users * (double) job->n_items * (double) job->dimensions;

	return (int) Min(recmf_team_most_workers(), products / PRODUCTS_PER_WORKER);
}

RecmfTopkTeam *
recmf_topk_team_create(MemoryContext parent, const RecmfTopkJob *job)
{
	MemoryContext context = AllocSetContextCreate(parent, "recmf recommend_all", ALLOCSET_DEFAULT_SIZES);
	RecmfTopkTeam *team = (RecmfTopkTeam *) MemoryContextAllocZero(context, sizeof(RecmfTopkTeam));
	Size		size;
	int			i;

	team->context = context;
	team->job = *job;
	team->job.wish.k = Max(1, Min(job->wish.k, job->n_items));
	team->workers = workers_for(job);
	set_sizes(&team->shape, &team->job, team->workers);
	size = lay_out(&team->shape, NULL, &team->memory);

	/* what is left of it beyond our part keeps room for the parallel context */
	team->storage = recmf_memory_create(context, size + (team->workers > 0 ? CONTEXT_SIZE : 0), team->workers > 0);
	if (!recmf_memory_is_shared(team->storage))
		team->workers = 0;
	team->base = (char *) recmf_memory_alloc(team->storage, size);
	(void) lay_out(&team->shape, team->base, &team->memory);
	team->workspace = make_workspace(context, &team->shape);
	for (i = 0; i < team->shape.n_slots; i++)
	{
		team->id_context[i] = AllocSetContextCreate(context, "recmf recommend_all ids", ALLOCSET_SMALL_SIZES);
		team->id[i] = (Datum *) MemoryContextAlloc(context, sizeof(Datum) * team->shape.batch);
	}
	return team;
}

float *
recmf_topk_team_rows(RecmfTopkTeam *team)
{
	return team->memory.rows;
}

/*
 * Batches, in all processes.
 */

static bool
claim(Shared *shared, uint64 *batch)
{
	uint64		claimed = pg_atomic_read_u64(&shared->claimed);

	while (claimed < pg_atomic_read_u64(&shared->published))
	{
		if (pg_atomic_compare_exchange_u64(&shared->claimed, &claimed, claimed + 1))
		{
			*batch = claimed;
			return true;
		}
	}
	return false;
}

static void
rank_held(const Memory *memory, const Shape *shape, const Slot *slot, void *workspace)
{
	rmf_rank_items items;
	rmf_rank_users users;

	items.n = shape->n_items;
	items.dimensions = shape->dimensions;
	items.rows = memory->rows;
	items.largest_norm = *memory->largest_norm;
	items.kernels = NULL;
	users.n = *slot->n_users;
	users.rows = slot->rows;
	users.seen_start = shape->seen_room > 0 ? slot->seen_start : NULL;
	users.seen = slot->seen;
	users.held_start = slot->held_start;
	users.held = slot->held;
	users.place = slot->place;
	recmf_check_status(rmf_rank(&items, &users, workspace, recmf_poll()), "rank the held-out items");
}

static void
do_batch(const Memory *memory, Shared *shared, uint64 batch, const Workspace *workspace)
{
	int			number = (int) (batch % shared->shape.n_slots);
	const Slot *slot = &memory->slot[number];
	rmf_topk_users users;

	users.n = *slot->n_users;
	users.rows = slot->rows;
	users.seen_start = shared->shape.seen_room > 0 ? slot->seen_start : NULL;
	users.seen = slot->seen;
	users.best = slot->best;
	users.found = slot->found;
	recmf_check_status(rmf_topk_all(&memory->items, &shared->shape.wish, &users, workspace->topk, recmf_poll()),
					   "find the best items");
	if (shared->shape.held_room > 0)
		rank_held(memory, &shared->shape, slot, workspace->rank);
	(void) pg_atomic_exchange_u64(&shared->done[number], batch + 1);
	ConditionVariableSignal(&shared->batch_done);
}

static void
init_shared(Shared *shared, const Shape *shape)
{
	int			i;

	memset(shared, 0, sizeof(Shared));
	shared->shape = *shape;
	pg_atomic_init_u64(&shared->published, 0);
	pg_atomic_init_u64(&shared->claimed, 0);
	pg_atomic_init_u32(&shared->ended, 0);
	for (i = 0; i < MAX_SLOTS; i++)
		pg_atomic_init_u64(&shared->done[i], 0);
	ConditionVariableInit(&shared->batch_published);
	ConditionVariableInit(&shared->batch_done);
}

/*
 * The leader.
 */

static void
build_items(RecmfTopkTeam *team)
{
	uint64	   *workspace = (uint64 *) MemoryContextAllocHuge(team->context,
															 sizeof(uint64) * 2 * Max(team->shape.n_items, 1));

	recmf_check_status(rmf_topk_items_build(&team->memory.items, workspace, recmf_poll()), "prepare the items");
	pfree(workspace);
	*team->memory.largest_norm = rmf_rank_largest_norm(team->shape.n_items, team->shape.dimensions, team->memory.rows);
}

static void
launch(RecmfTopkTeam *team)
{
	ParallelContext *parallel;

	EnterParallelMode();
	parallel = CreateParallelContext("recmf", "recmf_topk_team_main", team->workers);
	shm_toc_estimate_chunk(&parallel->estimator, sizeof(Shared));
	shm_toc_estimate_keys(&parallel->estimator, 1);
	InitializeParallelDSM(parallel);

	/* all of this works without a segment as well: then the context has no workers */
	team->parallel = parallel;
	team->shared = (Shared *) shm_toc_allocate(parallel->toc, sizeof(Shared));
	init_shared(team->shared, &team->shape);
	team->shared->segment = recmf_memory_handle(team->storage);
	team->shared->offset = recmf_memory_offset(team->storage, team->base);
	shm_toc_insert(parallel->toc, KEY_TEAM, team->shared);
	LaunchParallelWorkers(parallel);
}

/* Fills the next slot with users and publishes it; false if there are none left. */
static bool
fill_batch(RecmfTopkTeam *team)
{
	uint64		batch = pg_atomic_read_u64(&team->shared->published);
	int			number = (int) (batch % team->shape.n_slots);
	const Slot *slot = &team->memory.slot[number];
	Size		d = team->shape.dimensions;
	MemoryContext caller;
	int32		n = 0;
	int32		n_seen = 0;
	int32		n_held = 0;

	MemoryContextReset(team->id_context[number]);
	slot->seen_start[0] = slot->held_start[0] = 0;
	while (n < team->shape.batch && !team->no_more)
	{
		RecmfTopkUser *user = &team->waiting;

		if (!team->has_waiting && !team->caller->next(team->caller->arg, user))
		{
			team->no_more = true;
			break;
		}
		if (user->n_seen > team->shape.seen_room - n_seen || user->n_held > team->shape.held_room - n_held)
		{
			Assert(n > 0);
			team->has_waiting = true;
			break;
		}
		team->has_waiting = false;
		memcpy(slot->rows + d * n, user->row, sizeof(float) * d);
		if (user->n_seen > 0)
			memcpy(slot->seen + n_seen, user->seen, sizeof(int32) * user->n_seen);
		n_seen += user->n_seen;
		if (user->n_held > 0)
			memcpy(slot->held + n_held, user->held, sizeof(int32) * user->n_held);
		n_held += user->n_held;
		caller = MemoryContextSwitchTo(team->id_context[number]);
		team->id[number][n++] = datumCopy(user->id, team->job.id_by_value, team->job.id_length);
		MemoryContextSwitchTo(caller);
		slot->seen_start[n] = n_seen;
		slot->held_start[n] = n_held;
	}
	if (n == 0)
		return false;
	*slot->n_users = n;
	(void) pg_atomic_fetch_add_u64(&team->shared->published, 1);
	ConditionVariableSignal(&team->shared->batch_published);
	return true;
}

static void
hand_on(RecmfTopkTeam *team, uint64 batch)
{
	int			number = (int) (batch % team->shape.n_slots);
	const Slot *slot = &team->memory.slot[number];
	int32		u;

	for (u = 0; u < *slot->n_users; u++)
		team->caller->take(team->caller->arg, team->id[number][u], slot->found[u],
						   slot->best + (Size) u * (Size) team->shape.wish.k, slot->place + slot->held_start[u]);
}

static bool
is_done(Shared *shared, uint64 batch)
{
	return pg_atomic_read_u64(&shared->done[batch % shared->shape.n_slots]) == batch + 1;
}

static void
lead(RecmfTopkTeam *team)
{
	Shared	   *shared = team->shared;
	uint64		handed_on = 0;

	for (;;)
	{
		uint64		published = pg_atomic_read_u64(&shared->published);
		uint64		batch;

		CHECK_FOR_INTERRUPTS();
		if (handed_on < published && is_done(shared, handed_on))
		{
			pg_memory_barrier();
			hand_on(team, handed_on++);
		}
		else if (!team->no_more && published - handed_on < (uint64) team->shape.n_slots)
			(void) fill_batch(team);
		else if (claim(shared, &batch))
			do_batch(&team->memory, shared, batch, &team->workspace);
		else if (handed_on == published)
			break;
		else
		{
			ConditionVariablePrepareToSleep(&shared->batch_done);
			while (!is_done(shared, handed_on))
				ConditionVariableSleep(&shared->batch_done, PG_WAIT_EXTENSION);
			ConditionVariableCancelSleep();
		}
	}
}

void
recmf_topk_team_run(RecmfTopkTeam *team, const RecmfTopkCaller *caller)
{
	team->caller = caller;
	build_items(team);
	if (team->workers > 0)
		launch(team);
	else
	{
		team->shared = (Shared *) MemoryContextAlloc(team->context, sizeof(Shared));
		init_shared(team->shared, &team->shape);
	}

	lead(team);

	if (team->parallel != NULL)
	{
		(void) pg_atomic_exchange_u32(&team->shared->ended, 1);
		ConditionVariableBroadcast(&team->shared->batch_published);
		WaitForParallelWorkersToFinish(team->parallel);
		DestroyParallelContext(team->parallel);
		ExitParallelMode();
	}
	MemoryContextDelete(team->context);
}

/*
 * A worker.  Called by PostgreSQL in each.
 */
void
recmf_topk_team_main(dsm_segment *segment, shm_toc *toc)
{
	Shared	   *shared = (Shared *) shm_toc_lookup(toc, KEY_TEAM, false);
	dsm_segment *storage;
	Memory	   *memory = (Memory *) palloc0(sizeof(Memory));
	Workspace	workspace;

	pgstat_report_activity(STATE_RUNNING, "recmf: lists of all users");
	storage = dsm_attach(shared->segment);
	if (storage == NULL)
	{
		if (pg_atomic_read_u32(&shared->ended) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("could not map the shared memory of the items")));
		return;
	}
	(void) lay_out(&shared->shape, (char *) dsm_segment_address(storage) + shared->offset, memory);
	workspace = make_workspace(CurrentMemoryContext, &shared->shape);

	ConditionVariablePrepareToSleep(&shared->batch_published);
	while (pg_atomic_read_u32(&shared->ended) == 0)
	{
		uint64		batch;

		if (claim(shared, &batch))
		{
			ConditionVariableCancelSleep();
			do_batch(memory, shared, batch, &workspace);
			ConditionVariablePrepareToSleep(&shared->batch_published);
		}
		else
			ConditionVariableSleep(&shared->batch_published, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	dsm_detach(storage);
}
