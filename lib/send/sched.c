/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * When the packets of one session are due: absolute times in 2^-32 ns, so that a rate that is no
 * whole number of nanoseconds does not drift. Times are steady ns.
 */
#include "prng.h"
#include "send_i.h"

/* Gaps that differ are skipped one by one: so many in one call. */
#define SKIP_MAX 16

/* Interval in 2^-32 ns. */
static unsigned __int128
interval_q32(const struct tw_send_sess *sess)
{
	return (unsigned __int128)sess->interval_ns << 32 | sess->interval_frac;
}

static __int128
due_q32(const struct tw_send_sched *sc)
{
	return ((__int128)sc->due_ns << 32) + sc->due_frac;
}

static void
due_add(struct tw_send_sched *sc, unsigned __int128 gap_q32)
{
	__int128 due = due_q32(sc) + (__int128)gap_q32;

	sc->due_ns = (int64_t)(due >> 32);
	sc->due_frac = (uint32_t)due;
}

/* The same place of each burst, and of each round through a trace, has the same gap. */
static unsigned __int128
placed_gap_q32(struct tw_send_sess *sess)
{
	struct tw_send_sched *sc = &sess->sched;
	const bool is_trace = sess->law == TW_SEND_TRACE;
	const uint32_t pos = sc->pos;

	sc->pos = pos + 1 < (is_trace ? sess->gap_cnt : sess->burst_cnt) ? pos + 1 : 0;
	if (is_trace)
		return (unsigned __int128)sess->gap_ns[pos] << 32;
	return sc->pos == 0 ? interval_q32(sess) : 0;
}

static unsigned __int128
next_gap_q32(struct tw_send_sess *sess)
{
	uint64_t dev;

	if (sess->law == TW_SEND_PERIODIC)
		return interval_q32(sess);
	if (sess->law != TW_SEND_POISSON)
		return placed_gap_q32(sess);
	dev = exp_deviate(prng_draw, sess->sched.prng);
	return (unsigned __int128)dev * sess->interval_ns +
	       (((unsigned __int128)dev * sess->interval_frac) >> 32);
}

void
sched_start(struct tw_send_sess *sess, int64_t start_ns)
{
	prng_seed(sess->sched.prng, sess->seed);
	sess->sched.due_ns = start_ns;
	sess->sched.due_frac = 0;
	sess->sched.slot = 0;
	sess->sched.pos = 0;
	sess->end_ns = INT64_MAX;
	if (sess->duration_ns != 0 && sess->duration_ns < INT64_MAX - start_ns)
		sess->end_ns = start_ns + sess->duration_ns;
	if (sess->law == TW_SEND_POISSON || sess->law == TW_SEND_TRACE)
		due_add(&sess->sched, next_gap_q32(sess));
}

void
sched_advance_uneven(struct tw_send_sess *sess)
{
	sess->sched.slot++;
	due_add(&sess->sched, next_gap_q32(sess));
}

/* Multiples of @p step in @p span, rounded up. */
static uint64_t
steps_in(__int128 span, unsigned __int128 step)
{
	unsigned __int128 n;

	if (span <= 0)
		return 0;
	n = ((unsigned __int128)span + step - 1) / step;
	return n > UINT64_MAX ? UINT64_MAX : (uint64_t)n;
}

/* Equal gaps: however long the stall was, one step. */
static uint64_t
skip_periodic(struct tw_send_sess *sess, int64_t limit_ns)
{
	unsigned __int128 gap = interval_q32(sess);
	__int128 due = due_q32(&sess->sched);
	uint64_t n = steps_in(((__int128)limit_ns << 32) - due, gap);
	uint64_t left = sess->slot_end - sess->sched.slot;
	uint64_t till_end = steps_in(((__int128)sess->end_ns << 32) - due, gap);

	if (n > left)
		n = left;
	if (n > till_end)
		n = till_end;
	sess->sched.slot += n;
	due_add(&sess->sched, gap * n);
	return n;
}

uint64_t
sched_skip(struct tw_send_sess *sess, int64_t limit_ns)
{
	uint64_t n = 0;

	if (sess->law == TW_SEND_PERIODIC)
		return skip_periodic(sess, limit_ns);
	while (n < SKIP_MAX && !sched_is_over(sess) && sess->sched.due_ns < limit_ns) {
		sched_advance(sess);
		n++;
	}
	return n;
}
