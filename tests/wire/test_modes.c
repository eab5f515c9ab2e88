/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Legal selections, by the rules of RFC 4656 3.1, 5618 3.1, 5938 3.1 and 7717 5.1. */
#include <criterion/criterion.h>

#include "tw_base.h"
#include "tw_mode.h"

Test(modes, have_the_registered_values)
{
	cr_assert_eq(TW_MODE_OPEN, 1);
	cr_assert_eq(TW_MODE_AUTH, 2);
	cr_assert_eq(TW_MODE_ENCR, 4);
	cr_assert_eq(TW_MODE_MIXED, 8);
	cr_assert_eq(TW_MODE_INDIVIDUAL, 16);
	cr_assert_eq(TW_MODE_REFLECT, 32);
	cr_assert_eq(TW_MODE_SYMMETRICAL, 64);
	cr_assert_eq(TW_MODE_IKEV2, 128);
	cr_assert_eq(TW_MODE_DSCP_ECN, 256);
	cr_assert_eq(TW_MODE_PTPV2, 512);
}

/* The rules again, in other words: every selection of the known bits against some offers. */
Test(modes, one_security_bit_offered_and_a_use_for_the_key)
{
	static const uint32_t offers[] = {0, 1, 2, 4, 8, 15, 0x3ff, 0x1f, 0x8e, 0x2f3};

	for (size_t i = 0; i < TW_ARRAY_SIZE(offers); i++) {
		for (uint32_t mode = 0; mode <= TW_MODE_KNOWN_MASK; mode++) {
			bool is_legal = __builtin_popcount(mode & 15) == 1 &&
					(mode & offers[i]) == mode && !((mode & 128) && (mode & 1));

			cr_assert_eq(tw_mode_is_legal(mode, offers[i]), is_legal, "%u of %u", mode,
				offers[i]);
		}
	}
}

Test(modes, unassigned_bits_are_ignored)
{
	cr_assert(tw_mode_is_legal(2 | 1U << 10, 15));
	cr_assert(tw_mode_is_legal(2 | 1U << 31, 15));
	cr_assert_not(tw_mode_is_legal(1U << 31, 0xffffffff));
}

Test(modes, protect_what_their_bit_says)
{
	static const struct {
		uint32_t mode;
		bool control, test;
	} rows[] = {{1, false, false}, {2, true, true}, {4, true, true}, {8, true, false},
		{130, true, true}, {136, true, false}, {0, false, false}};

	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		cr_assert_eq(tw_mode_protects_control(rows[i].mode), rows[i].control);
		cr_assert_eq(tw_mode_protects_test(rows[i].mode), rows[i].test);
	}
}

Test(modes, have_names_both_ways)
{
	static const char *const names[] = {"open", "authenticated", "encrypted", "mixed"};

	for (unsigned bit = 0; bit < 4; bit++) {
		cr_assert_str_eq(tw_mode_name(1U << bit), names[bit]);
		cr_assert_str_eq(tw_mode_name(1U << bit | TW_MODE_IKEV2), names[bit]);
		cr_assert_eq(tw_mode_parse(names[bit]), 1U << bit);
	}
	cr_assert_str_eq(tw_mode_name(0), "none");
	cr_assert_str_eq(tw_mode_name(3), "none");
	cr_assert_eq(tw_mode_parse(""), 0);
	cr_assert_eq(tw_mode_parse("Open"), 0);
	cr_assert_eq(tw_mode_parse("opened"), 0);
	cr_assert_eq(tw_mode_parse("none"), 0);
}

Test(modes, rank_open_mixed_authenticated_encrypted)
{
	cr_assert_eq(tw_mode_rank(TW_MODE_OPEN), 1);
	cr_assert_eq(tw_mode_rank(TW_MODE_MIXED), 2);
	cr_assert_eq(tw_mode_rank(TW_MODE_AUTH | TW_MODE_IKEV2), 3);
	cr_assert_eq(tw_mode_rank(TW_MODE_ENCR), 4);
	cr_assert_eq(tw_mode_rank(0), 0);
	cr_assert_eq(tw_mode_rank(TW_MODE_OPEN | TW_MODE_ENCR), 0);
}
