/*
 * rmf_lanes.h
 *	  Vectors of as many floats as a register holds: what the loops that are
 *	  compiled once a processor level (rmf_cg_loops.h, rmf_exact_loops.h,
 *	  rmf_rank_loops.h) have in common.
 *
 * The including file sets RMF_LANE_BYTES, the bytes of a register, and is
 * compiled with the flags that let the compiler use it.  Arithmetic is written
 * with the compiler's vector types; what moves floats between lanes needs the
 * processor's own instructions.
 */
#ifndef RMF_LANES_H
#define RMF_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if RMF_LANE_BYTES > 16
#include <immintrin.h>
#endif

#define LANES ((int) (RMF_LANE_BYTES / sizeof(float)))
#define CACHE_LINE 64

#define ALWAYS_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float lanes __attribute__((vector_size(RMF_LANE_BYTES), may_alias));
typedef float unaligned_lanes __attribute__((vector_size(RMF_LANE_BYTES), aligned(4), may_alias));
typedef uint32_t words __attribute__((vector_size(RMF_LANE_BYTES), may_alias));
typedef float four __attribute__((vector_size(16), may_alias));
typedef float unaligned_four __attribute__((vector_size(16), aligned(4), may_alias));

#define LOAD(p) (*(const lanes *) (p))
#define LOAD_UNALIGNED(p) ((lanes) *(const unaligned_lanes *) (p))
#define STORE(p) (*(lanes *) (p))
#define LOAD_WORDS(p) (*(const words *) (p))

/*
 * load_part: the first n < LANES floats at p, zeros after them; reads no others.
 * add_up: sum[r] := the sum of the lanes of s[r], for 4 or 8 of them; sum is aligned to 32.
 * square_root: of each lane.
 * transpose: lane l of v[k] and lane k of v[l] change places.
 */
#if RMF_LANE_BYTES == 64

static ALWAYS_INLINE lanes
load_part(int n, const float *p)
{
	return (lanes) _mm512_maskz_loadu_ps((__mmask16) ((1u << n) - 1), p);
}

static ALWAYS_INLINE __m512
add_in_quarters(const lanes *s)
{
	__m512		a = _mm512_add_ps(_mm512_unpacklo_ps((__m512) s[0], (__m512) s[1]),
								  _mm512_unpackhi_ps((__m512) s[0], (__m512) s[1]));
	__m512		b = _mm512_add_ps(_mm512_unpacklo_ps((__m512) s[2], (__m512) s[3]),
								  _mm512_unpackhi_ps((__m512) s[2], (__m512) s[3]));

	return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))),
						 _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))));
}

static ALWAYS_INLINE void
add_up(int n, const lanes *s, float *sum)
{
	if (n == 4)
	{
		__m512		a = add_in_quarters(s);

		a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e));
		a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0xb1));
		_mm_store_ps(sum, _mm512_castps512_ps128(a));
	}
	else
	{
		__m512		a = add_in_quarters(s);
		__m512		b = add_in_quarters(s + 4);
		__m512		c = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));

		c = _mm512_add_ps(_mm512_shuffle_f32x4(c, c, 0x88), _mm512_shuffle_f32x4(c, c, 0xdd));
		_mm256_store_ps(sum, _mm512_castps512_ps256(c));
	}
}

static ALWAYS_INLINE lanes
square_root(lanes x)
{
	return (lanes) _mm512_sqrt_ps((__m512) x);
}

