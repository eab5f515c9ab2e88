/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Session-Sender of one data lcore: what is due leaves in bursts, replies are verified and given
 * to the metrics (RFC 5357 4.1, RFC 4656 4.1.1, PROTOCOL.md 1.6, 4.8).
 *
 * Sending. A burst goes through phases, all of them before the next tw_send_poll():
 *
 *	tw_send_poll()		which sessions are due; takes Sequence Numbers
 *	(the caller sets job->payload and job->room, or job->is_refused if it has no buffer)
 *	tw_send_build()		header and padding; block and HMAC of who has pairs
 *	tw_send_protect()	HMAC and AES of the others; encrypted requests carry the predicted
 *				departure
 *	tw_send_stamp()		T1, per packet or for all, right before departure
 *	(transmit; job->is_refused for those the device did not take)
 *	tw_send_finish()	what left is recorded; what was refused is due again at once
 *
 * Schedule. Due times are absolute, fractions of a nanosecond are carried, nothing drifts. A packet
 * that is behind goes at once; when it departs more than late_after_ns behind it counts as late;
 * one more than max_lag_ns behind is skipped: it consumes its place in the schedule, not a Sequence
 * Number. A packet the device refuses keeps both and is tried again, which counts in tx_refused.
 * Sessions do not suffer from each other: one that is behind gives way to what others have due
 * after each packet, one that was refused tries a single packet at a time until one leaves.
 *
 * States. add: RUNNING; last packet sent or tw_send_stop(): DRAINING for Tmax; then ENDED and the
 * event DONE. Counters are the session's, delays and losses those of tw_metrics.
 *
 * Time. Schedules run on steady time, UTC without the steps of the clock: struct tw_send_steady.
 * Stamps are UTC.
 *
 * Context of everything here: the data lcore that owns the struct tw_send and its sessions. Does
 * not block, allocate, log or read a clock; work is bounded by the size of the burst.
 */
#ifndef TW_SEND_H
#define TW_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_clock.h"
#include "tw_engine.h"
#include "tw_metrics.h"
#include "tw_session.h"
#include "tw_tst.h"

/* --- steady time --- */

/* UTC of a clock's models minus its steps: never jumps, follows the reference's rate. */
struct tw_send_steady {
	int64_t steps_ns;
};

static inline int64_t
tw_send_steady_at(const struct tw_send_steady *st, tw_ns utc)
{
	return utc.ns - st->steps_ns;
}

/** Call where a lcore takes over a new model of its clock; @p tsc is now. */
static inline void
tw_send_steady_swap(struct tw_send_steady *st, const struct tw_clock *from,
	const struct tw_clock *to, uint64_t tsc)
{
	if (from->epoch != to->epoch)
		st->steps_ns += tw_ns_sub(tw_clock_at(to, tsc), tw_clock_at(from, tsc));
}

/* --- the sender of a lcore --- */

/* A packet that the device refused is due again after this. */
#define TW_SEND_RETRY_NS 2000

struct tw_send;
struct tw_pairs; /* tw_pairs.h */

/** Octets for a sender of up to @p capacity sessions at once. */
size_t tw_send_size(uint32_t capacity);

/**
 * Make a sender in the caller's memory (no secrets in it).
 * @param mem   TW_CACHE_LINE aligned, tw_send_size(capacity) octets
 * @param eng   crypto engine of this lcore; NULL if all sessions are open
 * @param seed  of the padding, unrelated to any key (R-4656-078)
 */
struct tw_send *tw_send_init(
	void *mem, uint32_t capacity, struct tw_engine *eng, const uint64_t seed[4]);

/**
 * Authenticated sessions of a packet a second or more use pairs of this pool from now on: both what
 * is sent and what comes back. tw_pairs_refill() belongs behind tw_send_finish() and
 * tw_send_collect(), in the same turn. NULL: none; the results are the same.
 */
void tw_send_use_pairs(struct tw_send *snd, struct tw_pairs *pairs);

/**
 * Start a session: RESERVED -> RUNNING. Its first packet is due at its start time, or now if
 * that has passed.
 * @param steady  offset in force: turns the session's start time into steady time
 * @return 0; -ENOSPC; -EINVAL (not RESERVED)
 */
int tw_send_add(struct tw_send *snd, struct tw_send_sess *sess, const struct tw_send_steady *steady,
	int64_t now_ns);

/**
 * Send no more: RUNNING -> DRAINING until Tmax after the last packet. No effect in other states.
 * Not between tw_send_poll() and tw_send_finish().
 */
void tw_send_stop(struct tw_send *snd, struct tw_send_sess *sess, int64_t now_ns);

/** Forget a session in whatever state (-> ENDED), without an event. Restrictions as for stop. */
void tw_send_remove(struct tw_send *snd, struct tw_send_sess *sess);

/** Sessions that are running or draining. */
uint32_t tw_send_cnt(const struct tw_send *snd);

