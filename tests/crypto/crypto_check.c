/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared by the suites of this folder.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto_check.h"

const uint8_t check_sid[TW_CRYPTO_BLOCK_LEN] = {
	0xc0, 0, 2, 1, 0xec, 0, 0, 0x10, 0, 0, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4};

void
check_count_up(uint8_t *out, size_t len, uint8_t first)
{
	size_t i;

	for (i = 0; i < len; i++)
		out[i] = (uint8_t)(first + i);
}

const char *check_fast[3] = {"ipsec-mb"};

void
check_init(void)
{
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(4u << 20, why, sizeof(why)), 0, "%s", why);
	if (tw_engine_find("native")->is_supported())
		check_fast[1] = "native";
}

struct tw_crypto_keys *
check_keys(void)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));

	cr_assert_not_null(keys);
	check_count_up(keys->aes, sizeof(keys->aes), 0x20);
	check_count_up(keys->hmac, sizeof(keys->hmac), 0x30);
	return keys;
}

struct tw_engine *
check_engine(const char *name)
{
	const struct tw_engine_ops *ops = tw_engine_find(name);
	struct tw_engine *eng;
	void *mem;

	cr_assert_not_null(ops);
	mem = tw_crypto_map(tw_engine_size(ops));
	cr_assert_not_null(mem);
	cr_assert_eq(tw_engine_init(ops, mem, tw_engine_size(ops), &eng), 0);
	return eng;
}

void
check_engine_free(struct tw_engine *eng)
{
	size_t size = tw_engine_size(eng->ops);

	tw_engine_fini(eng);
	tw_crypto_unmap(eng, size);
}

void
check_random(uint64_t *state, void *out, size_t len)
{
	uint8_t *p = out;
	size_t i;

	for (i = 0; i < len; i++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		p[i] = (uint8_t)(*state >> 32);
	}
}

void
check_hex(const void *got, size_t len, const char *hex)
{
	char text[512 + 1];
	size_t i;

	cr_assert_leq(len, sizeof(text) / 2);
	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)got)[i]);
	cr_assert_str_eq(text, hex);
}
