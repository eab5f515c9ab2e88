/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A reply: match it to its packet, tell first copies from duplicates and late ones, and take
 * from it what it can tell (PROTOCOL.md 4.8, 6.1).
 *
 * Who contributes what: round trip, first copies within Tmax; forward, first copies, late ones
 * too; reverse and residence, every distinct reply, since to the way back a copy made on the way
 * there is a packet of its own.
 */
#include <string.h>

#include "batch.h"
#include "ends.h"
#include "stretch.h"

static const char *const class_names[TW_METRICS_C_N] = {
	[TW_METRICS_C_NONE] = "none",
	[TW_METRICS_C_FIRST] = "first",
	[TW_METRICS_C_LATE] = "late",
	[TW_METRICS_C_DUP_FORWARD] = "duplicate-forward",
	[TW_METRICS_C_DUP_REVERSE] = "duplicate-reverse",
	[TW_METRICS_C_INVALID] = "invalid",
	[TW_METRICS_C_FORGED] = "forged",
};

const char *
tw_metrics_class_name(unsigned cls)
{
	return cls < TW_METRICS_C_N ? class_names[cls] : "?";
}

/* A reply on its way through this file. */
struct match {
	const struct tw_metrics_reply *reply;
	const struct ends *ends;
	struct slot *slot;
	uint64_t seq, r64;
	tw_ns t1, t2, t3, t4;
	int64_t forward_ns, reverse_ns, round_trip_ns, round_trip_net_ns, residence_ns;
	bool has_stamps;     /* of the reflector */
	bool has_round_trip; /* as in the sample */
	bool has_peer;
	bool is_distinct; /* no copy made on the way back */
};

/* The packet a reply answers; NULL if none, counted. */
static inline struct slot *
find_packet(struct tw_metrics *m, const struct tw_metrics_reply *reply, uint64_t *seq,
	enum tw_metrics_class *cls)
{
	uint32_t back = (uint32_t)m->next_seq - reply->sender_seq;
	struct slot *slot;

	*cls = TW_METRICS_C_INVALID;
	*seq = reply->sender_seq;
	if (back == 0 || back > m->next_seq - m->cfg.first_seq || back > 1U << 31) {
		tw_ctr_inc(&m->ctr.invalid_seq);
		return NULL;
	}
	*seq = m->next_seq - back;
	if (back > m->window) {
		tw_ctr_inc(&m->ctr.invalid_window);
		return NULL;
	}
	slot = slot_of(m, *seq);
	if (slot->t1_ntp != reply->t1_ntp || slot->flags & SLOT_SKIPPED) {
		*cls = TW_METRICS_C_FORGED;
		tw_ctr_inc(&m->ctr.invalid_t1);
		return NULL;
	}
	return slot;
}

/* The round trip is all there is. */
static void
without_stamps(struct match *x)
{
	x->t2 = x->t3 = (tw_ns){0};
	x->residence_ns = x->forward_ns = x->reverse_ns = x->round_trip_net_ns = 0;
	x->has_peer = false;
}

/* Times and delays; what may be relied on is decided here. */
static inline void
measure(struct match *x)
{
	const struct tw_metrics_reply *reply = x->reply;
	const struct ends *e = x->ends;
	int64_t net_min_ns = e->net_min_ns;

	x->t4 = e->t4->time;
	x->t1 = tw_clock_ntp_near(x->slot->t1_ntp, e->epoch_ntp_s);
	x->has_round_trip = x->slot->epoch == (uint8_t)e->t4->epoch;
	x->round_trip_ns = tw_ns_sub(x->t4, x->t1);
	x->has_stamps = reply->t2_ntp != 0 && reply->t3_ntp != 0;
	if (!x->has_stamps) {
		without_stamps(x);
		return;
	}
	x->t2 = tw_clock_ntp_near(reply->t2_ntp, e->t4_ntp_s);
	x->t3 = tw_clock_ntp_near(reply->t3_ntp, e->t4_ntp_s);
	x->residence_ns = tw_ns_sub(x->t3, x->t2);
	x->forward_ns = tw_ns_sub(x->t2, x->t1);
	x->reverse_ns = tw_ns_sub(x->t4, x->t3);
	x->round_trip_net_ns = x->round_trip_ns - x->residence_ns;
	/* two clocks may disagree by their rates: 1 in 1024 is beyond any legal one */
	net_min_ns -= x->residence_ns >> 10;
	x->has_peer =
		x->residence_ns >= 0 && (!x->has_round_trip || x->round_trip_net_ns >= net_min_ns);
}

