/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The report: what each measure may claim, filled in. */
#include <string.h>

#include "report_i.h"

static const char *const state_names[TW_METRICS_S_N] = {
	[TW_METRICS_S_NONE] = "none",
	[TW_METRICS_S_FINITE] = "finite",
	[TW_METRICS_S_INFINITE] = "infinite",
};

static const char *const reason_names[TW_METRICS_R_N] = {
	[TW_METRICS_R_NONE] = "valid",
	[TW_METRICS_R_NO_SAMPLES] = "no-samples",
	[TW_METRICS_R_UNSYNCED_OWN] = "unsynchronised-own",
	[TW_METRICS_R_UNSYNCED_PEER] = "unsynchronised-peer",
	[TW_METRICS_R_CONTRADICTED] = "contradicted",
	[TW_METRICS_R_EPOCH_CHANGED] = "clock-stepped",
	[TW_METRICS_R_STATELESS] = "stateless-reflector",
	[TW_METRICS_R_ORDER_UNKNOWN] = "reflector-numbers-jump",
};

const char *
tw_metrics_state_name(unsigned state)
{
	return state < TW_METRICS_S_N ? state_names[state] : "?";
}

const char *
tw_metrics_reason_name(unsigned reason)
{
	return reason < TW_METRICS_R_N ? reason_names[reason] : "?";
}

