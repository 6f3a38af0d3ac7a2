/*
 * recmf_html.c
 *	  Writing a page of HTML that is well-formed XML too.
 *
 * Elements are written by whoever has something to say; here is what must be
 * the same everywhere: text and how it is escaped, numbers, tables.
 *
 * Memory: the caller's context, for pieces that are small beside the page.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>

#include "mb/pg_wchar.h"

#include "core/rmf_chart.h"
#include "recmf_html.h"

/* Names longer than so many characters are cut. */
#define LONGEST_NAME 160

#define REPLACEMENT 0xFFFD

/* ------------------------------------------------------------------------
 * Text
 * ------------------------------------------------------------------------
 */

/* Whether both XML and HTML allow a character; HTML takes numbers from 128 to 159 for others. */
static bool
is_allowed(pg_wchar c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	if (c < 0x7F)
		return true;
	return c > 0x9F && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) && (c & 0xFFFE) != 0xFFFE &&
		(c < 0xFDD0 || c > 0xFDEF);
}

static void
put_character(StringInfo page, pg_wchar c)
{
	if (!is_allowed(c))
		c = REPLACEMENT;
	switch (c)
	{
		case '&':
			appendStringInfoString(page, "&amp;");
			break;
		case '<':
			appendStringInfoString(page, "&lt;");
			break;
		case '>':
			appendStringInfoString(page, "&gt;");
			break;
		case '"':
			appendStringInfoString(page, "&quot;");
			break;
		case '\'':
			appendStringInfoString(page, "&#39;");
			break;
		case '\n':
			appendStringInfoChar(page, '\n');
			break;
		case '\t':
		case '\r':
			appendStringInfoChar(page, ' ');
			break;
		default:
			if (c < 0x7F)
				appendStringInfoChar(page, (char) c);
			else
				appendStringInfo(page, "&#x%X;", (unsigned) c);
	}
}

/*
 * The text as UTF-8.  A database without an encoding, or one that PostgreSQL
 * doesn't convert, gives it as it is: what isn't UTF-8 in it is replaced.
 */
static const char *
to_utf8(const char *text)
{
	switch (GetDatabaseEncoding())
	{
		case PG_UTF8:
		case PG_SQL_ASCII:
		case PG_MULE_INTERNAL:
			return text;
		default:
			return pg_server_to_any(text, strlen(text), PG_UTF8);
	}
}

/* At most so many characters; "..." in place of the others. */
static void
put_text(StringInfo page, const char *text, int most)
{
	const unsigned char *at = (const unsigned char *) to_utf8(text);
	const unsigned char *end = at + strlen((const char *) at);
	int			n = 0;

	for (; at < end; n++)
	{
		int			length = pg_utf_mblen(at);

		if (n == most)
		{
			put_character(page, 0x2026);
			return;
		}
		if (*at < 0x80)
			put_character(page, *at++);
		else if (length <= end - at && length > 1 && pg_utf8_islegal(at, length))
		{
			put_character(page, utf8_to_unicode(at));
			at += length;
		}
		else
		{
			put_character(page, REPLACEMENT);
			at++;
		}
	}
}

void
recmf_html_text(StringInfo page, const char *text)
{
	put_text(page, text, INT_MAX);
}

void
recmf_html_printf(StringInfo page, const char *format,...)
{
	StringInfoData text;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	recmf_html_text(page, text.data);
	pfree(text.data);
}

void
recmf_html_name(StringInfo page, const char *name)
{
	appendStringInfoString(page, "<bdi>");
	put_text(page, name, LONGEST_NAME);
	appendStringInfoString(page, "</bdi>");
}

/* ------------------------------------------------------------------------
 * Numbers
 * ------------------------------------------------------------------------
 */

char *
recmf_count(int64 count)
{
	char		numeral[RMF_NUMERAL];

	rmf_numeral_count(count, numeral);
	return pstrdup(numeral);
}

char *
recmf_decimal(double value, int significant)
{
	char		numeral[RMF_NUMERAL];

	if (!isfinite(value))
		return pstrdup("-");
	rmf_numeral(value, significant, numeral);
	return pstrdup(numeral);
}

char *
recmf_percent(double part, double whole)
{
	char		numeral[RMF_NUMERAL];
	double		percent = 100 * part / whole;

	if (!isfinite(percent))
		return pstrdup("-");
	if (percent != 0 && fabs(percent) < 0.1)
		rmf_numeral(percent, 1, numeral);
	else
		rmf_numeral_fixed(percent, 1, numeral);
	return psprintf("%s%%", numeral);
}

/* ------------------------------------------------------------------------
 * Tables
 * ------------------------------------------------------------------------
 */

/* A wide one scrolls by itself, which needs the keyboard's focus. */
void
recmf_html_table(StringInfo page, const char *caption, int n_columns, const char *const *headers)
{
	int			i;

	appendStringInfoString(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"");
	recmf_html_text(page, caption);
	appendStringInfoString(page, "\"><table><caption>");
	recmf_html_text(page, caption);
	appendStringInfoString(page, "</caption><thead><tr>");
	for (i = 0; i < n_columns; i++)
	{
		bool		is_number = headers[i][0] == '#';

		appendStringInfo(page, "<th scope=\"col\"%s>", is_number ? " class=\"n\"" : "");
		recmf_html_text(page, headers[i] + is_number);
		appendStringInfoString(page, "</th>");
	}
	appendStringInfoString(page, "</tr></thead><tbody>\n");
}

void
recmf_html_row(StringInfo page)
{
	appendStringInfoString(page, "<tr>");
}

void
recmf_html_row_header(StringInfo page, const char *text)
{
	appendStringInfoString(page, "<tr><th scope=\"row\">");
	recmf_html_text(page, text);
	appendStringInfoString(page, "</th>");
}

void
recmf_html_cell(StringInfo page, const char *text)
{
	appendStringInfoString(page, "<td>");
	recmf_html_text(page, text);
	appendStringInfoString(page, "</td>");
}

void
recmf_html_number(StringInfo page, const char *numeral)
{
	appendStringInfoString(page, "<td class=\"n\">");
	recmf_html_text(page, numeral);
	appendStringInfoString(page, "</td>");
}

void
recmf_html_row_end(StringInfo page)
{
	appendStringInfoString(page, "</tr>\n");
}

void
recmf_html_table_end(StringInfo page)
{
	appendStringInfoString(page, "</tbody></table></div>\n");
}
