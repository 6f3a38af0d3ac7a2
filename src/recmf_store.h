/*
 * recmf_store.h
 *	  A fitted model as ordinary tables and a row of the registry.
 */
#ifndef RECMF_STORE_H
#define RECMF_STORE_H

#include "postgres.h"

#include "recmf_dataset.h"
#include "recmf_source.h"

/* What stands in the registry of a model before a new version is written. */
typedef struct RecmfStored
{
	char	   *name;
	bool		exists;
	Oid			owner;			/* of the name; the caller for a new one */
	int32		last_version;	/* 0 for a new one */
	Oid			schema;			/* where its tables go */
	Oid			items;			/* the active version's; InvalidOid if none, or if the table is gone */
	Oid			users;
	Oid			items_view;
	Oid			users_view;
} RecmfStored;

/*
 * Looks up a model by name and checks that the caller may replace it: that it
 * has the privileges of the owner, may create in the schema, that nobody else
 * trains it now, and (for the types given) that ids keep their types.  All
 * that can be refused is refused here, before the work.  Inside SPI_connect().
 */
extern RecmfStored *recmf_store_open(const char *model, const RecmfSource *source);

typedef struct RecmfSeconds
{
	double		read;
	double		train;
	double		write;
} RecmfSeconds;

/*
 * Writes the fit as a new version beside the old one and makes it the active
 * one, in the caller's transaction.  Grants and row security of the old tables
 * come along.  metrics: jsonb for the registry; index: with an index on the factors.  Returns the version.
 * seconds->write is set.
 */
extern int32 recmf_store_write(const RecmfStored *stored, const char *source_text,
							   const RecmfSource *source, RecmfDataset *dataset, const RecmfFit *fit,
							   Datum metrics, bool index, RecmfSeconds *seconds);

/* Drops a model, all of its versions; RESTRICT.  Inside SPI_connect(), search_path pinned. */
extern void recmf_store_drop(const char *model);

/* The total loss of each iteration as double precision[]. */
extern Datum recmf_losses_array(const RecmfFit *fit);

#endif							/* RECMF_STORE_H */
