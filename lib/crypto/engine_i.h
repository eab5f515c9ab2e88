/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The rows of the table of engines; one file each.
 */
#ifndef ENGINE_I_H
#define ENGINE_I_H

#include "tw_engine.h"

extern const struct tw_engine_ops engine_imb_ops;
extern const struct tw_engine_ops engine_openssl_ops;

#endif /* ENGINE_I_H */
