/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One value to text: the inverse of parse.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf_i.h"

/* In the key's own unit, without trailing zeros: exact, so that it reads back to the same ns. */
static int
format_duration(const struct tw_conf_key *key, int64_t ns, char *out, size_t size)
{
	int64_t scale = tw_conf_unit_ns(key->name);
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	int digits = 0;
	uint64_t frac;

	if (scale == 0)
		return snprintf(out, size, "%" PRId64 "ns", ns);
	frac = abs % (uint64_t)scale;
	for (int64_t s = scale; s > 1; s /= 10)
		digits++;
	while (digits > 0 && frac % 10 == 0) {
		frac /= 10;
		digits--;
	}
	if (digits == 0)
		return snprintf(out, size, "%s%" PRIu64, ns < 0 ? "-" : "", abs / (uint64_t)scale);
	return snprintf(out, size, "%s%" PRIu64 ".%0*" PRIu64, ns < 0 ? "-" : "",
		abs / (uint64_t)scale, digits, frac);
}

static int
format_range(const struct tw_conf_range *r, char *out, size_t size)
{
	if (r->lo == r->hi)
		return snprintf(out, size, "%" PRIu32, r->lo);
	return snprintf(out, size, "%" PRIu32 "-%" PRIu32, r->lo, r->hi);
}

size_t
tw_conf_format(const struct tw_conf_key *key, const struct tw_conf_value *v, char *out, size_t size)
{
	char addr[TW_PREFIX_STR_SIZE];
	int n = 0;

	switch (key->type) {
	case TW_CONF_U64:
		n = snprintf(out, size, "%" PRIu64, v->u64);
		break;
	case TW_CONF_I64:
		n = snprintf(out, size, "%" PRId64, v->i64);
		break;
	case TW_CONF_BOOL:
		n = snprintf(out, size, "%s", v->b ? "on" : "off");
		break;
	case TW_CONF_ENUM:
		n = snprintf(out, size, "%s", key->choices[v->choice]);
		break;
	case TW_CONF_ADDR:
		n = snprintf(out, size, "%s", tw_addr_str(&v->addr, addr));
		break;
	case TW_CONF_PREFIX:
		n = snprintf(out, size, "%s", tw_prefix_str(&v->prefix, addr));
		break;
	case TW_CONF_RANGE:
		n = format_range(&v->range, out, size);
		break;
	case TW_CONF_DURATION:
		n = format_duration(key, v->i64, out, size);
		break;
	case TW_CONF_SECRET:
		n = snprintf(out, size, "***");
		break;
	default:
		n = snprintf(out, size, "%s", v->str.p ? v->str.p : "");
		break;
	}
	return n < 0 ? 0 : (size_t)n;
}
