/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Delays of the replies of one call, by measure, on their way into the distributions: all of a
 * measure at once costs a third of one by one. In the order of arrival, which RFC 3550's jitter
 * wants; equal ones in a row, of which the stamps of a burst make many, as one.
 */
#ifndef METRICS_BATCH_H
#define METRICS_BATCH_H

#include <stdalign.h>

#include "metrics_i.h"

#define BATCH_REPLIES 32U /* a reply adds at most one delay of each measure and two differences */

struct batch {
	unsigned cnt[M_N];                             /* delays that differ from the one before */
	bool is_forward_unsynced, is_reverse_unsynced; /* some delay was */
	alignas(TW_CACHE_LINE) int64_t ns[M_N][2 * BATCH_REPLIES];
	uint32_t times[M_N][2 * BATCH_REPLIES]; /* that each was there */
};

_Static_assert(2 * BATCH_REPLIES <= TW_METRICS_HIST_ADD_MAX, "a list is added at once");

static inline void
batch_init(struct batch *b)
{
	memset(b->cnt, 0, sizeof(b->cnt));
	b->is_forward_unsynced = b->is_reverse_unsynced = false;
}

/* @p times of the same delay, 1 or more. */
static inline void
batch_add(struct batch *b, enum measure which, int64_t ns, uint32_t times)
{
	b->ns[which][b->cnt[which]] = ns;
	b->times[which][b->cnt[which]++] = times;
}

/* Where the next delay of a measure goes. */
static inline int64_t *
batch_end(struct batch *b, enum measure which)
{
	return &b->ns[which][b->cnt[which]];
}

/* @p n delays that were written there. */
static inline void
batch_take(struct batch *b, enum measure which, const uint32_t *times, unsigned n)
{
	memcpy(&b->times[which][b->cnt[which]], times, n * sizeof(*times));
	b->cnt[which] += n;
}

/** Into the distributions and the current interval; the batch is empty then. */
void tw_metrics_fold(struct tw_metrics *m, struct batch *b);

#endif /* METRICS_BATCH_H */
