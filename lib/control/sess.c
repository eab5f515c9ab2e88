/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Session records of the server: SID, port and keys at reservation; start, stop, drain; release.
 * The data plane's session is behind `handle`; it is released exactly once, whatever happens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srv_i.h"

#define SID_TRIES 8

/* --- SID, PROTOCOL.md 3.6 --- */

static bool
sid_address(const struct tw_ctl_conn *conn, uint8_t out[4])
{
	const struct tw_ctl_srv *srv = conn->srv;
	struct tw_addr a = conn->local;

	if (a.family == TW_ADDR_V4 && a.b[0] != 127) {
		memcpy(out, a.b, 4);
		return true;
	}
	if (srv->ops.own_v4 != NULL && srv->ops.own_v4(srv->app, &a) && a.family == TW_ADDR_V4) {
		memcpy(out, a.b, 4);
		return true;
	}
	memcpy(out, conn->local.b + tw_addr_len(&conn->local) - 4, 4);
	return true;
}

/* Own address, time, random octets; not one in use (RFC 4656 3.5). */
static bool
make_sid(const struct tw_ctl_conn *conn, uint8_t sid[TW_CTL_SID_LEN], struct tw_ctl_time now)
{
	const struct tw_ctl_srv *srv = conn->srv;

	sid_address(conn, sid);
	tw_store_be64(sid + 4, now.ntp);
	for (int i = 0; i < SID_TRIES; i++) {
		if (!srv->ops.common.random(srv->app, sid + 12, 4))
			return false;
		if (!ctl_sids_has(&srv->sids, sid))
			return true;
	}
	return false;
}

/* --- reserve --- */

static bool
port_is_allowed(const struct tw_ctl_srv *srv, uint16_t port)
{
	return port == TW_CTL_PORT || (port >= setting(srv, TW_CTL_SET_PORT_LO) &&
					      port <= setting(srv, TW_CTL_SET_PORT_HI));
}

/* The port asked for if it can be had, else the next one that can (RFC 8545 5.1). */
static enum tw_ctl_reserve
take_port(struct tw_ctl_sess *sess, struct tw_ctl_sess_param *param)
{
	struct tw_ctl_srv *srv = sess->srv;
	uint32_t lo = setting(srv, TW_CTL_SET_PORT_LO);
	uint32_t range = setting(srv, TW_CTL_SET_PORT_HI) - lo + 1;
	uint32_t tries = setting(srv, TW_CTL_SET_PORT_TRIES);
	enum tw_ctl_reserve res = TW_CTL_RESERVE_PORT_BUSY;
	uint16_t asked = param->receiver_port;

	if (port_is_allowed(srv, asked))
		res = srv->ops.reserve(srv->app, sess, param, &sess->handle);
	if (tries > range)
		tries = range;
	for (uint32_t i = 0; i < tries && res == TW_CTL_RESERVE_PORT_BUSY; i++) {
		param->receiver_port = (uint16_t)(lo + srv->port_next++ % range);
		if (param->receiver_port != asked)
			res = srv->ops.reserve(srv->app, sess, param, &sess->handle);
	}
	return res;
}

static enum tw_ctl_why
why_of(enum tw_ctl_reserve res)
{
	switch (res) {
	case TW_CTL_RESERVE_OK:
		return TW_CTL_WHY_NONE;
	case TW_CTL_RESERVE_PORT_BUSY:
		return TW_CTL_WHY_SESSION_NO_PORT;
	case TW_CTL_RESERVE_TEMPORARY:
		return TW_CTL_WHY_SESSION_TEMPORARY;
	case TW_CTL_RESERVE_PERMANENT:
		return TW_CTL_WHY_SESSION_PERMANENT;
	case TW_CTL_RESERVE_TOO_LONG:
		return TW_CTL_WHY_SESSION_TOO_LONG;
	case TW_CTL_RESERVE_INTERNAL:
		break;
	}
	return TW_CTL_WHY_SESSION_INTERNAL;
}

