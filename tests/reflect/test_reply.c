/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a reply holds: every size in every mode with both engines, the Error Estimate, duplicates,
 * wrapping numbers.
 */
#include <criterion/criterion.h>

#include "refl_check.h"

/* All lengths up to an Ethernet payload, a burst at a time (R-5357-036, -046, -047, -051..-053). */
static void
all_sizes(struct check_refl_lcore *lc, const struct tw_tst_fmt *fmt)
{
	struct tw_refl_sess *sess = check_refl(fmt, 1);
	uint32_t seq = 0;
	size_t len = fmt->req_min;

	while (len <= 1500) {
		unsigned n = 0;

		for (; n < TW_BURST_MAX && len <= 1500; n++, len++)
			check_job(lc, n, sess, 1000 + (uint32_t)len, len);
		cr_assert_eq(check_run(lc, n, 0), n);
		for (unsigned i = 0; i < n; i++)
			check_reply(lc, i, seq++);
	}
	check_refl_free(sess);
}

Test(reply, is_right_for_every_size_mode_and_engine)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_refl_lcore *lc = check_lcore(check_engines[e]);

		for (unsigned f = 0; f < CHECK_FMTS; f++)
			all_sizes(lc, check_fmts[f]);
		check_lcore_free(lc);
	}
}

Test(reply, needs_only_the_room_it_takes)
{
	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		const struct tw_tst_fmt *fmt = check_fmts[f];
		struct check_refl_lcore *lc = check_lcore("openssl");
		struct tw_refl_sess *sess = check_refl(fmt, 1);

		check_job(lc, 0, sess, 1, fmt->req_min); /* grows */
		lc->jobs[0].room = fmt->rep_min;
		check_job(lc, 1, sess, 2, fmt->rep_min + 1U); /* stays */
		lc->jobs[1].room = fmt->rep_min + 1U;
		cr_assert_eq(check_run(lc, 2, 0), 2);
		check_reply(lc, 0, 0);
		check_reply(lc, 1, 1);
		check_lcore_free(lc);
	}
}

/* Where octets in front may be used for all that the header is longer, and there is padding. */
Test(reply, leaves_padding_in_place_if_it_may_begin_earlier)
{
	enum { AT = 100 };
	static const unsigned lens[] = {0, 1, 27, 200, 1300}; /* octets more than rep_min */
	struct check_refl_lcore *lc;
	uint32_t seq = 0;

	check_init();
	lc = check_lcore(check_fast());
	for (unsigned k = 0; k < CHECK_FMTS * TW_ARRAY_SIZE(lens) * 4; k++) {
		const struct tw_tst_fmt *fmt = check_fmts[k % CHECK_FMTS];
		const unsigned len = fmt->rep_min + lens[k / CHECK_FMTS % TW_ARRAY_SIZE(lens)];
		const unsigned more = (unsigned)(fmt->rep_min - fmt->req_min);
		const unsigned fronts[] = {0, more - 1, more, more + 5};
		const unsigned front = fronts[k / CHECK_FMTS / TW_ARRAY_SIZE(lens)];
		const unsigned early = len > fmt->rep_min && front >= more ? more : 0;
		struct tw_refl_sess *sess = check_refl(fmt, 1);
		struct tw_reflect_job *job = &lc->jobs[0];
		uint8_t mem[AT + CHECK_ROOM];
		struct tw_tst_rep rep;

		check_job(lc, 0, sess, seq++, len);
		memset(mem, 0xee, sizeof(mem));
		memcpy(mem + AT, lc->sent[0], len);
		job->payload = mem + AT;
		job->room = (uint16_t)len;
		job->front = (uint16_t)front;
		cr_assert_eq(check_run(lc, 1, 0), 1);
		cr_assert_eq(
			job->payload - mem, AT - (ptrdiff_t)early, "%u in front of %u", front, len);
		cr_assert_eq(job->rep_len, len);
		cr_assert(check_open_rep(lc->ref, fmt, &sess->tkey, job->payload, len, &rep));
		cr_assert(rep.seq == 0 && rep.sender_seq == seq - 1);
		cr_assert_arr_eq(job->payload + fmt->rep_min, lc->sent[0] + fmt->req_min,
			len - fmt->rep_min);
		for (unsigned i = 0; i < sizeof(mem); i++)
			if (i < AT - early || i >= AT + len)
				cr_assert_eq(mem[i], 0xee, "octet %u", i);
		check_refl_free(sess);
	}
	check_lcore_free(lc);
}

