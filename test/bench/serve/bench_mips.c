/*
 * bench_mips.c
 *	  How much of an index exact maximum inner product search reads, and how
 *	  fast its loops run: the core without PostgreSQL, on one core.
 *
 * Best-first as the access method does it: directory pages in falling norm, a
 * queue of data pages and of what is left of those that were read, true products
 * of the entries with the largest bounds, until k items that the user has not
 * seen are certain.  Pages have 8 kB, a directory page holds as many bounds as
 * fit.  Before that, what the factors are like: real ones beside made-up ones.
 *
 * The factors are made up, or given (--items, --users, --seen: floats; and for
 * each user the number of items seen with their indexes, integers).  Made up
 * ones depend on the seed alone.  Which, --like says: gowalla, ml-1m and
 * online-retail are like models of those data sets (made_up.h); "spread" and
 * "tail" are harder than any of them: the norms of MovieLens-1M without the
 * direction that all items share, a falling spectrum, items of 50 tastes, users
 * that are sums of 30 items, most of two tastes, popular ones more often.
 * "spread": the same norms at every size.  "tail": popular items grow with the
 * root of the number of items, the others are ever smaller.
 *
 * See README.md.
 */
#define _DEFAULT_SOURCE
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "made_up.h"
#include "rmf_mips.h"
#include "rmf_mips_levels.h"
#include "rmf_vector.h"

#define TASTES 50
#define SEEN 30
#define N_USERS 200
#define SAMPLE 20000
#define CALIBRATED_ITEMS 27000
#define DESCRIBED 200

#define PAGE_BYTES 8192
#define PAGE_OVERHEAD 64
#define TID_BYTES 6
#define BLOCK_NUMBER_BYTES 4

static double
seconds(void)
{
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* The norm that a share x of the items exceeds: between points of a trained model, in logarithms. */
static double
norm_at(double x)
{
	static const double share[] = {0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0};
	static const double norm[] = {2.54, 2.02, 1.51, 0.72, 0.117, 0.0268, 0.01};

	for (int i = 0; i < 6; i++)
		if (x <= share[i + 1])
		{
			double		t = (x - share[i]) / (share[i + 1] - share[i]);

			return exp(log(norm[i]) * (1.0 - t) + log(norm[i + 1]) * t);
		}
	return norm[6] / x;
}

static factors
make_hard(int32_t n, int32_t d, int32_t n_users, int tail)
{
	factors		f = {.dimensions = d, .n_items = n, .n_users = n_users};
	double		stretch = tail && n > CALIBRATED_ITEMS ? sqrt((double) n / CALIBRATED_ITEMS) * CALIBRATED_ITEMS : n;
	float	   *taste = allocate((size_t) TASTES * d * sizeof(float));
	int		   *taste_of = allocate((size_t) n * sizeof(int));
	int32_t    *seen;

	f.items = allocate((size_t) n * d * sizeof(float));
	f.users = allocate((size_t) n_users * d * sizeof(float));
	f.seen = seen = allocate((size_t) n_users * (SEEN + 1) * sizeof(int32_t));
	memset(f.users, 0, (size_t) n_users * d * sizeof(float));

	for (int i = 0; i < TASTES * d; i++)
		taste[i] = (float) (normal() * pow(1 + i % d, -0.4));
	for (int32_t i = 0; i < n; i++)
	{
		float	   *v = f.items + (size_t) i * d;
		double		square = 0.0;

		taste_of[i] = (int) (uniform() * TASTES);
		for (int j = 0; j < d; j++)
		{
			v[j] = (float) (taste[taste_of[i] * d + j] + normal() * pow(1 + j, -0.4));
			square += (double) v[j] * v[j];
		}
		for (int j = 0; j < d; j++)
			v[j] *= (float) (norm_at((i + 0.5) / stretch) / sqrt(square));
	}

	for (int32_t u = 0; u < n_users; u++)
	{
		int			one = (int) (uniform() * TASTES);
		int			other = (int) (uniform() * TASTES);

		*seen++ = SEEN;
		for (int s = 0; s < SEEN;)
		{
			int32_t		i = (int32_t) (pow(uniform(), 2.5) * stretch);
			int			again = 0;

			i = i < n ? i : n - 1;
			if (uniform() < 0.8 && taste_of[i] != one && taste_of[i] != other)
				continue;
			for (int k = 0; k < s; k++)
				again |= seen[k] == i;
			if (again)
				continue;
			seen[s++] = i;
			/* Training takes most from the directions that all items share. */
			for (int j = 0; j < d; j++)
				f.users[(size_t) u * d + j] += (float) (f.items[(size_t) i * d + j] * pow(1 + j, 0.3));
		}
		seen += SEEN;
	}
	free(taste);
	free(taste_of);
	return f;
}

/* NULL: none of that name. */
static const likeness *
find_likeness(const char *name)
{
	for (size_t i = 0; i < sizeof(likenesses) / sizeof(likenesses[0]); i++)
		if (strcmp(likenesses[i].name, name) == 0)
			return &likenesses[i];
	return NULL;
}

static factors
make_factors(const char *like, int32_t n, int32_t d, int32_t n_users)
{
	const likeness *found = find_likeness(like);

	return found != NULL ? make_alike(found, n, d, n_users) : make_hard(n, d, n_users, strcmp(like, "tail") == 0);
}

static void *
read_file(const char *name, size_t *bytes)
{
	FILE	   *file = fopen(name, "rb");
	char	   *content;
	long		length;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) < 0)
	{
		perror(name);
		exit(1);
	}
	rewind(file);
	content = allocate((size_t) length);
	*bytes = fread(content, 1, (size_t) length, file);
	fclose(file);
	return content;
}