#define ROW(k, group, name, member, help)                                                          \
	{group, name, help, offsetof(struct tw_metrics_report, member), TW_METRICS_K_##k},

static const struct tw_metrics_row rows[] = {
#define X(name, help) ROW(U64, "counters", #name, ctr.name, help)
#include "tw_metrics_ctr.def"
#undef X
#define X ROW
#include "tw_metrics_rows.def"
#undef X
};

const struct tw_metrics_row *
tw_metrics_rows(size_t *cnt)
{
	*cnt = TW_ARRAY_SIZE(rows);
	return rows;
}

static uint64_t
error_of(const struct error_track *t)
{
	return t->unknown == 0 ? t->max_ns : UINT64_MAX;
}

static double
percent(uint64_t part, uint64_t whole)
{
	return whole != 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

/* Why one-way delays of a direction may not be taken at their value. */
static uint8_t
oneway_reason(const struct tw_metrics *m, const struct tw_metrics_hist *h, uint64_t unsynced_own,
	uint64_t unsynced_peer)
{
	if (h->cnt == 0)
		return TW_METRICS_R_NO_SAMPLES;
	if (tw_ctr_get(&m->ctr.epoch_changes) != 0)
		return TW_METRICS_R_EPOCH_CHANGED;
	if (unsynced_own != 0)
		return TW_METRICS_R_UNSYNCED_OWN;
	if (unsynced_peer != 0)
		return TW_METRICS_R_UNSYNCED_PEER;
	if (tw_ctr_get(&m->ctr.oneway_contradicted) != 0)
		return TW_METRICS_R_CONTRADICTED;
	return TW_METRICS_R_NONE;
}

static uint8_t
sample_reason(const struct tw_metrics_hist *h)
{
	return h->cnt != 0 ? TW_METRICS_R_NONE : TW_METRICS_R_NO_SAMPLES;
}

static void
fill_round_trip(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	uint64_t received = tw_ctr_get(&m->ctr.received);
	uint64_t peer_ns = error_of(&m->error_peer);
	struct basis b = {.hist = &m->round_trip,
		.pool = &m->pool,
		.infinite = out->lost,
		.error_ns = error_of(&m->error_round_trip),
		.rate_ppb = m->cfg.rate_error_ppb,
		.reason = sample_reason(&m->round_trip)};

	tw_metrics_fill_delay(&b, &out->round_trip);
	tw_metrics_fill_pdv(&b, &out->pdv_round_trip);
	out->round_trip.left_out = received - m->round_trip.cnt;
	out->round_trip.negative = m->negative[M_ROUND_TRIP];

	/* the reflector's stamping error is not on the wire: at most E2 + E3 (PROTOCOL.md 6.1) */
	b.hist = &m->round_trip_net;
	b.error_ns = error_sum(b.error_ns, error_sum(peer_ns, peer_ns));
	b.reason = sample_reason(b.hist);
	tw_metrics_fill_delay(&b, &out->round_trip_net);
	tw_metrics_fill_pdv(&b, &out->pdv_round_trip_net);
	tw_metrics_fill_ipdv(&m->ipdv_round_trip_net, &b, &out->ipdv_round_trip_net);
	out->round_trip_net.left_out = received - m->round_trip_net.cnt;
	out->round_trip_net.negative = m->negative[M_ROUND_TRIP_NET];

	b.hist = &m->residence;
	b.infinite = 0;
	b.error_ns = error_sum(peer_ns, peer_ns);
	b.reason = sample_reason(b.hist);
	tw_metrics_fill_delay(&b, &out->residence);
	out->residence.left_out = m->r_distinct - m->residence.cnt;
	out->residence.negative = m->negative[M_RESIDENCE];
}

static void
fill_oneway(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	struct basis b = {.hist = &m->forward,
		.pool = &m->pool,
		.infinite = out->lost_forward.value + m->forward_beyond_tmax,
		.error_ns = error_of(&m->error_forward)};
	struct basis variation;

	b.reason = oneway_reason(m, &m->forward, m->forward_unsynced_own, m->forward_unsynced_peer);
	tw_metrics_fill_delay(&b, &out->forward);
	tw_metrics_fill_pdv(&b, &out->pdv_forward);
	out->forward.left_out = tw_ctr_get(&m->ctr.sent) - out->forward.population;
	out->forward.negative = m->negative[M_FORWARD];
	variation = b;
	variation.reason = sample_reason(b.hist); /* pairs never span a step of the clock */
	tw_metrics_fill_ipdv(&m->ipdv_forward, &variation, &out->ipdv_forward);

	b.hist = &m->reverse;
	b.infinite = out->lost_reverse.value + m->reverse_beyond_tmax;
	b.error_ns = error_of(&m->error_reverse);
	b.reason = oneway_reason(m, &m->reverse, m->reverse_unsynced_own, m->reverse_unsynced_peer);
	tw_metrics_fill_delay(&b, &out->reverse);
	tw_metrics_fill_pdv(&b, &out->pdv_reverse);
	out->reverse.left_out = m->r_distinct - m->reverse.cnt - m->reverse_beyond_tmax +
				out->lost_undetermined.value;
	out->reverse.negative = m->negative[M_REVERSE];
	variation = b;
	variation.reason = sample_reason(b.hist);
	tw_metrics_fill_ipdv(&m->ipdv_reverse, &variation, &out->ipdv_reverse);
}

static struct tw_metrics_order
order_of(const struct order *o)
{
	return (struct tw_metrics_order){.reordered = o->reordered,
		.packets = o->arrivals,
		.extent = o->extent,
		.late_ns = o->late_ns,
		.tcp_n = o->tcp_n,
		.n_max = o->n_max,
		.ratio_pct = percent(o->reordered, o->arrivals)};
}

static void
fill_order(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	uint64_t answered = tw_ctr_get(&m->ctr.received) + tw_ctr_get(&m->ctr.late);

	out->order_forward = order_of(&m->order_forward);
	out->order_reverse = order_of(&m->order_reverse);
	out->order_round_trip = order_of(&m->order_round_trip);
	out->is_extent_at_least = m->order_forward.is_at_least || m->order_reverse.is_at_least ||
				  m->order_round_trip.is_at_least;
	out->dup_fraction_forward = percent(tw_ctr_get(&m->ctr.duplicates_forward), answered) / 100;
	out->dup_fraction_reverse =
		percent(tw_ctr_get(&m->ctr.duplicates_reverse), m->r_distinct) / 100;
	out->replicated_forward_pct = percent(tw_ctr_get(&m->ctr.replicated_forward), answered);
	out->replicated_reverse_pct =
		percent(tw_ctr_get(&m->ctr.replicated_reverse), m->r_distinct);
}

static void
fill_path(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	bool has_forward = m->ttl_forward_min <= m->ttl_forward_max;
	bool has_reverse = m->ttl_reverse_min <= m->ttl_reverse_max;
	const int16_t none = TW_METRICS_TTL_NONE;

	out->ttl_forward_min = has_forward ? m->ttl_forward_min : none;
	out->ttl_forward_max = has_forward ? m->ttl_forward_max : none;
	out->ttl_reverse_min = has_reverse ? m->ttl_reverse_min : none;
	out->ttl_reverse_max = has_reverse ? m->ttl_reverse_max : none;
	out->hops_forward_min = has_forward ? (int16_t)(UINT8_MAX - m->ttl_forward_max) : none;
	out->hops_forward_max = has_forward ? (int16_t)(UINT8_MAX - m->ttl_forward_min) : none;
	out->hops_reverse_min = has_reverse ? (int16_t)(UINT8_MAX - m->ttl_reverse_max) : none;
	out->hops_reverse_max = has_reverse ? (int16_t)(UINT8_MAX - m->ttl_reverse_min) : none;
}

static void
fill_clock(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	out->is_synced_own = m->has_r && tw_ctr_get(&m->ctr.unsynced_own) == 0;
	out->is_synced_peer = m->has_r && tw_ctr_get(&m->ctr.unsynced_peer) == 0;
	out->is_contradicted = tw_ctr_get(&m->ctr.oneway_contradicted) != 0;
	out->error_own_ns = out->is_synced_own ? m->own_error_max_ns : TW_METRICS_ERROR_UNKNOWN;
	out->error_peer_ns = out->is_synced_peer ? m->peer_error_max_ns : TW_METRICS_ERROR_UNKNOWN;
	out->t1_sources = m->t1_sources;
	out->t4_sources = m->t4_sources;
}

void
tw_metrics_report(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	memset(out, 0, sizeof(*out));
#define X(name, help) out->ctr.name = tw_ctr_get(&m->ctr.name);
#include "tw_metrics_ctr.def"
#undef X
	out->tmax_ns = m->cfg.tmax_ns;
	out->timeout_ns = m->cfg.timeout_ns;
	out->window = m->window;
	tw_metrics_fill_loss(m, out);
	out->lost_pct = percent(out->lost, out->ctr.sent);
	fill_round_trip(m, out);
	fill_oneway(m, out);
	fill_order(m, out);
	fill_path(m, out);
	fill_clock(m, out);
}
