/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * twampline-bench: cycles per packet of the data plane as the appliance runs it, tw_dp_turn(), on
 * a port made of rings. One lcore makes valid packets, lets the plane work, and times only that:
 * receive, work, transmit, and the turns in which it prepares. Every reply or request is checked
 * by code that shares nothing with the path under test but the numbers of the RFCs (frames.c).
 *
 * cyc are ticks of the TSC. Everything runs on the main lcore but where a second lcore is what is
 * measured (lcores.c).
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <tw_dp.h>
#include <tw_engine.h>

#define BATCH                                                                                      \
	256         /* frames made, then worked on, at a time: they stay in the second-level cache \
		     */
#define KEYS_CNT 64 /* different keys; each session has its own expanded copy of one */
#define RUNS_MAX 31
#define QUEUES   2

enum work {
	WORK_REFLECT = 1,
	WORK_SEND_COLLECT, /* requests out, replies in */
	WORK_SEND,
	WORK_COLLECT,
	WORK_TURNAROUND,
	WORK_PACING,
	WORK_LCORES,
	WORK_IO,    /* baselines: receive and transmit, nothing between ... */
	WORK_SWAP,  /* ... addresses and ports exchanged ... */
	WORK_STAMP, /* ... a stamp taken and written, per packet */
};

struct bench_case {
	char name[48];
	enum work work;
	const struct tw_tst_fmt *fmt;
	uint16_t frame; /* octets of a reply's frame, without FCS */
	uint32_t sessions;
	bool is_random;      /* order of the sessions */
	uint8_t loss_pct;    /* requests that never came: the reflector's numbers fall behind */
	uint8_t reorder_pct; /* requests that come three packets late */
	uint8_t corrupt_permille;           /* a wrong checksum, or a right one over a wrong HMAC */
	uint32_t budget, stretch;           /* cyc, ns for turnaround and pacing; 0: none */
	double ratio_budget, ratio_stretch; /* against another case; 0: none */
	bool is_ratio_min;                  /* at least so much; else at most */
};

/* Departures against schedule, all runs together. */
struct bench_pacing {
	uint64_t scheduled, sent, skipped;
	uint64_t late;       /* of those sent: more than 1 ms behind schedule */
	uint64_t t1_outside; /* T1 further from the departure than its Error Estimate */
	uint64_t gaps;
	uint64_t apart; /* packets that gaps touched: not in the figures */
	int64_t max_ns, span_ns;
	double p50_ns, apart_pct;
	double bare_p99_ns;   /* of a loop that does nothing but keep the schedule */
	double spinner_pct;   /* time that a spinner on this core lost to gaps */
	double apart_max_pct; /* what may stand apart */
};

struct bench_result {
	double cyc, cyc_min, cyc_max; /* median and range of the runs, per packet */
	double bound_cyc;             /* 0: none */
	double ratio;                 /* against another case; 0: none */
	const char *ratio_of;
	double ns, ns_p99; /* 0: none; with pacing both are the p99 */
	double mpps;       /* 0: what the cycles allow */
	struct bench_pacing pacing;
	uint64_t packets; /* timed */
	uint64_t pairs;   /* blocks with their HMAC computed inside the timed part */
	uint64_t checked; /* by the slow path */
	uint64_t lag;     /* of the reflector's number at the end, one session */
	double create_per_s, delete_per_s;
	double session_octets; /* 0: not measured */
};

struct bench_opts {
	bool is_quick, is_json, has_list;
	const char *engine; /* NULL: the appliance's default */
	const char *filter; /* shell pattern of case names; NULL: all */
	unsigned runs;      /* 0: default */
};

/* What stays for the whole process. */
struct bench {
	struct bench_opts opts;
	double hz;             /* of the TSC, measured */
	unsigned cpus;         /* data lcores that have a CPU of their own: 1 or 2 */
	int lcore2;            /* EAL's number of the second one */
	struct tw_clock clock; /* published to the plane */
	struct rte_ring *in[QUEUES], *out[QUEUES];
	struct rte_mempool *pool;
	char port_dev[40];
	struct tw_engine *ref[QUEUES];      /* OpenSSL */
	struct tw_engine *gen[QUEUES];      /* makes packets, fast; one a thread */
	struct tw_crypto_keys *keys;        /* KEYS_CNT */
	struct tw_crypto_tkey *tkey;        /* the same, expanded */
	double io_cyc, swap_cyc, stamp_cyc; /* baselines, once measured */
};

/* A frame of ours under way, in the order of delivery. */
struct meta {
	uint64_t t1;
	uint32_t sess;
	uint32_t seq;
	uint32_t rep_seq; /* expected in the reply */
	uint16_t ee;
	bool is_valid; /* will be answered */
};

