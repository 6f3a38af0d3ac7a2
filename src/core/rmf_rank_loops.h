/*
 * rmf_rank_loops.h
 *	  The kernel of rmf_rank_levels.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_LANE_BYTES	bytes of a vector register
 *	RMF_RANK_TABLE	the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use those registers.
 *
 * A tile of scores, some items by the group's lanes, is summed in registers and
 * compared there with the limits: scores never go to memory, but for tiles with
 * something hidden.
 */
#include "rmf_lanes.h"
#include "rmf_rank_levels.h"

/* What fits the registers: 32 of 64 bytes, 16 of the others. */
#define TILE_ROWS (LANES == 16 ? 8 : 4)
#define TILE_VECTORS 3
#define GROUP (TILE_VECTORS * LANES)

typedef int32_t counts __attribute__((vector_size(RMF_LANE_BYTES), may_alias));

/* One more in each lane whose score is not below the limit; NaN is not. */
static ALWAYS_INLINE counts
count_lanes(counts n, lanes score, lanes limit)
{
#if RMF_LANE_BYTES == 64
	return (counts) _mm512_mask_sub_epi32((__m512i) n, _mm512_cmp_ps_mask((__m512) score, (__m512) limit, _CMP_NLT_UQ),
										  (__m512i) n, _mm512_set1_epi32(-1));
#else
	return n + 1 + (counts) (score < limit);
#endif
}

/* Takes away the scores of hidden cells, and of rows past the last item.  Returns what is hidden next. */
static __attribute__((noinline)) const uint16_t *
hide(const rmf_rank_block *block, int32_t first, const uint16_t *hidden, lanes sum[TILE_ROWS][TILE_VECTORS])
{
	float		score[TILE_ROWS * GROUP];
	int32_t		rest = block->n - first;

	memcpy(score, sum, sizeof(score));
	for (; hidden < block->hidden_end && *hidden < (first + TILE_ROWS) * GROUP; hidden++)
		score[*hidden - first * GROUP] = -INFINITY;
	for (int32_t c = rest * GROUP; c < TILE_ROWS * GROUP; c++)
		score[c] = -INFINITY;
	memcpy(sum, score, sizeof(score));
	return hidden;
}

static ALWAYS_INLINE void
multiply(const rmf_rank_block *block, int32_t first, lanes sum[TILE_ROWS][TILE_VECTORS])
{
	const float *row[TILE_ROWS];
	const float *users = block->users;

	UNROLL
	for (int i = 0; i < TILE_ROWS; i++)
	{
		int32_t		item = first + i < block->n ? first + i : block->n - 1;

		row[i] = block->rows + (size_t) item * (size_t) block->dimensions;
		UNROLL
		for (int b = 0; b < TILE_VECTORS; b++)
			sum[i][b] = (lanes) {0};
	}
	for (int32_t t = 0; t < block->dimensions; t++, users += GROUP)
	{
		UNROLL
		for (int i = 0; i < TILE_ROWS; i++)
		{
			float		x = row[i][t];

			UNROLL
			for (int b = 0; b < TILE_VECTORS; b++)
				sum[i][b] += x * LOAD(users + b * LANES);
		}
	}
}

static void
count(const rmf_rank_block *block)
{
	const uint16_t *hidden = block->hidden;

	for (int32_t first = 0; first < block->n; first += TILE_ROWS)
	{
		lanes		sum[TILE_ROWS][TILE_VECTORS];

		multiply(block, first, sum);
		if (first + TILE_ROWS > block->n ||
			(hidden < block->hidden_end && *hidden < (first + TILE_ROWS) * GROUP))
		{
			lanes		tile[TILE_ROWS][TILE_VECTORS];

			/* a copy, so that the sums themselves need no address */
			memcpy(tile, sum, sizeof(tile));
			hidden = hide(block, first, hidden, tile);
			memcpy(sum, tile, sizeof(tile));
		}
		for (int32_t j = 0; j < block->n_limits; j++)
		{
			const float *limit = block->limit + (size_t) j * GROUP;
			int32_t    *before = block->before + (size_t) j * GROUP;

			UNROLL
			for (int b = 0; b < TILE_VECTORS; b++)
			{
				counts		n = *(const counts *) (before + b * LANES);
				lanes		least = LOAD(limit + b * LANES);

				UNROLL
				for (int i = 0; i < TILE_ROWS; i++)
					n = count_lanes(n, sum[i][b], least);
				*(counts *) (before + b * LANES) = n;
			}
		}
	}
}

static const rmf_rank_kernels kernels = {GROUP, count};

const rmf_rank_kernels *const RMF_RANK_TABLE = &kernels;
