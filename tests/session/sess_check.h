/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the suites of sessions, reflector and sender share: engines, session records with known
 * keys, stamps of a virtual clock, requests made by the reference engine. Everything ends the test
 * if it fails, so callers need not check. A folder uses it with `libs = [..., 'sess_check']`.
 */
#ifndef SESS_CHECK_H
#define SESS_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "tw_session.h"

#define CHECK_FMTS    3
#define CHECK_ENGINES 3

/* Open, authenticated, encrypted. */
extern const struct tw_tst_fmt *const check_fmts[CHECK_FMTS];

/* "openssl" (reference), "ipsec-mb" and "native". */
extern const char *const check_engines[CHECK_ENGINES];

/* Virtual time starts here: some day in 2026. */
#define CHECK_T0_NS 1780000000000000000LL

/** The secret heap; call first. */
void check_init(void);

/**
 * Zeroed memory, cache line aligned, that may be freed or left to the end of the test: a test is a
 * process of its own, and what this gave out is no leak to the sanitizer.
 */
void *check_alloc(size_t size);

/** The fast engine of tests that need but one: $TW_TEST_ENGINE, else "auto". */
const char *check_fast(void);

/**
 * An engine in hidden memory; ended with the test if not before. One that this CPU does not support
 * is replaced by "ipsec-mb".
 */
struct tw_engine *check_engine(const char *name);
void check_engine_free(struct tw_engine *eng);

/** Deterministic random numbers (splitmix64) and octets. */
uint64_t check_rand(uint64_t *state);
void check_fill(uint64_t *state, void *out, size_t len);

/** Synchronised stamp at @p ns; its Error Estimate is 0x8000 | 0x0587 (1 us). */
struct tw_sess_stamp check_stamp(int64_t ns);

/** Stamp with another error. */
struct tw_sess_stamp check_stamp_err(int64_t ns, uint32_t error_ns, bool is_synced);

/** Control keys and SID number @p n; keys from tw_crypto_alloc(). */
struct tw_crypto_keys *check_keys(unsigned n);
void check_sid(unsigned n, uint8_t out[TW_CRYPTO_BLOCK_LEN]);

/** A reflector session, RUNNING, DSCP 46, with keys number @p id if its format needs some. */
struct tw_refl_sess *check_refl(const struct tw_tst_fmt *fmt, uint32_t id);
void check_refl_free(struct tw_refl_sess *sess);

/** A session from a configuration to which keys number cfg->id are added as needed. */
struct tw_send_sess *check_send(const struct tw_send_cfg *cfg);
void check_send_free(struct tw_send_sess *sess);

/**
 * A request as a correct peer sends it: header, padding octets counting up from @p seq, sealed by
 * the reference engine.
 * @param buf  room for @p len octets
 */
void check_request(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const struct tw_tst_req *req, uint8_t *buf, size_t len);

/** Open a reply or request with the reference engine and read it; false if it is not authentic. */
bool check_open_rep(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const uint8_t *buf, size_t len, struct tw_tst_rep *out);
bool check_open_req(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const uint8_t *buf, size_t len, struct tw_tst_req *out);

#endif /* SESS_CHECK_H */