/* A-64, R-5357-040: one reply for every packet received. */
Test(reply, goes_to_each_copy_of_a_duplicate_with_a_number_of_its_own)
{
	struct check_refl_lcore *lc;

	check_init();
	lc = check_lcore(check_fast());
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		struct tw_refl_sess *sess = check_refl(check_fmts[f], 1);

		for (unsigned i = 0; i < 4; i++)
			check_job(lc, i, sess, 77, 120);
		cr_assert_eq(check_run(lc, 4, 0), 4);
		for (unsigned i = 0; i < 4; i++)
			check_reply(lc, i, i);
	}
}

/* one estimate for two times; S only if both have it. */
Test(reply, carries_the_worse_estimate_of_t2_and_t3)
{
	static const struct {
		uint32_t t2_ns, t3_ns;
		bool t2_s, t3_s;
	} c[] = {{100, 5000, true, true}, {5000, 100, true, true}, {10, 10, true, true},
		{10, 10, false, true}, {10, 10, true, false}, {10, 10, false, false}};
	struct check_refl_lcore *lc;

	check_init();
	lc = check_lcore("openssl");
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		struct tw_refl_sess *sess = check_refl(check_fmts[f], 1);

		for (unsigned k = 0; k < TW_ARRAY_SIZE(c); k++) {
			struct tw_clock_ee got;
			struct tw_tst_rep rep;

			lc->t2 = check_stamp_err(CHECK_T0_NS, c[k].t2_ns, c[k].t2_s);
			lc->t3 = check_stamp_err(CHECK_T0_NS + 1, c[k].t3_ns, c[k].t3_s);
			check_job(lc, 0, sess, k, 200);
			cr_assert_eq(check_run(lc, 1, 0), 1);
			check_reply(lc, 0, k);
			cr_assert(check_open_rep(lc->ref, check_fmts[f], &sess->tkey,
				lc->jobs[0].payload, lc->jobs[0].rep_len, &rep));
			got = tw_clock_ee_decode(rep.ee);
			cr_assert(got.is_valid);
			cr_assert_eq(got.is_synced, c[k].t2_s && c[k].t3_s);
			if (got.is_synced) {
				cr_assert_geq(got.error_ns, c[k].t2_ns);
				cr_assert_geq(got.error_ns, c[k].t3_ns);
			}
		}
	}
}

/* R-5357-054, -050: nothing but header, tag and moved padding differs between the modes. */
Test(reply, in_open_mode_is_clear)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_open, 1);
	check_job(lc, 0, sess, 0x01020304, 41);
	cr_assert_eq(check_run(lc, 1, 0), 1);
	cr_assert_eq(tw_load_be32(lc->buf[0]), 0);
	cr_assert_eq(tw_load_be64(lc->buf[0] + 4), lc->t3.ntp);
	cr_assert_eq(tw_load_be16(lc->buf[0] + 14), 0);
	cr_assert_eq(tw_load_be32(lc->buf[0] + 24), 0x01020304);
	cr_assert_eq(lc->buf[0][40], lc->jobs[0].ttl);
}

Test(reply, numbers_wrap_at_32_bits)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore(check_fast());
	sess = check_refl(&tw_tst_auth, 1);
	sess->next_seq = UINT32_MAX - 1;
	for (unsigned i = 0; i < 4; i++)
		check_job(lc, i, sess, UINT32_MAX - i, 112);
	cr_assert_eq(check_run(lc, 4, 0), 4);
	check_reply(lc, 0, UINT32_MAX - 1);
	check_reply(lc, 1, UINT32_MAX);
	check_reply(lc, 2, 0);
	check_reply(lc, 3, 1);
	/* and are taken back across the wrap */
	sess->next_seq = UINT32_MAX;
	for (unsigned i = 0; i < 3; i++)
		check_job(lc, i, sess, i, 112);
	cr_assert_eq(check_run(lc, 3, 3), 0);
	cr_assert_eq(sess->next_seq, UINT32_MAX);
}
