/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See gaps.h. The last gaps are kept in a ring that control reads while it is written: an entry
 * that may have been overwritten meanwhile is left out by its number.
 */
#include "gaps.h"

void
gap_note(struct tw_dp_lcore *lc, uint64_t now_tsc, uint64_t took_tsc, uint64_t excess_tsc)
{
	const uint64_t no = tw_ctr_get(&lc->ctr[TW_DP_CTR_GAPS]);
	const int64_t len_ns = tw_clock_tsc_to_ns(&lc->clock[0], (int64_t)excess_tsc);
	struct gap *g = &lc->gap[no % GAP_KEPT];

	if (len_ns <= 0)
		return; /* no model yet */
	atomic_store_explicit(&g->len_ns, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&g->begin_tsc, now_tsc - took_tsc, memory_order_relaxed);
	atomic_store_explicit(&g->end_tsc, now_tsc, memory_order_relaxed);
	atomic_store_explicit(&g->no, no, memory_order_relaxed);
	atomic_store_explicit(&g->len_ns, (uint64_t)len_ns, memory_order_release);
	count(lc, TW_DP_CTR_GAPS, 1);
	tw_ctr_add(&lc->gap_total_ns, (uint64_t)len_ns);
	if ((uint64_t)len_ns > tw_ctr_get(&lc->gap_longest_ns))
		tw_ctr_add(&lc->gap_longest_ns, (uint64_t)len_ns - tw_ctr_get(&lc->gap_longest_ns));
}

void
gap_begin(const struct tw_dp_lcore *lc, struct dp_sender *sn)
{
	sn->gaps_seen = tw_ctr_get(&lc->ctr[TW_DP_CTR_GAPS]);
	sn->gap_ns_seen = tw_ctr_get(&lc->gap_total_ns);
	sn->gaps = (struct tw_metrics_gaps){0};
}

void
gap_take(struct tw_dp_lcore *lc, struct dp_sender *sn, struct tw_metrics_interval *iv)
{
	const uint64_t now = tw_ctr_get(&lc->ctr[TW_DP_CTR_GAPS]);
	const uint64_t total_ns = tw_ctr_get(&lc->gap_total_ns);
	const uint64_t first = now - RTE_MIN(now - sn->gaps_seen, (uint64_t)GAP_KEPT);

	iv->gaps = (struct tw_metrics_gaps){
		.cnt = now - sn->gaps_seen, .total_ns = total_ns - sn->gap_ns_seen};
	for (uint64_t i = first; i < now; i++) {
		const uint64_t len_ns =
			atomic_load_explicit(&lc->gap[i % GAP_KEPT].len_ns, memory_order_relaxed);

		iv->gaps.longest_ns = RTE_MAX(iv->gaps.longest_ns, len_ns);
	}
	sn->gaps_seen = now;
	sn->gap_ns_seen = total_ns;
	sn->gaps.cnt += iv->gaps.cnt;
	sn->gaps.total_ns += iv->gaps.total_ns;
	sn->gaps.longest_ns = RTE_MAX(sn->gaps.longest_ns, iv->gaps.longest_ns);
	iv->gaps_so_far = sn->gaps;
}

unsigned
tw_dp_gaps_get(const struct tw_dp *dp, unsigned lcore_idx, uint64_t *next, struct tw_dp_gap *out,
	unsigned n)
{
	const struct tw_dp_lcore *lc = dp->lc[lcore_idx];
	const uint64_t now = tw_ctr_get(&lc->ctr[TW_DP_CTR_GAPS]);
	unsigned got = 0;

	if (now - *next > GAP_KEPT)
		*next = now - GAP_KEPT;
	for (; *next < now && got < n; (*next)++) {
		const struct gap *g = &lc->gap[*next % GAP_KEPT];
		const uint64_t len_ns = atomic_load_explicit(&g->len_ns, memory_order_acquire);
		const uint64_t begin_tsc =
			atomic_load_explicit(&g->begin_tsc, memory_order_relaxed);
		const uint64_t end_tsc = atomic_load_explicit(&g->end_tsc, memory_order_relaxed);
		const uint64_t no = atomic_load_explicit(&g->no, memory_order_relaxed);

		atomic_thread_fence(memory_order_acquire);
		if (no != *next || len_ns == 0 ||
			len_ns != atomic_load_explicit(&g->len_ns, memory_order_relaxed))
			continue;
		out[got++] = (struct tw_dp_gap){
			.begin_tsc = begin_tsc, .end_tsc = end_tsc, .len_ns = len_ns};
	}
	return got;
}
