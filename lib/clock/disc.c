/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Following the reference. Three questions per reading, each answered by hard bounds first:
 *
 * 1. Does the stated error explain the offset? If not, the next reading decides whether this one
 *    lies. If no legal rate explains it either, S is cleared meanwhile, and the reference was
 *    stepped if the next reading says so too.
 * 2. Does the reading lie on the course of the earlier ones, within the brackets? If not, the
 *    rate of the reference changed (a bend): the course starts again, with points close together
 *    at first, and for some seconds another bend is allowed for.
 * 3. The rate is then the slope between the oldest and the newest quarter of the course, and the
 *    remaining offset is slewed away over two spans of it.
 *
 * The stated error at the anchor is offset + half bracket + granularity, and it grows with what
 * the rate may be off by: brackets over baseline, wander, recent bends, and the slewing itself.
 */
#include <string.h>

#include "clock_i.h"

#define WIDE_FACTOR   4 /* a bracket this many times the usual one is not used ... */
#define WIDE_SLACK_NS 50
#define SURPRISE_NS   1000      /* an offset this far beyond the stated error is looked at twice */
#define WIDE_MAX      8         /* ... unless so many came in a row: the usual one has changed */
#define SLEW_SPANS    2         /* spans of the course over which an offset is slewed away */
#define BEND_POINTS   64        /* points after which a bend is forgotten but for a third */
#define EE_WATCHES    2         /* the prepared Error Estimate covers so many readings */
#define LEAP_NEAR_NS  100000000 /* a leap second may come with so much of another step */
#define LEAP_READINGS 1000      /* an announcement holds so many readings beyond its end */

static const struct tw_clock_disc_cfg defaults = {
	.watch_ns = 1000000,
	.interval_ns = 100000000,
	.horizon_ns = 2000000000,
	.hold_ns = 5000000000,
	.step_ns = 20000,
	.max_rate_ppb = 1000000,
	.max_slew_ppb = 500000,
	.wander_ppb = 1000,
	.granularity_ns = 2,
	.rate_error_ppb = 100000,
	.max_bracket_ns = 100000,
};

void
tw_clock_disc_init(struct tw_clock_disc *d, const struct tw_clock_disc_cfg *cfg)
{
	memset(d, 0, sizeof(*d));
	d->cfg = defaults;
	if (cfg == NULL)
		return;
#define TAKE(field)                                                                                \
	if (cfg->field != 0)                                                                       \
	d->cfg.field = cfg->field
	TAKE(watch_ns);
	TAKE(interval_ns);
	TAKE(horizon_ns);
	TAKE(hold_ns);
	TAKE(step_ns);
	TAKE(max_rate_ppb);
	TAKE(max_slew_ppb);
	TAKE(wander_ppb);
	TAKE(granularity_ns);
	TAKE(rate_error_ppb);
	TAKE(max_bracket_ns);
#undef TAKE
}

const struct tw_clock *
tw_clock_disc_model(const struct tw_clock_disc *d)
{
	return &d->model;
}

void
tw_clock_disc_restart(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	d->point_cnt = 0;
	d->point_idx = 0;
	tw_clock_disc_push(d, p);
}

void
tw_clock_disc_push(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	d->point[d->point_idx] = *p;
	d->point_idx = (d->point_idx + 1) % TW_CLOCK_DISC_POINTS;
	if (d->point_cnt < TW_CLOCK_DISC_POINTS)
		d->point_cnt++;
}

/* The i-th point of the course, oldest first. */
static const struct tw_clock_point *
point_at(const struct tw_clock_disc *d, uint32_t i)
{
	uint32_t first = d->point_idx + TW_CLOCK_DISC_POINTS - d->point_cnt;

	return &d->point[(first + i) % TW_CLOCK_DISC_POINTS];
}

static uint64_t
ns_to_ticks(const struct tw_clock_disc *d, uint64_t ns)
{
	return (uint64_t)((((unsigned __int128)ns) << TW_CLOCK_RATE_SHIFT) / (uint64_t)d->freq);
}

/* A rate deviation of @p ppb in 2^-48 ns per tick. */
static int64_t
rate_of_ppb(const struct tw_clock_disc *d, int64_t ppb)
{
	return (int64_t)((__int128)d->freq * ppb / PPB);
}

