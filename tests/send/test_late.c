/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The late rule: what is behind goes at once and is counted, what is too far behind is skipped and
 * counted, and all of it together is what was scheduled.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "send_check.h"

struct run {
	struct check_snd *c;
	struct tw_send_sess *sess;
};

static struct run
start(const struct tw_send_cfg *cfg)
{
	struct run r;

	check_init();
	r.c = check_snd("openssl", CHECK_CAP);
	r.sess = check_send(cfg);
	cr_assert_eq(tw_send_add(r.c->snd, r.sess, &r.c->steady, CHECK_T0_NS), 0);
	return r;
}

Test(late, counts_above_the_threshold)
{
	struct tw_send_cfg cfg = check_periodic(10 * MS, 3);
	struct run r = start(&cfg);

	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + TW_SEND_LATE_AFTER_NS), 1);
	cr_assert_eq(check_counts(r.sess).late, 0);
	cr_assert_eq(check_counts(r.sess).lag_max_ns, TW_SEND_LATE_AFTER_NS);
	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 10 * MS + TW_SEND_LATE_AFTER_NS + 1), 1);
	cr_assert_eq(check_counts(r.sess).late, 1);
	/* the schedule has not moved */
	cr_assert_eq(tw_send_next_due(r.c->snd), CHECK_T0_NS + 20 * MS);
	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 20 * MS), 1);
	cr_assert_eq(check_counts(r.sess).late, 1);
}

Test(late, threshold_is_a_setting)
{
	struct tw_send_cfg cfg = check_periodic(MS, 2);
	struct run r;

	cfg.late_after_ns = 5;
	r = start(&cfg);
	check_all_due(r.c, CHECK_T0_NS + 5);
	cr_assert_eq(check_counts(r.sess).late, 0);
	check_all_due(r.c, CHECK_T0_NS + MS + 6);
	cr_assert_eq(check_counts(r.sess).late, 1);
}

/* What departs later than it was taken is judged by its departure. */
Test(late, is_judged_at_departure)
{
	struct tw_send_cfg cfg = check_periodic(MS, 1);
	struct run r = start(&cfg);

	cr_assert_eq(tw_send_poll(r.c->snd, CHECK_T0_NS, r.c->jobs, 1), 1);
	tw_send_finish(r.c->snd, r.c->jobs, 1, CHECK_T0_NS + 3 * MS);
	cr_assert_eq(check_counts(r.sess).late, 1);
	cr_assert_eq(check_counts(r.sess).lag_max_ns, 3 * MS);
}

Test(late, all_of_a_short_stall_goes_at_once)
{
	struct tw_send_cfg cfg = check_periodic(MS, 2000);
	struct run r = start(&cfg);
	struct tw_send_counts n;

	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 500 * MS), 501);
	n = check_counts(r.sess);
	cr_assert_eq(n.sent, 501);
	cr_assert_eq(n.late, 499); /* all but those due now and 1 ms ago */
	cr_assert_eq(n.skipped, 0);
}

Test(late, beyond_max_lag_is_skipped_without_using_numbers)
{
	struct tw_send_cfg cfg = check_periodic(MS, 5000);
	struct run r = start(&cfg);
	struct tw_send_counts n;

	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 3 * S), 1001);
	n = check_counts(r.sess);
	cr_assert_eq(n.skipped, 2000); /* due 0..1999 ms; the one due at 2000 ms just goes */
	cr_assert_eq(n.sent, 1001);
	cr_assert_eq(n.scheduled, 3001);
	cr_assert_eq(n.lag_max_ns, S);
	for (int64_t t = CHECK_T0_NS + 3001 * MS; t < CHECK_T0_NS + 6 * S; t += MS)
		check_all_due(r.c, t);
	n = check_counts(r.sess);
	cr_assert_eq(n.scheduled, 5000);
	cr_assert_eq(n.skipped, 2000);
	cr_assert_eq(n.sent, 3000);
	cr_assert_eq(n.state, TW_SESS_DRAINING);
}

Test(late, max_lag_is_a_setting)
{
	struct tw_send_cfg cfg = check_periodic(MS, 5000);
	struct run r;

	cfg.max_lag_ns = 20 * MS;
	r = start(&cfg);
	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 100 * MS), 21);
	cr_assert_eq(check_counts(r.sess).skipped, 80);
}

Test(late, a_stall_past_the_end_skips_what_was_left)
{
	struct tw_send_cfg cfg = check_periodic(MS, 5000);
	struct run r = start(&cfg);
	struct tw_send_counts n;

	check_all_due(r.c, CHECK_T0_NS + 10 * MS);
	check_all_due(r.c, CHECK_T0_NS + 3600 * S);
	n = check_counts(r.sess);
	cr_assert_eq(n.scheduled, 5000);
	cr_assert_eq(n.sent, 11);
	cr_assert_eq(n.skipped, 4989);
	cr_assert_eq(n.state, TW_SESS_DRAINING);
	/* Tmax after the last packet that did leave: over already */
	cr_assert_eq(tw_send_next_due(r.c->snd), CHECK_T0_NS + 10 * MS + TW_SEND_TMAX_NS);
}

