/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Fates against closed forms: shares and moments within five standard errors of what the law says,
 * order, the line, and the same seed giving the same fates.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tw_netsim.h"

#define N     200000
#define GAP   1000
#define FRAME 100

static struct tw_netsim_dir
dir_of(const struct tw_netsim_imp *imp)
{
	struct tw_netsim_dir d;

	cr_assert_null(tw_netsim_imp_check(imp));
	tw_netsim_dir_init(&d, imp);
	return d;
}

/* Within five standard errors of a share p of n. */
static void
check_share(const char *what, uint64_t hits, uint64_t n, double p)
{
	const double got = (double)hits / (double)n;
	const double err = 5 * sqrt(p * (1 - p) / (double)n) + 1e-9;

	cr_assert_lt(fabs(got - p), err, "%s: %g, expected %g", what, got, p);
}

struct moments {
	double sum, sum2;
	uint64_t n;
};

static void
add(struct moments *m, double v)
{
	m->sum += v;
	m->sum2 += v * v;
	m->n++;
}

static double
mean(const struct moments *m)
{
	return m->sum / (double)m->n;
}

static double
deviation(const struct moments *m)
{
	return sqrt(m->sum2 / (double)m->n - mean(m) * mean(m));
}

/* Delays of N packets with gaps so wide that none waits for another. */
static struct moments
delays(const struct tw_netsim_imp *imp, int64_t gap_ns)
{
	struct tw_netsim_dir d = dir_of(imp);
	struct moments m = {0};
	struct tw_netsim_fate f;

	for (int64_t i = 0; i < N; i++) {
		tw_netsim_fate(&d, i * gap_ns, FRAME, &f);
		cr_assert_eq(f.kind, TW_NETSIM_ARRIVES);
		cr_assert_geq(f.arrive_ns[0], i * gap_ns);
		add(&m, (double)(f.arrive_ns[0] - i * gap_ns));
	}
	return m;
}

Test(fate, a_wire_without_impairment_changes_nothing)
{
	const struct tw_netsim_imp imp = {.seed = 1};
	struct moments m = delays(&imp, GAP);

	cr_assert_eq(m.sum, 0);
	cr_assert_eq(m.sum2, 0);
}

Test(fate, delay_is_exact)
{
	const struct tw_netsim_imp imp = {.delay_ns = 1234567};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	for (int64_t i = 0; i < 1000; i++) {
		tw_netsim_fate(&d, i * GAP, FRAME, &f);
		cr_assert_eq(f.arrive_ns[0], i * GAP + 1234567);
	}
}

Test(fate, uniform_jitter)
{
	const struct tw_netsim_imp imp = {.delay_ns = 1000,
		.jitter = TW_NETSIM_JITTER_UNIFORM,
		.jitter_ns = 10000,
		.may_overtake = true,
		.seed = 2};
	struct moments m = delays(&imp, GAP);
	const double sigma = 10000 / sqrt(12);

	cr_assert_lt(fabs(mean(&m) - 6000), 5 * sigma / sqrt(N));
	cr_assert_lt(fabs(deviation(&m) / sigma - 1), 0.01);
}

Test(fate, normal_jitter)
{
	const struct tw_netsim_imp imp = {.delay_ns = 100000,
		.jitter = TW_NETSIM_JITTER_NORMAL,
		.jitter_ns = 10000,
		.may_overtake = true,
		.seed = 3};
	struct moments m = delays(&imp, GAP);

	cr_assert_lt(fabs(mean(&m) - 100000), 5 * 10000 / sqrt(N));
	cr_assert_lt(fabs(deviation(&m) / 10000 - 1), 0.01);
}

Test(fate, normal_jitter_never_goes_back_in_time)
{
	const struct tw_netsim_imp imp = {.delay_ns = 100,
		.jitter = TW_NETSIM_JITTER_NORMAL,
		.jitter_ns = 10000,
		.may_overtake = true,
		.seed = 3};

	delays(&imp, GAP); /* asserts it */
}

