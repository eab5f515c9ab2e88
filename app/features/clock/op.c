/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The clocks: what each follows, how well, and how well it did of late.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "clocks.h"
#include "ops.h"

static void
put_error(struct tw_out *out, const char *name, uint64_t ns)
{
	if (ns > INT64_MAX || ns == TW_CLOCK_ERROR_UNKNOWN)
		tw_out_null(out, name);
	else
		tw_out_ns(out, name, (int64_t)ns);
}

static const char *
reference(const struct tw_clocks_entry *e)
{
	if (e->idx == TW_CLOCKS_SYSTEM)
		return "CLOCK_REALTIME";
	return e->dev[0] != '\0' ? e->dev : tw_clock_feed_kind(e->feed);
}

static void
put_row(struct tw_out *out, const struct tw_clocks_entry *e)
{
	const struct tw_clock_disc_stats *st = tw_clock_feed_stats(e->feed);
	const struct tw_clock *m = tw_clock_feed_model(e->feed);

	tw_out_str(out, "name", e->name);
	tw_out_str(out, "kind", tw_clock_feed_kind(e->feed));
	tw_out_str(out, "reference", reference(e));
	tw_out_bool(out, "is_synced", m->is_synced);
	put_error(out, "stamp_error_ns",
		m->epoch != 0 ? (uint64_t)m->stamp_error_ns + m->clock_error_ns : UINT64_MAX);
	put_error(out, "sync_error_ns", m->epoch != 0 ? m->sync_error_ns : UINT64_MAX);
	tw_out_ns(out, "offset_ns", st->last_offset_ns);
	tw_out_i64(out, "drift_ppb", st->drift_ppb, "ppb");
	tw_out_ns(out, "residual_ns", (int64_t)st->residual_ns);
	tw_out_u64(out, "epoch", m->epoch, NULL);
	tw_out_u64(out, "ports", e->users, NULL);
}

static void
put_clock(struct tw_out *out, const struct tw_clocks_entry *e)
{
	const struct tw_clock_disc_stats *st = tw_clock_feed_stats(e->feed);
	const struct tw_clock_sync *sync = tw_clock_feed_sync(e->feed);
	const struct tw_clock *m = tw_clock_feed_model(e->feed);
	uint64_t failed;
	int why;

	put_row(out, e);
	if (m->epoch != 0)
		tw_out_time(out, "now", tw_clock_feed_now(e->feed).ns);
	else
		tw_out_null(out, "now");
	tw_out_bool(out, "is_reference_synced", sync->is_synced);
	tw_out_str(out, "leap", sync->leap > 0 ? "insert" : sync->leap < 0 ? "delete" : "none");
	tw_out_ns(out, "error_floor_ns", (int64_t)tw_clock_feed_floor_get(e->feed));
	tw_out_u64(out, "rate_error_ppb", m->rate_error_ppb, "ppb");
	tw_out_u64(out, "tsc_hz", m->tsc_hz, "Hz");
	tw_out_u64(out, "readings", st->accepted, NULL);
	tw_out_u64(out, "readings_wide", st->wide, NULL);
	tw_out_u64(out, "readings_backward", st->backward, NULL);
	failed = tw_clock_feed_failed(e->feed, &why);
	tw_out_u64(out, "readings_failed", failed, NULL);
	tw_out_str(out, "failure", why != 0 ? strerror(-why) : NULL);
	tw_out_u64(out, "outliers", st->outliers, NULL);
	tw_out_u64(out, "bends", st->bends, NULL);
	tw_out_u64(out, "steps", st->steps, NULL);
	tw_out_u64(out, "leap_seconds", st->leaps, NULL);
	tw_out_ns(out, "last_width_ns", (int64_t)st->last_width_ns);
	tw_out_ns(out, "last_step_ns", st->last_step_ns);
}

static int
no_clock(struct tw_out *out, const char *name)
{
	return tw_out_fail(
		out, -ENOENT, "name", "`list clock` lists them", "there is no clock '%s'", name);
}

