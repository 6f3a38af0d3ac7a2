/*
 * rmf_random.h
 *	  Hashing and random numbers of our own, since what they give reaches the
 *	  disk: the same key and seed give the same bits on every machine, for ever.
 */
#ifndef RMF_RANDOM_H
#define RMF_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* A bijective mixer of 64 bits (the finaliser of SplitMix64, Steele et al. 2014). */
static inline uint64_t
rmf_mix64(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* Hash of a byte string; the same on every byte order. */
extern uint64_t rmf_hash_bytes(const void *bytes, size_t length, uint64_t seed);

/* n independent draws of N(0, sd^2) that depend on (key, seed) alone. */
extern void rmf_random_normal(uint64_t key, uint64_t seed, double sd, int64_t n, float *out);

/* The draw of the exponential distribution with mean 1 that a hash stands for; finite and not negative. */
extern double rmf_exponential(uint64_t hash);

#endif							/* RMF_RANDOM_H */
