/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The client's stream of every recorded session into our Server machine. Given the random octets
 * and the times of the server that was recorded, ours must say what that one said: octet for octet
 * over a whole TWAMP connection. From OWAMP clients it takes the set-up and refuses the rest with
 * every HMAC verified and the streams in step.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "tw_control.h"

enum { OUT_MAX = 4096 };

/* What the server's owner sees and answers. */
struct app {
	struct golden_capture *cap;
	json_t *v;
	struct tw_ctl_srv *srv;
	struct tw_ctl_conn *conn;
	struct tw_ctl_time now;
	bool is_twamp;
	/* 16-octet random values still to be handed out, in order, and the tail of the SID */
	uint8_t random[3][16];
	unsigned random_cnt;
	uint8_t sid[TW_CTL_SID_LEN];
	struct tw_ctl_kdf_job *job;
	uint8_t out[OUT_MAX];
	size_t out_len;
	unsigned reserved, started, stopped, released;
};

static bool
give_random(void *arg, void *out, size_t len)
{
	struct app *app = arg;

	if (app->conn == NULL || (len != 16 && len != 4)) /* seeds of the server object */
		memset(out, 0x42, len);
	else if (len == 16 && app->random_cnt < TW_ARRAY_SIZE(app->random))
		memcpy(out, app->random[app->random_cnt++], len);
	else if (len == 4)
		memcpy(out, app->sid + 12, len);
	else
		return false;
	return true;
}

static struct tw_secret *
find_key(void *arg, const struct tw_keyring_id *id, bool *is_known)
{
	struct app *app = arg;
	struct golden_span pass = golden_hex_new(app->v, "passphrase");
	struct tw_secret *s = tw_secret_new(pass.p, pass.len);

	cr_assert_eq(id->len, strlen(golden_str(app->v, "keyid")));
	cr_assert_arr_eq(id->b, golden_str(app->v, "keyid"), id->len);
	*is_known = true;
	free(pass.p);
	return s;
}

static bool
take_job(void *arg, struct tw_ctl_kdf_job *job)
{
	struct app *app = arg;

	cr_assert_null(app->job);
	app->job = job;
	return true;
}

static bool
has_keys(void *arg)
{
	(void)arg;
	return true;
}

static bool
is_local(void *arg, const struct tw_addr *addr)
{
	struct app *app = arg;

	return tw_addr_equal(addr, &app->cap->server);
}

static enum tw_ctl_reserve
reserve(void *arg, struct tw_ctl_sess *sess, const struct tw_ctl_sess_param *param, void **handle)
{
	struct app *app = arg;
	json_t *want = json_array_get(golden_member(app->v, "sessions"), app->reserved);
	json_t *test = json_array_get(golden_member(app->v, "test"), app->reserved);
	uint8_t key[TW_CRYPTO_HMAC_KEY_LEN];

	(void)sess;
	cr_assert(want && app->is_twamp);
	cr_assert_arr_eq(param->sid, app->sid, sizeof(app->sid));
	cr_assert_eq(param->mode, golden_int(app->v, "mode"));
	cr_assert(tw_addr_equal(&param->sender_addr, &app->cap->client));
	cr_assert(tw_addr_equal(&param->receiver_addr, &app->cap->server));
	cr_assert_eq(param->sender_port, golden_int(want, "sender_port"));
	cr_assert_eq(param->receiver_port, golden_int(want, "accept_port"));
	cr_assert_eq(param->padding_len, golden_int(want, "padding"));
	cr_assert_eq(param->dscp, golden_hex_int(want, "typeP") >> 24);
	cr_assert_eq(param->timeout_ns, 500000000);
	if (tw_mode_protects_test(param->mode)) {
		golden_hex(test, "test_aes_key", key, sizeof(param->keys->aes));
		cr_assert_arr_eq(param->keys->aes, key, sizeof(param->keys->aes));
		golden_hex(test, "test_hmac_key", key, sizeof(param->keys->hmac));
		cr_assert_arr_eq(param->keys->hmac, key, sizeof(param->keys->hmac));
	} else {
		cr_assert_null(param->keys);
	}
	*handle = &app->reserved;
	app->reserved++;
	return TW_CTL_RESERVE_OK;
}

