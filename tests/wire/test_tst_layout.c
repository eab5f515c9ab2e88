/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where each field of each test packet is, as RFC 4656 4.1.2 and RFC 5357 4.2.1 (with erratum
 * 5045) say, and what must hold for every format of the table.
 */
#include <criterion/criterion.h>

#include "golden.h"
#include "tw_mode.h"
#include "tw_tst.h"

static const struct tw_tst_fmt *const fmts[] = {
#define TW_TST_FMT(NAME, name, sec, features) &tw_tst_##name,
#include "tst_formats.def"
};

static const struct tw_tst_req req = {.seq = 0x01020304, .t1 = 0x1112131415161718ULL, .ee = 0x2122};
static const struct tw_tst_rep rep = {.seq = 0x01020304,
	.t3 = 0x1112131415161718ULL,
	.ee = 0x2122,
	.t2 = 0x3132333435363738ULL,
	.sender_seq = 0x41424344,
	.sender_t1 = 0x5152535455565758ULL,
	.sender_ee = 0x6162,
	.sender_ttl = 0x71};

static const char open_req[] = "01020304 1112131415161718 2122";
static const char open_rep[] = "01020304 1112131415161718 2122 0000 3132333435363738 41424344"
			       "5152535455565758 6162 0000 71";
static const char secure_req[] = "01020304 000000000000000000000000"
				 "1112131415161718 2122 000000000000"
				 "00000000000000000000000000000000";
static const char secure_rep[] = "01020304 000000000000000000000000"
				 "1112131415161718 2122 000000000000"
				 "3132333435363738 0000000000000000"
				 "41424344 000000000000000000000000"
				 "5152535455565758 6162 000000000000"
				 "71 000000000000000000000000000000"
				 "00000000000000000000000000000000";

static void
check_layout(const struct tw_tst_fmt *fmt, const char *req_hex, const char *rep_hex)
{
	uint8_t want[TW_TST_HEADER_MAX];
	uint8_t got[TW_TST_HEADER_MAX + 8];
	struct tw_tst_req q;
	struct tw_tst_rep r;

	golden_unhex(req_hex, want, fmt->req_min);
	memset(got, 0xa5, sizeof(got));
	cr_assert(fmt->write_req(got, fmt->req_min, &req));
	cr_assert_arr_eq(got, want, fmt->req_min);
	cr_assert_eq(got[fmt->req_min], 0xa5);
	cr_assert(tw_tst_read_req(fmt, got, fmt->req_min, got, &q));
	cr_assert(q.seq == req.seq && q.t1 == req.t1 && q.ee == req.ee);

	golden_unhex(rep_hex, want, fmt->rep_min);
	memset(got, 0xa5, sizeof(got));
	cr_assert(tw_tst_write_rep(fmt, got, fmt->rep_min, &rep));
	cr_assert_arr_eq(got, want, fmt->rep_min);
	cr_assert_eq(got[fmt->rep_min], 0xa5);
	cr_assert(fmt->read_rep(got, fmt->rep_min, got, &r));
	cr_assert(r.seq == rep.seq && r.t3 == rep.t3 && r.ee == rep.ee && r.t2 == rep.t2);
	cr_assert(r.sender_seq == rep.sender_seq && r.sender_t1 == rep.sender_t1 &&
		  r.sender_ee == rep.sender_ee && r.sender_ttl == rep.sender_ttl);
}

Test(tst_layout, open)
{
	check_layout(&tw_tst_open, open_req, open_rep);
}

Test(tst_layout, authenticated)
{
	check_layout(&tw_tst_auth, secure_req, secure_rep);
}

/* One pass over the packet, whatever was there before. */
Test(tst_layout, authenticated_reply_with_a_known_pair)
{
	static const char pair[] =
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
	static const char want_hex[] = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
				       "1112131415161718 2122 000000000000"
				       "3132333435363738 0000000000000000"
				       "41424344 000000000000000000000000"
				       "5152535455565758 6162 000000000000"
				       "71 000000000000000000000000000000"
				       "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
	uint8_t known[32], want[TW_TST_HEADER_MAX], got[TW_TST_HEADER_MAX + 2];
	struct tw_tst_echo echo;

	golden_unhex(pair, known, sizeof(known));
	golden_unhex(want_hex, want, sizeof(want));
	tw_store_be64((uint8_t *)&echo.t1_be, rep.sender_t1);
	tw_store_be32((uint8_t *)&echo.seq_be, rep.sender_seq);
	tw_store_be16((uint8_t *)&echo.ee_be, rep.sender_ee);
	memset(got, 0xa5, sizeof(got));
	/* packets are aligned to nothing */
	tw_tst_write_auth_echo(got + 1, known, known + 16, rep.t2, &echo, rep.sender_ttl);
	tw_tst_stamp_rep(&tw_tst_auth, got + 1, rep.t3, rep.ee);
	cr_assert_arr_eq(got + 1, want, sizeof(want));
	cr_assert(got[0] == 0xa5 && got[sizeof(got) - 1] == 0xa5);
}

Test(tst_layout, encrypted)
{
	check_layout(&tw_tst_encr, secure_req, secure_rep);
}

