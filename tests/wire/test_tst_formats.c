/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Choice of a format, stamping last, and the padding rule of RFC 5357 4.2.1. */
#include <criterion/criterion.h>

#include "tw_mode.h"
#include "tw_tst.h"

enum { ROOM = 400 };

static const struct tw_tst_fmt *const fmts[] = {
#define TW_TST_FMT(NAME, name, sec, features) &tw_tst_##name,
#include "tst_formats.def"
};

Test(tst_formats, belong_to_modes)
{
	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_OPEN), &tw_tst_open);
	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_MIXED), &tw_tst_open);
	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_AUTH), &tw_tst_auth);
	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_ENCR), &tw_tst_encr);
}

Test(tst_formats, key_source_and_session_control_change_no_packet)
{
	uint32_t other = TW_MODE_IKEV2 | TW_MODE_INDIVIDUAL;

	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_AUTH | other), &tw_tst_auth);
	cr_assert_eq(tw_tst_fmt_for_mode(TW_MODE_ENCR | other | 1U << 20), &tw_tst_encr);
}

Test(tst_formats, no_format_for_nonsense_or_unserved_features)
{
	static const uint32_t modes[] = {0, 3, 6, 15, TW_MODE_OPEN | TW_MODE_REFLECT,
		TW_MODE_AUTH | TW_MODE_SYMMETRICAL, TW_MODE_ENCR | TW_MODE_DSCP_ECN,
		TW_MODE_MIXED | TW_MODE_PTPV2};

	for (size_t i = 0; i < TW_ARRAY_SIZE(modes); i++)
		cr_assert_null(tw_tst_fmt_for_mode(modes[i]), "mode %u", modes[i]);
}

Test(tst_formats, stamp_written_last_equals_one_written_first)
{
	struct tw_tst_req q = {.seq = 7, .t1 = 0xec00002040000000ULL, .ee = 0x8586};
	struct tw_tst_rep r = {.seq = 3, .t3 = 0xec00002048001000ULL, .ee = 0x8586, .t2 = 9};

	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		uint8_t first[TW_TST_HEADER_MAX] = {0};
		uint8_t last[TW_TST_HEADER_MAX] = {0};
		struct tw_tst_req q0 = {.seq = q.seq};
		struct tw_tst_rep r0 = {.seq = r.seq, .t2 = r.t2};

		cr_assert(fmts[i]->write_req(first, sizeof(first), &q));
		cr_assert(fmts[i]->write_req(last, sizeof(last), &q0));
		tw_tst_stamp_req(fmts[i], last, q.t1, q.ee);
		cr_assert_arr_eq(last, first, sizeof(first));

		cr_assert(tw_tst_write_rep(fmts[i], first, sizeof(first), &r));
		cr_assert(tw_tst_write_rep(fmts[i], last, sizeof(last), &r0));
		tw_tst_stamp_rep(fmts[i], last, r.t3, r.ee);
		cr_assert_arr_eq(last, first, sizeof(first));
	}
}

/* reply[Hr..rx) = request[Hs..Hs+rx-Hr): the lowest-numbered padding octets, for every length. */
static void
check_padding(const struct tw_tst_fmt *f, size_t rx_len)
{
	uint8_t request[ROOM], pkt[ROOM];
	struct tw_tst_rep r = {0};
	size_t len = rx_len > f->rep_min ? rx_len : f->rep_min;

	for (size_t o = 0; o < ROOM; o++)
		request[o] = (uint8_t)(o * 7 + 1);
	memcpy(pkt, request, ROOM);
	cr_assert_eq(tw_tst_reply_len(f, rx_len), len);
	cr_assert_eq(tw_tst_move_padding(f, pkt, rx_len, ROOM), len);
	cr_assert(tw_tst_write_rep(f, pkt, len, &r));
	for (size_t o = f->rep_min; o < len; o++)
		cr_assert_eq(pkt[o], request[f->req_min + o - f->rep_min]);
	for (size_t o = len; o < ROOM; o++)
		cr_assert_eq(pkt[o], request[o], "octet %zu past the reply changed", o);
}

Test(tst_formats, reply_keeps_the_first_octets_of_the_padding)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		for (size_t rx_len = fmts[i]->req_min; rx_len <= ROOM; rx_len++)
			check_padding(fmts[i], rx_len);
	}
}

Test(tst_formats, what_does_not_fit_is_refused_and_left_alone)
{
	uint8_t pkt[ROOM], before[ROOM];

	memset(pkt, 0x5a, sizeof(pkt));
	memcpy(before, pkt, sizeof(pkt));
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		const struct tw_tst_fmt *f = fmts[i];

		for (size_t rx_len = 0; rx_len < f->req_min; rx_len++)
			cr_assert_eq(tw_tst_move_padding(f, pkt, rx_len, ROOM), 0);
		for (size_t room = 0; room < f->rep_min; room++)
			cr_assert_eq(tw_tst_move_padding(f, pkt, f->req_min, room), 0);
		cr_assert_eq(tw_tst_move_padding(f, pkt, 300, 299), 0);
		cr_assert_arr_eq(pkt, before, sizeof(pkt));
	}
}
