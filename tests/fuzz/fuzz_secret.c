/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Secrets and key names as text: hexadecimal, base64, passphrases, KeyIDs. What is taken has the
 * length its form says, what lib/crypto calls a name lib/wire calls one too, and nothing of a
 * refused text stays in the secret heap.
 */
#include "fuzz.h"
#include "tw_crypto.h"
#include "tw_keyring.h"
#include "tw_wire.h"

static void
take_text(const char *text, size_t len)
{
	struct tw_secret *hex = tw_secret_from_hex(text, len);
	struct tw_secret *b64 = tw_secret_from_base64(text, len);
	struct tw_secret *raw = tw_secret_new(text, len);
	unsigned warn;
	int res = tw_secret_check_text(text, len, &warn);

	if (hex)
		CHECK(2 * tw_secret_len(hex) == len);
	if (b64)
		CHECK(len % 4 == 0 && tw_secret_len(b64) <= len / 4 * 3 &&
			tw_secret_len(b64) + 2 >= len / 4 * 3);
	CHECK((raw != NULL) == (len >= 1 && len <= TW_CRYPTO_SECRET_MAX));
	CHECK(res != 0 || raw != NULL);
	tw_secret_drop(hex);
	tw_secret_drop(b64);
	tw_secret_drop(raw);
}

static void
take_name(const uint8_t *data, size_t size)
{
	uint8_t field[TW_WIRE_KEY_ID_LEN];
	uint8_t back[TW_WIRE_KEY_ID_LEN];
	struct tw_keyring_id id, same;

	if (tw_keyring_id_make(data, size, &id) == 0) {
		CHECK(id.len == size && memcmp(id.b, data, size) == 0);
		CHECK(tw_wire_key_id_set(field, (const char *)data, size));
		tw_keyring_id_write(&id, back);
		CHECK(memcmp(field, back, sizeof(field)) == 0);
		CHECK(tw_keyring_id_read(field, &same) && same.len == id.len);
	}
	memset(field, 0, sizeof(field));
	memcpy(field, data, size < sizeof(field) ? size : sizeof(field));
	CHECK(tw_keyring_id_read(field, &id) == (tw_wire_key_id_len(field) != 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	size_t used;

	if (!is_ready)
		CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	is_ready = true;
	used = tw_crypto_heap_used();
	take_text((const char *)data, size);
	CHECK(tw_crypto_heap_used() == used);
	if (size > 0)
		take_name(data, size);
	return 0;
}
