/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Reordering: jumps and what comes after them. */
#include <stddef.h>

#include "order.h"

static void
remember_jump(struct order *o, uint64_t seq, int64_t time_ns)
{
	o->jump[o->jump_cnt % ORDER_JUMPS] = (struct order_jump){
		.first = o->next_exp, .seq = seq, .arrival = o->arrivals, .time_ns = time_ns};
	o->jump_cnt++;
	o->next_exp = seq + 1;
}

/* The jump over @p seq, newest first; jumps do not overlap. */
static const struct order_jump *
jump_over(const struct order *o, uint64_t seq)
{
	uint64_t kept = o->jump_cnt < ORDER_JUMPS ? o->jump_cnt : ORDER_JUMPS;

	for (uint64_t i = 1; i <= kept; i++) {
		const struct order_jump *j = &o->jump[(o->jump_cnt - i) % ORDER_JUMPS];

		if (j->first <= seq)
			return seq < j->seq ? j : NULL;
	}
	return NULL;
}

/* How many arrivals right before this one had larger numbers; @p extent bounds it. */
static uint64_t
run_before(struct order *o, uint64_t seq, uint64_t extent)
{
	uint64_t kept = o->reordered < ORDER_BACKS ? o->reordered : ORDER_BACKS;
	uint64_t run = extent;

	for (uint64_t i = 1; i <= kept; i++) {
		const struct order_back *b = &o->back[(o->reordered - i) % ORDER_BACKS];

		run = o->arrivals - b->arrival;
		if (run >= extent)
			return extent;
		if (b->seq < seq)
			return run - 1;
	}
	if (kept < ORDER_BACKS)
		return extent;
	o->is_at_least = true;
	return run;
}

bool
tw_metrics_order_irregular(struct order *o, uint64_t seq, int64_t time_ns)
{
	const struct order_jump *j;
	uint64_t extent, run;

	if (seq > o->next_exp) {
		remember_jump(o, seq, time_ns);
		return false;
	}
	j = jump_over(o, seq);
	if (j == NULL) { /* older than what is remembered */
		o->is_at_least = true;
		if (o->jump_cnt == 0) {
			o->reordered++;
			return true;
		}
		j = &o->jump[o->jump_cnt < ORDER_JUMPS ? 0 : o->jump_cnt % ORDER_JUMPS];
	}
	extent = o->arrivals - j->arrival;
	if (extent > o->extent)
		o->extent = extent;
	run = run_before(o, seq, extent);
	o->tcp_n += run >= ORDER_TCP_N;
	if (run > o->n_max)
		o->n_max = run;
	o->back[o->reordered++ % ORDER_BACKS] =
		(struct order_back){.seq = seq, .arrival = o->arrivals};
	if (time_ns != ORDER_TIME_NONE && j->time_ns != ORDER_TIME_NONE &&
		time_ns - j->time_ns > o->late_ns)
		o->late_ns = time_ns - j->time_ns;
	return true;
}