static int
start(void *arg, void *handle)
{
	struct app *app = arg;

	cr_assert_eq(handle, &app->reserved);
	app->started++;
	return 0;
}

static void
stop(void *arg, void *handle, int64_t grace_ns)
{
	struct app *app = arg;

	cr_assert_eq(handle, &app->reserved);
	cr_assert_eq(grace_ns, 500000000);
	app->stopped++;
}

static void
release(void *arg, void *handle)
{
	struct app *app = arg;

	cr_assert_eq(handle, &app->reserved);
	app->released++;
}

static const struct tw_ctl_srv_ops ops = {
	.common = {.random = give_random, .key = find_key, .kdf = take_job},
	.has_keys = has_keys,
	.is_local = is_local,
	.reserve = reserve,
	.start = start,
	.stop = stop,
	.release = release,
};

/* As the server that was recorded was configured: everything offered, test ports, Count. */
static void
make_server(struct app *app)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0"};
	struct tw_ctl_allow allow[TW_ARRAY_SIZE(all)];
	struct tw_ctl_srv_cfg cfg;
	char why[TW_CTL_REASON_SIZE] = "";

	tw_ctl_srv_cfg_init(&cfg);
	for (size_t i = 0; i < TW_ARRAY_SIZE(all); i++) {
		cr_assert(tw_prefix_parse(all[i], &allow[i].prefix));
		allow[i].modes = TW_MODE_SEC_MASK;
	}
	cfg.allow = allow;
	cfg.allow_cnt = TW_ARRAY_SIZE(allow);
	cfg.modes = (uint32_t)golden_int(app->v, "modes_offered");
	cfg.set[TW_CTL_SET_COUNT] = (uint32_t)golden_int(app->v, "count");
	cfg.set[TW_CTL_SET_PORT_LO] = 18760;
	cfg.set[TW_CTL_SET_PORT_HI] = 19960;
	cr_assert_eq(tw_ctl_srv_cfg_check(&cfg, why, sizeof(why)), 0, "%s", why);
	app->srv = calloc(1, tw_ctl_srv_size());
	cr_assert(app->srv);
	app->now.ntp = golden_hex_int(app->v, "uptime");
	cr_assert_eq(tw_ctl_srv_init(app->srv, &cfg, &ops, app, app->now), 0);
}

/* What the machine has to say, and a key it wants derived. */
static void
settle(struct app *app)
{
	struct tw_ctl_kdf_job *job = app->job;
	const uint8_t *p;
	size_t len;

	if (job) {
		app->job = NULL;
		tw_ctl_kdf_run(job);
		tw_ctl_kdf_done(job, app->now);
	}
	p = tw_ctl_conn_output(app->conn, &len);
	cr_assert_leq(app->out_len + len, OUT_MAX);
	if (len == 0)
		return;
	memcpy(app->out + app->out_len, p, len);
	app->out_len += len;
	tw_ctl_conn_sent(app->conn, len, app->now);
}

/* The client's octets, at most `chunk` at a time and never more than the machine wants. */
static void
feed(struct app *app, size_t chunk)
{
	const struct golden_span *in = &app->cap->to_server;
	size_t at = 0;

	while (at < in->len && !tw_ctl_conn_is_done(app->conn)) {
		size_t len = tw_ctl_conn_want(app->conn);

		if (len > in->len - at)
			len = in->len - at;
		if (len > chunk)
			len = chunk;
		if (len == 0)
			break;
		app->now.mono_ns += 1000;
		tw_ctl_conn_input(app->conn, in->p + at, len, app->now);
		at += len;
		settle(app);
	}
	cr_assert(at == in->len || !app->is_twamp);
}

