/*
 * rmf_codes.c
 *	  The choice of the kernel of rmf_codes.h, and the one for any processor.
 */
#include <stddef.h>

#include "rmf_codes.h"
#include "rmf_vector.h"

/* Exact sums of integers in another order are the same, so the compiler may vectorise these loops. */
static void
bound(int steps, const rmf_codes_block *block, const rmf_codes_query *const query[RMF_CODES_QUERIES],
	  uint64_t reach[RMF_CODES_QUERIES])
{
	for (int q = 0; q < RMF_CODES_QUERIES; q++)
	{
		const rmf_codes_query *this = query[q];
		int32_t		sum[RMF_CODES_BLOCK];
		uint64_t	bits = 0;

		for (int i = 0; i < RMF_CODES_BLOCK; i++)
			sum[i] = this->start;
		for (int s = 0; s < steps; s++)
		{
			const uint8_t *codes = block->codes + (size_t) s * RMF_CODES_BLOCK * 4;
			const int8_t *c = this->codes + 4 * s;

			for (int i = 0; i < RMF_CODES_BLOCK; i++)
				sum[i] += codes[4 * i] * c[0] + codes[4 * i + 1] * c[1] +
					codes[4 * i + 2] * c[2] + codes[4 * i + 3] * c[3];
		}
		for (int i = 0; i < RMF_CODES_BLOCK; i++)
		{
			float		upper = block->scale[i] * (float) sum[i] + this->error * block->code_norm[i] +
				this->norm * block->error_norm[i];

			bits |= (uint64_t) !(upper < this->threshold) << i;
		}
		reach[q] = bits;
	}
}

static const rmf_codes_kernel baseline = {.name = "baseline", .limit = 127, .bound = bound};

const rmf_codes_kernel *
rmf_codes_kernel_of(int number)
{
	switch (number)
	{
		case 0:
			return &baseline;
		case 1:
			return rmf_cpu_best() >= RMF_CPU_AVX2 ? rmf_codes_avx2 : NULL;
		case 2:
			return rmf_cpu_best() >= RMF_CPU_AVX512 ? rmf_codes_avx512 : NULL;
#if defined(__x86_64__)
		case 3:
			return rmf_cpu_best() >= RMF_CPU_AVX512 && __builtin_cpu_supports("avx512vnni") ? rmf_codes_vnni : NULL;
#endif
		default:
			return NULL;
	}
}

const rmf_codes_kernel *
rmf_codes_best(void)
{
	int			number = RMF_CODES_KERNELS - 1;

	while (rmf_codes_kernel_of(number) == NULL)
		number--;
	return rmf_codes_kernel_of(number);
}
