/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Sessions of a client: requests one behind the other, answers in their order, start and stop. What
 * the server accepted counts until Stop, whatever came of it on our side: its count must agree
 * with ours (RFC 5357 3.8).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli_i.h"

/* --- requests --- */

static uint64_t
ntp_of_ns(int64_t ns)
{
	uint64_t s = (uint64_t)(ns / NS_PER_S);
	uint64_t rest = (uint64_t)(ns % NS_PER_S);

	return s << 32 | (rest << 32) / NS_PER_S;
}

/* Both addresses of one family, or left to the connection. @return IPVN, 0 if that is not so */
static uint8_t
ipvn_of(const struct tw_ctl_cli *cli, const struct tw_ctl_want *want)
{
	uint8_t s = want->sender_addr.family, r = want->receiver_addr.family;

	if (s == TW_ADDR_NONE && r == TW_ADDR_NONE)
		return cli->peer.family;
	if (s == TW_ADDR_NONE || r == TW_ADDR_NONE) {
		/* the one left out can only be of the connection's family */
		uint8_t named = s == TW_ADDR_NONE ? r : s;

		return named == cli->peer.family ? named : 0;
	}
	return s == r ? s : 0;
}

int
tw_ctl_cli_request(
	struct tw_ctl_cli *cli, const struct tw_ctl_want *want, void *user, struct tw_ctl_time now)
{
	struct cli_req *req;

	if (cli->state >= TW_CTL_CLI_CLOSING)
		return -ENOTCONN;
	if (cli->state == TW_CTL_CLI_WAIT_ACK || cli->state == TW_CTL_CLI_ACTIVE)
		return -EBUSY; /* RFC 4656 3.4: only Stop-Sessions is allowed */
	if (want->dscp > 63 || want->timeout_ns < 0 || want->sender_port == 0 ||
		ipvn_of(cli, want) == 0)
		return -EINVAL;
	if (cli->req_cnt + cli->accepted_cnt >= cli->cfg.session_max)
		return -ENOSPC;
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return -ENOMEM;
	req->want = *want;
	req->user = user;
	STAILQ_INSERT_TAIL(&cli->queued, req, link);
	cli->req_cnt++;
	ctl_cli_run(cli, now);
	return 0;
}

static int
put_request(struct tw_ctl_cli *cli, const struct tw_ctl_want *want, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&cli->io, TW_WIRE_REQUEST_TW_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_REQUEST_TW_LEN);
	struct tw_wire_request_tw req = {
		.ipvn = ipvn_of(cli, want),
		.sender_port = want->sender_port,
		.receiver_port = want->receiver_port,
		.padding_len = want->padding_len,
		.start_time = want->start_ntp,
		.timeout = ntp_of_ns(want->timeout_ns),
		.type_p = (uint32_t)want->dscp << 24,
	};

	tw_wire_addr_set(req.sender_addr, &want->sender_addr);
	tw_wire_addr_set(req.receiver_addr, &want->receiver_addr);
	tw_wire_request_tw_write(&wr, &req);
	return ctl_io_seal(&cli->io, msg, TW_WIRE_REQUEST_TW_LEN);
}

void
ctl_sess_pump(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	struct cli_req *req;
	int res;

	while ((req = STAILQ_FIRST(&cli->queued)) != NULL &&
		ctl_io_has_room(&cli->io, OUT_RESERVE + TW_WIRE_REQUEST_TW_LEN)) {
		res = put_request(cli, &req->want, now);
		if (res != 0) {
			ctl_cli_fail(cli, res, now);
			return;
		}
		if (STAILQ_EMPTY(&cli->asked))
			cli->wait_since_ns = now.mono_ns;
		STAILQ_REMOVE_HEAD(&cli->queued, link);
		STAILQ_INSERT_TAIL(&cli->asked, req, link);
	}
}

void
ctl_sess_forget(struct tw_ctl_cli *cli)
{
	struct cli_req *req;

	STAILQ_CONCAT(&cli->asked, &cli->queued);
	while ((req = STAILQ_FIRST(&cli->asked)) != NULL) {
		STAILQ_REMOVE_HEAD(&cli->asked, link);
		free(req);
	}
	cli->req_cnt = 0;
	cli->accepted_cnt = 0;
}

/* --- answers --- */

static int
show_accepted(struct tw_ctl_cli *cli, struct tw_ctl_cli_event *event)
{
	struct tw_crypto_keys *keys = NULL;
	int res;

	cli->accepted_cnt++;
	if (tw_mode_protects_test(cli->mode)) {
		keys = tw_crypto_alloc(sizeof(*keys));
		if (keys == NULL)
			return -ENOMEM;
		res = tw_crypto_test_keys(cli->io.keys, event->sid, keys);
		if (res != 0) {
			tw_crypto_free(keys);
			return res;
		}
	}
	event->keys = keys;
	cli->ops->event(cli->app, cli, event);
	tw_crypto_free(keys);
	return 0;
}

/* A whole message, checked; NULL if there is none, after what had to be done about it. */
static const uint8_t *
message(struct tw_ctl_cli *cli, size_t len, struct tw_ctl_time now)
{
	const uint8_t *msg;
	int res;

	msg = ctl_io_message(&cli->io, len, &res);
	if (msg != NULL)
		res = ctl_io_check(&cli->io, msg, len - TW_WIRE_HMAC_LEN);
	if (res == 0)
		return msg;
	ctl_cli_fail(cli, res, now);
	return NULL;
}

