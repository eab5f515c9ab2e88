/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Set-Up-Response, RFC 4656 3.1: client to server, in clear.
 *
 *     0 Mode (4)     4 KeyID (80)     84 Token (64)     148 Client-IV (16)
 *
 * RFC 7717 figure 3 draws Token and Client-IV shorter; the sizes did not change.
 */
#include "tw_wire.h"

bool
tw_wire_setup_response_read(struct tw_rd *rd, struct tw_wire_setup_response *out)
{
	return tw_rd_has(rd, TW_WIRE_SETUP_RESPONSE_LEN) && tw_rd_u32(rd, &out->mode) &&
	       tw_rd_bytes(rd, out->key_id, sizeof(out->key_id)) &&
	       tw_rd_bytes(rd, out->token, sizeof(out->token)) &&
	       tw_rd_bytes(rd, out->client_iv, sizeof(out->client_iv));
}

bool
tw_wire_setup_response_write(struct tw_wr *wr, const struct tw_wire_setup_response *in)
{
	return tw_wr_has(wr, TW_WIRE_SETUP_RESPONSE_LEN) && tw_wr_u32(wr, in->mode) &&
	       tw_wr_bytes(wr, in->key_id, sizeof(in->key_id)) &&
	       tw_wr_bytes(wr, in->token, sizeof(in->token)) &&
	       tw_wr_bytes(wr, in->client_iv, sizeof(in->client_iv));
}
