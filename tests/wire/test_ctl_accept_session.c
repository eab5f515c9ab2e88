/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Accept-Session with every field set. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(ACCEPT_SESSION, accept_session, false);

static const char golden[] =
	"03 00 4a3c 0a630002eeae65dc13c7607c324576a2 0102 0304 0000000000000000"
	"0c47d7be7f09d9fbbdb51891c18065ed";

static const struct wire_mbz mbz[] = {{1, 1}, {24, 8}, {0}};

Test(accept_session, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(accept_session, has_its_fields)
{
	struct tw_wire_accept_session m;
	uint8_t in[TW_WIRE_ACCEPT_SESSION_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_accept_session_read(&rd, &m));
	cr_assert_eq(m.accept, TW_WIRE_ACCEPT_UNSUPPORTED);
	cr_assert_eq(m.port, 0x4a3c);
	cr_assert_arr_eq(m.sid, in + 4, sizeof(m.sid));
	cr_assert_eq(m.reflected_octets, 0x0102);
	cr_assert_eq(m.server_octets, 0x0304);
	cr_assert_arr_eq(m.hmac, in + 32, sizeof(m.hmac));
}
