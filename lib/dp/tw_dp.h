/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The data plane: frames in, sessions found, reflect or send called on bursts, frames out.
 *
 * Who runs what. One control thread makes, publishes and retires; every function says so. Each
 * data lcore runs tw_dp_turn() in a loop on its own struct tw_dp_lcore and is the only one to
 * write the counters, sequence numbers and metrics of the sessions it owns. Control speaks to it
 * in commands by value (a full ring is -EAGAIN or kept and retried by tw_dp_poll()), it answers
 * in events and finished-step counters. A session that is to go is unlinked from the table first,
 * then taken from its owner, and freed once no lcore can hold it: nobody ever waits.
 *
 * A flow belongs to the lcore that its session was given; where the device delivers it to
 * another, the frame is handed over with its arrival time.
 */
#ifndef TW_DP_H
#define TW_DP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tw_addr.h>
#include <tw_base.h>
#include <tw_clock.h>
#include <tw_metrics.h>
#include <tw_port.h>
#include <tw_reflect.h>
#include <tw_send.h>
#include <tw_session.h>

#define TW_DP_LCORES_MAX 32
#define TW_DP_BURST      32
#define TW_DP_ERR_SIZE   256
#define TW_DP_VLANS_MAX  2
#define TW_DP_CLOCKS_MAX 16

struct tw_dp;
struct tw_dp_lcore;

/* Counters ------------------------------------------------------------------------------------- */

enum tw_dp_ctr_kind {
	TW_DP_KIND_IN = 1,
	TW_DP_KIND_OUT,
	TW_DP_KIND_DROP,
	TW_DP_KIND_TX,
	TW_DP_KIND_INFO,
	TW_DP_KIND_N
};

enum tw_dp_ctr {
#define X(NAME, name, kind, help) TW_DP_CTR_##NAME,
#include "drops.def"
#undef X
	TW_DP_CTR_N
};

struct tw_dp_ctr_desc {
	const char *name;
	const char *help;
	enum tw_dp_ctr_kind kind;
};

/** Row of drops.def. @return NULL if @p ctr is none */
const struct tw_dp_ctr_desc *tw_dp_ctr_desc(unsigned ctr);

/* Set-up ------------------------------------------------------------------------------------- */

/* Zero takes the default. */
struct tw_dp_cfg {
	unsigned lcore_cnt;    /* data lcores, 1..TW_DP_LCORES_MAX; required */
	uint32_t refl_max;     /* reflector sessions; 100,000 */
	uint32_t send_max;     /* sender sessions; 100,000 */
	uint32_t handover_cnt; /* frames in flight from one lcore to another; 1,024 */
	uint32_t pairs_cnt;    /* windows of pairs ahead of time, of an lcore; 512 */
	uint32_t raw_cnt;      /* raw records of an lcore not yet read; 65,536 */
	const char *engine;    /* crypto engine, as tw_engine_pick(); "auto" */
	struct tw_clock clock; /* first model of clock 0, which also paces the senders */
	uint64_t seed[4];      /* of the senders' padding, from a random source; not all zero */
	int socket_id;         /* -1: any */
};

/**
 * Make the data plane: table, session memory (locked, not in core dumps), rings, an engine per
 * lcore with its self-test.
 *
 * Context: control thread, after EAL and tw_crypto_init().
 * @param err  on failure what, where and how to mend it
 * @return 0, -EINVAL, -ENOMEM, -EPERM (memory cannot be locked), -ENOTSUP (CPU), -EIO (self-test)
 */
int tw_dp_new(const struct tw_dp_cfg *cfg, char err[TW_DP_ERR_SIZE], struct tw_dp **out);

/** Free everything; data lcores must have left. NULL is fine. Context: control thread. */
void tw_dp_free(struct tw_dp *dp);

/**
 * Retry what a full command ring held back, finish retirements whose time has come. Bounded.
 *
 * Context: control thread, on its tick (1 ms).
 * @return number of things done; 0 means nothing is due now
 */
unsigned tw_dp_poll(struct tw_dp *dp);

/**
 * Publish a model of a clock to all lcores. Ports name their clock by its index (struct tw_port);
 * one that nothing was published for has no time and states so.
 *
 * Context: control thread, some hundred times a second.
 * @param clock_idx  0..TW_DP_CLOCKS_MAX - 1; 0 also paces the senders of all ports
 */
void tw_dp_clock_publish(struct tw_dp *dp, unsigned clock_idx, const struct tw_clock *model);

/* Stamps by NICs ----------------------------------------------------------------------------- */

