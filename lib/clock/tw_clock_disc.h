/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The discipline: keeps a counter's model (struct tw_clock) on a reference clock.
 *
 * The caller reads the reference between two reads of the counter: the true offset then lies
 * inside the bracket, which makes half its width a hard bound. What is known from earlier readings,
 * carried along with what the rate may be off by, is one more bound: where the two meet is where
 * the reference is. Each accepted reading gives a new line that starts where the old one is and
 * leads to the reference: the model slews, it never steps within an epoch. A jump that no legal
 * rate explains is a step of the reference: a new epoch starts and S stays clear for a while.
 *
 * Readings come every millisecond, so that a change of the reference's rate (a daemon begins
 * to slew it) is known before it amounts to much; the rate itself is taken over as long as all
 * readings since may lie on one course.
 *
 * Leap seconds: the model follows what the reference does. A reference that repeats or leaves out
 * a second is stepped by it: an epoch ends, S is clear for hold_ns, one-way figures across it are
 * not given. A reference that smears the second is slewed and followed as such. PTP and TAI do not
 * notice; what is subtracted from them changes, which is a step again.
 *
 * Context: one thread (the control lcore) owns a discipline. Integer arithmetic only; reads no
 * clock, does not block, allocate or log.
 */
#ifndef TW_CLOCK_DISC_H
#define TW_CLOCK_DISC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_clock.h"

/* One bracketed reading: counter, reference, counter. */
struct tw_clock_reading {
	uint64_t tsc_before;
	tw_ns ref;
	uint64_t tsc_after;
	uint16_t ref_frac; /* and so many 2^-16 ns ... */
	bool is_fine;      /* ... if it tells them: else it has left off less than a nanosecond */
};

/* What the owner of the reference says about it at the time of the readings. */
struct tw_clock_sync {
	uint64_t max_error_ns; /* against UTC, configured floor included */
	bool is_synced;
	int8_t leap; /* it says that this day gains (+1) or loses (-1) a second at its end */
};

/* Settings; 0 means the default. */
struct tw_clock_disc_cfg {
	uint64_t watch_ns;       /* between calls of tw_clock_disc_sample: 1 ms */
	uint64_t course_ns;      /* longest time the rate is taken over: 2 s */
	uint64_t horizon_ns;     /* a model this old is not trusted: 2 s */
	uint64_t hold_ns;        /* S stays clear this long after a step: 5 s */
	uint64_t step_ns;        /* smallest offset that can be a step: 20 us */
	uint32_t max_rate_ppb;   /* fastest legal change of the reference's rate: 1,000,000 */
	uint32_t max_slew_ppb;   /* fastest correction of phase by the model: 500,000 */
	uint32_t wander_ppb;     /* rate change to allow for until the next reading: 100 */
	uint32_t wander_ppb_s;   /* and within a second of the course: 1,000 */
	uint32_t rate_error_ppb; /* of the reference against true seconds: 100,000 */
	uint32_t max_bracket_ns; /* wider readings are never used (calibration too): 100 us */
};

/* What became of a reading. */
enum tw_clock_verdict {
	TW_CLOCK_V_NONE = 0,
	TW_CLOCK_V_ACCEPTED, /* model follows */
	TW_CLOCK_V_WIDE,     /* bracket too wide: line kept, sync state updated */
	TW_CLOCK_V_BACKWARD, /* counter went backwards: line kept, sync state updated */
	TW_CLOCK_V_SUSPECT,  /* step, bend or fault: read again at once (S clear if a step) */
	TW_CLOCK_V_STEPPED,  /* step confirmed: new epoch */
	TW_CLOCK_V_N
};

/* Counts since init. */
struct tw_clock_disc_stats {
	uint64_t accepted;
	uint64_t wide;
	uint64_t backward;
	uint64_t outliers; /* suspects that the next reading did not confirm */
	uint64_t bends;    /* changes of the reference's rate beyond wander_ppb */
	uint64_t steps;
	uint64_t leaps;         /* of them leap seconds that were announced */
	int64_t last_offset_ns; /* reference - model at the last accepted reading */
	uint64_t last_width_ns; /* its bracket */
	int64_t last_step_ns;   /* size of the last step */
	uint64_t residual_ns;   /* running mean of the offsets' amounts */
	int64_t drift_ppb;      /* rate of the reference against that found by calibration */
};

