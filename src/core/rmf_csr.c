/*
 * rmf_csr.c
 *	  Building, transposing and summarising sparse matrices.
 *
 * Phases of a build, with the triples' own arrays as the second buffer:
 *	 1. check the indexes and count the columns;
 *	 2. counting sort by column, from the triples into the matrix' arrays
 *		(which keep row numbers in "column" for the while);
 *	 3. counting sort by row, back into the triples' arrays; since columns are
 *		visited in order, each row's columns ascend;
 *	 4. merge runs of one (row, column) into the matrix' arrays for good.
 * A run is sorted by value first, so its sum does not depend on the order in
 * which the triples came.
 */
#include <math.h>
#include <string.h>

#include "rmf_csr.h"

/* How many entries are handled between two polls. */
#define POLL_ENTRIES 16384

/* Runs up to this length are sorted by insertion. */
#define SHORT_RUN 16

#define POLL_DUE(t) ((t) % POLL_ENTRIES == 0)

/* Turns counts into starts: start[i] becomes the sum of the counts before i. */
static void
counts_to_starts(int64_t n, int64_t *start)
{
	int64_t		sum = 0;

	for (int64_t i = 0; i <= n; i++)
	{
		int64_t		count = start[i];

		start[i] = sum;
		sum += count;
	}
}

/* After start[i]++ for each entry of i, start[i] is where i + 1 begins: shift back. */
static void
rewind_starts(int64_t n, int64_t *start)
{
	memmove(start + 1, start, (size_t) n * sizeof(int64_t));
	start[0] = 0;
}

static void
sift_down(float *value, int64_t root, int64_t n)
{
	for (;;)
	{
		int64_t		child = 2 * root + 1;
		float		swap;

		if (child >= n)
			return;
		if (child + 1 < n && value[child + 1] > value[child])
			child++;
		if (value[root] >= value[child])
			return;
		swap = value[root];
		value[root] = value[child];
		value[child] = swap;
		root = child;
	}
}

