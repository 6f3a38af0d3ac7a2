/*
 * recmf_ids.c
 *	  Dictionaries of user and item ids: see recmf_ids.h.
 *
 * One array holds the ids in the order of their numbers; a table finds the
 * number of an id.  Integers that lie densely have a window, an array of
 * numbers by value, for table; others, and byte strings (text, uuid), have one
 * of open addressing, whose slots tell most misses without a look at the id.
 * Byte strings are kept as text datums, packed one after another in chunks, so
 * that an id costs its bytes and no palloc.
 *
 * Numbers in tables are counted from 1, so that zeroed memory is an empty table.
 *
 * Memory: the dictionary's own context; the table may be larger than 1 GB.
 * Nothing here is shared between backends.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "core/rmf_random.h"
#include "recmf_compat.h"
#include "recmf_ids.h"

/* Small, since GROUP BY may make a dictionary for each of many small groups. */
#define INITIAL_IDS 16
#define FIRST_CHUNK 256
#define LARGEST_CHUNK (1024 * 1024)

/* Ids are cut to this many bytes in messages. */
#define MESSAGE_ID_BYTES 64

/* A window may have so many places an id, for the table would take as much. */
#define WINDOW_PLACES 8

/* Integers that are hashed ahead of being looked up, so that their slots are on the way. */
#define LOOKAHEAD 32

typedef struct IntegerSlot
{
	int64		id;
	int32		number;			/* 0: the slot is free */
} IntegerSlot;

typedef struct BytesSlot
{
	text	   *string;
	uint32		hash;
	int32		number;			/* 0: the slot is free */
} BytesSlot;

struct RecmfIds
{
	MemoryContext context;
	Oid			type;			/* base type */
	RecmfIdKind kind;
	int32		count;
	int32		capacity;		/* of integers or strings */
	uint64		n_slots;		/* a power of 2; 0: there is a window instead */

	/* RECMF_ID_INTEGER */
	int64	   *integers;		/* by number */
	int64		smallest;		/* of all, and the largest */
	int64		largest;
	IntegerSlot *integer_slots;
	int32	   *window;			/* numbers from window_start on */
	int64		window_start;
	uint64		window_size;

	/* the other kinds */
	text	  **strings;		/* by number; 4-byte headers, within the chunks */
	BytesSlot  *bytes_slots;
	char	   *chunk;			/* the chunk that is being filled */
	Size		chunk_size;
	Size		chunk_used;
};

/* A value and its number, while sorting. */
typedef struct IntegerOrder
{
	int64		id;
	int32		number;
} IntegerOrder;

typedef struct StringOrder
{
	text	   *string;
	int32		number;
} StringOrder;

