/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The server's stream of every recorded session into our Control-Client machine. Given the random
 * octets of the client that was recorded, ours must say what that one said: octet for octet over a
 * whole TWAMP connection. An OWAMP server's answers are understood as far as they are the same,
 * with every HMAC verified; what comes unasked ends the connection.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "tw_control.h"

enum { OUT_MAX = 4096, TIMEOUT_NS = 500000000 };

struct app {
	struct golden_capture *cap;
	json_t *v;
	struct tw_ctl_cli *cli;
	struct tw_ctl_time now;
	bool is_twamp;
	unsigned random_cnt;
	struct tw_ctl_kdf_job *job;
	uint8_t out[OUT_MAX];
	size_t out_len;
	unsigned ready, accepted, started, closed;
	unsigned why; /* of the close */
};

/* The three draws of a client: AES Session-key, HMAC Session-key, Client-IV. */
static bool
give_random(void *arg, void *out, size_t len)
{
	static const char *const names[] = {"aes_key", "hmac_key", "client_iv"};
	struct app *app = arg;

	cr_assert_lt(app->random_cnt, TW_ARRAY_SIZE(names));
	golden_hex(app->v, names[app->random_cnt++], out, len);
	return true;
}

static struct tw_secret *
find_key(void *arg, const struct tw_keyring_id *id, bool *is_known)
{
	struct app *app = arg;
	struct golden_span pass = golden_hex_new(app->v, "passphrase");
	struct tw_secret *s = tw_secret_new(pass.p, pass.len);

	cr_assert_eq(id->len, 5);
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

static json_t *
session_of(struct app *app, size_t idx)
{
	json_t *s = json_array_get(golden_member(app->v, "sessions"), idx);

	cr_assert(s);
	return s;
}

static void
request_all(struct app *app)
{
	size_t cnt = json_array_size(golden_member(app->v, "sessions"));

	for (size_t i = 0; i < cnt; i++) {
		json_t *s = session_of(app, i);
		struct tw_ctl_want want = {
			.sender_addr = app->cap->client,
			.receiver_addr = app->cap->server,
			/* OWAMP leaves the port of the far end open */
			.sender_port = (uint16_t)(golden_int(s, "sender_port") | !app->is_twamp),
			.receiver_port =
				(uint16_t)(golden_int(s, "receiver_port") | !app->is_twamp),
			.padding_len = (uint32_t)golden_int(s, "padding"),
			.start_ntp = golden_hex_int(s, "start_time"),
			.timeout_ns = TIMEOUT_NS,
			.dscp = (uint8_t)(golden_hex_int(s, "typeP") >> 24),
		};

		cr_assert_eq(tw_ctl_cli_request(app->cli, &want, s, app->now), 0);
	}
}

static void
check_session(struct app *app, const struct tw_ctl_cli_event *e)
{
	json_t *s = session_of(app, app->accepted);
	json_t *t = json_array_get(golden_member(app->v, "test"), app->accepted);
	uint8_t want[TW_CRYPTO_HMAC_KEY_LEN];

	cr_assert_eq(e->user, s);
	cr_assert_eq(e->reason.why, TW_CTL_WHY_NONE);
	cr_assert_eq(e->port, golden_int(s, "accept_port"));
	golden_hex(s, "accept_sid", want, sizeof(e->sid));
	cr_assert_arr_eq(e->sid, want, sizeof(e->sid));
	if (tw_mode_protects_test(e->mode)) {
		golden_hex(t, "test_aes_key", want, sizeof(e->keys->aes));
		cr_assert_arr_eq(e->keys->aes, want, sizeof(e->keys->aes));
		golden_hex(t, "test_hmac_key", want, sizeof(e->keys->hmac));
		cr_assert_arr_eq(e->keys->hmac, want, sizeof(e->keys->hmac));
	} else {
		cr_assert_null(e->keys);
	}
	app->accepted++;
}

static void
on_event(void *arg, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *e)
{
	struct app *app = arg;

	switch (e->ev) {
	case TW_CTL_CLI_EV_READY:
		cr_assert_eq(e->mode, golden_int(app->v, "mode"));
		cr_assert_eq(e->server_start_ntp, golden_hex_int(app->v, "uptime"));
		app->ready++;
		request_all(app);
		break;
	case TW_CTL_CLI_EV_SESSION:
		check_session(app, e);
		if (app->accepted == json_array_size(golden_member(app->v, "sessions")))
			cr_assert_eq(tw_ctl_cli_start(cli, app->now), 0);
		break;
	case TW_CTL_CLI_EV_STARTED:
		app->started++;
		break;
	case TW_CTL_CLI_EV_FALLBACK:
		cr_assert(false, "no IKE here");
		break;
	case TW_CTL_CLI_EV_CLOSED:
		app->closed++;
		app->why = e->reason.why;
		break;
	}
}

static const struct tw_ctl_cli_ops ops = {
	.common = {.random = give_random, .key = find_key, .kdf = take_job},
	.event = on_event,
};

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
	p = tw_ctl_cli_output(app->cli, &len);
	cr_assert_leq(app->out_len + len, OUT_MAX);
	if (len == 0)
		return;
	memcpy(app->out + app->out_len, p, len);
	app->out_len += len;
	tw_ctl_cli_sent(app->cli, len, app->now);
}

