/*
 * rmf_lists.c
 *	  Lists of items by user: see rmf_lists.h.
 *
 * A counting sort by user, then each user's by a heap.
 */
#include <string.h>

#include "rmf_lists.h"
#include "rmf_sort.h"

/* Pairs between two polls. */
#define POLL_PAIRS (1 << 20)

static inline int
is_less(int32_t item_a, int32_t tag_a, int32_t item_b, int32_t tag_b)
{
	return item_a != item_b ? item_a < item_b : tag_a < tag_b;
}

/* Ascending by item, then by tag. */
static void
sort_tagged(int32_t *item, int32_t *tag, int64_t n)
{
	for (int64_t start = n / 2, end = n; end > 1;)
	{
		int32_t		moved_item,
					moved_tag;
		int64_t		hole;

		if (start > 0)
		{
			hole = --start;
			moved_item = item[hole];
			moved_tag = tag[hole];
		}
		else
		{
			moved_item = item[--end];
			moved_tag = tag[end];
			item[end] = item[0];
			tag[end] = tag[0];
			hole = 0;
		}
		for (;;)
		{
			int64_t		child = 2 * hole + 1;

			if (child >= end)
				break;
			if (child + 1 < end && is_less(item[child], tag[child], item[child + 1], tag[child + 1]))
				child++;
			if (!is_less(moved_item, moved_tag, item[child], tag[child]))
				break;
			item[hole] = item[child];
			tag[hole] = tag[child];
			hole = child;
		}
		item[hole] = moved_item;
		tag[hole] = moved_tag;
	}
}

rmf_status
rmf_lists_build(rmf_lists *lists, int64_t n_pairs, const rmf_pair *pairs, const rmf_poll *poll)
{
	int64_t    *start = lists->start;
	int64_t		to = 0;
	int64_t		first;

	memset(start, 0, sizeof(int64_t) * ((size_t) lists->n_users + 1));
	for (int64_t p = 0; p < n_pairs; p++)
	{
		if (p % POLL_PAIRS == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		start[pairs[p].user + 1]++;
	}
	for (int32_t u = 0; u < lists->n_users; u++)
		start[u + 1] += start[u];
	for (int64_t p = 0; p < n_pairs; p++)
	{
		int64_t		at = start[pairs[p].user]++;

		if (p % POLL_PAIRS == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		lists->item[at] = pairs[p].item;
		if (lists->tag != NULL)
			lists->tag[at] = pairs[p].tag;
	}

	/* each start has moved on to the next one's */
	first = 0;
	for (int32_t u = 0; u < lists->n_users; u++)
	{
		int64_t		end = start[u];

		if (u % 1024 == 0 && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		if (lists->tag != NULL)
			sort_tagged(lists->item + first, lists->tag + first, end - first);
		else
			rmf_sort_numbers(lists->item + first, end - first);
		start[u] = to;
		for (int64_t i = first; i < end; i++)
		{
			if (to > start[u] && lists->item[to - 1] == lists->item[i])
				continue;
			lists->item[to] = lists->item[i];
			if (lists->tag != NULL)
				lists->tag[to] = lists->tag[i];
			to++;
		}
		first = end;
	}
	start[lists->n_users] = to;
	return RMF_OK;
}

int64_t
rmf_lists_subtract(rmf_lists *lists, const rmf_lists *other)
{
	int64_t		before = lists->start[lists->n_users];
	int64_t		first = lists->start[0];
	int64_t		to = 0;

	for (int32_t u = 0; u < lists->n_users; u++)
	{
		int64_t		end = lists->start[u + 1];
		int64_t		at = other->start[u];

		lists->start[u] = to;
		for (int64_t i = first; i < end; i++)
		{
			while (at < other->start[u + 1] && other->item[at] < lists->item[i])
				at++;
			if (at < other->start[u + 1] && other->item[at] == lists->item[i])
				continue;
			lists->item[to] = lists->item[i];
			if (lists->tag != NULL)
				lists->tag[to] = lists->tag[i];
			to++;
		}
		first = end;
	}
	lists->start[lists->n_users] = to;
	return before - to;
}
