/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See batch.h. */
#include <string.h>

#include "batch.h"

static uint64_t
count_negative(const int64_t *ns, const uint32_t *times, unsigned n)
{
	uint64_t cnt = 0;

	for (unsigned i = 0; i < n; i++)
		cnt += ns[i] < 0 ? times[i] : 0;
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
	sums = tw_metrics_hist_add_all(h, &m->pool, b->ns[which], b->times[which], n);
	if (__builtin_expect(sums.min < 0, 0))
		m->negative[which] += count_negative(b->ns[which], b->times[which], n);
	if (span != NULL)
		span_add_all(span, &sums);
}

#define IPDVS 3

/* A value below 16 times the largest difference fits 64 bits if that one is below. */
#define SMOOTH_NARROW (1LL << 57)

static bool
is_narrow(const struct ipdv *v)
{
	return v->max_ns < SMOOTH_NARROW && v->min_ns > -SMOOTH_NARROW;
}

static void
smooth_wide(struct ipdv *v, const int64_t *diff_ns, const uint32_t *times, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const int64_t abs_ns = diff_ns[i] < 0 ? -diff_ns[i] : diff_ns[i];

		for (uint32_t k = 0; k < times[i]; k++)
			v->smoothed_x16_ns += abs_ns - (v->smoothed_x16_ns >> 4);
	}
}

static inline int64_t
smooth_one(int64_t s, int64_t diff_ns)
{
	return s + (diff_ns < 0 ? -diff_ns : diff_ns) - (s >> 4);
}

/* RFC 3550 6.4.1, times 16. Each value waits for the one before: three chains side by side. */
static void
smooth(struct ipdv *const v[IPDVS], const int64_t *const diff_ns[IPDVS], const uint32_t *times,
	unsigned n)
{
	int64_t a, b, c;

	if (__builtin_expect(!is_narrow(v[0]) || !is_narrow(v[1]) || !is_narrow(v[2]), 0)) {
		for (unsigned i = 0; i < IPDVS; i++)
			smooth_wide(v[i], diff_ns[i], times, n);
		return;
	}
	a = (int64_t)v[0]->smoothed_x16_ns;
	b = (int64_t)v[1]->smoothed_x16_ns;
	c = (int64_t)v[2]->smoothed_x16_ns;
	for (unsigned i = 0; i < n; i++) {
		for (uint32_t k = 0; k < times[i]; k++) {
			a = smooth_one(a, diff_ns[0][i]);
			b = smooth_one(b, diff_ns[1][i]);
			c = smooth_one(c, diff_ns[2][i]);
		}
	}
	v[0]->smoothed_x16_ns = a;
	v[1]->smoothed_x16_ns = b;
	v[2]->smoothed_x16_ns = c;
}

static void
fold_ipdv(struct tw_metrics *m, struct batch *b)
{
	const unsigned n = b->cnt[M_IPDV_FORWARD];
	const uint32_t *times = b->times[M_IPDV_FORWARD]; /* those of the other way are the same */
	alignas(TW_CACHE_LINE) int64_t net_ns[2 * BATCH_REPLIES];
	struct ipdv *const v[IPDVS] = {&m->ipdv_forward, &m->ipdv_reverse, &m->ipdv_round_trip_net};
	const int64_t *const diff_ns[IPDVS] = {
		b->ns[M_IPDV_FORWARD], b->ns[M_IPDV_REVERSE], net_ns};

	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++)
		net_ns[i] = b->ns[M_IPDV_FORWARD][i] + b->ns[M_IPDV_REVERSE][i];
	for (unsigned i = 0; i < IPDVS; i++) {
		int64_t min_ns, max_ns;

		tw_metrics_hist_add_signed(
			&v[i]->up, &v[i]->down, &m->pool, diff_ns[i], times, n, &min_ns, &max_ns);
		v[i]->min_ns = min_ns < v[i]->min_ns ? min_ns : v[i]->min_ns;
		v[i]->max_ns = max_ns > v[i]->max_ns ? max_ns : v[i]->max_ns;
	}
	smooth(v, diff_ns, times, n);
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
