/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Server-Start, in clear. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(SERVER_START, server_start, false);

static const char golden[] = "000000000000000000000000000000 05 f54b67685cb0a0faa070441d3c10db0a"
			     "eeae63f0d049dbec 0000000000000000";

static const struct wire_mbz mbz[] = {{0, 15}, {40, 8}, {0}};

Test(server_start, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(server_start, has_its_fields)
{
	struct tw_wire_server_start m;
	uint8_t in[TW_WIRE_SERVER_START_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_server_start_read(&rd, &m));
	cr_assert_eq(m.accept, TW_WIRE_ACCEPT_TEMPORARY_LIMIT);
	cr_assert_arr_eq(m.server_iv, in + 16, sizeof(m.server_iv));
	cr_assert_eq(m.start_time, 0xeeae63f0d049dbecULL);
}
