/*
 * recmf_warm.h
 *	  Warm start: a training that begins with the factors of the version before.
 */
#ifndef RECMF_WARM_H
#define RECMF_WARM_H

#include "postgres.h"

#include "recmf_dataset.h"
#include "recmf_registry.h"
#include "recmf_store.h"

/* Iterations of a warm start unless the option says otherwise. */
#define RECMF_WARM_ITERATIONS 3

/*
 * The version to start from, NULL (with a NOTICE) where the model does not
 * exist yet.  Errors where its tables are gone or it has another kind of
 * feedback or number of factors than the options.  Options that are not given
 * are set: the factors as they were, and RECMF_WARM_ITERATIONS.  Before the
 * source is read; inside SPI_connect().
 */
extern RecmfModel *recmf_warm_open(const RecmfStored *stored, RecmfOptions *options);

/* How much of the new model the old one knew. */
typedef struct RecmfWarmCounts
{
	int64		users;
	int64		items;
} RecmfWarmCounts;

/*
 * Puts the old factors into the rows of the users and items that the old model
 * knew; those of the others stay as they are.  rows: by rmf_side, each count of
 * the dataset's ids x rmf_dimensions(&model->problem).  A WARNING where the old
 * model knew less than half.  Inside SPI_connect().
 */
extern RecmfWarmCounts recmf_warm_load(const RecmfModel *model, const RecmfDataset *dataset,
									   float *const rows[2]);

#endif							/* RECMF_WARM_H */
