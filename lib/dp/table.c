/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See table.h.
 */
#include <errno.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <tw_crypto.h>

#include "dp_i.h"
#include "table.h"

#define PER_BUCKET 5 /* sessions at most, on average */
/* An entry lies this near to where it begins: beyond any chance at that load. */
#define REACH_MAX 64

static_assert(alignof(struct tw_refl_sess) >= 1u << ENTRY_BITS, "low bits of an entry");
static_assert(alignof(struct dp_sender) >= 1u << ENTRY_BITS, "low bits of an entry");
static_assert(TW_DP_LCORES_MAX <= 1u << ENTRY_OWNER_BITS, "owner fits");
static_assert(ENTRY_OWNER_SHIFT + ENTRY_OWNER_BITS <= ENTRY_BITS, "owner fits");
static_assert(sizeof(struct tw_sess_key) == TABLE_WORDS * sizeof(uint64_t), "words of a key");

/* Outer tag first: one tag is the same number as the inner of two with an outer of zero. */
uint32_t
tw_dp_scope_id(const struct tw_dp_scope *s)
{
	uint32_t vlans = 0;

	for (unsigned i = 0; i < s->vlan_cnt && i < TW_DP_VLANS_MAX; i++)
		vlans = vlans << 12 | (s->vid[i] & 0xfffu);
	return (uint32_t)s->port_idx << 24 | vlans;
}

