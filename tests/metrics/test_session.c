/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* A session's other behaviour: matching, duplicates, clocks, memory, intervals, the table of rows.
 */
#include <string.h>

#include "session.h"

static struct session s;

static void
send_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		session_send(&s, i * 10 * MS);
}

static enum tw_metrics_class
answer(uint64_t seq, uint32_t r)
{
	return session_answer(
		&s, seq, r, (int64_t)(seq - s.cfg.first_seq) * 10 * MS, MS, 10 * US, 2 * MS);
}

Test(session, delays_by_direction)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(3);
	for (unsigned i = 0; i < 3; i++)
		answer(i, i);
	cr_assert_eq(s.sample.forward_ns, MS);
	cr_assert_eq(s.sample.reverse_ns, 2 * MS);
	cr_assert_eq(s.sample.residence_ns, 10 * US);
	cr_assert_eq(s.sample.round_trip_ns, 3 * MS + 10 * US);
	cr_assert_eq(s.sample.round_trip_net_ns, 3 * MS);
	cr_assert_eq(s.sample.t1.ns, SESSION_T0 + 20 * MS);
	cr_assert(s.sample.is_synced && s.sample.has_peer && s.sample.has_round_trip);
	r = session_end(&s);
	cr_assert_eq(r->forward.median.value_ns, MS);
	cr_assert_eq(r->reverse.median.value_ns, 2 * MS);
	cr_assert_eq(r->residence.median.value_ns, 10 * US);
	cr_assert_eq(r->round_trip.median.value_ns, 3 * MS + 10 * US);
	cr_assert_eq(r->round_trip_net.median.value_ns, 3 * MS);
	cr_assert(r->forward.median.is_valid && r->reverse.median.is_valid);
	cr_assert_eq(r->hops_forward_min, 5);
	cr_assert_eq(r->hops_reverse_max, 6);
	cr_assert_eq(r->t1_sources, 1U << TW_STAMP_TSC_TX);
	cr_assert_eq(r->t4_sources, 1U << TW_STAMP_TSC_RX);
}

Test(session, errors_are_those_of_6_1)
{
	const struct tw_metrics_report *r;
	uint64_t e2 = tw_clock_ee_decode(tw_clock_ee_encode(1000, true)).error_ns;

	session_start(&s, NULL);
	send_all(1);
	answer(0, 0);
	r = session_end(&s);
	/* E1 + E2, E3 + E4: stamp 100, sync 1000 */
	cr_assert_eq(r->forward.min.error_ns, 1100 + e2);
	cr_assert_eq(r->reverse.min.error_ns, 1100 + e2);
	/* e1 + e4: the offset cancels */
	cr_assert_eq(r->round_trip.min.error_ns, 200);
	/* e2 is not on the wire: at most E2 */
	cr_assert_eq(r->residence.min.error_ns, 2 * e2);
	cr_assert_eq(r->round_trip_net.min.error_ns, 200 + 2 * e2);
	cr_assert_eq(r->error_own_ns, 1100);
	cr_assert_eq(r->error_peer_ns, e2);
}

Test(session, what_the_clock_is_off_by_cancels)
{
	const struct tw_metrics_report *r;
	uint64_t e2 = tw_clock_ee_decode(tw_clock_ee_encode(1000, true)).error_ns;

	session_start(&s, NULL);
	s.clock_error_ns = 60;
	s.rate_error = 2;
	send_all(1);
	answer(0, 0);
	/* of T4's error 60 are its clock's, of T1's what a clock states at least */
	cr_assert_eq(s.sample.round_trip_error_ns,
		200 - 60 - TW_CLOCK_COMMON_NS +
			(uint64_t)s.sample.round_trip_ns * 2 * TW_CLOCK_RATE_UNIT_PPB / S);
	cr_assert_eq(s.sample.forward_error_ns, 1100 + e2);
	r = session_end(&s);
	cr_assert_eq(r->round_trip.min.error_ns, 200 - 60 - TW_CLOCK_COMMON_NS);
	cr_assert_eq(r->forward.min.error_ns, 1100 + e2);
}

