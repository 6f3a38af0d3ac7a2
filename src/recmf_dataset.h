/*
 * recmf_dataset.h
 *	  Rows of (user id, item id, rating) on their way into the engine, and the
 *	  fit itself.  train_model and mf_train share this.
 *
 * Phases: recmf_dataset_create(), recmf_dataset_add() a row or
 * recmf_dataset_append() a block of them, then once recmf_dataset_finish(),
 * which sorts the ids and builds both sparse matrices, then recmf_fit().
 * Everything lives in a memory context below the given parent, in huge chunks
 * where needed, and counts against recmf.training_memory.  Ratings for which
 * there is no room go to temporary files; where there is none for ids and
 * factors: ERRCODE_PROGRAM_LIMIT_EXCEEDED with a hint.
 */
#ifndef RECMF_DATASET_H
#define RECMF_DATASET_H

#include "postgres.h"

#include "core/rmf_als.h"
#include "core/rmf_csr.h"
#include "core/rmf_run.h"
#include "recmf_ids.h"
#include "recmf_memory.h"
#include "recmf_need.h"
#include "recmf_options.h"
#include "recmf_rows.h"
#include "recmf_spill.h"

/* Ratings in the order in which they came, ids by the numbers of their first appearance. */
typedef struct RecmfBlock
{
	struct RecmfBlock *next;
	RecmfMemory *memory;		/* of a full-sized block; NULL: the arrays are chunks of the dataset's context */
	int64		n;
	int64		room;
	int32	   *user;
	int32	   *item;
	float	   *rating;
	float	   *weight;			/* NULL unless the dataset has weights */
} RecmfBlock;

typedef struct RecmfDataset
{
	MemoryContext context;
	RecmfIds   *users;
	RecmfIds   *items;
	rmf_feedback feedback;
	rmf_settings settings;		/* as given: what training will need follows from them */
	bool		weighted;		/* ratings have weights of their own */
	bool		tunes;			/* for tune_model(): to be trained on more than once */
	bool		held_out_later; /* by recmf_dataset_hold_out() */

	/* while rows arrive */
	int64		n_triples;		/* in all blocks, or in files */
	RecmfSpill *spill;	/* the files that the ratings are in; NULL: they are in memory */
	RecmfBlock *first_block;
	RecmfBlock *last_block;		/* the one that is being filled */
	Size		ids_memory;		/* of both dictionaries when it was last looked at, and workers' */
	Size		workers_memory; /* of what parallel workers hold for this dataset */
	int			helpers;		/* parallel workers that have read some of the rows */

	/* what was passed over */
	RecmfSkipped skipped;

	/* after recmf_dataset_finish(); of ratings in files there are only the starts */
	rmf_csr		by_user;
	rmf_csr		by_item;
	RecmfMemory *by_user_memory;	/* their arrays */
	RecmfMemory *by_item_memory;
	rmf_csr_stats stats;

	/* by user, no longer in the others; empty unless the settings want a validation */
	rmf_csr		held_out;
	RecmfMemory *held_out_memory;
} RecmfDataset;

/* "weighted": recmf_dataset_append() brings weights. */
extern RecmfDataset *recmf_dataset_create(MemoryContext parent, Oid user_type, Oid item_type,
										  const rmf_settings *settings, bool weighted);

/*
 * One row.  A NULL id or rating is counted and skipped; implicit ratings <= 0
 * likewise.  NaN or infinity, and values past the range of a float4, raise
 * ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE naming the row's ids.
 */
extern void recmf_dataset_add(RecmfDataset *dataset, Datum user, bool user_null,
							  Datum item, bool item_null, double rating, bool rating_null);

/* n rows that have been checked, ids by their numbers in the dictionaries; weight: NULL unless weighted. */
extern void recmf_dataset_append(RecmfDataset *dataset, int n, const int32 *user, const int32 *item,
								 const float *rating, const float *weight);

/* The same as a RecmfRowSink for rows of a source, which are told to recmf_progress. */
extern void recmf_dataset_take_rows(void *dataset, int n, const int32 *user, const int32 *item,
									const float *rating, const float *weight);

