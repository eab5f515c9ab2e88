/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stop-Sessions of TWAMP, RFC 5357 3.8: client to server, command 3, never answered. (That of
 * OWAMP carries session records and is another message.)
 *
 *     0 3     1 Accept     2 MBZ (2)     4 Number of Sessions (4)     8 MBZ (8)     16 HMAC (16)
 */
#include "wire_i.h"

bool
tw_wire_stop_sessions_read(struct tw_rd *rd, struct tw_wire_stop_sessions *out)
{
	return tw_wire_rd_cmd(rd, TW_WIRE_STOP_SESSIONS_LEN, TW_WIRE_CMD_STOP_SESSIONS) &&
	       tw_rd_u8(rd, &out->accept) && tw_rd_skip(rd, 2) &&
	       tw_rd_u32(rd, &out->session_cnt) && tw_rd_skip(rd, 8) &&
	       tw_rd_bytes(rd, out->hmac, sizeof(out->hmac));
}

bool
tw_wire_stop_sessions_write(struct tw_wr *wr, const struct tw_wire_stop_sessions *in)
{
	return tw_wr_has(wr, TW_WIRE_STOP_SESSIONS_LEN) &&
	       tw_wr_u8(wr, TW_WIRE_CMD_STOP_SESSIONS) && tw_wr_u8(wr, in->accept) &&
	       tw_wr_zero(wr, 2) && tw_wr_u32(wr, in->session_cnt) && tw_wr_zero(wr, 8) &&
	       tw_wr_bytes(wr, in->hmac, sizeof(in->hmac));
}
