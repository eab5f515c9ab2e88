/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Simulated clocks: what a reference, or the clock of a NIC, reads at a wire time. A clock has an
 * offset, a drift, a wander of its rate, and a script of steps, slews and what its owner says of
 * it (S, maxerror), written ahead or while it runs. Its reading is a function of wire time alone:
 * it may be asked for any time, in any order, and gives the truth of a stamp after the fact.
 *
 * Who runs what: one thread (the control lcore) writes the script; any thread reads.
 */
#ifndef TW_NETSIM_CLOCK_H
#define TW_NETSIM_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TW_NETSIM_CLOCK_PARTS    4096    /* changes of one clock */
#define TW_NETSIM_CLOCK_RATE_MAX 1000000 /* ppb of drift, wander and slew together */

/* From `from_ns` on, until the next part. */
struct tw_netsim_clock_part {
	int64_t from_ns;       /* wire time */
	int64_t read_ns;       /* reading then */
	int32_t drift_ppb;     /* + runs fast */
	int32_t slew_ppb;      /* on top, while it is slewed */
	uint32_t wander_ppb;   /* how far the rate swings about, at most */
	uint32_t max_error_ns; /* what its owner says; against UTC, which is wire time + origin */
	bool is_synced;
};

struct tw_netsim_clock {
	int64_t origin_ns;    /* reading of a true clock at wire time 0 */
	double phase[3];      /* of the swings, from the seed */
	_Atomic uint32_t cnt; /* w: control  r: any; parts below are then constant */
	struct tw_netsim_clock_part part[TW_NETSIM_CLOCK_PARTS];
};

struct tw_netsim_clock_cfg {
	int64_t origin_ns;
	int64_t offset_ns; /* reads this much more than a true clock */
	int32_t drift_ppb;
	uint32_t wander_ppb;
	uint64_t seed; /* of the wander */
	uint32_t max_error_ns;
	bool is_synced;
};

void tw_netsim_clock_init(struct tw_netsim_clock *c, const struct tw_netsim_clock_cfg *cfg);

/** Reading at a wire time; before the first part that one counts. */
int64_t tw_netsim_clock_at(const struct tw_netsim_clock *c, int64_t wire_ns);

/** The part in force at a wire time. */
const struct tw_netsim_clock_part *tw_netsim_clock_part_at(
	const struct tw_netsim_clock *c, int64_t wire_ns);

/** Wire time at which the clock reads @p read_ns, searched from @p near_ns on within the part in
 *  force there; to a nanosecond. */
int64_t tw_netsim_clock_when(const struct tw_netsim_clock *c, int64_t read_ns, int64_t near_ns);

/*
 * The script. Times must not lie before those of earlier entries (-EINVAL); a full script is
 * -ENOSPC. Nothing is changed on failure. Context: the writing thread.
 */

/** Jump by @p step_ns. */
int tw_netsim_clock_step(struct tw_netsim_clock *c, int64_t at_ns, int64_t step_ns);

/** Move by @p slew_ns, evenly over @p over_ns. -ERANGE: faster than RATE_MAX. */
int tw_netsim_clock_slew(
	struct tw_netsim_clock *c, int64_t at_ns, int64_t slew_ns, int64_t over_ns);

/** Run at another rate from then on. -ERANGE as above. */
int tw_netsim_clock_rate(
	struct tw_netsim_clock *c, int64_t at_ns, int32_t drift_ppb, uint32_t wander_ppb);

/** What its owner says of it from then on. */
int tw_netsim_clock_sync(
	struct tw_netsim_clock *c, int64_t at_ns, bool is_synced, uint32_t max_error_ns);

#endif /* TW_NETSIM_CLOCK_H */
