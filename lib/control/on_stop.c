/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stop-Sessions, RFC 5357 3.8: not answered. Every started session must be counted, also those
 * that REFWAIT ended meanwhile.
 */
#include "srv_i.h"

void
ctl_on_stop(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	struct tw_rd rd = tw_rd_init(msg, TW_WIRE_STOP_SESSIONS_LEN);
	struct tw_wire_stop_sessions stop;

	tw_wire_stop_sessions_read(&rd, &stop);
	if (stop.session_cnt != conn->started_cnt) {
		ctl_conn_close_for(conn,
			ctl_reason_value(
				TW_CTL_WHY_STOP_COUNT, stop.session_cnt, conn->started_cnt),
			CONN_END_DROP, now);
		return;
	}
	if (stop.accept != 0)
		tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_STOP_INVALID]);
	ctl_sess_stop_all(conn, now);
	conn->started_cnt = 0;
	conn->quiet_since_ns = now.mono_ns; /* SERVWAIT runs again (RFC 5357 3.1) */
	conn->state = TW_CTL_CONN_READY;
}

/* Nothing was started: a protocol error. */
void
ctl_on_stop_ready(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now)
{
	(void)msg;
	ctl_conn_close(conn, TW_CTL_WHY_STOP_WITHOUT_START, now);
}
