/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The control lcore's side of a sender session: checking its configuration, filling, counters,
 * wiping. Schedule, packets and replies are lib/send.
 */
#include <errno.h>

#include "session_i.h"

static bool
trace_is_ok(const struct tw_send_cfg *cfg)
{
	uint64_t sum_ns = 0;

	if (cfg->gap_ns == NULL || cfg->gap_cnt == 0 || cfg->gap_cnt > TW_SEND_TRACE_MAX)
		return false;
	for (uint32_t i = 0; i < cfg->gap_cnt; i++) {
		if (cfg->gap_ns[i] > TW_SEND_INTERVAL_MAX_NS)
			return false;
		sum_ns += cfg->gap_ns[i];
	}
	return sum_ns >= (uint64_t)cfg->gap_cnt * TW_SEND_INTERVAL_MIN_NS;
}

static bool
law_is_ok(const struct tw_send_cfg *cfg)
{
	uint64_t burst = cfg->law == TW_SEND_BURST ? cfg->burst_cnt : 1;

	if (cfg->law == 0 || cfg->law >= TW_SEND_LAW_N)
		return false;
	if (cfg->law == TW_SEND_TRACE)
		return trace_is_ok(cfg);
	return burst != 0 && cfg->interval_ns >= burst * TW_SEND_INTERVAL_MIN_NS &&
	       cfg->interval_ns <= TW_SEND_INTERVAL_MAX_NS;
}

static bool
schedule_is_ok(const struct tw_send_cfg *cfg)
{
	if (!law_is_ok(cfg))
		return false;
	return cfg->duration_ns >= 0 && cfg->late_after_ns >= 0 && cfg->max_lag_ns >= 0 &&
	       cfg->tmax_ns >= 0;
}

static int64_t
or_default(int64_t value, int64_t dflt)
{
	return value != 0 ? value : dflt;
}

/* Most packets of a trace within @p span_ns, its repetition included. */
static uint64_t
trace_densest(const struct tw_send_cfg *cfg, uint64_t span_ns)
{
	const uint32_t n = cfg->gap_cnt;
	uint64_t whole_ns = 0, sum_ns = 0, most = 0, rounds;
	uint32_t end = 0;

	for (uint32_t i = 0; i < n; i++)
		whole_ns += cfg->gap_ns[i];
	rounds = span_ns / whole_ns;
	span_ns %= whole_ns;
	/* packets i .. end - 1, by turns: sum_ns from packet i to packet end - 1 */
	for (uint32_t i = 0; i < n; i++) {
		if (end <= i) {
			end = i + 1;
			sum_ns = 0;
		}
		while (end - i < n && sum_ns + cfg->gap_ns[end % n] <= span_ns)
			sum_ns += cfg->gap_ns[end++ % n];
		if (end - i > most)
			most = end - i;
		sum_ns -= end > i + 1 ? cfg->gap_ns[(i + 1) % n] : 0;
	}
	return rounds * n + most;
}

/* Mean time between packets over @p span_ns at its densest; 0: none. */
static uint64_t
densest_interval(const struct tw_send_cfg *cfg, uint64_t span_ns)
{
	uint64_t cnt;

	if (!law_is_ok(cfg))
		return 0;
	if (cfg->law == TW_SEND_TRACE) {
		cnt = trace_densest(cfg, span_ns);
	} else if (cfg->law == TW_SEND_BURST) {
		/* a part of an interval may hold a whole burst */
		cnt = (span_ns / cfg->interval_ns + 1) * cfg->burst_cnt;
	} else {
		return cfg->interval_ns;
	}
	return span_ns / cnt != 0 ? span_ns / cnt : 1;
}

uint64_t
tw_send_cfg_window_interval_ns(const struct tw_send_cfg *cfg, int64_t timeout_ns)
{
	const uint64_t tmax_ns = (uint64_t)or_default(cfg->tmax_ns, TW_SEND_TMAX_NS);
	const uint64_t lag_ns = (uint64_t)or_default(cfg->max_lag_ns, TW_SEND_MAX_LAG_NS);
	const uint64_t window_ns = tmax_ns + (uint64_t)timeout_ns;
	unsigned __int128 interval = densest_interval(cfg, window_ns);

	if (interval == 0)
		return 0;
	interval = interval * window_ns / (window_ns + lag_ns);
	return interval != 0 ? (uint64_t)interval : 1;
}

static void
fill(struct tw_send_sess *sess, const struct tw_send_cfg *cfg)
{
	sess->interval_ns = cfg->interval_ns;
	sess->interval_frac = cfg->interval_frac;
	sess->burst_cnt = cfg->burst_cnt;
	sess->gap_ns = cfg->gap_ns;
	sess->gap_cnt = cfg->gap_cnt;
	sess->slot_end = cfg->count != 0 ? cfg->count : UINT64_MAX;
	sess->duration_ns = cfg->duration_ns;
	sess->start = cfg->start;
	sess->late_after_ns = or_default(cfg->late_after_ns, TW_SEND_LATE_AFTER_NS);
	sess->max_lag_ns = or_default(cfg->max_lag_ns, TW_SEND_MAX_LAG_NS);
	sess->tmax_ns = or_default(cfg->tmax_ns, TW_SEND_TMAX_NS);
	sess->report_ns = or_default(cfg->report_ns, TW_SEND_REPORT_NS);
	sess->metrics = cfg->metrics;
	sess->size = cfg->size;
	sess->law = cfg->law;
	sess->clock_idx = cfg->clock_idx;
	sess->has_zero_padding = cfg->has_zero_padding;
	memcpy(sess->seed, cfg->seed, sizeof(sess->seed));
}

int
tw_send_sess_init(struct tw_send_sess *sess, const struct tw_send_cfg *cfg)
{
	const struct sess_common common = {
		.key = &cfg->key,
		.fmt = cfg->fmt,
		.keys = cfg->keys,
		.sid = cfg->sid,
		.id = cfg->id,
		.role = TW_SESS_ROLE_SENDER,
		.owner_idx = cfg->owner_idx,
		.dscp = cfg->dscp,
	};
	int rc = -EINVAL;

	memset(sess, 0, sizeof(*sess));
	if (schedule_is_ok(cfg) && cfg->fmt != NULL && cfg->size >= cfg->fmt->req_min)
		rc = sess_init_common(&sess->s, &sess->tkey, &common);
	if (rc != 0) {
		tw_crypto_wipe(sess, sizeof(*sess));
		return rc;
	}
	fill(sess, cfg);
	return 0;
}

void
tw_send_sess_wipe(struct tw_send_sess *sess)
{
	tw_crypto_wipe(sess, sizeof(*sess));
}

void
tw_send_sess_counts(const struct tw_send_sess *sess, struct tw_send_counts *out)
{
	memset(out, 0, sizeof(*out));
	out->state = (uint8_t)tw_sess_state_get(&sess->s);
	out->sent = atomic_load_explicit(&sess->next_seq, memory_order_relaxed);
	out->late = tw_ctr_get(&sess->late);
	out->skipped = tw_ctr_get(&sess->skipped);
	out->scheduled = out->sent + out->skipped;
	out->tx_refused = tw_ctr_get(&sess->tx_refused);
	out->replies = tw_ctr_get(&sess->replies);
	out->lag_max_ns = atomic_load_explicit(&sess->lag_max_ns, memory_order_relaxed);
	for (unsigned i = 1; i < TW_SEND_DROP_N; i++) {
		out->drops[i] = tw_ctr_get(&sess->drops[i]);
		out->invalid += out->drops[i];
	}
}