/* Where arrivals of a port are taken from. */
enum tw_dp_rx_stamps {
	TW_DP_RX_SOFTWARE = 0,
	TW_DP_RX_TEST, /* software; the NIC's are looked at and counted */
	TW_DP_RX_NIC,  /* the NIC's, where they are plausible */
};

/* Where departures are taken from. */
enum tw_dp_tx_stamps {
	TW_DP_TX_SOFTWARE = 0,
	TW_DP_TX_TEST,       /* software; samples are stamped by the NIC */
	TW_DP_TX_SAMPLED,    /* software, corrected by what samples showed */
	TW_DP_TX_SCHED_TEST, /* software; samples are sent on schedule and stamped by the NIC */
	TW_DP_TX_SCHEDULED,  /* the NIC sends when the stamp says */
};

struct tw_dp_stamps {
	enum tw_dp_rx_stamps rx;
	enum tw_dp_tx_stamps tx;
	int64_t bias_tsc; /* SAMPLED: departure - what software expected */
	uint64_t bias_dev_tsc;
};

/** How a port's packets are stamped from now on. Context: control thread. */
void tw_dp_stamps_set(struct tw_dp *dp, unsigned port_idx, const struct tw_dp_stamps *s);

/** Publish the model of a NIC's clock, NIC to UTC (tw_clock_compose()); zero: none. Context:
 *  control thread. */
void tw_dp_nic_publish(struct tw_dp *dp, unsigned port_idx, const struct tw_clock *model);

/**
 * The sample under way: its departure can be asked for (tw_port_tx_stamp_read()).
 * Context: control thread.
 * @param expected      TSC at which software expected it, or ticks of the NIC
 * @param is_scheduled  the latter: it was to leave then
 * @return false: there is none
 */
bool tw_dp_sample_get(
	const struct tw_dp *dp, unsigned port_idx, uint64_t *expected, bool *is_scheduled);

/** Done with it: the next packet may be one. Context: control thread. */
void tw_dp_sample_done(struct tw_dp *dp, unsigned port_idx);

/* What was seen of the NIC's arrival stamps, all lcores together, since the port was added. */
struct tw_dp_nic_seen {
	uint64_t good;      /* before we had the frame, and not long before */
	uint64_t bad;       /* or not: software's was used */
	uint64_t missing;   /* frames without one */
	int64_t lag_sum_ns; /* of the good ones: read - stamped */
	int64_t lag_min_ns, lag_max_ns;
	uint64_t sched_late; /* bursts handed over after the departure they were to have */
};

/** Context: any thread. */
void tw_dp_nic_seen(const struct tw_dp *dp, unsigned port_idx, struct tw_dp_nic_seen *out);

/* Ports -------------------------------------------------------------------------------------- */

/**
 * Give a port's queue pairs to data lcores, least loaded first: pair i serves one lcore.
 *
 * Context: control thread.
 * @return 0, -EEXIST (already there), -EAGAIN (command ring full: try again)
 */
int tw_dp_port_add(struct tw_dp *dp, struct tw_port *port);

/**
 * Begin to take a port away. Its sessions should be retired first: until they are, what they have
 * to send is refused and counted.
 *
 * Context: control thread.
 * @return 0 or -ENOENT
 */
int tw_dp_port_del(struct tw_dp *dp, unsigned port_idx);

/** No lcore uses the port any more: it may be closed. Context: control thread; poll it. */
bool tw_dp_port_is_gone(const struct tw_dp *dp, unsigned port_idx);

/** Lcore that serves queue pair @p queue, or -ENOENT. Context: control thread. */
int tw_dp_port_lcore(const struct tw_dp *dp, unsigned port_idx, unsigned queue);

/* Addresses of a flow ------------------------------------------------------------------------- */

/*
 * Where a session lives: port and VLAN tags, outer first. A VLAN id of 0 is "untagged": priority
 * tags make no other scope. VRFs are told apart by the port and VLAN they are bound to.
 */
struct tw_dp_scope {
	uint8_t port_idx;
	uint8_t vlan_cnt;              /* 0..TW_DP_VLANS_MAX */
	uint16_t vid[TW_DP_VLANS_MAX]; /* outer first */
};

/** The number in struct tw_sess_key. Context: any thread. */
uint32_t tw_dp_scope_id(const struct tw_dp_scope *s);

/**
 * Choose the owner of a new session: the lcore with the fewest among those that have a queue pair
 * of the port. Put it into owner_idx of the session's cfg.
 *
 * Context: control thread.
 * @return lcore, or -ENOENT (no such port)
 */
int tw_dp_owner_pick(const struct tw_dp *dp, unsigned port_idx);

/* Reflector sessions ----------------------------------------------------------------------- */

/** Called when nothing can touch the session any more; its record is wiped after it returns. */
typedef void (*tw_dp_retired_fn)(void *arg);