static uint32_t
to_error(uint64_t ns)
{
	return ns < TW_CLOCK_ERROR_UNKNOWN ? (uint32_t)ns : TW_CLOCK_ERROR_UNKNOWN;
}

void
tw_clock_disc_draw(struct tw_clock_disc *d, const struct tw_clock_point *at, int64_t offset_ns,
	int64_t slew_ppb)
{
	struct tw_clock *m = &d->model;
	uint64_t loose_ppb = d->unc_ppb + d->bend_ppb + d->cfg.wander_ppb + abs_u64(slew_ppb);

	m->rate = d->freq + rate_of_ppb(d, slew_ppb);
	m->growth = rate_of_ppb(d, (int64_t)loose_ppb) + 1;
	m->ticks_per_ns =
		(uint64_t)(((unsigned __int128)1 << (TW_CLOCK_RATE_SHIFT + TW_CLOCK_TICK_SHIFT)) /
			   (uint64_t)m->rate);
	m->tsc_hz = (uint64_t)((((unsigned __int128)PPB << TW_CLOCK_RATE_SHIFT) +
				       (uint64_t)m->rate / 2) /
			       (uint64_t)m->rate);
	m->ee_span_tsc = ns_to_ticks(d, d->cfg.watch_ns) * EE_WATCHES;
	m->horizon_tsc = ns_to_ticks(d, d->cfg.horizon_ns);
	m->stamp_error_ns = to_error(abs_u64(offset_ns) + at->half_ns + granularity(d, d->freq));
	m->rate_error_ppb = d->cfg.rate_error_ppb;
}

void
tw_clock_disc_set_sync(struct tw_clock_disc *d, const struct tw_clock_sync *sync)
{
	struct tw_clock *m = &d->model;
	struct tw_stamp worst;

	m->sync_error_ns = to_error(sync->max_error_ns);
	m->is_synced = sync->is_synced && !(d->has_suspect && d->is_jump) && !d->has_hold &&
		       m->epoch != 0 && m->sync_error_ns != TW_CLOCK_ERROR_UNKNOWN;
	worst = tw_clock_stamp(m, m->tsc0 + m->ee_span_tsc, TW_STAMP_TSC_TX);
	m->ee = tw_clock_ee_of_stamp(&worst, 0);
}

/* The rate between the oldest and the newest quarter of the course, and how far it may be off. */
static void
estimate_rate(struct tw_clock_disc *d)
{
	uint32_t q = d->point_cnt >= 4 ? d->point_cnt / 4 : 1;
	const struct tw_clock_point *origin = point_at(d, 0);
	uint64_t half_ns = 0;
	int64_t ref_ns = 0;
	int64_t tsc = 0;
	__int128 rate;

	for (uint32_t i = 0; i < q; i++) {
		const struct tw_clock_point *a = point_at(d, i);
		const struct tw_clock_point *b = point_at(d, d->point_cnt - 1 - i);

		tsc += (int64_t)(b->tsc - origin->tsc) - (int64_t)(a->tsc - origin->tsc);
		ref_ns += (b->ref_ns - origin->ref_ns) - (a->ref_ns - origin->ref_ns);
		half_ns += a->half_ns + b->half_ns;
	}
	if (tsc <= 0 || ref_ns <= 0)
		return;
	rate = ((__int128)ref_ns << TW_CLOCK_RATE_SHIFT) / tsc;
	if (rate < RATE_MIN || rate > RATE_MAX)
		return;
	d->freq = (int64_t)rate;
	d->stats.drift_ppb = (int64_t)((__int128)(d->freq - d->nominal) * PPB / d->nominal);
	d->unc_ppb = half_ns * PPB / (uint64_t)ref_ns + 1;
}

/*
 * The rate changed after the reading before @p p, which is @p off_ns off the old course. Both give
 * a first rate; the course starts at the later one, since only what follows it lies on one line.
 */
static void
bend_course(struct tw_clock_disc *d, const struct tw_clock_point *p, uint64_t off_ns)
{
	uint64_t since_ns = (uint64_t)ticks_to_ns(p->tsc - d->prev.tsc, d->freq);
	uint64_t bend_ppb = off_ns * PPB / (since_ns != 0 ? since_ns : 1);

	if (bend_ppb > d->cfg.max_rate_ppb)
		bend_ppb = d->cfg.max_rate_ppb;
	if (bend_ppb > d->bend_ppb)
		d->bend_ppb = bend_ppb;
	d->stats.bends++;
	d->span_ns = d->cfg.watch_ns;
	tw_clock_disc_restart(d, &d->prev);
	tw_clock_disc_push(d, p);
	estimate_rate(d);
	tw_clock_disc_restart(d, p);
}

