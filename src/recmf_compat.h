/*
 * recmf_compat.h
 *	  The one place that looks at PG_VERSION_NUM.  PostgreSQL 15 and newer.
 *
 * Each shim stands with its reason.
 */
#ifndef RECMF_COMPAT_H
#define RECMF_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "recmf needs PostgreSQL 15 or newer"
#endif

/*
 * Input functions report bad input "softly" from PostgreSQL 16 on, so that
 * pg_input_is_valid() and COPY ... ON_ERROR can go on; before, they raise.
 */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

#endif							/* RECMF_COMPAT_H */
