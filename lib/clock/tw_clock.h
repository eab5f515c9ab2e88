/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Time as this product knows it: points in time that cannot be mixed with numbers, stamps that
 * carry their error, the formats of the wire (PROTOCOL.md 4.1, 4.2) and the model that turns a
 * free-running counter (the TSC, a NIC's clock) into UTC.
 *
 * Who runs what: the control lcore reads a reference clock, feeds a discipline (tw_clock_disc.h)
 * and publishes a `struct tw_clock` by value; a data lcore evaluates its copy. Nothing here reads
 * a clock, blocks, allocates or uses floating point. All of it may be called from any thread on
 * memory the caller owns.
 *
 * All stamps of one session are taken on one lcore with its copy of the model: durations between
 * them are differences of one continuous function of the counter.
 */
#ifndef TW_CLOCK_H
#define TW_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define TW_CLOCK_NS_PER_S 1000000000LL

/* Seconds from the NTP epoch (1900) to the Unix epoch (1970), PROTOCOL.md 4.1. */
#define TW_CLOCK_NTP_UNIX_S 2208988800LL

/* An error bound nobody knows; also what a bound beyond 4.29 s is taken for. */
#define TW_CLOCK_ERROR_UNKNOWN UINT32_MAX

/* Point in time: UTC as the clock in use knows it, nanoseconds since 1970-01-01. */
typedef struct {
	int64_t ns;
} tw_ns;

static inline tw_ns
tw_ns_add(tw_ns t, int64_t duration_ns)
{
	return (tw_ns){t.ns + duration_ns};
}

/** Duration from @p b to @p a. */
static inline int64_t
tw_ns_sub(tw_ns a, tw_ns b)
{
	return a.ns - b.ns;
}

/* Where a stamp was taken. */
enum tw_stamp_source {
	TW_STAMP_NONE = 0, /* no stamp */
	TW_STAMP_TSC_RX,   /* counter read after the receive burst */
	TW_STAMP_TSC_TX,   /* counter read before the transmit burst */
	TW_STAMP_NIC_RX,   /* stamped by the NIC on arrival */
	TW_STAMP_NIC_TX,   /* sent on schedule by the NIC */
	TW_STAMP_TSC_CAL,  /* as TSC_TX, corrected by what the NIC stamped samples of */
	TW_STAMP_PEER,     /* read from a packet of the peer */
	TW_STAMP_N
};

/** Short lower-case name of a source ("tsc-rx"); "?" if @p source is none. */
const char *tw_clock_source_name(unsigned source);

/*
 * A point in time with what is known about it. The wire's Error Estimate E is
 * stamp_error_ns + sync_error_ns; round trips on one clock use stamp_error_ns alone
 * (PROTOCOL.md 6.1). Stamps of different epochs must not be subtracted.
 */
struct tw_stamp {
	tw_ns time;
	uint32_t stamp_error_ns; /* against the clock in use; TW_CLOCK_ERROR_UNKNOWN if unknown */
	uint32_t sync_error_ns;  /* of that clock against UTC; meaningless unless is_synced */
	uint32_t epoch;          /* changes when the clock was stepped */
	uint8_t source;          /* enum tw_stamp_source */
	bool is_synced;          /* the S bit */
	uint8_t clock_error_ns; /* of stamp_error_ns: this much is its clock's, and in all others */
	uint8_t rate_error;     /* of that clock against the reference: TW_CLOCK_RATE_UNIT_PPB */
};

#define TW_CLOCK_RATE_UNIT_PPB 4096

/* A model of ours states at least this for itself, in every stamp. */
#define TW_CLOCK_COMMON_NS 2

/**
 * What stamps of one clock have in common does not part them: how much less than the sum of their
 * stamp errors a duration may be off by. @p s: the later one.
 */
static inline uint64_t
tw_clock_common_ns(const struct tw_stamp *s)
{
	return (uint64_t)s->clock_error_ns +
	       (s->clock_error_ns < TW_CLOCK_COMMON_NS ? s->clock_error_ns : TW_CLOCK_COMMON_NS);
}

/** And how much more, since that clock may be fast or slow. */
static inline uint64_t
tw_clock_rate_error_ns(const struct tw_stamp *s, int64_t duration_ns)
{
	const uint64_t away_ns =
		duration_ns < 0 ? 0 - (uint64_t)duration_ns : (uint64_t)duration_ns;

	/* rounded down: what is less than a nanosecond is in the stamps' errors, rounded up */
	return (uint64_t)((unsigned __int128)away_ns * s->rate_error * TW_CLOCK_RATE_UNIT_PPB /
			  1000000000);
}

/* --- NTP and PTP timestamps, PROTOCOL.md 4.1 --- */

/**
 * NTP 64-bit timestamp of a point in time, rounded to the nearest 2^-32 s, so that
 * tw_clock_ntp_to_ns() gives back the same nanosecond. Never 0 (which means "unknown",
 * RFC 5905): the one nanosecond that would be 0 becomes 1.
 */
static inline uint64_t
tw_clock_ns_to_ntp(tw_ns t)
{
	int64_t s = t.ns / TW_CLOCK_NS_PER_S;
	int64_t rest = t.ns % TW_CLOCK_NS_PER_S;
	uint64_t frac, ntp;

	if (rest < 0) {
		s--;
		rest += TW_CLOCK_NS_PER_S;
	}
	frac = (((uint64_t)rest << 32) + TW_CLOCK_NS_PER_S / 2) / TW_CLOCK_NS_PER_S;
	ntp = ((uint64_t)(s + TW_CLOCK_NTP_UNIX_S) << 32) + frac;
	return ntp != 0 ? ntp : 1;
}

/* Seconds of a point in time as NTP counts them, eras included. */
static inline int64_t
tw_clock_ntp_s(tw_ns t)
{
	return t.ns / TW_CLOCK_NS_PER_S + TW_CLOCK_NTP_UNIX_S;
}

/** The same as tw_clock_ntp_to_ns(), for many: @p near_s is tw_clock_ntp_s() of near. */
static inline tw_ns
tw_clock_ntp_near(uint64_t ntp, int64_t near_s)
{
	/* from the second of near, 2^-32 s: the era is what is nearest */
	const int64_t away = (int64_t)(ntp - ((uint64_t)near_s << 32));
	const uint64_t rest = ((ntp & UINT32_MAX) * (uint64_t)TW_CLOCK_NS_PER_S + (1U << 31)) >> 32;

	return (tw_ns){(near_s - TW_CLOCK_NTP_UNIX_S) * TW_CLOCK_NS_PER_S +
		       (away >> 32) * TW_CLOCK_NS_PER_S + (int64_t)rest};
}

/**
 * Point in time of an NTP timestamp, rounded to the nearest nanosecond.
 * @param near  picks the era: the result lies within 2^31 s of it
 */
static inline tw_ns
tw_clock_ntp_to_ns(uint64_t ntp, tw_ns near)
{
	return tw_clock_ntp_near(ntp, tw_clock_ntp_s(near));
}

/** a - b in ns, rounded to nearest; right across the era roll-over for |a - b| < 2^31 s. */
static inline int64_t
tw_clock_ntp_sub_ns(uint64_t a, uint64_t b)
{
	int64_t units = (int64_t)(a - b);

	return (int64_t)(((__int128)units * TW_CLOCK_NS_PER_S + (1U << 31)) >> 32);
}

/**
 * Point in time of a truncated PTPv2 timestamp (Z=1; RFC 8186, A-56).
 * @param utc_offset_s  TAI - UTC (37 since 2017); 0 for a PTP clock that runs on UTC
 * @param near          picks the era
 * @return false if the nanoseconds are 10^9 or more; @p out is then unchanged
 */
bool tw_clock_ptp_to_ns(uint64_t ptp, int32_t utc_offset_s, tw_ns near, tw_ns *out);

/** Truncated PTPv2 timestamp of a point in time. */
uint64_t tw_clock_ns_to_ptp(tw_ns t, int32_t utc_offset_s);

/* --- Error Estimate, PROTOCOL.md 4.2 --- */

#define TW_CLOCK_EE_S       0x8000 /* synchronised to UTC */
#define TW_CLOCK_EE_Z       0x4000 /* timestamps are PTPv2 */
#define TW_CLOCK_EE_UNKNOWN 0x3fff /* S=0, largest error: what we write when not synchronised */

/* An Error Estimate, read. */
struct tw_clock_ee {
	uint64_t error_ns; /* rounded up; UINT64_MAX unless is_valid and is_synced, or if larger */
	bool is_valid;     /* Multiplier is not 0 */
	bool is_synced;    /* S. S=0: the error is unknown whatever the Multiplier says */
	bool is_ptp;       /* Z */
};

/**
 * Error Estimate with Z=0, never below @p error_ns.
 * @return TW_CLOCK_EE_UNKNOWN if not synchronised or if @p error_ns is UINT64_MAX
 */
uint16_t tw_clock_ee_encode(uint64_t error_ns, bool is_synced);

/** Read an Error Estimate in host order. */
struct tw_clock_ee tw_clock_ee_decode(uint16_t ee);

/** The worse of two encoded estimates: unsynchronised beats any error. Z of @p a. */
uint16_t tw_clock_ee_worse(uint16_t a, uint16_t b);

/**
 * Stamp read from a packet of the peer. With S=1 the whole estimate is taken as stamp error,
 * since the wire does not tell the two parts apart; with S=0 both are unknown.
 * @param near  picks the era, normally the time of arrival
 */
struct tw_stamp tw_clock_stamp_peer(uint64_t ntp, uint16_t ee, tw_ns near);

/** E of a stamp: stamp plus sync error; UINT64_MAX if not synchronised or unknown. */
static inline uint64_t
tw_clock_stamp_error_ns(const struct tw_stamp *s)
{
	if (!s->is_synced || s->stamp_error_ns == TW_CLOCK_ERROR_UNKNOWN ||
		s->sync_error_ns == TW_CLOCK_ERROR_UNKNOWN)
		return UINT64_MAX;
	return (uint64_t)s->stamp_error_ns + s->sync_error_ns;
}

/* --- the published model: counter -> UTC --- */

#define TW_CLOCK_RATE_SHIFT 48 /* ns per tick, fixed point */
#define TW_CLOCK_TICK_SHIFT 40 /* ticks per ns, fixed point */

/*
 * One straight line, exchanged for the next by its publisher; neighbours in one epoch meet where
 * the new one starts. Plain data: copy it whole (a reader must not see half of one).
 * A zeroed model is legal: time 0, epoch 0, not synchronised, error unknown.
 */
struct tw_clock {
	uint64_t tsc0;           /* anchor: this counter value ... */
	int64_t ns0;             /* ... was this UTC ... */
	int64_t frac0;           /* ... plus this many 2^-48 ns */
	int64_t rate;            /* 2^-48 ns per tick */
	int64_t growth;          /* error grows by this many 2^-48 ns per tick from the anchor */
	int64_t overdue;         /* and by so much more beyond ee_span_tsc: a reading is overdue */
	uint64_t error_frac;     /* at the anchor, beyond clock_error_ns: 2^-48 ns */
	uint64_t ticks_per_ns;   /* 2^-40 */
	uint64_t tsc_hz;         /* measured, rounded */
	uint64_t ee_span_tsc;    /* `ee` holds this far from the anchor */
	uint64_t horizon_tsc;    /* beyond this nobody has watched the reference: S=0 */
	uint32_t stamp_error_ns; /* of a stamp, against the model */
	uint32_t stamp_frac;     /* the same not rounded up: 2^-16 ns */
	uint32_t clock_error_ns; /* of the model against the reference, at the anchor */
	uint32_t sync_error_ns;  /* of the reference against UTC */
	uint32_t rate_error_ppb; /* bound of the reference's own rate error, for long durations */
	uint32_t epoch;          /* 0: no model yet */
	uint16_t ee;             /* Error Estimate of stamps within ee_span_tsc */
	uint8_t rate_error;      /* `growth` as stamps tell it */
	bool is_synced;
};

/** UTC at a counter value. The value may lie a little before the anchor. */
static inline tw_ns
tw_clock_at(const struct tw_clock *c, uint64_t tsc)
{
	__int128 q = (__int128)(int64_t)(tsc - c->tsc0) * c->rate + c->frac0;

	return (tw_ns){c->ns0 + (int64_t)(q >> TW_CLOCK_RATE_SHIFT)};
}

/** The same, and how many 2^-16 ns more. */
static inline tw_ns
tw_clock_fine_at(const struct tw_clock *c, uint64_t tsc, uint16_t *frac)
{
	__int128 q = (__int128)(int64_t)(tsc - c->tsc0) * c->rate + c->frac0;

	*frac = (uint16_t)(q >> (TW_CLOCK_RATE_SHIFT - 16));
	return (tw_ns){c->ns0 + (int64_t)(q >> TW_CLOCK_RATE_SHIFT)};
}

/* Ticks between the anchor and @p tsc, either way. */
static inline uint64_t
tw_clock_age_tsc(const struct tw_clock *c, uint64_t tsc)
{
	int64_t d = (int64_t)(tsc - c->tsc0);

	return d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
}

/** Stamp of a counter value, with its error. @p source is where the counter was read. */
static inline struct tw_stamp
tw_clock_stamp(const struct tw_clock *c, uint64_t tsc, enum tw_stamp_source source)
{
	uint64_t age_tsc = tw_clock_age_tsc(c, tsc);
	struct tw_stamp s = {.time = tw_clock_at(c, tsc),
		.stamp_error_ns = TW_CLOCK_ERROR_UNKNOWN,
		.sync_error_ns = c->sync_error_ns,
		.epoch = c->epoch,
		.source = (uint8_t)source,
		.is_synced = false};
	unsigned __int128 grown = (unsigned __int128)age_tsc * (uint64_t)c->growth + c->error_frac;
	uint64_t clock_ns;

	if (__builtin_expect(age_tsc > c->ee_span_tsc || c->epoch == 0, 0)) {
		if (age_tsc > c->horizon_tsc || c->epoch == 0)
			return s;
		grown += (unsigned __int128)(age_tsc - c->ee_span_tsc) * (uint64_t)c->overdue;
	}
	clock_ns = c->clock_error_ns + (uint64_t)(grown >> TW_CLOCK_RATE_SHIFT);
	if (clock_ns + c->stamp_error_ns < TW_CLOCK_ERROR_UNKNOWN)
		s.stamp_error_ns = (uint32_t)clock_ns + c->stamp_error_ns;
	s.clock_error_ns = (uint8_t)(clock_ns < UINT8_MAX ? clock_ns : UINT8_MAX);
	s.rate_error = c->rate_error;
	s.is_synced = c->is_synced;
	return s;
}

/** Error Estimate for a stamp and @p residue_ns more (burst, prediction). Slow path of ee_at. */
uint16_t tw_clock_ee_of_stamp(const struct tw_stamp *s, uint64_t residue_ns);

/** Error Estimate to send with a stamp taken at @p tsc: prepared, unless the model is old. */
static inline uint16_t
tw_clock_ee_at(const struct tw_clock *c, uint64_t tsc)
{
	struct tw_stamp s;

	if (__builtin_expect(tw_clock_age_tsc(c, tsc) <= c->ee_span_tsc, 1))
		return c->epoch != 0 ? c->ee : TW_CLOCK_EE_UNKNOWN;
	s = tw_clock_stamp(c, tsc, TW_STAMP_TSC_TX);
	return tw_clock_ee_of_stamp(&s, 0);
}

/** Ticks of a duration (for pacing); 0 without a model. */
static inline int64_t
tw_clock_ns_to_tsc(const struct tw_clock *c, int64_t duration_ns)
{
	return (int64_t)(((__int128)duration_ns * (int64_t)c->ticks_per_ns) >> TW_CLOCK_TICK_SHIFT);
}

/** Nanoseconds of a number of ticks. */
static inline int64_t
tw_clock_tsc_to_ns(const struct tw_clock *c, int64_t ticks)
{
	return (int64_t)(((__int128)ticks * c->rate) >> TW_CLOCK_RATE_SHIFT);
}

/** Counter value at a point in time, the inverse of tw_clock_at() to a tick and 0.1 ppb. */
static inline uint64_t
tw_clock_tsc_at(const struct tw_clock *c, tw_ns t)
{
	return c->tsc0 + (uint64_t)tw_clock_ns_to_tsc(c, t.ns - c->ns0);
}

#endif /* TW_CLOCK_H */
