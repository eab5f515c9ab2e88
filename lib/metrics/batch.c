/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See batch.h. */
#include <string.h>

#include "batch.h"

static uint64_t
count_negative(const int64_t *ns, unsigned n)
{
	uint64_t cnt = 0;

	for (unsigned i = 0; i < n; i++)
		cnt += ns[i] < 0;
	return cnt;
}

/* @param span  of the interval; NULL: reports have none of this measure */
static void
fold_delays(struct tw_metrics *m, struct batch *b, enum measure which, struct tw_metrics_hist *h,
	struct span *span)
{
	const unsigned n = b->cnt[which];
	struct tw_metrics_hist_sums sums;

	if (n == 0)
		return;
	sums = tw_metrics_hist_add_all(h, &m->pool, b->ns[which], n);
	if (__builtin_expect(sums.min < 0, 0))
		m->negative[which] += count_negative(b->ns[which], n);
	if (span != NULL)
		span_add_all(span, &sums, n);
}

/*
 * RFC 3550 6.4.1, times 16. The value stays below 16 times the largest difference: 64 bits do, up
 * to 2^57 ns.
 */
static void
smooth(struct ipdv *v, const int64_t *diff_ns, unsigned n)
{
	int64_t s = (int64_t)v->smoothed_x16_ns;

	if (v->max_ns >= 1LL << 57 || v->min_ns <= -(1LL << 57)) {
		for (unsigned i = 0; i < n; i++) {
			const int64_t abs_ns = diff_ns[i] < 0 ? -diff_ns[i] : diff_ns[i];

			v->smoothed_x16_ns += abs_ns - (v->smoothed_x16_ns >> 4);
		}
		return;
	}
	for (unsigned i = 0; i < n; i++)
		s += (diff_ns[i] < 0 ? -diff_ns[i] : diff_ns[i]) - (s >> 4);
	v->smoothed_x16_ns = s;
}

static void
fold_differences(struct tw_metrics *m, struct ipdv *v, const int64_t *diff_ns, unsigned n)
{
	int64_t up[2 * BATCH_REPLIES], down[2 * BATCH_REPLIES];
	unsigned up_cnt = 0, down_cnt = 0;
	struct tw_metrics_hist_sums sums;

	for (unsigned i = 0; i < n; i++) { /* no branch: the sign is as good as random */
		const bool is_down = diff_ns[i] < 0;

		up[up_cnt] = diff_ns[i];
		down[down_cnt] = -diff_ns[i];
		up_cnt += !is_down;
		down_cnt += is_down;
	}
	if (up_cnt != 0) {
		sums = tw_metrics_hist_add_all(&v->up, &m->pool, up, up_cnt);
		v->min_ns = sums.min < v->min_ns ? sums.min : v->min_ns;
		v->max_ns = sums.max > v->max_ns ? sums.max : v->max_ns;
	}
	if (down_cnt != 0) {
		sums = tw_metrics_hist_add_all(&v->down, &m->pool, down, down_cnt);
		v->min_ns = -sums.max < v->min_ns ? -sums.max : v->min_ns;
		v->max_ns = -sums.min > v->max_ns ? -sums.min : v->max_ns;
	}
	smooth(v, diff_ns, n);
}

static void
fold_ipdv(struct tw_metrics *m, struct batch *b)
{
	const unsigned n = b->cnt[M_IPDV_FORWARD];
	int64_t net_ns[2 * BATCH_REPLIES];

	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++)
		net_ns[i] = b->ns[M_IPDV_FORWARD][i] + b->ns[M_IPDV_REVERSE][i];
	fold_differences(m, &m->ipdv_forward, b->ns[M_IPDV_FORWARD], n);
	fold_differences(m, &m->ipdv_reverse, b->ns[M_IPDV_REVERSE], n);
	fold_differences(m, &m->ipdv_round_trip_net, net_ns, n);
}

void
tw_metrics_fold(struct tw_metrics *m, struct batch *b)
{
	struct interval *iv = &m->interval;

	fold_delays(m, b, M_ROUND_TRIP, &m->round_trip, &iv->round_trip);
	fold_delays(m, b, M_ROUND_TRIP_NET, &m->round_trip_net, &iv->round_trip_net);
	fold_delays(m, b, M_FORWARD, &m->forward, &iv->forward);
	fold_delays(m, b, M_REVERSE, &m->reverse, &iv->reverse);
	fold_delays(m, b, M_RESIDENCE, &m->residence, NULL);
	iv->forward.is_unsynced |= b->is_forward_unsynced;
	iv->reverse.is_unsynced |= b->is_reverse_unsynced;
	fold_ipdv(m, b);
	batch_init(b);
}
