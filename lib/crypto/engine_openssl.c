/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reference engine: one packet after the other through OpenSSL, from the plain keys, so that it
 * shares nothing with the fast engines but the job. It allocates when it changes keys: not for a
 * data lcore under load.
 */
#include <errno.h>

#include <openssl/err.h>

#include "crypto_i.h"
#include "engine_i.h"

struct openssl_engine {
	struct tw_engine base;
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac;
};

static const uint8_t zero[TW_CRYPTO_HMAC_KEY_LEN];

static struct openssl_engine *
self(struct tw_engine *eng)
{
	return (struct openssl_engine *)eng;
}

static const char *
openssl_variant(const struct tw_engine *eng)
{
	(void)eng;
	return "evp";
}

static size_t
openssl_size(void)
{
	return sizeof(struct openssl_engine);
}

static void
openssl_fini(struct tw_engine *eng)
{
	EVP_CIPHER_CTX_free(self(eng)->cipher);
	EVP_MAC_CTX_free(self(eng)->mac);
}

static int
openssl_init(struct tw_engine *eng)
{
	struct openssl_engine *e = self(eng);

	e->cipher = EVP_CIPHER_CTX_new();
	e->mac = crypto_hmac_new(zero);
	if (e->cipher && e->mac)
		return 0;
	openssl_fini(eng);
	return -ENOMEM;
}

/* HMAC-SHA1 of the plaintext with the job's key; false if OpenSSL failed. */
static bool
job_hmac(struct openssl_engine *e, const struct tw_engine_job *j, const uint8_t *text,
	uint8_t tag[SHA1_LEN])
{
	size_t len = 0;

	return EVP_MAC_init(e->mac, j->key->hmac_key, sizeof(j->key->hmac_key), NULL) == 1 &&
	       EVP_MAC_update(e->mac, text, j->cover) == 1 &&
	       EVP_MAC_final(e->mac, tag, &len, SHA1_LEN) == 1 && len == SHA1_LEN;
}

static bool
job_cipher(struct openssl_engine *e, const struct tw_engine_job *j, int is_encrypt, uint8_t *out)
{
	int len = 0;

	return EVP_CipherInit_ex2(
		       e->cipher, EVP_aes_128_cbc(), j->key->enc[0], zero, is_encrypt, NULL) == 1 &&
	       EVP_CIPHER_CTX_set_padding(e->cipher, 0) == 1 &&
	       EVP_CipherUpdate(e->cipher, out, &len, j->buf, j->cover) == 1 && len == j->cover;
}

static int
job_seal(struct openssl_engine *e, struct tw_engine_job *j)
{
	uint8_t tag[SHA1_LEN];

	if (!crypto_job_ok(j, false))
		return -EINVAL;
	if (!job_hmac(e, j, j->buf, tag) || !job_cipher(e, j, 1, j->buf))
		return -EIO;
	memcpy(j->buf + j->hmac_off, tag, TW_CRYPTO_TAG_LEN);
	return 0;
}

static int
job_open(struct openssl_engine *e, struct tw_engine_job *j)
{
	uint8_t tag[SHA1_LEN];
	int rc = 0;

	if (!crypto_job_ok(j, true))
		return -EINVAL;
	if (!job_cipher(e, j, 0, j->clear) || !job_hmac(e, j, j->clear, tag))
		rc = -EIO;
	else if (!crypto_tag_equal(tag, j->buf + j->hmac_off))
		rc = -EBADMSG;
	if (rc != 0)
		memset(j->clear, 0, j->cover);
	return rc;
}

static unsigned
openssl_burst(struct tw_engine *eng, struct tw_engine_job *job, unsigned n,
	int (*one)(struct openssl_engine *, struct tw_engine_job *))
{
	unsigned i, ok_cnt = 0;

	for (i = 0; i < n; i++) {
		job[i].res = one(self(eng), &job[i]);
		ok_cnt += job[i].res == 0;
		if (job[i].res == -EIO)
			ERR_clear_error();
	}
	tw_crypto_scrub_stack();
	return ok_cnt;
}

static unsigned
openssl_seal(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	return openssl_burst(eng, job, n, job_seal);
}

static unsigned
openssl_open(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	return openssl_burst(eng, job, n, job_open);
}

const struct tw_engine_ops engine_openssl_ops = {
	.name = "openssl",
	.is_supported = tw_engine_supported,
	.variant = openssl_variant,
	.size = openssl_size,
	.init = openssl_init,
	.fini = openssl_fini,
	.seal = openssl_seal,
	.open = openssl_open,
	.pairs = engine_pairs_by_seal,
};
