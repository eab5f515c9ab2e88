/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Lcores and their roles.
 */
#include <rte_lcore.h>
#include <stdio.h>

#include "app.h"
#include "lcores.h"
#include "ops.h"
#include "tw_dp.h"

static void
put_cpus(struct tw_out *out, unsigned lcore)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore);
	char text[128] = "";
	unsigned cpu;
	int len = 0;

	for (cpu = 0; cpu < CPU_SETSIZE && len < (int)sizeof(text) - 8; cpu++)
		if (CPU_ISSET(cpu, &set))
			len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%u",
				len > 0 ? "," : "", cpu);
	tw_out_str(out, "cpus", text);
}

static void
put_lcore(struct tw_out *out, unsigned lcore, const char *role)
{
	tw_out_obj(out, NULL);
	tw_out_u64(out, "lcore", lcore, NULL);
	tw_out_str(out, "role", role);
	put_cpus(out, lcore);
}

static void
put_data_lcore(struct tw_app *app, struct tw_out *out, unsigned idx)
{
	const char *variant, *engine = tw_dp_engine(app->dp, idx, &variant);
	struct tw_dp_stats st;

	tw_dp_stats_get(app->dp, idx, &st);
	put_lcore(out, app->data_lcores[idx], "data");
	tw_out_u64(out, "data_lcore", idx, NULL);
	tw_out_bool(out, "is_running", st.is_running);
	tw_out_str(out, "engine", engine);
	tw_out_str(out, "engine_variant", variant);
	tw_out_u64(out, "queues", st.queue_cnt, NULL);
	tw_out_u64(out, "senders", st.sender_cnt, NULL);
	tw_out_u64(out, "turns", st.ctr[TW_DP_CTR_TURNS], NULL);
	tw_out_u64(out, "idle_turns", st.ctr[TW_DP_CTR_IDLE_TURNS], NULL);
	tw_out_u64(out, "gaps", st.ctr[TW_DP_CTR_GAPS], NULL);
	tw_out_obj_end(out);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	unsigned i;

	(void)args;
	tw_out_str(out, "idle", tw_idle_name((unsigned)atomic_load(&app->idle)));
	tw_out_bool(out, "shares_cpus", tw_lcores_are_shared(app) != 0);
	tw_out_arr(out, "lcores");
	put_lcore(out, rte_get_main_lcore(), "main");
	tw_out_obj_end(out);
	put_lcore(out, app->ctl_lcore, "control");
	tw_out_obj_end(out);
	tw_out_arr_end(out);
	tw_out_arr(out, "data_lcores");
	for (i = 0; i < app->data_lcore_cnt; i++)
		put_data_lcore(app, out, i);
	tw_out_arr_end(out);
	return 0;
}

#define TW_FEATURE     lcore
#define TW_FEATURE_DEF "lcore/lcore.def"
#include "../feature.h"
