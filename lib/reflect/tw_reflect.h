/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Session-Reflector: bursts of requests become replies, in place (RFC 5357 4.2, PROTOCOL.md 4.8).
 *
 * A burst goes through phases, each over all packets, so that crypto fills its lanes and cache
 * misses overlap. The caller (a data lcore, or a test) finds the sessions, owns the packets and
 * the clock, and swaps addresses and ports:
 *
 *	tw_reflect_verify()	state, length, HMAC; what fails is counted
 *	tw_reflect_build()	Error Estimate and rate, then the reply, with the session's next
 *				Sequence Number
 *	tw_reflect_protect()	HMAC and AES; encrypted replies carry the predicted departure
 *	tw_reflect_stamp()	T3 of the others, per packet or for all, right before departure
 *	(transmit; job->is_refused for those the device did not take)
 *	tw_reflect_finish()	counts; numbers of refused replies are taken back
 *
 * With tw_reflect_use_pairs() authenticated sessions that are busy enough verify and protect by
 * pairs computed ahead: tw_pairs_refill() belongs behind tw_reflect_finish(), in the same turn.
 * Results are the same with and without.
 *
 * All phases of a burst run before the next burst of the same sessions starts. Sessions, formats
 * and modes may be mixed, a session may occur several times; replies must leave in the order of the
 * jobs, at least per session. Each copy of a duplicated request is answered.
 *
 * Context of everything here: the data lcore that owns every session in the burst. Does not block,
 * allocate, log or read a clock. Jobs that are dropped are skipped by the later phases.
 */
#ifndef TW_REFLECT_H
#define TW_REFLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "tw_clock.h"
#include "tw_engine.h"
#include "tw_session.h"
#include "tw_tst.h"

struct tw_pairs; /* tw_pairs.h */
struct tw_pairs_lease;

/* One request, then its reply. */
struct tw_reflect_job {
	/* in, for tw_reflect_verify() */
	struct tw_refl_sess *sess;
	uint8_t *payload; /* the UDP payload, network order; of the reply from _build() on */
	uint16_t rx_len;  /* octets of the request */
	uint16_t room;    /* octets that may be written from payload on ... */
	uint16_t front;   /* ... and before it: a reply that has them leaves its padding in place */
	uint8_t ttl;      /* TTL or Hop Limit of its IP header; 255 if not obtainable */
	uint8_t tos;      /* TOS or Traffic Class octet of its IP header */
	const struct tw_sess_stamp *t2; /* arrival; may be shared, read by all phases */

	/* in, for tw_reflect_finish() */
	bool is_refused; /* the device did not take the reply; cleared by tw_reflect_verify() */

	/* out */
	uint8_t drop;     /* enum tw_refl_drop; 0: answer it */
	uint8_t rep_tos;  /* TOS octet of the reply: the session's DSCP, Not-ECT */
	uint16_t rep_len; /* octets of the reply, set by tw_reflect_build() */

	/* private to the phases */
	const struct tw_pairs_lease *lease; /* pairs ahead of time; NULL: none */
	const struct tw_engine_pair *pair;  /* what an authentic request carried; NULL: nowhere */
	uint32_t seq;   /* of a request that a pair verified; then of the reply */
	bool is_sealed; /* nothing is left for tw_reflect_protect() */
	struct tw_tst_echo echo;
};

/* Scratch of one data lcore; holds clear text and pairs of packets received, no keys. */
struct tw_reflect {
	struct tw_engine *eng;
	struct tw_pairs *pairs; /* NULL: engine only */
	unsigned unsealed;      /* replies built that tw_reflect_protect() has work with */
	struct tw_engine_job eng_job[TW_BURST_MAX];
	uint8_t eng_idx[TW_BURST_MAX];            /* job that an engine job stands for */
	struct tw_engine_pair kept[TW_BURST_MAX]; /* what authentic requests carried */
	alignas(TW_CACHE_LINE) uint8_t clear[TW_BURST_MAX][TW_TST_COVER_MAX]; /* by job */
};

/**
 * Prepare a lcore's scratch.
 * @param eng  crypto engine of this lcore; NULL if all sessions are open
 */
void tw_reflect_init(struct tw_reflect *rf, struct tw_engine *eng);

/** From now on use this pool; NULL: none. It must outlive the scratch. */
void tw_reflect_use_pairs(struct tw_reflect *rf, struct tw_pairs *pairs);

/**
 * Check a burst: session state by T2, length, room, HMAC. Payloads are not changed.
 * @param n  1..TW_BURST_MAX
 * @return jobs that are authentic (drop == 0)
 */
unsigned tw_reflect_verify(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n);

/**
 * Check Multiplier and rate; a valid packet refreshes the session's last_valid_ns (REFWAIT). Build
 * the replies in place: own Sequence Number, copies, T2, Sender TTL, padding (PROTOCOL.md
 * 4.7); sets rep_len and rep_tos, and payload where `front` was used. T3 and the Error Estimate are
 * still zero. Block and HMAC are there if they have been computed ahead; of the others @p rf says
 * how many there are.
 * @return jobs to answer (drop == 0)
 */
unsigned tw_reflect_build(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n);

/**
 * Protect the replies that are not yet. Authenticated: the first block, so that T3 can still
 * follow. Encrypted: T3 is under the cipher, so the caller says when the burst will leave.
 *
 * @param t3  predicted departure, the residue of the prediction in its error
 * @return jobs to send; a job the engine failed on has drop set
 */
unsigned tw_reflect_protect(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n,
	const struct tw_sess_stamp *t3);

/* One Error Estimate for T2 and T3: the worse. Mostly both are those of one model. */
static inline uint16_t
tw_reflect_ee(const struct tw_reflect_job *job, const struct tw_sess_stamp *t3)
{
	return job->t2->ee == t3->ee ? t3->ee : tw_clock_ee_worse(t3->ee, job->t2->ee);
}

/**
 * Write T3 and the Error Estimate, the worse of those of T2 and T3 as the last thing before
 * departure. No effect on encrypted replies (they have both) and dropped jobs.
 */
static inline void
tw_reflect_stamp(struct tw_reflect_job *job, const struct tw_sess_stamp *t3)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;

	if (job->drop != TW_REFL_OK || fmt->prot == TW_TST_PROT_ENCR)
		return;
	tw_tst_stamp_rep(fmt, job->payload, t3->ntp, tw_reflect_ee(job, t3));
}

/**
 * Settle a burst after transmission: count what left and what was refused (drop becomes
 * TX_REFUSED). The numbers of refused replies are used again, so that a session's numbers rise by
 * one per packet really sent (PROTOCOL.md 4.8 step 10); this needs the refused replies of a session
 * to be its last ones in the burst, as devices refuse. Of others the number stays unused.
 * What was verified earns its session pairs.
 * @return replies that left
 */
unsigned tw_reflect_finish(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n);

#endif /* TW_REFLECT_H */
