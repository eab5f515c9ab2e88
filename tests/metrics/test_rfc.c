/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The examples the RFCs and PROTOCOL.md 6 give, through a whole session. */
#include "session.h"

static struct session s;

static void
expect(const struct tw_metrics_fig *f, int64_t ns, const char *what)
{
	cr_assert_eq(f->state, TW_METRICS_S_FINITE, "%s", what);
	cr_assert_eq(f->value_ns, ns, "%s: %ld, expected %ld", what, f->value_ns, ns);
}

/* Near enough for what went through a bin, and the truth within the stated error. */
static void
expect_near(const struct tw_metrics_fig *f, int64_t ns, const char *what)
{
	uint64_t off = (uint64_t)llabs(f->value_ns - ns);

	cr_assert_eq(f->state, TW_METRICS_S_FINITE, "%s", what);
	cr_assert(off <= (uint64_t)llabs(ns) / 100, "%s: %ld, expected %ld", what, f->value_ns, ns);
	cr_assert(off <= f->error_ns, "%s", what);
}

/* Sends packets every 20 ms, then delivers replies with given numbers and times of arrival. */
static void
deliver(const uint32_t *seqs, const int64_t *arrivals_ms, size_t n)
{
	session_start(&s, NULL);
	for (size_t i = 0; i < n; i++)
		session_send(&s, (int64_t)i * 20 * MS);
	for (size_t i = 0; i < n; i++) {
		int64_t t4 = arrivals_ms != NULL ? arrivals_ms[i] * MS : S + (int64_t)i * MS;

		session_reply(
			&s, seqs[i], seqs[i], seqs[i] * 20 * MS + MS, seqs[i] * 20 * MS + MS, t4);
	}
}

Test(rfc, rfc5481_delays_give_its_variation)
{
	static const int64_t delays_ms[] = {20, 10, 20, 25, 20};
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 5; i++)
		session_send(&s, i * 100 * MS);
	for (unsigned i = 0; i < 5; i++)
		session_answer(&s, i, i, i * 100 * MS, delays_ms[i] * MS, 0, 5 * MS);
	r = session_end(&s);
	/* IPDV: U, -10, 10, 5, -5 */
	cr_assert_eq(r->ipdv_forward.samples, 4);
	expect(&r->ipdv_forward.min, -10 * MS, "ipdv min");
	expect(&r->ipdv_forward.p5, -10 * MS, "ipdv p5");
	expect_near(&r->ipdv_forward.p50, -5 * MS, "ipdv p50");
	expect(&r->ipdv_forward.p95, 10 * MS, "ipdv p95");
	expect(&r->ipdv_forward.max, 10 * MS, "ipdv max");
	/* PDV: 10, 0, 10, 15, 10 */
	cr_assert_eq(r->pdv_forward.samples, 5);
	expect_near(&r->pdv_forward.p50, 10 * MS, "pdv p50");
	expect(&r->pdv_forward.p99_9, 15 * MS, "pdv p99.9");
	expect(&r->pdv_forward.range, 15 * MS, "pdv range");
	cr_assert(r->pdv_forward.p99_9.is_below_resolution);
	/* the way back was constant */
	expect(&r->pdv_reverse.range, 0, "reverse");
	expect(&r->ipdv_reverse.max, 0, "reverse");
	expect(&r->ipdv_round_trip_net.min, -10 * MS, "round trip");
	session_free(&s);
}

Test(rfc, rfc4737_table_1)
{
	static const uint32_t seqs[] = {0, 1, 2, 4, 5, 6, 7, 3, 8, 9};
	static const int64_t at[] = {68, 88, 108, 148, 168, 188, 208, 210, 228, 248};
	const struct tw_metrics_report *r;

	deliver(seqs, at, 10);
	r = session_end(&s);
	cr_assert_eq(r->ctr.reordered_round_trip, 1);
	cr_assert_eq(r->order_round_trip.extent, 4);
	cr_assert_eq(r->order_round_trip.late_ns, 62 * MS);
	cr_assert_eq(r->ctr.reordered_reverse, 1);
	cr_assert_eq(r->order_reverse.extent, 4);
	cr_assert_eq(r->order_reverse.n_max, 4);
	cr_assert_eq(r->order_reverse.tcp_n, 1);
	cr_assert_eq(r->ctr.reordered_forward, 0);
	cr_assert_eq(r->order_forward.n_max, 0);
	cr_assert_eq(r->order_forward.packets, 10);
	cr_assert_not(r->is_extent_at_least);
	session_free(&s);
}

Test(rfc, rfc4737_table_2)
{
	static const uint32_t seqs[] = {0, 1, 2, 3, 6, 4, 5, 7, 8, 9};
	static const int64_t at[] = {68, 88, 108, 128, 188, 189, 190, 208, 228, 248};
	const struct tw_metrics_report *r;

	deliver(seqs, at, 10);
	r = session_end(&s);
	cr_assert_eq(r->ctr.reordered_round_trip, 2);
	cr_assert_eq(r->order_round_trip.extent, 2);
	cr_assert_eq(r->order_round_trip.late_ns, 2 * MS);
	cr_assert_eq(r->order_round_trip.n_max, 1);
	cr_assert_eq(r->order_round_trip.tcp_n, 0);
	session_free(&s);
}

