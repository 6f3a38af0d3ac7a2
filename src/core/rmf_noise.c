/*
 * rmf_noise.c
 *	  The largest singular value of noise: see rmf_noise.h.
 *
 * Entries of variance a_u b_i / N, a and b the roots of the numbers of ratings
 * of a user and an item, N that of all.  With
 *	 A(p) = sum_u a_u / (1 - p a_u) / N and B(q) = sum_i b_i / (1 - q b_i) / N
 * a square z beyond the edge has one p and q with z q = A(p) and z p = B(q).
 * So q B(q) = p A(p), both of which grow from 0 without end, gives a q for each
 * p, and z = A(p) / q, which falls and rises again, is least at the edge.
 *
 * Rows are counted by size first, in bins a quarter of an octave wide: the sums
 * take a few hundred terms then, and what the rows of a bin differ by is lost
 * in what the model leaves out.
 */
#include <math.h>

#include "rmf_noise.h"

#define BINS_PER_OCTAVE 4
#define BINS (63 * BINS_PER_OCTAVE)

/* Bisections, and steps towards the least z; each of the latter leaves two thirds. */
#define BISECTIONS 50
#define STEPS 50

typedef struct side
{
	int			n;
	double		count[BINS];
	double		root[BINS];		/* of the bin's mean size */
	double		largest;		/* root */
} side;

static void
count_sizes(int64_t n, const int64_t *start, side *s)
{
	double		count[BINS] = {0};
	double		sum[BINS] = {0};

	for (int64_t r = 0; r < n; r++)
	{
		double		size = (double) (start[r + 1] - start[r]);
		int			bin = size >= 1 ? (int) (BINS_PER_OCTAVE * log2(size)) : -1;

		if (bin < 0)
			continue;
		count[bin]++;
		sum[bin] += size;
	}
	s->n = 0;
	for (int bin = 0; bin < BINS; bin++)
	{
		if (count[bin] == 0)
			continue;
		s->count[s->n] = count[bin];
		s->largest = s->root[s->n++] = sqrt(sum[bin] / count[bin]);
	}
}

/* The sum of root / (1 - p root), p below 1 / largest. */
static double
sum_beyond(const side *s, double p)
{
	double		sum = 0;

	for (int k = 0; k < s->n; k++)
		sum += s->count[k] * s->root[k] / (1 - p * s->root[k]);
	return sum;
}

/* N times the square that p stands for. */
static double
square_at(const side *users, const side *items, double p)
{
	double		beyond = sum_beyond(users, p);
	double		low = 0,
				high = 1 / items->largest;

	for (int i = 0; i < BISECTIONS; i++)
	{
		double		q = (low + high) / 2;

		if (q * sum_beyond(items, q) > p * beyond)
			high = q;
		else
			low = q;
	}
	return beyond / ((low + high) / 2);
}

double
rmf_noise_edge(int64_t n_users, const int64_t *user_start, int64_t n_items, const int64_t *item_start)
{
	side		users,
				items;
	double		low = 0,
				high;

	count_sizes(n_users, user_start, &users);
	count_sizes(n_items, item_start, &items);
	if (users.n == 0 || items.n == 0)
		return 0;
	high = 1 / users.largest;
	for (int i = 0; i < STEPS; i++)
	{
		double		left = low + (high - low) / 3;
		double		right = high - (high - low) / 3;

		if (square_at(&users, &items, left) < square_at(&users, &items, right))
			high = right;
		else
			low = left;
	}
	return sqrt(square_at(&users, &items, (low + high) / 2) / (double) (user_start[n_users] - user_start[0]));
}