static enum tw_ctl_why
reserve_with_keys(struct tw_ctl_sess *sess, struct tw_ctl_sess_param *param)
{
	struct tw_ctl_srv *srv = sess->srv;
	enum tw_ctl_reserve res;

	param->keys = NULL;
	if (tw_mode_protects_test(param->mode)) { /* not in open and mixed mode */
		if (tw_crypto_test_keys(sess->conn->io.keys, param->sid, srv->scratch) != 0)
			return TW_CTL_WHY_CRYPTO;
		param->keys = srv->scratch;
	}
	res = take_port(sess, param);
	param->keys = NULL;
	tw_crypto_wipe(srv->scratch, sizeof(*srv->scratch));
	return why_of(res);
}

static struct tw_ctl_sess *
sess_new(struct tw_ctl_conn *conn)
{
	struct tw_ctl_srv *srv = conn->srv;
	struct tw_ctl_sess *sess;

	if (ctl_sids_reserve(&srv->sids) != 0 || ctl_heap_promise(&srv->heap) != 0)
		return NULL;
	sess = calloc(1, sizeof(*sess));
	if (sess == NULL) {
		srv->heap.promised--;
		return NULL;
	}
	sess->srv = srv;
	sess->conn = conn;
	sess->cls = conn->cls;
	sess->state = SESS_RESERVED;
	sess->timer.kind = TIMER_SESS;
	return sess;
}

enum tw_ctl_why
ctl_sess_reserve(struct tw_ctl_conn *conn, struct tw_ctl_sess_param *param, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = conn->srv;
	struct tw_ctl_sess *sess;
	enum tw_ctl_why why;

	if (!make_sid(conn, param->sid, now))
		return TW_CTL_WHY_NO_RANDOM;
	sess = sess_new(conn);
	if (sess == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	why = reserve_with_keys(sess, param);
	if (why != TW_CTL_WHY_NONE) {
		ctl_heap_retire(&srv->heap, &sess->timer);
		free(sess);
		return why;
	}
	memcpy(sess->sid, param->sid, sizeof(sess->sid));
	sess->timeout_ns = param->timeout_ns;
	sess->source = ctl_source_hold(conn->source);
	sess->source->sessions[sess->cls]++;
	srv->sessions_cnt[sess->cls]++;
	conn->reserved_cnt++;
	ctl_sids_add(&srv->sids, sess);
	LIST_INSERT_HEAD(&conn->sess, sess, link);
	/* one that is never started does not stay for ever (PROTOCOL.md 5.3) */
	ctl_heap_set(&srv->heap, &sess->timer, now.mono_ns + setting_ns(srv, TW_CTL_SET_SERVWAIT));
	return why;
}

/* --- release --- */

static uint32_t *
live_cnt(struct tw_ctl_conn *conn, uint8_t state)
{
	return state == SESS_RESERVED  ? &conn->reserved_cnt
	       : state == SESS_RUNNING ? &conn->running_cnt
				       : &conn->draining_cnt;
}

static void
set_state(struct tw_ctl_sess *sess, enum sess_state state)
{
	if (sess->conn != NULL) {
		--*live_cnt(sess->conn, sess->state);
		++*live_cnt(sess->conn, (uint8_t)state);
	}
	sess->state = (uint8_t)state;
}

void
ctl_sess_free(struct tw_ctl_sess *sess)
{
	struct tw_ctl_srv *srv = sess->srv;

	srv->ops.release(srv->app, sess->handle);
	if (sess->conn != NULL)
		--*live_cnt(sess->conn, sess->state);
	LIST_REMOVE(sess, link);
	ctl_sids_del(&srv->sids, sess);
	ctl_heap_retire(&srv->heap, &sess->timer);
	srv->sessions_cnt[sess->cls]--;
	sess->source->sessions[sess->cls]--;
	ctl_source_put(&srv->sources, sess->source);
	free(sess);
}

static bool
is_selected(const struct tw_ctl_sess *sess, enum sess_sel sel)
{
	return sel == SESS_SEL_RESERVED ? sess->state == SESS_RESERVED
					: sess->state == SESS_RUNNING;
}

void
ctl_sess_release_all(struct tw_ctl_conn *conn, enum sess_sel sel)
{
	struct tw_ctl_sess *sess, *next;

	for (sess = LIST_FIRST(&conn->sess); sess != NULL; sess = next) {
		next = LIST_NEXT(sess, link);
		if (!is_selected(sess, sel))
			continue;
		if (sel == SESS_SEL_RUNNING)
			tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_SESSIONS_DROPPED]);
		ctl_sess_free(sess);
	}
}