/* Lomax with exponent a: mean s / (a - 1), median s (2^(1/a) - 1). */
Test(fate, pareto_jitter)
{
	const struct tw_netsim_imp imp = {.jitter = TW_NETSIM_JITTER_PARETO,
		.jitter_ns = 10000,
		.shape_milli = 4000,
		.may_overtake = true,
		.seed = 4};
	struct tw_netsim_dir d = dir_of(&imp);
	const double median = 10000 * (pow(2, 0.25) - 1);
	struct moments m = {0};
	struct tw_netsim_fate f;
	uint64_t below = 0;

	for (int64_t i = 0; i < N; i++) {
		tw_netsim_fate(&d, i, FRAME, &f);
		add(&m, (double)(f.arrive_ns[0] - i));
		below += (double)(f.arrive_ns[0] - i) < median;
	}
	check_share("below the median", below, N, 0.5);
	cr_assert_lt(fabs(mean(&m) / (10000 / 3.0) - 1), 0.03);
}

Test(fate, trace_is_played_and_begins_again)
{
	static const int64_t trace[] = {100, 200, -1, 300};
	const struct tw_netsim_imp imp = {
		.delay_ns = 1000, .jitter = TW_NETSIM_JITTER_TRACE, .trace = trace, .trace_cnt = 4};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	for (int64_t i = 0; i < 40; i++) {
		tw_netsim_fate(&d, i * 10000, FRAME, &f);
		if (trace[i % 4] < 0) {
			cr_assert_eq(f.kind, TW_NETSIM_LOST_TRACE);
			cr_assert_eq(f.copies, 0);
			continue;
		}
		cr_assert_eq(f.kind, TW_NETSIM_ARRIVES);
		cr_assert_eq(f.arrive_ns[0], i * 10000 + 1000 + trace[i % 4]);
	}
}

Test(fate, jitter_keeps_order_unless_told)
{
	struct tw_netsim_imp imp = {
		.jitter = TW_NETSIM_JITTER_UNIFORM, .jitter_ns = 100000, .seed = 5};
	struct tw_netsim_fate f;
	int64_t last_ns, back;

	for (int may = 0; may < 2; may++) {
		struct tw_netsim_dir d;

		imp.may_overtake = may;
		d = dir_of(&imp);
		last_ns = 0;
		back = 0;
		for (int64_t i = 0; i < 10000; i++) {
			tw_netsim_fate(&d, i * 100, FRAME, &f);
			back += f.arrive_ns[0] < last_ns;
			last_ns = f.arrive_ns[0];
		}
		cr_assert_eq(back > 0, may);
	}
}

static void
count(const struct tw_netsim_imp *imp, uint64_t kinds[TW_NETSIM_FATE_N], uint64_t *dup,
	uint64_t *held, uint64_t *corrupt)
{
	struct tw_netsim_dir d = dir_of(imp);
	struct tw_netsim_fate f;

	memset(kinds, 0, TW_NETSIM_FATE_N * sizeof(*kinds));
	*dup = *held = *corrupt = 0;
	for (int64_t i = 0; i < N; i++) {
		tw_netsim_fate(&d, i * GAP, FRAME, &f);
		kinds[f.kind]++;
		*dup += f.copies == 2;
		*held += f.is_held;
		*corrupt += f.is_corrupt;
		cr_assert_eq(f.copies > 0, f.kind == TW_NETSIM_ARRIVES);
	}
}

Test(fate, shares_are_as_told)
{
	const struct tw_netsim_imp imp = {.loss_ppm = 30000,
		.dup_ppm = 20000,
		.reorder_ppm = 10000,
		.reorder_ns = 5000,
		.corrupt_ppm = 5000,
		.seed = 6};
	uint64_t kinds[TW_NETSIM_FATE_N], dup, held, corrupt;

	count(&imp, kinds, &dup, &held, &corrupt);
	check_share("loss", kinds[TW_NETSIM_LOST_RANDOM], N, 0.03);
	check_share("duplication", dup, kinds[TW_NETSIM_ARRIVES], 0.02);
	check_share("reordering", held, kinds[TW_NETSIM_ARRIVES], 0.01);
	check_share("corruption", corrupt, kinds[TW_NETSIM_ARRIVES], 0.005);
	cr_assert_eq(kinds[TW_NETSIM_ARRIVES] + kinds[TW_NETSIM_LOST_RANDOM], N);
}

