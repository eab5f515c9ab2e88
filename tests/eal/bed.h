/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A data plane on ports made of rings, driven by hand from one thread. Everything ends the test
 * if it fails.
 */
#ifndef BED_H
#define BED_H

#include "frame.h"
#include "sess_check.h"
#include "tw_dp.h"
#include "tw_xcore.h"

#define BED_PORTS  2
#define BED_QUEUES 2
#define BED_LCORES 2

struct bed_cfg {
	unsigned lcore_cnt; /* 0: 1 */
	unsigned port_cnt;  /* 0: 1 */
	unsigned queue_cnt; /* 0: 1 */
	unsigned ring_cnt;  /* frames a ring holds; 0: 256 */
	unsigned mtu;       /* 0: 1500 */
	unsigned raw_cnt;   /* 0: 64 */
	unsigned refl_max;  /* 0: 64 */
	bool is_owned;      /* with an exception interface, in a network namespace of its own */
	bool is_cross;      /* what port 0 sends port 1 receives, and back */
	bool takes_partial;
};

struct bed {
	struct bed_cfg cfg;
	struct tw_dp *dp;
	struct tw_port *port[BED_PORTS];
	struct rte_ring *in[BED_PORTS][BED_QUEUES];  /* towards us */
	struct rte_ring *out[BED_PORTS][BED_QUEUES]; /* from us */
	struct rte_mempool *pool;
	struct tw_engine *ref;
	struct tw_clock clock;
};

/** EAL with nothing but memory. Once per test. */
void bed_eal(void);

struct bed *bed_new(const struct bed_cfg *cfg);

/** Check the sums of drops.def, then take everything down. */
void bed_free(struct bed *b);

/** Turns of all lcores, and of control. */
void bed_turns(struct bed *b, unsigned n);

/** A frame of a flow, put on the ring towards queue 0 of port 0. */
void bed_put(struct bed *b, struct rte_mbuf *m);
void bed_put_at(struct bed *b, unsigned port, unsigned queue, struct rte_mbuf *m);

/** A frame that was sent, NULL if none was. */
struct rte_mbuf *bed_take(struct bed *b, unsigned port, unsigned queue);

/** A counter of all lcores together. */
uint64_t bed_ctr(struct bed *b, enum tw_dp_ctr ctr);

/** IN = OUT + DROP for each lcore. */
void bed_check_sums(struct bed *b);

/** A running reflector session for a flow, keys number @p id if the format needs some. */
struct tw_refl_sess *bed_refl(
	struct bed *b, const struct flow *f, const struct tw_tst_fmt *fmt, uint32_t id);

/** An mbuf with a request of @p len octets for a session; @p seq is T1's low part, too. */
struct rte_mbuf *bed_request(struct bed *b, const struct flow *f, const struct tw_refl_sess *s,
	uint32_t seq, unsigned len);

/**
 * A sender of a flow (its peer is who reflects), published but not started, with metrics; keys
 * number cfg->id if the format needs some.
 */
struct tw_send_sess *bed_send(
	struct bed *b, const struct flow *f, const struct tw_send_cfg *cfg, bool has_raw);

/** Turns until the DONE of session @p id, at most 10 s. */
bool bed_wait_done(struct bed *b, uint32_t id, struct tw_dp_event *ev);

tw_ns bed_now(const struct bed *b);

#endif /* BED_H */
