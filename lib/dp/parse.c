/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * From a frame to the key of a session: Ethernet, up to two VLAN tags, IPv4 or IPv6, UDP. Each
 * length is checked before what it covers is read. What a test packet never is - options,
 * extension headers, fragments, other protocols - is the kernel's; what is malformed is dropped.
 *
 * Checksums are verified only of packets that found a session: the kernel checks its own.
 */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "cksum.h"
#include "dp_i.h"

#define PARSED    TW_DP_CTR_N
#define EXCEPTION TW_DP_CTR_EXCEPTION

/* What is left of a frame. */
struct cursor {
	const uint8_t *p;
	uint32_t left;
	uint16_t off;
};

static inline void
advance(struct cursor *c, uint16_t n)
{
	c->p += n;
	c->left -= n;
	c->off = (uint16_t)(c->off + n);
}

static inline bool
is_tag(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ||
	       type == RTE_ETHER_TYPE_QINQ1;
}

/* @p vlans: ids of the tags, outer first, 12 bits each. */
static inline enum tw_dp_ctr
parse_ether(const struct tw_port *port, struct cursor *c, uint32_t *vlans, uint16_t *type)
{
	if (unlikely(c->left < RTE_ETHER_HDR_LEN))
		return TW_DP_CTR_SHORT_ETHER;
	if (unlikely(c->p[0] & 1))
		return EXCEPTION; /* multicast: no test packet */
	if (port->is_mac_checked && memcmp(c->p, port->mac, RTE_ETHER_ADDR_LEN) != 0)
		return EXCEPTION;
	*type = tw_load_be16(c->p + 12);
	advance(c, RTE_ETHER_HDR_LEN);
	*vlans = 0;
	for (unsigned i = 0; unlikely(is_tag(*type)); i++) {
		if (i == TW_DP_VLANS_MAX)
			return EXCEPTION;
		if (c->left < 4)
			return TW_DP_CTR_SHORT_ETHER;
		*vlans = *vlans << 12 | (tw_load_be16(c->p) & 0xfffu);
		*type = tw_load_be16(c->p + 2);
		advance(c, 4);
	}
	return PARSED;
}

