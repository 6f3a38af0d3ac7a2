/*
 * rmf_rank_levels.h
 *	  How many items of a block come before held-out ones: kernels chosen at run
 *	  time for the processor; private to rmf_rank*.c and their test.
 *
 * A kernel takes a group of users side by side, a lane each, and a block of
 * items.  A score is the sum of its products in the order of the dimensions,
 * by itself in its lane: it has the same bits in whatever company.
 */
#ifndef RMF_RANK_LEVELS_H
#define RMF_RANK_LEVELS_H

#include <stdint.h>

/* Lanes of a group: three registers.  The most and the fewest of all levels. */
#define RMF_RANK_MOST_LANES 48
#define RMF_RANK_FEWEST_LANES 12

/* Items of a block, at most: what is hidden of a group in it has a number of 16 bits. */
#define RMF_RANK_BLOCK 1024

typedef struct rmf_rank_block
{
	int32_t		dimensions;
	int32_t		n;				/* items, >= 1 */
	const float *rows;			/* n x dimensions */
	const float *users;			/* dimensions x lanes */
	int32_t		n_limits;
	const float *limit;			/* n_limits x lanes */
	int32_t    *before;			/* beside limit: grows by the scores that are not below it */
	const uint16_t *hidden;		/* item * lanes + lane, ascending: cells that count nowhere */
	const uint16_t *hidden_end;
} rmf_rank_block;

typedef struct rmf_rank_kernels
{
	int			lanes;
	void		(*count) (const rmf_rank_block *block);
} rmf_rank_kernels;

/* Those of a level (rmf_vector.h), or NULL where the build or the processor lacks it. */
extern const rmf_rank_kernels *rmf_rank_kernels_of(int level);

extern const rmf_rank_kernels *const rmf_rank_baseline;
extern const rmf_rank_kernels *const rmf_rank_avx2;
extern const rmf_rank_kernels *const rmf_rank_avx512;

#endif							/* RMF_RANK_LEVELS_H */
