/*
 * recmf_scan.c
 *	  A whole table into a dataset, by parallel workers where that helps: see
 *	  recmf_scan.h.
 *
 * The processes share one scan, which hands out ranges of blocks under one
 * snapshot.  A worker turns ids into numbers by dictionaries of its own and
 * sends blocks of ratings through a queue; with each block come the ids that
 * are new since the last one.  The leader reads as well, and between its own
 * blocks takes what has arrived: it enters the new ids into the dataset's
 * dictionaries, so that it knows by what number each of the worker's goes
 * there, and appends the ratings under those.  So the ratings are in one place
 * and in private memory, whatever their number, and counted as they come.
 *
 * Phases of a parallel scan: the queues' segment is made (no room for it means
 * no workers); parallel mode is entered and workers are launched; the scan; the
 * queues are emptied until each is given up by its worker; the workers end,
 * which raises an error that one of them has had; parallel mode is left.
 *
 * Shared: ReadShared is written before the launch, but for skipped[i], which
 * worker i writes as it ends and the leader reads after that.  The scan and
 * the queues have locks of their own.  An error in the leader ends the workers
 * with the parallel context; one in a worker detaches its queue and comes to
 * the leader as any parallel worker's does.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "storage/bufmgr.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"
#include "utils/wait_event.h"

#include "recmf_compat.h"
#include "recmf_memory.h"
#include "recmf_scan.h"
#include "recmf_team.h"

#define KEY_SHARED UINT64CONST(0x7265616400000001)
#define KEY_SCAN UINT64CONST(0x7265616400000002)

/* Of one worker's queue: some milliseconds of rows. */
#define QUEUE_SIZE (1024 * 1024)

/* Room that must be left beside the queues, for the parallel context's own segment. */
#define CONTEXT_SIZE (256 * 1024)

typedef struct ReadShared
{
	Oid			table;
	RecmfRowShape shape;
	dsm_handle	queues;
	Size		queue_offset[RECMF_MAX_TEAM];
	RecmfSkipped skipped[RECMF_MAX_TEAM];
} ReadShared;

/* What a message begins with; arrays of n_rows follow, then the new ids. */
typedef struct Message
{
	int32		n_rows;
	int32		has_weights;
	int32		new_users;
	int32		new_items;
	int64		ids_memory;		/* of both of the worker's dictionaries */
} Message;

/*
 * The worker.
 */

typedef struct Sender
{
	shm_mq_handle *queue;
	RecmfIds   *users;
	RecmfIds   *items;
	int32		users_sent;
	int32		items_sent;
	StringInfoData new_ids;
} Sender;

PGDLLEXPORT void recmf_scan_main(dsm_segment *segment, shm_toc *toc);

/* Ids from number *sent on: integers as they are, others with their lengths before them. */
static int32
add_new_ids(StringInfo buffer, const RecmfIds *ids, int32 *sent)
{
	int32		count = recmf_ids_count(ids);
	int32		first = *sent;
	int32		i;

	for (i = first; i < count; i++)
	{
		if (recmf_ids_kind(ids) == RECMF_ID_INTEGER)
		{
			int64		id = recmf_ids_get_integer(ids, i);

			appendBinaryStringInfo(buffer, (char *) &id, sizeof(id));
		}
		else
		{
			Size		length;
			const char *bytes = recmf_ids_get_bytes(ids, i, &length);

			appendBinaryStringInfo(buffer, (char *) &length, sizeof(length));
			appendBinaryStringInfo(buffer, bytes, (int) length);
		}
	}
	*sent = count;
	return count - first;
}

pg_noreturn static void report_leader_gone(void);

static void
report_leader_gone(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("the process that ratings were read for has gone")));
}

