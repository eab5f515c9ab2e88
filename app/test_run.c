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
#include "clocks.h"
#include "event.h"
#include "io_ctl.h"
#include "ports.h"
#include "simwire.h"
#include "test_i.h"
#include "trace.h"
#include "tw_crypto.h"
#include "tw_tst.h"

#define PROGRESS_NS    INT64_C(1000000000)
#define START_PER_TICK 64U
#define SWEEP_PER_TICK 256U

int64_t
tw_test_now(const struct tw_test *t)
{
	return tw_clocks_now(t->app->clocks).ns;
}

/* The first failure counts. */
int
tw_test_error_set(struct tw_test_error *e, int res, const char *hint, const char *fmt, ...)
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

/* ---- events ---- */

void
tw_test_event(struct tw_test *t, enum tw_event_topic topic)
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
		tw_out_ns(out, "elapsed_ns", tw_test_now(t) - t->started_utc_ns);
	if (t->error.res != 0)
		tw_out_str(out, "error", t->error.text);
	tw_event_send(t->app, out);
}

static void
on_progress(void *arg, int64_t now_ns)
{
	struct tw_test *t = arg;

	tw_test_event(t, TW_EVENT_TEST_PROGRESS);
	tw_loop_timer_set(&t->app->loop, &t->progress, now_ns + PROGRESS_NS, on_progress, t);
}

void
tw_test_drop(struct tw_test *t)
{
	if (t->owner->is_ending)
		tw_io_cli_abort(t->cli);
	else
		tw_io_cli_close(t->cli);
	t->cli = NULL;
}

/* Everything a running test has to do once no packet flows any more. */
void
tw_test_settle(struct tw_test *t)
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
	tw_test_drop(t); /* after Stop-Sessions is sent: the server does not answer it */
	if (t->raw == NULL)
		tw_test_end(t, TW_TEST_DONE);
}

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
	cfg->cli.key_floor = t->p.has_ike ? TW_CTL_KEY_IKEV2 : TW_CTL_KEY_ANY;
	cfg->cli.ike_fallback = t->p.has_ike && tw_test_ike_may_fall_back(t);
	cfg->cli.ike_try = t->ike_try;
	cfg->cli.t_greeting_ns = t->p.connect_ns;
	cfg->cli.t_setup_ns = t->p.connect_ns;
	cfg->cli.t_answer_ns = t->p.connect_ns;
	/* over the simulated wire we do measure to ourselves */
	cfg->cli.own =
		tw_simwire_is_ours(t->app, &t->p.host) ? NULL : tw_ctl_io_srv(t->app->ctl_io);
}

/* What can be refused before anything is sent. */
static int
test_check(struct tw_test *t, struct tw_test_error *err)
{
	char why[TW_NETLINK_WHY_SIZE];
	struct tw_netlink_path path;
	struct tw_keyring_id id;
	int ret;

	if (t->p.has_ike && t->p.user[0] != '\0' && !tw_test_ike_may_fall_back(t))
		return tw_test_error_set(err, -EINVAL, "leave out one of them",
			"ike and user name two keys; both make sense with ike_on_missing fallback");
	if (!t->p.has_ike && needs_key(&t->p) && t->p.user[0] == '\0' && !tw_test_ike_has_sa(t))
		return tw_test_error_set(err, -EINVAL,
			"give ike yes, or user and secret (or the name of a key added before), or "
			"mode open",
			"authenticated, encrypted and mixed mode need a key");
	if (t->p.user[0] != '\0' && t->p.secret == NULL &&
		(tw_keyring_id_make(t->p.user, strlen(t->p.user), &id) != 0 ||
			!tw_keyring_has(t->app->keys, &id)))
		return tw_test_error_set(err, -EKEYREJECTED, "add it (add key), or give its secret",
			"no key named '%s' in the keyring", t->p.user);
	ret = tw_netlink_scope(t->app->netlink, &t->p.host, &t->p.source, &path, why);
	if (ret != 0)
		return tw_test_error_set(
			err, ret == -EADDRNOTAVAIL ? ret : -EHOSTUNREACH, NULL, "%s", why);
	return 0;
}

