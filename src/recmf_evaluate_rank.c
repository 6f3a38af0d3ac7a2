/*
 * recmf_evaluate_rank.c
 *	  The lists and places of an evaluation, user by user: see recmf_evaluate.h.
 *
 * A model's are made by recmf_topk_team.c, in parallel; its baselines, somebody
 * else's lists and samples of candidates by this process, as each is little work.
 * The places say how accurate a list is, with ties against it; what the list
 * itself is like (novelty and so on) is taken of the list as recommend() has it.
 *
 * A user whom the model doesn't know has the list that recommend() gives him,
 * which is that of popularity.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/rmf_measures.h"
#include "core/rmf_sort.h"
#include "core/rmf_vector.h"
#include "recmf_evaluate.h"
#include "recmf_status.h"
#include "recmf_topk_team.h"

/* Cells of a user that are drawn for the losses of probabilities, of those that are not observed. */
#define DRAWN_CELLS 100

/* Users between two looks at pending interrupts. */
#define USERS_BETWEEN_INTERRUPTS 256

/* One user's, in the making. */
typedef struct Run
{
	RecmfEvaluation *evaluation;
	int32		next_user;
	int32		most_k;
	int64		most_held;
	rmf_catalogue catalogue;

	/* room for one user */
	int32	   *place;			/* of held-out items in the catalogue */
	int32	   *random_place;
	int32	   *list;
	int32	   *popular;		/* the list of popularity */
	int32		n_popular;
	int32	   *order;			/* held-out items by place */
	int32	   *sorted;
	char	   *of;				/* whether one is of a segment */
	int32	   *item;			/* held-out items, in the order of their places */
	double	   *sum;			/* of factors */
	double	   *scores;
	int32	   *drawn;
	int32	   *listed_by;		/* by item: one more than the user in whose list it was last */
} Run;

bool
recmf_evaluation_is_sampled(const RecmfEvaluation *e)
{
	return e->options.negatives > 0 || e->options.candidates != NULL;
}

static uint64
key_of(const RecmfEvaluation *e, int32 user)
{
	return recmf_ids_key(e->users, user);
}

/* What a user has: ascending.  Held-out items that are not in the catalogue come last. */
typedef struct UserItems
{
	const int32 *held;
	int32		n_held;
	int32		n_known;		/* of these, in the catalogue */
	const int32 *seen;
	int32		n_seen;
	int64		n_others;		/* candidates that are not held out */
} UserItems;

static UserItems
items_of(const RecmfEvaluation *e, int32 user)
{
	UserItems	items;

	items.held = e->held.item + e->held.start[user];
	items.n_held = (int32) (e->held.start[user + 1] - e->held.start[user]);
	items.n_known = (int32) rmf_find_number(items.held, items.n_held, e->n_items);
	items.seen = e->seen.item + e->seen.start[user];
	items.n_seen = (int32) (e->seen.start[user + 1] - e->seen.start[user]);
	items.n_others = (int64) e->n_items - items.n_seen - items.n_known;
	return items;
}

static const float *
item_row(const RecmfEvaluation *e, int32 item)
{
	return e->item_rows + (Size) item * e->dimensions;
}

static const float *
user_row(const RecmfEvaluation *e, int32 user)
{
	return e->user_rows + (Size) user * e->dimensions;
}

/*
 * What a user's ranking is worth
 */

/* The columns of accuracy, for the n held-out items of the user that are at these places or at none. */
static void
set_accuracy(const RecmfEvaluation *e, float *values, int32 n, int32 n_placed, const int32 *sorted)
{
	int			i;

	for (i = 0; i < e->options.n_k; i++)
	{
		rmf_accuracy accuracy = rmf_measure_places(n, n_placed, sorted, e->options.k[i]);
		float	   *column = values + i * RECMF_COLUMNS_A_K;

		*column++ = (float) accuracy.precision;
		*column++ = (float) accuracy.recall;
		*column++ = (float) accuracy.capped_recall;
		*column++ = (float) accuracy.f1;
		*column++ = (float) accuracy.hit_rate;
		*column++ = (float) accuracy.mrr;
		*column++ = (float) accuracy.map;
		*column++ = (float) accuracy.ndcg;
	}
}

