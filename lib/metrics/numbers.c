/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reflector sequence numbers (PROTOCOL.md 6.4, 6.5): which were seen, in a ring that also says
 * which packet each answered. A number leaves the ring in order, half a window behind the
 * highest: then the order in which packets reached the reflector is final as far as anybody will
 * ever know, and goes through the NextExp rule.
 *
 * All slots outside [r_ordered, r_ordered + window) are empty.
 */
#include "metrics_i.h"

static uint32_t *
rslot_of(struct tw_metrics *m, uint64_t r64)
{
	return &m->rslot[r64 & m->mask];
}

static bool
is_in_ring(const struct tw_metrics *m, uint64_t r64)
{
	return r64 >= m->r_ordered && r64 - m->r_ordered < m->window;
}

/* When a packet reached the reflector, if its slot still tells. */
static int64_t
forward_time(struct tw_metrics *m, uint64_t seq)
{
	const struct slot *slot = slot_of(m, seq);

	if (!is_in_window(m, seq) || !(slot->flags & SLOT_T2))
		return ORDER_TIME_NONE;
	return t1_time(slot->t1_ntp, m->epoch_since).ns + slot->forward_ns;
}

/* The packet that reached the reflector next. */
static void
order_forward(struct tw_metrics *m, uint32_t rslot)
{
	uint32_t back = ((uint32_t)m->next_seq - (rslot >> RSLOT_SHIFT)) & RSLOT_MASK;
	uint64_t seq = m->next_seq - back;

	if (rslot & RSLOT_DUP || order_is_next(&m->order_forward, seq))
		return;
	if (tw_metrics_order_irregular(&m->order_forward, seq, forward_time(m, seq)))
		tw_ctr_inc(&m->ctr.reordered_forward);
}

/* Numbers that nothing but the next packet in order answers, at most @p max. @return how many */
static unsigned
order_run(struct tw_metrics *m, unsigned max)
{
	struct order *o = &m->order_forward;
	const uint32_t one = 1U << RSLOT_SHIFT;
	uint32_t next = (uint32_t)o->next_exp << RSLOT_SHIFT | RSLOT_SEEN;
	unsigned n = 0;

	if (m->next_seq - o->next_exp > m->window) /* low bits would not tell */
		return 0;
	for (; n < max; n++, next += one) {
		uint32_t *rslot = rslot_of(m, m->r_ordered + n);

		if (*rslot != next)
			break;
		*rslot = 0;
	}
	o->arrivals += n;
	o->next_exp += n;
	m->r_ordered += n;
	return n;
}

/* What comes next is far back, and in no cache. */
static void
fetch_rslots(struct tw_metrics *m)
{
	for (unsigned i = 0; i < 2 * FETCH_AHEAD; i += TW_CACHE_LINE / sizeof(*m->rslot))
		__builtin_prefetch(rslot_of(m, m->r_ordered + i), 1);
}

bool
tw_metrics_r_order(struct tw_metrics *m, uint64_t target, unsigned budget)
{
	const uint64_t seen = m->has_r && m->r_max < target ? m->r_max + 1 : target;

	if (m->has_r && m->r_ordered < seen)
		budget -= order_run(
			m, seen - m->r_ordered < budget ? (unsigned)(seen - m->r_ordered) : budget);
	fetch_rslots(m);
	while (m->r_ordered < target) {
		uint32_t *rslot = rslot_of(m, m->r_ordered);

		if (!m->has_r || m->r_ordered > m->r_max) {
			m->r_ordered = target; /* nothing above was seen */
			break;
		}
		if (budget-- == 0)
			return false;
		if (*rslot != 0) {
			order_forward(m, *rslot);
			*rslot = 0;
		}
		m->r_ordered++;
	}
	return true;
}

/* The first number seen: where the ring starts. */
static uint64_t
start_ring(struct tw_metrics *m, uint32_t r, uint64_t seq, tw_ns t1)
{
	uint64_t r64 = R_BIAS + r;

	m->r_ordered = r > m->window / 4 ? r64 - m->window / 4 : R_BIAS;
	m->order_reverse.next_exp = m->r_ordered;
	m->r_max = r64;
	m->r_min = r64;
	m->r_min_t1 = t1;
	m->r_min_seq = seq;
	m->has_r = true;
	return r64;
}

