/*
 * recmf.c
 *	  Module entry: the magic block and the settings (GUCs).
 *
 * Nothing is allocated, started or registered beyond the settings: no hooks,
 * no shared memory, no background worker that stays.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "recmf_dataset.h"
#include "recmf_registry.h"
#include "recmf_team.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

int			recmf_training_memory = 2 * 1024 * 1024;
char	   *recmf_model_setting = NULL;

void
_PG_init(void)
{
	DefineCustomStringVariable("recmf.model",
							   "Sets the model that serving functions use when none is named.",
							   NULL,
							   &recmf_model_setting,
							   "",
							   PGC_USERSET,
							   0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("recmf.training_memory",
							"Sets the memory that one training run may use.",
							"Ratings that do not fit go to temporary files; a run whose ids and factors do not fit fails.",
							&recmf_training_memory,
							2 * 1024 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("recmf.max_parallel_workers",
							"Sets the number of parallel workers that one training run or recommend_all() may use.",
							"Bounded by max_parallel_maintenance_workers and max_parallel_workers; small runs use fewer. The result does not depend on it.",
							&recmf_max_parallel_workers,
							8, 0, RECMF_MAX_TEAM - 1,
							PGC_USERSET,
							0,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("recmf");
}
