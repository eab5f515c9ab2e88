/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Which states answer, the edge of the deadline, REFWAIT's time, the rate limit.
 */
#include <criterion/criterion.h>

#include "refl_check.h"

#define S 1000000000LL

/* One packet at @p ns; its fate. */
static enum tw_refl_drop
at(struct check_refl_lcore *lc, struct tw_refl_sess *sess, int64_t ns)
{
	lc->t2 = check_stamp(ns);
	check_job(lc, 0, sess, 1, 120);
	check_run(lc, 1, 0);
	return (enum tw_refl_drop)lc->jobs[0].drop;
}

Test(states, before_start_nothing_is_answered)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess sess;
	const struct tw_refl_cfg cfg = {.fmt = &tw_tst_open};

	check_init();
	lc = check_lcore("openssl");
	cr_assert_eq(tw_refl_sess_init(&sess, &cfg), 0);
	cr_assert_eq(at(lc, &sess, CHECK_T0_NS), TW_REFL_DROP_NOT_RUNNING); /* */
	tw_refl_sess_start(&sess);
	cr_assert_eq(at(lc, &sess, CHECK_T0_NS), TW_REFL_OK);
	check_reply(lc, 0, 0); /* numbers begin with the first reply */
	tw_refl_sess_end(&sess);
	cr_assert_eq(at(lc, &sess, CHECK_T0_NS), TW_REFL_DROP_NOT_RUNNING);
	cr_assert_eq(tw_ctr_get(&sess.drops[TW_REFL_DROP_NOT_RUNNING]), 2);
	cr_assert_eq(tw_ctr_get(&sess.reflected), 1);
}

/* R-5357-020, -021, -043: by arrival, the deadline itself included. */
Test(states, draining_ends_at_the_deadline)
{
	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		struct check_refl_lcore *lc = check_lcore(check_fast());
		struct tw_refl_sess *sess = check_refl(check_fmts[f], 1);
		const int64_t end = CHECK_T0_NS + 2 * S;

		tw_refl_sess_drain(sess, (tw_ns){end});
		cr_assert_eq(at(lc, sess, CHECK_T0_NS), TW_REFL_OK);
		cr_assert_eq(at(lc, sess, end - 1), TW_REFL_OK);
		cr_assert_eq(at(lc, sess, end), TW_REFL_OK);
		cr_assert_eq(at(lc, sess, end + 1), TW_REFL_DROP_AFTER_TIMEOUT);
		cr_assert_eq(at(lc, sess, INT64_MAX / 2), TW_REFL_DROP_AFTER_TIMEOUT);
		/* what arrived in time and was handled late is answered */
		cr_assert_eq(at(lc, sess, end), TW_REFL_OK);
		tw_refl_sess_drain(sess, (tw_ns){end + 10});
		cr_assert_eq(at(lc, sess, end + 10), TW_REFL_OK);
		cr_assert_eq(at(lc, sess, end + 11), TW_REFL_DROP_AFTER_TIMEOUT);
		tw_refl_sess_end(sess);
		cr_assert_eq(at(lc, sess, end), TW_REFL_DROP_NOT_RUNNING);
		check_lcore_free(lc);
	}
}

/* The edge inside one burst: a packet before and one behind. */
Test(states, a_burst_across_the_deadline)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;
	struct tw_sess_stamp late;

	check_init();
	lc = check_lcore(check_fast());
	sess = check_refl(&tw_tst_encr, 1);
	tw_refl_sess_drain(sess, lc->t2.at.time);
	late = check_stamp(lc->t2.at.time.ns + 1);
	for (unsigned i = 0; i < 6; i++) {
		check_job(lc, i, sess, i, 112);
		if (i % 2)
			lc->jobs[i].t2 = &late;
	}
	cr_assert_eq(check_run(lc, 6, 0), 3);
	for (unsigned i = 0; i < 6; i += 2)
		check_reply(lc, i, i / 2);
	cr_assert_eq(tw_ctr_get(&sess->drops[TW_REFL_DROP_AFTER_TIMEOUT]), 3);
}

Test(states, only_valid_packets_refresh_refwait)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;
	struct tw_refl_counts c;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_auth, 1);
	tw_refl_sess_counts(sess, &c);
	cr_assert_eq(c.last_valid.ns, 0);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS), TW_REFL_OK);
	lc->t2 = check_stamp(CHECK_T0_NS + S);
	check_job(lc, 0, sess, 2, 120);
	lc->buf[0][0] ^= 1;
	check_run(lc, 1, 0);
	tw_refl_sess_counts(sess, &c);
	cr_assert_eq(c.last_valid.ns, CHECK_T0_NS);
	/* a valid packet whose reply the device refuses was still one */
	lc->t2 = check_stamp(CHECK_T0_NS + 2 * S);
	check_job(lc, 0, sess, 3, 120);
	check_run(lc, 1, 1);
	tw_refl_sess_counts(sess, &c);
	cr_assert_eq(c.last_valid.ns, CHECK_T0_NS + 2 * S);
	cr_assert_eq(c.reflected, 1);
	cr_assert_eq(c.dropped, 2);
}

static struct tw_refl_sess *
limited(uint32_t rate_pps)
{
	struct tw_refl_sess *sess = tw_crypto_map(sizeof(*sess));
	const struct tw_refl_cfg cfg = {.fmt = &tw_tst_open, .rate_pps = rate_pps};

	cr_assert_eq(tw_refl_sess_init(sess, &cfg), 0);
	tw_refl_sess_start(sess);
	return sess;
}

/* PROTOCOL.md 5.3: at most rate_pps in the long run, whatever is offered. */
Test(states, rate_limit_holds_under_overload)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;
	uint64_t sent = 0;

	check_init();
	lc = check_lcore("openssl");
	sess = limited(10000);
	for (unsigned burst = 0; burst < 2000; burst++) { /* 32,000/s for 2 s, in bursts of 32 */
		lc->t2 = check_stamp(CHECK_T0_NS + burst * 1000000LL);
		for (unsigned i = 0; i < 32; i++)
			check_job(lc, i, sess, i, 41);
		sent += check_run(lc, 32, 0);
	}
	/* 2 s at the rate, and 0.1 s ahead of it */
	cr_assert_geq(sent, 20900);
	cr_assert_leq(sent, 21020);
	cr_assert_eq(tw_ctr_get(&sess->drops[TW_REFL_DROP_RATE_LIMITED]), 64000 - sent);
}

Test(states, rate_limit_lets_the_rate_itself_pass)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = limited(10000);
	for (unsigned burst = 0; burst < 3000; burst++) {
		lc->t2 = check_stamp(CHECK_T0_NS + burst * 3200000LL);
		for (unsigned i = 0; i < 32; i++)
			check_job(lc, i, sess, i, 41);
		cr_assert_eq(check_run(lc, 32, 0), 32);
	}
}

/* A step of our clock back must not silence a session. */
Test(states, rate_limit_survives_a_step_back)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = limited(1);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS), TW_REFL_OK);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS + 1), TW_REFL_DROP_RATE_LIMITED);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS - 3600 * S), TW_REFL_OK);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS - 3600 * S + 1), TW_REFL_DROP_RATE_LIMITED);
	cr_assert_eq(at(lc, sess, CHECK_T0_NS - 3599 * S), TW_REFL_OK);
}
