/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* KeyID names and the addresses of Request-TW-Session. */
#include <criterion/criterion.h>

#include "tw_wire.h"

static size_t
set_and_get(const char *name, size_t len)
{
	uint8_t key_id[TW_WIRE_KEY_ID_LEN];

	memset(key_id, 0xff, sizeof(key_id));
	if (!tw_wire_key_id_set(key_id, name, len)) {
		for (size_t i = 0; i < sizeof(key_id); i++)
			cr_assert_eq(key_id[i], 0xff);
		return 0;
	}
	cr_assert_arr_eq(key_id, name, len);
	for (size_t i = len; i < sizeof(key_id); i++)
		cr_assert_eq(key_id[i], 0);
	return tw_wire_key_id_len(key_id);
}

Test(fields, key_id_takes_utf8_up_to_its_size)
{
	static const char *const names[] = {"a", "alice", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"};
	char longest[TW_WIRE_KEY_ID_LEN + 1];

	for (size_t i = 0; i < TW_ARRAY_SIZE(names); i++)
		cr_assert_eq(set_and_get(names[i], strlen(names[i])), strlen(names[i]));
	memset(longest, 'k', sizeof(longest));
	cr_assert_eq(set_and_get(longest, TW_WIRE_KEY_ID_LEN), TW_WIRE_KEY_ID_LEN);
	cr_assert_eq(set_and_get(longest, TW_WIRE_KEY_ID_LEN + 1), 0);
}

Test(fields, key_id_refuses_what_is_no_name)
{
	/* empty, a zero inside; not UTF-8: bare tail, cut, overlong, surrogate, too large */
	static const char *const names[] = {"\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\xaf",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\xc3(", "\xe2(\xa1"};
	uint8_t field[TW_WIRE_KEY_ID_LEN] = {0};

	cr_assert_eq(set_and_get("", 0), 0);
	cr_assert_eq(set_and_get("a\0b", 3), 0);
	cr_assert_eq(tw_wire_key_id_len(field), 0);
	for (size_t i = 0; i < TW_ARRAY_SIZE(names); i++) {
		cr_assert_eq(set_and_get(names[i], strlen(names[i])), 0, "row %zu", i);
		memset(field, 0, sizeof(field));
		memcpy(field, names[i], strlen(names[i]));
		cr_assert_eq(tw_wire_key_id_len(field), 0, "row %zu", i);
	}
}

Test(fields, key_id_cut_inside_a_character_is_no_name)
{
	uint8_t field[TW_WIRE_KEY_ID_LEN];

	memset(field, 'a', sizeof(field));
	field[TW_WIRE_KEY_ID_LEN - 1] = 0xc3;
	cr_assert_eq(tw_wire_key_id_len(field), 0);
}

Test(fields, key_id_ends_at_the_first_zero)
{
	uint8_t field[TW_WIRE_KEY_ID_LEN] = "bob\0\xff";

	cr_assert_eq(tw_wire_key_id_len(field), 3);
}

Test(fields, addresses_go_through)
{
	uint8_t field[TW_WIRE_ADDR_LEN];
	struct tw_addr v4, v6, got;

	cr_assert(tw_addr_parse("192.0.2.1", &v4));
	cr_assert(tw_addr_parse("2001:db8::1", &v6));

	memset(field, 0xff, sizeof(field));
	tw_wire_addr_set(field, &v4);
	cr_assert_arr_eq(field, ((uint8_t[16]){192, 0, 2, 1}), 16);
	got = tw_wire_addr_get(4, field);
	cr_assert(tw_addr_equal(&got, &v4));

	tw_wire_addr_set(field, &v6);
	got = tw_wire_addr_get(6, field);
	cr_assert(tw_addr_equal(&got, &v6));
}

Test(fields, other_versions_have_no_address)
{
	static const uint8_t field[TW_WIRE_ADDR_LEN] = {1};

	for (uint8_t ipvn = 0; ipvn < 16; ipvn++) {
		struct tw_addr a = tw_wire_addr_get(ipvn, field);

		cr_assert_eq(a.family, ipvn == 4 || ipvn == 6 ? ipvn : TW_ADDR_NONE);
	}
}
