/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The rows of the table of engines; one file each.
 */
#ifndef ENGINE_I_H
#define ENGINE_I_H

#include "tw_engine.h"

extern const struct tw_engine_ops engine_native_ops;
extern const struct tw_engine_ops engine_imb_ops;
extern const struct tw_engine_ops engine_openssl_ops;

/* Pairs of an engine that has no shorter way: packets of nothing but block and HMAC, sealed. */
bool engine_pairs_by_seal(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n);

#endif /* ENGINE_I_H */
