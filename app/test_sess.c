/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The sender sessions of a test: held port, keys, record in the data plane, intervals, report.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clocks.h"
#include "ports.h"
#include "test_i.h"
#include "trace.h"
#include "tw_crypto.h"

#define LINGER_NS INT64_C(2000000000)

/* Intervals kept by all sessions of a test, and by one. */
#define RING_TOTAL 16384U
#define RING_MAX   600U

/* A box makes at most this many interval reports a second. */
#define REPORTS_PPS 2000U

static int
port_fail(struct tw_test *t, uint16_t port, int ret)
{
	char text[TW_ADDR_STR_SIZE];

	t->error.res = ret;
	if (port != 0)
		snprintf(t->error.text, sizeof(t->error.text),
			"UDP port %u of %s cannot be held for a sender: %s", port,
			tw_addr_str(&t->local, text), strerror(-ret));
	else
		snprintf(t->error.text, sizeof(t->error.text),
			"no UDP port of %s can be held for a sender: %s",
			tw_addr_str(&t->local, text), strerror(-ret));
	snprintf(t->error.hint, sizeof(t->error.hint), "%s",
		ret == -EADDRINUSE ? "see who has it (ss -ulpn), or choose another sender_port"
		: ret == -EMFILE   ? "raise the limit of open files (LimitNOFILE)"
				   : "check the address");
	return ret;
}

int
tw_test_sess_prepare(struct tw_test *t)
{
	struct tw_test_sess *s;
	uint32_t i, port;
	int ret;

	for (i = 0; i < t->p.sessions; i++) {
		s = &t->sess[i];
		port = t->p.sender_port != 0 ? t->p.sender_port + i : 0;
		if (port > UINT16_MAX)
			return port_fail(t, UINT16_MAX, -EADDRINUSE);
		if (port != 0)
			ret = tw_hold_get(t->app->hold, &t->local, (uint16_t)port, &s->hold);
		else
			ret = tw_hold_any(t->app->hold, &t->local, &s->hold);
		if (ret != 0)
			return port_fail(t, (uint16_t)port, ret);
		s->sender_port = tw_hold_number(s->hold);
		port = t->p.receiver_port != 0 ? t->p.receiver_port + i : s->sender_port;
		s->asked_port = port > UINT16_MAX ? s->sender_port : (uint16_t)port;
	}
	return 0;
}

int
tw_test_sess_accept(struct tw_test_sess *s, const struct tw_ctl_cli_event *ev)
{
	s->receiver_port = ev->port;
	memcpy(s->sid, ev->sid, sizeof(s->sid));
	if (ev->keys == NULL)
		return 0;
	/* test keys of this session, lent for this call: the sender is made later */
	s->keys = tw_crypto_alloc(sizeof(*s->keys));
	if (s->keys == NULL)
		return -ENOMEM;
	*s->keys = *ev->keys;
	return 0;
}

static void
path_make(const struct tw_test_sess *s, struct tw_dp_path *out)
{
	const struct tw_netlink_path *p = &s->test->path;
	unsigned i;

	memset(out, 0, sizeof(*out));
	out->scope.port_idx = (uint8_t)p->port_idx;
	out->scope.vlan_cnt = (uint8_t)p->vlan_cnt;
	for (i = 0; i < p->vlan_cnt; i++) {
		out->scope.vid[i] = p->vid[i];
		out->tpid[i] = p->tpid[i];
	}
	memcpy(out->next_hop, p->next_hop, sizeof(out->next_hop));
	out->src = s->test->local;
	out->dst = s->test->p.host;
	out->src_port = s->sender_port;
	out->dst_port = s->receiver_port;
}

/* Sessions of a test depart evenly spread over the interval, not in one burst. */
static tw_ns
start_time(const struct tw_test_sess *s)
{
	const struct tw_test *t = s->test;
	__int128 shift = (__int128)t->p.interval_ns * (s->no - 1) / t->p.sessions;

	return (tw_ns){t->first_utc_ns + (int64_t)shift};
}

static int64_t
report_interval(const struct tw_test *t)
{
	uint32_t senders = (uint32_t)t->owner->senders.live;

	return TW_SEND_REPORT_NS * (1 + senders / REPORTS_PPS);
}

