/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The clock: what it follows, how well.
 */
#include "app.h"
#include "clock_feed.h"
#include "ops.h"

static void
put_error(struct tw_out *out, const char *name, uint64_t ns)
{
	if (ns > INT64_MAX || ns == TW_CLOCK_ERROR_UNKNOWN)
		tw_out_null(out, name);
	else
		tw_out_ns(out, name, (int64_t)ns);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_clock_disc_stats *st = tw_clock_feed_stats(app->clock_feed);
	const struct tw_clock_sync *sync = tw_clock_feed_sync(app->clock_feed);
	const struct tw_clock *m = tw_clock_feed_model(app->clock_feed);

	(void)args;
	tw_out_str(out, "reference", "CLOCK_REALTIME");
	tw_out_time(out, "now", tw_clock_feed_now(app->clock_feed).ns);
	tw_out_bool(out, "is_synced", m->is_synced);
	tw_out_bool(out, "is_kernel_synced", sync->is_synced);
	put_error(out, "stamp_error_ns", m->stamp_error_ns);
	put_error(out, "sync_error_ns", m->sync_error_ns);
	tw_out_ns(out, "error_floor_ns", (int64_t)tw_clock_feed_floor_get(app->clock_feed));
	tw_out_u64(out, "rate_error_ppb", m->rate_error_ppb, "ppb");
	tw_out_u64(out, "epoch", m->epoch, NULL);
	tw_out_u64(out, "tsc_hz", m->tsc_hz, "Hz");
	tw_out_u64(out, "readings", st->accepted, NULL);
	tw_out_u64(out, "readings_wide", st->wide, NULL);
	tw_out_u64(out, "readings_backward", st->backward, NULL);
	tw_out_u64(out, "outliers", st->outliers, NULL);
	tw_out_u64(out, "steps", st->steps, NULL);
	tw_out_ns(out, "last_offset_ns", st->last_offset_ns);
	tw_out_ns(out, "last_width_ns", (int64_t)st->last_width_ns);
	tw_out_ns(out, "last_step_ns", st->last_step_ns);
	return 0;
}

#define TW_FEATURE     clock
#define TW_FEATURE_DEF "clock/clock.def"
#include "../feature.h"
