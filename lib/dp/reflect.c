/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests become replies: lib/reflect makes the payload, this file the headers around it, the
 * checksums and the transmission (PROTOCOL.md 4.7, 4.8 steps 7 to 10).
 */
#include <endian.h>
#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "cksum.h"
#include "depart.h"
#include "dp_i.h"

#define TTL_SENT 255

/* What lib/reflect calls it, as a row of drops.def. */
static enum tw_dp_ctr
drop_ctr(const struct tw_reflect_job *job)
{
	static const uint8_t map[TW_REFL_DROP_N] = {
		[TW_REFL_DROP_NOT_RUNNING] = TW_DP_CTR_NOT_LIVE,
		[TW_REFL_DROP_AFTER_TIMEOUT] = TW_DP_CTR_NOT_LIVE,
		[TW_REFL_DROP_SHORT] = TW_DP_CTR_TOO_SHORT,
		[TW_REFL_DROP_NO_ROOM] = TW_DP_CTR_NO_ROOM,
		[TW_REFL_DROP_AUTH_FAILED] = TW_DP_CTR_BAD_AUTH,
		[TW_REFL_DROP_BAD_MULTIPLIER] = TW_DP_CTR_BAD_ERROR_EST,
		[TW_REFL_DROP_TX_REFUSED] = TW_DP_CTR_REPLY_TX_FULL,
	};

	return map[job->drop] != 0 ? (enum tw_dp_ctr)map[job->drop] : TW_DP_CTR_REFUSED;
}

/* Room for a reply: the buffer, and one packet of the port's MTU. */
static uint16_t
room_of(const struct lc_port *lp, const struct pkt *pkt)
{
	const int at = pkt->l4_off + (int)sizeof(struct rte_udp_hdr);
	const int end = RTE_MIN(pkt->m->buf_len - pkt->m->data_off, pkt->l3_off + lp->port->mtu);

	return (uint16_t)RTE_MAX(end - at, 0);
}

/* Sum of the padding that a reply keeps, at its new place: taken when the request was verified. */
static uint64_t
padding_sum(const struct tw_tst_fmt *fmt, const struct pkt *pkt, unsigned keep)
{
	const uint64_t sum = pkt->has_pad_sum
				     ? pkt->pad_sum
				     : cksum_octets(0, pkt_payload(pkt) + fmt->req_min, keep);

	return ((fmt->rep_min - fmt->req_min) & 1) != 0 ? cksum_odd(sum) : sum;
}

#define HEADERS_PLAIN 48 /* octets: Ethernet, IPv4, UDP, and some more */

/* Down, over themselves or not: all is loaded before it is stored. */
static inline void
headers_copy(uint8_t *to, const uint8_t *from)
{
	typedef uint64_t words __attribute__((vector_size(16), aligned(1), may_alias));
	const words *src = (const words *)(const void *)from;
	words *dst = (words *)(void *)to;
	const words a = src[0], b = src[1], c = src[2];

	dst[0] = a;
	dst[1] = b;
	dst[2] = c;
}

/*
 * A reply's header is longer than its request's. The headers below move forward into the headroom,
 * so that much padding need not move back. @return octets that they moved
 */
static uint16_t
headers_forward(const struct tw_tst_fmt *fmt, struct pkt *pkt)
{
	const uint16_t more = (uint16_t)(fmt->rep_min - fmt->req_min);
	uint8_t *from = pkt->frame;

	if (rte_pktmbuf_headroom(pkt->m) < more)
		return 0;
	pkt->m->data_off = (uint16_t)(pkt->m->data_off - more);
	pkt->frame -= more;
	if (likely(pkt->l4_off + sizeof(struct rte_udp_hdr) <= HEADERS_PLAIN))
		headers_copy(pkt->frame, from);
	else
		memmove(pkt->frame, from, pkt->l4_off + sizeof(struct rte_udp_hdr));
	return more;
}

/* What the device completes, and what replies of a burst need. */
struct burst {
	bool has_ip_cksum, has_udp_cksum; /* the device's */
	bool is_predicted;                /* some reply carries a predicted departure */
};