/* A reading every span becomes a point of the course. */
static void
follow_course(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	const struct tw_clock_point *last = point_at(d, d->point_cnt - 1);
	int64_t course_ns = ticks_to_ns(p->tsc - last->tsc, d->freq);
	int64_t off_ns = p->ref_ns - last->ref_ns - course_ns;
	uint64_t room_ns = p->half_ns + last->half_ns + granularity(d, d->freq) +
			   ppb_of((uint64_t)course_ns, d->unc_ppb + d->cfg.wander_ppb);

	if (abs_u64(off_ns) > room_ns) {
		bend_course(d, p, abs_u64(off_ns));
	} else if ((uint64_t)course_ns >= d->span_ns - d->span_ns / 8) {
		d->bend_ppb -= (d->bend_ppb + BEND_POINTS - 1) / BEND_POINTS;
		tw_clock_disc_push(d, p);
		estimate_rate(d);
		d->span_ns *= 2;
		if (d->span_ns > d->cfg.interval_ns)
			d->span_ns = d->cfg.interval_ns;
	}
	d->prev = *p;
}

/* Move the anchor along the old line to @p tsc: the new line starts exactly there. */
static void
move_anchor(struct tw_clock *m, uint64_t tsc)
{
	__int128 q = (__int128)(int64_t)(tsc - m->tsc0) * m->rate + m->frac0;

	m->ns0 += (int64_t)(q >> TW_CLOCK_RATE_SHIFT);
	m->frac0 = (int64_t)(q & ((1LL << TW_CLOCK_RATE_SHIFT) - 1));
	m->tsc0 = tsc;
}

static void
accept_point(struct tw_clock_disc *d, const struct tw_clock_point *p, int64_t offset_ns)
{
	uint64_t age_ns = abs_u64(ticks_to_ns(p->tsc - d->model.tsc0, d->model.rate));
	__int128 slew_ppb;

	if (age_ns < d->span_ns)
		age_ns = d->span_ns;
	slew_ppb = (__int128)offset_ns * PPB / (__int128)(SLEW_SPANS * age_ns);
	if (slew_ppb > d->cfg.max_slew_ppb)
		slew_ppb = d->cfg.max_slew_ppb;
	if (slew_ppb < -(__int128)d->cfg.max_slew_ppb)
		slew_ppb = -(__int128)d->cfg.max_slew_ppb;
	move_anchor(&d->model, p->tsc);
	follow_course(d, p);
	tw_clock_disc_draw(d, p, offset_ns, (int64_t)slew_ppb);

	d->width_ns = d->width_ns + p->half_ns / 8 - d->width_ns / 8;
	d->stats.accepted++;
	d->stats.last_offset_ns = offset_ns;
	d->stats.residual_ns += abs_u64(offset_ns) / 16;
	d->stats.residual_ns -= d->stats.residual_ns / 16;
	d->stats.last_width_ns = 2 * p->half_ns;
}

/* The two readings can lie on one course. */
static bool
confirms(const struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	const struct tw_clock_point *s = &d->suspect;
	int64_t course_ns = ticks_to_ns(p->tsc - s->tsc, d->freq);
	uint64_t room_ns = p->half_ns + s->half_ns + granularity(d, d->freq) +
			   ppb_of((uint64_t)course_ns, d->cfg.max_rate_ppb);

	return abs_u64(p->ref_ns - s->ref_ns - course_ns) <= room_ns;
}

/* The reading may lie: keep it, the next one decides. */
static enum tw_clock_verdict
suspect_point(struct tw_clock_disc *d, const struct tw_clock_point *p, bool is_jump)
{
	d->stats.outliers += d->has_suspect;
	d->suspect = *p;
	d->has_suspect = true;
	d->is_jump = is_jump;
	return TW_CLOCK_V_SUSPECT;
}

/* An inserted second sets UTC back by one. */
static bool
is_leap(const struct tw_clock_disc *d, int64_t step_ns)
{
	return d->leap != 0 && abs_u64(step_ns + d->leap * TW_CLOCK_NS_PER_S) < LEAP_NEAR_NS;
}

