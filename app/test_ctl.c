/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A test and its control connection: what the client machine tells, what is asked of the server.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "io_ctl.h"
#include "ports.h"
#include "test_i.h"
#include "tw_crypto.h"
#include "tw_mode.h"
#include "tw_tst.h"

/* Between the decision to start and the first departure: senders are made meanwhile. */
#define START_AHEAD_NS    INT64_C(5000000)
#define START_PER_SESS_NS INT64_C(40000)
#define UDP_HEADER        8U
#define IP4_HEADER        20U
#define IP6_HEADER        40U

/* What an errno of operations stands for which reason of the client machine. */
static int
reason_errno(const struct tw_ctl_reason *r)
{
	switch (r->why) {
	case TW_CTL_WHY_SETUP_AUTH:
	case TW_CTL_WHY_NO_KEY:
	case TW_CTL_WHY_BAD_HMAC:
	case TW_CTL_WHY_SETUP_IKE_AUTH:
	case TW_CTL_WHY_SETUP_NO_IKE_SA:
	case TW_CTL_WHY_CLIENT_NO_IKE_SA:
	case TW_CTL_WHY_CLIENT_IKE_IDENTITY:
	case TW_CTL_WHY_CLIENT_IKE_ENDED:
		return -EKEYREJECTED;
	case TW_CTL_WHY_IKE_NOT_OFFERED:
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
	tw_test_error_set(&t->error, reason_errno(r), NULL, "%s",
		tw_ctl_reason_str(r, where, text, sizeof(text)));
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
		return tw_test_error_set(
			&t->error, -EOPNOTSUPP, NULL, "no packet format for mode %s", mode);
	if (t->p.has_padding)
		size = t->fmt->req_min + t->p.padding;
	else if (size == 0)
		size = t->fmt->rep_min;
	if (size < t->fmt->req_min)
		return tw_test_error_set(&t->error, -EINVAL, "give a larger size, or none",
			"size %u is below the %u octets of a request in mode %s", size,
			t->fmt->req_min, mode);
	largest = size > t->fmt->rep_min ? size : t->fmt->rep_min;
	max = t->path.mtu > header_len(t) ? t->path.mtu - header_len(t) : 0;
	if (largest > max)
		return tw_test_error_set(&t->error, -EMSGSIZE,
			"give a smaller size, or raise the MTU",
			"a UDP payload of %u octets does not fit the MTU %u of %s (at most %u)",
			largest, t->path.mtu, t->path.ifname, max);
	t->size = (uint16_t)size;
	return 0;
}

static int
request_one(struct tw_test *t, struct tw_test_sess *s)
{
	static const struct tw_addr none = {.family = TW_ADDR_NONE};
	/* said in full: not every server takes zero for the ends of the control connection */
	const struct tw_ctl_want want = {
		.sender_addr = t->p.has_nat ? none : t->local,
		.receiver_addr = t->p.has_nat ? none : t->p.host,
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
		tw_test_end(t, TW_TEST_FAILED);
		return;
	}
	for (i = 0; i < t->p.sessions && t->cli != NULL; i++) {
		ret = request_one(t, &t->sess[i]);
		if (ret == 0)
			continue;
		tw_test_error_set(&t->error, ret, NULL, "session %u cannot be requested: %s", i + 1,
			strerror(-ret));
		tw_test_end(t, TW_TEST_FAILED);
		return;
	}
	if (t->cli != NULL)
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
			tw_test_error_set(&t->error, ret, NULL,
				"keys of session %u cannot be derived: %s", s->no, strerror(-ret));
			tw_test_end(t, TW_TEST_FAILED);
			return;
		}
	}
	if (t->answered_cnt < t->p.sessions)
		return;
	if (t->accepted_cnt == 0) {
		tw_test_end(t, TW_TEST_FAILED);
		return;
	}
	ret = tw_ctl_cli_start(tw_io_cli_machine(t->cli), tw_ctl_io_time(t->app));
	if (ret != 0) {
		tw_test_error_set(
			&t->error, ret, NULL, "sessions cannot be started: %s", strerror(-ret));
		tw_test_end(t, TW_TEST_FAILED);
	}
}

