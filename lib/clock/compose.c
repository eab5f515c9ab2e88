/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A NIC's counter by way of the TSC to UTC, as one line.
 */
#include <string.h>

#include "clock_i.h"

/* A rate times the quotient of two others. */
static int64_t
scaled(int64_t rate, int64_t num, int64_t den)
{
	return (int64_t)((__int128)rate * num / den);
}

bool
tw_clock_compose(const struct tw_clock *utc, const struct tw_clock *mono,
	const struct tw_clock *nic, struct tw_clock *out)
{
	uint64_t tsc = tw_clock_tsc_at(mono, (tw_ns){nic->ns0});
	struct tw_stamp at = tw_clock_stamp(utc, tsc, TW_STAMP_TSC_RX);
	struct tw_stamp worst;

	memset(out, 0, sizeof(*out));
	if (utc->epoch == 0 || nic->epoch == 0 || !nic->is_synced || mono->rate == 0 ||
		at.stamp_error_ns > TW_CLOCK_ERROR_UNKNOWN - nic->stamp_error_ns - 1)
		return false;
	*out = *utc;
	out->tsc0 = nic->tsc0;
	out->ns0 = at.time.ns;
	out->frac0 = nic->frac0;
	out->rate = scaled(nic->rate, utc->rate, mono->rate);
	out->growth = nic->growth + scaled(nic->rate, utc->growth, mono->rate);
	out->ticks_per_ns =
		(uint64_t)(((unsigned __int128)1 << (TW_CLOCK_RATE_SHIFT + TW_CLOCK_TICK_SHIFT)) /
			   (uint64_t)out->rate);
	out->tsc_hz = nic->tsc_hz;
	out->ee_span_tsc = nic->ee_span_tsc;
	out->horizon_tsc = nic->horizon_tsc;
	out->stamp_error_ns = at.stamp_error_ns + nic->stamp_error_ns + 1;
	out->is_synced = at.is_synced;
	worst = tw_clock_stamp(out, out->tsc0 + out->ee_span_tsc, TW_STAMP_NIC_RX);
	out->ee = tw_clock_ee_of_stamp(&worst, 0);
	return true;
}
