/*
 * recmf_ranking.h
 *	  The statements behind the serving functions: the best k rows of a
 *	  model's table, and one row's factor.  All inside SPI_connect().
 */
#ifndef RECMF_RANKING_H
#define RECMF_RANKING_H

#include "postgres.h"

#include "utils/array.h"

#include "recmf_factor.h"
#include "recmf_given.h"
#include "recmf_registry.h"

/* Which rows of one side may be recommended to one of the other side. */
typedef struct RecmfFilters
{
	const RecmfGivenId *seen_by;	/* leave out what this one has in the live source; NULL: nothing */
	ArrayType  *include;		/* only these ids, of the side's type; NULL: all */
	ArrayType  *exclude;		/* none of these; NULL: nothing */
} RecmfFilters;

typedef struct RecmfRanked
{
	Datum		id;				/* as the column has it */
	double		value;
} RecmfRanked;

/* Best first; equal ones by ascending id.  In the memory context of the call. */
typedef struct RecmfRanking
{
	Oid			id_type;
	int			n;
	RecmfRanked *rows;
} RecmfRanking;

/* "item_id" or "user_id": how the model's own table of that side calls it. */
extern const char *recmf_id_column(rmf_side side);

/* " COLLATE ..." after an id in a statement: ids are compared by bytes, whatever the collations of their columns. */
extern const char *recmf_id_collation(Oid type);

/*
 * The live source of the ratings as an item of FROM; the base type of the
 * column of side "by", and the search_path that it is to be read under (NULL: the caller's).
 * Errors with a hint where it is gone or may not be read.
 */
extern char *recmf_live_source(const RecmfModel *model, rmf_side by, Oid *by_type, const char **search_path);

/* ERRCODE_DATA_EXCEPTION unless a factor of the model's table has the model's dimensions. */
extern void recmf_check_model_factor(const RecmfModel *model, rmf_side side, const Factor *factor);

/* The factor of a user or an item, or NULL for an unknown id. */
extern Factor *recmf_fetch_factor(const RecmfModel *model, rmf_side side, const RecmfGivenId *id);

/* The k rows of a side with the highest score with a factor of the other side; value: the score. */
extern RecmfRanking *recmf_rank_by_score(const RecmfModel *model, rmf_side side, const Factor *other,
										 const RecmfFilters *filters, int k);

/* The k items with the most ratings; value: their number. */
extern RecmfRanking *recmf_rank_by_popularity(const RecmfModel *model,
											  const RecmfFilters *filters, int k);

/* The k users or items most similar to the one with this id and factor; value: the cosine. */
extern RecmfRanking *recmf_rank_by_similarity(const RecmfModel *model, rmf_side side,
											  const RecmfGivenId *id, const Factor *factor, int k);

#endif							/* RECMF_RANKING_H */
