/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See stretch.h. */
#include <string.h>

#include "stretch.h"
#include "tw_vectors.h"

/* Flags of a packet that waits for its first reply, S apart: none. */
#define SLOT_OPEN(flags) (((flags) & ~SLOT_SYNCED) == 0)

/* What stands in a slot behind the delays: r, error and epoch of T1, flags. */
static inline uint64_t
rest_of(const struct slot *slot)
{
	uint64_t v;

	_Static_assert(sizeof(*slot) - offsetof(struct slot, r) == sizeof(v), "one word");
	memcpy(&v, (const char *)slot + offsetof(struct slot, r), sizeof(v));
	return v;
}

/* Its number and the reflector's. */
static inline uint64_t
numbers_of(const struct tw_metrics_reply *reply)
{
	return (uint64_t)reply->seq << 32 | reply->sender_seq;
}

/* Error Estimate, TTLs and TOS are the same. */
static inline bool
is_like(const struct tw_metrics_reply *a, const struct tw_metrics_reply *b)
{
	const size_t from = offsetof(struct tw_metrics_reply, ee);

	_Static_assert(
		offsetof(struct tw_metrics_reply, cls) == offsetof(struct tw_metrics_reply, ee) + 5,
		"no gaps");
	return memcmp((const char *)a + from, (const char *)b + from, 5) == 0;
}

/* The reply is the next one expected either way, and nothing is left over from before. */
static inline bool
can_begin(const struct tw_metrics *m, const struct tw_metrics_reply *reply)
{
	const uint64_t seq = m->order_round_trip.next_exp;

	return m->has_r && m->out_tail == 0 && reply->sender_seq == (uint32_t)seq &&
	       seq >= m->close_seq && is_in_window(m, seq) &&
	       m->order_reverse.next_exp == m->r_max + 1 && reply->seq == (uint32_t)(m->r_max + 1);
}

/* The bits of rest_of() that hold the error of T1, its source apart. */
static inline uint64_t
error_bits(void)
{
	const struct slot slot = {.t1_error = ERROR_PACK_UNKNOWN};

	return rest_of(&slot);
}

static inline bool
is_error_known(uint16_t t1_error)
{
	return (t1_error & ERROR_PACK_UNKNOWN) != ERROR_PACK_UNKNOWN;
}

struct stretch
tw_metrics_stretch_of(struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n)
{
	const struct tw_metrics_reply *first = replies[0];
	const uint64_t seq = m->order_round_trip.next_exp, other_bits = ~error_bits();
	const uint64_t one_each = UINT64_C(1) << 32 | 1;
	uint64_t numbers = numbers_of(first);
	const struct slot *slot = slot_of(m, seq);
	struct stretch s = {.t1_error_min = UINT16_MAX};
	uint64_t rest;
	bool is_known;

	if (!can_begin(m, first) || !SLOT_OPEN(slot->flags) ||
		slot->epoch != (uint8_t)first->t4->epoch)
		return s;
	rest = rest_of(slot);
	is_known = is_error_known(slot->t1_error);
	if (n > m->next_seq - seq)
		n = (unsigned)(m->next_seq - seq);
	/* where the lower number wraps, the other is one too many: the stretch ends before it */
	for (; s.n < n; s.n++, numbers += one_each) {
		const struct tw_metrics_reply *reply = replies[s.n];
		uint16_t t1_error;

		slot = slot_of(m, seq + s.n);
		t1_error = slot->t1_error;
		if (numbers_of(reply) != numbers || reply->t1_ntp != slot->t1_ntp ||
			((rest_of(slot) ^ rest) & other_bits) != 0 ||
			is_error_known(t1_error) != is_known || !is_like(reply, first) ||
			reply->t4 != first->t4 || reply->sample != NULL || reply->t2_ntp == 0 ||
			reply->t3_ntp == 0)
			break;
		s.t1_error_min = t1_error < s.t1_error_min ? t1_error : s.t1_error_min;
		s.t1_error_max = t1_error > s.t1_error_max ? t1_error : s.t1_error_max;
	}
	return s;
}

/* Stamps of a stretch, one for replies in a row that have the same, and what its delays are. */
struct columns {
	unsigned n;
	uint32_t times[BATCH_REPLIES];
	alignas(TW_CACHE_LINE) uint64_t t1[BATCH_REPLIES]; /* NTP */
	uint64_t t2[BATCH_REPLIES];
	uint64_t t3[BATCH_REPLIES];
	int64_t t1_max; /* ns */
	int64_t forward_max;
	uint64_t contradicted_cnt; /* one-way delays below forward_min_ns, reverse_min_ns */
	bool is_regular;           /* none is late, absurd, infinite, or has a long residence */
};

