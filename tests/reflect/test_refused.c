/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the device refuses: numbers are taken back, per session and in order, so that a peer sees
 * numbers that rise by one (PROTOCOL.md 4.8 step 10).
 */
#include <criterion/criterion.h>

#include "refl_check.h"

#define SESSIONS 5

/* Random bursts of interleaved sessions of all modes, random tails refused. */
static void
tails(struct check_refl_lcore *lc, uint64_t seed)
{
	struct tw_refl_sess *sess[SESSIONS];
	uint32_t next[SESSIONS] = {0};
	uint64_t refused_of[SESSIONS] = {0};

	for (unsigned i = 0; i < SESSIONS; i++)
		sess[i] = check_refl(check_fmts[i % CHECK_FMTS], i);
	for (unsigned round = 0; round < 60; round++) {
		unsigned n = 1 + (unsigned)(check_rand(&seed) % TW_BURST_MAX);
		unsigned refused = (unsigned)(check_rand(&seed) % (n + 1));
		unsigned who[TW_BURST_MAX];

		for (unsigned i = 0; i < n; i++) {
			who[i] = (unsigned)(check_rand(&seed) % SESSIONS);
			check_job(lc, i, sess[who[i]], round, 48 + check_rand(&seed) % 200);
		}
		cr_assert_eq(check_run(lc, n, refused), n - refused);
		for (unsigned i = 0; i < n; i++) {
			if (i < n - refused) {
				check_reply(lc, i, next[who[i]]++);
			} else {
				cr_assert_eq(lc->jobs[i].drop, TW_REFL_DROP_TX_REFUSED);
				refused_of[who[i]]++;
			}
		}
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		cr_assert_eq(sess[i]->next_seq, next[i]);
		cr_assert_eq(tw_ctr_get(&sess[i]->reflected), next[i]);
		cr_assert_eq(tw_ctr_get(&sess[i]->drops[TW_REFL_DROP_TX_REFUSED]), refused_of[i]);
		check_refl_free(sess[i]);
	}
}

Test(refused, tails_of_interleaved_sessions_leave_no_gap)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_refl_lcore *lc = check_lcore(check_engines[e]);

		tails(lc, 42 + e);
		check_lcore_free(lc);
	}
}

Test(refused, every_tail_of_a_full_burst_in_every_mode)
{
	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		struct check_refl_lcore *lc = check_lcore(check_fast());
		struct tw_refl_sess *sess = check_refl(check_fmts[f], 1);
		uint32_t next = 0;

		for (unsigned refused = 0; refused <= TW_BURST_MAX; refused++) {
			for (unsigned i = 0; i < TW_BURST_MAX; i++)
				check_job(lc, i, sess, i, 112);
			check_run(lc, TW_BURST_MAX, refused);
			for (unsigned i = 0; i < TW_BURST_MAX - refused; i++)
				check_reply(lc, i, next++);
		}
		check_lcore_free(lc);
	}
}

/* Two devices: one takes all, the other nothing. */
Test(refused, one_session_of_two)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *a, *b;

	check_init();
	lc = check_lcore(check_fast());
	a = check_refl(&tw_tst_auth, 1);
	b = check_refl(&tw_tst_encr, 2);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 10; i++)
			check_job(lc, i, i % 2 ? b : a, i, 112);
		cr_assert_eq(tw_reflect_verify(&lc->rf, lc->jobs, 10), 10);
		tw_reflect_build(&lc->rf, lc->jobs, 10);
		tw_reflect_protect(&lc->rf, lc->jobs, 10, &lc->t3);
		for (unsigned i = 0; i < 10; i++) {
			tw_reflect_stamp(&lc->jobs[i], &lc->t3);
			lc->jobs[i].is_refused = i % 2;
		}
		cr_assert_eq(tw_reflect_finish(&lc->rf, lc->jobs, 10), 5);
		for (unsigned i = 0; i < 10; i += 2)
			check_reply(lc, i, 5 * round + i / 2);
	}
	cr_assert_eq(b->next_seq, 0);
}

/* Against the rule for refusals: a number may be lost, it is never used twice. */
Test(refused, in_the_middle_uses_no_number_twice)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_auth, 1);
	for (unsigned i = 0; i < 3; i++)
		check_job(lc, i, sess, i, 112);
	tw_reflect_verify(&lc->rf, lc->jobs, 3);
	tw_reflect_build(&lc->rf, lc->jobs, 3);
	tw_reflect_protect(&lc->rf, lc->jobs, 3, &lc->t3);
	lc->jobs[1].is_refused = true;
	cr_assert_eq(tw_reflect_finish(&lc->rf, lc->jobs, 3), 2);
	cr_assert_eq(sess->next_seq, 3);
	cr_assert_eq(tw_ctr_get(&sess->reflected), 2);
}

/* The flag of an earlier burst must not stick to memory that is used again. */
Test(refused, flag_is_cleared_by_the_next_burst)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_open, 1);
	check_job(lc, 0, sess, 0, 41);
	lc->jobs[0].is_refused = true;
	lc->jobs[0].drop = TW_REFL_DROP_TX_REFUSED;
	cr_assert_eq(check_run(lc, 1, 0), 1);
	check_reply(lc, 0, 0);
}
