/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Who sends a frame to whom: enough of a look at it to tell test traffic and its flows.
 */
#include <string.h>

#include "simdev_i.h"

#define ETHER_LEN 14
#define TAG_LEN   4
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define PROTO_UDP 17
#define FRAGMENT  0x3fff /* offset and more-fragments */

static bool
ports_of(struct tw_rd *rd, struct tw_netsim_addr *src, struct tw_netsim_addr *dst)
{
	return tw_rd_u16(rd, &src->port) && tw_rd_u16(rd, &dst->port) && tw_rd_skip(rd, 4);
}

static bool
ipv4_of(struct tw_rd *rd, struct tw_netsim_addr *src, struct tw_netsim_addr *dst)
{
	uint8_t version_ihl, proto;
	uint16_t fragment;

	src->family = dst->family = 4;
	if (!tw_rd_u8(rd, &version_ihl) || (version_ihl & 0x0f) < 5 || !tw_rd_skip(rd, 5) ||
		!tw_rd_u16(rd, &fragment) || !tw_rd_skip(rd, 1) || !tw_rd_u8(rd, &proto) ||
		!tw_rd_skip(rd, 2) || !tw_rd_bytes(rd, src->b, 4) || !tw_rd_bytes(rd, dst->b, 4) ||
		!tw_rd_skip(rd, ((size_t)(version_ihl & 0x0f) - 5) * 4))
		return false;
	return proto == PROTO_UDP && (fragment & FRAGMENT) == 0 && ports_of(rd, src, dst);
}

static bool
ipv6_of(struct tw_rd *rd, struct tw_netsim_addr *src, struct tw_netsim_addr *dst)
{
	uint8_t next;

	src->family = dst->family = 6;
	return tw_rd_skip(rd, 6) && tw_rd_u8(rd, &next) && tw_rd_skip(rd, 1) &&
	       tw_rd_bytes(rd, src->b, 16) && tw_rd_bytes(rd, dst->b, 16) && next == PROTO_UDP &&
	       ports_of(rd, src, dst);
}

bool
ends_of(struct rte_mbuf *m, struct tw_netsim_addr *src, struct tw_netsim_addr *dst)
{
	struct tw_rd rd = tw_rd_init(rte_pktmbuf_mtod(m, const void *), m->data_len);
	uint16_t type;

	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	if (!tw_rd_skip(&rd, ETHER_LEN - 2) || !tw_rd_u16(&rd, &type))
		return false;
	for (unsigned i = 0; i < 2 && (type == TYPE_VLAN || type == TYPE_QINQ); i++)
		if (!tw_rd_skip(&rd, TAG_LEN - 2) || !tw_rd_u16(&rd, &type))
			return false;
	if (type == TYPE_IPV4)
		return ipv4_of(&rd, src, dst);
	return type == TYPE_IPV6 && ipv6_of(&rd, src, dst);
}
