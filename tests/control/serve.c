/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* A server that says what the test wants, see serve.h. */
#include "serve.h"

/* --- the owner of the client --- */

static struct bed *
bed_of(void *app)
{
	return ((struct serve *)app)->bed;
}

static bool
random_octets(void *app, void *out, size_t len)
{
	return bed_random(bed_of(app), out, len);
}

static struct tw_secret *
key(void *app, const struct tw_keyring_id *id, bool *is_known)
{
	return bed_key(bed_of(app), id, is_known);
}

static bool
kdf(void *app, struct tw_ctl_kdf_job *job)
{
	return bed_kdf(bed_of(app), job);
}

static enum tw_ctl_ike
ike_key(void *app, const struct tw_addr *server, uint8_t spis[TW_CTL_SPIS_LEN],
	struct tw_secret **secret)
{
	return bed_ike_newest(bed_of(app), server, spis, secret);
}

static void
check_text(const struct tw_ctl_reason *reason)
{
	char text[TW_CTL_REASON_SIZE];

	tw_ctl_reason_str(reason, "server", text, sizeof(text));
	BED_CHECK(strstr(text, BED_SECRET) == NULL);
}

static void
event(void *app, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *ev)
{
	struct serve *s = app;
	struct serve_event *e = &s->log[s->log_cnt % TW_ARRAY_SIZE(s->log)];

	BED_CHECK(cli == s->cli);
	BED_CHECK(serve_count(s, TW_CTL_CLI_EV_CLOSED) == 0); /* the last event */
	check_text(&ev->reason);
	e->ev = ev->ev;
	e->event = *ev;
	if (ev->keys != NULL) {
		e->keys = *ev->keys;
		e->event.keys = &e->keys;
	}
	s->log_cnt++;
	if (s->on_event != NULL)
		s->on_event(s, ev);
}

static void
wake(void *app, struct tw_ctl_cli *cli)
{
	struct serve *s = app;

	BED_CHECK(cli == s->cli);
	s->wake_cnt++;
}

static const struct tw_ctl_cli_ops ops = {
	.common = {.random = random_octets, .key = key, .kdf = kdf},
	.event = event,
	.ike_key = ike_key,
	.wake = wake,
};

void
serve_init(struct serve *s, struct bed *bed)
{
	*s = (struct serve){.bed = bed, .count = TW_CTL_COUNT_MIN};
	tw_ctl_cli_cfg_init(&s->cfg);
	s->cfg.floor = TW_MODE_OPEN;
	strcpy(s->cfg.key_id, BED_USER);
	memset(s->challenge, 0xc1, sizeof(s->challenge));
	memset(s->salt, 0x5a, sizeof(s->salt));
}

void
serve_open(struct serve *s, bool is_v6)
{
	struct tw_addr to = bed_addr(is_v6 ? "2001:db8::1" : "192.0.2.1");

	s->cli = malloc(tw_ctl_cli_size());
	BED_CHECK(s->cli != NULL);
	BED_CHECK(tw_ctl_cli_open(s->cli, &s->cfg, &ops, s, &to, s->bed->now) == 0);
}

void
serve_close(struct serve *s)
{
	tw_ctl_cli_fini(s->cli);
	free(s->cli);
	tw_crypto_stream_free(s->rx);
	tw_crypto_stream_free(s->tx);
	tw_crypto_free(s->keys);
	*s = (struct serve){0};
}

/* --- octets --- */

void
serve_raw(struct serve *s, const void *octets, size_t len)
{
	const uint8_t *p = octets;

	while (len > 0) {
		size_t n = tw_ctl_cli_want(s->cli);

		if (n == 0)
			return;
		n = n < len ? n : len;
		tw_ctl_cli_input(s->cli, p, n, s->bed->now);
		p += n;
		len -= n;
	}
}

size_t
serve_read(struct serve *s, void *out, size_t size)
{
	uint8_t *at = out;
	size_t got = 0;

	for (;;) {
		size_t len;
		const uint8_t *p = tw_ctl_cli_output(s->cli, &len);

		len = len < size - got ? len : size - got;
		if (len == 0)
			return got;
		memcpy(at + got, p, len);
		got += len;
		tw_ctl_cli_sent(s->cli, len, s->bed->now);
	}
}

bool
serve_is_silent(struct serve *s)
{
	size_t len;

	(void)tw_ctl_cli_output(s->cli, &len);
	return len == 0;
}

bool
serve_is_over(struct serve *s)
{
	return serve_is_silent(s) && tw_ctl_cli_is_done(s->cli);
}

/* --- set-up --- */

void
serve_greet(struct serve *s, uint32_t modes)
{
	struct tw_wire_greeting g = {.modes = modes, .count = s->count};
	uint8_t msg[TW_WIRE_GREETING_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	memcpy(g.challenge, s->challenge, sizeof(g.challenge));
	memcpy(g.salt, s->salt, sizeof(g.salt));
	BED_CHECK(tw_wire_greeting_write(&wr, &g));
	serve_raw(s, msg, sizeof(msg));
}

void
serve_take_response(struct serve *s, const char *secret)
{
	serve_take_response_of(s, secret, secret == NULL ? 0 : strlen(secret));
}

void
serve_take_response_of(struct serve *s, const void *secret, size_t secret_len)
{
	uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));
	uint8_t tk[16];

	BED_CHECK(serve_read(s, msg, sizeof(msg)) == sizeof(msg));
	BED_CHECK(tw_wire_setup_response_read(&rd, &s->response));
	if (!tw_mode_protects_control(s->response.mode))
		return;
	s->keys = tw_crypto_alloc(sizeof(*s->keys));
	BED_CHECK(s->keys != NULL);
	bed_token_key_of(secret, secret_len, s->salt, s->count, tk);
	BED_CHECK(tw_crypto_token_open(tk, s->challenge, s->response.token, s->keys) == 0);
}

