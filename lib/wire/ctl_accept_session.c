/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Accept-Session, RFC 5357 3.5: server to client.
 *
 *     0 Accept       2 Port (2)      20 Reflected octets (2)     24 MBZ (8)
 *     1 MBZ          4 SID (16)      22 Server octets (2)        32 HMAC (16)
 *
 * RFC 6038 4.2 took 20..23 out of the MBZ field of RFC 5357.
 */
#include "tw_wire.h"

bool
tw_wire_accept_session_read(struct tw_rd *rd, struct tw_wire_accept_session *out)
{
	return tw_rd_has(rd, TW_WIRE_ACCEPT_SESSION_LEN) && tw_rd_u8(rd, &out->accept) &&
	       tw_rd_skip(rd, 1) && tw_rd_u16(rd, &out->port) &&
	       tw_rd_bytes(rd, out->sid, sizeof(out->sid)) &&
	       tw_rd_u16(rd, &out->reflected_octets) && tw_rd_u16(rd, &out->server_octets) &&
	       tw_rd_skip(rd, 8) && tw_rd_bytes(rd, out->hmac, sizeof(out->hmac));
}

bool
tw_wire_accept_session_write(struct tw_wr *wr, const struct tw_wire_accept_session *in)
{
	return tw_wr_has(wr, TW_WIRE_ACCEPT_SESSION_LEN) && tw_wr_u8(wr, in->accept) &&
	       tw_wr_zero(wr, 1) && tw_wr_u16(wr, in->port) &&
	       tw_wr_bytes(wr, in->sid, sizeof(in->sid)) && tw_wr_u16(wr, in->reflected_octets) &&
	       tw_wr_u16(wr, in->server_octets) && tw_wr_zero(wr, 8) &&
	       tw_wr_bytes(wr, in->hmac, sizeof(in->hmac));
}
