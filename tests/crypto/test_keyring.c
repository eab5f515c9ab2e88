/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Keyring: names, changes, references, order and bounds.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_check.h"
#include "tw_keyring.h"

static struct tw_keyring_id
id(const char *text)
{
	struct tw_keyring_id out;

	cr_assert_eq(tw_keyring_id_make(text, strlen(text), &out), 0);
	return out;
}

static int
set(struct tw_keyring *kr, const char *name, const char *octets, bool replace)
{
	struct tw_secret *s = tw_secret_new(octets, strlen(octets));
	struct tw_keyring_id n = id(name);
	int rc = tw_keyring_set(kr, &n, s, replace);

	tw_secret_drop(s);
	return rc;
}

Test(keyring, names_are_utf8)
{
	/* UTF-8 edges of RFC 3629: overlong forms, surrogates, above U+10FFFF, cut sequences */
	static const char *const good[] = {"a", "alice", "\x7f", "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "J\xc3\xbcrgen"};
	static const char *const bad[] = {"", "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
		"\xc2z", "\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80", "\xe1\x80z", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "\xfe", "ok\xc3"};
	struct tw_keyring_id out;
	uint8_t field[80];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(field, 0, sizeof(field));
		memcpy(field, good[i], strlen(good[i]));
		cr_assert_eq(tw_keyring_id_make(good[i], strlen(good[i]), &out), 0, "row %zu", i);
		cr_assert(tw_keyring_id_read(field, &out), "row %zu", i);
		cr_assert_eq(out.len, strlen(good[i]));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(field, 0, sizeof(field));
		memcpy(field, bad[i], strlen(bad[i]));
		cr_assert_eq(
			tw_keyring_id_make(bad[i], strlen(bad[i]), &out), -EINVAL, "row %zu", i);
		cr_assert_not(tw_keyring_id_read(field, &out), "row %zu", i);
	}
	cr_assert_eq(tw_keyring_id_make("a\0b", 3, &out), -EINVAL);
}

Test(keyring, name_ends_at_first_zero_or_80)
{
	struct tw_keyring_id a, b;
	char text[81];
	uint8_t field[80], back[80];

	memset(text, 'x', sizeof(text));
	memset(field, 'x', sizeof(field));
	cr_assert(tw_keyring_id_read(field, &a));
	cr_assert_eq(a.len, 80);
	cr_assert_eq(tw_keyring_id_make(text, 80, &b), 0);
	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
	cr_assert_eq(tw_keyring_id_make(text, 81, &b), -EINVAL);
	tw_keyring_id_write(&a, back);
	cr_assert_eq(memcmp(back, field, 80), 0);
	field[5] = 0; /* what follows is ignored */
	cr_assert(tw_keyring_id_read(field, &a));
	cr_assert_eq(a.len, 5);
	tw_keyring_id_write(&a, back);
	cr_assert_eq(memcmp(back, "xxxxx\0\0\0", 8), 0);
	field[0] = 0;
	cr_assert_not(tw_keyring_id_read(field, &a));
}

Test(keyring, add_replace_remove, .init = check_init)
{
	struct tw_keyring *kr = tw_keyring_new(0);
	struct tw_keyring_id alice = id("alice"), bob = id("bob");
	struct tw_secret *old, *now;
	bool is_known;

	cr_assert_eq(set(kr, "alice", "one secret", true), -ENOENT);
	cr_assert_eq(set(kr, "alice", "one secret", false), 0);
	cr_assert_eq(set(kr, "alice", "two", false), -EEXIST);
	cr_assert(tw_keyring_has(kr, &alice));
	old = tw_keyring_find(kr, &alice, &is_known);
	cr_assert(is_known);
	cr_assert_eq(tw_secret_len(old), strlen("one secret"));
	cr_assert_eq(set(kr, "alice", "two", true), 0);
	now = tw_keyring_find(kr, &alice, NULL);
	cr_assert_eq(tw_secret_len(now), strlen("two"));
	/* a derivation that holds the old one is not disturbed */
	cr_assert_eq(tw_secret_len(old), strlen("one secret"));
	cr_assert_eq(tw_keyring_remove(kr, &bob), -ENOENT);
	cr_assert_eq(tw_keyring_remove(kr, &alice), 0);
	cr_assert_eq(tw_keyring_remove(kr, &alice), -ENOENT);
	cr_assert_not(tw_keyring_has(kr, &alice));
	cr_assert_eq(tw_keyring_count(kr), 0);
	tw_secret_drop(old);
	tw_secret_drop(now);
	tw_keyring_free(kr);
	tw_keyring_free(NULL);
}

