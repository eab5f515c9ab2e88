/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Server-Greeting as the reference server sends it. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(GREETING, greeting, false);

static const char golden[] = "000000000000000000000000 0000000f e01606cfbe0ee401c0f504e3ed4c4aff "
			     "e4b21113a08282997275d960d5186c74 00000800 000000000000000000000000";

static const struct wire_mbz mbz[] = {{0, 12}, {52, 12}, {0}};

Test(greeting, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(greeting, has_its_fields)
{
	struct tw_wire_greeting m;
	uint8_t in[TW_WIRE_GREETING_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_greeting_read(&rd, &m));
	cr_assert_eq(m.modes, 15);
	cr_assert_arr_eq(m.challenge, in + 16, sizeof(m.challenge));
	cr_assert_arr_eq(m.salt, in + 32, sizeof(m.salt));
	cr_assert_eq(m.count, 2048);
}
