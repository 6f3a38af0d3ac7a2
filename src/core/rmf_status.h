/*
 * rmf_status.h
 *	  What every function of the numeric core that can fail returns.
 *
 * The core never raises, prints or exits: it returns one of these, and the
 * caller turns it into an error of its own with rmf_status_message().
 */
#ifndef RMF_STATUS_H
#define RMF_STATUS_H

#include <stddef.h>

typedef enum rmf_status
{
	RMF_OK = 0,
	RMF_CANCELLED,				/* the caller's poll asked to stop */
	RMF_BAD_ARGUMENT,			/* a length, range or setting out of bounds */
	RMF_NOT_FINITE,				/* arithmetic left the range of a float */
	RMF_SINGULAR,				/* a system could not be solved even with a ridge */
	RMF_OVERFLOW,				/* a size does not fit its type */
	RMF_BLAS_BROKEN				/* rmf_blas_check() found wrong results */
} rmf_status;

/* One English sentence without a full stop; never NULL. */
extern const char *rmf_status_message(rmf_status status);

/*
 * Polled at least every few milliseconds of work.  "cancelled" returns nonzero
 * to stop; it must not jump out.  A NULL rmf_poll pointer means never.
 */
typedef struct rmf_poll
{
	int			(*cancelled) (void *arg);
	void	   *arg;
} rmf_poll;

static inline int
rmf_poll_cancelled(const rmf_poll *poll)
{
	return poll != NULL && poll->cancelled(poll->arg);
}

#endif							/* RMF_STATUS_H */
