/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Words for types and refusals, the checks that both forms of a value share.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_i.h"
#include "tw_base.h"

static const char *const reason_words[TW_CONF_R_N] = {
	[TW_CONF_OK] = "ok",
	[TW_CONF_R_UNKNOWN_KEY] = "unknown_key",
	[TW_CONF_R_DUPLICATE_KEY] = "duplicate_key",
	[TW_CONF_R_MISSING_KEY] = "missing_key",
	[TW_CONF_R_MISSING_VALUE] = "missing_value",
	[TW_CONF_R_WRONG_TYPE] = "wrong_type",
	[TW_CONF_R_BAD_VALUE] = "bad_value",
	[TW_CONF_R_OUT_OF_BOUNDS] = "out_of_bounds",
	[TW_CONF_R_TOO_LONG] = "too_long",
	[TW_CONF_R_BAD_LINE] = "bad_line",
};

static const char *const type_words[TW_CONF_TYPE_N] = {
	[TW_CONF_NONE] = "none",
	[TW_CONF_U64] = "number",
	[TW_CONF_I64] = "integer",
	[TW_CONF_BOOL] = "on|off",
	[TW_CONF_STR] = "text",
	[TW_CONF_SECRET] = "secret",
	[TW_CONF_PATH] = "file",
	[TW_CONF_ENUM] = "word",
	[TW_CONF_ADDR] = "address",
	[TW_CONF_PREFIX] = "prefix",
	[TW_CONF_RANGE] = "range",
	[TW_CONF_DURATION] = "duration",
	[TW_CONF_ANY] = "value",
};

const char *
tw_conf_reason_str(enum tw_conf_reason reason)
{
	return (unsigned)reason < TW_CONF_R_N ? reason_words[reason] : "unknown";
}

const char *
tw_conf_type_str(unsigned type)
{
	return type < TW_CONF_TYPE_N ? type_words[type] : "unknown";
}

const struct tw_conf_key *
tw_conf_find(const struct tw_conf_key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

bool
tw_conf_refuse(struct tw_conf_err *err, enum tw_conf_reason reason, const char *field,
	const char *fmt, ...)
{
	va_list ap;

	err->reason = reason;
	snprintf(err->field, sizeof(err->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

int64_t
tw_conf_unit_ns(const char *key_name)
{
	static const struct {
		const char *suffix;
		int64_t ns;
	} units[] = {{"_ns", 1}, {"_us", 1000}, {"_ms", 1000000}, {"_s", 1000000000}};
	size_t len = strlen(key_name);

	for (size_t i = 0; i < TW_ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].suffix);

		if (len > n && strcmp(key_name + len - n, units[i].suffix) == 0)
			return units[i].ns;
	}
	return 0;
}

bool
tw_conf_check_u64(const struct tw_conf_key *key, uint64_t v, struct tw_conf_err *err)
{
	const char *unit = key->unit ? key->unit : "";
	const char *gap = key->unit ? " " : "";

	if (v >= (uint64_t)key->min && (key->max == 0 || v <= (uint64_t)key->max))
		return true;
	if (key->max == 0)
		return tw_conf_refuse(err, TW_CONF_R_OUT_OF_BOUNDS, key->name,
			"%s must be at least %" PRId64 "%s%s", key->name, key->min, gap, unit);
	return tw_conf_refuse(err, TW_CONF_R_OUT_OF_BOUNDS, key->name,
		"%s must be %" PRId64 " to %" PRId64 "%s%s", key->name, key->min, key->max, gap,
		unit);
}

bool
tw_conf_check_i64(const struct tw_conf_key *key, int64_t v, struct tw_conf_err *err)
{
	char lo[40];
	char hi[40];

	if ((key->min == 0 && key->max == 0) || (v >= key->min && v <= key->max))
		return true;
	tw_conf_format(key, &(struct tw_conf_value){.i64 = key->min}, lo, sizeof(lo));
	tw_conf_format(key, &(struct tw_conf_value){.i64 = key->max}, hi, sizeof(hi));
	return tw_conf_refuse(err, TW_CONF_R_OUT_OF_BOUNDS, key->name, "%s must be %s to %s%s%s",
		key->name, lo, hi, key->unit ? " " : "", key->unit ? key->unit : "");
}

bool
tw_conf_check_str(const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_err *err)
{
	size_t max = conf_text_max(key);

	if (len < (size_t)key->min)
		return tw_conf_refuse(err, TW_CONF_R_OUT_OF_BOUNDS, key->name,
			"%s needs at least %" PRId64 " octet%s", key->name, key->min,
			key->min == 1 ? "" : "s");
	if (len > max)
		return tw_conf_refuse(err, TW_CONF_R_TOO_LONG, key->name,
			"%s may hold at most %zu octets", key->name, max);
	if (memchr(p, '\0', len) != NULL || !tw_conf_is_utf8(p, len))
		return tw_conf_refuse(err, TW_CONF_R_BAD_VALUE, key->name,
			"%s must be UTF-8 text without a NUL character", key->name);
	return true;
}

/* Octets of the sequence that starts with this one, 0 if none can. */
static size_t
utf8_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if ((first & 0xf0) == 0xe0)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* RFC 3629 section 4: the second octet is narrower after E0, ED, F0 and F4. */
static bool
utf8_second_is_valid(uint8_t first, uint8_t second)
{
	uint8_t lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= lo && second <= hi;
}

bool
tw_conf_is_utf8(const char *p, size_t len)
{
	const uint8_t *s = (const uint8_t *)p;
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_len(s[i]);

		if (n == 0 || n > len - i || (n > 1 && !utf8_second_is_valid(s[i], s[i + 1])))
			return false;
		for (size_t k = 2; k < n; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		}
		i += n;
	}
	return true;
}
