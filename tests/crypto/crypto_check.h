/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inputs of the published vectors and set-up shared by the suites of this folder.
 */
#ifndef CRYPTO_CHECK_H
#define CRYPTO_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "tw_crypto.h"
#include "tw_engine.h"

/* Octets first, first + 1, ... as in "Salt = 00..0f". */
void check_count_up(uint8_t *out, size_t len, uint8_t first);

/** The secret heap; the suites run after others in this process used OpenSSL. */
void check_init(void);

/** Control keys of the vectors: AESK 20..2f, HMACK 30..4f. Free with tw_crypto_free(). */
struct tw_crypto_keys *check_keys(void);

/** SID of the vectors. */
extern const uint8_t check_sid[TW_CRYPTO_BLOCK_LEN];

/*
 * Fast engines, NULL-terminated: "ipsec-mb", and "native" where the CPU has its instructions (made
 * by check_init()).
 */
extern const char *check_fast[3];

/** An engine in hidden memory; ends the test if it cannot be made. */
struct tw_engine *check_engine(const char *name);

/** End the engine and return its memory. */
void check_engine_free(struct tw_engine *eng);

/** Deterministic random octets (xorshift). */
void check_random(uint64_t *state, void *out, size_t len);

/** Octets equal the hex text; ends the test with both if not. */
void check_hex(const void *got, size_t len, const char *hex);

#endif /* CRYPTO_CHECK_H */
