/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The histogram: adding samples, moving the anchor, carries, merging, reading back.
 *
 * Level k (k >= 1) holds bins of 2^k, numbered value >> k, from base[k] up to but not including
 * 2 * base[k + 1]; level 0 holds single values from the anchor up to 2 * base[1]. That is at
 * most 64 bins (128 in level 0), so a bin's number modulo that is its place in the array and a
 * bin that stays in its level stays in its place when the anchor moves.
 */
#include <stdalign.h>
#include <string.h>

#include "tw_base.h"
#include "tw_metrics_hist.h"
#include "tw_vectors.h"

#define LEVELS TW_METRICS_HIST_LEVELS
#define SUB    TW_METRICS_HIST_SUB
#define BINS   TW_METRICS_HIST_BINS
#define LINEAR TW_METRICS_HIST_LINEAR

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
		return (uint32_t)nr & (LINEAR - 1);
	return (level + 1) * SUB + ((uint32_t)nr & (SUB - 1));
}

static uint64_t
count_at(const struct tw_metrics_hist *h, const struct tw_metrics_hist_pool *pool, uint32_t idx)
{
	uint8_t page = h->page[idx / SUB];
	uint64_t carries = page != 0 ? pool->page[page - 1][idx % SUB] : 0;

	return (carries << 16) + h->bin[idx];
}

/* Count @p n more in a bin. */
static void
put(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, uint32_t idx, uint64_t n)
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

/* Bin of a value not below the anchor; BINS if it lies beyond all. */
static uint32_t
bin_of(const struct tw_metrics_hist *h, int64_t ns)
{
	uint64_t away = (uint64_t)ns - (uint64_t)h->anchor;
	unsigned level = 0;

	if (away >= LINEAR)
		level = 57 - (unsigned)__builtin_clzll(away); /* away >> level is 64..127 */
	if (level >= LEVELS)
		return BINS;
	if (ns >> (level + 1) >= h->base[level + 1] && ++level == LEVELS)
		return BINS;
	if (level == 0)
		return (uint32_t)ns & (LINEAR - 1);
	return (level + 1) * SUB + ((uint32_t)(ns >> level) & (SUB - 1));
}

/* Put @p n samples of value @p ns, anchor and levels being settled. */
static void
put_value(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t ns, uint64_t n)
{
	uint32_t idx = bin_of(h, ns);

	if (idx == BINS) {
		h->beyond += n;
		return;
	}
	h->levels |= 1U << (idx < LINEAR ? 0 : idx / SUB - 1);
	put(h, pool, idx, n);
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

/* Move the anchor down. */
static void
lower(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t anchor)
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

/* Adding ------------------------------------------------------------------------------------- */

#define LEVEL_TOP  31 /* bit of this level and those above it */
#define LEVEL_BITS ((1U << LEVELS) - 1)

/* Where samples belong. */
struct places {
	int64_t min, max;
	uint64_t sum;    /* modulo 2^64 */
	uint64_t cnt;    /* samples */
	uint32_t levels; /* bit k: a sample is in level k; above LEVEL_BITS: without bins */
	alignas(TW_CACHE_LINE) uint32_t idx[TW_METRICS_HIST_ADD_MAX];
};

/* As bin_of(). Useless if a sample is below the anchor. */
TW_VECTORS static void
find_places(struct places *restrict p, const int64_t *restrict ns, const uint32_t *restrict times,
	unsigned n, int64_t anchor)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	uint32_t levels = 0;
	uint64_t sum = 0, cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		const int64_t v = ns[i];
		const uint64_t away = ((uint64_t)v - (uint64_t)anchor) | (LINEAR - 1);
		const int low = 57 - __builtin_clzll(away);
		/* the border is base[low + 1], see set_anchor() */
		const int64_t is_above = v >> (low + 1) >= (anchor >> (low + 1)) + SUB;
		const int level = low + (int)is_above;
		const uint32_t linear = (uint32_t)v & (LINEAR - 1);
		const uint32_t other =
			((uint32_t)level + 1) * SUB + ((uint32_t)(v >> level) & (SUB - 1));

		p->idx[i] = level == 0 ? linear : other;
		levels |= 1U << (level < LEVEL_TOP ? level : LEVEL_TOP);
		sum += (uint64_t)v * times[i];
		cnt += times[i];
		min = v < min ? v : min;
		max = v > max ? v : max;
	}
	p->min = min;
	p->max = max;
	p->sum = sum;
	p->cnt = cnt;
	p->levels = levels;
}