/* The window must hold what a session sends while it catches up after a stall. */
static uint64_t
window_interval(const struct tw_test *t)
{
	const struct tw_send_cfg cfg = {
		.law = t->p.law,
		.interval_ns = t->p.interval_ns,
		.interval_frac = t->p.interval_frac,
		.burst_cnt = t->p.burst_cnt,
		.gap_ns = t->p.trace != NULL ? t->p.trace->gap_ns : NULL,
		.gap_cnt = t->p.trace != NULL ? t->p.trace->cnt : 0,
		.max_lag_ns = t->p.max_lag_ns,
		.tmax_ns = t->p.tmax_ns,
	};

	return tw_send_cfg_window_interval_ns(&cfg, t->p.timeout_ns);
}

/* The clock that stamps the packets of a test. */
static const struct tw_clocks_entry *
clock_of(const struct tw_test *t)
{
	const struct tw_ports_entry *e = tw_ports_get(t->app->ports, t->path.port_idx);
	const struct tw_clocks_entry *c =
		e != NULL ? tw_clocks_get(t->app->clocks, e->port->clock_idx) : NULL;

	return c != NULL ? c : tw_clocks_get(t->app->clocks, TW_CLOCKS_SYSTEM);
}

/* Fill the record; it is zero on failure. */
static int
record_init(
	struct tw_test_sess *s, void *mem, size_t size, const struct tw_dp_path *path, int owner)
{
	const struct tw_test *t = s->test;
	const struct tw_clocks_entry *clock = clock_of(t);
	const struct tw_metrics_cfg mcfg = {
		.tmax_ns = t->p.tmax_ns,
		.timeout_ns = t->p.timeout_ns,
		.interval_ns = window_interval(t),
		.rate_error_ppb = tw_clock_feed_model(clock->feed)->rate_error_ppb,
		.dscp = t->p.dscp,
	};
	struct tw_send_cfg cfg = {
		.fmt = t->fmt,
		.id = s->send_id,
		.owner_idx = (uint8_t)owner,
		.dscp = t->p.dscp,
		.law = t->p.law,
		.clock_idx = (uint8_t)clock->idx,
		.has_zero_padding = t->p.has_zero_padding,
		.size = t->size,
		.interval_ns = t->p.interval_ns,
		.interval_frac = t->p.interval_frac,
		.burst_cnt = t->p.burst_cnt,
		.gap_ns = t->p.trace != NULL ? t->p.trace->gap_ns : NULL,
		.gap_cnt = t->p.trace != NULL ? t->p.trace->cnt : 0,
		.count = t->p.count,
		.duration_ns = t->p.duration_ns,
		.start = start_time(s),
		.max_lag_ns = t->p.max_lag_ns,
		.tmax_ns = t->p.tmax_ns,
		.report_ns = report_interval(t),
		.keys = s->keys,
	};

	cfg.key = tw_sess_key_make(tw_dp_scope_id(&path->scope), &path->dst, path->dst_port,
		&path->src, path->src_port);
	if (tw_crypto_random(cfg.seed, sizeof(cfg.seed)) != 0)
		return -EIO;
	/* the first interval begins then by the clock of the stamps */
	s->metrics = tw_metrics_init(mem, size, &mcfg,
		tw_ns_add(cfg.start, tw_ns_sub(tw_clocks_now_of(t->app->clocks, clock->idx),
					     tw_clocks_now(t->app->clocks))));
	if (s->metrics == NULL)
		return -EINVAL;
	cfg.metrics = s->metrics;
	return tw_send_sess_init(s->send, &cfg);
}

static size_t
metrics_size(const struct tw_test *t)
{
	const struct tw_metrics_cfg cfg = {
		.tmax_ns = t->p.tmax_ns,
		.timeout_ns = t->p.timeout_ns,
		.interval_ns = window_interval(t),
		.dscp = t->p.dscp,
	};

	return tw_metrics_size(&cfg);
}