Test(session, rate_error_grows_with_the_round_trip)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = 2 * S,
		.timeout_ns = S,
		.interval_ns = 10 * MS,
		.rate_error_ppb = 100000};

	session_start(&s, &cfg);
	send_all(1);
	session_answer(&s, 0, 0, 0, 500 * MS, 0, 500 * MS);
	cr_assert_eq(session_end(&s)->round_trip.min.error_ns, 200 + 100 * US);
}

Test(session, an_unsynchronised_reflector_keeps_round_trip_and_variation)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	s.ee = 0x0001; /* must never be read as 0.2 ns */
	s.peer_offset_ns = -50 * S;
	send_all(10);
	for (unsigned i = 0; i < 10; i++)
		session_answer(&s, i, i, i * 10 * MS, MS + i * US, 10 * US, MS);
	r = session_end(&s);
	cr_assert(r->round_trip.median.is_valid && r->round_trip_net.median.is_valid);
	cr_assert_eq(r->forward.min.value_ns, -50 * S + MS);
	cr_assert_not(r->forward.min.is_valid);
	cr_assert_eq(r->forward.min.reason, TW_METRICS_R_UNSYNCED_PEER);
	cr_assert_eq(r->forward.min.error_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert_eq(r->forward.negative, 10);
	cr_assert_eq(r->reverse.min.reason, TW_METRICS_R_UNSYNCED_PEER);
	cr_assert(r->pdv_forward.p95.is_valid);
	cr_assert_eq(r->pdv_forward.range.value_ns, 9 * US);
	cr_assert(r->ipdv_forward.max.is_valid);
	cr_assert_eq(r->ipdv_forward.max.value_ns, US);
	cr_assert_eq(r->residence.min.error_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert_not(r->is_synced_peer);
	cr_assert(r->is_synced_own);
	cr_assert_not(r->is_contradicted);
}

Test(session, our_own_clock_may_be_the_unsynchronised_one)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	s.is_synced = false;
	send_all(2);
	answer(0, 0);
	answer(1, 1);
	r = session_end(&s);
	cr_assert_eq(r->forward.min.reason, TW_METRICS_R_UNSYNCED_OWN);
	cr_assert_eq(r->ctr.unsynced_own, 2);
	cr_assert_eq(r->error_own_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert(r->round_trip.min.is_valid);
	cr_assert_eq(r->round_trip.min.error_ns, 200);
}

Test(session, a_delay_below_minus_its_bound_contradicts_s)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	s.peer_offset_ns = -2 * MS;
	send_all(2);
	answer(0, 0);
	answer(1, 1);
	r = session_end(&s);
	cr_assert_eq(r->ctr.oneway_contradicted, 2);
	cr_assert(r->is_contradicted);
	cr_assert_eq(r->forward.min.reason, TW_METRICS_R_CONTRADICTED);
	cr_assert_eq(r->reverse.min.reason, TW_METRICS_R_CONTRADICTED);
}

Test(session, negative_within_the_bound_is_kept)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(1);
	session_reply(&s, 0, 0, -US, -US, 5 * US);
	r = session_end(&s);
	cr_assert_eq(r->forward.min.value_ns, -US);
	cr_assert(r->forward.min.is_valid);
	cr_assert_eq(r->forward.negative, 1);
	cr_assert_not(r->is_contradicted);
}

Test(session, absurd_residence_is_counted_apart)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(4);
	session_reply(&s, 0, 0, 2 * MS, MS, 3 * MS);   /* T3 before T2 */
	session_reply(&s, 1, 1, -S, 12 * MS, 13 * MS); /* longer than all */
	session_reply(&s, 2, 2, 21 * MS, 22 * MS, 23 * MS);
	session_reply(&s, 3, 3, 30 * MS, 30 * MS + 1100 * MS, 1200 * MS); /* slow, not absurd */
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, 4);
	cr_assert_eq(r->ctr.residence_absurd, 2);
	cr_assert_eq(r->ctr.residence_long, 1);
	cr_assert_eq(r->round_trip.finite, 4);
	cr_assert_eq(r->round_trip_net.finite, 2);
	cr_assert_eq(r->round_trip_net.left_out, 2);
	cr_assert_eq(r->residence.finite, 2);
	cr_assert_eq(r->forward.left_out, 2);
}

