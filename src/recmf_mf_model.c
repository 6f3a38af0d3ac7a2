/*
 * recmf_mf_model.c
 *	  The value of type mf_model: making it, checking it, finding one's way in
 *	  it.  The format stands in recmf_mf_model.h.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "recmf_compat.h"
#include "recmf_mf_model.h"


/* Work between two looks at pending interrupts. */
#define ROWS_BETWEEN_INTERRUPTS 1024

/* Where the ids of one side are: text ids have offsets and bytes. */
typedef struct IdSection
{
	Size		ids;
	Size		bytes;
} IdSection;

typedef struct Layout
{
	IdSection	users;
	IdSection	items;
	Size		user_rows;
	Size		item_rows;
	Size		seen_start;
	Size		seen;
	Size		item_n_ratings;
	Size		total;
} Layout;

static RecmfIdKind
kind_of_id_type(uint8 id_type)
{
	switch (id_type)
	{
		case MF_ID_SMALLINT:
		case MF_ID_INTEGER:
		case MF_ID_BIGINT:
			return RECMF_ID_INTEGER;
		case MF_ID_UUID:
			return RECMF_ID_UUID;
		default:
			return RECMF_ID_TEXT;
	}
}

static uint8
id_type_from_oid(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return MF_ID_SMALLINT;
		case INT4OID:
			return MF_ID_INTEGER;
		case INT8OID:
			return MF_ID_BIGINT;
		case VARCHAROID:
			return MF_ID_VARCHAR;
		case UUIDOID:
			return MF_ID_UUID;
		default:
			return MF_ID_TEXT;
	}
}

const char *
recmf_mf_model_id_type_name(uint8 id_type)
{
	switch (id_type)
	{
		case MF_ID_SMALLINT:
			return "smallint";
		case MF_ID_INTEGER:
			return "integer";
		case MF_ID_BIGINT:
			return "bigint";
		case MF_ID_VARCHAR:
			return "character varying";
		case MF_ID_UUID:
			return "uuid";
		default:
			return "text";
	}
}

static Size
append_section(Size *end, Size bytes)
{
	Size		start = *end;

	*end = TYPEALIGN(8, start + bytes);
	return start;
}

static void
append_ids(Size *end, IdSection *section, RecmfIdKind kind, int32 count, int64 n_bytes)
{
	section->bytes = 0;
	switch (kind)
	{
		case RECMF_ID_INTEGER:
			section->ids = append_section(end, sizeof(int64) * (Size) count);
			break;
		case RECMF_ID_UUID:
			section->ids = append_section(end, UUID_LEN * (Size) count);
			break;
		case RECMF_ID_TEXT:
			section->ids = append_section(end, sizeof(uint32) * ((Size) count + 1));
			section->bytes = append_section(end, (Size) n_bytes);
			break;
	}
}

/* The counts are known to be small enough that no size overflows: see header_fault(). */
static void
lay_out(const MfModel *header, Layout *layout)
{
	Size		end = TYPEALIGN(8, sizeof(MfModel));
	Size		dimensions = header->factors + (header->feedback == RMF_IMPLICIT ? 0 : 2);

	append_ids(&end, &layout->users, kind_of_id_type(header->user_id_type),
			   header->n_users, header->user_id_bytes);
	append_ids(&end, &layout->items, kind_of_id_type(header->item_id_type),
			   header->n_items, header->item_id_bytes);
	layout->user_rows = append_section(&end, sizeof(float4) * dimensions * header->n_users);
	layout->item_rows = append_section(&end, sizeof(float4) * dimensions * header->n_items);
	layout->seen_start = append_section(&end, sizeof(uint32) * ((Size) header->n_users + 1));
	layout->seen = append_section(&end, sizeof(int32) * (Size) header->n_ratings);
	layout->item_n_ratings = append_section(&end, sizeof(int32) * (Size) header->n_items);
	layout->total = end;
}