/** Steady time of the next packet or event; INT64_MAX if there is none. */
int64_t tw_send_next_due(const struct tw_send *snd);

/* --- sending --- */

struct tw_send_job {
	/* out of tw_send_poll() */
	struct tw_send_sess *sess;
	uint16_t len; /* octets of the request, UDP payload */
	uint8_t tos;  /* TOS octet of the request */

	/* in, for tw_send_build() */
	uint16_t room;    /* octets that may be written from payload on */
	uint8_t *payload; /* where the request is to be built */

	/*
	 * in: no buffer, or the device did not take it. Later phases skip it. Within a session the
	 * refused ones must be the last of the burst, as devices refuse; otherwise the number
	 * cannot be taken back: the packet counts as sent and will be lost.
	 */
	bool is_refused;

	/* private to the phases */
	uint64_t seq;
	const struct tw_sess_stamp *t1;
	struct tw_send_sched was; /* place in the schedule, for a refusal */
};

/**
 * Take what is due up to @p now_ns, earliest first; a session that is behind may occur several
 * times, its further packets after what others have due.
 * @param max  1..TW_BURST_MAX
 * @return jobs written, in the order they must leave
 */
unsigned tw_send_poll(struct tw_send *snd, int64_t now_ns, struct tw_send_job *jobs, unsigned max);

/**
 * Write the requests: Sequence Number, MBZ, padding; of authenticated sessions with pairs the whole
 * but T1. A job without room becomes refused.
 */
void tw_send_build(struct tw_send *snd, struct tw_send_job *jobs, unsigned n);

/**
 * Protect the requests. Authenticated: the first block, T1 can still follow. Encrypted: T1 is
 * under the cipher, so the caller says when the burst will leave.
 *
 * @param t1  predicted departure by clock (clock_idx of the sessions), the residue of the
 *            prediction in its error; there until tw_send_finish(), where what it says of its error
 *            counts
 */
void tw_send_protect(
	struct tw_send *snd, struct tw_send_job *jobs, unsigned n, const struct tw_sess_stamp *t1);

/**
 * Write T1 and its Error Estimate as the last thing before departure. No effect on encrypted
 * requests (they have both) and refused ones.
 * @param t1  may be shared; there until tw_send_finish(), as in tw_send_protect()
 */
static inline void
tw_send_stamp(struct tw_send_job *job, const struct tw_sess_stamp *t1)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;

	if (job->is_refused || fmt->prot == TW_TST_PROT_ENCR)
		return;
	job->t1 = t1;
	tw_tst_stamp_req(fmt, job->payload, t1->ntp, t1->ee);
}

/**
 * Settle a burst after transmission; every job of the last tw_send_poll() must be there.
 * @param left_ns  steady time at which it was handed to the device
 * @return requests that left
 */
unsigned tw_send_finish(struct tw_send *snd, struct tw_send_job *jobs, unsigned n, int64_t left_ns);

/* --- replies --- */

struct tw_send_reply {
	/* in */
	struct tw_send_sess *sess;
	const uint8_t *payload; /* the UDP payload, network order; not changed */
	uint16_t rx_len;
	uint8_t ttl;                    /* TTL or Hop Limit of its IP header; 0 if not obtainable */
	uint8_t tos;                    /* TOS or Traffic Class octet */
	const struct tw_sess_stamp *t4; /* arrival; may be shared */
	struct tw_metrics_sample *sample; /* raw record to fill, NULL if not wanted */

	/* out */
	uint8_t drop; /* enum tw_send_drop; 0: it is a valid reply and counted */
	uint8_t cls;  /* enum tw_metrics_class; 0: not looked at, or a session without metrics */
	struct tw_metrics_reply rec; /* its values; set if it could be read */
};

/**
 * Verify a burst of replies and record them.
 * @param n  1..TW_BURST_MAX
 * @return valid ones
 */
unsigned tw_send_collect(struct tw_send *snd, struct tw_send_reply *replies, unsigned n);

/* --- housekeeping --- */

enum tw_send_event_type {
	TW_SEND_EVENT_REPORT = 1, /* a report interval is over */
	TW_SEND_EVENT_DONE, /* drained, metrics settled; the session is ENDED and left the sender */
	TW_SEND_EVENT_N
};

struct tw_send_event {
	struct tw_send_sess *sess;
	int64_t due_ns;                      /* steady time for which it was due */
	uint8_t type;                        /* enum tw_send_event_type */
	struct tw_metrics_interval interval; /* up to now; DONE: the rest. Zero without metrics */
};

/**
 * What time alone brings: report intervals, ends of drains. Call it at least every few
 * milliseconds. A session with many packets outstanding takes several calls to end.
 * @param now_ns  steady time
 * @param now     the same as a stamp, by clock (clock_idx of the sessions)
 * @return events written, 0..max
 */
unsigned tw_send_tick(struct tw_send *snd, int64_t now_ns, const struct tw_stamp *now,
	struct tw_send_event *ev, unsigned max);

#endif /* TW_SEND_H */
