/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared by the files of this library only.
 */
#ifndef RPC_I_H
#define RPC_I_H

#include "tw_rpc.h"

/** Overwrite what was allocated since the last call, and start again. */
void rpc_mem_reset(void);

/**
 * Look over a text before it is parsed: depth, number of tokens, UTF-8, no NUL. Cheap, so that a
 * hostile line costs no more than reading it.
 */
bool rpc_scan(const char *p, size_t len, struct tw_rpc_err *err);

/** Fill @p err; returns false. */
bool rpc_refuse(struct tw_rpc_err *err, enum tw_rpc_code code, const char *reason, const char *text,
	const char *hint);

#endif /* RPC_I_H */
