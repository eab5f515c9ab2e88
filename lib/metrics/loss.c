/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where packets were lost (PROTOCOL.md 6.4, RFC 6673 7): only sums over the session decide, since
 * gap by gap differences go wrong with reordering and duplicates. Names as there: H unanswered,
 * R numbers the reflector used, U distinct ones seen, M = R - U, D forward duplicates, H_t the
 * unanswered that may have been reflected after the last number seen.
 *
 * R counts from 0, where a reflector starts (RFC 5357 4.2.1). If the first numbers were never
 * seen and no unanswered packet went out early enough to explain them, the reflector started
 * elsewhere; if only reordering could explain them, they stay undetermined.
 */
#include "report_i.h"

/* H_t: unanswered packets sent so late that they may follow the last reply seen. */
static uint64_t
count_tail(const struct tw_metrics *m)
{
	tw_ns begin = tail_begin(m);
	uint64_t n = 0;

	for (uint64_t seq = m->next_seq; seq > m->cfg.first_seq && m->next_seq - seq < m->window;) {
		const struct slot *slot = &m->slot[--seq & m->mask];

		if (t1_time(slot->t1_ntp, m->epoch_since).ns <= begin.ns)
			return n;
		n += !(slot->flags & SLOT_ANSWERED);
	}
	if (m->out_tail != 0 && m->out_tail_t1.ns > begin.ns)
		n += m->out_tail;
	return n;
}

/*
 * Numbers below the lowest seen.
 * @param unclear  how many of them may belong to packets, but only after reordering
 * @return how many belong to unanswered packets for all we know
 */
static uint64_t
leading_numbers(const struct tw_metrics *m, uint64_t *unclear)
{
	int64_t pdv_ns = forward_variation_ns(m);
	uint64_t leading = m->r_min > R_BIAS ? m->r_min - R_BIAS : 0;
	uint64_t before = 0, near = 0;

	*unclear = 0;
	for (uint32_t i = 0; i < m->head_cnt; i++) {
		before += m->head[i].seq < m->r_min_seq;
		near += m->head[i].t1.ns <= m->r_min_t1.ns + pdv_ns;
	}
	if (leading <= before)
		return leading;
	if (m->head_cnt == HEAD_MAX && before == HEAD_MAX) { /* more may have gone before */
		*unclear = leading;
		return 0;
	}
	*unclear = leading < near ? leading : near;
	return 0;
}

/* Directions cannot be told apart: all is undetermined. */
static void
give_up(struct tw_metrics_report *out, uint64_t unanswered, uint8_t reason)
{
	out->lost_forward = (struct tw_metrics_count){.reason = reason};
	out->lost_reverse = out->lost_forward;
	out->missing_replies = out->lost_forward;
	out->lost_undetermined = (struct tw_metrics_count){.value = unanswered, .is_valid = true};
}

void
tw_metrics_fill_loss(const struct tw_metrics *m, struct tw_metrics_report *out)
{
	uint64_t unanswered = tw_ctr_get(&m->ctr.unanswered);
	uint64_t duplicates = tw_ctr_get(&m->ctr.duplicates_forward);
	bool is_lost = m->is_r_lost || (m->has_r && m->r_distinct > m->r_max - m->r_min + 1);
	uint64_t unclear, leading, missing, placed;
	uint64_t forward = 0, reverse = 0;

	out->lost = tw_ctr_get(&m->ctr.sent) - tw_ctr_get(&m->ctr.received);
	out->is_stateless = m->cfg.is_r_unknown && m->has_r && !m->is_r_differing;
	if (!m->has_r) {
		give_up(out, unanswered, TW_METRICS_R_NO_SAMPLES);
		return;
	}
	if (out->is_stateless || is_lost || tw_ctr_get(&m->ctr.epoch_changes) != 0) {
		give_up(out, unanswered,
			out->is_stateless ? TW_METRICS_R_STATELESS
			: is_lost         ? TW_METRICS_R_ORDER_UNKNOWN
					  : TW_METRICS_R_EPOCH_CHANGED);
		return;
	}
	leading = leading_numbers(m, &unclear);
	missing = m->r_max - m->r_min + 1 + leading - m->r_distinct;
	out->tail = count_tail(m);
	placed = missing + unclear + out->tail;
	if (unanswered > placed)
		forward = unanswered - placed;
	if (duplicates == 0 && missing <= unanswered)
		reverse = missing;
	out->missing_replies = (struct tw_metrics_count){.value = missing, .is_valid = true};
	out->lost_forward = (struct tw_metrics_count){.value = forward, .is_valid = true};
	out->lost_reverse = (struct tw_metrics_count){.value = reverse, .is_valid = true};
	out->lost_undetermined = (struct tw_metrics_count){
		.value = unanswered - forward - reverse, .is_valid = true};
}
