/*
 * recmf_mips_cost.c
 *	  What a scan of a mips index costs, for the planner.
 *
 * The planner takes a share of the cost between startup and total for a LIMIT,
 * the share of rows that it takes.  So startup has what the first row costs
 * already: META, the tail, the directory, and the pages that have to be read
 * before any bound allows a row to be returned.  The rest is spread evenly:
 * the other pages, and for each row its way through two heaps (the scan's and
 * the executor's, which copies the row and computes its true distance); its
 * fetch from the table is added by the planner.
 *
 * How many pages come before the first row depends on norms and directions that
 * no statistics tell.  The estimate lies between what searches of trained
 * factors read (test/bench/serve: 1.8 of 3.7 thousand, 5 of 41 thousand entries
 * at 64 dimensions) and of made-up ones (11, 28 and 53 thousand of 27, 200 and
 * 1,000 thousand), within about a factor of two of each.
 */
#include "postgres.h"

#include <math.h>

#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "recmf_compat.h"
#include "recmf_mips.h"

/* Entries that are scored before the first row, of n: this times n to the power of that. */
#define FIRST_SCORED 60.0
#define FIRST_SCORED_POWER 0.45

/* To score one entry, in operators, at 64 dimensions. */
#define SCORE_OPERATORS 0.1

/* What a row costs on its way through the two heaps, in operators, for each level of a heap. */
#define HEAP_OPERATORS 8.0

static double
log2_of(double n)
{
	return n > 2.0 ? log2(n) : 1.0;
}

void
recmf_mips_cost_estimate(struct PlannerInfo *root, struct IndexPath *path, double loop_count,
						 Cost *startup_cost, Cost *total_cost, Selectivity *selectivity,
						 double *correlation, double *pages)
{
	IndexOptInfo *index_info = path->indexinfo;
	double		n = Max(index_info->tuples, 1.0);
	double		all_pages = Max(index_info->pages, 1.0);
	double		first_share;
	double		first_pages;
	double		random_page_cost_here;
	double		score_cost;
	double		row_cost;
	QualCost	orderby_cost;
	RecmfMipsMeta meta;
	Relation	index;

	/* Without ORDER BY a scan is impossible. */
	if (path->indexorderbys == NIL)
	{
		*startup_cost = *total_cost = get_float8_infinity();
		*selectivity = 0;
		*correlation = 0;
		*pages = 0;
		recmf_disable_path(&path->path);
		return;
	}

	index = index_open(index_info->indexoid, NoLock);
	recmf_mips_read_meta(index, &meta);
	index_close(index, NoLock);

	get_tablespace_page_costs(index_info->reltablespace, &random_page_cost_here, NULL);
	score_cost = cpu_operator_cost * SCORE_OPERATORS * Max(meta.dimensions, 1) / 64.0;

	first_share = Min(FIRST_SCORED * pow(n, FIRST_SCORED_POWER) / n, 1.0);
	first_pages = Min(1.0 + meta.tail_pages + meta.n_runs + ceil(first_share * all_pages), all_pages);

	/* In a nested loop, pages that one scan has read are there for the next. */
	if (loop_count > 1)
		*pages = index_pages_fetched(all_pages * loop_count, index_info->pages, all_pages, root) /
			loop_count;
	else
		*pages = all_pages;

	cost_qual_eval(&orderby_cost, path->indexorderbys, root);
	row_cost = orderby_cost.per_tuple + cpu_tuple_cost +
		HEAP_OPERATORS * cpu_operator_cost * log2_of(n);

	*selectivity = clauselist_selectivity(root, add_predicate_to_index_quals(index_info, NIL),
										  index_info->rel->relid, JOIN_INNER, NULL);
	*correlation = 0;
	*startup_cost = orderby_cost.startup +
		(*pages / all_pages) * first_pages * random_page_cost_here +
		first_share * n * score_cost;
	*total_cost = orderby_cost.startup + *pages * random_page_cost_here + n * (score_cost + row_cost);
}
