/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Session records: what a data lcore needs to reflect or to measure, laid out by who writes it.
 *
 * Life of a record: the control lcore fills it whole (keys expanded), the data plane publishes it
 * in its table, one data lcore - the owner - works with it, the control lcore unlinks it, waits
 * for a grace period, wipes it. Nothing of a record moves and no lock protects it: every field has
 * one writer, and what another thread reads meanwhile is atomic. The table itself, the slabs and
 * the grace period belong to the data plane.
 */
#ifndef TW_SESSION_H
#define TW_SESSION_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_base.h"
#include "tw_clock.h"
#include "tw_crypto.h"
#include "tw_engine.h"
#include "tw_tst.h"

struct tw_metrics; /* tw_metrics.h */

/* Most packets in one call of a burst function of lib/reflect and lib/send. */
#define TW_BURST_MAX 64
static_assert(TW_BURST_MAX <= TW_ENGINE_BURST_MAX, "a burst is protected in one call");

/* --- stamps of a burst --- */

/*
 * A stamp with what goes on the wire for it. One serves all packets of a burst that were stamped
 * together (the counter is read once per burst); a NIC's stamps are one per packet.
 */
struct tw_sess_stamp {
	struct tw_stamp at;
	uint64_t ntp; /* Timestamp */
	uint16_t ee;  /* Error Estimate, host order */
};

/**
 * Stamp of a counter value.
 * @param residue_ns  more error than that of the clock: prediction of a departure, burst
 */
static inline struct tw_sess_stamp
tw_sess_stamp_at(const struct tw_clock *clock, uint64_t tsc, enum tw_stamp_source source,
	uint32_t residue_ns)
{
	struct tw_sess_stamp st = {.at = tw_clock_stamp(clock, tsc, source)};

	st.ntp = tw_clock_ns_to_ntp(st.at.time);
	if (residue_ns == 0) {
		st.ee = tw_clock_ee_at(clock, tsc);
		return st;
	}
	st.ee = tw_clock_ee_of_stamp(&st.at, residue_ns);
	if (st.at.stamp_error_ns <= TW_CLOCK_ERROR_UNKNOWN - residue_ns)
		st.at.stamp_error_ns += residue_ns;
	else
		st.at.stamp_error_ns = TW_CLOCK_ERROR_UNKNOWN;
	return st;
}

/** The same of a stamp that was made elsewhere (NIC, simulation). */
static inline struct tw_sess_stamp
tw_sess_stamp_of(const struct tw_stamp *at)
{
	return (struct tw_sess_stamp){
		.at = *at, .ntp = tw_clock_ns_to_ntp(at->time), .ee = tw_clock_ee_of_stamp(at, 0)};
}

/* --- what both roles share --- */

enum tw_sess_role { TW_SESS_ROLE_REFLECTOR = 1, TW_SESS_ROLE_SENDER, TW_SESS_ROLE_N };

/* PROTOCOL.md 1.6. FREE of the text is "not in the table". */
enum tw_sess_state {
	TW_SESS_RESERVED = 1, /* accepted or configured, not started: never answered */
	TW_SESS_RUNNING,
	TW_SESS_DRAINING, /* reflector: until the deadline; sender: waits Tmax for last replies */
	TW_SESS_ENDED,    /* waits to be unlinked: never answered */
	TW_SESS_N
};

/** Lower-case name of a state; "?" if it is none. */
const char *tw_sess_state_name(unsigned state);

/*
 * What finds the session of an arriving packet: compared octet by octet, so there is no padding.
 * Source and destination as in the packet: source is the peer, destination is this box.
 */
