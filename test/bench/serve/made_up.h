/*
 * made_up.h
 *	  Made-up factors that are like those of trained models: bench_mips.c.
 *
 * A likeness holds what was measured on a model of 64 factors that this library
 * trained with its default options (implicit feedback): by popularity, the
 * norms of the items, their cosines to the direction that all items share, and
 * how often they are rated; the spectrum of the directions outside of that one;
 * how many items users have.  How alike items are, and what a user's items have
 * in common, was fitted: items belong to tastes of uneven size (Zipf), a share
 * of an item's direction is that of its taste; a user has a main taste and a few
 * others, how often he keeps to the main one differs from user to user, and he
 * takes popular items more often.
 *
 * Users are not drawn but solved for: training's own equations for a user, given
 * his items, the Gram matrix of all, and the default options.  Users of a real
 * model that are solved for anew in that way are the model's own.
 *
 * More items than were measured.  Norms and cosines depend on an item's rank as
 * a share of all: the default alpha falls with density, so that a factor's norm
 * depends on how often the item is rated compared with the mean item (three data
 * sets have the same curve), and popularity by rank is a power law in large
 * catalogues.  So the shares stay, and the head is that power law gone on with: a
 * larger catalogue has more popular items, and more popular ones.  Tastes grow
 * with the root of the number of items.
 *
 * The older sets are harder than any model that was measured: "spread" and
 * "tail" have the norms of MovieLens-1M without the direction that all share;
 * see bench_mips.c.
 */
#ifndef MADE_UP_H
#define MADE_UP_H

#include <string.h>

#include "bench.h"

typedef struct factors
{
	int32_t		dimensions;
	int32_t		n_items;
	int32_t		n_users;
	float	   *items;
	float	   *users;
	int32_t    *seen;			/* for each user: how many, and which */
} factors;

#define SHARES 8
#define SPECTRUM 7

/* The most popular 0.05%, and so on: where the tables below were measured. */
static const double share_of[SHARES] = {0.0005, 0.005, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95};
/* Which of 63 directions. */
static const double spectrum_at[SPECTRUM] = {1, 2, 4, 8, 16, 32, 63};

typedef struct likeness
{
	const char *name;
	int32_t		n_items;		/* of the model */
	double		regularization;
	double		norm[SHARES];	/* geometric means */
	double		norm_spread[SHARES];	/* standard deviations of logarithms */
	double		cosine[SHARES]; /* to the direction that all share */
	double		cosine_spread[SHARES];
	double		popularity[SHARES]; /* ratings, those of the mean item being 1 */
	double		n_seen[SHARES]; /* items of a user, by share of the users, those with few first */
	double		spectrum[SPECTRUM]; /* share of the squared length */
	/* fitted */
	double		tastes;
	double		zipf;			/* of their sizes */
	double		taste_share;	/* of the squared length */
	double		focus;			/* a user keeps to his main taste with probability uniform ^ focus */
	double		keeps;			/* to any of his tastes */
	int			others;
} likeness;

static const likeness likenesses[] = {
	{
		.name = "gowalla",
		.n_items = 40981,
		.regularization = 0.01607,
		.norm = {1.814, 1.474, 1.122, 0.9016, 0.7797, 0.7115, 0.6555, 0.5634},
		.norm_spread = {0.122, 0.107, 0.11, 0.0906, 0.077, 0.0738, 0.0765, 0.153},
		.cosine = {0.44, 0.358, 0.272, 0.225, 0.206, 0.19, 0.179, 0.164},
		.cosine_spread = {0.0759, 0.0639, 0.0861, 0.0892, 0.0898, 0.0885, 0.0845, 0.0796},
		.popularity = {31.46, 10.02, 2.765, 1.139, 0.7099, 0.5446, 0.4422, 0.3235},
		.n_seen = {8, 10, 13, 20, 34, 81, 246.7, 517.1},
		.spectrum = {0.0557, 0.0527, 0.0351, 0.0262, 0.0178, 0.0127, 0.0085},
		.tastes = 110,
		.zipf = 0.4,
		.taste_share = 0.83,
		.focus = 0.2,
		.keeps = 0.98,
		.others = 1
	},
	{
		.name = "ml-1m",
		.n_items = 3706,
		.regularization = 0.00906,
		.norm = {2.289, 2.047, 1.637, 1.231, 0.8638, 0.5383, 0.246, 0.05843},
		.norm_spread = {0.0574, 0.0371, 0.0854, 0.118, 0.127, 0.197, 0.371, 0.546},
		.cosine = {0.365, 0.378, 0.387, 0.403, 0.43, 0.456, 0.448, 0.283},
		.cosine_spread = {0.0201, 0.0174, 0.0348, 0.0528, 0.0642, 0.0794, 0.101, 0.167},
		.popularity = {11.6, 8.433, 3.851, 1.624, 0.6944, 0.2761, 0.07768, 0.008557},
		.n_seen = {23, 38, 70, 126, 253, 556, 1045, 1594},
		.spectrum = {0.099, 0.0679, 0.049, 0.0292, 0.0169, 0.00982, 0.00438},
		.tastes = 49,
		.zipf = 0.69,
		.taste_share = 0.6,
		.focus = 0.187,
		.keeps = 0.68,
		.others = 2
	},
	{
		.name = "online-retail",
		.n_items = 3665,
		.regularization = 0.0123,
		.norm = {1.971, 1.714, 1.47, 1.136, 0.7912, 0.4806, 0.2184, 0.07795},
		.norm_spread = {0.0165, 0.0583, 0.076, 0.122, 0.153, 0.21, 0.375, 0.605},
		.cosine = {0.341, 0.338, 0.347, 0.388, 0.445, 0.467, 0.385, 0.233},
		.cosine_spread = {0.0114, 0.0198, 0.0393, 0.0617, 0.0853, 0.11, 0.161, 0.214},
		.popularity = {11.14, 6.929, 3.514, 1.675, 0.7967, 0.346, 0.09679, 0.02068},
		.n_seen = {4, 13, 26, 48, 92, 205, 440.3, 1289},
		.spectrum = {0.0591, 0.0423, 0.0365, 0.0249, 0.018, 0.0129, 0.00721},
		.tastes = 73,
		.zipf = 0.52,
		.taste_share = 0.6,
		.focus = 0.75,
		.keeps = 0.85,
		.others = 2
	}
};

