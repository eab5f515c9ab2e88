/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Pairs ahead of time. What an authenticated packet carries under cipher and HMAC is a function of
 * key and Sequence Number (struct tw_engine_pair), the same in both directions. So a data lcore
 * computes the pairs of the numbers that come next while nothing waits for it, in batches of one
 * key; a packet is then verified by a comparison and protected by a copy.
 *
 * A session in use borrows a lease from its lcore's pool, and with it a window: a ring of pairs
 * around the number that is due. Two positions move through the numbers of a session: `in`, what
 * the peer sends, and `out`, what we send. While they are near each other one window serves both
 * and a packet costs one pair; loss and duplicates drive them apart without bound, then each has a
 * window of its own and a packet costs two.
 *
 * Semantics stay those of the engine: a packet whose number is in no window, or whose MBZ octets
 * are not zero, is the engine's to judge (TW_PAIRS_UNKNOWN). Windows follow verified packets only,
 * and a lease earns its pairs: at most TW_PAIRS_CREDIT of them per verified or sent packet, however
 * the numbers jump, so that nobody can make a window expensive.
 *
 * A pool is bounded: sessions that find it empty, and those with less than a packet a second, go
 * through the engine. Leases not used for TW_PAIRS_IDLE_NS are taken back. A session that is gone
 * needs no call: its lease idles out, nothing in a lease is dereferenced later than
 * tw_pairs_refill() of the same turn.
 *
 * Memory: secret (tw_crypto.h, the memory rule): pairs of numbers not yet sent are in it.
 *
 * Context of everything here: the data lcore that owns the pool and the sessions, or control before
 * that lcore runs. Does not block, allocate or log; reads no clock.
 */
#ifndef TW_PAIRS_H
#define TW_PAIRS_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_base.h"
#include "tw_engine.h"

#define TW_PAIRS_WINDOW     256 /* pairs of a window; a power of two */
#define TW_PAIRS_AHEAD      48  /* of them for numbers still to come, when it is full */
#define TW_PAIRS_NEAR       192 /* positions this far apart share a window */
#define TW_PAIRS_UNIT       16  /* pairs are computed in multiples of this: full lanes */
#define TW_PAIRS_CREDIT     4   /* pairs that a packet earns its session */
#define TW_PAIRS_CREDIT_MAX (2 * TW_PAIRS_AHEAD + TW_PAIRS_CREDIT)
#define TW_PAIRS_IDLE_NS    2000000000LL
/* A session borrows if its packets are no further apart: well before its lease would idle out. */
#define TW_PAIRS_GAP_NS 1000000000LL

#define TW_PAIRS_WANTS 128 /* sessions of one turn that may be refilled */

struct tw_pairs;

/** Octets for a pool of @p cnt windows, 1..65535. */
size_t tw_pairs_size(unsigned cnt);

/**
 * Make a pool.
 * @param mem  64-aligned, tw_pairs_size() octets, tw_crypto_map(), whose end of life wipes it
 */
struct tw_pairs *tw_pairs_init(void *mem, unsigned cnt);

/* --- private; here for the inline functions below --- */

enum { TW_PAIRS_IN, TW_PAIRS_OUT, TW_PAIRS_DIRS };

/* Numbers lo .. hi-1, at most TW_PAIRS_WINDOW of them; both wrap. Number n is at n % WINDOW. */
struct tw_pairs_window {
	alignas(TW_CACHE_LINE) uint32_t lo;
	uint32_t hi;
	alignas(TW_CACHE_LINE) struct tw_engine_pair pair[TW_PAIRS_WINDOW];
};

struct tw_pairs_lease {
	alignas(TW_CACHE_LINE) const void *owner; /* the session's record; compared, never
						     dereferenced; NULL: free */
	/* pairs of the numbers from next[IN] on, in a row; none left: the windows tell */
	const struct tw_engine_pair *due, *due_end;
	uint32_t next[TW_PAIRS_DIRS]; /* number due next */
	uint16_t win[TW_PAIRS_DIRS];  /* may be the same */
	uint16_t credit;              /* pairs earned and not yet computed */
	bool is_wanted;               /* stands in want[] */
	uint8_t miss_cnt;             /* verified packets in sequence, far from `in` */
	uint32_t miss_next;
	int64_t used_ns;
};

