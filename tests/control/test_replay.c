/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The recorded sessions of the reference implementation against the machines: given its random
 * octets and times, our server answers its client, and our client talks to its server, octet for
 * octet as it was on the wire.
 */
#include <criterion/criterion.h>

#include "bed.h"
#include "golden.h"

struct replay {
	struct golden_capture *cap;
	json_t *v, *session;
	struct bed bed;
	uint32_t mode;
	uint8_t challenge[16], salt[16], server_iv[16], client_iv[16], sid[16];
	uint8_t *keys; /* AESK, HMACK of the recorded client, secure heap */
};

static void
begin(struct replay *r, const char *name)
{

	bed_init(&r->bed);
	r->cap = golden_capture_load(name);
	r->v = golden_vectors(name);
	r->session = json_array_get(golden_member(r->v, "sessions"), 0);
	cr_assert_not_null(r->session);
	r->mode = (uint32_t)golden_int(r->v, "mode");
	golden_hex(r->v, "challenge", r->challenge, 16);
	golden_hex(r->v, "salt", r->salt, 16);
	golden_hex(r->session, "accept_sid", r->sid, 16);
	if (tw_mode_protects_control(r->mode)) {
		cr_assert_str_eq(golden_str(r->v, "keyid"), BED_USER);
		golden_hex(r->v, "server_iv", r->server_iv, 16);
		golden_hex(r->v, "client_iv", r->client_iv, 16);
		r->keys = tw_crypto_alloc(48);
		golden_hex(r->v, "aes_key", r->keys, 16);
		golden_hex(r->v, "hmac_key", r->keys + 16, 32);
	}
}

static void
end(struct replay *r)
{
	tw_crypto_free(r->keys);
	bed_fini(&r->bed);
	golden_capture_free(r->cap);
	json_decref(r->v);
}

/* --- their client, our server --- */

static bool
take_local(void *app, const struct tw_addr *addr)
{
	(void)app;
	(void)addr;
	return true;
}

/* The server's output so far is what the capture holds at this place. */
static void
check_said(struct replay *r, struct tw_ctl_conn *conn, size_t *at, size_t len)
{
	size_t left;
	const uint8_t *p = tw_ctl_conn_output(conn, &left);

	cr_assert_eq(left, len);
	cr_assert(*at + len <= r->cap->to_client.len);
	cr_assert_arr_eq(p, r->cap->to_client.p + *at, len);
	*at += len;
	tw_ctl_conn_sent(conn, len, r->bed.now);
}

static void
feed(struct replay *r, struct tw_ctl_conn *conn, size_t *at, size_t len)
{
	cr_assert(*at + len <= r->cap->to_server.len);
	cr_assert(tw_ctl_conn_want(conn) >= len);
	tw_ctl_conn_input(conn, r->cap->to_server.p + *at, len, r->bed.now);
	*at += len;
}

/* A server that looks like the recorded one, up to Server-Start. */
static struct tw_ctl_conn *
set_up_recorded_client(struct replay *r, size_t *in, size_t *out)
{
	struct tw_ctl_conn *conn = malloc(tw_ctl_conn_size());
	struct tw_ctl_allow allow = {.modes = 15};
	struct tw_ctl_srv_ops ops = bed_srv_ops;
	struct bed *bed = &r->bed;

	/* one prefix for everybody, of the family of the capture */
	allow.prefix.addr = r->cap->client;
	allow.prefix.len = r->cap->client.family == TW_ADDR_V4 ? 32 : 128;
	bed->cfg.allow = &allow;
	bed->cfg.allow_cnt = 1;
	bed->cfg.modes = (uint32_t)golden_int(r->v, "modes_offered");
	bed->cfg.set[TW_CTL_SET_COUNT] = (uint32_t)golden_int(r->v, "count");
	bed->cfg.set[TW_CTL_SET_PORT_LO] = 18760;
	bed->cfg.set[TW_CTL_SET_PORT_HI] = 19960;
	bed->now.ntp = golden_hex_int(r->v, "uptime");
	ops.is_local = take_local;
	bed->srv = malloc(tw_ctl_srv_size());
	cr_assert_eq(tw_ctl_srv_init(bed->srv, &bed->cfg, &ops, bed, bed->now), 0);
	bed_script(bed, r->challenge, 16);
	bed_script(bed, r->salt, 16);
	tw_ctl_conn_open(bed->srv, conn, &r->cap->client, r->cap->client_port, &r->cap->server,
		NULL, bed->now);
	check_said(r, conn, out, TW_WIRE_GREETING_LEN);
	if (tw_mode_protects_control(r->mode))
		bed_script(bed, r->server_iv, 16);
	feed(r, conn, in, TW_WIRE_SETUP_RESPONSE_LEN);
	bed_derive(bed);
	check_said(r, conn, out, TW_WIRE_SERVER_START_LEN);
	return conn;
}