Test(fate, every_nth_is_lost)
{
	const struct tw_netsim_imp imp = {.loss_every = 7};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	for (int64_t i = 1; i <= 700; i++) {
		tw_netsim_fate(&d, i * GAP, FRAME, &f);
		cr_assert_eq(f.kind, i % 7 == 0 ? TW_NETSIM_LOST_EVERY : TW_NETSIM_ARRIVES);
	}
}

/* Gilbert-Elliott, p = 1 %, r = 20 %, everything lost in the bad state: the share of loss is
 * p / (p + r), a burst is 1 / r long on average. */
Test(fate, bursts)
{
	const struct tw_netsim_imp imp = {
		.burst_begin_ppm = 10000, .burst_end_ppm = 200000, .seed = 7};
	struct tw_netsim_dir d = dir_of(&imp);
	uint64_t lost = 0, bursts = 0;
	struct tw_netsim_fate f;
	bool was_lost = false;

	for (int64_t i = 0; i < 5 * N; i++) {
		tw_netsim_fate(&d, i * GAP, FRAME, &f);
		lost += f.kind == TW_NETSIM_LOST_BURST;
		bursts += f.kind == TW_NETSIM_LOST_BURST && !was_lost;
		was_lost = f.kind == TW_NETSIM_LOST_BURST;
	}
	cr_assert_lt(fabs((double)lost / (5 * N) / (0.01 / 0.21) - 1), 0.04);
	cr_assert_lt(fabs((double)lost / (double)bursts / 5 - 1), 0.04);
}

/* 1 Gbit/s, 1476 + 24 octets: 12 us each. Five at once leave one after the other. */
Test(fate, a_line_takes_its_time)
{
	const struct tw_netsim_imp imp = {.rate_bps = 1000000000, .delay_ns = 100};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	for (int64_t i = 1; i <= 5; i++) {
		tw_netsim_fate(&d, 1000, 1476, &f);
		cr_assert_eq(f.arrive_ns[0], 1000 + i * 12000 + 100);
	}
	tw_netsim_fate(&d, 1000000, 1476, &f);
	cr_assert_eq(f.arrive_ns[0], 1000000 + 12000 + 100);
}

Test(fate, a_fast_line_keeps_fractions)
{
	const struct tw_netsim_imp imp = {.rate_bps = 100000000000};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f = {0};

	/* 84 octets at 100 Gbit/s: 6.72 ns */
	for (int i = 0; i < 1000; i++)
		tw_netsim_fate(&d, 0, 60, &f);
	cr_assert_eq(f.arrive_ns[0], 6720);
}

Test(fate, a_full_queue_loses)
{
	const struct tw_netsim_imp imp = {.rate_bps = 1000000000, .queue_octets = 3 * 1500};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;
	unsigned lost = 0;

	/* one on the line, what waits with it may be 4500 octets in all */
	for (int i = 0; i < 10; i++) {
		tw_netsim_fate(&d, 0, 1476, &f);
		lost += f.kind == TW_NETSIM_LOST_QUEUE;
	}
	cr_assert_eq(lost, 7);
	tw_netsim_fate(&d, 12000, 1476, &f);
	cr_assert_eq(f.kind, TW_NETSIM_ARRIVES, "one has gone: room again");
}

Test(fate, held_packets_let_others_pass)
{
	const struct tw_netsim_imp imp = {
		.delay_ns = 1000, .reorder_ppm = 100000, .reorder_ns = 2500, .seed = 8};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	for (int64_t i = 0; i < 1000; i++) {
		tw_netsim_fate(&d, i * GAP, FRAME, &f);
		cr_assert_eq(f.arrive_ns[0], i * GAP + 1000 + (f.is_held ? 2500 : 0));
	}
}