/* What the reply says about the clocks, whatever becomes of its delays. */
static inline void
note_clocks(struct tw_metrics *m, const struct match *x)
{
	const struct ends *e = x->ends;

	if (!e->is_synced1 || !e->is_synced4)
		tw_ctr_inc(&m->ctr.unsynced_own);
	if (!e->peer.is_synced)
		tw_ctr_inc(&m->ctr.unsynced_peer);
	else if (e->peer.error_ns > m->peer_error_max_ns)
		m->peer_error_max_ns = e->peer.error_ns;
	if (e->round_trip_error_ns == UINT64_MAX)
		tw_ctr_inc(&m->ctr.error_unknown);
	if (e->peer.is_ptp)
		tw_ctr_inc(&m->ctr.peer_ptp);
	if (!x->has_round_trip)
		tw_ctr_inc(&m->ctr.epoch_crossed);
	if (!x->has_stamps)
		tw_ctr_inc(&m->ctr.peer_unstamped);
	else if (!x->has_peer)
		tw_ctr_inc(&m->ctr.residence_absurd);
	else if (x->residence_ns > RESIDENCE_LONG_NS)
		tw_ctr_inc(&m->ctr.residence_long);
	if (x->has_peer && x->has_round_trip &&
		(x->forward_ns < e->forward_min_ns || x->reverse_ns < e->reverse_min_ns))
		tw_ctr_inc(&m->ctr.oneway_contradicted);
}

static inline void
track_error(struct error_track *t, uint64_t error_ns)
{
	if (error_ns == UINT64_MAX)
		t->unknown++;
	else if (error_ns > t->max_ns)
		t->max_ns = error_ns;
}

/* A one-way delay; a synchronised one beyond Tmax is infinite (RFC 7679 3.4). */
static inline void
add_forward(struct tw_metrics *m, struct batch *b, const struct match *x)
{
	const struct ends *e = x->ends;

	track_error(&m->error_forward, e->forward_error_ns);
	m->forward_unsynced_own += !e->is_synced1;
	m->forward_unsynced_peer += !e->peer.is_synced;
	b->is_forward_unsynced |= !e->is_forward_synced;
	if (e->is_forward_synced && x->forward_ns > m->cfg.tmax_ns) {
		m->forward_beyond_tmax++;
		span_add(&m->interval.forward, x->forward_ns);
	} else {
		batch_add(b, M_FORWARD, x->forward_ns, 1);
	}
}

static inline void
add_reverse(struct tw_metrics *m, struct batch *b, const struct match *x)
{
	const struct ends *e = x->ends;

	track_error(&m->error_reverse, e->reverse_error_ns);
	m->reverse_unsynced_own += !e->is_synced4;
	m->reverse_unsynced_peer += !e->peer.is_synced;
	b->is_reverse_unsynced |= !e->is_reverse_synced;
	if (e->is_reverse_synced && x->reverse_ns > m->cfg.tmax_ns) {
		m->reverse_beyond_tmax++;
		span_add(&m->interval.reverse, x->reverse_ns);
	} else {
		batch_add(b, M_REVERSE, x->reverse_ns, 1);
	}
}

static inline void
add_round_trip(struct tw_metrics *m, struct batch *b, const struct match *x)
{
	track_error(&m->error_round_trip, x->ends->round_trip_error_ns);
	batch_add(b, M_ROUND_TRIP, x->round_trip_ns, 1);
	if (x->has_peer)
		batch_add(b, M_ROUND_TRIP_NET, x->round_trip_net_ns, 1);
}

/* Duplicate of what, if the packet was answered before. */
static enum tw_metrics_class
class_of_copy(const struct tw_metrics *m, const struct match *x, enum r_verdict verdict)
{
	const struct slot *slot = x->slot;

	if (verdict == R_NEW)
		return TW_METRICS_C_DUP_FORWARD;
	if (verdict == R_UNKNOWN && slot->r != x->reply->seq)
		return TW_METRICS_C_DUP_FORWARD;
	/* a stateless reflector gives each copy the same number, but another T2 */
	if (m->cfg.is_r_unknown && !m->is_r_differing && slot->flags & SLOT_T2 &&
		x->forward_ns != slot->forward_ns)
		return TW_METRICS_C_DUP_FORWARD;
	return TW_METRICS_C_DUP_REVERSE;
}

