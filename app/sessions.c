/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reserve, start, stop, release: each step of a reflector session touches three owners (held
 * port, data plane, list) and undoes what it did if one of them refuses.
 */
#include "sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clocks.h"
#include "event.h"
#include "idtab.h"
#include "io_ctl.h"
#include "netlink.h"
#include "ports.h"
#include "tw_dp.h"
#include "tw_tst.h"

#define UDP_HEADER_LEN 8

/* Beyond the time in which packets may still be on their way. */
#define LINGER_NS INT64_C(2000000000)

struct tw_sessions {
	struct tw_app *app;
	struct tw_idtab tab;
};

struct tw_sessions *
tw_sessions_new(struct tw_app *app)
{
	struct tw_sessions *ss = calloc(1, sizeof(*ss));

	if (ss != NULL)
		ss->app = app;
	return ss;
}

void
tw_sessions_free(struct tw_sessions *ss)
{
	if (ss == NULL)
		return;
	tw_idtab_fini(&ss->tab);
	free(ss);
}

static void
note_refused(const struct tw_ctl_sess_param *p, const char *why)
{
	char from[TW_ADDR_STR_SIZE], to[TW_ADDR_STR_SIZE];

	tw_log(TW_LOG_SESSION, TW_LOG_WARNING, "session %s port %u to %s port %u refused: %s",
		tw_addr_str(&p->sender_addr, from), p->sender_port,
		tw_addr_str(&p->receiver_addr, to), p->receiver_port, why);
}

/* Where the sender's packets will arrive. */
static int
scope_find(struct tw_sessions *ss, struct tw_session *s, struct tw_dp_scope *scope)
{
	char why[TW_NETLINK_WHY_SIZE];
	struct tw_netlink_path path;
	unsigned i;
	int ret;

	ret = tw_netlink_scope(
		ss->app->netlink, &s->param.sender_addr, &s->param.receiver_addr, &path, why);
	if (ret != 0) {
		note_refused(&s->param, why);
		return ret;
	}
	s->port_idx = path.port_idx;
	s->vlan_cnt = path.vlan_cnt;
	s->outer_tpid = path.vlan_cnt > 0 ? path.tpid[0] : 0;
	*scope = (struct tw_dp_scope){
		.port_idx = (uint8_t)path.port_idx, .vlan_cnt = (uint8_t)path.vlan_cnt};
	for (i = 0; i < path.vlan_cnt; i++)
		scope->vid[i] = s->vid[i] = path.vid[i];
	return 0;
}

/* Requests and replies must be single packets: fragments are never answered. */
static int
length_check(struct tw_sessions *ss, const struct tw_session *s)
{
	const struct tw_ctl_sess_param *p = &s->param;
	const struct tw_tst_fmt *fmt = tw_tst_fmt_for_mode(p->mode);
	const struct tw_ports_entry *e = tw_ports_get(ss->app->ports, s->port_idx);
	size_t headers = (p->receiver_addr.family == TW_ADDR_V4 ? 20 : 40) + UDP_HEADER_LEN;
	size_t len = headers + tw_tst_reply_len(fmt, fmt->req_min + (size_t)p->padding_len);
	char why[160];

	if (e == NULL)
		return -ENOENT;
	if (len <= e->port->mtu)
		return 0;
	snprintf(why, sizeof(why), "packets of %zu octets do not fit the MTU %u of port %s", len,
		e->port->mtu, e->port->cfg.name);
	note_refused(p, why);
	return -EMSGSIZE;
}

/* Fill the record of the data plane and make it findable. Frees the record on failure. */
static int
refl_publish(struct tw_sessions *ss, struct tw_session *s, const struct tw_dp_scope *scope,
	const struct tw_crypto_keys *keys)
{
	const struct tw_ctl_sess_param *p = &s->param;
	struct tw_refl_cfg cfg = {
		.fmt = tw_tst_fmt_for_mode(p->mode),
		.id = s->id,
		.rate_pps = p->rate_pps,
		.dscp = p->dscp,
		.outer_tpid = s->outer_tpid,
		.keys = keys, /* of the test packets already: no SID to derive them with */
	};
	struct tw_refl_sess *refl;
	int ret;

	ret = tw_dp_owner_pick(ss->app->dp, scope->port_idx);
	if (ret < 0)
		return ret;
	cfg.owner_idx = (uint8_t)ret;
	cfg.key = tw_sess_key_make(tw_dp_scope_id(scope), &p->sender_addr, p->sender_port,
		&p->receiver_addr, p->receiver_port);
	refl = tw_dp_refl_new(ss->app->dp);
	if (refl == NULL)
		return -ENOSPC;
	ret = tw_refl_sess_init(refl, &cfg);
	if (ret == 0)
		ret = tw_dp_refl_publish(ss->app->dp, refl, scope);
	if (ret != 0) {
		tw_dp_refl_retire(ss->app->dp, refl, NULL, NULL);
		return ret;
	}
	s->refl = refl;
	return 0;
}

