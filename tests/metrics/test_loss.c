/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where packets were lost, by hand: what is certain equals the truth, the rest is undetermined
 * (PROTOCOL.md 6.4).
 */
#include "session.h"

static struct session s;

/* A packet every 10 ms, at most this many. */
static void
send_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		session_send(&s, i * 10 * MS);
}

static void
answer(uint64_t seq, uint32_t r)
{
	session_answer(&s, seq, r, (int64_t)seq * 10 * MS, MS, 10 * US, MS);
}

static void
expect_loss(const struct tw_metrics_report *r, uint64_t forward, uint64_t reverse, uint64_t rest)
{
	cr_assert(r->lost_forward.is_valid && r->lost_reverse.is_valid);
	cr_assert_eq(r->lost_forward.value, forward, "forward %lu", r->lost_forward.value);
	cr_assert_eq(r->lost_reverse.value, reverse, "reverse %lu", r->lost_reverse.value);
	cr_assert_eq(r->lost_undetermined.value, rest, "rest %lu", r->lost_undetermined.value);
}

Test(loss, on_the_way_there)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0, r = 0; i < 10; i++) {
		if (i != 3 && i != 4)
			answer(i, r++);
	}
	expect_loss(session_end(&s), 2, 0, 0);
	cr_assert_eq(s.report.lost, 2);
	cr_assert_float_eq(s.report.lost_pct, 20.0, 1e-9);
	cr_assert_eq(s.report.forward.infinite, 2);
	cr_assert_eq(s.report.reverse.infinite, 0);
}

Test(loss, on_the_way_back)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++) {
		if (i != 3 && i != 4)
			answer(i, i);
	}
	expect_loss(session_end(&s), 0, 2, 0);
	cr_assert_eq(s.report.forward.infinite, 0);
	cr_assert_eq(s.report.forward.left_out, 2);
	cr_assert_eq(s.report.reverse.population, 10);
}

Test(loss, on_both_ways)
{
	session_start(&s, NULL);
	send_all(10);
	answer(0, 0);
	answer(2, 1); /* 1 lost forward */
	answer(4, 3); /* 3 lost in reverse */
	for (unsigned i = 5; i < 10; i++)
		answer(i, i - 1);
	expect_loss(session_end(&s), 1, 1, 0);
}

Test(loss, first_reply_lost_is_reverse_loss)
{
	session_start(&s, NULL);
	send_all(5);
	for (unsigned i = 1; i < 5; i++)
		answer(i, i);
	expect_loss(session_end(&s), 0, 1, 0);
}

Test(loss, the_end_of_the_stream_is_undetermined)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 8; i++)
		answer(i, i);
	expect_loss(session_end(&s), 0, 0, 2); /* */
	cr_assert_eq(s.report.tail, 2);
}

Test(loss, a_long_end_of_the_stream_is_undetermined)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 8; i++) {
		if (i != 5)
			answer(i, i < 5 ? i : i - 1);
	}
	/* an outage of many windows */
	for (unsigned i = 10; i < 10000; i++) {
		session_send(&s, i * 10 * MS);
		session_expire(&s, i * 10 * MS);
	}
	expect_loss(session_end(&s), 1, 0, 9992);
	cr_assert_eq(s.report.ctr.window_overrun, 0);
}

Test(loss, an_outage_that_ends_is_determined)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++)
		answer(i, i);
	for (unsigned i = 10; i < 10000; i++) {
		session_send(&s, i * 10 * MS);
		session_expire(&s, i * 10 * MS);
	}
	for (unsigned i = 10000; i < 10010; i++) {
		session_send(&s, i * 10 * MS);
		answer(i, i - 10 - 5000 + 10); /* 5000 never reached the reflector */
	}
	expect_loss(session_end(&s), 5000, 4990, 0);
}

Test(loss, nothing_came_back)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(10);
	r = session_end(&s);
	cr_assert_not(r->lost_forward.is_valid);
	cr_assert_eq(r->lost_forward.reason, TW_METRICS_R_NO_SAMPLES);
	cr_assert_eq(r->lost_undetermined.value, 10);
	cr_assert_eq(r->round_trip.p50.state, TW_METRICS_S_INFINITE);
	cr_assert_eq(r->round_trip.min.state, TW_METRICS_S_NONE);
	cr_assert_not(r->round_trip.min.is_valid);
	cr_assert_eq(r->ttl_reverse_min, TW_METRICS_TTL_NONE);
}

Test(loss, reordering_on_the_way_there_loses_nothing)
{
	/* reflected in the order 3, 0, 1, 2 */
	session_start(&s, NULL);
	send_all(4);
	session_reply(&s, 3, 0, 31 * MS, 31 * MS, 32 * MS);
	for (unsigned i = 0; i < 3; i++)
		session_reply(&s, i, i + 1, (32 + i) * MS, (32 + i) * MS, (33 + i) * MS);
	expect_loss(session_end(&s), 0, 0, 0);
	cr_assert_eq(s.report.ctr.reordered_forward, 3);
}

