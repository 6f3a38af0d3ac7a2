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

#endif							/* RECMF_COMPAT_H */
