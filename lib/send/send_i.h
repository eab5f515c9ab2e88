/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* What the files of this library share. */
#ifndef SEND_I_H
#define SEND_I_H

#include "heap.h"
#include "tw_pairs.h"
#include "tw_send.h"

/* Octets of random padding kept ready; requests copy a piece from a random place. */
#define PAD_POOL_SIZE 16384

struct tw_send {
	struct tw_engine *eng;
	struct tw_pairs *pairs; /* NULL: engine only */
	struct heap due;        /* running sessions, by next packet */
	struct heap tick;       /* all sessions, by what time alone brings */
	uint64_t pad_prng[4];   /* of the padding */
	uint32_t pad_next_idx;  /* next octets of the pool to renew */

	uint64_t unsealed; /* jobs built and not protected yet, by bit */

	struct tw_engine_job eng_job[TW_BURST_MAX];
	uint8_t eng_idx[TW_BURST_MAX]; /* job that an engine job stands for */
	alignas(TW_CACHE_LINE) uint8_t clear[TW_BURST_MAX][TW_TST_COVER_MAX]; /* by reply */
	alignas(TW_CACHE_LINE) uint8_t pad_pool[PAD_POOL_SIZE];
	alignas(TW_CACHE_LINE) struct heap_item items[]; /* due, then tick */
};

static inline void
send_state_set(struct tw_send_sess *sess, enum tw_sess_state state)
{
	atomic_store_explicit(&sess->s.state, (uint8_t)state, memory_order_release);
}

/* The pairs of an authenticated session; NULL: none. */
static inline struct tw_pairs_lease *
send_lease(const struct tw_send *snd, const struct tw_send_sess *sess)
{
	if (snd->pairs == NULL || sess->s.fmt->prot != TW_TST_PROT_AUTH)
		return NULL;
	return tw_pairs_of(snd->pairs, sess->pairs, sess);
}

/* --- sched.c: the schedule of one session --- */

/* Start at @p start_ns, steady. */
void sched_start(struct tw_send_sess *sess, int64_t start_ns);

/* The next packet is past the end of the schedule. */
static inline bool
sched_is_over(const struct tw_send_sess *sess)
{
	return sess->sched.slot >= sess->slot_end || sess->sched.due_ns >= sess->end_ns;
}

/* Where the schedule is; only random gaps need the generator. */
static inline void
sched_copy(
	const struct tw_send_sess *sess, struct tw_send_sched *to, const struct tw_send_sched *from)
{
	to->due_ns = from->due_ns;
	to->due_frac = from->due_frac;
	to->pos = from->pos;
	to->slot = from->slot;
	if (sess->law == TW_SEND_POISSON)
		memcpy(to->prng, from->prng, sizeof(to->prng));
}

static inline void
sched_save(const struct tw_send_sess *sess, struct tw_send_sched *out)
{
	sched_copy(sess, out, &sess->sched);
}

static inline void
sched_restore(struct tw_send_sess *sess, const struct tw_send_sched *from)
{
	sched_copy(sess, &sess->sched, from);
}

/* On to the next packet where gaps differ. */
void sched_advance_uneven(struct tw_send_sess *sess);

/* On to the next packet. */
static inline void
sched_advance(struct tw_send_sess *sess)
{
	struct tw_send_sched *sc = &sess->sched;
	uint64_t frac;

	if (sess->law != TW_SEND_PERIODIC) {
		sched_advance_uneven(sess);
		return;
	}
	frac = (uint64_t)sc->due_frac + sess->interval_frac;
	sc->slot++;
	sc->due_ns += (int64_t)(sess->interval_ns + (frac >> 32));
	sc->due_frac = (uint32_t)frac;
}

/*
 * Skip packets that are due before @p limit_ns, as many as bounded work allows.
 * Returns how many were skipped.
 */
uint64_t sched_skip(struct tw_send_sess *sess, int64_t limit_ns);

/* --- queue.c --- */

/* Nothing more will be sent: wait Tmax from the last packet. */
void send_drain(struct tw_send *snd, struct tw_send_sess *sess);

#endif /* SEND_I_H */