void
recmf_mf_model_settings(const MfModel *header, rmf_settings *settings)
{
	rmf_settings_init(settings, (rmf_feedback) header->feedback);
	settings->factors = header->factors;
	settings->iterations = header->iterations;
	settings->seed = header->seed;
	settings->solver = (rmf_solver) header->solver;
	settings->regularization = header->regularization;
	settings->regularization_scaling = header->regularization_scaling;
	if (header->user_regularization != header->regularization)
		settings->user_regularization = header->user_regularization;
	if (header->item_regularization != header->regularization)
		settings->item_regularization = header->item_regularization;
	if (header->feedback == RMF_IMPLICIT)
		settings->alpha = header->alpha;
	else
		settings->bias_regularization = header->bias_regularization;
	if (header->feedback == RMF_LOGISTIC)
		settings->unobserved_weight = header->unobserved_weight;
	if (header->flags & MF_MODEL_IMPLICIT_FEATURES)
	{
		settings->implicit_features = 1;
		settings->implicit_features_weight = header->implicit_features_weight;
		settings->implicit_features_regularization = header->implicit_features_regularization;
	}
	settings->nonnegative = (header->flags & MF_MODEL_NONNEGATIVE) != 0;
}

static void
stats_of_header(const MfModel *header, rmf_csr_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->n_entries = header->n_ratings;
	stats->mean = header->rating_mean;
	stats->sum = header->rating_mean * (double) header->n_ratings;
	stats->min = header->rating_min;
	stats->max = header->rating_max;
}

/*
 * What is wrong with the header of a value of "size" bytes, or NULL.  After
 * this, every section is within the value.
 */
static const char *
header_fault(const MfModel *header, Size size)
{
	bool		has_text;
	rmf_settings settings;
	rmf_csr_stats stats;
	const char *field;
	Layout		layout;

	if (size < sizeof(MfModel))
		return "It is shorter than a header.";
	if (header->magic == MF_MODEL_MAGIC_SWAPPED)
		return "It was made on a machine of the other byte order.";
	if (header->magic != MF_MODEL_MAGIC)
		return "It does not start like a model.";
	if (header->version != MF_MODEL_VERSION || (header->flags & ~MF_MODEL_ALL_FLAGS) != 0)
		return "Its version is not known to this version of recmf.";
	if (header->feedback < RMF_EXPLICIT || header->feedback > RMF_LOGISTIC)
		return "Its kind of feedback is not known.";
	if (header->user_id_type < MF_ID_SMALLINT || header->user_id_type > MF_ID_UUID ||
		header->item_id_type < MF_ID_SMALLINT || header->item_id_type > MF_ID_UUID)
		return "A type of its ids is not known.";

	has_text = kind_of_id_type(header->user_id_type) == RECMF_ID_TEXT ||
		kind_of_id_type(header->item_id_type) == RECMF_ID_TEXT;
	if (header->encoding != (has_text ? GetDatabaseEncoding() : 0))
		return "Its text ids are in another encoding than this database.";

	if (header->n_users < 1 || header->n_items < 1 ||
		header->n_ratings < 1 || header->n_ratings > PG_INT32_MAX || header->n_skipped < 0)
		return "A count is out of range.";
	if (header->user_id_bytes < 0 || header->user_id_bytes > PG_INT32_MAX ||
		header->item_id_bytes < 0 || header->item_id_bytes > PG_INT32_MAX ||
		(header->user_id_bytes != 0 && kind_of_id_type(header->user_id_type) != RECMF_ID_TEXT) ||
		(header->item_id_bytes != 0 && kind_of_id_type(header->item_id_type) != RECMF_ID_TEXT))
		return "The length of its text ids is out of range.";

	/* 0 would mean "by rule" to what checks the settings below. */
	if (header->factors < 1 || header->iterations < 1 ||
		isnan(header->regularization) || isnan(header->regularization_scaling) ||
		isnan(header->user_regularization) || isnan(header->item_regularization) ||
		isnan(header->bias_regularization) || isnan(header->alpha) || isnan(header->unobserved_weight) ||
		isnan(header->implicit_features_weight) || isnan(header->implicit_features_regularization) ||
		(header->feedback == RMF_IMPLICIT ? header->bias_regularization : header->alpha) != 0 ||
		(header->feedback != RMF_LOGISTIC && header->unobserved_weight != 0) ||
		((header->flags & MF_MODEL_IMPLICIT_FEATURES) == 0 &&
		 (header->implicit_features_weight != 0 || header->implicit_features_regularization != 0)))
		return "A setting is out of range.";
	if (!isfinite(header->rating_mean) || !isfinite(header->rating_min) || !isfinite(header->rating_max) ||
		header->rating_min > header->rating_max ||
		(header->feedback != RMF_EXPLICIT && header->rating_mean <= 0) ||
		!isfinite(header->loss) || !isfinite(header->rmse))
		return "A figure of the ratings or of the loss is out of range.";
	recmf_mf_model_settings(header, &settings);
	stats_of_header(header, &stats);
	if (rmf_settings_resolve(&settings, header->n_users, header->n_items, &stats, &field) != RMF_OK)
		return psprintf("Its setting \"%s\" is out of range.", field != NULL ? field : "feedback");

	lay_out(header, &layout);
	if (layout.total != size)
		return "Its length does not agree with its header.";
	return NULL;
}

