/*
 * rmf_mips_private.h
 *	  What the parts of rmf_mips.h know of each other: rounding, and what codes
 *	  and leading directions may be off by.  Private to rmf_mips*.c.
 */
#ifndef RMF_MIPS_PRIVATE_H
#define RMF_MIPS_PRIVATE_H

/* The largest number in a code of 8 bits. */
#define RMF_MIPS_LARGEST_CODE 127

/*
 * Rows of at most RMF_MIPS_MAX_LEADING, orthonormal in double, then rounded to
 * float: each product of two is off by at most 2^-23, their matrix by 16 times
 * that.  Twice it is allowed.
 */
#define RMF_MIPS_NOT_ORTHONORMAL 0x1p-18

/* Sums of n squares in double lose less than n units of 2^-53 of themselves; so does each product here. */
#define RMF_MIPS_SUM_LOSS(n) (((n) + 8) * 0x1p-52)

#endif							/* RMF_MIPS_PRIVATE_H */
