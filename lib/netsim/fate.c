/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What becomes of a packet: the line first, then loss, then delay, then copies.
 */
#include "tw_netsim.h"

#include <math.h>
#include <string.h>

#include "tw_base.h"

#define NS_PS    1000
#define SHAPE    3000U
#define TWO_PI   6.283185307179586
#define TWO_53   9007199254740992.0
#define GAMMA_64 0x9e3779b97f4a7c15ULL

enum stream { LOSS, BURST, JITTER, DUP, REORDER, CORRUPT };

static const char *const fate_names[TW_NETSIM_FATE_N] = {
	[TW_NETSIM_ARRIVES] = "arrives",
	[TW_NETSIM_LOST_RANDOM] = "lost-random",
	[TW_NETSIM_LOST_BURST] = "lost-burst",
	[TW_NETSIM_LOST_EVERY] = "lost-every",
	[TW_NETSIM_LOST_TRACE] = "lost-trace",
	[TW_NETSIM_LOST_QUEUE] = "lost-queue",
	[TW_NETSIM_LOST_FULL] = "lost-full",
};

const char *
tw_netsim_fate_name(unsigned kind)
{
	return kind < TW_NETSIM_FATE_N && fate_names[kind] != NULL ? fate_names[kind] : "?";
}

static const char *const jitter_names[TW_NETSIM_JITTER_N] = {
	[TW_NETSIM_JITTER_NONE] = "none",
	[TW_NETSIM_JITTER_UNIFORM] = "uniform",
	[TW_NETSIM_JITTER_NORMAL] = "normal",
	[TW_NETSIM_JITTER_PARETO] = "pareto",
	[TW_NETSIM_JITTER_TRACE] = "trace",
};

const char *
tw_netsim_jitter_name(unsigned law)
{
	return law < TW_NETSIM_JITTER_N ? jitter_names[law] : "?";
}

