/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The header template of a sender: everything from Ethernet to UDP, since every packet of a
 * session has the same length. Only the UDP checksum changes from packet to packet.
 */
#include <errno.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "cksum.h"
#include "dp_i.h"

#define TPID_C   RTE_ETHER_TYPE_VLAN
#define TPID_S   RTE_ETHER_TYPE_QINQ
#define TTL_SENT 255 /* RFC 5357 4.1.2: the peer counts hops by it */

static uint16_t
tpid_of(const struct tw_dp_path *path, unsigned i)
{
	if (path->tpid[i] != 0)
		return path->tpid[i];
	return path->scope.vlan_cnt == 2 && i == 0 ? TPID_S : TPID_C;
}

static uint8_t *
put16(uint8_t *p, uint16_t v)
{
	tw_store_be16(p, v);
	return p + 2;
}

static uint8_t *
put_ethernet(const struct tw_port *port, const struct tw_dp_path *path, uint8_t *p)
{
	memcpy(p, path->next_hop, RTE_ETHER_ADDR_LEN);
	memcpy(p + RTE_ETHER_ADDR_LEN, port->mac, RTE_ETHER_ADDR_LEN);
	p += 2 * RTE_ETHER_ADDR_LEN;
	for (unsigned i = 0; i < path->scope.vlan_cnt; i++) {
		p = put16(p, tpid_of(path, i));
		p = put16(p, (uint16_t)(path->pcp << 13 | (path->scope.vid[i] & 0xfff)));
	}
	return put16(p, path->src.family == TW_ADDR_V6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
}

static uint64_t
put_ipv4(const struct tw_port *port, const struct tw_dp_path *path, const struct tw_send_sess *s,
	uint16_t udp_len, uint8_t *p)
{
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tw_sess_tos(&s->s),
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + udp_len)),
		/* never a fragment, so the identification need not differ (RFC 6864 4.1) */
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL_SENT,
		.next_proto_id = IPPROTO_UDP};

	memcpy(&ip.src_addr, path->src.b, 4);
	memcpy(&ip.dst_addr, path->dst.b, 4);
	if (!port->has_tx_ip_cksum)
		ip.hdr_checksum =
			(uint16_t)~cksum_fold(cksum_add(0, (const uint8_t *)&ip, sizeof(ip)));
	memcpy(p, &ip, sizeof(ip));
	return cksum_add(cksum_pseudo(udp_len), (const uint8_t *)&ip.src_addr, 8);
}

static uint64_t
put_ipv6(const struct tw_dp_path *path, const struct tw_send_sess *s, uint16_t udp_len, uint8_t *p)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tw_sess_tos(&s->s) << 20),
		.payload_len = rte_cpu_to_be_16(udp_len),
		.proto = IPPROTO_UDP,
		.hop_limits = TTL_SENT};

	memcpy(ip.src_addr, path->src.b, 16);
	memcpy(ip.dst_addr, path->dst.b, 16);
	memcpy(p, &ip, sizeof(ip));
	return cksum_add(cksum_pseudo(udp_len), ip.src_addr, 32);
}

/* What the device is to do with each packet. */
static void
set_offloads(const struct tw_port *port, bool is_v6, uint64_t l2_len, uint64_t l3_len,
	struct header *out)
{
	if (!port->has_tx_udp_cksum && !port->has_tx_ip_cksum)
		return;
	out->tx_offload = rte_mbuf_tx_offload(l2_len, l3_len, 0, 0, 0, 0, 0);
	out->ol_flags = is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (port->has_tx_ip_cksum && !is_v6)
		out->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (port->has_tx_udp_cksum)
		out->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
}

int
header_make(const struct tw_port *port, const struct tw_dp_path *path, const struct tw_send_sess *s,
	struct header *out)
{
	const bool is_v6 = path->src.family == TW_ADDR_V6;
	const uint16_t l3_len = is_v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + s->size);
	struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16(path->src_port),
		.dst_port = rte_cpu_to_be_16(path->dst_port),
		.dgram_len = rte_cpu_to_be_16(udp_len)};
	size_t l2_len;
	uint8_t *p;

	*out = (struct header){0};
	if (tw_addr_len(&path->src) == 0 || path->src.family != path->dst.family ||
		path->scope.vlan_cnt > TW_DP_VLANS_MAX || path->pcp > 7 ||
		s->size > UINT16_MAX - 8 - 40 || l3_len + udp_len > port->mtu)
		return -EINVAL;
	p = put_ethernet(port, path, out->b);
	l2_len = (size_t)(p - out->b);
	out->sum = is_v6 ? put_ipv6(path, s, udp_len, p) : put_ipv4(port, path, s, udp_len, p);
	p += l3_len;
	/* a device that completes the checksum wants the pseudo header's sum in its place */
	if (port->has_tx_udp_cksum)
		udp.dgram_cksum = cksum_fold(out->sum);
	else
		out->sum = cksum_add(out->sum, (const uint8_t *)&udp, sizeof(udp));
	memcpy(p, &udp, sizeof(udp));
	out->len = (uint8_t)(l2_len + l3_len + sizeof(udp));
	set_offloads(port, is_v6, l2_len, l3_len, out);
	return 0;
}
