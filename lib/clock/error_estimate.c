/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The two octets of an Error Estimate (PROTOCOL.md 4.2): S, Z, Scale (6 bits), Multiplier (8).
 * error = Multiplier * 2^(Scale - 32) s. Both ways round up: a bound may only grow.
 */
#include "clock_i.h"

#define EE_SCALE_SHIFT 8
#define EE_SCALE_MAX   63
#define EE_MULT_MAX    255
#define EE_MULT_BITS   8

/* 2^32 / 10^9 in lowest terms is 2^23 / 5^9. */
#define UNITS_NUM_SHIFT 23
#define UNITS_DEN       1953125
#define UNITS_64_NS     (1ULL << (64 - UNITS_NUM_SHIFT - 1)) /* below this 64 bits suffice */
#define UNIT            ((unsigned __int128)TW_CLOCK_NS_PER_S << (TW_CLOCK_RATE_SHIFT - 32))

static unsigned
scale_of(uint16_t ee)
{
	return (unsigned)(ee >> EE_SCALE_SHIFT) & EE_SCALE_MAX;
}

static uint64_t
mult_of(uint16_t ee)
{
	return ee & EE_MULT_MAX;
}

/* Errors beyond nine minutes: more than 64 bits of 2^-32 s. */
static uint16_t
encode_large(uint64_t error_ns)
{
	const unsigned __int128 v =
		(((unsigned __int128)error_ns << UNITS_NUM_SHIFT) + UNITS_DEN - 1) / UNITS_DEN;
	const uint64_t high = (uint64_t)(v >> EE_MULT_BITS);
	unsigned scale = 64 - (unsigned)__builtin_clzll(high);
	uint64_t mult = (uint64_t)((v + ((unsigned __int128)1 << scale) - 1) >> scale);

	if (mult > EE_MULT_MAX) {
		mult = (mult + 1) >> 1;
		scale++;
	}
	return (uint16_t)(TW_CLOCK_EE_S | scale << EE_SCALE_SHIFT | (unsigned)mult);
}

/* So many units of 2^-32 s. */
static uint16_t
encode_units(uint64_t v)
{
	uint64_t high, mult;
	unsigned scale;

	if (v == 0)
		v = 1; /* Multiplier 0 means a corrupt packet */
	high = v >> EE_MULT_BITS;
	scale = high != 0 ? 64 - (unsigned)__builtin_clzll(high) : 0;
	mult = (v + (1ULL << scale) - 1) >> scale;
	if (mult > EE_MULT_MAX) {
		mult = (mult + 1) >> 1;
		scale++;
	}
	return (uint16_t)(TW_CLOCK_EE_S | scale << EE_SCALE_SHIFT | (unsigned)mult);
}

uint16_t
tw_clock_ee_encode(uint64_t error_ns, bool is_synced)
{
	if (!is_synced || error_ns == UINT64_MAX)
		return TW_CLOCK_EE_UNKNOWN;
	if (error_ns >= UNITS_64_NS)
		return encode_large(error_ns);
	return encode_units(((error_ns << UNITS_NUM_SHIFT) + UNITS_DEN - 1) / UNITS_DEN);
}

uint16_t
tw_clock_ee_of_model(const struct tw_clock *c)
{
	const struct tw_stamp worst = tw_clock_stamp(c, c->tsc0 + c->ee_span_tsc, TW_STAMP_TSC_TX);
	const uint64_t error_ns = tw_clock_stamp_error_ns(&worst);
	unsigned __int128 error; /* 2^-48 ns */

	if (error_ns >= UNITS_64_NS)
		return tw_clock_ee_of_stamp(&worst, 0);
	error = ((unsigned __int128)(c->clock_error_ns + (uint64_t)c->sync_error_ns)
			<< TW_CLOCK_RATE_SHIFT) +
		(unsigned __int128)c->ee_span_tsc * (uint64_t)c->growth + c->error_frac - ROUND_UP +
		(unsigned __int128)c->stamp_frac * FRAC_RATE;
	return encode_units((uint64_t)((error + UNIT - 1) / UNIT));
}

struct tw_clock_ee
tw_clock_ee_decode(uint16_t ee)
{
	struct tw_clock_ee out = {.error_ns = UINT64_MAX,
		.is_valid = mult_of(ee) != 0,
		.is_synced = (ee & TW_CLOCK_EE_S) != 0,
		.is_ptp = (ee & TW_CLOCK_EE_Z) != 0};
	unsigned __int128 units = (unsigned __int128)mult_of(ee) << scale_of(ee);
	unsigned __int128 ns;

	if (!out.is_valid || !out.is_synced)
		return out;
	ns = (units * UNITS_DEN + (1U << UNITS_NUM_SHIFT) - 1) >> UNITS_NUM_SHIFT;
	if (ns < UINT64_MAX)
		out.error_ns = (uint64_t)ns;
	return out;
}

uint16_t
tw_clock_ee_worse(uint16_t a, uint16_t b)
{
	uint16_t z = a & TW_CLOCK_EE_Z;
	bool is_a;

	if (!(a & b & TW_CLOCK_EE_S) || mult_of(a) == 0 || mult_of(b) == 0)
		return TW_CLOCK_EE_UNKNOWN | z;
	is_a = (unsigned __int128)mult_of(a) << scale_of(a) >= (unsigned __int128)mult_of(b)
								       << scale_of(b);
	return (uint16_t)(((is_a ? a : b) & ~TW_CLOCK_EE_Z) | z);
}

uint16_t
tw_clock_ee_of_stamp(const struct tw_stamp *s, uint64_t residue_ns)
{
	uint64_t error_ns = tw_clock_stamp_error_ns(s);

	if (error_ns > UINT64_MAX - 1 - residue_ns)
		return TW_CLOCK_EE_UNKNOWN;
	return tw_clock_ee_encode(error_ns + residue_ns, true);
}
