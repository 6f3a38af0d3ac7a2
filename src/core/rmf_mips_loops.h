/*
 * rmf_mips_loops.h
 *	  The loops of rmf_mips_levels.h, compiled once a processor level.
 *
 * The including file sets
 *	RMF_MIPS_BYTES		bytes of a vector register
 *	RMF_MIPS_TABLE		the name of the table of kernels that is made here
 * and is compiled with the flags that let the compiler use the level's
 * registers.  Sums of codes are integers, the same at every level.  What turns
 * them into bounds is double: no product of floats leaves its range, and its
 * rounding (each of a dozen operations 2^-53) is far below the 2^-23 by which
 * a bound is raised before it becomes a float.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>

#if RMF_MIPS_BYTES > 16
#include <immintrin.h>
#endif

#include "rmf_mips_levels.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/*
 * At least x for a double x: 2^-23 covers the rounding to a float, and what x
 * lost itself.  No x is NaN, and so written the comparison is one instruction.
 */
static inline float
raise_to_float(double x)
{
	double		raised = x + fabs(x) * 0x1p-23 + 0x1p-149;

	return (float) (raised > -FLT_MAX ? raised : -FLT_MAX);
}

static inline double
limited(double x, double limit)
{
	return x < limit ? x : limit;
}

/*
 * u·v = scale_u scale_v (code_u·code_v) + lost_u·(scale_v code_v) + u·lost_v;
 * ‖scale_v code_v‖ is at most norm + error.
 */
static inline double
bound_product(const rmf_mips_query *query, const rmf_mips_entry *entry, int32_t sum, double lost)
{
	double		norm = limited(entry->norm, query->norm_limit);
	double		error = entry->error;

	return query->scale * (double) entry->scale * (double) sum +
		lost * (norm + error) + query->largest_norm * error;
}

static void
inner_product(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
			  const int32_t *sum, float *upper)
{
	double		lost = query->lost + query->rounding * query->largest_norm;

	for (int32_t i = 0; i < n; i++)
		upper[i] = raise_to_float(bound_product(query, entries + i, sum[i], lost));
}

static void
cosine(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
	   const int32_t *sum, float *upper)
{
	double		smallest = query->largest_norm > 0.0 ? query->smallest_norm : 1.0;
	double		largest = query->largest_norm > 0.0 ? query->largest_norm : 1.0;

	for (int32_t i = 0; i < n; i++)
	{
		double		product = bound_product(query, entries + i, sum[i], query->lost);
		double		norm = limited(entries[i].norm, query->norm_limit);
		double		low = rmf_mips_norm_low(entries[i].norm);
		double		divisor = product > 0.0 ? smallest * low : largest * (norm > low ? norm : low);
		double		ratio = product / divisor + query->rounding;

		ratio = ratio < 1.0 ? ratio : 1.0;
		upper[i] = raise_to_float(ratio > -1.0 ? ratio : -1.0);
	}
}

/*
 * ‖u - v‖ >= ‖scale_u code_u - scale_v code_v‖ - ‖lost_u‖ - ‖lost_v‖.  The
 * square on the right is a difference of exact integers times scales; 2^-48
 * of its positive terms covers what three products and sums in double lose.
 */
static void
distance(const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
		 const int32_t *sum, const int32_t *square, float *upper)
{
	double		own = query->scale * query->scale * query->code_square;

	for (int32_t i = 0; i < n; i++)
	{
		double		scale = entries[i].scale;
		double		squares = own + scale * scale * (double) square[i];
		double		between = squares - 2.0 * query->scale * scale * (double) sum[i] - squares * 0x1p-48;
		double		least = sqrt(between > 0.0 ? between : 0.0) * (1.0 - 0x1p-50) -
			(query->lost + (double) entries[i].error);

		least = least * (1.0 - query->rounding);
		upper[i] = raise_to_float(least > 0.0 ? -least : 0.0);
	}
}

/*
 * low and high lie beside each other, and so do what belongs to them: two of
 * the query's numbers for each direction.
 */
typedef double doubles __attribute__((vector_size(RMF_MIPS_BYTES), aligned(8), may_alias));
typedef int64_t masks __attribute__((vector_size(RMF_MIPS_BYTES)));
typedef float halves __attribute__((vector_size(RMF_MIPS_BYTES / 2), aligned(4), may_alias));

#define DOUBLES ((int) (RMF_MIPS_BYTES / sizeof(double)))
#define LOAD_RANGE(p) __builtin_convertvector(*(const halves *) (p), doubles)
#define LOAD_DOUBLES(p) (*(const doubles *) (p))

static ALWAYS_INLINE double
add_up(doubles x, double rest)
{
	for (int k = 0; k < DOUBLES; k++)
		rest += x[k];
	return rest;
}

/* One of each pair of weights is zero. */
static double
along_box(const rmf_mips_query *query, const rmf_mips_bound *bound)
{
	int			n = 2 * query->space->n_leading;
	const double *weight = query->weight[0];
	const float *range = &bound->range[0].low;
	doubles		sum = {0};
	double		rest = 0.0;
	int			i = 0;

	for (; i + DOUBLES <= n; i += DOUBLES)
		sum += LOAD_DOUBLES(weight + i) * LOAD_RANGE(range + i);
	for (; i < n; i++)
		rest += weight[i] * (double) range[i];
	return add_up(sum, rest);
}

