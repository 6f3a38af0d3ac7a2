/*
 * rmf_surrogate.c
 *	  What a search has seen, as a quadratic function: see rmf_surrogate.h.
 *
 * Terms: a constant, the coordinates, their squares, their products.
 */
#include "rmf_surrogate.h"

#include <math.h>
#include <string.h>

#define COORDINATES RMF_SURROGATE_COORDINATES
#define TERMS RMF_SURROGATE_TERMS

/* Priors: mean of the squares' coefficients, and standard deviations. */
#define CURVATURE (-1.0)
#define SD_OF_CONSTANT 30.0
#define SD_OF_SLOPE 4.0
#define SD_OF_CURVATURE 2.0
#define SD_OF_PRODUCT 1.0

static void
set_terms(double *term, const double *at)
{
	int			n = 1 + 2 * COORDINATES;

	term[0] = 1;
	for (int c = 0; c < COORDINATES; c++)
	{
		term[1 + c] = at[c];
		term[1 + COORDINATES + c] = at[c] * at[c];
		for (int d = 0; d < c; d++)
			term[n++] = at[c] * at[d];
	}
}

static double
prior_sd(int term)
{
	return term < 1 ? SD_OF_CONSTANT :
		term < 1 + COORDINATES ? SD_OF_SLOPE :
		term < 1 + 2 * COORDINATES ? SD_OF_CURVATURE : SD_OF_PRODUCT;
}

void
rmf_surrogate_init(rmf_surrogate *surrogate)
{
	memset(surrogate, 0, sizeof(*surrogate));
	for (int i = 0; i < TERMS; i++)
	{
		surrogate->precision[i][i] = 1 / (prior_sd(i) * prior_sd(i));
		if (i >= 1 + COORDINATES && i < 1 + 2 * COORDINATES)
			surrogate->right[i] = CURVATURE * surrogate->precision[i][i];
	}
}

void
rmf_surrogate_add(rmf_surrogate *surrogate, const double *at, double value, double sd)
{
	double		term[TERMS];

	set_terms(term, at);
	for (int i = 0; i < TERMS; i++)
	{
		for (int j = 0; j < TERMS; j++)
			surrogate->precision[i][j] += term[i] * term[j] / (sd * sd);
		surrogate->right[i] += term[i] * value / (sd * sd);
	}
}

/* By Cholesky: the priors alone make the matrix positive definite. */
void
rmf_surrogate_solve(rmf_surrogate *surrogate)
{
	double		factor[TERMS][TERMS];
	double	   *x = surrogate->coefficient;

	memcpy(factor, surrogate->precision, sizeof(factor));
	for (int i = 0; i < TERMS; i++)
	{
		for (int j = 0; j <= i; j++)
		{
			double		sum = factor[i][j];

			for (int k = 0; k < j; k++)
				sum -= factor[i][k] * factor[j][k];
			factor[i][j] = i == j ? sqrt(sum) : sum / factor[j][j];
		}
	}
	for (int i = 0; i < TERMS; i++)
	{
		x[i] = surrogate->right[i];
		for (int k = 0; k < i; k++)
			x[i] -= factor[i][k] * x[k];
		x[i] /= factor[i][i];
	}
	for (int i = TERMS - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < TERMS; k++)
			x[i] -= factor[k][i] * x[k];
		x[i] /= factor[i][i];
	}
}

double
rmf_surrogate_value(const rmf_surrogate *surrogate, const double *at)
{
	double		term[TERMS];
	double		sum = 0;

	set_terms(term, at);
	for (int i = 0; i < TERMS; i++)
		sum += term[i] * surrogate->coefficient[i];
	return sum;
}