#define TW_CLOCK_DISC_POINTS 32

/* A point of the reference's course: a reading, or what was known after it. */
struct tw_clock_point {
	uint64_t tsc; /* middle of the bracket */
	int64_t ref_ns;
	int64_t frac;     /* and so many 2^-16 ns: the middle of where the reference may be ... */
	uint64_t room;    /* ... which is this far off at most, 2^-16 ns */
	uint64_t half_ns; /* half the bracket */
	uint64_t rest;    /* what a reading leaves off at most, 2^-16 ns */
};

/* Private to the library; plain data, no pointers. */
struct tw_clock_disc {
	struct tw_clock_disc_cfg cfg;
	struct tw_clock model;
	struct tw_clock_disc_stats stats;
	struct tw_clock_point point[TW_CLOCK_DISC_POINTS]; /* course since the last bend */
	uint32_t point_cnt;                                /* oldest first */
	int64_t freq;      /* rate of the reference, 2^-48 ns per tick */
	int64_t nominal;   /* rate found by calibration, same unit */
	int64_t low, high; /* where the reference is, beyond the line at its anchor: 2^-16 ns */
	uint64_t unc_ppb;  /* half of where freq may be */
	uint64_t bend_ppb; /* largest change of rate of late, decaying over seconds */
	uint64_t width_ns; /* usual bracket, slowly following */
	uint32_t wide_cnt; /* wide readings in a row */
	struct tw_clock_point suspect; /* reading that looked like a step */
	bool has_suspect;
	bool is_jump;            /* the suspect lies beyond any legal rate */
	uint64_t hold_until_tsc; /* S stays clear until then */
	bool has_hold;
	int8_t leap;        /* announced lately: the day gains (+1) or loses (-1) a second */
	uint16_t leap_left; /* readings for which that is remembered */
};

/** Start without a model. @param cfg  NULL: all defaults */
void tw_clock_disc_init(struct tw_clock_disc *d, const struct tw_clock_disc_cfg *cfg);

/**
 * Make the first model from readings spread over 50 to 100 ms (more gives a better rate); also
 * starts over after init. The error it states holds: bracket of the anchor, rate uncertainty of
 * the two brackets it was drawn through.
 * @param reading  @p n readings in order of time
 * @param n        8 or more
 * @return 0; -EINVAL (fewer than 8, less than 10 ms, absurd rate); -EAGAIN (the reference was
 *         stepped meanwhile or brackets are too wide: read again)
 */
int tw_clock_disc_calibrate(struct tw_clock_disc *d, const struct tw_clock_reading *reading,
	size_t n, const struct tw_clock_sync *sync);

/**
 * Follow the reference: every watch_ns, after calibration; rarer calls only state larger errors.
 * @param reading  @p n readings taken back to back; the one with the narrowest bracket is judged,
 *                 and the others bound the reference as well
 * @param n        1 or more; 5 filters most interruptions
 * @return what became of it; publish tw_clock_disc_model() after every call
 */
enum tw_clock_verdict tw_clock_disc_sample(struct tw_clock_disc *d,
	const struct tw_clock_reading *reading, size_t n, const struct tw_clock_sync *sync);

/** The model to publish, valid until the next call. */
const struct tw_clock *tw_clock_disc_model(const struct tw_clock_disc *d);

/**
 * The model of a NIC's counter: NIC to UTC by way of the TSC, for stamps that the NIC took. It is
 * in phase with @p utc, so that stamps by either counter may be subtracted, and of its epoch.
 *
 * @param utc   TSC to UTC
 * @param mono  TSC to any steady time, a line that never changes ...
 * @param nic   ... NIC to that time: made by a discipline of its own whose reference is the TSC
 * @param out   zero if there is none
 * @return false: one of them has no model, or the NIC's counter was stepped a moment ago
 */
bool tw_clock_compose(const struct tw_clock *utc, const struct tw_clock *mono,
	const struct tw_clock *nic, struct tw_clock *out);

#endif /* TW_CLOCK_DISC_H */
