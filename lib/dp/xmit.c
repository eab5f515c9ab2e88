/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Senders: what lib/send says is due becomes frames - template, payload, checksum, T1 - and
 * leaves in bursts per port. A frame the device refuses is tried again by the schedule, not here.
 */
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include "cksum.h"
#include "depart.h"
#include "dp_i.h"
#include "gaps.h"

#define EVENTS      16
#define FETCH_AHEAD 4U /* buffers */

static struct dp_sender *
sender_of(struct tw_send_sess *s)
{
	return (struct dp_sender *)s; /* its first member */
}

static void
refuse(struct tw_dp_lcore *lc, struct tw_send_job *job, enum tw_dp_ctr why)
{
	job->is_refused = true;
	count(lc, why, 1);
}

/*
 * The frame of a job, headers filled in, in a buffer of its port: what a buffer from the pool does
 * not have already, and the device reads.
 */
static void
frame_begin(struct rte_mbuf *m, struct tw_send_job *job)
{
	const struct header *hdr = &sender_of(job->sess)->hdr;
	const uint16_t len = (uint16_t)(hdr->len + job->len);
	uint8_t *data = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->ol_flags = hdr->ol_flags;
	if (hdr->ol_flags != 0) /* else nobody reads it: a cache line less */
		m->tx_offload = hdr->tx_offload;
	m->pkt_len = len;
	m->data_len = len;
	memcpy(data, hdr->b, sizeof(hdr->b));
	job->payload = data + hdr->len;
	job->room = (uint16_t)(m->buf_len - RTE_PKTMBUF_HEADROOM - hdr->len);
}

/* All that will be written of a frame and its buffer, while others are taken care of. */
static void
fetch_buffer(const struct rte_mbuf *m)
{
	const char *data = (const char *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

	rte_prefetch0(data);
	rte_prefetch0(data + TW_CACHE_LINE);
	rte_prefetch0(data + 2 * TW_CACHE_LINE);
}

/* Jobs that leave by one port. */
struct group {
	uint8_t port_idx;
	uint8_t first, cnt; /* in order[], and their buffers in scr->rx[] */
};

/* Most bursts are of one port. @p order: jobs, port by port. @return how many groups */
static unsigned
groups_make(const struct scratch *scr, unsigned n, struct group *g, uint8_t *order)
{
	uint64_t left = UINT64_MAX >> (64 - n);
	unsigned cnt = 0, k = 0;

	_Static_assert(BURST <= 64, "bits of left");
	for (; left != 0; cnt++) {
		const uint8_t port_idx = sender_of(scr->sjob[__builtin_ctzll(left)].sess)->port_idx;

		g[cnt] = (struct group){.port_idx = port_idx, .first = (uint8_t)k};
		for (uint64_t rest = left; rest != 0; rest &= rest - 1) {
			const unsigned i = (unsigned)__builtin_ctzll(rest);

			if (sender_of(scr->sjob[i].sess)->port_idx != port_idx)
				continue;
			order[k++] = (uint8_t)i;
			left &= ~(UINT64_C(1) << i);
		}
		g[cnt].cnt = (uint8_t)(k - g[cnt].first);
	}
	return cnt;
}

/*
 * Buffers for the jobs of a port; if they do not suffice, the later jobs get none: within a session
 * the refused ones must be the last.
 * @return how many there are
 */
static unsigned
buffers_take(struct tw_dp_lcore *lc, const struct group *g, const uint8_t *jobs)
{
	struct scratch *scr = lc->scr;
	const struct lc_port *lp = &lc->port[g->port_idx];
	const bool is_live = lp->port != NULL && lp->is_live;
	struct rte_mbuf **m = &scr->rx[g->first];
	unsigned got = 0;

	if (likely(is_live && rte_mempool_get_bulk(lp->port->pool, (void **)m, g->cnt) == 0))
		return g->cnt;
	while (is_live && got < g->cnt && rte_mempool_get(lp->port->pool, (void **)&m[got]) == 0)
		got++;
	for (unsigned k = got; k < g->cnt; k++)
		refuse(lc, &scr->sjob[jobs[k]],
			is_live ? TW_DP_CTR_SEND_NO_BUF : TW_DP_CTR_SEND_TX_FULL);
	return got;
}

/* A buffer with the headers for each job. */
static void
frames_make(struct tw_dp_lcore *lc, struct group *g, const uint8_t *order)
{
	struct scratch *scr = lc->scr;
	struct rte_mbuf **m = &scr->rx[g->first];
	const uint8_t *jobs = &order[g->first];

	g->cnt = (uint8_t)buffers_take(lc, g, jobs);
	for (unsigned k = 0; k < RTE_MIN((unsigned)g->cnt, FETCH_AHEAD); k++)
		fetch_buffer(m[k]);
	for (unsigned k = 0; k < g->cnt; k++) {
		if (k + FETCH_AHEAD < g->cnt)
			fetch_buffer(m[k + FETCH_AHEAD]);
		frame_begin(m[k], &scr->sjob[jobs[k]]);
	}
}

/*
 * Sum of a request, T1 apart. Where it is in clear its parts are known: each begins at an even
 * place in every format, MBZ adds nothing.
 */
static inline uint64_t
request_sum(const struct tw_send_job *job)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;
	uint64_t sum = sender_of(job->sess)->hdr.sum;

	if (unlikely(fmt->prot == TW_TST_PROT_ENCR))
		return cksum_add(sum, job->payload, job->len);
	if (fmt->prot == TW_TST_PROT_OPEN)
		sum += htobe32((uint32_t)job->seq);
	else
		sum = cksum_16(cksum_16(sum, job->payload), job->payload + fmt->req_hmac_off);
	return cksum_add(sum, job->payload + fmt->req_min, (size_t)job->len - fmt->req_min);
}