static inline enum tw_dp_ctr
parse_ipv4(struct cursor *c, struct pkt *pkt, struct tw_sess_key *key)
{
	struct rte_ipv4_hdr ip;
	unsigned hdr_len, total_len;

	if (unlikely(c->left < sizeof(ip)))
		return TW_DP_CTR_SHORT_IP;
	memcpy(&ip, c->p, sizeof(ip));
	hdr_len = rte_ipv4_hdr_len(&ip);
	total_len = rte_be_to_cpu_16(ip.total_length);
	if (unlikely(ip.version_ihl >> 4 != 4 || hdr_len < sizeof(ip)))
		return TW_DP_CTR_BAD_IP_HEADER;
	if (unlikely(total_len < hdr_len || total_len > c->left))
		return TW_DP_CTR_BAD_IP_LEN;
	if (hdr_len > sizeof(ip) || ip.next_proto_id != IPPROTO_UDP ||
		(ip.fragment_offset &
			rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return EXCEPTION;
	pkt->is_v6 = false;
	pkt->ttl = ip.time_to_live;
	pkt->tos = ip.type_of_service;
	tw_sess_key_map_v4(key->src, &ip.src_addr);
	tw_sess_key_map_v4(key->dst, &ip.dst_addr);
	c->left = total_len; /* Ethernet padding goes */
	advance(c, sizeof(ip));
	return PARSED;
}

static inline enum tw_dp_ctr
parse_ipv6(struct cursor *c, struct pkt *pkt, struct tw_sess_key *key)
{
	struct rte_ipv6_hdr ip;
	unsigned payload_len;

	if (unlikely(c->left < sizeof(ip)))
		return TW_DP_CTR_SHORT_IP;
	memcpy(&ip, c->p, sizeof(ip));
	payload_len = rte_be_to_cpu_16(ip.payload_len);
	if (unlikely(c->p[0] >> 4 != 6))
		return TW_DP_CTR_BAD_IP_HEADER;
	if (unlikely(payload_len > c->left - sizeof(ip)))
		return TW_DP_CTR_BAD_IP_LEN;
	if (ip.proto != IPPROTO_UDP)
		return EXCEPTION;
	pkt->is_v6 = true;
	pkt->ttl = ip.hop_limits;
	pkt->tos = (uint8_t)(rte_be_to_cpu_32(ip.vtc_flow) >> 20);
	memcpy(key->src, ip.src_addr, sizeof(key->src));
	memcpy(key->dst, ip.dst_addr, sizeof(key->dst));
	advance(c, sizeof(ip));
	c->left = payload_len;
	return PARSED;
}

static inline enum tw_dp_ctr
parse_udp(struct cursor *c, struct pkt *pkt, struct tw_sess_key *key)
{
	struct rte_udp_hdr udp;
	unsigned len;

	if (unlikely(c->left < sizeof(udp)))
		return TW_DP_CTR_SHORT_UDP;
	memcpy(&udp, c->p, sizeof(udp));
	len = rte_be_to_cpu_16(udp.dgram_len);
	if (unlikely(len < sizeof(udp) || len > c->left))
		return TW_DP_CTR_BAD_UDP_LEN;
	key->src_port_be = udp.src_port;
	key->dst_port_be = udp.dst_port;
	pkt->pay_len = (uint16_t)(len - sizeof(udp));
	return PARSED;
}

/* Untagged IPv4 without options, whole and in order: what nearly every frame is. */
static inline bool
parse_plain_v4(
	const struct tw_port *port, struct rte_mbuf *m, struct pkt *pkt, struct tw_sess_key *key)
{
	const uint16_t l4_off = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	const uint8_t *ip = p + RTE_ETHER_HDR_LEN;
	unsigned total_len, udp_len;

	if (m->nb_segs > 1 || m->data_len < l4_off + sizeof(struct rte_udp_hdr) ||
		(p[0] & 1) != 0 || tw_load_be16(p + 12) != RTE_ETHER_TYPE_IPV4 ||
		ip[0] != RTE_IPV4_VHL_DEF ||
		(tw_load_be16(ip + 6) & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
		ip[9] != IPPROTO_UDP)
		return false;
	if (port->is_mac_checked && memcmp(p, port->mac, RTE_ETHER_ADDR_LEN) != 0)
		return false;
	total_len = tw_load_be16(ip + 2);
	udp_len = tw_load_be16(p + l4_off + 4);
	if (udp_len < sizeof(struct rte_udp_hdr) ||
		udp_len + sizeof(struct rte_ipv4_hdr) > total_len ||
		total_len + RTE_ETHER_HDR_LEN > m->data_len)
		return false;
	pkt->m = m;
	pkt->frame = p;
	pkt->l3_off = RTE_ETHER_HDR_LEN;
	pkt->l4_off = l4_off;
	pkt->pay_len = (uint16_t)(udp_len - sizeof(struct rte_udp_hdr));
	pkt->ttl = ip[8];
	pkt->tos = ip[1];
	pkt->is_v6 = false;
	key->scope = (uint32_t)port->idx << 24;
	memcpy(&key->src_port_be, p + l4_off, 2 * sizeof(key->src_port_be));
	tw_sess_key_map_v4(key->src, ip + 12);
	tw_sess_key_map_v4(key->dst, ip + 16);
	return true;
}

enum tw_dp_ctr
parse_frame(
	const struct tw_port *port, struct rte_mbuf *m, struct pkt *pkt, struct tw_sess_key *key)
{
	enum tw_dp_ctr why;
	struct cursor c;
	uint32_t vlans;
	uint16_t type;

	if (likely(parse_plain_v4(port, m, pkt, key)))
		return PARSED;
	if (unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) != 0)
		return TW_DP_CTR_SEGMENTED;
	c = (struct cursor){.p = rte_pktmbuf_mtod(m, const uint8_t *), .left = m->data_len};
	why = parse_ether(port, &c, &vlans, &type);
	if (why != PARSED)
		return why;
	pkt->m = m;
	pkt->frame = rte_pktmbuf_mtod(m, uint8_t *);
	pkt->l3_off = c.off;
	if (likely(type == RTE_ETHER_TYPE_IPV4))
		why = parse_ipv4(&c, pkt, key);
	else if (type == RTE_ETHER_TYPE_IPV6)
		why = parse_ipv6(&c, pkt, key);
	else
		return EXCEPTION;
	if (why != PARSED)
		return why;
	pkt->l4_off = c.off;
	key->scope = (uint32_t)port->idx << 24 | vlans;
	return parse_udp(&c, pkt, key);
}

static bool
ip_cksum_is_good(const struct pkt *pkt)
{
	if (pkt->is_v6 ||
		(pkt->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return cksum_fold(cksum_add(0, pkt->frame + pkt->l3_off, sizeof(struct rte_ipv4_hdr))) ==
	       0xffff;
}

enum tw_dp_ctr
verify_cksum(struct tw_dp_lcore *lc, const struct tw_port *port, struct pkt *pkt)
{
	const uint64_t hw = pkt->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	const uint8_t *ip = pkt->frame + pkt->l3_off;
	const uint8_t *udp = pkt->frame + pkt->l4_off;
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + pkt->pay_len);
	uint64_t pseudo, head;
	uint16_t field;

	if (!ip_cksum_is_good(pkt))
		return TW_DP_CTR_BAD_IP_CKSUM;
	memcpy(&field, udp + offsetof(struct rte_udp_hdr, dgram_cksum), sizeof(field));
	pkt->has_pay_sum = false;
	if (hw == RTE_MBUF_F_RX_L4_CKSUM_GOOD && field != 0)
		return PARSED;
	pseudo = pkt->is_v6 ? cksum_pseudo_v6((const struct rte_ipv6_hdr *)ip, udp_len)
			    : cksum_pseudo_v4((const struct rte_ipv4_hdr *)ip, udp_len);
	head = cksum_add(pseudo, udp, sizeof(struct rte_udp_hdr));
	pkt->pay_sum = cksum_add(0, pkt_payload(pkt), pkt->pay_len);
	pkt->has_pay_sum = true;
	if (unlikely(field == 0)) {
		if (pkt->is_v6)
			return TW_DP_CTR_NO_UDP_CKSUM;
		count(lc, TW_DP_CTR_ZERO_CKSUM, 1);
		return PARSED;
	}
	/* a device that says "bad" may be wrong (82599 and a checksum of zero): look again */
	if (likely(cksum_fold(head + pkt->pay_sum) == 0xffff))
		return PARSED;
	/* a sender on this host left the rest to a device: its field holds the pseudo header */
	if (port->takes_partial_cksum &&
		(hw == RTE_MBUF_F_RX_L4_CKSUM_NONE || field == cksum_fold(pseudo))) {
		count(lc, TW_DP_CTR_PARTIAL_CKSUM, 1);
		return PARSED;
	}
	return TW_DP_CTR_BAD_UDP_CKSUM;
}
