/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One scalar from text. Refusals name the key and what would be right, never the value: it may be
 * a secret that was typed in the wrong place.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf_i.h"
#include "tw_base.h"

static bool
bad(const struct tw_conf_key *key, struct tw_conf_err *err, const char *what)
{
	return tw_conf_refuse(err, TW_CONF_R_BAD_VALUE, key->name, "%s: %s", key->name, what);
}

/* Digits of a base up to the end. @return false on anything else or an overflow */
static bool
read_digits(const char *p, size_t len, unsigned base, uint64_t *out)
{
	uint64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];
		unsigned d = 99;

		if (isdigit(c))
			d = c - (unsigned)'0';
		else if (isxdigit(c))
			d = (unsigned)tolower(c) - (unsigned)'a' + 10;
		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, d, &v))
			return false;
	}
	*out = v;
	return true;
}

static bool
read_u64(const char *p, size_t len, uint64_t *out)
{
	if (len > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		return read_digits(p + 2, len - 2, 16, out);
	return read_digits(p, len, 10, out);
}

static bool
parse_u64(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	if (!read_u64(p, len, &out->u64))
		return bad(key, err, "give a whole number, decimal or 0x hexadecimal");
	return tw_conf_check_u64(key, out->u64, err);
}

static bool
parse_i64(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	bool is_negative = len > 0 && p[0] == '-';
	uint64_t v;

	if (!read_u64(p + is_negative, len - is_negative, &v) || v > INT64_MAX)
		return bad(key, err, "give a whole number, with a minus sign if negative");
	out->i64 = is_negative ? -(int64_t)v : (int64_t)v;
	return tw_conf_check_i64(key, out->i64, err);
}

static bool
parse_bool(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	static const char *const words[] = {"off", "on", "no", "yes", "false", "true"};

	for (size_t i = 0; i < TW_ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) == len && memcmp(words[i], p, len) == 0) {
			out->b = i & 1;
			return true;
		}
	}
	return bad(key, err, "give on or off");
}

static bool
parse_enum(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	char list[160] = "";
	size_t used = 0;

	for (unsigned i = 0; key->choices[i] != NULL; i++) {
		if (strlen(key->choices[i]) == len && memcmp(key->choices[i], p, len) == 0) {
			out->choice = i;
			return true;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
				i ? ", " : "", key->choices[i]);
	}
	return tw_conf_refuse(
		err, TW_CONF_R_BAD_VALUE, key->name, "%s must be one of: %s", key->name, list);
}

/* A short text as a C string, for the parsers of addresses. */
static bool
to_cstr(const char *p, size_t len, char *out, size_t size)
{
	if (len >= size || memchr(p, '\0', len) != NULL)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

static bool
parse_addr(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	char text[TW_PREFIX_STR_SIZE];

	if (!to_cstr(p, len, text, sizeof(text)) || !tw_addr_parse(text, &out->addr))
		return bad(key, err,
			"give a numeric IPv4 or IPv6 address (names are not resolved here)");
	return true;
}

static bool
parse_prefix(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	char text[TW_PREFIX_STR_SIZE];

	if (!to_cstr(p, len, text, sizeof(text)) || !tw_prefix_parse(text, &out->prefix))
		return bad(key, err, "give ADDRESS/BITS with host bits zero, such as 192.0.2.0/24");
	return true;
}

static bool
parse_range(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	const char *dash = memchr(p, '-', len);
	size_t lo_len = dash ? (size_t)(dash - p) : len;
	uint64_t lo = 0;
	uint64_t hi = 0;
	bool is_read = read_digits(p, lo_len, 10, &lo);

	hi = lo;
	if (is_read && dash)
		is_read = read_digits(dash + 1, len - lo_len - 1, 10, &hi);
	if (!is_read || lo > hi)
		return bad(key, err, "give LOW-HIGH or one number");
	if (!tw_conf_check_u64(key, lo, err) || !tw_conf_check_u64(key, hi, err))
		return false;
	if (hi > UINT32_MAX)
		return bad(key, err, "number too large");
	out->range = (struct tw_conf_range){.lo = (uint32_t)lo, .hi = (uint32_t)hi};
	return true;
}

/* ns per written unit; the key's own where none is written; 0 if unknown. */
static int64_t
written_unit(const struct tw_conf_key *key, const char *p, size_t len)
{
	static const struct {
		const char *word;
		int64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000LL},
		{"min", 60000000000LL}, {"h", 3600000000000LL}};

	if (len == 0)
		return tw_conf_unit_ns(key->name);
	for (size_t i = 0; i < TW_ARRAY_SIZE(units); i++) {
		if (strlen(units[i].word) == len && memcmp(units[i].word, p, len) == 0)
			return units[i].ns;
	}
	return 0;
}

/* "12", "0.25", "10ms" -> ns. Finer than one ns is refused rather than rounded. */
static bool
read_duration(const struct tw_conf_key *key, const char *p, size_t len, int64_t *out)
{
	size_t whole = 0;
	size_t frac = 0;
	uint64_t v = 0;
	int64_t scale;
	int64_t ns;

	while (whole < len && isdigit((unsigned char)p[whole]))
		whole++;
	if (whole < len && p[whole] == '.') {
		while (whole + 1 + frac < len && isdigit((unsigned char)p[whole + 1 + frac]))
			frac++;
		if (frac == 0)
			return false;
	}
	size_t end = whole + (frac ? frac + 1 : 0);

	scale = written_unit(key, p + end, len - end);
	if (scale == 0 || !read_digits(p, whole, 10, &v) || __builtin_mul_overflow(v, scale, &ns))
		return false;
	for (size_t i = 0; i < frac; i++) {
		int64_t d = p[whole + 1 + i] - '0';

		if (scale % 10 != 0 && d != 0)
			return false;
		scale /= 10;
		if (__builtin_add_overflow(ns, d * scale, &ns))
			return false;
	}
	*out = ns;
	return true;
}

static bool
parse_duration(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	bool is_negative = len > 0 && p[0] == '-';

	if (!read_duration(key, p + is_negative, len - is_negative, &out->i64))
		return bad(key, err, "give a duration such as 10, 0.5, 20ms, 1s, 5min");
	if (is_negative)
		out->i64 = -out->i64;
	return tw_conf_check_i64(key, out->i64, err);
}

static bool
parse_text(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_value *out,
	struct tw_conf_err *err)
{
	out->str.p = p;
	out->str.len = len;
	return tw_conf_check_str(key, p, len, err);
}

bool
tw_conf_parse(const struct tw_conf_key *key, const char *text, size_t len,
	struct tw_conf_value *out, struct tw_conf_err *err)
{
	static bool (*const parsers[TW_CONF_TYPE_N])(const struct tw_conf_key *, const char *,
		size_t, struct tw_conf_value *, struct tw_conf_err *) = {
		[TW_CONF_U64] = parse_u64,
		[TW_CONF_I64] = parse_i64,
		[TW_CONF_BOOL] = parse_bool,
		[TW_CONF_STR] = parse_text,
		[TW_CONF_SECRET] = parse_text,
		[TW_CONF_PATH] = parse_text,
		[TW_CONF_ENUM] = parse_enum,
		[TW_CONF_ADDR] = parse_addr,
		[TW_CONF_PREFIX] = parse_prefix,
		[TW_CONF_RANGE] = parse_range,
		[TW_CONF_DURATION] = parse_duration,
		[TW_CONF_ANY] = parse_text,
	};

	TW_ASSERT(key->type < TW_CONF_TYPE_N && parsers[key->type] != NULL);
	memset(out, 0, sizeof(*out));
	return parsers[key->type](key, text, len, out, err);
}
