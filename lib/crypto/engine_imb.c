/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Engine on libipsec-mb: the jobs of a burst run side by side in SIMD lanes. The hash and cipher
 * burst calls are synchronous, so nothing is in flight between two calls. All state lies in the
 * caller's memory, the managers included.
 *
 * Which code: a burst of a few packets is fastest with SHA-NI, which only the SSE manager uses; a
 * full one with sixteen AVX-512 lanes. Cycles per HMAC-SHA1 over 16 octets, burst of 1 / 8 / 16 /
 * 64, on a Sapphire Rapids: SSE with SHA-NI 246 / 205 / 204 / 204, AVX2 874 / 174 / 165 / 157,
 * AVX-512 854 / 282 / 191 / 140. AES-CBC never gains from wide lanes at these lengths (16 octets,
 * burst of 64: SSE 34, AVX2 47, AVX-512 54).
 */
#include <assert.h>
#include <errno.h>
#include <immintrin.h>

#include <intel-ipsec-mb.h>

#include "crypto_i.h"
#include "engine_i.h"

#define WIDE_MIN_AVX512 16 /* bursts from here on go to the AVX-512 lanes */
#define WIDE_NEVER      (TW_ENGINE_BURST_MAX + 1)
#define KEYS_AHEAD      8 /* jobs whose keys are fetched before they are needed */

struct imb_engine {
	struct tw_engine base;
	const char *variant;
	IMB_MGR *mgr;      /* cipher, and hash of small bursts */
	IMB_MGR *mgr_wide; /* hash of bursts of wide_min and more */
	unsigned wide_min;
	uint8_t idx[TW_ENGINE_BURST_MAX]; /* job of the caller behind job[k] */
	alignas(64) uint8_t iv[16];       /* zero */
	alignas(64) IMB_JOB job[TW_ENGINE_BURST_MAX];
	alignas(64) uint8_t tag[TW_ENGINE_BURST_MAX][32];     /* 20 octets used */
	alignas(64) uint8_t dec[TW_ENGINE_BURST_MAX][11][16]; /* decryption keys of this burst */
};
static_assert(TW_ENGINE_BURST_MAX <= IMB_MAX_BURST_SIZE, "burst");

static struct imb_engine *
self(struct tw_engine *eng)
{
	return (struct imb_engine *)eng;
}

static const char *
imb_variant(const struct tw_engine *eng)
{
	return ((const struct imb_engine *)eng)->variant;
}

static size_t
mgr_size(void)
{
	return (imb_get_mb_mgr_size() + TW_ENGINE_ALIGN - 1) / TW_ENGINE_ALIGN * TW_ENGINE_ALIGN;
}

static size_t
imb_size(void)
{
	return sizeof(struct imb_engine) + 2 * mgr_size();
}

static IMB_MGR *
mgr_init(void *mem, void (*init)(IMB_MGR *))
{
	IMB_MGR *mgr = imb_set_pointers_mb_mgr(mem, 0, 1);

	if (!mgr)
		return NULL;
	init(mgr);
	return imb_get_errno(mgr) == 0 ? mgr : NULL;
}

/* The managers for this CPU, by its flags. */
static int
imb_init(struct tw_engine *eng)
{
	struct imb_engine *e = self(eng);
	uint8_t *mem = (uint8_t *)(e + 1);
	uint64_t has;

	e->mgr = mgr_init(mem, init_mb_mgr_sse);
	if (!e->mgr)
		return -ENOTSUP;
	has = e->mgr->features;
	e->mgr_wide = e->mgr;
	e->wide_min = WIDE_NEVER;
	e->variant = has & IMB_FEATURE_SHANI ? "sse sha-ni" : "sse";
	if ((has & IMB_FEATURE_AVX512_SKX) == IMB_FEATURE_AVX512_SKX) {
		e->mgr_wide = mgr_init(mem + mgr_size(), init_mb_mgr_avx512);
		e->wide_min = has & IMB_FEATURE_SHANI ? WIDE_MIN_AVX512 : 1;
		e->variant = has & IMB_FEATURE_SHANI ? "avx512 + sse sha-ni" : "avx512";
	} else if (!(has & IMB_FEATURE_SHANI) && has & IMB_FEATURE_AVX2) {
		e->mgr_wide = mgr_init(mem + mgr_size(), init_mb_mgr_avx2);
		e->wide_min = 1;
		e->variant = "avx2";
	}
	return e->mgr_wide ? 0 : -ENOTSUP;
}

static void
imb_fini(struct tw_engine *eng)
{
	(void)eng;
}

/*
 * Keys of the equivalent inverse cipher (FIPS 197 5.3.5) from the encryption keys: nine AESIMC,
 * cheaper than keeping and loading 176 more octets per session.
 */