static ALWAYS_INLINE void
transpose(lanes *v)
{
	__m512		a[16],
				b[16];

	UNROLL
	for (int k = 0; k < 16; k += 4)
	{
		__m512d		low01 = _mm512_castps_pd(_mm512_unpacklo_ps((__m512) v[k], (__m512) v[k + 1]));
		__m512d		high01 = _mm512_castps_pd(_mm512_unpackhi_ps((__m512) v[k], (__m512) v[k + 1]));
		__m512d		low23 = _mm512_castps_pd(_mm512_unpacklo_ps((__m512) v[k + 2], (__m512) v[k + 3]));
		__m512d		high23 = _mm512_castps_pd(_mm512_unpackhi_ps((__m512) v[k + 2], (__m512) v[k + 3]));

		a[k] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
		a[k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
		a[k + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
		a[k + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
	}
	/* a[4 g + j] has in its quarter q lane 4 q + j of v[4 g .. 4 g + 3] */
	UNROLL
	for (int j = 0; j < 4; j++)
	{
		b[j] = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
		b[4 + j] = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
		b[8 + j] = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
		b[12 + j] = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
	}
	UNROLL
	for (int j = 0; j < 4; j++)
	{
		v[j] = (lanes) _mm512_shuffle_f32x4(b[j], b[8 + j], 0x88);
		v[8 + j] = (lanes) _mm512_shuffle_f32x4(b[j], b[8 + j], 0xdd);
		v[4 + j] = (lanes) _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0x88);
		v[12 + j] = (lanes) _mm512_shuffle_f32x4(b[4 + j], b[12 + j], 0xdd);
	}
}

#elif RMF_LANE_BYTES == 32

static ALWAYS_INLINE lanes
load_part(int n, const float *p)
{
	__m256i		lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return (lanes) _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}

static ALWAYS_INLINE __m256
add_in_halves(const lanes *s)
{
	return _mm256_hadd_ps(_mm256_hadd_ps((__m256) s[0], (__m256) s[1]),
						  _mm256_hadd_ps((__m256) s[2], (__m256) s[3]));
}

static ALWAYS_INLINE void
add_up(int n, const lanes *s, float *sum)
{
	__m256		a = add_in_halves(s);

	if (n == 4)
		_mm_store_ps(sum, _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)));
	else
	{
		__m256		b = add_in_halves(s + 4);

		_mm256_store_ps(sum, _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20),
										   _mm256_permute2f128_ps(a, b, 0x31)));
	}
}

static ALWAYS_INLINE lanes
square_root(lanes x)
{
	return (lanes) _mm256_sqrt_ps((__m256) x);
}

static ALWAYS_INLINE void
transpose(lanes *v)
{
	__m256		a[8];

	UNROLL
	for (int k = 0; k < 8; k += 4)
	{
		__m256d		low01 = _mm256_castps_pd(_mm256_unpacklo_ps((__m256) v[k], (__m256) v[k + 1]));
		__m256d		high01 = _mm256_castps_pd(_mm256_unpackhi_ps((__m256) v[k], (__m256) v[k + 1]));
		__m256d		low23 = _mm256_castps_pd(_mm256_unpacklo_ps((__m256) v[k + 2], (__m256) v[k + 3]));
		__m256d		high23 = _mm256_castps_pd(_mm256_unpackhi_ps((__m256) v[k + 2], (__m256) v[k + 3]));

		a[k] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
		a[k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
		a[k + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
		a[k + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
	}
	UNROLL
	for (int j = 0; j < 4; j++)
	{
		v[j] = (lanes) _mm256_permute2f128_ps(a[j], a[4 + j], 0x20);
		v[4 + j] = (lanes) _mm256_permute2f128_ps(a[j], a[4 + j], 0x31);
	}
}

#else

static ALWAYS_INLINE lanes
load_part(int n, const float *p)
{
	lanes		v = {0};

	for (int i = 0; i < n; i++)
		v[i] = p[i];
	return v;
}

static ALWAYS_INLINE void
add_up(int n, const lanes *s, float *sum)
{
	UNROLL
	for (int r = 0; r < n; r++)
		sum[r] = (s[r][0] + s[r][1]) + (s[r][2] + s[r][3]);
}

static ALWAYS_INLINE lanes
square_root(lanes x)
{
	return (lanes) {sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3])};
}

static ALWAYS_INLINE void
transpose(lanes *v)
{
	lanes		a = v[0],
				b = v[1],
				c = v[2],
				d = v[3];

	UNROLL
	for (int k = 0; k < 4; k++)
		v[k] = (lanes) {a[k], b[k], c[k], d[k]};
}

#endif

#endif							/* RMF_LANES_H */
