/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Clocks in parts. The wander is a sum of three swings with periods that have no common measure,
 * so that a reading far away needs no walk through time.
 */
#include "tw_netsim_clock.h"

#include <errno.h>
#include <math.h>

#include "tw_base.h"

#define PPB    1000000000LL
#define TWO_PI 6.283185307179586

static const struct {
	double period_s;
	double share; /* of the swing of the rate; together 1 */
} swings[] = {{61.8, 0.5}, {17.3, 0.3}, {4.1, 0.2}};

/* Reading gained by the wander since wire time 0, for 1 ppb. */
static double
wander_ns(const struct tw_netsim_clock *c, int64_t wire_ns)
{
	const double s = (double)wire_ns / 1e9;
	double sum = 0;

	for (unsigned i = 0; i < TW_ARRAY_SIZE(swings); i++) {
		const double w = TWO_PI / swings[i].period_s;

		/* the rate swings as cos(wt + phase) */
		sum += swings[i].share / w * sin(w * s + c->phase[i]);
	}
	return sum;
}

static int64_t
gain_ns(const struct tw_netsim_clock *c, const struct tw_netsim_clock_part *p, int64_t wire_ns)
{
	const int64_t age_ns = wire_ns - p->from_ns;
	int64_t gain = (int64_t)((__int128)age_ns * (p->drift_ppb + p->slew_ppb) / PPB);

	if (p->wander_ppb != 0)
		gain += (int64_t)llrint(
			p->wander_ppb * (wander_ns(c, wire_ns) - wander_ns(c, p->from_ns)));
	return age_ns + gain;
}

static uint32_t
parts(const struct tw_netsim_clock *c)
{
	return atomic_load_explicit(&c->cnt, memory_order_acquire);
}

void
tw_netsim_clock_init(struct tw_netsim_clock *c, const struct tw_netsim_clock_cfg *cfg)
{
	c->origin_ns = cfg->origin_ns;
	for (unsigned i = 0; i < TW_ARRAY_SIZE(c->phase); i++) {
		uint64_t z = (cfg->seed + i + 1) * 0x9e3779b97f4a7c15ULL;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		c->phase[i] = TWO_PI * (double)(z >> 40) / (1 << 24);
	}
	c->part[0] = (struct tw_netsim_clock_part){.from_ns = 0,
		.read_ns = cfg->origin_ns + cfg->offset_ns,
		.drift_ppb = cfg->drift_ppb,
		.wander_ppb = cfg->wander_ppb,
		.max_error_ns = cfg->max_error_ns,
		.is_synced = cfg->is_synced};
	atomic_store_explicit(&c->cnt, 1, memory_order_release);
}

const struct tw_netsim_clock_part *
tw_netsim_clock_part_at(const struct tw_netsim_clock *c, int64_t wire_ns)
{
	uint32_t lo = 0, hi = parts(c);

	/* mostly the last one */
	if (c->part[hi - 1].from_ns <= wire_ns)
		return &c->part[hi - 1];
	while (hi - lo > 1) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (c->part[mid].from_ns <= wire_ns)
			lo = mid;
		else
			hi = mid;
	}
	return &c->part[lo];
}

int64_t
tw_netsim_clock_at(const struct tw_netsim_clock *c, int64_t wire_ns)
{
	const struct tw_netsim_clock_part *p = tw_netsim_clock_part_at(c, wire_ns);

	return p->read_ns + gain_ns(c, p, wire_ns);
}

int64_t
tw_netsim_clock_when(const struct tw_netsim_clock *c, int64_t read_ns, int64_t near_ns)
{
	const struct tw_netsim_clock_part *p = tw_netsim_clock_part_at(c, near_ns);
	int64_t at_ns = near_ns;

	/* no rate is far from 1: each round divides the error by a thousand or more */
	for (unsigned i = 0; i < 8; i++) {
		const int64_t miss_ns = read_ns - (p->read_ns + gain_ns(c, p, at_ns));

		if (miss_ns == 0)
			break;
		at_ns += miss_ns;
	}
	return at_ns;
}

/* A new part that goes on where the last one is at @p at_ns, NULL with why in @p ret. */
static struct tw_netsim_clock_part *
part_new(struct tw_netsim_clock *c, int64_t at_ns, int *ret)
{
	const uint32_t cnt = parts(c);
	const struct tw_netsim_clock_part *last = &c->part[cnt - 1];
	struct tw_netsim_clock_part *p = &c->part[cnt];

	*ret = at_ns < last->from_ns ? -EINVAL : cnt >= TW_NETSIM_CLOCK_PARTS - 1 ? -ENOSPC : 0;
	if (*ret != 0)
		return NULL;
	*p = *last;
	p->from_ns = at_ns;
	p->read_ns = last->read_ns + gain_ns(c, last, at_ns);
	return p;
}

static void
part_add(struct tw_netsim_clock *c)
{
	atomic_store_explicit(&c->cnt, parts(c) + 1, memory_order_release);
}

int
tw_netsim_clock_step(struct tw_netsim_clock *c, int64_t at_ns, int64_t step_ns)
{
	struct tw_netsim_clock_part *p;
	int ret;

	p = part_new(c, at_ns, &ret);
	if (p == NULL)
		return ret;
	p->read_ns += step_ns;
	part_add(c);
	return 0;
}

static bool
rate_is_legal(int64_t drift_ppb, uint32_t wander_ppb, int64_t slew_ppb)
{
	const int64_t sum = (drift_ppb < 0 ? -drift_ppb : drift_ppb) + wander_ppb +
			    (slew_ppb < 0 ? -slew_ppb : slew_ppb);

	return sum <= TW_NETSIM_CLOCK_RATE_MAX;
}

int
tw_netsim_clock_slew(struct tw_netsim_clock *c, int64_t at_ns, int64_t slew_ns, int64_t over_ns)
{
	struct tw_netsim_clock_part *p;
	int64_t slew_ppb;
	int ret;

	if (over_ns <= 0)
		return -EINVAL;
	if (slew_ns > over_ns || slew_ns < -over_ns)
		return -ERANGE;
	p = part_new(c, at_ns, &ret);
	if (p == NULL)
		return ret;
	slew_ppb = (int64_t)((__int128)slew_ns * PPB / over_ns);
	if (!rate_is_legal(p->drift_ppb, p->wander_ppb, slew_ppb))
		return -ERANGE;
	if (parts(c) >= TW_NETSIM_CLOCK_PARTS - 2)
		return -ENOSPC;
	p->slew_ppb = (int32_t)slew_ppb;
	part_add(c);
	p = part_new(c, at_ns + over_ns, &ret);
	p->slew_ppb = 0;
	part_add(c);
	return 0;
}

int
tw_netsim_clock_rate(
	struct tw_netsim_clock *c, int64_t at_ns, int32_t drift_ppb, uint32_t wander_ppb)
{
	struct tw_netsim_clock_part *p;
	int ret;

	p = part_new(c, at_ns, &ret);
	if (p == NULL)
		return ret;
	if (!rate_is_legal(drift_ppb, wander_ppb, p->slew_ppb))
		return -ERANGE;
	p->drift_ppb = drift_ppb;
	p->wander_ppb = wander_ppb;
	part_add(c);
	return 0;
}

int
tw_netsim_clock_sync(
	struct tw_netsim_clock *c, int64_t at_ns, bool is_synced, uint32_t max_error_ns)
{
	struct tw_netsim_clock_part *p;
	int ret;

	p = part_new(c, at_ns, &ret);
	if (p == NULL)
		return ret;
	p->is_synced = is_synced;
	p->max_error_ns = max_error_ns;
	part_add(c);
	return 0;
}
