/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* A client that says what the test wants, see talk.h. */
#include "talk.h"

void
talk_open(struct talk *t, struct bed *bed, const char *peer)
{
	struct tw_addr from = bed_addr(peer);
	struct tw_addr to = bed_addr(from.family == TW_ADDR_V4 ? "192.0.2.1" : "2001:db8::1");
	uint8_t msg[TW_WIRE_GREETING_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));

	*t = (struct talk){.bed = bed};
	t->conn = malloc(tw_ctl_conn_size());
	BED_CHECK(t->conn != NULL);
	tw_ctl_conn_open(bed->srv, t->conn, &from, 40000, &to, t, bed->now);
	BED_CHECK(talk_read(t, msg, sizeof(msg)) == sizeof(msg));
	BED_CHECK(tw_wire_greeting_read(&rd, &t->greeting));
}

void
talk_close(struct talk *t)
{
	tw_ctl_conn_fini(t->conn, t->bed->now);
	free(t->conn);
	tw_crypto_stream_free(t->rx);
	tw_crypto_stream_free(t->tx);
	tw_crypto_free(t->keys);
}

void
talk_raw(struct talk *t, const void *octets, size_t len)
{
	const uint8_t *p = octets;

	while (len > 0) {
		size_t n = tw_ctl_conn_want(t->conn);

		if (n == 0)
			return; /* it does not listen */
		n = n < len ? n : len;
		tw_ctl_conn_input(t->conn, p, n, t->bed->now);
		p += n;
		len -= n;
	}
}

size_t
talk_read(struct talk *t, void *out, size_t size)
{
	uint8_t *at = out;
	size_t got = 0;

	for (;;) {
		size_t len;
		const uint8_t *p = tw_ctl_conn_output(t->conn, &len);

		len = len < size - got ? len : size - got;
		if (len == 0)
			return got;
		memcpy(at + got, p, len);
		got += len;
		tw_ctl_conn_sent(t->conn, len, t->bed->now);
	}
}

bool
talk_is_silent(struct talk *t)
{
	size_t len;

	(void)tw_ctl_conn_output(t->conn, &len);
	return len == 0;
}

bool
talk_is_over(struct talk *t)
{
	return talk_is_silent(t) && tw_ctl_conn_is_done(t->conn);
}

unsigned
talk_why(struct talk *t)
{
	struct tw_ctl_conn_info info;

	tw_ctl_conn_info_get(t->conn, &info);
	return info.reason.why;
}

unsigned
talk_state(struct talk *t)
{
	struct tw_ctl_conn_info info;

	tw_ctl_conn_info_get(t->conn, &info);
	return info.state;
}

/* --- set-up --- */

static void
make_token(struct talk *t, struct tw_wire_setup_response *resp, const void *secret, size_t len)
{
	uint8_t tk[16];

	t->keys = tw_crypto_alloc(sizeof(*t->keys));
	BED_CHECK(t->keys != NULL);
	for (size_t i = 0; i < sizeof(*t->keys); i++)
		((uint8_t *)t->keys)[i] = (uint8_t)bed_next(&t->bed->seed);
	for (size_t i = 0; i < sizeof(resp->client_iv); i++)
		resp->client_iv[i] = (uint8_t)bed_next(&t->bed->seed);
	bed_token_key_of(secret, len, t->greeting.salt, t->greeting.count, tk);
	BED_CHECK(tw_crypto_token_seal(tk, t->greeting.challenge, t->keys, resp->token) == 0);
	t->tx = tw_crypto_stream_new(t->keys, resp->client_iv);
	BED_CHECK(t->tx != NULL);
}

static void
send_response(struct talk *t, const struct tw_wire_setup_response *resp)
{
	uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	t->mode = resp->mode;
	BED_CHECK(tw_wire_setup_response_write(&wr, resp));
	talk_raw(t, msg, sizeof(msg));
}

void
talk_setup_response(struct talk *t, uint32_t mode, const char *user, const char *secret)
{
	struct tw_wire_setup_response resp = {.mode = mode};

	if (user != NULL) {
		BED_CHECK(tw_wire_key_id_set(resp.key_id, user, strlen(user)));
		make_token(t, &resp, secret, strlen(secret));
	}
	send_response(t, &resp);
}

