/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Length rules of all commands, served or only consumed. */
#include <criterion/criterion.h>

#include "tw_wire.h"

static size_t
len_of(uint8_t cmd, size_t cnt_off, uint32_t cnt, uint32_t item_max)
{
	uint8_t first[TW_WIRE_BLOCK_LEN];

	memset(first, 0xff, sizeof(first));
	first[0] = cmd;
	if (cnt_off != 0)
		tw_store_be32(first + cnt_off, cnt);
	return tw_wire_cmd_len(first, item_max);
}

Test(cmds, fixed_lengths_ignore_the_rest_of_the_block)
{
	cr_assert_eq(len_of(TW_WIRE_CMD_START_SESSIONS, 0, 0, 0), 32);
	cr_assert_eq(len_of(TW_WIRE_CMD_STOP_SESSIONS, 0, 0, 0), 32);
	cr_assert_eq(len_of(TW_WIRE_CMD_FETCH_SESSION, 0, 0, 0), 48);
	cr_assert_eq(len_of(TW_WIRE_CMD_REQUEST_TW, 0, 0, 0), 112);
}

Test(cmds, items_are_bounded_before_the_length_is_computed)
{
	static const struct {
		uint8_t cmd;
		size_t cnt_off, base;
	} rules[] = {{TW_WIRE_CMD_REQUEST_OW, 4, 128}, {TW_WIRE_CMD_START_N, 12, 32},
		{TW_WIRE_CMD_STOP_N, 12, 32}};

	for (size_t i = 0; i < TW_ARRAY_SIZE(rules); i++) {
		uint8_t cmd = rules[i].cmd;
		size_t off = rules[i].cnt_off;

		cr_assert_eq(len_of(cmd, off, 0, 8), rules[i].base);
		cr_assert_eq(len_of(cmd, off, 8, 8), rules[i].base + 16 * 8);
		cr_assert_eq(len_of(cmd, off, 9, 8), 0);
		cr_assert_eq(len_of(cmd, off, 0x10000000, 8), 0);
		cr_assert_eq(len_of(cmd, off, 0xffffffff, 8), 0);
		cr_assert_eq(len_of(cmd, off, 0xffffffff, 0xffffffff),
			rules[i].base + 16 * (size_t)0xffffffff);
	}
}

Test(cmds, other_numbers_have_no_length)
{
	for (unsigned cmd = 0; cmd < 256; cmd++) {
		bool is_known = (cmd >= 1 && cmd <= 5) || cmd == 7 || cmd == 9;

		cr_assert_eq(len_of((uint8_t)cmd, 0, 0, 0xffffffff) != 0, is_known, "%u", cmd);
		cr_assert_eq(strcmp(tw_wire_cmd_name((uint8_t)cmd), "unknown") != 0, is_known);
	}
}

Test(cmds, only_the_owamp_request_has_two_hmacs)
{
	for (unsigned cmd = 0; cmd < 256; cmd++)
		cr_assert_eq(tw_wire_cmd_hmac1_off((uint8_t)cmd), cmd == 1 ? 96 : 0, "%u", cmd);
}

Test(cmds, unknown_accept_values_are_failures)
{
	for (unsigned a = 0; a < 256; a++) {
		enum tw_wire_accept want = a <= 6 ? (enum tw_wire_accept)a : TW_WIRE_ACCEPT_FAILURE;

		cr_assert_eq(tw_wire_accept_of((uint8_t)a), want);
		cr_assert_gt(strlen(tw_wire_accept_name((uint8_t)a)), 0);
	}
}
