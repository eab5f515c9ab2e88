/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * State of a session's metrics. Everything is written by the owner lcore alone; only `ctr` is
 * read by others meanwhile.
 *
 * Two rings of `window` slots: packets by s, from sending until the slot is needed again, and
 * reflector numbers by r, from the highest seen down to what was already put in order.
 */
#ifndef METRICS_I_H
#define METRICS_I_H

#include "order.h"
#include "tw_metrics.h"
#include "tw_metrics_hist.h"

#define EXPIRE_BUDGET 256U
#define ORDER_BUDGET  1024U /* reflector numbers put in order per reply, at most */

/* Slots are fetched so many packets before they are needed: windows are larger than caches. */
#define FETCH_AHEAD 32U

/* Packets passed at once where all of them were answered in time. */
#define BLOCK 32U

/* r is kept with this much added, so that a number below the first seen is still positive. */
#define R_BIAS (1ULL << 32)

/* A residence longer than this is worth telling the operator (RFC 6673 4.4). */
#define RESIDENCE_LONG_NS 1000000000

/* Unanswered packets remembered to tell where the reflector's numbers start. */
#define HEAD_MAX 16U

/* What a round trip on software stamps may be short of without being absurd. */
#define RESIDENCE_SLACK_NS 1000

/* Flags of a packet's slot. */
#define SLOT_SKIPPED  0x01U /* no packet went out with this number; ANSWERED is set, too */
#define SLOT_ANSWERED 0x02U /* by a valid reply */
#define SLOT_LATE     0x04U /* the first one came after Tmax */
#define SLOT_LOST     0x08U /* counted in lost_so_far */
#define SLOT_DELAYS   0x10U /* forward_ns and reverse_ns may serve IPDV */
#define SLOT_SYNCED   0x20U /* S=1 at T1 */
#define SLOT_T2       0x40U /* forward_ns holds T2 - T1 */

/* A packet sent. */
struct slot {
	uint64_t t1_ntp;
	int64_t forward_ns;
	int64_t reverse_ns;
	uint32_t r;        /* of the first reply, low bits */
	uint16_t t1_error; /* stamp error and source of T1, error_pack() */
	uint8_t epoch;     /* of T1, low bits */
	uint8_t flags;
};

/* A reflector number: 0, or seen with the low bits of s. */
#define RSLOT_SEEN       0x1U
#define RSLOT_DUP        0x2U /* a copy of a packet that a lower number answers as well */
#define RSLOT_COPIED     0x4U /* came more than once */
#define RSLOT_REPLICATED 0x8U /* its packet is answered by higher numbers as well */
#define RSLOT_SHIFT      4
#define RSLOT_MASK       0x0fffffffU

_Static_assert(RSLOT_MASK / 2 >= TW_METRICS_WINDOW_MAX, "low bits of s tell packets apart");

/* What a reply may tell. The last two are differences of neighbours. */
enum measure {
	M_ROUND_TRIP,
	M_ROUND_TRIP_NET,
	M_FORWARD,
	M_REVERSE,
	M_RESIDENCE,
	M_DELAYS,
	M_IPDV_FORWARD = M_DELAYS,
	M_IPDV_REVERSE,
	M_N
};

/* Signed differences: two histograms of their amount. */
struct ipdv {
	struct tw_metrics_hist up;   /* >= 0 */
	struct tw_metrics_hist down; /* < 0 */
	int64_t min_ns;
	int64_t max_ns;
	__int128 smoothed_x16_ns;
};

/* Largest error of the samples of a measure, and how many had none known. */
struct error_track {
	uint64_t max_ns;
	uint64_t unknown;
};

/* A measure within the current interval. */
struct span {
	uint64_t cnt;
	int64_t min_ns;
	int64_t max_ns;
	__int128 sum_ns;
	bool is_unsynced; /* some sample was */
};

struct interval {
	tw_ns begin;
	uint64_t sent, received, late, duplicates, reordered, invalid; /* totals at its begin */
	int64_t lost;
	struct span round_trip, round_trip_net, forward, reverse;
	uint32_t t1_sources, t4_sources;
	bool is_stepped; /* begun by a step of our clock */
};

/* Intervals cut short by steps of our clock that nobody has taken yet. */
#define CUT_MAX 4

struct tw_metrics {
	struct tw_metrics_ctr ctr; /* first: tw_metrics_ctr() */

	struct tw_metrics_cfg cfg;
	uint32_t window; /* slots, a power of two */
	uint32_t mask;
	struct slot *slot;
	uint32_t *rslot;

	uint64_t next_seq;   /* number of the next packet */
	uint64_t tmax_seq;   /* first packet whose Tmax has not passed */
	uint64_t close_seq;  /* first packet whose time has not passed, nor the session ended */
	int64_t lost_so_far; /* Tmax passed, no reply within it */

	/* packets from run_seq to below run_end were all answered in time: the newest such run */
	uint64_t run_seq, run_end;

