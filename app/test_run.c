/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The life of a test:
 *
 *   CONNECTING   route to the host checked, TCP connecting, next hop being resolved
 *   SETTING_UP   greeting, authentication; then a request per session
 *   STARTING     Start-Sessions acknowledged, senders made a few per tick
 *   RUNNING      until every sender has sent and drained (Tmax), or stop, or the connection breaks
 *   STOPPING     Stop-Sessions, connection closed, raw file completed
 *   DONE, FAILED results kept
 */
#include "test_run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clock_feed.h"
#include "event.h"
#include "io_ctl.h"
#include "ports.h"
#include "test_i.h"
#include "tw_crypto.h"
#include "tw_tst.h"

#define PROGRESS_NS    INT64_C(1000000000)
#define START_PER_TICK 64U
#define SWEEP_PER_TICK 256U
#define EVENTS_MAX     64U
#define RAW_MAX        1024U
/* Between the decision to start and the first departure: senders are made meanwhile. */
#define START_AHEAD_NS    INT64_C(5000000)
#define START_PER_SESS_NS INT64_C(40000)
#define UDP_HEADER        8U
#define IP4_HEADER        20U
#define IP6_HEADER        40U

static const char *const state_names[TW_TEST_N] = {
	[TW_TEST_CONNECTING] = "connecting",
	[TW_TEST_SETTING_UP] = "setting-up",
	[TW_TEST_STARTING] = "starting",
	[TW_TEST_RUNNING] = "running",
	[TW_TEST_STOPPING] = "stopping",
	[TW_TEST_DONE] = "done",
	[TW_TEST_FAILED] = "failed",
};

static const char *const sess_state_names[TW_TEST_SESS_N] = {
	[TW_TEST_SESS_WANTED] = "wanted",
	[TW_TEST_SESS_REFUSED] = "refused",
	[TW_TEST_SESS_ACCEPTED] = "accepted",
	[TW_TEST_SESS_RUNNING] = "running",
	[TW_TEST_SESS_ENDED] = "ended",
	[TW_TEST_SESS_FAILED] = "failed",
};

static void test_end(struct tw_test *t, enum tw_test_state state);

const char *
tw_test_state_name(unsigned state)
{
	return state < TW_TEST_N && state_names[state] != NULL ? state_names[state] : "?";
}

const char *
tw_test_sess_state_name(unsigned state)
{
	return state < TW_TEST_SESS_N && sess_state_names[state] != NULL ? sess_state_names[state]
									 : "?";
}

static int64_t
utc_now(const struct tw_test *t)
{
	return tw_clock_feed_now(t->app->clock_feed).ns;
}