Test(session, unstamped_replies_give_the_round_trip_only)
{
	struct tw_metrics_reply reply = {.ee = 0x8001, .ttl = 0};
	const struct tw_metrics_report *r;
	struct tw_stamp t4;

	session_start(&s, NULL);
	send_all(1);
	t4 = session_stamp(&s, MS, TW_STAMP_TSC_RX);
	reply.t1_ntp = s.t1_ntp[0];
	reply.t4 = &t4;
	cr_assert_eq(tw_metrics_reply(s.m, &reply, NULL), TW_METRICS_C_FIRST);
	r = session_end(&s);
	cr_assert_eq(r->ctr.peer_unstamped, 1);
	cr_assert_eq(r->round_trip.finite, 1);
	cr_assert_eq(r->forward.finite, 0);
	cr_assert_eq(r->forward.min.reason, TW_METRICS_R_NO_SAMPLES);
	cr_assert_eq(r->ttl_reverse_min, TW_METRICS_TTL_NONE);
}

Test(session, stale_and_forged_replies_do_not_count)
{
	session_start(&s, NULL);
	send_all(3);
	s.t1_ntp[1]++;
	cr_assert_eq(answer(1, 1), TW_METRICS_C_FORGED);
	s.t1_ntp[1]--;
	cr_assert_eq(answer(3, 1), TW_METRICS_C_INVALID); /* not sent yet */
	cr_assert_eq(answer(0xffffffff, 1), TW_METRICS_C_INVALID);
	s.ee = 0x8000;
	cr_assert_eq(answer(1, 1), TW_METRICS_C_INVALID); /* Multiplier 0 */
	s.ee = 0x8001;
	cr_assert_eq(answer(1, 0), TW_METRICS_C_FIRST);
	tw_metrics_invalid(s.m, TW_METRICS_INVALID_AUTH);
	tw_metrics_invalid(s.m, TW_METRICS_INVALID_LENGTH);
	tw_metrics_invalid(s.m, TW_METRICS_INVALID_MULTIPLIER);
	session_end(&s);
	cr_assert_eq(s.report.ctr.invalid_t1, 1);
	cr_assert_eq(s.report.ctr.invalid_seq, 2);
	cr_assert_eq(s.report.ctr.invalid_multiplier, 2);
	cr_assert_eq(s.report.ctr.invalid_auth, 1);
	cr_assert_eq(s.report.ctr.invalid_length, 1);
	cr_assert_eq(s.report.ctr.received, 1);
}

Test(session, copies_are_told_by_where_they_were_made)
{
	session_start(&s, NULL);
	send_all(4);
	cr_assert_eq(answer(0, 0), TW_METRICS_C_FIRST);
	cr_assert_eq(answer(0, 0), TW_METRICS_C_DUP_REVERSE);
	cr_assert_eq(answer(0, 1), TW_METRICS_C_DUP_FORWARD);
	cr_assert_eq(answer(0, 1), TW_METRICS_C_DUP_REVERSE);
	cr_assert_eq(answer(0, 0), TW_METRICS_C_DUP_REVERSE);
	cr_assert_eq(answer(1, 3), TW_METRICS_C_FIRST); /* its copy came first: 2 */
	cr_assert_eq(answer(1, 2), TW_METRICS_C_DUP_FORWARD);
	session_end(&s);
	cr_assert_eq(s.report.ctr.duplicates_forward, 2);
	cr_assert_eq(s.report.ctr.duplicates_reverse, 3);
	cr_assert_eq(s.report.ctr.replicated_forward, 2);
	cr_assert_eq(s.report.ctr.replicated_reverse, 2);
	cr_assert_float_eq(s.report.replicated_forward_pct, 100.0, 1e-9);
	cr_assert_float_eq(s.report.replicated_reverse_pct, 50.0, 1e-9);
	cr_assert_float_eq(s.report.dup_fraction_forward, 1.0, 1e-9);
	cr_assert_float_eq(s.report.dup_fraction_reverse, 0.75, 1e-9);
	cr_assert_eq(s.report.order_forward.packets, 2);
	cr_assert_eq(s.report.ctr.reordered_forward, 0);
	cr_assert_eq(s.report.ctr.reordered_reverse, 1);
	cr_assert_eq(s.report.reverse.finite, 4);
	cr_assert_eq(s.report.forward.finite, 2);
}

