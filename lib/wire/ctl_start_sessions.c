/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Start-Sessions, RFC 4656 3.7: client to server, command 2.
 *
 *     0 2     1 MBZ (15)     16 HMAC (16)
 */
#include "wire_i.h"

bool
tw_wire_start_sessions_read(struct tw_rd *rd, struct tw_wire_start_sessions *out)
{
	return tw_wire_rd_cmd(rd, TW_WIRE_START_SESSIONS_LEN, TW_WIRE_CMD_START_SESSIONS) &&
	       tw_rd_skip(rd, 15) && tw_rd_bytes(rd, out->hmac, sizeof(out->hmac));
}

bool
tw_wire_start_sessions_write(struct tw_wr *wr, const struct tw_wire_start_sessions *in)
{
	return tw_wr_has(wr, TW_WIRE_START_SESSIONS_LEN) &&
	       tw_wr_u8(wr, TW_WIRE_CMD_START_SESSIONS) && tw_wr_zero(wr, 15) &&
	       tw_wr_bytes(wr, in->hmac, sizeof(in->hmac));
}
