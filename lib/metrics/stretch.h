/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stretches: replies of a burst as they nearly always come. The next number expected follows the
 * next number expected, each answers a packet nobody answered before, none is late or absurd,
 * stamps and estimates are alike but for the error of T1. What reply.c does for each of them is
 * then the same for all: sums grow by their number, and delays are computed in columns.
 */
#ifndef METRICS_STRETCH_H
#define METRICS_STRETCH_H

#include "ends.h"

struct stretch {
	unsigned n;
	uint16_t t1_error_min, t1_error_max; /* error_pack(), all known or none; one source */
};

/**
 * The replies that form a stretch, from the first on, as far as can be told without their delays.
 * @param n  1..BATCH_REPLIES
 * @return of 0 replies if the first one has something of its own
 */
struct stretch tw_metrics_stretch_of(
	struct tw_metrics *m, struct tw_metrics_reply *const *replies, unsigned n);

/**
 * Take a stretch: as tw_metrics_replies() of each of them in turn.
 * @return false: their delays are not what a stretch may have; take them one by one
 */
bool tw_metrics_stretch_take(struct tw_metrics *m, struct batch *b, struct ends *e,
	struct tw_metrics_reply *const *replies, const struct stretch *s);

#endif /* METRICS_STRETCH_H */
