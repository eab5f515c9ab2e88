/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared secrets: bounds, text forms, rules for passphrases. What a secret holds is seen through
 * the key it derives: equal secrets give equal token keys.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_check.h"

/* Derive with one iteration and drop. */
static void
derive(struct tw_secret *s, uint8_t tk[16])
{
	static const uint8_t salt[16];

	cr_assert_not_null(s);
	cr_assert_eq(tw_crypto_kdf(s, salt, 1, tk), 0);
	tw_secret_drop(s);
}

static void
expect_same(struct tw_secret *s, const void *octets, size_t len)
{
	uint8_t a[16], b[16];

	cr_assert_not_null(s);
	cr_assert_eq(tw_secret_len(s), len);
	derive(s, a);
	derive(tw_secret_new(octets, len), b);
	cr_assert_eq(memcmp(a, b, sizeof(a)), 0);
}

Test(secret, length_is_bounded, .init = check_init)
{
	static const uint8_t octets[TW_CRYPTO_SECRET_MAX + 1];
	struct tw_secret *s;

	cr_assert_null(tw_secret_new(octets, 0));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(tw_secret_new(octets, TW_CRYPTO_SECRET_MAX + 1));
	cr_assert_eq(errno, EINVAL);
	s = tw_secret_new(octets, TW_CRYPTO_SECRET_MAX);
	cr_assert_not_null(s);
	cr_assert_eq(tw_secret_len(s), TW_CRYPTO_SECRET_MAX);
	tw_secret_drop(s);
}

Test(secret, last_reference_frees, .init = check_init)
{
	size_t used = tw_crypto_heap_used();
	struct tw_secret *s = tw_secret_new("abc", 3);

	cr_assert_eq(tw_secret_hold(s), s);
	tw_secret_drop(s);
	cr_assert_gt(tw_crypto_heap_used(), used);
	tw_secret_drop(s);
	cr_assert_eq(tw_crypto_heap_used(), used);
	tw_secret_drop(NULL);
}

Test(secret, hex_is_decoded, .init = check_init)
{
	static const uint8_t want[] = {0x00, 0x0a, 0x0d, 0xfF, 0x9a, 0xA9};
	const char *bad[] = {
		"", "0", "0g", "g0", "/0", ":0", "@0", "`0", "0G", " 0", "00 ", "0x00"};
	size_t i;

	expect_same(tw_secret_from_hex("000A0dFf9aa9", 12), want, sizeof(want));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_null(tw_secret_from_hex(bad[i], strlen(bad[i])), "%s", bad[i]);
		cr_assert_eq(errno, EINVAL);
	}
}

/* RFC 4648 section 10. */
Test(secret, base64_is_decoded, .init = check_init)
{
	static const struct {
		const char *text, *octets;
	} rows[] = {{"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
		{"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}, {"+/+/", "\xfb\xff\xbf"}};
	const char *bad[] = {"", "=", "==", "===", "====", "Zg=", "Zg", "Z===", "Zg=a",
		"Z=g=", "Zh==", "Zm9=", "Zm9v=", "Zm9v\n", "Zm-v", "Zm_v", "Zm9vZg==Zm9v", "Zm9 ",
		"[m9v", "{m9v"};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_same(tw_secret_from_base64(rows[i].text, strlen(rows[i].text)),
			rows[i].octets, strlen(rows[i].octets));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_null(tw_secret_from_base64(bad[i], strlen(bad[i])), "%s", bad[i]);
}

Test(secret, every_octet_survives_both_text_forms, .init = check_init)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t all[258];
	char hex[2 * sizeof(all) + 1], b64[sizeof(all) / 3 * 4 + 1];
	size_t i;

	for (i = 0; i < sizeof(all); i++) {
		all[i] = (uint8_t)(i * 131 + 7);
		snprintf(hex + 2 * i, 3, i % 2 ? "%02x" : "%02X", all[i]);
	}
	for (i = 0; i < sizeof(all) / 3; i++) {
		uint32_t v =
			(uint32_t)all[3 * i] << 16 | (uint32_t)all[3 * i + 1] << 8 | all[3 * i + 2];

		snprintf(b64 + 4 * i, 5, "%c%c%c%c", digit[v >> 18], digit[v >> 12 & 63],
			digit[v >> 6 & 63], digit[v & 63]);
	}
	expect_same(tw_secret_from_hex(hex, strlen(hex)), all, sizeof(all));
	expect_same(tw_secret_from_base64(b64, strlen(b64)), all, sizeof(all));
}

Test(secret, passphrase_rules)
{
	char *large = calloc(1, TW_CRYPTO_SECRET_MAX + 1);
	unsigned warn = 99;

	cr_assert_eq(tw_secret_check_text("correct horse battery", 21, &warn), 0);
	cr_assert_eq(warn, 0);
	cr_assert_eq(tw_secret_check_text("", 0, &warn), -EINVAL);
	cr_assert_eq(tw_secret_check_text("correct horse\nbattery", 21, &warn), -EINVAL);
	cr_assert_eq(tw_secret_check_text("correct horse battery\r", 22, NULL), -EINVAL);
	cr_assert_eq(tw_secret_check_text("correct\thorse battery", 21, &warn), 0);
	cr_assert_eq(warn, TW_SECRET_WARN_CONTROL);
	cr_assert_eq(tw_secret_check_text("correct horse b\xc3\xa4ttery", 22, &warn), 0);
	cr_assert_eq(warn, TW_SECRET_WARN_NON_ASCII);
	cr_assert_eq(tw_secret_check_text("\x7f", 1, &warn), 0);
	cr_assert_eq(warn, TW_SECRET_WARN_CONTROL | TW_SECRET_WARN_SHORT);
	memset(large, 'x', TW_CRYPTO_SECRET_MAX + 1);
	cr_assert_eq(tw_secret_check_text(large, TW_CRYPTO_SECRET_MAX, &warn), 0);
	cr_assert_eq(tw_secret_check_text(large, TW_CRYPTO_SECRET_MAX + 1, &warn), -E2BIG);
	free(large);
}
