/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The table of shared secrets by KeyID (RFC 4656 3.1). Names are public, secrets live in the secret
 * heap (tw_crypto.h) and never come out but as a reference for tw_crypto_kdf().
 *
 * Context: one thread, the control lcore; references it hands out may travel.
 */
#ifndef TW_KEYRING_H
#define TW_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_crypto.h"

#define TW_KEYRING_ID_MAX  80    /* octets of the KeyID field */
#define TW_KEYRING_DEFAULT 10000 /* keys */

struct tw_keyring;

/** A name: 1..80 octets of UTF-8 without a zero octet; not terminated. */
struct tw_keyring_id {
	uint8_t len;
	uint8_t b[TW_KEYRING_ID_MAX];
};

/**
 * Name in a KeyID field as received: octets up to the first zero, or 80.
 * @return false if that is empty or no valid UTF-8 (RFC 3629: shortest form, no surrogates);
 *         @p out then holds the octets as they are, and finds no key
 */
bool tw_keyring_id_read(const uint8_t field[TW_KEYRING_ID_MAX], struct tw_keyring_id *out);

/** Name from text of a known length. @return 0 or -EINVAL (empty, too long, zero octet, UTF-8) */
int tw_keyring_id_make(const void *text, size_t len, struct tw_keyring_id *out);

/** KeyID field to send, padded with zeros. */
void tw_keyring_id_write(const struct tw_keyring_id *id, uint8_t field[TW_KEYRING_ID_MAX]);

/** @param max keys at most; 0 takes TW_KEYRING_DEFAULT. @return NULL without memory */
struct tw_keyring *tw_keyring_new(unsigned max);

/** Drop every secret and free. NULL is fine. */
void tw_keyring_free(struct tw_keyring *kr);

/**
 * Add a key, or with @p replace give an existing one a new secret. Takes a reference of its own.
 * Derivations that run keep the secret they started with.
 * @return 0, -EEXIST (present, and not @p replace), -ENOENT (@p replace, and absent), -ENOSPC
 *         (full), -ENOMEM
 */
int tw_keyring_set(struct tw_keyring *kr, const struct tw_keyring_id *id, struct tw_secret *secret,
	bool replace);

/** @return 0 or -ENOENT */
int tw_keyring_remove(struct tw_keyring *kr, const struct tw_keyring_id *id);

/**
 * The secret of a name, or a random dummy of the ring, so that an unknown name costs the same
 * derivation as a wrong secret and cannot be told from it. The dummy opens no Token.
 * @param is_known whether the name has a key: for logs and counters only; may be NULL
 * @return a reference for the caller to drop; never NULL
 */
struct tw_secret *tw_keyring_find(
	struct tw_keyring *kr, const struct tw_keyring_id *id, bool *is_known);

/** Whether the name has a key. */
bool tw_keyring_has(const struct tw_keyring *kr, const struct tw_keyring_id *id);

/** Keys in the ring. */
unsigned tw_keyring_count(const struct tw_keyring *kr);

/** Name number @p idx in octet order, or NULL past the end. Valid until the ring changes. */
const struct tw_keyring_id *tw_keyring_at(const struct tw_keyring *kr, unsigned idx);

/** Index of the first name after @p id in octet order, for paging; @p id need not be present. */
unsigned tw_keyring_after(const struct tw_keyring *kr, const struct tw_keyring_id *id);

#endif /* TW_KEYRING_H */