__attribute__((target("aes,sse2"))) static void
dec_keys(const uint8_t enc[11][16], uint8_t dec[11][16])
{
	const __m128i *in = (const __m128i *)(const void *)enc;
	__m128i *out = (__m128i *)(void *)dec;
	unsigned i;

	_mm_store_si128(&out[0], _mm_load_si128(&in[10]));
	for (i = 1; i < 10; i++)
		_mm_store_si128(&out[i], _mm_aesimc_si128(_mm_load_si128(&in[10 - i])));
	_mm_store_si128(&out[10], _mm_load_si128(&in[0]));
}

/* Set up job[k] for the hash and the cipher of the caller's job. text: where the plaintext stands.
 */
static void
job_fill(struct imb_engine *e, unsigned k, const struct tw_engine_job *j, uint8_t *text)
{
	IMB_JOB *job = &e->job[k];

	job->enc_keys = j->key->enc;
	job->dec_keys = e->dec[k];
	job->key_len_in_bytes = IMB_KEY_128_BYTES;
	job->src = j->buf;
	job->dst = text;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = j->cover;
	job->iv = e->iv;
	job->iv_len_in_bytes = sizeof(e->iv);
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = j->cover;
	job->auth_tag_output = e->tag[k];
	job->auth_tag_output_len_in_bytes = SHA1_LEN;
	job->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)j->key->ipad;
	job->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)j->key->opad;
}

/* Take the valid jobs; the others get -EINVAL. @return jobs taken */
static unsigned
burst_fill(struct imb_engine *e, struct tw_engine_job *job, unsigned n, bool is_open)
{
	unsigned i, k = 0;

	for (i = 0; i < n; i++) {
		if (is_open && i + KEYS_AHEAD < n)
			crypto_key_fetch(job[i + KEYS_AHEAD].key);
		if (!crypto_job_ok(&job[i], is_open)) {
			job[i].res = -EINVAL;
			continue;
		}
		job_fill(e, k, &job[i], is_open ? job[i].clear : job[i].buf);
		if (is_open)
			dec_keys(job[i].key->enc, e->dec[k]);
		e->idx[k++] = (uint8_t)i;
	}
	return k;
}

/* HMAC of every job's plaintext into its tag. */
static bool
burst_hash(struct imb_engine *e, unsigned k)
{
	IMB_MGR *mgr = k >= e->wide_min ? e->mgr_wide : e->mgr;

	return IMB_SUBMIT_HASH_BURST(mgr, e->job, k, IMB_AUTH_HMAC_SHA_1) == k;
}

static bool
burst_cipher(struct imb_engine *e, unsigned k, IMB_CIPHER_DIRECTION dir)
{
	return IMB_SUBMIT_CIPHER_BURST(e->mgr, e->job, k, IMB_CIPHER_CBC, dir, IMB_KEY_128_BYTES) ==
	       k;
}

/* The library refused a burst that we had checked: our bug or a broken library. */
static unsigned
burst_fault(struct imb_engine *e, struct tw_engine_job *job, unsigned k, bool is_open)
{
	unsigned i;

	for (i = 0; i < k; i++) {
		struct tw_engine_job *j = &job[e->idx[i]];

		j->res = -EIO;
		if (is_open)
			memset(j->clear, 0, j->cover);
	}
	return 0;
}

static unsigned
imb_seal(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	struct imb_engine *e = self(eng);
	unsigned i, k = burst_fill(e, job, n, false);

	if (k == 0)
		return 0;
	if (!burst_hash(e, k) || !burst_cipher(e, k, IMB_DIR_ENCRYPT))
		return burst_fault(e, job, k, false);
	for (i = 0; i < k; i++) {
		struct tw_engine_job *j = &job[e->idx[i]];

		memcpy(j->buf + j->hmac_off, e->tag[i], TW_CRYPTO_TAG_LEN);
		j->res = 0;
	}
	return k;
}

static unsigned
imb_open(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	struct imb_engine *e = self(eng);
	unsigned i, ok_cnt = 0, k = burst_fill(e, job, n, true);

	if (k == 0)
		return 0;
	if (!burst_cipher(e, k, IMB_DIR_DECRYPT))
		return burst_fault(e, job, k, true);
	for (i = 0; i < k; i++)
		e->job[i].src = job[e->idx[i]].clear;
	if (!burst_hash(e, k))
		return burst_fault(e, job, k, true);
	for (i = 0; i < k; i++) {
		struct tw_engine_job *j = &job[e->idx[i]];

		if (crypto_tag_equal(e->tag[i], j->buf + j->hmac_off)) {
			j->res = 0;
			ok_cnt++;
		} else {
			j->res = -EBADMSG;
			memset(j->clear, 0, j->cover);
		}
	}
	return ok_cnt;
}

const struct tw_engine_ops engine_imb_ops = {
	.name = "ipsec-mb",
	.is_supported = tw_engine_supported,
	.variant = imb_variant,
	.size = imb_size,
	.init = imb_init,
	.fini = imb_fini,
	.seal = imb_seal,
	.open = imb_open,
	.pairs = engine_pairs_by_seal,
};
