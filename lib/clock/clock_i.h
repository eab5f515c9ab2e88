/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What calibration and discipline share: readings as points, slopes, drawing a line.
 */
#ifndef CLOCK_I_H
#define CLOCK_I_H

#include "tw_clock_disc.h"

#define PPB 1000000000LL

/* Legal rates, 2^-48 ns per tick: counters of 1 MHz to 10 GHz. */
#define RATE_MAX (1000LL << TW_CLOCK_RATE_SHIFT)
#define RATE_MIN ((1LL << TW_CLOCK_RATE_SHIFT) / 10)

static inline uint64_t
abs_u64(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* Parts per billion of a duration, rounded up. */
static inline uint64_t
ppb_of(uint64_t duration_ns, uint64_t ppb)
{
	unsigned __int128 v = (unsigned __int128)duration_ns * ppb + PPB - 1;

	return (uint64_t)(v / PPB);
}

/* Nanoseconds of a number of ticks at a rate. */
static inline int64_t
ticks_to_ns(uint64_t ticks, int64_t rate)
{
	return (int64_t)(((__int128)ticks * rate) >> TW_CLOCK_RATE_SHIFT);
}

/* Ticks of a number of nanoseconds at a rate. */
static inline uint64_t
tw_clock_ticks_of(uint64_t ns, int64_t rate)
{
	return (uint64_t)((((unsigned __int128)ns) << TW_CLOCK_RATE_SHIFT) / (uint64_t)rate);
}

/* Fractions of a nanosecond: 2^-16, where 2^-48 would not leave room for seconds. */
#define FRAC_SHIFT 16
#define FRAC_NS    (1LL << FRAC_SHIFT)
#define ROUND_UP   ((1ULL << TW_CLOCK_RATE_SHIFT) - 1) /* to the next one, of 2^-48 ns */
#define FRAC_RATE  (1LL << (TW_CLOCK_RATE_SHIFT - FRAC_SHIFT))

/* A tick of a counter, rounded up: 2^-16 ns. */
static inline uint64_t
tick_frac(int64_t rate)
{
	return ((uint64_t)rate >> (TW_CLOCK_RATE_SHIFT - FRAC_SHIFT)) + 1;
}

/* A reading tells the counter to a tick, a stamp does so again: a slow one, of a NIC, is coarse. */
static inline uint64_t
granularity(int64_t rate)
{
	const uint64_t tick_ns = ((uint64_t)rate >> TW_CLOCK_RATE_SHIFT) + 1;

	return tick_ns > 2 ? tick_ns : 2;
}

/* 2^-16 ns as nanoseconds, rounded up. */
static inline uint32_t
tw_clock_frac_up(uint32_t frac)
{
	return (uint32_t)(((uint64_t)frac + FRAC_NS - 1) >> FRAC_SHIFT);
}

/* A rate error as stamps tell it, rounded up. */
static inline uint8_t
tw_clock_rate_units(uint64_t ppb)
{
	const uint64_t units = ppb / TW_CLOCK_RATE_UNIT_PPB + 1;

	return units < UINT8_MAX ? (uint8_t)units : UINT8_MAX;
}

/** Narrowest of @p n readings; NULL if the counter ran backwards in each. */
const struct tw_clock_reading *tw_clock_narrowest(const struct tw_clock_reading *reading, size_t n);

/** Width of a bracket, ticks. */
static inline uint64_t
bracket_tsc(const struct tw_clock_reading *r)
{
	return r->tsc_after - r->tsc_before;
}

/** Middle of the bracket, half of it at @p rate, rounded up, and what else it may be off. */
struct tw_clock_point tw_clock_point_of(const struct tw_clock_reading *r, int64_t rate);

/** Error Estimate of stamps by a model of ours as far as ee_span_tsc from its anchor. */
uint16_t tw_clock_ee_of_model(const struct tw_clock *c);

/** Start the line anew at a reading. */
void tw_clock_disc_anchor(struct tw_clock_disc *d, const struct tw_clock_point *at);

/** Take over what the reference's owner says; S only if nothing here speaks against it. */
void tw_clock_disc_set_sync(struct tw_clock_disc *d, const struct tw_clock_sync *sync);

/** Forget the course, restart it with one point. */
void tw_clock_disc_restart(struct tw_clock_disc *d, const struct tw_clock_point *p);

/** Append a point to the course. */
void tw_clock_disc_push(struct tw_clock_disc *d, const struct tw_clock_point *p);

/** Rate of the course, and what it may be off. */
void tw_clock_disc_rate(struct tw_clock_disc *d);

#endif /* CLOCK_I_H */
