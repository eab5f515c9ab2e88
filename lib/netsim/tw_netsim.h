/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The simulated wire, as a function: a packet that leaves at a time meets a fate - lost, or
 * arriving once or twice, late, out of order, with a bit turned over - drawn from a seed. The same
 * seed and the same packets give the same fates.
 *
 * Time is wire time: nanoseconds since the wire was made, the truth that neither end can read.
 * Each kind of impairment draws from a stream of its own, and as often for every packet: turning
 * one knob leaves the draws of the others as they are.
 *
 * Context: any one thread per direction. Reads no clock, does not block, allocate or log.
 */
#ifndef TW_NETSIM_H
#define TW_NETSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_NETSIM_PPM          1000000U
#define TW_NETSIM_DELAY_MAX_NS INT64_C(10000000000) /* Pareto and trace are cut off here */
#define TW_NETSIM_OVERHEAD                                                                         \
	24 /* octets a frame takes on a line beside those we see: preamble, FCS, gap */
#define TW_NETSIM_TRACE_MAX 1000000

enum tw_netsim_jitter {
	TW_NETSIM_JITTER_NONE = 0,
	TW_NETSIM_JITTER_UNIFORM, /* evenly from 0 to jitter_ns */
	TW_NETSIM_JITTER_NORMAL,  /* deviation jitter_ns around 0; no delay falls below 0 */
	TW_NETSIM_JITTER_PARETO,  /* scale jitter_ns, from 0 on (Lomax); exponent shape_milli */
	TW_NETSIM_JITTER_TRACE,   /* trace[i] on packet i, and from the beginning again */
	TW_NETSIM_JITTER_N
};

/** Short lower-case name, "?" if @p law is none. */
const char *tw_netsim_jitter_name(unsigned law);

/* What one direction does to packets. All zero: nothing. */
struct tw_netsim_imp {
	int64_t delay_ns;
	int64_t jitter_ns;
	uint8_t jitter;       /* enum tw_netsim_jitter */
	bool may_overtake;    /* jitter lets packets pass each other; else they queue */
	uint32_t shape_milli; /* of Pareto; 0: 3000. The mean is scale / (shape - 1) */

	uint32_t loss_ppm;        /* each packet alone */
	uint32_t loss_every;      /* every n-th packet */
	uint32_t burst_begin_ppm; /* Gilbert-Elliott: good to bad state, per packet */
	uint32_t burst_end_ppm;   /* bad to good */
	uint32_t burst_loss_ppm;  /* in the bad state; 0: all */

	uint32_t dup_ppm;
	int64_t dup_ns; /* the copy is this much later */
	uint32_t reorder_ppm;
	int64_t reorder_ns; /* such a packet is held back this long, others pass */
	uint32_t corrupt_ppm;

	uint64_t rate_bps;     /* 0: no limit; each frame takes its time on the line */
	uint32_t queue_octets; /* frames waiting for the line; beyond: lost; 0: no limit */

	uint64_t seed;
	const int64_t *trace; /* JITTER_TRACE: ns, negative: lost; must stay */
	uint32_t trace_cnt;
};

enum tw_netsim_fate_kind {
	TW_NETSIM_FATE_NONE = 0,
	TW_NETSIM_ARRIVES,
	TW_NETSIM_LOST_RANDOM,
	TW_NETSIM_LOST_BURST,
	TW_NETSIM_LOST_EVERY,
	TW_NETSIM_LOST_TRACE,
	TW_NETSIM_LOST_QUEUE, /* no room before the line */
	TW_NETSIM_LOST_FULL,  /* told by the caller: no room at the receiver */
	TW_NETSIM_FATE_N
};

/** Short lower-case name, "?" if @p kind is none. */
const char *tw_netsim_fate_name(unsigned kind);

struct tw_netsim_fate {
	uint8_t kind;   /* enum tw_netsim_fate_kind */
	uint8_t copies; /* 0..2 */
	bool is_corrupt;
	bool is_held;         /* held back so that others pass */
	uint32_t corrupt_at;  /* which bit: take it modulo what there is */
	int64_t arrive_ns[2]; /* wire time of each copy */
};

/* A direction at work. */
struct tw_netsim_dir {
	struct tw_netsim_imp imp;
	uint64_t rng[6][4];
	uint64_t cnt;
	uint64_t line_ps16;   /* time of an octet on the line, 2^-16 ps */
	int64_t line_free_ps; /* wire time */
	int64_t last_ns;      /* no packet in order arrives before it */
	bool is_bad;          /* state of the burst model */
};

/** Check that the numbers fit together. @return NULL, or the name of the field that does not */
const char *tw_netsim_imp_check(const struct tw_netsim_imp *imp);

/** Start a direction. @p imp must have passed the check. */
void tw_netsim_dir_init(struct tw_netsim_dir *d, const struct tw_netsim_imp *imp);

/** Change it while it runs: order and line go on; the streams begin anew if the seed differs. */
void tw_netsim_dir_set(struct tw_netsim_dir *d, const struct tw_netsim_imp *imp);

/** Begin the streams anew, and the counts of every n-th and of traces. */
void tw_netsim_dir_restart(struct tw_netsim_dir *d);

/**
 * A packet leaves.
 * @param depart_ns  wire time; later or equal from call to call
 * @param len        octets of the frame, without FCS
 */
void tw_netsim_fate(
	struct tw_netsim_dir *d, int64_t depart_ns, uint32_t len, struct tw_netsim_fate *out);

/** A packet that is not impaired but takes the delay and the line: control traffic. */
void tw_netsim_pass(
	struct tw_netsim_dir *d, int64_t depart_ns, uint32_t len, struct tw_netsim_fate *out);

/* Packets on the wire, the next to arrive first; equal times in the order they were put in. */
struct tw_netsim_item {
	int64_t due_ns;
	uint64_t order; /* filled in */
	void *ref;      /* the caller's */
};

struct tw_netsim_heap {
	struct tw_netsim_item *item;
	uint32_t cnt, size;
	uint64_t order;
};

/** @param item  memory for @p size items, the caller's */
void tw_netsim_heap_init(struct tw_netsim_heap *h, struct tw_netsim_item *item, uint32_t size);

/** @return false if it is full */
bool tw_netsim_heap_push(struct tw_netsim_heap *h, int64_t due_ns, void *ref);

/** Take the first if it is due by @p now_ns. @return false if there is none */
bool tw_netsim_heap_pop(struct tw_netsim_heap *h, int64_t now_ns, struct tw_netsim_item *out);

#endif /* TW_NETSIM_H */
