/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Simulated clocks: what the script says is what they read.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "tw_netsim_clock.h"

#define S      INT64_C(1000000000)
#define ORIGIN (INT64_C(1790000000) * S)

static struct tw_netsim_clock *
clock_of(const struct tw_netsim_clock_cfg *cfg)
{
	struct tw_netsim_clock *c = calloc(1, sizeof(*c));

	cr_assert_not_null(c);
	tw_netsim_clock_init(c, cfg);
	return c;
}

Test(clock, offset_and_drift)
{
	const struct tw_netsim_clock_cfg cfg = {
		.origin_ns = ORIGIN, .offset_ns = 3000000, .drift_ppb = 20000};
	struct tw_netsim_clock *c = clock_of(&cfg);

	cr_assert_eq(tw_netsim_clock_at(c, 0), ORIGIN + 3000000);
	cr_assert_eq(tw_netsim_clock_at(c, S), ORIGIN + S + 3000000 + 20000);
	cr_assert_eq(tw_netsim_clock_at(c, 1000 * S), ORIGIN + 1000 * S + 3000000 + 20000000);
	free(c);
}

Test(clock, steps_and_slews)
{
	const struct tw_netsim_clock_cfg cfg = {.origin_ns = ORIGIN};
	struct tw_netsim_clock *c = clock_of(&cfg);

	cr_assert_eq(tw_netsim_clock_step(c, 10 * S, -5000), 0);
	cr_assert_eq(tw_netsim_clock_slew(c, 20 * S, 2000, 2 * S), 0);
	cr_assert_eq(tw_netsim_clock_at(c, 10 * S - 1), ORIGIN + 10 * S - 1);
	cr_assert_eq(tw_netsim_clock_at(c, 10 * S), ORIGIN + 10 * S - 5000);
	cr_assert_eq(tw_netsim_clock_at(c, 21 * S), ORIGIN + 21 * S - 4000);
	cr_assert_eq(tw_netsim_clock_at(c, 22 * S), ORIGIN + 22 * S - 3000);
	cr_assert_eq(tw_netsim_clock_at(c, 30 * S), ORIGIN + 30 * S - 3000);
	/* asked again about earlier times it says the same */
	cr_assert_eq(tw_netsim_clock_at(c, 9 * S), ORIGIN + 9 * S);
	free(c);
}

Test(clock, wander_is_smooth_and_bounded)
{
	const struct tw_netsim_clock_cfg cfg = {.wander_ppb = 1000, .seed = 5};
	struct tw_netsim_clock *c = clock_of(&cfg);
	int64_t last = tw_netsim_clock_at(c, 0), most = 0;

	cr_assert_eq(last, 0);
	for (int64_t t = S / 100; t < 300 * S; t += S / 100) {
		const int64_t now = tw_netsim_clock_at(c, t);
		const int64_t rate_ns = now - last - S / 100;

		/* 1,000 ppb over 10 ms are 10 ns; a nanosecond for each rounding */
		cr_assert_leq(llabs(rate_ns), 12, "at %ld", t);
		most = llabs(rate_ns) > most ? llabs(rate_ns) : most;
		last = now;
	}
	cr_assert_geq(most, 5, "it does wander");
	free(c);
}

Test(clock, rate_changes_without_a_jump)
{
	const struct tw_netsim_clock_cfg cfg = {.drift_ppb = 50000, .wander_ppb = 3000, .seed = 1};
	struct tw_netsim_clock *c = clock_of(&cfg);
	int64_t before = tw_netsim_clock_at(c, 7 * S);

	cr_assert_eq(tw_netsim_clock_rate(c, 7 * S, -50000, 0), 0);
	cr_assert_eq(tw_netsim_clock_at(c, 7 * S), before);
	cr_assert_eq(tw_netsim_clock_at(c, 8 * S), before + S - 50000);
	free(c);
}

Test(clock, sync_state_follows_the_script)
{
	const struct tw_netsim_clock_cfg cfg = {.is_synced = true, .max_error_ns = 1000};
	struct tw_netsim_clock *c = clock_of(&cfg);

	cr_assert_eq(tw_netsim_clock_sync(c, 5 * S, false, 0), 0);
	cr_assert_eq(tw_netsim_clock_sync(c, 6 * S, true, 9000), 0);
	cr_assert(tw_netsim_clock_part_at(c, 5 * S - 1)->is_synced);
	cr_assert_eq(tw_netsim_clock_part_at(c, 5 * S - 1)->max_error_ns, 1000);
	cr_assert_not(tw_netsim_clock_part_at(c, 5 * S)->is_synced);
	cr_assert(tw_netsim_clock_part_at(c, 6 * S)->is_synced);
	cr_assert_eq(tw_netsim_clock_part_at(c, 6 * S)->max_error_ns, 9000);
	free(c);
}

Test(clock, when_is_the_inverse)
{
	const struct tw_netsim_clock_cfg cfg = {
		.origin_ns = 77, .drift_ppb = -35000, .wander_ppb = 500, .seed = 3};
	struct tw_netsim_clock *c = clock_of(&cfg);

	for (int64_t t = S; t < 100 * S; t += 7 * S) {
		const int64_t read = tw_netsim_clock_at(c, t);
		const int64_t when = tw_netsim_clock_when(c, read, t - 5000000);

		cr_assert_leq(llabs(when - t), 1);
	}
	free(c);
}

Test(clock, refuses_the_past_too_much_and_too_many)
{
	const struct tw_netsim_clock_cfg cfg = {.drift_ppb = 100000};
	struct tw_netsim_clock *c = clock_of(&cfg);
	int ret = 0;

	cr_assert_eq(tw_netsim_clock_step(c, 5 * S, 1), 0);
	cr_assert_eq(tw_netsim_clock_step(c, 4 * S, 1), -EINVAL);
	cr_assert_eq(tw_netsim_clock_slew(c, 6 * S, S / 500, S), -ERANGE);
	cr_assert_eq(tw_netsim_clock_slew(c, 6 * S, 1, 0), -EINVAL);
	cr_assert_eq(tw_netsim_clock_rate(c, 6 * S, 2000000, 0), -ERANGE);
	for (unsigned i = 0; ret == 0; i++) {
		cr_assert_lt(i, TW_NETSIM_CLOCK_PARTS);
		ret = tw_netsim_clock_step(c, (7 + i) * S, 1);
	}
	cr_assert_eq(ret, -ENOSPC);
	free(c);
}
