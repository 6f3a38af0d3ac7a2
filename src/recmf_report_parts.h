/*
 * recmf_report_parts.h
 *	  What the sections of a report have in common (recmf_report_parts.c), and the
 *	  sections that have a file of their own.
 */
#ifndef RECMF_REPORT_PARTS_H
#define RECMF_REPORT_PARTS_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "recmf_report.h"

/* In the order of the page. */
enum
{
	RECMF_SECTION_QUALITY,
	RECMF_SECTION_TRAINING,
	RECMF_SECTION_FACTORS,
	RECMF_SECTION_COVERAGE,
	RECMF_SECTION_ITEMS,
	RECMF_SECTION_USERS,
	RECMF_SECTION_SIMILAR,
	RECMF_SECTION_DRIFT,
	RECMF_SECTION_OPTIONS,
	RECMF_REPORT_SECTIONS
};

typedef struct RecmfReportSection
{
	const char *id;
	const char *heading;
} RecmfReportSection;

extern const RecmfReportSection recmf_report_sections[RECMF_REPORT_SECTIONS];

extern void recmf_report_open_section(StringInfo page, int section);
extern void recmf_report_close_section(StringInfo page);

#define recmf_report_paragraph(page, ...) \
	(appendStringInfoString(page, "<p>"), recmf_html_printf(page, __VA_ARGS__), appendStringInfoString(page, "</p>\n"))

/* An item by its name, if it has one, and its id. */
extern void recmf_report_item(StringInfo page, const RecmfReport *report, const char *id);

/* A cell: a number with a second line, smaller. */
extern void recmf_report_number_and_note(StringInfo page, const char *numeral, const char *note);

/* Palloc'd: "1.5 s"; "3 users". */
extern char *recmf_report_seconds(double seconds);
extern const char *recmf_report_plural(int64 n, const char *one, const char *many);
extern char *recmf_report_counted(int64 n, const char *one, const char *many);

/* The validation of the iteration whose factors were kept, or NaN. */
extern double recmf_report_validation(const RecmfReportVersion *version);
extern const char *recmf_report_metric_title(const char *metric);

/* recmf_report_quality.c */
extern void recmf_report_quality(StringInfo page, const RecmfReport *report);

/* recmf_report_drift.c */
extern void recmf_report_drift(StringInfo page, const RecmfReport *report);

#endif							/* RECMF_REPORT_PARTS_H */