	uint32_t epoch;             /* of the newest own stamp; 0: none yet */
	tw_ns epoch_since;          /* its first stamp */
	tw_ns newest;               /* its last one */
	uint16_t peer_ee;           /* the reflector's last Error Estimate ... */
	struct tw_clock_ee peer;    /* ... and what it says: it seldom changes */
	uint32_t sync_error_max_ns; /* of our clock against UTC, synchronised stamps */
	uint32_t t1_sources;
	uint32_t t4_sources;
	uint64_t own_error_max_ns;
	uint64_t peer_error_max_ns;

	/* reflector numbers, biased; PROTOCOL.md 6.4 */
	uint64_t r_max;      /* highest seen */
	uint64_t r_min;      /* lowest seen */
	uint64_t r_ordered;  /* below: put in order */
	uint64_t r_distinct; /* U */
	uint64_t r_min_seq;  /* packet that r_min answers */
	tw_ns answered_t1;   /* the latest T1 of a packet answered */
	tw_ns r_min_t1;
	bool has_r;
	bool is_r_differing; /* some r was not s */
	bool is_r_lost;      /* numbers jumped so far that distinct ones cannot be told */
	uint64_t out_tail;   /* unanswered packets that left the window after the last reply's */
	tw_ns out_tail_t1;   /* T1 of the newest of them */

	/* the first packets closed without an answer: did they precede r_min? */
	struct {
		uint64_t seq;
		tw_ns t1;
	} head[HEAD_MAX];
	uint32_t head_cnt;

	uint8_t ttl_forward_min, ttl_forward_max;
	uint8_t ttl_reverse_min, ttl_reverse_max;

	struct order order_forward;    /* s in order of r */
	struct order order_reverse;    /* r in order of arrival */
	struct order order_round_trip; /* s in order of arrival */

	struct error_track error_round_trip; /* e1 + e4 */
	struct error_track error_peer;       /* E2 */
	struct error_track error_forward;    /* E1 + E2 */
	struct error_track error_reverse;    /* E3 + E4 */
	uint64_t forward_unsynced_own;       /* S=0 at T1 */
	uint64_t forward_unsynced_peer;      /* S=0 at T2 */
	uint64_t reverse_unsynced_own;       /* S=0 at T4 */
	uint64_t reverse_unsynced_peer;      /* S=0 at T3 */
	uint64_t negative[M_DELAYS];         /* by enum measure */
	int64_t forward_longest_ns;          /* of all, those and copies too */
	uint64_t forward_beyond_tmax;        /* synchronised one-way delays > Tmax: infinite */
	uint64_t reverse_beyond_tmax;

	struct interval interval;
	struct tw_metrics_interval cut[CUT_MAX];
	uint32_t cut_cnt;

	struct tw_metrics_hist round_trip;
	struct tw_metrics_hist round_trip_net;
	struct tw_metrics_hist forward;
	struct tw_metrics_hist reverse;
	struct tw_metrics_hist residence;
	struct ipdv ipdv_round_trip_net;
	struct ipdv ipdv_forward;
	struct ipdv ipdv_reverse;
	struct tw_metrics_hist_pool pool;
};

/* A sender session fits 64 KiB, its window excluded. */
_Static_assert(sizeof(struct tw_metrics) <= 64 * 1024, "fixed part of a sender session");
_Static_assert(sizeof(struct slot) == 32, "window slot");

static inline struct slot *
slot_of(struct tw_metrics *m, uint64_t seq)
{
	return &m->slot[seq & m->mask];
}

/** @p n packets from @p seq on were answered in time. */
static inline void
note_in_time(struct tw_metrics *m, uint64_t seq, unsigned n)
{
	if (seq != m->run_end)
		m->run_seq = seq;
	m->run_end = seq + n;
}

/*
 * An error bound in 14 bits, rounded up: 9 of mantissa, 5 of exponent. Above it two bits for where
 * the stamp was taken.
 */
#define ERROR_PACK_MANT    9
#define ERROR_PACK_UNKNOWN 0x3fffU
#define ERROR_PACK_BITS    14

static inline uint16_t
error_pack(uint32_t ns, unsigned source)
{
	unsigned from = source == TW_STAMP_NIC_TX ? 1 : source == TW_STAMP_TSC_CAL ? 2 : 0;
	unsigned bits = ns != 0 ? 32 - (unsigned)__builtin_clz(ns) : 0;
	unsigned shift = bits > ERROR_PACK_MANT ? bits - ERROR_PACK_MANT : 0;
	uint64_t mant = ((uint64_t)ns + (1ULL << shift) - 1) >> shift;

	if (mant >= 1U << ERROR_PACK_MANT) {
		mant >>= 1;
		shift++;
	}
	if (ns == TW_CLOCK_ERROR_UNKNOWN)
		return (uint16_t)(from << ERROR_PACK_BITS | ERROR_PACK_UNKNOWN);
	return (uint16_t)(from << ERROR_PACK_BITS | shift << ERROR_PACK_MANT | mant);
}

