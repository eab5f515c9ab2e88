/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Life of a server connection: limits at its beginning, octets and timers while it lasts, what
 * becomes of its sessions at its end.
 */
#include <string.h>

#include "srv_i.h"

size_t
tw_ctl_conn_size(void)
{
	return sizeof(struct tw_ctl_conn);
}

/* --- reasons --- */

void
ctl_conn_note(struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason)
{
	tw_ctr_inc(&conn->srv->why[reason->why]);
	if (conn->srv->ops.note != NULL)
		conn->srv->ops.note(conn->srv->app, conn, reason);
}

struct tw_ctl_reason
ctl_reason_of(enum tw_ctl_why why)
{
	return (struct tw_ctl_reason){.why = (uint8_t)why, .accept = ctl_why_accept(why)};
}

struct tw_ctl_reason
ctl_reason_value(enum tw_ctl_why why, uint64_t value, uint64_t bound)
{
	struct tw_ctl_reason r = ctl_reason_of(why);

	r.has_value = true;
	r.value = value;
	r.bound = bound;
	return r;
}

/* --- beginning --- */

/* Count it under a class, if that has room. */
static enum tw_ctl_why
admit(struct tw_ctl_conn *conn, unsigned cls)
{
	struct tw_ctl_srv *srv = conn->srv;

	if (!ctl_limit_allows(srv, cls, TW_CTL_LIMIT_CONNS, srv->conns_cnt[cls]))
		return TW_CTL_WHY_CONNS;
	if (!ctl_limit_allows(srv, cls, TW_CTL_LIMIT_CONNS_PER_SOURCE, conn->source->conns[cls]))
		return TW_CTL_WHY_CONNS_PER_SOURCE;
	conn->cls = (uint8_t)cls;
	srv->conns_cnt[cls]++;
	conn->source->conns[cls]++;
	return TW_CTL_WHY_NONE;
}

static void
dismiss(struct tw_ctl_conn *conn)
{
	conn->srv->conns_cnt[conn->cls]--;
	conn->source->conns[conn->cls]--;
}

static enum tw_ctl_why
admit_new(struct tw_ctl_conn *conn)
{
	struct tw_ctl_srv *srv = conn->srv;
	unsigned cls = TW_CTL_CLASS_OTHER;
	enum tw_ctl_why why;

	conn->is_allowed = ctl_policy_is_allowed(srv, &conn->peer);
	conn->offered = ctl_policy_offer(srv, &conn->peer);
	if (conn->offered == 0)
		return TW_CTL_WHY_NO_MODE_OFFERED;
	if (conn->is_allowed || (tw_mode_protects_control(conn->offered) &&
					setting(srv, TW_CTL_SET_TRUST_BEFORE_AUTH)))
		cls = TW_CTL_CLASS_TRUSTED;
	if (!ctl_limit_allows(srv, cls, TW_CTL_LIMIT_PREAUTH, srv->preauth_cnt[cls]))
		return TW_CTL_WHY_PREAUTH;
	conn->source =
		ctl_source_get(&srv->sources, &conn->peer, setting(srv, TW_CTL_SET_SOURCE_BITS_V6));
	if (conn->source == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	why = admit(conn, cls);
	if (why == TW_CTL_WHY_NONE) {
		conn->is_preauth = true;
		srv->preauth_cnt[cls]++;
		return why;
	}
	ctl_source_put(&srv->sources, conn->source);
	conn->source = NULL;
	return why;
}

void
tw_ctl_conn_open(struct tw_ctl_srv *srv, struct tw_ctl_conn *conn, const struct tw_addr *peer,
	uint16_t peer_port, const struct tw_addr *local, void *user, struct tw_ctl_time now)
{
	enum tw_ctl_why why;

	memset(conn, 0, offsetof(struct tw_ctl_conn, io));
	ctl_io_init(&conn->io);
	conn->srv = srv;
	conn->user = user;
	conn->peer = *peer;
	conn->peer_port = peer_port;
	conn->local = *local;
	conn->timer.kind = TIMER_CONN;
	conn->count = setting(srv, TW_CTL_SET_COUNT);
	conn->setup_since_ns = now.mono_ns;
	conn->state = TW_CTL_CONN_WAIT_SETUP;
	LIST_INSERT_HEAD(&srv->conns, conn, link);
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_OPENED]);
	if (ctl_heap_promise(&srv->heap) != 0) {
		/* without a timer it may not stay: not even a greeting */
		conn->reason.why = TW_CTL_WHY_NO_MEMORY;
		conn->state = TW_CTL_CONN_DONE;
		srv->refused_cnt++;
		return;
	}
	conn->has_timer = true;
	why = admit_new(conn);
	if (why == TW_CTL_WHY_NONE) {
		ctl_setup_greet(conn, now);
	} else {
		srv->refused_cnt++;
		ctl_setup_refuse(conn, why, now);
	}
	ctl_conn_arm(conn);
}

