/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * When packets are due: no drift over a million, the smallest and the largest interval, Poisson
 * gaps, ends by count and by time, start times, steps of the clock.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "send_check.h"
#include "send_i.h"

Test(schedule, a_million_packets_do_not_drift)
{
	/* 3 and 7 packets/s, and 1.000000001 us: none is a whole number of nanoseconds */
	static const struct {
		uint64_t ns;
		uint32_t frac;
		int64_t million_ns; /* 10^6 intervals, rounded down */
	} c[] = {
		{333333333, 1431655765, 333333333333333},
		{142857142, 3681400540, 142857142857142},
		{1000, 4295, 1000000001},
		{1000, 0, 1000000000},
		{60000000000, 0, 60000000000000000},
	};

	check_init();
	for (unsigned i = 0; i < TW_ARRAY_SIZE(c); i++) {
		struct tw_send_cfg cfg = check_periodic(c[i].ns, 2000000);
		struct tw_send_sess *sess;

		cfg.interval_frac = c[i].frac;
		sess = check_send(&cfg);
		sched_start(sess, 0);
		for (unsigned k = 0; k < 1000000; k++)
			sched_advance(sess);
		cr_assert_eq(sess->sched.slot, 1000000);
		cr_assert_leq(llabs(sess->sched.due_ns - c[i].million_ns), 1, "%u: %ld", i,
			sess->sched.due_ns);
	}
}

static double
square(double x)
{
	return x * x;
}

/* Mean, variance, and independence of neighbours, with a fixed seed. */
Test(schedule, poisson_gaps_are_exponential)
{
	const unsigned n = 500000;
	struct tw_send_cfg cfg = check_periodic(10000, 0);
	struct tw_send_sess *sess;
	double sum = 0, sum2 = 0, cross = 0, last = 0;
	int64_t due_ns = 0;

	check_init();
	cfg.law = TW_SEND_POISSON;
	sess = check_send(&cfg);
	sched_start(sess, 0);
	for (unsigned i = 0; i < n; i++) {
		double gap = (double)(sess->sched.due_ns - due_ns) / 10000;

		cr_assert_geq(sess->sched.due_ns, due_ns);
		due_ns = sess->sched.due_ns;
		sum += gap;
		sum2 += gap * gap;
		cross += gap * last;
		last = gap;
		sched_advance(sess);
	}
	/* within five standard errors: squares are compared */
	cr_assert_lt(square(sum / n - 1), 25.0 / n);
	cr_assert_lt(square(sum2 / n - square(sum / n) - 1), 25 * 8.0 / n);
	cr_assert_lt(square(cross / n - 1), 25 * 3.0 / n);
}

Test(schedule, poisson_depends_on_the_seed_alone)
{
	struct tw_send_cfg cfg = check_periodic(1000000, 0);
	struct tw_send_sess *a, *b, *c;
	unsigned same = 0;

	check_init();
	cfg.law = TW_SEND_POISSON;
	a = check_send(&cfg);
	b = check_send(&cfg);
	cfg.seed[3]++;
	c = check_send(&cfg);
	sched_start(a, 0);
	sched_start(b, 1000);
	sched_start(c, 0);
	for (unsigned i = 0; i < 1000; i++) {
		cr_assert_eq(a->sched.due_ns + 1000, b->sched.due_ns);
		same += a->sched.due_ns == c->sched.due_ns;
		sched_advance(a);
		sched_advance(b);
		sched_advance(c);
	}
	cr_assert_lt(same, 10);
}

Test(schedule, bursts_leave_at_once_and_keep_their_interval)
{
	struct tw_send_cfg cfg = check_periodic(MS, 10);
	struct tw_send_sess *sess;

	check_init();
	cfg.law = TW_SEND_BURST;
	cfg.burst_cnt = 4;
	sess = check_send(&cfg);
	sched_start(sess, 0);
	for (unsigned i = 0; i < 10; i++) {
		cr_assert_eq(sess->sched.due_ns, (int64_t)(i / 4) * MS);
		sched_advance(sess);
	}
	cr_assert(sched_is_over(sess));
}

