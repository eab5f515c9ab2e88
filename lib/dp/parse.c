/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * From a frame to the key of a session: Ethernet, up to two VLAN tags, IPv4 or IPv6, UDP. Each
 * length is checked before what it covers is read. What a test packet never is - options,
 * extension headers, fragments, other protocols - is the kernel's; what is malformed is dropped.
 */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

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

enum tw_dp_ctr
parse_frame(
	const struct tw_port *port, struct rte_mbuf *m, struct pkt *pkt, struct tw_sess_key *key)
{
	enum tw_dp_ctr why;
	struct cursor c;
	uint32_t vlans;
	uint16_t type;

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
