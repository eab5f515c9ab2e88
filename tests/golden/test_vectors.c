/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Messages and packets composed by lib/wire and protected by lib/crypto, against vectors that were
 * computed with Python's hashlib and cryptography and, for keys, Token and encrypted request, also
 * with the routines of the reference implementation. Fixed inputs, each octet one more than the
 * last: Salt 00.., Challenge 10.., AES Session-key 20.., HMAC Session-key 30.., Client-IV 50..,
 * Server-IV 60..; passphrase "correct horse battery", Count 1024.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "golden.h"
#include "tw_engine.h"
#include "tw_wire.h"

static const char sid_hex[] = "c0000201 ec000010 00000000 a1b2c3d4";

static void
count_up(uint8_t *out, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(first + i);
}

static struct tw_crypto_keys *
control_keys(void)
{
	struct tw_crypto_keys *k;
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	k = tw_crypto_alloc(sizeof(*k));
	cr_assert(k);
	count_up(k->aes, sizeof(k->aes), 0x20);
	count_up(k->hmac, sizeof(k->hmac), 0x30);
	return k;
}

static struct tw_crypto_stream *
stream(uint8_t iv_first)
{
	struct tw_crypto_keys *k = control_keys();
	uint8_t iv[TW_CRYPTO_BLOCK_LEN];
	struct tw_crypto_stream *s;

	count_up(iv, sizeof(iv), iv_first);
	s = tw_crypto_stream_new(k, iv);
	cr_assert(s);
	tw_crypto_free(k);
	return s;
}

static void
expect(const uint8_t *got, const char *want_hex, size_t len)
{
	uint8_t want[256];

	golden_unhex(want_hex, want, len);
	cr_assert_arr_eq(got, want, len);
}

/* HMAC over all but the HMAC field, put it there, encrypt all: what a control machine does. */
static void
seal(struct tw_crypto_stream *s, uint8_t *msg, size_t len)
{
	cr_assert_eq(tw_crypto_stream_hmac(s, msg, len - TW_WIRE_HMAC_LEN), 0);
	cr_assert_eq(tw_crypto_stream_tag(s, msg + len - TW_WIRE_HMAC_LEN), 0);
}

Test(vectors, set_up_response)
{
	struct tw_crypto_keys *k = control_keys();
	struct tw_secret *secret = tw_secret_new("correct horse battery", 21);
	struct tw_wire_setup_response r = {.mode = TW_MODE_ENCR};
	uint8_t out[TW_WIRE_SETUP_RESPONSE_LEN];
	struct tw_wr wr = tw_wr_init(out, sizeof(out));
	uint8_t salt[16], challenge[16], tk[16];

	count_up(salt, sizeof(salt), 0);
	count_up(challenge, sizeof(challenge), 0x10);
	count_up(r.client_iv, sizeof(r.client_iv), 0x50);
	cr_assert_eq(tw_crypto_kdf(secret, salt, 1024, tk), 0);
	expect(tk, "9437aca2a6ebe34a13d3709a2862eb31", 16);
	cr_assert_eq(tw_crypto_token_seal(tk, challenge, k, r.token), 0);
	cr_assert(tw_wire_key_id_set(r.key_id, "alice", 5));
	cr_assert(tw_wire_setup_response_write(&wr, &r));
	expect(out + 84,
		"c59b7468d7712f4148c27c68c1fbeb716d2650eaf35aeaf7f97a1ffa1a512fcd"
		"79f935cebdcec4a5e9511b5a2d8c495d85396c32d6873b96f5f08fbf770bc235"
		"505152535455565758595a5b5c5d5e5f",
		80);
	tw_secret_drop(secret);
	tw_crypto_free(k);
}

/* The HMAC of the first Accept-Session also covers the encrypted block of Server-Start. */
Test(vectors, server_start_and_accept_session)
{
	struct tw_crypto_stream *s = stream(0x60);
	struct tw_wire_server_start start = {.start_time = 0xec00000080000000ULL};
	struct tw_wire_accept_session a = {.accept = TW_WIRE_ACCEPT_OK, .port = 862};
	uint8_t out[TW_WIRE_SERVER_START_LEN + TW_WIRE_ACCEPT_SESSION_LEN];
	struct tw_wr wr = tw_wr_init(out, sizeof(out));
	uint8_t *msg = out + TW_WIRE_SERVER_START_LEN;
	uint8_t *block = out + TW_WIRE_SERVER_START_CLEAR_LEN;

	golden_unhex(sid_hex, a.sid, sizeof(a.sid));
	cr_assert(tw_wire_server_start_write(&wr, &start));
	cr_assert(tw_wire_accept_session_write(&wr, &a));
	cr_assert_eq(tw_crypto_stream_hmac(s, block, TW_WIRE_BLOCK_LEN), 0);
	seal(s, msg, TW_WIRE_ACCEPT_SESSION_LEN);
	expect(msg + 32, "939df89519828e715d6bf140aa9a79de", TW_WIRE_HMAC_LEN);
	cr_assert_eq(tw_crypto_stream_encrypt(s, block, TW_WIRE_BLOCK_LEN), 0);
	cr_assert_eq(tw_crypto_stream_encrypt(s, msg, TW_WIRE_ACCEPT_SESSION_LEN), 0);
	expect(block, "9c1de848f9d5274ecdd8e451c4dfca7c", TW_WIRE_BLOCK_LEN);
	expect(msg,
		"3a476f19bd85414f733048de00d92ec2d7057a4af6569338a4d6c0220bc59bd9"
		"b27d23a1848276c14b9ae14006d282ae",
		TW_WIRE_ACCEPT_SESSION_LEN);
	tw_crypto_stream_free(s);
}