/* A plane with one port, and the far end's view of its sessions. */
struct rig {
	struct bench *b;
	const struct bench_case *c;
	struct tw_dp *dp;
	struct tw_port *port;
	unsigned lcore_cnt;
	struct tw_refl_sess **refl; /* by session */
	struct tw_send_sess **send;
	uint32_t *seq;     /* next number of a request */
	uint32_t *rep_seq; /* next number of a reply */
	uint32_t next;     /* session whose turn it is */
	uint64_t rng;
	uint32_t lose_first;  /* so many requests get lost, whatever the case says */
	uint64_t replies_due; /* to a sender that is running */
	uint64_t checked;
	unsigned turns;
	double create_per_s, session_octets;
	struct meta meta[BATCH];
};

/* main.c */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void
need(bool ok, const char *what)
{
	if (!ok)
		die("%s", what);
}

static inline uint64_t
rnd(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* cases.c */
#define BENCH_COUNTS 6
#define BENCH_FMTS   3
extern const uint32_t bench_counts[BENCH_COUNTS];
extern const struct tw_tst_fmt *const bench_fmts[BENCH_FMTS];
unsigned cases_make(const struct bench_opts *opts, struct bench_case **out);
const char *case_mode(const struct bench_case *c);

/* rig.c */
void bench_init(struct bench *b, const char *argv0);
struct rig *rig_new(struct bench *b, const struct bench_case *c, unsigned lcore_cnt);
void rig_free(struct rig *r, struct bench_result *res);
void rig_reflectors(struct rig *r);
struct tw_refl_sess *rig_reflector(struct rig *r, uint32_t sess, unsigned queue);
size_t rig_memory(void);
void rig_drain(struct rig *r);
void rig_phases(const struct rig *r, uint64_t packets);
struct tw_sess_key rig_key(uint32_t sess, unsigned queue);
struct tw_engine *engine_new(const char *name);
uint64_t rig_pairs(const struct rig *r);

/* A turn as the appliance's loop makes it. */
static inline unsigned
rig_turn(struct rig *r, struct tw_dp_lcore *lc)
{
	unsigned n = tw_dp_turn(lc);

	if (++r->turns % 256 == 0)
		tw_dp_housekeep(lc);
	return n;
}

/* send.c: also for pacing.c */
struct tw_send_sess *rig_sender(
	struct rig *r, uint32_t sess, uint64_t interval_ns, uint64_t count, int64_t start_in_ns);
void rig_sender_end(struct rig *r, struct tw_send_sess *s);

/* frames.c */
struct rte_mbuf *frame_request(
	struct rig *r, uint32_t sess, unsigned queue, uint32_t seq, struct meta *meta);
void frames_seal(struct rig *r, struct rte_mbuf **m, const struct meta *meta, unsigned n,
	unsigned queue, bool is_request);
void frame_cksum(struct rte_mbuf *m);
void check_reply(
	struct rig *r, struct rte_mbuf *m, unsigned queue, const struct meta *meta, bool is_full);
void take_request(struct rig *r, struct rte_mbuf *m, struct meta *meta, bool is_full);
void frame_turn(struct rig *r, struct rte_mbuf *m, struct meta *meta);

/* one function per kind of work */
void run_reflect(struct bench *b, const struct bench_case *c, struct bench_result *res);
void run_send(struct bench *b, const struct bench_case *c, struct bench_result *res);
void run_turnaround(struct bench *b, const struct bench_case *c, struct bench_result *res);
void run_pacing(struct bench *b, const struct bench_case *c, struct bench_result *res);
void run_lcores(struct bench *b, const struct bench_case *c, struct bench_result *res);
void run_base(struct bench *b, const struct bench_case *c, struct bench_result *res);

/* faults.c: what happens to frames on their way */
bool is_lost(struct rig *r);
void reorder(struct rig *r, struct rte_mbuf **m, struct meta *meta, unsigned n);
void corrupt(struct rig *r, struct rte_mbuf *m, struct meta *meta, unsigned hmac_off);

/* reflect.c: also for lcores.c */
#define LAG_FIRST 100001 /* of the reflector's number, before a lossy case is timed */
unsigned batch_make(struct rig *r, unsigned queue, unsigned n);
void batch_check(struct rig *r, unsigned queue, unsigned n, unsigned every);

/* bounds.c */
double bound_of(struct rig *r);

/* report.c */
const char *bench_engine(const struct bench *b); /* the one in use */
void runs_sum(double *cyc, unsigned n, struct bench_result *res);
void report_head(const struct bench *b);
void report_case(const struct bench *b, const struct bench_case *c, const struct bench_result *res);
void report_tail(const struct bench *b, const struct bench_case *c, const struct bench_result *res,
	unsigned n);

#endif /* BENCH_H */
