/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * States as control moves them, names of the tables, copies of the counters.
 */
#include <criterion/criterion.h>

#include "sess_check.h"

Test(lifecycle, reflector_goes_the_way_of_the_table)
{
	struct tw_refl_sess sess;
	const struct tw_refl_cfg cfg = {.fmt = &tw_tst_open};

	check_init();
	cr_assert_eq(tw_refl_sess_init(&sess, &cfg), 0);
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_RESERVED);
	tw_refl_sess_drain(&sess, (tw_ns){5}); /* Stop without Start changes nothing */
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_RESERVED);
	tw_refl_sess_start(&sess);
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_RUNNING);
	tw_refl_sess_drain(&sess, (tw_ns){7});
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_DRAINING);
	cr_assert_eq(atomic_load(&sess.s.deadline_ns), 7);
	tw_refl_sess_drain(&sess, (tw_ns){9});
	cr_assert_eq(atomic_load(&sess.s.deadline_ns), 9);
	tw_refl_sess_start(&sess); /* no way back */
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_DRAINING);
	tw_refl_sess_end(&sess);
	tw_refl_sess_start(&sess);
	tw_refl_sess_drain(&sess, (tw_ns){11});
	cr_assert_eq(tw_sess_state_get(&sess.s), TW_SESS_ENDED);
}

Test(lifecycle, names_cover_the_tables)
{
	for (unsigned i = 1; i < TW_SESS_N; i++)
		cr_assert_str_neq(tw_sess_state_name(i), "?");
	for (unsigned i = 1; i < TW_REFL_DROP_N; i++)
		cr_assert_str_neq(tw_refl_drop_name(i), "?");
	for (unsigned i = 1; i < TW_SEND_DROP_N; i++)
		cr_assert_str_neq(tw_send_drop_name(i), "?");
	cr_assert_str_eq(tw_sess_state_name(0), "?");
	cr_assert_str_eq(tw_sess_state_name(TW_SESS_N), "?");
	cr_assert_str_eq(tw_refl_drop_name(TW_REFL_DROP_N), "?");
	cr_assert_str_eq(tw_send_drop_name(0), "?");
	cr_assert_str_eq(tw_refl_drop_name(TW_REFL_DROP_AFTER_TIMEOUT), "after_timeout");
	cr_assert_str_eq(tw_send_drop_name(TW_SEND_DROP_STALE), "stale");
}

Test(lifecycle, counts_add_up)
{
	struct tw_refl_sess *refl;
	struct tw_send_sess *snd;
	struct tw_refl_counts rc;
	struct tw_send_counts sc;

	check_init();
	refl = check_refl(&tw_tst_open, 1);
	tw_ctr_add(&refl->drops[TW_REFL_DROP_SHORT], 2);
	tw_ctr_add(&refl->drops[TW_REFL_DROP_TX_REFUSED], 3);
	tw_ctr_add(&refl->reflected, 10);
	tw_refl_sess_counts(refl, &rc);
	cr_assert_eq(rc.dropped, 5);
	cr_assert_eq(rc.drops[TW_REFL_DROP_TX_REFUSED], 3);
	cr_assert_eq(rc.reflected, 10);
	snd = check_send(&(struct tw_send_cfg){
		.fmt = &tw_tst_open, .law = TW_SEND_PERIODIC, .size = 14, .interval_ns = 1000});
	tw_ctr_add(&snd->skipped, 4);
	atomic_store(&snd->next_seq, 6);
	tw_ctr_add(&snd->drops[TW_SEND_DROP_SEQ_AHEAD], 1);
	tw_ctr_add(&snd->drops[TW_SEND_DROP_AUTH_FAILED], 1);
	tw_send_sess_counts(snd, &sc);
	cr_assert_eq(sc.scheduled, 10);
	cr_assert_eq(sc.sent, 6);
	cr_assert_eq(sc.invalid, 2);
	cr_assert_eq(sc.state, TW_SESS_RESERVED);
}