enum tw_ctl_why
ctl_conn_set_up(struct tw_ctl_conn *conn, unsigned cls)
{
	unsigned old = conn->cls;
	enum tw_ctl_why why;

	if (cls != old) {
		why = admit(conn, cls);
		if (why != TW_CTL_WHY_NONE)
			return why;
		conn->srv->conns_cnt[old]--;
		conn->source->conns[old]--;
	}
	conn->srv->preauth_cnt[old]--;
	conn->is_preauth = false;
	return TW_CTL_WHY_NONE;
}

/* --- timers --- */

static int64_t
next_deadline(const struct tw_ctl_conn *conn)
{
	const struct tw_ctl_srv *srv = conn->srv;
	int64_t at = TW_CTL_NO_DEADLINE;
	bool is_served = conn->state == TW_CTL_CONN_READY || conn->state == TW_CTL_CONN_ACTIVE;

	if (conn->state == TW_CTL_CONN_CLOSING)
		return conn->close_since_ns + LINGER_NS;
	if (conn->state == TW_CTL_CONN_WAIT_SETUP || conn->state == TW_CTL_CONN_WAIT_KDF)
		return conn->setup_since_ns + setting_ns(srv, TW_CTL_SET_T_SETUP);
	if (conn->state == TW_CTL_CONN_WAIT_SA)
		return conn->setup_since_ns + setting_ms_as_ns(srv, TW_CTL_SET_IKE_WAIT);
	if (!is_served)
		return at;
	/* suspended from Start to Stop, unless REFWAIT ended every session (RFC 5357 3.1) */
	if (conn->running_cnt == 0)
		at = conn->quiet_since_ns + setting_ns(srv, TW_CTL_SET_SERVWAIT);
	if (conn->io.in_len > 0)
		at = min_ns(at, conn->io.in_since_ns + setting_ns(srv, TW_CTL_SET_T_MSG));
	if (conn->io.out_len > 0)
		at = min_ns(at, conn->io.out_since_ns + setting_ns(srv, TW_CTL_SET_T_MSG));
	return at;
}

void
ctl_conn_arm(struct tw_ctl_conn *conn)
{
	if (conn->has_timer)
		ctl_heap_set(&conn->srv->heap, &conn->timer, next_deadline(conn));
}

void
ctl_conn_timer(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = conn->srv;
	int64_t t_msg_ns = setting_ns(srv, TW_CTL_SET_T_MSG);
	enum tw_ctl_why why = TW_CTL_WHY_SERVWAIT;

	if (conn->state == TW_CTL_CONN_CLOSING) {
		conn->state = TW_CTL_CONN_DONE;
	} else if (conn->state == TW_CTL_CONN_WAIT_SA) {
		(void)ctl_setup_resume(conn, true, now);
	} else {
		if (conn->state == TW_CTL_CONN_WAIT_SETUP || conn->state == TW_CTL_CONN_WAIT_KDF)
			why = TW_CTL_WHY_T_SETUP;
		else if (conn->io.out_len > 0 && conn->io.out_since_ns + t_msg_ns <= now.mono_ns)
			why = TW_CTL_WHY_T_WRITE;
		else if (conn->io.in_len > 0 && conn->io.in_since_ns + t_msg_ns <= now.mono_ns)
			why = TW_CTL_WHY_T_MSG;
		ctl_conn_close(conn, why, now);
	}
	ctl_conn_arm(conn);
	if (srv->ops.wake != NULL)
		srv->ops.wake(srv->app, conn, conn->user);
}

/* --- octets --- */

