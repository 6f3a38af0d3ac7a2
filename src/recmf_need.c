/*
 * recmf_need.c
 *	  What a training run takes of recmf.training_memory: see recmf_need.h.
 *
 * Nothing is allocated here but texts.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "recmf_dataset.h"
#include "recmf_need.h"

/*
 * Streamed ratings are loaded so many at a time, if there is room: what the
 * second-level cache holds, and long enough for the disk.
 */
#define USUAL_WINDOW 131072

/* Of an integer id in its dictionary, with the free places there; texts take more. */
#define ESTIMATED_ID_BYTES ((Size) 48)

#define WINDOW_BYTES (sizeof(int32) + 2 * sizeof(float))

#define MEGABYTE ((Size) 1024 * 1024)

void
recmf_need_shape(const rmf_settings *settings, int64 n_users, int64 n_items, rmf_run_shape *shape)
{
	/* sizes do not depend on what the ratings are */
	const rmf_csr_stats ratings = {.n_entries = 1, .sum = 1, .mean = 1, .min = 1, .max = 1};
	rmf_settings resolved = *settings;
	const char *field;

	memset(shape, 0, sizeof(*shape));
	if (rmf_settings_resolve(&resolved, Max(n_users, 1), Max(n_items, 1), &ratings, &field) != RMF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training option \"%s\" has no usable value", field)));
	rmf_problem_init(&shape->problem, &resolved, &ratings);
	shape->level = rmf_cpu_best();
	shape->n[RMF_USERS] = n_users;
	shape->n[RMF_ITEMS] = n_items;
}

void
recmf_need_count(RecmfNeed *need)
{
	Size		ratings = (Size) need->n_ratings;
	Size		entry = sizeof(int32) + sizeof(float) * (need->weighted ? 2 : 1);
	Size		triple = entry + sizeof(int32);
	rmf_run		run;

	need->starts = sizeof(int64) * (Size) (need->shape.n[RMF_USERS] + need->shape.n[RMF_ITEMS] + 2);
	need->entries = need->streams ? 0 : 2 * entry * ratings;
	need->files = need->streams ? (2 * entry + triple) * ratings : 0;
	need->run = rmf_run_lay_out(&need->shape, NULL, &run);
	need->workspace = rmf_run_workspace_size(&need->shape) + RMF_ALIGNMENT;
}

Size
recmf_need_total(const RecmfNeed *need)
{
	return need->ids + need->starts + need->entries + need->run + need->workspace * (Size) need->processes;
}

Size
recmf_need_left(Size taken)
{
	Size		allowed = (Size) recmf_training_memory * 1024;

	return taken < allowed ? allowed - taken : 0;
}

bool
recmf_need_fits(const RecmfNeed *need)
{
	return recmf_need_total(need) <= (Size) recmf_training_memory * 1024;
}

void
recmf_need_for_training(RecmfNeed *need)
{
	int64		window;

	need->shape.window = 0;
	recmf_need_count(need);
	if (!need->streams)
	{
		while (!recmf_need_fits(need) && need->processes > 1)
			need->processes--;
		if (!recmf_need_fits(need))
			recmf_need_error(need, false);
		return;
	}

	for (;;)
	{
		Size		left = recmf_need_left(recmf_need_total(need));

		/* a row must be in memory as a whole */
		window = (int64) (left / need->processes / WINDOW_BYTES);
		window = Min(window, Max(USUAL_WINDOW, need->longest_row));
		if (window >= Max(need->longest_row, 1))
		{
			need->shape.window = window;
			recmf_need_count(need);
			/* its parts are rounded up */
			if (recmf_need_fits(need))
				return;
			need->shape.window = 0;
			recmf_need_count(need);
		}
		if (need->processes == 1)
			break;
		need->processes--;
	}
	need->shape.window = need->longest_row;
	recmf_need_count(need);
	if (!recmf_need_fits(need))
		recmf_need_error(need, false);
}

void
recmf_need_estimate(const rmf_settings *settings, bool weighted, int64 n_rows,
					int64 n_users, int64 n_items, RecmfNeed *need)
{
	memset(need, 0, sizeof(*need));
	recmf_need_shape(settings, Min(n_users, PG_INT32_MAX), Min(n_items, PG_INT32_MAX), &need->shape);
	need->n_ratings = n_rows;
	need->processes = 1;
	need->weighted = weighted;
	need->ids = ESTIMATED_ID_BYTES * (Size) (need->shape.n[RMF_USERS] + need->shape.n[RMF_ITEMS]);
	recmf_need_count(need);
	if (!recmf_need_fits(need) || need->ids + recmf_need_to_sort(n_rows, weighted) > (Size) recmf_training_memory * 1024)
	{
		need->streams = true;
		recmf_need_count(need);
	}
}

Size
recmf_need_to_sort(int64 n_ratings, bool weighted)
{
	Size		triple = 2 * sizeof(int32) + sizeof(float) * (weighted ? 2 : 1);
	Size		entry = triple - sizeof(int32);

	return (triple + 2 * entry) * (Size) n_ratings;
}

static Size
megabytes(Size bytes)
{
	return (bytes + MEGABYTE - 1) / MEGABYTE;
}

void
recmf_need_error(const RecmfNeed *need, bool reading)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("training needs about %zu MB, more than recmf.training_memory allows",
					megabytes(recmf_need_total(need))),
			 errdetail("Even with the ratings in temporary files, %zu MB are needed for ids, %zu MB for factors and %zu MB for the work (users%s: " INT64_FORMAT ", items: " INT64_FORMAT ", factors: %d). recmf.training_memory is %d MB.",
					   megabytes(need->ids + need->starts), megabytes(need->run),
					   megabytes(need->workspace * (Size) need->processes),
					   reading ? " so far" : "", need->shape.n[RMF_USERS], need->shape.n[RMF_ITEMS],
					   need->shape.problem.factors, recmf_training_memory / 1024),
			 errhint("Raise it with SET recmf.training_memory if the machine has the memory, use fewer factors, or train on fewer users and items.")));
}

char *
recmf_need_describe(const RecmfNeed *need)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%zu MB of %d MB: %zu MB for ids, ",
					 megabytes(recmf_need_total(need)), recmf_training_memory / 1024,
					 megabytes(need->ids + need->starts));
	if (!need->streams)
		appendStringInfo(&text, "%zu MB for ratings, ", megabytes(need->entries));
	appendStringInfo(&text, "%zu MB for factors, %zu MB for the work of %d %s",
					 megabytes(need->run), megabytes(need->workspace * (Size) need->processes),
					 need->processes, need->processes == 1 ? "process" : "processes");
	if (need->streams)
		appendStringInfo(&text, "; ratings in %zu MB of temporary files", megabytes(need->files));
	return text.data;
}
