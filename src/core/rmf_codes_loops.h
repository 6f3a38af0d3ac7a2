/*
 * rmf_codes_loops.h
 *	  The kernel of rmf_codes.h for processors with registers for 8 or 16
 *	  products of four bytes, compiled once a level.
 *
 * The including file sets
 *	RMF_CODES_NAME		the level's name, a string
 *	RMF_CODES_TABLE		the name of the kernel that is made here
 *	RMF_CODES_LIMIT		the largest code of a query
 *	and one of RMF_CODES_AVX2, RMF_CODES_AVX512, RMF_CODES_VNNI.
 *
 * Without VNNI two products are added up in 16 bits, with saturation; a query's
 * codes are at most 63 there, so that it never occurs: 2 * 255 * 63 < 2^15.
 *
 * ROWS registers of items times COLUMNS queries are summed at a time, as many as
 * there are registers for: each load then serves several products.
 */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "rmf_codes.h"

#if defined(RMF_CODES_AVX2)

#define LANES 8
#define ROWS 4
#define COLUMNS 2
typedef __m256i integers;
typedef __m256 floats;
#define LOAD(p) _mm256_loadu_si256((const __m256i *) (p))
#define REPEAT(x) _mm256_set1_epi32(x)
#define ADD_PRODUCTS(sum, codes, query) \
	_mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, query), _mm256_set1_epi16(1)))
#define LOAD_FLOATS(p) _mm256_loadu_ps(p)
#define REPEAT_FLOAT(x) _mm256_set1_ps(x)
#define TO_FLOATS(x) _mm256_cvtepi32_ps(x)
#define MULTIPLY(a, b) _mm256_mul_ps(a, b)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define NOT_LESS(a, b) (uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ))

#else

#define LANES 16
#define ROWS 4
#define COLUMNS 4
typedef __m512i integers;
typedef __m512 floats;
#define LOAD(p) _mm512_loadu_si512(p)
#define REPEAT(x) _mm512_set1_epi32(x)
#if defined(RMF_CODES_VNNI)
#define ADD_PRODUCTS(sum, codes, query) _mm512_dpbusd_epi32(sum, codes, query)
#else
#define ADD_PRODUCTS(sum, codes, query) \
	_mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(codes, query), _mm512_set1_epi16(1)))
#endif
#define LOAD_FLOATS(p) _mm512_loadu_ps(p)
#define REPEAT_FLOAT(x) _mm512_set1_ps(x)
#define TO_FLOATS(x) _mm512_cvtepi32_ps(x)
#define MULTIPLY(a, b) _mm512_mul_ps(a, b)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define NOT_LESS(a, b) (uint32_t) _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ)

#endif

static inline int32_t
four_codes(const int8_t *codes)
{
	int32_t		four;

	memcpy(&four, codes, sizeof(four));
	return four;
}

/* ROWS registers of items, from item "first" on, by COLUMNS queries. */
static inline __attribute__((always_inline)) void
bound_part(int steps, const rmf_codes_block *block, int first, const rmf_codes_query *const *query,
		   uint64_t *reach)
{
	const uint8_t *codes = block->codes + 4 * first;
	integers	sum[COLUMNS][ROWS];

	for (int q = 0; q < COLUMNS; q++)
		for (int r = 0; r < ROWS; r++)
			sum[q][r] = REPEAT(query[q]->start);
	for (int s = 0; s < steps; s++, codes += RMF_CODES_BLOCK * 4)
	{
		integers	item[ROWS];

		for (int r = 0; r < ROWS; r++)
			item[r] = LOAD(codes + 4 * LANES * r);
		for (int q = 0; q < COLUMNS; q++)
		{
			integers	four = REPEAT(four_codes(query[q]->codes + 4 * s));

			for (int r = 0; r < ROWS; r++)
				sum[q][r] = ADD_PRODUCTS(sum[q][r], item[r], four);
		}
	}
	for (int r = 0; r < ROWS; r++)
	{
		int			at = first + LANES * r;
		floats		scale = LOAD_FLOATS(block->scale + at);
		floats		code_norm = LOAD_FLOATS(block->code_norm + at);
		floats		error_norm = LOAD_FLOATS(block->error_norm + at);

		for (int q = 0; q < COLUMNS; q++)
		{
			floats		errors = MULTIPLY_ADD(REPEAT_FLOAT(query[q]->norm), error_norm,
											  MULTIPLY(REPEAT_FLOAT(query[q]->error), code_norm));
			floats		upper = MULTIPLY_ADD(scale, TO_FLOATS(sum[q][r]), errors);

			reach[q] |= (uint64_t) NOT_LESS(upper, REPEAT_FLOAT(query[q]->threshold)) << at;
		}
	}
}

static void
bound(int steps, const rmf_codes_block *block, const rmf_codes_query *const query[RMF_CODES_QUERIES],
	  uint64_t reach[RMF_CODES_QUERIES])
{
	memset(reach, 0, sizeof(uint64_t) * RMF_CODES_QUERIES);
	for (int first = 0; first < RMF_CODES_BLOCK; first += ROWS * LANES)
		for (int q = 0; q < RMF_CODES_QUERIES; q += COLUMNS)
			bound_part(steps, block, first, query + q, reach + q);
}

static const rmf_codes_kernel kernel = {.name = RMF_CODES_NAME, .limit = RMF_CODES_LIMIT, .bound = bound};

const rmf_codes_kernel *const RMF_CODES_TABLE = &kernel;
