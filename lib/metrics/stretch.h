/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stretches: replies of a burst as they nearly always come. The next number expected follows the
 * next number expected, each answers a packet nobody answered before, none is late or absurd,
 * stamps and estimates are alike. What reply.c does for each of them is then the same for all: sums
 * grow by their number, and delays are computed in columns.
 */
#ifndef METRICS_STRETCH_H
#define METRICS_STRETCH_H

#include "ends.h"

/**
 * How many replies form a stretch, from the first on, as far as can be told without their delays.
 * @param n  1..BATCH_REPLIES
 * @return 0: the first one has something of its own
 */
unsigned tw_metrics_stretch_len(
	struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n);

/**
 * Take a stretch: as tw_metrics_replies() of each of them in turn.
 * @return false: their delays are not what a stretch may have; take them one by one
 */
bool tw_metrics_stretch_take(struct tw_metrics *m, struct batch *b, struct ends *e,
	struct tw_metrics_reply *const *replies, unsigned n);

#endif /* METRICS_STRETCH_H */
