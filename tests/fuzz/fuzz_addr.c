/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Addresses, prefixes, mode names and KeyIDs as text: what was read prints, and reads again as the
 * same.
 */
#include "fuzz.h"
#include "tw_addr.h"
#include "tw_wire.h"

static void
take_addr(const char *text)
{
	char out[TW_ADDR_STR_SIZE];
	struct tw_addr a, b;

	if (!tw_addr_parse(text, &a))
		return;
	CHECK(tw_addr_parse(tw_addr_str(&a, out), &b));
	CHECK(tw_addr_equal(&a, &b));
}

static void
take_prefix(const char *text)
{
	char out[TW_PREFIX_STR_SIZE];
	struct tw_prefix p, q;

	if (!tw_prefix_parse(text, &p))
		return;
	CHECK(p.len <= 8 * tw_addr_len(&p.addr));
	CHECK(tw_prefix_has(&p, &p.addr));
	CHECK(tw_prefix_parse(tw_prefix_str(&p, out), &q));
	CHECK(tw_addr_equal(&p.addr, &q.addr) && p.len == q.len);
}

static void
take_key_id(const uint8_t *data, size_t size)
{
	uint8_t field[TW_WIRE_KEY_ID_LEN] = {0};
	size_t len;

	if (tw_wire_key_id_set(field, (const char *)data, size)) {
		CHECK(tw_wire_key_id_len(field) == size);
		CHECK(memcmp(field, data, size) == 0);
	}
	if (size >= sizeof(field)) {
		len = tw_wire_key_id_len(data);
		CHECK(len <= sizeof(field));
		CHECK(len == 0 || tw_wire_key_id_set(field, (const char *)data, len));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint32_t mode;

	CHECK(text != NULL);
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	take_addr(text);
	take_prefix(text);
	mode = tw_mode_parse(text);
	CHECK(mode == 0 || strcmp(tw_mode_name(mode), text) == 0);
	take_key_id(data, size);
	free(text);
	return 0;
}
