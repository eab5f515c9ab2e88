/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See stretch.h. */
#include <string.h>

#include "stretch.h"
#include "vectors.h"

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
	       is_in_window(m, seq) && m->order_reverse.next_exp == m->r_max + 1 &&
	       reply->seq == (uint32_t)(m->r_max + 1);
}

unsigned
tw_metrics_stretch_len(struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n)
{
	const struct tw_metrics_reply *first = replies[0];
	const uint64_t seq = m->order_round_trip.next_exp;
	uint64_t rest;
	unsigned k;

	if (!can_begin(m, first))
		return 0;
	rest = rest_of(slot_of(m, seq));
	if (!SLOT_OPEN(slot_of(m, seq)->flags) ||
		slot_of(m, seq)->epoch != (uint8_t)first->t4->epoch)
		return 0;
	if (n > m->next_seq - seq)
		n = (unsigned)(m->next_seq - seq);
	for (k = 0; k < n; k++) {
		const struct tw_metrics_reply *reply = replies[k];
		const struct slot *slot = slot_of(m, seq + k);

		if (reply->sender_seq != first->sender_seq + k || reply->seq != first->seq + k ||
			reply->t1_ntp != slot->t1_ntp || rest_of(slot) != rest ||
			!is_like(reply, first) || reply->t4 != first->t4 || reply->sample != NULL ||
			reply->t2_ntp == 0 || reply->t3_ntp == 0)
			break;
	}
	return k;
}

/* Stamps of a stretch, and what its delays have in common. */
struct columns {
	uint64_t t1[BATCH_REPLIES]; /* NTP */
	uint64_t t2[BATCH_REPLIES];
	uint64_t t3[BATCH_REPLIES];
	int64_t t1_max; /* ns */
	int64_t forward_max;
	uint64_t contradicted_cnt; /* one-way delays below forward_min_ns, reverse_min_ns */
	bool is_regular;           /* none is late, absurd, infinite, or has a long residence */
};

/* As measure() of reply.c. */
VECTORS static void
measure_all(struct columns *restrict c, const struct ends *restrict e, int64_t tmax_ns, unsigned n,
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
			(uint64_t)(fwd < forward_min_ns) | (uint64_t)(rev < reverse_min_ns);
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
	const int64_t *reverse_ns, unsigned n)
{
	const uint8_t flags =
		(uint8_t)(slot_of(m, seq)->flags | SLOT_ANSWERED | SLOT_T2 | SLOT_DELAYS);

	for (unsigned k = 0; k < n; k++) {
		struct slot *slot = slot_of(m, seq + k);

		slot->forward_ns = forward_ns[k];
		slot->reverse_ns = reverse_ns[k];
		slot->r = r + k;
		slot->flags = flags;
	}
}

/* Differences of neighbours, those with packets before and after the stretch included. */
static void
add_pairs(struct tw_metrics *m, struct batch *b, uint64_t seq, const int64_t *forward_ns,
	const int64_t *reverse_ns, unsigned n)
{
	int64_t *fwd, *rev;

	add_pair(m, b, seq);
	fwd = batch_room(b, M_IPDV_FORWARD, n - 1);
	rev = batch_room(b, M_IPDV_REVERSE, n - 1);
	for (unsigned k = 1; k < n; k++) {
		fwd[k - 1] = forward_ns[k] - forward_ns[k - 1];
		rev[k - 1] = reverse_ns[k] - reverse_ns[k - 1];
	}
	add_pair(m, b, seq + n);
}

bool
tw_metrics_stretch_take(struct tw_metrics *m, struct batch *b, struct ends *e,
	struct tw_metrics_reply *const *replies, unsigned n)
{
	const struct tw_metrics_reply *first = replies[0];
	const uint64_t seq = m->order_round_trip.next_exp;
	const int64_t *forward, *reverse;
	struct columns c;

	if (e->t4 != first->t4)
		note_arrival(m, b, first->t4);
	if (!has_same_ends(e, first, slot_of(m, seq)))
		tw_metrics_find_ends(m, e, first, slot_of(m, seq));
	if (!e->peer.is_valid)
		return false;
	for (unsigned k = 0; k < n; k++) {
		c.t1[k] = replies[k]->t1_ntp;
		c.t2[k] = replies[k]->t2_ntp;
		c.t3[k] = replies[k]->t3_ntp;
	}
	forward = batch_end(b, M_FORWARD);
	reverse = batch_end(b, M_REVERSE);
	measure_all(&c, e, m->cfg.tmax_ns, n, batch_end(b, M_ROUND_TRIP),
		batch_end(b, M_ROUND_TRIP_NET), batch_end(b, M_FORWARD), batch_end(b, M_REVERSE),
		batch_end(b, M_RESIDENCE));
	if (!c.is_regular || !tw_metrics_r_note_run(m, seq, n))
		return false;
	for (unsigned i = 0; i < M_DELAYS; i++)
		(void)batch_room(b, (enum measure)i, n);
	note_ends(m, b, e, n);
	note_path(m, first, n);
	note_replies(m, first, &c, n);
	fill_slots(m, seq, first->seq, forward, reverse, n);
	add_pairs(m, b, seq, forward, reverse, n);
	for (unsigned k = 0; k < n; k++)
		replies[k]->cls = TW_METRICS_C_FIRST;
	return true;
}