/* As measure() of reply.c. */
TW_VECTORS static void
measure_all(struct columns *restrict c, const struct ends *restrict e, int64_t tmax_ns,
	int64_t *restrict round_trip, int64_t *restrict net, int64_t *restrict forward,
	int64_t *restrict reverse, int64_t *restrict residence)
{
	const int64_t t4 = e->t4->time.ns, epoch_ntp_s = e->epoch_ntp_s, t4_ntp_s = e->t4_ntp_s;
	const int64_t net_min_ns = e->net_min_ns;
	const int64_t forward_min_ns = e->forward_min_ns, reverse_min_ns = e->reverse_min_ns;
	const int64_t forward_max_ns = e->is_forward_synced ? tmax_ns : INT64_MAX;
	const int64_t reverse_max_ns = e->is_reverse_synced ? tmax_ns : INT64_MAX;
	int64_t t1_max = INT64_MIN, forward_max = INT64_MIN;
	uint64_t contradicted_cnt = 0, irregular = 0;
	const unsigned n = c->n;

	for (unsigned i = 0; i < n; i++) {
		const int64_t t1 = tw_clock_ntp_near(c->t1[i], epoch_ntp_s).ns;
		const int64_t t2 = tw_clock_ntp_near(c->t2[i], t4_ntp_s).ns;
		const int64_t t3 = tw_clock_ntp_near(c->t3[i], t4_ntp_s).ns;
		const int64_t rt = t4 - t1, res = t3 - t2, fwd = t2 - t1, rev = t4 - t3;

		round_trip[i] = rt;
		residence[i] = res;
		net[i] = rt - res;
		forward[i] = fwd;
		reverse[i] = rev;
		irregular |= (uint64_t)(rt > tmax_ns) | (uint64_t)(res < 0) |
			     (uint64_t)(res > RESIDENCE_LONG_NS) |
			     (uint64_t)(rt - res + (res >> 10) < net_min_ns) |
			     (uint64_t)(fwd > forward_max_ns) | (uint64_t)(rev > reverse_max_ns);
		contradicted_cnt +=
			((fwd < forward_min_ns) | (rev < reverse_min_ns)) != 0 ? c->times[i] : 0;
		t1_max = t1 > t1_max ? t1 : t1_max;
		forward_max = fwd > forward_max ? fwd : forward_max;
	}
	c->t1_max = t1_max;
	c->forward_max = forward_max;
	c->contradicted_cnt = contradicted_cnt;
	c->is_regular = irregular == 0;
}

static inline void
track_errors(struct error_track *t, uint64_t error_ns, unsigned n)
{
	if (error_ns == UINT64_MAX)
		t->unknown += n;
	else if (error_ns > t->max_ns)
		t->max_ns = error_ns;
}

/* What the replies say about clocks and errors. */
static void
note_ends(struct tw_metrics *m, struct batch *b, const struct ends *e, unsigned n)
{
	m->t4_sources |= 1U << e->t4->source;
	m->interval.t1_sources |= 1U << e->t1_source;
	m->interval.t4_sources |= 1U << e->t4->source;
	if (!e->is_synced1 || !e->is_synced4)
		tw_ctr_add(&m->ctr.unsynced_own, n);
	if (!e->peer.is_synced)
		tw_ctr_add(&m->ctr.unsynced_peer, n);
	else if (e->peer.error_ns > m->peer_error_max_ns)
		m->peer_error_max_ns = e->peer.error_ns;
	if (e->round_trip_error_ns == UINT64_MAX)
		tw_ctr_add(&m->ctr.error_unknown, n);
	if (e->peer.is_ptp)
		tw_ctr_add(&m->ctr.peer_ptp, n);
	track_errors(&m->error_round_trip, e->round_trip_error_ns, n);
	track_errors(&m->error_peer, e->peer.error_ns, n);
	track_errors(&m->error_forward, e->forward_error_ns, n);
	track_errors(&m->error_reverse, e->reverse_error_ns, n);
	m->forward_unsynced_own += e->is_synced1 ? 0 : n;
	m->forward_unsynced_peer += e->peer.is_synced ? 0 : n;
	m->reverse_unsynced_own += e->is_synced4 ? 0 : n;
	m->reverse_unsynced_peer += e->peer.is_synced ? 0 : n;
	b->is_forward_unsynced |= !e->is_forward_synced;
	b->is_reverse_unsynced |= !e->is_reverse_synced;
}

/* All are first ones, in time, in order. */
static void
note_replies(struct tw_metrics *m, const struct tw_metrics_reply *first, const struct columns *c,
	unsigned n)
{
	tw_ctr_add(&m->ctr.received, n);
	m->order_round_trip.arrivals += n;
	m->order_round_trip.next_exp += n;
	m->order_reverse.arrivals += n;
	m->order_reverse.next_exp += n;
	m->r_distinct += n;
	if (first->seq != first->sender_seq)
		m->is_r_differing = true;
	if (c->t1_max > m->answered_t1.ns)
		m->answered_t1.ns = c->t1_max;
	if (c->forward_max > m->forward_longest_ns)
		m->forward_longest_ns = c->forward_max;
	tw_ctr_add(&m->ctr.oneway_contradicted, c->contradicted_cnt);
}

