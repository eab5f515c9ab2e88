/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reflectors of others, with the habits seen of them. What they do to a figure is shown with it;
 * none of it makes a wrong figure look right. (Those that copy numbers or start at one:
 * test_loss.c)
 */
#include "session.h"

#define PACKETS 100

static struct session s;

/* Packets 10 ms apart, 3 ms there, 1 ms at the reflector, 5 ms back; @p ee of the i-th reply. */
static const struct tw_metrics_report *
run(uint16_t (*ee)(unsigned i))
{
	session_start(&s, NULL);
	for (unsigned i = 0; i < PACKETS; i++)
		session_send(&s, i * 10 * MS);
	for (unsigned i = 0; i < PACKETS; i++) {
		s.ee = ee(i);
		(void)session_answer(&s, i, i, i * 10 * MS, 3 * MS, MS, 5 * MS);
	}
	return session_end(&s);
}

static void
expect_round_trip(const struct tw_metrics_report *r)
{
	cr_assert(r->round_trip.median.is_valid && r->round_trip_net.median.is_valid);
	cr_assert_eq(r->round_trip.min.value_ns, 9 * MS);
	cr_assert_eq(r->round_trip_net.min.value_ns, 8 * MS);
	cr_assert_lt(r->round_trip.min.error_ns, 2000); /* our clock alone, whatever theirs says */
	cr_assert_eq(r->pdv_forward.range.value_ns, 0);
	cr_assert(r->pdv_forward.range.is_valid);
}

static uint16_t
ptp_without_agreement(unsigned i)
{
	(void)i;
	return tw_clock_ee_encode(1000, true) | TW_CLOCK_EE_Z;
}

Test(foreign, z_without_bit_9_is_read_as_ntp_and_counted)
{
	const struct tw_metrics_report *r = run(ptp_without_agreement);

	cr_assert_eq(r->ctr.received, PACKETS);
	cr_assert_eq(r->ctr.peer_ptp, PACKETS);
	cr_assert_eq(r->forward.min.value_ns, 3 * MS);
	expect_round_trip(r);
	session_free(&s);
}

static uint16_t
toggling(unsigned i)
{
	return tw_clock_ee_encode(1000, i % 2 == 0);
}

Test(foreign, s_that_toggles_makes_one_way_figures_unsynchronised)
{
	const struct tw_metrics_report *r = run(toggling);

	cr_assert_eq(r->ctr.unsynced_peer, PACKETS / 2);
	cr_assert_not(r->is_synced_peer);
	cr_assert_not(r->forward.median.is_valid);
	cr_assert_eq(r->forward.median.reason, TW_METRICS_R_UNSYNCED_PEER);
	cr_assert_eq(r->forward.median.error_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert_not(r->reverse.median.is_valid);
	expect_round_trip(r);
	session_free(&s);
}

static uint16_t
no_multiplier(unsigned i)
{
	return i == 50 ? 0x8500 : tw_clock_ee_encode(1000, true);
}

Test(foreign, multiplier_0_is_invalid_and_answers_nothing)
{
	const struct tw_metrics_report *r = run(no_multiplier);

	cr_assert_eq(r->ctr.invalid_multiplier, 1);
	cr_assert_eq(r->ctr.received, PACKETS - 1);
	cr_assert_eq(r->lost, 1);
	cr_assert_eq(r->ctr.unanswered, 1);
	/* its number is missing, too: the way back lost a valid reply, for all we know */
	cr_assert_eq(r->lost_forward.value, 0);
	session_free(&s);
}

static uint16_t
largest_error(unsigned i)
{
	(void)i;
	return 0x0001; /* S=0 and the smallest error: what an unsynchronised one of them writes */
}

Test(foreign, an_unsynchronised_estimate_is_never_small)
{
	const struct tw_metrics_report *r = run(largest_error);

	cr_assert_eq(r->ctr.unsynced_peer, PACKETS);
	cr_assert_eq(r->error_peer_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert_eq(r->forward.min.error_ns, TW_METRICS_ERROR_UNKNOWN);
	cr_assert_not(r->forward.min.is_valid);
	expect_round_trip(r);
	session_free(&s);
}

/* Sent before Start-Sessions took effect over there, reflected when it did. */
Test(foreign, early_packets_answered_late_are_flagged_and_cost_the_net_figure_nothing)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (unsigned i = 0; i < PACKETS; i++)
		session_send(&s, i * 10 * MS);
	for (unsigned i = 0; i < 30; i++)
		(void)session_answer(
			&s, i, i, i * 10 * MS, 3 * MS, 1500 * MS - i * 10 * MS, 5 * MS);
	for (unsigned i = 30; i < PACKETS; i++)
		(void)session_answer(&s, i, i, i * 10 * MS, 3 * MS, MS, 5 * MS);
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, PACKETS);
	cr_assert_eq(r->ctr.residence_long, 30);
	cr_assert_eq(r->round_trip_net.max.value_ns, 8 * MS);
	cr_assert_eq(r->residence.max.value_ns, 1500 * MS);
	cr_assert_eq(r->round_trip.max.value_ns, 1508 * MS);
	session_free(&s);
}

/* Receive Timestamp late: taken by a process after a queue, or late in reply to an early packet. */
Test(foreign, t3_before_t2_tells_no_direction)
{
	const struct tw_metrics_report *r;

	session_start(&s, NULL);
	for (unsigned i = 0; i < PACKETS; i++)
		session_send(&s, i * 10 * MS);
	for (unsigned i = 0; i < PACKETS; i++)
		(void)session_answer(&s, i, i, i * 10 * MS, 4 * MS, -MS, 6 * MS);
	r = session_end(&s);
	cr_assert_eq(r->ctr.received, PACKETS);
	cr_assert_eq(r->ctr.residence_absurd, PACKETS);
	cr_assert_eq(r->forward.finite + r->reverse.finite + r->residence.finite, 0);
	cr_assert_eq(r->round_trip_net.finite, 0);
	cr_assert_eq(r->round_trip.min.value_ns, 9 * MS);
	session_free(&s);
}