void
ctl_conn_run(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	if (conn->state == TW_CTL_CONN_WAIT_SETUP)
		ctl_setup_response(conn, now);
	while ((conn->state == TW_CTL_CONN_READY || conn->state == TW_CTL_CONN_ACTIVE) &&
		ctl_io_has_room(&conn->io, OUT_RESERVE) && ctl_step(conn, now))
		;
	if (conn->has_eof && conn->state < TW_CTL_CONN_CLOSING &&
		ctl_io_has_room(&conn->io, OUT_RESERVE))
		ctl_conn_close(conn, TW_CTL_WHY_PEER_CLOSED, now);
	ctl_conn_arm(conn);
}

size_t
tw_ctl_conn_want(const struct tw_ctl_conn *conn)
{
	return conn->state < TW_CTL_CONN_CLOSING && !conn->has_eof ? IN_SIZE - conn->io.in_len : 0;
}

void
tw_ctl_conn_input(struct tw_ctl_conn *conn, const void *octets, size_t len, struct tw_ctl_time now)
{
	size_t want = tw_ctl_conn_want(conn);

	if (want == 0 || len == 0)
		return;
	TW_ASSERT(len <= want);
	conn->quiet_since_ns = now.mono_ns;
	ctl_io_put(&conn->io, octets, len, now.mono_ns);
	ctl_conn_run(conn, now);
}

void
tw_ctl_conn_eof(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	if (conn->has_eof || conn->state >= TW_CTL_CONN_CLOSING) {
		tw_ctl_conn_lost(conn, now);
		return;
	}
	conn->has_eof = true;
	ctl_conn_run(conn, now);
}

void
tw_ctl_conn_lost(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	ctl_conn_close(conn, TW_CTL_WHY_PEER_CLOSED, now);
	conn->state = TW_CTL_CONN_DONE;
	ctl_conn_arm(conn);
}

const uint8_t *
tw_ctl_conn_output(const struct tw_ctl_conn *conn, size_t *len)
{
	*len = conn->state == TW_CTL_CONN_DONE ? 0 : conn->io.out_len;
	return conn->io.out + conn->io.out_off;
}

void
tw_ctl_conn_sent(struct tw_ctl_conn *conn, size_t len, struct tw_ctl_time now)
{
	ctl_io_sent(&conn->io, len, now.mono_ns);
	if (conn->state == TW_CTL_CONN_CLOSING && conn->io.out_len == 0)
		conn->state = TW_CTL_CONN_DONE;
	ctl_conn_run(conn, now);
}

bool
tw_ctl_conn_is_done(const struct tw_ctl_conn *conn)
{
	return conn->state == TW_CTL_CONN_DONE;
}

/* --- end --- */

void
ctl_conn_close(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now)
{
	ctl_conn_close_for(conn, ctl_reason_of(why), CONN_END_LOST, now);
}

void
ctl_conn_close_for(struct tw_ctl_conn *conn, struct tw_ctl_reason reason, enum conn_end end,
	struct tw_ctl_time now)
{
	if (conn->state >= TW_CTL_CONN_CLOSING)
		return;
	conn->reason = reason;
	ctl_conn_note(conn, &reason);
	ctl_sess_release_all(conn, SESS_SEL_RESERVED);
	if (end == CONN_END_DROP)
		ctl_sess_release_all(conn, SESS_SEL_RUNNING);
	else
		ctl_sess_stop_lost(conn, now);
	ctl_setup_forget(conn);
	ctl_io_forget_keys(&conn->io);
	conn->close_since_ns = now.mono_ns;
	conn->state = conn->io.out_len > 0 ? TW_CTL_CONN_CLOSING : TW_CTL_CONN_DONE;
}

void
tw_ctl_conn_abort(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	ctl_conn_close(conn, TW_CTL_WHY_ABORTED, now);
	ctl_conn_arm(conn);
}

void
tw_ctl_conn_fini(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = conn->srv;

	ctl_conn_close(conn, TW_CTL_WHY_ABORTED, now);
	ctl_sess_orphan_all(conn);
	if (conn->is_preauth)
		srv->preauth_cnt[conn->cls]--;
	if (conn->source != NULL) {
		dismiss(conn);
		ctl_source_put(&srv->sources, conn->source);
	} else {
		srv->refused_cnt--;
	}
	if (conn->has_timer)
		ctl_heap_retire(&srv->heap, &conn->timer);
	LIST_REMOVE(conn, link);
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_CLOSED]);
	tw_crypto_wipe(conn, sizeof(*conn));
}
