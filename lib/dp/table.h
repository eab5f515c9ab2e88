/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The session table: from the flow of an arriving packet to an entry, the address of its session
 * with role and owner in the low bits, so that a frame for another lcore is handed over without
 * touching the session.
 *
 * Buckets of one cache line: seven slots, each an entry with 16 bits of its key's hash, and how
 * many entries passed here to find room further on. A look-up reads one line and the head of the
 * session, which the packet needs anyway; rte_hash read three, and compared keys of its own. An
 * entry never moves, and what is taken away lowers only its own marks: a reader needs no lock and
 * no second look. The hash is keyed, so that nobody can choose flows that meet in one bucket.
 *
 * Context: the control thread alone adds and deletes; data lcores look up, under the quiescent
 * states of the plane: an unlinked session must outlive the turn.
 */
#ifndef DP_TABLE_H
#define DP_TABLE_H

#include <stdint.h>

#include <tw_session.h>
#include <tw_xcore.h>

#define TABLE_SLOTS 7 /* of a bucket */
#define TABLE_WORDS 5 /* of a key */

#define ENTRY_SENDER      1u
#define ENTRY_OWNER_SHIFT 1
#define ENTRY_OWNER_BITS  5
#define ENTRY_BITS        6 /* below the alignment of a record */
#define ENTRY_SIG_SHIFT   48
#define ENTRY_NONE        0

struct table_bucket {
	alignas(TW_CACHE_LINE) struct tw_xcore_word slot[TABLE_SLOTS]; /* 0: free */
	struct tw_xcore_word passed; /* entries that begin here or before and lie behind */
};
static_assert(sizeof(struct table_bucket) == TW_CACHE_LINE, "one line");

struct table {
	/* w: control before publication   r: all */
	struct table_bucket *bucket;
	uint32_t mask;
	uint64_t secret[TABLE_WORDS + 1];
	/* w, r: control */
	uint32_t cnt, max;
};

static inline struct tw_sess *
entry_sess(uint64_t e)
{
	return (struct tw_sess *)(uintptr_t)(e & ((1ULL << ENTRY_SIG_SHIFT) - (1u << ENTRY_BITS)));
}

static inline unsigned
entry_owner(uint64_t e)
{
	return (unsigned)(e >> ENTRY_OWNER_SHIFT) & ((1u << ENTRY_OWNER_BITS) - 1);
}

/** Room for @p max sessions. @return 0, -ENOMEM, -EIO (no random numbers) */
int table_init(struct table *t, uint32_t max, int socket_id);

void table_fini(struct table *t);

/** @return 0, -EEXIST, -ENOSPC */
int table_add(struct table *t, const struct tw_sess *s);

/** No effect if @p s is not there. */
void table_del(struct table *t, const struct tw_sess *s);

/**
 * Look up a burst; memory is fetched for all before it is used.
 * @param entry  out: ENTRY_NONE for keys that are not there
 */
void table_find(const struct table *t, const struct tw_sess_key *key, unsigned n, uint64_t *entry);

#endif /* DP_TABLE_H */
