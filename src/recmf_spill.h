/*
 * recmf_spill.h
 *	  Ratings that do not fit in memory: sorted in temporary files, and read
 *	  from there by training.
 *
 * Phases: recmf_spill_create(), recmf_spill_add() any number of times, and once
 * all ids are known recmf_spill_finish(), which makes files of entries by users
 * and by items: the very entries that sorting in memory would have made.  Then
 * recmf_spill_ratings() describes either side to training; a parallel worker
 * attaches to the files by their handle first.
 *
 * Files: 12 bytes a rating while rows are read, 16 in the end, 28 at most for a
 * moment; with weights 16, 24 and 40.  They go with the parent's memory context
 * or with the transaction.
 */
#ifndef RECMF_SPILL_H
#define RECMF_SPILL_H

#include "postgres.h"

#include "storage/fileset.h"

#include "core/rmf_als.h"
#include "core/rmf_csr.h"
#include "core/rmf_hold_out.h"

typedef struct RecmfSpill RecmfSpill;

/* What finds the files again in another process; may lie in shared memory. */
typedef struct RecmfSpillHandle
{
	FileSet		files;
	bool		weighted;
} RecmfSpillHandle;

/* weighted: ratings have weights of their own. */
extern RecmfSpill *recmf_spill_create(MemoryContext parent, bool weighted);

/* n ratings, users and items by the numbers of their first appearance; weight: NULL unless weighted. */
extern void recmf_spill_add(RecmfSpill *spill, int64 n, const int32 *user, const int32 *item,
							const float *rating, const float *weight);

extern int64 recmf_spill_count(const RecmfSpill *spill);

/* The least bytes that recmf_spill_finish() works in. */
extern Size recmf_spill_least_memory(int64 n_triples, bool weighted, int64 n_users, int64 n_items);

/*
 * Sorts.  user_number, item_number: first numbers to final ones.  user_start:
 * n_users + 1; item_start: n_items + 1; they are the caller's, and set here.
 * memory: bytes that may be taken for the while, beside these; fewer than
 * recmf_spill_least_memory() are taken as so many.
 *
 * A user or item may have any number of ratings; only ratings of one user and
 * one item must fit in half of the memory together (32 bytes each, 44 with
 * weights), else ERRCODE_PROGRAM_LIMIT_EXCEEDED.
 */
extern void recmf_spill_finish(RecmfSpill *spill, Size memory, rmf_merge merge,
							   int64 n_users, const int32 *user_number, int64 *user_start,
							   int64 n_items, const int32 *item_number, int64 *item_start);

/*
 * Ratings that are held out: begins "choice" and returns their number; then, a
 * side at a time, takes them out of its files and sets its starts anew.  held: a
 * matrix with room for them, or NULL.  Returns how many stay.
 */
extern int64 recmf_spill_choose_held_out(RecmfSpill *spill, rmf_hold_out *choice,
										 int64 n_users, const int64 *user_start, int64 n_items);
extern int64 recmf_spill_hold_out(RecmfSpill *spill, const rmf_hold_out *choice, rmf_side side,
								  int64 n_rows, int64 *start, int64 n_columns, rmf_csr *held);

/* For another process, and how that opens the files to read them; NULL: they are not there any more. */
extern RecmfSpillHandle recmf_spill_handle(const RecmfSpill *spill);
extern RecmfSpill *recmf_spill_attach(MemoryContext parent, const RecmfSpillHandle *handle);

/*
 * One side as training reads it: sets column, value and weight to NULL,
 * has_weight, load and load_arg.  The rest (numbers and starts) is the caller's
 * to set.  A read that fails keeps its error for recmf_check_status().
 */
extern void recmf_spill_ratings(RecmfSpill *spill, rmf_side side, rmf_ratings *ratings);

/* The first n columns of a side. */
extern void recmf_spill_read_columns(const RecmfSpill *spill, rmf_side side, int64 n, int32 *columns);

#endif							/* RECMF_SPILL_H */
