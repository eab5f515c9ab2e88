/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Lcores. A launched lcore cannot be told to stop by EAL: control ends by its loop, data lcores by
 * tw_dp_stop().
 */
#include "lcores.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "app.h"
#include "lcore_ctl.h"
#include "lcore_data.h"
#include "tw_dp.h"

#define CHECK_NS 1000000L

int
tw_lcores_assign(struct tw_app *app, char *err, size_t err_size)
{
	unsigned lcore, cnt = 0;

	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (cnt == 0)
			app->ctl_lcore = lcore;
		else if (cnt <= TW_DP_LCORES_MAX)
			app->data_lcores[cnt - 1] = lcore;
		cnt++;
	}
	if (cnt >= 2 && cnt - 1 <= TW_DP_LCORES_MAX) {
		app->data_lcore_cnt = cnt - 1;
		return 0;
	}
	snprintf(err, err_size,
		"%u lcores: 3 to %u are needed (main, control, data lcores); several may share a "
		"CPU, "
		"e.g. EAL option --lcores '0@0,1@0,2@1'",
		cnt + 1, TW_DP_LCORES_MAX + 2);
	return -EINVAL;
}

int
tw_lcores_launch(struct tw_app *app, char *err, size_t err_size)
{
	unsigned i;
	int ret;

	for (i = 0; i < app->data_lcore_cnt; i++) {
		app->data_arg[i].app = app;
		app->data_arg[i].idx = i;
		ret = rte_eal_remote_launch(
			tw_lcore_data_main, &app->data_arg[i], app->data_lcores[i]);
		if (ret != 0)
			goto fail;
	}
	atomic_store(&app->state, TW_APP_STARTING);
	ret = rte_eal_remote_launch(tw_lcore_ctl_main, app, app->ctl_lcore);
	if (ret == 0)
		return 0;
fail:
	snprintf(err, err_size, "an lcore does not start: %s", strerror(-ret));
	return ret;
}

int
tw_lcores_check(struct tw_app *app, char *err, size_t err_size)
{
	const struct timespec pause = {.tv_nsec = CHECK_NS};
	struct tw_dp_stats st;
	unsigned i;

	for (i = 0; i < app->data_lcore_cnt; i++) {
		for (;;) {
			tw_dp_stats_get(app->dp, i, &st);
			if (st.is_running)
				break;
			if (rte_eal_get_lcore_state(app->data_lcores[i]) != RUNNING) {
				snprintf(err, err_size,
					"data lcore %u (lcore %u) does not run: its stack cannot "
					"be locked; "
					"raise the limit of locked memory (LimitMEMLOCK)",
					i, app->data_lcores[i]);
				return -EIO;
			}
			nanosleep(&pause, NULL);
		}
	}
	return 0;
}

void
tw_lcores_stop(struct tw_app *app)
{
	int state = atomic_load(&app->state);
	unsigned i;

	if (state == TW_APP_LOADING || state == TW_APP_RUNNING)
		tw_loop_stop(&app->loop);
	rte_eal_wait_lcore(app->ctl_lcore);
	if (app->dp != NULL)
		tw_dp_stop(app->dp);
	for (i = 0; i < app->data_lcore_cnt; i++)
		rte_eal_wait_lcore(app->data_lcores[i]);
}

int
tw_lcores_are_shared(const struct tw_app *app)
{
	rte_cpuset_t mine, other;
	unsigned i, lcore;

	for (i = 0; i < app->data_lcore_cnt; i++) {
		mine = rte_lcore_cpuset(app->data_lcores[i]);
		RTE_LCORE_FOREACH(lcore)
		{
			if (lcore == app->data_lcores[i])
				continue;
			other = rte_lcore_cpuset(lcore);
			CPU_AND(&other, &other, &mine);
			if (CPU_COUNT(&other) > 0)
				return 1;
		}
	}
	return 0;
}
