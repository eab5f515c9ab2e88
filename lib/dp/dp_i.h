/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the files of lib/dp share: the plane, its lcores, and frames on their way through one turn.
 */
#ifndef DP_I_H
#define DP_I_H

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <tw_pairs.h>
#include <tw_xcore.h>

#include "phase.h"
#include "slab.h"
#include "table.h"
#include "tw_dp.h"

#define BURST         TW_DP_BURST
#define CMD_CNT       4096 /* commands waiting for an lcore */
#define EVENT_CNT     4096
#define HANDOVER_CNT  1024
#define RAW_CNT       16384
#define SESS_MAX      100000
#define KEYS_AHEAD    16  /* packets whose keys are fetched; engines look ahead themselves */
#define PAIRS_CNT     512 /* windows of an lcore, 8 KiB each */
#define CMDS_A_TURN   32
#define TICK_NS       1000000 /* between two looks at what time alone brings */
#define HDR_MAX       (RTE_ETHER_HDR_LEN + 2 * 4 + 40 + 8)
#define EST_FIRST_TSC 1000 /* durations nobody has measured yet */
#define EST_GAP       16   /* what takes so many times as long as usual was preempted */
#define EST_TOP_SHIFT 16
#define EST_TOP_DOWN  14
#define EST_CLASSES   6    /* bursts of 1, 2..3, 4..7, ... 32 */
#define TURN_CLASSES  9    /* turns with 0, 1, 2..3, ... 64 and more to do, and with upkeep */
#define GAP_NS        5000 /* a turn this much longer than usual lost its CPU */
#define GAP_KEPT      256

/* What the packets of a sender look like below the test packet. */
struct header {
	uint8_t b[HDR_MAX]; /* Ethernet to UDP, complete but for the UDP checksum */
	uint8_t len;
	uint64_t sum;        /* pseudo header and UDP header */
	uint64_t ol_flags;   /* what the device is to do ... */
	uint64_t tx_offload; /* ... and where */
};

/* Sender's record with what is below. */
struct dp_sender {
	struct tw_send_sess s; /* first: its address is the session's */

	/* w: control before publication, then owner lcore */
	struct header hdr;
	uint8_t port_idx;
	bool has_raw; /* each reply makes a raw record */

	/* w, r: owner lcore. Gaps since the start, and the lcore's counts at the last report */
	struct tw_metrics_gaps gaps;
	uint64_t gaps_seen, gap_ns_seen;

	/* w, r: owner lcore. DONE that did not fit the event ring */
	struct dp_sender *next_done;
	struct tw_dp_event done;
};

/* What lib/dp knows of a session beside its record; control thread only. */
struct sess_ctl {
	struct tw_xcore_defer defer;
	struct tw_dp *dp;
	tw_dp_retired_fn fn;
	void *arg;
	struct rte_flow *steer;
	struct sess_ctl *next; /* senders to be forgotten */
	void *mem;             /* metrics of a sender */
	size_t mem_size;
	uint64_t ticket;
	uint32_t idx;
	uint8_t port_idx;
	bool is_published;
	bool is_started;
};

enum cmd_type {
	CMD_QUEUE_ADD = 1,
	CMD_QUEUE_DEL,
	CMD_QUEUE_LIVE,
	CMD_SEND_START,
	CMD_SEND_STOP,
	CMD_SEND_PATH,
	CMD_SEND_FORGET,
};

/* By value, control to lcore. */
struct cmd {
	uint32_t type; /* enum cmd_type */
	bool is_live;
	uint16_t queue;
	uint16_t port_idx;
	struct tw_port *port;
	struct dp_sender *sender;
	struct header hdr;
};

/* Running mean and deviation of a duration, in ticks. */
struct est {
	uint64_t mean_tsc;
	uint64_t dev_tsc;
	uint64_t top; /* hardly one in a thousand takes longer, gaps apart: 2^-16 ticks */
};

/* What control publishes of a port's NIC. */
struct nic_pub {
	struct tw_xcore_clock *model;
	_Atomic uint32_t rx, tx; /* w: control */
	_Atomic int64_t bias_tsc;
	_Atomic uint64_t bias_dev_tsc;
	_Atomic uint32_t is_armed; /* w: lcore of pair 0 to 1, control to 0 */
	_Atomic uint64_t expected; /* w: that lcore, before it arms */
};

