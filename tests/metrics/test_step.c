/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A step of our clock within a session: intervals end there, sources of stamps travel along, and
 * the bound of a stamp survives its packing.
 */
#include "metrics_i.h"
#include "session.h"

static struct session s;

/* Packet @p n leaves at 10 n ms, is answered 3 ms later. */
static void
exchange(unsigned n, int64_t shift_ns)
{
	session_send(&s, n * 10 * MS + shift_ns);
	session_answer(&s, n, n, n * 10 * MS + shift_ns, MS, 10 * US, 2 * MS);
}

Test(step, cuts_the_interval_so_that_none_mixes_epochs)
{
	struct tw_metrics_interval old, rest, none;

	session_start(&s, NULL);
	for (unsigned n = 0; n < 10; n++)
		exchange(n, 0);
	cr_assert_not(tw_metrics_interval_cut(s.m, &none));
	/* set forward by a second; S is clear from then on */
	s.epoch = 2;
	s.is_synced = false;
	for (unsigned n = 10; n < 25; n++)
		exchange(n, S);
	cr_assert(tw_metrics_interval_cut(s.m, &old));
	cr_assert_not(tw_metrics_interval_cut(s.m, &none));
	cr_assert_eq(old.epoch, 1);
	cr_assert(old.is_stepped);
	cr_assert_eq(old.sent, 10);
	cr_assert_eq(old.received, 10);
	cr_assert_eq(old.forward.cnt, 10);
	cr_assert_not(old.forward.is_valid);
	cr_assert_eq(old.forward.mean_ns, MS);
	cr_assert_eq(old.begin.ns, SESSION_T0);
	cr_assert_eq(old.end.ns, SESSION_T0 + 93 * MS + 10 * US);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + 2 * S}, &rest);
	cr_assert_eq(rest.epoch, 2);
	cr_assert(rest.is_stepped);
	cr_assert_eq(rest.sent, 15);
	cr_assert_eq(rest.forward.cnt, 15);
	cr_assert_not(rest.forward.is_valid);
	cr_assert_eq(rest.begin.ns, SESSION_T0 + S + 100 * MS);
	cr_assert_eq(rest.round_trip_net.mean_ns, 3 * MS);
	cr_assert_eq(rest.sent_total, 25);
	session_end(&s);
	cr_assert_not(s.report.forward.p50.is_valid);
	cr_assert_eq(s.report.ctr.epoch_changes, 1);
}

Test(step, a_packet_under_way_when_it_came_has_no_delay)
{
	struct tw_metrics_interval old, rest;

	session_start(&s, NULL);
	exchange(0, 0);
	session_send(&s, 10 * MS);
	s.epoch = 2;
	session_answer(&s, 1, 1, 10 * MS + S, MS, 10 * US, 2 * MS);
	cr_assert_not(s.sample.has_round_trip);
	cr_assert(tw_metrics_interval_cut(s.m, &old));
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + 2 * S}, &rest);
	cr_assert_eq(old.sent, 2);
	cr_assert_eq(old.received, 1);
	cr_assert_eq(rest.received, 1);
	cr_assert_eq(rest.round_trip.cnt, 0);
	cr_assert_eq(rest.forward.cnt, 0);
	session_end(&s);
	cr_assert_eq(s.report.ctr.epoch_crossed, 1);
}

Test(step, more_steps_than_reports_keep_the_counts)
{
	struct tw_metrics_interval iv;
	uint64_t sent = 0;
	unsigned cuts = 0;

	session_start(&s, NULL);
	for (unsigned n = 0; n < 12; n++) {
		s.epoch = n + 1;
		exchange(n, n * S);
	}
	for (; tw_metrics_interval_cut(s.m, &iv); cuts++) {
		sent += iv.sent;
		cr_assert(iv.is_stepped);
		cr_assert_leq(iv.round_trip.cnt, 1);
	}
	cr_assert_eq(cuts, CUT_MAX);
	cr_assert_eq(iv.round_trip.cnt, 0);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + 20 * S}, &iv);
	cr_assert_eq(sent + iv.sent, 12);
	cr_assert_eq(iv.sent_total, 12);
}

Test(step, sources_travel_with_samples_and_intervals)
{
	struct tw_metrics_interval iv;

	session_start(&s, NULL);
	exchange(0, 0);
	cr_assert_eq(s.sample.t1_source, TW_STAMP_TSC_TX);
	cr_assert_eq(s.sample.t4_source, TW_STAMP_TSC_RX);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + S}, &iv);
	cr_assert_eq(iv.t1_sources, 1U << TW_STAMP_TSC_TX);
	cr_assert_eq(iv.t4_sources, 1U << TW_STAMP_TSC_RX);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + 2 * S}, &iv);
	cr_assert_eq(iv.t1_sources | iv.t4_sources, 0);
}

Test(step, packing_never_shrinks_an_error_and_keeps_the_source)
{
	static const unsigned sources[] = {TW_STAMP_TSC_TX, TW_STAMP_NIC_TX, TW_STAMP_TSC_CAL};

	for (unsigned k = 0; k < 3; k++) {
		for (uint64_t ns = 0; ns < TW_CLOCK_ERROR_UNKNOWN; ns += ns / 37 + 1) {
			uint16_t v = error_pack((uint32_t)ns, sources[k]);

			cr_assert_geq(error_unpack(v), ns);
			cr_assert_leq(error_unpack(v), ns + ns / 256 + 1);
			cr_assert_eq(source_unpack(v), sources[k]);
		}
		cr_assert_eq(
			error_unpack(error_pack(TW_CLOCK_ERROR_UNKNOWN, sources[k])), UINT64_MAX);
		cr_assert_neq(error_unpack(error_pack(TW_CLOCK_ERROR_UNKNOWN - 1, sources[k])),
			UINT64_MAX);
	}
}
