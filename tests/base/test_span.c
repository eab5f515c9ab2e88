/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Reader and writer: what does not fit fails, stays failed and touches nothing. */
#include <criterion/criterion.h>

#include "tw_base.h"

Test(span, reads_network_order)
{
	static const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct tw_rd rd = tw_rd_init(in, sizeof(in));
	uint64_t d = 0;
	uint32_t c = 0;
	uint16_t b = 0;
	uint8_t a = 0;

	cr_assert(tw_rd_u8(&rd, &a) && tw_rd_u16(&rd, &b) && tw_rd_u32(&rd, &c) &&
		  tw_rd_u64(&rd, &d));
	cr_assert_eq(a, 1);
	cr_assert_eq(b, 0x0203);
	cr_assert_eq(c, 0x04050607);
	cr_assert_eq(d, 0x08090a0b0c0d0e0fULL);
	cr_assert_eq(rd.left, 0);
}

Test(span, a_short_read_fails_for_good)
{
	static const uint8_t in[] = {1, 2, 3};
	struct tw_rd rd = tw_rd_init(in, sizeof(in));
	uint32_t c = 42;
	uint8_t a = 42;

	cr_assert_not(tw_rd_u32(&rd, &c));
	cr_assert_eq(c, 42);
	cr_assert_not(tw_rd_u8(&rd, &a));
	cr_assert_eq(a, 42);
	cr_assert_eq(rd.left, 3);
}

Test(span, a_write_past_the_end_fails_for_good)
{
	uint8_t out[4] = {9, 9, 9, 9};
	struct tw_wr wr = tw_wr_init(out, 3);

	cr_assert(tw_wr_u16(&wr, 0x0102));
	cr_assert_not(tw_wr_u16(&wr, 0x0304));
	cr_assert_not(tw_wr_u8(&wr, 5));
	cr_assert_arr_eq(out, ((uint8_t[]){1, 2, 9, 9}), 4);
}

Test(span, writes_what_the_reader_reads)
{
	uint8_t out[16];
	struct tw_wr wr = tw_wr_init(out, sizeof(out));
	struct tw_rd rd = tw_rd_init(out, sizeof(out));
	uint64_t d = 0;
	uint32_t c = 0;

	cr_assert(tw_wr_u64(&wr, 0x1122334455667788ULL) && tw_wr_u32(&wr, 7) && tw_wr_zero(&wr, 4));
	cr_assert_eq(wr.left, 0);
	cr_assert(tw_rd_u64(&rd, &d) && tw_rd_u32(&rd, &c));
	cr_assert_eq(d, 0x1122334455667788ULL);
	cr_assert_eq(c, 7);
}

Test(span, counter_adds_up)
{
	struct tw_ctr c = {0};

	tw_ctr_inc(&c);
	tw_ctr_add(&c, 41);
	cr_assert_eq(tw_ctr_get(&c), 42);
}

Test(span, octets_and_gaps)
{
	static const uint8_t in[] = {1, 2, 3, 4, 5};
	struct tw_rd rd = tw_rd_init(in, sizeof(in));
	uint8_t got[2] = {9, 9};

	cr_assert(tw_rd_skip(&rd, 1) && tw_rd_bytes(&rd, got, 2) && tw_rd_skip(&rd, 2));
	cr_assert_arr_eq(got, ((uint8_t[]){2, 3}), 2);
	cr_assert(tw_rd_skip(&rd, 0) && tw_rd_bytes(&rd, got, 0));
	cr_assert_not(tw_rd_skip(&rd, 1));
	cr_assert_not(tw_rd_skip(&rd, 0), "a failed reader stays failed");
}

Test(span, lengths_near_the_largest_do_not_wrap)
{
	uint8_t buf[4] = {0};
	struct tw_rd rd = tw_rd_init(buf, sizeof(buf));
	struct tw_wr wr = tw_wr_init(buf, sizeof(buf));

	cr_assert(tw_rd_skip(&rd, 1) && tw_wr_zero(&wr, 1));
	cr_assert_not(tw_rd_skip(&rd, SIZE_MAX));
	cr_assert_not(tw_wr_zero(&wr, SIZE_MAX));
	cr_assert_eq(rd.left, 3);
	cr_assert_eq(wr.left, 3);
}

Test(span, every_write_checks_its_own_size)
{
	uint8_t out[8];

	for (size_t room = 0; room < sizeof(out); room++) {
		struct tw_wr w16 = tw_wr_init(out, room);
		struct tw_wr w32 = tw_wr_init(out, room);
		struct tw_wr w64 = tw_wr_init(out, room);

		memset(out, 0xa5, sizeof(out));
		cr_assert_eq(tw_wr_u16(&w16, 0), room >= 2);
		cr_assert_eq(tw_wr_u32(&w32, 0), room >= 4);
		cr_assert_not(tw_wr_u64(&w64, 0));
		for (size_t i = room; i < sizeof(out); i++)
			cr_assert_eq(out[i], 0xa5);
	}
}
