/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the device refuses keeps its number and its place in the schedule and is tried again: to a
 * peer it looks as if it had been late, to the operator the refusals are counted.
 */
#include <criterion/criterion.h>

#include "send_check.h"

#define SESSIONS 5

Test(refused, packet_is_due_again_at_once_with_its_number)
{
	struct tw_send_cfg cfg = check_periodic(MS, 2);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	for (unsigned i = 0; i < 3; i++) {
		const int64_t now = CHECK_T0_NS + i * TW_SEND_RETRY_NS;

		cr_assert_eq(check_burst(c, now, TW_BURST_MAX, 1), 0);
		cr_assert_eq(c->jobs[0].seq, 0);
		cr_assert_eq(c->jobs[0].was.due_ns, CHECK_T0_NS);
		cr_assert_eq(check_counts(sess).sent, 0);
		cr_assert_eq(tw_send_next_due(c->snd), now + TW_SEND_RETRY_NS);
	}
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 5 * MS, 1, 0), 1);
	cr_assert_eq(check_counts(sess).tx_refused, 3);
	cr_assert_eq(check_counts(sess).late, 1); /* it departed 5 ms behind */
	cr_assert_eq(check_counts(sess).skipped, 0);
	/* the last of the schedule comes back as well */
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 5 * MS, 1, 1), 0);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_RUNNING);
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 6 * MS, 1, 0), 1);
	cr_assert_eq(c->jobs[0].seq, 1);
	cr_assert_eq(tw_sess_state_get(&sess->s), TW_SESS_DRAINING);
	cr_assert_eq(check_counts(sess).scheduled, 2);
}

/* Against the rule that the refused ones are the last: the number cannot be given back. */
Test(refused, before_a_later_one_left_counts_as_sent)
{
	struct tw_send_cfg cfg = check_periodic(MS, 10);
	const struct tw_sess_stamp t1 = check_stamp(CHECK_T0_NS);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	cr_assert_eq(tw_send_poll(c->snd, CHECK_T0_NS + 2 * MS, c->jobs, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		c->jobs[i].payload = c->buf[i];
		c->jobs[i].room = CHECK_ROOM;
	}
	c->jobs[1].is_refused = true; /* no buffer: it has no T1, either */
	tw_send_build(c->snd, c->jobs, 3);
	tw_send_protect(c->snd, c->jobs, 3, &t1);
	tw_send_stamp(&c->jobs[0], &t1);
	tw_send_stamp(&c->jobs[2], &t1);
	cr_assert_eq(tw_send_finish(c->snd, c->jobs, 3, CHECK_T0_NS + 2 * MS), 2);
	cr_assert_eq(check_counts(sess).sent, 3);
	cr_assert_eq(check_counts(sess).tx_refused, 1);
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 3 * MS, 1, 0), 1);
	cr_assert_eq(c->jobs[0].seq, 3);
}

Test(refused, for_longer_than_max_lag_is_skipped)
{
	struct tw_send_cfg cfg = check_periodic(100 * MS, 30);
	struct check_snd *c;
	struct tw_send_sess *sess;
	struct tw_send_counts n;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	for (int64_t t = CHECK_T0_NS; t <= CHECK_T0_NS + 2 * S; t += 10 * MS)
		check_burst(c, t, TW_BURST_MAX, TW_BURST_MAX); /* the link is down */
	for (int64_t t = CHECK_T0_NS + 2 * S + MS; t <= CHECK_T0_NS + 3 * S; t += MS)
		check_burst(c, t, TW_BURST_MAX, 0);
	n = check_counts(sess);
	cr_assert_eq(n.skipped, 11); /* due 0 .. 1 s; the rest went when the link came back */
	cr_assert_eq(n.sent, 19);
	cr_assert_gt(n.tx_refused, 200);
	cr_assert_eq(n.state, TW_SESS_DRAINING);
}

/* Random tails of bursts of interleaved sessions: numbers rise by one and every packet leaves in
 * the slot that an undisturbed schedule with the same seed has for it. */
