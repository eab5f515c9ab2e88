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

/* Plain buffers of one pool go back to it as they are; what is anything else, the usual way. */
static inline void
free_all(struct rte_mbuf **m, unsigned n)
{
	struct rte_mempool *pool = m[0]->pool;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *x = m[i];

		if (likely(x->pool == pool && rte_mbuf_refcnt_read(x) == 1 && RTE_MBUF_DIRECT(x) &&
			    x->next == NULL && x->nb_segs == 1))
			m[k++] = x;
		else
			rte_pktmbuf_free(x);
	}
	if (k > 0)
		rte_mempool_put_bulk(pool, (void **)m, k);
}

void
collect_burst(struct tw_dp_lcore *lc, unsigned n)
{
	struct scratch *scr = lc->scr;
	unsigned good = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = scr->coll[i];
		struct tw_send_sess *s = (struct tw_send_sess *)pkt->sess;

		struct tw_send_reply *r = &scr->reply[i];

		rte_mbuf_prefetch_part2(pkt->m); /* freed in the end */
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

		if (r->sample != NULL && r->cls != TW_METRICS_C_NONE)
			raw_push(lc, r);
		scr->rx[i] = scr->coll[i]->m;
		if (unlikely(r->drop != TW_SEND_OK))
			count(lc, drop_ctr(r->drop), 1);
		else
			good++;
	}
	count(lc, TW_DP_CTR_COLLECTED, good);
	free_all(scr->rx, n);
	phase_end(lc, PHASE_TX);
}
