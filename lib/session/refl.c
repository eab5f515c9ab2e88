/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The control lcore's side of a reflector session: filling, states, counters, wiping. What the
 * data lcore does with it is lib/reflect.
 */
#include <errno.h>

#include "session_i.h"

int
tw_refl_sess_init(struct tw_refl_sess *sess, const struct tw_refl_cfg *cfg)
{
	const struct sess_common common = {
		.key = &cfg->key,
		.fmt = cfg->fmt,
		.keys = cfg->keys,
		.sid = cfg->sid,
		.id = cfg->id,
		.role = TW_SESS_ROLE_REFLECTOR,
		.owner_idx = cfg->owner_idx,
		.dscp = cfg->dscp,
	};
	int rc = -EINVAL;

	memset(sess, 0, sizeof(*sess));
	if (cfg->rate_pps <= TW_CLOCK_NS_PER_S)
		rc = sess_init_common(&sess->s, &sess->tkey, &common);
	if (rc != 0) {
		tw_crypto_wipe(sess, sizeof(*sess));
		return rc;
	}
	sess->outer_tpid = cfg->outer_tpid;
	if (cfg->rate_pps != 0)
		sess->rate_interval_ns = (uint32_t)(TW_CLOCK_NS_PER_S / cfg->rate_pps);
	return 0;
}

void
tw_refl_sess_start(struct tw_refl_sess *sess)
{
	if (tw_sess_state_get(&sess->s) == TW_SESS_RESERVED)
		sess_state_set(&sess->s, TW_SESS_RUNNING);
}

void
tw_refl_sess_drain(struct tw_refl_sess *sess, tw_ns deadline)
{
	enum tw_sess_state state = tw_sess_state_get(&sess->s);

	if (state != TW_SESS_RUNNING && state != TW_SESS_DRAINING)
		return;
	atomic_store_explicit(&sess->s.deadline_ns, deadline.ns, memory_order_relaxed);
	sess_state_set(&sess->s, TW_SESS_DRAINING);
}

void
tw_refl_sess_end(struct tw_refl_sess *sess)
{
	sess_state_set(&sess->s, TW_SESS_ENDED);
}

void
tw_refl_sess_wipe(struct tw_refl_sess *sess)
{
	tw_crypto_wipe(sess, sizeof(*sess));
}

void
tw_refl_sess_counts(const struct tw_refl_sess *sess, struct tw_refl_counts *out)
{
	memset(out, 0, sizeof(*out));
	out->reflected = tw_ctr_get(&sess->reflected);
	out->last_valid.ns = atomic_load_explicit(&sess->last_valid_ns, memory_order_relaxed);
	for (unsigned i = 1; i < TW_REFL_DROP_N; i++) {
		out->drops[i] = tw_ctr_get(&sess->drops[i]);
		out->dropped += out->drops[i];
	}
}