/**
 * Borrow a zeroed record for the caller to fill with tw_refl_sess_init(). It lies in memory that
 * is locked and kept out of core dumps.
 *
 * Context: control thread.
 * @return NULL if tw_dp_cfg.refl_max are in use or memory lacks
 */
struct tw_refl_sess *tw_dp_refl_new(struct tw_dp *dp);

/**
 * Make it findable under the key in the record. From now on its owner lcore may write its part.
 *
 * Context: control thread. Never waits; running sessions notice nothing.
 * @param scope  the one that made the key's scope number
 * @return 0, -EEXIST (a session has this key), -ENOENT (no such port, or the owner has no queue
 *         pair of it), -ENOSPC (table full), or what the driver says to a steering rule
 */
int tw_dp_refl_publish(struct tw_dp *dp, struct tw_refl_sess *s, const struct tw_dp_scope *scope);

/**
 * Unlink now, free later. Works for a record that was never published, too.
 *
 * Context: control thread. Never waits.
 * @param fn   may be NULL; called from tw_dp_poll() with the record still readable: final counters
 */
void tw_dp_refl_retire(struct tw_dp *dp, struct tw_refl_sess *s, tw_dp_retired_fn fn, void *arg);

/** Sessions in use, and those on their way out. Context: control thread. */
void tw_dp_refl_cnt(const struct tw_dp *dp, uint32_t *live, uint32_t *retiring);

/* Sender sessions ---------------------------------------------------------------------------- */

/* How the packets of a sender travel. Host order; MAC in wire order. */
struct tw_dp_path {
	struct tw_dp_scope scope;
	uint16_t tpid[TW_DP_VLANS_MAX]; /* 0: 0x8100; outer of two: 0x88a8 */
	uint8_t pcp;                    /* priority bits of the tags */
	uint8_t next_hop[6];            /* MAC of the next hop */
	struct tw_addr src, dst;
	uint16_t src_port, dst_port;
};

/**
 * Borrow a record for tw_send_sess_init(), and @p mem_size octets (64-aligned, zeroed, no secrets)
 * for its metrics: tw_metrics_size().
 *
 * Context: control thread.
 * @param mem   out; belongs to the record; NULL if @p mem_size is 0
 * @return NULL if tw_dp_cfg.send_max are in use or memory lacks (errno)
 */
struct tw_send_sess *tw_dp_send_new(struct tw_dp *dp, size_t mem_size, void **mem);

/**
 * Bind it to the port and make its replies findable under the key in the record. It sends nothing
 * yet.
 *
 * Context: control thread.
 * @return as tw_dp_refl_publish(), or -EINVAL (path)
 */
int tw_dp_send_publish(struct tw_dp *dp, struct tw_send_sess *s, const struct tw_dp_path *path);

/**
 * Begin to send, by the schedule in the record. A DONE event follows in any case.
 * Context: control thread.
 * @return 0 or -EAGAIN (command ring full: try again)
 */
int tw_dp_send_start(struct tw_dp *dp, struct tw_send_sess *s);

/** Send no more; replies still count until Tmax, then comes DONE. Context: control thread.
 *  @return 0 or -EAGAIN */
int tw_dp_send_stop(struct tw_dp *dp, struct tw_send_sess *s);

/** Use another next hop, source MAC or tag from now on: same port, addresses and ports.
 *  Context: control thread. @return 0, -EINVAL, -EAGAIN */
int tw_dp_send_path(struct tw_dp *dp, struct tw_send_sess *s, const struct tw_dp_path *path);

/** As tw_dp_refl_retire(), in any state; its memory goes with it. Read reports in @p fn or before.
 */
void tw_dp_send_retire(struct tw_dp *dp, struct tw_send_sess *s, tw_dp_retired_fn fn, void *arg);

void tw_dp_send_cnt(const struct tw_dp *dp, uint32_t *live, uint32_t *retiring);

/** Octets held for metrics: for limits and shows. Context: control thread. */
size_t tw_dp_send_mem(const struct tw_dp *dp);

/* Events ------------------------------------------------------------------------------------- */

enum tw_dp_event_type {
	TW_DP_EVENT_SEND_DONE = 1, /* ENDED: metrics are settled and control's to report */
	TW_DP_EVENT_SEND_REPORT,   /* a report interval is over: `interval` */
	TW_DP_EVENT_N
};

struct tw_dp_event {
	uint8_t type; /* enum tw_dp_event_type */
	uint8_t lcore_idx;
	bool is_failed;   /* DONE: the lcore could not take the session (start refused) */
	uint32_t sess_id; /* struct tw_sess.id */
	struct tw_metrics_interval interval;
};

