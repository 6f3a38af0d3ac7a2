/*
 * test_random.c
 *	  Hashes and random numbers: the bits are fixed for ever, since they reach
 *	  the disk, and their distribution is what it should be.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rmf_random.h"
#include "unit.h"

/* If one of these fails, models trained with the same seed come out differently. */
static void
test_bits_are_fixed(void)
{
	static const float expected[7] = {
		-0x1.42014ep-3f, -0x1.bd030cp-4f, 0x1.7c4356p-7f, 0x1.5a2b84p-4f,
		0x1.3d14cap-5f, 0x1.b6f6ep-3f, 0x1.b9876cp-6f
	};
	float		drawn[7];

	CHECK(rmf_mix64(0) == UINT64_C(0xE220A8397B1DCDAF));
	CHECK(rmf_hash_bytes("", 0, 0) == UINT64_C(0xE220A8397B1DCDAF));
	CHECK(rmf_hash_bytes("85123A", 6, 42) == UINT64_C(0x4C36127C4F517300));
	CHECK(rmf_hash_bytes("0123456789abcdef!", 17, 42) == UINT64_C(0x967A63A8A9CED6E4));

	CHECK(rmf_exponential(0) == 0x1.25e4f7b2737fap+5);
	CHECK(rmf_exponential(UINT64_C(0xE220A8397B1DCDAF)) == 0x1.fc395e8aa0841p-4);
	CHECK(rmf_exponential(UINT64_MAX) == 0x1p-53);

	rmf_random_normal(7, 42, 0.1, 7, drawn);
	for (int i = 0; i < 7; i++)
		CHECK(drawn[i] == expected[i]);
}

static void
test_hash(void)
{
	unsigned char bytes[32];
	uint64_t	hash[33];

	memset(bytes, 0, sizeof(bytes));

	/* zeros of different lengths differ */
	for (int length = 0; length <= 32; length++)
	{
		hash[length] = rmf_hash_bytes(bytes, (size_t) length, 1);
		for (int other = 0; other < length; other++)
			CHECK(hash[length] != hash[other]);
	}
	CHECK(rmf_hash_bytes(bytes, 32, 2) != hash[32]);

	/* every bit matters, wherever the string lies in memory */
	for (int bit = 0; bit < 31 * 8; bit++)
	{
		uint64_t	changed;

		bytes[1 + bit / 8] = (unsigned char) (1 << bit % 8);
		changed = rmf_hash_bytes(bytes + 1, 31, 1);
		CHECK(changed != hash[31]);
		memmove(bytes, bytes + 1, 31);
		CHECK(rmf_hash_bytes(bytes, 31, 1) == changed);
		memset(bytes, 0, sizeof(bytes));
	}
}

static void
test_distribution(void)
{
	enum
	{
		N = 1000000
	};
	float	   *drawn = malloc(N * sizeof(float));
	double		sum = 0,
				squares = 0,
				cubes = 0,
				fourths = 0,
				neighbours = 0;
	int			within_one = 0,
				within_two = 0,
				beyond_four = 0;

	rmf_random_normal(123, 42, 2.0, N, drawn);
	for (int i = 0; i < N; i++)
	{
		double		x = drawn[i] / 2.0;

		sum += x;
		squares += x * x;
		cubes += x * x * x;
		fourths += x * x * x * x;
		if (i > 0)
			neighbours += x * drawn[i - 1] / 2.0;
		within_one += fabs(x) < 1;
		within_two += fabs(x) < 2;
		beyond_four += fabs(x) > 4;
	}
	/* five standard errors each */
	CHECK_NEAR(sum / N, 0, 0.005);
	CHECK_NEAR(squares / N, 1, 0.0075);
	CHECK_NEAR(cubes / N, 0, 0.02);
	CHECK_NEAR(fourths / N, 3, 0.05);
	CHECK_NEAR(neighbours / N, 0, 0.005);
	CHECK_NEAR((double) within_one / N, 0.682689, 0.0024);
	CHECK_NEAR((double) within_two / N, 0.954500, 0.0011);
	CHECK_NEAR(beyond_four, 63.3, 40);
	free(drawn);
}

/* The part of hashes whose draw is above x is e^-x. */
static void
test_exponential(void)
{
	enum
	{
		N = 1000000
	};
	double		sum = 0;
	int			above_one = 0,
				above_three = 0;

	for (uint64_t i = 0; i < N; i++)
	{
		double		x = rmf_exponential(rmf_mix64(i));

		sum += x;
		above_one += x > 1;
		above_three += x > 3;
	}
	CHECK_NEAR(sum / N, 1, 0.005);
	CHECK_NEAR((double) above_one / N, 0.367879, 0.0025);
	CHECK_NEAR((double) above_three / N, 0.049787, 0.0011);
	for (double x = 0.37; x < 36; x += 0.37)
		CHECK_NEAR(rmf_exponential((uint64_t) (exp(-x) * 0x1p63) * 2), x, 1e-8 + exp(x - 36));
}

static void
test_streams(void)
{
	enum
	{
		KEYS = 2000
	};
	float		a[64],
				b[64];
	double		first_of_neighbours = 0;

	/* fewer draws are the beginning of more, odd numbers included */
	rmf_random_normal(5, 42, 1.0, 64, a);
	for (int n = 0; n < 64; n++)
	{
		b[n] = -99;
		rmf_random_normal(5, 42, 1.0, n, b);
		CHECK(memcmp(a, b, (size_t) n * sizeof(float)) == 0);
		CHECK(b[n] == -99);
	}

	/* another key or seed is another stream, and they are not exchangeable */
	rmf_random_normal(6, 42, 1.0, 64, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	rmf_random_normal(5, 43, 1.0, 64, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	rmf_random_normal(42, 5, 1.0, 64, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);

	/* the draws of neighbouring keys are not related */
	for (uint64_t key = 0; key < KEYS; key++)
	{
		rmf_random_normal(key, 42, 1.0, 1, a);
		rmf_random_normal(key + 1, 42, 1.0, 1, b);
		first_of_neighbours += (double) a[0] * b[0];
	}
	CHECK_NEAR(first_of_neighbours / KEYS, 0, 5 / sqrt(KEYS));

	rmf_random_normal(5, 42, 0.0, 64, a);
	for (int i = 0; i < 64; i++)
		CHECK(a[i] == 0);
}

int
main(void)
{
	test_bits_are_fixed();
	test_hash();
	test_distribution();
	test_exponential();
	test_streams();
	return unit_report("random");
}