Test(loss, a_copy_made_on_the_way_there_hides_the_way_back)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0, r = 0; i < 10; i++) {
		if (i == 4)
			continue; /* lost forward */
		answer(i, r++);
		if (i == 2)
			answer(i, r++); /* the copy */
	}
	expect_loss(session_end(&s), 1, 0, 0);
	cr_assert_eq(s.report.ctr.duplicates_forward, 1);
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0, r = 0; i < 10; i++, r++) {
		if (i != 4) /* lost in reverse */
			answer(i, r);
		if (i == 2)
			answer(i, ++r);
	}
	expect_loss(session_end(&s), 0, 0, 1); /* the number missing may be a copy's */
	cr_assert_eq(s.report.missing_replies.value, 1);
}

Test(loss, a_reflector_that_starts_at_one)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++)
		answer(i, i + 1);
	expect_loss(session_end(&s), 0, 0, 0);
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0, r = 1; i < 10; i++) {
		if (i == 5)
			continue; /* forward */
		if (i != 7)       /* reverse */
			answer(i, r);
		r++;
	}
	expect_loss(session_end(&s), 1, 1, 0);
}

Test(loss, a_reflector_that_starts_anywhere)
{
	static const uint32_t starts[] = {2, 1000, 0x7fffffff, 0x80000000, 0xfffffff8};

	for (size_t k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
		session_start(&s, NULL);
		send_all(40);
		for (uint32_t i = 0, r = starts[k]; i < 40; i++) {
			if (i == 15)
				continue; /* forward */
			if (i != 27)      /* reverse */
				answer(i, r);
			r++;
		}
		expect_loss(session_end(&s), 1, 1, 0);
		cr_assert_eq(s.report.ctr.reordered_reverse, 0);
		cr_assert_eq(s.report.ctr.reordered_forward, 0);
		session_free(&s);
	}
}

Test(loss, a_start_that_only_reordering_explains_is_undetermined)
{
	/* starts at 1; packet 2 is lost forward, soon enough to have overtaken packet 0 */
	session_start(&s, NULL);
	for (int i = 0; i < 10; i++)
		session_send(&s, i * 100 * US);
	for (unsigned i = 0, r = 1; i < 10; i++) {
		if (i != 2)
			session_answer(&s, i, r++, i * 100 * US, MS + (i == 9) * MS, 0, MS);
	}
	expect_loss(session_end(&s), 0, 0, 1);
}

Test(loss, a_stateless_reflector_tells_no_direction)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = 2 * S,
		.timeout_ns = 2 * S,
		.interval_ns = 10 * MS,
		.is_r_unknown = true};
	const struct tw_metrics_report *r;

	session_start(&s, &cfg);
	send_all(10);
	for (unsigned i = 0; i < 10; i++) {
		if (i != 4)
			answer(i, i);
	}
	/* forward duplicate: same number, other T2; then a copy of that on the way back */
	cr_assert_eq(session_answer(&s, 2, 2, 20 * MS, MS + US, 0, MS), TW_METRICS_C_DUP_FORWARD);
	cr_assert_eq(session_answer(&s, 2, 2, 20 * MS, MS, 10 * US, MS), TW_METRICS_C_DUP_REVERSE);
	r = session_end(&s);
	cr_assert(r->is_stateless);
	cr_assert_not(r->lost_forward.is_valid);
	cr_assert_eq(r->lost_forward.reason, TW_METRICS_R_STATELESS);
	cr_assert_eq(r->lost_undetermined.value, 1);
	cr_assert_eq(r->lost, 1);
	cr_assert_eq(r->ctr.duplicates_forward, 1);
	cr_assert_eq(r->ctr.replicated_forward, 1);
	cr_assert_eq(r->ctr.replicated_reverse, 1);
}

Test(loss, a_twamp_reflector_in_step_is_not_stateless)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++)
		answer(i, i);
	r = session_end(&s);
	cr_assert_not(r->is_stateless);
	expect_loss(r, 0, 0, 0);
}

Test(loss, a_kind_unknown_shows_by_its_first_own_number)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = 2 * S,
		.timeout_ns = 2 * S,
		.interval_ns = 10 * MS,
		.is_r_unknown = true};

	session_start(&s, &cfg);
	send_all(10);
	for (unsigned i = 0, r = 0; i < 10; i++) {
		if (i != 4)
			answer(i, r++);
	}
	expect_loss(session_end(&s), 1, 0, 0);
	cr_assert_not(s.report.is_stateless);
}

Test(loss, a_reflector_that_restarts_is_noticed)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(400);
	for (unsigned i = 0; i < 400; i++)
		answer(i, i < 390 ? i : i - 390);
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, 400);
	cr_assert_not(r->lost_forward.is_valid);
	cr_assert_eq(r->lost_forward.reason, TW_METRICS_R_ORDER_UNKNOWN);
}