/* Everything up to the start; undone by tw_test_sess_release(). */
static int
sender_make(struct tw_test_sess *s)
{
	struct tw_test *t = s->test;
	size_t size = metrics_size(t);
	struct tw_dp_path path;
	void *mem;
	int owner, ret;

	if (size == 0)
		return -EINVAL;
	path_make(s, &path);
	owner = tw_dp_owner_pick(t->app->dp, path.scope.port_idx);
	if (owner < 0)
		return owner;
	s->ring_len = RING_TOTAL / t->p.sessions;
	s->ring_len = s->ring_len > RING_MAX ? RING_MAX : s->ring_len < 1 ? 1 : s->ring_len;
	s->ring = calloc(s->ring_len, sizeof(*s->ring));
	s->send_id = tw_idtab_add(&t->owner->senders, s);
	if (s->ring == NULL || s->send_id == 0)
		return -ENOMEM;
	s->send = tw_dp_send_new(t->app->dp, size, &mem);
	if (s->send == NULL)
		return errno != 0 ? -errno : -ENOSPC;
	ret = record_init(s, mem, size, &path, owner);
	tw_crypto_free(s->keys);
	s->keys = NULL;
	if (ret == 0)
		ret = tw_dp_send_publish(t->app->dp, s->send, &path);
	if (ret == 0 && t->raw != NULL)
		tw_dp_send_want_raw(t->app->dp, s->send);
	s->path_seen = t->path_no;
	return ret;
}

int
tw_test_sess_start(struct tw_test_sess *s)
{
	int ret = s->send != NULL ? 0 : sender_make(s);

	if (ret == 0)
		ret = tw_dp_send_start(s->test->app->dp, s->send);
	if (ret == 0)
		s->state = TW_TEST_SESS_RUNNING;
	return ret;
}

bool
tw_test_sess_update(struct tw_test_sess *s)
{
	struct tw_test *t = s->test;
	struct tw_dp_path path;
	int ret;

	if (s->state != TW_TEST_SESS_RUNNING)
		return true;
	if (s->path_seen != t->path_no) {
		path_make(s, &path);
		ret = tw_dp_send_path(t->app->dp, s->send, &path);
		if (ret == -EAGAIN)
			return false;
		if (ret != 0)
			tw_log(TW_LOG_ROUTE, TW_LOG_WARNING,
				"test %u session %u keeps its old path: the new one leaves by "
				"another "
				"port or VLAN (%s)",
				t->id, s->no, strerror(-ret));
		s->path_seen = t->path_no;
	}
	if (t->is_stop_asked && !s->is_stop_sent) {
		if (tw_dp_send_stop(t->app->dp, s->send) == -EAGAIN)
			return false;
		s->is_stop_sent = true;
	}
	return true;
}

void
tw_test_sess_interval(struct tw_test_sess *s, const struct tw_metrics_interval *iv)
{
	struct tw_test *t = s->test;

	s->ring[s->ring_cnt++ % s->ring_len] = *iv;
	t->sent += iv->sent_total - s->sent;
	t->received += iv->received_total - s->received;
	t->lost += iv->lost_total - s->lost;
	s->sent = iv->sent_total;
	s->received = iv->received_total;
	s->lost = iv->lost_total;
	s->gaps = iv->gaps_so_far;
}

void
tw_test_sess_finish(struct tw_test_sess *s, bool is_failed)
{
	s->state = TW_TEST_SESS_FAILED;
	tw_send_sess_counts(s->send, &s->counts);
	if (!is_failed)
		s->report = malloc(sizeof(*s->report));
	if (s->report != NULL) {
		tw_metrics_report(s->metrics, s->report);
		s->state = TW_TEST_SESS_ENDED;
	}
	tw_test_sess_release(s);
}

void
tw_test_sess_release(struct tw_test_sess *s)
{
	struct tw_test *t = s->test;
	int64_t linger_ns = s->send != NULL ? t->p.timeout_ns + LINGER_NS : 0;

	if (s->send_id != 0)
		tw_idtab_remove(&t->owner->senders, s->send_id);
	s->send_id = 0;
	if (s->send != NULL)
		tw_dp_send_retire(t->app->dp, s->send, tw_trace_drop, tw_trace_hold(t->p.trace));
	s->send = NULL;
	s->metrics = NULL;
	tw_crypto_free(s->keys);
	s->keys = NULL;
	tw_hold_put(t->app->hold, s->hold, linger_ns);
	s->hold = NULL;
}

void
tw_test_sess_fini(struct tw_test_sess *s)
{
	tw_test_sess_release(s);
	free(s->report);
	free(s->ring);
	s->report = NULL;
	s->ring = NULL;
}