Test(schedule, a_trace_is_followed_over_and_over)
{
	static const uint64_t gaps[] = {5 * US, 0, 1000 * MS};
	static const int64_t due[] = {5 * US, 5 * US, 1000 * MS + 5 * US, 1000 * MS + 10 * US,
		1000 * MS + 10 * US, 2000 * MS + 10 * US, 2000 * MS + 15 * US};
	struct tw_send_cfg cfg = check_periodic(MS, 7);
	struct tw_send_sess *sess;

	check_init();
	cfg.law = TW_SEND_TRACE;
	cfg.gap_ns = gaps;
	cfg.gap_cnt = TW_ARRAY_SIZE(gaps);
	sess = check_send(&cfg);
	sched_start(sess, 0);
	for (unsigned i = 0; i < TW_ARRAY_SIZE(due); i++) {
		cr_assert_eq(sess->sched.due_ns, due[i]);
		sched_advance(sess);
	}
	cr_assert(sched_is_over(sess));
}

/* Sent + skipped = scheduled, with every law, after a stall beyond max_lag. */
Test(schedule, what_a_stall_skips_is_counted_with_every_law)
{
	static const uint64_t gaps[] = {100 * US, 900 * US, 0, 3 * MS};

	check_init();
	for (unsigned law = TW_SEND_PERIODIC; law < TW_SEND_LAW_N; law++) {
		struct tw_send_cfg cfg = check_periodic(MS, 5000);
		struct check_snd *c = check_snd("openssl", CHECK_CAP);
		struct tw_send_counts counts;
		struct tw_send_sess *sess;

		cfg.law = (uint8_t)law;
		cfg.burst_cnt = 3;
		cfg.gap_ns = gaps;
		cfg.gap_cnt = TW_ARRAY_SIZE(gaps);
		cfg.max_lag_ns = 100 * MS;
		sess = check_send(&cfg);
		cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
		check_all_due(c, CHECK_T0_NS + 500 * MS);
		check_all_due(c, CHECK_T0_NS + 3000 * MS);
		for (int64_t t = CHECK_T0_NS + 3000 * MS; t < CHECK_T0_NS + 12000 * MS; t += MS)
			check_all_due(c, t);
		counts = check_counts(sess);
		cr_assert_eq(counts.scheduled, 5000, "law %u: %lu", law, counts.scheduled);
		cr_assert_eq(counts.sent + counts.skipped, 5000);
		cr_assert_gt(counts.skipped, 1000, "law %u: %lu", law, counts.skipped);
		check_snd_free(c);
	}
}

/* Virtual time in steps of 100 us: packets leave as their time comes, the last ends it. */
static void
run_to_end(struct check_snd *c, struct tw_send_sess *sess, int64_t until_ns, int64_t step_ns)
{
	for (int64_t t = CHECK_T0_NS; t <= until_ns; t += step_ns) {
		check_all_due(c, t);
		cr_assert_eq(check_counts(sess).late, 0);
	}
}

Test(schedule, ends_by_count)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(MS, 1000);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS - S), 0);
	cr_assert_eq(tw_send_next_due(c->snd), CHECK_T0_NS);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS - 1), 0);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS), 1); /* the first at the start time */
	run_to_end(c, sess, CHECK_T0_NS + 998 * MS, 100 * US);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_RUNNING);
	cr_assert_eq(check_counts(sess).sent, 999);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS + 999 * MS), 1);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS + 1500 * MS), 0);
	cr_assert_eq(check_counts(sess).scheduled, 1000);
}

Test(schedule, ends_by_time)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(3 * MS, 0);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.duration_ns = 1 * S; /* due 0, 3, .. 999 ms */
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	run_to_end(c, sess, CHECK_T0_NS + 2 * S, 100 * US);
	cr_assert_eq(check_counts(sess).sent, 334);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
}

Test(schedule, whichever_end_comes_first)
{
	struct check_snd *c;
	struct tw_send_sess *a, *b;
	struct tw_send_cfg cfg = check_periodic(MS, 500);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.duration_ns = 100 * MS;
	a = check_send(&cfg);
	cfg.count = 50;
	b = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, a, &c->steady, CHECK_T0_NS), 0);
	cr_assert_eq(tw_send_add(c->snd, b, &c->steady, CHECK_T0_NS), 0);
	run_to_end(c, a, CHECK_T0_NS + S, 500 * US);
	cr_assert_eq(check_counts(a).sent, 100);
	cr_assert_eq(check_counts(b).sent, 50);
}

