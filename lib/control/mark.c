/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Modes are covered by no HMAC: somebody between both ends can take bits off the offer or put
 * another Mode into the Set-Up-Response, and an encrypted session would be reflected as an open
 * one. Our client says in its Client-IV what it was offered and what it selected: both halves are
 * HMACs under the HMAC Session-key, which is fresh for each connection and travels inside the
 * Token, so that the IV is as unpredictable as a random one and other servers see nothing special.
 * The first half tells that the IV is marked, the second what was said. Who alters the IV garbles
 * the first block of the client's stream, and its HMAC.
 */
#include <errno.h>
#include <string.h>

#include "control_i.h"

#define MARK_LEN 8

/* No multiple of 16 octets, unlike any text of the stream (PROTOCOL.md 3.4). */
static const uint8_t label[9] = "twampline";

int
ctl_mark_make(const struct tw_crypto_keys *keys, uint32_t offered, uint32_t mode,
	uint8_t iv[2 * MARK_LEN])
{
	static const uint8_t no_iv[16];
	struct tw_crypto_stream *s = tw_crypto_stream_new(keys, no_iv);
	uint8_t tag[TW_CRYPTO_TAG_LEN], said[8];
	int res = s == NULL ? -ENOMEM : 0;

	tw_store_be32(said, offered);
	tw_store_be32(said + 4, mode);
	if (res == 0)
		res = tw_crypto_stream_hmac(s, label, sizeof(label));
	if (res == 0)
		res = tw_crypto_stream_tag(s, tag);
	if (res == 0) {
		memcpy(iv, tag, MARK_LEN);
		res = tw_crypto_stream_hmac(s, label, sizeof(label));
	}
	if (res == 0)
		res = tw_crypto_stream_hmac(s, said, sizeof(said));
	if (res == 0)
		res = tw_crypto_stream_tag(s, tag);
	if (res == 0)
		memcpy(iv + MARK_LEN, tag, MARK_LEN);
	tw_crypto_stream_free(s);
	return res;
}

int
ctl_mark_check(const struct tw_crypto_keys *keys, uint32_t offered, uint32_t mode,
	const uint8_t iv[2 * MARK_LEN])
{
	uint8_t want[2 * MARK_LEN];
	int res = ctl_mark_make(keys, offered, mode, want);

	if (res != 0 || !tw_crypto_equal(want, iv, MARK_LEN))
		return res; /* 0: another client */
	return tw_crypto_equal(want + MARK_LEN, iv + MARK_LEN, MARK_LEN) ? 0 : -EBADMSG;
}
