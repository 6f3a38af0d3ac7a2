/*
 * recmf_recommend_all.h
 *	  What the functions recommend_all() over tables and over mf_model share, and
 *	  lists for others than SQL.
 */
#ifndef RECMF_RECOMMEND_ALL_H
#define RECMF_RECOMMEND_ALL_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/execnodes.h"

#include "core/rmf_topk_all.h"
#include "recmf_ids.h"
#include "recmf_registry.h"

/* Where rows (user id, item id, score, rank) go. */
typedef struct RecmfAllResult
{
	ReturnSetInfo *set;
	double		mean;			/* what a score has beside the inner product */
	Datum		(*item_id) (void *arg, int32 item); /* as the result has it */
	void	   *arg;
} RecmfAllResult;

/* A user's list; user: the id as the result has it. */
extern void recmf_all_put(RecmfAllResult *result, Datum user, int n, const rmf_scored *best);

/* The argument min_score: -infinity for NULL; NaN is an error. */
extern double recmf_min_score_argument(FunctionCallInfo fcinfo, int number);

/* Whose lists are wanted, and which. */
typedef struct RecmfAllWish
{
	int			k;
	char	   *users;			/* a SELECT of ids; NULL: all users */
	bool		exclude_seen;
	double		least;			/* score; -infinity: any */
} RecmfAllWish;

/*
 * Takes a user's list; user: as the column has it, "best" by numbers of
 * "items".  May run statements that read.
 */
typedef void (*RecmfListTaker) (void *arg, Datum user, const RecmfIds *items, int n, const rmf_scored *best);

/*
 * The list of each user, by ascending id, also where it is empty.  Inside
 * SPI_connect(), in a read-only state (XactReadOnly).
 */
extern void recmf_all_lists(const RecmfModel *model, const RecmfAllWish *wish, RecmfListTaker take, void *arg);

#endif							/* RECMF_RECOMMEND_ALL_H */
