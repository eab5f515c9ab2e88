/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Figures from distributions: RFC 2330 11.3 percentiles with the lost as infinite, variation by
 * RFC 5481. The error of a figure is that of its samples plus that of the bin it was read from.
 */
#include "report_i.h"

/* Percentiles in units of 1/100,000. */
#define PCT_ALL 100000U
#define PCT(p)  ((uint32_t)((p)*1000))

static uint64_t
rate_error(int64_t value_ns, uint64_t ppb)
{
	uint64_t abs_ns = value_ns < 0 ? 0 - (uint64_t)value_ns : (uint64_t)value_ns;

	return (uint64_t)(((unsigned __int128)abs_ns * ppb + 999999999) / 1000000000);
}

static struct tw_metrics_fig
no_figure(void)
{
	return (struct tw_metrics_fig){
		.state = TW_METRICS_S_NONE, .reason = TW_METRICS_R_NO_SAMPLES};
}

/* @param samples  how many samples' errors add up in it: 1, or 2 for a difference */
static struct tw_metrics_fig
figure(const struct basis *b, int64_t value_ns, uint64_t bin_error_ns, unsigned samples)
{
	struct tw_metrics_fig f = {.value_ns = value_ns,
		.error_ns = TW_METRICS_ERROR_UNKNOWN,
		.state = TW_METRICS_S_FINITE,
		.reason = b->reason,
		.is_valid = b->reason == TW_METRICS_R_NONE};

	if (b->error_ns < UINT64_MAX / 4)
		f.error_ns =
			samples * b->error_ns + bin_error_ns + rate_error(value_ns, b->rate_ppb);
	return f;
}

/* Smallest rank x with x / n >= pct. */
static uint64_t
rank_of(uint32_t pct, uint64_t n)
{
	uint64_t rank = (uint64_t)(((unsigned __int128)n * pct + PCT_ALL - 1) / PCT_ALL);

	return rank != 0 ? rank : 1;
}

/* A percentile finer than 1/N rests on less than one packet. */
static bool
is_below_resolution(uint32_t pct, uint64_t n)
{
	uint32_t rest = pct <= PCT_ALL / 2 ? pct : PCT_ALL - pct;

	return (unsigned __int128)rest * n < PCT_ALL;
}

static struct tw_metrics_fig
at_rank(const struct basis *b, uint64_t rank)
{
	struct tw_metrics_hist_value v;

	if (rank > b->hist->cnt)
		return (struct tw_metrics_fig){.state = TW_METRICS_S_INFINITE,
			.reason = b->reason,
			.is_valid = b->reason == TW_METRICS_R_NONE};
	v = tw_metrics_hist_at(b->hist, b->pool, rank);
	return figure(b, v.ns, v.error_ns, 1);
}

static struct tw_metrics_fig
percentile(const struct basis *b, uint32_t pct)
{
	uint64_t n = b->hist->cnt + b->infinite;
	struct tw_metrics_fig f;

	if (n == 0)
		return no_figure();
	f = at_rank(b, rank_of(pct, n));
	f.is_below_resolution = is_below_resolution(pct, n);
	return f;
}

/* RFC 2330 11.3: N even, the mean of the two central values. */
static struct tw_metrics_fig
median(const struct basis *b)
{
	uint64_t n = b->hist->cnt + b->infinite;
	struct tw_metrics_fig low, high;

	if (n == 0)
		return no_figure();
	high = at_rank(b, n / 2 + 1);
	if (n % 2 != 0 || high.state != TW_METRICS_S_FINITE)
		return high;
	low = at_rank(b, n / 2);
	high.value_ns = low.value_ns + (high.value_ns - low.value_ns) / 2;
	if (low.error_ns != TW_METRICS_ERROR_UNKNOWN && low.error_ns > high.error_ns)
		high.error_ns = low.error_ns;
	return high;
}