Test(session, numbers_wrap)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = 2 * S,
		.timeout_ns = 2 * S,
		.interval_ns = 10 * MS,
		.first_seq = (1ULL << 32) - 500};
	const struct tw_metrics_report *r;
	uint32_t nr = 0xffffff00;

	session_start(&s, &cfg);
	for (unsigned i = 0; i < 1000; i++) {
		session_send(&s, i * 10 * MS);
		session_expire(&s, i * 10 * MS);
		if (i % 10 == 3)
			continue; /* forward loss */
		if (i % 10 != 7)  /* reverse loss */
			cr_assert_eq(answer(cfg.first_seq + i, nr), TW_METRICS_C_FIRST, "%u", i);
		nr++;
	}
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, 800);
	cr_assert_eq(r->lost_forward.value, 100);
	cr_assert_eq(r->lost_reverse.value, 100);
	cr_assert_eq(r->lost_undetermined.value, 0);
	cr_assert_eq(r->ctr.reordered_forward + r->ctr.reordered_reverse, 0);
	cr_assert_eq(s.sample.seq, cfg.first_seq + 999);
	cr_assert_eq(s.sample.r, 0xffffff00ULL + 899);
}

Test(session, a_step_of_our_clock_flags_what_it_spans)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	send_all(10);
	for (unsigned i = 0; i < 5; i++)
		answer(i, i);
	s.epoch = 2;
	/* an hour forward: replies to what was sent before have no delay, but they count */
	for (unsigned i = 5; i < 10; i++)
		cr_assert_eq(session_reply(&s, i, i, i * 10 * MS + MS, i * 10 * MS + MS,
				     3600 * S + i * 10 * MS),
			TW_METRICS_C_FIRST);
	cr_assert_not(s.sample.has_round_trip);
	session_expire(&s, 3600 * S + 200 * MS);
	for (unsigned i = 10; i < 20; i++) {
		session_send(&s, 3600 * S + i * 10 * MS);
		session_answer(&s, i, i, 3600 * S + i * 10 * MS, MS, 10 * US, 2 * MS);
	}
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, 20);
	cr_assert_eq(r->ctr.late, 0);
	cr_assert_eq(r->ctr.epoch_crossed, 5);
	cr_assert_eq(r->ctr.epoch_changes, 1);
	cr_assert_eq(r->round_trip.finite, 15);
	cr_assert_eq(r->round_trip.left_out, 5);
	cr_assert_eq(r->round_trip.max.value_ns, 3 * MS + 10 * US);
	cr_assert(r->round_trip.max.is_valid);
	cr_assert_eq(r->forward.min.reason, TW_METRICS_R_EPOCH_CHANGED);
	cr_assert_eq(r->pdv_forward.p95.reason, TW_METRICS_R_EPOCH_CHANGED);
	cr_assert(r->ipdv_forward.max.is_valid);
	cr_assert_eq(r->lost_forward.reason, TW_METRICS_R_EPOCH_CHANGED);
}

Test(session, what_left_the_window_matches_no_more)
{
	struct tw_metrics_cfg cfg = {
		.tmax_ns = 100 * MS, .timeout_ns = 100 * MS, .interval_ns = 10 * MS};
	unsigned window;

	session_start(&s, &cfg);
	tw_metrics_report(s.m, &s.report);
	window = (unsigned)s.report.window;
	cr_assert_eq(window, 256);
	for (unsigned i = 0; i < window + 10; i++) /* ten times the rate asked for */
		session_send(&s, i * MS);
	cr_assert_eq(session_answer(&s, 9, 0, 9 * MS, MS, 0, 300 * MS), TW_METRICS_C_INVALID);
	cr_assert_eq(session_answer(&s, 10, 0, 10 * MS, MS, 0, 300 * MS), TW_METRICS_C_LATE);
	session_end(&s);
	cr_assert_eq(s.report.ctr.invalid_window, 1);
	cr_assert_eq(s.report.ctr.window_overrun, 10);
}

