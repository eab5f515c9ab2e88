/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The discipline against a scripted reference: the stated error bounds the true one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "sim_clock.h"

#define HZ          2445432100.0
#define INTERVAL_MS 100
#define MS_TICKS    ((uint64_t)(HZ / 1000))

static const struct tw_clock_sync synced = {.max_error_ns = 1000000, .is_synced = true};
static const struct tw_clock_sync unsynced = {.max_error_ns = 16000000000, .is_synced = false};

/* What a run saw. */
struct run {
	uint64_t checks;
	uint64_t breaches;     /* true error beyond the stated one */
	uint64_t worst_ns;     /* largest true error */
	uint64_t worst_stated; /* largest stated error */
	uint64_t backwards;    /* time running backwards within an epoch */
	tw_ns last;
	uint32_t last_epoch;
};

static void
calibrate(struct tw_clock_disc *d, struct sim_clock *s)
{
	struct tw_clock_reading r[64];

	for (int i = 0; i < 64; i++) {
		r[i] = sim_read(s);
		sim_advance(s, MS_TICKS);
	}
	cr_assert_eq(tw_clock_disc_calibrate(d, r, 64, &synced), 0);
}

/* Look at the model at some moment. */
static void
check(struct run *run, const struct tw_clock_disc *d, const struct sim_clock *s)
{
	struct tw_stamp st = tw_clock_stamp(tw_clock_disc_model(d), s->tsc, TW_STAMP_TSC_RX);
	uint64_t off = (uint64_t)llabs(st.time.ns - sim_ref_ns(s));

	run->checks++;
	run->breaches += off > st.stamp_error_ns;
	if (off > run->worst_ns)
		run->worst_ns = off;
	if (st.stamp_error_ns > run->worst_stated)
		run->worst_stated = st.stamp_error_ns;
	if (run->last_epoch == st.epoch && st.time.ns < run->last.ns)
		run->backwards++;
	run->last = st.time;
	run->last_epoch = st.epoch;
}

static enum tw_clock_verdict
feed(struct tw_clock_disc *d, struct sim_clock *s, const struct tw_clock_sync *sync)
{
	struct tw_clock_reading r[5];

	for (int i = 0; i < 5; i++)
		r[i] = sim_read(s);
	return tw_clock_disc_sample(d, r, 5, sync);
}

/* One interval: some looks at the model, then a sample (again at once if suspect). */
static enum tw_clock_verdict
turn(struct tw_clock_disc *d, struct sim_clock *s, struct run *run)
{
	enum tw_clock_verdict v;

	for (int i = 0; i < 10; i++) {
		sim_advance(s, INTERVAL_MS / 10 * MS_TICKS);
		check(run, d, s);
	}
	v = feed(d, s, &synced);
	return v == TW_CLOCK_V_SUSPECT ? feed(d, s, &synced) : v;
}

Test(disc, calibration_states_an_honest_error)
{
	for (uint64_t seed = 1; seed < 200; seed++) {
		struct sim_clock s = sim_init(HZ, seed);
		struct tw_clock_disc d;
		struct run run = {0};

		tw_clock_disc_init(&d, NULL);
		calibrate(&d, &s);
		for (int i = 0; i < 20; i++) {
			sim_advance(&s, 10 * MS_TICKS);
			check(&run, &d, &s);
		}
		cr_assert_eq(run.breaches, 0, "seed %lu", seed);
		cr_assert_lt(run.worst_stated, 2000);
		cr_assert_float_eq((double)tw_clock_disc_model(&d)->tsc_hz, HZ, HZ * 2e-6);
	}
}

