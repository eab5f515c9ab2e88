/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Windows follow their positions: parted when those drift apart, joined when they are near again,
 * and filled with what was earned.
 */
#include "pairs_i.h"

#define BEHIND 16 /* numbers that a window must keep behind its position, for late packets */

/* How far @p a is ahead of @p b. */
static int32_t
ahead(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/*
 * One window or two. The leading position keeps the window there is: it has the pairs that come
 * next. If the pool has no second one, the trailing position goes without.
 */
static void
arrange(struct tw_pairs *p, struct tw_pairs_lease *l)
{
	const int lead = ahead(l->next[TW_PAIRS_IN], l->next[TW_PAIRS_OUT]) >= 0 ? TW_PAIRS_IN
										 : TW_PAIRS_OUT;
	const int trail = TW_PAIRS_DIRS - 1 - lead;
	const int32_t gap = ahead(l->next[lead], l->next[trail]);
	const struct tw_pairs_window *w = &p->win[l->win[lead]];

	if (l->win[lead] == l->win[trail]) {
		if (gap > TW_PAIRS_NEAR && p->free_win_cnt > 0)
			l->win[trail] = pairs_win_take(p, l->next[trail]);
		return;
	}
	if (gap > TW_PAIRS_NEAR / 2 || !tw_pairs_covers(w, l->next[trail] - BEHIND))
		return;
	pairs_win_put(p, l->win[trail]);
	l->win[trail] = l->win[lead];
}

/* Pairs for numbers up to hi + n; a ring, so in one piece or two. */
static bool
compute(struct tw_engine *eng, const struct tw_crypto_tkey *key, struct tw_pairs_window *w,
	unsigned n)
{
	const unsigned at = w->hi % TW_PAIRS_WINDOW;
	const unsigned first = n < TW_PAIRS_WINDOW - at ? n : TW_PAIRS_WINDOW - at;
	const uint32_t end = w->hi + n;

	/* what is overwritten is gone first */
	if (end - w->lo > TW_PAIRS_WINDOW)
		w->lo = end - TW_PAIRS_WINDOW;
	if (!tw_engine_pairs(eng, key, w->hi, &w->pair[at], first) ||
		(n > first && !tw_engine_pairs(eng, key, w->hi + first, w->pair, n - first)))
		return false;
	w->hi = end;
	return true;
}

/* @return pairs computed, at most @p max */
static unsigned
fill(struct tw_engine *eng, const struct tw_crypto_tkey *key, struct tw_pairs_window *w,
	uint32_t next, unsigned max)
{
	unsigned n;

	/* the position left the window: begin again where it is */
	if (ahead(next, w->hi) > 0 || ahead(next, w->lo) < 0)
		w->lo = w->hi = next;
	n = next + TW_PAIRS_AHEAD - w->hi;
	if (n > TW_PAIRS_WINDOW)
		return 0; /* more than full: the other position leads */
	n = (n < max ? n : max) / TW_PAIRS_UNIT * TW_PAIRS_UNIT;
	if (n == 0)
		return 0;
	if (compute(eng, key, w, n))
		return n;
	w->lo = w->hi = next; /* an engine fault: trust nothing */
	return n;
}

/* @return pairs computed, at most @p max */
static unsigned
refill_lease(struct tw_pairs *p, struct tw_engine *eng, struct tw_pairs_lease *l,
	const struct tw_crypto_tkey *key, unsigned max)
{
	const uint32_t in = l->next[TW_PAIRS_IN], out = l->next[TW_PAIRS_OUT];
	const int lead = ahead(in, out) >= 0 ? TW_PAIRS_IN : TW_PAIRS_OUT;
	unsigned n = l->credit < max ? l->credit : max, done;

	arrange(p, l);
	done = fill(eng, key, &p->win[l->win[lead]], l->next[lead], n);
	if (l->win[TW_PAIRS_IN] != l->win[TW_PAIRS_OUT])
		done += fill(eng, key, &p->win[l->win[!lead]], l->next[!lead], n - done);
	l->credit = (uint16_t)(l->credit - done);
	pairs_aim(p, l);
	return done;
}

void
tw_pairs_refill(struct tw_pairs *p, struct tw_engine *eng)
{
	/* a packet uses up one pair, or two */
	unsigned left = 2 * p->packet_cnt + 2 * TW_PAIRS_UNIT, total = 0;

	for (unsigned i = 0; i < p->want_cnt; i++) {
		struct tw_pairs_lease *l = p->want[i].lease;

		l->is_wanted = false;
		l->used_ns = p->now_ns;
		if (left >= TW_PAIRS_UNIT) {
			const unsigned n = refill_lease(p, eng, l, p->want[i].key, left);

			left -= n;
			total += n;
		}
	}
	p->want_cnt = 0;
	p->packet_cnt = 0;
	if (total > 0)
		tw_ctr_add(&p->filled, total);
}
