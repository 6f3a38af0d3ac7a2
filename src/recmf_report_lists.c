/*
 * recmf_report_lists.c
 *	  What a report says of users' lists: which part of the catalogue they have
 *	  in them, how evenly, and how much of them the version before had too;
 *	  and the names of all items that the page shows.
 *
 * Lists come from recommend_all()'s machinery, for a sample of the users that
 * is the same in every report: those whose ids have the least hashes.  The
 * factors of two versions that were trained apart are turned against each
 * other, so only what doesn't turn is compared: lists and neighbours.
 *
 * Memory: ids and a few numbers of each item; the lists of DRIFT_USERS users.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "core/rmf_spread.h"
#include "recmf_compat.h"
#include "recmf_cursor.h"
#include "recmf_given.h"
#include "recmf_ids.h"
#include "recmf_names.h"
#include "recmf_ranking.h"
#include "recmf_recommend_all.h"
#include "recmf_report.h"
#include "recmf_source.h"

/* Users whose lists, and items whose neighbours, are held against those of the version before. */
#define DRIFT_USERS 1000
#define DRIFT_ITEMS 100
#define DRIFT_NEIGHBOURS 10
#define DRIFT_SHOWN 5
#define DRIFT_SHOWN_NEIGHBOURS 5

/* Items beyond the most popular fifth are the tail. */
#define HEAD_PART 5

/* The items of the active version, numbered by ascending id. */
typedef struct Catalogue
{
	const RecmfModel *model;
	RecmfIds   *ids;
	int32		n;
	int32		room;
	int64	   *n_ratings;
	int64	   *n_lists;		/* that an item is in */
} Catalogue;

static bool
take_item(TupleTableSlot *slot, void *arg)
{
	Catalogue  *catalogue = (Catalogue *) arg;
	int32		number = recmf_ids_intern(catalogue->ids, slot->tts_values[0]);

	if (number == catalogue->room)
	{
		catalogue->room *= 2;
		catalogue->n_ratings = repalloc_huge(catalogue->n_ratings, sizeof(int64) * catalogue->room);
	}
	if (number == catalogue->n)
		catalogue->n_ratings[catalogue->n++] = slot->tts_isnull[1] ? 0 : Max(DatumGetInt32(slot->tts_values[1]), 0);
	return true;
}

