/*
 * recmf_report.c
 *	  model_report(): what a model is and how good, as one page of HTML.
 *
 * Phases: arguments, and the model's row and tables as for serving; everything
 * that the page shows is gathered by statements as the caller on the snapshot
 * of the query that calls (recmf_report_data.c, recmf_report_lists.c); the page
 * is written (recmf_report_page.c).  Nothing is written to the database, so a
 * report can be had from a standby.
 *
 * Memory: the ids and numbers of the items twice, what recommend_all() takes,
 * and the page.  Locks: AccessShare on the registry, the tables of the model
 * and of the version before, and the source.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "recmf_report.h"
#include "recmf_serve.h"

PG_FUNCTION_INFO_V1(recmf_model_report);

/* model_report()'s arguments, in order */
enum
{
	REPORT_MODEL,
	REPORT_METRICS,
	REPORT_ITEM_NAMES,
	REPORT_K,
	REPORT_MAX_USERS,
	REPORT_EXCLUDE_SEEN,
	REPORT_TITLE
};

static int
k_argument(FunctionCallInfo fcinfo)
{
	int			k = recmf_k_argument(fcinfo, REPORT_K);

	if (k > RECMF_REPORT_MAX_K)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at most %d, not %d", RECMF_REPORT_MAX_K, k),
				 errhint("k is the length of the lists in the report; recommend_all() gives longer ones.")));
	return k;
}

static int64
max_users_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(REPORT_MAX_USERS))
		return 0;
	if (PG_GETARG_INT32(REPORT_MAX_USERS) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_users must be at least 1, not %d", PG_GETARG_INT32(REPORT_MAX_USERS)),
				 errhint("It is the number of users whose lists are looked at; NULL: all of them.")));
	return PG_GETARG_INT32(REPORT_MAX_USERS);
}

Datum
recmf_model_report(PG_FUNCTION_ARGS)
{
	RecmfReportWish wish;
	RecmfReport report;
	Datum		page;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext working;
	bool		read_only = XactReadOnly;

	SPI_connect();
	memset(&wish, 0, sizeof(wish));
	memset(&report, 0, sizeof(report));

	wish.metrics = PG_ARGISNULL(REPORT_METRICS) ? NULL : PG_GETARG_JSONB_P(REPORT_METRICS);
	wish.item_names = recmf_text_argument(fcinfo, REPORT_ITEM_NAMES);
	wish.k = k_argument(fcinfo);
	wish.max_users = max_users_argument(fcinfo);
	wish.exclude_seen = recmf_boolean_argument(fcinfo, REPORT_EXCLUDE_SEEN, "exclude_seen");
	wish.title = recmf_text_argument(fcinfo, REPORT_TITLE);
	report.wish = &wish;
	report.model = recmf_model_lookup(recmf_text_argument(fcinfo, REPORT_MODEL));

	/* what a query or a view of the caller's calls may not write either; an error puts it back */
	XactReadOnly = true;
	recmf_report_gather(&report);
	recmf_report_gather_lists(&report);
	XactReadOnly = read_only;

	working = MemoryContextSwitchTo(caller);
	page = recmf_report_write(&report);
	MemoryContextSwitchTo(working);
	SPI_finish();
	return page;
}