static enum tw_ctl_reserve
verdict(const struct tw_session *s, int ret)
{
	switch (ret) {
	case 0:
		return TW_CTL_RESERVE_OK;
	case -EADDRINUSE: /* another program's */
	case -EEXIST:     /* the same 5-tuple: A-65 */
	case -EMFILE:     /* no socket left: a port that is held already will do */
	case -ENFILE:
		return TW_CTL_RESERVE_PORT_BUSY;
	case -ENOSPC:
	case -ENOMEM:
	case -EAGAIN:
		return TW_CTL_RESERVE_TEMPORARY;
	case -EMSGSIZE:
		return TW_CTL_RESERVE_TOO_LONG;
	case -EADDRNOTAVAIL:
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
	case -ENOENT:
		return TW_CTL_RESERVE_PERMANENT;
	default:
		note_refused(&s->param, strerror(-ret));
		return TW_CTL_RESERVE_INTERNAL;
	}
}

enum tw_ctl_reserve
tw_sessions_reserve(
	void *app, struct tw_ctl_sess *sess, const struct tw_ctl_sess_param *param, void **handle)
{
	struct tw_sessions *ss = ((struct tw_app *)app)->sessions;
	struct tw_session *s = calloc(1, sizeof(*s));
	enum tw_ctl_reserve res;
	struct tw_dp_scope scope;
	int ret;

	if (s == NULL)
		return TW_CTL_RESERVE_TEMPORARY;
	s->app = app;
	s->ctl = sess;
	s->param = *param;
	s->param.keys = NULL;
	s->created_utc_ns = tw_clocks_now(ss->app->clocks).ns;
	ret = scope_find(ss, s, &scope);
	if (ret == 0)
		ret = length_check(ss, s);
	if (ret != 0)
		goto free_session;
	ret = tw_hold_get(ss->app->hold, &param->receiver_addr, param->receiver_port, &s->hold);
	if (ret != 0)
		goto free_session;
	ret = -ENOMEM;
	s->id = tw_idtab_add(&ss->tab, s);
	if (s->id == 0)
		goto put_port;
	ret = refl_publish(ss, s, &scope, param->keys);
	if (ret == 0) {
		tw_ports_hold(ss->app->ports, s->port_idx);
		*handle = s;
		return TW_CTL_RESERVE_OK;
	}
	tw_idtab_remove(&ss->tab, s->id);
put_port:
	tw_hold_put(ss->app->hold, s->hold, 0);
free_session:
	res = verdict(s, ret);
	free(s);
	return res;
}

static void
event_emit(struct tw_session *s, enum tw_event_topic topic)
{
	struct tw_out *out = tw_event_begin(s->app, topic);
	struct tw_refl_counts counts;

	if (out == NULL)
		return;
	tw_out_u64(out, "id", s->id, NULL);
	tw_out_addr(out, "sender_addr", &s->param.sender_addr);
	tw_out_u64(out, "sender_port", s->param.sender_port, NULL);
	tw_out_addr(out, "receiver_addr", &s->param.receiver_addr);
	tw_out_u64(out, "receiver_port", s->param.receiver_port, NULL);
	tw_refl_sess_counts(s->refl, &counts);
	tw_out_u64(out, "reflected", counts.reflected, "packets");
	tw_out_u64(out, "dropped", counts.dropped, "packets");
	tw_event_send(s->app, out);
}

/* Now by the clock that stamps the session's packets. */
static tw_ns
port_now(const struct tw_session *s)
{
	const struct tw_ports_entry *e = tw_ports_get(s->app->ports, s->port_idx);

	return tw_clocks_now_of(s->app->clocks, e != NULL ? e->port->clock_idx : TW_CLOCKS_SYSTEM);
}