/* What an lcore saw of a port's NIC.   w: this lcore   r: control, relaxed */
struct nic_seen {
	struct tw_ctr good, bad, missing, sched_late;
	_Atomic int64_t lag_sum_ns, lag_min_ns, lag_max_ns;
};

/* A queue pair as its lcore sees it. */
struct lc_port {
	struct tw_port *port; /* NULL: not ours */
	uint16_t eth_id;
	uint16_t queue;
	uint8_t clock_idx;   /* of the port's clock */
	bool is_live;        /* started: may be polled */
	uint32_t exc_tokens; /* frames to the kernel left in this period */
	uint64_t empty_tsc;  /* the queue was seen empty then: nothing waits longer */
	struct est wait;     /* how long that usually is before frames are found */

	/* the NIC's time, refreshed in housekeeping */
	uint8_t rx_stamps, tx_stamps; /* enum tw_dp_rx_stamps, tw_dp_tx_stamps */
	uint32_t nic_seen;
	struct tw_clock nic; /* NIC to UTC */
	int64_t bias_tsc;
	uint64_t bias_dev_tsc;
	uint64_t sample_due_tsc; /* no sample before */
	uint64_t sched_last;     /* departure of the last packet, ticks of the NIC */
};

/* A gap, for control to read while the next ones come. */
struct gap {
	_Atomic uint64_t len_ns; /* 0: being written */
	_Atomic uint64_t begin_tsc, end_tsc;
	_Atomic uint64_t no;
};

/* A frame between parsing and its fate. */
struct pkt {
	struct rte_mbuf *m;
	uint8_t *frame;
	uint16_t l3_off;
	uint16_t l4_off;
	uint16_t pay_len; /* UDP payload, at l4_off + 8 */
	uint8_t ttl;
	uint8_t tos;
	uint8_t key_idx; /* its place in key[] of struct scratch */
	bool is_v6;
	bool has_pad_sum;
	uint64_t pad_sum; /* of the padding that a reply keeps, as verified */
	struct tw_sess *sess;
	const struct tw_sess_stamp *rx; /* arrival */
};

static inline uint8_t *
pkt_payload(const struct pkt *pkt)
{
	return pkt->frame + pkt->l4_off + 8;
}

/* Arrays of one turn. */
struct scratch {
	struct rte_mbuf *rx[BURST];
	struct pkt pkt[BURST];
	struct tw_sess_key key[BURST];
	struct tw_sess_stamp stamp[BURST];
	struct pkt *refl[BURST];
	struct pkt *coll[BURST];
	struct rte_mbuf *tx[BURST];
	uint64_t sum[BURST];     /* for the UDP checksum of tx[], the stamp apart */
	uint64_t pad_sum[BURST]; /* of the padding of a reply, by job */
	struct tw_reflect_job rjob[BURST];
	struct tw_send_job sjob[BURST];
	struct tw_send_reply reply[BURST];
	struct tw_metrics_sample sample[BURST];
	struct tw_sess_stamp tx_stamp[BURST]; /* departures, port by port: of each, or one of all */
	uint64_t hand_by_tsc;                 /* handing over begins by then, says the stamp */
	uint64_t tx_by_tsc;                   /* all handed over by then */
	uint64_t seal_by_tsc;                 /* or the prediction */
	uint8_t job_of[BURST];                /* job whose frame stands in tx[] */
};

struct __rte_cache_aligned tw_dp_lcore {
	/* w: control before the lcore enters   r: this lcore */
	struct tw_dp *dp;
	unsigned idx;
	const struct table *table;
	struct tw_xcore_ring *cmd;
	struct tw_xcore_ring *event;
	struct tw_xcore_ring *raw;
	struct rte_ring *to[TW_DP_LCORES_MAX];   /* frames to another lcore */
	struct rte_ring *from[TW_DP_LCORES_MAX]; /* frames from another lcore */
	struct tw_engine *engine;
	struct tw_pairs *pairs;
	struct tw_send *snd;
	struct tw_reflect *refl;
	struct scratch *scr;
	size_t engine_size, pairs_size, snd_size;

