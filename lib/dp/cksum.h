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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <rte_byteorder.h>
#include <rte_ip.h>

/* A word of 64 bits as the sum of its halves. */
static inline uint64_t
cksum_word(uint64_t v)
{
	return (uint32_t)v + (v >> 32);
}

/*
 * Add octets that begin at an even place of what is summed. No carry is lost: a packet has fewer
 * than 2^16 words of 32 bits.
 */
static inline uint64_t
cksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t v = 0;
	uint32_t v32;
	uint16_t v16;

#ifdef __SSE2__
	const __m128i low = _mm_set1_epi64x(UINT32_MAX);
	__m128i a = _mm_setzero_si128(), b = _mm_setzero_si128();

	for (; len >= 16; p += 16, len -= 16) {
		const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);

		a = _mm_add_epi64(a, _mm_and_si128(x, low));
		b = _mm_add_epi64(b, _mm_srli_epi64(x, 32));
	}
	a = _mm_add_epi64(a, b);
	sum += (uint64_t)_mm_cvtsi128_si64(a) +
	       (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(a, a));
#endif
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, sizeof(v));
		sum += cksum_word(v);
	}
	if ((len & 4) != 0) {
		memcpy(&v32, p, sizeof(v32));
		sum += v32;
		p += sizeof(v32);
	}
	if ((len & 2) != 0) {
		memcpy(&v16, p, sizeof(v16));
		sum += v16;
		p += sizeof(v16);
	}
	if ((len & 1) != 0) {
		/* the last octet and a zero */
		v16 = 0;
		memcpy(&v16, p, 1);
		sum += v16;
	}
	return sum;
}

/* Halves added with the carry going round, twice: 64 to 32 to 16 bits. */
static inline uint16_t
cksum_fold(uint64_t sum)
{
	const uint32_t s = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (uint16_t)((s + (s << 16 | s >> 16)) >> 16);
}

/* What a sum takes from another, as something to add to it. */
static inline uint64_t
cksum_minus(uint64_t sum)
{
	return (uint16_t)~cksum_fold(sum);
}

/* The sum of octets that begin at an odd place instead of an even one. */
static inline uint64_t
cksum_odd(uint64_t sum)
{
	return rte_bswap16(cksum_fold(sum));
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