/* The first valid reply to a packet. */
static inline enum tw_metrics_class
take_first(struct tw_metrics *m, struct match *x)
{
	struct slot *slot = x->slot;
	bool is_late = x->has_round_trip && x->round_trip_ns > m->cfg.tmax_ns;

	if (x->seq < m->close_seq)
		tw_metrics_reopen(m, x->seq);
	slot->flags |= SLOT_ANSWERED | (is_late ? SLOT_LATE : 0) | (x->has_stamps ? SLOT_T2 : 0);
	slot->r = x->reply->seq;
	slot->forward_ns = x->forward_ns;
	slot->reverse_ns = x->reverse_ns;
	if (is_late) {
		tw_ctr_inc(&m->ctr.late);
		return TW_METRICS_C_LATE;
	}
	tw_ctr_inc(&m->ctr.received);
	note_in_time(m, x->seq, 1);
	if (slot->flags & SLOT_LOST) { /* stamped in time, read after its time */
		slot->flags &= (uint8_t)~SLOT_LOST;
		m->lost_so_far--;
	}
	if (!order_is_next(&m->order_round_trip, x->seq) &&
		tw_metrics_order_irregular(&m->order_round_trip, x->seq, x->t4.ns))
		tw_ctr_inc(&m->ctr.reordered_round_trip);
	return TW_METRICS_C_FIRST;
}

/*
 * The ring could not tell the number of a first reply. No other packet can have been given it, so
 * it is a new one; but one seen before, or a low one in time, says that the reflector has started
 * again, and sums over numbers say nothing any more.
 */
static bool
is_new_number(struct tw_metrics *m, enum tw_metrics_class cls, enum r_verdict verdict, uint64_t r64)
{
	if (verdict == R_SEEN || (r64 < m->r_ordered && cls != TW_METRICS_C_LATE)) {
		m->is_r_lost = true;
		return false;
	}
	return true;
}

/* A reply that is a packet of its own on the way back. */
static inline void
take_number(struct tw_metrics *m, struct match *x)
{
	x->is_distinct = true;
	m->r_distinct++;
	if (x->r64 < m->r_min) {
		m->r_min = x->r64;
		m->r_min_t1 = x->t1;
		m->r_min_seq = x->seq;
	}
	if (!order_is_next(&m->order_reverse, x->r64) &&
		tw_metrics_order_irregular(&m->order_reverse, x->r64, x->t4.ns))
		tw_ctr_inc(&m->ctr.reordered_reverse);
}

/* Duplicate, late or first; counts it. */
static inline enum tw_metrics_class
classify(struct tw_metrics *m, struct match *x)
{
	bool is_first = !(x->slot->flags & SLOT_ANSWERED);
	enum tw_metrics_class cls;
	enum r_verdict verdict;

	if (x->t1.ns > m->answered_t1.ns)
		m->answered_t1 = x->t1;
	verdict = tw_metrics_r_note(m, x->reply->seq, x->seq, x->t1, &x->r64);
	if (is_first)
		cls = take_first(m, x);
	else
		cls = class_of_copy(m, x, verdict);
	if (verdict == R_NEW || (is_first && is_new_number(m, cls, verdict, x->r64)))
		take_number(m, x);
	if (cls == TW_METRICS_C_DUP_REVERSE) {
		tw_ctr_inc(&m->ctr.duplicates_reverse);
		if (verdict == R_SEEN)
			tw_metrics_r_mark_copied(m, x->r64);
	}
	if (cls == TW_METRICS_C_DUP_FORWARD) {
		tw_ctr_inc(&m->ctr.duplicates_forward);
		if (verdict != R_UNKNOWN)
			tw_metrics_r_mark_dup(m, x->r64, x->slot);
	}
	return cls;
}

/* The delays of a classified reply, for the distributions. */
static inline void
record(struct tw_metrics *m, struct batch *b, const struct match *x, enum tw_metrics_class cls)
{
	if (cls == TW_METRICS_C_FIRST && x->has_round_trip)
		add_round_trip(m, b, x);
	if (!x->has_peer)
		return;
	track_error(&m->error_peer, x->ends->peer.error_ns);
	if (x->is_distinct)
		batch_add(b, M_RESIDENCE, x->residence_ns, 1);
	if (!x->has_round_trip)
		return;
	if (x->forward_ns > m->forward_longest_ns)
		m->forward_longest_ns = x->forward_ns;
	if (x->is_distinct)
		add_reverse(m, b, x);
	if (cls == TW_METRICS_C_DUP_FORWARD)
		return;
	add_forward(m, b, x);
	if (cls == TW_METRICS_C_FIRST) {
		x->slot->flags |= SLOT_DELAYS;
		add_pair(m, b, x->seq);
		add_pair(m, b, x->seq + 1);
	}
}

/* What is known of any reply. */
static void
begin_sample(const struct tw_metrics_reply *reply, uint64_t seq, enum tw_metrics_class cls)
{
	*reply->sample = (struct tw_metrics_sample){.seq = seq,
		.r = reply->seq,
		.t4 = reply->t4->time,
		.cls = (uint8_t)cls,
		.sender_ttl = reply->sender_ttl,
		.ttl = reply->ttl};
}