static int error_set(struct tw_test_error *e, int res, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The first failure counts. */
static int
error_set(struct tw_test_error *e, int res, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (e->res != 0)
		return e->res;
	e->res = res;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	snprintf(e->hint, sizeof(e->hint), "%s", hint != NULL ? hint : "");
	return res;
}

/* What an errno of operations stands for which reason of the client machine. */
static int
reason_errno(const struct tw_ctl_reason *r)
{
	switch (r->why) {
	case TW_CTL_WHY_SETUP_AUTH:
	case TW_CTL_WHY_NO_KEY:
	case TW_CTL_WHY_BAD_HMAC:
		return -EKEYREJECTED;
	case TW_CTL_WHY_SETUP_MODE:
	case TW_CTL_WHY_NO_ACCEPTABLE_MODE:
		return -EOPNOTSUPP;
	case TW_CTL_WHY_SERVER_REFUSES:
	case TW_CTL_WHY_SETUP_REFUSED:
	case TW_CTL_WHY_SETUP_BUSY:
	case TW_CTL_WHY_SESSION_REFUSED:
	case TW_CTL_WHY_START_REFUSED:
		return -EREMOTEIO;
	case TW_CTL_WHY_T_GREETING:
	case TW_CTL_WHY_T_START:
	case TW_CTL_WHY_T_ANSWER:
	case TW_CTL_WHY_T_WRITE:
		return -ETIMEDOUT;
	case TW_CTL_WHY_PEER_CLOSED:
	case TW_CTL_WHY_CLOSED_AT_GREETING:
	case TW_CTL_WHY_CLOSED_AT_SETUP:
		return -ECONNRESET;
	case TW_CTL_WHY_BAD_COUNT:
	case TW_CTL_WHY_REFLECTED:
	case TW_CTL_WHY_SESSION_PORT_ZERO:
	case TW_CTL_WHY_UNEXPECTED:
		return -EPROTO;
	case TW_CTL_WHY_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void
error_reason(struct tw_test *t, const struct tw_ctl_reason *r)
{
	char addr[TW_ADDR_STR_SIZE], where[TW_ADDR_STR_SIZE + 16], text[TW_CTL_REASON_SIZE];

	snprintf(where, sizeof(where), "%s port %u", tw_addr_str(&t->p.host, addr), t->p.port);
	error_set(&t->error, reason_errno(r), NULL, "%s",
		tw_ctl_reason_str(r, where, text, sizeof(text)));
}

/* ---- events ---- */

static void
event_emit(struct tw_test *t, enum tw_event_topic topic)
{
	struct tw_out *out = tw_event_begin(t->app, topic);

	if (out == NULL)
		return;
	tw_out_u64(out, "id", t->id, NULL);
	tw_out_str(out, "state", tw_test_state_name(t->state));
	tw_out_u64(out, "sessions", t->accepted_cnt, "sessions");
	tw_out_u64(out, "ended", t->ended_cnt, "sessions");
	tw_out_u64(out, "sent", t->sent, "packets");
	tw_out_u64(out, "received", t->received, "packets");
	tw_out_u64(out, "lost", t->lost, "packets");
	if (t->started_utc_ns != 0)
		tw_out_ns(out, "elapsed_ns", utc_now(t) - t->started_utc_ns);
	if (t->error.res != 0)
		tw_out_str(out, "error", t->error.text);
	tw_event_send(t->app, out);
}

static void
on_progress(void *arg, int64_t now_ns)
{
	struct tw_test *t = arg;

	event_emit(t, TW_EVENT_TEST_PROGRESS);
	tw_loop_timer_set(&t->app->loop, &t->progress, now_ns + PROGRESS_NS, on_progress, t);
}

/* ---- requests ---- */

static uint32_t
header_len(const struct tw_test *t)
{
	return UDP_HEADER + (t->p.host.family == TW_ADDR_V4 ? IP4_HEADER : IP6_HEADER);
}

/* Size of requests, once the mode is known: both directions equal unless told otherwise. */
static int
size_decide(struct tw_test *t)
{
	const char *mode = tw_mode_name(t->mode);
	uint32_t size = t->p.size, largest, max;

	t->fmt = tw_tst_fmt_for_mode(t->mode);
	if (t->fmt == NULL)
		return error_set(
			&t->error, -EOPNOTSUPP, NULL, "no packet format for mode %s", mode);
	if (t->p.has_padding)
		size = t->fmt->req_min + t->p.padding;
	else if (size == 0)
		size = t->fmt->rep_min;
	if (size < t->fmt->req_min)
		return error_set(&t->error, -EINVAL, "give a larger size, or none",
			"size %u is below the %u octets of a request in mode %s", size,
			t->fmt->req_min, mode);
	largest = size > t->fmt->rep_min ? size : t->fmt->rep_min;
	max = t->path.mtu > header_len(t) ? t->path.mtu - header_len(t) : 0;
	if (largest > max)
		return error_set(&t->error, -EMSGSIZE, "give a smaller size, or raise the MTU",
			"a UDP payload of %u octets does not fit the MTU %u of %s (at most %u)",
			largest, t->path.mtu, t->path.ifname, max);
	t->size = (uint16_t)size;
	return 0;
}

static int
request_one(struct tw_test *t, struct tw_test_sess *s)
{
	const struct tw_ctl_want want = {
		.sender_port = s->sender_port,
		.receiver_port = s->asked_port,
		.padding_len = (uint32_t)(t->size - t->fmt->req_min),
		.timeout_ns = t->p.timeout_ns,
		.dscp = t->p.dscp,
	};

	return tw_ctl_cli_request(tw_io_cli_machine(t->cli), &want, s, tw_ctl_io_time(t->app));
}

/* Set-up and route are there: ask for the sessions. */
static void
request_all(struct tw_test *t)
{
	uint32_t i;
	int ret;

	if (!t->is_ready || t->path_no == 0 || t->is_requested)
		return;
	t->is_requested = true;
	if (size_decide(t) != 0 || tw_test_sess_prepare(t) != 0) {
		test_end(t, TW_TEST_FAILED);
		return;
	}
	for (i = 0; i < t->p.sessions; i++) {
		ret = request_one(t, &t->sess[i]);
		if (ret == 0)
			continue;
		error_set(&t->error, ret, NULL, "session %u cannot be requested: %s", i + 1,
			strerror(-ret));
		test_end(t, TW_TEST_FAILED);
		return;
	}
	tw_io_cli_kick(t->cli);
}

/* ---- what the client machine says ---- */

static void
on_session(struct tw_test *t, const struct tw_ctl_cli_event *ev)
{
	struct tw_test_sess *s = ev->user;
	int ret;

	t->answered_cnt++;
	if (ev->reason.why != 0) {
		s->state = TW_TEST_SESS_REFUSED;
		s->reason = ev->reason;
		error_reason(t, &ev->reason);
		tw_test_sess_release(s);
	} else {
		s->state = TW_TEST_SESS_ACCEPTED;
		t->accepted_cnt++;
		ret = tw_test_sess_accept(s, ev);
		if (ret != 0) {
			error_set(&t->error, ret, NULL, "keys of session %u cannot be derived: %s",
				s->no, strerror(-ret));
			test_end(t, TW_TEST_FAILED);
			return;
		}
	}
	if (t->answered_cnt < t->p.sessions)
		return;
	if (t->accepted_cnt == 0) {
		test_end(t, TW_TEST_FAILED);
		return;
	}
	ret = tw_ctl_cli_start(tw_io_cli_machine(t->cli), tw_ctl_io_time(t->app));
	if (ret != 0) {
		error_set(&t->error, ret, NULL, "sessions cannot be started: %s", strerror(-ret));
		test_end(t, TW_TEST_FAILED);
	}
}

static void
on_started(struct tw_test *t)
{
	t->state = TW_TEST_STARTING;
	t->is_starting = true;
	t->next = 0;
	t->first_utc_ns =
		utc_now(t) + START_AHEAD_NS + START_PER_SESS_NS * (int64_t)t->accepted_cnt;
	t->started_utc_ns = t->first_utc_ns;
}

static void
connection_drop(struct tw_test *t)
{
	if (t->owner->is_ending)
		tw_io_cli_abort(t->cli);
	else
		tw_io_cli_close(t->cli);
	t->cli = NULL;
}

/* Everything a running test has to do once no packet flows any more. */
static void
test_settle(struct tw_test *t)
{
	if (t->made_cnt < t->accepted_cnt || t->ended_cnt < t->accepted_cnt)
		return;
	t->state = TW_TEST_STOPPING;
	if (t->raw != NULL && !t->is_raw_ending) {
		t->is_raw_ending = true;
		tw_raw_file_end(t->raw);
	}
	if (t->cli != NULL)
		tw_ctl_cli_stop(tw_io_cli_machine(t->cli), 0, tw_ctl_io_time(t->app));
	connection_drop(t); /* after Stop-Sessions is sent: the server does not answer it */
	if (t->raw == NULL)
		test_end(t, TW_TEST_DONE);
}

static void
on_closed(struct tw_test *t, const struct tw_ctl_cli_event *ev)
{
	connection_drop(t);
	t->is_results_invalid = ev->results_invalid;
	if (t->state < TW_TEST_STARTING) {
		error_reason(t, &ev->reason);
		test_end(t, TW_TEST_FAILED);
		return;
	}
	/* stop the senders, keep what they measured, and say so */
	t->is_control_lost = true;
	error_reason(t, &ev->reason);
	tw_log(TW_LOG_TEST, TW_LOG_WARNING, "test %u: control connection lost, stopping: %s", t->id,
		t->error.text);
	t->is_stop_asked = true;
	t->is_soiled = true;
}

static void
on_cli_event(void *arg, const struct tw_ctl_cli_event *ev)
{
	struct tw_test *t = arg;

	if (t->cli == NULL)
		return;
	switch (ev->ev) {
	case TW_CTL_CLI_EV_READY:
		t->mode = ev->mode;
		t->is_ready = true;
		request_all(t);
		break;
	case TW_CTL_CLI_EV_SESSION:
		on_session(t, ev);
		break;
	case TW_CTL_CLI_EV_STARTED:
		on_started(t);
		break;
	case TW_CTL_CLI_EV_CLOSED:
		on_closed(t, ev);
		break;
	}
}

static struct tw_secret *
on_cli_key(void *arg, const struct tw_keyring_id *id, bool *is_known)
{
	struct tw_test *t = arg;

	if (t->p.secret == NULL)
		return tw_keyring_find(t->app->keys, id, is_known);
	*is_known = true;
	return tw_secret_hold(t->p.secret);
}

static void
on_cli_failed(void *arg, int res, const char *why, const char *hint)
{
	struct tw_test *t = arg;

	error_set(&t->error, res == -ENETUNREACH ? -EHOSTUNREACH : res, hint, "%s", why);
	test_end(t, TW_TEST_FAILED);
}

static void
on_path(void *arg, int res, const struct tw_netlink_path *path, const char *why)
{
	struct tw_test *t = arg;

	if (res != 0) {
		error_set(&t->error, -EHOSTUNREACH, NULL, "%s", why);
		test_end(t, TW_TEST_FAILED);
		return;
	}
	if (!t->has_port) {
		tw_ports_hold(t->app->ports, path->port_idx);
		t->has_port = true;
	} else if (path->port_idx != t->path.port_idx) {
		tw_log(TW_LOG_ROUTE, TW_LOG_WARNING,
			"test %u: the route moved to another port; packets go on by the old one",
			t->id);
		return;
	}
	t->path = *path;
	t->path_no++;
	t->is_soiled = true;
	request_all(t);
}

static void
on_cli_connected(void *arg, const struct tw_addr *local)
{
	struct tw_test *t = arg;

	t->state = TW_TEST_SETTING_UP;
	t->local = *local;
	t->watch = tw_netlink_watch(
		t->app->netlink, &t->p.host, local, 0, t->p.connect_ns, on_path, t);
	if (t->watch != NULL)
		return;
	error_set(&t->error, -ENOMEM, NULL, "no memory to watch the route");
	test_end(t, TW_TEST_FAILED);
}

static const struct tw_io_cli_ops cli_ops = {
	.connected = on_cli_connected,
	.failed = on_cli_failed,
	.event = on_cli_event,
	.key = on_cli_key,
};

/* ---- start and end ---- */

static bool
needs_key(const struct tw_test_params *p)
{
	size_t i;

	for (i = 0; i < p->mode_cnt; i++)
		if (p->modes[i] == TW_MODE_OPEN)
			return false;
	return p->mode_cnt > 0 || p->floor != TW_MODE_OPEN;
}

static void
cli_cfg_fill(const struct tw_test *t, struct tw_io_cli_cfg *cfg)
{
	size_t i;

	memset(cfg, 0, sizeof(*cfg));
	cfg->dst = t->p.host;
	cfg->port = t->p.port;
	cfg->src = t->p.source;
	cfg->src_port = t->p.source_port;
	cfg->dscp = t->p.control_dscp;
	cfg->connect_ns = t->p.connect_ns;
	tw_ctl_cli_cfg_init(&cfg->cli);
	if (t->p.mode_cnt == 1) {
		tw_ctl_cli_cfg_mode(&cfg->cli, t->p.modes[0]);
	} else {
		cfg->cli.floor = t->p.floor;
		if (t->p.mode_cnt > 1)
			cfg->cli.modes_cnt = t->p.mode_cnt;
		for (i = 0; i < t->p.mode_cnt; i++)
			cfg->cli.modes[i] = t->p.modes[i];
	}
	snprintf(cfg->cli.key_id, sizeof(cfg->cli.key_id), "%s", t->p.user);
	cfg->cli.t_greeting_ns = t->p.connect_ns;
	if (cfg->cli.t_answer_ns < t->p.connect_ns)
		cfg->cli.t_answer_ns = t->p.connect_ns;
	cfg->cli.own = tw_ctl_io_srv(t->app->ctl_io);
}

/* What can be refused before anything is sent. */
static int
test_check(struct tw_test *t, struct tw_test_error *err)
{
	char why[TW_NETLINK_WHY_SIZE];
	struct tw_netlink_path path;
	struct tw_keyring_id id;
	int ret;

	if (needs_key(&t->p) && t->p.user[0] == '\0')
		return error_set(err, -EINVAL,
			"give user and secret (or the name of a key added before), or mode open",
			"authenticated, encrypted and mixed mode need a key");
	if (t->p.user[0] != '\0' && t->p.secret == NULL &&
		(tw_keyring_id_make(t->p.user, strlen(t->p.user), &id) != 0 ||
			!tw_keyring_has(t->app->keys, &id)))
		return error_set(err, -EKEYREJECTED, "add it (add key), or give its secret",
			"no key named '%s' in the keyring", t->p.user);
	ret = tw_netlink_scope(t->app->netlink, &t->p.host, &t->p.source, &path, why);
	if (ret != 0)
		return error_set(err, ret == -EADDRNOTAVAIL ? ret : -EHOSTUNREACH, NULL, "%s", why);
	return 0;
}

static int
test_open(struct tw_test *t, struct tw_test_error *err)
{
	char why[TW_TEST_TEXT_SIZE];
	struct tw_io_cli_cfg cfg;
	uint32_t i;

	t->sess = calloc(t->p.sessions, sizeof(*t->sess));
	if (t->sess == NULL)
		return error_set(err, -ENOMEM, NULL, "no memory for %u sessions", t->p.sessions);
	for (i = 0; i < t->p.sessions; i++) {
		t->sess[i].test = t;
		t->sess[i].no = i + 1;
		t->sess[i].state = TW_TEST_SESS_WANTED;
	}
	if (t->p.raw_file[0] != '\0') {
		t->raw = tw_raw_file_new(t->p.raw_file);
		if (t->raw == NULL)
			return error_set(err, errno == EEXIST ? -EEXIST : -EACCES,
				"choose a new file in a folder the service user may write to",
				"cannot create %s: %s", t->p.raw_file, strerror(errno));
	}
	cli_cfg_fill(t, &cfg);
	if (tw_ctl_cli_cfg_check(&cfg.cli, why, sizeof(why)) != 0)
		return error_set(err, -EINVAL, NULL, "%s", why);
	t->cli = tw_io_cli_open(t->app, &cfg, &cli_ops, t, why, sizeof(why));
	if (t->cli == NULL)
		return error_set(err, errno == ENETUNREACH ? -EHOSTUNREACH : -errno,
			"check the routes and the source address", "%s", why);
	return 0;
}

/* Let go of everything but the results. */
static void
test_release(struct tw_test *t)
{
	uint32_t i;

	tw_loop_timer_del(&t->app->loop, &t->progress);
	connection_drop(t);
	for (i = 0; t->sess != NULL && i < t->p.sessions; i++)
		tw_test_sess_release(&t->sess[i]);
	tw_netlink_unwatch(t->app->netlink, t->watch);
	t->watch = NULL;
	if (t->has_port)
		tw_ports_put(t->app->ports, t->path.port_idx);
	t->has_port = false;
	if (t->raw != NULL) {
		t->raw_lost += tw_raw_file_lost(t->raw);
		tw_raw_file_free(t->raw);
	}
	t->raw = NULL;
	tw_secret_drop(t->p.secret);
	t->p.secret = NULL;
}

static void
test_free(struct tw_test *t)
{
	uint32_t i;

	test_release(t);
	for (i = 0; t->sess != NULL && i < t->p.sessions; i++)
		tw_test_sess_fini(&t->sess[i]);
	free(t->sess);
	free(t);
}

static void
test_end(struct tw_test *t, enum tw_test_state state)
{
	void (*fn)(void *arg, struct tw_test *t) = t->on_end;

	t->state = (uint8_t)state;
	t->ended_utc_ns = utc_now(t);
	test_release(t);
	t->owner->running--;
	t->owner->kept += t->p.sessions;
	if (state == TW_TEST_FAILED)
		tw_log(TW_LOG_TEST, TW_LOG_WARNING, "test %u failed: %s", t->id, t->error.text);
	else
		tw_log(TW_LOG_TEST, TW_LOG_INFO,
			"test %u done: %u sessions, %llu sent, %llu received, %llu lost", t->id,
			t->accepted_cnt, (unsigned long long)t->sent,
			(unsigned long long)t->received, (unsigned long long)t->lost);
	event_emit(t, TW_EVENT_TEST_DONE);
	t->on_end = NULL;
	if (fn != NULL)
		fn(t->on_end_arg, t);
}

struct tw_test *
tw_tests_start(struct tw_tests *ts, const struct tw_test_params *p, struct tw_test_error *err)
{
	struct tw_test *t = calloc(1, sizeof(*t));

	memset(err, 0, sizeof(*err));
	if (t == NULL) {
		tw_secret_drop(p->secret);
		error_set(err, -ENOMEM, NULL, "no memory for a test");
		return NULL;
	}
	t->owner = ts;
	t->app = ts->app;
	t->p = *p;
	t->state = TW_TEST_CONNECTING;
	t->created_utc_ns = utc_now(t);
	if (test_check(t, err) != 0 || test_open(t, err) != 0) {
		test_free(t);
		return NULL;
	}
	t->id = tw_idtab_add(&ts->tests, t);
	if (t->id == 0) {
		error_set(err, -ENOMEM, NULL, "no memory for a test");
		test_free(t);
		return NULL;
	}
	ts->running++;
	return t;
}

void
tw_tests_stop(struct tw_test *t)
{
	if (t->is_stop_asked || t->state >= TW_TEST_STOPPING)
		return;
	t->is_stop_asked = true;
	t->is_soiled = true;
	if (t->state >= TW_TEST_STARTING)
		return;
	error_set(&t->error, -ECANCELED, NULL, "stopped before packets were sent");
	test_end(t, TW_TEST_FAILED);
}

int
tw_tests_remove(struct tw_tests *ts, struct tw_test *t)
{
	if (t->state < TW_TEST_DONE)
		return -EBUSY;
	ts->kept -= t->p.sessions;
	tw_idtab_remove(&ts->tests, t->id);
	test_free(t);
	return 0;
}

void
tw_tests_on_end(struct tw_test *t, void (*fn)(void *arg, struct tw_test *t), void *arg)
{
	t->on_end = fn;
	t->on_end_arg = arg;
}

/* ---- the tick ---- */

void
tw_test_sess_ended(struct tw_test_sess *s)
{
	struct tw_test *t = s->test;

	t->ended_cnt++;
	if (t->state == TW_TEST_RUNNING)
		test_settle(t);
}

static void
start_some(struct tw_test *t)
{
	struct tw_test_sess *s;
	unsigned i;
	int ret;

	for (i = 0; i < START_PER_TICK && t->next < t->p.sessions; t->next++) {
		s = &t->sess[t->next];
		if (s->state != TW_TEST_SESS_ACCEPTED)
			continue;
		ret = tw_test_sess_start(s);
		if (ret == -EAGAIN)
			return;
		i++;
		t->made_cnt++;
		if (ret == 0)
			continue;
		s->state = TW_TEST_SESS_FAILED;
		t->ended_cnt++;
		tw_test_sess_release(s);
		error_set(&t->error, ret == -ENOSPC ? -ENOMEM : ret,
			"give the appliance more memory, or use fewer sessions, a lower rate or a "
			"shorter tmax_ns",
			"session %u cannot send: %s", s->no, strerror(-ret));
	}
	if (t->next < t->p.sessions)
		return;
	t->is_starting = false;
	t->state = TW_TEST_RUNNING;
	event_emit(t, TW_EVENT_TEST_STARTED);
	tw_loop_timer_set(
		&t->app->loop, &t->progress, tw_loop_clock() + PROGRESS_NS, on_progress, t);
	test_settle(t);
}

static void
sweep_some(struct tw_test *t)
{
	unsigned i;

	for (i = 0; i < SWEEP_PER_TICK && t->sweep_next < t->p.sessions; i++, t->sweep_next++)
		if (!tw_test_sess_update(&t->sess[t->sweep_next]))
			return;
	if (t->sweep_next < t->p.sessions)
		return;
	t->sweep_next = 0;
	t->is_soiled = t->is_starting; /* senders still to be made have the news, too */
}

static void
raw_finish(struct tw_test *t)
{
	uint64_t lost = tw_raw_file_lost(t->raw);

	if (!tw_raw_file_poll(t->raw))
		return;
	t->raw_lost += lost;
	t->raw = NULL;
	test_end(t, TW_TEST_DONE);
}

static void
test_work(struct tw_test *t)
{
	if (t->is_starting)
		start_some(t);
	if (t->is_soiled && t->state >= TW_TEST_STARTING && t->state < TW_TEST_STOPPING)
		sweep_some(t);
	if (t->is_raw_ending && t->raw != NULL)
		raw_finish(t);
}

static void
events_take(struct tw_tests *ts)
{
	struct tw_dp_event ev[EVENTS_MAX];
	struct tw_test_sess *s;
	unsigned i, n;

	n = tw_dp_event_pop(ts->app->dp, ev, EVENTS_MAX);
	for (i = 0; i < n; i++) {
		s = tw_idtab_find(&ts->senders, ev[i].sess_id);
		if (s == NULL)
			continue;
		if (!ev[i].is_failed)
			tw_test_sess_interval(s, &ev[i].interval);
		if (ev[i].type != TW_DP_EVENT_SEND_DONE)
			continue;
		tw_test_sess_finish(s, ev[i].is_failed);
		tw_test_sess_ended(s);
	}
}

static void
raw_take(struct tw_tests *ts)
{
	struct tw_dp_raw raw[RAW_MAX / 16];
	struct tw_test_sess *s;
	unsigned i, n, total = 0;

	do {
		n = tw_dp_raw_pop(ts->app->dp, raw, TW_ARRAY_SIZE(raw));
		for (i = 0; i < n; i++) {
			s = tw_idtab_find(&ts->senders, raw[i].sess_id);
			if (s != NULL && s->test->raw != NULL)
				tw_raw_file_put(s->test->raw, s->no, &raw[i].sample);
		}
		total += n;
	} while (n == TW_ARRAY_SIZE(raw) && total < RAW_MAX);
}

/* Results are kept within a bound: the oldest go, the latest stays. */
static void
tests_trim(struct tw_tests *ts)
{
	struct tw_test *t;
	uint32_t id;

	for (id = 0; ts->kept > TW_TEST_KEPT_MAX; id++) {
		t = tw_idtab_next(&ts->tests, &id);
		if (t == NULL || id == ts->tests.last_id)
			return;
		tw_tests_remove(ts, t); /* a running one refuses */
	}
}

void
tw_tests_tick(struct tw_tests *ts, int64_t now_ns)
{
	struct tw_test *t;
	uint32_t id = 0;

	(void)now_ns;
	tests_trim(ts);
	if (ts->running == 0)
		return;
	raw_take(ts); /* before the end of the session they belong to */
	events_take(ts);
	for (t = tw_idtab_next(&ts->tests, &id); t != NULL;
		id++, t = tw_idtab_next(&ts->tests, &id))
		if (t->state < TW_TEST_DONE)
			test_work(t);
}

/* ---- the table ---- */

struct tw_tests *
tw_tests_new(struct tw_app *app)
{
	struct tw_tests *ts = calloc(1, sizeof(*ts));

	if (ts != NULL)
		ts->app = app;
	return ts;
}

void
tw_tests_free(struct tw_tests *ts)
{
	struct tw_test *t;
	uint32_t id = 0;

	if (ts == NULL)
		return;
	ts->is_ending = true;
	for (t = tw_idtab_next(&ts->tests, &id); t != NULL;
		id++, t = tw_idtab_next(&ts->tests, &id))
		test_free(t);
	tw_idtab_fini(&ts->tests);
	tw_idtab_fini(&ts->senders);
	free(ts);
}

struct tw_test *
tw_tests_find(struct tw_tests *ts, uint32_t id)
{
	return tw_idtab_find(&ts->tests, id);
}

struct tw_test *
tw_tests_next(struct tw_tests *ts, uint32_t *id)
{
	return tw_idtab_next(&ts->tests, id);
}

uint32_t
tw_tests_running(const struct tw_tests *ts)
{
	return ts->running;
}

void
tw_tests_view(const struct tw_test *t, struct tw_test_view *out)
{
	const struct tw_ports_entry *e = NULL;

	if (t->path_no != 0)
		e = tw_ports_get(t->app->ports, t->path.port_idx);
	*out = (struct tw_test_view){
		.id = t->id,
		.state = t->state,
		.params = &t->p,
		.error = &t->error,
		.mode = t->mode,
		.size = t->size,
		.local = t->local,
		.port_name = e != NULL ? e->port->cfg.name : NULL,
		.ifname = t->path_no != 0 ? t->path.ifname : NULL,
		.created_utc_ns = t->created_utc_ns,
		.started_utc_ns = t->started_utc_ns,
		.ended_utc_ns = t->ended_utc_ns,
		.session_cnt = t->p.sessions,
		.accepted_cnt = t->accepted_cnt,
		.ended_cnt = t->ended_cnt,
		.sent = t->sent,
		.received = t->received,
		.lost = t->lost,
		.is_stop_asked = t->is_stop_asked,
		.is_control_lost = t->is_control_lost,
		.is_results_invalid = t->is_results_invalid,
		.raw_lost = t->raw_lost + (t->raw != NULL ? tw_raw_file_lost(t->raw) : 0),
	};
}

bool
tw_tests_sess_view(const struct tw_test *t, uint32_t no, struct tw_test_sess_view *out)
{
	const struct tw_test_sess *s;

	if (no < 1 || no > t->p.sessions)
		return false;
	s = &t->sess[no - 1];
	*out = (struct tw_test_sess_view){
		.no = s->no,
		.state = s->state,
		.sender_port = s->sender_port,
		.receiver_port = s->receiver_port != 0 ? s->receiver_port : s->asked_port,
		.is_port_alternate = s->receiver_port != 0 && s->receiver_port != s->asked_port,
		.sid = s->receiver_port != 0 ? s->sid : NULL,
		.reason = s->reason,
		.has_counts = s->send != NULL || s->state == TW_TEST_SESS_ENDED,
		.counts = s->counts,
		.report = s->report,
	};
	if (s->send != NULL)
		tw_send_sess_counts(s->send, &out->counts);
	return true;
}

const struct tw_metrics_interval *
tw_tests_interval(const struct tw_test *t, uint32_t no, unsigned idx)
{
	const struct tw_test_sess *s;
	uint64_t first;

	if (no < 1 || no > t->p.sessions)
		return NULL;
	s = &t->sess[no - 1];
	if (s->ring == NULL)
		return NULL;
	first = s->ring_cnt > s->ring_len ? s->ring_cnt - s->ring_len : 0;
	if (first + idx >= s->ring_cnt)
		return NULL;
	return &s->ring[(first + idx) % s->ring_len];
}