static void
send_rows(void *arg, int n, const int32 *user, const int32 *item, const float *rating, const float *weight)
{
	Sender	   *sender = (Sender *) arg;
	Message		message = {0};
	shm_mq_iovec parts[6];
	int			n_parts = 0;

	resetStringInfo(&sender->new_ids);
	message.n_rows = n;
	message.has_weights = weight != NULL;
	message.new_users = add_new_ids(&sender->new_ids, sender->users, &sender->users_sent);
	message.new_items = add_new_ids(&sender->new_ids, sender->items, &sender->items_sent);
	message.ids_memory = (int64) (recmf_ids_memory(sender->users) + recmf_ids_memory(sender->items));

	parts[n_parts++] = (shm_mq_iovec) {(const char *) &message, sizeof(message)};
	parts[n_parts++] = (shm_mq_iovec) {(const char *) user, sizeof(int32) * n};
	parts[n_parts++] = (shm_mq_iovec) {(const char *) item, sizeof(int32) * n};
	parts[n_parts++] = (shm_mq_iovec) {(const char *) rating, sizeof(float) * n};
	if (weight != NULL)
		parts[n_parts++] = (shm_mq_iovec) {(const char *) weight, sizeof(float) * n};
	parts[n_parts++] = (shm_mq_iovec) {sender->new_ids.data, sender->new_ids.len};
	if (shm_mq_sendv(sender->queue, parts, n_parts, false, false) != SHM_MQ_SUCCESS)
		report_leader_gone();
}

static void
scan(Relation table, TableScanDesc scan_state, RecmfRows *rows, void (*between) (void *arg), void *arg)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	int			n = 0;

	while (table_scan_getnextslot(scan_state, ForwardScanDirection, slot))
	{
		recmf_rows_take(rows, slot);
		if (++n == RECMF_ROWS)
		{
			n = 0;
			if (between != NULL)
				between(arg);
		}
	}
	recmf_rows_flush(rows);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan_state);
}

void
recmf_scan_main(dsm_segment *segment, shm_toc *toc)
{
	ReadShared *shared = (ReadShared *) shm_toc_lookup(toc, KEY_SHARED, false);
	ParallelTableScanDesc scan_shared = (ParallelTableScanDesc) shm_toc_lookup(toc, KEY_SCAN, false);
	dsm_segment *queues = dsm_attach(shared->queues);
	RecmfSkipped skipped = {0};
	Sender		sender = {0};
	Relation	table;
	shm_mq	   *queue;

	if (queues == NULL)
		report_leader_gone();
	queue = (shm_mq *) ((char *) dsm_segment_address(queues) + shared->queue_offset[ParallelWorkerNumber]);
	shm_mq_set_sender(queue, MyProc);
	sender.queue = shm_mq_attach(queue, queues, NULL);
	sender.users = recmf_ids_create(CurrentMemoryContext, shared->shape.user_type, "user_id");
	sender.items = recmf_ids_create(CurrentMemoryContext, shared->shape.item_type, "item_id");
	initStringInfo(&sender.new_ids);

	table = table_open(shared->table, AccessShareLock);
	scan(table, table_beginscan_parallel(table, scan_shared),
		 recmf_rows_create(&shared->shape, sender.users, sender.items, &skipped, send_rows, &sender),
		 NULL, NULL);
	table_close(table, NoLock);
	shared->skipped[ParallelWorkerNumber] = skipped;
	shm_mq_detach(sender.queue);
	dsm_detach(queues);
}

/*
 * The leader.
 */

/* By what numbers a worker's ids go here. */
typedef struct NumberMap
{
	int32	   *number;
	int32		count;
	int32		room;
} NumberMap;

typedef struct Receiver
{
	shm_mq_handle *queue;		/* NULL: there was no worker, or it is done */
	NumberMap	users;
	NumberMap	items;
	Size		ids_memory;		/* of the worker's dictionaries */
} Receiver;

typedef struct Receivers
{
	RecmfDataset *dataset;
	int			n;
	Receiver	receiver[RECMF_MAX_TEAM];
	int32		user[RECMF_ROWS];
	int32		item[RECMF_ROWS];
} Receivers;

