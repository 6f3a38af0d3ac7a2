/*
 * rmf_codes_avx512.c
 *	  The kernel of rmf_codes.h for x86-64 processors with AVX-512.
 *
 * The Makefile gives this file the flags that define the macros below; built
 * without them it holds no kernel.
 */
#include <stddef.h>

#include "rmf_codes.h"

#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)

#define RMF_CODES_AVX512
#define RMF_CODES_NAME "avx512"
#define RMF_CODES_TABLE rmf_codes_avx512
#define RMF_CODES_LIMIT 63

#include "rmf_codes_loops.h"

#else

const rmf_codes_kernel *const rmf_codes_avx512 = NULL;

#endif
