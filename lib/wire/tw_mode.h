/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The Modes field: which bits exist, which selections are legal, what they mean for the control
 * connection and the test packets, and their names. Context of everything here: any thread.
 */
#ifndef TW_MODE_H
#define TW_MODE_H

#include <stdbool.h>
#include <stdint.h>

/* TW_MODE_OPEN = 1, TW_MODE_AUTH = 2, TW_MODE_ENCR = 4, TW_MODE_MIXED = 8, ... */
enum tw_mode {
#define TW_MODE_SEC(NAME, bit, rank, name, clause) TW_MODE_##NAME = 1 << (bit),
#define TW_MODE_FEATURE(NAME, bit, name, clause)   TW_MODE_##NAME = 1 << (bit),
#include "modes.def"
};

/* Exactly one of these is in a legal selection; none means that the client leaves. */
#define TW_MODE_SEC_MASK 0x0fU
/* Bits 10..31 are unassigned: sent as zero, ignored on receipt. */
#define TW_MODE_KNOWN_MASK 0x3ffU

/** The security bits of @p mode. */
static inline uint32_t
tw_mode_sec(uint32_t mode)
{
	return mode & TW_MODE_SEC_MASK;
}

/** The control connection is encrypted and authenticated. */
static inline bool
tw_mode_protects_control(uint32_t mode)
{
	return (mode & (TW_MODE_AUTH | TW_MODE_ENCR | TW_MODE_MIXED)) != 0;
}

/** The test packets carry an HMAC: their sessions need test keys. */
static inline bool
tw_mode_protects_test(uint32_t mode)
{
	return (mode & (TW_MODE_AUTH | TW_MODE_ENCR)) != 0;
}

/**
 * A client may select @p mode when the server offered @p offered: exactly one security bit, nothing
 * that was not offered (unassigned bits apart), an IKEv2-derived key only with a mode that has use
 * for it.
 *
 * Selections without any security bit are not legal here; the client that sends one leaves.
 */
bool tw_mode_is_legal(uint32_t mode, uint32_t offered);

/** Name of the security bit of @p mode: "open", "authenticated", "encrypted", "mixed"; else "none".
 */
const char *tw_mode_name(uint32_t mode);

/** The security bit of that name (as tw_mode_name()), or 0. */
uint32_t tw_mode_parse(const char *name);

/**
 * Protection that a selection gives, for comparing against a floor: open 1 < mixed 2 <
 * authenticated 3 < encrypted 4. 0 unless @p mode has exactly one security bit.
 */
unsigned tw_mode_rank(uint32_t mode);

#endif /* TW_MODE_H */
