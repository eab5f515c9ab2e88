/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a burst of the engine "native" leaves on the stack of its data lcore: nothing that depends
 * on the key. The stack below a call is painted, the engine runs, and what is dead is copied out
 * before anything else can run. Two runs that differ in the key alone must leave the same octets;
 * and no word of the round keys, of the inverse ones and of the HMAC states may be among them. By
 * words, because AVX-512 has the same word of sixteen packets side by side.
 */
#include <criterion/criterion.h>
#include <immintrin.h>
#include <string.h>

#include "crypto_check.h"

#define PAINT     0xEE
#define DEAD_SIZE (256u << 10) /* more than an engine uses in any build */
#define BUF_LEN   (TW_ENGINE_COVER_MAX + TW_CRYPTO_TAG_LEN)
#define WORDS_MAX 256
#define SHIFTS    4

/* Frames here must not be sanitized: they look at what is no object any more. */
#define RAW __attribute__((noinline, no_sanitize("address"), no_sanitize("undefined")))

enum what { SEAL, OPEN, PAIRS, WHAT_N };
static const char *const what_str[WHAT_N] = {"seal", "open", "pairs"};

struct burst {
	struct tw_engine *eng;
	struct tw_crypto_tkey key;
	struct tw_engine_job job[TW_ENGINE_BURST_MAX];
	uint8_t buf[TW_ENGINE_BURST_MAX][BUF_LEN];
	uint8_t clear[TW_ENGINE_BURST_MAX][TW_ENGINE_COVER_MAX];
	struct tw_engine_pair pair[TW_ENGINE_BURST_MAX];
};

static uint8_t dead[DEAD_SIZE], before[DEAD_SIZE];

static RAW void
paint_stack(void)
{
	uint8_t *to = (uint8_t *)__builtin_frame_address(0) - DEAD_SIZE;
	size_t n = DEAD_SIZE;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(PAINT) : "memory");
}

