/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Engines: known answers, recorded packets, and equality of all engines on random bursts with
 * random interleaving of keys, covers, faults and refusals.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_check.h"
#include "golden.h"

#define PACKET_MAX 1500
#define KEYS       16

static const uint16_t covers[] = {
	TW_ENGINE_COVER_AUTH, TW_ENGINE_COVER_ENCR_REQ, TW_ENGINE_COVER_ENCR_REP};

struct burst {
	struct tw_engine_job job[TW_ENGINE_BURST_MAX];
	uint8_t buf[TW_ENGINE_BURST_MAX][PACKET_MAX];
	uint8_t clear[TW_ENGINE_BURST_MAX][TW_ENGINE_COVER_MAX];
};

static struct tw_crypto_tkey *
random_keys(uint64_t *seed)
{
	struct tw_crypto_tkey *tkey = tw_crypto_map(KEYS * sizeof(*tkey));
	struct tw_crypto_keys *keys = check_keys();
	unsigned i;

	for (i = 0; i < KEYS; i++) {
		check_random(seed, keys, sizeof(*keys));
		cr_assert_eq(tw_crypto_tkey_init(&tkey[i], keys), 0);
	}
	tw_crypto_free(keys);
	return tkey;
}

/* Random packets: any cover, a place for the HMAC from the cover to the end, any alignment. */
static void
burst_random(struct burst *b, const struct tw_crypto_tkey *tkey, unsigned n, uint64_t *seed)
{
	uint16_t pick[4];
	unsigned i;

	for (i = 0; i < n; i++) {
		uint16_t cover, hmac_off;
		unsigned shift;

		check_random(seed, pick, sizeof(pick));
		cover = covers[pick[0] % 3];
		shift = pick[1] % 16;
		hmac_off = (uint16_t)(cover + (pick[2] % 4 ? pick[2] % 64 : pick[2] % 1300));
		check_random(seed, b->buf[i], shift + hmac_off + 32);
		b->job[i] = (struct tw_engine_job){
			.key = &tkey[pick[3] % KEYS],
			.buf = b->buf[i] + shift,
			.clear = b->clear[i],
			.cover = cover,
			.hmac_off = hmac_off,
			.res = 1,
		};
	}
}

/* The same jobs over another burst's memory. */
static void
burst_copy(struct burst *to, const struct burst *from, unsigned n)
{
	unsigned i;

	memcpy(to->buf, from->buf, sizeof(to->buf));
	memset(to->clear, 0xEE, sizeof(to->clear));
	for (i = 0; i < n; i++) {
		to->job[i] = from->job[i];
		to->job[i].buf = to->buf[i] + (from->job[i].buf - from->buf[i]);
		to->job[i].clear = to->clear[i];
	}
}

static void
expect_equal(const struct burst *a, const struct burst *b, unsigned n, bool is_open)
{
	unsigned i;

	cr_assert_eq(memcmp(a->buf, b->buf, sizeof(a->buf)), 0);
	for (i = 0; i < n; i++) {
		cr_assert_eq(a->job[i].res, b->job[i].res);
		if (is_open && a->job[i].res != -EINVAL)
			cr_assert_eq(memcmp(a->clear[i], b->clear[i], a->job[i].cover), 0);
	}
}

/* Seal, compare; break some, open, compare; buf stays as it was. */
static void
round_trip(struct tw_engine *const eng[2], const struct tw_crypto_tkey *tkey, unsigned n,
	uint64_t *seed)
{
	static struct burst plain, a, b, sent;
	unsigned i, broken = 0;
	uint8_t pick[4];

	burst_random(&plain, tkey, n, seed);
	burst_copy(&a, &plain, n);
	burst_copy(&b, &plain, n);
	cr_assert_eq(tw_engine_seal(eng[0], a.job, n), n);
	cr_assert_eq(tw_engine_seal(eng[1], b.job, n), n);
	expect_equal(&a, &b, n, false);
	for (i = 0; i < n; i++) {
		check_random(seed, pick, sizeof(pick));
		if (pick[0] % 4 != 0)
			continue;
		a.job[i].buf[pick[1] % 2 ? pick[2] % a.job[i].cover
					 : a.job[i].hmac_off + pick[2] % 16] ^=
			(uint8_t)(1u << pick[3] % 8);
		broken++;
	}
	burst_copy(&b, &a, n);
	burst_copy(&sent, &a, n);
	cr_assert_eq(tw_engine_open(eng[0], a.job, n), n - broken);
	cr_assert_eq(tw_engine_open(eng[1], b.job, n), n - broken);
	expect_equal(&a, &b, n, true);
	cr_assert_eq(memcmp(a.buf, sent.buf, sizeof(a.buf)), 0);
	for (i = 0; i < n; i++) {
		static const uint8_t zero[TW_ENGINE_COVER_MAX];
		bool is_ok = a.job[i].res == 0;

		cr_assert(is_ok || a.job[i].res == -EBADMSG);
		cr_assert_eq(
			memcmp(a.clear[i], is_ok ? plain.job[i].buf : zero, a.job[i].cover), 0);
	}
}