/*
 * REFWAIT (RFC 5357 4.2): the timer looks whether a valid packet came since its last look, and
 * sleeps on for what is left since that packet. T2 follows UTC, so its age is bounded before use.
 */
static void
on_refwait(void *arg, int64_t now_ns)
{
	struct tw_session *s = arg;
	struct tw_app *app = s->app;
	struct tw_refl_counts counts;
	int64_t age_ns;

	tw_refl_sess_counts(s->refl, &counts);
	if (counts.last_valid.ns == s->last_valid_seen) {
		tw_log(TW_LOG_SESSION, TW_LOG_NOTICE, "session %u: no packet for REFWAIT, ended",
			s->id);
		tw_ctl_sess_silent(s->ctl, tw_ctl_io_time(app));
		return; /* released meanwhile: s is gone */
	}
	s->last_valid_seen = counts.last_valid.ns;
	age_ns = port_now(s).ns - counts.last_valid.ns;
	if (age_ns < 0 || age_ns >= s->param.refwait_ns)
		age_ns = 0;
	tw_loop_timer_set(
		&app->loop, &s->refwait, now_ns + s->param.refwait_ns - age_ns, on_refwait, s);
}

int
tw_sessions_start(void *app, void *handle)
{
	struct tw_session *s = handle;
	struct tw_app *a = app;

	tw_refl_sess_start(s->refl);
	s->started_utc_ns = tw_clocks_now(a->clocks).ns;
	s->last_valid_seen = 0;
	tw_loop_timer_set(
		&a->loop, &s->refwait, tw_loop_clock() + s->param.refwait_ns, on_refwait, s);
	event_emit(s, TW_EVENT_SESSION_STARTED);
	return 0;
}

static void
drain_set(struct tw_session *s)
{
	tw_ns now = port_now(s);

	tw_refl_sess_drain(s->refl, tw_ns_add(now, s->drain_end_ns - tw_loop_clock()));
}

void
tw_sessions_stop(void *app, void *handle, int64_t grace_ns)
{
	struct tw_session *s = handle;
	struct tw_app *a = app;

	tw_loop_timer_del(&a->loop, &s->refwait);
	s->drain_end_ns = tw_loop_clock() + grace_ns;
	drain_set(s);
}

void
tw_sessions_clock_stepped(struct tw_sessions *ss)
{
	struct tw_session *s;
	uint32_t id = 0;

	for (s = tw_idtab_next(&ss->tab, &id); s != NULL; id++, s = tw_idtab_next(&ss->tab, &id))
		if (s->drain_end_ns != 0)
			drain_set(s);
}

/* The grace period is over: the record has its last figures, then it is gone. */
static void
on_retired(void *arg)
{
	struct tw_session *s = arg;

	if (s->started_utc_ns != 0)
		event_emit(s, TW_EVENT_SESSION_ENDED);
	free(s);
}

void
tw_sessions_release(void *app, void *handle)
{
	struct tw_session *s = handle;
	struct tw_app *a = app;
	int64_t linger_ns = LINGER_NS;

	/* ended without Stop (REFWAIT, lost connection): its packets may be on their way */
	if (s->started_utc_ns != 0 && s->drain_end_ns == 0)
		linger_ns += s->param.timeout_ns;
	tw_loop_timer_del(&a->loop, &s->refwait);
	tw_refl_sess_end(s->refl);
	tw_hold_put(a->hold, s->hold, linger_ns);
	tw_ports_put(a->ports, s->port_idx);
	tw_idtab_remove(&a->sessions->tab, s->id);
	s->ctl = NULL;
	s->hold = NULL;
	tw_dp_refl_retire(a->dp, s->refl, on_retired, s);
}

struct tw_session *
tw_sessions_find(struct tw_sessions *ss, uint32_t id)
{
	return tw_idtab_find(&ss->tab, id);
}

struct tw_session *
tw_sessions_next(struct tw_sessions *ss, uint32_t *id)
{
	return tw_idtab_next(&ss->tab, id);
}

uint32_t
tw_sessions_count(const struct tw_sessions *ss)
{
	return (uint32_t)ss->tab.live;
}
