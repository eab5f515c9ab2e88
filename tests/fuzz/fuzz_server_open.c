/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The server after set-up in open mode: steps of server_ops.h. */
#include "server_ops.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk t;

	ops_begin(&t, "192.0.2.77");
	CHECK(talk_setup(&t, TW_MODE_OPEN, NULL, NULL) == 0);
	ops_run(&t, data, size);
	ops_end(&t);
	return 0;
}
