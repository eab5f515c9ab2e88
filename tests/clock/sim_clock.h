/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A counter and a reference clock whose course the test scripts: rate, wander, steps, brackets
 * with jitter. The reference's true value is known at every tick.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "tw_clock_disc.h"

struct sim_clock {
	uint64_t tsc;
	__int128 ref_q; /* ns, 2^-48 */
	int64_t rate;   /* of the reference, 2^-48 ns per tick */
	uint64_t seed;
	uint64_t bracket_tsc; /* shortest bracket */
	uint64_t jitter_tsc;  /* added to it, heavy-tailed */
};

static inline uint64_t
sim_random(struct sim_clock *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return s->seed;
}

static inline int64_t
sim_rate(double hz)
{
	return (int64_t)(1e9 / hz * (double)(1LL << TW_CLOCK_RATE_SHIFT));
}

static inline struct sim_clock
sim_init(double hz, uint64_t seed)
{
	return (struct sim_clock){.tsc = 123456789012345ULL,
		.ref_q = ((__int128)1700000000 * TW_CLOCK_NS_PER_S) << TW_CLOCK_RATE_SHIFT,
		.rate = sim_rate(hz),
		.seed = seed,
		.bracket_tsc = 150,
		.jitter_tsc = 20};
}

static inline void
sim_advance(struct sim_clock *s, uint64_t ticks)
{
	s->tsc += ticks;
	s->ref_q += (__int128)ticks * s->rate;
}

static inline int64_t
sim_ref_ns(const struct sim_clock *s)
{
	return (int64_t)(s->ref_q >> TW_CLOCK_RATE_SHIFT);
}

/* Change the reference's rate by so many ppb. */
static inline void
sim_bend(struct sim_clock *s, int64_t ppb)
{
	s->rate += (int64_t)((__int128)s->rate * ppb / 1000000000);
}

static inline void
sim_step(struct sim_clock *s, int64_t ns)
{
	s->ref_q += (__int128)ns * (1LL << TW_CLOCK_RATE_SHIFT);
}

/* A bracketed reading; now and then an interruption falls into it. */
static inline struct tw_clock_reading
sim_read(struct sim_clock *s)
{
	uint64_t width = s->bracket_tsc + sim_random(s) % (s->jitter_tsc + 1);
	uint64_t at;
	struct tw_clock_reading r = {0};

	if (sim_random(s) % 16 == 0)
		width += sim_random(s) % (100 * s->jitter_tsc + 1);
	at = sim_random(s) % (width + 1);
	r.tsc_before = s->tsc;
	sim_advance(s, at);
	r.ref.ns = sim_ref_ns(s);
	sim_advance(s, width - at);
	r.tsc_after = s->tsc;
	return r;
}

#endif /* SIM_CLOCK_H */