/* The packets are answered, the numbers seen. */
static void
fill_slots(struct tw_metrics *m, uint64_t seq, uint32_t r, const int64_t *forward_ns,
	const int64_t *reverse_ns, const struct columns *c)
{
	const uint8_t flags =
		(uint8_t)(slot_of(m, seq)->flags | SLOT_ANSWERED | SLOT_T2 | SLOT_DELAYS);

	for (unsigned i = 0; i < c->n; i++) {
		for (uint32_t k = 0; k < c->times[i]; k++) {
			struct slot *slot = slot_of(m, seq++);

			slot->forward_ns = forward_ns[i];
			slot->reverse_ns = reverse_ns[i];
			slot->r = r++;
			slot->flags = flags;
		}
	}
}

/* A difference both ways. */
static inline void
add_difference(struct batch *b, int64_t forward_ns, int64_t reverse_ns, uint32_t times)
{
	batch_add(b, M_IPDV_FORWARD, forward_ns, times);
	batch_add(b, M_IPDV_REVERSE, reverse_ns, times);
}

/* Differences of neighbours, those with packets before and after the stretch included. */
static void
add_pairs(struct tw_metrics *m, struct batch *b, uint64_t seq, const int64_t *forward_ns,
	const int64_t *reverse_ns, const struct columns *c, unsigned n)
{
	add_pair(m, b, seq);
	for (unsigned i = 0; i < c->n; i++) {
		if (i > 0)
			add_difference(b, forward_ns[i] - forward_ns[i - 1],
				reverse_ns[i] - reverse_ns[i - 1], 1);
		if (c->times[i] > 1)
			add_difference(b, 0, 0, c->times[i] - 1);
	}
	add_pair(m, b, seq + n);
}

/* Stamps of the replies. */
static inline void
find_columns(struct columns *c, struct tw_metrics_reply *const *replies, unsigned n)
{
	uint64_t t1 = replies[0]->t1_ntp, t2 = replies[0]->t2_ntp, t3 = replies[0]->t3_ntp;
	uint32_t times = 0;
	unsigned i = 0;

	for (unsigned k = 0; k < n; k++) {
		struct tw_metrics_reply *x = replies[k];

		x->cls = TW_METRICS_C_FIRST; /* unless the stretch is refused after all */
		if (((t1 ^ x->t1_ntp) | (t2 ^ x->t2_ntp) | (t3 ^ x->t3_ntp)) != 0) {
			c->times[i++] = times;
			times = 0;
			t1 = x->t1_ntp;
			t2 = x->t2_ntp;
			t3 = x->t3_ntp;
		}
		if (times++ == 0) {
			c->t1[i] = t1;
			c->t2[i] = t2;
			c->t3[i] = t3;
		}
	}
	c->times[i] = times;
	c->n = i + 1;
}

/*
 * Delays of a stretch, at the ends of the measures' lists. What they must not fall below is taken
 * from the smallest error of T1: below it, each has to be asked for its own.
 */
static bool
measure_stretch(const struct tw_metrics *m, struct batch *b, const struct ends *e,
	const struct stretch *s, struct columns *c)
{
	const bool is_uniform = s->t1_error_min == s->t1_error_max;
	struct ends strict;

	if (!is_uniform) {
		strict = *e;
		tw_metrics_ends_with(m, &strict, s->t1_error_min);
		e = &strict;
	}
	measure_all(c, e, m->cfg.tmax_ns, batch_end(b, M_ROUND_TRIP),
		batch_end(b, M_ROUND_TRIP_NET), batch_end(b, M_FORWARD), batch_end(b, M_REVERSE),
		batch_end(b, M_RESIDENCE));
	return c->is_regular && (is_uniform || c->contradicted_cnt == 0);
}

bool
tw_metrics_stretch_take(struct tw_metrics *m, struct batch *b, struct ends *e,
	struct tw_metrics_reply *const *replies, const struct stretch *s)
{
	const struct tw_metrics_reply *first = replies[0];
	const uint64_t seq = m->order_round_trip.next_exp;
	const int64_t *forward, *reverse;
	const unsigned n = s->n;
	struct columns c;

	if (e->t4 != first->t4)
		note_arrival(m, b, first->t4);
	ends_of(m, e, first, s->t1_error_max, slot_of(m, seq)->flags & SLOT_SYNCED);
	if (!e->peer.is_valid)
		return false;
	find_columns(&c, replies, n);
	forward = batch_end(b, M_FORWARD);
	reverse = batch_end(b, M_REVERSE);
	if (!measure_stretch(m, b, e, s, &c) || !tw_metrics_r_note_run(m, seq, n))
		return false;
	for (unsigned i = 0; i < M_DELAYS; i++)
		batch_take(b, (enum measure)i, c.times, c.n);
	note_ends(m, b, e, n);
	note_path(m, first, n);
	note_replies(m, first, &c, n);
	note_in_time(m, seq, n);
	fill_slots(m, seq, first->seq, forward, reverse, &c);
	add_pairs(m, b, seq, forward, reverse, &c, n);
	return true;
}
