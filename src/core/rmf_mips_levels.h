/*
 * rmf_mips_levels.h
 *	  The loops of a query, and the tables that their builds make
 *	  (rmf_mips_loops.h); private to rmf_mips*.c.  A table is NULL where the
 *	  compiler was not told to build that level.
 */
#ifndef RMF_MIPS_LEVELS_H
#define RMF_MIPS_LEVELS_H

#include <float.h>

#include "rmf_mips.h"

/*
 * At most the norm that was rounded up to this float: by less than one unit in
 * its last place (2^-23 of it, or 2^-149).  A vector of floats that is not zero
 * has at least the smallest of them.
 */
static inline double
rmf_mips_norm_low(float norm)
{
	double		x = norm < FLT_MAX ? (double) norm : (double) FLT_MAX;
	double		low = x - x * 0x1p-22 - 0x1p-149;

	return low > 0x1p-149 ? low : 0x1p-149;
}

struct rmf_mips_kernels
{
	/* sum[i] := query's code · code i; bytes: of a code */
	void		(*products) (int32_t n, size_t bytes, const int16_t *query, const int8_t *codes,
							 int32_t *sum);
	/* square[i] := ‖code i‖² */
	void		(*squares) (int32_t n, size_t bytes, const int8_t *codes, int32_t *square);
	/* What rmf_mips_score() gives, from these sums. */
	void		(*inner_product) (const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
								  const int32_t *sum, float *upper);
	void		(*cosine) (const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
						   const int32_t *sum, float *upper);
	void		(*distance) (const rmf_mips_query *query, int32_t n, const rmf_mips_entry *entries,
							 const int32_t *sum, const int32_t *square, float *upper);
	/* sum_j max(a_j low_j, a_j high_j) */
	double		(*along_box) (const rmf_mips_query *query, const rmf_mips_bound *bound);
	/* The square of the distance from t a to the box of low and high. */
	double		(*outside_box) (const rmf_mips_query *query, const rmf_mips_bound *bound, double t);
	/* rmf_mips_at_least() */
	int32_t		(*at_least) (int32_t n, const float *upper, float enough, int32_t *place, float *left);
};

typedef struct rmf_mips_kernels rmf_mips_kernels;

extern const rmf_mips_kernels *const rmf_mips_baseline;
extern const rmf_mips_kernels *const rmf_mips_avx2;
extern const rmf_mips_kernels *const rmf_mips_avx512;

/* Those of a level (rmf_vector.h), or NULL where the build or the processor lacks it. */
extern const rmf_mips_kernels *rmf_mips_kernels_of(int level);

#endif							/* RMF_MIPS_LEVELS_H */