static int
op_add(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_clock_ref_phc_cfg cfg = {.dev = tw_args_str(args, "dev"),
		.utc_offset_s = (int32_t)tw_args_u64(args, "utc_offset_s"),
		.max_error_ns = (uint64_t)tw_args_ns(args, "max_error_ns")};
	struct tw_clocks_entry *e;
	struct tw_clock_ref ref;
	char err[256] = "";
	int ret;

	ret = tw_clock_ref_phc(&cfg, &ref, err, sizeof(err));
	if (ret == 0)
		ret = tw_clocks_add(
			app->clocks, tw_args_str(args, "name"), &ref, &e, err, sizeof(err));
	if (ret != 0)
		return tw_out_fail(out, ret, NULL, NULL, "%s", err);
	snprintf(e->dev, sizeof(e->dev), "%s", cfg.dev);
	e->utc_offset_s = cfg.utc_offset_s;
	e->max_error_ns = cfg.max_error_ns;
	put_clock(out, e);
	return 0;
}

static int
op_remove(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");

	switch (tw_clocks_del(app->clocks, name)) {
	case 0:
		tw_out_str(out, "name", name);
		return 0;
	case -EBUSY:
		return tw_out_fail(out, -EBUSY, "name", "remove them first (show port)",
			"clock '%s' stamps for %u ports", name,
			tw_clocks_find(app->clocks, name)->users);
	case -EPERM:
		return tw_out_fail(out, -EPERM, "name", NULL, "the system clock stays");
	default:
		return no_clock(out, name);
	}
}

static int
op_list(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_clocks_entry *e;

	(void)args;
	tw_out_arr(out, "clocks");
	for (e = tw_clocks_next(app->clocks, 0); e != NULL;
		e = tw_clocks_next(app->clocks, e->idx + 1)) {
		tw_out_obj(out, NULL);
		put_row(out, e);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");
	const struct tw_clocks_entry *e = tw_clocks_find(app->clocks, name);

	if (e == NULL)
		return no_clock(out, name);
	put_clock(out, e);
	return 0;
}

static int
op_history(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");
	const struct tw_clocks_entry *e = tw_clocks_find(app->clocks, name);
	uint64_t at = tw_args_u64(args, "cursor"), end = at + tw_args_u64(args, "limit");
	const struct tw_clock_second *s = NULL;

	if (e == NULL)
		return no_clock(out, name);
	tw_out_str(out, "name", name);
	tw_out_arr(out, "seconds");
	for (; (s = tw_clock_feed_second(e->feed, at)) != NULL && at < end; at++) {
		tw_out_obj(out, NULL);
		tw_out_time(out, "end", s->at.ns);
		tw_out_bool(out, "is_synced", s->is_synced);
		tw_out_ns(out, "offset_min_ns", s->offset_min_ns);
		tw_out_ns(out, "offset_max_ns", s->offset_max_ns);
		tw_out_i64(out, "drift_ppb", s->drift_ppb, "ppb");
		put_error(out, "stamp_error_ns", s->stamp_error_ns);
		put_error(out, "sync_error_ns", s->sync_error_ns);
		tw_out_u64(out, "epoch", s->epoch, NULL);
		tw_out_u64(out, "readings", s->readings, NULL);
		tw_out_u64(out, "bends", s->bends, NULL);
		tw_out_u64(out, "steps", s->steps, NULL);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (s != NULL)
		tw_out_u64(out, "next", at, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

/* Those the operator made; the simulated ones come back with their wire. */
static void
config_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	const struct tw_clocks_entry *e;
	char offset[16], error[24];

	for (e = tw_clocks_next(app->clocks, 0); e != NULL;
		e = tw_clocks_next(app->clocks, e->idx + 1)) {
		if (e->dev[0] == '\0')
			continue;
		snprintf(offset, sizeof(offset), "%d", e->utc_offset_s);
		snprintf(error, sizeof(error), "%llu", (unsigned long long)e->max_error_ns);
		TW_OP_LINE(lines, "add", "clock", e->name, "dev", e->dev, "utc_offset_s", offset,
			"max_error_ns", error);
	}
}

#define TW_FEATURE        clock
#define TW_FEATURE_DEF    "clock/clock.def"
#define TW_FEATURE_CONFIG config_lines
#include "../feature.h"
