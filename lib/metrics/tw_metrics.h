/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a sender session measured: PROTOCOL.md 6 from the packets it sent and the replies that
 * came back. The caller has verified a reply (5-tuple, length, HMAC); matching it to a packet,
 * classifying, delays, variation, loss by direction, order and duplicates happen here.
 *
 * Threads: the data lcore that owns the session is the only writer and calls _sent, _reply,
 * _invalid, _expire, _interval_take and _finish; they do a bounded amount of work, never
 * allocate, block, log or use floating point. Any thread may read the counters of
 * tw_metrics_ctr() meanwhile. Once _finish has returned true and the session was handed over,
 * one other thread (control) may call _report. Memory is the caller's: one block of
 * tw_metrics_size() octets, at most 64 KiB plus 36 octets per window slot.
 */
#ifndef TW_METRICS_H
#define TW_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_base.h"
#include "tw_clock.h"

#define TW_METRICS_WINDOW_MIN 256U
#define TW_METRICS_WINDOW_MAX (1U << 26)

/* Alignment of the memory given to tw_metrics_init(). */
#define TW_METRICS_ALIGN 64

/* Settings of a session's metrics; all must be set unless said otherwise. */
struct tw_metrics_cfg {
	int64_t tmax_ns;         /* > 0: a packet without valid reply this long is lost */
	int64_t timeout_ns;      /* >= 0: replies are still matched (as late) this much longer */
	uint64_t interval_ns;    /* mean time between packets at the highest rate, > 0 */
	uint64_t first_seq;      /* 64-bit number of the first packet; 0 outside tests */
	uint32_t rate_error_ppb; /* bound of our clock's rate error (struct tw_clock) */
	uint8_t dscp;            /* of the packets sent, 0..63 */
	bool is_r_unknown;       /* reflector of unknown kind (TWAMP Light, STAMP): r = s throughout
				    then means stateless. false for TWAMP sessions */
};

/* Live counters: one writer, any reader. */
struct tw_metrics_ctr {
#define X(name, help) struct tw_ctr name;
#include "tw_metrics_ctr.def"
#undef X
};

/* Why the caller refused a reply that reached the session (counters invalid_*). */
enum tw_metrics_invalid {
	TW_METRICS_INVALID_NONE = 0,
	TW_METRICS_INVALID_LENGTH,
	TW_METRICS_INVALID_AUTH,
	TW_METRICS_INVALID_MULTIPLIER,
	TW_METRICS_INVALID_N
};

/* What a reply was. */
enum tw_metrics_class {
	TW_METRICS_C_NONE = 0,
	TW_METRICS_C_FIRST,       /* first valid reply to a packet, within Tmax */
	TW_METRICS_C_LATE,        /* first valid reply, after Tmax */
	TW_METRICS_C_DUP_FORWARD, /* packet was duplicated on the way to the reflector */
	TW_METRICS_C_DUP_REVERSE, /* reply was duplicated on the way back */
	TW_METRICS_C_INVALID,     /* number not sent yet, Multiplier 0, or too old to match */
	TW_METRICS_C_FORGED,      /* copied T1 differs from the one sent: stale or forged */
	TW_METRICS_C_N
};

/** Lower-case name of a class ("duplicate-forward"), for raw records. */
const char *tw_metrics_class_name(unsigned cls);

struct tw_metrics_sample;

/* A verified reply, host order (RFC 5357 4.2.1). */
struct tw_metrics_reply {
	uint32_t sender_seq;              /* s */
	uint32_t seq;                     /* r */
	uint64_t t1_ntp;                  /* Sender Timestamp, as copied by the reflector */
	uint64_t t2_ntp;                  /* Receive Timestamp; 0: unknown */
	uint64_t t3_ntp;                  /* Timestamp; 0: unknown */
	uint16_t ee;                      /* Error Estimate of the reflector, for T2 and T3 */
	uint8_t sender_ttl;               /* as the reflector saw our packet */
	uint8_t ttl;                      /* of the reply; 0: not obtainable */
	uint8_t tos;                      /* of the reply: DSCP and ECN */
	uint8_t cls;                      /* out of tw_metrics_replies(): enum tw_metrics_class */
	const struct tw_stamp *t4;        /* arrival; may be shared by those of a burst */
	struct tw_metrics_sample *sample; /* raw record to fill, NULL if not wanted */
};

/* Everything computed from one reply: a raw record. Valid fields depend on the flags. */
struct tw_metrics_sample {
	uint64_t seq; /* s, 64 bits */
	uint64_t r;   /* reflector number, 64 bits */
	tw_ns t1, t2, t3, t4;
	int64_t forward_ns;
	int64_t reverse_ns;
	int64_t round_trip_ns;     /* with residence */
	int64_t round_trip_net_ns; /* without residence */
	int64_t residence_ns;
	uint64_t forward_error_ns; /* E1 + E2, UINT64_MAX: unknown */
	uint64_t reverse_error_ns; /* E3 + E4, UINT64_MAX: unknown */
	uint64_t round_trip_error_ns;
	uint8_t cls;       /* enum tw_metrics_class */
	uint8_t t1_source; /* enum tw_stamp_source; T2 and T3 are the peer's */
	uint8_t t4_source;
	uint8_t sender_ttl;
	uint8_t ttl;
	bool has_round_trip; /* no epoch change between T1 and T4 */
	bool has_peer;       /* T2 and T3 known and residence not absurd */
	bool is_synced;      /* S=1 at both ends for all stamps */
};