struct tw_sess_key {
	uint32_t scope;       /* port, VLAN or VRF; numbers are the data plane's */
	uint16_t src_port_be; /* network order, as in the packet */
	uint16_t dst_port_be;
	uint8_t src[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t dst[16];
};
static_assert(sizeof(struct tw_sess_key) == 40, "the key is hashed as it is");

/**
 * Make the key of packets from (@p src, @p src_port) to (@p dst, @p dst_port).
 * Both addresses must be of one family. Ports in host order.
 */
struct tw_sess_key tw_sess_key_make(uint32_t scope, const struct tw_addr *src, uint16_t src_port,
	const struct tw_addr *dst, uint16_t dst_port);

/* IPv4 address (network order, 4 octets at @p v4) as it stands in a key. */
static inline void
tw_sess_key_map_v4(uint8_t out[16], const void *v4)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(out, prefix, sizeof(prefix));
	memcpy(out + sizeof(prefix), v4, 4);
}

/*
 * Head of every session: one cache line, the first a lookup touches. `role` says what follows:
 * struct tw_refl_sess or struct tw_send_sess.
 */
struct tw_sess {
	/* w: control, before publication only   r: all */
	alignas(TW_CACHE_LINE) struct tw_sess_key key;
	const struct tw_tst_fmt *fmt; /* picked once per session */
	uint32_t id;                  /* the control lcore's handle */
	uint8_t role;                 /* enum tw_sess_role */
	uint8_t owner_idx;            /* data lcore that works with it */
	uint8_t dscp;                 /* 0..63, of every packet we send in this session */
	/*
	 * w: control (reflector), owner lcore (sender, after tw_send_add)   r: all
	 * enum tw_sess_state. Stored with release order after what the new state needs.
	 */
	_Atomic uint8_t state;
	/* w: control   r: owner lcore. Reflector, DRAINING: answer packets with T2 up to this. */
	_Atomic int64_t deadline_ns;
};
static_assert(sizeof(struct tw_sess) == TW_CACHE_LINE, "one line");

static inline enum tw_sess_state
tw_sess_state_get(const struct tw_sess *s)
{
	return (enum tw_sess_state)atomic_load_explicit(&s->state, memory_order_acquire);
}

/* First octet for the IP header of our packets: DSCP, ECN Not-ECT. */
static inline uint8_t
tw_sess_tos(const struct tw_sess *s)
{
	return (uint8_t)(s->dscp << 2);
}

/* --- reflector --- */

enum tw_refl_drop {
	TW_REFL_OK = 0, /* not dropped */
#define TW_REFL_DROP(NAME, name, text) TW_REFL_DROP_##NAME,
#include "refl_drops.def"
	TW_REFL_DROP_N
};

/** Name of a reason as in the table; "?" if it is none. */
const char *tw_refl_drop_name(unsigned reason);

/*
 * A rate-limited session may run this far ahead of its rate, so that a burst which queued up
 * somewhere is not taken for abuse.
 */
#define TW_REFL_RATE_BURST_NS 100000000

#define TW_REFL_HOT_LINES 5

/*
 * Reflector session, keys included: a million of them fit 1 GiB with their table. What was
 * reflected and what was dropped sum up to what arrived, so arrivals have no counter. What a packet
 * of a protected session needs are the first five lines: with many sessions each line is a miss.
 */
struct tw_refl_sess {
	struct tw_sess s;

	/* w: owner lcore   r: control, relaxed, the atomic ones */
	alignas(TW_CACHE_LINE) uint32_t next_seq; /* next Sequence Number */
	uint32_t rate_interval_ns;                /* w: control, before publication; 0: no limit */
	_Atomic int64_t last_valid_ns;            /* T2 of the last valid packet; 0: none yet */
	struct tw_ctr reflected;                  /* replies handed to the device */
	uint16_t pairs;                           /* lease, see tw_pairs_of(); 0: none */
	uint16_t outer_tpid;                      /* w: control, as above; 0: as received */

	/* w: control, before publication and at the wipe   r: owner lcore */
	struct tw_crypto_tkey tkey; /* open formats: unused, all zero */