Test(loss, late_replies_are_a_bucket_of_their_own)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++) {
		enum tw_metrics_class c = session_answer(
			&s, i, i, i * 10 * MS, i == 3 ? 3 * S : MS, 0, i == 6 ? 2 * S : MS);

		cr_assert_eq(c, i == 3 || i == 6 ? TW_METRICS_C_LATE : TW_METRICS_C_FIRST);
	}
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, 8);
	cr_assert_eq(r->ctr.late, 2);
	cr_assert_eq(r->ctr.unanswered, 0);
	cr_assert_eq(r->lost, 2);
	cr_assert_eq(r->round_trip.infinite, 2);
	/* by their own delay the synchronised clocks know one of each is beyond Tmax */
	cr_assert_eq(r->forward.finite, 9);
	cr_assert_eq(r->forward.infinite, 1);
	cr_assert_eq(r->reverse.finite, 10); /* 2 s is not more than 2 s */
	expect_loss(r, 0, 0, 0);
	cr_assert_eq(r->ctr.reordered_round_trip, 0);
}

Test(loss, exactly_tmax_is_in_time)
{
	session_start(&s, NULL);
	session_send(&s, 0);
	session_send(&s, 1);
	cr_assert_eq(session_answer(&s, 0, 0, 0, S, 0, S), TW_METRICS_C_FIRST);
	cr_assert_eq(session_answer(&s, 1, 1, 1, S, 0, S + 1), TW_METRICS_C_LATE);
}

Test(loss, a_reply_after_closing_is_late_not_unanswered)
{
	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 10; i++) {
		if (i != 3)
			answer(i, i);
	}
	session_expire(&s, 10 * S);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(s.m)->unanswered), 1);
	cr_assert_eq(session_answer(&s, 3, 3, 30 * MS, MS, 0, 10 * S), TW_METRICS_C_LATE);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(s.m)->unanswered), 0);
	expect_loss(session_end(&s), 0, 0, 0);
	cr_assert_eq(s.report.ctr.late, 1);
}

Test(loss, a_very_late_reply_does_not_hide_the_directions)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = S, .timeout_ns = S, .interval_ns = 10 * MS};

	/* window 512: the reply to 3 comes 300 packets later, its number is in order already */
	session_start(&s, &cfg);
	for (unsigned i = 0; i < 500; i++) {
		session_send(&s, i * 10 * MS);
		if (i != 3 && i != 7)
			answer(i, i < 7 ? i : i - 1);
		if (i == 303)
			cr_assert_eq(
				session_answer(&s, 3, 3, 30 * MS, MS, 0, 3 * S), TW_METRICS_C_LATE);
	}
	expect_loss(session_end(&s), 1, 0, 0);
	cr_assert_eq(s.report.ctr.late, 1);
	cr_assert_eq(s.report.ctr.r_unplaced, 1);
	cr_assert_eq(s.report.ctr.reordered_reverse, 1);
	cr_assert_eq(s.report.reverse.left_out, 0);
}

Test(loss, a_jump_of_numbers_beyond_the_window)
{
	/* the way back is out for thousands of packets, at a rate far above what was said */
	session_start(&s, NULL);
	for (unsigned i = 0; i < 60000; i++) {
		session_send(&s, i * 100 * US);
		if (i % 64 == 0)
			session_expire(&s, i * 100 * US);
		if (i < 100 || i >= 50000)
			session_answer(&s, i, i, i * 100 * US, MS, 0, MS);
	}
	expect_loss(session_end(&s), 0, 49900, 0);
	cr_assert_eq(s.report.ctr.received, 10100);
	cr_assert_eq(s.report.ctr.r_unplaced, 0);
}

Test(loss, a_number_skipped_is_no_loss)
{
	session_start(&s, NULL);
	for (unsigned i = 0, r = 0; i < 600; i++) {
		struct tw_stamp at = session_stamp(&s, i * 10 * MS, TW_STAMP_TSC_TX);

		if (i % 10 == 4) {
			tw_metrics_skipped(s.m, i, &at);
			s.t1_ntp[i] = tw_clock_ns_to_ntp(at.time);
			s.seq++;
			cr_assert_eq(session_answer(&s, i, r, i * 10 * MS, MS, 0, MS),
				TW_METRICS_C_FORGED);
			continue;
		}
		session_send(&s, i * 10 * MS);
		session_expire(&s, i * 10 * MS);
		if (i % 10 != 6)
			answer(i, r++);
	}
	expect_loss(session_end(&s), 60, 0, 0);
	cr_assert_eq(s.report.ctr.sent, 540);
	cr_assert_eq(s.report.ctr.skipped, 60);
	cr_assert_eq(s.report.round_trip.population, 540);
	cr_assert_eq(s.report.ctr.reordered_round_trip, 0);
}
