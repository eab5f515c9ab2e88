/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Request-TW-Session, RFC 5357 3.5: client to server, command 5.
 *
 *     0 5                         4 Number of Schedule Slots (4)   16 Sender Address (16)
 *     1 MBZ (4 bits), IPVN        8 Number of Packets (4)          32 Receiver Address (16)
 *     2 Conf-Sender              12 Sender Port (2)                48 SID (16)
 *     3 Conf-Receiver            14 Receiver Port (2)
 *    64 Padding Length (4)       84 Type-P Descriptor (4)          92 MBZ (4)
 *    68 Start Time (8)           88 Octets to be reflected (2)     96 HMAC (16)
 *    76 Timeout (8)              90 Length of padding to reflect (2)
 *
 * RFC 6038 4.1 took 88..91 out of the MBZ field of RFC 5357.
 */
#include "wire_i.h"

static bool
read_tail(struct tw_rd *rd, struct tw_wire_request_tw *out)
{
	return tw_rd_u32(rd, &out->padding_len) && tw_rd_u64(rd, &out->start_time) &&
	       tw_rd_u64(rd, &out->timeout) && tw_rd_u32(rd, &out->type_p) &&
	       tw_rd_u16(rd, &out->reflect_octets) && tw_rd_u16(rd, &out->reflect_len) &&
	       tw_rd_skip(rd, 4) && tw_rd_bytes(rd, out->hmac, sizeof(out->hmac));
}

bool
tw_wire_request_tw_read(struct tw_rd *rd, struct tw_wire_request_tw *out)
{
	if (!tw_wire_rd_cmd(rd, TW_WIRE_REQUEST_TW_LEN, TW_WIRE_CMD_REQUEST_TW) ||
		!tw_rd_u8(rd, &out->ipvn))
		return false;
	out->ipvn &= 0x0f;
	return tw_rd_u8(rd, &out->conf_sender) && tw_rd_u8(rd, &out->conf_receiver) &&
	       tw_rd_u32(rd, &out->slot_cnt) && tw_rd_u32(rd, &out->packet_cnt) &&
	       tw_rd_u16(rd, &out->sender_port) && tw_rd_u16(rd, &out->receiver_port) &&
	       tw_rd_bytes(rd, out->sender_addr, sizeof(out->sender_addr)) &&
	       tw_rd_bytes(rd, out->receiver_addr, sizeof(out->receiver_addr)) &&
	       tw_rd_bytes(rd, out->sid, sizeof(out->sid)) && read_tail(rd, out);
}

static bool
write_tail(struct tw_wr *wr, const struct tw_wire_request_tw *in)
{
	return tw_wr_u32(wr, in->padding_len) && tw_wr_u64(wr, in->start_time) &&
	       tw_wr_u64(wr, in->timeout) && tw_wr_u32(wr, in->type_p) &&
	       tw_wr_u16(wr, in->reflect_octets) && tw_wr_u16(wr, in->reflect_len) &&
	       tw_wr_zero(wr, 4) && tw_wr_bytes(wr, in->hmac, sizeof(in->hmac));
}

bool
tw_wire_request_tw_write(struct tw_wr *wr, const struct tw_wire_request_tw *in)
{
	return tw_wr_has(wr, TW_WIRE_REQUEST_TW_LEN) && tw_wr_u8(wr, TW_WIRE_CMD_REQUEST_TW) &&
	       tw_wr_u8(wr, in->ipvn & 0x0f) && tw_wr_u8(wr, in->conf_sender) &&
	       tw_wr_u8(wr, in->conf_receiver) && tw_wr_u32(wr, in->slot_cnt) &&
	       tw_wr_u32(wr, in->packet_cnt) && tw_wr_u16(wr, in->sender_port) &&
	       tw_wr_u16(wr, in->receiver_port) &&
	       tw_wr_bytes(wr, in->sender_addr, sizeof(in->sender_addr)) &&
	       tw_wr_bytes(wr, in->receiver_addr, sizeof(in->receiver_addr)) &&
	       tw_wr_bytes(wr, in->sid, sizeof(in->sid)) && write_tail(wr, in);
}