	/* w: owner lcore   r: control, relaxed, the atomic ones */
	int64_t rate_tat_ns;                 /* time up to which the rate is used up */
	struct tw_ctr drops[TW_REFL_DROP_N]; /* [0] unused */
};
static_assert(offsetof(struct tw_refl_sess, tkey) + offsetof(struct tw_crypto_tkey, hmac_key) <=
		      TW_REFL_HOT_LINES * TW_CACHE_LINE,
	"lines that a packet needs");
static_assert(sizeof(struct tw_refl_sess) <= 512, "a million sessions fit 1 GiB with their table");

/* A line of its record into the cache. */
static inline void
tw_refl_fetch(const struct tw_sess *sess, unsigned line)
{
	__builtin_prefetch((const uint8_t *)sess + line * (size_t)TW_CACHE_LINE);
}

struct tw_refl_cfg {
	struct tw_sess_key key;
	const struct tw_tst_fmt *fmt;
	uint32_t id;
	uint32_t rate_pps; /* most packets reflected per second; 0: no limit */
	uint8_t owner_idx;
	uint8_t dscp;
	uint16_t outer_tpid; /* of the outer tag of replies; 0: that of the request */
	/*
	 * Protected formats: the keys of the control connection and the SID (16 octets), from which
	 * the test keys come (PROTOCOL.md 3.5), or the test keys themselves and no SID. Open
	 * formats: NULL. Read by init only.
	 */
	const struct tw_crypto_keys *keys;
	const uint8_t *sid;
};

/**
 * Fill a record, state RESERVED. Keys are expanded here, once per session (R-5357-056).
 *
 * Context: control, before publication. Does not block or allocate.
 * @param sess  tw_crypto_map() memory, any content, TW_CACHE_LINE aligned
 * @return 0; -EINVAL (no format, dscp > 63, rate_pps > 10^9, keys missing for a protected format or
 *         given for an open one), -EIO, -ENOTSUP (tw_crypto_tkey_derive()); the record is then zero
 */
int tw_refl_sess_init(struct tw_refl_sess *sess, const struct tw_refl_cfg *cfg);

/** RESERVED -> RUNNING. Context: control, before Start-Ack leaves. */
void tw_refl_sess_start(struct tw_refl_sess *sess);

/**
 * RUNNING -> DRAINING: packets that arrived up to @p deadline (Stop + Timeout) are still answered.
 * Again in DRAINING moves the deadline, which is how control follows a step of the clock. No
 * effect in other states. Context: control.
 */
void tw_refl_sess_drain(struct tw_refl_sess *sess, tw_ns deadline);

/** Any state -> ENDED: nothing is answered from now on. Context: control. */
void tw_refl_sess_end(struct tw_refl_sess *sess);

/** Erase keys and counters. Context: control, after the grace period (nobody reads it). */
void tw_refl_sess_wipe(struct tw_refl_sess *sess);

/* What a reflector session has done; a copy, not one instant. */
struct tw_refl_counts {
	uint64_t reflected;
	uint64_t dropped; /* sum of drops */
	uint64_t drops[TW_REFL_DROP_N];
	/*
	 * T2 of the last valid packet; 0 before the first. For REFWAIT watch it change, by a steady
	 * clock of your own: T2 follows UTC and may step.
	 */
	tw_ns last_valid;
};

/** Copy the counters. Context: control (or any thread that keeps the record alive). */
void tw_refl_sess_counts(const struct tw_refl_sess *sess, struct tw_refl_counts *out);

/* --- sender --- */

enum tw_send_drop {
	TW_SEND_OK = 0, /* not dropped */
#define TW_SEND_DROP(NAME, name, text) TW_SEND_DROP_##NAME,
#include "send_drops.def"
	TW_SEND_DROP_N
};

/** Name of a reason as in the table; "?" if it is none. */
const char *tw_send_drop_name(unsigned reason);

enum tw_send_law {
	TW_SEND_PERIODIC = 1, /* first packet at the start time */
	TW_SEND_POISSON,      /* exponential gaps, one before the first packet (RFC 4656 3.6) */
	TW_SEND_BURST,        /* so many at once, then an interval */
	TW_SEND_TRACE,        /* gaps as told, over and over, one before the first packet */
	TW_SEND_LAW_N
};

