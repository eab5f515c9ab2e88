/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Every control message of lib/wire/ctl_msgs.def, read from the same octets; what was read is
 * written, and what was written reads the same. And the length rule of every command.
 */
#include "fuzz.h"
#include "tw_wire.h"

#define TW_WIRE_MSG(NAME, name, len, title, clause)                                                \
	static void take_##name(const uint8_t *data, size_t size)                                  \
	{                                                                                          \
		uint8_t once[len], twice[len];                                                     \
		struct tw_wire_##name m;                                                           \
		struct tw_rd rd = tw_rd_init(data, size);                                          \
		struct tw_wr wr = tw_wr_init(once, sizeof(once));                                  \
                                                                                                   \
		if (!tw_wire_##name##_read(&rd, &m)) {                                             \
			CHECK(rd.failed);                                                          \
			return;                                                                    \
		}                                                                                  \
		CHECK(rd.left == size - (len));                                                    \
		CHECK(tw_wire_##name##_write(&wr, &m) && wr.left == 0);                            \
		rd = tw_rd_init(once, sizeof(once));                                               \
		wr = tw_wr_init(twice, sizeof(twice));                                             \
		CHECK(tw_wire_##name##_read(&rd, &m) && tw_wire_##name##_write(&wr, &m));          \
		CHECK(memcmp(once, twice, sizeof(once)) == 0);                                     \
	}
#include "ctl_msgs.def"

static void
take_cmd(const uint8_t *data)
{
	static const uint32_t maxima[] = {0, 1, 64, 1024, UINT32_MAX};

	for (size_t i = 0; i < TW_ARRAY_SIZE(maxima); i++) {
		size_t len = tw_wire_cmd_len(data, maxima[i]);

		CHECK(len % TW_WIRE_BLOCK_LEN == 0);
		CHECK(len == 0 || len >= 2 * TW_WIRE_BLOCK_LEN);
		CHECK(len <= 128 + TW_WIRE_BLOCK_LEN * (size_t)maxima[i]);
		CHECK(len == 0 || tw_wire_cmd_hmac1_off(data[0]) <= len - 2 * TW_WIRE_HMAC_LEN);
	}
	CHECK(tw_wire_cmd_name(data[0]) != NULL && tw_wire_accept_name(data[0]) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define TW_WIRE_MSG(NAME, name, len, title, clause) take_##name(data, size);
#include "ctl_msgs.def"
	if (size >= TW_WIRE_BLOCK_LEN)
		take_cmd(data);
	return 0;
}
