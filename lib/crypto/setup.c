/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Key schedule of a control connection and of a test session (PROTOCOL.md 3.1 and 3.5):
 * passphrase -> token key -> Token <-> session keys -> test keys.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>

#include <openssl/err.h>

#include "crypto_i.h"

/* Token: Challenge || AESK || HMACK, RFC 4656 3.1. */
struct token {
	uint8_t challenge[TW_CRYPTO_BLOCK_LEN];
	struct tw_crypto_keys keys;
};
static_assert(sizeof(struct token) == TW_CRYPTO_TOKEN_LEN, "Token");

static const uint8_t iv_zero[TW_CRYPTO_BLOCK_LEN];

bool
tw_crypto_kdf_count_ok(uint32_t count, uint32_t max)
{
	return count >= TW_CRYPTO_KDF_COUNT_MIN && count <= max && (count & (count - 1)) == 0;
}

int
tw_crypto_kdf(const struct tw_secret *secret, const uint8_t salt[TW_CRYPTO_BLOCK_LEN],
	uint32_t count, uint8_t tk_out[TW_CRYPTO_BLOCK_LEN])
{
	struct crypto_cache cache;
	int rc = -EIO;

	if (count == 0 || count > INT_MAX)
		return -EINVAL;
	crypto_cache_begin(&cache);
	if (PKCS5_PBKDF2_HMAC((const char *)secret->b, (int)secret->len, salt, TW_CRYPTO_BLOCK_LEN,
		    (int)count, EVP_sha1(), TW_CRYPTO_BLOCK_LEN, tk_out) == 1)
		rc = 0;
	crypto_cache_end(&cache);
	if (rc != 0) {
		ERR_clear_error();
		tw_crypto_wipe(tk_out, TW_CRYPTO_BLOCK_LEN);
	}
	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_keys_random(struct tw_crypto_keys *keys)
{
	int rc = tw_crypto_random(keys, sizeof(*keys));

	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_token_seal(const uint8_t tk[TW_CRYPTO_BLOCK_LEN],
	const uint8_t challenge[TW_CRYPTO_BLOCK_LEN], const struct tw_crypto_keys *keys,
	uint8_t token_out[TW_CRYPTO_TOKEN_LEN])
{
	struct token *t = tw_crypto_alloc(sizeof(*t));
	int rc = -EIO;

	if (t) {
		memcpy(t->challenge, challenge, sizeof(t->challenge));
		t->keys = *keys;
		rc = crypto_cbc(true, tk, iv_zero, (const uint8_t *)t, token_out, sizeof(*t));
	}
	if (rc != 0)
		tw_crypto_wipe(token_out, TW_CRYPTO_TOKEN_LEN);
	tw_crypto_free(t);
	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_token_open(const uint8_t tk[TW_CRYPTO_BLOCK_LEN],
	const uint8_t challenge[TW_CRYPTO_BLOCK_LEN], const uint8_t token[TW_CRYPTO_TOKEN_LEN],
	struct tw_crypto_keys *keys)
{
	struct token *t = tw_crypto_alloc(sizeof(*t));
	int rc = -EIO;

	tw_crypto_wipe(keys, sizeof(*keys));
	if (t)
		rc = crypto_cbc(false, tk, iv_zero, token, (uint8_t *)t, sizeof(*t));
	if (rc == 0 && !tw_crypto_equal(t->challenge, challenge, sizeof(t->challenge)))
		rc = -EBADMSG;
	if (rc == 0)
		*keys = t->keys;
	tw_crypto_free(t);
	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_test_keys(const struct tw_crypto_keys *control, const uint8_t sid[TW_CRYPTO_BLOCK_LEN],
	struct tw_crypto_keys *out)
{
	int rc = crypto_cbc(true, sid, iv_zero, control->aes, out->aes, sizeof(out->aes));

	if (rc == 0)
		rc = crypto_cbc(true, sid, iv_zero, control->hmac, out->hmac, sizeof(out->hmac));
	if (rc != 0)
		tw_crypto_wipe(out, sizeof(*out));
	tw_crypto_scrub_stack();
	return rc;
}