/* Between points of a table; flat outside. */
static double
between(double x, int n, const double *at, const double *table)
{
	if (x <= at[0])
		return table[0];
	for (int i = 1; i < n; i++)
		if (x <= at[i])
			return table[i - 1] + (table[i] - table[i - 1]) * (x - at[i - 1]) / (at[i] - at[i - 1]);
	return table[n - 1];
}

/* A positive quantity of the item at this share: a power law between points and for the head, exponential past the last. */
static double
at_share(double share, const double *table)
{
	double		at[SHARES];
	double		value[SHARES];

	for (int i = 0; i < SHARES; i++)
	{
		at[i] = log(share_of[i]);
		value[i] = log(table[i]);
	}
	if (share < share_of[0])
		return exp(value[0] + (log(share) - at[0]) * (value[1] - value[0]) / (at[1] - at[0]));
	if (share > share_of[SHARES - 1])
		return exp(value[SHARES - 1] + (share - share_of[SHARES - 1]) * (value[SHARES - 1] - value[SHARES - 2]) /
				   (share_of[SHARES - 1] - share_of[SHARES - 2]));
	return exp(between(log(share), SHARES, at, value));
}

/* Orthonormal rows: factors of a trained model keep to no axes. */
static double *
random_rotation(int32_t d)
{
	double	   *q = allocate((size_t) d * (size_t) d * sizeof(double));

	for (int32_t i = 0; i < d; i++)
	{
		double	   *row = q + (size_t) i * d;
		double		square = 0.0;

		for (int32_t k = 0; k < d; k++)
			row[k] = normal();
		/* twice, for the sake of rounding */
		for (int32_t j = 0; j < 2 * i; j++)
		{
			const double *other = q + (size_t) (j % i) * d;
			double		along = 0.0;

			for (int32_t k = 0; k < d; k++)
				along += row[k] * other[k];
			for (int32_t k = 0; k < d; k++)
				row[k] -= along * other[k];
		}
		for (int32_t k = 0; k < d; k++)
			square += row[k] * row[k];
		for (int32_t k = 0; k < d; k++)
			row[k] /= sqrt(square);
	}
	return q;
}

/* Items by taste, in each the popular ones first: a user's items are drawn from here. */
typedef struct shelves
{
	int			tastes;
	int32_t    *of;				/* of an item */
	int32_t    *first;			/* of a taste, in "item"; one more: the end */
	int32_t    *item;
	double	   *popularity;		/* summed up to this place, exclusive; one more: of all */
} shelves;

/* The item at a point of the summed popularity of the places from one to before another. */
static int32_t
draw_item(const shelves *s, int32_t from, int32_t to)
{
	double		point = s->popularity[from] + (s->popularity[to] - s->popularity[from]) * uniform();

	while (to - from > 1)
	{
		int32_t		middle = from + (to - from) / 2;

		if (s->popularity[middle] <= point)
			from = middle;
		else
			to = middle;
	}
	return s->item[from];
}