/* Poisson: so many packets as the process has events, none before the first gap. */
Test(schedule, poisson_count_and_duration)
{
	struct check_snd *c;
	struct tw_send_sess *a, *b;
	struct tw_send_cfg cfg = check_periodic(100 * US, 0);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.law = TW_SEND_POISSON;
	cfg.duration_ns = 10 * S;
	a = check_send(&cfg);
	cfg.duration_ns = 0;
	cfg.count = 1234;
	b = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, a, &c->steady, CHECK_T0_NS), 0);
	cr_assert_eq(tw_send_add(c->snd, b, &c->steady, CHECK_T0_NS), 0);
	cr_assert_gt(tw_send_next_due(c->snd), CHECK_T0_NS);
	run_to_end(c, a, CHECK_T0_NS + 11 * S, 500 * US);
	cr_assert_lt(llabs((int64_t)check_counts(a).sent - 100000), 5 * 317);
	cr_assert_eq(check_counts(b).sent, 1234);
}

Test(schedule, one_packet_a_minute)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(60 * S, 5);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	for (unsigned i = 0; i < 5; i++) {
		int64_t t = CHECK_T0_NS + i * 60 * S;

		cr_assert_eq(tw_send_next_due(c->snd), t);
		cr_assert_eq(check_all_due(c, t - 1), 0);
		cr_assert_eq(check_all_due(c, t), 1);
	}
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	cr_assert_eq(tw_send_next_due(c->snd), CHECK_T0_NS + 4 * 60 * S + TW_SEND_TMAX_NS);
}

Test(schedule, a_million_packets_a_second)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(US, 200000);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	for (int64_t t = CHECK_T0_NS; t < CHECK_T0_NS + 200 * MS; t += 10 * US)
		cr_assert_eq(check_all_due(c, t), t == CHECK_T0_NS ? 1 : 10);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS + 200 * MS), 9);
	cr_assert_eq(check_counts(sess).sent, 200000);
	cr_assert_eq(check_counts(sess).late, 0);
}

Test(schedule, a_start_in_the_past_is_now_and_not_late)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(MS, 10);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS + 7 * S), 0);
	cr_assert_eq(tw_send_next_due(c->snd), CHECK_T0_NS + 7 * S);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS + 7 * S), 1);
	cr_assert_eq(check_counts(sess).late, 0);
	cr_assert_eq(check_counts(sess).skipped, 0);
}

/* A step of the system clock moves stamps, not the schedule. */
Test(schedule, steps_of_the_clock_do_not_disturb_it)
{
	const struct tw_clock before = {
		.tsc0 = 0, .ns0 = CHECK_T0_NS, .rate = 1LL << TW_CLOCK_RATE_SHIFT, .epoch = 1};
	struct tw_clock after = before, same = before;
	struct tw_send_steady st = {0};

	after.epoch = 2;
	after.ns0 += 3600 * S;
	same.ns0 += 5; /* a slew within the epoch */
	cr_assert_eq(tw_send_steady_at(&st, tw_clock_at(&before, 100)), CHECK_T0_NS + 100);
	tw_send_steady_swap(&st, &before, &same, 100);
	cr_assert_eq(st.steps_ns, 0);
	tw_send_steady_swap(&st, &before, &after, 100);
	cr_assert_eq(st.steps_ns, 3600 * S);
	cr_assert_eq(tw_send_steady_at(&st, tw_clock_at(&after, 100)), CHECK_T0_NS + 100);
	cr_assert_eq(tw_send_steady_at(&st, tw_clock_at(&after, 250)), CHECK_T0_NS + 250);
	tw_send_steady_swap(&st, &after, &before, 300); /* and back: a third epoch in fact */
	cr_assert_eq(tw_send_steady_at(&st, tw_clock_at(&before, 300)), CHECK_T0_NS + 300);
}

/* A start time given in UTC is met after a step too. */
Test(schedule, start_follows_utc)
{
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = check_periodic(MS, 1);

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	c->steady.steps_ns = 3600 * S; /* UTC was set on by an hour */
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS - 3601 * S), 0);
	cr_assert_eq(tw_send_next_due(c->snd), CHECK_T0_NS - 3600 * S);
}
