/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The life of a sender session: start, drain of Tmax, end; stopped and removed in every state;
 * reports; capacity.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "send_check.h"

#define T0 CHECK_T0_NS

static unsigned
tick(struct check_snd *c, int64_t now_ns, struct tw_send_event *ev, unsigned max)
{
	struct tw_stamp now = check_stamp(now_ns).at;

	return tw_send_tick(c->snd, now_ns, &now, ev, max);
}

/* The one event due now. */
static void
expect(struct check_snd *c, int64_t now_ns, struct tw_send_sess *sess, enum tw_send_event_type type)
{
	struct tw_send_event ev[2];

	cr_assert_eq(tick(c, now_ns, ev, 2), 1);
	cr_assert_eq(ev[0].sess, sess);
	cr_assert_eq(ev[0].type, type);
}

static struct tw_send_sess *
added(struct check_snd *c, const struct tw_send_cfg *cfg, int64_t now_ns)
{
	struct tw_send_sess *sess = check_send(cfg);

	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, now_ns), 0);
	return sess;
}

Test(states, drains_tmax_after_the_last_packet)
{
	struct tw_send_cfg cfg = check_periodic(MS, 3);
	struct tw_send_event ev[2];
	struct check_snd *c;
	struct tw_send_sess *sess;
	int64_t end = T0 + 2 * MS + 700 + 5 * S;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.tmax_ns = 5 * S;
	sess = added(c, &cfg, T0);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_RUNNING);
	check_all_due(c, T0 + 700);
	check_all_due(c, T0 + MS + 700);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_RUNNING);
	check_all_due(c, T0 + 2 * MS + 700); /* departed 700 ns behind */
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	cr_assert_eq(tw_send_next_due(c->snd), end);
	cr_assert_eq(tick(c, end - 1, ev, 2), 0);
	expect(c, end, sess, TW_SEND_EVENT_DONE);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_ENDED);
	cr_assert_eq(tw_send_cnt(c->snd), 0);
	cr_assert_eq(tw_send_next_due(c->snd), INT64_MAX);
	cr_assert_eq(tick(c, end + 3600 * S, ev, 2), 0);
}

Test(states, stop_while_running)
{
	struct tw_send_cfg cfg = check_periodic(MS, 0);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = added(c, &cfg, T0);
	check_all_due(c, T0 + 10 * MS);
	tw_send_stop(c->snd, sess, T0 + 10 * MS + 300 * US);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	cr_assert_eq(check_all_due(c, T0 + S), 0);
	cr_assert_eq(check_counts(sess).skipped, 0);
	tw_send_stop(c->snd, sess, T0 + S); /* again: no effect */
	cr_assert_eq(tw_send_next_due(c->snd), T0 + 10 * MS + TW_SEND_TMAX_NS);
	expect(c, T0 + 10 * MS + TW_SEND_TMAX_NS, sess, TW_SEND_EVENT_DONE);
	tw_send_stop(c->snd, sess, T0 + 5 * S);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_ENDED);
}

/* Nothing was sent, so there is nothing to wait for. */
Test(states, stop_before_the_start_time)
{
	struct tw_send_cfg cfg = check_periodic(MS, 10);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = added(c, &cfg, T0 - 100 * S);
	tw_send_stop(c->snd, sess, T0 - 50 * S);
	expect(c, T0 - 50 * S, sess, TW_SEND_EVENT_DONE);
	cr_assert_eq(check_counts(sess).scheduled, 0);
}

/* A schedule without a single packet: Poisson, first gap longer than the duration. */
Test(states, an_empty_schedule_ends)
{
	struct tw_send_cfg cfg = check_periodic(3600 * S, 0);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.law = TW_SEND_POISSON;
	cfg.duration_ns = 1;
	sess = added(c, &cfg, T0);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	expect(c, T0 + TW_SEND_TMAX_NS, sess, TW_SEND_EVENT_DONE);
	cr_assert_eq(check_counts(sess).sent, 0);
}