static enum tw_clock_verdict
step_to(struct tw_clock_disc *d, const struct tw_clock_point *p, int64_t offset_ns)
{
	d->has_suspect = false;
	d->has_hold = true;
	d->hold_until_tsc = p->tsc + ns_to_ticks(d, d->cfg.hold_ns);
	d->stats.steps++;
	d->stats.leaps += is_leap(d, offset_ns);
	d->stats.last_step_ns = offset_ns;
	d->span_ns = d->cfg.watch_ns;
	d->prev = *p;
	d->model.tsc0 = p->tsc;
	d->model.ns0 = p->ref_ns;
	d->model.frac0 = 0;
	d->model.epoch++;
	tw_clock_disc_restart(d, p);
	tw_clock_disc_draw(d, p, 0, 0);
	return TW_CLOCK_V_STEPPED;
}

/* Brackets this wide say too little, unless they have become the rule. */
static bool
is_too_wide(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	bool is_wide = p->half_ns > WIDE_FACTOR * d->width_ns + WIDE_SLACK_NS;

	if (2 * p->half_ns > d->cfg.max_bracket_ns)
		return true;
	d->wide_cnt = is_wide ? d->wide_cnt + 1 : 0;
	if (d->wide_cnt < WIDE_MAX)
		return is_wide;
	d->width_ns = p->half_ns;
	d->wide_cnt = 0;
	return false;
}

/* Judge a point by its offset from the model. */
static enum tw_clock_verdict
judge_point(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	const struct tw_clock *m = &d->model;
	int64_t offset_ns = p->ref_ns - tw_clock_at(m, p->tsc).ns;
	uint64_t age_ns = abs_u64(ticks_to_ns(p->tsc - m->tsc0, m->rate));
	uint64_t legal_ns = d->cfg.step_ns + m->stamp_error_ns + p->half_ns +
			    ppb_of(age_ns, (uint64_t)d->cfg.max_rate_ppb + d->cfg.max_slew_ppb);
	uint64_t expected_ns = SURPRISE_NS + p->half_ns + m->stamp_error_ns +
			       (uint64_t)ticks_to_ns(p->tsc - m->tsc0, m->growth);
	bool is_jump = abs_u64(offset_ns) > legal_ns;
	bool is_expected = abs_u64(offset_ns) <= expected_ns;

	if (!is_expected && !(d->has_suspect && confirms(d, p)))
		return suspect_point(d, p, is_jump);
	if (is_jump)
		return step_to(d, p, offset_ns);
	d->stats.outliers += d->has_suspect && is_expected; /* the old course holds */
	d->has_suspect = false;
	accept_point(d, p, offset_ns);
	return TW_CLOCK_V_ACCEPTED;
}

static enum tw_clock_verdict
judge(struct tw_clock_disc *d, const struct tw_clock_reading *r)
{
	const struct tw_clock_point *last = d->has_suspect ? &d->suspect : NULL;
	struct tw_clock_point p;

	if (r == NULL || (int64_t)(r->tsc_before - d->model.tsc0) <= 0 ||
		(last != NULL && (int64_t)(r->tsc_before - last->tsc) <= 0)) {
		d->stats.backward++;
		return TW_CLOCK_V_BACKWARD;
	}
	p = tw_clock_point_of(r, d->freq);
	if (is_too_wide(d, &p)) {
		d->stats.wide++;
		return TW_CLOCK_V_WIDE;
	}
	if (d->has_hold && (int64_t)(p.tsc - d->hold_until_tsc) >= 0)
		d->has_hold = false;
	return judge_point(d, &p);
}

/* The announcement may end with the very step. */
static void
note_leap(struct tw_clock_disc *d, const struct tw_clock_sync *sync)
{
	if (sync->leap != 0) {
		d->leap = sync->leap;
		d->leap_left = LEAP_READINGS;
	} else if (d->leap_left > 0) {
		d->leap_left--;
	} else {
		d->leap = 0;
	}
}

enum tw_clock_verdict
tw_clock_disc_sample(struct tw_clock_disc *d, const struct tw_clock_reading *reading, size_t n,
	const struct tw_clock_sync *sync)
{
	enum tw_clock_verdict v;

	if (d->model.epoch == 0)
		return TW_CLOCK_V_NONE;
	note_leap(d, sync);
	v = judge(d, tw_clock_narrowest(reading, n));
	tw_clock_disc_set_sync(d, sync);
	return v;
}
