/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What every frame goes through, in the loop of its burst: a look at plain frames - parse_frame()
 * says the same of them, and more of all others - and the checksums.
 */
#ifndef DP_PARSE_H
#define DP_PARSE_H

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "cksum.h"
#include "dp_i.h"

/* Where things stand in a plain frame. */
#define PLAIN_SRC_OFF   (RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, src_addr))
#define PLAIN_DST_OFF   (RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, dst_addr))
#define PLAIN_PORTS_OFF (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))

/* Untagged IPv4 without options, whole and in order: what nearly every frame is.
 * @return false: parse_frame() must look, nothing of @p pkt holds */
static inline bool
parse_plain_v4(const struct tw_port *port, struct rte_mbuf *m, struct pkt *pkt)
{
	const uint16_t l4_off = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	unsigned total_len, udp_len;
	uint64_t a, b;

	if (m->nb_segs > 1 || m->data_len < l4_off + sizeof(struct rte_udp_hdr))
		return false;
	a = tw_load_be64(p + 12); /* EtherType, version and length, TOS, total length, ... */
	b = tw_load_be64(p + 20); /* flags and offset, TTL, protocol, ... */
	if (a >> 40 != (RTE_ETHER_TYPE_IPV4 << 8 | RTE_IPV4_VHL_DEF) ||
		(b >> 32 & 0x3fff00ff) != IPPROTO_UDP || (p[0] & 1) != 0)
		return false;
	if (port->is_mac_checked && memcmp(p, port->mac, RTE_ETHER_ADDR_LEN) != 0)
		return false;
	total_len = (unsigned)(a >> 16) & 0xffff;
	udp_len = tw_load_be32(p + l4_off + 4) >> 16;
	if (udp_len < sizeof(struct rte_udp_hdr) ||
		udp_len + sizeof(struct rte_ipv4_hdr) > total_len ||
		total_len + RTE_ETHER_HDR_LEN > m->data_len)
		return false;
	pkt->m = m;
	pkt->frame = p;
	pkt->l3_off = RTE_ETHER_HDR_LEN;
	pkt->l4_off = l4_off;
	pkt->pay_len = (uint16_t)(udp_len - sizeof(struct rte_udp_hdr));
	pkt->ttl = (uint8_t)(b >> 40);
	pkt->tos = (uint8_t)(a >> 32);
	pkt->is_v6 = false;
	return true;
}

/* The key of a plain frame. */
static inline void
plain_key_v4(const struct tw_port *port, const struct pkt *pkt, struct tw_sess_key *key)
{
	key->scope = (uint32_t)port->idx << 24;
	memcpy(&key->src_port_be, pkt->frame + pkt->l4_off, 2 * sizeof(key->src_port_be));
	tw_sess_key_map_v4(key->src, pkt->frame + PLAIN_SRC_OFF);
	tw_sess_key_map_v4(key->dst, pkt->frame + PLAIN_DST_OFF);
}

/* What tells plain frames of one port apart: most have the key of the one before. */
struct plain_flow {
	uint64_t addrs;
	uint64_t ports;
};

#define PLAIN_FLOW_NONE UINT64_MAX /* ports of no frame */

static inline struct plain_flow
plain_flow_of(const uint8_t *frame)
{
	struct plain_flow f = {0};

	memcpy(&f.addrs, frame + PLAIN_SRC_OFF, 8);
	memcpy(&f.ports, frame + PLAIN_PORTS_OFF, 4);
	return f;
}

/*
 * Checksums are verified only of packets that found a session: the kernel checks its own. The sum
 * of the padding is kept for the reply, unless it was the device that looked.
 */
/* @p addrs: out, the sum of source and destination. @return false: the IPv4 header is broken */
static inline bool
sum_ip(const struct pkt *pkt, uint64_t *addrs)
{
	const uint8_t *ip = pkt->frame + pkt->l3_off;
	uint64_t v;
	uint32_t c;

	if (unlikely(pkt->is_v6)) {
		*addrs = cksum_add(0, ip + offsetof(struct rte_ipv6_hdr, src_addr), 32);
		return true;
	}
	memcpy(addrs, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(*addrs));
	if ((pkt->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	memcpy(&v, ip, sizeof(v));
	memcpy(&c, ip + 8, sizeof(c));
	return cksum_fold(cksum_carry(cksum_carry(*addrs, v), c)) == 0xffff;
}

/*
 * Sum of the datagram. @p refl: format of a reflector's session, whose reply keeps padding and so
 * the sum of it; NULL: a sender's.
 */
static inline uint64_t
sum_udp(struct pkt *pkt, const uint8_t *udp, uint16_t udp_len, const struct tw_tst_fmt *refl)
{
	unsigned head, keep;
	uint64_t rest;

	if (refl == NULL || pkt->pay_len <= refl->rep_min)
		return cksum_octets(0, udp, udp_len);
	head = sizeof(struct rte_udp_hdr) + refl->req_min;
	keep = (unsigned)(pkt->pay_len - refl->rep_min);
	pkt->pad_sum = cksum_octets(0, udp + head, keep);
	pkt->has_pad_sum = true;
	rest = cksum_octets(0, udp + head + keep, udp_len - head - keep);
	return cksum_carry(cksum_octets(pkt->pad_sum, udp, head),
		((head + keep) & 1) != 0 ? cksum_odd(rest) : rest);
}

static inline enum tw_dp_ctr
verify_cksum(struct tw_dp_lcore *lc, const struct tw_port *port, struct pkt *pkt,
	const struct tw_tst_fmt *refl)
{
	const uint64_t hw = pkt->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	const uint8_t *udp = pkt->frame + pkt->l4_off;
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + pkt->pay_len);
	uint64_t pseudo, sum;
	uint16_t field;

	if (unlikely(!sum_ip(pkt, &pseudo)))
		return TW_DP_CTR_BAD_IP_CKSUM;
	memcpy(&field, udp + offsetof(struct rte_udp_hdr, dgram_cksum), sizeof(field));
	pkt->has_pad_sum = false;
	if (hw == RTE_MBUF_F_RX_L4_CKSUM_GOOD && field != 0)
		return TW_DP_CTR_N;
	pseudo = cksum_carry(pseudo, cksum_pseudo(udp_len));
	sum = sum_udp(pkt, udp, udp_len, refl);
	if (unlikely(field == 0)) {
		if (pkt->is_v6)
			return TW_DP_CTR_NO_UDP_CKSUM;
		count(lc, TW_DP_CTR_ZERO_CKSUM, 1);
		return TW_DP_CTR_N;
	}
	/* a device that says "bad" may be wrong (82599 and a checksum of zero): look again */
	if (likely(cksum_fold(cksum_carry(pseudo, sum)) == 0xffff))
		return TW_DP_CTR_N;
	/* a sender on this host left the rest to a device: its field holds the pseudo header */
	if (port->takes_partial_cksum &&
		(hw == RTE_MBUF_F_RX_L4_CKSUM_NONE || field == cksum_fold(pseudo))) {
		count(lc, TW_DP_CTR_PARTIAL_CKSUM, 1);
		return TW_DP_CTR_N;
	}
	return TW_DP_CTR_BAD_UDP_CKSUM;
}

#endif /* DP_PARSE_H */