/* Enters n ids of a message; returns what follows them. */
static const char *
take_new_ids(NumberMap *map, RecmfIds *ids, int32 n, const char *data)
{
	RecmfIdKind kind = recmf_ids_kind(ids);
	int32		i;

	if (n > map->room - map->count)
	{
		map->room = (int32) Min((int64) PG_INT32_MAX, Max((int64) map->room * 2, (int64) map->count + n));
		map->number = map->number == NULL
			? (int32 *) palloc_extended(sizeof(int32) * (Size) map->room, MCXT_ALLOC_HUGE)
			: (int32 *) repalloc_huge(map->number, sizeof(int32) * (Size) map->room);
	}
	for (i = 0; i < n; i++)
	{
		int32		number;

		if (kind == RECMF_ID_INTEGER)
		{
			int64		id;

			memcpy(&id, data, sizeof(id));
			data += sizeof(id);
			recmf_ids_intern_integers(ids, 1, &id, &number);
		}
		else
		{
			Size		length;

			memcpy(&length, data, sizeof(length));
			data += sizeof(length);
			number = recmf_ids_intern_bytes(ids, data, length);
			data += length;
		}
		map->number[map->count++] = number;
	}
	return data;
}

static void
take_message(Receivers *all, Receiver *receiver, const char *data)
{
	RecmfDataset *dataset = all->dataset;
	const Message *message = (const Message *) data;
	int			n = message->n_rows;
	const int32 *user = (const int32 *) (data + sizeof(Message));
	const int32 *item = user + n;
	const float *rating = (const float *) (item + n);
	const float *weight = message->has_weights ? rating + n : NULL;
	int			i;

	data = (const char *) (rating + n * (message->has_weights ? 2 : 1));
	data = take_new_ids(&receiver->users, dataset->users, message->new_users, data);
	(void) take_new_ids(&receiver->items, dataset->items, message->new_items, data);
	dataset->workers_memory += (Size) message->ids_memory - receiver->ids_memory;
	receiver->ids_memory = (Size) message->ids_memory;

	for (i = 0; i < n; i++)
	{
		all->user[i] = receiver->users.number[user[i]];
		all->item[i] = receiver->items.number[item[i]];
	}
	recmf_dataset_take_rows(dataset, n, all->user, all->item, rating, weight);
}

/* Takes what has arrived; true if there was anything, or a worker has given up its queue. */
static bool
receive(Receivers *all)
{
	bool		any = false;
	int			i;

	for (i = 0; i < all->n; i++)
	{
		Receiver   *receiver = &all->receiver[i];

		while (receiver->queue != NULL)
		{
			Size		size;
			void	   *data;
			shm_mq_result result = shm_mq_receive(receiver->queue, &size, &data, true);

			if (result == SHM_MQ_WOULD_BLOCK)
				break;
			any = true;
			if (result == SHM_MQ_SUCCESS)
				take_message(all, receiver, (const char *) data);
			else
			{
				shm_mq_detach(receiver->queue);
				receiver->queue = NULL;
			}
		}
	}
	return any;
}

static void
receive_meanwhile(void *arg)
{
	(void) receive((Receivers *) arg);
}

