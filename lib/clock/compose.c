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

/* A line at a counter value: whole nanoseconds, and 2^-48 of them. */
static int64_t
at_whole(const struct tw_clock *c, uint64_t tsc, int64_t *frac)
{
	const __int128 q = (__int128)(int64_t)(tsc - c->tsc0) * c->rate + c->frac0;

	*frac = (int64_t)(q & ((1LL << TW_CLOCK_RATE_SHIFT) - 1));
	return c->ns0 + (int64_t)(q >> TW_CLOCK_RATE_SHIFT);
}

/* UTC where the NIC's line has its anchor. The counter is told to a tick, the rest by the rate. */
static uint64_t
anchor(const struct tw_clock *utc, const struct tw_clock *mono, const struct tw_clock *nic,
	struct tw_clock *out)
{
	const uint64_t tsc = tw_clock_tsc_at(mono, (tw_ns){nic->ns0});
	int64_t utc_frac, mono_frac;
	const int64_t utc_ns = at_whole(utc, tsc, &utc_frac);
	const int64_t mono_ns = at_whole(mono, tsc, &mono_frac);
	const __int128 frac = (__int128)(nic->ns0 - mono_ns) * (1LL << TW_CLOCK_RATE_SHIFT) +
			      nic->frac0 - mono_frac + utc_frac;

	out->ns0 = utc_ns + (int64_t)(frac >> TW_CLOCK_RATE_SHIFT);
	out->frac0 = (int64_t)(frac & ((1LL << TW_CLOCK_RATE_SHIFT) - 1));
	return tsc;
}

/* Both errors at that anchor. @return false: unknown */
static bool
add_errors(
	const struct tw_clock *utc, const struct tw_clock *nic, uint64_t tsc, struct tw_clock *out)
{
	const uint64_t age_tsc = tw_clock_age_tsc(utc, tsc);
	const uint64_t late_tsc = age_tsc > utc->ee_span_tsc ? age_tsc - utc->ee_span_tsc : 0;
	const unsigned __int128 grown = (unsigned __int128)age_tsc * (uint64_t)utc->growth +
					(unsigned __int128)late_tsc * (uint64_t)utc->overdue;
	const uint64_t utc_tick = utc->stamp_frac != 0 ? tick_frac(utc->rate) / 2 : 0;
	const uint64_t frac = nic->error_frac > ROUND_UP ? nic->error_frac - ROUND_UP : 0;
	const unsigned __int128 error =
		((unsigned __int128)utc->clock_error_ns << TW_CLOCK_RATE_SHIFT) + grown +
		utc->error_frac;
	/*
	 * Stamps by the NIC and by the TSC may be subtracted: what parts the two is of the stamp.
	 * It is the NIC's tick that is left off, not the TSC's.
	 */
	const uint64_t stamp = utc->stamp_frac - utc_tick + nic->stamp_frac +
			       ((uint64_t)nic->clock_error_ns << FRAC_SHIFT) + frac / FRAC_RATE + 1;

	if (tw_clock_stamp(utc, tsc, TW_STAMP_TSC_RX).stamp_error_ns == TW_CLOCK_ERROR_UNKNOWN ||
		stamp > UINT32_MAX || error >> TW_CLOCK_RATE_SHIFT >= TW_CLOCK_ERROR_UNKNOWN)
		return false;
	out->stamp_frac = (uint32_t)stamp;
	out->stamp_error_ns = tw_clock_frac_up(out->stamp_frac);
	out->clock_error_ns = (uint32_t)(error >> TW_CLOCK_RATE_SHIFT);
	out->error_frac = (uint64_t)error & ROUND_UP;
	return true;
}

bool
tw_clock_compose(const struct tw_clock *utc, const struct tw_clock *mono,
	const struct tw_clock *nic, struct tw_clock *out)
{
	uint64_t tsc;

	memset(out, 0, sizeof(*out));
	if (utc->epoch == 0 || nic->epoch == 0 || !nic->is_synced || mono->rate == 0)
		return false;
	*out = *utc;
	tsc = anchor(utc, mono, nic, out);
	if (!add_errors(utc, nic, tsc, out)) {
		memset(out, 0, sizeof(*out));
		return false;
	}
	out->tsc0 = nic->tsc0;
	out->rate = scaled(nic->rate, utc->rate, mono->rate);
	out->growth = nic->growth + scaled(nic->rate, utc->growth, mono->rate);
	out->overdue = nic->overdue + scaled(nic->rate, utc->overdue, mono->rate);
	out->rate_error = tw_clock_rate_units(
		(uint64_t)((__int128)out->growth * PPB / (out->rate != 0 ? out->rate : 1)));
	out->ticks_per_ns =
		(uint64_t)(((unsigned __int128)1 << (TW_CLOCK_RATE_SHIFT + TW_CLOCK_TICK_SHIFT)) /
			   (uint64_t)out->rate);
	out->tsc_hz = nic->tsc_hz;
	out->ee_span_tsc = nic->ee_span_tsc;
	out->horizon_tsc = nic->horizon_tsc;
	out->ee = tw_clock_ee_of_model(out);
	return true;
}
