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

#include "metrics_i.h"

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
	struct tw_metrics_sample *sample;
	struct slot *slot;
	struct tw_clock_ee ee;
	uint64_t e1_ns, e4_ns;     /* stamp errors, UINT64_MAX: unknown */
	uint64_t own1_ns, own4_ns; /* errors against UTC, UINT64_MAX: unknown */
	bool is_synced1, is_synced4;
	bool is_distinct; /* no copy made on the way back */
};

/* The packet a reply answers; NULL if none, counted. */
static struct slot *
find_packet(struct tw_metrics *m, const struct tw_metrics_reply *reply, uint64_t *seq,
	enum tw_metrics_class *cls)
{
	uint32_t back = (uint32_t)m->next_seq - reply->sender_seq;

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
	if (slot_of(m, *seq)->t1_ntp != reply->t1_ntp || slot_of(m, *seq)->flags & SLOT_SKIPPED) {
		*cls = TW_METRICS_C_FORGED;
		tw_ctr_inc(&m->ctr.invalid_t1);
		return NULL;
	}
	return slot_of(m, *seq);
}

/* Times and delays; what may be relied on is decided here. */
static void
measure(struct tw_metrics *m, struct match *x)
{
	const struct tw_metrics_reply *reply = x->reply;
	struct tw_metrics_sample *s = x->sample;
	uint64_t slack_ns;

	s->t4 = reply->t4.time;
	s->t1 = t1_time(x->slot->t1_ntp, m->epoch_since);
	s->has_round_trip = x->slot->epoch == (uint8_t)reply->t4.epoch;
	s->round_trip_ns = tw_ns_sub(s->t4, s->t1);
	s->round_trip_error_ns = error_sum(x->e1_ns, x->e4_ns);
	s->is_synced = x->is_synced1 && x->is_synced4 && x->ee.is_synced;
	s->forward_error_ns = error_sum(x->own1_ns, x->ee.error_ns);
	s->reverse_error_ns = error_sum(x->own4_ns, x->ee.error_ns);
	if (reply->t2_ntp == 0 || reply->t3_ntp == 0)
		return;
	s->t2 = tw_clock_ntp_to_ns(reply->t2_ntp, s->t4);
	s->t3 = tw_clock_ntp_to_ns(reply->t3_ntp, s->t4);
	s->residence_ns = tw_ns_sub(s->t3, s->t2);
	s->forward_ns = tw_ns_sub(s->t2, s->t1);
	s->reverse_ns = tw_ns_sub(s->t4, s->t3);
	s->round_trip_net_ns = s->round_trip_ns - s->residence_ns;
	/* two clocks may disagree by their rates: 1 in 1024 is beyond any legal one */
	slack_ns = RESIDENCE_SLACK_NS + (uint64_t)(s->residence_ns > 0 ? s->residence_ns >> 10 : 0);
	if (s->round_trip_error_ns != UINT64_MAX)
		slack_ns += s->round_trip_error_ns;
	s->has_peer = s->residence_ns >= 0 &&
		      (!s->has_round_trip || s->round_trip_net_ns >= -(int64_t)slack_ns);
}

/* What the reply says about the clocks, whatever becomes of its delays. */
static void
note_clocks(struct tw_metrics *m, const struct match *x)
{
	const struct tw_metrics_sample *s = x->sample;

	if (!x->is_synced1 || !x->is_synced4)
		tw_ctr_inc(&m->ctr.unsynced_own);
	if (!x->ee.is_synced)
		tw_ctr_inc(&m->ctr.unsynced_peer);
	else if (x->ee.error_ns > m->peer_error_max_ns)
		m->peer_error_max_ns = x->ee.error_ns;
	if (s->round_trip_error_ns == UINT64_MAX)
		tw_ctr_inc(&m->ctr.error_unknown);
	if (x->ee.is_ptp)
		tw_ctr_inc(&m->ctr.peer_ptp);
	if (!s->has_round_trip)
		tw_ctr_inc(&m->ctr.epoch_crossed);
	if (x->reply->t2_ntp == 0 || x->reply->t3_ntp == 0)
		tw_ctr_inc(&m->ctr.peer_unstamped);
	else if (!s->has_peer)
		tw_ctr_inc(&m->ctr.residence_absurd);
	else if (s->residence_ns > RESIDENCE_LONG_NS)
		tw_ctr_inc(&m->ctr.residence_long);
	if (s->has_peer && s->has_round_trip && s->is_synced &&
		((s->forward_error_ns < INT64_MAX &&
			 s->forward_ns < -(int64_t)s->forward_error_ns) ||
			(s->reverse_error_ns < INT64_MAX &&
				s->reverse_ns < -(int64_t)s->reverse_error_ns)))
		tw_ctr_inc(&m->ctr.oneway_contradicted);
}

