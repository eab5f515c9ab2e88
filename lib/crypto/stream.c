/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One direction of a control connection (PROTOCOL.md 3.3, 3.4).
 *
 * An appliance holds ten thousand idle connections, so a stream at rest is small: keys, the last
 * ciphertext block and at most 32 octets of text that wait for their HMAC (a server waits with its
 * Start-Time block until it answers the first request). An OpenSSL context exists only while one
 * message is worked on.
 */
#include <errno.h>

#include <openssl/err.h>

#include "crypto_i.h"

struct tw_crypto_stream {
	struct tw_crypto_keys keys;
	uint8_t iv[TW_CRYPTO_BLOCK_LEN]; /* last ciphertext block */
	uint8_t text[32];                /* start of the text since the previous HMAC */
	uint8_t text_len;
	bool is_broken;   /* OpenSSL failed: chain and HMAC no longer fit the peer's */
	EVP_MAC_CTX *mac; /* the running HMAC once the text outgrew `text`, else NULL */
};

struct tw_crypto_stream *
tw_crypto_stream_new(const struct tw_crypto_keys *keys, const uint8_t iv[TW_CRYPTO_BLOCK_LEN])
{
	struct tw_crypto_stream *s = tw_crypto_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->keys = *keys;
	memcpy(s->iv, iv, sizeof(s->iv));
	return s;
}

void
tw_crypto_stream_free(struct tw_crypto_stream *s)
{
	if (!s)
		return;
	EVP_MAC_CTX_free(s->mac);
	tw_crypto_free(s);
}

static int
stream_broken(struct tw_crypto_stream *s)
{
	ERR_clear_error();
	s->is_broken = true;
	return -EIO;
}

/* Nothing is touched when this is not 0. */
static int
stream_check(const struct tw_crypto_stream *s, size_t len)
{
	if (s->is_broken)
		return -EIO;
	return len % TW_CRYPTO_BLOCK_LEN ? -EINVAL : 0;
}

int
tw_crypto_stream_encrypt(struct tw_crypto_stream *s, uint8_t *buf, size_t len)
{
	int rc = stream_check(s, len);

	if (rc != 0 || len == 0)
		return rc;
	rc = crypto_cbc(true, s->keys.aes, s->iv, buf, buf, len);
	tw_crypto_scrub_stack();
	if (rc != 0)
		return stream_broken(s);
	memcpy(s->iv, buf + len - TW_CRYPTO_BLOCK_LEN, sizeof(s->iv));
	return 0;
}

int
tw_crypto_stream_decrypt(struct tw_crypto_stream *s, uint8_t *buf, size_t len)
{
	uint8_t last[TW_CRYPTO_BLOCK_LEN];
	int rc = stream_check(s, len);

	if (rc != 0 || len == 0)
		return rc;
	memcpy(last, buf + len - TW_CRYPTO_BLOCK_LEN, sizeof(last));
	rc = crypto_cbc(false, s->keys.aes, s->iv, buf, buf, len);
	tw_crypto_scrub_stack();
	if (rc != 0)
		return stream_broken(s);
	memcpy(s->iv, last, sizeof(s->iv));
	return 0;
}

/* From waiting text to a running HMAC. */
static int
stream_open_mac(struct tw_crypto_stream *s)
{
	if (s->mac)
		return 0;
	s->mac = crypto_hmac_new(s->keys.hmac);
	if (!s->mac || EVP_MAC_update(s->mac, s->text, s->text_len) != 1)
		return stream_broken(s);
	return 0;
}

int
tw_crypto_stream_hmac(struct tw_crypto_stream *s, const uint8_t *text, size_t len)
{
	int rc;

	if (s->is_broken)
		return -EIO;
	if (!s->mac && len <= sizeof(s->text) - s->text_len) {
		if (len > 0)
			memcpy(s->text + s->text_len, text, len);
		s->text_len = (uint8_t)(s->text_len + len);
		return 0;
	}
	rc = stream_open_mac(s);
	if (rc == 0 && EVP_MAC_update(s->mac, text, len) != 1)
		rc = stream_broken(s);
	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_stream_tag(struct tw_crypto_stream *s, uint8_t tag[TW_CRYPTO_TAG_LEN])
{
	uint8_t full[SHA1_LEN];
	size_t len = 0;
	int rc;

	memset(tag, 0, TW_CRYPTO_TAG_LEN);
	if (s->is_broken)
		return -EIO;
	rc = stream_open_mac(s);
	if (rc == 0 &&
		(EVP_MAC_final(s->mac, full, &len, sizeof(full)) != 1 || len != sizeof(full)))
		rc = stream_broken(s);
	EVP_MAC_CTX_free(s->mac);
	s->mac = NULL;
	s->text_len = 0;
	tw_crypto_wipe(s->text, sizeof(s->text));
	if (rc == 0)
		memcpy(tag, full, TW_CRYPTO_TAG_LEN);
	tw_crypto_wipe(full, sizeof(full));
	tw_crypto_scrub_stack();
	return rc;
}

int
tw_crypto_stream_check(struct tw_crypto_stream *s, const uint8_t tag[TW_CRYPTO_TAG_LEN])
{
	uint8_t own[TW_CRYPTO_TAG_LEN];
	int rc = tw_crypto_stream_tag(s, own);

	if (rc == 0 && !crypto_tag_equal(own, tag))
		rc = -EBADMSG;
	tw_crypto_wipe(own, sizeof(own));
	return rc;
}
