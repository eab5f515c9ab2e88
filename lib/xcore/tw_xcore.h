/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * How lcores talk: rings of fixed-size records by value, a flag, a published clock, and a wrapper
 * of librte_rcu's quiescent-state scheme with a list of things to free later.
 *
 * Who runs what. The control lcore writes: it publishes, pushes commands, retires objects. A data
 * lcore reads: it pops commands, reports a quiescent state once per loop turn and pushes events.
 * Neither ever waits for the other: a full ring is a counted loss (or a retry of the caller), a
 * grace period is polled. This library and the counters of lib/base are the only places that
 * order memory; everything above may think in whole records.
 */
#ifndef TW_XCORE_H
#define TW_XCORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include <tw_base.h>
#include <tw_clock.h>

/* Rings ------------------------------------------------------------------------------------ */

/* Ring of records of one size, exactly one producing and one consuming thread. */
struct tw_xcore_ring;

/**
 * Make a ring.
 *
 * Context: control lcore (allocates).
 * @param name       unique among live rings of the process, at most 20 characters
 * @param elem_size  octets of a record, a multiple of 4
 * @param elem_cnt   records it can hold at least, 1..2^24
 * @return 0, -EINVAL, -ENOMEM, -EEXIST (name taken)
 */
int tw_xcore_ring_new(
	const char *name, unsigned elem_size, unsigned elem_cnt, struct tw_xcore_ring **out);

/** Free a ring that no thread uses any more. NULL is fine. Context: control lcore. */
void tw_xcore_ring_free(struct tw_xcore_ring *r);

/**
 * Copy one record into the ring.
 *
 * Context: the producing thread. Does not block.
 * @return false if the ring is full: nothing was stored and the ring's loss counter went up
 */
bool tw_xcore_ring_push(struct tw_xcore_ring *r, const void *elem);

/** As tw_xcore_ring_push(), without counting a refusal: for producers that keep and retry. */
bool tw_xcore_ring_try_push(struct tw_xcore_ring *r, const void *elem);

/**
 * Copy up to @p n records out.
 *
 * Context: the consuming thread. Does not block.
 * @return how many, 0..n
 */
unsigned tw_xcore_ring_pop(struct tw_xcore_ring *r, void *elems, unsigned n);

/** Records refused so far because the ring was full. Context: any thread. */
uint64_t tw_xcore_ring_lost(const struct tw_xcore_ring *r);

/** Records in the ring now; a moment later it may differ. Context: any thread. */
unsigned tw_xcore_ring_len(const struct tw_xcore_ring *r);

/* Flags ------------------------------------------------------------------------------------ */

/* One bit from the control lcore (or a signal handler) to a loop: stop, pause. */
struct tw_xcore_flag {
	_Atomic uint32_t v;
};

/** Raise or lower. What the caller wrote before is visible to who sees the flag. */
static inline void
tw_xcore_flag_set(struct tw_xcore_flag *f, bool on)
{
	atomic_store_explicit(&f->v, on, memory_order_release);
}

static inline bool
tw_xcore_flag_get(const struct tw_xcore_flag *f)
{
	return atomic_load_explicit(&f->v, memory_order_acquire) != 0;
}

/* A counter of finished steps: like tw_ctr, but who reads n also sees what step n wrote. */
struct tw_xcore_seq {
	_Atomic uint64_t v;
};

/** Context: the one writer. */
static inline void
tw_xcore_seq_advance(struct tw_xcore_seq *s, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&s->v, memory_order_relaxed);

	atomic_store_explicit(&s->v, v + n, memory_order_release);
}

static inline uint64_t
tw_xcore_seq_get(const struct tw_xcore_seq *s)
{
	return atomic_load_explicit(&s->v, memory_order_acquire);
}

/* A word with one writer: who reads it also sees what was written before it. */
struct tw_xcore_word {
	_Atomic uint64_t v;
};

/** Context: the one writer. */
static inline void
tw_xcore_word_set(struct tw_xcore_word *w, uint64_t v)
{
	atomic_store_explicit(&w->v, v, memory_order_release);
}

static inline uint64_t
tw_xcore_word_get(const struct tw_xcore_word *w)
{
	return atomic_load_explicit(&w->v, memory_order_acquire);
}

