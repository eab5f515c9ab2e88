/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Request-TW-Session, RFC 5357 3.5: every check that needs no resource, one after the other, then
 * limits, then the session. Each request is answered; a refusal keeps the connection (RFC 4656
 * 3.5) and names no port (RFC 5357 3.5).
 */
#include <string.h>

#include "srv_i.h"

#define UDP_HEADER_LEN 8

struct ask {
	struct tw_ctl_conn *conn;
	struct tw_wire_request_tw req;
	struct tw_ctl_sess_param param; /* filled in by the checks */
};

/* --- checks: 0 or the reason --- */

static struct tw_ctl_reason
check_conf(struct ask *a)
{
	if (a->req.conf_sender != 0 || a->req.conf_receiver != 0)
		return ctl_reason_of(TW_CTL_WHY_SESSION_CONF);
	if (a->req.slot_cnt != 0) /* slots would follow as a second message */
		return ctl_reason_of(TW_CTL_WHY_SESSION_SLOTS);
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

/* fe80::/10: which interface is meant, the address does not say, and a request cannot. */
static bool
is_link_local(const struct tw_addr *addr)
{
	return addr->family == TW_ADDR_V6 && addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

/* Zero stands for the end of the control connection, each one alone. */
static struct tw_ctl_reason
check_addresses(struct ask *a)
{
	struct tw_ctl_sess_param *p = &a->param;
	struct tw_ctl_conn *conn = a->conn;

	p->sender_addr = tw_wire_addr_get(a->req.ipvn, a->req.sender_addr);
	p->receiver_addr = tw_wire_addr_get(a->req.ipvn, a->req.receiver_addr);
	if (tw_addr_is_zero(&p->sender_addr) && p->sender_addr.family == conn->peer.family)
		p->sender_addr = conn->peer;
	if (tw_addr_is_zero(&p->receiver_addr) && p->receiver_addr.family == conn->local.family)
		p->receiver_addr = conn->local;
	if (tw_addr_is_zero(&p->sender_addr) || tw_addr_is_zero(&p->receiver_addr))
		return ctl_reason_of(TW_CTL_WHY_SESSION_IPVN);
	if (is_link_local(&p->sender_addr) || is_link_local(&p->receiver_addr))
		return ctl_reason_of(TW_CTL_WHY_SESSION_LINK_LOCAL);
	if (!ctl_policy_receiver(conn, &p->receiver_addr))
		return ctl_reason_of(TW_CTL_WHY_SESSION_RECEIVER);
	if (!ctl_policy_sender(conn, &p->sender_addr))
		return ctl_reason_of(TW_CTL_WHY_SESSION_SENDER);
	p->control_addr = conn->peer;
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

/* 00 and a DSCP in the first octet, nothing else: no other encoding can be applied. */
static struct tw_ctl_reason
check_type_p(struct ask *a)
{
	uint32_t type_p = a->req.type_p;

	if (type_p & ~0x3f000000U)
		return ctl_reason_value(TW_CTL_WHY_SESSION_TYPE_P, type_p, 0x3f000000U);
	a->param.dscp = (uint8_t)(type_p >> 24);
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

static struct tw_ctl_reason
check_padding(struct ask *a)
{
	const struct tw_ctl_conn *conn = a->conn;
	const struct tw_tst_fmt *fmt = tw_tst_fmt_for_mode(conn->mode);
	uint32_t ip_len = a->req.ipvn == 4 ? 20 : 40;
	uint32_t headers = ip_len + UDP_HEADER_LEN + fmt->req_min;
	uint32_t size = limit(conn->srv, conn->cls, TW_CTL_LIMIT_PACKET_SIZE);
	uint32_t room = size > headers ? size - headers : 0;

	if (a->req.padding_len > room) {
		tw_ctr_inc(&conn->srv->limit_hits[conn->cls][TW_CTL_LIMIT_PACKET_SIZE]);
		return ctl_reason_value(TW_CTL_WHY_SESSION_PADDING, a->req.padding_len, room);
	}
	if (setting(conn->srv, TW_CTL_SET_REQUIRE_SYMMETRIC) &&
		fmt->req_min + a->req.padding_len < fmt->rep_min)
		return ctl_reason_value(TW_CTL_WHY_SESSION_ASYMMETRIC, a->req.padding_len, room);
	a->param.padding_len = a->req.padding_len;
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

static struct tw_ctl_reason
check_timeout(struct ask *a)
{
	const struct tw_ctl_conn *conn = a->conn;
	uint64_t max_s = limit(conn->srv, conn->cls, TW_CTL_LIMIT_TIMEOUT);
	uint64_t s = a->req.timeout >> 32;
	uint64_t frac = a->req.timeout & UINT32_MAX;

	if (a->req.timeout > max_s << 32) {
		tw_ctr_inc(&conn->srv->limit_hits[conn->cls][TW_CTL_LIMIT_TIMEOUT]);
		return ctl_reason_value(TW_CTL_WHY_SESSION_TIMEOUT, s, max_s);
	}
	a->param.timeout_ns = (int64_t)(s * NS_PER_S + (frac * NS_PER_S >> 32));
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

static struct tw_ctl_reason
check_ports(struct ask *a)
{
	if (a->req.sender_port == 0)
		return ctl_reason_of(TW_CTL_WHY_SESSION_SENDER_PORT);
	a->param.sender_port = a->req.sender_port;
	a->param.receiver_port = a->req.receiver_port; /* the wish */
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

static struct tw_ctl_reason
check_limits(struct ask *a)
{
	static const struct {
		enum tw_ctl_limit limit;
		enum tw_ctl_why why;
	} row[] = {
		{TW_CTL_LIMIT_SESSIONS_PER_CONN, TW_CTL_WHY_SESSIONS_PER_CONN},
		{TW_CTL_LIMIT_SESSIONS_PER_SOURCE, TW_CTL_WHY_SESSIONS_PER_SOURCE},
		{TW_CTL_LIMIT_SESSIONS, TW_CTL_WHY_SESSIONS},
	};
	const struct tw_ctl_conn *conn = a->conn;
	const uint32_t live[] = {conn->reserved_cnt + conn->running_cnt,
		conn->source->sessions[conn->cls], conn->srv->sessions_cnt[conn->cls]};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		uint32_t max = limit(conn->srv, conn->cls, row[i].limit);

		if (ctl_limit_allows(conn->srv, conn->cls, row[i].limit, live[i]))
			continue;
		if (max == 0) /* waiting does not help */
			return ctl_reason_of(TW_CTL_WHY_SESSION_LIMIT_ZERO);
		return ctl_reason_value(row[i].why, live[i], max);
	}
	return ctl_reason_of(TW_CTL_WHY_NONE);
}

static struct tw_ctl_reason (*const checks[])(struct ask *) = {
	check_conf,
	check_type_p,
	check_padding,
	check_timeout,
	check_ports,
	check_addresses,
	check_limits,
};

/* --- the command --- */

static void
refuse(struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason, struct tw_ctl_time now)
{
	tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_SESSIONS_REFUSED]);
	ctl_conn_note(conn, reason);
	ctl_reply_session(conn, reason->accept, 0, NULL, now);
}

void
ctl_on_request(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	struct tw_rd rd = tw_rd_init(msg, TW_WIRE_REQUEST_TW_LEN);
	struct tw_ctl_srv *srv = conn->srv;
	struct ask ask = {.conn = conn};
	struct tw_ctl_reason reason = ctl_reason_of(TW_CTL_WHY_NONE);

	tw_wire_request_tw_read(&rd, &ask.req);
	ask.param.mode = conn->mode;
	ask.param.start_ntp = ask.req.start_time;
	ask.param.refwait_ns = setting_ns(srv, TW_CTL_SET_REFWAIT);
	ask.param.rate_pps = limit(srv, conn->cls, TW_CTL_LIMIT_SESSION_RATE);
	for (size_t i = 0; i < TW_ARRAY_SIZE(checks) && reason.why == TW_CTL_WHY_NONE; i++)
		reason = checks[i](&ask);
	if (reason.why == TW_CTL_WHY_NONE)
		reason = ctl_reason_of(ctl_sess_reserve(conn, &ask.param, now));
	if (reason.why != TW_CTL_WHY_NONE) {
		refuse(conn, &reason, now);
		return;
	}
	conn->promised_cnt++;
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_SESSIONS_ACCEPTED]);
	if (ask.param.receiver_port != ask.req.receiver_port)
		tw_ctr_inc(&srv->ctr[TW_CTL_CTR_PORT_ALTERNATE]);
	ctl_reply_session(conn, TW_WIRE_ACCEPT_OK, ask.param.receiver_port, ask.param.sid, now);
}

/* Tests go on, the request is for later or for another connection. */
void
ctl_on_request_active(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	struct tw_ctl_reason reason = ctl_reason_of(TW_CTL_WHY_SESSION_WHILE_ACTIVE);

	(void)msg;
	refuse(conn, &reason, now);
}
