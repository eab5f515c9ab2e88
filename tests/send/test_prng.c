/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Exponential deviates: the values and sums that RFC 4656 appendix B prints, from its AES source;
 * with our own source the moments of an exponential distribution.
 */
#include <criterion/criterion.h>

#include "prng.h"
#include "send_check.h"

#define DRAWS 1000000

/* RFC 4656 section 5: AES with key SID over a counter, four numbers a block, a burst at a time. */
struct aes_source {
	struct tw_engine *eng;
	struct tw_crypto_tkey *tkey;
	uint8_t buf[TW_ENGINE_BURST_MAX][32];
	uint64_t block; /* next to encrypt */
	unsigned left;  /* numbers left in buf */
};

static void
refill(struct aes_source *src)
{
	struct tw_engine_job job[TW_ENGINE_BURST_MAX];

	for (unsigned i = 0; i < TW_ENGINE_BURST_MAX; i++) {
		memset(src->buf[i], 0, 8);
		/* the counter counts numbers; a block holds four */
		tw_store_be64(src->buf[i] + 8, 4 * src->block++);
		job[i] = (struct tw_engine_job){
			.key = src->tkey, .buf = src->buf[i], .cover = 16, .hmac_off = 16};
	}
	cr_assert_eq(tw_engine_seal(src->eng, job, TW_ENGINE_BURST_MAX), TW_ENGINE_BURST_MAX);
	src->left = 4 * TW_ENGINE_BURST_MAX;
}

static uint32_t
aes_draw(void *arg)
{
	struct aes_source *src = arg;
	unsigned idx;

	if (src->left == 0)
		refill(src);
	idx = 4 * TW_ENGINE_BURST_MAX - src->left--;
	return tw_load_be32(&src->buf[idx / 4][4 * (idx % 4)]);
}

static void
check_sums(const uint8_t sid[16], const uint64_t first[4], uint64_t sum)
{
	struct aes_source src = {.eng = check_engine(check_fast())};
	struct tw_crypto_keys *keys = check_keys(0);
	uint64_t total = 0;

	src.tkey = tw_crypto_map(sizeof(*src.tkey));
	memcpy(keys->aes, sid, 16);
	cr_assert_eq(tw_crypto_tkey_init(src.tkey, keys), 0);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t dev = exp_deviate(aes_draw, &src);

		if (i < 4)
			cr_assert_eq(dev, first[i], "deviate %u: %lx", i, dev);
		total += dev;
	}
	cr_assert_eq(total, sum, "%lx", total);
	check_engine_free(src.eng);
}

/* R-4656-084 */
Test(prng, deviates_are_those_of_the_standard)
{
	static const uint8_t sid_a[16] = {0x28, 0x72, 0x97, 0x93, 0x03, 0xab, 0x47, 0xee, 0xac,
		0x02, 0x8d, 0xab, 0x38, 0x29, 0xda, 0xb2};
	static const uint8_t sid_b[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0};

	check_init();
	check_sums(sid_a, (uint64_t[]){0x6d27e540, 0x34cbb103, 0x2729905a, 0x1b7cf3308},
		0x000f4479bd317381);
	check_sums(sid_b, (uint64_t[]){0xc2127448, 0xe6f429b4, 0x792b5a06, 0x830323f2},
		0x000f433686466a62);
}

static uint32_t
fixed_draw(void *arg)
{
	uint32_t **next = arg;

	return *(*next)++;
}

/* Corners of the method that random numbers will not meet. */
Test(prng, deviate_corners)
{
	uint32_t all_ones[] = {UINT32_MAX}, zero[] = {0}, ones31[] = {UINT32_MAX - 1};
	uint32_t *p;

	p = all_ones;
	cr_assert_eq(exp_deviate(fixed_draw, &p), 32 * 0xb17217f8ULL);
	p = zero;
	cr_assert_eq(exp_deviate(fixed_draw, &p), 0);
	p = ones31;
	cr_assert_eq(exp_deviate(fixed_draw, &p), 31 * 0xb17217f8ULL);
	/* U = .111..10 >= Q[10]: k = 11 draws in general; here U << 1 = fffffffe, k = 11 */
	{
		uint32_t many[13] = {0x7fffffff, 9, 9, 9, 9, 3, 9, 9, 9, 9, 9, 9, 9};

		p = many;
		cr_assert_eq(exp_deviate(fixed_draw, &p), 3 * 0xb17217f8ULL >> 32);
		cr_assert_eq(p - many, 12);
	}
}

Test(prng, own_source_has_the_moments_of_an_exponential)
{
	uint64_t state[4] = {11, 22, 33, 44};
	double sum = 0, sum2 = 0, tail = 0;

	for (unsigned i = 0; i < DRAWS; i++) {
		double x = (double)exp_deviate(prng_draw, state) / 4294967296.0;

		sum += x;
		sum2 += x * x;
		tail += x > 3.0;
	}
	sum /= DRAWS;
	sum2 /= DRAWS;
	/* five standard errors: 0.005 for the mean, 0.022 for the second moment, 0.0011 */
	cr_assert(sum > 0.995 && sum < 1.005, "%f", sum);
	cr_assert(sum2 > 1.978 && sum2 < 2.022, "%f", sum2);
	cr_assert(tail / DRAWS > 0.0487 && tail / DRAWS < 0.0509, "%f", tail / DRAWS);
}

Test(prng, any_seed_will_do)
{
	static const uint64_t seeds[][4] = {{0}, {1}, {0, 1}, {0, 0, 0, 1}, {1, 2, 3, 4},
		{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, {0x61c8864680b583ebULL}};
	uint64_t first[TW_ARRAY_SIZE(seeds)];

	for (unsigned i = 0; i < TW_ARRAY_SIZE(seeds); i++) {
		uint64_t state[4];
		unsigned ones = 0;

		prng_seed(state, seeds[i]);
		first[i] = prng_next(state);
		for (unsigned k = 0; k < i; k++)
			cr_assert_neq(first[i], first[k]);
		for (unsigned k = 0; k < 16; k++)
			ones += (unsigned)__builtin_popcountll(prng_next(state));
		cr_assert(ones > 400 && ones < 624, "seed %u: %u", i, ones);
	}
}

/* xoshiro256++ from the state {1, 2, 3, 4}: values of the authors' reference code. */
Test(prng, source_is_xoshiro256pp)
{
	static const uint64_t want[] = {41943041ULL, 58720359ULL, 3588806011781223ULL,
		3591011842654386ULL, 9228616714210784205ULL, 9973669472204895162ULL};
	uint64_t state[4] = {1, 2, 3, 4};

	for (unsigned i = 0; i < TW_ARRAY_SIZE(want); i++)
		cr_assert_eq(prng_next(state), want[i]);
}
