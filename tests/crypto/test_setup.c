/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Key schedule against the project's vectors: token key, Token, test keys, secrets of all lengths.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_check.h"
#include "golden.h"

static const char token_hex[] = "c59b7468d7712f4148c27c68c1fbeb716d2650eaf35aeaf7f97a1ffa1a512fcd"
				"79f935cebdcec4a5e9511b5a2d8c495d85396c32d6873b96f5f08fbf770bc235";

static void
token_key(const void *secret, size_t len, uint8_t tk[16])
{
	struct tw_secret *s = tw_secret_new(secret, len);
	uint8_t salt[16];

	cr_assert_not_null(s);
	check_count_up(salt, sizeof(salt), 0);
	cr_assert_eq(tw_crypto_kdf(s, salt, 1024, tk), 0);
	tw_secret_drop(s);
}

Test(setup, token_key_vector, .init = check_init)
{
	uint8_t tk[16];

	token_key("correct horse battery", 21, tk);
	check_hex(tk, sizeof(tk), "9437aca2a6ebe34a13d3709a2862eb31");
}

/* Binary secrets of prf(SK_d, "IPPM") for four PRFs: used whole, not as text. */
Test(setup, binary_secrets_are_used_whole, .init = check_init)
{
	static const struct {
		const char *secret, *tk;
	} rows[] = {
		{"315220974f0e572d471c69390a5285964dea6f45", "7d90245f5cac3a51472ebe26c43b9f49"},
		{"ccb6966c89bbc5c66673189ef79bf10e70deb02f0dd720c312590a6ac1a98cd8",
			"f10600924f79a6dc2e5f88606d13a07d"},
		{"b266ddfe298fe7786a84caac3ebd8ba4ccce9a376c4f2bb544593004e61787cf"
		 "9b462100bf9cd8cbff20e3f995c00705",
			"f54653b074db7def6cd44523964c9feb"},
		{"9634f6200b9a9ab1742c36b31033323eb3b70d0f59d940894a075c536ab142e8"
		 "05fb11bf2ced8b946a05249888527c38ec6a761042c3b487a423141267de77b3",
			"816abe8d6f57ad641a935c321751c34f"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tw_secret *s = tw_secret_from_hex(rows[i].secret, strlen(rows[i].secret));
		uint8_t salt[16], tk[16];

		check_count_up(salt, sizeof(salt), 0);
		cr_assert_eq(tw_crypto_kdf(s, salt, 1024, tk), 0);
		check_hex(tk, sizeof(tk), rows[i].tk);
		tw_secret_drop(s);
	}
}

/*
 * A zero octet ends nothing. (HMAC pads keys with zeros up to 64 octets, so a zero octet at the
 * very end of a short key is the one that cannot make a difference.)
 */
Test(setup, zero_octets_and_long_secrets_count, .init = check_init)
{
	uint8_t secret[200], a[16], b[16];

	memset(secret, 0x41, sizeof(secret));
	secret[0] = secret[3] = 0;
	token_key(secret, 5, a);
	token_key(secret, 6, b);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
	token_key(secret, 64, a);
	token_key(secret, 65, b);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
	token_key(secret, 199, a);
	token_key(secret, 200, b);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
	/* beyond 64 octets the key is its SHA-1: value by Python hashlib.pbkdf2_hmac */
	memset(secret, 0x41, sizeof(secret));
	token_key(secret, 200, a);
	check_hex(a, sizeof(a), "c37eb0b8b1fa9819a471c3f15b12eb79");
}

Test(setup, count_rules)
{
	cr_assert(tw_crypto_kdf_count_ok(1024, 32768));
	cr_assert(tw_crypto_kdf_count_ok(32768, 32768));
	cr_assert_not(tw_crypto_kdf_count_ok(65536, 32768));
	cr_assert_not(tw_crypto_kdf_count_ok(512, 32768));
	cr_assert_not(tw_crypto_kdf_count_ok(0, 32768));
	cr_assert_not(tw_crypto_kdf_count_ok(1025, 32768));
	cr_assert_not(tw_crypto_kdf_count_ok(3072, 32768));
	cr_assert(tw_crypto_kdf_count_ok(1u << 31, UINT32_MAX));
}

Test(setup, kdf_refuses_count_zero, .init = check_init)
{
	struct tw_secret *s = tw_secret_new("abc", 3);
	uint8_t salt[16] = {0}, tk[16];

	cr_assert_eq(tw_crypto_kdf(s, salt, 0, tk), -EINVAL);
	tw_secret_drop(s);
}

Test(setup, token_vector_both_ways, .init = check_init)
{
	struct tw_crypto_keys *keys = check_keys(), *out = tw_crypto_alloc(sizeof(*out));
	uint8_t tk[16], challenge[16], token[64];

	token_key("correct horse battery", 21, tk);
	check_count_up(challenge, sizeof(challenge), 0x10);
	cr_assert_eq(tw_crypto_token_seal(tk, challenge, keys, token), 0);
	check_hex(token, sizeof(token), token_hex);
	cr_assert_eq(tw_crypto_token_open(tk, challenge, token, out), 0);
	cr_assert_eq(memcmp(out, keys, sizeof(*keys)), 0);
	tw_crypto_free(keys);
	tw_crypto_free(out);
}

/* A wrong secret or a bit of the first two blocks changes the Challenge; later bits do not show. */
Test(setup, token_refused, .init = check_init)
{
	struct tw_crypto_keys *out = tw_crypto_alloc(sizeof(*out));
	uint8_t tk[16], wrong[16], challenge[16], token[64];
	static const struct tw_crypto_keys zero;
	unsigned bit;

	token_key("correct horse battery", 21, tk);
	token_key("correct horse batterz", 21, wrong);
	check_count_up(challenge, sizeof(challenge), 0x10);
	golden_unhex(token_hex, token, sizeof(token));
	memset(out, 0x55, sizeof(*out));
	cr_assert_eq(tw_crypto_token_open(wrong, challenge, token, out), -EBADMSG);
	cr_assert_eq(memcmp(out, &zero, sizeof(zero)), 0);
	for (bit = 0; bit < 512; bit++) {
		token[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(
			tw_crypto_token_open(tk, challenge, token, out), bit < 128 ? -EBADMSG : 0);
		token[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (bit = 0; bit < 128; bit++) {
		challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(tw_crypto_token_open(tk, challenge, token, out), -EBADMSG);
		challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	tw_crypto_free(out);
}

Test(setup, test_key_vectors, .init = check_init)
{
	struct tw_crypto_keys *keys = check_keys(), *out = tw_crypto_alloc(sizeof(*out));

	cr_assert_eq(tw_crypto_test_keys(keys, check_sid, out), 0);
	check_hex(out->aes, sizeof(out->aes), "ef71048ee4eeddfac0bb6fdb09ebce27");
	check_hex(out->hmac, sizeof(out->hmac),
		"5ad7cf3b03886af037dc15d26518a4da689bc5e81296df9de8ef791c88b452e5");
	tw_crypto_free(keys);
	tw_crypto_free(out);
}

Test(setup, session_keys_are_random, .init = check_init)
{
	struct tw_crypto_keys *a = tw_crypto_alloc(sizeof(*a)), *b = tw_crypto_alloc(sizeof(*b));

	cr_assert_eq(tw_crypto_keys_random(a), 0);
	cr_assert_eq(tw_crypto_keys_random(b), 0);
	cr_assert_neq(memcmp(a->aes, b->aes, sizeof(a->aes)), 0);
	cr_assert_neq(memcmp(a->hmac, b->hmac, sizeof(a->hmac)), 0);
	cr_assert_neq(memcmp(a->aes, a->hmac, sizeof(a->aes)), 0);
}

/* Set-up of every recorded secure session: passphrase to keys. */
static void
recorded(const char *name)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	uint8_t salt[16], challenge[16], tk[16], want[32], setup[164];
	json_t *v = golden_vectors(name);
	struct golden_span pass;
	struct tw_secret *s;

	if (golden_int(v, "mode") == 1) {
		json_decref(v);
		return;
	}
	pass = golden_hex_new(v, "passphrase");
	s = tw_secret_new(pass.p, pass.len);
	golden_hex(v, "salt", salt, 16);
	golden_hex(v, "challenge", challenge, 16);
	golden_hex(json_array_get(golden_member(v, "messages"), 1), "raw", setup, sizeof(setup));
	cr_assert_eq(tw_crypto_kdf(s, salt, (uint32_t)golden_int(v, "count"), tk), 0);
	golden_hex(v, "pbkdf2_key", want, 16);
	cr_assert_eq(memcmp(tk, want, 16), 0);
	cr_assert_eq(tw_crypto_token_open(tk, challenge, setup + 84, keys), 0);
	golden_hex(v, "aes_key", want, 16);
	cr_assert_eq(memcmp(keys->aes, want, 16), 0);
	golden_hex(v, "hmac_key", want, 32);
	cr_assert_eq(memcmp(keys->hmac, want, 32), 0);
	cr_assert_eq(tw_crypto_token_seal(tk, challenge, keys, setup + 84), 0);
	free(pass.p);
	tw_secret_drop(s);
	json_decref(v);
}

#define RECORDED(id, name, is_twamp)                                                               \
	Test(setup, recorded_##id, .init = check_init)                                             \
	{                                                                                          \
		recorded(name);                                                                    \
	}
GOLDEN_SESSIONS(RECORDED)
