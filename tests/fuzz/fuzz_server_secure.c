/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The server after authentication: steps of server_ops.h, protected with the keys of the session,
 * so that what the fuzzer writes reaches the parsers instead of ending at the HMAC.
 */
#include "server_ops.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t modes[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};
	struct talk t;

	ops_begin(&t, "198.51.100.1");
	CHECK(talk_setup(&t, modes[size % TW_ARRAY_SIZE(modes)], BED_USER, BED_SECRET) == 0);
	ops_run(&t, data, size);
	ops_end(&t);
	return 0;
}
