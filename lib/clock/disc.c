/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Following the reference. Three questions per reading, each answered by hard bounds first:
 *
 * 1. Does the stated error explain the offset? If not, the next reading decides whether this one
 *    lies. If no legal rate explains it either, S is cleared meanwhile, and the reference was
 *    stepped if the next reading says so too.
 * 2. Does the reading, within its bracket, meet what the earlier ones say of this moment? If not,
 *    the rate of the reference changed (a bend): the course starts again, what was known of the
 *    phase counts no more, and for some seconds another bend is allowed for. If so, the reference
 *    is where both say it is.
 * 3. What remains between the line and the middle of that is slewed away over some readings, at
 *    the rate of the course.
 *
 * The stated error at the anchor is how far the ends of where the reference may be are from the
 * line, and what the counter and the reference leave off below their resolution; it grows with what
 * the rate may be off by: the course's bounds, wander, recent bends, and the slewing itself.
 */
#include <string.h>

#include "clock_i.h"

#define WIDE_FACTOR   4 /* a bracket this many times the usual one is not used ... */
#define WIDE_SLACK_NS 50
#define SURPRISE_NS   1000     /* an offset this far beyond the stated error is looked at twice */
#define WIDE_MAX      8        /* ... unless so many came in a row: the usual one has changed */
#define SLEW_WATCHES  4        /* readings over which an offset is slewed away */
#define UNSEEN_NS     30000000 /* a change of rate may hide in the brackets for so long */
#define OVERDUE_PPB   1000     /* beyond its readings' time a line may be off by so much more */
#define BEND_NS       3000000000U   /* a bend is forgotten but for a third */
#define ROOM_MIN      (FRAC_NS / 4) /* nothing is known better than this */
#define EE_WATCHES    2             /* the prepared Error Estimate covers so many readings */
#define LEAP_NEAR_NS  100000000     /* a leap second may come with so much of another step */
#define LEAP_READINGS 1000          /* an announcement holds so many readings beyond its end */

static const struct tw_clock_disc_cfg defaults = {
	.watch_ns = 1000000,
	.course_ns = 2000000000,
	.horizon_ns = 2000000000,
	.hold_ns = 5000000000,
	.step_ns = 20000,
	.max_rate_ppb = 1000000,
	.max_slew_ppb = 500000,
	.wander_ppb = 100,
	.wander_ppb_s = 1000,
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
	TAKE(course_ns);
	TAKE(horizon_ns);
	TAKE(hold_ns);
	TAKE(step_ns);
	TAKE(max_rate_ppb);
	TAKE(max_slew_ppb);
	TAKE(wander_ppb);
	TAKE(wander_ppb_s);
	TAKE(rate_error_ppb);
	TAKE(max_bracket_ns);
#undef TAKE
}