static shelves
make_shelves(const likeness *like, int32_t n)
{
	shelves		s;
	double	   *size;

	s.tastes = (int) (like->tastes * sqrt((double) n / like->n_items));
	s.tastes = s.tastes > 2 ? s.tastes : 2;
	s.of = allocate((size_t) n * sizeof(int32_t));
	s.item = allocate((size_t) n * sizeof(int32_t));
	s.first = allocate((size_t) (s.tastes + 1) * sizeof(int32_t));
	s.popularity = allocate((size_t) (n + 1) * sizeof(double));
	size = allocate((size_t) (s.tastes + 1) * sizeof(double));

	size[0] = 0.0;
	for (int t = 0; t < s.tastes; t++)
		size[t + 1] = size[t] + pow(t + 1, -like->zipf);
	memset(s.first, 0, (size_t) (s.tastes + 1) * sizeof(int32_t));
	for (int32_t i = 0; i < n; i++)
	{
		double		point = uniform() * size[s.tastes];
		int			t = 0;

		while (t + 1 < s.tastes && size[t + 1] <= point)
			t++;
		s.of[i] = t;
		s.first[t + 1]++;
	}
	for (int t = 0; t < s.tastes; t++)
		s.first[t + 1] += s.first[t];
	for (int32_t i = 0; i < n; i++)
		s.item[s.first[s.of[i]]++] = i;
	memmove(s.first + 1, s.first, (size_t) s.tastes * sizeof(int32_t));
	s.first[0] = 0;
	s.popularity[0] = 0.0;
	for (int32_t p = 0; p < n; p++)
		s.popularity[p + 1] = s.popularity[p] + at_share((s.item[p] + 0.5) / n, like->popularity);
	free(size);
	return s;
}

static void
make_items(const likeness *like, const shelves *s, factors *f)
{
	int32_t		d = f->dimensions;
	double	   *rotation = random_rotation(d);
	double	   *length = allocate((size_t) d * sizeof(double));
	double	   *taste = allocate((size_t) s->tastes * (size_t) d * sizeof(double));
	double	   *v = allocate((size_t) d * sizeof(double));
	double		log_share[SHARES];

	for (int i = 0; i < SHARES; i++)
		log_share[i] = log(share_of[i]);
	for (int32_t j = 1; j < d; j++)
	{
		double		at[SPECTRUM];
		double		value[SPECTRUM];

		for (int i = 0; i < SPECTRUM; i++)
		{
			at[i] = log(spectrum_at[i]);
			value[i] = log(like->spectrum[i]);
		}
		length[j] = sqrt(exp(between(log(1.0 + 62.0 * (j - 1) / (d > 2 ? d - 2 : 1)), SPECTRUM, at, value)));
	}
	for (int t = 0; t < s->tastes; t++)
		for (int32_t j = 1; j < d; j++)
			taste[(size_t) t * d + j] = normal() * length[j] * sqrt(like->taste_share);

	for (int32_t i = 0; i < f->n_items; i++)
	{
		double		share = (i + 0.5) / f->n_items;
		double		norm = at_share(share, like->norm) * exp(normal() * between(log(share), SHARES, log_share, like->norm_spread));
		double		cosine = between(log(share), SHARES, log_share, like->cosine) +
			normal() * between(log(share), SHARES, log_share, like->cosine_spread);
		float	   *item = f->items + (size_t) i * d;
		double		square = 0.0;

		cosine = fmin(fmax(cosine, -0.5), 0.95);
		for (int32_t j = 1; j < d; j++)
		{
			v[j] = taste[(size_t) s->of[i] * d + j] + normal() * length[j] * sqrt(1.0 - like->taste_share);
			square += v[j] * v[j];
		}
		v[0] = norm * (d > 1 ? cosine : 1.0);
		for (int32_t j = 1; j < d; j++)
			v[j] *= norm * sqrt((1.0 - cosine * cosine) / square);
		memset(item, 0, (size_t) d * sizeof(float));
		for (int32_t k = 0; k < d; k++)
			for (int32_t j = 0; j < d; j++)
				item[j] += (float) (v[k] * rotation[(size_t) k * d + j]);
	}
	free(rotation);
	free(length);
	free(taste);
	free(v);
}

