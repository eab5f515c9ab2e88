/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Octets of one control connection: what arrived and is not a whole message yet, what is to be
 * sent. Once the connection is protected, messages are decrypted block by block as their length
 * becomes known and checked before use; messages appended get their HMAC, then are encrypted
 * (RFC 4656 3.2, PROTOCOL.md 3.3). Nothing here knows what a message means.
 */
#include <errno.h>
#include <string.h>

#include "control_i.h"

void
ctl_io_init(struct io *io)
{
	memset(io, 0, offsetof(struct io, in));
}

void
ctl_io_forget_keys(struct io *io)
{
	tw_crypto_stream_free(io->rx);
	tw_crypto_stream_free(io->tx);
	tw_crypto_free(io->keys);
	io->rx = NULL;
	io->tx = NULL;
	io->keys = NULL;
}

int
ctl_io_protect(struct io *io, const uint8_t rx_iv[16], const uint8_t tx_iv[16])
{
	io->rx = tw_crypto_stream_new(io->keys, rx_iv);
	io->tx = tw_crypto_stream_new(io->keys, tx_iv);
	if (io->rx != NULL && io->tx != NULL)
		return 0;
	tw_crypto_stream_free(io->rx);
	tw_crypto_stream_free(io->tx);
	io->rx = NULL;
	io->tx = NULL;
	return -ENOMEM;
}

void
ctl_io_put(struct io *io, const void *octets, size_t len, int64_t mono_ns)
{
	TW_ASSERT(len <= IN_SIZE - io->in_len);
	if (len == 0)
		return;
	if (io->in_len == 0)
		io->in_since_ns = mono_ns;
	memcpy(io->in + io->in_len, octets, len);
	io->in_len += len;
}

const uint8_t *
ctl_io_block(struct io *io, int *res)
{
	return ctl_io_message(io, TW_WIRE_BLOCK_LEN, res);
}

const uint8_t *
ctl_io_message(struct io *io, size_t len, int *res)
{
	*res = 0;
	if (io->in_len < len)
		return NULL;
	if (io->rx != NULL && io->clear_len < len) {
		*res = tw_crypto_stream_decrypt(
			io->rx, io->in + io->clear_len, len - io->clear_len);
		if (*res != 0)
			return NULL;
		io->clear_len = len;
	}
	return io->in;
}

int
ctl_io_check(struct io *io, const uint8_t *text, size_t len)
{
	int res;

	if (io->rx == NULL)
		return 0;
	res = tw_crypto_stream_hmac(io->rx, text, len);
	return res != 0 ? res : tw_crypto_stream_check(io->rx, text + len);
}

void
ctl_io_take(struct io *io, size_t len, int64_t mono_ns)
{
	TW_ASSERT(len <= io->in_len);
	io->in_len -= len;
	io->clear_len = 0;
	memmove(io->in, io->in + len, io->in_len);
	io->in_since_ns = mono_ns;
}

bool
ctl_io_has_room(const struct io *io, size_t len)
{
	return OUT_SIZE - io->out_len >= len;
}

uint8_t *
ctl_io_append(struct io *io, size_t len, int64_t mono_ns)
{
	uint8_t *msg;

	TW_ASSERT(ctl_io_has_room(io, len));
	if (io->out_off + io->out_len + len > OUT_SIZE) {
		memmove(io->out, io->out + io->out_off, io->out_len);
		io->out_off = 0;
	}
	if (io->out_len == 0)
		io->out_since_ns = mono_ns;
	msg = io->out + io->out_off + io->out_len;
	memset(msg, 0, len);
	io->out_len += len;
	return msg;
}

int
ctl_io_seal(struct io *io, uint8_t *msg, size_t len)
{
	size_t text_len = len - TW_WIRE_HMAC_LEN;
	int res;

	if (io->tx == NULL) { /* RFC 4656 3.2: the HMAC field is then MBZ */
		memset(msg + text_len, 0, TW_WIRE_HMAC_LEN);
		return 0;
	}
	res = tw_crypto_stream_hmac(io->tx, msg, text_len);
	if (res == 0)
		res = tw_crypto_stream_tag(io->tx, msg + text_len);
	if (res == 0)
		res = tw_crypto_stream_encrypt(io->tx, msg, len);
	if (res != 0) /* half a message must not leave in clear */
		io->out_len -= len;
	return res;
}

void
ctl_io_sent(struct io *io, size_t len, int64_t mono_ns)
{
	TW_ASSERT(len <= io->out_len);
	if (len == 0)
		return;
	io->out_len -= len;
	io->out_off = io->out_len == 0 ? 0 : io->out_off + len;
	io->out_since_ns = mono_ns;
}
