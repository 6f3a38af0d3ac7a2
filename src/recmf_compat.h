/*
 * recmf_compat.h
 *	  The one place that looks at PG_VERSION_NUM.  PostgreSQL 15 and newer.
 *
 * Each shim stands with its reason.
 */
#ifndef RECMF_COMPAT_H
#define RECMF_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "recmf needs PostgreSQL 15 or newer"
#endif

#include "access/nbtxlog.h"
#include "access/rmgr.h"
#include "access/xloginsert.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "storage/bufmgr.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#else
#include "storage/lwlock.h"
#include "storage/shmem.h"
#endif
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* 16 took the macros of varlenas (VARDATA, SET_VARSIZE) out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 made one function of the checks for each kind of object. */
static inline void
recmf_check_create_in_schema(Oid schema)
{
#if PG_VERSION_NUM >= 160000
	AclResult	result = object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_CREATE);
#else
	AclResult	result = pg_namespace_aclcheck(schema, GetUserId(), ACL_CREATE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(schema));
}

/* 16 keeps the permissions that a plan needs apart from its tables. */
static inline void
recmf_check_permissions(const PlannedStmt *statement)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecCheckPermissions(statement->rtable, statement->permInfos, true);
#else
	(void) ExecCheckRTPerms(statement->rtable, true);
#endif
}

/* 16 made one function of these, too. */
static inline bool
recmf_owns_relation(Oid relation)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, GetUserId());
#else
	return pg_class_ownercheck(relation, GetUserId());
#endif
}

/* 18 wants to know whether it is ANALYZE that may rest a while. */
static inline void
recmf_vacuum_delay_point(void)
{
#if PG_VERSION_NUM >= 180000
	vacuum_delay_point(false);
#else
	vacuum_delay_point();
#endif
}

/*
 * To the WAL: this page of the index, out of use since "retired_at", becomes
 * another.  A standby that replays it first cancels whoever may still read the
 * page.  Generic WAL has no such record, and an extension none of its own
 * that a standby could replay without it; that of btree does for every
 * relation.  16 renamed its fields.
 */
static inline void
recmf_log_page_reuse(Relation index, BlockNumber block, FullTransactionId retired_at)
{
	xl_btree_reuse_page reuse = {0};

	reuse.block = block;
#if PG_VERSION_NUM >= 160000
	reuse.locator = index->rd_locator;
	reuse.snapshotConflictHorizon = retired_at;
#else
	reuse.node = index->rd_node;
	reuse.latestRemovedFullXid = retired_at;
#endif
	XLogBeginInsert();
	XLogRegisterData((char *) &reuse, SizeOfBtreeReusePage);
	XLogInsert(RM_BTREE_ID, XLOG_BTREE_REUSE_PAGE);
}

/* Pins the buffer if the block is still there; 16 renamed what a relation's files are called by. */
static inline bool
recmf_read_recent_buffer(Relation relation, BlockNumber block, Buffer buffer)
{
#if PG_VERSION_NUM >= 160000
	return ReadRecentBuffer(relation->rd_locator, MAIN_FORKNUM, block, buffer);
#else
	return ReadRecentBuffer(relation->rd_node, MAIN_FORKNUM, block, buffer);
#endif
}

/*
 * A named area of shared memory that the whole cluster has once, made and
 * initialized by whoever asks first; an error if there is no room.  17 has
 * named dynamic segments for that.  Before, an extension that is not preloaded
 * takes it from the spare part of the main shared memory, as pg_prewarm does.
 */
static inline void *
recmf_shared_area(const char *name, Size size, void (*init) (void *area))
{
	bool		found;

#if PG_VERSION_NUM >= 170000
	return GetNamedDSMSegment(name, size, init, &found);
#else
	void	   *area;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct(name, size, &found);
	if (!found)
		init(area);
	LWLockRelease(AddinShmemInitLock);
	return area;
#endif
}

/* 18 lets EXPLAIN ANALYZE show how often an index was searched. */
#if PG_VERSION_NUM >= 180000
#define recmf_count_index_search(scan) \
	do { \
		if ((scan)->instrument != NULL) \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define recmf_count_index_search(scan) ((void) 0)
#endif

/* 18 counts what a path has that is disabled, and looks at costs only after that. */
static inline void
recmf_disable_path(Path *path)
{
#if PG_VERSION_NUM >= 180000
	path->disabled_nodes = 2;
#else
	(void) path;
#endif
}

/*
 * Input functions report bad input "softly" from PostgreSQL 16 on, so that
 * pg_input_is_valid() and COPY ... ON_ERROR can go on; before, they raise.
 */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

/* 18 put the word in front of the declaration, as C11 does. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif							/* RECMF_COMPAT_H */
