/*
 * recmf_mf_model.h
 *	  The type mf_model: a whole trained model as one value.
 *
 * A varlena of a fixed header (MfModel) and these sections, each at an offset
 * that is a multiple of 8 and follows from the header's counts; the gaps are
 * zero and the total length must be exact:
 *
 *	 user ids, item ids	ascending (integers by value, others bytewise)
 *						smallint, integer, bigint: int64 each
 *						uuid: 16 bytes each
 *						text, varchar: uint32 offsets, one more than ids,
 *						starting at 0; then, at the next multiple of 8, the
 *						bytes in the encoding of the database
 *	 user rows			float4, n_users x dimensions (core/rmf_als.h has the layout)
 *	 item rows			float4, n_items x dimensions
 *	 seen_start			uint32, n_users + 1: where a user's items start in seen
 *	 seen				int32, n_ratings: numbers of the items that the users rated,
 *						ascending within a user
 *	 item_n_ratings		int32, n_items: by how many users an item was rated
 *
 * Two runs on the same rows give the same bytes.  There are no type OIDs and
 * no pointers, so the value means the same in another database (of the same
 * encoding, if it has text ids).
 *
 * Text form: \x and two hexadecimal digits a byte of what follows the length
 * word; binary form: these bytes.  Both are in the byte order of the machine;
 * "magic" tells when they come from one of the other order, and input refuses
 * them.  A model may have MF_MODEL_MAX_SIZE bytes, so that its text form still
 * fits into a value and every stored model can be dumped.
 *
 * Trust: input and receive call the full check (order, ranges, finiteness,
 * encoding), since such bytes may come from anywhere.  What is read from a
 * table was made by mf_train or has passed that check; recmf_mf_model_get()
 * then looks at the header and the length only.
 */
#ifndef RECMF_MF_MODEL_H
#define RECMF_MF_MODEL_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

#include "core/rmf_als.h"
#include "recmf_dataset.h"

#define MF_MODEL_MAGIC 0x6D664D31	/* in native byte order */
#define MF_MODEL_MAGIC_SWAPPED 0x314D666D
#define MF_MODEL_VERSION 1

/* Flags. */
#define MF_MODEL_IMPLICIT_FEATURES 0x01
#define MF_MODEL_NONNEGATIVE 0x02
#define MF_MODEL_ALL_FLAGS 0x03

/* "\x" and a terminator must fit beside two digits a byte. */
#define MF_MODEL_MAX_SIZE ((Size) MaxAllocSize / 2 - 64)

/* The numbers reach the disk. */
typedef enum MfModelIdType
{
	MF_ID_SMALLINT = 1,
	MF_ID_INTEGER = 2,
	MF_ID_BIGINT = 3,
	MF_ID_TEXT = 4,
	MF_ID_VARCHAR = 5,
	MF_ID_UUID = 6
} MfModelIdType;

typedef struct MfModel
{
	int32		vl_len_;		/* varlena header; do not touch directly */
	uint32		magic;
	uint16		version;
	uint8		solver;			/* rmf_solver */
	uint8		flags;			/* MF_MODEL_* */
	uint8		feedback;		/* rmf_feedback */
	uint8		user_id_type;	/* MfModelIdType */
	uint8		item_id_type;
	uint8		encoding;		/* of the text ids, as pg_enc; 0 where there are none */

	/* settings, resolved; 0 where the feedback has no such setting */
	int32		factors;
	int32		iterations;
	uint64		seed;
	double		regularization;
	double		regularization_scaling;
	double		bias_regularization;
	double		alpha;

	/* the data */
	int32		n_users;		/* >= 1, as all counts that follow but n_skipped */
	int32		n_items;
	int64		n_ratings;		/* after merging duplicates */
	int64		n_skipped;		/* rows with NULL, or with implicit ratings <= 0 */
	int64		user_id_bytes;	/* of text ids together, else 0 */
	int64		item_id_bytes;
	double		rating_mean;
	double		rating_min;
	double		rating_max;

	/* after the last iteration */
	double		loss;
	double		rmse;

	/* settings again; those of a side are there in any case */
	double		user_regularization;
	double		item_regularization;
	double		unobserved_weight;
	double		implicit_features_weight;
	double		implicit_features_regularization;
} MfModel;

/* The ids of one side. */
typedef struct MfModelIds
{
	RecmfIdKind kind;
	int32		count;
	const int64 *integers;		/* one of these by kind */
	const uint8 *uuids;
	const uint32 *offsets;
	const char *bytes;
	Size		n_bytes;
} MfModelIds;

/* A model with its sections found. */
typedef struct MfModelView
{
	const MfModel *header;
	rmf_problem problem;
	int32		dimensions;
	MfModelIds	users;
	MfModelIds	items;
	const float *user_rows;
	const float *item_rows;
	const uint32 *seen_start;
	const int32 *seen;
	const int32 *item_n_ratings;
} MfModelView;

/* ERRCODE_PROGRAM_LIMIT_EXCEEDED if a finished dataset would give too large a value; resolved settings. */
extern void recmf_mf_model_check_size(const RecmfDataset *dataset, const rmf_settings *settings);

/* A new value in the current memory context. */
extern MfModel *recmf_mf_model_make(const RecmfDataset *dataset, const RecmfFit *fit);

/*
 * What is wrong with a value that came from outside, as a sentence, or NULL.
 * Nothing in it is trusted, its length included.
 */
extern const char *recmf_mf_model_fault(const MfModel *header);

/* The resolved settings that it was trained with. */
extern void recmf_mf_model_settings(const MfModel *header, rmf_settings *settings);

/* The SQL name of the type of ids with a code of the header. */
extern const char *recmf_mf_model_id_type_name(uint8 id_type);

/*
 * The model that a function was called with; it lives as long as the call at
 * least.  Uses fn_extra.  ERRCODE_DATA_CORRUPTED if header and length disagree.
 */
extern void recmf_mf_model_get(FunctionCallInfo fcinfo, int argument, MfModelView *view);

/* The number of an id, or -1. */
extern int32 recmf_mf_model_lookup_integer(const MfModelIds *ids, int64 id);
extern int32 recmf_mf_model_lookup_text(const MfModelIds *ids, const text *id);

/* The text form of an id, in the current memory context. */
extern Datum recmf_mf_model_id_text(const MfModelIds *ids, int32 number);

/* The user's items, ascending. */
extern const int32 *recmf_mf_model_seen(const MfModelView *view, int32 user, int32 *n);

#endif							/* RECMF_MF_MODEL_H */