Test(states, removed_in_any_state_without_a_word)
{
	struct tw_send_cfg cfg = check_periodic(MS, 2);
	struct tw_send_event ev[2];
	struct check_snd *c;
	struct tw_send_sess *sess[3];

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	for (unsigned i = 0; i < 3; i++) {
		cfg.id = i;
		sess[i] = added(c, &cfg, T0);
	}
	tw_send_remove(c->snd, sess[0]); /* running */
	cr_assert_eq(check_all_due(c, T0 + 5 * MS), 4);
	tw_send_remove(c->snd, sess[1]); /* draining */
	expect(c, T0 + 5 * S, sess[2], TW_SEND_EVENT_DONE);
	tw_send_remove(c->snd, sess[2]); /* ended */
	cr_assert_eq(tick(c, T0 + 100 * S, ev, 2), 0);
	cr_assert_eq(tw_send_cnt(c->snd), 0);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(tw_sess_state_get(&sess[i]->s), TW_SESS_ENDED);
}

Test(states, capacity_and_misuse_are_refused)
{
	struct tw_send_cfg cfg = check_periodic(MS, 2);
	struct check_snd *c;
	struct tw_send_sess *a, *b;

	check_init();
	c = check_snd("openssl", 1);
	a = check_send(&cfg);
	b = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, a, &c->steady, T0), 0);
	cr_assert_eq(tw_send_add(c->snd, a, &c->steady, T0), -EINVAL);
	cr_assert_eq(tw_send_add(c->snd, b, &c->steady, T0), -ENOSPC);
	cr_assert_eq(tw_sess_state_get(&b->s), TW_SESS_RESERVED);
	tw_send_remove(c->snd, a);
	cr_assert_eq(tw_send_add(c->snd, b, &c->steady, T0), 0);
}

Test(states, reports_come_on_the_second)
{
	struct tw_send_cfg cfg = check_periodic(10 * MS, 1000);
	struct tw_send_event ev[4];
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.report_ns = 0; /* default: 1 s */
	sess = added(c, &cfg, T0 - 10 * S);
	for (unsigned i = 1; i <= 3; i++) {
		cr_assert_eq(tick(c, T0 + i * S - 1, ev, 4), 0);
		expect(c, T0 + i * S + 1000, sess, TW_SEND_EVENT_REPORT);
	}
	/* some were missed: one for all of them, then a full interval */
	cr_assert_eq(tick(c, T0 + 7500 * MS, ev, 4), 1);
	cr_assert_eq(tick(c, T0 + 8500 * MS - 1, ev, 4), 0);
	cr_assert_eq(tick(c, T0 + 8500 * MS, ev, 4), 1);
	/* and while it drains, up to DONE, which takes the rest */
	check_all_due(c, T0 + 9990 * MS);
	tw_send_stop(c->snd, sess, T0 + 9990 * MS);
	expect(c, T0 + 10 * S, sess, TW_SEND_EVENT_REPORT);
	expect(c, T0 + 11 * S, sess, TW_SEND_EVENT_REPORT);
	expect(c, T0 + 9990 * MS + 2 * S, sess, TW_SEND_EVENT_DONE);
}

Test(states, events_are_given_out_as_room_allows)
{
	struct tw_send_cfg cfg = check_periodic(MS, 1);
	struct tw_send_event ev[4];
	struct check_snd *c;
	unsigned seen = 0;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	for (unsigned i = 0; i < 10; i++) {
		cfg.id = i;
		added(c, &cfg, T0);
	}
	check_all_due(c, T0);
	for (unsigned calls = 0; calls < 3; calls++) {
		unsigned n = tick(c, T0 + 10 * S, ev, 4);

		cr_assert_eq(n, calls < 2 ? 4 : 2);
		seen += n;
	}
	cr_assert_eq(seen, 10);
}

