/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Start-Sessions as the reference client sends it. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(START_SESSIONS, start_sessions, true);

static const char golden[] = "02 000000000000000000000000000000 5468604679d4f80bcc672bd0cd8ce0ad";

static const struct wire_mbz mbz[] = {{1, 15}, {0}};

Test(start_sessions, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(start_sessions, has_its_fields)
{
	struct tw_wire_start_sessions m;
	uint8_t in[TW_WIRE_START_SESSIONS_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_start_sessions_read(&rd, &m));
	cr_assert_arr_eq(m.hmac, in + 16, sizeof(m.hmac));
}