static void
disturbed(struct check_snd *c, uint64_t seed)
{
	struct tw_send_sess *sess[SESSIONS], *calm[SESSIONS];
	struct check_snd *quiet = check_snd("openssl", CHECK_CAP);
	uint64_t next[SESSIONS] = {0};

	for (unsigned i = 0; i < SESSIONS; i++) {
		struct tw_send_cfg cfg = check_periodic(200 * US, 500);

		cfg.law = i % 2 ? TW_SEND_POISSON : TW_SEND_PERIODIC;
		cfg.fmt = check_fmts[i % CHECK_FMTS];
		cfg.size = 120;
		cfg.id = i;
		cfg.seed[0] = seed + i;
		sess[i] = check_send(&cfg);
		calm[i] = check_send(&cfg);
		cr_assert_eq(tw_send_add(c->snd, sess[i], &c->steady, CHECK_T0_NS), 0);
		cr_assert_eq(tw_send_add(quiet->snd, calm[i], &c->steady, CHECK_T0_NS), 0);
	}
	for (int64_t t = CHECK_T0_NS; t < CHECK_T0_NS + 400 * MS; t += 100 * US) {
		unsigned max = 1 + (unsigned)(check_rand(&seed) % TW_BURST_MAX);

		check_burst(c, t, max, (unsigned)(check_rand(&seed) % (max + 1)));
		for (unsigned k = 0; k < c->polled; k++) {
			unsigned i = c->jobs[k].sess->s.id;
			int64_t late_ns = t - c->jobs[k].was.due_ns;

			cr_assert_geq(late_ns, 0);
			cr_assert_eq(c->jobs[k].was.slot, c->jobs[k].seq);
			if (!c->jobs[k].is_refused)
				cr_assert_eq(c->jobs[k].seq, next[i]++);
		}
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		cr_assert_eq(next[i], 500);
		cr_assert_eq(check_counts(sess[i]).sent, 500);
		cr_assert_eq(check_counts(sess[i]).skipped, 0);
		cr_assert_gt(check_counts(sess[i]).tx_refused, 0);
		check_all_due(quiet, CHECK_T0_NS + 400 * MS);
		/* where both schedules ended is the sum of all gaps: the same */
		cr_assert_eq(memcmp(&sess[i]->sched, &calm[i]->sched, sizeof(sess[i]->sched)), 0);
	}
	check_snd_free(quiet);
}

Test(refused, tails_of_interleaved_sessions_disturb_no_schedule)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_snd *c = check_snd(check_engines[e], CHECK_CAP);

		disturbed(c, 100 + e);
		check_snd_free(c);
	}
}

Test(refused, without_a_buffer_or_room)
{
	struct tw_send_cfg cfg = check_periodic(MS, 4);
	struct check_snd *c;
	struct tw_send_sess *sess;
	unsigned n;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	n = tw_send_poll(c->snd, CHECK_T0_NS + 3 * MS, c->jobs, TW_BURST_MAX);
	cr_assert_eq(n, 4);
	for (unsigned i = 0; i < n; i++) {
		c->jobs[i].payload = c->buf[i];
		c->jobs[i].room = CHECK_ROOM;
		c->buf[i][0] = 0xee;
	}
	c->jobs[1].room = 40; /* one octet short: what follows must not overtake */
	c->jobs[3].is_refused = true;
	c->jobs[3].payload = NULL;
	tw_send_build(c->snd, c->jobs, n);
	cr_assert_not(c->jobs[0].is_refused);
	cr_assert(c->jobs[1].is_refused && c->jobs[2].is_refused && c->jobs[3].is_refused);
	cr_assert_eq(c->buf[1][0], 0xee);
	cr_assert_eq(tw_send_finish(c->snd, c->jobs, n, CHECK_T0_NS + 3 * MS), 1);
	cr_assert_eq(check_counts(sess).tx_refused, 3);
	cr_assert_eq(check_all_due(c, CHECK_T0_NS + 4 * MS), 3);
	cr_assert_eq(check_counts(sess).sent, 4);
}