/* At most one of low - t a and t a - high is positive, and counts. */
static double
outside_box(const rmf_mips_query *query, const rmf_mips_bound *bound, double t)
{
	int			n = 2 * query->space->n_leading;
	const double *pair = query->pair[0];
	const float *range = &bound->range[0].low;
	doubles		sum = {0};
	doubles		sign;
	double		rest = 0.0;
	int			i = 0;

	for (int k = 0; k < DOUBLES; k++)
		sign[k] = k % 2 == 0 ? 1.0 : -1.0;
	for (; i + DOUBLES <= n; i += DOUBLES)
	{
		doubles		outside = (LOAD_RANGE(range + i) - t * LOAD_DOUBLES(pair + i)) * sign;

		outside = (doubles) ((masks) outside & (masks) (outside > 0.0));
		sum += outside * outside;
	}
	for (; i < n; i++)
	{
		double		below = (double) range[i] - t * pair[i];
		double		outside = i % 2 == 0 ? below : -below;

		rest += outside > 0.0 ? outside * outside : 0.0;
	}
	return add_up(sum, rest);
}

/*
 * Products of a code with the query (16 bits), or with itself where the query
 * is NULL: neighbours are added up in lanes of 32 bits, and those of several
 * codes at once at the end.  A code's bytes are a multiple of 16.
 */
#if RMF_MIPS_BYTES == 64

#define CODES_AT_ONCE 16

/* Lanes of 4 codes, `bytes` apart; in each quarter of the result a part of the sum of each. */
static ALWAYS_INLINE __m512i
four_codes(size_t bytes, const int16_t *query, const int8_t *code)
{
	__m512i		sum[4];
	__m512i		low,
				high;

	UNROLL
	for (int r = 0; r < 4; r++)
		sum[r] = _mm512_setzero_si512();
	for (size_t k = 0; k + 32 <= bytes; k += 32)
	{
		__m512i		q = query == NULL ? _mm512_setzero_si512() : _mm512_loadu_si512(query + k);

		UNROLL
		for (int r = 0; r < 4; r++)
		{
			__m512i		c = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *) (code + r * bytes + k)));

			sum[r] = _mm512_add_epi32(sum[r], _mm512_madd_epi16(c, query == NULL ? c : q));
		}
	}
	if (bytes % 32 != 0)
	{
		size_t		k = bytes - 16;
		__m256i		q = query == NULL ? _mm256_setzero_si256() :
			_mm256_loadu_si256((const __m256i *) (query + k));

		UNROLL
		for (int r = 0; r < 4; r++)
		{
			__m256i		c = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (code + r * bytes + k)));

			sum[r] = _mm512_add_epi32(sum[r], _mm512_zextsi256_si512(_mm256_madd_epi16(c, query == NULL ? c : q)));
		}
	}

	low = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[0], sum[1]), _mm512_unpackhi_epi32(sum[0], sum[1]));
	high = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[2], sum[3]), _mm512_unpackhi_epi32(sum[2], sum[3]));
	return _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
}

static ALWAYS_INLINE void
codes_at_once(size_t bytes, const int16_t *query, const int8_t *code, int32_t *sum)
{
	__m512i		a = four_codes(bytes, query, code);
	__m512i		b = four_codes(bytes, query, code + 4 * bytes);
	__m512i		c = four_codes(bytes, query, code + 8 * bytes);
	__m512i		d = four_codes(bytes, query, code + 12 * bytes);

	a = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
	c = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xdd));
	_mm512_storeu_si512(sum, _mm512_add_epi32(_mm512_shuffle_i32x4(a, c, 0x88),
											   _mm512_shuffle_i32x4(a, c, 0xdd)));
}

#elif RMF_MIPS_BYTES == 32

#define CODES_AT_ONCE 8

/* Lanes of 4 codes, `bytes` apart; in each half of the result a part of the sum of each. */
static ALWAYS_INLINE __m256i
four_codes(size_t bytes, const int16_t *query, const int8_t *code)
{
	__m256i		sum[4];

	UNROLL
	for (int r = 0; r < 4; r++)
		sum[r] = _mm256_setzero_si256();
	for (size_t k = 0; k < bytes; k += 16)
	{
		__m256i		q = query == NULL ? _mm256_setzero_si256() :
			_mm256_loadu_si256((const __m256i *) (query + k));

		UNROLL
		for (int r = 0; r < 4; r++)
		{
			__m256i		c = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (code + r * bytes + k)));

			sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(c, query == NULL ? c : q));
		}
	}
	return _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
}

static ALWAYS_INLINE void
codes_at_once(size_t bytes, const int16_t *query, const int8_t *code, int32_t *sum)
{
	__m256i		a = four_codes(bytes, query, code);
	__m256i		b = four_codes(bytes, query, code + 4 * bytes);

	_mm256_storeu_si256((__m256i *) sum, _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
														   _mm256_permute2x128_si256(a, b, 0x31)));
}