static void
serve_recorded_client(struct replay *r)
{
	struct bed *bed = &r->bed;
	size_t in = 0, out = 0;
	struct tw_ctl_conn *conn = set_up_recorded_client(r, &in, &out);
	struct bed_sess *s;

	bed->now.ntp = tw_load_be64(r->sid + 4);
	bed_script(bed, r->sid + 12, 4);
	feed(r, conn, &in, TW_WIRE_REQUEST_TW_LEN);
	check_said(r, conn, &out, TW_WIRE_ACCEPT_SESSION_LEN);
	s = bed_sess_at(bed, 0);
	cr_assert_eq(s->param.padding_len, golden_int(r->session, "padding"));
	cr_assert_eq(s->param.dscp, golden_hex_int(r->session, "typeP") >> 24);
	cr_assert(tw_addr_equal(&s->param.sender_addr, &r->cap->client));
	cr_assert(tw_addr_equal(&s->param.receiver_addr, &r->cap->server));
	feed(r, conn, &in, TW_WIRE_START_SESSIONS_LEN);
	check_said(r, conn, &out, TW_WIRE_START_ACK_LEN);
	cr_assert_eq(s->state, BED_STARTED);
	feed(r, conn, &in, TW_WIRE_STOP_SESSIONS_LEN);
	cr_assert_eq(s->state, BED_STOPPED);
	cr_assert_eq(s->grace_ns, BED_NS_PER_S / 2);
	cr_assert_eq(in, r->cap->to_server.len);
	cr_assert_eq(out, r->cap->to_client.len);
	tw_ctl_conn_eof(conn, bed->now);
	tw_ctl_conn_fini(conn, bed->now);
	free(conn);
}

/*
 * Their OWAMP client: it is set up, and its Request-Session (one or two slots, two HMACs) is read
 * whole, verified and refused; the stream stays in step.
 */
static void
refuse_recorded_owamp_client(struct replay *r)
{
	size_t in = 0, out = 0, len = 0;
	struct tw_ctl_conn *conn = set_up_recorded_client(r, &in, &out);
	struct tw_ctl_conn_info info;

	while (len < TW_WIRE_ACCEPT_SESSION_LEN) {
		feed(r, conn, &in, 1);
		(void)tw_ctl_conn_output(conn, &len);
		cr_assert_lt(in, r->cap->to_server.len);
	}
	cr_assert_eq(r->bed.last.why, TW_CTL_WHY_COMMAND_UNSUPPORTED);
	tw_ctl_conn_info_get(conn, &info);
	cr_assert_eq(info.state, TW_CTL_CONN_READY);
	tw_ctl_conn_fini(conn, r->bed.now);
	free(conn);
}

/* --- their server, our client --- */

static struct tw_crypto_keys shown;
static struct tw_ctl_cli_event last;

static void
event(void *app, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *e)
{
	(void)app;
	(void)cli;
	last = *e;
	if (e->keys != NULL)
		shown = *e->keys;
}

static const struct tw_ctl_cli_ops cli_ops = {
	.common = {.random = bed_random, .key = bed_key, .kdf = bed_kdf},
	.event = event,
};

static void
hear(struct replay *r, struct tw_ctl_cli *cli, size_t *at, size_t len)
{
	cr_assert(*at + len <= r->cap->to_client.len);
	tw_ctl_cli_input(cli, r->cap->to_client.p + *at, len, r->bed.now);
	*at += len;
}

static void
check_asked(struct replay *r, struct tw_ctl_cli *cli, size_t *at, size_t len)
{
	size_t left;
	const uint8_t *p = tw_ctl_cli_output(cli, &left);

	cr_assert_eq(left, len);
	cr_assert_arr_eq(p, r->cap->to_server.p + *at, len);
	*at += len;
	tw_ctl_cli_sent(cli, len, r->bed.now);
}

