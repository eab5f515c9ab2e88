/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Kernels of the engine "native": SHA-1 by the SHA extensions, AES by AES-NI, several packets side
 * by side because one alone waits for the latency of these instructions. Each is compiled for the
 * instructions it needs, whatever the rest is compiled for; who calls has asked native_supported().
 *
 * Context: data lcore. Does not block, allocate, lock or log; no branch or address depends on a
 * secret.
 */
#ifndef NATIVE_I_H
#define NATIVE_I_H

#include <stdbool.h>

#include "tw_engine.h"

/* HMAC-SHA1-128 of one packet. */
struct native_hmac {
	const struct tw_crypto_tkey *key;
	const uint8_t *text; /* any alignment */
	uint8_t *tag;        /* out: 16 octets, any alignment; must not lie in a text */
};

#define NATIVE_GROUP 16 /* packets worked on together; keys are fetched so far ahead */

/**
 * HMACs of @p n texts of one length, at most NATIVE_GROUP.
 * @param ahead entries behind those: their keys are fetched meanwhile
 * @param len   16, 32 or 96
 */
void native_hmac(const struct native_hmac *h, unsigned n, unsigned ahead, unsigned len);

/**
 * Tags of the blocks seq + i || 0^12, i = 0..n-1, all with one key, straight from the number.
 */
void native_pair_tags(
	const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair, unsigned n);

/** The blocks themselves, encrypted. */
void native_pair_blocks(
	const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair, unsigned n);

/* The same with AVX-512 (native_wide.c), for 1..NATIVE_GROUP texts. */
bool native_wide_supported(void);
void native_wide_hmac(const struct native_hmac *h, unsigned n, unsigned ahead, unsigned len);
void native_wide_pair_tags(
	const struct tw_crypto_tkey *key, uint32_t seq, struct tw_engine_pair *pair, unsigned n);

/** AES-128-CBC, IV 0, of @p n packets of one cover (16, 32, 96), buf in place. */
void native_encrypt(struct tw_engine_job *const *job, unsigned n, unsigned cover);

/** The reverse, from buf to clear. */
void native_decrypt(struct tw_engine_job *const *job, unsigned n, unsigned cover);

/**
 * Wipe the stack below the caller as deep as these kernels use it, called from the same function:
 * once per burst. The second one where a kernel with AVX-512 ran.
 */
void native_wipe(void);
void native_wide_wipe(void);

#endif /* NATIVE_I_H */
