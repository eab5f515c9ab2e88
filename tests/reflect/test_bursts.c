/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A burst does what its packets would do one by one: random mixtures of sessions, modes, sizes and
 * faults, of every burst size, against a second lcore that gets them singly.
 */
#include <criterion/criterion.h>

#include "refl_check.h"

#define SESSIONS 7

struct side {
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess[SESSIONS];
};

static void
side_init(struct side *s, const char *engine)
{
	s->lc = check_lcore(engine);
	for (unsigned i = 0; i < SESSIONS; i++)
		s->sess[i] = check_refl(check_fmts[i % CHECK_FMTS], i);
	tw_refl_sess_drain(s->sess[5], (tw_ns){CHECK_T0_NS - 1});
	tw_refl_sess_end(s->sess[6]);
}

/* A request with some fault, or none. */
static void
random_job(struct check_refl_lcore *lc, unsigned i, struct tw_refl_sess *sess, uint64_t *seed)
{
	size_t len = check_rand(seed) % 300;
	uint64_t fault = check_rand(seed) % 8;

	check_job(lc, i, sess, (uint32_t)check_rand(seed), len);
	if (fault == 0)
		lc->buf[i][check_rand(seed) % 48] ^= (uint8_t)(1 + check_rand(seed) % 255);
	else if (fault == 1)
		lc->jobs[i].room = (uint16_t)(len + check_rand(seed) % 40);
	else if (fault == 2)
		lc->jobs[i].rx_len = (uint16_t)(check_rand(seed) % 60);
	memcpy(lc->sent[i], lc->buf[i], CHECK_ROOM);
}

static void
compare_one(struct side *a, unsigned i, struct side *b)
{
	const struct tw_reflect_job *x = &a->lc->jobs[i], *y = &b->lc->jobs[0];

	cr_assert_eq(x->drop, y->drop, "job %u: %s or %s", i, tw_refl_drop_name(x->drop),
		tw_refl_drop_name(y->drop));
	cr_assert_arr_eq(x->payload, y->payload, CHECK_ROOM);
	if (x->drop == TW_REFL_OK)
		cr_assert_eq(x->rep_len, y->rep_len);
}

static void
compare(struct side *a, struct side *b, uint64_t seed)
{
	for (unsigned n = 1; n <= TW_BURST_MAX; n++) {
		unsigned who[TW_BURST_MAX];

		for (unsigned i = 0; i < n; i++) {
			who[i] = (unsigned)(check_rand(&seed) % SESSIONS);
			random_job(a->lc, i, a->sess[who[i]], &seed);
		}
		check_run(a->lc, n, 0);
		for (unsigned i = 0; i < n; i++) {
			memcpy(b->lc->buf[0], a->lc->sent[i], CHECK_ROOM);
			b->lc->jobs[0] = a->lc->jobs[i];
			b->lc->jobs[0].sess = b->sess[who[i]];
			b->lc->jobs[0].payload = b->lc->buf[0];
			check_run(b->lc, 1, 0);
			compare_one(a, i, b);
		}
	}
}

Test(bursts, do_what_single_packets_do, .timeout = 60)
{
	struct side a, b;

	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		side_init(&a, check_engines[e]);
		side_init(&b, check_engines[CHECK_ENGINES - 1 - e]);
		for (uint64_t seed = 1; seed <= 4; seed++)
			compare(&a, &b, seed);
		for (unsigned i = 0; i < SESSIONS; i++) {
			struct tw_refl_counts x, y;

			tw_refl_sess_counts(a.sess[i], &x);
			tw_refl_sess_counts(b.sess[i], &y);
			cr_assert_eq(memcmp(&x, &y, sizeof(x)), 0, "session %u", i);
			cr_assert(i >= 5 || x.reflected > 0);
		}
		check_lcore_free(a.lc);
		check_lcore_free(b.lc);
	}
}

/* Open sessions need no engine at all. */
Test(bursts, of_open_sessions_need_no_engine)
{
	struct check_refl_lcore *lc;
	struct tw_refl_sess *sess;

	check_init();
	lc = check_lcore("openssl");
	sess = check_refl(&tw_tst_open, 1);
	tw_reflect_init(&lc->rf, NULL);
	for (unsigned i = 0; i < TW_BURST_MAX; i++)
		check_job(lc, i, sess, i, 41);
	cr_assert_eq(check_run(lc, TW_BURST_MAX, 0), TW_BURST_MAX);
	for (unsigned i = 0; i < TW_BURST_MAX; i++)
		check_reply(lc, i, i);
}