void
talk_setup_spis(struct talk *t, uint32_t mode, const uint8_t spis[16], uint8_t behind,
	const void *key, size_t len)
{
	struct tw_wire_setup_response resp = {.mode = mode};

	memset(resp.key_id, behind, sizeof(resp.key_id));
	memcpy(resp.key_id, spis, 16);
	make_token(t, &resp, key, len);
	send_response(t, &resp);
}

int
talk_server_start(struct talk *t)
{
	struct tw_wire_server_start start;
	uint8_t msg[TW_WIRE_SERVER_START_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));
	size_t len = talk_read(t, msg, sizeof(msg));

	if (len == 0)
		return -1;
	BED_CHECK(len == sizeof(msg) && tw_wire_server_start_read(&rd, &start));
	t->accept = start.accept;
	if (start.accept == 0 && t->tx != NULL) {
		t->rx = tw_crypto_stream_new(t->keys, start.server_iv);
		BED_CHECK(t->rx != NULL);
		BED_CHECK(tw_crypto_stream_decrypt(t->rx, msg + 32, 16) == 0);
		BED_CHECK(tw_crypto_stream_hmac(t->rx, msg + 32, 16) == 0);
		rd = tw_rd_init(msg, sizeof(msg));
		BED_CHECK(tw_wire_server_start_read(&rd, &start));
	}
	t->server_start = start.start_time;
	return start.accept;
}

int
talk_setup(struct talk *t, uint32_t mode, const char *user, const char *secret)
{
	talk_setup_response(t, mode, user, secret);
	bed_derive(t->bed);
	return talk_server_start(t);
}

/* --- messages --- */

void
talk_seal(struct talk *t, uint8_t *msg, size_t len)
{
	if (t->tx == NULL)
		return;
	BED_CHECK(tw_crypto_stream_hmac(t->tx, msg, len - 16) == 0);
	BED_CHECK(tw_crypto_stream_tag(t->tx, msg + len - 16) == 0);
	BED_CHECK(tw_crypto_stream_encrypt(t->tx, msg, len) == 0);
}

void
talk_send(struct talk *t, uint8_t *msg, size_t len)
{
	talk_seal(t, msg, len);
	talk_raw(t, msg, len);
}

void
talk_recv(struct talk *t, uint8_t *msg, size_t len)
{
	static const uint8_t zero[16];

	BED_CHECK(talk_read(t, msg, len) == len);
	if (t->rx == NULL) {
		BED_CHECK(memcmp(msg + len - 16, zero, sizeof(zero)) == 0);
		return;
	}
	BED_CHECK(tw_crypto_stream_decrypt(t->rx, msg, len) == 0);
	BED_CHECK(tw_crypto_stream_hmac(t->rx, msg, len - 16) == 0);
	BED_CHECK(tw_crypto_stream_check(t->rx, msg + len - 16) == 0);
}

struct tw_wire_request_tw
talk_request_of(uint16_t sender_port, uint16_t receiver_port)
{
	return (struct tw_wire_request_tw){
		.ipvn = 4,
		.sender_port = sender_port,
		.receiver_port = receiver_port,
		.timeout = 2ULL << 32,
	};
}

void
talk_send_request(struct talk *t, const struct tw_wire_request_tw *req)
{
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	BED_CHECK(tw_wire_request_tw_write(&wr, req));
	talk_send(t, msg, sizeof(msg));
}

struct tw_wire_accept_session
talk_request(struct talk *t, const struct tw_wire_request_tw *req)
{
	struct tw_wire_accept_session answer;
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));

	talk_send_request(t, req);
	talk_recv(t, msg, sizeof(msg));
	BED_CHECK(tw_wire_accept_session_read(&rd, &answer));
	return answer;
}

uint8_t
talk_start(struct talk *t)
{
	struct tw_wire_start_ack ack;
	uint8_t msg[TW_WIRE_START_SESSIONS_LEN] = {TW_WIRE_CMD_START_SESSIONS};
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));

	talk_send(t, msg, sizeof(msg));
	talk_recv(t, msg, sizeof(msg));
	BED_CHECK(tw_wire_start_ack_read(&rd, &ack));
	return ack.accept;
}

void
talk_stop(struct talk *t, uint32_t session_cnt)
{
	struct tw_wire_stop_sessions stop = {.session_cnt = session_cnt};
	uint8_t msg[TW_WIRE_STOP_SESSIONS_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	BED_CHECK(tw_wire_stop_sessions_write(&wr, &stop));
	talk_send(t, msg, sizeof(msg));
}
