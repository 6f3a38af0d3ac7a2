/*
 * counting_poll.h
 *	  A poll for the tests that counts its calls and cancels at a given one.
 */
#ifndef COUNTING_POLL_H
#define COUNTING_POLL_H

#include "rmf_status.h"

typedef struct counting_poll
{
	rmf_poll	poll;
	long		calls;
	long		cancel_at;		/* 1 is the first call; 0 is never */
} counting_poll;

static int
count_and_cancel(void *arg)
{
	counting_poll *counter = arg;

	return ++counter->calls == counter->cancel_at;
}

/* The counter must stay where it is: the poll points to it. */
static inline const rmf_poll *
start_poll(counting_poll *counter, long cancel_at)
{
	counter->poll.cancelled = count_and_cancel;
	counter->poll.arg = counter;
	counter->calls = 0;
	counter->cancel_at = cancel_at;
	return &counter->poll;
}

#endif							/* COUNTING_POLL_H */