Test(keyring, unknown_names_get_a_dummy, .init = check_init)
{
	struct tw_keyring *kr = tw_keyring_new(4), *other = tw_keyring_new(4);
	struct tw_keyring_id nobody = id("nobody"), bad;
	uint8_t field[80] = {0xFF}, salt[16] = {0}, a[16], b[16];
	struct tw_secret *s, *t;
	bool is_known = true;

	cr_assert_not(tw_keyring_id_read(field, &bad));
	s = tw_keyring_find(kr, &nobody, &is_known);
	cr_assert_not(is_known);
	t = tw_keyring_find(kr, &bad, &is_known);
	cr_assert_not(is_known);
	cr_assert_eq(s, t);
	tw_secret_drop(t);
	t = tw_keyring_find(other, &nobody, NULL);
	cr_assert_eq(tw_crypto_kdf(s, salt, 1, a), 0);
	cr_assert_eq(tw_crypto_kdf(t, salt, 1, b), 0);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
	tw_keyring_free(kr);
	cr_assert_eq(tw_crypto_kdf(s, salt, 1, b), 0); /* references outlive the ring */
	cr_assert_eq(memcmp(a, b, sizeof(a)), 0);
	tw_secret_drop(s);
	tw_secret_drop(t);
	tw_keyring_free(other);
}

Test(keyring, names_page_in_order, .init = check_init)
{
	static const char *const names[] = {"m", "b", "ba", "z", "a", "\xc3\xa4"};
	static const char *const sorted[] = {"a", "b", "ba", "m", "z", "\xc3\xa4"};
	struct tw_keyring *kr = tw_keyring_new(10);
	struct tw_keyring_id at;
	unsigned i;

	for (i = 0; i < 6; i++)
		cr_assert_eq(set(kr, names[i], names[i], false), 0);
	for (i = 0; i < 6; i++) {
		at = id(sorted[i]);
		cr_assert_eq(memcmp(tw_keyring_at(kr, i), &at, sizeof(at)), 0);
		cr_assert_eq(tw_keyring_after(kr, &at), i + 1);
	}
	cr_assert_null(tw_keyring_at(kr, 6));
	at = id("c");
	cr_assert_eq(tw_keyring_after(kr, &at), 3);
	tw_keyring_free(kr);
}

Test(keyring, is_bounded_and_gives_memory_back, .init = check_init)
{
	size_t used = tw_crypto_heap_used();
	struct tw_keyring *kr = tw_keyring_new(0);
	char name[24];
	unsigned i;

	for (i = 0; i < TW_KEYRING_DEFAULT; i++) {
		snprintf(name, sizeof(name), "user-%u", i * 7919u % TW_KEYRING_DEFAULT);
		cr_assert_eq(set(kr, name, name, false), 0);
	}
	cr_assert_eq(set(kr, "one more", "x", false), -ENOSPC);
	cr_assert_eq(tw_keyring_count(kr), TW_KEYRING_DEFAULT);
	for (i = 0; i < TW_KEYRING_DEFAULT; i++) {
		struct tw_keyring_id n;

		snprintf(name, sizeof(name), "user-%u", i);
		n = id(name);
		cr_assert(tw_keyring_has(kr, &n));
		if (i % 2)
			cr_assert_eq(tw_keyring_remove(kr, &n), 0);
	}
	cr_assert_eq(tw_keyring_count(kr), TW_KEYRING_DEFAULT / 2);
	tw_keyring_free(kr);
	cr_assert_leq(
		tw_crypto_heap_used(), used + (64 << 10)); /* the generators of OpenSSL stay */
}
