/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Slow paths of the histogram: moving the anchor, carries, merging, reading back.
 *
 * Level k (k >= 1) holds bins of 2^k, numbered value >> k, from base[k] up to but not including
 * 2 * base[k + 1]; level 0 holds single values from the anchor up to 2 * base[1]. That is at
 * most 64 bins (128 in level 0), so a bin's number modulo that is its place in the array and a
 * bin that stays in its level stays in its place when the anchor moves.
 */
#include <string.h>

#include "tw_metrics_hist.h"

#define LEVELS TW_METRICS_HIST_LEVELS
#define SUB    TW_METRICS_HIST_SUB
#define BINS   TW_METRICS_HIST_BINS

static void
set_anchor(struct tw_metrics_hist *h, int64_t anchor)
{
	h->anchor = anchor;
	h->base[0] = anchor;
	for (unsigned k = 1; k <= LEVELS; k++)
		h->base[k] = (anchor + ((int64_t)SUB << k)) >> k;
}

void
tw_metrics_hist_init(struct tw_metrics_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->anchor = INT64_MAX;
	h->max = INT64_MIN;
}

void
tw_metrics_hist_init_at_zero(struct tw_metrics_hist *h)
{
	tw_metrics_hist_init(h);
	set_anchor(h, 0);
}

/* Place in the array of bin number @p nr of a level. */
static uint32_t
place(unsigned level, int64_t nr)
{
	if (level == 0)
		return (uint32_t)nr & (TW_METRICS_HIST_LINEAR - 1);
	return (level + 1) * SUB + ((uint32_t)nr & (SUB - 1));
}

static uint64_t
count_at(const struct tw_metrics_hist *h, const struct tw_metrics_hist_pool *pool, uint32_t idx)
{
	uint8_t page = h->page[idx / SUB];
	uint64_t carries = page != 0 ? pool->page[page - 1][idx % SUB] : 0;

	return (carries << 16) + h->bin[idx];
}

void
tw_metrics_hist_put(
	struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, uint32_t idx, uint64_t n)
{
	uint8_t *page = &h->page[idx / SUB];
	uint64_t total = count_at(h, pool, idx) + n;
	uint64_t carries = total >> 16;

	if (carries != 0 && *page == 0) {
		if (pool->used == TW_METRICS_HIST_POOL_PAGES) {
			h->unplaced += total - UINT16_MAX;
			h->bin[idx] = UINT16_MAX;
			return;
		}
		memset(pool->page[pool->used], 0, sizeof(pool->page[0]));
		*page = (uint8_t)++pool->used;
	}
	h->bin[idx] = (uint16_t)total;
	if (*page != 0)
		pool->page[*page - 1][idx % SUB] = (uint32_t)carries;
}

static void
clear_at(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, uint32_t idx)
{
	uint8_t page = h->page[idx / SUB];

	h->bin[idx] = 0;
	if (page != 0)
		pool->page[page - 1][idx % SUB] = 0;
}

/* Put @p n samples of value @p ns, anchor and levels being settled. */
static void
put_value(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t ns, uint64_t n)
{
	uint32_t idx = tw_metrics_hist_idx(h, ns);

	if (idx == BINS) {
		h->beyond += n;
		return;
	}
	h->levels |= 1U << (idx < TW_METRICS_HIST_LINEAR ? 0 : idx / SUB - 1);
	tw_metrics_hist_put(h, pool, idx, n);
}

/* Move what no longer belongs to a level; the levels above are settled already. */
static void
lift_level(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, unsigned k,
	int64_t old_first, int64_t old_end)
{
	int64_t first = 2 * h->base[k + 1];

	if (first < old_first)
		first = old_first;
	for (int64_t nr = first; nr < old_end; nr++) {
		uint32_t idx = place(k, nr);
		uint64_t n = count_at(h, pool, idx);

		if (n == 0)
			continue;
		clear_at(h, pool, idx);
		put_value(h, pool, (int64_t)((uint64_t)nr << k), n);
	}
	if (first == old_first)
		h->levels &= ~(1U << k);
}

void
tw_metrics_hist_lower(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t anchor)
{
	int64_t old[LEVELS + 1];
	uint32_t levels = h->levels;

	memcpy(old, h->base, sizeof(old));
	set_anchor(h, anchor);
	while (levels != 0) { /* from the top: what is lifted must not be met again */
		unsigned k = 31 - (unsigned)__builtin_clz(levels);

		levels &= ~(1U << k);
		lift_level(h, pool, k, old[k], 2 * old[k + 1]);
	}
}

void
tw_metrics_hist_merge(struct tw_metrics_hist *dst, struct tw_metrics_hist_pool *dst_pool,
	const struct tw_metrics_hist *src, const struct tw_metrics_hist_pool *src_pool)
{
	if (src->cnt == 0)
		return;
	if (src->anchor < dst->anchor)
		tw_metrics_hist_lower(dst, dst_pool, src->anchor);
	for (unsigned k = 0; k < LEVELS; k++) {
		if (!(src->levels & 1U << k))
			continue;
		for (int64_t nr = src->base[k]; nr < 2 * src->base[k + 1]; nr++) {
			uint64_t n = count_at(src, src_pool, place(k, nr));

			/* a bin below its level's border would be cut: it is not, borders are even
			 */
			if (n != 0)
				put_value(dst, dst_pool, (int64_t)((uint64_t)nr << k), n);
		}
	}
	if (src->max > dst->max)
		dst->max = src->max;
	dst->sum += src->sum;
	dst->cnt += src->cnt;
	dst->beyond += src->beyond;
	dst->unplaced += src->unplaced;
}

/* Middle of a bin, kept within what is known exactly. */
static struct tw_metrics_hist_value
value_of(const struct tw_metrics_hist *h, unsigned k, int64_t nr)
{
	int64_t half = (int64_t)(1ULL << k) / 2;
	struct tw_metrics_hist_value v = {(int64_t)((uint64_t)nr << k) + half, (uint64_t)half};

	if (v.ns > h->max)
		v.ns = h->max;
	return v;
}

struct tw_metrics_hist_value
tw_metrics_hist_at(
	const struct tw_metrics_hist *h, const struct tw_metrics_hist_pool *pool, uint64_t rank)
{
	uint64_t seen = 0;

	if (rank <= 1 && h->anchor != 0)
		return (struct tw_metrics_hist_value){h->anchor, 0};
	if (rank >= h->cnt)
		return (struct tw_metrics_hist_value){h->max, 0};
	for (unsigned k = 0; k < LEVELS; k++) {
		if (!(h->levels & 1U << k))
			continue;
		for (int64_t nr = h->base[k]; nr < 2 * h->base[k + 1]; nr++) {
			seen += count_at(h, pool, place(k, nr));
			if (seen >= rank)
				return value_of(h, k, nr);
		}
	}
	return (struct tw_metrics_hist_value){h->max, 0}; /* beyond the bins: see h->beyond */
}

int64_t
tw_metrics_hist_mean(const struct tw_metrics_hist *h)
{
	__int128 n = (__int128)h->cnt;
	__int128 half = h->sum < 0 ? -(n / 2) : n / 2;

	return h->cnt != 0 ? (int64_t)((h->sum + half) / n) : 0;
}