struct tw_pairs_want {
	struct tw_pairs_lease *lease;
	const struct tw_crypto_tkey *key;
};

struct tw_pairs {
	struct tw_pairs_lease *lease; /* [0] unused */
	struct tw_pairs_window *win;
	uint16_t *free_lease, *free_win; /* stacks */
	unsigned cnt, free_lease_cnt, free_win_cnt;
	unsigned hand; /* lease that is looked at next for idling */
	int64_t now_ns;
	unsigned want_cnt, packet_cnt; /* since the last refill */
	struct tw_pairs_want want[TW_PAIRS_WANTS];

	/* w: owner lcore   r: any, relaxed */
	struct tw_ctr filled; /* pairs computed */
	struct tw_ctr leases; /* in use */
};

static inline bool
tw_pairs_covers(const struct tw_pairs_window *w, uint32_t seq)
{
	return seq - w->lo < w->hi - w->lo;
}

static inline const struct tw_engine_pair *
tw_pairs_at(const struct tw_pairs_window *w, uint32_t seq)
{
	return &w->pair[seq % TW_PAIRS_WINDOW];
}

/* Equal tags (and blocks), in a time that does not depend on them. */
static inline uint64_t
tw_pairs_differ16(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return (x[0] ^ y[0]) | (x[1] ^ y[1]);
}

/* Two words, anywhere. */
typedef uint64_t tw_pairs_words __attribute__((vector_size(16), aligned(1), may_alias));

/* Block and tag are those of a pair, also in constant time. */
static inline uint64_t
tw_pairs_differ(const struct tw_engine_pair *pair, const uint8_t *block, const uint8_t *tag)
{
	const tw_pairs_words *x = (const tw_pairs_words *)(const void *)pair;
	const tw_pairs_words *b = (const tw_pairs_words *)(const void *)block;
	const tw_pairs_words *t = (const tw_pairs_words *)(const void *)tag;
	const tw_pairs_words d = (x[0] ^ *b) | (x[1] ^ *t);

	return d[0] | d[1];
}

/* --- leases --- */

/** The lease of a session. @param ref  as tw_pairs_borrow() set it; 0: none */
static inline struct tw_pairs_lease *
tw_pairs_of(const struct tw_pairs *p, uint16_t ref, const void *owner)
{
	return ref != 0 && p->lease[ref].owner == owner ? &p->lease[ref] : NULL;
}

/**
 * Borrow a lease for a session that has none.
 * @param owner  the session's record
 * @param in,out numbers due next in either direction
 * @return the reference to keep in the record; 0 if the pool is empty
 */
uint16_t tw_pairs_borrow(struct tw_pairs *p, const void *owner, uint32_t in, uint32_t out);

/* --- packets --- */

enum tw_pairs_verdict {
	TW_PAIRS_UNKNOWN = 1, /* ask the engine */
	TW_PAIRS_AUTHENTIC,
	TW_PAIRS_FORGED,
	TW_PAIRS_VERDICT_N
};

/* A packet that `due` does not tell: what is its number? Parameters of tw_pairs_match(). */
enum tw_pairs_verdict tw_pairs_search(struct tw_pairs *p, struct tw_pairs_lease *l,
	const struct tw_crypto_tkey *key, const uint8_t *block, const uint8_t *tag, uint32_t *seq,
	const struct tw_engine_pair **pair);

/**
 * Verify an authenticated packet.
 * @param block  its first 16 octets
 * @param tag    its HMAC field
 * @param seq    out, if AUTHENTIC: its number; the other octets of the block are zero
 * @param match  out, if AUTHENTIC: its pair; there until tw_pairs_refill()
 */
