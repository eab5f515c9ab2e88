/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Scalars: what is read, what is refused and with which reason, and that the written form reads
 * back.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tw_conf.h"

static const char *const words[] = {"open", "authenticated", NULL};

static const struct tw_conf_key count = TW_KEY("count", U64, "h", .min = 1, .max = 1000);
static const struct tw_conf_key any_count = TW_KEY("id", U64, "h");
static const struct tw_conf_key offset = TW_KEY("offset", I64, "h", .min = -5, .max = 5);
static const struct tw_conf_key flag = TW_KEY("flag", BOOL, "h");
static const struct tw_conf_key text = TW_KEY("text", STR, "h", .min = 1, .max = 4);
static const struct tw_conf_key mode = TW_KEY("mode", ENUM, "h", .choices = words);
static const struct tw_conf_key addr = TW_KEY("addr", ADDR, "h");
static const struct tw_conf_key prefix = TW_KEY("prefix", PREFIX, "h");
static const struct tw_conf_key ports = TW_KEY("ports", RANGE, "h", .min = 1, .max = 65535);
static const struct tw_conf_key wait_ms = TW_KEY("wait_ms", DURATION, "h");
static const struct tw_conf_key gap_us =
	TW_KEY("gap_us", DURATION, "h", .min = 1000, .max = 60000000000);
static const struct tw_conf_key secret = TW_KEY("secret", SECRET, "h", .min = 1, .max = 64);

static enum tw_conf_reason
refused(const struct tw_conf_key *key, const char *in)
{
	struct tw_conf_value v;
	struct tw_conf_err err = {0};

	if (tw_conf_parse(key, in, strlen(in), &v, &err))
		return TW_CONF_OK;
	cr_assert_str_eq(err.field, key->name);
	cr_assert(err.text[0] != '\0');
	return err.reason;
}

static struct tw_conf_value
read_ok(const struct tw_conf_key *key, const char *in)
{
	struct tw_conf_value v;
	struct tw_conf_err err = {0};

	cr_assert(tw_conf_parse(key, in, strlen(in), &v, &err), "%s: %s", in, err.text);
	return v;
}

Test(value, reads_numbers_and_bounds)
{
	cr_assert_eq(read_ok(&count, "1000").u64, 1000);
	cr_assert_eq(read_ok(&count, "0x10").u64, 16);
	cr_assert_eq(read_ok(&any_count, "18446744073709551615").u64, UINT64_MAX);
	cr_assert_eq(read_ok(&offset, "-5").i64, -5);
	cr_assert_eq(refused(&count, "0"), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&count, "1001"), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&offset, "6"), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&any_count, "18446744073709551616"), TW_CONF_R_BAD_VALUE);
	for (const char *const *bad = (const char *const[]){"", "-1", "+1", " 1", "1 ", "1e3", "0x",
		     "1a", "a", "0xg", NULL};
		*bad; bad++)
		cr_assert_eq(refused(&any_count, *bad), TW_CONF_R_BAD_VALUE, "'%s'", *bad);
	cr_assert_eq(refused(&offset, "--1"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&offset, "-"), TW_CONF_R_BAD_VALUE);
}

