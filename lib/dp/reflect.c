/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests become replies: lib/reflect makes the payload, this file the headers around it, the
 * checksums and the transmission (PROTOCOL.md 4.7, 4.8 steps 7 to 10).
 */
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "cksum.h"
#include "dp_i.h"

#define TTL_SENT  255
#define STAMP_LEN 10 /* Timestamp and Error Estimate */

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
	const unsigned at = pkt->l4_off + sizeof(struct rte_udp_hdr);
	const unsigned in_buf = pkt->m->buf_len - pkt->m->data_off - at;
	const unsigned in_mtu = lp->port->mtu - (at - pkt->l3_off);

	return (uint16_t)RTE_MIN(in_buf, lp->port->mtu > at - pkt->l3_off ? in_mtu : 0);
}

static void
jobs_make(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = lc->scr->refl[i];

		lc->scr->rjob[i] = (struct tw_reflect_job){.sess = (struct tw_refl_sess *)pkt->sess,
			.payload = rte_pktmbuf_mtod_offset(
				pkt->m, uint8_t *, pkt->l4_off + sizeof(struct rte_udp_hdr)),
			.rx_len = pkt->pay_len,
			.room = room_of(lp, pkt),
			.ttl = pkt->ttl,
			.tos = pkt->tos,
			.t2 = pkt->rx};
	}
}

/* Back to where it came from. Tags stay as they are, priority included. */
static void
swap_ether(uint8_t *p)
{
	uint8_t mac[RTE_ETHER_ADDR_LEN];

	memcpy(mac, p, sizeof(mac));
	memcpy(p, p + RTE_ETHER_ADDR_LEN, sizeof(mac));
	memcpy(p + RTE_ETHER_ADDR_LEN, mac, sizeof(mac));
}

static uint64_t
reply_ipv4(const struct tw_port *port, uint8_t *p, uint16_t udp_len, uint8_t tos)
{
	struct rte_ipv4_hdr ip;
	rte_be32_t src;

	memcpy(&ip, p, sizeof(ip));
	src = ip.src_addr;
	ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tos,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + udp_len)),
		/* never a fragment, so the identification need not differ (RFC 6864 4.1) */
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL_SENT,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = ip.dst_addr,
		.dst_addr = src};
	if (!port->has_tx_ip_cksum)
		ip.hdr_checksum =
			(uint16_t)~cksum_fold(cksum_add(0, (const uint8_t *)&ip, sizeof(ip)));
	memcpy(p, &ip, sizeof(ip));
	return cksum_pseudo_v4(&ip, udp_len);
}

static uint64_t
reply_ipv6(uint8_t *p, uint16_t udp_len, uint8_t tos)
{
	struct rte_ipv6_hdr ip;
	uint8_t src[16];

	memcpy(&ip, p, sizeof(ip));
	memcpy(src, ip.src_addr, sizeof(src));
	memcpy(ip.src_addr, ip.dst_addr, sizeof(src));
	memcpy(ip.dst_addr, src, sizeof(src));
	ip.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tos << 20);
	ip.payload_len = rte_cpu_to_be_16(udp_len);
	ip.hop_limits = TTL_SENT;
	memcpy(p, &ip, sizeof(ip));
	return cksum_pseudo_v6(&ip, udp_len);
}

/*
 * Headers of a reply whose payload stands, but for T3 of formats that stamp last.
 * @return the sum for the UDP checksum, or what a device wants in its place
 */
static uint64_t
reply_headers(const struct tw_port *port, const struct pkt *pkt, const struct tw_reflect_job *job)
{
	uint8_t *frame = rte_pktmbuf_mtod(pkt->m, uint8_t *);
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + job->rep_len);
	struct rte_udp_hdr udp;
	uint16_t src_port;
	uint64_t sum;

	swap_ether(frame);
	sum = pkt->is_v6 ? reply_ipv6(frame + pkt->l3_off, udp_len, job->rep_tos)
			 : reply_ipv4(port, frame + pkt->l3_off, udp_len, job->rep_tos);
	memcpy(&udp, frame + pkt->l4_off, sizeof(udp));
	src_port = udp.src_port;
	udp.src_port = udp.dst_port;
	udp.dst_port = src_port;
	udp.dgram_len = rte_cpu_to_be_16(udp_len);
	udp.dgram_cksum = 0;
	if (port->has_tx_udp_cksum)
		udp.dgram_cksum = cksum_fold(sum);
	memcpy(frame + pkt->l4_off, &udp, sizeof(udp));
	pkt->m->data_len = (uint16_t)(pkt->l4_off + udp_len);
	pkt->m->pkt_len = pkt->m->data_len;
	if (port->has_tx_udp_cksum)
		return 0;
	return cksum_add(sum, frame + pkt->l4_off, udp_len);
}

