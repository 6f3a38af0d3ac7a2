/*
 * test_mips_check.c
 *	  What mips_check() relies on: entries and leading directions that hold, and
 *	  each way in which they may not.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rmf_mips.h"
#include "rmf_random.h"
#include "unit.h"

enum
{
	MOST = 300
};

static void
test_entries(int32_t d, float length)
{
	float		v[MOST];
	int8_t		code[MOST + 64];
	rmf_mips_entry entry;
	rmf_mips_entry wrong;
	int32_t		largest = 0;

	for (int32_t i = 0; i < d; i++)
	{
		v[i] = length * (float) ((double) (rmf_mix64((uint64_t) (i + 1)) >> 11) * 0x1p-53 - 0.5);
		if (fabsf(v[i]) > fabsf(v[largest]))
			largest = i;
	}
	rmf_mips_encode(d, v, code, &entry);
	CHECK(rmf_mips_entry_holds(d, v, code, &entry));

	wrong = entry;
	wrong.norm = entry.norm * 0.999f;
	CHECK(!rmf_mips_entry_holds(d, v, code, &wrong));
	wrong = entry;
	wrong.norm = NAN;
	CHECK(!rmf_mips_entry_holds(d, v, code, &wrong));
	wrong = entry;
	wrong.error = NAN;
	CHECK(!rmf_mips_entry_holds(d, v, code, &wrong));
	wrong = entry;
	wrong.scale = -entry.scale;
	CHECK(!rmf_mips_entry_holds(d, v, code, &wrong));
	code[largest] = (int8_t) -code[largest];
	CHECK(!rmf_mips_entry_holds(d, v, code, &entry));
}

static void
test_spaces(void)
{
	float		leading[2 * 3] = {0.6f, 0.8f, 0.0f, 0.8f, -0.6f, 0.0f};
	rmf_mips_space space = {.dimensions = 3,.n_leading = 2,.leading = leading};

	CHECK(rmf_mips_space_holds(&space));
	leading[5] = 0.01f;
	CHECK(!rmf_mips_space_holds(&space));
	leading[5] = 0.0f;
	leading[0] = 0.61f;
	CHECK(!rmf_mips_space_holds(&space));
	leading[0] = NAN;
	CHECK(!rmf_mips_space_holds(&space));
	space.n_leading = 0;
	CHECK(rmf_mips_space_holds(&space));
}

int
main(void)
{
	test_entries(1, 1.0f);
	test_entries(7, 1e-3f);
	test_entries(64, 1.0f);
	test_entries(MOST, FLT_MAX / 64);
	test_spaces();
	return unit_report("test_mips_check");
}
