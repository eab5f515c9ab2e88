/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Control streams: the project's vectors, every recorded secure connection in both directions, and
 * the properties of the chain.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_check.h"
#include "golden.h"

static const char accept_hex[] = "3a476f19bd85414f733048de00d92ec2d7057a4af6569338a4d6c0220bc59bd9b"
				 "27d23a1848276c14b9ae14006d282ae";

static struct tw_crypto_stream *
stream(uint8_t iv_first)
{
	struct tw_crypto_keys *keys = check_keys();
	struct tw_crypto_stream *s;
	uint8_t iv[16];

	check_count_up(iv, sizeof(iv), iv_first);
	s = tw_crypto_stream_new(keys, iv);
	cr_assert_not_null(s);
	tw_crypto_free(keys);
	return s;
}

/* Start-Time block, then Accept-Session whose HMAC covers both. */
static void
server_plain(uint8_t start[16], uint8_t accept[48])
{
	memset(start, 0, 16);
	memset(accept, 0, 48);
	memcpy(start, "\xec\0\0\0\x80\0\0\0", 8);
	accept[2] = 862 >> 8;
	accept[3] = 862 & 0xFF;
	memcpy(accept + 4, check_sid, sizeof(check_sid));
}

Test(stream, server_vector_sent, .init = check_init)
{
	struct tw_crypto_stream *s = stream(0x60);
	uint8_t start[16], accept[48];

	server_plain(start, accept);
	cr_assert_eq(tw_crypto_stream_hmac(s, start, 16), 0);
	cr_assert_eq(tw_crypto_stream_encrypt(s, start, 16), 0);
	check_hex(start, 16, "9c1de848f9d5274ecdd8e451c4dfca7c");
	cr_assert_eq(tw_crypto_stream_hmac(s, accept, 32), 0);
	cr_assert_eq(tw_crypto_stream_tag(s, accept + 32), 0);
	check_hex(accept + 32, 16, "939df89519828e715d6bf140aa9a79de");
	cr_assert_eq(tw_crypto_stream_encrypt(s, accept, 48), 0);
	check_hex(accept, 48, accept_hex);
	tw_crypto_stream_free(s);
}

Test(stream, server_vector_received_in_pieces, .init = check_init)
{
	uint8_t start[16], accept[48], want_start[16], want_accept[48];
	struct tw_crypto_stream *s = stream(0x60);

	server_plain(want_start, want_accept);
	golden_unhex("9c1de848f9d5274ecdd8e451c4dfca7c", start, 16);
	golden_unhex(accept_hex, accept, 48);
	cr_assert_eq(tw_crypto_stream_decrypt(s, start, 16), 0);
	cr_assert_eq(memcmp(start, want_start, 16), 0);
	cr_assert_eq(tw_crypto_stream_hmac(s, start, 16), 0);
	cr_assert_eq(tw_crypto_stream_decrypt(s, accept, 16), 0);
	cr_assert_eq(tw_crypto_stream_decrypt(s, accept + 16, 0), 0);
	cr_assert_eq(tw_crypto_stream_decrypt(s, accept + 16, 32), 0);
	cr_assert_eq(memcmp(accept, want_accept, 32), 0);
	cr_assert_eq(tw_crypto_stream_hmac(s, accept, 32), 0);
	cr_assert_eq(tw_crypto_stream_check(s, accept + 32), 0);
	tw_crypto_stream_free(s);
}

Test(stream, client_vector, .init = check_init)
{
	struct tw_crypto_stream *s = stream(0x50);
	uint8_t msg[32] = {2};

	cr_assert_eq(tw_crypto_stream_hmac(s, msg, 16), 0);
	cr_assert_eq(tw_crypto_stream_tag(s, msg + 16), 0);
	check_hex(msg + 16, 16, "281fc9a23939a4f730fbf9f8541361a8");
	cr_assert_eq(tw_crypto_stream_encrypt(s, msg, 32), 0);
	check_hex(msg, 32, "65f052272d84f5a95484dee80cab7032fcdcf3ed716a7a29d0dc33d10d651283");
	tw_crypto_stream_free(s);
}

Test(stream, refuses_part_blocks_and_stays_usable, .init = check_init)
{
	struct tw_crypto_stream *s = stream(0x50);
	uint8_t msg[32] = {2};
	size_t len;

	for (len = 1; len < 32; len++) {
		if (len == 16)
			continue;
		cr_assert_eq(tw_crypto_stream_encrypt(s, msg, len), -EINVAL);
		cr_assert_eq(tw_crypto_stream_decrypt(s, msg, len), -EINVAL);
	}
	cr_assert_eq(tw_crypto_stream_encrypt(s, msg, 16), 0);
	check_hex(msg, 16, "65f052272d84f5a95484dee80cab7032");
	tw_crypto_stream_free(s);
}

Test(stream, check_tells_any_bit_and_starts_anew, .init = check_init)
{
	struct tw_crypto_stream *s = stream(0x50);
	uint8_t text[16] = {2}, tag[16];
	unsigned bit;

	for (bit = 0; bit < 128; bit++) {
		golden_unhex("281fc9a23939a4f730fbf9f8541361a8", tag, 16);
		cr_assert_eq(tw_crypto_stream_hmac(s, text, 16), 0);
		cr_assert_eq(tw_crypto_stream_check(s, tag), 0);
		tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(tw_crypto_stream_hmac(s, text, 16), 0);
		cr_assert_eq(tw_crypto_stream_check(s, tag), -EBADMSG);
	}
	tw_crypto_stream_free(s);
}

/* However a text is cut, across the small buffer or not, its HMAC is the same; so is the empty one.
 */
