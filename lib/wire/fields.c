/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Fields whose content has a form of its own: KeyID names (RFC 4656 3.1) and the addresses of
 * Request-TW-Session (RFC 4656 3.5).
 */
#include <string.h>

#include "tw_wire.h"

/* Octets that a UTF-8 character starting so must have, 0 if none starts so. */
static size_t
utf8_lead_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if ((lead & 0xe0) == 0xc0)
		return 2;
	if ((lead & 0xf0) == 0xe0)
		return 3;
	return (lead & 0xf8) == 0xf0 ? 4 : 0;
}

/* Octets of the character at s, 0 if it is none (RFC 3629: shortest form, no surrogates). */
static size_t
utf8_char_len(const uint8_t *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = utf8_lead_len(s[0]);
	uint32_t c;

	if (len <= 1 || len > left)
		return len > left ? 0 : len;
	c = s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

static bool
is_utf8(const uint8_t *s, size_t len)
{
	for (size_t n, i = 0; i < len; i += n) {
		n = utf8_char_len(s + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t
tw_wire_key_id_len(const uint8_t key_id[TW_WIRE_KEY_ID_LEN])
{
	size_t len = strnlen((const char *)key_id, TW_WIRE_KEY_ID_LEN);

	return is_utf8(key_id, len) ? len : 0;
}

bool
tw_wire_key_id_set(uint8_t key_id[TW_WIRE_KEY_ID_LEN], const char *name, size_t len)
{
	if (len == 0 || len > TW_WIRE_KEY_ID_LEN || memchr(name, 0, len) != NULL ||
		!is_utf8((const uint8_t *)name, len))
		return false;
	memset(key_id, 0, TW_WIRE_KEY_ID_LEN);
	memcpy(key_id, name, len);
	return true;
}

struct tw_addr
tw_wire_addr_get(uint8_t ipvn, const uint8_t field[TW_WIRE_ADDR_LEN])
{
	if (ipvn == 4)
		return tw_addr_make(TW_ADDR_V4, field);
	if (ipvn == 6)
		return tw_addr_make(TW_ADDR_V6, field);
	return (struct tw_addr){.family = TW_ADDR_NONE};
}

void
tw_wire_addr_set(uint8_t field[TW_WIRE_ADDR_LEN], const struct tw_addr *addr)
{
	memset(field, 0, TW_WIRE_ADDR_LEN);
	memcpy(field, addr->b, tw_addr_len(addr));
}