/* The sum of samples too large to trust one modulo 2^64. */
static __int128
wide_sum(const int64_t *ns, const uint32_t *times, unsigned n)
{
	__int128 sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += (__int128)ns[i] * times[i];
	return sum;
}

/* Count @p n samples in a bin of their level. */
static inline void
count_place(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, uint32_t idx, uint32_t n)
{
	h->bin[idx] = (uint16_t)(h->bin[idx] + n);
	if (__builtin_expect(h->bin[idx] < n, 0))
		put(h, pool, idx, 1U << 16);
}

#define FEW 4 /* so many are faster one by one than in vectors */

static inline void
add_one(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t ns, uint32_t times)
{
	uint32_t idx;

	if (__builtin_expect(ns < h->anchor, 0))
		lower(h, pool, ns);
	if (ns > h->max)
		h->max = ns;
	h->sum += (__int128)ns * times;
	h->cnt += times;
	idx = bin_of(h, ns);
	if (__builtin_expect(idx == BINS, 0)) {
		h->beyond += times;
		return;
	}
	h->levels |= 1U << (idx < LINEAR ? 0 : idx / SUB - 1);
	count_place(h, pool, idx, times);
}

static struct tw_metrics_hist_sums
add_few(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, const int64_t *ns,
	const uint32_t *times, unsigned n)
{
	struct tw_metrics_hist_sums out = {.min = INT64_MAX, .max = INT64_MIN};

	for (unsigned i = 0; i < n; i++) {
		out.sum += (__int128)ns[i] * times[i];
		out.cnt += times[i];
		out.min = ns[i] < out.min ? ns[i] : out.min;
		out.max = ns[i] > out.max ? ns[i] : out.max;
		add_one(h, pool, ns[i], times[i]);
	}
	return out;
}

#define NARROW (1LL << 56) /* so many of these fit 64 bits */

struct tw_metrics_hist_sums
tw_metrics_hist_add_all(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool,
	const int64_t *ns, const uint32_t *times, unsigned n)
{
	struct tw_metrics_hist_sums out;
	struct places p;

	if (n <= FEW)
		return add_few(h, pool, ns, times, n);
	find_places(&p, ns, times, n, h->anchor);
	if (__builtin_expect(p.min < h->anchor, 0)) {
		lower(h, pool, p.min);
		find_places(&p, ns, times, n, h->anchor);
	}
	out = (struct tw_metrics_hist_sums){
		.sum = (int64_t)p.sum, .cnt = p.cnt, .min = p.min, .max = p.max};
	if (__builtin_expect(p.min < -NARROW || p.max > NARROW, 0))
		out.sum = wide_sum(ns, times, n);
	if (p.max > h->max)
		h->max = p.max;
	h->sum += out.sum;
	h->cnt += p.cnt;
	if (__builtin_expect(p.levels > LEVEL_BITS, 0)) {
		for (unsigned i = 0; i < n; i++)
			put_value(h, pool, ns[i], times[i]);
		return out;
	}
	h->levels |= p.levels;
	for (unsigned i = 0; i < n; i++)
		count_place(h, pool, p.idx[i], times[i]);
	return out;
}

/* Of either sign, with distance and sums of both. */
struct signed_places {
	int64_t min, max;
	uint64_t sum, amount;   /* modulo 2^64: of the samples, and of their amounts */
	uint64_t cnt, down_cnt; /* samples */
	uint32_t up_levels, down_levels;
	alignas(TW_CACHE_LINE) uint32_t idx[TW_METRICS_HIST_ADD_MAX]; /* of the amounts */
};