/* Difference of two finite figures of one measure: an offset between clocks cancels. */
static struct tw_metrics_fig
difference(
	const struct basis *b, const struct tw_metrics_fig *high, const struct tw_metrics_fig *low)
{
	struct tw_metrics_fig f = *high;

	f.reason = b->reason;
	if (f.reason != TW_METRICS_R_NO_SAMPLES && f.reason != TW_METRICS_R_EPOCH_CHANGED)
		f.reason = TW_METRICS_R_NONE;
	f.is_valid = f.reason == TW_METRICS_R_NONE && f.state != TW_METRICS_S_NONE;
	if (f.state != TW_METRICS_S_FINITE)
		return f;
	f.value_ns = high->value_ns - low->value_ns;
	f.error_ns = TW_METRICS_ERROR_UNKNOWN;
	if (high->error_ns < UINT64_MAX / 4 && low->error_ns < UINT64_MAX / 4)
		f.error_ns = high->error_ns + low->error_ns;
	return f;
}

void
tw_metrics_fill_delay(const struct basis *b, struct tw_metrics_delay *out)
{
	const struct tw_metrics_hist *h = b->hist;

	out->finite = h->cnt;
	out->infinite = b->infinite;
	out->population = h->cnt + b->infinite;
	out->beyond_range = h->beyond + h->unplaced;
	out->min = out->mean = out->max = no_figure();
	if (h->cnt != 0) {
		out->min = figure(b, h->anchor, 0, 1);
		out->mean = figure(b, tw_metrics_hist_mean(h), 1, 1);
		out->max = figure(b, h->max, 0, 1);
	}
	out->median = median(b);
	out->p50 = percentile(b, PCT(50));
	out->p90 = percentile(b, PCT(90));
	out->p95 = percentile(b, PCT(95));
	out->p99 = percentile(b, PCT(99));
	out->p99_9 = percentile(b, PCT(99.9));
	out->p95_minus_p50 = difference(b, &out->p95, &out->p50);
}

void
tw_metrics_fill_pdv(const struct basis *b, struct tw_metrics_pdv *out)
{
	const struct tw_metrics_hist *h = b->hist;
	struct basis received = *b;
	struct tw_metrics_fig min = no_figure(), f;

	received.infinite = 0;
	out->samples = h->cnt;
	if (h->cnt != 0)
		min = figure(b, h->anchor, 0, 1);
#define FILL(member, pct)                                                                          \
	f = percentile(&received, pct);                                                            \
	out->member = difference(b, &f, &min)
	FILL(p50, PCT(50));
	FILL(p95, PCT(95));
	FILL(p99, PCT(99));
	FILL(p99_9, PCT(99.9));
#undef FILL
	f = h->cnt != 0 ? figure(b, h->max, 0, 1) : no_figure();
	out->range = difference(b, &f, &min);
}

/* The sample of a rank among signed differences, smallest first. */
static struct tw_metrics_hist_value
ipdv_at(const struct ipdv *v, const struct tw_metrics_hist_pool *pool, uint64_t rank)
{
	struct tw_metrics_hist_value out;

	if (rank == 1)
		return (struct tw_metrics_hist_value){v->min_ns, 0};
	if (rank == v->down.cnt + v->up.cnt)
		return (struct tw_metrics_hist_value){v->max_ns, 0};
	if (rank > v->down.cnt)
		return tw_metrics_hist_at(&v->up, pool, rank - v->down.cnt);
	out = tw_metrics_hist_at(&v->down, pool, v->down.cnt + 1 - rank);
	out.ns = -out.ns;
	return out;
}

void
tw_metrics_fill_ipdv(const struct ipdv *v, const struct basis *b, struct tw_metrics_ipdv *out)
{
	static const uint32_t pcts[] = {PCT(5), PCT(50), PCT(95)};
	struct tw_metrics_fig *figs[] = {&out->p5, &out->p50, &out->p95};
	uint64_t n = v->up.cnt + v->down.cnt;

	out->samples = n;
	if (n == 0) {
		out->min = out->p5 = out->p50 = out->p95 = out->max = out->smoothed = no_figure();
		return;
	}
	for (unsigned i = 0; i < TW_ARRAY_SIZE(pcts); i++) {
		struct tw_metrics_hist_value x = ipdv_at(v, b->pool, rank_of(pcts[i], n));

		*figs[i] = figure(b, x.ns, x.error_ns, 2);
		figs[i]->is_below_resolution = is_below_resolution(pcts[i], n);
	}
	out->min = figure(b, v->min_ns, 0, 2);
	out->max = figure(b, v->max_ns, 0, 2);
	out->smoothed = figure(b, (int64_t)(v->smoothed_x16_ns >> 4), 1, 2);
}