static void
on_started(struct tw_test *t)
{
	t->state = TW_TEST_STARTING;
	t->is_starting = true;
	t->next = 0;
	t->first_utc_ns =
		tw_test_now(t) + START_AHEAD_NS + START_PER_SESS_NS * (int64_t)t->accepted_cnt;
	t->started_utc_ns = t->first_utc_ns;
}

/* The server did not take our SA: it may just not know it yet. Once more, on a new connection. */
static void
again(struct tw_test *t, const struct tw_ctl_cli_event *ev)
{
	char addr[TW_ADDR_STR_SIZE], text[TW_CTL_REASON_SIZE];

	tw_log(TW_LOG_TEST, TW_LOG_WARNING, "test %u: %s; trying once more", t->id,
		tw_ctl_reason_str(&ev->reason, tw_addr_str(&t->p.host, addr), text, sizeof(text)));
	tw_test_ike_retry(t, ev->retry);
}

static void
on_closed(struct tw_test *t, const struct tw_ctl_cli_event *ev)
{
	tw_test_drop(t);
	t->is_results_invalid = ev->results_invalid;
	if (t->state < TW_TEST_STARTING && ev->retry != 0) {
		again(t, ev);
		return;
	}
	if (t->state < TW_TEST_STARTING) {
		error_reason(t, &ev->reason);
		tw_test_end(t, TW_TEST_FAILED);
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
on_fallback(struct tw_test *t, const struct tw_ctl_cli_event *ev)
{
	char addr[TW_ADDR_STR_SIZE], text[TW_CTL_REASON_SIZE];

	t->is_ike_fallback = true;
	tw_log(TW_LOG_TEST, TW_LOG_ERROR, "test %u: going on without an IKEv2-derived key: %s",
		t->id,
		tw_ctl_reason_str(&ev->reason, tw_addr_str(&t->p.host, addr), text, sizeof(text)));
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
		memcpy(t->spis, ev->spis, sizeof(t->spis));
		t->is_ready = true;
		request_all(t);
		break;
	case TW_CTL_CLI_EV_SESSION:
		on_session(t, ev);
		break;
	case TW_CTL_CLI_EV_STARTED:
		on_started(t);
		break;
	case TW_CTL_CLI_EV_FALLBACK:
		on_fallback(t, ev);
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

static enum tw_ctl_ike
on_cli_ike_key(void *arg, const struct tw_addr *server, uint8_t spis[TW_CTL_SPIS_LEN],
	struct tw_secret **secret)
{
	(void)server; /* that of the test */
	return tw_test_ike_key(arg, spis, secret);
}

static void
on_cli_failed(void *arg, int res, const char *why, const char *hint)
{
	struct tw_test *t = arg;

	tw_test_error_set(&t->error, res == -ENETUNREACH ? -EHOSTUNREACH : res, hint, "%s", why);
	tw_test_end(t, TW_TEST_FAILED);
}

static void
on_path(void *arg, int res, const struct tw_netlink_path *path, const char *why)
{
	struct tw_test *t = arg;

	if (res != 0) {
		tw_test_error_set(&t->error, -EHOSTUNREACH, NULL, "%s", why);
		tw_test_end(t, TW_TEST_FAILED);
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
	tw_test_error_set(&t->error, -ENOMEM, NULL, "no memory to watch the route");
	tw_test_end(t, TW_TEST_FAILED);
}

const struct tw_io_cli_ops tw_test_cli_ops = {
	.connected = on_cli_connected,
	.failed = on_cli_failed,
	.event = on_cli_event,
	.key = on_cli_key,
	.ike_key = on_cli_ike_key,
};
