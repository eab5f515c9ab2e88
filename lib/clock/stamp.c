/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stamps: PTP timestamps, what a peer's packet says, names. What runs per packet at our own end
 * is inline in tw_clock.h.
 */
#include "tw_clock.h"

static const char *const source_names[TW_STAMP_N] = {
	[TW_STAMP_NONE] = "none",
	[TW_STAMP_TSC_RX] = "tsc-rx",
	[TW_STAMP_TSC_TX] = "tsc-tx",
	[TW_STAMP_NIC_RX] = "nic-rx",
	[TW_STAMP_NIC_TX] = "nic-tx",
	[TW_STAMP_TSC_CAL] = "tsc-tx-cal",
	[TW_STAMP_PEER] = "peer",
};

const char *
tw_clock_source_name(unsigned source)
{
	return source < TW_STAMP_N ? source_names[source] : "?";
}

/* Seconds, rounded towards the past, as PTP and NTP count them. */
static int64_t
floor_s(int64_t ns)
{
	int64_t s = ns / TW_CLOCK_NS_PER_S;

	return ns % TW_CLOCK_NS_PER_S < 0 ? s - 1 : s;
}

bool
tw_clock_ptp_to_ns(uint64_t ptp, int32_t utc_offset_s, tw_ns near, tw_ns *out)
{
	int64_t near_s = floor_s(near.ns) + utc_offset_s;
	int32_t away_s = (int32_t)((uint32_t)(ptp >> 32) - (uint32_t)near_s);
	uint32_t rest = (uint32_t)ptp;

	if (rest >= TW_CLOCK_NS_PER_S)
		return false;
	out->ns = (near_s + away_s - utc_offset_s) * TW_CLOCK_NS_PER_S + rest;
	return true;
}

uint64_t
tw_clock_ns_to_ptp(tw_ns t, int32_t utc_offset_s)
{
	int64_t s = floor_s(t.ns);
	uint64_t rest = (uint64_t)(t.ns - s * TW_CLOCK_NS_PER_S);

	return (uint64_t)(s + utc_offset_s) << 32 | rest;
}

struct tw_stamp
tw_clock_stamp_peer(uint64_t ntp, uint16_t ee, tw_ns near)
{
	struct tw_clock_ee e = tw_clock_ee_decode(ee);
	struct tw_stamp s = {.time = tw_clock_ntp_to_ns(ntp, near),
		.stamp_error_ns = TW_CLOCK_ERROR_UNKNOWN,
		.sync_error_ns = TW_CLOCK_ERROR_UNKNOWN,
		.source = TW_STAMP_PEER};

	if (!e.is_valid || !e.is_synced || e.error_ns >= TW_CLOCK_ERROR_UNKNOWN)
		return s;
	s.stamp_error_ns = (uint32_t)e.error_ns;
	s.sync_error_ns = 0;
	s.is_synced = true;
	return s;
}