/*
 * Frames of a port that are complete but for T1 into tx[], with their sums.
 * @return how many there are
 */
static unsigned
frames_take(struct tw_dp_lcore *lc, const struct group *g, const uint8_t *order)
{
	struct scratch *scr = lc->scr;
	const bool has_cksum = !lc->port[g->port_idx].port->has_tx_udp_cksum;
	unsigned n = 0;

	for (unsigned k = g->first; k < (unsigned)g->first + g->cnt; k++) {
		const struct tw_send_job *job = &scr->sjob[order[k]];

		if (unlikely(job->is_refused)) {
			/* building or protecting failed */
			count(lc, TW_DP_CTR_SEND_NO_BUF, 1);
			rte_pktmbuf_free(scr->rx[k]);
			continue;
		}
		if (has_cksum)
			scr->sum[n] = request_sum(job);
		scr->job_of[n] = order[k];
		scr->tx[n++] = scr->rx[k];
	}
	return n;
}

/* T1 as it is in the sum of a datagram. */
static inline uint64_t
sum_of(const struct tw_sess_stamp *t1)
{
	return cksum_word(rte_cpu_to_be_64(t1->ntp)) + (uint64_t)rte_cpu_to_be_16(t1->ee);
}

static inline void
write_cksum(const struct tw_send_job *job, uint64_t sum)
{
	const uint16_t field = cksum_udp(sum);

	memcpy(job->payload - sizeof(struct rte_udp_hdr) +
			offsetof(struct rte_udp_hdr, dgram_cksum),
		&field, sizeof(field));
}

/* What a stamp allows for was not enough. */
static void
enlarge(const struct tw_clock *clock, struct tw_sess_stamp *t1, int64_t late_tsc)
{
	uint32_t *error_ns = &t1->at.stamp_error_ns;

	if (late_tsc > 0 && *error_ns < TW_CLOCK_ERROR_UNKNOWN)
		*error_ns += RTE_MIN(
			residue_ns(clock, (uint64_t)late_tsc), TW_CLOCK_ERROR_UNKNOWN - *error_ns);
}

/* Stamps of a burst. */
struct stamps {
	struct tw_sess_stamp *t1;        /* of one port: of each frame, or one of all */
	unsigned step;                   /* 1 or 0 */
	struct tw_sess_stamp *predicted; /* by clock: of requests that are protected with them */
	struct tw_sess_stamp *sealed;    /* the one of this port's; NULL: it has no such request */
};

/*
 * The burst took longer than its stamps allow for: the CPU was away between the stamp and the
 * device. The packets say what they say; here it is known how wrong that may be.
 */
static void
left_late(struct tw_dp_lcore *lc, const struct lc_port *lp, const struct stamps *st, unsigned n,
	uint64_t end_tsc)
{
	const struct tw_clock *clock = clock_of(lc, lp);

	for (unsigned k = 0; k < (st->step != 0 ? n : 1); k++)
		enlarge(clock, &st->t1[k], (int64_t)(end_tsc - lc->scr->tx_by_tsc));
	if (st->sealed != NULL)
		enlarge(clock, st->sealed, (int64_t)(end_tsc - lc->scr->seal_by_tsc));
}

