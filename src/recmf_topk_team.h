/*
 * recmf_topk_team.h
 *	  The best items of many users, by this process and parallel workers; on
 *	  demand, beside them, the places of given items among all (rmf_rank.h).
 *
 * Phases: recmf_topk_team_create() makes the memory that all of them map; the
 * caller writes the rows of the items; recmf_topk_team_run() calls him for one
 * user after the other, and for each user's list, in the same order.
 */
#ifndef RECMF_TOPK_TEAM_H
#define RECMF_TOPK_TEAM_H

#include "postgres.h"

#include "core/rmf_topk_all.h"

typedef struct RecmfTopkTeam RecmfTopkTeam;

/* What is to be done. */
typedef struct RecmfTopkJob
{
	int32		n_items;
	int32		dimensions;
	rmf_topk_wish wish;			/* k: at most n_items, unless that is 0 */
	bool		with_seen;		/* items are left out */
	bool		with_held;		/* users have items whose places are wanted; needs BLAS */
	double		n_users;		/* about so many */
	bool		id_by_value;	/* of users' ids */
	int16		id_length;
} RecmfTopkJob;

/* A user; what it points to is copied before the next one is asked for. */
typedef struct RecmfTopkUser
{
	Datum		id;
	const float *row;			/* dimensions */
	int			n_seen;			/* at most n_items */
	const int32 *seen;
	int			n_held;			/* at most n_items; each once, and none of them seen */
	const int32 *held;
} RecmfTopkUser;

/* Who brings users and takes their lists.  Either may raise errors, run statements that read, and write nothing. */
typedef struct RecmfTopkCaller
{
	bool		(*next) (void *arg, RecmfTopkUser *user);	/* false: no more */
	void		(*take) (void *arg, Datum id, int n, const rmf_scored *best, const int32 *place);	/* place: beside held */
	void	   *arg;
} RecmfTopkCaller;

/*
 * Memory: the items' rows and codes (five bytes an element and some twenty an
 * item), and beside them at most work_mem for what is in work, unless one list,
 * or one user that has seen everything, is larger than that.  Below "parent".
 */
extern RecmfTopkTeam *recmf_topk_team_create(MemoryContext parent, const RecmfTopkJob *job);

/* n_items x dimensions, to be written before the run. */
extern float *recmf_topk_team_rows(RecmfTopkTeam *team);

/* In parallel mode from beginning to end where there are workers.  Once. */
extern void recmf_topk_team_run(RecmfTopkTeam *team, const RecmfTopkCaller *caller);

#endif							/* RECMF_TOPK_TEAM_H */