Test(rfc, rfc4737_table_3)
{
	static const uint32_t seqs[] = {0, 1, 2, 6, 7, 8, 9, 3, 4, 5, 10};
	static const int64_t at[] = {68, 88, 108, 188, 208, 228, 248, 250, 252, 256, 268};
	const struct tw_metrics_report *r;

	deliver(seqs, at, 11);
	r = session_end(&s);
	cr_assert_eq(r->ctr.reordered_round_trip, 3);
	cr_assert_eq(r->order_round_trip.extent, 6);
	cr_assert_eq(r->order_round_trip.late_ns, 68 * MS);
	cr_assert_eq(r->order_round_trip.n_max, 4);
	cr_assert_eq(r->order_round_trip.tcp_n, 1);
	session_free(&s);
}

Test(rfc, rfc4737_table_4)
{
	static const uint32_t seqs[] = {0, 1, 2, 5, 6, 3, 4, 7, 8, 9, 11, 12, 10, 13, 14, 15};
	const struct tw_metrics_report *r;

	deliver(seqs, NULL, 16);
	r = session_end(&s);
	cr_assert_eq(r->ctr.reordered_round_trip, 3);
	cr_assert_eq(r->order_round_trip.extent, 3);
	session_free(&s);
}

Test(rfc, rfc4737_forward_order_is_that_of_the_reflector)
{
	/* table 1 on the way there, in order on the way back */
	static const uint32_t seqs[] = {0, 1, 2, 4, 5, 6, 7, 3, 8, 9};
	static const int64_t t2[] = {68, 88, 108, 148, 168, 188, 208, 210, 228, 248};
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 10; i++)
		session_send(&s, i * 20 * MS);
	for (uint32_t i = 0; i < 10; i++)
		session_reply(&s, seqs[i], i, t2[i] * MS, t2[i] * MS, (t2[i] + 50) * MS);
	r = session_end(&s);
	cr_assert_eq(r->ctr.reordered_forward, 1);
	cr_assert_eq(r->order_forward.extent, 4);
	cr_assert_eq(r->order_forward.late_ns, 62 * MS);
	cr_assert_eq(r->ctr.reordered_reverse, 0);
	cr_assert_eq(r->ctr.reordered_round_trip, 1);
	session_free(&s);
}

Test(rfc, rfc2330_percentiles_and_median)
{
	/* 11.3: -2, 7, 7, 4, 18, -5; 15th percentile by the definition: the minimum */
	static const int64_t values[] = {-2, 7, 7, 4, 18, -5};
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 6; i++)
		session_send(&s, i * MS);
	for (uint32_t i = 0; i < 6; i++)
		session_reply(&s, i, i, i * MS + values[i] * 10, i * MS + values[i] * 10,
			i * MS + 20 * US);
	r = session_end(&s);
	expect(&r->forward.min, -50, "min");
	expect(&r->forward.p50, 40, "p50");
	expect(&r->forward.median, 55, "median: mean of 4 and 7");
	expect(&r->forward.p90, 180, "p90");
	expect(&r->forward.max, 180, "max");
	expect(&r->forward.mean, 48, "mean of 29/6, rounded");
	cr_assert_eq(r->forward.negative, 2);
	cr_assert(r->forward.p90.is_below_resolution);
	cr_assert_not(r->forward.p50.is_below_resolution);
	session_free(&s);
}

Test(rfc, lost_packets_are_infinite)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 10; i++)
		session_send(&s, i * MS);
	for (uint32_t i = 0; i < 9; i++)
		session_answer(&s, i, i, i * MS, MS, 0, MS);
	r = session_end(&s);
	cr_assert_eq(r->round_trip.population, 10);
	cr_assert_eq(r->round_trip.infinite, 1);
	expect(&r->round_trip.p90, 2 * MS, "p90");
	cr_assert_eq(r->round_trip.p95.state, TW_METRICS_S_INFINITE);
	cr_assert_eq(r->round_trip.p99_9.state, TW_METRICS_S_INFINITE);
	expect(&r->round_trip.max, 2 * MS, "max of the finite");
	cr_assert_eq(r->round_trip.p95_minus_p50.state, TW_METRICS_S_INFINITE);
	cr_assert_eq(r->pdv_round_trip.p99_9.state, TW_METRICS_S_FINITE);
	session_free(&s);
}

Test(rfc, half_of_all_lost_makes_the_median_infinite)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 4; i++)
		session_send(&s, i * MS);
	session_answer(&s, 0, 0, 0, MS, 0, MS);
	session_answer(&s, 1, 1, MS, MS, 0, MS);
	r = session_end(&s);
	expect(&r->round_trip.p50, 2 * MS, "p50: F = 1/2 is reached");
	cr_assert_eq(r->round_trip.median.state, TW_METRICS_S_INFINITE);
	session_free(&s);
}

Test(rfc, rfc3393_neighbours_of_a_lost_packet_have_no_variation)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 5; i++)
		session_send(&s, i * MS);
	for (uint32_t i = 0; i < 5; i++) {
		if (i != 2)
			session_answer(&s, i, i, i * MS, MS + i * US, 0, MS);
	}
	r = session_end(&s);
	cr_assert_eq(r->ipdv_forward.samples, 2); /* (0,1) and (3,4) */
	expect(&r->ipdv_forward.max, US, "max");
	session_free(&s);
}

Test(rfc, a_pair_counts_once_in_any_order_of_arrival)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (int i = 0; i < 3; i++)
		session_send(&s, i * MS);
	session_answer(&s, 2, 2, 2 * MS, MS, 0, MS);
	session_answer(&s, 0, 0, 0, MS + 10 * US, 0, 9 * MS);
	session_answer(&s, 1, 1, MS, MS + 30 * US, 0, 9 * MS);
	r = session_end(&s);
	cr_assert_eq(r->ipdv_forward.samples, 2);
	expect(&r->ipdv_forward.max, 20 * US, "0 to 1");
	expect(&r->ipdv_forward.min, -30 * US, "1 to 2");
	session_free(&s);
}