/* Whatever a reflector writes, nothing overflows and the sums hold. */
Test(session, a_hostile_reflector_breaks_nothing)
{
	uint64_t x = 12345;

	session_start(&s, NULL);
	for (unsigned i = 0; i < 50000; i++) {
		const struct tw_stamp t4 = session_stamp(&s, i * MS + MS, TW_STAMP_TSC_RX);
		struct tw_metrics_reply reply;
		struct tw_metrics_interval iv;

		session_send(&s, i * MS);
		for (int k = 0; k < 3; k++) {
			uint64_t seq;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			seq = x % 4 == 0 ? i - x % 300 % (i + 1) : i;
			reply = (struct tw_metrics_reply){.sender_seq = (uint32_t)seq,
				.seq = x % 5 == 0 ? (uint32_t)(x >> 20) : i,
				.t1_ntp = s.t1_ntp[seq],
				.t2_ntp = x * 0x9e3779b97f4a7c15ULL,
				.t3_ntp = x % 3 == 0 ? x * 0x9e3779b97f4a7c15ULL + 99999
						     : x * 0xc2b2ae3d27d4eb4fULL,
				.ee = (uint16_t)(x >> 7),
				.sender_ttl = (uint8_t)x,
				.ttl = (uint8_t)(x >> 8),
				.tos = (uint8_t)(x >> 16),
				.t4 = &t4};
			tw_metrics_reply(s.m, &reply, x % 2 != 0 ? &s.sample : NULL);
		}
		if (i % 8 == 0)
			session_expire(&s, i * MS);
		if (i % 1000 == 0)
			tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + i * MS}, &iv);
	}
	session_end(&s);
	cr_assert_eq(s.report.ctr.sent, 50000);
	cr_assert_leq(s.report.forward.left_out, 50000);
	cr_assert_leq(s.report.reverse.left_out, 150000);
	cr_assert_leq(s.report.residence.left_out, 150000);
}

Test(session, memory_stays_within_its_budget)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = 2 * S, .timeout_ns = 2 * S, .interval_ns = 60 * S};

	cr_assert_leq(tw_metrics_size(&cfg), 64 * 1024 + 256 * 36);
	cfg.interval_ns = 1000; /* 1,000,000 a second */
	cr_assert_leq(tw_metrics_size(&cfg), 64 * 1024 + (1U << 22) * 36);
	cfg.interval_ns = 1;
	cr_assert_eq(tw_metrics_size(&cfg), 0);
	cfg.interval_ns = 0;
	cr_assert_eq(tw_metrics_size(&cfg), 0);
	cfg = (struct tw_metrics_cfg){.tmax_ns = 0, .interval_ns = 1000};
	cr_assert_eq(tw_metrics_size(&cfg), 0);
	cfg = (struct tw_metrics_cfg){.tmax_ns = S, .timeout_ns = -1, .interval_ns = 1000};
	cr_assert_eq(tw_metrics_size(&cfg), 0);
	cfg = (struct tw_metrics_cfg){.tmax_ns = S, .interval_ns = 1000, .dscp = 64};
	cr_assert_eq(tw_metrics_size(&cfg), 0);
}

Test(session, refuses_memory_that_does_not_fit)
{
	struct tw_metrics_cfg cfg = {.tmax_ns = S, .timeout_ns = S, .interval_ns = 10 * MS};
	size_t size = tw_metrics_size(&cfg);
	char *mem = aligned_alloc(64, size + 64);

	cr_assert_null(tw_metrics_init(mem, size - 1, &cfg, (tw_ns){0}));
	cr_assert_null(tw_metrics_init(mem + 8, size, &cfg, (tw_ns){0}));
	cr_assert_not_null(tw_metrics_init(mem, size, &cfg, (tw_ns){0}));
	free(mem);
}

Test(session, dscp_and_ecn_of_replies)
{
	struct tw_metrics_cfg cfg = {
		.tmax_ns = S, .timeout_ns = S, .interval_ns = 10 * MS, .dscp = 46};

	session_start(&s, &cfg);
	send_all(3);
	s.tos = 46 << 2;
	answer(0, 0);
	s.tos = 46 << 2 | 3;
	answer(1, 1);
	s.tos = 0;
	answer(2, 2);
	session_end(&s);
	cr_assert_eq(s.report.ctr.dscp_changed, 1);
	cr_assert_eq(s.report.ctr.ecn_ce, 1);
}