static void
find_ids(const MfModel *header, const IdSection *section, RecmfIdKind kind, int32 count,
		 int64 n_bytes, MfModelIds *ids)
{
	const char *base = (const char *) header;

	memset(ids, 0, sizeof(*ids));
	ids->kind = kind;
	ids->count = count;
	switch (kind)
	{
		case RECMF_ID_INTEGER:
			ids->integers = (const int64 *) (base + section->ids);
			break;
		case RECMF_ID_UUID:
			ids->uuids = (const uint8 *) (base + section->ids);
			break;
		case RECMF_ID_TEXT:
			ids->offsets = (const uint32 *) (base + section->ids);
			ids->bytes = base + section->bytes;
			ids->n_bytes = n_bytes;
			break;
	}
}

/* The header has passed header_fault(). */
static void
find_sections(const MfModel *header, MfModelView *view)
{
	const char *base = (const char *) header;
	Layout		layout;
	rmf_settings settings;
	rmf_csr_stats stats;

	lay_out(header, &layout);
	recmf_mf_model_settings(header, &settings);
	stats_of_header(header, &stats);

	view->header = header;
	rmf_problem_init(&view->problem, &settings, &stats);
	view->dimensions = rmf_dimensions(&view->problem);
	find_ids(header, &layout.users, kind_of_id_type(header->user_id_type), header->n_users,
			 header->user_id_bytes, &view->users);
	find_ids(header, &layout.items, kind_of_id_type(header->item_id_type), header->n_items,
			 header->item_id_bytes, &view->items);
	view->user_rows = (const float *) (base + layout.user_rows);
	view->item_rows = (const float *) (base + layout.item_rows);
	view->seen_start = (const uint32 *) (base + layout.seen_start);
	view->seen = (const int32 *) (base + layout.seen);
	view->item_n_ratings = (const int32 *) (base + layout.item_n_ratings);
}

/*
 * Large models are out of line, and fetching one costs far more than a call
 * with it.  So the last one is kept for the calls that follow in the same
 * query, which mostly pass the same value: one user after another.
 */
typedef struct KeptModel
{
	struct varatt_external pointer; /* where it came from */
	MfModel    *model;
} KeptModel;

static const MfModel *
fetch_model(FunctionCallInfo fcinfo, Datum datum)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);
	struct varatt_external pointer;
	KeptModel  *kept = (KeptModel *) fcinfo->flinfo->fn_extra;
	MemoryContext caller;

	if (!VARATT_IS_EXTERNAL_ONDISK(value))
		return (const MfModel *) PG_DETOAST_DATUM(datum);

	VARATT_EXTERNAL_GET_POINTER(pointer, value);
	if (kept != NULL && kept->model != NULL &&
		memcmp(&kept->pointer, &pointer, sizeof(pointer)) == 0)
		return kept->model;

	if (kept == NULL)
		fcinfo->flinfo->fn_extra = kept =
			(KeptModel *) MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(KeptModel));
	if (kept->model != NULL)
		pfree(kept->model);
	kept->model = NULL;
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	kept->model = (MfModel *) PG_DETOAST_DATUM(datum);
	MemoryContextSwitchTo(caller);
	kept->pointer = pointer;
	return kept->model;
}

