/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Both control streams of every recorded session: set-up computed again, every message decrypted,
 * every HMAC verified, and everything encrypted again to the octets that were on the wire. TWAMP
 * messages go through our codecs both ways; of OWAMP, whose other commands we only know the length
 * of, the framing and the HMAC positions are checked.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "tw_crypto.h"
#include "tw_wire.h"

enum { TEXT_MAX = 2048 };

/* One direction of a connection, read in clear. */
struct side {
	const uint8_t *p; /* next octet of the capture */
	size_t left;
	struct tw_crypto_stream *rd; /* NULL: in clear */
	struct tw_crypto_stream *wr; /* encrypts again what rd decrypted */
	uint8_t text[TEXT_MAX];      /* the message so far */
	size_t len;
	unsigned hmac_cnt;
};

struct replay {
	struct golden_capture *cap;
	json_t *v;
	struct side client, server;
	struct tw_crypto_keys *keys;
	bool is_twamp;
	uint32_t mode;
};

/* Octets of the message that follow, into text. */
static const uint8_t *
more(struct side *s, size_t len)
{
	uint8_t again[TEXT_MAX];
	uint8_t *at = s->text + s->len;

	cr_assert(len <= s->left && s->len + len + TW_WIRE_HMAC_LEN <= TEXT_MAX);
	memcpy(at, s->p, len);
	if (s->rd) {
		cr_assert_eq(tw_crypto_stream_decrypt(s->rd, at, len), 0);
		cr_assert_eq(tw_crypto_stream_hmac(s->rd, at, len), 0);
		memcpy(again, at, len);
		cr_assert_eq(tw_crypto_stream_hmac(s->wr, again, len), 0);
		cr_assert_eq(tw_crypto_stream_encrypt(s->wr, again, len), 0);
		cr_assert_arr_eq(again, s->p, len);
	}
	s->p += len;
	s->left -= len;
	s->len += len;
	return at;
}

/* The HMAC that follows: verified, made again, encrypted again. */
static void
hmac(struct side *s)
{
	uint8_t *at = s->text + s->len;
	uint8_t again[TW_WIRE_HMAC_LEN];

	cr_assert_geq(s->left, TW_WIRE_HMAC_LEN);
	memcpy(at, s->p, TW_WIRE_HMAC_LEN);
	if (s->rd) {
		cr_assert_eq(tw_crypto_stream_decrypt(s->rd, at, TW_WIRE_HMAC_LEN), 0);
		cr_assert_eq(tw_crypto_stream_check(s->rd, at), 0);
		cr_assert_eq(tw_crypto_stream_tag(s->wr, again), 0);
		cr_assert_arr_eq(again, at, TW_WIRE_HMAC_LEN);
		cr_assert_eq(tw_crypto_stream_encrypt(s->wr, again, TW_WIRE_HMAC_LEN), 0);
		cr_assert_arr_eq(again, s->p, TW_WIRE_HMAC_LEN);
	} else {
		static const uint8_t zero[TW_WIRE_HMAC_LEN];

		cr_assert_arr_eq(at, zero, TW_WIRE_HMAC_LEN);
	}
	s->p += TW_WIRE_HMAC_LEN;
	s->left -= TW_WIRE_HMAC_LEN;
	s->len += TW_WIRE_HMAC_LEN;
	s->hmac_cnt++;
}

/* A message of known length that ends with an HMAC; what came of it before counts. */
static const uint8_t *
message(struct side *s, size_t len)
{
	more(s, len - TW_WIRE_HMAC_LEN - s->len);
	hmac(s);
	s->len = 0;
	return s->text;
}

