/*
 * recmf_registry.h
 *	  The table recmf_models as the glue sees it.
 */
#ifndef RECMF_REGISTRY_H
#define RECMF_REGISTRY_H

#include "postgres.h"

#include "core/rmf_als.h"
#include "recmf_ids.h"

/* A row of recmf_models: the active version of a model.  palloc'd in the caller's context. */
typedef struct RecmfModel
{
	char	   *name;
	int32		version;
	Oid			owner;
	rmf_problem problem;
	int64		n_users;
	int64		n_items;
	Oid			items;			/* table (item_id, factor, bias, n_ratings) */
	Oid			users;			/* table (user_id, factor, bias, n_ratings) */
	RecmfIdKind user_kind;
	RecmfIdKind item_kind;
	Oid			user_type;		/* of users.user_id */
	Oid			item_type;		/* of items.item_id */

	/* The live source of the ratings; one of the first two is set. */
	Oid			source_table;	/* InvalidOid for a query */
	char	   *source_query;	/* NULL for a table */
	char	   *source_search_path; /* under which source_query is to be read */
	char	   *user_col;
	char	   *item_col;
	char	   *rating_col;		/* NULL: every row counts 1 */
	double		rating_min;		/* explicit: predictions are clipped to this range */
	double		rating_max;
} RecmfModel;

/*
 * The active version of a model.  name NULL: the setting recmf.model, else the
 * only model that the caller may read and that runs no code of roles whom he
 * has no reason to trust; several: an error that lists them.  An unknown name:
 * ERRCODE_UNDEFINED_OBJECT with a hint.  The caller must have SELECT on both
 * tables (or on columns of theirs), else ERRCODE_INSUFFICIENT_PRIVILEGE with
 * the GRANT to run as the hint.
 *
 * Runs one kept statement on the active snapshot: nothing stale.  Locks the
 * two tables with AccessShareLock.  Must be called inside SPI_connect().
 */
extern RecmfModel *recmf_model_lookup(const char *name);

/*
 * The version before the one given, for comparison: NULL where there is none
 * any more, where its tables are gone, or where the caller may not read them.
 * Locks and checks as above.
 */
extern RecmfModel *recmf_model_lookup_before(const RecmfModel *model);

/* The Gram matrix of the factors of one side (factors x factors), for folding in; implicit only. */
extern float *recmf_model_gram(const RecmfModel *model, rmf_side side);

/* SELECT on the relation or on some column of it. */
extern bool recmf_may_select(Oid relation);

/* GUC */
extern char *recmf_model_setting;

#endif							/* RECMF_REGISTRY_H */
