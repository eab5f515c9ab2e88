/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The Internet checksum (RFC 1071) as sums of octet pairs in memory order: on either byte order
 * the folded, complemented sum can be stored as it is. A sum is kept in 64 bits and folded once;
 * whole words of 64 bits are added with the carry going round.
 */
#ifndef DP_CKSUM_H
#define DP_CKSUM_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_ip.h>

/* A word of 64 bits as the sum of its halves. */
static inline uint64_t
cksum_word(uint64_t v)
{
	return (uint32_t)v + (v >> 32);
}

/* A word of 64 bits added with the carry going round. */
static inline uint64_t
cksum_carry(uint64_t sum, uint64_t v)
{
#ifdef __x86_64__
	__asm__("addq %1, %0\n\t"
		"adcq $0, %0"
		: "+r"(sum)
		: "r"(v)
		: "cc");
	return sum;
#else
	sum += v;
	return sum + (sum < v);
#endif
}

/* Words anywhere. */
struct cksum_word {
	uint64_t v;
} __attribute__((packed, may_alias));

/* 16, 32, 64 octets, the same: compilers do not make one chain of carries of it. */
static inline uint64_t
cksum_16(uint64_t sum, const uint8_t *p)
{
#ifdef __x86_64__
	const struct cksum_word *x = (const struct cksum_word *)(const void *)p;

	__asm__("addq %1, %0\n\t"
		"adcq %2, %0\n\t"
		"adcq $0, %0"
		: "+&r"(sum)
		: "m"(x[0].v), "m"(x[1].v)
		: "cc");
	return sum;
#else
	uint64_t v[2];

	memcpy(v, p, sizeof(v));
	return cksum_carry(cksum_carry(sum, v[0]), v[1]);
#endif
}

static inline uint64_t
cksum_32(uint64_t sum, const uint8_t *p)
{
#ifdef __x86_64__
	const struct cksum_word *x = (const struct cksum_word *)(const void *)p;

	__asm__("addq %1, %0\n\t"
		"adcq %2, %0\n\t"
		"adcq %3, %0\n\t"
		"adcq %4, %0\n\t"
		"adcq $0, %0"
		: "+&r"(sum)
		: "m"(x[0].v), "m"(x[1].v), "m"(x[2].v), "m"(x[3].v)
		: "cc");
	return sum;
#else
	return cksum_16(cksum_16(sum, p), p + 16);
#endif
}

static inline uint64_t
cksum_64(uint64_t sum, const uint8_t *p)
{
#ifdef __x86_64__
	const struct cksum_word *x = (const struct cksum_word *)(const void *)p;

	__asm__("addq %1, %0\n\t"
		"adcq %2, %0\n\t"
		"adcq %3, %0\n\t"
		"adcq %4, %0\n\t"
		"adcq %5, %0\n\t"
		"adcq %6, %0\n\t"
		"adcq %7, %0\n\t"
		"adcq %8, %0\n\t"
		"adcq $0, %0"
		: "+&r"(sum)
		: "m"(x[0].v), "m"(x[1].v), "m"(x[2].v), "m"(x[3].v), "m"(x[4].v), "m"(x[5].v),
		"m"(x[6].v), "m"(x[7].v)
		: "cc");
	return sum;
#else
	return cksum_32(cksum_32(sum, p), p + 32);
#endif
}

/* The last ones and zeros, fewer than eight. */
static inline uint64_t
cksum_tail(const uint8_t *p, size_t len)
{
	uint32_t four = 0;
	uint16_t two = 0;
	uint64_t sum = 0;

	if ((len & 4) != 0) {
		memcpy(&four, p, sizeof(four));
		p += sizeof(four);
	}
	if ((len & 2) != 0) {
		memcpy(&two, p, sizeof(two));
		p += sizeof(two);
	}
	if ((len & 1) != 0)
		memcpy(&sum, p, 1);
	return sum + four + two;
}

#define CKSUM_LONG 256 /* octets from which on vectors are faster than a chain of carries */

/** Sum of CKSUM_LONG octets or more, in vectors. */
uint64_t cksum_long(const uint8_t *p, size_t len);

/* Add octets that begin at an even place of what is summed, with carries. */
static inline uint64_t
cksum_octets(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t v;

	if (len >= CKSUM_LONG)
		return cksum_carry(sum, cksum_long(p, len));
	for (; len >= 64; p += 64, len -= 64)
		sum = cksum_64(sum, p);
	if ((len & 32) != 0) {
		sum = cksum_32(sum, p);
		p += 32;
	}
	if ((len & 16) != 0) {
		sum = cksum_16(sum, p);
		p += 16;
	}
	if ((len & 8) != 0) {
		memcpy(&v, p, sizeof(v));
		sum = cksum_carry(sum, v);
		p += sizeof(v);
	}
	return (len & 7) != 0 ? cksum_carry(sum, cksum_tail(p, len)) : sum;
}

/* The same, of a size that leaves room for plain additions. */
static inline uint64_t
cksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	return cksum_word(cksum_octets(sum, p, len));
}

/* Halves added with the carry going round, twice: 64 to 32 to 16 bits. */
static inline uint16_t
cksum_fold(uint64_t sum)
{
	const uint32_t s = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (uint16_t)((s + (s << 16 | s >> 16)) >> 16);
}

/* The sum of octets that begin at an odd place instead of an even one. */
static inline uint64_t
cksum_odd(uint64_t sum)
{
	return __builtin_bswap16(cksum_fold(sum));
}

/* What goes into the UDP header: zero would mean "none" (RFC 768). */
static inline uint16_t
cksum_udp(uint64_t sum)
{
	uint16_t c = (uint16_t)~cksum_fold(sum);

	return c != 0 ? c : 0xffff;
}

/* Sum of the pseudo header of UDP, the addresses apart; @p udp_len in host order. */
static inline uint64_t
cksum_pseudo(uint16_t udp_len)
{
	return htobe16(IPPROTO_UDP) + (uint64_t)htobe16(udp_len);
}

#endif /* DP_CKSUM_H */
