/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Server-Greeting, RFC 4656 3.1: server to client, in clear.
 *
 *     0 Unused (12)          16 Challenge (16)     48 Count (4)
 *    12 Modes (4)            32 Salt (16)          52 MBZ (12)
 */
#include "tw_wire.h"

bool
tw_wire_greeting_read(struct tw_rd *rd, struct tw_wire_greeting *out)
{
	return tw_rd_has(rd, TW_WIRE_GREETING_LEN) && tw_rd_skip(rd, 12) &&
	       tw_rd_u32(rd, &out->modes) &&
	       tw_rd_bytes(rd, out->challenge, sizeof(out->challenge)) &&
	       tw_rd_bytes(rd, out->salt, sizeof(out->salt)) && tw_rd_u32(rd, &out->count) &&
	       tw_rd_skip(rd, 12);
}

bool
tw_wire_greeting_write(struct tw_wr *wr, const struct tw_wire_greeting *in)
{
	return tw_wr_has(wr, TW_WIRE_GREETING_LEN) && tw_wr_zero(wr, 12) &&
	       tw_wr_u32(wr, in->modes) && tw_wr_bytes(wr, in->challenge, sizeof(in->challenge)) &&
	       tw_wr_bytes(wr, in->salt, sizeof(in->salt)) && tw_wr_u32(wr, in->count) &&
	       tw_wr_zero(wr, 12);
}
