/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Server-Start, RFC 4656 3.1: server to client. The last block is the first of the server's
 * encrypted stream and carries no HMAC of its own.
 *
 *     0 MBZ (15)     15 Accept     16 Server-IV (16)     32 Start-Time (8)     40 MBZ (8)
 */
#include "tw_wire.h"

bool
tw_wire_server_start_read(struct tw_rd *rd, struct tw_wire_server_start *out)
{
	return tw_rd_has(rd, TW_WIRE_SERVER_START_LEN) && tw_rd_skip(rd, 15) &&
	       tw_rd_u8(rd, &out->accept) &&
	       tw_rd_bytes(rd, out->server_iv, sizeof(out->server_iv)) &&
	       tw_rd_u64(rd, &out->start_time) && tw_rd_skip(rd, 8);
}

bool
tw_wire_server_start_write(struct tw_wr *wr, const struct tw_wire_server_start *in)
{
	return tw_wr_has(wr, TW_WIRE_SERVER_START_LEN) && tw_wr_zero(wr, 15) &&
	       tw_wr_u8(wr, in->accept) && tw_wr_bytes(wr, in->server_iv, sizeof(in->server_iv)) &&
	       tw_wr_u64(wr, in->start_time) && tw_wr_zero(wr, 8);
}
