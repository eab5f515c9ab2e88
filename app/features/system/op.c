/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The appliance as a whole.
 */
#include <time.h>
#include <unistd.h>

#include <rte_version.h>

#include "app.h"
#include "event.h"
#include "ops.h"
#include "version.h"

static int
op_version(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	(void)args;
	tw_out_str(out, "product", "twampline");
	tw_out_str(out, "version", TW_VERSION);
	tw_out_str(out, "api_version", TW_API_VERSION);
	tw_out_str(out, "dpdk", rte_version());
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct timespec now;

	(void)args;
	clock_gettime(CLOCK_REALTIME, &now);
	tw_out_str(out, "name", app->options.name);
	tw_out_str(out, "version", TW_VERSION);
	tw_out_i64(out, "pid", getpid(), NULL);
	tw_out_str(out, "folder", app->dir);
	tw_out_time(out, "started", app->start_utc_ns);
	tw_out_ns(out, "uptime_ns",
		now.tv_sec * INT64_C(1000000000) + now.tv_nsec - app->start_utc_ns);
	tw_out_u64(out, "control_lcore", app->ctl_lcore, NULL);
	tw_out_arr(out, "data_lcores");
	for (unsigned i = 0; i < app->data_lcore_cnt; i++)
		tw_out_u64(out, NULL, app->data_lcores[i], NULL);
	tw_out_arr_end(out);
	return 0;
}

static int
op_stop(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_out *event = tw_event_begin(app, TW_EVENT_SYSTEM_STOPPING);

	(void)args;
	(void)out;
	tw_out_str(event, "reason", "system.stop");
	tw_event_send(app, event);
	tw_app_stop(app);
	return 0;
}

#define TW_FEATURE     system
#define TW_FEATURE_DEF "system/system.def"
#include "../feature.h"
