/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * AES-128-CBC with IV 0 (FIPS 197, SP 800-38A) of bursts of packets with AES-NI, keys of their own
 * per lane. Encryption is a chain within a packet, so lanes are packets; decryption is not, so they
 * are blocks. A group that is not full repeats its last packet: all octets of a step are read
 * before any is written, and the lanes cost nothing.
 */
#include <immintrin.h>

#include "native_i.h"

#define TARGET __attribute__((target("aes,sse4.1")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define ROUNDS 10
#define LANES  8

INLINE __m128i
load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE void
store(uint8_t *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)(void *)p, v);
}

/* Lanes live in registers only where the loop over them is gone. */
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif
#define EACH_LANE(i, n) UNROLLED for (unsigned i = 0; i < (n); i++)

/* Round keys of a packet; tkeys are aligned. */
INLINE const __m128i *
keys_of(const struct tw_engine_job *job)
{
	return (const __m128i *)(const void *)job->key->enc;
}

INLINE void
encrypt_lanes(struct tw_engine_job *const job[LANES], const unsigned blocks)
{
	const __m128i *key[LANES];
	uint8_t *buf[LANES];
	__m128i b[LANES];

	EACH_LANE (i, LANES) {
		key[i] = keys_of(job[i]);
		buf[i] = job[i]->buf;
		b[i] = _mm_setzero_si128();
	}
	for (unsigned k = 0; k < blocks; k++) {
		EACH_LANE (i, LANES)
			b[i] = _mm_xor_si128(_mm_xor_si128(b[i], load(buf[i] + 16 * k)), key[i][0]);
		for (unsigned r = 1; r < ROUNDS; r++)
			EACH_LANE (i, LANES)
				b[i] = _mm_aesenc_si128(b[i], key[i][r]);
		EACH_LANE (i, LANES)
			b[i] = _mm_aesenclast_si128(b[i], key[i][ROUNDS]);
		EACH_LANE (i, LANES)
			store(buf[i] + 16 * k, b[i]);
	}
}

/*
 * Blocks of `lanes` packets. Keys of the equivalent inverse cipher (FIPS 197 5.3.5) come from the
 * encryption keys on the way, one AESIMC per packet and round: cheaper than 176 more octets per
 * session in the cache.
 */
INLINE void
decrypt_lanes(struct tw_engine_job *const *job, const unsigned lanes, const unsigned blocks)
{
	__m128i b[LANES + 4], imc[LANES];
	const __m128i *key[LANES];

	EACH_LANE (i, lanes)
		key[i] = keys_of(job[i]);
	EACH_LANE (i, lanes * blocks)
		b[i] = _mm_xor_si128(
			load(job[i / blocks]->buf + 16 * (i % blocks)), key[i / blocks][ROUNDS]);
	for (unsigned r = ROUNDS - 1; r > 0; r--) {
		EACH_LANE (i, lanes)
			imc[i] = _mm_aesimc_si128(key[i][r]);
		EACH_LANE (i, lanes * blocks)
			b[i] = _mm_aesdec_si128(b[i], imc[i / blocks]);
	}
	EACH_LANE (i, lanes * blocks) {
		const unsigned k = i % blocks;
		const struct tw_engine_job *j = job[i / blocks];

		b[i] = _mm_aesdeclast_si128(b[i], key[i / blocks][0]);
		if (k > 0)
			b[i] = _mm_xor_si128(b[i], load(j->buf + 16 * (k - 1)));
		store(j->clear + 16 * k, b[i]);
	}
}

/* The next `lanes` packets of n, the last one as often as it takes. */
INLINE void
group(struct tw_engine_job *out[LANES], struct tw_engine_job *const *job, unsigned n,
	const unsigned lanes)
{
	for (unsigned i = 0; i < lanes; i++)
		out[i] = job[i < n ? i : n - 1];
}

INLINE void
encrypt_all(struct tw_engine_job *const *job, unsigned n, const unsigned blocks)
{
	for (unsigned at = 0; at < n; at += LANES) {
		struct tw_engine_job *g[LANES];

		group(g, job + at, n - at, LANES);
		encrypt_lanes(g, blocks);
	}
}

INLINE void
decrypt_all(
	struct tw_engine_job *const *job, unsigned n, const unsigned lanes, const unsigned blocks)
{
	for (unsigned at = 0; at < n; at += lanes) {
		struct tw_engine_job *g[LANES];

		group(g, job + at, n - at, lanes);
		decrypt_lanes(g, lanes, blocks);
	}
}

TARGET void
native_encrypt(struct tw_engine_job *const *job, unsigned n, unsigned cover)
{
	switch (cover) {
	case TW_ENGINE_COVER_AUTH:
		encrypt_all(job, n, TW_ENGINE_COVER_AUTH / 16);
		break;
	case TW_ENGINE_COVER_ENCR_REQ:
		encrypt_all(job, n, TW_ENGINE_COVER_ENCR_REQ / 16);
		break;
	default:
		encrypt_all(job, n, TW_ENGINE_COVER_ENCR_REP / 16);
		break;
	}
}

TARGET void
native_decrypt(struct tw_engine_job *const *job, unsigned n, unsigned cover)
{
	switch (cover) {
	case TW_ENGINE_COVER_AUTH:
		decrypt_all(job, n, 8, TW_ENGINE_COVER_AUTH / 16);
		break;
	case TW_ENGINE_COVER_ENCR_REQ:
		decrypt_all(job, n, 4, TW_ENGINE_COVER_ENCR_REQ / 16);
		break;
	default:
		decrypt_all(job, n, 2, TW_ENGINE_COVER_ENCR_REP / 16);
		break;
	}
}

TARGET void
native_pair_blocks(
	const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair, unsigned n)
{
	const __m128i *k = (const __m128i *)(const void *)key->enc;

	for (unsigned at = 0; at < n; at += LANES) {
		__m128i b[LANES];

		EACH_LANE (i, LANES)
			b[i] = _mm_xor_si128(
				_mm_cvtsi32_si128((int)__builtin_bswap32(seq + at + i)), k[0]);
		for (unsigned r = 1; r < ROUNDS; r++)
			EACH_LANE (i, LANES)
				b[i] = _mm_aesenc_si128(b[i], k[r]);
		EACH_LANE (i, LANES) {
			b[i] = _mm_aesenclast_si128(b[i], k[ROUNDS]);
			if (at + i < n)
				store(pair[at + i].block, b[i]);
		}
	}
}

/* AES-NI is what every engine needs, so this is there whichever runs. */
TARGET void
tw_crypto_tkey_open_block(const struct tw_crypto_tkey *tkey,
	const uint8_t block[TW_CRYPTO_BLOCK_LEN], uint8_t clear[TW_CRYPTO_BLOCK_LEN])
{
	const __m128i *k = (const __m128i *)(const void *)tkey->enc;
	__m128i b = _mm_xor_si128(load(block), k[ROUNDS]);

	for (unsigned r = ROUNDS - 1; r > 0; r--)
		b = _mm_aesdec_si128(b, _mm_aesimc_si128(k[r]));
	store(clear, _mm_aesdeclast_si128(b, k[0]));
}
