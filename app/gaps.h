/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Gaps of a polling lcore, kept with their times, so that samples they touch can be told apart:
 * turns that took more than their own work by 5 us, because the hypervisor or the scheduler gave
 * the CPU to somebody else. And what a bare spinner that only reads the clock sees on the same
 * core, for comparison. Data lcores find their gaps themselves (lib/dp); the wire's are found here.
 *
 * Who runs what: one thread notes, others read what was counted. Of a spinner control asks, the
 * lcore answers.
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
	uint64_t begin_tsc, end_tsc; /* of the turn it fell into */
	uint64_t lost_tsc;           /* of that */
};

struct tw_gaps {
	/* constant */
	uint64_t limit_tsc;
	uint64_t cost_max_tsc;

	/* w: who notes */
	uint64_t last_tsc;    /* end of the last turn */
	uint64_t cost_tsc;    /* of a packet, running median */
	_Atomic uint64_t cnt; /* the last TW_GAPS_KEPT are in gap[] */
	_Atomic uint64_t lost_tsc;

	struct tw_gap gap[TW_GAPS_KEPT];
};

/* Zeroed memory is one that is not asked to spin. */
struct tw_spinner {
	_Atomic uint64_t ask_tsc; /* how long; 0: none asked for, or done */
	uint64_t spun_tsc;        /* valid when ask_tsc is 0 again */
	uint64_t lost_tsc;
	uint64_t gap_cnt;
};

/** @return NULL if out of memory. @p tsc_hz  measured rate of the counter */
struct tw_gaps *tw_gaps_new(uint64_t tsc_hz);

/** A gap was found in a turn. Context: who notes. */
void tw_gaps_note(struct tw_gaps *g, uint64_t begin_tsc, uint64_t end_tsc, uint64_t lost_tsc);

/** Spin for what was asked. Context: the lcore. @param limit_tsc  what counts as a gap */
void tw_spinner_run(struct tw_spinner *s, uint64_t limit_tsc);

/** A turn with @p work packets ended at @p end_tsc. Context: who notes, every turn. */
static inline void
tw_gaps_turn(struct tw_gaps *g, uint64_t end_tsc, unsigned work)
{
	const uint64_t took_tsc = end_tsc - g->last_tsc;

	if (__builtin_expect(took_tsc > g->limit_tsc + work * g->cost_tsc, 0)) {
		tw_gaps_note(g, g->last_tsc, end_tsc, took_tsc);
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
tw_spinner_is_asked(const struct tw_spinner *s)
{
	return atomic_load_explicit(&s->ask_tsc, memory_order_acquire) != 0;
}

#endif /* TW_GAPS_H */
