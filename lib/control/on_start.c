/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Start-Sessions, RFC 4656 3.7, RFC 5357 3.7: the reflector answers before Start-Ack says so.
 */
#include "srv_i.h"

static void
refuse(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now)
{
	struct tw_ctl_reason reason = ctl_reason_of(why);

	ctl_conn_note(conn, &reason);
	ctl_reply_start(conn, reason.accept, now);
}

void
ctl_on_start(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	uint32_t promised_cnt = conn->promised_cnt;

	(void)msg;
	conn->promised_cnt = 0;
	if (conn->reserved_cnt == 0) { /* none, or all grew too old meanwhile */
		refuse(conn, TW_CTL_WHY_START_EMPTY, now);
		return;
	}
	if (ctl_sess_start_all(conn) != 0) {
		refuse(conn, TW_CTL_WHY_START_FAILED, now);
		return;
	}
	conn->started_cnt = promised_cnt;
	conn->state = TW_CTL_CONN_ACTIVE;
	ctl_reply_start(conn, TW_WIRE_ACCEPT_OK, now);
}

/* Only Stop-Sessions is allowed while tests run; they go on (RFC 4656 3.4). */
void
ctl_on_start_active(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	(void)msg;
	refuse(conn, TW_CTL_WHY_START_RUNNING, now);
}