/* Ascending, in place; a heap sort where the run is long, for it needs no memory. */
static rmf_status
sort_values(int64_t n, float *value, const rmf_poll *poll)
{
	if (n <= SHORT_RUN)
	{
		for (int64_t i = 1; i < n; i++)
		{
			float		moved = value[i];
			int64_t		j = i;

			for (; j > 0 && value[j - 1] > moved; j--)
				value[j] = value[j - 1];
			value[j] = moved;
		}
		return RMF_OK;
	}

	for (int64_t root = n / 2 - 1; root >= 0; root--)
	{
		if (root > 0 && POLL_DUE(root) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		sift_down(value, root, n);
	}
	for (int64_t last = n - 1; last > 0; last--)
	{
		float		largest = value[0];

		if (POLL_DUE(last) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		value[0] = value[last];
		value[last] = largest;
		sift_down(value, 0, last);
	}
	return RMF_OK;
}

/* One value for a run of them. */
static rmf_status
merge_run(int64_t n, float *value, rmf_merge merge, float *merged, const rmf_poll *poll)
{
	double		sum = 0;
	rmf_status	status = sort_values(n, value, poll);

	if (status != RMF_OK)
		return status;
	for (int64_t t = 0; t < n; t++)
	{
		if (t > 0 && POLL_DUE(t) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		sum += value[t];
	}
	*merged = (float) (merge == RMF_MERGE_MEAN ? sum / (double) n : sum);
	return isfinite(*merged) ? RMF_OK : RMF_NOT_FINITE;
}

/* Phase 4.  On entry csr->start holds the rows' starts in the sorted triples. */
static rmf_status
merge_runs(const int32_t *column, float *value, rmf_merge merge, rmf_csr *csr,
		   const rmf_poll *poll)
{
	int64_t		kept = 0;
	int64_t		from = 0;
	int64_t		next_poll = 0;

	for (int64_t r = 0; r < csr->n_rows; r++)
	{
		int64_t		end = csr->start[r + 1];

		csr->start[r] = kept;
		while (from < end)
		{
			int64_t		next = from + 1;
			rmf_status	status;

			if (from >= next_poll)
			{
				if (rmf_poll_cancelled(poll))
					return RMF_CANCELLED;
				next_poll = from + POLL_ENTRIES;
			}
			while (next < end && column[next] == column[from])
				next++;
			status = merge_run(next - from, value + from, merge, &csr->value[kept], poll);
			if (status != RMF_OK)
				return status;
			csr->column[kept++] = column[from];
			from = next;
		}
	}
	csr->start[csr->n_rows] = kept;
	csr->n_entries = kept;
	return RMF_OK;
}

rmf_status
rmf_csr_build(int64_t n, int32_t *row, int32_t *column, float *value, rmf_merge merge,
			  rmf_csr *csr, int64_t *scratch, const rmf_poll *poll)
{
	int64_t	   *row_start = csr->start;
	int64_t	   *column_start = scratch;
	int64_t		t;

	if (n < 0 || csr->n_rows < 0 || csr->n_columns < 0)
		return RMF_BAD_ARGUMENT;

	/* 1 */
	memset(row_start, 0, (size_t) (csr->n_rows + 1) * sizeof(int64_t));
	memset(column_start, 0, (size_t) (csr->n_columns + 1) * sizeof(int64_t));
	for (t = 0; t < n; t++)
	{
		if (POLL_DUE(t) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		if (row[t] < 0 || row[t] >= csr->n_rows || column[t] < 0 || column[t] >= csr->n_columns)
			return RMF_BAD_ARGUMENT;
		row_start[row[t]]++;
		column_start[column[t]]++;
	}
	counts_to_starts(csr->n_rows, row_start);
	counts_to_starts(csr->n_columns, column_start);

	/* 2 */
	for (t = 0; t < n; t++)
	{
		int64_t		to = column_start[column[t]]++;

		if (POLL_DUE(t) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		csr->column[to] = row[t];
		csr->value[to] = value[t];
	}
	rewind_starts(csr->n_columns, column_start);

	/* 3 */
	for (int64_t c = 0; c < csr->n_columns; c++)
	{
		for (t = column_start[c]; t < column_start[c + 1]; t++)
		{
			int64_t		to = row_start[csr->column[t]]++;

			if (POLL_DUE(t) && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			column[to] = (int32_t) c;
			value[to] = csr->value[t];
		}
	}
	rewind_starts(csr->n_rows, row_start);

	/* 4 */
	return merge_runs(column, value, merge, csr, poll);
}

rmf_status
rmf_csr_transpose(const rmf_csr *in, rmf_csr *out, int64_t *scratch, const rmf_poll *poll)
{
	out->n_rows = in->n_columns;
	out->n_columns = in->n_rows;
	out->n_entries = in->n_entries;

	memset(scratch, 0, (size_t) (in->n_columns + 1) * sizeof(int64_t));
	for (int64_t t = 0; t < in->n_entries; t++)
	{
		if (POLL_DUE(t) && rmf_poll_cancelled(poll))
			return RMF_CANCELLED;
		scratch[in->column[t]]++;
	}
	counts_to_starts(in->n_columns, scratch);
	memcpy(out->start, scratch, (size_t) (in->n_columns + 1) * sizeof(int64_t));

	for (int64_t r = 0; r < in->n_rows; r++)
	{
		for (int64_t t = in->start[r]; t < in->start[r + 1]; t++)
		{
			int64_t		to = scratch[in->column[t]]++;

			if (POLL_DUE(t) && rmf_poll_cancelled(poll))
				return RMF_CANCELLED;
			out->column[to] = (int32_t) r;
			out->value[to] = in->value[t];
		}
	}
	return RMF_OK;
}

void
rmf_relabel(int64_t n, int32_t *label, const int32_t *new_label)
{
	for (int64_t t = 0; t < n; t++)
		label[t] = new_label[label[t]];
}

void
rmf_csr_stats_add(rmf_csr_stats *stats, int64_t n, const float *value)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		v = value[t];

		stats->sum += v;
		if (stats->n_entries + t == 0 || v < stats->min)
			stats->min = v;
		if (stats->n_entries + t == 0 || v > stats->max)
			stats->max = v;
	}
	stats->n_entries += n;
	if (stats->n_entries > 0)
		stats->mean = stats->sum / (double) stats->n_entries;
}

void
rmf_csr_stats_deviate(rmf_csr_stats *stats, int64_t n, const float *value)
{
	for (int64_t t = 0; t < n; t++)
	{
		double		deviation = value[t] - stats->mean;

		stats->squares += deviation * deviation;
	}
	if (stats->n_entries > 0)
		stats->sd = sqrt(stats->squares / (double) stats->n_entries);
}

void
rmf_csr_summarize(const rmf_csr *csr, rmf_csr_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	rmf_csr_stats_add(stats, csr->n_entries, csr->value);
	rmf_csr_stats_deviate(stats, csr->n_entries, csr->value);
}
