/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The server after authentication: steps of server_ops.h, protected with the keys of the session,
 * by passphrase or IKEv2-derived, so that what the fuzzer writes reaches the parsers instead of
 * ending at the HMAC.
 */
#include "server_ops.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t modes[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};
	uint32_t mode = modes[size % TW_ARRAY_SIZE(modes)];
	struct talk t;

	ops_ike = size / TW_ARRAY_SIZE(modes) % 2;
	ops_begin(&t, "198.51.100.1");
	if (ops_ike)
		talk_setup_spis(&t, mode | TW_MODE_IKEV2, ops_bed.sa[0].spis, 0, BED_SECRET,
			strlen(BED_SECRET));
	else
		talk_setup_response(&t, mode, BED_USER, BED_SECRET);
	bed_derive(&ops_bed);
	CHECK(talk_server_start(&t) == 0);
	ops_run(&t, data, size);
	ops_end(&t);
	return 0;
}
