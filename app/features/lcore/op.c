/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Lcores and their roles.
 */
#include <errno.h>
#include <rte_lcore.h>
#include <stdio.h>

#include "app.h"
#include "clocks.h"
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
	tw_out_u64(out, "pairs_filled", st.pairs_filled, NULL);
	tw_out_u64(out, "pairs_sessions", st.pairs_used, NULL);
	tw_out_u64(out, "queues", st.queue_cnt, NULL);
	tw_out_u64(out, "senders", st.sender_cnt, NULL);
	tw_out_u64(out, "turns", st.ctr[TW_DP_CTR_TURNS], NULL);
	tw_out_u64(out, "idle_turns", st.ctr[TW_DP_CTR_IDLE_TURNS], NULL);
	tw_out_u64(out, "gaps", st.ctr[TW_DP_CTR_GAPS], NULL);
	tw_out_ns(out, "gap_total_ns", (int64_t)st.gap_total_ns);
	tw_out_ns(out, "gap_longest_ns", (int64_t)st.gap_longest_ns);
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

static int
op_gaps(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_clock *clock =
		tw_clock_feed_model(tw_clocks_get(app->clocks, TW_CLOCKS_SYSTEM)->feed);
	uint64_t next = tw_args_u64(args, "cursor"), idx = tw_args_u64(args, "data_lcore");
	struct tw_dp_gap gap[TW_PAGE_MAX];
	unsigned n;

	if (idx >= app->data_lcore_cnt)
		return tw_out_fail(out, -ENOENT, "data_lcore", "`show lcore` lists them",
			"there are %u data lcores", app->data_lcore_cnt);
	n = tw_dp_gaps_get(
		app->dp, (unsigned)idx, &next, gap, (unsigned)tw_args_u64(args, "limit"));
	tw_out_arr(out, "gaps");
	for (unsigned i = 0; i < n; i++) {
		int64_t end_ns = tw_clock_at(clock, gap[i].end_tsc).ns;

		tw_out_obj(out, NULL);
		tw_out_time(out, "begin", end_ns - (int64_t)gap[i].len_ns);
		tw_out_ns(out, "length_ns", (int64_t)gap[i].len_ns);
		tw_out_u64(out, "end_tsc", gap[i].end_tsc, NULL);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	tw_out_u64(out, "next", next, NULL);
	return 0;
}

#define TW_FEATURE     lcore
#define TW_FEATURE_DEF "lcore/lcore.def"
#include "../feature.h"
