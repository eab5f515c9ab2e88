/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What is not answered: short, changed, foreign and invalid requests; each is counted for its
 * reason, its payload stays as it was, and its neighbours in the burst are answered.
 */
#include <criterion/criterion.h>

#include "refl_check.h"

static void
check_drop(struct check_refl_lcore *lc, unsigned i, enum tw_refl_drop why)
{
	cr_assert_eq(lc->jobs[i].drop, why, "job %u: %s, not %s", i,
		tw_refl_drop_name(lc->jobs[i].drop), tw_refl_drop_name(why));
	cr_assert_arr_eq(lc->buf[i], lc->sent[i], CHECK_ROOM);
}

/* Every length from 0 to one short of the header, and the whole packet cut there. */
Test(drops, every_truncation)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_refl_lcore *lc = check_lcore(check_engines[e]);

		for (unsigned f = 0; f < CHECK_FMTS; f++) {
			const struct tw_tst_fmt *fmt = check_fmts[f];
			struct tw_refl_sess *sess = check_refl(fmt, 1);

			for (unsigned len = 0; len < fmt->req_min; len++) {
				check_job(lc, 0, sess, len, 200);
				lc->jobs[0].rx_len = (uint16_t)len;
				cr_assert_eq(check_run(lc, 1, 0), 0);
				check_drop(lc, 0, TW_REFL_DROP_SHORT);
			}
			cr_assert_eq(tw_ctr_get(&sess->drops[TW_REFL_DROP_SHORT]), fmt->req_min);
			cr_assert_eq(sess->next_seq, 0);
			cr_assert_eq(atomic_load(&sess->last_valid_ns), 0);
		}
		check_lcore_free(lc);
	}
}

Test(drops, a_reply_that_does_not_fit)
{
	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		const struct tw_tst_fmt *fmt = check_fmts[f];
		struct check_refl_lcore *lc = check_lcore("openssl");
		struct tw_refl_sess *sess = check_refl(fmt, 1);

		for (unsigned len = fmt->req_min; len < fmt->rep_min; len++) {
			check_job(lc, 0, sess, len, len);
			lc->jobs[0].room = fmt->rep_min - 1U;
			cr_assert_eq(check_run(lc, 1, 0), 0);
			check_drop(lc, 0, TW_REFL_DROP_NO_ROOM);
		}
		check_lcore_free(lc);
	}
}

/* One bit at a time of what the HMAC covers, and of the HMAC itself (R-4656-080, R-5357-035). */
Test(drops, every_changed_bit_under_the_hmac)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_refl_lcore *lc = check_lcore(check_engines[e]);

		for (unsigned f = 1; f < CHECK_FMTS; f++) {
			const struct tw_tst_fmt *fmt = check_fmts[f];
			struct tw_refl_sess *sess = check_refl(fmt, 1);
			unsigned n = 0;

			for (unsigned bit = 0; bit < 8U * fmt->req_min; bit++) {
				unsigned octet = bit / 8;

				if (octet >= fmt->req_cover && octet < fmt->req_hmac_off)
					continue; /* T1 in authenticated mode */
				check_job(lc, n, sess, bit, 60);
				lc->buf[n][octet] ^= (uint8_t)(1U << bit % 8);
				lc->sent[n][octet] ^= (uint8_t)(1U << bit % 8);
				if (++n < TW_BURST_MAX)
					continue;
				cr_assert_eq(check_run(lc, n, 0), 0);
				while (n > 0)
					check_drop(lc, --n, TW_REFL_DROP_AUTH_FAILED);
			}
			cr_assert_eq(n, 0);
			cr_assert_eq(sess->next_seq, 0);
			cr_assert_eq(atomic_load(&sess->last_valid_ns), 0);
		}
		check_lcore_free(lc);
	}
}