static void
note_path(struct tw_metrics *m, const struct tw_metrics_reply *reply)
{
	if (reply->sender_ttl < m->ttl_forward_min)
		m->ttl_forward_min = reply->sender_ttl;
	if (reply->sender_ttl > m->ttl_forward_max)
		m->ttl_forward_max = reply->sender_ttl;
	if (reply->ttl != 0 && reply->ttl < m->ttl_reverse_min)
		m->ttl_reverse_min = reply->ttl;
	if (reply->ttl > m->ttl_reverse_max)
		m->ttl_reverse_max = reply->ttl;
	if (reply->tos >> 2 != m->cfg.dscp)
		tw_ctr_inc(&m->ctr.dscp_changed);
	if ((reply->tos & 3) == 3)
		tw_ctr_inc(&m->ctr.ecn_ce);
}

static void
track_error(struct error_track *t, uint64_t error_ns)
{
	if (error_ns == UINT64_MAX)
		t->unknown++;
	else if (error_ns > t->max_ns)
		t->max_ns = error_ns;
}

static void
add_delay(struct tw_metrics *m, enum measure which, struct tw_metrics_hist *h, int64_t ns)
{
	if (__builtin_expect(ns < 0, 0))
		m->negative[which]++;
	tw_metrics_hist_add(h, &m->pool, ns);
}

/* A one-way delay; a synchronised one beyond Tmax is infinite (RFC 7679 3.4). */
static void
add_forward(struct tw_metrics *m, const struct match *x)
{
	const struct tw_metrics_sample *s = x->sample;
	bool is_synced = x->is_synced1 && x->ee.is_synced;

	track_error(&m->error_forward, s->forward_error_ns);
	m->forward_unsynced_own += !x->is_synced1;
	m->forward_unsynced_peer += !x->ee.is_synced;
	if (is_synced && s->forward_ns > m->cfg.tmax_ns)
		m->forward_beyond_tmax++;
	else
		add_delay(m, M_FORWARD, &m->forward, s->forward_ns);
	span_add(&m->interval.forward, s->forward_ns, is_synced);
}

static void
add_reverse(struct tw_metrics *m, const struct match *x)
{
	const struct tw_metrics_sample *s = x->sample;
	bool is_synced = x->is_synced4 && x->ee.is_synced;

	track_error(&m->error_reverse, s->reverse_error_ns);
	m->reverse_unsynced_own += !x->is_synced4;
	m->reverse_unsynced_peer += !x->ee.is_synced;
	if (is_synced && s->reverse_ns > m->cfg.tmax_ns)
		m->reverse_beyond_tmax++;
	else
		add_delay(m, M_REVERSE, &m->reverse, s->reverse_ns);
	span_add(&m->interval.reverse, s->reverse_ns, is_synced);
}

static void
add_round_trip(struct tw_metrics *m, const struct match *x)
{
	const struct tw_metrics_sample *s = x->sample;

	track_error(&m->error_round_trip, s->round_trip_error_ns);
	add_delay(m, M_ROUND_TRIP, &m->round_trip, s->round_trip_ns);
	span_add(&m->interval.round_trip, s->round_trip_ns, true);
	if (!s->has_peer)
		return;
	add_delay(m, M_ROUND_TRIP_NET, &m->round_trip_net, s->round_trip_net_ns);
	span_add(&m->interval.round_trip_net, s->round_trip_net_ns, true);
}

static void
add_ipdv(struct ipdv *v, struct tw_metrics_hist_pool *pool, int64_t diff_ns)
{
	int64_t abs_ns = diff_ns < 0 ? -diff_ns : diff_ns;

	tw_metrics_hist_add(diff_ns < 0 ? &v->down : &v->up, pool, abs_ns);
	if (diff_ns < v->min_ns)
		v->min_ns = diff_ns;
	if (diff_ns > v->max_ns)
		v->max_ns = diff_ns;
	v->smoothed_x16_ns += abs_ns - (v->smoothed_x16_ns >> 4); /* RFC 3550 6.4.1 */
}

