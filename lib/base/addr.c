/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Addresses and prefixes: text in, text out, comparison. No name is ever resolved here.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tw_addr.h"

size_t
tw_addr_len(const struct tw_addr *a)
{
	return a->family == TW_ADDR_V4 ? 4 : a->family == TW_ADDR_V6 ? 16 : 0;
}

struct tw_addr
tw_addr_make(uint8_t family, const void *octets)
{
	struct tw_addr a = {.family = family};

	memcpy(a.b, octets, tw_addr_len(&a));
	return a;
}

bool
tw_addr_equal(const struct tw_addr *a, const struct tw_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, tw_addr_len(a)) == 0;
}

bool
tw_addr_is_zero(const struct tw_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, tw_addr_len(a)) == 0;
}

bool
tw_addr_parse(const char *text, struct tw_addr *out)
{
	struct tw_addr a = {.family = TW_ADDR_V4};

	if (inet_pton(AF_INET, text, a.b) != 1) {
		memset(a.b, 0, sizeof(a.b));
		a.family = TW_ADDR_V6;
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return false;
	}
	*out = a;
	return true;
}

const char *
tw_addr_str(const struct tw_addr *a, char out[TW_ADDR_STR_SIZE])
{
	int af = a->family == TW_ADDR_V4 ? AF_INET : AF_INET6;

	if (tw_addr_len(a) == 0 || inet_ntop(af, a->b, out, TW_ADDR_STR_SIZE) == NULL)
		memcpy(out, "-", 2);
	return out;
}

static bool
host_bits_are_zero(const struct tw_addr *a, unsigned len)
{
	for (unsigned bit = len; bit < 8 * tw_addr_len(a); bit++) {
		if (a->b[bit / 8] & (0x80U >> (bit % 8)))
			return false;
	}
	return true;
}

bool
tw_prefix_parse(const char *text, struct tw_prefix *out)
{
	char addr[TW_ADDR_STR_SIZE];
	const char *slash = strchr(text, '/');
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	struct tw_prefix p;
	unsigned len = 0;

	if (addr_len >= sizeof(addr))
		return false;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	if (!tw_addr_parse(addr, &p.addr))
		return false;
	if (slash == NULL) {
		len = (unsigned)(8 * tw_addr_len(&p.addr));
	} else {
		size_t digits = strspn(slash + 1, "0123456789");

		if (digits < 1 || digits > 3 || slash[1 + digits] != '\0')
			return false;
		for (size_t i = 1; i <= digits; i++)
			len = 10 * len + (unsigned)(slash[i] - '0');
	}
	if (len > 8 * tw_addr_len(&p.addr) || !host_bits_are_zero(&p.addr, len))
		return false;
	p.len = (uint8_t)len;
	*out = p;
	return true;
}

const char *
tw_prefix_str(const struct tw_prefix *p, char out[TW_PREFIX_STR_SIZE])
{
	char addr[TW_ADDR_STR_SIZE];

	snprintf(out, TW_PREFIX_STR_SIZE, "%s/%u", tw_addr_str(&p->addr, addr), p->len);
	return out;
}

bool
tw_prefix_has(const struct tw_prefix *p, const struct tw_addr *a)
{
	unsigned whole = p->len / 8;
	unsigned rest = p->len % 8;

	if (p->addr.family != a->family || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}
