/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Gaps, as they are noted, and the spinner. */
#include "gaps.h"

#include <stdlib.h>

#include <rte_cycles.h>

#define PAGE_SIZE_MIN 4096

struct tw_gaps *
tw_gaps_new(uint64_t tsc_hz)
{
	struct tw_gaps *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	/* touched, so that the lcore takes no page fault; compilers make calloc() of a memset() */
	for (size_t at = 0; at < sizeof(*g); at += PAGE_SIZE_MIN)
		((volatile uint8_t *)g)[at] = 0;
	g->limit_tsc = TW_GAPS_NS * tsc_hz / NS_PER_S;
	g->cost_max_tsc = TW_GAPS_COST_MAX * tsc_hz / NS_PER_S;
	g->last_tsc = rte_rdtsc();
	return g;
}

void
tw_gaps_note(struct tw_gaps *g, uint64_t begin_tsc, uint64_t end_tsc, uint64_t lost_tsc)
{
	const uint64_t cnt = atomic_load_explicit(&g->cnt, memory_order_relaxed);
	const uint64_t lost = atomic_load_explicit(&g->lost_tsc, memory_order_relaxed);

	g->gap[cnt % TW_GAPS_KEPT] = (struct tw_gap){begin_tsc, end_tsc, lost_tsc};
	atomic_store_explicit(&g->lost_tsc, lost + lost_tsc, memory_order_relaxed);
	atomic_store_explicit(&g->cnt, cnt + 1, memory_order_release);
}

void
tw_spinner_run(struct tw_spinner *s, uint64_t limit_tsc)
{
	const uint64_t begin_tsc = rte_rdtsc();
	const uint64_t spin_tsc = atomic_load_explicit(&s->ask_tsc, memory_order_relaxed);
	uint64_t last_tsc = begin_tsc, now_tsc, lost_tsc = 0, cnt = 0;

	do {
		now_tsc = rte_rdtsc();
		if (now_tsc - last_tsc > limit_tsc) {
			lost_tsc += now_tsc - last_tsc;
			cnt++;
		}
		last_tsc = now_tsc;
	} while (now_tsc - begin_tsc < spin_tsc);
	s->spun_tsc = now_tsc - begin_tsc;
	s->lost_tsc = lost_tsc;
	s->gap_cnt = cnt;
	atomic_store_explicit(&s->ask_tsc, 0, memory_order_release);
}