static void
stamp_all(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n, struct stamps *st)
{
	struct scratch *scr = lc->scr;
	const bool has_cksum = !lp->port->has_tx_udp_cksum;
	const unsigned step = st->step;
	const struct tw_sess_stamp *t1 = st->t1;
	uint64_t t1_sum = sum_of(t1);

	for (unsigned k = 0; k < n; k++, t1 += step) {
		struct tw_send_job *job = &scr->sjob[scr->job_of[k]];
		uint64_t sum = scr->sum[k];

		if (step != 0)
			t1_sum = sum_of(t1);
		if (unlikely(job->sess->s.fmt->prot == TW_TST_PROT_ENCR)) { /* T1 stands already */
			st->sealed = &st->predicted[job->sess->clock_idx];
			if (step != 0)
				scr->tx[k]->ol_flags &= ~lp->port->tx_sched_flag;
		} else {
			tw_send_stamp(job, t1);
			sum = cksum_carry(sum, t1_sum);
		}
		if (has_cksum)
			write_cksum(job, sum);
	}
}

/*
 * Stamp and send the jobs of one port, in order; @p st has room for a stamp of each.
 * @return when the device had them
 */
static uint64_t
transmit(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, unsigned burst, uint64_t seal_tsc,
	struct stamps *st)
{
	struct scratch *scr = lc->scr;
	unsigned sent, tries = DEPART_TRIES;
	struct departed d = {0};

	st->sealed = NULL;
	do {
		d.stamp_tsc = rte_rdtsc();
		st->step = departures(lc, lp, n, d.stamp_tsc, st->t1);
		stamp_all(lc, lp, n, st);
		d.seal_tsc = st->sealed != NULL ? seal_tsc : 0;
		d.tx_tsc = rte_rdtsc();
	} while (--tries > 0 && departure_is_missed(lc, n, &d));
	sent = rte_eth_tx_burst(lp->eth_id, lp->queue, scr->tx, (uint16_t)n);
	d.end_tsc = rte_rdtsc();
	departure_learn(lc, lp, n, burst, &d);
	count(lc, TW_DP_CTR_SENT, sent);
	if (unlikely((int64_t)(d.end_tsc - scr->tx_by_tsc) > 0)) {
		left_late(lc, lp, st, sent, d.end_tsc);
		count(lc, TW_DP_CTR_LEFT_LATE, sent);
	}
	for (unsigned k = sent; k < n; k++) {
		refuse(lc, &scr->sjob[scr->job_of[k]], TW_DP_CTR_SEND_TX_FULL);
		rte_pktmbuf_free(scr->tx[k]);
	}
	return d.end_tsc;
}

/*
 * Encrypted requests carry their departure: now, plus what this burst will take. By clock.
 * @return now; 0 if there are none
 */
static uint64_t
departures_predict(struct tw_dp_lcore *lc, unsigned n, struct tw_sess_stamp t1[TW_DP_CLOCKS_MAX])
{
	uint64_t seal_tsc = 0;
	uint32_t made = 0;

	for (unsigned i = 0; i < n; i++) {
		struct tw_send_sess *s = lc->scr->sjob[i].sess;

		if (s->s.fmt->prot != TW_TST_PROT_ENCR || (made & 1U << s->clock_idx) != 0)
			continue;
		if (made == 0)
			seal_tsc = rte_rdtsc();
		made |= 1U << s->clock_idx;
		t1[s->clock_idx] =
			departure_sealed(lc, &lc->port[sender_of(s)->port_idx], n, seal_tsc);
	}
	return seal_tsc;
}

