/*
 * recmf_dataset.h
 *	  Rows of (user id, item id, rating) on their way into the engine, and the
 *	  fit itself.  train_model and mf_train share this.
 *
 * Phases: recmf_dataset_create(), recmf_dataset_add() a row, then once
 * recmf_dataset_finish(), which sorts the ids and builds both sparse matrices,
 * then recmf_fit().  Everything lives in a memory context below the given
 * parent, in huge chunks where needed, and counts against
 * recmf.training_memory; past it: ERRCODE_PROGRAM_LIMIT_EXCEEDED with a hint.
 */
#ifndef RECMF_DATASET_H
#define RECMF_DATASET_H

#include "postgres.h"

#include "core/rmf_als.h"
#include "core/rmf_csr.h"
#include "core/rmf_run.h"
#include "recmf_ids.h"
#include "recmf_memory.h"
#include "recmf_options.h"

typedef struct RecmfDataset
{
	MemoryContext context;
	RecmfIds   *users;
	RecmfIds   *items;
	rmf_feedback feedback;

	/* while rows arrive */
	int64		n_triples;
	int64		max_triples;
	int32	   *triple_user;
	int32	   *triple_item;
	float	   *triple_rating;

	/* what was passed over */
	int64		n_null;			/* NULL id or rating */
	int64		n_not_positive; /* implicit: ratings <= 0, which say nothing of preference */

	/* after recmf_dataset_finish() */
	rmf_csr		by_user;
	rmf_csr		by_item;
	RecmfMemory *by_user_memory;	/* their arrays */
	RecmfMemory *by_item_memory;
	rmf_csr_stats stats;

	/* after recmf_dataset_hold_out(): by user, no longer in the others; else empty */
	rmf_csr		held_out;
	RecmfMemory *held_out_memory;
} RecmfDataset;

extern RecmfDataset *recmf_dataset_create(MemoryContext parent, Oid user_type, Oid item_type,
										  rmf_feedback feedback);

/*
 * One row.  A NULL id or rating is counted and skipped; implicit ratings <= 0
 * likewise.  NaN or infinity, and values past the range of a float4, raise
 * ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE naming the row's ids.
 */
extern void recmf_dataset_add(RecmfDataset *dataset, Datum user, bool user_null,
							  Datum item, bool item_null, double rating, bool rating_null);

/* Duplicates are added up (implicit) or averaged (explicit).  Answers cancel. */
extern void recmf_dataset_finish(RecmfDataset *dataset);

/*
 * Takes the ratings out of a finished dataset that the seed chooses (rmf_hold_out.h),
 * about "fraction" of all.  A NOTICE where that is none.
 */
extern void recmf_dataset_hold_out(RecmfDataset *dataset, double fraction, uint64 seed);

/* The number of ratings of a finished dataset, held out or not; of each row of a side, palloc'd. */
extern int64 recmf_dataset_n_ratings(const RecmfDataset *dataset);
extern int32 *recmf_dataset_counts(const RecmfDataset *dataset, rmf_side side);

/* The settings that recmf_fit() will train with: what was not given, by rule from the finished dataset. */
extern void recmf_resolve_settings(const RecmfDataset *dataset, const RecmfOptions *options,
								   rmf_settings *settings);

/* What a fit gives; arrays as long as the dataset's context, rows in the order of the sorted ids. */
typedef struct RecmfFit
{
	rmf_settings settings;		/* resolved */
	rmf_problem problem;
	int32		dimensions;
	float	   *users;			/* n_users x dimensions */
	float	   *items;
	float	   *gram_users;		/* factors x factors, or NULL */
	float	   *gram_items;
	rmf_outcome outcome;
	rmf_iteration *iterations;	/* outcome.iterations of them */
	int			n_processes;	/* that trained, this one included */
	int64	   *tasks;			/* how many each did; the first is this one */
} RecmfFit;

/*
 * What a caller of recmf_fit() does meanwhile; each may be NULL.  An error that
 * one of them raises comes out of recmf_fit().
 */
typedef struct RecmfFitHooks
{
	/* The start values stand in rows, by rmf_side; others may be put in their place. */
	void		(*fill) (void *arg, float *const rows[2]);
	/* Iterations begin, at most so many; so many workers were launched.  Writes nothing. */
	void		(*begin) (void *arg, int iterations, int workers);
	/* An iteration is done: RMF_GO_ON, or RMF_STOP to leave it at that.  Writes nothing. */
	rmf_verdict (*iterated) (void *arg, const rmf_iteration *iteration, int iterations);
	void	   *arg;
} RecmfFitHooks;

/*
 * Trains on a finished dataset with at least one rating, of which some are held
 * out where the options want a validation.  Checks the BLAS once per backend.
 * Answers cancel within milliseconds.  hooks may be NULL.
 */
extern RecmfFit *recmf_fit(RecmfDataset *dataset, const RecmfOptions *options,
						   const RecmfFitHooks *hooks);

/*
 * Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if "more" bytes beside what the dataset
 * holds already would pass recmf.training_memory.
 */
extern void recmf_dataset_reserve(const RecmfDataset *dataset, Size more);

/* GUC, kB */
extern int	recmf_training_memory;

#endif							/* RECMF_DATASET_H */