/* The pair (seq - 1, seq), if both are known and taken on one clock. */
static void
add_pair(struct tw_metrics *m, uint64_t seq)
{
	const struct slot *a, *b;
	int64_t forward_ns, reverse_ns;

	if (seq == 0 || !is_in_window(m, seq - 1) || !is_in_window(m, seq))
		return;
	a = slot_of(m, seq - 1);
	b = slot_of(m, seq);
	if (!(a->flags & b->flags & SLOT_DELAYS) || a->epoch != b->epoch)
		return;
	forward_ns = b->forward_ns - a->forward_ns;
	reverse_ns = b->reverse_ns - a->reverse_ns;
	add_ipdv(&m->ipdv_forward, &m->pool, forward_ns);
	add_ipdv(&m->ipdv_reverse, &m->pool, reverse_ns);
	add_ipdv(&m->ipdv_round_trip_net, &m->pool, forward_ns + reverse_ns);
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
		x->sample->forward_ns != slot->forward_ns)
		return TW_METRICS_C_DUP_FORWARD;
	return TW_METRICS_C_DUP_REVERSE;
}

/* The first valid reply to a packet. */
static enum tw_metrics_class
take_first(struct tw_metrics *m, struct match *x)
{
	struct tw_metrics_sample *s = x->sample;
	struct slot *slot = x->slot;
	bool is_late = s->has_round_trip && s->round_trip_ns > m->cfg.tmax_ns;

	if (slot->flags & SLOT_CLOSED)
		tw_metrics_reopen(m, s->seq);
	slot->flags |= SLOT_ANSWERED | (is_late ? SLOT_LATE : 0) |
		       (x->reply->t2_ntp != 0 && x->reply->t3_ntp != 0 ? SLOT_T2 : 0);
	slot->r = x->reply->seq;
	slot->forward_ns = s->forward_ns;
	slot->reverse_ns = s->reverse_ns;
	if (is_late) {
		tw_ctr_inc(&m->ctr.late);
		return TW_METRICS_C_LATE;
	}
	tw_ctr_inc(&m->ctr.received);
	if (slot->flags & SLOT_LOST) { /* stamped in time, read after its time */
		slot->flags &= (uint8_t)~SLOT_LOST;
		m->lost_so_far--;
	}
	if (!order_is_next(&m->order_round_trip, s->seq) &&
		tw_metrics_order_irregular(&m->order_round_trip, s->seq, s->t4.ns))
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
static void
take_number(struct tw_metrics *m, struct match *x, uint64_t r64)
{
	const struct tw_metrics_sample *s = x->sample;

	x->is_distinct = true;
	m->r_distinct++;
	if (r64 < m->r_min) {
		m->r_min = r64;
		m->r_min_t1 = s->t1;
		m->r_min_seq = s->seq;
	}
	if (!order_is_next(&m->order_reverse, r64) &&
		tw_metrics_order_irregular(&m->order_reverse, r64, s->t4.ns))
		tw_ctr_inc(&m->ctr.reordered_reverse);
}

/* Duplicate, late or first; counts it. */
static enum tw_metrics_class
classify(struct tw_metrics *m, struct match *x)
{
	struct tw_metrics_sample *s = x->sample;
	bool is_first = !(x->slot->flags & SLOT_ANSWERED);
	enum tw_metrics_class cls;
	enum r_verdict verdict;
	uint64_t r64;

	if (s->t1.ns > m->answered_t1.ns)
		m->answered_t1 = s->t1;
	verdict = tw_metrics_r_note(m, x->reply->seq, s->seq, s->t1, &r64);
	s->r = r64 - R_BIAS;
	if (is_first)
		cls = take_first(m, x);
	else
		cls = class_of_copy(m, x, verdict);
	if (verdict == R_NEW || (is_first && is_new_number(m, cls, verdict, r64)))
		take_number(m, x, r64);
	if (cls == TW_METRICS_C_DUP_REVERSE) {
		tw_ctr_inc(&m->ctr.duplicates_reverse);
		if (verdict == R_SEEN)
			tw_metrics_r_mark_copied(m, r64);
	}
	if (cls == TW_METRICS_C_DUP_FORWARD) {
		tw_ctr_inc(&m->ctr.duplicates_forward);
		if (verdict != R_UNKNOWN)
			tw_metrics_r_mark_dup(m, r64, x->slot);
	}
	return cls;
}

/* Fold the delays of a classified reply into the distributions. */
static void
record(struct tw_metrics *m, const struct match *x, enum tw_metrics_class cls)
{
	const struct tw_metrics_sample *s = x->sample;

	if (cls == TW_METRICS_C_FIRST && s->has_round_trip)
		add_round_trip(m, x);
	if (!s->has_peer)
		return;
	track_error(&m->error_peer, x->ee.error_ns);
	if (x->is_distinct)
		add_delay(m, M_RESIDENCE, &m->residence, s->residence_ns);
	if (!s->has_round_trip)
		return;
	if (s->forward_ns > m->forward_longest_ns)
		m->forward_longest_ns = s->forward_ns;
	if (x->is_distinct)
		add_reverse(m, x);
	if (cls == TW_METRICS_C_DUP_FORWARD)
		return;
	add_forward(m, x);
	if (cls == TW_METRICS_C_FIRST) {
		x->slot->flags |= SLOT_DELAYS;
		add_pair(m, s->seq);
		add_pair(m, s->seq + 1);
	}
}

static struct match
start_match(struct tw_metrics *m, const struct tw_metrics_reply *reply, struct slot *slot,
	struct tw_metrics_sample *sample)
{
	struct match x;

	if (__builtin_expect(reply->ee != m->peer_ee, 0)) {
		m->peer_ee = reply->ee;
		m->peer = tw_clock_ee_decode(reply->ee);
	}
	x = (struct match){.reply = reply,
		.sample = sample,
		.slot = slot,
		.ee = m->peer,
		.e1_ns = error_unpack(slot->t1_error),
		.e4_ns = reply->t4.stamp_error_ns,
		.own4_ns = tw_clock_stamp_error_ns(&reply->t4),
		.is_synced1 = (slot->flags & SLOT_SYNCED) != 0,
		.is_synced4 = reply->t4.is_synced};

	if (reply->t4.stamp_error_ns == TW_CLOCK_ERROR_UNKNOWN)
		x.e4_ns = UINT64_MAX;
	x.own1_ns = UINT64_MAX;
	if (x.is_synced1)
		x.own1_ns = error_sum(x.e1_ns, m->sync_error_max_ns);
	return x;
}

enum tw_metrics_class
tw_metrics_reply(struct tw_metrics *m, const struct tw_metrics_reply *reply,
	struct tw_metrics_sample *sample)
{
	struct tw_metrics_sample own;
	enum tw_metrics_class cls;
	struct slot *slot;
	struct match x;
	uint64_t seq;

	if (sample == NULL)
		sample = &own;
	memset(sample, 0, sizeof(*sample));
	sample->r = reply->seq;
	sample->sender_ttl = reply->sender_ttl;
	sample->ttl = reply->ttl;
	sample->t4 = reply->t4.time;
	sample->cls = TW_METRICS_C_INVALID;
	slot = find_packet(m, reply, &seq, &cls);
	sample->seq = seq;
	if (slot == NULL) {
		sample->cls = (uint8_t)cls;
		return cls;
	}
	tw_metrics_note_epoch(m, &reply->t4);
	x = start_match(m, reply, slot, sample);
	if (!x.ee.is_valid) { /* */
		tw_ctr_inc(&m->ctr.invalid_multiplier);
		return TW_METRICS_C_INVALID;
	}
	sample->t1_source = source_unpack(slot->t1_error);
	sample->t4_source = reply->t4.source;
	m->t4_sources |= 1U << reply->t4.source;
	m->interval.t1_sources |= 1U << sample->t1_source;
	m->interval.t4_sources |= 1U << sample->t4_source;
	measure(m, &x);
	cls = classify(m, &x);
	sample->cls = (uint8_t)cls;
	if (cls == TW_METRICS_C_DUP_REVERSE)
		return cls;
	note_clocks(m, &x);
	note_path(m, reply);
	record(m, &x, cls);
	return cls;
}