static inline int
compare_integers(const IntegerOrder *a, const IntegerOrder *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static inline int
compare_strings(const StringOrder *a, const StringOrder *b)
{
	return recmf_id_compare_bytes(VARDATA(a->string), VARSIZE(a->string) - VARHDRSZ,
								  VARDATA(b->string), VARSIZE(b->string) - VARHDRSZ);
}

#define ST_SORT sort_integers
#define ST_ELEMENT_TYPE IntegerOrder
#define ST_COMPARE(a, b) compare_integers(a, b)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DECLARE
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_strings
#define ST_ELEMENT_TYPE StringOrder
#define ST_COMPARE(a, b) compare_strings(a, b)
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DECLARE
#define ST_DEFINE
#include "lib/sort_template.h"

static inline uint32
hash_of_bytes(const char *bytes, Size length)
{
	return (uint32) rmf_hash_bytes(bytes, length, 0);
}

static void *
alloc_zeroed(const RecmfIds *ids, Size size)
{
	return MemoryContextAllocExtended(ids->context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* The slot of an integer, or the free one where it belongs. */
static inline IntegerSlot *
integer_slot(const RecmfIds *ids, int64 id)
{
	uint64		place = rmf_mix64((uint64) id) & (ids->n_slots - 1);

	while (ids->integer_slots[place].number != 0 && ids->integer_slots[place].id != id)
		place = (place + 1) & (ids->n_slots - 1);
	return &ids->integer_slots[place];
}

/* The slot of a byte string, or the free one where it belongs. */
static inline BytesSlot *
bytes_slot(const RecmfIds *ids, const char *bytes, Size length, uint32 hash)
{
	uint64		place = hash & (ids->n_slots - 1);

	for (;;)
	{
		BytesSlot  *slot = &ids->bytes_slots[place];

		if (slot->number == 0 ||
			(slot->hash == hash && VARSIZE(slot->string) - VARHDRSZ == length &&
			 memcmp(VARDATA(slot->string), bytes, length) == 0))
			return slot;
		place = (place + 1) & (ids->n_slots - 1);
	}
}

/* The number (from 0 on) of an integer, or -1. */
static inline int32
find_integer(const RecmfIds *ids, int64 id)
{
	if (ids->window != NULL)
	{
		uint64		place = (uint64) id - (uint64) ids->window_start;

		return place < ids->window_size ? ids->window[place] - 1 : -1;
	}
	return integer_slot(ids, id)->number - 1;
}

/* All integers into a new table of n_slots slots. */
static void
hash_integers(RecmfIds *ids, uint64 n_slots)
{
	IntegerSlot *old = ids->integer_slots;
	int32		i;

	ids->integer_slots = (IntegerSlot *) alloc_zeroed(ids, sizeof(IntegerSlot) * n_slots);
	ids->n_slots = n_slots;
	if (old != NULL)
		pfree(old);
	if (ids->window != NULL)
		pfree(ids->window);
	ids->window = NULL;
	for (i = 0; i < ids->count; i++)
	{
		IntegerSlot *slot = integer_slot(ids, ids->integers[i]);

		slot->id = ids->integers[i];
		slot->number = i + 1;
	}
}

static void
hash_strings(RecmfIds *ids, uint64 n_slots)
{
	BytesSlot  *old = ids->bytes_slots;
	uint64		n_old = ids->n_slots;
	uint64		i;

	ids->bytes_slots = (BytesSlot *) alloc_zeroed(ids, sizeof(BytesSlot) * n_slots);
	ids->n_slots = n_slots;
	for (i = 0; i < n_old; i++)
	{
		uint64		place = old[i].hash & (n_slots - 1);

		if (old[i].number == 0)
			continue;
		while (ids->bytes_slots[place].number != 0)
			place = (place + 1) & (n_slots - 1);
		ids->bytes_slots[place] = old[i];
	}
	if (old != NULL)
		pfree(old);
}

/*
 * Makes a window with room for all integers from "smallest" to "largest"
 * instead of what there is.  False if they do not lie densely enough.
 */
static bool
open_window(RecmfIds *ids, int64 smallest, int64 largest)
{
	bool		downwards = ids->window != NULL && smallest < ids->window_start;
	uint64		span = (uint64) largest - (uint64) smallest;
	uint64		most = (uint64) ids->capacity * WINDOW_PLACES;
	uint64		room;
	int32	   *window;
	int32		i;

	if (span >= most)
		return false;

	/* as much again, on the side where new ids came last; too little would mean another window soon */
	room = Min(span + 1, most - span - 1);
	if (room < span / 16)
		return false;
	room = Min(room, downwards ? (uint64) smallest - (uint64) PG_INT64_MIN : (uint64) PG_INT64_MAX - (uint64) largest);
	if (downwards)
		smallest = (int64) ((uint64) smallest - room);
	window = (int32 *) alloc_zeroed(ids, sizeof(int32) * (span + 1 + room));
	for (i = 0; i < ids->count; i++)
		window[(uint64) ids->integers[i] - (uint64) smallest] = i + 1;

	if (ids->window != NULL)
		pfree(ids->window);
	if (ids->integer_slots != NULL)
		pfree(ids->integer_slots);
	ids->integer_slots = NULL;
	ids->n_slots = 0;
	ids->window = window;
	ids->window_start = smallest;
	ids->window_size = span + 1 + room;
	return true;
}

RecmfIdKind
recmf_id_kind(Oid type, const char *what)
{
	if (!OidIsValid(type) || type == UNKNOWNOID)
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine the type of %s", what),
				 errhint("Cast it to the type of your ids, for example %s::bigint or %s::text.",
						 what, what)));

	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return RECMF_ID_INTEGER;
		case TEXTOID:
		case VARCHAROID:
			return RECMF_ID_TEXT;
		case UUIDOID:
			return RECMF_ID_UUID;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("%s has unsupported type %s", what, format_type_be(type)),
					 errdetail("Ids may be smallint, integer, bigint, text, varchar or uuid."),
					 errhint("Cast it, for example %s::text, or %s::bigint if it holds whole numbers.",
							 what, what)));
	}
	pg_unreachable();
}