static void
set_offloads(const struct tw_port *port, const struct pkt *pkt)
{
	struct rte_mbuf *m = pkt->m;

	/* flags of reception mean nothing on the way out */
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	if (!port->has_tx_udp_cksum && !port->has_tx_ip_cksum)
		return;
	m->l2_len = pkt->l3_off;
	m->l3_len = pkt->l4_off - pkt->l3_off;
	m->ol_flags |= pkt->is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (port->has_tx_ip_cksum && !pkt->is_v6)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (port->has_tx_udp_cksum)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
}

/* Frames of jobs to be answered into tx[]; the others are dropped with their reason. */
static unsigned
replies_make(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n)
{
	struct scratch *scr = lc->scr;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = scr->refl[i];

		if (unlikely(scr->rjob[i].drop != TW_REFL_OK)) {
			drop(lc, pkt->m, drop_ctr(&scr->rjob[i]));
			continue;
		}
		scr->sum[k] = reply_headers(lp->port, pkt, &scr->rjob[i]);
		set_offloads(lp->port, pkt);
		scr->job_of[k] = (uint8_t)i;
		scr->tx[k++] = pkt->m;
	}
	return k;
}

/*
 * T3 and the checksum that depends on it: the last writes before the device has the frames.
 * @return whether a reply carries a predicted departure instead
 */
static bool
stamp_all(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n,
	const struct tw_sess_stamp *t3)
{
	struct scratch *scr = lc->scr;
	bool is_predicted = false;

	for (unsigned k = 0; k < n; k++) {
		struct tw_reflect_job *job = &scr->rjob[scr->job_of[k]];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;
		uint64_t sum = scr->sum[k];
		uint16_t field;

		tw_reflect_stamp(job, t3);
		is_predicted |= fmt->prot == TW_TST_PROT_ENCR;
		if (lp->port->has_tx_udp_cksum)
			continue;
		if (fmt->prot != TW_TST_PROT_ENCR)
			sum = cksum_add(sum, job->payload + fmt->rep_t_off, STAMP_LEN);
		field = cksum_udp(sum);
		memcpy(job->payload - sizeof(struct rte_udp_hdr) +
				offsetof(struct rte_udp_hdr, dgram_cksum),
			&field, sizeof(field));
	}
	return is_predicted;
}

static void
transmit(struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n, uint64_t seal_tsc)
{
	struct scratch *scr = lc->scr;
	const struct tw_clock *clock = clock_of(lc, lp);
	struct est *est = &lc->est_tx[est_class(n)];
	const uint64_t tsc = rte_rdtsc();
	struct tw_sess_stamp t3;
	uint64_t end_tsc;
	bool is_predicted;
	unsigned sent;

	t3 = tw_sess_stamp_at(
		clock, tsc, TW_STAMP_TSC_TX, residue_ns(clock, est->mean_tsc + 4 * est->dev_tsc));
	is_predicted = stamp_all(lc, lp, n, &t3);
	sent = lp->is_live ? rte_eth_tx_burst(lp->eth_id, lp->queue, scr->tx, (uint16_t)n) : 0;
	end_tsc = rte_rdtsc();
	est_add(est, end_tsc - tsc);
	if (is_predicted)
		est_add(&lc->est_seal[est_class(n)], end_tsc - seal_tsc);
	for (unsigned k = sent; k < n; k++) {
		scr->rjob[scr->job_of[k]].is_refused = true;
		drop(lc, scr->tx[k], TW_DP_CTR_REPLY_TX_FULL);
	}
	count(lc, TW_DP_CTR_REFLECTED, sent);
}

void
reflect_burst(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n)
{
	const struct tw_clock *clock = clock_of(lc, lp);
	struct scratch *scr = lc->scr;
	const struct est *est;
	struct tw_sess_stamp t3;
	uint64_t seal_tsc = 0;
	unsigned k;

	jobs_make(lc, lp, n);
	k = tw_reflect_verify(lc->refl, scr->rjob, n);
	if (k > 0) {
		tw_reflect_build(lc->refl, scr->rjob, n);
		/* an encrypted reply carries its departure: now, plus what this burst will take */
		est = &lc->est_seal[est_class(k)];
		seal_tsc = rte_rdtsc();
		t3 = tw_sess_stamp_at(clock, seal_tsc + est->mean_tsc, TW_STAMP_TSC_TX,
			residue_ns(clock, 4 * est->dev_tsc));
		(void)tw_reflect_protect(lc->refl, scr->rjob, n, &t3);
	}
	k = replies_make(lc, lp, n);
	if (k > 0)
		transmit(lc, lp, k, seal_tsc);
	(void)tw_reflect_finish(scr->rjob, n);
}