static struct burst
jobs_make(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n)
{
	struct burst b = {.has_ip_cksum = lp->port->has_tx_ip_cksum,
		.has_udp_cksum = lp->port->has_tx_udp_cksum};

	for (unsigned i = 0; i < n; i++) {
		struct pkt *pkt = lc->scr->refl[i];
		const struct tw_tst_fmt *fmt = pkt->sess->fmt;
		struct tw_reflect_job *job = &lc->scr->rjob[i];

		/* what the phases set is not cleared here */
		job->sess = (struct tw_refl_sess *)pkt->sess;
		job->payload = pkt_payload(pkt);
		job->rx_len = pkt->pay_len;
		job->room = room_of(lp, pkt);
		job->ttl = pkt->ttl;
		job->tos = pkt->tos;
		job->t2 = pkt->rx;
		job->front = 0;
		lc->scr->pad_sum[i] = 0;
		if (pkt->pay_len > fmt->rep_min) {
			if (!b.has_udp_cksum)
				lc->scr->pad_sum[i] =
					padding_sum(fmt, pkt, pkt->pay_len - fmt->rep_min);
			job->front = headers_forward(fmt, pkt);
		}
		b.is_predicted |= fmt->prot == TW_TST_PROT_ENCR;
	}
	return b;
}

/* Back to where it came from. Tags stay as they are, priority included. */
static void
swap_ether(uint8_t *p)
{
#ifdef __SSSE3__
	/* the four octets behind the addresses stay */
	const __m128i swap = _mm_set_epi8(15, 14, 13, 12, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6);
	const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);

	_mm_storeu_si128((__m128i *)(void *)p, _mm_shuffle_epi8(x, swap));
#else
	uint8_t mac[RTE_ETHER_ADDR_LEN];

	memcpy(mac, p, sizeof(mac));
	memcpy(p, p + RTE_ETHER_ADDR_LEN, sizeof(mac));
	memcpy(p + RTE_ETHER_ADDR_LEN, mac, sizeof(mac));
#endif
}

/*
 * The header is written from registers, its sum taken from what is written: reading it back
 * would wait for the stores.
 * @return sum of the pseudo header
 */
static uint64_t
reply_ipv4(const struct burst *b, uint8_t *p, uint16_t udp_len, uint8_t tos)
{
	const uint16_t total_len = (uint16_t)(sizeof(struct rte_ipv4_hdr) + udp_len);
	/* version, length; never a fragment, so the identification need not differ (RFC 6864 4.1)
	 */
	const uint32_t first =
		htobe32((uint32_t)RTE_IPV4_VHL_DEF << 24 | (uint32_t)tos << 16 | total_len);
	const uint32_t second = htobe32(RTE_IPV4_HDR_DF_FLAG);
	const uint32_t third = htobe32((uint32_t)TTL_SENT << 24 | IPPROTO_UDP << 16);
	uint64_t addrs;
	uint16_t cksum;

	memcpy(&addrs, p + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(addrs));
	addrs = addrs << 32 | addrs >> 32;
	cksum = (uint16_t)~cksum_fold(cksum_carry(addrs, (uint64_t)first + second + third));
	memcpy(p, &first, sizeof(first));
	memcpy(p + 4, &second, sizeof(second));
	memcpy(p + 8, &third, sizeof(third));
	if (!b->has_ip_cksum)
		memcpy(p + offsetof(struct rte_ipv4_hdr, hdr_checksum), &cksum, sizeof(cksum));
	memcpy(p + offsetof(struct rte_ipv4_hdr, src_addr), &addrs, sizeof(addrs));
	return cksum_carry(addrs, cksum_pseudo(udp_len));
}

static uint64_t
reply_ipv6(uint8_t *p, uint16_t udp_len, uint8_t tos)
{
	uint64_t addrs[4], sum = 0;
	const uint32_t first = htobe32(6u << 28 | (uint32_t)tos << 20);
	const uint32_t second = htobe32((uint32_t)udp_len << 16 | IPPROTO_UDP << 8 | TTL_SENT);

	memcpy(addrs, p + offsetof(struct rte_ipv6_hdr, src_addr), sizeof(addrs));
	for (unsigned i = 0; i < 4; i++)
		sum += cksum_word(addrs[i]);
	memcpy(p, &first, sizeof(first));
	memcpy(p + 4, &second, sizeof(second));
	memcpy(p + offsetof(struct rte_ipv6_hdr, src_addr), &addrs[2], 16);
	memcpy(p + offsetof(struct rte_ipv6_hdr, dst_addr), &addrs[0], 16);
	return sum + cksum_pseudo(udp_len);
}