/* Many packets outstanding at the end: settled in slices, other sessions are not held up. */
Test(states, a_big_session_ends_in_slices)
{
	struct tw_send_cfg cfg = check_periodic(10 * US, 30000);
	struct tw_send_event ev[4];
	struct check_snd *c;
	struct tw_send_sess *big, *other;
	unsigned calls = 0, reports = 0, n;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.report_ns = 3600 * S;
	cfg.metrics = check_metrics(&cfg);
	big = added(c, &cfg, T0);
	cfg = check_periodic(S, 0);
	cfg.id = 2;
	cfg.report_ns = S;
	other = added(c, &cfg, T0);
	for (int64_t t = T0; t < T0 + 300 * MS; t += 100 * US)
		check_all_due(c, t);
	check_all_due(c, T0 + 300 * MS);
	cr_assert_eq(check_counts(big).sent, 30000);
	do {
		n = tick(c, T0 + 10 * S, ev, 4);
		for (unsigned i = 0; i < n; i++)
			reports += ev[i].sess == other;
		/* told as ended to replies at once, handed over when all is settled */
		cr_assert_eq(tw_sess_state_get(&big->s), TW_SESS_ENDED);
		calls++;
	} while (n == 0 || ev[n - 1].type != TW_SEND_EVENT_DONE);
	cr_assert_eq(ev[n - 1].sess, big);
	cr_assert_geq(calls, 30000 / 4096);
	cr_assert_leq(calls, 30000 / 4096 + 2);
	cr_assert_eq(reports, 1);
	cr_assert_eq(ev[n - 1].interval.sent, 30000);
	cr_assert_eq(ev[n - 1].interval.lost, 30000);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(big->metrics)->unanswered), 30000);
}

/* Sessions come and go while others run: nobody misses a packet. */
Test(states, adding_and_removing_disturbs_nobody)
{
	struct tw_send_cfg cfg = check_periodic(MS, 1000);
	struct check_snd *c;
	struct tw_send_sess *steady, *other = NULL;
	struct tw_send_event ev[4];

	check_init();
	c = check_snd(check_fast(), CHECK_CAP);
	steady = added(c, &cfg, T0);
	cfg.id = 2;
	cfg.interval_ns = 100 * US;
	for (int64_t t = T0; t < T0 + S; t += 100 * US) {
		check_all_due(c, t);
		if (other != NULL && (t - T0) % (7 * MS) == 0) {
			tw_send_remove(c->snd, other);
			check_send_free(other);
			other = NULL;
		}
		if (other == NULL)
			other = added(c, &cfg, t);
		tick(c, t, ev, 4);
	}
	cr_assert_eq(check_counts(steady).sent, 1000);
	cr_assert_eq(check_counts(steady).late, 0);
	cr_assert_eq(check_counts(steady).lag_max_ns, 0);
}

/* 100,000 sessions on one lcore, each on its own raster. */
Test(states, a_hundred_thousand_sessions, .timeout = 60)
{
	const unsigned n = 100000;
	struct tw_send_cfg cfg = check_periodic(S, 2);
	struct check_snd *c;
	struct tw_send_sess *sess = tw_crypto_map(n * sizeof(*sess));
	struct tw_send_event ev[64];
	uint64_t done = 0;
	unsigned got;

	cr_assert_not_null(sess);
	check_init();
	c = check_snd("openssl", n);
	for (unsigned i = 0; i < n; i++) {
		cfg.id = i;
		cfg.start.ns = T0 + (int64_t)(i * 7919ULL % n) * 10 * US;
		cr_assert_eq(tw_send_sess_init(&sess[i], &cfg), 0);
		cr_assert_eq(tw_send_add(c->snd, &sess[i], &c->steady, T0 - S), 0);
	}
	for (int64_t t = T0; t <= T0 + 2 * S; t += 100 * US)
		check_all_due(c, t);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(check_counts(&sess[i]).sent, 2);
		cr_assert_leq(check_counts(&sess[i]).lag_max_ns, 100 * US);
	}
	do {
		got = tick(c, T0 + 10 * S, ev, 64);
		for (unsigned i = 0; i < got; i++)
			done += ev[i].type == TW_SEND_EVENT_DONE;
	} while (got != 0);
	cr_assert_eq(done, n);
}
