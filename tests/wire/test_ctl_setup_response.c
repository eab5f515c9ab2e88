/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Set-Up-Response as the reference client sends it, KeyID "alice". */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

WIRE_MSG(SETUP_RESPONSE, setup_response, false);

static const char golden[] = "00000004 616c6963650000000000000000000000000000000000000000000000"
			     "0000000000000000000000000000000000000000000000000000000000000000"
			     "0000000000000000000000000000000000000000 a2603c59f83b20176e7d5810"
			     "d0dfeeee94a2c80c2938ce03b3038fd750505a6e294b4c227bdeddf79e582a6d"
			     "011ea4fd3e8752842177a2874534bf023fed08ab af9b01ae78a3198d5e60c5f0"
			     "12676c89";

static const struct wire_mbz mbz[] = {{0}};

Test(setup_response, is_sound_at_every_length_and_bit)
{
	wire_check(&msg, golden, mbz);
}

Test(setup_response, has_its_fields)
{
	struct tw_wire_setup_response m;
	uint8_t in[TW_WIRE_SETUP_RESPONSE_LEN];
	struct tw_rd rd = tw_rd_init(in, sizeof(in));

	golden_unhex(golden, in, sizeof(in));
	cr_assert(tw_wire_setup_response_read(&rd, &m));
	cr_assert_eq(m.mode, TW_MODE_ENCR);
	cr_assert_str_eq((const char *)m.key_id, "alice");
	cr_assert_eq(tw_wire_key_id_len(m.key_id), 5);
	cr_assert_arr_eq(m.key_id, in + 4, sizeof(m.key_id));
	cr_assert_arr_eq(m.token, in + 84, sizeof(m.token));
	cr_assert_arr_eq(m.client_iv, in + 148, sizeof(m.client_iv));
}
