/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Engine on our own kernels (native_*.c), for CPUs with SHA and AES instructions. It knows that a
 * text is 16, 32 or 96 octets, so nothing is queued, padded or looked up: a burst is sorted by
 * cover, then hashed two at a time, or sixteen where the CPU has AVX-512, and ciphered eight at a
 * time. All state lies in the caller's memory; what the kernels left on the stack is wiped once per
 * burst.
 */
#include <errno.h>

#include <cpuid.h>

#include "crypto_i.h"
#include "engine_i.h"
#include "native_i.h"

#define COVERS   3
#define WIDE_MIN 10 /* texts for which AVX-512 is faster than the SHA extensions */

struct native_engine {
	struct tw_engine base;
	bool has_wide;
	bool is_wide;                                           /* a kernel of this burst */
	struct tw_engine_job *job[COVERS][TW_ENGINE_BURST_MAX]; /* by cover */
	unsigned cnt[COVERS];
	struct native_hmac hmac[TW_ENGINE_BURST_MAX];
	alignas(64)
		uint8_t tag[TW_ENGINE_BURST_MAX][TW_CRYPTO_TAG_LEN]; /* open: what they should be */
};

static const unsigned covers[COVERS] = {
	TW_ENGINE_COVER_AUTH, TW_ENGINE_COVER_ENCR_REQ, TW_ENGINE_COVER_ENCR_REP};

static struct native_engine *
self(struct tw_engine *eng)
{
	return (struct native_engine *)eng;
}

static bool
native_supported(void)
{
	unsigned a, b, c, d;

	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1") &&
	       __builtin_cpu_supports("ssse3") && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
	       (b & bit_SHA) != 0;
}

static const char *
native_variant(const struct tw_engine *eng)
{
	return ((const struct native_engine *)eng)->has_wide ? "avx-512 + sha-ni + aes-ni"
							     : "sha-ni + aes-ni";
}

static size_t
native_size(void)
{
	return sizeof(struct native_engine);
}

static int
native_init(struct tw_engine *eng)
{
	self(eng)->has_wide = native_wide_supported();
	return native_supported() ? 0 : -ENOTSUP;
}

static void
native_fini(struct tw_engine *eng)
{
	(void)eng;
}

/* The valid jobs by cover; the others get -EINVAL. @return valid ones */
static unsigned
sort(struct native_engine *e, struct tw_engine_job *job, unsigned n, bool is_open)
{
	unsigned ok_cnt = 0;

	memset(e->cnt, 0, sizeof(e->cnt));
	e->is_wide = false;
	for (unsigned i = 0; i < n; i++) {
		const unsigned c = (job[i].cover > TW_ENGINE_COVER_AUTH) +
				   (job[i].cover > TW_ENGINE_COVER_ENCR_REQ);

		if (!crypto_job_ok(&job[i], is_open)) {
			job[i].res = -EINVAL;
			continue;
		}
		job[i].res = 0;
		e->job[c][e->cnt[c]++] = &job[i];
		ok_cnt++;
	}
	return ok_cnt;
}

/* HMACs @p at .. at + n - 1 of @p all, a group. */
static void
hmac_group(struct native_engine *e, unsigned at, unsigned n, unsigned all, unsigned len)
{
	if (e->has_wide && n >= WIDE_MIN) {
		native_wide_hmac(&e->hmac[at], n, all - at - n, len);
		e->is_wide = true;
	} else {
		native_hmac(&e->hmac[at], n, all - at - n, len);
	}
}

/* The last thing a burst does, where its kernels were called. */
static inline __attribute__((always_inline)) void
wipe(bool is_wide)
{
	if (is_wide)
		native_wide_wipe();
	else
		native_wipe();
}

/* The size of the group at @p at. */
static unsigned
group(unsigned at, unsigned all)
{
	return all - at < NATIVE_GROUP ? all - at : NATIVE_GROUP;
}

static unsigned
native_seal(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	struct native_engine *e = self(eng);
	const unsigned ok_cnt = sort(e, job, n, false);

	for (unsigned c = 0; c < COVERS; c++) {
		for (unsigned i = 0; i < e->cnt[c]; i++) {
			const struct tw_engine_job *j = e->job[c][i];

			e->hmac[i] = (struct native_hmac){
				.key = j->key, .text = j->buf, .tag = j->buf + j->hmac_off};
		}
		for (unsigned at = 0; at < e->cnt[c]; at += NATIVE_GROUP) {
			const unsigned k = group(at, e->cnt[c]);

			hmac_group(e, at, k, e->cnt[c], covers[c]);
			native_encrypt(&e->job[c][at], k, covers[c]);
		}
	}
	wipe(e->is_wide);
	return ok_cnt;
}

/* @return those of a cover whose tags are right */
static unsigned
check_tags(struct native_engine *e, unsigned c)
{
	unsigned ok_cnt = 0;

	for (unsigned i = 0; i < e->cnt[c]; i++) {
		struct tw_engine_job *j = e->job[c][i];

		if (crypto_tag_equal(e->tag[i], j->buf + j->hmac_off)) {
			ok_cnt++;
		} else {
			j->res = -EBADMSG;
			memset(j->clear, 0, j->cover);
		}
	}
	return ok_cnt;
}

static unsigned
native_open(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	struct native_engine *e = self(eng);
	unsigned ok_cnt = 0;

	sort(e, job, n, true);
	for (unsigned c = 0; c < COVERS; c++) {
		for (unsigned i = 0; i < e->cnt[c]; i++) {
			const struct tw_engine_job *j = e->job[c][i];

			e->hmac[i] = (struct native_hmac){
				.key = j->key, .text = j->clear, .tag = e->tag[i]};
		}
		for (unsigned at = 0; at < e->cnt[c]; at += NATIVE_GROUP) {
			const unsigned k = group(at, e->cnt[c]);

			native_decrypt(&e->job[c][at], k, covers[c]);
			hmac_group(e, at, k, e->cnt[c], covers[c]);
		}
		ok_cnt += check_tags(e, c);
	}
	wipe(e->is_wide);
	return ok_cnt;
}

static bool
native_pairs(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n)
{
	const struct native_engine *e = self(eng);
	unsigned at = 0;

	for (; e->has_wide && n - at >= WIDE_MIN; at += group(at, n))
		native_wide_pair_tags(key, seq + at, pair + at, group(at, n));
	native_pair_tags(key, seq + at, pair + at, n - at);
	native_pair_blocks(key, seq, pair, n);
	wipe(at > 0);
	return true;
}

const struct tw_engine_ops engine_native_ops = {
	.name = "native",
	.is_supported = native_supported,
	.variant = native_variant,
	.size = native_size,
	.init = native_init,
	.fini = native_fini,
	.seal = native_seal,
	.open = native_open,
	.pairs = native_pairs,
};