/*
 * Sum of the header of a reply, T3 and Error Estimate as they stand. Where it is in clear its parts
 * are known: each begins at an even place in every format, MBZ adds nothing.
 */
static uint64_t
header_sum(const struct tw_reflect_job *job)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;
	const uint8_t ttl[2] = {job->ttl};
	uint64_t sum;
	uint16_t v16;

	if (fmt->prot == TW_TST_PROT_ENCR)
		return cksum_octets(0, job->payload, fmt->rep_min);
	memcpy(&v16, ttl, sizeof(v16));
	sum = v16 + (uint64_t)job->echo.seq_be + job->echo.ee_be;
	sum = cksum_carry(cksum_carry(sum, job->echo.t1_be), htobe64(job->t2->ntp));
	if (fmt->prot == TW_TST_PROT_OPEN)
		return cksum_carry(sum, htobe32(job->seq));
	return cksum_16(cksum_16(sum, job->payload), job->payload + fmt->rep_hmac_off);
}

/*
 * Headers of a reply whose payload stands, but for T3 of formats that stamp last.
 * @return the sum for the UDP checksum, or 0 if the device makes it
 */
static uint64_t
reply_headers(const struct burst *b, const struct pkt *pkt, const struct tw_reflect_job *job,
	uint64_t pad_sum)
{
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + job->rep_len);
	uint8_t *udp = pkt->frame + pkt->l4_off;
	const uint16_t len_be = htobe16(udp_len);
	uint32_t ports;
	uint64_t sum;

	swap_ether(pkt->frame);
	/* a device that takes a tag off may not say which kind it was: net_af_packet does not */
	if (unlikely(pkt->l3_off != RTE_ETHER_HDR_LEN) && job->sess->outer_tpid != 0)
		tw_store_be16(pkt->frame + offsetof(struct rte_ether_hdr, ether_type),
			job->sess->outer_tpid);
	sum = pkt->is_v6 ? reply_ipv6(pkt->frame + pkt->l3_off, udp_len, job->rep_tos)
			 : reply_ipv4(b, pkt->frame + pkt->l3_off, udp_len, job->rep_tos);
	memcpy(&ports, udp, sizeof(ports));
	ports = ports << 16 | ports >> 16;
	memcpy(udp, &ports, sizeof(ports));
	memcpy(udp + offsetof(struct rte_udp_hdr, dgram_len), &len_be, sizeof(len_be));
	pkt->m->data_len = (uint16_t)(pkt->l4_off + udp_len);
	pkt->m->pkt_len = pkt->m->data_len;
	if (b->has_udp_cksum) {
		const uint16_t field = cksum_fold(sum);

		memcpy(udp + offsetof(struct rte_udp_hdr, dgram_cksum), &field, sizeof(field));
		return 0;
	}
	sum = cksum_carry(sum, ports + (uint64_t)len_be + pad_sum);
	return cksum_carry(sum, header_sum(job));
}

static void
set_offloads(const struct burst *b, const struct pkt *pkt)
{
	struct rte_mbuf *m = pkt->m;

	/* flags of reception mean nothing on the way out */
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	if (!b->has_udp_cksum && !b->has_ip_cksum)
		return;
	m->l2_len = pkt->l3_off;
	m->l3_len = pkt->l4_off - pkt->l3_off;
	m->ol_flags |= pkt->is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (b->has_ip_cksum && !pkt->is_v6)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (b->has_udp_cksum)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
}

/* Frames of jobs to be answered into tx[]; the others are dropped with their reason. */
static unsigned
replies_make(struct tw_dp_lcore *lc, const struct burst *b, unsigned n)
{
	struct scratch *scr = lc->scr;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = scr->refl[i];

		if (unlikely(scr->rjob[i].drop != TW_REFL_OK)) {
			drop(lc, pkt->m, drop_ctr(&scr->rjob[i]));
			continue;
		}
		scr->sum[k] = reply_headers(b, pkt, &scr->rjob[i], scr->pad_sum[i]);
		set_offloads(b, pkt);
		scr->job_of[k] = (uint8_t)i;
		scr->tx[k++] = pkt->m;
	}
	return k;
}

