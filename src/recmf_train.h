/*
 * recmf_train.h
 *	  What calls that train have in common: train_model() and tune_model().
 */
#ifndef RECMF_TRAIN_H
#define RECMF_TRAIN_H

#include "postgres.h"

#include "fmgr.h"

#include "recmf_dataset.h"

/* A text argument that must not be null; one that is a model's name. */
extern char *recmf_text_arg(FunctionCallInfo fcinfo, int number, const char *name);
extern char *recmf_model_arg(FunctionCallInfo fcinfo, int number);

/* NOTICEs of the rows that were passed over. */
extern void recmf_report_skipped(const RecmfDataset *dataset, bool has_weights);

/* An error where no row is left. */
extern void recmf_check_not_empty(const RecmfDataset *dataset);

#endif							/* RECMF_TRAIN_H */
