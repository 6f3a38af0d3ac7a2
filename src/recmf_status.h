/*
 * recmf_status.h
 *	  What stands between the core and PostgreSQL.
 */
#ifndef RECMF_STATUS_H
#define RECMF_STATUS_H

#include "postgres.h"

#include "core/rmf_status.h"

/*
 * Raises the error that belongs to a status of the core; does nothing for
 * RMF_OK.  "doing" completes "could not ...", as in "train the model".
 */
extern void recmf_check_status(rmf_status status, const char *doing);

/*
 * An rmf_poll that services pending interrupts and keeps the error that this
 * raises: on RMF_CANCELLED call recmf_check_status(), which raises it.
 */
extern const rmf_poll *recmf_poll(void);

/*
 * Runs a callback of the core, out of which no error may jump: keeps its error
 * for recmf_check_status(); true if there was one, and the core is to stop.
 */
extern bool recmf_run_and_keep_error(void (*callback) (void *arg), void *arg);

#endif							/* RECMF_STATUS_H */
