/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Pool and leases, and packets that are not the one due next. Windows are filled in refill.c.
 */
#include "pairs_i.h"

#define FIRST_CREDIT   (2 * TW_PAIRS_UNIT) /* of a new lease */
#define JUMP_MAX       4096                /* `in` follows one packet this far ahead ... */
#define MISSES_TO_JUMP 8                   /* ... and anywhere after so many in sequence */
#define AGE_LEASES     4                   /* looked at per call of tw_pairs_age() */

/* Where the parts of a pool stand in its memory. */
struct layout {
	size_t win, lease, free_lease, free_win, size;
};

static size_t
aligned(size_t n)
{
	return (n + TW_CACHE_LINE - 1) / TW_CACHE_LINE * TW_CACHE_LINE;
}

static struct layout
layout_of(unsigned cnt)
{
	struct layout l;

	l.win = aligned(sizeof(struct tw_pairs));
	l.lease = l.win + cnt * sizeof(struct tw_pairs_window);
	l.free_lease = l.lease + aligned((cnt + 1) * sizeof(struct tw_pairs_lease));
	l.free_win = l.free_lease + aligned(cnt * sizeof(uint16_t));
	l.size = l.free_win + aligned(cnt * sizeof(uint16_t));
	return l;
}

size_t
tw_pairs_size(unsigned cnt)
{
	return layout_of(cnt).size;
}

struct tw_pairs *
tw_pairs_init(void *mem, unsigned cnt)
{
	const struct layout l = layout_of(cnt);
	struct tw_pairs *p = mem;
	uint8_t *at = mem;

	TW_ASSERT(cnt >= 1 && cnt <= UINT16_MAX && (uintptr_t)mem % TW_CACHE_LINE == 0);
	memset(mem, 0, l.size);
	p->win = (struct tw_pairs_window *)(void *)(at + l.win);
	p->lease = (struct tw_pairs_lease *)(void *)(at + l.lease);
	p->free_lease = (uint16_t *)(void *)(at + l.free_lease);
	p->free_win = (uint16_t *)(void *)(at + l.free_win);
	p->cnt = cnt;
	for (unsigned i = 0; i < cnt; i++) {
		/* taken from the end: low ones first */
		p->free_lease[p->free_lease_cnt++] = (uint16_t)(cnt - i);
		p->free_win[p->free_win_cnt++] = (uint16_t)(cnt - 1 - i);
	}
	return p;
}

void
pairs_win_put(struct tw_pairs *p, uint16_t idx)
{
	tw_crypto_wipe(&p->win[idx], sizeof(p->win[idx]));
	p->free_win[p->free_win_cnt++] = idx;
}

uint16_t
tw_pairs_borrow(struct tw_pairs *p, const void *owner, uint32_t in, uint32_t out)
{
	uint16_t ref, win;

	if (p->free_lease_cnt == 0 || p->free_win_cnt == 0)
		return 0;
	ref = p->free_lease[--p->free_lease_cnt];
	win = pairs_win_take(p, in);
	p->lease[ref] = (struct tw_pairs_lease){.owner = owner,
		.next = {in, out},
		.win = {win, win},
		.credit = FIRST_CREDIT,
		.used_ns = p->now_ns};
	tw_ctr_inc(&p->leases);
	return ref;
}

static void
give_back(struct tw_pairs *p, struct tw_pairs_lease *l)
{
	pairs_win_put(p, l->win[TW_PAIRS_IN]);
	if (l->win[TW_PAIRS_OUT] != l->win[TW_PAIRS_IN])
		pairs_win_put(p, l->win[TW_PAIRS_OUT]);
	*l = (struct tw_pairs_lease){0};
	p->free_lease[p->free_lease_cnt++] = (uint16_t)(l - p->lease);
	tw_ctr_add(&p->leases, UINT64_MAX); /* one less */
}

void
tw_pairs_age(struct tw_pairs *p, int64_t now_ns)
{
	p->now_ns = now_ns;
	for (unsigned i = 0; i < AGE_LEASES && i < p->cnt; i++) {
		struct tw_pairs_lease *l;

		p->hand = p->hand % p->cnt + 1;
		l = &p->lease[p->hand];
		if (l->owner == NULL || l->is_wanted)
			continue;
		if (l->used_ns > now_ns)
			l->used_ns = now_ns;
		if (now_ns - l->used_ns >= TW_PAIRS_IDLE_NS)
			give_back(p, l);
	}
}

/* The window that has a number. */
static const struct tw_pairs_window *
window_of(const struct tw_pairs *p, const struct tw_pairs_lease *l, uint32_t seq)
{
	for (unsigned dir = 0; dir < TW_PAIRS_DIRS; dir++)
		if (tw_pairs_covers(&p->win[l->win[dir]], seq))
			return &p->win[l->win[dir]];
	return NULL;
}

/*
 * A row of pairs may have ended where its window goes round. If not: one block of AES tells the
 * number, a search would not; the tag, which is the dear part, is there if the number is in a
 * window.
 */
enum tw_pairs_verdict
tw_pairs_search(struct tw_pairs *p, struct tw_pairs_lease *l, const struct tw_crypto_tkey *key,
	const uint8_t *block, const uint8_t *tag, uint32_t *seq, const struct tw_engine_pair **pair)
{
	const struct tw_pairs_window *w;
	uint8_t clear[TW_CRYPTO_BLOCK_LEN];
	uint32_t n;

	if (l->due == l->due_end) {
		pairs_aim(p, l);
		if (l->due != l->due_end)
			return tw_pairs_match(p, l, key, block, tag, seq, pair);
	}
	tw_crypto_tkey_open_block(key, block, clear);
	n = tw_load_be32(clear);
	if ((tw_load_be32(clear + 4) | tw_load_be64(clear + 8)) != 0)
		return TW_PAIRS_UNKNOWN;
	w = window_of(p, l, n);
	if (w == NULL)
		return TW_PAIRS_UNKNOWN;
	/* the block deciphers to this number, so it is the pair's */
	if (tw_pairs_differ16(tw_pairs_at(w, n)->tag, tag) != 0)
		return TW_PAIRS_FORGED;
	tw_pairs_seen(p, l, n);
	*seq = n;
	*pair = tw_pairs_at(w, n);
	return TW_PAIRS_AUTHENTIC;
}

static void
move_in(struct tw_pairs *p, struct tw_pairs_lease *l, uint32_t next)
{
	l->next[TW_PAIRS_IN] = next;
	l->miss_cnt = 0;
	pairs_aim(p, l);
}

/*
 * Forward at once if it is not far: what was lost in between may be much. Elsewhere only after
 * several in sequence, so that replayed packets do not move a window about.
 */
void
tw_pairs_seen(struct tw_pairs *p, struct tw_pairs_lease *l, uint32_t seq)
{
	if (seq - l->next[TW_PAIRS_IN] < JUMP_MAX) {
		move_in(p, l, seq + 1);
		return;
	}
	l->miss_cnt = seq == l->miss_next ? (uint8_t)(l->miss_cnt + 1) : 1;
	l->miss_next = seq + 1;
	if (l->miss_cnt >= MISSES_TO_JUMP)
		move_in(p, l, seq + 1);
}