Test(session, intervals_add_up)
{
	struct tw_metrics_interval a, b;

	session_start(&s, NULL);
	send_all(10);
	answer(1, 1);
	answer(0, 0);
	answer(0, 0);
	session_expire(&s, S);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + S}, &a);
	cr_assert_eq(a.sent, 10);
	cr_assert_eq(a.received, 2);
	cr_assert_eq(a.reordered, 1);
	cr_assert_eq(a.duplicates, 1);
	cr_assert_eq(a.lost, 0);
	cr_assert_eq(a.begin.ns, SESSION_T0);
	cr_assert_eq(a.end.ns, SESSION_T0 + S);
	cr_assert_eq(a.round_trip.cnt, 2);
	cr_assert_eq(a.round_trip.mean_ns, 3 * MS + 10 * US);
	cr_assert_eq(a.round_trip_net.max_ns, 3 * MS);
	cr_assert(a.forward.is_valid);

	s.is_synced = false;
	session_answer(&s, 2, 2, 20 * MS, MS, 0, MS);
	session_answer(&s, 3, 3, 30 * MS, 2 * S, 0, MS);
	session_expire(&s, 3 * S);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + 3 * S}, &b);
	cr_assert_eq(b.sent, 0);
	cr_assert_eq(b.received, 1);
	cr_assert_eq(b.late, 1);
	cr_assert_eq(b.lost, 7);
	cr_assert_eq(b.lost_total, 7);
	cr_assert_eq(b.sent_total, 10);
	cr_assert_not(b.reverse.is_valid);
	session_end(&s);
	cr_assert_eq(s.report.lost, 7);
}

Test(session, finishing_is_done_in_portions)
{
	unsigned calls = 1;

	session_start(&s, NULL);
	send_all(300);
	for (unsigned i = 0; i < 300; i += 2)
		answer(i, i);
	while (!tw_metrics_finish(s.m, 50))
		calls++;
	cr_assert_geq(calls, 6);
	session_end(&s);
	cr_assert_eq(s.report.ctr.received, 150);
	cr_assert_eq(s.report.order_forward.packets, 150);
}

Test(session, rows_name_each_member_once)
{
	static const size_t sizes[TW_METRICS_K_N] = {
		[TW_METRICS_K_U64] = 8,
		[TW_METRICS_K_I64] = 8,
		[TW_METRICS_K_COUNT] = sizeof(struct tw_metrics_count),
		[TW_METRICS_K_FIG] = sizeof(struct tw_metrics_fig),
		[TW_METRICS_K_PCT] = sizeof(double),
		[TW_METRICS_K_FRAC] = sizeof(double),
		[TW_METRICS_K_BOOL] = sizeof(bool),
		[TW_METRICS_K_TTL] = sizeof(int16_t),
		[TW_METRICS_K_ERR] = 8,
		[TW_METRICS_K_SOURCES] = 4,
	};
	static bool is_taken[sizeof(struct tw_metrics_report)];
	size_t n;
	const struct tw_metrics_row *rows = tw_metrics_rows(&n);

	for (size_t i = 0; i < n; i++) {
		cr_assert_neq(sizes[rows[i].kind], 0);
		for (size_t o = 0; o < sizes[rows[i].kind]; o++) {
			cr_assert_not(
				is_taken[rows[i].offset + o], "%s.%s", rows[i].group, rows[i].name);
			is_taken[rows[i].offset + o] = true;
		}
		for (size_t k = 0; k < i; k++)
			cr_assert(strcmp(rows[i].name, rows[k].name) != 0 ||
					  strcmp(rows[i].group, rows[k].group) != 0,
				"%s.%s", rows[i].group, rows[i].name);
		cr_assert_str_not_empty(rows[i].help);
	}
	for (unsigned i = 0; i < TW_METRICS_C_N; i++)
		cr_assert_str_neq(tw_metrics_class_name(i), "?");
	for (unsigned i = 0; i < TW_METRICS_R_N; i++)
		cr_assert_str_neq(tw_metrics_reason_name(i), "?");
	for (unsigned i = 0; i < TW_METRICS_S_N; i++)
		cr_assert_str_neq(tw_metrics_state_name(i), "?");
}
