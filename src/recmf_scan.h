/*
 * recmf_scan.h
 *	  A whole table into a dataset, by parallel workers where that helps.
 */
#ifndef RECMF_SCAN_H
#define RECMF_SCAN_H

#include "postgres.h"

#include "utils/rel.h"

#include "recmf_dataset.h"

/*
 * All rows that the active snapshot sees.  That the caller may read the
 * columns has been checked.  What the dataset holds in the end depends on the
 * rows alone, not on who has read them.
 */
extern void recmf_scan_table(Relation table, const RecmfRowShape *shape, RecmfDataset *dataset);

#endif							/* RECMF_SCAN_H */
