/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Server connections as operations and logs see them.
 */
#include <string.h>

#include "srv_i.h"

static const char *const states[TW_CTL_CONN_N] = {
	[TW_CTL_CONN_WAIT_SETUP] = "wait-setup",
	[TW_CTL_CONN_WAIT_SA] = "wait-ike-sa",
	[TW_CTL_CONN_WAIT_KDF] = "wait-key",
	[TW_CTL_CONN_READY] = "ready",
	[TW_CTL_CONN_ACTIVE] = "active",
	[TW_CTL_CONN_CLOSING] = "closing",
	[TW_CTL_CONN_DONE] = "done",
};

const char *
tw_ctl_conn_state_name(unsigned state)
{
	return state < TW_CTL_CONN_N && states[state] != NULL ? states[state] : "?";
}

void
tw_ctl_conn_info_get(const struct tw_ctl_conn *conn, struct tw_ctl_conn_info *out)
{
	*out = (struct tw_ctl_conn_info){
		.state = conn->state,
		.cls = conn->cls,
		.mode = conn->mode,
		.peer = conn->peer,
		.peer_port = conn->peer_port,
		.local = conn->local,
		.reserved_cnt = conn->reserved_cnt,
		.running_cnt = conn->running_cnt,
		.draining_cnt = conn->draining_cnt,
		.reason = conn->reason,
		.has_spis = (conn->mode & TW_MODE_IKEV2) != 0,
	};
	memcpy(out->spis, conn->spis, sizeof(out->spis));
	/* a name that did not authenticate is an attacker's text: not shown */
	if (conn->is_authenticated)
		memcpy(out->key_id, conn->key_id.b, conn->key_id.len);
}
