/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The first model: a line through the narrowest early and the narrowest late reading. Every
 * other reading must agree with it within its bracket, else the reference moved meanwhile.
 */
#include <errno.h>

#include "clock_i.h"

#define READINGS_MIN     8
#define SPAN_MIN_NS      10000000
#define CALIB_WANDER_PPB 1000
#define SLACK            (FRAC_NS / 2) /* a clock's own arithmetic may leave off as much again */
#define DISAGREE_DIVISOR 4 /* more than a quarter of the readings off the line: no line */

const struct tw_clock_reading *
tw_clock_narrowest(const struct tw_clock_reading *reading, size_t n)
{
	const struct tw_clock_reading *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (reading[i].tsc_after < reading[i].tsc_before)
			continue;
		if (best == NULL || bracket_tsc(&reading[i]) < bracket_tsc(best))
			best = &reading[i];
	}
	return best;
}

struct tw_clock_point
tw_clock_point_of(const struct tw_clock_reading *r, int64_t rate)
{
	uint64_t width_tsc = bracket_tsc(r);

	struct tw_clock_point p = {.tsc = r->tsc_before + width_tsc / 2,
		.ref_ns = r->ref.ns,
		.half_ns = width_tsc != 0 ? (uint64_t)ticks_to_ns(width_tsc, rate) / 2 + 1 : 0,
		.rest = r->is_fine ? 0 : FRAC_NS};
	const uint64_t tick = tick_frac(rate);

	/* both clocks have left off what is less than their units */
	p.frac = r->ref_frac + ((int64_t)p.rest - (int64_t)tick) / 2;
	p.room = (p.half_ns << FRAC_SHIFT) + (tick + p.rest) / 2 + SLACK;
	return p;
}

/* Readings that lie off the line through a and b by more than the brackets allow. */
static size_t
disagreeing(const struct tw_clock_reading *reading, size_t n, const struct tw_clock_point *a,
	const struct tw_clock_point *b, int64_t rate)
{
	size_t off = 0;

	for (size_t i = 0; i < n; i++) {
		struct tw_clock_point p;
		uint64_t room_ns;
		int64_t line_ns;

		if (reading[i].tsc_after < reading[i].tsc_before) {
			off++;
			continue;
		}
		p = tw_clock_point_of(&reading[i], rate);
		line_ns = p.tsc >= a->tsc ? a->ref_ns + ticks_to_ns(p.tsc - a->tsc, rate)
					  : a->ref_ns - ticks_to_ns(a->tsc - p.tsc, rate);
		room_ns = p.half_ns + a->half_ns + b->half_ns + granularity(rate) +
			  ppb_of(abs_u64(p.ref_ns - a->ref_ns), CALIB_WANDER_PPB);
		if (abs_u64(p.ref_ns - line_ns) > room_ns)
			off++;
	}
	return off;
}

int
tw_clock_disc_calibrate(struct tw_clock_disc *d, const struct tw_clock_reading *reading, size_t n,
	const struct tw_clock_sync *sync)
{
	const struct tw_clock_reading *first, *last;
	struct tw_clock_point a, b;
	uint64_t span_tsc;
	__int128 rate;

	if (n < READINGS_MIN)
		return -EINVAL;
	first = tw_clock_narrowest(reading, n / 4);
	last = tw_clock_narrowest(reading + n - n / 4, n / 4);
	if (first == NULL || last == NULL || last->tsc_before <= first->tsc_after)
		return -EAGAIN;
	a = tw_clock_point_of(first, 0);
	b = tw_clock_point_of(last, 0);
	span_tsc = b.tsc - a.tsc;
	if (b.ref_ns - a.ref_ns < SPAN_MIN_NS)
		return b.ref_ns < a.ref_ns ? -EAGAIN : -EINVAL;
	rate = ((__int128)(b.ref_ns - a.ref_ns) << TW_CLOCK_RATE_SHIFT) / (__int128)span_tsc;
	if (rate < RATE_MIN || rate > RATE_MAX)
		return -EINVAL;
	a = tw_clock_point_of(first, (int64_t)rate);
	b = tw_clock_point_of(last, (int64_t)rate);
	if (2 * a.half_ns > d->cfg.max_bracket_ns || 2 * b.half_ns > d->cfg.max_bracket_ns ||
		disagreeing(reading, n, &a, &b, (int64_t)rate) > n / DISAGREE_DIVISOR)
		return -EAGAIN;

	d->freq = (int64_t)rate;
	d->nominal = (int64_t)rate;
	d->unc_ppb = ((a.room + b.room) >> FRAC_SHIFT) * PPB / (uint64_t)(b.ref_ns - a.ref_ns) + 1;
	d->bend_ppb = 0;
	d->width_ns = (a.half_ns + b.half_ns) / 2;
	d->wide_cnt = 0;
	d->has_suspect = false;
	tw_clock_disc_restart(d, &a);
	tw_clock_disc_push(d, &b);
	tw_clock_disc_anchor(d, &b);
	tw_clock_disc_set_sync(d, sync);
	return 0;
}