/* A new highest number: make room for it, and settle the tail of unanswered packets. */
static void
raise_max(struct tw_metrics *m, uint64_t r64)
{
	if (r64 - m->r_ordered > m->window / 2)
		tw_metrics_r_order(m, r64 - m->window / 2, ORDER_BUDGET);
	m->r_max = r64;
	if (m->out_tail != 0 && m->out_tail_t1.ns <= tail_begin(m).ns)
		m->out_tail = 0;
}

enum r_verdict
tw_metrics_r_note(struct tw_metrics *m, uint32_t r, uint64_t seq, tw_ns t1, uint64_t *r64)
{
	uint32_t *rslot;
	bool is_highest = true;

	if (r != (uint32_t)seq)
		m->is_r_differing = true;
	if (!m->has_r) {
		*r64 = start_ring(m, r, seq, t1);
	} else {
		*r64 = m->r_max + (uint64_t)(int64_t)(int32_t)(r - (uint32_t)m->r_max);
		is_highest = *r64 > m->r_max;
		if (is_highest)
			raise_max(m, *r64);
	}
	if (!is_in_ring(m, *r64)) {
		tw_ctr_inc(&m->ctr.r_unplaced);
		return is_highest ? R_NEW : R_UNKNOWN;
	}
	__builtin_prefetch(rslot_of(m, *r64 + FETCH_AHEAD), 1);
	rslot = rslot_of(m, *r64);
	if (*rslot != 0)
		return R_SEEN;
	*rslot = ((uint32_t)seq & RSLOT_MASK) << RSLOT_SHIFT | RSLOT_SEEN;
	return R_NEW;
}

bool
tw_metrics_r_note_run(struct tw_metrics *m, uint64_t seq, unsigned n)
{
	const uint64_t first = m->r_max + 1, last = m->r_max + n;

	if (last - m->r_ordered > m->window / 2 &&
		!tw_metrics_r_order(m, last - m->window / 2, ORDER_BUDGET))
		return false;
	for (unsigned k = 0; k < n; k++) {
		uint32_t *rslot = rslot_of(m, first + k);

		*rslot = ((uint32_t)(seq + k) & RSLOT_MASK) << RSLOT_SHIFT | RSLOT_SEEN;
	}
	__builtin_prefetch(rslot_of(m, last + FETCH_AHEAD), 1);
	m->r_max = last;
	return true;
}

void
tw_metrics_r_mark_copied(struct tw_metrics *m, uint64_t r64)
{
	uint32_t *rslot = rslot_of(m, r64);

	if (*rslot & RSLOT_COPIED)
		return;
	*rslot |= RSLOT_COPIED;
	tw_ctr_inc(&m->ctr.replicated_reverse);
}

/*
 * The lower number stands for the packet in the order of the reflector, the other is a copy. A
 * stateless reflector gives both the same.
 */
void
tw_metrics_r_mark_dup(struct tw_metrics *m, uint64_t r64, struct slot *slot)
{
	uint64_t other = r64 + (uint64_t)(int64_t)(int32_t)(slot->r - (uint32_t)r64);
	uint64_t low = other < r64 ? other : r64;
	uint64_t high = other < r64 ? r64 : other;
	uint32_t known = 0;

	if (is_in_ring(m, other))
		known = *rslot_of(m, other) & RSLOT_REPLICATED;
	if (known == 0)
		tw_ctr_inc(&m->ctr.replicated_forward);
	if (low != high && is_in_ring(m, high) && *rslot_of(m, high) != 0)
		*rslot_of(m, high) |= RSLOT_DUP;
	if (is_in_ring(m, low) && *rslot_of(m, low) != 0)
		*rslot_of(m, low) |= RSLOT_REPLICATED;
	slot->r = (uint32_t)low;
}