Test(disc, calibration_refuses_what_is_no_line)
{
	struct sim_clock s = sim_init(HZ, 3);
	struct tw_clock_reading r[64];
	struct tw_clock_disc d;

	tw_clock_disc_init(&d, NULL);
	for (int i = 0; i < 64; i++) {
		r[i] = sim_read(&s);
		sim_advance(&s, MS_TICKS);
		if (i == 32)
			sim_step(&s, 5000000);
	}
	cr_assert_eq(tw_clock_disc_calibrate(&d, r, 64, &synced), -EAGAIN);
	cr_assert_eq(tw_clock_disc_calibrate(&d, r, 7, &synced), -EINVAL);
	cr_assert_eq(tw_clock_disc_calibrate(&d, r, 9, &synced), -EINVAL);
	cr_assert_eq(tw_clock_disc_model(&d)->epoch, 0);
	cr_assert_eq(tw_clock_disc_sample(&d, r, 1, &synced), TW_CLOCK_V_NONE);
}

Test(disc, without_a_model_nothing_is_known)
{
	struct tw_clock c = {0};
	struct tw_stamp st = tw_clock_stamp(&c, 1000, TW_STAMP_TSC_RX);

	cr_assert_not(st.is_synced);
	cr_assert_eq(st.stamp_error_ns, TW_CLOCK_ERROR_UNKNOWN);
	cr_assert_eq(tw_clock_ee_at(&c, 0), 0x3fff);
	cr_assert_eq(tw_clock_ee_at(&c, 1000), 0x3fff);
}

Test(disc, a_steady_reference_is_followed_to_nanoseconds)
{
	struct sim_clock s = sim_init(HZ, 5);
	struct tw_clock_disc d;
	struct run run = {0};

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 20; i++)
		turn(&d, &s, &run);
	run = (struct run){0};
	for (int i = 0; i < 600; i++)
		cr_assert_neq(turn(&d, &s, &run), TW_CLOCK_V_STEPPED);
	cr_assert_eq(run.breaches, 0);
	cr_assert_eq(run.backwards, 0);
	cr_assert_lt(run.worst_ns, 40);
	cr_assert_lt(run.worst_stated, 500);
	cr_assert_eq(d.stats.steps, 0);
	cr_assert_float_eq((double)tw_clock_disc_model(&d)->tsc_hz, HZ, HZ * 1e-7);
}

Test(disc, wander_stays_within_the_stated_error)
{
	struct sim_clock s = sim_init(HZ, 6);
	struct tw_clock_disc d;
	struct run run = {0};

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 3000; i++) {
		sim_bend(&s, (int64_t)(sim_random(&s) % 201) - 100); /* 0.1 ppm per interval */
		turn(&d, &s, &run);
	}
	cr_assert_eq(run.breaches, 0);
	cr_assert_eq(run.backwards, 0);
	cr_assert_lt(run.worst_ns, 500);
}

Test(disc, a_slewing_reference_is_followed)
{
	struct sim_clock s = sim_init(HZ, 8);
	struct tw_clock_disc d;
	struct run run = {0};

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 2000; i++) {
		if (i % 100 == 50) /* a daemon corrects the rate by up to 50 ppm */
			sim_bend(&s, (int64_t)(sim_random(&s) % 100001) - 50000);
		cr_assert_neq(turn(&d, &s, &run), TW_CLOCK_V_STEPPED);
	}
	cr_assert_eq(run.backwards, 0);
	/* only the interval in which the rate changed may be wrong, and not for long */
	cr_assert_lt(run.breaches, run.checks / 100);
	cr_assert_lt(run.worst_ns, 10000);
	cr_assert_eq(tw_clock_disc_model(&d)->epoch, 1);
	run = (struct run){0};
	for (int i = 0; i < 50; i++)
		turn(&d, &s, &run);
	cr_assert_eq(run.breaches, 0);
}