RecmfIds *
recmf_ids_create(MemoryContext parent, Oid type, const char *what)
{
	RecmfIdKind kind = recmf_id_kind(type, what);
	MemoryContext context = AllocSetContextCreate(parent, "recmf ids", ALLOCSET_START_SMALL_SIZES);
	RecmfIds   *ids = (RecmfIds *) MemoryContextAllocZero(context, sizeof(RecmfIds));

	ids->context = context;
	ids->type = getBaseType(type);
	ids->kind = kind;
	ids->capacity = INITIAL_IDS;
	if (kind == RECMF_ID_INTEGER)
	{
		ids->integers = (int64 *) MemoryContextAlloc(context, sizeof(int64) * INITIAL_IDS);
		hash_integers(ids, 2 * INITIAL_IDS);
	}
	else
	{
		ids->strings = (text **) MemoryContextAlloc(context, sizeof(text *) * INITIAL_IDS);
		hash_strings(ids, 2 * INITIAL_IDS);
	}
	return ids;
}

RecmfIdKind
recmf_ids_kind(const RecmfIds *ids)
{
	return ids->kind;
}

Oid
recmf_ids_type(const RecmfIds *ids)
{
	return ids->type;
}

int32
recmf_ids_count(const RecmfIds *ids)
{
	return ids->count;
}

Size
recmf_ids_memory(const RecmfIds *ids)
{
	return MemoryContextMemAllocated(ids->context, false);
}

