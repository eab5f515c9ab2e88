/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Start-Ack, refusing. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(START_ACK, start_ack, false);

static const char golden[] = "01 000000000000000000000000000000 304c001157704c89d78b1c369f0cdbf6";

static const struct wire_mbz mbz[] = {{1, 15}, {0}};

Test(start_ack, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(start_ack, has_its_fields)
{
	struct tw_wire_start_ack m;
	uint8_t in[TW_WIRE_START_ACK_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_start_ack_read(&rd, &m));
	cr_assert_eq(m.accept, TW_WIRE_ACCEPT_FAILURE);
	cr_assert_arr_eq(m.hmac, in + 16, sizeof(m.hmac));
}