/* Bounds of a schedule's (mean) interval: 1,000,000 packets/s to one an hour. */
#define TW_SEND_INTERVAL_MIN_NS 1000
#define TW_SEND_INTERVAL_MAX_NS 3600000000000ULL

#define TW_SEND_BURST_MAX 65535 /* packets of a burst */
#define TW_SEND_TRACE_MAX 65536 /* gaps of a trace */

#define TW_SEND_LATE_AFTER_NS 1000000LL    /* default of late_after_ns: 1 ms */
#define TW_SEND_MAX_LAG_NS    1000000000LL /* default of max_lag_ns: 1 s */
#define TW_SEND_TMAX_NS       2000000000LL /* default of tmax_ns: 2 s (PROTOCOL.md 5.1) */
#define TW_SEND_REPORT_NS     1000000000LL /* default of report_ns: 1 s */

struct tw_send_cfg {
	struct tw_sess_key key; /* of the replies: source is the reflector */
	const struct tw_tst_fmt *fmt;
	uint32_t id;
	uint8_t owner_idx;
	uint8_t dscp;
	uint8_t law;           /* enum tw_send_law */
	uint8_t clock_idx;     /* clock of its stamps, a number of the caller's */
	bool has_zero_padding; /* else pseudo-random (R-4656-077, -079) */
	uint16_t size;         /* octets of a request, UDP payload; >= fmt->req_min */

	/*
	 * (Mean) time between packets; BURST: from the begin of one to that of the next; TRACE: not
	 * used. Plus 2^-32 ns, so that 3 packets/s stay 3.
	 */
	uint64_t interval_ns;
	uint32_t interval_frac;
	uint16_t burst_cnt; /* BURST: packets of one, >= 1 */
	/*
	 * TRACE: ns before each packet, 0..TW_SEND_INTERVAL_MAX_NS, on average at least
	 * TW_SEND_INTERVAL_MIN_NS. Lent until the session's end.
	 */
	const uint64_t *gap_ns;
	uint32_t gap_cnt;    /* 1..TW_SEND_TRACE_MAX */
	uint64_t count;      /* packets to schedule; 0: no such end */
	int64_t duration_ns; /* schedule packets before start + this; 0: no such end */
	tw_ns start; /* UTC of the clock that paces (not clock_idx); in the past: at once, without a
			claim to have been late */

	int64_t late_after_ns; /* a packet this much behind schedule is late; 0: default */
	int64_t max_lag_ns;    /* a packet this much behind is skipped; 0: default */
	int64_t tmax_ns;       /* wait for the reply of the last packet; 0: default */
	int64_t report_ns;     /* interval of reports; 0: default; < 0: none */
	uint64_t seed[4];      /* of the Poisson gaps; the same seed gives the same gaps */

	struct tw_metrics *metrics; /* ready, belongs to the session until its end; may be NULL */
	const struct tw_crypto_keys *keys; /* as in struct tw_refl_cfg */
	const uint8_t *sid;
};

/*
 * Place in a schedule: what is undone when the device refuses the packet. Due times are steady ns
 * (struct tw_send_steady in tw_send.h).
 */
struct tw_send_sched {
	int64_t due_ns;    /* of the next packet */
	uint32_t due_frac; /* plus 2^-32 ns */
	uint32_t pos;      /* BURST, TRACE: place in the burst, next gap */
	uint64_t slot;     /* packets scheduled before it */
	uint64_t prng[4];
};

struct tw_send_sess {
	struct tw_sess s;

	/* w: control, before publication   r: owner lcore */
	alignas(TW_CACHE_LINE) uint64_t interval_ns;
	uint64_t slot_end; /* slots of the schedule; UINT64_MAX: no such end */
	int64_t late_after_ns;
	int64_t max_lag_ns;
	int64_t tmax_ns;
	int64_t report_ns; /* < 0: none */
	struct tw_metrics *metrics;
	const uint64_t *gap_ns; /* TRACE */
	uint32_t gap_cnt;
	uint32_t interval_frac;
	uint16_t burst_cnt;
	uint16_t size;
	uint8_t law;
	uint8_t clock_idx;
	bool has_zero_padding;
	int64_t duration_ns; /* 0: no such end */
	tw_ns start;
	uint64_t seed[4];