static RAW void
copy_stack(void)
{
	const uint8_t *from = (const uint8_t *)__builtin_frame_address(0) - DEAD_SIZE;
	uint8_t *to = dead;
	size_t n = DEAD_SIZE;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/*
 * All three are called from here, so that their frames lie at the same place. @p shift moves them:
 * frames of aligned registers begin with a gap of 0 to 48 octets.
 */
static RAW bool
run(struct burst *b, enum what what, unsigned n, unsigned shift)
{
	volatile uint8_t *above = __builtin_alloca(1 + 16 * (size_t)shift);
	bool is_ok;

	above[0] = 0;
	paint_stack();
	if (what == SEAL)
		is_ok = tw_engine_seal(b->eng, b->job, n) == n;
	else if (what == OPEN)
		is_ok = tw_engine_open(b->eng, b->job, n) == n;
	else
		is_ok = tw_engine_pairs(b->eng, &b->key, 7, b->pair, n);
	copy_stack();
	return is_ok;
}

/* Words as they stand and swapped. @return how many */
static unsigned
words_of(uint32_t *out, const void *octets, size_t len)
{
	unsigned cnt = 0;

	for (size_t at = 0; at < len; at += sizeof(*out), cnt += 2) {
		memcpy(&out[cnt], (const uint8_t *)octets + at, sizeof(*out));
		out[cnt + 1] = __builtin_bswap32(out[cnt]);
	}
	return cnt;
}

/* As the equivalent inverse cipher has it, FIPS 197 5.3.5. */
__attribute__((target("aes"))) static unsigned
inverse_words(uint32_t *out, const uint8_t key[16])
{
	__m128i inv = _mm_aesimc_si128(_mm_loadu_si128((const __m128i *)(const void *)key));

	return words_of(out, &inv, sizeof(inv));
}

static unsigned
secret_words(uint32_t out[WORDS_MAX], const struct tw_crypto_tkey *key)
{
	unsigned cnt = words_of(out, key->enc, sizeof(key->enc));

	for (unsigned r = 1; r < 10; r++)
		cnt += inverse_words(&out[cnt], key->enc[r]);
	cnt += words_of(&out[cnt], key->ipad, sizeof(key->ipad));
	cnt += words_of(&out[cnt], key->opad, sizeof(key->opad));
	cnt += words_of(&out[cnt], key->hmac_key, sizeof(key->hmac_key));
	cr_assert_leq(cnt, WORDS_MAX);
	return cnt;
}

/* Octets between the untouched paint and the caller. */
static unsigned
used(void)
{
	unsigned at = 0;

	while (at < DEAD_SIZE && dead[at] == PAINT)
		at++;
	return DEAD_SIZE - at;
}

/* Secret words in what is left; spilled registers are aligned. */
static unsigned
words_found(const struct tw_crypto_tkey *key)
{
	uint32_t word[WORDS_MAX], here;
	const unsigned cnt = secret_words(word, key);
	unsigned hits = 0;

	for (size_t at = 0; at < DEAD_SIZE; at += sizeof(here)) {
		memcpy(&here, &dead[at], sizeof(here));
		for (unsigned i = 0; here != 0 && here != PAINT * 0x01010101u && i < cnt; i++)
			hits += here == word[i];
	}
	return hits;
}

static unsigned
octets_differing(void)
{
	unsigned cnt = 0;

	for (size_t at = 0; at < DEAD_SIZE; at++)
		cnt += dead[at] != before[at];
	return cnt;
}

/* The burst with key number @p k; what is opened was sealed with it. */
static void
run_with(struct burst *b, enum what what, unsigned n, uint16_t cover, unsigned shift, uint8_t k)
{
	struct tw_crypto_keys *keys = check_keys();

	check_count_up(keys->aes, sizeof(keys->aes), (uint8_t)(0x21 + 0x55 * k));
	check_count_up(keys->hmac, sizeof(keys->hmac), (uint8_t)(0x43 + 0x66 * k));
	cr_assert_eq(tw_crypto_tkey_init(&b->key, keys), 0);
	tw_crypto_free(keys);
	for (unsigned i = 0; i < n; i++) {
		memset(b->buf[i], (int)i, BUF_LEN);
		b->job[i] = (struct tw_engine_job){.key = &b->key,
			.buf = b->buf[i],
			.clear = b->clear[i],
			.cover = cover,
			.hmac_off = TW_ENGINE_COVER_MAX};
	}
	if (what == OPEN)
		cr_assert_eq(tw_engine_seal(b->eng, b->job, n), n);
	cr_assert(run(b, what, n, shift));
}

static void
look(struct burst *b, enum what what, unsigned n, uint16_t cover, unsigned shift)
{
	unsigned words, octets;

	run_with(b, what, n, cover, shift, 0);
	words = words_found(&b->key);
	memcpy(before, dead, DEAD_SIZE);
	run_with(b, what, n, cover, shift, 1);
	octets = octets_differing();
	cr_expect(words == 0 && octets == 0,
		"%s of %u, cover %u: of %u octets of stack %u depend on the key, %u secret words",
		what_str[what], n, cover, used(), octets, words);
	cr_assert_lt(used(), DEAD_SIZE);
}

/* Bursts for each kernel: alone, in pairs, wide, and a wide group with a narrow one behind it. */
static const unsigned sizes[] = {1, 2, 9, 10, 16, 17, 32, TW_ENGINE_BURST_MAX};

Test(remnants, nothing_on_the_stack_depends_on_the_key, .init = check_init)
{
	static const uint16_t cover[] = {
		TW_ENGINE_COVER_AUTH, TW_ENGINE_COVER_ENCR_REQ, TW_ENGINE_COVER_ENCR_REP};
	struct burst *b = tw_crypto_map(sizeof(*b));

	if (!check_fast[1])
		cr_skip("this CPU has no instructions for the engine \"native\"");
	b->eng = check_engine("native");
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned k = 0; k < 3 * SHIFTS; k++) {
			look(b, SEAL, sizes[s], cover[k / SHIFTS], k % SHIFTS);
			look(b, OPEN, sizes[s], cover[k / SHIFTS], k % SHIFTS);
		}
		for (unsigned shift = 0; shift < SHIFTS; shift++)
			look(b, PAIRS, sizes[s], TW_ENGINE_COVER_AUTH, shift);
	}
}
