/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* When a packet's time passes: to the nanosecond, after a step of the clock, among answered ones.
 */
#include "session.h"

static struct session s;

static uint64_t
lost_at(int64_t now_ns)
{
	struct tw_metrics_interval iv;

	session_expire(&s, now_ns);
	tw_metrics_interval_take(s.m, (tw_ns){SESSION_T0 + now_ns}, &iv);
	return iv.lost_total;
}

/*
 * Packets are passed in blocks where all were answered: one that was not is found at its time,
 * wherever it stands, and one answered out of order or in time and read late is none.
 */
Test(expire, runs_of_answers_hide_no_loss)
{
	static const uint32_t places[] = {0, 1, 30, 31, 32, 33, 62, 63, 64, 95, 96, 150};
	static const uint32_t none = UINT32_MAX;
	const struct tw_metrics_cfg cfg = {.tmax_ns = 100 * MS, .interval_ns = MS};

	for (unsigned i = 0; i < 2 * TW_ARRAY_SIZE(places); i++) {
		const bool is_lost = i % 2 == 0;
		const uint32_t place = places[i / 2];
		uint32_t behind = none; /* answered after the one that follows it */

		session_start(&s, &cfg);
		for (uint32_t k = 0; k < 400; k++) {
			const bool is_due = is_lost && k > place + 100;

			cr_assert_eq(lost_at((int64_t)k * MS), is_due, "%u of %u", k, place);
			session_send(&s, (int64_t)k * MS);
			if (k == place) {
				behind = k;
				continue;
			}
			session_answer(&s, k, k, (int64_t)k * MS, 100 * US, 0, 100 * US);
			if (!is_lost && behind != none) {
				session_answer(&s, behind, behind, (int64_t)k * MS - MS, MS, 0, MS);
				behind = none;
			}
		}
		cr_assert_eq(session_end(&s)->ctr.unanswered, is_lost);
		session_free(&s);
	}
}

/* Whatever the fraction of T1: seconds that round up from below included. */
Test(expire, tmax_ends_to_the_nanosecond)
{
	static const int64_t fractions[] = {0, 1, 2, 499999999, 500000000, 999999998, 999999999};
	uint64_t lost = 0;

	session_start(&s, NULL);
	for (int64_t i = 0; i < 2000; i++) {
		const int64_t t1_ns = i * 10 * S + fractions[i % 7] + (i > 100 ? i * 493827 : 0);

		session_send(&s, t1_ns);
		cr_assert_eq(lost_at(t1_ns + s.cfg.tmax_ns), lost);
		cr_assert_eq(lost_at(t1_ns + s.cfg.tmax_ns + 1), ++lost);
	}
	cr_assert_eq(session_end(&s)->ctr.unanswered, lost);
	session_free(&s);
}

Test(expire, expiring_waits_on_after_a_step)
{
	session_start(&s, NULL);
	for (unsigned i = 0; i < 10; i++)
		session_send(&s, i * 10 * MS);
	s.epoch = 2;
	session_expire(&s, 3600 * S);
	session_expire(&s, 3600 * S + 2 * S);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(s.m)->unanswered), 0);
	session_expire(&s, 3600 * S + 5 * S);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(s.m)->unanswered), 10);
}
