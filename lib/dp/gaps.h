/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Gaps: time in which an lcore did not run though it should have - the hypervisor or the kernel
 * gave its CPU to somebody else. A turn is a gap if it takes GAP_NS longer than turns with as much
 * work usually do; the excess is the gap's length. Time the lcore slept of its own will is none.
 */
#ifndef GAPS_H
#define GAPS_H

#include "dp_i.h"

#define GAP_LEARN 64 /* so slowly does what is usual follow */

/** A turn took so long, and so much longer than usual. Slow path of gap_watch(). */
void gap_note(struct tw_dp_lcore *lc, uint64_t now_tsc, uint64_t took_tsc, uint64_t excess_tsc);

/** What of this lcore's gaps fell on a session since the last call; and since its start. */
void gap_take(struct tw_dp_lcore *lc, struct dp_sender *sn, struct tw_metrics_interval *iv);

/** The session begins: earlier gaps are none of its own. */
void gap_begin(const struct tw_dp_lcore *lc, struct dp_sender *sn);

/* At the begin of a turn: was the last one, up to now, longer than its work explains? */
static inline void
gap_watch(struct tw_dp_lcore *lc, uint64_t now_tsc)
{
	struct est *usual = &lc->est_turn[lc->turn_class];
	const uint64_t took_tsc = now_tsc - lc->turn_tsc;

	lc->turn_tsc = now_tsc;
	if (unlikely(took_tsc > 2 * usual->mean_tsc + lc->gap_tsc))
		gap_note(lc, now_tsc, took_tsc, took_tsc - usual->mean_tsc);
	if (lc->turn_class == 0)
		return; /* what finds nothing to do takes no time worth learning */
	/* equal steps up and down settle at the median, whatever gaps there are */
	if (took_tsc > usual->mean_tsc)
		usual->mean_tsc += usual->mean_tsc / GAP_LEARN + 1;
	else
		usual->mean_tsc -= usual->mean_tsc / GAP_LEARN;
}

/* At the end of a turn: how much it had to do. Upkeep is a kind of its own. */
static inline void
gap_classify(struct tw_dp_lcore *lc, unsigned work)
{
	if (lc->has_upkeep)
		lc->turn_class = TURN_CLASSES - 1;
	else
		lc->turn_class =
			work != 0 ? (uint8_t)RTE_MIN(est_class(work) + 1, TURN_CLASSES - 2U) : 0;
	lc->has_upkeep = false;
}

#endif /* GAPS_H */
