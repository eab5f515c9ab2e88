/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The control lcore's side of a sender session: checking its configuration, filling, counters,
 * wiping. Schedule, packets and replies are lib/send.
 */
#include <errno.h>

#include "session_i.h"

static bool
schedule_is_ok(const struct tw_send_cfg *cfg)
{
	if (cfg->law == 0 || cfg->law >= TW_SEND_LAW_N)
		return false;
	if (cfg->interval_ns < TW_SEND_INTERVAL_MIN_NS ||
		cfg->interval_ns > TW_SEND_INTERVAL_MAX_NS)
		return false;
	return cfg->duration_ns >= 0 && cfg->late_after_ns >= 0 && cfg->max_lag_ns >= 0 &&
	       cfg->tmax_ns >= 0;
}

static int64_t
or_default(int64_t value, int64_t dflt)
{
	return value != 0 ? value : dflt;
}

uint64_t
tw_send_cfg_window_interval_ns(const struct tw_send_cfg *cfg, int64_t timeout_ns)
{
	const uint64_t tmax_ns = (uint64_t)or_default(cfg->tmax_ns, TW_SEND_TMAX_NS);
	const uint64_t lag_ns = (uint64_t)or_default(cfg->max_lag_ns, TW_SEND_MAX_LAG_NS);
	const uint64_t window_ns = tmax_ns + (uint64_t)timeout_ns;
	unsigned __int128 interval = cfg->interval_ns;

	if (cfg->interval_ns < TW_SEND_INTERVAL_MIN_NS)
		return 0;
	interval = interval * window_ns / (window_ns + lag_ns);
	return interval != 0 ? (uint64_t)interval : 1;
}

static void
fill(struct tw_send_sess *sess, const struct tw_send_cfg *cfg)
{
	sess->interval_ns = cfg->interval_ns;
	sess->interval_frac = cfg->interval_frac;
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