static void
open_client(struct app *app)
{
	struct tw_ctl_cli_cfg cfg;

	tw_ctl_cli_cfg_init(&cfg);
	cfg.no_mark = true; /* the Client-IV is the recorded one */
	tw_ctl_cli_cfg_mode(&cfg, (uint32_t)golden_int(app->v, "mode"));
	if (tw_mode_protects_control((uint32_t)golden_int(app->v, "mode")))
		strcpy(cfg.key_id, golden_str(app->v, "keyid"));
	app->cli = calloc(1, tw_ctl_cli_size());
	cr_assert(app->cli);
	cr_assert_eq(tw_ctl_cli_open(app->cli, &cfg, &ops, app, &app->cap->server, app->now), 0);
	settle(app);
}

/* One message of the server, at most `chunk` octets at a time. */
static void
feed(struct app *app, json_t *message, size_t chunk)
{
	struct golden_span raw = golden_hex_new(message, "raw");
	size_t at = 0;

	while (at < raw.len && !tw_ctl_cli_is_done(app->cli)) {
		size_t len = raw.len - at < chunk ? raw.len - at : chunk;

		cr_assert_geq(tw_ctl_cli_want(app->cli), len);
		app->now.mono_ns += 1000;
		tw_ctl_cli_input(app->cli, raw.p + at, len, app->now);
		at += len;
		settle(app);
	}
	free(raw.p);
}

/* The conversation in its order: the server does not answer before the client has asked. */
static void
converse(struct app *app, size_t chunk)
{
	size_t said = 0;
	size_t i;
	json_t *m;

	json_array_foreach (golden_member(app->v, "messages"), i, m) {
		if (strcmp(golden_str(m, "from"), "server") == 0) {
			cr_assert(said <= app->out_len || !app->is_twamp);
			feed(app, m, chunk);
		} else {
			said += strlen(golden_str(m, "raw")) / 2;
		}
	}
}

static void
check_twamp(struct app *app)
{
	const struct golden_span *want = &app->cap->to_server;

	cr_assert_eq(app->closed, 0);
	cr_assert_eq(tw_ctl_cli_session_cnt(app->cli), 1);
	cr_assert_eq(tw_ctl_cli_stop(app->cli, TW_WIRE_ACCEPT_OK, app->now), 0);
	settle(app);
	cr_assert_eq(app->out_len, want->len);
	cr_assert_arr_eq(app->out, want->p, want->len);
}

static void
check_owamp(struct app *app)
{
	cr_assert_arr_eq(app->out, app->cap->to_server.p, TW_WIRE_SETUP_RESPONSE_LEN);
	cr_assert_eq(app->closed, 1);
	cr_assert_eq(app->why, TW_CTL_WHY_UNEXPECTED, "%s", tw_ctl_why_name(app->why));
}

static void
replay(const char *name, bool is_twamp, size_t chunk)
{
	struct app app = {.is_twamp = is_twamp};
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	app.cap = golden_capture_load(name);
	app.v = golden_vectors(name);
	open_client(&app);
	converse(&app, chunk);
	cr_assert_eq(app.ready, 1);
	cr_assert_eq(app.accepted, json_array_size(golden_member(app.v, "sessions")));
	cr_assert_eq(app.started, 1);
	if (is_twamp)
		check_twamp(&app);
	else
		check_owamp(&app);
	tw_ctl_cli_fini(app.cli);
	free(app.cli);
	json_decref(app.v);
	golden_capture_free(app.cap);
}

#define REPLAY(id, name, is_twamp)                                                                 \
	Test(replay_client, id)                                                                    \
	{                                                                                          \
		replay(name, is_twamp, OUT_MAX);                                                   \
		replay(name, is_twamp, 1);                                                         \
		replay(name, is_twamp, 7);                                                         \
	}
GOLDEN_SESSIONS(REPLAY)