/* ------------------------------------------------------------------------
 * What the factors are like
 * ------------------------------------------------------------------------
 */

static int
larger_first(const void *a, const void *b)
{
	float		x = *(const float *) a,
				y = *(const float *) b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static float
norm_of(int32_t d, const float *v)
{
	return (float) sqrt(rmf_dot(d, v, v));
}

static void
print_quantiles(int n, float *values, const double *shares, int n_shares)
{
	qsort(values, (size_t) n, sizeof(float), larger_first);
	for (int i = 0; i < n_shares; i++)
		printf("%s%.3f", i > 0 ? ", " : "", (double) values[(int) (shares[i] * (n - 1))]);
	printf(" |");
}

/* How much of the squared length lies in the direction of the mean, and in so many leading directions. */
static void
print_directions(const factors *f)
{
	static const int32_t counts[] = {1, 4, 8, 16};
	int32_t		d = f->dimensions;
	double	   *mean = allocate((size_t) d * sizeof(double));
	float	   *leading = allocate((size_t) 16 * d * sizeof(float));
	void	   *workspace = allocate(rmf_mips_leading_workspace_size(d, d < 16 ? d : 16));
	double		along[16] = {0.0};
	double		square = 0.0,
				mean_square = 0.0,
				sum = 0.0;
	int32_t		most = d < 16 ? d : 16;

	memset(mean, 0, (size_t) d * sizeof(double));
	rmf_mips_find_leading(f->n_items, d, f->items, most, leading, workspace, NULL);
	for (int32_t i = 0; i < f->n_items; i++)
	{
		const float *v = f->items + (size_t) i * d;

		for (int32_t j = 0; j < d; j++)
			mean[j] += (double) v[j] / f->n_items;
		for (int32_t l = 0; l < most; l++)
		{
			double		part = rmf_dot(d, v, leading + (size_t) l * d);

			along[l] += part * part;
		}
		square += rmf_dot(d, v, v);
	}
	for (int32_t j = 0; j < d; j++)
		mean_square += mean[j] * mean[j];
	printf(" %.3f |", mean_square / (square / f->n_items));
	for (int32_t l = 0, c = 0; l < most; l++)
	{
		sum += along[l];
		if (l + 1 == counts[c])
			printf("%s%.2f", c++ > 0 ? ", " : " ", sum / square);
	}
	printf(" |");
	free(mean);
	free(leading);
	free(workspace);
}

/* A row: norms, directions, how near neighbours are, and what users think of items that they have not seen. */
static void
describe(const char *name, const factors *f)
{
	static const double norm_shares[] = {0.01, 0.1, 0.5, 0.9, 0.99};
	static const double score_shares[] = {0.01, 0.1, 0.5, 0.9};
	int32_t		n = f->n_items,
				d = f->dimensions,
				users = f->n_users < DESCRIBED ? f->n_users : DESCRIBED / (n > 100000 ? 10 : 1),
				nearest = DESCRIBED / (n > 100000 ? 10 : 1);
	float	   *norms = allocate((size_t) n * sizeof(float));
	float	   *values = allocate((size_t) n * sizeof(float));
	float	   *sampled = allocate((size_t) users * 500 * sizeof(float));
	const int32_t *seen = f->seen;
	double		best[2] = {0.0, 0.0},
				near[3] = {0.0, 0.0, 0.0};

	if (n <= 100)
		return;
	for (int32_t i = 0; i < n; i++)
		values[i] = norms[i] = norm_of(d, f->items + (size_t) i * d);
	printf("| %s | ", name);
	print_quantiles(n, values, norm_shares, 5);
	print_directions(f);

	for (int32_t s = 0; s < nearest; s++)
	{
		int32_t		one = (int32_t) ((int64_t) s * n / nearest);

		for (int32_t i = 0; i < n; i++)
			values[i] = (float) rmf_dot(d, f->items + (size_t) one * d, f->items + (size_t) i * d) /
				fmaxf(norms[one] * norms[i], FLT_MIN);
		values[one] = -1.0f;
		qsort(values, (size_t) n, sizeof(float), larger_first);
		near[0] += (double) values[0] / nearest;
		near[1] += (double) values[9] / nearest;
		near[2] += (double) values[99] / nearest;
	}
	printf(" %.2f, %.2f, %.2f |", near[0], near[1], near[2]);

	for (int32_t u = 0; u < users; u++, seen += seen[0] + 1)
	{
		const float *user = f->users + (size_t) u * d;
		float		length = norm_of(d, user);

		for (int32_t i = 0; i < n; i++)
			values[i] = (float) rmf_dot(d, user, f->items + (size_t) i * d) / length;
		for (int32_t i = 0; i < 500; i++)
			sampled[u * 500 + i] = values[(int64_t) i * n / 500];
		for (int32_t i = 1; i <= seen[0]; i++)
			values[seen[i]] = -INFINITY;
		qsort(values, (size_t) n, sizeof(float), larger_first);
		best[0] += (double) values[9] / users;
		best[1] += (double) values[99] / users;
	}
	printf(" %.2f, %.2f | ", best[0], best[1]);
	print_quantiles(users * 500, sampled, score_shares, 4);
	printf("\n");
	fflush(stdout);
	free(norms);
	free(values);
	free(sampled);
}

static void
print_description_head(void)
{
	printf("| factors | norms: 1%%, 10%%, 50%%, 90%%, 99%% | the mean's | 1, 4, 8, 16 directions' | cosine to the nearest, 10th, 100th |"
		   " score / length of the user: 10th, 100th | all: 1%%, 10%%, 50%%, 90%% |\n|---|---|---|---|---|---|---|\n");
}

/* ------------------------------------------------------------------------
 * The index in memory
 * ------------------------------------------------------------------------
 */

typedef struct index_pages
{
	const factors *f;
	rmf_mips_space space;
	int32_t		capacity;		/* entries of a data page */
	int32_t		width;			/* data pages of a directory page */
	int32_t		n_pages;
	int32_t		n_directories;
	int32_t    *item;			/* of an entry */
	int8_t	   *codes;
	rmf_mips_entry *entries;
	rmf_mips_bound *pages;
	rmf_mips_bound *directories;
} index_pages;

static const rmf_mips_entry *sorted_entries;

static int
longer_first(const void *a, const void *b)
{
	int32_t		x = *(const int32_t *) a,
				y = *(const int32_t *) b;

	if (sorted_entries[x].norm != sorted_entries[y].norm)
		return sorted_entries[x].norm < sorted_entries[y].norm ? 1 : -1;
	return x < y ? -1 : 1;
}

static index_pages
build(const factors *f, int32_t n_leading, int arrange)
{
	index_pages x = {.f = f};
	int32_t		n = f->n_items,
				d = f->dimensions;
	size_t		bytes = rmf_mips_code_size(d);
	int8_t	   *codes = allocate((size_t) n * bytes);
	rmf_mips_entry *entries = allocate((size_t) n * sizeof(rmf_mips_entry));
	float	   *leading = allocate((size_t) n_leading * d * sizeof(float));
	int32_t		sample = n < SAMPLE ? n : SAMPLE;
	float	   *sampled = allocate((size_t) sample * d * sizeof(float));
	void	   *workspace = allocate(rmf_mips_leading_workspace_size(d, n_leading));
	int32_t    *order;
	int32_t		stratum;

	n_leading = n_leading < d ? n_leading : d;
	for (int32_t i = 0; i < sample; i++)
		memcpy(sampled + (size_t) i * d, f->items + (size_t) ((int64_t) i * n / sample) * d, (size_t) d * sizeof(float));
	rmf_mips_find_leading(sample, d, sampled, n_leading, leading, workspace, NULL);
	free(workspace);
	free(sampled);
	x.space.dimensions = d;
	x.space.n_leading = n_leading;
	x.space.leading = leading;

	x.item = allocate((size_t) n * sizeof(int32_t));
	for (int32_t i = 0; i < n; i++)
	{
		rmf_mips_encode(d, f->items + (size_t) i * d, codes + (size_t) i * bytes, entries + i);
		x.item[i] = i;
	}
	sorted_entries = entries;
	qsort(x.item, (size_t) n, sizeof(int32_t), longer_first);
	x.codes = allocate((size_t) n * bytes);
	x.entries = allocate((size_t) n * sizeof(rmf_mips_entry));

	x.capacity = (int32_t) ((PAGE_BYTES - PAGE_OVERHEAD) / (TID_BYTES + sizeof(rmf_mips_entry) + bytes));
	x.width = (int32_t) ((PAGE_BYTES - PAGE_OVERHEAD - sizeof(rmf_mips_bound)) /
						 (BLOCK_NUMBER_BYTES + rmf_mips_bound_size(n_leading)));
	stratum = x.capacity * x.width;
	order = allocate((size_t) stratum * sizeof(int32_t));
	for (int32_t from = 0; from < n; from += stratum)
	{
		int32_t		m = n - from < stratum ? n - from : stratum;
		int32_t    *items = allocate((size_t) m * sizeof(int32_t));
		int8_t	   *c = x.codes + (size_t) from * bytes;

		memcpy(items, x.item + from, (size_t) m * sizeof(int32_t));
		for (int32_t i = 0; i < m; i++)
		{
			memcpy(c + (size_t) i * bytes, codes + (size_t) items[i] * bytes, bytes);
			x.entries[from + i] = entries[items[i]];
			order[i] = i;
		}
		if (arrange)
		{
			workspace = allocate(rmf_mips_arrange_workspace_size(&x.space, m));
			rmf_mips_arrange(&x.space, m, c, x.entries + from, x.capacity, order, workspace, NULL);
			free(workspace);
		}
		for (int32_t i = 0; i < m; i++)
			x.item[from + i] = items[order[i]];
		free(items);
	}
	free(order);
	for (int32_t i = 0; i < n; i++)
	{
		memcpy(x.codes + (size_t) i * bytes, codes + (size_t) x.item[i] * bytes, bytes);
		x.entries[i] = entries[x.item[i]];
	}
	free(codes);
	free(entries);

	x.n_pages = (n + x.capacity - 1) / x.capacity;
	x.n_directories = (x.n_pages + x.width - 1) / x.width;
	x.pages = allocate((size_t) x.n_pages * sizeof(rmf_mips_bound));
	x.directories = allocate((size_t) x.n_directories * sizeof(rmf_mips_bound));
	for (int32_t p = 0; p < x.n_pages; p++)
	{
		rmf_mips_bound_clear(x.pages + p, n_leading);
		for (int32_t i = p * x.capacity; i < n && i < (p + 1) * x.capacity; i++)
			rmf_mips_bound_include(&x.space, x.codes + (size_t) i * bytes, x.entries + i, x.pages + p);
		if (p % x.width == 0)
			rmf_mips_bound_clear(x.directories + p / x.width, n_leading);
		rmf_mips_bound_unite(n_leading, x.pages + p, x.directories + p / x.width);
	}
	return x;
}

static void
free_index(index_pages *x)
{
	free((void *) x->space.leading);
	free(x->item);
	free(x->codes);
	free(x->entries);
	free(x->pages);
	free(x->directories);
}

typedef struct counts
{
	double		directories,
				pages,
				fetched;
} counts;

static int
is_seen(const int32_t *seen, int32_t item)
{
	for (int32_t i = 1; i <= seen[0]; i++)
		if (seen[i] == item)
			return 1;
	return 0;
}

/* What waits in a queue: a data page that was not read yet, or what is left of one. */
#define UNREAD 0
#define LEFT_OVER 1

typedef struct search_state
{
	const index_pages *x;
	rmf_mips_waiting *waiting;	/* entries: "block" is the place */
	rmf_mips_waiting *queue;	/* pages */
	rmf_mips_waiting *ready;	/* items, by their true scores */
	float	   *upper;			/* of each place; -INFINITY: taken */
	int64_t		n_waiting,
				n_queue,
				n_ready;
} search_state;

/* Entries of a page that nothing else is above wait; the rest, as one, by the largest of them. */
static void
take(search_state *s, int32_t page, float enough)
{
	int32_t		first = page * s->x->capacity;
	int32_t		end = s->x->f->n_items - first < s->x->capacity ? s->x->f->n_items : first + s->x->capacity;
	float		left = -INFINITY;

	for (int32_t i = first; i < end; i++)
	{
		if (s->upper[i] < enough)
			left = s->upper[i] > left ? s->upper[i] : left;
		else if (s->upper[i] > -INFINITY)
		{
			rmf_mips_push(s->waiting, &s->n_waiting, (rmf_mips_waiting) {s->upper[i], (uint32_t) i, 0});
			s->upper[i] = -INFINITY;
		}
	}
	if (left > -INFINITY)
		rmf_mips_push(s->queue, &s->n_queue, (rmf_mips_waiting) {left, (uint32_t) page, LEFT_OVER});
}

/* Returns the score of the k-th that the user has not seen. */
static double
search(search_state *s, const float *u, const int32_t *seen, int k, void *memory, counts *count)
{
	const index_pages *x = s->x;
	int32_t		d = x->f->dimensions;
	size_t		bytes = rmf_mips_code_size(d);
	int32_t		directory = 0;
	float		next;
	double		last = -INFINITY;
	rmf_mips_query query;

	s->n_waiting = s->n_queue = s->n_ready = 0;
	rmf_mips_query_prepare(&x->space, RMF_MIPS_INNER_PRODUCT, u, memory, &query);
	next = rmf_mips_bound_score(&query, x->directories);
	while (k > 0)
	{
		float		entry = s->n_waiting > 0 ? s->waiting[0].upper : -INFINITY;
		float		page = s->n_queue > 0 ? s->queue[0].upper : -INFINITY;

		if (s->n_ready > 0 && s->ready[0].upper >= entry && s->ready[0].upper >= page && s->ready[0].upper >= next)
		{
			rmf_mips_waiting one = rmf_mips_pop(s->ready, &s->n_ready);

			if (!is_seen(seen, (int32_t) one.block))
			{
				last = one.upper;
				k--;
			}
		}
		else if (directory < x->n_directories && next >= page && next >= entry)
		{
			int32_t		first = directory * x->width;

			for (int32_t p = first; p < x->n_pages && p < first + x->width; p++)
				rmf_mips_push(s->queue, &s->n_queue,
							  (rmf_mips_waiting) {rmf_mips_bound_score(&query, x->pages + p), (uint32_t) p, UNREAD});
			directory++;
			count->directories += 1.0;
			next = directory < x->n_directories ? rmf_mips_bound_score(&query, x->directories + directory) : -INFINITY;
		}
		else if (s->n_queue > 0 && page >= entry)
		{
			rmf_mips_waiting best = rmf_mips_pop(s->queue, &s->n_queue);
			int32_t		read = (int32_t) best.block;
			int32_t		first = read * x->capacity;
			float		enough = s->n_queue > 0 && s->queue[0].upper > next ? s->queue[0].upper : next;

			if (best.offset == UNREAD)
			{
				int32_t		m = x->f->n_items - first < x->capacity ? x->f->n_items - first : x->capacity;

				rmf_mips_score(&query, m, x->codes + (size_t) first * bytes, x->entries + first, s->upper + first);
				count->pages += 1.0;
			}
			take(s, read, enough);
		}
		else if (s->n_waiting > 0)
		{
			int32_t		item = x->item[rmf_mips_pop(s->waiting, &s->n_waiting).block];

			rmf_mips_push(s->ready, &s->n_ready,
						  (rmf_mips_waiting) {(float) rmf_dot(d, u, x->f->items + (size_t) item * d), (uint32_t) item, 0});
			count->fetched += 1.0;
		}
		else
			break;
	}
	return last;
}

static void
measure(const char *name, const factors *f, const char *variant, int32_t n_leading, int arrange)
{
	index_pages x = build(f, n_leading, arrange);
	size_t		n = (size_t) f->n_items + 1;
	search_state s = {
		.x = &x,
		.waiting = allocate(n * sizeof(rmf_mips_waiting)),
		.queue = allocate(n * sizeof(rmf_mips_waiting)),
		.ready = allocate(n * sizeof(rmf_mips_waiting)),
		.upper = allocate(n * sizeof(float))
	};
	void	   *memory = allocate(rmf_mips_query_size(f->dimensions));
	static const int ks[] = {10, 100};

	for (int i = 0; i < 2; i++)
	{
		counts		count = {0};
		double		best = INFINITY;
		double		sum = 0.0;

		for (int round = 0; round < 3; round++)
		{
			const int32_t *seen = f->seen;
			double		start = seconds();

			memset(&count, 0, sizeof(count));
			for (int32_t u = 0; u < f->n_users; u++)
			{
				sum += search(&s, f->users + (size_t) u * f->dimensions, seen, ks[i], memory, &count);
				seen += seen[0] + 1;
			}
			best = fmin(best, seconds() - start);
		}
		if (!isfinite(sum))
			fprintf(stderr, "fewer items than asked for\n");
		printf("| %s | %d | %d | %s | %.0f of %d | %.1f of %d | %.1f%% | %.1f | %.0f |\n", name, f->dimensions, ks[i],
			   variant, count.directories / f->n_users, x.n_directories, count.pages / f->n_users, x.n_pages,
			   100.0 * count.pages / f->n_users / x.n_pages, count.fetched / f->n_users, 1e6 * best / f->n_users);
		fflush(stdout);
	}
	free(s.waiting);
	free(s.queue);
	free(s.ready);
	free(s.upper);
	free(memory);
	free_index(&x);
}

static void
measure_all(const char *name, const factors *f)
{
	measure(name, f, "norms alone", 0, 0);
	measure(name, f, "4 directions", 4, 1);
	measure(name, f, "8 directions", 8, 1);
	measure(name, f, "16 directions", 16, 1);
}

/* ------------------------------------------------------------------------
 * Speed of the loops
 * ------------------------------------------------------------------------
 */

static volatile float sink;

static void
measure_loops(int32_t d)
{
	static const char *const names[] = {"baseline", "avx2", "avx512"};
	int32_t		pages = 40,
				capacity = (int32_t) ((PAGE_BYTES - PAGE_OVERHEAD) / (TID_BYTES + sizeof(rmf_mips_entry) + rmf_mips_code_size(d)));
	factors		f = make_hard(pages * capacity, d, N_USERS, 0);
	index_pages x = build(&f, rmf_mips_leading_count(d), 1);
	size_t		bytes = rmf_mips_code_size(d);
	float	   *upper = allocate((size_t) capacity * sizeof(float));
	void	   *memory = allocate(rmf_mips_query_size(d));
	rmf_mips_query query;
	double		start;
	double		prepare;
	const int	rounds = 4000000 / (pages * capacity) / (d / 16 + 1) + 1;

	start = seconds();
	for (int i = 0; i < 200; i++)
		rmf_mips_query_prepare(&x.space, RMF_MIPS_INNER_PRODUCT, f.users, memory, &query);
	prepare = (seconds() - start) / 200;

	for (int level = 0; level < 3; level++)
	{
		double		best[4] = {INFINITY, INFINITY, INFINITY, INFINITY};

		if (rmf_mips_kernels_of(level) == NULL)
			continue;
		for (int repeat = 0; repeat < 5; repeat++)
			for (int m = 0; m < 4; m++)
			{
				rmf_mips_query_prepare(&x.space, m < 3 ? (rmf_mips_metric) m : RMF_MIPS_INNER_PRODUCT, f.users,
									   memory, &query);
				query.kernels = rmf_mips_kernels_of(level);
				start = seconds();
				for (int i = 0; i < rounds; i++)
					for (int32_t p = 0; p < pages; p++)
						if (m < 3)
						{
							rmf_mips_score(&query, capacity, x.codes + (size_t) p * capacity * bytes,
										   x.entries + (size_t) p * capacity, upper);
							sink = upper[capacity / 2];
						}
						else
							for (int32_t r = 0; r < capacity; r++)
								sink = rmf_mips_bound_score(&query, x.pages + (p + r) % pages);
				best[m] = fmin(best[m], (seconds() - start) / rounds / pages / capacity);
			}
		printf("| %d | %s | %.2f | %.2f | %.2f | %.1f | %.1f | %.2f |\n", d, names[level], 1e9 * best[0], 1e9 * best[1],
			   1e9 * best[2], (double) bytes / best[0] * 1e-9, 1e9 * best[3], 1e6 * prepare);
		fflush(stdout);
	}
	free(upper);
	free(memory);
	free_index(&x);
	free(f.items);
	free(f.users);
	free(f.seen);
}

static void
measure_heap(void)
{
	enum
	{
		n = 10000
	};
	rmf_mips_waiting *heap = allocate(n * sizeof(rmf_mips_waiting));
	double		push = 0.0,
				pop = 0.0;

	for (int round = 0; round < 100; round++)
	{
		int64_t		waiting = 0;
		double		start = seconds();

		for (int i = 0; i < n; i++)
			rmf_mips_push(heap, &waiting, (rmf_mips_waiting) {(float) (rmf_mix64((uint64_t) i) >> 40), (uint32_t) i, 0});
		push += seconds() - start;
		start = seconds();
		for (int i = 0; i < 20; i++)
			sink = rmf_mips_pop(heap, &waiting).upper;
		pop += seconds() - start;
	}
	printf("\nA heap of %d: %.1f ns a push, %.0f ns a pop.\n", n, 1e9 * push / 100 / n, 1e9 * pop / 100 / 20);
	free(heap);
}

/* A table of factors, or of (user, item seen), as rows that COPY reads; ids begin at 1. */
static void
print_rows(const char *table, const factors *f)
{
	int			users = strcmp(table, "users") == 0;
	const int32_t *seen = f->seen;

	if (strcmp(table, "orders") == 0)
		for (int32_t u = 0; u < f->n_users; u++, seen += *seen + 1)
			for (int32_t s = 1; s <= *seen; s++)
				printf("%d\t%d\n", u + 1, seen[s] + 1);
	else
		for (int32_t i = 0; i < (users ? f->n_users : f->n_items); i++)
		{
			const float *row = (users ? f->users : f->items) + (size_t) i * f->dimensions;

			for (int32_t j = 0; j < f->dimensions; j++)
				{
				if (j == 0)
					printf("%d\t[%.9g", i + 1, (double) row[j]);
				else
					printf(",%.9g", (double) row[j]);
			}
			printf("]\n");
		}
}

static void
print_head(void)
{
	printf("\n| factors | dimensions | k | order | directory pages | data pages | | fetched | us |\n|---|---|---|---|---|---|---|---|---|\n");
}

static void
measure_made_up(const char *like, int dimensions, int largest)
{
	static const int32_t sizes[] = {27000, 200000, 1000000};
	const likeness *found = find_likeness(like);
	char		names[4][64];
	factors		made[4];
	int			n = 0;

	/* As large as the real one, to be compared with it. */
	if (found != NULL)
	{
		snprintf(names[n], sizeof(names[n]), "like %s, %d", like, (int) found->n_items);
		made[n++] = make_factors(like, found->n_items, dimensions, N_USERS);
	}
	for (int i = 0; i < 3 && sizes[i] <= largest; i++)
	{
		snprintf(names[n], sizeof(names[n]), "%s%s, %d thousand", found != NULL ? "like " : "", like, (int) sizes[i] / 1000);
		made[n++] = make_factors(like, sizes[i], dimensions, N_USERS);
	}
	print_description_head();
	for (int i = 0; i < n; i++)
		describe(names[i], &made[i]);
	print_head();
	for (int i = 0; i < n; i++)
	{
		measure_all(names[i], &made[i]);
		free(made[i].items);
		free(made[i].users);
		free(made[i].seen);
	}
	printf("\n");
}

int
main(int argc, char **argv)
{
	const char *items = NULL,
			   *users = NULL,
			   *seen = NULL;
	int			dimensions = 64;
	int			largest = 1000000;
	int			users_wanted = N_USERS;
	const char *print = NULL;
	const char *like = NULL;
	long		seed = 1;

	for (int i = 1; i < argc; i += 2)
	{
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (value != NULL && strcmp(argv[i], "--items") == 0)
			items = value;
		else if (value != NULL && strcmp(argv[i], "--users") == 0)
			users = value;
		else if (value != NULL && strcmp(argv[i], "--seen") == 0)
			seen = value;
		else if (value != NULL && strcmp(argv[i], "--dimensions") == 0)
			dimensions = atoi(value);
		else if (value != NULL && strcmp(argv[i], "--largest") == 0)
			largest = atoi(value);
		else if (value != NULL && strcmp(argv[i], "--users-wanted") == 0)
			users_wanted = atoi(value);
		else if (value != NULL && strcmp(argv[i], "--print") == 0)
			print = value;
		else if (value != NULL && strcmp(argv[i], "--like") == 0)
			like = value;
		else if (value != NULL && strcmp(argv[i], "--seed") == 0)
			seed = atol(value);
		else
		{
			fprintf(stderr, "usage: bench_mips [--items FILE --users FILE --seen FILE] [--dimensions N] [--like gowalla|ml-1m|online-retail|spread|tail] [--largest ITEMS] [--seed N] [--print items|users|orders [--users-wanted N]]\n");
			return 2;
		}
	}
	if (dimensions < 1 || dimensions > 4096 || (items != NULL) != (users != NULL && seen != NULL) ||
		largest < 1000 || users_wanted < 1 ||
		(like != NULL && find_likeness(like) == NULL && strcmp(like, "spread") != 0 && strcmp(like, "tail") != 0) ||
		(print != NULL && strcmp(print, "items") != 0 && strcmp(print, "users") != 0 && strcmp(print, "orders") != 0))
	{
		fprintf(stderr, "bench_mips: --items, --users and --seen belong together; --dimensions from 1 to 4096, --largest from 1000\n");
		return 2;
	}
	random_state = (uint64_t) seed << 32;
	if (print != NULL)
	{
		factors		f = make_factors(like != NULL ? like : "gowalla", largest, dimensions, users_wanted);

		print_rows(print, &f);
		return 0;
	}

	if (items == NULL)
	{
		static const int32_t lengths[] = {16, 32, 64, 128, 256, 1024};

		printf("| dimensions | level | <#> ns an entry | <=> | <-> | GB/s (<#>) | ns a bound | us a query |\n|---|---|---|---|---|---|---|---|\n");
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			measure_loops(lengths[i]);
		measure_heap();
		printf("\n");
	}

	if (items != NULL)
	{
		factors		f = {.dimensions = dimensions};
		size_t		bytes;

		f.items = read_file(items, &bytes);
		f.n_items = (int32_t) (bytes / sizeof(float) / (size_t) dimensions);
		f.users = read_file(users, &bytes);
		f.n_users = (int32_t) (bytes / sizeof(float) / (size_t) dimensions);
		f.seen = read_file(seen, &bytes);
		print_description_head();
		describe(items, &f);
		print_head();
		measure_all(items, &f);
		return 0;
	}
	if (like != NULL)
		measure_made_up(like, dimensions, largest);
	else
		for (size_t i = 0; i < sizeof(likenesses) / sizeof(likenesses[0]); i++)
			measure_made_up(likenesses[i].name, dimensions, i == 0 ? largest : 0);
	return 0;
}
