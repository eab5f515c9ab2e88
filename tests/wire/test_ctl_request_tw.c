/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Request-TW-Session with every field set to something else than its neighbours. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(REQUEST_TW, request_tw, true);

static const char golden[] =
	"05 04 01 02 00000003 00000004 4a3c 4a3d 0a630001000000000000000000000000"
	"0a630002000000000000000000000000 000102030405060708090a0b0c0d0e0f"
	"00000040 eeae65dd1587a4a4 0000000080000000 2e000000 0102 0304 00000000"
	"b1058c49fc15c02479586deb1ebd55b6";

static const struct wire_mbz mbz[] = {{1, 1, 0xf0}, {92, 4}, {0}};

Test(request_tw, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(request_tw, has_its_fields)
{
	struct tw_wire_request_tw m;
	uint8_t in[TW_WIRE_REQUEST_TW_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_request_tw_read(&rd, &m));
	cr_assert_eq(m.ipvn, 4);
	cr_assert_eq(m.conf_sender, 1);
	cr_assert_eq(m.conf_receiver, 2);
	cr_assert_eq(m.slot_cnt, 3);
	cr_assert_eq(m.packet_cnt, 4);
	cr_assert_eq(m.sender_port, 0x4a3c);
	cr_assert_eq(m.receiver_port, 0x4a3d);
	cr_assert_arr_eq(m.sender_addr, in + 16, sizeof(m.sender_addr));
	cr_assert_arr_eq(m.receiver_addr, in + 32, sizeof(m.receiver_addr));
	cr_assert_arr_eq(m.sid, in + 48, sizeof(m.sid));
	cr_assert_eq(m.padding_len, 64);
	cr_assert_eq(m.start_time, 0xeeae65dd1587a4a4ULL);
	cr_assert_eq(m.timeout, 0x80000000ULL);
	cr_assert_eq(m.type_p, 46U << 24);
	cr_assert_eq(m.reflect_octets, 0x0102);
	cr_assert_eq(m.reflect_len, 0x0304);
	cr_assert_arr_eq(m.hmac, in + 96, sizeof(m.hmac));
}
