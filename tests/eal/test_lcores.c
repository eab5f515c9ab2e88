/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Two lcores: where a device delivers a flow to the wrong one, the frame moves with its arrival
 * time, and nothing is lost uncounted on the way.
 */
#include <criterion/criterion.h>

#include <rte_cycles.h>

#include "bed.h"

static struct tw_refl_sess *
session_of(struct bed *b, struct flow *f, unsigned owner)
{
	for (uint32_t id = 0; id < 8; id++) {
		struct tw_refl_sess *s;

		*f = flow_make(FRAME_V4, id);
		s = bed_refl(b, f, &tw_tst_auth, id);
		if (s->s.owner_idx == owner)
			return s;
	}
	cr_assert_fail("no session for lcore %u", owner);
	return NULL;
}

static unsigned
queue_of(struct bed *b, unsigned lcore)
{
	return tw_dp_port_lcore(b->dp, 0, 0) == (int)lcore ? 0 : 1;
}

Test(lcores, share_sessions_and_queues)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2});
	unsigned cnt[2] = {0};

	cr_assert_neq(tw_dp_port_lcore(b->dp, 0, 0), tw_dp_port_lcore(b->dp, 0, 1));
	for (uint32_t id = 0; id < 10; id++) {
		const struct flow f = flow_make(FRAME_V6, id);

		cnt[bed_refl(b, &f, &tw_tst_open, id)->s.owner_idx]++;
	}
	cr_assert_eq(cnt[0], 5);
	cr_assert_eq(cnt[1], 5);
	bed_free(b);
}

Test(lcores, hand_over_with_the_time_of_arrival)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2});
	struct flow f;
	struct tw_refl_sess *s = session_of(b, &f, 1);
	struct tw_tst_rep rep;
	struct rte_mbuf *m;
	int64_t t2_ns;
	unsigned len;

	bed_put_at(b, 0, queue_of(b, 0), bed_request(b, &f, s, 5, 112));
	cr_assert_gt(tw_dp_turn(tw_dp_lcore_at(b->dp, 0)), 0);
	t2_ns = bed_now(b).ns;
	cr_assert_null(bed_take(b, 0, queue_of(b, 1)));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_HANDOVER_OUT), 1);
	rte_delay_us_sleep(5000);
	cr_assert_gt(tw_dp_turn(tw_dp_lcore_at(b->dp, 1)), 0);
	m = bed_take(b, 0, queue_of(b, 1));
	cr_assert_not_null(m);
	len = frame_check(m, &f, 46 << 2);
	cr_assert(check_open_rep(b->ref, s->s.fmt, &s->tkey, frame_payload(m, &f), len, &rep));
	cr_assert_leq(tw_clock_ntp_to_ns(rep.t2, bed_now(b)).ns, t2_ns);
	cr_assert_geq(tw_clock_ntp_sub_ns(rep.t3, rep.t2), 5000000);
	rte_pktmbuf_free(m);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_HANDOVER_IN), 1);
	bed_free(b);
}

Test(lcores, count_what_a_full_hand_over_ring_loses)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2});
	struct flow f;
	struct tw_refl_sess *s = session_of(b, &f, 0);

	for (unsigned i = 0; i < 20; i++)
		bed_put_at(b, 0, queue_of(b, 1), bed_request(b, &f, s, i, 48));
	tw_dp_turn(tw_dp_lcore_at(b->dp, 1));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_HANDOVER_OUT), 15);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_HANDOVER_FULL), 5);
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 15);
	bed_free(b);
}

Test(lcores, do_not_answer_for_a_session_that_went_on_the_way)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2});
	struct flow f;
	struct tw_refl_sess *s = session_of(b, &f, 1);

	bed_put_at(b, 0, queue_of(b, 0), bed_request(b, &f, s, 0, 48));
	tw_dp_turn(tw_dp_lcore_at(b->dp, 0));
	tw_dp_refl_retire(b->dp, s, NULL, NULL);
	bed_turns(b, 3);
	cr_assert_null(bed_take(b, 0, queue_of(b, 1)));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_IGNORED), 1);
	bed_free(b);
}

Test(lcores, drop_frames_of_a_port_that_went)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2, .port_cnt = 2});
	struct flow f;
	struct tw_refl_sess *s = session_of(b, &f, 1);

	bed_put_at(b, 0, queue_of(b, 0), bed_request(b, &f, s, 0, 48));
	tw_dp_turn(tw_dp_lcore_at(b->dp, 0));
	cr_assert_eq(tw_dp_port_del(b->dp, 0), 0);
	/* it has let go, but the frame is still on its way */
	cr_assert_not(tw_dp_port_is_gone(b->dp, 0));
	bed_turns(b, 3);
	cr_assert(tw_dp_port_is_gone(b->dp, 0));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_PORT_GONE), 1);
	cr_assert_eq(tw_dp_port_add(b->dp, b->port[0]), 0);
	bed_turns(b, 1);
	bed_free(b);
}
