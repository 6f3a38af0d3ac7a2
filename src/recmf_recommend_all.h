/*
 * recmf_recommend_all.h
 *	  What the functions recommend_all() over tables and over mf_model share.
 */
#ifndef RECMF_RECOMMEND_ALL_H
#define RECMF_RECOMMEND_ALL_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/execnodes.h"

#include "core/rmf_topk_all.h"

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

#endif							/* RECMF_RECOMMEND_ALL_H */