Test(value, reads_words_and_switches)
{
	cr_assert(read_ok(&flag, "on").b);
	cr_assert(read_ok(&flag, "true").b);
	cr_assert_not(read_ok(&flag, "no").b);
	cr_assert_eq(refused(&flag, "2"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(read_ok(&mode, "authenticated").choice, 1);
	cr_assert_eq(refused(&mode, "auth"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&mode, ""), TW_CONF_R_BAD_VALUE);
}

Test(value, reads_addresses_and_ranges)
{
	cr_assert_eq(read_ok(&addr, "192.0.2.1").addr.family, TW_ADDR_V4);
	cr_assert_eq(read_ok(&addr, "2001:db8::1").addr.family, TW_ADDR_V6);
	cr_assert_eq(refused(&addr, "192.0.2.300"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&addr, "host.example"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(read_ok(&prefix, "192.0.2.0/24").prefix.len, 24);
	cr_assert_eq(refused(&prefix, "192.0.2.1/24"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(read_ok(&ports, "20000-20010").range.hi, 20010);
	cr_assert_eq(read_ok(&ports, "862").range.lo, 862);
	cr_assert_eq(read_ok(&ports, "862").range.hi, 862);
	cr_assert_eq(refused(&ports, "2-1"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&ports, "1-"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&ports, "1-65536"), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&ports, "0"), TW_CONF_R_OUT_OF_BOUNDS);
}

Test(value, reads_durations_exactly)
{
	cr_assert_eq(read_ok(&wait_ms, "10").i64, 10000000);
	cr_assert_eq(read_ok(&wait_ms, "0.5").i64, 500000);
	cr_assert_eq(read_ok(&wait_ms, "10us").i64, 10000);
	cr_assert_eq(read_ok(&wait_ms, "1.5s").i64, 1500000000);
	cr_assert_eq(read_ok(&wait_ms, "2min").i64, 120000000000);
	cr_assert_eq(read_ok(&wait_ms, "1h").i64, 3600000000000);
	cr_assert_eq(read_ok(&wait_ms, "0.000001").i64, 1);
	cr_assert_eq(read_ok(&wait_ms, "0.000001000").i64, 1);
	cr_assert_eq(refused(&wait_ms, "0.0000001"), TW_CONF_R_BAD_VALUE);
	cr_assert_eq(refused(&wait_ms, "99999999999999999s"), TW_CONF_R_BAD_VALUE);
	for (const char *const *bad =
			(const char *const[]){"", ".", "1.", ".5", "ms", "1 ms", "1x", "1e3", NULL};
		*bad; bad++)
		cr_assert_eq(refused(&wait_ms, *bad), TW_CONF_R_BAD_VALUE, "'%s'", *bad);
	cr_assert_eq(refused(&gap_us, "0.5"), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&gap_us, "2min"), TW_CONF_R_OUT_OF_BOUNDS);
}

Test(value, states_bounds_in_the_unit_of_the_key)
{
	struct tw_conf_value v;
	struct tw_conf_err err;

	cr_assert_not(tw_conf_parse(&gap_us, "0", 1, &v, &err));
	cr_assert_str_eq(err.text, "gap_us must be 1 to 60000000");
}

Test(value, checks_text)
{
	cr_assert_eq(read_ok(&text, "abcd").str.len, 4);
	cr_assert_eq(refused(&text, ""), TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_eq(refused(&text, "abcde"), TW_CONF_R_TOO_LONG);
	cr_assert_eq(refused(&text, "\xc3\x28"), TW_CONF_R_BAD_VALUE);
}

Test(value, never_repeats_what_it_refuses)
{
	struct tw_conf_value v;
	struct tw_conf_err err;
	const char *hidden = "hunter2hunter2";

	for (const struct tw_conf_key *const *k = (const struct tw_conf_key *const[]){&count,
		     &offset, &flag, &text, &mode, &addr, &prefix, &ports, &wait_ms, NULL};
		*k; k++) {
		cr_assert_not(tw_conf_parse(*k, hidden, strlen(hidden), &v, &err));
		cr_assert_null(strstr(err.text, "hunter"), "%s", err.text);
	}
}

Test(value, knows_utf8)
{
	cr_assert(tw_conf_is_utf8("", 0));
	cr_assert(tw_conf_is_utf8("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	for (const char *const *bad = (const char *const[]){"\x80", "\xc0\xaf", "\xc1\x81",
		     "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
		     "\xf5\x80\x80\x80", "\xe2\x82", "\xff", NULL};
		*bad; bad++)
		cr_assert_not(tw_conf_is_utf8(*bad, strlen(*bad)));
}

Test(value, written_form_reads_back)
{
	static const struct {
		const struct tw_conf_key *key;
		const char *in;
		const char *out;
	} rows[] = {
		{&count, "0x10", "16"},
		{&offset, "-3", "-3"},
		{&flag, "yes", "on"},
		{&mode, "open", "open"},
		{&addr, "2001:DB8:0::1", "2001:db8::1"},
		{&prefix, "10.0.0.0/8", "10.0.0.0/8"},
		{&ports, "5-5", "5"},
		{&ports, "5-9", "5-9"},
		{&wait_ms, "1.5s", "1500"},
		{&wait_ms, "1us", "0.001"},
		{&wait_ms, "-0.25", "-0.25"},
		{&wait_ms, "0.050001", "0.050001"},
		{&secret, "hunter2", "***"},
		{&text, "ab", "ab"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tw_conf_value v = read_ok(rows[i].key, rows[i].in);

		cr_assert_eq(
			tw_conf_format(rows[i].key, &v, out, sizeof(out)), strlen(rows[i].out));
		cr_assert_str_eq(out, rows[i].out);
	}
}

Test(value, has_a_word_for_every_type_and_reason)
{
	for (unsigned i = 0; i < TW_CONF_R_N; i++)
		cr_assert_not_null(tw_conf_reason_str((enum tw_conf_reason)i));
	for (unsigned i = 0; i < TW_CONF_TYPE_N; i++)
		cr_assert_not_null(tw_conf_type_str(i));
	cr_assert_str_eq(tw_conf_type_str(99), "unknown");
}