static void
read_catalogue(const RecmfModel *model, Catalogue *catalogue)
{
	RecmfStatement statement = {0};

	catalogue->model = model;
	catalogue->ids = recmf_ids_create(CurrentMemoryContext, model->item_type, "item_id");
	catalogue->n = 0;
	catalogue->room = 1024;
	catalogue->n_ratings = (int64 *) palloc(sizeof(int64) * catalogue->room);
	statement.text = psprintf("SELECT t.item_id, t.n_ratings FROM %s t WHERE t.item_id IS NOT NULL AND t.factor IS NOT NULL"
							  " ORDER BY t.item_id%s",
							  recmf_qualified_name(model->items), recmf_id_collation(model->item_type));
	recmf_cursor_run(&statement, take_item, catalogue);
	catalogue->n_lists = (int64 *) palloc_extended(sizeof(int64) * Max(catalogue->n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* So many users, at most, by the hash of their ids: a SELECT for "users"; NULL: all of them. */
static char *
sample(const RecmfModel *model, int64 n_users, int64 most)
{
	if (most == 0 || n_users <= most)
		return NULL;
	return psprintf("SELECT t.user_id FROM %s t WHERE t.user_id IS NOT NULL AND t.factor IS NOT NULL"
					" ORDER BY pg_catalog.hashtextextended(t.user_id::pg_catalog.text COLLATE pg_catalog.\"C\", 0), t.user_id%s"
					" LIMIT " INT64_FORMAT,
					recmf_qualified_name(model->users), recmf_id_collation(model->user_type), most);
}

/* ------------------------------------------------------------------------
 * Coverage
 * ------------------------------------------------------------------------
 */

/* Whose lists come, and what they are counted into. */
typedef struct Counting
{
	Catalogue  *catalogue;
	RecmfReportCoverage *coverage;
} Counting;

/* The catalogue's number of an item of a list, -1 where it has none. */
static int32
number_in(const Catalogue *catalogue, const RecmfIds *items, int32 item)
{
	return recmf_ids_lookup(catalogue->ids, recmf_ids_get(items, item));
}

static void
count_list(void *arg, Datum user, const RecmfIds *items, int n, const rmf_scored *best)
{
	Counting   *counting = (Counting *) arg;
	int			i;

	counting->coverage->n_users++;
	counting->coverage->n_listed += n > 0;
	counting->coverage->n_entries += n;
	for (i = 0; i < n; i++)
	{
		int32		number = number_in(counting->catalogue, items, best[i].index);

		if (number >= 0)
			counting->catalogue->n_lists[number]++;
	}
}

static int
compare_counts(const void *a, const void *b)
{
	int64		count_a = *(const int64 *) a;
	int64		count_b = *(const int64 *) b;

	return (count_a > count_b) - (count_a < count_b);
}

static void
reverse(int64 *counts, int32 n)
{
	int32		i;

	for (i = 0; i < n / 2; i++)
	{
		int64		other = counts[i];

		counts[i] = counts[n - 1 - i];
		counts[n - 1 - i] = other;
	}
}

/* The Gini coefficient of counts, and how many have half of them. */
static double
spread(const int64 *counts, int32 n, int64 *n_half)
{
	int64	   *sorted = (int64 *) palloc_extended(sizeof(int64) * Max(n, 1), MCXT_ALLOC_HUGE);
	double		gini;

	memcpy(sorted, counts, sizeof(int64) * n);
	qsort(sorted, n, sizeof(int64), compare_counts);
	gini = rmf_spread_gini(n, sorted);
	reverse(sorted, n);
	*n_half = rmf_spread_head(n, sorted, 0.5);
	pfree(sorted);
	return gini;
}

/* The most first, by one count and then another; equal ones by ascending id. */
typedef struct Order
{
	const int64 *first;
	const int64 *second;
} Order;

static int
compare_items(const void *a, const void *b, void *arg)
{
	const Order *order = (const Order *) arg;
	int32		item_a = *(const int32 *) a;
	int32		item_b = *(const int32 *) b;

	if (order->first[item_a] != order->first[item_b])
		return order->first[item_a] > order->first[item_b] ? -1 : 1;
	if (order->second[item_a] != order->second[item_b])
		return order->second[item_a] > order->second[item_b] ? -1 : 1;
	return (item_a > item_b) - (item_a < item_b);
}

static int32 *
items_by(const Catalogue *catalogue, const int64 *first, const int64 *second)
{
	Order		order = {first, second};
	int32	   *items = (int32 *) palloc_extended(sizeof(int32) * Max(catalogue->n, 1), MCXT_ALLOC_HUGE);
	int32		i;

	for (i = 0; i < catalogue->n; i++)
		items[i] = i;
	qsort_arg(items, catalogue->n, sizeof(int32), compare_items, &order);
	return items;
}

static int64 *
in_order(const Catalogue *catalogue, const int64 *counts, const int32 *items)
{
	int64	   *ordered = (int64 *) palloc_extended(sizeof(int64) * Max(catalogue->n, 1), MCXT_ALLOC_HUGE);
	int32		i;

	for (i = 0; i < catalogue->n; i++)
		ordered[i] = counts[items[i]];
	return ordered;
}

static char *
item_text(const Catalogue *catalogue, int32 item)
{
	return TextDatumGetCString(recmf_ids_get_text(catalogue->ids, item));
}

/* What the most popular fifth of the items, and not less than one of them, leaves to the others. */
static double
tail(const Catalogue *catalogue, const int64 *ordered)
{
	double		sum = 0;
	double		of_tail = 0;
	int32		head = (catalogue->n + HEAD_PART - 1) / HEAD_PART;
	int32		i;

	for (i = 0; i < catalogue->n; i++)
	{
		sum += (double) ordered[i];
		if (i >= head)
			of_tail += (double) ordered[i];
	}
	return of_tail / sum;
}

static void
sum_up_coverage(RecmfReport *report, Catalogue *catalogue)
{
	RecmfReportCoverage *coverage = &report->coverage;
	int32	   *items;
	int64	   *ordered;
	int32		i;

	coverage->n_items = catalogue->n;
	for (i = 0; i < catalogue->n; i++)
		coverage->n_recommended += catalogue->n_lists[i] > 0;
	coverage->gini_ratings = spread(catalogue->n_ratings, catalogue->n, &coverage->n_half_ratings);
	coverage->gini_recommended = spread(catalogue->n_lists, catalogue->n, &coverage->n_half_recommended);

	/* equally popular items: those that are recommended more come first, so that the curve doesn't flatter the model */
	items = items_by(catalogue, catalogue->n_ratings, catalogue->n_lists);
	ordered = in_order(catalogue, catalogue->n_ratings, items);
	coverage->tail_ratings = tail(catalogue, ordered);
	rmf_spread_curve(catalogue->n, ordered, RECMF_REPORT_POINTS, coverage->ratings);
	ordered = in_order(catalogue, catalogue->n_lists, items);
	coverage->tail_recommended = tail(catalogue, ordered);
	rmf_spread_curve(catalogue->n, ordered, RECMF_REPORT_POINTS, coverage->recommended);

	items = items_by(catalogue, catalogue->n_lists, catalogue->n_ratings);
	report->recommended = (RecmfReportItem *) palloc0(sizeof(RecmfReportItem) * report->wish->k);
	for (i = 0; i < Min(report->wish->k, catalogue->n) && catalogue->n_lists[items[i]] > 0; i++)
	{
		RecmfReportItem *item = &report->recommended[report->n_recommended++];

		item->id = item_text(catalogue, items[i]);
		item->count = catalogue->n_lists[items[i]];
		item->value = (double) catalogue->n_ratings[items[i]];
		item->has_value = true;
	}
}

/* ------------------------------------------------------------------------
 * Drift
 * ------------------------------------------------------------------------
 */

/* A user's list of the active version. */
typedef struct KeptList
{
	Datum		user;
	int			n;
	int32	   *items;			/* the catalogue's numbers */
} KeptList;

typedef struct Kept
{
	const Catalogue *catalogue;
	RecmfReportDrift *drift;
	Oid			user_type;
	MemoryContext context;		/* of the lists */
	int			n;
	int			at;				/* of the old version: users come in the same order */
	double		sum;			/* of the parts that the lists have in common */
	KeptList	lists[DRIFT_USERS];
} Kept;

static void
keep_list(void *arg, Datum user, const RecmfIds *items, int n, const rmf_scored *best)
{
	Kept	   *kept = (Kept *) arg;
	MemoryContext caller;
	KeptList   *list;
	int16		length;
	bool		by_value;
	int			i;

	if (kept->n == DRIFT_USERS)
		return;
	caller = MemoryContextSwitchTo(kept->context);
	list = &kept->lists[kept->n++];
	get_typlenbyval(kept->user_type, &length, &by_value);
	list->user = datumCopy(user, by_value, length);
	list->n = n;
	list->items = (int32 *) palloc(sizeof(int32) * Max(n, 1));
	for (i = 0; i < n; i++)
		list->items[i] = number_in(kept->catalogue, items, best[i].index);
	MemoryContextSwitchTo(caller);
}

static void
compare_list(void *arg, Datum user, const RecmfIds *items, int n, const rmf_scored *best)
{
	Kept	   *kept = (Kept *) arg;
	RecmfReportDrift *drift = kept->drift;
	const KeptList *list;
	int			in_common = 0;
	int			i;
	int			j;

	while (kept->at < kept->n && recmf_id_compare(kept->lists[kept->at].user, user, kept->user_type) < 0)
		kept->at++;
	if (kept->at == kept->n || recmf_id_compare(kept->lists[kept->at].user, user, kept->user_type) != 0)
		return;
	list = &kept->lists[kept->at++];
	if (n == 0 || list->n == 0)
		return;

	for (i = 0; i < n; i++)
	{
		int32		number = number_in(kept->catalogue, items, best[i].index);

		for (j = 0; number >= 0 && j < list->n; j++)
			if (list->items[j] == number)
			{
				in_common++;
				drift->same_first += i == 0 && j == 0;
				break;
			}
	}
	drift->n_users++;
	drift->in_common[in_common]++;
	kept->sum += (double) in_common / list->n;
}

static void
compare_lists(RecmfReport *report, const Catalogue *catalogue, const RecmfModel *before)
{
	RecmfReportDrift *drift = report->drift;
	Kept	   *kept = (Kept *) palloc0(sizeof(Kept));
	RecmfAllWish wish = {report->wish->k, NULL, report->wish->exclude_seen, -INFINITY};

	kept->catalogue = catalogue;
	kept->drift = drift;
	kept->user_type = report->model->user_type;
	kept->context = CurrentMemoryContext;
	wish.users = sample(report->model, report->sides[RMF_USERS].n, DRIFT_USERS);
	recmf_all_lists(report->model, &wish, keep_list, kept);
	/* users that the old version doesn't know get no list from it */
	if (wish.users == NULL)
		wish.users = psprintf("SELECT t.user_id FROM %s t", recmf_qualified_name(report->model->users));
	recmf_all_lists(before, &wish, compare_list, kept);
	drift->k = report->wish->k;
	drift->overlap = kept->sum / (double) drift->n_users;
}

/* How many of the neighbours of one list are in the other. */
static int
common_neighbours(const RecmfReportList *a, const RecmfReportList *b)
{
	int			in_common = 0;
	int			i;
	int			j;

	for (i = 0; i < a->n; i++)
		for (j = 0; j < b->n; j++)
			if (strcmp(a->items[i].id, b->items[j].id) == 0)
			{
				in_common++;
				break;
			}
	return in_common;
}

static int
compare_changed(const void *a, const void *b)
{
	const RecmfReportList *list_a = (const RecmfReportList *) a;
	const RecmfReportList *list_b = (const RecmfReportList *) b;

	if (list_a->value != list_b->value)
		return list_a->value < list_b->value ? -1 : 1;
	if (list_a->count != list_b->count)
		return list_a->count > list_b->count ? -1 : 1;
	return strcmp(list_a->id, list_b->id);
}

static void
compare_neighbours(RecmfReport *report, const Catalogue *catalogue, const RecmfModel *before)
{
	RecmfReportDrift *drift = report->drift;
	int32	   *items = items_by(catalogue, catalogue->n_ratings, catalogue->n_ratings);
	double		sum = 0;
	int32		i;

	drift->changed = (RecmfReportList *) palloc0(sizeof(RecmfReportList) * DRIFT_ITEMS);
	for (i = 0; i < Min(catalogue->n, DRIFT_ITEMS); i++)
	{
		Datum		id = recmf_ids_get(catalogue->ids, items[i]);
		RecmfReportList *now = &drift->changed[drift->n_neighbours];
		RecmfReportList then;

		recmf_report_neighbours(before, id, DRIFT_NEIGHBOURS, &then);
		if (then.n == 0)
			continue;
		recmf_report_neighbours(report->model, id, DRIFT_NEIGHBOURS, now);
		if (now->n == 0)
			continue;
		now->count = catalogue->n_ratings[items[i]];
		now->value = (double) common_neighbours(now, &then) / now->n;
		now->n_others = then.n;
		now->others = then.items;
		sum += now->value;
		drift->n_neighbours++;
	}
	drift->neighbour_overlap = sum / drift->n_neighbours;

	qsort(drift->changed, drift->n_neighbours, sizeof(RecmfReportList), compare_changed);
	while (drift->n_changed < Min(drift->n_neighbours, DRIFT_SHOWN) && drift->changed[drift->n_changed].value < 1)
	{
		RecmfReportList *list = &drift->changed[drift->n_changed++];

		list->n = Min(list->n, DRIFT_SHOWN_NEIGHBOURS);
		list->n_others = Min(list->n_others, DRIFT_SHOWN_NEIGHBOURS);
	}
}

static bool
take_count(TupleTableSlot *slot, void *arg)
{
	*(int64 *) arg = DatumGetInt64(slot->tts_values[0]);
	return true;
}

/* How many rows of a table have an id that another does not have. */
static int64
count_without(Oid table, Oid other, const char *column, Oid type)
{
	RecmfStatement statement = {0};
	int64		n = 0;

	statement.text = psprintf("SELECT pg_catalog.count(*) FROM %s t WHERE NOT EXISTS"
							  " (SELECT 1 FROM %s o WHERE o.%s OPERATOR(pg_catalog.=) t.%s%s)",
							  recmf_qualified_name(table), recmf_qualified_name(other), column, column,
							  recmf_id_collation(type));
	recmf_cursor_run(&statement, take_count, &n);
	return n;
}

static void
gather_drift(RecmfReport *report, const Catalogue *catalogue)
{
	const RecmfModel *model = report->model;
	RecmfReportDrift *drift = report->drift;
	RecmfModel	before = *drift->before.model;

	/* what is left out is the same in both: what users have now */
	before.source_table = model->source_table;
	before.source_query = model->source_query;
	before.source_search_path = model->source_search_path;
	before.user_col = model->user_col;
	before.item_col = model->item_col;

	drift->new_users = count_without(model->users, before.users, "user_id", model->user_type);
	drift->gone_users = count_without(before.users, model->users, "user_id", model->user_type);
	drift->new_items = count_without(model->items, before.items, "item_id", model->item_type);
	drift->gone_items = count_without(before.items, model->items, "item_id", model->item_type);
	compare_lists(report, catalogue, &before);
	compare_neighbours(report, catalogue, &before);
}

/* ------------------------------------------------------------------------
 * Names
 * ------------------------------------------------------------------------
 */

typedef struct Names
{
	int			n;
	int			room;
	RecmfReportName *names;
} Names;

static void
add_name(Names *names, char *id, char *name)
{
	if (names->n == names->room)
	{
		names->room = Max(2 * names->room, 128);
		names->names = names->names == NULL
			? palloc(sizeof(RecmfReportName) * names->room)
			: repalloc(names->names, sizeof(RecmfReportName) * names->room);
	}
	names->names[names->n].id = id;
	names->names[names->n++].name = name;
}

static void
add_items(Names *names, int n, const RecmfReportItem *items)
{
	int			i;

	for (i = 0; i < n; i++)
		add_name(names, items[i].id, NULL);
}

static int
compare_names(const void *a, const void *b)
{
	const RecmfReportName *name_a = (const RecmfReportName *) a;
	const RecmfReportName *name_b = (const RecmfReportName *) b;

	return strcmp(name_a->id, name_b->id);
}

static bool
take_name(TupleTableSlot *slot, void *arg)
{
	if (!slot->tts_isnull[0] && !slot->tts_isnull[1])
		add_name((Names *) arg, TextDatumGetCString(slot->tts_values[0]), TextDatumGetCString(slot->tts_values[1]));
	return true;
}

/* One name for each id; of several, the first in the alphabet. */
static void
read_names(RecmfReport *report)
{
	RecmfStatement statement = {0};
	RecmfCursor *cursor;
	Names		shown = {0};
	Names		found = {0};
	Datum	   *ids;
	char	   *query;
	int			n_columns;
	int			i;

	if (report->wish->item_names == NULL)
		return;
	query = recmf_single_select(report->wish->item_names, "item_names",
								"Give a SELECT with two columns, the ids and names of items.");
	statement.text = psprintf("SELECT * FROM (%s\n) q", query);
	cursor = recmf_cursor_open(&statement);
	n_columns = recmf_cursor_columns(cursor)->natts;
	recmf_cursor_close(cursor);
	if (n_columns != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("item_names must have two columns, not %d", n_columns),
				 errhint("Give a SELECT with two columns, the ids and names of items.")));

	add_items(&shown, report->n_popular, report->popular);
	add_items(&shown, report->n_recommended, report->recommended);
	for (i = 0; i < report->n_users; i++)
	{
		add_items(&shown, report->users[i].n, report->users[i].items);
		add_items(&shown, report->users[i].n_others, report->users[i].others);
	}
	for (i = 0; i < report->n_similar; i++)
	{
		add_name(&shown, report->similar[i].id, NULL);
		add_items(&shown, report->similar[i].n, report->similar[i].items);
	}
	for (i = 0; report->drift != NULL && i < report->drift->n_changed; i++)
	{
		const RecmfReportList *list = &report->drift->changed[i];

		add_name(&shown, list->id, NULL);
		add_items(&shown, list->n, list->items);
		add_items(&shown, list->n_others, list->others);
	}

	ids = (Datum *) palloc(sizeof(Datum) * Max(shown.n, 1));
	for (i = 0; i < shown.n; i++)
		ids[i] = CStringGetTextDatum(shown.names[i].id);
	statement.text = psprintf("SELECT q.id::pg_catalog.text, pg_catalog.min(q.name::pg_catalog.text COLLATE pg_catalog.\"C\")"
							  " FROM (%s\n) AS q(id, name) WHERE q.id::pg_catalog.text COLLATE pg_catalog.\"C\""
							  " OPERATOR(pg_catalog.=) ANY (SELECT pg_catalog.unnest($1)) GROUP BY 1", query);
	recmf_statement_add(&statement, TEXTARRAYOID,
						PointerGetDatum(construct_array(ids, shown.n, TEXTOID, -1, false, TYPALIGN_INT)));
	recmf_cursor_run(&statement, take_name, &found);
	if (found.n > 0)
		qsort(found.names, found.n, sizeof(RecmfReportName), compare_names);
	report->n_names = found.n;
	report->names = found.names;
}

const char *
recmf_report_name(const RecmfReport *report, const char *id)
{
	RecmfReportName wanted;
	RecmfReportName *found;

	if (report->n_names == 0)
		return NULL;
	wanted.id = unconstify(char *, id);
	found = (RecmfReportName *) bsearch(&wanted, report->names, report->n_names, sizeof(RecmfReportName), compare_names);
	return found != NULL ? found->name : NULL;
}

/* ------------------------------------------------------------------------
 * All
 * ------------------------------------------------------------------------
 */

void
recmf_report_gather_lists(RecmfReport *report)
{
	RecmfAllWish wish = {report->wish->k, NULL, report->wish->exclude_seen, -INFINITY};
	Catalogue	catalogue;
	Counting	counting = {&catalogue, &report->coverage};

	read_catalogue(report->model, &catalogue);
	wish.users = sample(report->model, report->sides[RMF_USERS].n, report->wish->max_users);
	recmf_all_lists(report->model, &wish, count_list, &counting);
	sum_up_coverage(report, &catalogue);
	if (report->drift != NULL)
		gather_drift(report, &catalogue);
	read_names(report);
}