Test(drops, packets_of_another_session)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_refl_lcore *lc = check_lcore(check_engines[e]);

		for (unsigned f = 1; f < CHECK_FMTS; f++) {
			struct tw_refl_sess *a = check_refl(check_fmts[f], 1);
			struct tw_refl_sess *b = check_refl(check_fmts[f], 2);

			for (unsigned i = 0; i < 8; i++) {
				check_job(lc, i, i % 2 ? b : a, i, 112);
				lc->jobs[i].sess = a;
			}
			cr_assert_eq(check_run(lc, 8, 0), 4);
			for (unsigned i = 0; i < 8; i++) {
				if (i % 2)
					check_drop(lc, i, TW_REFL_DROP_AUTH_FAILED);
				else
					check_reply(lc, i, i / 2);
			}
			cr_assert_eq(tw_ctr_get(&a->drops[TW_REFL_DROP_AUTH_FAILED]), 4);
		}
		check_lcore_free(lc);
	}
}

/* A sender's packet and a reply have the same keys: a reply sent back must not be answered as one
 * unless its octets verify as a request, which those of encrypted mode do not. */
Test(drops, a_reply_played_back_in_encrypted_mode)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore(check_fast());
	sess = check_refl(&tw_tst_encr, 1);
	check_job(lc, 0, sess, 1, 112);
	cr_assert_eq(check_run(lc, 1, 0), 1);
	lc->jobs[0].rx_len = lc->jobs[0].rep_len;
	cr_assert_eq(check_run(lc, 1, 0), 0);
	cr_assert_eq(lc->jobs[0].drop, TW_REFL_DROP_AUTH_FAILED);
}

/* R-4656-072 */
Test(drops, multiplier_zero)
{
	static const uint16_t ee[] = {0x0000, 0x8000, 0x3f00, 0xff00, 0x8500};

	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		const struct tw_tst_fmt *fmt = check_fmts[f];
		struct check_refl_lcore *lc = check_lcore(check_fast());
		struct tw_refl_sess *sess = check_refl(fmt, 1);
		unsigned n = TW_ARRAY_SIZE(ee);

		for (unsigned i = 0; i < n; i++) {
			check_job(lc, i, sess, i, 100);
			lc->req[i].ee = ee[i];
			check_request(lc->ref, fmt, &sess->tkey, &lc->req[i], lc->buf[i], 100);
			memcpy(lc->sent[i], lc->buf[i], CHECK_ROOM);
		}
		check_job(lc, n, sess, n, 100);
		cr_assert_eq(check_run(lc, n + 1, 0), 1);
		for (unsigned i = 0; i < n; i++)
			check_drop(lc, i, TW_REFL_DROP_BAD_MULTIPLIER);
		check_reply(lc, n, 0);
		cr_assert_eq(tw_ctr_get(&sess->drops[TW_REFL_DROP_BAD_MULTIPLIER]), n);
		check_lcore_free(lc);
	}
}

/* A fault of the engine is no authentic packet and no reply. */
static unsigned
broken(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	(void)eng;
	for (unsigned i = 0; i < n; i++)
		job[i].res = -5;
	return 0;
}

Test(drops, what_a_broken_engine_did_not_protect)
{
	static const struct tw_engine_ops ops = {.name = "broken", .seal = broken, .open = broken};
	struct tw_engine bad = {.ops = &ops};
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_auth, 1);
	/* not the numbers of the replies: those would be protected without the engine */
	check_job(lc, 0, sess, 7, 112);
	check_job(lc, 1, sess, 8, 112);
	cr_assert_eq(tw_reflect_verify(&lc->rf, lc->jobs, 2), 2);
	tw_reflect_build(&lc->rf, lc->jobs, 2);
	lc->rf.eng = &bad;
	cr_assert_eq(tw_reflect_protect(&lc->rf, lc->jobs, 2, &lc->t3), 0);
	cr_assert_eq(tw_reflect_finish(&lc->rf, lc->jobs, 2), 0);
	cr_assert_eq(tw_ctr_get(&sess->drops[TW_REFL_DROP_SEAL_FAILED]), 2);
	cr_assert_eq(sess->next_seq, 0);
	check_job(lc, 0, sess, 0, 112);
	cr_assert_eq(tw_reflect_verify(&lc->rf, lc->jobs, 1), 0);
	cr_assert_eq(lc->jobs[0].drop, TW_REFL_DROP_AUTH_FAILED);
}
