/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The Internet checksum (RFC 1071) as sums of octet pairs in memory order: on either byte order
 * the folded, complemented sum can be stored as it is. A sum is kept in 64 bits and folded once.
 */
#ifndef DP_CKSUM_H
#define DP_CKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

static inline uint64_t
cksum_add32(uint64_t sum, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return sum + v;
}

/* Add octets that begin at an even place of what is summed. */
static inline uint64_t
cksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t a = sum, b = 0;
	uint16_t v = 0;

	for (; len >= 16; p += 16, len -= 16) {
		a = cksum_add32(a, p);
		b = cksum_add32(b, p + 4);
		a = cksum_add32(a, p + 8);
		b = cksum_add32(b, p + 12);
	}
	for (; len >= 4; p += 4, len -= 4)
		a = cksum_add32(a, p);
	if (len >= 2) {
		memcpy(&v, p, sizeof(v));
		a += v;
		p += 2;
		len -= 2;
	}
	if (len != 0) {
		/* the last octet and a zero */
		v = 0;
		memcpy(&v, p, 1);
		a += v;
	}
	/* no carry is lost: a packet has fewer than 2^16 words of 32 bits */
	return a + b;
}

static inline uint16_t
cksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What goes into the UDP header: zero would mean "none" (RFC 768). */
static inline uint16_t
cksum_udp(uint64_t sum)
{
	uint16_t c = (uint16_t)~cksum_fold(sum);

	return c != 0 ? c : 0xffff;
}

/* Sum of the pseudo header of UDP; @p udp_len in host order. */
static inline uint64_t
cksum_pseudo_v4(const struct rte_ipv4_hdr *ip, uint16_t udp_len)
{
	return cksum_add(rte_cpu_to_be_16(IPPROTO_UDP) + (uint64_t)rte_cpu_to_be_16(udp_len),
		(const uint8_t *)&ip->src_addr, 8);
}

static inline uint64_t
cksum_pseudo_v6(const struct rte_ipv6_hdr *ip, uint16_t udp_len)
{
	return cksum_add(rte_cpu_to_be_16(IPPROTO_UDP) + (uint64_t)rte_cpu_to_be_16(udp_len),
		ip->src_addr, 32);
}

#endif /* DP_CKSUM_H */
