/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Formats of time on the wire: NTP and PTP timestamps, Error Estimate (PROTOCOL.md 4.1, 4.2). */
#include <criterion/criterion.h>

#include "tw_clock.h"

#define ERA_1_S 2085978496LL /* 2036-02-07 06:28:16 UTC, seconds since 1970 */

static uint64_t
next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

Test(formats, ntp_gives_back_every_nanosecond)
{
	uint64_t seed = 42;

	for (int i = 0; i < 300000; i++) {
		tw_ns t = {(int64_t)(next(&seed) >> 2)};

		cr_assert_eq(tw_clock_ntp_to_ns(tw_clock_ns_to_ntp(t), t).ns, t.ns);
	}
	for (int64_t ns = -3; ns < 2000; ns++) {
		tw_ns t = {1700000000LL * TW_CLOCK_NS_PER_S + ns};

		cr_assert_eq(tw_clock_ntp_to_ns(tw_clock_ns_to_ntp(t), t).ns, t.ns);
	}
}

Test(formats, ntp_knows_its_epoch_and_rounds_to_nearest)
{
	cr_assert_eq(tw_clock_ns_to_ntp((tw_ns){0}), 2208988800ULL << 32);
	cr_assert_eq(tw_clock_ns_to_ntp((tw_ns){500000000}), (2208988800ULL << 32) + (1ULL << 31));
	cr_assert_eq(tw_clock_ns_to_ntp((tw_ns){-1}) >> 32, 2208988799ULL);
	/* the largest fraction is nearer to the next second */
	cr_assert_eq(
		tw_clock_ntp_to_ns((2208988800ULL << 32) | UINT32_MAX, (tw_ns){0}).ns, 1000000000);
}

Test(formats, ntp_picks_the_nearest_era)
{
	tw_ns end = {ERA_1_S * TW_CLOCK_NS_PER_S};
	tw_ns before = tw_ns_add(end, -1), after = tw_ns_add(end, 1000000000);

	cr_assert_eq(tw_clock_ns_to_ntp(before) >> 32, UINT32_MAX);
	cr_assert_eq(tw_clock_ns_to_ntp(after) >> 32, 1);
	cr_assert_eq(tw_clock_ntp_to_ns(tw_clock_ns_to_ntp(before), after).ns, before.ns);
	cr_assert_eq(tw_clock_ntp_to_ns(tw_clock_ns_to_ntp(after), before).ns, after.ns);
	cr_assert_eq(tw_clock_ntp_sub_ns(tw_clock_ns_to_ntp(after), tw_clock_ns_to_ntp(before)),
		1000000001);
}

Test(formats, ntp_never_writes_unknown)
{
	tw_ns end = {ERA_1_S * TW_CLOCK_NS_PER_S};

	cr_assert_eq(tw_clock_ns_to_ntp(end), 1);
	cr_assert_eq(tw_clock_ntp_to_ns(1, end).ns, end.ns);
}

Test(formats, ntp_difference_is_signed_and_rounded)
{
	cr_assert_eq(tw_clock_ntp_sub_ns(1ULL << 32, 0), 1000000000);
	cr_assert_eq(tw_clock_ntp_sub_ns(0, 1ULL << 32), -1000000000);
	cr_assert_eq(tw_clock_ntp_sub_ns(4, 0), 1);
	cr_assert_eq(tw_clock_ntp_sub_ns(0, 4), -1);
	cr_assert_eq(tw_clock_ntp_sub_ns(2, 0), 0);
}

Test(formats, ptp_counts_atomic_time)
{
	tw_ns t = {1700000000LL * TW_CLOCK_NS_PER_S + 123456789}, out = {7};
	uint64_t ptp = tw_clock_ns_to_ptp(t, 37);

	cr_assert_eq(ptp >> 32, 1700000037);
	cr_assert_eq(ptp & UINT32_MAX, 123456789);
	cr_assert(tw_clock_ptp_to_ns(ptp, 37, t, &out));
	cr_assert_eq(out.ns, t.ns);
}

