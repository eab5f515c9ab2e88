/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Addresses and prefixes as an operator types them. */
#include <criterion/criterion.h>

#include "tw_addr.h"

Test(addr, prints_what_it_read)
{
	static const char *const texts[] = {"0.0.0.0", "192.0.2.1", "::", "2001:db8::1"};
	char out[TW_ADDR_STR_SIZE];
	struct tw_addr a;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert(tw_addr_parse(texts[i], &a));
		cr_assert_str_eq(tw_addr_str(&a, out), texts[i]);
	}
}

Test(addr, refuses_what_is_no_address)
{
	static const char *const texts[] = {"", "1.2.3", "1.2.3.4.5", "host", "1.2.3.4/8", "::g"};
	struct tw_addr a = {.family = 99};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert_not(tw_addr_parse(texts[i], &a), "%s", texts[i]);
		cr_assert_eq(a.family, 99);
	}
}

Test(addr, prefix_holds_its_addresses_only)
{
	struct tw_prefix p;
	struct tw_addr in, out, other;

	cr_assert(tw_prefix_parse("10.16.0.0/12", &p));
	cr_assert(tw_addr_parse("10.31.255.255", &in));
	cr_assert(tw_addr_parse("10.32.0.0", &out));
	cr_assert(tw_addr_parse("2001:db8::1", &other));
	cr_assert(tw_prefix_has(&p, &in));
	cr_assert_not(tw_prefix_has(&p, &out));
	cr_assert_not(tw_prefix_has(&p, &other));
}

Test(addr, prefix_of_length_zero_holds_its_family)
{
	struct tw_prefix p;
	struct tw_addr a, b;

	cr_assert(tw_prefix_parse("::/0", &p));
	cr_assert(tw_addr_parse("2001:db8::1", &a));
	cr_assert(tw_addr_parse("192.0.2.1", &b));
	cr_assert(tw_prefix_has(&p, &a));
	cr_assert_not(tw_prefix_has(&p, &b));
}

Test(addr, refuses_bad_prefixes)
{
	static const char *const texts[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8",
		"10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.0/0008", "2001:db8::/129", "x/8",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8"};
	struct tw_prefix p = {.len = 77};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert_not(tw_prefix_parse(texts[i], &p), "%s", texts[i]);
		cr_assert_eq(p.len, 77);
	}
}

Test(addr, host_prefix_needs_no_length)
{
	char out[TW_PREFIX_STR_SIZE];
	struct tw_prefix p;

	cr_assert(tw_prefix_parse("192.0.2.9", &p));
	cr_assert_str_eq(tw_prefix_str(&p, out), "192.0.2.9/32");
	cr_assert(tw_prefix_parse("2001:db8::9", &p));
	cr_assert_str_eq(tw_prefix_str(&p, out), "2001:db8::9/128");
}

Test(addr, equal_only_within_a_family)
{
	static const uint8_t octets[16] = {192, 0, 2, 1};
	struct tw_addr v4 = tw_addr_make(TW_ADDR_V4, octets);
	struct tw_addr v6 = tw_addr_make(TW_ADDR_V6, octets);
	struct tw_addr none = {0};

	cr_assert(tw_addr_equal(&v4, &v4));
	cr_assert_not(tw_addr_equal(&v4, &v6));
	cr_assert_not(tw_addr_equal(&none, &v4));
	cr_assert_eq(tw_addr_len(&v4), 4);
	cr_assert_eq(tw_addr_len(&v6), 16);
	cr_assert_eq(tw_addr_len(&none), 0);
}

Test(addr, unset_prints_as_a_dash_and_counts_as_zero)
{
	char out[TW_ADDR_STR_SIZE];
	struct tw_addr none = {0};
	struct tw_addr any, one;

	cr_assert_str_eq(tw_addr_str(&none, out), "-");
	cr_assert(tw_addr_is_zero(&none));
	cr_assert(tw_addr_parse("::", &any) && tw_addr_is_zero(&any));
	cr_assert(tw_addr_parse("::1", &one));
	cr_assert_not(tw_addr_is_zero(&one));
}

/* Every prefix length against an address that differs in exactly one bit. */
Test(addr, prefix_compares_exactly_its_bits)
{
	static const uint8_t zero[16];

	for (unsigned len = 0; len <= 128; len++) {
		struct tw_prefix p = {.addr = tw_addr_make(TW_ADDR_V6, zero), .len = (uint8_t)len};

		for (unsigned bit = 0; bit < 128; bit++) {
			struct tw_addr a = tw_addr_make(TW_ADDR_V6, zero);

			a.b[bit / 8] = (uint8_t)(0x80U >> (bit % 8));
			cr_assert_eq(tw_prefix_has(&p, &a), bit >= len, "/%u, bit %u", len, bit);
		}
	}
}