/* Rows that were passed over, for whatever reason. */
static inline int64
recmf_dataset_skipped(const RecmfDataset *dataset)
{
	return dataset->skipped.null + dataset->skipped.not_positive + dataset->skipped.weightless;
}

/*
 * Duplicates are added up (implicit) or averaged (explicit; by weight, and
 * weights are added up).  If the settings want a validation, the ratings that the
 * seed chooses are held out (rmf_hold_out.h); a NOTICE where that is none.
 * Answers cancel.
 */
extern void recmf_dataset_finish(RecmfDataset *dataset);

/*
 * Takes ratings of a finished dataset out to validate with: marks[t] is not 0
 * for the t-th of by_user.  Returns their number; nothing is done where it is 0.
 * Users who would lose all keep all.  Not where ratings are in files.
 */
extern int64 recmf_dataset_hold_out(RecmfDataset *dataset, uint8 *marks);

/* The number of ratings of a finished dataset, held out or not; of each row of a side, palloc'd. */
extern int64 recmf_dataset_n_ratings(const RecmfDataset *dataset);
extern int32 *recmf_dataset_counts(const RecmfDataset *dataset, rmf_side side);

/* One orientation of a finished dataset, as training reads it: from memory or from files. */
extern void recmf_dataset_ratings(const RecmfDataset *dataset, rmf_side side, rmf_ratings *ratings);

/* All items of the matrix by users, less what is held out; items: by_user.n_entries. */
extern void recmf_dataset_read_items(const RecmfDataset *dataset, int32 *items);

/* The settings that recmf_fit() will train with: what was not given, by rule from the finished dataset. */
extern void recmf_resolve_settings(const RecmfDataset *dataset, const RecmfOptions *options,
								   rmf_settings *settings);

/* How a fit is validated, where that is not as the settings and the core have it. */
typedef struct RecmfFitValidation
{
	int64		users;			/* whose ranking is validated, at most */
	rmf_ranking_metric metric;
	int32		metric_length;
	int32		every;			/* so many iterations */
} RecmfFitValidation;

/* What recmf_fit() will take of recmf.training_memory; an error if it cannot. */
extern void recmf_fit_need(const RecmfDataset *dataset, const RecmfOptions *options, RecmfNeed *need);

/* The same for a fit that is validated so. */
extern void recmf_fit_check(const RecmfDataset *dataset, const RecmfOptions *options,
							const RecmfFitValidation *validation);

/* What a fit gives; arrays as long as the dataset's context, rows in the order of the sorted ids. */
typedef struct RecmfFit
{
	rmf_settings settings;		/* resolved */
	rmf_problem problem;
	int32		dimensions;
	float	   *users;			/* n_users x dimensions */
	float	   *items;
	float	   *gram_users;		/* rmf_gram_width() square, or NULL */
	float	   *gram_items;		/* the same; with implicit features of the items' second vectors */
	float	   *item_features;	/* implicit features: these, n_items x factors; else NULL */
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
 * Trains on a finished dataset with at least one rating.  Checks the BLAS once per
 * backend.  Answers cancel within milliseconds.  hooks may be NULL.
 */
extern RecmfFit *recmf_fit(RecmfDataset *dataset, const RecmfOptions *options,
						   const RecmfFitHooks *hooks);

/* The same in a memory context below the dataset's, for one fit of several; validation may be NULL. */
extern RecmfFit *recmf_fit_in(MemoryContext context, RecmfDataset *dataset, const RecmfOptions *options,
							  const RecmfFitValidation *validation, const RecmfFitHooks *hooks);

/* What the dataset takes of recmf.training_memory, in bytes; all that has been made in its context. */
extern Size recmf_dataset_memory(const RecmfDataset *dataset);

/* Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if there is no room for "more" bytes beside that. */
extern void recmf_dataset_reserve(const RecmfDataset *dataset, Size more);

/* GUC, kB */
extern int	recmf_training_memory;

#endif							/* RECMF_DATASET_H */