const struct tw_clock *
tw_clock_disc_model(const struct tw_clock_disc *d)
{
	return &d->model;
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

/* What the rate of the line may differ from that of the reference by, slewing and bends apart. */
static uint64_t
loose_ppb(const struct tw_clock_disc *d)
{
	const uint64_t unseen_ppb = d->width_ns * PPB / UNSEEN_NS;

	return d->unc_ppb + (unseen_ppb > d->cfg.wander_ppb ? unseen_ppb : d->cfg.wander_ppb);
}

/*
 * Of what a stamp leaves off, by the counter and by the reference, half: the line leads by it, so
 * that the truth lies as much before as behind.
 */
static int64_t
lead_of(const struct tw_clock_disc *d, const struct tw_clock_point *at)
{
	return (int64_t)(at->rest + tick_frac(d->freq)) / 2;
}

/* The stated error at the anchor, rounded up where it is used. */
static void
state_error(struct tw_clock_disc *d, const struct tw_clock_point *at)
{
	struct tw_clock *m = &d->model;
	const int64_t lead = lead_of(d, at);
	const uint64_t low = abs_u64(d->low + lead), high = abs_u64(d->high + lead);
	const uint64_t most = low > high ? low : high;
	/* that of a clock for stamps is never less than TW_CLOCK_COMMON_NS, rounded up */
	const uint64_t least = at->rest != 0 ? (TW_CLOCK_COMMON_NS - 1) * FRAC_NS + 1 : 0;
	const uint64_t error = most > least ? most : least;

	m->stamp_frac = (uint32_t)lead;
	m->stamp_error_ns = tw_clock_frac_up(m->stamp_frac);
	m->clock_error_ns = to_error(error >> FRAC_SHIFT);
	m->error_frac = (error % FRAC_NS) * FRAC_RATE + ROUND_UP;
}

/* Draw the line on from its anchor: at the rate of the reference, @p slew_ppb on top. */
static void
draw(struct tw_clock_disc *d, const struct tw_clock_point *at, int64_t slew_ppb)
{
	struct tw_clock *m = &d->model;

	m->rate = d->freq + rate_of_ppb(d, slew_ppb);
	m->growth = rate_of_ppb(d, (int64_t)(loose_ppb(d) + d->bend_ppb + abs_u64(slew_ppb))) + 1;
	m->overdue = rate_of_ppb(d, OVERDUE_PPB);
	m->rate_error = tw_clock_rate_units(loose_ppb(d) + d->bend_ppb + abs_u64(slew_ppb));
	m->ticks_per_ns =
		(uint64_t)(((unsigned __int128)1 << (TW_CLOCK_RATE_SHIFT + TW_CLOCK_TICK_SHIFT)) /
			   (uint64_t)m->rate);
	m->tsc_hz = (uint64_t)((((unsigned __int128)PPB << TW_CLOCK_RATE_SHIFT) +
				       (uint64_t)m->rate / 2) /
			       (uint64_t)m->rate);
	m->ee_span_tsc = tw_clock_ticks_of(d->cfg.watch_ns, d->freq) * EE_WATCHES;
	m->horizon_tsc = tw_clock_ticks_of(d->cfg.horizon_ns, d->freq);
	m->rate_error_ppb = d->cfg.rate_error_ppb;
	state_error(d, at);
}

void
tw_clock_disc_anchor(struct tw_clock_disc *d, const struct tw_clock_point *at)
{
	d->model.tsc0 = at->tsc;
	d->model.ns0 = at->ref_ns;
	d->model.frac0 = at->frac * FRAC_RATE;
	d->model.epoch++;
	d->high = (int64_t)at->room;
	d->low = -d->high;
	draw(d, at, 0);
}

void
tw_clock_disc_set_sync(struct tw_clock_disc *d, const struct tw_clock_sync *sync)
{
	struct tw_clock *m = &d->model;

	m->sync_error_ns = to_error(sync->max_error_ns);
	m->is_synced = sync->is_synced && !(d->has_suspect && d->is_jump) && !d->has_hold &&
		       m->epoch != 0 && m->sync_error_ns != TW_CLOCK_ERROR_UNKNOWN;
	m->ee = tw_clock_ee_of_model(m);
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

/* How far a point near the anchor lies beyond the line, 2^-16 ns. */
static int64_t
beyond_line(const struct tw_clock *m, const struct tw_clock_point *p)
{
	const __int128 q = (__int128)(int64_t)(p->tsc - m->tsc0) * m->rate + m->frac0;

	return (p->ref_ns - m->ns0) * FRAC_NS + p->frac - (int64_t)(q / FRAC_RATE);
}

/* Carry along, to the new anchor, what is known of the reference. */
static void
carry_along(struct tw_clock_disc *d, uint64_t dt_tsc)
{
	const __int128 drift = (__int128)(d->freq - d->model.rate) * (int64_t)dt_tsc;
	const __int128 loose =
		(__int128)rate_of_ppb(d, (int64_t)loose_ppb(d)) * (int64_t)dt_tsc + FRAC_RATE;

	d->low += (int64_t)((drift - loose) / FRAC_RATE);
	d->high += (int64_t)((drift + loose) / FRAC_RATE);
}

/*
 * Where the reference may be, both by a point and by all before.
 * @return how far the two are apart; then nothing was changed
 */
static uint64_t
meet(struct tw_clock_disc *d, int64_t off, uint64_t room)
{
	int64_t low = off - (int64_t)room, high = off + (int64_t)room;
	int64_t short_of;

	if (low > d->high)
		return (uint64_t)(low - d->high);
	if (high < d->low)
		return (uint64_t)(d->low - high);
	low = low > d->low ? low : d->low;
	high = high < d->high ? high : d->high;
	short_of = 2 * ROOM_MIN - (high - low);
	d->low = short_of > 0 ? low - short_of / 2 : low;
	d->high = short_of > 0 ? high + short_of / 2 : high;
	return 0;
}

/* The rate changed since the last reading, by this much at least: only the new one counts. */
static void
bend(struct tw_clock_disc *d, int64_t off, uint64_t room, uint64_t apart, uint64_t dt_tsc)
{
	const uint64_t dt_ns = (uint64_t)ticks_to_ns(dt_tsc, d->freq) + 1;
	const unsigned __int128 ppb = ((unsigned __int128)apart * PPB / dt_ns >> FRAC_SHIFT) + 1;

	if (ppb > d->bend_ppb)
		d->bend_ppb = ppb < d->cfg.max_rate_ppb ? (uint64_t)ppb : d->cfg.max_rate_ppb;
	d->low = off - (int64_t)room;
	d->high = off + (int64_t)room;
	d->stats.bends++;
}

/* The last two points give a first rate; only what follows the bend lies on one course. */
static void
break_course(struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	const struct tw_clock_point prev = d->point[d->point_cnt - 1];

	tw_clock_disc_restart(d, &prev);
	tw_clock_disc_push(d, p);
	tw_clock_disc_rate(d);
	tw_clock_disc_restart(d, p);
}

/* The point as what is known of its moment now. */
static struct tw_clock_point
known_at(const struct tw_clock_disc *d, const struct tw_clock_point *p)
{
	struct tw_clock_point k = *p;

	k.ref_ns = d->model.ns0;
	k.frac = d->model.frac0 / FRAC_RATE + (d->low + d->high) / 2;
	k.room = (uint64_t)(d->high - d->low) / 2 + 1;
	return k;
}

/* The bend of late fades. */
static void
fade(struct tw_clock_disc *d, uint64_t dt_ns)
{
	const uint64_t part = dt_ns < BEND_NS ? dt_ns : BEND_NS;

	d->bend_ppb -= (d->bend_ppb * part + BEND_NS - 1) / BEND_NS;
}

/* The readings of one moment: all of them bound it, the narrowest is judged. */
struct moment {
	const struct tw_clock_reading *reading;
	size_t n;
	struct tw_clock_point best;
};

static void
meet_others(struct tw_clock_disc *d, const struct moment *at)
{
	for (size_t i = 0; i < at->n; i++) {
		const struct tw_clock_reading *r = &at->reading[i];
		struct tw_clock_point p;

		if (r->tsc_after < r->tsc_before)
			continue;
		p = tw_clock_point_of(r, d->freq);
		if (p.half_ns <= 2 * at->best.half_ns + WIDE_SLACK_NS)
			(void)meet(d, beyond_line(&d->model, &p), p.room + 1);
	}
}

/* Follow the course to a moment, and where the reference is by that; the anchor is there. */
static void
follow(struct tw_clock_disc *d, const struct moment *at, uint64_t dt_tsc)
{
	const struct tw_clock_point *p = &at->best;
	const int64_t off = beyond_line(&d->model, p);
	struct tw_clock_point known;
	uint64_t apart;

	carry_along(d, dt_tsc);
	fade(d, (uint64_t)ticks_to_ns(dt_tsc, d->freq));
	apart = meet(d, off, p->room);
	if (apart != 0)
		bend(d, off, p->room, apart, dt_tsc);
	else
		meet_others(d, at);
	known = known_at(d, p);
	if (apart > p->room) {
		break_course(d, &known);
		return;
	}
	tw_clock_disc_push(d, &known);
	tw_clock_disc_rate(d);
}

/* So fast that what the line is off by is gone after some readings. */
static int64_t
slew_of(const struct tw_clock_disc *d, int64_t off, uint64_t age_ns)
{
	const uint64_t over_ns =
		SLEW_WATCHES * (age_ns > d->cfg.watch_ns ? age_ns : d->cfg.watch_ns);
	const __int128 ppb = (__int128)off * PPB / ((__int128)over_ns * FRAC_NS);
	const int64_t most = d->cfg.max_slew_ppb;

	return ppb > most ? most : ppb < -most ? -most : (int64_t)ppb;
}

static void
accept_moment(struct tw_clock_disc *d, const struct moment *at)
{
	const struct tw_clock_point *p = &at->best;
	const uint64_t dt_tsc = p->tsc - d->model.tsc0;
	int64_t offset_ns;

	move_anchor(&d->model, p->tsc);
	offset_ns = beyond_line(&d->model, p) / FRAC_NS;
	follow(d, at, dt_tsc);
	draw(d, p,
		slew_of(d, (d->low + d->high) / 2 + lead_of(d, p),
			(uint64_t)ticks_to_ns(dt_tsc, d->model.rate)));
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
	uint64_t room_ns = p->half_ns + s->half_ns + granularity(d->freq) +
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
	d->hold_until_tsc = p->tsc + tw_clock_ticks_of(d->cfg.hold_ns, d->freq);
	d->stats.steps++;
	d->stats.leaps += is_leap(d, offset_ns);
	d->stats.last_step_ns = offset_ns;
	tw_clock_disc_restart(d, p);
	tw_clock_disc_anchor(d, p);
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

/* Judge the best reading by its offset from the model. */
static enum tw_clock_verdict
judge_moment(struct tw_clock_disc *d, const struct moment *at)
{
	const struct tw_clock_point *p = &at->best;
	const struct tw_clock *m = &d->model;
	int64_t offset_ns = p->ref_ns - tw_clock_at(m, p->tsc).ns;
	uint64_t age_ns = abs_u64(ticks_to_ns(p->tsc - m->tsc0, m->rate));
	uint64_t legal_ns = d->cfg.step_ns + m->clock_error_ns + p->half_ns +
			    ppb_of(age_ns, (uint64_t)d->cfg.max_rate_ppb + d->cfg.max_slew_ppb);
	uint64_t expected_ns = SURPRISE_NS + p->half_ns + m->clock_error_ns +
			       (uint64_t)ticks_to_ns(p->tsc - m->tsc0, m->growth);
	bool is_jump = abs_u64(offset_ns) > legal_ns;
	bool is_expected = abs_u64(offset_ns) <= expected_ns;

	if (!is_expected && !(d->has_suspect && confirms(d, p)))
		return suspect_point(d, p, is_jump);
	if (is_jump)
		return step_to(d, p, offset_ns);
	d->stats.outliers += d->has_suspect && is_expected; /* the old course holds */
	d->has_suspect = false;
	accept_moment(d, at);
	return TW_CLOCK_V_ACCEPTED;
}

static enum tw_clock_verdict
judge(struct tw_clock_disc *d, const struct tw_clock_reading *reading, size_t n)
{
	const struct tw_clock_reading *r = tw_clock_narrowest(reading, n);
	const struct tw_clock_point *last = d->has_suspect ? &d->suspect : NULL;
	struct moment at = {.reading = reading, .n = n};

	if (r == NULL || (int64_t)(r->tsc_before - d->model.tsc0) <= 0 ||
		(last != NULL && (int64_t)(r->tsc_before - last->tsc) <= 0)) {
		d->stats.backward++;
		return TW_CLOCK_V_BACKWARD;
	}
	at.best = tw_clock_point_of(r, d->freq);
	if (is_too_wide(d, &at.best)) {
		d->stats.wide++;
		return TW_CLOCK_V_WIDE;
	}
	if (d->has_hold && (int64_t)(at.best.tsc - d->hold_until_tsc) >= 0)
		d->has_hold = false;
	return judge_moment(d, &at);
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
	v = judge(d, reading, n);
	tw_clock_disc_set_sync(d, sync);
	return v;
}
