/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * HMAC-SHA1 (RFC 2104, FIPS 180-4) of the texts that test packets have, with the SHA extensions.
 * Key pads are hashed beforehand, so a text of up to 55 octets costs two blocks, one of 96 three.
 *
 * A register of four words holds the first one in its highest lane, as the instructions want it.
 */
#include <immintrin.h>

#include "crypto_i.h"
#include "native_i.h"

#define TARGET   __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE   static inline __attribute__((always_inline)) TARGET
#define PAD_LEN  64 /* octets of the block hashed beforehand */
#define SHA1_LEN 20
#define LANES    2 /* packets side by side: a third gains nothing and spills registers */

struct lane {
	__m128i abcd, e; /* e: lane 3 */
	__m128i m[4];    /* message block, then the sliding part of its schedule */
};

/* Words of the message from octets, and octets of the digest from words: the same reversal. */
INLINE __m128i
reversed(__m128i v)
{
	return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

INLINE __m128i
load_text(const uint8_t *p)
{
	return reversed(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m128i
word(uint32_t first)
{
	return _mm_set_epi32((int)first, 0, 0, 0);
}

/* Length field of a message whose end is in this block: 64 octets of pad and text before it. */
INLINE __m128i
length(unsigned text_len)
{
	return _mm_set_epi32(0, 0, 0, (int)(8 * (PAD_LEN + text_len)));
}

INLINE void
load_state(struct lane *l, const uint32_t state[5])
{
	l->abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0x1b);
	l->e = word(state[4]);
}

/* Four rounds, number k of twenty, of lane l. */
#define ROUNDS(l, k)                                                                               \
	do {                                                                                       \
		__m128i t_;                                                                        \
		if ((k) >= 4)                                                                      \
			(l)->m[(k) % 4] = _mm_sha1msg2_epu32(                                      \
				_mm_xor_si128(_mm_sha1msg1_epu32(                                  \
						      (l)->m[(k) % 4], (l)->m[((k) + 1) % 4]),     \
					(l)->m[((k) + 2) % 4]),                                    \
				(l)->m[((k) + 3) % 4]);                                            \
		t_ = (k) == 0 ? _mm_add_epi32((l)->e, (l)->m[0])                                   \
			      : _mm_sha1nexte_epu32((l)->e, (l)->m[(k) % 4]);                      \
		(l)->e = (l)->abcd;                                                                \
		(l)->abcd = _mm_sha1rnds4_epu32((l)->abcd, t_, (k) / 5);                           \
	} while (0)

#define ALL_LANES(k)                                                                               \
	do {                                                                                       \
		ROUNDS(&l[0], k);                                                                  \
		if (lanes > 1)                                                                     \
			ROUNDS(&l[1], k);                                                          \
	} while (0)

/* One block of each lane. */
INLINE void
compress(struct lane l[LANES], const unsigned lanes)
{
	__m128i abcd[LANES], e[LANES];

	for (unsigned i = 0; i < lanes; i++) {
		abcd[i] = l[i].abcd;
		e[i] = l[i].e;
	}
	ALL_LANES(0);
	ALL_LANES(1);
	ALL_LANES(2);
	ALL_LANES(3);
	ALL_LANES(4);
	ALL_LANES(5);
	ALL_LANES(6);
	ALL_LANES(7);
	ALL_LANES(8);
	ALL_LANES(9);
	ALL_LANES(10);
	ALL_LANES(11);
	ALL_LANES(12);
	ALL_LANES(13);
	ALL_LANES(14);
	ALL_LANES(15);
	ALL_LANES(16);
	ALL_LANES(17);
	ALL_LANES(18);
	ALL_LANES(19);
	for (unsigned i = 0; i < lanes; i++) {
		l[i].e = _mm_sha1nexte_epu32(l[i].e, e[i]);
		l[i].abcd = _mm_add_epi32(l[i].abcd, abcd[i]);
	}
}

/* The outer hash over the digest in the lanes; the tag is its first 16 octets. */
INLINE void
outer(struct lane l[LANES], const struct tw_crypto_tkey *const key[LANES], const unsigned lanes)
{
	for (unsigned i = 0; i < lanes; i++) {
		const __m128i end = _mm_set_epi32(0, (int)0x80000000, 0, 0);

		l[i].m[0] = l[i].abcd;
		l[i].m[1] = _mm_blend_epi16(end, l[i].e, 0xc0); /* fifth word, end of text */
		l[i].m[2] = _mm_setzero_si128();
		l[i].m[3] = length(SHA1_LEN);
		load_state(&l[i], key[i]->opad);
	}
	compress(l, lanes);
}

INLINE void
store_tag(const struct lane *l, uint8_t *tag)
{
	_mm_storeu_si128((__m128i *)(void *)tag, reversed(l->abcd));
}

/* The last block of a text, from p on: up to 32 octets of it, then end and length. */
INLINE void
last_block(struct lane *l, const uint8_t *p, unsigned len)
{
	const unsigned left = len % PAD_LEN;

	l->m[0] = load_text(p);
	l->m[1] = left == 32 ? load_text(p + 16) : word(0x80000000);
	l->m[2] = left == 32 ? word(0x80000000) : _mm_setzero_si128();
	l->m[3] = length(len);
}

INLINE void
hmac_lanes(const struct native_hmac *h, const unsigned lanes, const unsigned len)
{
	const struct tw_crypto_tkey *key[LANES];
	struct lane l[LANES];

	for (unsigned i = 0; i < lanes; i++) {
		key[i] = h[i].key;
		load_state(&l[i], key[i]->ipad);
	}
	if (len > PAD_LEN) {
		for (unsigned i = 0; i < lanes; i++)
			for (unsigned k = 0; k < 4; k++)
				l[i].m[k] = load_text(h[i].text + 16 * k);
		compress(l, lanes);
	}
	for (unsigned i = 0; i < lanes; i++)
		last_block(&l[i], h[i].text + (len > PAD_LEN ? PAD_LEN : 0), len);
	compress(l, lanes);
	outer(l, key, lanes);
	for (unsigned i = 0; i < lanes; i++)
		store_tag(&l[i], h[i].tag);
}

INLINE void
hmac_all(const struct native_hmac *h, unsigned n, unsigned ahead, const unsigned len)
{
	const unsigned end = n + ahead;

	for (unsigned i = 0; i < n; i += LANES) {
		for (unsigned k = i + NATIVE_GROUP; k < end && k < i + NATIVE_GROUP + LANES; k++)
			crypto_key_fetch(h[k].key);
		if (n - i >= LANES)
			hmac_lanes(&h[i], LANES, len);
		else
			hmac_lanes(&h[i], 1, len);
	}
}

TARGET void
native_hmac(const struct native_hmac *h, unsigned n, unsigned ahead, unsigned len)
{
	switch (len) {
	case TW_ENGINE_COVER_AUTH:
		hmac_all(h, n, ahead, TW_ENGINE_COVER_AUTH);
		break;
	case TW_ENGINE_COVER_ENCR_REQ:
		hmac_all(h, n, ahead, TW_ENGINE_COVER_ENCR_REQ);
		break;
	default:
		hmac_all(h, n, ahead, TW_ENGINE_COVER_ENCR_REP);
		break;
	}
}

INLINE void
pair_lanes(const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair,
	const unsigned lanes)
{
	const struct tw_crypto_tkey *const keys[LANES] = {key, key};
	struct lane l[LANES];

	for (unsigned i = 0; i < lanes; i++) {
		load_state(&l[i], key->ipad);
		l[i].m[0] = word(seq + i);
		l[i].m[1] = word(0x80000000);
		l[i].m[2] = _mm_setzero_si128();
		l[i].m[3] = length(TW_ENGINE_COVER_AUTH);
	}
	compress(l, lanes);
	outer(l, keys, lanes);
	for (unsigned i = 0; i < lanes; i++)
		store_tag(&l[i], pair[i].tag);
}

TARGET void
native_pair_tags(
	const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair, unsigned n)
{
	for (; n >= LANES; n -= LANES, pair += LANES, seq += LANES)
		pair_lanes(key, seq, pair, LANES);
	if (n > 0)
		pair_lanes(key, seq, pair, 1);
}
