/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Commands by number: their length, from the first block, so that the control machine can read
 * one whole, also to refuse it.
 */
#include "tw_wire.h"

/* 112 fixed octets, the slots, an HMAC over them. RFC 4656 3.5 */
static size_t
request_ow_total(const uint8_t *first, uint32_t item_max)
{
	uint32_t slot_cnt = tw_load_be32(first + 4);

	return slot_cnt > item_max ? 0 : 128 + 16 * (size_t)slot_cnt;
}

/* One block, the SIDs, an HMAC. RFC 5938 3.2, 3.4 */
static size_t
n_sessions_total(const uint8_t *first, uint32_t item_max)
{
	uint32_t session_cnt = tw_load_be32(first + 12);

	return session_cnt > item_max ? 0 : 32 + 16 * (size_t)session_cnt;
}

#define FIXED(name, len)                                                                           \
	static size_t name(const uint8_t *first, uint32_t item_max)                                \
	{                                                                                          \
		(void)first;                                                                       \
		(void)item_max;                                                                    \
		return (len);                                                                      \
	}

FIXED(start_sessions_total, TW_WIRE_START_SESSIONS_LEN)
FIXED(stop_sessions_total, TW_WIRE_STOP_SESSIONS_LEN)
FIXED(fetch_session_total, 48)
FIXED(request_tw_total, TW_WIRE_REQUEST_TW_LEN)

struct rule {
	uint8_t cmd;
	uint16_t hmac1_off;
	size_t (*total)(const uint8_t *first, uint32_t item_max);
	const char *name;
};

static const struct rule rules[] = {
#define TW_WIRE_CMD(NAME, number, total, hmac1_off, title, clause)                                 \
	{number, hmac1_off, total, title},
#include "ctl_msgs.def"
};

static const struct rule *
find(uint8_t cmd)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(rules); i++) {
		if (rules[i].cmd == cmd)
			return &rules[i];
	}
	return NULL;
}

size_t
tw_wire_cmd_len(const uint8_t first[TW_WIRE_BLOCK_LEN], uint32_t item_max)
{
	const struct rule *r = find(first[0]);

	return r ? r->total(first, item_max) : 0;
}

size_t
tw_wire_cmd_hmac1_off(uint8_t cmd)
{
	const struct rule *r = find(cmd);

	return r ? r->hmac1_off : 0;
}

const char *
tw_wire_cmd_name(uint8_t cmd)
{
	const struct rule *r = find(cmd);

	return r ? r->name : "unknown";
}