/* T3 and the checksum that depends on it: the last writes before the device has the frames. */
static void
stamp_all(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n,
	const struct tw_sess_stamp *t3, unsigned t3_step)
{
	const bool has_cksum = !lp->port->has_tx_udp_cksum;
	const struct tw_sess_stamp *t2 = NULL; /* mostly one for the whole burst */
	struct scratch *scr = lc->scr;
	uint64_t stamp_sum = 0;
	uint16_t ee = 0;

	for (unsigned k = 0; k < n; k++, t3 += t3_step) {
		const struct tw_reflect_job *job = &scr->rjob[scr->job_of[k]];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;
		uint64_t sum = scr->sum[k];
		uint16_t field;

		if (fmt->prot != TW_TST_PROT_ENCR) {
			if (job->t2 != t2 || t3_step != 0) {
				t2 = job->t2;
				ee = tw_reflect_ee(job, t3);
				stamp_sum = cksum_word(htobe64(t3->ntp)) + htobe16(ee);
			}
			tw_tst_stamp_rep(fmt, job->payload, t3->ntp, ee);
			sum = cksum_carry(sum, stamp_sum);
		} else if (t3_step != 0) {
			scr->tx[k]->ol_flags &= ~lp->port->tx_sched_flag; /* T3 stands already */
		}
		if (!has_cksum)
			continue;
		field = cksum_udp(sum);
		memcpy(job->payload - sizeof(struct rte_udp_hdr) +
				offsetof(struct rte_udp_hdr, dgram_cksum),
			&field, sizeof(field));
	}
}

static void
transmit(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, bool is_predicted,
	uint64_t seal_tsc)
{
	struct scratch *scr = lc->scr;
	struct departed d = {.seal_tsc = is_predicted ? seal_tsc : 0};
	unsigned sent, step, tries = DEPART_TRIES;

	do {
		d.stamp_tsc = rte_rdtsc();
		step = departures(lc, lp, n, d.stamp_tsc, scr->tx_stamp);
		stamp_all(lc, lp, n, scr->tx_stamp, step);
		d.tx_tsc = rte_rdtsc();
	} while (--tries > 0 && departure_is_missed(lc, n, &d));
	phase_end(lc, PHASE_STAMP);
	sent = lp->is_live ? rte_eth_tx_burst(lp->eth_id, lp->queue, scr->tx, (uint16_t)n) : 0;
	d.end_tsc = rte_rdtsc();
	phase_end(lc, PHASE_TX);
	departure_learn(lc, lp, n, n, &d);
	if (unlikely((int64_t)(d.end_tsc - (is_predicted ? scr->seal_by_tsc : scr->tx_by_tsc)) > 0))
		count(lc, TW_DP_CTR_REPLY_LATE, sent);
	for (unsigned k = sent; k < n; k++) {
		scr->rjob[scr->job_of[k]].is_refused = true;
		drop(lc, scr->tx[k], TW_DP_CTR_REPLY_TX_FULL);
	}
	count(lc, TW_DP_CTR_REFLECTED, sent);
}

void
reflect_burst(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n)
{
	struct scratch *scr = lc->scr;
	struct tw_sess_stamp t3 = {0};
	const struct burst b = jobs_make(lc, lp, n);
	uint64_t seal_tsc = 0;
	unsigned k;

	k = tw_reflect_verify(lc->refl, scr->rjob, n);
	phase_end(lc, PHASE_VERIFY);
	if (k > 0)
		k = tw_reflect_build(lc->refl, scr->rjob, n);
	phase_end(lc, PHASE_BUILD);
	if (k > 0 && b.is_predicted) {
		seal_tsc = rte_rdtsc();
		t3 = departure_sealed(lc, lp, k, seal_tsc);
	}
	if (k > 0 && lc->refl->unsealed > 0)
		(void)tw_reflect_protect(lc->refl, scr->rjob, n, &t3);
	phase_end(lc, PHASE_PROTECT);
	k = replies_make(lc, &b, n);
	phase_end(lc, PHASE_HEADERS);
	if (k > 0)
		transmit(lc, lp, k, b.is_predicted, seal_tsc);
	(void)tw_reflect_finish(lc->refl, scr->rjob, n);
	phase_end(lc, PHASE_FINISH);
}
