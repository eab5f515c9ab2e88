/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Histogram of signed durations, anchored at their minimum.
 *
 * Values less than 128 ns above the anchor have a bin each; above that, each doubling of the
 * distance ("level") has 64 bins. A value is thus known to 0.8 % of its distance from the
 * minimum (half a bin of 2^k at a distance of at least 63 * 2^k), so both the value and its
 * delay variation against the minimum are, and a huge constant offset between two clocks costs
 * nothing. Distances up to 68 s (2^36 ns) have bins; what lies beyond is counted.
 *
 * Bin edges are multiples of 2^k of the value itself, and so are the borders between levels.
 * When a new minimum moves the anchor down, bins that leave their level fall whole into bins of
 * a higher one: the histogram is afterwards what it would be had the anchor been there from the
 * start. Neither a first packet delayed by ARP nor a drifting clock costs accuracy, and two
 * histograms can be merged exactly. Moving touches only bins that leave their level.
 *
 * A bin counts 16 bits; its carries go to a page of 32-bit counts borrowed from a pool, so that
 * many sparse bins and few full ones both fit a small block. Counts are exact; should the pool
 * run dry, the histogram says how many samples it could not place.
 *
 * Context: one writer. No allocation, no division.
 */
#ifndef TW_METRICS_HIST_H
#define TW_METRICS_HIST_H

#include <stdint.h>

#define TW_METRICS_HIST_LEVELS 30
#define TW_METRICS_HIST_SUB    64                        /* bins of a level */
#define TW_METRICS_HIST_LINEAR (2 * TW_METRICS_HIST_SUB) /* bins of level 0 */
#define TW_METRICS_HIST_BINS                                                                       \
	(TW_METRICS_HIST_LINEAR + (TW_METRICS_HIST_LEVELS - 1) * TW_METRICS_HIST_SUB)
#define TW_METRICS_HIST_PAGES (TW_METRICS_HIST_BINS / TW_METRICS_HIST_SUB)

/* Pages of carries, shared by the histograms of one session. */
#define TW_METRICS_HIST_POOL_PAGES 40

struct tw_metrics_hist_pool {
	uint32_t used;
	uint32_t page[TW_METRICS_HIST_POOL_PAGES][TW_METRICS_HIST_SUB];
};

struct tw_metrics_hist {
	int64_t anchor; /* the minimum (or 0 if fixed); INT64_MAX: no sample yet */
	int64_t max;    /* INT64_MIN: no sample yet */
	__int128 sum;
	uint64_t cnt;                             /* samples */
	uint64_t beyond;                          /* of these: too far from the anchor for a bin */
	uint64_t unplaced;                        /* of these: no room to count them in their bin */
	uint32_t levels;                          /* bit k: level k may hold samples */
	uint8_t page[TW_METRICS_HIST_PAGES + 1];  /* of carries, index + 1; 0: none */
	int64_t base[TW_METRICS_HIST_LEVELS + 1]; /* first bin number of each level, anchored */
	uint16_t bin[TW_METRICS_HIST_BINS];
};

/* A value read back. */
struct tw_metrics_hist_value {
	int64_t ns;
	uint64_t error_ns; /* half a bin; 0: exact */
};

/** Empty histogram anchored at the minimum of what will come. */
void tw_metrics_hist_init(struct tw_metrics_hist *h);

/** Empty histogram of values >= 0, anchored at 0 for good. */
void tw_metrics_hist_init_at_zero(struct tw_metrics_hist *h);

/* Samples that were added in one call. */
struct tw_metrics_hist_sums {
	__int128 sum;
	uint64_t cnt;
	int64_t min;
	int64_t max;
};

#define TW_METRICS_HIST_ADD_MAX 64 /* samples of one call */

/**
 * Add samples, |ns| < 2^62.
 * @param times  how often each was there, 1 or more
 * @param n      values, 1 or more, of no more than TW_METRICS_HIST_ADD_MAX samples
 */
struct tw_metrics_hist_sums tw_metrics_hist_add_all(struct tw_metrics_hist *h,
	struct tw_metrics_hist_pool *pool, const int64_t *ns, const uint32_t *times, unsigned n);

/**
 * Add samples of either sign, |ns| < 2^62: what is not negative to @p up, the amount of the rest to
 * @p down, both anchored at 0.
 * @param times,n  as above
 * @param min,max  out, of the samples
 */
void tw_metrics_hist_add_signed(struct tw_metrics_hist *up, struct tw_metrics_hist *down,
	struct tw_metrics_hist_pool *pool, const int64_t *ns, const uint32_t *times, unsigned n,
	int64_t *min, int64_t *max);

/** Add one sample. */
static inline void
tw_metrics_hist_add(struct tw_metrics_hist *h, struct tw_metrics_hist_pool *pool, int64_t ns)
{
	const uint32_t once = 1;

	(void)tw_metrics_hist_add_all(h, pool, &ns, &once, 1);
}

/** Add all of @p src to @p dst, exactly. Both anchored at the minimum, or both at 0. */
void tw_metrics_hist_merge(struct tw_metrics_hist *dst, struct tw_metrics_hist_pool *dst_pool,
	const struct tw_metrics_hist *src, const struct tw_metrics_hist_pool *src_pool);

/**
 * The sample of a rank, 1 for the smallest. The lowest and the highest are exact.
 * @param rank  1..h->cnt
 */
struct tw_metrics_hist_value tw_metrics_hist_at(
	const struct tw_metrics_hist *h, const struct tw_metrics_hist_pool *pool, uint64_t rank);

/** Mean of all samples, rounded to nearest; 0 if there is none. */
int64_t tw_metrics_hist_mean(const struct tw_metrics_hist *h);

#endif /* TW_METRICS_HIST_H */