Test(fate, the_same_seed_gives_the_same_fates)
{
	const struct tw_netsim_imp imp = {.delay_ns = 5000,
		.jitter = TW_NETSIM_JITTER_NORMAL,
		.jitter_ns = 1000,
		.loss_ppm = 50000,
		.burst_begin_ppm = 10000,
		.burst_end_ppm = 100000,
		.dup_ppm = 50000,
		.dup_ns = 10,
		.reorder_ppm = 50000,
		.reorder_ns = 4000,
		.corrupt_ppm = 50000,
		.rate_bps = 10000000000,
		.seed = 42};
	struct tw_netsim_dir a = dir_of(&imp), b = dir_of(&imp), c;
	struct tw_netsim_imp other = imp;
	struct tw_netsim_fate fa, fb, fc;
	unsigned differ = 0;

	other.seed = 43;
	c = dir_of(&other);
	for (int64_t i = 0; i < 10000; i++) {
		tw_netsim_fate(&a, i * GAP, FRAME, &fa);
		tw_netsim_fate(&b, i * GAP, FRAME, &fb);
		tw_netsim_fate(&c, i * GAP, FRAME, &fc);
		cr_assert_eq(memcmp(&fa, &fb, sizeof(fa)), 0);
		differ += memcmp(&fa, &fc, sizeof(fa)) != 0;
	}
	cr_assert_gt(differ, 5000);
}

/* Pinned: a scenario written down today plays the same tomorrow. */
Test(fate, draws_are_fixed)
{
	const struct tw_netsim_imp imp = {.loss_ppm = 500000, .seed = 1};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;
	uint32_t bits = 0;

	for (unsigned i = 0; i < 32; i++) {
		tw_netsim_fate(&d, 0, FRAME, &f);
		bits = bits << 1 | (f.kind == TW_NETSIM_LOST_RANDOM);
	}
	cr_assert_eq(bits, 0x26f675aeU, "%#x", bits);
}

/* What happens to a packet by one knob does not depend on the others. */
Test(fate, knobs_are_independent)
{
	struct tw_netsim_imp imp = {.loss_ppm = 100000, .seed = 9}, more;
	struct tw_netsim_dir a = dir_of(&imp), b;
	struct tw_netsim_fate fa, fb;

	more = imp;
	more.dup_ppm = 300000;
	more.corrupt_ppm = 200000;
	more.jitter = TW_NETSIM_JITTER_UNIFORM;
	more.jitter_ns = 777;
	b = dir_of(&more);
	for (int64_t i = 0; i < 10000; i++) {
		tw_netsim_fate(&a, i * GAP, FRAME, &fa);
		tw_netsim_fate(&b, i * GAP, FRAME, &fb);
		cr_assert_eq(fa.kind, fb.kind);
	}
}

Test(fate, changes_take_effect_at_once_and_keep_the_streams)
{
	struct tw_netsim_imp imp = {.loss_ppm = 100000, .seed = 10};
	struct tw_netsim_dir a = dir_of(&imp), b = dir_of(&imp);
	struct tw_netsim_fate fa, fb;

	for (int64_t i = 0; i < 3000; i++) {
		if (i == 1000) {
			imp.delay_ns = 500;
			tw_netsim_dir_set(&b, &imp);
		}
		tw_netsim_fate(&a, i * GAP, FRAME, &fa);
		tw_netsim_fate(&b, i * GAP, FRAME, &fb);
		cr_assert_eq(fa.kind, fb.kind);
		if (fa.kind == TW_NETSIM_ARRIVES)
			cr_assert_eq(fb.arrive_ns[0] - fa.arrive_ns[0], i < 1000 ? 0 : 500);
	}
}

Test(fate, control_traffic_passes_unharmed)
{
	const struct tw_netsim_imp imp = {.loss_ppm = 1000000, .delay_ns = 77};
	struct tw_netsim_dir d = dir_of(&imp);
	struct tw_netsim_fate f;

	tw_netsim_pass(&d, 1000, FRAME, &f);
	cr_assert_eq(f.kind, TW_NETSIM_ARRIVES);
	cr_assert_eq(f.arrive_ns[0], 1077);
}

Test(fate, refuses_what_makes_no_sense)
{
	struct tw_netsim_imp imp = {.loss_ppm = 1000001};

	cr_assert_str_eq(tw_netsim_imp_check(&imp), "loss_ppm");
	imp = (struct tw_netsim_imp){.delay_ns = -1};
	cr_assert_str_eq(tw_netsim_imp_check(&imp), "delay_ns");
	imp = (struct tw_netsim_imp){.jitter = TW_NETSIM_JITTER_TRACE};
	cr_assert_str_eq(tw_netsim_imp_check(&imp), "trace");
	imp = (struct tw_netsim_imp){.rate_bps = 1};
	cr_assert_str_eq(tw_netsim_imp_check(&imp), "rate_bps");
}