Test(late, a_stall_past_the_end_by_time)
{
	struct tw_send_cfg cfg = check_periodic(3 * MS, 0);
	struct run r;

	cfg.duration_ns = S;
	r = start(&cfg);
	cr_assert_eq(check_all_due(r.c, CHECK_T0_NS + 1500 * MS), 167); /* due 501 .. 999 ms */
	cr_assert_eq(check_counts(r.sess).skipped, 167);
	cr_assert_eq(check_counts(r.sess).scheduled, 334);
}

/* An hour at 1,000,000 packets/s is skipped in one step; odd fractions stay on their raster. */
Test(late, a_long_stall_costs_one_step)
{
	struct tw_send_cfg cfg = check_periodic(US, 0);
	struct run r;
	unsigned n;

	cfg.interval_frac = 12345;
	cfg.max_lag_ns = 10 * US;
	r = start(&cfg);
	n = tw_send_poll(r.c->snd, CHECK_T0_NS + 3600 * S, r.c->jobs, TW_BURST_MAX);
	cr_assert_eq(n, 10, "%u", n); /* the raster is not that of now */
	cr_assert_geq(r.c->jobs[0].was.due_ns, CHECK_T0_NS + 3600 * S - 10 * US);
	/* slot k is due at k * (1000 + 12345 / 2^32) ns */
	for (unsigned i = 0; i < n; i++) {
		unsigned __int128 want =
			(((unsigned __int128)1000 << 32) + 12345) * r.c->jobs[i].was.slot;

		cr_assert_eq(r.c->jobs[i].was.due_ns - CHECK_T0_NS, (int64_t)(want >> 32));
		cr_assert_eq(r.c->jobs[i].was.due_frac, (uint32_t)want);
	}
	tw_send_finish(r.c->snd, r.c->jobs, n, CHECK_T0_NS + 3600 * S);
	cr_assert_eq(check_counts(r.sess).scheduled, r.c->jobs[n - 1].was.slot + 1);
}

/* Exponential gaps are skipped in bounded steps; nobody else waits for that. */
Test(late, poisson_catches_up_in_bounded_steps)
{
	struct tw_send_cfg cfg = check_periodic(US, 0);
	struct run r;
	struct tw_send_sess *other;
	const int64_t now = CHECK_T0_NS + 2 * S;
	unsigned polls = 0, n;
	bool other_went = false;

	cfg.law = TW_SEND_POISSON;
	cfg.max_lag_ns = 10 * US;
	r = start(&cfg);
	cfg = check_periodic(2 * S, 2);
	cfg.id = 2;
	other = check_send(&cfg);
	cr_assert_eq(tw_send_add(r.c->snd, other, &r.c->steady, CHECK_T0_NS + 1), 0);
	do {
		uint64_t before = check_counts(r.sess).skipped;

		n = tw_send_poll(r.c->snd, now, r.c->jobs, TW_BURST_MAX);
		cr_assert_leq(check_counts(r.sess).skipped - before, 64 * 16);
		for (unsigned i = 0; i < n; i++)
			other_went |= r.c->jobs[i].sess == other;
		tw_send_finish(r.c->snd, r.c->jobs, n, now);
		polls++;
	} while (n == 0 || tw_send_next_due(r.c->snd) <= now);
	/* 2,000,000 events, five standard deviations */
	cr_assert_lt(llabs((int64_t)check_counts(r.sess).scheduled - 2000000), 5 * 1415);
	cr_assert_lt(check_counts(r.sess).sent, 40);
	cr_assert_gt(polls, 1500);
	check_all_due(r.c, now + 1);
	cr_assert(other_went || check_counts(other).sent > 0);
}

/* Earliest first: a session far behind does not push one that is punctual out of its turn. */
Test(late, the_longest_waiting_goes_first)
{
	struct tw_send_cfg cfg = check_periodic(10 * MS, 10);
	struct run r = start(&cfg);
	struct tw_send_sess *b;
	int64_t last = INT64_MIN;
	unsigned n;

	cfg.id = 2;
	b = check_send(&cfg);
	cr_assert_eq(tw_send_add(r.c->snd, b, &r.c->steady, CHECK_T0_NS + 5 * MS), 0);
	n = tw_send_poll(r.c->snd, CHECK_T0_NS + 200 * MS, r.c->jobs, TW_BURST_MAX);
	cr_assert_eq(n, 20);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_geq(r.c->jobs[i].was.due_ns, last);
		last = r.c->jobs[i].was.due_ns;
		cr_assert_eq(r.c->jobs[i].sess, i % 2 ? b : r.sess);
		cr_assert_eq(r.c->jobs[i].seq, i / 2);
	}
}