static void
open_connection(struct app *app)
{
	golden_hex(app->v, "challenge", app->random[0], 16);
	golden_hex(app->v, "salt", app->random[1], 16);
	golden_hex(app->v, "server_iv", app->random[2], 16);
	golden_hex(json_array_get(golden_member(app->v, "test"), 0), "sid", app->sid,
		sizeof(app->sid));
	app->now.ntp = tw_load_be64(app->sid + 4);
	app->conn = calloc(1, tw_ctl_conn_size());
	cr_assert(app->conn);
	tw_ctl_conn_open(app->srv, app->conn, &app->cap->client, app->cap->client_port,
		&app->cap->server, app, app->now);
	settle(app);
}

static void
close_all(struct app *app)
{
	tw_ctl_conn_eof(app->conn, app->now);
	settle(app);
	tw_ctl_conn_fini(app->conn, app->now);
	free(app->conn);
	app->conn = NULL;
	tw_ctl_srv_fini(app->srv);
	free(app->srv);
	cr_assert_eq(app->released, app->reserved);
	json_decref(app->v);
	golden_capture_free(app->cap);
}

static void
check_twamp(struct app *app)
{
	const struct golden_span *want = &app->cap->to_client;
	struct tw_ctl_conn_info info;

	cr_assert_eq(app->out_len, want->len);
	cr_assert_arr_eq(app->out, want->p, want->len);
	cr_assert_eq(app->reserved, 1);
	cr_assert_eq(app->started, 1);
	cr_assert_eq(app->stopped, 1);
	tw_ctl_conn_info_get(app->conn, &info);
	cr_assert_eq(info.state, TW_CTL_CONN_READY);
	cr_assert_eq(info.reason.why, TW_CTL_WHY_NONE);
}

/*
 * Set-up as recorded; then each Request-Session is refused with 3 and Start-Sessions with 1. The
 * Stop-Sessions of OWAMP is longer than ours: where there are HMACs ours cannot be right, where
 * there are none it is a stop of nothing.
 */
static void
check_owamp(struct app *app)
{
	size_t set_up = TW_WIRE_GREETING_LEN + TW_WIRE_SERVER_START_LEN;
	size_t refused = json_array_size(golden_member(app->v, "sessions"));
	bool is_secure = tw_mode_protects_control((uint32_t)golden_int(app->v, "mode"));
	struct tw_ctl_conn_info info;

	cr_assert_arr_eq(app->out, app->cap->to_client.p, set_up);
	cr_assert_eq(app->out_len,
		set_up + refused * TW_WIRE_ACCEPT_SESSION_LEN + TW_WIRE_START_ACK_LEN);
	cr_assert_eq(app->reserved, 0);
	if (!is_secure) {
		for (size_t i = 0; i < refused; i++)
			cr_assert_eq(app->out[set_up + i * TW_WIRE_ACCEPT_SESSION_LEN],
				TW_WIRE_ACCEPT_UNSUPPORTED);
		cr_assert_eq(app->out[set_up + refused * TW_WIRE_ACCEPT_SESSION_LEN],
			TW_WIRE_ACCEPT_FAILURE);
	}
	tw_ctl_conn_info_get(app->conn, &info);
	cr_assert(tw_ctl_conn_is_done(app->conn));
	cr_assert_eq(info.reason.why,
		is_secure ? TW_CTL_WHY_BAD_HMAC : TW_CTL_WHY_STOP_WITHOUT_START, "%s",
		tw_ctl_why_name(info.reason.why));
}

static void
replay(const char *name, bool is_twamp, size_t chunk)
{
	struct app app = {.is_twamp = is_twamp};
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	app.cap = golden_capture_load(name);
	app.v = golden_vectors(name);
	make_server(&app);
	open_connection(&app);
	feed(&app, chunk);
	if (is_twamp)
		check_twamp(&app);
	else
		check_owamp(&app);
	close_all(&app);
}

#define REPLAY(id, name, is_twamp)                                                                 \
	Test(replay_server, id)                                                                    \
	{                                                                                          \
		replay(name, is_twamp, OUT_MAX);                                                   \
		replay(name, is_twamp, 1);                                                         \
		replay(name, is_twamp, 7);                                                         \
	}
GOLDEN_SESSIONS(REPLAY)
