/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a peer sends after the greeting: a Token, then an encrypted stream in pieces of any size.
 * Nothing it sends may open a Token it has no key for, the chain comes out the same however it is
 * cut, and encrypting what was decrypted gives the octets back.
 */
#include "fuzz.h"
#include "tw_crypto.h"

#define TEXT_MAX 1024

static const uint8_t block[TW_CRYPTO_BLOCK_LEN] = "challenge, key, ";

static struct tw_crypto_stream *
stream_new(void)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	struct tw_crypto_stream *s;

	CHECK(keys != NULL);
	s = tw_crypto_stream_new(keys, block);
	CHECK(s != NULL);
	tw_crypto_free(keys);
	return s;
}

static void
take_token(const uint8_t *data)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	uint8_t token[TW_CRYPTO_TOKEN_LEN];

	CHECK(keys != NULL);
	if (tw_crypto_token_open(block, block, data, keys) == 0) {
		CHECK(tw_crypto_token_seal(block, block, keys, token) == 0);
		CHECK(memcmp(token, data, sizeof(token)) == 0);
	}
	tw_crypto_free(keys);
}

/* Decrypt in pieces of `step` octets; odd pieces are refused and change nothing. */
static void
decrypt_in_pieces(struct tw_crypto_stream *s, uint8_t *buf, size_t len, size_t step)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		if (n % TW_CRYPTO_BLOCK_LEN != 0) {
			CHECK(tw_crypto_stream_decrypt(s, buf + at, n) != 0);
			n = TW_CRYPTO_BLOCK_LEN;
		}
		CHECK(tw_crypto_stream_decrypt(s, buf + at, n) == 0);
		CHECK(tw_crypto_stream_hmac(s, buf + at, n) == 0);
	}
}

static void
take_stream(const uint8_t *data, size_t len, size_t step)
{
	struct tw_crypto_stream *rx = stream_new(), *whole = stream_new(), *tx = stream_new();
	uint8_t *a = fuzz_copy(data, len), *b = fuzz_copy(data, len);
	uint8_t tag[TW_CRYPTO_TAG_LEN];

	decrypt_in_pieces(rx, a, len, step);
	CHECK(tw_crypto_stream_decrypt(whole, b, len) == 0);
	CHECK(tw_crypto_stream_hmac(whole, b, len) == 0);
	CHECK(len == 0 || memcmp(a, b, len) == 0);
	CHECK(tw_crypto_stream_tag(whole, tag) == 0);
	CHECK(tw_crypto_stream_check(rx, tag) == 0);
	CHECK(tw_crypto_stream_encrypt(tx, b, len) == 0);
	CHECK(len == 0 || memcmp(b, data, len) == 0);
	free(a);
	free(b);
	tw_crypto_stream_free(rx);
	tw_crypto_stream_free(whole);
	tw_crypto_stream_free(tx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	size_t step;

	if (!is_ready)
		CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	is_ready = true;
	if (size < TW_CRYPTO_TOKEN_LEN + 1)
		return 0;
	take_token(data);
	step = data[TW_CRYPTO_TOKEN_LEN] % 64 + 1u;
	data += TW_CRYPTO_TOKEN_LEN + 1;
	size = (size - TW_CRYPTO_TOKEN_LEN - 1) / TW_CRYPTO_BLOCK_LEN * TW_CRYPTO_BLOCK_LEN;
	take_stream(data, size < TEXT_MAX ? size : TEXT_MAX, step);
	return 0;
}
