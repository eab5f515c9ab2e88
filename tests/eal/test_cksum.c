/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Sums of the data plane against those of librte_net: every length, every alignment, parts joined.
 */
#include <criterion/criterion.h>
#include <stdalign.h>

#include <rte_ip.h>

#include "cksum.h"
#include "tw_base.h"

#define LEN_MAX 1600

static alignas(TW_CACHE_LINE) uint8_t data[LEN_MAX + TW_CACHE_LINE];

enum filling { RANDOM, ONES, ZEROS, FILLINGS };

static void
fill(enum filling f)
{
	uint64_t x = 88172645463325252ULL;

	for (unsigned i = 0; i < sizeof(data); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = f == RANDOM ? (uint8_t)x : f == ONES ? 0xff : 0;
	}
}

Test(cksum, is_that_of_librte_net_for_every_length_and_alignment)
{
	for (enum filling f = 0; f < FILLINGS; f++) {
		fill(f);
		for (unsigned at = 0; at < TW_CACHE_LINE; at++)
			for (unsigned len = 0; len <= LEN_MAX; len += at % 8 == 2 ? 1 : 13)
				cr_assert_eq(cksum_fold(cksum_octets(0, data + at, len)),
					rte_raw_cksum(data + at, len), "%u octets at %u", len, at);
	}
}

/* Also where the second part begins at an odd place. */
Test(cksum, parts_sum_up_to_the_whole)
{
	const unsigned len = 1459;

	fill(RANDOM);
	for (unsigned cut = 0; cut <= len; cut++) {
		const uint64_t first = cksum_octets(0, data + 42, cut);
		const uint64_t rest = cksum_octets(0, data + 42 + cut, len - cut);

		cr_assert_eq(cksum_fold(cksum_carry(first, cut % 2 != 0 ? cksum_odd(rest) : rest)),
			rte_raw_cksum(data + 42, len), "cut at %u", cut);
	}
}
