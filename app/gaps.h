/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Gaps of one polling lcore: turns that took more than their own work by 5 us, because the
 * hypervisor or the scheduler gave the CPU to somebody else. Kept with their times, so that a
 * sample can be told apart; and what a bare spinner that only reads the clock sees on the same
 * core, for comparison.
 *
 * Who runs what: the lcore writes, except the request to spin; others read what was counted.
 */
#ifndef TW_GAPS_H
#define TW_GAPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TW_GAPS_NS       5000
#define TW_GAPS_KEPT     65536
#define TW_GAPS_COST_MAX 2000 /* ns of work a packet may take */

struct tw_gap {
	uint64_t begin_tsc, end_tsc;
};

struct tw_gaps {
	/* constant */
	uint64_t limit_tsc;
	uint64_t cost_max_tsc;

	/* w: lcore */
	uint64_t last_tsc;    /* end of the last turn */
	uint64_t cost_tsc;    /* of a packet, running median */
	_Atomic uint64_t cnt; /* the last TW_GAPS_KEPT are in gap[] */
	_Atomic uint64_t lost_tsc;

	/* spinner: w: control asks, lcore answers */
	_Atomic uint64_t spin_tsc; /* how long; 0: none asked for, or done */
	uint64_t spun_tsc;         /* valid when spin_tsc is 0 again */
	uint64_t spin_lost_tsc;
	uint64_t spin_cnt;

	struct tw_gap gap[TW_GAPS_KEPT];
};

/** @return NULL if out of memory. @p tsc_hz  measured rate of the counter */
struct tw_gaps *tw_gaps_new(uint64_t tsc_hz);

/** A gap was found. Context: the lcore. */
void tw_gaps_note(struct tw_gaps *g, uint64_t begin_tsc, uint64_t end_tsc);

/** Spin for what was asked. Context: the lcore. */
void tw_gaps_spin(struct tw_gaps *g);

/** A turn with @p work packets ended at @p end_tsc. Context: the lcore, every turn. */
static inline void
tw_gaps_turn(struct tw_gaps *g, uint64_t end_tsc, unsigned work)
{
	const uint64_t took_tsc = end_tsc - g->last_tsc;

	if (__builtin_expect(took_tsc > g->limit_tsc + work * g->cost_tsc, 0)) {
		tw_gaps_note(g, g->last_tsc, end_tsc);
	} else if (work > 0) {
		/* up and down by equal steps: it settles at the median */
		if (took_tsc > work * g->cost_tsc && g->cost_tsc < g->cost_max_tsc)
			g->cost_tsc += g->cost_tsc / 64 + 1;
		else
			g->cost_tsc -= g->cost_tsc / 64;
	}
	g->last_tsc = end_tsc;
}

static inline bool
tw_gaps_is_spin_asked(const struct tw_gaps *g)
{
	return atomic_load_explicit(&g->spin_tsc, memory_order_acquire) != 0;
}

#endif /* TW_GAPS_H */
