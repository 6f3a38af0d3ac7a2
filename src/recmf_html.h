/*
 * recmf_html.h
 *	  Writing a page of HTML that is well-formed XML too.
 */
#ifndef RECMF_HTML_H
#define RECMF_HTML_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Text of the server's encoding, escaped for content and for attributes in
 * double quotes.  What is not ASCII becomes a reference by number, so that a
 * page is right whatever encoding it is written in; what XML doesn't allow
 * becomes U+FFFD.
 */
extern void recmf_html_text(StringInfo page, const char *text);

/* The same of what a format makes. */
extern void recmf_html_printf(StringInfo page, const char *format,...) pg_attribute_printf(2, 3);

/* Text that somebody else has written, cut where it is very long, with its own direction of writing. */
extern void recmf_html_name(StringInfo page, const char *name);

/* Numerals for people, palloc'd; "-" for what is no number. */
extern char *recmf_count(int64 count);
extern char *recmf_decimal(double value, int significant);
extern char *recmf_percent(double part, double whole);	/* "12.3%" */

/*
 * Tables.  A header whose first letter is '#' is that of a column of numbers,
 * and the letter is not shown.  Rows: recmf_html_row() with its first cell,
 * which is the row's header, and then a cell for each other column.
 */
extern void recmf_html_table(StringInfo page, const char *caption, int n_columns, const char *const *headers);
extern void recmf_html_row(StringInfo page);
extern void recmf_html_cell(StringInfo page, const char *text);
extern void recmf_html_number(StringInfo page, const char *numeral);
extern void recmf_html_row_header(StringInfo page, const char *text);
extern void recmf_html_row_end(StringInfo page);
extern void recmf_html_table_end(StringInfo page);

#endif							/* RECMF_HTML_H */
