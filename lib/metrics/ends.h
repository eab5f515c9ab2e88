/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the stamps and the estimates of a reply say of its errors, and what the two ways through
 * a burst of replies - one by one, or many alike at once - have in common.
 */
#ifndef METRICS_ENDS_H
#define METRICS_ENDS_H

#include "batch.h"

/* Most replies of a burst have them in common. */
struct ends {
	/* what the rest was made of */
	const struct tw_stamp *t4;
	uint16_t t1_error;
	uint8_t t1_synced; /* SLOT_SYNCED or 0 */
	uint16_t ee;

	struct tw_clock_ee peer;
	int64_t t4_ntp_s;    /* tw_clock_ntp_s() of T4 ... */
	int64_t epoch_ntp_s; /* ... and of the begin of our epoch */
	uint64_t round_trip_error_ns, forward_error_ns, reverse_error_ns; /* UINT64_MAX: unknown */
	int64_t net_min_ns;     /* a round trip without residence below it is absurd */
	int64_t forward_min_ns; /* a one-way delay below it contradicts the errors */
	int64_t reverse_min_ns;
	bool is_synced1, is_synced4;
	bool is_forward_synced, is_reverse_synced;
	uint8_t t1_source;
};

/** The ends of a reply to a packet with this error of T1, error_pack(), and SLOT_SYNCED or 0. */
void tw_metrics_find_ends(struct tw_metrics *m, struct ends *e,
	const struct tw_metrics_reply *reply, uint16_t t1_error, uint8_t t1_synced);

/** The same ends for another error of T1, of the same source. */
void tw_metrics_ends_with(const struct tw_metrics *m, struct ends *e, uint16_t t1_error);

/* Ends as they are, or those of this reply. */
static inline void
ends_of(struct tw_metrics *m, struct ends *e, const struct tw_metrics_reply *reply,
	uint16_t t1_error, uint8_t t1_synced)
{
	if (e->t4 != reply->t4 || e->ee != reply->ee || e->t1_error != t1_error ||
		e->t1_synced != t1_synced)
		tw_metrics_find_ends(m, e, reply, t1_error, t1_synced);
}

/* A stamp of our own. Delays measured before a step belong to the interval that it ends. */
static inline void
note_arrival(struct tw_metrics *m, struct batch *b, const struct tw_stamp *t4)
{
	if (t4->epoch != m->epoch)
		tw_metrics_fold(m, b);
	tw_metrics_note_epoch(m, t4);
}

/* What @p n replies alike say of the path. */
static inline void
note_path(struct tw_metrics *m, const struct tw_metrics_reply *reply, unsigned n)
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
		tw_ctr_add(&m->ctr.dscp_changed, n);
	if ((reply->tos & 3) == 3)
		tw_ctr_add(&m->ctr.ecn_ce, n);
}

/* The pair (seq - 1, seq), if both are known and taken on one clock. */
static inline void
add_pair(struct tw_metrics *m, struct batch *b, uint64_t seq)
{
	const struct slot *p, *q;

	if (seq == 0 || !is_in_window(m, seq - 1) || !is_in_window(m, seq))
		return;
	p = slot_of(m, seq - 1);
	q = slot_of(m, seq);
	if (!(p->flags & q->flags & SLOT_DELAYS) || p->epoch != q->epoch)
		return;
	batch_add(b, M_IPDV_FORWARD, q->forward_ns - p->forward_ns, 1);
	batch_add(b, M_IPDV_REVERSE, q->reverse_ns - p->reverse_ns, 1);
}

#endif /* METRICS_ENDS_H */