unsigned
send_due(struct tw_dp_lcore *lc, int64_t now_ns)
{
	struct scratch *scr = lc->scr;
	struct tw_sess_stamp t1[TW_DP_CLOCKS_MAX];
	struct stamps st = {.t1 = scr->tx_stamp, .predicted = t1};
	struct group group[BURST];
	uint8_t order[BURST];
	uint64_t seal_tsc, left_tsc = 0;
	unsigned n, k, groups;

	if (tw_send_next_due(lc->snd) > now_ns)
		return 0;
	phase_end(lc, PHASE_TURN);
	n = tw_send_poll(lc->snd, now_ns, scr->sjob, BURST);
	if (n == 0)
		return 0;
	phase_end(lc, PHASE_LOOKUP);
	/* a call on purpose: on CPUs with AVX-512 it also has the wide units, which the last
	 * burst's pairs have left idle, ready again when this one's are computed */
	memset(scr->sum, 0, n * sizeof(scr->sum[0]));
	groups = groups_make(scr, n, group, order);
	for (unsigned i = 0; i < groups; i++)
		frames_make(lc, &group[i], order);
	phase_end(lc, PHASE_HEADERS);
	tw_send_build(lc->snd, scr->sjob, n);
	phase_end(lc, PHASE_BUILD);
	seal_tsc = departures_predict(lc, n, t1);
	tw_send_protect(lc->snd, scr->sjob, n, t1);
	phase_end(lc, PHASE_PROTECT);
	for (unsigned i = 0; i < groups; i++) {
		k = group[i].cnt != 0 ? frames_take(lc, &group[i], order) : 0;
		phase_end(lc, PHASE_CKSUM);
		if (k == 0)
			continue;
		left_tsc = transmit(lc, &lc->port[group[i].port_idx], k, n, seal_tsc, &st);
		st.t1 += k;
		phase_end(lc, PHASE_STAMP);
	}
	if (unlikely(left_tsc == 0)) /* nothing did */
		left_tsc = rte_rdtsc();
	n = tw_send_finish(lc->snd, scr->sjob, n, steady_at(lc, left_tsc));
	phase_end(lc, PHASE_FINISH);
	return n;
}

/* Events ------------------------------------------------------------------------------------- */

static struct tw_dp_event
event_of(const struct tw_dp_lcore *lc, const struct tw_send_sess *s, uint8_t type)
{
	return (struct tw_dp_event){
		.type = type, .lcore_idx = (uint8_t)lc->idx, .sess_id = s->s.id};
}

/* DONE must arrive: what does not fit waits in the sender's record. */
void
done_push(struct tw_dp_lcore *lc, struct dp_sender *sn, const struct tw_metrics_interval *rest,
	bool is_failed)
{
	struct tw_dp_event ev = event_of(lc, &sn->s, TW_DP_EVENT_SEND_DONE);

	ev.is_failed = is_failed;
	if (rest != NULL)
		ev.interval = *rest;
	if (lc->done_first == NULL && tw_xcore_ring_try_push(lc->event, &ev))
		return;
	sn->done = ev;
	sn->next_done = lc->done_first;
	lc->done_first = sn;
}

void
done_flush(struct tw_dp_lcore *lc)
{
	while (lc->done_first != NULL) {
		if (!tw_xcore_ring_try_push(lc->event, &lc->done_first->done))
			return;
		lc->done_first = lc->done_first->next_done;
	}
}

/* A sender on its way out is told of no more. */
void
done_forget(struct tw_dp_lcore *lc, const struct dp_sender *sn)
{
	for (struct dp_sender **at = &lc->done_first; *at != NULL; at = &(*at)->next_done) {
		if (*at == sn) {
			*at = sn->next_done;
			return;
		}
	}
}

void
send_tick(struct tw_dp_lcore *lc, uint64_t tsc, int64_t now_ns)
{
	struct tw_stamp now[TW_DP_CLOCKS_MAX];
	struct tw_send_event sev[EVENTS];
	struct tw_dp_event ev;
	unsigned n;

	for (unsigned i = 0; i < TW_DP_CLOCKS_MAX; i++)
		now[i] = tw_clock_stamp(&lc->clock[i], tsc, TW_STAMP_TSC_RX);
	n = tw_send_tick(lc->snd, now_ns, now, sev, EVENTS);
	lc->has_upkeep = true;

	/* more may be due: then not only after a whole period */
	lc->tick_due_ns = n < EVENTS ? now_ns + TICK_NS : now_ns;
	for (unsigned i = 0; i < n; i++) {
		gap_take(lc, sender_of(sev[i].sess), &sev[i].interval);
		if (sev[i].type == TW_SEND_EVENT_DONE) {
			done_push(lc, sender_of(sev[i].sess), &sev[i].interval, false);
			continue;
		}
		ev = event_of(lc, sev[i].sess, TW_DP_EVENT_SEND_REPORT);
		ev.interval = sev[i].interval;
		if (!tw_xcore_ring_push(lc->event, &ev))
			count(lc, TW_DP_CTR_REPORT_LOST, 1);
	}
}
