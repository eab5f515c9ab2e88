/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Replies to our senders: verified and measured by lib/send, then freed. Raw records go to their
 * own ring, so that they cannot crowd out what control must hear.
 */
#include <rte_mbuf.h>

#include "dp_i.h"

static enum tw_dp_ctr
drop_ctr(unsigned why)
{
	switch (why) {
	case TW_SEND_DROP_NOT_RUNNING:
		return TW_DP_CTR_NOT_LIVE;
	case TW_SEND_DROP_SHORT:
		return TW_DP_CTR_TOO_SHORT;
	case TW_SEND_DROP_AUTH_FAILED:
		return TW_DP_CTR_BAD_AUTH;
	case TW_SEND_DROP_BAD_MULTIPLIER:
		return TW_DP_CTR_BAD_ERROR_EST;
	case TW_SEND_DROP_SEQ_AHEAD:
	case TW_SEND_DROP_STALE:
		return TW_DP_CTR_BAD_REPLY;
	default:
		return TW_DP_CTR_REFUSED;
	}
}

static void
raw_push(struct tw_dp_lcore *lc, const struct tw_send_reply *r)
{
	struct tw_dp_raw raw = {.sess_id = r->sess->s.id, .sample = *r->sample};

	if (!tw_xcore_ring_push(lc->raw, &raw))
		count(lc, TW_DP_CTR_RAW_LOST, 1);
}

/*
 * A plain buffer of this pool goes back to it as it is; any other, the usual way. One of a single
 * segment has none after it: whether that is so would be another cache line.
 */
static inline bool
is_plain(struct rte_mbuf *m, const struct rte_mempool *pool)
{
	return m->pool == pool && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
	       m->nb_segs == 1;
}

void
collect_burst(struct tw_dp_lcore *lc, unsigned n)
{
	struct scratch *scr = lc->scr;
	struct rte_mempool *pool = scr->coll[0]->m->pool;
	unsigned good = 0, plain = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = scr->coll[i];
		struct tw_send_sess *s = (struct tw_send_sess *)pkt->sess;

		struct tw_send_reply *r = &scr->reply[i];

		r->sess = s;
		r->payload = pkt_payload(pkt);
		r->rx_len = pkt->pay_len;
		r->ttl = pkt->ttl;
		r->tos = pkt->tos;
		r->t4 = pkt->rx;
		r->sample = ((const struct dp_sender *)s)->has_raw ? &scr->sample[i] : NULL;
	}
	(void)tw_send_collect(lc->snd, scr->reply, n);
	phase_end(lc, PHASE_VERIFY);
	for (unsigned i = 0; i < n; i++) {
		const struct tw_send_reply *r = &scr->reply[i];
		struct rte_mbuf *m = scr->coll[i]->m;

		if (r->sample != NULL && r->cls != TW_METRICS_C_NONE)
			raw_push(lc, r);
		if (unlikely(r->drop != TW_SEND_OK))
			count(lc, drop_ctr(r->drop), 1);
		else
			good++;
		if (likely(is_plain(m, pool)))
			scr->rx[plain++] = m;
		else
			rte_pktmbuf_free(m);
	}
	count(lc, TW_DP_CTR_COLLECTED, good);
	if (plain > 0)
		rte_mempool_put_bulk(pool, (void **)scr->rx, plain);
	phase_end(lc, PHASE_TX);
}
