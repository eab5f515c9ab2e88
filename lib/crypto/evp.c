/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The two primitives under everything of the control plane, as short-lived OpenSSL contexts.
 */
#include <errno.h>
#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "crypto_i.h"

int
crypto_cbc(bool is_encrypt, const uint8_t key[TW_CRYPTO_AES_KEY_LEN],
	const uint8_t iv[TW_CRYPTO_BLOCK_LEN], const uint8_t *in, uint8_t *out, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int done = 0;
	bool is_ok;

	is_ok = ctx && len <= INT_MAX &&
		EVP_CipherInit_ex2(ctx, EVP_aes_128_cbc(), key, iv, is_encrypt, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		EVP_CipherUpdate(ctx, out, &done, in, (int)len) == 1 && (size_t)done == len;
	EVP_CIPHER_CTX_free(ctx);
	if (!is_ok)
		ERR_clear_error();
	return is_ok ? 0 : -EIO;
}

EVP_MAC_CTX *
crypto_hmac_new(const uint8_t key[TW_CRYPTO_HMAC_KEY_LEN])
{
	char digest[] = "SHA1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (ctx && EVP_MAC_init(ctx, key, TW_CRYPTO_HMAC_KEY_LEN, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}
