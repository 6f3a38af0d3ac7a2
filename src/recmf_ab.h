/*
 * recmf_ab.h
 *	  What the functions of A/B tests share: the variants and their weights.
 */
#ifndef RECMF_AB_H
#define RECMF_AB_H

#include "postgres.h"

#include "utils/array.h"

typedef struct RecmfVariants
{
	int			n;
	char	  **names;			/* in the server's encoding */
	double	   *weights;		/* all 1 unless given */
} RecmfVariants;

/*
 * From the arguments variants and weights (or NULL).  Errors for names that
 * are missing, empty or the same, and for weights that are not one for each
 * variant, finite and not negative, with one at least above 0.
 */
extern RecmfVariants *recmf_ab_variants(ArrayType *names, ArrayType *weights);

/* The elements of an array of weights; the same errors, but for their number. */
extern double *recmf_ab_weights(ArrayType *weights, int *n);

/* An argument that must lie between 0 and 1. */
extern double recmf_ab_between_0_and_1(double value, const char *name, const char *hint);

#endif							/* RECMF_AB_H */
