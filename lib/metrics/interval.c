/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Interval reports: differences of the counters and the delays of the replies meanwhile. */
#include "metrics_i.h"

static struct tw_metrics_span
take_span(struct span *s)
{
	struct tw_metrics_span out = {.cnt = s->cnt};
	__int128 n = (__int128)s->cnt;

	if (n != 0) {
		__int128 half = s->sum_ns < 0 ? -(n / 2) : n / 2;

		out.min_ns = s->min_ns;
		out.max_ns = s->max_ns;
		out.mean_ns = (int64_t)((s->sum_ns + half) / n);
		out.is_valid = !s->is_unsynced;
	}
	*s = (struct span){0};
	return out;
}

static uint64_t
duplicates(const struct tw_metrics_ctr *c)
{
	return tw_ctr_get(&c->duplicates_forward) + tw_ctr_get(&c->duplicates_reverse);
}

static uint64_t
invalid(const struct tw_metrics_ctr *c)
{
	return tw_ctr_get(&c->invalid_length) + tw_ctr_get(&c->invalid_auth) +
	       tw_ctr_get(&c->invalid_multiplier) + tw_ctr_get(&c->invalid_seq) +
	       tw_ctr_get(&c->invalid_t1) + tw_ctr_get(&c->invalid_window);
}

/* What a total grew by since the interval began, and its new begin. */
static uint64_t
advance(uint64_t *begin, uint64_t now)
{
	uint64_t grown = now - *begin;

	*begin = now;
	return grown;
}

static void
take(struct tw_metrics *m, tw_ns end, tw_ns next, struct tw_metrics_interval *out)
{
	const struct tw_metrics_ctr *c = &m->ctr;
	struct interval *iv = &m->interval;

	*out = (struct tw_metrics_interval){.begin = iv->begin,
		.end = end,
		.sent = advance(&iv->sent, tw_ctr_get(&c->sent)),
		.received = advance(&iv->received, tw_ctr_get(&c->received)),
		.late = advance(&iv->late, tw_ctr_get(&c->late)),
		.duplicates = advance(&iv->duplicates, duplicates(c)),
		.reordered = advance(&iv->reordered, tw_ctr_get(&c->reordered_round_trip)),
		.invalid = advance(&iv->invalid, invalid(c)),
		.sent_total = tw_ctr_get(&c->sent),
		.received_total = tw_ctr_get(&c->received),
		.lost_total = (uint64_t)m->lost_so_far,
		.round_trip = take_span(&iv->round_trip),
		.round_trip_net = take_span(&iv->round_trip_net),
		.forward = take_span(&iv->forward),
		.reverse = take_span(&iv->reverse),
		.epoch = m->epoch,
		.is_stepped = iv->is_stepped,
		.t1_sources = iv->t1_sources,
		.t4_sources = iv->t4_sources};
	/* a reply stamped in time but read after its time takes a loss back: not below zero */
	if (m->lost_so_far > iv->lost) {
		out->lost = (uint64_t)(m->lost_so_far - iv->lost);
		iv->lost = m->lost_so_far;
	}
	iv->begin = next;
	iv->is_stepped = false;
	iv->t1_sources = 0;
	iv->t4_sources = 0;
}

void
tw_metrics_interval_take(struct tw_metrics *m, tw_ns now, struct tw_metrics_interval *out)
{
	take(m, now, now, out);
}

/* Steps that outrun their reports: the last interval has more than one epoch, and no delays. */
static void
merge(struct tw_metrics_interval *a, const struct tw_metrics_interval *b)
{
	a->sent += b->sent;
	a->received += b->received;
	a->late += b->late;
	a->lost += b->lost;
	a->duplicates += b->duplicates;
	a->reordered += b->reordered;
	a->invalid += b->invalid;
	a->sent_total = b->sent_total;
	a->received_total = b->received_total;
	a->lost_total = b->lost_total;
	a->t1_sources |= b->t1_sources;
	a->t4_sources |= b->t4_sources;
	a->round_trip = a->round_trip_net = (struct tw_metrics_span){0};
	a->forward = a->reverse = (struct tw_metrics_span){0};
}

void
tw_metrics_interval_step(struct tw_metrics *m, tw_ns now)
{
	struct tw_metrics_interval rest;

	take(m, m->newest, now, &rest);
	m->interval.is_stepped = true;
	rest.is_stepped = true;
	/* the step came a little before it was noticed, nobody knows how much */
	rest.forward.is_valid = rest.reverse.is_valid = false;
	if (m->cut_cnt < CUT_MAX)
		m->cut[m->cut_cnt++] = rest;
	else
		merge(&m->cut[CUT_MAX - 1], &rest);
}

bool
tw_metrics_interval_cut(struct tw_metrics *m, struct tw_metrics_interval *out)
{
	if (m->cut_cnt == 0)
		return false;
	*out = m->cut[0];
	m->cut_cnt--;
	for (uint32_t i = 0; i < m->cut_cnt; i++)
		m->cut[i] = m->cut[i + 1];
	return true;
}