/* Both halves of a product, folded. */
static inline uint64_t
mix(uint64_t a, uint64_t b)
{
	const unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t
hash_of(const struct table *t, const struct tw_sess_key *key)
{
	uint64_t w[TABLE_WORDS];

	memcpy(w, key, sizeof(w));
	return mix(mix(w[0] ^ t->secret[0], w[1] ^ t->secret[1]) ^ w[4] ^ t->secret[4],
		mix(w[2] ^ t->secret[2], w[3] ^ t->secret[3]) ^ t->secret[5]);
}

static inline bool
key_equal(const struct tw_sess_key *a, const struct tw_sess_key *b)
{
	uint64_t x[TABLE_WORDS], y[TABLE_WORDS], diff = 0;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	for (unsigned i = 0; i < TABLE_WORDS; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

int
table_init(struct table *t, uint32_t max, int socket_id)
{
	const uint32_t cnt = rte_align32pow2(RTE_MAX(max / PER_BUCKET, 8u));

	*t = (struct table){.mask = cnt - 1, .max = max};
	if (tw_crypto_random(t->secret, sizeof(t->secret)) != 0)
		return -EIO;
	t->bucket = rte_zmalloc_socket(
		"tw_dp_table", cnt * sizeof(*t->bucket), TW_CACHE_LINE, socket_id);
	return t->bucket != NULL ? 0 : -ENOMEM;
}

void
table_fini(struct table *t)
{
	rte_free(t->bucket);
	*t = (struct table){0};
}

/* The entry of a key from bucket @p at on. @return ENTRY_NONE if it is not there */
static uint64_t
find_from(const struct table *t, const struct tw_sess_key *key, uint64_t hash)
{
	const uint64_t sig = hash >> ENTRY_SIG_SHIFT;
	uint32_t at = (uint32_t)hash & t->mask;

	for (unsigned reach = 0; reach <= REACH_MAX; reach++) {
		const struct table_bucket *b = &t->bucket[at];

		for (unsigned i = 0; i < TABLE_SLOTS; i++) {
			const uint64_t e = tw_xcore_word_get(&b->slot[i]);

			if (e >> ENTRY_SIG_SHIFT == sig && e != ENTRY_NONE &&
				key_equal(&entry_sess(e)->key, key))
				return e;
		}
		if (tw_xcore_word_get(&b->passed) == 0)
			break;
		at = (at + 1) & t->mask;
	}
	return ENTRY_NONE;
}

int
table_add(struct table *t, const struct tw_sess *s)
{
	const uint64_t hash = hash_of(t, &s->key);
	const uint32_t begin = (uint32_t)hash & t->mask;
	uint64_t e = (uint64_t)(uintptr_t)s | (uint64_t)s->owner_idx << ENTRY_OWNER_SHIFT |
		     hash >> ENTRY_SIG_SHIFT << ENTRY_SIG_SHIFT;

	if (s->role == TW_SESS_ROLE_SENDER)
		e |= ENTRY_SENDER;
	if (find_from(t, &s->key, hash) != ENTRY_NONE)
		return -EEXIST;
	if (t->cnt == t->max)
		return -ENOSPC;
	for (unsigned reach = 0; reach <= RTE_MIN((unsigned)REACH_MAX, t->mask); reach++) {
		struct table_bucket *b = &t->bucket[(begin + reach) & t->mask];

		for (unsigned i = 0; i < TABLE_SLOTS; i++) {
			if (tw_xcore_word_get(&b->slot[i]) != ENTRY_NONE)
				continue;
			/* first the way, then the entry: a reader that sees it finds it */
			for (unsigned k = 0; k < reach; k++)
				tw_xcore_word_add(&t->bucket[(begin + k) & t->mask].passed, 1);
			tw_xcore_word_set(&b->slot[i], e);
			t->cnt++;
			return 0;
		}
	}
	return -ENOSPC;
}

void
table_del(struct table *t, const struct tw_sess *s)
{
	const uint32_t begin = (uint32_t)hash_of(t, &s->key) & t->mask;

	for (unsigned reach = 0; reach <= REACH_MAX; reach++) {
		struct table_bucket *b = &t->bucket[(begin + reach) & t->mask];

		for (unsigned i = 0; i < TABLE_SLOTS; i++) {
			if (entry_sess(tw_xcore_word_get(&b->slot[i])) != s)
				continue;
			tw_xcore_word_set(&b->slot[i], ENTRY_NONE);
			for (unsigned k = 0; k < reach; k++)
				tw_xcore_word_add(
					&t->bucket[(begin + k) & t->mask].passed, (uint64_t)-1);
			t->cnt--;
			return;
		}
	}
}

/* What the first phase of a look-up leaves for the second. */
struct probe {
	uint64_t hash;
	uint64_t first; /* entry whose signature fits, not compared yet */
};

static inline uint64_t
first_of(const struct table *t, uint64_t hash)
{
	const struct table_bucket *b = &t->bucket[(uint32_t)hash & t->mask];
	const uint64_t sig = hash >> ENTRY_SIG_SHIFT;

	for (unsigned i = 0; i < TABLE_SLOTS; i++) {
		const uint64_t e = tw_xcore_word_get(&b->slot[i]);

		if (e >> ENTRY_SIG_SHIFT == sig && e != ENTRY_NONE)
			return e;
	}
	return ENTRY_NONE;
}

/*
 * Head and counters of a session are needed soon, its keys later (dispatch()): of more misses
 * than the CPU can have under way at a time, some are forgotten.
 */
static inline void
fetch(const struct tw_sess *s)
{
	rte_prefetch0(s);
	rte_prefetch0((const uint8_t *)s + TW_CACHE_LINE);
}

void
table_find(const struct table *t, const struct tw_sess_key *key, unsigned n, uint64_t *entry)
{
	struct probe probe[BURST];
	uint8_t own[BURST]; /* packets whose key differs from that of the one before */
	unsigned own_cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i > 0 && key_equal(&key[i], &key[i - 1]))
			continue;
		own[own_cnt] = (uint8_t)i;
		probe[own_cnt].hash = hash_of(t, &key[i]);
		rte_prefetch0(&t->bucket[(uint32_t)probe[own_cnt].hash & t->mask]);
		own_cnt++;
	}
	for (unsigned k = 0; k < own_cnt; k++) {
		probe[k].first = first_of(t, probe[k].hash);
		if (probe[k].first != ENTRY_NONE)
			fetch(entry_sess(probe[k].first));
	}
	for (unsigned k = 0; k < own_cnt; k++) {
		const unsigned i = own[k], end = k + 1 < own_cnt ? own[k + 1] : n;
		uint64_t e = probe[k].first;

		if (unlikely(e == ENTRY_NONE || !key_equal(&entry_sess(e)->key, &key[i])))
			e = find_from(t, &key[i], probe[k].hash);
		for (unsigned at = i; at < end; at++)
			entry[at] = e;
	}
}