Test(disc, a_step_starts_an_epoch_and_clears_s_for_a_while)
{
	static const int64_t steps[] = {1000000, -1000000, 3600000000000, -500000};

	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		struct sim_clock s = sim_init(HZ, 9 + k);
		struct tw_clock_disc d;
		struct run run = {0};
		int i;

		tw_clock_disc_init(&d, NULL);
		calibrate(&d, &s);
		for (i = 0; i < 30; i++)
			turn(&d, &s, &run);
		cr_assert(tw_clock_disc_model(&d)->is_synced);
		sim_step(&s, steps[k]);
		cr_assert_eq(feed(&d, &s, &synced), TW_CLOCK_V_SUSPECT);
		cr_assert_not(tw_clock_disc_model(&d)->is_synced);
		cr_assert_eq(tw_clock_disc_model(&d)->ee, 0x3fff);
		cr_assert_eq(feed(&d, &s, &synced), TW_CLOCK_V_STEPPED);
		cr_assert_eq(tw_clock_disc_model(&d)->epoch, 2);
		cr_assert_not(tw_clock_disc_model(&d)->is_synced);
		cr_assert_eq(d.stats.steps, 1);
		run = (struct run){0};
		for (i = 0; i < 70 && !tw_clock_disc_model(&d)->is_synced; i++)
			turn(&d, &s, &run);
		cr_assert(i >= 48 && i <= 52, "%d", i); /* 5 s */
		cr_assert_eq(run.breaches, 0);
		cr_assert_eq(run.backwards, 0);
	}
}

Test(disc, a_lying_reading_is_rejected_and_counted)
{
	static const int64_t lies[] = {50000000, -50000000, 30000, -3000};
	struct sim_clock s = sim_init(HZ, 13);
	struct tw_clock_disc d;
	struct run run = {0};

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 400; i++) {
		if (i % 100 == 99) {
			struct tw_clock_reading r = sim_read(&s);

			r.ref.ns += lies[i / 100];
			cr_assert_eq(tw_clock_disc_sample(&d, &r, 1, &synced), TW_CLOCK_V_SUSPECT);
		}
		cr_assert_neq(turn(&d, &s, &run), TW_CLOCK_V_STEPPED);
	}
	cr_assert_eq(run.breaches, 0);
	cr_assert_eq(d.stats.outliers, 4);
	cr_assert_eq(d.stats.steps, 0);
	cr_assert(tw_clock_disc_model(&d)->is_synced);
}

Test(disc, wide_brackets_are_left_out_until_they_are_the_rule)
{
	struct sim_clock s = sim_init(HZ, 14);
	struct tw_clock_disc d;
	struct run run = {0};
	unsigned wide = 0;

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 20; i++)
		turn(&d, &s, &run);
	s.bracket_tsc = 20000; /* 8 us, as under a hypervisor that traps the counter */
	for (int i = 0; i < 100; i++)
		wide += turn(&d, &s, &run) == TW_CLOCK_V_WIDE;
	cr_assert_eq(wide, 7);
	cr_assert_eq(d.stats.wide, 7);
	cr_assert_eq(run.breaches, 0);
	s.bracket_tsc = 300000; /* 123 us: useless */
	for (int i = 0; i < 30; i++)
		cr_assert_eq(turn(&d, &s, &run), TW_CLOCK_V_WIDE);
	cr_assert_not(tw_clock_stamp(tw_clock_disc_model(&d), s.tsc, TW_STAMP_TSC_RX).is_synced);
}

Test(disc, a_counter_that_runs_backwards_is_not_used)
{
	struct sim_clock s = sim_init(HZ, 15);
	struct tw_clock_disc d;
	struct tw_clock_reading r = {0};
	struct tw_clock before;

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	before = *tw_clock_disc_model(&d);
	r = sim_read(&s);
	r.tsc_after = r.tsc_before - 1;
	cr_assert_eq(tw_clock_disc_sample(&d, &r, 1, &synced), TW_CLOCK_V_BACKWARD);
	r = (struct tw_clock_reading){before.tsc0 - 10, {before.ns0}, before.tsc0 - 5};
	cr_assert_eq(tw_clock_disc_sample(&d, &r, 1, &synced), TW_CLOCK_V_BACKWARD);
	cr_assert_eq(tw_clock_disc_model(&d)->rate, before.rate);
	cr_assert_eq(d.stats.backward, 2);
}