static void
fill_sample(const struct match *x, struct tw_metrics_sample *s)
{
	const struct ends *e = x->ends;

	s->r = x->r64 - R_BIAS;
	s->t1 = x->t1;
	s->t2 = x->t2;
	s->t3 = x->t3;
	s->forward_ns = x->forward_ns;
	s->reverse_ns = x->reverse_ns;
	s->round_trip_ns = x->round_trip_ns;
	s->round_trip_net_ns = x->round_trip_net_ns;
	s->residence_ns = x->residence_ns;
	s->forward_error_ns = e->forward_error_ns;
	s->reverse_error_ns = e->reverse_error_ns;
	s->round_trip_error_ns =
		error_sum(e->round_trip_error_ns, tw_clock_rate_error_ns(e->t4, x->round_trip_ns));
	s->t1_source = e->t1_source;
	s->t4_source = e->t4->source;
	s->has_round_trip = x->has_round_trip;
	s->has_peer = x->has_peer;
	s->is_synced = e->is_forward_synced && e->is_reverse_synced;
}

/* A reply to the packet of @p slot. */
static inline enum tw_metrics_class
take_match(struct tw_metrics *m, struct batch *b, struct match *x)
{
	const struct ends *e = x->ends;
	enum tw_metrics_class cls;

	m->t4_sources |= 1U << e->t4->source;
	m->interval.t1_sources |= 1U << e->t1_source;
	m->interval.t4_sources |= 1U << e->t4->source;
	measure(x);
	if (__builtin_expect(m->out_tail != 0, 0)) /* how long it is depends on the delays so far */
		tw_metrics_fold(m, b);
	cls = classify(m, x);
	if (cls == TW_METRICS_C_DUP_REVERSE)
		return cls;
	note_clocks(m, x);
	note_path(m, x->reply, 1);
	record(m, b, x, cls);
	return cls;
}

static inline enum tw_metrics_class
take_reply(
	struct tw_metrics *m, struct batch *b, struct ends *e, const struct tw_metrics_reply *reply)
{
	enum tw_metrics_class cls;
	struct match x;

	x.reply = reply;
	x.ends = e;
	x.is_distinct = false;
	x.slot = find_packet(m, reply, &x.seq, &cls);
	if (reply->sample != NULL)
		begin_sample(reply, x.seq, cls);
	if (x.slot == NULL)
		return cls;
	if (e->t4 != reply->t4)
		note_arrival(m, b, reply->t4);
	ends_of(m, e, reply, x.slot->t1_error, x.slot->flags & SLOT_SYNCED);
	if (!e->peer.is_valid) { /* */
		tw_ctr_inc(&m->ctr.invalid_multiplier);
		return TW_METRICS_C_INVALID;
	}
	cls = take_match(m, b, &x);
	if (reply->sample != NULL) {
		fill_sample(&x, reply->sample);
		reply->sample->cls = (uint8_t)cls;
	}
	return cls;
}

/* @p n of them one by one. */
static void
take_each(struct tw_metrics *m, struct batch *b, struct ends *e,
	struct tw_metrics_reply *const *replies, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		replies[i]->cls = (uint8_t)take_reply(m, b, e, replies[i]);
}

/* At most BATCH_REPLIES. */
static void
take_batch(
	struct tw_metrics *m, struct ends *e, struct tw_metrics_reply *const *replies, unsigned n)
{
	struct batch b;
	struct stretch s;

	batch_init(&b);
	for (unsigned i = 0; i < n; i += s.n) {
		s = tw_metrics_stretch_of(m, &replies[i], n - i);
		if (s.n == 0)
			take_each(m, &b, e, &replies[i], s.n = 1);
		else if (!tw_metrics_stretch_take(m, &b, e, &replies[i], &s))
			take_each(m, &b, e, &replies[i], s.n);
	}
	tw_metrics_fold(m, &b);
}

void
tw_metrics_replies(struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n)
{
	struct ends e;

	e.t4 = NULL; /* unlike any */
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(slot_of(m, replies[i]->sender_seq), 1);
	for (unsigned i = 0; i < n; i += BATCH_REPLIES)
		take_batch(m, &e, &replies[i], n - i < BATCH_REPLIES ? n - i : BATCH_REPLIES);
}

enum tw_metrics_class
tw_metrics_reply(struct tw_metrics *m, const struct tw_metrics_reply *reply,
	struct tw_metrics_sample *sample)
{
	struct tw_metrics_reply one = *reply, *ptr = &one;

	one.sample = sample;
	tw_metrics_replies(m, &ptr, 1);
	return (enum tw_metrics_class)one.cls;
}