/* UINT64_MAX if unknown. */
static inline uint64_t
error_unpack(uint16_t v)
{
	unsigned e = v & ERROR_PACK_UNKNOWN;

	if (e == ERROR_PACK_UNKNOWN)
		return UINT64_MAX;
	return (uint64_t)(e & ((1U << ERROR_PACK_MANT) - 1)) << (e >> ERROR_PACK_MANT);
}

/* Where the stamp was taken: enum tw_stamp_source. */
static inline uint8_t
source_unpack(uint16_t v)
{
	static const uint8_t sources[] = {
		TW_STAMP_TSC_TX, TW_STAMP_NIC_TX, TW_STAMP_TSC_CAL, TW_STAMP_NONE};

	return sources[v >> ERROR_PACK_BITS];
}

/* Sum of two errors either of which may be unknown (UINT64_MAX). */
static inline uint64_t
error_sum(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX || a + b < a ? UINT64_MAX : a + b;
}

/* The packet still has its slot. */
static inline bool
is_in_window(const struct tw_metrics *m, uint64_t seq)
{
	return seq < m->next_seq && m->next_seq - seq <= m->window && seq >= m->cfg.first_seq;
}

/* Time of a T1 we wrote: it lies in the era of any recent stamp. */
static inline tw_ns
t1_time(uint64_t t1_ntp, tw_ns near)
{
	return tw_clock_ntp_to_ns(t1_ntp, near);
}

/** Our clock was stepped to @p now: what was measured before is an interval of its own. */
void tw_metrics_interval_step(struct tw_metrics *m, tw_ns now);

/** A stamp of ours: notes epoch changes. */
void tw_metrics_note_epoch(struct tw_metrics *m, const struct tw_stamp *s);

/** An answer to a packet came after all, whose time has passed: it is not unanswered any more. */
void tw_metrics_reopen(struct tw_metrics *m, uint64_t seq);

/* How a reflector number relates to those seen before. */
enum r_verdict {
	R_NONE = 0,
	R_NEW,    /* not seen before */
	R_SEEN,   /* seen before */
	R_UNKNOWN /* outside what is remembered */
};

/**
 * Take note of reflector number @p r answering packet @p seq. Raises r_max; the other sums are the
 * caller's.
 * @param r64  set to its 64-bit form, biased
 */
enum r_verdict tw_metrics_r_note(
	struct tw_metrics *m, uint32_t r, uint64_t seq, tw_ns t1, uint64_t *r64);

/**
 * The same of @p n numbers, those after the highest seen, answering packets from @p seq on.
 * @return false: they cannot be taken together, nothing was noted
 */
bool tw_metrics_r_note_run(struct tw_metrics *m, uint64_t seq, unsigned n);

/** The reply with this number, seen before, came again: counts replies that did (RFC 5560). */
void tw_metrics_r_mark_copied(struct tw_metrics *m, uint64_t r64);

/**
 * Packet of @p slot is answered by @p r64 as well as by the number kept there: counts packets
 * with several (RFC 5560).
 */
void tw_metrics_r_mark_dup(struct tw_metrics *m, uint64_t r64, struct slot *slot);

/** Put reflector numbers below @p target in order, at most @p budget. @return true if done */
bool tw_metrics_r_order(struct tw_metrics *m, uint64_t target, unsigned budget);

/* How much delays on the way there differed. Without any T2 nothing better than Tmax is known. */
static inline int64_t
forward_variation_ns(const struct tw_metrics *m)
{
	return m->forward.cnt != 0 ? m->forward_longest_ns - m->forward.anchor : m->cfg.tmax_ns;
}

/**
 * Packets sent after this time may follow the last reply seen (H_t, PROTOCOL.md 6.4). Any packet
 * answered reached the reflector no later than the one with the highest number; so what was sent
 * before it by more than the variation did so earlier, or never.
 */
static inline tw_ns
tail_begin(const struct tw_metrics *m)
{
	return tw_ns_add(m->answered_t1, -forward_variation_ns(m));
}

/* Add delays to the current interval. */
static inline void
span_add_all(struct span *s, const struct tw_metrics_hist_sums *sums)
{
	if (s->cnt == 0 || sums->min < s->min_ns)
		s->min_ns = sums->min;
	if (s->cnt == 0 || sums->max > s->max_ns)
		s->max_ns = sums->max;
	s->sum_ns += sums->sum;
	s->cnt += sums->cnt;
}

/* One delay. */
static inline void
span_add(struct span *s, int64_t ns)
{
	const struct tw_metrics_hist_sums sums = {.sum = ns, .cnt = 1, .min = ns, .max = ns};

	span_add_all(s, &sums);
}

#endif /* METRICS_I_H */