Test(stream, hmac_does_not_depend_on_cuts, .init = check_init)
{
	struct tw_crypto_stream *s = stream(0x50);
	uint8_t text[300], want[16], tag[16];
	size_t len, cut, at, step;

	check_count_up(text, sizeof(text), 9);
	cr_assert_eq(tw_crypto_stream_tag(s, tag), 0);
	/* HMAC-SHA1 of nothing under key 30..4f, by Python */
	check_hex(tag, 16, "e9c84fca7c5af283906b72c8c5db45e0");
	for (len = 0; len <= sizeof(text); len += 23) {
		cr_assert_eq(tw_crypto_stream_hmac(s, text, len), 0);
		cr_assert_eq(tw_crypto_stream_tag(s, want), 0);
		for (cut = 1; cut <= 67; cut += 11) {
			for (at = 0; at < len; at += step) {
				step = cut < len - at ? cut : len - at;
				cr_assert_eq(tw_crypto_stream_hmac(s, text + at, step), 0);
			}
			cr_assert_eq(tw_crypto_stream_tag(s, tag), 0);
			cr_assert_eq(memcmp(tag, want, 16), 0);
		}
	}
	tw_crypto_stream_free(s);
}

static void
use_and_free(const uint8_t *text, size_t len)
{
	struct tw_crypto_stream *s = stream(0x50);

	cr_assert_eq(tw_crypto_stream_hmac(s, text, len), 0);
	tw_crypto_stream_free(s);
}

Test(stream, free_with_text_pending_returns_all_memory, .init = check_init)
{
	uint8_t text[300] = {0};
	size_t used;

	/* what OpenSSL keeps after its first use */
	use_and_free(text, sizeof(text));
	used = tw_crypto_heap_used();
	for (unsigned i = 0; i < 100; i++)
		use_and_free(text, sizeof(text));
	cr_assert_eq(tw_crypto_heap_used(), used);
	tw_crypto_stream_free(NULL);
}

/* What a recorded message adds to the HMAC text and whether it ends with an HMAC. */
static void
shape(json_t *m, size_t len, size_t *text_len, bool *has_tag)
{
	const char *msg = golden_str(m, "msg");

	*has_tag = strcmp(msg, "Server-Start (last block)") != 0 &&
		   strcmp(msg, "Schedule slot") != 0 && strcmp(msg, "Fetch: slot") != 0 &&
		   (strcmp(msg, "Fetch: data records") != 0 || len == 16);
	*text_len = *has_tag ? len - 16 : len;
}

static void
recorded_message(json_t *m, struct tw_crypto_stream *rx, struct tw_crypto_stream *tx)
{
	struct golden_span raw = golden_hex_new(m, "raw"), clear = golden_hex_new(m, "clear");
	uint8_t *buf = malloc(raw.len);
	size_t text_len;
	bool has_tag;

	cr_assert_eq(raw.len, clear.len);
	shape(m, raw.len, &text_len, &has_tag);
	memcpy(buf, raw.p, raw.len);
	cr_assert_eq(tw_crypto_stream_decrypt(rx, buf, raw.len), 0);
	cr_assert_eq(memcmp(buf, clear.p, raw.len), 0);
	cr_assert_eq(tw_crypto_stream_hmac(rx, buf, text_len), 0);
	if (has_tag)
		cr_assert_eq(
			tw_crypto_stream_check(rx, buf + text_len), 0, "%s", golden_str(m, "msg"));
	cr_assert_eq(tw_crypto_stream_hmac(tx, buf, text_len), 0);
	if (has_tag)
		cr_assert_eq(tw_crypto_stream_tag(tx, buf + text_len), 0);
	cr_assert_eq(tw_crypto_stream_encrypt(tx, buf, raw.len), 0);
	cr_assert_eq(memcmp(buf, raw.p, raw.len), 0);
	free(buf);
	free(raw.p);
	free(clear.p);
}

static struct tw_crypto_stream *
recorded_stream(json_t *v, const char *iv_key)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	struct tw_crypto_stream *s;
	uint8_t iv[16];

	golden_hex(v, "aes_key", keys->aes, sizeof(keys->aes));
	golden_hex(v, "hmac_key", keys->hmac, sizeof(keys->hmac));
	golden_hex(v, iv_key, iv, sizeof(iv));
	s = tw_crypto_stream_new(keys, iv);
	tw_crypto_free(keys);
	return s;
}

/* Both directions, read as the receiver would and written again as the sender did. */
static void
recorded(const char *name)
{
	json_t *v = golden_vectors(name), *m;
	struct tw_crypto_stream *rx[2], *tx[2];
	unsigned done = 0;
	size_t i;

	if (golden_int(v, "mode") != 1) {
		for (i = 0; i < 2; i++) {
			rx[i] = recorded_stream(v, i ? "server_iv" : "client_iv");
			tx[i] = recorded_stream(v, i ? "server_iv" : "client_iv");
		}
		json_array_foreach (golden_member(v, "messages"), i, m) {
			bool is_server = strcmp(golden_str(m, "from"), "server") == 0;

			if (!json_is_true(golden_member(m, "encrypted")))
				continue;
			recorded_message(m, rx[is_server], tx[is_server]);
			done++;
		}
		cr_assert_geq(done, 6);
		for (i = 0; i < 2; i++) {
			tw_crypto_stream_free(rx[i]);
			tw_crypto_stream_free(tx[i]);
		}
	}
	json_decref(v);
}

#define RECORDED(id, name, is_twamp)                                                               \
	Test(stream, recorded_##id, .init = check_init)                                            \
	{                                                                                          \
		recorded(name);                                                                    \
	}
GOLDEN_SESSIONS(RECORDED)