void
serve_start(struct serve *s, uint8_t accept)
{
	struct tw_wire_server_start start = {
		.accept = accept, .start_time = accept ? 0 : 0xeb00000000000000};
	uint8_t msg[TW_WIRE_SERVER_START_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	if (accept == 0 && s->keys != NULL)
		memset(start.server_iv, 0x77, sizeof(start.server_iv));
	BED_CHECK(tw_wire_server_start_write(&wr, &start));
	if (accept == 0 && s->keys != NULL) {
		s->tx = tw_crypto_stream_new(s->keys, start.server_iv);
		s->rx = tw_crypto_stream_new(s->keys, s->response.client_iv);
		BED_CHECK(s->tx != NULL && s->rx != NULL);
		BED_CHECK(tw_crypto_stream_hmac(s->tx, msg + 32, 16) == 0);
		BED_CHECK(tw_crypto_stream_encrypt(s->tx, msg + 32, 16) == 0);
	}
	serve_raw(s, msg, sizeof(msg));
}

void
serve_setup(struct serve *s, uint32_t mode)
{
	serve_greet(s, mode);
	bed_derive(s->bed);
	serve_take_response(s, BED_SECRET);
	BED_CHECK(s->response.mode == mode);
	serve_start(s, 0);
}

/* --- messages --- */

void
serve_recv(struct serve *s, uint8_t *msg, size_t len)
{
	static const uint8_t zero[16];

	BED_CHECK(serve_read(s, msg, len) == len);
	if (s->rx == NULL) {
		BED_CHECK(memcmp(msg + len - 16, zero, sizeof(zero)) == 0);
		return;
	}
	BED_CHECK(tw_crypto_stream_decrypt(s->rx, msg, len) == 0);
	BED_CHECK(tw_crypto_stream_hmac(s->rx, msg, len - 16) == 0);
	BED_CHECK(tw_crypto_stream_check(s->rx, msg + len - 16) == 0);
}

struct tw_wire_request_tw
serve_recv_request(struct serve *s)
{
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));
	struct tw_wire_request_tw req;

	serve_recv(s, msg, sizeof(msg));
	BED_CHECK(tw_wire_request_tw_read(&rd, &req));
	return req;
}

void
serve_recv_start(struct serve *s)
{
	uint8_t msg[TW_WIRE_START_SESSIONS_LEN];

	serve_recv(s, msg, sizeof(msg));
	BED_CHECK(msg[0] == TW_WIRE_CMD_START_SESSIONS);
}

struct tw_wire_stop_sessions
serve_recv_stop(struct serve *s)
{
	uint8_t msg[TW_WIRE_STOP_SESSIONS_LEN];
	struct tw_rd rd = tw_rd_init(msg, sizeof(msg));
	struct tw_wire_stop_sessions stop;

	serve_recv(s, msg, sizeof(msg));
	BED_CHECK(tw_wire_stop_sessions_read(&rd, &stop));
	return stop;
}

void
serve_send(struct serve *s, uint8_t *msg, size_t len)
{
	if (s->tx != NULL) {
		BED_CHECK(tw_crypto_stream_hmac(s->tx, msg, len - 16) == 0);
		BED_CHECK(tw_crypto_stream_tag(s->tx, msg + len - 16) == 0);
		BED_CHECK(tw_crypto_stream_encrypt(s->tx, msg, len) == 0);
	}
	serve_raw(s, msg, len);
}

void
serve_accept(struct serve *s, uint8_t accept, uint16_t port, uint8_t sid_tail)
{
	struct tw_wire_accept_session a = {.accept = accept, .port = port};
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	memset(a.sid, accept ? 0 : 0x51, sizeof(a.sid));
	a.sid[15] = sid_tail;
	BED_CHECK(tw_wire_accept_session_write(&wr, &a));
	serve_send(s, msg, sizeof(msg));
}

void
serve_start_ack(struct serve *s, uint8_t accept)
{
	uint8_t msg[TW_WIRE_START_ACK_LEN] = {accept};

	serve_send(s, msg, sizeof(msg));
}

/* --- what the owner saw --- */

struct tw_ctl_cli_event *
serve_last(struct serve *s)
{
	BED_CHECK(s->log_cnt > 0);
	return &s->log[(s->log_cnt - 1) % TW_ARRAY_SIZE(s->log)].event;
}

size_t
serve_count(const struct serve *s, enum tw_ctl_cli_ev ev)
{
	size_t cnt = 0;

	for (size_t i = 0; i < s->log_cnt && i < TW_ARRAY_SIZE(s->log); i++)
		cnt += s->log[i].ev == ev;
	return cnt;
}

struct tw_ctl_want
serve_want(uint16_t sender_port, uint16_t receiver_port)
{
	return (struct tw_ctl_want){.sender_port = sender_port,
		.receiver_port = receiver_port,
		.padding_len = 64,
		.timeout_ns = 2 * BED_NS_PER_S};
}

void
serve_wait(struct serve *s, int64_t ns)
{
	s->bed->now.mono_ns += ns;
	tw_ctl_cli_timer(s->cli, s->bed->now);
}
