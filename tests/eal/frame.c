/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See frame.h.
 */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "frame.h"

struct flow
flow_make(unsigned encap, uint32_t id)
{
	struct flow f = {.is_v6 = (encap & FRAME_V6) != 0,
		.scope = {.vlan_cnt = (uint8_t)(encap / FRAME_VLAN)},
		.peer_port = (uint16_t)(10000 + id),
		.us_port = 862,
		.peer_mac = {2, 0, 0, 0, 0, 7},
		.us_mac = {2, 0, 0, 0, 0, 1},
		.ttl = 61,
		.tos = 46 << 2 | 1};

	f.scope.vid[0] = (uint16_t)(f.scope.vlan_cnt == 2 ? 300 : 100);
	f.scope.vid[1] = 4094;
	cr_assert(tw_addr_parse(f.is_v6 ? "2001:db8::7" : "198.51.100.7", &f.peer));
	cr_assert(tw_addr_parse(f.is_v6 ? "2001:db8::1" : "192.0.2.1", &f.us));
	return f;
}

struct flow
flow_turn(const struct flow *f, unsigned port_idx)
{
	struct flow t = *f;

	t.scope.port_idx = (uint8_t)port_idx;
	t.peer = f->us;
	t.us = f->peer;
	t.peer_port = f->us_port;
	t.us_port = f->peer_port;
	memcpy(t.peer_mac, f->us_mac, sizeof(t.peer_mac));
	memcpy(t.us_mac, f->peer_mac, sizeof(t.us_mac));
	return t;
}

struct tw_sess_key
flow_key(const struct flow *f)
{
	return tw_sess_key_make(
		tw_dp_scope_id(&f->scope), &f->peer, f->peer_port, &f->us, f->us_port);
}

static unsigned
l2_len(const struct flow *f)
{
	return RTE_ETHER_HDR_LEN + 4u * f->scope.vlan_cnt;
}

static unsigned
l3_len(const struct flow *f)
{
	return f->is_v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
}

unsigned
flow_hdr_len(const struct flow *f)
{
	return l2_len(f) + l3_len(f) + (unsigned)sizeof(struct rte_udp_hdr);
}

uint8_t *
frame_ip(struct rte_mbuf *m, const struct flow *f)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, l2_len(f));
}

uint8_t *
frame_udp(struct rte_mbuf *m, const struct flow *f)
{
	return frame_ip(m, f) + l3_len(f);
}

uint8_t *
frame_payload(struct rte_mbuf *m, const struct flow *f)
{
	return frame_udp(m, f) + sizeof(struct rte_udp_hdr);
}

void
frame_cksum(struct rte_mbuf *m, const struct flow *f)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_udp(m, f);
	struct rte_ipv4_hdr *v4 = (struct rte_ipv4_hdr *)frame_ip(m, f);
	struct rte_ipv6_hdr *v6 = (struct rte_ipv6_hdr *)frame_ip(m, f);

	udp->dgram_cksum = 0;
	if (f->is_v6) {
		udp->dgram_cksum = rte_ipv6_udptcp_cksum(v6, udp);
		return;
	}
	v4->hdr_checksum = 0;
	v4->hdr_checksum = rte_ipv4_cksum(v4);
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(v4, udp);
}

static uint16_t
tpid_of(const struct flow *f, unsigned i)
{
	return f->scope.vlan_cnt == 2 && i == 0 ? RTE_ETHER_TYPE_QINQ : RTE_ETHER_TYPE_VLAN;
}

