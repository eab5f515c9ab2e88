/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Expansion of a test session's keys, once per session (PROTOCOL.md 3.5). libipsec-mb's own
 * routines are used, since its layout is the one the engine reads.
 */
#include <assert.h>
#include <errno.h>

#include <intel-ipsec-mb.h>

#include "crypto_i.h"

#define SHA1_BLOCK 64

static_assert(sizeof(struct tw_crypto_tkey) == 256, "four cache lines");

/* SHA-1 state after one block of key xor pad; the block is wiped by the caller. */
static void
hmac_state(const uint8_t *key, uint8_t pad, uint8_t block[SHA1_BLOCK], uint32_t state[5])
{
	size_t i;

	for (i = 0; i < SHA1_BLOCK; i++)
		block[i] = (uint8_t)(pad ^ (i < TW_CRYPTO_HMAC_KEY_LEN ? key[i] : 0));
	sha1_one_block_sse(block, state);
}

int
tw_crypto_tkey_init(struct tw_crypto_tkey *tkey, const struct tw_crypto_keys *keys)
{
	uint8_t block[SHA1_BLOCK];

	assert((uintptr_t)tkey % TW_ENGINE_KEY_ALIGN == 0);
	memset(tkey, 0, sizeof(*tkey));
	if (!tw_engine_supported())
		return -ENOTSUP;
	aes_keyexp_128_enc_sse(keys->aes, tkey->enc);
	hmac_state(keys->hmac, 0x36, block, tkey->ipad); /* RFC 2104 */
	hmac_state(keys->hmac, 0x5C, block, tkey->opad);
	memcpy(tkey->hmac_key, keys->hmac, sizeof(tkey->hmac_key));
	tw_crypto_wipe(block, sizeof(block));
	tw_crypto_scrub_stack();
	return 0;
}

int
tw_crypto_tkey_derive(struct tw_crypto_tkey *tkey, const struct tw_crypto_keys *control,
	const uint8_t sid[TW_CRYPTO_BLOCK_LEN])
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	int rc = keys ? tw_crypto_test_keys(control, sid, keys) : -EIO;

	if (rc == 0)
		rc = tw_crypto_tkey_init(tkey, keys);
	if (rc != 0)
		tw_crypto_wipe(tkey, sizeof(*tkey));
	tw_crypto_free(keys);
	return rc;
}