static int
test_open(struct tw_test *t, struct tw_test_error *err)
{
	char why[TW_TEST_TEXT_SIZE];
	struct tw_io_cli_cfg cfg;
	uint32_t i;

	cli_cfg_fill(t, &cfg);
	if (tw_ctl_cli_cfg_check(&cfg.cli, why, sizeof(why)) != 0)
		return tw_test_error_set(err, -EINVAL, NULL, "%s", why);
	t->sess = calloc(t->p.sessions, sizeof(*t->sess));
	if (t->sess == NULL)
		return tw_test_error_set(
			err, -ENOMEM, NULL, "no memory for %u sessions", t->p.sessions);
	for (i = 0; i < t->p.sessions; i++) {
		t->sess[i].test = t;
		t->sess[i].no = i + 1;
		t->sess[i].state = TW_TEST_SESS_WANTED;
	}
	if (t->p.raw_file[0] != '\0') {
		t->raw = tw_raw_file_new(t->p.raw_file);
		if (t->raw == NULL)
			return tw_test_error_set(err, errno == EEXIST ? -EEXIST : -EACCES,
				"choose a new file in a folder the service user may write to",
				"cannot create %s: %s", t->p.raw_file, strerror(errno));
	}
	return tw_test_ike_begin(t, err);
}

int
tw_test_connect(struct tw_test *t, struct tw_test_error *err)
{
	char why[TW_TEST_TEXT_SIZE];
	struct tw_io_cli_cfg cfg;

	t->state = TW_TEST_CONNECTING;
	cli_cfg_fill(t, &cfg);
	t->cli = tw_io_cli_open(t->app, &cfg, &tw_test_cli_ops, t, why, sizeof(why));
	if (t->cli == NULL)
		return tw_test_error_set(err, errno == ENETUNREACH ? -EHOSTUNREACH : -errno,
			"check the routes and the source address", "%s", why);
	return 0;
}

/* Let go of everything but the results. */
static void
test_release(struct tw_test *t)
{
	uint32_t i;

	tw_loop_timer_del(&t->app->loop, &t->progress);
	tw_ike_io_cancel(t->app->ike, t->ike_ask);
	t->ike_ask = NULL;
	tw_test_drop(t);
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
	tw_trace_drop(t->p.trace);
	t->p.trace = NULL;
}

void
tw_test_free(struct tw_test *t)
{
	uint32_t i;

	test_release(t);
	for (i = 0; t->sess != NULL && i < t->p.sessions; i++)
		tw_test_sess_fini(&t->sess[i]);
	free(t->sess);
	free(t);
}

void
tw_test_end(struct tw_test *t, enum tw_test_state state)
{
	void (*fn)(void *arg, struct tw_test *t) = t->on_end;

	if (t->state >= TW_TEST_DONE)
		return; /* a call that failed had told of the connection's end already */
	t->state = (uint8_t)state;
	t->ended_utc_ns = tw_test_now(t);
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
	tw_test_event(t, TW_EVENT_TEST_DONE);
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
		tw_trace_drop(p->trace);
		tw_test_error_set(err, -ENOMEM, NULL, "no memory for a test");
		return NULL;
	}
	t->owner = ts;
	t->app = ts->app;
	t->p = *p;
	t->state = TW_TEST_CONNECTING;
	t->created_utc_ns = tw_test_now(t);
	if (test_check(t, err) != 0 || test_open(t, err) != 0) {
		tw_test_free(t);
		return NULL;
	}
	t->id = tw_idtab_add(&ts->tests, t);
	if (t->id == 0) {
		tw_test_error_set(err, -ENOMEM, NULL, "no memory for a test");
		tw_test_free(t);
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
	tw_test_error_set(&t->error, -ECANCELED, NULL, "stopped before packets were sent");
	tw_test_end(t, TW_TEST_FAILED);
}

int
tw_tests_remove(struct tw_tests *ts, struct tw_test *t)
{
	if (t->state < TW_TEST_DONE)
		return -EBUSY;
	ts->kept -= t->p.sessions;
	tw_idtab_remove(&ts->tests, t->id);
	tw_test_free(t);
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
		tw_test_settle(t);
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
		tw_test_error_set(&t->error, ret == -ENOSPC ? -ENOMEM : ret,
			"give the appliance more memory, or use fewer sessions, a lower rate or a "
			"shorter tmax_ns",
			"session %u cannot send: %s", s->no, strerror(-ret));
	}
	if (t->next < t->p.sessions)
		return;
	t->is_starting = false;
	t->state = TW_TEST_RUNNING;
	tw_test_event(t, TW_EVENT_TEST_STARTED);
	tw_loop_timer_set(
		&t->app->loop, &t->progress, tw_loop_clock() + PROGRESS_NS, on_progress, t);
	tw_test_settle(t);
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
	tw_test_end(t, TW_TEST_DONE);
}

void
tw_test_work(struct tw_test *t)
{
	if (t->is_starting)
		start_some(t);
	if (t->is_soiled && t->state >= TW_TEST_STARTING && t->state < TW_TEST_STOPPING)
		sweep_some(t);
	if (t->is_raw_ending && t->raw != NULL)
		raw_finish(t);
}
