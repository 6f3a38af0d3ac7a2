/*
 * recmf_source.h
 *	  Where the ratings come from: a relation or a SELECT, read as the caller.
 */
#ifndef RECMF_SOURCE_H
#define RECMF_SOURCE_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "recmf_dataset.h"

typedef struct RecmfSource
{
	Oid			table;			/* of a relation; InvalidOid for a query */
	char	   *query;			/* of a query, without a final semicolon; NULL for a relation */
	char	   *search_path;	/* in force when the query was given */
	char	   *user_col;
	char	   *item_col;
	char	   *rating_col;		/* NULL: every row counts 1 */
	char	   *weight_col;		/* NULL: every row weighs 1 */
	Oid			user_type;		/* base types of the columns */
	Oid			item_type;
	Oid			rating_type;	/* InvalidOid: no such column */
	Oid			weight_type;
	Oid			user_collation; /* InvalidOid where the type has none */
	Oid			item_collation;
} RecmfSource;

/*
 * Finds out what "source" names and checks its columns, without reading a row.
 * Raises an error for what does not exist, is no single SELECT, has not the
 * columns, or has columns of the wrong types.  Inside SPI_connect().
 */
extern RecmfSource *recmf_source_open(const char *source, const char *user_col,
									  const char *item_col, const char *rating_col,
									  const char *weight_col);

/* "FROM ..." for statements over the source, whose alias is s. */
extern char *recmf_source_from(const RecmfSource *source);

extern bool recmf_source_has_column(const RecmfSource *source, const char *name);

/*
 * One pass over one snapshot, in a read-only transaction state, straight into
 * the dataset.  Inside SPI_connect().  The dataset must have been created as
 * weighted where there is a weight_col and recmf_keeps_weights().
 */
extern void recmf_source_read(const RecmfSource *source, RecmfDataset *dataset);

/* Which ratings are the newest, for recmf_source_newest(). */
typedef enum RecmfNewest
{
	RECMF_NEWEST_OF_ALL,		/* a share of all */
	RECMF_NEWEST_OF_USER		/* the last one of each user */
} RecmfNewest;

/*
 * The text of a SELECT of the pairs (user, item) that are new by "time_col", to
 * be run under source->search_path.  A pair is as old as its oldest row, and of
 * all, those that are as old as the newest which is not wanted are not wanted
 * either.  An error where the column does not exist or is no time.  Inside
 * SPI_connect().
 */
extern char *recmf_source_newest(const RecmfSource *source, const char *time_col, RecmfNewest which, double share);

/* How many rows, different users and different items the planner expects.  Inside SPI_connect(). */
extern void recmf_source_estimate(const RecmfSource *source, int64 *n_rows, int64 *n_users, int64 *n_items);

/* A WARNING with the CREATE INDEX to run where one user's rows cannot be found fast. */
extern void recmf_source_warn_slow_lookup(const RecmfSource *source);

/*
 * "FROM ... AS s" for a statement of ours over what "source" names, to be run
 * under the caller's search_path, and the columns it has.  Errors as of
 * recmf_source_open().  Inside SPI_connect().
 */
extern char *recmf_source_resolve(const char *source, TupleDesc *columns);

/* The place of a column, from 0; else an error whose hint is to name it by "option". */
extern int	recmf_source_column(TupleDesc columns, const char *name, const char *option);

/*
 * The text of a single SELECT without its final semicolon; else an error, for
 * which "what" names the argument and "hint" says what to give.  A syntax error
 * points into the text.
 */
extern char *recmf_single_select(char *text, const char *what, const char *hint);

#endif							/* RECMF_SOURCE_H */
