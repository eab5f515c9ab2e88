/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The course of the reference: points that lie the closer the newer they are, and the rate that
 * goes through all of them. Two points bound the rate by what each may be off over the time between
 * them, and by what the rate may have changed meanwhile: short times say little because of the
 * former, long ones because of the latter. The rate is where all these bounds meet. From the first
 * one on that does not meet the newer ones, points are of an earlier course, and are forgotten.
 */
#include <string.h>

#include "clock_i.h"

#define THIN 2 /* a point goes if its neighbours' ages are within this factor */

void
tw_clock_disc_restart(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	d->point[0] = *p;
	d->point_cnt = 1;
}

static void
forget(struct tw_clock_disc *d, uint32_t n)
{
	d->point_cnt -= n;
	memmove(d->point, d->point + n, d->point_cnt * sizeof(d->point[0]));
}

void
tw_clock_disc_push(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	const uint64_t oldest_tsc = p->tsc - tw_clock_ticks_of(d->cfg.course_ns, d->freq);
	uint32_t n = 0, i;

	while (n < d->point_cnt && (int64_t)(d->point[n].tsc - oldest_tsc) < 0)
		n++;
	if (n == 0 && d->point_cnt == TW_CLOCK_DISC_POINTS)
		n = 1;
	forget(d, n);
	for (n = i = 0; i < d->point_cnt; i++) {
		const uint64_t next_tsc = i + 1 < d->point_cnt ? d->point[i + 1].tsc : p->tsc;

		if (n == 0 || p->tsc - d->point[n - 1].tsc > THIN * (p->tsc - next_tsc))
			d->point[n++] = d->point[i];
	}
	d->point[n++] = *p;
	d->point_cnt = n;
}

struct rates {
	__int128 low, high; /* 2^-48 ns per tick */
};

static struct rates
between(const struct tw_clock_disc *d, const struct tw_clock_point *a,
	const struct tw_clock_point *b)
{
	const int64_t tsc = (int64_t)(b->tsc - a->tsc);
	const __int128 ref = ((__int128)(b->ref_ns - a->ref_ns) << TW_CLOCK_RATE_SHIFT) +
			     (__int128)(b->frac - a->frac) * FRAC_RATE;
	const uint64_t wander_ppb =
		ppb_of((uint64_t)(b->ref_ns - a->ref_ns), d->cfg.wander_ppb_s) / 2 + 1;
	const __int128 off = (__int128)(a->room + b->room) * FRAC_RATE / tsc +
			     (__int128)d->freq * (int64_t)wander_ppb / PPB;

	return (struct rates){.low = ref / tsc - off, .high = ref / tsc + off};
}

void
tw_clock_disc_rate(struct tw_clock_disc *d)
{
	const struct tw_clock_point *last = &d->point[d->point_cnt - 1];
	struct rates all = {.low = RATE_MIN, .high = RATE_MAX};

	if (d->point_cnt < 2)
		return;
	for (uint32_t i = d->point_cnt - 1; i-- > 0;) {
		struct rates r;

		if (last->tsc == d->point[i].tsc || last->ref_ns <= d->point[i].ref_ns)
			continue;
		r = between(d, &d->point[i], last);
		if (r.low > all.high || r.high < all.low) {
			forget(d, i + 1);
			break;
		}
		all.low = r.low > all.low ? r.low : all.low;
		all.high = r.high < all.high ? r.high : all.high;
	}
	if (all.low == RATE_MIN || all.high == RATE_MAX)
		return;
	d->freq = (int64_t)((all.low + all.high) / 2);
	d->unc_ppb = (uint64_t)((all.high - all.low) / 2 * PPB / d->freq) + 1;
	d->stats.drift_ppb = (int64_t)((__int128)(d->freq - d->nominal) * PPB / d->nominal);
}
