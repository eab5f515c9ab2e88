/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Arriving frames: parse all, look up all, then give each to the session's role here, to the
 * lcore that owns the session, to the kernel, or to a drop counter.
 */
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "dp_i.h"
#include "nic.h"
#include "parse.h"

#define PREFETCH_AHEAD 6

/* A tag the device took off goes back on: everything behind expects frames as they were sent. */
static bool
restore_tag(struct rte_mbuf **m)
{
	if (likely(((*m)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0))
		return true;
	(*m)->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
	return rte_vlan_insert(m) == 0;
}

/* Everything that is no test packet of a live session. */
static void
not_ours(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf *m)
{
	if (lp->port->cfg.attach == TW_PORT_SHARED)
		drop(lc, m, TW_DP_CTR_IGNORED);
	else
		exc_to_kernel(lc, lp, m);
}

/* The lines of a short frame. */
static inline void
fetch_frame(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	rte_prefetch0(p);
	rte_prefetch0(p + TW_CACHE_LINE);
	rte_prefetch0(p + 2 * TW_CACHE_LINE);
}

/*
 * Parse a burst into pkt[] and key[], one key for all packets of a flow that follow each other.
 * @return those that may belong to a session
 */
static unsigned
parse_burst(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf **m, unsigned n,
	const struct tw_sess_stamp *stamp, unsigned stamp_step)
{
	const struct tw_port *port = lp->port;
	struct tw_sess_key *key = lc->scr->key;
	struct pkt *pkt = lc->scr->pkt;
	struct plain_flow flow = {.ports = PLAIN_FLOW_NONE}, next;
	unsigned key_cnt = 0;
	enum tw_dp_ctr why;

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(m[i]);
	for (unsigned i = 0; i < RTE_MIN(n, (unsigned)PREFETCH_AHEAD); i++)
		fetch_frame(m[i]);
	for (unsigned i = 0; i < n; i++, stamp += stamp_step) {
		if (i + PREFETCH_AHEAD < n)
			fetch_frame(m[i + PREFETCH_AHEAD]);
		if (unlikely(!restore_tag(&m[i]))) {
			drop(lc, m[i], TW_DP_CTR_NO_ROOM);
			continue;
		}
		pkt->rx = stamp;
		if (likely(parse_plain_v4(port, m[i], pkt))) {
			next = plain_flow_of(rte_pktmbuf_mtod(m[i], const uint8_t *));
			if ((next.addrs ^ flow.addrs) | (next.ports ^ flow.ports)) {
				plain_key_v4(port, pkt, &key[key_cnt++]);
				flow = next;
			}
			pkt++->key_idx = (uint8_t)(key_cnt - 1);
			continue;
		}
		why = parse_frame(port, m[i], pkt, &key[key_cnt]);
		if (why == TW_DP_CTR_N) {
			flow.ports = PLAIN_FLOW_NONE;
			pkt++->key_idx = (uint8_t)key_cnt++;
		} else if (why == TW_DP_CTR_EXCEPTION) {
			not_ours(lc, lp, m[i]);
		} else {
			drop(lc, m[i], why);
		}
	}
	return (unsigned)(pkt - lc->scr->pkt);
}

/* Another lcore's session: it gets the frame with its arrival. */
static void
hand_over(
	struct tw_dp_lcore *lc, struct rte_mbuf *m, unsigned to, uint64_t t2_tsc, uint64_t wait_tsc)
{
	*handover_of(lc->dp, m) = (struct handover){.t2_tsc = t2_tsc, .wait_tsc = wait_tsc};
	if (rte_ring_sp_enqueue(lc->to[to], m) == 0)
		count(lc, TW_DP_CTR_HANDOVER_OUT, 1);
	else
		drop(lc, m, TW_DP_CTR_HANDOVER_FULL);
}

/* Whether a reflector's packet will need its keys: no pairs are computed ahead. */
static inline bool
needs_keys(const struct tw_sess *s)
{
	return s->fmt->prot != TW_TST_PROT_OPEN && ((const struct tw_refl_sess *)s)->pairs == 0;
}

/*
 * Look up and split n parsed packets of one port. A frame that was handed over already stays
 * here: if its session moved on meanwhile it is nobody's.
 */
static void
dispatch(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, uint64_t t2_tsc, uint64_t wait_tsc,
	bool may_hand_over)
{
	struct scratch *scr = lc->scr;
	unsigned refl_cnt = 0, coll_cnt = 0, key_cnt = 0;
	uint64_t entry[BURST], last = ENTRY_NONE;

	table_find(lc->table, scr->key, scr->pkt[n - 1].key_idx + 1u, entry);
	phase_end(lc, PHASE_LOOKUP);
	for (unsigned i = 0; i < n; i++) {
		struct pkt *pkt = &scr->pkt[i];
		const uint64_t e = entry[pkt->key_idx];
		enum tw_dp_ctr why;

		if (e == ENTRY_NONE) {
			not_ours(lc, lp, pkt->m);
			continue;
		}
		if (entry_owner(e) != lc->idx) {
			if (may_hand_over)
				hand_over(lc, pkt->m, entry_owner(e), t2_tsc, wait_tsc);
			else
				not_ours(lc, lp, pkt->m);
			continue;
		}
		pkt->sess = entry_sess(e);
		if (e != last && key_cnt < KEYS_AHEAD && (e & ENTRY_SENDER) == 0 &&
			needs_keys(pkt->sess)) {
			/* the last line follows with the verification: all are too many misses */
			for (unsigned line = 2; line < TW_REFL_HOT_LINES - 1; line++)
				tw_refl_fetch(pkt->sess, line);
			key_cnt++;
		}
		last = e;
		why = verify_cksum(
			lc, lp->port, pkt, (e & ENTRY_SENDER) == 0 ? pkt->sess->fmt : NULL);
		if (unlikely(why != TW_DP_CTR_N))
			drop(lc, pkt->m, why);
		else if ((e & ENTRY_SENDER) != 0)
			scr->coll[coll_cnt++] = pkt;
		else
			scr->refl[refl_cnt++] = pkt;
	}
	phase_end(lc, PHASE_CKSUM);
	if (refl_cnt > 0)
		reflect_burst(lc, lp, refl_cnt);
	if (coll_cnt > 0)
		collect_burst(lc, coll_cnt);
}

/*
 * When frames arrived that may have waited up to @p wait_tsc: half of that earlier on average, but
 * no more than half of what it usually is. A turn that lost its CPU says nothing about where in it
 * they came, and must not make delays look shorter than they were. @p wait_tsc becomes the bound
 * of the error.
 */
static inline uint64_t
arrival(const struct tw_dp_lcore *lc, struct lc_port *lp, uint64_t tsc, uint64_t *wait_tsc)
{
	const uint64_t early_tsc = RTE_MIN(*wait_tsc, lp->wait.mean_tsc) / 2;

	est_add(&lp->wait, RTE_MIN(*wait_tsc, lc->gap_tsc));
	*wait_tsc -= early_tsc;
	return tsc - early_tsc;
}

unsigned
rx_queue(struct tw_dp_lcore *lc, struct lc_port *lp)
{
	const struct tw_clock *clock = clock_of(lc, lp);
	struct scratch *scr = lc->scr;
	uint64_t begin_tsc = rte_rdtsc(), tsc, wait_tsc, t2_tsc;
	unsigned step = 0; /* one stamp for all */
	const unsigned n = rte_eth_rx_burst(lp->eth_id, lp->queue, scr->rx, BURST);
	unsigned k;

	if (n == 0) {
		lp->empty_tsc = begin_tsc;
		return 0;
	}
	tsc = rte_rdtsc();
	/* the oldest came after the queue was last seen empty */
	wait_tsc = tsc - lp->empty_tsc;
	if (n < BURST)
		lp->empty_tsc = begin_tsc;
	phase_end(lc, PHASE_RX);
	count(lc, TW_DP_CTR_RX, n);
	t2_tsc = arrival(lc, lp, tsc, &wait_tsc);
	scr->stamp[0] =
		tw_sess_stamp_at(clock, t2_tsc, TW_STAMP_TSC_RX, residue_ns(clock, wait_tsc));
	if (unlikely(lp->rx_stamps != TW_DP_RX_SOFTWARE)) {
		nic_arrivals(lc, lp, scr->rx, n, scr->stamp, tsc, wait_tsc);
		step = 1;
	}
	k = parse_burst(lc, lp, scr->rx, n, scr->stamp, step);
	phase_end(lc, PHASE_PARSE);
	if (k > 0)
		dispatch(lc, lp, k, t2_tsc, wait_tsc, true);
	return n;
}

/* Frames of one port at a time; the rest of the burst waits for the next round. */
static unsigned
handover_run(struct tw_dp_lcore *lc, struct rte_mbuf **m, unsigned n)
{
	struct scratch *scr = lc->scr;
	struct lc_port *lp = NULL;
	struct tw_sess_stamp soft;
	unsigned run = 0, k;

	for (unsigned i = 0; i < lc->pair_cnt; i++)
		if (lc->port[lc->pair[i]].eth_id == m[0]->port)
			lp = &lc->port[lc->pair[i]];
	while (run < n && m[run]->port == m[0]->port)
		run++;
	if (lp == NULL) {
		for (unsigned i = 0; i < run; i++)
			drop(lc, m[i], TW_DP_CTR_PORT_GONE);
		return run;
	}
	for (unsigned i = 0; i < run; i++) {
		const struct handover *h = handover_of(lc->dp, m[i]);

		scr->stamp[i] = tw_sess_stamp_at(clock_of(lc, lp), h->t2_tsc, TW_STAMP_TSC_RX,
			residue_ns(clock_of(lc, lp), h->wait_tsc));
		soft = scr->stamp[i];
		if (unlikely(lp->rx_stamps != TW_DP_RX_SOFTWARE))
			nic_arrival(lc, lp, m[i], &soft, h->t2_tsc, h->wait_tsc, &scr->stamp[i]);
	}
	k = parse_burst(lc, lp, m, run, scr->stamp, 1);
	if (k > 0)
		dispatch(lc, lp, k, 0, 0, false);
	return run;
}

unsigned
rx_handover(struct tw_dp_lcore *lc)
{
	struct rte_mbuf *m[BURST];
	unsigned total = 0, n;

	for (unsigned i = 0; i < lc->dp->cfg.lcore_cnt; i++) {
		if (lc->from[i] == NULL)
			continue;
		n = rte_ring_sc_dequeue_burst(lc->from[i], (void **)m, BURST, NULL);
		if (n == 0)
			continue;
		count(lc, TW_DP_CTR_HANDOVER_IN, n);
		total += n;
		for (unsigned done = 0; done < n;)
			done += handover_run(lc, m + done, n - done);
	}
	return total;
}