static struct tw_ctl_want
recorded_want(const struct replay *r)
{
	return (struct tw_ctl_want){
		.sender_addr = r->cap->client,
		.receiver_addr = r->cap->server,
		.sender_port = (uint16_t)golden_int(r->session, "sender_port"),
		.receiver_port = (uint16_t)golden_int(r->session, "receiver_port"),
		.padding_len = (uint32_t)golden_int(r->session, "padding"),
		.start_ntp = golden_hex_int(r->session, "start_time"),
		.timeout_ns = BED_NS_PER_S / 2,
		.dscp = (uint8_t)(golden_hex_int(r->session, "typeP") >> 24),
	};
}

static void
talk_to_recorded_server(struct replay *r)
{
	struct tw_ctl_cli *cli = malloc(tw_ctl_cli_size());
	struct tw_ctl_want want = recorded_want(r);
	struct bed *bed = &r->bed;
	struct tw_ctl_cli_cfg cfg;
	size_t in = 0, out = 0;
	json_t *test;
	uint8_t key[32];

	tw_ctl_cli_cfg_init(&cfg);
	cfg.no_mark = true;
	tw_ctl_cli_cfg_mode(&cfg, r->mode);
	strcpy(cfg.key_id, BED_USER);
	cr_assert_eq(tw_ctl_cli_open(cli, &cfg, &cli_ops, bed, &r->cap->server, bed->now), 0);
	if (tw_mode_protects_control(r->mode)) {
		bed_script(bed, r->keys, 16);
		bed_script(bed, r->keys + 16, 32);
		bed_script(bed, r->client_iv, 16);
	}
	hear(r, cli, &in, TW_WIRE_GREETING_LEN);
	bed_derive(bed);
	check_asked(r, cli, &out, TW_WIRE_SETUP_RESPONSE_LEN);
	hear(r, cli, &in, TW_WIRE_SERVER_START_LEN);
	cr_assert_eq(last.ev, TW_CTL_CLI_EV_READY);
	cr_assert_eq(last.server_start_ntp, golden_hex_int(r->v, "uptime"));
	cr_assert_eq(tw_ctl_cli_request(cli, &want, NULL, bed->now), 0);
	check_asked(r, cli, &out, TW_WIRE_REQUEST_TW_LEN);
	hear(r, cli, &in, TW_WIRE_ACCEPT_SESSION_LEN);
	cr_assert_eq(last.ev, TW_CTL_CLI_EV_SESSION);
	cr_assert_eq(last.port, golden_int(r->session, "accept_port"));
	cr_assert_arr_eq(last.sid, r->sid, 16);
	if (tw_mode_protects_test(r->mode)) {
		test = json_array_get(golden_member(r->v, "test"), 0);
		golden_hex(test, "test_aes_key", key, 16);
		cr_assert_arr_eq(shown.aes, key, 16);
		golden_hex(test, "test_hmac_key", key, 32);
		cr_assert_arr_eq(shown.hmac, key, 32);
	}
	cr_assert_eq(tw_ctl_cli_start(cli, bed->now), 0);
	check_asked(r, cli, &out, TW_WIRE_START_SESSIONS_LEN);
	hear(r, cli, &in, TW_WIRE_START_ACK_LEN);
	cr_assert_eq(last.ev, TW_CTL_CLI_EV_STARTED);
	cr_assert_eq(tw_ctl_cli_stop(cli, 0, bed->now), 0);
	check_asked(r, cli, &out, TW_WIRE_STOP_SESSIONS_LEN);
	cr_assert_eq(in, r->cap->to_client.len);
	cr_assert_eq(out, r->cap->to_server.len);
	tw_ctl_cli_fini(cli);
	free(cli);
}

/* --- every TWAMP session, both ways --- */

#define REPLAY_true(id, name)                                                                      \
	Test(replay, server_##id)                                                                  \
	{                                                                                          \
		struct replay r = {0};                                                             \
                                                                                                   \
		begin(&r, name);                                                                   \
		serve_recorded_client(&r);                                                         \
		end(&r);                                                                           \
	}                                                                                          \
	Test(replay, client_##id)                                                                  \
	{                                                                                          \
		struct replay r = {0};                                                             \
                                                                                                   \
		begin(&r, name);                                                                   \
		talk_to_recorded_server(&r);                                                       \
		end(&r);                                                                           \
	}
#define REPLAY_false(id, name)                                                                     \
	Test(replay, server_##id)                                                                  \
	{                                                                                          \
		struct replay r = {0};                                                             \
                                                                                                   \
		begin(&r, name);                                                                   \
		refuse_recorded_owamp_client(&r);                                                  \
		end(&r);                                                                           \
	}
#define REPLAY(id, name, is_twamp) REPLAY_##is_twamp(id, name)

GOLDEN_SESSIONS(REPLAY)