	/* w, r: this lcore */
	struct tw_clock clock[TW_DP_CLOCKS_MAX]; /* by clock of the ports; 0 paces the senders */
	struct tw_send_steady steady;            /* of clock 0 */
	uint32_t clock_seen[TW_DP_CLOCKS_MAX];
	uint64_t turn_tsc; /* begin of the last turn */
	uint64_t exc_refill_tsc;
	int64_t tick_due_ns;
	struct est est_stamp[EST_CLASSES]; /* stamping a burst */
	struct est est_tx[EST_CLASSES];    /* handing it to the device */
	struct est est_seal[EST_CLASSES];  /* protection to half way into the device */
	struct est est_turn[TURN_CLASSES]; /* turns, by how much they found to do */
	uint64_t gap_tsc;                  /* GAP_NS */
	uint8_t turn_class;                /* of the last turn */
	bool has_upkeep;                   /* it did more than packets */
	struct dp_sender *done_first;      /* events kept back */
	uint16_t pair_cnt;
	uint8_t pair[TW_PORT_MAX]; /* port indices with a pair of ours */
	struct lc_port port[TW_PORT_MAX];

	/* w: this lcore   r: any, relaxed */
	alignas(TW_CACHE_LINE) struct tw_ctr ctr[TW_DP_CTR_N];
	struct tw_ctr turnaround_ns;
	struct tw_ctr sender_cnt;
	struct tw_ctr gap_total_ns;
	struct tw_ctr gap_longest_ns;
	struct gap gap[GAP_KEPT];
	struct nic_seen nic[TW_PORT_MAX];

#ifdef TW_DP_PHASES
	struct phases phases;
#endif
	/* w: this lcore   r: control */
	alignas(TW_CACHE_LINE) struct tw_xcore_seq cmd_done;
	struct tw_xcore_flag is_running;
};

/* What control remembers of an lcore. */
struct lc_ctl {
	uint64_t cmd_pushed;
	uint32_t sess_cnt; /* sessions it owns */
	uint32_t pair_cnt;
	uint64_t cmd_lost;
};

enum port_state {
	PORT_ABSENT = 0,
	PORT_ACTIVE,
	PORT_PAUSING, /* lcores are to let go so that it can be started again */
	PORT_GOING,
};

struct port_ctl {
	enum port_state state;
	struct tw_port *port;
	unsigned told;                       /* pairs whose lcore has the last command */
	uint64_t ticket[TW_PORT_QUEUES_MAX]; /* by pair */
	uint8_t lcore[TW_PORT_QUEUES_MAX];
	bool is_live; /* as the lcores were told */
};

struct tw_dp {
	struct tw_dp_cfg cfg;
	struct tw_xcore_qsbr qsbr;
	struct tw_xcore_clock *clock[TW_DP_CLOCKS_MAX];
	struct nic_pub nic[TW_PORT_MAX];
	struct tw_xcore_flag stop;
	struct table table;
	int t2_off; /* dynamic field of mbufs: struct handover */
	struct slab refl_slab;
	struct slab send_slab;
	struct sess_ctl *refl_ctl; /* by cell */
	struct sess_ctl *send_ctl;
	uint32_t refl_live, refl_retiring, send_live, send_retiring;
	size_t send_mem;
	struct sess_ctl *forget_first; /* senders whose lcore is still to be told, or to answer */
	struct port_ctl port[TW_PORT_MAX];
	struct lc_ctl lc_ctl[TW_DP_LCORES_MAX];
	struct tw_dp_lcore *lc[TW_DP_LCORES_MAX];
	unsigned event_next; /* lcore whose events come first next time */
};

/* What travels with a frame to its session's lcore. */
struct handover {
	uint64_t t2_tsc;
	uint64_t wait_tsc; /* it may have waited in the queue this long */
};

static inline struct handover *
handover_of(const struct tw_dp *dp, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, dp->t2_off, struct handover *);
}

static inline void
count(struct tw_dp_lcore *lc, enum tw_dp_ctr ctr, uint64_t n)
{
	tw_ctr_add(&lc->ctr[ctr], n);
}

/* Free a frame and say why. */
static inline void
drop(struct tw_dp_lcore *lc, struct rte_mbuf *m, enum tw_dp_ctr why)
{
	count(lc, why, 1);
	rte_pktmbuf_free(m);
}

/* Class of a burst of n: its power of two. */
static inline unsigned
est_class(unsigned n)
{
	return 31 - (unsigned)__builtin_clz(n);
}

/*
 * A preempted burst tells nothing of the next one: the mean goes down fast and up slowly, so that
 * it stays with what a burst takes when nothing comes between. The deviation makes no difference.
 */