void
recmf_mf_model_get(FunctionCallInfo fcinfo, int argument, MfModelView *view)
{
	const MfModel *header = fetch_model(fcinfo, PG_GETARG_DATUM(argument));
	const char *fault = header_fault(header, VARSIZE(header));

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of type mf_model is damaged"),
				 errdetail("%s", fault)));
	find_sections(header, view);
}

/* The bytes of a text id, within the value whatever the offsets say. */
static const char *
id_bytes(const MfModelIds *ids, int32 number, Size *length)
{
	uint32		start = ids->offsets[number];
	uint32		end = ids->offsets[number + 1];

	if (start > end || end > ids->n_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of type mf_model is damaged"),
				 errdetail("Its text ids are not in order.")));
	*length = end - start;
	return ids->bytes + start;
}

static int
compare_id(const MfModelIds *ids, int32 number, const char *bytes, Size length)
{
	const char *other;
	Size		other_length;

	if (ids->kind == RECMF_ID_UUID)
		return memcmp(bytes, ids->uuids + (Size) UUID_LEN * number, UUID_LEN);
	other = id_bytes(ids, number, &other_length);
	return recmf_id_compare_bytes(bytes, length, other, other_length);
}

int32
recmf_mf_model_lookup_integer(const MfModelIds *ids, int64 id)
{
	int32		low = 0;
	int32		high = ids->count;

	if (ids->kind != RECMF_ID_INTEGER)
		return -1;
	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (ids->integers[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ids->count && ids->integers[low] == id ? low : -1;
}

int32
recmf_mf_model_lookup_text(const MfModelIds *ids, const text *id)
{
	const char *bytes = VARDATA_ANY(id);
	Size		length = VARSIZE_ANY_EXHDR(id);
	uint8		uuid[UUID_LEN];
	int64		integer;
	int32		low = 0;
	int32		high = ids->count;

	if (ids->kind == RECMF_ID_INTEGER)
		return recmf_id_parse_integer(bytes, length, &integer) ?
			recmf_mf_model_lookup_integer(ids, integer) : -1;
	if (ids->kind == RECMF_ID_UUID)
	{
		if (!recmf_id_parse_uuid(bytes, length, uuid))
			return -1;
		bytes = (const char *) uuid;
		length = UUID_LEN;
	}

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (compare_id(ids, middle, bytes, length) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ids->count && compare_id(ids, low, bytes, length) == 0 ? low : -1;
}

Datum
recmf_mf_model_id_text(const MfModelIds *ids, int32 number)
{
	const char *bytes;
	Size		length;

	switch (ids->kind)
	{
		case RECMF_ID_INTEGER:
			return recmf_id_integer_to_text(ids->integers[number]);
		case RECMF_ID_UUID:
			return recmf_id_uuid_to_text(ids->uuids + (Size) UUID_LEN * number);
		case RECMF_ID_TEXT:
			break;
	}
	bytes = id_bytes(ids, number, &length);
	return PointerGetDatum(cstring_to_text_with_len(bytes, length));
}

const int32 *
recmf_mf_model_seen(const MfModelView *view, int32 user, int32 *n)
{
	uint32		start = view->seen_start[user];
	uint32		end = view->seen_start[user + 1];

	if (start > end || end > view->header->n_ratings)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of type mf_model is damaged"),
				 errdetail("Its users' items are not in order.")));
	*n = (int32) (end - start);
	return view->seen + start;
}

/*
 * The full check of a value that comes from outside
 */

static const char *
ids_fault(const MfModelIds *ids, uint8 id_type)
{
	int32		i;

	if (ids->kind == RECMF_ID_INTEGER)
	{
		int64		min = id_type == MF_ID_SMALLINT ? PG_INT16_MIN : id_type == MF_ID_INTEGER ? PG_INT32_MIN : PG_INT64_MIN;
		int64		max = id_type == MF_ID_SMALLINT ? PG_INT16_MAX : id_type == MF_ID_INTEGER ? PG_INT32_MAX : PG_INT64_MAX;

		for (i = 0; i < ids->count; i++)
		{
			if (ids->integers[i] < min || ids->integers[i] > max)
				return "An id is out of the range of its type.";
			if (i > 0 && ids->integers[i - 1] >= ids->integers[i])
				return "Its ids are not in order.";
		}
		return NULL;
	}

	if (ids->kind == RECMF_ID_TEXT)
	{
		if (ids->offsets[0] != 0 || ids->offsets[ids->count] != ids->n_bytes)
			return "Its text ids are not in order.";
		for (i = 0; i < ids->count; i++)
		{
			/* With the last one in range, so are all. */
			if (ids->offsets[i] > ids->offsets[i + 1])
				return "Its text ids are not in order.";
		}
		for (i = 0; i < ids->count; i++)
		{
			if (!pg_verifymbstr(ids->bytes + ids->offsets[i],
								(int) (ids->offsets[i + 1] - ids->offsets[i]), true))
				return "A text id has bytes that are invalid in the encoding of this database.";
		}
	}

	for (i = 1; i < ids->count; i++)
	{
		Size		length = UUID_LEN;
		const char *bytes = ids->kind == RECMF_ID_UUID ?
			(const char *) ids->uuids + (Size) UUID_LEN * (i - 1) : id_bytes(ids, i - 1, &length);

		if (compare_id(ids, i, bytes, length) >= 0)
			return "Its ids are not in order.";
	}
	return NULL;
}

static const char *
rows_fault(const MfModelView *view, const float *rows, int32 n, rmf_side side)
{
	int32		dimensions = view->dimensions;
	int32		r;
	int32		j;

	for (r = 0; r < n; r++)
	{
		const float *row = rows + (Size) r * dimensions;

		for (j = 0; j < dimensions; j++)
		{
			if (!isfinite(row[j]))
				return "A factor is not finite.";
		}

		/* Opposite to the place of the own bias stands a constant. */
		if (rmf_has_biases(&view->problem) &&
			row[rmf_bias_position(&view->problem, side == RMF_USERS ? RMF_ITEMS : RMF_USERS)] != 1)
			return "A bias is not where it should be.";
		if (r % ROWS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return NULL;
}

static const char *
seen_fault(const MfModelView *view)
{
	const MfModel *header = view->header;
	int32	   *counts = (int32 *) palloc0(sizeof(int32) * (Size) header->n_items);
	const char *fault = NULL;
	int32		u;
	int32		t;

	if (view->seen_start[0] != 0 || view->seen_start[header->n_users] != header->n_ratings)
		return "Its users' items are not in order.";
	for (u = 0; u < header->n_users; u++)
	{
		if (view->seen_start[u] > view->seen_start[u + 1])
			return "Its users' items are not in order.";
	}

	for (u = 0; u < header->n_users && fault == NULL; u++)
	{
		int32		n;
		const int32 *seen = recmf_mf_model_seen(view, u, &n);

		for (t = 0; t < n && fault == NULL; t++)
		{
			if (seen[t] < 0 || seen[t] >= header->n_items || (t > 0 && seen[t - 1] >= seen[t]))
				fault = "Its users' items are not in order.";
			else
				counts[seen[t]]++;
		}
	}
	if (fault == NULL && memcmp(counts, view->item_n_ratings, sizeof(int32) * (Size) header->n_items) != 0)
		fault = "The counts of its items' ratings are wrong.";
	pfree(counts);
	return fault;
}

static bool
is_zero(const MfModel *header, Size start, Size end)
{
	const char *base = (const char *) header;

	while (start < end)
	{
		if (base[start++] != 0)
			return false;
	}
	return true;
}

/* The few bytes between sections. */
static bool
gaps_are_zero(const MfModel *header, const MfModelView *view)
{
	Layout		layout;
	Size		users_end;
	Size		items_end;

	lay_out(header, &layout);
	users_end = view->users.kind == RECMF_ID_TEXT ? layout.users.bytes + header->user_id_bytes : layout.items.ids;
	items_end = view->items.kind == RECMF_ID_TEXT ? layout.items.bytes + header->item_id_bytes : layout.user_rows;

	return is_zero(header, users_end, layout.items.ids) &&
		is_zero(header, items_end, layout.user_rows) &&
		(view->users.kind != RECMF_ID_TEXT ||
		 is_zero(header, layout.users.ids + sizeof(uint32) * ((Size) header->n_users + 1), layout.users.bytes)) &&
		(view->items.kind != RECMF_ID_TEXT ||
		 is_zero(header, layout.items.ids + sizeof(uint32) * ((Size) header->n_items + 1), layout.items.bytes)) &&
		is_zero(header, layout.user_rows + sizeof(float4) * (Size) view->dimensions * header->n_users, layout.item_rows) &&
		is_zero(header, layout.item_rows + sizeof(float4) * (Size) view->dimensions * header->n_items, layout.seen_start) &&
		is_zero(header, layout.seen_start + sizeof(uint32) * ((Size) header->n_users + 1), layout.seen) &&
		is_zero(header, layout.seen + sizeof(int32) * (Size) header->n_ratings, layout.item_n_ratings) &&
		is_zero(header, layout.item_n_ratings + sizeof(int32) * (Size) header->n_items, layout.total);
}

/* What is wrong with a value whose length word is set, or NULL. */
const char *
recmf_mf_model_fault(const MfModel *header)
{
	const char *fault = header_fault(header, VARSIZE(header));
	MfModelView view;

	if (fault != NULL)
		return fault;
	find_sections(header, &view);

	fault = ids_fault(&view.users, header->user_id_type);
	if (fault == NULL)
		fault = ids_fault(&view.items, header->item_id_type);
	if (fault == NULL)
		fault = rows_fault(&view, view.user_rows, header->n_users, RMF_USERS);
	if (fault == NULL)
		fault = rows_fault(&view, view.item_rows, header->n_items, RMF_ITEMS);
	if (fault == NULL)
		fault = seen_fault(&view);
	if (fault == NULL && !gaps_are_zero(header, &view))
		fault = "There is something between its parts.";
	return fault;
}

/*
 * Making a value
 */

static int64
text_bytes(const RecmfIds *ids)
{
	int64		sum = 0;
	int32		n = recmf_ids_count(ids);
	int32		i;

	if (recmf_ids_kind(ids) != RECMF_ID_TEXT)
		return 0;
	for (i = 0; i < n; i++)
	{
		Size		length;

		(void) recmf_ids_get_bytes(ids, i, &length);
		sum += length;
	}
	return sum;
}

static void
write_ids(const RecmfIds *ids, MfModel *header, const IdSection *section)
{
	char	   *target = (char *) header + section->ids;
	char	   *bytes = (char *) header + section->bytes;
	int32		n = recmf_ids_count(ids);
	uint32		end = 0;
	int32		i;

	for (i = 0; i < n; i++)
	{
		const char *id;
		Size		length;

		if (recmf_ids_kind(ids) == RECMF_ID_INTEGER)
		{
			((int64 *) target)[i] = recmf_ids_get_integer(ids, i);
			continue;
		}
		id = recmf_ids_get_bytes(ids, i, &length);
		if (recmf_ids_kind(ids) == RECMF_ID_UUID)
			memcpy(target + (Size) UUID_LEN * i, id, UUID_LEN);
		else
		{
			memcpy(bytes + end, id, length);
			end += length;
			((uint32 *) target)[i + 1] = end;
		}
	}
}

/* The header but for what training gives. */
static void
start_header(MfModel *header, const RecmfDataset *dataset, const rmf_settings *settings)
{
	memset(header, 0, sizeof(*header));
	header->magic = MF_MODEL_MAGIC;
	header->version = MF_MODEL_VERSION;
	header->feedback = settings->feedback;
	header->user_id_type = id_type_from_oid(recmf_ids_type(dataset->users));
	header->item_id_type = id_type_from_oid(recmf_ids_type(dataset->items));
	if (recmf_ids_kind(dataset->users) == RECMF_ID_TEXT || recmf_ids_kind(dataset->items) == RECMF_ID_TEXT)
		header->encoding = GetDatabaseEncoding();
	header->factors = settings->factors;
	header->iterations = settings->iterations;
	header->seed = settings->seed;
	header->solver = (uint8) settings->solver;
	header->regularization = settings->regularization;
	header->regularization_scaling = settings->regularization_scaling;
	header->user_regularization = isnan(settings->user_regularization) ?
		settings->regularization : settings->user_regularization;
	header->item_regularization = isnan(settings->item_regularization) ?
		settings->regularization : settings->item_regularization;
	if (settings->feedback == RMF_IMPLICIT)
		header->alpha = settings->alpha;
	else
		header->bias_regularization = settings->bias_regularization;
	if (settings->feedback == RMF_LOGISTIC)
		header->unobserved_weight = settings->unobserved_weight;
	if (settings->implicit_features)
	{
		header->flags |= MF_MODEL_IMPLICIT_FEATURES;
		header->implicit_features_weight = settings->implicit_features_weight;
		header->implicit_features_regularization = settings->implicit_features_regularization;
	}
	if (settings->nonnegative)
		header->flags |= MF_MODEL_NONNEGATIVE;
	header->n_users = recmf_ids_count(dataset->users);
	header->n_items = recmf_ids_count(dataset->items);
	header->n_ratings = recmf_dataset_n_ratings(dataset);
	header->n_skipped = recmf_dataset_skipped(dataset);
	header->user_id_bytes = text_bytes(dataset->users);
	header->item_id_bytes = text_bytes(dataset->items);
	header->rating_mean = dataset->stats.mean;
	header->rating_min = dataset->stats.min;
	header->rating_max = dataset->stats.max;
}

void
recmf_mf_model_check_size(const RecmfDataset *dataset, const rmf_settings *settings)
{
	MfModel		header;
	Layout		layout;

	start_header(&header, dataset, settings);
	lay_out(&header, &layout);
	if (layout.total > MF_MODEL_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a model of %d users, %d items and %d factors is too large for one value",
						header.n_users, header.n_items, header.factors),
				 errdetail("It needs %zu MB; a value of type mf_model may have %zu MB.",
						   layout.total / (1024 * 1024) + 1, MF_MODEL_MAX_SIZE / (1024 * 1024)),
				 errhint("Use train_model, which keeps models in tables of any size, or use fewer factors.")));
}

/*
 * Every user's items, held out or not, ascending.  The counts fit, since the
 * whole value is small enough.
 */
static void
write_seen(const RecmfDataset *dataset, uint32 *start, int32 *seen)
{
	const rmf_csr *trained = &dataset->by_user;
	const rmf_csr *held = &dataset->held_out;
	uint32		n = 0;
	int64		r;

	if (held->n_entries == 0)
	{
		for (r = 0; r <= trained->n_rows; r++)
			start[r] = (uint32) trained->start[r];
		recmf_dataset_read_items(dataset, seen);
		return;
	}
	for (r = 0; r < trained->n_rows; r++)
	{
		int64		a = trained->start[r];
		int64		b = held->start[r];
		int64		a_end = trained->start[r + 1];
		int64		b_end = held->start[r + 1];

		start[r] = n;
		while (a < a_end || b < b_end)
			seen[n++] = b == b_end || (a < a_end && trained->column[a] < held->column[b]) ?
				trained->column[a++] : held->column[b++];
	}
	start[r] = n;
}

MfModel *
recmf_mf_model_make(const RecmfDataset *dataset, const RecmfFit *fit)
{
	MfModel		header;
	MfModel    *model;
	Layout		layout;

	start_header(&header, dataset, &fit->settings);
	header.loss = fit->outcome.kept.loss.total;
	header.rmse = fit->outcome.kept.loss.rmse;
	lay_out(&header, &layout);
	Assert(layout.total <= MF_MODEL_MAX_SIZE);

	model = (MfModel *) palloc0(layout.total);
	*model = header;
	SET_VARSIZE(model, layout.total);

	write_ids(dataset->users, model, &layout.users);
	write_ids(dataset->items, model, &layout.items);
	memcpy((char *) model + layout.user_rows, fit->users,
		   sizeof(float4) * (Size) fit->dimensions * header.n_users);
	memcpy((char *) model + layout.item_rows, fit->items,
		   sizeof(float4) * (Size) fit->dimensions * header.n_items);

	write_seen(dataset, (uint32 *) ((char *) model + layout.seen_start), (int32 *) ((char *) model + layout.seen));
	memcpy((char *) model + layout.item_n_ratings, recmf_dataset_counts(dataset, RMF_ITEMS),
		   sizeof(int32) * (Size) header.n_items);

	Assert(recmf_mf_model_fault(model) == NULL);
	return model;
}