Test(engine, engines_agree_on_random_bursts, .init = check_init)
{
	uint64_t seed = 20260913;
	struct tw_crypto_tkey *tkey = random_keys(&seed);
	unsigned n, round, k;

	for (k = 0; check_fast[k]; k++) {
		struct tw_engine *const eng[2] = {
			check_engine(check_fast[k]), check_engine("openssl")};

		for (n = 1; n <= TW_ENGINE_BURST_MAX; n++)
			for (round = 0; round < 6; round++)
				round_trip(eng, tkey, n, &seed);
		check_engine_free(eng[0]);
		check_engine_free(eng[1]);
	}
}

/* A pair is what a sealed packet of nothing but block and HMAC holds, also around the wrap. */
Test(engine, pairs_are_sealed_packets, .init = check_init)
{
	struct tw_engine *ref = check_engine("openssl");
	struct tw_engine_pair *pair = tw_crypto_map((TW_ENGINE_BURST_MAX + 1) * sizeof(*pair));
	uint64_t rnd = 77;
	struct tw_crypto_tkey *tkey = random_keys(&rnd);
	unsigned n, i, k;

	for (k = 0; check_fast[k]; k++) {
		struct tw_engine *eng = check_engine(check_fast[k]);

		for (n = 1; n <= TW_ENGINE_BURST_MAX; n++) {
			const struct tw_crypto_tkey *key = &tkey[n % KEYS];
			uint32_t seq = n % 3 == 0   ? 0
				       : n % 3 == 1 ? UINT32_MAX - n / 2
						    : n * 77777777u;

			memset(pair, 0xEE, (TW_ENGINE_BURST_MAX + 1) * sizeof(*pair));
			cr_assert(tw_engine_pairs(eng, key, seq, pair, n));
			for (i = 0; i < n; i++) {
				uint8_t buf[32] = {(uint8_t)((seq + i) >> 24),
					(uint8_t)((seq + i) >> 16), (uint8_t)((seq + i) >> 8),
					(uint8_t)(seq + i)};
				struct tw_engine_job job = {
					.key = key, .buf = buf, .cover = 16, .hmac_off = 16};

				cr_assert_eq(tw_engine_seal(ref, &job, 1), 1);
				cr_assert_eq(memcmp(buf, &pair[i], sizeof(buf)), 0, "%s, %u of %u",
					check_fast[k], i, n);
			}
			cr_assert_eq(pair[n].block[0], 0xEE, "wrote past the end");
		}
		check_engine_free(eng);
	}
}

Test(engine, auto_is_the_fastest_that_runs_here, .init = check_init)
{
	cr_assert_eq(tw_engine_pick("auto"), tw_engine_find(check_fast[1] ? "native" : "ipsec-mb"));
	cr_assert_eq(tw_engine_pick("openssl"), tw_engine_find("openssl"));
	cr_assert_null(tw_engine_pick("none"));
}

Test(engine, all_engines_pass_the_check_of_a_start, .init = check_init)
{
	const char *which = NULL;

	cr_assert_eq(tw_engine_check_all(&which), 0, "%s", which);
}

Test(engine, selftest_passes, .init = check_init)
{
	const struct tw_engine_ops *ops;
	unsigned i;

	for (i = 0; (ops = tw_engine_at(i)); i++) {
		struct tw_engine *eng = ops->is_supported() ? check_engine(ops->name) : NULL;

		if (!eng)
			continue;

		cr_assert_eq(tw_engine_selftest(eng), 0, "%s", ops->name);
		cr_assert_gt(strlen(tw_engine_variant(eng)), 0);
		check_engine_free(eng);
	}
	cr_assert_eq(i, 3);
	tw_engine_fini(NULL);
}