static void
receive_the_rest(Receivers *all)
{
	int			i;

	for (i = 0; i < all->n; i++)
	{
		while (all->receiver[i].queue != NULL)
		{
			if (receive(all))
				continue;
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/* As the planner does for a parallel scan: a worker more each time that the table is three times larger. */
static int
workers_for(Relation table)
{
	int			workers = RelationGetParallelWorkers(table, -1);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);
	BlockNumber enough = (BlockNumber) Max(min_parallel_table_scan_size, 1);

	/* a worker does not see the local buffers of a temporary table */
	if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return 0;
	if (workers < 0)
	{
		for (workers = 0; blocks >= enough; workers++)
		{
			if (enough > MaxBlockNumber / 3)
				break;
			enough *= 3;
		}
	}
	return Min(workers, recmf_team_most_workers());
}

static void
add_skipped(RecmfSkipped *sum, const RecmfSkipped *more)
{
	sum->null += more->null;
	sum->not_positive += more->not_positive;
	sum->weightless += more->weightless;
}

/* The queues of all workers in a segment of their own, attached by the leader; NULL if there is no room. */
static RecmfMemory *
make_queues(int workers, shm_mq **queues)
{
	RecmfMemory *memory = recmf_memory_create(CurrentMemoryContext, (Size) workers * QUEUE_SIZE + CONTEXT_SIZE, true);
	int			i;

	if (!recmf_memory_is_shared(memory))
	{
		recmf_memory_destroy(memory);
		return NULL;
	}
	for (i = 0; i < workers; i++)
	{
		queues[i] = shm_mq_create(recmf_memory_alloc(memory, QUEUE_SIZE), QUEUE_SIZE);
		shm_mq_set_receiver(queues[i], MyProc);
	}
	return memory;
}

static void
scan_in_parallel(Relation table, const RecmfRowShape *shape, RecmfDataset *dataset, RecmfRows *rows,
				 RecmfMemory *memory, int workers, shm_mq **queues)
{
	Receivers  *receivers = (Receivers *) palloc0(sizeof(Receivers));
	Size		scan_size = table_parallelscan_estimate(table, GetActiveSnapshot());
	ParallelContext *parallel;
	ParallelTableScanDesc scan_shared;
	ReadShared *shared;
	int			i;

	EnterParallelMode();
	parallel = CreateParallelContext("recmf", "recmf_scan_main", workers);
	shm_toc_estimate_chunk(&parallel->estimator, sizeof(ReadShared));
	shm_toc_estimate_chunk(&parallel->estimator, scan_size);
	shm_toc_estimate_keys(&parallel->estimator, 2);
	InitializeParallelDSM(parallel);

	/* all of this works without a segment as well: then the context has no workers */
	shared = (ReadShared *) shm_toc_allocate(parallel->toc, sizeof(ReadShared));
	memset(shared, 0, sizeof(ReadShared));
	shared->table = RelationGetRelid(table);
	shared->shape = *shape;
	shared->queues = recmf_memory_handle(memory);
	for (i = 0; i < workers; i++)
		shared->queue_offset[i] = recmf_memory_offset(memory, queues[i]);
	shm_toc_insert(parallel->toc, KEY_SHARED, shared);
	scan_shared = (ParallelTableScanDesc) shm_toc_allocate(parallel->toc, scan_size);
	table_parallelscan_initialize(table, scan_shared, GetActiveSnapshot());
	shm_toc_insert(parallel->toc, KEY_SCAN, scan_shared);

	LaunchParallelWorkers(parallel);
	receivers->dataset = dataset;
	receivers->n = parallel->nworkers_launched;
	for (i = 0; i < receivers->n; i++)
		receivers->receiver[i].queue = shm_mq_attach(queues[i], NULL, parallel->worker[i].bgwhandle);

	/* the setting is for queries, but means the same here */
	if (parallel_leader_participation || receivers->n == 0)
		scan(table, table_beginscan_parallel(table, scan_shared), rows, receive_meanwhile, receivers);
	receive_the_rest(receivers);
	WaitForParallelWorkersToFinish(parallel);
	for (i = 0; i < receivers->n; i++)
	{
		add_skipped(&dataset->skipped, &shared->skipped[i]);
		if (receivers->receiver[i].users.count > 0)
			dataset->helpers++;
	}
	dataset->workers_memory = 0;
	DestroyParallelContext(parallel);
	ExitParallelMode();
}

void
recmf_scan_table(Relation table, const RecmfRowShape *shape, RecmfDataset *dataset)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "recmf scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	RecmfRows  *rows = recmf_rows_create(shape, dataset->users, dataset->items, &dataset->skipped,
										 recmf_dataset_take_rows, dataset);
	int			workers = workers_for(table);
	shm_mq	   *queues[RECMF_MAX_TEAM];
	RecmfMemory *memory = workers > 0 ? make_queues(workers, queues) : NULL;

	if (memory != NULL)
		scan_in_parallel(table, shape, dataset, rows, memory, workers, queues);
	else
		scan(table, table_beginscan(table, GetActiveSnapshot(), 0, NULL), rows, NULL, NULL);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
