/*
 * recmf_report.h
 *	  What a report of a model is made of: first everything is gathered
 *	  (recmf_report_data.c, recmf_report_lists.c), then it is written
 *	  (recmf_report_page.c and the sections in recmf_report_parts.h).
 *
 * All of it lies in the memory context of the call.
 */
#ifndef RECMF_REPORT_H
#define RECMF_REPORT_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "core/rmf_chart.h"
#include "recmf_registry.h"

/* Lists of a page are this long at most. */
#define RECMF_REPORT_MAX_K 100

/* What is shown of the factors' norms: quantiles, of which the first is the least and the last the greatest one. */
#define RECMF_REPORT_QUANTILES 7
#define RECMF_REPORT_BINS 26

/* Points of the curves of concentration */
#define RECMF_REPORT_POINTS 201

/* What the call asks for. */
typedef struct RecmfReportWish
{
	const char *title;			/* or NULL */
	char	   *item_names;		/* a SELECT of ids and names, or NULL */
	Jsonb	   *metrics;		/* rows of an evaluation, or NULL */
	int			k;
	int64		max_users;		/* 0: all */
	bool		exclude_seen;
} RecmfReportWish;

/* A row of the registry, beside what RecmfModel has of it. */
typedef struct RecmfReportVersion
{
	const RecmfModel *model;
	char	   *trained_at;
	char	   *owner;
	int64		n_ratings;
	int64		n_skipped;
	double		rating_mean;
	double		rating_min;
	double		rating_max;
	int			n_losses;
	double	   *losses;
	char	   *ended;			/* or NULL, as what follows */
	int			best_iteration; /* 0: not known */
	char	   *validation_metric;
	int64		validation_ratings;
	int			n_validations;
	double	   *validations;
	double		read_seconds;	/* NaN: not known */
	double		train_seconds;
	double		write_seconds;
	char	   *source;
	char	   *weight_col;
	int64		bytes;			/* of its tables with their indexes */
	char	   *items_name;		/* of the tables, for the reader */
	char	   *users_name;
} RecmfReportVersion;

/* An option of training, as text. */
typedef struct RecmfReportOption
{
	char	   *name;
	char	   *value;			/* NULL: this version has none */
	char	   *before;			/* that of the version before; NULL: none */
	bool		changed;
} RecmfReportOption;

/* One side's rows. */
typedef struct RecmfReportSide
{
	int64		n;				/* rows with a factor */
	double		quantiles[RECMF_REPORT_QUANTILES];	/* of the norms; NaN where n is 0 */
	rmf_axis	axis;			/* of the bins */
	int64		bins[RECMF_REPORT_BINS];
	int			n_doublings;	/* bins of n_ratings: rmf_doubling_bin() */
	int64		doublings[RMF_DOUBLING_BINS];
} RecmfReportSide;

typedef struct RecmfReportItem
{
	char	   *id;				/* as text */
	int64		count;			/* ratings, users, ... */
	double		value;			/* score, similarity, ... */
	bool		has_value;
} RecmfReportItem;

typedef struct RecmfReportList
{
	char	   *id;				/* whose list it is */
	int64		count;			/* his ratings, or items */
	int			n;
	RecmfReportItem *items;
	int			n_others;		/* of a user: what he has */
	RecmfReportItem *others;
	double		value;			/* of an item whose neighbours changed: how many stayed */
} RecmfReportList;

/* What the lists of all users, or of a sample, have in them. */
typedef struct RecmfReportCoverage
{
	int64		n_users;		/* whose lists were made */
	int64		n_listed;		/* whose list isn't empty */
	int64		n_entries;
	int64		n_items;		/* of the catalogue */
	int64		n_recommended;	/* items in at least one list */
	double		gini_ratings;
	double		gini_recommended;
	int64		n_half_ratings; /* so many items have half of the ratings */
	int64		n_half_recommended; /* ... and are half of the recommendations */
	double		tail_ratings;	/* the part of all that falls on items beyond the most popular fifth */
	double		tail_recommended;
	double		ratings[RECMF_REPORT_POINTS];	/* the most popular first */
	double		recommended[RECMF_REPORT_POINTS];	/* in the same order */
} RecmfReportCoverage;

/* The version before beside this one. */
typedef struct RecmfReportDrift
{
	RecmfReportVersion before;
	int64		new_users;
	int64		gone_users;
	int64		new_items;
	int64		gone_items;
	int			k;
	int64		n_users;		/* in both, whose lists were held against each other */
	int64		same_first;		/* of which the first item is the same */
	double		overlap;		/* mean part of a list that was in the old one; NaN: no users */
	int64		in_common[RECMF_REPORT_MAX_K + 1];	/* users by the number of items in common */
	int			n_neighbours;	/* items whose neighbours were held against each other */
	double		neighbour_overlap;
	int			n_changed;
	RecmfReportList *changed;	/* those that changed most; items: new ones, others: old ones */
} RecmfReportDrift;

/* A row of an evaluation. */
typedef struct RecmfReportMetric
{
	char	   *group;			/* NULL: all users */
	char	   *system;
	char	   *metric;
	int			k;				/* 0: none */
	double		value;			/* NaN: none */
	double		low;
	double		high;
	int64		n;				/* -1: not said */
} RecmfReportMetric;

typedef struct RecmfReport
{
	const RecmfReportWish *wish;
	const RecmfModel *model;
	char	   *made_at;
	RecmfReportVersion version;
	int			n_options;
	RecmfReportOption *options;
	RecmfReportSide sides[2];	/* by rmf_side */
	RecmfReportCoverage coverage;
	int			n_popular;
	RecmfReportItem *popular;	/* count: ratings */
	int			n_recommended;
	RecmfReportItem *recommended;	/* count: users; value: ratings */
	int			n_users;
	RecmfReportList *users;
	int			n_similar;
	RecmfReportList *similar;
	RecmfReportDrift *drift;	/* NULL: no version before */
	int			n_metrics;
	RecmfReportMetric *metrics;
	int			n_names;
	struct RecmfReportName *names;	/* by ascending id, as strcmp() has it */
} RecmfReport;

typedef struct RecmfReportName
{
	char	   *id;
	char	   *name;
} RecmfReportName;

/* Inside SPI_connect(), read only. */
extern void recmf_report_gather(RecmfReport *report);

/* The lists of users and what follows from them: coverage, drift. */
extern void recmf_report_gather_lists(RecmfReport *report);

/* A row of the registry and what its tables look like. */
extern void recmf_report_read_version(const RecmfModel *model, RecmfReportVersion *version);

/* The neighbours of an item that the model knows; "id": of its column's type. */
extern void recmf_report_neighbours(const RecmfModel *model, Datum id, int k, RecmfReportList *list);

/* The name of an item, or NULL. */
extern const char *recmf_report_name(const RecmfReport *report, const char *id);

/* Returns text. */
extern Datum recmf_report_write(const RecmfReport *report);

#endif							/* RECMF_REPORT_H */
