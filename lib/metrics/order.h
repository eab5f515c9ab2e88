/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reordering of one stream by RFC 4737: the non-reversing NextExp rule on first copies, the
 * extent (4.2.1), the late time (4.2.3) and n-reordering (5.3). Fed with sequence numbers in order
 * of arrival.
 *
 * The earliest packet that arrived with a larger number than a reordered one is always a packet
 * that was in order itself, namely the one that jumped over the missing number. So only jumps
 * are remembered, the last 32 of them; a number skipped before has an extent "of at least".
 *
 * What arrives after that jump has a larger number, too, unless it was reordered itself: so n, the
 * packets right before with larger numbers, ends at the last reordered one with a lower number. Of
 * those, too, the last 32 are remembered.
 */
#ifndef METRICS_ORDER_H
#define METRICS_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#define ORDER_JUMPS 32U
#define ORDER_BACKS 32U
#define ORDER_TCP_N 3U /* n of interest to TCP: duplicate acknowledgements (RFC 4737 5.3) */

struct order_jump {
	uint64_t first;   /* first number jumped over ... */
	uint64_t seq;     /* ... by the arrival of this one ... */
	uint64_t arrival; /* ... as the so many-th packet ... */
	int64_t time_ns;  /* ... at this time */
};

/* An arrival that was reordered. */
struct order_back {
	uint64_t seq;
	uint64_t arrival;
};

struct order {
	uint64_t next_exp; /* RFC 4737 3.3 */
	uint64_t arrivals;
	uint64_t reordered;
	uint64_t extent;   /* largest */
	int64_t late_ns;   /* largest */
	uint64_t tcp_n;    /* packets that are ORDER_TCP_N-reordered */
	uint64_t n_max;    /* largest n for which a packet is n-reordered */
	uint64_t jump_cnt; /* in all */
	bool is_at_least;  /* some extent was larger than could be told */
	struct order_jump jump[ORDER_JUMPS];
	struct order_back back[ORDER_BACKS]; /* number `reordered` of them, in all */
};

/* Time of arrival not known. */
#define ORDER_TIME_NONE INT64_MIN

/**
 * The first copy of a packet arrived and order_is_next() said no: a jump, or reordered.
 * @return true if reordered
 */
bool tw_metrics_order_irregular(struct order *o, uint64_t seq, int64_t time_ns);

/* Counts an arrival; true if it is the one expected, else see tw_metrics_order_irregular(). */
static inline bool
order_is_next(struct order *o, uint64_t seq)
{
	o->arrivals++;
	if (__builtin_expect(seq != o->next_exp, 0))
		return false;
	o->next_exp++;
	return true;
}

#endif /* METRICS_ORDER_H */