/* An engine that does not do its work must not pass. */
static unsigned
idle_burst(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	unsigned i;

	(void)eng;
	for (i = 0; i < n; i++)
		job[i].res = 0;
	return n;
}

static bool
idle_pairs(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n)
{
	(void)eng;
	(void)key;
	(void)seq;
	(void)pair;
	(void)n;
	return true;
}

Test(engine, selftest_refuses_a_broken_engine, .init = check_init)
{
	unsigned k;

	for (k = 0; check_fast[k]; k++) {
		struct tw_engine *eng = check_engine(check_fast[k]);
		const struct tw_engine_ops *ops = eng->ops;
		struct tw_engine_ops broken = *ops;

		eng->ops = &broken;
		broken.seal = idle_burst;
		cr_assert_eq(tw_engine_selftest(eng), -EIO);
		broken = *ops;
		broken.open = idle_burst;
		cr_assert_eq(tw_engine_selftest(eng), -EIO);
		broken = *ops;
		broken.pairs = idle_pairs;
		cr_assert_eq(tw_engine_selftest(eng), -EIO);
	}
}

Test(engine, jobs_that_cannot_be_done_are_refused_alone, .init = check_init)
{
	static struct burst good, b;
	uint64_t seed = 5;
	struct tw_crypto_tkey *tkey = random_keys(&seed);
	const char *names[] = {"openssl", check_fast[0], check_fast[1]};
	unsigned i, k;

	for (k = 0; k < 3 && names[k]; k++) {
		struct tw_engine *eng = check_engine(names[k]);

		burst_random(&good, tkey, 8, &seed);
		burst_copy(&b, &good, 8);
		b.job[0].cover = 0;
		b.job[1].cover = 48;
		b.job[2].hmac_off = (uint16_t)(b.job[2].cover - 1);
		b.job[3].key = NULL;
		b.job[4].buf = NULL;
		b.job[6].cover = 112;
		cr_assert_eq(tw_engine_seal(eng, b.job, 8), 2);
		for (i = 0; i < 8; i++) {
			cr_assert_eq(b.job[i].res, i == 5 || i == 7 ? 0 : -EINVAL);
			if (i != 5 && i != 7)
				cr_assert_eq(memcmp(b.buf[i], good.buf[i], PACKET_MAX), 0);
		}
		b.job[7].clear = NULL;
		cr_assert_eq(tw_engine_open(eng, b.job, 8), 1);
		cr_assert_eq(b.job[7].res, -EINVAL);
		cr_assert_eq(b.job[5].res, 0);
		for (i = 0; i < 8; i++)
			b.job[i].key = NULL;
		cr_assert_eq(tw_engine_seal(eng, b.job, 8), 0);
		cr_assert_eq(tw_engine_open(eng, b.job, 8), 0);
		check_engine_free(eng);
	}
}

Test(engine, memory_is_checked_and_wiped, .init = check_init)
{
	const struct tw_engine_ops *ops = tw_engine_find("ipsec-mb");
	size_t size = tw_engine_size(ops), i;
	uint8_t *mem = tw_crypto_map(size + 64), left = 0;
	struct tw_engine *eng;

	cr_assert_eq(size % TW_ENGINE_ALIGN, 0);
	cr_assert_eq(tw_engine_init(ops, mem + 8, size, &eng), -EINVAL);
	cr_assert_eq(tw_engine_init(ops, mem, size - 1, &eng), -EINVAL);
	cr_assert_eq(tw_engine_init(ops, NULL, size, &eng), -EINVAL);
	cr_assert_eq(tw_engine_init(ops, mem + 64, size, &eng), 0);
	cr_assert_eq(tw_engine_selftest(eng), 0);
	tw_engine_fini(eng);
	for (i = 0; i < size; i++)
		left |= mem[64 + i];
	cr_assert_eq(left, 0);
	cr_assert_null(tw_engine_find("none"));
}

/* FIPS 197 appendix A.1 and the pads of RFC 2104 show that the layout is what engines expect. */
Test(engine, key_expansion_vector, .init = check_init)
{
	struct tw_crypto_tkey *tkey = tw_crypto_map(sizeof(*tkey));
	struct tw_crypto_keys *keys = check_keys();

	golden_unhex("2b7e151628aed2a6abf7158809cf4f3c", keys->aes, 16);
	cr_assert_eq(tw_crypto_tkey_init(tkey, keys), 0);
	check_hex(tkey->enc[0], 16, "2b7e151628aed2a6abf7158809cf4f3c");
	check_hex(tkey->enc[1], 16, "a0fafe1788542cb123a339392a6c7605");
	check_hex(tkey->enc[10], 16, "d014f9a8c9ee2589e13f0cc8b6630ca6");
	cr_assert_eq(memcmp(tkey->hmac_key, keys->hmac, sizeof(keys->hmac)), 0);
}