static inline enum tw_pairs_verdict
tw_pairs_match(struct tw_pairs *p, struct tw_pairs_lease *l, const struct tw_crypto_tkey *key,
	const uint8_t *block, const uint8_t *tag, uint32_t *seq,
	const struct tw_engine_pair **match)
{
	const struct tw_engine_pair *due = l->due;

	if (__builtin_expect(due == l->due_end || tw_pairs_differ(due, block, tag) != 0, 0))
		return tw_pairs_search(p, l, key, block, tag, seq, match);
	*seq = l->next[TW_PAIRS_IN]++;
	*match = due;
	l->due = due + 1;
	return TW_PAIRS_AUTHENTIC;
}

/** The same for who needs no pair. */
static inline enum tw_pairs_verdict
tw_pairs_verify(struct tw_pairs *p, struct tw_pairs_lease *l, const struct tw_crypto_tkey *key,
	const uint8_t *block, const uint8_t *tag, uint32_t *seq)
{
	const struct tw_engine_pair *match;

	return tw_pairs_match(p, l, key, block, tag, seq, &match);
}

/** A packet that was UNKNOWN has been verified by the engine: its number tells where `in` is. */
void tw_pairs_seen(struct tw_pairs *p, struct tw_pairs_lease *l, uint32_t seq);

/* Pairs of the numbers from @p seq on that stand in a row in a window; 0: none. */
static inline unsigned
tw_pairs_row(const struct tw_pairs_window *w, uint32_t seq)
{
	const unsigned left = w->hi - seq, room = TW_PAIRS_WINDOW - seq % TW_PAIRS_WINDOW;

	if (!tw_pairs_covers(w, seq))
		return 0;
	return left < room ? left : room;
}

/**
 * Pairs to send with numbers from @p seq on that follow each other.
 * @param cnt  out: how many there are in a row; 0: none
 */
static inline const struct tw_engine_pair *
tw_pairs_out_row(
	const struct tw_pairs *p, const struct tw_pairs_lease *l, uint32_t seq, unsigned *cnt)
{
	const struct tw_pairs_window *w = &p->win[l->win[TW_PAIRS_OUT]];

	*cnt = tw_pairs_row(w, seq);
	if (*cnt == 0) {
		w = &p->win[l->win[TW_PAIRS_IN]];
		*cnt = tw_pairs_row(w, seq);
	}
	return tw_pairs_at(w, seq);
}

/** The pair to send with a number, NULL if there is none: seal the packet. */
static inline const struct tw_engine_pair *
tw_pairs_out(const struct tw_pairs *p, const struct tw_pairs_lease *l, uint32_t seq)
{
	unsigned cnt;
	const struct tw_engine_pair *pair = tw_pairs_out_row(p, l, seq, &cnt);

	return cnt != 0 ? pair : NULL;
}

/* --- filling --- */

/**
 * Packets of the session were verified or sent: they earned pairs, which tw_pairs_refill() may
 * compute.
 * @param key  must live until then
 * @param out  number that we send next
 * @param n    packets, 1..1024
 */
static inline void
tw_pairs_earn(struct tw_pairs *p, struct tw_pairs_lease *l, const struct tw_crypto_tkey *key,
	uint32_t out, unsigned n)
{
	const unsigned credit = l->credit + n * TW_PAIRS_CREDIT;

	l->next[TW_PAIRS_OUT] = out;
	l->credit = (uint16_t)(credit < TW_PAIRS_CREDIT_MAX ? credit : TW_PAIRS_CREDIT_MAX);
	p->packet_cnt += n;
	if (l->is_wanted || p->want_cnt == TW_PAIRS_WANTS)
		return;
	l->is_wanted = true;
	p->want[p->want_cnt++] = (struct tw_pairs_want){.lease = l, .key = key};
}

/**
 * Compute what the sessions of this turn have earned and lack, in all no more than a little above
 * what their packets used up. Call it where nothing is due, after transmission, in the turn (the
 * grace period) of the packets.
 */
void tw_pairs_refill(struct tw_pairs *p, struct tw_engine *eng);

/**
 * Take back what is idle; looks at a few leases per call.
 * @param now_ns  steady time
 */
void tw_pairs_age(struct tw_pairs *p, int64_t now_ns);

#endif /* TW_PAIRS_H */