static void
put_tags(uint8_t *p, const struct flow *f)
{
	p += 2 * RTE_ETHER_ADDR_LEN;
	for (unsigned i = 0; i < f->scope.vlan_cnt; i++, p += 4) {
		tw_store_be16(p, tpid_of(f, i));
		tw_store_be16(p + 2, (uint16_t)(5 << 13 | f->scope.vid[i]));
	}
	tw_store_be16(p, f->is_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
}

struct rte_mbuf *
frame_make(struct rte_mempool *pool, const struct flow *f, const void *payload, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	const uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + len);
	struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16(f->peer_port),
		.dst_port = rte_cpu_to_be_16(f->us_port),
		.dgram_len = rte_cpu_to_be_16(udp_len)};
	uint8_t *p;

	cr_assert_not_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(flow_hdr_len(f) + len));
	cr_assert_not_null(p);
	memcpy(p, f->us_mac, 6);
	memcpy(p + 6, f->peer_mac, 6);
	put_tags(p, f);
	if (f->is_v6) {
		struct rte_ipv6_hdr ip = {
			.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)f->tos << 20 | 0x12345),
			.payload_len = rte_cpu_to_be_16(udp_len),
			.proto = IPPROTO_UDP,
			.hop_limits = f->ttl};

		memcpy(ip.src_addr, f->peer.b, 16);
		memcpy(ip.dst_addr, f->us.b, 16);
		memcpy(frame_ip(m, f), &ip, sizeof(ip));
	} else {
		struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
			.type_of_service = f->tos,
			.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + udp_len)),
			.packet_id = rte_cpu_to_be_16(4711),
			.time_to_live = f->ttl,
			.next_proto_id = IPPROTO_UDP};

		memcpy(&ip.src_addr, f->peer.b, 4);
		memcpy(&ip.dst_addr, f->us.b, 4);
		memcpy(frame_ip(m, f), &ip, sizeof(ip));
	}
	memcpy(frame_udp(m, f), &udp, sizeof(udp));
	memcpy(frame_payload(m, f), payload, len);
	frame_cksum(m, f);
	return m;
}

static void
check_v4(struct rte_mbuf *m, const struct flow *f, uint8_t tos)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)frame_ip(m, f);

	cr_assert_eq(ip->version_ihl, RTE_IPV4_VHL_DEF);
	cr_assert_eq(ip->type_of_service, tos, "tos %u", ip->type_of_service);
	cr_assert_eq(ip->time_to_live, 255);
	cr_assert_eq(ip->next_proto_id, IPPROTO_UDP);
	cr_assert_eq(rte_be_to_cpu_16(ip->fragment_offset), RTE_IPV4_HDR_DF_FLAG);
	cr_assert_eq(rte_be_to_cpu_16(ip->total_length) + l2_len(f), m->pkt_len);
	cr_assert_arr_eq(&ip->src_addr, f->us.b, 4);
	cr_assert_arr_eq(&ip->dst_addr, f->peer.b, 4);
	cr_assert_eq(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
	/* over a right checksum the sum is all ones */
	cr_assert_eq(rte_ipv4_udptcp_cksum(ip, frame_udp(m, f)), 0xffff);
}

static void
check_v6(struct rte_mbuf *m, const struct flow *f, uint8_t tos)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)frame_ip(m, f);

	cr_assert_eq(rte_be_to_cpu_32(ip->vtc_flow) >> 20, 0x600u | tos);
	cr_assert_eq(ip->hop_limits, 255);
	cr_assert_eq(ip->proto, IPPROTO_UDP);
	cr_assert_eq(rte_be_to_cpu_16(ip->payload_len) + l2_len(f) + sizeof(*ip), m->pkt_len);
	cr_assert_arr_eq(ip->src_addr, f->us.b, 16);
	cr_assert_arr_eq(ip->dst_addr, f->peer.b, 16);
	cr_assert_eq(rte_ipv6_udptcp_cksum(ip, frame_udp(m, f)), 0xffff);
}

unsigned
frame_check(struct rte_mbuf *m, const struct flow *f, uint8_t tos)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)frame_udp(m, f);
	unsigned udp_len;

	cr_assert_eq(m->nb_segs, 1);
	cr_assert_eq(m->data_len, m->pkt_len);
	cr_assert_geq(m->pkt_len, flow_hdr_len(f));
	cr_assert_arr_eq(p, f->peer_mac, 6);
	cr_assert_arr_eq(p + 6, f->us_mac, 6);
	for (unsigned i = 0; i < f->scope.vlan_cnt; i++) {
		cr_assert_eq(tw_load_be16(p + 12 + 4 * i), tpid_of(f, i));
		cr_assert_eq(tw_load_be16(p + 14 + 4 * i) & 0xfff, f->scope.vid[i]);
	}
	cr_assert_eq(tw_load_be16(p + l2_len(f) - 2),
		f->is_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	cr_assert_eq(rte_be_to_cpu_16(udp->src_port), f->us_port);
	cr_assert_eq(rte_be_to_cpu_16(udp->dst_port), f->peer_port);
	cr_assert_neq(udp->dgram_cksum, 0);
	if (f->is_v6)
		check_v6(m, f, tos);
	else
		check_v4(m, f, tos);
	udp_len = rte_be_to_cpu_16(udp->dgram_len);
	cr_assert_eq(udp_len + l2_len(f) + l3_len(f), m->pkt_len);
	return udp_len - (unsigned)sizeof(*udp);
}