/* The columns of the list itself, and how often each item is in a list. */
static void
set_list_columns(const Run *run, RecmfSystem system, float *values, int32 n_list, const int32 *list, int32 n_placed)
{
	RecmfEvaluation *e = run->evaluation;
	rmf_list_measures measures[RECMF_MAX_K];
	int			i;

	n_list = Min(n_list, run->most_k);
	rmf_measure_list(&run->catalogue, n_list, list, e->options.n_k, e->options.k, run->sum, measures);
	for (i = 0; i < e->options.n_k; i++)
	{
		int32		k = e->options.k[i];
		float	   *column = values + i * RECMF_COLUMNS_A_K;
		int32		j;

		for (j = 0; j < Min(k, n_list); j++)
			if (list[j] < e->n_items)
				e->exposure[system][(Size) i * e->n_items + list[j]]++;
		column[RECMF_NOVELTY] = (float) measures[i].novelty;
		column[RECMF_LONG_TAIL] = (float) measures[i].long_tail_share;
		column[RECMF_DIVERSITY] = (float) measures[i].diversity;
		column[RECMF_SERENDIPITY] = (float) rmf_count_surprises(k, n_placed, run->sorted, run->item, run->n_popular,
																run->popular) / k;
	}
}

/* By place, with the items there; few as a rule, and all different. */
static void
sort_places(Run *run, int32 n, const int32 *place, const int32 *held)
{
	int32		h;

	for (h = 0; h < n; h++)
	{
		int32		at = h;

		for (; at > 0 && run->sorted[at - 1] > place[h]; at--)
		{
			run->sorted[at] = run->sorted[at - 1];
			run->order[at] = run->order[at - 1];
		}
		run->sorted[at] = place[h];
		run->order[at] = h;
	}
	for (h = 0; h < n; h++)
		run->item[h] = held[run->order[h]];
}

/* n_others: candidates that are not relevant; < 0: not known.  list NULL: there is none. */
static void
take_ranking(Run *run, RecmfSystem system, int32 user, const int32 *place, int32 n_list, const int32 *list,
			 int64 n_others)
{
	RecmfEvaluation *e = run->evaluation;
	UserItems	items = items_of(e, user);
	int32		n_held = items.n_held;
	int32		n_places = e->subject.lists != NULL && system == RECMF_SYSTEM_MODEL ? n_held : items.n_known;
	const int32 *segment = e->held.tag + e->held.start[user];
	int			auc = e->options.n_k * RECMF_COLUMNS_A_K;
	int32		n_placed = 0;
	float	   *values;
	int32		h;

	sort_places(run, n_places, place, items.held);
	while (n_placed < n_places && run->sorted[n_placed] < RMF_NO_PLACE)
		n_placed++;
	values = recmf_values_add(e, &e->ranking[system][0], user);
	set_accuracy(e, values, n_held, n_placed, run->sorted);
	if (n_others >= 0)
		values[auc] = (float) rmf_auc(n_held, n_placed, run->sorted, NULL, n_others);
	if (list != NULL)
		set_list_columns(run, system, values, n_list, list, n_placed);

	for (h = 0; h < n_held && e->segments != NULL; h++)
	{
		int32		of_segment = 0;
		int32		n = 0;
		bool		first = true;
		float	   *part;
		int32		i;

		for (i = 0; i < n_held; i++)
		{
			first &= i >= h || segment[i] != segment[h];
			of_segment += segment[i] == segment[h];
		}
		if (!first)
			continue;
		values = e->ranking[system][0].values + (e->ranking[system][0].n_rows - 1) * e->ranking[system][0].n_columns;
		part = recmf_values_add(e, &e->ranking[system][segment[h] + 1], user);
		memcpy(part, values, sizeof(float) * e->ranking[system][0].n_columns);
		for (i = 0; i < n_placed; i++)
		{
			run->of[i] = segment[run->order[i]] == segment[h];
			if (run->of[i])
				run->random_place[n++] = run->sorted[i];
		}
		set_accuracy(e, part, of_segment, n, run->random_place);
		if (n_others >= 0)
			part[auc] = (float) rmf_auc(of_segment, n_placed, run->sorted, run->of, n_others);
	}
}