/* Read a message, write it, expect the same octets. */
#define THROUGH(name, NAME, octets, out)                                                           \
	do {                                                                                       \
		const uint8_t *from = (octets);                                                    \
		uint8_t back[TW_WIRE_##NAME##_LEN];                                                \
		struct tw_rd rd = tw_rd_init(from, sizeof(back));                                  \
		struct tw_wr wr = tw_wr_init(back, sizeof(back));                                  \
                                                                                                   \
		cr_assert(tw_wire_##name##_read(&rd, out));                                        \
		cr_assert(tw_wire_##name##_write(&wr, out));                                       \
		cr_assert_arr_eq(back, from, sizeof(back));                                        \
	} while (0)

/* Token key and session keys from passphrase and Token, and the Token from them. */
static void
derive(struct replay *r, const struct tw_wire_greeting *g, const struct tw_wire_setup_response *s)
{
	struct golden_span pass = golden_hex_new(r->v, "passphrase");
	struct tw_secret *secret = tw_secret_new(pass.p, pass.len);
	uint8_t *tk = tw_crypto_alloc(TW_CRYPTO_BLOCK_LEN);
	uint8_t want[TW_CRYPTO_TOKEN_LEN];
	uint8_t token[TW_CRYPTO_TOKEN_LEN];

	r->keys = tw_crypto_alloc(sizeof(*r->keys));
	cr_assert(secret && tk && r->keys);
	cr_assert_eq(tw_crypto_kdf(secret, g->salt, g->count, tk), 0);
	golden_hex(r->v, "pbkdf2_key", want, 16);
	cr_assert_arr_eq(tk, want, 16);

	cr_assert_eq(tw_crypto_token_open(tk, g->challenge, s->token, r->keys), 0);
	golden_hex(r->v, "aes_key", want, 16);
	cr_assert_arr_eq(r->keys->aes, want, 16);
	golden_hex(r->v, "hmac_key", want, 32);
	cr_assert_arr_eq(r->keys->hmac, want, 32);
	cr_assert_eq(tw_crypto_token_seal(tk, g->challenge, r->keys, token), 0);
	cr_assert_arr_eq(token, s->token, sizeof(token));

	tw_secret_drop(secret);
	tw_crypto_free(tk);
	free(pass.p);
}

static void
secure(struct replay *r, struct side *s, const uint8_t *iv)
{
	s->rd = tw_crypto_stream_new(r->keys, iv);
	s->wr = tw_crypto_stream_new(r->keys, iv);
	cr_assert(s->rd && s->wr);
}

/* Greeting, Set-Up-Response, Server-Start. */
static void
set_up(struct replay *r)
{
	struct tw_wire_greeting g;
	struct tw_wire_setup_response s;
	struct tw_wire_server_start start;

	THROUGH(greeting, GREETING, more(&r->server, TW_WIRE_GREETING_LEN), &g);
	cr_assert_eq(g.modes, golden_int(r->v, "modes_offered"));
	cr_assert_eq(g.count, golden_int(r->v, "count"));
	THROUGH(setup_response, SETUP_RESPONSE, more(&r->client, TW_WIRE_SETUP_RESPONSE_LEN), &s);
	r->mode = s.mode;
	cr_assert_eq(s.mode, golden_int(r->v, "mode"));
	cr_assert(tw_mode_is_legal(s.mode, g.modes));
	r->server.len = r->client.len = 0;

	more(&r->server, TW_WIRE_SERVER_START_CLEAR_LEN);
	if (tw_mode_protects_control(s.mode)) {
		cr_assert_eq(tw_wire_key_id_len(s.key_id), 5);
		cr_assert_str_eq((char *)s.key_id, golden_str(r->v, "keyid"));
		derive(r, &g, &s);
		secure(r, &r->client, s.client_iv);
		secure(r, &r->server, r->server.text + 16);
	}
	more(&r->server, TW_WIRE_BLOCK_LEN);
	THROUGH(server_start, SERVER_START, r->server.text, &start);
	cr_assert_eq(start.accept, TW_WIRE_ACCEPT_OK);
	cr_assert_eq(start.start_time, golden_hex_int(r->v, "uptime"));
	r->server.len = 0; /* its last block stays in the running HMAC */
}

static void
request_tw(struct replay *r, size_t idx)
{
	json_t *want = json_array_get(golden_member(r->v, "sessions"), idx);
	struct tw_wire_request_tw q;
	struct tw_wire_accept_session a;
	uint8_t sid[TW_WIRE_SID_LEN];
	struct tw_addr sender, receiver;

	THROUGH(request_tw, REQUEST_TW, message(&r->client, TW_WIRE_REQUEST_TW_LEN), &q);
	cr_assert_eq(q.ipvn, golden_int(want, "ipvn"));
	cr_assert_eq(q.sender_port, golden_int(want, "sender_port"));
	cr_assert_eq(q.receiver_port, golden_int(want, "receiver_port"));
	cr_assert_eq(q.padding_len, golden_int(want, "padding"));
	cr_assert_eq(q.timeout, golden_hex_int(want, "timeout"));
	cr_assert_eq(q.start_time, golden_hex_int(want, "start_time"));
	cr_assert_eq(q.type_p, golden_hex_int(want, "typeP"));
	sender = tw_wire_addr_get(q.ipvn, q.sender_addr);
	receiver = tw_wire_addr_get(q.ipvn, q.receiver_addr);
	cr_assert(tw_addr_equal(&sender, &r->cap->client));
	cr_assert(tw_addr_equal(&receiver, &r->cap->server));

	THROUGH(accept_session, ACCEPT_SESSION, message(&r->server, TW_WIRE_ACCEPT_SESSION_LEN),
		&a);
	cr_assert_eq(a.accept, golden_int(want, "accept"));
	cr_assert_eq(a.port, golden_int(want, "accept_port"));
	golden_hex(want, "accept_sid", sid, sizeof(sid));
	cr_assert_arr_eq(a.sid, sid, sizeof(sid));
}

/* Request-Session of OWAMP: two HMACs, of which the length rule tells the positions. */
static void
request_ow(struct replay *r)
{
	size_t len = tw_wire_cmd_len(r->client.text, 16);
	size_t hmac1_off = tw_wire_cmd_hmac1_off(TW_WIRE_CMD_REQUEST_OW);

	cr_assert_gt(len, hmac1_off + TW_WIRE_HMAC_LEN);
	more(&r->client, hmac1_off - r->client.len);
	hmac(&r->client);
	message(&r->client, len);
	message(&r->server, TW_WIRE_ACCEPT_SESSION_LEN);
}

/* Stop-Sessions of OWAMP, from one side: records of SID, Next Seqno and skip ranges. */
static void
stop_ow(struct side *s)
{
	uint32_t session_cnt = tw_load_be32(s->text + 4);

	for (uint32_t i = 0; i < session_cnt; i++) {
		uint32_t skip_cnt = tw_load_be32(more(s, 32) + 20);

		more(s, (24 + 8 * (size_t)skip_cnt + 15) / 16 * 16 - 32);
	}
	message(s, s->len + TW_WIRE_HMAC_LEN);
}

/* Fetch-Session of OWAMP and all that answers it. */
static void
fetch(struct replay *r)
{
	struct side *s = &r->server;
	uint32_t skip_cnt, record_cnt, slot_cnt;
	const uint8_t *ack;

	message(&r->client, tw_wire_cmd_len(r->client.text, 0));
	ack = message(s, 32);
	cr_assert_eq(ack[0], TW_WIRE_ACCEPT_OK);
	skip_cnt = tw_load_be32(ack + 8);
	record_cnt = tw_load_be32(ack + 12);
	slot_cnt = tw_load_be32(message(s, 112) + 4);
	message(s, 16 * (size_t)slot_cnt + TW_WIRE_HMAC_LEN);
	message(s, (8 * (size_t)skip_cnt + 15) / 16 * 16 + TW_WIRE_HMAC_LEN);
	message(s, (25 * (size_t)record_cnt + 15) / 16 * 16 + TW_WIRE_HMAC_LEN);
}

static void
start(struct replay *r)
{
	struct tw_wire_start_sessions s;
	struct tw_wire_start_ack a;

	THROUGH(start_sessions, START_SESSIONS, message(&r->client, TW_WIRE_START_SESSIONS_LEN),
		&s);
	THROUGH(start_ack, START_ACK, message(&r->server, TW_WIRE_START_ACK_LEN), &a);
	cr_assert_eq(a.accept, golden_int(r->v, "start_ack"));
}

static void
stop(struct replay *r)
{
	json_t *want = golden_member(r->v, "stop_client");
	struct tw_wire_stop_sessions s;

	if (!r->is_twamp) {
		stop_ow(&r->client);
		cr_assert_eq(more(&r->server, TW_WIRE_BLOCK_LEN)[0], TW_WIRE_CMD_STOP_SESSIONS);
		stop_ow(&r->server);
		return;
	}
	THROUGH(stop_sessions, STOP_SESSIONS, message(&r->client, TW_WIRE_STOP_SESSIONS_LEN), &s);
	cr_assert_eq(s.accept, golden_int(want, "accept"));
	cr_assert_eq(s.session_cnt, golden_int(want, "sessions"));
}

static void
commands(struct replay *r)
{
	size_t session_cnt = 0;

	while (r->client.left > 0) {
		switch (more(&r->client, TW_WIRE_BLOCK_LEN)[0]) {
		case TW_WIRE_CMD_REQUEST_TW:
			request_tw(r, session_cnt++);
			break;
		case TW_WIRE_CMD_REQUEST_OW:
			request_ow(r);
			session_cnt++;
			break;
		case TW_WIRE_CMD_START_SESSIONS:
			start(r);
			break;
		case TW_WIRE_CMD_STOP_SESSIONS:
			stop(r);
			break;
		case TW_WIRE_CMD_FETCH_SESSION:
			fetch(r);
			break;
		default:
			cr_assert(false, "command %u", r->client.text[0]);
		}
	}
	cr_assert_eq(r->server.left, 0);
	cr_assert_eq(session_cnt, json_array_size(golden_member(r->v, "sessions")));
}

/* As many HMACs as the vectors list, so none was skipped. */
static unsigned
hmacs_listed(json_t *messages)
{
	unsigned cnt = 0;
	size_t i;
	json_t *m;

	json_array_foreach (messages, i, m)
		cnt += json_object_get(m, "hmac") != NULL;
	return cnt;
}

static void
replay(const char *name, bool is_twamp)
{
	struct replay *r = calloc(1, sizeof(*r));
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	cr_assert(r);
	r->cap = golden_capture_load(name);
	r->v = golden_vectors(name);
	r->is_twamp = is_twamp;
	r->client.p = r->cap->to_server.p;
	r->client.left = r->cap->to_server.len;
	r->server.p = r->cap->to_client.p;
	r->server.left = r->cap->to_client.len;
	set_up(r);
	commands(r);
	cr_assert_eq(r->client.hmac_cnt + r->server.hmac_cnt,
		hmacs_listed(golden_member(r->v, "messages")));

	tw_crypto_stream_free(r->client.rd);
	tw_crypto_stream_free(r->client.wr);
	tw_crypto_stream_free(r->server.rd);
	tw_crypto_stream_free(r->server.wr);
	tw_crypto_free(r->keys);
	json_decref(r->v);
	golden_capture_free(r->cap);
	free(r);
}

#define REPLAY(id, name, is_twamp)                                                                 \
	Test(replay_control, id)                                                                   \
	{                                                                                          \
		replay(name, is_twamp);                                                            \
	}
GOLDEN_SESSIONS(REPLAY)
