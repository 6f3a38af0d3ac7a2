/*
 * recmf_names.h
 *	  Names in the statements that run inside.
 */
#ifndef RECMF_NAMES_H
#define RECMF_NAMES_H

#include "postgres.h"

/* "schema.table" quoted, for statements. */
extern char *recmf_qualified_name(Oid relation);

/* The type factor. */
extern Oid	recmf_factor_type(void);

/* The schema that the extension is installed in, quoted, for statements. */
extern const char *recmf_schema(void);

/*
 * A statement that runs inside starts and ends with these: search_path is
 * pinned to "path" ("pg_catalog, pg_temp" when NULL) until the matching end
 * or the end of the (sub)transaction.
 */
extern int	recmf_pin_search_path(const char *path);
extern void recmf_unpin_search_path(int nest_level);

#endif							/* RECMF_NAMES_H */
