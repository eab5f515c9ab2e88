/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Commands of a server connection: how long they are, that they are genuine, which one is legal in
 * which state. What is not is answered with Accept-Session and Accept 3 (RFC 5357 3.5); the stream
 * stays in step where the length is known, else the connection ends.
 */
#include <errno.h>
#include <string.h>

#include "srv_i.h"

struct row {
	uint8_t cmd, state;
	step_fn fn;
};

static const struct row rows[] = {
#define STEP(NAME, state, fn) {TW_WIRE_CMD_##NAME, TW_CTL_CONN_##state, fn},
#include "steps.def"
};

static step_fn
find(uint8_t cmd, uint8_t state)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		if (rows[i].cmd == cmd && rows[i].state == state)
			return rows[i].fn;
	}
	return NULL;
}

/* --- answers --- */

static void
seal(struct tw_ctl_conn *conn, uint8_t *msg, size_t len, struct tw_ctl_time now)
{
	if (ctl_io_seal(&conn->io, msg, len) != 0)
		ctl_conn_close(conn, TW_CTL_WHY_CRYPTO, now);
}

void
ctl_reply_session(struct tw_ctl_conn *conn, uint8_t accept, uint16_t port, const uint8_t *sid,
	struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&conn->io, TW_WIRE_ACCEPT_SESSION_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_ACCEPT_SESSION_LEN);
	struct tw_wire_accept_session reply = {.accept = accept, .port = port};

	if (sid != NULL)
		memcpy(reply.sid, sid, sizeof(reply.sid));
	tw_wire_accept_session_write(&wr, &reply);
	seal(conn, msg, TW_WIRE_ACCEPT_SESSION_LEN, now);
}

void
ctl_reply_start(struct tw_ctl_conn *conn, uint8_t accept, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&conn->io, TW_WIRE_START_ACK_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_START_ACK_LEN);
	struct tw_wire_start_ack reply = {.accept = accept};

	tw_wire_start_ack_write(&wr, &reply);
	seal(conn, msg, TW_WIRE_START_ACK_LEN, now);
}

/* --- commands --- */

static void
refuse_command(struct tw_ctl_conn *conn, enum tw_ctl_why why, uint8_t cmd, struct tw_ctl_time now)
{
	struct tw_ctl_reason reason = ctl_reason_value(why, cmd, TW_WIRE_CMD_REQUEST_TW);

	tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_REFUSED_COMMANDS]);
	ctl_reply_session(conn, ctl_why_accept(why), 0, NULL, now);
	if (why == TW_CTL_WHY_COMMAND_UNKNOWN)
		ctl_conn_close_for(conn, reason, CONN_END_LOST, now);
	else
		ctl_conn_note(conn, &reason);
}

/* Every HMAC of the command, each over the text since the one before. */
static int
check(struct io *io, const uint8_t *msg, size_t len)
{
	size_t off = tw_wire_cmd_hmac1_off(msg[0]);
	size_t from = 0;
	int res;

	if (off != 0) {
		res = ctl_io_check(io, msg, off);
		if (res != 0)
			return res;
		from = off + TW_WIRE_HMAC_LEN;
	}
	return ctl_io_check(io, msg + from, len - from - TW_WIRE_HMAC_LEN);
}

static void
fail(struct tw_ctl_conn *conn, int res, struct tw_ctl_time now)
{
	/* no reply: RFC 4656 6.10 */
	ctl_conn_close(conn, res == -EBADMSG ? TW_CTL_WHY_BAD_HMAC : TW_CTL_WHY_CRYPTO, now);
}

bool
ctl_step(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	struct io *io = &conn->io;
	const uint8_t *msg;
	size_t len = 0;
	step_fn fn;
	int res;

	msg = ctl_io_block(io, &res);
	if (msg != NULL) {
		len = tw_wire_cmd_len(msg, REFUSED_ITEMS_MAX);
		if (len == 0) {
			refuse_command(conn, TW_CTL_WHY_COMMAND_UNKNOWN, msg[0], now);
			return false;
		}
		msg = ctl_io_message(io, len, &res);
	}
	if (res == 0 && msg != NULL)
		res = check(io, msg, len);
	if (res != 0)
		fail(conn, res, now);
	if (res != 0 || msg == NULL)
		return false;
	fn = find(msg[0], conn->state);
	if (fn != NULL)
		fn(conn, msg, now);
	else
		refuse_command(conn, TW_CTL_WHY_COMMAND_UNSUPPORTED, msg[0], now);
	ctl_io_take(io, len, now.mono_ns);
	return true;
}
