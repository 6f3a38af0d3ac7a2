/*
 * recmf_rows.h
 *	  Rows on their way from a scan to a dataset: checked, and their ids turned
 *	  into numbers, some hundreds at a time.
 *
 * Phases: recmf_rows_create(), recmf_rows_take() a row, recmf_rows_flush() in
 * the end.  What is kept goes to a sink in blocks of at most RECMF_ROWS.
 */
#ifndef RECMF_ROWS_H
#define RECMF_ROWS_H

#include "postgres.h"

#include <float.h>
#include <math.h>

#include "executor/tuptable.h"

#include "core/rmf_als.h"
#include "recmf_compat.h"
#include "recmf_ids.h"

/* At most so many rows go to the sink at a time. */
#define RECMF_ROWS 1024

/* Rows that were passed over, by reason. */
typedef struct RecmfSkipped
{
	int64		null;			/* NULL id, rating or weight */
	int64		not_positive;	/* implicit: ratings <= 0, which say nothing of preference */
	int64		weightless;		/* weight 0 */
} RecmfSkipped;

/* What the rows of a source look like, and what becomes of them. */
typedef struct RecmfRowShape
{
	Oid			user_type;		/* base types */
	Oid			item_type;
	Oid			rating_type;	/* one that recmf_rows_reads() knows; InvalidOid: no such column, all 1 */
	Oid			weight_type;	/* likewise */
	AttrNumber	user_column;	/* from 1 on */
	AttrNumber	item_column;
	AttrNumber	rating_column;
	AttrNumber	weight_column;
	rmf_feedback feedback;
} RecmfRowShape;

/* n rows: numbers of the dictionaries; weight is NULL where weights are not kept. */
typedef void (*RecmfRowSink) (void *arg, int n, const int32 *user, const int32 *item,
							  const float *rating, const float *weight);

typedef struct RecmfRows RecmfRows;

/* Whether a rating or weight of this type is read as it is; others must be cast to float8. */
extern bool recmf_rows_reads(Oid type);

/* In the current memory context. */
extern RecmfRows *recmf_rows_create(const RecmfRowShape *shape, RecmfIds *users, RecmfIds *items,
									RecmfSkipped *skipped, RecmfRowSink sink, void *arg);

/* The row of a slot. */
extern void recmf_rows_take(RecmfRows *rows, TupleTableSlot *slot);

/* What has not reached the sink yet. */
extern void recmf_rows_flush(RecmfRows *rows);

/* Whether training on such feedback keeps weights beside the ratings, or multiplies them in. */
static inline bool
recmf_keeps_weights(rmf_feedback feedback)
{
	return feedback == RMF_EXPLICIT;
}

/*
 * Raise ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE naming the row's ids; the latter also
 * where rating times weight is out of range.
 */
pg_noreturn extern void recmf_report_rating(const RecmfIds *users, Datum user,
											const RecmfIds *items, Datum item, double rating);
pg_noreturn extern void recmf_report_weight(const RecmfIds *users, Datum user,
											const RecmfIds *items, Datum item, double rating, double weight);

/* The same of ratings that were merged. */
pg_noreturn extern void recmf_report_merged_rating(void);

/*
 * What a row without NULLs counts as: false if it is passed over.  NaN or
 * infinity, values past the range of a float4 and negative weights are errors.
 */
static inline bool
recmf_check_row(rmf_feedback feedback, const RecmfIds *users, Datum user, const RecmfIds *items, Datum item,
				double *rating, double weight, RecmfSkipped *skipped)
{
	if (unlikely(!(fabs(*rating) <= FLT_MAX)))
		recmf_report_rating(users, user, items, item, *rating);
	if (weight != 1)
	{
		if (unlikely(!(weight >= 0 && weight <= FLT_MAX)))
			recmf_report_weight(users, user, items, item, *rating, weight);
		/* A double may be too small for a float, which is as good as 0. */
		if ((float) weight == 0)
		{
			skipped->weightless++;
			return false;
		}
		if (!recmf_keeps_weights(feedback))
		{
			if (unlikely(fabs(*rating * weight) > FLT_MAX))
				recmf_report_weight(users, user, items, item, *rating, weight);
			*rating *= weight;
		}
	}
	if (rmf_is_one_class(feedback) && (float) *rating <= 0)
	{
		skipped->not_positive++;
		return false;
	}
	return true;
}

#endif							/* RECMF_ROWS_H */