/* As find_places() of the amounts: from an anchor of 0 on the border is that of the level. */
TW_VECTORS static void
find_signed_places(struct signed_places *restrict p, const int64_t *restrict ns,
	const uint32_t *restrict times, unsigned n)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	uint32_t up_levels = 0, down_levels = 0;
	uint64_t sum = 0, amount = 0, cnt = 0, down_cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		const int64_t v = ns[i];
		const uint64_t abs = v < 0 ? -(uint64_t)v : (uint64_t)v;
		const uint32_t level = 57 - (uint32_t)__builtin_clzll(abs | (LINEAR - 1));
		const uint32_t bit = 1U << (level < LEVEL_TOP ? level : LEVEL_TOP);
		const uint32_t other = (level + 1) * SUB + ((uint32_t)(abs >> level) & (SUB - 1));

		p->idx[i] = level == 0 ? (uint32_t)abs : other;
		up_levels |= v < 0 ? 0 : bit;
		down_levels |= v < 0 ? bit : 0;
		cnt += times[i];
		down_cnt += v < 0 ? times[i] : 0;
		sum += (uint64_t)v * times[i];
		amount += abs * times[i];
		min = v < min ? v : min;
		max = v > max ? v : max;
	}
	p->min = min;
	p->max = max;
	p->sum = sum;
	p->amount = amount;
	p->cnt = cnt;
	p->down_cnt = down_cnt;
	p->up_levels = up_levels;
	p->down_levels = down_levels;
}

/* One after the other, however large. */
static void
add_signed_each(struct tw_metrics_hist *up, struct tw_metrics_hist *down,
	struct tw_metrics_hist_pool *pool, const int64_t *ns, const uint32_t *times, unsigned n,
	int64_t *min, int64_t *max)
{
	*min = INT64_MAX;
	*max = INT64_MIN;
	for (unsigned i = 0; i < n; i++) {
		*min = ns[i] < *min ? ns[i] : *min;
		*max = ns[i] > *max ? ns[i] : *max;
		add_one(ns[i] < 0 ? down : up, pool, ns[i] < 0 ? -ns[i] : ns[i], times[i]);
	}
}

void
tw_metrics_hist_add_signed(struct tw_metrics_hist *up, struct tw_metrics_hist *down,
	struct tw_metrics_hist_pool *pool, const int64_t *ns, const uint32_t *times, unsigned n,
	int64_t *min, int64_t *max)
{
	struct tw_metrics_hist *const side[] = {up, down};
	struct signed_places p;

	if (n <= FEW) {
		add_signed_each(up, down, pool, ns, times, n, min, max);
		return;
	}
	find_signed_places(&p, ns, times, n);
	if (__builtin_expect(
		    p.min < -NARROW || p.max > NARROW || (p.up_levels | p.down_levels) > LEVEL_BITS,
		    0)) {
		add_signed_each(up, down, pool, ns, times, n, min, max);
		return;
	}
	*min = p.min;
	*max = p.max;
	up->levels |= p.up_levels;
	up->cnt += p.cnt - p.down_cnt;
	up->sum += (int64_t)((p.amount + p.sum) / 2);
	up->max = p.max >= 0 && p.max > up->max ? p.max : up->max;
	down->levels |= p.down_levels;
	down->cnt += p.down_cnt;
	down->sum += (int64_t)((p.amount - p.sum) / 2);
	down->max = p.min < 0 && -p.min > down->max ? -p.min : down->max;
	for (unsigned i = 0; i < n; i++)
		count_place(side[ns[i] < 0], pool, p.idx[i], times[i]);
}

void
tw_metrics_hist_merge(struct tw_metrics_hist *dst, struct tw_metrics_hist_pool *dst_pool,
	const struct tw_metrics_hist *src, const struct tw_metrics_hist_pool *src_pool)
{
	if (src->cnt == 0)
		return;
	if (src->anchor < dst->anchor)
		lower(dst, dst_pool, src->anchor);
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