static inline void
est_add(struct est *e, uint64_t took_tsc)
{
	uint64_t away;

	if (e->mean_tsc == 0) {
		e->mean_tsc = took_tsc;
		e->dev_tsc = took_tsc / 2;
		return;
	}
	if (took_tsc < e->mean_tsc) {
		away = e->mean_tsc - took_tsc;
		e->mean_tsc -= away / 2;
	} else {
		away = took_tsc - e->mean_tsc;
		if (away > EST_GAP * e->mean_tsc)
			away = EST_GAP * e->mean_tsc;
		e->mean_tsc += (away < e->mean_tsc ? away : e->mean_tsc) / 16;
	}
	e->dev_tsc += away / 8;
	e->dev_tsc -= e->dev_tsc / 8;
}

/*
 * What hardly anything takes longer than: half way up to what does, and down by so little that it
 * takes some thousand others to make up for it.
 */
static inline void
est_top(struct est *e, uint64_t took_tsc)
{
	const uint64_t took = took_tsc << EST_TOP_SHIFT, mean = e->mean_tsc << EST_TOP_SHIFT;

	if (likely(took <= e->top))
		e->top -= (e->top - (e->top < mean ? e->top : mean)) >> EST_TOP_DOWN;
	else if (took_tsc <= EST_GAP * e->mean_tsc)
		e->top += (took - e->top) / 2;
}

/* The clock of a port's stamps. */
static inline const struct tw_clock *
clock_of(const struct tw_dp_lcore *lc, const struct lc_port *lp)
{
	return &lc->clock[lp->clock_idx];
}

/* Ticks as nanoseconds that fit an error of a stamp. */
static inline uint32_t
residue_ns(const struct tw_clock *c, uint64_t tsc)
{
	int64_t ns = tsc > INT64_MAX ? INT64_MAX : tw_clock_tsc_to_ns(c, (int64_t)tsc);

	return ns < 0 || ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static inline int64_t
steady_at(const struct tw_dp_lcore *lc, uint64_t tsc)
{
	return tw_send_steady_at(&lc->steady, tw_clock_at(&lc->clock[0], tsc));
}

/* ctl.c */
bool cmd_push(struct tw_dp *dp, unsigned lcore_idx, const struct cmd *cmd, uint64_t *ticket);
bool cmd_is_done(const struct tw_dp *dp, unsigned lcore_idx, uint64_t ticket);
int bind_session(
	struct tw_dp *dp, struct sess_ctl *c, struct tw_sess *s, const struct tw_dp_scope *scope);
void unbind_session(struct tw_dp *dp, struct sess_ctl *c, const struct tw_sess *s);
unsigned ports_poll(struct tw_dp *dp);
unsigned senders_poll(struct tw_dp *dp);
void senders_unmap(struct tw_dp *dp);

/* header.c: template of a sender */
int header_make(const struct tw_port *port, const struct tw_dp_path *path,
	const struct tw_send_sess *s, struct header *out);

/* lcore side */
void cmds_run(struct tw_dp_lcore *lc);
unsigned rx_queue(struct tw_dp_lcore *lc, struct lc_port *lp);
unsigned rx_handover(struct tw_dp_lcore *lc);
unsigned exc_from_kernel(struct tw_dp_lcore *lc, struct lc_port *lp);
void exc_to_kernel(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf *m);
void reflect_burst(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n);
void collect_burst(struct tw_dp_lcore *lc, unsigned n);
unsigned send_due(struct tw_dp_lcore *lc, int64_t now_ns);
void send_tick(struct tw_dp_lcore *lc, uint64_t tsc, int64_t now_ns);
void done_flush(struct tw_dp_lcore *lc);
void done_forget(struct tw_dp_lcore *lc, const struct dp_sender *sn);
void done_push(struct tw_dp_lcore *lc, struct dp_sender *sn, const struct tw_metrics_interval *rest,
	bool is_failed);

/**
 * Look at a frame, lengths first.
 * @return TW_DP_CTR_N: a UDP packet, @p pkt and @p key are set; TW_DP_CTR_EXCEPTION: not for us;
 *         else the reason to drop it
 */
enum tw_dp_ctr parse_frame(
	const struct tw_port *port, struct rte_mbuf *m, struct pkt *pkt, struct tw_sess_key *key);

#endif /* DP_I_H */
