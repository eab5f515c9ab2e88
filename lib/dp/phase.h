/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where the cycles of a turn go, for who works on it: with -DTW_DP_PHASES each phase adds what it
 * took to its counter (twampline-bench prints them), which itself costs some 25 cycles a phase and
 * burst. Without, nothing is there.
 */
#ifndef DP_PHASE_H
#define DP_PHASE_H

enum phase {
	PHASE_TURN, /* all between the others: commands, schedule, housekeeping */
	PHASE_RX,
	PHASE_PARSE,
	PHASE_LOOKUP,
	PHASE_CKSUM,
	PHASE_VERIFY,
	PHASE_BUILD,
	PHASE_PROTECT,
	PHASE_HEADERS,
	PHASE_STAMP,
	PHASE_TX,
	PHASE_FINISH,
	PHASE_PAIRS,
	PHASE_N
};

#ifdef TW_DP_PHASES
struct phases {
	uint64_t last_tsc;
	uint64_t sum_tsc[PHASE_N];
};
#define phase_begin(lc, tsc) ((lc)->phases.last_tsc = (tsc))
#define phase_end(lc, p)                                                                           \
	do {                                                                                       \
		const uint64_t now_tsc_ = rte_rdtsc();                                             \
		(lc)->phases.sum_tsc[p] += now_tsc_ - (lc)->phases.last_tsc;                       \
		(lc)->phases.last_tsc = now_tsc_;                                                  \
	} while (0)
#else
#define phase_begin(lc, tsc) ((void)0)
#define phase_end(lc, p)     ((void)0)
#endif

#endif /* DP_PHASE_H */