Test(engine, derived_keys_seal_the_published_packet, .init = check_init)
{
	struct tw_crypto_tkey *tkey = tw_crypto_map(sizeof(*tkey));
	uint8_t buf[48] = {0};
	struct tw_engine_job job = {.key = tkey, .buf = buf, .cover = 32, .hmac_off = 32};

	cr_assert_eq(tw_crypto_tkey_derive(tkey, check_keys(), check_sid), 0);
	buf[3] = 7;
	golden_unhex("ec000020400000008586", buf + 16, 10);
	cr_assert_eq(tw_engine_seal(check_engine("ipsec-mb"), &job, 1), 1);
	check_hex(buf, sizeof(buf),
		"9a51250bacbf4b5634a58ca3625d01f49903144457cbbae0abe611f486daab2a"
		"931bcecbc23fd902f91b1d91d38c7020");
}

/* One recorded packet: opened to its plaintext, sealed again to the same octets, with padding. */
static void
recorded_packet(struct tw_engine *eng, const struct tw_crypto_tkey *tkey, json_t *p, uint16_t cover,
	uint16_t hmac_off)
{
	struct golden_span raw = golden_hex_new(p, "raw"), clear = golden_hex_new(p, "clear");
	uint8_t out[TW_ENGINE_COVER_MAX];
	struct tw_engine_job job = {
		.key = tkey, .buf = raw.p, .clear = out, .cover = cover, .hmac_off = hmac_off};
	struct tw_engine_job again = job;

	cr_assert_eq(tw_engine_open(eng, &job, 1), 1);
	cr_assert_eq(memcmp(out, clear.p, cover), 0);
	again.buf = malloc(raw.len);
	memcpy(again.buf, raw.p, raw.len);
	memcpy(again.buf, out, cover);
	memset(again.buf + hmac_off, 0, 16);
	cr_assert_eq(tw_engine_seal(eng, &again, 1), 1);
	cr_assert_eq(memcmp(again.buf, raw.p, raw.len), 0);
	free(again.buf);
	free(raw.p);
	free(clear.p);
}

static unsigned
recorded_test(struct tw_engine *eng, json_t *t, bool is_encrypted)
{
	struct tw_crypto_tkey *tkey = tw_crypto_map(sizeof(*tkey));
	struct tw_crypto_keys *keys = check_keys();
	unsigned done = 0;
	json_t *p;
	size_t i;

	golden_hex(t, "test_aes_key", keys->aes, sizeof(keys->aes));
	golden_hex(t, "test_hmac_key", keys->hmac, sizeof(keys->hmac));
	cr_assert_eq(tw_crypto_tkey_init(tkey, keys), 0);
	json_array_foreach (golden_member(t, "sender_packets"), i, p) {
		recorded_packet(eng, tkey, p, is_encrypted ? 32 : 16, 32);
		done++;
	}
	json_array_foreach (golden_member(t, "reflector_packets"), i, p) {
		recorded_packet(eng, tkey, p, is_encrypted ? 96 : 16, 96);
		done++;
	}
	tw_crypto_free(keys);
	tw_crypto_unmap(tkey, sizeof(*tkey));
	return done;
}

static void
recorded(const char *name, const char *engine)
{
	struct tw_engine *eng = check_engine(engine);
	json_t *v = golden_vectors(name), *t;
	uint64_t mode = golden_int(v, "mode");
	unsigned done = 0;
	size_t i;

	if (mode == 2 || mode == 4) {
		json_array_foreach (golden_member(v, "test"), i, t)
			done += recorded_test(eng, t, mode == 4);
		cr_assert_gt(done, 0);
	}
	check_engine_free(eng);
	json_decref(v);
}

#define RECORDED(id, name, is_twamp)                                                               \
	Test(engine, recorded_##id, .init = check_init)                                            \
	{                                                                                          \
		for (unsigned k_ = 0; check_fast[k_]; k_++)                                        \
			recorded(name, check_fast[k_]);                                            \
	}
GOLDEN_SESSIONS(RECORDED)
