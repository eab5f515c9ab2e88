/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Sums of long payloads, in vectors. */
#include "cksum.h"
#include "tw_vectors.h"

/* Halves of words into sums of 64 bits: no carry is lost. */
TW_VECTORS static uint64_t
sum_words(const struct cksum_word *word, size_t cnt)
{
	uint64_t low = 0, high = 0;

	for (size_t i = 0; i < cnt; i++) {
		low += (uint32_t)word[i].v;
		high += word[i].v >> 32;
	}
	return low + high;
}

uint64_t
cksum_long(const uint8_t *p, size_t len)
{
	const size_t line = 64, gap = (size_t)(-(uintptr_t)p % line);
	/* whole lines: an octet pair must not be torn to get there */
	const size_t head = gap % 2 == 0 ? gap : 0, body = (len - head) / line * line;
	const struct cksum_word *word = (const struct cksum_word *)(const void *)(p + head);
	uint64_t sum = cksum_octets(0, p, head);

	sum = cksum_carry(sum, sum_words(word, body / sizeof(*word)));
	return cksum_octets(sum, p + head + body, len - head - body);
}