/*
 * Baselines, over the full catalogue
 */

static void
set_popular(Run *run, int32 user)
{
	const RecmfEvaluation *e = run->evaluation;
	UserItems	items = items_of(e, user);

	run->n_popular = rmf_popularity_list(&e->popularity, items.n_seen, items.seen, run->most_k, run->popular);
}

/* The model's list of one whom it doesn't know is this one. */
static void
take_popular(Run *run, RecmfSystem system, int32 user)
{
	const RecmfEvaluation *e = run->evaluation;
	UserItems	items = items_of(e, user);

	rmf_rank_by_popularity(&e->popularity, items.n_seen, items.seen, items.n_known, items.held, run->place);
	take_ranking(run, system, user, run->place, run->n_popular, run->popular, items.n_others);
}

static void
take_random(Run *run, int32 user)
{
	const RecmfEvaluation *e = run->evaluation;
	UserItems	items = items_of(e, user);
	int32		n_list;

	rmf_rank_randomly(e->options.seed, key_of(e, user), items.n_others + items.n_known, items.n_known, run->place);
	n_list = rmf_random_list(e->options.seed, key_of(e, user), e->n_items, items.n_seen, items.seen, items.n_known,
							 items.held, run->place, run->most_k, run->list);
	take_ranking(run, RECMF_SYSTEM_RANDOM, user, run->place, n_list, run->list, items.n_others);
}

static void
take_baselines(Run *run, int32 user)
{
	if (!run->evaluation->options.baselines)
		return;
	take_popular(run, RECMF_SYSTEM_POPULARITY, user);
	take_random(run, user);
}

/*
 * A model, over the full catalogue
 */