/* Nothing the client sent before its first command is under that command's HMAC. */
Test(vectors, start_sessions_as_first_command)
{
	struct tw_crypto_stream *s = stream(0x50);
	struct tw_wire_start_sessions m = {0};
	uint8_t out[TW_WIRE_START_SESSIONS_LEN];
	struct tw_wr wr = tw_wr_init(out, sizeof(out));

	cr_assert(tw_wire_start_sessions_write(&wr, &m));
	seal(s, out, sizeof(out));
	expect(out + 16, "281fc9a23939a4f730fbf9f8541361a8", TW_WIRE_HMAC_LEN);
	cr_assert_eq(tw_crypto_stream_encrypt(s, out, sizeof(out)), 0);
	expect(out, "65f052272d84f5a95484dee80cab7032fcdcf3ed716a7a29d0dc33d10d651283",
		sizeof(out));
	tw_crypto_stream_free(s);
}

struct packet_vector {
	const struct tw_tst_fmt *fmt;
	const char *req, *rep;
};

static const struct packet_vector packets[] = {
	{&tw_tst_auth,
		"9a51250bacbf4b5634a58ca3625d01f4ec000020400000008586000000000000"
		"39c201d8307988f2fa4d22832531aebf",
		"af4bcd302fef6a21172a35090a89f257ec000020480010008586000000000000"
		"ec00002048000000000000000000000000000007000000000000000000000000"
		"ec000020400000008586000000000000fa000000000000000000000000000000"
		"d24551750ef859cf49baee0b13836d01"},
	{&tw_tst_encr,
		"9a51250bacbf4b5634a58ca3625d01f49903144457cbbae0abe611f486daab2a"
		"931bcecbc23fd902f91b1d91d38c7020",
		"af4bcd302fef6a21172a35090a89f25703b3cfd002b6eaf11d1df3acaf83e53b"
		"e3d45207c68e66d8f3ef628c8ff66949725afb8ccc820f21985a70d3f1f582d1"
		"2edacb98c5c69f9ba11572af916f758d99f8a009973b62b626f699be35337006"
		"e1095545143637742ecf153a2424dabb"},
};

static void
protect(struct tw_engine *eng, struct tw_crypto_tkey *tkey, uint8_t *pkt, uint16_t cover,
	uint16_t hmac_off)
{
	struct tw_engine_job job = {.key = tkey, .buf = pkt, .cover = cover, .hmac_off = hmac_off};

	cr_assert_eq(tw_engine_seal(eng, &job, 1), 1);
}

static void
check_packets(struct tw_engine *eng, struct tw_crypto_tkey *tkey)
{
	static const struct tw_tst_req q = {.seq = 7, .t1 = 0xec00002040000000ULL, .ee = 0x8586};
	static const struct tw_tst_rep r = {.seq = 3,
		.t3 = 0xec00002048001000ULL,
		.ee = 0x8586,
		.t2 = 0xec00002048000000ULL,
		.sender_seq = 7,
		.sender_t1 = 0xec00002040000000ULL,
		.sender_ee = 0x8586,
		.sender_ttl = 250};
	uint8_t pkt[TW_TST_HEADER_MAX];

	for (size_t i = 0; i < TW_ARRAY_SIZE(packets); i++) {
		const struct tw_tst_fmt *fmt = packets[i].fmt;

		cr_assert(fmt->write_req(pkt, sizeof(pkt), &q));
		protect(eng, tkey, pkt, fmt->req_cover, fmt->req_hmac_off);
		expect(pkt, packets[i].req, fmt->req_min);
		cr_assert(tw_tst_write_rep(fmt, pkt, sizeof(pkt), &r));
		protect(eng, tkey, pkt, fmt->rep_cover, fmt->rep_hmac_off);
		expect(pkt, packets[i].rep, fmt->rep_min);
	}
}

Test(vectors, test_packets_with_every_engine)
{
	struct tw_crypto_keys *k = control_keys();
	struct tw_crypto_tkey *tkey = tw_crypto_map(sizeof(*tkey));
	const struct tw_engine_ops *ops;
	struct tw_engine *eng;
	uint8_t sid[TW_WIRE_SID_LEN];

	golden_unhex(sid_hex, sid, sizeof(sid));
	cr_assert(tkey);
	cr_assert_eq(tw_crypto_tkey_derive(tkey, k, sid), 0);
	for (unsigned i = 0; (ops = tw_engine_at(i)); i++) {
		void *mem = tw_crypto_map(tw_engine_size(ops));

		cr_assert(mem);
		cr_assert_eq(tw_engine_init(ops, mem, tw_engine_size(ops), &eng), 0);
		check_packets(eng, tkey);
		tw_engine_fini(eng);
		tw_crypto_unmap(mem, tw_engine_size(ops));
	}
	tw_crypto_unmap(tkey, sizeof(*tkey));
	tw_crypto_free(k);
}