/** Context: the one writer. */
static inline void
tw_xcore_word_add(struct tw_xcore_word *w, uint64_t n)
{
	tw_xcore_word_set(w, atomic_load_explicit(&w->v, memory_order_relaxed) + n);
}

/* Clock ------------------------------------------------------------------------------------ */

/* One published clock model: the control lcore writes, every data lcore takes copies. */
struct tw_xcore_clock;

/** Make a slot holding @p first. Context: control lcore. @return 0 or -ENOMEM */
int tw_xcore_clock_new(const struct tw_clock *first, struct tw_xcore_clock **out);

/** NULL is fine. Context: control lcore, when no reader is left. */
void tw_xcore_clock_free(struct tw_xcore_clock *c);

/** Publish a newer model. Context: control lcore, about ten times a second. */
void tw_xcore_clock_publish(struct tw_xcore_clock *c, const struct tw_clock *model);

/**
 * Take a copy if there is a newer one.
 *
 * Context: any thread; a housekeeping step, not per packet. Bounded: gives up after a few
 * attempts against a busy writer, and the caller keeps its old copy until the next turn.
 * @param seen  in/out: which publication @p out holds; 0 at first
 * @return true if @p out and @p seen changed
 */
bool tw_xcore_clock_refresh(const struct tw_xcore_clock *c, uint32_t *seen, struct tw_clock *out);

/* Quiescent states --------------------------------------------------------------------------- */

/* Readers (data lcores, id 0..n-1) and things that wait until no reader can hold them. */
struct tw_xcore_qsbr {
	struct rte_rcu_qsbr *var;
	struct tw_xcore_defer *first; /* control lcore only: oldest first */
	struct tw_xcore_defer *last;
	uint64_t deferred_cnt; /* things waiting now */
};

/* Embedded in what is to be freed later. */
struct tw_xcore_defer {
	struct tw_xcore_defer *next;
	uint64_t token;
	void (*fn)(struct tw_xcore_defer *self);
};

/** Room for readers 0..reader_cnt-1. Context: control lcore. @return 0, -EINVAL, -ENOMEM */
int tw_xcore_qsbr_init(struct tw_xcore_qsbr *q, unsigned reader_cnt);

/** Run what is still deferred and release the memory. Context: control lcore, readers gone. */
void tw_xcore_qsbr_fini(struct tw_xcore_qsbr *q);

/** A reader joins and is online. Context: that reader, before its first look-up. */
int tw_xcore_qsbr_register(struct tw_xcore_qsbr *q, unsigned reader_id);

/** A reader leaves for good. Context: that reader, after its last look-up. */
void tw_xcore_qsbr_unregister(struct tw_xcore_qsbr *q, unsigned reader_id);

/** "I hold no reference." Context: the reader, once per loop turn. */
static inline void
tw_xcore_qsbr_quiescent(struct tw_xcore_qsbr *q, unsigned reader_id)
{
	rte_rcu_qsbr_quiescent(q->var, reader_id);
}

/** Before the reader may sleep: nobody waits for it meanwhile. */
static inline void
tw_xcore_qsbr_offline(struct tw_xcore_qsbr *q, unsigned reader_id)
{
	rte_rcu_qsbr_thread_offline(q->var, reader_id);
}

/** After sleeping, before the next look-up. */
static inline void
tw_xcore_qsbr_online(struct tw_xcore_qsbr *q, unsigned reader_id)
{
	rte_rcu_qsbr_thread_online(q->var, reader_id);
}

/**
 * Have @p fn called once every reader has passed a quiescent state from now on. The object must
 * already be unreachable for new look-ups. @p d stays the caller's memory until then.
 *
 * Context: control lcore. Never waits.
 */
void tw_xcore_qsbr_defer(
	struct tw_xcore_qsbr *q, struct tw_xcore_defer *d, void (*fn)(struct tw_xcore_defer *self));

/**
 * Call what is due, oldest first, at most @p max.
 *
 * Context: control lcore, from its tick. Never waits. A called function may defer again.
 * @return how many were called
 */
unsigned tw_xcore_qsbr_reclaim(struct tw_xcore_qsbr *q, unsigned max);

#endif /* TW_XCORE_H */