Test(disc, s_follows_the_owner_of_the_reference)
{
	struct sim_clock s = sim_init(HZ, 16);
	struct tw_clock_disc d;
	const struct tw_clock *m = &d.model;

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	cr_assert(m->is_synced);
	cr_assert_geq(tw_clock_ee_decode(m->ee).error_ns, 1000000);
	cr_assert_lt(tw_clock_ee_decode(m->ee).error_ns, 1020000);
	sim_advance(&s, 100 * MS_TICKS);
	feed(&d, &s, &unsynced);
	cr_assert_not(m->is_synced);
	cr_assert_eq(m->ee, 0x3fff);
	sim_advance(&s, 100 * MS_TICKS);
	feed(&d, &s, &synced);
	cr_assert(m->is_synced);
	/* an error that looks small makes no S */
	sim_advance(&s, 100 * MS_TICKS);
	feed(&d, &s, &(struct tw_clock_sync){.max_error_ns = 1000, .is_synced = false});
	cr_assert_not(m->is_synced);
	cr_assert_eq(m->ee, 0x3fff);
}

Test(disc, an_old_model_admits_it)
{
	struct sim_clock s = sim_init(HZ, 17);
	struct tw_clock_disc d;
	const struct tw_clock *m = &d.model;
	struct run run = {0};
	uint32_t young;

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int i = 0; i < 20; i++)
		turn(&d, &s, &run);
	young = tw_clock_stamp(m, s.tsc, TW_STAMP_TSC_RX).stamp_error_ns;
	sim_advance(&s, 1000 * MS_TICKS);
	cr_assert_gt(tw_clock_stamp(m, s.tsc, TW_STAMP_TSC_RX).stamp_error_ns, young + 500);
	cr_assert(tw_clock_stamp(m, s.tsc, TW_STAMP_TSC_RX).is_synced);
	cr_assert_geq(tw_clock_ee_decode(tw_clock_ee_at(m, s.tsc)).error_ns,
		tw_clock_ee_decode(m->ee).error_ns);
	sim_advance(&s, 2000 * MS_TICKS);
	cr_assert_not(tw_clock_stamp(m, s.tsc, TW_STAMP_TSC_RX).is_synced);
	cr_assert_eq(tw_clock_ee_at(m, s.tsc), 0x3fff);
}

Test(disc, conversions_are_each_others_inverse)
{
	struct sim_clock s = sim_init(HZ, 18);
	struct tw_clock_disc d;
	const struct tw_clock *m = &d.model;

	tw_clock_disc_init(&d, NULL);
	calibrate(&d, &s);
	for (int64_t ms = -1000; ms < 10000; ms += 77) {
		uint64_t tsc = m->tsc0 + (uint64_t)(ms * (int64_t)MS_TICKS);
		int64_t back = (int64_t)(tw_clock_tsc_at(m, tw_clock_at(m, tsc)) - tsc);

		cr_assert(back > -8 && back < 8, "%ld ms: %ld", ms, back);
		cr_assert_leq(llabs(tw_clock_tsc_to_ns(m, tw_clock_ns_to_tsc(m, ms * 1000000)) -
				      ms * 1000000),
			2);
	}
}

Test(disc, slow_and_fast_counters_serve)
{
	static const double hz[] = {24e6, 1e9, 5.2e9};

	for (size_t k = 0; k < sizeof(hz) / sizeof(hz[0]); k++) {
		struct sim_clock s = sim_init(hz[k], 20 + k);
		struct tw_clock_reading r[64];
		struct tw_clock_disc d;
		struct run run = {0};

		s.bracket_tsc = (uint64_t)(hz[k] * 60e-9);
		s.jitter_tsc = s.bracket_tsc / 8;
		tw_clock_disc_init(&d, NULL);
		for (int i = 0; i < 64; i++) {
			r[i] = sim_read(&s);
			sim_advance(&s, (uint64_t)(hz[k] / 1000));
		}
		cr_assert_eq(tw_clock_disc_calibrate(&d, r, 64, &synced), 0);
		for (int i = 0; i < 300; i++) {
			sim_advance(&s, (uint64_t)(hz[k] / 10));
			check(&run, &d, &s);
			feed(&d, &s, &synced);
		}
		cr_assert_eq(run.breaches, 0, "%.0f Hz", hz[k]);
		cr_assert_lt(run.worst_ns, 200);
	}
}
