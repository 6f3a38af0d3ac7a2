/*
 * rmf_distributions.h
 *	  The distributions that tests and intervals are made of.
 *
 * All are defined for every input: NaN in gives NaN, parameters without a
 * meaning (negative degrees of freedom, probabilities outside 0..1) give NaN,
 * and the ends give their limits.  Relative errors are about 1e-13, growing
 * to about 1e-11 far out in the tails.
 */
#ifndef RMF_DISTRIBUTIONS_H
#define RMF_DISTRIBUTIONS_H

/* P(Z <= z) of the standard normal distribution; exact in the lower tail, so take -z for the upper one. */
extern double rmf_normal_cdf(double z);

/* The z that rmf_normal_cdf() gives p for; -infinity for 0 and infinity for 1. */
extern double rmf_normal_quantile(double p);

/* P(|T| >= |t|) of Student's t; infinite degrees of freedom are the normal distribution. */
extern double rmf_student_two_sided(double t, double degrees);

/* The t >= 0 that rmf_student_two_sided() gives p for. */
extern double rmf_student_critical(double p, double degrees);

/* P(X >= x) of the chi-square distribution. */
extern double rmf_chi_square_tail(double x, double degrees);

#endif							/* RMF_DISTRIBUTIONS_H */
