/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Failures of operations: errno inside, a documented code and word outside (errors.def).
 * Context: any thread.
 */
#ifndef TW_ERRORS_H
#define TW_ERRORS_H

#include <stddef.h>

struct tw_error_row {
	int err;  /* positive errno */
	int code; /* JSON-RPC 2.0 section 5.1: -32000..-32099 are ours */
	const char *reason;
	const char *help;
};

/** The row of a negative errno; what has no row of its own is an internal error, -32603. */
const struct tw_error_row *tw_error_find(int res);

/** All documented rows. */
const struct tw_error_row *tw_error_rows(size_t *cnt);

#endif /* TW_ERRORS_H */
