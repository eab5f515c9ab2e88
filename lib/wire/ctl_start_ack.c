/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Start-Ack, RFC 4656 3.7: server to client.
 *
 *     0 Accept     1 MBZ (15)     16 HMAC (16)
 */
#include "tw_wire.h"

bool
tw_wire_start_ack_read(struct tw_rd *rd, struct tw_wire_start_ack *out)
{
	return tw_rd_has(rd, TW_WIRE_START_ACK_LEN) && tw_rd_u8(rd, &out->accept) &&
	       tw_rd_skip(rd, 15) && tw_rd_bytes(rd, out->hmac, sizeof(out->hmac));
}

bool
tw_wire_start_ack_write(struct tw_wr *wr, const struct tw_wire_start_ack *in)
{
	return tw_wr_has(wr, TW_WIRE_START_ACK_LEN) && tw_wr_u8(wr, in->accept) &&
	       tw_wr_zero(wr, 15) && tw_wr_bytes(wr, in->hmac, sizeof(in->hmac));
}