/* The next user who has something to be ranked; -1: none. */
static int32
next_held(Run *run)
{
	RecmfEvaluation *e = run->evaluation;

	while (run->next_user < e->n_users)
	{
		int32		user = run->next_user++;

		if (user % USERS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
		if (e->held.start[user + 1] > e->held.start[user])
			return user;
	}
	return -1;
}

/* Of RecmfTopkCaller. */
static bool
next_user(void *arg, RecmfTopkUser *next)
{
	Run		   *run = (Run *) arg;
	RecmfEvaluation *e = run->evaluation;
	int32		user;

	while ((user = next_held(run)) >= 0)
	{
		UserItems	items;

		if (!e->knows_user[user])
		{
			set_popular(run, user);
			take_popular(run, RECMF_SYSTEM_MODEL, user);
			take_baselines(run, user);
			continue;
		}
		next->id = Int32GetDatum(user);
		next->row = user_row(e, user);
		items = items_of(e, user);
		next->seen = items.seen;
		next->n_seen = items.n_seen;
		next->held = items.held;
		next->n_held = items.n_known;
		return true;
	}
	return false;
}

static void
take_lists(void *arg, Datum id, int n, const rmf_scored *best, const int32 *place)
{
	Run		   *run = (Run *) arg;
	RecmfEvaluation *e = run->evaluation;
	int32		user = DatumGetInt32(id);
	int			i;

	set_popular(run, user);
	for (i = 0; i < n; i++)
		run->list[i] = best[i].index;
	take_ranking(run, RECMF_SYSTEM_MODEL, user, place, n, run->list, items_of(e, user).n_others);
	take_baselines(run, user);
}

static void
rank_catalogue(Run *run)
{
	RecmfEvaluation *e = run->evaluation;
	RecmfTopkCaller caller = {next_user, take_lists, run};
	RecmfTopkJob job = {0};
	RecmfTopkTeam *team;

	job.n_items = e->n_items;
	job.dimensions = e->dimensions;
	job.wish.k = run->most_k;
	job.wish.base = e->problem.mean;
	job.wish.least = -INFINITY;
	job.with_seen = true;
	job.with_held = true;
	job.n_users = e->n_users;
	job.id_by_value = true;
	job.id_length = sizeof(int32);
	team = recmf_topk_team_create(e->context, &job);
	memcpy(recmf_topk_team_rows(team), e->item_rows, sizeof(float) * (Size) e->n_items * e->dimensions);
	recmf_topk_team_run(team, &caller);
}

/* Room for so many items of a user beside those held out, and for the scores of all. */
static void
make_room(Run *run, int64 n)
{
	MemoryContext context = run->evaluation->context;

	run->drawn = (int32 *) MemoryContextAllocHuge(context, sizeof(int32) * (n + 1));
	run->scores = (double *) MemoryContextAllocHuge(context, sizeof(double) * (n + run->most_held + 1));
}

/*
 * Somebody else's lists
 */

/*
 * Without what the user has, and each item once; best first.  Their scores, those
 * of the held-out items first (NAN: not in the list), go into *n_scores of "scores".
 */
static int32
clean_list(Run *run, int32 user, const UserItems *items, int32 *n_scores)
{
	const RecmfEvaluation *e = run->evaluation;
	int32		n = 0;
	int64		i;

	*n_scores = items->n_held;
	for (i = 0; i < items->n_held; i++)
		run->scores[i] = NAN;
	for (i = e->listed_start[user]; i < e->listed_start[user + 1]; i++)
	{
		const RecmfListed *listed = &e->listed[i];
		int64		at;

		if (run->listed_by[listed->item] == user + 1 || rmf_has_number(items->seen, items->n_seen, listed->item))
			continue;
		run->listed_by[listed->item] = user + 1;
		run->drawn[n++] = listed->item;
		at = rmf_find_number(items->held, items->n_held, listed->item);
		if (at < items->n_held && items->held[at] == listed->item)
			run->scores[at] = listed->score;
		else
			run->scores[(*n_scores)++] = listed->score;
	}
	return n;
}

static void
rank_lists(Run *run)
{
	RecmfEvaluation *e = run->evaluation;
	int64		longest = 0;
	int32		user;

	for (user = 0; user < e->n_users; user++)
		longest = Max(longest, e->listed_start[user + 1] - e->listed_start[user]);
	make_room(run, longest);
	run->listed_by = (int32 *) MemoryContextAllocExtended(e->context, sizeof(int32) * (Size) recmf_ids_count(e->items),
														  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	while ((user = next_held(run)) >= 0)
	{
		UserItems	items = items_of(e, user);
		int32		n_scores;
		int32		n = clean_list(run, user, &items, &n_scores);

		rmf_rank_scores(items.n_held, n_scores, run->scores, run->place);
		set_popular(run, user);
		take_ranking(run, RECMF_SYSTEM_MODEL, user, run->place, n, run->drawn, -1);
		take_baselines(run, user);
	}
}

/*
 * Samples of candidates
 */

/* The candidates beside the held-out items. */
static const int32 *
negatives_of(Run *run, int32 user, const UserItems *items, int32 *n)
{
	RecmfEvaluation *e = run->evaluation;

	if (e->options.candidates != NULL)
	{
		*n = (int32) (e->negatives.start[user + 1] - e->negatives.start[user]);
		return e->negatives.item + e->negatives.start[user];
	}
	*n = rmf_random_items(e->options.seed, key_of(e, user), e->n_items, items->n_seen, items->seen, items->n_known,
						  items->held, e->options.negatives, run->drawn);
	return run->drawn;
}

static double
popularity_of(const RecmfEvaluation *e, int32 item)
{
	return item < e->n_items ? e->popularity.count[item] : NAN;
}

static double
score_of(const RecmfEvaluation *e, int32 user, int32 item)
{
	if (!e->knows_user[user] || item >= e->n_items)
		return popularity_of(e, item);
	return rmf_dot(e->dimensions, user_row(e, user), item_row(e, item));
}

static void
rank_samples(Run *run)
{
	RecmfEvaluation *e = run->evaluation;
	int64		most_negatives = e->options.negatives;
	int32		user;

	for (user = 0; user < e->n_users && e->options.candidates != NULL; user++)
		most_negatives = Max(most_negatives, e->negatives.start[user + 1] - e->negatives.start[user]);
	make_room(run, most_negatives);
	while ((user = next_held(run)) >= 0)
	{
		UserItems	items = items_of(e, user);
		int32		n_known = items.n_known;
		int32		n_negatives;
		const int32 *negatives = negatives_of(run, user, &items, &n_negatives);
		int			system;
		int32		i;

		for (system = RECMF_SYSTEM_MODEL; system <= RECMF_SYSTEM_POPULARITY; system++)
		{
			if (system > RECMF_SYSTEM_MODEL && !e->options.baselines)
				break;
			for (i = 0; i < n_known + n_negatives; i++)
			{
				int32		item = i < n_known ? items.held[i] : negatives[i - n_known];

				run->scores[i] = system == RECMF_SYSTEM_MODEL ? score_of(e, user, item) : popularity_of(e, item);
			}
			rmf_rank_scores(n_known, n_known + n_negatives, run->scores, run->place);
			take_ranking(run, (RecmfSystem) system, user, run->place, 0, NULL, n_negatives);
		}
		if (e->options.baselines)
		{
			rmf_rank_randomly(e->options.seed, key_of(e, user), (int64) n_known + n_negatives, n_known, run->place);
			take_ranking(run, RECMF_SYSTEM_RANDOM, user, run->place, 0, NULL, n_negatives);
		}
	}
}

/*
 * Predictions
 */

static void
add_errors(float *values, const double *error)
{
	int			i;

	for (i = 0; i < RECMF_PREDICTION_COLUMNS; i++)
		if (isnan(values[i]))
			values[i] = 0;
	for (i = 0; i < RECMF_N_PREDICTING; i++)
	{
		values[i * RECMF_ERRORS + RECMF_SQUARED_ERROR] += (float) (error[i] * error[i]);
		values[i * RECMF_ERRORS + RECMF_ABSOLUTE_ERROR] += (float) fabs(error[i]);
	}
	values[RECMF_PREDICTION_COLUMNS - 1] += 1;
}

/* The user's row of a table to which he is the last to be added. */
static float *
last_values(RecmfEvaluation *e, RecmfValues *table, int32 user)
{
	if (table->n_rows > 0 && table->user[table->n_rows - 1] == user)
		return table->values + (table->n_rows - 1) * table->n_columns;
	return recmf_values_add(e, table, user);
}

static void
predict(RecmfEvaluation *e)
{
	int64		i;

	for (i = 0; i < e->n_test_rows; i++)
	{
		const RecmfTestRow *row = &e->test_rows[i];
		bool		knows_item = row->item < e->n_items;
		double		prediction = e->problem.mean;
		double		error[RECMF_N_PREDICTING];

		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		(void) rmf_als_predict(&e->problem, e->knows_user[row->user] ? user_row(e, row->user) : NULL,
							   knows_item ? item_row(e, row->item) : NULL, e->rating_min, e->rating_max, &prediction);
		error[0] = row->rating - prediction;
		error[1] = row->rating - e->problem.mean;
		error[2] = e->item_mean == NULL ? NAN : row->rating - (knows_item ? e->item_mean[row->item] : e->problem.mean);
		add_errors(last_values(e, &e->predictions[0], row->user), error);
		if (e->segments != NULL)
			add_errors(last_values(e, &e->predictions[row->segment + 1], row->user), error);
	}
}

/*
 * Probabilities: of the cells that were not trained on, those of the test
 * happened.  Of the others some are drawn, and stand for all.
 */

static void
add_cell(RecmfEvaluation *e, float *values, rmf_case **cases, double p, double base_rate, double weight, bool happened)
{
	values[0] += (float) (weight * rmf_log_loss(p, happened));
	values[1] += (float) (weight * rmf_log_loss(base_rate, happened));
	values[2] += (float) weight;
	cases[0][e->n_calibration] = (rmf_case) {p, weight, happened};
	cases[1][e->n_calibration] = (rmf_case) {base_rate, weight, happened};
	e->n_calibration++;
}

static void
judge_probabilities(RecmfEvaluation *e)
{
	int64		room = e->held.start[e->n_users] + (int64) DRAWN_CELLS * e->n_users;
	rmf_case   *cases[2];
	int32		drawn[DRAWN_CELLS];
	int32		user;

	for (user = 0; user < 2; user++)
		cases[user] = (rmf_case *) MemoryContextAllocHuge(e->context, sizeof(rmf_case) * Max(room, 1));
	for (user = 0; user < e->n_users; user++)
	{
		UserItems	items = items_of(e, user);
		int32		n_known = items.n_known;
		int32		n_drawn;
		float	   *values;
		int32		i;

		if (user % USERS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
		if (!e->knows_user[user] || n_known == 0)
			continue;
		n_drawn = rmf_random_items(e->options.seed, key_of(e, user), e->n_items, items.n_seen, items.seen, n_known,
								   items.held, DRAWN_CELLS, drawn);
		values = recmf_values_add(e, &e->probabilities[0], user);
		values[0] = values[1] = values[2] = 0;
		for (i = 0; i < n_known + n_drawn; i++)
		{
			int32		item = i < n_known ? items.held[i] : drawn[i - n_known];
			double		weight = i < n_known ? 1 : (double) items.n_others / n_drawn;
			double		base_rate = Min(1, (double) e->popularity.count[item] / Max(e->n_model_users, 1));
			double		p = 0;

			(void) rmf_als_predict(&e->problem, user_row(e, user), item_row(e, item), 0, 1, &p);
			add_cell(e, values, cases, p, base_rate, weight, i < n_known);
		}
	}
	for (user = 0; user < 2; user++)
		e->calibration[user] = rmf_calibration_error(e->n_calibration, cases[user]);
}

static RecmfValues *
make_tables(const RecmfEvaluation *e, int n_columns)
{
	RecmfValues *tables = (RecmfValues *) MemoryContextAllocZero(e->context, sizeof(RecmfValues) * (e->n_segments + 1));
	int			i;

	for (i = 0; i <= e->n_segments; i++)
		tables[i].n_columns = n_columns;
	return tables;
}

void
recmf_evaluation_run(RecmfEvaluation *e)
{
	Run		   *run = (Run *) MemoryContextAllocZero(e->context, sizeof(Run));
	int			i;

	run->evaluation = e;
	run->most_k = e->options.k[e->options.n_k - 1];
	run->catalogue.n = e->n_items;
	run->catalogue.count = e->popularity.count;
	run->catalogue.tail = e->tail;
	run->catalogue.n_users = e->n_model_users;
	run->catalogue.dimensions = e->problem.factors;
	run->catalogue.directions = e->directions;
	run->most_held = 1;
	for (i = 0; i < e->n_users; i++)
		run->most_held = Max(run->most_held, e->held.start[i + 1] - e->held.start[i]);
	run->place = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * run->most_held);
	run->random_place = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * run->most_held);
	run->order = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * run->most_held);
	run->sorted = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * run->most_held);
	run->of = (char *) MemoryContextAllocHuge(e->context, run->most_held);
	run->list = (int32 *) MemoryContextAlloc(e->context, sizeof(int32) * run->most_k);
	run->popular = (int32 *) MemoryContextAlloc(e->context, sizeof(int32) * run->most_k);
	run->sum = (double *) MemoryContextAlloc(e->context, sizeof(double) * (e->problem.factors + 1));
	run->item = (int32 *) MemoryContextAllocHuge(e->context, sizeof(int32) * run->most_held);

	for (i = 0; i < RECMF_N_RANKING; i++)
	{
		e->ranking[i] = make_tables(e, e->options.n_k * RECMF_COLUMNS_A_K + 1);
		e->exposure[i] = (int32 *) MemoryContextAllocExtended(e->context, sizeof(int32) * e->options.n_k * (Size) e->n_items,
															  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		e->calibration[i] = NAN;
	}
	e->predictions = make_tables(e, RECMF_PREDICTION_COLUMNS);
	e->probabilities = make_tables(e, RECMF_PROBABILITY_COLUMNS);

	if (recmf_evaluation_is_sampled(e))
		rank_samples(run);
	else if (e->subject.lists != NULL)
		rank_lists(run);
	else
		rank_catalogue(run);
	predict(e);
	if (e->problem.feedback == RMF_LOGISTIC && e->item_rows != NULL)
		judge_probabilities(e);
}
