/*
 * recmf_ids.c
 *	  Dictionaries of user and item ids: see recmf_ids.h.
 *
 * One array holds the ids in the order of their numbers, one hash table (of
 * lib/simplehash.h) finds the number of an id.  Integers are the keys of
 * their table.  Byte strings (text, uuid) are kept as text datums, packed one
 * after another in chunks, so that an id costs its bytes and no palloc; their
 * table holds numbers only and compares through the array.
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

typedef enum SlotStatus
{
	SLOT_EMPTY = 0,				/* what simplehash takes for granted */
	SLOT_USED = 1
} SlotStatus;

typedef struct IntegerSlot
{
	int64		id;
	int32		number;
	uint8		status;
} IntegerSlot;

#define SH_PREFIX integer_table
#define SH_ELEMENT_TYPE IntegerSlot
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(tb, key) ((uint32) rmf_mix64((uint64) (key)))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_EMPTY SLOT_EMPTY
#define SH_IN_USE SLOT_USED
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The byte string that is being looked up; its number is PROBE. */
typedef struct BytesProbe
{
	const char *bytes;
	Size		length;
	uint32		hash;
} BytesProbe;

#define PROBE (-1)

typedef struct BytesSlot
{
	int32		number;
	uint32		hash;
	uint8		status;
} BytesSlot;

struct RecmfIds
{
	MemoryContext context;
	Oid			type;			/* base type */
	RecmfIdKind kind;
	int32		count;
	int32		capacity;		/* of integers or strings */

	/* RECMF_ID_INTEGER */
	int64	   *integers;		/* by number */
	struct integer_table_hash *integer_table;

	/* the other kinds */
	text	  **strings;		/* by number; 4-byte headers, within the chunks */
	struct bytes_table_hash *bytes_table;
	BytesProbe *probe;
	char	   *chunk;			/* the chunk that is being filled */
	Size		chunk_size;
	Size		chunk_used;
};

static uint32 bytes_table_hash_key(const RecmfIds *ids, int32 number);
static bool bytes_table_equal(const RecmfIds *ids, int32 a, int32 b);

#define SH_PREFIX bytes_table
#define SH_ELEMENT_TYPE BytesSlot
#define SH_KEY_TYPE int32
#define SH_KEY number
#define SH_HASH_KEY(tb, key) bytes_table_hash_key((const RecmfIds *) (tb)->private_data, key)
#define SH_EQUAL(tb, a, b) bytes_table_equal((const RecmfIds *) (tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) ((slot)->hash)
#define SH_EMPTY SLOT_EMPTY
#define SH_IN_USE SLOT_USED
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

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

static uint32
bytes_table_hash_key(const RecmfIds *ids, int32 number)
{
	const text *string;

	if (number == PROBE)
		return ids->probe->hash;
	string = ids->strings[number];
	return hash_of_bytes(VARDATA(string), VARSIZE(string) - VARHDRSZ);
}

/* "a" is in the table, "b" may be the probe. */
static bool
bytes_table_equal(const RecmfIds *ids, int32 a, int32 b)
{
	const text *string;

	if (b != PROBE)
		return a == b;
	string = ids->strings[a];
	return VARSIZE(string) - VARHDRSZ == ids->probe->length &&
		memcmp(VARDATA(string), ids->probe->bytes, ids->probe->length) == 0;
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
		ids->integer_table = integer_table_create(context, INITIAL_IDS, NULL);
	}
	else
	{
		ids->strings = (text **) MemoryContextAlloc(context, sizeof(text *) * INITIAL_IDS);
		ids->bytes_table = bytes_table_create(context, INITIAL_IDS, ids);
		ids->probe = (BytesProbe *) MemoryContextAllocZero(context, sizeof(BytesProbe));
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

/* The number that the next new id gets, with room for it.  After an error here the dictionary is of no more use. */
static int32
next_number(RecmfIds *ids)
{
	if (ids->count == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a model cannot have more than %d different users or items", PG_INT32_MAX)));

	if (ids->count == ids->capacity)
	{
		int32		capacity = ids->capacity > PG_INT32_MAX / 2 ? PG_INT32_MAX : ids->capacity * 2;

		if (ids->kind == RECMF_ID_INTEGER)
			ids->integers = (int64 *) repalloc_huge(ids->integers, sizeof(int64) * (Size) capacity);
		else
			ids->strings = (text **) repalloc_huge(ids->strings, sizeof(text *) * (Size) capacity);
		ids->capacity = capacity;
	}
	return ids->count;
}

static int32
intern_integer(RecmfIds *ids, int64 id)
{
	bool		found;
	IntegerSlot *slot = integer_table_insert(ids->integer_table, id, &found);

	if (!found)
	{
		slot->number = next_number(ids);
		ids->integers[slot->number] = id;
		ids->count++;
	}
	return slot->number;
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

static int32
intern_bytes(RecmfIds *ids, const char *bytes, Size length)
{
	BytesProbe *probe = ids->probe;
	BytesSlot  *slot;
	bool		found;

	probe->bytes = bytes;
	probe->length = length;
	probe->hash = hash_of_bytes(bytes, length);
	slot = bytes_table_insert_hash(ids->bytes_table, PROBE, probe->hash, &found);
	if (!found)
	{
		slot->number = next_number(ids);
		ids->strings[slot->number] = store_bytes(ids, bytes, length);
		ids->count++;
	}
	return slot->number;
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
			return intern_bytes(ids, (const char *) DatumGetUUIDP(id)->data, UUID_LEN);
		case RECMF_ID_TEXT:
			break;
	}

	string = DatumGetTextPP(id);
	number = intern_bytes(ids, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
	if ((Pointer) string != DatumGetPointer(id))
		pfree(string);
	return number;
}

static int32
lookup_bytes(const RecmfIds *ids, const char *bytes, Size length)
{
	BytesSlot  *slot;

	ids->probe->bytes = bytes;
	ids->probe->length = length;
	ids->probe->hash = hash_of_bytes(bytes, length);
	slot = bytes_table_lookup_hash(ids->bytes_table, PROBE, ids->probe->hash);
	return slot == NULL ? -1 : slot->number;
}

int32
recmf_ids_lookup_integer(const RecmfIds *ids, int64 id)
{
	IntegerSlot *slot;

	if (ids->kind != RECMF_ID_INTEGER)
		return -1;
	slot = integer_table_lookup(ids->integer_table, id);
	return slot == NULL ? -1 : slot->number;
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

const int32 *
recmf_ids_sort(RecmfIds *ids)
{
	int32	   *new_number = (int32 *) MemoryContextAllocHuge(ids->context,
															  sizeof(int32) * Max((Size) ids->count, 1));
	int32		i;

	if (ids->kind == RECMF_ID_INTEGER)
	{
		IntegerOrder *order = (IntegerOrder *) MemoryContextAllocHuge(ids->context,
																	  sizeof(IntegerOrder) * Max((Size) ids->count, 1));
		integer_table_iterator iterator;
		IntegerSlot *slot;

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

		integer_table_start_iterate(ids->integer_table, &iterator);
		while ((slot = integer_table_iterate(ids->integer_table, &iterator)) != NULL)
			slot->number = new_number[slot->number];
	}
	else
	{
		StringOrder *order = (StringOrder *) MemoryContextAllocHuge(ids->context,
																	sizeof(StringOrder) * Max((Size) ids->count, 1));
		bytes_table_iterator iterator;
		BytesSlot  *slot;

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

		bytes_table_start_iterate(ids->bytes_table, &iterator);
		while ((slot = bytes_table_iterate(ids->bytes_table, &iterator)) != NULL)
			slot->number = new_number[slot->number];
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