/* A port that takes nothing must not hold up the sessions of another, whatever the backlog. */
Test(refused, by_one_port_delays_no_other)
{
	enum { DEAD = 100 };
	struct tw_send_cfg cfg = check_periodic(20 * US, 0);
	struct check_snd *c;
	struct tw_send_sess *live, *dead[DEAD];

	check_init();
	c = check_snd("openssl", DEAD + 1);
	for (unsigned i = 0; i < DEAD; i++) {
		cfg.id = i;
		dead[i] = check_send(&cfg);
		cr_assert_eq(tw_send_add(c->snd, dead[i], &c->steady, CHECK_T0_NS), 0);
	}
	cfg.interval_ns = 100 * US;
	live = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, live, &c->steady, CHECK_T0_NS), 0);
	for (int64_t t = CHECK_T0_NS; t < CHECK_T0_NS + 1500 * MS; t += 10 * US) {
		unsigned n = tw_send_poll(c->snd, t, c->jobs, 32);

		for (unsigned i = 0; i < n; i++)
			c->jobs[i].is_refused = c->jobs[i].sess != live;
		tw_send_finish(c->snd, c->jobs, n, t);
	}
	cr_assert_eq(check_counts(live).sent, 15000);
	cr_assert_lt(check_counts(live).lag_max_ns, 100 * US);
	for (unsigned i = 0; i < DEAD; i++) {
		cr_assert_eq(check_counts(dead[i]).sent, 0);
		cr_assert_gt(check_counts(dead[i]).skipped, 20000);
	}
}

/* A schedule beyond what the box can send makes nobody else late. */
Test(refused, nothing_but_too_slow_delays_no_other)
{
	struct tw_send_cfg cfg = check_periodic(US, 0);
	struct check_snd *c;
	struct tw_send_sess *greedy, *modest;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	greedy = check_send(&cfg);
	cfg.id = 2;
	cfg.interval_ns = 100 * US;
	modest = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, greedy, &c->steady, CHECK_T0_NS), 0);
	cr_assert_eq(tw_send_add(c->snd, modest, &c->steady, CHECK_T0_NS), 0);
	for (int64_t t = CHECK_T0_NS; t < CHECK_T0_NS + 3 * S; t += 64 * US)
		check_burst(c, t, 32, 0); /* half a million packets a second */
	cr_assert_eq(check_counts(modest).sent, 30000);
	cr_assert_lt(check_counts(modest).lag_max_ns, 200 * US);
	cr_assert_gt(check_counts(greedy).sent, 1400000);
	cr_assert_gt(check_counts(greedy).skipped, 400000);
	cr_assert_geq(check_counts(greedy).scheduled, 1900000);
}

static unsigned
broken(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	(void)eng;
	for (unsigned i = 0; i < n; i++)
		job[i].res = i == 1 ? -5 : 0;
	return n - 1;
}

/* What the engine could not protect does not leave, nor what follows it in the session. */
Test(refused, by_a_fault_of_the_engine)
{
	static const struct tw_engine_ops ops = {.name = "broken", .seal = broken};
	static struct tw_engine bad = {.ops = &ops};
	static const uint64_t seed[4] = {1};
	struct tw_send_cfg cfg = check_periodic(MS, 4);
	struct check_snd *c;
	struct tw_send_sess *sess;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	tw_send_init(c->snd, CHECK_CAP, &bad, seed);
	cfg.fmt = &tw_tst_auth;
	cfg.size = 112;
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 3 * MS, TW_BURST_MAX, 0), 1);
	cr_assert_eq(c->polled, 4);
	cr_assert_eq(check_counts(sess).sent, 1);
	cr_assert_eq(check_counts(sess).tx_refused, 3);
}

/* Against the rule: what follows a refused packet left. Its number cannot be used again. */
Test(refused, in_the_middle_counts_as_sent)
{
	struct tw_send_cfg cfg = check_periodic(MS, 4);
	struct check_snd *c;
	struct tw_send_sess *sess;
	unsigned n;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, CHECK_T0_NS), 0);
	n = tw_send_poll(c->snd, CHECK_T0_NS + 2 * MS, c->jobs, TW_BURST_MAX);
	cr_assert_eq(n, 3);
	c->jobs[1].is_refused = true;
	cr_assert_eq(tw_send_finish(c->snd, c->jobs, n, CHECK_T0_NS + 2 * MS), 2);
	cr_assert_eq(check_counts(sess).sent, 3);
	cr_assert_eq(check_counts(sess).tx_refused, 1);
	cr_assert_eq(check_burst(c, CHECK_T0_NS + 3 * MS, 1, 0), 1);
	cr_assert_eq(c->jobs[0].seq, 3);
}