/* Which items each user has. */
static void
make_seen(const likeness *like, const shelves *s, factors *f)
{
	int32_t		n = f->n_items;
	int32_t    *seen = f->seen;
	double		users_share[SHARES];
	double		log_n[SHARES];
	uint8_t    *has = allocate((size_t) n);

	memset(has, 0, (size_t) n);
	for (int i = 0; i < SHARES; i++)
	{
		users_share[i] = 1.0 - share_of[SHARES - 1 - i];
		log_n[i] = log(like->n_seen[i]);
	}
	for (int32_t u = 0; u < f->n_users; u++)
	{
		int32_t		wanted = (int32_t) (exp(between(uniform(), SHARES, users_share, log_n)) + 0.5);
		double		focus = pow(uniform(), like->focus);
		int			tastes[8];
		int32_t		tries = 0;

		wanted = wanted < n / 4 ? wanted : n / 4;
		for (int t = 0; t <= like->others; t++)
			tastes[t] = s->of[draw_item(s, 0, n)];
		seen[0] = 0;
		while (seen[0] < wanted)
		{
			int			keeps = uniform() < like->keeps && tries++ < 4 * wanted;
			int			t = tastes[uniform() < focus ? 0 : (int) (uniform() * (like->others + 1))];
			int32_t		i = keeps ? draw_item(s, s->first[t], s->first[t + 1]) : draw_item(s, 0, n);

			if (!has[i])
				seen[++seen[0]] = i;
			has[i] = 1;
		}
		for (int32_t i = 1; i <= seen[0]; i++)
			has[seen[i]] = 0;
		seen += seen[0] + 1;
	}
	free(has);
}

/* Solves a x = b for x, in b's place, a symmetric and positive definite. */
static void
solve(int32_t d, double *a, double *b)
{
	for (int32_t i = 0; i < d; i++)
	{
		for (int32_t j = 0; j <= i; j++)
		{
			double		sum = a[(size_t) i * d + j];

			for (int32_t k = 0; k < j; k++)
				sum -= a[(size_t) i * d + k] * a[(size_t) j * d + k];
			a[(size_t) i * d + j] = i == j ? sqrt(sum) : sum / a[(size_t) j * d + j];
		}
		for (int32_t k = 0; k < i; k++)
			b[i] -= a[(size_t) i * d + k] * b[k];
		b[i] /= a[(size_t) i * d + i];
	}
	for (int32_t i = d; i-- > 0;)
	{
		for (int32_t k = i + 1; k < d; k++)
			b[i] -= a[(size_t) k * d + i] * b[k];
		b[i] /= a[(size_t) i * d + i];
	}
}

static void
add_square(int32_t d, const float *v, double weight, double *a)
{
	for (int32_t i = 0; i < d; i++)
		for (int32_t j = 0; j < d; j++)
			a[(size_t) i * d + j] += weight * (double) v[i] * (double) v[j];
}

static void
solve_users(const likeness *like, factors *f)
{
	int32_t		d = f->dimensions;
	size_t		bytes = (size_t) d * (size_t) d * sizeof(double);
	double	   *gram = allocate(bytes);
	double	   *a = allocate(bytes);
	double	   *b = allocate((size_t) d * sizeof(double));
	const int32_t *seen = f->seen;
	double		n_ratings = 0.0;
	double		alpha;

	for (int32_t u = 0; u < f->n_users; u++, seen += seen[0] + 1)
		n_ratings += seen[0];
	alpha = f->n_items / (8.0 * n_ratings / f->n_users);	/* the default: 1 / (8 density) */

	memset(gram, 0, bytes);
	for (int32_t i = 0; i < f->n_items; i++)
		add_square(d, f->items + (size_t) i * d, 1.0, gram);
	seen = f->seen;
	for (int32_t u = 0; u < f->n_users; u++, seen += seen[0] + 1)
	{
		memcpy(a, gram, bytes);
		memset(b, 0, (size_t) d * sizeof(double));
		for (int32_t i = 1; i <= seen[0]; i++)
		{
			const float *v = f->items + (size_t) seen[i] * d;

			add_square(d, v, alpha, a);
			for (int32_t j = 0; j < d; j++)
				b[j] += (1.0 + alpha) * (double) v[j];
		}
		for (int32_t j = 0; j < d; j++)
			a[(size_t) j * d + j] += like->regularization * (alpha * seen[0] + f->n_items);
		solve(d, a, b);
		for (int32_t j = 0; j < d; j++)
			f->users[(size_t) u * d + j] = (float) b[j];
	}
	free(gram);
	free(a);
	free(b);
}

static factors
make_alike(const likeness *like, int32_t n, int32_t d, int32_t n_users)
{
	factors		f = {.dimensions = d, .n_items = n, .n_users = n_users};
	shelves		s = make_shelves(like, n);

	f.items = allocate((size_t) n * d * sizeof(float));
	f.users = allocate((size_t) n_users * d * sizeof(float));
	f.seen = allocate((size_t) n_users * ((size_t) like->n_seen[SHARES - 1] + 2) * sizeof(int32_t));
	make_items(like, &s, &f);
	make_seen(like, &s, &f);
	solve_users(like, &f);
	free(s.of);
	free(s.first);
	free(s.item);
	free(s.popularity);
	return f;
}

#endif							/* MADE_UP_H */
