/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Delays of the replies of one call, by measure, on their way into the distributions: all of a
 * measure at once costs a third of one by one. In the order of arrival, which RFC 3550's jitter
 * wants.
 */
#ifndef METRICS_BATCH_H
#define METRICS_BATCH_H

#include "metrics_i.h"

#define BATCH_REPLIES 32U /* a reply adds at most one delay of each measure and two differences */

struct batch {
	unsigned cnt[M_N];
	bool is_forward_unsynced, is_reverse_unsynced; /* some delay was */
	int64_t ns[M_N][2 * BATCH_REPLIES];
};

_Static_assert(2 * BATCH_REPLIES <= TW_METRICS_HIST_ADD_MAX, "a list is added at once");

static inline void
batch_init(struct batch *b)
{
	memset(b->cnt, 0, sizeof(b->cnt));
	b->is_forward_unsynced = b->is_reverse_unsynced = false;
}

static inline void
batch_add(struct batch *b, enum measure which, int64_t ns)
{
	b->ns[which][b->cnt[which]++] = ns;
}

/* Where the next delay of a measure goes. */
static inline int64_t *
batch_end(struct batch *b, enum measure which)
{
	return &b->ns[which][b->cnt[which]];
}

/* Room for @p n delays, which are to be written there. */
static inline int64_t *
batch_room(struct batch *b, enum measure which, unsigned n)
{
	int64_t *at = batch_end(b, which);

	b->cnt[which] += n;
	return at;
}

/** Into the distributions and the current interval; the batch is empty then. */
void tw_metrics_fold(struct tw_metrics *m, struct batch *b);

#endif /* METRICS_BATCH_H */