/* xoshiro256** (Blackman and Vigna), seeded by splitmix64: fixed, whatever the rest uses. */
static uint64_t
rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t
draw(uint64_t s[4])
{
	uint64_t out = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

static uint64_t
mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Evenly in [0, 1). */
static double
draw_unit(uint64_t s[4])
{
	return (double)(draw(s) >> 11) / TWO_53;
}

static bool
draw_ppm(uint64_t s[4], uint32_t ppm)
{
	return (uint32_t)(((draw(s) >> 32) * TW_NETSIM_PPM) >> 32) < ppm;
}

static void
streams_seed(struct tw_netsim_dir *d)
{
	uint64_t x = mix(d->imp.seed + GAMMA_64);

	for (unsigned i = 0; i < TW_ARRAY_SIZE(d->rng); i++)
		for (unsigned k = 0; k < 4; k++)
			d->rng[i][k] = mix(x += GAMMA_64);
}

const char *
tw_netsim_imp_check(const struct tw_netsim_imp *imp)
{
	const struct {
		const char *name;
		uint32_t ppm;
	} shares[] = {
		{"loss_ppm", imp->loss_ppm},
		{"burst_begin_ppm", imp->burst_begin_ppm},
		{"burst_end_ppm", imp->burst_end_ppm},
		{"burst_loss_ppm", imp->burst_loss_ppm},
		{"dup_ppm", imp->dup_ppm},
		{"reorder_ppm", imp->reorder_ppm},
		{"corrupt_ppm", imp->corrupt_ppm},
	};
	const struct {
		const char *name;
		int64_t ns;
	} times[] = {
		{"delay_ns", imp->delay_ns},
		{"jitter_ns", imp->jitter_ns},
		{"dup_ns", imp->dup_ns},
		{"reorder_ns", imp->reorder_ns},
	};

	for (unsigned i = 0; i < TW_ARRAY_SIZE(shares); i++)
		if (shares[i].ppm > TW_NETSIM_PPM)
			return shares[i].name;
	for (unsigned i = 0; i < TW_ARRAY_SIZE(times); i++)
		if (times[i].ns < 0 || times[i].ns > TW_NETSIM_DELAY_MAX_NS)
			return times[i].name;
	if (imp->jitter >= TW_NETSIM_JITTER_N)
		return "jitter";
	if (imp->jitter == TW_NETSIM_JITTER_TRACE && (imp->trace == NULL || imp->trace_cnt == 0))
		return "trace";
	if (imp->shape_milli != 0 && imp->shape_milli < 1000)
		return "shape_milli";
	if (imp->rate_bps != 0 && (imp->rate_bps < 1000 || imp->rate_bps > 1000000000000ULL))
		return "rate_bps";
	return NULL;
}

void
tw_netsim_dir_set(struct tw_netsim_dir *d, const struct tw_netsim_imp *imp)
{
	const bool is_new = imp->seed != d->imp.seed;

	d->imp = *imp;
	d->line_ps16 = 0;
	if (imp->rate_bps != 0)
		d->line_ps16 =
			(uint64_t)(((unsigned __int128)8000000000000ULL << 16) / imp->rate_bps);
	if (imp->burst_begin_ppm == 0)
		d->is_bad = false;
	if (is_new)
		tw_netsim_dir_restart(d);
}

void
tw_netsim_dir_restart(struct tw_netsim_dir *d)
{
	d->cnt = 0;
	d->is_bad = false;
	streams_seed(d);
}

void
tw_netsim_dir_init(struct tw_netsim_dir *d, const struct tw_netsim_imp *imp)
{
	*d = (struct tw_netsim_dir){.imp.seed = ~imp->seed};
	tw_netsim_dir_set(d, imp);
}

/* When the last bit of the frame has gone; INT64_MIN if there was no room to wait for that. */
static int64_t
line_pass(struct tw_netsim_dir *d, int64_t depart_ns, uint32_t len)
{
	const int64_t now_ps = depart_ns * NS_PS;
	const uint64_t on_line = (uint64_t)len + TW_NETSIM_OVERHEAD;
	int64_t begin_ps = now_ps;

	if (d->line_ps16 == 0)
		return depart_ns;
	if (d->line_free_ps > now_ps) {
		const unsigned __int128 waiting =
			((unsigned __int128)(d->line_free_ps - now_ps) << 16) / d->line_ps16;

		if (d->imp.queue_octets != 0 && waiting + on_line > d->imp.queue_octets)
			return INT64_MIN;
		begin_ps = d->line_free_ps;
	}
	d->line_free_ps = begin_ps + (int64_t)(((unsigned __int128)on_line * d->line_ps16) >> 16);
	return d->line_free_ps / NS_PS;
}

/* Every stream is drawn from for every packet. */
static uint8_t
loss_of(struct tw_netsim_dir *d)
{
	const struct tw_netsim_imp *imp = &d->imp;
	const bool is_random = draw_ppm(d->rng[LOSS], imp->loss_ppm);
	const bool is_burst = draw_ppm(
		d->rng[BURST], imp->burst_loss_ppm != 0 ? imp->burst_loss_ppm : TW_NETSIM_PPM);
	const bool turns =
		draw_ppm(d->rng[BURST], d->is_bad ? imp->burst_end_ppm : imp->burst_begin_ppm);
	const bool was_bad = d->is_bad;

	if (turns)
		d->is_bad = !d->is_bad;
	if (imp->loss_every != 0 && d->cnt % imp->loss_every == 0)
		return TW_NETSIM_LOST_EVERY;
	if (was_bad && is_burst)
		return TW_NETSIM_LOST_BURST;
	return is_random ? TW_NETSIM_LOST_RANDOM : TW_NETSIM_ARRIVES;
}

/* Delay beyond the fixed one; negative with TRACE: lost. */
static double
jitter_of(struct tw_netsim_dir *d)
{
	const struct tw_netsim_imp *imp = &d->imp;
	const double u = draw_unit(d->rng[JITTER]), v = draw_unit(d->rng[JITTER]);
	const double j = (double)imp->jitter_ns;

	switch (imp->jitter) {
	case TW_NETSIM_JITTER_UNIFORM:
		return j * u;
	case TW_NETSIM_JITTER_NORMAL:
		return j * sqrt(-2.0 * log(1.0 - u)) * cos(TWO_PI * v);
	case TW_NETSIM_JITTER_PARETO:
		return j *
		       (pow(1.0 - u, -1000.0 / (imp->shape_milli != 0 ? imp->shape_milli : SHAPE)) -
			       1.0);
	case TW_NETSIM_JITTER_TRACE:
		return (double)imp->trace[(d->cnt - 1) % imp->trace_cnt];
	default:
		return 0;
	}
}

/* In order: none before the last one. */
static int64_t
in_order(struct tw_netsim_dir *d, int64_t arrive_ns)
{
	if (arrive_ns < d->last_ns)
		return d->last_ns;
	d->last_ns = arrive_ns;
	return arrive_ns;
}

static void
arrivals(struct tw_netsim_dir *d, int64_t gone_ns, double jitter_ns, struct tw_netsim_fate *out)
{
	const struct tw_netsim_imp *imp = &d->imp;
	const bool is_dup = draw_ppm(d->rng[DUP], imp->dup_ppm);
	const bool is_held = draw_ppm(d->rng[REORDER], imp->reorder_ppm);
	const uint64_t bits = draw(d->rng[CORRUPT]);
	double delay_ns = (double)imp->delay_ns + jitter_ns;
	int64_t at_ns;

	out->is_corrupt = draw_ppm(d->rng[CORRUPT], imp->corrupt_ppm);
	if (out->kind != TW_NETSIM_ARRIVES)
		return;
	delay_ns = fmin(fmax(delay_ns, 0), (double)TW_NETSIM_DELAY_MAX_NS);
	at_ns = gone_ns + (int64_t)llrint(delay_ns);
	out->is_held = is_held;
	if (is_held)
		at_ns += imp->reorder_ns;
	else if (!imp->may_overtake)
		at_ns = in_order(d, at_ns);
	out->corrupt_at = (uint32_t)bits;
	out->copies = is_dup ? 2 : 1;
	out->arrive_ns[0] = at_ns;
	out->arrive_ns[1] = at_ns + imp->dup_ns;
}

void
tw_netsim_fate(struct tw_netsim_dir *d, int64_t depart_ns, uint32_t len, struct tw_netsim_fate *out)
{
	int64_t gone_ns = line_pass(d, depart_ns, len);
	double jitter_ns;

	*out = (struct tw_netsim_fate){.kind = TW_NETSIM_ARRIVES};
	d->cnt++;
	out->kind = loss_of(d);
	jitter_ns = jitter_of(d);
	if (d->imp.jitter == TW_NETSIM_JITTER_TRACE && jitter_ns < 0)
		out->kind = TW_NETSIM_LOST_TRACE;
	if (gone_ns == INT64_MIN)
		out->kind = TW_NETSIM_LOST_QUEUE;
	arrivals(d, gone_ns, jitter_ns, out);
	if (out->kind != TW_NETSIM_ARRIVES)
		out->is_corrupt = false;
}

void
tw_netsim_pass(struct tw_netsim_dir *d, int64_t depart_ns, uint32_t len, struct tw_netsim_fate *out)
{
	int64_t gone_ns = line_pass(d, depart_ns, len);

	*out = (struct tw_netsim_fate){.kind = TW_NETSIM_LOST_QUEUE};
	if (gone_ns == INT64_MIN)
		return;
	out->kind = TW_NETSIM_ARRIVES;
	out->copies = 1;
	out->arrive_ns[0] = gone_ns + d->imp.delay_ns;
}
