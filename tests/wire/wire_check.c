/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See wire_check.h. */
#include <criterion/criterion.h>

#include "golden.h"
#include "wire_check.h"

enum { MSG_MAX = 256, GUARD = 0xa5 };

/* All bits that a reader must ignore, as a mask over the message. */
static void
mbz_mask(const struct wire_mbz *mbz, uint8_t mask[MSG_MAX])
{
	memset(mask, 0, MSG_MAX);
	for (; mbz->len != 0; mbz++)
		memset(mask + mbz->off, mbz->bits ? mbz->bits : 0xff, mbz->len);
}

/* in -> struct -> out; out is checked not to be written past the message. */
static void
through(const struct wire_msg *msg, const uint8_t *in, uint8_t out[MSG_MAX])
{
	uint8_t s[MSG_MAX];
	struct tw_rd rd = tw_rd_init(in, msg->len);
	struct tw_wr wr = tw_wr_init(out, MSG_MAX);

	cr_assert_leq(msg->size, sizeof(s));
	memset(out, GUARD, MSG_MAX);
	memset(s, GUARD, sizeof(s));
	cr_assert(msg->read(&rd, s));
	cr_assert_eq(rd.left, 0);
	for (size_t i = msg->size; i < sizeof(s); i++)
		cr_assert_eq(s[i], GUARD);
	cr_assert(msg->write(&wr, s));
	cr_assert_eq(wr.left, MSG_MAX - msg->len);
	for (size_t i = msg->len; i < MSG_MAX; i++)
		cr_assert_eq(out[i], GUARD);
}

static void
refuses_truncation(const struct wire_msg *msg, const uint8_t *golden)
{
	uint8_t s[MSG_MAX];
	uint8_t out[MSG_MAX];

	for (size_t len = 0; len < msg->len; len++) {
		struct tw_rd rd = tw_rd_init(golden, len);
		struct tw_wr wr = tw_wr_init(out, len);

		memset(s, GUARD, sizeof(s));
		cr_assert_not(msg->read(&rd, s), "read %zu of %zu octets", len, msg->len);
		cr_assert(rd.failed);
		for (size_t i = 0; i < sizeof(s); i++)
			cr_assert_eq(s[i], GUARD, "struct changed by %zu octets", len);

		memset(out, GUARD, sizeof(out));
		memset(s, 0, sizeof(s));
		cr_assert_not(msg->write(&wr, s), "wrote into %zu octets", len);
		cr_assert(wr.failed);
		for (size_t i = 0; i < sizeof(out); i++)
			cr_assert_eq(out[i], GUARD, "buffer of %zu octets changed", len);
	}
}

static void
refuses_other_commands(const struct wire_msg *msg, const uint8_t *golden)
{
	uint8_t in[MSG_MAX];
	uint8_t s[MSG_MAX];

	memcpy(in, golden, msg->len);
	memset(s, GUARD, sizeof(s));
	for (unsigned cmd = 0; cmd < 256; cmd++) {
		struct tw_rd rd = tw_rd_init(in, msg->len);

		in[0] = (uint8_t)cmd;
		if (cmd == golden[0])
			continue;
		cr_assert_not(msg->read(&rd, s), "took command %u", cmd);
		cr_assert(rd.failed);
		for (size_t i = 0; i < sizeof(s); i++)
			cr_assert_eq(s[i], GUARD);
	}
}

static void
keeps_every_bit_but_mbz(const struct wire_msg *msg, const uint8_t *golden, const uint8_t *mask)
{
	uint8_t in[MSG_MAX];
	uint8_t want[MSG_MAX];
	uint8_t out[MSG_MAX];

	for (size_t bit = msg->is_cmd ? 8 : 0; bit < 8 * msg->len; bit++) {
		memcpy(in, golden, msg->len);
		in[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		for (size_t i = 0; i < msg->len; i++)
			want[i] = in[i] & (uint8_t)~mask[i];
		through(msg, in, out);
		cr_assert_arr_eq(out, want, msg->len, "octet %zu", bit / 8);
	}
}

void
wire_check(const struct wire_msg *msg, const char *golden_hex, const struct wire_mbz *mbz)
{
	uint8_t golden[MSG_MAX];
	uint8_t mask[MSG_MAX];
	uint8_t out[MSG_MAX];

	golden_unhex(golden_hex, golden, msg->len);
	mbz_mask(mbz, mask);
	through(msg, golden, out);
	cr_assert_arr_eq(out, golden, msg->len);
	refuses_truncation(msg, golden);
	keeps_every_bit_but_mbz(msg, golden, mask);
	if (msg->is_cmd)
		refuses_other_commands(msg, golden);
}
