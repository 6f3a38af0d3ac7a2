/*
 * recmf_need.h
 *	  What a training run takes of recmf.training_memory, known before it is
 *	  taken, and what follows: whether the ratings stay in memory or go to
 *	  temporary files, how many are loaded at a time, how many processes train.
 *
 * The README has the formula for those who plan a machine.
 */
#ifndef RECMF_NEED_H
#define RECMF_NEED_H

#include "postgres.h"

#include "core/rmf_run.h"
#include "recmf_compat.h"

typedef struct RecmfNeed
{
	/* what it is counted from */
	rmf_run_shape shape;		/* shape.window: set by recmf_need_for_training() */
	int64		n_ratings;
	int64		longest_row;	/* ratings of the user or item with the most; only needed where they are streamed */
	int			processes;		/* that may train; lowered where there is no room for their workspaces */

	/* bytes */
	Size		ids;			/* the dictionaries of ids */
	Size		starts;			/* where each user's and item's ratings begin */
	Size		entries;		/* of both orientations; 0 where they are streamed */
	Size		run;			/* factors and what is made of them: rmf_run_lay_out() */
	Size		workspace;		/* of each process: rmf_run_workspace_size() */
	Size		files;			/* temporary, where the ratings are streamed */
	bool		weighted;		/* ratings have weights of their own */
	bool		streams;
} RecmfNeed;

/*
 * The shape of a run with such settings, of which "factors" and the like may
 * still be unset.  Good for sizes only.
 */
extern void recmf_need_shape(const rmf_settings *settings, int64 n_users, int64 n_items,
							 rmf_run_shape *shape);

/* Fills in the bytes.  "ids", the counts, "weighted", "streams" and shape.window are given. */
extern void recmf_need_count(RecmfNeed *need);

/* All of it. */
extern Size recmf_need_total(const RecmfNeed *need);

/* Does it fit in recmf.training_memory? */
extern bool recmf_need_fits(const RecmfNeed *need);

/*
 * Chooses window and processes for a run whose numbers are exact, or raises
 * ERRCODE_PROGRAM_LIMIT_EXCEEDED: it does not fit even with one process.
 */
extern void recmf_need_for_training(RecmfNeed *need);

/* What even streaming cannot do without; "reading": there may be more users and items. */
pg_noreturn extern void recmf_need_error(const RecmfNeed *need, bool reading);

/* Sorting ratings in memory takes so many bytes: triples, and the entries of both orientations. */
extern Size recmf_need_to_sort(int64 n_ratings, bool weighted);

/* What a run on about so many rows, users and items will take, as far as that can be told. */
extern void recmf_need_estimate(const rmf_settings *settings, bool weighted, int64 n_rows,
								int64 n_users, int64 n_items, RecmfNeed *need);

/* "123 MB of 2048 MB: 5 MB for ids, ..." */
extern char *recmf_need_describe(const RecmfNeed *need);

/* The part of recmf.training_memory, in bytes, that is left beside "taken". */
extern Size recmf_need_left(Size taken);

#endif							/* RECMF_NEED_H */
