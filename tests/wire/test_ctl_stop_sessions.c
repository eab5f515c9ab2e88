/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Stop-Sessions of a client that has doubts. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(STOP_SESSIONS, stop_sessions, true);

static const char golden[] =
	"03 01 0000 00000102 0000000000000000 e77034f77f0f5742dcef242987244140";

static const struct wire_mbz mbz[] = {{2, 2}, {8, 8}, {0}};

Test(stop_sessions, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(stop_sessions, has_its_fields)
{
	struct tw_wire_stop_sessions m;
	uint8_t in[TW_WIRE_STOP_SESSIONS_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_stop_sessions_read(&rd, &m));
	cr_assert_eq(m.accept, 1);
	cr_assert_eq(m.session_cnt, 0x102);
	cr_assert_arr_eq(m.hmac, in + 16, sizeof(m.hmac));
}