/**
 * Take events of all lcores. DONE is never lost: what does not fit the ring is kept by the lcore.
 * A REPORT is lost and counted (report_lost) if control does not keep up; the totals in the next
 * one close the gap.
 *
 * Context: control thread, on its tick.
 * @return how many, 0..n
 */
unsigned tw_dp_event_pop(struct tw_dp *dp, struct tw_dp_event *ev, unsigned n);

/** Have every reply of this session told by a raw record. Context: control thread, before start. */
void tw_dp_send_want_raw(struct tw_dp *dp, struct tw_send_sess *s);

/* One reply, of a session that wants it. */
struct tw_dp_raw {
	uint32_t sess_id;
	uint32_t reserved;
	struct tw_metrics_sample sample;
};

/** Take raw records; lost ones are counted (raw_lost). Context: control thread. */
unsigned tw_dp_raw_pop(struct tw_dp *dp, struct tw_dp_raw *raw, unsigned n);

/* Statistics --------------------------------------------------------------------------------- */

struct tw_dp_stats {
	uint64_t ctr[TW_DP_CTR_N];
	uint64_t cmd_lost;      /* commands refused, ring full (callers saw -EAGAIN) */
	uint64_t turnaround_ns; /* running estimate: stamp to device, encrypted replies */
	uint64_t gap_total_ns;  /* the lcore did not run though it should have */
	uint64_t gap_longest_ns;
	uint64_t pairs_filled; /* pairs computed ahead of their packets */
	uint32_t pairs_used;   /* sessions that have a window of them now */
	uint32_t sender_cnt;   /* sessions scheduled now */
	uint32_t queue_cnt;    /* queue pairs served */
	bool is_running;       /* between tw_dp_enter() and tw_dp_leave() */
};

/** Counters of one lcore, or of all with lcore_idx == tw_dp_lcore_cnt(). Context: any thread. */
void tw_dp_stats_get(const struct tw_dp *dp, unsigned lcore_idx, struct tw_dp_stats *out);

/** Crypto engine of a data lcore and which code of it runs here. Context: any thread. */
const char *tw_dp_engine(const struct tw_dp *dp, unsigned lcore_idx, const char **variant);

/* Time in which a data lcore did not run though it should have (hypervisor, scheduler). */
struct tw_dp_gap {
	uint64_t begin_tsc, end_tsc; /* of the turn it fell into; where in it nobody knows */
	uint64_t len_ns;             /* how much of that was lost */
};

/**
 * Read the last gaps of an lcore, 256 at most, oldest first.
 *
 * Context: any thread, while the lcore goes on.
 * @param next  in: number of the first one wanted; out: to be asked for next. 0 begins
 * @return how many, 0..n
 */
unsigned tw_dp_gaps_get(const struct tw_dp *dp, unsigned lcore_idx, uint64_t *next,
	struct tw_dp_gap *out, unsigned n);

unsigned tw_dp_lcore_cnt(const struct tw_dp *dp);

/* The data lcore ------------------------------------------------------------------------------ */

/** State of data lcore @p lcore_idx, NULL beyond the last. */
struct tw_dp_lcore *tw_dp_lcore_at(struct tw_dp *dp, unsigned lcore_idx);

/** Join: first call of the lcore's thread. @return 0 or -errno */
int tw_dp_enter(struct tw_dp_lcore *lc);

/** Leave: last call of the lcore's thread. Frees what it holds of frames. */
void tw_dp_leave(struct tw_dp_lcore *lc);

/**
 * One turn: poll queues and rings, answer, collect, send what is due, commands.
 *
 * Context: data lcore. No system call, lock or allocation of its own (some devices make them).
 * @return amount of work found; 0 = idle
 */
unsigned tw_dp_turn(struct tw_dp_lcore *lc);

/** Every 256 turns, and after sleeping: clock copies, expiry, events kept back. Bounded. */
void tw_dp_housekeep(struct tw_dp_lcore *lc);

/**
 * Time until something is due, at most @p max_ns: how long the lcore may sleep if idle.
 * Context: data lcore.
 */
int64_t tw_dp_idle_ns(const struct tw_dp_lcore *lc, int64_t max_ns);

/** Before and after sleeping: the lcore holds no session meanwhile, and it is no gap. */
void tw_dp_offline(struct tw_dp_lcore *lc);
void tw_dp_online(struct tw_dp_lcore *lc);

/** Ask the lcore to leave its loop. Context: any thread, signal handlers too. */
void tw_dp_stop(struct tw_dp *dp);

/** The lcore should leave. Context: data lcore, in housekeeping. */
bool tw_dp_is_stopping(const struct tw_dp_lcore *lc);

#endif /* TW_DP_H */