bool
ctl_sess_answer(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	const uint8_t *msg = message(cli, TW_WIRE_ACCEPT_SESSION_LEN, now);
	struct tw_wire_accept_session answer;
	struct tw_ctl_cli_event event;
	struct cli_req *req;
	struct tw_rd rd;
	int res = 0;

	if (msg == NULL)
		return false;
	rd = tw_rd_init(msg, TW_WIRE_ACCEPT_SESSION_LEN);
	tw_wire_accept_session_read(&rd, &answer);
	ctl_io_take(&cli->io, TW_WIRE_ACCEPT_SESSION_LEN, now.mono_ns);
	req = STAILQ_FIRST(&cli->asked);
	STAILQ_REMOVE_HEAD(&cli->asked, link);
	cli->req_cnt--;
	cli->wait_since_ns = now.mono_ns;
	event = ctl_cli_event(cli, TW_CTL_CLI_EV_SESSION);
	event.user = req->user;
	free(req);
	if (answer.accept != TW_WIRE_ACCEPT_OK) {
		event.reason = ctl_cli_reason(TW_CTL_WHY_SESSION_REFUSED, answer.accept);
		cli->ops->event(cli->app, cli, &event);
		return true;
	}
	if (answer.port == 0) {
		/* it believes that we have a session: there is no way to tell it otherwise */
		ctl_cli_close(cli, TW_CTL_WHY_SESSION_PORT_ZERO, now);
		return false;
	}
	event.port = answer.port;
	memcpy(event.sid, answer.sid, sizeof(event.sid));
	res = show_accepted(cli, &event);
	if (res != 0)
		ctl_cli_fail(cli, res, now);
	return res == 0;
}

/* --- start, stop --- */

int
tw_ctl_cli_start(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	uint8_t *msg;
	struct tw_wr wr;
	int res;

	if (cli->state >= TW_CTL_CLI_CLOSING)
		return -ENOTCONN;
	if (cli->state == TW_CTL_CLI_ACTIVE || cli->state == TW_CTL_CLI_WAIT_ACK)
		return -EBUSY;
	if (cli->state != TW_CTL_CLI_READY || cli->req_cnt > 0 ||
		!ctl_io_has_room(&cli->io, OUT_RESERVE))
		return -EAGAIN;
	if (cli->accepted_cnt == 0)
		return -ENOENT;
	msg = ctl_io_append(&cli->io, TW_WIRE_START_SESSIONS_LEN, now.mono_ns);
	wr = tw_wr_init(msg, TW_WIRE_START_SESSIONS_LEN);
	tw_wire_start_sessions_write(&wr, &(struct tw_wire_start_sessions){{0}});
	res = ctl_io_seal(&cli->io, msg, TW_WIRE_START_SESSIONS_LEN);
	if (res != 0) {
		ctl_cli_fail(cli, res, now);
		return -ENOTCONN;
	}
	cli->wait_since_ns = now.mono_ns;
	cli->state = TW_CTL_CLI_WAIT_ACK;
	return 0;
}

bool
ctl_sess_start_ack(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	const uint8_t *msg = message(cli, TW_WIRE_START_ACK_LEN, now);
	struct tw_ctl_cli_event event;
	struct tw_wire_start_ack ack;
	struct tw_rd rd;

	if (msg == NULL)
		return false;
	rd = tw_rd_init(msg, TW_WIRE_START_ACK_LEN);
	tw_wire_start_ack_read(&rd, &ack);
	ctl_io_take(&cli->io, TW_WIRE_START_ACK_LEN, now.mono_ns);
	if (ack.accept != TW_WIRE_ACCEPT_OK) { /* RFC 4656 3.7: SHOULD close */
		cli->state = TW_CTL_CLI_READY; /* nothing ever ran: no results are lost */
		ctl_cli_close_for(cli,
			&(struct cli_end){
				.reason = ctl_cli_reason(TW_CTL_WHY_START_REFUSED, ack.accept)},
			now);
		return false;
	}
	cli->state = TW_CTL_CLI_ACTIVE;
	event = ctl_cli_event(cli, TW_CTL_CLI_EV_STARTED);
	cli->ops->event(cli->app, cli, &event);
	return true;
}

int
tw_ctl_cli_stop(struct tw_ctl_cli *cli, uint8_t accept, struct tw_ctl_time now)
{
	struct tw_wire_stop_sessions stop = {.accept = accept, .session_cnt = cli->accepted_cnt};
	uint8_t *msg;
	struct tw_wr wr;
	int res;

	if (cli->state >= TW_CTL_CLI_CLOSING)
		return -ENOTCONN;
	if (cli->state != TW_CTL_CLI_ACTIVE)
		return -EINVAL;
	/* while tests run nothing else is sent: Start left long ago, there is room */
	msg = ctl_io_append(&cli->io, TW_WIRE_STOP_SESSIONS_LEN, now.mono_ns);
	wr = tw_wr_init(msg, TW_WIRE_STOP_SESSIONS_LEN);
	tw_wire_stop_sessions_write(&wr, &stop);
	res = ctl_io_seal(&cli->io, msg, TW_WIRE_STOP_SESSIONS_LEN);
	if (res != 0) {
		ctl_cli_fail(cli, res, now);
		return -ENOTCONN;
	}
	cli->accepted_cnt = 0;
	cli->state = TW_CTL_CLI_READY;
	return 0;
}

uint32_t
tw_ctl_cli_session_cnt(const struct tw_ctl_cli *cli)
{
	return cli->accepted_cnt;
}