Test(formats, ptp_refuses_a_second_of_nanoseconds)
{
	tw_ns out = {7};

	cr_assert_not(tw_clock_ptp_to_ns(1000000000, 37, (tw_ns){0}, &out));
	cr_assert_eq(out.ns, 7);
}

Test(formats, error_estimate_examples)
{
	static const struct {
		uint64_t ns;
		uint16_t ee;
	} rows[] = {{1, 0x0005}, {1000, 0x0587}, {5000, 0x07a8}, {1000000, 0x0f84},
		{1000000000, 0x1980}, {0, 0x0001}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(tw_clock_ee_encode(rows[i].ns, true), TW_CLOCK_EE_S | rows[i].ee,
			"%lu ns", rows[i].ns);
	cr_assert_eq(tw_clock_ee_encode(1000, false), 0x3fff);
	cr_assert_eq(tw_clock_ee_encode(UINT64_MAX, true), 0x3fff);
}

Test(formats, error_estimate_never_understates)
{
	uint64_t seed = 7;

	for (int i = 0; i < 200000; i++) {
		uint64_t ns = next(&seed) >> (next(&seed) % 64);
		struct tw_clock_ee e;

		if (ns == UINT64_MAX)
			continue;
		e = tw_clock_ee_decode(tw_clock_ee_encode(ns, true));
		cr_assert(e.is_valid && e.is_synced && !e.is_ptp);
		cr_assert_geq(e.error_ns, ns);
		if (ns < UINT64_MAX / 2) /* 8 bits: at most 1/128 too much */
			cr_assert_leq(e.error_ns, ns + ns / 127 + 2);
	}
}

Test(formats, error_estimate_without_s_is_unknown)
{
	static const uint16_t values[] = {0x3fff, 0x0001, 0x0587, 0x4001};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct tw_clock_ee e = tw_clock_ee_decode(values[i]);

		cr_assert(e.is_valid && !e.is_synced);
		cr_assert_eq(e.error_ns, UINT64_MAX);
	}
	cr_assert(tw_clock_ee_decode(0x4001).is_ptp);
}

Test(formats, error_estimate_with_multiplier_zero_is_invalid)
{
	cr_assert_not(tw_clock_ee_decode(0x8000).is_valid);
	cr_assert_not(tw_clock_ee_decode(0xbf00).is_valid);
	cr_assert_eq(tw_clock_ee_decode(0x8000).error_ns, UINT64_MAX);
}

Test(formats, error_estimate_largest_saturates)
{
	cr_assert_eq(tw_clock_ee_decode(0xbfff).error_ns, UINT64_MAX);
}

Test(formats, the_worse_estimate_wins)
{
	cr_assert_eq(tw_clock_ee_worse(0x8587, 0x8f84), 0x8f84);
	cr_assert_eq(tw_clock_ee_worse(0x8f84, 0x8587), 0x8f84);
	cr_assert_eq(tw_clock_ee_worse(0x8101, 0x8002), 0x8101);
	cr_assert_eq(tw_clock_ee_worse(0x8587, 0x0001), 0x3fff);
	cr_assert_eq(tw_clock_ee_worse(0x8587, 0x8000), 0x3fff);
	cr_assert_eq(tw_clock_ee_worse(0xc587, 0x8f84), 0xcf84);
}

Test(formats, a_peers_stamp_knows_what_the_packet_says)
{
	tw_ns t = {1700000000LL * TW_CLOCK_NS_PER_S};
	struct tw_stamp s = tw_clock_stamp_peer(tw_clock_ns_to_ntp(t), 0x8587, t);

	cr_assert_eq(s.time.ns, t.ns);
	cr_assert(s.is_synced);
	cr_assert_eq(tw_clock_stamp_error_ns(&s), 1006);
	s = tw_clock_stamp_peer(tw_clock_ns_to_ntp(t), 0x0001, t);
	cr_assert_not(s.is_synced);
	cr_assert_eq(tw_clock_stamp_error_ns(&s), UINT64_MAX);
}

Test(formats, sources_have_names)
{
	for (unsigned i = 0; i < TW_STAMP_N; i++)
		cr_assert_str_neq(tw_clock_source_name(i), "?");
	cr_assert_str_eq(tw_clock_source_name(TW_STAMP_N), "?");
}
