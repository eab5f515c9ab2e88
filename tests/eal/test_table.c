/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Sessions come and go while others run: limits, duplicates, scopes, and memory that is freed
 * only when no lcore can hold it.
 */
#include <criterion/criterion.h>

#include "bed.h"

static void
on_retired(void *arg)
{
	(*(unsigned *)arg)++;
}

Test(table, frees_only_after_every_lcore_has_moved_on)
{
	struct bed *b = bed_new(&(struct bed_cfg){.lcore_cnt = 2, .queue_cnt = 2});
	const struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 1);
	uint32_t live, retiring;
	unsigned gone = 0;

	tw_dp_refl_retire(b->dp, s, on_retired, &gone);
	tw_dp_poll(b->dp);
	tw_dp_turn(tw_dp_lcore_at(b->dp, 0));
	tw_dp_poll(b->dp);
	cr_assert_eq(gone, 0);
	tw_dp_refl_cnt(b->dp, &live, &retiring);
	cr_assert(live == 0 && retiring == 1);
	/* an lcore that sleeps holds nothing */
	tw_dp_offline(tw_dp_lcore_at(b->dp, 1));
	tw_dp_poll(b->dp);
	cr_assert_eq(gone, 1);
	tw_dp_online(tw_dp_lcore_at(b->dp, 1));
	/* wiped */
	for (unsigned i = 0; i < sizeof(*s); i++)
		cr_assert_eq(((const uint8_t *)s)[i], 0);
	bed_free(b);
}

Test(table, refuses_a_second_session_with_the_same_key)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V6, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 1), *t;

	t = tw_dp_refl_new(b->dp);
	cr_assert_not_null(t);
	cr_assert_eq(tw_refl_sess_init(
			     t, &(struct tw_refl_cfg){.key = flow_key(&f), .fmt = &tw_tst_open}),
		0);
	cr_assert_eq(tw_dp_refl_publish(b->dp, t, &f.scope), -EEXIST);
	tw_dp_refl_retire(b->dp, s, NULL, NULL);
	cr_assert_eq(tw_dp_refl_publish(b->dp, t, &f.scope), 0);
	cr_assert_eq(tw_dp_refl_publish(b->dp, t, &f.scope), -EINVAL);
	bed_free(b);
}

Test(table, ends_at_its_limit_and_goes_on_below_it)
{
	struct bed *b = bed_new(&(struct bed_cfg){.refl_max = 10});
	struct tw_refl_sess *s[10];

	for (unsigned round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 10; i++) {
			const struct flow f = flow_make(FRAME_V4, round * 10 + i);

			s[i] = bed_refl(b, &f, &tw_tst_open, i);
		}
		cr_assert_null(tw_dp_refl_new(b->dp));
		for (unsigned i = 0; i < 10; i++)
			tw_dp_refl_retire(b->dp, s[i], NULL, NULL);
		bed_turns(b, 2);
	}
	bed_free(b);
}

/* One flow that never pauses; hundreds of others that come, are used, and go. */
Test(table, changes_disturb_no_running_session)
{
	struct bed *b = bed_new(&(struct bed_cfg){.refl_max = 512});
	const struct flow f = flow_make(FRAME_V4, 0);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 0);
	struct tw_refl_sess *other[256] = {NULL};
	uint64_t rnd = 1;
	uint32_t seq = 0;

	for (unsigned step = 0; step < 3000; step++) {
		const unsigned i = (unsigned)(check_rand(&rnd) % 256);
		const struct flow g = flow_make(FRAME_V6, 1 + i);
		struct rte_mbuf *m;

		if (other[i] == NULL) {
			other[i] = bed_refl(b, &g, &tw_tst_open, 1 + i);
		} else {
			bed_put(b, bed_request(b, &g, other[i], step, 41));
			tw_dp_refl_retire(b->dp, other[i], NULL, NULL);
			other[i] = NULL;
		}
		bed_put(b, bed_request(b, &f, s, step, 48));
		bed_turns(b, 1);
		while ((m = bed_take(b, 0, 0)) != NULL) {
			seq += rte_pktmbuf_mtod(m, uint8_t *)[13] == 0;
			rte_pktmbuf_free(m);
		}
	}
	cr_assert_eq(seq, 3000, "%u of 3000", seq);
	cr_assert_eq(tw_ctr_get(&s->reflected), 3000);
	bed_free(b);
}

Test(table, tells_ports_and_tags_apart)
{
	struct bed *b = bed_new(&(struct bed_cfg){.port_cnt = 2});
	struct flow f = flow_make(FRAME_VLAN, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 1);
	struct flow g = f;

	g.scope.vid[0]++;
	bed_put(b, bed_request(b, &g, s, 0, 41));
	bed_put_at(b, 1, 0, bed_request(b, &f, s, 0, 41));
	g.scope.vlan_cnt = 0;
	bed_put(b, bed_request(b, &g, s, 0, 41));
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_IGNORED), 3);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 0);
	bed_put(b, bed_request(b, &f, s, 0, 41));
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 1);
	bed_free(b);
}

Test(table, publishes_on_known_ports_only)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s = tw_dp_refl_new(b->dp);

	f.scope.port_idx = 9;
	cr_assert_eq(tw_dp_owner_pick(b->dp, 9), -ENOENT);
	cr_assert_eq(tw_refl_sess_init(
			     s, &(struct tw_refl_cfg){.key = flow_key(&f), .fmt = &tw_tst_open}),
		0);
	cr_assert_eq(tw_dp_refl_publish(b->dp, s, &f.scope), -ENOENT);
	cr_assert_eq(tw_dp_port_add(b->dp, b->port[0]), -EEXIST);
	cr_assert_eq(tw_dp_port_del(b->dp, 3), -ENOENT);
	bed_free(b);
}
