/*
 * bench.h
 *	  What the benchmarks of the core share: made-up numbers, a clock.
 */
#ifndef BENCH_H
#define BENCH_H

#include <math.h>
#include <stdint.h>
#include <time.h>

#include "allocate.h"
#include "rmf_random.h"

#define BENCH_TURN 6.283185307179586

static uint64_t random_state;

static inline double
uniform(void)
{
	return (double) (rmf_mix64(random_state++) >> 11) * 0x1p-53;
}

static inline double
normal(void)
{
	return sqrt(-2.0 * log(1.0 - uniform())) * cos(BENCH_TURN * uniform());
}

static inline double
clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

#endif							/* BENCH_H */