/* --- start, stop --- */

int
ctl_sess_start_all(struct tw_ctl_conn *conn)
{
	struct tw_ctl_srv *srv = conn->srv;
	struct tw_ctl_sess *sess;
	int res = 0;

	LIST_FOREACH (sess, &conn->sess, link) {
		if (sess->state != SESS_RESERVED)
			continue;
		res = srv->ops.start(srv->app, sess->handle);
		if (res != 0)
			break;
		ctl_heap_set(&srv->heap, &sess->timer, TW_CTL_NO_DEADLINE);
		set_state(sess, SESS_RUNNING);
		tw_ctr_inc(&srv->ctr[TW_CTL_CTR_SESSIONS_STARTED]);
	}
	if (res == 0)
		return 0;
	/* none or all: the client is told one Accept for all of them */
	ctl_sess_release_all(conn, SESS_SEL_RUNNING);
	ctl_sess_release_all(conn, SESS_SEL_RESERVED);
	return res;
}

static void
drain(struct tw_ctl_sess *sess, int64_t grace_ns, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = sess->srv;

	srv->ops.stop(srv->app, sess->handle, grace_ns);
	set_state(sess, SESS_DRAINING);
	ctl_heap_set(&srv->heap, &sess->timer, now.mono_ns + grace_ns + DRAIN_SLACK_NS);
}

static void
stop_all(struct tw_ctl_conn *conn, int64_t cap_ns, enum tw_ctl_counter ctr, struct tw_ctl_time now)
{
	struct tw_ctl_sess *sess;

	LIST_FOREACH (sess, &conn->sess, link) {
		if (sess->state != SESS_RUNNING)
			continue;
		tw_ctr_inc(&conn->srv->ctr[ctr]);
		drain(sess, min_ns(sess->timeout_ns, cap_ns), now);
	}
}

void
ctl_sess_stop_all(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	stop_all(conn, INT64_MAX, TW_CTL_CTR_SESSIONS_STOPPED, now);
}

void
ctl_sess_stop_lost(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	stop_all(conn, setting_ns(conn->srv, TW_CTL_SET_LOSS_GRACE), TW_CTL_CTR_SESSIONS_LOST, now);
}

void
ctl_sess_orphan_all(struct tw_ctl_conn *conn)
{
	struct tw_ctl_sess *sess;

	while ((sess = LIST_FIRST(&conn->sess)) != NULL) {
		TW_ASSERT(sess->state == SESS_DRAINING);
		LIST_REMOVE(sess, link);
		LIST_INSERT_HEAD(&conn->srv->orphans, sess, link);
		sess->conn = NULL;
	}
	conn->draining_cnt = 0;
}

/* --- events --- */

void
ctl_sess_timer(struct tw_ctl_sess *sess, struct tw_ctl_time now)
{
	(void)now;
	ctl_sess_free(sess); /* drained, or reserved and never started */
}

void
tw_ctl_sess_silent(struct tw_ctl_sess *sess, struct tw_ctl_time now)
{
	struct tw_ctl_conn *conn = sess->conn;

	if (sess->state != SESS_RUNNING)
		return; /* it was stopped while the event travelled: its end is near anyway */
	tw_ctr_inc(&sess->srv->ctr[TW_CTL_CTR_SESSIONS_SILENT]);
	ctl_sess_free(sess);
	if (conn == NULL || conn->running_cnt > 0)
		return;
	conn->quiet_since_ns = now.mono_ns; /* SERVWAIT runs again (RFC 5357 3.1) */
	ctl_conn_arm(conn);
}
