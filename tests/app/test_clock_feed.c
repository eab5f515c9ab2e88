/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The feed of a clock: what it hands to a reference, and what it makes of the answers. */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_cycles.h>

#include "clock_feed.h"
#include "loop.h"

#define MODELS 50

static struct tw_loop loop;
static unsigned readings, unclean, models;

/* Sets what a reference must, and no more: half the counter, in whole nanoseconds. */
static int
ref_read(void *arg, struct tw_clock_reading *out)
{
	const struct tw_clock_reading none = {0};

	(void)arg;
	readings++;
	unclean += out->is_fine != none.is_fine || out->ref_frac != none.ref_frac;
	out->tsc_before = out->tsc_after = rte_rdtsc();
	out->ref.ns = (int64_t)(out->tsc_before / 2);
	return 0;
}

static void
ref_sync(void *arg, struct tw_clock_sync *out)
{
	(void)arg;
	*out = (struct tw_clock_sync){.is_synced = true};
}

static void
on_model(void *arg, const struct tw_clock *model, bool has_changed)
{
	uint8_t dirt[512];

	(void)arg;
	(void)has_changed;
	memset(dirt, 0xa5, sizeof(dirt)); /* what the next reading is made of */
	__asm__ volatile("" : : "r"(dirt) : "memory");
	if (model->epoch != 0 && ++models == MODELS)
		tw_loop_stop(&loop);
}

Test(clock_feed, a_reading_is_clean_and_an_even_reference_does_not_bend)
{
	const struct tw_clock_ref ref = {.kind = "test", .read = ref_read, .sync = ref_sync};
	struct tw_clock_feed *f = tw_clock_feed_new("test", &ref);

	cr_assert_not_null(f);
	cr_assert_eq(tw_loop_init(&loop, 1000000, NULL, NULL), 0);
	tw_clock_feed_start(f, &loop, on_model, NULL);
	tw_loop_run(&loop);
	cr_assert_geq(models, MODELS);
	cr_assert_gt(readings, MODELS);
	cr_assert_eq(unclean, 0, "%u of %u readings", unclean, readings);
	cr_assert_eq(tw_clock_feed_stats(f)->bends, 0);
	cr_assert_leq(tw_clock_feed_model(f)->clock_error_ns, 4);
	tw_clock_feed_free(f);
	tw_loop_fini(&loop);
}
