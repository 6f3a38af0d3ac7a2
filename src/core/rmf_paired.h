/*
 * rmf_paired.h
 *	  Is one of two better: tests on the differences of pairs.
 */
#ifndef RMF_PAIRED_H
#define RMF_PAIRED_H

#include <stdint.h>

#include "rmf_status.h"

typedef struct rmf_paired
{
	int64_t		n;
	double		mean;			/* of the differences */
	double		sd;				/* NaN for fewer than two */
	double		effect;			/* mean / sd (Cohen's d of paired samples); NaN where sd is 0 */
	double		t_p;			/* two-sided, Student's paired test; NaN for fewer than two */
	double		wilcoxon_p;		/* two-sided, signed ranks, zeros left out (Wilcoxon 1945); NaN where all are 0 */
	int64_t		n_positive;
	int64_t		n_negative;
} rmf_paired;

/*
 * differences: n, finite; put in order of falling size.  Equal sizes share their
 * ranks; the normal approximation with these ties and a continuity correction,
 * exact by enumeration for up to 12 differences that are not zero.  t_p is 1 where
 * all differences are zero, and 0 where all are the same and not zero.
 */
extern rmf_status rmf_paired_test(int64_t n, double *differences, rmf_paired *result, const rmf_poll *poll);

#endif							/* RMF_PAIRED_H */