/* Room for one more id.  After an error here the dictionary is of no more use. */
static void
make_room(RecmfIds *ids)
{
	int32		capacity;

	if (ids->count < ids->capacity)
		return;
	if (ids->count == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a model cannot have more than %d different users or items", PG_INT32_MAX)));

	capacity = ids->capacity > PG_INT32_MAX / 2 ? PG_INT32_MAX : ids->capacity * 2;
	if (ids->kind == RECMF_ID_INTEGER)
		ids->integers = (int64 *) repalloc_huge(ids->integers, sizeof(int64) * (Size) capacity);
	else
		ids->strings = (text **) repalloc_huge(ids->strings, sizeof(text *) * (Size) capacity);
	ids->capacity = capacity;

	/* at most half of the slots are taken */
	if (ids->kind != RECMF_ID_INTEGER)
		hash_strings(ids, ids->n_slots * 2);
	else if (ids->window == NULL && !open_window(ids, ids->smallest, ids->largest))
		hash_integers(ids, ids->n_slots * 2);
}

/* Adds an integer that is not there yet. */
static int32
add_integer(RecmfIds *ids, int64 id)
{
	int32		number;

	make_room(ids);
	number = ids->count;
	ids->smallest = number == 0 ? id : Min(ids->smallest, id);
	ids->largest = number == 0 ? id : Max(ids->largest, id);
	if (ids->window != NULL &&
		(uint64) id - (uint64) ids->window_start >= ids->window_size &&
		!open_window(ids, ids->smallest, ids->largest))
		hash_integers(ids, pg_nextpower2_64(2 * (uint64) ids->capacity));

	ids->integers[number] = id;
	if (ids->window != NULL)
		ids->window[(uint64) id - (uint64) ids->window_start] = number + 1;
	else
	{
		IntegerSlot *slot = integer_slot(ids, id);

		slot->id = id;
		slot->number = number + 1;
	}
	ids->count++;
	return number;
}

static inline int32
intern_integer(RecmfIds *ids, int64 id)
{
	int32		number = find_integer(ids, id);

	return number >= 0 ? number : add_integer(ids, id);
}

void
recmf_ids_intern_integers(RecmfIds *ids, int n, const int64 *values, int32 *numbers)
{
	int			i;
	int			j;

	Assert(ids->kind == RECMF_ID_INTEGER);
	for (i = 0; i < n; i += LOOKAHEAD)
	{
		int			end = Min(i + LOOKAHEAD, n);

		/* places may have moved by the time they are used, which does no harm */
		if (ids->window != NULL)
		{
			for (j = i; j < end; j++)
			{
				uint64		place = (uint64) values[j] - (uint64) ids->window_start;

				if (place < ids->window_size)
					__builtin_prefetch(&ids->window[place]);
			}
		}
		else
		{
			for (j = i; j < end; j++)
				__builtin_prefetch(&ids->integer_slots[rmf_mix64((uint64) values[j]) & (ids->n_slots - 1)]);
		}
		for (j = i; j < end; j++)
			numbers[j] = intern_integer(ids, values[j]);
	}
}

/* A copy of the bytes as a text datum in the chunks. */
static text *
store_bytes(RecmfIds *ids, const char *bytes, Size length)
{
	Size		size = INTALIGN(VARHDRSZ + length);
	text	   *string;

	if (size > ids->chunk_size - ids->chunk_used)
	{
		Size		chunk_size = Max(FIRST_CHUNK, Min(ids->chunk_size * 2, LARGEST_CHUNK));

		if (size > chunk_size / 4)
		{
			/* A chunk of its own; the one that is being filled stays so. */
			string = (text *) MemoryContextAllocHuge(ids->context, size);
			SET_VARSIZE(string, VARHDRSZ + length);
			memcpy(VARDATA(string), bytes, length);
			return string;
		}
		ids->chunk = (char *) MemoryContextAlloc(ids->context, chunk_size);
		ids->chunk_size = chunk_size;
		ids->chunk_used = 0;
	}

	string = (text *) (ids->chunk + ids->chunk_used);
	ids->chunk_used += size;
	SET_VARSIZE(string, VARHDRSZ + length);
	memcpy(VARDATA(string), bytes, length);
	return string;
}

int32
recmf_ids_intern_bytes(RecmfIds *ids, const char *bytes, Size length)
{
	uint32		hash = hash_of_bytes(bytes, length);
	BytesSlot  *slot = bytes_slot(ids, bytes, length, hash);

	if (slot->number == 0)
	{
		if (ids->count == ids->capacity)
		{
			make_room(ids);
			slot = bytes_slot(ids, bytes, length, hash);
		}
		slot->string = store_bytes(ids, bytes, length);
		slot->hash = hash;
		ids->strings[ids->count++] = slot->string;
		slot->number = ids->count;
	}
	return slot->number - 1;
}

int32
recmf_ids_intern(RecmfIds *ids, Datum id)
{
	text	   *string;
	int32		number;

	switch (ids->kind)
	{
		case RECMF_ID_INTEGER:
			return intern_integer(ids, recmf_integer_from_datum(ids->type, id));
		case RECMF_ID_UUID:
			return recmf_ids_intern_bytes(ids, (const char *) DatumGetUUIDP(id)->data, UUID_LEN);
		case RECMF_ID_TEXT:
			break;
	}

	string = DatumGetTextPP(id);
	number = recmf_ids_intern_bytes(ids, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	if ((Pointer) string != DatumGetPointer(id))
		pfree(string);
	return number;
}

static int32
lookup_bytes(const RecmfIds *ids, const char *bytes, Size length)
{
	return bytes_slot(ids, bytes, length, hash_of_bytes(bytes, length))->number - 1;
}

int32
recmf_ids_lookup_integer(const RecmfIds *ids, int64 id)
{
	return ids->kind == RECMF_ID_INTEGER ? find_integer(ids, id) : -1;
}

int32
recmf_ids_lookup(const RecmfIds *ids, Datum id)
{
	text	   *string;
	int32		number;

	switch (ids->kind)
	{
		case RECMF_ID_INTEGER:
			return recmf_ids_lookup_integer(ids, recmf_integer_from_datum(ids->type, id));
		case RECMF_ID_UUID:
			return lookup_bytes(ids, (const char *) DatumGetUUIDP(id)->data, UUID_LEN);
		case RECMF_ID_TEXT:
			break;
	}

	string = DatumGetTextPP(id);
	number = lookup_bytes(ids, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	if ((Pointer) string != DatumGetPointer(id))
		pfree(string);
	return number;
}

int32
recmf_ids_lookup_text(const RecmfIds *ids, const char *bytes, Size length)
{
	int64		integer;
	uint8		uuid[UUID_LEN];

	switch (ids->kind)
	{
		case RECMF_ID_INTEGER:
			return recmf_id_parse_integer(bytes, length, &integer) ?
				recmf_ids_lookup_integer(ids, integer) : -1;
		case RECMF_ID_UUID:
			return recmf_id_parse_uuid(bytes, length, uuid) ?
				lookup_bytes(ids, (const char *) uuid, UUID_LEN) : -1;
		case RECMF_ID_TEXT:
			return lookup_bytes(ids, bytes, length);
	}
	return -1;
}

/* Sorts the integers by the order that their window has already. */
static void
sort_by_window(RecmfIds *ids, int32 *new_number)
{
	int32		next = 0;
	uint64		place;

	for (place = 0; place < ids->window_size; place++)
	{
		if (ids->window[place] == 0)
			continue;
		new_number[ids->window[place] - 1] = next;
		ids->integers[next++] = (int64) ((uint64) ids->window_start + place);
		ids->window[place] = next;
	}
	Assert(next == ids->count);
}

const int32 *
recmf_ids_sort(RecmfIds *ids)
{
	int32	   *new_number = (int32 *) MemoryContextAllocHuge(ids->context,
															  sizeof(int32) * Max((Size) ids->count, 1));
	uint64		place;
	int32		i;

	if (ids->window != NULL)
		sort_by_window(ids, new_number);
	else if (ids->kind == RECMF_ID_INTEGER)
	{
		IntegerOrder *order = (IntegerOrder *) MemoryContextAllocHuge(ids->context,
																	  sizeof(IntegerOrder) * Max((Size) ids->count, 1));

		for (i = 0; i < ids->count; i++)
		{
			order[i].id = ids->integers[i];
			order[i].number = i;
		}
		sort_integers(order, ids->count);
		for (i = 0; i < ids->count; i++)
		{
			ids->integers[i] = order[i].id;
			new_number[order[i].number] = i;
		}
		pfree(order);
		for (place = 0; place < ids->n_slots; place++)
		{
			if (ids->integer_slots[place].number != 0)
				ids->integer_slots[place].number = new_number[ids->integer_slots[place].number - 1] + 1;
		}
	}
	else
	{
		StringOrder *order = (StringOrder *) MemoryContextAllocHuge(ids->context,
																	sizeof(StringOrder) * Max((Size) ids->count, 1));

		for (i = 0; i < ids->count; i++)
		{
			order[i].string = ids->strings[i];
			order[i].number = i;
		}
		sort_strings(order, ids->count);
		for (i = 0; i < ids->count; i++)
		{
			ids->strings[i] = order[i].string;
			new_number[order[i].number] = i;
		}
		pfree(order);
		for (place = 0; place < ids->n_slots; place++)
		{
			if (ids->bytes_slots[place].number != 0)
				ids->bytes_slots[place].number = new_number[ids->bytes_slots[place].number - 1] + 1;
		}
	}
	return new_number;
}

Datum
recmf_ids_get(const RecmfIds *ids, int32 number)
{
	Assert(number >= 0 && number < ids->count);

	switch (ids->kind)
	{
		case RECMF_ID_UUID:
			return PointerGetDatum(VARDATA(ids->strings[number]));
		case RECMF_ID_TEXT:
			return PointerGetDatum(ids->strings[number]);
		case RECMF_ID_INTEGER:
			break;
	}

	switch (ids->type)
	{
		case INT2OID:
			return Int16GetDatum((int16) ids->integers[number]);
		case INT4OID:
			return Int32GetDatum((int32) ids->integers[number]);
		default:
			return Int64GetDatum(ids->integers[number]);
	}
}

Datum
recmf_ids_get_text(const RecmfIds *ids, int32 number)
{
	Assert(number >= 0 && number < ids->count);

	if (ids->kind == RECMF_ID_INTEGER)
		return recmf_id_integer_to_text(ids->integers[number]);
	if (ids->kind == RECMF_ID_UUID)
		return recmf_id_uuid_to_text((const uint8 *) VARDATA(ids->strings[number]));
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(PointerGetDatum(ids->strings[number])));
}

uint64
recmf_ids_key(const RecmfIds *ids, int32 number)
{
	Assert(number >= 0 && number < ids->count);

	if (ids->kind == RECMF_ID_INTEGER)
		return rmf_mix64((uint64) ids->integers[number]);
	return rmf_hash_bytes(VARDATA(ids->strings[number]), VARSIZE(ids->strings[number]) - VARHDRSZ, 0);
}

int64
recmf_ids_get_integer(const RecmfIds *ids, int32 number)
{
	Assert(ids->kind == RECMF_ID_INTEGER && number >= 0 && number < ids->count);
	return ids->integers[number];
}

const char *
recmf_ids_get_bytes(const RecmfIds *ids, int32 number, Size *length)
{
	Assert(ids->kind != RECMF_ID_INTEGER && number >= 0 && number < ids->count);
	*length = VARSIZE(ids->strings[number]) - VARHDRSZ;
	return VARDATA(ids->strings[number]);
}

char *
recmf_ids_describe(const RecmfIds *ids, Datum id)
{
	switch (ids->kind)
	{
		case RECMF_ID_INTEGER:
			return psprintf(INT64_FORMAT, recmf_integer_from_datum(ids->type, id));
		case RECMF_ID_UUID:
			return text_to_cstring(DatumGetTextPP(recmf_id_uuid_to_text(DatumGetUUIDP(id)->data)));
		case RECMF_ID_TEXT:
			break;
	}
	return recmf_id_describe_text(DatumGetTextPP(id));
}

char *
recmf_id_describe_text(const text *id)
{
	int			length = VARSIZE_ANY_EXHDR(id);
	int			shown = pg_mbcliplen(VARDATA_ANY(id), length, MESSAGE_ID_BYTES);

	return psprintf("\"%.*s%s\"", shown, VARDATA_ANY(id), shown < length ? "..." : "");
}

int
recmf_id_compare_bytes(const char *a, Size a_length, const char *b, Size b_length)
{
	int			order = memcmp(a, b, Min(a_length, b_length));

	if (order != 0)
		return order;
	return (a_length > b_length) - (a_length < b_length);
}

bool
recmf_id_parse_integer(const char *bytes, Size length, int64 *integer)
{
	const char *end = bytes + length;
	bool		negative = false;
	int64		value = 0;

	while (bytes < end && isspace((unsigned char) *bytes))
		bytes++;
	while (bytes < end && isspace((unsigned char) end[-1]))
		end--;
	if (bytes < end && (*bytes == '-' || *bytes == '+'))
		negative = *bytes++ == '-';
	if (bytes == end)
		return false;

	/* Downwards, since the smallest bigint has no counterpart. */
	for (; bytes < end; bytes++)
	{
		if (*bytes < '0' || *bytes > '9' ||
			pg_mul_s64_overflow(value, 10, &value) ||
			pg_sub_s64_overflow(value, *bytes - '0', &value))
			return false;
	}
	if (!negative && value == PG_INT64_MIN)
		return false;
	*integer = negative ? value : -value;
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
recmf_id_parse_uuid(const char *bytes, Size length, uint8 *uuid)
{
	int			digits = 0;
	Size		i;

	if (length >= 2 && bytes[0] == '{' && bytes[length - 1] == '}')
	{
		bytes++;
		length -= 2;
	}
	for (i = 0; i < length; i++)
	{
		int			digit = hex_digit(bytes[i]);

		/* A hyphen may follow each four digits. */
		if (bytes[i] == '-' && i > 0 && bytes[i - 1] != '-' && digits % 4 == 0 && digits < 2 * UUID_LEN)
			continue;
		if (digit < 0 || digits == 2 * UUID_LEN)
			return false;
		if (digits % 2 == 0)
			uuid[digits / 2] = (uint8) (digit << 4);
		else
			uuid[digits / 2] |= (uint8) digit;
		digits++;
	}
	return digits == 2 * UUID_LEN;
}

Datum
recmf_id_integer_to_text(int64 id)
{
	char		buffer[MAXINT8LEN + 1];
	int			length = pg_lltoa(id, buffer);

	return PointerGetDatum(cstring_to_text_with_len(buffer, length));
}

Datum
recmf_id_uuid_to_text(const uint8 *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char		buffer[2 * UUID_LEN + 4];
	char	   *p = buffer;
	int			i;

	for (i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[uuid[i] >> 4];
		*p++ = digits[uuid[i] & 15];
	}
	return PointerGetDatum(cstring_to_text_with_len(buffer, p - buffer));
}