Test(tst_layout, sizes_and_cover)
{
	static const struct {
		const struct tw_tst_fmt *fmt;
		uint16_t req_min, rep_min, req_cover, rep_cover, req_hmac, rep_hmac, req_t, rep_t;
	} rows[] = {
		{&tw_tst_open, 14, 41, 0, 0, 0, 0, 4, 4},
		{&tw_tst_auth, 48, 112, 16, 16, 32, 96, 16, 16},
		{&tw_tst_encr, 48, 112, 32, 96, 32, 96, 16, 16},
	};

	cr_assert_eq(TW_ARRAY_SIZE(rows), TW_ARRAY_SIZE(fmts));
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		const struct tw_tst_fmt *f = rows[i].fmt;

		cr_assert_eq(f->req_min, rows[i].req_min);
		cr_assert_eq(f->rep_min, rows[i].rep_min);
		cr_assert_eq(f->req_cover, rows[i].req_cover);
		cr_assert_eq(f->rep_cover, rows[i].rep_cover);
		cr_assert_eq(f->req_hmac_off, rows[i].req_hmac);
		cr_assert_eq(f->rep_hmac_off, rows[i].rep_hmac);
		cr_assert_eq(f->req_t_off, rows[i].req_t);
		cr_assert_eq(f->rep_t_off, rows[i].rep_t);
	}
}

/* For a covered format: does the octet come from the clear text or from the packet? */
static const uint8_t *
source(size_t off, size_t cover, const uint8_t *clear, const uint8_t *pkt)
{
	return off < cover ? clear : pkt;
}

Test(tst_layout, covered_octets_are_read_from_the_clear_text_only)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		const struct tw_tst_fmt *f = fmts[i];
		uint8_t a[TW_TST_HEADER_MAX], b[TW_TST_HEADER_MAX], mix[TW_TST_HEADER_MAX];
		struct tw_tst_rep from_parts, from_mix;
		struct tw_tst_req q_parts, q_mix;

		memset(a, 0x11, sizeof(a));
		memset(b, 0x22, sizeof(b));
		for (size_t o = 0; o < sizeof(mix); o++)
			mix[o] = source(o, f->rep_cover, a, b)[o];
		cr_assert(f->read_rep(b, f->rep_min, a, &from_parts));
		cr_assert(f->read_rep(mix, f->rep_min, mix, &from_mix));
		cr_assert(from_parts.seq == from_mix.seq && from_parts.t3 == from_mix.t3 &&
			  from_parts.ee == from_mix.ee && from_parts.t2 == from_mix.t2 &&
			  from_parts.sender_seq == from_mix.sender_seq &&
			  from_parts.sender_t1 == from_mix.sender_t1 &&
			  from_parts.sender_ee == from_mix.sender_ee &&
			  from_parts.sender_ttl == from_mix.sender_ttl);
		for (size_t o = 0; o < sizeof(mix); o++)
			mix[o] = source(o, f->req_cover, a, b)[o];
		cr_assert(tw_tst_read_req(f, b, f->req_min, a, &q_parts));
		cr_assert(tw_tst_read_req(f, mix, f->req_min, mix, &q_mix));
		cr_assert(q_parts.seq == q_mix.seq && q_parts.t1 == q_mix.t1 &&
			  q_parts.ee == q_mix.ee);
	}
}

/* MBZ, HMAC and padding do not change what is read; every other bit does, and comes back. */
Test(tst_layout, every_bit_is_a_field_or_ignored)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		const struct tw_tst_fmt *f = fmts[i];
		uint8_t zero[TW_TST_HEADER_MAX] = {0}, in[TW_TST_HEADER_MAX],
			out[TW_TST_HEADER_MAX];
		uint8_t layout[TW_TST_HEADER_MAX];
		struct tw_tst_rep r;
		struct tw_tst_req q;

		cr_assert(tw_tst_write_rep(f, layout, sizeof(layout), &rep));
		for (size_t bit = 0; bit < 8U * f->rep_min; bit++) {
			memcpy(in, zero, sizeof(in));
			in[bit / 8] = (uint8_t)(1U << (bit % 8));
			cr_assert(f->read_rep(in, f->rep_min, in, &r));
			cr_assert(tw_tst_write_rep(f, out, sizeof(out), &r));
			cr_assert_arr_eq(out, layout[bit / 8] != 0 ? in : zero, f->rep_min);
		}
		cr_assert(f->write_req(layout, sizeof(layout), &req));
		for (size_t bit = 0; bit < 8U * f->req_min; bit++) {
			memcpy(in, zero, sizeof(in));
			in[bit / 8] = (uint8_t)(1U << (bit % 8));
			cr_assert(tw_tst_read_req(f, in, f->req_min, in, &q));
			cr_assert(f->write_req(out, sizeof(out), &q));
			cr_assert_arr_eq(out, layout[bit / 8] != 0 ? in : zero, f->req_min);
		}
	}
}

Test(tst_layout, short_packets_and_buffers_are_refused)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		const struct tw_tst_fmt *f = fmts[i];
		uint8_t buf[TW_TST_HEADER_MAX] = {0};
		struct tw_tst_req q, q0;
		struct tw_tst_rep r, r0;

		memset(&q, 0xa5, sizeof(q));
		memset(&r, 0xa5, sizeof(r));
		q0 = q;
		r0 = r;
		for (size_t len = 0; len < f->rep_min; len++) {
			cr_assert_not(f->read_rep(buf, len, buf, &r));
			cr_assert_not(tw_tst_write_rep(f, buf, len, &rep));
			if (len < f->req_min) {
				cr_assert_not(tw_tst_read_req(f, buf, len, buf, &q));
				cr_assert_not(f->write_req(buf, len, &req));
			}
		}
		cr_assert_eq(memcmp(&q, &q0, sizeof(q)), 0);
		cr_assert_eq(memcmp(&r, &r0, sizeof(r)), 0);
		for (size_t o = 0; o < sizeof(buf); o++)
			cr_assert_eq(buf[o], 0);
	}
}