/* One measure over an interval. cnt 0: nothing else is set. */
struct tw_metrics_span {
	uint64_t cnt;
	int64_t min_ns;
	int64_t max_ns;
	int64_t mean_ns; /* rounded to nearest */
	bool is_valid;   /* one-way: S=1 at both ends throughout */
};

/*
 * Time in which the lcore of a session did not run though it should have: the hypervisor or the
 * kernel had given its CPU away. What was measured meanwhile tells of the box, not of the network.
 */
struct tw_metrics_gaps {
	uint64_t cnt;
	uint64_t total_ns;
	uint64_t longest_ns;
};

/* What happened between two calls of tw_metrics_interval_take(). By value, no pointers. */
struct tw_metrics_interval {
	tw_ns begin;
	tw_ns end;
	uint64_t sent;
	uint64_t received;
	uint64_t late;
	uint64_t lost;       /* packets whose Tmax ended in this interval without a reply */
	uint64_t duplicates; /* both directions */
	uint64_t reordered;  /* round trip */
	uint64_t invalid;    /* all reasons */
	uint64_t sent_total;
	uint64_t received_total;
	uint64_t lost_total;
	struct tw_metrics_span round_trip;     /* with residence */
	struct tw_metrics_span round_trip_net; /* without */
	struct tw_metrics_span forward;
	struct tw_metrics_span reverse;
	uint32_t epoch;      /* of our clock: all delays of an interval belong to one */
	bool is_stepped;     /* cut short, or begun, by a step of our clock */
	uint32_t t1_sources; /* bit per enum tw_stamp_source: of the packets answered */
	uint32_t t4_sources;
	struct tw_metrics_gaps gaps;        /* filled by the owner of the lcore */
	struct tw_metrics_gaps gaps_so_far; /* since the session began */
};

struct tw_metrics; /* private */

/**
 * Octets tw_metrics_init() needs; 0 if a setting is out of bounds or the window would exceed
 * TW_METRICS_WINDOW_MAX slots. The window covers (Tmax + Timeout) / interval_ns packets and what
 * a Poisson schedule adds to that, rounded up to a power of two.
 */
size_t tw_metrics_size(const struct tw_metrics_cfg *cfg);

/**
 * Start a session's metrics. @p mem is TW_METRICS_ALIGN aligned, of at least tw_metrics_size(), its
 * content does not matter. All of it is written here, so that no packet has to wait for a page:
 * some 50 ms at 1,000,000 packets/s.
 * @param start  begin of the first interval
 * @return @p mem as metrics, or NULL if it does not fit
 */
struct tw_metrics *tw_metrics_init(
	void *mem, size_t size, const struct tw_metrics_cfg *cfg, tw_ns start);

/** The live counters. Context: any thread, as long as the memory lives. */
const struct tw_metrics_ctr *tw_metrics_ctr(const struct tw_metrics *m);

/**
 * A packet was handed to the device. Call in order of sequence number, without gaps, and before
 * any reply is fed; a packet the device refused is not
 * reported: its number goes to the next one (or else see tw_metrics_skipped()).
 * @param seq     low 32 bits of the number, as on the wire
 * @param t1_ntp  Timestamp as written into the packet
 * @param t1      its stamp (time is that of @p t1_ntp)
 */
void tw_metrics_sent(
	struct tw_metrics *m, uint32_t seq, uint64_t t1_ntp, const struct tw_stamp *t1);

/** The same of @p n packets, 1..TW_METRICS_WINDOW_MIN, with numbers from @p seq on and one stamp.
 */
void tw_metrics_sent_all(
	struct tw_metrics *m, uint32_t seq, unsigned n, uint64_t t1_ntp, const struct tw_stamp *t1);

/**
 * The device refused a packet whose number cannot be given to another one, since a later packet
 * has left already: a local drop, not a loss on the path. Called in its turn instead of _sent.
 */
void tw_metrics_skipped(struct tw_metrics *m, uint32_t seq, const struct tw_stamp *at);

/** Verified replies arrived, in this order. Sets `cls` and what `sample` points to. */
void tw_metrics_replies(struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n);

/** One reply. @param sample  in place of the reply's */
enum tw_metrics_class tw_metrics_reply(struct tw_metrics *m, const struct tw_metrics_reply *reply,
	struct tw_metrics_sample *sample);

/** The caller refused a reply of this session. */
void tw_metrics_invalid(struct tw_metrics *m, enum tw_metrics_invalid why);

/**
 * Close packets whose time has passed, at most 256 a call. Call every few milliseconds, or every
 * 128 packets, whichever comes first; classification does not depend on when it is called.
 * @return packets closed; 256 means there may be more
 */
unsigned tw_metrics_expire(struct tw_metrics *m, const struct tw_stamp *now);

/** Close an interval at @p now and start the next. Take those that were cut short first. */
void tw_metrics_interval_take(struct tw_metrics *m, tw_ns now, struct tw_metrics_interval *out);

/**
 * An interval that a step of our clock ended before its time, so that none mixes epochs; oldest
 * first.
 * @return false: there is none
 */
bool tw_metrics_interval_cut(struct tw_metrics *m, struct tw_metrics_interval *out);

/**
 * The session is over (last packet sent, Tmax waited): settle what is open, at most @p budget
 * packets a call.
 * @return true when all is settled; nothing may be fed afterwards
 */
bool tw_metrics_finish(struct tw_metrics *m, unsigned budget);

#endif /* TW_METRICS_H */