#else

#define CODES_AT_ONCE 1

static ALWAYS_INLINE void
codes_at_once(size_t bytes, const int16_t *query, const int8_t *code, int32_t *sum)
{
	int32_t		s = 0;

	if (query == NULL)
		for (size_t k = 0; k < bytes; k++)
			s += code[k] * code[k];
	else
		for (size_t k = 0; k < bytes; k++)
			s += query[k] * code[k];
	*sum = s;
}

#endif

/* What is left past a multiple of CODES_AT_ONCE is done once more in whole, with those before it, or one by one. */
static ALWAYS_INLINE void
sums_of_codes(int32_t n, size_t bytes, const int16_t *query, const int8_t *codes, int32_t *sum)
{
	int32_t		i = 0;

	for (; i + CODES_AT_ONCE <= n; i += CODES_AT_ONCE)
		codes_at_once(bytes, query, codes + (size_t) i * bytes, sum + i);
	if (i == n)
		return;
	if (n >= CODES_AT_ONCE)
	{
		i = n - CODES_AT_ONCE;
		codes_at_once(bytes, query, codes + (size_t) i * bytes, sum + i);
		return;
	}
	for (; i < n; i++)
	{
		const int8_t *code = codes + (size_t) i * bytes;
		int32_t		s = 0;

		for (size_t k = 0; k < bytes; k++)
			s += code[k] * (query == NULL ? code[k] : query[k]);
		sum[i] = s;
	}
}

static void
products(int32_t n, size_t bytes, const int16_t *query, const int8_t *codes, int32_t *sum)
{
	/* The usual lengths as constants: their loops unroll. */
	switch (bytes)
	{
		case 32:
			sums_of_codes(n, 32, query, codes, sum);
			break;
		case 64:
			sums_of_codes(n, 64, query, codes, sum);
			break;
		case 128:
			sums_of_codes(n, 128, query, codes, sum);
			break;
		default:
			sums_of_codes(n, bytes, query, codes, sum);
	}
}

static void
squares(int32_t n, size_t bytes, const int8_t *codes, int32_t *square)
{
	sums_of_codes(n, bytes, NULL, codes, square);
}

/* A step at a time: a mask says which of its bounds are taken. */
#if RMF_MIPS_BYTES == 64

#define BOUNDS_AT_ONCE 16

static ALWAYS_INLINE uint32_t
step_at_least(const float *upper, float enough, float *left)
{
	__m512		bounds = _mm512_loadu_ps(upper);
	__m512		most = _mm512_loadu_ps(left);
	__mmask16	taken = _mm512_cmp_ps_mask(bounds, _mm512_set1_ps(enough), _CMP_GE_OQ);

	_mm512_storeu_ps(left, _mm512_mask_max_ps(most, (__mmask16) ~taken, most, bounds));
	return taken;
}

#elif RMF_MIPS_BYTES == 32

#define BOUNDS_AT_ONCE 8

static ALWAYS_INLINE uint32_t
step_at_least(const float *upper, float enough, float *left)
{
	__m256		bounds = _mm256_loadu_ps(upper);
	__m256		most = _mm256_loadu_ps(left);
	__m256		taken = _mm256_cmp_ps(bounds, _mm256_set1_ps(enough), _CMP_GE_OQ);

	_mm256_storeu_ps(left, _mm256_max_ps(most, _mm256_blendv_ps(bounds, most, taken)));
	return (uint32_t) _mm256_movemask_ps(taken);
}

#else

#define BOUNDS_AT_ONCE 1

static ALWAYS_INLINE uint32_t
step_at_least(const float *upper, float enough, float *left)
{
	if (*upper >= enough)
		return 1;
	*left = *upper > *left ? *upper : *left;
	return 0;
}

#endif

static int32_t
at_least(int32_t n, const float *upper, float enough, int32_t *place, float *left)
{
	float		most[BOUNDS_AT_ONCE];
	int32_t		found = 0;
	int32_t		i = 0;

	for (int k = 0; k < BOUNDS_AT_ONCE; k++)
		most[k] = -INFINITY;
	for (; i + BOUNDS_AT_ONCE <= n; i += BOUNDS_AT_ONCE)
	{
		uint32_t	taken = step_at_least(upper + i, enough, most);

		for (; taken != 0; taken &= taken - 1)
			place[found++] = i + __builtin_ctz(taken);
	}
	for (; i < n; i++)
	{
		if (upper[i] >= enough)
			place[found++] = i;
		else
			most[0] = upper[i] > most[0] ? upper[i] : most[0];
	}
	*left = most[0];
	for (int k = 1; k < BOUNDS_AT_ONCE; k++)
		*left = most[k] > *left ? most[k] : *left;
	return found;
}

static const rmf_mips_kernels kernels = {
	.products = products,
	.squares = squares,
	.inner_product = inner_product,
	.cosine = cosine,
	.distance = distance,
	.along_box = along_box,
	.outside_box = outside_box,
	.at_least = at_least
};

const rmf_mips_kernels *const RMF_MIPS_TABLE = &kernels;