	/* w, r: owner lcore */
	alignas(TW_CACHE_LINE) struct tw_send_sched sched;
	int64_t end_ns;        /* schedule before this, steady; INT64_MAX: no such end */
	int64_t last_sent_ns;  /* steady time of the last packet, or of the start */
	int64_t drain_end_ns;  /* DRAINING: steady */
	int64_t report_due_ns; /* INT64_MAX: none */
	uint32_t due_pos;      /* place in the lcore's queues, 0: not there */
	uint32_t tick_pos;
	uint32_t pending; /* packets of the burst under way */
	int64_t hold_ns;  /* not taken before this, though it may be due; steady */
	bool is_probing;  /* the device refused its last packet: one at a time */
	uint16_t pairs;   /* lease, see tw_pairs_of(); 0: none */

	/* w: owner lcore   r: any, relaxed */
	alignas(TW_CACHE_LINE) _Atomic uint64_t next_seq; /* low 32 bits: next Sequence Number;
							   * whole: packets sent */
	struct tw_ctr late;       /* sent later than late_after_ns behind schedule */
	struct tw_ctr skipped;    /* scheduled, never sent: more than max_lag_ns behind */
	struct tw_ctr tx_refused; /* refusals by the device; the packet was tried again */
	struct tw_ctr replies;    /* valid ones, duplicates and late ones included */
	struct tw_ctr drops[TW_SEND_DROP_N]; /* [0] unused */
	_Atomic int64_t lag_max_ns;          /* worst departure behind schedule */

	/* w: control, before publication and at the wipe   r: owner lcore */
	alignas(TW_CACHE_LINE) struct tw_crypto_tkey tkey;
};

/**
 * Mean time between packets at the highest rate the session can reach over Tmax + Timeout, bursts
 * and the densest part of a trace included,
 * catching up after a stall of max_lag_ns included. For struct tw_metrics_cfg, so that no packet
 * has to leave the window early.
 * @param timeout_ns  >= 0, as there
 * @return 1 or more; 0 if the interval is out of bounds
 */
uint64_t tw_send_cfg_window_interval_ns(const struct tw_send_cfg *cfg, int64_t timeout_ns);

/**
 * Fill a record, state RESERVED; tw_send_add() on the owner lcore starts it.
 *
 * Context: control, before publication. Does not block or allocate.
 * @param sess  tw_crypto_map() memory, any content, TW_CACHE_LINE aligned
 * @return 0; -EINVAL (no format, bad law, size below the format's minimum, dscp > 63, interval out
 *         of bounds, a negative duration, keys as in tw_refl_sess_init()), -EIO, -ENOTSUP; the
 * record is then zero
 */
int tw_send_sess_init(struct tw_send_sess *sess, const struct tw_send_cfg *cfg);

/** Erase keys and counters. Context: control, after the grace period (nobody reads it). */
void tw_send_sess_wipe(struct tw_send_sess *sess);

/* What a sender session has done: a copy, not one instant; what replies tell is tw_metrics'. */
struct tw_send_counts {
	uint64_t scheduled; /* sent + skipped */
	uint64_t sent;
	uint64_t late;
	uint64_t skipped;
	uint64_t tx_refused;
	uint64_t replies;
	uint64_t invalid; /* sum of drops */
	uint64_t drops[TW_SEND_DROP_N];
	int64_t lag_max_ns;
	uint8_t state; /* enum tw_sess_state */
};

/** Copy the counters. Context: any thread that keeps the record alive. */
void tw_send_sess_counts(const struct tw_send_sess *sess, struct tw_send_counts *out);

#endif /* TW_SESSION_H */
